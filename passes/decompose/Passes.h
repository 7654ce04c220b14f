//===- Passes.h - sugar to structural ops, tiles to upstream ops -*- C++
//-*-===//
#ifndef MERCER_PASSES_DECOMPOSE_PASSES_H
#define MERCER_PASSES_DECOMPOSE_PASSES_H

#include "dialects/mercer/IR/Mercer.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Pass/Pass.h"

namespace mercer {

#define GEN_PASS_DECL
#include "passes/decompose/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/decompose/Passes.h.inc"

/// attention, gram, kernel_matvec to structural ops.
void populateLowerKernelSugarPatterns(mlir::RewritePatternSet &patterns);
/// conv to window, transposed conv included.
void populateLowerConvPatterns(mlir::RewritePatternSet &patterns);
/// contract, window and load_tile to linalg and slices.
void populateDecomposeContractionPatterns(mlir::RewritePatternSet &patterns);
/// combine and finalize to linalg.
void populateDecomposeStatePatterns(mlir::RewritePatternSet &patterns);

/// What decomposing a pairwise op found out, for statistics.
struct PairwiseDecomposition {
  llvm::SmallVector<mlir::Value> results;
  bool skipsEmptyTiles = false;
};
/// Replaces nothing: builds the loops at the rewriter's insertion point.
mlir::FailureOr<PairwiseDecomposition>
decomposePairwise(mlir::RewriterBase &rewriter, PairwiseOp op);

} // namespace mercer

#endif
