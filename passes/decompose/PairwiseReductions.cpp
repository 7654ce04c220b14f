//===- PairwiseReductions.cpp - states of the reductions of pairwise ------===//
//
// Softmax keeps (m, l, acc) with m starting at -inf. The value subtracted is 0
// while m is -inf, so that rows without any pair so far give exp(-inf) = 0 and
// never -inf - (-inf). An empty row ends with l = 0 and acc = 0: NaN by 0 / 0,
// or 0 for softmax_zero.
//
//===----------------------------------------------------------------------===//

#include "passes/decompose/PairwiseTile.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace mercer;

static constexpr double kInf = std::numeric_limits<double>::infinity();

//===----------------------------------------------------------------------===//
// PairwiseTile
//===----------------------------------------------------------------------===//

AffineMap PairwiseTile::over(ArrayRef<unsigned> loops) {
  SmallVector<AffineExpr> exprs;
  for (unsigned loop : loops)
    exprs.push_back(t.b.getAffineDimExpr(loop));
  return AffineMap::get(op.getNumLoops(), 0, exprs, t.b.getContext());
}

SmallVector<unsigned> PairwiseTile::loopsOf(AffineMap map, PairDim role) {
  SmallVector<unsigned> loops;
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop)
    if (op.getPairDim(loop) == role && map.isFunctionOfDim(loop))
      loops.push_back(loop);
  return loops;
}

/// Dims of an operand that only batch loops address: one element each.
static SmallVector<bool> batchDims(PairwiseOp op, AffineMap map) {
  SmallVector<bool> result;
  for (AffineExpr expr : map.getResults()) {
    bool batchOnly = true;
    for (unsigned loop = 0; loop < op.getNumLoops(); ++loop)
      if (expr.isFunctionOfDim(loop) && op.getPairDim(loop) != PairDim::Batch)
        batchOnly = false;
    result.push_back(batchOnly);
  }
  return result;
}

FailureOr<Access> PairwiseTile::access(Value operand, AffineMap map) {
  FailureOr<OperandTile> part = getOperandTile(t.b, t.loc, map, offsets, sizes);
  if (failed(part))
    return op.emitOpError("[E3201] has an access that cannot be tiled: ")
           << AffineMapAttr::get(map);
  auto type = cast<RankedTensorType>(operand.getType());
  SmallVector<int64_t> shape;
  SmallVector<AffineExpr> exprs;
  SmallVector<bool> dropped = batchDims(op, map);
  for (unsigned dim = 0; dim < dropped.size(); ++dim) {
    if (dropped[dim]) {
      part->sizes[dim] = t.b.getIndexAttr(1);
      continue;
    }
    shape.push_back(
        getConstantIntValue(part->sizes[dim]).value_or(ShapedType::kDynamic));
    exprs.push_back(part->localMap.getResult(dim));
  }
  SmallVector<OpFoldResult> ones(dropped.size(), t.b.getIndexAttr(1));
  Value tensor = tensor::ExtractSliceOp::create(
      t.b, t.loc, RankedTensorType::get(shape, type.getElementType()), operand,
      part->offsets, part->sizes, ones);
  return Access{tensor,
                AffineMap::get(map.getNumDims(), 0, exprs, t.b.getContext())};
}

Value PairwiseTile::insert(Value tile, Value operand, AffineMap map) {
  // Outputs are projected permutations, for which this cannot fail.
  FailureOr<OperandTile> part = getOperandTile(t.b, t.loc, map, offsets, sizes);
  SmallVector<bool> dropped = batchDims(op, map);
  for (unsigned dim = 0; dim < dropped.size(); ++dim)
    if (dropped[dim])
      part->sizes[dim] = t.b.getIndexAttr(1);
  SmallVector<OpFoldResult> ones(dropped.size(), t.b.getIndexAttr(1));
  return tensor::InsertSliceOp::create(t.b, t.loc, tile, operand, part->offsets,
                                       part->sizes, ones);
}

Value PairwiseTile::allocate(ArrayRef<unsigned> loops, Type element) {
  OpBuilder::InsertionGuard guard(t.b);
  t.b.setInsertionPointAfter(marker);
  SmallVector<OpFoldResult> full;
  for (unsigned loop : loops)
    full.push_back(bounds[loop] >= 0 ? OpFoldResult(t.b.getIndexAttr(
                                           std::max<int64_t>(bounds[loop], 1)))
                                     : sizes[loop]);
  return makeScratch(t.b, t.loc, full, element);
}

