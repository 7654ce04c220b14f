// Reductions, arg-reductions, softmax family, hardmax.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

#include "llvm/ADT/bit.h"

#include <limits>

namespace mercer::lowering {

FailureOr<Ints> reductionAxes(Context &c, Node &n, bool fromInput) {
  TValue x = n.in(0);
  int64_t rank = c.L.rank(x.value);
  Ints axes;
  if (fromInput && n.has(1)) {
    std::optional<Ints> v = c.L.constInts(n.in(1));
    if (!v) {
      // An empty list that arrives at run time still means "none given".
      if (c.L.type(n.in(1).value).getNumElements() != 0)
        return n.fail(UnsupportedOperator,
                      "axes are computed at run time; supported are "
                      "constant axes");
      v = Ints();
    }
    axes = *v;
  } else if (!fromInput) {
    axes = n.ints("axes");
  }
  if (axes.empty()) {
    if (n.i("noop_with_empty_axes"))
      return Ints();
    for (int64_t i = 0; i < rank; ++i)
      axes.push_back(i);
    return axes;
  }
  FailureOr<Ints> r = n.axes(axes, rank);
  if (succeeded(r))
    llvm::sort(*r);
  return r;
}

namespace {

enum class Kind {
  Sum,
  Mean,
  Prod,
  Max,
  Min,
  L1,
  L2,
  SumSquare,
  LogSum,
  LogSumExp
};

/// The smallest (or largest) value of a type as a host constant.
Value extreme(Lowering &L, DType t, bool lowest) {
  Type e = storageType(t, L.ctx());
  if (isFloat(t)) {
    double inf = std::numeric_limits<double>::infinity();
    return L.scalar().real(e, lowest ? -inf : inf);
  }
  unsigned w = bitWidth(t);
  APInt v = t == DType::Bool ? APInt(8, lowest ? 0 : 1)
            : isUnsigned(t)
                ? (lowest ? APInt::getMinValue(w) : APInt::getMaxValue(w))
                : (lowest ? APInt::getSignedMinValue(w)
                          : APInt::getSignedMaxValue(w));
  return arith::ConstantOp::create(L.b, L.loc, L.b.getIntegerAttr(e, v));
}

/// One reduction over known axes, in the type of the operand.
template <Kind K>
FailureOr<TValue> reduceOver(Context &c, Node &n, ArrayRef<int64_t> axes,
                             bool keep) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  DType t = x.dtype;
  DType acc = accumulatorType(t);
  if (K == Kind::Mean && !isFloat(t))
    acc = t;
  if (axes.empty() && L.rank(x.value) > 0) {
    // noop_with_empty_axes: only the elementwise part of the operator remains.
    return TValue(L.map({x}, t, [&](Scalar &s, ValueRange a) {
      Value v = s.cast(a[0], t, acc);
      if (K == Kind::SumSquare)
        v = s.mul(v, v);
      if (K == Kind::L1 || K == Kind::L2)
        v = isFloat(acc) ? s.un<math::AbsFOp>(v) : s.max(acc, v, s.neg(v));
      if (K == Kind::LogSum)
        v = s.un<math::LogOp>(v);
      return s.cast(v, acc, t);
    }));
  }
  Value init;
  if (K == Kind::Max || K == Kind::Min)
    init = extreme(L, acc, K == Kind::Max);
  else
    init = L.scalar().number(acc, K == Kind::Prod ? 1 : 0);

