"""Damaged, contradictory and dangerous models: each has to be refused with a code."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


@dataclass(frozen=True)
class Hostile:
    name: str
    # Writes the model (and what lies beside it) into a folder and returns its path.
    write: Callable[[Path], Path]
    # A damaged model may happen to be a valid one; what is wrong by construction may not compile.
    may_compile: bool = False
    # What the message has to say: the place.
    mentions: list[str] = field(default_factory=list)


def small_model() -> onnx.ModelProto:
    """A convolution, a product and weights in raw data: enough structure for every field to be hit."""
    random = np.random.default_rng(5)
    weights = [
        numpy_helper.from_array(random.standard_normal((4, 3, 3, 3)).astype(np.float32), "filters"),
        numpy_helper.from_array(random.standard_normal((4, 6)).astype(np.float32), "matrix"),
        numpy_helper.from_array(np.array([0, -1], np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "filters"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["g"], name="pool"),
        helper.make_node("Reshape", ["g", "shape"], ["f"], name="flatten"),
        helper.make_node("MatMul", ["f", "matrix"], ["y"], name="product"),
    ]
    return _model(nodes, {"x": [1, 3, 8, 8]}, {"y": [1, 6]}, weights)


def _model(nodes, inputs: dict, outputs: dict, weights=(), opset: int = 17, ir_version: int = 8) -> onnx.ModelProto:
    def infos(values: dict) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in values.items()]

    graph = helper.make_graph(nodes, "hostile", infos(inputs), infos(outputs), list(weights))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)


def _bytes(name: str, data: bytes, **options) -> Hostile:
    def write(folder: Path) -> Path:
        path = folder / "model.onnx"
        path.write_bytes(data)
        return path

    return Hostile(name, write, **options)


def _proto(name: str, model: onnx.ModelProto, **options) -> Hostile:
    return _bytes(name, model.SerializeToString(), **options)


def damaged(random: np.random.Generator, truncations: int, flips: int) -> Iterator[Hostile]:
    data = small_model().SerializeToString()
    yield _bytes("empty-file", b"")
    yield _bytes("text-file", b"This is no model.\n" * 40)
    yield _bytes("zeros", bytes(4096))
    for length in sorted(random.choice(len(data), truncations, replace=False)):
        yield _bytes(f"truncated-{length}", data[:length], may_compile=True)
    for number in range(flips):
        changed = bytearray(data)
        for _ in range(int(random.choice([1, 1, 1, 8]))):
            changed[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
        yield _bytes(f"flipped-{number}", bytes(changed), may_compile=True)
    for number in range(flips // 8):
        yield _bytes(f"noise-{number}", random.bytes(int(random.integers(1, 4000))))


def contradictory() -> Iterator[Hostile]:
    relu = helper.make_node
    shape = {"x": [2, 3]}
    result = {"y": [2, 3]}
    yield _proto(
        "cycle", _model([relu("Relu", ["b"], ["a"], name="first"), relu("Add", ["a", "x"], ["b"], name="second"),
                         relu("Relu", ["b"], ["y"], name="last")], shape, result)
    )
    yield _proto("own-input", _model([relu("Add", ["y", "x"], ["y"], name="loop")], shape, result))
    yield _proto("undefined-value", _model([relu("Relu", ["nowhere"], ["y"], name="n")], shape, result), mentions=["nowhere"])
    yield _proto("missing-output", _model([relu("Relu", ["x"], ["z"], name="n")], shape, result), mentions=["y"])
    twice = [relu("Relu", ["x"], ["y"], name="one"), relu("Neg", ["x"], ["y"], name="two")]
    yield _proto("defined-twice", _model(twice, shape, result), mentions=["y"])
    yield _proto("unknown-operator", _model([relu("NoSuchOperator", ["x"], ["y"], name="n")], shape, result), mentions=["NoSuchOperator"])
    yield _proto("future-opset", _model([relu("Relu", ["x"], ["y"])], shape, result, opset=999), mentions=["999"])
    yield _proto("future-ir", _model([relu("Relu", ["x"], ["y"])], shape, result, ir_version=999), mentions=["999"])
    negative = numpy_helper.from_array(np.zeros(6, np.float32), "w")
    negative.dims[:] = [-6]
    yield _proto("negative-weight-dim", _model([relu("Add", ["x", "w"], ["y"])], {"x": [6]}, {"y": [6]}, [negative]), mentions=["w"])
    huge = numpy_helper.from_array(np.zeros(6, np.float32), "w")
    huge.dims[:] = [1 << 40, 1 << 40]
    yield _proto("overflowing-weight-dims", _model([relu("Add", ["x", "w"], ["y"])], {"x": [6]}, {"y": [6]}, [huge]), mentions=["w"])
    short = numpy_helper.from_array(np.zeros(6, np.float32), "w")
    short.dims[:] = [7]
    yield _proto("short-weight", _model([relu("Add", ["x", "w"], ["y"])], {"x": [7]}, {"y": [7]}, [short]), mentions=["w"])
    yield _proto(
        "negative-input-dim", _model([relu("Relu", ["x"], ["y"])], {"x": [2, -5]}, {"y": [2, -5]}), may_compile=False
    )
    yield _proto("shapes-differ", _model([relu("MatMul", ["x", "z"], ["y"], name="n")], {"x": [2, 3], "z": [4, 5]}, {"y": [2, 5]}))
    yield _proto("wrong-input-count", _model([relu("MatMul", ["x"], ["y"], name="n")], shape, {"y": [2, 2]}))
    perm = relu("Transpose", ["x"], ["y"], name="n", perm=[0, 7])
    yield _proto("attribute-out-of-range", _model([perm], shape, result))
    axis = relu("Softmax", ["x"], ["y"], name="n", axis=5)
    yield _proto("axis-out-of-range", _model([axis], shape, result))
    channels = numpy_helper.from_array(np.zeros((4, 5, 3, 3), np.float32), "w")
    conv = relu("Conv", ["x", "w"], ["y"], name="n")
    yield _proto("channels-differ", _model([conv], {"x": [1, 3, 8, 8]}, {"y": [1, 4, 6, 6]}, [channels]))
    deep = ["x", *[f"v{index}" for index in range(3000)], "y"]
    chain = [relu("Relu", [a], [b]) for a, b in zip(deep, deep[1:])]
    yield _proto("chain-of-3000", _model(chain, shape, result), may_compile=True)


def external(location: str, offset: int | None = None, length: int | None = None, make: bool = True) -> Callable[[Path], Path]:
    """A weight in another file. The file `outside.bin` lies above the model's folder, `inside.bin` in it."""

    def write(folder: Path) -> Path:
        inner = folder / "model"
        inner.mkdir()
        (folder / "outside.bin").write_bytes(bytes(64))
        if make:
            (inner / "inside.bin").write_bytes(bytes(64))
        (inner / "link.bin").symlink_to(folder / "outside.bin")
        weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[16], data_location=TensorProto.EXTERNAL)
        entries = {"location": location.replace("{folder}", str(folder)), "offset": offset, "length": length}
        for key, value in entries.items():
            if value is not None:
                weight.external_data.add(key=key, value=str(value))
        node = helper.make_node("Add", ["x", "w"], ["y"], name="n")
        path = inner / "model.onnx"
        path.write_bytes(_model([node], {"x": [16]}, {"y": [16]}, [weight]).SerializeToString())
        return path

    return write


def outside() -> Iterator[Hostile]:
    yield Hostile("external-parent", external("../outside.bin"), mentions=["w"])
    yield Hostile("external-parent-inside-path", external("sub/../../outside.bin"), mentions=["w"])
    yield Hostile("external-absolute", external("{folder}/outside.bin"), mentions=["w"])
    yield Hostile("external-link", external("link.bin"), mentions=["w"])
    yield Hostile("external-missing", external("nowhere.bin"), mentions=["w"])
    yield Hostile("external-short", external("inside.bin", offset=32, length=64), mentions=["w"])
    yield Hostile("external-offset-beyond", external("inside.bin", offset=1 << 62, length=64), mentions=["w"])
    yield Hostile("external-negative-offset", external("inside.bin", offset=-64, length=64), mentions=["w"])
    yield Hostile("external-wrong-length", external("inside.bin", offset=0, length=8), mentions=["w"])
    yield Hostile("external-empty-location", external(""), mentions=["w"])
    yield Hostile("external-directory", external("."), mentions=["w"])
    yield Hostile("external-device", external("/dev/zero"), mentions=["w"])
