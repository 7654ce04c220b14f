//===- ContractionTest.cpp - products and convolutions --------------------===//

#include "test/unit/cpu/Check.h"

using namespace mercer::test;

namespace {
struct Shape {
  int64_t m, n, k;
};
const std::vector<Shape> shapes = {{1, 1, 1},   {7, 48, 5},    {64, 48, 33},
                                   {13, 17, 1}, {1, 100, 64},  {31, 3, 19},
                                   {9, 65, 0},  {128, 96, 37}, {0, 16, 4}};
} // namespace

static const char *dynamicMatmul = R"(
func.func @k(%a: memref<?x?x$ta>, %b: memref<?x?x$ta>, %c: memref<?x?x$tc>) attributes {mercer.kernel} {
  %zero = arith.constant $zero : $tc
  scf.forall (%i) in (1) {
    linalg.fill ins(%zero : $tc) outs(%c : memref<?x?x$tc>)
    linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> $bmap>, affine_map<(m, n, k) -> (m, n)>],
                    iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : memref<?x?x$ta>, memref<?x?x$ta>) outs(%c : memref<?x?x$tc>) {
    ^bb0(%x: $ta, %y: $ta, %s: $tc):
      $body
    }
  }
  return
}
)";

template <class A, class C>
static void matmul(const std::string &ta, const std::string &tc,
                   const std::string &zero, const std::string &body,
                   bool transposed, double tolerance) {
  for (const std::string &cpu : runnableLevels()) {
    auto runner = compile(
        fill(dynamicMatmul, {{"body", body},
                             {"ta", ta},
                             {"tc", tc},
                             {"zero", zero},
                             {"bmap", transposed ? "(n, k)" : "(k, n)"}}),
        cpu);
    ASSERT_TRUE(runner);
    for (Shape s : shapes) {
      auto a = randomBuffer<A>(s.m * s.k), b = randomBuffer<A>(s.k * s.n);
      auto c = randomBuffer<C>(s.m * s.n);
      std::vector<double> expected;
      for (int64_t i = 0; i < s.m; ++i)
        for (int64_t j = 0; j < s.n; ++j) {
          double sum = 0;
          for (int64_t k = 0; k < s.k; ++k)
            sum += double(a[i * s.k + k]) *
                   double(transposed ? b[j * s.k + k] : b[k * s.n + j]);
          expected.push_back(sum);
        }
      Params params;
      params.pointer(a.get()).size(s.m).size(s.k).pointer(b.get());
      params.size(transposed ? s.n : s.k).size(transposed ? s.k : s.n);
      params.pointer(c.get()).size(s.m).size(s.n);
      runner->run(params);
      expectClose(c, expected, tolerance,
                  cpu + " " + std::to_string(s.m) + "x" + std::to_string(s.n) +
                      "x" + std::to_string(s.k));
    }
  }
}

static const char *sumFloat = "%p = arith.mulf %x, %y : $ta\n"
                              "%t = arith.addf %s, %p : $tc\n"
                              "linalg.yield %t : $tc";

TEST(Contraction, F32) {
  matmul<float, float>("f32", "f32", "0.0", sumFloat, false, 2e-6);
}
TEST(Contraction, F32TransposedRhs) {
  matmul<float, float>("f32", "f32", "0.0", sumFloat, true, 2e-6);
}
TEST(Contraction, F64) {
  matmul<double, double>("f64", "f64", "0.0", sumFloat, false, 1e-14);
}
TEST(Contraction, I8IntoI32) {
  matmul<int8_t, int32_t>("i8", "i32", "0",
                          "%u = arith.extsi %x : i8 to i32\n"
                          "%v = arith.extsi %y : i8 to i32\n"
                          "%p = arith.muli %u, %v : i32\n"
                          "%t = arith.addi %s, %p : i32\n"
                          "linalg.yield %t : i32",
                          false, 0);
}
TEST(Contraction, I64TransposedRhs) {
  matmul<int64_t, int64_t>("i64", "i64", "0",
                           "%p = arith.muli %x, %y : i64\n"
                           "%t = arith.addi %s, %p : i64\n"
                           "linalg.yield %t : i64",
                           true, 0);
}
TEST(Contraction, MaxPlusSemiring) {
  for (const std::string &cpu : runnableLevels()) {
    auto runner = compile(
        fill(dynamicMatmul, {{"ta", "f32"},
                             {"tc", "f32"},
                             {"zero", "-1.0e30"},
                             {"bmap", "(k, n)"},
                             {"body", "%p = arith.addf %x, %y : f32\n"
                                      "%t = arith.maximumf %s, %p : f32\n"
                                      "linalg.yield %t : f32"}}),
        cpu);
    ASSERT_TRUE(runner);
    const int64_t m = 11, n = 37, k = 6;
    auto a = randomBuffer<float>(m * k), b = randomBuffer<float>(k * n);
    auto c = randomBuffer<float>(m * n);
    std::vector<double> expected;
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        float best = -1e30f;
        for (int64_t l = 0; l < k; ++l)
          best = std::max(best, a[i * k + l] + b[l * n + j]);
        expected.push_back(best);
      }
    Params params;
    params.pointer(a.get()).size(m).size(k).pointer(b.get()).size(k).size(n);
    params.pointer(c.get()).size(m).size(n);
    runner->run(params);
    expectClose(c, expected, 0, cpu);
  }
}

