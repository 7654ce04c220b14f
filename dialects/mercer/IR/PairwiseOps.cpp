//===- PairwiseOps.cpp - pairwise, combine, finalize ----------------------===//

#include "dialects/mercer/IR/LoopMaps.h"
#include "dialects/mercer/IR/Mercer.h"
#include "dialects/mercer/IR/RegionUtils.h"

using namespace mlir;
using namespace mercer;

static SmallVector<AffineMap> mapsOf(ArrayAttr attr) {
  return llvm::to_vector(attr.getAsValueRange<AffineMapAttr>());
}

SmallVector<AffineMap> PairwiseOp::getIndexingMapsArray() {
  return mapsOf(getIndexingMaps());
}
SmallVector<AffineMap> CombineOp::getIndexingMapsArray() {
  return mapsOf(getIndexingMaps());
}
SmallVector<AffineMap> FinalizeOp::getIndexingMapsArray() {
  return mapsOf(getIndexingMaps());
}

void PairwiseOp::build(OpBuilder &b, OperationState &state,
                       ArrayRef<PairDim> iterators, ArrayRef<InnerAttr> inners,
                       ArrayRef<ReductionAttr> reductions,
                       ArrayRef<AffineMap> maps, ValueRange inputs,
                       ValueRange captures, ValueRange values,
                       ValueRange outputs, bool partial, unsigned numCustom) {
  SmallVector<Attribute> dims, innerAttrs(inners.begin(), inners.end()),
      reductionAttrs(reductions.begin(), reductions.end());
  for (PairDim dim : iterators)
    dims.push_back(PairDimAttr::get(b.getContext(), dim));
  build(b, state, outputs.getTypes(), b.getArrayAttr(dims),
        b.getArrayAttr(innerAttrs), b.getArrayAttr(reductionAttrs),
        b.getAffineMapArrayAttr(maps), partial, inputs, captures, values,
        outputs, Precision::IEEE, numCustom);
}

PairDim PairwiseOp::getPairDim(unsigned loop) {
  return cast<PairDimAttr>(getIterators()[loop]).getValue();
}

SmallVector<InnerAttr> PairwiseOp::getInnerAttrs() {
  return llvm::map_to_vector(getInners(),
                             [](Attribute a) { return cast<InnerAttr>(a); });
}

SmallVector<ReductionAttr> PairwiseOp::getReductionAttrs() {
  return llvm::map_to_vector(
      getReductions(), [](Attribute a) { return cast<ReductionAttr>(a); });
}

Type PairwiseOp::getScoreType() {
  if (!getScore().empty())
    return getScore().front().getTerminator()->getOperand(0).getType();
  return cast<InnerAttr>(getInners()[0]).getType();
}

Region *PairwiseOp::getPairRegion(unsigned index) {
  unsigned position = 0;
  for (auto [i, inner] : llvm::enumerate(getInnerAttrs())) {
    bool custom = inner.getKind() == InnerKind::Custom;
    if (i == index)
      return custom ? &getCustom()[position] : nullptr;
    position += custom;
  }
  return nullptr;
}

Region *PairwiseOp::getReductionRegion(unsigned index, unsigned which) {
  unsigned position = 0;
  for (InnerAttr inner : getInnerAttrs())
    position += inner.getKind() == InnerKind::Custom;
  for (auto [i, reduction] : llvm::enumerate(getReductionAttrs())) {
    bool custom = reduction.getKind() == ReduceKind::Custom;
    if (i == index)
      return custom ? &getCustom()[position + which] : nullptr;
    position += custom ? 4 : 0;
  }
  return nullptr;
}

unsigned PairwiseOp::getNumOutputs(unsigned index) {
  ReductionAttr reduction = cast<ReductionAttr>(getReductions()[index]);
  if (!getPartial())
    return reduction.getResults();
  if (Region *init = getReductionRegion(index, 0))
    return init->front().getTerminator()->getNumOperands();
  return reduction.getNumStates();
}

/// Value operands and results that each named monoid allows.
static LogicalResult verifyReduction(Operation *op, ReductionAttr reduction) {
  int64_t values = reduction.getValues(), results = reduction.getResults();
  int64_t maxValues = 0, maxResults = 1;
  switch (reduction.getKind()) {
  case ReduceKind::Custom:
    return success();
  case ReduceKind::Sum:
    maxValues = 1;
    break;
  case ReduceKind::Softmax:
  case ReduceKind::SoftmaxZero:
    maxValues = 1;
    maxResults = 2;
    break;
  case ReduceKind::ArgMax:
  case ReduceKind::ArgMin:
    maxResults = 2;
    break;
  case ReduceKind::None:
  case ReduceKind::Max:
  case ReduceKind::Min:
  case ReduceKind::LogSumExp:
    break;
  }
  if (values < 0 || values > maxValues || results < 1 || results > maxResults)
    return op->emitOpError("expects at most ")
           << maxValues << " value operands and 1 to " << maxResults
           << " results for '" << stringifyReduceKind(reduction.getKind())
           << "', got " << values << " and " << results;
  if (reduction.isSoftmax() && values != 1)
    return op->emitOpError("expects one value operand for '")
           << stringifyReduceKind(reduction.getKind()) << "', got " << values;
  return success();
}

