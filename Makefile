# make demo: install, then the whole pipeline on small real input; make test: the tests. Both install what they need.
PYTHON ?= python3.11
VENV = .venv
RUN = $(VENV)/bin/python
UV = $(RUN) -m uv

.PHONY: demo test test-all setup check docs lock clean

setup: $(VENV)/ready

# uv first, by its line of the lock, then everything else by uv; then the two isolated environments. Compiled at once: Ray
# gives its own processes 30 s to start, each of which would compile what it imports.
$(VENV)/ready: raypipe/run/envs/cluster.txt raypipe/run/envs/andi.txt raypipe/run/envs/explain.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { echo "error: $(PYTHON) is not Python 3.11; install it, or say where it is: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(RUN) -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); } || { rm -rf $(VENV); echo "error: $(PYTHON) cannot make virtual environments; install its venv package, such as python3.11-venv" >&2; exit 2; }
	@echo "Installing the locked packages into $(VENV), once."
	sed -n '/^uv==/,/[^\\]$$/p' raypipe/run/envs/cluster.txt > $(VENV)/uv.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(VENV)/uv.txt
	$(UV) pip sync --compile-bytecode --require-hashes --python $(RUN) raypipe/run/envs/cluster.txt
	$(UV) pip install --quiet --python $(RUN) --no-deps --editable .
	$(RUN) -m raypipe.run.environments
	touch $@

$(VENV)/ready-to-test: $(VENV)/ready tests/requirements.txt
	$(UV) pip install --quiet --compile-bytecode --require-hashes --python $(RUN) --requirement tests/requirements.txt
	touch $@

demo: setup
	RAYPIPE_STORE=demo/store $(RUN) jobs/demo.py --output demo
	@echo "Open demo/report/index.html in a browser."

# A process for each core, but no more than four: each loads TensorFlow, and one has a Ray cluster.
PARALLEL = --numprocesses auto --maxprocesses 4 --dist loadgroup

test: $(VENV)/ready-to-test
	$(RUN) -m pytest $(PARALLEL) -m "not slow"

test-all: $(VENV)/ready-to-test
	$(RUN) -m pytest $(PARALLEL)

check: $(VENV)/ready-to-test
	$(RUN) -m ruff check . && $(RUN) -m ruff format --check . && $(RUN) -m mypy

docs: $(VENV)/ready-to-test
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build
	@echo "Open site/index.html in a browser."

LOCK = $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock"
lock: setup
	$(LOCK) pyproject.toml --output-file raypipe/run/envs/cluster.txt
	$(LOCK) raypipe/run/envs/andi.in --output-file raypipe/run/envs/andi.txt
	$(LOCK) raypipe/run/envs/explain.in --output-file raypipe/run/envs/explain.txt
	$(LOCK) --group dev --constraint raypipe/run/envs/cluster.txt --output-file tests/requirements.txt

clean:
	rm -rf $(VENV) demo
