//===- DecomposeTiles.cpp - the pass mercer-decompose-tiles ---------------===//

#include "passes/decompose/Passes.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace mercer;

namespace mercer {
#define GEN_PASS_DEF_MERCERDECOMPOSETILES
#include "passes/decompose/Passes.h.inc"
} // namespace mercer

namespace {
bool isStructural(Operation *op) {
  return isa<ContractOp, WindowOp, PairwiseOp, CombineOp, FinalizeOp,
             LoadTileOp>(op);
}

struct DecomposeTilesPass
    : public mercer::impl::MercerDecomposeTilesBase<DecomposeTilesPass> {
  using Base::Base;

  void runOnOperation() override {
    Operation *root = getOperation();
    IRRewriter rewriter(&getContext());
    SmallVector<PairwiseOp> pairwise;
    root->walk([&](PairwiseOp op) { pairwise.push_back(op); });
    for (PairwiseOp op : pairwise) {
      rewriter.setInsertionPoint(op);
      FailureOr<PairwiseDecomposition> result = decomposePairwise(rewriter, op);
      if (failed(result))
        return signalPassFailure();
      rewriter.replaceOp(op, result->results);
      ++numDecomposed;
      numSkipping += result->skipsEmptyTiles;
    }

    SmallVector<Operation *> others;
    root->walk([&](Operation *op) {
      if (isStructural(op))
        others.push_back(op);
    });
    numDecomposed += others.size();
    RewritePatternSet patterns(&getContext());
    populateDecomposeContractionPatterns(patterns);
    populateDecomposeStatePatterns(patterns);
    // A window makes tile loads and a window without bounds: to a fixed point,
    // but only over what is ours.
    GreedyRewriteConfig config;
    config.setStrictness(GreedyRewriteStrictness::ExistingAndNewOps);
    config.enableFolding(false);
    if (failed(applyOpPatternsGreedily(others, std::move(patterns), config)))
      return signalPassFailure();
    WalkResult left = root->walk([&](Operation *op) {
      if (!isStructural(op))
        return WalkResult::advance();
      op->emitOpError("[E3203] has a form that cannot be lowered");
      return WalkResult::interrupt();
    });
    if (left.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace
