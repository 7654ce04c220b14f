// Causal softmax attention of any length; no matrix of scores exists.
func.func @main(
    %q: tensor<1x8x?x64xf32> {mercer.name = "q", mercer.dtype = "float32", mercer.dims = ["", "", "n", ""]},
    %k: tensor<1x8x?x64xf32> {mercer.name = "k", mercer.dtype = "float32", mercer.dims = ["", "", "n", ""]},
    %v: tensor<1x8x?x64xf32> {mercer.name = "v", mercer.dtype = "float32", mercer.dims = ["", "", "n", ""]})
    -> (tensor<1x8x?x64xf32> {mercer.name = "o", mercer.dtype = "float32", mercer.dims = ["", "", "n", ""]}) {
  %c2 = arith.constant 2 : index
  %n = tensor.dim %q, %c2 : tensor<1x8x?x64xf32>
  %init = tensor.empty(%n) : tensor<1x8x?x64xf32>
  %o = mercer.attention query(%q : tensor<1x8x?x64xf32>)
      key(%k : tensor<1x8x?x64xf32>) value(%v : tensor<1x8x?x64xf32>)
      outs(%init : tensor<1x8x?x64xf32>) {causal} -> tensor<1x8x?x64xf32>
  return %o : tensor<1x8x?x64xf32>
}
