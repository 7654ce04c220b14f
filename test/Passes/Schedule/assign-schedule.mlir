// RUN: mercer-opt %s -split-input-file --mercer-assign-schedule | FileCheck %s

#map = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#col = affine_map<(d0, d1) -> (d1)>

// A contraction takes what follows it element by element, on the same grid.
// CHECK-LABEL: func @epilogue
// CHECK: mercer.contract {{.*}}mercer.dims = array<i64: 0, 1, -1>, mercer.group = 0 : i64
// CHECK-SAME: mercer.schedule = {{.*}}rhs_panel
// CHECK: linalg.generic {{.*}}mercer.dims = array<i64: 0, 1>, mercer.group = 0 : i64
func.func @epilogue(%x: tensor<?x768xf32>, %b: tensor<1024xf32>, %f: tensor<?x1024xf32>) -> tensor<?x1024xf32> {
  %w = mercer.weight "m.bin"[0, 3145728] : tensor<768x1024xf32>
  %m = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %w : tensor<?x768xf32>, tensor<768x1024xf32>) outs(%f : tensor<?x1024xf32>) -> tensor<?x1024xf32>
  %a = linalg.generic {indexing_maps = [#map, #col, #map], iterator_types = ["parallel", "parallel"]}
      ins(%m, %b : tensor<?x1024xf32>, tensor<1024xf32>) outs(%f : tensor<?x1024xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %s = arith.addf %p, %q : f32
    linalg.yield %s : f32
  } -> tensor<?x1024xf32>
  return %a : tensor<?x1024xf32>
}

// -----

#map = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>

// A reduction over the contraction's columns needs whole rows: its own kernel,
// and what reads the sums joins that.
// CHECK-LABEL: func @row_group_behind_contract
// CHECK: mercer.contract {{.*}}mercer.group = 0 : i64
// CHECK-SAME: "linalg.generic not fused: it would cut the contraction's grid"
// CHECK: linalg.generic {{.*}}mercer.dims = array<i64: 0, -1>, mercer.group = 1 : i64
// CHECK: linalg.generic {{.*}}mercer.dims = array<i64: 0, -1>, mercer.group = 1 : i64
func.func @row_group_behind_contract(%x: tensor<512x768xf32>, %w: tensor<768x1024xf32>, %f: tensor<512x1024xf32>, %g: tensor<512xf32>) -> tensor<512x1024xf32> {
  %m = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %w : tensor<512x768xf32>, tensor<768x1024xf32>) outs(%f : tensor<512x1024xf32>) -> tensor<512x1024xf32>
  %s = linalg.generic {indexing_maps = [#map, #row], iterator_types = ["parallel", "reduction"]}
      ins(%m : tensor<512x1024xf32>) outs(%g : tensor<512xf32>) {
  ^bb0(%p: f32, %o: f32):
    %v = arith.addf %p, %o : f32
    linalg.yield %v : f32
  } -> tensor<512xf32>
  %a = linalg.generic {indexing_maps = [#map, #row, #map], iterator_types = ["parallel", "parallel"]}
      ins(%m, %s : tensor<512x1024xf32>, tensor<512xf32>) outs(%f : tensor<512x1024xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %v = arith.subf %p, %q : f32
    linalg.yield %v : f32
  } -> tensor<512x1024xf32>
  return %a : tensor<512x1024xf32>
}

// -----

// x + transpose(x): no dim corresponds along both ways, unless the whole is
// small enough for one tile.
// CHECK-LABEL: func @crossed
// CHECK: mercer.group = 0 : i64
// CHECK: mercer.group = 1 : i64
#map = affine_map<(d0, d1) -> (d0, d1)>
#map_t = affine_map<(d0, d1) -> (d1, d0)>
func.func @crossed(%x: tensor<512x512xf32>, %e: tensor<512x512xf32>) -> tensor<512x512xf32> {
  %0 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<512x512xf32>) outs(%e : tensor<512x512xf32>) {
  ^bb0(%p: f32, %o: f32):
    %v = math.exp %p : f32
    linalg.yield %v : f32
  } -> tensor<512x512xf32>
  %1 = linalg.generic {indexing_maps = [#map, #map_t, #map], iterator_types = ["parallel", "parallel"]}
      ins(%0, %0 : tensor<512x512xf32>, tensor<512x512xf32>) outs(%e : tensor<512x512xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %v = arith.addf %p, %q : f32
    linalg.yield %v : f32
  } -> tensor<512x512xf32>
  return %1 : tensor<512x512xf32>
}

// -----

// CHECK-LABEL: func @crossed_small
// CHECK: mercer.group = 0 : i64, {{.*}}why = "too small to cut"
// CHECK: mercer.group = 0 : i64
#map = affine_map<(d0, d1) -> (d0, d1)>
#map_t = affine_map<(d0, d1) -> (d1, d0)>
func.func @crossed_small(%x: tensor<8x8xf32>, %e: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %0 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
  ^bb0(%p: f32, %o: f32):
    %v = math.exp %p : f32
    linalg.yield %v : f32
  } -> tensor<8x8xf32>
  %1 = linalg.generic {indexing_maps = [#map, #map_t, #map], iterator_types = ["parallel", "parallel"]}
      ins(%0, %0 : tensor<8x8xf32>, tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %v = arith.addf %p, %q : f32
    linalg.yield %v : f32
  } -> tensor<8x8xf32>
  return %1 : tensor<8x8xf32>
}

// -----

// A product of a few hundred multiplications a row is no root of a kernel.
// CHECK-LABEL: func @small_products
// CHECK: mercer.contract {{.*}}mercer.group = 0 : i64
// CHECK: mercer.contract {{.*}}mercer.group = 0 : i64
func.func @small_products(%x: tensor<?x45xf32>, %v: tensor<45x10xf32>, %f: tensor<?x10xf32>, %g: tensor<?x10xf32>, %u: tensor<10x10xf32>) -> tensor<?x10xf32> {
  %m = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %v : tensor<?x45xf32>, tensor<45x10xf32>) outs(%f : tensor<?x10xf32>) -> tensor<?x10xf32>
  %r = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%m, %u : tensor<?x10xf32>, tensor<10x10xf32>) outs(%g : tensor<?x10xf32>) -> tensor<?x10xf32>
  return %r : tensor<?x10xf32>
}
