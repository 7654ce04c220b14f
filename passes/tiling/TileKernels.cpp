//===- TileKernels.cpp - kernels to grids of tiles ------------------------===//
//
// The group's operations agree, dim by dim, on what a tile is (`mercer.dims`).
// So one walk in program order builds each of them for the tile, on values of
// the same tile, and nothing is computed twice.
//
//===----------------------------------------------------------------------===//

#include "passes/tiling/Passes.h"

#include "dialects/mercer/IR/Mercer.h"
#include "passes/decompose/Passes.h"
#include "passes/schedule/LoopModel.h"
#include "passes/schedule/Passes.h"
#include "passes/schedule/ResultSizes.h"
#include "passes/tiling/DestinationForwarding.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Transforms/LoopInvariantCodeMotionUtils.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mercer;

namespace mercer {
#define GEN_PASS_DEF_MERCERTILEKERNELS
#include "passes/tiling/Passes.h.inc"
} // namespace mercer

namespace {

/// Where the tile at hand lies in each dim of the grid.
struct TilePosition {
  SmallVector<OpFoldResult> offsets, sizes;

  /// Whether grid dim `dim` is cut. A kernel whose root is a view outside of it
  /// has no grid, but its members still name dims of one.
  bool cuts(int64_t dim) const {
    return dim >= 0 && dim < static_cast<int64_t>(sizes.size()) && sizes[dim];
  }
};

class KernelTiler {
public:
  KernelTiler(IRRewriter &rewriter, KernelOp kernel)
      : rewriter(rewriter), kernel(kernel), loc(kernel.getLoc()) {}
  LogicalResult run();
  bool single = false;

private:
  SmallVector<int64_t> dimsOf(Operation *op) const;
  void loopTile(Operation *op, const LoopModel &model,
                const TilePosition &position,
                SmallVector<OpFoldResult> &offsets,
                SmallVector<OpFoldResult> &sizes);
  void resultSlice(OpResult result, const TilePosition &position,
                   SmallVector<OpFoldResult> &offsets,
                   SmallVector<OpFoldResult> &sizes);
  FailureOr<SmallVector<Value>> buildBody(const TilePosition &position);
  FailureOr<SmallVector<Value>>
  buildInner(TilePosition position, ValueRange destinations, unsigned dim);
  OpFoldResult boundedSize(OpFoldResult tile, OpFoldResult extent,
                           Value offset);

  IRRewriter &rewriter;
  KernelOp kernel;
  Location loc;
  SmallVector<Operation *> members;
  llvm::DenseMap<Operation *, SmallVector<OpFoldResult>> extents;
  SmallVector<OpFoldResult> gridExtents;
  SmallVector<int64_t> grid, inner;
  /// Offsets that earlier loops of the same tile already add.
  SmallVector<OpFoldResult> base;
};

} // namespace

SmallVector<int64_t> KernelTiler::dimsOf(Operation *op) const {
  if (auto attr = op->getAttrOfType<DenseI64ArrayAttr>(kDimsAttr))
    return SmallVector<int64_t>(attr.asArrayRef());
  return {};
}

void KernelTiler::loopTile(Operation *op, const LoopModel &model,
                           const TilePosition &position,
                           SmallVector<OpFoldResult> &offsets,
                           SmallVector<OpFoldResult> &sizes) {
  SmallVector<int64_t> dims = dimsOf(op);
  for (unsigned loop = 0; loop < model.loops.size(); ++loop) {
    int64_t dim = loop < dims.size() ? dims[loop] : -1;
    bool cut = position.cuts(dim);
    offsets.push_back(cut ? position.offsets[dim]
                          : OpFoldResult(rewriter.getIndexAttr(0)));
    sizes.push_back(cut ? position.sizes[dim] : extents[op][loop]);
  }
}

