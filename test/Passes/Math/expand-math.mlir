// RUN: mercer-opt %s -split-input-file -mercer-expand-math | FileCheck %s

// With AVX-512 the power of two is applied by one instruction.
module attributes {mercer.target = {kind = "cpu", vector_bits = 512 : i64, fma = true, masked_access = true}} {
// CHECK-LABEL: func @exp_avx512
// CHECK: math.roundeven
// CHECK: math.fma
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.mask.scalef.ps.512"
// CHECK-NOT: math.exp
func.func @exp_avx512(%x: vector<16xf32>) -> vector<16xf32> {
  %r = math.exp %x : vector<16xf32>
  return %r : vector<16xf32>
}

// f32 through f64.
// CHECK-LABEL: func @sin_single
// CHECK: arith.extf {{.*}} : vector<8xf32> to vector<8xf64>
// CHECK: arith.truncf {{.*}} : vector<8xf64> to vector<8xf32>
// CHECK-NOT: math.sin
func.func @sin_single(%x: vector<8xf32>) -> vector<8xf32> {
  %r = math.sin %x : vector<8xf32>
  return %r : vector<8xf32>
}

// Without a NaN that could be lost, a maximum is one compare and select.
// CHECK-LABEL: func @maximum_with_number
// CHECK: arith.cmpf olt
// CHECK-NEXT: arith.select
// CHECK-NEXT: return
func.func @maximum_with_number(%x: vector<16xf32>) -> vector<16xf32> {
  %zero = arith.constant dense<0.0> : vector<16xf32>
  %r = arith.maximumf %x, %zero : vector<16xf32>
  return %r : vector<16xf32>
}
}

// -----

// Without fused multiply-add no fma is left: it would be a call a lane.
module attributes {mercer.target = {kind = "cpu", vector_bits = 128 : i64}} {
// CHECK-LABEL: func @exp_without_fma
// CHECK-NOT: math.fma
// CHECK-NOT: call_intrinsic
// CHECK: return
func.func @exp_without_fma(%x: vector<4xf32>) -> vector<4xf32> {
  %r = math.exp %x : vector<4xf32>
  return %r : vector<4xf32>
}

// bf16 is rounded in integers, computed in f32.
// CHECK-LABEL: func @add_bfloat
// CHECK: arith.addf {{.*}} : vector<4xf32>
// CHECK-NOT: arith.truncf
// CHECK: arith.trunci {{.*}} : vector<4xi32> to vector<4xi16>
// CHECK: arith.bitcast {{.*}} : vector<4xi16> to vector<4xbf16>
func.func @add_bfloat(%x: vector<4xbf16>, %y: vector<4xbf16>) -> vector<4xbf16> {
  %r = arith.addf %x, %y : vector<4xbf16>
  return %r : vector<4xbf16>
}
}

// -----

// Inside a GPU kernel, on scalars: no function is left, and no instruction that
// only CPUs have. Vulkan has no multiply-add that is rounded once.
module attributes {mercer.target = {kind = "vulkan", masked_access = true}} {
gpu.module @kernels {
// CHECK-LABEL: gpu.func @scalar_vulkan
// CHECK: math.roundeven {{.*}} : f32
// CHECK-NOT: call_intrinsic
// CHECK-NOT: math.{{exp|fma|log|tanh|pow|rsqrt|abs[i]}}
// CHECK: gpu.return
gpu.func @scalar_vulkan(%m: memref<?xf32>, %i: index, %n: i32) kernel {
  %x = memref.load %m[%i] : memref<?xf32>
  %0 = math.exp %x : f32
  %1 = math.log %0 : f32
  %2 = math.tanh %1 : f32
  %3 = math.powf %2, %x : f32
  %4 = math.rsqrt %3 : f32
  %5 = math.absi %n : i32
  %6 = arith.sitofp %5 : i32 to f32
  %7 = arith.maximumf %4, %6 : f32
  memref.store %7, %m[%i] : memref<?xf32>
  gpu.return
}
// CHECK-LABEL: gpu.func @narrow_vulkan
// CHECK-NOT: arith.extf
// CHECK-NOT: arith.truncf
// CHECK: gpu.return
gpu.func @narrow_vulkan(%m: memref<?xf16>, %n: memref<?xbf16>, %i: index) kernel {
  %x = memref.load %m[%i] : memref<?xf16>
  %y = memref.load %n[%i] : memref<?xbf16>
  %0 = math.exp %x : f16
  %1 = arith.mulf %y, %y : bf16
  memref.store %0, %m[%i] : memref<?xf16>
  memref.store %1, %n[%i] : memref<?xbf16>
  gpu.return
}
}
}

// -----

// What the device does in one instruction stays.
module attributes {mercer.target = {kind = "cuda"}} {
gpu.module @kernels {
// CHECK-LABEL: gpu.func @hardware_cuda
// CHECK: arith.extf {{.*}} : f16 to f32
// CHECK: arith.maximumf {{.*}} : f32
// CHECK: arith.truncf {{.*}} : f32 to bf16
gpu.func @hardware_cuda(%m: memref<?xf16>, %n: memref<?xbf16>, %i: index) kernel {
  %x = memref.load %m[%i] : memref<?xf16>
  %c = arith.constant 1.0 : f32
  %0 = arith.extf %x : f16 to f32
  %1 = arith.maximumf %0, %c : f32
  %2 = arith.truncf %1 : f32 to bf16
  memref.store %2, %n[%i] : memref<?xbf16>
  gpu.return
}
// Rounded once, although there is no instruction for it.
// CHECK-LABEL: gpu.func @double_to_bfloat_cuda
// CHECK: arith.truncf {{.*}} : f64 to f32
// CHECK: arith.ori
// CHECK: arith.truncf {{.*}} : f32 to bf16
gpu.func @double_to_bfloat_cuda(%m: memref<?xf64>, %n: memref<?xbf16>, %i: index) kernel {
  %x = memref.load %m[%i] : memref<?xf64>
  %0 = arith.truncf %x : f64 to bf16
  memref.store %0, %n[%i] : memref<?xbf16>
  gpu.return
}
}
}
