//===- Scan.cpp - running sums by all threads -----------------------------===//
//
// A reduction whose steps are results too (a running sum) is walked twice: each
// thread reduces a piece of its own, the totals of the pieces before it are
// where it starts, and then it writes the steps of its piece.
//
//===----------------------------------------------------------------------===//

#include "passes/distribute/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::distribute;

/// The op that joins the previous value of an output with a new one, while
/// others look at both; null where what is new depends on what was before.
Operation *Emitter::findScan(OpNest &nest, unsigned output) {
  Block *body = nest.op.getBody();
  BlockArgument previous = body->getArgument(nest.numInputs() + output);
  Operation *join = body->getTerminator()->getOperand(output).getDefiningOp();
  if (!join || join->getBlock() != body || !isCombiner(join, previous) ||
      llvm::count(join->getOperands(), previous) != 1)
    return nullptr;
  // What the new value is made of.
  llvm::SmallPtrSet<Operation *, 16> seen;
  SmallVector<Operation *> pending{join};
  bool independent = true;
  auto visit = [&](Value operand) {
    if (auto argument = dyn_cast<BlockArgument>(operand)) {
      independent &= argument.getOwner() != body ||
                     argument.getArgNumber() < nest.numInputs();
      return;
    }
    Operation *source = operand.getDefiningOp();
    if (source && body->findAncestorOpInBlock(*source) &&
        seen.insert(source).second)
      pending.push_back(source);
  };
  while (!pending.empty()) {
    Operation *op = pending.pop_back_val();
    op->walk([&](Operation *inside) {
      for (Value operand : inside->getOperands())
        if (inside != join || operand != previous)
          visit(operand);
    });
  }
  return independent ? join : nullptr;
}

bool Emitter::scansTogether(OpNest &nest) {
  // Two walks pay where a thread has several steps.
  if (!fitsTeams(nest, 4 * target.subgroup))
    return false;
  bool any = false;
  for (unsigned output = 0; output < nest.op.getNumDpsInits(); ++output) {
    if (!nest.accumulates(nest.numInputs() + output))
      continue;
    if (!findScan(nest, output))
      return false;
    any = true;
  }
  return any;
}

