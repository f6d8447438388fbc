"""Remove a data set, or what a network made of one, with its ledger.

    python jobs/remove.py gray_scott/scan-zoom
    python jobs/remove.py predictions/pattern-2d/scan-zoom --yes

It shows what would be removed, and what was made from it, which stays, and asks for confirmation.
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
    """Remove a store; only the job that made it can bring it back."""
    try:
        what = f"{store.plan_of(name).samples} samples, {store.size(name) / 1e6:.1f} MB,"
    except InputError as error:  # as of what is left of an earlier removal
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
