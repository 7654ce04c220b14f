// RUN: mercer-opt %s -split-input-file --mercer-tile-kernels --canonicalize --cse | FileCheck %s

// A row group: all of softmax inside one tile of rows, written in place.
// CHECK-LABEL: func @row_group
// CHECK: scf.forall (%[[I:.*]]) = (0) to (%{{.*}}) step (64) shared_outs(%[[D:.*]] = %{{.*}})
// CHECK:   %[[S:.*]] = affine.min
// CHECK:   %[[OUT:.*]] = tensor.extract_slice %[[D]][%[[I]], 0] [%[[S]], 128]
// CHECK:   %[[IN:.*]] = tensor.extract_slice %{{.*}}[%[[I]], 0] [%[[S]], 128]
// CHECK:   %[[M:.*]] = linalg.generic {{.*}} ins(%[[IN]] : tensor<?x128xf32>)
// CHECK:   linalg.generic {{.*}} ins(%[[IN]], %[[M]] : {{.*}}) outs(%[[OUT]]
// CHECK:   tensor.parallel_insert_slice
// CHECK: mapping = [#mercer.grid<0>]
#map = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
func.func @row_group(%x: tensor<?x128xf32>, %init: tensor<?x128xf32>) -> tensor<?x128xf32> {
  %r = mercer.kernel "softmax" ins(%a = %x : tensor<?x128xf32>) outs(%o = %init : tensor<?x128xf32>)
      attrs {mercer.schedule = {grid = array<i64: 64>, inner = array<i64: 0>}} {
    %c0 = arith.constant 0 : index
    %ninf = arith.constant 0xFF800000 : f32
    %n = tensor.dim %a, %c0 : tensor<?x128xf32>
    %e1 = tensor.empty(%n) : tensor<?xf32>
    %e = tensor.empty(%n) : tensor<?x128xf32>
    %f = linalg.fill {mercer.dims = array<i64: 0>} ins(%ninf : f32) outs(%e1 : tensor<?xf32>) -> tensor<?xf32>
    %m = linalg.generic {indexing_maps = [#map, #row], iterator_types = ["parallel", "reduction"]}
        ins(%a : tensor<?x128xf32>) outs(%f : tensor<?xf32>) attrs = {mercer.dims = array<i64: 0, -1>} {
    ^bb0(%p: f32, %acc: f32):
      %s = arith.maximumf %p, %acc : f32
      linalg.yield %s : f32
    } -> tensor<?xf32>
    %d = linalg.generic {indexing_maps = [#map, #row, #map], iterator_types = ["parallel", "parallel"]}
        ins(%a, %m : tensor<?x128xf32>, tensor<?xf32>) outs(%e : tensor<?x128xf32>)
        attrs = {mercer.dims = array<i64: 0, -1>, mercer.root} {
    ^bb0(%p: f32, %q: f32, %acc: f32):
      %s = arith.subf %p, %q : f32
      linalg.yield %s : f32
    } -> tensor<?x128xf32>
    mercer.yield %d : tensor<?x128xf32>
  } -> tensor<?x128xf32>
  return %r : tensor<?x128xf32>
}

// -----

// A contraction walks panels of columns inside its tile of rows.
// CHECK-LABEL: func @panels
// CHECK: scf.forall (%[[I:.*]]) = (0) to (192) step (96)
// CHECK:   %[[A:.*]] = tensor.extract_slice %{{.*}}[%[[I]], 0] [96, 64]
// CHECK:   scf.for %[[J:.*]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args
// CHECK:     linalg.fill
// CHECK:     mercer.contract {{.*}} ins(%[[A]], %{{.*}} : tensor<96x64xf32>, tensor<1x64x48xf32>)
// CHECK:     tensor.insert_slice
func.func @panels(%x: tensor<192x64xf32>, %w: tensor<4x64x48xf32>, %init: tensor<192x192xf32>) -> tensor<192x192xf32> {
  %r = mercer.kernel "gemm" ins(%a = %x, %b = %w : tensor<192x64xf32>, tensor<4x64x48xf32>) outs(%o = %init : tensor<192x192xf32>)
      attrs {mercer.schedule = {grid = array<i64: 96, 0>, inner = array<i64: 0, 48>}} {
    %zero = arith.constant 0.0 : f32
    %e = tensor.empty() : tensor<192x192xf32>
    %f = linalg.fill {mercer.dims = array<i64: 0, 1>} ins(%zero : f32) outs(%e : tensor<192x192xf32>) -> tensor<192x192xf32>
    %c = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n floordiv 48, k, n mod 48)>, affine_map<(m, n, k) -> (m, n)>]
        ins(%a, %b : tensor<192x64xf32>, tensor<4x64x48xf32>) outs(%f : tensor<192x192xf32>)
        {mercer.dims = array<i64: 0, 1, -1>, mercer.root} -> tensor<192x192xf32>
    mercer.yield %c : tensor<192x192xf32>
  } -> tensor<192x192xf32>
  return %r : tensor<192x192xf32>
}

// -----

// Without a schedule the kernel is one tile; the grid of one trip stays.
// CHECK-LABEL: func @single_tile
// CHECK: scf.forall ({{.*}}) in (1)
// CHECK-NOT: tensor.empty
// CHECK: mapping = [#mercer.grid<0>]
func.func @single_tile(%x: tensor<8xf32>, %init: tensor<8xf32>) -> tensor<8xf32> {
  %r = mercer.kernel "neg" ins(%a = %x : tensor<8xf32>) outs(%o = %init : tensor<8xf32>) {
    %e = tensor.empty() : tensor<8xf32>
    %c = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
        ins(%a : tensor<8xf32>) outs(%e : tensor<8xf32>) {
    ^bb0(%p: f32, %q: f32):
      %s = arith.negf %p : f32
      linalg.yield %s : f32
    } -> tensor<8xf32>
    mercer.yield %c : tensor<8xf32>
  } -> tensor<8xf32>
  return %r : tensor<8xf32>
}
