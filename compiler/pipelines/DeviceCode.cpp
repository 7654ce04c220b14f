//===- DeviceCode.cpp - distributed kernels as code of a device -----------===//

#include "compiler/pipelines/DeviceCode.h"

#include "backends/cuda/CudaBackend.h"
#include "backends/spirv/SpirvBackend.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/SPIRV/IR/SPIRVDialect.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

#include <set>

using namespace mlir;
using namespace mercer;

const DeviceKernel *DeviceCode::find(StringRef entry) const {
  for (const DeviceKernel &kernel : kernels)
    if (kernel.entry == entry)
      return &kernel;
  return nullptr;
}

FailureOr<TargetInfo> mercer::deviceTargetInfo(StringRef kind, StringRef chip,
                                               std::string &known) {
  if (kind == "cuda") {
    known = "sm_80, sm_86, sm_89, sm_90a, sm_100a, sm_120a";
    return cudaTargetInfo(chip.empty() ? "sm_80" : chip);
  }
  known = "vulkan1.1, vulkan1.2, vulkan1.3";
  return spirvTargetInfo(chip.empty() ? "vulkan" : chip);
}

/// The member of Vulkan's feature structures behind a capability; empty for
/// what every device of the target has.
static StringRef vulkanFeature(StringRef capability) {
  return llvm::StringSwitch<StringRef>(capability)
      .Case("Int8", "shaderInt8")
      .Case("Int16", "shaderInt16")
      .Case("Int64", "shaderInt64")
      .Case("Float16", "shaderFloat16")
      .Case("Float64", "shaderFloat64")
      .Case("StorageBuffer16BitAccess", "storageBuffer16BitAccess")
      .Case("StorageBuffer8BitAccess", "storageBuffer8BitAccess")
      .Default("");
}

static FailureOr<DeviceCode> emitVulkan(ModuleOp module,
                                        const TargetInfo &target) {
  module.getContext()->loadDialect<spirv::SPIRVDialect>();
  DeviceCode code;
  std::set<std::string> features;
  for (auto unit : module.getOps<gpu::GPUModuleOp>())
    for (auto function : unit.getOps<gpu::GPUFuncOp>()) {
      FailureOr<SpirvKernel> made = emitSpirv(function, target);
      if (failed(made))
        return failure();
      DeviceKernel kernel;
      kernel.entry = made->entry;
      kernel.module = code.modules.size();
      kernel.threads = made->threads;
      kernel.subgroup = target.subgroup;
      kernel.sharedBytes = made->sharedBytes;
      kernel.params = std::move(made->params);
      code.modules.push_back(
          {made->entry,
           std::string(reinterpret_cast<const char *>(made->words.data()),
                       made->words.size() * sizeof(uint32_t)),
           MERCER_CODE_SPIRV});
      for (const std::string &capability : made->capabilities)
        if (StringRef feature = vulkanFeature(capability); !feature.empty())
          features.insert(feature.str());
      code.kernels.push_back(std::move(kernel));
    }
  code.features.assign(features.begin(), features.end());
  return code;
}

static FailureOr<DeviceCode> toDeviceCode(CudaCode made) {
  DeviceCode code;
  for (CudaCode::Module &unit : made.modules)
    code.modules.push_back({unit.name, std::move(unit.bytes), unit.format});
  for (CudaKernel &function : made.kernels) {
    DeviceKernel kernel;
    kernel.entry = function.entry;
    kernel.module = function.module;
    kernel.threads = function.threads;
    kernel.subgroup = function.subgroup;
    kernel.sharedBytes = function.sharedBytes;
    kernel.dynamicSharedBytes = function.dynamicSharedBytes;
    kernel.params = std::move(function.params);
    code.kernels.push_back(std::move(kernel));
  }
  return code;
}

FailureOr<DeviceCode> mercer::emitDeviceCode(ModuleOp module,
                                             const TargetInfo &target,
                                             unsigned optLevel,
                                             DeviceOutput output) {
  // Kernels alone: the host program is not a backend's matter.
  OwningOpRef<ModuleOp> copy = ModuleOp::create(module.getLoc());
  (*copy)->setAttr(TargetInfo::attrName(), target.toAttr(module.getContext()));
  OpBuilder b = OpBuilder::atBlockEnd(copy->getBody());
  for (auto unit : module.getOps<gpu::GPUModuleOp>())
    b.clone(*unit);
  PassManager pm(module.getContext());
  if (target.kind == "vulkan")
    buildSpirvKernelPipeline(pm);
  else
    buildCudaKernelPipeline(pm);
  if (failed(pm.run(*copy)))
    return failure();
  if (target.kind == "vulkan")
    return emitVulkan(*copy, target);
  CudaEmitOptions options;
  options.optLevel = std::max(1u, optLevel);
  if (output == DeviceOutput::Cubin ||
      (output == DeviceOutput::Binary && !findPtxas().empty()))
    options.output = CudaOutput::Cubin;
  options.joined = output != DeviceOutput::Binary;
  FailureOr<CudaCode> made = emitCuda(*copy, target, options);
  if (failed(made))
    return failure();
  return toDeviceCode(std::move(*made));
}
