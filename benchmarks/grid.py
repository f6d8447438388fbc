"""What does Tune bring? Twelve small networks of the grid by a plain Keras loop, and by `train` on the same two cores.

    python benchmarks/grid.py [--epochs 12] [--trajectories 5000] [--validation 1000] [--repeat 3]

Plain: as one writes it in Keras, one network after another in one process: build, compile, `fit` with the validation
samples after every epoch. It is run with TensorFlow's default threads, which are free to take both cores, and with
one thread; the faster of the two is the peer. Tune: raypipe.networks.train, two networks at once, each with one thread.
It also writes a checkpoint after every epoch and each network as an artifact, which the plain loop does not. Both see
the same trajectories, batches of the same size and the same number of epochs, and start from weights drawn alike. Their
steps are the same (tests/test_fit.py); the order of trajectories is not, and after few epochs the accuracy shows it.

All take turns; the figures are medians. `speedup` is of the whole time after importing TensorFlow and reading the
data: from a plain process's first network to its last; in Tune from when a worker is ready (mean of the two) to the
return of `train`, when all artifacts are kept and Tune is done. The table has the whole time with start-up beside it,
and how much of a worker's time Tune's epochs took: what is missing is between epochs and networks, and at the end,
where one worker has nothing left to do.

The trajectories are random walks whose drift tells the class: how long a step takes does not depend on the values.
"""

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Annotated

import measure
import typer
from measure import print_row

from raypipe import catalog
from raypipe.command import run
from raypipe.networks import artifact, inputs, keras_model
from raypipe.networks.train import Settings, data_names, train
from raypipe.networks.training import training
from raypipe.store import objects
from raypipe.study import architecture

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from tiny_data import write_trajectories

NETWORKS = tuple(f"{word}-{kernel}" for word in ("123", "132", "123123", "132132") for kernel in (2, 4, 6))


@dataclass(frozen=True)
class Trained:
    """How all networks were trained.

    Attributes:
        start_up: seconds until TensorFlow was imported and the data were there.
        seconds: from then on to the end.
        accuracy: mean of the validation accuracies after the last epoch.
        in_epochs: share of a worker's `seconds` that it spent in epochs.
    """

    start_up: float
    seconds: float
    accuracy: float
    in_epochs: float = float("nan")


def train_plain(epochs: int, threads: int | None) -> Trained:
    """Train all networks by a plain loop in a process of its own, with TensorFlow's default of threads if None."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_loop, (epochs, threads))


def _loop(epochs: int, threads: int | None) -> Trained:
    started = time.perf_counter()
    import tensorflow

    tensorflow.get_logger().setLevel("ERROR")
    if threads:
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    from tensorflow import keras

    first = architecture(NETWORKS[0])
    (x, labels), (x_validation, validation_labels) = (
        (samples.inputs, samples.labels)
        for samples in (inputs.read(first, catalog.open(name), name) for name in data_names(first))
    )
    y, y_validation = (keras.utils.to_categorical(one, len(first.classes)) for one in (labels, validation_labels))
    accuracies = []
    began = time.perf_counter()
    for name in NETWORKS:
        plan = training(architecture(name), epochs=epochs)
        keras.utils.clear_session()
        keras.utils.set_random_seed(plan.seed)
        model = keras_model.build(architecture(name))
        model.compile(optimizer=keras.optimizers.Adam(plan.rate), loss=plan.loss, metrics=["accuracy"])
        history = model.fit(
            x,
            y,
            batch_size=plan.batch,
            epochs=plan.epochs,
            validation_data=(x_validation, y_validation),
            validation_batch_size=256,  # as raypipe.fit has it: in batches of 64 it would take longer
            verbose=0,
        )
        accuracies.append(history.history["val_accuracy"][-1])
    return Trained(began - started, time.perf_counter() - began, fmean(accuracies))


def mark_workers() -> None:
    """Let the workers of `train` tell when they have imported TensorFlow."""
    from raypipe.networks import trial

    class Marking(trial.NetworkTrial):
        def reset_config(self, new_config):  # of the first network as well, after TensorFlow's threads are set
            from tensorflow import keras

            _ = keras.layers  # it is loaded by its first use
            measure.leave_mark(_marks())
            return super().reset_config(new_config)

    trial.NetworkTrial = Marking


def _marks() -> Path:
    return Path(objects.root(), "marks")


def train_on_tune(epochs: int, series: str) -> Trained:
    """Train all networks by `train`, two at once."""
    for mark in _marks().iterdir():
        mark.unlink()
    began = time.time()
    names = train(
        [architecture(name) for name in NETWORKS], Settings(epochs=epochs, series=series, workers=2, cpus_per_trial=1)
    )
    ended = time.time()
    ready = measure.ready_times(_marks())
    if len(ready) != 2:
        raise SystemExit(f"{len(ready)} workers instead of 2; a ratio would mean nothing")
    seconds = ended - fmean(ready)
    kept = [artifact.load(name) for name in names]
    in_epochs = sum(one.provenance["seconds"] for one in kept) / 2
    accuracy = fmean(one.metrics["val_accuracy"] for one in kept)
    return Trained(fmean(ready) - began, seconds, accuracy, in_epochs / seconds)


def main(
    epochs: Annotated[int, typer.Option(help="Passes over the trajectories.")] = 12,
    trajectories: Annotated[int, typer.Option(help="To train on.")] = 5000,
    validation: Annotated[int, typer.Option(help="To validate on after every epoch.")] = 1000,
    repeat: Annotated[int, typer.Option(help="Rounds, of which medians are taken.")] = 3,
) -> None:
    """Measure the time of twelve small networks by a plain Keras loop and by Ray Tune."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    measure.start_ray()
    import ray

    mark_workers()
    plain: dict[int | None, list[Trained]] = {None: [], 1: []}
    tune = []
    with tempfile.TemporaryDirectory() as root:
        os.environ[objects.ROOT_VARIABLE] = root
        write_trajectories("train", trajectories)
        write_trajectories("val", validation, seed=1)
        _marks().mkdir()
        for turn in range(repeat):
            for threads, runs in plain.items():
                runs.append(train_plain(epochs, threads))
            tune.append(train_on_tune(epochs, f"turn-{turn}"))
    ray.shutdown()
    report(plain, tune)


def report(plain: dict[int | None, list[Trained]], tune: Sequence[Trained]) -> None:
    """Print the table, and a last line with the ratio."""
    print_row(f"{len(NETWORKS)} networks", "time, s", "start-up, s", "both, s", "in epochs", "accuracy")
    rows = {"plain, default threads": plain[None], "plain, one thread": plain[1], "Tune, two at once": tune}
    for label, runs in rows.items():
        print_row(
            label,
            f"{median(one.seconds for one in runs):.1f}",
            f"{median(one.start_up for one in runs):.1f}",
            f"{median(one.start_up + one.seconds for one in runs):.1f}",
            f"{median(one.in_epochs for one in runs):.0%}" if runs is tune else "",
            f"{median(one.accuracy for one in runs):.3f}",
        )
    whole = {label: median(one.start_up + one.seconds for one in runs) for label, runs in rows.items()}
    time_of = {label: median(one.seconds for one in runs) for label, runs in rows.items()}
    *peers, ours = rows
    with_start_up = min(whole[label] for label in peers) / whole[ours]
    print(f"\nwith start-up: {with_start_up:.2f}")
    print(f"speedup={min(time_of[label] for label in peers) / time_of[ours]:.2f}")


if __name__ == "__main__":
    run(main)