// Ranges of tiles in any order, at the edges of both tile dimensions.
static const char *tiled = R"(
func.func @k(%a: memref<?x?xf32>, %b: memref<?x?x48xf32>, %c: memref<?x?xf32>, %m: index, %n: index, %k: index) attributes {mercer.kernel} {
  %p = affine.apply affine_map<()[s0] -> (s0 ceildiv 48)>()[%n]
  scf.forall (%j, %i) = (0, 0) to (%p, %m) step (1, 16) {
    %n0 = affine.apply affine_map<(d0) -> (d0 * 48)>(%j)
    %ms = affine.min affine_map<(d0)[s0] -> (16, s0 - d0)>(%i)[%m]
    %ns = affine.min affine_map<(d0)[s0] -> (48, s0 - d0)>(%n0)[%n]
    %as = memref.subview %a[%i, 0] [%ms, %k] [1, 1] : memref<?x?xf32> to memref<?x?xf32, strided<[?, 1], offset: ?>>
    %bs = memref.subview %b[%j, 0, 0] [1, %k, %ns] [1, 1, 1] : memref<?x?x48xf32> to memref<?x?xf32, strided<[48, 1], offset: ?>>
    %cs = memref.subview %c[%i, %n0] [%ms, %ns] [1, 1] : memref<?x?xf32> to memref<?x?xf32, strided<[?, 1], offset: ?>>
    linalg.matmul ins(%as, %bs : memref<?x?xf32, strided<[?, 1], offset: ?>>, memref<?x?xf32, strided<[48, 1], offset: ?>>) outs(%cs : memref<?x?xf32, strided<[?, 1], offset: ?>>)
  }
  return
}
)";

TEST(Contraction, TilesAccumulateAlikeInAnyCut) {
  for (const std::string &cpu : runnableLevels()) {
    auto runner = compile(tiled, cpu);
    ASSERT_TRUE(runner);
    const int64_t m = 45, n = 101, k = 29, panels = 3;
    auto a = randomBuffer<float>(m * k),
         b = randomBuffer<float>(panels * k * 48);
    auto c = randomBuffer<float>(m * n);
    auto again = c;
    std::vector<double> expected;
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double sum = c[i * n + j];
        for (int64_t l = 0; l < k; ++l)
          sum += double(a[i * k + l]) * b[(j / 48 * k + l) * 48 + j % 48];
        expected.push_back(sum);
      }
    auto run = [&](Buffer<float> &out, int64_t pieces) {
      Params params;
      params.pointer(a.get()).size(m).size(k).pointer(b.get());
      params.size(panels).size(k).pointer(out.get()).size(m).size(n);
      params.size(m).size(n).size(k);
      runner->run(params, pieces);
    };
    run(c, 1);
    run(again, 5);
    expectClose(c, expected, 2e-6, cpu);
    for (int64_t i = 0; i < m * n; ++i)
      ASSERT_EQ(c[i], again[i]) << "depends on the cut at " << i;
  }
}

