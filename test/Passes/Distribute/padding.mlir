// RUN: mercer-opt %s --mercer-distribute --split-input-file | FileCheck %s

// A tile with its halo, filled and partly copied, is read where it comes from.

module attributes {mercer.target = {kind = "cuda", fma = true, threads = 128 : i64, subgroup = 32 : i64, shared = 49152 : i64}} {
  // CHECK-LABEL: gpu.func @halo$0
  // CHECK-NOT: workgroup(
  // CHECK: kernel
  // CHECK: arith.cmpi slt
  // CHECK: arith.cmpi sge
  // CHECK: scf.if
  // CHECK: memref.load %{{.*}} #gpu.address_space<global>
  // CHECK: } else {
  // CHECK: scf.yield %cst
  // CHECK-NOT: gpu.barrier
  func.func private @halo(%x: memref<8x62xf32>, %w: memref<3xf32>, %y: memref<8x62xf32>) attributes {mercer.kernel} {
    %zero = arith.constant 0.0 : f32
    scf.forall (%i) = (0) to (8) step (1) {
      %t = memref.alloca() : memref<1x64xf32>
      %a = memref.subview %x[%i, 0] [1, 62] [1, 1] : memref<8x62xf32> to memref<1x62xf32, strided<[62, 1], offset: ?>>
      %b = memref.subview %y[%i, 0] [1, 62] [1, 1] : memref<8x62xf32> to memref<1x62xf32, strided<[62, 1], offset: ?>>
      linalg.fill ins(%zero : f32) outs(%t : memref<1x64xf32>)
      %inner = memref.subview %t[0, 1] [1, 62] [1, 1] : memref<1x64xf32> to memref<1x62xf32, strided<[64, 1], offset: 1>>
      memref.copy %a, %inner : memref<1x62xf32, strided<[62, 1], offset: ?>> to memref<1x62xf32, strided<[64, 1], offset: 1>>
      linalg.generic {indexing_maps = [affine_map<(n, p, r) -> (n, p + r)>, affine_map<(n, p, r) -> (r)>, affine_map<(n, p, r) -> (n, p)>],
                      iterator_types = ["parallel", "parallel", "reduction"]}
          ins(%t, %w : memref<1x64xf32>, memref<3xf32>) outs(%b : memref<1x62xf32, strided<[62, 1], offset: ?>>) {
        ^bb0(%in: f32, %r: f32, %out: f32):
          %p = arith.mulf %in, %r : f32
          %s = arith.addf %out, %p : f32
          linalg.yield %s : f32
      }
    } {mapping = [#mercer.grid<0>]}
    return
  }
}

// -----

// What the kernel writes may change before it is read: a copy is made.

module attributes {mercer.target = {kind = "cuda", fma = true, threads = 128 : i64, subgroup = 32 : i64, shared = 49152 : i64}} {
  // CHECK-LABEL: gpu.func @written$0
  // CHECK-SAME: workgroup(%{{.*}} : memref<64xf32
  // CHECK: gpu.barrier
  func.func private @written(%x: memref<8x62xf32>) attributes {mercer.kernel} {
    %zero = arith.constant 0.0 : f32
    scf.forall (%i) = (0) to (8) step (1) {
      %t = memref.alloca() : memref<1x64xf32>
      %a = memref.subview %x[%i, 0] [1, 62] [1, 1] : memref<8x62xf32> to memref<1x62xf32, strided<[62, 1], offset: ?>>
      linalg.fill ins(%zero : f32) outs(%t : memref<1x64xf32>)
      %inner = memref.subview %t[0, 1] [1, 62] [1, 1] : memref<1x64xf32> to memref<1x62xf32, strided<[64, 1], offset: 1>>
      memref.copy %a, %inner : memref<1x62xf32, strided<[62, 1], offset: ?>> to memref<1x62xf32, strided<[64, 1], offset: 1>>
      %shifted = memref.subview %t[0, 0] [1, 62] [1, 1] : memref<1x64xf32> to memref<1x62xf32, strided<[64, 1]>>
      memref.copy %shifted, %a : memref<1x62xf32, strided<[64, 1]>> to memref<1x62xf32, strided<[62, 1], offset: ?>>
    } {mapping = [#mercer.grid<0>]}
    return
  }
}
