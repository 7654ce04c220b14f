//===- SimplifyOnnx.cpp - mercer-simplify-onnx ----------------------------===//

#include "passes/raise/Match.h"
#include "passes/raise/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mercer {
#define GEN_PASS_DEF_MERCERSIMPLIFYONNX
#include "passes/raise/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;

namespace {

struct SimplifyOnnx : mercer::impl::MercerSimplifyOnnxBase<SimplifyOnnx> {
  using MercerSimplifyOnnxBase::MercerSimplifyOnnxBase;

  void runOnOperation() override {
    SimplifyCounts counts;
    RaiseCounts raised;
    RewritePatternSet patterns(&getContext());
    populateFoldPatterns(patterns, counts);
    populateControlFlowPatterns(patterns, counts, maxUnroll);
    populateScanDistancePatterns(patterns, raised);
    GreedyRewriteConfig config;
    config.setUseTopDownTraversal(true);
    config.enableConstantCSE(false);
    config.enableFolding(false);
    if (failed(
            applyPatternsGreedily(getOperation(), std::move(patterns), config)))
      return signalPassFailure();
    raise::updateResultTypes(getOperation());
    numForwarded += counts.forwarded;
    numFolded += counts.folded;
    numBranches += counts.branches;
    numUnrolled += counts.unrolled;
  }
};

} // namespace
