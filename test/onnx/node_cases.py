"""The node test cases that the `onnx` package ships with data: finding them, reading their tensors, judging outputs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper


class NotAnArray(Exception):
    """A sequence, an optional or a string tensor, which no .npy file holds."""


@dataclass(frozen=True)
class Case:
    name: str
    folder: Path
    rtol: float = 1e-3
    atol: float = 1e-7

    @property
    def model(self) -> Path:
        return self.folder / "model.onnx"

    def tensors(self, kind: str) -> dict[str, np.ndarray]:
        """The given `input`s or the expected `output`s by their names in the graph."""
        graph = onnx.load(self.model, load_external_data=False).graph
        infos = graph.input if kind == "input" else graph.output
        result = {}
        for number, info in enumerate(infos):
            path = self.folder / "test_data_set_0" / f"{kind}_{number}.pb"
            if not path.exists():
                continue
            if not info.type.HasField("tensor_type"):
                raise NotAnArray(info.name)
            array = numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))
            if array.dtype == object or array.dtype.kind in "US":
                raise NotAnArray(info.name)
            result[info.name] = array
        return result


def all_cases() -> list[Case]:
    root = Path(onnx.__file__).parent / "backend" / "test" / "data" / "node"
    result = []
    for folder in sorted(root.iterdir()):
        if not (folder / "model.onnx").exists():
            continue
        limits = folder / "data.json"
        values = json.loads(limits.read_text()) if limits.exists() else {}
        result.append(Case(folder.name, folder, values.get("rtol", 1e-3), values.get("atol", 1e-7)))
    return result


def difference(actual: np.ndarray, expected: np.ndarray, case: Case) -> str:
    """Empty when `actual` is right by the rule of onnx' own runner; else a reason: what differs."""
    if actual.shape != expected.shape:
        return "wrong-shape"
    if actual.dtype != expected.dtype:
        return "wrong-type"
    if actual.dtype.kind not in "fiubc":  # ml_dtypes: NumPy compares them as f32, which holds all their values
        actual, expected = actual.astype(np.float32), expected.astype(np.float32)
    # A difference of infinities or of large integers may overflow in the comparison; its result is right.
    with np.errstate(all="ignore"):
        try:
            np.testing.assert_allclose(actual, expected, rtol=case.rtol, atol=case.atol)
        except AssertionError:
            return "wrong-values"
    return ""
