// RUN: mercer-opt %s -mercer-decompose-tiles -canonicalize | FileCheck %s

// CHECK-LABEL: func @contract_packed
func.func @contract_packed(%a: tensor<8x64xf16>, %b: tensor<1x64x48xf16>, %c: tensor<8x48xf32>) -> tensor<8x48xf32> {
  // CHECK: tensor.extract_slice %{{.*}} : tensor<1x64x48xf16> to tensor<64x48xf16>
  // CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]
  // CHECK: arith.extf
  // CHECK: arith.mulf
  // CHECK: arith.addf
  %r = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (0, k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%a, %b : tensor<8x64xf16>, tensor<1x64x48xf16>) outs(%c : tensor<8x48xf32>) -> tensor<8x48xf32>
  return %r : tensor<8x48xf32>
}

// The halo is filled with the rule's value, then what exists is inserted.
// CHECK-LABEL: func @window_max_pool
func.func @window_max_pool(%x: tensor<1x8x15xf32>, %init: tensor<1x8x8xf32>) -> tensor<1x8x8xf32> {
  // CHECK-DAG: %[[INF:.*]] = arith.constant 0xFF800000 : f32
  // CHECK: %[[F:.*]] = linalg.fill ins(%[[INF]] : f32) outs(%{{.*}} : tensor<1x8x17xf32>)
  // CHECK: tensor.insert_slice %{{.*}} into %[[F]][0, 0, 1] [1, 8, 15]
  // CHECK: linalg.generic
  // CHECK: arith.maximumf
  %r = mercer.window [affine_map<(n, c, p, r) -> (n, c, p * 2 + r - 1)>, affine_map<(n, c, p, r) -> (n, c, p)>]
      bounds [#mercer.bounds<value, 0xFF800000 : f32>] extents = [-1, -1, -1, 3]
      ins(%x : tensor<1x8x15xf32>) outs(%init : tensor<1x8x8xf32>) reduce {
      ^bb0(%acc: f32, %v: f32):
        %m = arith.maximumf %acc, %v : f32
        mercer.yield %m : f32
      } -> tensor<1x8x8xf32>
  return %r : tensor<1x8x8xf32>
}

// Nothing can be outside: a plain slice.
// CHECK-LABEL: func @load_tile_inside
func.func @load_tile_inside(%x: tensor<4x8xf32>) -> tensor<2x8xf32> {
  // CHECK-NOT: linalg.fill
  // CHECK: tensor.extract_slice %{{.*}}[1, 0] [2, 8]
  %zero = arith.constant 0.0 : f32
  %t = mercer.load_tile %x[1, 0] [2, 8] pad(%zero : f32) : tensor<4x8xf32> to tensor<2x8xf32>
  return %t : tensor<2x8xf32>
}

// CHECK-LABEL: func @load_tile_reflect
func.func @load_tile_reflect(%x: tensor<4x?xf32>, %o: index) -> tensor<2x9xf32> {
  // CHECK: linalg.generic
  // CHECK: arith.remsi
  // CHECK: tensor.extract
  %t = mercer.load_tile %x[1, %o] [2, 9] bounds reflect : tensor<4x?xf32> to tensor<2x9xf32>
  return %t : tensor<2x9xf32>
}

// The online loop: rows in the lanes, one tile of scores, states carried.
// CHECK-LABEL: func @online_softmax
func.func @online_softmax(%q: tensor<64x32xf32>, %k: tensor<?x32xf32>, %v: tensor<?x32xf32>, %o: tensor<64x32xf32>) -> tensor<64x32xf32> {
  // CHECK-NOT: tensor<64x?xf32>
  // CHECK: linalg.generic {{.*}} ins(%{{.*}} : tensor<64x32xf32>) outs(%{{.*}} : tensor<32x64xf32>)
  // CHECK: scf.for {{.*}} -> (tensor<64xf32>, tensor<64xf32>, tensor<32x64xf32>) {
  // CHECK: math.exp2
  // CHECK: arith.divf
  %r = mercer.pairwise [row, col, feature, value] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<softmax, 1, 1>]
      maps [affine_map<(i, j, f, d) -> (i, f)>, affine_map<(i, j, f, d) -> (j, f)>,
            affine_map<(i, j, f, d) -> (j, d)>, affine_map<(i, j, f, d) -> (i, d)>]
      ins(%q, %k : tensor<64x32xf32>, tensor<?x32xf32>) values(%v : tensor<?x32xf32>) outs(%o : tensor<64x32xf32>) -> tensor<64x32xf32>
  return %r : tensor<64x32xf32>
}

