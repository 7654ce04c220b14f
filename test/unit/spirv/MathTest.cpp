//===- MathTest.cpp - expanded functions on a device ----------------------===//
//
// What mercer-expand-math makes of functions must hold where nothing is fused
// and a driver compiles: errors in units of the last place, and special values.
//
//===----------------------------------------------------------------------===//

#include "TestKernel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

using namespace mercer;
using namespace mercer::test;

namespace {
using Reference = long double (*)(long double);
struct Function {
  const char *op;
  Reference reference;
  double low, high;
  /// Largest error of f32 and of f64: the table of docs/backends-cpu.md, and
  /// what a quotient or a root may add on a device.
  double single, full;
};

const Function functions[] = {
    {"exp", [](long double x) { return std::exp(x); }, -100, 88, 3, 3},
    {"exp2", [](long double x) { return std::exp2(x); }, -140, 127, 3, 3},
    {"expm1", [](long double x) { return std::expm1(x); }, -30, 80, 4, 4},
    {"log", [](long double x) { return std::log(x); }, 1e-30, 100, 3, 3},
    {"log2", [](long double x) { return std::log2(x); }, 1e-30, 100, 3, 3},
    {"log10", [](long double x) { return std::log10(x); }, 1e-30, 100, 4, 3},
    {"log1p", [](long double x) { return std::log1p(x); }, -0.99, 50, 3, 3},
    {"tanh", [](long double x) { return std::tanh(x); }, -12, 12, 4, 4},
    {"erf", [](long double x) { return std::erf(x); }, -5, 5, 4, 4},
    {"sin", [](long double x) { return std::sin(x); }, -1e4, 1e4, 2, 4},
    {"cos", [](long double x) { return std::cos(x); }, -1e4, 1e4, 2, 4},
    {"atan", [](long double x) { return std::atan(x); }, -50, 50, 2, 5},
    {"cbrt", [](long double x) { return std::cbrt(x); }, -90, 90, 2, 4},
    {"rsqrt", [](long double x) { return 1 / std::sqrt(x); }, 1e-30, 90, 5, 5},
};

std::string kernelText(const std::string &op, const std::string &type,
                       size_t count) {
  std::string size = std::to_string(count);
  return "gpu.func @k(%tiles: index, %x: " + globalBuffer(type) +
         " {mercer.elements = [" + size + "]}, %r: " + globalBuffer(type) +
         " {mercer.written, mercer.elements = [" + size +
         "]}) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {\n"
         "%b = gpu.block_id x\n%t = gpu.thread_id x\n"
         "%c64 = arith.constant 64 : index\n"
         "%base = arith.muli %b, %c64 : index\n"
         "%i = arith.addi %base, %t : index\n"
         "%v = memref.load %x[%i] : " +
         globalBuffer(type) + "\n%y = math." + op + " %v : " + type +
         "\nmemref.store %y, %r[%i] : " + globalBuffer(type) +
         "\ngpu.return\n}\n";
}

template <typename F>
void check(const Function &function, const std::string &type, double bound) {
  std::mt19937_64 random(testSeed());
  using Limits = std::numeric_limits<F>;
  std::vector<F> x = {0,
                      -F(0),
                      1,
                      -1,
                      F(0.5),
                      Limits::infinity(),
                      -Limits::infinity(),
                      Limits::quiet_NaN()};
  std::uniform_real_distribution<double> draw(function.low, function.high);
  while (x.size() < 1024) {
    double value = draw(random);
    // Small magnitudes too.
    x.push_back(
        F(random() & 1 ? value : value * std::pow(10, -double(random() % 6))));
  }
  std::vector<F> r(x.size());
  std::string errors;
  SpirvKernel kernel =
      compileKernel(kernelText(function.op, type, x.size()), errors);
  ASSERT_FALSE(kernel.entry.empty()) << errors;
  HostBuffer buffers[] = {{x.data(), x.size() * sizeof(F), 0},
                          {r.data(), r.size() * sizeof(F), 0}};
  ASSERT_EQ(VulkanRunner::get()->run(kernel, x.size() / 64, x.size() / 64,
                                     buffers, {}),
            "");
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    long double expected = function.reference(x[i]);
    F rounded = F(expected);
    if (!std::isfinite(rounded) || rounded == 0) {
      EXPECT_TRUE(r[i] == rounded || (std::isnan(rounded) && std::isnan(r[i])))
          << function.op << " " << type << " of " << x[i] << ": " << r[i];
      continue;
    }
    int exponent;
    std::frexp(rounded, &exponent);
    long double ulp = std::ldexp(
        1.0L, std::max(exponent, Limits::min_exponent) - Limits::digits);
    double error = double(std::fabs((long double)(r[i]) - expected) / ulp);
    EXPECT_FALSE(std::isnan(r[i])) << function.op << " of " << x[i];
    worst = std::max(worst, error);
  }
  EXPECT_LE(worst, bound) << function.op << " " << type;
}

TEST(MathFunctions, StayWithinTheirErrors) {
  if (!VulkanRunner::get())
    GTEST_SKIP() << "no Vulkan device";
  for (const Function &function : functions) {
    check<float>(function, "f32", function.single);
    check<double>(function, "f64", function.full);
  }
}
} // namespace
