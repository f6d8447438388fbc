"""Networks: architectures, training, predictions and explanations."""

import os

# Convolutions of oneDNN, up to twice as fast here. TensorFlow, which reads this variable on import, uses them by
# default on some processors only, so the last digits of results depended on the processor's manufacturer.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
