// Linear quantisation: storage, scale and zero point.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

#include <cmath>

namespace mercer::lowering {

Value quantizeScalar(Scalar &s, Value x, Value scale, Value zeroPoint,
                     DType t) {
  if (isFloat8(t)) {
    Value v = s.div(DType::F32, x, scale);
    if (zeroPoint)
      v = s.add(v, s.decodeFloat8(zeroPoint, t));
    return s.encodeFloat8(v, t, /*saturate=*/true);
  }
  // round to even, add the zero point, saturate: all in f32 as ONNX says.
  Value r = s.un<math::RoundEvenOp>(s.div(DType::F32, x, scale));
  if (zeroPoint)
    r = s.add(r, s.cast(zeroPoint, t, DType::F32));
  double low = isUnsigned(t) ? 0 : -std::ldexp(1.0, bitWidth(t) - 1);
  double high =
      std::ldexp(1.0, isUnsigned(t) ? bitWidth(t) : bitWidth(t) - 1) - 1;
  r = s.min(DType::F32, s.max(DType::F32, r, s.number(DType::F32, low)),
            s.number(DType::F32, high));
  return s.cast(r, DType::F32, t);
}

namespace {

bool isQuantized(DType t) {
  return isFloat8(t) || (isInteger(t) && t != DType::Bool && bitWidth(t) <= 16);
}

/// Scale or zero point against x: one number, one an axis element, or blocks.
FailureOr<TValue> alongAxis(Context &c, Node &n, TValue p, TValue x) {
  Lowering &L = c.L;
  int64_t rank = L.rank(x.value), rp = L.rank(p.value);
  if (rp == 0 ||
      (rp == 1 && L.isConst(L.dim(p.value, 0), 1) && n.i("block_size", 0) == 0))
    return L.reshape(p, {});
  int64_t a = n.i("axis", 1);
  if (rp == 1 && n.i("block_size", 0) == 0) {
    FailureOr<int64_t> axis = n.axis(a, rank);
    if (failed(axis))
      return failure();
    Sizes sizes(rank, L.idx(1));
    sizes[*axis] = L.dim(p.value, 0);
    return L.reshape(p, sizes);
  }
  int64_t block = n.i("block_size", 0);
  FailureOr<int64_t> axis = n.axis(a, rank);
  if (failed(axis))
    return failure();
  if (block <= 0 || rp != rank)
    return n.fail(InvalidAttribute, "block_size is " + Twine(block));
  return L.compute(p.dtype, L.dims(x.value), [&](Scalar &s, ValueRange at) {
    SmallVector<Value> index(at.begin(), at.end());
    index[*axis] = s.div(DType::U64, at[*axis], s.index(block));
    return L.extract(s, p.value, index);
  });
}

LogicalResult lowerQuantize(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), zero = n.in(2);
  DType t = DType::U8;
  if (zero) {
    t = zero.dtype;
  } else if (n.i("output_dtype", 0)) {
    std::optional<DType> d = dtypeFromOnnx(n.i("output_dtype"));
    if (!d)
      return n.fail(UnsupportedType,
                    "output_dtype is ONNX type " + Twine(n.i("output_dtype")));
    t = *d;
  }
  if (!isQuantized(t))
    return n.fail(
        UnsupportedType,
        "quantised type is " + dtypeName(t) +
            ", supported are 8- and 16-bit integers and 8-bit floats");
  FailureOr<TValue> scale = alongAxis(c, n, n.in(1), x);
  if (failed(scale))
    return failure();
  SmallVector<TValue> ins = {x, *scale};
  if (zero) {
    FailureOr<TValue> z = alongAxis(c, n, zero, x);
    if (failed(z))
      return failure();
    ins.push_back(*z);
  }
  return n.doneMap(L.map(ins, t, [&](Scalar &s, ValueRange a) {
    return quantizeScalar(s, s.cast(a[0], x.dtype, DType::F32),
                          s.cast(a[1], scale->dtype, DType::F32),
                          a.size() > 2 ? a[2] : Value(), t);
  }));
}

LogicalResult lowerDequantize(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), zero = n.in(2);
  DType t = n.in(1).dtype;
  FailureOr<TValue> scale = alongAxis(c, n, n.in(1), x);
  if (failed(scale))
    return failure();
  SmallVector<TValue> ins = {x, *scale};
  if (zero) {
    FailureOr<TValue> z = alongAxis(c, n, zero, x);
    if (failed(z))
      return failure();
    ins.push_back(*z);
  }
  return n.doneMap(L.map(ins, t, [&](Scalar &s, ValueRange a) {
    if (isFloat8(x.dtype)) {
      Value f = s.decodeFloat8(a[0], x.dtype);
      return s.cast(s.mul(f, s.cast(a[1], t, DType::F32)), DType::F32, t);
    }
    Value v = s.cast(a[0], x.dtype, DType::I32);
    if (a.size() > 2)
      v = s.sub(v, s.cast(a[2], zero.dtype, DType::I32));
    Value r =
        s.mul(s.cast(v, DType::I32, DType::F32), s.cast(a[1], t, DType::F32));
    return s.cast(r, DType::F32, t);
  }));
}

