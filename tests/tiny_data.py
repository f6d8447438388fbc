"""Small data sets in the real layout, written without Ray, for tests of networks."""

import numpy as np

from raypipe import store
from raypipe.store import Coordinate, Plan, Variable
from raypipe.studies.andi import diffusion
from raypipe.studies.gray_scott import tables


def write_trajectories(split: str, count: int, *, length: int = diffusion.TRAJECTORY_LENGTH, seed: int = 0) -> None:
    """Write random walks with a zigzag whose size depends on the class, which a network learns quickly."""
    random = np.random.default_rng(seed)
    label = np.arange(count) % len(diffusion.ANDI_MODELS)
    steps = random.standard_normal((count, length)) + label[:, None]
    steps[:, ::2] -= 2 * label[:, None]
    write_labelled(
        f"andi/{split}",
        {"position": (("sample", "time"), np.cumsum(steps, axis=1) + 100.0)},
        label,
        diffusion.ANDI_MODELS,
        {"time": np.arange(length)},
        seed,
    )


def write_patterns(
    split: str, count: int, *, frame_times: tuple[int, ...] = tables.PATTERN_FRAME_TIMES, size: int = 128
) -> None:
    """Write stripes whose wave number and amplitude depend on the class, plus 1e-6 times the time of the frame."""
    classes = tables.pattern_classes(split)
    random = np.random.default_rng(0)
    label = np.arange(count) % len(classes)
    x = np.arange(size) * 2 * np.pi / size
    stripes = 0.5 + 0.05 * label[:, None] * np.cos((1 + label[:, None]) * x + random.uniform(0, 6, (count, 1)))
    frames = np.broadcast_to(stripes[:, None, :, None], (count, size, size, len(frame_times)))
    u = frames + np.array(frame_times) * 1e-6
    coordinates = {"frame": np.array(frame_times)}
    write_labelled(f"gray_scott/{split}", {"u": (("sample", "y", "x", "frame"), u)}, label, classes, coordinates, 0)


def write_labelled(name, variables, label, classes, coordinates, seed):
    """Write variables, given by name as (dimensions, values), with labels in one shard."""
    count = len(label)
    flags = {"flag_values": list(range(len(classes))), "flag_meanings": " ".join(classes)}
    template = Plan(
        name=name,
        samples=count,
        shard_samples=max(count, 1),
        variables={
            key: Variable(dims, values.shape, str(values.dtype), (max(count, 1), *values.shape[1:]))
            for key, (dims, values) in variables.items()
        },
        coordinates={
            "label": Coordinate(("sample",), label, flags),
            **{key: Coordinate((key,), values) for key, values in coordinates.items()},
        },
        parameters={"made by": "tests", "seed": seed},
    )
    store.create(template, {})
    if count:
        arrays = {key: values for key, (_, values) in variables.items()}
        store.write_shard(name, 0, slice(0, count), arrays, seeds=None, seconds=0, attempt="test")
