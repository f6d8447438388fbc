"""Generate a data set of any study: your own, named by the file that defines it, or a built-in one.

    python jobs/generate.py --study my_study.py --split scan
    python jobs/generate.py --study gray_scott --split train --set per_class=20

The settings (--set) depend on the data set; an unknown name lists those available.
"""

from typing import Annotated

import typer

from raypipe import store
from raypipe.command import Settings, Workers, chosen_study, run, values
from raypipe.run.fill import fill


def main(
    split: Annotated[str, typer.Option(help="Data set of the study that --study names.")],
    settings: Settings = None,
    workers: Workers = None,
) -> None:
    """Generate a data set of a study; if run again, continue where it stopped."""
    chosen = chosen_study()
    plan = chosen.plan(split, values(settings))
    fill(plan, workers=workers)
    print(store.location(plan.name))


if __name__ == "__main__":
    run(main)