void KernelTiler::resultSlice(OpResult result, const TilePosition &position,
                              SmallVector<OpFoldResult> &offsets,
                              SmallVector<OpFoldResult> &sizes) {
  Operation *op = result.getOwner();
  std::optional<LoopModel> model = getLoopModel(op);
  auto type = cast<RankedTensorType>(result.getType());
  SmallVector<int64_t> dims = dimsOf(op);
  for (unsigned dim = 0; dim < type.getRank(); ++dim) {
    std::optional<unsigned> loop;
    if (model)
      loop = getPureLoop(model->resultMaps[result.getResultNumber()], dim);
    int64_t gridDim = loop && *loop < dims.size() ? dims[*loop] : -1;
    if (position.cuts(gridDim)) {
      offsets.push_back(position.offsets[gridDim]);
      sizes.push_back(position.sizes[gridDim]);
    } else {
      offsets.push_back(rewriter.getIndexAttr(0));
      sizes.push_back(
          loop ? extents[op][*loop]
               : OpFoldResult(rewriter.getIndexAttr(type.getDimSize(dim))));
    }
  }
}

OpFoldResult KernelTiler::boundedSize(OpFoldResult tile, OpFoldResult extent,
                                      Value offset) {
  std::optional<int64_t> staticTile = getConstantIntValue(tile);
  std::optional<int64_t> staticExtent = getConstantIntValue(extent);
  if (staticTile && staticExtent && *staticExtent % *staticTile == 0)
    return tile;
  AffineExpr d0 = rewriter.getAffineDimExpr(0),
             s0 = rewriter.getAffineSymbolExpr(0),
             s1 = rewriter.getAffineSymbolExpr(1);
  AffineMap map = AffineMap::get(1, 2, {s0 - d0, s1}, rewriter.getContext());
  return affine::makeComposedFoldedAffineMin(
      rewriter, loc, map, {OpFoldResult(offset), extent, tile});
}

FailureOr<SmallVector<Value>>
KernelTiler::buildBody(const TilePosition &position) {
  IRMapping tiles;
  for (Operation *op : members) {
    std::optional<LoopModel> model = getLoopModel(op);
    SmallVector<OpFoldResult> offsets, sizes;
    if (model)
      loopTile(op, *model, position, offsets, sizes);
    FailureOr<SmallVector<Value>> values =
        buildTile(rewriter, op, offsets, sizes, tiles);
    if (failed(values))
      return failure();
    for (auto [result, value] : llvm::zip_equal(op->getResults(), *values)) {
      tiles.map(result, value);
      if (Operation *def = value.getDefiningOp()) {
        def->removeAttr(kDimsAttr);
        def->removeAttr("mercer.root");
      }
    }
  }
  SmallVector<Value> results;
  for (Value value : kernel.getYield().getOperands())
    results.push_back(tiles.lookup(value));
  return results;
}

/// The loops inside a tile, from dim `dim` on, around the body. `destinations`
/// are the slices of the results that the tile owns.
FailureOr<SmallVector<Value>> KernelTiler::buildInner(TilePosition position,
                                                      ValueRange destinations,
                                                      unsigned dim) {
  while (dim < inner.size() && inner[dim] == 0)
    ++dim;
  if (dim == inner.size())
    return buildBody(position);
  OpFoldResult whole =
      position.sizes[dim] ? position.sizes[dim] : gridExtents[dim];
  OpFoldResult start = position.sizes[dim]
                           ? position.offsets[dim]
                           : OpFoldResult(rewriter.getIndexAttr(0));
  OpFoldResult step = rewriter.getIndexAttr(inner[dim]);
  Value zero = arith::ConstantIndexOp::create(rewriter, loc, 0);
  Value upper = getValueOrCreateConstantIndexOp(rewriter, loc, whole);
  Value stepValue = getValueOrCreateConstantIndexOp(rewriter, loc, step);
  auto loop =
      scf::ForOp::create(rewriter, loc, zero, upper, stepValue, destinations);
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointToStart(loop.getBody());
  Value iv = loop.getInductionVar();
  TilePosition outer = position;
  position.sizes[dim] = boundedSize(step, whole, iv);
  AffineExpr d0 = rewriter.getAffineDimExpr(0),
             d1 = rewriter.getAffineDimExpr(1);
  position.offsets[dim] = affine::makeComposedFoldedAffineApply(
      rewriter, loc, d0 + d1, {start, OpFoldResult(iv)});

  // Slices of the tile's own slices.
  SmallVector<Value> slices;
  SmallVector<SmallVector<OpFoldResult>> allOffsets, allSizes;
  for (auto [value, destination] : llvm::zip_equal(
           kernel.getYield().getOperands(), loop.getRegionIterArgs())) {
    auto result = cast<OpResult>(value);
    SmallVector<OpFoldResult> offsets, sizes, tileOffsets, tileSizes;
    resultSlice(result, position, offsets, sizes);
    resultSlice(result, outer, tileOffsets, tileSizes);
    for (auto [offset, tileOffset] : llvm::zip_equal(offsets, tileOffsets))
      offset = affine::makeComposedFoldedAffineApply(rewriter, loc, d0 - d1,
                                                     {offset, tileOffset});
    SmallVector<OpFoldResult> strides(offsets.size(), rewriter.getIndexAttr(1));
    slices.push_back(tensor::ExtractSliceOp::create(rewriter, loc, destination,
                                                    offsets, sizes, strides));
    allOffsets.push_back(offsets);
    allSizes.push_back(sizes);
  }
  FailureOr<SmallVector<Value>> results = buildInner(position, slices, dim + 1);
  if (failed(results))
    return failure();
  SmallVector<Value> updated;
  for (unsigned i = 0; i < results->size(); ++i) {
    SmallVector<OpFoldResult> strides(allOffsets[i].size(),
                                      rewriter.getIndexAttr(1));
    updated.push_back(tensor::InsertSliceOp::create(
        rewriter, loc, (*results)[i], loop.getRegionIterArgs()[i],
        allOffsets[i], allSizes[i], strides));
  }
  scf::YieldOp::create(rewriter, loc, updated);
  return SmallVector<Value>(loop.getResults());
}

