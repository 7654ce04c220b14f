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
  // What each version promises is 128 invocations and 16 KiB; devices of the
  // later ones have at least twice that. More than 128 invocations do not pay:
  // they share a tile of 64 x 64, and with 256 a thread has 16 sums of it and
  // loads half a value for each product (two layers of BERT on lavapipe: 2.7 s
  // with 128, 4.2 s with 256, 2.5 s with 64).
  info.threads = 128;
  info.sharedBytes = version == 1 ? 16 * 1024 : 32 * 1024;
  info.subgroup = 8;
  info.threadRegisters = 128;
  info.vectorBits = 128;
  // GLSL.std.450 Fma may be a product and a sum, and is on a CPU device: it
  // must never be relied on for its single rounding.
  info.hasFma = false;
  return info;
}
