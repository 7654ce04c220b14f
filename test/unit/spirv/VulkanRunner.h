//===- VulkanRunner.h - runs one kernel on a Vulkan device ------*- C++ -*-===//
//
// The smallest host for a SpirvKernel: no cache, no arena, one submission and a
// wait. It binds buffers and fills the parameter block as
// runtime/include/mercer/abi.h says.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_TEST_UNIT_SPIRV_VULKANRUNNER_H
#define MERCER_TEST_UNIT_SPIRV_VULKANRUNNER_H

#include "backends/spirv/SpirvBackend.h"

#include <memory>

namespace mercer::test {

/// Host memory that a kernel sees as a buffer.
struct HostBuffer {
  void *data = nullptr;
  size_t bytes = 0;
  /// Elements before the first one in the binding.
  uint32_t first = 0;
};

class VulkanRunner {
public:
  /// A software device where there is one, else the first; null without any.
  static VulkanRunner *get();
  virtual ~VulkanRunner() = default;
  /// Empty on success. `words` are dynamic sizes and scalars, as in the block.
  virtual std::string run(const SpirvKernel &kernel, uint32_t tiles,
                          uint32_t groups, llvm::ArrayRef<HostBuffer> buffers,
                          llvm::ArrayRef<uint32_t> words) = 0;
  virtual std::string name() const = 0;
  virtual bool isSoftware() const = 0;
};

} // namespace mercer::test

#endif
