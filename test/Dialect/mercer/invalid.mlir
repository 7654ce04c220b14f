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

// -----

// expected-error @+1 {{expects a value exactly for the rule 'value', got 'zero' with one}}
func.func private @bounds_value_extra() attributes {mercer.b = #mercer.bounds<zero, 1.0 : f32>}

// -----

func.func @weight_bytes() {
  // expected-error @+1 {{expects 24 bytes for 'tensor<2x3xf32>', got 20}}
  %w = mercer.weight "model.onnx"[0, 20] : tensor<2x3xf32>
  return
}

// -----

func.func @state_without_axis_is_static() {
  // expected-error @+1 {{expects a static shape without an axis, got 'memref<?x8xf32>'}}
  %s = mercer.state 0 : memref<?x8xf32>
  return
}

// -----

func.func @state_without_axis_has_no_length() {
  // expected-error @+1 {{expects no length without an axis}}
  %s, %n = mercer.state 0 : memref<4x8xf32>, index
  return
}

// -----

func.func @state_axis() {
  // expected-error @+1 {{expects an axis below rank 2, got 2}}
  %s, %n = mercer.state 0 axis 2 capacity 16 : memref<?x8xf32>, index
  return
}

// -----

func.func @state_grows_along_its_axis() {
  // expected-error @+1 {{expects one dynamic dim, 0, got 'memref<16x?xf32>'}}
  %s, %n = mercer.state 0 axis 0 capacity 16 : memref<16x?xf32>, index
  return
}

// -----

func.func @state_capacity() {
  // expected-error @+1 {{expects a capacity of at least 1}}
  %s, %n = mercer.state 0 axis 0 capacity 0 : memref<?x8xf32>, index
  return
}

// -----

func.func @state_length() {
  // expected-error @+1 {{expects the length as second result}}
  %s = mercer.state 0 axis 0 capacity 16 : memref<?x8xf32>
  return
}

// -----

func.func @output_dims(%n: index) {
  // expected-error @+1 {{expects 2 dims for 'memref<?x?xf32>', got 1}}
  %o = mercer.output 0(%n) : memref<?x?xf32>
  return
}

// -----

func.func private @k(tensor<4xf32>, tensor<4xf32>)
func.func @launch_results(%x: tensor<4xf32>) {
  // expected-error @+1 {{expects results of the outputs' types}}
  %r = mercer.launch @k(%x) outs(%x) : (tensor<4xf32>) outs(tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @launch_of_nothing(%x: memref<4xf32>) {
  // expected-error @+1 {{expects a kernel function named 'k'}}
  mercer.launch @k(%x) outs(%x) : (memref<4xf32>) outs(memref<4xf32>)
  return
}

// -----

func.func private @k(memref<4xf32>)
func.func @launch_operands(%x: memref<4xf32>) {
  // expected-error @+1 {{expects 1 operands for @k, got 2}}
  mercer.launch @k(%x) outs(%x) : (memref<4xf32>) outs(memref<4xf32>)
  return
}

// -----

func.func @kernel_types(%x: tensor<4xf32>) {
  // expected-error @+1 {{expects 1 types, got 2}}
  %r = mercer.kernel outs(%o = %x : tensor<4xf32>, tensor<4xf32>) {
    mercer.yield %o : tensor<4xf32>
  } -> tensor<4xf32>
  return
}

// -----

func.func @kernel_arguments(%x: tensor<4xf32>) {
  // expected-error @+1 {{expects 1 region arguments, got 0}}
  %r = "mercer.kernel"(%x) <{operandSegmentSizes = array<i32: 0, 1>}> ({
    %e = tensor.empty() : tensor<4xf32>
    mercer.yield %e : tensor<4xf32>
  }) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @kernel_argument_type(%x: tensor<4xf32>) {
  // expected-error @+1 {{expects region argument 0 of type 'tensor<4xf32>', got 'tensor<5xf32>'}}
  %r = "mercer.kernel"(%x) <{operandSegmentSizes = array<i32: 0, 1>}> ({
  ^bb0(%o: tensor<5xf32>):
    %e = tensor.empty() : tensor<4xf32>
    mercer.yield %e : tensor<4xf32>
  }) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @load_tile_operands(%x: tensor<4xf32>, %p: f32) {
  // expected-error @+1 {{expects one operand for each dynamic offset and size}}
  %t = "mercer.load_tile"(%x, %p) <{operandSegmentSizes = array<i32: 1, 0, 0, 1>, static_offsets = array<i64: -9223372036854775808>, static_sizes = array<i64: 4>}> : (tensor<4xf32>, f32) -> tensor<4xf32>
  return
}

// -----

func.func @load_tile_element(%x: tensor<4xf32>, %p: f32) {
  // expected-error @+1 {{expects element type 'f32', got 'f64'}}
  %t = mercer.load_tile %x[0] [4] pad(%p : f32) : tensor<4xf32> to tensor<4xf64>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @index_loop(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<max, 0, 1>] maps [#xi, #yj, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) mask {
        // expected-error @+1 {{expects a loop below 3, got 3}}
        %i = mercer.index 3 : index
        %t = arith.constant true
        mercer.yield %t : i1
      } -> tensor<4xf32>
  return
}

// -----

#oi = affine_map<(i, j) -> (i)>
func.func @pairwise_no_score(%o: tensor<4xf32>) {
  // expected-error @+1 {{expects a score region where there is no inner reduction}}
  %r = mercer.pairwise [row, col] inner [] reduce [#mercer.reduction<max, 0, 1>] maps [#oi] outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_no_reduction(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects at least one reduction, got none}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [] maps [#xi, #yj, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_results(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects results with the types of the outputs}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<max, 0, 1>] maps [#xi, #yj, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_inner_type(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects an integer or float type for an inner reduction, got 'index'}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, index>] reduce [#mercer.reduction<max, 0, 1>] maps [#xi, #yj, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_custom_operands(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects at least 1 operand for inner 'custom', got 0}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<custom, 0, f32, sum>] reduce [#mercer.reduction<max, 0, 1>] maps [#xi, #yj, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_inputs(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects 4 operands for the inner reductions, got 2}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>, #mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<max, 0, 1>] maps [#xi, #yj, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_value_count(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects 1 value operands for the reductions, got 0}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<sum, 1, 1>] maps [#xi, #yj, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_custom_regions(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects 4 custom regions, got 0}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<custom, 0, 1>] maps [#xi, #yj, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_score_of_two(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects the score region to yield one number}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<max, 0, 1>] maps [#xi, #yj, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) score {
      ^bb0(%s: f32):
        mercer.yield %s, %s : f32, f32
      } -> tensor<4xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_output_count(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects 1 outputs for the reductions, got 2}}
  %r:2 = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<max, 0, 1>] maps [#xi, #yj, #oi, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o, %o : tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>, tensor<4xf32>
  return
}

// -----

#xi = affine_map<(i, j, f) -> (i, f)>
#yj = affine_map<(i, j, f) -> (j, f)>
#oi = affine_map<(i, j, f) -> (i)>
func.func @pairwise_init_region(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects the init region to yield the state}}
  %r = mercer.pairwise [row, col, feature] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<custom, 0, 1>] maps [#xi, #yj, #oi]
      ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) custom {
        llvm.unreachable
      }, {
      ^bb0(%a: f32, %s: f32):
        mercer.yield %s : f32
      }, {
      ^bb0(%a: f32, %b: f32):
        mercer.yield %a : f32
      }, {
      ^bb0(%a: f32):
        mercer.yield %a : f32
      } -> tensor<4xf32>
  return
}

// -----

func.func @combine_none(%m: tensor<4xf32>) {
  // expected-error @+1 {{expects a reduction with a state, got 'none'}}
  %r = mercer.combine <none, 0, 1> maps [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>] ins(%m : tensor<4xf32>) outs(%m : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @combine_results(%m: tensor<4xf32>) {
  // expected-error @+1 {{expects results with the types of the outputs}}
  %r = mercer.combine <max, 0, 1> maps [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>] ins(%m : tensor<4xf32>) outs(%m : tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @combine_no_maps(%m: tensor<4xf32>) {
  // expected-error @+1 {{expects indexing maps, got none}}
  %r = mercer.combine <max, 0, 1> maps [] ins(%m : tensor<4xf32>) outs(%m : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @combine_region(%m: tensor<4xf32>) {
  // expected-error @+1 {{expects a region exactly for a custom reduction}}
  %r = mercer.combine <custom, 0, 1> maps [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>] ins(%m : tensor<4xf32>) outs(%m : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @finalize_states(%m: tensor<4xf32>) {
  // expected-error @+1 {{expects 2 inputs and 1 outputs for 'logsumexp', got 1 and 1}}
  %r = mercer.finalize <logsumexp, 0, 1> maps [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>] ins(%m : tensor<4xf32>) outs(%m : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @finalize_region(%m: tensor<4xf32>) {
  // expected-error @+1 {{expects a region exactly for a custom reduction}}
  %r = mercer.finalize <custom, 0, 1> maps [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>] ins(%m : tensor<4xf32>) outs(%m : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @contract_region_blocks(%a: tensor<4x8xf32>, %c: tensor<4xf32>) {
  // expected-error @+1 {{expects the reduce region to have one block, got 2}}
  %r = mercer.contract [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>] ins(%a : tensor<4x8xf32>) outs(%c : tensor<4xf32>) reduce {
    ^bb0(%x: f32, %y: f32):
      cf.br ^bb1
    ^bb1:
      mercer.yield %x : f32
    } -> tensor<4xf32>
  return
}

// -----

func.func @contract_argument(%a: tensor<4x8xf32>, %c: tensor<4xf32>) {
  // expected-error @+1 {{expects argument 1 of the reduce region to be 'f32', got 'f64'}}
  %r = mercer.contract [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>] ins(%a : tensor<4x8xf32>) outs(%c : tensor<4xf32>) reduce {
    ^bb0(%x: f32, %y: f64):
      mercer.yield %x : f32
    } -> tensor<4xf32>
  return
}

// -----

func.func @contract_terminator(%a: tensor<4x8xf32>, %c: tensor<4xf32>) {
  // expected-error @+1 {{expects the reduce region to end with mercer.yield}}
  %r = mercer.contract [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>] ins(%a : tensor<4x8xf32>) outs(%c : tensor<4xf32>) reduce {
    ^bb0(%x: f32, %y: f32):
      llvm.unreachable
    } -> tensor<4xf32>
  return
}

// -----

func.func @contract_loops(%a: tensor<4x8xf32>, %c: tensor<4xf32>) {
  // expected-error @+1 {{expects indexing map 1 over 2 loops and no symbols, got 3 and 0}}
  %r = mercer.contract [affine_map<(m, k) -> (m, k)>, affine_map<(m, k, l) -> (m)>] ins(%a : tensor<4x8xf32>) outs(%c : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @contract_outputs(%a: tensor<4x8xf32>, %c: tensor<4xf32>) {
  // expected-error @+1 {{expects one output, got 2}}
  %r:2 = "mercer.contract"(%a, %c, %c) <{indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>, affine_map<(m, k) -> (m)>], operandSegmentSizes = array<i32: 1, 2>}> ({}, {}) : (tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return
}

// -----

func.func @contract_inputs(%c: tensor<4xf32>) {
  // expected-error @+1 {{expects at least one input, got none}}
  %r = "mercer.contract"(%c) <{indexing_maps = [affine_map<(m) -> (m)>], operandSegmentSizes = array<i32: 0, 1>}> ({}, {}) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @contract_results(%a: tensor<4x8xf32>, %c: tensor<4xf32>) {
  // expected-error @+1 {{expects results with the types of the outputs}}
  %r = mercer.contract [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>] ins(%a : tensor<4x8xf32>) outs(%c : tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @contract_no_maps(%a: tensor<4x8xf32>, %c: tensor<4xf32>) {
  // expected-error @+1 {{expects indexing maps, got none}}
  %r = mercer.contract [] ins(%a : tensor<4x8xf32>) outs(%c : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @attention_result(%q: tensor<2x8x4x64xf32>, %k: tensor<2x8x4x64xf32>, %v: tensor<2x8x4x64xf32>, %o: tensor<2x8x4x64xf32>) {
  // expected-error @+1 {{expects result type 'tensor<2x8x4x64xf32>', got 'tensor<2x8x4x32xf32>'}}
  %r = mercer.attention query(%q : tensor<2x8x4x64xf32>) key(%k : tensor<2x8x4x64xf32>) value(%v : tensor<2x8x4x64xf32>) outs(%o : tensor<2x8x4x64xf32>) -> tensor<2x8x4x32xf32>
  return
}

// -----

func.func @attention_types(%q: tensor<2x8x4x64xf32>, %k: tensor<2x8x4x64xf16>, %v: tensor<2x8x4x64xf32>, %o: tensor<2x8x4x64xf32>) {
  // expected-error @+1 {{expects query, key and value of one float type, got 'f32', 'f16' and 'f32'}}
  %r = mercer.attention query(%q : tensor<2x8x4x64xf32>) key(%k : tensor<2x8x4x64xf16>) value(%v : tensor<2x8x4x64xf32>) outs(%o : tensor<2x8x4x64xf32>) -> tensor<2x8x4x64xf32>
  return
}

// -----

func.func @attention_key_lengths(%q: tensor<2x8x4x64xf32>, %k: tensor<2x8x4x64xf32>, %v: tensor<2x8x4x64xf32>, %o: tensor<2x8x4x64xf32>, %n: tensor<2x1xi64>) {
  // expected-error @+1 {{expects key lengths to be one integer a batch entry, got 'tensor<2x1xi64>'}}
  %r = mercer.attention query(%q : tensor<2x8x4x64xf32>) key(%k : tensor<2x8x4x64xf32>) value(%v : tensor<2x8x4x64xf32>) key_lengths(%n : tensor<2x1xi64>) outs(%o : tensor<2x8x4x64xf32>) -> tensor<2x8x4x64xf32>
  return
}

// -----

func.func @attention_number_of_key_lengths(%q: tensor<2x8x4x64xf32>, %k: tensor<2x8x4x64xf32>, %v: tensor<2x8x4x64xf32>, %o: tensor<2x8x4x64xf32>, %n: tensor<3xi64>) {
  // expected-error @+1 {{expects number of key lengths to be 2, got 3}}
  %r = mercer.attention query(%q : tensor<2x8x4x64xf32>) key(%k : tensor<2x8x4x64xf32>) value(%v : tensor<2x8x4x64xf32>) key_lengths(%n : tensor<3xi64>) outs(%o : tensor<2x8x4x64xf32>) -> tensor<2x8x4x64xf32>
  return
}

// -----

func.func @attention_rank(%q: tensor<2x8x4x64xf32>, %k: tensor<8x4x64xf32>, %v: tensor<2x8x4x64xf32>, %o: tensor<2x8x4x64xf32>) {
  // expected-error @+1 {{expects key of rank 4, [batch, heads, sequence, head size], got 'tensor<8x4x64xf32>'}}
  %r = mercer.attention query(%q : tensor<2x8x4x64xf32>) key(%k : tensor<8x4x64xf32>) value(%v : tensor<2x8x4x64xf32>) outs(%o : tensor<2x8x4x64xf32>) -> tensor<2x8x4x64xf32>
  return
}

// -----

func.func @attention_mask_rank(%q: tensor<2x8x4x64xf32>, %k: tensor<2x8x4x64xf32>, %v: tensor<2x8x4x64xf32>, %o: tensor<2x8x4x64xf32>, %m: tensor<1x1x1x4x4xf32>) {
  // expected-error @+1 {{expects a mask of rank at most 4, got 'tensor<1x1x1x4x4xf32>'}}
  %r = mercer.attention query(%q : tensor<2x8x4x64xf32>) key(%k : tensor<2x8x4x64xf32>) value(%v : tensor<2x8x4x64xf32>) mask(%m : tensor<1x1x1x4x4xf32>) outs(%o : tensor<2x8x4x64xf32>) -> tensor<2x8x4x64xf32>
  return
}

// -----

func.func @attention_batch(%q: tensor<2x8x4x64xf32>, %k: tensor<3x8x4x64xf32>, %v: tensor<3x8x4x64xf32>, %o: tensor<2x8x4x64xf32>) {
  // expected-error @+1 {{expects key batch to be 2, got 3}}
  %r = mercer.attention query(%q : tensor<2x8x4x64xf32>) key(%k : tensor<3x8x4x64xf32>) value(%v : tensor<3x8x4x64xf32>) outs(%o : tensor<2x8x4x64xf32>) -> tensor<2x8x4x64xf32>
  return
}

// -----

func.func @attention_value_batch(%q: tensor<2x8x4x64xf32>, %k: tensor<2x8x4x64xf32>, %v: tensor<3x8x4x64xf32>, %o: tensor<2x8x4x64xf32>) {
  // expected-error @+1 {{expects value batch to be 2, got 3}}
  %r = mercer.attention query(%q : tensor<2x8x4x64xf32>) key(%k : tensor<2x8x4x64xf32>) value(%v : tensor<3x8x4x64xf32>) outs(%o : tensor<2x8x4x64xf32>) -> tensor<2x8x4x64xf32>
  return
}

// -----

func.func @attention_sequence(%q: tensor<2x8x4x64xf32>, %k: tensor<2x8x4x64xf32>, %v: tensor<2x8x5x64xf32>, %o: tensor<2x8x4x64xf32>) {
  // expected-error @+1 {{expects value length to be 4, got 5}}
  %r = mercer.attention query(%q : tensor<2x8x4x64xf32>) key(%k : tensor<2x8x4x64xf32>) value(%v : tensor<2x8x5x64xf32>) outs(%o : tensor<2x8x4x64xf32>) -> tensor<2x8x4x64xf32>
  return
}

// -----

func.func @attention_value_heads(%q: tensor<2x8x4x64xf32>, %k: tensor<2x8x4x64xf32>, %v: tensor<2x4x4x64xf32>, %o: tensor<2x8x4x64xf32>) {
  // expected-error @+1 {{expects number of value heads to be 8, got 4}}
  %r = mercer.attention query(%q : tensor<2x8x4x64xf32>) key(%k : tensor<2x8x4x64xf32>) value(%v : tensor<2x4x4x64xf32>) outs(%o : tensor<2x8x4x64xf32>) -> tensor<2x8x4x64xf32>
  return
}

// -----

func.func @attention_result_size(%q: tensor<2x8x4x64xf32>, %k: tensor<2x8x4x64xf32>, %v: tensor<2x8x4x64xf32>, %o: tensor<2x8x5x64xf32>) {
  // expected-error @+1 {{expects result dim 2 to be 4, got 5}}
  %r = mercer.attention query(%q : tensor<2x8x4x64xf32>) key(%k : tensor<2x8x4x64xf32>) value(%v : tensor<2x8x4x64xf32>) outs(%o : tensor<2x8x5x64xf32>) -> tensor<2x8x5x64xf32>
  return
}

// -----

func.func @attention_result_head_size(%q: tensor<2x8x4x64xf32>, %k: tensor<2x8x4x64xf32>, %v: tensor<2x8x4x64xf32>, %o: tensor<2x8x4x32xf32>) {
  // expected-error @+1 {{expects result head size to be 64, got 32}}
  %r = mercer.attention query(%q : tensor<2x8x4x64xf32>) key(%k : tensor<2x8x4x64xf32>) value(%v : tensor<2x8x4x64xf32>) outs(%o : tensor<2x8x4x32xf32>) -> tensor<2x8x4x32xf32>
  return
}

// -----

func.func @attention_maps(%q: tensor<2x8x4x64xf32>, %k: tensor<2x8x4x64xf32>, %v: tensor<2x8x4x64xf32>, %o: tensor<2x8x4x64xf32>) {
  // expected-error @+1 {{expects 4 indexing maps, got 1}}
  %r = mercer.attention query(%q : tensor<2x8x4x64xf32>) key(%k : tensor<2x8x4x64xf32>) value(%v : tensor<2x8x4x64xf32>) outs(%o : tensor<2x8x4x64xf32>) {indexing_maps = [affine_map<(b, h, i, j, d, e) -> (b, h, i, d)>]} -> tensor<2x8x4x64xf32>
  return
}

// -----

func.func @attention_map_results(%q: tensor<2x8x4x64xf32>, %k: tensor<2x8x4x64xf32>, %v: tensor<2x8x4x64xf32>, %o: tensor<2x8x4x64xf32>) {
  // expected-error @+1 {{expects indexing map 0 to take 6 loops to 4 dims}}
  %r = mercer.attention query(%q : tensor<2x8x4x64xf32>) key(%k : tensor<2x8x4x64xf32>) value(%v : tensor<2x8x4x64xf32>) outs(%o : tensor<2x8x4x64xf32>) {indexing_maps = [affine_map<(b, h, i, j, d, e) -> (b, h, i)>, affine_map<(b, h, i, j, d, e) -> (b, h, i)>, affine_map<(b, h, i, j, d, e) -> (b, h, i)>, affine_map<(b, h, i, j, d, e) -> (b, h, i)>]} -> tensor<2x8x4x64xf32>
  return
}

// -----

func.func @conv_result(%x: tensor<1x3x9xf32>, %w: tensor<5x3x3xf32>, %o: tensor<1x5x7xf32>) {
  // expected-error @+1 {{expects result type 'tensor<1x5x7xf32>', got 'tensor<1x5x8xf32>'}}
  %r = mercer.conv ins(%x, %w : tensor<1x3x9xf32>, tensor<5x3x3xf32>) outs(%o : tensor<1x5x7xf32>) -> tensor<1x5x8xf32>
  return
}

// -----

func.func @conv_rank(%x: tensor<1x3xf32>, %w: tensor<5x3x3xf32>, %o: tensor<1x5x7xf32>) {
  // expected-error @+1 {{expects an input of rank 3 to 5, got 'tensor<1x3xf32>'}}
  %r = mercer.conv ins(%x, %w : tensor<1x3xf32>, tensor<5x3x3xf32>) outs(%o : tensor<1x5x7xf32>) -> tensor<1x5x7xf32>
  return
}

// -----

func.func @conv_weight_rank(%x: tensor<1x3x9xf32>, %w: tensor<5x3x3x3xf32>, %o: tensor<1x5x7xf32>) {
  // expected-error @+1 {{expects weight and result of rank 3, got 4 and 3}}
  %r = mercer.conv ins(%x, %w : tensor<1x3x9xf32>, tensor<5x3x3x3xf32>) outs(%o : tensor<1x5x7xf32>) -> tensor<1x5x7xf32>
  return
}

// -----

func.func @conv_attributes(%x: tensor<1x3x9xf32>, %w: tensor<5x3x3xf32>, %o: tensor<1x5x7xf32>) {
  // expected-error @+1 {{expects 1 strides, 1 dilations and 2 pads, got 2, 1 and 2}}
  %r = mercer.conv ins(%x, %w : tensor<1x3x9xf32>, tensor<5x3x3xf32>) outs(%o : tensor<1x5x7xf32>) {strides = array<i64: 1, 1>} -> tensor<1x5x7xf32>
  return
}

// -----

func.func @conv_groups(%x: tensor<1x3x9xf32>, %w: tensor<5x3x3xf32>, %o: tensor<1x5x7xf32>) {
  // expected-error @+1 {{expects at least 1 group, got 0}}
  %r = mercer.conv ins(%x, %w : tensor<1x3x9xf32>, tensor<5x3x3xf32>) outs(%o : tensor<1x5x7xf32>) {groups = 0 : i64} -> tensor<1x5x7xf32>
  return
}

// -----

func.func @conv_group_channels(%x: tensor<1x3x9xf32>, %w: tensor<5x3x3xf32>, %o: tensor<1x5x7xf32>) {
  // expected-error @+1 {{expects input channels to be a multiple of 2 groups, got 3}}
  %r = mercer.conv ins(%x, %w : tensor<1x3x9xf32>, tensor<5x3x3xf32>) outs(%o : tensor<1x5x7xf32>) {groups = 2 : i64} -> tensor<1x5x7xf32>
  return
}

// -----

func.func @conv_group_results(%x: tensor<1x3x9xf32>, %w: tensor<5x1x3xf32>, %o: tensor<1x5x7xf32>) {
  // expected-error @+1 {{expects result channels to be a multiple of 3 groups, got 5}}
  %r = mercer.conv ins(%x, %w : tensor<1x3x9xf32>, tensor<5x1x3xf32>) outs(%o : tensor<1x5x7xf32>) {groups = 3 : i64} -> tensor<1x5x7xf32>
  return
}

// -----

func.func @conv_result_channels(%x: tensor<1x3x9xf32>, %w: tensor<6x3x3xf32>, %o: tensor<1x5x7xf32>) {
  // expected-error @+1 {{expects result channels to be 6, got 5}}
  %r = mercer.conv ins(%x, %w : tensor<1x3x9xf32>, tensor<6x3x3xf32>) outs(%o : tensor<1x5x7xf32>) -> tensor<1x5x7xf32>
  return
}

// -----

func.func @conv_batch(%x: tensor<1x3x9xf32>, %w: tensor<5x3x3xf32>, %o: tensor<2x5x7xf32>) {
  // expected-error @+1 {{expects result batch to be 1, got 2}}
  %r = mercer.conv ins(%x, %w : tensor<1x3x9xf32>, tensor<5x3x3xf32>) outs(%o : tensor<2x5x7xf32>) -> tensor<2x5x7xf32>
  return
}

// -----

func.func @gram_rank(%x: tensor<3xf32>, %y: tensor<5x3xf32>, %o: tensor<4x5xf32>) {
  // expected-error @+1 {{expects points of equal rank of at least 2, got 'tensor<3xf32>' and 'tensor<5x3xf32>'}}
  %r = mercer.gram gaussian ins(%x, %y : tensor<3xf32>, tensor<5x3xf32>) outs(%o : tensor<4x5xf32>) -> tensor<4x5xf32>
  return
}

// -----

func.func @gram_types(%x: tensor<4x3xf32>, %y: tensor<5x3xf64>, %o: tensor<4x5xf32>) {
  // expected-error @+1 {{expects points of one float type, got 'f32' and 'f64'}}
  %r = mercer.gram gaussian ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf64>) outs(%o : tensor<4x5xf32>) -> tensor<4x5xf32>
  return
}

// -----

func.func @gram_batch(%x: tensor<2x4x3xf32>, %y: tensor<3x5x3xf32>, %o: tensor<2x4x5xf32>) {
  // expected-error @+1 {{expects batch dim 0 of y to be 2, got 3}}
  %r = mercer.gram gaussian ins(%x, %y : tensor<2x4x3xf32>, tensor<3x5x3xf32>) outs(%o : tensor<2x4x5xf32>) -> tensor<2x4x5xf32>
  return
}

// -----

func.func @gram_result(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4x5xf32>) {
  // expected-error @+1 {{expects result type 'tensor<4x5xf32>', got 'tensor<4x6xf32>'}}
  %r = mercer.gram gaussian ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4x5xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @gram_result_rank(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects a result of rank 2, got 'tensor<4xf32>'}}
  %r = mercer.gram gaussian ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @gram_rows(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %o: tensor<3x5xf32>) {
  // expected-error @+1 {{expects the number of result rows to be 4, got 3}}
  %r = mercer.gram gaussian ins(%x, %y : tensor<4x3xf32>, tensor<5x3xf32>) outs(%o : tensor<3x5xf32>) -> tensor<3x5xf32>
  return
}

// -----

func.func @matvec_result(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %v: tensor<5xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects result type 'tensor<4xf32>', got 'tensor<5xf32>'}}
  %r = mercer.kernel_matvec gaussian ins(%x, %y, %v : tensor<4x3xf32>, tensor<5x3xf32>, tensor<5xf32>) outs(%o : tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @matvec_rank(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %v: tensor<1x5x1xf32>, %o: tensor<4xf32>) {
  // expected-error @+1 {{expects values and result of rank 2 or 1, got 3 and 1}}
  %r = mercer.kernel_matvec gaussian ins(%x, %y, %v : tensor<4x3xf32>, tensor<5x3xf32>, tensor<1x5x1xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @matvec_rows(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %v: tensor<5xf32>, %o: tensor<3xf32>) {
  // expected-error @+1 {{expects the number of result rows to be 4, got 3}}
  %r = mercer.kernel_matvec gaussian ins(%x, %y, %v : tensor<4x3xf32>, tensor<5x3xf32>, tensor<5xf32>) outs(%o : tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @matvec_columns(%x: tensor<4x3xf32>, %y: tensor<5x3xf32>, %v: tensor<5x2xf32>, %o: tensor<4x3xf32>) {
  // expected-error @+1 {{expects the number of result columns to be 2, got 3}}
  %r = mercer.kernel_matvec gaussian ins(%x, %y, %v : tensor<4x3xf32>, tensor<5x3xf32>, tensor<5x2xf32>) outs(%o : tensor<4x3xf32>) -> tensor<4x3xf32>
  return
}
