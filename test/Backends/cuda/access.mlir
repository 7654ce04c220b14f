// RUN: mercer-opt %s -mercer-cuda-write-code='chip=sm_80' -o %t.out | FileCheck %s

// Forms of access: what is only read takes the read-only path, naturally
// aligned vectors are single accesses, nothing is in local memory.

// CHECK-NOT: .local
// CHECK-NOT: .func

gpu.module @scalars {
// One element at a time; the tile loop strides by the grid.
// CHECK-LABEL: .entry scale$0(
// CHECK-DAG: .param .u64 scale$0_param_0,
// CHECK-DAG: .param .u64 .ptr .global .align 4 scale$0_param_1,
// CHECK-DAG: .param .u64 scale$0_param_2,
// CHECK: .reqntid 128, 1, 1
// CHECK-DAG: mov.u32 {{.*}}, %ctaid.x;
// CHECK-DAG: mov.u32 {{.*}}, %nctaid.x;
// CHECK: ld.global.nc.b32
// CHECK: mul.rn.f32
// CHECK: st.global.b32
gpu.func @scale$0(%tiles: index,
    %x: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [1, 2]}, %n: index,
    %y: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [1, 4], mercer.written}, %m: index,
    %factor: f32) kernel
    attributes {known_block_size = array<i32: 128, 1, 1>, mercer.subgroup = 32 : i64} {
  %c128 = arith.constant 128 : index
  %block = gpu.block_id x
  %blocks = gpu.grid_dim x
  %thread = gpu.thread_id x
  scf.for %t = %block to %tiles step %blocks {
    %start = arith.muli %t, %c128 : index
    %i = arith.addi %start, %thread : index
    %inside = arith.cmpi ult, %i, %n : index
    scf.if %inside {
      %v = memref.load %x[%i] : memref<?xf32, #gpu.address_space<global>>
      %w = arith.mulf %v, %factor : f32
      memref.store %w, %y[%i] : memref<?xf32, #gpu.address_space<global>>
    }
  }
  gpu.return
}
}

