"""Verify that data sets and trained networks are undamaged; with --repair, make damaged parts again.

    python jobs/verify.py
    python jobs/verify.py andi/test --repair

The job reads all data. A repair recomputes only the damaged or missing parts, in the same way as the job that made the
data set; everything else stays as it is.
"""

from typing import Annotated

import typer

from raypipe import store
from raypipe.command import run
from raypipe.errors import InputError
from raypipe.networks import artifact
from raypipe.repair import repair
from raypipe.run.progress import progress


def main(
    name: Annotated[
        str | None, typer.Argument(help="Data set, such as andi/test.  [default: all, and all trained networks]")
    ] = None,
    mend: Annotated[bool, typer.Option("--repair", help="Repair damaged and missing parts of data sets.")] = False,
) -> None:
    """Verify data sets and trained networks; the exit code is 1 if damage was found and not repaired."""
    left = [one for one in ([name] if name else store.list_names(damaged=True)) if not _settled(one, mend)]
    for network in [] if name else artifact.names():
        try:
            artifact.load(network)
            print(f"network {network}: sound")
        except InputError as error:
            left.append(network)
            print(f"network {network}: {error}")
    if left:
        raise SystemExit(1)


def _settled(name: str, mend: bool) -> bool:
    """Return whether a data set is sound, if necessary after a repair."""
    found = _verified(name)
    print(f"{name}: {'sound' if found.sound else 'damaged'}{', not complete' if found.missing else ''}")
    if text := str(found):
        print("  " + text.replace("\n", "\n  "))
    if not (mend and found.mendable):
        return found.sound
    try:
        repair(found)
    except InputError as error:
        print(f"{name}: not repaired: {error}")
        return False
    print(f"{name}: repaired")
    return True


def _verified(name: str) -> store.Verification:
    if not (shards := store.finished(name)):
        return store.verify(name)
    with progress(len(shards), f"verifying {name}") as bar:
        return store.verify(name, each=bar.update)


if __name__ == "__main__":
    run(main)
