"""Networks: what they are, how they are trained, what they say of samples and why."""

import os

# Convolutions of oneDNN, up to twice as fast here. TensorFlow, which reads this when it is imported, takes them itself
# on some processors only, so that last digits depended on the maker.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