  TValue shift;
  if (K == Kind::LogSumExp) {
    if (!isFloat(t))
      return n.failType(0, "a floating-point type");
    // exp(x - max) cannot overflow; an infinite maximum would give NaN.
    TValue m =
        L.reduce(x, axes, false, acc, extreme(L, acc, true),
                 [&](Scalar &s, Value a, Value v) { return s.max(acc, a, v); });
    shift = L.map({m}, acc, [&](Scalar &s, ValueRange a) {
      Value finite =
          s.cmp(acc, Scalar::LT, s.un<math::AbsFOp>(a[0]),
                s.number(acc, std::numeric_limits<double>::infinity()));
      return s.select(finite, a[0], s.number(acc, 0));
    });
    x = L.map({x, L.keepDims(shift, x.value, axes)}, acc,
              [&](Scalar &s, ValueRange a) {
                return s.un<math::ExpOp>(s.sub(s.cast(a[0], t, acc), a[1]));
              });
    t = acc;
  }
  TValue r =
      L.reduce(x, axes, false, acc, init, [&](Scalar &s, Value a, Value v) {
        switch (K) {
        case Kind::Prod:
          return s.mul(a, v);
        case Kind::Max:
          return s.max(acc, a, v);
        case Kind::Min:
          return s.min(acc, a, v);
        case Kind::L1:
          return s.add(a, isFloat(acc) ? s.un<math::AbsFOp>(v)
                                       : s.max(acc, v, s.neg(v)));
        case Kind::L2:
        case Kind::SumSquare:
          return s.add(a, s.mul(v, v));
        default:
          return s.add(a, v);
        }
      });
  if (K == Kind::Mean) {
    OpFoldResult count = L.idx(1);
    for (int64_t a : axes)
      count = L.mul(count, L.dim(x.value, a));
    Value divisor;
    if (std::optional<int64_t> k = L.number(count))
      divisor = L.scalar().number(acc, static_cast<double>(*k));
    else
      divisor = L.scalar().fromIndex(L.asValue(count), acc);
    r = L.map({r}, acc, [&](Scalar &s, ValueRange a) {
      return s.div(acc, a[0], divisor);
    });
  }
  if (K == Kind::L2)
    r = L.map({r}, acc, [&](Scalar &s, ValueRange a) {
      if (isFloat(acc))
        return s.un<math::SqrtOp>(a[0]);
      return s.cast(s.un<math::SqrtOp>(s.cast(a[0], acc, DType::F64)),
                    DType::F64, acc);
    });
  if (K == Kind::LogSum || K == Kind::LogSumExp)
    r = L.map({r}, acc, [&](Scalar &s, ValueRange a) {
      if (isFloat(acc))
        return s.un<math::LogOp>(a[0]);
      return s.cast(s.un<math::LogOp>(s.cast(a[0], acc, DType::F64)),
                    DType::F64, acc);
    });
  if (K == Kind::LogSumExp) {
    r = L.map({r, shift}, acc,
              [](Scalar &s, ValueRange a) { return s.add(a[0], a[1]); });
  }
  // The kept dims are a view, put on last: a consumer reads what is below it.
  r = L.castTo(r, n.in(0).dtype);
  return keep ? L.keepDims(r, n.in(0).value, axes) : r;
}

/// Axes that arrive with the data: every set of axes that fits the declared
/// shape is reduced, and the host chooses by the axes it reads.
template <Kind K>
LogicalResult reduceRuntimeAxes(Context &c, Node &n, bool keep) {
  Lowering &L = c.L;
  int64_t rank = L.rank(n.in(0).value);
  std::optional<Sizes> axes = L.asScalars(n.in(1));
  std::optional<Ints> declared = n.declaredShape(0);
  if (!axes || rank > 6)
    return n.fail(UnsupportedOperator,
                  "axes are computed at run time for rank " + Twine(rank) +
                      "; supported are constant axes");
  Scalar s = L.scalar();
  SmallVector<Value> wanted;
  for (OpFoldResult a : *axes)
    wanted.push_back(wrapIndex(s, L.asValue(a), s.index(rank)));
  TValue result;
  for (unsigned set = 0; set < (1u << rank); ++set) {
    if (static_cast<size_t>(llvm::popcount(set)) != axes->size())
      continue;
    Ints candidate, shape;
    for (int64_t d = 0; d < rank; ++d) {
      bool reduced = (set >> d) & 1;
      if (reduced)
        candidate.push_back(d);
      if (reduced && keep)
        shape.push_back(1);
      else if (!reduced)
        shape.push_back(
            L.number(L.dim(n.in(0).value, d)).value_or(ShapedType::kDynamic));
    }
    if (declared && shape != *declared)
      continue;
    FailureOr<TValue> r = reduceOver<K>(c, n, candidate, keep);
    if (failed(r))
      return failure();
    if (!result) {
      result = *r;
      continue;
    }
    if (L.type(result.value) != L.type(r->value))
      return n.fail(UnsupportedOperator,
                    "axes are computed at run time and the result's "
                    "shape is not declared; supported are constant axes");
    Value hit = s.integer(L.b.getI1Type(), 1);
    for (Value a : wanted) {
      Value one = s.integer(L.b.getI1Type(), 0);
      for (int64_t d : candidate)
        one = s.logicalOr(one, s.cmpIndex(Scalar::EQ, a, s.index(d)));
      hit = s.logicalAnd(hit, one);
    }
    result = L.map({result, *r}, result.dtype, [&](Scalar &in, ValueRange v) {
      return in.select(hit, v[1], v[0]);
    });
  }
  if (!result)
    return n.fail(InvalidShape, "no set of axes gives the declared shape");
  return n.done(result);
}

template <Kind K> LogicalResult reduction(Context &c, Node &n) {
  bool keep = n.i("keepdims", 1);
  bool fromInput = n.opset() >= (K == Kind::Sum ? 13 : 18);
  if (fromInput && n.has(1) && !c.L.constInts(n.in(1)) &&
      c.L.type(n.in(1).value).getNumElements() != 0)
    return reduceRuntimeAxes<K>(c, n, keep);
  FailureOr<Ints> axes = reductionAxes(c, n, fromInput);
  if (failed(axes))
    return failure();
  FailureOr<TValue> r = reduceOver<K>(c, n, *axes, keep);
  return failed(r) ? failure() : n.done(*r);
}

/// Index of the extreme value along an axis: the extreme first, then the lowest
/// (or highest) index that has it. NaN counts as the extreme, as in numpy.
template <bool Max> LogicalResult argReduction(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  DType t = x.dtype;
  int64_t rank = L.rank(x.value);
  FailureOr<int64_t> axis = n.axis(n.i("axis", 0), rank);
  if (failed(axis))
    return failure();
  bool keep = n.i("keepdims", 1), last = n.i("select_last_index", 0);
  TValue m = L.reduce(x, {*axis}, false, t, extreme(L, t, Max),
                      [&](Scalar &s, Value a, Value v) {
                        return Max ? s.max(t, a, v) : s.min(t, a, v);
                      });
  Sizes kept;
  SmallVector<AffineExpr> exprs;
  SmallVector<utils::IteratorType> iters(rank, utils::IteratorType::parallel);
  iters[*axis] = utils::IteratorType::reduction;
  for (int64_t i = 0; i < rank; ++i)
    if (i != *axis) {
      kept.push_back(L.dim(x.value, i));
      exprs.push_back(L.b.getAffineDimExpr(i));
    }
  AffineMap keptMap = AffineMap::get(rank, 0, exprs, L.ctx());
  Value init = extreme(L, DType::I64, last);
  Value out = L.filled(kept, init);
  Value r = L.generic(
      {x.value, m.value}, {L.b.getMultiDimIdentityMap(rank), keptMap}, out,
      keptMap, iters, [&](Scalar &s, ValueRange a) {
        Value hit = s.cmp(t, Scalar::EQ, a[0], a[1]);
        if (isFloat(t)) // the extreme is NaN where any element is
          hit = s.logicalOr(hit, s.cmp(t, Scalar::NE, a[0], a[0]));
        Value at =
            s.fromIndex(linalg::IndexOp::create(s.b, s.loc, *axis), DType::I64);
        Value better =
            last ? s.max(DType::I64, a[2], at) : s.min(DType::I64, a[2], at);
        return s.select(hit, better, a[2]);
      });
  TValue result{r, DType::I64};
  return n.done(keep ? L.keepDims(result, x.value, {*axis}) : result);
}

} // namespace

