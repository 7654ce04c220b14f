// RUN: mercer-opt %s -mercer-cuda-write-code='chip=sm_80' -o %t.out | FileCheck %s

// How often a loop is unrolled is decided here: ptxas finds none to unroll.

gpu.module @loops {
// A short innermost loop four times, the tile loop around it not.
// CHECK-LABEL: .entry short_loop$0(
// CHECK: .pragma "nounroll"
// CHECK: .pragma "nounroll"
// CHECK-COUNT-4: fma.rn.f32
// CHECK-NOT: fma.rn.f32
// CHECK: ret;
gpu.func @short_loop$0(%tiles: index,
    %x: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [120]},
    %y: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [32], mercer.written}) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c120 = arith.constant 120 : index
  %zero = arith.constant 0.0 : f32
  %block = gpu.block_id x
  %blocks = gpu.grid_dim x
  %thread = gpu.thread_id x
  scf.for %t = %block to %tiles step %blocks {
    %sum = scf.for %i = %c0 to %c120 step %c1 iter_args(%s = %zero) -> (f32) {
      %v = memref.load %x[%i] : memref<?xf32, #gpu.address_space<global>>
      %new = math.fma %v, %v, %s : f32
      scf.yield %new : f32
    }
    memref.store %sum, %y[%thread] : memref<?xf32, #gpu.address_space<global>>
  }
  gpu.return
}
// One in which threads meet stays as it is; so does one with its own annotation.
// CHECK-LABEL: .entry collective_loop$0(
// CHECK: .pragma "nounroll"
// CHECK-COUNT-1: shfl.sync
// CHECK-NOT: shfl.sync
// CHECK: .pragma "nounroll"
// CHECK-COUNT-1: mul.rn.f32
// CHECK-NOT: mul.rn.f32
// CHECK: ret;
gpu.func @collective_loop$0(%tiles: index,
    %y: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [32], mercer.written}) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c120 = arith.constant 120 : index
  %width = arith.constant 32 : i32
  %one = arith.constant 1 : i32
  %thread = gpu.thread_id x
  %v = memref.load %y[%thread] : memref<?xf32, #gpu.address_space<global>>
  %sum = scf.for %i = %c0 to %c120 step %c1 iter_args(%s = %v) -> (f32) {
    %o, %valid = gpu.shuffle xor %s, %one, %width : f32
    %new = arith.addf %s, %o : f32
    scf.yield %new : f32
  }
  %product = scf.for %i = %c0 to %c120 step %c1 iter_args(%s = %sum) -> (f32) {
    %new = arith.mulf %s, %v : f32
    scf.yield %new : f32
  } {llvm.loop_annotation = #llvm.loop_annotation<unroll = <disable = true>>}
  memref.store %product, %y[%thread] : memref<?xf32, #gpu.address_space<global>>
  gpu.return
}
}
