//===- Exponential.cpp - exp, log, pow, erf and the hyperbolic functions --===//
//
// f32 has its own forms of the functions that models run hot (exp, log, tanh,
// erf); the others are called on f64 for both types. Polynomials are Chebyshev
// fits or Taylor series, whose error is below the rounding of the type.
//
//===----------------------------------------------------------------------===//

#include "passes/math/Builder.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace mercer;
using namespace mercer::formula;

static constexpr double inf = std::numeric_limits<double>::infinity();
static constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();
static constexpr double ln2 = 0x1.62e42fefa39efp-1;

/// 1 + r + r^2 / 2! + ..., |r| <= ln2 / 2, as its parts above 1.
static Value expReduced(MathBuilder &m, Value r) {
  if (!m.isDouble())
    return m.fma(m.mul(r, r),
                 m.poly(r, {0.5, 0.166665767, 0.0416665542, 0.00836323288,
                            0.00139262512}),
                 r);
  SmallVector<double> taylor;
  double factorial = 1;
  for (int k = 2; k <= 13; ++k)
    taylor.push_back(1 / (factorial *= k));
  return m.fma(m.mul(r, r), m.poly(r, taylor), r);
}

namespace {
struct Reduced {
  Value n, r;
};
} // namespace

/// x = n * ln2 + r; ln2 in two parts, the first short enough that n times it
/// is exact.
static Reduced reduceByLn2(MathBuilder &m, Value x) {
  Value n = m.nearest(m.mul(x, m.c(1 / ln2)));
  double high = m.isDouble() ? 0x1.62e42feep-1 : 0x1.62e4p-1;
  double low = m.isDouble() ? 0x1.a39ef35793c76p-33 : 0x1.7f7d1cf79abcap-20;
  Value r = m.fma(n, m.c(-high), x);
  return {n, m.fma(n, m.c(-low), r)};
}

Value mercer::formula::exp(MathBuilder &m, Value x) {
  // Beyond these the result is 0 or infinity; the scaling gives both exactly.
  x = m.maxKeep(x, m.c(m.isDouble() ? -746.0 : -104.5));
  x = m.minKeep(x, m.c(m.isDouble() ? 710.0 : 89.0));
  Reduced e = reduceByLn2(m, x);
  Value p = m.add(expReduced(m, e.r), m.c(1));
  return m.scale(p, e.n);
}

Value mercer::formula::exp2(MathBuilder &m, Value x) {
  x = m.maxKeep(x, m.c(m.isDouble() ? -1080.0 : -152.0));
  x = m.minKeep(x, m.c(m.isDouble() ? 1025.0 : 129.0));
  Value n = m.nearest(x);
  Value f = m.sub(x, n);
  Value p;
  if (m.isDouble())
    p = m.add(expReduced(m, m.mul(f, m.c(ln2))), m.c(1));
  else
    p = m.fma(f,
              m.poly(f, {0.693147181, 0.240226509, 0.0555041088, 0.00961805639,
                         0.00133335028, 0.000154615608, 1.52972734e-5}),
              m.c(1));
  return m.scale(p, n);
}

Value mercer::formula::expm1(MathBuilder &m, Value x) {
  Value clamped = m.maxKeep(x, m.c(m.isDouble() ? -40.0 : -20.0));
  clamped = m.minKeep(clamped, m.c(m.isDouble() ? 710.0 : 89.0));
  Reduced e = reduceByLn2(m, clamped);
  // (p + 1) * 2^n - 1 = p * 2^n + (2^n - 1): no cancellation, p is small.
  Value p = expReduced(m, e.r);
  // 2^n overflows before the result does: half of it twice.
  Value half = m.scale(m.c(1), m.sub(e.n, m.c(1)));
  Value result = m.mul(m.fma(p, half, m.sub(half, m.c(0.5))), m.c(2));
  // Keeps the sign of zero and the smallest numbers.
  return m.select(m.equal(e.n, m.c(0)), m.select(m.equal(x, m.c(0)), x, p),
                  result);
}

