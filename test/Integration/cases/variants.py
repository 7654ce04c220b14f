"""mercer.pairwise beyond the named operations: several inner products with a log-sum-exp, nearest neighbours, a pair
function and a monoid of one's own, and attention in two parts of its keys that are joined."""

from __future__ import annotations

from typing import Iterator

import numpy as np

from .core import Group, Variant, values
from .mlir import function, tensor

# rows of the left side and of the right one
_ROWS = [(1, 1), (3, 70), (67, 131), (130, 20), (0, 9)]


def _maps(loops: str, *results: str) -> str:
    return ", ".join(f"affine_map<({loops}) -> ({result})>" for result in results)


def _latent_attention(random: np.random.Generator, dtype: str) -> Group:
    """softmax over keys of 0.3 (<q, k> + <r, s>), s shared by all heads, keys up to 10 behind the query."""
    q, r, s = tensor(3, "?", 20, element=dtype), tensor(3, "?", 6, element=dtype), tensor("?", 6, element=dtype)
    v, lse = tensor(3, "?", 9, element=dtype), tensor(3, "?", element=dtype)
    maps = _maps("b, i, j, f, g, d", "b, i, f", "b, j, f", "b, i, g", "j, g", "b, j, d", "b, i, d", "b, i")
    body = f"""
    %c1 = arith.constant 1 : index
    %n = tensor.dim %q, %c1 : {q}
    %yi = tensor.empty(%n) : {v}
    %li = tensor.empty(%n) : {lse}
    %y, %l = mercer.pairwise [batch, row, col, feature, feature, value]
        inner [#mercer.inner<dot, 2, {dtype}>, #mercer.inner<dot, 2, {dtype}>]
        reduce [#mercer.reduction<softmax, 1, 2>] maps [{maps}]
        ins(%q, %k, %r, %s : {q}, {q}, {r}, {s}) values(%v : {v}) outs(%yi, %li : {v}, {lse}) score {{
        ^bb0(%a: {dtype}, %b: {dtype}):
          %c = arith.constant 3.0e-01 : {dtype}
          %t = arith.addf %a, %b : {dtype}
          %u = arith.mulf %t, %c : {dtype}
          mercer.yield %u : {dtype}
        }} mask {{
          %i = mercer.index 1 : index
          %j = mercer.index 2 : index
          %ten = arith.constant 10 : index
          %e = arith.addi %j, %ten : index
          %keep = arith.cmpi sgt, %e, %i : index
          mercer.yield %keep : i1
        }} -> {v}, {lse}"""
    inputs = {
        "q": (q, ["", "n", ""]),
        "k": (q, ["", "m", ""]),
        "r": (r, ["", "n", ""]),
        "s": (s, ["m", ""]),
        "v": (v, ["", "m", ""]),
    }
    text = function(inputs, {"y": (v, ["", "n", ""]), "l": (lse, ["", "n"])}, body)
    variants = []
    for n, m in _ROWS:
        # Rows that see no key at all are a test of their own.
        n = min(n, m + 9)
        shapes = {"q": (3, n, 20), "k": (3, m, 20), "r": (3, n, 6), "s": (m, 6), "v": (3, m, 9)}
        arrays = {name: values(random, shape, dtype) for name, shape in shapes.items()}
        wide = {name: array.astype(np.float64) for name, array in arrays.items()}
        score = 0.3 * (wide["q"] @ wide["k"].transpose(0, 2, 1) + wide["r"] @ wide["s"].T)
        score = np.where(np.arange(m)[None] + 10 > np.arange(n)[:, None], score, -np.inf)
        top = score.max(-1, keepdims=True)
        weight = np.exp(score - top)
        total = weight.sum(-1, keepdims=True)
        variants.append(Variant(arrays, {"y": weight @ wide["v"] / total, "l": (top + np.log(total))[..., 0]}))
    return Group(f"mlir-pairwise-latent-{dtype}", text, variants, units=64)