LogicalResult Emitter::emitScan(OpNest &nest) {
  SmallVector<unsigned> parallel = nest.parallel(), reduced = nest.reduced();
  unsigned numOutputs = nest.op.getNumDpsInits();
  SmallVector<unsigned> accumulators;
  SmallVector<Combiner> combiners;
  SmallVector<Value> neutral;
  SmallVector<Type> types;
  for (unsigned output = 0; output < numOutputs; ++output)
    if (nest.accumulates(nest.numInputs() + output)) {
      accumulators.push_back(output);
      combiners.push_back(withNeutral(findScan(nest, output)));
      neutral.push_back(combiners.back().neutral);
      types.push_back(neutral.back().getType());
    }
  Team team = teamFor(nest);

  SmallVector<Index> outerSizes, innerSizes;
  Index points = math.constant(1), length = math.constant(1);
  for (unsigned loop : parallel) {
    outerSizes.push_back(nest.loops[loop].size);
    points = math.mul(points, outerSizes.back());
  }
  for (unsigned loop : reduced) {
    innerSizes.push_back(nest.loops[loop].size);
    length = math.mul(length, innerSizes.back());
  }
  int64_t bound = nest.bound(reduced);
  bool narrow = !ShapedType::isDynamic(bound) && bound < (int64_t(1) << 31);
  // This thread's piece.
  Index piece = math.div(math.add(length, math.constant(team.size - 1)),
                         math.constant(team.size));
  Index begin = math.min(math.mul(team.member, piece), length);
  Index end = math.min(math.add(begin, piece), length);
  Value isLeader = math.less(team.member, math.constant(1));

  OpBuilder::InsertionGuard guard(b);
  auto outer =
      scf::ForOp::create(b, math.value(team.number), math.value(points),
                         math.value(math.constant(team.count)));
  b.setInsertionPointToStart(outer.getBody());
  SmallVector<Index> at(nest.loops.size(), math.constant(0));
  for (auto [loop, position] : llvm::zip_equal(
           parallel, math.delinearize(outer.getInductionVar(), outerSizes,
                                      /*narrow=*/true)))
    at[loop] = position;
  auto addressAt = [&](unsigned output, ArrayRef<Index> where) {
    unsigned operand = nest.numInputs() + output;
    return addressOf(*nest.views[operand], nest.map(operand), where);
  };

  auto walk = [&](ValueRange start, bool write) {
    OpBuilder::InsertionGuard inside(b);
    auto steps = scf::ForOp::create(b, math.value(begin), math.value(end),
                                    math.value(math.constant(1)), start);
    b.setInsertionPointToStart(steps.getBody());
    SmallVector<Index> inner(at);
    for (auto [loop, position] :
         llvm::zip_equal(reduced, math.delinearize(steps.getInductionVar(),
                                                   innerSizes, narrow)))
      inner[loop] = position;
    SmallVector<Value> previous(numOutputs);
    for (auto [output, value] :
         llvm::zip_equal(accumulators, steps.getRegionIterArgs()))
      previous[output] = value;
    SmallVector<Value> results = emitBody(nest, inner, previous);
    SmallVector<Value> next;
    for (unsigned output = 0; output < numOutputs; ++output) {
      if (llvm::is_contained(accumulators, output))
        next.push_back(results[output]);
      else if (write)
        store(*nest.views[nest.numInputs() + output], addressAt(output, inner),
              results[output]);
    }
    scf::YieldOp::create(b, next);
    return SmallVector<Value>(steps.getResults());
  };

  // The leader starts from what was there: only it reads and writes that.
  auto initial = scf::IfOp::create(b, types, isLeader, /*addThenBlock=*/true,
                                   /*addElseBlock=*/true);
  {
    OpBuilder::InsertionGuard inside(b);
    b.setInsertionPointToStart(initial.thenBlock());
    SmallVector<Value> values;
    for (unsigned output : accumulators)
      values.push_back(
          load(*nest.views[nest.numInputs() + output], addressAt(output, at)));
    scf::YieldOp::create(b, values);
    b.setInsertionPointToStart(initial.elseBlock());
    scf::YieldOp::create(b, neutral);
  }
  SmallVector<Value> totals = walk(initial.getResults(), /*write=*/false);

  // Totals of the pieces before: of this subgroup, then of those below.
  SmallVector<Value> before(initial.getResults());
  for (auto [combiner, total, prefix] :
       llvm::zip_equal(combiners, totals, before)) {
    for (int64_t mask = 1; mask < target.subgroup; mask *= 2) {
      Value other = exchange(total, mask);
      Index bit = math.rem(math.div(team.member, math.constant(mask)),
                           math.constant(2));
      prefix =
          arith::SelectOp::create(b, math.less(math.constant(0), bit),
                                  combine(combiner, other, prefix), prefix);
      total = combine(combiner, total, other);
    }
    if (!team.whole || team.subgroups == 1)
      continue;
    Index subgroup = math.div(thread, math.constant(target.subgroup));
    Value below = combiner.neutral, sum;
    for (auto [number, part] : llvm::enumerate(gather(total, team))) {
      sum = sum ? combine(combiner, sum, part) : part;
      below = arith::SelectOp::create(
          b, math.less(math.constant(number), subgroup), sum, below);
    }
    total = sum;
    prefix = combine(combiner, below, prefix);
  }
  walk(before, /*write=*/true);

  auto leader = scf::IfOp::create(b, isLeader, /*withElseRegion=*/false);
  b.setInsertionPointToStart(leader.thenBlock());
  for (auto [output, total] : llvm::zip_equal(accumulators, totals))
    store(*nest.views[nest.numInputs() + output], addressAt(output, at), total);
  return success();
}
