//===- FuseElementwise.cpp - merge elementwise neighbours -----------------===//
//
// Upstream does the merging; this file decides when it pays. Work is repeated
// only where it is cheaper than the memory traffic it saves.
//
//===----------------------------------------------------------------------===//

#include "passes/fuse/Passes.h"

#include "dialects/mercer/IR/Mercer.h"
#include "passes/decompose/Passes.h"
#include "passes/schedule/LoopModel.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using mercer::isConstantExpression;

namespace mercer {
#define GEN_PASS_DEF_MERCERFUSEELEMENTWISE
#include "passes/fuse/Passes.h.inc"
} // namespace mercer

/// True for an operation that costs about as much as loading its operand.
static bool isCheap(Operation &op) {
  if (isa<arith::DivFOp, arith::DivSIOp, arith::DivUIOp, arith::RemFOp,
          arith::RemSIOp, arith::RemUIOp>(op))
    return false;
  return isa_and_nonnull<arith::ArithDialect, linalg::LinalgDialect>(
      op.getDialect());
}

static bool isCheapBody(linalg::GenericOp op, unsigned limit) {
  Block *body = op.getBody();
  return body->getOperations().size() <= limit + 1 &&
         llvm::all_of(*body, isCheap);
}

/// Elements in the body's loads through captured tensors would be read at each
/// visit of the consumer; worth it only if the consumer visits once.
static bool readsCapturedTensor(linalg::GenericOp op) {
  return llvm::any_of(*op.getBody(), [](Operation &inner) {
    return isa<tensor::ExtractOp>(inner);
  });
}

/// True if `producer` follows a contraction element by element: there it costs
/// no memory traffic at all.
static bool isEpilogue(linalg::GenericOp producer) {
  AffineMap out = producer.getIndexingMapsArray().back();
  for (OpOperand *input : producer.getDpsInputOperands())
    if (Operation *source = input->get().getDefiningOp())
      if ((isa<mercer::KernelOpInterface>(source) ||
           isa<linalg::ContractionOpInterface>(source)) &&
          producer.getMatchingIndexingMap(input) == out)
        return true;
  return false;
}

static bool shouldFuse(OpOperand *fused, unsigned maxBody,
                       unsigned maxOperands) {
  auto producer = fused->get().getDefiningOp<linalg::GenericOp>();
  auto consumer = dyn_cast<linalg::GenericOp>(fused->getOwner());
  if (!producer || !consumer)
    return false;
  if (producer->getNumResults() != 1)
    return false;
  size_t body = producer.getBody()->getOperations().size() +
                consumer.getBody()->getOperations().size();
  if (body > maxBody)
    return false;
  if (producer->getNumOperands() + consumer->getNumOperands() > maxOperands)
    return false;

  if (consumer.getNumReductionLoops() != 0 && isEpilogue(producer))
    return false;

  // What depends on constants only is computed before the model runs.
  if (isConstantExpression(producer->getResult(0)) &&
      !isConstantExpression(consumer->getResult(0)))
    return false;

  // The consumer visits each element of the producer once exactly if no loop
  // of it is missing from the operand's map.
  AffineMap map = consumer.getMatchingIndexingMap(fused);
  bool visitsOnce = map.isPermutation();
  if (!visitsOnce) {
    // Loops of size one repeat nothing.
    SmallVector<int64_t> loops = consumer.getStaticLoopRanges();
    visitsOnce = map.isProjectedPermutation(/*allowZeroInResults=*/true);
    for (unsigned dim = 0; visitsOnce && dim < map.getNumDims(); ++dim)
      if (!map.isFunctionOfDim(dim) && loops[dim] != 1)
        visitsOnce = false;
  }
  bool oneUse = fused->get().hasOneUse();
  if (oneUse && visitsOnce)
    return true;
  if (readsCapturedTensor(producer))
    return false;
  if (oneUse)
    return isCheapBody(producer, 4);
  // A copy of the producer goes to each use: only conversions, scalings and
  // pure data movement, and only to few uses.
  return visitsOnce && isCheapBody(producer, 1) &&
         producer.getNumDpsInputs() == 1 &&
         llvm::hasNItemsOrLess(fused->get().getUses(), 4);
}

