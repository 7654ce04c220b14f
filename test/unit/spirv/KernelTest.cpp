//===- KernelTest.cpp - forms of distributed kernels, run on a device -----===//
//
// Hand-written kernels in the form that distribution leaves: what the emitter
// does with memory, control flow, parameters and subgroups, against plain C++.
//
//===----------------------------------------------------------------------===//

#include "TestKernel.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <random>

using namespace mercer;
using namespace mercer::test;

namespace {
class Kernel : public testing::Test {
protected:
  void SetUp() override {
    device = VulkanRunner::get();
    if (!device)
      GTEST_SKIP() << "no Vulkan device";
    random.seed(testSeed());
  }
  /// Compiles for each chip and runs; buffers are left as the last run does.
  void run(const std::string &text, uint32_t tiles, uint32_t groups,
           std::vector<HostBuffer> buffers, std::vector<uint32_t> words = {}) {
    std::string errors;
    kernel = compileKernel(text, errors, chip);
    ASSERT_FALSE(kernel.entry.empty()) << errors << text;
    ASSERT_EQ(device->run(kernel, tiles, groups, buffers, words), "");
  }
  template <typename T>
  static HostBuffer host(std::vector<T> &data, uint32_t first = 0) {
    return {data.data(), data.size() * sizeof(T), first};
  }
  float number() {
    return std::uniform_real_distribution<float>(-2, 2)(random);
  }

