//===- LoopModel.cpp - loops and accesses of a tensor operation -----------===//

#include "passes/schedule/LoopModel.h"

#include "dialects/mercer/IR/Mercer.h"
#include "passes/schedule/Passes.h"
#include "passes/schedule/ResultSizes.h"

#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/TilingInterface.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace mercer;

int64_t LoopModel::volume(int64_t dynamic) const {
  int64_t product = 1;
  for (int64_t extent : extents)
    product *= ShapedType::isDynamic(extent) ? dynamic : extent;
  return product;
}

std::optional<unsigned> mercer::getPureLoop(AffineMap map, unsigned result) {
  if (!map || result >= map.getNumResults())
    return std::nullopt;
  auto dim = dyn_cast<AffineDimExpr>(map.getResult(result));
  if (!dim)
    return std::nullopt;
  for (unsigned other = 0; other < map.getNumResults(); ++other)
    if (other != result &&
        map.getResult(other).isFunctionOfDim(dim.getPosition()))
      return std::nullopt;
  return dim.getPosition();
}

std::optional<unsigned> mercer::getPureResult(AffineMap map, unsigned loop) {
  if (!map)
    return std::nullopt;
  for (unsigned result = 0; result < map.getNumResults(); ++result)
    if (getPureLoop(map, result) == loop)
      return result;
  return std::nullopt;
}

bool mercer::isView(Operation *op) {
  if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp,
          tensor::ReshapeOp>(op))
    return true;
  // A slice of a dense tensor is a range of memory when every dim after the
  // first that has more than one element is whole.
  auto slice = dyn_cast<tensor::ExtractSliceOp>(op);
  if (!slice || !slice.hasUnitStride())
    return false;
  RankedTensorType type = slice.getSourceType();
  bool cut = false;
  for (auto [dim, size, offset] :
       llvm::enumerate(slice.getMixedSizes(), slice.getMixedOffsets())) {
    std::optional<int64_t> length = getConstantIntValue(size);
    bool whole =
        length && *length == type.getDimSize(dim) && !type.isDynamicDim(dim);
    if (cut && !whole)
      return false;
    if (!length || *length != 1)
      cut = true;
  }
  return true;
}

bool mercer::isFillLike(Operation *op) {
  auto linalgOp = dyn_cast_or_null<linalg::LinalgOp>(op);
  if (!linalgOp || !linalgOp.hasPureTensorSemantics() ||
      linalgOp.getNumDpsInits() != 1 ||
      !linalgOp.getDpsInitOperand(0)->get().getDefiningOp<tensor::EmptyOp>())
    return false;
  if (isa<linalg::FillOp>(op))
    return true;
  auto generic = dyn_cast<linalg::GenericOp>(op);
  if (!generic || generic.getNumDpsInputs() != 1)
    return false;
  Block *body = generic.getBody();
  AffineMap in = generic.getIndexingMapsArray()[0];
  AffineMap out = generic.getIndexingMapsArray()[1];
  return body->getOperations().size() == 1 &&
         body->getTerminator()->getOperand(0) == body->getArgument(0) &&
         out.isIdentity() && in.isProjectedPermutation(true) &&
         in.getNumResults() < out.getNumResults();
}

bool mercer::isDuplicable(Operation *op) {
  if (isa<tensor::EmptyOp>(op) || isFillLike(op))
    return true;
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return !isa<ShapedType>(constant.getType());
  return false;
}

bool mercer::isCompute(Operation *op) {
  if (llvm::none_of(op->getResultTypes(), llvm::IsaPred<TensorType>))
    return false;
  if (isView(op) || isa<tensor::EmptyOp>(op) ||
      op->hasTrait<OpTrait::ConstantLike>())
    return false;
  // The shape operand of a reshape is read by the host.
  if (isa<tensor::FromElementsOp>(op) &&
      llvm::all_of(op->getUsers(),
                   [](auto *u) { return isa<tensor::ReshapeOp>(u); }))
    return false;
  if (isa<linalg::LinalgOp, TilingInterface>(op))
    return true;
  return isa_and_nonnull<tensor::TensorDialect>(op->getDialect());
}

