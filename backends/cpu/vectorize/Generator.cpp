//===- Generator.cpp - loops, blocks and accumulators ---------------------===//

#include "backends/cpu/vectorize/Generator.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::cpu;

//===----------------------------------------------------------------------===//
// Small builders
//===----------------------------------------------------------------------===//

Value Generator::index(int64_t value) {
  return arith::ConstantIndexOp::create(b, value);
}
Value Generator::add(Value a, Value c) {
  return b.createOrFold<arith::AddIOp>(a, c);
}
Value Generator::mul(Value a, Value c) {
  return b.createOrFold<arith::MulIOp>(a, c);
}
VectorType Generator::vectorOf(Type elementType) {
  return VectorType::get({plan.lanes}, elementType);
}
Value Generator::broadcast(Value scalar) {
  return vector::BroadcastOp::create(b, vectorOf(scalar.getType()), scalar);
}

/// A constant in all lanes; without one, what masked-off lanes read: zero, or
/// one for integers, which may be divided by.
Value Generator::splat(Attribute value, Type elementType) {
  if (!value)
    value = isa<FloatType>(elementType)
                ? Attribute(b.getZeroAttr(elementType))
                : Attribute(b.getIntegerAttr(elementType, 1));
  return arith::ConstantOp::create(
      b, DenseElementsAttr::get(vectorOf(elementType), value));
}

//===----------------------------------------------------------------------===//
// Set-up
//===----------------------------------------------------------------------===//

Generator::Generator(linalg::GenericOp op, const Nest &nest, const Plan &plan,
                     const TargetInfo &target, ArrayRef<Attribute> initial)
    : op(op), nest(nest), plan(plan), target(target),
      initial(initial.begin(), initial.end()), b(op.getLoc(), op),
      entry(op->getBlock()) {}

void Generator::run() {
  unsigned numLoops = op.getNumLoops();
  SmallVector<Value> dimSizes(numLoops);
  for (OpOperand &operand : op->getOpOperands()) {
    auto type = dyn_cast<MemRefType>(operand.get().getType());
    if (!type)
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (auto [position, expr] : llvm::enumerate(map.getResults())) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (!dim || dimSizes[dim.getPosition()])
        continue;
      if (!type.isDynamicDim(position))
        dimSizes[dim.getPosition()] = index(type.getDimSize(position));
      else if (llvm::none_of(nest.loops, [&](const Loop &loop) {
                 return loop.isStatic() &&
                        llvm::is_contained(loop.dims, dim.getPosition());
               }))
        dimSizes[dim.getPosition()] =
            memref::DimOp::create(b, operand.get(), position);
    }
  }
  for (const Loop &loop : nest.loops) {
    if (loop.isStatic()) {
      sizes.push_back(index(loop.size));
      continue;
    }
    Value size = index(1);
    for (unsigned dim : loop.dims)
      size = mul(size, dimSizes[dim]);
    sizes.push_back(size);
  }

  Frame frame;
  frame.start.assign(nest.loops.size(), index(0));
  frame.rows.assign(nest.loops.size(), 1);
  frame.step.assign(nest.loops.size(), 0);
  frame.vectors = 1;
  frame.masks.assign(1, Value());
  for (const Access &access : nest.operands) {
    if (!access.isBuffer) {
      buffers.push_back({});
      frame.base.push_back(Value());
      continue;
    }
    buffers.push_back(flatten(access.value));
    Value base = index(0);
    if (access.linear)
      for (auto [i, start] : llvm::enumerate(access.start))
        base = add(base, mul(buffers.back().strides[i], index(start)));
    frame.base.push_back(base);
  }
  for (Operation &bodyOp : *nest.body)
    if (auto load = dyn_cast<memref::LoadOp>(bodyOp))
      if (!captured.count(load.getMemRef()))
        captured[load.getMemRef()] = flatten(load.getMemRef());

  if (plan.transposed)
    emitTransposed(frame);
  else
    emitParallel(0, frame);
}

