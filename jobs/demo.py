"""Run the whole pipeline on small data sets, and draw the report.

    RAYPIPE_STORE=demo/store python jobs/demo.py --output demo

Each command that the demo prints can also be run on its own. The demo trains small networks; it classifies the scan
with a network that comes with raypipe, trained on the full data sets, and with a small one for comparison. If run
again, it skips finished work and only draws.
"""

import importlib
import shlex
from pathlib import Path
from typing import Annotated

import typer

from raypipe.command import call, run
from raypipe.errors import InputError, make_folder

TRACKS = Path("examples/tracks.csv")

PIPELINE = """
generate_trajectories --split train --count 10000
generate_trajectories --split val --count 2000
generate_trajectories --split test --count 2000
generate_patterns --split train --per-class 10
generate_patterns --split val --per-class 3
generate_patterns --split test --per-class 3
generate_scan --every 10
train_grid --networks 123-4,132-4,123-16,132-16,123123-10,132132-10 --samples 5000 --epochs 3
train_network --network andi-study --epochs 10
train_network --network pattern-2d --epochs 40 --batch 16 --cpus 2
evaluate --network andi-study --output {output}/figures
evaluate --network pattern-2d --output {output}/figures
evaluate --network shipped/pattern-2d-second --output {output}/figures
evaluate --network shipped/pattern-3d --output {output}/figures
classify_tracks examples/tracks.csv --output {output}/tracks.csv
explain --network andi-study
explain --network pattern-2d
classify_scan --network shipped/pattern-2d-second --against pattern-2d
find_novel --network pattern-2d --threshold 0.95
report --output {output}/report
"""


def main(
    output: Annotated[Path, typer.Option(help="Folder for the figures and the report.")] = Path("demo"),
) -> None:
    """Run every stage of the pipeline in one Ray cluster; takes a few minutes on two cores."""
    if not TRACKS.is_file():
        raise InputError(f"there is no {TRACKS} here; run the demo in a checkout of raypipe, as make demo does")
    make_folder(output)
    commands = PIPELINE.format(output=shlex.quote(str(output))).strip().splitlines()
    for number, line in enumerate(commands, start=1):
        job, *flags = shlex.split(line)
        print(f"\n[{number} of {len(commands)}] python jobs/{shlex.join([f'{job}.py', *flags])}", flush=True)
        call(importlib.import_module(f"raypipe.jobs.{job}").main, flags)


if __name__ == "__main__":
    run(main)
