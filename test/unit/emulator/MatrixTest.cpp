//===- MatrixTest.cpp - matrix loads, products, asynchronous copies -------===//

#include "test/unit/emulator/MatrixKernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

using namespace mercer::test;

namespace {

#define EXPECT_RUNS(error) EXPECT_EQ((error).code, 0) << (error).message

EmulatedError runProduct(const ProductOptions &options, bool check) {
  auto kernel = compileKernel(productText(options));
  if (!kernel)
    return {-1, "does not compile"};
  const int64_t m = 96, n = 48, k = 80;
  std::mt19937 engine(4);
  std::uniform_real_distribution<float> values(-1, 1);
  std::vector<_Float16> a(m * k), b(k * n);
  for (_Float16 &value : a)
    value = static_cast<_Float16>(values(engine));
  for (_Float16 &value : b)
    value = static_cast<_Float16>(values(engine));
  std::vector<float> c(m * n);
  EmulatedError error = kernel->run(Words()
                                        .buffer(a.data(), {m, k})
                                        .buffer(b.data(), {k, n})
                                        .buffer(c.data(), {m, n}),
                                    m / 32 * n / 16, 2);
  for (int64_t i = 0; check && i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t at = 0; at < k; ++at)
        sum += double(a[i * k + at]) * double(b[at * n + j]);
      EXPECT_NEAR(c[i * n + j], sum, 1e-4) << i << ", " << j;
    }
  return error;
}

TEST(Product, CopiesMatrixLoadsAndProducts) {
  EXPECT_RUNS(runProduct({}, true));
}

TEST(Product, ReadBeforeTheWait) {
  ProductOptions options;
  options.waits = false;
  EmulatedError error = runProduct(options, false);
  EXPECT_EQ(error.code, 4605) << error.message;
  EXPECT_NE(error.message.find("nvgpu.ldmatrix at kernel.mlir:"),
            std::string::npos)
      << error.message;
}

TEST(Product, NoBarrierAfterTheWait) {
  ProductOptions options;
  options.barrierAfterWait = false;
  EmulatedError error = runProduct(options, false);
  // The other lanes' copies are under way, or done but not yet visible.
  EXPECT_TRUE(error.code == 4603 || error.code == 4605) << error.message;
}

TEST(Product, NoBarrierBeforeTheStageIsUsedAgain) {
  ProductOptions options;
  options.barrierAfterUse = false;
  EmulatedError error = runProduct(options, false);
  EXPECT_EQ(error.code, 4603) << error.message;
  EXPECT_NE(error.message.find("nvgpu.device_async_copy at kernel.mlir:"),
            std::string::npos)
      << error.message;
}

TEST(Product, RowsOf32BytesConflictInPairs) {
  ProductOptions options;
  options.attributes = "mercer.max_bank_conflicts = 1 : i64";
  EXPECT_RUNS(runProduct(options, true));
  options.attributes = "mercer.max_bank_conflicts = 0 : i64";
  EmulatedError error = runProduct(options, false);
  EXPECT_EQ(error.code, 4607) << error.message;
  EXPECT_NE(error.message.find("nvgpu.ldmatrix"), std::string::npos)
      << error.message;
}

//===----------------------------------------------------------------------===//
// Fragment layouts, as the PTX ISA writes them
//===----------------------------------------------------------------------===//

/// A fragment element's row and column; g = lane / 4, t = lane % 4.
struct Place {
  int row, column;
};
using Layout = Place (*)(int g, int t, int i);

struct MmaCase {
  const char *name;
  int m, n, k;
  const char *type, *sumType;
  int registers[3], perRegister[3];
  Layout a, b, c;
};

Place sum16x8(int g, int t, int i) {
  return {i < 2 ? g : g + 8, t * 2 + (i & 1)};
}