static LogicalResult verifyUsedDims(PairwiseOp op, AffineMap map,
                                    unsigned index, StringRef what,
                                    ArrayRef<PairDim> allowed) {
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop)
    if (map.isFunctionOfDim(loop) &&
        !llvm::is_contained(allowed, op.getPairDim(loop)))
      return op.emitOpError("expects ")
             << what << " " << index << " not to depend on "
             << stringifyPairDim(op.getPairDim(loop)) << " loop " << loop;
  return success();
}

LogicalResult PairwiseOp::verify() {
  unsigned numLoops = getNumLoops();
  SmallVector<AffineMap> maps = getIndexingMapsArray();
  if (getInners().empty() && getScore().empty())
    return emitOpError("expects a score region where there is no inner "
                       "reduction");
  if (getReductions().empty())
    return emitOpError("expects at least one reduction, got none");
  if (TypeRange(getOutputs().getTypes()) != TypeRange(getResultTypes()))
    return emitOpError("expects results with the types of the outputs");
  if (failed(verifyMaps(*this, maps, numLoops, getOutputs().size())) ||
      failed(verifyExtents(*this, maps, numLoops, {})))
    return failure();

  // Operand groups.
  int64_t numInputs = 0, numValues = 0, numCustom = 0;
  for (InnerAttr inner : getInnerAttrs()) {
    bool custom = inner.getKind() == InnerKind::Custom;
    if (custom ? inner.getOperands() < 1 : inner.getOperands() != 2)
      return emitOpError("expects ")
             << (custom ? "at least 1 operand" : "2 operands") << " for inner '"
             << stringifyInnerKind(inner.getKind()) << "', got "
             << inner.getOperands();
    if (!inner.getType().isIntOrFloat())
      return emitOpError("expects an integer or float type for an inner "
                         "reduction, got ")
             << inner.getType();
    numInputs += inner.getOperands();
    numCustom += custom;
  }
  for (ReductionAttr reduction : getReductionAttrs()) {
    if (failed(verifyReduction(*this, reduction)))
      return failure();
    numValues += reduction.getValues();
    numCustom += reduction.getKind() == ReduceKind::Custom ? 4 : 0;
  }
  if (numInputs != int64_t(getInputs().size()))
    return emitOpError("expects ")
           << numInputs << " operands for the inner reductions, got "
           << getInputs().size();
  if (numValues != int64_t(getValues().size()))
    return emitOpError("expects ")
           << numValues << " value operands for the reductions, got "
           << getValues().size();
  if (numCustom != int64_t(getCustom().size()))
    return emitOpError("expects ")
           << numCustom << " custom regions, got " << getCustom().size();

  // Regions.
  SmallVector<Type> captureTypes, scoreTypes;
  for (Value capture : getCaptures())
    captureTypes.push_back(getElementOrSelf(capture.getType()));
  for (InnerAttr inner : getInnerAttrs())
    scoreTypes.push_back(inner.getType());
  llvm::append_range(scoreTypes, captureTypes);
  if (!getScore().empty()) {
    Operation *yield = getScore().hasOneBlock() && !getScore().front().empty()
                           ? &getScore().front().back()
                           : nullptr;
    if (!yield || yield->getNumOperands() != 1 ||
        !yield->getOperand(0).getType().isIntOrFloat())
      return emitOpError("expects the score region to yield one number");
    if (failed(verifyRegionSignature(*this, getScore(), "score", scoreTypes,
                                     yield->getOperandTypes())))
      return failure();
  }
  if (!getMask().empty() &&
      failed(verifyRegionSignature(*this, getMask(), "mask", captureTypes,
                                   IntegerType::get(getContext(), 1))))
    return failure();
  unsigned operand = 0;
  for (auto [i, inner] : llvm::enumerate(getInnerAttrs())) {
    SmallVector<Type> types;
    for (int64_t k = 0; k < inner.getOperands(); ++k)
      types.push_back(getElementOrSelf(getInputs()[operand++].getType()));
    if (Region *region = getPairRegion(i))
      if (failed(verifyRegionSignature(*this, *region, "pair", types,
                                       inner.getType())))
        return failure();
  }
  operand = 0;
  Type score = getScoreType();
  unsigned numOutputs = 0;
  for (auto [i, reduction] : llvm::enumerate(getReductionAttrs())) {
    SmallVector<Type> step;
    for (int64_t k = 0; k < reduction.getValues(); ++k)
      step.push_back(getElementOrSelf(getValues()[operand++].getType()));
    if (Region *init = getReductionRegion(i, 0)) {
      if (!init->hasOneBlock() || !isa<YieldOp>(init->front().back()))
        return emitOpError("expects the init region to yield the state");
      SmallVector<Type> state(init->front().getTerminator()->getOperandTypes());
      SmallVector<Type> stepTypes(state), combine(state);
      stepTypes.push_back(score);
      llvm::append_range(stepTypes, step);
      llvm::append_range(combine, state);
      SmallVector<Type> results;
      for (int64_t k = 0; k < reduction.getResults(); ++k)
        if (!getPartial() && numOutputs + k < int64_t(getOutputs().size()))
          results.push_back(
              getElementOrSelf(getOutputs()[numOutputs + k].getType()));
      if (failed(verifyRegionSignature(*this, *init, "init", {}, state)) ||
          failed(verifyRegionSignature(*this, *getReductionRegion(i, 1), "step",
                                       stepTypes, state)) ||
          failed(verifyRegionSignature(*this, *getReductionRegion(i, 2),
                                       "combine", combine, state)))
        return failure();
      if (!getPartial() &&
          failed(verifyRegionSignature(*this, *getReductionRegion(i, 3),
                                       "finalize", state, results)))
        return failure();
    }
    numOutputs += getNumOutputs(i);
  }
  if (numOutputs != getOutputs().size())
    return emitOpError("expects ")
           << numOutputs << (getPartial() ? " states" : " outputs")
           << " for the reductions, got " << getOutputs().size();

  // Accesses.
  for (unsigned i = 0; i < getInputs().size(); ++i)
    if (failed(verifyUsedDims(
            *this, getInputMap(i), i, "inner operand",
            {PairDim::Batch, PairDim::Row, PairDim::Col, PairDim::Feature})))
      return failure();
  for (unsigned i = 0; i < getCaptures().size(); ++i)
    if (failed(verifyUsedDims(*this, getCaptureMap(i), i, "capture",
                              {PairDim::Batch, PairDim::Row, PairDim::Col})))
      return failure();
  for (unsigned i = 0; i < getValues().size(); ++i)
    if (failed(verifyUsedDims(
            *this, getValueMap(i), i, "value operand",
            {PairDim::Batch, PairDim::Row, PairDim::Col, PairDim::Value})))
      return failure();
  for (unsigned i = 0; i < getOutputs().size(); ++i)
    if (failed(verifyUsedDims(
            *this, getOutputMap(i), i, "output",
            {PairDim::Batch, PairDim::Row, PairDim::Col, PairDim::Value})))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// CombineOp and FinalizeOp
//===----------------------------------------------------------------------===//

template <typename OpTy>
static LogicalResult verifyStateOp(OpTy op, unsigned numInputs,
                                   unsigned numOutputs) {
  if (TypeRange(op.getOutputs().getTypes()) != TypeRange(op.getResultTypes()))
    return op.emitOpError("expects results with the types of the outputs");
  if (op.getInputs().size() != numInputs ||
      op.getOutputs().size() != numOutputs)
    return op.emitOpError("expects ")
           << numInputs << " inputs and " << numOutputs << " outputs for '"
           << stringifyReduceKind(op.getReduction().getKind()) << "', got "
           << op.getInputs().size() << " and " << op.getOutputs().size();
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  if (maps.empty())
    return op.emitOpError("expects indexing maps, got none");
  unsigned numLoops = maps.front().getNumDims();
  if (failed(verifyMaps(op, maps, numLoops, numOutputs)))
    return failure();
  return verifyExtents(op, maps, numLoops, {});
}

LogicalResult CombineOp::verify() {
  bool custom = getReduction().getKind() == ReduceKind::Custom;
  unsigned states =
      custom ? getOutputs().size() : getReduction().getNumStates();
  if (!custom && states == 0)
    return emitOpError("expects a reduction with a state, got 'none'");
  if (failed(verifyStateOp(*this, states, states)))
    return failure();
  if (custom == getBody().empty())
    return emitOpError("expects a region exactly for a custom reduction");
  if (!custom)
    return success();
  SmallVector<Type> types;
  for (Value v : getOutputs())
    types.push_back(getElementOrSelf(v.getType()));
  SmallVector<Type> both(types);
  llvm::append_range(both, types);
  return verifyRegionSignature(*this, getBody(), "combine", both, types);
}

LogicalResult FinalizeOp::verify() {
  bool custom = getReduction().getKind() == ReduceKind::Custom;
  unsigned states = custom ? getInputs().size() : getReduction().getNumStates();
  if (!custom && states == 0)
    return emitOpError("expects a reduction with a state, got 'none'");
  if (failed(verifyStateOp(*this, states, getReduction().getResults())))
    return failure();
  if (custom == getBody().empty())
    return emitOpError("expects a region exactly for a custom reduction");
  if (!custom)
    return success();
  SmallVector<Type> stateTypes, results;
  for (Value v : getInputs())
    stateTypes.push_back(getElementOrSelf(v.getType()));
  for (Value v : getOutputs())
    results.push_back(getElementOrSelf(v.getType()));
  return verifyRegionSignature(*this, getBody(), "finalize", stateTypes,
                               results);
}
