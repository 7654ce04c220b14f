// RUN: mercer-opt %s -mercer-lower-sugar | FileCheck %s

// CHECK-DAG: #[[KEY:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1 floordiv 4, d3, d4)>
// CHECK-DAG: #[[CONVX:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d3, d2 * 2 + d4 * 3 - 1)>

// Grouped queries share a key head through floordiv; positions go to the mask.
// CHECK-LABEL: func @attention_grouped_causal
func.func @attention_grouped_causal(%q: tensor<1x8x?x64xf16>, %k: tensor<1x2x?x64xf16>, %v: tensor<1x2x?x64xf16>,
                                    %past: index, %init: tensor<1x8x?x64xf16>) -> tensor<1x8x?x64xf16> {
  // CHECK: mercer.pairwise [batch, batch, row, col, feature, value] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<softmax, 1, 1>]
  // CHECK-SAME: maps [#{{.*}}, #[[KEY]],
  // CHECK-SAME: captures(%{{.*}} : index)
  // CHECK: arith.mulf %{{.*}}, %cst{{.*}} : f32
  // CHECK: } mask {
  // CHECK: arith.cmpi sle
  %o = mercer.attention query(%q : tensor<1x8x?x64xf16>) key(%k : tensor<1x2x?x64xf16>) value(%v : tensor<1x2x?x64xf16>)
      query_offset(%past) outs(%init : tensor<1x8x?x64xf16>) {causal} -> tensor<1x8x?x64xf16>
  return %o : tensor<1x8x?x64xf16>
}

// A float mask is added in the score; there is no mask region.
// CHECK-LABEL: func @attention_float_mask
func.func @attention_float_mask(%q: tensor<1x8x5x64xf32>, %k: tensor<1x8x9x64xf32>, %v: tensor<1x8x9x64xf32>,
                                %m: tensor<1x9xf32>, %init: tensor<1x8x5x64xf32>) -> tensor<1x8x5x64xf32> {
  // CHECK: reduce [#mercer.reduction<softmax_zero, 1, 1>]
  // CHECK: arith.addf
  // CHECK-NOT: mask {
  %o = mercer.attention query(%q : tensor<1x8x5x64xf32>) key(%k : tensor<1x8x9x64xf32>) value(%v : tensor<1x8x9x64xf32>)
      mask(%m : tensor<1x9xf32>) outs(%init : tensor<1x8x5x64xf32>) {zero_empty_rows} -> tensor<1x8x5x64xf32>
  return %o : tensor<1x8x5x64xf32>
}

// CHECK-LABEL: func @conv_1d
func.func @conv_1d(%x: tensor<2x3x?xf32>, %w: tensor<5x3x4xf32>, %b: tensor<5xf32>, %init: tensor<2x5x?xf32>) -> tensor<2x5x?xf32> {
  // CHECK: linalg.generic
  // CHECK: mercer.window [#[[CONVX]], #{{.*}}, #{{.*}}] bounds [#mercer.bounds<zero>, #mercer.bounds<none>]
  %y = mercer.conv ins(%x, %w : tensor<2x3x?xf32>, tensor<5x3x4xf32>) bias(%b : tensor<5xf32>) outs(%init : tensor<2x5x?xf32>)
      {strides = array<i64: 2>, dilations = array<i64: 3>, pads = array<i64: 1, 1>} -> tensor<2x5x?xf32>
  return %y : tensor<2x5x?xf32>
}

// Without padding there is no bounds rule; depthwise has no channel reduction.
// CHECK-LABEL: func @conv_depthwise
func.func @conv_depthwise(%x: tensor<1x9x9x8xf32>, %w: tensor<8x1x3x3xf32>, %init: tensor<1x7x7x8xf32>) -> tensor<1x7x7x8xf32> {
  // CHECK: mercer.window
  // CHECK-SAME: bounds [#mercer.bounds<none>, #mercer.bounds<none>]
  // CHECK-SAME: outs(%{{.*}} : tensor<1x7x7x8xf32>)
  %y = mercer.conv ins(%x, %w : tensor<1x9x9x8xf32>, tensor<8x1x3x3xf32>) outs(%init : tensor<1x7x7x8xf32>)
      layout nhwc {groups = 8 : i64} -> tensor<1x7x7x8xf32>
  return %y : tensor<1x7x7x8xf32>
}

// All residue classes are one window; f16 is summed in f32.
// CHECK-LABEL: func @conv_transposed_f16
func.func @conv_transposed_f16(%x: tensor<1x4x5xf16>, %w: tensor<4x6x2xf16>, %init: tensor<1x6x10xf16>) -> tensor<1x6x10xf16> {
  // CHECK: mercer.window
  // CHECK-SAME: outs(%{{.*}} : tensor<1x1x6x5x2xf32>)
  // CHECK: tensor.collapse_shape
  // CHECK: arith.truncf
  %y = mercer.conv ins(%x, %w : tensor<1x4x5xf16>, tensor<4x6x2xf16>) outs(%init : tensor<1x6x10xf16>)
      {strides = array<i64: 2>, transposed} -> tensor<1x6x10xf16>
  return %y : tensor<1x6x10xf16>
}

// CHECK-LABEL: func @gram_linear
func.func @gram_linear(%x: tensor<4x3xf64>, %y: tensor<5x3xf64>, %init: tensor<4x5xf64>) -> tensor<4x5xf64> {
  // CHECK: mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f64>] reduce [#mercer.reduction<none, 0, 1>]
  // CHECK-NOT: score
  %g = mercer.gram linear ins(%x, %y : tensor<4x3xf64>, tensor<5x3xf64>) outs(%init : tensor<4x5xf64>) -> tensor<4x5xf64>
  return %g : tensor<4x5xf64>
}

// Expanded distances are taken after subtracting a centre and clamped at 0.
// CHECK-LABEL: func @matvec_expanded
func.func @matvec_expanded(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %v: tensor<?x2xf32>, %init: tensor<?x2xf32>) -> tensor<?x2xf32> {
  // CHECK: arith.subf
  // CHECK: mercer.pairwise [row, col, feature, value] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<sum, 1, 1>]
  // CHECK: arith.maximumf
  // CHECK: math.exp
  %o = mercer.kernel_matvec gaussian ins(%x, %y, %v : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x2xf32>)
      outs(%init : tensor<?x2xf32>) algorithm expanded -> tensor<?x2xf32>
  return %o : tensor<?x2xf32>
}
