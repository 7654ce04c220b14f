//===- ElementwiseTest.cpp - maps, broadcasts, gathers, transposes --------===//

#include "test/unit/cpu/Check.h"

using namespace mercer::test;

// Body-independent frame: two inputs that broadcast in different ways.
static const char *broadcast = R"(
func.func @k(%x: memref<?x?x?x$a>, %y: memref<?x$a>, %z: memref<?x?x?x$c>) attributes {mercer.kernel} {
  scf.forall (%grid) in (1) {
    linalg.generic {indexing_maps = [affine_map<(i, j, l) -> (i, j, l)>, affine_map<(i, j, l) -> ($axis)>, affine_map<(i, j, l) -> (i, j, l)>],
                    iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x, %y : memref<?x?x?x$a>, memref<?x$a>) outs(%z : memref<?x?x?x$c>) {
    ^bb0(%p: $a, %q: $a, %o: $c):
      $body
    }
  }
  return
}
)";

template <class A, class C>
static void apply(const std::string &a, const std::string &c,
                  const std::string &body, double (*function)(double, double),
                  double tolerance) {
  const std::vector<std::vector<int64_t>> shapes = {
      {1, 1, 1}, {2, 3, 5}, {3, 4, 16}, {1, 7, 131}, {5, 1, 33}, {2, 0, 4}};
  for (int axis : {0, 1, 2})
    for (const std::string &cpu : runnableLevels()) {
      auto runner =
          compile(fill(broadcast, {{"body", body},
                                   {"axis", std::string(1, "ijl"[axis])},
                                   {"a", a},
                                   {"c", c}}),
                  cpu);
      ASSERT_TRUE(runner);
      for (const auto &s : shapes) {
        int64_t n = s[0] * s[1] * s[2];
        auto x = randomBuffer<A>(n), y = randomBuffer<A>(s[axis]);
        auto z = randomBuffer<C>(n);
        std::vector<double> expected;
        for (int64_t i = 0; i < n; ++i) {
          int64_t at[] = {i / (s[1] * s[2]),
                          i / s[2] % std::max<int64_t>(s[1], 1), i % s[2]};
          expected.push_back(function(double(x[i]), double(y[at[axis]])));
        }
        Params params;
        params.pointer(x.get()).size(s[0]).size(s[1]).size(s[2]);
        params.pointer(y.get()).size(s[axis]);
        params.pointer(z.get()).size(s[0]).size(s[1]).size(s[2]);
        runner->run(params);
        expectClose(z, expected, tolerance,
                    cpu + " axis " + std::to_string(axis));
      }
    }
}

TEST(Elementwise, AddF32) {
  apply<float, float>(
      "f32", "f32", "%r = arith.addf %p, %q : f32\nlinalg.yield %r : f32",
      [](double x, double y) { return x + y; }, 1e-7);
}
TEST(Elementwise, SigmoidProductF64) {
  apply<double, double>(
      "f64", "f64",
      "%one = arith.constant 1.0 : f64\n"
      "%n = arith.negf %p : f64\n"
      "%e = math.exp %n : f64\n"
      "%d = arith.addf %e, %one : f64\n"
      "%s = arith.divf %q, %d : f64\n"
      "linalg.yield %s : f64",
      [](double x, double y) { return y / (1 + std::exp(-x)); }, 1e-15);
}
TEST(Elementwise, CompareI8) {
  apply<int8_t, int8_t>(
      "i8", "i8",
      "%l = arith.cmpi slt, %p, %q : i8\n"
      "%r = arith.extui %l : i1 to i8\n"
      "linalg.yield %r : i8",
      [](double x, double y) { return double(x < y); }, 0);
}
TEST(Elementwise, DivideI32) {
  apply<int32_t, int32_t>(
      "i32", "i32",
      "%c3 = arith.constant 301 : i32\n"
      "%d = arith.addi %q, %c3 : i32\n"
      "%r = arith.divsi %p, %d : i32\n"
      "%s = arith.remsi %d, %d : i32\n"
      "%t = arith.addi %r, %s : i32\n"
      "linalg.yield %t : i32",
      [](double x, double y) { return std::trunc(x / (y + 301)); }, 0);
}
TEST(Elementwise, CastI16ToF32) {
  apply<int16_t, float>(
      "i16", "f32",
      "%a = arith.sitofp %p : i16 to f32\n"
      "%b = arith.sitofp %q : i16 to f32\n"
      "%r = arith.mulf %a, %b : f32\n"
      "linalg.yield %r : f32",
      [](double x, double y) { return x * y; }, 0);
}
TEST(Elementwise, CastI64ToF32) {
  apply<int64_t, float>(
      "i64", "f32",
      "%a = arith.sitofp %p : i64 to f32\n"
      "%b = arith.sitofp %q : i64 to f32\n"
      "%r = arith.subf %a, %b : f32\n"
      "linalg.yield %r : f32",
      [](double x, double y) { return x - y; }, 0);
}

