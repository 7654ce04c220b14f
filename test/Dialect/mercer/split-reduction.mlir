// RUN: mercer-opt %s -transform-interpreter -canonicalize -cse | FileCheck %s
// PartialReductionOpInterface: split K, each part with its own partial result.

// CHECK-DAG: #[[PART:.*]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-LABEL: func @split_k_inner
// CHECK: %[[ZERO:.*]] = linalg.fill {{.*}} -> tensor<8x16x4xf32>
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[ZERO]])
// CHECK: mercer.contract [#{{.*}}, #{{.*}}, #[[PART]]] {{.*}} outs(%{{.*}} : tensor<8x16x4xf32>)
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: arith.addf
func.func @split_k_inner(%a: tensor<8x64xf32>, %b: tensor<64x16xf32>, %c: tensor<8x16xf32>) -> tensor<8x16xf32> {
  %r = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%a, %b : tensor<8x64xf32>, tensor<64x16xf32>) outs(%c : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %r : tensor<8x16xf32>
}

// Tiles in parallel: one partial result a tile, joined by the op's own (+).
// CHECK-LABEL: func @split_k_parallel_max
// CHECK: linalg.fill {{.*}} -> tensor<8x4xf32>
// CHECK: scf.forall
// CHECK: mercer.contract {{.*}} outs(%{{.*}} : tensor<8xf32>)
// CHECK: linalg.generic
// CHECK: arith.maximumf
func.func @split_k_parallel_max(%a: tensor<8x64xf32>, %c: tensor<8xf32>) -> tensor<8xf32> {
  %r = mercer.contract [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>]
      ins(%a : tensor<8x64xf32>) outs(%c : tensor<8xf32>) reduce {
      ^bb0(%x: f32, %y: f32):
        %m = arith.maximumf %x, %y : f32
        mercer.yield %m : f32
      } -> tensor<8xf32>
  return %r : tensor<8xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %f = transform.structured.match ops{["func.func"]} attributes {sym_name = "split_k_inner"} in %m : (!transform.any_op) -> !transform.any_op
    %c = transform.structured.match ops{["mercer.contract"]} in %f : (!transform.any_op) -> !transform.any_op
    %0, %1, %2, %3 = transform.structured.tile_reduction_using_for %c by tile_sizes = [0, 0, 4] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op, !transform.any_op)
    %g = transform.structured.match ops{["func.func"]} attributes {sym_name = "split_k_parallel_max"} in %m : (!transform.any_op) -> !transform.any_op
    %d = transform.structured.match ops{["mercer.contract"]} in %g : (!transform.any_op) -> !transform.any_op
    %4, %5, %6, %7 = transform.structured.tile_reduction_using_forall %d by num_threads = [0, 4] tile_sizes = [0, 16] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op, !transform.any_op)
    transform.yield
  }
}
