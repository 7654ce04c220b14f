// RUN: mercer-opt %s -split-input-file -verify-diagnostics -mercer-cuda-write-code='chip=sm_80' -o %t.out

gpu.module @no_block_size {
// expected-error @+1 {{[E3401] expects known_block_size of whole warps, at most 1024 threads along x}}
gpu.func @k$0(%tiles: index) kernel {
  gpu.return
}
}

// -----

gpu.module @part_of_a_warp {
// expected-error @+1 {{[E3401] expects known_block_size of whole warps, at most 1024 threads along x}}
gpu.func @k$0(%tiles: index) kernel attributes {known_block_size = array<i32: 48, 1, 1>} {
  gpu.return
}
}

// -----

gpu.module @no_tiles {
// expected-error @+1 {{[E3401] expects the number of tiles as the first argument of a distributed kernel}}
gpu.func @k$0(%x: f32) kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
  gpu.return
}
}

// -----

gpu.module @no_elements {
// expected-error @+1 {{[E3401] expects mercer.elements on argument 1}}
gpu.func @k$0(%tiles: index, %x: memref<?xf32, #gpu.address_space<global>>) kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
  gpu.return
}
}

// -----

gpu.module @size_elsewhere {
// expected-error @+1 {{[E3401] expects the sizes of buffer 1 to follow it as index arguments}}
gpu.func @k$0(%tiles: index, %x: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [4, 3]}, %a: f32, %n: index) kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
  gpu.return
}
}

// -----

gpu.module @scratch_first {
// expected-error @+1 {{[E3401] expects scratch buffers to be the last arguments}}
gpu.func @k$0(%tiles: index, %x: memref<?xf32, #gpu.address_space<global>> {mercer.scratch = 4 : i64}, %a: f32) kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
  gpu.return
}
}

// -----

gpu.module @not_flat {
// expected-error @+1 {{[E3401] expects flat buffers in global memory, got 'memref<?x4xf32, #gpu.address_space<global>>' as argument 1}}
gpu.func @k$0(%tiles: index, %x: memref<?x4xf32, #gpu.address_space<global>> {mercer.elements = [4]}) kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
  gpu.return
}
}

// -----

gpu.module @much_shared {
// expected-error @+1 {{[E3404] expects at most 166912 bytes of shared memory for sm_80, got 180000}}
gpu.func @k$0(%tiles: index) workgroup(%s: memref<45000xf32, #gpu.address_space<workgroup>>) kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
  gpu.return
}
}

// -----

// expected-error @+1 {{[E3403] expects private arrays with constant indices, got one that stays in memory in kernel dynamic_index}}
gpu.module @dynamic_index {
gpu.func @k$0(%tiles: index, %x: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [32], mercer.written}, %i: index) kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %thread = gpu.thread_id x
  %a = memref.alloca() : memref<4xf32, #gpu.address_space<private>>
  %v = memref.load %x[%thread] : memref<?xf32, #gpu.address_space<global>>
  %w = memref.load %x[%c1] : memref<?xf32, #gpu.address_space<global>>
  memref.store %v, %a[%c0] : memref<4xf32, #gpu.address_space<private>>
  memref.store %w, %a[%c1] : memref<4xf32, #gpu.address_space<private>>
  %r = memref.load %a[%i] : memref<4xf32, #gpu.address_space<private>>
  memref.store %r, %x[%thread] : memref<?xf32, #gpu.address_space<global>>
  gpu.return
}
}

// -----

gpu.module @function {
gpu.func @k$0(%tiles: index, %x: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [32], mercer.written}) kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
  %thread = gpu.thread_id x
  %v = memref.load %x[%thread] : memref<?xf32, #gpu.address_space<global>>
  // expected-error @+1 {{[E3402] expects math functions in expanded form, got math.sincos}}
  %s, %c = math.sincos %v : f32
  memref.store %s, %x[%thread] : memref<?xf32, #gpu.address_space<global>>
  gpu.return
}
}
