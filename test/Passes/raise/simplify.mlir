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

// CHECK-LABEL: func.func @dropout_whose_mask_is_used
// CHECK: "Dropout"
func.func @dropout_whose_mask_is_used(%x: tensor<?xf32>) -> (tensor<*xf32>, tensor<*xi1>) {
  %d, %m = onnx.node "Dropout"(%x) opset 17 : (tensor<?xf32>) -> (tensor<*xf32>, tensor<*xi1>)
  return %d, %m : tensor<*xf32>, tensor<*xi1>
}

// CHECK-LABEL: func.func @cast_to_another_type
// CHECK: "Cast"
func.func @cast_to_another_type(%x: tensor<?xf32>) -> tensor<*xf16> {
  %c = onnx.node "Cast"(%x) opset 17 {to = 10 : i64} : (tensor<?xf32>) -> tensor<*xf16>
  return %c : tensor<*xf16>
}

// CHECK-LABEL: func.func @cast_of_an_unknown_type
// CHECK: "Cast"
func.func @cast_of_an_unknown_type(%x: !onnx.any) -> tensor<*xf32> {
  %c = onnx.node "Cast"(%x) opset 17 {to = 1 : i64} : (!onnx.any) -> tensor<*xf32>
  return %c : tensor<*xf32>
}

