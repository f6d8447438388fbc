"""Import a network trained elsewhere: a TensorFlow SavedModel, or an .h5 or .keras file of Keras 2 or 3.

    python jobs/import_network.py their_model.h5
    python jobs/import_network.py saved_model_folder --name theirs/small --study gray_scott
    python jobs/import_network.py their_model.keras --classes alpha,beta,gamma --frames 14940,14970,15000

The job compares the outputs of the imported network for random samples with those of the original, and keeps the
network only if they agree. Then all other jobs can use it by its name. A SavedModel is a program: import only those
from people you trust.
"""

from typing import Annotated

import typer

from raypipe.command import listed, run
from raypipe.errors import InputError
from raypipe.networks.foreign.importing import TOLERANCE, import_network


def main(
    path: Annotated[str, typer.Argument(help="Folder of a SavedModel, or path or URL of an .h5 or .keras file.")],
    name: Annotated[
        str | None, typer.Option(help="Name, optionally in a series: theirs/small.  [default: that of the file]")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="Names of its outputs, in order: a,b,c.  [default: the study's, if the number matches]"),
    ] = None,
    frames: Annotated[
        str | None,
        typer.Option(help="Times of the frames that it sees.  [default: the study's, if the number matches]"),
    ] = None,
) -> None:
    """Import a network trained elsewhere, and report how much its outputs differ from the original's."""
    found = import_network(path, name=name, classes=listed(classes) or None, frames=_numbers(frames))
    own = found.architecture
    print(f"{found.name}, of the study {own.study}: {len(own.layers)} layers, {found.parameters} parameters")
    print(f"classes {' '.join(own.classes)}" + (f", frames {own.frame_times}" if own.frame_times else ""))
    print(
        f"outputs for random samples differ from the original's by {found.provenance['difference']:.1e} of the largest "
        f"({TOLERANCE:.0e} allowed)"
    )


def _numbers(given: str | None) -> list[int] | None:
    try:
        return [int(one) for one in listed(given)] or None
    except ValueError:
        raise InputError(f"--frames {given}; expected whole numbers, such as 1,2,3") from None


if __name__ == "__main__":
    run(main)
