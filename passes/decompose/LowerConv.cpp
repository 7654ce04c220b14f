//===- LowerConv.cpp - convolution to mercer.window -----------------------===//
//
// Groups become a loop of their own through expand_shape views. A transposed
// convolution is one window over all residue classes of the output position:
// y[q * s + t] = sum_e x[q + e] W[t, e] with W[t, e] = w[(t + low - e * s) / d]
// where that is a tap and 0 elsewhere, so that nothing is scattered.
//
//===----------------------------------------------------------------------===//

#include "passes/decompose/Passes.h"
#include "passes/decompose/TileBuilder.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace mercer;

namespace {

/// Type in which products are summed.
Type accumulatorOf(Type result) {
  if (isa<FloatType>(result) && result.getIntOrFloatBitWidth() < 32)
    return Float32Type::get(result.getContext());
  return result;
}

/// View of `tensor` with dim `dim` split into (`groups`, rest).
Value splitGroups(TileBuilder &t, Value tensor, int64_t dim, int64_t groups) {
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<int64_t> shape(type.getShape());
  SmallVector<ReassociationIndices> reassociation;
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(t.b, t.loc, tensor);
  for (int64_t d = 0, out = 0; d < type.getRank(); ++d, ++out) {
    reassociation.push_back({out});
    if (d == dim)
      reassociation.back().push_back(++out);
  }
  OpFoldResult rest = affine::makeComposedFoldedAffineApply(
      t.b, t.loc, t.b.getAffineSymbolExpr(0).floorDiv(groups), {sizes[dim]});
  sizes[dim] = t.b.getIndexAttr(groups);
  sizes.insert(sizes.begin() + dim + 1, rest);
  shape[dim] = groups;
  shape.insert(shape.begin() + dim + 1,
               getConstantIntValue(rest).value_or(ShapedType::kDynamic));
  return tensor::ExpandShapeOp::create(
      t.b, t.loc, RankedTensorType::get(shape, type.getElementType()), tensor,
      reassociation, sizes);
}

/// The initial value of the sum: bias along `channelDims` of the accumulator,
/// or 0. `map` takes accumulator loops to the bias element.
Value makeInit(TileBuilder &t, Value destination, Value bias, AffineMap map) {
  auto type = cast<RankedTensorType>(destination.getType());
  if (!bias)
    return t.fill(destination, numberAttr(type.getElementType(), 0));
  unsigned rank = type.getRank();
  SmallVector<unsigned> loops = llvm::to_vector(llvm::seq<unsigned>(0, rank));
  return t.generic(
      loops, {{bias, map}}, {{destination, t.b.getMultiDimIdentityMap(rank)}},
      [&](OpBuilder &b, ValueRange v) {
        TileBuilder inner(b, t.loc);
        return SmallVector<Value>{inner.convert(v[0], type.getElementType())};
      })[0];
}

/// Converts an accumulator to the result's element type, into `destination`.
Value finish(TileBuilder &t, Value acc, Value destination) {
  auto type = cast<RankedTensorType>(destination.getType());
  if (getElementTypeOrSelf(acc.getType()) == type.getElementType())
    return acc;
  unsigned rank = type.getRank();
  AffineMap identity = t.b.getMultiDimIdentityMap(rank);
  return t.generic(
      llvm::to_vector(llvm::seq<unsigned>(0, rank)), {{acc, identity}},
      {{destination, identity}}, [&](OpBuilder &b, ValueRange v) {
        TileBuilder inner(b, t.loc);
        return SmallVector<Value>{inner.convert(v[0], type.getElementType())};
      })[0];
}

/// Where the accumulator is built: the destination itself if it has that type.
Value makeAccumulator(TileBuilder &t, Value destination, Type acc) {
  auto type = cast<RankedTensorType>(destination.getType());
  if (type.getElementType() == acc)
    return destination;
  return tensor::EmptyOp::create(
      t.b, t.loc, tensor::getMixedSizes(t.b, t.loc, destination), acc);
}

SmallVector<BoundsAttr> boundsOf(MLIRContext *context, bool padded) {
  return {BoundsAttr::get(context, padded ? BoundsKind::Zero : BoundsKind::None,
                          {}),
          BoundsAttr::get(context, BoundsKind::None, {})};
}

struct LowerConv : public OpRewritePattern<ConvOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ConvOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getTransposed())
      return rewriter.notifyMatchFailure(op, "is transposed");
    TileBuilder t(rewriter, op.getLoc());
    MLIRContext *context = op.getContext();
    unsigned spatial = op.getNumSpatialDims();
    bool last = op.getLayout() == Layout::NHWC;
    int64_t groups = op.getGroups();
    auto inputType = cast<RankedTensorType>(op.getInput().getType());
    auto weightType = cast<RankedTensorType>(op.getWeight().getType());
    auto resultType = cast<RankedTensorType>(op.getResult().getType());
    unsigned channelDim = last ? spatial + 1 : 1;
    int64_t channels = inputType.getDimSize(channelDim);
    bool depthwise = groups > 1 && weightType.getDimSize(1) == 1 &&
                     channels == groups &&
                     resultType.getDimSize(channelDim) == groups;
    bool split = groups > 1 && !depthwise;

    Value input = op.getInput(), weight = op.getWeight();
    Value acc = makeAccumulator(t, op.getInit(),
                                accumulatorOf(resultType.getElementType()));
    // Loops: n, [g,] [o,] p..., [c,] r...
    unsigned next = 0;
    auto loop = [&] { return rewriter.getAffineDimExpr(next++); };
    AffineExpr n = loop(), g, o, c;
    if (groups > 1)
      g = loop();
    if (!depthwise)
      o = loop();
    SmallVector<AffineExpr> p, r;
    for (unsigned s = 0; s < spatial; ++s)
      p.push_back(loop());
    if (!depthwise)
      c = loop();
    for (unsigned s = 0; s < spatial; ++s)
      r.push_back(loop());

    SmallVector<int64_t> strides = op.getStrideValues(),
                         dilations = op.getDilationValues(),
                         pads = op.getPadValues();
    bool padded = llvm::any_of(pads, [](int64_t pad) { return pad != 0; });
    SmallVector<AffineExpr> x = {n}, w, y = {n};
    auto channelsOf = [&](SmallVector<AffineExpr> &exprs, AffineExpr inner) {
      if (groups > 1)
        exprs.push_back(g);
      if (!depthwise)
        exprs.push_back(inner);
    };
    if (!last) {
      channelsOf(x, c);
      channelsOf(y, o);
    }
    for (unsigned s = 0; s < spatial; ++s) {
      x.push_back(p[s] * strides[s] + r[s] * dilations[s] - pads[s]);
      y.push_back(p[s]);
    }
    if (last) {
      channelsOf(x, c);
      channelsOf(y, o);
    }
    if (depthwise)
      w = {g, getAffineConstantExpr(0, context)};
    else if (split)
      w = {g, o, c};
    else
      w = {o, c};
    llvm::append_range(w, r);

    // The bias runs along the channels of the accumulator.
    unsigned rank = resultType.getRank();
    acc = makeInit(
        t, acc, op.getBias(),
        AffineMap::get(rank, 0, rewriter.getAffineDimExpr(channelDim)));
    if (split) {
      input = splitGroups(t, input, channelDim, groups);
      weight = splitGroups(t, weight, 0, groups);
      acc = splitGroups(t, acc, channelDim, groups);
    }
    auto map = [&](ArrayRef<AffineExpr> exprs) {
      return AffineMap::get(next, 0, exprs, context);
    };
    auto window =
        WindowOp::create(rewriter, op.getLoc(), {map(x), map(w), map(y)},
                         boundsOf(context, padded), {}, {input, weight}, acc);
    window.setPrecision(op.getPrecision());
    Value result = window.getResult(0);
    if (split) {
      SmallVector<ReassociationIndices> reassociation;
      for (unsigned d = 0, k = 0; d < rank; ++d, ++k) {
        reassociation.push_back({int64_t(k)});
        if (d == channelDim)
          reassociation.back().push_back(++k);
      }
      SmallVector<int64_t> shape(resultType.getShape());
      result = tensor::CollapseShapeOp::create(
          rewriter, op.getLoc(),
          RankedTensorType::get(shape, getElementTypeOrSelf(acc.getType())),
          result, reassociation);
    }
    rewriter.replaceOp(op, finish(t, result, op.getInit()));
    return success();
  }
};

