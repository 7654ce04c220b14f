// RUN: mercer-opt %s --mercer-raise-onnx | FileCheck %s

// CHECK-LABEL: func.func @scale_after_product
// CHECK-SAME: %[[Q:.*]]: tensor<1x2x5x8xf32>, %[[K:.*]]: tensor<1x2x7x8xf32>, %[[V:.*]]: tensor<1x2x7x8xf32>
// CHECK-NEXT: %[[Y:.*]] = onnx.node "Attention"(%[[Q]], %[[K]], %[[V]]) domain "mercer" opset 1 {scale = 1.250000e-01 : f64}
// CHECK-NEXT: return %[[Y]]
func.func @scale_after_product(%q: tensor<1x2x5x8xf32>, %k: tensor<1x2x7x8xf32>, %v: tensor<1x2x7x8xf32>) -> tensor<*xf32> {
  %s = arith.constant dense<8.0> : tensor<f32>
  %kt = onnx.node "Transpose"(%k) opset 17 {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x2x7x8xf32>) -> tensor<*xf32>
  %p = onnx.node "MatMul"(%q, %kt) opset 17 : (tensor<1x2x5x8xf32>, tensor<*xf32>) -> tensor<*xf32>
  %d = onnx.node "Div"(%p, %s) opset 17 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%d) opset 17 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 17 : (tensor<*xf32>, tensor<1x2x7x8xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// The product of queries and keys has a factor on each side, as torch writes d^-1/4,
// and a guard against rows without a key.
// CHECK-LABEL: func.func @split_scale_and_nan_guard
// CHECK: onnx.node "Attention"(%arg0, %arg1, %arg2, %arg3) domain "mercer" opset 1 {scale = 2.500000e-01 : f64, zero_masked_rows = 1 : i64}
// CHECK-NOT: onnx.node
func.func @split_scale_and_nan_guard(%q: tensor<?x2x?x16xf32>, %k: tensor<?x2x?x16xf32>, %v: tensor<?x2x?x16xf32>, %m: tensor<?x1x?x?xf32>) -> tensor<*xf32> {
  %s = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<0.0> : tensor<f32>
  %qs = onnx.node "Mul"(%q, %s) opset 18 : (tensor<?x2x?x16xf32>, tensor<f32>) -> tensor<*xf32>
  %kt = onnx.node "Transpose"(%k) opset 18 {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x2x?x16xf32>) -> tensor<*xf32>
  %ks = onnx.node "Mul"(%kt, %s) opset 18 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %p = onnx.node "MatMul"(%qs, %ks) opset 18 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%p, %m) opset 18 : (tensor<*xf32>, tensor<?x1x?x?xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%a) opset 18 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %n = onnx.node "IsNaN"(%w) opset 18 : (tensor<*xf32>) -> tensor<*xi1>
  %g = onnx.node "Where"(%n, %zero, %w) opset 18 : (tensor<*xi1>, tensor<f32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%g, %v) opset 18 : (tensor<*xf32>, tensor<?x2x?x16xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// GPT-2: scores that a causal mask does not keep become a low number.
// CHECK-LABEL: func.func @where_mask
// CHECK: onnx.node "Attention"(%arg0, %arg1, %arg2, %arg3) domain "mercer" opset 1 {masked_value = -1.000000e+04 : f32, scale = 1.250000e-01 : f64}
func.func @where_mask(%q: tensor<1x2x5x64xf32>, %k: tensor<1x2x5x64xf32>, %v: tensor<1x2x5x64xf32>, %keep: tensor<1x1x5x5xi1>) -> tensor<*xf32> {
  %s = arith.constant dense<8.0> : tensor<f32>
  %low = arith.constant dense<-10000.0> : tensor<f32>
  %kt = onnx.node "Transpose"(%k) opset 13 {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x2x5x64xf32>) -> tensor<*xf32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<*xf32>) -> tensor<*xf32>
  %d = onnx.node "Div"(%p, %s) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %m = onnx.node "Where"(%keep, %d, %low) opset 13 : (tensor<1x1x5x5xi1>, tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%m) opset 13 {axis = 3 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x5x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// masked_fill: the condition is true where the key does not count.
// CHECK-LABEL: func.func @where_mask_inverted
// CHECK: %[[KEEP:.*]] = onnx.node "Not"(%arg3)
// CHECK: onnx.node "Attention"(%arg0, %arg1, %arg2, %[[KEEP]]) domain "mercer" opset 1 {scale = 1.000000e+00 : f64}
func.func @where_mask_inverted(%q: tensor<1x2x5x64xf32>, %k: tensor<1x2x5x64xf32>, %v: tensor<1x2x5x64xf32>, %drop: tensor<1x1x5x5xi1>) -> tensor<*xf32> {
  %low = arith.constant dense<0xFF800000> : tensor<f32>
  %kt = onnx.node "Transpose"(%k) opset 13 {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x2x5x64xf32>) -> tensor<*xf32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<*xf32>) -> tensor<*xf32>
  %m = onnx.node "Where"(%drop, %low, %p) opset 13 : (tensor<1x1x5x5xi1>, tensor<f32>, tensor<*xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%m) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x5x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// The exporter moves [B,S,H,d] to the transposed keys in one Transpose.
// CHECK-LABEL: func.func @keys_in_one_transpose
// CHECK: %[[K:.*]] = onnx.node "Transpose"(%arg1) opset 13 {perm = array<i64: 0, 2, 1, 3>}
// CHECK: onnx.node "Attention"(%{{.*}}, %[[K]], %{{.*}})
func.func @keys_in_one_transpose(%q0: tensor<1x5x2x64xf32>, %k0: tensor<1x5x2x64xf32>, %v0: tensor<1x5x2x64xf32>) -> tensor<*xf32> {
  %q = onnx.node "Transpose"(%q0) opset 13 {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x5x2x64xf32>) -> tensor<*xf32>
  %kt = onnx.node "Transpose"(%k0) opset 13 {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x5x2x64xf32>) -> tensor<*xf32>
  %v = onnx.node "Transpose"(%v0) opset 13 {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x5x2x64xf32>) -> tensor<*xf32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%p) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @keys_given_transposed
// CHECK: onnx.node "Attention"(%arg0, %arg1, %arg2) domain "mercer" opset 1 {key_transposed = 1 : i64, scale = 1.000000e+00 : f64}
func.func @keys_given_transposed(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>) -> tensor<*xf32> {
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%p) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @softmax_in_f32_between_casts
// CHECK-NEXT: onnx.node "Attention"(%arg0, %arg1, %arg2)
// CHECK-SAME: -> tensor<*xf16>
func.func @softmax_in_f32_between_casts(%q: tensor<1x2x5x64xf16>, %kt: tensor<1x2x64x9xf16>, %v: tensor<1x2x9x64xf16>) -> tensor<*xf16> {
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf16>, tensor<1x2x64x9xf16>) -> tensor<*xf16>
  %c = onnx.node "Cast"(%p) opset 13 {to = 1 : i64} : (tensor<*xf16>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%c) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %n = onnx.node "Cast"(%w) opset 13 {to = 10 : i64} : (tensor<*xf32>) -> tensor<*xf16>
  %y = onnx.node "MatMul"(%n, %v) opset 13 : (tensor<*xf16>, tensor<1x2x9x64xf16>) -> tensor<*xf16>
  return %y : tensor<*xf16>
}

// Two query heads share a head of the keys and values.
// CHECK-LABEL: func.func @grouped_queries
// CHECK: onnx.node "Attention"(%arg0, %arg1, %arg2)
// CHECK-NOT: "Expand"
func.func @grouped_queries(%q: tensor<?x4x?x8xf32>, %k: tensor<?x2x?x8xf32>, %v: tensor<?x2x?x8xf32>) -> tensor<*xf32> {
  %two = arith.constant dense<2> : tensor<1xi64>
  %sizes = arith.constant dense<[1, 2, 2, 1, 8]> : tensor<5xi64>
  %merged = arith.constant dense<[0, 4, -1, 8]> : tensor<4xi64>
  %ku = onnx.node "Unsqueeze"(%k, %two) opset 13 : (tensor<?x2x?x8xf32>, tensor<1xi64>) -> tensor<*xf32>
  %ke = onnx.node "Expand"(%ku, %sizes) opset 13 : (tensor<*xf32>, tensor<5xi64>) -> tensor<*xf32>
  %kr = onnx.node "Reshape"(%ke, %merged) opset 13 : (tensor<*xf32>, tensor<4xi64>) -> tensor<*xf32>
  %vu = onnx.node "Unsqueeze"(%v, %two) opset 13 : (tensor<?x2x?x8xf32>, tensor<1xi64>) -> tensor<*xf32>
  %ve = onnx.node "Expand"(%vu, %sizes) opset 13 : (tensor<*xf32>, tensor<5xi64>) -> tensor<*xf32>
  %vr = onnx.node "Reshape"(%ve, %merged) opset 13 : (tensor<*xf32>, tensor<4xi64>) -> tensor<*xf32>
  %kt = onnx.node "Transpose"(%kr) opset 13 {perm = array<i64: 0, 1, 3, 2>} : (tensor<*xf32>) -> tensor<*xf32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<?x4x?x8xf32>, tensor<*xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%p) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %vr) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// The three come from one product, cut apart by Slice and Squeeze.
// CHECK-LABEL: func.func @fused_qkv
// CHECK: %[[Q:.*]] = onnx.node "Squeeze"
// CHECK: %[[K:.*]] = onnx.node "Squeeze"
// CHECK: %[[V:.*]] = onnx.node "Squeeze"
// CHECK: onnx.node "Attention"(%[[Q]], %[[K]], %[[V]])
func.func @fused_qkv(%qkv: tensor<3x1x2x5x8xf32>) -> tensor<*xf32> {
  %0 = arith.constant dense<0> : tensor<1xi64>
  %1 = arith.constant dense<1> : tensor<1xi64>
  %2 = arith.constant dense<2> : tensor<1xi64>
  %3 = arith.constant dense<3> : tensor<1xi64>
  %sq = onnx.node "Slice"(%qkv, %0, %1, %0) opset 13 : (tensor<3x1x2x5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %sk = onnx.node "Slice"(%qkv, %1, %2, %0) opset 13 : (tensor<3x1x2x5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %sv = onnx.node "Slice"(%qkv, %2, %3, %0) opset 13 : (tensor<3x1x2x5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  %q = onnx.node "Squeeze"(%sq, %0) opset 13 : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
  %k = onnx.node "Squeeze"(%sk, %0) opset 13 : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
  %v = onnx.node "Squeeze"(%sv, %0) opset 13 : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
  %kt = onnx.node "Transpose"(%k) opset 13 {perm = array<i64: 0, 1, 3, 2>} : (tensor<*xf32>) -> tensor<*xf32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%p) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @soft_cap
// CHECK: onnx.node "Attention"({{.*}}) domain "mercer" opset 1 {key_transposed = 1 : i64, scale = 1.250000e-01 : f64, softcap = 5.000000e+01 : f64}
func.func @soft_cap(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>) -> tensor<*xf32> {
  %s = arith.constant dense<0.125> : tensor<f32>
  %cap = arith.constant dense<50.0> : tensor<f32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %d = onnx.node "Mul"(%p, %s) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %c = onnx.node "Div"(%d, %cap) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %t = onnx.node "Tanh"(%c) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %u = onnx.node "Mul"(%t, %cap) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%u) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @not_over_keys
// CHECK-NOT: "Attention"
func.func @not_over_keys(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>) -> tensor<*xf32> {
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%p) opset 13 {axis = 2 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @weights_are_an_output
// CHECK-NOT: "Attention"
func.func @weights_are_an_output(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%p) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y, %w : tensor<*xf32>, tensor<*xf32>
}

// A scale between mask and softmax multiplies the mask too.
// CHECK-LABEL: func.func @scaled_mask
// CHECK-NOT: "Attention"
func.func @scaled_mask(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>, %m: tensor<5x9xf32>) -> tensor<*xf32> {
  %s = arith.constant dense<0.125> : tensor<f32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%p, %m) opset 13 : (tensor<*xf32>, tensor<5x9xf32>) -> tensor<*xf32>
  %d = onnx.node "Mul"(%a, %s) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%d) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// The new axis is merged with the sequence: keys repeated in time, not heads.
// CHECK-LABEL: func.func @repeated_sequence
// CHECK: "Expand"
// CHECK: "Attention"
func.func @repeated_sequence(%q: tensor<?x2x?x8xf32>, %k: tensor<?x2x?x8xf32>, %v: tensor<?x2x?x8xf32>) -> tensor<*xf32> {
  %two = arith.constant dense<2> : tensor<1xi64>
  %sizes = arith.constant dense<[1, 2, 2, 1, 8]> : tensor<5xi64>
  %merged = arith.constant dense<[0, 2, -1, 8]> : tensor<4xi64>
  %ku = onnx.node "Unsqueeze"(%k, %two) opset 13 : (tensor<?x2x?x8xf32>, tensor<1xi64>) -> tensor<*xf32>
  %ke = onnx.node "Expand"(%ku, %sizes) opset 13 : (tensor<*xf32>, tensor<5xi64>) -> tensor<*xf32>
  %kr = onnx.node "Reshape"(%ke, %merged) opset 13 : (tensor<*xf32>, tensor<4xi64>) -> tensor<*xf32>
  %vu = onnx.node "Unsqueeze"(%v, %two) opset 13 : (tensor<?x2x?x8xf32>, tensor<1xi64>) -> tensor<*xf32>
  %ve = onnx.node "Expand"(%vu, %sizes) opset 13 : (tensor<*xf32>, tensor<5xi64>) -> tensor<*xf32>
  %vr = onnx.node "Reshape"(%ve, %merged) opset 13 : (tensor<*xf32>, tensor<4xi64>) -> tensor<*xf32>
  %kt = onnx.node "Transpose"(%kr) opset 13 {perm = array<i64: 0, 1, 3, 2>} : (tensor<*xf32>) -> tensor<*xf32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<?x2x?x8xf32>, tensor<*xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%p) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %vr) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @product_without_softmax
// CHECK-NOT: "Attention"
func.func @product_without_softmax(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>) -> tensor<*xf32> {
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %w = onnx.node "Relu"(%p) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// The scores are given, not computed from queries and keys.
// CHECK-LABEL: func.func @softmax_without_product
// CHECK-NOT: "Attention"
func.func @softmax_without_product(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>, %s: tensor<1x2x5x9xf32>) -> tensor<*xf32> {
  %w = onnx.node "Softmax"(%s) opset 13 {axis = -1 : i64} : (tensor<1x2x5x9xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// Before opset 13 the default axis is 1, and all axes from there are one.
// CHECK-LABEL: func.func @softmax_of_opset_11
// CHECK-NOT: "Attention"
func.func @softmax_of_opset_11(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>) -> tensor<*xf32> {
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%p) opset 11 : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// The softmax stands on the right of the product: a sum over queries.
// CHECK-LABEL: func.func @weights_on_the_right
// CHECK-NOT: "Attention"
func.func @weights_on_the_right(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x7x5xf32>) -> tensor<*xf32> {
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%p) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%v, %w) opset 13 : (tensor<1x2x7x5xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @scores_are_an_output
// CHECK-NOT: "Attention"
func.func @scores_are_an_output(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%p) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y, %p : tensor<*xf32>, tensor<*xf32>
}

// A score of 0 counts: this is no mask.
// CHECK-LABEL: func.func @where_with_zero
// CHECK-NOT: "Attention"
func.func @where_with_zero(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>, %keep: tensor<5x9xi1>) -> tensor<*xf32> {
  %zero = arith.constant dense<0.0> : tensor<f32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %m = onnx.node "Where"(%keep, %p, %zero) opset 13 : (tensor<5x9xi1>, tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%m) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// Where chooses between two scores.
// CHECK-LABEL: func.func @where_of_two_products
// CHECK-NOT: "Attention"
func.func @where_of_two_products(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>, %keep: tensor<5x9xi1>, %other: tensor<1x2x5x9xf32>) -> tensor<*xf32> {
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %m = onnx.node "Where"(%keep, %p, %other) opset 13 : (tensor<5x9xi1>, tensor<*xf32>, tensor<1x2x5x9xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%m) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// The scale after the mask changes the finite fill too.
// CHECK-LABEL: func.func @scaled_where_mask
// CHECK-NOT: "Attention"
func.func @scaled_where_mask(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>, %keep: tensor<5x9xi1>) -> tensor<*xf32> {
  %s = arith.constant dense<0.125> : tensor<f32>
  %low = arith.constant dense<-10000.0> : tensor<f32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %m = onnx.node "Where"(%keep, %p, %low) opset 13 : (tensor<5x9xi1>, tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %d = onnx.node "Mul"(%m, %s) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%d) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// The guard looks at other values than it passes.
// CHECK-LABEL: func.func @nan_guard_of_another
// CHECK-NOT: "Attention"
func.func @nan_guard_of_another(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>, %other: tensor<1x2x5x9xf32>) -> tensor<*xf32> {
  %zero = arith.constant dense<0.0> : tensor<f32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%p) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %n = onnx.node "IsNaN"(%other) opset 13 : (tensor<1x2x5x9xf32>) -> tensor<*xi1>
  %g = onnx.node "Where"(%n, %zero, %w) opset 13 : (tensor<*xi1>, tensor<f32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%g, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @nan_guard_with_one
// CHECK-NOT: "Attention"
func.func @nan_guard_with_one(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>) -> tensor<*xf32> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%p) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %n = onnx.node "IsNaN"(%w) opset 13 : (tensor<*xf32>) -> tensor<*xi1>
  %g = onnx.node "Where"(%n, %one, %w) opset 13 : (tensor<*xi1>, tensor<f32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%g, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// Where(IsNaN(p), p, 0) keeps what the guard removes.
// CHECK-LABEL: func.func @nan_guard_turned_round
// CHECK-NOT: "Attention"
func.func @nan_guard_turned_round(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>) -> tensor<*xf32> {
  %zero = arith.constant dense<0.0> : tensor<f32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%p) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %n = onnx.node "IsNaN"(%w) opset 13 : (tensor<*xf32>) -> tensor<*xi1>
  %g = onnx.node "Where"(%n, %w, %zero) opset 13 : (tensor<*xi1>, tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%g, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// 50 tanh(s / 30) is no cap.
// CHECK-LABEL: func.func @soft_cap_of_two_factors
// CHECK-NOT: "Attention"
func.func @soft_cap_of_two_factors(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>) -> tensor<*xf32> {
  %a = arith.constant dense<30.0> : tensor<f32>
  %b = arith.constant dense<50.0> : tensor<f32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %c = onnx.node "Div"(%p, %a) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %t = onnx.node "Tanh"(%c) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %u = onnx.node "Mul"(%t, %b) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%u) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// A mask inside of the cap is capped too.
// CHECK-LABEL: func.func @mask_inside_a_soft_cap
// CHECK-NOT: "Attention"
func.func @mask_inside_a_soft_cap(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>, %m: tensor<5x9xf32>) -> tensor<*xf32> {
  %cap = arith.constant dense<50.0> : tensor<f32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%p, %m) opset 13 : (tensor<*xf32>, tensor<5x9xf32>) -> tensor<*xf32>
  %c = onnx.node "Div"(%a, %cap) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %t = onnx.node "Tanh"(%c) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %u = onnx.node "Mul"(%t, %cap) opset 13 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%u) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @tanh_without_a_cap
// CHECK-NOT: "Attention"
func.func @tanh_without_a_cap(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>) -> tensor<*xf32> {
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %t = onnx.node "Tanh"(%p) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%t) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// A factor for each key is no scale of the scores.
// CHECK-LABEL: func.func @scale_for_each_key
// CHECK-NOT: "Attention"
func.func @scale_for_each_key(%q: tensor<1x2x5x64xf32>, %kt: tensor<1x2x64x9xf32>, %v: tensor<1x2x9x64xf32>, %s: tensor<9xf32>) -> tensor<*xf32> {
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<1x2x5x64xf32>, tensor<1x2x64x9xf32>) -> tensor<*xf32>
  %d = onnx.node "Mul"(%p, %s) opset 13 : (tensor<*xf32>, tensor<9xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%d) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %v) opset 13 : (tensor<*xf32>, tensor<1x2x9x64xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// Keys have two heads, values four: the groups are not the same.
// CHECK-LABEL: func.func @groups_of_different_size
// CHECK-COUNT-2: "Expand"
// CHECK: "Attention"
func.func @groups_of_different_size(%q: tensor<?x4x?x8xf32>, %k: tensor<?x2x?x8xf32>, %v: tensor<?x4x?x8xf32>) -> tensor<*xf32> {
  %two = arith.constant dense<2> : tensor<1xi64>
  %ks = arith.constant dense<[1, 2, 2, 1, 8]> : tensor<5xi64>
  %km = arith.constant dense<[0, 4, -1, 8]> : tensor<4xi64>
  %vs = arith.constant dense<[1, 4, 1, 1, 8]> : tensor<5xi64>
  %vm = arith.constant dense<[0, 4, -1, 8]> : tensor<4xi64>
  %ku = onnx.node "Unsqueeze"(%k, %two) opset 13 : (tensor<?x2x?x8xf32>, tensor<1xi64>) -> tensor<*xf32>
  %ke = onnx.node "Expand"(%ku, %ks) opset 13 : (tensor<*xf32>, tensor<5xi64>) -> tensor<*xf32>
  %kr = onnx.node "Reshape"(%ke, %km) opset 13 : (tensor<*xf32>, tensor<4xi64>) -> tensor<*xf32>
  %vu = onnx.node "Unsqueeze"(%v, %two) opset 13 : (tensor<?x4x?x8xf32>, tensor<1xi64>) -> tensor<*xf32>
  %ve = onnx.node "Expand"(%vu, %vs) opset 13 : (tensor<*xf32>, tensor<5xi64>) -> tensor<*xf32>
  %vr = onnx.node "Reshape"(%ve, %vm) opset 13 : (tensor<*xf32>, tensor<4xi64>) -> tensor<*xf32>
  %kt = onnx.node "Transpose"(%kr) opset 13 {perm = array<i64: 0, 1, 3, 2>} : (tensor<*xf32>) -> tensor<*xf32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<?x4x?x8xf32>, tensor<*xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%p) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %vr) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// One query head against all repeated heads of the keys: the product has four.
// CHECK-LABEL: func.func @repeated_for_one_query_head
// CHECK-COUNT-2: "Expand"
// CHECK: "Attention"
func.func @repeated_for_one_query_head(%q: tensor<?x1x?x8xf32>, %k: tensor<?x2x?x8xf32>, %v: tensor<?x2x?x8xf32>) -> tensor<*xf32> {
  %two = arith.constant dense<2> : tensor<1xi64>
  %ks = arith.constant dense<[1, 2, 2, 1, 8]> : tensor<5xi64>
  %km = arith.constant dense<[0, 4, -1, 8]> : tensor<4xi64>
  %vs = arith.constant dense<[1, 2, 2, 1, 8]> : tensor<5xi64>
  %vm = arith.constant dense<[0, 4, -1, 8]> : tensor<4xi64>
  %ku = onnx.node "Unsqueeze"(%k, %two) opset 13 : (tensor<?x2x?x8xf32>, tensor<1xi64>) -> tensor<*xf32>
  %ke = onnx.node "Expand"(%ku, %ks) opset 13 : (tensor<*xf32>, tensor<5xi64>) -> tensor<*xf32>
  %kr = onnx.node "Reshape"(%ke, %km) opset 13 : (tensor<*xf32>, tensor<4xi64>) -> tensor<*xf32>
  %vu = onnx.node "Unsqueeze"(%v, %two) opset 13 : (tensor<?x2x?x8xf32>, tensor<1xi64>) -> tensor<*xf32>
  %ve = onnx.node "Expand"(%vu, %vs) opset 13 : (tensor<*xf32>, tensor<5xi64>) -> tensor<*xf32>
  %vr = onnx.node "Reshape"(%ve, %vm) opset 13 : (tensor<*xf32>, tensor<4xi64>) -> tensor<*xf32>
  %kt = onnx.node "Transpose"(%kr) opset 13 {perm = array<i64: 0, 1, 3, 2>} : (tensor<*xf32>) -> tensor<*xf32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<?x1x?x8xf32>, tensor<*xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%p) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %vr) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// The sequence is enlarged, too.
// CHECK-LABEL: func.func @repeated_in_another_order
// CHECK-COUNT-2: "Expand"
// CHECK: "Attention"
func.func @repeated_in_another_order(%q: tensor<?x4x?x8xf32>, %k: tensor<?x2x?x8xf32>, %v: tensor<?x2x?x8xf32>) -> tensor<*xf32> {
  %two = arith.constant dense<2> : tensor<1xi64>
  %ks = arith.constant dense<[1, 2, 2, 3, 8]> : tensor<5xi64>
  %km = arith.constant dense<[0, 4, -1, 8]> : tensor<4xi64>
  %vs = arith.constant dense<[1, 2, 2, 3, 8]> : tensor<5xi64>
  %vm = arith.constant dense<[0, 4, -1, 8]> : tensor<4xi64>
  %ku = onnx.node "Unsqueeze"(%k, %two) opset 13 : (tensor<?x2x?x8xf32>, tensor<1xi64>) -> tensor<*xf32>
  %ke = onnx.node "Expand"(%ku, %ks) opset 13 : (tensor<*xf32>, tensor<5xi64>) -> tensor<*xf32>
  %kr = onnx.node "Reshape"(%ke, %km) opset 13 : (tensor<*xf32>, tensor<4xi64>) -> tensor<*xf32>
  %vu = onnx.node "Unsqueeze"(%v, %two) opset 13 : (tensor<?x2x?x8xf32>, tensor<1xi64>) -> tensor<*xf32>
  %ve = onnx.node "Expand"(%vu, %vs) opset 13 : (tensor<*xf32>, tensor<5xi64>) -> tensor<*xf32>
  %vr = onnx.node "Reshape"(%ve, %vm) opset 13 : (tensor<*xf32>, tensor<4xi64>) -> tensor<*xf32>
  %kt = onnx.node "Transpose"(%kr) opset 13 {perm = array<i64: 0, 1, 3, 2>} : (tensor<*xf32>) -> tensor<*xf32>
  %p = onnx.node "MatMul"(%q, %kt) opset 13 : (tensor<?x4x?x8xf32>, tensor<*xf32>) -> tensor<*xf32>
  %w = onnx.node "Softmax"(%p) opset 13 {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "MatMul"(%w, %vr) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}
