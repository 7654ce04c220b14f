// RUN: mercer-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{expects a value exactly for the rule 'value', got 'value' without one}}
func.func private @bounds_value_missing() attributes {mercer.b = #mercer.bounds<value>}

// -----

func.func @kernel_yield(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{expects to yield 'tensor<4xf32>' as result 0, got 'index'}}
  %r = mercer.kernel outs(%o = %x : tensor<4xf32>) {
    %c = arith.constant 0 : index
    mercer.yield %c : index
  } -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// -----

func.func @kernel_yield_count(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{expects to yield 1 values, got 0}}
  %r = mercer.kernel outs(%o = %x : tensor<4xf32>) {
    mercer.yield
  } -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// -----

func.func @load_tile_rank(%x: tensor<4x4xf32>, %p: f32) {
  // expected-error @+1 {{expects 2 offsets and sizes, got 1 and 1}}
  %t = mercer.load_tile %x[0] [4] pad(%p : f32) : tensor<4x4xf32> to tensor<4xf32>
  return
}

// -----

func.func @load_tile_shape(%x: tensor<4xf32>, %p: f32) {
  // expected-error @+1 {{expects a result of the shape that the sizes say, got 'tensor<5xf32>'}}
  %t = mercer.load_tile %x[0] [4] pad(%p : f32) : tensor<4xf32> to tensor<5xf32>
  return
}

// -----

func.func @load_tile_pad(%x: tensor<4xf32>) {
  // expected-error @+1 {{expects a pad value exactly for the rules 'zero' and 'value', got 'zero' without one}}
  %t = mercer.load_tile %x[0] [4] : tensor<4xf32> to tensor<4xf32>
  return
}

// -----

func.func @load_tile_pad_type(%x: tensor<4xf32>, %p: f64) {
  // expected-error @+1 {{expects a pad value of type 'f32', got 'f64'}}
  %t = mercer.load_tile %x[0] [4] pad(%p : f64) : tensor<4xf32> to tensor<4xf32>
  return
}

// -----

func.func @index_outside() {
  // expected-error @+1 {{expects to stand inside a region of mercer.pairwise}}
  %i = mercer.index 0 : index
  return
}

// -----

func.func @contract_maps(%a: tensor<4x8xf32>, %c: tensor<4xf32>) {
  // expected-error @+1 {{expects 2 indexing maps, one for each operand, got 1}}
  %r = mercer.contract [affine_map<(m, k) -> (m, k)>] ins(%a : tensor<4x8xf32>) outs(%c : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @contract_rank(%a: tensor<4x8xf32>, %c: tensor<4xf32>) {
  // expected-error @+1 {{expects indexing map 0 with 2 results, got 1}}
  %r = mercer.contract [affine_map<(m, k) -> (k)>, affine_map<(m, k) -> (m)>] ins(%a : tensor<4x8xf32>) outs(%c : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @contract_extent(%a: tensor<5x8xf32>, %c: tensor<4xf32>) {
  // expected-error @+1 {{expects dim 0 of operand 0 to have the extent 4 of loop 0, got 5}}
  %r = mercer.contract [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>] ins(%a : tensor<5x8xf32>) outs(%c : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @contract_output_map(%a: tensor<4x8xf32>, %c: tensor<4xf32>) {
  // expected-error @+1 {{expects the map of output 0 to be a projected permutation}}
  %r = mercer.contract [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m + k)>] ins(%a : tensor<4x8xf32>) outs(%c : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @contract_access(%a: tensor<11x8xf32>, %b: tensor<8xf32>, %c: tensor<4xf32>) {
  // expected-error @+1 {{expects accesses by a loop, a constant, or floordiv and mod of a loop by a constant}}
  %r = mercer.contract [affine_map<(m, k) -> (m + k, k)>, affine_map<(m, k) -> (k)>, affine_map<(m, k) -> (m)>] ins(%a, %b : tensor<11x8xf32>, tensor<8xf32>) outs(%c : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @contract_panel(%b: tensor<2x8x48xf32>, %c: tensor<100xf32>) {
  // expected-error @+1 {{expects dim 0 of operand 0 to have size 3 for the packed access of loop 0, got 2}}
  %r = mercer.contract [affine_map<(n, k) -> (n floordiv 48, k, n mod 48)>, affine_map<(n, k) -> (n)>] ins(%b : tensor<2x8x48xf32>) outs(%c : tensor<100xf32>) -> tensor<100xf32>
  return
}

// -----

func.func @contract_types(%a: tensor<4x8xi8>, %c: tensor<4xf32>) {
  // expected-error @+1 {{expects a product region to take 'i8' to 'f32'}}
  %r = mercer.contract [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>] ins(%a : tensor<4x8xi8>) outs(%c : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @contract_region(%a: tensor<4x8xf32>, %c: tensor<4xf32>) {
  // expected-error @+1 {{expects the reduce region to have 2 arguments, got 1}}
  %r = mercer.contract [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>] ins(%a : tensor<4x8xf32>) outs(%c : tensor<4xf32>) reduce {
    ^bb0(%x: f32):
      mercer.yield %x : f32
    } -> tensor<4xf32>
  return
}

// -----

func.func @contract_yield(%a: tensor<4x8xf32>, %c: tensor<4xf32>) {
  // expected-error @+1 {{expects the product region to yield ('f32'), got ('f32', 'f32')}}
  %r = mercer.contract [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>] ins(%a : tensor<4x8xf32>) outs(%c : tensor<4xf32>) product {
    ^bb0(%x: f32):
      mercer.yield %x, %x : f32, f32
    } -> tensor<4xf32>
  return
}

// -----

func.func @window_missing_extent(%x: tensor<10xf32>, %c: tensor<8xf32>) {
  // expected-error @+1 {{expects an operand dim, or an entry of 'extents', that gives the extent of loop 1}}
  %r = mercer.window [affine_map<(p, r) -> (p + r)>, affine_map<(p, r) -> (p)>] bounds [#mercer.bounds<none>]
      ins(%x : tensor<10xf32>) outs(%c : tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @window_extents(%x: tensor<10xf32>, %c: tensor<8xf32>) {
  // expected-error @+1 {{expects 2 extents, got 1}}
  %r = mercer.window [affine_map<(p, r) -> (p + r)>, affine_map<(p, r) -> (p)>] bounds [#mercer.bounds<none>] extents = [3]
      ins(%x : tensor<10xf32>) outs(%c : tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @window_negative(%x: tensor<10xf32>, %w: tensor<3xf32>, %c: tensor<8xf32>) {
  // expected-error @+1 {{expects accesses that are linear with non-negative coefficients or packed}}
  %r = mercer.window [affine_map<(p, r) -> (p - r)>, affine_map<(p, r) -> (r)>, affine_map<(p, r) -> (p)>]
      bounds [#mercer.bounds<zero>, #mercer.bounds<none>]
      ins(%x, %w : tensor<10xf32>, tensor<3xf32>) outs(%c : tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @window_bounds(%x: tensor<10xf32>, %w: tensor<3xf32>, %c: tensor<8xf32>) {
  // expected-error @+1 {{expects 2 bounds rules, one for each input, got 1}}
  %r = mercer.window [affine_map<(p, r) -> (p + r)>, affine_map<(p, r) -> (r)>, affine_map<(p, r) -> (p)>] bounds [#mercer.bounds<zero>]
      ins(%x, %w : tensor<10xf32>, tensor<3xf32>) outs(%c : tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @window_bounds_type(%x: tensor<10xf32>, %w: tensor<3xf32>, %c: tensor<8xf32>) {
  // expected-error @+1 {{expects the bounds value of input 0 to be 'f32', got 'f64'}}
  %r = mercer.window [affine_map<(p, r) -> (p + r)>, affine_map<(p, r) -> (r)>, affine_map<(p, r) -> (p)>]
      bounds [#mercer.bounds<value, 1.0 : f64>, #mercer.bounds<none>]
      ins(%x, %w : tensor<10xf32>, tensor<3xf32>) outs(%c : tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @pairwise_role(%x: tensor<4x3xf32>) {
  // expected-error @+1 {{expects batch, row, col, feature or value, got 'key'}}
  %r = mercer.pairwise [row, key] inner [] reduce [] maps [] outs(%x : tensor<4x3xf32>) -> tensor<4x3xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_inner_operands(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects 2 operands for inner 'dot', got 3}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 3, f32>] reduce [#mercer.reduction<max, 0, 1>] maps [#xi, #yj, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_values(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects at most 0 value operands and 1 to 1 results for 'max', got 1 and 1}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<max, 1, 1>] maps [#xi, #yj, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_softmax_value(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects one value operand for 'softmax', got 0}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<softmax, 0, 1>] maps [#xi, #yj, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_outputs(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects 2 states for the reductions, got 1}}
  %r = mercer.pairwise [row, col, feature] partial inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<logsumexp, 0, 1>] maps [#xi, #yj, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_score(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects argument 0 of the score region to be 'f32', got 'f64'}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<max, 0, 1>] maps [#xi, #yj, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) score {
      ^bb0(%s: f64):
        mercer.yield %s : f64
      } -> tensor<4xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_mask(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects the mask region to yield ('i1'), got ('index')}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<max, 0, 1>] maps [#xi, #yj, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) mask {
        %i = mercer.index 0 : index
        mercer.yield %i : index
      } -> tensor<4xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#cf = affine_map<(i, j, f) -> (f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_capture(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %c: tensor<3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects capture 0 not to depend on feature loop 2}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<max, 0, 1>] maps [#xi, #yj, #cf, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) captures(%c : tensor<3xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @combine_states(%m: tensor<4xf32>) {
  // expected-error @+1 {{expects 2 inputs and 2 outputs for 'logsumexp', got 1 and 1}}
  %r = mercer.combine <logsumexp, 0, 1> maps [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>] ins(%m : tensor<4xf32>) outs(%m : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @finalize_none(%m: tensor<4xf32>) {
  // expected-error @+1 {{expects a reduction with a state, got 'none'}}
  %r = mercer.finalize <none, 0, 1> maps [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>] ins(%m : tensor<4xf32>) outs(%m : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @attention_head_size(%q: tensor<2x8x4x128xf32>, %k: tensor<2x8x4x64xf32>, %v: tensor<2x8x4x64xf32>, %o: tensor<2x8x4x64xf32>) {
  // expected-error @+1 {{expects key head size 64 to match query head size 128}}
  %r = mercer.attention query(%q : tensor<2x8x4x128xf32>) key(%k : tensor<2x8x4x64xf32>) value(%v : tensor<2x8x4x64xf32>) outs(%o : tensor<2x8x4x64xf32>) -> tensor<2x8x4x64xf32>
  return
}

// -----

func.func @attention_groups(%q: tensor<2x8x4x64xf32>, %k: tensor<2x3x4x64xf32>, %o: tensor<2x8x4x64xf32>) {
  // expected-error @+1 {{expects the number of query heads to be a multiple of the 3 key heads, got 8}}
  %r = mercer.attention query(%q : tensor<2x8x4x64xf32>) key(%k : tensor<2x3x4x64xf32>) value(%k : tensor<2x3x4x64xf32>) outs(%o : tensor<2x8x4x64xf32>) -> tensor<2x8x4x64xf32>
  return
}

// -----

func.func @attention_mask(%q: tensor<2x8x4x64xf32>, %m: tensor<4x4xi32>) {
  // expected-error @+1 {{expects a float, i1 or i8 mask, got 'i32'}}
  %r = mercer.attention query(%q : tensor<2x8x4x64xf32>) key(%q : tensor<2x8x4x64xf32>) value(%q : tensor<2x8x4x64xf32>) mask(%m : tensor<4x4xi32>) outs(%q : tensor<2x8x4x64xf32>) -> tensor<2x8x4x64xf32>
  return
}

// -----

func.func @conv_size(%x: tensor<1x3x9xf32>, %w: tensor<5x3x3xf32>, %o: tensor<1x5x9xf32>) {
  // expected-error @+1 {{expects result size 7 in spatial dim 0, got 9}}
  %r = mercer.conv ins(%x, %w : tensor<1x3x9xf32>, tensor<5x3x3xf32>) outs(%o : tensor<1x5x9xf32>) -> tensor<1x5x9xf32>
  return
}

// -----

func.func @conv_channels(%x: tensor<1x4x9xf32>, %w: tensor<5x3x3xf32>, %o: tensor<1x5x7xf32>) {
  // expected-error @+1 {{expects the weight's input channels times groups to be 4, got 3}}
  %r = mercer.conv ins(%x, %w : tensor<1x4x9xf32>, tensor<5x3x3xf32>) outs(%o : tensor<1x5x7xf32>) -> tensor<1x5x7xf32>
  return
}

// -----

func.func @conv_stride(%x: tensor<1x3x9xf32>, %w: tensor<5x3x3xf32>, %o: tensor<1x5x7xf32>) {
  // expected-error @+1 {{expects strides and dilations of at least 1, got 0}}
  %r = mercer.conv ins(%x, %w : tensor<1x3x9xf32>, tensor<5x3x3xf32>) outs(%o : tensor<1x5x7xf32>) {strides = array<i64: 0>} -> tensor<1x5x7xf32>
  return
}

// -----

func.func @conv_bias(%x: tensor<1x3x9xf32>, %w: tensor<5x3x3xf32>, %b: tensor<4xf32>, %o: tensor<1x5x7xf32>) {
  // expected-error @+1 {{expects a bias with the 5 result channels, got 'tensor<4xf32>'}}
  %r = mercer.conv ins(%x, %w : tensor<1x3x9xf32>, tensor<5x3x3xf32>) bias(%b : tensor<4xf32>) outs(%o : tensor<1x5x7xf32>) -> tensor<1x5x7xf32>
  return
}

// -----

func.func @gram_features(%x: tensor<4x3xf32>, %y: tensor<5x2xf32>, %o: tensor<4x5xf32>) {
  // expected-error @+1 {{expects 3 features in y, got 2}}
  %r = mercer.gram gaussian ins(%x, %y : tensor<4x3xf32>, tensor<5x2xf32>) outs(%o : tensor<4x5xf32>) -> tensor<4x5xf32>
  return
}

// -----

func.func @gram_columns(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4x6xf32>) {
  // expected-error @+1 {{expects the number of result columns to be 5, got 6}}
  %r = mercer.gram gaussian ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4x6xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @matvec_values(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %v: tensor<6xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects the number of values to be 5, got 6}}
  %r = mercer.kernel_matvec gaussian ins(%x, %y, %v : tensor<4x3xf32>, tensor<5x3xf32>, tensor<6xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}
