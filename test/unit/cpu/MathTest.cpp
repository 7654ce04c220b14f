//===- MathTest.cpp - accuracy of the expanded math functions -------------===//
//
// Against the C library one precision up. With MERCER_PRINT_ULP set, prints
// the table of docs/backends-cpu.md.
//
//===----------------------------------------------------------------------===//

#include "test/unit/cpu/Check.h"

#include <cstdlib>
#include <functional>
#include <limits>

using namespace mercer::test;

using Reference = std::function<long double(long double, long double)>;

namespace {
struct Function {
  const char *op;
  Reference reference;
  double low, high;
  double ulpSingle, ulpDouble;
  bool binary = false;
  bool logarithmic = false;
};
} // namespace

static std::vector<Function> functions() {
  auto unary = [](long double (*f)(long double)) -> Reference {
    return [f](long double x, long double) { return f(x); };
  };
  return {
      {"math.exp", unary(expl), -120, 100, 2, 2},
      {"math.exp", unary(expl), -1, 1, 2, 2},
      {"math.exp2", unary(exp2l), -160, 140, 2, 2},
      {"math.expm1", unary(expm1l), -30, 80, 3, 3},
      {"math.expm1", unary(expm1l), -0.5, 0.5, 3, 3},
      {"math.log", unary(logl), -100, 88, 2, 2, false, true},
      {"math.log", unary(logl), -0.5, 0.5, 2, 2, false, true},
      {"math.log2", unary(log2l), -100, 88, 3, 3, false, true},
      {"math.log10", unary(log10l), -100, 88, 3, 3, false, true},
      {"math.log1p", unary(log1pl), -0.99, 3, 3, 3},
      {"math.log1p", unary(log1pl), -60, 80, 3, 3, false, true},
      {"math.tanh", unary(tanhl), -12, 12, 3, 4},
      {"math.tanh", unary(tanhl), -0.7, 0.7, 3, 4},
      {"math.erf", unary(erfl), -5, 5, 4, 4},
      {"math.erfc", unary(erfcl), -3, 9, 1, 16},
      {"math.sin", unary(sinl), -10, 10, 1, 2},
      {"math.sin", unary(sinl), -1e5, 1e5, 1, 2},
      {"math.cos", unary(cosl), -10, 10, 1, 2},
      {"math.cos", unary(cosl), -1e5, 1e5, 1, 2},
      {"math.tan", unary(tanl), -10, 10, 1, 4},
      {"math.asin", unary(asinl), -1, 1, 1, 3},
      {"math.acos", unary(acosl), -1, 1, 1, 3},
      {"math.atan", unary(atanl), -30, 30, 1, 3},
      {"math.sinh", unary(sinhl), -85, 85, 1, 4},
      {"math.sinh", unary(sinhl), -1, 1, 1, 4},
      {"math.cosh", unary(coshl), -85, 85, 1, 4},
      {"math.asinh", unary(asinhl), -100, 100, 1, 4},
      {"math.acosh", unary(acoshl), 1, 100, 1, 4},
      {"math.atanh", unary(atanhl), -1, 1, 1, 4},
      {"math.cbrt", unary(cbrtl), -100, 100, 1, 2},
      {"math.rsqrt", [](long double x, long double) { return 1 / sqrtl(x); },
       -80, 80, 2, 2, false, true},
      {"math.round", unary(roundl), -100, 100, 0, 0},
      {"math.roundeven", unary(rintl), -100, 100, 0, 0},
      {"math.floor", unary(floorl), -100, 100, 0, 0},
      {"math.ceil", unary(ceill), -100, 100, 0, 0},
      {"math.trunc", unary(truncl), -100, 100, 0, 0},
      {"math.atan2", [](long double y, long double x) { return atan2l(y, x); },
       -5, 5, 1, 4, true},
      {"math.powf", [](long double x, long double y) { return powl(x, y); },
       0.01, 9, 1, 64, true},
      {"math.powf", [](long double x, long double y) { return powl(x, y); }, -5,
       5, 1, 64, true},
      {"arith.remf", [](long double x, long double y) { return fmodl(x, y); },
       -50, 50, 0, 0, true},
  };
}

