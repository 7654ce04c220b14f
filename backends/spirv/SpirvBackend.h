//===- SpirvBackend.h - from distributed kernels to SPIR-V ------*- C++ -*-===//
//
// The door of the Vulkan backend: what a chip name means, the passes before
// code generation, and the step from one kernel function to SPIR-V words.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_BACKENDS_SPIRV_SPIRVBACKEND_H
#define MERCER_BACKENDS_SPIRV_SPIRVBACKEND_H

#include "dialects/mercer/IR/TargetInfo.h"
#include "runtime/include/mercer/abi.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Pass/PassManager.h"

#include <string>
#include <vector>

namespace mercer {

/// The target of a `--chip` name: `vulkan1.1`, `vulkan1.2`, `vulkan1.3` or
/// `vulkan`, which is the last. A chip is the least that a device has to
/// offer; what a kernel needs beside it is in SpirvKernel::capabilities. Fails
/// on any other name.
mlir::FailureOr<TargetInfo> spirvTargetInfo(llvm::StringRef chip);

/// One phase of a kernel in SPIR-V.
struct SpirvKernel {
  std::string entry;
  std::vector<uint32_t> words;
  std::vector<MercerDeviceParam> params;
  /// Invocations of a workgroup.
  uint32_t threads = 1;
  uint32_t sharedBytes = 0;
  /// 32-bit words of the parameter block, and whether it is push constants or
  /// the storage buffer in the last binding.
  uint32_t blockWords = 0;
  bool pushed = true;
  /// What a device must have, in SPIR-V's own words: "Int64", "Float64", ...
  std::vector<std::string> capabilities;
};

/// Adds the passes that run on modules of distributed kernels (gpu.module with
/// `mercer.target`) before emitSpirv.
void buildSpirvKernelPipeline(mlir::OpPassManager &pm);

/// A distributed kernel, after the pipeline, in SPIR-V for `target`. Errors are
/// diagnostics on the operation that has no form. Leaves `kernel` as it is.
mlir::FailureOr<SpirvKernel> emitSpirv(mlir::gpu::GPUFuncOp kernel,
                                       const TargetInfo &target);

void registerMercerSpirvPasses();

} // namespace mercer

#endif
