"""Train networks with Ray Tune; each is saved as an artifact as soon as it is trained.

Running the same command again resumes: trained networks are not trained again, and interrupted trainings continue from
their last epoch. A network trained with other settings is never replaced.
"""

import contextlib
import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raypipe import catalog, store, study
from raypipe.errors import DryRun, InputError, LostError, check_name, choice, make_folder
from raypipe.files import scratch_folder
from raypipe.networks import artifact, inputs
from raypipe.networks.architecture import FRESH, Architecture
from raypipe.networks.training import Training, training
from raypipe.run import cluster, dry_run
from raypipe.store import objects, owner

_RETRIES = 3
"""How often a trial is restarted after its worker was lost."""


FRESH_SAMPLES = (50_000, 10_000)
"""Default number of fresh samples in an epoch, and in a validation."""


_Planned = tuple[Architecture, Training, dict[str, Any], str, dict[str, str]]
"""Arguments of `trial.Task`, whose module must not be imported before Ray is connected."""


@dataclass(frozen=True)
class Settings:
    """How networks are trained; None means the study's default, see `training.training`.

    `rate` is the learning rate, or its maximum if it changes. `recipe` names an alternative training recipe of the
    study, if it has several; `augmentation` is one of the study's, or "none", and replaces that of the recipe.
    `precision` is float32 or bfloat16.
    `train_split` and `validation_split` are data sets of the network's study; None means `Architecture.splits`. Samples
    of classes that the network does not have are left out. If the name is FRESH, samples are generated during training:
    new ones in each epoch of a training, the same ones in each validation.
    `samples` is the number of training samples to use, balanced over the classes; None means all, or FRESH_SAMPLES if
    they are fresh. `series` names a collection of networks that is kept apart from others of the same architectures,
    for example with another seed or number of epochs.
    `scheduler` is fifo, which trains every network to its last epoch, or asha, which stops networks early that fall
    behind those that have reported before. Which these are depends on the workers, and on interruptions: a resumed run
    compares only the networks that it trains itself, at the epochs that they train in it.
    `workers` is the number of networks trained at once, None for as many as fit in the cluster; each uses
    `cpus_per_trial` cores and `gpus_per_trial` GPUs, which may be a fraction. `tensorboard` is a folder to which the
    driver writes the metrics of each epoch for TensorBoard; None for no such files.
    """

    epochs: int | None = None
    batch: int | None = None
    rate: float | None = None
    recipe: str | None = None
    augmentation: str | None = None
    precision: str | None = None
    seed: int = 1
    train_split: str | None = None
    validation_split: str | None = None
    samples: int | None = None
    series: str = ""
    scheduler: str = "fifo"
    workers: int | None = None
    cpus_per_trial: int = 1
    gpus_per_trial: float = 0
    tensorboard: str | None = None

    def __post_init__(self) -> None:
        choice("scheduler", self.scheduler, ("fifo", "asha"))
        if self.series:
            check_name("a series of networks", self.series)
        for name in ("samples", "workers", "cpus_per_trial"):
            if (found := getattr(self, name)) is not None and found < 1:
                raise InputError(f"{name} is {found}; expected 1 or more")
        gpus = self.gpus_per_trial
        if not 0 <= gpus < math.inf or (gpus > 1 and gpus != int(gpus)):
            raise InputError(f"gpus_per_trial is {gpus}; expected a fraction, or a whole number of 0 or more")


def data_names(architecture: Architecture, settings: Settings | None = None) -> tuple[str, str]:
    """Names of the data sets on which a network is trained and validated.

    Raises:
        InputError: if one is not a labelled data set of the network's study.
    """
    train, validation = architecture.splits
    if settings:
        train, validation = settings.train_split or train, settings.validation_split or validation
    of = study.find(architecture.study)
    for split, what in ((train, "training split"), (validation, "validation split")):
        if split == FRESH:
            of.maker  # noqa: B018 – raises if there is none
        else:
            of.check(split, what, labelled=True)
    return f"{of.name}/{train}", f"{of.name}/{validation}"


