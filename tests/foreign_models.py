"""Third-party networks, saved by TensorFlow 2.14; tests/test_import_network.py runs this in `explain`."""

import shutil
from pathlib import Path


def _sequential(keras, layers, shape, name="theirs"):
    return keras.Sequential([keras.Input(shape), *layers], name=name)


def pattern(keras):
    """Build a classifier of patterns with more kinds of layers than the study's networks; it outputs logits."""
    of = keras.layers
    layers = [
        of.BatchNormalization(),
        of.Conv2D(4, 3, strides=2, activation="relu"),
        of.Conv2D(6, (3, 2), padding="same", use_bias=False),
        of.ReLU(),
        of.MaxPooling2D((2, 3), strides=2),
        of.Conv2D(5, 3, dilation_rate=1, activation="tanh"),
        of.BatchNormalization(epsilon=0.01, scale=False),
        of.AveragePooling2D(2, padding="same"),
        of.GlobalMaxPooling2D(),
        of.Dense(8, activation="relu"),
        of.Dropout(0.15),
        of.Dense(15),
    ]
    return _sequential(keras, layers, (128, 128, 3))


def pattern_3d(keras):
    """Build a classifier of patterns with ten frames."""
    of = keras.layers
    layers = [
        of.BatchNormalization(),
        of.Conv3D(4, (3, 3, 2), strides=2, activation="relu"),
        of.MaxPooling3D(2),
        of.GlobalMaxPooling3D(),
        of.Dense(15, activation="softmax"),
    ]
    return _sequential(keras, layers, (128, 128, 10, 1))


def trajectory(keras):
    """Build a classifier of trajectories: a nested network followed by a separate softmax layer."""
    of = keras.layers
    layers = [
        of.GaussianNoise(0.1),
        of.Conv1D(4, 5, strides=2, activation="relu"),
        of.BatchNormalization(),
        of.MaxPooling1D(3, strides=2),
        of.Conv1D(3, 4, padding="same"),
        of.Activation("relu"),
        of.AveragePooling1D(2),
        of.Flatten(),
        of.Dropout(0.5),
        of.Dense(5),
    ]
    return _sequential(keras, [_sequential(keras, layers, (320, 1), "inner"), of.Softmax()], (320, 1))


def residual(keras):
    """Build a classifier of trajectories with branches that merge."""
    of = keras.layers
    inputs = keras.Input((320, 1))
    first = of.Conv1D(4, 3, padding="same", activation="relu")(inputs)
    second = of.BatchNormalization()(of.Conv1D(4, 3, padding="same")(first))
    joined = of.Activation("relu")(of.Add()([second, first]))
    both = of.Concatenate()([joined, first])
    outputs = of.Dense(5, activation="softmax")(of.GlobalAveragePooling1D()(both))
    return keras.Model(inputs, outputs)


def randomised(model, seed=0):
    """Set weights as after training (non-zero biases, statistics far from 0 and 1) and return the model."""
    import numpy as np

    random = np.random.default_rng(seed)
    weights = []
    for array in model.get_weights():
        scale = 1.5 / np.sqrt(max(1, np.prod(array.shape[:-1])))
        weights.append(
            random.uniform(0.5, 1.5, array.shape) if array.ndim == 1 else random.normal(0, scale, array.shape)
        )
    model.set_weights(weights)
    return model


def samples(shape):
    """Return three random samples of different amplitudes; networks that average would not tell equal ones apart."""
    import numpy as np

    sizes = np.reshape([0.1, 1, 3], (3, *[1] * len(shape)))
    return (sizes * np.random.default_rng(5).uniform(-1, 1, (3, *shape))).astype("float32")


def save_all(folder: str) -> str:
    """Save each network in each format of TensorFlow 2.14; return the version of TensorFlow."""
    import numpy as np
    import tensorflow as tf
    from tensorflow import keras

    for build in (pattern, pattern_3d, trajectory, residual):
        model = randomised(build(keras))
        for ending in ("", ".h5", ".keras"):
            model.save(f"{folder}/{build.__name__}{ending}")
        inputs = samples(model.input_shape[1:])
        np.savez(f"{folder}/{build.__name__}.npz", inputs=inputs, outputs=model(inputs, training=False).numpy())
    model.save_weights(f"{folder}/weights-only.h5")

    of = keras.layers
    odd = keras.Sequential([keras.Input((320, 1)), of.LSTM(4), of.Dense(5, activation="softmax")])
    binary = keras.Sequential([keras.Input((320, 1)), of.Flatten(), of.Dense(1, activation="sigmoid")])
    code = keras.Sequential(
        [keras.Input((320, 1)), of.Lambda(lambda x: x + 1, name="theirs"), of.Flatten(), of.Dense(5)]
    )
    many = keras.Sequential([keras.Input((320, 1)), of.Flatten(), of.Dense(4, activation="softmax")])
    other = keras.Sequential([keras.Input((100, 2)), of.Flatten(), of.Dense(5, activation="softmax")])
    # Writing a SavedModel takes seconds, and much longer for an LSTM.
    files = {"odd.h5": odd, "binary.h5": binary, "code.h5": code, "code": code, "many": many, "other": other}
    for name, model in files.items():
        model.save(f"{folder}/{name}")
    shutil.copytree(f"{folder}/pattern", f"{folder}/pattern-before-2.5")
    as_before_2_5(f"{folder}/pattern-before-2.5")
    return tf.__version__


def as_before_2_5(folder: str) -> None:
    """Rewrite a SavedModel as TensorFlow before 2.5 wrote it, with Keras's layer metadata in saved_model.pb."""
    from keras.protobuf import saved_metadata_pb2
    from tensorflow.core.protobuf import saved_model_pb2

    metadata, model = saved_metadata_pb2.SavedMetadata(), saved_model_pb2.SavedModel()
    beside, graph = Path(folder, "keras_metadata.pb"), Path(folder, "saved_model.pb")
    metadata.ParseFromString(beside.read_bytes())
    model.ParseFromString(graph.read_bytes())
    for node in metadata.nodes:
        model.meta_graphs[0].object_graph_def.nodes[node.node_id].user_object.metadata = node.metadata
    graph.write_bytes(model.SerializeToString())
    beside.unlink()
