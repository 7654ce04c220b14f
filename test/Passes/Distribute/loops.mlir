// RUN: mercer-opt %s --mercer-distribute --split-input-file | FileCheck %s

// Tiles are dealt out to workgroups, points to threads; neighbours in memory
// belong to neighbouring threads.

module attributes {mercer.target = {kind = "cuda", fma = true, threads = 128 : i64, subgroup = 32 : i64, shared = 49152 : i64}} {
  // CHECK-LABEL: func.func private @add
  // CHECK-LABEL: gpu.module @add_device
  // CHECK: gpu.func @add$0(%[[TILES:.*]]: index, %[[X:.*]]: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [1, 2]}, %[[N:.*]]: index, %[[Y:.*]]: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [1, 4], mercer.written}, %{{.*}}: index) kernel
  // CHECK-SAME: known_block_size = array<i32: 128, 1, 1>
  // CHECK-SAME: mercer.subgroup = 32
  // CHECK-DAG: %[[THREAD:.*]] = gpu.thread_id x
  // CHECK-DAG: %[[BLOCK:.*]] = gpu.block_id x
  // CHECK-DAG: %[[BLOCKS:.*]] = gpu.grid_dim x
  // CHECK: scf.for %{{.*}} = %[[BLOCK]] to %[[TILES]] step %[[BLOCKS]]
  // CHECK: scf.for %{{.*}} = %[[THREAD]] to %{{.*}} step
  // CHECK: %[[A:.*]] = memref.load %[[X]]
  // CHECK: %[[S:.*]] = arith.addf %[[A]], %[[A]]
  // CHECK: memref.store %[[S]], %[[Y]]
  // CHECK-NOT: gpu.barrier
  func.func private @add(%x: memref<?xf32>, %y: memref<?xf32>) attributes {mercer.kernel} {
    %c0 = arith.constant 0 : index
    %n = memref.dim %x, %c0 : memref<?xf32>
    scf.forall (%i) = (0) to (%n) step (1024) {
      %s = affine.min affine_map<(d0)[s0] -> (-d0 + s0, 1024)>(%i)[%n]
      %a = memref.subview %x[%i] [%s] [1] : memref<?xf32> to memref<?xf32, strided<[1], offset: ?>>
      %b = memref.subview %y[%i] [%s] [1] : memref<?xf32> to memref<?xf32, strided<[1], offset: ?>>
      linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
          ins(%a : memref<?xf32, strided<[1], offset: ?>>) outs(%b : memref<?xf32, strided<[1], offset: ?>>) {
        ^bb0(%in: f32, %out: f32):
          %r = arith.addf %in, %in : f32
          linalg.yield %r : f32
      }
    } {mapping = [#mercer.grid<0>]}
    return
  }
}

// -----

// Scratch of a tile is shared memory. Between its writer and its reader, who
// are different threads, stands a barrier; behind the reader another one, since
// the next tile writes again.

module attributes {mercer.target = {kind = "cuda", fma = true, threads = 128 : i64, subgroup = 32 : i64, shared = 49152 : i64}} {
  // CHECK-LABEL: gpu.func @transpose$0
  // CHECK-SAME: workgroup(%[[S:.*]] : memref<1024xf32, #gpu.address_space<workgroup>> {llvm.align = 16
  // CHECK: vector.store %{{.*}}, %[[S]]
  // CHECK: gpu.barrier
  // CHECK: memref.load %[[S]]
  // CHECK: gpu.barrier
  // CHECK: gpu.return
  func.func private @transpose(%x: memref<4x32x32xf32>, %y: memref<4x32x32xf32>) attributes {mercer.kernel} {
    scf.forall (%i) = (0) to (4) step (1) {
      %t = memref.alloca() : memref<32x32xf32>
      %a = memref.subview %x[%i, 0, 0] [1, 32, 32] [1, 1, 1] : memref<4x32x32xf32> to memref<32x32xf32, strided<[32, 1], offset: ?>>
      %b = memref.subview %y[%i, 0, 0] [1, 32, 32] [1, 1, 1] : memref<4x32x32xf32> to memref<32x32xf32, strided<[32, 1], offset: ?>>
      memref.copy %a, %t : memref<32x32xf32, strided<[32, 1], offset: ?>> to memref<32x32xf32>
      linalg.generic {indexing_maps = [affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
          ins(%t : memref<32x32xf32>) outs(%b : memref<32x32xf32, strided<[32, 1], offset: ?>>) {
        ^bb0(%in: f32, %out: f32):
          linalg.yield %in : f32
      }
    } {mapping = [#mercer.grid<0>]}
    return
  }
}

// -----

// What does not fit is an argument of its own, in global memory.

module attributes {mercer.target = {kind = "cuda", fma = true, threads = 128 : i64, subgroup = 32 : i64, shared = 49152 : i64}} {
  // CHECK-LABEL: gpu.func @large$0
  // CHECK-SAME: memref<?xf32, #gpu.address_space<global>> {mercer.scratch = 65536 : i64}
  func.func private @large(%x: memref<4x65536xf32>, %y: memref<4x65536xf32>) attributes {mercer.kernel} {
    scf.forall (%i) = (0) to (4) step (1) {
      %t = memref.alloca() : memref<1x65536xf32>
      %a = memref.subview %x[%i, 0] [1, 65536] [1, 1] : memref<4x65536xf32> to memref<1x65536xf32, strided<[65536, 1], offset: ?>>
      %b = memref.subview %y[%i, 0] [1, 65536] [1, 1] : memref<4x65536xf32> to memref<1x65536xf32, strided<[65536, 1], offset: ?>>
      memref.copy %a, %t : memref<1x65536xf32, strided<[65536, 1], offset: ?>> to memref<1x65536xf32>
      memref.copy %t, %b : memref<1x65536xf32> to memref<1x65536xf32, strided<[65536, 1], offset: ?>>
    } {mapping = [#mercer.grid<0>]}
    return
  }
}

// -----

// One sum of many elements: all threads reduce a part, lanes exchange registers,
// warps meet in shared memory.

module attributes {mercer.target = {kind = "cuda", fma = true, threads = 128 : i64, subgroup = 32 : i64, shared = 49152 : i64}} {
  // CHECK-LABEL: gpu.func @sum$0
  // CHECK: %[[PART:.*]] = scf.for
  // CHECK: arith.addf
  // CHECK-COUNT-5: gpu.shuffle xor
  // CHECK: gpu.barrier
  // CHECK: memref.store %{{.*}} #gpu.address_space<workgroup>
  // CHECK: gpu.barrier
  // CHECK-COUNT-4: memref.load %{{.*}} #gpu.address_space<workgroup>
  // CHECK: scf.if
  // CHECK: memref.store %{{.*}} #gpu.address_space<global>
  func.func private @sum(%x: memref<8x4096xf32>, %y: memref<8xf32>) attributes {mercer.kernel} {
    scf.forall (%i) = (0) to (8) step (1) {
      %a = memref.subview %x[%i, 0] [1, 4096] [1, 1] : memref<8x4096xf32> to memref<1x4096xf32, strided<[4096, 1], offset: ?>>
      %b = memref.subview %y[%i] [1] [1] : memref<8xf32> to memref<1xf32, strided<[1], offset: ?>>
      linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]}
          ins(%a : memref<1x4096xf32, strided<[4096, 1], offset: ?>>) outs(%b : memref<1xf32, strided<[1], offset: ?>>) {
        ^bb0(%in: f32, %out: f32):
          %r = arith.addf %out, %in : f32
          linalg.yield %r : f32
      }
    } {mapping = [#mercer.grid<0>]}
    return
  }
}

// -----

// A running sum: each thread sums up a piece of the row, gets what lies before it
// from the others, and walks its piece again.

module attributes {mercer.target = {kind = "cuda", fma = true, threads = 128 : i64, subgroup = 32 : i64, shared = 49152 : i64}} {
  // CHECK-LABEL: gpu.func @scan$0
  // CHECK: %[[OLD:.*]] = scf.if {{.*}} -> (f32)
  // CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[OLD]]) -> (f32)
  // CHECK-NOT: memref.store
  // CHECK-COUNT-5: gpu.shuffle xor
  // CHECK: gpu.barrier
  // CHECK: gpu.barrier
  // CHECK-COUNT-4: memref.load %{{.*}} #gpu.address_space<workgroup>
  // CHECK: scf.for {{.*}} -> (f32)
  // CHECK: memref.store %{{.*}} #gpu.address_space<global>
  // CHECK: scf.if
  // CHECK: memref.store %{{.*}} #gpu.address_space<global>
  func.func private @scan(%x: memref<8x4096xf32>, %y: memref<8x4096xf32>, %z: memref<8xf32>) attributes {mercer.kernel} {
    scf.forall (%i) = (0) to (8) step (1) {
      %a = memref.subview %x[%i, 0] [1, 4096] [1, 1] : memref<8x4096xf32> to memref<1x4096xf32, strided<[4096, 1], offset: ?>>
      %s = memref.subview %y[%i, 0] [1, 4096] [1, 1] : memref<8x4096xf32> to memref<1x4096xf32, strided<[4096, 1], offset: ?>>
      %b = memref.subview %z[%i] [1] [1] : memref<8xf32> to memref<1xf32, strided<[1], offset: ?>>
      linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]}
          ins(%a : memref<1x4096xf32, strided<[4096, 1], offset: ?>>) outs(%s, %b : memref<1x4096xf32, strided<[4096, 1], offset: ?>>, memref<1xf32, strided<[1], offset: ?>>) {
        ^bb0(%in: f32, %step: f32, %out: f32):
          %r = arith.addf %out, %in : f32
          linalg.yield %r, %r : f32, f32
      }
    } {mapping = [#mercer.grid<0>]}
    return
  }
}

// -----

// Each step depends on the one before: one thread walks a row.

module attributes {mercer.target = {kind = "cuda", fma = true, threads = 128 : i64, subgroup = 32 : i64, shared = 49152 : i64}} {
  // CHECK-LABEL: gpu.func @recurrence$0
  // CHECK-NOT: gpu.shuffle
  // CHECK: gpu.return
  func.func private @recurrence(%x: memref<8x4096xf32>, %y: memref<8x4096xf32>, %z: memref<8xf32>) attributes {mercer.kernel} {
    scf.forall (%i) = (0) to (8) step (1) {
      %a = memref.subview %x[%i, 0] [1, 4096] [1, 1] : memref<8x4096xf32> to memref<1x4096xf32, strided<[4096, 1], offset: ?>>
      %s = memref.subview %y[%i, 0] [1, 4096] [1, 1] : memref<8x4096xf32> to memref<1x4096xf32, strided<[4096, 1], offset: ?>>
      %b = memref.subview %z[%i] [1] [1] : memref<8xf32> to memref<1xf32, strided<[1], offset: ?>>
      linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]}
          ins(%a : memref<1x4096xf32, strided<[4096, 1], offset: ?>>) outs(%s, %b : memref<1x4096xf32, strided<[4096, 1], offset: ?>>, memref<1xf32, strided<[1], offset: ?>>) {
        ^bb0(%in: f32, %step: f32, %out: f32):
          %p = arith.mulf %out, %in : f32
          %r = arith.addf %out, %p : f32
          linalg.yield %r, %r : f32, f32
      }
    } {mapping = [#mercer.grid<0>]}
    return
  }
}

// -----

// A product with a single result is a sum like any other.

module attributes {mercer.target = {kind = "cuda", fma = true, threads = 128 : i64, subgroup = 32 : i64, shared = 49152 : i64}} {
  // CHECK-LABEL: gpu.func @dot$0
  // CHECK: scf.for
  // CHECK: math.fma
  // CHECK-COUNT-5: gpu.shuffle xor
  func.func private @dot(%x: memref<4096xf32>, %y: memref<4096xf32>, %z: memref<f32>) attributes {mercer.kernel} {
    linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>, affine_map<(i) -> ()>], iterator_types = ["reduction"]}
        ins(%x, %y : memref<4096xf32>, memref<4096xf32>) outs(%z : memref<f32>) {
      ^bb0(%a: f32, %b: f32, %out: f32):
        %p = arith.mulf %a, %b : f32
        %r = arith.addf %out, %p : f32
        linalg.yield %r : f32
    }
    return
  }
}

// -----

// A loop that may have no iteration brings no barrier with it: what was written
// before it needs one behind it.

module attributes {mercer.target = {kind = "cuda", fma = true, threads = 128 : i64, subgroup = 32 : i64, shared = 49152 : i64}} {
  // CHECK-LABEL: gpu.func @maybe_none$0
  // CHECK: vector.store %{{.*}}, %[[S:.*]][
  // CHECK: scf.for
  // CHECK: gpu.barrier
  // CHECK: memref.load %[[S]]
  // CHECK: gpu.barrier
  // CHECK: }
  // CHECK: gpu.barrier
  // CHECK: memref.load %[[S]]
  func.func private @maybe_none(%n: index, %y: memref<16x32xf32>) attributes {mercer.kernel} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %zero = arith.constant 0.0 : f32
    scf.forall (%i) = (0) to (1) step (1) {
      %t = memref.alloca() : memref<32x16xf32>
      linalg.fill ins(%zero : f32) outs(%t : memref<32x16xf32>)
      scf.for %j = %c0 to %n step %c1 {
        %u = memref.alloca() : memref<16x32xf32>
        linalg.generic {indexing_maps = [affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
            ins(%t : memref<32x16xf32>) outs(%u : memref<16x32xf32>) {
          ^bb0(%in: f32, %out: f32):
            linalg.yield %in : f32
        }
        linalg.generic {indexing_maps = [affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
            ins(%u : memref<16x32xf32>) outs(%t : memref<32x16xf32>) {
          ^bb0(%in: f32, %out: f32):
            linalg.yield %in : f32
        }
      }
      linalg.generic {indexing_maps = [affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
          ins(%t : memref<32x16xf32>) outs(%y : memref<16x32xf32>) {
        ^bb0(%in: f32, %out: f32):
          linalg.yield %in : f32
      }
    } {mapping = [#mercer.grid<0>]}
    return
  }
}

// -----

// An element that a selection may not take is read only when it does: outside
// of the buffer there is nothing.

module attributes {mercer.target = {kind = "cuda", fma = true, threads = 128 : i64, subgroup = 32 : i64, shared = 49152 : i64}} {
  // CHECK-LABEL: gpu.func @pad$0
  // CHECK-NOT: memref.load
  // CHECK: %[[V:.*]] = scf.if %{{.*}} -> (f32) {
  // CHECK: %[[X:.*]] = memref.load
  // CHECK: scf.yield %[[X]]
  // CHECK: } else {
  // CHECK: scf.yield %{{.*}} : f32
  // CHECK-NOT: arith.select {{.*}} : f32
  // CHECK: memref.store %[[V]]
  func.func private @pad(%x: memref<?xf32>, %y: memref<97xf32>) attributes {mercer.kernel} {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %n = memref.dim %x, %c0 : memref<?xf32>
    scf.forall (%i) = (0) to (1) step (1) {
      linalg.generic {indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]} outs(%y : memref<97xf32>) {
        ^bb0(%out: f32):
          %at = linalg.index 0 : index
          %inside = arith.cmpi slt, %at, %n : index
          %from = arith.select %inside, %at, %c0 : index
          %v = memref.load %x[%from] : memref<?xf32>
          %r = arith.select %inside, %v, %zero : f32
          linalg.yield %r : f32
      }
    } {mapping = [#mercer.grid<0>]}
    return
  }
}
