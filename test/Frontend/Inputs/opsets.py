"""A model at each operator set from 7 to 25, of operators whose form has changed between them, run and compared.

opsets.py MERCERC MERCER_RUN DIRECTORY -- prints a line for each operator set; exit status 1 if one differs. The expected
output is computed here, since the reference evaluator of the onnx package does not know the old forms.
"""
import subprocess
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

IR_VERSION = {7: 3, 8: 3, 9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10,
              22: 10, 23: 11, 24: 12, 25: 13}


def build(opset):
    """x [2, 3, 4, 5] through axes, bounds and sizes that were attributes first and are inputs later."""
    constants, nodes = [], []

    def ints(*values):
        constants.append(numpy_helper.from_array(np.int64(values), f"c{len(constants)}"))
        return constants[-1].name

    def number(value):
        constants.append(numpy_helper.from_array(np.float32(value), f"c{len(constants)}"))
        return constants[-1].name

    def add(op, inputs, outputs, **attributes):
        nodes.append(helper.make_node(op, inputs, outputs, **attributes))

    def moved(op, since, inputs, outputs, **lists):
        """Attributes that became inputs at opset `since`."""
        if opset < since:
            add(op, inputs, outputs, **lists)
        else:
            add(op, inputs + [ints(*value) for value in lists.values()], outputs)

    if opset < 11:
        add("Clip", ["x"], ["clipped"], min=-1.0, max=1.5)
    else:
        add("Clip", ["x", number(-1), number(1.5)], ["clipped"])
    moved("Slice", 10, ["clipped"], ["sliced"], starts=[1], ends=[5], axes=[3])
    if opset < 11:
        add("Pad", ["sliced"], ["padded"], pads=[0, 0, 1, 0, 0, 0, 0, 0], value=0.5)
    else:
        add("Pad", ["sliced", ints(0, 0, 1, 0, 0, 0, 0, 0), number(0.5)], ["padded"])
    # [2, 3, 5, 4]; before opset 13 the axes from 2 on are one.
    if opset < 13:
        add("Softmax", ["padded"], ["soft"], axis=3)
    else:
        add("Softmax", ["padded"], ["soft"])
    moved("ReduceSum", 13, ["soft"], ["summed"], axes=[1])
    moved("Squeeze", 13, ["summed"], ["squeezed"], axes=[1])
    moved("ReduceMax", 18, ["squeezed"], ["largest"], axes=[2])
    add("Sub", ["squeezed", "largest"], ["shifted"])
    moved("Unsqueeze", 13, ["shifted"], ["unsqueezed"], axes=[0])
    if opset < 13:
        add("Split", ["unsqueezed"], ["left", "right"], axis=3, split=[1, 3])
    else:
        add("Split", ["unsqueezed", ints(1, 3)], ["left", "right"], axis=3)
    if opset < 10:
        add("TopK", ["right"], ["top", "at"], k=2, axis=3)
    else:
        add("TopK", ["right", ints(2)], ["top", "at"], axis=3)
    if opset < 9:
        add("Upsample", ["top"], ["wide"], scales=[1.0, 1.0, 2.0, 1.0], mode="nearest")
    elif opset < 10:
        add("Upsample", ["top", number([1, 1, 2, 1])], ["wide"], mode="nearest")
    elif opset < 11:
        add("Resize", ["top", number([1, 1, 2, 1])], ["wide"], mode="nearest")
    else:
        add("Resize", ["top", "", number([1, 1, 2, 1])], ["wide"], mode="nearest")
    add("Dropout", ["wide"], ["kept"])
    add("Concat", ["kept", "kept"], ["y"], axis=-1 if opset >= 11 else 3)
    graph = helper.make_graph(
        nodes, f"opset{opset}", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "n", "h", "w"])], constants)
    return helper.make_model(graph, ir_version=IR_VERSION[opset], opset_imports=[helper.make_opsetid("", opset)])


def expected(x):
    x = np.clip(x.astype(np.float64), -1, 1.5)[..., 1:5]
    x = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)), constant_values=0.5)
    e = np.exp(x - x.max(-1, keepdims=True))
    s = (e / e.sum(-1, keepdims=True)).sum(1)
    s = (s - s.max(2, keepdims=True))[None, ..., 1:]
    top = -np.sort(-s, axis=-1)[..., :2]
    return np.concatenate([top.repeat(2, axis=2)] * 2, axis=-1)


def main(compiler, runner, directory):
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(5).standard_normal((2, 3, 4, 5)).astype(np.float32)
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", expected(x).astype(np.float32))
    failures = 0
    for opset in IR_VERSION:
        path = folder / f"opset{opset}.onnx"
        path.write_bytes(build(opset).SerializeToString())
        artifact = path.with_suffix(".so")
        ran = subprocess.run([compiler, path, "-o", artifact, "--quiet"], capture_output=True, text=True, timeout=120)
        if ran.returncode == 0:
            ran = subprocess.run([runner, artifact, "--input", f"x={folder / 'x.npy'}", "--expect",
                                  f"y={folder / 'y.npy'}"], capture_output=True, text=True, timeout=120)
        failures += ran.returncode != 0
        print(f"ok: {opset}" if ran.returncode == 0 else f"FAIL: {opset} {ran.stderr}{ran.stdout}", flush=True)
    return failures > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