bool mercer::isConstantExpression(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  if (isa<WeightOp, PrecomputedOp, arith::ConstantOp, tensor::EmptyOp>(op))
    return true;
  if (!isa<linalg::LinalgOp>(op) && !isView(op) && !isa<tensor::PadOp>(op))
    return false;
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(op->getRegions(), captured);
  return llvm::all_of(op->getOperands(), isConstantExpression) &&
         llvm::all_of(captured, isConstantExpression);
}

static LoopModel getIdentityModel(Operation *op, RankedTensorType type) {
  LoopModel model;
  int64_t rank = type.getRank();
  model.loops.assign(rank, LoopKind::Parallel);
  model.extents.assign(type.getShape().begin(), type.getShape().end());
  model.operandMaps.assign(op->getNumOperands(), AffineMap());
  model.resultMaps = {
      AffineMap::getMultiDimIdentityMap(rank, op->getContext())};
  return model;
}

static LoopModel getSliceModel(tensor::ExtractSliceOp op) {
  LoopModel model = getIdentityModel(op, op.getType());
  SmallVector<AffineExpr> exprs;
  llvm::SmallBitVector dropped = op.getDroppedDims();
  unsigned loop = 0;
  MLIRContext *context = op.getContext();
  RankedTensorType source = op.getSourceType();
  for (auto [dim, offset, size, stride] : llvm::enumerate(
           op.getMixedOffsets(), op.getMixedSizes(), op.getMixedStrides())) {
    if (dropped.test(dim)) {
      exprs.push_back(getAffineConstantExpr(0, context));
      continue;
    }
    std::optional<int64_t> length = getConstantIntValue(size);
    // A dim taken whole passes the tile through; a cut one stays whole.
    tensor::DimOp sourceDim;
    if (auto value = dyn_cast<Value>(size))
      sourceDim = value.getDefiningOp<tensor::DimOp>();
    bool wholeDynamic = sourceDim && sourceDim.getSource() == op.getSource() &&
                        sourceDim.getConstantIndex() == (int64_t)dim;
    bool passes = isZeroInteger(offset) && isOneInteger(stride) &&
                  (wholeDynamic || (length && !source.isDynamicDim(dim) &&
                                    *length == source.getDimSize(dim)));
    exprs.push_back(passes ? getAffineDimExpr(loop, context)
                           : getAffineConstantExpr(0, context));
    if (!passes)
      model.loops[loop] = LoopKind::Whole;
    ++loop;
  }
  model.operandMaps[0] = AffineMap::get(loop, 0, exprs, context);
  return model;
}

/// `expanded` to `collapsed` by `groups`: a group of one dim (besides dims of
/// size one) passes tiles through, all others stay whole.
static void addReassociation(LoopModel &model, RankedTensorType expanded,
                             ArrayRef<ReassociationIndices> groups,
                             bool loopsAreExpanded, MLIRContext *context) {
  unsigned numLoops = model.loops.size();
  unsigned otherRank = loopsAreExpanded
                           ? groups.size()
                           : static_cast<unsigned>(expanded.getRank());
  SmallVector<AffineExpr> exprs(otherRank, getAffineConstantExpr(0, context));
  for (auto [index, group] : llvm::enumerate(groups)) {
    SmallVector<int64_t> wide;
    for (int64_t dim : group)
      if (expanded.getDimSize(dim) != 1)
        wide.push_back(dim);
    if (wide.empty())
      wide.push_back(group.front());
    if (wide.size() == 1) {
      unsigned loop = loopsAreExpanded ? wide[0] : index;
      unsigned other = loopsAreExpanded ? index : wide[0];
      exprs[other] = getAffineDimExpr(loop, context);
      if (loopsAreExpanded)
        for (int64_t dim : group)
          if (dim != wide[0])
            model.loops[dim] = LoopKind::Whole;
      continue;
    }
    if (loopsAreExpanded)
      for (int64_t dim : group)
        model.loops[dim] = LoopKind::Whole;
    else
      model.loops[index] = LoopKind::Whole;
  }
  model.operandMaps[0] = AffineMap::get(numLoops, 0, exprs, context);
}

