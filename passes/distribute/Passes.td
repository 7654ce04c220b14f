//===- Passes.td - tiles to threads ------------------------*- tablegen -*-===//
#ifndef MERCER_PASSES_DISTRIBUTE_TD
#define MERCER_PASSES_DISTRIBUTE_TD

include "mlir/Pass/PassBase.td"

def Distribute : Pass<"mercer-distribute", "::mlir::ModuleOp"> {
  let summary = "Give the tiles of kernels to workgroups and their elements to threads";
  let description = [{
    For every kernel on buffers one `gpu.module` is made beside it, with one
    `gpu.func` a phase. A workgroup computes one tile at a time; its threads
    share every operation of the tile. Scratch of a tile is in registers, in
    shared memory or, when it is too large, in global memory; barriers stand
    where one thread's data is another's. The kernel function stays: the host
    program is made from it. docs/backends.md describes the result, the
    *distributed IR*.

    ```mlir
    // before
    func.func private @k(%x: memref<?xf32>, %y: memref<?xf32>) attributes {mercer.kernel} {
      scf.forall (%i) = (0) to (%n) step (1024) { linalg.generic ... }
    }
    // after
    gpu.module @k {
      gpu.func @k$0(%tiles: index, %x: memref<?xf32, #gpu.address_space<global>>, %nx: index, ...)
          kernel attributes {known_block_size = array<i32: 128, 1, 1>} {
        scf.for %t = %block_id_x to %tiles step %grid_dim_x { ... }
      }
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::gpu::GPUDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::nvgpu::NVGPUDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"
  ];
  let statistics = [
    Statistic<"numKernels", "kernels", "Number of distributed kernels">,
    Statistic<"numBarriers", "barriers", "Number of barriers placed">,
    Statistic<"numGlobalScratch", "global-scratch",
              "Number of scratch buffers too large for shared memory">
  ];
}

#endif
