//===- RaiseOnnx.cpp - mercer-raise-onnx ----------------------------------===//

#include "passes/raise/Match.h"
#include "passes/raise/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mercer {
#define GEN_PASS_DEF_MERCERRAISEONNX
#include "passes/raise/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;

namespace {

struct RaiseOnnx : mercer::impl::MercerRaiseOnnxBase<RaiseOnnx> {
  void runOnOperation() override {
    RaiseCounts counts;
    RewritePatternSet patterns(&getContext());
    populateAttentionPatterns(patterns, counts);
    populateNormalizationPatterns(patterns, counts);
    populateActivationPatterns(patterns, counts);
    populateRotaryPatterns(patterns, counts);
    populateBatchNormPatterns(patterns, counts);
    populateKernelMethodPatterns(patterns, counts);
    populateSupportVectorPatterns(patterns, counts);
    populateColumnPatterns(patterns, counts);
    // Patterns have to see the exporter's nodes in order: an inner form, such
    // as a norm, before the outer one that would swallow its parts. Constants
    // stay where import put them.
    GreedyRewriteConfig config;
    config.setUseTopDownTraversal(true);
    config.enableConstantCSE(false);
    config.enableFolding(false);
    if (failed(
            applyPatternsGreedily(getOperation(), std::move(patterns), config)))
      return signalPassFailure();
    raise::updateResultTypes(getOperation());
    numAttention += counts.attention;
    numNormalization += counts.normalization;
    numActivation += counts.activation;
    numRotary += counts.rotary;
    numBatchNorm += counts.batchNorm;
    numKernel += counts.kernel;
  }
};

} // namespace