  VulkanRunner *device = nullptr;
  std::mt19937_64 random;
  SpirvKernel kernel;
  std::string chip = "vulkan1.3";
};

std::string start(const std::string &arguments, int threads = 64,
                  const std::string &shared = "") {
  return "gpu.func @k(%tiles: index, " + arguments + ")" +
         (shared.empty() ? "" : " workgroup(" + shared + ")") +
         " kernel attributes {known_block_size = array<i32: " +
         std::to_string(threads) + ", 1, 1>} {\n" + R"(
    %b = gpu.block_id x
    %g = gpu.grid_dim x
    %t = gpu.thread_id x
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %c4 = arith.constant 4 : index
    %c8 = arith.constant 8 : index
    %c64 = arith.constant 64 : index
    %zero = arith.constant 0.0 : f32
    scf.for %tile = %b to %tiles step %g {
      %base = arith.muli %tile, %c64 : index
      %i = arith.addi %base, %t : index
)";
}
const char *stop = "}\ngpu.return\n}\n";

TEST_F(Kernel, ReductionByShuffleAndSharedMemory) {
  std::string text =
      start("%x: " + globalBuffer("f32") +
                " {mercer.elements = [2560]}, %r: " + globalBuffer("f32") +
                " {mercer.written, mercer.elements = [10]}",
            64, "%s: memref<8xf32, #gpu.address_space<workgroup>>");
  text += R"(
      %i4 = arith.muli %i, %c4 : index
      %v = vector.load %x[%i4] {alignment = 16 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<4xf32>
      %e:4 = vector.to_elements %v : vector<4xf32>
      %s0 = arith.addf %e#0, %e#1 : f32
      %s1 = arith.addf %e#2, %e#3 : f32
      %s2 = arith.addf %s0, %s1 : f32
      %w = arith.constant 8 : i32
      %m4 = arith.constant 4 : i32
      %m2 = arith.constant 2 : i32
      %m1 = arith.constant 1 : i32
      %p4, %ok4 = gpu.shuffle xor %s2, %m4, %w : f32
      %q4 = arith.addf %s2, %p4 : f32
      %p2, %ok2 = gpu.shuffle xor %q4, %m2, %w : f32
      %q2 = arith.addf %q4, %p2 : f32
      %p1, %ok1 = gpu.shuffle xor %q2, %m1, %w : f32
      %q1 = arith.addf %q2, %p1 : f32
      %lane = arith.remui %t, %c8 : index
      %row = arith.divui %t, %c8 : index
      %first = arith.cmpi eq, %lane, %c0 : index
      scf.if %first {
        memref.store %q1, %s[%row] : memref<8xf32, #gpu.address_space<workgroup>>
      }
      gpu.barrier
      %leader = arith.cmpi eq, %t, %c0 : index
      scf.if %leader {
        %sum = scf.for %k = %c0 to %c8 step %c1 iter_args(%a = %zero) -> f32 {
          %l = memref.load %s[%k] : memref<8xf32, #gpu.address_space<workgroup>>
          %n = arith.addf %a, %l : f32
          scf.yield %n : f32
        }
        memref.store %sum, %r[%tile] : memref<?xf32, #gpu.address_space<global>>
      }
      gpu.barrier
)";
  std::vector<float> x(2560), r(10);
  for (float &value : x)
    value = number();
  // Fewer workgroups than tiles, and more.
  for (uint32_t groups : {3u, 16u}) {
    std::fill(r.begin(), r.end(), 0.0f);
    run(text + stop, 10, groups, {host(x, 4), host(r)});
    for (int tile = 0; tile < 10; ++tile) {
      double sum = 0;
      for (int k = 0; k < 256; ++k)
        sum += x[tile * 256 + k];
      EXPECT_NEAR(r[tile], sum, 1e-4) << tile;
    }
  }
  EXPECT_EQ(kernel.sharedBytes, 32u);
}

// Loops that carry several values, exchange them, and pass on what inner loops
// and choices yield.
TEST_F(Kernel, NestedLoopsAndChoices) {
  std::string text =
      start("%x: " + globalBuffer("i32") +
            " {mercer.elements = [128]}, %r: " + globalBuffer("i32") +
            " {mercer.written, mercer.elements = [128]}, %n: index");
  text += R"(
      %v = memref.load %x[%i] : memref<?xi32, #gpu.address_space<global>>
      %one = arith.constant 1 : i32
      %three = arith.constant 3 : i32
      %mask = arith.constant 7 : i32
      %res:3 = scf.for %k = %c0 to %n step %c2 iter_args(%a = %v, %d = %one, %e = %three) -> (i32, i32, i32) {
        %inner:2 = scf.for %l = %c0 to %k step %c1 iter_args(%p = %a, %q = %e) -> (i32, i32) {
          %low = arith.andi %p, %one : i32
          %odd = arith.cmpi ne, %low, %c0_i32 : i32
          %next = scf.if %odd -> i32 {
            %m = arith.muli %p, %three : i32
            %m1 = arith.addi %m, %one : i32
            scf.yield %m1 : i32
          } else {
            %big = arith.cmpi ugt, %p, %mask : i32
            %h = scf.if %big -> i32 {
              %half = arith.shrui %p, %one : i32
              scf.yield %half : i32
            } else {
              %sum = scf.for %z = %c0 to %l step %c1 iter_args(%y = %p) -> i32 {
                %y1 = arith.addi %y, %three : i32
                scf.yield %y1 : i32
              }
              scf.yield %sum : i32
            }
            scf.yield %h : i32
          }
          scf.yield %q, %next : i32, i32
        }
        scf.yield %d, %inner#0, %inner#1 : i32, i32, i32
      }
      %s = arith.xori %res#0, %res#1 : i32
      %u = arith.addi %s, %res#2 : i32
      memref.store %u, %r[%i] : memref<?xi32, #gpu.address_space<global>>
)";
  text.insert(text.find("%zero = "), "%c0_i32 = arith.constant 0 : i32\n    ");
  std::vector<uint32_t> x(128), r(128);
  for (uint32_t &value : x)
    value = random() % 1000;
  const uint32_t n = 13;
  run(text + stop, 2, 2, {host(x), host(r)}, {n});
  for (int i = 0; i < 128; ++i) {
    uint32_t a = x[i], d = 1, e = 3;
    for (uint32_t k = 0; k < n; k += 2) {
      uint32_t p = a, q = e;
      for (uint32_t l = 0; l < k; ++l) {
        uint32_t next;
        if (p & 1)
          next = p * 3 + 1;
        else if (p > 7)
          next = p >> 1;
        else
          next = p + 3 * l;
        p = q;
        q = next;
      }
      a = d;
      d = p;
      e = q;
    }
    EXPECT_EQ(r[i], (a ^ d) + e) << i;
  }
}