const MmaCase mmaCases[] = {
    {"F16K16",
     16,
     8,
     16,
     "f16",
     "f32",
     {4, 2, 2},
     {2, 2, 2},
     [](int g, int t, int i) -> Place {
       return {(i < 2 || (i >= 4 && i < 6)) ? g : g + 8,
               i < 4 ? t * 2 + (i & 1) : t * 2 + (i & 1) + 8};
     },
     [](int g, int t, int i) -> Place {
       return {i < 2 ? t * 2 + (i & 1) : t * 2 + (i & 1) + 8, g};
     },
     sum16x8},
    {"F16K8",
     16,
     8,
     8,
     "f16",
     "f32",
     {2, 1, 2},
     {2, 2, 2},
     [](int g, int t, int i) -> Place {
       return {i < 2 ? g : g + 8, t * 2 + (i & 1)};
     },
     [](int g, int t, int i) -> Place { return {t * 2 + i, g}; },
     sum16x8},
    {"F16SumsInF16",
     16,
     8,
     16,
     "f16",
     "f16",
     {4, 2, 2},
     {2, 2, 2},
     [](int g, int t, int i) -> Place {
       return {(i < 2 || (i >= 4 && i < 6)) ? g : g + 8,
               i < 4 ? t * 2 + (i & 1) : t * 2 + (i & 1) + 8};
     },
     [](int g, int t, int i) -> Place {
       return {i < 2 ? t * 2 + (i & 1) : t * 2 + (i & 1) + 8, g};
     },
     sum16x8},
    {"BF16K16",
     16,
     8,
     16,
     "bf16",
     "f32",
     {4, 2, 2},
     {2, 2, 2},
     [](int g, int t, int i) -> Place {
       return {(i < 2 || (i >= 4 && i < 6)) ? g : g + 8,
               i < 4 ? t * 2 + (i & 1) : t * 2 + (i & 1) + 8};
     },
     [](int g, int t, int i) -> Place {
       return {i < 2 ? t * 2 + (i & 1) : t * 2 + (i & 1) + 8, g};
     },
     sum16x8},
    {"TF32K8",
     16,
     8,
     8,
     "f32",
     "f32",
     {4, 2, 2},
     {1, 1, 2},
     [](int g, int t, int i) -> Place {
       return {(i == 0 || i == 2) ? g : g + 8, i < 2 ? t : t + 4};
     },
     [](int g, int t, int i) -> Place { return {i == 0 ? t : t + 4, g}; },
     sum16x8},
    {"TF32K4",
     16,
     8,
     4,
     "f32",
     "f32",
     {2, 1, 2},
     {1, 1, 2},
     [](int g, int t, int i) -> Place { return {i == 0 ? g : g + 8, t}; },
     [](int g, int t, int) -> Place { return {t, g}; },
     sum16x8},
    {"S8K32",
     16,
     8,
     32,
     "i8",
     "i32",
     {4, 2, 2},
     {4, 4, 2},
     [](int g, int t, int i) -> Place {
       return {(i < 4 || (i >= 8 && i < 12)) ? g : g + 8,
               i < 8 ? t * 4 + (i & 3) : t * 4 + (i & 3) + 16};
     },
     [](int g, int t, int i) -> Place {
       return {i < 4 ? t * 4 + (i & 3) : t * 4 + (i & 3) + 16, g};
     },
     sum16x8},
    {"S8K16",
     16,
     8,
     16,
     "i8",
     "i32",
     {2, 1, 2},
     {4, 4, 2},
     [](int g, int t, int i) -> Place {
       return {i < 4 ? g : g + 8, t * 4 + (i & 3)};
     },
     [](int g, int t, int i) -> Place { return {t * 4 + i, g}; },
     sum16x8},
    {"F64K4",
     8,
     8,
     4,
     "f64",
     "f64",
     {1, 1, 1},
     {1, 1, 2},
     [](int g, int t, int) -> Place { return {g, t}; },
     [](int g, int t, int) -> Place { return {t, g}; },
     [](int g, int t, int i) -> Place { return {g, t * 2 + i}; }},
};

std::string typeText(int registers, int each, const std::string &type) {
  return "vector<" + std::to_string(registers) + "x" + std::to_string(each) +
         "x" + type + ">";
}

