// RUN: mercer-opt %s -split-input-file --mercer-fold-transposes --canonicalize | FileCheck %s

// CHECK: #[[A:.*]] = affine_map<(d0, d1, d2) -> (d2, d0)>
// CHECK-LABEL: func @input
// CHECK-NOT: linalg.generic
// CHECK: mercer.contract [#[[A]], {{.*}} ins(%arg0, %arg1
func.func @input(%x: tensor<64x8xf32>, %w: tensor<64x32xf32>, %f: tensor<8x32xf32>) -> tensor<8x32xf32> {
  %e = tensor.empty() : tensor<8x64xf32>
  %t = linalg.transpose ins(%x : tensor<64x8xf32>) outs(%e : tensor<8x64xf32>) permutation = [1, 0]
  %m = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%t, %w : tensor<8x64xf32>, tensor<64x32xf32>) outs(%f : tensor<8x32xf32>) -> tensor<8x32xf32>
  return %m : tensor<8x32xf32>
}

// -----

// The right operand's columns would no longer lie side by side.
// CHECK-LABEL: func @keep_columns_contiguous
// CHECK: linalg.generic
// CHECK: mercer.contract
func.func @keep_columns_contiguous(%x: tensor<8x64xf32>, %w: tensor<32x64xf32>, %f: tensor<8x32xf32>) -> tensor<8x32xf32> {
  %e = tensor.empty() : tensor<64x32xf32>
  %t = linalg.transpose ins(%w : tensor<32x64xf32>) outs(%e : tensor<64x32xf32>) permutation = [1, 0]
  %m = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %t : tensor<8x64xf32>, tensor<64x32xf32>) outs(%f : tensor<8x32xf32>) -> tensor<8x32xf32>
  return %m : tensor<8x32xf32>
}

// -----

// One transpose of fused queries, keys and values: slices of the source, and
// maps that read them in place.
// CHECK-LABEL: func @slices
// CHECK-NOT: linalg.generic
// CHECK: %[[Q:.*]] = tensor.extract_slice %arg0[0, 0, 0, 0] [%{{.*}}, 1, 2, 16]
// CHECK-NOT: linalg.generic
// CHECK: mercer.pairwise
func.func @slices(%x: tensor<?x2x2x16xf32>, %n: index) -> tensor<2x?x16xf32> {
  %e = tensor.empty(%n) : tensor<2x2x?x16xf32>
  %t = linalg.transpose ins(%x : tensor<?x2x2x16xf32>) outs(%e : tensor<2x2x?x16xf32>) permutation = [1, 2, 0, 3]
  %q = tensor.extract_slice %t[0, 0, 0, 0] [1, 2, %n, 16] [1, 1, 1, 1] : tensor<2x2x?x16xf32> to tensor<2x?x16xf32>
  %k = tensor.extract_slice %t[1, 0, 0, 0] [1, 2, %n, 16] [1, 1, 1, 1] : tensor<2x2x?x16xf32> to tensor<2x?x16xf32>
  %o = tensor.empty(%n) : tensor<2x?x16xf32>
  %r = mercer.pairwise [batch, row, col, feature, value]
      inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<softmax, 1, 1>]
      maps [affine_map<(h, i, j, f, d) -> (h, i, f)>, affine_map<(h, i, j, f, d) -> (h, j, f)>,
            affine_map<(h, i, j, f, d) -> (h, j, d)>, affine_map<(h, i, j, f, d) -> (h, i, d)>]
      ins(%q, %k : tensor<2x?x16xf32>, tensor<2x?x16xf32>) values(%k : tensor<2x?x16xf32>)
      outs(%o : tensor<2x?x16xf32>) -> tensor<2x?x16xf32>
  return %r : tensor<2x?x16xf32>
}
