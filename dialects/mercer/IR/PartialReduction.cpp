//===- PartialReduction.cpp - splitting the reductions of contractions ----===//
//
// PartialReductionOpInterface of contract and window: split K over tiles, each
// with its own partial result, joined at the end. Attached as external models,
// so that users of the ops do not depend on it.
//
//===----------------------------------------------------------------------===//

#include "dialects/mercer/IR/PartialReduction.h"
#include "dialects/mercer/IR/StructuredTiling.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace mercer;

/// The identity of the op's (+), if it is one that is known.
template <typename OpTy> static std::optional<TypedAttr> identityOf(OpTy op) {
  Type type = getElementTypeOrSelf(op.getOutputs()[0].getType());
  if (op.getReduce().empty())
    return TypedAttr(Builder(op.getContext()).getZeroAttr(type));
  Block &body = op.getReduce().front();
  Operation *join = body.getTerminator()->getOperand(0).getDefiningOp();
  if (!join || join->getBlock() != &body || join->getNumOperands() != 2 ||
      !llvm::all_of(body.getArguments(), [&](BlockArgument argument) {
        return llvm::is_contained(join->getOperands(), argument);
      }))
    return std::nullopt;
  return arith::getNeutralElement(join);
}

/// The output map with the split loops as further dims.
template <typename OpTy>
static AffineMap partialMap(OpTy op, const SetVector<unsigned> &loops) {
  AffineMap map = op.getIndexingMapsArray().back();
  SmallVector<AffineExpr> exprs(map.getResults());
  for (unsigned loop : loops)
    exprs.push_back(getAffineDimExpr(loop, op.getContext()));
  return AffineMap::get(map.getNumDims(), 0, exprs, op.getContext());
}

namespace {
template <typename OpTy>
struct Model
    : public PartialReductionOpInterface::ExternalModel<Model<OpTy>, OpTy> {
  FailureOr<SmallVector<Value>> generateInitialTensorForPartialReduction(
      Operation *base, OpBuilder &b, Location loc,
      ArrayRef<OpFoldResult> tileSizes,
      const SetVector<unsigned> &reductionDims) const {
    auto op = cast<OpTy>(base);
    std::optional<TypedAttr> identity = identityOf(op);
    if (!identity)
      return op.emitOpError("[E3201] cannot split a reduction whose identity "
                            "is not known");
    Value output = op.getOutputs()[0];
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, output);
    for (unsigned loop : reductionDims)
      sizes.push_back(tileSizes[loop]);
    Value empty = tensor::EmptyOp::create(
        b, loc, sizes, getElementTypeOrSelf(output.getType()));
    Value value = arith::ConstantOp::create(b, loc, *identity);
    return SmallVector<Value>{
        linalg::FillOp::create(b, loc, value, empty).getResult(0)};
  }

  FailureOr<TilingResult>
  tileToPartialReduction(Operation *base, OpBuilder &b, Location loc,
                         ReductionTilingStrategy strategy, ValueRange init,
                         ArrayRef<OpFoldResult> offsets,
                         ArrayRef<OpFoldResult> sizes,
                         const SetVector<unsigned> &reductionDims,
                         ArrayRef<OpFoldResult> splitReductionIvs) const {
    auto op = cast<OpTy>(base);
    SmallVector<OpFoldResult> initOffsets, initSizes;
    if (failed(getPartialResultTilePosition(
            base, b, 0, strategy, offsets, sizes, reductionDims,
            splitReductionIvs, initOffsets, initSizes)))
      return failure();
    auto initType = cast<RankedTensorType>(init[0].getType());
    SmallVector<OpFoldResult> ones(initType.getRank(), b.getIndexAttr(1));
    bool parallel =
        strategy == ReductionTilingStrategy::PartialReductionOuterParallel;
    SmallVector<int64_t> shape;
    unsigned rank = initType.getRank() - (parallel ? reductionDims.size() : 0);
    for (unsigned dim = 0; dim < rank; ++dim)
      shape.push_back(
          getConstantIntValue(initSizes[dim]).value_or(ShapedType::kDynamic));
    Value slice = tensor::ExtractSliceOp::create(
        b, loc, RankedTensorType::get(shape, initType.getElementType()),
        init[0], initOffsets, initSizes, ones);
    FailureOr<TilingResult> tiled =
        op.getTiledImplementation(b, offsets, sizes);
    if (failed(tiled))
      return failure();
    // The tile accumulates into its own partial result.
    auto tile = cast<OpTy>(tiled->tiledOps.front());
    tile.getOutputsMutable()[0].set(slice);
    tile->getResult(0).setType(slice.getType());
    if (!parallel) {
      SmallVector<AffineMap> maps = tile.getIndexingMapsArray();
      maps.back() = partialMap(op, reductionDims);
      tile.setIndexingMapsAttr(b.getAffineMapArrayAttr(maps));
    }
    tiled->tiledValues = SmallVector<Value>(tile->getResults());
    return tiled;
  }

