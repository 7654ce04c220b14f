// RUN: mercer-opt %s -mercer-lower-sugar -mercer-decompose-tiles -split-input-file -verify-diagnostics
// What the first version refuses, each with its code.

func.func @two_row_loops(%x: tensor<4x5x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4x5xf32>) -> tensor<4x5xf32> {
  // expected-error @+1 {{[E3203] expects one row and one column loop to be lowered, got 2 and 1}}
  %r = mercer.pairwise [row, row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<max, 0, 1>]
      maps [affine_map<(h, i, j, f) -> (h, i, f)>, affine_map<(h, i, j, f) -> (j, f)>, affine_map<(h, i, j, f) -> (h, i)>]
      ins(%x, %y : tensor<4x5x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %r : tensor<4x5xf32>
}

// -----

func.func @rows_and_columns(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %a: tensor<4xf32>, %b: tensor<5xf32>) -> tensor<5xf32> {
  // expected-error @+1 {{[E3203] expects all results to keep the rows, or all to keep the columns, to be lowered}}
  %r:2 = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<max, 0, 1>, #mercer.reduction<max, 0, 1>]
      maps [affine_map<(i, j, f) -> (i, f)>, affine_map<(i, j, f) -> (j, f)>, affine_map<(i, j, f) -> (i)>, affine_map<(i, j, f) -> (j)>]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%a, %b : tensor<4xf32>, tensor<5xf32>) -> tensor<4xf32>, tensor<5xf32>
  return %r#1 : tensor<5xf32>
}

// -----

func.func @mask_without_neutral(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{[E3203] cannot be lowered with a mask and these reductions: there is no score that all of them ignore}}
  %r:2 = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<max, 0, 1>, #mercer.reduction<sum, 0, 1>]
      maps [affine_map<(i, j, f) -> (i, f)>, affine_map<(i, j, f) -> (j, f)>, affine_map<(i, j, f) -> (i)>, affine_map<(i, j, f) -> (i)>]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%a, %b : tensor<4xf32>, tensor<4xf32>) mask {
        %t = arith.constant true
        mercer.yield %t : i1
      } -> tensor<4xf32>, tensor<4xf32>
  return %r#1 : tensor<4xf32>
}

// -----

func.func @attention_no_scale(%q: tensor<1x1x4x?xf32>, %o: tensor<1x1x4x?xf32>) -> tensor<1x1x4x?xf32> {
  // expected-error @+1 {{[E3203] has a form that cannot be lowered}}
  %r = mercer.attention query(%q : tensor<1x1x4x?xf32>) key(%q : tensor<1x1x4x?xf32>) value(%q : tensor<1x1x4x?xf32>) outs(%o : tensor<1x1x4x?xf32>) -> tensor<1x1x4x?xf32>
  return %r : tensor<1x1x4x?xf32>
}

// -----

func.func @scores_without_columns(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{[E3203] expects one output over rows and columns for reduction 'none' to be lowered}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<none, 0, 1>]
      maps [affine_map<(i, j, f) -> (i, f)>, affine_map<(i, j, f) -> (j, f)>, affine_map<(i, j, f) -> (i)>]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// -----

func.func @scores_beside_a_sum(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %s: tensor<4xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{[E3203] cannot be lowered with 'none' beside other reductions}}
  %r:2 = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<sum, 0, 1>, #mercer.reduction<none, 0, 1>]
      maps [affine_map<(i, j, f) -> (i, f)>, affine_map<(i, j, f) -> (j, f)>, affine_map<(i, j, f) -> (i)>, affine_map<(i, j, f) -> (i)>]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%s, %o : tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>, tensor<4xf32>
  return %r#0 : tensor<4xf32>
}

// -----

func.func @two_softmaxes(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %v: tensor<5xf32>, %a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{[E3203] cannot be lowered with more than one softmax or logsumexp}}
  %r:2 = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<softmax, 1, 1>, #mercer.reduction<logsumexp, 0, 1>]
      maps [affine_map<(i, j, f) -> (i, f)>, affine_map<(i, j, f) -> (j, f)>, affine_map<(i, j, f) -> (j)>, affine_map<(i, j, f) -> (i)>, affine_map<(i, j, f) -> (i)>]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) values(%v : tensor<5xf32>) outs(%a, %b : tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>, tensor<4xf32>
  return %r#0 : tensor<4xf32>
}

// -----

// Values that lie the other way round than the columns.
func.func @reversed_access(%x: tensor<4x3xf32>, %y: tensor<8x3xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{[E3201] has an access that cannot be tiled: affine_map<(d0, d1, d2) -> (-d1 + 7, d2)>}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>, #mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<max, 0, 1>]
      maps [affine_map<(i, j, f) -> (i, f)>, affine_map<(i, j, f) -> (j, f)>, affine_map<(i, j, f) -> (i, f)>, affine_map<(i, j, f) -> (-j + 7, f)>, affine_map<(i, j, f) -> (i)>]
      ins(%x, %y, %x, %y : tensor<4x3xf32>, tensor<8x3xf32>, tensor<4x3xf32>, tensor<8x3xf32>) outs(%o : tensor<4xf32>) score {
      ^bb0(%s: f32, %t: f32):
        %u = arith.addf %s, %t : f32
        mercer.yield %u : f32
      } -> tensor<4xf32>
  return %r : tensor<4xf32>
}
