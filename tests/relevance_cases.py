"""Run inside the environment `explain` by tests/test_explain.py: only JSON goes in and comes out."""

import json

import numpy as np

from raypipe.networks import artifact, relevance


def analyse(cases: str, values: str, classes: str) -> str:
    """Relevance (n, time) and scores (n) of the same inputs for each case [network, method, settings]."""
    inputs = np.asarray(json.loads(values), "float32")
    numbers = np.asarray(json.loads(classes))
    found = []
    for network, method, settings in json.loads(cases):
        explain = relevance.explainer(artifact.load(network), method, **settings)
        found.append([array.tolist() for array in explain(inputs, numbers)])
    return json.dumps(found)


def analyse_with_tolerance(network: str, tolerance: float, values: str) -> str:
    """The message of the error when probabilities may move by no more than `tolerance`."""
    relevance.TOLERANCE = tolerance
    inputs = np.asarray(json.loads(values), "float32")
    try:
        relevance.explainer(artifact.load(network), "gradient")(inputs, np.zeros(len(inputs), "int64"))
    except RuntimeError as error:
        return str(error)
    return "no error"