/// The matrices lie in memory as fragments: lane after lane.
std::string mmaText(const MmaCase &mma) {
  const char *names[] = {"a", "b", "c"};
  std::string body, arguments;
  for (int i = 0; i < 3; ++i) {
    const std::string name = names[i], type = i < 2 ? mma.type : mma.sumType,
                      each = std::to_string(mma.perRegister[i]);
    const std::string fragment =
        typeText(mma.registers[i], mma.perRegister[i], type);
    const int count = mma.registers[i] * mma.perRegister[i];
    arguments += "%" + name + ": memref<?x" + type +
                 ", #global> {mercer.elements = [" +
                 std::to_string(32 * count) + "]}, ";
    body += "      %n" + name + " = arith.constant " + std::to_string(count) +
            " : index\n      %s" + name + " = arith.muli %lane, %n" + name +
            " : index\n      %f" + name + "_0 = ub.poison : " + fragment + "\n";
    for (int r = 0; r < mma.registers[i]; ++r) {
      const std::string n = name + std::to_string(r);
      body += "      %o" + n + " = arith.constant " +
              std::to_string(r * mma.perRegister[i]) + " : index\n      %at" +
              n + " = arith.addi %s" + name + ", %o" + n +
              " : index\n      %r" + n + " = vector.load %" + name + "[%at" +
              n + "] : memref<?x" + type + ", #global>, vector<" + each + "x" +
              type + ">\n      %f" + name + "_" + std::to_string(r + 1) +
              " = vector.insert %r" + n + ", %f" + name + "_" +
              std::to_string(r) + "[" + std::to_string(r) + "] : vector<" +
              each + "x" + type + "> into " + fragment + "\n";
    }
  }
  const std::string sum = mma.sumType,
                    c = typeText(mma.registers[2], mma.perRegister[2], sum);
  auto last = [&](int i) {
    return std::string("%f") + names[i] + "_" +
           std::to_string(mma.registers[i]);
  };
  body += "      %d = nvgpu.mma.sync (" + last(0) + ", " + last(1) + ", " +
          last(2) + ") {mmaShape = [" + std::to_string(mma.m) + ", " +
          std::to_string(mma.n) + ", " + std::to_string(mma.k) + "]" +
          (std::string(mma.type) == "f32" ? ", tf32Enabled" : "") + "} : (" +
          typeText(mma.registers[0], mma.perRegister[0], mma.type) + ", " +
          typeText(mma.registers[1], mma.perRegister[1], mma.type) + ", " + c +
          ") -> " + c + "\n";
  for (int r = 0; r < mma.registers[2]; ++r) {
    const std::string n = std::to_string(r), row = "vector<2x" + sum + ">";
    body += "      %d" + n + " = vector.extract %d[" + n + "] : " + row +
            " from " + c + "\n      vector.store %d" + n + ", %out[%atc" + n +
            "] : memref<?x" + sum + ", #global>, " + row + "\n";
  }
  return kernelText(
      arguments + "%out: memref<?x" + sum + ", #global> {mercer.elements = [" +
          std::to_string(32 * 2 * mma.registers[2]) + "], mercer.written}",
      "", 32, body);
}

/// `value` in the format of `type`, at `to`.
void encode(const std::string &type, double value, char *to) {
  auto put = [&](auto encoded) { std::memcpy(to, &encoded, sizeof(encoded)); };
  if (type == "f16")
    return put(static_cast<_Float16>(value));
  if (type == "f32")
    return put(static_cast<float>(value));
  if (type == "f64")
    return put(value);
  if (type == "i8")
    return put(static_cast<int8_t>(value));
  if (type == "i32")
    return put(static_cast<int32_t>(value));
  uint32_t bits;
  float narrow = static_cast<float>(value);
  std::memcpy(&bits, &narrow, 4);
  put(static_cast<uint16_t>(bits >> 16));
}

double decode(const std::string &type, const char *from) {
  auto get = [&](auto value) {
    std::memcpy(&value, from, sizeof(value));
    return static_cast<double>(value);
  };
  if (type == "f16")
    return get(_Float16());
  if (type == "f32")
    return get(float());
  if (type == "f64")
    return get(double());
  if (type == "i8")
    return get(int8_t());
  if (type == "i32")
    return get(int32_t());
  uint16_t bits;
  std::memcpy(&bits, from, 2);
  uint32_t wide = uint32_t(bits) << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}

size_t sizeOf(const std::string &type) {
  if (type == "i8")
    return 1;
  if (type == "f64")
    return 8;
  return type.find("16") != std::string::npos ? 2 : 4;
}

class Mma : public testing::TestWithParam<MmaCase> {};

TEST_P(Mma, FollowsTheFragmentLayouts) {
  const MmaCase &mma = GetParam();
  auto kernel = compileKernel(mmaText(mma));
  ASSERT_TRUE(kernel);
  std::mt19937 engine(5);
  // Multiples of 1/8 up to 16: exact in every type, and so are their sums.
  std::uniform_int_distribution<int> values(-100, 100);
  const bool integer = mma.type[0] == 'i';
  auto matrix = [&](int rows, int columns) {
    std::vector<double> result(rows * columns);
    for (double &value : result)
      value = integer ? values(engine) : values(engine) / 32 / 2.0;
    return result;
  };
  std::vector<double> a = matrix(mma.m, mma.k), b = matrix(mma.k, mma.n),
                      c = matrix(mma.m, mma.n);
  auto fragments = [&](const std::vector<double> &matrix, int columns,
                       Layout layout, int count, const std::string &type) {
    std::vector<char> bytes(32 * count * sizeOf(type));
    for (int lane = 0; lane < 32; ++lane)
      for (int i = 0; i < count; ++i) {
        Place at = layout(lane / 4, lane % 4, i);
        encode(type, matrix[at.row * columns + at.column],
               &bytes[(lane * count + i) * sizeOf(type)]);
      }
    return bytes;
  };
  auto count = [&](int i) { return mma.registers[i] * mma.perRegister[i]; };
  std::vector<char> fa = fragments(a, mma.k, mma.a, count(0), mma.type),
                    fb = fragments(b, mma.n, mma.b, count(1), mma.type),
                    fc = fragments(c, mma.n, mma.c, count(2), mma.sumType),
                    out(fc.size());
  EXPECT_RUNS(kernel->run(
      Words().buffer(fa.data()).buffer(fb.data()).buffer(fc.data()).buffer(
          out.data()),
      1));
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < count(2); ++i) {
      Place at = mma.c(lane / 4, lane % 4, i);
      double expected = c[at.row * mma.n + at.column];
      for (int k = 0; k < mma.k; ++k)
        expected += a[at.row * mma.k + k] * b[k * mma.n + at.column];
      EXPECT_EQ(decode(mma.sumType,
                       &out[(lane * count(2) + i) * sizeOf(mma.sumType)]),
                expected)
          << "lane " << lane << ", element " << i;
    }
}
INSTANTIATE_TEST_SUITE_P(Emulator, Mma, testing::ValuesIn(mmaCases),
                         [](const auto &info) { return info.param.name; });

