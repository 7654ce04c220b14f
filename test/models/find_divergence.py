"""Finds the first inner tensor of a model at which Mercer and ONNX Runtime differ: `find_divergence.py NAME|FILE.onnx`.

Compiles with --outputs, which keeps those tensors from being fused away; a difference that vanishes then lies in the
fusion. With --every=N only every Nth tensor is looked at first.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from mercertest import reference, report
from mercertest.comparison import output_error
from mercertest.target import add_target_options, target_of
from mercertest.tools import build_directory, compile_model, run_artifact
from zoo.registry import MODELS, written


def inner_tensors(model: onnx.ModelProto, every: int, last: int) -> list[tuple[str, str]]:
    """(tensor, operator) in the order of the nodes; constants are left out."""
    names = [(name, node.op_type) for node in model.graph.node for name in node.output if name and node.op_type != "Constant"]
    return names[-last:][::-1][::every][::-1]


def with_outputs(model: onnx.ModelProto, names: list[str]) -> bytes:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    present = {output.name for output in copy.graph.output}
    copy.graph.output.extend(onnx.helper.make_value_info(name, onnx.TypeProto()) for name in names if name not in present)
    return copy.SerializeToString()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--last", type=int, default=0, help="only the last N tensors")
    parser.add_argument("--case", type=int, default=0, help="which of the model's sizes")
    parser.add_argument("--limit", type=float, default=1e-4)
    add_target_options(parser)
    options = parser.parse_args()
    entry = MODELS.get(options.model)
    path = written(entry, build_directory() / "models") if entry else Path(options.model)
    random = np.random.default_rng(0)
    model = onnx.load(path)
    if entry:
        inputs = entry.inputs(random, **entry.sizes[options.case])
    else:
        raise SystemExit("give the name of a test model")
    tensors = inner_tensors(model, options.every, options.last)
    names = [name for name, _ in tensors]
    expected = reference.run(reference.session(with_outputs(model, names)), inputs)
    artifact = path.with_suffix(".inner.so")
    outcome = compile_model(path, artifact, f"--outputs={','.join(names)}", *target_of(options).options, timeout=600)
    if not outcome.ok:
        raise SystemExit(outcome.message)
    run = run_artifact(artifact, inputs, names)
    if not run.ok:
        raise SystemExit(run.outcome.message)
    rows = []
    for name, kind in tensors:
        error = output_error(run.outputs[name], expected[name])
        if not error <= options.limit:
            rows.append([name, kind, f"{error:.2g}", str(list(expected[name].shape)), str(list(run.outputs[name].shape))])
    print(report.table(["tensor", "operator", "error", "shape", "Mercer's shape"], rows[:20]) if rows else "no difference")
    return bool(rows)


if __name__ == "__main__":
    sys.exit(main())
