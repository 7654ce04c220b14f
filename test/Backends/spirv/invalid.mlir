// RUN: mercer-opt %s -split-input-file -verify-diagnostics -mercer-convert-to-spirv

module attributes {mercer.target = {kind = "vulkan", cpu = "vulkan1.1", features = "+spirv1.3", threads = 128 : i64, subgroup = 8 : i64, shared = 16384 : i64}} {
gpu.module @m {
  // expected-error @+1 {{[E3303] expects known_block_size = array<i32: N, 1, 1> on a distributed kernel}}
  gpu.func @size(%tiles: index) kernel {
    gpu.return
  }
}
}

// -----

gpu.module @m {
  // expected-error @+1 {{[E3303] expects the number of tiles, an index, as the first argument of a distributed kernel}}
  gpu.func @tiles(%n: i32) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    gpu.return
  }
}

// -----

gpu.module @m {
  // expected-error @+1 {{[E3303] expects a scalar or a flat global buffer as argument 1, found 'memref<4x4xf32>'}}
  gpu.func @buffer(%tiles: index, %x: memref<4x4xf32>) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    gpu.return
  }
}

// -----

gpu.module @m {
  // expected-error @+1 {{[E3303] expects mercer.elements or mercer.scratch on buffer argument 1}}
  gpu.func @elements(%tiles: index, %x: memref<?xf32, #gpu.address_space<global>>) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    gpu.return
  }
}

// -----

gpu.module @m {
  // expected-error @+1 {{[E3303] expects 1 sizes of type index after buffer argument 0}}
  gpu.func @dims(%tiles: index, %x: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [1, 2]}) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @not_written(%tiles: index, %x: memref<?xf32, #gpu.address_space<global>> {mercer.elements = [64]}, %s: f32) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    // expected-error @+1 {{[E3303] expects mercer.written on a buffer that is stored to}}
    memref.store %s, %x[%tiles] : memref<?xf32, #gpu.address_space<global>>
    gpu.return
  }
}

// -----

gpu.module @m {
  // expected-error @+1 {{[E3302] expects i1, i8, i16, i32, i64, index, f16, bf16, f32 or f64, found 'f8E5M2'}}
  gpu.func @type(%tiles: index, %x: f8E5M2) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @constant(%tiles: index) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    // expected-error @+1 {{[E3302] expects indices of 32 bits, found 8589934592}}
    %c = arith.constant 8589934592 : index
    gpu.return
  }
}

// -----

module attributes {mercer.target = {kind = "vulkan", cpu = "vulkan1.1", features = "+spirv1.3", threads = 128 : i64, subgroup = 8 : i64, shared = 16384 : i64}} {
gpu.module @m {
  // expected-error @+1 {{[E3304] expects at most 16384 bytes of workgroup memory on vulkan1.1, found 32768}}
  gpu.func @shared(%tiles: index) workgroup(%w: memref<8192xf32, #gpu.address_space<workgroup>>) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    gpu.return
  }
}
}

// -----

module attributes {mercer.target = {kind = "vulkan", cpu = "vulkan1.1", features = "+spirv1.3", threads = 128 : i64, subgroup = 8 : i64, shared = 16384 : i64}} {
gpu.module @m {
  // expected-error @+1 {{[E3304] expects at most 128 invocations of a workgroup on vulkan1.1, found 256}}
  gpu.func @threads(%tiles: index) kernel attributes {known_block_size = array<i32: 256, 1, 1>} {
    gpu.return
  }
}
}

// -----

gpu.module @m {
  gpu.func @function(%tiles: index, %s: f32) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    // expected-error @+1 {{[E3301] no form of 'math.exp' on floats in SPIR-V; expects arith, and of math what mercer-expand-math leaves}}
    %e = math.exp %s : f32
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @narrow(%tiles: index, %s: f16) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    // expected-error @+1 {{[E3301] no arithmetic on 16-bit floats in SPIR-V; expects mercer-expand-math before}}
    %e = arith.addf %s, %s : f16
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @shuffle(%tiles: index, %s: f32, %m: i32) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    // expected-error @+1 {{[E3301] no form of this shuffle in SPIR-V; expects gpu.shuffle xor}}
    %e, %ok = gpu.shuffle up %s, %m, %m : f32
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @operation(%tiles: index, %s: f32) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    // expected-error @+1 {{[E3301] no form of 'gpu.printf' in SPIR-V}}
    gpu.printf "%f", %s : f32
    gpu.return
  }
}
