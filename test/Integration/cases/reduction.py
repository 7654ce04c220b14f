"""Reductions, Softmax, normalisation, CumSum and ArgMax."""

from __future__ import annotations

from typing import Callable, Iterator

import numpy as np

from .core import DTYPES, FLOATS, KINDS, Arrays, Recipe, node, random_shape, symbols, values

# operator: reference over axes, element types, whether an empty range has a value
_REDUCTIONS: dict[str, tuple[Callable[..., np.ndarray], tuple[str, ...], bool]] = {
    "ReduceSum": (np.sum, (*FLOATS, "i32", "i64"), True),
    "ReduceMean": (np.mean, FLOATS, False),
    "ReduceMax": (np.max, (*FLOATS, "i8", "i32", "i64"), False),
    "ReduceMin": (np.min, (*FLOATS, "i8", "i32", "i64"), False),
    "ReduceProd": (np.prod, ("f64", "f32", "i32", "i64"), True),
    "ReduceL2": (lambda x, axis, keepdims: np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims)), FLOATS, True),
    "ReduceSumSquare": (lambda x, axis, keepdims: np.sum(x * x, axis=axis, keepdims=keepdims), ("f64", "f32", "i32"), True),
    "ReduceLogSumExp": (
        lambda x, axis, keepdims: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)), ("f64", "f32", "f16"), False
    ),
}


def _reduction(random: np.random.Generator, kind: str, dtype: str, reference, empty: bool) -> Recipe:
    rank = int(random.integers(1, 5))
    count = int(random.integers(1, rank + 1))
    axes = tuple(sorted(int(axis) for axis in random.permutation(rank)[:count]))
    keep = bool(random.integers(2))
    # Sums of values of both signs come near 0 with errors as large as the terms; hence the uneven range.
    low, high = (0.6, 1.6) if kind == "ReduceProd" else (-1, 3)

    def feeds(shape: str) -> Arrays:
        dims = list(random_shape(random, rank, shape, 20_000))
        if kind == "ReduceProd":  # products of many factors leave the range of the type
            dims = [min(dim, 9 if rank < 3 else 5) for dim in dims]
        if not empty:
            for axis in axes:
                dims[axis] = max(dims[axis], 1)
        return {"x": values(random, dims, dtype, low, high)}

    return Recipe(
        f"{kind}-{dtype}",
        [node(kind, "x axes", keepdims=int(keep))],
        feeds,
        lambda x: reference(x, axis=axes, keepdims=keep),
        {"y": dtype},
        {"x": symbols(rank)},
        {"axes": np.array(axes, np.int64)},
        units=32,
    )


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    if x.size == 0:
        return x
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _softmax(random: np.random.Generator, dtype: str, axis: int) -> Recipe:
    def feeds(shape: str) -> Arrays:
        return {"x": values(random, random_shape(random, 3, shape), dtype, -8, 8)}

    return Recipe(
        f"Softmax-axis{axis}-{dtype}",
        [node("Softmax", "x", axis=axis)],
        feeds,
        lambda x: softmax(x, axis),
        {"y": dtype},
        {"x": symbols(3)},
        units=16,
    )


def _layer_norm(random: np.random.Generator, dtype: str) -> Recipe:
    width = int(random.choice([1, 7, 64, 129, 300]))
    scale, shift = values(random, (width,), dtype), values(random, (width,), dtype)

    def feeds(shape: str) -> Arrays:
        return {"x": values(random, (*random_shape(random, 2, shape, 3000), width), dtype) + DTYPES[dtype].type(2)}

    def reference(x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred**2).mean(axis=-1, keepdims=True)
        epsilon = float(np.float32(1e-5))  # as the attribute holds it
        return centred / np.sqrt(variance + epsilon) * scale.astype(np.float64) + shift.astype(np.float64)

    return Recipe(
        f"LayerNormalization-{width}-{dtype}",
        [node("LayerNormalization", "x scale shift", axis=-1, epsilon=1e-5)],
        feeds,
        reference,
        {"y": dtype},
        {"x": ["a", "b", width]},
        {"scale": scale, "shift": shift},
        units=32,
    )