/// Moving a reshape pays when it lets two generics meet; a reshape whose other
/// side is no elementwise generic is a free view where it stands.
static bool shouldMoveReshape(OpOperand *fused, unsigned maxBody) {
  Operation *producer = fused->get().getDefiningOp();
  Operation *consumer = fused->getOwner();
  if (!producer || !fused->get().hasOneUse())
    return false;
  auto isElementwise = [](Operation *op) {
    auto generic = dyn_cast_or_null<linalg::GenericOp>(op);
    return generic && generic.getNumParallelLoops() == generic.getNumLoops() &&
           generic->getNumResults() == 1;
  };
  auto fits = [&](Operation *a, Operation *b) {
    return cast<linalg::GenericOp>(a).getBody()->getOperations().size() +
               cast<linalg::GenericOp>(b).getBody()->getOperations().size() <=
           maxBody;
  };
  if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(producer)) {
    Operation *source = producer->getOperand(0).getDefiningOp();
    return isElementwise(source) && isElementwise(consumer) &&
           producer->getOperand(0).hasOneUse() && fits(source, consumer);
  }
  if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(consumer)) {
    if (!consumer->hasOneUse())
      return false;
    Operation *user = *consumer->user_begin();
    return isElementwise(producer) && isElementwise(user) &&
           fits(producer, user);
  }
  return false;
}

void mercer::populateFuseElementwisePatterns(RewritePatternSet &patterns,
                                             unsigned maxBody,
                                             unsigned maxOperands) {
  MLIRContext *context = patterns.getContext();
  linalg::populateElementwiseOpsFusionPatterns(patterns, [=](OpOperand *fused) {
    return shouldFuse(fused, maxBody, maxOperands);
  });
  linalg::populateFoldReshapeOpsByExpansionPatterns(
      patterns,
      [=](OpOperand *fused) { return shouldMoveReshape(fused, maxBody); });
  linalg::populateInlineConstantOperandsPatterns(patterns);
  linalg::GenericOp::getCanonicalizationPatterns(patterns, context);
  linalg::FillOp::getCanonicalizationPatterns(patterns, context);
  tensor::ExpandShapeOp::getCanonicalizationPatterns(patterns, context);
  tensor::CollapseShapeOp::getCanonicalizationPatterns(patterns, context);
  tensor::EmptyOp::getCanonicalizationPatterns(patterns, context);
  tensor::populateFoldTensorEmptyPatterns(patterns);
  tensor::DimOp::getCanonicalizationPatterns(patterns, context);
}

namespace {
struct FuseElementwise
    : mercer::impl::MercerFuseElementwiseBase<FuseElementwise> {
  using Base::Base;

  void runOnOperation() override {
    Operation *root = getOperation();
    root->walk([&](linalg::GenericOp) { ++numBefore; });

    // Named elementwise forms take part under their generic form; fills and
    // contractions keep their names.
    IRRewriter rewriter(&getContext());
    root->walk([&](linalg::LinalgOp op) {
      if (isa<linalg::GenericOp, linalg::FillOp>(op.getOperation()))
        return;
      if (!linalg::isElementwise(op) &&
          !isa<linalg::TransposeOp, linalg::BroadcastOp, linalg::ReduceOp>(
              op.getOperation()))
        return;
      rewriter.setInsertionPoint(op);
      // Fails only for operations that have no region to copy.
      (void)linalg::generalizeNamedOp(rewriter, op);
    });

    RewritePatternSet patterns(&getContext());
    mercer::populateFuseElementwisePatterns(patterns, maxBody, maxOperands);
    GreedyRewriteConfig config;
    config.setUseTopDownTraversal(true);
    // Each round is linear; chains longer than a body limit settle in a few.
    config.setMaxIterations(8);
    // Not converging only means that a merge was left undone.
    (void)applyPatternsGreedily(root, std::move(patterns), config);
    root->walk([&](linalg::GenericOp) { ++numAfter; });
  }
};
} // namespace

void mercer::buildFusePipeline(OpPassManager &pm) {
  // Before, because lowering slices operands, and after for what has loops.
  pm.addPass(createMercerDropEmptyLoops());
  pm.addPass(createMercerLowerSugar());
  pm.addPass(createCSEPass());
  pm.addPass(createMercerDropEmptyLoops());
  pm.addPass(createMercerFoldTransposes());
  pm.addPass(createMercerFuseElementwise());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}
