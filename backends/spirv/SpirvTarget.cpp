//===- SpirvTarget.cpp - what a chip name of the Vulkan backend means -----===//

#include "backends/spirv/SpirvBackend.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace mercer;

FailureOr<TargetInfo> mercer::spirvTargetInfo(StringRef chip) {
  TargetInfo info;
  info.kind = "vulkan";
  info.cpu = chip == "vulkan" ? "vulkan1.3" : chip.str();
  int64_t version = llvm::StringSwitch<int64_t>(info.cpu)
                        .Case("vulkan1.1", 1)
                        .Case("vulkan1.2", 2)
                        .Case("vulkan1.3", 3)
                        .Default(0);
  if (version == 0)
    return failure();
  // One word for each fact that the emitter asks for. Float controls came into
  // the core with 1.2, and every desktop driver keeps signed zeros and NaN.
  info.features = version == 1 ? "+spirv1.3" : "+float-controls";
  if (version == 2)
    info.features += ",+spirv1.5";
  if (version == 3)
    info.features += ",+spirv1.6";
  // What each version promises is 128 invocations and 16 KiB; what devices of
  // the later ones have is at least twice that.
  info.threads = version == 1 ? 128 : 256;
  info.sharedBytes = version == 1 ? 16 * 1024 : 32 * 1024;
  info.subgroup = 8;
  info.threadRegisters = 128;
  info.vectorBits = 128;
  // GLSL.std.450 Fma may be a product and a sum, and is on a CPU device: it
  // must never be relied on for its single rounding.
  info.hasFma = false;
  return info;
}
