"""Compiles cases for mercer-gpu-check: execution tests, benchmarks and models, each a folder with its artifact, inputs
and expected outputs (docs/gpu-check.md).

`make_cases.py --out DIR [--mercerc=--target=cuda --mercerc=--chip=sm_90] [--filter RE]`. What mercerc cannot compile for
the target is named and left out.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Iterator

import numpy as np
from onnx import TensorProto, helper

_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT / "test" / part) for part in ("python", "models", "Integration")]

from cases.core import EPSILON, Group, dtype_of
from mercertest.arrays import dtype_named, save_array
from mercertest.tools import build_directory, compile_model, run_artifact, run_process, tool
from run_execution_tests import all_groups
from zoo.registry import selected, written

# Of the largest output, as test/models/compare.py allows.
MODEL_TOLERANCE = 1e-4
# Of the largest output, between two backends that both round.
BENCHMARK_TOLERANCE = {"f32": 1e-4, "f16": 4e-3, "bf16": 3e-2}
ONNX_TYPES = {"f32": TensorProto.FLOAT, "f16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
# The processor of the machine with the GPU is not known; every one of the last ten years has these.
REFERENCE_CPU = "--cpu=x86-64-v3"


class LeftOut(Exception):
    """Why a case cannot be made."""


def compiled(model: Path, artifact: Path, *options: str) -> None:
    outcome = compile_model(model, artifact, *options, timeout=600)
    if not outcome.ok:
        raise LeftOut(f"mercerc: {outcome.code}: {outcome.message[:160]}")


def write_case(folder: Path, name: str, variants: list[dict[str, Any]], timed: int, reference: str = "") -> None:
    case = {"name": name, "artifact": "model.so", "variants": variants, "timed": timed}
    if reference:
        case["reference"] = reference
    (folder / "case.json").write_text(json.dumps(case, indent=1) + "\n")


def tolerance(expected: np.ndarray, actual_type: np.dtype, group: Group) -> dict[str, float]:
    """The criterion of the execution tests as a relative and an absolute tolerance."""
    if actual_type.kind in "iub":
        return {"rtol": 0.0, "atol": 0.0}
    finite = np.abs(expected[np.isfinite(expected)])
    largest = float(finite.max(initial=0))
    unit = (group.units + 0.5) * EPSILON[dtype_of(np.empty(0, actual_type))]
    floor = max(group.floor, 1e-2 * largest if group.by_element else largest)
    # Below the normal range precision ends.
    return {"rtol": unit if group.by_element else 0.0, "atol": unit * floor + 1e-45}


def execution_case(group: Group, folder: Path, options: argparse.Namespace) -> None:
    text = isinstance(group.model, str)
    model = folder / ("model.mlir" if text else "model.onnx")
    model.write_bytes(group.model.encode() if text else group.model)
    artifact = folder / "model.so"
    compiled(model, artifact, *options.mercerc)
    model.unlink()
    # Element types of the outputs: references are float64.
    types = {item["name"]: item["dtype"] for item in describe(artifact)["outputs"]}
    variants = []
    for number, variant in enumerate(group.variants):
        inputs, expected = {}, {}
        for index, (name, array) in enumerate(variant.inputs.items()):
            inputs[name] = f"in.{number}.{index}.npy"
            save_array(folder / inputs[name], array)
        for index, (name, array) in enumerate(variant.expected.items()):
            file = f"expected.{number}.{index}.npy"
            save_array(folder / file, array)
            expected[name] = {"file": file, **tolerance(array, dtype_named(types[name]), group)}
        variants.append({"inputs": inputs, "expected": expected})
    sizes = [sum(array.size for array in variant.inputs.values()) for variant in group.variants]
    # A launch costs some microseconds: smaller cases would time just that.
    largest = int(np.argmax(sizes)) if sizes and max(sizes) >= 4096 else -1
    write_case(folder, group.name, variants, largest)


def describe(artifact: Path) -> dict[str, Any]:
    outcome = run_process([tool("mercer-run"), artifact, "--describe", "--json"])
    if not outcome.ok:
        raise LeftOut(f"mercer-run --describe: {outcome.code}: {outcome.message[:160]}")
    return json.loads(outcome.stdout)


def model_case(name: str, folder: Path, options: argparse.Namespace) -> None:
    """Inputs of the model tests; what the CPU backend makes of them is expected."""
    (model,) = selected([name])
    source = written(model, build_directory() / "models")
    artifact, reference = folder / "model.so", folder / "reference.so"
    arrays = model.inputs(np.random.default_rng(options.seed), **model.sizes[0])
    # With the sizes fixed the manifest's counts of operations are those of the run.
    shapes = [f"--shape={key}={'x'.join(map(str, array.shape))}" for key, array in arrays.items()]
    compiled(source, artifact, *options.mercerc, *shapes)
    compiled(source, reference, *shapes)
    outputs = [item["name"] for item in describe(reference)["outputs"]]
    run = run_artifact(reference, arrays, outputs, threads=0, timeout=300)
    if not run.ok:
        raise LeftOut(f"mercer-run: {run.outcome.code}: {run.outcome.message[:160]}")
    reference.unlink()
    inputs, expected = {}, {}
    for index, (key, array) in enumerate(arrays.items()):
        inputs[key] = f"in.{index}.npy"
        save_array(folder / inputs[key], array)
    for index, (key, array) in enumerate(run.outputs.items()):
        save_array(folder / f"expected.{index}.npy", array)
        floating = array.dtype.kind not in "iub"
        expected[key] = {"file": f"expected.{index}.npy", "of_largest": MODEL_TOLERANCE if floating else 0.0}
    write_case(folder, f"model-{name}", [{"inputs": inputs, "expected": expected}], 0)


def benchmarks() -> Iterator[tuple[str, str, list, dict[str, list[int]], list[int]]]:
    """Name, element type, nodes, shapes of the inputs, shape of the output."""

    def product(dtype: str, m: int, n: int, k: int):
        node = helper.make_node("MatMul", ["a", "b"], ["y"], name="product")
        return f"bench-product-{dtype}-{m}x{n}x{k}", dtype, [node], {"a": [m, k], "b": [k, n]}, [m, n]

    def attention(dtype: str, batch: int, heads: int, length: int, size: int):
        node = helper.make_node("Attention", ["q", "k", "v"], ["y"], name="attention")
        shape = [batch, heads, length, size]
        return f"bench-attention-{dtype}-{'x'.join(map(str, shape))}", dtype, [node], dict.fromkeys("qkv", shape), shape

    for dtype in ("f16", "bf16", "f32"):
        yield product(dtype, 4096, 4096, 4096)
        yield attention(dtype, 4, 16, 2048, 64)
    yield product("f16", 128, 4096, 4096)
    yield product("f16", 1, 8192, 8192)
    yield attention("f16", 1, 8, 4096, 128)
    for dtype in ("f32", "f16"):
        node = helper.make_node("Conv", ["x", "w"], ["y"], name="conv", pads=[1, 1, 1, 1])
        shapes = {"x": [16, 128, 56, 56], "w": [128, 128, 3, 3]}
        yield f"bench-conv-{dtype}-16x128x56x56-3x3", dtype, [node], shapes, [16, 128, 56, 56]
    large = [8192, 4096]
    yield "bench-add-f32-8192x4096", "f32", [helper.make_node("Add", ["a", "b"], ["y"])], {"a": large, "b": large}, large
    yield "bench-softmax-f32-8192x4096", "f32", [helper.make_node("Softmax", ["x"], ["y"])], {"x": large}, large
    yield "bench-sum-f32-8192x4096", "f32", [helper.make_node("ReduceSum", ["x", "axes"], ["y"])], {"x": large}, [8192, 1]


def benchmark_case(spec: tuple, folder: Path, options: argparse.Namespace) -> None:
    """Inputs are drawn, and expected outputs computed by the CPU backend, where it runs: neither would fit."""
    name, dtype, nodes, shapes, result = spec
    axes = [helper.make_tensor("axes", TensorProto.INT64, [1], [1])] if "sum" in name else []
    graph = helper.make_graph(
        nodes,
        "benchmark",
        [helper.make_tensor_value_info(key, ONNX_TYPES[dtype], shape) for key, shape in shapes.items()],
        [helper.make_tensor_value_info("y", ONNX_TYPES[dtype], result)],
        axes,
    )
    model = folder / "model.onnx"
    model.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10).SerializeToString()
    )
    compiled(model, folder / "model.so", *options.mercerc)
    compiled(model, folder / "reference.so", REFERENCE_CPU)
    model.unlink()
    inputs = {key: {"random": number + 1, "shape": shape} for number, (key, shape) in enumerate(shapes.items())}
    expected = {"y": {"of_largest": BENCHMARK_TOLERANCE[dtype]}}
    write_case(folder, name, [{"inputs": inputs, "expected": expected}], 0, "reference.so")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--filter", default="", help="only cases whose name matches this regular expression")
    parser.add_argument("--models", nargs="*", default=["trained"], help="names, `trained` or `random`")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--mercerc", action="append", default=[], metavar="OPTION", help="passed on to mercerc")
    options = parser.parse_args()

    work: list[tuple[str, Any, Any]] = []
    for group in all_groups(options.seed):
        work.append((group.name, execution_case, group))
    for spec in benchmarks():
        work.append((spec[0], benchmark_case, spec))
    for model in selected(options.models) if options.models else []:
        work.append((f"model-{model.name}", model_case, model.name))
    work = [item for item in work if re.search(options.filter, item[0])]

    def make(item: tuple[str, Any, Any]) -> str:
        name, maker, what = item
        folder = options.out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            maker(what, folder, options)
        except LeftOut as reason:
            shutil.rmtree(folder)
            return str(reason)
        return ""

    left_out = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for (name, _, _), reason in zip(work, pool.map(make, work)):
            if reason:
                left_out += 1
                print(f"left out  {name}: {reason}", flush=True)
    print(f"{len(work) - left_out} cases in {options.out}, {left_out} left out")
    return 0 if len(work) > left_out else 1


if __name__ == "__main__":
    sys.exit(main())
