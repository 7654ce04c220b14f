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

// A long sum is taken in parts of at most 256 terms, from zero each; what was
// in memory joins at the end.
// CHECK-LABEL: func @sum_in_parts
// CHECK-DAG: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : vector<16xf32>
// CHECK-DAG: %[[PART:.*]] = arith.constant 256 : index
// CHECK: %[[SUM:.*]] = scf.for %[[START:.*]] = %{{.*}} to %[[SIZE:.*]] step %[[PART]] iter_args(%[[BEFORE:.*]] = %[[ZERO]])
// CHECK-NEXT: arith.addi %[[START]], %[[PART]]
// CHECK-NEXT: arith.minui %{{.*}}, %[[SIZE]]
// CHECK: %[[TERMS:.*]] = scf.for {{.*}} iter_args(%{{.*}} = %[[ZERO]])
// CHECK: math.fma
// CHECK: %[[NEXT:.*]] = arith.addf %[[BEFORE]], %[[TERMS]]
// CHECK-NEXT: scf.yield %[[NEXT]]
// CHECK: %[[OLD:.*]] = vector.load
// CHECK-NEXT: %[[RESULT:.*]] = arith.addf %[[OLD]], %[[SUM]]
// CHECK-NEXT: vector.store %[[RESULT]]
func.func @sum_in_parts(%a: memref<4x?xf32>, %b: memref<?x16xf32>, %c: memref<4x16xf32>) {
  linalg.matmul {mercer.register = array<i64: 1, 1>} ins(%a, %b : memref<4x?xf32>, memref<?x16xf32>) outs(%c : memref<4x16xf32>)
  return
}

// Known sizes are cut into equal parts: no minimum, no edge.
// CHECK-LABEL: func @sum_in_equal_parts
// CHECK-DAG: %[[PART:.*]] = arith.constant 200 : index
// CHECK: scf.for {{.*}} step %[[PART]]
// CHECK-NOT: arith.minui
// CHECK: scf.for %{{.*}} = %{{.*}} to %[[PART]]
func.func @sum_in_equal_parts(%a: memref<4x600xf32>, %b: memref<600x16xf32>, %c: memref<4x16xf32>) {
  linalg.matmul {mercer.register = array<i64: 1, 1>} ins(%a, %b : memref<4x600xf32>, memref<600x16xf32>) outs(%c : memref<4x16xf32>)
  return
}

// The terms of one window position are a part.
// CHECK-LABEL: func @sum_in_parts_of_inner_loops
// CHECK: scf.for
// CHECK: scf.for {{.*}} iter_args
// CHECK: scf.for {{.*}} iter_args
// CHECK: scf.for {{.*}} iter_args
// CHECK: math.fma
// CHECK: scf.yield
// CHECK: arith.addf
// CHECK-NEXT: scf.yield
func.func @sum_in_parts_of_inner_loops(%a: memref<18x3x160xf32>, %b: memref<3x3x160x16xf32>, %c: memref<16x16xf32>) {
  linalg.generic {mercer.register = array<i64: 1, 1>, indexing_maps = [affine_map<(m, n, i, j, k) -> (m + i, j, k)>, affine_map<(m, n, i, j, k) -> (i, j, k, n)>, affine_map<(m, n, i, j, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction", "reduction", "reduction"]}
    ins(%a, %b : memref<18x3x160xf32>, memref<3x3x160x16xf32>) outs(%c : memref<16x16xf32>) {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %p = arith.mulf %x, %y : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  }
  return
}

// A sum of at most 256 terms is not cut.
// CHECK-LABEL: func @short_sum
// CHECK: scf.for
// CHECK: scf.for
// CHECK-NOT: scf.for
// CHECK: return
func.func @short_sum(%a: memref<4x256xf32>, %b: memref<256x16xf32>, %c: memref<4x16xf32>) {
  linalg.matmul {mercer.register = array<i64: 1, 1>} ins(%a, %b : memref<4x256xf32>, memref<256x16xf32>) outs(%c : memref<4x16xf32>)
  return
}

// A maximum does not round: it runs through, from what was in memory.
// CHECK-LABEL: func @long_maximum
// CHECK: %[[OLD:.*]] = vector.load
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[OLD]])
// CHECK-NOT: scf.for
// CHECK: return
func.func @long_maximum(%a: memref<1000x16xf32>, %c: memref<16xf32>) {
  linalg.generic {indexing_maps = [affine_map<(k, n) -> (k, n)>, affine_map<(k, n) -> (n)>], iterator_types = ["reduction", "parallel"]} ins(%a : memref<1000x16xf32>) outs(%c : memref<16xf32>) {
  ^bb0(%x: f32, %s: f32):
    %t = arith.maximumf %s, %x : f32
    linalg.yield %t : f32
  }
  return
}

// Nor does a sum of integers.
// CHECK-LABEL: func @long_integer_sum
// CHECK: %[[OLD:.*]] = vector.load
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[OLD]])
// CHECK-NOT: scf.for
// CHECK: return
func.func @long_integer_sum(%a: memref<1000x16xi32>, %c: memref<16xi32>) {
  linalg.generic {indexing_maps = [affine_map<(k, n) -> (k, n)>, affine_map<(k, n) -> (n)>], iterator_types = ["reduction", "parallel"]} ins(%a : memref<1000x16xi32>) outs(%c : memref<16xi32>) {
  ^bb0(%x: i32, %s: i32):
    %t = arith.addi %s, %x : i32
    linalg.yield %t : i32
  }
  return
}
}
