// Normalisations: mean, variance and the scaled difference, each its own step.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

#include "dialects/mercer/IR/Mercer.h"

namespace mercer::lowering {

namespace {

/// Number of elements along `axes` as a scalar of type `t`.
Value countOf(Lowering &L, Value v, ArrayRef<int64_t> axes, DType t) {
  OpFoldResult count = L.idx(1);
  for (int64_t a : axes)
    count = L.mul(count, L.dim(v, a));
  if (std::optional<int64_t> k = L.number(count))
    return L.scalar().number(t, static_cast<double>(*k));
  return L.scalar().fromIndex(L.asValue(count), t);
}

/// [C] as [1, C, 1, ...] against a tensor of `rank`.
TValue perChannel(Lowering &L, TValue v, int64_t rank) {
  Sizes sizes(rank, L.idx(1));
  sizes[1] = L.dim(v.value, 0);
  return L.reshape(v, sizes);
}

/// Mean and variance come without the reduced dims.
TValue meanOver(Lowering &L, TValue x, ArrayRef<int64_t> axes) {
  TValue sum = L.sum(x, axes, false);
  Value count = countOf(L, x.value, axes, sum.dtype);
  return L.map({sum}, sum.dtype, [&](Scalar &s, ValueRange a) {
    return s.div(sum.dtype, a[0], count);
  });
}

TValue varianceOver(Lowering &L, TValue x, TValue mean,
                    ArrayRef<int64_t> axes) {
  DType w = accumulatorType(x.dtype);
  TValue square =
      L.map(mean ? SmallVector<TValue>{x, mean} : SmallVector<TValue>{x}, w,
            [&](Scalar &s, ValueRange a) {
              Value d = s.cast(a[0], x.dtype, w);
              if (mean)
                d = s.sub(d, a[1]);
              return s.mul(d, d);
            });
  return meanOver(L, square, axes);
}

TValue inverseDeviation(Lowering &L, TValue variance, double eps) {
  DType w = variance.dtype;
  return L.map({variance}, w, [&](Scalar &s, ValueRange a) {
    Value root = s.un<math::SqrtOp>(s.add(a[0], s.number(w, eps)));
    return s.div(w, s.number(w, 1), root);
  });
}

} // namespace

Normalized normalizeOver(Lowering &L, TValue x, ArrayRef<int64_t> axes,
                         double eps, bool centre) {
  Normalized r;
  DType w = accumulatorType(x.dtype);
  if (centre)
    r.mean = L.keepDims(meanOver(L, x, axes), x.value, axes);
  TValue variance = varianceOver(L, x, r.mean, axes);
  r.inverse = L.keepDims(inverseDeviation(L, variance, eps), x.value, axes);
  SmallVector<TValue> ins = {x, r.inverse};
  if (centre)
    ins.push_back(r.mean);
  r.value = L.map(ins, w, [&](Scalar &s, ValueRange a) {
    Value d = s.cast(a[0], x.dtype, w);
    if (centre)
      d = s.sub(d, a[2]);
    return s.mul(d, a[1]);
  });
  return r;
}

namespace {

/// value * scale + bias in the type of `value`, converted to `t`.
TValue scaleShift(Lowering &L, TValue v, TValue scale, TValue bias, DType t) {
  SmallVector<TValue> ins = {v};
  if (scale)
    ins.push_back(scale);
  if (bias)
    ins.push_back(bias);
  DType w = v.dtype;
  return L.map(ins, t, [&](Scalar &s, ValueRange a) {
    Value r = a[0];
    if (scale)
      r = s.mul(r, s.cast(a[1], scale.dtype, w));
    if (bias)
      r = s.add(r, s.cast(a.back(), bias.dtype, w));
    return s.cast(r, w, t);
  });
}

LogicalResult needFloat(Node &n) {
  return isFloat(n.in(0).dtype) ? success()
                                : n.failType(0, "a floating-point type");
}

LogicalResult lowerBatchNorm(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), scale = n.in(1), bias = n.in(2), mean = n.in(3),
         var = n.in(4);
  int64_t rank = L.rank(x.value);
  if (failed(needFloat(n)))
    return failure();
  if (rank < 2)
    return n.fail(InvalidShape,
                  "input has rank " + Twine(rank) + ", expected at least 2");
  double eps = n.f("epsilon", 1e-5);
  DType t = x.dtype, w = accumulatorType(t);
  if (n.i("training_mode", 0)) {
    Ints axes = {0};
    for (int64_t i = 2; i < rank; ++i)
      axes.push_back(i);
    double momentum = n.f("momentum", 0.9);
    TValue m = L.keepDims(meanOver(L, x, axes), x.value, axes);
    TValue v = varianceOver(L, x, m, axes);
    TValue inverse = L.keepDims(inverseDeviation(L, v, eps), x.value, axes);
    TValue y = L.map(
        {x, m, inverse, perChannel(L, scale, rank), perChannel(L, bias, rank)},
        t, [&](Scalar &s, ValueRange a) {
          Value d = s.mul(s.sub(s.cast(a[0], t, w), a[1]), a[2]);
          d = s.mul(d, s.cast(a[3], scale.dtype, w));
          return s.cast(s.add(d, s.cast(a[4], bias.dtype, w)), w, t);
        });
    auto running = [&](TValue old, TValue now) {
      now = L.reshape(now, {L.dim(x.value, 1)});
      return L.map({old, now}, old.dtype, [&](Scalar &s, ValueRange a) {
        Value o = s.mul(s.cast(a[0], old.dtype, w), s.number(w, momentum));
        return s.cast(s.add(o, s.mul(a[1], s.number(w, 1 - momentum))), w,
                      old.dtype);
      });
    };
    return n.done({y, running(mean, m), running(var, v)});
  }
  // Scale and shift of each channel are a function of parameters alone: they
  // are computed with the constants.
  DType p = accumulatorType(scale.dtype);
  TValue factor = L.map({scale, var}, p, [&](Scalar &s, ValueRange a) {
    Value root =
        s.un<math::SqrtOp>(s.add(s.cast(a[1], var.dtype, p), s.number(p, eps)));
    return s.div(p, s.cast(a[0], scale.dtype, p), root);
  });
  if (!factor)
    return n.doneMap(factor);
  TValue shift = L.map({bias, mean, factor}, p, [&](Scalar &s, ValueRange a) {
    return s.sub(s.cast(a[0], bias.dtype, p),
                 s.mul(s.cast(a[1], mean.dtype, p), a[2]));
  });
  if (!shift)
    return n.doneMap(shift);
  return n.doneMap(
      L.map({x, perChannel(L, factor, rank), perChannel(L, shift, rank)}, t,
            [&](Scalar &s, ValueRange a) {
              Value r = s.mul(s.cast(a[0], t, w), s.cast(a[1], p, w));
              return s.cast(s.add(r, s.cast(a[2], p, w)), w, t);
            }));
}

/// LayerNormalization and RMSNormalization: axes from `axis` to the last.
template <bool Centre> LogicalResult lowerLayerNorm(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  if (failed(needFloat(n)))
    return failure();
  int64_t rank = L.rank(x.value);
  FailureOr<int64_t> first = n.axis(n.i("axis", -1), rank);
  if (failed(first))
    return failure();
  Ints axes;
  for (int64_t i = *first; i < rank; ++i)
    axes.push_back(i);
  Normalized r = normalizeOver(L, x, axes, n.f("epsilon", 1e-5), Centre);
  TValue y =
      scaleShift(L, r.value, n.in(1), Centre ? n.in(2) : TValue(), x.dtype);
  if (!y)
    return n.doneMap(y);
  SmallVector<TValue> out = {y};
  if (Centre && n.numOutputs() > 1) {
    out.push_back(r.mean);
    out.push_back(r.inverse);
  }
  return n.done(out);
}

LogicalResult lowerInstanceNorm(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  if (failed(needFloat(n)))
    return failure();
  int64_t rank = L.rank(x.value);
  if (rank < 3)
    return n.fail(InvalidShape,
                  "input has rank " + Twine(rank) + ", expected at least 3");
  Ints axes;
  for (int64_t i = 2; i < rank; ++i)
    axes.push_back(i);
  Normalized r = normalizeOver(L, x, axes, n.f("epsilon", 1e-5), true);
  return n.doneMap(scaleShift(L, r.value, perChannel(L, n.in(1), rank),
                              perChannel(L, n.in(2), rank), x.dtype));
}

LogicalResult lowerGroupNorm(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), scale = n.in(1), bias = n.in(2);
  if (failed(needFloat(n)))
    return failure();
  int64_t rank = L.rank(x.value), groups = n.i("num_groups", 0);
  std::optional<int64_t> channels =
      rank >= 2 ? L.number(L.dim(x.value, 1)) : std::nullopt;
  if (!channels || groups <= 0 || *channels % groups)
    return n.fail(InvalidAttribute, "num_groups is " + Twine(groups) + " for " +
                                        Twine(channels.value_or(-1)) +
                                        " channels");
  int64_t per = *channels / groups;
  Sizes sizes = L.dims(x.value),
        grouped = {sizes[0], L.idx(groups), L.idx(per)};
  grouped.append(sizes.begin() + 2, sizes.end());
  Ints axes;
  for (int64_t i = 2; i < rank + 1; ++i)
    axes.push_back(i);
  Normalized r =
      normalizeOver(L, L.reshape(x, grouped), axes, n.f("epsilon", 1e-5), true);
  // One scale a group up to opset 20, one a channel after.
  auto shaped = [&](TValue v) {
    Sizes s(rank + 1, L.idx(1));
    s[1] = L.idx(groups);
    if (L.isConst(L.dim(v.value, 0), *channels) && *channels != groups)
      s[2] = L.idx(per);
    else if (*channels == groups)
      s[2] = L.idx(1);
    return L.reshape(v, s);
  };
  TValue y = scaleShift(L, r.value, shaped(scale), shaped(bias), x.dtype);
  return y ? n.done(L.reshape(y, sizes)) : n.doneMap(y);
}

