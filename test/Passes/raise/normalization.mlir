// RUN: mercer-opt %s --mercer-raise-onnx | FileCheck %s

// CHECK-LABEL: func.func @layer_norm
// CHECK-NEXT: %[[G:.*]] = arith.constant dense<2.0
// CHECK-NEXT: %[[B:.*]] = arith.constant dense<3.0
// CHECK: onnx.node "LayerNormalization"(%arg0, %[[G]], %[[B]]) opset 17 {axis = -1 : i64, epsilon = 9.99999996E-13 : f32}
// CHECK-NEXT: return
func.func @layer_norm(%x: tensor<?x?x4xf32>) -> tensor<*xf32> {
  %g = arith.constant dense<2.0> : tensor<4xf32>
  %b = arith.constant dense<3.0> : tensor<4xf32>
  %two = arith.constant dense<2.0> : tensor<f32>
  %eps = arith.constant dense<1.0e-12> : tensor<f32>
  %m = onnx.node "ReduceMean"(%x) opset 13 {axes = array<i64: -1>, keepdims = 1 : i64} : (tensor<?x?x4xf32>) -> tensor<*xf32>
  %d = onnx.node "Sub"(%x, %m) opset 13 : (tensor<?x?x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  %p = onnx.node "Pow"(%d, %two) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%p) opset 13 {axes = array<i64: 2>, keepdims = 1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%v, %eps) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %r = onnx.node "Sqrt"(%a) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %n = onnx.node "Div"(%d, %r) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %s = onnx.node "Mul"(%n, %g) opset 13 : (tensor<*xf32>, tensor<4xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%s, %b) opset 13 : (tensor<*xf32>, tensor<4xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @variance_over_another_axis
// CHECK-NOT: "LayerNormalization"
func.func @variance_over_another_axis(%x: tensor<?x?x4xf32>) -> tensor<*xf32> {
  %eps = arith.constant dense<1.0e-12> : tensor<f32>
  %m = onnx.node "ReduceMean"(%x) opset 13 {axes = array<i64: -1>, keepdims = 1 : i64} : (tensor<?x?x4xf32>) -> tensor<*xf32>
  %d = onnx.node "Sub"(%x, %m) opset 13 : (tensor<?x?x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  %p = onnx.node "Mul"(%d, %d) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%p) opset 13 {axes = array<i64: 1>, keepdims = 1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%v, %eps) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %r = onnx.node "Sqrt"(%a) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %n = onnx.node "Div"(%d, %r) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %n : tensor<*xf32>
}

// Llama's form: f32 inside, scale in the narrow type.
// CHECK-LABEL: func.func @rms_norm_between_casts
// CHECK: onnx.node "RMSNormalization"(%arg0, %arg1) opset 23 {axis = -1 : i64, epsilon = 9.99999997E-7 : f32} : (tensor<?x?x4xf16>, tensor<4xf16>) -> tensor<*xf16>
// CHECK-NEXT: return
func.func @rms_norm_between_casts(%x: tensor<?x?x4xf16>, %g: tensor<4xf16>) -> tensor<*xf16> {
  %two = arith.constant dense<2.0> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %eps = arith.constant dense<1.0e-6> : tensor<f32>
  %w = onnx.node "Cast"(%x) opset 18 {to = 1 : i64} : (tensor<?x?x4xf16>) -> tensor<*xf32>
  %p = onnx.node "Pow"(%w, %two) opset 18 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%p) opset 13 {axes = array<i64: -1>} : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%v, %eps) opset 18 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %r = onnx.node "Sqrt"(%a) opset 18 : (tensor<*xf32>) -> tensor<*xf32>
  %i = onnx.node "Div"(%one, %r) opset 18 : (tensor<f32>, tensor<*xf32>) -> tensor<*xf32>
  %n = onnx.node "Mul"(%w, %i) opset 18 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %c = onnx.node "Cast"(%n) opset 18 {to = 10 : i64} : (tensor<*xf32>) -> tensor<*xf16>
  %y = onnx.node "Mul"(%g, %c) opset 18 : (tensor<4xf16>, tensor<*xf16>) -> tensor<*xf16>
  return %y : tensor<*xf16>
}

// CHECK-LABEL: func.func @mean_of_squares_of_another
// CHECK-NOT: "RMSNormalization"
func.func @mean_of_squares_of_another(%x: tensor<?x4xf32>, %z: tensor<?x4xf32>) -> tensor<*xf32> {
  %eps = arith.constant dense<1.0e-6> : tensor<f32>
  %p = onnx.node "Mul"(%z, %z) opset 18 : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%p) opset 13 {axes = array<i64: -1>} : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%v, %eps) opset 18 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %r = onnx.node "Sqrt"(%a) opset 18 : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Div"(%x, %r) opset 18 : (tensor<?x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @group_norm