LogicalResult KernelTiler::run() {
  Block *body = kernel.getBodyBlock();
  Operation *root = nullptr;
  for (Operation &op : body->without_terminator()) {
    if (op.hasAttr("mercer.root"))
      root = &op;
    // What sets up destinations stays in front of the grid.
    bool setup =
        llvm::none_of(op.getResultTypes(), llvm::IsaPred<TensorType>) ||
        isa<tensor::EmptyOp>(op);
    // So do slices of what the kernel reads.
    if (isa<tensor::ExtractSliceOp>(op) && !op.hasAttr(kDimsAttr)) {
      Operation *source = op.getOperand(0).getDefiningOp();
      setup |= !source || !llvm::is_contained(members, source);
    }
    if (!setup)
      members.push_back(&op);
  }
  if (members.empty())
    return success();
  auto schedule = kernel->getAttrOfType<DictionaryAttr>(kScheduleAttr);
  if (schedule) {
    if (auto attr = schedule.getAs<DenseI64ArrayAttr>("grid"))
      grid.assign(attr.asArrayRef().begin(), attr.asArrayRef().end());
    if (auto attr = schedule.getAs<DenseI64ArrayAttr>("inner"))
      inner.assign(attr.asArrayRef().begin(), attr.asArrayRef().end());
  }
  if (!root)
    grid.clear();
  inner.resize(grid.size(), 0);

  rewriter.setInsertionPoint(body->getTerminator());
  for (Operation *op : members)
    if (std::optional<LoopModel> model = getLoopModel(op))
      extents[op] = getLoopExtents(rewriter, op);
  gridExtents.assign(grid.size(), OpFoldResult());
  if (root)
    for (auto [loop, dim] : llvm::enumerate(dimsOf(root)))
      if (dim >= 0 && dim < (int64_t)grid.size())
        gridExtents[dim] = extents[root][loop];

  // One loop of the grid for each dim that is cut.
  SmallVector<OpFoldResult> lower, upper, steps;
  SmallVector<unsigned> cutDims;
  for (unsigned dim = 0; dim < grid.size(); ++dim) {
    if (!gridExtents[dim])
      grid[dim] = inner[dim] = 0;
    if (grid[dim] == 0)
      continue;
    cutDims.push_back(dim);
    lower.push_back(rewriter.getIndexAttr(0));
    upper.push_back(gridExtents[dim]);
    steps.push_back(rewriter.getIndexAttr(grid[dim]));
  }
  single = cutDims.empty();
  if (single) {
    lower.push_back(rewriter.getIndexAttr(0));
    upper.push_back(rewriter.getIndexAttr(1));
    steps.push_back(rewriter.getIndexAttr(1));
  }
  // The mapping also keeps a grid of one tile from being folded away: each
  // top-level grid is one phase of the kernel.
  SmallVector<Attribute> mapping;
  for (unsigned i = 0; i < steps.size(); ++i)
    mapping.push_back(GridAttr::get(rewriter.getContext(), i));
  SmallVector<Value> outputs(kernel.getOutputArgs().begin(),
                             kernel.getOutputArgs().end());
  auto forall = scf::ForallOp::create(rewriter, loc, lower, upper, steps,
                                      outputs, rewriter.getArrayAttr(mapping));
  rewriter.setInsertionPointToStart(forall.getBody());
  TilePosition position;
  position.offsets.resize(grid.size());
  position.sizes.resize(grid.size());
  for (auto [index, dim] : llvm::enumerate(cutDims)) {
    Value iv = forall.getInductionVars()[index];
    position.offsets[dim] = iv;
    position.sizes[dim] =
        boundedSize(rewriter.getIndexAttr(grid[dim]), gridExtents[dim], iv);
  }
  SmallVector<Value> slices;
  SmallVector<SmallVector<OpFoldResult>> allOffsets, allSizes;
  for (auto [value, destination] : llvm::zip_equal(
           kernel.getYield().getOperands(), forall.getRegionIterArgs())) {
    auto result = dyn_cast<OpResult>(value);
    SmallVector<OpFoldResult> offsets, sizes;
    if (!result)
      return kernel.emitError("[E3002] a kernel yields its own argument");
    if (getLoopModel(result.getOwner()))
      resultSlice(result, position, offsets, sizes);
    else {
      sizes = tensor::getMixedSizes(rewriter, loc, destination);
      offsets.assign(sizes.size(), rewriter.getIndexAttr(0));
    }
    SmallVector<OpFoldResult> strides(offsets.size(), rewriter.getIndexAttr(1));
    slices.push_back(tensor::ExtractSliceOp::create(rewriter, loc, destination,
                                                    offsets, sizes, strides));
    allOffsets.push_back(offsets);
    allSizes.push_back(sizes);
  }
  FailureOr<SmallVector<Value>> results = buildInner(position, slices, 0);
  if (failed(results))
    return failure();
  rewriter.setInsertionPointToStart(forall.getTerminator().getBody());
  for (unsigned i = 0; i < results->size(); ++i) {
    SmallVector<OpFoldResult> strides(allOffsets[i].size(),
                                      rewriter.getIndexAttr(1));
    tensor::ParallelInsertSliceOp::create(rewriter, loc, (*results)[i],
                                          forall.getRegionIterArgs()[i],
                                          allOffsets[i], allSizes[i], strides);
  }
  kernel.getYield()->setOperands(forall.getResults());
  // Sizes of what goes away, in terms of what stays.
  resolveDims(kernel);
  for (Operation *op : llvm::reverse(members))
    rewriter.eraseOp(op);
  return success();
}

