"""Ray Tune trials and callback: one network per trial, in workers that are reused; finished networks are saved.

A trial's state is saved under the root of the store after each epoch, as plain arrays. A trial that is restarted, by
Tune after a lost worker or by the same command after a kill, thus resumes where it was, on any node.
"""

import hashlib
import json
import logging
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ray import tune
from tensorboardX import SummaryWriter

from raypipe.errors import InputError, WorkError, in_texts, of_texts
from raypipe.networks import artifact
from raypipe.networks.architecture import Architecture
from raypipe.networks.artifact import Artifact
from raypipe.networks.fit import HISTORY, Fit, weights_of
from raypipe.networks.inputs import Fresh, Samples
from raypipe.networks.training import Training
from raypipe.run import environments
from raypipe.run.progress import progress
from raypipe.store import objects, owner
from raypipe.store.documents import now

if TYPE_CHECKING:
    from tqdm import tqdm

_NAMED = 20
"""Maximum number of failed trainings that are named in the message."""

_STEP_SECONDS = 5.0
"""Seconds after which the progress within an epoch is reported."""


@dataclass(frozen=True)
class Task:
    """One network to train. `made_from` contains, as JSON values, everything that the result depends on.

    `created` has the dates of the data sets by name: a training is not continued on data that were made again, which
    may differ although their parameters are the same.
    """

    architecture: Architecture
    training: Training
    made_from: dict[str, Any]
    series: str
    created: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the resulting artifact."""
        return artifact.artifact_name(self.architecture, self.series)

    @property
    def checkpoint(self) -> str:
        """Path of its checkpoint under the root of the store; other settings and newer data have another path."""
        depends_on = [repr(self.architecture), self.made_from, dict(self.created)]
        digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode())
        return f"training/{self.name}-{digest.hexdigest()[:12]}.safetensors"

    def begin(self) -> Fit:
        """Start training, or resume from the checkpoint."""
        fit = Fit(self.architecture, self.training)
        if objects.exists(self.checkpoint):
            state, documents = artifact.unpack(objects.get(self.checkpoint), self.checkpoint)
            fit.restore(state, documents["history"], documents["seconds"])
        return fit

    def put_away(self, fit: Fit) -> None:
        """Write the checkpoint."""
        objects.put(self.checkpoint, artifact.pack(fit.state(), {"history": fit.history, "seconds": fit.seconds}))

    def keep(self, epoch: float) -> None:
        """Turn the checkpoint into the artifact.

        Raises:
            InputError: if the checkpoint is not that of this epoch, the last one of the training, or the artifact
                cannot be loaded; the checkpoint then stays.
        """
        state, documents = artifact.unpack(objects.get(self.checkpoint), self.checkpoint)
        history = documents["history"]
        if (found := len(history["loss"])) != epoch:
            raise InputError(
                f"{self.checkpoint} has {found} epochs, expected {epoch:g}: another job trains {self.name} too; wait "
                "until it has ended, then run the same command again"
            )
        provenance = {
            "made_from": self.made_from,
            "seconds": documents["seconds"],
            "created": now(),
            "versions": environments.provenance(None),
        }
        metrics = {name: values[-1] for name, values in history.items()}
        artifact.save(Artifact(self.architecture, weights_of(state), history, metrics, provenance, self.series))
        artifact.load(self.name)  # the checkpoint is needed until the network can be used
        objects.delete(self.checkpoint)


def start_tensorflow(place: Mapping[str, str], threads: int) -> None:
    """Start TensorFlow in a training worker with `threads` threads; `place` is the driver's `objects.place`."""
    os.environ.update(place, TF_CPP_MIN_LOG_LEVEL="2")
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    for device in tensorflow.config.list_physical_devices("GPU"):
        # Several trainings may share a device: take its memory as needed, not all at once.
        tensorflow.config.experimental.set_memory_growth(device, True)


def error_texts(task: Task, error: Exception) -> tuple[str, str]:
    """Message and traceback of a failed training; the traceback is empty for a user's mistake."""
    said, details = in_texts(error)
    return f"{task.name}: {said}", details


