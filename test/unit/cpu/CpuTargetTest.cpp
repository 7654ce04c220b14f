//===- CpuTargetTest.cpp - what a CPU name means --------------------------===//

#include "backends/cpu/CpuBackend.h"

#include <gtest/gtest.h>

using namespace mercer;

namespace {

TargetInfo target(llvm::StringRef name) {
  mlir::FailureOr<TargetInfo> info = cpuTargetInfo(name);
  EXPECT_TRUE(mlir::succeeded(info)) << name.str();
  return info.value_or(TargetInfo());
}

bool has(const TargetInfo &info, llvm::StringRef feature) {
  llvm::SmallVector<llvm::StringRef> names;
  llvm::StringRef(info.features).split(names, ',');
  return llvm::is_contained(names, ("+" + feature).str());
}

TEST(CpuTarget, LevelsHaveTheirVectors) {
  EXPECT_EQ(target("x86-64-v2").vectorBits, 128);
  EXPECT_FALSE(target("x86-64-v2").hasFma);
  EXPECT_EQ(target("x86-64-v3").vectorBits, 256);
  EXPECT_TRUE(target("x86-64-v3").hasFma);
  for (const char *name : {"x86-64-v4", "sapphirerapids"}) {
    TargetInfo info = target(name);
    EXPECT_EQ(info.vectorBits, 512) << name;
    EXPECT_EQ(info.vectorRegisters, 32) << name;
    EXPECT_TRUE(info.hasMaskedAccess) << name;
  }
}

/// LLVM lists a level without what its features imply.
TEST(CpuTarget, ImpliedFeaturesAreNamed) {
  EXPECT_TRUE(has(target("x86-64-v4"), "avx512f"));
  EXPECT_TRUE(has(target("x86-64-v3"), "avx"));
  EXPECT_TRUE(has(target("x86-64-v2"), "sse3"));
  EXPECT_FALSE(has(target("x86-64-v3"), "avx512f"));
}

/// What virtual machines hide must not keep an artifact from loading.
TEST(CpuTarget, SystemFeaturesAreNot) {
  for (const char *feature : {"sgx", "pku", "uintr", "xsaves", "amx-tile"}) {
    EXPECT_FALSE(has(target("sapphirerapids"), feature)) << feature;
    EXPECT_FALSE(has(target("native"), feature)) << feature;
  }
}

TEST(CpuTarget, UnknownNames) {
  EXPECT_TRUE(mlir::failed(cpuTargetInfo("x86-64-v9")));
}

} // namespace
