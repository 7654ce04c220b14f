//===- Trigonometric.cpp - sine, cosine, tangent and their inverses -------===//
//
// Written for f64; f32 goes through them and rounds once.
//
//===----------------------------------------------------------------------===//

#include "passes/math/Builder.h"

#include <limits>

using namespace mlir;
using namespace mercer;
using namespace mercer::formula;

static constexpr double inf = std::numeric_limits<double>::infinity();
static constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();

namespace {
struct Turned {
  /// x less the nearest multiple of pi / 2.
  Value rest;
  /// The multiple is odd; it is 2 or 3 modulo 4.
  Value odd, back;
};
} // namespace

/// pi / 2 in parts of 33 bits: n times each is exact below 2^20, and with fused
/// multiply-add the error stays below an ulp of the result up to 2^30.
static Turned reduce(MathBuilder &m, Value x) {
  Value n = m.nearest(m.mul(x, m.c(0x1.45f306dc9c883p-1)));
  Value r = m.fma(n, m.c(-0x1.921fb544p+0), x);
  r = m.fma(n, m.c(-0x1.0b4611a6p-34), r);
  r = m.fma(n, m.c(-0x1.3198a2ep-69), r);
  r = m.fma(n, m.c(-0x1.b839a252049c1p-104), r);
  Value low = m.bits(m.add(n, m.c(0x1.8p52)));
  auto flag = [&](int64_t mask) -> Value {
    return arith::CmpIOp::create(m.b, arith::CmpIPredicate::ne,
                                 m.iand(low, m.i(mask)), m.i(0));
  };
  return {r, flag(1), flag(2)};
}

static Value sinReduced(MathBuilder &m, Value r) {
  Value z = m.mul(r, r);
  SmallVector<double> taylor;
  double factorial = 1;
  for (int k = 3; k <= 17; k += 2)
    taylor.push_back(1 / (factorial *= -double(k) * (k - 1)));
  return m.fma(m.mul(r, z), m.poly(z, taylor), r);
}
static Value cosReduced(MathBuilder &m, Value r) {
  Value z = m.mul(r, r);
  SmallVector<double> taylor;
  double factorial = 2;
  for (int k = 4; k <= 18; k += 2)
    taylor.push_back(1 / (factorial *= -double(k) * (k - 1)) * -1);
  // 1 - z/2 + z^2 (1/4! - ...)
  Value head = m.fma(z, m.c(-0.5), m.c(1));
  return m.fma(m.mul(z, z), m.poly(z, taylor), head);
}

static Value finite(MathBuilder &m, Value x, Value result) {
  return m.select(m.isInf(x), m.c(notANumber), result);
}

Value mercer::formula::sin(MathBuilder &m, Value x) {
  Turned t = reduce(m, x);
  Value result = m.select(t.odd, cosReduced(m, t.rest), sinReduced(m, t.rest));
  result = m.select(t.back, m.neg(result), result);
  result = m.select(m.equal(x, m.c(0)), x, result);
  return finite(m, x, result);
}
Value mercer::formula::cos(MathBuilder &m, Value x) {
  Turned t = reduce(m, x);
  Value result = m.select(t.odd, sinReduced(m, t.rest), cosReduced(m, t.rest));
  // Quadrants 1 and 2 are negative.
  Value negative = arith::XOrIOp::create(m.b, t.odd, t.back);
  result = m.select(negative, m.neg(result), result);
  return finite(m, x, result);
}
Value mercer::formula::tan(MathBuilder &m, Value x) {
  Turned t = reduce(m, x);
  Value s = sinReduced(m, t.rest), c = cosReduced(m, t.rest);
  Value result = m.div(m.select(t.odd, m.neg(c), s), m.select(t.odd, s, c));
  result = m.select(m.equal(x, m.c(0)), x, result);
  return finite(m, x, result);
}

static constexpr double pi = 0x1.921fb54442d18p+1;

/// atan of x in [0, 1].
static Value atanUnit(MathBuilder &m, Value x) {
  // Above tan(pi/8): pi/4 + atan((x - 1) / (x + 1)).
  Value upper = m.less(m.c(0.41421356237309503), x);
  Value moved = m.div(m.sub(x, m.c(1)), m.add(x, m.c(1)));
  Value t = m.select(upper, moved, x);
  Value z = m.mul(t, t);
  SmallVector<double> series;
  for (int k = 1; k <= 21; ++k)
    series.push_back((k % 2 ? -1.0 : 1.0) / (2 * k + 1));
  Value value = m.fma(m.mul(t, z), m.poly(z, series), t);
  return m.select(upper, m.add(value, m.c(pi / 4)), value);
}

Value mercer::formula::atan(MathBuilder &m, Value x) {
  Value size = m.abs(x);
  Value large = m.less(m.c(1), size);
  Value unit = m.select(large, m.div(m.c(1), size), size);
  Value value = atanUnit(m, unit);
  value = m.select(large, m.sub(m.c(pi / 2), value), value);
  return m.withSignOf(value, x);
}

Value mercer::formula::atan2(MathBuilder &m, Value y, Value x) {
  Value ay = m.abs(y), ax = m.abs(x);
  Value steep = m.less(ax, ay);
  Value ratio = m.div(m.select(steep, ax, ay), m.select(steep, ay, ax));
  Value bothZero = m.both(m.equal(ay, m.c(0)), m.equal(ax, m.c(0)));
  Value bothInf = m.both(m.equal(ay, m.c(inf)), m.equal(ax, m.c(inf)));
  ratio = m.select(bothZero, m.c(0), ratio);
  ratio = m.select(bothInf, m.c(1), ratio);
  Value value = atanUnit(m, ratio);
  value = m.select(steep, m.sub(m.c(pi / 2), value), value);
  Value left =
      arith::CmpIOp::create(m.b, arith::CmpIPredicate::slt, m.bits(x), m.i(0));
  value = m.select(left, m.sub(m.c(pi), value), value);
  value = m.withSignOf(value, y);
  return m.select(m.either(m.isNaN(x), m.isNaN(y)), m.c(notANumber), value);
}

Value mercer::formula::asin(MathBuilder &m, Value x) {
  Value other = m.sqrt(m.mul(m.sub(m.c(1), x), m.add(m.c(1), x)));
  return atan2(m, x, other);
}
Value mercer::formula::acos(MathBuilder &m, Value x) {
  Value up = m.sqrt(m.sub(m.c(1), x)), right = m.sqrt(m.add(m.c(1), x));
  return m.mul(m.c(2), atan2(m, up, right));
}
