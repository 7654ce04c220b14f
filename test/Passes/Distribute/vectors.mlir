// RUN: mercer-opt %s --mercer-distribute --split-input-file | FileCheck %s

// Rows whose start and length are multiples of four elements: a thread takes
// four neighbours at a time.

module attributes {mercer.target = {kind = "cuda", fma = true, threads = 32 : i64, subgroup = 32 : i64, shared = 49152 : i64}} {
  // CHECK-LABEL: gpu.func @whole_rows$0
  // CHECK: scf.for
  // CHECK: scf.for
  // CHECK-NOT: scf.if
  // CHECK: %[[X:.*]] = vector.load %{{.*}}[%[[AT:.*]]] {alignment = 16 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<4xf32>
  // The bias of a row is the same for all four.
  // CHECK: %[[B:.*]] = memref.load
  // CHECK: %[[E:.*]] = vector.extract %[[X]][0]
  // CHECK: arith.addf %[[E]], %[[B]]
  // CHECK: vector.extract %[[X]][3]
  // CHECK: %[[V:.*]] = vector.from_elements
  // CHECK: vector.store %[[V]], %{{.*}} {alignment = 16 : i64}
  func.func private @whole_rows(%x: memref<?x96xf32>, %bias: memref<?xf32>, %y: memref<?x96xf32>) attributes {mercer.kernel} {
    %c0 = arith.constant 0 : index
    %n = memref.dim %x, %c0 : memref<?x96xf32>
    scf.forall (%i) = (0) to (%n) step (8) {
      %s = affine.min affine_map<(d0)[s0] -> (-d0 + s0, 8)>(%i)[%n]
      %a = memref.subview %x[%i, 0] [%s, 96] [1, 1] : memref<?x96xf32> to memref<?x96xf32, strided<[96, 1], offset: ?>>
      %r = memref.subview %bias[%i] [%s] [1] : memref<?xf32> to memref<?xf32, strided<[1], offset: ?>>
      %b = memref.subview %y[%i, 0] [%s, 96] [1, 1] : memref<?x96xf32> to memref<?x96xf32, strided<[96, 1], offset: ?>>
      linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
          ins(%a, %r : memref<?x96xf32, strided<[96, 1], offset: ?>>, memref<?xf32, strided<[1], offset: ?>>) outs(%b : memref<?x96xf32, strided<[96, 1], offset: ?>>) {
        ^bb0(%in: f32, %one: f32, %out: f32):
          %sum = arith.addf %in, %one : f32
          linalg.yield %sum : f32
      }
    } {mapping = [#mercer.grid<0>]}
    return
  }
}

// -----

// A length that is only known at run time: the last elements come one by one.
// Eight of half precision are one access, eight of single precision two.

module attributes {mercer.target = {kind = "cuda", fma = true, threads = 32 : i64, subgroup = 32 : i64, shared = 49152 : i64}} {
  // CHECK-LABEL: gpu.func @some_left$0
  // CHECK: scf.if
  // CHECK-COUNT-2: vector.load {{.*}} {alignment = 16 : i64} : {{.*}} vector<4xf32>
  // CHECK: vector.store {{.*}} {alignment = 16 : i64} : {{.*}} vector<8xf16>
  // CHECK: } else {
  // CHECK: scf.for
  // CHECK: memref.load
  // CHECK: memref.store
  func.func private @some_left(%x: memref<?xf32>, %y: memref<?xf16>) attributes {mercer.kernel} {
    %c0 = arith.constant 0 : index
    %n = memref.dim %x, %c0 : memref<?xf32>
    scf.forall (%i) = (0) to (%n) step (1024) {
      %s = affine.min affine_map<(d0)[s0] -> (-d0 + s0, 1024)>(%i)[%n]
      %a = memref.subview %x[%i] [%s] [1] : memref<?xf32> to memref<?xf32, strided<[1], offset: ?>>
      %b = memref.subview %y[%i] [%s] [1] : memref<?xf16> to memref<?xf16, strided<[1], offset: ?>>
      linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
          ins(%a : memref<?xf32, strided<[1], offset: ?>>) outs(%b : memref<?xf16, strided<[1], offset: ?>>) {
        ^bb0(%in: f32, %out: f16):
          %r = arith.truncf %in : f32 to f16
          linalg.yield %r : f16
      }
    } {mapping = [#mercer.grid<0>]}
    return
  }
}

// -----

// Rows of 97 elements start anywhere.

module attributes {mercer.target = {kind = "cuda", fma = true, threads = 32 : i64, subgroup = 32 : i64, shared = 49152 : i64}} {
  // CHECK-LABEL: gpu.func @odd_rows$0
  // CHECK-NOT: vector.load
  // CHECK: memref.store
  // CHECK-NOT: vector.store
  // CHECK: gpu.return
  func.func private @odd_rows(%x: memref<64x97xf32>, %y: memref<64x97xf32>) attributes {mercer.kernel} {
    scf.forall (%i) = (0) to (64) step (8) {
      %a = memref.subview %x[%i, 0] [8, 97] [1, 1] : memref<64x97xf32> to memref<8x97xf32, strided<[97, 1], offset: ?>>
      %b = memref.subview %y[%i, 0] [8, 97] [1, 1] : memref<64x97xf32> to memref<8x97xf32, strided<[97, 1], offset: ?>>
      linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
          ins(%a : memref<8x97xf32, strided<[97, 1], offset: ?>>) outs(%b : memref<8x97xf32, strided<[97, 1], offset: ?>>) {
        ^bb0(%in: f32, %out: f32):
          %r = arith.negf %in : f32
          linalg.yield %r : f32
      }
    } {mapping = [#mercer.grid<0>]}
    return
  }
}

// -----

// A launch on a part of a tensor: it may start at any element.

module attributes {mercer.target = {kind = "cuda", fma = true, threads = 32 : i64, subgroup = 32 : i64, shared = 49152 : i64}} {
  func.func @main(%x: memref<4097xf32>, %y: memref<4096xf32>) {
    %part = memref.subview %x[1] [4096] [1] : memref<4097xf32> to memref<4096xf32, strided<[1], offset: 1>>
    mercer.launch @part(%part) outs(%y) : (memref<4096xf32, strided<[1], offset: 1>>) outs(memref<4096xf32>)
    return
  }
  // CHECK-LABEL: gpu.func @part$0
  // CHECK-NOT: vector.load
  // CHECK: vector.store
  func.func private @part(%x: memref<4096xf32>, %y: memref<4096xf32>) attributes {mercer.kernel} {
    scf.forall (%i) = (0) to (4096) step (1024) {
      %a = memref.subview %x[%i] [1024] [1] : memref<4096xf32> to memref<1024xf32, strided<[1], offset: ?>>
      %b = memref.subview %y[%i] [1024] [1] : memref<4096xf32> to memref<1024xf32, strided<[1], offset: ?>>
      linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
          ins(%a : memref<1024xf32, strided<[1], offset: ?>>) outs(%b : memref<1024xf32, strided<[1], offset: ?>>) {
        ^bb0(%in: f32, %out: f32):
          %r = arith.negf %in : f32
          linalg.yield %r : f32
      }
    } {mapping = [#mercer.grid<0>]}
    return
  }
}
