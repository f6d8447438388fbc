"""What does Ray Tune gain? Train twelve small networks in a plain Keras loop, and with `train` on the same two cores.

    python benchmarks/grid.py [--epochs 12] [--trajectories 5000] [--validation 1000] [--repeat 3]

Plain: an ordinary Keras program, which trains one network after another in one process: build, compile, `fit` with the
validation samples after every epoch. It runs with TensorFlow's default threads, which can use both cores, and with one
thread; the faster of the two is the peer. Tune: raypipe.networks.train, two networks at once, each with one thread. It
also writes a checkpoint after every epoch and stores each network as an artifact, which the plain loop does not. Both
have the same trajectories, batch size and number of epochs, and draw initial weights in the same way. Their training
steps are the same (tests/test_fit.py); the order of trajectories is not, which shows in the accuracy after few epochs.

All alternate; the figures are medians. `speedup` compares the whole time after importing TensorFlow and reading the
data: for a plain process, from its first network to its last; for Tune, from when a worker is ready (mean of the two)
to the return of `train`, when all artifacts are stored and Tune has ended. The table also has the whole time with
start-up, and the share of a worker's time that Tune spent in epochs: the rest is spent between epochs and networks, and
at the end, when one worker has nothing left to do.

The trajectories are random walks whose drift depends on the class: the time of a step does not depend on the values.
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
    """Results of training all networks.

    Attributes:
        start_up: seconds until TensorFlow was imported and the data were read.
        seconds: seconds from then to the end.
        accuracy: mean of the validation accuracies after the last epoch.
        in_epochs: share of a worker's `seconds` that it spent in epochs.
    """

    start_up: float
    seconds: float
    accuracy: float
    in_epochs: float = float("nan")


def train_plain(epochs: int, threads: int | None) -> Trained:
    """Train all networks in a plain loop in a process of its own; None for TensorFlow's default number of threads."""
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
            validation_batch_size=256,  # as in raypipe.networks.fit; batches of 64 would take longer
            verbose=0,
        )
        accuracies.append(history.history["val_accuracy"][-1])
    return Trained(began - started, time.perf_counter() - began, fmean(accuracies))


def mark_workers() -> None:
    """Let the workers of `train` signal when they have imported TensorFlow."""
    from raypipe.networks import trial

    class Marking(trial.NetworkTrial):
        def reset_config(self, new_config):  # also called for the first network, after TensorFlow's threads are set
            from tensorflow import keras

            _ = keras.layers  # loaded on first use
            measure.leave_mark(_marks())
            return super().reset_config(new_config)

    trial.NetworkTrial = Marking


def _marks() -> Path:
    return Path(objects.root(), "marks")


def train_on_tune(epochs: int, series: str) -> Trained:
    """Train all networks with `train`, two at once."""
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
    """Measure the time to train twelve small networks in a plain Keras loop and with Ray Tune."""
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
