// Operators that make tensors from sizes and parameters.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

#include <cmath>

namespace mercer::lowering {

namespace {

LogicalResult lowerConstantOfShape(Context &c, Node &n) {
  Lowering &L = c.L;
  std::optional<Sizes> sizes = L.asScalars(n.in(0));
  if (!sizes)
    return n.fail(InvalidShape,
                  "the shape operand is no short list of integers");
  Sizes out = n.refine(L, 0, *sizes);
  TValue value = L.constant(DType::F32, {1}, {0});
  if (ElementsAttr attr = n.op.tensorAttr("value")) {
    FailureOr<TValue> v = constantFrom(c, n, attr);
    if (failed(v))
      return failure();
    value = *v;
  }
  SmallVector<int64_t> shape;
  int64_t total = 1;
  bool fixed = true;
  for (OpFoldResult s : out) {
    std::optional<int64_t> k = L.number(s);
    if (k && *k < 0)
      return n.fail(InvalidShape, "shape has the value " + Twine(*k));
    fixed &= k.has_value();
    shape.push_back(k.value_or(0));
    total *= k.value_or(0);
  }
  if (fixed && total <= L.kMaxScalars)
    if (std::optional<Sizes> s = L.scalars(value); s && s->size() == 1)
      return n.done(
          L.makeScalars(value.dtype, shape, Sizes(total, s->front())));
  return n.done({L.filled(out, L.onlyElement(value)), value.dtype});
}

LogicalResult lowerRange(Context &c, Node &n) {
  Lowering &L = c.L;
  DType t = n.in(0).dtype;
  std::optional<SmallVector<double>> a = L.constDoubles(n.in(0)),
                                     b = L.constDoubles(n.in(1)),
                                     d = L.constDoubles(n.in(2));
  OpFoldResult count;
  if (a && b && d) {
    if (d->front() == 0)
      return n.fail(InvalidAttribute, "delta is 0");
    double k = std::ceil((b->front() - a->front()) / d->front());
    count = L.idx(std::max<int64_t>(static_cast<int64_t>(k), 0));
    if (isInteger(t) && *L.number(count) <= L.kMaxScalars) {
      Ints v;
      for (int64_t i = 0; i < *L.number(count); ++i)
        v.push_back(static_cast<int64_t>(a->front()) +
                    i * static_cast<int64_t>(d->front()));
      return n.done(L.constantInts(t, {static_cast<int64_t>(v.size())}, v));
    }
  } else if (std::optional<Ints> declared = n.declaredShape(0);
             declared && declared->size() == 1) {
    count = L.idx(declared->front());
  } else if (isInteger(t)) {
    std::optional<Sizes> s = L.asScalars(n.in(0)), e = L.asScalars(n.in(1)),
                         step = L.asScalars(n.in(2));
    if (!s || !e || !step)
      return n.fail(InvalidShape,
                    "start, limit and delta must be single integers");
    if (L.isConst(step->front(), 1)) {
      count =
          L.isConst(s->front(), 0) ? e->front() : L.sub(e->front(), s->front());
    } else {
      Scalar sc = L.scalar();
      Value dv = L.asValue(step->front()), one = sc.index(1);
      Value span = sc.sub(L.asValue(e->front()), L.asValue(s->front()));
      Value up = sc.cmpIndex(Scalar::GT, dv, sc.index(0));
      Value round = sc.select(up, sc.sub(dv, one), sc.add(dv, one));
      count = sc.max(DType::I64, sc.div(DType::I64, sc.add(span, round), dv),
                     sc.index(0));
    }
  } else {
    Scalar s = L.scalar();
    Value span = s.sub(L.onlyElement(n.in(1)), L.onlyElement(n.in(0)));
    Value k = s.un<math::CeilOp>(s.div(t, span, L.onlyElement(n.in(2))));
    count = s.max(DType::I64, s.toIndex(s.cast(k, t, DType::I64), DType::I64),
                  s.index(0));
  }
  Value start = L.onlyElement(n.in(0)), delta = L.onlyElement(n.in(2));
  return n.done(L.compute(t, {count}, [&](Scalar &s, ValueRange at) {
    return s.add(start, s.mul(s.fromIndex(at[0], t), delta));
  }));
}

LogicalResult lowerEyeLike(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  if (L.rank(x.value) != 2)
    return n.fail(InvalidShape,
                  "input has rank " + Twine(L.rank(x.value)) + ", expected 2");
  DType t = x.dtype;
  if (n.hasAttr("dtype")) {
    std::optional<DType> d = dtypeFromOnnx(n.i("dtype"));
    if (!d)
      return n.fail(UnsupportedType,
                    "attribute 'dtype' is ONNX type " + Twine(n.i("dtype")));
    t = *d;
  }
  int64_t k = n.i("k", 0);
  return n.done(L.compute(t, L.dims(x.value), [&](Scalar &s, ValueRange at) {
    Value on = s.cmpIndex(Scalar::EQ, s.add(at[0], s.index(k)), at[1]);
    return s.select(on, s.number(t, 1), s.number(t, 0));
  }));
}

/// Cosine windows: a0 - a1 cos(2 pi i / N) + a2 cos(4 pi i / N).
LogicalResult cosineWindow(Context &c, Node &n, double a0, double a1,
                           double a2) {
  Lowering &L = c.L;
  std::optional<DType> t = dtypeFromOnnx(n.i("output_datatype", 1));
  std::optional<Sizes> size = L.asScalars(n.in(0));
  if (!t || !isFloat(*t))
    return n.fail(UnsupportedType, "output_datatype is ONNX type " +
                                       Twine(n.i("output_datatype", 1)) +
                                       ", supported are floating-point types");
  if (!size || size->size() != 1)
    return n.fail(InvalidShape, "size is no single integer");
  bool periodic = n.i("periodic", 1);
  Sizes out = n.refine(L, 0, {size->front()});
  DType w = accumulatorType(*t);
  Scalar host = L.scalar();
  OpFoldResult period = periodic ? out[0] : L.sub(out[0], L.idx(1));
  Value length = host.fromIndex(L.asValue(period), w);
  return n.done(L.compute(*t, out, [&](Scalar &s, ValueRange at) {
    Value x =
        s.div(w, s.mul(s.fromIndex(at[0], w), s.number(w, 2 * M_PI)), length);
    Value r =
        s.sub(s.number(w, a0), s.mul(s.number(w, a1), s.un<math::CosOp>(x)));
    if (a2 != 0)
      r = s.add(r, s.mul(s.number(w, a2),
                         s.un<math::CosOp>(s.mul(x, s.number(w, 2)))));
    return s.cast(r, w, *t);
  }));
}

} // namespace

void registerGenerate(Registry &r) {
  r.add("ConstantOfShape", lowerConstantOfShape);
  r.add("Range", lowerRange);
  r.add("EyeLike", lowerEyeLike);
  r.add("HannWindow",
        [](Context &c, Node &n) { return cosineWindow(c, n, 0.5, 0.5, 0); });
  r.add("HammingWindow", [](Context &c, Node &n) {
    return cosineWindow(c, n, 25.0 / 46.0, 21.0 / 46.0, 0);
  });
  r.add("BlackmanWindow", [](Context &c, Node &n) {
    return cosineWindow(c, n, 0.42, 0.5, 0.08);
  });
}

} // namespace mercer::lowering
