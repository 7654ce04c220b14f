// RUN: mercer-opt %s -split-input-file -mercer-lower-onnx -verify-diagnostics

func.func @unknown(%x: tensor<4xf32>) -> tensor<*xf32> {
  // expected-error @+2 {{[E2003] node '?' (Reluu, domain ai.onnx, opset 13): the operator has no lowering (nearest: Relu)}}
  // expected-error @+1 {{[E2003] 2 nodes are not supported: 1 Reluu, 1 Softmaxx}}
  %0 = onnx.node "Reluu"(%x) opset 13 : (tensor<4xf32>) -> tensor<*xf32>
  // Every node is reported, not only the first.
  // expected-error @below {{[E2003] node '?' (Softmaxx, domain ai.onnx, opset 13): the operator has no lowering (nearest: Softmax)}}
  %1 = onnx.node "Softmaxx"(%0) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  return %1 : tensor<*xf32>
}

// -----

func.func @old_opset(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<*xf32> {
  // expected-error @below {{[E2005] node '?' (Add, domain ai.onnx, opset 6): supported from opset 7}}
  %0 = onnx.node "Add"(%x, %y) opset 6 : (tensor<4xf32>, tensor<4xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

func.func @strings(%x: tensor<4x!onnx.string>) -> tensor<*x!onnx.string> {
  // expected-error @below {{[E2004] node '?' (Identity, domain ai.onnx, opset 13): operand 0 has type tensor<4x!onnx.string>}}
  %0 = onnx.node "Identity"(%x) opset 13 : (tensor<4x!onnx.string>) -> tensor<*x!onnx.string>
  return %0 : tensor<*x!onnx.string>
}

// -----

func.func @no_broadcast(%x: tensor<4xf32>, %y: tensor<3xf32>) -> tensor<*xf32> {
  // expected-error @below {{[E2009] node '?' (Add, domain ai.onnx, opset 13): shapes of the operands do not broadcast}}
  %0 = onnx.node "Add"(%x, %y) opset 13 : (tensor<4xf32>, tensor<3xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

func.func @bad_axis(%x: tensor<4xf32>) -> tensor<*xf32> {
  // expected-error @below {{[E2008] node '?' (Softmax, domain ai.onnx, opset 13): axis 2 is outside of rank 1}}
  %0 = onnx.node "Softmax"(%x) opset 13 {axis = 2 : i64} : (tensor<4xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

func.func @bad_reshape(%x: tensor<4xf32>) -> tensor<*xf32> {
  %s = arith.constant dense<[2, 3]> : tensor<2xi64>
  // expected-error @below {{[E2009] node '?' (Reshape, domain ai.onnx, opset 13): shape of 6 elements for 4}}
  %0 = onnx.node "Reshape"(%x, %s) opset 13 : (tensor<4xf32>, tensor<2xi64>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

func.func @inner_sizes(%x: tensor<4x5xf32>, %y: tensor<4x5xf32>) -> tensor<*xf32> {
  // expected-error @below {{[E2009] node '?' (MatMul, domain ai.onnx, opset 13): shapes of the operands do not fit a matrix product}}
  %0 = onnx.node "MatMul"(%x, %y) opset 13 : (tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

func.func @channels(%x: tensor<1x3x8x8xf32>, %w: tensor<4x2x3x3xf32>) -> tensor<*xf32> {
  // expected-error @below {{[E2009] node '?' (Conv, domain ai.onnx, opset 13): channels do not fit: input 3, weight 4x2, group 1}}
  %0 = onnx.node "Conv"(%x, %w) opset 13 : (tensor<1x3x8x8xf32>, tensor<4x2x3x3xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

func.func @declared(%x: tensor<4xf32>) -> tensor<5xf32> {
  // expected-error @below {{[E2009] node '?' (Relu, domain ai.onnx, opset 13): output 0 is tensor<4xf32>, the model declares tensor<5xf32>}}
  %0 = onnx.node "Relu"(%x) opset 13 : (tensor<4xf32>) -> tensor<5xf32>
  return %0 : tensor<5xf32>
}