Value PairwiseTile::slice(Value buffer, ArrayRef<unsigned> loops) {
  SmallVector<OpFoldResult> zeros(loops.size(), t.b.getIndexAttr(0)), part;
  for (unsigned loop : loops)
    part.push_back(sizes[loop]);
  return sliceTensor(t.b, t.loc, buffer, zeros, part);
}

Value PairwiseTile::larger(OpBuilder &b, Value previous, Value value) {
  if (!isa<FloatType>(value.getType()))
    return arith::MaxSIOp::create(b, t.loc, previous, value);
  // Along the lanes the generator has to know the combiner; elsewhere a
  // compare and select is one instruction and says what happens with NaN.
  if (!rowsInLanes)
    return arith::MaxNumFOp::create(b, t.loc, previous, value);
  Value isLarger = arith::CmpFOp::create(b, t.loc, arith::CmpFPredicate::OGT,
                                         value, previous);
  return arith::SelectOp::create(b, t.loc, isLarger, value, previous);
}

Value PairwiseTile::exponential(OpBuilder &b, Value x) {
  // Scaling after the subtraction of the maximum: a mask of the lowest finite
  // value must not overflow to -inf.
  TileBuilder inner(b, t.loc);
  Value scaled = arith::MulFOp::create(
      b, t.loc, x, inner.constant(x.getType(), 1.4426950408889634));
  return math::Exp2Op::create(b, t.loc, scaled);
}

//===----------------------------------------------------------------------===//
// PairwiseReduction
//===----------------------------------------------------------------------===//

PairwiseReduction::PairwiseReduction(PairwiseTile &tile, unsigned index,
                                     unsigned firstValue, unsigned firstOutput)
    : firstOutput(firstOutput), numOutputs(tile.op.getNumOutputs(index)),
      tile(tile), t(tile.t), op(tile.op),
      attr(tile.op.getReductionAttrs()[index]), index(index),
      firstValue(firstValue), scoreType(tile.op.getScoreType()) {
  AffineMap outputMap = op.getOutputMap(firstOutput);
  // A partial softmax has its accumulator last.
  if (attr.isSoftmax() && op.getPartial())
    outputMap = op.getOutputMap(firstOutput + 2);
  values = tile.loopsOf(outputMap, PairDim::Value);
  SmallVector<unsigned> rows = tile.stateLoops({});
  SmallVector<unsigned> withValues = tile.stateLoops(values);
  Type positions = IntegerType::get(op.getContext(), 64);
  switch (attr.getKind()) {
  case ReduceKind::None:
    break;
  case ReduceKind::Sum: {
    Type type = scoreType;
    stateTypes = {type};
    stateLoops = {withValues};
    break;
  }
  case ReduceKind::Max:
  case ReduceKind::Min:
    stateTypes = {scoreType};
    stateLoops = {rows};
    break;
  case ReduceKind::Softmax:
  case ReduceKind::SoftmaxZero:
    stateTypes = {scoreType, scoreType, scoreType};
    stateLoops = {rows, rows, withValues};
    break;
  case ReduceKind::LogSumExp:
    stateTypes = {scoreType, scoreType};
    stateLoops = {rows, rows};
    break;
  case ReduceKind::ArgMax:
  case ReduceKind::ArgMin:
    stateTypes = {scoreType, positions};
    stateLoops = {rows, rows};
    break;
  case ReduceKind::Custom:
    llvm::append_range(stateTypes, op.getReductionRegion(index, 0)
                                       ->front()
                                       .getTerminator()
                                       ->getOperandTypes());
    stateLoops.assign(stateTypes.size(), withValues);
    break;
  }
}

std::optional<double> PairwiseReduction::neutral() const {
  switch (attr.getKind()) {
  case ReduceKind::None:
  case ReduceKind::Sum:
    return 0.0;
  case ReduceKind::Min:
  case ReduceKind::ArgMin:
    return kInf;
  case ReduceKind::Custom:
    return std::nullopt;
  default:
    return -kInf;
  }
}

void PairwiseReduction::allocate() {
  for (auto [type, loops] : llvm::zip_equal(stateTypes, stateLoops))
    buffers.push_back(tile.allocate(loops, type));
  if (overwritesScores())
    for (int k = 0; k < 3; ++k) // maximum of the tile, shift, factor
      work.push_back(tile.allocate({tile.rowLoop}, scoreType));
}

