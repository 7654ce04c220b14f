// RUN: not mercer-opt %s -transform-interpreter -split-input-file 2>&1 | FileCheck %s
// What TilingInterface and PartialReductionOpInterface refuse.

// A sum over columns is finished only when all of them are in it.
// CHECK: 'mercer.pairwise' op [E3202] cannot be tiled along col loop 1 outside of its partial form
func.func @columns_of_a_finished_sum(%x: tensor<8x3xf32>, %y: tensor<8x3xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<max, 0, 1>]
      maps [affine_map<(i, j, f) -> (i, f)>, affine_map<(i, j, f) -> (j, f)>, affine_map<(i, j, f) -> (i)>]
      ins(%x, %y : tensor<8x3xf32>, tensor<8x3xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  return %r : tensor<8xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %p = transform.structured.match ops{["mercer.pairwise"]} in %m : (!transform.any_op) -> !transform.any_op
    %1, %2 = transform.structured.tile_using_forall %p tile_sizes [0, 4] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// A tile of 3 heads is no whole number of groups of 2.
// CHECK: 'mercer.pairwise' op [E3201] operand 1 has an access that cannot be tiled: affine_map<(d0, d1, d2, d3) -> (d0 floordiv 2, d2, d3)>
func.func @part_of_a_group(%q: tensor<6x8x3xf32>, %k: tensor<3x5x3xf32>, %o: tensor<6x8xf32>) -> tensor<6x8xf32> {
  %r = mercer.pairwise [batch, row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<max, 0, 1>]
      maps [affine_map<(h, i, j, f) -> (h, i, f)>, affine_map<(h, i, j, f) -> (h floordiv 2, j, f)>, affine_map<(h, i, j, f) -> (h, i)>]
      ins(%q, %k : tensor<6x8x3xf32>, tensor<3x5x3xf32>) outs(%o : tensor<6x8xf32>) -> tensor<6x8xf32>
  return %r : tensor<6x8xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %p = transform.structured.match ops{["mercer.pairwise"]} in %m : (!transform.any_op) -> !transform.any_op
    %1, %2 = transform.structured.tile_using_forall %p tile_sizes [3] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// A tile of whole panels, or of a part of one that divides it, can be cut; one of
// 32 columns crosses the edge of a panel of 48.
// CHECK: 'mercer.contract' op [E3201] operand 1 has an access that cannot be tiled
func.func @part_of_a_panel(%a: tensor<16x64xf32>, %b: tensor<2x64x48xf32>, %c: tensor<16x96xf32>) -> tensor<16x96xf32> {
  %r = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n floordiv 48, k, n mod 48)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%a, %b : tensor<16x64xf32>, tensor<2x64x48xf32>) outs(%c : tensor<16x96xf32>) -> tensor<16x96xf32>
  return %r : tensor<16x96xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %p = transform.structured.match ops{["mercer.contract"]} in %m : (!transform.any_op) -> !transform.any_op
    %1, %2 = transform.structured.tile_using_forall %p tile_sizes [0, 32] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// A reduction that no known (+) joins has no value to start a part from.
// CHECK: 'mercer.contract' op [E3201] cannot split a reduction whose identity is not known
func.func @split_of_an_unknown_sum(%a: tensor<8x64xf32>, %c: tensor<8xf32>) -> tensor<8xf32> {
  %r = mercer.contract [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>]
      ins(%a : tensor<8x64xf32>) outs(%c : tensor<8xf32>) reduce {
      ^bb0(%x: f32, %y: f32):
        %d = arith.divf %x, %y : f32
        mercer.yield %d : f32
      } -> tensor<8xf32>
  return %r : tensor<8xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %c = transform.structured.match ops{["mercer.contract"]} in %m : (!transform.any_op) -> !transform.any_op
    %0, %1, %2, %3 = transform.structured.tile_reduction_using_for %c by tile_sizes = [0, 4] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op, !transform.any_op)
    transform.yield
  }
}
