//===- DecomposeContraction.cpp - contract, window, load_tile -------------===//

#include "passes/decompose/Passes.h"
#include "passes/decompose/TileBuilder.h"

#include "dialects/mercer/IR/LoopMaps.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace mercer;

namespace {

/// `value` without the dims of static size 1 that `access` addresses by 0, so
/// that the code generator sees plain matrices.
Access dropUnitDims(TileBuilder &t, Value value, AffineMap map) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type)
    return {value, map};
  SmallVector<int64_t> kept;
  SmallVector<AffineExpr> exprs;
  for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
    auto constant = dyn_cast<AffineConstantExpr>(expr);
    if (constant && constant.getValue() == 0 && type.getDimSize(dim) == 1)
      continue;
    kept.push_back(type.getDimSize(dim));
    exprs.push_back(expr);
  }
  if (kept.size() == size_t(type.getRank()))
    return {value, map};
  SmallVector<OpFoldResult> zeros(type.getRank(), t.b.getIndexAttr(0)),
      ones(type.getRank(), t.b.getIndexAttr(1)),
      sizes = tensor::getMixedSizes(t.b, t.loc, value);
  Value slice = tensor::ExtractSliceOp::create(
      t.b, t.loc, RankedTensorType::get(kept, type.getElementType()), value,
      zeros, sizes, ones);
  return {slice, AffineMap::get(map.getNumDims(), 0, exprs, t.b.getContext())};
}

/// Whether the reads of a linear access start at 0 and end at `size`, as far as
/// is known statically.
bool readsAll(AffineExpr expr, int64_t size, ArrayRef<int64_t> extents) {
  std::optional<LinearExpr> linear = matchLinear(expr, extents.size());
  if (!linear || isa<AffineDimExpr, AffineConstantExpr>(expr))
    return true;
  if (linear->constant != 0)
    return false;
  int64_t reach = 1;
  for (auto [coefficient, extent] :
       llvm::zip_equal(linear->coefficients, extents)) {
    // Nothing is read where a loop is empty.
    if (extent == 0 || (coefficient != 0 && ShapedType::isDynamic(extent)))
      return true;
    if (coefficient != 0)
      reach += coefficient * (extent - 1);
  }
  return ShapedType::isDynamic(size) || reach == size;
}

