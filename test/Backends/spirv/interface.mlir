// REQUIRES: spirv-val
// RUN: mercer-opt %s -mercer-convert-to-spirv="binary=%t" | FileCheck %s
// RUN: spirv-val --target-env vulkan1.1 %t/interface.spv
// RUN: spirv-val --target-env vulkan1.1 %t/large_block.spv
// RUN: spirv-val --target-env vulkan1.1 %t/chunks.spv

#global = #gpu.address_space<global>
#workgroup = #gpu.address_space<workgroup>
module attributes {mercer.target = {kind = "vulkan", cpu = "vulkan1.1", features = "+spirv1.3", threads = 128 : i64, subgroup = 8 : i64, shared = 16384 : i64}} {
gpu.module @m {
  // Buffers in the order of the arguments; the block holds the tiles, the first
  // element of each of the three buffers, the size and the scalar of two words.
  // CHECK: spirv.module Logical GLSL450
  // CHECK-SAME: #spirv.vce<v1.3, [Shader, Int64, StorageBuffer16BitAccess], []>
  // CHECK-SAME: mercer.params = ["buffer 2 x 8 x 1 sizes", "scalar 8", "buffer 8 x 64 written", "scratch 4 x 16 written"]
  // CHECK-SAME: mercer.shared_bytes = 256 : i64, mercer.threads = 64 : i64
  // CHECK-DAG: spirv.GlobalVariable @block : !spirv.ptr<!spirv.struct<(!spirv.array<7 x i32, stride=4> [0])>, PushConstant>
  // CHECK-DAG: spirv.GlobalVariable @shared0 : !spirv.ptr<!spirv.array<64 x f32>, Workgroup>
  // CHECK-DAG: @buffer0 bind(0, 0) {non_writable} : !spirv.ptr<!spirv.struct<(!spirv.rtarray<i16, stride=2> [0])>, StorageBuffer>
  // CHECK-DAG: @buffer1 bind(0, 1) : !spirv.ptr<!spirv.struct<(!spirv.rtarray<i64, stride=8> [0])>, StorageBuffer>
  // CHECK-DAG: @buffer2 bind(0, 2) {coherent}
  // CHECK: spirv.func @interface() "None"
  // CHECK: spirv.CompositeConstruct {{.*}} : (i32, i32) -> vector<2xi32>
  // CHECK: spirv.Bitcast {{.*}} : vector<2xi32> to i64
  // The first element is added to every index.
  // CHECK: %[[AT:.*]] = spirv.IAdd
  // CHECK: spirv.AccessChain %buffer0_addr[%{{.*}}, %[[AT]]]
  // CHECK: spirv.UConvert {{.*}} : i16 to i32
  // CHECK: spirv.ControlBarrier <Workgroup>, <Workgroup>, <AcquireRelease|UniformMemory|WorkgroupMemory>
  // CHECK: spirv.EntryPoint "GLCompute" @interface, @builtin_LocalInvocationId
  // CHECK: spirv.ExecutionMode @interface "LocalSize", 64, 1, 1
  gpu.func @interface(%tiles: index, %x: memref<?xi16, #global> {mercer.elements = [8, 2]}, %n: index, %s: i64,
      %y: memref<?xi64, #global> {mercer.elements = [64], mercer.written}, %z: memref<?xf32, #global> {mercer.scratch = 16 : i64})
      workgroup(%w: memref<64xf32, #workgroup>) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    %t = gpu.thread_id x
    %zero = arith.constant 0.0 : f32
    %v = memref.load %x[%n] : memref<?xi16, #global>
    %e = arith.extsi %v : i16 to i64
    %a = arith.addi %e, %s : i64
    memref.store %zero, %w[%t] : memref<64xf32, #workgroup>
    memref.store %zero, %z[%t] : memref<?xf32, #global>
    gpu.barrier
    %f = memref.load %z[%n] : memref<?xf32, #global>
    %i = arith.fptosi %f : f32 to i64
    %sum = arith.addi %a, %i : i64
    memref.store %sum, %y[%tiles] : memref<?xi64, #global>
    gpu.return
  }

  // More than 128 bytes of parameters: a storage buffer after the others.
  // CHECK: spirv.module
  // CHECK-DAG: @block bind(0, 1) {non_writable} : !spirv.ptr<!spirv.struct<(!spirv.array<34 x i32, stride=4> [0])>, StorageBuffer>
  // CHECK-DAG: @buffer0 bind(0, 0)
  // CHECK: spirv.func @large_block
  gpu.func @large_block(%tiles: index, %y: memref<?xf64, #global> {mercer.elements = [64], mercer.written},
      %a0: f64, %a1: f64, %a2: f64, %a3: f64, %a4: f64, %a5: f64, %a6: f64, %a7: f64,
      %a8: f64, %a9: f64, %a10: f64, %a11: f64, %a12: f64, %a13: f64, %a14: f64, %a15: f64)
      kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    %t = gpu.thread_id x
    memref.store %a15, %y[%t] : memref<?xf64, #global>
    gpu.return
  }

  // A buffer above 128 MiB that is only read takes several bindings; each is
  // read in its range.
  // CHECK: spirv.module
  // CHECK-SAME: mercer.params = ["buffer 4 x 67108964 chunks 3", "buffer 4 x 64 written"]
  // CHECK-DAG: @buffer0 bind(0, 0)
  // CHECK-DAG: @buffer0_chunk1 bind(0, 1)
  // CHECK-DAG: @buffer0_chunk2 bind(0, 2)
  // CHECK-DAG: @buffer1 bind(0, 3)
  // CHECK: spirv.func @chunks
  // CHECK: spirv.AccessChain %buffer0_addr
  // CHECK: spirv.AccessChain %buffer0_chunk1_addr
  // CHECK: spirv.Select
  // CHECK: spirv.ULessThan
  // CHECK: spirv.AccessChain %buffer0_chunk2_addr
  // CHECK: spirv.Select
  gpu.func @chunks(%tiles: index, %x: memref<?xf32, #global> {mercer.elements = [67108964]},
      %y: memref<?xf32, #global> {mercer.elements = [64], mercer.written})
      kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    %t = gpu.thread_id x
    %v = memref.load %x[%t] : memref<?xf32, #global>
    memref.store %v, %y[%t] : memref<?xf32, #global>
    gpu.return
  }
}
}
