"""Attention and a Gaussian kernel sum over 65,536 x 65,536 pairs, in 512 MiB of address space beside inputs and outputs.

The matrix of pairs alone would take 16 GiB in f32: it can only pass if no such matrix, nor a large part of it, exists.
The length is dynamic in the models. Rows are checked against float64 NumPy.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from cases.attention import attention
from cases.core import node, onnx_model
from cases.mlir import function, tensor
from mercertest import report
from mercertest.tools import compile_model, run_artifact

HEAD_SIZE = 64
EXTRA_BYTES = 512 << 20
TOLERANCE = 1e-4  # of the largest output
CHECKED_ROWS = 48


@dataclass(frozen=True)
class Sum:
    name: str
    model: bytes | str
    inputs: Callable[[np.random.Generator, int], dict[str, np.ndarray]]
    # Inputs in float64 with the rows of the queries already chosen.
    expected: Callable[[dict[str, np.ndarray]], np.ndarray]
    query: str


def _attention_inputs(random: np.random.Generator, length: int) -> dict[str, np.ndarray]:
    return {name: random.standard_normal((1, 1, length, HEAD_SIZE), dtype=np.float32) for name in "qkv"}


def written_out_attention() -> Sum:
    dims = {"q": ["b", "h", "n", HEAD_SIZE], "k": ["b", "h", "m", HEAD_SIZE], "v": ["b", "h", "m", HEAD_SIZE]}
    nodes = [
        node("Transpose", "k", "kt", perm=[0, 1, 3, 2]),
        node("MatMul", "q kt", "s"),
        node("Mul", "s scale", "ss"),
        node("Softmax", "ss", "p", axis=-1),
        node("MatMul", "p v"),
    ]
    model = onnx_model(
        nodes,
        {name: ("f32", shape) for name, shape in dims.items()},
        {"y": ("f32", dims["q"])},
        {"scale": np.array(HEAD_SIZE**-0.5, np.float32)},
    )
    return Sum("attention", model, _attention_inputs, lambda arrays: attention(**arrays), "q")


def gaussian_sum() -> Sum:
    points, vector = tensor("?", HEAD_SIZE), tensor("?", 1)
    body = f"""
    %c0 = arith.constant 0 : index
    %n = tensor.dim %x, %c0 : {points}
    %init = tensor.empty(%n) : {vector}
    %y = mercer.kernel_matvec gaussian ins(%x, %z, %v : {points}, {points}, {vector}) outs(%init : {vector})
      {{gamma = 1.562500e-02 : f64}} -> {vector}"""
    text = function(
        {"x": (points, ["n", ""]), "z": (points, ["m", ""]), "v": (vector, ["m", ""])}, {"y": (vector, ["n", ""])}, body
    )

    def inputs(random: np.random.Generator, length: int) -> dict[str, np.ndarray]:
        return {
            "x": random.standard_normal((length, HEAD_SIZE), dtype=np.float32),
            "z": random.standard_normal((length, HEAD_SIZE), dtype=np.float32),
            "v": random.uniform(0, 1, (length, 1)).astype(np.float32),
        }

    def expected(arrays: dict[str, np.ndarray]) -> np.ndarray:
        rows = []
        for point in arrays["x"]:
            squared = ((arrays["z"] - point) ** 2).sum(axis=1)
            rows.append(np.exp(-squared / HEAD_SIZE) @ arrays["v"])
        return np.array(rows)

    return Sum("gaussian", text, inputs, expected, "x")


def _limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def check(case: Sum, length: int, random: np.random.Generator, options: argparse.Namespace) -> str:
    with tempfile.TemporaryDirectory(prefix="mercer-long-") as folder:
        text = isinstance(case.model, str)
        model = Path(folder, "model.mlir" if text else "model.onnx")
        model.write_bytes(case.model.encode() if text else case.model)
        artifact = Path(folder, "model.so")
        outcome = compile_model(model, artifact)
        if not outcome.ok:
            return f"mercerc: {outcome.code}: {outcome.message}"
        inputs = case.inputs(random, length)
        given = sum(array.nbytes for array in inputs.values()) + length * HEAD_SIZE * 4
        run = run_artifact(
            artifact,
            inputs,
            ["y"],
            threads=options.threads,
            timeout=options.timeout,
            preexec_fn=partial(_limit, given + EXTRA_BYTES),
        )
        if not run.ok:
            return f"mercer-run: {run.outcome.code}: {run.outcome.message}"
        print(f"{case.name}: {length} x {length}, {run.median_ms / 1e3:.1f} s, peak {run.outcome.peak_bytes / 1e6:.0f} MB")
        # The ends, where edge tiles are, and a sample of the rest.
        middle = random.choice(length, CHECKED_ROWS, replace=False)
        rows = np.unique(np.concatenate([[0, 1, length - 2, length - 1], middle]))
        exact = {name: array.astype(np.float64) for name, array in inputs.items()}
        axis = exact[case.query].ndim - 2
        exact[case.query] = np.take(exact[case.query], rows, axis=axis)
        expected = case.expected(exact)
        error = float(np.abs(np.take(run.outputs["y"], rows, axis=axis) - expected).max() / np.abs(expected).max())
        return "" if error <= TOLERANCE else f"error {error:.2g} of the largest output"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=65536)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--timeout", type=float, default=240, help="seconds for each run")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    failed = 0
    cases = [written_out_attention(), gaussian_sum()]
    for number, case in enumerate(cases):
        found = check(case, options.length, np.random.default_rng([options.seed, number]), options)
        failed += bool(found)
        if found:
            print(f"FAIL  {case.name}: {found}", flush=True)
    print(report.summary(len(cases) - failed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
