//===- Passes.td - passes of the CPU backend ---------------*- tablegen -*-===//
#ifndef MERCER_BACKENDS_CPU_PASSES
#define MERCER_BACKENDS_CPU_PASSES

include "mlir/Pass/PassBase.td"

def CpuOutlinePhases : Pass<"mercer-cpu-outline-phases", "::mlir::ModuleOp"> {
  let summary = "Turn every top-level scf.forall of a kernel into two functions";
  let description = [{
    A kernel function becomes, for each phase p, `k$p_grid(params) -> tiles` and
    `k$p(params, begin, end, scratch)`, which runs the linear tiles
    [begin, end). `params` holds one 64-bit word a scalar and, for a memref, its
    data pointer and its dynamic sizes. Index arithmetic outside the phases is
    computed again in each of them. Scratch that is too large for the stack is
    taken from `scratch`; its size is left in `mercer.scratch_bytes`.

    ```mlir
    // before
    func.func @k(%a: memref<?xf32>, %n: index) attributes {mercer.kernel} {
      scf.forall (%i) = (0) to (%n) step (64) { ... }
      return
    }
    // after
    func.func @k$0_grid(%params: !llvm.ptr) -> i64
    func.func @k$0(%params: !llvm.ptr, %begin: i64, %end: i64, %scratch: !llvm.ptr)
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect",
    "::mlir::memref::MemRefDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::affine::AffineDialect", "::mlir::func::FuncDialect"
  ];
  let options = [
    Option<"stackBytes", "stack-bytes", "int64_t", /*default=*/"262144",
           "scratch of one tile that may live on the stack">,
    Option<"gridsOnly", "grids-only", "bool", /*default=*/"false",
           "only count tiles: the phases themselves run on a device">
  ];
  let statistics = [
    Statistic<"numPhases", "phases", "Number of phases outlined">
  ];
}

def CpuVectorizeLinalg : Pass<"mercer-cpu-vectorize-linalg"> {
  let summary = "Write linalg ops on buffers as register-blocked vector loops";
  let description = [{
    One generator for every linalg op on memrefs: one loop goes over the lanes,
    one or more give rows of a register block, reductions keep native vectors as
    loop-carried accumulators. Edges are smaller blocks and masked vectors. The
    block obeys `rows * vectors + vectors + 1 <= registers` of `mercer.target`;
    `mercer.register = array<i64: rows, vectors>` on an op overrides it. An op
    for which there is no vector form becomes scalar loops, with a remark.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
    "::mlir::linalg::LinalgDialect",
    "::mlir::scf::SCFDialect", "::mlir::memref::MemRefDialect",
    "::mlir::vector::VectorDialect"
  ];
  let statistics = [
    Statistic<"numVectorized", "vectorized", "Number of ops in vector form">,
    Statistic<"numScalar", "scalar", "Number of ops left as scalar loops">,
    Statistic<"numFolded", "folded-fills", "Number of fills that became initial values">
  ];
}

def CpuLowerToLLVM : Pass<"mercer-cpu-lower-to-llvm", "::mlir::ModuleOp"> {
  let summary = "Lower loops, vectors, buffers and functions to the LLVM dialect";
  let description = [{
    One conversion with all patterns at once, which keeps loop-carried values in
    registers and costs a fraction of the separate passes.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::cf::ControlFlowDialect"];
}

#endif