static LoopModel getConcatModel(tensor::ConcatOp op) {
  LoopModel model = getIdentityModel(op, op.getResultType());
  unsigned rank = model.loops.size();
  SmallVector<AffineExpr> exprs;
  for (unsigned dim = 0; dim < rank; ++dim)
    exprs.push_back(dim == op.getDim()
                        ? getAffineConstantExpr(0, op.getContext())
                        : getAffineDimExpr(dim, op.getContext()));
  model.loops[op.getDim()] = LoopKind::Whole;
  AffineMap map = AffineMap::get(rank, 0, exprs, op.getContext());
  for (AffineMap &operand : model.operandMaps)
    operand = map;
  return model;
}

static LoopModel getPadModel(tensor::PadOp op) {
  LoopModel model = getIdentityModel(op, op.getResultType());
  unsigned rank = model.loops.size();
  SmallVector<AffineExpr> exprs;
  for (auto [dim, low, high] :
       llvm::enumerate(op.getMixedLowPad(), op.getMixedHighPad())) {
    bool passes = isZeroInteger(low) && isZeroInteger(high);
    exprs.push_back(passes ? getAffineDimExpr(dim, op.getContext())
                           : getAffineConstantExpr(0, op.getContext()));
    if (!passes)
      model.loops[dim] = LoopKind::Whole;
  }
  model.operandMaps[0] = AffineMap::get(rank, 0, exprs, op.getContext());
  return model;
}

static LoopModel getInsertModel(tensor::InsertSliceOp op) {
  LoopModel model = getIdentityModel(op, op.getType());
  unsigned rank = model.loops.size();
  MLIRContext *context = op.getContext();
  llvm::SmallBitVector dropped = op.getDroppedDims();
  SmallVector<AffineExpr> exprs;
  for (auto [dim, offset, size, stride] : llvm::enumerate(
           op.getMixedOffsets(), op.getMixedSizes(), op.getMixedStrides())) {
    std::optional<int64_t> length = getConstantIntValue(size);
    bool passes = isZeroInteger(offset) && isOneInteger(stride) && length &&
                  !dropped.test(dim) && !op.getType().isDynamicDim(dim) &&
                  *length == op.getType().getDimSize(dim);
    if (!passes)
      model.loops[dim] = LoopKind::Whole;
    if (!dropped.test(dim))
      exprs.push_back(passes ? getAffineDimExpr(dim, context)
                             : getAffineConstantExpr(0, context));
  }
  model.operandMaps[0] = AffineMap::get(rank, 0, exprs, context);
  model.operandMaps[1] = AffineMap::getMultiDimIdentityMap(rank, context);
  return model;
}

static LoopModel getLinalgModel(linalg::LinalgOp op) {
  LoopModel model;
  for (utils::IteratorType type : op.getIteratorTypesArray())
    model.loops.push_back(type == utils::IteratorType::parallel
                              ? LoopKind::Parallel
                              : LoopKind::Reduction);
  model.extents = op.getStaticLoopRanges();
  for (OpOperand &operand : op->getOpOperands())
    model.operandMaps.push_back(op.getMatchingIndexingMap(&operand));
  for (OpOperand &init : op.getDpsInitsMutable())
    model.resultMaps.push_back(op.getMatchingIndexingMap(&init));
  model.heavy = isa<linalg::ContractionOpInterface>(op.getOperation());
  return model;
}

/// Multiplications for each row above which a product is scheduled on its own.
static constexpr int64_t kHeavyWork = 1024;

static LoopModel getKernelOpModel(KernelOpInterface op) {
  LoopModel model;
  auto tiling = cast<TilingInterface>(op.getOperation());
  auto dps = cast<DestinationStyleOpInterface>(op.getOperation());
  for (auto [type, rule] :
       llvm::zip_equal(tiling.getLoopIteratorTypes(), op.getLoopRules())) {
    LoopKind kind = type == utils::IteratorType::parallel ? LoopKind::Parallel
                                                          : LoopKind::Reduction;
    if (kind == LoopKind::Parallel && !rule.tileable)
      kind = LoopKind::Whole;
    model.loops.push_back(kind);
  }
  model.extents = op.getStaticLoopExtents();
  model.operandMaps = op.getOperandMaps();
  for (OpOperand &init : dps.getDpsInitsMutable())
    model.resultMaps.push_back(model.operandMaps[init.getOperandNumber()]);
  // A few hundred operations for each row (the votes of a classifier) are not
  // worth a kernel: such a product joins a group like any row reduction.
  int64_t perRow = 1;
  for (auto [loop, extent] : llvm::enumerate(model.extents))
    if (!model.operandMaps.front().isFunctionOfDim(loop) ||
        model.loops[loop] == LoopKind::Reduction)
      perRow *= ShapedType::isDynamic(extent) ? kHeavyWork : extent;
  model.heavy = !isa<ContractOp>(op.getOperation()) || perRow >= kHeavyWork;
  return model;
}

