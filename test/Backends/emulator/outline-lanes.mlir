// RUN: mercer-opt %s --mercer-emulator-outline-lanes -split-input-file | FileCheck %s
// RUN: mercer-opt %s --mercer-emulator-pipeline -split-input-file | FileCheck %s --check-prefix=LLVM

#global = #gpu.address_space<global>
#shared = #gpu.address_space<workgroup>

// A read-only argument is checked in place, a written one and shared memory by
// calls. The parameter words are the CPU's: the number of tiles has none.

// CHECK-LABEL: func.func private @copy$0_lane(
// CHECK-SAME: %[[STATE:.*]]: !llvm.ptr, %[[PARAMS:.*]]: !llvm.ptr, %[[LANE:.*]]: index, %[[BLOCK:.*]]: index, %[[GRID:.*]]: index, %[[TILES:.*]]: index)
// CHECK: llvm.getelementptr %[[PARAMS]][1]
// CHECK: %[[N:.*]] = llvm.load {{.*}} invariant : !llvm.ptr -> i64
// CHECK: %[[SIZE:.*]] = llvm.mul %{{.*}}, %[[N]] : i64
// CHECK: llvm.getelementptr %[[PARAMS]][0]
// CHECK: %[[ELEMENTS:.*]] = arith.index_cast %[[SIZE]] : i64 to index
// CHECK: llvm.call @mercer_emu_base(%[[STATE]],
// CHECK: scf.for %{{.*}} = %[[BLOCK]] to %[[TILES]] step %[[GRID]]
// CHECK:   %[[LESS:.*]] = arith.subi %[[ELEMENTS]], %c3
// CHECK:   %[[LIMIT:.*]] = arith.maxsi %[[LESS]], %c0
// CHECK:   arith.cmpi uge, %[[AT:.*]], %[[LIMIT]] : index
// CHECK:   scf.if
// CHECK:     llvm.call @mercer_emu_bad_access(%[[STATE]],
// CHECK:   vector.load %{{.*}}[%[[AT]]] {{.*}} : memref<?xf32>, vector<4xf32>
// CHECK:   llvm.call @mercer_emu_write(%[[STATE]],
// CHECK:   vector.store {{.*}} : memref<256xf32>, vector<4xf32>
// CHECK:   llvm.call @mercer_emu_barrier(%[[STATE]],
// CHECK:   llvm.call @mercer_emu_read(%[[STATE]],
// CHECK:   llvm.call @mercer_emu_write(%[[STATE]],
// CHECK: llvm.mlir.global internal constant @copy$0_sites("vector.load\00{{.*}}outline-lanes.mlir:
// Kind, number, bytes, place, elements and words of: x, y, shared memory.
// CHECK: @copy$0_buffers(dense<[0, 1, 4, 0, 4, 1, 1, 1, 3, 4, 2, 4, 1, 3, 3, 0, 4, 0, 256, 0, 0]>
// CHECK: func.func @copy$0(%{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: !llvm.ptr) attributes {mercer.phase_of = "copy"}
// CHECK:   llvm.call @mercer_emu_run(

// LLVM: llvm.func @copy$0(%{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: !llvm.ptr) attributes {mercer.phase_of = "copy"}
gpu.module @copy {
  gpu.func @copy$0(%tiles: index,
                   %x: memref<?xf32, #global> {mercer.elements = [4, 2]}, %n: index,
                   %y: memref<?xf32, #global> {mercer.elements = [4, 4], mercer.written}, %m: index)
      workgroup(%s : memref<256xf32, #shared> {llvm.align = 16 : i64})
      kernel attributes {known_block_size = array<i32: 64, 1, 1>, mercer.subgroup = 32 : i64} {
    %lane = gpu.thread_id x
    %block = gpu.block_id x
    %grid = gpu.grid_dim x
    %c4 = arith.constant 4 : index
    scf.for %t = %block to %tiles step %grid {
      %at = arith.muli %lane, %c4 : index
      %v = vector.load %x[%at] {alignment = 16 : i64} : memref<?xf32, #global>, vector<4xf32>
      vector.store %v, %s[%at] {alignment = 16 : i64} : memref<256xf32, #shared>, vector<4xf32>
      gpu.barrier
      %w = memref.load %s[%lane] : memref<256xf32, #shared>
      memref.store %w, %y[%lane] : memref<?xf32, #global>
    }
    gpu.return
  }
}

// -----

#private = #gpu.address_space<private>

// An array stands at the start of the function and is poisoned where it was.

// CHECK-LABEL: func.func private @array$0_lane(
// CHECK-NEXT: %[[ARRAY:.*]] = memref.alloca() : memref<2xf32>
// CHECK: scf.for
// CHECK:   %[[NAN:.*]] = arith.constant 0x7FC00000 : f32
// CHECK:   memref.store %[[NAN]], %[[ARRAY]]
// CHECK:   memref.store %[[NAN]], %[[ARRAY]]
// CHECK:   memref.load %[[ARRAY]]
gpu.module @array {
  gpu.func @array$0(%tiles: index)
      kernel attributes {known_block_size = array<i32: 8, 1, 1>, mercer.subgroup = 8 : i64} {
    %c0 = arith.constant 0 : index
    %block = gpu.block_id x
    %grid = gpu.grid_dim x
    scf.for %t = %block to %tiles step %grid {
      %a = memref.alloca() : memref<2xf32, #private>
      %v = memref.load %a[%c0] : memref<2xf32, #private>
    }
    gpu.return
  }
}
