//===- Reduction.cpp - many elements to few, by all threads ---------------===//
//
// Where an op has fewer results than a workgroup has threads, the threads share
// the reduced loops: each reduces its part, neighbours exchange registers, and
// subgroups meet in shared memory.
//
//===----------------------------------------------------------------------===//

#include "passes/distribute/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::distribute;

std::optional<Emitter::Combiner> Emitter::combinerOf(OpNest &nest,
                                                     unsigned output) {
  Operation *op = findCombiner(nest.op, output);
  if (!op)
    return std::nullopt;
  return withNeutral(op);
}

Emitter::Combiner Emitter::withNeutral(Operation *op) {
  Type type = op->getResult(0).getType();
  auto constant = [&](double value) -> Value {
    return arith::ConstantOp::create(
        b, FloatAttr::get(cast<FloatType>(type), value));
  };
  auto integer = [&](const APInt &value) -> Value {
    return arith::ConstantOp::create(b, IntegerAttr::get(type, value));
  };
  unsigned width = type.getIntOrFloatBitWidth();
  double infinity = std::numeric_limits<double>::infinity();
  Value neutral =
      llvm::TypeSwitch<Operation *, Value>(op)
          // Minus zero: the sum of nothing but minus zeros keeps its sign.
          .Case<arith::AddFOp, math::FmaOp>(
              [&](auto) { return constant(-0.0); })
          .Case([&](arith::MulFOp) { return constant(1.0); })
          .Case<arith::MaximumFOp, arith::MaxNumFOp>(
              [&](auto) { return constant(-infinity); })
          .Case<arith::MinimumFOp, arith::MinNumFOp>(
              [&](auto) { return constant(infinity); })
          .Case<arith::AddIOp, arith::OrIOp, arith::XOrIOp, arith::MaxUIOp>(
              [&](auto) { return integer(APInt(width, 0)); })
          .Case([&](arith::MulIOp) { return integer(APInt(width, 1)); })
          .Case<arith::AndIOp, arith::MinUIOp>(
              [&](auto) { return integer(APInt::getAllOnes(width)); })
          .Case([&](arith::MaxSIOp) {
            return integer(APInt::getSignedMinValue(width));
          })
          .Case([&](arith::SelectOp choice) {
            auto compare = choice.getCondition().getDefiningOp<arith::CmpFOp>();
            bool larger = compare.getPredicate() == arith::CmpFPredicate::OGT;
            return constant(larger ? -infinity : infinity);
          })
          .Case([&](arith::MinSIOp) {
            return integer(APInt::getSignedMaxValue(width));
          })
          .Default([](Operation *) { return Value(); });
  return Combiner{op, neutral};
}

Value Emitter::combine(const Combiner &combiner, Value x, Value y) {
  if (isa<math::FmaOp>(combiner.op))
    return arith::AddFOp::create(b, x, y);
  if (auto choice = dyn_cast<arith::SelectOp>(combiner.op)) {
    auto compare = choice.getCondition().getDefiningOp<arith::CmpFOp>();
    Value wins = arith::CmpFOp::create(b, compare.getPredicate(), y, x);
    return arith::SelectOp::create(b, wins, y, x);
  }
  OperationState state(b.getLoc(), combiner.op->getName());
  state.addOperands({x, y});
  state.addTypes(x.getType());
  state.addAttributes(combiner.op->getAttrs());
  return b.create(state)->getResult(0);
}

