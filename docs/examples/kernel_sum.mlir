// Sum of Gaussians: o_i = sum_j exp(-|x_i - y_j|^2 / 2) v_j, for any number of points.
func.func @main(
    %x: tensor<?x3xf32> {mercer.name = "x", mercer.dtype = "float32", mercer.dims = ["n", ""]},
    %y: tensor<?x3xf32> {mercer.name = "y", mercer.dtype = "float32", mercer.dims = ["m", ""]},
    %v: tensor<?xf32> {mercer.name = "v", mercer.dtype = "float32", mercer.dims = ["m"]})
    -> (tensor<?xf32> {mercer.name = "o", mercer.dtype = "float32", mercer.dims = ["n"]}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x3xf32>
  %init = tensor.empty(%n) : tensor<?xf32>
  %o = mercer.kernel_matvec gaussian
      ins(%x, %y, %v : tensor<?x3xf32>, tensor<?x3xf32>, tensor<?xf32>)
      outs(%init : tensor<?xf32>) {gamma = 5.000000e-01 : f64} -> tensor<?xf32>
  return %o : tensor<?xf32>
}
