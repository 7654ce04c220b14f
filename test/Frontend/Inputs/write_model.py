"""Writes the small models of the import tests: write_model.py NAME FILE."""
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

F32 = TensorProto.FLOAT


def value(name, shape, dtype=F32):
    return helper.make_tensor_value_info(name, dtype, shape)


def save(path, nodes, inputs, outputs, initializers=(), opset=17, domains=(), **graph):
    imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid(*d) for d in domains]
    model = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs, list(initializers), **graph),
        opset_imports=imports, ir_version=9)
    with open(path, "wb") as file:
        file.write(model.SerializeToString())
    return model


def plain(path):
    weight = numpy_helper.from_array(np.arange(64 * 4, dtype=np.float32).reshape(4, 64), "w")
    bias = numpy_helper.from_array(np.ones(4, np.float32), "b")
    save(path,
         [helper.make_node("Gemm", ["x", "w", "b"], ["h"], name="dense", transB=1),
          helper.make_node("Clip", ["h", "", "limit"], ["y"])],
         [value("x", ["batch", 64])], [value("y", ["batch", 4])],
         [weight, bias, numpy_helper.from_array(np.float32(6), "limit")])


def types(path):
    """One constant of every element type."""
    constants = []
    names = [name for name in TensorProto.DataType.keys() if name != "UNDEFINED"]
    for name in names:
        data_type = TensorProto.DataType.Value(name)
        if name == "STRING":
            constants.append(helper.make_tensor(name, data_type, [2], [b"a", b"b"]))
        else:
            constants.append(helper.make_tensor(name, data_type, [2], [0, 1]))
    nodes = [helper.make_node("Identity", [name], ["y_" + name]) for name in names]
    outputs = [value("y_" + name, [2], TensorProto.DataType.Value(name)) for name in names]
    save(path, nodes, [], outputs, constants, opset=25)


def unsupported(path):
    save(path,
         [helper.make_node("Relu", ["x"], ["a"]),
          helper.make_node("Mystery", ["a"], ["b"], name="first"),
          helper.make_node("Riddle", ["b"], ["c"], name="second", domain="com.example"),
          helper.make_node("Mystery", ["c"], ["y"], name="third")],
         [value("x", [4])], [value("y", [4])], domains=[("com.example", 3)])


def external(path):
    weight = numpy_helper.from_array(np.arange(100, dtype=np.float32), "w")
    model = save(path, [helper.make_node("Add", ["x", "w"], ["y"])],
                 [value("x", [100])], [value("y", [100])], [weight])
    onnx.save(model, path, save_as_external_data=True, size_threshold=0,
              location=os.path.basename(path) + ".data")


def escape(path):
    model = save(path, [helper.make_node("Add", ["x", "w"], ["y"])],
                 [value("x", [100])], [value("y", [100])],
                 [numpy_helper.from_array(np.arange(100, dtype=np.float32), "w")])
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../secret.bin"
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


def cycle(path):
    save(path,
         [helper.make_node("Add", ["x", "b"], ["a"], name="head"),
          helper.make_node("Neg", ["a"], ["b"], name="tail"),
          helper.make_node("Neg", ["b"], ["y"])],
         [value("x", [4])], [value("y", [4])])


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
