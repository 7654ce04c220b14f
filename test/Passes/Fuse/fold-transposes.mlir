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

// -----

// The weights are packed before the model runs, in any order.
// CHECK: #[[W:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: func @weight_input
// CHECK: %[[WEIGHT:.*]] = mercer.weight
// CHECK-NOT: linalg.generic
// CHECK: mercer.contract [{{.*}}, #[[W]], {{.*}}] ins(%arg0, %[[WEIGHT]]
func.func @weight_input(%x: tensor<8x64xf32>, %f: tensor<8x32xf32>) -> tensor<8x32xf32> {
  %w = mercer.weight "m.onnx"[0, 8192] : tensor<32x64xf32>
  %e = tensor.empty() : tensor<64x32xf32>
  %t = linalg.transpose ins(%w : tensor<32x64xf32>) outs(%e : tensor<64x32xf32>) permutation = [1, 0]
  %m = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %t : tensor<8x64xf32>, tensor<64x32xf32>) outs(%f : tensor<8x32xf32>) -> tensor<8x32xf32>
  return %m : tensor<8x32xf32>
}

// -----

// A body that computes is no copy.
// CHECK-LABEL: func @input_that_computes
// CHECK: linalg.generic
// CHECK: mercer.contract
func.func @input_that_computes(%x: tensor<64x8xf32>, %w: tensor<64x32xf32>, %f: tensor<8x32xf32>) -> tensor<8x32xf32> {
  %e = tensor.empty() : tensor<8x64xf32>
  %t = linalg.generic {indexing_maps = [affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<64x8xf32>) outs(%e : tensor<8x64xf32>) {
  ^bb0(%a: f32, %o: f32):
    %n = arith.negf %a : f32
    linalg.yield %n : f32
  } -> tensor<8x64xf32>
  %m = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%t, %w : tensor<8x64xf32>, tensor<64x32xf32>) outs(%f : tensor<8x32xf32>) -> tensor<8x32xf32>
  return %m : tensor<8x32xf32>
}

// -----

// The broadcast alone says how long the rows are.
// CHECK-LABEL: func @broadcast_that_gives_a_size
// CHECK: linalg.generic
// CHECK: mercer.contract
func.func @broadcast_that_gives_a_size(%x: tensor<4xf32>, %f: tensor<4xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4x8xf32>
  %t = linalg.broadcast ins(%x : tensor<4xf32>) outs(%e : tensor<4x8xf32>) dimensions = [1]
  %m = mercer.contract [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>]
      ins(%t : tensor<4x8xf32>) outs(%f : tensor<4xf32>) -> tensor<4xf32>
  return %m : tensor<4xf32>
}

// -----

// A window's bounds rule speaks of the dims of its operand.
// CHECK-LABEL: func @broadcast_before_a_window
// CHECK: linalg.generic
// CHECK: mercer.window
func.func @broadcast_before_a_window(%x: tensor<10xf32>, %w: tensor<4x3xf32>, %f: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %e = tensor.empty() : tensor<4x10xf32>
  %t = linalg.broadcast ins(%x : tensor<10xf32>) outs(%e : tensor<4x10xf32>) dimensions = [0]
  %m = mercer.window [affine_map<(c, p, r) -> (c, p + r)>, affine_map<(c, p, r) -> (c, r)>, affine_map<(c, p, r) -> (c, p)>]
      bounds [#mercer.bounds<none>, #mercer.bounds<none>]
      ins(%t, %w : tensor<4x10xf32>, tensor<4x3xf32>) outs(%f : tensor<4x8xf32>) -> tensor<4x8xf32>
  return %m : tensor<4x8xf32>
}

// -----

// Batches behind rows: the product is written in that order at once.
// CHECK: #[[OUT:.*]] = affine_map<(d0, d1, d2, d3) -> (d1, d0, d2)>
// CHECK-LABEL: func @output
// CHECK: %[[FILL:.*]] = linalg.fill {{.*}} -> tensor<8x2x32xf32>
// CHECK: %[[R:.*]] = mercer.contract [{{.*}}, #[[OUT]]] {{.*}} outs(%[[FILL]] : tensor<8x2x32xf32>)
// CHECK-NEXT: return %[[R]]
func.func @output(%x: tensor<2x8x64xf32>, %w: tensor<2x64x32xf32>) -> tensor<8x2x32xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x8x32xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<2x8x32xf32>) -> tensor<2x8x32xf32>
  %m = mercer.contract [affine_map<(b, m, n, k) -> (b, m, k)>, affine_map<(b, m, n, k) -> (b, k, n)>, affine_map<(b, m, n, k) -> (b, m, n)>]
      ins(%x, %w : tensor<2x8x64xf32>, tensor<2x64x32xf32>) outs(%f : tensor<2x8x32xf32>) -> tensor<2x8x32xf32>
  %g = tensor.empty() : tensor<8x2x32xf32>
  %t = linalg.transpose ins(%m : tensor<2x8x32xf32>) outs(%g : tensor<8x2x32xf32>) permutation = [1, 0, 2]
  return %t : tensor<8x2x32xf32>
}

