//===- KernelTest.cpp - right kernels give right results ------------------===//

#include "test/unit/emulator/EmulatedKernel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

using namespace mercer::test;

namespace {

std::vector<float> randomFloats(size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> values(-1, 1);
  std::vector<float> result(count);
  for (float &value : result)
    value = values(engine);
  return result;
}

#define EXPECT_RUNS(error) EXPECT_EQ((error).code, 0) << (error).message

/// y = scale * x + bias over rows of 64, four elements a lane; the last rows
/// are guarded by the size.
const char *const affineArguments = R"(
    %x: memref<?xf32, #global> {mercer.elements = [64, 2]}, %rows: index,
    %scale: f32, %bias: f64,
    %y: memref<?xf32, #global> {mercer.elements = [64, 6], mercer.written}, %rowsOut: index)";
const char *const affineBody = R"(
      %c4 = arith.constant 4 : index
      %c16 = arith.constant 16 : index
      %c64 = arith.constant 64 : index
      %c2 = arith.constant 2 : index
      %inTile = arith.divui %lane, %c16 : index
      %column = arith.remui %lane, %c16 : index
      %first = arith.muli %t, %c2 : index
      %row = arith.addi %first, %inTile : index
      %inside = arith.cmpi ult, %row, %rows : index
      scf.if %inside {
        %rowStart = arith.muli %row, %c64 : index
        %offset = arith.muli %column, %c4 : index
        %at = arith.addi %rowStart, %offset : index
        %v = vector.load %x[%at] {alignment = 16 : i64} : memref<?xf32, #global>, vector<4xf32>
        %s = vector.broadcast %scale : f32 to vector<4xf32>
        %b32 = arith.truncf %bias : f64 to f32
        %b = vector.broadcast %b32 : f32 to vector<4xf32>
        %p = arith.mulf %v, %s : vector<4xf32>
        %r = arith.addf %p, %b : vector<4xf32>
        vector.store %r, %y[%at] {alignment = 16 : i64} : memref<?xf32, #global>, vector<4xf32>
      })";

struct AffineCase {
  int64_t rows, pieces;
  bool threads;
};
class Affine : public testing::TestWithParam<AffineCase> {};

TEST_P(Affine, EveryElementOnce) {
  auto kernel = compileKernel(kernelText(affineArguments, "", 32, affineBody));
  ASSERT_TRUE(kernel);
  auto [rows, pieces, threads] = GetParam();
  std::vector<float> x = randomFloats(64 * rows, 1), y(64 * rows, -7);
  float scale = 1.5f;
  double bias = 0.25;
  int64_t scaleBits = 0, biasBits;
  std::memcpy(&scaleBits, &scale, 4);
  std::memcpy(&biasBits, &bias, 8);
  Words words;
  words.buffer(x.data(), {rows})
      .scalar(scaleBits)
      .scalar(biasBits)
      .buffer(y.data(), {rows});
  EXPECT_RUNS(kernel->run(words, (rows + 1) / 2, pieces, threads));
  for (size_t i = 0; i < x.size(); ++i)
    ASSERT_FLOAT_EQ(y[i], 1.5f * x[i] + 0.25f) << i;
}
INSTANTIATE_TEST_SUITE_P(Emulator, Affine,
                         testing::Values(AffineCase{1, 1, false},
                                         AffineCase{7, 1, false},
                                         AffineCase{64, 5, false},
                                         AffineCase{501, 8, true}));

