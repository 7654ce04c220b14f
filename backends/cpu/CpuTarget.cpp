//===- CpuTarget.cpp - what a CPU name means ------------------------------===//

#include "backends/cpu/CpuBackend.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/X86TargetParser.h"

#include <unistd.h>

using namespace mlir;
using namespace mercer;

/// Matrix tiles need a permission from the system and are not used: not naming
/// them keeps artifacts loadable where it is refused. The same holds for
/// extensions that only operating systems and special intrinsics use, and that
/// virtual machines hide.
static bool isUsed(StringRef feature) {
  static constexpr llvm::StringLiteral unused[] = {
      "64bit",     "cldemote", "clflushopt", "clwb",     "clzero",
      "enqcmd",    "fsgsbase", "fxsr",       "hreset",   "invpcid",
      "kl",        "movdiri",  "movdir64b",  "mwaitx",   "pconfig",
      "pku",       "ptwrite",  "prefetchi",  "rdpid",    "rdpru",
      "rdrnd",     "rdseed",   "retpoline",  "rtm",      "sahf",
      "serialize", "sgx",      "shstk",      "tsxldtrk", "uintr",
      "usermsr",   "waitpkg",  "wbnoinvd",   "widekl",   "x87",
      "xsave",     "xsavec",   "xsaveopt",   "xsaves"};
  return !feature.starts_with("amx") && !feature.starts_with("apx") &&
         !llvm::is_contained(unused, feature);
}

static void readCaches(TargetInfo &info) {
#ifdef _SC_LEVEL1_DCACHE_SIZE
  if (long bytes = sysconf(_SC_LEVEL1_DCACHE_SIZE); bytes > 0)
    info.l1Bytes = bytes;
  if (long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE); bytes > 0)
    info.l2Bytes = bytes;
#endif
}

FailureOr<TargetInfo> mercer::cpuTargetInfo(StringRef name) {
  TargetInfo info;
  info.kind = "cpu";
  llvm::StringSet<> features;
  if (name == "native") {
    info.cpu = llvm::sys::getHostCPUName().str();
    for (const auto &feature : llvm::sys::getHostCPUFeatures())
      if (feature.second)
        features.insert(feature.first());
    readCaches(info);
  } else {
    // Cache sizes of the smallest common machine of the level.
    info.l2Bytes = llvm::StringSwitch<int64_t>(name)
                       .Case("x86-64-v2", 256 * 1024)
                       .Case("x86-64-v3", 256 * 1024)
                       .Case("x86-64-v4", 1024 * 1024)
                       .Case("sapphirerapids", 2048 * 1024)
                       .Default(0);
    if (info.l2Bytes == 0)
      return failure();
    info.l1Bytes = name == "sapphirerapids" ? 48 * 1024 : 32 * 1024;
    info.cpu = name.str();
    SmallVector<StringRef> named;
    llvm::X86::getFeaturesForCPU(name, named);
    // A CPU's list leaves out what another feature implies (v4 names avx512bw
    // and not avx512f), and the facts below are read from the full one.
    llvm::StringMap<bool> implied;
    for (StringRef feature : named) {
      implied[feature] = true;
      llvm::X86::updateImpliedFeatures(feature, true, implied);
    }
    for (const auto &feature : implied)
      if (feature.second)
        features.insert(feature.first());
  }
  SmallVector<StringRef> sorted;
  for (const auto &feature : features)
    if (isUsed(feature.getKey()))
      sorted.push_back(feature.getKey());
  llvm::sort(sorted);
  for (StringRef feature : sorted) {
    if (!info.features.empty())
      info.features += ',';
    info.features += '+';
    info.features += feature;
  }
  auto has = [&](StringRef feature) { return features.contains(feature); };
  bool avx512 =
      has("avx512f") && has("avx512bw") && has("avx512dq") && has("avx512vl");
  info.vectorBits = avx512 ? 512 : has("avx2") ? 256 : 128;
  info.vectorRegisters = avx512 ? 32 : 16;
  info.hasFma = has("fma");
  info.hasMaskedAccess = avx512;
  return info;
}
