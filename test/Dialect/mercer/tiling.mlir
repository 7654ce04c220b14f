// RUN: mercer-opt %s -transform-interpreter -canonicalize -cse | FileCheck %s
// TilingInterface: which part of every operand a tile of the loops takes.

// A tile of one panel takes that panel; the packed access becomes plain.
// CHECK-DAG: #[[PLAIN:.*]] = affine_map<(d0, d1, d2) -> (0, d2, d1)>
// CHECK-LABEL: func @contract_panel
// CHECK: scf.forall (%{{.*}}, %[[N:.*]]) in (2, 2)
// CHECK: tensor.extract_slice %{{.*}}[%[[N]], 0, 0] [1, 64, 48]
// CHECK: mercer.contract [#{{.*}}, #[[PLAIN]], #{{.*}}]
func.func @contract_panel(%a: tensor<16x64xf32>, %b: tensor<2x64x48xf32>, %c: tensor<16x96xf32>) -> tensor<16x96xf32> {
  %r = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n floordiv 48, k, n mod 48)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%a, %b : tensor<16x64xf32>, tensor<2x64x48xf32>) outs(%c : tensor<16x96xf32>) -> tensor<16x96xf32>
  return %r : tensor<16x96xf32>
}

// The halo of a strided window, with its bounds rule.
// CHECK-LABEL: func @window_halo
// CHECK: scf.forall (%[[I:.*]]) in (4)
// CHECK: mercer.load_tile %{{.*}}[0, %{{.*}}] [3, 9] pad
// CHECK: mercer.window {{.*}} bounds [#mercer.bounds<none>, #mercer.bounds<none>]
func.func @window_halo(%x: tensor<3x31xf32>, %w: tensor<5x3x3xf32>, %c: tensor<5x16xf32>) -> tensor<5x16xf32> {
  %r = mercer.window [affine_map<(o, p, c, r) -> (c, p * 2 + r - 1)>, affine_map<(o, p, c, r) -> (o, c, r)>, affine_map<(o, p, c, r) -> (o, p)>]
      bounds [#mercer.bounds<zero>, #mercer.bounds<none>]
      ins(%x, %w : tensor<3x31xf32>, tensor<5x3x3xf32>) outs(%c : tensor<5x16xf32>) -> tensor<5x16xf32>
  return %r : tensor<5x16xf32>
}

// Nothing outside can be read: a plain slice instead.
// CHECK-LABEL: func @window_inside
// CHECK: scf.forall
// CHECK-NOT: mercer.load_tile
// CHECK: mercer.window
func.func @window_inside(%x: tensor<18xf32>, %w: tensor<3xf32>, %c: tensor<16xf32>) -> tensor<16xf32> {
  %r = mercer.window [affine_map<(p, r) -> (p + r)>, affine_map<(p, r) -> (r)>, affine_map<(p, r) -> (p)>]
      bounds [#mercer.bounds<zero>, #mercer.bounds<none>]
      ins(%x, %w : tensor<18xf32>, tensor<3xf32>) outs(%c : tensor<16xf32>) -> tensor<16xf32>
  return %r : tensor<16xf32>
}

// Positions inside of regions stay those of the whole op; grouped heads share.
// CHECK-LABEL: func @pairwise_rows
// CHECK: scf.forall (%[[H:.*]], %[[T:.*]]) in (4, 4)
// CHECK: %[[I:.*]] = affine.apply #{{.*}}(%[[T]])
// CHECK: mercer.pairwise
// CHECK: %[[P:.*]] = mercer.index 1
// CHECK: arith.addi %[[P]], %[[I]]
func.func @pairwise_rows(%q: tensor<4x64x8xf32>, %k: tensor<2x?x8xf32>, %o: tensor<4x64xf32>) -> tensor<4x64xf32> {
  %r = mercer.pairwise [batch, row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<max, 0, 1>]
      maps [affine_map<(h, i, j, f) -> (h, i, f)>, affine_map<(h, i, j, f) -> (h floordiv 2, j, f)>, affine_map<(h, i, j, f) -> (h, i)>]
      ins(%q, %k : tensor<4x64x8xf32>, tensor<2x?x8xf32>) outs(%o : tensor<4x64xf32>) mask {
        %i = mercer.index 1 : index
        %j = mercer.index 2 : index
        %p = arith.cmpi sle, %j, %i : index
        mercer.yield %p : i1
      } -> tensor<4x64xf32>
  return %r : tensor<4x64xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %c = transform.structured.match ops{["mercer.contract"]} in %m : (!transform.any_op) -> !transform.any_op
    %c1, %c2 = transform.structured.tile_using_forall %c tile_sizes [8, 48] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %f = transform.structured.match ops{["func.func"]} attributes {sym_name = "window_halo"} in %m : (!transform.any_op) -> !transform.any_op
    %w = transform.structured.match ops{["mercer.window"]} in %f : (!transform.any_op) -> !transform.any_op
    %w1, %w2 = transform.structured.tile_using_forall %w tile_sizes [0, 4] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %g = transform.structured.match ops{["func.func"]} attributes {sym_name = "window_inside"} in %m : (!transform.any_op) -> !transform.any_op
    %v = transform.structured.match ops{["mercer.window"]} in %g : (!transform.any_op) -> !transform.any_op
    %v1, %v2 = transform.structured.tile_using_forall %v tile_sizes [4] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %p = transform.structured.match ops{["mercer.pairwise"]} in %m : (!transform.any_op) -> !transform.any_op
    %p1, %p2 = transform.structured.tile_using_forall %p tile_sizes [1, 16] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}
