// RUN: mercer-opt %s -split-input-file --mercer-propagate-layout --canonicalize --cse | FileCheck %s

#x = affine_map<(n, o, h, w, c, r, s) -> (n, c, h + r - 1, w + s - 1)>
#w = affine_map<(n, o, h, w, c, r, s) -> (o, c, r, s)>
#y = affine_map<(n, o, h, w, c, r, s) -> (n, o, h, w)>
#id = affine_map<(a, b, c, d) -> (a, b, c, d)>
#bias = affine_map<(a, b, c, d) -> (b)>

// Two windows with an elementwise operation and a pad between them: one
// transpose in, one out.
// CHECK: #[[X:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d2 + d5 - 1, d3 + d6 - 1, d4)>
// CHECK: #[[Y:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d2, d3, d1)>
// CHECK-LABEL: func @net
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<1x8x8x4xf32>)
// CHECK: mercer.window [#[[X]], #{{.*}}, #[[Y]]]
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<1x8x8x4xf32>)
// CHECK: arith.addf
// CHECK-NOT: linalg.generic
// CHECK: tensor.pad %{{.*}} low[0, 1, 1, 0] high[0, 1, 1, 0]
// CHECK-NOT: linalg.generic
// CHECK: mercer.window
// CHECK: %[[R:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<1x4x10x10xf32>)
// CHECK: return %[[R]]
func.func @net(%x: tensor<1x4x8x8xf32>, %w: tensor<4x4x3x3xf32>, %b: tensor<4xf32>) -> tensor<1x4x10x10xf32> {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x4x8x8xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %c = mercer.window [#x, #w, #y] bounds [#mercer.bounds<zero>, #mercer.bounds<none>]
      ins(%x, %w : tensor<1x4x8x8xf32>, tensor<4x4x3x3xf32>) outs(%f : tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %r = linalg.generic {indexing_maps = [#id, #bias, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%c, %b : tensor<1x4x8x8xf32>, tensor<4xf32>) outs(%e : tensor<1x4x8x8xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %s = arith.addf %p, %q : f32
    linalg.yield %s : f32
  } -> tensor<1x4x8x8xf32>
  %p = tensor.pad %r low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %z : f32
  } : tensor<1x4x8x8xf32> to tensor<1x4x10x10xf32>
  %e2 = tensor.empty() : tensor<1x4x10x10xf32>
  %f2 = linalg.fill ins(%z : f32) outs(%e2 : tensor<1x4x10x10xf32>) -> tensor<1x4x10x10xf32>
  %c2 = mercer.window [#x, #w, #y] bounds [#mercer.bounds<zero>, #mercer.bounds<none>]
      ins(%p, %w : tensor<1x4x10x10xf32>, tensor<4x4x3x3xf32>) outs(%f2 : tensor<1x4x10x10xf32>) -> tensor<1x4x10x10xf32>
  return %c2 : tensor<1x4x10x10xf32>
}

// -----

#x = affine_map<(n, o, h, w, c, r, s) -> (n, c, h + r - 1, w + s - 1)>
#w = affine_map<(n, o, h, w, c, r, s) -> (o, c, r, s)>
#y = affine_map<(n, o, h, w, c, r, s) -> (n, o, h, w)>

// Flattening pixels and putting channels last is free behind a window.
// CHECK-LABEL: func @flatten
// CHECK: %[[C:.*]] = mercer.window
// CHECK: %[[R:.*]] = tensor.collapse_shape %[[C]] {{\[}}[0], [1, 2], [3]] : tensor<1x8x8x4xf32> into tensor<1x64x4xf32>
// CHECK: return %[[R]]
func.func @flatten(%x: tensor<1x4x8x8xf32>, %w: tensor<4x4x3x3xf32>) -> tensor<1x64x4xf32> {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x4x8x8xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %c = mercer.window [#x, #w, #y] bounds [#mercer.bounds<zero>, #mercer.bounds<none>]
      ins(%x, %w : tensor<1x4x8x8xf32>, tensor<4x4x3x3xf32>) outs(%f : tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %s = tensor.collapse_shape %c [[0], [1], [2, 3]] : tensor<1x4x8x8xf32> into tensor<1x4x64xf32>
  %e2 = tensor.empty() : tensor<1x64x4xf32>
  %t = linalg.generic {indexing_maps = [affine_map<(a, b, c) -> (a, c, b)>, affine_map<(a, b, c) -> (a, b, c)>], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%s : tensor<1x4x64xf32>) outs(%e2 : tensor<1x64x4xf32>) {
  ^bb0(%p: f32, %o: f32):
    linalg.yield %p : f32
  } -> tensor<1x64x4xf32>
  return %t : tensor<1x64x4xf32>
}

// -----

// Nothing here asks for another layout.
// CHECK-LABEL: func @no_window
// CHECK-NEXT: linalg.generic
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @no_window(%x: tensor<1x4x8x8xf32>, %e: tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32> {
  %r = linalg.generic {indexing_maps = [affine_map<(a, b, c, d) -> (a, b, c, d)>, affine_map<(a, b, c, d) -> (a, b, c, d)>], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%x : tensor<1x4x8x8xf32>) outs(%e : tensor<1x4x8x8xf32>) {
  ^bb0(%p: f32, %o: f32):
    %s = arith.negf %p : f32
    linalg.yield %s : f32
  } -> tensor<1x4x8x8xf32>
  return %r : tensor<1x4x8x8xf32>
}

// -----

#x = affine_map<(n, o, h, w, c, r, s) -> (n, c, h + r - 1, w + s - 1)>
#w = affine_map<(n, o, h, w, c, r, s) -> (o, c, r, s)>
#y = affine_map<(n, o, h, w, c, r, s) -> (n, o, h, w)>

// Channels and pixels in one dim: in the model's order, so the window's is
// turned back before.
// CHECK-LABEL: func @flatten_all
// CHECK: %[[C:.*]] = mercer.window
// CHECK: %[[T:.*]] = linalg.generic {{.*}} ins(%[[C]] : tensor<1x8x8x4xf32>) outs(%{{.*}} : tensor<1x4x8x8xf32>)
// CHECK: tensor.collapse_shape %[[T]] {{\[}}[0], [1, 2, 3]] : tensor<1x4x8x8xf32> into tensor<1x256xf32>
func.func @flatten_all(%x: tensor<1x4x8x8xf32>, %w: tensor<4x4x3x3xf32>) -> tensor<1x256xf32> {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x4x8x8xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %c = mercer.window [#x, #w, #y] bounds [#mercer.bounds<zero>, #mercer.bounds<none>]
      ins(%x, %w : tensor<1x4x8x8xf32>, tensor<4x4x3x3xf32>) outs(%f : tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %s = tensor.collapse_shape %c [[0], [1, 2, 3]] : tensor<1x4x8x8xf32> into tensor<1x256xf32>
  return %s : tensor<1x256xf32>
}
