"""How fast are the tracks of a file classified, and with how much memory? Compare the job with the bare networks.

    python benchmarks/tracks.py                  # a million tracks in two dimensions, of 10 to 60 points

The job is `classify_tracks` of a Parquet file, from the command to the written table and page, on two cores. Bare: the
same two networks on such tracks, prepared and in memory, in two processes of one core each, with the priority that Ray
gives its workers. Memory is the private memory of the driver and of the largest worker. The last line has the tracks
per second of the job over those of the bare networks; the time for a file of few tracks is subtracted.
"""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import measure
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import typer

from raypipe.networks import artifact, classify, inputs

CORES = 2

NETWORKS = ("shipped/tracks-2d", "shipped/familiar-2d")

POINTS = (10, 60)

_PIECE = 20_000
"""Number of tracks that are generated at once."""


def make(file: Path, tracks: int) -> None:
    """Write a table of tracks of the five models."""
    writer = None
    for first in range(0, tracks, _PIECE):
        position, length = walks(first, min(_PIECE, tracks - first))
        track = np.repeat(np.arange(first, first + len(length)), length)
        within = np.arange(position.shape[1]) < length[:, None]
        frame = np.broadcast_to(np.arange(position.shape[1]), within.shape)[within]
        x, y = position[within].T
        table = pa.table({"TRACK_ID": track, "FRAME": frame, "POSITION_X": x, "POSITION_Y": y})
        writer = writer or pyarrow.parquet.ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def walks(first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions (track, time, axis) and lengths of some tracks, given by their numbers."""
    from raypipe.studies.andi.generator import generate
    from raypipe.studies.andi.tracks import outcomes

    random = np.random.default_rng(first)
    label = random.choice(len(outcomes.SHARE), count, p=outcomes.SHARE)
    length = random.integers(POINTS[0], POINTS[1] + 1, count)
    seed, noise = np.arange(first, first + count), random.uniform(0.1, 1, (count, 1)) * np.ones(2)
    return generate(seed, outcomes.MODEL[label], outcomes.EXPONENT[label].round(2), noise, length), length


def bare(tracks: int) -> float:
    """Return the tracks per second of the networks alone, in one process."""
    os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", TF_CPP_MIN_LOG_LEVEL="2")
    os.nice(15)  # as Ray's workers
    trained = [artifact.load(artifact.at_hand(name)) for name in NETWORKS]
    taken = [some for _, some in inputs.grouped(trained[0].architecture, *walks(0, tracks))]
    networks = [classify.classifier(one) for one in trained]
    for some in taken:
        for network in networks:
            network(some[:1])
    began = time.perf_counter()
    for some in taken:
        for network in networks:
            network(some)
    return tracks / (time.perf_counter() - began)


def timed_job(folder: Path, tracks: int) -> tuple[float, dict[str, float]]:
    """Return the seconds of the job for some tracks, and the peak private memory, MB, of its driver and its workers."""
    file = folder / f"{tracks}.parquet"
    make(file, tracks)
    print(f"{tracks} tracks, {file.stat().st_size / 1e6:.0f} MB", flush=True)
    command = [sys.executable, "-m", "raypipe.jobs.classify_tracks", str(file), "--output", f"{file}.out.parquet"]
    began = time.time()
    with subprocess.Popen(command) as job:
        peaks = {"driver": 0.0, "worker": 0.0}
        while job.poll() is None:
            time.sleep(0.5)
            for role, processes in (("driver", [job.pid]), ("worker", measure.workers_below(job.pid))):
                peaks[role] = max([peaks[role], *(measure.memory(one)[0] for one in processes)])
    if job.returncode:
        raise SystemExit(job.returncode)
    return time.time() - began, peaks


def main(
    tracks: Annotated[int, typer.Option(help="In the file.")] = 1_000_000,
    few: Annotated[int, typer.Option(help="In a file before, whose time is taken for that of starting.")] = 1000,
    bare_tracks: Annotated[int, typer.Option(help="For the bare networks, each.")] = 40_000,
) -> None:
    """Print seconds, memory, tracks per second and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["RAYPIPE_STORE"] = f"{name}/store"
        seconds = []
        for count in (few, tracks):
            taken, peaks = timed_job(Path(name), count)
            seconds.append(taken)
            print(f"{taken:.0f} s; " + ", ".join(f"{role} {size:.0f} MB" for role, size in peaks.items()), flush=True)
        own = (tracks - few) / (seconds[1] - seconds[0])
        with ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as pool:
            alone = sum(pool.map(bare, [bare_tracks] * CORES))
    print(f"job {own:.0f} tracks per second, bare networks {alone:.0f}")
    print(f"throughput_ratio={own / alone:.3f}")


if __name__ == "__main__":
    typer.run(main)
