// RUN: mercer-opt %s -mercer-cuda-write-code='chip=sm_80' -o %t.out | FileCheck %s

// Where arrays of a kernel live: private ones in registers, shared ones in
// static memory up to 48 KiB, otherwise in the block that the launch asks for.

// CHECK-NOT: .local

gpu.module @private_arrays {
// A register block that loops index: they are unrolled, the array is gone.
// CHECK-LABEL: .entry private_block$0(
// CHECK-COUNT-8: fma.rn.f32
// CHECK-NOT: .local
// CHECK: st.global.v4.b32
// CHECK: st.global.v4.b32
gpu.func @private_block$0(%tiles: index,
    %x: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [1, 2]}, %n: index,
    %y: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [256], mercer.written}) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %c8 = arith.constant 8 : index
  %zero = arith.constant 0.0 : f32
  %thread = gpu.thread_id x
  %acc = memref.alloca() : memref<8xf32, #gpu.address_space<private>>
  scf.for %r = %c0 to %c8 step %c1 {
    memref.store %zero, %acc[%r] : memref<8xf32, #gpu.address_space<private>>
  }
  scf.for %k = %c0 to %n step %c1 {
    %b = memref.load %x[%k] : memref<?xf32, #gpu.address_space<global>>
    scf.for %r = %c0 to %c2 step %c1 {
      scf.for %q = %c0 to %c4 step %c1 {
        %row = arith.muli %r, %c4 : index
        %at = arith.addi %row, %q : index
        %old = memref.load %acc[%at] : memref<8xf32, #gpu.address_space<private>>
        %ai = arith.addi %k, %at : index
        %a = memref.load %x[%ai] : memref<?xf32, #gpu.address_space<global>>
        %new = math.fma %a, %b, %old : f32
        memref.store %new, %acc[%at] : memref<8xf32, #gpu.address_space<private>>
      }
    }
  }
  %base = arith.muli %thread, %c8 : index
  scf.for %r = %c0 to %c8 step %c4 {
    %v = vector.load %acc[%r] {alignment = 16 : i64} : memref<8xf32, #gpu.address_space<private>>, vector<4xf32>
    %to = arith.addi %base, %r : index
    vector.store %v, %y[%to] {alignment = 16 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<4xf32>
  }
  gpu.return
}
}

gpu.module @private_in_loop {
// An array of one tile, as distribution leaves it inside of the tile loop.
// CHECK-LABEL: .entry private_in_loop$0(
// CHECK-NOT: .local
// CHECK: st.global.v2.b32
gpu.func @private_in_loop$0(%tiles: index,
    %y: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [64], mercer.written}) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %block = gpu.block_id x
  %blocks = gpu.grid_dim x
  %thread = gpu.thread_id x
  scf.for %t = %block to %tiles step %blocks {
    %pair = memref.alloca() : memref<2xf32, #gpu.address_space<private>>
    scf.for %i = %c0 to %c2 step %c1 {
      %at = arith.addi %t, %i : index
      %int = arith.index_cast %at : index to i32
      %value = arith.sitofp %int : i32 to f32
      memref.store %value, %pair[%i] : memref<2xf32, #gpu.address_space<private>>
    }
    %v = vector.load %pair[%c0] {alignment = 8 : i64} : memref<2xf32, #gpu.address_space<private>>, vector<2xf32>
    %to = arith.muli %thread, %c2 : index
    vector.store %v, %y[%to] {alignment = 8 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<2xf32>
  }
  gpu.return
}
}