// A causal mask bounds the loop and is applied to diagonal tiles only.
// CHECK-LABEL: func @causal_skips
func.func @causal_skips(%q: tensor<256x32xf32>, %k: tensor<256x32xf32>, %v: tensor<256x32xf32>, %o: tensor<256x32xf32>) -> tensor<256x32xf32> {
  // CHECK: scf.for %[[I:.*]] =
  // CHECK: scf.for %{{.*}} = %{{.*}} to %[[HIGH:.*]] step
  // CHECK: scf.if
  // CHECK: arith.select
  %r = mercer.pairwise [row, col, feature, value] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<softmax, 1, 1>]
      maps [affine_map<(i, j, f, d) -> (i, f)>, affine_map<(i, j, f, d) -> (j, f)>,
            affine_map<(i, j, f, d) -> (j, d)>, affine_map<(i, j, f, d) -> (i, d)>]
      ins(%q, %k : tensor<256x32xf32>, tensor<256x32xf32>) values(%v : tensor<256x32xf32>) outs(%o : tensor<256x32xf32>) mask {
        %i = mercer.index 0 : index
        %j = mercer.index 1 : index
        %p = arith.cmpi sle, %j, %i : index
        mercer.yield %p : i1
      } -> tensor<256x32xf32>
  return %r : tensor<256x32xf32>
}

// A mask that depends on data is applied to every tile.
// CHECK-LABEL: func @data_mask_does_not_skip
func.func @data_mask_does_not_skip(%q: tensor<64x32xf32>, %k: tensor<?x32xf32>, %m: tensor<64x?xi8>, %o: tensor<64xf32>) -> tensor<64xf32> {
  // CHECK: scf.for
  // CHECK-NOT: scf.if
  // CHECK: arith.select
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<logsumexp, 0, 1>]
      maps [affine_map<(i, j, f) -> (i, f)>, affine_map<(i, j, f) -> (j, f)>, affine_map<(i, j, f) -> (i, j)>, affine_map<(i, j, f) -> (i)>]
      ins(%q, %k : tensor<64x32xf32>, tensor<?x32xf32>) captures(%m : tensor<64x?xi8>) outs(%o : tensor<64xf32>) mask {
      ^bb0(%c: i8):
        %zero = arith.constant 0 : i8
        %p = arith.cmpi ne, %c, %zero : i8
        mercer.yield %p : i1
      } -> tensor<64xf32>
  return %r : tensor<64xf32>
}

// The number of rows is known at run time only: both forms, of which few rows
// keep their order and put columns and values into the lanes. The constant
// factor of the score goes into the packed rows.
// CHECK-LABEL: func @few_or_many_rows
func.func @few_or_many_rows(%q: tensor<?x32xf32>, %k: tensor<?x32xf32>, %v: tensor<?x8xf32>, %o: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[FEW:.*]] = arith.cmpi sle
  // CHECK: scf.if %[[FEW]]
  // CHECK: scf.for {{.*}} -> (tensor<?xf32>, tensor<?xf32>, tensor<?x8xf32>) {
  // CHECK: } else {
  // CHECK: arith.mulf %{{.*}}, %cst
  // CHECK: scf.for {{.*}} -> (tensor<?xf32>, tensor<?xf32>, tensor<8x?xf32>) {
  %r = mercer.pairwise [row, col, feature, value] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<softmax, 1, 1>]
      maps [affine_map<(i, j, f, d) -> (i, f)>, affine_map<(i, j, f, d) -> (j, f)>,
            affine_map<(i, j, f, d) -> (j, d)>, affine_map<(i, j, f, d) -> (i, d)>]
      ins(%q, %k : tensor<?x32xf32>, tensor<?x32xf32>) values(%v : tensor<?x8xf32>) outs(%o : tensor<?x8xf32>) score {
      ^bb0(%s: f32):
        %c = arith.constant 0.25 : f32
        %t = arith.mulf %s, %c : f32
        mercer.yield %t : f32
      } -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// A window that does not reach the end of its input reads a slice of it.
// CHECK-LABEL: func @window_short_reach
func.func @window_short_reach(%x: tensor<5xf32>, %init: tensor<2xf32>) -> tensor<2xf32> {
  // CHECK: tensor.extract_slice %{{.*}}[0] [4] [1] : tensor<5xf32> to tensor<4xf32>
  // CHECK: linalg.generic
  %r = mercer.window [affine_map<(p, r) -> (p * 2 + r)>, affine_map<(p, r) -> (p)>]
      bounds [#mercer.bounds<none>] extents = [-1, 2]
      ins(%x : tensor<5xf32>) outs(%init : tensor<2xf32>) -> tensor<2xf32>
  return %r : tensor<2xf32>
}
