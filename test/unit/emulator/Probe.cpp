//===- Probe.cpp - speed of the emulator ----------------------------------===//

#include "test/unit/emulator/MatrixKernels.h"

#include <cstdio>
#include <ctime>

using namespace mercer::test;

/// c = a * b in f32: tiles of 64 x 64 by 64 lanes, 8 x 8 sums in each, 16 steps
/// of k at a time in shared memory (a transposed).
static std::string fmaProductText() {
  auto number = [](int value) { return std::to_string(value); };
  std::string body = R"(
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c4 = arith.constant 4 : index
      %c8 = arith.constant 8 : index
      %c16 = arith.constant 16 : index
      %c64 = arith.constant 64 : index
      %zero = arith.constant 0.0 : f32
      %across = arith.divui %n, %c64 : index
      %ti = arith.divui %t, %across : index
      %tj = arith.remui %t, %across : index
      %i0 = arith.muli %ti, %c64 : index
      %j0 = arith.muli %tj, %c64 : index
      %lr = arith.divui %lane, %c8 : index
      %lc = arith.remui %lane, %c8 : index
      %row0 = arith.muli %lr, %c8 : index
      %column0 = arith.muli %lc, %c8 : index
      %sums = memref.alloca() : memref<64xf32, #private>
)";
  for (int i = 0; i < 64; ++i)
    body += "      %k" + number(i) + " = arith.constant " + number(i) +
            " : index\n      memref.store %zero, %sums[%k" + number(i) +
            "] : memref<64xf32, #private>\n";
  body += R"(
      %myRow = arith.addi %i0, %lane : index
      %myStart = arith.muli %myRow, %k : index
      scf.for %step = %c0 to %k step %c16 {
        scf.for %q = %c0 to %c16 step %c1 {
          %kq = arith.addi %step, %q : index
          %from = arith.addi %myStart, %kq : index
          %v = memref.load %a[%from] : memref<?xf32, #global>
          %srow = arith.muli %q, %c64 : index
          %to = arith.addi %srow, %lane : index
          memref.store %v, %sa[%to] : memref<1024xf32, #shared>
          %brow = arith.muli %kq, %n : index
          %bcol = arith.addi %j0, %lane : index
          %bfrom = arith.addi %brow, %bcol : index
          %w = memref.load %b[%bfrom] : memref<?xf32, #global>
          memref.store %w, %sb[%to] : memref<1024xf32, #shared>
        }
        gpu.barrier
        scf.for %q = %c0 to %c16 step %c1 {
          %srow = arith.muli %q, %c64 : index
          %fa0 = arith.addi %srow, %row0 : index
          %fa1 = arith.addi %fa0, %c4 : index
          %fb0 = arith.addi %srow, %column0 : index
          %fb1 = arith.addi %fb0, %c4 : index
          %va0 = vector.load %sa[%fa0] {alignment = 16 : i64} : memref<1024xf32, #shared>, vector<4xf32>
          %va1 = vector.load %sa[%fa1] {alignment = 16 : i64} : memref<1024xf32, #shared>, vector<4xf32>
          %vb0 = vector.load %sb[%fb0] {alignment = 16 : i64} : memref<1024xf32, #shared>, vector<4xf32>
          %vb1 = vector.load %sb[%fb1] {alignment = 16 : i64} : memref<1024xf32, #shared>, vector<4xf32>
)";
  for (int i = 0; i < 8; ++i)
    for (const char *side : {"a", "b"})
      body += std::string("          %e") + side + number(i) +
              " = vector.extract %v" + side + number(i / 4) + "[" +
              number(i % 4) + "] : f32 from vector<4xf32>\n";
  for (int i = 0; i < 8; ++i)
    for (int j = 0; j < 8; ++j) {
      const std::string at = number(8 * i + j);
      body += "          %o" + at + " = memref.load %sums[%k" + at +
              "] : memref<64xf32, #private>\n          %n" + at +
              " = math.fma %ea" + number(i) + ", %eb" + number(j) + ", %o" +
              at + " : f32\n          memref.store %n" + at + ", %sums[%k" +
              at + "] : memref<64xf32, #private>\n";
    }
  body += R"(
        }
        gpu.barrier
      }
)";
  for (int i = 0; i < 8; ++i)
    for (int j = 0; j < 8; ++j) {
      const std::string at = number(8 * i + j);
      body += "      %r" + at + " = memref.load %sums[%k" + at +
              "] : memref<64xf32, #private>\n      %y" + at +
              " = arith.addi %i0, %row0 : index\n      %yy" + at +
              " = arith.addi %y" + at + ", %k" + number(i) +
              " : index\n      %rs" + at + " = arith.muli %yy" + at +
              ", %n : index\n      %x" + at +
              " = arith.addi %j0, %column0 : index\n      %xx" + at +
              " = arith.addi %x" + at + ", %k" + number(j) +
              " : index\n      %at" + at + " = arith.addi %rs" + at + ", %xx" +
              at + " : index\n      memref.store %r" + at + ", %c[%at" + at +
              "] : memref<?xf32, #global>\n";
    }
  return kernelText(
      R"(
    %a: memref<?xf32, #global> {mercer.elements = [1, 2, 3]}, %m: index, %k: index,
    %b: memref<?xf32, #global> {mercer.elements = [1, 5, 6]}, %kb: index, %n: index,
    %c: memref<?xf32, #global> {mercer.elements = [1, 8, 9], mercer.written}, %mc: index, %nc: index)",
      "%sa : memref<1024xf32, #shared> {llvm.align = 16 : i64}, "
      "%sb : memref<1024xf32, #shared> {llvm.align = 16 : i64}",
      64, body);
}

template <class T>
static bool measure(const char *what, const std::string &text, T one,
                    int64_t tile) {
  std::string error;
  auto kernel = EmulatedKernel::create(text, error);
  if (!kernel) {
    std::fprintf(stderr, "%s", error.c_str());
    return false;
  }
  const int64_t m = 512, n = 512, k = 512;
  std::vector<T> a(m * k, one), b(k * n, one);
  std::vector<float> c(m * n);
  auto words = Words()
                   .buffer(a.data(), {m, k})
                   .buffer(b.data(), {k, n})
                   .buffer(c.data(), {m, n});
  for (int i = 0; i < 3; ++i) {
    const std::clock_t begin = std::clock();
    EmulatedError failed = kernel->run(words, m * n / tile);
    // Time of the processor: other work on the machine counts less.
    const double seconds = double(std::clock() - begin) / CLOCKS_PER_SEC;
    std::printf("%s: %.2f G multiply-adds a second %s\n", what,
                double(m * n * k) / seconds * 1e-9, failed.message.c_str());
    if (failed.code != 0 || c[0] != 512)
      return false;
  }
  return true;
}

int main() {
  bool right =
      measure<uint16_t>("f16, matrix units", productText(), 0x3c00, 32 * 16);
  right &= measure<float>("f32", fmaProductText(), 1, 64 * 64);
  return right ? 0 : 1;
}
