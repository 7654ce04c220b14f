//===- DeviceCode.h - distributed kernels as code of a device ---*- C++ -*-===//
//
// The target stage of GPUs: one door to their backends. What comes out is what
// an artifact carries for its kernels; the host program does not depend on it.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_COMPILER_PIPELINES_DEVICECODE_H
#define MERCER_COMPILER_PIPELINES_DEVICECODE_H

#include "dialects/mercer/IR/TargetInfo.h"
#include "runtime/include/mercer/abi.h"

#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace mercer {

enum class DeviceOutput { Binary, Ptx, Cubin, Spirv };

/// One phase of a kernel.
struct DeviceKernel {
  std::string entry;
  /// Index into DeviceCode::modules.
  size_t module = 0;
  uint32_t threads = 1, subgroup = 1;
  uint32_t sharedBytes = 0, dynamicSharedBytes = 0;
  std::vector<MercerDeviceParam> params;
};

struct DeviceCode {
  struct Module {
    std::string name, bytes;
    uint32_t format = 0; // MERCER_CODE_*
  };
  std::vector<Module> modules;
  std::vector<DeviceKernel> kernels;
  /// What a device must have, as the manifest's `device_features` spells it.
  std::vector<std::string> features;

  /// Null for a name that is no kernel's.
  const DeviceKernel *find(llvm::StringRef entry) const;
};

/// The target of `--target` and `--chip`: "cuda" with sm_80, ..., or "vulkan".
/// Fails on names that no backend knows; `known` lists those that it does.
mlir::FailureOr<TargetInfo> deviceTargetInfo(llvm::StringRef kind,
                                             llvm::StringRef chip,
                                             std::string &known);

/// Code for all distributed kernels of `module`, which is left as it is.
/// `Binary` is the form that an artifact holds: SPIR-V, a cubin where a `ptxas`
/// is found, PTX elsewhere. `Ptx` and `Cubin` are one module, the content of a
/// file.
mlir::FailureOr<DeviceCode> emitDeviceCode(mlir::ModuleOp module,
                                           const TargetInfo &target,
                                           unsigned optLevel,
                                           DeviceOutput output);

} // namespace mercer

#endif
