//===- BufferizeKernels.cpp - kernel functions on buffers -----------------===//
//
// One-shot bufferization where it stays small: a kernel is a few loops and
// tile-sized ops, before any unrolling. Scratch sizes come from value bounds,
// so that edge tiles use a part of a buffer whose size is static.
//
//===----------------------------------------------------------------------===//

#include "passes/host/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mercer {
#define GEN_PASS_DEF_BUFFERIZEKERNELS
#include "passes/host/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;

namespace {

/// Canonicalization patterns of everything that a kernel holds.
void populateCleanup(RewritePatternSet &patterns) {
  MLIRContext *context = patterns.getContext();
  for (Dialect *dialect : context->getLoadedDialects())
    dialect->getCanonicalizationPatterns(patterns);
  for (RegisteredOperationName name : context->getRegisteredOperations())
    if (isa_and_nonnull<affine::AffineDialect, arith::ArithDialect,
                        bufferization::BufferizationDialect,
                        linalg::LinalgDialect, memref::MemRefDialect,
                        scf::SCFDialect, tensor::TensorDialect>(
            &name.getDialect()))
      name.getCanonicalizationPatterns(patterns, context);
}

/// The buffer and the part of it that a chain of subviews selects are equal.
bool isSamePart(Value a, Value b) {
  if (a == b)
    return true;
  auto viewA = a.getDefiningOp<memref::SubViewOp>();
  auto viewB = b.getDefiningOp<memref::SubViewOp>();
  return viewA && viewB && viewA.getType() == viewB.getType() &&
         isEqualConstantIntOrValueArray(viewA.getMixedOffsets(),
                                        viewB.getMixedOffsets()) &&
         isEqualConstantIntOrValueArray(viewA.getMixedSizes(),
                                        viewB.getMixedSizes()) &&
         isEqualConstantIntOrValueArray(viewA.getMixedStrides(),
                                        viewB.getMixedStrides()) &&
         isSamePart(viewA.getSource(), viewB.getSource());
}

struct EraseSelfCopy : OpRewritePattern<memref::CopyOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(memref::CopyOp op,
                                PatternRewriter &rewriter) const override {
    if (!isSamePart(op.getSource(), op.getTarget()))
      return rewriter.notifyMatchFailure(op, "source and target differ");
    rewriter.eraseOp(op);
    return success();
  }
};

/// Gives `value`'s users the more precise type it now has. Users that derive a
/// memref type from their operand are rebuilt.
LogicalResult propagateType(Value value) {
  for (Operation *user : llvm::make_early_inc_range(value.getUsers())) {
    OpBuilder b(user);
    if (auto view = dyn_cast<memref::SubViewOp>(user)) {
      auto type = memref::SubViewOp::inferRankReducedResultType(
          view.getType().getShape(), cast<MemRefType>(value.getType()),
          view.getMixedOffsets(), view.getMixedSizes(), view.getMixedStrides());
      view.getResult().setType(cast<MemRefType>(type));
      if (failed(propagateType(view.getResult())))
        return failure();
      continue;
    }
    if (auto cast = dyn_cast<memref::CastOp>(user)) {
      Value source = cast.getSource();
      cast.getResult().replaceAllUsesWith(source);
      cast.erase();
      if (failed(propagateType(source)))
        return failure();
      continue;
    }
    if (auto expand = dyn_cast<memref::ExpandShapeOp>(user)) {
      FailureOr<MemRefType> type = memref::ExpandShapeOp::computeExpandedType(
          cast<MemRefType>(value.getType()),
          cast<MemRefType>(expand.getType()).getShape(),
          expand.getReassociationIndices());
      if (failed(type))
        return expand.emitError("[E3001] scratch cannot be viewed as ")
               << expand.getType();
      expand.getResult().setType(*type);
      if (failed(propagateType(expand.getResult())))
        return failure();
      continue;
    }
    if (auto collapse = dyn_cast<memref::CollapseShapeOp>(user)) {
      MemRefType source = cast<MemRefType>(value.getType());
      if (!memref::CollapseShapeOp::isGuaranteedCollapsible(
              source, collapse.getReassociationIndices()))
        return collapse.emitError("[E3001] scratch cannot be viewed as ")
               << collapse.getType();
      collapse.getResult().setType(
          memref::CollapseShapeOp::computeCollapsedType(
              source, collapse.getReassociationIndices()));
      if (failed(propagateType(collapse.getResult())))
        return failure();
      continue;
    }
    if (auto loop = dyn_cast<scf::ForOp>(user))
      return loop.emitError(
          "[E3001] a loop carries a scratch buffer of dynamic size");
  }
  return success();
}

struct BufferizeKernelsPass
    : mercer::impl::BufferizeKernelsBase<BufferizeKernelsPass> {
  using BufferizeKernelsBase::BufferizeKernelsBase;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (!function->hasAttr(kernelAttrName()) || function.isDeclaration())
      return;
    if (failed(bufferize(function)) || failed(cleanUp(function)) ||
        failed(placeScratch(function)) || failed(cleanUp(function)))
      return signalPassFailure();
    function.walk([&](memref::CopyOp) { ++numCopies; });
  }

