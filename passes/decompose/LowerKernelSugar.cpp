//===- LowerKernelSugar.cpp - attention, gram, kernel_matvec --------------===//
//
// Each becomes a mercer.pairwise: what differs is the score region. Conditions
// on positions go to the mask region, where tiles can be skipped by analysis.
//
//===----------------------------------------------------------------------===//

#include "passes/decompose/Passes.h"
#include "passes/decompose/TileBuilder.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"

#include <cmath>

using namespace mlir;
using namespace mercer;

namespace {

/// Type in which scores are computed: at least f32.
Type scoreTypeOf(Type element) {
  return element.getIntOrFloatBitWidth() < 32
             ? Type(Float32Type::get(element.getContext()))
             : element;
}

struct LowerAttention : public OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    MLIRContext *context = op.getContext();
    Location loc = op.getLoc();
    auto queryType = cast<RankedTensorType>(op.getQuery().getType());
    Type type = scoreTypeOf(queryType.getElementType());
    SmallVector<AffineMap> maps = op.getMaps();
    double scale = 0;
    if (op.getScale()) {
      scale = op.getScale()->convertToDouble();
    } else {
      // The dim of the query that the feature loop runs over.
      int64_t headSize = ShapedType::kDynamic;
      for (auto [dim, expr] : llvm::enumerate(maps[0].getResults()))
        if (expr == rewriter.getAffineDimExpr(4))
          headSize = queryType.getDimSize(dim);
      if (ShapedType::isDynamic(headSize) || headSize == 0)
        return rewriter.notifyMatchFailure(
            op, "has no scale and a head size that is not static");
      scale = 1.0 / std::sqrt(double(headSize));
    }
    AffineMap scalarMap = AffineMap::get(6, 0, {}, context);
    AffineMap batchMap =
        AffineMap::get(6, 0, {rewriter.getAffineDimExpr(0)}, context);

    SmallVector<Value> captures;
    SmallVector<AffineMap> captureMaps;
    int mask = -1, lengths = -1, offset = -1;
    auto capture = [&](Value value, AffineMap map) {
      captures.push_back(value);
      captureMaps.push_back(map);
      return int(captures.size()) - 1;
    };
    if (op.getMask())
      mask = capture(op.getMask(), maps[3]);
    if (op.getKeyLengths())
      lengths = capture(op.getKeyLengths(), batchMap);
    if (op.getQueryOffset())
      offset = capture(op.getQueryOffset(), scalarMap);
    bool floatMask =
        mask >= 0 &&
        isa<FloatType>(getElementTypeOrSelf(op.getMask().getType()));

    SmallVector<AffineMap> allMaps = {maps[0], maps[1]};
    llvm::append_range(allMaps, captureMaps);
    llvm::append_values(allMaps, maps[2], maps.back());
    auto pairwise = PairwiseOp::create(
        rewriter, loc,
        {PairDim::Batch, PairDim::Batch, PairDim::Row, PairDim::Col,
         PairDim::Feature, PairDim::Value},
        {InnerAttr::get(context, InnerKind::Dot, 2, type, Monoid::Sum)},
        {ReductionAttr::get(context,
                            op.getZeroEmptyRows() ? ReduceKind::SoftmaxZero
                                                  : ReduceKind::Softmax,
                            1, 1)},
        allMaps, ValueRange{op.getQuery(), op.getKey()}, captures,
        ValueRange{op.getValue()}, ValueRange{op.getInit()});
    pairwise.setPrecision(op.getPrecision());

    SmallVector<Type> captureTypes;
    for (Value value : captures)
      captureTypes.push_back(getElementTypeOrSelf(value.getType()));
    SmallVector<Type> scoreTypes = {type};
    llvm::append_range(scoreTypes, captureTypes);
    auto openBlock = [&](Region &region, ArrayRef<Type> types) {
      SmallVector<Location> locs(types.size(), loc);
      return rewriter.createBlock(&region, region.end(), types, locs);
    };
    OpBuilder::InsertionGuard guard(rewriter);
    Block *score = openBlock(pairwise.getScore(), scoreTypes);
    TileBuilder t(rewriter, loc);
    Value s = arith::MulFOp::create(rewriter, loc, score->getArgument(0),
                                    t.constant(type, scale));
    if (op.getSoftcap()) {
      double cap = op.getSoftcap()->convertToDouble();
      s = arith::MulFOp::create(rewriter, loc, s, t.constant(type, 1.0 / cap));
      s = math::TanhOp::create(rewriter, loc, s);
      s = arith::MulFOp::create(rewriter, loc, s, t.constant(type, cap));
    }
    if (floatMask)
      s = arith::AddFOp::create(rewriter, loc, s,
                                t.convert(score->getArgument(1 + mask), type));
    YieldOp::create(rewriter, loc, s);

