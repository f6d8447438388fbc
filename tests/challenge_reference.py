"""Reference results of the andi-datasets package, without this project's code; runs in the environment `andi`."""

import contextlib
import hashlib
import io
import warnings


def challenge_digests(seed, count):
    """Return the SHA-256 of positions and labels from `challenge_theory_dataset`, and the number of trajectories."""
    import numpy as np

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        import stochastic.random
        from andi_datasets.datasets_challenge import challenge_theory_dataset

        np.random.seed(seed)  # noqa: NPY002
        stochastic.random.seed(seed)
        _, _, x, y, _, _ = challenge_theory_dataset(count, tasks=2, dimensions=1, min_T=320, max_T=321)
    position, label = np.array(x[0], dtype="<f8"), np.array(y[0]).astype("<i8")
    return hashlib.sha256(position.tobytes()).hexdigest(), hashlib.sha256(label.tobytes()).hexdigest(), len(position)
