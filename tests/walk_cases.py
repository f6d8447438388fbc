"""Functions that tests/test_trajectories.py runs in the environment `andi`; they exchange only plain values."""

import warnings


def differing_walks(model, exponents, lengths, seeds):
    """Compare Walks with the package.

    Returns the cases (exponent, length, seed) that differ in bits or final random state, and the number of all cases.
    """
    import numpy as np

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from andi_datasets.models_theory import models_theory

        from raypipe.studies.andi.trajectories import Walks

        def walk(walks, exponent, length, seed):
            np.random.seed(seed)  # noqa: NPY002
            made = getattr(walks, model)(length, exponent)
            return made.dtype, made.shape, made.tobytes(), np.random.rand()  # noqa: NPY002

        package, ours = models_theory._oneD(), Walks()
        cases = [(exponent, length, seed) for exponent in exponents for length in lengths for seed in range(seeds)]
        return [case for case in cases if walk(package, *case) != walk(ours, *case)], len(cases)
