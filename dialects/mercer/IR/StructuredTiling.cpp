//===- StructuredTiling.cpp - loops, tiles, cost of contract and window ---===//

#include "dialects/mercer/IR/StructuredTiling.h"
#include "dialects/mercer/IR/LoopMaps.h"
#include "dialects/mercer/IR/Mercer.h"
#include "dialects/mercer/IR/RegionUtils.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace mercer;

Operation *mercer::cloneOnto(OpBuilder &b, Operation *op, TypeRange types,
                             ValueRange operands) {
  Operation *copy =
      op->clone(Operation::CloneOptions::all().cloneOperands(false));
  copy->setOperands(operands);
  for (auto [result, type] : llvm::zip_equal(copy->getResults(), types))
    result.setType(type);
  return b.insert(copy);
}

SmallVector<Range> mercer::makeDomain(OpBuilder &b, Location loc,
                                      ValueRange operands,
                                      ArrayRef<AffineMap> maps,
                                      ArrayRef<int64_t> extents) {
  auto sources =
      getLoopSources(operands, maps, maps.front().getNumDims(), extents);
  SmallVector<Range> domain;
  for (OpFoldResult extent : getLoopExtents(b, loc, operands, *sources))
    domain.push_back(Range{b.getIndexAttr(0), extent, b.getIndexAttr(1)});
  return domain;
}

void mercer::projectTile(OpBuilder &b, AffineMap map,
                         ArrayRef<OpFoldResult> offsets,
                         ArrayRef<OpFoldResult> sizes,
                         SmallVectorImpl<OpFoldResult> &resultOffsets,
                         SmallVectorImpl<OpFoldResult> &resultSizes) {
  resultOffsets.clear();
  resultSizes.clear();
  for (AffineExpr expr : map.getResults()) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    resultOffsets.push_back(dim ? offsets[dim.getPosition()]
                                : OpFoldResult(b.getIndexAttr(0)));
    resultSizes.push_back(dim ? sizes[dim.getPosition()]
                              : OpFoldResult(b.getIndexAttr(1)));
  }
}

void mercer::liftTile(ArrayRef<Range> domain, AffineMap map,
                      ArrayRef<OpFoldResult> offsets,
                      ArrayRef<OpFoldResult> sizes,
                      SmallVectorImpl<OpFoldResult> &loopOffsets,
                      SmallVectorImpl<OpFoldResult> &loopSizes) {
  loopOffsets.clear();
  loopSizes.clear();
  for (const Range &range : domain) {
    loopOffsets.push_back(range.offset);
    loopSizes.push_back(range.size);
  }
  for (auto [k, expr] : llvm::enumerate(map.getResults()))
    if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
      loopOffsets[dim.getPosition()] = offsets[k];
      loopSizes[dim.getPosition()] = sizes[k];
    }
}

/// Whether an access can leave [0, size) for loops within static extents.
static bool mayLeave(AffineExpr expr, int64_t size, ArrayRef<int64_t> extents) {
  if (isa<AffineDimExpr>(expr) || matchPacked(expr))
    return false;
  std::optional<LinearExpr> linear = matchLinear(expr, extents.size());
  if (!linear || linear->constant < 0 || ShapedType::isDynamic(size))
    return true;
  int64_t last = linear->constant;
  for (auto [coefficient, extent] :
       llvm::zip_equal(linear->coefficients, extents)) {
    if (coefficient == 0)
      continue;
    if (ShapedType::isDynamic(extent))
      return true;
    last += coefficient * (extent - 1);
  }
  return last >= size;
}

bool mercer::isInside(AffineMap map, Type type, ArrayRef<int64_t> extents) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return true;
  for (auto [expr, size] : llvm::zip_equal(map.getResults(), tensor.getShape()))
    if (mayLeave(expr, size, extents))
      return false;
  return true;
}

FailureOr<Value> mercer::loadOperandTile(OpBuilder &b, Location loc,
                                         Value operand, BoundsAttr bounds,
                                         bool inside, const OperandTile &tile) {
  BoundsKind kind = bounds ? bounds.getKind() : BoundsKind::None;
  if (kind == BoundsKind::None || inside)
    return sliceTensor(b, loc, operand, tile.offsets, tile.sizes);
  Type element = getElementOrSelf(operand.getType());
  Value pad;
  if (kind == BoundsKind::Zero)
    pad = arith::ConstantOp::create(b, loc, b.getZeroAttr(element));
  if (kind == BoundsKind::Value)
    pad = arith::ConstantOp::create(b, loc, bounds.getValue());
  return LoadTileOp::create(b, loc, operand, tile.offsets, tile.sizes, pad,
                            kind)
      .getResult();
}

