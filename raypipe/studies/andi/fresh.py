"""Trajectories made during training, by raypipe's own generator."""

import numpy as np

from raypipe.networks import inputs
from raypipe.networks.architecture import Architecture
from raypipe.studies.andi import own_trajectories
from raypipe.studies.andi.diffusion import ALLOWED, ANDI_MODELS, NOISE_LEVELS
from raypipe.studies.andi.tracks import networks, outcomes, seen

_SHARE_OF_ONE_NOISE = 0.5
"""Share of tracks with the same noise along all axes, as in a microscope; the others have the challenge's noise."""

_NOISE = (0.05, 1.5)
"""Range of the noise that is the same along all axes; its logarithm is uniform."""


_ALLOWED = np.array([ALLOWED[name] for name in ANDI_MODELS], "float64").T


def fresh(architecture: Architecture, seed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """New samples for a network, see `Study.fresh`: trajectories as in `andi/train`, or tracks of any length."""
    for make, of in ((tracks, networks.NETWORKS), (familiar_and_not, networks.FAMILIAR)):
        if architecture in of:
            return make(seed, of.index(architecture) + 1)
    length, models = architecture.sample_shape[0], [ANDI_MODELS.index(name) for name in architecture.classes]
    turn = seed % len(models)
    kinds = own_trajectories.kinds(positions=length)
    made = own_trajectories.compute({"kinds": kinds.document()})({"seed": seed, "label": np.array(models)[turn]})
    return inputs.network_input(architecture, made["position"]), turn


def tracks(seed: np.ndarray, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Tracks of similar length, as networks of tracks see them, and their classes.

    Walks of seen.MOST points are scaled as in the challenge and then cut. The length of the first track is uniform over
    all lengths in one half of the calls, and log-uniform in the other half. The lengths of the other tracks are uniform
    over those that are padded to the same value of `seen.SIZES`. Exponents vary within their step, by hundredths. In
    half of the calls, attm in three dimensions reproduces the package's error, see `walks.attm`.

    Args:
        seed: (n,), 0 … 2⁶³ − 1.
        dimensions: 1 to 3.

    Returns:
        Inputs (n, time, channels), float32, and labels (n,), int64.
    """
    position, _, length, label = _tracks(seed, dimensions)
    return seen.seen(position, length), label


def familiar_and_not(seed: np.ndarray, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Tracks as from `tracks`, labelled 0; on average, half of them are replaced by `strangers`, labelled from 1."""
    from raypipe.studies.andi import strangers  # compiled code, as below
    from raypipe.studies.andi.generator import uniforms

    position, noise, length, label = _tracks(seed, dimensions)
    kind = (uniforms(seed, 7 + dimensions)[:, -1] * 2 * len(outcomes.STRANGERS)).astype("int64")
    some = np.flatnonzero(kind < len(outcomes.STRANGERS))
    made = strangers.generate(seed[some], kind[some], noise[some], length[some])
    position[some, : made.shape[1]] = made
    label[:] = 0
    label[some] = 1 + kind[some]
    return seen.seen(position, length), label


def _tracks(seed: np.ndarray, dimensions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Positions (n, time, axis), noise (n, axis), lengths and labels (n,)."""
    from raypipe.studies.andi.generator import generate, uniforms  # compiled code, which planning does not need

    chances = uniforms(seed, 6 + dimensions)
    label = np.minimum(np.searchsorted(np.cumsum(outcomes.SHARE), chances[:, 0]), len(outcomes.SHARE) - 1)
    model = outcomes.MODEL[label]
    exponent = np.clip(outcomes.EXPONENT[label] + (chances[:, 1] * 5).astype("int64") / 100 - 0.02, *_ALLOWED[:, model])
    challenge = np.array(NOISE_LEVELS)[(chances[:, 6:] * len(NOISE_LEVELS)).astype("int64")]
    alike = _NOISE[0] * (_NOISE[1] / _NOISE[0]) ** chances[:, 2:3]
    noise = np.where(chances[:, 3:4] < _SHARE_OF_ONE_NOISE, alike, challenge)
    length = _lengths(chances[:, 4], chances[0, 5])
    position = generate(seed, model, exponent.round(2), noise, length, longest=seen.MOST, as_package=bool(seed[0] % 2))
    return position, noise, length, label


def _lengths(chance: np.ndarray, over: float) -> np.ndarray:
    """Numbers of points of tracks that are padded to the same length."""
    span = np.array([seen.FEWEST, seen.MOST + 1])
    first = span[0] + chance[0] * (span[1] - span[0]) if over < 0.5 else span[0] * (span[1] / span[0]) ** chance[0]
    steps = int(seen.size(np.array(int(first))))
    shorter = seen.SIZES[steps > seen.SIZES].max(initial=seen.FEWEST - 2)
    least, most = shorter + 2, min(steps + 1, seen.MOST)
    return least + (chance * (most - least + 1)).astype("int64")
