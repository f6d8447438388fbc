# The image that kubernetes.yaml names: this checkout, with its environments, on Ray's image of the same version.
FROM rayproject/ray:2.60.0-py311-cpu
RUN sudo apt-get update && sudo apt-get install --yes --no-install-recommends make gcc libc6-dev
# Some builders make the folder of WORKDIR as root.
RUN mkdir /home/ray/raypipe
WORKDIR /home/ray/raypipe
COPY --chown=ray:users Makefile pyproject.toml README.md LICENSE ./
COPY --chown=ray:users raypipe ./raypipe
COPY --chown=ray:users jobs ./jobs
COPY --chown=ray:users data_catalog ./data_catalog
COPY --chown=ray:users results/networks ./results/networks
RUN make setup PYTHON="$(command -v python)"
# Before the image's own Python, also in the login shell in which KubeRay starts Ray.
ENV PATH="/home/ray/raypipe/.venv/bin:$PATH"
RUN for file in .bashrc .profile; do echo 'export PATH="/home/ray/raypipe/.venv/bin:$PATH"' >> "/home/ray/$file"; done
