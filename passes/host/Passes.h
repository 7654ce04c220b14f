//===- Passes.h - from tiled kernels to a host program ----------*- C++ -*-===//
//
// Outlining and bufferization of kernels, the host program with its memory
// plan, and the constant program.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_PASSES_HOST_PASSES_H
#define MERCER_PASSES_HOST_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir {
class DialectRegistry;
namespace arith {
class ArithDialect;
}
namespace bufferization {
class BufferizationDialect;
}
namespace cf {
class ControlFlowDialect;
}
namespace LLVM {
class LLVMDialect;
}
namespace memref {
class MemRefDialect;
}
namespace scf {
class SCFDialect;
}
} // namespace mlir

namespace mercer {

#define GEN_PASS_DECL
#include "passes/host/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/host/Passes.h.inc"

/// How `mercer.launch` and the constants bufferize.
void registerHostBufferizationModels(mlir::DialectRegistry &registry);

/// `memref.expand_shape` of contiguous buffers to `memref.reinterpret_cast`.
void populateExpandContiguousPatterns(mlir::RewritePatternSet &patterns);

/// Marks a kernel function.
inline llvm::StringLiteral kernelAttrName() { return "mercer.kernel"; }

/// Symbol of the nested module that holds the constant program.
inline llvm::StringLiteral constantsModuleName() { return "mercer_constants"; }

/// Module attribute: one dictionary a constant slot, with either `file`,
/// `offset` and `length`, or `value`, or `precomputed`.
inline llvm::StringLiteral constantsAttrName() { return "mercer.constants"; }

/// Marks the shape function of an entry point.
inline llvm::StringLiteral shapesAttrName() { return "mercer.shapes"; }

/// On the declaration of a kernel: its number of phases.
inline llvm::StringLiteral phasesAttrName() { return "mercer.phases"; }

/// Module attribute written by `mercer-lower-host`: for every launch site its
/// kernel and node names.
inline llvm::StringLiteral sitesAttrName() { return "mercer.sites"; }

/// The nested module with the constant program; null where there is none.
mlir::ModuleOp getConstantsModule(mlir::ModuleOp module);

/// Names of the model's nodes that `kernel` computes: its attribute
/// `mercer.nodes`, or what the locations of its operations say.
llvm::SmallVector<llvm::StringRef> nodeNames(mlir::Operation *kernel);

/// Whether the function is an entry point of its module: public, with a body,
/// neither a kernel nor a shape function.
bool isEntryPoint(mlir::func::FuncOp function);

/// Whether the elements of a buffer of a host program are one range of memory
/// in row-major order, as kernels expect.
bool isContiguous(mlir::Value buffer);

/// Number of phases of a bufferized kernel: its outermost parallel loops, or
/// what its declaration states.
int64_t countPhases(mlir::func::FuncOp kernel);

/// A kernel function and the index of its first phase in the artifact's table.
struct KernelEntry {
  mlir::func::FuncOp function;
  int64_t firstIndex = 0;
  int64_t phases = 0;
};

/// All kernels of a module in the order of the artifact's table.
llvm::SmallVector<KernelEntry> kernelTable(mlir::ModuleOp module);

} // namespace mercer

#endif
