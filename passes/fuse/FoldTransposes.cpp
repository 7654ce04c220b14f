//===- FoldTransposes.cpp - transposes into the maps of structural ops ----===//
//
// A transpose or broadcast next to a contraction, window or pairwise operation
// costs a pass over memory; as an indexing map it costs nothing.
//
//===----------------------------------------------------------------------===//

#include "passes/fuse/Passes.h"

#include "dialects/mercer/IR/Mercer.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace mercer;

namespace mercer {
#define GEN_PASS_DEF_MERCERFOLDTRANSPOSES
#include "passes/fuse/Passes.h.inc"
} // namespace mercer

/// A generic that yields its only input: `out[pout(l)] = in[pin(l)]`.
static bool isCopy(linalg::GenericOp op) {
  return op && op.hasPureTensorSemantics() && op.getNumDpsInputs() == 1 &&
         op.getNumDpsInits() == 1 &&
         op.getNumParallelLoops() == op.getNumLoops() &&
         op.getBody()->getOperations().size() == 1 &&
         op.getBody()->getTerminator()->getOperand(0) ==
             op.getBody()->getArgument(0) &&
         op.getIndexingMapsArray()[1].isPermutation();
}

/// From the dims of the copy's result to the dims of its source.
static AffineMap getSourceOfResult(linalg::GenericOp copy) {
  SmallVector<AffineMap> maps = copy.getIndexingMapsArray();
  return maps[0].compose(inversePermutation(maps[1]));
}

/// True if each loop of an operation with these access maps has an operand dim
/// of its own besides operand `except`.
static bool determinesLoops(ArrayRef<AffineMap> maps, unsigned except,
                            AffineMap replacement) {
  for (unsigned loop = 0; loop < replacement.getNumDims(); ++loop) {
    bool found = false;
    for (auto [index, map] : llvm::enumerate(maps)) {
      AffineMap access = index == except ? replacement : map;
      found |= llvm::is_contained(access.getResults(),
                                  getAffineDimExpr(loop, access.getContext()));
    }
    if (!found)
      return false;
  }
  return true;
}

namespace {

/// Copies in front of an input become part of its access map.
template <typename OpTy> struct FoldInputCopy : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpTy op,
                                PatternRewriter &rewriter) const override {
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    unsigned numInputs = op->getNumOperands() - op.getOutputs().size();
    for (unsigned i = 0; i < numInputs; ++i) {
      auto copy = op->getOperand(i).template getDefiningOp<linalg::GenericOp>();
      if (!isCopy(copy))
        continue;
      AffineMap source = getSourceOfResult(copy);
      // A window's bounds rule speaks of the dims it has.
      if (!source.isPermutation() && (isa<WindowOp>(op.getOperation()) ||
                                      !source.isProjectedPermutation()))
        continue;
      AffineMap access = source.compose(maps[i]);
      if (!source.isPermutation() && !determinesLoops(maps, i, access))
        continue;
      // The right operand of a product wants its columns side by side, unless
      // it is a constant that gets packed anyway.
      if (isa<ContractOp>(op.getOperation()) && i == 1 &&
          !copy->getOperand(0).template getDefiningOp<WeightOp>() &&
          access.getNumResults() != 0 && maps[i].getNumResults() != 0 &&
          access.getResults().back() != maps[i].getResults().back())
        continue;
      maps[i] = access;
      rewriter.modifyOpInPlace(op, [&] {
        op->setOperand(i, copy->getOperand(0));
        op.setIndexingMapsAttr(rewriter.getAffineMapArrayAttr(maps));
      });
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no input is a copy");
  }
};

/// A transpose behind the only result: written in that order at once.
template <typename OpTy>
struct FoldOutputCopy : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::GenericOp copy,
                                PatternRewriter &rewriter) const override {
    if (!isCopy(copy))
      return rewriter.notifyMatchFailure(copy, "not a copy");
    auto op = copy->getOperand(0).getDefiningOp<OpTy>();
    if (!op || op->getNumResults() != 1 || !op->getResult(0).hasOneUse())
      return rewriter.notifyMatchFailure(copy, "no structural op with one use");
    AffineMap source = getSourceOfResult(copy);
    if (!source.isPermutation())
      return rewriter.notifyMatchFailure(copy, "not a transpose");
    Value init = op.getOutputs()[0];
    auto fill = init.template getDefiningOp<linalg::FillOp>();
    if (!fill && !init.template getDefiningOp<tensor::EmptyOp>())
      return rewriter.notifyMatchFailure(copy, "destination holds values");
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    AffineMap out = inversePermutation(source).compose(maps.back());
    // Columns stay contiguous: they are the vector lanes.
    if (isa<ContractOp>(op.getOperation()) &&
        out.getResults().back() != maps.back().getResults().back())
      return rewriter.notifyMatchFailure(copy,
                                         "columns would not be contiguous");
    auto empty = copy->getOperand(1).getDefiningOp<tensor::EmptyOp>();
    if (!empty)
      return rewriter.notifyMatchFailure(copy, "destination holds values");
    rewriter.setInsertionPoint(copy);
    Value newInit = empty;
    if (fill)
      newInit = linalg::FillOp::create(rewriter, copy.getLoc(),
                                       fill.getInputs(), newInit)
                    .getResult(0);
    maps.back() = out;
    Operation *moved = rewriter.clone(*op.getOperation());
    moved->setOperand(moved->getNumOperands() - 1, newInit);
    cast<OpTy>(moved).setIndexingMapsAttr(rewriter.getAffineMapArrayAttr(maps));
    moved->getResult(0).setType(newInit.getType());
    rewriter.replaceOp(copy, moved->getResults());
    return success();
  }
};