static ArrayRef<int64_t> extentsOf(ContractOp) { return {}; }
static ArrayRef<int64_t> extentsOf(WindowOp op) {
  return op.getExtents().value_or(ArrayRef<int64_t>());
}
static BoundsAttr boundsOf(ContractOp, unsigned) { return {}; }
static BoundsAttr boundsOf(WindowOp op, unsigned i) {
  return cast<BoundsAttr>(op.getBounds()[i]);
}

template <typename OpTy>
static SmallVector<utils::IteratorType> iteratorTypesOf(OpTy op) {
  AffineMap output = op.getIndexingMapsArray().back();
  SmallVector<utils::IteratorType> types;
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop)
    types.push_back(output.isFunctionOfDim(loop)
                        ? utils::IteratorType::parallel
                        : utils::IteratorType::reduction);
  return types;
}

template <typename OpTy> static SmallVector<int64_t> staticExtentsOf(OpTy op) {
  auto sources = getLoopSources(op->getOperands(), op.getIndexingMapsArray(),
                                op.getNumLoops(), extentsOf(op));
  return getStaticExtents(op->getOperands(), *sources);
}

template <typename OpTy>
static FailureOr<TilingResult> tileContraction(OpTy op, OpBuilder &b,
                                               ArrayRef<OpFoldResult> offsets,
                                               ArrayRef<OpFoldResult> sizes) {
  Location loc = op.getLoc();
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  SmallVector<int64_t> extents = staticExtentsOf(op);
  SmallVector<Value> operands;
  SmallVector<Attribute> newBounds;
  TilingResult result;
  unsigned numInputs = op.getInputs().size();
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    if (!isa<RankedTensorType>(operand.getType())) {
      operands.push_back(operand);
      newBounds.push_back(
          BoundsAttr::get(b.getContext(), BoundsKind::None, {}));
      continue;
    }
    FailureOr<OperandTile> tile =
        getOperandTile(b, loc, maps[i], offsets, sizes);
    if (failed(tile))
      return op.emitOpError("[E3201] operand ")
             << i << " has an access that cannot be tiled: "
             << AffineMapAttr::get(maps[i]);
    BoundsAttr bounds = i < numInputs ? boundsOf(op, i) : BoundsAttr();
    bool inside = isInside(maps[i], operand.getType(), extents);
    FailureOr<Value> slice =
        loadOperandTile(b, loc, operand, bounds, inside, *tile);
    if (Operation *def = slice->getDefiningOp(); def && *slice != operand)
      result.generatedSlices.push_back(def);
    operands.push_back(*slice);
    newBounds.push_back(BoundsAttr::get(b.getContext(), BoundsKind::None, {}));
    maps[i] = tile->localMap;
  }
  // Outputs keep their map: slices of a projected permutation.
  for (unsigned i = numInputs; i < maps.size(); ++i)
    maps[i] = op.getIndexingMapsArray()[i];
  SmallVector<Type> types;
  for (Value output : ArrayRef<Value>(operands).drop_front(numInputs))
    types.push_back(output.getType());
  auto tiled = cast<OpTy>(cloneOnto(b, op, types, operands));
  tiled.setIndexingMapsAttr(b.getAffineMapArrayAttr(maps));
  if constexpr (std::is_same_v<OpTy, WindowOp>) {
    newBounds.resize(numInputs);
    tiled.setBoundsAttr(b.getArrayAttr(newBounds));
    // Extents of loops that were cut, and of those that no operand gives.
    if (!extentsOf(op).empty()) {
      SmallVector<int64_t> newExtents(extentsOf(op));
      for (auto [loop, extent] : llvm::enumerate(newExtents))
        if (extent >= 0) {
          std::optional<int64_t> size = getConstantIntValue(sizes[loop]);
          if (!size)
            return op.emitOpError("[E3201] loop ")
                   << loop << " has an extent from 'extents' and cannot be "
                   << "tiled by a size that is not constant";
          extent = *size;
        }
      tiled.setExtents(newExtents);
    }
  }
  result.tiledOps.push_back(tiled);
  llvm::append_range(result.tiledValues, tiled->getResults());
  return result;
}

template <typename OpTy> static double flopsOf(OpTy op, int64_t dynamicExtent) {
  double points = 1;
  for (int64_t extent : staticExtentsOf(op))
    points *= ShapedType::isDynamic(extent) ? dynamicExtent : extent;
  return points * (op.getInputs().size() > 1 ? 2 : 1);
}

