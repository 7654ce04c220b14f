// A model with constants, from tensors to a running artifact. Weights are packed
// by the constant program; equal constants are stored once.

// RUN: rm -rf %t && mkdir -p %t
// RUN: mercerc %s -o %t/a.so --cpu=x86-64-v3 --dump-stages=%t/stages --explain | FileCheck %s --check-prefix=EXPLAIN
// RUN: mercerc %s -o %t/b.so --cpu=x86-64-v3 && cmp %t/a.so %t/b.so
// RUN: mercer-run %t/a.so --describe | FileCheck %s --check-prefix=DESCRIBE
// RUN: mercer-run %t/a.so --random-inputs=1 --output y=%t/y.npy --output z=%t/z.npy
// RUN: cmp %t/y.npy %t/z.npy
// RUN: ls %t | FileCheck %s --check-prefix=CLEAN

// A pipe or a device is written to, not replaced by a file.
// RUN: mkfifo %t/pipe && bash -c "cat %t/pipe >%t/piped.so & mercerc %s -o %t/pipe --cpu=x86-64-v3 && wait"
// RUN: test -p %t/pipe && cmp %t/a.so %t/piped.so

// Every stage continues to the same bytes.
// RUN: mercerc %t/stages/1-simplify.mlir -o %t/s1.so --cpu=x86-64-v3 && mercer-run %t/s1.so --random-inputs=1 --expect y=%t/y.npy
// RUN: mercerc %t/stages/4-layout.mlir -o %t/s4.so --cpu=x86-64-v3 --from-stage=layout && mercer-run %t/s4.so --random-inputs=1 --expect y=%t/y.npy
// RUN: mercerc %t/stages/6-bufferize.mlir -o %t/s7.so --cpu=x86-64-v3 && mercer-run %t/s7.so --random-inputs=1 --expect y=%t/y.npy

// EXPLAIN: contract
// EXPLAIN: why
// EXPLAIN: kernels;

// DESCRIBE: inputs
// DESCRIBE-NEXT: x float32 [N, 8]
// DESCRIBE: packed
// DESCRIBE: mapped

// CLEAN-NOT: tmp

func.func @main(%x: tensor<?x8xf32> {mercer.name = "x", mercer.dtype = "float32", mercer.dims = ["N", ""]})
    -> (tensor<?x4xf32> {mercer.name = "y", mercer.dtype = "float32", mercer.dims = ["N", ""]},
        tensor<?x4xf32> {mercer.name = "z", mercer.dtype = "float32", mercer.dims = ["N", ""]}) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %w = arith.constant dense<0.5> : tensor<8x4xf32>
  %n = tensor.dim %x, %c0 : tensor<?x8xf32>
  %e = tensor.empty(%n) : tensor<?x4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
    ins(%x, %w : tensor<?x8xf32>, tensor<8x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y, %y : tensor<?x4xf32>, tensor<?x4xf32>
}
