// RUN: mercer-opt %s -split-input-file --mercer-pack-constants | FileCheck %s

// Whole panels: a plain copy in the new order.
// CHECK: #[[SRC:.*]] = affine_map<(d0, d1, d2) -> (d1, d0 * 48 + d2)>
// CHECK: #[[B:.*]] = affine_map<(d0, d1, d2) -> (d1 floordiv 48, d2, d1 mod 48)>
// CHECK-LABEL: func @whole_panels
// CHECK: %[[P:.*]] = linalg.generic {indexing_maps = [#[[SRC]],
// CHECK: mercer.contract [#{{.*}}, #[[B]], #{{.*}}] ins(%{{.*}}, %[[P]]
func.func @whole_panels(%x: tensor<8x64xf32>, %f: tensor<8x192xf32>) -> tensor<8x192xf32> {
  %w = mercer.weight "m.bin"[0, 49152] : tensor<64x192xf32>
  %m = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %w : tensor<8x64xf32>, tensor<64x192xf32>) outs(%f : tensor<8x192xf32>) {mercer.schedule = {rhs_panel = 48 : i64}} -> tensor<8x192xf32>
  return %m : tensor<8x192xf32>
}

// -----

// The last panel is filled up with zeros.
// CHECK-LABEL: func @partial_panel
// CHECK: linalg.generic
// CHECK: arith.minui
// CHECK: tensor.extract
// CHECK: arith.select
// CHECK: -> tensor<3x64x48xf32>
func.func @partial_panel(%x: tensor<8x64xf32>, %f: tensor<8x100xf32>) -> tensor<8x100xf32> {
  %w = mercer.weight "m.bin"[0, 25600] : tensor<100x64xf32>
  %m = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %w : tensor<8x64xf32>, tensor<100x64xf32>) outs(%f : tensor<8x100xf32>) {mercer.schedule = {rhs_panel = 48 : i64}} -> tensor<8x100xf32>
  return %m : tensor<8x100xf32>
}

// -----

// Not a constant: nothing is packed here.
// CHECK-LABEL: func @no_constant
// CHECK-NOT: linalg.generic
// CHECK: mercer.contract
func.func @no_constant(%x: tensor<8x64xf32>, %w: tensor<64x192xf32>, %f: tensor<8x192xf32>) -> tensor<8x192xf32> {
  %m = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %w : tensor<8x64xf32>, tensor<64x192xf32>) outs(%f : tensor<8x192xf32>) {mercer.schedule = {rhs_panel = 48 : i64}} -> tensor<8x192xf32>
  return %m : tensor<8x192xf32>
}
