"""Operators that only move elements: they have to be exact for every element type."""

from __future__ import annotations

from typing import Iterator

import numpy as np

from .core import DTYPES, Arrays, Recipe, node, random_shape, symbols, values


def _recipe(random, name, dtype, nodes, reference, rank=3, constants=None, dynamic=True, kinds=None) -> Recipe:
    def feeds(shape: str) -> Arrays:
        return {"x": values(random, random_shape(random, rank, shape), dtype, -50, 50)}

    extra = {} if kinds is None else {"kinds": kinds}
    return Recipe(
        f"{name}-{dtype}",
        nodes,
        feeds,
        reference,
        {"y": dtype},
        {"x": symbols(rank)} if dynamic else None,
        constants or {},
        units=0,
        by_element=True,
        **extra,
    )


def _integers(**arrays: list[int]) -> dict[str, np.ndarray]:
    return {name: np.array(array, np.int64) for name, array in arrays.items()}


def _gather(random: np.random.Generator, dtype: str) -> Recipe:
    def feeds(shape: str) -> Arrays:
        dims = [max(dim, 1) for dim in random_shape(random, 3, shape)]
        indices = random.integers(-dims[1], dims[1], random_shape(random, 2, "odd", 200))
        return {"x": values(random, dims, dtype, -50, 50), "i": indices.astype(np.int64)}

    return Recipe(
        f"Gather-{dtype}",
        [node("Gather", "x i", axis=1)],
        feeds,
        lambda x, i: np.take(x, i, axis=1),
        {"y": dtype},
        {"x": symbols(3), "i": symbols(2, "i")},
        kinds=("odd", "one", "prime", "large"),
        units=0,
        by_element=True,
    )


def _concat(random: np.random.Generator, dtype: str) -> Recipe:
    def feeds(shape: str) -> Arrays:
        a, b, c = random_shape(random, 3, shape)
        return {
            "x": values(random, (a, b, c), dtype, -50, 50),
            "z": values(random, (a, int(random.integers(0, 9)), c), dtype, -50, 50),
        }

    return Recipe(
        f"Concat-{dtype}",
        [node("Concat", "x z", axis=1)],
        feeds,
        lambda x, z: np.concatenate([x, z], axis=1),
        {"y": dtype},
        {"x": ["a", "b", "c"], "z": ["a", "e", "c"]},
        units=0,
        by_element=True,
    )


# Bounds on a dim whose size arrives at run time, and is often smaller: they are clamped.
_SLICES = {
    "head": slice(None, 7),
    "tail": slice(5, None),
    "last": slice(-1, None),
    "last-many": slice(-12, None),
    "but-last": slice(None, -2),
    "middle": slice(3, 11),
    "from-third-but-last": slice(3, -4),
    "from-end-to-end": slice(-9, -3),
    "from-end-forward": slice(-6, 4),
    "beyond": slice(2000, 3000),
    "before": slice(-3000, -2000),
    "around": slice(-3000, 2000),
    "crossed": slice(6, 2),
    "crossed-from-end": slice(-2, -6),
    "strided": slice(4, 19, 3),
    "strided-from-end": slice(-8, 1500, 2),
    "backward": slice(11, 2, -1),
    "backward-from-beyond": slice(2000, 4, -3),
    "backward-to-start": slice(-3, None, -2),
    "backward-before": slice(-2000, -3000, -1),
    "backward-crossed": slice(1, 8, -1),
}


def _cut(x: np.ndarray, start: int, end: int, step: int) -> np.ndarray:
    """By the clamping rules of the ONNX operator. Backward, a start before the dim is its first element, where NumPy takes
    none."""
    dim = x.shape[1]
    start, end = (bound + dim if bound < 0 else bound for bound in (start, end))
    if step > 0:
        places = range(min(max(start, 0), dim), min(max(end, 0), dim), step)
    else:
        places = range(min(max(start, 0), dim - 1), min(max(end, -1), dim - 1), step)
    return x[:, list(places)]