// CHECK-LABEL: func.func @root_of_an_input
// CHECK: "Sqrt"
func.func @root_of_an_input(%x: tensor<f32>) -> tensor<*xf32> {
  %r = onnx.node "Sqrt"(%x) opset 17 : (tensor<f32>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// Weights are the constant program's.
// CHECK-LABEL: func.func @large_constant
// CHECK: "Neg"
func.func @large_constant() -> tensor<*xf32> {
  %c = arith.constant dense<1.0> : tensor<65xf32>
  %r = onnx.node "Neg"(%c) opset 17 : (tensor<65xf32>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// CHECK-LABEL: func.func @integer_overflow
// CHECK: "Add"
func.func @integer_overflow() -> tensor<*xi64> {
  %c = arith.constant dense<9223372036854775807> : tensor<i64>
  %one = arith.constant dense<1> : tensor<i64>
  %r = onnx.node "Add"(%c, %one) opset 17 : (tensor<i64>, tensor<i64>) -> tensor<*xi64>
  return %r : tensor<*xi64>
}

// CHECK-LABEL: func.func @integer_division_by_zero
// CHECK: "Div"
func.func @integer_division_by_zero() -> tensor<*xi64> {
  %c = arith.constant dense<7> : tensor<i64>
  %zero = arith.constant dense<0> : tensor<i64>
  %r = onnx.node "Div"(%c, %zero) opset 17 : (tensor<i64>, tensor<i64>) -> tensor<*xi64>
  return %r : tensor<*xi64>
}

// Bytes without a sign: 200 / 2 is 100, and 200 as a float is 200.
// CHECK-LABEL: func.func @unsigned_constants
// CHECK-DAG: %[[HALF:.*]] = arith.constant dense<100> : tensor<ui8>
// CHECK-DAG: %[[FLOAT:.*]] = arith.constant dense<2.000000e+02> : tensor<f32>
// CHECK: return %[[HALF]], %[[FLOAT]]
func.func @unsigned_constants() -> (tensor<*xui8>, tensor<*xf32>) {
  %c = arith.constant dense<200> : tensor<ui8>
  %two = arith.constant dense<2> : tensor<ui8>
  %h = onnx.node "Div"(%c, %two) opset 17 : (tensor<ui8>, tensor<ui8>) -> tensor<*xui8>
  %f = onnx.node "Cast"(%c) opset 17 {to = 1 : i64} : (tensor<ui8>) -> tensor<*xf32>
  return %h, %f : tensor<*xui8>, tensor<*xf32>
}

// Outside of the integers the result depends on the machine.
// CHECK-LABEL: func.func @float_beyond_the_integers
// CHECK: "Cast"
func.func @float_beyond_the_integers() -> tensor<*xi64> {
  %c = arith.constant dense<1.0e30> : tensor<f32>
  %r = onnx.node "Cast"(%c) opset 17 {to = 7 : i64} : (tensor<f32>) -> tensor<*xi64>
  return %r : tensor<*xi64>
}

// CHECK-LABEL: func.func @reshape_of_another_count
// CHECK: "Reshape"
func.func @reshape_of_another_count() -> tensor<*xf32> {
  %c = arith.constant dense<1.0> : tensor<6xf32>
  %s = arith.constant dense<[4, -1]> : tensor<2xi64>
  %r = onnx.node "Reshape"(%c, %s) opset 17 : (tensor<6xf32>, tensor<2xi64>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// CHECK-LABEL: func.func @squeeze_of_a_larger_dim
// CHECK: "Squeeze"
func.func @squeeze_of_a_larger_dim() -> tensor<*xf32> {
  %c = arith.constant dense<1.0> : tensor<2x1xf32>
  %s = arith.constant dense<0> : tensor<1xi64>
  %r = onnx.node "Squeeze"(%c, %s) opset 17 : (tensor<2x1xf32>, tensor<1xi64>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// The condition of a step is computed: it may end early.
// CHECK-LABEL: func.func @loop_that_may_end_early
// CHECK: "Loop"
func.func @loop_that_may_end_early(%x: tensor<f32>) -> tensor<*xf32> {
  %n = arith.constant dense<2> : tensor<i64>
  %c = arith.constant dense<true> : tensor<i1>
  %y = onnx.node "Loop"(%n, %c, %x) opset 17 graphs("body" {
  ^bb0(%i: tensor<i64>, %cond: tensor<i1>, %v: tensor<f32>):
    %m = onnx.node "Mul"(%v, %x) opset 17 : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %go = onnx.node "Less"(%m, %x) opset 17 : (tensor<f32>, tensor<f32>) -> tensor<*xi1>
    onnx.yield %go, %m : tensor<*xi1>, tensor<f32>
  }) : (tensor<i64>, tensor<i1>, tensor<f32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @loop_of_unknown_start
// CHECK: "Loop"
func.func @loop_of_unknown_start(%x: tensor<?xf32>, %c: tensor<i1>) -> tensor<*xf32> {
  %n = arith.constant dense<2> : tensor<i64>
  %y = onnx.node "Loop"(%n, %c, %x) opset 17 graphs("body" {
  ^bb0(%i: tensor<i64>, %cond: tensor<i1>, %v: tensor<?xf32>):
    %m = onnx.node "Mul"(%v, %x) opset 17 : (tensor<?xf32>, tensor<?xf32>) -> tensor<*xf32>
    onnx.yield %cond, %m : tensor<i1>, tensor<*xf32>
  }) : (tensor<i64>, tensor<i1>, tensor<?xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @loop_of_unknown_length
// CHECK: "Loop"
func.func @loop_of_unknown_length(%x: tensor<?xf32>, %n: tensor<i64>) -> tensor<*xf32> {
  %c = arith.constant dense<true> : tensor<i1>
  %y = onnx.node "Loop"(%n, %c, %x) opset 17 graphs("body" {
  ^bb0(%i: tensor<i64>, %cond: tensor<i1>, %v: tensor<?xf32>):
    %m = onnx.node "Mul"(%v, %x) opset 17 : (tensor<?xf32>, tensor<?xf32>) -> tensor<*xf32>
    onnx.yield %cond, %m : tensor<i1>, tensor<*xf32>
  }) : (tensor<i64>, tensor<i1>, tensor<?xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// No step: the carried value passes, nothing is stacked.
// CHECK-LABEL: func.func @loop_that_does_not_start
// CHECK-NOT: "Loop"
// CHECK: return %arg0
func.func @loop_that_does_not_start(%x: tensor<?xf32>) -> tensor<*xf32> {
  %n = arith.constant dense<2> : tensor<i64>
  %c = arith.constant dense<false> : tensor<i1>
  %y = onnx.node "Loop"(%n, %c, %x) opset 17 graphs("body" {
  ^bb0(%i: tensor<i64>, %cond: tensor<i1>, %v: tensor<?xf32>):
    %m = onnx.node "Mul"(%v, %x) opset 17 : (tensor<?xf32>, tensor<?xf32>) -> tensor<*xf32>
    onnx.yield %cond, %m : tensor<i1>, tensor<*xf32>
  }) : (tensor<i64>, tensor<i1>, tensor<?xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @scan_of_unknown_length
// CHECK: "Scan"
func.func @scan_of_unknown_length(%x: tensor<?x3xf32>, %s: tensor<3xf32>) -> tensor<*xf32> {
  %y = onnx.node "Scan"(%s, %x) opset 17 {num_scan_inputs = 1 : i64} graphs("body" {
  ^bb0(%state: tensor<3xf32>, %row: tensor<3xf32>):
    %a = onnx.node "Add"(%state, %row) opset 17 : (tensor<3xf32>, tensor<3xf32>) -> tensor<*xf32>
    onnx.yield %a : tensor<*xf32>
  }) : (tensor<3xf32>, tensor<?x3xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @scan_longer_than_the_limit
// CHECK: "Scan"
func.func @scan_longer_than_the_limit(%x: tensor<4x3xf32>, %s: tensor<3xf32>) -> tensor<*xf32> {
  %y = onnx.node "Scan"(%s, %x) opset 17 {num_scan_inputs = 1 : i64} graphs("body" {
  ^bb0(%state: tensor<3xf32>, %row: tensor<3xf32>):
    %a = onnx.node "Add"(%state, %row) opset 17 : (tensor<3xf32>, tensor<3xf32>) -> tensor<*xf32>
    onnx.yield %a : tensor<*xf32>
  }) : (tensor<3xf32>, tensor<4x3xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// Before opset 9 a Scan has a batch axis.
// CHECK-LABEL: func.func @scan_of_opset_8
// CHECK: "Scan"
func.func @scan_of_opset_8(%x: tensor<2x3xf32>, %s: tensor<3xf32>) -> tensor<*xf32> {
  %y = onnx.node "Scan"(%s, %x) opset 8 {num_scan_inputs = 1 : i64} graphs("body" {
  ^bb0(%state: tensor<3xf32>, %row: tensor<3xf32>):
    %a = onnx.node "Add"(%state, %row) opset 8 : (tensor<3xf32>, tensor<3xf32>) -> tensor<*xf32>
    onnx.yield %a : tensor<*xf32>
  }) : (tensor<3xf32>, tensor<2x3xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}
