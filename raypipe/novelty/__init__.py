"""Novelty detection: samples that are unlike those that a network was trained on, and groups of them."""