// 16-bit floats compile to nothing that a library has to supply, on any level.
TEST(Elementwise, NarrowFloatsNeedNoLibrary) {
  for (const char *type : {"f16", "bf16"})
    for (int axis : {0, 2})
      for (const std::string &cpu : runnableLevels())
        compile(fill(broadcast, {{"body", "%s = arith.addf %p, %q : $a\n"
                                          "%c = arith.cmpf olt, %p, %q : $a\n"
                                          "%t = math.exp %s : $a\n"
                                          "%m = arith.maximumf %t, %q : $a\n"
                                          "%r = arith.select %c, %m, %p : $a\n"
                                          "linalg.yield %r : $a"},
                                 {"axis", std::string(1, "ijl"[axis])},
                                 {"a", type},
                                 {"c", type}}),
                cpu);
}

static const char *narrowSum = R"(
func.func @k(%x: memref<?x?x$t>, %y: memref<?x$t>) attributes {mercer.kernel} {
  scf.forall (%i) in (1) {
    linalg.generic {indexing_maps = [affine_map<(a, b) -> (a, b)>, affine_map<(a, b) -> ($keep)>], iterator_types = [$iterators]}
      ins(%x : memref<?x?x$t>) outs(%y : memref<?x$t>) {
    ^bb0(%a: $t, %s: $t):
      %p = arith.mulf %a, %a : $t
      %r = arith.addf %s, %p : $t
      linalg.yield %r : $t
    }
  }
  return
}
)";

TEST(Elementwise, NarrowReductionsNeedNoLibrary) {
  for (const char *type : {"f16", "bf16"})
    for (bool rows : {true, false})
      for (const std::string &cpu : runnableLevels())
        compile(fill(narrowSum,
                     {{"keep", rows ? "a" : "b"},
                      {"iterators", rows ? "\"parallel\", \"reduction\""
                                         : "\"reduction\", \"parallel\""},
                      {"t", type}}),
                cpu);
}

static const char *transpose = R"(
func.func @k(%x: memref<?x?x?x$t>, %y: memref<?x?x?x$t>) attributes {mercer.kernel} {
  scf.forall (%i) in (1) {
    linalg.transpose ins(%x : memref<?x?x?x$t>) outs(%y : memref<?x?x?x$t>) permutation = [$p]
  }
  return
}
)";

template <class T> static void transposeAll(const std::string &type) {
  const std::vector<std::vector<int>> permutations = {
      {0, 2, 1}, {1, 0, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}};
  for (const auto &p : permutations)
    for (const std::string &cpu : runnableLevels()) {
      auto runner =
          compile(fill(transpose, {{"p", std::to_string(p[0]) + ", " +
                                             std::to_string(p[1]) + ", " +
                                             std::to_string(p[2])},
                                   {"t", type}}),
                  cpu);
      ASSERT_TRUE(runner);
      for (std::vector<int64_t> s : std::vector<std::vector<int64_t>>{
               {1, 1, 1}, {3, 17, 5}, {2, 32, 16}, {5, 3, 40}, {19, 1, 23}}) {
        int64_t n = s[0] * s[1] * s[2];
        auto x = randomBuffer<T>(n), y = randomBuffer<T>(n);
        std::vector<double> expected(n);
        int64_t out[] = {s[p[0]], s[p[1]], s[p[2]]};
        for (int64_t i = 0; i < n; ++i) {
          int64_t at[] = {i / (s[1] * s[2]), i / s[2] % s[1], i % s[2]};
          expected[(at[p[0]] * out[1] + at[p[1]]) * out[2] + at[p[2]]] =
              double(x[i]);
        }
        Params params;
        params.pointer(x.get()).size(s[0]).size(s[1]).size(s[2]);
        params.pointer(y.get()).size(out[0]).size(out[1]).size(out[2]);
        runner->run(params);
        expectClose(y, expected, 0, cpu + " transpose");
      }
    }
}

TEST(Elementwise, TransposeF32) { transposeAll<float>("f32"); }
TEST(Elementwise, TransposeI8) { transposeAll<int8_t>("i8"); }
TEST(Elementwise, TransposeI64) { transposeAll<int64_t>("i64"); }

// Rows picked by an index tensor, then one element a lane.
static const char *gather = R"(
func.func @k(%t: memref<?x?xf32>, %p: memref<?xi64>, %y: memref<?x?xf32>, %e: memref<?x?xf32>) attributes {mercer.kernel} {
  scf.forall (%i) in (1) {
    linalg.generic {indexing_maps = [affine_map<(a, b) -> (a)>, affine_map<(a, b) -> (a, b)>, affine_map<(a, b) -> (a, b)>], iterator_types = ["parallel", "parallel"]}
      ins(%p : memref<?xi64>) outs(%y, %e : memref<?x?xf32>, memref<?x?xf32>) {
    ^bb0(%a: i64, %o: f32, %q: f32):
      %zero = arith.constant 0 : index
      %row = arith.index_cast %a : i64 to index
      %column = linalg.index 1 : index
      %v = memref.load %t[%row, %column] : memref<?x?xf32>
      %w = memref.load %t[%column, %zero] : memref<?x?xf32>
      linalg.yield %v, %w : f32, f32
    }
  }
  return
}
)";

