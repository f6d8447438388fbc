"""Functions that tests/test_explain.py runs in the environment `explain`: they exchange only plain values and files."""

import json

import numpy as np

from raypipe.networks import artifact, relevance


def analyse(cases: str, values: str, classes: str) -> str:
    """Return relevance (n, time) and scores (n) of the same inputs for each case [network, method, settings]."""
    inputs = np.asarray(json.loads(values), "float32")
    numbers = np.asarray(json.loads(classes))
    found = []
    for network, method, settings in json.loads(cases):
        explain = relevance.explainer(artifact.load(network), method, **settings)
        found.append([array.tolist() for array in explain(inputs, numbers)])
    return json.dumps(found)


def analyse_with_tolerance(network: str, tolerance: float, values: str) -> str:
    """Return the error message when probabilities may change by at most `tolerance`."""
    relevance.TOLERANCE = tolerance
    inputs = np.asarray(json.loads(values), "float32")
    try:
        relevance.explainer(artifact.load(network), "gradient")(inputs, np.zeros(len(inputs), "int64"))
    except RuntimeError as error:
        return str(error)
    return "no error"


def analyse_fields(network: str, values: str, classes: list[int], epsilon: float, composite: bool) -> None:
    """Write the relevance of the fields in the file `values`, in their shape, to `<values>.relevance.npy`."""
    import innvestigate
    import tensorflow as tf
    from innvestigate.analyzer.relevance_based import relevance_rule

    tf.compat.v1.disable_eager_execution()
    inputs = np.load(values)
    model = relevance.keras_model.load(relevance.without_softmax(artifact.load(network)))

    class Epsilon(relevance_rule.EpsilonRule):
        def __init__(self, *given, **named):
            super().__init__(*given, epsilon=epsilon, bias=True, **named)

    kinds = [(lambda layer, *_: "Conv" in type(layer).__name__, "Alpha1Beta0IgnoreBias")] if composite else []
    analyzer = innvestigate.create_analyzer(
        "lrp",
        model,
        neuron_selection_mode="index",
        rule=[*kinds, (lambda *_: True, Epsilon)],
        input_layer_rule="Flat" if composite else None,
    )
    np.save(f"{values}.relevance.npy", analyzer.analyze(inputs, neuron_selection=np.array(classes)))
