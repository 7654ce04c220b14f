//===- Memory.cpp - loads and stores of the vector generator --------------===//

#include "backends/cpu/vectorize/Generator.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::cpu;

Type Generator::storageOf(Type elementType) {
  if (elementType.isF16() || elementType.isBF16())
    return b.getI16Type();
  return elementType;
}

Value Generator::fromStorage(Value value, Type elementType) {
  if (storageOf(elementType) == elementType)
    return value;
  Type type = elementType;
  if (auto vector = dyn_cast<VectorType>(value.getType()))
    type = VectorType::get(vector.getShape(), elementType);
  return arith::BitcastOp::create(b, type, value);
}

Value Generator::toStorage(Value value) {
  // A bitcast just made is taken back.
  if (auto cast = value.getDefiningOp<arith::BitcastOp>())
    if (Type from = getElementTypeOrSelf(cast.getIn().getType());
        from == storageOf(getElementTypeOrSelf(value.getType())))
      return cast.getIn();
  Type elementType = getElementTypeOrSelf(value.getType());
  Type storage = storageOf(elementType);
  if (storage == elementType)
    return value;
  Type type = storage;
  if (auto vector = dyn_cast<VectorType>(value.getType()))
    type = VectorType::get(vector.getShape(), storage);
  return arith::BitcastOp::create(b, type, value);
}

FlatBuffer Generator::flatten(Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  auto meta = memref::ExtractStridedMetadataOp::create(b, memref);
  SmallVector<int64_t> strides;
  int64_t offset;
  (void)type.getStridesAndOffset(strides, offset);
  FlatBuffer buffer;
  for (auto [index, stride] : llvm::enumerate(strides))
    buffer.strides.push_back(ShapedType::isDynamic(stride)
                                 ? meta.getStrides()[index]
                                 : this->index(stride));
  auto layout = StridedLayoutAttr::get(b.getContext(), offset, {1});
  auto flatType = MemRefType::get({ShapedType::kDynamic}, type.getElementType(),
                                  layout, type.getMemorySpace());
  // The size is never read: all accesses are in bounds by construction.
  OpFoldResult size = index(1), one = b.getIndexAttr(1);
  OpFoldResult start = ShapedType::isDynamic(offset)
                           ? OpFoldResult(meta.getOffset())
                           : OpFoldResult(b.getIndexAttr(offset));
  buffer.flat = memref::ReinterpretCastOp::create(
      b, flatType, meta.getBaseBuffer(), start, ArrayRef(size), ArrayRef(one));
  // Both types are the same descriptor in the end.
  if (Type storage = storageOf(type.getElementType());
      storage != type.getElementType())
    buffer.flat = UnrealizedConversionCastOp::create(
                      b,
                      TypeRange(MemRefType::get({ShapedType::kDynamic}, storage,
                                                layout, type.getMemorySpace())),
                      buffer.flat)
                      .getResult(0);
  return buffer;
}

Value Generator::maskOrAll(Value mask) {
  if (mask)
    return mask;
  auto type = vectorOf(b.getI1Type());
  return arith::ConstantOp::create(b, DenseElementsAttr::get(type, true));
}

/// Offsets in index space: equal keys read the same elements.
Frame::Key Generator::keyOf(const Frame &frame, unsigned operand,
                            ArrayRef<int64_t> row, int64_t vector) {
  const Access &access = nest.operands[operand];
  Frame::Key key{operand, {}};
  if (!access.linear) {
    for (unsigned loop = 0; loop < nest.loops.size(); ++loop)
      key.second.push_back(access.moves(loop) ? row[loop] + frame.step[loop]
                                              : 0);
  } else {
    key.second.assign(access.strides.size(), 0);
    for (unsigned loop = 0; loop < nest.loops.size(); ++loop)
      for (const Term &term : access.terms[loop])
        key.second[term.index] += term.factor * (row[loop] + frame.step[loop]);
  }
  key.second.push_back(access.moves(plan.lane) ? vector : 0);
  return key;
}

/// Flat index of the first lane.
Value Generator::address(const Frame &frame, unsigned operand,
                         ArrayRef<int64_t> row, int64_t vector) {
  const Access &access = nest.operands[operand];
  SmallVector<int64_t> offsets(access.strides.size(), 0);
  for (unsigned loop = 0; loop < nest.loops.size(); ++loop)
    for (const Term &term : access.terms[loop]) {
      int64_t distance = row[loop] + frame.step[loop];
      if (loop == plan.lane)
        distance += vector * plan.lanes;
      offsets[term.index] += term.factor * distance;
    }
  Value result = frame.base[operand];
  int64_t constant = 0;
  for (auto [index, offset] : llvm::enumerate(offsets)) {
    if (offset == 0)
      continue;
    int64_t stride = access.strides[index];
    if (ShapedType::isDynamic(stride))
      result = add(result,
                   mul(buffers[operand].strides[index], this->index(offset)));
    else
      constant += offset * stride;
  }
  return add(result, index(constant));
}

/// Distances of the lanes from the first one.
Value Generator::laneOffsets(unsigned operand) {
  const Access &access = nest.operands[operand];
  Value counting = vector::StepOp::create(b, vectorOf(b.getIndexType()));
  Value step = index(0);
  for (const Term &term : access.terms[plan.lane])
    step = add(step,
               mul(buffers[operand].strides[term.index], index(term.factor)));
  return arith::MulIOp::create(b, counting, broadcast(step));
}

