"""ResNet-18, ResNet-50 and MobileNetV3-large with random weights, as their papers define them.

ResNet: He et al., arXiv:1512.03385 (the stride of a bottleneck on its 3x3 convolution, as is usual today).
MobileNetV3: Howard et al., arXiv:1905.02244, table 1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .graph import Graph, Value
from .samples import images


def _image(graph: Graph, size: int, batch: int | str) -> Value:
    return graph.input("input", images(graph.random, 16, size), [batch, 3, size, size])


def _head(graph: Graph, x: Value, classes: int, batch: int | str) -> None:
    pooled = graph.op("Flatten", graph.op("GlobalAveragePool", x), axis=1)
    graph.output(graph.classifier(pooled, classes), "logits", [batch, classes])


def _relu(graph: Graph, x: Value) -> Value:
    return graph.layer(graph.op("Relu", x))


def _residual(graph: Graph, x: Value, channels: int, kernels: list[tuple[int, int]], stride: int) -> Value:
    """Convolutions given as (channels, kernel); the stride is on the first 3x3 one."""
    y, left = x, stride
    for index, (inner, kernel) in enumerate(kernels):
        last = index == len(kernels) - 1
        step = left if kernel == 3 else 1
        left = 1 if kernel == 3 else left
        y = graph.conv_norm(y, inner, kernel, step, scale=0.5 if last else 1.0)
        y = y if last else _relu(graph, y)
    shortcut = x
    if stride != 1 or x.channels != channels:
        shortcut = graph.conv_norm(x, channels, 1, stride)
    return _relu(graph, graph.op("Add", y, shortcut))


def _resnet(
    path: Path, external: bool, name: str, seed: int, blocks: list[int], bottleneck: bool, batch: int | str
) -> None:
    graph = Graph(name, seed)
    x = _relu(graph, graph.conv_norm(_image(graph, 224, batch), 64, 7, 2))
    x = graph.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for stage, count in enumerate(blocks):
        inner = 64 << stage
        channels = inner * 4 if bottleneck else inner
        kernels = [(inner, 1), (inner, 3), (channels, 1)] if bottleneck else [(inner, 3), (inner, 3)]
        for block in range(count):
            x = _residual(graph, x, channels, kernels, 2 if stage > 0 and block == 0 else 1)
    _head(graph, x, 1000, batch)
    graph.save(path, external)


def write_resnet18(path: Path, external: bool) -> None:
    _resnet(path, external, "resnet18", 18, [2, 2, 2, 2], bottleneck=False, batch="batch")


def write_resnet50(path: Path, external: bool) -> None:
    _resnet(path, external, "resnet50", 50, [3, 4, 6, 3], bottleneck=True, batch=1)


# kernel, expanded channels, channels out, squeeze-and-excite, activation, stride
_MOBILENET_V3_LARGE = [
    (3, 16, 16, False, "Relu", 1),
    (3, 64, 24, False, "Relu", 2),
    (3, 72, 24, False, "Relu", 1),
    (5, 72, 40, True, "Relu", 2),
    (5, 120, 40, True, "Relu", 1),
    (5, 120, 40, True, "Relu", 1),
    (3, 240, 80, False, "HardSwish", 2),
    (3, 200, 80, False, "HardSwish", 1),
    (3, 184, 80, False, "HardSwish", 1),
    (3, 184, 80, False, "HardSwish", 1),
    (3, 480, 112, True, "HardSwish", 1),
    (3, 672, 112, True, "HardSwish", 1),
    (5, 672, 160, True, "HardSwish", 2),
    (5, 960, 160, True, "HardSwish", 1),
    (5, 960, 160, True, "HardSwish", 1),
]


def _squeeze_excite(graph: Graph, x: Value, squeezed: int) -> Value:
    gate = graph.op("GlobalAveragePool", x)
    for index, channels in enumerate([squeezed, x.channels]):
        weights = graph.normal(channels, gate.channels, 1, 1, std=gate.channels**-0.5)
        flat = gate.sample[:, :, 0, 0] @ weights[:, :, 0, 0].T
        weights *= np.float32(1 / flat.std())
        bias = graph.weight(graph.normal(channels, std=0.2), "gate.bias")
        gate = graph.op("Conv", gate, graph.weight(weights, "gate.weight"), bias, kernel_shape=[1, 1])
        gate = graph.op("Relu", gate) if index == 0 else graph.op("HardSigmoid", gate, alpha=1 / 6, beta=0.5)
    return graph.op("Mul", gate, x)


def write_mobilenet_v3(path: Path, external: bool) -> None:
    graph = Graph("mobilenet_v3_large", 3)

    def activated(value: Value, kind: str) -> Value:
        return graph.layer(graph.op(kind, value))

    x = activated(graph.conv_norm(_image(graph, 224, 1), 16, 3, 2), "HardSwish")
    for kernel, expanded, channels, squeeze, activation, stride in _MOBILENET_V3_LARGE:
        y = x
        if expanded != x.channels:
            y = activated(graph.conv_norm(y, expanded, 1), activation)
        y = activated(graph.conv_norm(y, expanded, kernel, stride, groups=expanded), activation)
        if squeeze:
            y = _squeeze_excite(graph, y, (expanded // 4 + 4) // 8 * 8)
        residual = stride == 1 and channels == x.channels
        y = graph.conv_norm(y, channels, 1, scale=0.7 if residual else 1.0)
        x = graph.layer(graph.op("Add", y, x)) if residual else y
    x = activated(graph.conv_norm(x, 960, 1), "HardSwish")
    x = graph.op("Flatten", graph.op("GlobalAveragePool", x), axis=1)
    x = activated(graph.linear(x, 1280), "HardSwish")
    graph.output(graph.classifier(x, 1000), "logits", [1, 1000])
    graph.save(path, external)