    bool positions = op.getCausal() || op.getWindowLeft() ||
                     op.getWindowRight() || lengths >= 0;
    if (positions || (mask >= 0 && !floatMask)) {
      Block *block = openBlock(pairwise.getMask(), captureTypes);
      Value all;
      auto require = [&](Value condition) {
        all = all ? arith::AndIOp::create(rewriter, loc, all, condition)
                        .getResult()
                  : condition;
      };
      auto compare = [&](arith::CmpIPredicate predicate, Value x, Value y) {
        require(arith::CmpIOp::create(rewriter, loc, predicate, x, y));
      };
      Value j;
      if (positions)
        j = IndexOp::create(rewriter, loc, 3);
      if (op.getCausal() || op.getWindowLeft() || op.getWindowRight()) {
        Value i = IndexOp::create(rewriter, loc, 2);
        if (offset >= 0)
          i = arith::AddIOp::create(rewriter, loc, i,
                                    block->getArgument(offset));
        if (op.getCausal())
          compare(arith::CmpIPredicate::sle, j, i);
        if (std::optional<uint64_t> left = op.getWindowLeft())
          compare(
              arith::CmpIPredicate::sge, j,
              arith::SubIOp::create(rewriter, loc, i, t.index(int64_t(*left))));
        if (std::optional<uint64_t> right = op.getWindowRight())
          compare(arith::CmpIPredicate::sle, j,
                  arith::AddIOp::create(rewriter, loc, i,
                                        t.index(int64_t(*right))));
      }
      if (lengths >= 0) {
        Value length = block->getArgument(lengths);
        if (!length.getType().isIndex())
          length = arith::IndexCastOp::create(rewriter, loc,
                                              rewriter.getIndexType(), length);
        compare(arith::CmpIPredicate::slt, j, length);
      }
      if (mask >= 0 && !floatMask) {
        Value keep = block->getArgument(mask);
        if (!keep.getType().isInteger(1)) {
          Value zero = t.constant(keep.getType(), 0);
          keep = arith::CmpIOp::create(rewriter, loc, arith::CmpIPredicate::ne,
                                       keep, zero);
        }
        require(keep);
      }
      YieldOp::create(rewriter, loc, all);
    }
    rewriter.replaceOp(op, pairwise.getResults());
    return success();
  }
};

/// Parameters of a kernel function, as both sugar ops carry them.
struct KernelParameters {
  KernelFn kernel;
  double gamma, coef0, degree, alpha;

  template <typename OpTy>
  explicit KernelParameters(OpTy op)
      : kernel(op.getKernel()), gamma(op.getGamma().convertToDouble()),
        coef0(op.getCoef0().convertToDouble()),
        degree(op.getDegree().convertToDouble()),
        alpha(op.getAlpha().convertToDouble()) {}

  InnerKind inner() const {
    switch (kernel) {
    case KernelFn::Laplacian:
    case KernelFn::Cityblock:
      return InnerKind::L1;
    case KernelFn::Linear:
    case KernelFn::Polynomial:
    case KernelFn::Sigmoid:
      return InnerKind::Dot;
    default:
      return InnerKind::SqDist;
    }
  }

  /// The inner reduction's value is the kernel's.
  bool isPlain() const {
    return kernel == KernelFn::Linear || kernel == KernelFn::SqEuclidean ||
           kernel == KernelFn::Cityblock;
  }

