// RUN: mercer-opt %s --mercer-emulator-outline-lanes -split-input-file -verify-diagnostics

#global = #gpu.address_space<global>

gpu.module @k {
  // expected-error @+1 {{[E3601] expects known_block_size of the form [N, 1, 1]}}
  gpu.func @k$0(%tiles: index) kernel attributes {mercer.subgroup = 32 : i64} {
    gpu.return
  }
}

// -----

gpu.module @k {
  // expected-error @+1 {{[E3601] expects mercer.subgroup of at most 32 and a block of at most 1024 that it divides}}
  gpu.func @k$0(%tiles: index) kernel attributes {known_block_size = array<i32: 48, 1, 1>, mercer.subgroup = 32 : i64} {
    gpu.return
  }
}

// -----

#global = #gpu.address_space<global>

gpu.module @k {
  // expected-error @+1 {{[E3601] argument 1: expects mercer.elements = [static factor, arguments...]}}
  gpu.func @k$0(%tiles: index, %x: memref<?xf32, #global>)
      kernel attributes {known_block_size = array<i32: 32, 1, 1>, mercer.subgroup = 32 : i64} {
    gpu.return
  }
}

// -----

#global = #gpu.address_space<global>

gpu.module @k {
  gpu.func @k$0(%tiles: index, %x: memref<?xf32, #global> {mercer.elements = [32]})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>, mercer.subgroup = 32 : i64} {
    %lane = gpu.thread_id x
    %v = arith.constant 1.0 : f32
    // expected-error @+1 {{[E3601] expects mercer.written on the argument that is stored to}}
    memref.store %v, %x[%lane] : memref<?xf32, #global>
    gpu.return
  }
}

// -----

gpu.module @k {
  gpu.func @k$0(%tiles: index)
      kernel attributes {known_block_size = array<i32: 32, 1, 1>, mercer.subgroup = 32 : i64} {
    // expected-error @+1 {{[E3601] has no place in a distributed kernel}}
    %id = gpu.subgroup_id : index
    gpu.return
  }
}

// -----

#shared = #gpu.address_space<workgroup>

gpu.module @k {
  gpu.func @k$0(%tiles: index) workgroup(%s : memref<64xf16, #shared>)
      kernel attributes {known_block_size = array<i32: 8, 1, 1>, mercer.subgroup = 8 : i64} {
    %c0 = arith.constant 0 : index
    // expected-error @+1 {{[E3601] expects 1, 2 or 4 matrices in shared memory, transposed only for 16-bit elements}}
    %m = nvgpu.ldmatrix %s[%c0] {numTiles = 1 : i32, transpose = false} : memref<64xf16, #shared> -> vector<1x2xf16>
    gpu.return
  }
}

// -----

gpu.module @k {
  gpu.func @k$0(%tiles: index)
      kernel attributes {known_block_size = array<i32: 8, 1, 1>, mercer.subgroup = 8 : i64} {
    %a = arith.constant dense<1.0> : vector<4x2xf16>
    %b = arith.constant dense<1.0> : vector<2x2xf16>
    %c = arith.constant dense<1.0> : vector<2x2xf32>
    // expected-error @+1 {{[E3601] no matrix product of this shape and type is emulated}}
    %d = nvgpu.mma.sync (%a, %b, %c) {mmaShape = [16, 8, 16]} : (vector<4x2xf16>, vector<2x2xf16>, vector<2x2xf32>) -> vector<2x2xf32>
    gpu.return
  }
}
