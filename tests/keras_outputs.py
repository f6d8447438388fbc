"""Outputs of trained networks as plain lists, computed in the environment that calls this."""

import os


def keras_outputs(names: tuple[str, ...], root: str) -> tuple[str, list[list[list[float]]]]:
    """Return the version of Keras and, per network, the outputs (sample, class) for three fixed random samples."""
    os.environ["RAYPIPE_STORE"] = root
    import keras
    import numpy as np

    from raypipe.networks import artifact, keras_model

    outputs = []
    for name in names:
        trained = artifact.load(name)
        samples = np.random.RandomState(1).standard_normal((3, *trained.architecture.input_shape))
        outputs.append(keras_model.load(trained).predict(samples.astype("float32"), verbose=0).tolist())
    return keras.__version__, outputs