LogicalResult lowerLpNorm(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  if (failed(needFloat(n)))
    return failure();
  int64_t p = n.i("p", 2);
  FailureOr<int64_t> axis = n.axis(n.i("axis", -1), L.rank(x.value));
  if (failed(axis))
    return failure();
  if (p != 1 && p != 2)
    return n.fail(InvalidAttribute, "p is " + Twine(p) + ", expected 1 or 2");
  DType t = x.dtype, w = accumulatorType(t);
  TValue sum =
      L.reduce(x, {*axis}, true, w, L.scalar().number(w, 0),
               [&](Scalar &s, Value a, Value v) {
                 return s.add(a, p == 1 ? s.un<math::AbsFOp>(v) : s.mul(v, v));
               });
  return n.doneMap(L.map({x, sum}, t, [&](Scalar &s, ValueRange a) {
    Value norm = p == 1 ? a[1] : s.un<math::SqrtOp>(a[1]);
    Value r = s.div(w, s.cast(a[0], t, w), norm);
    // A vector of zeros stays zero.
    Value zero = s.number(w, 0);
    r = s.select(s.cmp(w, Scalar::EQ, norm, zero), zero, r);
    return s.cast(r, w, t);
  }));
}

LogicalResult lowerMVN(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  if (failed(needFloat(n)))
    return failure();
  FailureOr<Ints> axes = n.axes(n.ints("axes", {0, 2, 3}), L.rank(x.value));
  if (failed(axes))
    return failure();
  llvm::sort(*axes);
  DType t = x.dtype, w = accumulatorType(t);
  TValue m = L.keepDims(meanOver(L, x, *axes), x.value, *axes);
  TValue v = L.keepDims(varianceOver(L, x, m, *axes), x.value, *axes);
  return n.doneMap(L.map({x, m, v}, t, [&](Scalar &s, ValueRange a) {
    Value d = s.sub(s.cast(a[0], t, w), a[1]);
    Value r = s.div(w, d, s.add(s.un<math::SqrtOp>(a[2]), s.number(w, 1e-9)));
    return s.cast(r, w, t);
  }));
}