std::optional<LoopModel> mercer::getLoopModel(Operation *op) {
  for (Type type : op->getResultTypes())
    if (!isa<RankedTensorType>(type))
      return std::nullopt;
  if (op->getNumResults() == 0)
    return std::nullopt;
  LoopModel model;
  if (auto kernelOp = dyn_cast<KernelOpInterface>(op)) {
    model = getKernelOpModel(kernelOp);
  } else if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op)) {
    // Tiles of these cannot be cut by their maps alone.
    if (isa<linalg::SoftmaxOp>(op) || !linalgOp.hasPureTensorSemantics())
      return std::nullopt;
    model = getLinalgModel(linalgOp);
  } else if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    model = getSliceModel(slice);
  } else if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    model = getConcatModel(concat);
  } else if (auto pad = dyn_cast<tensor::PadOp>(op)) {
    if (!pad.getConstantPaddingValue())
      return std::nullopt;
    model = getPadModel(pad);
  } else if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) {
    model = getInsertModel(insert);
  } else if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
    model = getIdentityModel(op, expand.getResultType());
    addReassociation(model, expand.getResultType(),
                     expand.getReassociationIndices(), true, op->getContext());
  } else if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    model = getIdentityModel(op, collapse.getResultType());
    addReassociation(model, collapse.getSrcType(),
                     collapse.getReassociationIndices(), false,
                     op->getContext());
  } else {
    return std::nullopt;
  }
  model.view = isView(op);
  // A loop that some result lacks, or holds in a compound, gives tiles that
  // overlap or have no place: keep it whole.
  for (unsigned loop = 0; loop < model.loops.size(); ++loop)
    if (model.loops[loop] == LoopKind::Parallel)
      for (AffineMap map : model.resultMaps)
        if (!getPureResult(map, loop))
          model.loops[loop] = LoopKind::Whole;
  return model;
}

SmallVector<OpFoldResult> mercer::getLoopExtents(OpBuilder &builder,
                                                 Operation *op) {
  if (auto tiling = dyn_cast<TilingInterface>(op);
      tiling && isa<linalg::LinalgOp, KernelOpInterface>(op)) {
    SmallVector<OpFoldResult> sizes;
    for (Range range : tiling.getIterationDomain(builder))
      sizes.push_back(range.size);
    return sizes;
  }
  return materializeSizes(builder, op->getLoc(), op->getResult(0));
}

/// The slice of `operand` that a tile touches under `map`; the operand itself
/// where the tile is known and part of the same kernel.
static Value getOperandTile(OpBuilder &builder, Location loc, Value operand,
                            AffineMap map, ArrayRef<OpFoldResult> offsets,
                            ArrayRef<OpFoldResult> sizes, IRMapping &tiles) {
  if (Value tile = tiles.lookupOrNull(operand))
    return tile;
  auto type = dyn_cast<RankedTensorType>(operand.getType());
  if (!type || !map)
    return operand;
  SmallVector<OpFoldResult> sliceOffsets, sliceSizes;
  SmallVector<OpFoldResult> full = tensor::getMixedSizes(builder, loc, operand);
  for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
    if (auto loop = dyn_cast<AffineDimExpr>(expr)) {
      sliceOffsets.push_back(offsets[loop.getPosition()]);
      sliceSizes.push_back(sizes[loop.getPosition()]);
    } else {
      sliceOffsets.push_back(builder.getIndexAttr(0));
      sliceSizes.push_back(full[dim]);
    }
  }
  SmallVector<OpFoldResult> strides(type.getRank(), builder.getIndexAttr(1));
  return tensor::ExtractSliceOp::create(builder, loc, operand, sliceOffsets,
                                        sliceSizes, strides);
}

static Value castTo(OpBuilder &builder, Location loc, Value value, Type type) {
  if (value.getType() == type)
    return value;
  return tensor::CastOp::create(builder, loc, type, value);
}

