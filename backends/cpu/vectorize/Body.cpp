//===- Body.cpp - the body of a linalg op on vectors ----------------------===//

#include "backends/cpu/vectorize/Generator.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::cpu;

using Kind = LaneValue::Kind;

Value Generator::widen(LaneValue value, Type elementType) {
  if (isa<VectorType>(value.value.getType()))
    return value.value;
  // A constant is written as one, not as a broadcast.
  Attribute constant;
  if (value.kind == Kind::Uniform &&
      matchPattern(value.value, m_Constant(&constant)))
    return splat(constant, elementType);
  Value vector = broadcast(value.value);
  if (value.kind != Kind::Counting)
    return vector;
  Value counting = vector::StepOp::create(b, vectorOf(b.getIndexType()));
  return arith::AddIOp::create(b, vector, counting);
}

/// A load with computed indices: one scalar where all lanes agree, a plain
/// vector where the last index counts lanes, a gather otherwise.
LaneValue Generator::loadBody(memref::LoadOp load,
                              llvm::DenseMap<Value, LaneValue> &map,
                              Value mask) {
  const FlatBuffer &buffer = captured.find(load.getMemRef())->second;
  Type elementType = load.getType();
  auto value = [&](Value index) -> LaneValue {
    auto found = map.find(index);
    return found != map.end() ? found->second : LaneValue{Kind::Uniform, index};
  };
  Value scalar = index(0), vector;
  bool counts = false;
  unsigned last = load.getIndices().size();
  for (auto [i, operand] : llvm::enumerate(load.getIndices())) {
    LaneValue at = value(operand);
    bool unit = getConstantIntValue(buffer.strides[i]) == 1;
    if (at.kind == Kind::Uniform ||
        (at.kind == Kind::Counting && i + 1 == last && unit)) {
      counts |= at.kind == Kind::Counting;
      scalar = add(scalar, mul(at.value, buffer.strides[i]));
      continue;
    }
    Value part = arith::MulIOp::create(b, widen(at, b.getIndexType()),
                                       broadcast(buffer.strides[i]));
    vector = vector ? arith::AddIOp::create(b, vector, part).getResult() : part;
  }
  Type storage = storageOf(elementType);
  VectorType type = vectorOf(storage);
  if (!vector && !counts) {
    Value result = memref::LoadOp::create(b, buffer.flat, ValueRange{scalar});
    if (isa<FloatType>(elementType))
      return {Kind::Vector, fromStorage(broadcast(result), elementType)};
    return {Kind::Uniform, result};
  }
  if (!vector) {
    Value result =
        mask ? vector::MaskedLoadOp::create(b, type, buffer.flat,
                                            ValueRange{scalar}, mask,
                                            splat({}, storage))
                   .getResult()
             : vector::LoadOp::create(b, type, buffer.flat, ValueRange{scalar})
                   .getResult();
    return {Kind::Vector, fromStorage(result, elementType)};
  }
  if (counts) {
    Value counting = vector::StepOp::create(b, vectorOf(b.getIndexType()));
    vector = arith::AddIOp::create(b, vector, counting);
  }
  Value gathered =
      vector::GatherOp::create(b, type, buffer.flat, ValueRange{scalar}, vector,
                               maskOrAll(mask), splat({}, storage));
  return {Kind::Vector, fromStorage(gathered, elementType)};
}

static bool isIntegerDivision(Operation &op) {
  return isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp,
             arith::FloorDivSIOp, arith::CeilDivSIOp, arith::CeilDivUIOp>(op);
}