TEST(Elementwise, Gather) {
  for (const std::string &cpu : runnableLevels()) {
    auto runner = compile(gather, cpu);
    ASSERT_TRUE(runner);
    const int64_t rows = 50, picks = 9;
    for (int64_t columns : {1, 7, 37}) {
      auto t = randomBuffer<float>(rows * columns);
      Buffer<int64_t> p(picks);
      Buffer<float> y(picks * columns), e(picks * columns);
      std::vector<double> picked, first;
      for (int64_t i = 0; i < picks; ++i) {
        p[i] = (i * 31 + 7) % rows;
        for (int64_t j = 0; j < columns; ++j) {
          picked.push_back(t[p[i] * columns + j]);
          first.push_back(t[j * columns]);
        }
      }
      Params params;
      params.pointer(t.get()).size(rows).size(columns);
      params.pointer(p.get()).size(picks);
      params.pointer(y.get()).size(picks).size(columns);
      params.pointer(e.get()).size(picks).size(columns);
      runner->run(params);
      expectClose(y, picked, 0, cpu + " rows");
      expectClose(e, first, 0, cpu + " lanes");
    }
  }
}

// Packing: the output's last index and its panel both follow one loop.
static const char *pack = R"(
func.func @k(%x: memref<?x?xf32>, %y: memref<?x?x48xf32>) attributes {mercer.kernel} {
  %zero = arith.constant 0.0 : f32
  scf.forall (%i) in (1) {
    linalg.fill ins(%zero : f32) outs(%y : memref<?x?x48xf32>)
    linalg.generic {indexing_maps = [affine_map<(k, n) -> (k, n)>, affine_map<(k, n) -> (n floordiv 48, k, n mod 48)>], iterator_types = ["parallel", "parallel"]}
      ins(%x : memref<?x?xf32>) outs(%y : memref<?x?x48xf32>) {
    ^bb0(%a: f32, %o: f32):
      linalg.yield %a : f32
    }
  }
  return
}
)";

TEST(Elementwise, PackWithFloorDiv) {
  for (const std::string &cpu : runnableLevels()) {
    auto runner = compile(pack, cpu);
    ASSERT_TRUE(runner);
    const int64_t k = 5, n = 101, panels = 3;
    auto x = randomBuffer<float>(k * n);
    Buffer<float> y(panels * k * 48);
    std::vector<double> expected(panels * k * 48, 0.0);
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < n; ++j)
        expected[(j / 48 * k + i) * 48 + j % 48] = x[i * n + j];
    Params params;
    params.pointer(x.get()).size(k).size(n);
    params.pointer(y.get()).size(panels).size(k);
    runner->run(params);
    expectClose(y, expected, 0, cpu);
  }
}

// Scratch that is too large for the stack comes from the caller.
TEST(Elementwise, LargeScratch) {
  auto runner = compile(R"(
func.func @k(%x: memref<?xf32>, %y: memref<?xf32>, %n: index) attributes {mercer.kernel} {
  scf.forall (%i) = (0) to (%n) step (100000) {
    %s = affine.min affine_map<(d0)[s0] -> (100000, s0 - d0)>(%i)[%n]
    %t = memref.alloca() : memref<100000xf32>
    %u = memref.subview %t[0] [%s] [1] : memref<100000xf32> to memref<?xf32, strided<[1]>>
    %v = memref.subview %x[%i] [%s] [1] : memref<?xf32> to memref<?xf32, strided<[1], offset: ?>>
    %w = memref.subview %y[%i] [%s] [1] : memref<?xf32> to memref<?xf32, strided<[1], offset: ?>>
    memref.copy %v, %u : memref<?xf32, strided<[1], offset: ?>> to memref<?xf32, strided<[1]>>
    memref.copy %u, %w : memref<?xf32, strided<[1]>> to memref<?xf32, strided<[1], offset: ?>>
  }
  return
}
)",
                        "x86-64-v2");
  ASSERT_TRUE(runner);
  const int64_t n = 250001;
  auto x = randomBuffer<float>(n), y = randomBuffer<float>(n);
  std::vector<double> expected;
  for (int64_t i = 0; i < n; ++i)
    expected.push_back(x[i]);
  Params params;
  params.pointer(x.get()).size(n).pointer(y.get()).size(n).size(n);
  runner->run(params, 2);
  expectClose(y, expected, 0, "copy");
}
