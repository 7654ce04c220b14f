// Why neighbours stay apart is part of the explanation.
// RUN: mercerc %s -o %t.so --explain 2>&1 | FileCheck %s
// CHECK: schedule {{.*}}grid =
// CHECK: not fused mercer.contract not fused: both are contractions
#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func @main(
    %x: tensor<256x256xf32> {mercer.name = "x", mercer.dtype = "float32", mercer.dims = ["", ""]},
    %w: tensor<256x256xf32> {mercer.name = "w", mercer.dtype = "float32", mercer.dims = ["", ""]})
    -> (tensor<256x256xf32> {mercer.name = "y", mercer.dtype = "float32", mercer.dims = ["", ""]}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<256x256xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<256x256xf32>) -> tensor<256x256xf32>
  %0 = mercer.contract [#a, #b, #c] ins(%x, %w : tensor<256x256xf32>, tensor<256x256xf32>)
      outs(%f : tensor<256x256xf32>) -> tensor<256x256xf32>
  %1 = mercer.contract [#a, #b, #c] ins(%0, %w : tensor<256x256xf32>, tensor<256x256xf32>)
      outs(%f : tensor<256x256xf32>) -> tensor<256x256xf32>
  return %1 : tensor<256x256xf32>
}
