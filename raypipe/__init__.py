"""Scaling anomalous-diffusion and Gray-Scott pattern studies with Ray.

Importing the package starts nothing: neither Ray nor TensorFlow is imported before a stage needs it.
"""

__version__ = "0.1.0"
