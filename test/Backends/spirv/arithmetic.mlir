// REQUIRES: spirv-val
// RUN: mercer-opt %s -mercer-convert-to-spirv="binary=%t" | FileCheck %s
// RUN: spirv-val --target-env vulkan1.3 %t/floats.spv
// RUN: spirv-val --target-env vulkan1.3 %t/integers.spv

#global = #gpu.address_space<global>
module attributes {mercer.target = {kind = "vulkan", cpu = "vulkan1.3", features = "+float-controls,+spirv1.6", threads = 256 : i64, subgroup = 8 : i64, shared = 32768 : i64}} {
gpu.module @m {
  // Products and sums stay apart unless the IR says that they may fuse; a
  // maximum is written out, GLSL's is undefined for NaN.
  // CHECK: spirv.module
  // CHECK-SAME: SignedZeroInfNanPreserve
  // CHECK: spirv.func @floats
  // CHECK: spirv.FMul {{.*}} {no_contraction} : f32
  // CHECK: spirv.FAdd {{.*}} {no_contraction} : f32
  // CHECK: spirv.FMul %{{[^{]*}} : f32
  // CHECK: spirv.FOrdGreaterThan
  // CHECK: spirv.Select
  // CHECK: spirv.IsNan
  // CHECK: spirv.Select
  // CHECK-NOT: spirv.GL
  // CHECK: spirv.ExecutionMode @floats "SignedZeroInfNanPreserve", 32
  gpu.func @floats(%tiles: index, %y: memref<?xf32, #global> {mercer.elements = [64], mercer.written}, %s: f32)
      kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    %t = gpu.thread_id x
    %v = memref.load %y[%t] : memref<?xf32, #global>
    %p = arith.mulf %v, %s : f32
    %q = arith.addf %p, %s : f32
    %r = arith.mulf %q, %v fastmath<contract> : f32
    %m = arith.maximumf %r, %s : f32
    memref.store %m, %y[%t] : memref<?xf32, #global>
    gpu.return
  }

  // i8 is i32 with unspecified upper bits: a sum needs nothing, a comparison
  // extends. The sign of a remainder is written out.
  // CHECK: spirv.func @integers
  // CHECK: %[[V:.*]] = spirv.UConvert
  // CHECK: %[[SUM:.*]] = spirv.IAdd %[[V]]
  // CHECK: %[[UP:.*]] = spirv.ShiftLeftLogical %[[SUM]], %cst24_i32
  // CHECK: spirv.ShiftRightArithmetic %[[UP]], %cst24_i32
  // CHECK: spirv.SLessThan
  // CHECK-NOT: spirv.SRem
  // CHECK: spirv.SDiv
  // CHECK: spirv.IMul
  // CHECK: spirv.ISub
  gpu.func @integers(%tiles: index, %y: memref<?xi8, #global> {mercer.elements = [64], mercer.written}, %s: i8, %k: i32)
      kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    %t = gpu.thread_id x
    %v = memref.load %y[%t] : memref<?xi8, #global>
    %p = arith.addi %v, %s : i8
    %c = arith.cmpi slt, %p, %s : i8
    %e = arith.extui %v : i8 to i32
    %r = arith.remsi %k, %e : i32
    %n = arith.trunci %r : i32 to i8
    %z = arith.select %c, %n, %s : i8
    memref.store %z, %y[%t] : memref<?xi8, #global>
    gpu.return
  }
}
}
