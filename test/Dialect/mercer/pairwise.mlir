// RUN: mercer-opt %s | mercer-opt | FileCheck %s

// CHECK-LABEL: func @gaussian_sum
func.func @gaussian_sum(%x: tensor<?x3xf32>, %y: tensor<?x3xf32>, %v: tensor<?x4xf32>, %init: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: mercer.pairwise [row, col, feature, value] inner [#mercer.inner<sqdist, 2, f32>] reduce [#mercer.reduction<sum, 1, 1>] maps
  // CHECK-SAME: ins(%{{.*}}, %{{.*}} : tensor<?x3xf32>, tensor<?x3xf32>) values(%{{.*}} : tensor<?x4xf32>) outs(%{{.*}} : tensor<?x4xf32>) score {
  %o = mercer.pairwise [row, col, feature, value]
      inner [#mercer.inner<sqdist, 2, f32>]
      reduce [#mercer.reduction<sum, 1, 1>]
      maps [affine_map<(i, j, f, d) -> (i, f)>, affine_map<(i, j, f, d) -> (j, f)>,
            affine_map<(i, j, f, d) -> (j, d)>, affine_map<(i, j, f, d) -> (i, d)>]
      ins(%x, %y : tensor<?x3xf32>, tensor<?x3xf32>)
      values(%v : tensor<?x4xf32>) outs(%init : tensor<?x4xf32>)
      score {
      ^bb0(%d2: f32):
        %n = arith.negf %d2 : f32
        %e = math.exp %n : f32
        mercer.yield %e : f32
      } -> tensor<?x4xf32>
  return %o : tensor<?x4xf32>
}

// Two inner products (latent attention), a causal mask, (out, lse).
#q = affine_map<(b, i, j, f, g, d) -> (b, i, f)>
#k = affine_map<(b, i, j, f, g, d) -> (b, j, f)>
#q2 = affine_map<(b, i, j, f, g, d) -> (b, i, g)>
#k2 = affine_map<(b, i, j, f, g, d) -> (j, g)>
#c = affine_map<(b, i, j, f, g, d) -> ()>
#v = affine_map<(b, i, j, f, g, d) -> (b, j, d)>
#o = affine_map<(b, i, j, f, g, d) -> (b, i, d)>
#l = affine_map<(b, i, j, f, g, d) -> (b, i)>
// CHECK-LABEL: func @two_dots
func.func @two_dots(%q: tensor<4x?x64xf32>, %k: tensor<4x?x64xf32>, %qr: tensor<4x?x16xf32>, %kr: tensor<?x16xf32>,
                    %scale: f32, %v: tensor<4x?x64xf32>, %o: tensor<4x?x64xf32>, %l: tensor<4x?xf32>) -> (tensor<4x?x64xf32>, tensor<4x?xf32>) {
  // CHECK: mercer.pairwise [batch, row, col, feature, feature, value]
  // CHECK-SAME: captures(%{{.*}} : f32)
  // CHECK: } mask {
  // CHECK: mercer.index 2 : index
  %r:2 = mercer.pairwise [batch, row, col, feature, feature, value]
      inner [#mercer.inner<dot, 2, f32>, #mercer.inner<dot, 2, f32>]
      reduce [#mercer.reduction<softmax, 1, 2>]
      maps [#q, #k, #q2, #k2, #c, #v, #o, #l]
      ins(%q, %k, %qr, %kr : tensor<4x?x64xf32>, tensor<4x?x64xf32>, tensor<4x?x16xf32>, tensor<?x16xf32>)
      captures(%scale : f32) values(%v : tensor<4x?x64xf32>)
      outs(%o, %l : tensor<4x?x64xf32>, tensor<4x?xf32>)
      score {
      ^bb0(%s: f32, %t: f32, %c: f32):
        %u = arith.addf %s, %t : f32
        %w = arith.mulf %u, %c : f32
        mercer.yield %w : f32
      } mask {
      ^bb0(%c: f32):
        %i = mercer.index 1 : index
        %j = mercer.index 2 : index
        %p = arith.cmpi sle, %j, %i : index
        mercer.yield %p : i1
      } -> tensor<4x?x64xf32>, tensor<4x?xf32>
  return %r#0, %r#1 : tensor<4x?x64xf32>, tensor<4x?xf32>
}

// A custom pair function (additive attention's) and a custom monoid.
// CHECK-LABEL: func @custom
func.func @custom(%x: tensor<8x5xf64>, %y: tensor<9x5xf64>, %init: tensor<8xf64>) -> tensor<8xf64> {
  // CHECK: inner [#mercer.inner<custom, 2, f64, max>] reduce [#mercer.reduction<custom, 0, 1>]
  // CHECK: custom {
  %r = mercer.pairwise [row, col, feature]
      inner [#mercer.inner<custom, 2, f64, max>]
      reduce [#mercer.reduction<custom, 0, 1>]
      maps [affine_map<(i, j, f) -> (i, f)>, affine_map<(i, j, f) -> (j, f)>, affine_map<(i, j, f) -> (i)>]
      ins(%x, %y : tensor<8x5xf64>, tensor<9x5xf64>) outs(%init : tensor<8xf64>)
      custom {
      ^bb0(%a: f64, %b: f64):
        %d = arith.subf %a, %b : f64
        mercer.yield %d : f64
      }, {
        %one = arith.constant 1.0 : f64
        mercer.yield %one : f64
      }, {
      ^bb0(%acc: f64, %s: f64):
        %p = arith.mulf %acc, %s : f64
        mercer.yield %p : f64
      }, {
      ^bb0(%a: f64, %b: f64):
        %p = arith.mulf %a, %b : f64
        mercer.yield %p : f64
      }, {
      ^bb0(%acc: f64):
        mercer.yield %acc : f64
      } -> tensor<8xf64>
  return %r : tensor<8xf64>
}

// CHECK-LABEL: func @partial
func.func @partial(%x: tensor<8x5xf32>, %y: tensor<9x5xf32>, %m: tensor<8xf32>, %l: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  // CHECK: mercer.pairwise [row, col, feature] partial inner
  %r:2 = mercer.pairwise [row, col, feature] partial
      inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<logsumexp, 0, 1>]
      maps [affine_map<(i, j, f) -> (i, f)>, affine_map<(i, j, f) -> (j, f)>, affine_map<(i, j, f) -> (i)>, affine_map<(i, j, f) -> (i)>]
      ins(%x, %y : tensor<8x5xf32>, tensor<9x5xf32>) outs(%m, %l : tensor<8xf32>, tensor<8xf32>)
      -> tensor<8xf32>, tensor<8xf32>
  return %r#0, %r#1 : tensor<8xf32>, tensor<8xf32>
}

// CHECK-LABEL: func @combine
func.func @combine(%m: tensor<8x?xf32>, %l: tensor<8x?xf32>, %m0: tensor<?xf32>, %l0: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {
  // CHECK: mercer.combine <logsumexp, 0, 1> maps
  %s:2 = mercer.combine <logsumexp, 0, 1>
      maps [affine_map<(s, i) -> (s, i)>, affine_map<(s, i) -> (s, i)>,
            affine_map<(s, i) -> (i)>, affine_map<(s, i) -> (i)>]
      ins(%m, %l : tensor<8x?xf32>, tensor<8x?xf32>)
      outs(%m0, %l0 : tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>, tensor<?xf32>
  return %s#0, %s#1 : tensor<?xf32>, tensor<?xf32>
}

// CHECK-LABEL: func @finalize
func.func @finalize(%m: tensor<?xf32>, %l: tensor<?xf32>, %a: tensor<?x64xf32>, %init: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK: mercer.finalize <softmax, 1, 1> maps
  %r = mercer.finalize <softmax, 1, 1>
      maps [affine_map<(i, d) -> (i)>, affine_map<(i, d) -> (i)>,
            affine_map<(i, d) -> (i, d)>, affine_map<(i, d) -> (i, d)>]
      ins(%m, %l, %a : tensor<?xf32>, tensor<?xf32>, tensor<?x64xf32>)
      outs(%init : tensor<?x64xf32>) -> tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}