namespace {
struct LogParts {
  Value exponent, mantissa;
};
} // namespace

/// log(x) = exponent * ln2 + mantissa for positive finite x.
static LogParts logParts(MathBuilder &m, Value x) {
  // Subnormals are scaled up first.
  Value tiny = m.less(x, m.c(m.isDouble() ? 0x1p-1022 : 0x1p-126));
  double up = m.isDouble() ? 54 : 25;
  Value scaled = m.select(tiny, m.mul(x, m.c(std::exp2(up))), x);
  auto [mantissa, exponent] = m.splitExponent(scaled);
  exponent = m.select(tiny, m.sub(exponent, m.c(up)), exponent);
  Value f = m.sub(mantissa, m.c(1));
  if (!m.isDouble()) {
    // f - f^2/2 + f^3 P(f)
    Value square = m.mul(f, f);
    Value p = m.poly(f, {0.333333306, -0.250003126, 0.200010785, -0.166409399,
                         0.14213094, -0.130012549, 0.12636535, -0.0791176113});
    Value tail = m.fma(m.mul(square, f), p, m.mul(square, m.c(-0.5)));
    return {exponent, m.add(f, tail)};
  }
  // With s = f / (2 + f): log(1 + f) = f - (f^2/2 - s (f^2/2 + R(s^2))).
  Value s = m.div(f, m.add(f, m.c(2)));
  Value z = m.mul(s, s);
  SmallVector<double> series;
  for (int k = 1; k <= 11; ++k)
    series.push_back(2.0 / (2 * k + 1));
  Value r = m.mul(z, m.poly(z, series));
  Value half = m.mul(m.mul(f, f), m.c(0.5));
  return {exponent, m.sub(f, m.sub(half, m.mul(s, m.add(half, r))))};
}

/// The special cases of a logarithm of x: zero, negative, infinite, NaN.
static Value logSpecial(MathBuilder &m, Value x, Value result) {
  result = m.select(m.equal(x, m.c(inf)), x, result);
  result = m.select(m.equal(x, m.c(0)), m.c(-inf), result);
  result = m.select(m.less(x, m.c(0)), m.c(notANumber), result);
  return m.select(m.isNaN(x), x, result);
}

static Value logFinite(MathBuilder &m, Value x) {
  LogParts parts = logParts(m, x);
  double high = m.isDouble() ? 0x1.62e42feep-1 : 0x1.62e4p-1;
  double low = m.isDouble() ? 0x1.a39ef35793c76p-33 : 0x1.7f7d1cf79abcap-20;
  Value small = m.fma(parts.exponent, m.c(low), parts.mantissa);
  return m.fma(parts.exponent, m.c(high), small);
}

Value mercer::formula::log(MathBuilder &m, Value x) {
  return logSpecial(m, x, logFinite(m, x));
}

/// log(x) / log(base) with the exponent part exact for base 2.
static Value logBase(MathBuilder &m, Value x, double perLog2, double perLn) {
  LogParts parts = logParts(m, x);
  Value result =
      m.fma(parts.exponent, m.c(perLog2), m.mul(parts.mantissa, m.c(perLn)));
  return logSpecial(m, x, result);
}
Value mercer::formula::log2(MathBuilder &m, Value x) {
  return logBase(m, x, 1, 1 / ln2);
}
Value mercer::formula::log10(MathBuilder &m, Value x) {
  return logBase(m, x, 0x1.34413509f79ffp-2, 0x1.bcb7b1526e50ep-2);
}

Value mercer::formula::log1p(MathBuilder &m, Value x) {
  // log(u) + c / u, where c is what the sum u = 1 + x lost.
  Value u = m.add(m.c(1), x);
  Value lost = m.sub(x, m.sub(u, m.c(1)));
  // For u much above 1 the part of x is larger than what is lost of 1.
  Value lostLarge = m.sub(m.c(1), m.sub(u, x));
  lost = m.select(m.less(m.c(1), x), lostLarge, lost);
  Value result = m.add(logFinite(m, u), m.div(lost, u));
  result = logSpecial(m, u, result);
  result = m.select(m.equal(x, m.c(inf)), x, result);
  return m.select(m.equal(x, m.c(0)), x, result);
}

