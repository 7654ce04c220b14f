// A product of 16-bit matrices with bias and ReLU: the worked example of docs/backends.md.
func.func @main(
    %a: tensor<?x512xf16> {mercer.name = "a", mercer.dtype = "float16", mercer.dims = ["m", ""]},
    %b: tensor<512x256xf16> {mercer.name = "b", mercer.dtype = "float16", mercer.dims = ["", ""]},
    %bias: tensor<256xf32> {mercer.name = "bias", mercer.dtype = "float32", mercer.dims = [""]})
    -> (tensor<?x256xf32> {mercer.name = "c", mercer.dtype = "float32", mercer.dims = ["m", ""]}) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %m = tensor.dim %a, %c0 : tensor<?x512xf16>
  %e = tensor.empty(%m) : tensor<?x256xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x256xf32>) -> tensor<?x256xf32>
  %p = linalg.matmul ins(%a, %b : tensor<?x512xf16>, tensor<512x256xf16>) outs(%f : tensor<?x256xf32>) -> tensor<?x256xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]}
      ins(%p, %bias : tensor<?x256xf32>, tensor<256xf32>) outs(%e : tensor<?x256xf32>) {
    ^bb0(%x: f32, %y: f32, %o: f32):
      %s = arith.addf %x, %y : f32
      %t = arith.maximumf %s, %zero : f32
      linalg.yield %t : f32
  } -> tensor<?x256xf32>
  return %r : tensor<?x256xf32>
}
