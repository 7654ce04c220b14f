"""Compiles and runs each form that raising recognises and compares with onnx's reference evaluator.

forms.py MERCERC MERCER_RUN DIRECTORY [NAME...] -- prints a line for each form; exit status 1 if one differs.
"""
import subprocess
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

RANDOM = np.random.default_rng(7)
B, H, S, T, D = 2, 4, 5, 7, 16


def normal(*shape, dtype=np.float32):
    return RANDOM.standard_normal(shape).astype(dtype)


class Form:
    """A graph under construction: `f.Add(a, b, axis=1)` appends a node and gives its result's name."""

    def __init__(self, opset=18):
        self.nodes, self.constants, self.inputs, self.opset = [], [], {}, opset
        self.expected = None  # set by forms that the reference evaluator computes otherwise

    def input(self, name, array):
        self.inputs[name] = array
        return name

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op, *operands, outputs=1, domain="", **attributes):
        operands = [o if isinstance(o, str) else self.constant(o) for o in operands]
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, operands, names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def __getattr__(self, op):
        return lambda *operands, **attributes: self.node(op, *operands, **attributes)

    def model(self, results):
        def info(name, dtype=TensorProto.FLOAT, shape=None):
            return helper.make_tensor_value_info(name, dtype, shape)
        inputs = [info(name, helper.np_dtype_to_tensor_dtype(array.dtype),
                       [f"{name}_{i}" if i not in (1, array.ndim - 1) and size > 1 else size
                        for i, size in enumerate(array.shape)])
                  for name, array in self.inputs.items()]
        outputs = [info(name, dtype) for name, dtype in results]
        graph = helper.make_graph(self.nodes, "form", inputs, outputs, self.constants)
        return helper.make_model(graph, ir_version=9, opset_imports=[
            helper.make_opsetid("", self.opset), helper.make_opsetid("ai.onnx.ml", 1)])


def qkv(f, heads=H, kv_heads=H, dtype=np.float32):
    return (f.input("q", normal(B, heads, S, D, dtype=dtype)), f.input("k", normal(B, kv_heads, T, D, dtype=dtype)),
            f.input("v", normal(B, kv_heads, T, D, dtype=dtype)))


def swapped(f, k):
    return f.Transpose(k, perm=[0, 1, 3, 2])


f32 = np.float32


def scale_on_product(f):
    q, k, v = qkv(f)
    return f.MatMul(f.Softmax(f.Div(f.MatMul(q, swapped(f, k)), f32(4)), axis=-1), v)


def scale_on_q(f):
    q, k, v = qkv(f)
    return f.MatMul(f.Softmax(f.MatMul(f.Mul(q, f32(0.25)), swapped(f, k)), axis=-1), v)


def added_mask(f):
    q, k, v = qkv(f)
    mask = f.input("mask", np.where(RANDOM.random((B, 1, 1, T)) < 0.4, f32(-1e4), f32(0)))
    return f.MatMul(f.Softmax(f.Add(f.Mul(f.MatMul(q, swapped(f, k)), f32(0.25)), mask), axis=-1), v)


def two_masks(f):
    q, k, v = qkv(f)
    mask = f.input("mask", np.where(RANDOM.random((B, 1, 1, T)) < 0.4, f32(-1e4), f32(0)))
    bias = f.input("bias", normal(1, H, S, T))
    return f.MatMul(f.Softmax(f.Add(f.Add(f.MatMul(q, swapped(f, k)), bias), mask), axis=-1), v)


def keep_mask(f):
    q, k, v = qkv(f)
    keep = RANDOM.random((B, 1, S, T)) < 0.6
    keep[..., 0] = True
    keep = f.input("keep", keep)
    return f.MatMul(f.Softmax(f.Where(keep, f.MatMul(q, swapped(f, k)), f32(-1e4)), axis=-1), v)


