//===- LoopMaps.cpp - extents and tiles through indexing maps -------------===//

#include "dialects/mercer/IR/LoopMaps.h"
#include "dialects/mercer/IR/Mercer.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"

using namespace mlir;
using namespace mercer;

std::optional<LinearExpr> mercer::matchLinear(AffineExpr expr,
                                              unsigned numLoops) {
  LinearExpr result;
  result.coefficients.assign(numLoops, 0);
  // Depth first; `scale` multiplies what stands below.
  SmallVector<std::pair<AffineExpr, int64_t>> work = {{expr, 1}};
  while (!work.empty()) {
    auto [e, scale] = work.pop_back_val();
    if (auto constant = dyn_cast<AffineConstantExpr>(e)) {
      result.constant += scale * constant.getValue();
      continue;
    }
    if (auto dim = dyn_cast<AffineDimExpr>(e)) {
      result.coefficients[dim.getPosition()] += scale;
      continue;
    }
    auto binary = dyn_cast<AffineBinaryOpExpr>(e);
    if (!binary)
      return std::nullopt;
    if (binary.getKind() == AffineExprKind::Add) {
      work.push_back({binary.getLHS(), scale});
      work.push_back({binary.getRHS(), scale});
      continue;
    }
    auto factor = dyn_cast<AffineConstantExpr>(binary.getRHS());
    if (binary.getKind() != AffineExprKind::Mul || !factor)
      return std::nullopt;
    work.push_back({binary.getLHS(), scale * factor.getValue()});
  }
  return result;
}

std::optional<PackedExpr> mercer::matchPacked(AffineExpr expr) {
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary || (binary.getKind() != AffineExprKind::FloorDiv &&
                  binary.getKind() != AffineExprKind::Mod))
    return std::nullopt;
  auto dim = dyn_cast<AffineDimExpr>(binary.getLHS());
  auto factor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (!dim || !factor || factor.getValue() <= 0)
    return std::nullopt;
  return PackedExpr{dim.getPosition(), factor.getValue(),
                    binary.getKind() == AffineExprKind::Mod};
}

FailureOr<SmallVector<LoopSource>>
mercer::getLoopSources(ValueRange operands, ArrayRef<AffineMap> maps,
                       unsigned numLoops, ArrayRef<int64_t> extents,
                       unsigned *missing) {
  SmallVector<LoopSource> sources(numLoops);
  for (unsigned loop = 0; loop < numLoops; ++loop) {
    LoopSource best;
    bool found = false, foundStatic = false;
    if (loop < extents.size() && extents[loop] >= 0) {
      best.constant = extents[loop];
      found = foundStatic = true;
    }
    // From the last operand: outputs have the extent itself, packed inputs may
    // have been rounded up.
    for (unsigned k = operands.size(); k-- > 0 && !foundStatic;) {
      auto type = dyn_cast<RankedTensorType>(operands[k].getType());
      if (!type)
        continue;
      for (auto [dim, expr] : llvm::enumerate(maps[k].getResults())) {
        auto position = dyn_cast<AffineDimExpr>(expr);
        if (!position || position.getPosition() != loop)
          continue;
        bool isStatic = !type.isDynamicDim(dim);
        if (found && !isStatic)
          continue;
        best = LoopSource{int(k), unsigned(dim), 1, 0};
        found = true;
        foundStatic = isStatic;
        if (isStatic)
          break;
      }
    }
    for (unsigned k = operands.size(); k-- > 0 && !found;) {
      if (!isa<RankedTensorType>(operands[k].getType()))
        continue;
      for (auto [dim, expr] : llvm::enumerate(maps[k].getResults())) {
        auto packed = matchPacked(expr);
        if (!packed || packed->loop != loop || packed->isMod)
          continue;
        best = LoopSource{int(k), unsigned(dim), packed->factor, 0};
        found = true;
        break;
      }
    }
    if (!found) {
      if (missing)
        *missing = loop;
      return failure();
    }
    sources[loop] = best;
  }
  return sources;
}

SmallVector<int64_t> mercer::getStaticExtents(ValueRange operands,
                                              ArrayRef<LoopSource> sources) {
  SmallVector<int64_t> extents;
  for (const LoopSource &source : sources) {
    if (source.operand < 0) {
      extents.push_back(source.constant);
      continue;
    }
    auto type = cast<RankedTensorType>(operands[source.operand].getType());
    int64_t size = type.getDimSize(source.dim);
    extents.push_back(ShapedType::isDynamic(size) ? size
                                                  : size * source.factor);
  }
  return extents;
}

SmallVector<OpFoldResult> mercer::getLoopExtents(OpBuilder &b, Location loc,
                                                 ValueRange operands,
                                                 ArrayRef<LoopSource> sources) {
  SmallVector<OpFoldResult> extents;
  for (const LoopSource &source : sources) {
    if (source.operand < 0) {
      extents.push_back(b.getIndexAttr(source.constant));
      continue;
    }
    OpFoldResult size =
        tensor::getMixedSize(b, loc, operands[source.operand], source.dim);
    if (source.factor != 1)
      size = affine::makeComposedFoldedAffineApply(
          b, loc, b.getAffineSymbolExpr(0) * source.factor, {size});
    extents.push_back(size);
  }
  return extents;
}