/// Tiles of data movement: the same operation on tiles; dims that are not cut
/// keep their offsets and sizes.
static FailureOr<Value> buildMovementTile(OpBuilder &b, Operation *op,
                                          const LoopModel &model,
                                          ArrayRef<OpFoldResult> offsets,
                                          ArrayRef<OpFoldResult> sizes,
                                          IRMapping &tiles) {
  Location loc = op->getLoc();
  auto tileOf = [&](unsigned operand) {
    return getOperandTile(b, loc, op->getOperand(operand),
                          model.operandMaps[operand], offsets, sizes, tiles);
  };
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    Value source = tileOf(0);
    SmallVector<OpFoldResult> newSizes = slice.getMixedSizes();
    SmallVector<int64_t> shape;
    for (auto [dim, expr] : llvm::enumerate(model.operandMaps[0].getResults()))
      if (auto loop = dyn_cast<AffineDimExpr>(expr))
        newSizes[dim] = sizes[loop.getPosition()];
    SmallVector<int64_t> staticSizes;
    SmallVector<Value> dynamicSizes;
    dispatchIndexOpFoldResults(sizes, dynamicSizes, staticSizes);
    auto type =
        RankedTensorType::get(staticSizes, slice.getType().getElementType());
    return Value(tensor::ExtractSliceOp::create(
        b, loc, type, source, slice.getMixedOffsets(), newSizes,
        slice.getMixedStrides()));
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    SmallVector<Value> inputs;
    for (unsigned i = 0; i < op->getNumOperands(); ++i)
      inputs.push_back(tileOf(i));
    return Value(tensor::ConcatOp::create(b, loc, concat.getDim(), inputs));
  }
  if (auto pad = dyn_cast<tensor::PadOp>(op)) {
    SmallVector<int64_t> staticSizes;
    SmallVector<Value> dynamicSizes;
    dispatchIndexOpFoldResults(sizes, dynamicSizes, staticSizes);
    auto type = RankedTensorType::get(staticSizes,
                                      pad.getResultType().getElementType());
    return Value(tensor::PadOp::create(
        b, loc, type, tileOf(0), pad.getMixedLowPad(), pad.getMixedHighPad(),
        pad.getConstantPaddingValue()));
  }
  if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) {
    SmallVector<OpFoldResult> newSizes = insert.getMixedSizes();
    llvm::SmallBitVector dropped = insert.getDroppedDims();
    for (unsigned dim = 0; dim < newSizes.size(); ++dim)
      if (model.loops[dim] == LoopKind::Parallel && !dropped.test(dim))
        newSizes[dim] = sizes[dim];
    return Value(tensor::InsertSliceOp::create(
        b, loc, tileOf(0), tileOf(1), insert.getMixedOffsets(), newSizes,
        insert.getMixedStrides()));
  }
  SmallVector<int64_t> staticSizes;
  SmallVector<Value> dynamicSizes;
  dispatchIndexOpFoldResults(sizes, dynamicSizes, staticSizes);
  auto type = RankedTensorType::get(
      staticSizes,
      cast<RankedTensorType>(op->getResult(0).getType()).getElementType());
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return Value(tensor::ExpandShapeOp::create(
        b, loc, type, tileOf(0), expand.getReassociationIndices(), sizes));
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    Value source = tileOf(0);
    // The tile's type follows from the source tile's: sizes of one keep their
    // place, and a product of static sizes stays static.
    auto inferred = tensor::CollapseShapeOp::create(
        b, loc, source, collapse.getReassociationIndices());
    return castTo(b, loc, inferred, type);
  }
  return failure();
}

/// Offsets into the tile of `source`, computed in the same tile, of a slice at
/// `offsets` of the whole value: the tile starts at the slice's own place where
/// its producer is cut, and at 0 elsewhere. Also tells which dims are cut.
static llvm::SmallBitVector
moveIntoTile(Builder &b, Value source, MutableArrayRef<OpFoldResult> offsets) {
  llvm::SmallBitVector cut(offsets.size());
  auto result = cast<OpResult>(source);
  std::optional<LoopModel> model = getLoopModel(result.getOwner());
  auto dims = result.getOwner()->getAttrOfType<DenseI64ArrayAttr>(kDimsAttr);
  for (unsigned dim = 0; model && dims && dim < offsets.size(); ++dim) {
    std::optional<unsigned> loop =
        getPureLoop(model->resultMaps[result.getResultNumber()], dim);
    if (!loop || *loop >= unsigned(dims.size()) || dims[*loop] < 0)
      continue;
    offsets[dim] = b.getIndexAttr(0);
    cut.set(dim);
  }
  return cut;
}