  /// k from the inner reduction's value `s`.
  Value score(TileBuilder &t, Value s) const {
    Type type = s.getType();
    OpBuilder &b = t.b;
    Location loc = t.loc;
    auto mul = [&](Value x, Value y) -> Value {
      return arith::MulFOp::create(b, loc, x, y);
    };
    auto add = [&](Value x, Value y) -> Value {
      return arith::AddFOp::create(b, loc, x, y);
    };
    auto scaled = [&](Value x, double factor) {
      return mul(x, t.constant(type, factor));
    };
    auto exp = [&](Value x) -> Value { return math::ExpOp::create(b, loc, x); };
    auto radius = [&](double factor) {
      return scaled(math::SqrtOp::create(b, loc, s), factor);
    };
    switch (kernel) {
    case KernelFn::Gaussian:
    case KernelFn::Laplacian:
      return exp(scaled(s, -gamma));
    case KernelFn::Matern12:
      return exp(radius(-gamma));
    case KernelFn::Matern32: {
      Value r = radius(std::sqrt(3.0) * gamma);
      Value polynomial = add(r, t.constant(type, 1));
      return mul(polynomial, exp(scaled(r, -1)));
    }
    case KernelFn::Matern52: {
      Value r = radius(std::sqrt(5.0) * gamma);
      Value square = scaled(mul(r, r), 1.0 / 3.0);
      Value polynomial = add(add(square, r), t.constant(type, 1));
      return mul(polynomial, exp(scaled(r, -1)));
    }
    case KernelFn::RationalQuadratic: {
      Value base = add(scaled(s, gamma / alpha), t.constant(type, 1));
      return math::PowFOp::create(b, loc, base, t.constant(type, -alpha));
    }
    case KernelFn::Polynomial: {
      Value base = add(scaled(s, gamma), t.constant(type, coef0));
      // Small whole degrees are products: exact for negative bases too.
      if (degree == std::floor(degree) && degree >= 1 && degree <= 8) {
        Value power = base;
        for (int k = 1; k < int(degree); ++k)
          power = mul(power, base);
        return power;
      }
      return math::PowFOp::create(b, loc, base, t.constant(type, degree));
    }
    case KernelFn::Sigmoid:
      return math::TanhOp::create(
          b, loc, add(scaled(s, gamma), t.constant(type, coef0)));
    case KernelFn::Euclidean:
      return math::SqrtOp::create(b, loc, s);
    case KernelFn::Linear:
    case KernelFn::SqEuclidean:
    case KernelFn::Cityblock:
      return s;
    }
    return s;
  }
};

/// Points minus the first right point of each batch entry, in the score type:
/// the common centre of the expanded form.
Value centred(TileBuilder &t, Value points, Value centre, Type type) {
  unsigned rank = cast<RankedTensorType>(points.getType()).getRank();
  SmallVector<unsigned> loops = llvm::to_vector(llvm::seq<unsigned>(0, rank));
  AffineMap identity = t.b.getMultiDimIdentityMap(rank);
  SmallVector<AffineExpr> first(identity.getResults());
  first[rank - 2] = t.b.getAffineConstantExpr(0);
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(t.b, t.loc, centre),
                            zeros, ones;
  zeros.assign(rank, t.b.getIndexAttr(0));
  ones.assign(rank, t.b.getIndexAttr(1));
  sizes[rank - 2] = t.b.getIndexAttr(1);
  Value row =
      tensor::ExtractSliceOp::create(t.b, t.loc, centre, zeros, sizes, ones);
  Value empty = tensor::EmptyOp::create(
      t.b, t.loc, tensor::getMixedSizes(t.b, t.loc, points), type);
  return t.generic(
      loops,
      {{points, identity},
       {row, AffineMap::get(rank, 0, first, t.b.getContext())}},
      {{empty, identity}}, [&](OpBuilder &b, ValueRange v) {
        TileBuilder inner(b, t.loc);
        return SmallVector<Value>{arith::SubFOp::create(
            b, t.loc, inner.convert(v[0], type), inner.convert(v[1], type))};
      })[0];
}

/// Squared norms of the rows.
Value squaredNorms(TileBuilder &t, Value points) {
  auto type = cast<RankedTensorType>(points.getType());
  unsigned rank = type.getRank();
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(t.b, t.loc, points);
  sizes.pop_back();
  Value init =
      t.fill(tensor::EmptyOp::create(t.b, t.loc, sizes, type.getElementType()),
             numberAttr(type.getElementType(), 0));
  AffineMap identity = t.b.getMultiDimIdentityMap(rank);
  return t.generic(
      llvm::to_vector(llvm::seq<unsigned>(0, rank)), {{points, identity}},
      {{init, identity.dropResult(rank - 1)}}, [&](OpBuilder &b, ValueRange v) {
        Value square = arith::MulFOp::create(b, t.loc, v[0], v[0]);
        return SmallVector<Value>{
            arith::AddFOp::create(b, t.loc, v[1], square)};
      })[0];
}