/// Enters iteration `start` of a loop.
void Generator::bind(Frame &frame, unsigned loop, Value start) {
  frame.start[loop] = add(frame.start[loop], start);
  for (auto [operand, access] : llvm::enumerate(nest.operands)) {
    if (!access.moves(loop) || !access.linear)
      continue;
    for (const Term &term : access.terms[loop]) {
      Value step =
          mul(buffers[operand].strides[term.index], index(term.factor));
      frame.base[operand] = add(frame.base[operand], mul(start, step));
    }
  }
}

/// Mask of the first `count` lanes.
Value Generator::tailMask(Value count) {
  if (std::optional<int64_t> constant = getConstantIntValue(count)) {
    SmallVector<bool> lanes;
    for (int64_t lane = 0; lane < plan.lanes; ++lane)
      lanes.push_back(lane < *constant);
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(vectorOf(b.getI1Type()), lanes));
  }
  // 32-bit lanes: the compare is one instruction for a vector of floats.
  SmallVector<int32_t> counting;
  for (int64_t lane = 0; lane < plan.lanes; ++lane)
    counting.push_back(lane);
  Value lanes = arith::ConstantOp::create(
      b, DenseElementsAttr::get(vectorOf(b.getI32Type()),
                                ArrayRef<int32_t>(counting)));
  Value limit = arith::IndexCastOp::create(b, b.getI32Type(), count);
  return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, lanes,
                               broadcast(limit));
}

//===----------------------------------------------------------------------===//
// Parallel loops
//===----------------------------------------------------------------------===//

