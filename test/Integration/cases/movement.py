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


def recipes(random: np.random.Generator) -> Iterator[Recipe]:
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