FailureOr<SmallVector<Value>> PairwiseReduction::start(ValueRange outputs) {
  SmallVector<Value> state;
  for (unsigned k = 0; k < numStates(); ++k) {
    Value buffer = tile.slice(buffers[k], stateLoops[k]);
    if (op.getPartial()) {
      // Continue from the states that the outputs hold.
      FailureOr<Access> from =
          tile.access(outputs[k], op.getOutputMap(firstOutput + k));
      if (failed(from))
        return failure();
      Type type = stateTypes[k];
      state.push_back(t.generic(
          stateLoops[k], {*from}, {{buffer, tile.over(stateLoops[k])}},
          [&](OpBuilder &b, ValueRange v) {
            TileBuilder inner(b, t.loc);
            return SmallVector<Value>{inner.convert(v[0], type)};
          })[0]);
      continue;
    }
    if (Region *init = op.getReductionRegion(index, 0)) {
      Value value = t.inlineRegion(t.b, *init, {})[k];
      state.push_back(t.fill(buffer, value));
      continue;
    }
    double initial = 0;
    if (k == 0 && attr.getKind() != ReduceKind::Sum)
      initial = *neutral();
    state.push_back(t.fill(buffer, numberAttr(stateTypes[k], initial)));
  }
  return state;
}

/// state[value..., row] += scores * values.
LogicalResult PairwiseReduction::accumulate(Value scores, Value &state) {
  SmallVector<unsigned> loops = stateLoops.back();
  loops.insert(loops.end(), tile.colLoop);
  // Rows last but for the lanes: acc[d, i] += sum_j V[j, d] S[j, i].
  SmallVector<Access> inputs = {{scores, tile.over(tile.scoreLoops())}};
  for (int64_t k = 0; k < attr.getValues(); ++k) {
    FailureOr<Access> values = tile.access(op.getValues()[firstValue + k],
                                           op.getValueMap(firstValue + k));
    if (failed(values))
      return failure();
    inputs.insert(inputs.begin(), *values);
  }
  Type type = stateTypes.back();
  state = t.generic(
      loops, inputs, {{state, tile.over(stateLoops.back())}},
      [&](OpBuilder &b, ValueRange v) {
        TileBuilder inner(b, t.loc);
        Value product = inner.convert(v[0], type);
        for (unsigned k = 1; k < inputs.size(); ++k) {
          Value factor = inner.convert(v[k], type);
          product =
              isa<FloatType>(type)
                  ? arith::MulFOp::create(b, t.loc, product, factor).getResult()
                  : arith::MulIOp::create(b, t.loc, product, factor)
                        .getResult();
        }
        Value old = v.back();
        Value sum =
            isa<FloatType>(type)
                ? arith::AddFOp::create(b, t.loc, old, product).getResult()
                : arith::AddIOp::create(b, t.loc, old, product).getResult();
        return SmallVector<Value>{sum};
      })[0];
  return success();
}

LogicalResult PairwiseReduction::stepSoftmax(Value &scores,
                                             SmallVectorImpl<Value> &state) {
  AffineMap rowMap = tile.over({tile.rowLoop});
  AffineMap scoreMap = tile.over(tile.scoreLoops());
  SmallVector<unsigned> scoreLoops = tile.scoreLoops();
  auto slice = [&](unsigned k) { return tile.slice(work[k], {tile.rowLoop}); };
  // Maximum of this tile's scores.
  Value best = t.fill(slice(0), numberAttr(scoreType, -kInf));
  best = t.generic(scoreLoops, {{scores, scoreMap}}, {{best, rowMap}},
                   [&](OpBuilder &b, ValueRange v) {
                     return SmallVector<Value>{tile.larger(b, v[1], v[0])};
                   })[0];
  // New maximum in place, l rescaled; the shift and the factor for acc.
  SmallVector<Value> rows = t.generic(
      {tile.rowLoop}, {{best, rowMap}},
      {{state[0], rowMap},
       {state[1], rowMap},
       {slice(1), rowMap},
       {slice(2), rowMap}},
      [&](OpBuilder &b, ValueRange v) {
        TileBuilder inner(b, t.loc);
        Value isLarger = arith::CmpFOp::create(
            b, t.loc, arith::CmpFPredicate::OGT, v[0], v[1]);
        Value m = arith::SelectOp::create(b, t.loc, isLarger, v[0], v[1]);
        Value none = arith::CmpFOp::create(b, t.loc, arith::CmpFPredicate::OEQ,
                                           m, inner.constant(scoreType, -kInf));
        Value shift = arith::SelectOp::create(b, t.loc, none,
                                              inner.constant(scoreType, 0), m);
        Value factor =
            tile.exponential(b, arith::SubFOp::create(b, t.loc, v[1], shift));
        Value l = arith::MulFOp::create(b, t.loc, v[2], factor);
        return SmallVector<Value>{m, l, shift, factor};
      });
  state[0] = rows[0];
  // Exponentials in place and their sum in one pass over the scores.
  SmallVector<Value> weights = t.generic(
      scoreLoops, {{rows[2], rowMap}}, {{scores, scoreMap}, {rows[1], rowMap}},
      [&](OpBuilder &b, ValueRange v) {
        Value weight =
            tile.exponential(b, arith::SubFOp::create(b, t.loc, v[1], v[0]));
        return SmallVector<Value>{
            weight, arith::AddFOp::create(b, t.loc, v[2], weight)};
      });
  scores = weights[0];
  state[1] = weights[1];
  if (!attr.isSoftmax())
    return success();
  Value scaled = t.generic(
      stateLoops[2], {{rows[3], rowMap}},
      {{state[2], tile.over(stateLoops[2])}}, [&](OpBuilder &b, ValueRange v) {
        return SmallVector<Value>{arith::MulFOp::create(b, t.loc, v[1], v[0])};
      })[0];
  state[2] = scaled;
  return accumulate(scores, state[2]);
}