  FailureOr<MergeResult>
  mergeReductions(Operation *base, OpBuilder &b, Location loc,
                  ValueRange partial,
                  const SetVector<unsigned> &reductionDims) const {
    auto op = cast<OpTy>(base);
    Value output = op.getOutputs()[0];
    unsigned rank = cast<RankedTensorType>(output.getType()).getRank();
    unsigned numLoops = rank + reductionDims.size();
    SmallVector<utils::IteratorType> iterators(rank,
                                               utils::IteratorType::parallel);
    iterators.append(reductionDims.size(), utils::IteratorType::reduction);
    AffineMap all = b.getMultiDimIdentityMap(numLoops);
    auto join = linalg::GenericOp::create(
        b, loc, TypeRange{output.getType()}, ValueRange{partial[0]},
        ValueRange{output}, {all, all.getMajorSubMap(rank)}, iterators,
        [&](OpBuilder &inner, Location bodyLoc, ValueRange v) {
          if (op.getReduce().empty()) {
            Value sum = isa<FloatType>(v[0].getType())
                            ? arith::AddFOp::create(inner, bodyLoc, v[1], v[0])
                                  .getResult()
                            : arith::AddIOp::create(inner, bodyLoc, v[1], v[0])
                                  .getResult();
            linalg::YieldOp::create(inner, bodyLoc, sum);
            return;
          }
          Block &body = op.getReduce().front();
          IRMapping mapping;
          mapping.map(body.getArgument(0), v[1]);
          mapping.map(body.getArgument(1), v[0]);
          for (Operation &nested : body.without_terminator())
            inner.clone(nested, mapping);
          linalg::YieldOp::create(
              inner, bodyLoc,
              mapping.lookupOrDefault(body.getTerminator()->getOperand(0)));
        });
    return MergeResult{{join}, {join.getResult(0)}};
  }

  LogicalResult getPartialResultTilePosition(
      Operation *base, OpBuilder &b, unsigned, ReductionTilingStrategy strategy,
      ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes,
      const SetVector<unsigned> &reductionDims,
      ArrayRef<OpFoldResult> splitReductionIvs,
      SmallVector<OpFoldResult> &resultOffsets,
      SmallVector<OpFoldResult> &resultSizes) const {
    auto op = cast<OpTy>(base);
    projectTile(b, op.getIndexingMapsArray().back(), offsets, sizes,
                resultOffsets, resultSizes);
    for (auto [position, loop] : llvm::enumerate(reductionDims)) {
      bool parallel =
          strategy == ReductionTilingStrategy::PartialReductionOuterParallel;
      resultOffsets.push_back(parallel ? splitReductionIvs[position]
                                       : OpFoldResult(b.getIndexAttr(0)));
      resultSizes.push_back(parallel ? OpFoldResult(b.getIndexAttr(1))
                                     : sizes[loop]);
    }
    return success();
  }
};
} // namespace

void mercer::attachPartialReductionModels(MLIRContext *context) {
  ContractOp::attachInterface<Model<ContractOp>>(*context);
  WindowOp::attachInterface<Model<WindowOp>>(*context);
}
