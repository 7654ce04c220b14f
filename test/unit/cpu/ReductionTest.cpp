//===- ReductionTest.cpp - sums, maxima and their positions ---------------===//

#include "test/unit/cpu/Check.h"

using namespace mercer::test;

static const char *reduce = R"(
func.func @k(%x: memref<?x?x$t>, %y: memref<?x$t>) attributes {mercer.kernel} {
  %start = arith.constant $start : $t
  scf.forall (%i) in (1) {
    linalg.fill ins(%start : $t) outs(%y : memref<?x$t>)
    linalg.generic {indexing_maps = [affine_map<(a, b) -> (a, b)>, affine_map<(a, b) -> ($keep)>], iterator_types = [$iterators]}
      ins(%x : memref<?x?x$t>) outs(%y : memref<?x$t>) {
    ^bb0(%a: $t, %s: $t):
      %r = $op %s, %a : $t
      linalg.yield %r : $t
    }
  }
  return
}
)";

template <class T>
static void reduceBy(const std::string &type, const std::string &op,
                     const std::string &start, double first,
                     double (*join)(double, double), double tolerance) {
  for (bool rows : {true, false})
    for (const std::string &cpu : runnableLevels()) {
      auto runner = compile(
          fill(reduce, {{"start", start},
                        {"keep", rows ? "a" : "b"},
                        {"iterators", rows ? "\"parallel\", \"reduction\""
                                           : "\"reduction\", \"parallel\""},
                        {"op", op},
                        {"t", type}}),
          cpu);
      ASSERT_TRUE(runner);
      for (auto [m, n] : std::vector<std::pair<int64_t, int64_t>>{{1, 1},
                                                                  {3, 5},
                                                                  {1, 1000},
                                                                  {17, 64},
                                                                  {5, 67},
                                                                  {100, 3},
                                                                  {4, 0}}) {
        auto x = randomBuffer<T>(m * n);
        auto y = randomBuffer<T>(rows ? m : n);
        std::vector<double> expected(rows ? m : n, first);
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < n; ++j) {
            double &e = expected[rows ? i : j];
            e = join(e, double(x[i * n + j]));
          }
        Params params;
        params.pointer(x.get()).size(m).size(n).pointer(y.get());
        params.size(rows ? m : n);
        runner->run(params);
        expectClose(y, expected, tolerance,
                    op + " " + cpu + (rows ? " rows " : " columns ") +
                        std::to_string(m) + "x" + std::to_string(n));
      }
    }
}

static double plus(double a, double b) { return a + b; }
static double larger(double a, double b) { return std::max(a, b); }
static double smaller(double a, double b) { return std::min(a, b); }

TEST(Reduction, SumF32) {
  reduceBy<float>("f32", "arith.addf", "0.0", 0, plus, 1e-5);
}
TEST(Reduction, SumF64) {
  reduceBy<double>("f64", "arith.addf", "0.0", 0, plus, 1e-14);
}
TEST(Reduction, MaxF32) {
  reduceBy<float>("f32", "arith.maximumf", "0xFF800000", -INFINITY, larger,
                  0.0);
}
TEST(Reduction, MinI32) {
  reduceBy<int32_t>("i32", "arith.minsi", "2147483647", 2147483647, smaller,
                    0.0);
}
TEST(Reduction, SumI64) {
  reduceBy<int64_t>("i64", "arith.addi", "0", 0, plus, 0.0);
}
TEST(Reduction, MaxI8) {
  reduceBy<int8_t>("i8", "arith.maxsi", "-128", -128, larger, 0.0);
}

// The position of the first largest element: a body without a combiner.
static const char *argMax = R"(
func.func @k(%x: memref<?x?xf32>, %y: memref<?xf32>, %p: memref<?xi64>) attributes {mercer.kernel} {
  %low = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0 : i64
  scf.forall (%i) in (1) {
    linalg.fill ins(%low : f32) outs(%y : memref<?xf32>)
    linalg.fill ins(%zero : i64) outs(%p : memref<?xi64>)
    linalg.generic {indexing_maps = [affine_map<(a, b) -> (a, b)>, affine_map<(a, b) -> ($keep)>, affine_map<(a, b) -> ($keep)>], iterator_types = [$iterators]}
      ins(%x : memref<?x?xf32>) outs(%y, %p : memref<?xf32>, memref<?xi64>) {
    ^bb0(%a: f32, %s: f32, %q: i64):
      %at = linalg.index $dim : index
      %j = arith.index_cast %at : index to i64
      %c = arith.cmpf ogt, %a, %s : f32
      %v = arith.select %c, %a, %s : f32
      %w = arith.select %c, %j, %q : i64
      linalg.yield %v, %w : f32, i64
    }
  }
  return
}
)";