/// 32 x 32 tiles through shared memory; rows are padded by one element, so
/// that columns lie in different banks.
std::string transpose(int pitch, const std::string &attributes = "") {
  return kernelText(
      R"(
    %x: memref<?xf32, #global> {mercer.elements = [1, 2, 3]}, %m: index, %n: index,
    %y: memref<?xf32, #global> {mercer.elements = [1, 5, 6], mercer.written}, %n2: index, %m2: index)",
      "%s : memref<" + std::to_string(32 * pitch) +
          "xf32, #shared> {llvm.align = 16 : i64}",
      128,
      R"(
      %c0 = arith.constant 0 : index
      %c4 = arith.constant 4 : index
      %c32 = arith.constant 32 : index
      %pitch = arith.constant )" +
          std::to_string(pitch) + R"( : index
      %acrossAll = arith.divui %n, %c32 : index
      %ti = arith.divui %t, %acrossAll : index
      %tj = arith.remui %t, %acrossAll : index
      %i0 = arith.muli %ti, %c32 : index
      %j0 = arith.muli %tj, %c32 : index
      %column = arith.remui %lane, %c32 : index
      %warp = arith.divui %lane, %c32 : index
      scf.for %r = %warp to %c32 step %c4 {
        %i = arith.addi %i0, %r : index
        %j = arith.addi %j0, %column : index
        %row = arith.muli %i, %n : index
        %at = arith.addi %row, %j : index
        %v = memref.load %x[%at] : memref<?xf32, #global>
        %srow = arith.muli %r, %pitch : index
        %sat = arith.addi %srow, %column : index
        memref.store %v, %s[%sat] : memref<)" +
          std::to_string(32 * pitch) + R"(xf32, #shared>
      }
      gpu.barrier
      scf.for %r = %warp to %c32 step %c4 {
        %srow = arith.muli %column, %pitch : index
        %sat = arith.addi %srow, %r : index
        %v = memref.load %s[%sat] : memref<)" +
          std::to_string(32 * pitch) + R"(xf32, #shared>
        %j = arith.addi %j0, %r : index
        %i = arith.addi %i0, %column : index
        %row = arith.muli %j, %m : index
        %at = arith.addi %row, %i : index
        memref.store %v, %y[%at] : memref<?xf32, #global>
      }
      gpu.barrier)",
      attributes);
}

EmulatedError runTranspose(const std::string &text, bool check) {
  auto kernel = compileKernel(text);
  if (!kernel)
    return {-1, "does not compile"};
  const int64_t m = 96, n = 64;
  std::vector<float> x = randomFloats(m * n, 2), y(m * n);
  Words words;
  words.buffer(x.data(), {m, n}).buffer(y.data(), {n, m});
  EmulatedError error = kernel->run(words, m / 32 * n / 32);
  for (int64_t i = 0; check && i < m; ++i)
    for (int64_t j = 0; j < n; ++j)
      EXPECT_EQ(y[j * m + i], x[i * n + j]) << i << ", " << j;
  return error;
}

TEST(Transpose, PaddedRowsHaveNoBankConflicts) {
  EXPECT_RUNS(
      runTranspose(transpose(33, "mercer.max_bank_conflicts = 0 : i64"), true));
}

TEST(Transpose, ConflictsWithoutAClaimAreNoError) {
  EXPECT_RUNS(runTranspose(transpose(32), true));
}

TEST(Transpose, ConflictsAboveTheClaim) {
  EmulatedError error = runTranspose(
      transpose(32, "mercer.max_bank_conflicts = 30 : i64"), false);
  EXPECT_EQ(error.code, 4607);
  EXPECT_NE(error.message.find("memref.load at kernel.mlir:"),
            std::string::npos)
      << error.message;
  EXPECT_NE(error.message.find("31 bank conflicts"), std::string::npos)
      << error.message;
}

TEST(Transpose, ConflictsAtTheClaim) {
  EXPECT_RUNS(runTranspose(
      transpose(32, "mercer.max_bank_conflicts = 31 : i64"), true));
}