def drop_mask(f):
    q, k, v = qkv(f)
    drop = RANDOM.random((B, 1, S, T)) < 0.4
    drop[..., 0] = False
    drop = f.input("drop", drop)
    return f.MatMul(f.Softmax(f.Where(drop, f32(-np.inf), f.MatMul(q, swapped(f, k))), axis=-1), v)


def nan_guard(f):
    q, k, v = qkv(f)
    keep = RANDOM.random((B, 1, S, T)) < 0.6
    keep[0, 0, 2] = False  # a row without a key
    mask = f.Where(f.input("keep", keep), f32(0), f32(-np.inf))
    scores = f.MatMul(f.Mul(q, f32(0.5)), f.Mul(swapped(f, k), f32(0.5)))
    weights = f.Softmax(f.Add(scores, mask), axis=-1)
    return f.MatMul(f.Where(f.IsNaN(weights), f32(0), weights), v)


def keys_in_one_transpose(f):
    q = f.Transpose(f.input("q", normal(B, S, H, D)), perm=[0, 2, 1, 3])
    k = f.Transpose(f.input("k", normal(B, T, H, D)), perm=[0, 2, 3, 1])
    v = f.Transpose(f.input("v", normal(B, T, H, D)), perm=[0, 2, 1, 3])
    return f.MatMul(f.Softmax(f.MatMul(q, k), axis=-1), v)


def keys_transposed(f):
    q, k, v = f.input("q", normal(B, H, S, D)), f.input("k", normal(B, H, D, T)), f.input("v", normal(B, H, T, D))
    return f.MatMul(f.Softmax(f.MatMul(q, k), axis=-1), v)


def grouped_queries(f):
    q, k, v = qkv(f, kv_heads=2)

    def repeated(x):
        expanded = f.Expand(f.Unsqueeze(x, np.int64([2])), np.int64([1, 2, 2, 1, D]))
        return f.Reshape(expanded, np.int64([0, 4, -1, D]))
    return f.MatMul(f.Softmax(f.MatMul(q, swapped(f, repeated(k))), axis=-1), repeated(v))


def fused_qkv_by_slice(f):
    x = f.input("x", normal(3, B, H, S, D))
    q, k, v = (f.Squeeze(f.Slice(x, np.int64([i]), np.int64([i + 1]), np.int64([0])), np.int64([0])) for i in range(3))
    return f.MatMul(f.Softmax(f.Mul(f.MatMul(q, swapped(f, k)), f32(0.25)), axis=-1), v)


def fused_qkv_by_split(f):
    x = f.input("x", normal(B, H, S, 3 * D))
    q, k, v = f.Split(x, np.int64([D, D, D]), axis=-1, outputs=3)
    return f.MatMul(f.Softmax(f.Mul(f.MatMul(q, swapped(f, k)), f32(0.25)), axis=-1), v)


def soft_cap(f):
    q, k, v = qkv(f)
    scores = f.Mul(f.Tanh(f.Div(f.Mul(f.MatMul(q, swapped(f, k)), f32(0.25)), f32(2))), f32(2))
    return f.MatMul(f.Softmax(scores, axis=-1), v)


def rank_three(f):
    q, k, v = f.input("q", normal(B * H, S, D)), f.input("k", normal(B * H, T, D)), f.input("v", normal(B * H, T, D))
    return f.MatMul(f.Softmax(f.MatMul(q, f.Transpose(k, perm=[0, 2, 1])), axis=-1), v)


# Graphs that look like the forms above. Broadcasting makes them other functions.

def mask_of_more_batches(f):
    q, k, v = f.input("q", normal(1, H, S, D)), f.input("k", normal(1, H, T, D)), f.input("v", normal(1, H, T, D))
    scores = f.Add(f.MatMul(q, swapped(f, k)), f.input("m", normal(3, 1, S, T)))
    return f.MatMul(f.Softmax(scores, axis=-1), v)


def where_of_more_heads(f):
    q, k, v = f.input("q", normal(B, 1, S, D)), f.input("k", normal(B, 1, T, D)), f.input("v", normal(B, 1, T, D))
    keep = f.Greater(f.input("m", normal(1, H, S, T)), f32(-1))
    return f.MatMul(f.Softmax(f.Where(keep, f.MatMul(q, swapped(f, k)), f32(-1e9)), axis=-1), v)


