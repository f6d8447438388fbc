"""Simulate a scan of the Gray-Scott system's parameter space: that of Scholz & Scholz (2022), or one of your own.

    python jobs/generate_scan.py --every 10
    python jobs/generate_scan.py --name zoom --k 0.05:0.065:0.0005 --f 0.02:0.05:97p
    python jobs/generate_scan.py --name spread --k 0.06 --f 0.03 --diffusion-u 0.1:0.25:0.01 --diffusion-v 0.05:0.12:15p
    python jobs/generate_scan.py --name bubbles --k 0.055:0.063:0.001 --f 0.06:0.12:0.005 --start inverse --seeds 3

Give the values of a parameter as a number, a list such as 0.03,0.04, or a range that includes both ends:
first:last:step, or first:last:Np for N points. All combinations are simulated. The original paper's scan is stored as
gray_scott/scan, your own under its name, such as gray_scott/scan-zoom; pass it to other jobs as --split scan-zoom.
"""

from typing import Annotated

import typer

from raypipe.command import Workers, run
from raypipe.run.fill import fill
from raypipe.studies.gray_scott.own_scan import plan


def main(
    every: Annotated[int, typer.Option(help="Use only every Nth of the 5481 simulations.")] = 1,
    name: Annotated[str | None, typer.Option(help="Name of your own scan: letters, digits, '.', '_', '-'.")] = None,
    k: Annotated[str | None, typer.Option(help="Kill rates, such as 0.05:0.065:0.0005.")] = None,
    f: Annotated[str | None, typer.Option(help="Feed rates, such as 0.02:0.05:97p.")] = None,
    diffusion_u: Annotated[str | None, typer.Option(help="Diffusion coefficients of u.  [default: 0.2]")] = None,
    diffusion_v: Annotated[str | None, typer.Option(help="Diffusion coefficients of v.  [default: 0.1]")] = None,
    seeds: Annotated[int | None, typer.Option(help="Simulations at each point.  [default: 1]")] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Grid points along each side, 64 to 1024.  [default: 128, or those of --start's file]"),
    ] = None,
    time_step: Annotated[float | None, typer.Option(help="Time step of forward Euler.  [default: 0.25]")] = None,
    frame_times: Annotated[
        str | None, typer.Option(help="Times at which u is stored.  [default: 14940,14970,15000, for networks]")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="study, inverse, noise, pearson, or a file of u and v, .npz or .npy.  [default: study]"),
    ] = None,
    at_most: Annotated[int, typer.Option(help="Refuse more simulations than this (guards against typos).")] = 100_000,
    dtype: Annotated[
        str, typer.Option(help="Precision of the integration and the store: float64 or float32.")
    ] = "float64",
    workers: Workers = None,
) -> None:
    """Integrate the Gray-Scott system over the plane of kill rate k and feed rate f; store u near t = 15000.

    The original paper's scan has three frames (t = 14940, 14970, 15000), with k from 0.02375 to 0.0775 in steps of
    0.000625 and f from 0.0015 to 0.119 in steps of 0.00125. To continue an interrupted run, run the same command again.
    """
    rates = {"k": k, "f": f, "diffusion_u": diffusion_u, "diffusion_v": diffusion_v}
    others = {"seeds": seeds, "size": size, "time_step": time_step, "frame_times": frame_times, "start": start}
    fill(plan(name, {**rates, **others}, at_most=at_most, every=every, dtype=dtype), workers=workers)


if __name__ == "__main__":
    run(main)
