//===- TestKernel.h - kernels written as text for tests ---------*- C++ -*-===//
#ifndef MERCER_TEST_UNIT_SPIRV_TESTKERNEL_H
#define MERCER_TEST_UNIT_SPIRV_TESTKERNEL_H

#include "VulkanRunner.h"

#include <string>

namespace mercer::test {

/// A gpu.func in distributed IR to SPIR-V, through the pipeline. Diagnostics
/// are left in `errors`; no entry on failure.
SpirvKernel compileKernel(const std::string &function, std::string &errors,
                          const std::string &chip = "vulkan1.3");

/// The seed of this process: new each time, or MERCER_TEST_SEED; printed, so
/// that a failure can be run again.
uint64_t testSeed();

/// `memref<?xTYPE>` in global memory.
std::string globalBuffer(const std::string &type);

} // namespace mercer::test

#endif
