"""Verify data sets and trained networks: is what is stored what was written? Make again what is not.

    python jobs/verify.py
    python jobs/verify.py --name andi/test --repair

Reads everything. A repair makes just the damaged parts again, as the job that made the data set did; all else stays.
"""

from typing import Annotated

import typer

from raypipe import artifact, store
from raypipe.command import run
from raypipe.errors import InputError
from raypipe.progress import progress


def main(
    name: Annotated[
        str | None, typer.Option(help="Data set, such as andi/test.  [default: all, and all trained networks]")
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Make damaged parts of data sets again.")] = False,
) -> None:
    """Verify data sets and trained networks; the exit code is 1 if damage was found and is not repaired."""
    damaged = [one for one in ([name] if name else store.list_names("", damaged=True)) if not _sound(one, repair)]
    for network in [] if name else artifact.names():
        try:
            artifact.load(network)
            print(f"network {network}: sound")
        except InputError as error:
            damaged.append(network)
            print(f"network {network}: {error}")
    if damaged and not repair:
        raise SystemExit(1)


def _sound(name: str, repair: bool) -> bool:
    with progress(len(store.finished(name)), f"verifying {name}") as bar:
        found = store.verify(name, repair=repair, each=bar.update)
    done = ", made again" if repair and (found.missing or not found.sound) else ""
    print(f"{name}: {'sound' if found.sound else 'damaged'}{', not complete' if found.missing else ''}{done}")
    if text := str(found):
        print("  " + text.replace("\n", "\n  "))
    return found.sound


if __name__ == "__main__":
    run(main)