/// Evaluates an affine expression lane by lane.
static Value evaluate(ImplicitLocOpBuilder &b, AffineExpr expr,
                      ArrayRef<Value> loops, VectorType type) {
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(type, b.getIndexAttr(value)));
  };
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return loops[dim.getPosition()];
  if (auto c = dyn_cast<AffineConstantExpr>(expr))
    return constant(c.getValue());
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Value lhs = evaluate(b, binary.getLHS(), loops, type);
  Value rhs = evaluate(b, binary.getRHS(), loops, type);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return arith::AddIOp::create(b, lhs, rhs);
  case AffineExprKind::Mul:
    return arith::MulIOp::create(b, lhs, rhs);
  // Loop values and divisors are not negative.
  case AffineExprKind::FloorDiv:
    return arith::DivUIOp::create(b, lhs, rhs);
  case AffineExprKind::Mod:
    return arith::RemUIOp::create(b, lhs, rhs);
  default: {
    Value one = constant(1);
    Value up = arith::AddIOp::create(
        b, lhs, arith::SubIOp::create(b, rhs, one).getResult());
    return arith::DivUIOp::create(b, up, rhs);
  }
  }
}

Value Generator::nonLinearOffsets(const Frame &frame, unsigned operand,
                                  ArrayRef<int64_t> row, int64_t vector) {
  const Access &access = nest.operands[operand];
  VectorType type = vectorOf(b.getIndexType());
  SmallVector<Value> loops(access.map.getNumDims());
  for (unsigned loop = 0; loop < nest.loops.size(); ++loop) {
    if (!access.moves(loop))
      continue;
    Value at = add(frame.start[loop], index(row[loop] + frame.step[loop]));
    if (loop == plan.lane)
      at = add(at, index(vector * plan.lanes));
    Value lanes = broadcast(at);
    if (loop == plan.lane)
      lanes = arith::AddIOp::create(
          b, lanes, vector::StepOp::create(b, type).getResult());
    loops[nest.loops[loop].dims.front()] = lanes;
  }
  for (Value &loop : loops)
    if (!loop)
      loop = broadcast(index(0));
  Value sum;
  for (auto [i, expr] : llvm::enumerate(access.map.getResults())) {
    Value part = arith::MulIOp::create(b, evaluate(b, expr, loops, type),
                                       broadcast(buffers[operand].strides[i]));
    sum = sum ? arith::AddIOp::create(b, sum, part).getResult() : part;
  }
  return sum ? sum : broadcast(index(0));
}

LaneValue Generator::load(Frame &frame, unsigned operand, ArrayRef<int64_t> row,
                          int64_t vector) {
  const Access &access = nest.operands[operand];
  if (!access.isBuffer)
    return {LaneValue::Kind::Uniform, access.value};
  bool moves = access.moves(plan.lane);
  auto kind = moves ? LaneValue::Kind::Vector : LaneValue::Kind::Uniform;
  Frame::Key key = keyOf(frame, operand, row, vector);
  if (auto found = frame.loaded.find(key); found != frame.loaded.end())
    return {kind, found->second};

  Value flat = buffers[operand].flat, result;
  Type storage = storageOf(access.elementType);
  VectorType type = vectorOf(storage);
  Value mask = frame.masks[vector];
  if (!access.linear) {
    Value offsets = nonLinearOffsets(frame, operand, row, vector);
    if (moves) {
      result =
          vector::GatherOp::create(b, type, flat, ValueRange{index(0)}, offsets,
                                   maskOrAll(mask), splat({}, storage));
    } else {
      Value first = vector::ExtractOp::create(b, offsets, 0);
      result = memref::LoadOp::create(b, flat, ValueRange{first});
    }
  } else {
    Value at = address(frame, operand, row, vector);
    if (!moves)
      result = memref::LoadOp::create(b, flat, ValueRange{at});
    else if (access.step(plan.lane) != 1)
      result = vector::GatherOp::create(b, type, flat, ValueRange{at},
                                        laneOffsets(operand), maskOrAll(mask),
                                        splat({}, storage));
    else if (mask)
      result = vector::MaskedLoadOp::create(b, type, flat, ValueRange{at}, mask,
                                            splat({}, storage));
    else
      result = vector::LoadOp::create(b, type, flat, ValueRange{at});
  }
  // A float shared by the lanes is spread once, where it is loaded.
  if (!moves && isa<FloatType>(access.elementType))
    result = broadcast(result);
  result = fromStorage(result, access.elementType);
  frame.loaded[key] = result;
  return {kind, result};
}

void Generator::store(Frame &frame, unsigned operand, ArrayRef<int64_t> row,
                      int64_t vector, Value value) {
  const Access &access = nest.operands[operand];
  Value flat = buffers[operand].flat, mask = frame.masks[vector];
  value = toStorage(value);
  if (!access.moves(plan.lane)) {
    // A loop of one step carries the lanes: only the first one is real.
    Value at = access.linear
                   ? address(frame, operand, row, vector)
                   : vector::ExtractOp::create(
                         b, nonLinearOffsets(frame, operand, row, vector), 0)
                         .getResult();
    if (isa<VectorType>(value.getType()))
      value = vector::ExtractOp::create(b, value, 0);
    memref::StoreOp::create(b, value, flat, ValueRange{at});
    return;
  }
  if (!access.linear) {
    vector::ScatterOp::create(b, Type(), flat, ValueRange{index(0)},
                              nonLinearOffsets(frame, operand, row, vector),
                              maskOrAll(mask), value);
    return;
  }
  Value at = address(frame, operand, row, vector);
  if (access.step(plan.lane) != 1)
    vector::ScatterOp::create(b, Type(), flat, ValueRange{at},
                              laneOffsets(operand), maskOrAll(mask), value);
  else if (mask)
    vector::MaskedStoreOp::create(b, flat, ValueRange{at}, mask, value);
  else
    vector::StoreOp::create(b, value, flat, ValueRange{at});
}
