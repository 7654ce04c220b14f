// RUN: mercer-opt %s -split-input-file -mercer-lower-onnx -canonicalize | FileCheck %s

// Unsigned operands divide unsigned, and the IR is signless.
// CHECK-LABEL: func.func @div_unsigned
// CHECK-SAME: tensor<4xi8>
// CHECK: arith.divui
func.func @div_unsigned(%a: tensor<4xui8>, %b: tensor<4xui8>) -> tensor<*xui8> {
  %0 = onnx.node "Div"(%a, %b) opset 14 : (tensor<4xui8>, tensor<4xui8>) -> tensor<*xui8>
  return %0 : tensor<*xui8>
}

// -----

// CHECK-LABEL: func.func @div_signed
// CHECK: arith.divsi
func.func @div_signed(%a: tensor<4xi8>, %b: tensor<4xi8>) -> tensor<*xi8> {
  %0 = onnx.node "Div"(%a, %b) opset 14 : (tensor<4xi8>, tensor<4xi8>) -> tensor<*xi8>
  return %0 : tensor<*xi8>
}

// -----

// Broadcasts are indexing maps; nothing is copied.
// CHECK-DAG: #[[ROW:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-DAG: #[[COL:.*]] = affine_map<(d0, d1) -> (d0, 0)>
// CHECK-LABEL: func.func @broadcast
// CHECK: linalg.generic {indexing_maps = [#[[COL]], #[[ROW]], #{{.*}}]
// CHECK: return %{{.*}} : tensor<3x4xf32>
func.func @broadcast(%a: tensor<3x1xf32>, %b: tensor<4xf32>) -> tensor<*xf32> {
  %0 = onnx.node "Add"(%a, %b) opset 14 : (tensor<3x1xf32>, tensor<4xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// Two symbols that must agree are compared on the host.
// CHECK-LABEL: func.func @guarded
// CHECK: cf.assert %{{.*}}, "[E4103] broadcast operands differ in size"
func.func @guarded(%a: tensor<?xf32> {mercer.dims = ["N"]}, %b: tensor<?xf32> {mercer.dims = ["M"]}) -> tensor<*xf32> {
  %0 = onnx.node "Add"(%a, %b) opset 14 : (tensor<?xf32>, tensor<?xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// One symbol needs no check.
// CHECK-LABEL: func.func @same_symbol
// CHECK-NOT: cf.assert
func.func @same_symbol(%a: tensor<?xf32> {mercer.dims = ["N"]}, %b: tensor<?xf32> {mercer.dims = ["N"]}) -> tensor<*xf32> {
  %0 = onnx.node "Add"(%a, %b) opset 14 : (tensor<?xf32>, tensor<?xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// A bool is an i8; a splat constant is part of the body.
// CHECK-LABEL: func.func @compare
// CHECK: ins(%arg0 : tensor<4xf32>) outs(%{{.*}} : tensor<4xi8>)
// CHECK: arith.cmpf ogt, %{{.*}}, %{{.*}} : f32
// CHECK: arith.extui %{{.*}} : i1 to i8
func.func @compare(%a: tensor<4xf32>) -> tensor<*xi1> {
  %c = arith.constant dense<0.5> : tensor<1xf32>
  %0 = onnx.node "Greater"(%a, %c) opset 13 : (tensor<4xf32>, tensor<1xf32>) -> tensor<*xi1>
  return %0 : tensor<*xi1>
}

// -----

// Half precision is computed in single precision.
// CHECK-LABEL: func.func @sigmoid_f16
// CHECK: arith.extf
// CHECK: math.exp %{{.*}} : f32
// CHECK: arith.truncf
func.func @sigmoid_f16(%a: tensor<4xf16>) -> tensor<*xf16> {
  %0 = onnx.node "Sigmoid"(%a) opset 13 : (tensor<4xf16>) -> tensor<*xf16>
  return %0 : tensor<*xf16>
}
