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
