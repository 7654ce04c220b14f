// Slice, Split, Pad, Trilu, ReverseSequence, CenterCropPad.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

namespace mercer::lowering {

namespace {

/// start and size of one sliced dim, from constants or host values.
struct Range {
  OpFoldResult start, size, step;
};

/// ONNX's clamping rules on the host. `step` may be a run-time value.
Range clampRange(Lowering &L, OpFoldResult dim, OpFoldResult start,
                 OpFoldResult end, OpFoldResult step) {
  std::optional<int64_t> d = L.number(dim), b = L.number(start),
                         e = L.number(end), t = L.number(step);
  if (d && b && e && t) {
    auto wrap = [&](int64_t v) { return v < 0 ? v + *d : v; };
    int64_t top = *t > 0 ? *d : *d - 1;
    int64_t from = std::min(std::max<int64_t>(wrap(*b), 0), top);
    int64_t to = *t > 0 ? std::min(std::max<int64_t>(wrap(*e), 0), *d)
                        : std::min(std::max<int64_t>(wrap(*e), -1), *d);
    int64_t size =
        *t > 0 ? (to - from + *t - 1) / *t : (from - to - *t - 1) / -*t;
    return {L.idx(from), L.idx(std::max<int64_t>(size, 0)), step};
  }
  // Forward by 1 between constants, sizes stay affine: later stages find their
  // bounds. Exporters write "to the end" with anything from 10^9 up.
  if (t && *t == 1 && b && e) {
    constexpr int64_t open = 1000000000;
    OpFoldResult none = L.idx(0);
    // A bound counted from the end, not before the start.
    auto fromEnd = [&](int64_t v) {
      return v <= -open ? none : L.maxSize(L.add(dim, L.idx(v)), none);
    };
    if (*b >= open || *e <= -open)
      return {none, none, step};
    // Where nothing is left of the dim, the start is not looked at.
    OpFoldResult from = *b >= 0 ? start : fromEnd(*b), size;
    bool whole = *b == 0 || *b <= -open;
    if (*e >= open)
      size = whole    ? dim
             : *b > 0 ? L.maxSize(L.sub(dim, start), none)
                      : L.minSize(dim, L.idx(-*b));
    else if (whole)
      size = *e >= 0 ? L.minSize(dim, end) : fromEnd(*e);
    else if ((*b < 0) == (*e < 0))
      size = *e <= *b ? none
                      : L.minSize(*b > 0 ? L.maxSize(L.sub(dim, start), none)
                                         : fromEnd(*e),
                                  L.idx(*e - *b));
    else if (*b > 0)
      size = L.maxSize(L.add(dim, L.idx(*e - *b)), none);
    else
      size = L.maxSize(L.sub(L.minSize(dim, end), from), none);
    return {from, size, step};
  }
  if (t && *t == 1 && b && *b == 0 && L.sameSize(dim, end))
    return {start, dim, step};
  Scalar s = L.scalar();
  Value zero = s.index(0), dv = L.asValue(dim), sv = L.asValue(step);
  Value forward = s.cmpIndex(Scalar::GT, sv, zero);
  auto wrap = [&](OpFoldResult r) {
    Value v = L.asValue(r);
    return s.select(s.cmpIndex(Scalar::LT, v, zero), s.add(v, dv), v);
  };
  Value top = s.select(forward, dv, s.sub(dv, s.index(1)));
  // In this order: backwards through an empty dim starts, and ends, at -1.
  Value from = s.min(DType::I64, s.max(DType::I64, wrap(start), zero), top);
  Value low = s.select(forward, zero, s.index(-1));
  Value to = s.min(DType::I64, s.max(DType::I64, wrap(end), low), dv);
  Value one = s.index(1);
  Value round = s.select(forward, s.sub(sv, one), s.add(sv, one));
  Value size = s.div(DType::I64, s.add(s.sub(to, from), round), sv);
  return {from, s.max(DType::I64, size, zero), step};
}

LogicalResult lowerSlice(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  Sizes in = L.dims(x.value);
  int64_t rank = in.size();
  std::optional<Sizes> starts, ends, axes, steps;
  auto fromInts = [&](const Ints &v) {
    Sizes s;
    for (int64_t i : v)
      s.push_back(L.idx(i));
    return s;
  };
  if (n.opset() < 10) {
    starts = fromInts(n.ints("starts"));
    ends = fromInts(n.ints("ends"));
    if (n.hasAttr("axes"))
      axes = fromInts(n.ints("axes"));
  } else {
    starts = L.asScalars(n.in(1));
    ends = L.asScalars(n.in(2));
    if (n.has(3))
      axes = L.asScalars(n.in(3));
    if (n.has(4))
      steps = L.asScalars(n.in(4));
  }
  if (!starts || !ends || starts->size() != ends->size() ||
      (n.has(3) && !axes) || (n.has(4) && !steps))
    return n.fail(
        InvalidShape,
        "starts, ends, axes and steps must be short lists of integers");
  size_t count = starts->size();
  if (!axes) {
    axes.emplace();
    for (size_t i = 0; i < count; ++i)
      axes->push_back(L.idx(i));
  }
  if (!steps)
    steps = Sizes(count, L.idx(1));
  if (axes->size() != count || steps->size() != count)
    return n.fail(InvalidShape,
                  "starts, ends, axes and steps differ in length");
  // Full range unless an axis says otherwise.
  Sizes offset(rank, L.idx(0)), size = in, step(rank, L.idx(1));
  bool runtimeAxes =
      llvm::any_of(*axes, [&](OpFoldResult a) { return !L.number(a); });
  for (size_t i = 0; i < count; ++i) {
    if (L.isConst((*steps)[i], 0))
      return n.fail(InvalidAttribute, "a step is 0");
    if (!runtimeAxes) {
      FailureOr<int64_t> a = n.axis(*L.number((*axes)[i]), rank);
      if (failed(a))
        return failure();
      Range r = clampRange(L, in[*a], (*starts)[i], (*ends)[i], (*steps)[i]);
      offset[*a] = r.start;
      size[*a] = r.size;
      step[*a] = r.step;
      continue;
    }
    Scalar s = L.scalar();
    Value axis = L.asValue((*axes)[i]);
    axis = wrapIndex(s, axis, s.index(rank));
    for (int64_t d = 0; d < rank; ++d) {
      Range r = clampRange(L, in[d], (*starts)[i], (*ends)[i], (*steps)[i]);
      Value here = s.cmpIndex(Scalar::EQ, axis, s.index(d));
      offset[d] = s.select(here, L.asValue(r.start), L.asValue(offset[d]));
      size[d] = s.select(here, L.asValue(r.size), L.asValue(size[d]));
      step[d] = s.select(here, L.asValue(r.step), L.asValue(step[d]));
    }
  }
  // Slices of host scalars stay host scalars.
  if (std::optional<Sizes> known = L.scalars(x);
      known && rank == 1 && L.number(offset[0]) && L.number(size[0]) &&
      L.number(step[0])) {
    Sizes picked;
    for (int64_t i = 0; i < *L.number(size[0]); ++i)
      picked.push_back((*known)[*L.number(offset[0]) + i * *L.number(step[0])]);
    return n.done(
        L.makeScalars(x.dtype, {static_cast<int64_t>(picked.size())}, picked));
  }
  size = n.refine(L, 0, size);
  bool plain = llvm::all_of(
      step, [&](OpFoldResult s) { return L.number(s).has_value(); });
  if (plain) {
    Ints fixed;
    for (OpFoldResult s : step)
      fixed.push_back(*L.number(s));
    return n.done(L.slice(x, offset, size, fixed));
  }
  SmallVector<Value> o, t;
  for (int64_t d = 0; d < rank; ++d) {
    o.push_back(L.asValue(offset[d]));
    t.push_back(L.asValue(step[d]));
  }
  return n.done(L.compute(x.dtype, size, [&](Scalar &s, ValueRange at) {
    SmallVector<Value> index;
    for (int64_t d = 0; d < rank; ++d)
      index.push_back(s.add(o[d], s.mul(at[d], t[d])));
    return L.extract(s, x.value, index);
  }));
}

LogicalResult lowerSplit(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  Sizes in = L.dims(x.value);
  FailureOr<int64_t> axis = n.axis(n.i("axis", 0), in.size());
  if (failed(axis))
    return failure();
  Sizes parts;
  unsigned count = n.numOutputs();
  if (n.has(1)) {
    std::optional<Sizes> s = L.asScalars(n.in(1));
    if (!s)
      return n.fail(InvalidShape,
                    "the split operand is no short list of integers");
    parts = *s;
    for (unsigned i = 0; i < parts.size() && i < count; ++i)
      if (std::optional<Ints> d = n.declaredShape(i);
          d && d->size() == in.size() && !L.number(parts[i]))
        parts[i] = L.idx((*d)[*axis]);
  } else if (n.hasAttr("split")) {
    for (int64_t v : n.ints("split"))
      parts.push_back(L.idx(v));
  } else {
    // Equal parts; the last one takes what is left.
    OpFoldResult dim = in[*axis];
    if (std::optional<int64_t> d = L.number(dim)) {
      int64_t each = (*d + count - 1) / count;
      for (unsigned i = 0; i < count; ++i)
        parts.push_back(
            L.idx(std::min(each, std::max<int64_t>(*d - i * each, 0))));
    } else {
      AffineExpr s = L.b.getAffineSymbolExpr(0);
      OpFoldResult each = L.apply(s.ceilDiv(count), {dim});
      OpFoldResult rest = dim;
      for (unsigned i = 0; i + 1 < count; ++i) {
        parts.push_back(each);
        rest = L.sub(rest, each);
      }
      parts.push_back(rest);
    }
  }
  if (parts.size() != count)
    return n.fail(InvalidAttribute, "split has " + Twine(parts.size()) +
                                        " sizes for " + Twine(count) +
                                        " outputs");
  Sizes offset(in.size(), L.idx(0));
  Ints steps(in.size(), 1);
  SmallVector<TValue> out;
  OpFoldResult at = L.idx(0);
  int64_t constTotal = 0;
  bool allConst = true;
  for (OpFoldResult p : parts) {
    if (std::optional<int64_t> k = L.number(p))
      constTotal += *k;
    else
      allConst = false;
  }
  if (allConst && L.number(in[*axis]) && constTotal != *L.number(in[*axis]))
    return n.fail(InvalidShape, "split sizes add to " + Twine(constTotal) +
                                    ", the dim is " +
                                    Twine(*L.number(in[*axis])));
  std::optional<Sizes> known = L.scalars(x);
  for (OpFoldResult p : parts) {
    if (known && in.size() == 1 && L.number(p) && L.number(at)) {
      ArrayRef<OpFoldResult> piece =
          ArrayRef<OpFoldResult>(*known).slice(*L.number(at), *L.number(p));
      out.push_back(L.makeScalars(x.dtype, {*L.number(p)}, piece));
    } else {
      Sizes size = in;
      size[*axis] = p;
      offset[*axis] = at;
      out.push_back(L.slice(x, offset, size, steps));
    }
    at = L.add(at, p);
  }
  return n.done(out);
}

LogicalResult lowerPad(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  Sizes in = L.dims(x.value);
  int64_t rank = in.size();
  std::optional<Sizes> pads;
  Ints axes;
  if (n.opset() < 11) {
    pads.emplace();
    for (int64_t v : n.ints("pads"))
      pads->push_back(L.idx(v));
  } else {
    pads = L.asScalars(n.in(1));
  }
  std::optional<Sizes> runtimeAxes;
  if (n.has(3)) {
    if (std::optional<Ints> v = L.constInts(n.in(3))) {
      FailureOr<Ints> checked = n.axes(*v, rank);
      if (failed(checked))
        return failure();
      axes = *checked;
    } else {
      runtimeAxes = L.asScalars(n.in(3));
      if (!runtimeAxes)
        return n.fail(InvalidShape, "axes are no short list of integers");
    }
  } else {
    for (int64_t i = 0; i < rank; ++i)
      axes.push_back(i);
  }
  size_t count = runtimeAxes ? runtimeAxes->size() : axes.size();
  if (!pads || pads->size() != 2 * count)
    return n.fail(InvalidShape,
                  "pads must be a list of twice as many integers as axes");
  Sizes low(rank, L.idx(0)), high(rank, L.idx(0));
  for (size_t i = 0; i < count; ++i) {
    if (!runtimeAxes) {
      low[axes[i]] = (*pads)[i];
      high[axes[i]] = (*pads)[i + count];
      continue;
    }
    Scalar s = L.scalar();
    Value a = wrapIndex(s, L.asValue((*runtimeAxes)[i]), s.index(rank));
    for (int64_t d = 0; d < rank; ++d) {
      Value here = s.cmpIndex(Scalar::EQ, a, s.index(d));
      low[d] = s.select(here, L.asValue((*pads)[i]), L.asValue(low[d]));
      high[d] =
          s.select(here, L.asValue((*pads)[i + count]), L.asValue(high[d]));
    }
  }
  StringRef mode = n.s("mode", "constant");
  if (mode != "constant" && mode != "edge" && mode != "reflect" &&
      mode != "wrap")
    return n.fail(InvalidAttribute, "mode is '" + mode + "'");
  Sizes out;
  for (int64_t d = 0; d < rank; ++d)
    out.push_back(L.add(L.add(in[d], low[d]), high[d]));
  out = n.refine(L, 0, out);
  Value fill;
  if (n.has(2))
    fill = L.onlyElement(n.in(2));
  else
    fill = L.scalar().number(x.dtype, n.opset() < 11 ? n.f("value", 0) : 0);
  SmallVector<Value> lows, extents;
  for (int64_t d = 0; d < rank; ++d) {
    lows.push_back(L.asValue(low[d]));
    extents.push_back(L.asValue(in[d]));
  }
  return n.done(L.compute(x.dtype, out, [&](Scalar &s, ValueRange at) {
    Value zero = s.index(0), one = s.index(1), inside;
    SmallVector<Value> index;
    for (int64_t d = 0; d < rank; ++d) {
      if (L.isConst(low[d], 0) && L.isConst(high[d], 0)) {
        index.push_back(at[d]);
        continue;
      }
      Value k = s.sub(at[d], lows[d]), top = s.sub(extents[d], one);
      if (mode == "edge") {
        k = s.min(DType::I64, s.max(DType::I64, k, zero), top);
      } else if (mode == "wrap") {
        k = s.rem(DType::I64, k, extents[d]);
        k = s.select(s.cmpIndex(Scalar::LT, k, zero), s.add(k, extents[d]), k);
      } else if (mode == "reflect") {
        // Period 2 (n - 1), mirrored; one element stays that element.
        Value period = s.max(DType::I64, s.mul(top, s.index(2)), one);
        k = s.rem(DType::I64, k, period);
        k = s.select(s.cmpIndex(Scalar::LT, k, zero), s.add(k, period), k);
        k = s.select(s.cmpIndex(Scalar::GT, k, top), s.sub(period, k), k);
      } else {
        Value ok = s.logicalAnd(s.cmpIndex(Scalar::GE, k, zero),
                                s.cmpIndex(Scalar::LT, k, extents[d]));
        inside = inside ? s.logicalAnd(inside, ok) : ok;
        k = s.select(ok, k, zero);
      }
      index.push_back(k);
    }
    Value v = L.extract(s, x.value, index);
    return inside ? s.select(inside, v, fill) : v;
  }));
}

LogicalResult lowerTrilu(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  int64_t rank = L.rank(x.value);
  bool upper = n.i("upper", 1);
  if (rank < 2)
    return n.fail(InvalidShape,
                  "input has rank " + Twine(rank) + ", expected at least 2");
  OpFoldResult k = L.idx(0);
  if (n.has(1)) {
    TValue kIn = n.in(1);
    if (L.rank(kIn.value) > 0)
      kIn = L.reshape(kIn, {});
    std::optional<Sizes> s = L.asScalars(kIn);
    if (!s || s->size() != 1)
      return n.fail(InvalidShape, "k is no single integer");
    k = s->front();
  }
  Value kv = L.asValue(k);
  return n.done(L.map({x}, x.dtype, [&](Scalar &s, ValueRange a) {
    Value row = linalg::IndexOp::create(s.b, s.loc, rank - 2);
    Value col = linalg::IndexOp::create(s.b, s.loc, rank - 1);
    Value keep =
        s.cmpIndex(upper ? Scalar::GE : Scalar::LE, col, s.add(row, kv));
    return s.select(keep, a[0], s.number(x.dtype, 0));
  }));
}

LogicalResult lowerReverseSequence(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), lengths = n.in(1);
  int64_t rank = L.rank(x.value);
  FailureOr<int64_t> batch = n.axis(n.i("batch_axis", 1), rank);
  FailureOr<int64_t> time = n.axis(n.i("time_axis", 0), rank);
  if (failed(batch) || failed(time))
    return failure();
  return n.done(
      L.compute(x.dtype, L.dims(x.value), [&](Scalar &s, ValueRange at) {
        Value length =
            s.toIndex(L.extract(s, lengths.value, {at[*batch]}), lengths.dtype);
        SmallVector<Value> index(at.begin(), at.end());
        Value t = at[*time];
        Value mirrored = s.sub(s.sub(length, s.index(1)), t);
        index[*time] = s.select(s.cmpIndex(Scalar::LT, t, length), mirrored, t);
        return L.extract(s, x.value, index);
      }));
}

LogicalResult lowerCenterCropPad(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  Sizes in = L.dims(x.value);
  int64_t rank = in.size();
  std::optional<Sizes> shape = L.asScalars(n.in(1));
  Ints all;
  for (int64_t i = 0; i < rank; ++i)
    all.push_back(i);
  FailureOr<Ints> axes = n.axes(n.ints("axes", all), rank);
  if (failed(axes))
    return failure();
  if (!shape || shape->size() != axes->size())
    return n.fail(InvalidShape,
                  "the shape operand must have one integer an axis");
  Sizes low(rank, L.idx(0)), high(rank, L.idx(0));
  std::optional<Ints> declared = n.declaredShape(0);
  for (auto [a, s] : llvm::zip_equal(*axes, *shape)) {
    OpFoldResult want = s;
    if (!L.number(want) && declared)
      want = L.idx((*declared)[a]);
    // An odd element goes behind, in padding and in cropping alike.
    std::optional<int64_t> w = L.number(want), h = L.number(in[a]);
    if (!w || !h)
      return n.fail(InvalidShape, "sizes must be known at compile time");
    int64_t d = *w - *h;
    int64_t lo = d >= 0 ? d / 2 : -((-d) / 2);
    low[a] = L.idx(lo);
    high[a] = L.idx(d - lo);
  }
  return n.done(L.pad(x, low, high, L.scalar().number(x.dtype, 0)));
}

} // namespace

Value wrapIndex(Scalar &s, Value index, Value extent) {
  return s.select(s.cmpIndex(Scalar::LT, index, s.index(0)),
                  s.add(index, extent), index);
}

void registerSlice(Registry &r) {
  r.add("Slice", lowerSlice);
  r.add("Split", lowerSplit, 2);
  r.add("Pad", lowerPad, 2);
  r.add("Trilu", lowerTrilu);
  r.add("ReverseSequence", lowerReverseSequence);
  r.add("CenterCropPad", lowerCenterCropPad);
}

} // namespace mercer::lowering
