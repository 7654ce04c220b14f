//===- VectorizeLinalg.cpp - linalg on buffers to vector loops ------------===//

#include "backends/cpu/Passes.h"
#include "backends/cpu/vectorize/Generator.h"
#include "passes/kernels/LinalgForms.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mercer {
#define GEN_PASS_DEF_CPUVECTORIZELINALG
#include "backends/cpu/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;
using namespace mercer::cpu;

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
  expandAffineInBody(op);
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
  if (failed(toGenericForm(root)))
    return signalPassFailure();
  SmallVector<linalg::GenericOp> ops;
  root->walk([&](linalg::GenericOp op) { ops.push_back(op); });
  // Last first: a reduction is planned while the fill before it still stands.
  for (linalg::GenericOp op : llvm::reverse(ops))
    if (!erased.contains(op) && failed(vectorize(op, target)))
      return signalPassFailure();
}
