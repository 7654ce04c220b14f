"""mercer.gram, mercer.kernel_matvec and mercer.conv from .mlir: also far from the origin and with coincident points,
where distances from ‖x‖² + ‖y‖² − 2⟨x, y⟩ lose all their digits."""

from __future__ import annotations

from typing import Callable, Iterator

import numpy as np

from .contraction import convolution
from .core import DTYPES, Group, Variant, values
from .mlir import function, tensor


def _squared(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return ((x[:, None] - y[None]) ** 2).sum(-1)


def _distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.sqrt(_squared(x, y))


# kernel: reference on (x, y, gamma); those of a distance and those of an inner product
_KERNELS: dict[str, Callable[[np.ndarray, np.ndarray, float], np.ndarray]] = {
    "gaussian": lambda x, y, g: np.exp(-g * _squared(x, y)),
    "laplacian": lambda x, y, g: np.exp(-g * np.abs(x[:, None] - y[None]).sum(-1)),
    "matern12": lambda x, y, g: np.exp(-g * _distance(x, y)),
    "matern32": lambda x, y, g: (1 + 3**0.5 * g * _distance(x, y)) * np.exp(-(3**0.5) * g * _distance(x, y)),
    "matern52": lambda x, y, g: (
        (1 + 5**0.5 * g * _distance(x, y) + 5 * g * g * _squared(x, y) / 3) * np.exp(-(5**0.5) * g * _distance(x, y))
    ),
    "linear": lambda x, y, g: x @ y.T,
    "sqeuclidean": lambda x, y, g: _squared(x, y),
    "cityblock": lambda x, y, g: np.abs(x[:, None] - y[None]).sum(-1),
}

# rows of x and of y
_ROWS = [(33, 21), (1, 77), (0, 5), (61, 127), (197, 521)]


def _points(random: np.random.Generator, rows: tuple[int, int], features: int, dtype: str, offset: float) -> tuple:
    """Points within ±0.5 of the offset; every third of y is one of x, so that distances of exactly 0 occur."""
    x = values(random, (rows[0], features), "f64", -0.5, 0.5) + offset
    y = values(random, (rows[1], features), "f64", -0.5, 0.5) + offset
    if rows[0]:
        chosen = random.integers(0, rows[0], len(y[::3]))
        y[::3] = x[chosen]
    return x.astype(DTYPES[dtype]), y.astype(DTYPES[dtype])


def _group(random: np.random.Generator, kind: str, kernel: str, features: int, dtype: str, offset: float = 0.0) -> Group:
    points = tensor("?", features, element=dtype)
    gamma = 2.0 / features
    inputs = {"x": (points, ["n", ""]), "y": (points, ["m", ""])}
    if kind == "gram":
        result, dims, sizes, names = tensor("?", "?", element=dtype), ["n", "m"], "%n, %m", "%x, %y : {p}, {p}"
    else:
        vector = tensor("?", 2, element=dtype)
        inputs["v"] = (vector, ["m", ""])
        result, dims, sizes, names = vector, ["n", ""], "%n", "%x, %y, %v : {p}, {p}, " + vector
    body = f"""
    %c0 = arith.constant 0 : index
    %n = tensor.dim %x, %c0 : {points}
    %m = tensor.dim %y, %c0 : {points}
    %init = tensor.empty({sizes}) : {result}
    %out = mercer.{kind} {kernel} ins({names.format(p=points)}) outs(%init : {result})
      {{gamma = {gamma:e} : f64}} -> {result}"""
    variants = []
    for rows in _ROWS:
        x, y = _points(random, rows, features, dtype, offset)
        arrays = {"x": x, "y": y}
        expected = _KERNELS[kernel](x.astype(np.float64), y.astype(np.float64), gamma)
        if kind == "kernel_matvec":
            arrays["v"] = values(random, (rows[1], 2), dtype)
            expected = expected @ arrays["v"].astype(np.float64)
        variants.append(Variant(arrays, {"out": expected}))
    label = f"-offset{offset:g}" if offset else ""
    text = function(inputs, {"out": (result, dims)}, body)
    return Group(f"mlir-{kind}-{kernel}-{features}-{dtype}{label}", text, variants, units=64)


def _conv(random: np.random.Generator) -> Group:
    x, w, b, y = tensor("?", 6, 17, 23), tensor(10, 3, 3, 5), tensor(10), tensor("?", 10, 9, 19)
    text = function(
        {"x": (x, ["n", "", "", ""]), "w": (w, [""] * 4), "b": (b, [""])},
        {"y": (y, ["n", "", "", ""])},
        f"""
    %c0 = arith.constant 0 : index
    %n = tensor.dim %x, %c0 : {x}
    %init = tensor.empty(%n) : {y}
    %y = mercer.conv ins(%x, %w : {x}, {w}) bias(%b : {b}) outs(%init : {y})
      {{strides = array<i64: 2, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 0, 1, 0>, groups = 2 : i64}} -> {y}""",
    )
    variants = []
    for batch in (1, 3, 0):
        arrays = {
            "x": values(random, (batch, 6, 17, 23), "f32"),
            "w": values(random, (10, 3, 3, 5), "f32"),
            "b": values(random, (10,), "f32"),
        }
        exact = [array.astype(np.float64) for array in arrays.values()]
        variants.append(Variant(arrays, {"y": convolution(*exact, [2, 1], [1, 1], [1, 0, 1, 0], 2)}))
    return Group("mlir-conv-grouped", text, variants, units=16)


def groups(random: np.random.Generator) -> Iterator[Group]:
    yield _conv(random)
    for kernel in _KERNELS:
        yield _group(random, "gram", kernel, 7, "f32")
    for kernel in ("gaussian", "laplacian", "matern32", "linear"):
        yield _group(random, "kernel_matvec", kernel, 3, "f32")
    for kind in ("gram", "kernel_matvec"):
        yield _group(random, kind, "gaussian", 64, "f32")
        yield _group(random, kind, "gaussian", 5, "f64")
        # The inputs themselves are rounded at 1000: the reference uses what was rounded.
        for features in (3, 64):
            yield _group(random, kind, "gaussian", features, "f32", offset=1000.0)