def _running_sum(x: np.ndarray, axis: int, exclusive: bool, reverse: bool) -> np.ndarray:
    """In float64, or in int64 whose low bits are those of a narrower sum that wraps."""
    x = np.flip(x, axis) if reverse else x
    # A sum of 10^5 terms in float64 would be as inexact as what it is compared with.
    total = np.cumsum(x, axis=axis, dtype=np.int64 if x.dtype.kind in "iu" else np.longdouble)
    total = (total - x if exclusive else total).astype(np.int64 if x.dtype.kind in "iu" else np.float64)
    return np.flip(total, axis) if reverse else total


def _cumsum(
    random: np.random.Generator, dtype: str, rank: int, axis: int, exclusive=False, reverse=False, given=False, label=""
) -> Recipe:
    """`given`: the axis is an input."""

    def feeds(shape: str) -> Arrays:
        dims = (4, 100_000) if label else random_shape(random, rank, shape)
        x = values(random, dims, dtype, -1, 3)
        return {"x": x, "axis": np.array(axis, np.int64)} if given else {"x": x}

    form = "".join(name for name, on in (("-exclusive", exclusive), ("-reverse", reverse), ("-given", given)) if on)
    return Recipe(
        f"CumSum{label}-rank{rank}-axis{axis}{form}-{dtype}",
        [node("CumSum", "x axis", exclusive=int(exclusive), reverse=int(reverse))],
        feeds,
        lambda x, **_: _running_sum(x, axis, exclusive, reverse),
        {"y": dtype},
        {"x": symbols(rank)} | ({"axis": []} if given else {}),
        {} if given else {"axis": np.array(axis, np.int64)},
        kinds=("large",) if label else KINDS,
        # n roundings of half a unit, which go both ways: the square root of n.
        units=160 if label else 32,
    )


def _cumsums(random: np.random.Generator) -> Iterator[Recipe]:
    for dtype in ("f64", "f32", "f16", "bf16", "i8", "i32", "i64"):
        for exclusive in (False, True):
            for reverse in (False, True):
                yield _cumsum(random, dtype, 2, 1, exclusive, reverse)
    for rank in (1, 3):
        for axis in range(rank):
            yield _cumsum(random, "f32", rank, axis)
            yield _cumsum(random, "f32", rank, axis - rank, exclusive=True, reverse=True)
    yield _cumsum(random, "f32", 3, 1, given=True)
    # One pass: 4 x 10^5 elements take milliseconds, where all pairs of a line would be 2 x 10^10 additions.
    for axis, reverse in ((1, False), (1, True)):
        yield _cumsum(random, "f64", 2, axis, reverse=reverse, label="-long")
        yield _cumsum(random, "i32", 2, axis, reverse=reverse, exclusive=True, label="-long")


def _argmax(random: np.random.Generator, dtype: str) -> Recipe:
    def feeds(shape: str) -> Arrays:
        return {"x": values(random, random_shape(random, 2, shape), dtype)}

    return Recipe(
        f"ArgMax-{dtype}",
        [node("ArgMax", "x", axis=1, keepdims=0)],
        feeds,
        lambda x: np.argmax(x, axis=1),
        {"y": "i64"},
        {"x": symbols(2)},
        kinds=("odd", "one", "prime", "large"),
    )


def recipes(random: np.random.Generator) -> Iterator[Recipe]:
    for kind, (reference, dtypes, empty) in _REDUCTIONS.items():
        for dtype in dtypes:
            yield _reduction(random, kind, dtype, reference, empty)
    for dtype in FLOATS:
        yield _softmax(random, dtype, -1)
        yield _layer_norm(random, dtype)
    yield _softmax(random, "f32", 1)
    yield from _cumsums(random)
    for dtype in ("f32", "i32"):
        yield _argmax(random, dtype)