// -----

// CHECK-LABEL: func @output_that_is_used_twice
// CHECK: mercer.contract
// CHECK: linalg.generic
func.func @output_that_is_used_twice(%x: tensor<2x8x64xf32>, %w: tensor<2x64x32xf32>) -> (tensor<8x2x32xf32>, tensor<2x8x32xf32>) {
  %e = tensor.empty() : tensor<2x8x32xf32>
  %m = mercer.contract [affine_map<(b, m, n, k) -> (b, m, k)>, affine_map<(b, m, n, k) -> (b, k, n)>, affine_map<(b, m, n, k) -> (b, m, n)>]
      ins(%x, %w : tensor<2x8x64xf32>, tensor<2x64x32xf32>) outs(%e : tensor<2x8x32xf32>) -> tensor<2x8x32xf32>
  %g = tensor.empty() : tensor<8x2x32xf32>
  %t = linalg.transpose ins(%m : tensor<2x8x32xf32>) outs(%g : tensor<8x2x32xf32>) permutation = [1, 0, 2]
  return %t, %m : tensor<8x2x32xf32>, tensor<2x8x32xf32>
}

// -----

// The product adds to what is there, in its own order.
// CHECK-LABEL: func @output_that_accumulates
// CHECK: mercer.contract
// CHECK: linalg.generic
func.func @output_that_accumulates(%x: tensor<2x8x64xf32>, %w: tensor<2x64x32xf32>, %f: tensor<2x8x32xf32>) -> tensor<8x2x32xf32> {
  %m = mercer.contract [affine_map<(b, m, n, k) -> (b, m, k)>, affine_map<(b, m, n, k) -> (b, k, n)>, affine_map<(b, m, n, k) -> (b, m, n)>]
      ins(%x, %w : tensor<2x8x64xf32>, tensor<2x64x32xf32>) outs(%f : tensor<2x8x32xf32>) -> tensor<2x8x32xf32>
  %g = tensor.empty() : tensor<8x2x32xf32>
  %t = linalg.transpose ins(%m : tensor<2x8x32xf32>) outs(%g : tensor<8x2x32xf32>) permutation = [1, 0, 2]
  return %t : tensor<8x2x32xf32>
}

// -----

// Columns are the lanes: they stay side by side.
// CHECK-LABEL: func @output_of_turned_columns
// CHECK: mercer.contract
// CHECK: linalg.generic
func.func @output_of_turned_columns(%x: tensor<8x64xf32>, %w: tensor<64x32xf32>) -> tensor<32x8xf32> {
  %e = tensor.empty() : tensor<8x32xf32>
  %m = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %w : tensor<8x64xf32>, tensor<64x32xf32>) outs(%e : tensor<8x32xf32>) -> tensor<8x32xf32>
  %g = tensor.empty() : tensor<32x8xf32>
  %t = linalg.transpose ins(%m : tensor<8x32xf32>) outs(%g : tensor<32x8xf32>) permutation = [1, 0]
  return %t : tensor<32x8xf32>
}

// -----

// The whole is read as well: the transpose would run twice.
// CHECK-LABEL: func @slice_beside_the_whole
// CHECK: linalg.generic
// CHECK: tensor.extract_slice
func.func @slice_beside_the_whole(%x: tensor<4x8xf32>) -> (tensor<2x4xf32>, tensor<8x4xf32>) {
  %e = tensor.empty() : tensor<8x4xf32>
  %t = linalg.transpose ins(%x : tensor<4x8xf32>) outs(%e : tensor<8x4xf32>) permutation = [1, 0]
  %s = tensor.extract_slice %t[0, 0] [2, 4] [1, 1] : tensor<8x4xf32> to tensor<2x4xf32>
  return %s, %t : tensor<2x4xf32>, tensor<8x4xf32>
}

// -----

// CHECK-LABEL: func @slice_of_a_broadcast
// CHECK: linalg.generic
// CHECK: tensor.extract_slice
func.func @slice_of_a_broadcast(%x: tensor<4xf32>) -> tensor<2x4xf32> {
  %e = tensor.empty() : tensor<8x4xf32>
  %t = linalg.broadcast ins(%x : tensor<4xf32>) outs(%e : tensor<8x4xf32>) dimensions = [0]
  %s = tensor.extract_slice %t[0, 0] [2, 4] [1, 1] : tensor<8x4xf32> to tensor<2x4xf32>
  return %s : tensor<2x4xf32>
}