/// slice(transpose(x)) is transpose(slice(x)): the slice is free there.
struct SwapSliceOfTranspose : OpRewritePattern<tensor::ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::ExtractSliceOp slice,
                                PatternRewriter &rewriter) const override {
    auto copy = slice.getSource().getDefiningOp<linalg::GenericOp>();
    if (!isCopy(copy))
      return rewriter.notifyMatchFailure(slice, "source is not a copy");
    AffineMap source = getSourceOfResult(copy);
    if (!source.isPermutation())
      return rewriter.notifyMatchFailure(slice, "source is not a transpose");
    // Each reader takes a part only; else the transpose runs twice.
    for (Operation *user : copy->getUsers())
      if (!isa<tensor::ExtractSliceOp>(user))
        return rewriter.notifyMatchFailure(slice, "the whole is read as well");
    // Dim i of the source is dim order[i] of the transpose.
    SmallVector<int64_t> order;
    for (AffineExpr expr : source.getResults())
      order.push_back(cast<AffineDimExpr>(expr).getPosition());
    SmallVector<OpFoldResult> offsets = slice.getMixedOffsets(),
                              sizes = slice.getMixedSizes(),
                              strides = slice.getMixedStrides();
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    SmallVector<OpFoldResult> resultSizes;
    SmallVector<int64_t> kept(offsets.size(), -1);
    for (unsigned dim = 0; dim < offsets.size(); ++dim)
      if (!dropped.test(dim)) {
        kept[dim] = resultSizes.size();
        resultSizes.push_back(sizes[dim]);
      }
    applyPermutationToVector(offsets, order);
    applyPermutationToVector(sizes, order);
    applyPermutationToVector(strides, order);
    SmallVector<int64_t> shape;
    SmallVector<AffineExpr> access;
    for (auto [index, dim] : llvm::enumerate(order))
      if (kept[dim] >= 0) {
        shape.push_back(slice.getType().getDimSize(kept[dim]));
        access.push_back(rewriter.getAffineDimExpr(kept[dim]));
      }
    Location loc = slice.getLoc();
    Type element = slice.getType().getElementType();
    Value part = tensor::ExtractSliceOp::create(
        rewriter, loc, RankedTensorType::get(shape, element),
        copy->getOperand(0), offsets, sizes, strides);
    SmallVector<Value> dynamic;
    for (int64_t dim = 0; dim < slice.getType().getRank(); ++dim)
      if (slice.getType().isDynamicDim(dim))
        dynamic.push_back(
            getValueOrCreateConstantIndexOp(rewriter, loc, resultSizes[dim]));
    Value empty =
        tensor::EmptyOp::create(rewriter, loc, slice.getType(), dynamic);
    unsigned rank = slice.getType().getRank();
    SmallVector<AffineMap> maps = {
        AffineMap::get(rank, 0, access, rewriter.getContext()),
        rewriter.getMultiDimIdentityMap(rank)};
    SmallVector<utils::IteratorType> loops(rank, utils::IteratorType::parallel);
    rewriter.replaceOpWithNewOp<linalg::GenericOp>(
        slice, slice.getType(), part, empty, maps, loops,
        [](OpBuilder &b, Location at, ValueRange args) {
          linalg::YieldOp::create(b, at, args[0]);
        });
    return success();
  }
};

struct FoldTransposes : mercer::impl::MercerFoldTransposesBase<FoldTransposes> {
  void runOnOperation() override {
    // Named forms take part under their generic form.
    IRRewriter rewriter(&getContext());
    SmallVector<linalg::LinalgOp> named;
    getOperation()->walk([&](linalg::LinalgOp op) {
      if (isa<linalg::TransposeOp, linalg::BroadcastOp>(op.getOperation()))
        named.push_back(op);
    });
    for (linalg::LinalgOp op : named) {
      rewriter.setInsertionPoint(op);
      (void)linalg::generalizeNamedOp(rewriter, op);
    }
    RewritePatternSet patterns(&getContext());
    populateFoldTransposesPatterns(patterns);
    // Not converging only means that a transpose was left where it is.
    (void)applyPatternsGreedily(getOperation(), std::move(patterns));
  }
};

} // namespace

void mercer::populateFoldTransposesPatterns(RewritePatternSet &patterns) {
  patterns.add<FoldInputCopy<ContractOp>, FoldInputCopy<WindowOp>,
               FoldInputCopy<PairwiseOp>, FoldOutputCopy<ContractOp>,
               FoldOutputCopy<PairwiseOp>, SwapSliceOfTranspose>(
      patterns.getContext());
}
