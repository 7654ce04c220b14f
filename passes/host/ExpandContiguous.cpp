//===- ExpandContiguous.cpp - reshapes of contiguous buffers --------------===//
//
// Upstream's expansion of memref.expand_shape derives the sizes from the
// source and reads a null attribute when one group has several run-time sizes.
// Buffers of the host program are contiguous and the op names its sizes.
//
//===----------------------------------------------------------------------===//

#include "passes/host/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace mercer;

namespace {
struct ExpandContiguous : OpRewritePattern<memref::ExpandShapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(memref::ExpandShapeOp op,
                                PatternRewriter &rewriter) const override {
    MemRefType type = op.getResultType();
    if (!op.getSrcType().getLayout().isIdentity() ||
        !type.getLayout().isIdentity())
      return rewriter.notifyMatchFailure(op, "the buffer is not contiguous");
    SmallVector<OpFoldResult> sizes = op.getMixedOutputShape();
    SmallVector<OpFoldResult> strides(sizes.size());
    OpFoldResult stride = rewriter.getIndexAttr(1);
    AffineExpr a, b;
    bindSymbols(rewriter.getContext(), a, b);
    for (int64_t d = static_cast<int64_t>(sizes.size()) - 1; d >= 0; --d) {
      strides[d] = stride;
      stride = affine::makeComposedFoldedAffineApply(rewriter, op.getLoc(),
                                                     a * b, {stride, sizes[d]});
    }
    rewriter.replaceOpWithNewOp<memref::ReinterpretCastOp>(
        op, type, op.getSrc(), rewriter.getIndexAttr(0), sizes, strides);
    return success();
  }
};
} // namespace

void mercer::populateExpandContiguousPatterns(RewritePatternSet &patterns) {
  patterns.add<ExpandContiguous>(patterns.getContext());
}
