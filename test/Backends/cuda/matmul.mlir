// RUN: mercer-opt %s -mercer-cuda-write-code='chip=sm_80' -o %t.out | FileCheck %s

// A tiled product in distributed form as hand-written CUDA would do it: tiles of
// 128 x 128 of the result, 8 warps of 64 x 32 each, three stages of 32 along k
// filled by asynchronous copies, swizzled so that matrix loads have no bank
// conflicts. M, N and K are multiples of the tile.

// CHECK-LABEL: .entry matmul_f16$0(
// The accumulators are registers, the operands are loaded once a step.
// CHECK-NOT: .local
// CHECK: .reqntid 256, 1, 1
// CHECK-NEXT: .minnctapersm 2
// CHECK-COUNT-32: st.global.v2.b32
// CHECK: cp.async.cg.shared.global
// CHECK: cp.async.commit_group
// CHECK: cp.async.commit_group
// CHECK-NEXT: cp.async.wait_group 1
// CHECK-NEXT: bar.sync
// CHECK: cp.async.commit_group
// CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK: ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16
// CHECK-COUNT-32: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK: cp.async.wait_group 1
// CHECK-NEXT: bar.sync
// CHECK: mercer.kernel matmul_f16$0 threads 256 shared 0 dynamic 49184
gpu.module @matmul_f16 {
gpu.func @matmul_f16$0(%tiles: index,
    %a: memref<?xf16, #gpu.address_space<global>> {mercer.elements = [1, 2, 3]}, %m: index, %k: index,
    %b: memref<?xf16, #gpu.address_space<global>> {mercer.elements = [1, 5, 6]}, %k2: index, %n: index,
    %c: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [1, 8, 9], mercer.written}, %m2: index, %n2: index)
    workgroup(%as: memref<12288xf16, #gpu.address_space<workgroup>> {llvm.align = 16 : i64},
              %bs: memref<12288xf16, #gpu.address_space<workgroup>> {llvm.align = 16 : i64},
              // Beyond 48 KiB: the block that the launch asks for.
              %more: memref<8xf32, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 256, 1, 1>, mercer.subgroup = 32 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %c5 = arith.constant 5 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  %c15 = arith.constant 15 : index
  %c16 = arith.constant 16 : index
  %c31 = arith.constant 31 : index
  %c32 = arith.constant 32 : index
  %c64 = arith.constant 64 : index
  %c128 = arith.constant 128 : index
  %c256 = arith.constant 256 : index
  %c512 = arith.constant 512 : index
  %c4096 = arith.constant 4096 : index
  %zero = arith.constant 0.0 : f32
  %block = gpu.block_id x
  %blocks = gpu.grid_dim x
  %thread = gpu.thread_id x
  %lane = arith.andi %thread, %c31 : index
  %warp = arith.shrui %thread, %c5 : index
  // 2 x 4 warps.
  %warpM = arith.shrui %warp, %c2 : index
  %warpN = arith.andi %warp, %c3 : index
  %warpRow = arith.muli %warpM, %c64 : index
  %warpColumn = arith.muli %warpN, %c32 : index
  %lane16 = arith.andi %lane, %c15 : index
  %lanePiece = arith.shrui %lane, %c4 : index
  %columnTiles = arith.divui %n, %c128 : index
  %kTiles = arith.divui %k, %c32 : index
  %acc = memref.alloca() : memref<64xf32, #gpu.address_space<private>>
  scf.for %t = %block to %tiles step %blocks {
    %tm = arith.divui %t, %columnTiles : index
    %tn = arith.remui %t, %columnTiles : index
    %rowTile = arith.muli %tm, %c128 : index
    %columnTile = arith.muli %tn, %c128 : index
    scf.for %r = %c0 to %c64 step %c1 {
      memref.store %zero, %acc[%r] : memref<64xf32, #gpu.address_space<private>>
    }
    // Two pieces of 8 elements a thread of A (128 x 32) and of B (32 x 128).
    %kBase1 = arith.muli %c0, %c32 : index
    %sBase1 = arith.muli %c0, %c4096 : index
    scf.for %p1 = %c0 to %c512 step %c256 {
      %id1 = arith.addi %p1, %thread : index
      %ra1 = arith.shrui %id1, %c2 : index
      %ca1 = arith.andi %id1, %c3 : index
      %gr1 = arith.addi %rowTile, %ra1 : index
      %gro1 = arith.muli %gr1, %k : index
      %gc1 = arith.muli %ca1, %c8 : index
      %gk1 = arith.addi %kBase1, %gc1 : index
      %ga1 = arith.addi %gro1, %gk1 : index
      %xa01 = arith.shrui %ra1, %c1 : index
      %xa11 = arith.andi %xa01, %c3 : index
      %xa1 = arith.xori %ca1, %xa11 : index
      %so01 = arith.muli %ra1, %c32 : index
      %so11 = arith.muli %xa1, %c8 : index
      %so21 = arith.addi %so01, %so11 : index
      %sa1 = arith.addi %sBase1, %so21 : index
      %ta1 = nvgpu.device_async_copy %a[%ga1], %as[%sa1], 8 {bypassL1} : memref<?xf16, #gpu.address_space<global>> to memref<12288xf16, #gpu.address_space<workgroup>>
      %rb1 = arith.shrui %id1, %c4 : index
      %cb1 = arith.andi %id1, %c15 : index
      %hr1 = arith.addi %kBase1, %rb1 : index
      %hro1 = arith.muli %hr1, %n : index
      %hc1 = arith.muli %cb1, %c8 : index
      %hn1 = arith.addi %columnTile, %hc1 : index
      %gb1 = arith.addi %hro1, %hn1 : index
      %xb01 = arith.andi %rb1, %c7 : index
      %xb1 = arith.xori %cb1, %xb01 : index
      %bo01 = arith.muli %rb1, %c128 : index
      %bo11 = arith.muli %xb1, %c8 : index
      %bo21 = arith.addi %bo01, %bo11 : index
      %sb1 = arith.addi %sBase1, %bo21 : index
      %tb1 = nvgpu.device_async_copy %b[%gb1], %bs[%sb1], 8 {bypassL1} : memref<?xf16, #gpu.address_space<global>> to memref<12288xf16, #gpu.address_space<workgroup>>
    }
    %two = arith.cmpi ugt, %kTiles, %c1 : index
    %g0 = nvgpu.device_async_create_group
    scf.if %two {
      // Two pieces of 8 elements a thread of A (128 x 32) and of B (32 x 128).
      %kBase2 = arith.muli %c1, %c32 : index
      %sBase2 = arith.muli %c1, %c4096 : index
      scf.for %p2 = %c0 to %c512 step %c256 {
        %id2 = arith.addi %p2, %thread : index
        %ra2 = arith.shrui %id2, %c2 : index
        %ca2 = arith.andi %id2, %c3 : index
        %gr2 = arith.addi %rowTile, %ra2 : index
        %gro2 = arith.muli %gr2, %k : index
        %gc2 = arith.muli %ca2, %c8 : index
        %gk2 = arith.addi %kBase2, %gc2 : index
        %ga2 = arith.addi %gro2, %gk2 : index
        %xa02 = arith.shrui %ra2, %c1 : index
        %xa12 = arith.andi %xa02, %c3 : index
        %xa2 = arith.xori %ca2, %xa12 : index
        %so02 = arith.muli %ra2, %c32 : index
        %so12 = arith.muli %xa2, %c8 : index
        %so22 = arith.addi %so02, %so12 : index
        %sa2 = arith.addi %sBase2, %so22 : index
        %ta2 = nvgpu.device_async_copy %a[%ga2], %as[%sa2], 8 {bypassL1} : memref<?xf16, #gpu.address_space<global>> to memref<12288xf16, #gpu.address_space<workgroup>>
        %rb2 = arith.shrui %id2, %c4 : index
        %cb2 = arith.andi %id2, %c15 : index
        %hr2 = arith.addi %kBase2, %rb2 : index
        %hro2 = arith.muli %hr2, %n : index
        %hc2 = arith.muli %cb2, %c8 : index
        %hn2 = arith.addi %columnTile, %hc2 : index
        %gb2 = arith.addi %hro2, %hn2 : index
        %xb02 = arith.andi %rb2, %c7 : index
        %xb2 = arith.xori %cb2, %xb02 : index
        %bo02 = arith.muli %rb2, %c128 : index
        %bo12 = arith.muli %xb2, %c8 : index
        %bo22 = arith.addi %bo02, %bo12 : index
        %sb2 = arith.addi %sBase2, %bo22 : index
        %tb2 = nvgpu.device_async_copy %b[%gb2], %bs[%sb2], 8 {bypassL1} : memref<?xf16, #gpu.address_space<global>> to memref<12288xf16, #gpu.address_space<workgroup>>
      }
    }
    %g1 = nvgpu.device_async_create_group
    nvgpu.device_async_wait %g1 {numGroups = 1 : i32}
    gpu.barrier
    scf.for %kt = %c0 to %kTiles step %c1 {
      %next = arith.addi %kt, %c2 : index
      %fill = arith.remui %next, %c3 : index
      %full = arith.remui %kt, %c3 : index
      %use = arith.muli %full, %c4096 : index
      %some = arith.cmpi ult, %next, %kTiles : index
      scf.if %some {
        // Two pieces of 8 elements a thread of A (128 x 32) and of B (32 x 128).
        %kBase3 = arith.muli %next, %c32 : index
        %sBase3 = arith.muli %fill, %c4096 : index
        scf.for %p3 = %c0 to %c512 step %c256 {
          %id3 = arith.addi %p3, %thread : index
          %ra3 = arith.shrui %id3, %c2 : index
          %ca3 = arith.andi %id3, %c3 : index
          %gr3 = arith.addi %rowTile, %ra3 : index
          %gro3 = arith.muli %gr3, %k : index
          %gc3 = arith.muli %ca3, %c8 : index
          %gk3 = arith.addi %kBase3, %gc3 : index
          %ga3 = arith.addi %gro3, %gk3 : index
          %xa03 = arith.shrui %ra3, %c1 : index
          %xa13 = arith.andi %xa03, %c3 : index
          %xa3 = arith.xori %ca3, %xa13 : index
          %so03 = arith.muli %ra3, %c32 : index
          %so13 = arith.muli %xa3, %c8 : index
          %so23 = arith.addi %so03, %so13 : index
          %sa3 = arith.addi %sBase3, %so23 : index
          %ta3 = nvgpu.device_async_copy %a[%ga3], %as[%sa3], 8 {bypassL1} : memref<?xf16, #gpu.address_space<global>> to memref<12288xf16, #gpu.address_space<workgroup>>
          %rb3 = arith.shrui %id3, %c4 : index
          %cb3 = arith.andi %id3, %c15 : index
          %hr3 = arith.addi %kBase3, %rb3 : index
          %hro3 = arith.muli %hr3, %n : index
          %hc3 = arith.muli %cb3, %c8 : index
          %hn3 = arith.addi %columnTile, %hc3 : index
          %gb3 = arith.addi %hro3, %hn3 : index
          %xb03 = arith.andi %rb3, %c7 : index
          %xb3 = arith.xori %cb3, %xb03 : index
          %bo03 = arith.muli %rb3, %c128 : index
          %bo13 = arith.muli %xb3, %c8 : index
          %bo23 = arith.addi %bo03, %bo13 : index
          %sb3 = arith.addi %sBase3, %bo23 : index
          %tb3 = nvgpu.device_async_copy %b[%gb3], %bs[%sb3], 8 {bypassL1} : memref<?xf16, #gpu.address_space<global>> to memref<12288xf16, #gpu.address_space<workgroup>>
        }
      }
      %g2 = nvgpu.device_async_create_group
      // Step 0 of 16 along k: fragments by matrix loads, 4 x 4 products.
      scf.for %i_4 = %c0 to %c4 step %c1 {
        %im_4 = arith.muli %i_4, %c16 : index
        %ar0_4 = arith.addi %warpRow, %im_4 : index
        %ar_4 = arith.addi %ar0_4, %lane16 : index
        %ap_4 = arith.addi %c0, %lanePiece : index
        %ax0_4 = arith.shrui %ar_4, %c1 : index
        %ax1_4 = arith.andi %ax0_4, %c3 : index
        %ax_4 = arith.xori %ap_4, %ax1_4 : index
        %ao0_4 = arith.muli %ar_4, %c32 : index
        %ao1_4 = arith.muli %ax_4, %c8 : index
        %ao2_4 = arith.addi %ao0_4, %ao1_4 : index
        %ao_4 = arith.addi %use, %ao2_4 : index
        %fa_4 = nvgpu.ldmatrix %as[%ao_4] {numTiles = 4 : i32, transpose = false} : memref<12288xf16, #gpu.address_space<workgroup>> -> vector<4x2xf16>
        scf.for %j_4 = %c0 to %c4 step %c1 {
          %br_4 = arith.addi %c0, %lane16 : index
          %bc0_4 = arith.shrui %warpColumn, %c3 : index
          %bc_4 = arith.addi %bc0_4, %j_4 : index
          %bx0_4 = arith.andi %br_4, %c7 : index
          %bx_4 = arith.xori %bc_4, %bx0_4 : index
          %bo0_4 = arith.muli %br_4, %c128 : index
          %bo1_4 = arith.muli %bx_4, %c8 : index
          %bo2_4 = arith.addi %bo0_4, %bo1_4 : index
          %bo_4 = arith.addi %use, %bo2_4 : index
          %fb_4 = nvgpu.ldmatrix %bs[%bo_4] {numTiles = 2 : i32, transpose = true} : memref<12288xf16, #gpu.address_space<workgroup>> -> vector<2x2xf16>
          %at0_4 = arith.muli %i_4, %c4 : index
          %at1_4 = arith.addi %at0_4, %j_4 : index
          %at_4 = arith.muli %at1_4, %c4 : index
          %at_1_4 = arith.addi %at_4, %c1 : index
          %at_2_4 = arith.addi %at_4, %c2 : index
          %at_3_4 = arith.addi %at_4, %c3 : index
          %o0_4 = memref.load %acc[%at_4] : memref<64xf32, #gpu.address_space<private>>
          %o1_4 = memref.load %acc[%at_1_4] : memref<64xf32, #gpu.address_space<private>>
          %o2_4 = memref.load %acc[%at_2_4] : memref<64xf32, #gpu.address_space<private>>
          %o3_4 = memref.load %acc[%at_3_4] : memref<64xf32, #gpu.address_space<private>>
          %old_4 = vector.from_elements %o0_4, %o1_4, %o2_4, %o3_4 : vector<2x2xf32>
          %new_4 = nvgpu.mma.sync(%fa_4, %fb_4, %old_4) {mmaShape = [16, 8, 16]} : (vector<4x2xf16>, vector<2x2xf16>, vector<2x2xf32>) -> vector<2x2xf32>
          %n0_4 = vector.extract %new_4[0, 0] : f32 from vector<2x2xf32>
          %n1_4 = vector.extract %new_4[0, 1] : f32 from vector<2x2xf32>
          %n2_4 = vector.extract %new_4[1, 0] : f32 from vector<2x2xf32>
          %n3_4 = vector.extract %new_4[1, 1] : f32 from vector<2x2xf32>
          memref.store %n0_4, %acc[%at_4] : memref<64xf32, #gpu.address_space<private>>
          memref.store %n1_4, %acc[%at_1_4] : memref<64xf32, #gpu.address_space<private>>
          memref.store %n2_4, %acc[%at_2_4] : memref<64xf32, #gpu.address_space<private>>
          memref.store %n3_4, %acc[%at_3_4] : memref<64xf32, #gpu.address_space<private>>
        }
      }
      // Step 1 of 16 along k: fragments by matrix loads, 4 x 4 products.
      scf.for %i_5 = %c0 to %c4 step %c1 {
        %im_5 = arith.muli %i_5, %c16 : index
        %ar0_5 = arith.addi %warpRow, %im_5 : index
        %ar_5 = arith.addi %ar0_5, %lane16 : index
        %ap_5 = arith.addi %c2, %lanePiece : index
        %ax0_5 = arith.shrui %ar_5, %c1 : index
        %ax1_5 = arith.andi %ax0_5, %c3 : index
        %ax_5 = arith.xori %ap_5, %ax1_5 : index
        %ao0_5 = arith.muli %ar_5, %c32 : index
        %ao1_5 = arith.muli %ax_5, %c8 : index
        %ao2_5 = arith.addi %ao0_5, %ao1_5 : index
        %ao_5 = arith.addi %use, %ao2_5 : index
        %fa_5 = nvgpu.ldmatrix %as[%ao_5] {numTiles = 4 : i32, transpose = false} : memref<12288xf16, #gpu.address_space<workgroup>> -> vector<4x2xf16>
        scf.for %j_5 = %c0 to %c4 step %c1 {
          %br_5 = arith.addi %c16, %lane16 : index
          %bc0_5 = arith.shrui %warpColumn, %c3 : index
          %bc_5 = arith.addi %bc0_5, %j_5 : index
          %bx0_5 = arith.andi %br_5, %c7 : index
          %bx_5 = arith.xori %bc_5, %bx0_5 : index
          %bo0_5 = arith.muli %br_5, %c128 : index
          %bo1_5 = arith.muli %bx_5, %c8 : index
          %bo2_5 = arith.addi %bo0_5, %bo1_5 : index
          %bo_5 = arith.addi %use, %bo2_5 : index
          %fb_5 = nvgpu.ldmatrix %bs[%bo_5] {numTiles = 2 : i32, transpose = true} : memref<12288xf16, #gpu.address_space<workgroup>> -> vector<2x2xf16>
          %at0_5 = arith.muli %i_5, %c4 : index
          %at1_5 = arith.addi %at0_5, %j_5 : index
          %at_5 = arith.muli %at1_5, %c4 : index
          %at_1_5 = arith.addi %at_5, %c1 : index
          %at_2_5 = arith.addi %at_5, %c2 : index
          %at_3_5 = arith.addi %at_5, %c3 : index
          %o0_5 = memref.load %acc[%at_5] : memref<64xf32, #gpu.address_space<private>>
          %o1_5 = memref.load %acc[%at_1_5] : memref<64xf32, #gpu.address_space<private>>
          %o2_5 = memref.load %acc[%at_2_5] : memref<64xf32, #gpu.address_space<private>>
          %o3_5 = memref.load %acc[%at_3_5] : memref<64xf32, #gpu.address_space<private>>
          %old_5 = vector.from_elements %o0_5, %o1_5, %o2_5, %o3_5 : vector<2x2xf32>
          %new_5 = nvgpu.mma.sync(%fa_5, %fb_5, %old_5) {mmaShape = [16, 8, 16]} : (vector<4x2xf16>, vector<2x2xf16>, vector<2x2xf32>) -> vector<2x2xf32>
          %n0_5 = vector.extract %new_5[0, 0] : f32 from vector<2x2xf32>
          %n1_5 = vector.extract %new_5[0, 1] : f32 from vector<2x2xf32>
          %n2_5 = vector.extract %new_5[1, 0] : f32 from vector<2x2xf32>
          %n3_5 = vector.extract %new_5[1, 1] : f32 from vector<2x2xf32>
          memref.store %n0_5, %acc[%at_5] : memref<64xf32, #gpu.address_space<private>>
          memref.store %n1_5, %acc[%at_1_5] : memref<64xf32, #gpu.address_space<private>>
          memref.store %n2_5, %acc[%at_2_5] : memref<64xf32, #gpu.address_space<private>>
          memref.store %n3_5, %acc[%at_3_5] : memref<64xf32, #gpu.address_space<private>>
        }
      }
      nvgpu.device_async_wait %g2 {numGroups = 1 : i32}
      gpu.barrier
    }
    // Row lane / 4 and 8 below, columns 2 (lane mod 4) of every 16 x 8.
    %r0 = arith.shrui %lane, %c2 : index
    %q0 = arith.andi %lane, %c3 : index
    %q1 = arith.muli %q0, %c2 : index
    %r1 = arith.addi %rowTile, %warpRow : index
    %r2 = arith.addi %r1, %r0 : index
    %q2 = arith.addi %columnTile, %warpColumn : index
    %q3 = arith.addi %q2, %q1 : index
    scf.for %i = %c0 to %c4 step %c1 {
      scf.for %j = %c0 to %c4 step %c1 {
        scf.for %h = %c0 to %c2 step %c1 {
          %i16 = arith.muli %i, %c16 : index
          %h8 = arith.muli %h, %c8 : index
          %r3 = arith.addi %r2, %i16 : index
          %r4 = arith.addi %r3, %h8 : index
          %j8 = arith.muli %j, %c8 : index
          %q4 = arith.addi %q3, %j8 : index
          %to0 = arith.muli %r4, %n : index
          %to = arith.addi %to0, %q4 : index
          %at0 = arith.muli %i, %c4 : index
          %at1 = arith.addi %at0, %j : index
          %at2 = arith.muli %at1, %c4 : index
          %h2 = arith.muli %h, %c2 : index
          %at = arith.addi %at2, %h2 : index
          %v = vector.load %acc[%at] {alignment = 8 : i64} : memref<64xf32, #gpu.address_space<private>>, vector<2xf32>
          vector.store %v, %c[%to] {alignment = 8 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<2xf32>
        }
      }
    }
  }
  gpu.return
}
}
