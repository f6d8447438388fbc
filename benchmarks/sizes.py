"""Measure the time per cell and step of the Gray-Scott integrator on grids of several sizes, on one core.

python benchmarks/sizes.py
"""

import time
from statistics import median
from typing import Annotated

import typer

from raypipe.studies.gray_scott.integrator import DATA_TYPES, initial_state
from raypipe.studies.gray_scott.kernel import Stepper

SIZES = (64, 128, 256, 512, 1024)
CELL_STEPS = 2**25
"""Cells times steps of a turn, for each size: a few hundredths of a second."""


def main(repeat: Annotated[int, typer.Option(help="Turns.")] = 15) -> None:
    """Print the nanoseconds per cell and step, and the ratio of those for 512 and for 128 points along a side."""
    ratios = {}
    for dtype in DATA_TYPES:
        steppers = {
            size: Stepper(*(field.astype(dtype) for field in initial_state(1, size)), 0.03, 0.06, 0.2, 0.1, 0.25)
            for size in SIZES
        }
        taken: dict[int, list[float]] = {size: [] for size in SIZES}
        for _ in range(repeat + 1):
            for size, stepper in steppers.items():
                steps = CELL_STEPS // size**2
                began = time.perf_counter()
                stepper.advance(steps)
                taken[size].append((time.perf_counter() - began) / (steps * size**2) * 1e9)
        medians = {size: median(times[1:]) for size, times in taken.items()}  # the first compiles
        for size, nanoseconds in medians.items():
            print(f"{dtype} {size:>5} × {size:<5} {nanoseconds:.3f} ns")
        ratios[dtype] = medians[512] / medians[128]
    print(" ".join(f"ratio_512_{dtype}={ratio:.2f}" for dtype, ratio in ratios.items()))


if __name__ == "__main__":
    typer.run(main)