Value mercer::formula::pow(MathBuilder &m, Value x, Value y) {
  Value size = m.abs(x);
  Value zero = m.c(0), one = m.c(1);
  // 2^(y log2 |x|). The product is kept in two parts: its rounding error would
  // be multiplied by the size of the exponent.
  LogParts parts = logParts(m, size);
  Value fraction = m.mul(parts.mantissa, m.c(1 / ln2));
  Value high = m.add(parts.exponent, fraction);
  Value low = m.sub(fraction, m.sub(high, parts.exponent));
  Value product = m.mul(y, high);
  Value error = m.productError(y, high, product);
  error = m.fma(y, low, error);
  double bound = m.isDouble() ? 2000 : 250;
  Value bounded = m.maxKeep(m.minKeep(product, m.c(bound)), m.c(-bound));
  Value n = m.nearest(bounded);
  Value f = m.add(m.sub(bounded, n),
                  m.select(m.equal(bounded, product), error, zero));
  Value result = m.scale(m.add(expReduced(m, m.mul(f, m.c(ln2))), one), n);

  // |x| of 0 and infinity.
  Value negativePower = m.less(y, zero);
  Value atZero = m.select(negativePower, m.c(inf), zero);
  Value atInf = m.select(negativePower, zero, m.c(inf));
  result = m.select(m.equal(size, zero), atZero, result);
  result = m.select(m.equal(size, m.c(inf)), atInf, result);
  // Infinite y: grows or shrinks with |x| against 1.
  Value shrinks = m.less(size, one);
  Value grows = m.less(one, size);
  Value yInf = m.isInf(y);
  Value vanish = m.either(m.both(shrinks, m.invert(negativePower)),
                          m.both(grows, negativePower));
  result = m.select(yInf, m.select(vanish, zero, m.c(inf)), result);
  result = m.select(m.both(yInf, m.equal(size, one)), one, result);
  // Negative x: the sign of odd powers; no value for a fractional power.
  Value whole = m.equal(m.floor(y), y);
  Value halfY = m.mul(y, m.c(0.5));
  Value odd = m.both(whole, m.invert(m.equal(m.floor(halfY), halfY)));
  Value negativeBits =
      arith::CmpIOp::create(m.b, arith::CmpIPredicate::slt, m.bits(x), m.i(0));
  result = m.select(m.both(negativeBits, odd), m.neg(result), result);
  Value undefined =
      m.both(m.both(m.less(x, zero), m.invert(whole)),
             m.both(m.invert(yInf), m.invert(m.equal(size, m.c(inf)))));
  result = m.select(undefined, m.c(notANumber), result);
  result = m.select(m.either(m.isNaN(x), m.isNaN(y)), m.c(notANumber), result);
  // 1^y and x^0 are 1, even of NaN.
  return m.select(m.either(m.equal(x, one), m.equal(y, zero)), one, result);
}

Value mercer::formula::cbrt(MathBuilder &m, Value x) {
  // Subnormals are scaled up by a cube.
  Value tiny = m.less(m.abs(x), m.c(m.isDouble() ? 0x1p-1000 : 0x1p-120));
  double up = m.isDouble() ? 0x1p60 : 0x1p30;
  double down = m.isDouble() ? 0x1p-20 : 0x1p-10;
  Value size = m.select(tiny, m.mul(m.abs(x), m.c(up)), m.abs(x));
  Value guess = exp(m, m.mul(logFinite(m, size), m.c(1.0 / 3)));
  // One Newton step: y - (y^3 - x) / (3 y^2).
  Value square = m.mul(guess, guess);
  Value residual = m.fma(square, guess, m.neg(size));
  Value better = m.sub(guess, m.div(residual, m.mul(square, m.c(3))));
  better = m.select(tiny, m.mul(better, m.c(down)), better);
  Value special =
      m.either(m.either(m.equal(x, m.c(0)), m.isInf(x)), m.isNaN(x));
  return m.select(special, x, m.withSignOf(better, x));
}