def _slice(random: np.random.Generator, name: str, cut: slice, at_run_time: bool) -> Recipe:
    """Along the middle of three dims; the bounds are constants or inputs."""
    backward = cut.step is not None and cut.step < 0
    start = cut.start if cut.start is not None else 0
    end = cut.stop if cut.stop is not None else (-(2**63) if backward else 2**63 - 1)
    parameters = _integers(starts=[start], ends=[end], axes=[1], steps=[cut.step or 1])

    def feeds(shape: str) -> Arrays:
        x = values(random, random_shape(random, 3, shape), "f32", -50, 50)
        bounds = {key: parameters[key] for key in ("starts", "ends", "steps")} if at_run_time else {}
        return {"x": x, **bounds}

    dims = {"x": symbols(3)} | ({key: [1] for key in ("starts", "ends", "steps")} if at_run_time else {})
    return Recipe(
        f"Slice-{name}{'-inputs' if at_run_time else ''}-f32",
        [node("Slice", "x starts ends axes steps")],
        feeds,
        lambda x, **_: _cut(x, start, end, cut.step or 1),
        {"y": "f32"},
        dims,
        {"axes": parameters["axes"]} if at_run_time else parameters,
        units=0,
        by_element=True,
    )


def _slice_meets_static(random: np.random.Generator) -> Recipe:
    """A slice that ends at a size that another operand has: the sum takes that size, and the slice has to have it."""

    def feeds(shape: str) -> Arrays:
        a, b, c = random_shape(random, 3, shape)
        return {"x": values(random, (a, b + 6, c), "f32"), "z": values(random, (6, 1), "f32")}

    return Recipe(
        "Slice-meets-static-f32",
        [node("Slice", "x starts ends axes", "s"), node("Add", "s z")],
        feeds,
        lambda x, z: x[:, :6] + z,
        {"y": "f32"},
        {"x": symbols(3), "z": [6, 1]},
        _integers(starts=[0], ends=[6], axes=[1]),
        by_element=True,
    )


def recipes(random: np.random.Generator) -> Iterator[Recipe]:
    for name, cut in _SLICES.items():
        for at_run_time in (False, True):
            yield _slice(random, name, cut, at_run_time)
    yield _slice_meets_static(random)
    for dtype in DTYPES:
        order = [int(axis) for axis in random.permutation(4)]
        transpose = [node("Transpose", "x", perm=order)]
        yield _recipe(random, "Transpose", dtype, transpose, lambda x, order=order: x.transpose(order), rank=4)
        yield _gather(random, dtype)
        yield _concat(random, dtype)
    for dtype in ("f64", "f32", "f16", "i8", "bool"):
        slices = _integers(starts=[1, -1], ends=[100000, -100000], axes=[0, 2], steps=[2, -1])
        slice_node = [node("Slice", "x starts ends axes steps")]
        yield _recipe(random, "Slice", dtype, slice_node, lambda x: x[1::2, :, ::-1], constants=slices)
        reshape = [node("Reshape", "x shape")]
        flat = _integers(shape=[-1])
        yield _recipe(random, "Reshape", dtype, reshape, lambda x: x.reshape(-1), constants=flat)
    for dtype in ("f32", "i64"):
        pads = {**_integers(pads=[1, 0, 2, 0, 3, 1]), "value": np.array(7, DTYPES[dtype])}
        yield _recipe(
            random,
            "Pad",
            dtype,
            [node("Pad", "x pads value")],
            lambda x: np.pad(x, ((1, 0), (0, 3), (2, 1)), constant_values=7),
            constants=pads,
        )
        tile = [node("Tile", "x repeats")]
        yield _recipe(random, "Tile", dtype, tile, lambda x: np.tile(x, (2, 1, 3)), constants=_integers(repeats=[2, 1, 3]))
        expand = [node("Unsqueeze", "x axes", "u"), node("Expand", "u shape")]
        numbers = _integers(axes=[1], shape=[1, 5, 1, 1])
        yield _recipe(
            random,
            "Expand",
            dtype,
            expand,
            lambda x: np.broadcast_to(x[:, None], (x.shape[0], 5, *x.shape[1:])),
            constants=numbers,
        )
