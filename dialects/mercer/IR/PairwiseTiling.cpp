//===- PairwiseTiling.cpp - loops, tiles and cost of mercer.pairwise ------===//

#include "dialects/mercer/IR/StructuredTiling.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace mercer;

SmallVector<utils::IteratorType> PairwiseOp::getLoopIteratorTypes() {
  SmallVector<utils::IteratorType> types;
  for (unsigned loop = 0; loop < getNumLoops(); ++loop) {
    // A loop that some result lacks would have that result written by several
    // tiles.
    bool inAll = true;
    for (unsigned i = 0; i < getOutputs().size(); ++i)
      inAll &= getOutputMap(i).isFunctionOfDim(loop);
    types.push_back(inAll ? utils::IteratorType::parallel
                          : utils::IteratorType::reduction);
  }
  return types;
}

SmallVector<Range> PairwiseOp::getIterationDomain(OpBuilder &b) {
  return makeDomain(b, getLoc(), getOperands(), getIndexingMapsArray(), {});
}

FailureOr<TilingResult>
PairwiseOp::getTiledImplementation(OpBuilder &b, ArrayRef<OpFoldResult> offsets,
                                   ArrayRef<OpFoldResult> sizes) {
  SmallVector<utils::IteratorType> iterators = getLoopIteratorTypes();
  SmallVector<Range> domain = getIterationDomain(b);
  for (unsigned loop = 0; loop < getNumLoops(); ++loop) {
    if (iterators[loop] == utils::IteratorType::parallel)
      continue;
    bool whole = isConstantIntValue(offsets[loop], 0) &&
                 (isEqualConstantIntOrValue(sizes[loop], domain[loop].size) ||
                  getConstantIntValue(sizes[loop]) ==
                      getConstantIntValue(domain[loop].size));
    PairDim role = getPairDim(loop);
    bool reduced = role == PairDim::Row || role == PairDim::Col;
    // The finaliser needs all pairs; states do not.
    if (!whole && !(reduced && getPartial()))
      return emitOpError("[E3202] cannot be tiled along ")
             << stringifyPairDim(role) << " loop " << loop
             << " outside of its partial form";
  }
  SmallVector<AffineMap> maps = getIndexingMapsArray();
  SmallVector<Value> operands;
  TilingResult result;
  for (auto [i, operand] : llvm::enumerate(getOperands())) {
    if (!isa<RankedTensorType>(operand.getType())) {
      operands.push_back(operand);
      continue;
    }
    FailureOr<OperandTile> tile =
        getOperandTile(b, getLoc(), maps[i], offsets, sizes);
    if (failed(tile))
      return emitOpError("[E3201] operand ")
             << i << " has an access that cannot be tiled: "
             << AffineMapAttr::get(maps[i]);
    Value slice = sliceTensor(b, getLoc(), operand, tile->offsets, tile->sizes);
    if (slice != operand)
      result.generatedSlices.push_back(slice.getDefiningOp());
    operands.push_back(slice);
    if (i < getNumOperands() - getOutputs().size())
      maps[i] = tile->localMap;
  }
  SmallVector<Type> types;
  for (Value output : ArrayRef<Value>(operands).take_back(getOutputs().size()))
    types.push_back(output.getType());
  auto tiled = cast<PairwiseOp>(cloneOnto(b, *this, types, operands));
  tiled.setIndexingMapsAttr(b.getAffineMapArrayAttr(maps));
  // Positions stay those of the whole op.
  SmallVector<IndexOp> positions;
  tiled->walk([&](IndexOp position) { positions.push_back(position); });
  OpBuilder::InsertionGuard guard(b);
  for (IndexOp position : positions) {
    OpFoldResult offset = offsets[position.getDim()];
    if (isConstantIntValue(offset, 0))
      continue;
    b.setInsertionPoint(tiled);
    Value start = getValueOrCreateConstantIndexOp(b, getLoc(), offset);
    b.setInsertionPointAfter(position);
    auto moved = arith::AddIOp::create(b, getLoc(), position, start);
    position.getResult().replaceAllUsesExcept(moved, moved);
  }
  result.tiledOps.push_back(tiled);
  llvm::append_range(result.tiledValues, tiled->getResults());
  return result;
}

