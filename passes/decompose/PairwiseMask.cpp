//===- PairwiseMask.cpp - which columns a row tile can see ----------------===//

#include "passes/decompose/PairwiseMask.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace mercer;

namespace {

/// row * rowFactor + col * colFactor + rest; a null rest is 0.
struct Form {
  int64_t row = 0, col = 0;
  Value rest;
};

class Analyser {
public:
  Analyser(OpBuilder &b, PairwiseOp op, unsigned rowLoop, unsigned colLoop,
           ArrayRef<Value> captures, function_ref<Value(unsigned)> position)
      : b(b), op(op), rowLoop(rowLoop), colLoop(colLoop), captures(captures),
        position(position) {}

  MaskAnalysis run() {
    Operation *yield = op.getMask().front().getTerminator();
    visit(yield->getOperand(0));
    return std::move(result);
  }

private:
  void visit(Value condition) {
    if (auto both = condition.getDefiningOp<arith::AndIOp>()) {
      visit(both.getLhs());
      visit(both.getRhs());
      return;
    }
    auto compare = condition.getDefiningOp<arith::CmpIOp>();
    if (!compare || !compare.getLhs().getType().isIndex()) {
      result.hasOther = true;
      return;
    }
    std::optional<Form> lhs = formOf(compare.getLhs());
    std::optional<Form> rhs = lhs ? formOf(compare.getRhs()) : std::nullopt;
    if (!lhs || !rhs) {
      result.hasOther = true;
      return;
    }
    // To `difference <= 0` or `difference >= 0` with difference = lhs - rhs.
    Form difference{lhs->row - rhs->row, lhs->col - rhs->col,
                    minus(lhs->rest, rhs->rest)};
    bool lessEqual = false;
    int64_t strict = 0;
    switch (compare.getPredicate()) {
    case arith::CmpIPredicate::slt:
      strict = 1;
      [[fallthrough]];
    case arith::CmpIPredicate::sle:
      lessEqual = true;
      break;
    case arith::CmpIPredicate::sgt:
      strict = -1;
      break;
    case arith::CmpIPredicate::sge:
      break;
    default:
      result.hasOther = true;
      return;
    }
    if (strict != 0)
      difference.rest = plus(difference.rest, constant(strict));
    if (difference.col != 1 && difference.col != -1) {
      result.hasOther = true;
      return;
    }
    // col + row * a + rest <= 0  is  col <= -a * row - rest; with the other
    // sign of col the comparison turns around.
    bool flipped = difference.col < 0;
    ColumnBound bound;
    bound.isLower = lessEqual == flipped;
    bound.rowFactor = flipped ? difference.row : -difference.row;
    bound.rest = flipped ? difference.rest : minus(Value(), difference.rest);
    if (!bound.rest)
      bound.rest = constant(0);
    result.bounds.push_back(bound);
  }

  std::optional<Form> formOf(Value value) {
    if (auto index = value.getDefiningOp<IndexOp>()) {
      if (index.getDim() == rowLoop)
        return Form{1, 0, Value()};
      if (index.getDim() == colLoop)
        return Form{0, 1, Value()};
      return Form{0, 0, position(index.getDim())};
    }
    if (auto sum = value.getDefiningOp<arith::AddIOp>())
      return join(sum.getLhs(), sum.getRhs(), 1);
    if (auto difference = value.getDefiningOp<arith::SubIOp>())
      return join(difference.getLhs(), difference.getRhs(), -1);
    if (Value same = invariant(value))
      return Form{0, 0, same};
    return std::nullopt;
  }

  std::optional<Form> join(Value lhs, Value rhs, int64_t sign) {
    std::optional<Form> x = formOf(lhs);
    std::optional<Form> y = x ? formOf(rhs) : std::nullopt;
    if (!y)
      return std::nullopt;
    return Form{x->row + sign * y->row, x->col + sign * y->col,
                sign > 0 ? plus(x->rest, y->rest) : minus(x->rest, y->rest)};
  }

  /// The value outside of the region, if it is the same for the whole tile.
  Value invariant(Value value) {
    Region *region = &op.getMask();
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      if (argument.getOwner() == &region->front())
        return captures[argument.getArgNumber()];
      return value;
    }
    Operation *def = value.getDefiningOp();
    if (!region->isAncestor(def->getParentRegion()))
      return value;
    if (isa<IndexOp>(def) || !isPure(def) || def->getNumRegions() != 0)
      return Value();
    IRMapping mapping;
    for (Value operand : def->getOperands()) {
      Value outside = invariant(operand);
      if (!outside)
        return Value();
      mapping.map(operand, outside);
    }
    return b.clone(*def, mapping)
        ->getResult(cast<OpResult>(value).getResultNumber());
  }

  Value constant(int64_t value) {
    return arith::ConstantIndexOp::create(b, op.getLoc(), value);
  }
  Value plus(Value x, Value y) {
    if (!x || !y)
      return x ? x : y;
    return arith::AddIOp::create(b, op.getLoc(), x, y);
  }
  Value minus(Value x, Value y) {
    if (!y)
      return x;
    return arith::SubIOp::create(b, op.getLoc(), x ? x : constant(0), y);
  }

  OpBuilder &b;
  PairwiseOp op;
  unsigned rowLoop, colLoop;
  ArrayRef<Value> captures;
  function_ref<Value(unsigned)> position;
  MaskAnalysis result;
};

} // namespace

MaskAnalysis mercer::analyseMask(OpBuilder &b, PairwiseOp op, unsigned rowLoop,
                                 unsigned colLoop, ArrayRef<Value> captures,
                                 function_ref<Value(unsigned)> position) {
  return Analyser(b, op, rowLoop, colLoop, captures, position).run();
}
