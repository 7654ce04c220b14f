// RUN: mercer-opt %s -split-input-file --mercer-form-kernels | FileCheck %s

#map = affine_map<(d0) -> (d0)>

// Both members in one kernel; the value between them stays inside; the view
// behind stays outside.
// CHECK-LABEL: func @group
// CHECK: %[[N:.*]] = tensor.dim
// CHECK: %[[E:.*]] = tensor.empty(%[[N]])
// CHECK: %[[K:.*]] = mercer.kernel "map_exp_and_1" ins(%{{.*}} = %{{.*}} : tensor<?xf32>) outs(%{{.*}} = %[[E]] : tensor<?xf32>)
// CHECK:   linalg.generic
// CHECK:   linalg.generic
// CHECK:   mercer.yield
// CHECK: tensor.expand_shape %[[K]]
func.func @group(%x: tensor<?xf32>) -> tensor<?x1xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %e = tensor.empty(%n) : tensor<?xf32>
  %0 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%x : tensor<?xf32>) outs(%e : tensor<?xf32>) attrs = {mercer.group = 0 : i64, mercer.dims = array<i64: 0>, mercer.schedule = {grid = array<i64: 64>}} {
  ^bb0(%p: f32, %o: f32):
    %v = math.exp %p : f32
    linalg.yield %v : f32
  } -> tensor<?xf32>
  %1 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%0 : tensor<?xf32>) outs(%e : tensor<?xf32>) attrs = {mercer.group = 0 : i64, mercer.dims = array<i64: 0>} {
  ^bb0(%p: f32, %o: f32):
    %v = arith.negf %p : f32
    linalg.yield %v : f32
  } -> tensor<?xf32>
  %2 = tensor.expand_shape %1 [[0, 1]] output_shape [%n, 1] {mercer.group = 0 : i64, mercer.dims = array<i64: 0, -1>} : tensor<?xf32> into tensor<?x1xf32>
  return %2 : tensor<?x1xf32>
}

// -----

// An operation that no group has gets a kernel of its own; a view does not.
// CHECK-LABEL: func @alone
// CHECK: tensor.collapse_shape
// CHECK: mercer.kernel "concat"
// CHECK:   tensor.concat
func.func @alone(%x: tensor<2x4xf32>) -> tensor<16xf32> {
  %0 = tensor.collapse_shape %x [[0, 1]] : tensor<2x4xf32> into tensor<8xf32>
  %1 = tensor.concat dim(0) %0, %0 : (tensor<8xf32>, tensor<8xf32>) -> tensor<16xf32>
  return %1 : tensor<16xf32>
}
