//===- Passes.td - passes of the CUDA backend --------------*- tablegen -*-===//
#ifndef MERCER_BACKENDS_CUDA_PASSES
#define MERCER_BACKENDS_CUDA_PASSES

include "mlir/Pass/PassBase.td"

def CudaFormKernels : Pass<"mercer-cuda-form-kernels", "::mlir::gpu::GPUModuleOp"> {
  let summary = "Give distributed kernels the launch form of CUDA";
  let description = [{
    Buffers become plain pointers (`mercer.params` keeps what the launch has to
    know of each), shared memory beyond 48 KiB is laid out in the dynamic block
    that a launch asks for, and loops that index private arrays are unrolled, so
    that those end in registers.

    ```mlir
    // before
    gpu.func @k$0(%tiles: index,
                  %a: memref<?xf32, #gpu.address_space<global>>
                      {mercer.elements = [8, 2]}, %n: index) kernel
    // after
    gpu.func @k$0(%tiles: index,
                  %a: !llvm.ptr<1> {llvm.noalias, llvm.readonly},
                  %n: index) kernel
        attributes {mercer.params = [array<i64: 1, 4, 0, 1, 8>]}
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::scf::SCFDialect"
  ];
  let statistics = [
    Statistic<"numUnrolled", "unrolled", "Number of loops over private arrays unrolled">,
    Statistic<"numDynamic", "dynamic-shared", "Number of kernels with dynamic shared memory">
  ];
}

def CudaLowerToNVVM : Pass<"mercer-cuda-lower-to-nvvm", "::mlir::gpu::GPUModuleOp"> {
  let summary = "Lower distributed kernels to the LLVM and NVVM dialects";
  let description = [{
    One conversion with all patterns at once; no pattern may call a function of
    a device library.
  }];
  let dependentDialects = [
    "::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect",
    "::mlir::cf::ControlFlowDialect"
  ];
}

def CudaWriteCode : Pass<"mercer-cuda-write-code", "::mlir::ModuleOp"> {
  let summary = "Write the code of the kernels of a module, lowered or not";
  let description = [{
    For tests: prints PTX or LLVM IR to standard output, or writes PTX and
    machine code to `to`. The module itself is not changed.
  }];
  let options = [
    Option<"chip", "chip", "std::string", /*default=*/"",
           "sm_80, sm_90a, ...; empty: the module's target">,
    Option<"output", "output", "std::string", /*default=*/"\"ptx\"",
           "ptx, cubin or llvm">,
    Option<"to", "to", "std::string", /*default=*/"\"-\"",
           "folder for one file a gpu.module; - for standard output">
  ];
}

#endif
