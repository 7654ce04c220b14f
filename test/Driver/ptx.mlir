// Two kernels are one text with one header.

// RUN: mercerc %s -o - --target=cuda --emit=ptx | FileCheck %s

// CHECK: .version
// CHECK: .entry
// CHECK-NOT: .version
// CHECK: .entry

func.func @main(%x: tensor<?xf32> {mercer.name = "x"}, %z: tensor<?x4xf64> {mercer.name = "z"})
    -> (tensor<?xf32> {mercer.name = "y"}, tensor<?x4xf64> {mercer.name = "w"}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %m = tensor.dim %z, %c0 : tensor<?x4xf64>
  %e = tensor.empty(%n) : tensor<?xf32>
  %f = tensor.empty(%m) : tensor<?x4xf64>
  %y = linalg.exp ins(%x : tensor<?xf32>) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %w = linalg.sqrt ins(%z : tensor<?x4xf64>) outs(%f : tensor<?x4xf64>) -> tensor<?x4xf64>
  return %y, %w : tensor<?xf32>, tensor<?x4xf64>
}