namespace {

/// `tensor.pad` of a tile: a fill, and a slice written into it.
struct LowerPad : OpRewritePattern<tensor::PadOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::PadOp op,
                                PatternRewriter &rewriter) const override {
    Value padding = op.getConstantPaddingValue();
    if (!padding)
      return rewriter.notifyMatchFailure(op, "padding is not one value");
    Location loc = op.getLoc();
    SmallVector<OpFoldResult> source =
        tensor::getMixedSizes(rewriter, loc, op.getSource());
    SmallVector<Value> dynamic;
    RankedTensorType type = op.getResultType();
    AffineExpr d0 = rewriter.getAffineDimExpr(0),
               d1 = rewriter.getAffineDimExpr(1),
               d2 = rewriter.getAffineDimExpr(2);
    for (auto [dim, size, low, high] :
         llvm::enumerate(source, op.getMixedLowPad(), op.getMixedHighPad()))
      if (type.isDynamicDim(dim))
        dynamic.push_back(getValueOrCreateConstantIndexOp(
            rewriter, loc,
            affine::makeComposedFoldedAffineApply(rewriter, loc, d0 + d1 + d2,
                                                  {size, low, high})));
    Value empty = tensor::EmptyOp::create(rewriter, loc, type, dynamic);
    Value filled =
        linalg::FillOp::create(rewriter, loc, padding, empty).getResult(0);
    SmallVector<OpFoldResult> strides(source.size(), rewriter.getIndexAttr(1));
    rewriter.replaceOpWithNewOp<tensor::InsertSliceOp>(
        op, op.getSource(), filled, op.getMixedLowPad(), source, strides);
    return success();
  }
};