static const char *conv = R"(
#x = affine_map<(oh, ow, o, kh, kw, c) -> (oh * $s + kh * $d, ow * $s + kw * $d, c)>
#w = affine_map<(oh, ow, o, kh, kw, c) -> (kh, kw, c, o)>
#o = affine_map<(oh, ow, o, kh, kw, c) -> (oh, ow, o)>
func.func @k(%x: memref<$ihx$iwx$cxf32>, %w: memref<$kx$kx$cx$oxf32>, %y: memref<$ohx$owx$oxf32>) attributes {mercer.kernel} {
  %zero = arith.constant 0.0 : f32
  scf.forall (%i) in (1) {
    linalg.fill ins(%zero : f32) outs(%y : memref<$ohx$owx$oxf32>)
    linalg.generic {indexing_maps = [#x, #w, #o], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
      ins(%x, %w : memref<$ihx$iwx$cxf32>, memref<$kx$kx$cx$oxf32>) outs(%y : memref<$ohx$owx$oxf32>) {
    ^bb0(%a: f32, %b: f32, %t: f32):
      %m = arith.mulf %a, %b : f32
      %r = arith.addf %t, %m : f32
      linalg.yield %r : f32
    }
  }
  return
}
)";

static void convolve(int64_t oh, int64_t ow, int64_t c, int64_t o, int64_t k,
                     int64_t stride, int64_t dilation, bool dynamic) {
  int64_t ih = (oh - 1) * stride + (k - 1) * dilation + 1;
  int64_t iw = (ow - 1) * stride + (k - 1) * dilation + 1;
  auto size = [&](int64_t value) {
    return dynamic ? std::string("?") : std::to_string(value);
  };
  std::string text = fill(conv, {{"ih", size(ih)},
                                 {"iw", size(iw)},
                                 {"oh", size(oh)},
                                 {"ow", size(ow)},
                                 {"k", std::to_string(k)},
                                 {"d", std::to_string(dilation)},
                                 {"s", std::to_string(stride)},
                                 {"c", std::to_string(c)},
                                 {"o", std::to_string(o)}});
  for (const std::string &cpu : runnableLevels()) {
    auto runner = compile(text, cpu);
    ASSERT_TRUE(runner);
    auto x = randomBuffer<float>(ih * iw * c),
         w = randomBuffer<float>(k * k * c * o);
    auto y = randomBuffer<float>(oh * ow * o);
    std::vector<double> expected;
    for (int64_t i = 0; i < oh; ++i)
      for (int64_t j = 0; j < ow; ++j)
        for (int64_t f = 0; f < o; ++f) {
          double sum = 0;
          for (int64_t r = 0; r < k; ++r)
            for (int64_t q = 0; q < k; ++q)
              for (int64_t e = 0; e < c; ++e)
                sum += double(x[((i * stride + r * dilation) * iw + j * stride +
                                 q * dilation) *
                                    c +
                                e]) *
                       w[((r * k + q) * c + e) * o + f];
          expected.push_back(sum);
        }
    Params params;
    params.pointer(x.get());
    if (dynamic)
      params.size(ih).size(iw);
    params.pointer(w.get()).pointer(y.get());
    if (dynamic)
      params.size(oh).size(ow);
    runner->run(params);
    expectClose(y, expected, 3e-6, cpu);
  }
}

TEST(Contraction, ConvolutionStatic) { convolve(7, 7, 5, 32, 3, 1, 1, false); }
TEST(Contraction, ConvolutionStride) { convolve(5, 14, 3, 24, 3, 2, 1, false); }
TEST(Contraction, ConvolutionDilated) { convolve(4, 9, 7, 17, 3, 1, 2, true); }
TEST(Contraction, ConvolutionPointwise) {
  convolve(3, 29, 16, 40, 1, 1, 1, true);
}

static const char *depthwise = R"(
#x = affine_map<(oh, ow, c, kh, kw) -> (oh + kh, ow + kw, c)>
#w = affine_map<(oh, ow, c, kh, kw) -> (kh, kw, c)>
#o = affine_map<(oh, ow, c, kh, kw) -> (oh, ow, c)>
func.func @k(%x: memref<?x?x$cxf32>, %w: memref<3x3x$cxf32>, %y: memref<?x?x$cxf32>) attributes {mercer.kernel} {
  %zero = arith.constant $zero : f32
  scf.forall (%i) in (1) {
    linalg.fill ins(%zero : f32) outs(%y : memref<?x?x$cxf32>)
    linalg.generic {indexing_maps = [#x, #w, #o], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : memref<?x?x$cxf32>, memref<3x3x$cxf32>) outs(%y : memref<?x?x$cxf32>) {
    ^bb0(%a: f32, %b: f32, %t: f32):
      $body
      linalg.yield %r : f32
    }
  }
  return
}
)";

TEST(Contraction, DepthwiseAndPooling) {
  for (int64_t c : {1, 5, 16, 40})
    for (bool pool : {false, true})
      for (const std::string &cpu : runnableLevels()) {
        auto runner = compile(
            fill(depthwise, {{"c", std::to_string(c)},
                             {"zero", pool ? "0xFF800000" : "0.0"},
                             {"body", pool ? "%r = arith.maximumf %t, %a : f32"
                                           : "%m = arith.mulf %a, %b : f32\n"
                                             "%r = arith.addf %t, %m : f32"}}),
            cpu);
        ASSERT_TRUE(runner);
        for (int64_t ow : {1, 6, 23}) {
          const int64_t oh = 3;
          int64_t iw = ow + 2;
          auto x = randomBuffer<float>((oh + 2) * iw * c);
          auto w = randomBuffer<float>(9 * c),
               y = randomBuffer<float>(oh * ow * c);
          std::vector<double> expected;
          for (int64_t i = 0; i < oh; ++i)
            for (int64_t j = 0; j < ow; ++j)
              for (int64_t e = 0; e < c; ++e) {
                double sum = pool ? -1e30 : 0;
                for (int64_t r = 0; r < 9; ++r) {
                  double a = x[((i + r / 3) * iw + j + r % 3) * c + e];
                  sum = pool ? std::max(sum, a) : sum + a * w[r * c + e];
                }
                expected.push_back(sum);
              }
          Params params;
          params.pointer(x.get()).size(oh + 2).size(iw).pointer(w.get());
          params.pointer(y.get()).size(oh).size(ow);
          runner->run(params);
          expectClose(y, expected, 2e-6, cpu + (pool ? " pool" : " depthwise"));
        }
      }
}
