// RUN: mercer-opt %s --mercer-raise-onnx | FileCheck %s

// CHECK-LABEL: func.func @gelu_erf
// CHECK: onnx.node "Gelu"(%arg0) opset 20 {approximate = "none"}
// CHECK-NEXT: return
func.func @gelu_erf(%x: tensor<?xf32>) -> tensor<*xf32> {
  %root = arith.constant dense<1.41421354> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %d = onnx.node "Div"(%x, %root) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %e = onnx.node "Erf"(%d) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%e, %one) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %m = onnx.node "Mul"(%x, %a) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%m, %half) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @gelu_erf_half_first
// CHECK: onnx.node "Gelu"(%arg0) opset 20 {approximate = "none"}
func.func @gelu_erf_half_first(%x: tensor<?xf32>) -> tensor<*xf32> {
  %root = arith.constant dense<0.707106769> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %h = onnx.node "Mul"(%x, %half) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %d = onnx.node "Mul"(%x, %root) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %e = onnx.node "Erf"(%d) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%one, %e) opset 17 : (tensor<f32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%h, %a) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @erf_of_another_scale
// CHECK-NOT: "Gelu"
func.func @erf_of_another_scale(%x: tensor<?xf32>) -> tensor<*xf32> {
  %root = arith.constant dense<0.5> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %d = onnx.node "Mul"(%x, %root) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %e = onnx.node "Erf"(%d) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%e, %one) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %m = onnx.node "Mul"(%x, %a) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%m, %half) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @gelu_tanh
// CHECK: onnx.node "Gelu"(%arg0) opset 20 {approximate = "tanh"}
// CHECK-NEXT: return
func.func @gelu_tanh(%x: tensor<?xf32>) -> tensor<*xf32> {
  %three = arith.constant dense<3.0> : tensor<f32>
  %cubic = arith.constant dense<0.044715> : tensor<f32>
  %scale = arith.constant dense<0.797884583> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %p = onnx.node "Pow"(%x, %three) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %c = onnx.node "Mul"(%p, %cubic) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %s = onnx.node "Add"(%x, %c) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  %t = onnx.node "Mul"(%s, %scale) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %h = onnx.node "Tanh"(%t) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%h, %one) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %m = onnx.node "Mul"(%x, %half) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%m, %a) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @tanh_of_a_square
// CHECK-NOT: "Gelu"
func.func @tanh_of_a_square(%x: tensor<?xf32>) -> tensor<*xf32> {
  %two = arith.constant dense<2.0> : tensor<f32>
  %cubic = arith.constant dense<0.044715> : tensor<f32>
  %scale = arith.constant dense<0.797884583> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %p = onnx.node "Pow"(%x, %two) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %c = onnx.node "Mul"(%p, %cubic) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %s = onnx.node "Add"(%x, %c) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  %t = onnx.node "Mul"(%s, %scale) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %h = onnx.node "Tanh"(%t) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%h, %one) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %m = onnx.node "Mul"(%x, %half) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%m, %a) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @silu
