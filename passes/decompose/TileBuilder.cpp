//===- TileBuilder.cpp - small helpers for building tile code -------------===//

#include "passes/decompose/TileBuilder.h"
#include "dialects/mercer/IR/LoopMaps.h"
#include "dialects/mercer/IR/Mercer.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace mercer;

SmallVector<Value> TileBuilder::generic(ArrayRef<unsigned> loops,
                                        ArrayRef<Access> inputs,
                                        ArrayRef<Access> outputs, Body body) {
  MLIRContext *context = b.getContext();
  // Position of each of the op's loops in this generic.
  unsigned numOpLoops = outputs.front().map.getNumDims();
  SmallVector<AffineExpr> positions(numOpLoops,
                                    getAffineConstantExpr(0, context));
  for (auto [position, loop] : llvm::enumerate(loops))
    positions[loop] = getAffineDimExpr(position, context);
  SmallVector<AffineMap> maps;
  SmallVector<Value> ins, outs;
  SmallVector<utils::IteratorType> iterators(loops.size(),
                                             utils::IteratorType::parallel);
  for (const Access &input : inputs) {
    ins.push_back(input.tensor);
    maps.push_back(
        input.map.replaceDimsAndSymbols(positions, {}, loops.size(), 0));
  }
  for (const Access &output : outputs) {
    outs.push_back(output.tensor);
    maps.push_back(
        output.map.replaceDimsAndSymbols(positions, {}, loops.size(), 0));
    for (auto [position, iterator] : llvm::enumerate(iterators))
      if (!maps.back().isFunctionOfDim(position))
        iterator = utils::IteratorType::reduction;
  }
  auto op = linalg::GenericOp::create(
      b, loc, TypeRange(ValueRange(outs)), ins, outs, maps, iterators,
      [&](OpBuilder &nested, Location bodyLoc, ValueRange arguments) {
        linalg::YieldOp::create(nested, bodyLoc, body(nested, arguments));
      });
  return SmallVector<Value>(op.getResults());
}

SmallVector<Value>
TileBuilder::loop(Value low, Value high, Value step, ValueRange initial,
                  function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto forOp = scf::ForOp::create(b, loc, low, high, step, initial);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(forOp.getBody());
  SmallVector<Value> next =
      body(forOp.getInductionVar(), forOp.getRegionIterArgs());
  if (initial.empty())
    return {};
  scf::YieldOp::create(b, loc, next);
  return SmallVector<Value>(forOp.getResults());
}

Value TileBuilder::choose(Value condition, Value otherwise,
                          function_ref<Value()> then) {
  auto ifOp = scf::IfOp::create(b, loc, otherwise.getType(), condition,
                                /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(ifOp.thenBlock());
  scf::YieldOp::create(b, loc, then());
  b.setInsertionPointToStart(ifOp.elseBlock());
  scf::YieldOp::create(b, loc, otherwise);
  return ifOp.getResult(0);
}

Value TileBuilder::fill(Value tensor, Value value) {
  return linalg::FillOp::create(b, loc, value, tensor).getResult(0);
}

Value TileBuilder::fill(Value tensor, TypedAttr value) {
  return fill(tensor, arith::ConstantOp::create(b, loc, value).getResult());
}

TypedAttr mercer::numberAttr(Type type, double value) {
  Builder b(type.getContext());
  if (auto floatType = dyn_cast<FloatType>(type)) {
    APFloat number(value);
    bool lossy = false;
    number.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                   &lossy);
    return FloatAttr::get(floatType, number);
  }
  unsigned width = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  if (std::isinf(value))
    return IntegerAttr::get(type, value > 0 ? APInt::getSignedMaxValue(width)
                                            : APInt::getSignedMinValue(width));
  return IntegerAttr::get(type, APInt(width, int64_t(value), true));
}

Value TileBuilder::constant(Type type, double value) {
  return arith::ConstantOp::create(b, loc, numberAttr(type, value));
}

Value TileBuilder::index(int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}

Value TileBuilder::index(OpFoldResult value) {
  return getValueOrCreateConstantIndexOp(b, loc, value);
}

Value TileBuilder::convert(Value value, Type type) {
  return convertScalarToDtype(b, loc, value, type, /*isUnsignedCast=*/false);
}

OpFoldResult TileBuilder::add(OpFoldResult x, OpFoldResult y) {
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  return affine::makeComposedFoldedAffineApply(b, loc, s0 + s1, {x, y});
}

OpFoldResult TileBuilder::sub(OpFoldResult x, OpFoldResult y) {
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  return affine::makeComposedFoldedAffineApply(b, loc, s0 - s1, {x, y});
}

OpFoldResult TileBuilder::min(ArrayRef<OpFoldResult> values) {
  return affine::makeComposedFoldedAffineMin(
      b, loc, AffineMap::getMultiDimIdentityMap(values.size(), b.getContext()),
      values);
}

OpFoldResult TileBuilder::max(ArrayRef<OpFoldResult> values) {
  return affine::makeComposedFoldedAffineMax(
      b, loc, AffineMap::getMultiDimIdentityMap(values.size(), b.getContext()),
      values);
}

SmallVector<Value> TileBuilder::inlineRegion(OpBuilder &at, Region &region,
                                             ValueRange arguments) {
  IRMapping mapping;
  mapping.map(region.front().getArguments(), arguments);
  for (Operation &op : region.front().without_terminator())
    at.clone(op, mapping);
  return llvm::map_to_vector(
      region.front().getTerminator()->getOperands(),
      [&](Value value) { return mapping.lookupOrDefault(value); });
}

Value mercer::makeScratch(OpBuilder &b, Location loc,
                          ArrayRef<OpFoldResult> sizes, Type element,
                          ArrayRef<int64_t> bounds) {
  SmallVector<int64_t> shape;
  SmallVector<Value> dynamic;
  bool needsSlice = false;
  for (auto [dim, size] : llvm::enumerate(sizes)) {
    std::optional<int64_t> known = getConstantIntValue(size);
    std::optional<int64_t> bound = known;
    if (!known && dim < bounds.size() && bounds[dim] >= 0)
      bound = bounds[dim];
    if (!bound)
      bound = getUpperBound(size);
    if (!bound) {
      shape.push_back(ShapedType::kDynamic);
      dynamic.push_back(getValueOrCreateConstantIndexOp(b, loc, size));
      continue;
    }
    shape.push_back(*bound);
    needsSlice |= !known;
  }
  // Not tensor.empty: equal ones would be merged, and two scratch tiles would
  // then share a buffer that bufferization has to copy apart.
  Value scratch = bufferization::AllocTensorOp::create(
      b, loc, RankedTensorType::get(shape, element), dynamic);
  if (!needsSlice)
    return scratch;
  SmallVector<OpFoldResult> zeros(sizes.size(), b.getIndexAttr(0));
  return sliceTensor(b, loc, scratch, zeros, sizes);
}