/// Writes a loop from `from` to `to`, or its body once where it is known to run
/// exactly once, or nothing where it never runs.
static void loopOver(ImplicitLocOpBuilder &b, Value from, Value to,
                     int64_t step, llvm::function_ref<void(Value)> body) {
  auto lo = getConstantIntValue(from), hi = getConstantIntValue(to);
  if (lo && hi && *lo >= *hi)
    return;
  if (lo && hi && *lo + step >= *hi) {
    body(from);
    return;
  }
  auto loop =
      scf::ForOp::create(b, from, to, arith::ConstantIndexOp::create(b, step));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

void Generator::emitParallel(unsigned level, Frame frame) {
  if (level == plan.parallel.size())
    return emitBlock(std::move(frame));
  if (plan.parallel[level] == plan.lane)
    return emitLanes(level, frame);
  // The lane loop of a plain nest: what its lanes share is loaded before it.
  emitRows(level, frame);
}

/// A loop over rows: full blocks, then smaller ones for the edge.
void Generator::emitRows(unsigned level, Frame &frame) {
  unsigned loop = plan.parallel[level];
  auto enter = [&](Value start, int64_t rows) {
    Frame inner = frame;
    bind(inner, loop, start);
    inner.rows[loop] = rows;
    emitParallel(level + 1, std::move(inner));
  };
  int64_t block = plan.block[loop];
  if (nest.loops[loop].isStatic()) {
    int64_t size = nest.loops[loop].size, full = size / block * block;
    loopOver(b, index(0), index(full), block,
             [&](Value start) { enter(start, block); });
    if (full < size)
      enter(index(full), size - full);
    return;
  }
  Value size = sizeOf(loop), from = index(0);
  // In a masked block with a long body the edge goes row by row, to keep the
  // code small.
  constexpr unsigned shortBody = 4;
  bool small = llvm::range_size(nest.body->without_terminator()) > shortBody &&
               llvm::any_of(frame.masks, [](Value mask) { return !!mask; });
  for (int64_t rows = block; rows >= 1;
       rows = rows == 1 ? 0 : (small ? 1 : rows / 2)) {
    Value to = size;
    if (rows > 1) {
      Value left = arith::SubIOp::create(b, size, from);
      Value over = arith::RemUIOp::create(b, left, index(rows));
      to = arith::SubIOp::create(b, size, over);
    }
    loopOver(b, from, to, rows, [&](Value start) { enter(start, rows); });
    from = to;
  }
}

/// The parallel lane loop: full blocks of vectors, then the edge.
void Generator::emitLanes(unsigned level, Frame &frame) {
  unsigned loop = plan.lane;
  auto enter = [&](Value start, int64_t vectors, Value lastMask) {
    Frame inner = frame;
    bind(inner, loop, start);
    inner.vectors = vectors;
    inner.masks.assign(vectors, Value());
    inner.masks.back() = lastMask;
    emitParallel(level + 1, std::move(inner));
  };
  // What all lanes share is loaded once, where the lane loop is the innermost.
  if (level + 1 == plan.parallel.size() && plan.reductions.empty())
    preload(frame, {loop});
  int64_t width = plan.lanes * plan.vectors;
  if (nest.loops[loop].isStatic()) {
    int64_t size = nest.loops[loop].size, full = size / width * width;
    loopOver(b, index(0), index(full), width,
             [&](Value start) { enter(start, plan.vectors, Value()); });
    if (int64_t rest = size - full; rest > 0) {
      int64_t last = rest % plan.lanes;
      enter(index(full), llvm::divideCeil(rest, plan.lanes),
            last ? tailMask(index(last)) : Value());
    }
    return;
  }
  Value size = sizeOf(loop);
  Value over = arith::RemUIOp::create(b, size, index(width));
  Value full = arith::SubIOp::create(b, size, over);
  loopOver(b, index(0), full, width,
           [&](Value start) { enter(start, plan.vectors, Value()); });
  loopOver(b, full, size, plan.lanes, [&](Value start) {
    Value left = arith::SubIOp::create(b, size, start);
    enter(start, 1, tailMask(left));
  });
}

/// Loads the inputs that do not move along any of the `inner` loops, so that
/// they stay in registers while those run: stores inside would keep LLVM from
/// hoisting them.
void Generator::preload(Frame &frame, ArrayRef<unsigned> inner) {
  for (unsigned operand = 0; operand < nest.numInputs; ++operand) {
    const Access &access = nest.operands[operand];
    if (!access.isBuffer || nest.body->getArgument(operand).use_empty() ||
        llvm::any_of(inner, [&](unsigned l) { return access.moves(l); }))
      continue;
    bool perVector = access.moves(plan.lane);
    for (ArrayRef<int64_t> row : rowOffsets(frame))
      for (int64_t v = 0; v < (perVector ? frame.vectors : 1); ++v)
        load(frame, operand, row, v);
  }
}

/// Offsets of every row of the block, the inner loops fastest.
SmallVector<SmallVector<int64_t>> Generator::rowOffsets(const Frame &frame) {
  SmallVector<SmallVector<int64_t>> rows{
      SmallVector<int64_t>(nest.loops.size(), 0)};
  for (unsigned loop = 0; loop < nest.loops.size(); ++loop) {
    if (frame.rows[loop] == 1)
      continue;
    SmallVector<SmallVector<int64_t>> next;
    for (const auto &row : rows)
      for (int64_t i = 0; i < frame.rows[loop]; ++i) {
        next.push_back(row);
        next.back()[loop] = i;
      }
    rows = std::move(next);
  }
  return rows;
}

/// The value that leaves every other unchanged under `kind`.
static TypedAttr neutral(OpBuilder &b, vector::CombiningKind kind, Type type) {
  arith::AtomicRMWKind rmw = [&] {
    using vector::CombiningKind;
    switch (kind) {
    case CombiningKind::ADD:
      return isa<FloatType>(type) ? arith::AtomicRMWKind::addf
                                  : arith::AtomicRMWKind::addi;
    case CombiningKind::MUL:
      return isa<FloatType>(type) ? arith::AtomicRMWKind::mulf
                                  : arith::AtomicRMWKind::muli;
    case CombiningKind::AND:
      return arith::AtomicRMWKind::andi;
    case CombiningKind::OR:
      return arith::AtomicRMWKind::ori;
    case CombiningKind::XOR:
      return arith::AtomicRMWKind::xori;
    case CombiningKind::MAXSI:
      return arith::AtomicRMWKind::maxs;
    case CombiningKind::MAXUI:
      return arith::AtomicRMWKind::maxu;
    case CombiningKind::MINSI:
      return arith::AtomicRMWKind::mins;
    case CombiningKind::MINUI:
      return arith::AtomicRMWKind::minu;
    case CombiningKind::MAXIMUMF:
      return arith::AtomicRMWKind::maximumf;
    case CombiningKind::MINIMUMF:
      return arith::AtomicRMWKind::minimumf;
    case CombiningKind::MAXNUMF:
      return arith::AtomicRMWKind::maxnumf;
    case CombiningKind::MINNUMF:
      return arith::AtomicRMWKind::minnumf;
    }
    llvm_unreachable("unknown combining kind");
  }();
  // Infinities, not the largest finite values: they are exact neutrals.
  if (auto floatType = dyn_cast<FloatType>(type)) {
    using arith::AtomicRMWKind;
    bool max = rmw == AtomicRMWKind::maximumf || rmw == AtomicRMWKind::maxnumf;
    bool min = rmw == AtomicRMWKind::minimumf || rmw == AtomicRMWKind::minnumf;
    if (max || min)
      return b.getFloatAttr(
          type, APFloat::getInf(floatType.getFloatSemantics(), max));
  }
  return arith::getIdentityValueAttr(rmw, type, b, b.getUnknownLoc());
}

//===----------------------------------------------------------------------===//
// Reduction loops
//===----------------------------------------------------------------------===//

void Generator::emitBlock(Frame frame) {
  if (plan.reductions.empty()) {
    emitPoints(frame, {});
    return;
  }
  if (plan.laneReduces(nest)) {
    frame.vectors = plan.vectors;
    frame.masks.assign(plan.vectors, Value());
  }
  Values accumulators = startAccumulators(frame);
  preload(frame, plan.reductions);
  accumulators = emitReduction(0, frame, accumulators);
  finishAccumulators(frame, accumulators);
}

/// A loop that carries values; written out where it runs at most once.
static SmallVector<Value> carryOver(
    ImplicitLocOpBuilder &b, Value from, Value to, int64_t step,
    SmallVector<Value> carried,
    llvm::function_ref<SmallVector<Value>(Value, SmallVector<Value>)> body) {
  auto lo = getConstantIntValue(from), hi = getConstantIntValue(to);
  if (lo && hi && *lo >= *hi)
    return carried;
  if (lo && hi && *lo + step >= *hi)
    return body(from, carried);
  auto loop = scf::ForOp::create(
      b, from, to, arith::ConstantIndexOp::create(b, step), carried);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> inside(loop.getRegionIterArgs().begin(),
                            loop.getRegionIterArgs().end());
  SmallVector<Value> next = body(loop.getInductionVar(), inside);
  // Without carried values the loop comes with its terminator.
  if (carried.empty())
    return {};
  scf::YieldOp::create(b, next);
  return SmallVector<Value>(loop.getResults().begin(), loop.getResults().end());
}

Generator::Values Generator::emitReduction(unsigned level, Frame frame,
                                           Values carried) {
  if (level == plan.reductions.size())
    return emitPoints(frame, carried);
  unsigned loop = plan.reductions[level];
  if (loop == plan.lane)
    return emitLaneReduction(level, frame, carried);
  if (plan.unrolled[loop])
    return emitUnrolled(level, frame, carried);
  if (plan.partLevel == level)
    return emitParts(level, frame, carried);
  return carryOver(b, index(0), sizeOf(loop), 1, carried,
                   [&](Value start, Values inside) {
                     Frame inner = frame;
                     bind(inner, loop, start);
                     return emitReduction(level + 1, std::move(inner), inside);
                   });
}

/// A loop whose sums are taken in parts: a part starts from zero and joins the
/// carried sum at its end. Other accumulators run through.
Generator::Values Generator::emitParts(unsigned level, Frame &frame,
                                       Values carried) {
  unsigned loop = plan.reductions[level];
  SmallVector<unsigned> outputs = accumulatorOutputs(frame);
  auto inside = [&](Value start, Values values) {
    Frame inner = frame;
    bind(inner, loop, start);
    return emitReduction(level + 1, std::move(inner), values);
  };
  Value size = sizeOf(loop);
  return carryOver(
      b, index(0), size, plan.partSteps, carried,
      [&](Value start, Values before) {
        Values part = before;
        for (auto [value, output] : llvm::zip_equal(part, outputs))
          if (plan.sums(nest, output)) {
            Type type = nest.outputs()[output].elementType;
            value = toStorage(
                splat(neutral(b, vector::CombiningKind::ADD, type), type));
          }
        if (plan.partSteps == 1) {
          part = inside(start, part);
        } else {
          Value end = add(start, index(plan.partSteps));
          if (!nest.loops[loop].isStatic() ||
              nest.loops[loop].size % plan.partSteps)
            end = arith::MinUIOp::create(b, end, size);
          // From zero, so that a part of known length is seen as one.
          part =
              carryOver(b, index(0), b.createOrFold<arith::SubIOp>(end, start),
                        1, part, [&](Value step, Values values) {
                          return inside(add(start, step), values);
                        });
        }
        for (auto [value, sum, output] : llvm::zip_equal(part, before, outputs))
          if (plan.sums(nest, output)) {
            Type type = nest.outputs()[output].elementType;
            value = toStorage(arith::AddFOp::create(b, fromStorage(sum, type),
                                                    fromStorage(value, type)));
          }
        return part;
      });
}

Generator::Values Generator::emitUnrolled(unsigned level, Frame &frame,
                                          Values carried) {
  unsigned loop = plan.reductions[level];
  // One frame for all steps: overlapping loads are found in its cache. The
  // loops inside are written out as well, so every load dominates the next.
  for (int64_t step = 0; step < nest.loops[loop].size; ++step) {
    frame.step[loop] = step;
    if (level + 1 == plan.reductions.size())
      carried = emitPoints(frame, carried);
    else
      carried = emitUnrolled(level + 1, frame, carried);
  }
  frame.step[loop] = 0;
  return carried;
}

/// Lanes along a reduction: full blocks of vectors, then single masked ones
/// that go into the first partial result.
Generator::Values Generator::emitLaneReduction(unsigned level, Frame &frame,
                                               Values carried) {
  unsigned loop = plan.lane;
  auto full = [&](Value start, Values inside) {
    Frame inner = frame;
    bind(inner, loop, start);
    return emitReduction(level + 1, std::move(inner), inside);
  };
  auto single = [&](Value start, Value mask, Values inside) {
    Frame inner = frame;
    bind(inner, loop, start);
    inner.vectors = 1;
    inner.masks.assign(1, mask);
    Values first;
    for (unsigned i = 0; i < inside.size(); i += plan.vectors)
      first.push_back(inside[i]);
    first = emitReduction(level + 1, std::move(inner), first);
    for (unsigned i = 0; i < first.size(); ++i)
      inside[i * plan.vectors] = first[i];
    return inside;
  };
  int64_t width = plan.lanes * plan.vectors;
  Value size = sizeOf(loop), fullEnd, vectorEnd;
  if (nest.loops[loop].isStatic()) {
    int64_t s = nest.loops[loop].size;
    fullEnd = index(s / width * width);
    vectorEnd = index(s / plan.lanes * plan.lanes);
  } else {
    fullEnd = arith::SubIOp::create(
        b, size, arith::RemUIOp::create(b, size, index(width)).getResult());
    vectorEnd = arith::SubIOp::create(
        b, size,
        arith::RemUIOp::create(b, size, index(plan.lanes)).getResult());
  }
  carried = carryOver(b, index(0), fullEnd, width, carried, full);
  if (nest.loops[loop].isStatic() && plan.vectors > 1)
    carried = carryOver(
        b, fullEnd, vectorEnd, plan.lanes, carried,
        [&](Value start, Values in) { return single(start, Value(), in); });
  else if (plan.vectors == 1)
    vectorEnd = fullEnd;
  else
    vectorEnd = fullEnd;
  auto rest = [&](Value start, Values in) {
    Value left = b.createOrFold<arith::SubIOp>(size, start);
    return single(start, tailMask(left), in);
  };
  return carryOver(b, vectorEnd, size, plan.lanes, carried, rest);
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

Generator::Values Generator::startAccumulators(Frame &frame) {
  Values accumulators;
  auto rows = rowOffsets(frame);
  for (auto [o, output] : llvm::enumerate(plan.outputs)) {
    if (output.keep != Keep::Accumulator)
      continue;
    unsigned operand = nest.numInputs + o;
    Type type = nest.operands[operand].elementType;
    for (const auto &row : rows)
      for (int64_t v = 0; v < frame.vectors; ++v) {
        if (plan.laneReduces(nest) || plan.sums(nest, o))
          accumulators.push_back(
              toStorage(splat(neutral(b, *output.combiner, type), type)));
        else if (initial[o])
          accumulators.push_back(toStorage(splat(initial[o], type)));
        else
          accumulators.push_back(
              toStorage(widen(load(frame, operand, row, v), type)));
      }
  }
  return accumulators;
}

SmallVector<unsigned> Generator::accumulatorOutputs(Frame &frame) {
  SmallVector<unsigned> outputs;
  for (auto [o, output] : llvm::enumerate(plan.outputs))
    if (output.keep == Keep::Accumulator)
      outputs.append(rowOffsets(frame).size() * frame.vectors, o);
  return outputs;
}

static bool isZero(Attribute value) {
  auto number = dyn_cast_if_present<FloatAttr>(value);
  return number && number.getValue().isZero();
}

/// Joins all lanes of a vector, halving it: the order depends on its width
/// only.
Value Generator::joinLanes(vector::CombiningKind kind, Value vector) {
  Type elementType = getElementTypeOrSelf(vector.getType());
  for (int64_t half = plan.lanes / 2; half >= 1; half /= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t lane = 0; lane < half; ++lane) {
      low.push_back(lane);
      high.push_back(half + lane);
    }
    Value bits = toStorage(vector);
    Value a = vector::ShuffleOp::create(b, bits, bits, low);
    Value c = vector::ShuffleOp::create(b, bits, bits, high);
    vector = vector::makeArithReduction(b, b.getLoc(), kind,
                                        fromStorage(a, elementType),
                                        fromStorage(c, elementType));
  }
  return vector;
}

void Generator::finishAccumulators(Frame &frame, Values accumulators) {
  auto rows = rowOffsets(frame);
  unsigned next = 0;
  for (auto [o, output] : llvm::enumerate(plan.outputs)) {
    if (output.keep != Keep::Accumulator)
      continue;
    unsigned operand = nest.numInputs + o;
    Type type = nest.operands[operand].elementType;
    for (const auto &row : rows) {
      if (!plan.laneReduces(nest)) {
        for (int64_t v = 0; v < frame.vectors; ++v) {
          Value result = fromStorage(accumulators[next++], type);
          if (plan.sums(nest, o) && !isZero(initial[o])) {
            Value before = initial[o]
                               ? splat(initial[o], type)
                               : widen(load(frame, operand, row, v), type);
            result = arith::AddFOp::create(b, before, result);
          }
          store(frame, operand, row, v, result);
        }
        continue;
      }
      Values parts(accumulators.begin() + next,
                   accumulators.begin() + next + frame.vectors);
      next += frame.vectors;
      for (Value &part : parts)
        part = fromStorage(part, type);
      for (int64_t count = parts.size(); count > 1; count = (count + 1) / 2)
        for (int64_t i = 0; i < count / 2; ++i)
          parts[i] =
              vector::makeArithReduction(b, b.getLoc(), *output.combiner,
                                         parts[i], parts[i + (count + 1) / 2]);
      Value joined = joinLanes(*output.combiner, parts.front());
      // Stay in vectors of one lane: no scalar arithmetic.
      auto one = VectorType::get({1}, type);
      Value at = address(frame, operand, row, 0);
      Value flat = buffers[operand].flat, before;
      if (initial[o]) {
        before = arith::ConstantOp::create(
            b, DenseElementsAttr::get(one, initial[o]));
      } else {
        before = vector::LoadOp::create(
            b, VectorType::get({1}, storageOf(type)), flat, ValueRange{at});
        before = fromStorage(before, type);
      }
      joined = toStorage(vector::makeArithReduction(
          b, b.getLoc(), *output.combiner, before, joined));
      vector::StoreOp::create(b, joined, flat, ValueRange{at});
    }
  }
}
