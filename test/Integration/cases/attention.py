"""Attention: the ONNX operator, the written-out form, and mercer.attention from .mlir."""

from __future__ import annotations

from typing import Iterator

import numpy as np

from .core import DTYPES, Arrays, Group, Recipe, Variant, node, values
from .mlir import function, tensor
from .reduction import softmax


# Scores are sums over the head size, and exp turns their absolute error into a relative one. The largest seen over six
# seeds is 21 units; twice that still finds any error of a method, which is thousands of units.
UNITS = 40


def attention(q, k, v, scale=None, causal=False, mask=None, softcap=0.0) -> np.ndarray:
    """[batch, heads, sequence, head size] in float64; query heads may be a multiple of the key heads."""
    repeat = q.shape[1] // k.shape[1] if k.shape[1] else 1
    k, v = np.repeat(k, repeat, axis=1), np.repeat(v, repeat, axis=1)
    scores = q @ k.swapaxes(2, 3) * (q.shape[3] ** -0.5 if scale is None else scale)
    if softcap:
        scores = softcap * np.tanh(scores / softcap)
    if causal:
        i, j = np.ogrid[: q.shape[2], : k.shape[2]]
        scores = np.where(j <= i, scores, -np.inf)
    if mask is not None:
        scores = scores + mask
    return softmax(scores, -1) @ v


# query length, key length: one tile, above a tile, decode, primes
_LENGTHS = {"odd": (33, 21), "one": (1, 77), "zero": (0, 5), "prime": (61, 127), "large": (197, 521)}


def _feeds(random: np.random.Generator, dtype: str, shape: str, heads=4, key_heads=4, size=64, value_size=64, square=False) -> Arrays:
    queries, keys = _LENGTHS[shape]
    keys = queries if square else keys
    batch = 1 if shape == "large" else 2
    return {
        "q": values(random, (batch, heads, queries, size), dtype, -2, 2),
        "k": values(random, (batch, key_heads, keys, size), dtype, -2, 2),
        "v": values(random, (batch, key_heads, keys, value_size), dtype),
    }


def _operator(random: np.random.Generator, dtype: str, name: str, feeds: dict, attributes: dict, reference: dict) -> Recipe:
    sample = _feeds(random, dtype, "odd", **feeds)
    dims = {
        key: ["batch", array.shape[1], "queries" if key == "q" or feeds.get("square") else "keys", array.shape[3]]
        for key, array in sample.items()
    }
    return Recipe(
        f"Attention-{name}-{dtype}",
        [node("Attention", "q k v", **attributes)],
        lambda shape: _feeds(random, dtype, shape, **feeds),
        lambda q, k, v: attention(q, k, v, **reference),
        {"y": dtype},
        dims,
        units=UNITS,
    )


def _written_out(random: np.random.Generator, dtype: str) -> Recipe:
    """MatMul, Mul, Add of a mask, Softmax, MatMul: has to give the same, fused or not."""
    dims = {
        "q": ["b", 3, "i", 40],
        "k": ["b", 3, "j", 40],
        "v": ["b", 3, "j", 24],
        "mask": ["b", 1, 1, "j"],
    }

    def feeds(shape: str) -> Arrays:
        arrays = dict(_feeds(random, dtype, shape, 3, 3, 40, 24))
        batch, _, keys, _ = arrays["k"].shape
        arrays["mask"] = np.where(random.random((batch, 1, 1, keys)) < 0.3, -1e4, 0).astype(DTYPES[dtype])
        arrays["mask"][..., :1] = 0
        return arrays

    nodes = [
        node("Transpose", "k", "kt", perm=[0, 1, 3, 2]),
        node("MatMul", "q kt", "s"),
        node("Mul", "s scale", "ss"),
        node("Add", "ss mask", "sm"),
        node("Softmax", "sm", "p", axis=-1),
        node("MatMul", "p v"),
    ]
    scale = {"scale": np.array(40**-0.5, DTYPES[dtype])}
    return Recipe(
        f"Attention-written-out-{dtype}", nodes, feeds, attention, {"y": dtype}, dims, scale, units=UNITS
    )


def recipes(random: np.random.Generator) -> Iterator[Recipe]:
    for dtype in ("f32", "f64", "f16", "bf16"):
        yield _operator(random, dtype, "plain", {}, {}, {})
        yield _written_out(random, dtype)
    yield _operator(random, "f32", "causal", {"square": True}, {"is_causal": 1}, {"causal": True})
    yield _operator(random, "f32", "gqa", {"heads": 6, "key_heads": 2}, {}, {})
    yield _operator(random, "f32", "scaled", {"size": 128, "value_size": 96}, {"scale": 0.1}, {"scale": 0.1})
    yield _operator(random, "f32", "softcap", {"size": 32}, {"softcap": 3.0}, {"softcap": 3.0})
    yield _operator(random, "f32", "wide", {"heads": 1, "key_heads": 1, "size": 512, "value_size": 512}, {}, {})
    yield _operator(random, "f32", "narrow", {"size": 5, "value_size": 3}, {}, {})


def _mlir(random: np.random.Generator, name: str, attributes: str, reference: dict, square: bool, heads: int, key_heads: int) -> Group:
    q = k = v = tensor("?", heads, "?", 64)
    k = v = tensor("?", key_heads, "?", 64)
    text = function(
        {"q": (q, ["b", "", "n", ""]), "k": (k, ["b", "", "m", ""]), "v": (v, ["b", "", "m", ""])},
        {"y": (q, ["b", "", "n", ""])},
        f"""
    %c0 = arith.constant 0 : index
    %c2 = arith.constant 2 : index
    %b = tensor.dim %q, %c0 : {q}
    %n = tensor.dim %q, %c2 : {q}
    %init = tensor.empty(%b, %n) : {q}
    %y = mercer.attention query(%q : {q}) key(%k : {k}) value(%v : {v}) outs(%init : {q}) {attributes} -> {q}""",
    )
    variants = []
    for shape in _LENGTHS:
        arrays = _feeds(random, "f32", shape, heads, key_heads, square=square)
        exact = {key: array.astype(np.float64) for key, array in arrays.items()}
        variants.append(Variant(arrays, {"y": attention(**exact, **reference)}))
    return Group(f"mlir-attention-{name}", text, variants, units=UNITS)


def groups(random: np.random.Generator) -> Iterator[Group]:
    yield _mlir(random, "full", "", {}, False, 3, 3)
    yield _mlir(random, "causal", "{causal}", {"causal": True}, True, 2, 2)
    yield _mlir(random, "gqa", "{scale = 2.500000e-01 : f64}", {"scale": 0.25}, False, 4, 2)