def values_of_more_batches(f):
    q, k, v = f.input("q", normal(1, H, S, D)), f.input("k", normal(1, H, T, D)), f.input("v", normal(3, H, T, D))
    return f.MatMul(f.Softmax(f.MatMul(q, swapped(f, k)), axis=-1), v)


def keys_of_one_head(f):
    q, k, v = qkv(f, kv_heads=1)
    return f.MatMul(f.Softmax(f.MatMul(q, swapped(f, k)), axis=-1), v)


def queries_of_one_head(f):
    q, k, v = qkv(f, heads=1, kv_heads=2)

    def repeated(x):
        expanded = f.Expand(f.Unsqueeze(x, np.int64([2])), np.int64([1, 2, 2, 1, D]))
        return f.Reshape(expanded, np.int64([0, 4, -1, D]))
    return f.MatMul(f.Softmax(f.MatMul(q, swapped(f, repeated(k))), axis=-1), repeated(v))


def groups_over_batches(f):
    x = f.input("x", normal(4, 6, 5, 7))
    groups = f.Reshape(x, np.int64([2, 3, -1]))
    y = f.Reshape(f.InstanceNormalization(groups, np.ones(3, f32), np.zeros(3, f32), epsilon=1e-5), f.Shape(x))
    return f.Add(f.Mul(y, normal(6, 1, 1)), normal(6, 1, 1))


def groups_scaled_by_column(f):
    x = f.input("x", normal(2, 6, 5, 6))
    groups = f.Reshape(x, np.int64([0, 3, -1]))
    y = f.Reshape(f.InstanceNormalization(groups, np.ones(3, f32), np.zeros(3, f32), epsilon=1e-5), f.Shape(x))
    return f.Add(f.Mul(y, normal(6)), normal(6, 1, 1))


