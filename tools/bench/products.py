"""f32 matrix products as a share of the machine's FMA limit, which a probe measures in the same run, in turn with ours and
ONNX Runtime's."""

from __future__ import annotations

import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mercertest import reference
from mercertest.tools import build_directory, compile_model, run_artifact

# rows, columns of the result, inner size
SIZES = [(512, 512, 512), (128, 768, 768), (128, 3072, 768), (1024, 1024, 1024)]
GOAL_SIZE = (512, 512, 512)
GOAL_SHARE = 0.7


@dataclass(frozen=True)
class Share:
    size: tuple[int, int, int]
    mercer: float  # GFLOP/s, medians
    onnxruntime: float
    probe: float

    @property
    def of_limit(self) -> float:
        return self.mercer / self.probe


def _model(path: Path, size: tuple[int, int, int]) -> None:
    """The right side is a constant, as in every network."""
    m, n, k = size
    weight = np.random.default_rng(1).standard_normal((k, n), dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [m, k])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [m, n])],
        [numpy_helper.from_array(weight, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


def _probe() -> Path:
    source = Path(__file__).with_name("fma_probe.c")
    program = build_directory() / "bench" / "fma_probe"
    program.parent.mkdir(parents=True, exist_ok=True)
    options = ["-O2", "-march=native", "-ffp-contract=fast"]
    subprocess.run(["clang-22", *options, str(source), "-o", str(program)], check=True)
    return program


def measure(rounds: int = 5) -> list[Share]:
    probe = _probe()
    shares = []
    for size in SIZES:
        m, n, k = size
        model = probe.parent / f"product_{m}_{n}_{k}.onnx"
        _model(model, size)
        artifact = model.with_suffix(".so")
        outcome = compile_model(model, artifact)
        if not outcome.ok:
            print(f"product {m}x{n}x{k}: {outcome.code}: {outcome.message}")
            continue
        inputs = {"x": np.random.default_rng(2).standard_normal((m, k), dtype=np.float32)}
        peer = reference.session(model)
        flops = 2.0 * m * n * k
        repeat = max(5, int(3e9 / flops))
        rates: dict[str, list[float]] = {"mercer": [], "onnxruntime": [], "probe": []}
        for _ in range(rounds):
            rates["probe"].append(float(subprocess.run([str(probe)], capture_output=True, text=True).stdout))
            run = run_artifact(artifact, inputs, (), f"--repeat={repeat}", "--warmup=2")
            if not run.ok:
                print(f"product {m}x{n}x{k}: {run.outcome.code}: {run.outcome.message}")
                break
            rates["mercer"].append(flops / run.median_ms * 1e-6)
            rates["onnxruntime"].append(flops / statistics.median(reference.time_ms(peer, inputs, repeat)) * 1e-6)
        if rates["mercer"]:
            shares.append(Share(size, **{name: statistics.median(values) for name, values in rates.items()}))
    return shares
