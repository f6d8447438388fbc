"""Read the layers of a network from the graph of a SavedModel; Keras's own metadata are not needed.

A SavedModel of any version has a signature, a graph of operations. With its variables turned into constants, each layer
is a short pattern of operations, such as Conv2D, BiasAdd, Relu, whatever the layers and variables are called.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from raypipe.errors import InputError
from raypipe.networks.architecture import Kind, Layer, Options
from raypipe.networks.foreign.layers import INPUT, Read

ACTIVATIONS = {
    name: name.lower() for name in ("Relu", "Softmax", "Sigmoid", "Tanh", "Elu", "Selu", "Softplus", "Softsign")
} | {"Relu6": "relu6"}
_SAME = ("Identity", "StopGradient", "PlaceholderWithDefault", "EnsureShape")
_FOLDED: dict[str, Callable[..., np.ndarray]] = {
    "AddV2": np.add,
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "RealDiv": np.divide,
    "Neg": np.negative,
    "Sqrt": np.sqrt,
    "Rsqrt": lambda x: 1 / np.sqrt(x),
    "Reshape": np.reshape,
    "ExpandDims": lambda x, axis: np.expand_dims(x, int(axis)),
}
"""Operations between constants that are evaluated: in batch normalisations and one-dimensional convolutions."""

_VARIANCE_EPSILON = 1e-3
"""Keras's default for the constant added to the variance in a batch normalisation."""


def layers_of(graph: Any, output: str, source: str) -> list[Read]:
    """Layers from the input to an output, each after those whose outputs it takes.

    Args:
        graph: a TensorFlow GraphDef without variables and functions, with one placeholder and the shapes of tensors.
        output: name of the tensor that is the network's output.
        source: names the file in messages.

    Raises:
        InputError: if an operation is not part of a supported layer; the message names it.
    """
    return _Reader(graph, source).read(output)