/// Taps of one spatial dim of a transposed convolution: e in [low, low +
/// count).
struct Taps {
  int64_t low = 0;
  int64_t count = 1;
};

Taps tapsOf(int64_t window, int64_t stride, int64_t dilation, int64_t pad) {
  int64_t low = 0, high = 0;
  bool any = false;
  for (int64_t t = 0; t < stride; ++t)
    for (int64_t r = 0; r < window; ++r) {
      int64_t numerator = t + pad - r * dilation;
      if (numerator % stride != 0)
        continue;
      int64_t e = numerator / stride;
      low = any ? std::min(low, e) : e;
      high = any ? std::max(high, e) : e;
      any = true;
    }
  return {low, high - low + 1};
}

struct LowerTransposedConv : public OpRewritePattern<ConvOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ConvOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.getTransposed())
      return rewriter.notifyMatchFailure(op, "is not transposed");
    auto weightType = cast<RankedTensorType>(op.getWeight().getType());
    unsigned spatial = op.getNumSpatialDims();
    for (unsigned s = 0; s < spatial; ++s)
      if (weightType.isDynamicDim(s + 2))
        return rewriter.notifyMatchFailure(op, "window size is not static");
    TileBuilder t(rewriter, op.getLoc());
    MLIRContext *context = op.getContext();
    bool last = op.getLayout() == Layout::NHWC;
    int64_t groups = op.getGroups();
    auto resultType = cast<RankedTensorType>(op.getResult().getType());
    Type accType = accumulatorOf(resultType.getElementType());
    unsigned channelDim = last ? spatial + 1 : 1;
    SmallVector<int64_t> strides = op.getStrideValues(),
                         dilations = op.getDilationValues(),
                         pads = op.getPadValues();
    SmallVector<Taps> taps;
    for (unsigned s = 0; s < spatial; ++s)
      taps.push_back(tapsOf(weightType.getDimSize(s + 2), strides[s],
                            dilations[s], pads[s]));

    // W[t..., g, o, c, e...], a constant where the weight is one.
    SmallVector<OpFoldResult> weightSizes =
        tensor::getMixedSizes(rewriter, op.getLoc(), op.getWeight());
    OpFoldResult groupIn = affine::makeComposedFoldedAffineApply(
        rewriter, op.getLoc(), rewriter.getAffineSymbolExpr(0).floorDiv(groups),
        {weightSizes[0]});
    SmallVector<OpFoldResult> sizes;
    for (int64_t stride : strides)
      sizes.push_back(rewriter.getIndexAttr(stride));
    sizes.push_back(rewriter.getIndexAttr(groups));
    sizes.push_back(weightSizes[1]);
    sizes.push_back(groupIn);
    for (const Taps &tap : taps)
      sizes.push_back(rewriter.getIndexAttr(tap.count));
    Value taken = makeWeight(t, op, sizes, taps, groupIn);

    // Loops: n, g, o, q..., t..., c, e...
    unsigned next = 0;
    auto loop = [&] { return rewriter.getAffineDimExpr(next++); };
    AffineExpr n = loop(), g = loop(), o = loop();
    SmallVector<AffineExpr> q, residue, e;
    for (unsigned s = 0; s < spatial; ++s)
      q.push_back(loop());
    for (unsigned s = 0; s < spatial; ++s)
      residue.push_back(loop());
    AffineExpr c = loop();
    for (unsigned s = 0; s < spatial; ++s)
      e.push_back(loop());
    SmallVector<AffineExpr> x = {n}, w(residue), y = {n};
    if (!last) {
      llvm::append_values(x, g, c);
      llvm::append_values(y, g, o);
    }
    for (unsigned s = 0; s < spatial; ++s) {
      x.push_back(q[s] + e[s] + taps[s].low);
      llvm::append_values(y, q[s], residue[s]);
    }
    if (last) {
      llvm::append_values(x, g, c);
      llvm::append_values(y, g, o);
    }
    llvm::append_values(w, g, o, c);
    llvm::append_range(w, e);

    // Accumulator with split channels and positions, rounded up to strides.
    SmallVector<OpFoldResult> resultSizes =
        tensor::getMixedSizes(rewriter, op.getLoc(), op.getInit());
    OpFoldResult groupOut = affine::makeComposedFoldedAffineApply(
        rewriter, op.getLoc(), rewriter.getAffineSymbolExpr(0).floorDiv(groups),
        {resultSizes[channelDim]});
    SmallVector<OpFoldResult> accSizes = {resultSizes[0]};
    SmallVector<ReassociationIndices> reassociation = {{0}};
    auto addPair = [&](OpFoldResult outer, OpFoldResult inner) {
      int64_t position = accSizes.size();
      llvm::append_values(accSizes, outer, inner);
      reassociation.push_back({position, position + 1});
    };
    OpFoldResult groupSize = rewriter.getIndexAttr(groups);
    if (!last)
      addPair(groupSize, groupOut);
    bool exact = true;
    SmallVector<OpFoldResult> roundedSizes(resultSizes);
    for (unsigned s = 0; s < spatial; ++s) {
      unsigned dim = s + (last ? 1 : 2);
      OpFoldResult quotient = affine::makeComposedFoldedAffineApply(
          rewriter, op.getLoc(),
          rewriter.getAffineSymbolExpr(0).ceilDiv(strides[s]),
          {resultSizes[dim]});
      addPair(quotient, rewriter.getIndexAttr(strides[s]));
      std::optional<int64_t> size = getConstantIntValue(resultSizes[dim]);
      exact &= strides[s] == 1 || (size && *size % strides[s] == 0);
    }
    if (last)
      addPair(groupSize, groupOut);
    Value acc =
        tensor::EmptyOp::create(rewriter, op.getLoc(), accSizes, accType);
    unsigned accRank = accSizes.size();
    // Bias element o of group g: one dim, so split it as well.
    Value bias = op.getBias();
    AffineMap biasMap;
    if (bias) {
      bias = splitGroups(t, bias, 0, groups);
      unsigned first = last ? accRank - 2 : 1;
      biasMap = AffineMap::get(accRank, 0,
                               {rewriter.getAffineDimExpr(first),
                                rewriter.getAffineDimExpr(first + 1)},
                               context);
    }
    acc = makeInit(t, acc, bias, biasMap);
    Value input = splitGroups(t, op.getInput(), channelDim, groups);
    auto map = [&](ArrayRef<AffineExpr> exprs) {
      return AffineMap::get(next, 0, exprs, context);
    };
    auto window =
        WindowOp::create(rewriter, op.getLoc(), {map(x), map(w), map(y)},
                         boundsOf(context, true), {}, {input, taken}, acc);
    window.setPrecision(op.getPrecision());
    Value result = tensor::CollapseShapeOp::create(
        rewriter, op.getLoc(), window.getResult(0), reassociation);
    if (!exact || result.getType() !=
                      RankedTensorType::get(resultType.getShape(), accType)) {
      SmallVector<OpFoldResult> zeros(resultSizes.size(),
                                      rewriter.getIndexAttr(0));
      SmallVector<OpFoldResult> ones(resultSizes.size(),
                                     rewriter.getIndexAttr(1));
      result = tensor::ExtractSliceOp::create(
          rewriter, op.getLoc(),
          RankedTensorType::get(resultType.getShape(), accType), result, zeros,
          resultSizes, ones);
    }
    rewriter.replaceOp(op, finish(t, result, op.getInit()));
    return success();
  }