LogicalResult lowerLRN(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  if (failed(needFloat(n)))
    return failure();
  int64_t rank = L.rank(x.value), size = n.i("size", 0);
  if (rank < 2 || size <= 0)
    return n.fail(InvalidAttribute,
                  "size is " + Twine(size) + " for rank " + Twine(rank));
  DType t = x.dtype, w = accumulatorType(t);
  TValue square = L.map({x}, w, [&](Scalar &s, ValueRange a) {
    Value v = s.cast(a[0], t, w);
    return s.mul(v, v);
  });
  // A window along channels; channels outside count as zero.
  SmallVector<AffineExpr> in, out;
  SmallVector<int64_t> extents(rank, -1);
  extents.push_back(size);
  for (int64_t i = 0; i < rank; ++i) {
    out.push_back(L.b.getAffineDimExpr(i));
    in.push_back(out.back());
  }
  in[1] = in[1] + L.b.getAffineDimExpr(rank) - (size - 1) / 2;
  Sizes sizes = L.dims(x.value);
  Value init = L.filled(sizes, L.scalar().number(w, 0));
  auto op = WindowOp::create(
      L.b, L.loc,
      {AffineMap::get(rank + 1, 0, in, L.ctx()),
       AffineMap::get(rank + 1, 0, out, L.ctx())},
      {BoundsAttr::get(L.ctx(), BoundsKind::Zero, TypedAttr())}, extents,
      ValueRange{square.value}, init);
  Value sum = op->getResult(0);
  L.setDims(sum, sizes);
  double alpha = n.f("alpha", 1e-4), beta = n.f("beta", 0.75),
         bias = n.f("bias", 1);
  return n.doneMap(L.map({x, TValue{sum, w}}, t, [&](Scalar &s, ValueRange a) {
    Value base =
        s.add(s.mul(a[1], s.number(w, alpha / size)), s.number(w, bias));
    Value r = s.div(w, s.cast(a[0], t, w),
                    s.bin<math::PowFOp>(base, s.number(w, beta)));
    return s.cast(r, w, t);
  }));
}

} // namespace

void registerNormalize(Registry &r) {
  r.add("BatchNormalization", lowerBatchNorm, 7);
  r.add("LayerNormalization", lowerLayerNorm<true>);
  r.add("LayerNormalization", lowerLayerNorm<true>, 1,
        onnx::NodeOp::kMercerDomain);
  r.add("RMSNormalization", lowerLayerNorm<false>);
  r.add("RMSNormalization", lowerLayerNorm<false>, 1,
        onnx::NodeOp::kMercerDomain);
  r.add("InstanceNormalization", lowerInstanceNorm, 6);
  r.add("GroupNormalization", lowerGroupNorm);
  r.add("GroupNormalization", lowerGroupNorm, 1, onnx::NodeOp::kMercerDomain);
  r.add("LpNormalization", lowerLpNorm);
  r.add("MeanVarianceNormalization", lowerMVN);
  r.add("LRN", lowerLRN);
}

} // namespace mercer::lowering
