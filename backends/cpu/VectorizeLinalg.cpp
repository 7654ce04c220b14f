//===- VectorizeLinalg.cpp - linalg on buffers to vector loops ------------===//

#include "backends/cpu/Passes.h"
#include "backends/cpu/vectorize/Generator.h"

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mercer {
#define GEN_PASS_DEF_CPUVECTORIZELINALG
#include "backends/cpu/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;
using namespace mercer::cpu;

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

/// In a body with an accumulator, `previous + a * b` rounds once where the
/// target can; all blocks of an op do the same, so results do not depend on
/// the place of an element.
static void fuseMultiplyAdd(linalg::GenericOp op) {
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

/// The fill that directly precedes `op` and writes exactly the buffer of its
/// result `output`, if any; nothing in between touches memory.
static linalg::GenericOp fillBefore(linalg::GenericOp op, unsigned output) {
  Value buffer = op.getDpsInitOperand(output)->get();
  for (OpOperand *input : op.getDpsInputOperands())
    if (input->get() == buffer)
      return {};
  for (auto [index, init] : llvm::enumerate(op.getDpsInits()))
    if (index != output && init == buffer)
      return {};
  for (Operation *before = op->getPrevNode(); before;
       before = before->getPrevNode()) {
    auto fill = dyn_cast<linalg::GenericOp>(before);
    if (!fill) {
      if (isMemoryEffectFree(before) || isa<memref::AllocaOp>(before))
        continue;
      return {};
    }
    if (fill.getNumDpsInits() != 1)
      return {};
    auto yield = cast<linalg::YieldOp>(fill.getBody()->getTerminator());
    Attribute value;
    // A constant inside or a scalar operand that is one.
    Value yielded = yield.getOperand(0);
    if (auto argument = dyn_cast<BlockArgument>(yielded);
        argument && argument.getOwner() == fill.getBody() &&
        argument.getArgNumber() < fill.getNumDpsInputs())
      yielded = fill.getDpsInputOperand(argument.getArgNumber())->get();
    if (!matchPattern(yielded, m_Constant(&value)))
      return {};
    if (fill.getDpsInits().front() == buffer)
      return fill;
    // Another constant fill of another buffer is no obstacle, if that buffer
    // cannot be this one.
    Value root = fill.getDpsInits().front();
    if (!root.getDefiningOp<memref::AllocaOp>() &&
        !buffer.getDefiningOp<memref::AllocaOp>())
      return {};
  }
  return {};
}

static Attribute filledValue(linalg::GenericOp fill) {
  Value yielded = fill.getBody()->getTerminator()->getOperand(0);
  if (auto argument = dyn_cast<BlockArgument>(yielded);
      argument && argument.getOwner() == fill.getBody())
    yielded = fill.getDpsInputOperand(argument.getArgNumber())->get();
  Attribute value;
  matchPattern(yielded, m_Constant(&value));
  return value;
}

namespace {
struct CpuVectorizeLinalgPass
    : mercer::impl::CpuVectorizeLinalgBase<CpuVectorizeLinalgPass> {
  void runOnOperation() override;
  LogicalResult vectorize(linalg::GenericOp op, const TargetInfo &target);

  /// Fills that became the initial value of a later op.
  llvm::SmallPtrSet<Operation *, 8> erased;
};
} // namespace

LogicalResult CpuVectorizeLinalgPass::vectorize(linalg::GenericOp op,
                                                const TargetInfo &target) {
  if (target.hasFma)
    fuseMultiplyAdd(op);
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
  std::string why = "layout or bounds without a linear form";
  FailureOr<Nest> nest = readNest(op);
  FailureOr<Plan> plan = failure();
  if (succeeded(nest)) {
    collapseLoops(*nest);
    // Reductions to one element have no parallel loop: one lane then.
    if (llvm::all_of(nest->loops, [](const Loop &l) { return l.reduction; })) {
      nest->loops.insert(nest->loops.begin(), Loop{1, false, {}, 1});
      for (Access &access : nest->operands)
        access.terms.insert(access.terms.begin(), SmallVector<Term, 2>());
    }
    plan = makePlan(op, *nest, target, why);
  }
  if (failed(plan)) {
    ++numScalar;
    op.emitRemark() << "scalar loops: " << why;
    IRRewriter rewriter(op.getContext());
    rewriter.setInsertionPoint(op);
    if (failed(linalg::linalgOpToLoops(
            rewriter, cast<linalg::LinalgOp>(op.getOperation()))))
      return op.emitError("[E3101] no loops can be written for this op");
    op.erase();
    return success();
  }
  SmallVector<Attribute> initial(nest->numOutputs());
  SmallVector<linalg::GenericOp> dead;
  for (auto [index, output] : llvm::enumerate(plan->outputs)) {
    if (output.keep != Keep::Accumulator ||
        !op.getMatchingIndexingMap(op.getDpsInitOperand(index))
             .isProjectedPermutation())
      continue;
    if (auto fill = fillBefore(op, index)) {
      initial[index] = filledValue(fill);
      dead.push_back(fill);
    }
  }
  Generator(op, *nest, *plan, target, initial).run();
  ++numVectorized;
  op.erase();
  for (linalg::GenericOp fill : dead) {
    ++numFolded;
    erased.insert(fill);
    fill.erase();
  }
  return success();
}

void CpuVectorizeLinalgPass::runOnOperation() {
  erased.clear();
  Operation *root = getOperation();
  TargetInfo target = TargetInfo::get(root);
  copiesToLinalg(root);
  IRRewriter rewriter(&getContext());
  SmallVector<linalg::LinalgOp> named;
  root->walk([&](linalg::LinalgOp op) {
    if (!isa<linalg::GenericOp>(op.getOperation()))
      named.push_back(op);
  });
  for (linalg::LinalgOp op : named) {
    rewriter.setInsertionPoint(op);
    SmallVector<NamedAttribute> hints(op->getDiscardableAttrs());
    FailureOr<linalg::GenericOp> generic =
        linalg::generalizeNamedOp(rewriter, op);
    if (failed(generic)) {
      op.emitError("[E3101] no generic form of this op");
      return signalPassFailure();
    }
    for (NamedAttribute hint : hints)
      (*generic)->setDiscardableAttr(hint.getName(), hint.getValue());
  }
  SmallVector<linalg::GenericOp> ops;
  root->walk([&](linalg::GenericOp op) { ops.push_back(op); });
  // Last first: a reduction is planned while the fill before it still stands.
  for (linalg::GenericOp op : llvm::reverse(ops)) {
    if (op.getNumResults() != 0) {
      op.emitError("[E3102] expects linalg on buffers, found tensors");
      return signalPassFailure();
    }
  }
  for (linalg::GenericOp op : llvm::reverse(ops))
    if (!erased.contains(op) && failed(vectorize(op, target)))
      return signalPassFailure();
}