template <typename OpTy>
struct DecomposeContraction : public OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpTy op,
                                PatternRewriter &rewriter) const override {
    TileBuilder t(rewriter, op.getLoc());
    unsigned numInputs = op.getInputs().size();
    SmallVector<Value> operands(op->getOperands());
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    ArrayRef<int64_t> extents;
    if constexpr (std::is_same_v<OpTy, WindowOp>) {
      extents = op.getExtents().value_or(ArrayRef<int64_t>());
      // An op that no grid has cut still has its bounds rules: its one tile is
      // all of it.
      bool bounded = llvm::any_of(op.getBounds(), [](Attribute attr) {
        return cast<BoundsAttr>(attr).getKind() != BoundsKind::None;
      });
      // So has one with a low padding, or whose window does not reach the end
      // of its input: the slice is what it reads.
      SmallVector<int64_t> loopExtents = op.getStaticLoopExtents();
      bool shifted = false;
      for (unsigned i = 0; i < numInputs; ++i)
        if (auto type = dyn_cast<RankedTensorType>(operands[i].getType()))
          for (auto [expr, size] :
               llvm::zip_equal(maps[i].getResults(), type.getShape()))
            shifted |= !readsAll(expr, size, loopExtents);
      if (bounded || shifted) {
        SmallVector<OpFoldResult> offsets, sizes;
        for (const Range &range : op.getIterationDomain(rewriter)) {
          offsets.push_back(range.offset);
          sizes.push_back(range.size);
        }
        FailureOr<TilingResult> whole =
            op.getTiledImplementation(rewriter, offsets, sizes);
        if (failed(whole))
          return failure();
        rewriter.replaceOp(op, whole->tiledValues);
        return success();
      }
    }
    unsigned numLoops = op.getNumLoops();
    SmallVector<unsigned> loops =
        llvm::to_vector(llvm::seq<unsigned>(0, numLoops));
    SmallVector<Access> inputs, outputs;
    // Scalars are used by the body as they are.
    SmallVector<Value> scalars(numInputs);
    for (unsigned i = 0; i < numInputs; ++i) {
      if (isa<RankedTensorType>(operands[i].getType()))
        inputs.push_back(dropUnitDims(t, operands[i], maps[i]));
      else
        scalars[i] = operands[i];
    }
    Value output = operands[numInputs];
    outputs.push_back({output, maps[numInputs]});
    // Loops that only `extents` knows need an operand that has their size.
    SmallVector<int64_t> shape;
    SmallVector<AffineExpr> shapeExprs;
    for (unsigned loop = 0; loop < extents.size(); ++loop)
      if (extents[loop] >= 0) {
        shape.push_back(extents[loop]);
        shapeExprs.push_back(rewriter.getAffineDimExpr(loop));
      }
    Type acc = getElementTypeOrSelf(output.getType());
    bool hasShape = !shape.empty();
    if (hasShape)
      inputs.push_back(
          {tensor::EmptyOp::create(rewriter, op.getLoc(), shape, acc),
           AffineMap::get(numLoops, 0, shapeExprs, op.getContext())});
    Value result = t.generic(
        loops, inputs, outputs, [&](OpBuilder &b, ValueRange arguments) {
          TileBuilder inner(b, op.getLoc());
          SmallVector<Value> values;
          unsigned next = 0;
          for (unsigned i = 0; i < numInputs; ++i)
            values.push_back(scalars[i] ? scalars[i] : arguments[next++]);
          Value product;
          if (!op.getProduct().empty()) {
            product = inner.inlineRegion(b, op.getProduct(), values)[0];
          } else {
            for (Value value : values) {
              Value wide = inner.convert(value, acc);
              if (!product)
                product = wide;
              else if (isa<FloatType>(acc))
                product = arith::MulFOp::create(b, op.getLoc(), product, wide);
              else
                product = arith::MulIOp::create(b, op.getLoc(), product, wide);
            }
          }
          Value old = arguments.back();
          if (!op.getReduce().empty())
            return inner.inlineRegion(b, op.getReduce(), {old, product});
          Value sum = isa<FloatType>(acc)
                          ? arith::AddFOp::create(b, op.getLoc(), old, product)
                                .getResult()
                          : arith::AddIOp::create(b, op.getLoc(), old, product)
                                .getResult();
          return SmallVector<Value>{sum};
        })[0];
    rewriter.replaceOp(op, result);
    return success();
  }
};

struct DecomposeLoadTile : public OpRewritePattern<LoadTileOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(LoadTileOp op,
                                PatternRewriter &rewriter) const override {
    TileBuilder t(rewriter, op.getLoc());
    auto type = cast<RankedTensorType>(op.getType());
    SmallVector<OpFoldResult> offsets = op.getMixedOffsets();
    SmallVector<OpFoldResult> sizes = op.getMixedSizes();
    SmallVector<OpFoldResult> dims =
        tensor::getMixedSizes(rewriter, op.getLoc(), op.getSource());
    if (op.getBounds() == BoundsKind::None) {
      rewriter.replaceOp(op, sliceTensor(rewriter, op.getLoc(), op.getSource(),
                                         offsets, sizes));
      return success();
    }
    Value scratch =
        makeScratch(rewriter, op.getLoc(), sizes, type.getElementType());
    if (!op.getPad()) {
      rewriter.replaceOp(op, gather(t, op, offsets, dims, scratch));
      return success();
    }
    // Per dim: [low, high) of the source exists; it lands at `at`.
    SmallVector<OpFoldResult> from, count, at;
    OpFoldResult zero = rewriter.getIndexAttr(0);
    for (auto [offset, size, dim] : llvm::zip_equal(offsets, sizes, dims)) {
      auto clamp = [&](OpFoldResult value, OpFoldResult limit) {
        return t.min({t.max({value, zero}), limit});
      };
      OpFoldResult low = clamp(offset, dim);
      OpFoldResult high = clamp(t.add(offset, size), dim);
      from.push_back(low);
      count.push_back(t.sub(high, low));
      at.push_back(clamp(t.sub(zero, offset), size));
    }
    bool whole = llvm::all_of(llvm::zip_equal(count, sizes), [](auto pair) {
      std::optional<int64_t> x = getConstantIntValue(std::get<0>(pair));
      return x && x == getConstantIntValue(std::get<1>(pair));
    });
    Value existing =
        sliceTensor(rewriter, op.getLoc(), op.getSource(), from, count);
    if (whole) {
      rewriter.replaceOp(op, existing);
      return success();
    }
    Value filled = t.fill(scratch, op.getPad());
    SmallVector<OpFoldResult> ones(type.getRank(), rewriter.getIndexAttr(1));
    Value tile = tensor::InsertSliceOp::create(rewriter, op.getLoc(), existing,
                                               filled, at, count, ones);
    if (tile.getType() != type)
      tile = tensor::CastOp::create(rewriter, op.getLoc(), type, tile);
    rewriter.replaceOp(op, tile);
    return success();
  }

