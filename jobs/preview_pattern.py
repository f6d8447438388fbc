"""Watch one Gray-Scott simulation.

    python jobs/preview_pattern.py --seed 1 --f 0.03 --k 0.0565

With a display, a window shows the field u as it evolves. Without a display, or with --output, the job writes an
animation (GIF) and a picture of the final state (PNG) instead.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from raypipe.command import run
from raypipe.errors import make_folder
from raypipe.plot import window
from raypipe.run.progress import progress
from raypipe.studies.gray_scott import integrator
from raypipe.studies.gray_scott.pictures import preview

TIMES = range(0, 15001, 250)
"""Times of the frames, from the initial state to the end of the study's simulations."""


def main(
    seed: Annotated[int, typer.Option(help="Seed of the initial state, from 0 to 4294967295.")],
    f: Annotated[float, typer.Option("--f", help="Feed rate, per unit of time; patterns form from 0.0015 to 0.12.")],
    k: Annotated[float, typer.Option("--k", help="Kill rate, per unit of time; patterns form from 0.024 to 0.078.")],
    diffusion_u: Annotated[
        float, typer.Option(help="Diffusion constant of u, in grid spacings squared per unit of time.")
    ] = 0.2,
    output: Annotated[
        Path | None, typer.Option(help="Folder for film and picture.  [default: a window; without a display, preview]")
    ] = None,
) -> None:
    """Watch one Gray-Scott simulation from t = 0 to 15000."""
    frames = integrator.integrate(
        *integrator.initial_state(seed), f, k, diffusion_u=diffusion_u, frame_times=tuple(TIMES)
    )
    if output is not None:
        make_folder(output)
    title = f"f = {f:g}, k = {k:g}, $D_u$ = {diffusion_u:g}, seed {seed}"
    if output is None and window.can_show():
        preview.show(_counted(frames), title)
        return
    name = f"seed{seed}_f{f:g}_k{k:g}_du{diffusion_u:g}"
    for path in preview.film(_counted(frames), title, (output or Path("preview")) / name):
        print(path)


def _counted(frames: Iterable[integrator.Frame]) -> Iterator[integrator.Frame]:
    with progress(len(TIMES), "simulation", unit="frame") as bar:
        for frame in frames:
            yield frame
            bar.update(1)


if __name__ == "__main__":
    run(main)
