// Passes between tiled kernels on tensors and the host program in LLVM.
#ifndef MERCER_PASSES_HOST_PASSES
#define MERCER_PASSES_HOST_PASSES

include "mlir/Pass/PassBase.td"

def OutlineKernels : Pass<"mercer-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "Turn kernels into functions, equal ones into one";
  let description = [{
    Every `mercer.kernel` becomes a `mercer.launch` of a private function on
    buffers. Kernels that are equal up to names and locations share it; the
    model's node names stay with the launch. Values that one phase of a kernel
    hands to the next become further outputs, so that they live in the host
    program's memory plan.

    ```mlir
    %r = mercer.kernel "relu" ins(%a = %x : tensor<?xf32>) outs(%o = %e : tensor<?xf32>) { … }
    // becomes
    %r = mercer.launch @relu(%x) outs(%e) : (tensor<?xf32>) outs(tensor<?xf32>) -> tensor<?xf32>
    func.func private @relu(%a: memref<?xf32>, %o: memref<?xf32>) attributes {mercer.kernel} { … }
    ```
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect",
                           "::mlir::func::FuncDialect"];
  let statistics = [
    Statistic<"numKernels", "kernels", "Number of kernels">,
    Statistic<"numFunctions", "functions", "Number of functions after sharing">,
    Statistic<"numWorkspaces", "workspaces", "Number of buffers between phases">
  ];
}

def BufferizeKernels : Pass<"mercer-bufferize-kernels", "::mlir::func::FuncOp"> {
  let summary = "Bufferize kernel functions in destination style";
  let description = [{
    One-shot bufferization of a function marked `mercer.kernel`. Scratch becomes
    `memref.alloca` of a static size, the upper bound over all tiles, with a
    subview of the part in use. Functions without the mark are left alone.
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect",
                           "::mlir::memref::MemRefDialect"];
  let statistics = [
    Statistic<"numCopies", "copies", "Number of copies that remain">,
    Statistic<"numScratch", "scratch", "Number of scratch buffers">,
    Statistic<"scratchBytes", "scratch-bytes", "Bytes of all scratch buffers">
  ];
}

def HoistConstants : Pass<"mercer-hoist-constants", "::mlir::ModuleOp"> {
  let summary = "Move what depends on constants only to the constant program";
  let description = [{
    Operations of the entry points whose operands are all constants (packing,
    folded normalisations) move to the `@main` of the nested module
    `@mercer_constants`; a `mercer.precomputed` stands in their place. Nothing
    is moved whose results are much larger than what it reads: broadcasts stay
    where they are used. Run again, it adds to the same program.
  }];
  let dependentDialects = ["::mlir::func::FuncDialect"];
  let options = [
    Option<"growth", "growth", "int64_t", "2",
           "largest ratio of result bytes to operand bytes">,
    Option<"slack", "slack", "int64_t", "65536",
           "result bytes that are always accepted">
  ];
  let statistics = [
    Statistic<"numHoisted", "hoisted", "Number of operations moved">
  ];
}

def BufferizeHost : Pass<"mercer-bufferize-host", "::mlir::ModuleOp"> {
  let summary = "Turn the entry points into host programs on buffers";
  let description = [{
    Launches write into buffers, results are written straight into
    `mercer.output` buffers where possible, constants become slots of the
    constants section, which the module attribute `mercer.constants` lists.
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect",
                           "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect"];
  let statistics = [
    Statistic<"numCopies", "copies", "Number of copies that remain">,
    Statistic<"numConstants", "constants", "Number of constant slots">
  ];
}

def PlanMemory : Pass<"mercer-plan-memory", "::mlir::func::FuncOp"> {
  let summary = "Place the buffers of a host program in one arena";
  let description = [{
    Buffers that are never live together share space. Offsets are constants or
    expressions of the inputs' dimensions at the program's start. Buffers whose
    size depends on data, and those that a loop carries, stay with
    `memref.alloc`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::memref::MemRefDialect"];
  let options = [
    Option<"symbolValue", "symbol-value", "int64_t", "64",
           "value of a symbolic dimension that the placement is made for">
  ];
  let statistics = [
    Statistic<"numPlanned", "planned", "Number of buffers in the arena">,
    Statistic<"numHeap", "heap", "Number of buffers left to the allocator">,
    Statistic<"plannedBytes", "planned-bytes", "Bytes of the arena (symbols at their representative value)">,
    Statistic<"lowerBound", "lower-bound", "Most bytes live at once">
  ];
}

def EmitShapes : Pass<"mercer-emit-shapes", "::mlir::ModuleOp"> {
  let summary = "Emit for every entry point the function that infers output shapes";
  let description = [{
    `@main` gets a sibling `@main_shapes` that computes the dimensions of all
    outputs from those of the inputs; -1 stands for what depends on data.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::arith::ArithDialect",
                           "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect"];
}

def LowerHost : Pass<"mercer-lower-host", "::mlir::ModuleOp"> {
  let summary = "Lower host programs to calls through the runtime's table";
  let description = [{
    Entry points become functions with the C signature of
    runtime/include/mercer/abi.h, still with upstream arithmetic, control flow
    and views, which the usual conversions take to the LLVM dialect.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect",
                           "::mlir::cf::ControlFlowDialect",
                           "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect"];
}

#endif