/// The same value of the thread whose number differs in the bits of `mask`.
Value Emitter::exchange(Value value, int64_t mask) {
  Type type = value.getType();
  unsigned width = type.getIntOrFloatBitWidth();
  auto shuffle = [&](Value word) -> Value {
    auto offset = arith::ConstantOp::create(
        b, b.getI32IntegerAttr(static_cast<int32_t>(mask)));
    auto lanes = arith::ConstantOp::create(
        b, b.getI32IntegerAttr(static_cast<int32_t>(target.subgroup)));
    return gpu::ShuffleOp::create(b, word, offset, lanes, gpu::ShuffleMode::XOR)
        .getShuffleResult();
  };
  if (type.isF32() || type.isInteger(32))
    return shuffle(value);
  Type i32 = b.getI32Type(), bits = b.getIntegerType(width);
  Value raw = isa<FloatType>(type)
                  ? Value(arith::BitcastOp::create(b, bits, value))
                  : value;
  Value result;
  if (width < 32) {
    Value word = shuffle(arith::ExtUIOp::create(b, i32, raw));
    result = arith::TruncIOp::create(b, bits, word);
  } else {
    Value shift = arith::ConstantOp::create(b, b.getI64IntegerAttr(32));
    Value low = shuffle(arith::TruncIOp::create(b, i32, raw));
    Value high = shuffle(arith::TruncIOp::create(
        b, i32, arith::ShRUIOp::create(b, raw, shift).getResult()));
    result = arith::OrIOp::create(
        b, arith::ExtUIOp::create(b, bits, low),
        arith::ShLIOp::create(
            b, arith::ExtUIOp::create(b, bits, high).getResult(), shift));
  }
  return isa<FloatType>(type) ? Value(arith::BitcastOp::create(b, type, result))
                              : result;
}

/// Shared memory for `elements` of a type; reductions use it one after another.
Value Emitter::sharedFor(Type elementType, int64_t elements) {
  auto [it, isNew] = exchangeBuffers.try_emplace(elementType);
  if (isNew) {
    Buffer buffer;
    buffer.start = math.constant(0);
    buffer.written = true;
    auto type =
        MemRefType::get({elements}, elementType, AffineMap(),
                        gpu::AddressSpaceAttr::get(
                            b.getContext(), gpu::AddressSpace::Workgroup));
    buffer.flat = function.addWorkgroupAttribution(type, b.getLoc());
    function.setWorkgroupAttributionAttr(
        function.getNumWorkgroupAttributions() - 1,
        b.getStringAttr("llvm.align"), b.getI64IntegerAttr(16));
    it->second = {buffers.size(), elements};
    buffers.push_back(buffer);
  }
  return buffers[it->second.first].flat;
}

/// Few results, and enough to reduce for every thread of a subgroup.
bool Emitter::fitsTeams(OpNest &nest, int64_t minLength) {
  SmallVector<unsigned> reduced = nest.reduced();
  if (reduced.empty())
    return false;
  int64_t results = nest.bound(nest.parallel());
  int64_t length = nest.bound(reduced);
  return !ShapedType::isDynamic(results) && results <= target.threads / 2 &&
         (ShapedType::isDynamic(length) || length >= minLength);
}

/// With as many results as subgroups, each subgroup has its own; with fewer,
/// all threads work on one after the other.
Emitter::Team Emitter::teamFor(OpNest &nest) {
  Team team;
  team.subgroups = target.threads / target.subgroup;
  team.whole = nest.bound(nest.parallel()) * 2 <= team.subgroups;
  team.size = team.whole ? target.threads : target.subgroup;
  team.count = team.whole ? 1 : team.subgroups;
  Index subgroup = math.constant(target.subgroup);
  team.number = team.whole ? math.constant(0) : math.div(thread, subgroup);
  team.member = team.whole ? Index(thread) : math.rem(thread, subgroup);
  return team;
}

