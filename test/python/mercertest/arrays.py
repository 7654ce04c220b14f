"""NumPy arrays of every ONNX element type: names, .npy files, and the distance between two of them."""

from __future__ import annotations

import ast
from pathlib import Path

import ml_dtypes
import numpy as np

# NumPy has no names for these; ml_dtypes has. The 4-bit ones hold one element a byte in an array and in a .npy file.
_EXTENSION_TYPES = {
    "bfloat16": ml_dtypes.bfloat16,
    "float8e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "float8e5m2": ml_dtypes.float8_e5m2,
    "float8e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "float8e8m0": ml_dtypes.float8_e8m0fnu,
    "float4e2m1": ml_dtypes.float4_e2m1fn,
    "int4": ml_dtypes.int4,
    "uint4": ml_dtypes.uint4,
    "int2": ml_dtypes.int2,
    "uint2": ml_dtypes.uint2,
}


def dtype_named(name: str) -> np.dtype:
    """The dtype of an artifact's type name (`float32`, `bfloat16`, `bool`, ...); spelling differences do not matter."""
    key = name.lower().replace("_", "")
    aliases = {"float8e8m0fnu": "float8e8m0", "float4e2m1fn": "float4e2m1"}
    key = aliases.get(key, key)
    return np.dtype(_EXTENSION_TYPES.get(key, key))


def is_extension(dtype: np.dtype) -> bool:
    return any(dtype == np.dtype(other) for other in _EXTENSION_TYPES.values())


def save_array(path: Path, array: np.ndarray) -> None:
    np.save(path, np.ascontiguousarray(array) if array.ndim else array)


def load_array(path: Path, dtype_name: str | None = None) -> np.ndarray:
    """Reads a .npy file. NumPy writes the small floats as raw bytes (V1, V2) or as `<f1`, which it cannot read back:
    the declared type decides what they mean."""
    try:
        array = np.load(path)
    except ValueError:
        array = _load_raw_bytes(path)
    if dtype_name is None or dtype_name == "string":
        return array
    wanted = dtype_named(dtype_name)
    if array.dtype != wanted and array.dtype.itemsize == wanted.itemsize and array.dtype.kind in "Vuif":
        if array.dtype.kind == "V" or is_extension(wanted):
            array = array.view(wanted)
    return array


def _load_raw_bytes(path: Path) -> np.ndarray:
    with open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        length = int.from_bytes(file.read(2 if version[0] == 1 else 4), "little")
        header = file.read(length).decode("latin1").replace("'<f1'", "'|u1'").replace("'|f1'", "'|u1'")
        fields = ast.literal_eval(header)
        data = np.frombuffer(file.read(), dtype=np.dtype(fields["descr"]))
    return data.reshape(fields["shape"], order="F" if fields["fortran_order"] else "C")


def to_double(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    return array.astype(np.float64)


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference relative to the largest expected magnitude: the measure that the project's limits use.

    Infinite when the shapes differ, or when one side is not finite where the other is or has another infinity.
    """
    if actual.shape != expected.shape:
        return float("inf")
    if expected.size == 0:
        return 0.0
    got, want = to_double(actual), to_double(expected)
    finite = np.isfinite(want)
    if not np.array_equal(finite, np.isfinite(got)):
        return float("inf")
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True):
        return float("inf")
    if not finite.any():
        return 0.0
    largest = float(np.abs(want[finite]).max())
    difference = float(np.abs(got[finite] - want[finite]).max())
    return difference / largest if largest > 0 else (0.0 if difference == 0 else float("inf"))