/// Sums rows: shuffles in each subgroup, then the subgroups through shared
/// memory.
std::string rowSum(int threads, int subgroup) {
  const std::string warps = std::to_string(threads / subgroup);
  std::string body = R"(
      %c0 = arith.constant 0 : index
      %zero = arith.constant 0.0 : f32
      %threads = arith.constant )" +
                     std::to_string(threads) + R"( : index
      %subgroup = arith.constant )" +
                     std::to_string(subgroup) + R"( : index
      %width = arith.constant )" +
                     std::to_string(subgroup) + R"( : i32
      %start = arith.muli %t, %n : index
      %own = scf.for %j = %lane to %n step %threads iter_args(%sum = %zero) -> f32 {
        %at = arith.addi %start, %j : index
        %v = memref.load %x[%at] : memref<?xf32, #global>
        %next = arith.addf %sum, %v : f32
        scf.yield %next : f32
      }
)";
  std::string last = "%own";
  for (int distance = subgroup / 2; distance > 0; distance /= 2) {
    const std::string d = std::to_string(distance);
    body += "      %d" + d + " = arith.constant " + d + " : i32\n" +
            "      %o" + d + ", %valid" + d + " = gpu.shuffle xor " + last +
            ", %d" + d + ", %width : f32\n" + "      %s" + d +
            " = arith.addf " + last + ", %o" + d + " : f32\n";
    last = "%s" + d;
  }
  body += R"(
      %warp = arith.divui %lane, %subgroup : index
      %inWarp = arith.remui %lane, %subgroup : index
      %leads = arith.cmpi eq, %inWarp, %c0 : index
      scf.if %leads {
        memref.store )" +
          last + R"(, %s[%warp] : memref<)" + warps + R"(xf32, #shared>
      }
      gpu.barrier
      %first = arith.cmpi eq, %lane, %c0 : index
      scf.if %first {
        %warps = arith.constant )" +
          warps + R"( : index
        %c1 = arith.constant 1 : index
        %all = scf.for %w = %c0 to %warps step %c1 iter_args(%sum = %zero) -> f32 {
          %v = memref.load %s[%w] : memref<)" +
          warps + R"(xf32, #shared>
          %next = arith.addf %sum, %v : f32
          scf.yield %next : f32
        }
        memref.store %all, %y[%t] : memref<?xf32, #global>
      }
      gpu.barrier)";
  return kernelText(R"(
    %x: memref<?xf32, #global> {mercer.elements = [1, 2, 3]}, %m: index, %n: index,
    %y: memref<?xf32, #global> {mercer.elements = [1, 5], mercer.written}, %m2: index)",
                    "%s : memref<" + warps + "xf32, #shared>", threads, body,
                    "", subgroup);
}

class RowSum : public testing::TestWithParam<std::pair<int, int>> {};
TEST_P(RowSum, ShufflesAndSharedMemory) {
  auto [threads, subgroup] = GetParam();
  auto kernel = compileKernel(rowSum(threads, subgroup));
  ASSERT_TRUE(kernel);
  const int64_t m = 13, n = 1000;
  std::vector<float> x = randomFloats(m * n, 3), y(m);
  Words words;
  words.buffer(x.data(), {m, n}).buffer(y.data(), {m});
  EXPECT_RUNS(kernel->run(words, m));
  for (int64_t i = 0; i < m; ++i)
    EXPECT_NEAR(y[i], std::accumulate(&x[i * n], &x[i * n] + n, 0.0), 1e-4);
}
INSTANTIATE_TEST_SUITE_P(Emulator, RowSum,
                         testing::Values(std::pair(128, 32),
                                         std::pair(1024, 32), std::pair(32, 32),
                                         std::pair(64, 8), std::pair(256, 8)));

TEST(Shuffle, Modes) {
  // Lane i of 32 shuffles the value 10 i among 16; modes in turn.
  std::string body = R"(
      %ten = arith.constant 10 : i32
      %three = arith.constant 3 : i32
      %width = arith.constant 16 : i32
      %c4 = arith.constant 4 : index
      %l = arith.index_cast %lane : index to i32
      %v = arith.muli %l, %ten : i32
      %none = arith.constant -1 : i32
      %at = arith.muli %lane, %c4 : index
)";
  const char *modes[] = {"xor", "up", "down", "idx"};
  for (int i = 0; i < 4; ++i) {
    const std::string n = std::to_string(i);
    body += "      %r" + n + ", %ok" + n + " = gpu.shuffle " + modes[i] +
            " %v, %three, %width : i32\n      %f" + n + " = arith.select %ok" +
            n + ", %r" + n + ", %none : i32\n      %c_" + n +
            " = arith.constant " + n + " : index\n      %at" + n +
            " = arith.addi %at, %c_" + n + " : index\n" +
            "      memref.store %f" + n + ", %y[%at" + n +
            "] : memref<?xi32, #global>\n";
  }
  auto kernel = compileKernel(
      kernelText("%y: memref<?xi32, #global> {mercer.elements = [128], "
                 "mercer.written}",
                 "", 32, body));
  ASSERT_TRUE(kernel);
  std::vector<int32_t> y(128);
  EXPECT_RUNS(kernel->run(Words().buffer(y.data()), 1));
  for (int lane = 0; lane < 32; ++lane) {
    const int base = lane / 16 * 16, at = lane % 16;
    EXPECT_EQ(y[4 * lane], 10 * (base + (at ^ 3)));
    EXPECT_EQ(y[4 * lane + 1], at < 3 ? -1 : 10 * (lane - 3));
    EXPECT_EQ(y[4 * lane + 2], at > 12 ? -1 : 10 * (lane + 3));
    EXPECT_EQ(y[4 * lane + 3], 10 * (base + 3));
  }
}