def train(architectures: Sequence[Architecture], settings: Settings, *others: Settings) -> list[str]:
    """Train networks that learn from the same data, unless they are already trained.

    Args:
        architectures: the networks.
        settings: how each of them is trained.
        others: further settings with which each of them is also trained, at the same time: with another learning rate
            or seed and in a series of its own, otherwise the same.

    Returns:
        The names of their artifacts: by settings, each in the order of `architectures`.

    Raises:
        InputError: if there is no network, a setting is out of range, a data set is missing or does not fit, a network
            is already trained with other settings or being trained by another job, or a training diverges.
        WorkError: if a training raises an exception; the message names it, and finished networks are kept.
        LostError: if a training's worker is lost repeatedly.
        DryRun: if a dry run is requested; nothing is trained.
    """
    if not architectures:
        raise InputError("no network to train; name at least one")
    for one in architectures:
        one.check_outputs()
    # The data are read once for all networks, with the input shape and the order of classes of the first.
    if len({(data_names(one, settings), one.frame_times, one.classes, one.input_shape) for one in architectures}) > 1:
        raise InputError(
            f"{', '.join(one.name for one in architectures)} do not learn from the same data: their data sets, frames, "
            "classes or input shapes differ; train them one by one"
        )
    planned = [(one, _training(one, how), how.series) for how in (settings, *others) for one in architectures]
    first = architectures[0]
    train_name, validation_name = data_names(first, settings)
    data = {
        "train": _describe(first, train_name, settings.samples, FRESH_SAMPLES[0]),
        "validation": _describe(first, validation_name, None, FRESH_SAMPLES[1]),
    }
    created = {name: store.plan_of(name).created for name in (train_name, validation_name) if not _is_fresh(name)}
    tasks: dict[str, _Planned] = {
        artifact.artifact_name(one, series): (
            one,
            how,
            {"training": how.document(), "scheduler": settings.scheduler, "data": data},
            series,
            created,
        )
        for one, how, series in planned
    }
    pending = {name: task for name, task in tasks.items() if not _is_trained(name, task)}
    logging.getLogger(__name__).info("%d of %d networks are already trained", len(tasks) - len(pending), len(tasks))
    if how := dry_run.asked():
        raise _dry_run(tasks, pending, settings, how)
    if pending:
        if settings.tensorboard and "://" not in settings.tensorboard:
            make_folder(Path(settings.tensorboard), "--tensorboard")
        with contextlib.ExitStack() as owned:
            for name in pending:
                owned.enter_context(owner.held(f"networks/{name}"))
            # Another job may have trained them in the meantime.
            pending = {name: task for name, task in pending.items() if not _is_trained(name, task)}
            if pending:
                _tune(pending, settings)
    return list(tasks)


def _training(architecture: Architecture, settings: Settings) -> Training:
    return training(
        architecture,
        epochs=settings.epochs,
        batch=settings.batch,
        rate=settings.rate,
        seed=settings.seed,
        recipe=settings.recipe,
        augmentation=settings.augmentation,
        precision=settings.precision,
    )


def summary(names: Sequence[str]) -> str:
    """One line per trained network, the best first: validation accuracy, parameters, epochs, seconds."""
    networks = sorted((artifact.load(name) for name in names), key=lambda one: -one.metrics.get("val_accuracy", 0))
    head = "validation accuracy  parameters  epochs  seconds  network"
    line = "{val_accuracy:19.4f}  {parameters:10d}  {epochs:6.0f}  {seconds:7.1f}  {name}"
    return "\n".join([head, *(line.format(**one.facts) for one in networks)])


def _describe(architecture: Architecture, name: str, count: int | None, fresh: int) -> dict[str, Any]:
    """Properties of a data set that determine what is learnt, as JSON; `fresh` is the default count if it is fresh."""
    if _is_fresh(name):
        return {"name": name, "samples": count or fresh}
    try:
        data = catalog.open(name)
    except InputError as error:
        raise InputError(f"{error}; network {architecture.name} needs it: run {inputs.job(name)}") from error
    inputs.check(architecture, data, name)
    known = int((inputs.labels_for(architecture, data) >= 0).sum())
    if unknown := [one for one in inputs.class_names(data) if one not in architecture.classes]:
        logging.getLogger(__name__).info(
            "%d of %d samples of %s are left out: %s has no class %s",
            data.sizes["sample"] - known,
            data.sizes["sample"],
            name,
            architecture.name,
            ", ".join(unknown),
        )
    parameters = json.loads(json.dumps(data.attrs["parameters"]))
    return {"name": name, "parameters": parameters, "samples": count or known}


def _is_fresh(name: str) -> bool:
    return name.endswith(f"/{FRESH}")


def _samples(architecture: Architecture, name: str, count: int | None, fresh: int) -> inputs.Samples | inputs.Fresh:
    if _is_fresh(name):
        return inputs.Fresh(architecture, count or fresh)
    return inputs.read(architecture, catalog.open(name), name, count)


def _is_trained(name: str, planned: _Planned) -> bool:
    """Whether the network exists; if it differs or was made in another way, raise an InputError that says how.

    If its data were made again since, a warning says so: their parameters are the same, but perhaps not their values.
    """
    if not artifact.exists(name):
        return False
    found, (architecture, _, made_from, _, created) = artifact.load(name), planned
    differences = _differences(found.made_from, made_from)
    if found.architecture != architecture:
        differences.append("its layers, input or data sets differ")
    if differences:
        raise InputError(
            f"network {name} is already trained with other settings: {'; '.join(differences)}; use the same ones, "
            f"give this training its own series, or delete {objects.root()}/{artifact.path(name)}"
        )
    for data, at in created.items():
        if str(found.provenance.get("created", at)) < at:
            logging.getLogger(__name__).warning(
                "network %s is older than %s, which has been made again since: it stays as it was; if this matters, "
                "delete %s/%s, and give the command again",
                name,
                data,
                objects.root(),
                artifact.path(name),
            )
    return True