struct TileKernels : mercer::impl::MercerTileKernelsBase<TileKernels> {
  void runOnOperation() override {
    SmallVector<KernelOp> kernels;
    getOperation()->walk([&](KernelOp op) { kernels.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (KernelOp kernel : kernels) {
      KernelTiler tiler(rewriter, kernel);
      if (failed(tiler.run()))
        return signalPassFailure();
      ++numKernels;
      numSingle += tiler.single;
      if (failed(cleanUp(kernel)))
        return signalPassFailure();
      forwardDestinations(kernel, rewriter);
      // Loads of input tiles leave the loop over panels; nothing may leave the
      // grid itself.
      kernel.walk([](scf::ForOp loop) { moveLoopInvariantCode(loop); });
    }
  }

private:
  /// Slices of empty tensors, whole slices and joins left by tiling.
  LogicalResult cleanUp(KernelOp kernel) {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    linalg::populateLinalgTilingCanonicalizationPatterns(patterns);
    tensor::populateFoldTensorEmptyPatterns(patterns);
    tensor::populateDecomposeTensorConcatPatterns(patterns);
    patterns.add<LowerPad>(context);
    tensor::ExtractSliceOp::getCanonicalizationPatterns(patterns, context);
    tensor::CastOp::getCanonicalizationPatterns(patterns, context);
    tensor::DimOp::getCanonicalizationPatterns(patterns, context);
    affine::AffineMinOp::getCanonicalizationPatterns(patterns, context);
    affine::AffineApplyOp::getCanonicalizationPatterns(patterns, context);
    (void)applyPatternsGreedily(kernel.getBody(), std::move(patterns));
    return success();
  }

  void forwardDestinations(KernelOp kernel, IRRewriter &rewriter) {
    kernel.walk([&](scf::ForallOp forall) {
      forall.walk([&](Block *block) {
        for (Operation &op : llvm::make_early_inc_range(*block))
          reuseInput(rewriter, &op);
      });
      for (Operation &op : forall.getTerminator().getYieldingOps()) {
        auto insert = cast<tensor::ParallelInsertSliceOp>(op);
        forwardFrom(rewriter, insert.getSource(), insert.getDest(),
                    insert.getMixedOffsets(), insert.getMixedSizes(),
                    insert.getMixedStrides(), forall.getTerminator());
      }
      forall.walk([&](scf::ForOp loop) {
        for (Value yielded : loop.getBody()->getTerminator()->getOperands()) {
          auto insert = yielded.getDefiningOp<tensor::InsertSliceOp>();
          if (insert && isa<BlockArgument>(insert.getDest()))
            forwardFrom(rewriter, insert.getSource(), insert.getDest(),
                        insert.getMixedOffsets(), insert.getMixedSizes(),
                        insert.getMixedStrides(), insert);
        }
      });
    });
  }

  /// Starts the chain that ends in `source` from the slice it goes to.
  void forwardFrom(IRRewriter &rewriter, Value source, Value destination,
                   ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes,
                   ArrayRef<OpFoldResult> strides, Operation *end) {
    Operation *producer = source.getDefiningOp();
    if (!producer || producer->getBlock() != end->getBlock())
      return;
    // Directly behind what the slice is made of.
    Operation *after = nullptr;
    for (ArrayRef<OpFoldResult> values : {offsets, sizes})
      for (OpFoldResult value : values)
        if (auto operand = dyn_cast<Value>(value))
          if (Operation *def = operand.getDefiningOp();
              def && def->getBlock() == end->getBlock() &&
              (!after || after->isBeforeInBlock(def)))
            after = def;
    if (after)
      rewriter.setInsertionPointAfter(after);
    else
      rewriter.setInsertionPointToStart(end->getBlock());
    auto slice = tensor::ExtractSliceOp::create(
        rewriter, source.getLoc(), cast<RankedTensorType>(source.getType()),
        destination, offsets, sizes, strides);
    forwardDestination(rewriter, source, slice);
    if (slice->use_empty())
      rewriter.eraseOp(slice);
  }
};
} // namespace

void mercer::buildTilePipeline(OpPassManager &pm) {
  pm.addPass(createMercerTileKernels());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createMercerDecomposeTiles());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}
