//===- ResultSizes.h - sizes of a result without the result -----*- C++ -*-===//
#ifndef MERCER_PASSES_SCHEDULE_RESULTSIZES_H
#define MERCER_PASSES_SCHEDULE_RESULTSIZES_H

#include "mlir/IR/OpDefinition.h"

namespace mlir {
class OpBuilder;
}

namespace mercer {

/// Sizes of `value` in terms of the operands of the computation that made it,
/// so that asking for a size does not keep an intermediate value alive. Ends
/// at values that are no result of a tensor computation.
llvm::SmallVector<mlir::OpFoldResult> materializeSizes(mlir::OpBuilder &builder,
                                                       mlir::Location loc,
                                                       mlir::Value value);

/// Replaces every `tensor.dim` below `root` by such sizes.
void resolveDims(mlir::Operation *root);

} // namespace mercer

#endif