LogicalResult PairwiseOp::getResultTilePosition(
    OpBuilder &b, unsigned resultNumber, ArrayRef<OpFoldResult> offsets,
    ArrayRef<OpFoldResult> sizes, SmallVector<OpFoldResult> &resultOffsets,
    SmallVector<OpFoldResult> &resultSizes) {
  projectTile(b, getOutputMap(resultNumber), offsets, sizes, resultOffsets,
              resultSizes);
  return success();
}

LogicalResult PairwiseOp::getIterationDomainTileFromResultTile(
    OpBuilder &b, unsigned resultNumber, ArrayRef<OpFoldResult> offsets,
    ArrayRef<OpFoldResult> sizes, SmallVectorImpl<OpFoldResult> &loopOffsets,
    SmallVectorImpl<OpFoldResult> &loopSizes) {
  liftTile(getIterationDomain(b), getOutputMap(resultNumber), offsets, sizes,
           loopOffsets, loopSizes);
  return success();
}

FailureOr<TilingResult>
PairwiseOp::generateResultTileValue(OpBuilder &b, unsigned resultNumber,
                                    ArrayRef<OpFoldResult> offsets,
                                    ArrayRef<OpFoldResult> sizes) {
  SmallVector<OpFoldResult> loopOffsets, loopSizes;
  if (failed(getIterationDomainTileFromResultTile(
          b, resultNumber, offsets, sizes, loopOffsets, loopSizes)))
    return failure();
  FailureOr<TilingResult> tiled =
      getTiledImplementation(b, loopOffsets, loopSizes);
  if (failed(tiled))
    return failure();
  // The caller wants the one value that replaces its slice.
  tiled->tiledValues = {tiled->tiledValues[resultNumber]};
  return tiled;
}

bool PairwiseOp::isOpFusableWithConsumerSlice(unsigned, ArrayRef<OpFoldResult>,
                                              ArrayRef<OpFoldResult>) {
  return true;
}

SmallVector<int64_t> PairwiseOp::getStaticLoopExtents() {
  auto sources =
      getLoopSources(getOperands(), getIndexingMapsArray(), getNumLoops(), {});
  return getStaticExtents(getOperands(), *sources);
}

SmallVector<AffineMap> PairwiseOp::getOperandMaps() {
  return getIndexingMapsArray();
}

double PairwiseOp::getFlops(int64_t dynamicExtent) {
  SmallVector<int64_t> extents = getStaticLoopExtents();
  auto extentOf = [&](unsigned loop) -> double {
    return ShapedType::isDynamic(extents[loop]) ? dynamicExtent : extents[loop];
  };
  double pairs = 1;
  for (unsigned loop = 0; loop < getNumLoops(); ++loop)
    if (getPairDim(loop) != PairDim::Feature &&
        getPairDim(loop) != PairDim::Value)
      pairs *= extentOf(loop);
  double perPair = 0;
  // Product over the loops of `role` that a group of maps uses.
  auto loopsOf = [&](ArrayRef<AffineMap> maps, PairDim role) {
    double product = 1;
    for (unsigned loop = 0; loop < getNumLoops(); ++loop)
      if (getPairDim(loop) == role && llvm::any_of(maps, [&](AffineMap map) {
            return map.isFunctionOfDim(loop);
          }))
        product *= extentOf(loop);
    return product;
  };
  unsigned operand = 0;
  for (InnerAttr inner : getInnerAttrs()) {
    SmallVector<AffineMap> maps;
    for (int64_t k = 0; k < inner.getOperands(); ++k)
      maps.push_back(getInputMap(operand++));
    perPair += loopsOf(maps, PairDim::Feature) *
               (inner.getKind() == InnerKind::Dot ? 2 : 3);
  }
  if (!getScore().empty())
    perPair += getScore().front().getOperations().size() - 1;
  operand = 0;
  for (ReductionAttr reduction : getReductionAttrs()) {
    SmallVector<AffineMap> maps;
    for (int64_t k = 0; k < reduction.getValues(); ++k)
      maps.push_back(getValueMap(operand++));
    perPair +=
        2 * loopsOf(maps, PairDim::Value) + (reduction.isSoftmax() ? 4 : 0);
  }
  return pairs * perPair;
}

double PairwiseOp::getBytes(int64_t dynamicExtent) {
  return bytesOf(*this, dynamicExtent);
}

SmallVector<LoopRule> PairwiseOp::getLoopRules() {
  return loopRulesOf(getIndexingMapsArray(), getLoopIteratorTypes());
}