LogicalResult PairwiseReduction::stepExtreme(Value scores,
                                             SmallVectorImpl<Value> &state) {
  ReduceKind kind = attr.getKind();
  bool isMax = kind == ReduceKind::Max || kind == ReduceKind::ArgMax;
  bool isArg = kind == ReduceKind::ArgMax || kind == ReduceKind::ArgMin;
  AffineMap rowMap = tile.over({tile.rowLoop});
  SmallVector<unsigned> loops = tile.scoreLoops();
  unsigned colPosition = loops[0] == tile.colLoop ? 0 : 1;
  Value start = t.index(tile.offsets[tile.colLoop]);
  SmallVector<Access> outputs = {{state[0], rowMap}};
  if (isArg)
    outputs.push_back({state[1], rowMap});
  SmallVector<Value> next = t.generic(
      loops, {{scores, tile.over(loops)}}, outputs,
      [&](OpBuilder &b, ValueRange v) {
        bool isFloat = isa<FloatType>(scoreType);
        if (!isArg) {
          Value m;
          if (isFloat)
            m = isMax ? arith::MaximumFOp::create(b, t.loc, v[1], v[0])
                            .getResult()
                      : arith::MinimumFOp::create(b, t.loc, v[1], v[0])
                            .getResult();
          else
            m = isMax
                    ? arith::MaxSIOp::create(b, t.loc, v[1], v[0]).getResult()
                    : arith::MinSIOp::create(b, t.loc, v[1], v[0]).getResult();
          return SmallVector<Value>{m};
        }
        // Strictly better only: the lowest position wins among equals.
        Value better;
        if (isFloat)
          better = arith::CmpFOp::create(b, t.loc,
                                         isMax ? arith::CmpFPredicate::OGT
                                               : arith::CmpFPredicate::OLT,
                                         v[0], v[1]);
        else
          better = arith::CmpIOp::create(b, t.loc,
                                         isMax ? arith::CmpIPredicate::sgt
                                               : arith::CmpIPredicate::slt,
                                         v[0], v[1]);
        Value m = arith::SelectOp::create(b, t.loc, better, v[0], v[1]);
        Value j = arith::AddIOp::create(
            b, t.loc, linalg::IndexOp::create(b, t.loc, colPosition), start);
        j = arith::IndexCastOp::create(b, t.loc, stateTypes[1], j);
        return SmallVector<Value>{
            m, arith::SelectOp::create(b, t.loc, better, j, v[2])};
      });
  llvm::copy(next, state.begin());
  return success();
}

LogicalResult PairwiseReduction::stepCustom(Value scores,
                                            SmallVectorImpl<Value> &state) {
  // One column after the other: the state is a fold from the left.
  SmallVector<unsigned> loops = stateLoops[0];
  loops.insert(tile.rowsInLanes ? loops.begin() : loops.end(), tile.colLoop);
  SmallVector<Access> inputs = {{scores, tile.over(tile.scoreLoops())}};
  for (int64_t k = 0; k < attr.getValues(); ++k) {
    FailureOr<Access> values = tile.access(op.getValues()[firstValue + k],
                                           op.getValueMap(firstValue + k));
    if (failed(values))
      return failure();
    inputs.push_back(*values);
  }
  SmallVector<Access> outputs;
  for (Value component : state)
    outputs.push_back({component, tile.over(stateLoops[0])});
  SmallVector<Value> next =
      t.generic(loops, inputs, outputs, [&](OpBuilder &b, ValueRange v) {
        SmallVector<Value> arguments(v.drop_front(inputs.size()));
        llvm::append_range(arguments, v.take_front(inputs.size()));
        return t.inlineRegion(b, *op.getReductionRegion(index, 1), arguments);
      });
  llvm::copy(next, state.begin());
  return success();
}

