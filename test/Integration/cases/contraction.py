"""Matrix products, convolutions and pooling."""

from __future__ import annotations

import itertools
from typing import Iterator, Sequence

import numpy as np

from .core import Arrays, Recipe, node, random_shape, values

_SIZES = {
    "odd": (3, 15, 21),
    "one": (1, 8, 1),
    "zero": (0, 5, 3),
    "prime": (13, 17, 31),
    "large": (67, 131, 259),
}


def _matmul(random: np.random.Generator, dtype: str, batch: tuple[int | str, ...], other: tuple[int | str, ...]) -> Recipe:
    """`batch` and `other`: leading dims of both sides; a name is a dynamic dim of 2 or 3."""
    sizes = {name: int(random.integers(2, 4)) for name in (*batch, *other) if isinstance(name, str)}

    def lead(dims: tuple[int | str, ...]) -> list[int]:
        return [sizes.get(dim, dim) if isinstance(dim, str) else dim for dim in dims]

    def feeds(shape: str) -> Arrays:
        m, k, n = _SIZES[shape]
        return {
            "a": values(random, (*lead(batch), m, k), dtype, -1, 3),
            "b": values(random, (*lead(other), k, n), dtype, -1, 3),
        }

    label = "x".join(map(str, batch)) or "plain"
    return Recipe(
        f"MatMul-{label}-{dtype}",
        [node("MatMul", "a b")],
        feeds,
        lambda a, b: a @ b,
        {"y": dtype},
        {"a": [*batch, "m", "k"], "b": [*other, "k", "n"]},
        units=8,
    )


def _empty_reduction(dtype: str) -> Recipe:
    def feeds(shape: str) -> Arrays:
        return {"a": np.zeros((5, 0), np.float32), "b": np.zeros((0, 7), np.float32)}

    dims = {"a": ["m", "k"], "b": ["k", "n"]}
    return Recipe(
        f"MatMul-empty-{dtype}", [node("MatMul", "a b")], feeds, lambda a, b: a @ b, {"y": dtype}, dims, kinds=("zero",)
    )


def _gemm(random: np.random.Generator, dtype: str) -> Recipe:
    left, right = (int(bit) for bit in random.integers(0, 2, 2))
    n = int(random.choice([1, 7, 48, 131]))

    def feeds(shape: str) -> Arrays:
        m, k, _ = _SIZES[shape]
        return {
            "a": values(random, (k, m) if left else (m, k), dtype, -2, 2),
            "b": values(random, (n, k) if right else (k, n), dtype, -2, 2),
            "c": values(random, (n,), dtype),
        }

    return Recipe(
        f"Gemm-{left}{right}-{dtype}",
        [node("Gemm", "a b c", transA=left, transB=right, alpha=0.5, beta=2.0)],
        feeds,
        lambda a, b, c: 0.5 * ((a.T if left else a) @ (b.T if right else b)) + 2 * c,
        {"y": dtype},
        {"a": ["k", "m"] if left else ["m", "k"], "b": [n, "k"] if right else ["k", n], "c": [n]},
        units=16,
    )


def _windows(x: np.ndarray, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> np.ndarray:
    """[n, c, out..., kernel...] of an image that holds its padding already."""
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    rank = len(kernel)
    result = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(2, 2 + rank)))
    return result[
        (slice(None), slice(None), *(slice(None, None, s) for s in strides), *(slice(None, None, d) for d in dilations))
    ]


def convolution(x, w, bias, strides, dilations, pads, groups) -> np.ndarray:
    """Float64 reference of a grouped convolution of any number of spatial dims."""
    rank = x.ndim - 2
    padded = np.pad(x, [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:])])
    views = _windows(padded, w.shape[2:], strides, dilations)
    parts = []
    inner, outer = x.shape[1] // groups, w.shape[0] // groups
    for group in range(groups):
        part = views[:, group * inner : (group + 1) * inner]
        filters = w[group * outer : (group + 1) * outer]
        axes = [1, *range(2 + rank, 2 + 2 * rank)]
        parts.append(np.tensordot(part, filters, (axes, range(1, 2 + rank))))
    joined = np.moveaxis(np.concatenate(parts, axis=-1), -1, 1)
    return joined + bias.reshape(1, -1, *[1] * rank)


def transposed_convolution(x, w, bias, strides, pads) -> np.ndarray:
    rank = x.ndim - 2
    kernel = w.shape[2:]
    full = [(size - 1) * s + k for size, s, k in zip(x.shape[2:], strides, kernel)]
    out = np.zeros((x.shape[0], w.shape[1], *full))
    for offset in itertools.product(*map(range, kernel)):
        term = np.moveaxis(np.tensordot(x, w[(slice(None), slice(None), *offset)], (1, 0)), -1, 1)
        place = tuple(slice(o, o + size * s, s) for o, size, s in zip(offset, x.shape[2:], strides))
        out[(slice(None), slice(None), *place)] += term
    inside = tuple(slice(low, size - high) for low, high, size in zip(pads[:rank], pads[rank:], full))
    return out[(slice(None), slice(None), *inside)] + bias.reshape(1, -1, *[1] * rank)


