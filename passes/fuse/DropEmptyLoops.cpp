//===- DropEmptyLoops.cpp - remove operations that visit nothing ----------===//
//
// An operation that accumulates leaves its destination as it is when a loop has
// no point. `mercer.pairwise` overwrites instead: its result is then what its
// reductions make of no pair at all. Later stages may assume that every static
// extent is at least 1; tiles of size 0 have no meaning to them.
//
//===----------------------------------------------------------------------===//

#include "passes/fuse/Passes.h"

#include "dialects/mercer/IR/Mercer.h"
#include "passes/decompose/TileBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

#include <limits>

using namespace mlir;

namespace mercer {
#define GEN_PASS_DEF_MERCERDROPEMPTYLOOPS
#include "passes/fuse/Passes.h.inc"
} // namespace mercer

/// False where a size is statically 0.
static bool hasElements(Value tensor) {
  return !llvm::is_contained(
      cast<RankedTensorType>(tensor.getType()).getShape(), 0);
}

/// False also where the extents are not known statically. Named operations have
/// no loops to ask for; without results they do nothing either.
static bool visitsNothing(DestinationStyleOpInterface op) {
  if (llvm::none_of(op.getDpsInits(), hasElements))
    return true;
  SmallVector<int64_t> extents;
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op.getOperation()))
    extents = linalgOp.getStaticLoopRanges();
  else if (auto kernelOp =
               dyn_cast<mercer::KernelOpInterface>(op.getOperation()))
    extents = kernelOp.getStaticLoopExtents();
  return llvm::is_contained(extents, 0);
}

