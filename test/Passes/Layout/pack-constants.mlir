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

// -----

// Without a panel in its schedule the constant is read as it is.
// CHECK-LABEL: func @no_panel
// CHECK-NOT: linalg.generic
// CHECK: mercer.contract
func.func @no_panel(%x: tensor<8x64xf32>, %f: tensor<8x192xf32>) -> tensor<8x192xf32> {
  %w = mercer.weight "m.bin"[0, 49152] : tensor<64x192xf32>
  %m = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %w : tensor<8x64xf32>, tensor<64x192xf32>) outs(%f : tensor<8x192xf32>) {mercer.schedule = {grid = array<i64: 8, 0, 0>}} -> tensor<8x192xf32>
  return %m : tensor<8x192xf32>
}

// -----

// A packed constant is not packed again.
// CHECK-LABEL: func @packed_already
// CHECK-NOT: linalg.generic
// CHECK: mercer.contract
func.func @packed_already(%x: tensor<8x64xf32>, %f: tensor<8x192xf32>) -> tensor<8x192xf32> {
  %w = mercer.weight "m.bin"[0, 49152] : tensor<4x64x48xf32>
  %m = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n floordiv 48, k, n mod 48)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %w : tensor<8x64xf32>, tensor<4x64x48xf32>) outs(%f : tensor<8x192xf32>) {mercer.schedule = {rhs_panel = 48 : i64}} -> tensor<8x192xf32>
  return %m : tensor<8x192xf32>
}

// -----

// A filter for each channel: channels lie last, as in the input.
// CHECK: #[[W:.*]] = affine_map<(d0, d1, d2) -> (d2, d1)>
// CHECK-LABEL: func @depthwise
// CHECK: %[[P:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<3x8xf32>)
// CHECK: mercer.window [#{{.*}}, #[[W]], #{{.*}}] {{.*}} ins(%{{.*}}, %[[P]]
func.func @depthwise(%x: tensor<10x8xf32>, %f: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %w = mercer.weight "m.bin"[0, 96] : tensor<8x3xf32>
  %m = mercer.window [affine_map<(p, c, r) -> (p + r, c)>, affine_map<(p, c, r) -> (c, r)>, affine_map<(p, c, r) -> (p, c)>]
      bounds [#mercer.bounds<none>, #mercer.bounds<none>]
      ins(%x, %w : tensor<10x8xf32>, tensor<8x3xf32>) outs(%f : tensor<8x8xf32>) {mercer.schedule = {grid = array<i64: 4, 0, 0>}} -> tensor<8x8xf32>
  return %m : tensor<8x8xf32>
}

// -----

// Channels lie last already.
// CHECK-LABEL: func @depthwise_channels_last
// CHECK-NOT: linalg.generic
// CHECK: mercer.window
func.func @depthwise_channels_last(%x: tensor<10x8xf32>, %f: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %w = mercer.weight "m.bin"[0, 96] : tensor<3x8xf32>
  %m = mercer.window [affine_map<(p, c, r) -> (p + r, c)>, affine_map<(p, c, r) -> (r, c)>, affine_map<(p, c, r) -> (p, c)>]
      bounds [#mercer.bounds<none>, #mercer.bounds<none>]
      ins(%x, %w : tensor<10x8xf32>, tensor<3x8xf32>) outs(%f : tensor<8x8xf32>) {mercer.schedule = {grid = array<i64: 4, 0, 0>}} -> tensor<8x8xf32>
  return %m : tensor<8x8xf32>
}
