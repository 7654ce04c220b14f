// TopK, CumSum and NonZero-like operators, from ranks and prefix sums. A prefix
// sum is one pass along its axis; elsewhere each output element looks at one
// line of the input, without any order of writes.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

#include <limits>

namespace mercer::lowering {

namespace {

/// Generic over the dims of `sizes` and one more loop of `extent` that is
/// reduced: out = step(indices..., loop, acc), from `init`.
TValue lineFold(Lowering &L, DType t, ArrayRef<OpFoldResult> sizes,
                OpFoldResult extent, Value init,
                llvm::function_ref<Value(Scalar &, ValueRange, Value)> step) {
  unsigned rank = sizes.size(), loops = rank + 1;
  SmallVector<AffineExpr> exprs;
  SmallVector<utils::IteratorType> iters(rank, utils::IteratorType::parallel);
  iters.push_back(utils::IteratorType::reduction);
  for (unsigned i = 0; i < rank; ++i)
    exprs.push_back(L.b.getAffineDimExpr(i));
  // Carries the extent of the loop only; never read.
  Value line = L.empty({extent}, L.b.getI8Type());
  Value out = L.filled(sizes, init);
  Value r = L.generic(
      {line}, {AffineMap::get(loops, 0, {L.b.getAffineDimExpr(rank)}, L.ctx())},
      out, AffineMap::get(loops, 0, exprs, L.ctx()), iters,
      [&](Scalar &s, ValueRange a) {
        SmallVector<Value> at;
        for (unsigned i = 0; i < loops; ++i)
          at.push_back(linalg::IndexOp::create(s.b, s.loc, i));
        return step(s, at, a[1]);
      });
  return {r, t};
}

LogicalResult lowerTopK(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  Sizes xs = L.dims(x.value);
  FailureOr<int64_t> axis = n.axis(n.i("axis", -1), xs.size());
  if (failed(axis))
    return failure();
  OpFoldResult k;
  if (n.opset() < 10) {
    k = L.idx(n.i("k"));
  } else {
    std::optional<Sizes> s = L.asScalars(n.in(1));
    if (!s || s->size() != 1)
      return n.fail(InvalidShape, "k is no single integer");
    k = s->front();
  }
  bool largest = n.i("largest", 1);
  Sizes out = xs;
  out[*axis] = k;
  out = n.refine(L, 0, out);
  if (L.number(out[*axis]) && L.number(xs[*axis]) &&
      *L.number(out[*axis]) > *L.number(xs[*axis]))
    return n.fail(InvalidShape, "k is " + Twine(*L.number(out[*axis])) +
                                    " of " + Twine(*L.number(xs[*axis])) +
                                    " elements");
  DType t = x.dtype;
  int64_t a = *axis;
  // rank[i]: how many elements come before element i in sorted order.
  TValue rank = lineFold(
      L, DType::I64, xs, xs[a], L.scalar().number(DType::I64, 0),
      [&](Scalar &s, ValueRange at, Value acc) {
        SmallVector<Value> other(at.begin(), at.begin() + xs.size());
        Value self = L.extract(s, x.value, other);
        other[a] = at.back();
        Value v = L.extract(s, x.value, other);
        Value before = s.cmp(t, largest ? Scalar::GT : Scalar::LT, v, self);
        Value same = s.cmp(t, Scalar::EQ, v, self);
        if (isFloat(t)) { // NaN sorts as the largest
          Value vNan = s.cmp(t, Scalar::NE, v, v),
                selfNan = s.cmp(t, Scalar::NE, self, self);
          Value edge = largest ? s.logicalAnd(vNan, s.logicalNot(selfNan))
                               : s.logicalAnd(selfNan, s.logicalNot(vNan));
          before = s.logicalOr(before, edge);
          same = s.logicalOr(same, s.logicalAnd(vNan, selfNan));
        }
        Value earlier = s.cmpIndex(Scalar::LT, at.back(), at[a]);
        before = s.logicalOr(before, s.logicalAnd(same, earlier));
        Value one =
            s.select(before, s.number(DType::I64, 1), s.number(DType::I64, 0));
        return s.add(acc, one);
      });
  TValue index =
      lineFold(L, DType::I64, out, xs[a], L.scalar().number(DType::I64, 0),
               [&](Scalar &s, ValueRange at, Value acc) {
                 SmallVector<Value> read(at.begin(), at.begin() + xs.size());
                 read[a] = at.back();
                 Value r = L.extract(s, rank.value, read);
                 Value hit = s.cmp(DType::I64, Scalar::EQ, r,
                                   s.fromIndex(at[a], DType::I64));
                 return s.select(hit, s.fromIndex(at.back(), DType::I64), acc);
               });
  TValue values = L.compute(t, out, [&](Scalar &s, ValueRange at) {
    SmallVector<Value> read(at.begin(), at.end());
    read[a] = s.toIndex(L.extract(s, index.value, at), DType::I64);
    return L.extract(s, x.value, read);
  });
  return n.done({values, index});
}

/// All partial folds of `x` along `axis`, first to last: one pass, with the
/// fold so far as a second result. Exclusive ones leave out the element itself.
TValue scan(Lowering &L, TValue x, int64_t axis, DType acc, Value init,
            bool exclusive,
            llvm::function_ref<Value(Scalar &, Value acc, Value x)> step) {
  Sizes sizes = L.dims(x.value), kept = sizes;
  unsigned rank = sizes.size();
  kept.erase(kept.begin() + axis);
  AffineMap all = L.b.getMultiDimIdentityMap(rank);
  SmallVector<utils::IteratorType> iters(rank, utils::IteratorType::parallel);
  iters[axis] = utils::IteratorType::reduction;
  Value out = L.empty(sizes, storageType(x.dtype, L.ctx()));
  Value state = L.filled(kept, init);
  auto op = linalg::GenericOp::create(
      L.b, L.loc, TypeRange{out.getType(), state.getType()},
      ValueRange{x.value}, ValueRange{out, state},
      ArrayRef<AffineMap>{all, all, all.dropResult(axis)}, iters,
      [&](OpBuilder &nested, Location loc, ValueRange a) {
        Scalar s{nested, loc};
        Value before = a[2];
        Value after = step(s, before, s.cast(a[0], x.dtype, acc));
        Value here = s.cast(exclusive ? before : after, acc, x.dtype);
        linalg::YieldOp::create(nested, loc, ValueRange{here, after});
      });
  L.setDims(op.getResult(0), sizes);
  return {op.getResult(0), x.dtype};
}

/// `x` from last to first along `axis`.
TValue reversed(Lowering &L, TValue x, int64_t axis) {
  Sizes sizes = L.dims(x.value), starts(sizes.size(), L.idx(0));
  Ints steps(sizes.size(), 1);
  starts[axis] = L.sub(sizes[axis], L.idx(1));
  steps[axis] = -1;
  return L.slice(x, starts, sizes, steps);
}

/// CumSum and CumProd along an axis that may arrive at run time.
template <bool Product> LogicalResult lowerCumulative(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  DType t = x.dtype, acc = accumulatorType(t);
  int64_t rank = L.rank(x.value);
  bool exclusive = n.i("exclusive", 0), reverse = n.i("reverse", 0);
  if (rank == 0)
    return n.fail(InvalidShape, "input has rank 0, expected at least 1");
  auto along = [&](int64_t a) {
    TValue r = scan(L, reverse ? reversed(L, x, a) : x, a, acc,
                    L.scalar().number(acc, Product ? 1 : 0), exclusive,
                    [](Scalar &s, Value sum, Value v) {
                      return Product ? s.mul(sum, v) : s.add(sum, v);
                    });
    return reverse ? reversed(L, r, a) : r;
  };
  TValue axisIn = n.in(1);
  std::optional<Sizes> axis;
  if (axisIn) {
    if (L.rank(axisIn.value) > 0)
      axisIn = L.reshape(axisIn, {});
    axis = L.asScalars(axisIn);
  }
  if (!axis || axis->size() != 1)
    return n.fail(InvalidShape, "axis is no single integer");
  if (std::optional<int64_t> k = L.number(axis->front())) {
    FailureOr<int64_t> a = n.axis(*k, rank);
    return failed(a) ? failure() : n.done(along(*a));
  }
  // The axis comes with the data: sum along each and take the one it names.
  Scalar s = L.scalar();
  Value a = wrapIndex(s, L.asValue(axis->front()), s.index(rank));
  TValue result = along(0);
  for (int64_t d = 1; d < rank; ++d) {
    Value here = s.cmpIndex(Scalar::EQ, a, s.index(d));
    result = L.map({result, along(d)}, t, [&](Scalar &in, ValueRange v) {
      return in.select(here, v[1], v[0]);
    });
  }
  return n.done(result);
}

/// Exclusive count of set flags before each position, and their total.
std::pair<TValue, OpFoldResult> positions(Lowering &L, TValue flags) {
  TValue before = scan(
      L, L.castTo(flags, DType::I64), 0, DType::I64,
      L.scalar().number(DType::I64, 0), /*exclusive=*/true,
      [](Scalar &s, Value count, Value flag) { return s.add(count, flag); });
  TValue count =
      L.reduce(flags, {0}, false, DType::I64, L.scalar().number(DType::I64, 0),
               [](Scalar &s, Value a, Value v) { return s.add(a, v); });
  Scalar host = L.scalar();
  Value total =
      tensor::ExtractOp::create(L.b, L.loc, count.value, ValueRange{});
  return {before, host.toIndex(total, DType::I64)};
}

/// index[k] = position of the k-th set flag.
TValue setPositions(Lowering &L, TValue flags, TValue before,
                    OpFoldResult count) {
  Sizes s1 = L.dims(flags.value);
  return lineFold(
      L, DType::I64, {count}, s1[0], L.scalar().number(DType::I64, 0),
      [&](Scalar &s, ValueRange at, Value acc) {
        Value f = s.toBool(L.extract(s, flags.value, {at[1]}));
        Value p = L.extract(s, before.value, {at[1]});
        Value hit = s.logicalAnd(f, s.cmp(DType::I64, Scalar::EQ, p,
                                          s.fromIndex(at[0], DType::I64)));
        return s.select(hit, s.fromIndex(at[1], DType::I64), acc);
      });
}

LogicalResult lowerNonZero(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  Sizes xs = L.dims(x.value);
  int64_t rank = xs.size();
  TValue flat = L.reshape(x, {L.product(xs)});
  DType t = x.dtype;
  TValue flags = L.map({flat}, DType::Bool, [&](Scalar &s, ValueRange a) {
    return s.fromBool(s.cmp(t, Scalar::NE, a[0], s.number(t, 0)));
  });
  auto [before, count] = positions(L, flags);
  if (std::optional<Ints> d = n.declaredShape(0); d && d->size() == 2)
    count = L.idx((*d)[1]);
  TValue index = setPositions(L, flags, before, count);
  SmallVector<Value> extent;
  for (OpFoldResult s : xs)
    extent.push_back(L.asValue(s));
  return n.done(L.compute(
      DType::I64, {L.idx(rank), count}, [&](Scalar &s, ValueRange at) {
        Value rest = s.toIndex(L.extract(s, index.value, {at[1]}), DType::I64);
        Value result = s.index(0);
        for (int64_t d = rank; d-- > 0;) {
          Value k = s.rem(DType::U64, rest, extent[d]);
          rest = s.div(DType::U64, rest, extent[d]);
          result =
              s.select(s.cmpIndex(Scalar::EQ, at[0], s.index(d)), k, result);
        }
        return s.fromIndex(result, DType::I64);
      }));
}

LogicalResult lowerCompress(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), flags = n.in(1);
  int64_t axis = 0;
  if (n.hasAttr("axis")) {
    FailureOr<int64_t> a = n.axis(n.i("axis"), L.rank(x.value));
    if (failed(a))
      return failure();
    axis = *a;
  } else {
    x = L.reshape(x, {L.product(L.dims(x.value))});
  }
  auto [before, count] = positions(L, flags);
  Sizes out = L.dims(x.value);
  if (std::optional<Ints> d = n.declaredShape(0); d && d->size() == out.size())
    count = L.idx((*d)[axis]);
  TValue index = setPositions(L, flags, before, count);
  out[axis] = count;
  return n.done(L.compute(x.dtype, out, [&](Scalar &s, ValueRange at) {
    SmallVector<Value> read(at.begin(), at.end());
    read[axis] = s.toIndex(L.extract(s, index.value, {at[axis]}), DType::I64);
    return L.extract(s, x.value, read);
  }));
}

} // namespace

void registerSort(Registry &r) {
  r.add("TopK", lowerTopK);
  r.add("CumSum", lowerCumulative<false>);
  r.add("CumProd", lowerCumulative<true>);
  r.add("NonZero", lowerNonZero);
  r.add("Compress", lowerCompress);
}

} // namespace mercer::lowering