// CHECK: onnx.node "Swish"(%arg0) opset 24 {alpha = 1.000000e+00 : f32}
func.func @silu(%x: tensor<?xf32>) -> tensor<*xf32> {
  %s = onnx.node "Sigmoid"(%x) opset 17 : (tensor<?xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%x, %s) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @gelu_by_sigmoid
// CHECK: onnx.node "Swish"(%arg0) opset 24 {alpha = 1.702000e+00 : f32}
func.func @gelu_by_sigmoid(%x: tensor<?xf32>) -> tensor<*xf32> {
  %a = arith.constant dense<1.702> : tensor<f32>
  %m = onnx.node "Mul"(%x, %a) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %s = onnx.node "Sigmoid"(%m) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%x, %s) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @gate_of_another_value
// CHECK-NOT: "Swish"
func.func @gate_of_another_value(%x: tensor<?xf32>, %z: tensor<?xf32>) -> tensor<*xf32> {
  %s = onnx.node "Sigmoid"(%z) opset 17 : (tensor<?xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%x, %s) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @hard_swish
// CHECK: onnx.node "HardSwish"(%arg0) opset 14 :
func.func @hard_swish(%x: tensor<?xf32>) -> tensor<*xf32> {
  %s = onnx.node "HardSigmoid"(%x) opset 17 {alpha = 0.16666667 : f32, beta = 0.5 : f32} : (tensor<?xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%x, %s) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @hard_swish_by_clip
// CHECK: onnx.node "HardSwish"(%arg0) opset 14 :
// CHECK-NEXT: return
func.func @hard_swish_by_clip(%x: tensor<?xf32>) -> tensor<*xf32> {
  %three = arith.constant dense<3.0> : tensor<f32>
  %zero = arith.constant dense<0.0> : tensor<f32>
  %six = arith.constant dense<6.0> : tensor<f32>
  %a = onnx.node "Add"(%x, %three) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %c = onnx.node "Clip"(%a, %zero, %six) opset 17 : (tensor<*xf32>, tensor<f32>, tensor<f32>) -> tensor<*xf32>
  %m = onnx.node "Mul"(%x, %c) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Div"(%m, %six) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @hard_sigmoid_of_another_slope
// CHECK-NOT: "HardSwish"
func.func @hard_sigmoid_of_another_slope(%x: tensor<?xf32>) -> tensor<*xf32> {
  %s = onnx.node "HardSigmoid"(%x) opset 17 : (tensor<?xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%x, %s) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @mish
// CHECK: onnx.node "Mish"(%arg0) opset 18
func.func @mish(%x: tensor<?xf32>) -> tensor<*xf32> {
  %s = onnx.node "Softplus"(%x) opset 17 : (tensor<?xf32>) -> tensor<*xf32>
  %t = onnx.node "Tanh"(%s) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%x, %t) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @erf_of_another_value
// CHECK-NOT: "Gelu"
func.func @erf_of_another_value(%x: tensor<?xf32>, %z: tensor<?xf32>) -> tensor<*xf32> {
  %root = arith.constant dense<1.41421354> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %d = onnx.node "Div"(%z, %root) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %e = onnx.node "Erf"(%d) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%e, %one) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %m = onnx.node "Mul"(%x, %a) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%m, %half) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// x (1 + erf(x/√2)) without the half is twice as much.
// CHECK-LABEL: func.func @gelu_erf_without_the_half
// CHECK-NOT: "Gelu"
func.func @gelu_erf_without_the_half(%x: tensor<?xf32>) -> tensor<*xf32> {
  %root = arith.constant dense<1.41421354> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %d = onnx.node "Div"(%x, %root) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %e = onnx.node "Erf"(%d) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%e, %one) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%x, %a) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// The half belongs to the sum of both, not to the one alone.
// CHECK-LABEL: func.func @gelu_erf_of_another_offset
// CHECK-NOT: "Gelu"
func.func @gelu_erf_of_another_offset(%x: tensor<?xf32>) -> tensor<*xf32> {
  %root = arith.constant dense<1.41421354> : tensor<f32>
  %two = arith.constant dense<2.0> : tensor<f32>
  %quarter = arith.constant dense<0.25> : tensor<f32>
  %d = onnx.node "Div"(%x, %root) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %e = onnx.node "Erf"(%d) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%e, %two) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %m = onnx.node "Mul"(%x, %a) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%m, %quarter) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @gelu_tanh_of_another_factor
// CHECK-NOT: "Gelu"
func.func @gelu_tanh_of_another_factor(%x: tensor<?xf32>) -> tensor<*xf32> {
  %three = arith.constant dense<3.0> : tensor<f32>
  %cubic = arith.constant dense<0.05> : tensor<f32>
  %scale = arith.constant dense<0.797884583> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %p = onnx.node "Pow"(%x, %three) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %c = onnx.node "Mul"(%p, %cubic) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %s = onnx.node "Add"(%x, %c) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  %t = onnx.node "Mul"(%s, %scale) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %h = onnx.node "Tanh"(%t) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%h, %one) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %m = onnx.node "Mul"(%x, %half) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%m, %a) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// x √(2/π) (1 + 0.044715 x²), the form with x taken out.
// CHECK-LABEL: func.func @gelu_tanh_factored
// CHECK: onnx.node "Gelu"(%arg0) opset 20 {approximate = "tanh"}
func.func @gelu_tanh_factored(%x: tensor<?xf32>) -> tensor<*xf32> {
  %cubic = arith.constant dense<0.044715> : tensor<f32>
  %scale = arith.constant dense<0.797884583> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %p = onnx.node "Mul"(%x, %x) opset 17 : (tensor<?xf32>, tensor<?xf32>) -> tensor<*xf32>
  %c = onnx.node "Mul"(%p, %cubic) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %s = onnx.node "Add"(%c, %one) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %k = onnx.node "Mul"(%x, %scale) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %t = onnx.node "Mul"(%k, %s) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %h = onnx.node "Tanh"(%t) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%h, %one) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %m = onnx.node "Mul"(%x, %half) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%m, %a) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @gelu_tanh_factored_of_two_values
