// RUN: mercer-opt %s -mercer-cpu-vectorize-linalg -canonicalize | FileCheck %s

module attributes {mercer.target = {kind = "cpu", vector_bits = 512 : i64, vector_registers = 32 : i64, fma = true, masked_access = true}} {
// A running sum down the columns: the lanes go over the columns, the sums stay
// in registers, every step is stored.
// CHECK-LABEL: func @columns
// CHECK: %[[SUM:.*]] = scf.for {{.*}} iter_args(%[[BEFORE:.*]] = %{{.*}}) -> (vector<16xf32>)
// CHECK: %[[X:.*]] = vector.load
// CHECK: %[[NEXT:.*]] = arith.addf %[[BEFORE]], %[[X]] : vector<16xf32>
// CHECK: vector.store %[[NEXT]]
// CHECK: scf.yield %[[NEXT]]
func.func @columns(%x: memref<1000x16xf32>, %y: memref<1000x16xf32>, %s: memref<16xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>], iterator_types = ["reduction", "parallel"]}
    ins(%x : memref<1000x16xf32>) outs(%y, %s : memref<1000x16xf32>, memref<16xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %t = arith.addf %sum, %a : f32
    linalg.yield %t, %t : f32, f32
  }
  return
}

// Along contiguous rows the order still holds: lanes are rows, never steps of
// the sum, which no partial sums may be joined for.
// CHECK-LABEL: func @rows
// CHECK-NOT: vector.shuffle
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (vector<4xf32>)
// CHECK: vector.gather
// CHECK: vector.scatter
// CHECK-NOT: vector.shuffle
func.func @rows(%x: memref<4x1000xf32>, %y: memref<4x1000xf32>, %s: memref<4xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]}
    ins(%x : memref<4x1000xf32>) outs(%y, %s : memref<4x1000xf32>, memref<4xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %t = arith.addf %sum, %a : f32
    linalg.yield %t, %t : f32, f32
  }
  return
}
}