/// Builds the pairwise op of a kernel function; `values` may be null (Gram).
Value buildKernel(PatternRewriter &rewriter, Location loc,
                  const KernelParameters &parameters, Value x, Value y,
                  Value values, Value init, DistanceAlgorithm algorithm,
                  Precision precision) {
  MLIRContext *context = rewriter.getContext();
  auto pointType = cast<RankedTensorType>(x.getType());
  Type type = scoreTypeOf(pointType.getElementType());
  unsigned batch = pointType.getRank() - 2;
  bool hasValueDim =
      values &&
      cast<RankedTensorType>(values.getType()).getRank() == pointType.getRank();
  // Loops: batch..., i, j, f[, d].
  unsigned numLoops = batch + 3 + hasValueDim;
  SmallVector<PairDim> iterators(batch, PairDim::Batch);
  llvm::append_values(iterators, PairDim::Row, PairDim::Col, PairDim::Feature);
  if (hasValueDim)
    iterators.push_back(PairDim::Value);
  auto map = [&](ArrayRef<unsigned> loops) {
    SmallVector<AffineExpr> exprs;
    for (unsigned k = 0; k < batch; ++k)
      exprs.push_back(rewriter.getAffineDimExpr(k));
    for (unsigned loop : loops)
      exprs.push_back(rewriter.getAffineDimExpr(batch + loop));
    return AffineMap::get(numLoops, 0, exprs, context);
  };
  TileBuilder t(rewriter, loc);
  InnerKind inner = parameters.inner();
  // Direct differences unless asked: they cost twice the multiply-adds and are
  // exact at any offset. (D=3, spread 0.1: the uncentred expanded form loses
  // 1e-3 at offset 10, 14% at 100.)
  bool expanded =
      inner == InnerKind::SqDist && algorithm == DistanceAlgorithm::Expanded;
  SmallVector<Value> captures, operands = {x, y};
  SmallVector<AffineMap> maps = {map({0, 2}), map({1, 2})};
  if (expanded) {
    operands = {centred(t, x, y, type), centred(t, y, y, type)};
    captures = {squaredNorms(t, operands[0]), squaredNorms(t, operands[1])};
    llvm::append_values(maps, map({0}), map({1}));
    inner = InnerKind::Dot;
  }
  SmallVector<Value> valueOperands;
  if (values) {
    valueOperands.push_back(values);
    maps.push_back(hasValueDim ? map({1, 3}) : map({1}));
    maps.push_back(hasValueDim ? map({0, 3}) : map({0}));
  } else {
    maps.push_back(map({0, 1}));
  }
  auto pairwise = PairwiseOp::create(
      rewriter, loc, iterators,
      {InnerAttr::get(context, inner, 2, type, Monoid::Sum)},
      {ReductionAttr::get(context, values ? ReduceKind::Sum : ReduceKind::None,
                          values ? 1 : 0, 1)},
      maps, operands, captures, valueOperands, ValueRange{init});
  pairwise.setPrecision(precision);
  if (parameters.isPlain() && !expanded)
    return pairwise.getResult(0);
  OpBuilder::InsertionGuard guard(rewriter);
  SmallVector<Type> types(1 + captures.size(), type);
  SmallVector<Location> locs(types.size(), loc);
  Region &region = pairwise.getScore();
  Block *block = rewriter.createBlock(&region, region.end(), types, locs);
  Value s = block->getArgument(0);
  if (expanded) {
    Value norms = arith::AddFOp::create(rewriter, loc, block->getArgument(1),
                                        block->getArgument(2));
    Value twice = arith::MulFOp::create(rewriter, loc, s, t.constant(type, -2));
    s = arith::AddFOp::create(rewriter, loc, norms, twice);
    s = arith::MaximumFOp::create(rewriter, loc, s, t.constant(type, 0));
  }
  YieldOp::create(rewriter, loc, parameters.score(t, s));
  return pairwise.getResult(0);
}

struct LowerGram : public OpRewritePattern<GramOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(GramOp op,
                                PatternRewriter &rewriter) const override {
    rewriter.replaceOp(op,
                       buildKernel(rewriter, op.getLoc(), KernelParameters(op),
                                   op.getX(), op.getY(), Value(), op.getInit(),
                                   op.getAlgorithm(), op.getPrecision()));
    return success();
  }
};

struct LowerKernelMatvec : public OpRewritePattern<KernelMatvecOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(KernelMatvecOp op,
                                PatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, buildKernel(rewriter, op.getLoc(),
                                       KernelParameters(op), op.getX(),
                                       op.getY(), op.getValues(), op.getInit(),
                                       op.getAlgorithm(), op.getPrecision()));
    return success();
  }
};

} // namespace

void mercer::populateLowerKernelSugarPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerAttention, LowerGram, LowerKernelMatvec>(
      patterns.getContext());
}