std::optional<int64_t> mercer::getUpperBound(OpFoldResult value) {
  if (std::optional<int64_t> constant = getConstantIntValue(value))
    return constant;
  FailureOr<int64_t> bound = ValueBoundsConstraintSet::computeConstantBound(
      presburger::BoundType::UB, ValueBoundsConstraintSet::Variable(value),
      /*stopCondition=*/nullptr, /*closedUB=*/true);
  if (failed(bound))
    return std::nullopt;
  return *bound;
}

FailureOr<OperandTile>
mercer::getOperandTile(OpBuilder &b, Location loc, AffineMap map,
                       ArrayRef<OpFoldResult> loopOffsets,
                       ArrayRef<OpFoldResult> loopSizes) {
  unsigned numLoops = map.getNumDims();
  MLIRContext *context = b.getContext();
  OperandTile tile;
  SmallVector<AffineExpr> local;
  AffineExpr s0 = b.getAffineSymbolExpr(0);
  for (AffineExpr expr : map.getResults()) {
    if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
      tile.offsets.push_back(loopOffsets[dim.getPosition()]);
      tile.sizes.push_back(loopSizes[dim.getPosition()]);
      local.push_back(expr);
      continue;
    }
    if (auto packed = matchPacked(expr)) {
      OpFoldResult offset = loopOffsets[packed->loop];
      OpFoldResult size = loopSizes[packed->loop];
      int64_t factor = packed->factor;
      // A tile either lies inside one panel or starts at a panel's edge: the
      // loop rule of the op demands sizes that divide the panel or are
      // multiples of it.
      std::optional<int64_t> bound = getUpperBound(size);
      bool insidePanel =
          bound && *bound <= factor && (*bound == 0 || factor % *bound == 0);
      std::optional<int64_t> staticOffset = getConstantIntValue(offset);
      if (bound && *bound <= factor && staticOffset && *staticOffset == 0)
        insidePanel = true;
      bool startsAtEdge = (staticOffset && *staticOffset % factor == 0) ||
                          (bound && *bound % factor == 0);
      if (!insidePanel && !startsAtEdge)
        return failure();
      if (packed->isMod) {
        tile.offsets.push_back(insidePanel
                                   ? affine::makeComposedFoldedAffineApply(
                                         b, loc, s0 % factor, {offset})
                                   : OpFoldResult(b.getIndexAttr(0)));
        tile.sizes.push_back(
            insidePanel ? size : OpFoldResult(b.getIndexAttr(factor)));
        local.push_back(insidePanel ? b.getAffineDimExpr(packed->loop) : expr);
      } else {
        tile.offsets.push_back(affine::makeComposedFoldedAffineApply(
            b, loc, s0.floorDiv(factor), {offset}));
        tile.sizes.push_back(insidePanel
                                 ? OpFoldResult(b.getIndexAttr(1))
                                 : affine::makeComposedFoldedAffineApply(
                                       b, loc, s0.ceilDiv(factor), {size}));
        local.push_back(insidePanel ? getAffineConstantExpr(0, context) : expr);
      }
      continue;
    }
    std::optional<LinearExpr> linear = matchLinear(expr, numLoops);
    if (!linear)
      return failure();
    AffineExpr offsetExpr = getAffineConstantExpr(linear->constant, context);
    AffineExpr sizeExpr = getAffineConstantExpr(1, context);
    AffineExpr localExpr = getAffineConstantExpr(0, context);
    SmallVector<OpFoldResult> offsetArgs, sizeArgs;
    for (unsigned loop = 0; loop < numLoops; ++loop) {
      int64_t coefficient = linear->coefficients[loop];
      if (coefficient == 0)
        continue;
      if (coefficient < 0)
        return failure();
      offsetExpr =
          offsetExpr + b.getAffineSymbolExpr(offsetArgs.size()) * coefficient;
      sizeExpr =
          sizeExpr + (b.getAffineSymbolExpr(sizeArgs.size()) - 1) * coefficient;
      localExpr = localExpr + b.getAffineDimExpr(loop) * coefficient;
      offsetArgs.push_back(loopOffsets[loop]);
      sizeArgs.push_back(loopSizes[loop]);
    }
    tile.offsets.push_back(
        affine::makeComposedFoldedAffineApply(b, loc, offsetExpr, offsetArgs));
    tile.sizes.push_back(
        affine::makeComposedFoldedAffineApply(b, loc, sizeExpr, sizeArgs));
    local.push_back(localExpr);
  }
  tile.localMap = AffineMap::get(numLoops, 0, local, context);
  return tile;
}

Value mercer::sliceTensor(OpBuilder &b, Location loc, Value tensor,
                          ArrayRef<OpFoldResult> offsets,
                          ArrayRef<OpFoldResult> sizes) {
  auto type = cast<RankedTensorType>(tensor.getType());
  bool isAll = true;
  for (auto [dim, offset, size] : llvm::enumerate(offsets, sizes)) {
    std::optional<int64_t> staticSize = getConstantIntValue(size);
    bool isDim = staticSize && *staticSize == type.getDimSize(dim);
    if (auto value = dyn_cast<Value>(size))
      if (auto dimOp = value.getDefiningOp<tensor::DimOp>())
        isDim = dimOp.getSource() == tensor &&
                dimOp.getConstantIndex() == int64_t(dim);
    isAll &= isDim && isConstantIntValue(offset, 0);
  }
  if (isAll)
    return tensor;
  SmallVector<OpFoldResult> strides(offsets.size(), b.getIndexAttr(1));
  return tensor::ExtractSliceOp::create(b, loc, tensor, offsets, sizes,
                                        strides);
}
