// REQUIRES: spirv-val
// RUN: mercer-opt %s -mercer-convert-to-spirv="binary=%t" | FileCheck %s
// RUN: spirv-val --target-env vulkan1.1 %t/loops.spv
// RUN: spirv-val --target-env vulkan1.1 %t/exchange.spv

#global = #gpu.address_space<global>
module attributes {mercer.target = {kind = "vulkan", cpu = "vulkan1.1", features = "+spirv1.3", threads = 128 : i64, subgroup = 8 : i64, shared = 16384 : i64}} {
gpu.module @m {
  // What a back edge carries out of an inner loop or choice goes through the
  // continue block.
  // CHECK-LABEL: spirv.func @loops
  // CHECK: %[[OUTER:.*]] = spirv.mlir.loop -> f32 {
  // CHECK: ^bb1(%[[I:.*]]: i32, %[[A:.*]]: f32):
  // CHECK: spirv.SLessThan %[[I]]
  // CHECK: %[[INNER:.*]] = spirv.mlir.selection -> f32 {
  // CHECK: spirv.mlir.merge %{{.*}} : f32
  // CHECK: spirv.Branch ^[[NEXT:.*]](%[[INNER]] : f32)
  // CHECK: ^[[NEXT]](%[[PASSED:.*]]: f32):
  // CHECK: spirv.IAdd %[[I]]
  // CHECK: spirv.Branch ^bb1(%{{.*}}, %[[PASSED]] : i32, f32)
  // CHECK: spirv.mlir.merge %[[A]] : f32
  // CHECK: spirv.Store "StorageBuffer" %{{.*}}, %[[OUTER]]
  gpu.func @loops(%tiles: index, %y: memref<?xf32, #global> {mercer.elements = [64], mercer.written}, %s: f32)
      kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %t = gpu.thread_id x
    %r = scf.for %i = %c0 to %tiles step %c1 iter_args(%a = %s) -> f32 {
      %c = arith.cmpf olt, %a, %s : f32
      %n = scf.if %c -> f32 {
        %p = arith.addf %a, %s : f32
        scf.yield %p : f32
      } else {
        scf.yield %a : f32
      }
      scf.yield %n : f32
    }
    memref.store %r, %y[%t] : memref<?xf32, #global>
    gpu.return
  }

  // CHECK: spirv.module
  // CHECK-SAME: GroupNonUniformShuffle
  // CHECK: spirv.func @exchange
  // CHECK: spirv.GroupNonUniformShuffleXor <Subgroup> %{{.*}}, %{{.*}} : f32, i32
  gpu.func @exchange(%tiles: index, %y: memref<?xf32, #global> {mercer.elements = [64], mercer.written})
      kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    %m = arith.constant 4 : i32
    %w = arith.constant 8 : i32
    %t = gpu.thread_id x
    %v = memref.load %y[%t] : memref<?xf32, #global>
    %o, %ok = gpu.shuffle xor %v, %m, %w : f32
    memref.store %o, %y[%t] : memref<?xf32, #global>
    gpu.return
  }
}
}