// CHECK-NOT: "Gelu"
func.func @gelu_tanh_factored_of_two_values(%x: tensor<?xf32>, %z: tensor<?xf32>) -> tensor<*xf32> {
  %cubic = arith.constant dense<0.044715> : tensor<f32>
  %scale = arith.constant dense<0.797884583> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %p = onnx.node "Mul"(%x, %z) opset 17 : (tensor<?xf32>, tensor<?xf32>) -> tensor<*xf32>
  %c = onnx.node "Mul"(%p, %cubic) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %s = onnx.node "Add"(%c, %one) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %k = onnx.node "Mul"(%x, %scale) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %t = onnx.node "Mul"(%k, %s) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %h = onnx.node "Tanh"(%t) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%h, %one) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %m = onnx.node "Mul"(%x, %half) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%m, %a) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// Swish has no factor in front.
// CHECK-LABEL: func.func @half_of_a_silu
// CHECK-NOT: "Swish"(%arg0)
// CHECK: return
func.func @half_of_a_silu(%x: tensor<?xf32>) -> tensor<*xf32> {
  %half = arith.constant dense<0.5> : tensor<f32>
  %s = onnx.node "Sigmoid"(%x) opset 17 : (tensor<?xf32>) -> tensor<*xf32>
  %h = onnx.node "Mul"(%x, %half) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%h, %s) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// A scale of its own for each element is no factor of the whole.
// CHECK-LABEL: func.func @sigmoid_of_a_scaled_vector
// CHECK-NOT: "Swish"
func.func @sigmoid_of_a_scaled_vector(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %a = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %m = onnx.node "Mul"(%x, %a) opset 17 : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<*xf32>
  %s = onnx.node "Sigmoid"(%m) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%x, %s) opset 17 : (tensor<?x2xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @hard_sigmoid_of_another_value
// CHECK-NOT: "HardSwish"
func.func @hard_sigmoid_of_another_value(%x: tensor<?xf32>, %z: tensor<?xf32>) -> tensor<*xf32> {
  %s = onnx.node "HardSigmoid"(%z) opset 17 {alpha = 0.16666667 : f32, beta = 0.5 : f32} : (tensor<?xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%x, %s) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @hard_swish_of_another_bound
// CHECK-NOT: "HardSwish"
func.func @hard_swish_of_another_bound(%x: tensor<?xf32>) -> tensor<*xf32> {
  %three = arith.constant dense<3.0> : tensor<f32>
  %zero = arith.constant dense<0.0> : tensor<f32>
  %five = arith.constant dense<5.0> : tensor<f32>
  %six = arith.constant dense<6.0> : tensor<f32>
  %a = onnx.node "Add"(%x, %three) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %c = onnx.node "Clip"(%a, %zero, %five) opset 17 : (tensor<*xf32>, tensor<f32>, tensor<f32>) -> tensor<*xf32>
  %m = onnx.node "Mul"(%x, %c) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Div"(%m, %six) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// Without a lower bound it is another function.
// CHECK-LABEL: func.func @hard_swish_of_one_bound
// CHECK-NOT: "HardSwish"
func.func @hard_swish_of_one_bound(%x: tensor<?xf32>) -> tensor<*xf32> {
  %none = onnx.none
  %three = arith.constant dense<3.0> : tensor<f32>
  %six = arith.constant dense<6.0> : tensor<f32>
  %a = onnx.node "Add"(%x, %three) opset 17 : (tensor<?xf32>, tensor<f32>) -> tensor<*xf32>
  %c = onnx.node "Clip"(%a, %none, %six) opset 17 : (tensor<*xf32>, !onnx.none, tensor<f32>) -> tensor<*xf32>
  %m = onnx.node "Mul"(%x, %c) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Div"(%m, %six) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @tanh_of_the_softplus_of_another
// CHECK-NOT: "Mish"
func.func @tanh_of_the_softplus_of_another(%x: tensor<?xf32>, %z: tensor<?xf32>) -> tensor<*xf32> {
  %s = onnx.node "Softplus"(%z) opset 17 : (tensor<?xf32>) -> tensor<*xf32>
  %t = onnx.node "Tanh"(%s) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%x, %t) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}
