//===- CudaTarget.cpp - what a chip name means ----------------------------===//

#include "backends/cuda/CudaBackend.h"

using namespace mlir;
using namespace mercer;

namespace {
struct Chip {
  llvm::StringLiteral name;
  /// The least PTX version that knows the chip: the driver need not be newer.
  llvm::StringLiteral features;
  /// Shared memory that one block may ask for, the cache that it is cut from,
  /// and the second-level cache of the smallest common product, in KiB.
  int64_t shared, l1, l2;
};
} // namespace

static constexpr Chip chips[] = {
    {"sm_80", "+ptx70", 163, 192, 40 * 1024},
    {"sm_86", "+ptx71", 99, 128, 4 * 1024},
    {"sm_89", "+ptx78", 99, 128, 32 * 1024},
    {"sm_90a", "+ptx80", 227, 256, 50 * 1024},
    {"sm_100a", "+ptx86", 227, 256, 126 * 1024},
    {"sm_120a", "+ptx87", 99, 128, 32 * 1024},
};

FailureOr<TargetInfo> mercer::cudaTargetInfo(StringRef name) {
  for (const Chip &chip : chips) {
    if (chip.name != name)
      continue;
    TargetInfo info;
    info.kind = "cuda";
    info.cpu = name.str();
    info.features = chip.features.str();
    // The widest access of one thread.
    info.vectorBits = 128;
    info.l1Bytes = chip.l1 * 1024;
    info.l2Bytes = chip.l2 * 1024;
    info.hasFma = true;
    // 256 threads leave each of them the most registers that one can name.
    info.threads = 256;
    info.subgroup = 32;
    info.sharedBytes = chip.shared * 1024;
    info.threadRegisters = 255;
    info.hasMatrixUnits = true;
    return info;
  }
  return failure();
}