namespace mercer {
namespace {

/// Result `k` of a reduction over no pair, for the kinds where it is a number.
double overNothing(ReduceKind kind, unsigned k) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  switch (kind) {
  case ReduceKind::Max:
  case ReduceKind::LogSumExp:
    return -inf;
  case ReduceKind::Min:
    return inf;
  // The position that the search starts from, then the extreme.
  case ReduceKind::ArgMax:
    return k == 0 ? 0 : -inf;
  case ReduceKind::ArgMin:
    return k == 0 ? 0 : inf;
  // 0 / 0, then the logarithm of no exponentials.
  case ReduceKind::Softmax:
    return k == 0 ? std::numeric_limits<double>::quiet_NaN() : -inf;
  case ReduceKind::SoftmaxZero:
    return k == 0 ? 0 : -inf;
  default:
    return 0;
  }
}

/// All results of a `mercer.pairwise` without rows or without columns.
SmallVector<Value> reduceNothing(OpBuilder &b, PairwiseOp op) {
  Location loc = op.getLoc();
  TileBuilder t(b, loc);
  SmallVector<Value> results(op.getOutputs());
  // States to start from are the states to end with.
  if (op.getPartial())
    return results;
  unsigned next = 0;
  SmallVector<ReductionAttr> reductions = op.getReductionAttrs();
  for (unsigned index = 0; index < reductions.size(); ++index) {
    ReduceKind kind = reductions[index].getKind();
    for (unsigned k = 0; k < op.getNumOutputs(index); ++k, ++next) {
      Value output = results[next];
      auto type = cast<RankedTensorType>(output.getType());
      if (!hasElements(output))
        continue;
      if (kind != ReduceKind::Custom) {
        double value = overNothing(kind, k);
        results[next] =
            t.fill(output, numberAttr(type.getElementType(), value));
        continue;
      }
      auto loops =
          llvm::to_vector(llvm::seq<unsigned>(0, unsigned(type.getRank())));
      AffineMap map = b.getMultiDimIdentityMap(type.getRank());
      results[next] =
          t.generic(loops, {}, {{output, map}}, [&](OpBuilder &at, ValueRange) {
            TileBuilder inner(at, loc);
            SmallVector<Value> states =
                inner.inlineRegion(at, *op.getReductionRegion(index, 0), {});
            Value value = inner.inlineRegion(
                at, *op.getReductionRegion(index, 3), states)[k];
            return SmallVector<Value>{
                inner.convert(value, type.getElementType())};
          })[0];
    }
  }
  return results;
}

/// Gives loops of features and of value columns that are empty one point, of
/// zeros: inner reductions over it give 0 as over nothing, and results that
/// have no elements are left to their destinations.
void fillEmptyOperands(OpBuilder &b, PairwiseOp op) {
  Location loc = op.getLoc();
  TileBuilder t(b, loc);
  SmallVector<int64_t> extents = op.getStaticLoopExtents();
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  auto isEmpty = [&](AffineExpr expr) {
    for (unsigned loop = 0; loop < extents.size(); ++loop)
      if (extents[loop] == 0 && expr.isFunctionOfDim(loop) &&
          (op.getPairDim(loop) == PairDim::Feature ||
           op.getPairDim(loop) == PairDim::Value))
        return true;
    return false;
  };
  auto isEmptyOperand = [&](unsigned number) {
    return isa<RankedTensorType>(op->getOperand(number).getType()) &&
           llvm::any_of(maps[number].getResults(), isEmpty);
  };
  /// Uninitialised, with the one point.
  auto widened = [&](OpOperand &operand) -> Value {
    SmallVector<OpFoldResult> sizes =
        tensor::getMixedSizes(b, loc, operand.get());
    for (auto [size, expr] :
         llvm::zip_equal(sizes, maps[operand.getOperandNumber()].getResults()))
      if (isEmpty(expr) && isConstantIntValue(size, 0))
        size = b.getIndexAttr(1);
    return tensor::EmptyOp::create(b, loc, sizes,
                                   getElementTypeOrSelf(operand.get()));
  };
  auto zeros = [&](OpOperand &operand) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      return;
    Value fresh = widened(operand);
    operand.set(
        t.fill(fresh, b.getZeroAttr(getElementTypeOrSelf(fresh.getType()))));
  };
  unsigned input = 0;
  for (unsigned k = 0; k < op.getInnerAttrs().size(); ++k) {
    auto own =
        llvm::seq<unsigned>(input, input + op.getInnerAttrs()[k].getOperands());
    input = *own.end();
    if (llvm::none_of(own, isEmptyOperand))
      continue;
    for (unsigned number : own)
      zeros(op->getOpOperand(number));
    // A custom pair of zeros may be anything.
    if (Region *pair = op.getPairRegion(k)) {
      Operation *yield = pair->front().getTerminator();
      OpBuilder at(yield);
      TypedAttr zero = at.getZeroAttr(yield->getOperand(0).getType());
      yield->setOperand(0, arith::ConstantOp::create(at, loc, zero));
    }
  }
  unsigned outputs = op->getNumOperands() - op.getOutputs().size();
  for (unsigned number = input; number < op->getNumOperands(); ++number) {
    if (!isEmptyOperand(number))
      continue;
    OpOperand &operand = op->getOpOperand(number);
    if (number < outputs) {
      zeros(operand);
      continue;
    }
    OpResult result = op->getResult(number - outputs);
    result.replaceAllUsesWith(operand.get());
    operand.set(widened(operand));
    result.setType(operand.get().getType());
  }
}

struct DropEmptyLoops : impl::MercerDropEmptyLoopsBase<DropEmptyLoops> {
  using Base::Base;

  void runOnOperation() override {
    getOperation()->walk([&](DestinationStyleOpInterface op) {
      if (!op.hasPureTensorSemantics() || !visitsNothing(op))
        return;
      OpBuilder b(op);
      SmallVector<Value> results(op.getDpsInits());
      if (auto pairwise = dyn_cast<PairwiseOp>(op.getOperation())) {
        if (llvm::any_of(results, hasElements)) {
          fillEmptyOperands(b, pairwise);
          if (!visitsNothing(op))
            return;
          results = reduceNothing(b, pairwise);
        }
      }
      op->replaceAllUsesWith(results);
      op->erase();
      ++numDropped;
    });
  }
};

} // namespace
} // namespace mercer