/// softmax or log-softmax along `axes` as max, exp, sum and quotient, each its
/// own operation: grouping them is the scheduler's decision.
TValue softmaxAlong(Lowering &L, TValue x, ArrayRef<int64_t> axes, bool log) {
  DType t = x.dtype, w = accumulatorType(t);
  TValue m = L.maximum(x, axes, true);
  TValue shifted = L.map({x, m}, w, [&](Scalar &s, ValueRange a) {
    Value d = s.sub(s.cast(a[0], t, w), s.cast(a[1], t, w));
    return log ? d : s.un<math::ExpOp>(d);
  });
  TValue total = L.reduce(shifted, axes, true, w, L.scalar().number(w, 0),
                          [&](Scalar &s, Value a, Value v) {
                            return s.add(a, log ? s.un<math::ExpOp>(v) : v);
                          });
  return L.map({shifted, total}, t, [&](Scalar &s, ValueRange a) {
    Value r = log ? s.sub(a[0], s.un<math::LogOp>(a[1])) : s.div(w, a[0], a[1]);
    return s.cast(r, w, t);
  });
}

namespace {

/// The axes that the operator works along: one from opset 13, before that all
/// from `axis` on, as if flattened to a matrix.
FailureOr<Ints> softmaxAxes(Context &c, Node &n) {
  int64_t rank = c.L.rank(n.in(0).value);
  bool single = n.opset() >= 13;
  FailureOr<int64_t> axis = n.axis(n.i("axis", single ? -1 : 1), rank);
  if (failed(axis))
    return failure();
  Ints axes = {*axis};
  for (int64_t i = *axis + 1; !single && i < rank; ++i)
    axes.push_back(i);
  return axes;
}

template <bool Log> LogicalResult lowerSoftmax(Context &c, Node &n) {
  TValue x = n.in(0);
  if (!isFloat(x.dtype))
    return n.failType(0, "a floating-point type");
  if (c.L.rank(x.value) == 0)
    return n.fail(InvalidShape, "operand is a scalar");
  FailureOr<Ints> axes = softmaxAxes(c, n);
  if (failed(axes))
    return failure();
  return n.doneMap(softmaxAlong(c.L, x, *axes, Log));
}

LogicalResult lowerHardmax(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  DType t = x.dtype;
  FailureOr<Ints> axes = softmaxAxes(c, n);
  if (failed(axes))
    return failure();
  Sizes sizes = L.dims(x.value);
  if (axes->size() > 1) { // flatten to a matrix as the old opsets define it
    Sizes flat;
    for (int64_t i = 0; i < axes->front(); ++i)
      flat.push_back(sizes[i]);
    flat.push_back(
        L.product(ArrayRef<OpFoldResult>(sizes).drop_front(axes->front())));
    x = L.reshape(x, flat);
  }
  int64_t axis = axes->front(), rank = L.rank(x.value);
  TValue m = L.maximum(x, {axis}, true);
  // The first index that has the maximum.
  TValue first = L.map({x, m}, DType::I64, [&](Scalar &s, ValueRange a) {
    Value at =
        s.fromIndex(linalg::IndexOp::create(s.b, s.loc, axis), DType::I64);
    return s.select(
        s.cmp(t, Scalar::EQ, a[0], a[1]), at,
        s.integer(s.b.getI64Type(), std::numeric_limits<int64_t>::max()));
  });
  TValue index = L.reduce(
      first, {axis}, true, DType::I64, extreme(L, DType::I64, false),
      [](Scalar &s, Value a, Value v) { return s.min(DType::I64, a, v); });
  Sizes xs = L.dims(x.value);
  TValue wide = L.broadcastTo(index, xs);
  (void)rank;
  TValue r = L.map({wide}, t, [&](Scalar &s, ValueRange a) {
    Value at =
        s.fromIndex(linalg::IndexOp::create(s.b, s.loc, axis), DType::I64);
    return s.select(s.cmp(DType::I64, Scalar::EQ, a[0], at), s.number(t, 1),
                    s.number(t, 0));
  });
  return n.done(L.reshape(r, sizes));
}

} // namespace

void registerReduce(Registry &r) {
  r.add("ReduceSum", reduction<Kind::Sum>);
  r.add("ReduceMean", reduction<Kind::Mean>);
  r.add("ReduceProd", reduction<Kind::Prod>);
  r.add("ReduceMax", reduction<Kind::Max>);
  r.add("ReduceMin", reduction<Kind::Min>);
  r.add("ReduceL1", reduction<Kind::L1>);
  r.add("ReduceL2", reduction<Kind::L2>);
  r.add("ReduceSumSquare", reduction<Kind::SumSquare>);
  r.add("ReduceLogSum", reduction<Kind::LogSum>);
  r.add("ReduceLogSumExp", reduction<Kind::LogSumExp>);
  r.add("ArgMax", argReduction<true>);
  r.add("ArgMin", argReduction<false>);
  r.add("Softmax", lowerSoftmax<false>);
  r.add("LogSoftmax", lowerSoftmax<true>);
  r.add("Hardmax", lowerHardmax);
}

} // namespace mercer::lowering