// Vector accesses of every size, as words where they are aligned and lane by
// lane where not, from an element that is not the first of the binding.
TEST_F(Kernel, VectorAccesses) {
  struct Case {
    const char *type;
    int bytes, lanes;
  };
  const Case cases[] = {{"f32", 4, 4},  {"f32", 4, 2}, {"f64", 8, 2},
                        {"i64", 8, 2},  {"i32", 4, 4}, {"f16", 2, 8},
                        {"bf16", 2, 4}, {"i16", 2, 2}, {"i8", 1, 16},
                        {"i8", 1, 8},   {"i8", 1, 4},  {"f32", 4, 8}};
  for (const Case &c : cases)
    for (bool aligned : {true, false}) {
      int bytes = c.lanes * c.bytes;
      std::string vector =
          "vector<" + std::to_string(c.lanes) + "x" + c.type + ">";
      std::string size = std::to_string(64 * c.lanes);
      std::string attribute =
          aligned ? " {alignment = " + std::to_string(std::min(bytes, 16)) +
                        " : i64}"
                  : "";
      std::string text =
          start("%x: " + globalBuffer(c.type) + " {mercer.elements = [" + size +
                "]}, %r: " + globalBuffer(c.type) +
                " {mercer.written, mercer.elements = [" + size + "]}");
      text += "%w = arith.constant " + std::to_string(c.lanes) +
              " : index\n%at = arith.muli %i, %w : index\n"
              "%v = vector.load %x[%at]" +
              attribute + " : " + globalBuffer(c.type) + ", " + vector +
              "\n%r1 = vector.shuffle %v, %v [";
      for (int k = 0; k < c.lanes; ++k)
        text += (k ? ", " : "") + std::to_string(c.lanes - 1 - k);
      text += "] : " + vector + ", " + vector + "\nvector.store %r1, %r[%at]" +
              attribute + " : " + globalBuffer(c.type) + ", " + vector + "\n";
      std::vector<uint8_t> x(64 * bytes), r(64 * bytes);
      for (uint8_t &value : x)
        value = random();
      uint32_t first = 16 / c.bytes * 3;
      run(text + stop, 1, 1, {host(x, first), host(r, first)});
      for (int i = 0; i < 64; ++i)
        for (int k = 0; k < c.lanes; ++k)
          EXPECT_EQ(0, std::memcmp(&r[i * bytes + k * c.bytes],
                                   &x[i * bytes + (c.lanes - 1 - k) * c.bytes],
                                   c.bytes))
              << vector << attribute << " at " << i << ", " << k;
    }
}

// Vectors in registers: arithmetic, casts, insert, extract, broadcast.
TEST_F(Kernel, VectorArithmetic) {
  std::string text =
      start("%x: " + globalBuffer("f16") + " {mercer.elements = [512]}, %r: " +
            globalBuffer("f32") + " {mercer.written, mercer.elements = [512]}");
  text += R"(
      %at = arith.muli %i, %c8 : index
      %v = vector.load %x[%at] {alignment = 16 : i64} : memref<?xf16, #gpu.address_space<global>>, vector<8xf16>
      %f = arith.extf %v : vector<8xf16> to vector<8xf32>
      %c = arith.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]> : vector<8xf32>
      %half = arith.constant dense<0.5> : vector<8xf32>
      %p = arith.mulf %f, %c : vector<8xf32>
      %q = math.fma %p, %half, %c : vector<8xf32>
      %e = vector.extract %q[3] : f32 from vector<8xf32>
      %big = arith.cmpf ogt, %f, %half : vector<8xf32>
      %be = vector.broadcast %e : f32 to vector<8xf32>
      %s = arith.select %big, %q, %be : vector<8xi1>, vector<8xf32>
      %r1 = vector.insert %zero, %s [7] : f32 into vector<8xf32>
      vector.store %r1, %r[%at] {alignment = 16 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<8xf32>
)";
  std::vector<_Float16> x(512);
  std::vector<float> r(512);
  for (_Float16 &value : x)
    value = static_cast<_Float16>(number());
  run(text + stop, 1, 1, {host(x), host(r)});
  for (int i = 0; i < 64; ++i) {
    auto q = [&](int k) {
      float f = x[i * 8 + k];
      return f * float(k + 1) * 0.5f + float(k + 1);
    };
    for (int k = 0; k < 8; ++k) {
      float expected = k == 7 ? 0 : float(x[i * 8 + k]) > 0.5f ? q(k) : q(3);
      EXPECT_NEAR(r[i * 8 + k], expected, 1e-5) << i << ", " << k;
    }
  }
}

