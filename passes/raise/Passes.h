//===- Passes.h - passes on imported ONNX graphs ----------------*- C++ -*-===//

#ifndef MERCER_PASSES_RAISE_PASSES_H
#define MERCER_PASSES_RAISE_PASSES_H

#include "dialects/onnx/IR/Onnx.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Pass/Pass.h"

namespace mercer {

/// How often each family of patterns fired.
struct RaiseCounts {
  int64_t attention = 0, normalization = 0, activation = 0, rotary = 0,
          batchNorm = 0, kernel = 0;
};

void populateAttentionPatterns(mlir::RewritePatternSet &, RaiseCounts &);
void populateNormalizationPatterns(mlir::RewritePatternSet &, RaiseCounts &);
void populateActivationPatterns(mlir::RewritePatternSet &, RaiseCounts &);
void populateRotaryPatterns(mlir::RewritePatternSet &, RaiseCounts &);
void populateBatchNormPatterns(mlir::RewritePatternSet &, RaiseCounts &);
/// The Scan that computes pairwise distances; also run before loops are
/// unrolled.
void populateScanDistancePatterns(mlir::RewritePatternSet &, RaiseCounts &);
void populateKernelMethodPatterns(mlir::RewritePatternSet &, RaiseCounts &);
void populateSupportVectorPatterns(mlir::RewritePatternSet &, RaiseCounts &);
void populateColumnPatterns(mlir::RewritePatternSet &, RaiseCounts &);

struct SimplifyCounts {
  int64_t forwarded = 0, folded = 0, branches = 0, unrolled = 0;
};

void populateFoldPatterns(mlir::RewritePatternSet &, SimplifyCounts &);
void populateControlFlowPatterns(mlir::RewritePatternSet &, SimplifyCounts &,
                                 int64_t maxUnroll);

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/raise/Passes.h.inc"

} // namespace mercer

#endif // MERCER_PASSES_RAISE_PASSES_H