private:
  LogicalResult bufferize(func::FuncOp function) {
    bufferization::OneShotBufferizationOptions options;
    options.unknownTypeConverterFn =
        [](TensorType type, Attribute space,
           const bufferization::BufferizationOptions &) {
          return bufferization::getMemRefTypeWithStaticIdentityLayout(type,
                                                                      space);
        };
    IRRewriter rewriter(function.getContext());
    if (failed(bufferization::eliminateEmptyTensors(rewriter, function)))
      return function.emitError("[E3001] kernel cannot be bufferized");
    RewritePatternSet patterns(function.getContext());
    bufferization::populateEmptyTensorToAllocTensorPattern(patterns);
    if (failed(applyPatternsGreedily(function, std::move(patterns))))
      return failure();
    bufferization::BufferizationState state;
    if (failed(bufferization::runOneShotBufferize(function, options, state)))
      return function.emitError("[E3001] kernel cannot be bufferized");
    return success();
  }

  LogicalResult cleanUp(func::FuncOp function) {
    RewritePatternSet patterns(function.getContext());
    populateCleanup(patterns);
    patterns.add<EraseSelfCopy>(function.getContext());
    if (failed(applyPatternsGreedily(function, std::move(patterns))))
      return failure();
    IRRewriter rewriter(function.getContext());
    DominanceInfo dominance(function);
    eliminateCommonSubExpressions(rewriter, dominance, function);
    return success();
  }

  /// Whether a buffer only tells loops how far they run: nothing reads or
  /// writes an element of it.
  static bool givesSizesOnly(memref::AllocOp alloc) {
    return llvm::all_of(alloc->getUses(), [](OpOperand &use) {
      auto generic = dyn_cast<linalg::GenericOp>(use.getOwner());
      return generic && generic.isDpsInput(&use) &&
             generic.getMatchingBlockArgument(&use).use_empty();
    });
  }

  /// One element stands for the buffer, whatever its sizes are.
  static void replaceBySizes(memref::AllocOp alloc, scf::ForallOp phase) {
    OpBuilder b(phase.getBody(), phase.getBody()->begin());
    MemRefType type = alloc.getType();
    Value element = memref::AllocaOp::create(
        b, alloc.getLoc(), MemRefType::get({1}, type.getElementType()));
    b.setInsertionPoint(alloc);
    SmallVector<OpFoldResult> sizes = alloc.getMixedSizes();
    SmallVector<OpFoldResult> strides(sizes.size());
    OpFoldResult stride = b.getIndexAttr(1);
    AffineExpr x, y;
    bindSymbols(b.getContext(), x, y);
    for (int64_t d = type.getRank() - 1; d >= 0; --d) {
      strides[d] = stride;
      stride = affine::makeComposedFoldedAffineApply(b, alloc.getLoc(), x * y,
                                                     {stride, sizes[d]});
    }
    Value shaped = memref::ReinterpretCastOp::create(
        b, alloc.getLoc(), type, element, b.getIndexAttr(0), sizes, strides);
    alloc.replaceAllUsesWith(shaped);
    alloc.erase();
  }

  /// Replaces allocations by stack scratch at the start of the phase.
  LogicalResult placeScratch(func::FuncOp function) {
    SmallVector<memref::AllocOp> allocs;
    function.walk([&](memref::AllocOp op) { allocs.push_back(op); });
    for (memref::AllocOp alloc : allocs) {
      for (Operation *user : llvm::make_early_inc_range(alloc->getUsers()))
        if (isa<memref::DeallocOp>(user))
          user->erase();
      auto phase = alloc->getParentOfType<scf::ForallOp>();
      if (!phase)
        return alloc.emitError(
            "[E3001] a kernel allocates outside of its phases");
      while (auto outer = phase->getParentOfType<scf::ForallOp>())
        phase = outer;
      MemRefType type = alloc.getType();
      if (givesSizesOnly(alloc)) {
        replaceBySizes(alloc, phase);
        continue;
      }
      SmallVector<int64_t> bound;
      for (int64_t d = 0; d < type.getRank(); ++d) {
        if (!type.isDynamicDim(d)) {
          bound.push_back(type.getDimSize(d));
          continue;
        }
        FailureOr<int64_t> limit =
            ValueBoundsConstraintSet::computeConstantBound(
                presburger::BoundType::UB,
                alloc.getDynamicSizes()[type.getDynamicDimIndex(d)],
                /*stopCondition=*/nullptr, /*closedUB=*/true);
        if (failed(limit))
          return alloc.emitError("[E3002] scratch of type ")
                 << type << " has no static upper bound";
        bound.push_back(*limit);
      }
      auto full = MemRefType::get(bound, type.getElementType());
      OpBuilder b(phase.getBody(), phase.getBody()->begin());
      Value scratch = memref::AllocaOp::create(b, alloc.getLoc(), full,
                                               b.getI64IntegerAttr(64));
      ++numScratch;
      scratchBytes += full.getNumElements() *
                      llvm::divideCeil(full.getElementTypeBitWidth(), 8);
      Value part = scratch;
      if (!type.hasStaticShape()) {
        b.setInsertionPoint(alloc);
        SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0));
        SmallVector<OpFoldResult> strides(type.getRank(), b.getIndexAttr(1));
        part = memref::SubViewOp::create(b, alloc.getLoc(), scratch, offsets,
                                         alloc.getMixedSizes(), strides);
      }
      alloc.replaceAllUsesWith(part);
      alloc.erase();
      if (part.getType() != type && failed(propagateType(part)))
        return failure();
    }
    return success();
  }
};

} // namespace