gpu.module @static_shared {
// CHECK-LABEL: .entry static_shared$0(
// One block of 32 threads takes 49 of 164 KiB: three fit.
// CHECK: .minnctapersm 3
// CHECK: .shared .align 16 .b8 __wg_static_shared$0_0[49152];
gpu.func @static_shared$0(%tiles: index,
    %y: memref<?xf16, #gpu.address_space<global>> {mercer.elements = [32], mercer.written})
    workgroup(%s: memref<24576xf16, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %one = arith.constant 1.0 : f16
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %other = arith.subi %last, %thread : index
  memref.store %one, %s[%thread] : memref<24576xf16, #gpu.address_space<workgroup>>
  gpu.barrier
  %v = memref.load %s[%other] : memref<24576xf16, #gpu.address_space<workgroup>>
  memref.store %v, %y[%thread] : memref<?xf16, #gpu.address_space<global>>
  gpu.return
}
}

gpu.module @dynamic_shared {
// 40 bytes, then 16-byte aligned 64 KiB: offset 48 from the common start.
// CHECK: .extern .shared .align 16 .b8 mercer_shared[];
// CHECK-LABEL: .entry dynamic_shared$0(
// CHECK-NOT: .shared .align
// CHECK: mov.b64 {{.*}}, mercer_shared;
// CHECK: st.shared.b32 {{.*}}+48]
gpu.func @dynamic_shared$0(%tiles: index,
    %y: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [32], mercer.written})
    workgroup(%s: memref<20xf16, #gpu.address_space<workgroup>>, %t: memref<16384xf32, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %one = arith.constant 1.0 : f32
  %half = arith.constant 0.5 : f16
  %c3 = arith.constant 3 : index
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %other = arith.subi %last, %thread : index
  memref.store %half, %s[%c3] : memref<20xf16, #gpu.address_space<workgroup>>
  memref.store %one, %t[%thread] : memref<16384xf32, #gpu.address_space<workgroup>>
  gpu.barrier
  %v = memref.load %t[%other] : memref<16384xf32, #gpu.address_space<workgroup>>
  %h = memref.load %s[%c3] : memref<20xf16, #gpu.address_space<workgroup>>
  %e = arith.extf %h : f16 to f32
  %sum = arith.addf %v, %e : f32
  memref.store %sum, %y[%thread] : memref<?xf32, #gpu.address_space<global>>
  gpu.return
}
// The second kernel of the module lays out the same block anew.
// CHECK-LABEL: .entry dynamic_shared$1(
// CHECK: .minnctapersm 1
// CHECK: mercer_shared
gpu.func @dynamic_shared$1(%tiles: index,
    %y: memref<?xi32, #gpu.address_space<global>> {mercer.elements = [32], mercer.written})
    workgroup(%t: memref<20000xi32, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>, mercer.min_blocks = 1 : i64} {
  %one = arith.constant 1 : i32
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %other = arith.subi %last, %thread : index
  memref.store %one, %t[%thread] : memref<20000xi32, #gpu.address_space<workgroup>>
  gpu.barrier
  %v = memref.load %t[%other] : memref<20000xi32, #gpu.address_space<workgroup>>
  memref.store %v, %y[%thread] : memref<?xi32, #gpu.address_space<global>>
  gpu.return
}
}

gpu.module @scratch {
// Scratch comes last; workgroup g has its own part.
// CHECK-LABEL: .entry scratch$0(
// CHECK: .param .u64 .ptr .global .align 4 scratch$0_param_2
// CHECK: .minnctapersm 16
// CHECK: st.global.b32
// CHECK: bar.sync
// CHECK: ld.global.b32
gpu.func @scratch$0(%tiles: index,
    %y: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [32], mercer.written},
    %s: memref<?xf32, #gpu.address_space<global>> {mercer.scratch = 32 : i64}) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c32 = arith.constant 32 : index
  %one = arith.constant 1.0 : f32
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %block = gpu.block_id x
  %base = arith.muli %block, %c32 : index
  %mine = arith.addi %base, %thread : index
  %other = arith.subi %last, %thread : index
  %theirs = arith.addi %base, %other : index
  memref.store %one, %s[%mine] : memref<?xf32, #gpu.address_space<global>>
  gpu.barrier
  %v = memref.load %s[%theirs] : memref<?xf32, #gpu.address_space<global>>
  memref.store %v, %y[%thread] : memref<?xf32, #gpu.address_space<global>>
  gpu.return
}
}

gpu.module @shuffles {
// CHECK-LABEL: .entry shuffle$0(
// CHECK-COUNT-5: shfl.sync.bfly.b32
gpu.func @shuffle$0(%tiles: index,
    %x: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [32]},
    %y: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [32], mercer.written}) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>, mercer.subgroup = 32 : i64} {
  %c32 = arith.constant 32 : i32
  %thread = gpu.thread_id x
  %v0 = memref.load %x[%thread] : memref<?xf32, #gpu.address_space<global>>
  %m0 = arith.constant 1 : i32
  %o0, %p0 = gpu.shuffle xor %v0, %m0, %c32 : f32
  %v1 = arith.addf %v0, %o0 : f32
  %m1 = arith.constant 2 : i32
  %o1, %p1 = gpu.shuffle xor %v1, %m1, %c32 : f32
  %v2 = arith.addf %v1, %o1 : f32
  %m2 = arith.constant 4 : i32
  %o2, %p2 = gpu.shuffle xor %v2, %m2, %c32 : f32
  %v3 = arith.addf %v2, %o2 : f32
  %m3 = arith.constant 8 : i32
  %o3, %p3 = gpu.shuffle xor %v3, %m3, %c32 : f32
  %v4 = arith.addf %v3, %o3 : f32
  %m4 = arith.constant 16 : i32
  %o4, %p4 = gpu.shuffle xor %v4, %m4, %c32 : f32
  %v5 = arith.addf %v4, %o4 : f32
  memref.store %v5, %y[%thread] : memref<?xf32, #gpu.address_space<global>>
  gpu.return
}
}