def _differences(found: Any, wanted: Any, what: str = "") -> list[str]:
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        keys = sorted({*found, *wanted})
        return [one for key in keys for one in _differences(found.get(key), wanted.get(key), f"{what} {key}".strip())]
    return [] if found == wanted else [f"{what} was {found!r}, now {wanted!r}"]


def _dry_run(
    tasks: Mapping[str, _Planned], pending: Mapping[str, _Planned], settings: Settings, how: dry_run.Asked
) -> DryRun:
    """Estimate the duration of trainings by starting some of them and discarding them."""
    there = f"{len(tasks)} networks: {len(tasks) - len(pending)} already trained, {len(pending)} to train"
    if not pending:
        return DryRun(there)
    data = _data(pending, settings)
    _connect(settings)
    from raypipe.networks import training_estimate

    cores = settings.cpus_per_trial
    places = cluster.room({"CPU": cores, "GPU": settings.gpus_per_trial})
    at_once = min(places, len(pending), settings.workers or len(pending))
    chosen = training_estimate.spread(list(pending.values()), at_once)
    start, seconds = training_estimate.time_trainings(chosen, data, cores, settings.gpus_per_trial, at_once)
    whole = seconds * len(pending) * cores
    timed = f"{len(chosen)} trainings"
    return DryRun("\n".join([there, *dry_run.times(whole, start, at_once * cores, len(pending) * cores, how, timed)]))


def _data(planned: Mapping[str, _Planned], settings: Settings) -> tuple[Any, ...]:
    """Samples that networks are trained and validated on."""
    first, *_ = next(iter(planned.values()))
    counts = zip((settings.samples, None), FRESH_SAMPLES, strict=True)
    return tuple(_samples(first, name, *count) for name, count in zip(data_names(first, settings), counts, strict=True))


def _connect(settings: Settings) -> None:
    cluster.connect()
    resources = {"CPU": settings.cpus_per_trial, "GPU": settings.gpus_per_trial}
    cluster.require({name: amount for name, amount in resources.items() if amount}, "each training")


def _tune(planned: Mapping[str, _Planned], settings: Settings) -> None:
    """Train on Ray Tune; afterwards every network is an artifact."""
    first, schedule, *_ = next(iter(planned.values()))
    data = _data(planned, settings)
    # By default Tune prints its own tables, writes three logs per trial (and warns if it may not), explains how to
    # resume in its own way, changes the workers' working directory, rejects results without an accuracy (parts of an
    # epoch), and handles interrupts itself.
    os.environ.update(
        RAY_AIR_NEW_OUTPUT="0",
        TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
        RAY_CHDIR_TO_TRIAL_DIR="0",
        TUNE_DISABLE_STRICT_METRIC_CHECKING="1",
        TUNE_DISABLE_SIGINT_HANDLER="1",
    )
    for talkative in ("ray.tune.analysis.experiment_analysis", "ray.tune.tune"):
        logging.getLogger(talkative).setLevel(logging.ERROR)
    _connect(settings)
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler

    from raypipe.networks import trial

    tasks = {name: trial.Task(*one) for name, one in planned.items()}
    trainable = tune.with_resources(
        tune.with_parameters(
            trial.NetworkTrial, tasks=tasks, data=data, place=objects.place(), cores=settings.cpus_per_trial
        ),
        {"cpu": settings.cpus_per_trial, "gpu": settings.gpus_per_trial},
    )
    epochs = schedule.epochs
    asha = ASHAScheduler("epoch", max_t=epochs, grace_period=max(1, epochs // 8), reduction_factor=3)
    keeper = trial.Keeper(tasks, f"training {data_names(first, settings)[0]}", settings.tensorboard)
    # Tune's own records are not needed afterwards: states and results are in the store.
    with scratch_folder("raypipe-tune-") as records:
        results = tune.Tuner(
            trainable,
            param_space={"network": tune.grid_search(list(tasks))},
            tune_config=tune.TuneConfig(
                metric="val_accuracy",
                mode="max",
                scheduler=asha if settings.scheduler == "asha" else None,
                max_concurrent_trials=settings.workers,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                storage_path=str(records),
                stop=trial.is_lost,
                callbacks=[keeper],
                failure_config=tune.FailureConfig(max_failures=_RETRIES),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                verbose=0,
            ),
        ).fit()
    if failure := keeper.failure():
        raise failure
    missing = [task.name for task in tasks.values() if not artifact.exists(task.name)]
    if results.errors:
        cause = str(results.errors[0]).strip().splitlines()[-1]
        raise LostError(
            f"workers were lost {_RETRIES + 1} times in {results.num_errors} of {len(tasks)} trainings, perhaps for "
            f"lack of memory; run the same command to continue. Not trained: {', '.join(missing)}. Ray says: {cause}"
        )
    if missing:
        raise LostError(f"Tune ended without {', '.join(missing)}; run the same command to continue")
