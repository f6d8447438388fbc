"""Adaptive refinement: a scan's plane is simulated and classified only where it matters, in several rounds."""
