"""Text of .mlir test models: one function with named inputs and outputs."""

from __future__ import annotations

from typing import Mapping, Sequence


def tensor(*dims: int | str, element: str = "f32") -> str:
    return "tensor<" + "".join(f"{dim}x" for dim in dims) + element + ">"


_NAMES = {"f32": "float32", "f64": "float64", "f16": "float16", "bf16": "bfloat16"}


def _attributes(name: str, type_: str, dims: Sequence[str]) -> str:
    element = type_.rstrip(">").split("x")[-1].split("<")[-1]
    texts = ", ".join(f'"{dim}"' for dim in dims)
    return f'{{mercer.name = "{name}", mercer.dtype = "{_NAMES[element]}", mercer.dims = [{texts}]}}'


def function(
    inputs: Mapping[str, tuple[str, Sequence[str]]], outputs: Mapping[str, tuple[str, Sequence[str]]], body: str
) -> str:
    """`inputs` and `outputs`: name -> (type, symbols of its dims, empty where static). The body defines %NAME for each
    output."""
    arguments = ",\n    ".join(f"%{name}: {type_} {_attributes(name, type_, dims)}" for name, (type_, dims) in inputs.items())
    results = ", ".join(f"{type_} {_attributes(name, type_, dims)}" for name, (type_, dims) in outputs.items())
    values = ", ".join(f"%{name}" for name in outputs)
    types = ", ".join(type_ for type_, _ in outputs.values())
    return f"func.func @main({arguments})\n    -> ({results}) {{{body}\n    return {values} : {types}\n}}\n"