class _Reader:
    def __init__(self, graph: Any, source: str) -> None:
        self._nodes = {node.name: node for node in graph.node}
        self._source = source
        self._found: list[Read] = []
        self._names: dict[str, str] = {}
        """By node, the name of the layer whose output it is."""

    def read(self, output: str) -> list[Read]:
        self._layer_at(self._node(output))
        return self._found

    def _node(self, name: str) -> Any:
        """The node that produces a tensor, skipping nodes that only pass it on."""
        node = self._nodes[name.lstrip("^").split(":")[0]]
        while node.op in _SAME:
            node = self._nodes[node.input[0].split(":")[0]]
        return node

    def _inputs(self, node: Any) -> list[Any]:
        return [self._node(name) for name in node.input if not name.startswith("^")]

    def _constant(self, node: Any) -> np.ndarray | None:
        """Value of a node that depends on constants only; None if it depends on the input."""
        if node.op == "Const":
            from tensorflow import make_ndarray

            return make_ndarray(node.attr["value"].tensor)
        values = [self._constant(one) for one in self._inputs(node)] if node.op in (*_FOLDED, "Squeeze") else [None]
        if node.op == "Squeeze" and values[0] is not None:
            return np.squeeze(values[0], tuple(node.attr["squeeze_dims"].list.i) or None)
        return None if any(one is None for one in values) else _FOLDED[node.op](*values)

    def _layer_at(self, node: Any) -> str:
        """Name of the layer whose output a node is; reads it, and the layers that it needs, if not done yet."""
        if node.op == "Placeholder":
            return INPUT
        if node.name not in self._names:
            self._names[node.name] = self._read(node)
        return self._names[node.name]

    def _append(self, kind: Kind, options: Options, *sources: Any, weights: tuple[np.ndarray | None, ...] = ()) -> str:
        names = tuple(self._layer_at(one) for one in sources)
        arrays = [np.asarray(one) for one in weights if one is not None]
        self._found.append(Read(Layer(kind, f"layer_{len(self._found) + 1}", options, names), arrays))
        return self._found[-1].layer.name

    def _read(self, node: Any) -> str:
        inputs = self._inputs(node)
        if node.op in ACTIVATIONS:
            return self._append("Activation", {"activation": ACTIVATIONS[node.op]}, inputs[0])
        if node.op in ("Conv2D", "Conv3D", "MatMul", "Squeeze"):
            if found := self._weighted(node, bias=None) or self._pooling(node):
                return found
        elif node.op in ("BiasAdd", "AddV2", "Add"):
            for one, other in (inputs, inputs[::-1]):
                if (shift := self._constant(other)) is not None and (found := self._shifted(one, shift)):
                    return found
            if all(self._constant(one) is None for one in inputs) and node.op != "BiasAdd":
                return self._append("Add", {}, *inputs)
        elif node.op == "Sub" and all(self._constant(one) is None for one in inputs):
            return self._append("Subtract", {}, *inputs)
        elif node.op == "FusedBatchNormV3" and not node.attr["is_training"].b:
            self._refuse_channels_first(node)
            options: Options = {"epsilon": round(node.attr["epsilon"].f, 9)}
            statistics = tuple(self._constant(one) for one in inputs[1:])
            return self._append("BatchNormalization", options, inputs[0], weights=statistics)
        elif node.op == "Reshape":
            # Keras 3 computes the shape from that of the input, so it is not constant; that of the output is known.
            before, after = _sizes(inputs[0])[1:], _sizes(node)
            if len(after) == 2 and min(before, default=0) > 0 and after[1] == math.prod(before):
                return self._append("Flatten", {}, inputs[0])
        elif node.op in ("Max", "Mean"):
            if found := self._global(node, inputs[0], self._constant(inputs[1])):
                return found
        elif node.op == "ConcatV2" and (axis := self._constant(inputs[-1])) is not None:
            self._refuse_unless(node, int(axis) in (-1, len(_sizes(node)) - 1))
            return self._append("Concatenate", {}, *inputs[:-1])
        elif found := self._pooling(node):
            return found
        raise self._refusal(node)

    def _weighted(self, node: Any, bias: np.ndarray | None) -> str | None:
        """A convolution or dense layer without its activation, if the node is one."""
        inputs, squeezed = self._inputs(node), node.op == "Squeeze"
        if squeezed:
            node, inputs = inputs[0], self._inputs(inputs[0])
        if node.op not in ("Conv2D", "Conv3D", "MatMul") or (kernel := self._constant(inputs[1])) is None:
            return None
        self._refuse_channels_first(node)
        options: Options = {"activation": "linear"}
        if bias is None:
            options["use_bias"] = False
        if node.op == "MatMul":
            self._refuse_unless(node, not (node.attr["transpose_a"].b or node.attr["transpose_b"].b))
            return self._append("Dense", {"units": kernel.shape[1], **options}, inputs[0], weights=(kernel, bias))
        values = inputs[0]
        if squeezed:
            self._refuse_unless(node, values.op == "ExpandDims" and node.op == "Conv2D" and kernel.shape[0] == 1)
            values, kernel = self._inputs(values)[0], kernel[0]
        size = kernel.ndim - 2
        options |= {"filters": kernel.shape[-1], "kernel_size": kernel.shape[:-2], **_window(node, "strides", size)}
        options |= _along(node, "dilations", "dilation_rate", size)
        kind: Kind = ("Conv1D", "Conv2D", "Conv3D")[size - 1]
        return self._append(kind, options, values, weights=(kernel, bias))

    def _shifted(self, node: Any, shift: np.ndarray) -> str | None:
        """The layer of a node plus a constant: one with a bias, or a batch normalisation; None if it is neither."""
        if found := self._weighted(node, bias=shift.ravel()):
            return found
        if node.op != "Mul":
            return None
        for values, factor in (self._inputs(node), self._inputs(node)[::-1]):
            if (scale := self._constant(factor)) is not None and scale.size == shift.size == scale.shape[-1]:
                # Its statistics are already folded into scale and shift.
                mean = np.zeros(scale.size, "float32")
                variance = np.full(scale.size, 1 - _VARIANCE_EPSILON, "float32")
                weights = (scale.ravel(), shift.ravel(), mean, variance)
                return self._append("BatchNormalization", {}, values, weights=weights)
        return None

    def _pooling(self, node: Any) -> str | None:
        """A pooling layer, if the node is one; in one dimension it is a 2-D pooling with a size of 1."""
        squeezed = node.op == "Squeeze"
        node = self._inputs(node)[0] if squeezed else node
        if node.op not in ("MaxPool", "AvgPool", "MaxPool3D", "AvgPool3D"):
            return None
        self._refuse_channels_first(node)
        (values,) = self._inputs(node)
        size = 3 if node.op.endswith("3D") else 2
        options = {**_along(node, "ksize", "pool_size", size), **_window(node, "strides", size)}
        if squeezed:
            # Keras adds the dimension before the channels.
            self._refuse_unless(node, values.op == "ExpandDims" and size == 2)
            values, size = self._inputs(values)[0], 1
            options |= {name: one[:1] for name, one in options.items() if isinstance(one, tuple)}
        kind: Kind = f"{'Max' if node.op.startswith('Max') else 'Average'}Pooling{size}D"  # type: ignore[assignment]
        return self._append(kind, {"pool_size": (1,) * size, "strides": (1,) * size, **options}, values)

    def _global(self, node: Any, values: Any, axes: np.ndarray | None) -> str | None:
        """A global pooling layer, if the node is one."""
        if axes is None or node.attr["keep_dims"].b or not 1 <= (size := axes.size) <= 3:
            return None
        if np.ravel(axes).tolist() != list(range(1, size + 1)):
            return None
        kind: Kind = f"Global{'Max' if node.op == 'Max' else 'Average'}Pooling{size}D"  # type: ignore[assignment]
        return self._append(kind, {}, values)

    def _refuse_unless(self, node: Any, fits: bool) -> None:
        if not fits:
            raise self._refusal(node)

    def _refuse_channels_first(self, node: Any) -> None:
        if (order := node.attr["data_format"].s.decode()) and not order.endswith("C"):
            said = self._named(node)
            raise InputError(f"{said} on channels that come first ({order}); save the network with channels last")

    def _refusal(self, node: Any) -> InputError:
        return InputError(
            f"{self._named(node)}, which is part of no supported layer; import the network from a .h5 or .keras file, "
            "or without that layer"
        )

    def _named(self, node: Any) -> str:
        return f"{self._source} has the operation {node.op} ({node.name.removeprefix('StatefulPartitionedCall/')})"


def _sizes(node: Any) -> list[int]:
    """Shape of the output of a node, with -1 for sizes that are not fixed."""
    return [one.size for one in node.attr["_output_shapes"].list.shape[0].dim]


def _along(node: Any, attribute: str, option: str, size: int) -> Options:
    """An attribute along each of the spatial dimensions, as an option; empty if it is 1 everywhere."""
    found = tuple(node.attr[attribute].list.i)
    values = found[2:3] if size == 1 and len(found) == 4 else found[1 : size + 1]  # Conv1D is a Conv2D over (1, steps)
    return {option: values} if any(one != 1 for one in values) else {}


def _window(node: Any, attribute: str, size: int) -> Options:
    padding = node.attr["padding"].s.decode().lower()
    return {**_along(node, attribute, "strides", size), **({"padding": padding} if padding != "valid" else {})}
