// RUN: mercer-opt %s --mercer-simplify-onnx=max-unroll=3 | FileCheck %s

// CHECK-LABEL: func.func @forwarded
// CHECK-NEXT: return %arg0
func.func @forwarded(%x: tensor<?xf32>) -> tensor<*xf32> {
  %i = onnx.node "Identity"(%x) opset 17 : (tensor<?xf32>) -> tensor<*xf32>
  %d = onnx.node "Dropout"(%i) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %c = onnx.node "Cast"(%d) opset 17 {to = 1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  return %c : tensor<*xf32>
}

// CHECK-LABEL: func.func @dropout_that_trains
// CHECK: "Dropout"
func.func @dropout_that_trains(%x: tensor<?xf32>, %train: tensor<i1>) -> tensor<*xf32> {
  %none = onnx.none
  %d = onnx.node "Dropout"(%x, %none, %train) opset 17 : (tensor<?xf32>, !onnx.none, tensor<i1>) -> tensor<*xf32>
  return %d : tensor<*xf32>
}

// CHECK-LABEL: func.func @constants
// CHECK: %[[C:.*]] = arith.constant dense<8.000000e+00> : tensor<f32>
// CHECK-NEXT: return %[[C]]
func.func @constants() -> tensor<*xf32> {
  %c = arith.constant dense<64> : tensor<i64>
  %f = onnx.node "Cast"(%c) opset 17 {to = 1 : i64} : (tensor<i64>) -> tensor<*xf32>
  %r = onnx.node "Sqrt"(%f) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// CHECK-LABEL: func.func @then_branch
// CHECK-NEXT: %[[N:.*]] = onnx.node "Neg"(%arg0)
// CHECK-NEXT: return %[[N]]
func.func @then_branch(%x: tensor<?xf32>) -> tensor<*xf32> {
  %c = arith.constant dense<true> : tensor<i1>
  %y = onnx.node "If"(%c) opset 17 graphs("then_branch" {
    %n = onnx.node "Neg"(%x) opset 17 : (tensor<?xf32>) -> tensor<*xf32>
    onnx.yield %n : tensor<*xf32>
  }, "else_branch" {
    onnx.yield %x : tensor<?xf32>
  }) : (tensor<i1>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @unknown_condition
// CHECK: "If"
func.func @unknown_condition(%c: tensor<i1>, %x: tensor<?xf32>) -> tensor<*xf32> {
  %y = onnx.node "If"(%c) opset 17 graphs("then_branch" {
    onnx.yield %x : tensor<?xf32>
  }, "else_branch" {
    %n = onnx.node "Neg"(%x) opset 17 : (tensor<?xf32>) -> tensor<*xf32>
    onnx.yield %n : tensor<*xf32>
  }) : (tensor<i1>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @loop_of_two_steps
// CHECK: %[[A:.*]] = onnx.node "Mul"(%arg0, %arg0)
// CHECK: %[[B:.*]] = onnx.node "Mul"(%[[A]], %arg0)
// CHECK-DAG: %[[UA:.*]] = onnx.node "Unsqueeze"(%[[A]], %{{.*}})
// CHECK-DAG: %[[UB:.*]] = onnx.node "Unsqueeze"(%[[B]], %{{.*}})
// CHECK: %[[S:.*]] = onnx.node "Concat"(%[[UA]], %[[UB]]) opset 13 {axis = 0 : i64}
// CHECK: return %[[B]], %[[S]]
func.func @loop_of_two_steps(%x: tensor<?xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %n = arith.constant dense<2> : tensor<i64>
  %c = arith.constant dense<true> : tensor<i1>
  %y, %s = onnx.node "Loop"(%n, %c, %x) opset 17 graphs("body" {
  ^bb0(%i: tensor<i64>, %cond: tensor<i1>, %v: tensor<?xf32>):
    %go = onnx.node "Identity"(%cond) opset 17 : (tensor<i1>) -> tensor<i1>
    %m = onnx.node "Mul"(%v, %x) opset 17 : (tensor<?xf32>, tensor<?xf32>) -> tensor<*xf32>
    onnx.yield %go, %m, %m : tensor<i1>, tensor<*xf32>, tensor<*xf32>
  }) : (tensor<i64>, tensor<i1>, tensor<?xf32>) -> (tensor<*xf32>, tensor<*xf32>)
  return %y, %s : tensor<*xf32>, tensor<*xf32>
}

// CHECK-LABEL: func.func @loop_longer_than_the_limit
// CHECK: "Loop"
func.func @loop_longer_than_the_limit(%x: tensor<?xf32>) -> tensor<*xf32> {
  %n = arith.constant dense<4> : tensor<i64>
  %c = arith.constant dense<true> : tensor<i1>
  %y = onnx.node "Loop"(%n, %c, %x) opset 17 graphs("body" {
  ^bb0(%i: tensor<i64>, %cond: tensor<i1>, %v: tensor<?xf32>):
    %m = onnx.node "Mul"(%v, %x) opset 17 : (tensor<?xf32>, tensor<?xf32>) -> tensor<*xf32>
    onnx.yield %cond, %m : tensor<i1>, tensor<*xf32>
  }) : (tensor<i64>, tensor<i1>, tensor<?xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @scan_of_two_steps
// CHECK: %[[X1:.*]] = onnx.node "Gather"(%arg0, %{{.*}}) opset 13 {axis = 1 : i64}
// CHECK: %[[A:.*]] = onnx.node "Add"(%arg1, %[[X1]])
// CHECK: %[[X2:.*]] = onnx.node "Gather"(%arg0, %{{.*}}) opset 13 {axis = 1 : i64}
// CHECK: %[[B:.*]] = onnx.node "Add"(%[[A]], %[[X2]])
// CHECK: onnx.node "Concat"
// CHECK: return %[[B]]
func.func @scan_of_two_steps(%x: tensor<3x2xf32>, %s: tensor<3xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %y, %all = onnx.node "Scan"(%s, %x) opset 17 {num_scan_inputs = 1 : i64, scan_input_axes = array<i64: 1>} graphs("body" {
  ^bb0(%state: tensor<3xf32>, %row: tensor<3xf32>):
    %a = onnx.node "Add"(%state, %row) opset 17 : (tensor<3xf32>, tensor<3xf32>) -> tensor<*xf32>
    onnx.yield %a, %a : tensor<*xf32>, tensor<*xf32>
  }) : (tensor<3xf32>, tensor<3x2xf32>) -> (tensor<*xf32>, tensor<*xf32>)
  return %y, %all : tensor<*xf32>, tensor<*xf32>
}
