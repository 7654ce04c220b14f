// RUN: mercer-opt %s -mercer-cpu-vectorize-linalg -canonicalize | FileCheck %s

// A register block of 4 rows x 4 vectors, accumulators in registers, started
// from the fill's constant; the right-hand side by vectors, the left by
// broadcasts.
module attributes {mercer.target = {kind = "cpu", vector_bits = 512 : i64, vector_registers = 32 : i64, fma = true, masked_access = true}} {
// CHECK-LABEL: func @matmul_static
// CHECK-NOT: linalg
// CHECK-DAG: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : vector<16xf32>
// CHECK: scf.for
// CHECK: scf.for {{.*}} iter_args({{.*}} = %[[ZERO]]
// CHECK-COUNT-4: vector.load {{.*}} vector<16xf32>
// CHECK: math.fma {{.*}} : vector<16xf32>
// CHECK-NOT: arith.mulf
// CHECK: scf.yield
// CHECK: vector.store
// CHECK-NOT: maskedstore
func.func @matmul_static(%a: memref<64x512xf32>, %b: memref<512x64xf32>, %c: memref<64x64xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%c : memref<64x64xf32>)
  linalg.matmul ins(%a, %b : memref<64x512xf32>, memref<512x64xf32>) outs(%c : memref<64x64xf32>)
  return
}

// Both operands run along k: lanes along the reduction, joined at the end.
// CHECK-LABEL: func @matmul_transposed_rhs
// CHECK: vector.load {{.*}} vector<16xf32>
// CHECK: math.fma
// CHECK: vector.maskedload
// CHECK: vector.shuffle
// CHECK-NOT: memref.load
// CHECK: vector.store {{.*}} vector<1xf32>
func.func @matmul_transposed_rhs(%a: memref<?x?xf32>, %b: memref<?x?xf32>, %c: memref<?x?xf32>) {
  linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
    ins(%a, %b : memref<?x?xf32>, memref<?x?xf32>) outs(%c : memref<?x?xf32>) {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %p = arith.mulf %x, %y : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  }
  return
}

// The attribute overrides the block: two rows of one vector.
// CHECK-LABEL: func @matmul_block_given
// CHECK: scf.for {{.*}} iter_args(%{{[a-z0-9]+}} = %{{[a-z0-9_]+}}, %{{[a-z0-9]+}} = %{{[a-z0-9_]+}}) -> (vector<16xf32>, vector<16xf32>)
func.func @matmul_block_given(%a: memref<64x512xf32>, %b: memref<512x64xf32>, %c: memref<64x64xf32>) {
  linalg.matmul {mercer.register = array<i64: 2, 1>} ins(%a, %b : memref<64x512xf32>, memref<512x64xf32>) outs(%c : memref<64x64xf32>)
  return
}
}
