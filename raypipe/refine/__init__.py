"""Adaptive refinement: a scan's plane is simulated and classified where it matters, round after round."""