//===----------------------------------------------------------------------===//
// Error function
//===----------------------------------------------------------------------===//

static Value erfNearZero(MathBuilder &m, Value x) {
  Value z = m.mul(x, x);
  if (!m.isDouble())
    return m.mul(x,
                 m.poly(z, {1.12837917, -0.376126267, 0.112835947, -0.026854212,
                            0.00518908742, -0.000801686429, 7.87587506e-5}));
  return m.mul(x,
               m.poly(z, {1.12837916709551257, -0.376126389031837524,
                          0.112837916709551202, -0.0268661706451298408,
                          0.00522397762542329831, -0.00085483270219348296,
                          0.000120553329028887354, -0.0000149256475675193321,
                          1.64620454414684189e-6, -1.63646421581676153e-7,
                          1.4792401209404813e-8, -1.21645600572834501e-9,
                          8.70904512905310669e-11, -4.23094582429533782e-12}));
}

/// erfc of x in [0.95, 28], f64.
static Value erfcFar(MathBuilder &m, Value x) {
  // (1 + 2x) e^(x^2) erfc(x) as a polynomial of (x - 2) / (x + 2).
  Value t = m.div(m.sub(x, m.c(2)), m.add(x, m.c(2)));
  Value p = m.poly(t, {1.27697838155252872,       -0.0927638265857460084,
                       -0.16603039761529246,      0.164051280033444004,
                       -0.0542200009916359621,    -0.00803401508296045692,
                       0.00872265385586682406,    0.00127133900814298313,
                       -0.00145681348225356086,   -0.000454342250138201407,
                       0.000206362042514523697,   0.000151062909397139271,
                       -1.49374976695224375e-6,   -0.0000366233088126869078,
                       -0.0000133089016531975637, 4.4094316811289852e-6,
                       3.52628502204516217e-6,    1.82714825380452788e-6,
                       2.78793863111927004e-6,    -6.34942775687820652e-6,
                       3.24393101792182273e-6,    -5.3564274836659073e-7});
  // e^(-x^2) with the square in two parts.
  Value square = m.mul(x, x);
  Value error = m.productError(x, x, square);
  Value e = exp(m, m.neg(square));
  e = m.fma(e, m.neg(error), e);
  return m.div(m.mul(p, e), m.fma(x, m.c(2), m.c(1)));
}

Value mercer::formula::erf(MathBuilder &m, Value x) {
  Value size = m.abs(x);
  Value far;
  if (m.isDouble()) {
    far = m.sub(m.c(1),
                erfcFar(m, m.maxKeep(m.minKeep(size, m.c(6.5)), m.c(0.95))));
  } else {
    // 1 - e^g with g = log(erfc).
    Value bounded = m.minKeep(size, m.c(4.0));
    Value g = m.poly(bounded, {0.000321866258, -1.13024188, -0.63180955,
                               -0.110097243, 0.0264316433, -0.00476350966,
                               0.000597677275, -4.61647852e-5, 1.64267897e-6});
    Reduced e = reduceByLn2(m, g);
    far = m.sub(m.c(1), m.scale(m.add(expReduced(m, e.r), m.c(1)), e.n));
  }
  far = m.withSignOf(far, x);
  Value result = m.select(m.less(size, m.c(1)), erfNearZero(m, x), far);
  return m.select(m.isNaN(x), x, result);
}

Value mercer::formula::erfc(MathBuilder &m, Value x) {
  Value size = m.abs(x);
  Value far = erfcFar(m, m.maxKeep(m.minKeep(size, m.c(28)), m.c(0.95)));
  far = m.select(m.less(x, m.c(0)), m.sub(m.c(2), far), far);
  Value near = m.sub(m.c(1), erfNearZero(m, x));
  Value result = m.select(m.less(size, m.c(0.96)), near, far);
  return m.select(m.isNaN(x), x, result);
}

