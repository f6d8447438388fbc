"""Simulate and analyse anomalous diffusion and Gray-Scott patterns with Ray.

Importing the package starts nothing: Ray and TensorFlow are imported only when a stage needs them.
"""

__version__ = "0.1.0"
