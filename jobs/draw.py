"""Draw the pictures of a study from its data sets and from the results of networks, such as predictions.

    python jobs/draw.py --study my_study.py
    python jobs/draw.py --study gray_scott --set montage_class=kappa --output figures

The settings (--set) depend on the pictures; an unknown name lists those available.
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from raypipe.command import Settings, chosen_study, run, values
from raypipe.errors import make_folder
from raypipe.files import write
from raypipe.report.pictures import drawn


def main(
    output: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("figures"),
    settings: Settings = None,
) -> None:
    """Draw the pictures of a study, one PNG file for each picture and data set."""
    chosen = chosen_study()
    make_folder(output)
    for picture in drawn(chosen, values(settings)):
        path = output / f"{picture.name}.png"
        write(path, partial(Path.write_bytes, data=picture.png))
        print(path)


if __name__ == "__main__":
    run(main)
