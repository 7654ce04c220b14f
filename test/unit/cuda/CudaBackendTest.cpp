//===- CudaBackendTest.cpp - targets, and what a launch has to know -------===//

#include "backends/cuda/CudaBackend.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

using namespace mlir;
using namespace mercer;

namespace {

TEST(CudaTarget, ChipsAreGpus) {
  std::set<std::string> features;
  for (const char *chip :
       {"sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"}) {
    FailureOr<TargetInfo> info = cudaTargetInfo(chip);
    ASSERT_TRUE(succeeded(info)) << chip;
    EXPECT_EQ(info->kind, "cuda");
    EXPECT_EQ(info->cpu, chip);
    EXPECT_TRUE(info->isGpu() && info->hasFma && info->hasMatrixUnits);
    EXPECT_EQ(info->subgroup, 32);
    // All threads of a block may have all registers that one can name.
    EXPECT_LE(info->threads * (info->threadRegisters + 1), 65536);
    features.insert(info->features);
  }
  EXPECT_EQ(features.size(), 6u) << "each chip has its least PTX version";
  EXPECT_EQ(cudaTargetInfo("sm_90a")->sharedBytes, 227 * 1024);
  EXPECT_EQ(cudaTargetInfo("sm_86")->sharedBytes, 99 * 1024);
  for (const char *chip : {"sm_70", "sm_90", "native", ""})
    EXPECT_TRUE(failed(cudaTargetInfo(chip))) << chip;
}

constexpr const char *twoKernels = R"(
#global = #gpu.address_space<global>
#workgroup = #gpu.address_space<workgroup>
gpu.module @a {
gpu.func @a$0(%tiles: index,
    %x: memref<?xf16, #global> {mercer.elements = [6, 2, 3]}, %m: index, %n: index,
    %flag: i1, %scale: f64,
    %y: memref<?xi8, #global> {mercer.elements = [40], mercer.written},
    %s: memref<?xf32, #global> {mercer.scratch = 96 : i64}) kernel
    attributes {known_block_size = array<i32: 64, 1, 1>, mercer.subgroup = 32 : i64} {
  gpu.return
}
gpu.func @a$1(%tiles: index)
    workgroup(%s: memref<20xf16, #workgroup>, %t: memref<8xf32, #workgroup>) kernel
    attributes {known_block_size = array<i32: 32, 1, 1>} {
  gpu.return
}
}
gpu.module @b {
gpu.func @b.0(%tiles: index) workgroup(%t: memref<16384xf32, #workgroup>) kernel
    attributes {known_block_size = array<i32: 256, 1, 1>} {
  gpu.return
}
}
)";

class CudaEmission : public ::testing::Test {
protected:
  CudaEmission() {
    DialectRegistry registry;
    registerAllDialects(registry);
    registerAllExtensions(registry);
    registerCudaTranslations(registry);
    context.appendDialectRegistry(registry);
    context.allowUnregisteredDialects();
  }

  FailureOr<CudaCode> emit(const CudaEmitOptions &options = {}) {
    OwningOpRef<ModuleOp> module =
        parseSourceString<ModuleOp>(twoKernels, &context);
    if (!module)
      return failure();
    TargetInfo target = *cudaTargetInfo("sm_80");
    (*module)->setAttr(TargetInfo::attrName(), target.toAttr(&context));
    PassManager pm(&context);
    buildCudaKernelPipeline(pm);
    if (failed(pm.run(*module)))
      return failure();
    return emitCuda(*module, target, options);
  }

  MLIRContext context;
};

void expectParam(const MercerDeviceParam &param, int kind, int bytes,
                 int written, int dims, uint64_t elements) {
  EXPECT_EQ(param.kind, kind);
  EXPECT_EQ(param.bytes, bytes);
  EXPECT_EQ(param.written, written);
  EXPECT_EQ(param.dims, dims);
  EXPECT_EQ(param.elements, elements);
  EXPECT_EQ(param.chunks, 1u);
}

TEST_F(CudaEmission, LaunchesAreDescribed) {
  FailureOr<CudaCode> code = emit();
  ASSERT_TRUE(succeeded(code));
  ASSERT_EQ(code->modules.size(), 2u);
  ASSERT_EQ(code->kernels.size(), 3u);
  const CudaKernel &first = code->kernels[0];
  EXPECT_EQ(first.entry, "a$0");
  EXPECT_EQ(first.module, 0u);
  EXPECT_EQ(first.threads, 64u);
  EXPECT_EQ(first.sharedBytes, 0u);
  ASSERT_EQ(first.params.size(), 5u);
  expectParam(first.params[0], MERCER_PARAM_BUFFER, 2, 0, 2, 6);
  expectParam(first.params[1], MERCER_PARAM_SCALAR, 1, 0, 0, 0);
  expectParam(first.params[2], MERCER_PARAM_SCALAR, 8, 0, 0, 0);
  expectParam(first.params[3], MERCER_PARAM_BUFFER, 1, 1, 0, 40);
  expectParam(first.params[4], MERCER_PARAM_SCRATCH, 4, 1, 0, 96);
  // 40 bytes, then 32 from the next multiple of 16.
  EXPECT_EQ(code->kernels[1].sharedBytes, 80u);
  EXPECT_EQ(code->kernels[1].dynamicSharedBytes, 0u);
  EXPECT_EQ(code->kernels[2].module, 1u);
  EXPECT_EQ(code->kernels[2].sharedBytes, 0u);
  EXPECT_EQ(code->kernels[2].dynamicSharedBytes, 65536u);
  for (const CudaKernel &kernel : code->kernels) {
    const CudaCode::Module &module = code->modules[kernel.module];
    EXPECT_EQ(module.format, static_cast<uint32_t>(MERCER_CODE_PTX));
    // A name that PTX does not allow has become another.
    EXPECT_NE(module.bytes.find(".entry " + kernel.entry + "("),
              std::string::npos)
        << kernel.entry;
  }
}

TEST_F(CudaEmission, SameInputSameBytes) {
  FailureOr<CudaCode> first = emit(), second = emit();
  ASSERT_TRUE(succeeded(first) && succeeded(second));
  for (size_t i = 0; i < first->modules.size(); ++i)
    EXPECT_EQ(first->modules[i].bytes, second->modules[i].bytes);
}

TEST(Ptxas, TheVariableDecides) {
  const char *before = std::getenv("MERCER_PTXAS");
  std::string kept = before ? before : "";
  setenv("MERCER_PTXAS", "/bin/true", 1);
  EXPECT_EQ(findPtxas(), "/bin/true");
  setenv("MERCER_PTXAS", "/nowhere/ptxas", 1);
  EXPECT_EQ(findPtxas(), "");
  if (before)
    setenv("MERCER_PTXAS", kept.c_str(), 1);
  else
    unsetenv("MERCER_PTXAS");
}

} // namespace
