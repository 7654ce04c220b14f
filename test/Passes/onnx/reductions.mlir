// RUN: mercer-opt %s -split-input-file -mercer-lower-onnx -canonicalize -cse | FileCheck %s

// Maximum, exponential, sum and quotient are four operations.
// CHECK-LABEL: func.func @softmax
// CHECK: arith.maximumf
// CHECK: math.exp
// CHECK: arith.addf
// CHECK: arith.divf
func.func @softmax(%x: tensor<?x10xf32>) -> tensor<*xf32> {
  %0 = onnx.node "Softmax"(%x) opset 13 : (tensor<?x10xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// The mean that keeps its dim is read without it.
// CHECK-DAG: #[[KEPT:.*]] = affine_map<(d0, d1) -> (d0)>
// CHECK-LABEL: func.func @mean_subtract
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: arith.divf
// CHECK: linalg.generic {indexing_maps = [#{{.*}}, #[[KEPT]], #{{.*}}]
func.func @mean_subtract(%x: tensor<4x10xf32>) -> tensor<*xf32> {
  %0 = onnx.node "ReduceMean"(%x) opset 13 {axes = array<i64: -1>} : (tensor<4x10xf32>) -> tensor<*xf32>
  %1 = onnx.node "Sub"(%x, %0) opset 13 : (tensor<4x10xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %1 : tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @argmax
// CHECK: arith.maximumf
// CHECK: arith.minsi
// CHECK: return %{{.*}} : tensor<4xi64>
func.func @argmax(%x: tensor<4x10xf32>) -> tensor<*xi64> {
  %0 = onnx.node "ArgMax"(%x) opset 13 {axis = 1 : i64, keepdims = 0 : i64} : (tensor<4x10xf32>) -> tensor<*xi64>
  return %0 : tensor<*xi64>
}

// -----

// The size of a reduction over a symbol is a host value.
// CHECK-LABEL: func.func @product_of_sizes
// CHECK: tensor.collapse_shape %arg0
// CHECK-NOT: linalg
func.func @product_of_sizes(%x: tensor<?x3x4xf32>) -> tensor<*xf32> {
  %s = onnx.node "Shape"(%x) opset 15 {start = 1 : i64} : (tensor<?x3x4xf32>) -> tensor<*xi64>
  %p = onnx.node "ReduceProd"(%s) opset 13 {axes = array<i64: 0>, keepdims = 1 : i64} : (tensor<*xi64>) -> tensor<*xi64>
  %m = arith.constant dense<-1> : tensor<1xi64>
  %t = onnx.node "Concat"(%m, %p) opset 13 {axis = 0 : i64} : (tensor<1xi64>, tensor<*xi64>) -> tensor<*xi64>
  %r = onnx.node "Reshape"(%x, %t) opset 13 : (tensor<?x3x4xf32>, tensor<*xi64>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// -----

// One pass along the axis: each step writes its element and carries the sum.
// CHECK-DAG: #[[ALL:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[ROW:.*]] = affine_map<(d0, d1) -> (d0)>
// CHECK-LABEL: func.func @running_sum
// CHECK: %[[SUM:.*]] = linalg.fill ins(%{{.*}} : f32) outs(%{{.*}} : tensor<?xf32>)
// CHECK: linalg.generic {indexing_maps = [#[[ALL]], #[[ALL]], #[[ROW]]], iterator_types = ["parallel", "reduction"]}
// CHECK-SAME: ins(%arg0 : tensor<?x?xf16>) outs(%{{.*}}, %[[SUM]] : tensor<?x?xf16>, tensor<?xf32>)
// CHECK: %[[X:.*]] = arith.extf
// CHECK: %[[S:.*]] = arith.addf %{{.*}}, %[[X]] : f32
// CHECK: %[[Y:.*]] = arith.truncf %[[S]]
// CHECK: linalg.yield %[[Y]], %[[S]] : f16, f32
func.func @running_sum(%x: tensor<?x?xf16>) -> tensor<*xf16> {
  %axis = arith.constant dense<-1> : tensor<i64>
  %r = onnx.node "CumSum"(%x, %axis) opset 14 : (tensor<?x?xf16>, tensor<i64>) -> tensor<*xf16>
  return %r : tensor<*xf16>
}

// -----

// CHECK-LABEL: func.func @exclusive_running_sum
func.func @exclusive_running_sum(%x: tensor<?xf32>) -> tensor<*xf32> {
  %axis = arith.constant dense<0> : tensor<i64>
  // CHECK: linalg.generic
  // CHECK: linalg.yield %[[BEFORE:.*]], %{{.*}} : f32, f32
  %r = onnx.node "CumSum"(%x, %axis) opset 14 {exclusive = 1 : i64} : (tensor<?xf32>, tensor<i64>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}