class NetworkTrial(tune.Trainable):
    """Trains the network named in its configuration, one epoch per step or a part of a long one.

    The samples are read-only views of Ray's shared memory, the same for all trials of a node. Importing TensorFlow
    takes longer than many trainings, so a worker is reused for several trials (`reset_config`).
    """

    def setup(  # type: ignore[override]  # what follows `config` comes through `tune.with_parameters`
        self,
        config: dict[str, Any],
        tasks: dict[str, Task],
        data: tuple[Samples | Fresh, Samples | Fresh],
        place: Mapping[str, str],
        cores: int,
    ) -> None:
        """Start TensorFlow with as many threads as the trial has cores."""
        start_tensorflow(place, cores)
        self._tasks, self._data = tasks, data
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Switch to another network; training starts in `step`, as Tune takes an exception here for a lost worker."""
        self._task = self._tasks[new_config["network"]]
        self._begun = False
        self._repeated = -1
        return True

    def step(self) -> dict[str, Any]:
        """Train to the end of the epoch and return its metrics; in a long one, return the progress after some seconds.

        An exception is returned as `error` and ends the trial: only lost workers are worth a retry.
        """
        try:
            if not self._begun:
                self._begin()
            return self._step()
        except Exception as error:
            message, details = error_texts(self._task, error)
            return {"epoch": 0, "error": message, "details": details, "done": True}

    def _begin(self) -> None:
        self._fit = self._task.begin()
        self._parts = self._fit.epoch_in_parts(*self._data)
        self._begun = True

    def _step(self) -> dict[str, Any]:
        # A trial killed between its last epoch and its end has nothing left to do.
        if self._fit.epoch < self._task.training.epochs:
            began = time.monotonic()
            for share in self._parts:
                if share < 1 and time.monotonic() - began > _STEP_SECONDS:
                    return {"epoch": self._fit.epoch + math.floor(100 * share) / 100}
            if not (math.isfinite(loss := self._fit.history["loss"][-1]) and self._fit.is_finite()):
                # Retry once from the checkpoint: the machine may have lost the contents of processor registers, as
                # virtual machines do with AMX. A training that really diverges does so again.
                if (epoch := self._fit.epoch) != self._repeated:
                    self._repeated = epoch
                    self._begin()
                    return {"epoch": self._fit.epoch, "repeated": epoch}
                raise InputError(
                    f"training diverged: after epoch {self._fit.epoch} the loss is {loss:g}, and weights are "
                    f"{'finite' if self._fit.is_finite() else 'not all finite'}; train with another seed or at a "
                    "lower rate"
                )
            self._task.put_away(self._fit)
            self._parts = self._fit.epoch_in_parts(*self._data)
        figures = {name: values[-1] for name, values in self._fit.history.items()}
        return {**figures, "epoch": self._fit.epoch, "done": self._fit.epoch >= self._task.training.epochs}


def is_lost(_: str, result: Mapping[str, Any]) -> bool:
    """Whether Tune is to stop a training after a result: if another job has taken over its network.

    Not a method of Keeper, since Tune pickles it during the run.
    """
    try:
        owner.check(f"networks/{result['config']['network']}")
    except InputError:
        return True
    return False


class Keeper(tune.Callback):
    """Saves each finished trial as an artifact, at once, and shows progress: epochs, networks, the best so far.

    If a TensorBoard folder is given, it writes the metrics of each epoch there. `failed` has the exception of each
    training that raised one, or whose network another job has taken over.
    """

    def __init__(self, tasks: dict[str, Task], description: str, tensorboard: str | None) -> None:
        self._tasks = tasks
        self._description = description
        self._epochs = dict.fromkeys(tasks, 0.0)
        self._total = sum(task.training.epochs for task in tasks.values())
        self._left_out = 0.0
        self._kept = 0
        self._latest: dict[str, float] = {}
        self.failed: dict[str, WorkError | InputError] = {}
        self._tensorboard = tensorboard

    def setup(self, **info):  # type: ignore[no-untyped-def,override]  # noqa: ARG002
        """Show the progress bar; not earlier, as Tune pickles its callbacks before it starts."""
        self._bar: tqdm[None] = progress(self._total, self._description, unit="epoch")

    def on_trial_result(self, iteration, trials, trial, result, **info):  # type: ignore[no-untyped-def]  # noqa: ARG002
        """Count an epoch, or a part of one, which has no metrics yet."""
        name = trial.config["network"]
        if "error" in result:
            self.failed[name] = of_texts(result["error"], result["details"])
            return
        if not self._is_ours(name):
            return
        if "repeated" in result:
            logging.getLogger(__name__).warning(
                "%s: after epoch %d not all weights were finite; repeating that epoch",
                self._tasks[name].name,
                result["repeated"],
            )
        complete = "val_accuracy" in result
        if complete:
            self._latest[name] = result["val_accuracy"]
        # Not always one: a resumed trial also reports earlier epochs, one that repeats a lost epoch adds none.
        new = max(0, result["epoch"] - self._epochs[name])
        self._epochs[name] = max(self._epochs[name], result["epoch"])
        if self._tensorboard and complete and new:
            self._write(f"{self._tensorboard}/{self._tasks[name].name}", result)
        self._show(new)

    def on_trial_complete(self, iteration, trials, trial, **info):  # type: ignore[no-untyped-def]  # noqa: ARG002
        """Save the network; epochs that the scheduler cut off no longer count."""
        name = trial.config["network"]
        if name in self.failed or not self._is_ours(name):
            return
        try:
            self._tasks[name].keep(self._epochs[name])
        except InputError as error:  # otherwise Tune would end with its own tracebacks, without the other trainings
            self.failed[name] = error
            return
        self._kept += 1
        self._left_out += self._tasks[name].training.epochs - self._epochs[name]
        self._bar.total = round(self._total - self._left_out)
        self._show(0)

    def on_experiment_end(self, trials, **info):  # type: ignore[no-untyped-def]  # noqa: ARG002
        """Close the bar."""
        self._bar.close()

    def failure(self) -> WorkError | InputError | None:
        """One exception for all trainings that failed, None if none did; the other networks are kept."""
        if len(self.failed) < 2:
            return next(iter(self.failed.values()), None)
        first = next(iter(self.failed.values()))
        named = ", ".join(list(self.failed)[:_NAMED]) + (", …" if len(self.failed) > _NAMED else "")
        message = (
            f"{len(self.failed)} of {len(self._tasks)} trainings failed ({named}); the other networks are kept; "
            f"run the same command to retry these. The first: {first.args[0]}"
        )
        return WorkError(message, first.details) if isinstance(first, WorkError) else InputError(message)

    def _is_ours(self, name: str) -> bool:
        """Whether this job still owns the network; if not, its training has failed."""
        try:
            owner.check(f"networks/{name}")
        except InputError as error:
            self.failed[name] = error
        return name not in self.failed

    def _write(self, folder: str, result: dict[str, Any]) -> None:
        # A writer for each epoch: writers kept open would need a file and a thread for each network. Their files are
        # named after the second, in which several epochs may end, hence the suffix.
        try:
            with SummaryWriter(folder, filename_suffix=f".{result['epoch']:06d}") as writer:
                for figure in (one for one in result if one in HISTORY or one.startswith("val_")):
                    writer.add_scalar(figure, result[figure], result["epoch"])
        except OSError as error:  # not worth losing a training
            logging.getLogger(__name__).warning("TensorBoard files can no longer be written: %s", error)
            self._tensorboard = None

    def _show(self, epochs: float) -> None:
        first = max(self._latest, key=self._latest.__getitem__, default=None)
        best = f", best {first} {self._latest[first]:.3f}" if first else ""
        self._bar.set_postfix_str(f"{self._kept} of {len(self._tasks)} networks done{best}", refresh=False)
        self._bar.update(epochs)
