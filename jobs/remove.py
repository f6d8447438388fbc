"""Remove a data set, or a network's results for one, together with its ledger.

    python jobs/remove.py gray_scott/scan-zoom
    python jobs/remove.py predictions/pattern-2d/scan-zoom --yes

The job shows what would be removed and what was made from it, which is kept, and asks for confirmation.
"""

import sys
from typing import Annotated

import typer

from raypipe import store
from raypipe.command import run
from raypipe.errors import DamageError, InputError
from raypipe.report.status import made_from


def main(
    name: Annotated[str, typer.Argument(help="Name, as raypipe status lists it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a store; to get it back, it must be made again by its job."""
    try:
        what = f"{store.plan_of(name).samples} samples, {store.size(name) / 1e6:.1f} MB,"
    except InputError as error:  # for example, the remains of an earlier removal
        if name not in store.list_names(name, damaged=True):
            raise
        what = f"damaged ({error.found})," if isinstance(error, DamageError) else "incomplete,"
    print(f"{name}: {what} in {store.location(name)}")
    for other in made_from(name):
        print(f"{other} was made from it, and is kept")
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(f"{name} is not removed without confirmation at a terminal; confirm with --yes")
        if not typer.confirm("Remove it?"):
            return
    store.remove(name)


if __name__ == "__main__":
    run(main)