TEST_F(Kernel, ChunkedBuffer) {
  // Two whole chunks and some more, read through an index buffer.
  const size_t each = MERCER_CHUNK_BYTES / 4, count = 2 * each + 777;
  std::string text =
      start("%x: " + globalBuffer("f32") + " {mercer.elements = [" +
            std::to_string(count) + "]}, %at: " + globalBuffer("i32") +
            " {mercer.elements = [64]}, %r: " + globalBuffer("f32") +
            " {mercer.written, mercer.elements = [64]}");
  text += R"(
      %raw = memref.load %at[%i] : memref<?xi32, #gpu.address_space<global>>
      %k = arith.index_cast %raw : i32 to index
      %v = memref.load %x[%k] : memref<?xf32, #gpu.address_space<global>>
      memref.store %v, %r[%i] : memref<?xf32, #gpu.address_space<global>>
)";
  std::vector<float> x(count), r(64);
  std::vector<uint32_t> at(64);
  for (uint32_t &place : at)
    place = random() % count;
  size_t edges[] = {
      0,        1,         each - 5,     each - 4,     each - 3,
      each - 1, each,      2 * each - 5, 2 * each - 4, 2 * each - 1,
      2 * each, count - 5, count - 1};
  std::copy(std::begin(edges), std::end(edges), at.begin());
  for (uint32_t place : at)
    x[place] = float(place % 100003) + 1;
  run(text + stop, 1, 1, {host(x, 4), host(at), host(r)});
  EXPECT_EQ(kernel.params[0].chunks, 3u);
  for (int i = 0; i < 64; ++i)
    EXPECT_EQ(r[i], float(at[i] % 100003) + 1) << at[i];
}

TEST_F(Kernel, ScalarsOfEveryType) {
  std::string text =
      start("%s1: i1, %s8: i8, %s16: i16, %s32: i32, %s64: i64, %si: index, "
            "%sh: f16, %sb: bf16, %sf: f32, %sd: f64, %r: " +
            globalBuffer("f64") + " {mercer.written, mercer.elements = [10]}");
  text += R"(
      %first = arith.cmpi eq, %i, %c0 : index
      scf.if %first {
)";
  const char *types[] = {"i8", "i16", "i32", "i64"};
  const char *names[] = {"%s8", "%s16", "%s32", "%s64"};
  text += "%d0 = arith.uitofp %s1 : i1 to f64\n";
  for (int k = 0; k < 4; ++k)
    text += "%d" + std::to_string(k + 1) + " = arith.sitofp " + names[k] +
            " : " + types[k] + " to f64\n";
  text += R"(
        %ii = arith.index_cast %si : index to i64
        %d5 = arith.sitofp %ii : i64 to f64
        %d6 = arith.extf %sh : f16 to f64
        %d7 = arith.extf %sb : bf16 to f64
        %d8 = arith.extf %sf : f32 to f64
)";
  for (int k = 0; k < 9; ++k)
    text += "%k" + std::to_string(k) + " = arith.constant " +
            std::to_string(k) + " : index\nmemref.store %d" +
            std::to_string(k) + ", %r[%k" + std::to_string(k) +
            "] : memref<?xf64, #gpu.address_space<global>>\n";
  text += R"(
        %k9 = arith.constant 9 : index
        memref.store %sd, %r[%k9] : memref<?xf64, #gpu.address_space<global>>
      }
)";
  std::vector<double> r(10);
  const int64_t wide = -123456789012345;
  const double real = -1.0 / 3;
  uint64_t realBits;
  std::memcpy(&realBits, &real, 8);
  run(text + stop, 1, 1, {host(r)},
      {1, 0xfffffffb, 0xffff8000, 77, uint32_t(wide), uint32_t(wide >> 32),
       uint32_t(-9), 0x3e00, 0xc040, 0x40490fdb, uint32_t(realBits),
       uint32_t(realBits >> 32)});
  EXPECT_TRUE(kernel.pushed);
  const double expected[] = {
      1, -5, -32768, 77, double(wide), -9, 1.5, -3, 3.1415927410125732, real};
  for (int k = 0; k < 10; ++k)
    EXPECT_EQ(r[k], expected[k]) << k;
}

