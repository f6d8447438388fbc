"""Show that three software stacks share one cluster: start an actor in each environment and print package versions.

    python jobs/show_environments.py

Prints one row per environment.
"""

from typing import Any

from raypipe.command import run
from raypipe.run import cluster, environments

PACKAGES = ("numpy", "tensorflow", "keras", "andi_datasets", "innvestigate")


def table() -> dict[str, dict[str, str]]:
    """Return the package versions in each environment, as reported by an actor there."""
    cluster.connect()
    import ray

    inspector: Any = ray.remote(environments.Inspector)
    settings = {name or "cluster": environments.runtime_env(name) for name in (None, *environments.ISOLATED)}
    actors = [inspector.options(runtime_env=setting).remote() for setting in settings.values()]
    return dict(zip(settings, ray.get([actor.versions.remote(PACKAGES) for actor in actors]), strict=True))


def main() -> None:
    """Start an actor in each environment of the cluster and print the versions of its packages."""
    rows = table()
    columns = ("python", *PACKAGES)
    print(f"{'environment':<12}" + "".join(f"{column:>15}" for column in columns))
    for name, versions in rows.items():
        print(f"{name:<12}" + "".join(f"{versions.get(column, '-'):>15}" for column in columns))


if __name__ == "__main__":
    run(main)