def rotary_of_more_batches(f):
    x = f.input("x", normal(1, H, S, D))
    cos, sin = f.input("cos", normal(3, 1, S, D)), f.input("sin", normal(3, 1, S, D))
    half, end, axis = np.int64([D // 2]), np.int64([2**63 - 1]), np.int64([3])
    turned = f.Concat(f.Neg(f.Slice(x, half, end, axis)), f.Slice(x, np.int64([0]), half, axis), axis=-1)
    return f.Add(f.Mul(x, cos), f.Mul(turned, sin))


def layer_norm(f):
    x = f.input("x", normal(B, S, 24) * 3 + 1)
    d = f.Sub(x, f.ReduceMean(x, np.int64([-1])))
    root = f.Sqrt(f.Add(f.ReduceMean(f.Pow(d, f32(2)), np.int64([-1])), f32(1e-5)))
    return f.Add(f.Mul(f.Div(d, root), normal(24)), normal(24))


def rms_norm(f):
    x = f.input("x", normal(B, S, 24) * 3)
    mean = f.ReduceMean(f.Pow(x, f32(2)), np.int64([-1]))
    return f.Mul(f.Mul(x, f.Reciprocal(f.Sqrt(f.Add(mean, f32(1e-6))))), normal(24))


def group_norm(f):
    x = f.input("x", normal(B, 8, 5, 3) * 2 + 1)
    y = f.InstanceNormalization(f.Reshape(x, np.int64([0, 2, -1])), np.ones(2, f32), np.zeros(2, f32), epsilon=1e-6)
    return f.Add(f.Mul(f.Reshape(y, f.Shape(x)), normal(8, 1, 1)), normal(8, 1, 1))


def gelu(f):
    x = f.input("x", normal(3, 50) * 2)
    return f.Mul(f.Mul(x, f.Add(f.Erf(f.Div(x, f32(2**0.5))), f32(1))), f32(0.5))


def gelu_tanh(f):
    x = f.input("x", normal(3, 50) * 2)
    inner = f.Mul(f.Add(x, f.Mul(f.Pow(x, f32(3)), f32(0.044715))), f32(0.7978845608))
    return f.Mul(f.Mul(x, f32(0.5)), f.Add(f.Tanh(inner), f32(1)))


def silu(f):
    x = f.input("x", normal(3, 50) * 2)
    return f.Mul(x, f.Sigmoid(x))


def hard_swish(f):
    x = f.input("x", normal(3, 50) * 3)
    return f.Div(f.Mul(x, f.Clip(f.Add(x, f32(3)), f32(0), f32(6))), f32(6))


def mish(f):
    x = f.input("x", normal(3, 50) * 3)
    return f.Mul(x, f.Tanh(f.Softplus(x)))


def rotary(f):
    x = f.input("x", normal(B, H, S, D))
    cos, sin = f.input("cos", normal(B, 1, S, D)), f.input("sin", normal(B, 1, S, D))
    half, end, axis = np.int64([D // 2]), np.int64([2**63 - 1]), np.int64([3])
    turned = f.Concat(f.Neg(f.Slice(x, half, end, axis)), f.Slice(x, np.int64([0]), half, axis), axis=-1)
    return f.Add(f.Mul(x, cos), f.Mul(turned, sin))


def batch_norm(f):
    x = f.input("x", normal(B, 3, 9, 8))
    y = f.Conv(x, normal(6, 3, 3, 3), normal(6), pads=[1, 1, 1, 1], strides=[2, 1])
    return f.BatchNormalization(y, normal(6), normal(6), normal(6), np.abs(normal(6)) + f32(0.5), epsilon=1e-3)


def softmax(f):
    x = f.input("x", normal(9, 33) * 4)
    e = f.Exp(f.Sub(x, f.ReduceMax(x, np.int64([-1]))))
    return f.Div(e, f.ReduceSum(e, np.int64([-1])))


def scan_distance(f, x, points):
    def info(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    body = helper.make_graph(
        [helper.make_node("Identity", ["a"], ["same"]), helper.make_node("Sub", ["a", "b"], ["difference"]),
         helper.make_node("ReduceSumSquare", ["difference", "axes"], ["sum"], keepdims=0)],
        "body", [info("a", [None, None]), info("b", [None])], [info("same", [None, None]), info("sum", [None])],
        [numpy_helper.from_array(np.int64([1]), "axes")])
    return f.Transpose(f.Scan(x, points, body=body, num_scan_inputs=1, outputs=2)[1], perm=[1, 0])


def distances(f):
    # The common offset makes the expanded form of the squared distance useless.
    x, points = f.input("x", normal(13, 5) + f32(100)), normal(90, 5) + f32(100)
    return f.Sqrt(scan_distance(f, x, f.constant(points)))


def gaussian_process(f):
    x, points = f.input("x", normal(13, 5)), f.constant(normal(90, 5))
    zeros = f.ConstantOfShape(f.Concat(f.Gather(f.Shape(x), np.int64([0])), np.int64([1]), axis=0))
    other = f.ConstantOfShape(np.int64([1, 90]))
    amplitude = f.Add(f.MatMul(zeros, other), f32([0.8]))
    kernel = f.Mul(amplitude, f.Exp(f.Neg(f.Mul(scan_distance(f, x, points), f32([0.3])))))
    return f.MatMul(kernel, normal(90))


def svm(f, kernel):
    return f.node("SVMRegressor", f.input("x", normal(11, 6)), domain="ai.onnx.ml", n_supports=40, kernel_type=kernel,
                  kernel_params=[0.1, 0.5, 3.0], support_vectors=normal(240).tolist(),
                  coefficients=normal(40).tolist(), rho=[0.25])


def svm_rbf(f):
    return svm(f, "RBF")


def svm_linear(f):
    return svm(f, "LINEAR")


def svm_sigmoid(f):
    return svm(f, "SIGMOID")


def svm_poly(f):
    return svm(f, "POLY")


def svm_classes(f):
    """Label and scores as one tensor, so that both are compared."""
    label, scores = f.node(
        "SVMClassifier", f.input("x", normal(11, 6)), domain="ai.onnx.ml", outputs=2, kernel_type="RBF",
        kernel_params=[0.1, 0.0, 3.0], classlabels_ints=[3, 5, 9, 4], vectors_per_class=[10, 12, 8, 10],
        support_vectors=normal(240).tolist(), coefficients=normal(120).tolist(), rho=normal(6).tolist(),
        post_transform="NONE")
    return f.Concat(f.Cast(f.Unsqueeze(label, np.int64([1])), to=1), scores, axis=1)


def svm_two_classes(f):
    # The reference of the onnx package writes one column; ONNX Runtime's form of it is written out here.
    x, vectors, weights = normal(11, 6), normal(8, 6), normal(8)
    name = f.input("x", x)
    label, scores = f.node(
        "SVMClassifier", name, domain="ai.onnx.ml", outputs=2, kernel_type="RBF", kernel_params=[0.1, 0.0, 3.0],
        classlabels_ints=[3, 5], vectors_per_class=[5, 3], support_vectors=vectors.ravel().tolist(),
        coefficients=weights.tolist(), rho=[0.25], post_transform="NONE")
    score = np.exp(-0.1 * ((x[:, None] - vectors[None]) ** 2).sum(-1)) @ weights + 0.25
    f.expected = np.stack([np.where(score > 0, 3, 5), -score, score], 1).astype(f32)
    return f.Concat(f.Cast(f.Unsqueeze(label, np.int64([1])), to=1), scores, axis=1)


FORMS = [scale_on_product, scale_on_q, added_mask, two_masks, keep_mask, drop_mask, nan_guard, keys_in_one_transpose,
         keys_transposed, grouped_queries, fused_qkv_by_slice, fused_qkv_by_split, soft_cap, rank_three, layer_norm,
         rms_norm, group_norm, gelu, gelu_tanh, silu, hard_swish, mish, rotary, batch_norm, softmax, distances,
         gaussian_process, svm_rbf, svm_linear, svm_sigmoid, svm_poly, svm_classes,
         svm_two_classes,
         mask_of_more_batches, where_of_more_heads, values_of_more_batches, keys_of_one_head, queries_of_one_head,
         groups_over_batches, groups_scaled_by_column, rotary_of_more_batches]


def check(build, compiler, runner, folder):
    form = Form()
    result = build(form)
    model = form.model([(result, TensorProto.FLOAT)])
    path = folder / f"{build.__name__}.onnx"
    path.write_bytes(model.SerializeToString())
    expected = form.expected
    if expected is None:
        with np.errstate(all="ignore"):
            expected = ReferenceEvaluator(model).run(None, form.inputs)[0]
    artifact = path.with_suffix(".so")
    compiled = subprocess.run([compiler, path, "-o", artifact, "--quiet"], capture_output=True, text=True, timeout=120)
    if compiled.returncode:
        return compiled.stderr.strip()
    command = [runner, artifact, "--output", f"{result}={folder / 'out.npy'}"]
    for name, array in form.inputs.items():
        np.save(folder / f"{name}.npy", array)
        command += ["--input", f"{name}={folder / (name + '.npy')}"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if ran.returncode:
        return (ran.stderr or ran.stdout).strip()
    actual = np.load(folder / "out.npy")
    if actual.shape != expected.shape:
        return f"shape {actual.shape}, expected {expected.shape}"
    worst = np.abs(actual.astype(np.float64) - expected).max()
    if not worst <= 2e-5 * max(1.0, np.abs(expected).max()):
        return f"differs by {worst}"
    return ""


def main(compiler, runner, directory, *names):
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    failures = 0
    for build in FORMS:
        if names and build.__name__ not in names:
            continue
        problem = check(build, compiler, runner, folder)
        failures += bool(problem)
        print(f"{'FAIL' if problem else 'ok'}: {build.__name__} {problem}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
