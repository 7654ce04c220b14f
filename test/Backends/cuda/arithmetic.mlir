// RUN: mercer-opt %s -mercer-cuda-write-code='chip=sm_80' -o %t.out | FileCheck %s

// Arithmetic rounds as on the CPU: roundings are spelled out, which keeps ptxas
// from joining products and sums; subnormals stay; division and root are exact.

// CHECK-NOT: .ftz
// CHECK-NOT: .approx
// CHECK-NOT: .func

gpu.module @rounding {
// CHECK-LABEL: .entry rounding$0(
// CHECK: mul.rn.f32
// CHECK: add.rn.f32
// CHECK: div.rn.f32
// CHECK: sqrt.rn.f32
// CHECK: fma.rn.f32
// CHECK: cvt.rmi.f32.f32
// CHECK: cvt.rpi.f32.f32
// CHECK: cvt.rzi.f32.f32
// CHECK: cvt.rni.f32.f32
// CHECK: max.NaN.f32
gpu.func @rounding$0(%tiles: index,
    %x: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [32], mercer.written},
    %a: f32, %b: f32) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %thread = gpu.thread_id x
  %v = memref.load %x[%thread] : memref<?xf32, #gpu.address_space<global>>
  %0 = arith.mulf %v, %a : f32
  %1 = arith.addf %0, %b : f32
  %2 = arith.divf %1, %v : f32
  %3 = math.sqrt %2 : f32
  %4 = math.fma %3, %a, %b : f32
  %5 = math.floor %4 : f32
  %6 = math.ceil %a : f32
  %7 = math.trunc %b : f32
  %8 = math.roundeven %3 : f32
  %9 = arith.subf %5, %6 : f32
  %10 = arith.subf %7, %8 : f32
  %11 = arith.maximumf %9, %10 : f32
  memref.store %11, %x[%thread] : memref<?xf32, #gpu.address_space<global>>
  gpu.return
}
}

gpu.module @functions {
// No function of a library: everything that models use, in both types.
// CHECK-LABEL: .entry functions_f32$0(
// CHECK: ret;
gpu.func @functions_f32$0(%tiles: index,
    %x: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [32], mercer.written}) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %thread = gpu.thread_id x
  %v = memref.load %x[%thread] : memref<?xf32, #gpu.address_space<global>>
  %0 = math.exp %v : f32
  %1 = math.log %0 : f32
  %2 = math.tanh %1 : f32
  %3 = math.erf %2 : f32
  %4 = math.sin %3 : f32
  %5 = math.cos %4 : f32
  %6 = math.powf %5, %v : f32
  %7 = math.rsqrt %6 : f32
  %8 = math.round %7 : f32
  %9 = arith.remf %8, %v : f32
  %10 = math.copysign %9, %v : f32
  %11 = math.absf %10 : f32
  %12 = arith.maxnumf %11, %v : f32
  %13 = arith.minimumf %12, %0 : f32
  %14 = math.atan2 %13, %v : f32
  memref.store %14, %x[%thread] : memref<?xf32, #gpu.address_space<global>>
  gpu.return
}
// CHECK-LABEL: .entry functions_f64$0(
// CHECK: ret;
gpu.func @functions_f64$0(%tiles: index,
    %x: memref<?xf64, #gpu.address_space<global>> {mercer.elements = [32], mercer.written}) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %thread = gpu.thread_id x
  %v = memref.load %x[%thread] : memref<?xf64, #gpu.address_space<global>>
  %0 = math.exp %v : f64
  %1 = math.log %0 : f64
  %2 = math.tanh %1 : f64
  %3 = math.sin %2 : f64
  %4 = math.powf %3, %v : f64
  %5 = arith.remf %4, %v : f64
  %6 = math.copysign %5, %v : f64
  %7 = arith.maximumf %6, %v : f64
  %8 = math.sqrt %7 : f64
  %9 = math.roundeven %8 : f64
  %10 = math.floor %9 : f64
  %11 = arith.divf %10, %v : f64
  memref.store %11, %x[%thread] : memref<?xf64, #gpu.address_space<global>>
  gpu.return
}
}

gpu.module @narrow {
// 16-bit floats are computed in f32 and converted by the hardware. One product
// of f16 alone is the same as its f32 form, as LLVM knows.
// CHECK-LABEL: .entry half$0(
// CHECK: cvt.f32.f16
// CHECK: fma.rn.f32
// CHECK: cvt.rn.f16.f32
gpu.func @half$0(%tiles: index,
    %x: memref<?xf16, #gpu.address_space<global>> {mercer.elements = [32], mercer.written}, %a: f16) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %thread = gpu.thread_id x
  %v = memref.load %x[%thread] : memref<?xf16, #gpu.address_space<global>>
  %0 = math.fma %v, %a, %v : f16
  memref.store %0, %x[%thread] : memref<?xf16, #gpu.address_space<global>>
  gpu.return
}
// CHECK-LABEL: .entry bfloat$0(
// CHECK: mul.rn.f32
// CHECK: cvt.rn.bf16.f32
gpu.func @bfloat$0(%tiles: index,
    %x: memref<?xbf16, #gpu.address_space<global>> {mercer.elements = [32], mercer.written}, %a: bf16) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %thread = gpu.thread_id x
  %v = memref.load %x[%thread] : memref<?xbf16, #gpu.address_space<global>>
  %0 = arith.mulf %v, %a : bf16
  memref.store %0, %x[%thread] : memref<?xbf16, #gpu.address_space<global>>
  gpu.return
}
}

gpu.module @integers {
// Scalars keep their own types; i1 parameters are bytes.
// CHECK-LABEL: .entry integers$0(
// CHECK: .param .u8 integers$0_param_2
// CHECK: .param .u64 integers$0_param_4
gpu.func @integers$0(%tiles: index,
    %x: memref<?xi64, #gpu.address_space<global>> {mercer.elements = [32], mercer.written},
    %flag: i1, %byte: i8, %n: index) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %thread = gpu.thread_id x
  %v = memref.load %x[%thread] : memref<?xi64, #gpu.address_space<global>>
  %wide = arith.extsi %byte : i8 to i64
  %chosen = arith.select %flag, %v, %wide : i64
  %m = arith.index_cast %n : index to i64
  %0 = arith.floordivsi %chosen, %m : i64
  %1 = arith.ceildivsi %chosen, %m : i64
  %2 = arith.maxsi %0, %1 : i64
  %3 = arith.remsi %2, %m : i64
  %4 = arith.sitofp %3 : i64 to f64
  %5 = arith.fptosi %4 : f64 to i64
  memref.store %5, %x[%thread] : memref<?xi64, #gpu.address_space<global>>
  gpu.return
}
}