# rank, channels in, out, groups, kernel, strides, dilations, pads
_CONVOLUTIONS = {
    "1d": (1, 5, 7, 1, [3], [1], [1], [1, 1]),
    "1d-causal": (1, 6, 6, 6, [4], [1], [1], [3, 0]),
    "3x3": (2, 16, 32, 1, [3, 3], [1, 1], [1, 1], [1, 1, 1, 1]),
    "7x7-stride2": (2, 3, 20, 1, [7, 7], [2, 2], [1, 1], [3, 3, 3, 3]),
    "1x1": (2, 33, 65, 1, [1, 1], [1, 1], [1, 1], [0, 0, 0, 0]),
    "1x1-stride2": (2, 8, 16, 1, [1, 1], [2, 2], [1, 1], [0, 0, 0, 0]),
    "5x3-asymmetric": (2, 4, 6, 1, [5, 3], [2, 1], [1, 2], [2, 0, 1, 3]),
    "depthwise": (2, 19, 19, 19, [3, 3], [1, 1], [1, 1], [1, 1, 1, 1]),
    "depthwise5-stride2": (2, 32, 32, 32, [5, 5], [2, 2], [1, 1], [2, 2, 2, 2]),
    "grouped": (2, 12, 8, 4, [3, 3], [1, 1], [1, 1], [1, 1, 1, 1]),
    "3d": (3, 3, 4, 1, [3, 2, 3], [1, 1, 2], [1, 1, 1], [1, 0, 1, 1, 1, 1]),
}


def _images(random: np.random.Generator, rank: int, channels: int, shape: str, dtype: str) -> np.ndarray:
    sizes = {"odd": 9, "one": 7, "zero": 8, "prime": 13, "large": 37 if rank < 3 else 15}[shape]
    batch = {"odd": 3, "one": 1, "zero": 0, "prime": 2, "large": 1}[shape]
    dims = [sizes + int(random.integers(0, 3)) for _ in range(rank)]
    return values(random, (batch, channels, *dims), dtype, -2, 2)


def _conv(random: np.random.Generator, name: str, dtype: str) -> Recipe:
    rank, inner, outer, groups, kernel, strides, dilations, pads = _CONVOLUTIONS[name]
    weight = values(random, (outer, inner // groups, *kernel), dtype, -1, 1)
    bias = values(random, (outer,), dtype)

    def reference(x: np.ndarray) -> np.ndarray:
        filters, shift = weight.astype(np.float64), bias.astype(np.float64)
        return convolution(x, filters, shift, strides, dilations, pads, groups)

    attributes = {"strides": strides, "dilations": dilations, "pads": pads, "group": groups, "kernel_shape": kernel}
    return Recipe(
        f"Conv-{name}-{dtype}",
        [node("Conv", "x w b", **attributes)],
        lambda shape: {"x": _images(random, rank, inner, shape, dtype)},
        reference,
        {"y": dtype},
        {"x": ["n", inner, *"hwd"[:rank]]},
        {"w": weight, "b": bias},
        units=16,
    )


def _conv_transpose(random: np.random.Generator, dtype: str) -> Recipe:
    stride = int(random.integers(1, 4))
    weight, bias = values(random, (6, 5, 4, 3), dtype, -1, 1), values(random, (5,), dtype)
    pads = [1, 0, 1, 1]

    def reference(x: np.ndarray) -> np.ndarray:
        return transposed_convolution(x, weight.astype(np.float64), bias.astype(np.float64), [stride] * 2, pads)

    return Recipe(
        f"ConvTranspose-stride{stride}-{dtype}",
        [node("ConvTranspose", "x w b", strides=[stride] * 2, pads=pads, kernel_shape=[4, 3])],
        lambda shape: {"x": _images(random, 2, 6, shape, dtype)},
        reference,
        {"y": dtype},
        {"x": ["n", 6, "h", "w"]},
        {"w": weight, "b": bias},
        units=16,
    )


def _pool(random: np.random.Generator, kind: str, dtype: str) -> Recipe:
    kernel, strides, pads = [3, 2], [2, 1], [1, 0, 1, 1]
    fill = -np.inf if kind == "MaxPool" else np.nan

    def reference(x: np.ndarray) -> np.ndarray:
        padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (1, 1), (0, 1)], constant_values=fill)
        windows = _windows(padded, kernel, strides, [1, 1])
        return windows.max(axis=(4, 5)) if kind == "MaxPool" else np.nanmean(windows, axis=(4, 5))

    return Recipe(
        f"{kind}-{dtype}",
        [node(kind, "x", kernel_shape=kernel, strides=strides, pads=pads)],
        lambda shape: {"x": _images(random, 2, 5, shape, dtype)},
        reference,
        {"y": dtype},
        {"x": ["n", 5, "h", "w"]},
        units=0 if kind == "MaxPool" else 8,
    )


def _global_pool(random: np.random.Generator, dtype: str) -> Recipe:
    return Recipe(
        f"GlobalAveragePool-{dtype}",
        [node("GlobalAveragePool", "x")],
        lambda shape: {"x": _images(random, 2, 21, shape, dtype)},
        lambda x: x.mean(axis=(2, 3), keepdims=True),
        {"y": dtype},
        {"x": ["n", 21, "h", "w"]},
        units=32,
    )


def recipes(random: np.random.Generator) -> Iterator[Recipe]:
    for dtype in ("f64", "f32", "f16", "bf16", "i32", "i64"):
        yield _matmul(random, dtype, (), ())
    for dtype in ("f64", "f32", "f16"):
        yield _matmul(random, dtype, ("p", "q"), ("p", "q"))
    yield _matmul(random, "f32", ("p",), ())
    yield _matmul(random, "f32", ("p", 1), (3,))
    yield _empty_reduction("f32")
    for dtype in ("f64", "f32", "f16", "bf16"):
        yield _gemm(random, dtype)
    for name in _CONVOLUTIONS:
        yield _conv(random, name, "f32")
    for name in ("1d", "3x3", "depthwise", "grouped"):
        for dtype in ("f64", "f16", "bf16"):
            yield _conv(random, name, dtype)
    for dtype in ("f64", "f32", "f16"):
        yield _conv_transpose(random, dtype)
        yield _global_pool(random, dtype)
        for kind in ("MaxPool", "AveragePool"):
            yield _pool(random, kind, dtype)
    yield _pool(random, "MaxPool", "i8")
