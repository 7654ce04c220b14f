// A 3x3 convolution with bias and ReLU: one kernel, no im2col buffer.
#id = affine_map<(n, c, h, w) -> (n, c, h, w)>
func.func @main(
    %x: tensor<1x32x56x56xf32> {mercer.name = "x", mercer.dtype = "float32", mercer.dims = ["", "", "", ""]},
    %w: tensor<64x32x3x3xf32> {mercer.name = "w", mercer.dtype = "float32", mercer.dims = ["", "", "", ""]},
    %b: tensor<64xf32> {mercer.name = "b", mercer.dtype = "float32", mercer.dims = [""]})
    -> (tensor<1x64x56x56xf32> {mercer.name = "y", mercer.dtype = "float32", mercer.dims = ["", "", "", ""]}) {
  %init = tensor.empty() : tensor<1x64x56x56xf32>
  %c = mercer.conv ins(%x, %w : tensor<1x32x56x56xf32>, tensor<64x32x3x3xf32>)
      bias(%b : tensor<64xf32>) outs(%init : tensor<1x64x56x56xf32>)
      {pads = array<i64: 1, 1, 1, 1>} -> tensor<1x64x56x56xf32>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%c : tensor<1x64x56x56xf32>) outs(%init : tensor<1x64x56x56xf32>) {
    ^bb0(%in: f32, %out: f32):
      %zero = arith.constant 0.0 : f32
      %r = arith.maximumf %in, %zero : f32
      linalg.yield %r : f32
  } -> tensor<1x64x56x56xf32>
  return %y : tensor<1x64x56x56xf32>
}