SmallVector<Value> Emitter::gather(Value total, const Team &team) {
  Index lane = math.rem(thread, math.constant(target.subgroup));
  Index subgroup = math.div(thread, math.constant(target.subgroup));
  Value room = sharedFor(total.getType(), team.subgroups);
  // All have read what was exchanged before.
  gpu::BarrierOp::create(b);
  {
    auto leader = scf::IfOp::create(b, math.less(lane, math.constant(1)),
                                    /*withElseRegion=*/false);
    OpBuilder::InsertionGuard inside(b);
    b.setInsertionPointToStart(leader.thenBlock());
    memref::StoreOp::create(b, total, room, ValueRange{math.value(subgroup)});
  }
  gpu::BarrierOp::create(b);
  numBarriers += 2;
  SmallVector<Value> totals;
  for (int64_t other = 0; other < team.subgroups; ++other)
    totals.push_back(memref::LoadOp::create(
        b, room, ValueRange{math.value(math.constant(other))}));
  return totals;
}

bool Emitter::reducesTogether(OpNest &nest) {
  if (!fitsTeams(nest, 2 * target.subgroup))
    return false;
  unsigned accumulators = 0;
  for (unsigned output = 0; output < nest.op.getNumDpsInits(); ++output) {
    if (!nest.accumulates(nest.numInputs() + output))
      continue;
    ++accumulators;
    OpBuilder::InsertionGuard guard(b);
    if (!combinerOf(nest, output))
      return false;
  }
  return accumulators > 0;
}

LogicalResult Emitter::emitReduction(OpNest &nest) {
  SmallVector<unsigned> parallel = nest.parallel(), reduced = nest.reduced();
  unsigned numOutputs = nest.op.getNumDpsInits();
  SmallVector<unsigned> accumulators;
  SmallVector<Combiner> combiners;
  SmallVector<Value> neutral;
  for (unsigned output = 0; output < numOutputs; ++output)
    if (nest.accumulates(nest.numInputs() + output)) {
      accumulators.push_back(output);
      combiners.push_back(*combinerOf(nest, output));
      neutral.push_back(combiners.back().neutral);
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

  // This thread's part.
  auto part = scf::ForOp::create(b, math.value(team.member), math.value(length),
                                 math.value(math.constant(team.size)), neutral);
  {
    OpBuilder::InsertionGuard inside(b);
    b.setInsertionPointToStart(part.getBody());
    SmallVector<Index> inner(at);
    for (auto [loop, position] :
         llvm::zip_equal(reduced, math.delinearize(part.getInductionVar(),
                                                   innerSizes, narrow)))
      inner[loop] = position;
    SmallVector<Value> previous(numOutputs);
    for (auto [output, value] :
         llvm::zip_equal(accumulators, part.getRegionIterArgs()))
      previous[output] = value;
    SmallVector<Value> results = emitBody(nest, inner, previous);
    SmallVector<Value> next;
    for (unsigned output = 0; output < numOutputs; ++output) {
      if (llvm::is_contained(accumulators, output))
        next.push_back(results[output]);
      else
        store(*nest.views[nest.numInputs() + output], addressAt(output, inner),
              results[output]);
    }
    scf::YieldOp::create(b, next);
  }

  // The team's: first within subgroups, then across them.
  SmallVector<Value> totals(part.getResults());
  for (auto [combiner, total] : llvm::zip_equal(combiners, totals))
    for (int64_t mask = target.subgroup / 2; mask > 0; mask /= 2)
      total = combine(combiner, total, exchange(total, mask));
  if (team.whole && team.subgroups > 1)
    for (auto [combiner, total] : llvm::zip_equal(combiners, totals)) {
      SmallVector<Value> parts = gather(total, team);
      total = parts.front();
      for (Value part : ArrayRef(parts).drop_front())
        total = combine(combiner, total, part);
    }

  // One thread joins the result with what was there.
  auto leader = scf::IfOp::create(b, math.less(team.member, math.constant(1)),
                                  /*withElseRegion=*/false);
  b.setInsertionPointToStart(leader.thenBlock());
  for (auto [output, combiner, total] :
       llvm::zip_equal(accumulators, combiners, totals)) {
    const View &view = *nest.views[nest.numInputs() + output];
    Index address = addressAt(output, at);
    store(view, address, combine(combiner, load(view, address), total));
  }
  return success();
}