static const char *kernel = R"(
func.func @k(%x: memref<?x$t>, %y: memref<?x$t>, %z: memref<?x$t>) attributes {mercer.kernel} {
  scf.forall (%i) in (1) {
    linalg.generic {indexing_maps = [affine_map<(a) -> (a)>, affine_map<(a) -> (a)>, affine_map<(a) -> (a)>], iterator_types = ["parallel"]}
      ins(%x, %y : memref<?x$t>, memref<?x$t>) outs(%z : memref<?x$t>) {
    ^bb0(%a: $t, %b: $t, %c: $t):
      %r = $call : $t
      linalg.yield %r : $t
    }
  }
  return
}
)";

/// Distance in units of the last place of the exact result.
template <class T> static double ulps(T actual, long double exact) {
  if (std::isnan(actual) && std::isnan(exact))
    return 0;
  T rounded = static_cast<T>(exact);
  if (actual == rounded)
    return 0;
  if (std::isnan(actual) || std::isinf(actual) || std::isnan(exact))
    return 1e9;
  if (std::isinf(rounded))
    return 1e9;
  int exponent;
  std::frexp(rounded, &exponent);
  exponent = std::max(exponent, std::numeric_limits<T>::min_exponent);
  long double unit =
      std::ldexp(1.0L, exponent - std::numeric_limits<T>::digits);
  return static_cast<double>(std::abs(actual - exact) / unit);
}

template <class T>
static void checkFunction(const Function &f, const std::string &type,
                          double bound) {
  double worst = 0;
  for (const std::string &cpu : runnableLevels()) {
    std::string call = std::string(f.op) + (f.binary ? " %a, %b" : " %a");
    auto runner = compile(fill(kernel, {{"call", call}, {"t", type}}), cpu);
    ASSERT_TRUE(runner);
    const int64_t n = 20011;
    Buffer<T> x(n), y(n), z(n);
    const T inf = std::numeric_limits<T>::infinity();
    const std::vector<T> special = {0,
                                    T(-0.0),
                                    1,
                                    -1,
                                    inf,
                                    -inf,
                                    std::numeric_limits<T>::quiet_NaN(),
                                    std::numeric_limits<T>::denorm_min(),
                                    -std::numeric_limits<T>::min(),
                                    std::numeric_limits<T>::max() / 2,
                                    T(0.5),
                                    T(-0.5),
                                    2,
                                    T(2.5),
                                    -3};
    std::uniform_real_distribution<double> draw(f.low, f.high);
    for (int64_t i = 0; i < n; ++i) {
      x[i] = static_cast<T>(f.logarithmic ? std::exp(draw(generator()))
                                          : draw(generator()));
      y[i] = static_cast<T>(draw(generator()));
      // The first ones are all pairs of special values.
      size_t s = special.size();
      if (i < static_cast<int64_t>(s * s)) {
        x[i] = special[i / s];
        y[i] = special[i % s];
      }
    }
    Params params;
    params.pointer(x.get()).size(n).pointer(y.get()).size(n);
    params.pointer(z.get()).size(n);
    runner->run(params);
    double level = 0;
    int64_t at = 0;
    for (int64_t i = 0; i < n; ++i) {
      // Huge angles are beyond the argument reduction (documented).
      bool angle = std::string(f.op) == "math.sin" ||
                   std::string(f.op) == "math.cos" ||
                   std::string(f.op) == "math.tan";
      if (angle && std::isfinite(x[i]) && std::abs(x[i]) > 1e9)
        continue;
      // fmod is exact to a quotient of 2^100.
      if (std::string(f.op) == "arith.remf" && std::isfinite(x[i]) &&
          std::abs(x[i] / y[i]) > (sizeof(T) == 4 ? 1e29 : 1e15))
        continue;
      double distance = ulps<T>(z[i], f.reference(x[i], y[i]));
      if (distance > level) {
        level = distance;
        at = i;
      }
    }
    EXPECT_LE(level, bound)
        << f.op << " " << type << " " << cpu << " at " << x[at] << ", " << y[at]
        << ": " << z[at] << " for " << double(f.reference(x[at], y[at]));
    worst = std::max(worst, level);
  }
  if (std::getenv("MERCER_PRINT_ULP"))
    printf("| %s | %s | [%g, %g]%s | %.2f |\n", f.op, type.c_str(), f.low,
           f.high, f.logarithmic ? " (log)" : "", worst);
}

TEST(Math, SingleAccuracy) {
  for (const Function &f : functions())
    checkFunction<float>(f, "f32", f.ulpSingle + 0.5);
}
TEST(Math, DoubleAccuracy) {
  for (const Function &f : functions())
    checkFunction<double>(f, "f64", f.ulpDouble + 0.5);
}

