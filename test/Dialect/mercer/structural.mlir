// RUN: mercer-opt %s | mercer-opt | FileCheck %s
// The examples of the ops' documentation, word for word.

// CHECK-LABEL: func @contract
func.func @contract(%a: tensor<?x64xf32>, %b: tensor<64x128xf32>, %c: tensor<?x128xf32>) -> tensor<?x128xf32> {
  // CHECK: mercer.contract [#[[M0:.*]], #[[M1:.*]], #[[M2:.*]]] ins(%{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<64x128xf32>) outs(%{{.*}} : tensor<?x128xf32>) -> tensor<?x128xf32>
  %r = mercer.contract [affine_map<(m, n, k) -> (m, k)>,
                        affine_map<(m, n, k) -> (k, n)>,
                        affine_map<(m, n, k) -> (m, n)>]
      ins(%a, %b : tensor<?x64xf32>, tensor<64x128xf32>)
      outs(%c : tensor<?x128xf32>) -> tensor<?x128xf32>
  return %r : tensor<?x128xf32>
}

// Tropical semiring, packed right-hand side, reduced precision allowed.
// CHECK-LABEL: func @contract_packed_semiring
func.func @contract_packed_semiring(%a: tensor<5x64xf32>, %b: tensor<3x64x48xf32>, %c: tensor<5x100xf32>) -> tensor<5x100xf32> {
  // CHECK: mercer.contract
  // CHECK-SAME: precision tf32 product {
  // CHECK: arith.addf
  // CHECK: } reduce {
  // CHECK: arith.minimumf
  %r = mercer.contract [affine_map<(m, n, k) -> (m, k)>,
                        affine_map<(m, n, k) -> (n floordiv 48, k, n mod 48)>,
                        affine_map<(m, n, k) -> (m, n)>]
      ins(%a, %b : tensor<5x64xf32>, tensor<3x64x48xf32>)
      outs(%c : tensor<5x100xf32>) precision tf32 product {
      ^bb0(%x: f32, %y: f32):
        %s = arith.addf %x, %y : f32
        mercer.yield %s : f32
      } reduce {
      ^bb0(%acc: f32, %v: f32):
        %m = arith.minimumf %acc, %v : f32
        mercer.yield %m : f32
      } -> tensor<5x100xf32>
  return %r : tensor<5x100xf32>
}

// CHECK-LABEL: func @window
func.func @window(%x: tensor<1x8x15xf32>, %init: tensor<1x8x8xf32>) -> tensor<1x8x8xf32> {
  // CHECK: mercer.window [#{{.*}}, #{{.*}}] bounds [#mercer.bounds<value, 0xFF800000 : f32>] extents = [-1, -1, -1, 3] ins
  // CHECK-SAME: reduce {
  %r = mercer.window [affine_map<(n, c, p, r) -> (n, c, p * 2 + r - 1)>,
                      affine_map<(n, c, p, r) -> (n, c, p)>]
      bounds [#mercer.bounds<value, 0xFF800000 : f32>]
      extents = [-1, -1, -1, 3]
      ins(%x : tensor<1x8x15xf32>) outs(%init : tensor<1x8x8xf32>)
      reduce {
      ^bb0(%acc: f32, %v: f32):
        %m = arith.maximumf %acc, %v : f32
        mercer.yield %m : f32
      } -> tensor<1x8x8xf32>
  return %r : tensor<1x8x8xf32>
}

// i8 values, i32 accumulators, reflected border.
// CHECK-LABEL: func @window_i8
func.func @window_i8(%x: tensor<1x?x8xi8>, %w: tensor<3x8x16xi8>, %init: tensor<1x?x16xi32>) -> tensor<1x?x16xi32> {
  // CHECK: bounds [#mercer.bounds<reflect>, #mercer.bounds<none>]
  %r = mercer.window [affine_map<(n, p, o, r, c) -> (n, p + r - 1, c)>,
                      affine_map<(n, p, o, r, c) -> (r, c, o)>,
                      affine_map<(n, p, o, r, c) -> (n, p, o)>]
      bounds [#mercer.bounds<reflect>, #mercer.bounds<none>]
      ins(%x, %w : tensor<1x?x8xi8>, tensor<3x8x16xi8>)
      outs(%init : tensor<1x?x16xi32>) -> tensor<1x?x16xi32>
  return %r : tensor<1x?x16xi32>
}