double mercer::bytesOf(Operation *op, int64_t dynamicExtent) {
  double bytes = 0;
  for (Value operand : op->getOperands()) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    if (!type || !type.getElementType().isIntOrFloat())
      continue;
    double elements = 1;
    for (int64_t size : type.getShape())
      elements *= ShapedType::isDynamic(size) ? dynamicExtent : size;
    bytes += elements * ((type.getElementTypeBitWidth() + 7) / 8);
  }
  return bytes;
}

SmallVector<LoopRule>
mercer::loopRulesOf(ArrayRef<AffineMap> maps,
                    ArrayRef<utils::IteratorType> iterators) {
  SmallVector<LoopRule> rules(iterators.size());
  for (auto [loop, rule] : llvm::enumerate(rules))
    rule.tileable = iterators[loop] == utils::IteratorType::parallel;
  for (AffineMap map : maps)
    for (AffineExpr expr : map.getResults())
      if (auto packed = matchPacked(expr)) {
        int64_t &multiple = rules[packed->loop].multipleOf;
        multiple = std::max(multiple, packed->factor);
      }
  return rules;
}

#define MERCER_CONTRACTION_INTERFACES(OP)                                      \
  SmallVector<utils::IteratorType> OP::getLoopIteratorTypes() {                \
    return iteratorTypesOf(*this);                                             \
  }                                                                            \
  SmallVector<Range> OP::getIterationDomain(OpBuilder &b) {                    \
    return makeDomain(b, getLoc(), getOperands(), getIndexingMapsArray(),      \
                      extentsOf(*this));                                       \
  }                                                                            \
  FailureOr<TilingResult> OP::getTiledImplementation(                          \
      OpBuilder &b, ArrayRef<OpFoldResult> offsets,                            \
      ArrayRef<OpFoldResult> sizes) {                                          \
    return tileContraction(*this, b, offsets, sizes);                          \
  }                                                                            \
  LogicalResult OP::getResultTilePosition(                                     \
      OpBuilder &b, unsigned, ArrayRef<OpFoldResult> offsets,                  \
      ArrayRef<OpFoldResult> sizes, SmallVector<OpFoldResult> &resultOffsets,  \
      SmallVector<OpFoldResult> &resultSizes) {                                \
    projectTile(b, getIndexingMapsArray().back(), offsets, sizes,              \
                resultOffsets, resultSizes);                                   \
    return success();                                                          \
  }                                                                            \
  LogicalResult OP::getIterationDomainTileFromResultTile(                      \
      OpBuilder &b, unsigned, ArrayRef<OpFoldResult> offsets,                  \
      ArrayRef<OpFoldResult> sizes,                                            \
      SmallVectorImpl<OpFoldResult> &loopOffsets,                              \
      SmallVectorImpl<OpFoldResult> &loopSizes) {                              \
    liftTile(getIterationDomain(b), getIndexingMapsArray().back(), offsets,    \
             sizes, loopOffsets, loopSizes);                                   \
    return success();                                                          \
  }                                                                            \
  FailureOr<TilingResult> OP::generateResultTileValue(                         \
      OpBuilder &b, unsigned resultNumber, ArrayRef<OpFoldResult> offsets,     \
      ArrayRef<OpFoldResult> sizes) {                                          \
    SmallVector<OpFoldResult> loopOffsets, loopSizes;                          \
    if (failed(getIterationDomainTileFromResultTile(                           \
            b, resultNumber, offsets, sizes, loopOffsets, loopSizes)))         \
      return failure();                                                        \
    return getTiledImplementation(b, loopOffsets, loopSizes);                  \
  }                                                                            \
  bool OP::isOpFusableWithConsumerSlice(unsigned, ArrayRef<OpFoldResult>,      \
                                        ArrayRef<OpFoldResult>) {              \
    return true;                                                               \
  }                                                                            \
  SmallVector<int64_t> OP::getStaticLoopExtents() {                            \
    return staticExtentsOf(*this);                                             \
  }                                                                            \
  SmallVector<AffineMap> OP::getOperandMaps() {                                \
    return getIndexingMapsArray();                                             \
  }                                                                            \
  double OP::getFlops(int64_t dynamicExtent) {                                 \
    return flopsOf(*this, dynamicExtent);                                      \
  }                                                                            \
  double OP::getBytes(int64_t dynamicExtent) {                                 \
    return bytesOf(*this, dynamicExtent);                                      \
  }                                                                            \
  SmallVector<LoopRule> OP::getLoopRules() {                                   \
    return loopRulesOf(getIndexingMapsArray(), getLoopIteratorTypes());        \
  }
MERCER_CONTRACTION_INTERFACES(ContractOp)
MERCER_CONTRACTION_INTERFACES(WindowOp)
#undef MERCER_CONTRACTION_INTERFACES