/// Writes the body for every row and vector of the block, row by row: the
/// vectors of one row share its broadcast, which can then be dropped.
Generator::Values Generator::emitPoints(Frame &frame, Values accumulators) {
  auto rows = rowOffsets(frame);
  Values next = accumulators;
  unsigned perOutput = rows.size() * frame.vectors;
  bool laneReduces = plan.laneReduces(nest);
  for (auto [r, row] : llvm::enumerate(rows))
    for (int64_t v = 0; v < frame.vectors; ++v) {
      llvm::DenseMap<Value, LaneValue> map;
      Value mask = frame.masks[v];
      for (unsigned i = 0; i < nest.numInputs; ++i)
        if (!nest.body->getArgument(i).use_empty())
          map[nest.body->getArgument(i)] = load(frame, i, row, v);
      unsigned slot = 0;
      for (auto [o, output] : llvm::enumerate(plan.outputs)) {
        Value argument = nest.body->getArgument(nest.numInputs + o);
        if (output.keep == Keep::Accumulator) {
          unsigned at = slot++ * perOutput + r * frame.vectors + v;
          Type type = nest.operands[nest.numInputs + o].elementType;
          map[argument] = {Kind::Vector, fromStorage(accumulators[at], type)};
        } else if (output.readsPrevious) {
          // Memory may have changed since an earlier step: never cached.
          auto saved = frame.loaded;
          frame.loaded.clear();
          map[argument] = load(frame, nest.numInputs + o, row, v);
          frame.loaded = std::move(saved);
        }
      }

      auto valueOf = [&](Value operand) -> LaneValue {
        auto found = map.find(operand);
        return found != map.end() ? found->second
                                  : LaneValue{Kind::Uniform, operand};
      };
      for (Operation &bodyOp : nest.body->without_terminator()) {
        if (auto constant = dyn_cast<arith::ConstantOp>(bodyOp)) {
          map[constant] = {Kind::Uniform, b.clone(bodyOp)->getResult(0)};
          continue;
        }
        if (auto loop = dyn_cast<linalg::IndexOp>(bodyOp)) {
          LaneValue at{Kind::Uniform, index(0)};
          for (auto [l, nestLoop] : llvm::enumerate(nest.loops)) {
            if (!llvm::is_contained(nestLoop.dims, loop.getDim()))
              continue;
            int64_t offset = row[l] + frame.step[l];
            if (l == plan.lane) {
              offset += v * plan.lanes;
              at.kind = Kind::Counting;
            }
            at.value = add(frame.start[l], index(offset));
          }
          map[loop] = at;
          continue;
        }
        if (auto bodyLoad = dyn_cast<memref::LoadOp>(bodyOp)) {
          map[bodyLoad] = loadBody(bodyLoad, map, mask);
          continue;
        }
        // Integers that all lanes share stay scalar: addresses, conditions.
        Type resultType = bodyOp.getResult(0).getType();
        bool uniform = !isa<FloatType>(resultType);
        for (Value operand : bodyOp.getOperands())
          uniform &= valueOf(operand).kind == Kind::Uniform &&
                     !isa<VectorType>(valueOf(operand).value.getType()) &&
                     !isa<FloatType>(operand.getType());
        if (uniform) {
          IRMapping mapping;
          for (Value operand : bodyOp.getOperands())
            mapping.map(operand, valueOf(operand).value);
          map[bodyOp.getResult(0)] = {Kind::Uniform,
                                      b.clone(bodyOp, mapping)->getResult(0)};
          continue;
        }
        // counting + uniform counts on.
        if (isa<arith::AddIOp>(bodyOp)) {
          LaneValue lhs = valueOf(bodyOp.getOperand(0));
          LaneValue rhs = valueOf(bodyOp.getOperand(1));
          if (rhs.kind == Kind::Counting)
            std::swap(lhs, rhs);
          if (lhs.kind == Kind::Counting && rhs.kind == Kind::Uniform &&
              !isa<VectorType>(rhs.value.getType())) {
            map[bodyOp.getResult(0)] = {Kind::Counting,
                                        add(lhs.value, rhs.value)};
            continue;
          }
        }
        SmallVector<Value> operands;
        for (Value operand : bodyOp.getOperands())
          operands.push_back(widen(valueOf(operand), operand.getType()));
        // Lanes that do not exist must not trap.
        if (mask && isIntegerDivision(bodyOp)) {
          Type type = bodyOp.getOperand(1).getType();
          Value one = splat(b.getIntegerAttr(type, 1), type);
          operands[1] = arith::SelectOp::create(b, mask, operands[1], one);
        }
        OperationState state(b.getLoc(), bodyOp.getName());
        state.addOperands(operands);
        state.addTypes(vectorOf(resultType));
        state.addAttributes(bodyOp.getAttrs());
        map[bodyOp.getResult(0)] = {Kind::Vector,
                                    b.create(state)->getResult(0)};
      }

      slot = 0;
      Operation *yield = nest.body->getTerminator();
      for (auto [o, output] : llvm::enumerate(plan.outputs)) {
        unsigned operand = nest.numInputs + o;
        Type type = nest.operands[operand].elementType;
        Value result = widen(valueOf(yield->getOperand(o)), type);
        if (output.keep == Keep::Memory) {
          store(frame, operand, row, v, result);
          continue;
        }
        unsigned at = slot++ * perOutput + r * frame.vectors + v;
        result = toStorage(result);
        if (laneReduces && mask)
          result = arith::SelectOp::create(b, mask, result, accumulators[at]);
        next[at] = result;
      }
    }
  return next;
}
