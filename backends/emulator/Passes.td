//===- Passes.td - passes of the emulator ------------------*- tablegen -*-===//
#ifndef MERCER_BACKENDS_EMULATOR_PASSES
#define MERCER_BACKENDS_EMULATOR_PASSES

include "mlir/Pass/PassBase.td"

def EmulatorOutlineLanes : Pass<"mercer-emulator-outline-lanes", "::mlir::ModuleOp"> {
  let summary = "Turn every distributed kernel into a checked host function";
  let description = [{
    A kernel `k$p` of a `gpu.module` becomes `k$p_lane`, what one of its
    invocations does, and `k$p(params, begin, end, scratch)`, which has the
    runtime emulate the blocks of a range of tiles. Every access is checked:
    those to buffers that the kernel only reads in place, all others by calls;
    barriers, shuffles, matrix loads and products and asynchronous copies become
    calls.

    ```mlir
    // before
    gpu.module @k {
      gpu.func @k$0(%tiles: index, %a: memref<?xf32, #gpu.address_space<global>> {...}) kernel {
        ...
        gpu.barrier
    // after
    func.func @k$0_lane(%state: !llvm.ptr, %params: !llvm.ptr, %lane: index,
                        %block: index, %grid: index, %tiles: index) {
      ...
      llvm.call @mercer_emu_barrier(%state, %site) : (!llvm.ptr, i32) -> ()
    func.func @k$0(%params: !llvm.ptr, %begin: i64, %end: i64, %scratch: !llvm.ptr)
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect",
    "::mlir::memref::MemRefDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::func::FuncDialect", "::mlir::ub::UBDialect",
    "::mlir::vector::VectorDialect"
  ];
  let statistics = [
    Statistic<"numKernels", "kernels", "Number of kernels outlined">
  ];
}

#endif
