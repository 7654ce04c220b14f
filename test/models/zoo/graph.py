"""Writes an ONNX graph node by node while running it on a sample, so that random weights can be scaled as they are made.

With weights that nobody trained, activations die out or explode after a few layers, and an error in a kernel can hide
behind that. Every linear layer here is scaled by what it gives on the sample, and `layer` refuses a layer whose output
has a standard deviation outside 0.3 ... 3.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mercertest import reference

LOWEST_STD, HIGHEST_STD = 0.3, 3.0


@dataclass(frozen=True)
class Value:
    """A tensor of the graph and what it holds on the sample."""

    name: str
    sample: np.ndarray

    @property
    def channels(self) -> int:
        return self.sample.shape[1]

    @property
    def features(self) -> int:
        return self.sample.shape[-1]


class Graph:
    def __init__(self, name: str, seed: int, opset: int = 17, given: Mapping[str, np.ndarray] | None = None):
        """`given`: weights of a graph built by the same calls; they replace this one's, and nothing is scaled."""
        self.name = name
        self.random = np.random.default_rng(seed)
        self.opset = opset
        self.layers: list[str] = []
        self.weights: dict[str, np.ndarray] = {}
        self._given = given
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._counts: dict[str, int] = {}

    # -- values

    def input(self, name: str, sample: np.ndarray, dims: Sequence[int | str]) -> Value:
        kind = helper.np_dtype_to_tensor_dtype(sample.dtype)
        self._inputs.append(helper.make_tensor_value_info(name, kind, dims))
        return Value(name, sample)

    def weight(self, array: np.ndarray, name: str = "weight") -> Value:
        unique = self._unique(name)
        if self._given is not None:
            array = self._given[unique]
        self.weights[unique] = np.ascontiguousarray(array) if array.ndim else array
        return Value(unique, array)

    def constant(self, values: object, dtype: type = np.float32) -> Value:
        array = np.asarray(values, dtype=dtype)
        name = self._unique("constant")
        self.weights[name] = array
        return Value(name, array)

    def normal(self, *shape: int, std: float = 1.0) -> np.ndarray:
        return self.random.standard_normal(shape, dtype=np.float32) * np.float32(std)

    def output(self, value: Value, name: str, dims: Sequence[int | str]) -> None:
        kind = helper.np_dtype_to_tensor_dtype(value.sample.dtype)
        self._nodes.append(helper.make_node("Identity", [value.name], [name], name=f"output_{name}"))
        self._outputs.append(helper.make_tensor_value_info(name, kind, dims))

    # -- nodes

    def op(self, kind: str, *operands: Value | None, results: int = 1, domain: str = "", **attributes):
        """Adds one node and runs it on the sample. Returns a Value, or a tuple for several results."""
        name = self._unique(kind.lower())
        outputs = [name] if results == 1 else [f"{name}_{index}" for index in range(results)]
        names = ["" if operand is None else operand.name for operand in operands]
        node = helper.make_node(kind, names, outputs, name=name, domain=domain, **attributes)
        self._nodes.append(node)
        values = tuple(Value(*pair) for pair in zip(outputs, self._run(node, operands)))
        return values[0] if results == 1 else values

    def layer(self, value: Value) -> Value:
        """Records a layer's output and checks its spread; not with given weights, which another sample scaled."""
        if self._given is not None:
            return value
        std = float(value.sample.std())
        if not LOWEST_STD <= std <= HIGHEST_STD:
            raise ValueError(f"{self.name}: layer {value.name} has a standard deviation of {std:.3g} on the sample")
        self.layers.append(value.name)
        return value

    # -- scaled layers

    def linear_weights(self, x: Value, features: int, std: float | np.ndarray = 1.0) -> tuple[Value, Value]:
        """W and b of x @ W + b; W is scaled so that the product has the given standard deviation (one for each
        output feature, or one for all)."""
        matrix = self.normal(x.features, features, std=x.features**-0.5)
        product = x.sample.reshape(-1, x.features)[:4096] @ matrix
        matrix *= (np.asarray(std) / product.std()).astype(np.float32)
        return self.weight(matrix, "linear.weight"), self.weight(self.normal(features, std=0.1), "linear.bias")

    def linear(self, x: Value, features: int, std: float | np.ndarray = 1.0) -> Value:
        """x @ W + b as exporters write it: MatMul, then Add with the bias first."""
        weight, bias = self.linear_weights(x, features, std)
        return self.layer(self.op("Add", bias, self.op("MatMul", x, weight)))

    def conv_norm(
        self, x: Value, channels: int, kernel: int, stride: int = 1, groups: int = 1, scale: float = 1.0
    ) -> Value:
        """Convolution and batch normalisation with the statistics of the sample, as a trained network would hold."""
        inner = x.channels // groups
        filters = self.normal(channels, inner, kernel, kernel, std=(inner * kernel * kernel) ** -0.5)
        options = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [kernel // 2] * 4, "group": groups}
        raw = self._run(helper.make_node("Conv", ["x", "w"], ["y"], **options), (x, Value("w", filters)))[0]
        filters *= np.float32(1 / max(float(raw.std()), 1e-6))
        y = self.layer(self.op("Conv", x, self.weight(filters, "conv.weight"), **options))
        gamma = self.random.uniform(0.9, 1.5, channels).astype(np.float32) * np.float32(scale)
        beta = self.normal(channels, std=0.2)
        mean = y.sample.mean(axis=(0, 2, 3))
        variance = y.sample.var(axis=(0, 2, 3)) + np.float32(1e-2)
        parameters = [self.weight(array, "norm") for array in (gamma, beta, mean, variance)]
        return self.layer(self.op("BatchNormalization", y, *parameters, epsilon=1e-5))

    def classifier(self, x: Value, classes: int) -> Value:
        """A fully connected layer that spreads what differs between the sample's entries, not their common mean:
        features after global pooling are alike for all inputs of a random network."""
        matrix = self.normal(classes, x.features, std=x.features**-0.5)
        logits = x.sample @ matrix.T
        matrix *= np.float32(0.8 / (logits - logits.mean(axis=0)).std())
        bias = -(x.sample.mean(axis=0) @ matrix.T) + self.normal(classes, std=0.3)
        weights = self.weight(matrix, "classifier.weight"), self.weight(bias.astype(np.float32), "classifier.bias")
        return self.layer(self.op("Gemm", x, *weights, transB=1))

    def layer_norm(self, x: Value, epsilon: float = 1e-5, gain: float = 1.0) -> Value:
        gamma = self.random.uniform(0.7, 1.3, x.features).astype(np.float32) * np.float32(gain)
        gamma, beta = self.weight(gamma, "norm.scale"), self.weight(self.normal(x.features, std=0.1 * gain), "norm.bias")
        return self.layer(self.op("LayerNormalization", x, gamma, beta, axis=-1, epsilon=epsilon))

    # -- the file

    def save(self, path: Path, external: bool = False) -> None:
        tensors = [numpy_helper.from_array(array, name) for name, array in self.weights.items()]
        graph = helper.make_graph(self._nodes, self.name, self._inputs, self._outputs, tensors)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self.opset)],
            ir_version=10,
            producer_name="mercer-test-models",
        )
        helper.set_model_props(model, {"layers": json.dumps(self.layers)})
        onnx.save(
            model,
            str(path),
            save_as_external_data=external,
            all_tensors_to_one_file=True,
            location=f"{path.stem}.weights",
            size_threshold=1024,
        )

    def _unique(self, name: str) -> str:
        count = self._counts.get(name, 0)
        self._counts[name] = count + 1
        return f"{name}_{count}"

    def _run(self, node: onnx.NodeProto, operands: Sequence[Value | None]) -> list[np.ndarray]:
        feeds: dict[str, np.ndarray] = {}
        inputs = []
        for name, operand in zip(node.input, operands):
            if operand is not None and name not in feeds:
                feeds[name] = operand.sample
                kind = helper.np_dtype_to_tensor_dtype(operand.sample.dtype)
                inputs.append(helper.make_tensor_value_info(name, kind, operand.sample.shape))
        outputs = [helper.make_value_info(name, onnx.TypeProto()) for name in node.output]
        graph = helper.make_graph([node], "one_node", inputs, outputs)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        return reference.session(inferred.SerializeToString(), threads=2).run(None, feeds)
