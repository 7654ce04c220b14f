"""Reductions over no pairs at all, and scores of no features: a size of 0 that is static and one that arrives at run time
give the same, and mercer-run's poison shows what is not written."""

from __future__ import annotations

from typing import Iterator

import numpy as np

from .core import Group, Variant, values
from .mlir import function, tensor

ROWS, VALUES = 5, 3

# reduction: values, what each output is over nothing, whether it keeps the values' columns
_REDUCTIONS = {
    "softmax": (1, [(np.nan, True)]),
    "softmax_lse": (1, [(np.nan, True), (-np.inf, False)]),
    "softmax_zero": (1, [(0.0, True)]),
    "sum": (1, [(0.0, True)]),
    "logsumexp": (0, [(-np.inf, False)]),
    "max": (0, [(-np.inf, False)]),
    "min": (0, [(np.inf, False)]),
}


def _pairwise(kind: str, keys: int | str, features: int | str, widths: int, region: str = "") -> str:
    """A function @main of `x`, `y` and, where the reduction has them, `v`."""
    count, outputs = _REDUCTIONS.get(kind, (0, [(0.0, False)]))
    x, y, v = tensor("?", features), tensor(keys, features), tensor(keys, widths)
    symbol = {"?": "m"}.get(str(keys), "")
    feature = {"?": "f"}.get(str(features), "")
    inputs = {"x": (x, ["n", feature]), "y": (y, [symbol, feature])}
    if count:
        inputs["v"] = (v, [symbol, ""])
    wide, narrow = tensor("?", widths), tensor("?")
    types = [wide if keeps else narrow for _, keeps in outputs]
    results = {f"out{k}": (type_, ["n", ""][: 2 if keeps else 1]) for k, (type_, (_, keeps)) in enumerate(zip(types, outputs))}
    loops = "(i, j, f, d)" if count else "(i, j, f)"
    maps = ["(i, f)", "(j, f)"] + ["(j, d)"] * count + ["(i, d)" if keeps else "(i)" for _, keeps in outputs]
    inits = "".join(f"\n    %init{k} = tensor.empty(%n) : {type_}" for k, type_ in enumerate(types))
    body = f"""
    %c0 = arith.constant 0 : index
    %n = tensor.dim %x, %c0 : {x}{inits}
    %r:{len(types)} = mercer.pairwise [row, col, feature{", value" if count else ""}]
      inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<{kind.split("_lse")[0]}, {count}, {len(types)}>]
      maps [{", ".join(f"affine_map<{loops} -> {m}>" for m in maps)}]
      ins(%x, %y : {x}, {y}) {f"values(%v : {v})" if count else ""}
      outs({", ".join(f"%init{k}" for k in range(len(types)))} : {", ".join(types)}) {region} -> {", ".join(types)}"""
    text = function(inputs, results, body)
    for k in range(len(types)):
        text = text.replace(f"%out{k}", f"%r#{k}")
    return text


def _no_keys(random: np.random.Generator, kind: str, keys: int | str) -> Group:
    count, outputs = _REDUCTIONS[kind]
    arrays = {"x": values(random, (ROWS, 4), "f32"), "y": np.zeros((0, 4), np.float32)}
    if count:
        arrays["v"] = np.zeros((0, VALUES), np.float32)
    expected = {
        f"out{k}": np.full((ROWS, VALUES) if keeps else (ROWS,), value) for k, (value, keeps) in enumerate(outputs)
    }
    label = "dynamic" if keys == "?" else "static"
    return Group(f"mlir-no-keys-{kind}-{label}", _pairwise(kind, keys, 4, VALUES), [Variant(arrays, expected)])


def _custom(random: np.random.Generator, keys: int | str) -> Group:
    """The product of all scores + 1, halved: 1/2 over nothing."""
    region = """custom {
      %one = arith.constant 1.0 : f32
      mercer.yield %one : f32
    }, {
    ^bb0(%s: f32, %score: f32):
      %one = arith.constant 1.0 : f32
      %t = arith.addf %score, %one : f32
      %r = arith.mulf %s, %t : f32
      mercer.yield %r : f32
    }, {
    ^bb0(%a: f32, %b: f32):
      %r = arith.mulf %a, %b : f32
      mercer.yield %r : f32
    }, {
    ^bb0(%s: f32):
      %half = arith.constant 0.5 : f32
      %r = arith.mulf %s, %half : f32
      mercer.yield %r : f32
    }"""
    arrays = {"x": values(random, (ROWS, 4), "f32"), "y": np.zeros((0, 4), np.float32)}
    label = "dynamic" if keys == "?" else "static"
    return Group(
        f"mlir-no-keys-custom-{label}", _pairwise("custom", keys, 4, 0, region), [Variant(arrays, {"out0": np.full(ROWS, 0.5)})]
    )


def _no_features(random: np.random.Generator, features: int | str) -> Group:
    """All scores are 0, all weights equal: the mean of the values."""
    arrays = {
        "x": np.zeros((ROWS, 0), np.float32),
        "y": np.zeros((7, 0), np.float32),
        "v": values(random, (7, VALUES), "f32"),
    }
    mean = np.broadcast_to(arrays["v"].astype(np.float64).mean(0), (ROWS, VALUES))
    expected = {"out0": mean, "out1": np.full(ROWS, np.log(7.0))}
    label = "dynamic" if features == "?" else "static"
    return Group(
        f"mlir-no-features-{label}", _pairwise("softmax_lse", 7, features, VALUES), [Variant(arrays, expected)], units=16
    )


def _no_values(random: np.random.Generator) -> Group:
    """Values without columns: one output is empty, the other one is not."""
    arrays = {
        "x": values(random, (ROWS, 4), "f32"),
        "y": values(random, (7, 4), "f32"),
        "v": np.zeros((7, 0), np.float32),
    }
    scores = arrays["x"].astype(np.float64) @ arrays["y"].astype(np.float64).T
    expected = {"out0": np.zeros((ROWS, 0)), "out1": np.log(np.exp(scores).sum(1))}
    return Group("mlir-no-values-static", _pairwise("softmax_lse", 7, 4, 0), [Variant(arrays, expected)], units=16)


def groups(random: np.random.Generator) -> Iterator[Group]:
    for keys in (0, "?"):
        for kind in _REDUCTIONS:
            yield _no_keys(random, kind, keys)
        yield _custom(random, keys)
    for features in (0, "?"):
        yield _no_features(random, features)
    yield _no_values(random)
