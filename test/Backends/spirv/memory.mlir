// REQUIRES: spirv-val
// RUN: mercer-opt %s -mercer-convert-to-spirv="binary=%t" | FileCheck %s
// RUN: spirv-val --target-env vulkan1.1 %t/wide.spv
// RUN: spirv-val --target-env vulkan1.1 %t/lanes.spv
// RUN: spirv-val --target-env vulkan1.1 %t/cells.spv
// RUN: spirv-val --target-env vulkan1.1 %t/shared.spv

#global = #gpu.address_space<global>
#private = #gpu.address_space<private>
#workgroup = #gpu.address_space<workgroup>
module attributes {mercer.target = {kind = "vulkan", cpu = "vulkan1.1", features = "+spirv1.3", threads = 128 : i64, subgroup = 8 : i64, shared = 16384 : i64}} {
gpu.module @m {
  // An aligned vector is one access of words, and no narrow type is needed.
  // CHECK: spirv.module
  // CHECK-SAME: [Shader]
  // CHECK-DAG: @buffer0_words4 bind(0, 0) {non_writable} : !spirv.ptr<!spirv.struct<(!spirv.rtarray<vector<4xi32>, stride=16> [0])>, StorageBuffer>
  // CHECK-DAG: @buffer1_words4 bind(0, 1)
  // CHECK: spirv.func @wide
  // CHECK: spirv.ShiftRightLogical %{{.*}}, %cst3_i32
  // CHECK: spirv.Load "StorageBuffer" {{.*}} : vector<4xi32>
  // CHECK-NOT: spirv.UConvert
  // CHECK: spirv.Store "StorageBuffer" {{.*}} : vector<4xi32>
  gpu.func @wide(%tiles: index, %x: memref<?xf16, #global> {mercer.elements = [512]},
      %y: memref<?xf16, #global> {mercer.elements = [512], mercer.written})
      kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    %c8 = arith.constant 8 : index
    %t = gpu.thread_id x
    %i = arith.muli %t, %c8 : index
    %v = vector.load %x[%i] {alignment = 16 : i64} : memref<?xf16, #global>, vector<8xf16>
    vector.store %v, %y[%i] {alignment = 16 : i64} : memref<?xf16, #global>, vector<8xf16>
    gpu.return
  }

  // Without a promise of alignment each lane is an access.
  // CHECK: spirv.func @lanes
  // CHECK-COUNT-4: spirv.Load "StorageBuffer" {{.*}} : f32
  // CHECK-COUNT-4: spirv.Store "StorageBuffer" {{.*}} : f32
  gpu.func @lanes(%tiles: index, %x: memref<?xf32, #global> {mercer.elements = [512]},
      %y: memref<?xf32, #global> {mercer.elements = [512], mercer.written})
      kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    %t = gpu.thread_id x
    %v = vector.load %x[%t] : memref<?xf32, #global>, vector<4xf32>
    vector.store %v, %y[%t] : memref<?xf32, #global>, vector<4xf32>
    gpu.return
  }

  // Cells that constants name are variables; a computed index needs an array.
  // CHECK: spirv.func @cells
  // CHECK-COUNT-2: spirv.Variable : !spirv.ptr<f32, Function>
  // CHECK: spirv.Variable : !spirv.ptr<!spirv.array<3 x f32>, Function>
  gpu.func @cells(%tiles: index, %y: memref<?xf32, #global> {mercer.elements = [64], mercer.written})
      kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %one = arith.constant 1.0 : f32
    %t = gpu.thread_id x
    %a = memref.alloca() : memref<2xf32, #private>
    %d = memref.alloca() : memref<3xf32, #private>
    memref.store %one, %a[%c1] : memref<2xf32, #private>
    memref.store %one, %d[%t] : memref<3xf32, #private>
    %v = memref.load %a[%c1] : memref<2xf32, #private>
    %w = memref.load %d[%c0] : memref<3xf32, #private>
    %s = arith.addf %v, %w : f32
    memref.store %s, %y[%t] : memref<?xf32, #global>
    gpu.return
  }

  // Shared memory holds narrow elements as such.
  // CHECK: spirv.module
  // CHECK-SAME: Int8
  // CHECK: @shared0 : !spirv.ptr<!spirv.array<64 x i8>, Workgroup>
  // CHECK: spirv.func @shared
  gpu.func @shared(%tiles: index, %y: memref<?xi8, #global> {mercer.elements = [64], mercer.written})
      workgroup(%w: memref<64xi8, #workgroup>) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    %one = arith.constant 1 : i8
    %t = gpu.thread_id x
    memref.store %one, %w[%t] : memref<64xi8, #workgroup>
    gpu.barrier
    %v = memref.load %w[%tiles] : memref<64xi8, #workgroup>
    memref.store %v, %y[%t] : memref<?xi8, #global>
    gpu.return
  }
}
}
