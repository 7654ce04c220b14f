// RUN: mercer-opt %s -split-input-file -pass-pipeline='builtin.module(func.func(mercer-bufferize-kernels))' | FileCheck %s

// Two phases over row tiles: nothing but the work itself remains.

// CHECK-LABEL: func.func private @bias_relu
// CHECK-SAME: %[[A:.*]]: memref<?x768xf32>, %[[B:.*]]: memref<768xf32>, %[[O:.*]]: memref<?x768xf32>
// CHECK-NOT: memref.alloc
// CHECK: scf.forall (%{{.*}}) = (0) to (%{{.*}}) step (64) {
// CHECK:   linalg.generic {{.*}} ins({{.*}}memref<?x768xf32, strided<[768, 1], offset: ?>>, memref<768xf32>) outs({{.*}}memref<?x768xf32, strided<[768, 1], offset: ?>>)
// CHECK-NOT: memref.copy
// CHECK: return
func.func private @bias_relu(%a: memref<?x768xf32>, %b: memref<768xf32>, %o: memref<?x768xf32>) attributes {mercer.kernel} {
  %ta = bufferization.to_tensor %a restrict : memref<?x768xf32> to tensor<?x768xf32>
  %tb = bufferization.to_tensor %b restrict : memref<768xf32> to tensor<768xf32>
  %to = bufferization.to_tensor %o restrict writable : memref<?x768xf32> to tensor<?x768xf32>
  %c0 = arith.constant 0 : index
  %n = tensor.dim %ta, %c0 : tensor<?x768xf32>
  %r = scf.forall (%i) = (0) to (%n) step (64) shared_outs(%s = %to) -> (tensor<?x768xf32>) {
    %m = affine.min affine_map<(d0)[s0] -> (64, s0 - d0)>(%i)[%n]
    %x = tensor.extract_slice %ta[%i, 0][%m, 768][1, 1] : tensor<?x768xf32> to tensor<?x768xf32>
    %e = tensor.empty(%m) : tensor<?x768xf32>
    %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>],
                         iterator_types = ["parallel", "parallel"]}
        ins(%x, %tb : tensor<?x768xf32>, tensor<768xf32>) outs(%e : tensor<?x768xf32>) {
    ^bb0(%p: f32, %q: f32, %z: f32):
      %0 = arith.addf %p, %q : f32
      %c = arith.constant 0.0 : f32
      %1 = arith.maximumf %0, %c : f32
      linalg.yield %1 : f32
    } -> tensor<?x768xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %y into %s[%i, 0][%m, 768][1, 1] : tensor<?x768xf32> into tensor<?x768xf32>
    }
  }
  bufferization.materialize_in_destination %r in restrict writable %o : (tensor<?x768xf32>, memref<?x768xf32>) -> ()
  return
}

// -----

// A matmul tile accumulates in the output and needs a scratch tile for its
// exponentiated operand: static size, part in use by a subview.

// CHECK-LABEL: func.func private @exp_matmul
// CHECK: scf.forall
// CHECK:   %[[S:.*]] = memref.alloca() {alignment = 64 : i64} : memref<64x256xf32>
// CHECK:   %[[P:.*]] = memref.subview %[[S]][0, 0] [%{{.*}}, 256] [1, 1] : memref<64x256xf32> to memref<?x256xf32, strided<[256, 1]>>
// CHECK:   linalg.generic {{.*}} outs(%[[P]] :
// CHECK:   linalg.fill {{.*}} outs({{.*}} : memref<?x48xf32, strided<[768, 1], offset: ?>>)
// CHECK:   linalg.matmul ins(%[[P]],
// CHECK-NOT: memref.copy
// CHECK: return
func.func private @exp_matmul(%a: memref<?x256xf32>, %b: memref<256x768xf32>, %o: memref<?x768xf32>) attributes {mercer.kernel} {
  %ta = bufferization.to_tensor %a restrict : memref<?x256xf32> to tensor<?x256xf32>
  %tb = bufferization.to_tensor %b restrict : memref<256x768xf32> to tensor<256x768xf32>
  %to = bufferization.to_tensor %o restrict writable : memref<?x768xf32> to tensor<?x768xf32>
  %c0 = arith.constant 0 : index
  %f0 = arith.constant 0.0 : f32
  %n = tensor.dim %ta, %c0 : tensor<?x256xf32>
  %r = scf.forall (%i, %j) = (0, 0) to (%n, 768) step (64, 48) shared_outs(%s = %to) -> (tensor<?x768xf32>) {
    %m = affine.min affine_map<(d0)[s0] -> (64, s0 - d0)>(%i)[%n]
    %x = tensor.extract_slice %ta[%i, 0][%m, 256][1, 1] : tensor<?x256xf32> to tensor<?x256xf32>
    %w = tensor.extract_slice %tb[0, %j][256, 48][1, 1] : tensor<256x768xf32> to tensor<256x48xf32>
    %e = tensor.empty(%m) : tensor<?x256xf32>
    %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                         iterator_types = ["parallel", "parallel"]}
        ins(%x : tensor<?x256xf32>) outs(%e : tensor<?x256xf32>) {
    ^bb0(%p: f32, %z: f32):
      %0 = math.exp %p : f32
      linalg.yield %0 : f32
    } -> tensor<?x256xf32>
    %t = tensor.extract_slice %s[%i, %j][%m, 48][1, 1] : tensor<?x768xf32> to tensor<?x48xf32>
    %z = linalg.fill ins(%f0 : f32) outs(%t : tensor<?x48xf32>) -> tensor<?x48xf32>
    %c = linalg.matmul ins(%y, %w : tensor<?x256xf32>, tensor<256x48xf32>) outs(%z : tensor<?x48xf32>) -> tensor<?x48xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %c into %s[%i, %j][%m, 48][1, 1] : tensor<?x48xf32> into tensor<?x768xf32>
    }
  }
  bufferization.materialize_in_destination %r in restrict writable %o : (tensor<?x768xf32>, memref<?x768xf32>) -> ()
  return
}

// -----

// Not a kernel: left alone.

// CHECK-LABEL: func.func @other
// CHECK: tensor.empty
func.func @other() -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4xf32>
  return %e : tensor<4xf32>
}
