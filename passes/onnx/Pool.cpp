// Pooling: mercer.window with the bounds rule of each reduction.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

#include "dialects/mercer/IR/Mercer.h"

#include <limits>

namespace mercer::lowering {

namespace {

using Combine = llvm::function_ref<Value(Scalar &, Value acc, Value x)>;

/// out[n,c,p] = combine over r of x[n, c, p * stride + r * dilation - low],
/// with `outside` for reads beyond the borders; starts at `start`.
TValue pool(Lowering &L, TValue x, const Window &w, TypedAttr outside,
            Combine combine) {
  unsigned k = w.kernel.size(), loops = 2 + 2 * k;
  Sizes sizes = {L.dim(x.value, 0), L.dim(x.value, 1)};
  sizes.append(w.outSizes.begin(), w.outSizes.end());
  SmallVector<AffineExpr> in = {L.b.getAffineDimExpr(0),
                                L.b.getAffineDimExpr(1)};
  SmallVector<AffineExpr> out = in;
  SmallVector<int64_t> extents(2 + k, -1);
  for (unsigned i = 0; i < k; ++i) {
    AffineExpr p = L.b.getAffineDimExpr(2 + i),
               r = L.b.getAffineDimExpr(2 + k + i);
    in.push_back(p * w.strides[i] + r * w.dilations[i] - w.low[i]);
    out.push_back(p);
    extents.push_back(w.kernel[i]);
  }
  Value start = arith::ConstantOp::create(L.b, L.loc, outside);
  Value init = L.filled(sizes, start);
  auto bounds = BoundsAttr::get(L.ctx(), BoundsKind::Value, outside);
  auto op = WindowOp::create(L.b, L.loc,
                             {AffineMap::get(loops, 0, in, L.ctx()),
                              AffineMap::get(loops, 0, out, L.ctx())},
                             {bounds}, extents, ValueRange{x.value}, init);
  {
    OpBuilder::InsertionGuard guard(L.b);
    Type e = storageType(x.dtype, L.ctx());
    Region &region = op.getReduce();
    if (!region.empty())
      region.getBlocks().clear();
    Block *body = L.b.createBlock(&region, {}, {e, e}, {L.loc, L.loc});
    Scalar inner{L.b, L.loc};
    Value r = combine(inner, body->getArgument(0), body->getArgument(1));
    YieldOp::create(L.b, L.loc, ValueRange{r});
  }
  Value r = op->getResult(0);
  L.setDims(r, sizes);
  return {r, x.dtype};
}

FailureOr<Window> poolWindow(Context &c, Node &n) {
  int64_t rank = c.L.rank(n.in(0).value);
  Ints kernel = n.ints("kernel_shape");
  if (rank < 3 || rank > 5 || static_cast<int64_t>(kernel.size()) != rank - 2)
    return n.fail(
        InvalidShape,
        "input has rank " + Twine(rank) + " and the kernel shape " +
            Twine(kernel.size()) +
            " values; supported are ranks 3 to 5 with rank - 2 values");
  return windowOf(c, n, n.in(0).value, kernel, n.i("ceil_mode", 0));
}

TypedAttr lowest(Lowering &L, DType t) {
  Type e = storageType(t, L.ctx());
  if (isFloat(t))
    return L.b.getFloatAttr(e, -std::numeric_limits<double>::infinity());
  unsigned w = bitWidth(t);
  return L.b.getIntegerAttr(e, isUnsigned(t) ? APInt::getMinValue(w)
                                             : APInt::getSignedMinValue(w));
}

/// Flat index of the first maximum of each window.
TValue maxIndices(Lowering &L, TValue x, TValue y, const Window &w,
                  bool columnMajor) {
  unsigned k = w.kernel.size(), loops = 2 + 2 * k;
  DType t = x.dtype;
  SmallVector<AffineExpr> outExprs, windowExprs;
  SmallVector<utils::IteratorType> iters(loops, utils::IteratorType::parallel);
  for (unsigned i = 0; i < 2 + k; ++i)
    outExprs.push_back(L.b.getAffineDimExpr(i));
  for (unsigned i = 0; i < k; ++i) {
    windowExprs.push_back(L.b.getAffineDimExpr(2 + k + i));
    iters[2 + k + i] = utils::IteratorType::reduction;
  }
  AffineMap outMap = AffineMap::get(loops, 0, outExprs, L.ctx());
  AffineMap windowMap = AffineMap::get(loops, 0, windowExprs, L.ctx());
  Sizes kernelSizes;
  for (int64_t v : w.kernel)
    kernelSizes.push_back(L.idx(v));
  // Carries the window's extents only; never read.
  Value shape = L.empty(kernelSizes, L.b.getI8Type());
  Scalar host = L.scalar();
  Value none =
      host.integer(L.b.getI64Type(), std::numeric_limits<int64_t>::max());
  SmallVector<Value> extent;
  for (OpFoldResult s : L.dims(x.value))
    extent.push_back(L.asValue(s));
  Value init = L.filled(L.dims(y.value), none);
  Value r = L.generic(
      {y.value, shape}, {outMap, windowMap}, init, outMap, iters,
      [&](Scalar &s, ValueRange a) {
        auto index = [&](unsigned i) -> Value {
          return linalg::IndexOp::create(s.b, s.loc, i);
        };
        SmallVector<Value> at = {index(0), index(1)};
        Value inside = s.integer(s.b.getI1Type(), 1);
        for (unsigned i = 0; i < k; ++i) {
          Value p = s.add(s.mul(index(2 + i), s.index(w.strides[i])),
                          s.mul(index(2 + k + i), s.index(w.dilations[i])));
          p = s.sub(p, s.index(w.low[i]));
          Value ok = s.logicalAnd(s.cmpIndex(Scalar::GE, p, s.index(0)),
                                  s.cmpIndex(Scalar::LT, p, extent[2 + i]));
          inside = s.logicalAnd(inside, ok);
          at.push_back(s.select(ok, p, s.index(0)));
        }
        Value v = L.extract(s, x.value, at);
        Value hit = s.logicalAnd(inside, s.cmp(t, Scalar::EQ, v, a[0]));
        Value flat = s.add(s.mul(at[0], extent[1]), at[1]);
        if (columnMajor) {
          Value spatial = at.back();
          for (unsigned i = k - 1; i-- > 0;)
            spatial = s.add(s.mul(spatial, extent[2 + i]), at[2 + i]);
          for (unsigned i = 0; i < k; ++i)
            flat = s.mul(flat, extent[2 + i]);
          flat = s.add(flat, spatial);
        } else {
          for (unsigned i = 0; i < k; ++i)
            flat = s.add(s.mul(flat, extent[2 + i]), at[2 + i]);
        }
        Value i64 = s.fromIndex(flat, DType::I64);
        return s.select(hit, s.min(DType::I64, a[2], i64), a[2]);
      });
  return {r, DType::I64};
}

LogicalResult lowerMaxPool(Context &c, Node &n) {
  TValue x = n.in(0);
  FailureOr<Window> w = poolWindow(c, n);
  if (failed(w))
    return failure();
  TValue y =
      pool(c.L, x, *w, lowest(c.L, x.dtype),
           [&](Scalar &s, Value a, Value v) { return s.max(x.dtype, a, v); });
  SmallVector<TValue> out = {y};
  if (n.numOutputs() > 1)
    out.push_back(maxIndices(c.L, x, y, *w, n.i("storage_order", 0)));
  return n.done(out);
}

TValue sumPool(Lowering &L, TValue x, const Window &w) {
  TypedAttr zero =
      isFloat(x.dtype)
          ? TypedAttr(L.b.getFloatAttr(storageType(x.dtype, L.ctx()), 0))
          : TypedAttr(L.b.getIntegerAttr(storageType(x.dtype, L.ctx()), 0));
  return pool(L, x, w, zero,
              [](Scalar &s, Value a, Value v) { return s.add(a, v); });
}

LogicalResult lowerAveragePool(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  if (!isFloat(x.dtype))
    return n.failType(0, "a floating-point type");
  FailureOr<Window> w = poolWindow(c, n);
  if (failed(w))
    return failure();
  DType t = x.dtype, acc = accumulatorType(t);
  bool includePad = n.i("count_include_pad", 0), ceil = n.i("ceil_mode", 0);
  TValue sum = sumPool(L, L.castTo(x, acc), *w);
  bool padded = ceil;
  int64_t full = 1;
  for (size_t i = 0; i < w->kernel.size(); ++i) {
    padded |= !includePad && (w->low[i] || w->high[i]);
    full *= w->kernel[i];
  }
  if (!padded)
    return n.doneMap(L.map({sum}, t, [&](Scalar &s, ValueRange a) {
      return s.cast(s.div(acc, a[0], s.number(acc, full)), acc, t);
    }));
  SmallVector<Value> extent;
  for (OpFoldResult s : L.dims(x.value))
    extent.push_back(L.asValue(s));
  return n.doneMap(L.map({sum}, t, [&](Scalar &s, ValueRange a) {
    // Elements of the window that count: window steps between the borders.
    Value count = s.index(1);
    for (size_t i = 0; i < w->kernel.size(); ++i) {
      Value p = linalg::IndexOp::create(s.b, s.loc, 2 + i);
      Value start = s.sub(s.mul(p, s.index(w->strides[i])), s.index(w->low[i]));
      Value step = s.index(w->dilations[i]), zero = s.index(0);
      auto stepsTo = [&](Value distance) {
        Value d = s.max(DType::I64, distance, zero);
        return s.div(DType::U64, s.add(d, s.index(w->dilations[i] - 1)), step);
      };
      Value end = includePad ? s.add(extent[2 + i], s.index(w->high[i]))
                             : extent[2 + i];
      Value last =
          s.min(DType::I64, s.index(w->kernel[i]), stepsTo(s.sub(end, start)));
      Value first = includePad ? zero : stepsTo(s.sub(zero, start));
      count = s.mul(count, s.sub(last, first));
    }
    return s.cast(s.div(acc, a[0], s.fromIndex(count, acc)), acc, t);
  }));
}

Value power(Scalar &s, DType t, Value x, double p) {
  if (p == 1)
    return x;
  if (p == 2)
    return s.mul(x, x);
  return s.bin<math::PowFOp>(x, s.number(t, p));
}
Value root(Scalar &s, DType t, Value x, double p) {
  if (p == 1)
    return x;
  if (p == 2)
    return s.un<math::SqrtOp>(x);
  return s.bin<math::PowFOp>(x, s.number(t, 1 / p));
}

TValue absPower(Lowering &L, TValue x, double p) {
  DType acc = accumulatorType(x.dtype);
  return L.map({x}, acc, [&](Scalar &s, ValueRange a) {
    return power(s, acc, s.un<math::AbsFOp>(s.cast(a[0], x.dtype, acc)), p);
  });
}

LogicalResult finishRoot(Lowering &L, Node &n, TValue sum, double p) {
  return n.doneMap(L.map({sum}, n.in(0).dtype, [&](Scalar &s, ValueRange a) {
    return s.cast(root(s, sum.dtype, a[0], p), sum.dtype, n.in(0).dtype);
  }));
}

LogicalResult lowerLpPool(Context &c, Node &n) {
  TValue x = n.in(0);
  if (!isFloat(x.dtype))
    return n.failType(0, "a floating-point type");
  FailureOr<Window> w = poolWindow(c, n);
  if (failed(w))
    return failure();
  double p = n.i("p", 2);
  return finishRoot(c.L, n, sumPool(c.L, absPower(c.L, x, p), *w), p);
}

FailureOr<Ints> spatialAxes(Context &c, Node &n) {
  int64_t rank = c.L.rank(n.in(0).value);
  if (rank < 3)
    return n.fail(InvalidShape,
                  "input has rank " + Twine(rank) + ", expected at least 3");
  Ints axes;
  for (int64_t i = 2; i < rank; ++i)
    axes.push_back(i);
  return axes;
}

LogicalResult lowerGlobalAveragePool(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  FailureOr<Ints> axes = spatialAxes(c, n);
  if (failed(axes))
    return failure();
  TValue sum = L.sum(x, *axes, false);
  OpFoldResult count = L.idx(1);
  for (int64_t a : *axes)
    count = L.mul(count, L.dim(x.value, a));
  std::optional<int64_t> k = L.number(count);
  Value divisor = k ? L.scalar().number(sum.dtype, *k)
                    : L.scalar().fromIndex(L.asValue(count), sum.dtype);
  TValue mean = L.map({sum}, x.dtype, [&](Scalar &s, ValueRange a) {
    return s.cast(s.div(sum.dtype, a[0], divisor), sum.dtype, x.dtype);
  });
  return n.done(L.keepDims(mean, x.value, *axes));
}

LogicalResult lowerGlobalMaxPool(Context &c, Node &n) {
  FailureOr<Ints> axes = spatialAxes(c, n);
  return failed(axes) ? failure() : n.done(c.L.maximum(n.in(0), *axes, true));
}

LogicalResult lowerGlobalLpPool(Context &c, Node &n) {
  FailureOr<Ints> axes = spatialAxes(c, n);
  if (failed(axes))
    return failure();
  double p = n.i("p", 2);
  return finishRoot(c.L, n, c.L.sum(absPower(c.L, n.in(0), p), *axes, true), p);
}

} // namespace

void registerPool(Registry &r) {
  r.add("MaxPool", lowerMaxPool);
  r.add("AveragePool", lowerAveragePool);
  r.add("LpPool", lowerLpPool, 2);
  r.add("GlobalAveragePool", lowerGlobalAveragePool);
  r.add("GlobalMaxPool", lowerGlobalMaxPool);
  r.add("GlobalLpPool", lowerGlobalLpPool, 2);
}

} // namespace mercer::lowering