def _nearest(random: np.random.Generator, dtype: str) -> Group:
    """Position and squared distance of the nearest y of each x, and the farthest distance."""
    x, vector = tensor("?", 4, element=dtype), tensor("?", element=dtype)
    maps = _maps("i, j, f", "i, f", "j, f", "i", "i", "i")
    body = f"""
    %c0 = arith.constant 0 : index
    %n = tensor.dim %x, %c0 : {x}
    %pi = tensor.empty(%n) : tensor<?xi64>
    %vi = tensor.empty(%n) : {vector}
    %p, %near, %far = mercer.pairwise [row, col, feature] inner [#mercer.inner<sqdist, 2, {dtype}>]
        reduce [#mercer.reduction<argmin, 0, 2>, #mercer.reduction<max, 0, 1>] maps [{maps}]
        ins(%x, %y : {x}, {x}) outs(%pi, %vi, %vi : tensor<?xi64>, {vector}, {vector})
        -> tensor<?xi64>, {vector}, {vector}
    %pf = linalg.generic {{indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
        iterator_types = ["parallel"]}} ins(%p : tensor<?xi64>) outs(%vi : {vector}) {{
      ^bb0(%a: i64, %b: {dtype}):
        %c = arith.sitofp %a : i64 to {dtype}
        linalg.yield %c : {dtype}
      }} -> {vector}"""
    inputs = {"x": (x, ["n", ""]), "y": (x, ["m", ""])}
    text = function(inputs, {"pf": (vector, ["n"]), "near": (vector, ["n"]), "far": (vector, ["n"])}, body)
    variants = []
    for n, m in _ROWS:
        arrays = {"x": values(random, (n, 4), dtype), "y": values(random, (m, 4), dtype)}
        distance = ((arrays["x"].astype(np.float64)[:, None] - arrays["y"][None]) ** 2).sum(-1)
        expected = {"pf": distance.argmin(1).astype(np.float64), "near": distance.min(1), "far": distance.max(1)}
        variants.append(Variant(arrays, expected))
    return Group(f"mlir-pairwise-nearest-{dtype}", text, variants, units=64)


def _custom(random: np.random.Generator, dtype: str) -> Group:
    """sum_i log(1 + max_f |x_if - y_jf|): results keep the columns, pair function and monoid are regions."""
    x, vector = tensor("?", 5, element=dtype), tensor("?", element=dtype)
    body = f"""
    %c0 = arith.constant 0 : index
    %m = tensor.dim %y, %c0 : {x}
    %init = tensor.empty(%m) : {vector}
    %out = mercer.pairwise [row, col, feature] inner [#mercer.inner<custom, 2, {dtype}, max>]
        reduce [#mercer.reduction<custom, 0, 1>] maps [{_maps("i, j, f", "i, f", "j, f", "j")}]
        ins(%x, %y : {x}, {x}) outs(%init : {vector}) custom {{
        ^bb0(%a: {dtype}, %b: {dtype}):
          %d = arith.subf %a, %b : {dtype}
          %e = math.absf %d : {dtype}
          mercer.yield %e : {dtype}
        }}, {{
          %zero = arith.constant 0.0 : {dtype}
          mercer.yield %zero : {dtype}
        }}, {{
        ^bb0(%acc: {dtype}, %s: {dtype}):
          %one = arith.constant 1.0 : {dtype}
          %t = arith.addf %s, %one : {dtype}
          %l = math.log %t : {dtype}
          %r = arith.addf %acc, %l : {dtype}
          mercer.yield %r : {dtype}
        }}, {{
        ^bb0(%a: {dtype}, %b: {dtype}):
          %r = arith.addf %a, %b : {dtype}
          mercer.yield %r : {dtype}
        }}, {{
        ^bb0(%acc: {dtype}):
          mercer.yield %acc : {dtype}
        }} -> {vector}"""
    inputs = {"x": (x, ["n", ""]), "y": (x, ["m", ""])}
    variants = []
    for n, m in _ROWS:
        arrays = {"x": values(random, (n, 5), dtype), "y": values(random, (m, 5), dtype)}
        largest = np.abs(arrays["x"].astype(np.float64)[:, None] - arrays["y"][None]).max(-1)
        variants.append(Variant(arrays, {"out": np.log1p(largest).sum(0)}))
    return Group(f"mlir-pairwise-custom-{dtype}", function(inputs, {"out": (vector, ["m"])}, body), variants, units=64)


def groups(random: np.random.Generator) -> Iterator[Group]:
    for dtype in ("f32", "f64"):
        yield _latent_attention(random, dtype)
        yield _nearest(random, dtype)
        yield _custom(random, dtype)