LogicalResult lowerDynamicQuantize(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  constexpr DType F = DType::F32;
  if (x.dtype != F)
    return n.failType(0, "float32");
  Ints axes;
  for (int64_t i = 0; i < L.rank(x.value); ++i)
    axes.push_back(i);
  Scalar host = L.scalar();
  // The range always holds 0.
  TValue high =
      L.reduce(x, axes, false, F, host.number(F, 0),
               [](Scalar &s, Value a, Value v) { return s.max(F, a, v); });
  TValue low =
      L.reduce(x, axes, false, F, host.number(F, 0),
               [](Scalar &s, Value a, Value v) { return s.min(F, a, v); });
  TValue scale = L.map({high, low}, F, [](Scalar &s, ValueRange a) {
    return s.div(F, s.sub(a[0], a[1]), s.number(F, 255));
  });
  TValue zero = L.map({low, scale}, DType::U8, [](Scalar &s, ValueRange a) {
    Value z =
        s.un<math::RoundEvenOp>(s.div(F, s.sub(s.number(F, 0), a[0]), a[1]));
    z = s.min(F, s.max(F, z, s.number(F, 0)), s.number(F, 255));
    return s.cast(z, F, DType::U8);
  });
  TValue y = L.map({x, scale, zero}, DType::U8, [](Scalar &s, ValueRange a) {
    return quantizeScalar(s, a[0], a[1], a[2], DType::U8);
  });
  return n.done({y, scale, zero});
}

/// x - zero point in i32, with the zero point reshaped against x.
TValue centred(Lowering &L, TValue x, TValue zero) {
  return L.map({x, zero}, DType::I32, [&](Scalar &s, ValueRange a) {
    return s.sub(s.cast(a[0], x.dtype, DType::I32),
                 s.cast(a[1], zero.dtype, DType::I32));
  });
}

/// A parameter of one element becomes a scalar; a vector stands along `axis`.
TValue parameter(Lowering &L, TValue p, int64_t rank, int64_t axis) {
  if (L.rank(p.value) == 0 ||
      (L.rank(p.value) == 1 && L.isConst(L.dim(p.value, 0), 1)))
    return L.reshape(p, {});
  if (L.rank(p.value) != 1)
    return p;
  Sizes sizes(rank, L.idx(1));
  sizes[axis] = L.dim(p.value, 0);
  return L.reshape(p, sizes);
}

/// i32 accumulator to the output's quantised type.
TValue requantize(Lowering &L, TValue acc, TValue sx, TValue sw, TValue sy,
                  TValue zy) {
  DType t = zy.dtype;
  return L.map({acc, sx, sw, sy, zy}, t, [&](Scalar &s, ValueRange a) {
    constexpr DType F = DType::F32;
    Value scale =
        s.div(F, s.mul(s.cast(a[1], sx.dtype, F), s.cast(a[2], sw.dtype, F)),
              s.cast(a[3], sy.dtype, F));
    Value r = s.mul(s.cast(a[0], DType::I32, F), scale);
    return quantizeScalar(s, r, s.number(F, 1), a[4], t);
  });
}

LogicalResult lowerQLinearMatMul(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue a = n.in(0), b = n.in(3);
  int64_t ra = L.rank(a.value), rb = L.rank(b.value);
  if (ra < 2 || rb < 2)
    return n.fail(InvalidShape, "operands must have rank 2 or more");
  TValue ca = centred(L, a, parameter(L, n.in(2), ra, ra - 2));
  TValue cb = centred(L, b, parameter(L, n.in(5), rb, rb - 1));
  if (!ca || !cb)
    return n.doneMap({});
  TValue acc = matmul(L, ca, cb, DType::I32);
  if (!acc)
    return n.fail(InvalidShape,
                  "shapes of the operands do not fit a matrix product");
  int64_t r = L.rank(acc.value);
  return n.doneMap(requantize(
      L, acc, parameter(L, n.in(1), r, r - 2), parameter(L, n.in(4), r, r - 1),
      parameter(L, n.in(6), r, r - 1), parameter(L, n.in(7), r, r - 1)));
}

LogicalResult lowerQLinearConv(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), w = n.in(3), bias = n.in(8);
  int64_t rank = L.rank(x.value);
  if (rank < 3 || rank > 5 || L.rank(w.value) != rank)
    return n.fail(InvalidShape,
                  "input and weight must have equal ranks of 3 to 5");
  TValue cx = centred(L, x, parameter(L, n.in(2), rank, 1));
  TValue cw = centred(L, w, parameter(L, n.in(5), rank, 0));
  if (!cx || !cw)
    return n.doneMap({});
  Ints kernel;
  for (int64_t i = 2; i < rank; ++i) {
    std::optional<int64_t> k = L.number(L.dim(w.value, i));
    if (!k)
      return n.fail(InvalidShape, "weight has a dynamic window");
    kernel.push_back(*k);
  }
  FailureOr<Window> window = windowOf(c, n, x.value, kernel, false);
  if (failed(window))
    return failure();
  TValue acc = convolve(L, cx, cw, bias, *window, n.i("group", 1), DType::I32);
  return n.doneMap(requantize(
      L, acc, parameter(L, n.in(1), rank, 1), parameter(L, n.in(4), rank, 1),
      parameter(L, n.in(6), rank, 1), parameter(L, n.in(7), rank, 1)));
}

} // namespace

void registerQuantize(Registry &r) {
  r.add("QuantizeLinear", lowerQuantize);
  r.add("DequantizeLinear", lowerDequantize);
  r.add("DynamicQuantizeLinear", lowerDynamicQuantize);
  r.add("QLinearMatMul", lowerQLinearMatMul);
  r.add("QLinearConv", lowerQLinearConv);
}

} // namespace mercer::lowering
