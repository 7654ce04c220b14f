//===- ErrorTest.cpp - each kind of wrong kernel is found -----------------===//

#include "test/unit/emulator/EmulatedKernel.h"

#include <gtest/gtest.h>

using namespace mercer::test;

namespace {

/// A kernel of 64 lanes on x[0, 256) and y[0, 256), one tile.
struct WrongKernel {
  const char *name;
  int32_t code;
  const char *said; ///< part of the message
  const char *body;
};

void PrintTo(const WrongKernel &kernel, std::ostream *os) {
  *os << kernel.name;
}

const char *const constants = R"(
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c2 = arith.constant 2 : index
      %c4 = arith.constant 4 : index
      %c32 = arith.constant 32 : index
      %c40 = arith.constant 40 : index
      %c63 = arith.constant 63 : index
      %c64 = arith.constant 64 : index
      %zero = arith.constant 0.0 : f32
      %one = arith.constant 1 : i32
      %width = arith.constant 32 : i32
      %low = arith.cmpi ult, %lane, %c40 : index
      %at4 = arith.muli %lane, %c4 : index
      %neighbour = arith.xori %lane, %c1 : index
      %v = memref.load %x[%lane] : memref<?xf32, #global>
)";

const WrongKernel wrongKernels[] = {
    {"GlobalReadOutOfBounds", 4601,
     "lane 63: memref.load at kernel.mlir:33:12: 1 elements from 315 on lie "
     "outside of argument 1 of 256 elements",
     R"(
      %n = arith.constant 252 : index
      %i = arith.addi %lane, %n : index
      %inside = arith.cmpi eq, %lane, %c63 : index
      scf.if %inside {
      %q = memref.load %x[%i] : memref<?xf32, #global>
      memref.store %q, %y[%lane] : memref<?xf32, #global>
      })"},
    {"GlobalReadBelow", 4601, "1 elements from -1 on lie outside of argument 1",
     R"(
      %i = arith.subi %lane, %c1 : index
      %q = memref.load %x[%i] : memref<?xf32, #global>
      memref.store %q, %y[%lane] : memref<?xf32, #global>)"},
    {"VectorReadsBehindTheEnd", 4601,
     "lane 1: vector.load at kernel.mlir:31:12: 4 elements from 253 on",
     R"(
      %n = arith.constant 252 : index
      %i = arith.addi %lane, %n : index
      %q = vector.load %x[%i] : memref<?xf32, #global>, vector<4xf32>
      %e = vector.extract %q[0] : f32 from vector<4xf32>
      memref.store %e, %y[%lane] : memref<?xf32, #global>)"},
    {"GlobalWriteOutOfBounds", 4601, "outside of argument 2 of 256 elements",
     R"(
      %n = arith.constant 200 : index
      %i = arith.addi %lane, %n : index
      memref.store %v, %y[%i] : memref<?xf32, #global>)"},
    {"SharedOutOfBounds", 4601,
     "lane 32: memref.store at kernel.mlir:30:7: 1 elements from 64 on lie "
     "outside of shared memory 0 of 64 elements",
     R"(
      %i = arith.muli %lane, %c2 : index
      memref.store %v, %s[%i] : memref<64xf32, #shared>)"},
    {"PrivateOutOfBounds", 4601, "outside of a private array", R"(
      %a = memref.alloca() : memref<2xf32, #private>
      memref.store %v, %a[%c2] : memref<2xf32, #private>)"},
    {"CopyOutOfBounds", 4601, "nvgpu.device_async_copy", R"(
      %i = arith.muli %at4, %c2 : index
      %copy = nvgpu.device_async_copy %x[%i], %w[%at4], 4 : memref<?xf32, #global> to memref<256xf32, #shared>)"},
    {"MisalignedGlobalVector", 4602,
     "lane 1: vector.load at kernel.mlir:29:13: element 1 of argument 1 is not "
     "aligned to 16 bytes",
     R"(
      %w2 = vector.load %x[%lane] {alignment = 16 : i64} : memref<?xf32, #global>, vector<4xf32>
      vector.store %w2, %y[%at4] {alignment = 16 : i64} : memref<?xf32, #global>, vector<4xf32>)"},
    {"MisalignedSharedVector", 4602, "element 2 of shared memory 1", R"(
      %i = arith.muli %lane, %c2 : index
      %e = vector.broadcast %v : f32 to vector<4xf32>
      vector.store %e, %w[%i] {alignment = 16 : i64} : memref<256xf32, #shared>, vector<4xf32>)"},
    {"MisalignedCopy", 4602, "nvgpu.device_async_copy", R"(
      %copy = nvgpu.device_async_copy %x[%lane], %w[%at4], 4 : memref<?xf32, #global> to memref<256xf32, #shared>)"},
    {"MissingBarrier", 4606,
     "shared memory 0, which this block has not written",
     R"(
      memref.store %v, %s[%lane] : memref<64xf32, #shared>
      %o = memref.load %s[%neighbour] : memref<64xf32, #shared>
      memref.store %o, %y[%lane] : memref<?xf32, #global>)"},
    {"ReadAfterWriteWithoutBarrier", 4603,
     "lane 1: memref.load at kernel.mlir:30:12: reads element 0 of shared "
     "memory 0, which lane 0 writes without a barrier between",
     R"(
      memref.store %v, %s[%lane] : memref<64xf32, #shared>
      %o = memref.load %s[%c0] : memref<64xf32, #shared>
      memref.store %o, %y[%lane] : memref<?xf32, #global>)"},
    {"WriteAfterReadWithoutBarrier", 4603,
     "memref.store at kernel.mlir:36:9: writes element 0 of shared memory 0, "
     "which lane 63 reads without a barrier between",
     R"(
      memref.store %v, %s[%lane] : memref<64xf32, #shared>
      gpu.barrier
      %last = arith.cmpi eq, %lane, %c63 : index
      scf.if %last {
        %o = memref.load %s[%c0] : memref<64xf32, #shared>
        memref.store %o, %y[%lane] : memref<?xf32, #global>
      } else {
        memref.store %zero, %s[%lane] : memref<64xf32, #shared>
      })"},
    {"WriteAfterReadsOfSeveralLanes", 4603,
     "which several lanes read without a barrier between", R"(
      memref.store %v, %s[%lane] : memref<64xf32, #shared>
      gpu.barrier
      scf.if %low {
        memref.store %zero, %s[%lane] : memref<64xf32, #shared>
      } else {
        %o = memref.load %s[%c0] : memref<64xf32, #shared>
        memref.store %o, %y[%lane] : memref<?xf32, #global>
      })"},
    {"WriteWriteRace", 4603,
     "lane 1: memref.store at kernel.mlir:29:7: writes element 0 of shared "
     "memory 0, which lane 0 writes without a barrier between",
     R"(
      memref.store %v, %s[%c0] : memref<64xf32, #shared>)"},
    {"GlobalWriteWriteRace", 4603, "of argument 2, which lane 0 writes", R"(
      %i = arith.divui %lane, %c2 : index
      memref.store %v, %y[%i] : memref<?xf32, #global>)"},
    {"GlobalReadWriteRace", 4603, "of argument 2, which lane 0 writes", R"(
      memref.store %v, %y[%lane] : memref<?xf32, #global>
      %o = memref.load %y[%c0] : memref<?xf32, #global>
      memref.store %o, %y[%lane] : memref<?xf32, #global>)"},
    {"ScratchRace", 4603, "scratch buffer 3", R"(
      %own = arith.muli %block, %c64 : index
      memref.store %v, %scratch[%own] : memref<?xf32, #global>)"},
    {"ScratchOfAnotherWorkgroup", 4601, "scratch buffer 3", R"(
      %own = arith.muli %block, %c64 : index
      %next = arith.addi %own, %c64 : index
      memref.store %v, %scratch[%next] : memref<?xf32, #global>)"},
    {"UninitialisedScratch", 4606, "scratch buffer 3", R"(
      %own = arith.muli %block, %c64 : index
      %o = memref.load %scratch[%own] : memref<?xf32, #global>
      memref.store %o, %y[%lane] : memref<?xf32, #global>)"},
    {"UninitialisedShared", 4606,
     "of shared memory 0, which this block has not written",
     R"(
      scf.if %low {
        memref.store %v, %s[%lane] : memref<64xf32, #shared>
      }
      gpu.barrier
      %o = memref.load %s[%lane] : memref<64xf32, #shared>
      memref.store %o, %y[%lane] : memref<?xf32, #global>)"},
    {"DivergentBarrier", 4604, "gpu.barrier at kernel.mlir:30:9", R"(
      scf.if %low {
        gpu.barrier
      })"},
    {"TwoBarriers", 4604, "wait at another barrier, at kernel.mlir:30:9", R"(
      scf.if %low {
        gpu.barrier
      } else {
        gpu.barrier
      })"},
    {"DivergentShuffle", 4604,
     "gpu.shuffle at kernel.mlir:30:19: 8 of the 32 lanes of subgroup 1 came "
     "here, the others wait at the barrier at kernel.mlir:33:7",
     R"(
      scf.if %low {
        %r, %ok = gpu.shuffle xor %v, %one, %width : f32
        memref.store %r, %y[%lane] : memref<?xf32, #global>
      }
      gpu.barrier)"},
    {"ShuffleOrBarrier", 4604,
     "32 lanes have ended without coming to this barrier", R"(
      scf.if %low {
        %r, %ok = gpu.shuffle xor %v, %one, %width : f32
        memref.store %r, %y[%lane] : memref<?xf32, #global>
      } else {
        gpu.barrier
      })"},
    {"ReadOwnCopyBeforeTheWait", 4605,
     "before lane 0 has waited for its asynchronous copy to it", R"(
      %copy = nvgpu.device_async_copy %x[%at4], %w[%at4], 4 : memref<?xf32, #global> to memref<256xf32, #shared>
      %group = nvgpu.device_async_create_group %copy
      %o = memref.load %w[%at4] : memref<256xf32, #shared>
      memref.store %o, %y[%lane] : memref<?xf32, #global>)"},
    {"WaitsForTheWrongGroup", 4605, "asynchronous copy", R"(
      %copy = nvgpu.device_async_copy %x[%at4], %w[%at4], 4 : memref<?xf32, #global> to memref<256xf32, #shared>
      %group = nvgpu.device_async_create_group %copy
      nvgpu.device_async_wait %group {numGroups = 1 : i32}
      %o = memref.load %w[%at4] : memref<256xf32, #shared>
      memref.store %o, %y[%lane] : memref<?xf32, #global>)"},
    {"WaitsForAGroupThatIsStillOpen", 4605, "asynchronous copy", R"(
      %copy = nvgpu.device_async_copy %x[%at4], %w[%at4], 4 : memref<?xf32, #global> to memref<256xf32, #shared>
      nvgpu.device_async_wait %copy
      %o = memref.load %w[%at4] : memref<256xf32, #shared>
      memref.store %o, %y[%lane] : memref<?xf32, #global>)"},
    {"OverwritesACopyUnderWay", 4605, "memref.store", R"(
      %copy = nvgpu.device_async_copy %x[%at4], %w[%at4], 4 : memref<?xf32, #global> to memref<256xf32, #shared>
      memref.store %v, %w[%at4] : memref<256xf32, #shared>)"},
    {"ReadsAnothersCopyWithoutBarrier", 4603,
     "reads element 0 of shared memory 1, which lane 0 writes", R"(
      %copy = nvgpu.device_async_copy %x[%at4], %w[%at4], 4 : memref<?xf32, #global> to memref<256xf32, #shared>
      %group = nvgpu.device_async_create_group %copy
      nvgpu.device_async_wait %group
      %o = memref.load %w[%c0] : memref<256xf32, #shared>
      memref.store %o, %y[%lane] : memref<?xf32, #global>)"},
};

std::string wrongText(const char *body) {
  return kernelText(
      "%x: memref<?xf32, #global> {mercer.elements = [256]}, "
      "%y: memref<?xf32, #global> {mercer.elements = [256], mercer.written}, "
      "%scratch: memref<?xf32, #global> {mercer.scratch = 64 : i64}",
      "%s : memref<64xf32, #shared>, "
      "%w : memref<256xf32, #shared> {llvm.align = 16 : i64}",
      64, std::string(constants) + body);
}

class Wrong : public testing::TestWithParam<WrongKernel> {};

TEST_P(Wrong, IsReported) {
  const WrongKernel &wrong = GetParam();
  const std::string text = wrongText(wrong.body);
  auto kernel = compileKernel(text);
  ASSERT_TRUE(kernel);
  std::vector<float> x(256 + 256, 1), y(256);
  EmulatedError error =
      kernel->run(Words().buffer(x.data() + 128).buffer(y.data()), 1);
  EXPECT_EQ(error.code, wrong.code) << error.message << text;
  EXPECT_NE(error.message.find(wrong.said), std::string::npos)
      << error.message << text;
  EXPECT_EQ(error.message.rfind("block 0, lane ", 0), 0u) << error.message;
}
INSTANTIATE_TEST_SUITE_P(Emulator, Wrong, testing::ValuesIn(wrongKernels),
                         [](const auto &info) { return info.param.name; });

TEST(Launches, GoOnAfterAnError) {
  // Lanes that an error has left in the middle do not disturb the next launch.
  auto kernel = compileKernel(kernelText(
      "%n: index, %y: memref<?xf32, #global> {mercer.elements = [1, 1], "
      "mercer.written}",
      "%s : memref<32xf32, #shared>", 32, R"(
      %v = arith.constant 1.0 : f32
      memref.store %v, %s[%lane] : memref<32xf32, #shared>
      gpu.barrier
      %q = memref.load %s[%lane] : memref<32xf32, #shared>
      memref.store %q, %y[%lane] : memref<?xf32, #global>)"));
  ASSERT_TRUE(kernel);
  for (int64_t n : {32, 20, 32, 0, 32}) {
    std::vector<float> y(32, 0);
    EmulatedError error = kernel->run(Words().scalar(n).buffer(y.data()), 1);
    EXPECT_EQ(error.code, n == 32 ? 0 : 4601) << error.message;
    EXPECT_EQ(y[31], n == 32 ? 1 : 0);
  }
}

TEST(Launches, TilesThatShareABlockNeedABarrierBetween) {
  // The second tile of a block writes what slow lanes still read.
  const char *const body = R"(
      %c32 = arith.constant 32 : index
      %c1 = arith.constant 1 : index
      %v = arith.constant 1.0 : f32
      memref.store %v, %s[%lane] : memref<32xf32, #shared>
      gpu.barrier
      %other = arith.xori %lane, %c1 : index
      %q = memref.load %s[%other] : memref<32xf32, #shared>
      %start = arith.muli %t, %c32 : index
      %at = arith.addi %start, %lane : index
      memref.store %q, %y[%at] : memref<?xf32, #global>
)";
  const std::string arguments =
      "%y: memref<?xf32, #global> {mercer.elements = [64], mercer.written}";
  std::vector<float> y(64);
  auto wrong = compileKernel(
      kernelText(arguments, "%s : memref<32xf32, #shared>", 32, body));
  auto right =
      compileKernel(kernelText(arguments, "%s : memref<32xf32, #shared>", 32,
                               std::string(body) + "gpu.barrier"));
  ASSERT_TRUE(wrong && right);
  EXPECT_EQ(wrong->run(Words().buffer(y.data()), 2).code, 4603);
  EXPECT_EQ(right->run(Words().buffer(y.data()), 2).code, 0);
}

TEST(Launches, BlocksThatWriteOneElementRace) {
  auto kernel = compileKernel(kernelText(
      "%y: memref<?xf32, #global> {mercer.elements = [32], mercer.written}", "",
      32, R"(
      %v = arith.constant 1.0 : f32
      memref.store %v, %y[%lane] : memref<?xf32, #global>
      gpu.barrier)"));
  ASSERT_TRUE(kernel);
  std::vector<float> y(32);
  EmulatedError error = kernel->run(Words().buffer(y.data()), 4);
  EXPECT_EQ(error.code, 4603);
  EXPECT_NE(error.message.find("which another block writes"), std::string::npos)
      << error.message;
}

} // namespace