TEST(Scratch, IsOfOneWorkgroup) {
  // Neighbours exchange values through scratch: y[64 t + i] = x[64 t + (i ^
  // 1)].
  auto kernel = compileKernel(kernelText(
      R"(
    %x: memref<?xi64, #global> {mercer.elements = [1, 2]}, %n: index,
    %y: memref<?xi64, #global> {mercer.elements = [1, 4], mercer.written}, %n2: index,
    %scratch: memref<?xi64, #global> {mercer.scratch = 64 : i64})",
      "", 64, R"(
      %c1 = arith.constant 1 : index
      %c64 = arith.constant 64 : index
      %start = arith.muli %t, %c64 : index
      %own = arith.muli %block, %c64 : index
      %at = arith.addi %start, %lane : index
      %v = memref.load %x[%at] : memref<?xi64, #global>
      %mine = arith.addi %own, %lane : index
      memref.store %v, %scratch[%mine] : memref<?xi64, #global>
      gpu.barrier
      %other = arith.xori %lane, %c1 : index
      %theirs = arith.addi %own, %other : index
      %w = memref.load %scratch[%theirs] : memref<?xi64, #global>
      memref.store %w, %y[%at] : memref<?xi64, #global>
      gpu.barrier)"));
  ASSERT_TRUE(kernel);
  std::vector<int64_t> x(640), y(640);
  std::iota(x.begin(), x.end(), 1000);
  EXPECT_RUNS(kernel->run(
      Words().buffer(x.data(), {640}).buffer(y.data(), {640}), 10, 3, true));
  for (size_t i = 0; i < y.size(); ++i)
    EXPECT_EQ(y[i], x[i ^ 1]);
}

TEST(Private, ArraysAndHalves) {
  // Sums four f16 in a private array; what was not stored is NaN.
  auto kernel = compileKernel(kernelText(
      R"(
    %x: memref<?xf16, #global> {mercer.elements = [128]},
    %y: memref<?xf32, #global> {mercer.elements = [64], mercer.written})",
      "", 32, R"(
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c2 = arith.constant 2 : index
      %c4 = arith.constant 4 : index
      %a = memref.alloca() : memref<2xf32, #private>
      %at = arith.muli %lane, %c4 : index
      %v = vector.load %x[%at] {alignment = 8 : i64} : memref<?xf16, #global>, vector<4xf16>
      %w = arith.extf %v : vector<4xf16> to vector<4xf32>
      %e:4 = vector.to_elements %w : vector<4xf32>
      %s0 = arith.addf %e#0, %e#1 : f32
      %s1 = arith.addf %s0, %e#2 : f32
      %s2 = arith.addf %s1, %e#3 : f32
      memref.store %s2, %a[%c0] : memref<2xf32, #private>
      %r0 = memref.load %a[%c0] : memref<2xf32, #private>
      %r1 = memref.load %a[%c1] : memref<2xf32, #private>
      %out = vector.from_elements %r0, %r1 : vector<2xf32>
      %to = arith.muli %lane, %c2 : index
      vector.store %out, %y[%to] {alignment = 8 : i64} : memref<?xf32, #global>, vector<2xf32>)"));
  ASSERT_TRUE(kernel);
  std::vector<_Float16> x(128);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<_Float16>(0.25f * static_cast<float>(i));
  std::vector<float> y(64);
  EXPECT_RUNS(kernel->run(Words().buffer(x.data()).buffer(y.data()), 1));
  for (int lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(y[2 * lane], 0.25f * float(16 * lane + 6));
    EXPECT_TRUE(std::isnan(y[2 * lane + 1]));
  }
}

} // namespace
