//===- LinalgForms.cpp - one form for linalg on buffers -------------------===//

#include "passes/kernels/LinalgForms.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace mercer;

/// Copies between buffers are element-wise ops too: the run-time function that
/// strided copies would call does not exist here.
static void copiesToLinalg(Operation *root) {
  SmallVector<memref::CopyOp> copies;
  root->walk([&](memref::CopyOp copy) { copies.push_back(copy); });
  for (memref::CopyOp copy : copies) {
    OpBuilder b(copy);
    auto type = cast<MemRefType>(copy.getSource().getType());
    AffineMap identity = b.getMultiDimIdentityMap(type.getRank());
    SmallVector<utils::IteratorType> iterators(type.getRank(),
                                               utils::IteratorType::parallel);
    linalg::GenericOp::create(
        b, copy.getLoc(), TypeRange(), copy.getSource(), copy.getTarget(),
        ArrayRef<AffineMap>{identity, identity}, iterators,
        [](OpBuilder &nested, Location loc, ValueRange args) {
          linalg::YieldOp::create(nested, loc, args.front());
        });
    copy.erase();
  }
}

LogicalResult mercer::toGenericForm(Operation *root) {
  copiesToLinalg(root);
  IRRewriter rewriter(root->getContext());
  SmallVector<linalg::LinalgOp> named;
  WalkResult tensors = root->walk([&](linalg::LinalgOp op) {
    if (op->getNumResults() != 0) {
      op.emitError("[E3102] expects linalg on buffers, found tensors");
      return WalkResult::interrupt();
    }
    if (!isa<linalg::GenericOp>(op.getOperation()))
      named.push_back(op);
    return WalkResult::advance();
  });
  if (tensors.wasInterrupted())
    return failure();
  for (linalg::LinalgOp op : named) {
    rewriter.setInsertionPoint(op);
    SmallVector<NamedAttribute> hints(op->getDiscardableAttrs());
    FailureOr<linalg::GenericOp> generic =
        linalg::generalizeNamedOp(rewriter, op);
    if (failed(generic))
      return op.emitError("[E3101] no generic form of this op");
    for (NamedAttribute hint : hints)
      (*generic)->setDiscardableAttr(hint.getName(), hint.getValue());
  }
  return success();
}

void mercer::fuseMultiplyAdd(linalg::GenericOp op) {
  SmallVector<arith::AddFOp> sums;
  for (Value previous : op.getRegionOutputArgs())
    for (Operation *user : previous.getUsers())
      if (auto sum = dyn_cast<arith::AddFOp>(user))
        sums.push_back(sum);
  for (arith::AddFOp sum : sums) {
    if (!sum.getType().isF32() && !sum.getType().isF64())
      continue;
    for (unsigned side : {0u, 1u}) {
      auto product = sum.getOperand(side).getDefiningOp<arith::MulFOp>();
      Value other = sum.getOperand(1 - side);
      if (!product || !product->hasOneUse() || !isa<BlockArgument>(other))
        continue;
      OpBuilder b(sum);
      Value fused = math::FmaOp::create(b, sum.getLoc(), product.getLhs(),
                                        product.getRhs(), other);
      sum.replaceAllUsesWith(fused);
      sum.erase();
      product.erase();
      break;
    }
  }
}

void mercer::expandAffineInBody(linalg::GenericOp op) {
  for (auto apply : llvm::make_early_inc_range(
           op.getBody()->getOps<affine::AffineApplyOp>())) {
    OpBuilder b(apply);
    auto values =
        affine::expandAffineMap(b, apply.getLoc(), apply.getAffineMap(),
                                llvm::to_vector(apply.getMapOperands()));
    if (values && values->size() == 1) {
      apply.getResult().replaceAllUsesWith(values->front());
      apply.erase();
    }
  }
}
