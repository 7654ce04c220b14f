// Arithmetic on elements: unary, binary and variadic operators, Where, Clip.
#include "passes/onnx/Node.h"

namespace mercer::lowering {

namespace {

/// Float-only unary operator; f16 and bf16 are computed in f32.
template <typename Op> LogicalResult unaryMath(Context &c, Node &n) {
  TValue x = n.in(0);
  if (!isFloat(x.dtype))
    return n.failType(0, "a floating-point type");
  return n.doneMap(c.L.map({x}, x.dtype, [](Scalar &s, ValueRange a) {
    return s.truncate(s.un<Op>(s.extend(a[0])), a[0].getType());
  }));
}

template <Value (*F)(Scalar &, DType, Value)>
LogicalResult unary(Context &c, Node &n) {
  TValue x = n.in(0);
  return n.doneMap(c.L.map({x}, x.dtype, [&](Scalar &s, ValueRange a) {
    return F(s, x.dtype, a[0]);
  }));
}

LogicalResult sameTypes(Node &n) {
  for (unsigned i = 1; i < n.inputs.size(); ++i)
    if (n.has(i) && n.in(i).dtype != n.in(0).dtype)
      return n.failType(i, dtypeName(n.in(0).dtype));
  return success();
}

template <Value (*F)(Scalar &, DType, Value, Value)>
LogicalResult binary(Context &c, Node &n) {
  if (failed(sameTypes(n)))
    return failure();
  DType t = n.in(0).dtype;
  return n.doneMap(c.L.map({n.in(0), n.in(1)}, t, [&](Scalar &s, ValueRange a) {
    return F(s, t, a[0], a[1]);
  }));
}

template <Value (*F)(Scalar &, DType, Value, Value)>
LogicalResult variadic(Context &c, Node &n) {
  if (failed(sameTypes(n)))
    return failure();
  TValue acc = n.in(0);
  for (unsigned i = 1; i < n.inputs.size(); ++i) {
    acc = c.L.map({acc, n.in(i)}, acc.dtype, [&](Scalar &s, ValueRange a) {
      return F(s, n.in(0).dtype, a[0], a[1]);
    });
    if (!acc)
      return n.doneMap(acc);
  }
  return n.done(acc);
}

Value add(Scalar &s, DType, Value x, Value y) { return s.add(x, y); }
Value sub(Scalar &s, DType, Value x, Value y) { return s.sub(x, y); }
Value mul(Scalar &s, DType, Value x, Value y) { return s.mul(x, y); }
Value div(Scalar &s, DType t, Value x, Value y) { return s.div(t, x, y); }
Value maxOf(Scalar &s, DType t, Value x, Value y) { return s.max(t, x, y); }
Value minOf(Scalar &s, DType t, Value x, Value y) { return s.min(t, x, y); }
Value bitAnd(Scalar &s, DType, Value x, Value y) {
  return s.bin<arith::AndIOp>(x, y);
}
Value bitOr(Scalar &s, DType, Value x, Value y) {
  return s.bin<arith::OrIOp>(x, y);
}
Value bitXor(Scalar &s, DType, Value x, Value y) {
  return s.bin<arith::XOrIOp>(x, y);
}

Value absOf(Scalar &s, DType t, Value x) {
  if (isFloat(t))
    return s.un<math::AbsFOp>(x);
  return isUnsigned(t) ? x : s.max(t, x, s.neg(x));
}
Value negOf(Scalar &s, DType, Value x) { return s.neg(x); }
Value bitNot(Scalar &s, DType, Value x) {
  return s.bin<arith::XOrIOp>(x, s.integer(x.getType(), -1));
}
Value signOf(Scalar &s, DType t, Value x) {
  Value zero = s.number(t, 0), one = s.number(t, 1);
  Value positive = s.select(s.cmp(t, Scalar::GT, x, zero), one, zero);
  if (isUnsigned(t))
    return positive;
  // NaN compares false both times and stays: sign(NaN) is NaN.
  Value signedValue =
      s.select(s.cmp(t, Scalar::LT, x, zero), s.number(t, -1), positive);
  return isFloat(t) ? s.select(s.cmp(t, Scalar::NE, x, x), x, signedValue)
                    : signedValue;
}
Value reciprocal(Scalar &s, DType t, Value x) {
  return s.div(t, s.number(t, 1), x);
}

LogicalResult lowerPow(Context &c, Node &n) {
  TValue x = n.in(0), y = n.in(1);
  DType t = x.dtype;
  // Small constant exponents are products: exact, and fast.
  if (std::optional<SmallVector<double>> e = c.L.constDoubles(y);
      e && e->size() == 1) {
    double p = e->front();
    if (p == 1.0 && c.L.rank(y.value) <= c.L.rank(x.value))
      return n.done(x);
    if (p == 2.0 || p == 3.0)
      return n.doneMap(c.L.map({x, y}, t, [&](Scalar &s, ValueRange a) {
        Value sq = s.mul(a[0], a[0]);
        return p == 2.0 ? sq : s.mul(sq, a[0]);
      }));
    if (p == 0.5 && isFloat(t))
      return n.doneMap(c.L.map({x, y}, t, [&](Scalar &s, ValueRange a) {
        return s.truncate(s.un<math::SqrtOp>(s.extend(a[0])), a[0].getType());
      }));
  }
  // Integers go through f64, which holds every power that a test can check.
  DType w = isFloat(t) ? accumulatorType(t) : DType::F64;
  return n.doneMap(c.L.map({x, y}, t, [&](Scalar &s, ValueRange a) {
    Value r = s.bin<math::PowFOp>(s.cast(a[0], t, w), s.cast(a[1], y.dtype, w));
    if (!isFloat(t)) // the nearest integer, whatever the last bit of pow
      r = s.un<math::RoundEvenOp>(r);
    return s.cast(r, w, t);
  }));
}

LogicalResult lowerMod(Context &c, Node &n) {
  if (failed(sameTypes(n)))
    return failure();
  DType t = n.in(0).dtype;
  bool fmod = n.i("fmod") != 0;
  if (isFloat(t) && !fmod)
    return n.fail(InvalidAttribute,
                  "fmod = 0 with floating-point operands; use fmod = 1");
  return n.doneMap(c.L.map({n.in(0), n.in(1)}, t, [&](Scalar &s, ValueRange a) {
    Value r = s.rem(t, s.extend(a[0]), s.extend(a[1]));
    if (isFloat(t))
      return s.truncate(r, a[0].getType());
    if (fmod || isUnsigned(t))
      return r;
    // Python's sign rule: the result has the sign of the divisor.
    Value zero = s.number(t, 0);
    Value signsDiffer =
        s.cmp(t, Scalar::LT, s.bin<arith::XOrIOp>(r, a[1]), zero);
    Value fix = s.logicalAnd(s.cmp(t, Scalar::NE, r, zero), signsDiffer);
    return s.select(fix, s.add(r, a[1]), r);
  }));
}

LogicalResult lowerBitShift(Context &c, Node &n) {
  if (failed(sameTypes(n)))
    return failure();
  DType t = n.in(0).dtype;
  StringRef direction = n.s("direction");
  if (direction != "LEFT" && direction != "RIGHT")
    return n.fail(InvalidAttribute,
                  "direction is '" + direction + "', expected LEFT or RIGHT");
  bool left = direction == "LEFT";
  return n.doneMap(c.L.map({n.in(0), n.in(1)}, t, [&](Scalar &s, ValueRange a) {
    Value big = s.cmp(t, Scalar::GE, a[1], s.number(t, bitWidth(t)));
    Value r = left ? s.bin<arith::ShLIOp>(a[0], a[1])
                   : s.bin<arith::ShRUIOp>(a[0], a[1]);
    return s.select(big, s.number(t, 0), r);
  }));
}

LogicalResult lowerMean(Context &c, Node &n) {
  if (failed(variadic<add>(c, n)))
    return failure();
  double scale = n.inputs.size();
  TValue sum = n.results.front();
  return n.doneMap(c.L.map({sum}, sum.dtype, [&](Scalar &s, ValueRange a) {
    return s.div(sum.dtype, a[0], s.number(sum.dtype, scale));
  }));
}

LogicalResult lowerClip(Context &c, Node &n) {
  TValue x = n.in(0);
  SmallVector<TValue> ins = {x};
  bool attrs = n.opset() < 11;
  bool low = attrs ? n.hasAttr("min") : n.has(1),
       high = attrs ? n.hasAttr("max") : n.has(2);
  if (!attrs && low)
    ins.push_back(n.in(1));
  if (!attrs && high)
    ins.push_back(n.in(2));
  if (!low && !high)
    return n.done(x);
  for (TValue v : ins)
    if (v.dtype != x.dtype)
      return n.fail(UnsupportedType,
                    "bounds have another type than the operand");
  return n.doneMap(c.L.map(ins, x.dtype, [&](Scalar &s, ValueRange a) {
    unsigned next = 1;
    Value r = a[0];
    if (low)
      r = s.max(x.dtype, r, attrs ? s.number(x.dtype, n.f("min")) : a[next++]);
    if (high)
      r = s.min(x.dtype, r, attrs ? s.number(x.dtype, n.f("max")) : a[next]);
    return r;
  }));
}

LogicalResult lowerWhere(Context &c, Node &n) {
  TValue cond = n.in(0), x = n.in(1), y = n.in(2);
  if (x.dtype != y.dtype)
    return n.failType(2, dtypeName(x.dtype));
  return n.doneMap(c.L.map({cond, x, y}, x.dtype, [](Scalar &s, ValueRange a) {
    return s.select(s.toBool(a[0]), a[1], a[2]);
  }));
}

LogicalResult identity(Context &, Node &n) { return n.done(n.in(0)); }

} // namespace

void registerElementwise(Registry &r) {
  r.add("Add", binary<add>, 7);
  r.add("Sub", binary<sub>, 7);
  r.add("Mul", binary<mul>, 7);
  r.add("Div", binary<div>, 7);
  r.add("Pow", lowerPow, 7);
  r.add("Mod", lowerMod);
  r.add("BitShift", lowerBitShift);
  r.add("BitwiseAnd", binary<bitAnd>);
  r.add("BitwiseOr", binary<bitOr>);
  r.add("BitwiseXor", binary<bitXor>);
  r.add("BitwiseNot", unary<bitNot>);
  r.add("Sum", variadic<add>);
  r.add("Max", variadic<maxOf>);
  r.add("Min", variadic<minOf>);
  r.add("Mean", lowerMean);
  r.add("Abs", unary<absOf>);
  r.add("Neg", unary<negOf>);
  r.add("Sign", unary<signOf>);
  r.add("Reciprocal", unary<reciprocal>);
  r.add("Sqrt", unaryMath<math::SqrtOp>);
  r.add("Exp", unaryMath<math::ExpOp>);
  r.add("Log", unaryMath<math::LogOp>);
  r.add("Sin", unaryMath<math::SinOp>);
  r.add("Cos", unaryMath<math::CosOp>);
  r.add("Tan", unaryMath<math::TanOp>);
  r.add("Asin", unaryMath<math::AsinOp>);
  r.add("Acos", unaryMath<math::AcosOp>);
  r.add("Atan", unaryMath<math::AtanOp>);
  r.add("Sinh", unaryMath<math::SinhOp>);
  r.add("Cosh", unaryMath<math::CoshOp>);
  r.add("Tanh", unaryMath<math::TanhOp>);
  r.add("Asinh", unaryMath<math::AsinhOp>);
  r.add("Acosh", unaryMath<math::AcoshOp>);
  r.add("Atanh", unaryMath<math::AtanhOp>);
  r.add("Erf", unaryMath<math::ErfOp>);
  r.add("Ceil", unaryMath<math::CeilOp>);
  r.add("Floor", unaryMath<math::FloorOp>);
  r.add("Round", unaryMath<math::RoundEvenOp>);
  r.add("Clip", lowerClip);
  r.add("Where", lowerWhere);
  r.add("Identity", identity);
  // The seed of training-mode dropout is not modelled; inference is identity.
}

} // namespace mercer::lowering