TEST_F(Kernel, ParameterBufferAbove128Bytes) {
  std::string arguments, sum;
  for (int k = 0; k < 40; ++k) {
    arguments += "%a" + std::to_string(k) + ": f32, ";
    sum += "%s" + std::to_string(k) + " = arith.addf " +
           (k ? "%s" + std::to_string(k - 1) : "%zero") + ", %a" +
           std::to_string(k) + " : f32\n";
  }
  std::string text = start(arguments + "%r: " + globalBuffer("f32") +
                           " {mercer.written, mercer.elements = [64]}");
  text += sum + "memref.store %s39, %r[%i] : " + globalBuffer("f32") + "\n";
  std::vector<float> r(64);
  std::vector<uint32_t> words;
  float expected = 0;
  for (int k = 0; k < 40; ++k) {
    float value = number();
    expected += value;
    words.push_back(0);
    std::memcpy(&words.back(), &value, 4);
  }
  run(text + stop, 1, 1, {host(r)}, words);
  EXPECT_FALSE(kernel.pushed);
  for (float value : r)
    EXPECT_EQ(value, expected);
}

// Cells with constant indices, a vector of them, and an array with an index
// that is only known when it runs.
TEST_F(Kernel, PrivateArrays) {
  std::string text =
      start("%x: " + globalBuffer("f32") + " {mercer.elements = [256]}, %r: " +
            globalBuffer("f32") + " {mercer.written, mercer.elements = [64]}");
  text += R"(
      %a = memref.alloca() : memref<4xf32, #gpu.address_space<private>>
      %d = memref.alloca() : memref<5xf32, #gpu.address_space<private>>
      %i4 = arith.muli %i, %c4 : index
      %v = vector.load %x[%i4] {alignment = 16 : i64} : memref<?xf32, #gpu.address_space<global>>, vector<4xf32>
      vector.store %v, %a[%c0] : memref<4xf32, #gpu.address_space<private>>, vector<4xf32>
      scf.for %k = %c0 to %c8 step %c1 {
        %p = memref.load %a[%c1] : memref<4xf32, #gpu.address_space<private>>
        %q = memref.load %a[%c2] : memref<4xf32, #gpu.address_space<private>>
        %s = arith.addf %p, %q : f32
        memref.store %q, %a[%c1] : memref<4xf32, #gpu.address_space<private>>
        memref.store %s, %a[%c2] : memref<4xf32, #gpu.address_space<private>>
        %m = arith.remui %k, %c4 : index
        memref.store %s, %d[%m] : memref<5xf32, #gpu.address_space<private>>
      }
      %n = arith.remui %i, %c4 : index
      %e = memref.load %d[%n] : memref<5xf32, #gpu.address_space<private>>
      %f = memref.load %a[%c1] : memref<4xf32, #gpu.address_space<private>>
      %o = arith.subf %e, %f : f32
      memref.store %o, %r[%i] : memref<?xf32, #gpu.address_space<global>>
)";
  std::vector<float> x(256), r(64);
  for (float &value : x)
    value = number();
  run(text + stop, 1, 1, {host(x), host(r)});
  for (int i = 0; i < 64; ++i) {
    float p = x[i * 4 + 1], q = x[i * 4 + 2], d[4];
    for (int k = 0; k < 8; ++k) {
      float s = p + q;
      p = q;
      q = s;
      d[k % 4] = s;
    }
    EXPECT_EQ(r[i], d[i % 4] - p) << i;
  }
}

