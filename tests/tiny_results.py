"""Artificial results of networks for small data sets, in the layout of the stores: predictions and maps."""

import numpy as np
import xarray as xr

from raypipe import store
from raypipe.store import Coordinate, Plan, Variable
from raypipe.studies.andi import diffusion
from raypipe.studies.gray_scott import tables
from raypipe.study import RESERVED, architecture


def flags(classes):
    return {"flag_values": list(range(len(classes))), "flag_meanings": " ".join(classes)}


def scan_predictions(every=1, classes=tables.PATTERN_CLASSES_SECOND):
    """Return predictions for the thinned scan: cyclic classes, probabilities 0.9 and 0.5 in turn, the rest equal."""
    scan = tables.scan_simulations(every)
    coordinates = {
        "k": ("sample", scan.k),
        "f": ("sample", scan.f),
        "seed": ("sample", scan.seed),
        "label": ("sample", scan.label),
        "class": ("class", list(classes)),
    }
    number = np.arange(len(scan))
    predicted, sure = number % len(classes), np.where(number % 2, 0.5, 0.9)
    probability = np.repeat((1 - sure[:, None]) / (len(classes) - 1), len(classes), axis=1)
    probability[number, predicted] = sure
    variables = {
        "predicted": ("sample", predicted),
        "probability": (("sample", "class"), probability.astype("float32")),
    }
    return xr.Dataset(variables, coordinates)


def refined(classes=tables.PATTERN_CLASSES_SECOND):
    """Return a refined scan of 4 columns of 3 points with cyclic classes; the first two columns are simulated."""
    column, row = np.divmod(np.arange(12), 3)
    simulated = column < 2
    coordinates = {
        "k": ("sample", 0.03 + 0.01 * column),
        "f": ("sample", 0.02 + 0.01 * row),
        "k_place": ("sample", column),
        "f_place": ("sample", row),
        "class": ("class", list(classes)),
    }
    variables = {
        "predicted": np.arange(12) % len(classes),
        "confidence": np.full(12, 0.9, "float32"),
        "simulated": simulated.astype("int8"),
        "round": np.where(simulated, column, -1),
    }
    return xr.Dataset({name: ("sample", values) for name, values in variables.items()}, coordinates)


def predictions(classes, samples):
    """Return predictions that are all correct except for the first sample, which is assigned to the second class."""
    label = np.arange(samples) % len(classes)
    predicted = label.copy()
    predicted[0] = 1
    coordinates = {"label": ("sample", label, flags(classes)), "class": ("class", list(classes))}
    return xr.Dataset({"predicted": ("sample", predicted)}, coordinates)


def trajectories(samples=10):
    """Return random walks with the predictions of `predictions`; relevance from -1 to 1 in random order."""
    random = np.random.default_rng(0)
    shape = (samples, diffusion.TRAJECTORY_LENGTH)
    said = predictions(diffusion.ANDI_MODELS, samples)
    return said.assign(
        position=(("sample", "time"), random.normal(size=shape).cumsum(axis=1)),
        relevance=(("sample", "time"), random.permuted(np.tile(np.linspace(-1, 1, shape[1]), (samples, 1)), axis=1)),
    ).assign_coords(
        exponent=("sample", np.linspace(0.05, 1, samples)),
        noise=("sample", np.tile((0.1, 1.0), samples // 2)),
    )


def patterns(samples=20, frames=3):
    """Return patterns; pattern i has u = i / samples everywhere in its last frame, and 0 before."""
    u = np.zeros((samples, 128, 128, frames), dtype="float32")
    u[..., -1] = np.arange(samples)[:, None, None] / samples
    return xr.Dataset(
        {"u": (("sample", "y", "x", "frame"), u)},
        {"k": ("sample", np.linspace(0.06, 0.04, samples)), "f": ("sample", np.linspace(0.01, 0.05, samples))},
    )


def saliency(samples=20):
    """Return saliency maps that are 1 in one corner and 0 elsewhere."""
    fields = patterns(samples)
    values = np.zeros((samples, 128, 128), dtype="float32")
    values[:, 0, 0] = 1
    said = predictions(tables.PATTERN_CLASSES, samples)
    return said.assign(saliency=(("sample", "y", "x"), values), u=fields["u"].isel(frame=-1)).assign_coords(
        k=fields["k"], f=fields["f"]
    )


def write(name, dataset, *, shards=1, finished=None, **parameters):
    """Store a data set under a name in `shards` shards; write only the first `finished`, by default all."""
    product, _, of = name.partition("/")
    if product in RESERVED and not parameters:
        network, _, split = of.rpartition("/")
        study = architecture(network.rpartition("/")[2]).study
        parameters = {"network": network, "source": f"{study}/{split}"}
    samples = dataset.sizes["sample"]
    shard = -(-samples // shards)
    template = Plan(
        name=name,
        samples=samples,
        shard_samples=shard,
        variables={
            key: Variable(array.dims, array.shape, str(array.dtype), (shard, *array.shape[1:]))
            for key, array in dataset.data_vars.items()
        },
        coordinates={key: Coordinate(array.dims, array.values, array.attrs) for key, array in dataset.coords.items()},
        parameters={"made by": "<tests>", **parameters},
        attributes={"title": f"Title of {name}"},
    )
    store.create(template, {"versions": {"numpy": np.__version__}})
    for number in range(shards if finished is None else finished):
        part = template.bounds(number)
        arrays = {key: array.values[part] for key, array in dataset.data_vars.items()}
        store.write_shard(name, number, part, arrays, seeds=None, seconds=0, attempt="test")
