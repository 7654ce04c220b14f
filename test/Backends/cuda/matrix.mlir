// RUN: mercer-opt %s -mercer-cuda-write-code='chip=sm_80' -o %t.out | FileCheck %s

// The matrix units: a 16-byte asynchronous copy of each operand to shared
// memory, fragments by matrix loads, one product of a warp, for every type.

// CHECK-NOT: .local

gpu.module @mma_f16 {
// CHECK-LABEL: .entry mma_f16$0(
// CHECK: cp.async.cg.shared.global [{{.*}}], [{{.*}}], 16;
// CHECK: cp.async.cg.shared.global [{{.*}}], [{{.*}}], 16
// CHECK: cp.async.commit_group
// CHECK: cp.async.wait_group 0
// CHECK: bar.sync
// CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK: ldmatrix.sync.aligned.m8n8.x2.shared.b16
// CHECK: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
gpu.func @mma_f16$0(%tiles: index,
    %a: memref<?xf16, #gpu.address_space<global>> {mercer.elements = [256]},
    %b: memref<?xf16, #gpu.address_space<global>> {mercer.elements = [128]},
    %c: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [128], mercer.written})
    workgroup(%sa: memref<256xf16, #gpu.address_space<workgroup>>, %sb: memref<128xf16, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>, mercer.subgroup = 32 : i64} {
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %c8 = arith.constant 8 : index
  %c15 = arith.constant 15 : index
  %c16 = arith.constant 16 : index
  %piece = arith.constant 8 : index
  %k = arith.constant 16 : index
  %lane = gpu.thread_id x
  // Every lane copies one piece of 16 bytes of A, every second one of B.
  %at = arith.muli %lane, %piece : index
  %0 = nvgpu.device_async_copy %a[%at], %sa[%at], 8 {bypassL1} : memref<?xf16, #gpu.address_space<global>> to memref<256xf16, #gpu.address_space<workgroup>>
  %half = arith.cmpi ult, %lane, %c16 : index
  scf.if %half {
    %1 = nvgpu.device_async_copy %b[%at], %sb[%at], 8 {bypassL1} : memref<?xf16, #gpu.address_space<global>> to memref<128xf16, #gpu.address_space<workgroup>>
  }
  %group = nvgpu.device_async_create_group
  nvgpu.device_async_wait %group {numGroups = 0 : i32}
  gpu.barrier
  // A: lane l points at row l mod 16, piece l / 16.
  %rowA = arith.andi %lane, %c15 : index
  %pieceA = arith.shrui %lane, %c4 : index
  %ra = arith.muli %rowA, %k : index
  %pa = arith.muli %pieceA, %piece : index
  %ia = arith.addi %ra, %pa : index
  %fa = nvgpu.ldmatrix %sa[%ia] {numTiles = 4 : i32, transpose = false} : memref<256xf16, #gpu.address_space<workgroup>> -> vector<4x2xf16>
  // B is stored by columns: lane l points at column l mod 8, piece l / 8 mod 2.
  %c7 = arith.constant 7 : index
  %rowB = arith.andi %lane, %c7 : index
  %pieceB0 = arith.shrui %rowA, %c1 : index
  %pieceB = arith.shrui %pieceB0, %c2 : index
  %rb = arith.muli %rowB, %k : index
  %pb = arith.muli %pieceB, %piece : index
  %ib = arith.addi %rb, %pb : index
  %fb = nvgpu.ldmatrix %sb[%ib] {numTiles = 2 : i32, transpose = false} : memref<128xf16, #gpu.address_space<workgroup>> -> vector<2x2xf16>
  %zero = arith.constant dense<0.0> : vector<2x2xf32>
  %d = nvgpu.mma.sync(%fa, %fb, %zero) {mmaShape = [16, 8, 16]} : (vector<4x2xf16>, vector<2x2xf16>, vector<2x2xf32>) -> vector<2x2xf32>
  // Row l / 4 (and 8 below), columns 2 (l mod 4).
  %c3 = arith.constant 3 : index
  %row = arith.shrui %lane, %c2 : index
  %col0 = arith.andi %lane, %c3 : index
  %col = arith.muli %col0, %c2 : index
  %r = arith.muli %row, %c8 : index
  %upper = arith.addi %r, %col : index
  %c64 = arith.constant 64 : index
  %lower = arith.addi %upper, %c64 : index
  %d0 = vector.extract %d[0] : vector<2xf32> from vector<2x2xf32>
  %d1 = vector.extract %d[1] : vector<2xf32> from vector<2x2xf32>
  vector.store %d0, %c[%upper] {alignment = 8 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<2xf32>
  vector.store %d1, %c[%lower] {alignment = 8 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<2xf32>
  gpu.return
}
}

gpu.module @mma_bf16 {
// CHECK-LABEL: .entry mma_bf16$0(
// CHECK: cp.async.cg.shared.global [{{.*}}], [{{.*}}], 16;
// CHECK: cp.async.cg.shared.global [{{.*}}], [{{.*}}], 16
// CHECK: cp.async.commit_group
// CHECK: cp.async.wait_group 0
// CHECK: bar.sync
// CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK: ldmatrix.sync.aligned.m8n8.x2.shared.b16
// CHECK: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
gpu.func @mma_bf16$0(%tiles: index,
    %a: memref<?xbf16, #gpu.address_space<global>> {mercer.elements = [256]},
    %b: memref<?xbf16, #gpu.address_space<global>> {mercer.elements = [128]},
    %c: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [128], mercer.written})
    workgroup(%sa: memref<256xbf16, #gpu.address_space<workgroup>>, %sb: memref<128xbf16, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>, mercer.subgroup = 32 : i64} {
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %c8 = arith.constant 8 : index
  %c15 = arith.constant 15 : index
  %c16 = arith.constant 16 : index
  %piece = arith.constant 8 : index
  %k = arith.constant 16 : index
  %lane = gpu.thread_id x
  // Every lane copies one piece of 16 bytes of A, every second one of B.
  %at = arith.muli %lane, %piece : index
  %0 = nvgpu.device_async_copy %a[%at], %sa[%at], 8 {bypassL1} : memref<?xbf16, #gpu.address_space<global>> to memref<256xbf16, #gpu.address_space<workgroup>>
  %half = arith.cmpi ult, %lane, %c16 : index
  scf.if %half {
    %1 = nvgpu.device_async_copy %b[%at], %sb[%at], 8 {bypassL1} : memref<?xbf16, #gpu.address_space<global>> to memref<128xbf16, #gpu.address_space<workgroup>>
  }
  %group = nvgpu.device_async_create_group
  nvgpu.device_async_wait %group {numGroups = 0 : i32}
  gpu.barrier
  // A: lane l points at row l mod 16, piece l / 16.
  %rowA = arith.andi %lane, %c15 : index
  %pieceA = arith.shrui %lane, %c4 : index
  %ra = arith.muli %rowA, %k : index
  %pa = arith.muli %pieceA, %piece : index
  %ia = arith.addi %ra, %pa : index
  %fa = nvgpu.ldmatrix %sa[%ia] {numTiles = 4 : i32, transpose = false} : memref<256xbf16, #gpu.address_space<workgroup>> -> vector<4x2xbf16>
  // B is stored by columns: lane l points at column l mod 8, piece l / 8 mod 2.
  %c7 = arith.constant 7 : index
  %rowB = arith.andi %lane, %c7 : index
  %pieceB0 = arith.shrui %rowA, %c1 : index
  %pieceB = arith.shrui %pieceB0, %c2 : index
  %rb = arith.muli %rowB, %k : index
  %pb = arith.muli %pieceB, %piece : index
  %ib = arith.addi %rb, %pb : index
  %fb = nvgpu.ldmatrix %sb[%ib] {numTiles = 2 : i32, transpose = false} : memref<128xbf16, #gpu.address_space<workgroup>> -> vector<2x2xbf16>
  %zero = arith.constant dense<0.0> : vector<2x2xf32>
  %d = nvgpu.mma.sync(%fa, %fb, %zero) {mmaShape = [16, 8, 16]} : (vector<4x2xbf16>, vector<2x2xbf16>, vector<2x2xf32>) -> vector<2x2xf32>
  // Row l / 4 (and 8 below), columns 2 (l mod 4).
  %c3 = arith.constant 3 : index
  %row = arith.shrui %lane, %c2 : index
  %col0 = arith.andi %lane, %c3 : index
  %col = arith.muli %col0, %c2 : index
  %r = arith.muli %row, %c8 : index
  %upper = arith.addi %r, %col : index
  %c64 = arith.constant 64 : index
  %lower = arith.addi %upper, %c64 : index
  %d0 = vector.extract %d[0] : vector<2xf32> from vector<2x2xf32>
  %d1 = vector.extract %d[1] : vector<2xf32> from vector<2x2xf32>
  vector.store %d0, %c[%upper] {alignment = 8 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<2xf32>
  vector.store %d1, %c[%lower] {alignment = 8 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<2xf32>
  gpu.return
}
}

gpu.module @mma_tf32 {
// CHECK-LABEL: .entry mma_tf32$0(
// CHECK: cp.async.cg.shared.global [{{.*}}], [{{.*}}], 16;
// CHECK: cp.async.cg.shared.global [{{.*}}], [{{.*}}], 16
// CHECK: cp.async.commit_group
// CHECK: cp.async.wait_group 0
// CHECK: bar.sync
// CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK: ldmatrix.sync.aligned.m8n8.x2.shared.b16
// CHECK: mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
gpu.func @mma_tf32$0(%tiles: index,
    %a: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [128]},
    %b: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [64]},
    %c: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [128], mercer.written})
    workgroup(%sa: memref<128xf32, #gpu.address_space<workgroup>>, %sb: memref<64xf32, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>, mercer.subgroup = 32 : i64} {
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %c8 = arith.constant 8 : index
  %c15 = arith.constant 15 : index
  %c16 = arith.constant 16 : index
  %piece = arith.constant 4 : index
  %k = arith.constant 8 : index
  %lane = gpu.thread_id x
  // Every lane copies one piece of 16 bytes of A, every second one of B.
  %at = arith.muli %lane, %piece : index
  %0 = nvgpu.device_async_copy %a[%at], %sa[%at], 4 {bypassL1} : memref<?xf32, #gpu.address_space<global>> to memref<128xf32, #gpu.address_space<workgroup>>
  %half = arith.cmpi ult, %lane, %c16 : index
  scf.if %half {
    %1 = nvgpu.device_async_copy %b[%at], %sb[%at], 4 {bypassL1} : memref<?xf32, #gpu.address_space<global>> to memref<64xf32, #gpu.address_space<workgroup>>
  }
  %group = nvgpu.device_async_create_group
  nvgpu.device_async_wait %group {numGroups = 0 : i32}
  gpu.barrier
  // A: lane l points at row l mod 16, piece l / 16.
  %rowA = arith.andi %lane, %c15 : index
  %pieceA = arith.shrui %lane, %c4 : index
  %ra = arith.muli %rowA, %k : index
  %pa = arith.muli %pieceA, %piece : index
  %ia = arith.addi %ra, %pa : index
  %fa = nvgpu.ldmatrix %sa[%ia] {numTiles = 4 : i32, transpose = false} : memref<128xf32, #gpu.address_space<workgroup>> -> vector<4x1xf32>
  // B is stored by columns: lane l points at column l mod 8, piece l / 8 mod 2.
  %c7 = arith.constant 7 : index
  %rowB = arith.andi %lane, %c7 : index
  %pieceB0 = arith.shrui %rowA, %c1 : index
  %pieceB = arith.shrui %pieceB0, %c2 : index
  %rb = arith.muli %rowB, %k : index
  %pb = arith.muli %pieceB, %piece : index
  %ib = arith.addi %rb, %pb : index
  %fb = nvgpu.ldmatrix %sb[%ib] {numTiles = 2 : i32, transpose = false} : memref<64xf32, #gpu.address_space<workgroup>> -> vector<2x1xf32>
  %zero = arith.constant dense<0.0> : vector<2x2xf32>
  %d = nvgpu.mma.sync(%fa, %fb, %zero) {mmaShape = [16, 8, 8], tf32Enabled} : (vector<4x1xf32>, vector<2x1xf32>, vector<2x2xf32>) -> vector<2x2xf32>
  // Row l / 4 (and 8 below), columns 2 (l mod 4).
  %c3 = arith.constant 3 : index
  %row = arith.shrui %lane, %c2 : index
  %col0 = arith.andi %lane, %c3 : index
  %col = arith.muli %col0, %c2 : index
  %r = arith.muli %row, %c8 : index
  %upper = arith.addi %r, %col : index
  %c64 = arith.constant 64 : index
  %lower = arith.addi %upper, %c64 : index
  %d0 = vector.extract %d[0] : vector<2xf32> from vector<2x2xf32>
  %d1 = vector.extract %d[1] : vector<2xf32> from vector<2x2xf32>
  vector.store %d0, %c[%upper] {alignment = 8 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<2xf32>
  vector.store %d1, %c[%lower] {alignment = 8 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<2xf32>
  gpu.return
}
}

gpu.module @mma_s8 {
// CHECK-LABEL: .entry mma_s8$0(
// CHECK: cp.async.cg.shared.global [{{.*}}], [{{.*}}], 16;
// CHECK: cp.async.cg.shared.global [{{.*}}], [{{.*}}], 16
// CHECK: cp.async.commit_group
// CHECK: cp.async.wait_group 0
// CHECK: bar.sync
// CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK: ldmatrix.sync.aligned.m8n8.x2.shared.b16
// CHECK: mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32
gpu.func @mma_s8$0(%tiles: index,
    %a: memref<?xi8, #gpu.address_space<global>> {mercer.elements = [512]},
    %b: memref<?xi8, #gpu.address_space<global>> {mercer.elements = [256]},
    %c: memref<?xi32, #gpu.address_space<global>> {mercer.elements = [128], mercer.written})
    workgroup(%sa: memref<512xi8, #gpu.address_space<workgroup>>, %sb: memref<256xi8, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>, mercer.subgroup = 32 : i64} {
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %c8 = arith.constant 8 : index
  %c15 = arith.constant 15 : index
  %c16 = arith.constant 16 : index
  %piece = arith.constant 16 : index
  %k = arith.constant 32 : index
  %lane = gpu.thread_id x
  // Every lane copies one piece of 16 bytes of A, every second one of B.
  %at = arith.muli %lane, %piece : index
  %0 = nvgpu.device_async_copy %a[%at], %sa[%at], 16 {bypassL1} : memref<?xi8, #gpu.address_space<global>> to memref<512xi8, #gpu.address_space<workgroup>>
  %half = arith.cmpi ult, %lane, %c16 : index
  scf.if %half {
    %1 = nvgpu.device_async_copy %b[%at], %sb[%at], 16 {bypassL1} : memref<?xi8, #gpu.address_space<global>> to memref<256xi8, #gpu.address_space<workgroup>>
  }
  %group = nvgpu.device_async_create_group
  nvgpu.device_async_wait %group {numGroups = 0 : i32}
  gpu.barrier
  // A: lane l points at row l mod 16, piece l / 16.
  %rowA = arith.andi %lane, %c15 : index
  %pieceA = arith.shrui %lane, %c4 : index
  %ra = arith.muli %rowA, %k : index
  %pa = arith.muli %pieceA, %piece : index
  %ia = arith.addi %ra, %pa : index
  %fa = nvgpu.ldmatrix %sa[%ia] {numTiles = 4 : i32, transpose = false} : memref<512xi8, #gpu.address_space<workgroup>> -> vector<4x4xi8>
  // B is stored by columns: lane l points at column l mod 8, piece l / 8 mod 2.
  %c7 = arith.constant 7 : index
  %rowB = arith.andi %lane, %c7 : index
  %pieceB0 = arith.shrui %rowA, %c1 : index
  %pieceB = arith.shrui %pieceB0, %c2 : index
  %rb = arith.muli %rowB, %k : index
  %pb = arith.muli %pieceB, %piece : index
  %ib = arith.addi %rb, %pb : index
  %fb = nvgpu.ldmatrix %sb[%ib] {numTiles = 2 : i32, transpose = false} : memref<256xi8, #gpu.address_space<workgroup>> -> vector<2x4xi8>
  %zero = arith.constant dense<0> : vector<2x2xi32>
  %d = nvgpu.mma.sync(%fa, %fb, %zero) {mmaShape = [16, 8, 32]} : (vector<4x4xi8>, vector<2x4xi8>, vector<2x2xi32>) -> vector<2x2xi32>
  // Row l / 4 (and 8 below), columns 2 (l mod 4).
  %c3 = arith.constant 3 : index
  %row = arith.shrui %lane, %c2 : index
  %col0 = arith.andi %lane, %c3 : index
  %col = arith.muli %col0, %c2 : index
  %r = arith.muli %row, %c8 : index
  %upper = arith.addi %r, %col : index
  %c64 = arith.constant 64 : index
  %lower = arith.addi %upper, %c64 : index
  %d0 = vector.extract %d[0] : vector<2xi32> from vector<2x2xi32>
  %d1 = vector.extract %d[1] : vector<2xi32> from vector<2x2xi32>
  vector.store %d0, %c[%upper] {alignment = 8 : i64} : memref<?xi32, #gpu.address_space<global>>, vector<2xi32>
  vector.store %d1, %c[%lower] {alignment = 8 : i64} : memref<?xi32, #gpu.address_space<global>>, vector<2xi32>
  gpu.return
}
}

gpu.module @mma_f16acc {
// CHECK-LABEL: .entry mma_f16acc$0(
// CHECK: cp.async.cg.shared.global [{{.*}}], [{{.*}}], 16;
// CHECK: cp.async.cg.shared.global [{{.*}}], [{{.*}}], 16
// CHECK: cp.async.commit_group
// CHECK: cp.async.wait_group 0
// CHECK: bar.sync
// CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK: ldmatrix.sync.aligned.m8n8.x2.shared.b16
// CHECK: mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16
gpu.func @mma_f16acc$0(%tiles: index,
    %a: memref<?xf16, #gpu.address_space<global>> {mercer.elements = [256]},
    %b: memref<?xf16, #gpu.address_space<global>> {mercer.elements = [128]},
    %c: memref<?xf16, #gpu.address_space<global>> {mercer.elements = [128], mercer.written})
    workgroup(%sa: memref<256xf16, #gpu.address_space<workgroup>>, %sb: memref<128xf16, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>, mercer.subgroup = 32 : i64} {
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %c8 = arith.constant 8 : index
  %c15 = arith.constant 15 : index
  %c16 = arith.constant 16 : index
  %piece = arith.constant 8 : index
  %k = arith.constant 16 : index
  %lane = gpu.thread_id x
  // Every lane copies one piece of 16 bytes of A, every second one of B.
  %at = arith.muli %lane, %piece : index
  %0 = nvgpu.device_async_copy %a[%at], %sa[%at], 8 {bypassL1} : memref<?xf16, #gpu.address_space<global>> to memref<256xf16, #gpu.address_space<workgroup>>
  %half = arith.cmpi ult, %lane, %c16 : index
  scf.if %half {
    %1 = nvgpu.device_async_copy %b[%at], %sb[%at], 8 {bypassL1} : memref<?xf16, #gpu.address_space<global>> to memref<128xf16, #gpu.address_space<workgroup>>
  }
  %group = nvgpu.device_async_create_group
  nvgpu.device_async_wait %group {numGroups = 0 : i32}
  gpu.barrier
  // A: lane l points at row l mod 16, piece l / 16.
  %rowA = arith.andi %lane, %c15 : index
  %pieceA = arith.shrui %lane, %c4 : index
  %ra = arith.muli %rowA, %k : index
  %pa = arith.muli %pieceA, %piece : index
  %ia = arith.addi %ra, %pa : index
  %fa = nvgpu.ldmatrix %sa[%ia] {numTiles = 4 : i32, transpose = false} : memref<256xf16, #gpu.address_space<workgroup>> -> vector<4x2xf16>
  // B is stored by columns: lane l points at column l mod 8, piece l / 8 mod 2.
  %c7 = arith.constant 7 : index
  %rowB = arith.andi %lane, %c7 : index
  %pieceB0 = arith.shrui %rowA, %c1 : index
  %pieceB = arith.shrui %pieceB0, %c2 : index
  %rb = arith.muli %rowB, %k : index
  %pb = arith.muli %pieceB, %piece : index
  %ib = arith.addi %rb, %pb : index
  %fb = nvgpu.ldmatrix %sb[%ib] {numTiles = 2 : i32, transpose = false} : memref<128xf16, #gpu.address_space<workgroup>> -> vector<2x2xf16>
  %zero = arith.constant dense<0.0> : vector<2x2xf16>
  %d = nvgpu.mma.sync(%fa, %fb, %zero) {mmaShape = [16, 8, 16]} : (vector<4x2xf16>, vector<2x2xf16>, vector<2x2xf16>) -> vector<2x2xf16>
  // Row l / 4 (and 8 below), columns 2 (l mod 4).
  %c3 = arith.constant 3 : index
  %row = arith.shrui %lane, %c2 : index
  %col0 = arith.andi %lane, %c3 : index
  %col = arith.muli %col0, %c2 : index
  %r = arith.muli %row, %c8 : index
  %upper = arith.addi %r, %col : index
  %c64 = arith.constant 64 : index
  %lower = arith.addi %upper, %c64 : index
  %d0 = vector.extract %d[0] : vector<2xf16> from vector<2x2xf16>
  %d1 = vector.extract %d[1] : vector<2xf16> from vector<2x2xf16>
  vector.store %d0, %c[%upper] {alignment = 4 : i64} : memref<?xf16, #gpu.address_space<global>>, vector<2xf16>
  vector.store %d1, %c[%lower] {alignment = 4 : i64} : memref<?xf16, #gpu.address_space<global>>, vector<2xf16>
  gpu.return
}
}