TEST(MmaPrecision, Tf32ReadsTenBitsOfTheMantissa) {
  MmaCase mma = mmaCases[4];
  auto kernel = compileKernel(mmaText(mma));
  ASSERT_TRUE(kernel);
  // 1 + 2^-10 stays, 1 + 2^-11 is cut to 1.
  std::vector<float> a(32 * 4, 1 + 0x1p-10f), b(32 * 2, 1 + 0x1p-11f),
      c(32 * 4, 0), out(32 * 4);
  EXPECT_RUNS(kernel->run(
      Words().buffer(a.data()).buffer(b.data()).buffer(c.data()).buffer(
          out.data()),
      1));
  for (float value : out)
    EXPECT_EQ(value, 8 * (1 + 0x1p-10f));
}

TEST(MmaPrecision, HalfSumsAreRoundedAndOverflow) {
  MmaCase mma = mmaCases[2];
  auto kernel = compileKernel(mmaText(mma));
  ASSERT_TRUE(kernel);
  const double inputs[][3] = {{64, 64, 0},
                              {1, 1, 2048},
                              {0x1p-14, 0x1p-9, 0},
                              {1, 1, 2049 - 16},
                              {NAN, 1, 0}};
  const double outputs[] = {INFINITY, 2064, 16 * 0x1p-23, 2048, NAN};
  for (int i = 0; i < 5; ++i) {
    std::vector<_Float16> a(32 * 8, static_cast<_Float16>(inputs[i][0])),
        b(32 * 4, static_cast<_Float16>(inputs[i][1])),
        c(32 * 4, static_cast<_Float16>(inputs[i][2])), out(32 * 4);
    EXPECT_RUNS(kernel->run(
        Words().buffer(a.data()).buffer(b.data()).buffer(c.data()).buffer(
            out.data()),
        1));
    for (_Float16 value : out) {
      if (std::isnan(outputs[i]))
        EXPECT_TRUE(std::isnan(static_cast<double>(value)));
      else
        EXPECT_EQ(static_cast<double>(value), outputs[i]) << i;
    }
  }
}

TEST(AsyncCopy, FillsWithZerosWhatItDoesNotRead) {
  // Lane i copies i % 5 of four elements.
  auto kernel = compileKernel(kernelText(
      R"(
    %x: memref<?xf32, #global> {mercer.elements = [128]},
    %y: memref<?xf32, #global> {mercer.elements = [128], mercer.written})",
      "%s : memref<128xf32, #shared> {llvm.align = 16 : i64}", 32, R"(
      %c4 = arith.constant 4 : index
      %c5 = arith.constant 5 : index
      %at = arith.muli %lane, %c4 : index
      %count = arith.remui %lane, %c5 : index
      %copy = nvgpu.device_async_copy %x[%at], %s[%at], 4, %count : memref<?xf32, #global> to memref<128xf32, #shared>
      %group = nvgpu.device_async_create_group %copy
      nvgpu.device_async_wait %group
      %v = vector.load %s[%at] {alignment = 16 : i64} : memref<128xf32, #shared>, vector<4xf32>
      vector.store %v, %y[%at] {alignment = 16 : i64} : memref<?xf32, #global>, vector<4xf32>
      gpu.barrier)"));
  ASSERT_TRUE(kernel);
  std::vector<float> x(128, 3), y(128, -1);
  EXPECT_RUNS(kernel->run(Words().buffer(x.data()).buffer(y.data()), 1));
  for (int i = 0; i < 128; ++i)
    EXPECT_EQ(y[i], i % 4 < i / 4 % 5 ? 3 : 0) << i;
}

} // namespace
