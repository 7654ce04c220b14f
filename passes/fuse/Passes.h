//===- Passes.h - merging of neighbouring operations ------------*- C++ -*-===//
#ifndef MERCER_PASSES_FUSE_PASSES_H
#define MERCER_PASSES_FUSE_PASSES_H

#include "mlir/Pass/Pass.h"

namespace mlir {
class OpPassManager;
class RewritePatternSet;
} // namespace mlir

namespace mercer {

#define GEN_PASS_DECL
#include "passes/fuse/Passes.h.inc"

/// Patterns that merge elementwise `linalg.generic`s into their consumers, as
/// long as the merged body has at most `maxBody` operations and the merged
/// operation at most `maxOperands` operands.
void populateFuseElementwisePatterns(mlir::RewritePatternSet &patterns,
                                     unsigned maxBody, unsigned maxOperands);

/// Patterns that make transposes part of the access maps of structural ops.
void populateFoldTransposesPatterns(mlir::RewritePatternSet &patterns);

/// Stage `fuse` for a module.
void buildFusePipeline(mlir::OpPassManager &pm);

#define GEN_PASS_REGISTRATION
#include "passes/fuse/Passes.h.inc"

} // namespace mercer

#endif
