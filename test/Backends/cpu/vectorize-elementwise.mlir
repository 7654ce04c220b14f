// RUN: mercer-opt %s -mercer-cpu-vectorize-linalg -canonicalize -verify-diagnostics | FileCheck %s

module attributes {mercer.target = {kind = "cpu", vector_bits = 256 : i64, vector_registers = 16 : i64, fma = true}} {
// Three loops that walk memory as one become one.
// CHECK-LABEL: func @collapse_to_one_loop
// CHECK: scf.for
// CHECK-NOT: scf.for
// CHECK: vector.load {{.*}} vector<8xf32>
// CHECK: arith.negf {{.*}} : vector<8xf32>
// CHECK: return
func.func @collapse_to_one_loop(%x: memref<4x3x8xf32>, %y: memref<4x3x8xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i, j, l) -> (i, j, l)>, affine_map<(i, j, l) -> (i, j, l)>], iterator_types = ["parallel", "parallel", "parallel"]}
    ins(%x : memref<4x3x8xf32>) outs(%y : memref<4x3x8xf32>) {
  ^bb0(%a: f32, %b: f32):
    %n = arith.negf %a : f32
    linalg.yield %n : f32
  }
  return
}

// Rows with a pitch are not one piece of memory.
// CHECK-LABEL: func @no_collapse_across_pitch
// CHECK: scf.for
// CHECK: scf.for
func.func @no_collapse_across_pitch(%x: memref<4x32xf32, strided<[40, 1]>>, %y: memref<4x32xf32>) {
  linalg.copy ins(%x : memref<4x32xf32, strided<[40, 1]>>) outs(%y : memref<4x32xf32>)
  return
}

// A square block is turned in registers; edges gather.
// CHECK-LABEL: func @transpose_in_registers
// CHECK: scf.if
// CHECK-COUNT-8: vector.load
// CHECK: vector.shuffle
// CHECK: else
// CHECK: vector.gather
func.func @transpose_in_registers(%x: memref<?x?xf32>, %y: memref<?x?xf32>) {
  linalg.transpose ins(%x : memref<?x?xf32>) outs(%y : memref<?x?xf32>) permutation = [1, 0]
  return
}

// A row picked by a number that the lanes share is read by plain vectors.
// CHECK-LABEL: func @gather_rows
// CHECK: vector.load {{.*}} vector<8xf32>
// CHECK-NOT: vector.gather
func.func @gather_rows(%t: memref<?x64xf32>, %p: memref<?xi32>, %y: memref<?x64xf32>) {
  linalg.generic {indexing_maps = [affine_map<(a, b) -> (a)>, affine_map<(a, b) -> (a, b)>], iterator_types = ["parallel", "parallel"]}
    ins(%p : memref<?xi32>) outs(%y : memref<?x64xf32>) {
  ^bb0(%a: i32, %o: f32):
    %row = arith.index_cast %a : i32 to index
    %column = linalg.index 1 : index
    %v = memref.load %t[%row, %column] : memref<?x64xf32>
    linalg.yield %v : f32
  }
  return
}

// A body with control flow has no vector form.
// CHECK-LABEL: func @scalar_fallback
// CHECK: memref.load
// CHECK: memref.store
func.func @scalar_fallback(%x: memref<?xf32>, %y: memref<?xf32>) {
  // expected-remark @below {{scalar loops: no vector form of scf.if}}
  linalg.generic {indexing_maps = [affine_map<(a) -> (a)>, affine_map<(a) -> (a)>], iterator_types = ["parallel"]}
    ins(%x : memref<?xf32>) outs(%y : memref<?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %zero = arith.constant 0.0 : f32
    %c = arith.cmpf ogt, %a, %zero : f32
    %r = scf.if %c -> (f32) {
      scf.yield %a : f32
    } else {
      scf.yield %o : f32
    }
    linalg.yield %r : f32
  }
  return
}
}