//===----------------------------------------------------------------------===//
// 16-bit floats
//===----------------------------------------------------------------------===//

static const char *convert = R"(
func.func @k(%x: memref<?x$from>, %z: memref<?x$to>) attributes {mercer.kernel} {
  scf.forall (%i) in (1) {
    linalg.generic {indexing_maps = [affine_map<(a) -> (a)>, affine_map<(a) -> (a)>], iterator_types = ["parallel"]}
      ins(%x : memref<?x$from>) outs(%z : memref<?x$to>) {
    ^bb0(%a: $from, %c: $to):
      %r = arith.$op %a : $from to $to
      linalg.yield %r : $to
    }
  }
  return
}
)";

static float halfValue(uint16_t h) {
  int exponent = h >> 10 & 31, mantissa = h & 1023;
  float sign = h & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 31)
    return mantissa ? std::numeric_limits<float>::quiet_NaN()
                    : sign * std::numeric_limits<float>::infinity();
  return exponent ? sign * std::ldexp(1024.0f + mantissa, exponent - 25)
                  : sign * std::ldexp(float(mantissa), -24);
}
static float bfloatValue(uint16_t b) {
  uint32_t bits = uint32_t(b) << 16;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

static void narrow(const char *type, float (*value)(uint16_t)) {
  const int64_t n = 65536;
  for (const std::string &cpu : runnableLevels()) {
    auto widen = compile(
        fill(convert, {{"from", type}, {"to", "f32"}, {"op", "extf"}}), cpu);
    ASSERT_TRUE(widen);
    Buffer<uint16_t> codes(n), back(n);
    Buffer<float> wide(n);
    for (int64_t i = 0; i < n; ++i)
      codes[i] = i;
    Params params;
    params.pointer(codes.get()).size(n).pointer(wide.get()).size(n);
    widen->run(params);
    for (int64_t i = 0; i < n; ++i) {
      float v = value(i);
      ASSERT_TRUE(std::isnan(v) ? std::isnan(wide[i]) : v == wide[i]) << i;
    }
    // Halfway points and their neighbours, from f32 and from f64.
    auto fromSingle = compile(
        fill(convert, {{"from", "f32"}, {"to", type}, {"op", "truncf"}}), cpu);
    auto fromDouble = compile(
        fill(convert, {{"from", "f64"}, {"to", type}, {"op", "truncf"}}), cpu);
    ASSERT_TRUE(fromSingle && fromDouble);
    for (int side : {-1, 0, 1}) {
      Buffer<double> exact(n);
      for (int64_t i = 0; i < n; ++i) {
        double a = value(i), b = value(i ^ 1);
        bool ok = std::isfinite(a) && std::isfinite(b);
        double middle = ok ? (a + b) / 2 : a;
        exact[i] =
            ok ? side ? std::nextafter(middle, side * 1e300) : middle : middle;
        wide[i] = static_cast<float>(exact[i]);
      }
      Params d;
      d.pointer(exact.get()).size(n).pointer(back.get()).size(n);
      fromDouble->run(d);
      for (int64_t i = 0; i < n; ++i) {
        double a = value(i & ~1), b = value(i | 1), x = exact[i];
        if (!std::isfinite(a) || !std::isfinite(b)) {
          if (std::isnan(x))
            ASSERT_TRUE(std::isnan(value(back[i])));
          continue;
        }
        double toEven = std::abs(x - a), toOdd = std::abs(x - b);
        double expected = toEven <= toOdd ? a : b;
        ASSERT_EQ(value(back[i]), expected) << type << " " << cpu << " " << i;
      }
      Params s;
      s.pointer(wide.get()).size(n).pointer(back.get()).size(n);
      fromSingle->run(s);
      for (int64_t i = 0; i < n; ++i) {
        double a = value(i & ~1), b = value(i | 1), x = wide[i];
        if (!std::isfinite(a) || !std::isfinite(b))
          continue;
        double expected = std::abs(x - a) <= std::abs(x - b) ? a : b;
        ASSERT_EQ(value(back[i]), expected) << type << " " << cpu << " " << i;
      }
    }
  }
}

TEST(Math, HalfConversions) { narrow("f16", halfValue); }
TEST(Math, BFloatConversions) { narrow("bf16", bfloatValue); }
