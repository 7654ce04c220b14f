"""What an execution test is: a model, inputs for it, expected outputs computed in float64, and how close is right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Iterator, Mapping, Sequence

import ml_dtypes
import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET, IR_VERSION = 23, 11

DTYPES: dict[str, np.dtype] = {
    "f64": np.dtype(np.float64),
    "f32": np.dtype(np.float32),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "i8": np.dtype(np.int8),
    "i32": np.dtype(np.int32),
    "i64": np.dtype(np.int64),
    "bool": np.dtype(np.bool_),
}
FLOATS = ("f64", "f32", "f16", "bf16")
INTEGERS = ("i8", "i32", "i64")

# Spacing of the values around 1: the unit in which tolerances are given.
EPSILON = {"f64": 2.0**-52, "f32": 2.0**-23, "f16": 2.0**-10, "bf16": 2.0**-7}

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Variant:
    inputs: Arrays
    expected: Arrays


@dataclass
class Group:
    """One model with all of its inputs. `units`: allowed error in units of the output type's epsilon."""

    name: str
    model: bytes | str  # an ONNX model, or the text of a .mlir file
    variants: list[Variant]
    units: float = 2.0
    # By element: relative to each expected value (or to 1e-2 of the largest one where that is larger); otherwise
    # relative to the largest, as is right for sums.
    by_element: bool = False
    # The scale of the error is at least this: for functions that come near 0 by cancellation.
    floor: float = 0.0


def random_shape(random: np.random.Generator, rank: int, kind: str, limit: int = 60_000) -> tuple[int, ...]:
    """`odd`, `one` (a dim of 1), `zero` (a dim of 0), `prime`, `large` (a last dim above the size of a tile)."""
    small = {
        "odd": [3, 5, 7, 9, 15, 21, 33],
        "one": [1, 2, 6, 12, 24],
        "zero": [2, 3, 8],
        "prime": [2, 3, 5, 7, 11, 13, 17, 31],
        "large": [2, 3, 4],
    }[kind]
    while True:
        shape = [int(random.choice(small)) for _ in range(rank)]
        place = int(random.integers(rank)) if rank else 0
        if rank and kind == "one":
            shape[place] = 1
        if rank and kind == "zero":
            shape[place] = 0
        if rank and kind == "large":
            shape[-1] = int(random.choice([129, 257, 521, 1031]))
        if np.prod(shape, dtype=np.int64) <= limit:
            return tuple(shape)


KINDS = ("odd", "one", "zero", "prime", "large")


def values(random: np.random.Generator, shape: Sequence[int], dtype: str, low: float = -3, high: float = 3) -> np.ndarray:
    kind = DTYPES[dtype]
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(np.bool_)
    if dtype in INTEGERS:
        return random.integers(int(low), int(high) + 1, shape).astype(kind)
    return random.uniform(low, high, shape).astype(kind)


def exact(array: np.ndarray) -> np.ndarray:
    """The values as float64, or as int64 for integers and booleans: what references compute with."""
    if array.dtype.kind in "iub" and array.dtype in DTYPES.values():
        return array.astype(np.int64) if array.dtype != np.bool_ else array
    return array.astype(np.float64)


def rounded(array: np.ndarray, dtype: str) -> np.ndarray:
    """A reference as it is compared: integers wrapped to their type, floats left in float64."""
    return np.asarray(array).astype(DTYPES[dtype]) if dtype in (*INTEGERS, "bool") else np.asarray(array, np.float64)


def node(kind: str, inputs: str, outputs: str = "y", **attributes) -> onnx.NodeProto:
    """Names separated by spaces; `-` stands for an absent input."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(kind, names, outputs.split(), **attributes)


Dims = Sequence[int | str | None]


def onnx_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[str, Dims]],
    outputs: Mapping[str, tuple[str, Dims]],
    constants: Arrays | None = None,
) -> bytes:
    def infos(values: Mapping[str, tuple[str, Dims]]) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(DTYPES[dtype]), dims)
            for name, (dtype, dims) in values.items()
        ]

    tensors = [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "test", infos(inputs), infos(outputs), tensors)
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString()


def dtype_of(array: np.ndarray) -> str:
    return next(name for name, dtype in DTYPES.items() if dtype == array.dtype)


@dataclass
class Recipe:
    """An operator on one element type, from which a dynamic and static models are made."""

    name: str
    nodes: Sequence[onnx.NodeProto]
    feeds: Callable[[str], Arrays]  # kind of shape -> inputs
    reference: Callable[..., np.ndarray | Sequence[np.ndarray]]  # float64 inputs by name -> outputs in order
    outputs: Mapping[str, str]  # name -> dtype
    symbols: Mapping[str, Dims] | None = None  # dims of the inputs of the dynamic model; None: no dynamic model
    constants: Arrays = field(default_factory=dict)
    kinds: Sequence[str] = KINDS
    units: float = 2.0
    by_element: bool = False
    floor: float = 0.0

    def _variant(self, inputs: Arrays) -> Variant:
        with np.errstate(all="ignore"):
            results = self.reference(**{name: exact(array) for name, array in inputs.items()})
        results = results if isinstance(results, (tuple, list)) else [results]
        pairs = zip(self.outputs.items(), results)
        return Variant(inputs, {name: rounded(array, dtype) for (name, dtype), array in pairs})

    def _group(self, suffix: str, variants: list[Variant], dims: Mapping[str, Dims]) -> Group:
        first = variants[0]
        inputs = {name: (dtype_of(array), dims[name]) for name, array in first.inputs.items()}
        outputs = {name: (dtype, [None] * first.expected[name].ndim) for name, dtype in self.outputs.items()}
        model = onnx_model(self.nodes, inputs, outputs, self.constants)
        return Group(f"{self.name}-{suffix}", model, variants, self.units, self.by_element, self.floor)

    def groups(self, random: np.random.Generator) -> Iterator[Group]:
        """One model with dynamic dims run on every kind of shape, and one with the dims of a random kind fixed."""
        if self.symbols is not None:
            variants = [self._variant(self.feeds(kind)) for kind in self.kinds]
            yield self._group("dynamic", variants, self.symbols)
        variant = self._variant(self.feeds(str(random.choice(list(self.kinds)))))
        yield self._group("static", [variant], {name: array.shape for name, array in variant.inputs.items()})


def symbols(rank: int, prefix: str = "d") -> list[str]:
    return [f"{prefix}{axis}" for axis in range(rank)]
