// RUN: mercer-opt %s -split-input-file -mercer-lower-onnx -canonicalize | FileCheck %s

// Transposed operands are maps.
// CHECK-DAG: #[[A:.*]] = affine_map<(d0, d1, d2) -> (d2, d0)>
// CHECK-DAG: #[[B:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: func.func @gemm
// CHECK: mercer.contract [#[[A]], #[[B]], #{{.*}}] ins(%arg0, %arg1
// CHECK: linalg.generic
// CHECK: arith.addf
func.func @gemm(%a: tensor<8x4xf32>, %b: tensor<6x8xf32>, %c: tensor<6xf32>) -> tensor<*xf32> {
  %0 = onnx.node "Gemm"(%a, %b, %c) opset 13 {transA = 1 : i64, transB = 1 : i64} : (tensor<8x4xf32>, tensor<6x8xf32>, tensor<6xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// Half precision accumulates in single precision.
// CHECK-LABEL: func.func @matmul_f16
// CHECK: mercer.contract {{.*}} ins(%arg0, %arg1 : tensor<2x4xf16>, tensor<4x3xf16>) outs(%{{.*}} : tensor<2x3xf32>)
// CHECK: arith.truncf
func.func @matmul_f16(%a: tensor<2x4xf16>, %b: tensor<4x3xf16>) -> tensor<*xf16> {
  %0 = onnx.node "MatMul"(%a, %b) opset 13 : (tensor<2x4xf16>, tensor<4x3xf16>) -> tensor<*xf16>
  return %0 : tensor<*xf16>
}

// -----

// CHECK-LABEL: func.func @conv_same
// CHECK: mercer.conv ins(%arg0, %arg1
// CHECK-SAME: outs(%{{.*}} : tensor<1x4x4x4xf32>)
// CHECK-SAME: groups = 2
// CHECK-SAME: pads = array<i64: 0, 0, 1, 1>, strides = array<i64: 2, 2>
func.func @conv_same(%x: tensor<1x2x8x8xf32>, %w: tensor<4x1x3x3xf32>) -> tensor<*xf32> {
  %0 = onnx.node "Conv"(%x, %w) opset 11 {auto_pad = "SAME_UPPER", strides = array<i64: 2, 2>, group = 2 : i64} : (tensor<1x2x8x8xf32>, tensor<4x1x3x3xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @max_pool
// CHECK: mercer.window
// CHECK-SAME: bounds [#mercer.bounds<value, 0xFF800000 : f32>] extents = [-1, -1, -1, -1, 3, 3]
// CHECK: arith.maximumf
func.func @max_pool(%x: tensor<1x2x8x8xf32>) -> tensor<*xf32> {
  %0 = onnx.node "MaxPool"(%x) opset 12 {kernel_shape = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x2x8x8xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @attention
// CHECK: mercer.attention query(%arg0
// CHECK-SAME: causal
// CHECK-SAME: scale = 1.250000e-01
func.func @attention(%q: tensor<1x8x?x64xf32>, %k: tensor<1x8x?x64xf32>, %v: tensor<1x8x?x64xf32>) -> tensor<*xf32> {
  %0 = onnx.node "Attention"(%q, %k, %v) opset 23 {is_causal = 1 : i64} : (tensor<1x8x?x64xf32>, tensor<1x8x?x64xf32>, tensor<1x8x?x64xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @einsum
// CHECK: mercer.contract
func.func @einsum(%a: tensor<2x3x4xf32>, %b: tensor<2x4x5xf32>) -> tensor<*xf32> {
  %0 = onnx.node "Einsum"(%a, %b) opset 12 {equation = "bij,bjk->bik"} : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}
