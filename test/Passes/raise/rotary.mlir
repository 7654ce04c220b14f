// RUN: mercer-opt %s --mercer-raise-onnx | FileCheck %s

// CHECK-LABEL: func.func @rotate_half
// CHECK-SAME: %[[X:.*]]: tensor<?x2x?x8xf32>, %[[COS:.*]]: tensor<?x1x?x8xf32>, %[[SIN:.*]]: tensor<?x1x?x8xf32>
// CHECK: onnx.node "RotaryEmbedding"(%[[X]], %[[COS]], %[[SIN]]) domain "mercer" opset 1 {interleaved = 0 : i64}
// CHECK-NEXT: return
func.func @rotate_half(%x: tensor<?x2x?x8xf32>, %cos: tensor<?x1x?x8xf32>, %sin: tensor<?x1x?x8xf32>) -> tensor<*xf32> {
  %zero = arith.constant dense<0> : tensor<1xi64>
  %half = arith.constant dense<4> : tensor<1xi64>
  %end = arith.constant dense<9223372036854775807> : tensor<1xi64>
  %axis = arith.constant dense<3> : tensor<1xi64>
  %a = onnx.node "Mul"(%x, %cos) opset 17 : (tensor<?x2x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %x1 = onnx.node "Slice"(%x, %zero, %half, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %x2 = onnx.node "Slice"(%x, %half, %end, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%x2) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "Concat"(%n, %x1) opset 17 {axis = -1 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %b = onnx.node "Mul"(%r, %sin) opset 17 : (tensor<*xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%a, %b) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @rotate_half_by_split
// CHECK: onnx.node "RotaryEmbedding"
func.func @rotate_half_by_split(%x: tensor<?x2x?x8xf32>, %cos: tensor<?x1x?x8xf32>, %sin: tensor<?x1x?x8xf32>) -> tensor<*xf32> {
  %a = onnx.node "Mul"(%x, %cos) opset 17 : (tensor<?x2x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %x1, %x2 = onnx.node "Split"(%x) opset 17 {axis = -1 : i64} : (tensor<?x2x?x8xf32>) -> (tensor<*xf32>, tensor<*xf32>)
  %n = onnx.node "Neg"(%x2) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "Concat"(%n, %x1) opset 17 {axis = 3 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %b = onnx.node "Mul"(%r, %sin) opset 17 : (tensor<*xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%b, %a) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @parts_are_no_halves
// CHECK-NOT: "RotaryEmbedding"
func.func @parts_are_no_halves(%x: tensor<?x2x?x8xf32>, %cos: tensor<?x1x?x8xf32>, %sin: tensor<?x1x?x8xf32>) -> tensor<*xf32> {
  %zero = arith.constant dense<0> : tensor<1xi64>
  %three = arith.constant dense<3> : tensor<1xi64>
  %end = arith.constant dense<9223372036854775807> : tensor<1xi64>
  %axis = arith.constant dense<3> : tensor<1xi64>
  %a = onnx.node "Mul"(%x, %cos) opset 17 : (tensor<?x2x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %x1 = onnx.node "Slice"(%x, %zero, %three, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %x2 = onnx.node "Slice"(%x, %three, %end, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%x2) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "Concat"(%n, %x1) opset 17 {axis = -1 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %b = onnx.node "Mul"(%r, %sin) opset 17 : (tensor<*xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%a, %b) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// concat(x₂, -x₁) turns the other way.
// CHECK-LABEL: func.func @first_half_negated
// CHECK-NOT: "RotaryEmbedding"
// CHECK: return
func.func @first_half_negated(%x: tensor<?x2x?x8xf32>, %z: tensor<?x2x?x8xf32>, %cos: tensor<?x1x?x8xf32>, %sin: tensor<?x1x?x8xf32>) -> tensor<*xf32> {
  %zero = arith.constant dense<0> : tensor<1xi64>
  %half = arith.constant dense<4> : tensor<1xi64>
  %end = arith.constant dense<9223372036854775807> : tensor<1xi64>
  %axis = arith.constant dense<3> : tensor<1xi64>
  %a = onnx.node "Mul"(%x, %cos) opset 17 : (tensor<?x2x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %x1 = onnx.node "Slice"(%x, %zero, %half, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %x2 = onnx.node "Slice"(%x, %half, %end, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%x1) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "Concat"(%x2, %n) opset 17 {axis = -1 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %b = onnx.node "Mul"(%r, %sin) opset 17 : (tensor<*xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%a, %b) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// concat(-x₁, x₂) swaps nothing.
// CHECK-LABEL: func.func @negated_half_stays
// CHECK-NOT: "RotaryEmbedding"
// CHECK: return
func.func @negated_half_stays(%x: tensor<?x2x?x8xf32>, %z: tensor<?x2x?x8xf32>, %cos: tensor<?x1x?x8xf32>, %sin: tensor<?x1x?x8xf32>) -> tensor<*xf32> {
  %zero = arith.constant dense<0> : tensor<1xi64>
  %half = arith.constant dense<4> : tensor<1xi64>
  %end = arith.constant dense<9223372036854775807> : tensor<1xi64>
  %axis = arith.constant dense<3> : tensor<1xi64>
  %a = onnx.node "Mul"(%x, %cos) opset 17 : (tensor<?x2x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %x1 = onnx.node "Slice"(%x, %zero, %half, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %x2 = onnx.node "Slice"(%x, %half, %end, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%x1) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "Concat"(%n, %x2) opset 17 {axis = -1 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %b = onnx.node "Mul"(%r, %sin) opset 17 : (tensor<*xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%a, %b) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @difference_of_products
// CHECK-NOT: "RotaryEmbedding"
// CHECK: return
func.func @difference_of_products(%x: tensor<?x2x?x8xf32>, %z: tensor<?x2x?x8xf32>, %cos: tensor<?x1x?x8xf32>, %sin: tensor<?x1x?x8xf32>) -> tensor<*xf32> {
  %zero = arith.constant dense<0> : tensor<1xi64>
  %half = arith.constant dense<4> : tensor<1xi64>
  %end = arith.constant dense<9223372036854775807> : tensor<1xi64>
  %axis = arith.constant dense<3> : tensor<1xi64>
  %a = onnx.node "Mul"(%x, %cos) opset 17 : (tensor<?x2x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %x1 = onnx.node "Slice"(%x, %zero, %half, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %x2 = onnx.node "Slice"(%x, %half, %end, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%x2) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "Concat"(%n, %x1) opset 17 {axis = -1 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %b = onnx.node "Mul"(%r, %sin) opset 17 : (tensor<*xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %y = onnx.node "Sub"(%a, %b) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @halves_of_another_value
// CHECK-NOT: "RotaryEmbedding"
// CHECK: return
func.func @halves_of_another_value(%x: tensor<?x2x?x8xf32>, %z: tensor<?x2x?x8xf32>, %cos: tensor<?x1x?x8xf32>, %sin: tensor<?x1x?x8xf32>) -> tensor<*xf32> {
  %zero = arith.constant dense<0> : tensor<1xi64>
  %half = arith.constant dense<4> : tensor<1xi64>
  %end = arith.constant dense<9223372036854775807> : tensor<1xi64>
  %axis = arith.constant dense<3> : tensor<1xi64>
  %a = onnx.node "Mul"(%x, %cos) opset 17 : (tensor<?x2x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %x1 = onnx.node "Slice"(%z, %zero, %half, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %x2 = onnx.node "Slice"(%x, %half, %end, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%x2) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "Concat"(%n, %x1) opset 17 {axis = -1 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %b = onnx.node "Mul"(%r, %sin) opset 17 : (tensor<*xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%a, %b) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @rotated_beside_another_value
// CHECK-NOT: "RotaryEmbedding"
// CHECK: return
func.func @rotated_beside_another_value(%x: tensor<?x2x?x8xf32>, %z: tensor<?x2x?x8xf32>, %cos: tensor<?x1x?x8xf32>, %sin: tensor<?x1x?x8xf32>) -> tensor<*xf32> {
  %zero = arith.constant dense<0> : tensor<1xi64>
  %half = arith.constant dense<4> : tensor<1xi64>
  %end = arith.constant dense<9223372036854775807> : tensor<1xi64>
  %axis = arith.constant dense<3> : tensor<1xi64>
  %a = onnx.node "Mul"(%z, %cos) opset 17 : (tensor<?x2x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %x1 = onnx.node "Slice"(%x, %zero, %half, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %x2 = onnx.node "Slice"(%x, %half, %end, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%x2) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "Concat"(%n, %x1) opset 17 {axis = -1 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %b = onnx.node "Mul"(%r, %sin) opset 17 : (tensor<*xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%a, %b) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @halves_of_another_axis
// CHECK-NOT: "RotaryEmbedding"
// CHECK: return
func.func @halves_of_another_axis(%x: tensor<?x2x?x8xf32>, %z: tensor<?x2x?x8xf32>, %cos: tensor<?x1x?x8xf32>, %sin: tensor<?x1x?x8xf32>) -> tensor<*xf32> {
  %zero = arith.constant dense<0> : tensor<1xi64>
  %half = arith.constant dense<4> : tensor<1xi64>
  %end = arith.constant dense<9223372036854775807> : tensor<1xi64>
  %axis = arith.constant dense<2> : tensor<1xi64>
  %a = onnx.node "Mul"(%x, %cos) opset 17 : (tensor<?x2x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %x1 = onnx.node "Slice"(%x, %zero, %half, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %x2 = onnx.node "Slice"(%x, %half, %end, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%x2) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "Concat"(%n, %x1) opset 17 {axis = -1 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %b = onnx.node "Mul"(%r, %sin) opset 17 : (tensor<*xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%a, %b) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @halves_joined_along_another_axis
// CHECK-NOT: "RotaryEmbedding"
// CHECK: return
func.func @halves_joined_along_another_axis(%x: tensor<?x2x?x8xf32>, %z: tensor<?x2x?x8xf32>, %cos: tensor<?x1x?x8xf32>, %sin: tensor<?x1x?x8xf32>) -> tensor<*xf32> {
  %zero = arith.constant dense<0> : tensor<1xi64>
  %half = arith.constant dense<4> : tensor<1xi64>
  %end = arith.constant dense<9223372036854775807> : tensor<1xi64>
  %axis = arith.constant dense<3> : tensor<1xi64>
  %a = onnx.node "Mul"(%x, %cos) opset 17 : (tensor<?x2x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %x1 = onnx.node "Slice"(%x, %zero, %half, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %x2 = onnx.node "Slice"(%x, %half, %end, %axis) opset 17 : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%x2) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "Concat"(%n, %x1) opset 17 {axis = 2 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %b = onnx.node "Mul"(%r, %sin) opset 17 : (tensor<*xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%a, %b) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// Whether 4 is the half is not known.
// CHECK-LABEL: func.func @halves_of_unknown_size
// CHECK-NOT: "RotaryEmbedding"
// CHECK: return
func.func @halves_of_unknown_size(%x: tensor<?x2x?x?xf32>, %z: tensor<?x2x?x?xf32>, %cos: tensor<?x1x?x8xf32>, %sin: tensor<?x1x?x8xf32>) -> tensor<*xf32> {
  %zero = arith.constant dense<0> : tensor<1xi64>
  %half = arith.constant dense<4> : tensor<1xi64>
  %end = arith.constant dense<9223372036854775807> : tensor<1xi64>
  %axis = arith.constant dense<3> : tensor<1xi64>
  %a = onnx.node "Mul"(%x, %cos) opset 17 : (tensor<?x2x?x?xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %x1 = onnx.node "Slice"(%x, %zero, %half, %axis) opset 17 : (tensor<?x2x?x?xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %x2 = onnx.node "Slice"(%x, %half, %end, %axis) opset 17 : (tensor<?x2x?x?xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%x2) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "Concat"(%n, %x1) opset 17 {axis = -1 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %b = onnx.node "Mul"(%r, %sin) opset 17 : (tensor<*xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%a, %b) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @unequal_split
// CHECK-NOT: "RotaryEmbedding"
// CHECK: return
func.func @unequal_split(%x: tensor<?x2x?x8xf32>, %cos: tensor<?x1x?x8xf32>, %sin: tensor<?x1x?x8xf32>) -> tensor<*xf32> {
  %sizes = arith.constant dense<[3, 5]> : tensor<2xi64>
  %a = onnx.node "Mul"(%x, %cos) opset 17 : (tensor<?x2x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %x1, %x2 = onnx.node "Split"(%x, %sizes) opset 17 {axis = -1 : i64} : (tensor<?x2x?x8xf32>, tensor<2xi64>) -> (tensor<*xf32>, tensor<*xf32>)
  %n = onnx.node "Neg"(%x2) opset 17 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "Concat"(%n, %x1) opset 17 {axis = 3 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %b = onnx.node "Mul"(%r, %sin) opset 17 : (tensor<*xf32>, tensor<?x1x?x8xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%b, %a) opset 17 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}
