"""Unary and binary operators, comparisons, logic, Where and Cast."""

from __future__ import annotations

from typing import Callable, Iterator

import numpy as np

from .core import DTYPES, FLOATS, INTEGERS, Arrays, Recipe, node, random_shape, symbols, values


def erf(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf as exact_erf

    return exact_erf(x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


# operator: reference, range, allowed units
_FLOAT_UNARY: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float, float, float]] = {
    "Exp": (np.exp, -9, 9, 4),
    "Log": (np.log, 0.01, 50, 4),
    "Sqrt": (np.sqrt, 0, 90, 2),
    "Reciprocal": (lambda x: 1 / x, 0.1, 9, 2),
    "Tanh": (np.tanh, -6, 6, 6),
    "Sigmoid": (sigmoid, -9, 9, 6),
    "Erf": (erf, -4, 4, 6),
    "Sin": (np.sin, -20, 20, 8),
    "Cos": (np.cos, -20, 20, 8),
    "Floor": (np.floor, -9, 9, 0),
    "Ceil": (np.ceil, -9, 9, 0),
    "Round": (np.rint, -9, 9, 0),
    "Softplus": (lambda x: np.logaddexp(x, 0), -9, 9, 6),
    "HardSwish": (lambda x: x * np.clip(x / 6 + 0.5, 0, 1), -5, 5, 4),
    "Gelu": (lambda x: 0.5 * x * (1 + erf(x / 2**0.5)), -5, 5, 16),
    "Elu": (lambda x: np.where(x < 0, np.expm1(x), x), -5, 5, 8),
}
# Their results come near 0 by cancellation or far out, where the usual forms keep absolute, not relative precision.
_NEAR_ZERO = ("Sin", "Cos", "Sigmoid", "HardSwish", "Gelu", "Elu")
_ANY_UNARY: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Abs": np.abs,
    "Neg": np.negative,
    "Sign": np.sign,
    "Relu": lambda x: np.maximum(x, 0),
}


def _truncated_quotient(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return x / y if x.dtype.kind == "f" else (np.sign(x) * np.sign(y)) * (np.abs(x) // np.abs(y))


_BINARY: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _truncated_quotient,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mod": np.mod,
}
_COMPARE = {"Equal": np.equal, "Less": np.less, "GreaterOrEqual": np.greater_equal}
_LOGIC = {"And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor}


def _unary(random: np.random.Generator, kind: str, dtype: str, reference, low, high, units) -> Recipe:
    rank = int(random.integers(1, 5))

    def feeds(shape: str) -> Arrays:
        return {"x": values(random, random_shape(random, rank, shape), dtype, low, high)}

    nodes = [node(kind, "x")]
    return Recipe(
        f"{kind}-{dtype}",
        nodes,
        feeds,
        lambda x: reference(x),
        {"y": dtype},
        {"x": symbols(rank)},
        units=units,
        by_element=kind not in _NEAR_ZERO,
        floor=1.0 if kind in _NEAR_ZERO else 0.0,
    )


def _binary(random: np.random.Generator, kind: str, dtype: str, result: str, reference) -> Recipe:
    rank = int(random.integers(1, 5))
    low, high = (-5, 5) if dtype in INTEGERS else (-3, 3)

    def feeds(shape: str) -> Arrays:
        dims = random_shape(random, rank, shape)
        x, y = (values(random, dims, dtype, low, high) for _ in range(2))
        if kind in ("Div", "Mod"):
            y = np.where(np.abs(y.astype(np.float64)) < 0.25, DTYPES[dtype].type(2), y).astype(DTYPES[dtype])
        return {"x": x, "y_in": y}

    dims = symbols(rank)
    return Recipe(
        f"{kind}-{dtype}",
        [node(kind, "x y_in")],
        feeds,
        lambda x, y_in: reference(x, y_in),
        {"y": result},
        {"x": dims, "y_in": dims},
        by_element=True,
    )


def _broadcast(random: np.random.Generator, dtype: str) -> Recipe:
    """Static dims of 1 and a missing leading dim, on both sides."""

    def feeds(shape: str) -> Arrays:
        a, b, c = random_shape(random, 3, shape)
        return {"x": values(random, (a, 1, c), dtype), "y_in": values(random, (b, 1), dtype)}

    return Recipe(
        f"Add-broadcast-{dtype}", [node("Add", "x y_in")], feeds, lambda x, y_in: x + y_in, {"y": dtype}, by_element=True
    )


def _where(random: np.random.Generator, dtype: str) -> Recipe:
    def feeds(shape: str) -> Arrays:
        dims = random_shape(random, 2, shape)
        return {
            "c": values(random, dims, "bool"),
            "x": values(random, dims, dtype),
            "z": values(random, dims, dtype),
        }

    dims = symbols(2)
    return Recipe(
        f"Where-{dtype}",
        [node("Where", "c x z")],
        feeds,
        lambda c, x, z: np.where(c, x, z),
        {"y": dtype},
        {"c": dims, "x": dims, "z": dims},
        units=0,
        by_element=True,
    )


def _cast(random: np.random.Generator, source: str, target: str) -> Recipe:
    from onnx import helper

    def feeds(shape: str) -> Arrays:
        return {"x": values(random, random_shape(random, 2, shape), source, -90, 90)}

    def reference(x: np.ndarray) -> np.ndarray:
        if target == "bool":
            return x != 0
        return np.trunc(x) if target in INTEGERS and x.dtype.kind == "f" else x.astype(np.float64)

    kind = helper.np_dtype_to_tensor_dtype(DTYPES[target])
    nodes = [node("Cast", "x", to=kind)]
    return Recipe(
        f"Cast-{source}-{target}", nodes, feeds, reference, {"y": target}, {"x": symbols(2)}, units=0.5, by_element=True
    )


def recipes(random: np.random.Generator) -> Iterator[Recipe]:
    for kind, (reference, low, high, units) in _FLOAT_UNARY.items():
        for dtype in FLOATS:
            yield _unary(random, kind, dtype, reference, low, high, units)
    for kind, reference in _ANY_UNARY.items():
        for dtype in (*FLOATS, *INTEGERS):
            yield _unary(random, kind, dtype, reference, -9, 9, 0)
    yield _unary(random, "Not", "bool", np.logical_not, 0, 1, 0)
    for kind, reference in _BINARY.items():
        for dtype in INTEGERS if kind == "Mod" else (*FLOATS, *INTEGERS):
            yield _binary(random, kind, dtype, dtype, reference)
    for kind, reference in _COMPARE.items():
        for dtype in (*FLOATS, *INTEGERS):
            yield _binary(random, kind, dtype, "bool", reference)
    for kind, reference in _LOGIC.items():
        yield _binary(random, kind, "bool", "bool", reference)
    for dtype in DTYPES:
        yield _where(random, dtype)
    for dtype in ("f64", "f32", "f16", "i64"):
        yield _broadcast(random, dtype)
    for source in DTYPES:
        for target in DTYPES:
            if source != target:
                yield _cast(random, source, target)
