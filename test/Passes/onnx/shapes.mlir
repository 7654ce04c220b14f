// RUN: mercer-opt %s -split-input-file -mercer-lower-onnx -canonicalize -cse | FileCheck %s

// Shape, Gather, Concat and Reshape: nothing but a view is left.
// CHECK-LABEL: func.func @reshape_heads
// CHECK: %[[D:.*]] = tensor.dim %arg0
// CHECK: tensor.expand_shape %arg0 {{\[\[}}0], [1, 2]] output_shape [%[[D]], 12, 64]
// CHECK-NOT: onnx
func.func @reshape_heads(%x: tensor<?x768xf32> {mercer.dims = ["N", ""]}) -> tensor<*xf32> {
  %zero = arith.constant dense<0> : tensor<i64>
  %axes = arith.constant dense<0> : tensor<1xi64>
  %rest = arith.constant dense<[12, 64]> : tensor<2xi64>
  %s = onnx.node "Shape"(%x) opset 17 : (tensor<?x768xf32>) -> tensor<*xi64>
  %n = onnx.node "Gather"(%s, %zero) opset 17 : (tensor<*xi64>, tensor<i64>) -> tensor<*xi64>
  %u = onnx.node "Unsqueeze"(%n, %axes) opset 17 : (tensor<*xi64>, tensor<1xi64>) -> tensor<*xi64>
  %t = onnx.node "Concat"(%u, %rest) opset 17 {axis = 0 : i64} : (tensor<*xi64>, tensor<2xi64>) -> tensor<*xi64>
  %r = onnx.node "Reshape"(%x, %t) opset 17 : (tensor<?x768xf32>, tensor<*xi64>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// -----

// A symbol cancels: the inferred size is static.
// CHECK-LABEL: func.func @reshape_infer
// CHECK-SAME: -> (tensor<?x48xf32>
// CHECK: tensor.collapse_shape
func.func @reshape_infer(%x: tensor<?x6x8xf32>) -> tensor<*xf32> {
  %t = arith.constant dense<[0, -1]> : tensor<2xi64>
  %r = onnx.node "Reshape"(%x, %t) opset 17 : (tensor<?x6x8xf32>, tensor<2xi64>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @slice
// CHECK: tensor.extract_slice %arg0[1, 0] [2, 8] [1, 1]
func.func @slice(%x: tensor<4x8xf32>) -> tensor<*xf32> {
  %s = arith.constant dense<1> : tensor<1xi64>
  %e = arith.constant dense<-1> : tensor<1xi64>
  %a = arith.constant dense<0> : tensor<1xi64>
  %r = onnx.node "Slice"(%x, %s, %e, %a) opset 13 : (tensor<4x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// -----

// Bounds are clamped to a dim whose size arrives at run time, and the size keeps its bound.
// CHECK-DAG: #[[MIN:.*]] = affine_map<()[s0] -> (7, s0)>
// CHECK-LABEL: func.func @slice_head_of_dynamic
// CHECK: %[[D:.*]] = tensor.dim %arg0
// CHECK: %[[N:.*]] = affine.min #[[MIN]]()[%[[D]]]
// CHECK: tensor.extract_slice %arg0[0, 0] [%[[N]], 8] [1, 1]
// CHECK-NOT: cf.assert
func.func @slice_head_of_dynamic(%x: tensor<?x8xf32>) -> tensor<*xf32> {
  %s = arith.constant dense<0> : tensor<1xi64>
  %e = arith.constant dense<7> : tensor<1xi64>
  %a = arith.constant dense<0> : tensor<1xi64>
  %r = onnx.node "Slice"(%x, %s, %e, %a) opset 13 : (tensor<?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// -----

// A size that the model declares is believed, and compared when it runs.
// CHECK-LABEL: func.func @slice_of_declared_size
// CHECK: cf.assert %{{.*}}, "[E4103] a size differs from the one that the model declares"
// CHECK: tensor.extract_slice %arg0[0, 0] [7, 8] [1, 1]
func.func @slice_of_declared_size(%x: tensor<?x8xf32>) -> tensor<7x8xf32> {
  %s = arith.constant dense<0> : tensor<1xi64>
  %e = arith.constant dense<7> : tensor<1xi64>
  %a = arith.constant dense<0> : tensor<1xi64>
  %r = onnx.node "Slice"(%x, %s, %e, %a) opset 13 : (tensor<?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<7x8xf32>
  return %r : tensor<7x8xf32>
}

// -----

// A negative step is a gather.
// CHECK-LABEL: func.func @slice_backwards
// CHECK: linalg.generic
// CHECK: tensor.extract %arg0
func.func @slice_backwards(%x: tensor<4xf32>) -> tensor<*xf32> {
  %s = arith.constant dense<-1> : tensor<1xi64>
  %e = arith.constant dense<-9> : tensor<1xi64>
  %a = arith.constant dense<0> : tensor<1xi64>
  %m = arith.constant dense<-1> : tensor<1xi64>
  %r = onnx.node "Slice"(%x, %s, %e, %a, %m) opset 13 : (tensor<4xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// -----

// Axes are an attribute before opset 13 and an operand from there on.
// CHECK-LABEL: func.func @squeeze_both
// CHECK-COUNT-1: tensor.collapse_shape
// CHECK: return %{{.*}}, %{{.*}} : tensor<4xf32>, tensor<4xf32>
func.func @squeeze_both(%x: tensor<1x4x1xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %a = arith.constant dense<[0, 2]> : tensor<2xi64>
  %0 = onnx.node "Squeeze"(%x) opset 11 {axes = array<i64: 0, -1>} : (tensor<1x4x1xf32>) -> tensor<*xf32>
  %1 = onnx.node "Squeeze"(%x, %a) opset 13 : (tensor<1x4x1xf32>, tensor<2xi64>) -> tensor<*xf32>
  return %0, %1 : tensor<*xf32>, tensor<*xf32>
}

// -----

// Two symbols that are multiplied by a constant and concatenated stay affine.
// CHECK-LABEL: func.func @resize_twice
// CHECK: %[[H:.*]] = affine.apply
// CHECK: tensor.empty(%[[H]]) : tensor<1x3x?x8xf32>
func.func @resize_twice(%x: tensor<1x3x?x4xf32>) -> tensor<*xf32> {
  %none = onnx.none
  %s = arith.constant dense<[1.0, 1.0, 2.0, 2.0]> : tensor<4xf32>
  %r = onnx.node "Resize"(%x, %none, %s) opset 13 {mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"} : (tensor<1x3x?x4xf32>, !onnx.none, tensor<4xf32>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}