/// Lets `slice`, made from a value that this tile computes itself, read that
/// value's tile.
static void readFromTile(RewriterBase &rewriter, Operation *slice,
                         IRMapping &tiles, bool fromWindow) {
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(slice);
  if (auto load = dyn_cast<LoadTileOp>(slice)) {
    Value tile = tiles.lookupOrNull(load.getSource());
    if (!tile)
      return;
    SmallVector<OpFoldResult> offsets = load.getMixedOffsets();
    moveIntoTile(rewriter, load.getSource(), offsets);
    rewriter.replaceOpWithNewOp<LoadTileOp>(load, tile, offsets,
                                            load.getMixedSizes(), load.getPad(),
                                            load.getBounds());
    return;
  }
  auto extract = dyn_cast<tensor::ExtractSliceOp>(slice);
  Value tile = extract ? tiles.lookupOrNull(extract.getSource()) : Value();
  if (!tile)
    return;
  // A window may leave out the end of what it reads; other operations take the
  // whole tile.
  if (fromWindow) {
    SmallVector<OpFoldResult> offsets = extract.getMixedOffsets();
    llvm::SmallBitVector cut =
        moveIntoTile(rewriter, extract.getSource(), offsets);
    bool whole = true;
    for (unsigned dim = 0; dim < cut.size(); ++dim)
      whole &= cut.test(dim) ||
               getConstantIntValue(extract.getMixedSizes()[dim]) ==
                   cast<RankedTensorType>(tile.getType()).getDimSize(dim);
    if (!whole) {
      rewriter.replaceOpWithNewOp<tensor::ExtractSliceOp>(
          extract, extract.getType(), tile, offsets, extract.getMixedSizes(),
          extract.getMixedStrides());
      return;
    }
  }
  rewriter.replaceAllUsesWith(
      extract.getResult(),
      castTo(rewriter, slice->getLoc(), tile, extract.getType()));
  rewriter.eraseOp(extract);
}

FailureOr<SmallVector<Value>> mercer::buildTile(RewriterBase &rewriter,
                                                Operation *op,
                                                ArrayRef<OpFoldResult> offsets,
                                                ArrayRef<OpFoldResult> sizes,
                                                IRMapping &tiles) {
  std::optional<LoopModel> model = getLoopModel(op);
  if (!model) {
    Operation *copy = rewriter.clone(*op, tiles);
    return SmallVector<Value>(copy->getResults());
  }
  if (!isa<linalg::LinalgOp, KernelOpInterface>(op)) {
    FailureOr<Value> tile =
        buildMovementTile(rewriter, op, *model, offsets, sizes, tiles);
    if (failed(tile))
      return failure();
    return SmallVector<Value>{*tile};
  }

  auto tiling = cast<TilingInterface>(op);
  FailureOr<TilingResult> tiled =
      tiling.getTiledImplementation(rewriter, offsets, sizes);
  if (failed(tiled))
    return op->emitError("[E3002] cannot build a tile of this operation"),
           failure();
  OpBuilder::InsertionGuard guard(rewriter);
  // Slices of values that this tile computes itself are those values' tiles.
  for (Operation *slice : tiled->generatedSlices)
    readFromTile(rewriter, slice, tiles, isa<WindowOp>(op));
  for (Operation *tiledOp : tiled->tiledOps) {
    tiledOp->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    // Operands used whole, and values captured by the body.
    tiledOp->walk([&](Operation *inner) {
      for (OpOperand &operand : inner->getOpOperands())
        if (Value tile = tiles.lookupOrNull(operand.get())) {
          rewriter.setInsertionPoint(tiledOp);
          operand.set(
              castTo(rewriter, op->getLoc(), tile, operand.get().getType()));
        }
    });
  }
  return SmallVector<Value>(tiled->tiledValues);
}
