//===- LowerSugar.cpp - the pass mercer-lower-sugar -----------------------===//

#include "passes/decompose/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

using namespace mlir;
using namespace mercer;

namespace mercer {
#define GEN_PASS_DEF_MERCERLOWERSUGAR
#include "passes/decompose/Passes.h.inc"
} // namespace mercer

namespace {
bool isSugar(Operation *op) {
  return isa<AttentionOp, ConvOp, GramOp, KernelMatvecOp>(op);
}

struct LowerSugarPass
    : public mercer::impl::MercerLowerSugarBase<LowerSugarPass> {
  using Base::Base;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateLowerKernelSugarPatterns(patterns);
    populateLowerConvPatterns(patterns);
    int64_t before = 0;
    getOperation()->walk([&](Operation *op) { before += isSugar(op); });
    walkAndApplyPatterns(getOperation(), std::move(patterns));
    // What is left was refused by every pattern; those said why.
    int64_t after = 0;
    getOperation()->walk([&](Operation *op) {
      if (!isSugar(op))
        return;
      ++after;
      op->emitOpError("[E3203] has a form that cannot be lowered");
    });
    numLowered += before - after;
    if (after)
      signalPassFailure();
  }
};
} // namespace