gpu.module @vectors {

// CHECK-LABEL: .entry copy_v4f32$0(
// CHECK: ld.global.nc.v4.b32
// CHECK: st.shared.v4.b32
// CHECK: bar.sync
// CHECK: ld.shared.v4.b32
// CHECK: st.global.v4.b32
gpu.func @copy_v4f32$0(%tiles: index,
    %x: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [128]},
    %y: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [128], mercer.written})
    workgroup(%s: memref<128xf32, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c4 = arith.constant 4 : index
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %other = arith.subi %last, %thread : index
  %i = arith.muli %thread, %c4 : index
  %j = arith.muli %other, %c4 : index
  %v = vector.load %x[%i] {alignment = 16 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<4xf32>
  vector.store %v, %s[%i] {alignment = 16 : i64} : memref<128xf32, #gpu.address_space<workgroup>>, vector<4xf32>
  gpu.barrier
  %w = vector.load %s[%j] {alignment = 16 : i64} : memref<128xf32, #gpu.address_space<workgroup>>, vector<4xf32>
  vector.store %w, %y[%i] {alignment = 16 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<4xf32>
  gpu.return
}
// CHECK-LABEL: .entry copy_v2f32$0(
// CHECK: ld.global.nc.v2.b32
// CHECK: st.shared.v2.b32
// CHECK: bar.sync
// CHECK: ld.shared.v2.b32
// CHECK: st.global.v2.b32
gpu.func @copy_v2f32$0(%tiles: index,
    %x: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [64]},
    %y: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [64], mercer.written})
    workgroup(%s: memref<64xf32, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c2 = arith.constant 2 : index
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %other = arith.subi %last, %thread : index
  %i = arith.muli %thread, %c2 : index
  %j = arith.muli %other, %c2 : index
  %v = vector.load %x[%i] {alignment = 8 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<2xf32>
  vector.store %v, %s[%i] {alignment = 8 : i64} : memref<64xf32, #gpu.address_space<workgroup>>, vector<2xf32>
  gpu.barrier
  %w = vector.load %s[%j] {alignment = 8 : i64} : memref<64xf32, #gpu.address_space<workgroup>>, vector<2xf32>
  vector.store %w, %y[%i] {alignment = 8 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<2xf32>
  gpu.return
}
// CHECK-LABEL: .entry copy_v8f16$0(
// CHECK: ld.global.nc.v4.b32
// CHECK: st.shared.v4.b32
// CHECK: bar.sync
// CHECK: ld.shared.v4.b32
// CHECK: st.global.v4.b32
gpu.func @copy_v8f16$0(%tiles: index,
    %x: memref<?xf16, #gpu.address_space<global>> {mercer.elements = [256]},
    %y: memref<?xf16, #gpu.address_space<global>> {mercer.elements = [256], mercer.written})
    workgroup(%s: memref<256xf16, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c8 = arith.constant 8 : index
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %other = arith.subi %last, %thread : index
  %i = arith.muli %thread, %c8 : index
  %j = arith.muli %other, %c8 : index
  %v = vector.load %x[%i] {alignment = 16 : i64} : memref<?xf16, #gpu.address_space<global>>, vector<8xf16>
  vector.store %v, %s[%i] {alignment = 16 : i64} : memref<256xf16, #gpu.address_space<workgroup>>, vector<8xf16>
  gpu.barrier
  %w = vector.load %s[%j] {alignment = 16 : i64} : memref<256xf16, #gpu.address_space<workgroup>>, vector<8xf16>
  vector.store %w, %y[%i] {alignment = 16 : i64} : memref<?xf16, #gpu.address_space<global>>, vector<8xf16>
  gpu.return
}
// CHECK-LABEL: .entry copy_v4f16$0(
// CHECK: ld.global.nc.v2.b32
// CHECK: st.shared.v2.b32
// CHECK: bar.sync
// CHECK: ld.shared.v2.b32
// CHECK: st.global.v2.b32
gpu.func @copy_v4f16$0(%tiles: index,
    %x: memref<?xf16, #gpu.address_space<global>> {mercer.elements = [128]},
    %y: memref<?xf16, #gpu.address_space<global>> {mercer.elements = [128], mercer.written})
    workgroup(%s: memref<128xf16, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c4 = arith.constant 4 : index
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %other = arith.subi %last, %thread : index
  %i = arith.muli %thread, %c4 : index
  %j = arith.muli %other, %c4 : index
  %v = vector.load %x[%i] {alignment = 8 : i64} : memref<?xf16, #gpu.address_space<global>>, vector<4xf16>
  vector.store %v, %s[%i] {alignment = 8 : i64} : memref<128xf16, #gpu.address_space<workgroup>>, vector<4xf16>
  gpu.barrier
  %w = vector.load %s[%j] {alignment = 8 : i64} : memref<128xf16, #gpu.address_space<workgroup>>, vector<4xf16>
  vector.store %w, %y[%i] {alignment = 8 : i64} : memref<?xf16, #gpu.address_space<global>>, vector<4xf16>
  gpu.return
}
// CHECK-LABEL: .entry copy_v2f16$0(
// CHECK: ld.global.nc.b32
// CHECK: st.shared.b32
// CHECK: bar.sync
// CHECK: ld.shared.b32
// CHECK: st.global.b32
gpu.func @copy_v2f16$0(%tiles: index,
    %x: memref<?xf16, #gpu.address_space<global>> {mercer.elements = [64]},
    %y: memref<?xf16, #gpu.address_space<global>> {mercer.elements = [64], mercer.written})
    workgroup(%s: memref<64xf16, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c2 = arith.constant 2 : index
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %other = arith.subi %last, %thread : index
  %i = arith.muli %thread, %c2 : index
  %j = arith.muli %other, %c2 : index
  %v = vector.load %x[%i] {alignment = 4 : i64} : memref<?xf16, #gpu.address_space<global>>, vector<2xf16>
  vector.store %v, %s[%i] {alignment = 4 : i64} : memref<64xf16, #gpu.address_space<workgroup>>, vector<2xf16>
  gpu.barrier
  %w = vector.load %s[%j] {alignment = 4 : i64} : memref<64xf16, #gpu.address_space<workgroup>>, vector<2xf16>
  vector.store %w, %y[%i] {alignment = 4 : i64} : memref<?xf16, #gpu.address_space<global>>, vector<2xf16>
  gpu.return
}
// CHECK-LABEL: .entry copy_v8bf16$0(
// CHECK: ld.global.nc.v4.b32
// CHECK: st.shared.v4.b32
// CHECK: bar.sync
// CHECK: ld.shared.v4.b32
// CHECK: st.global.v4.b32
gpu.func @copy_v8bf16$0(%tiles: index,
    %x: memref<?xbf16, #gpu.address_space<global>> {mercer.elements = [256]},
    %y: memref<?xbf16, #gpu.address_space<global>> {mercer.elements = [256], mercer.written})
    workgroup(%s: memref<256xbf16, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c8 = arith.constant 8 : index
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %other = arith.subi %last, %thread : index
  %i = arith.muli %thread, %c8 : index
  %j = arith.muli %other, %c8 : index
  %v = vector.load %x[%i] {alignment = 16 : i64} : memref<?xbf16, #gpu.address_space<global>>, vector<8xbf16>
  vector.store %v, %s[%i] {alignment = 16 : i64} : memref<256xbf16, #gpu.address_space<workgroup>>, vector<8xbf16>
  gpu.barrier
  %w = vector.load %s[%j] {alignment = 16 : i64} : memref<256xbf16, #gpu.address_space<workgroup>>, vector<8xbf16>
  vector.store %w, %y[%i] {alignment = 16 : i64} : memref<?xbf16, #gpu.address_space<global>>, vector<8xbf16>
  gpu.return
}
// CHECK-LABEL: .entry copy_v16i8$0(
// CHECK: ld.global.nc.v4.b32
// CHECK: st.shared.v4.b32
// CHECK: bar.sync
// CHECK: ld.shared.v4.b32
// CHECK: st.global.v4.b32
gpu.func @copy_v16i8$0(%tiles: index,
    %x: memref<?xi8, #gpu.address_space<global>> {mercer.elements = [512]},
    %y: memref<?xi8, #gpu.address_space<global>> {mercer.elements = [512], mercer.written})
    workgroup(%s: memref<512xi8, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c16 = arith.constant 16 : index
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %other = arith.subi %last, %thread : index
  %i = arith.muli %thread, %c16 : index
  %j = arith.muli %other, %c16 : index
  %v = vector.load %x[%i] {alignment = 16 : i64} : memref<?xi8, #gpu.address_space<global>>, vector<16xi8>
  vector.store %v, %s[%i] {alignment = 16 : i64} : memref<512xi8, #gpu.address_space<workgroup>>, vector<16xi8>
  gpu.barrier
  %w = vector.load %s[%j] {alignment = 16 : i64} : memref<512xi8, #gpu.address_space<workgroup>>, vector<16xi8>
  vector.store %w, %y[%i] {alignment = 16 : i64} : memref<?xi8, #gpu.address_space<global>>, vector<16xi8>
  gpu.return
}
// CHECK-LABEL: .entry copy_v8i8$0(
// CHECK: ld.global.nc.v2.b32
// CHECK: st.shared.v2.b32
// CHECK: bar.sync
// CHECK: ld.shared.v2.b32
// CHECK: st.global.v2.b32
gpu.func @copy_v8i8$0(%tiles: index,
    %x: memref<?xi8, #gpu.address_space<global>> {mercer.elements = [256]},
    %y: memref<?xi8, #gpu.address_space<global>> {mercer.elements = [256], mercer.written})
    workgroup(%s: memref<256xi8, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c8 = arith.constant 8 : index
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %other = arith.subi %last, %thread : index
  %i = arith.muli %thread, %c8 : index
  %j = arith.muli %other, %c8 : index
  %v = vector.load %x[%i] {alignment = 8 : i64} : memref<?xi8, #gpu.address_space<global>>, vector<8xi8>
  vector.store %v, %s[%i] {alignment = 8 : i64} : memref<256xi8, #gpu.address_space<workgroup>>, vector<8xi8>
  gpu.barrier
  %w = vector.load %s[%j] {alignment = 8 : i64} : memref<256xi8, #gpu.address_space<workgroup>>, vector<8xi8>
  vector.store %w, %y[%i] {alignment = 8 : i64} : memref<?xi8, #gpu.address_space<global>>, vector<8xi8>
  gpu.return
}
// CHECK-LABEL: .entry copy_v4i8$0(
// CHECK: ld.global.nc.b32
// CHECK: st.shared.b32
// CHECK: bar.sync
// CHECK: ld.shared.b32
// CHECK: st.global.b32
gpu.func @copy_v4i8$0(%tiles: index,
    %x: memref<?xi8, #gpu.address_space<global>> {mercer.elements = [128]},
    %y: memref<?xi8, #gpu.address_space<global>> {mercer.elements = [128], mercer.written})
    workgroup(%s: memref<128xi8, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c4 = arith.constant 4 : index
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %other = arith.subi %last, %thread : index
  %i = arith.muli %thread, %c4 : index
  %j = arith.muli %other, %c4 : index
  %v = vector.load %x[%i] {alignment = 4 : i64} : memref<?xi8, #gpu.address_space<global>>, vector<4xi8>
  vector.store %v, %s[%i] {alignment = 4 : i64} : memref<128xi8, #gpu.address_space<workgroup>>, vector<4xi8>
  gpu.barrier
  %w = vector.load %s[%j] {alignment = 4 : i64} : memref<128xi8, #gpu.address_space<workgroup>>, vector<4xi8>
  vector.store %w, %y[%i] {alignment = 4 : i64} : memref<?xi8, #gpu.address_space<global>>, vector<4xi8>
  gpu.return
}
// CHECK-LABEL: .entry copy_v2f64$0(
// CHECK: ld.global.nc.v2.b64
// CHECK: st.shared.v2.b64
// CHECK: bar.sync
// CHECK: ld.shared.v2.b64
// CHECK: st.global.v2.b64
gpu.func @copy_v2f64$0(%tiles: index,
    %x: memref<?xf64, #gpu.address_space<global>> {mercer.elements = [64]},
    %y: memref<?xf64, #gpu.address_space<global>> {mercer.elements = [64], mercer.written})
    workgroup(%s: memref<64xf64, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c2 = arith.constant 2 : index
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %other = arith.subi %last, %thread : index
  %i = arith.muli %thread, %c2 : index
  %j = arith.muli %other, %c2 : index
  %v = vector.load %x[%i] {alignment = 16 : i64} : memref<?xf64, #gpu.address_space<global>>, vector<2xf64>
  vector.store %v, %s[%i] {alignment = 16 : i64} : memref<64xf64, #gpu.address_space<workgroup>>, vector<2xf64>
  gpu.barrier
  %w = vector.load %s[%j] {alignment = 16 : i64} : memref<64xf64, #gpu.address_space<workgroup>>, vector<2xf64>
  vector.store %w, %y[%i] {alignment = 16 : i64} : memref<?xf64, #gpu.address_space<global>>, vector<2xf64>
  gpu.return
}
// CHECK-LABEL: .entry copy_v2i64$0(
// CHECK: ld.global.nc.v2.b64
// CHECK: st.shared.v2.b64
// CHECK: bar.sync
// CHECK: ld.shared.v2.b64
// CHECK: st.global.v2.b64
gpu.func @copy_v2i64$0(%tiles: index,
    %x: memref<?xi64, #gpu.address_space<global>> {mercer.elements = [64]},
    %y: memref<?xi64, #gpu.address_space<global>> {mercer.elements = [64], mercer.written})
    workgroup(%s: memref<64xi64, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c2 = arith.constant 2 : index
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %other = arith.subi %last, %thread : index
  %i = arith.muli %thread, %c2 : index
  %j = arith.muli %other, %c2 : index
  %v = vector.load %x[%i] {alignment = 16 : i64} : memref<?xi64, #gpu.address_space<global>>, vector<2xi64>
  vector.store %v, %s[%i] {alignment = 16 : i64} : memref<64xi64, #gpu.address_space<workgroup>>, vector<2xi64>
  gpu.barrier
  %w = vector.load %s[%j] {alignment = 16 : i64} : memref<64xi64, #gpu.address_space<workgroup>>, vector<2xi64>
  vector.store %w, %y[%i] {alignment = 16 : i64} : memref<?xi64, #gpu.address_space<global>>, vector<2xi64>
  gpu.return
}
// CHECK-LABEL: .entry copy_v4i32$0(
// CHECK: ld.global.nc.v4.b32
// CHECK: st.shared.v4.b32
// CHECK: bar.sync
// CHECK: ld.shared.v4.b32
// CHECK: st.global.v4.b32
gpu.func @copy_v4i32$0(%tiles: index,
    %x: memref<?xi32, #gpu.address_space<global>> {mercer.elements = [128]},
    %y: memref<?xi32, #gpu.address_space<global>> {mercer.elements = [128], mercer.written})
    workgroup(%s: memref<128xi32, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c4 = arith.constant 4 : index
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %other = arith.subi %last, %thread : index
  %i = arith.muli %thread, %c4 : index
  %j = arith.muli %other, %c4 : index
  %v = vector.load %x[%i] {alignment = 16 : i64} : memref<?xi32, #gpu.address_space<global>>, vector<4xi32>
  vector.store %v, %s[%i] {alignment = 16 : i64} : memref<128xi32, #gpu.address_space<workgroup>>, vector<4xi32>
  gpu.barrier
  %w = vector.load %s[%j] {alignment = 16 : i64} : memref<128xi32, #gpu.address_space<workgroup>>, vector<4xi32>
  vector.store %w, %y[%i] {alignment = 16 : i64} : memref<?xi32, #gpu.address_space<global>>, vector<4xi32>
  gpu.return
}
// CHECK-LABEL: .entry copy_v8i16$0(
// CHECK: ld.global.nc.v4.b32
// CHECK: st.shared.v4.b32
// CHECK: bar.sync
// CHECK: ld.shared.v4.b32
// CHECK: st.global.v4.b32
gpu.func @copy_v8i16$0(%tiles: index,
    %x: memref<?xi16, #gpu.address_space<global>> {mercer.elements = [256]},
    %y: memref<?xi16, #gpu.address_space<global>> {mercer.elements = [256], mercer.written})
    workgroup(%s: memref<256xi16, #gpu.address_space<workgroup>>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c8 = arith.constant 8 : index
  %last = arith.constant 31 : index
  %thread = gpu.thread_id x
  %other = arith.subi %last, %thread : index
  %i = arith.muli %thread, %c8 : index
  %j = arith.muli %other, %c8 : index
  %v = vector.load %x[%i] {alignment = 16 : i64} : memref<?xi16, #gpu.address_space<global>>, vector<8xi16>
  vector.store %v, %s[%i] {alignment = 16 : i64} : memref<256xi16, #gpu.address_space<workgroup>>, vector<8xi16>
  gpu.barrier
  %w = vector.load %s[%j] {alignment = 16 : i64} : memref<256xi16, #gpu.address_space<workgroup>>, vector<8xi16>
  vector.store %w, %y[%i] {alignment = 16 : i64} : memref<?xi16, #gpu.address_space<global>>, vector<8xi16>
  gpu.return
}
}