TEST(Reduction, ArgMax) {
  for (bool rows : {true, false})
    for (const std::string &cpu : runnableLevels()) {
      auto runner = compile(
          fill(argMax, {{"keep", rows ? "a" : "b"},
                        {"dim", rows ? "1" : "0"},
                        {"iterators", rows ? "\"parallel\", \"reduction\""
                                           : "\"reduction\", \"parallel\""}}),
          cpu);
      ASSERT_TRUE(runner);
      for (auto [m, n] : std::vector<std::pair<int64_t, int64_t>>{
               {1, 1}, {1, 1000}, {37, 10}, {8, 33}}) {
        auto x = randomBuffer<float>(m * n);
        int64_t kept = rows ? m : n;
        Buffer<float> y(kept);
        Buffer<int64_t> p(kept);
        std::vector<double> expected(kept, 0), best(kept, -1e300);
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < n; ++j)
            if (int64_t at = rows ? i : j; x[i * n + j] > best[at]) {
              best[at] = x[i * n + j];
              expected[at] = static_cast<double>(rows ? j : i);
            }
        Params params;
        params.pointer(x.get()).size(m).size(n).pointer(y.get()).size(kept);
        params.pointer(p.get()).size(kept);
        runner->run(params);
        expectClose(p, expected, 0, cpu + " positions");
        expectClose(y, best, 0, cpu + " values");
      }
    }
}

// A softmax over rows, as three ops with scratch between them.
static const char *softmax = R"(
#id = affine_map<(a, b) -> (a, b)>
#row = affine_map<(a, b) -> (a)>
func.func @k(%x: memref<?x?xf32>, %y: memref<?x?xf32>, %m: index, %n: index) attributes {mercer.kernel} {
  %zero = arith.constant 0.0 : f32
  %low = arith.constant 0xFF800000 : f32
  scf.forall (%i) = (0) to (%m) step (4) {
    %ms = affine.min affine_map<(d0)[s0] -> (4, s0 - d0)>(%i)[%m]
    %xs = memref.subview %x[%i, 0] [%ms, %n] [1, 1] : memref<?x?xf32> to memref<?x?xf32, strided<[?, 1], offset: ?>>
    %ys = memref.subview %y[%i, 0] [%ms, %n] [1, 1] : memref<?x?xf32> to memref<?x?xf32, strided<[?, 1], offset: ?>>
    %ma = memref.alloca() : memref<4xf32>
    %la = memref.alloca() : memref<4xf32>
    %mm = memref.subview %ma[0] [%ms] [1] : memref<4xf32> to memref<?xf32, strided<[1]>>
    %ll = memref.subview %la[0] [%ms] [1] : memref<4xf32> to memref<?xf32, strided<[1]>>
    linalg.fill ins(%low : f32) outs(%mm : memref<?xf32, strided<[1]>>)
    linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]} ins(%xs : memref<?x?xf32, strided<[?, 1], offset: ?>>) outs(%mm : memref<?xf32, strided<[1]>>) {
    ^bb0(%a: f32, %s: f32):
      %r = arith.maximumf %a, %s : f32
      linalg.yield %r : f32
    }
    linalg.fill ins(%zero : f32) outs(%ll : memref<?xf32, strided<[1]>>)
    linalg.generic {indexing_maps = [#id, #row, #id, #row], iterator_types = ["parallel", "reduction"]} ins(%xs, %mm : memref<?x?xf32, strided<[?, 1], offset: ?>>, memref<?xf32, strided<[1]>>) outs(%ys, %ll : memref<?x?xf32, strided<[?, 1], offset: ?>>, memref<?xf32, strided<[1]>>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %s: f32):
      %d = arith.subf %a, %b : f32
      %e = math.exp %d : f32
      %t = arith.addf %s, %e : f32
      linalg.yield %e, %t : f32, f32
    }
    linalg.generic {indexing_maps = [#row, #id], iterator_types = ["parallel", "parallel"]} ins(%ll : memref<?xf32, strided<[1]>>) outs(%ys : memref<?x?xf32, strided<[?, 1], offset: ?>>) {
    ^bb0(%a: f32, %b: f32):
      %d = arith.divf %b, %a : f32
      linalg.yield %d : f32
    }
  }
  return
}
)";

TEST(Reduction, SoftmaxRows) {
  for (const std::string &cpu : runnableLevels()) {
    auto runner = compile(softmax, cpu);
    ASSERT_TRUE(runner);
    for (auto [m, n] : std::vector<std::pair<int64_t, int64_t>>{
             {1, 1}, {9, 77}, {6, 1}, {5, 256}}) {
      auto x = randomBuffer<float>(m * n), y = randomBuffer<float>(m * n);
      std::vector<double> expected;
      for (int64_t i = 0; i < m; ++i) {
        double sum = 0;
        for (int64_t j = 0; j < n; ++j)
          sum += std::exp(double(x[i * n + j]));
        for (int64_t j = 0; j < n; ++j)
          expected.push_back(std::exp(double(x[i * n + j])) / sum);
      }
      Params params;
      params.pointer(x.get()).size(m).size(n).pointer(y.get()).size(m).size(n);
      params.size(m).size(n);
      runner->run(params, 3);
      expectClose(y, expected, 1e-6, cpu);
    }
  }
}