private:
  /// W[t..., g, o, c, e...] = w[g * C + c, o, (t + pad - e * s) / d...] or 0.
  static Value makeWeight(TileBuilder &t, ConvOp op,
                          ArrayRef<OpFoldResult> sizes, ArrayRef<Taps> taps,
                          OpFoldResult groupIn) {
    unsigned spatial = taps.size();
    auto weightType = cast<RankedTensorType>(op.getWeight().getType());
    Type element = weightType.getElementType();
    Value empty = tensor::EmptyOp::create(t.b, t.loc, sizes, element);
    unsigned rank = sizes.size();
    Value channels = t.index(groupIn);
    AffineMap identity = t.b.getMultiDimIdentityMap(rank);
    return t.generic(
        llvm::to_vector(llvm::seq<unsigned>(0, rank)), {}, {{empty, identity}},
        [&](OpBuilder &b, ValueRange) {
          TileBuilder inner(b, t.loc);
          auto position = [&](unsigned dim) -> Value {
            return linalg::IndexOp::create(b, t.loc, dim);
          };
          Value row =
              arith::MulIOp::create(b, t.loc, position(spatial), channels);
          row = arith::AddIOp::create(b, t.loc, row, position(spatial + 2));
          SmallVector<Value> indices = {row, position(spatial + 1)};
          Value valid = arith::ConstantIntOp::create(b, t.loc, 1, 1);
          Value zero = inner.index(int64_t(0));
          for (unsigned s = 0; s < spatial; ++s) {
            // numerator = t + pad - (e + low) * stride
            Value e = arith::AddIOp::create(b, t.loc, position(spatial + 3 + s),
                                            inner.index(taps[s].low));
            Value scaled = arith::MulIOp::create(
                b, t.loc, e, inner.index(op.getStrideValues()[s]));
            Value numerator = arith::AddIOp::create(
                b, t.loc, position(s), inner.index(op.getPadValues()[s]));
            numerator = arith::SubIOp::create(b, t.loc, numerator, scaled);
            Value dilation = inner.index(op.getDilationValues()[s]);
            Value tap = arith::DivSIOp::create(b, t.loc, numerator, dilation);
            Value back = arith::MulIOp::create(b, t.loc, tap, dilation);
            auto check = [&](arith::CmpIPredicate predicate, Value x, Value y) {
              Value holds = arith::CmpIOp::create(b, t.loc, predicate, x, y);
              valid = arith::AndIOp::create(b, t.loc, valid, holds);
            };
            check(arith::CmpIPredicate::eq, back, numerator);
            check(arith::CmpIPredicate::sge, tap, zero);
            Value lastTap = inner.index(weightType.getDimSize(s + 2) - 1);
            check(arith::CmpIPredicate::sle, tap, lastTap);
            tap = arith::MaxSIOp::create(b, t.loc, tap, zero);
            indices.push_back(arith::MinSIOp::create(b, t.loc, tap, lastTap));
          }
          Value value =
              tensor::ExtractOp::create(b, t.loc, op.getWeight(), indices);
          return SmallVector<Value>{arith::SelectOp::create(
              b, t.loc, valid, value, inner.constant(element, 0))};
        })[0];
  }
};

} // namespace

void mercer::populateLowerConvPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerConv, LowerTransposedConv>(patterns.getContext());
}