// CHECK: %[[G:.*]] = onnx.node "Reshape"(%arg1, %{{.*}}) {{.*}} -> tensor<8xf32>
// CHECK: %[[B:.*]] = onnx.node "Reshape"(%arg2, %{{.*}}) {{.*}} -> tensor<8xf32>
// CHECK: onnx.node "GroupNormalization"(%arg0, %[[G]], %[[B]]) opset 21 {epsilon = 9.99999997E-7 : f32, num_groups = 2 : i64}
func.func @group_norm(%x: tensor<?x8x?x?xf32>, %g: tensor<8x1x1xf32>, %b: tensor<8x1x1xf32>) -> tensor<*xf32> {
  %groups = arith.constant dense<[0, 2, -1]> : tensor<3xi64>
  %ones = arith.constant dense<1.0> : tensor<2xf32>
  %zeros = arith.constant dense<0.0> : tensor<2xf32>
  %r = onnx.node "Reshape"(%x, %groups) opset 18 : (tensor<?x8x?x?xf32>, tensor<3xi64>) -> tensor<*xf32>
  %i = onnx.node "InstanceNormalization"(%r, %ones, %zeros) opset 18 {epsilon = 1.0e-6 : f32} : (tensor<*xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<*xf32>
  %shape = onnx.node "Shape"(%x) opset 18 : (tensor<?x8x?x?xf32>) -> tensor<*xi64>
  %back = onnx.node "Reshape"(%i, %shape) opset 18 : (tensor<*xf32>, tensor<*xi64>) -> tensor<*xf32>
  %s = onnx.node "Mul"(%back, %g) opset 18 : (tensor<*xf32>, tensor<8x1x1xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%s, %b) opset 18 : (tensor<*xf32>, tensor<8x1x1xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// Each group has its own scale: not what GroupNormalization computes.
// CHECK-LABEL: func.func @group_norm_with_group_scale
// CHECK-NOT: "GroupNormalization"
func.func @group_norm_with_group_scale(%x: tensor<?x8x?x?xf32>, %g: tensor<8x1x1xf32>, %b: tensor<8x1x1xf32>) -> tensor<*xf32> {
  %groups = arith.constant dense<[0, 2, -1]> : tensor<3xi64>
  %scales = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %zeros = arith.constant dense<0.0> : tensor<2xf32>
  %r = onnx.node "Reshape"(%x, %groups) opset 18 : (tensor<?x8x?x?xf32>, tensor<3xi64>) -> tensor<*xf32>
  %i = onnx.node "InstanceNormalization"(%r, %scales, %zeros) opset 18 : (tensor<*xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<*xf32>
  %shape = onnx.node "Shape"(%x) opset 18 : (tensor<?x8x?x?xf32>) -> tensor<*xi64>
  %back = onnx.node "Reshape"(%i, %shape) opset 18 : (tensor<*xf32>, tensor<*xi64>) -> tensor<*xf32>
  %s = onnx.node "Mul"(%back, %g) opset 18 : (tensor<*xf32>, tensor<8x1x1xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%s, %b) opset 18 : (tensor<*xf32>, tensor<8x1x1xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @softmax_written_out
// CHECK-NEXT: onnx.node "Softmax"(%arg0) opset 13 {axis = -1 : i64}
func.func @softmax_written_out(%x: tensor<?x4xf32>) -> tensor<*xf32> {
  %m = onnx.node "ReduceMax"(%x) opset 13 {axes = array<i64: 1>} : (tensor<?x4xf32>) -> tensor<*xf32>
  %d = onnx.node "Sub"(%x, %m) opset 13 : (tensor<?x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  %e = onnx.node "Exp"(%d) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %axes = arith.constant dense<-1> : tensor<1xi64>
  %s = onnx.node "ReduceSum"(%e, %axes) opset 13 : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
  %y = onnx.node "Div"(%e, %s) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// The new weights and bias are computed in f64 and rounded once.
// CHECK-LABEL: func.func @batch_norm_after_conv
// CHECK-DAG: %[[W:.*]] = mercer.weight "m.onnx"[0, 864]
// CHECK-DAG: %[[WIDE:.*]] = onnx.node "Cast"(%[[W]]) opset 13 {to = 11 : i64} {{.*}} -> tensor<8x3x3x3xf64>
// CHECK-DAG: %[[SPREAD:.*]] = onnx.node "Reshape"({{.*}}) {{.*}} -> tensor<8x1x1x1xf64>
// CHECK-DAG: %[[MUL:.*]] = onnx.node "Mul"(%[[WIDE]], %[[SPREAD]]) {{.*}} -> tensor<8x3x3x3xf64>
// CHECK-DAG: %[[NEW:.*]] = onnx.node "Cast"(%[[MUL]]) opset 13 {to = 1 : i64} {{.*}} -> tensor<8x3x3x3xf32>
// CHECK: onnx.node "Conv"(%arg0, %[[NEW]], %{{.*}}) opset 17 {pads = array<i64: 1, 1, 1, 1>}
// CHECK-NOT: "BatchNormalization"
func.func @batch_norm_after_conv(%x: tensor<?x3x?x?xf32>) -> tensor<*xf32> {
  %w = mercer.weight "m.onnx"[0, 864] : tensor<8x3x3x3xf32>
  %s = arith.constant dense<1.0> : tensor<8xf32>
  %b = arith.constant dense<2.0> : tensor<8xf32>
  %m = arith.constant dense<3.0> : tensor<8xf32>
  %v = arith.constant dense<4.0> : tensor<8xf32>
  %c = onnx.node "Conv"(%x, %w) opset 17 {pads = array<i64: 1, 1, 1, 1>} : (tensor<?x3x?x?xf32>, tensor<8x3x3x3xf32>) -> tensor<*xf32>
  %y = onnx.node "BatchNormalization"(%c, %s, %b, %m, %v) opset 15 {epsilon = 1.0e-5 : f32} : (tensor<*xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @batch_norm_of_a_shared_conv
// CHECK: "BatchNormalization"
func.func @batch_norm_of_a_shared_conv(%x: tensor<?x3x?x?xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %w = mercer.weight "m.onnx"[0, 864] : tensor<8x3x3x3xf32>
  %s = arith.constant dense<1.0> : tensor<8xf32>
  %c = onnx.node "Conv"(%x, %w) opset 17 : (tensor<?x3x?x?xf32>, tensor<8x3x3x3xf32>) -> tensor<*xf32>
  %y = onnx.node "BatchNormalization"(%c, %s, %s, %s, %s) opset 15 : (tensor<*xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<*xf32>
  return %y, %c : tensor<*xf32>, tensor<*xf32>
}

// The mean is taken over rows, the variance within them. What is left is the root
// mean square of the difference.
// CHECK-LABEL: func.func @mean_over_another_axis
// CHECK-NOT: "LayerNormalization"
// CHECK: return
func.func @mean_over_another_axis(%x: tensor<?x?x4xf32>) -> tensor<*xf32> {
  %eps = arith.constant dense<1.0e-6> : tensor<f32>
  %m = onnx.node "ReduceMean"(%x) opset 13 {axes = array<i64: 1>} : (tensor<?x?x4xf32>) -> tensor<*xf32>
  %d = onnx.node "Sub"(%x, %m) opset 13 : (tensor<?x?x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  %p = onnx.node "Mul"(%d, %d) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%p) opset 13 {axes = array<i64: -1>} : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%v, %eps) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %r = onnx.node "Sqrt"(%a) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Div"(%d, %r) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @mean_of_another_value
// CHECK-NOT: "LayerNormalization"
func.func @mean_of_another_value(%x: tensor<?x?x4xf32>, %z: tensor<?x?x4xf32>) -> tensor<*xf32> {
  %eps = arith.constant dense<1.0e-6> : tensor<f32>
  %m = onnx.node "ReduceMean"(%z) opset 13 {axes = array<i64: -1>} : (tensor<?x?x4xf32>) -> tensor<*xf32>
  %d = onnx.node "Sub"(%x, %m) opset 13 : (tensor<?x?x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  %p = onnx.node "Mul"(%d, %d) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%p) opset 13 {axes = array<i64: -1>} : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%v, %eps) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %r = onnx.node "Sqrt"(%a) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Div"(%d, %r) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// Without its axis the mean of the rows is taken off the columns.
// CHECK-LABEL: func.func @mean_without_kept_axis
// CHECK-NOT: "LayerNormalization"
func.func @mean_without_kept_axis(%x: tensor<4x4xf32>) -> tensor<*xf32> {
  %eps = arith.constant dense<1.0e-6> : tensor<f32>
  %m = onnx.node "ReduceMean"(%x) opset 13 {axes = array<i64: -1>, keepdims = 0 : i64} : (tensor<4x4xf32>) -> tensor<*xf32>
  %d = onnx.node "Sub"(%x, %m) opset 13 : (tensor<4x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  %p = onnx.node "Mul"(%d, %d) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%p) opset 13 {axes = array<i64: -1>} : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%v, %eps) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %r = onnx.node "Sqrt"(%a) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Div"(%d, %r) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @variance_without_kept_axis
// CHECK-NOT: "LayerNormalization"
// CHECK-NOT: "RMSNormalization"
func.func @variance_without_kept_axis(%x: tensor<4x4xf32>) -> tensor<*xf32> {
  %eps = arith.constant dense<1.0e-6> : tensor<f32>
  %m = onnx.node "ReduceMean"(%x) opset 13 {axes = array<i64: -1>} : (tensor<4x4xf32>) -> tensor<*xf32>
  %d = onnx.node "Sub"(%x, %m) opset 13 : (tensor<4x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  %p = onnx.node "Mul"(%d, %d) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%p) opset 13 {axes = array<i64: -1>, keepdims = 0 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%v, %eps) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %r = onnx.node "Sqrt"(%a) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Div"(%d, %r) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @norm_over_a_middle_axis
// CHECK-NOT: "RMSNormalization"
func.func @norm_over_a_middle_axis(%x: tensor<?x?x4xf32>) -> tensor<*xf32> {
  %eps = arith.constant dense<1.0e-6> : tensor<f32>
  %p = onnx.node "Mul"(%x, %x) opset 13 : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%p) opset 13 {axes = array<i64: 1>} : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%v, %eps) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %r = onnx.node "Sqrt"(%a) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Div"(%x, %r) opset 13 : (tensor<?x?x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// Without an epsilon rows of zeros give NaN, not 0.
// CHECK-LABEL: func.func @no_epsilon
// CHECK-NOT: "RMSNormalization"
func.func @no_epsilon(%x: tensor<?x?x4xf32>) -> tensor<*xf32> {
  %p = onnx.node "Mul"(%x, %x) opset 13 : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%p) opset 13 {axes = array<i64: -1>} : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "Sqrt"(%v) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Div"(%x, %r) opset 13 : (tensor<?x?x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @mean_of_cubes
// CHECK-NOT: "RMSNormalization"
func.func @mean_of_cubes(%x: tensor<?x?x4xf32>) -> tensor<*xf32> {
  %eps = arith.constant dense<1.0e-6> : tensor<f32>
  %three = arith.constant dense<3.0> : tensor<f32>
  %p = onnx.node "Pow"(%x, %three) opset 13 : (tensor<?x?x4xf32>, tensor<f32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%p) opset 13 {axes = array<i64: -1>} : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%v, %eps) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %r = onnx.node "Sqrt"(%a) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Div"(%x, %r) opset 13 : (tensor<?x?x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @divided_by_the_square
// CHECK-NOT: "RMSNormalization"
func.func @divided_by_the_square(%x: tensor<?x?x4xf32>) -> tensor<*xf32> {
  %eps = arith.constant dense<1.0e-6> : tensor<f32>
  %p = onnx.node "Mul"(%x, %x) opset 13 : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%p) opset 13 {axes = array<i64: -1>} : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%v, %eps) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %y = onnx.node "Div"(%x, %a) opset 13 : (tensor<?x?x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @two_over_the_root
// CHECK-NOT: "RMSNormalization"
func.func @two_over_the_root(%x: tensor<?x?x4xf32>) -> tensor<*xf32> {
  %eps = arith.constant dense<1.0e-6> : tensor<f32>
  %two = arith.constant dense<2.0> : tensor<f32>
  %p = onnx.node "Mul"(%x, %x) opset 13 : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%p) opset 13 {axes = array<i64: -1>} : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%v, %eps) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %r = onnx.node "Sqrt"(%a) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %i = onnx.node "Div"(%two, %r) opset 13 : (tensor<f32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%x, %i) opset 13 : (tensor<?x?x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @another_power_of_the_variance
// CHECK-NOT: "RMSNormalization"
func.func @another_power_of_the_variance(%x: tensor<?x?x4xf32>) -> tensor<*xf32> {
  %eps = arith.constant dense<1.0e-6> : tensor<f32>
  %e = arith.constant dense<-0.25> : tensor<f32>
  %p = onnx.node "Mul"(%x, %x) opset 13 : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%p) opset 13 {axes = array<i64: -1>} : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%v, %eps) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %i = onnx.node "Pow"(%a, %e) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%x, %i) opset 13 : (tensor<?x?x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// A scale for each row is not over the normalised axis.
// CHECK-LABEL: func.func @scale_of_rows
// CHECK: %[[N:.*]] = onnx.node "RMSNormalization"
// CHECK: onnx.node "Mul"(%[[N]], %arg1)
func.func @scale_of_rows(%x: tensor<?x?x4xf32>, %g: tensor<?x1xf32>) -> tensor<*xf32> {
  %one = arith.constant dense<1.0> : tensor<1xf32>
  %n = onnx.node "RMSNormalization"(%x, %one) opset 23 {axis = -1 : i64} : (tensor<?x?x4xf32>, tensor<1xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%n, %g) opset 13 : (tensor<*xf32>, tensor<?x1xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @scale_of_a_shared_norm
// CHECK: onnx.node "Mul"
func.func @scale_of_a_shared_norm(%x: tensor<?x?x4xf32>, %g: tensor<4xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %one = arith.constant dense<1.0> : tensor<1xf32>
  %n = onnx.node "RMSNormalization"(%x, %one) opset 23 {axis = -1 : i64} : (tensor<?x?x4xf32>, tensor<1xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%n, %g) opset 13 : (tensor<*xf32>, tensor<4xf32>) -> tensor<*xf32>
  return %y, %n : tensor<*xf32>, tensor<*xf32>
}

// The second result of a LayerNormalization is its mean.
// CHECK-LABEL: func.func @scale_of_the_mean
// CHECK: %[[N:.*]]:2 = onnx.node "LayerNormalization"
// CHECK: onnx.node "Mul"(%[[N]]#1, %arg1)
func.func @scale_of_the_mean(%x: tensor<?x?x4xf32>, %g: tensor<4xf32>) -> tensor<*xf32> {
  %one = arith.constant dense<1.0> : tensor<1xf32>
  %n, %m = onnx.node "LayerNormalization"(%x, %one) opset 17 {axis = -1 : i64} : (tensor<?x?x4xf32>, tensor<1xf32>) -> (tensor<*xf32>, tensor<*xf32>)
  %y = onnx.node "Mul"(%m, %g) opset 13 : (tensor<*xf32>, tensor<4xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @bias_of_rows
// CHECK: onnx.node "Add"
func.func @bias_of_rows(%x: tensor<?x?x4xf32>, %b: tensor<?x1xf32>) -> tensor<*xf32> {
  %g = arith.constant dense<2.0> : tensor<4xf32>
  %n = onnx.node "LayerNormalization"(%x, %g) opset 17 {axis = -1 : i64} : (tensor<?x?x4xf32>, tensor<4xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%n, %b) opset 13 : (tensor<*xf32>, tensor<?x1xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @bias_of_a_shared_norm
// CHECK: onnx.node "Add"
func.func @bias_of_a_shared_norm(%x: tensor<?x?x4xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %g = arith.constant dense<2.0> : tensor<4xf32>
  %b = arith.constant dense<3.0> : tensor<4xf32>
  %n = onnx.node "LayerNormalization"(%x, %g) opset 17 {axis = -1 : i64} : (tensor<?x?x4xf32>, tensor<4xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%n, %b) opset 13 : (tensor<*xf32>, tensor<4xf32>) -> tensor<*xf32>
  return %y, %n : tensor<*xf32>, tensor<*xf32>
}

// CHECK-LABEL: func.func @second_bias
// CHECK: onnx.node "Add"
func.func @second_bias(%x: tensor<?x?x4xf32>) -> tensor<*xf32> {
  %g = arith.constant dense<2.0> : tensor<4xf32>
  %b = arith.constant dense<3.0> : tensor<4xf32>
  %c = arith.constant dense<4.0> : tensor<4xf32>
  %n = onnx.node "LayerNormalization"(%x, %g, %b) opset 17 {axis = -1 : i64} : (tensor<?x?x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%n, %c) opset 13 : (tensor<*xf32>, tensor<4xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// Two batch entries are one: the statistics are over both.
// CHECK-LABEL: func.func @group_norm_of_merged_batches
// CHECK-NOT: "GroupNormalization"
func.func @group_norm_of_merged_batches(%x: tensor<6x8x?x?xf32>, %g: tensor<8x1x1xf32>, %b: tensor<8x1x1xf32>) -> tensor<*xf32> {
  %groups = arith.constant dense<[3, 2, -1]> : tensor<3xi64>
  %ones = arith.constant dense<1.0> : tensor<2xf32>
  %zeros = arith.constant dense<0.0> : tensor<2xf32>
  %r = onnx.node "Reshape"(%x, %groups) opset 13 : (tensor<6x8x?x?xf32>, tensor<3xi64>) -> tensor<*xf32>
  %i = onnx.node "InstanceNormalization"(%r, %ones, %zeros) opset 13 {epsilon = 1.0e-6 : f32} : (tensor<*xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<*xf32>
  %shape = onnx.node "Shape"(%x) opset 18 : (tensor<6x8x?x?xf32>) -> tensor<*xi64>
  %back = onnx.node "Reshape"(%i, %shape) opset 13 : (tensor<*xf32>, tensor<*xi64>) -> tensor<*xf32>
  %s = onnx.node "Mul"(%back, %g) opset 13 : (tensor<*xf32>, tensor<8x1x1xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%s, %b) opset 13 : (tensor<*xf32>, tensor<8x1x1xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @group_norm_of_four_dims
// CHECK-NOT: "GroupNormalization"
func.func @group_norm_of_four_dims(%x: tensor<?x8x?x?xf32>, %g: tensor<8x1x1xf32>, %b: tensor<8x1x1xf32>) -> tensor<*xf32> {
  %groups = arith.constant dense<[0, 2, 4, -1]> : tensor<4xi64>
  %ones = arith.constant dense<1.0> : tensor<2xf32>
  %zeros = arith.constant dense<0.0> : tensor<2xf32>
  %r = onnx.node "Reshape"(%x, %groups) opset 13 : (tensor<?x8x?x?xf32>, tensor<4xi64>) -> tensor<*xf32>
  %i = onnx.node "InstanceNormalization"(%r, %ones, %zeros) opset 13 {epsilon = 1.0e-6 : f32} : (tensor<*xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<*xf32>
  %shape = onnx.node "Shape"(%x) opset 18 : (tensor<?x8x?x?xf32>) -> tensor<*xi64>
  %back = onnx.node "Reshape"(%i, %shape) opset 13 : (tensor<*xf32>, tensor<*xi64>) -> tensor<*xf32>
  %s = onnx.node "Mul"(%back, %g) opset 13 : (tensor<*xf32>, tensor<8x1x1xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%s, %b) opset 13 : (tensor<*xf32>, tensor<8x1x1xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @group_norm_with_group_bias
// CHECK-NOT: "GroupNormalization"
func.func @group_norm_with_group_bias(%x: tensor<?x8x?x?xf32>, %g: tensor<8x1x1xf32>, %b: tensor<8x1x1xf32>) -> tensor<*xf32> {
  %groups = arith.constant dense<[0, 2, -1]> : tensor<3xi64>
  %ones = arith.constant dense<1.0> : tensor<2xf32>
  %zeros = arith.constant dense<[0.0, 1.0]> : tensor<2xf32>
  %r = onnx.node "Reshape"(%x, %groups) opset 13 : (tensor<?x8x?x?xf32>, tensor<3xi64>) -> tensor<*xf32>
  %i = onnx.node "InstanceNormalization"(%r, %ones, %zeros) opset 13 {epsilon = 1.0e-6 : f32} : (tensor<*xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<*xf32>
  %shape = onnx.node "Shape"(%x) opset 18 : (tensor<?x8x?x?xf32>) -> tensor<*xi64>
  %back = onnx.node "Reshape"(%i, %shape) opset 13 : (tensor<*xf32>, tensor<*xi64>) -> tensor<*xf32>
  %s = onnx.node "Mul"(%back, %g) opset 13 : (tensor<*xf32>, tensor<8x1x1xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%s, %b) opset 13 : (tensor<*xf32>, tensor<8x1x1xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// The result has the shape of another value.
// CHECK-LABEL: func.func @group_norm_of_another_shape
// CHECK-NOT: "GroupNormalization"
func.func @group_norm_of_another_shape(%x: tensor<?x8x?x?xf32>, %g: tensor<8x1x1xf32>, %b: tensor<8x1x1xf32>, %z: tensor<?x4x?x?xf32>) -> tensor<*xf32> {
  %groups = arith.constant dense<[0, 2, -1]> : tensor<3xi64>
  %ones = arith.constant dense<1.0> : tensor<2xf32>
  %zeros = arith.constant dense<0.0> : tensor<2xf32>
  %r = onnx.node "Reshape"(%x, %groups) opset 13 : (tensor<?x8x?x?xf32>, tensor<3xi64>) -> tensor<*xf32>
  %i = onnx.node "InstanceNormalization"(%r, %ones, %zeros) opset 13 {epsilon = 1.0e-6 : f32} : (tensor<*xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<*xf32>
  %shape = onnx.node "Shape"(%z) opset 18 : (tensor<?x4x?x?xf32>) -> tensor<*xi64>
  %back = onnx.node "Reshape"(%i, %shape) opset 13 : (tensor<*xf32>, tensor<*xi64>) -> tensor<*xf32>
  %s = onnx.node "Mul"(%back, %g) opset 13 : (tensor<*xf32>, tensor<8x1x1xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%s, %b) opset 13 : (tensor<*xf32>, tensor<8x1x1xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// [8] is over the last axis, not over channels.
// CHECK-LABEL: func.func @group_norm_with_scale_of_columns
// CHECK-NOT: "GroupNormalization"
func.func @group_norm_with_scale_of_columns(%x: tensor<?x8x?x?xf32>, %g: tensor<8xf32>, %b: tensor<8x1x1xf32>) -> tensor<*xf32> {
  %groups = arith.constant dense<[0, 2, -1]> : tensor<3xi64>
  %ones = arith.constant dense<1.0> : tensor<2xf32>
  %zeros = arith.constant dense<0.0> : tensor<2xf32>
  %r = onnx.node "Reshape"(%x, %groups) opset 13 : (tensor<?x8x?x?xf32>, tensor<3xi64>) -> tensor<*xf32>
  %i = onnx.node "InstanceNormalization"(%r, %ones, %zeros) opset 13 {epsilon = 1.0e-6 : f32} : (tensor<*xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<*xf32>
  %shape = onnx.node "Shape"(%x) opset 18 : (tensor<?x8x?x?xf32>) -> tensor<*xi64>
  %back = onnx.node "Reshape"(%i, %shape) opset 13 : (tensor<*xf32>, tensor<*xi64>) -> tensor<*xf32>
  %s = onnx.node "Mul"(%back, %g) opset 13 : (tensor<*xf32>, tensor<8xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%s, %b) opset 13 : (tensor<*xf32>, tensor<8x1x1xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @softmax_of_another_maximum
// CHECK-NOT: "Softmax"
func.func @softmax_of_another_maximum(%x: tensor<?x4xf32>, %z: tensor<?x4xf32>) -> tensor<*xf32> {
  %axes = arith.constant dense<-1> : tensor<1xi64>
  %m = onnx.node "ReduceMax"(%z) opset 13 {axes = array<i64: 1>} : (tensor<?x4xf32>) -> tensor<*xf32>
  %d = onnx.node "Sub"(%x, %m) opset 13 : (tensor<?x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  %e = onnx.node "Exp"(%d) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %s = onnx.node "ReduceSum"(%e, %axes) opset 13 : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
  %y = onnx.node "Div"(%e, %s) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// It overflows where Softmax does not, so it is left as it is.
// CHECK-LABEL: func.func @softmax_without_a_maximum
// CHECK-NOT: "Softmax"
func.func @softmax_without_a_maximum(%x: tensor<?x4xf32>) -> tensor<*xf32> {
  %axes = arith.constant dense<-1> : tensor<1xi64>
  %e = onnx.node "Exp"(%x) opset 13 : (tensor<?x4xf32>) -> tensor<*xf32>
  %s = onnx.node "ReduceSum"(%e, %axes) opset 13 : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
  %y = onnx.node "Div"(%e, %s) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @softmax_over_another_axis
// CHECK-NOT: "Softmax"
func.func @softmax_over_another_axis(%x: tensor<?x4xf32>) -> tensor<*xf32> {
  %axes = arith.constant dense<0> : tensor<1xi64>
  %m = onnx.node "ReduceMax"(%x) opset 13 {axes = array<i64: 0>} : (tensor<?x4xf32>) -> tensor<*xf32>
  %d = onnx.node "Sub"(%x, %m) opset 13 : (tensor<?x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  %e = onnx.node "Exp"(%d) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %s = onnx.node "ReduceSum"(%e, %axes) opset 13 : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
  %y = onnx.node "Div"(%e, %s) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @softmax_of_another_sum
// CHECK-NOT: "Softmax"
func.func @softmax_of_another_sum(%x: tensor<?x4xf32>) -> tensor<*xf32> {
  %axes = arith.constant dense<-1> : tensor<1xi64>
  %m = onnx.node "ReduceMax"(%x) opset 13 {axes = array<i64: 1>} : (tensor<?x4xf32>) -> tensor<*xf32>
  %d = onnx.node "Sub"(%x, %m) opset 13 : (tensor<?x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  %e = onnx.node "Exp"(%d) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %s = onnx.node "ReduceSum"(%d, %axes) opset 13 : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
  %y = onnx.node "Div"(%e, %s) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// The sum over the exponential, turned round.
// CHECK-LABEL: func.func @log_of_a_softmax_sum
// CHECK-NOT: "Softmax"
func.func @log_of_a_softmax_sum(%x: tensor<?x4xf32>) -> tensor<*xf32> {
  %axes = arith.constant dense<-1> : tensor<1xi64>
  %m = onnx.node "ReduceMax"(%x) opset 13 {axes = array<i64: 1>} : (tensor<?x4xf32>) -> tensor<*xf32>
  %d = onnx.node "Sub"(%x, %m) opset 13 : (tensor<?x4xf32>, tensor<*xf32>) -> tensor<*xf32>
  %e = onnx.node "Exp"(%d) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %s = onnx.node "ReduceSum"(%e, %axes) opset 13 : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
  %y = onnx.node "Div"(%s, %e) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @batch_norm_of_an_input
// CHECK: "BatchNormalization"
func.func @batch_norm_of_an_input(%x: tensor<?x3x?x?xf32>) -> tensor<*xf32> {
  %s = arith.constant dense<1.0> : tensor<3xf32>
  %y = onnx.node "BatchNormalization"(%x, %s, %s, %s, %s) opset 15 : (tensor<?x3x?x?xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @batch_norm_with_computed_scale
// CHECK: "BatchNormalization"
func.func @batch_norm_with_computed_scale(%x: tensor<?x3x?x?xf32>, %g: tensor<8xf32>) -> tensor<*xf32> {
  %w = arith.constant dense<1.0> : tensor<8x3x3x3xf32>
  %s = arith.constant dense<1.0> : tensor<8xf32>
  %c = onnx.node "Conv"(%x, %w) opset 17 : (tensor<?x3x?x?xf32>, tensor<8x3x3x3xf32>) -> tensor<*xf32>
  %y = onnx.node "BatchNormalization"(%c, %g, %s, %s, %s) opset 15 : (tensor<*xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @batch_norm_of_computed_weights
// CHECK: "BatchNormalization"
func.func @batch_norm_of_computed_weights(%x: tensor<?x3x?x?xf32>, %w: tensor<8x3x3x3xf32>) -> tensor<*xf32> {
  %s = arith.constant dense<1.0> : tensor<8xf32>
  %c = onnx.node "Conv"(%x, %w) opset 17 : (tensor<?x3x?x?xf32>, tensor<8x3x3x3xf32>) -> tensor<*xf32>
  %y = onnx.node "BatchNormalization"(%c, %s, %s, %s, %s) opset 15 : (tensor<*xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @batch_norm_that_trains
// CHECK: "BatchNormalization"
func.func @batch_norm_that_trains(%x: tensor<?x3x?x?xf32>) -> tensor<*xf32> {
  %w = arith.constant dense<1.0> : tensor<8x3x3x3xf32>
  %s = arith.constant dense<1.0> : tensor<8xf32>
  %c = onnx.node "Conv"(%x, %w) opset 17 : (tensor<?x3x?x?xf32>, tensor<8x3x3x3xf32>) -> tensor<*xf32>
  %y, %mean, %var = onnx.node "BatchNormalization"(%c, %s, %s, %s, %s) opset 15 {training_mode = 1 : i64} : (tensor<*xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>)
  return %y : tensor<*xf32>
}

// Its result channels are the second dim of the weights.
// CHECK-LABEL: func.func @batch_norm_after_a_transposed_conv
// CHECK: "BatchNormalization"
func.func @batch_norm_after_a_transposed_conv(%x: tensor<?x3x?x?xf32>) -> tensor<*xf32> {
  %w = arith.constant dense<1.0> : tensor<3x8x3x3xf32>
  %s = arith.constant dense<1.0> : tensor<8xf32>
  %c = onnx.node "ConvTranspose"(%x, %w) opset 11 : (tensor<?x3x?x?xf32>, tensor<3x8x3x3xf32>) -> tensor<*xf32>
  %y = onnx.node "BatchNormalization"(%c, %s, %s, %s, %s) opset 15 : (tensor<*xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}