private:
  /// Mirrored, wrapped or nearest elements: indices computed per element.
  static Value gather(TileBuilder &t, LoadTileOp op,
                      ArrayRef<OpFoldResult> offsets,
                      ArrayRef<OpFoldResult> dims, Value scratch) {
    unsigned rank = offsets.size();
    SmallVector<Value> starts, extents;
    for (auto [offset, dim] : llvm::zip_equal(offsets, dims)) {
      starts.push_back(t.index(offset));
      extents.push_back(t.index(dim));
    }
    BoundsKind kind = op.getBounds();
    return t.generic(
        llvm::to_vector(llvm::seq<unsigned>(0, rank)), {},
        {{scratch, t.b.getMultiDimIdentityMap(rank)}},
        [&](OpBuilder &b, ValueRange) {
          TileBuilder inner(b, t.loc);
          Value zero = inner.index(int64_t(0)), one = inner.index(int64_t(1));
          auto modulo = [&](Value x, Value n) -> Value {
            Value r = arith::RemSIOp::create(b, t.loc, x, n);
            Value isNegative = arith::CmpIOp::create(
                b, t.loc, arith::CmpIPredicate::slt, r, zero);
            Value up = arith::AddIOp::create(b, t.loc, r, n);
            return arith::SelectOp::create(b, t.loc, isNegative, up, r);
          };
          SmallVector<Value> indices;
          for (unsigned dim = 0; dim < rank; ++dim) {
            Value p = arith::AddIOp::create(
                b, t.loc, linalg::IndexOp::create(b, t.loc, dim), starts[dim]);
            Value last = arith::SubIOp::create(b, t.loc, extents[dim], one);
            if (kind == BoundsKind::Wrap) {
              p = modulo(p, extents[dim]);
            } else if (kind == BoundsKind::Reflect) {
              Value period = arith::AddIOp::create(b, t.loc, last, last);
              period = arith::MaxSIOp::create(b, t.loc, period, one);
              p = modulo(p, period);
              Value mirrored = arith::SubIOp::create(b, t.loc, period, p);
              p = arith::MinSIOp::create(b, t.loc, p, mirrored);
              p = arith::MinSIOp::create(b, t.loc, p, last);
            } else {
              p = arith::MaxSIOp::create(b, t.loc, p, zero);
              p = arith::MinSIOp::create(b, t.loc, p, last);
            }
            indices.push_back(p);
          }
          return SmallVector<Value>{
              tensor::ExtractOp::create(b, t.loc, op.getSource(), indices)};
        })[0];
  }
};

} // namespace

void mercer::populateDecomposeContractionPatterns(RewritePatternSet &patterns) {
  patterns.add<DecomposeContraction<ContractOp>, DecomposeContraction<WindowOp>,
               DecomposeLoadTile>(patterns.getContext());
}