// Invocations of a workgroup exchange values through their part of a scratch
// buffer.
TEST_F(Kernel, ScratchBuffer) {
  std::string text = start(
      "%r: " + globalBuffer("i32") +
      " {mercer.written, mercer.elements = [320]}, %s: " + globalBuffer("i32") +
      " {mercer.scratch = 64 : i64}");
  text += R"(
      %own = arith.muli %b, %c64 : index
      %at = arith.addi %own, %t : index
      %i32 = arith.index_cast %i : index to i32
      memref.store %i32, %s[%at] : memref<?xi32, #gpu.address_space<global>>
      gpu.barrier
      %c63 = arith.constant 63 : index
      %back = arith.subi %c63, %t : index
      %from = arith.addi %own, %back : index
      %v = memref.load %s[%from] : memref<?xi32, #gpu.address_space<global>>
      memref.store %v, %r[%i] : memref<?xi32, #gpu.address_space<global>>
      gpu.barrier
)";
  std::vector<uint32_t> r(320), scratch(2 * 64);
  run(text + stop, 5, 2, {host(r), host(scratch)});
  EXPECT_EQ(kernel.params[1].kind, MERCER_PARAM_SCRATCH);
  EXPECT_EQ(kernel.params[1].elements, 64u);
  for (uint32_t i = 0; i < 320; ++i)
    EXPECT_EQ(r[i], i / 64 * 64 + 63 - i % 64);
}

// Elements of 8 and 16 bits in shared memory.
TEST_F(Kernel, NarrowSharedMemory) {
  for (const char *type : {"i8", "bf16"}) {
    std::string shared =
        std::string("memref<64x") + type + ", #gpu.address_space<workgroup>>";
    std::string text =
        start("%x: " + globalBuffer(type) +
                  " {mercer.elements = [64]}, %r: " + globalBuffer(type) +
                  " {mercer.written, mercer.elements = [64]}",
              64, "%s: " + shared);
    text += "%v = memref.load %x[%t] : " + globalBuffer(type) +
            "\nmemref.store %v, %s[%t] : " + shared +
            "\ngpu.barrier\n%c63 = arith.constant 63 : index\n"
            "%back = arith.subi %c63, %t : index\n"
            "%w = memref.load %s[%back] : " +
            shared + "\nmemref.store %w, %r[%t] : " + globalBuffer(type) +
            "\ngpu.barrier\n";
    size_t bytes = type[0] == 'i' ? 1 : 2;
    std::vector<uint8_t> x(64 * bytes), r(64 * bytes);
    for (uint8_t &value : x)
      value = random();
    run(text + stop, 1, 1, {host(x), host(r)});
    for (int i = 0; i < 64; ++i)
      EXPECT_EQ(0, std::memcmp(&r[i * bytes], &x[(63 - i) * bytes], bytes));
  }
}

// The same code for the earlier versions of Vulkan.
TEST_F(Kernel, EarlierVersions) {
  for (const char *version : {"vulkan1.1", "vulkan1.2"}) {
    chip = version;
    std::string text =
        start("%x: " + globalBuffer("i8") +
              " {mercer.elements = [64]}, %r: " + globalBuffer("f32") +
              " {mercer.written, mercer.elements = [64]}");
    text += R"(
      %v = memref.load %x[%i] : memref<?xi8, #gpu.address_space<global>>
      %f = arith.sitofp %v : i8 to f32
      %e = math.exp %f : f32
      memref.store %e, %r[%i] : memref<?xf32, #gpu.address_space<global>>
)";
    std::vector<int8_t> x(64);
    std::vector<float> r(64);
    std::iota(x.begin(), x.end(), -32);
    run(text + stop, 1, 1, {host(x), host(r)});
    for (int i = 0; i < 64; ++i)
      EXPECT_NEAR(r[i] / std::exp(double(x[i])), 1, 3e-7) << int(x[i]);
  }
}

TEST(SpirvTarget, KnowsItsChips) {
  for (const char *chip : {"vulkan", "vulkan1.1", "vulkan1.2", "vulkan1.3"}) {
    auto target = spirvTargetInfo(chip);
    ASSERT_TRUE(succeeded(target)) << chip;
    EXPECT_EQ(target->kind, "vulkan");
    EXPECT_TRUE(target->isGpu());
    EXPECT_FALSE(target->hasFma);
  }
  EXPECT_TRUE(failed(spirvTargetInfo("vulkan9")));
  EXPECT_TRUE(failed(spirvTargetInfo("")));
}
} // namespace
