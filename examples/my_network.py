"""A network of your own for trajectories of anomalous diffusion, compared with the original one.

    raypipe generate_trajectories --split train --count 10000       # also val and test
    raypipe train_network --study my_network.py --network strided --epochs 10
    raypipe train_network --network andi-study --epochs 10
    raypipe evaluate --network strided
    raypipe explain --network strided
    raypipe rank_networks --networks strided --reference andi-study --output ranking.csv

Only training needs this file: a trained network stores its layers, and that it belongs to the study `andi`.
"""

from dataclasses import replace

from raypipe.networks.architecture import Architecture, stack
from raypipe.studies.andi import STUDY as ANDI
from raypipe.studies.andi.diffusion import ANDI_MODELS, TRAJECTORY_LENGTH

# Strides instead of pooling: each layer is a Keras class and the arguments of its constructor.
STRIDED = Architecture(
    name="strided",
    study="andi",
    input_shape=(TRAJECTORY_LENGTH, 1),
    classes=ANDI_MODELS,
    layers=stack(
        ("Conv1D", {"filters": 16, "kernel_size": 9, "strides": 2, "activation": "relu"}),
        ("BatchNormalization", {}),
        ("Conv1D", {"filters": 32, "kernel_size": 5, "strides": 2, "activation": "relu"}),
        ("BatchNormalization", {}),
        ("Conv1D", {"filters": 64, "kernel_size": 5, "strides": 2, "activation": "relu"}),
        ("BatchNormalization", {}),
        ("Flatten", {}),
        ("Dropout", {"rate": 0.25}),
        ("Dense", {"units": len(ANDI_MODELS), "activation": "softmax"}),
    ),
)

STUDY = replace(ANDI, networks=(STRIDED, *ANDI.networks))
