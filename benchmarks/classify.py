"""How much does it cost to classify a scan? Compare bare `model.predict` on images in memory with `classify` on Ray.

    python benchmarks/classify.py [--patterns 2048] [--network pattern-2d] [--repeat 5]

Needs gray_scott/scan and the network under RAYPIPE_STORE, a folder; nothing is written there.

Bare: one process with TensorFlow's threads on both cores. The patterns are read and converted to float32 beforehand,
and the outputs of `model.predict` are discarded. Each batch size in BATCHES is tried in every round, and the one with
the best median is the peer. The job: two workers of one core each, which read Zarr shards of float64, decompress and
check them, convert, classify, compute probabilities, and write them as shards with checksums and ledger. Both run with
the priority that Ray gives its workers, so that the load of a busy machine affects both equally; they alternate, and
the figures are medians.

`throughput_ratio` is the patterns per second of the job over those of bare `predict`. Both are timed from when a first
batch has gone through the network (mean of the two workers) to the end: of `predict`, or of `classify`, when the store
is complete and the workers have ended. The start-up before that, which consists of importing TensorFlow, loading and
tracing the network, and, for the job, starting workers, does not grow with the scan; it is in the table, and the line
before the last has the ratio with it. Processor time per pattern is that of the process and its threads, and hardly
depends on the load; for the job, it excludes writing and Ray itself.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import measure
import numpy as np
import typer
from measure import Filled, leave_mark, print_row, time_fill

from raypipe import store
from raypipe.command import run
from raypipe.errors import InputError
from raypipe.networks import artifact, classify, inputs, keras_model
from raypipe.run.work import Rows
from raypipe.store import Coordinate, Plan, objects

BATCHES = (32, 64, 128)
"""Batch sizes of bare `predict`; 32 is Keras's default."""

NICE = 15
"""Priority of Ray's workers."""


@dataclass(frozen=True)
class Bare:
    """Results of bare `predict`: seconds of start-up, and seconds and processor seconds by batch size."""

    start_up: float
    seconds: dict[int, float]
    processor: dict[int, float]


def predictions_of(parameters: dict[str, Any]) -> Callable[[Rows], dict[str, np.ndarray]]:
    """Return what computes the shards of predictions, in a worker that signals when ready and records its time."""
    compute = classify.predictions_of(parameters)
    compute({"sample": np.arange(classify.FIELDS_BATCH)})
    leave_mark(parameters["marks"])
    file = Path(f"{parameters['marks']}-processor", str(os.getpid()))
    file.parent.mkdir(exist_ok=True)
    total = 0.0

    def timed(rows: Rows) -> dict[str, np.ndarray]:
        nonlocal total
        began = time.process_time()
        found = compute(rows)
        total += time.process_time() - began
        file.write_text(str(total))
        return found

    return timed


def scan_plan(network: str, patterns: int) -> Plan:
    """Return the plan of `classify` for the first patterns of the scan."""
    plan = classify.plan(network, "scan")
    if not 1 <= patterns <= plan.samples:
        raise InputError(f"{patterns} patterns; expected from 1 to {plan.samples}, those of the scan")
    return replace(
        plan,
        samples=patterns,
        variables={name: replace(one, shape=(patterns, *one.shape[1:])) for name, one in plan.variables.items()},
        coordinates={
            name: Coordinate(one.dims, np.asarray(one.values)[:patterns], one.attributes)
            if one.dims == ("sample",)
            else one
            for name, one in plan.coordinates.items()
        },
        compute="classify:predictions_of",
    )


def predict_bare(network: str, patterns: int) -> Bare:
    """Time `model.predict` in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_predict, (network, patterns, time.time()))


def _predict(network: str, patterns: int, started: float) -> Bare:
    os.nice(max(0, NICE - os.nice(0)))
    trained = artifact.load(network)
    began_reading = time.time()
    architecture = trained.architecture
    source = store.open(f"{architecture.study}/scan")
    parts = (slice(start, min(start + 256, patterns)) for start in range(0, patterns, 256))
    images = np.concatenate(
        [inputs.network_input(architecture, inputs.values(architecture, source, part)) for part in parts]
    )
    reading = time.time() - began_reading  # which does not count for bare `predict`
    model = keras_model.load(trained)
    for batch in BATCHES:
        model.predict(images[:batch], batch_size=batch, verbose=0)
    start_up = time.time() - started - reading
    seconds, processor = {}, {}
    for batch in BATCHES:
        began, began_processor = time.perf_counter(), time.process_time()
        model.predict(images, batch_size=batch, verbose=0)
        seconds[batch], processor[batch] = time.perf_counter() - began, time.process_time() - began_processor
    return Bare(start_up, seconds, processor)


def main(
    network: Annotated[str, typer.Option(help="Trained network of patterns.")] = "pattern-2d",
    patterns: Annotated[int, typer.Option(help="Of the scan, the first ones; 128 are a shard.")] = 2048,
    repeat: Annotated[int, typer.Option(help="Rounds, of which medians are taken.")] = 5,
) -> None:
    """Measure what reading, Ray, Zarr and the ledger cost when a scan is classified."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    plan, root = scan_plan(network, patterns), Path(objects.root())
    measure.start_ray()
    import ray

    bare: list[Bare] = []
    filled: list[tuple[Filled, float]] = []
    with tempfile.TemporaryDirectory() as temporary:
        own = Path(temporary, "store")
        own.mkdir()
        for name in (artifact.load(network).architecture.study, "networks"):
            (own / name).symlink_to(root / name)
        os.environ[objects.ROOT_VARIABLE] = str(own)
        for _ in range(repeat):
            bare.append(predict_bare(network, patterns))
            one = time_fill(plan, 2, Path(temporary))
            marks = Path(temporary, f"{one.name}-processor")
            filled.append((one, sum(float(file.read_text()) for file in marks.iterdir())))
    ray.shutdown()
    report(patterns, bare, filled)


def report(patterns: int, bare: list[Bare], filled: list[tuple[Filled, float]]) -> None:
    """Print the table, and a last line with the ratio."""
    print_row(f"{patterns} patterns", "per second", "time, s", "start-up, s", "core ms each")

    def row(label: str, seconds: float, start_up: float, processor: float) -> None:
        cells = f"{patterns / seconds:.0f}", f"{seconds:.2f}", f"{start_up:.1f}", f"{processor / patterns * 1e3:.2f}"
        print_row(label, *cells)

    start_up = median(one.start_up for one in bare)
    times = {batch: median(one.seconds[batch] for one in bare) for batch in BATCHES}
    for batch, seconds in times.items():
        row(f"predict, batch {batch}", seconds, start_up, median(one.processor[batch] for one in bare))
    ours, ours_start_up = (median(getattr(one, name) for one, _ in filled) for name in ("seconds", "start_up"))
    row("the job, two workers", ours, ours_start_up, median(processor for _, processor in filled))
    best = min(times, key=lambda batch: times[batch])
    pairs = [one.seconds[best] / job.seconds for one, (job, _) in zip(bare, filled, strict=True)]
    print(f"\nrounds: {' '.join(f'{ratio:.2f}' for ratio in pairs)}")
    print(f"with start-up: {(times[best] + start_up) / (ours + ours_start_up):.2f}")
    print(f"throughput_ratio={median(pairs):.2f}")


if __name__ == "__main__":
    run(main)
