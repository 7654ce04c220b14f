// Activation functions. f16 and bf16 are computed in f32.
#include "passes/onnx/Node.h"

#include <cmath>

namespace mercer::lowering {

namespace {

using Attrs = SmallVector<double, 4>;
using Formula = Value (*)(Scalar &, Value x, const Attrs &);

Value cst(Scalar &s, Value like, double v) { return s.real(like.getType(), v); }
Value less(Scalar &s, Value x, Value y) {
  return s.cmp(DType::F32, Scalar::LT, x, y);
}
Value greater(Scalar &s, Value x, Value y) {
  return s.cmp(DType::F32, Scalar::GT, x, y);
}
Value maxZero(Scalar &s, Value x) { return s.max(DType::F32, x, cst(s, x, 0)); }
Value divide(Scalar &s, Value x, Value y) { return s.bin<arith::DivFOp>(x, y); }
Value expm1(Scalar &s, Value x) {
  return s.sub(s.un<math::ExpOp>(x), cst(s, x, 1));
}

/// 1 / (1 + exp(-x)): exp overflows to inf, and the result to 0, as it should.
Value logistic(Scalar &s, Value x) {
  return divide(s, cst(s, x, 1),
                s.add(cst(s, x, 1), s.un<math::ExpOp>(s.neg(x))));
}
/// log(1 + exp(x)) without overflow for large x.
Value softplus(Scalar &s, Value x) {
  Value e = s.un<math::ExpOp>(s.neg(s.un<math::AbsFOp>(x)));
  return s.add(maxZero(s, x), s.un<math::Log1pOp>(e));
}
Value hardSigmoid(Scalar &s, Value x, double alpha, double beta) {
  Value v = s.add(s.mul(x, cst(s, x, alpha)), cst(s, x, beta));
  return s.min(DType::F32, maxZero(s, v), cst(s, x, 1));
}

Value sigmoidFn(Scalar &s, Value x, const Attrs &) { return logistic(s, x); }
Value softplusFn(Scalar &s, Value x, const Attrs &) { return softplus(s, x); }
Value softsignFn(Scalar &s, Value x, const Attrs &) {
  return divide(s, x, s.add(cst(s, x, 1), s.un<math::AbsFOp>(x)));
}
Value mishFn(Scalar &s, Value x, const Attrs &) {
  return s.mul(x, s.un<math::TanhOp>(softplus(s, x)));
}
Value eluFn(Scalar &s, Value x, const Attrs &a) {
  return s.select(less(s, x, cst(s, x, 0)), s.mul(cst(s, x, a[0]), expm1(s, x)),
                  x);
}
Value seluFn(Scalar &s, Value x, const Attrs &a) {
  Value low = s.mul(cst(s, x, a[0]), expm1(s, x));
  return s.mul(cst(s, x, a[1]), s.select(greater(s, x, cst(s, x, 0)), x, low));
}
Value celuFn(Scalar &s, Value x, const Attrs &a) {
  Value low = s.mul(cst(s, x, a[0]), expm1(s, s.mul(x, cst(s, x, 1 / a[0]))));
  return s.add(maxZero(s, x), s.min(DType::F32, low, cst(s, x, 0)));
}
Value leakyReluFn(Scalar &s, Value x, const Attrs &a) {
  return s.select(less(s, x, cst(s, x, 0)), s.mul(x, cst(s, x, a[0])), x);
}
Value thresholdedReluFn(Scalar &s, Value x, const Attrs &a) {
  return s.select(greater(s, x, cst(s, x, a[0])), x, cst(s, x, 0));
}
Value hardSigmoidFn(Scalar &s, Value x, const Attrs &a) {
  return hardSigmoid(s, x, a[0], a[1]);
}
/// x clip(x + 3, 0, 6) / 6. A sixth rounded to f32 is 3e-8 too large, and in a
/// net of many such layers a bias of one sign adds up; its rest, added before
/// the product is rounded, takes it away for less than a division.
Value hardSwishFn(Scalar &s, Value x, const Attrs &) {
  double high = x.getType().isF64() ? 1.0 / 6 : double(float(1.0 / 6)),
         low = std::fma(-6, high, 1) / 6;
  Value t = maxZero(s, s.add(x, cst(s, x, 3)));
  t = s.min(DType::F32, t, cst(s, x, 6));
  Value rest = s.mul(t, cst(s, x, low));
  return s.mul(x, math::FmaOp::create(s.b, s.loc, t, cst(s, x, high), rest));
}
Value swishFn(Scalar &s, Value x, const Attrs &a) {
  return s.mul(x, logistic(s, a[0] == 1.0 ? x : s.mul(x, cst(s, x, a[0]))));
}
Value geluErf(Scalar &s, Value x, const Attrs &) {
  Value e = s.un<math::ErfOp>(s.mul(x, cst(s, x, std::sqrt(0.5))));
  return s.mul(s.mul(x, cst(s, x, 0.5)), s.add(cst(s, x, 1), e));
}
Value geluTanh(Scalar &s, Value x, const Attrs &) {
  Value cube = s.mul(s.mul(x, x), s.mul(x, cst(s, x, 0.044715)));
  Value t = s.un<math::TanhOp>(s.mul(
      cst(s, x, std::sqrt(2.0 / 3.14159265358979323846)), s.add(x, cube)));
  return s.mul(s.mul(x, cst(s, x, 0.5)), s.add(cst(s, x, 1), t));
}

LogicalResult apply(Context &c, Node &n, Formula f, const Attrs &attrs) {
  TValue x = n.in(0);
  if (!isFloat(x.dtype))
    return n.failType(0, "a floating-point type");
  return n.doneMap(c.L.map({x}, x.dtype, [&](Scalar &s, ValueRange a) {
    return s.truncate(f(s, s.extend(a[0]), attrs), a[0].getType());
  }));
}

template <Formula F> LogicalResult plain(Context &c, Node &n) {
  return apply(c, n, F, {});
}

LogicalResult lowerGelu(Context &c, Node &n) {
  StringRef approximate = n.s("approximate", "none");
  if (approximate != "none" && approximate != "tanh")
    return n.fail(InvalidAttribute, "approximate is '" + approximate +
                                        "', expected none or tanh");
  return apply(c, n, approximate == "tanh" ? geluTanh : geluErf, {});
}

LogicalResult lowerRelu(Context &c, Node &n) {
  TValue x = n.in(0);
  return n.doneMap(c.L.map({x}, x.dtype, [&](Scalar &s, ValueRange a) {
    return s.max(x.dtype, a[0], s.number(x.dtype, 0));
  }));
}

LogicalResult lowerPRelu(Context &c, Node &n) {
  TValue x = n.in(0), slope = n.in(1);
  return n.doneMap(c.L.map({x, slope}, x.dtype, [&](Scalar &s, ValueRange a) {
    Value negative = s.cmp(x.dtype, Scalar::LT, a[0], s.number(x.dtype, 0));
    return s.select(negative, s.mul(a[0], a[1]), a[0]);
  }));
}

LogicalResult lowerShrink(Context &c, Node &n) {
  TValue x = n.in(0);
  double bias = n.f("bias", 0), lambda = n.f("lambd", 0.5);
  DType t = x.dtype, w = isFloat(t) ? accumulatorType(t) : DType::F32;
  return n.doneMap(c.L.map({x}, t, [&](Scalar &s, ValueRange a) {
    Value v = s.cast(a[0], t, w);
    Value high = s.select(greater(s, v, s.number(w, lambda)),
                          s.sub(v, s.number(w, bias)), s.number(w, 0));
    Value low = less(s, v, s.number(w, -lambda));
    return s.cast(s.select(low, s.add(v, s.number(w, bias)), high), w, t);
  }));
}

} // namespace

void registerActivations(Registry &r) {
  r.add("Relu", lowerRelu);
  r.add("PRelu", lowerPRelu, 7);
  r.add("Shrink", lowerShrink);
  r.add("Gelu", lowerGelu);
  r.add("Gelu", lowerGelu, 1, onnx::NodeOp::kMercerDomain);
  r.add("Sigmoid", plain<sigmoidFn>);
  r.add("Softplus", plain<softplusFn>);
  r.add("Softsign", plain<softsignFn>);
  r.add("Mish", plain<mishFn>);
  r.add("HardSwish", plain<hardSwishFn>);
  r.add("HardSwish", plain<hardSwishFn>, 1, onnx::NodeOp::kMercerDomain);
  LowerFn swish = [](Context &c, Node &n) {
    return apply(c, n, swishFn, {n.f("alpha", 1)});
  };
  r.add("Swish", swish);
  r.add("Swish", swish, 1, onnx::NodeOp::kMercerDomain);
  r.add("Silu", swish, 1, onnx::NodeOp::kMercerDomain);
  r.add("SiLU", swish, 1, onnx::NodeOp::kMercerDomain);
  r.add("Elu", [](Context &c, Node &n) {
    return apply(c, n, eluFn, {n.f("alpha", 1)});
  });
  r.add("Celu", [](Context &c, Node &n) {
    return apply(c, n, celuFn, {n.f("alpha", 1)});
  });
  r.add("Selu", [](Context &c, Node &n) {
    return apply(c, n, seluFn,
                 {n.f("alpha", 1.67326319217681884765625),
                  n.f("gamma", 1.05070102214813232421875)});
  });
  r.add("LeakyRelu", [](Context &c, Node &n) {
    return apply(c, n, leakyReluFn, {n.f("alpha", 0.01)});
  });
  r.add("ThresholdedRelu", [](Context &c, Node &n) {
    return apply(c, n, thresholdedReluFn, {n.f("alpha", 1)});
  });
  r.add("HardSigmoid", [](Context &c, Node &n) {
    return apply(c, n, hardSigmoidFn, {n.f("alpha", 0.2), n.f("beta", 0.5)});
  });
}

} // namespace mercer::lowering