LogicalResult PairwiseReduction::step(Value &scores,
                                      SmallVectorImpl<Value> &state) {
  switch (attr.getKind()) {
  case ReduceKind::None:
    return success();
  case ReduceKind::Sum:
    return accumulate(scores, state[0]);
  case ReduceKind::Softmax:
  case ReduceKind::SoftmaxZero:
  case ReduceKind::LogSumExp:
    return stepSoftmax(scores, state);
  case ReduceKind::Custom:
    return stepCustom(scores, state);
  default:
    return stepExtreme(scores, state);
  }
}

LogicalResult PairwiseReduction::finish(ValueRange state,
                                        SmallVectorImpl<Value> &outputs) {
  // Writes one output from state components by `body`.
  auto write =
      [&](unsigned k, ArrayRef<unsigned> components,
          function_ref<Value(OpBuilder &, ValueRange)> body) -> LogicalResult {
    AffineMap map = op.getOutputMap(firstOutput + k);
    FailureOr<Access> output = tile.access(outputs[k], map);
    if (failed(output))
      return failure();
    SmallVector<unsigned> loops;
    for (unsigned loop = 0; loop < op.getNumLoops(); ++loop)
      if (op.getPairDim(loop) != PairDim::Batch && map.isFunctionOfDim(loop))
        loops.push_back(loop);
    SmallVector<Access> inputs;
    for (unsigned component : components)
      inputs.push_back({state[component], tile.over(stateLoops[component])});
    Type type = getElementTypeOrSelf(outputs[k].getType());
    Value result =
        t.generic(loops, inputs, {*output}, [&](OpBuilder &b, ValueRange v) {
          TileBuilder inner(b, t.loc);
          return SmallVector<Value>{inner.convert(body(b, v), type)};
        })[0];
    outputs[k] = tile.insert(result, outputs[k], map);
    return success();
  };
  auto same = [](OpBuilder &, ValueRange v) { return v[0]; };
  if (op.getPartial()) {
    for (unsigned k = 0; k < numStates(); ++k)
      if (failed(write(k, {k}, same)))
        return failure();
    return success();
  }
  auto logSum = [&](OpBuilder &b, ValueRange v) -> Value {
    Value log = math::LogOp::create(b, t.loc, v[1]);
    return arith::AddFOp::create(b, t.loc, v[0], log);
  };
  switch (attr.getKind()) {
  case ReduceKind::None:
    return success();
  case ReduceKind::Sum:
  case ReduceKind::Max:
  case ReduceKind::Min:
    return write(0, {0}, same);
  case ReduceKind::LogSumExp:
    return write(0, {0, 1}, logSum);
  case ReduceKind::ArgMax:
  case ReduceKind::ArgMin:
    if (failed(write(0, {1}, same)))
      return failure();
    return numOutputs > 1 ? write(1, {0}, same) : success();
  case ReduceKind::Softmax:
  case ReduceKind::SoftmaxZero: {
    bool zeroEmpty = attr.getKind() == ReduceKind::SoftmaxZero;
    auto divide = [&](OpBuilder &b, ValueRange v) -> Value {
      TileBuilder inner(b, t.loc);
      Value l = v[1];
      if (zeroEmpty) {
        Value empty = arith::CmpFOp::create(b, t.loc, arith::CmpFPredicate::OEQ,
                                            l, inner.constant(scoreType, 0));
        l = arith::SelectOp::create(b, t.loc, empty,
                                    inner.constant(scoreType, 1), l);
      }
      return arith::DivFOp::create(b, t.loc, v[0], l);
    };
    if (failed(write(0, {2, 1}, divide)))
      return failure();
    return numOutputs > 1 ? write(1, {0, 1}, logSum) : success();
  }
  case ReduceKind::Custom: {
    SmallVector<unsigned> all =
        llvm::to_vector(llvm::seq<unsigned>(0, numStates()));
    for (unsigned k = 0; k < numOutputs; ++k)
      if (failed(write(k, all, [&](OpBuilder &b, ValueRange v) {
            return t.inlineRegion(b, *op.getReductionRegion(index, 3),
                                  v.take_front(all.size()))[k];
          })))
        return failure();
    return success();
  }
  }
  return success();
}