//===----------------------------------------------------------------------===//
// Hyperbolic functions and their inverses
//===----------------------------------------------------------------------===//

Value mercer::formula::tanh(MathBuilder &m, Value x) {
  Value size = m.abs(x);
  if (m.isDouble()) {
    Value t = expm1(m, m.mul(m.minKeep(size, m.c(22)), m.c(2)));
    Value result = m.withSignOf(m.div(t, m.add(t, m.c(2))), x);
    return m.select(m.isNaN(x), x, result);
  }
  Value z = m.mul(x, x);
  Value near = m.fma(m.mul(x, z),
                     m.poly(z, {-0.333333289, 0.133327699, -0.0538509296,
                                0.020997274, -0.00609685239}),
                     x);
  // 1 - 2 / (e^(2x) + 1); from 9.1 on the result rounds to 1.
  Value twice = m.mul(m.minKeep(size, m.c(9.1)), m.c(2));
  Reduced e = reduceByLn2(m, twice);
  Value power = m.scale(m.add(expReduced(m, e.r), m.c(1)), e.n);
  Value far = m.sub(m.c(1), m.div(m.c(2), m.add(power, m.c(1))));
  far = m.withSignOf(far, x);
  return m.select(m.less(size, m.c(0.625)), near, far);
}

Value mercer::formula::sinh(MathBuilder &m, Value x) {
  Value size = m.abs(x);
  Value t = expm1(m, m.minKeep(size, m.c(30)));
  Value near = m.mul(m.c(0.5), m.add(t, m.div(t, m.add(t, m.c(1)))));
  Value root = exp(m, m.mul(size, m.c(0.5)));
  Value far = m.mul(m.mul(m.c(0.5), root), root);
  Value result = m.select(m.less(size, m.c(22)), near, far);
  return m.withSignOf(result, x);
}

Value mercer::formula::cosh(MathBuilder &m, Value x) {
  Value size = m.abs(x);
  Value e = exp(m, m.minKeep(size, m.c(30)));
  Value near = m.mul(m.c(0.5), m.add(e, m.div(m.c(1), e)));
  Value root = exp(m, m.mul(size, m.c(0.5)));
  Value far = m.mul(m.mul(m.c(0.5), root), root);
  return m.select(m.less(size, m.c(22)), near, far);
}

Value mercer::formula::asinh(MathBuilder &m, Value x) {
  Value size = m.abs(x);
  Value square = m.mul(size, size);
  Value root = m.sqrt(m.add(square, m.c(1)));
  Value near = log1p(m, m.add(size, m.div(square, m.add(root, m.c(1)))));
  Value far = m.add(log(m, size), m.c(ln2));
  Value result = m.select(m.less(size, m.c(0x1p28)), near, far);
  result = m.select(m.isNaN(x), x, result);
  return m.withSignOf(result, x);
}

Value mercer::formula::acosh(MathBuilder &m, Value x) {
  Value t = m.sub(x, m.c(1));
  Value root = m.sqrt(m.fma(t, t, m.mul(t, m.c(2))));
  Value near = log1p(m, m.add(t, root));
  Value far = m.add(log(m, x), m.c(ln2));
  Value result = m.select(m.less(x, m.c(0x1p28)), near, far);
  result = m.select(m.less(x, m.c(1)), m.c(notANumber), result);
  return m.select(m.isNaN(x), x, result);
}

Value mercer::formula::atanh(MathBuilder &m, Value x) {
  Value size = m.abs(x);
  Value twice = m.add(size, size);
  Value result = m.mul(m.c(0.5), log1p(m, m.div(twice, m.sub(m.c(1), size))));
  result = m.select(m.equal(size, m.c(1)), m.c(inf), result);
  result = m.select(m.less(m.c(1), size), m.c(notANumber), result);
  return m.withSignOf(result, x);
}
