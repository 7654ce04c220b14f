//===- CpuFeatures.cpp - may this processor run an artifact? --------------===//
//
// cpuid says what the processor can do, XCR0 which registers the system saves.
// Both must hold: an AVX-512 instruction faults where only the first does.
//
//===----------------------------------------------------------------------===//

#include "runtime/core/CpuFeatures.h"

#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace mercer::rt {

#if defined(__x86_64__)

namespace {
enum Register : uint8_t { EAX, EBX, ECX, EDX };

/// Bits of XCR0 that a feature's registers need.
enum : uint64_t {
  NoState = 0,
  YmmState = 0x6,      // SSE and AVX
  ZmmState = 0xe6,     // and opmask, upper ZMM halves, ZMM16-31
  TileState = 0x60006, // and tile configuration and data
};

struct Feature {
  const char *name;
  uint32_t leaf, subleaf;
  Register reg;
  uint8_t bit;
  uint64_t state;
};
} // namespace

// Intel SDM volume 2 (CPUID) and AMD APM volume 3, appendix E.
static constexpr Feature knownFeatures[] = {
    {"x87", 1, 0, EDX, 0, NoState},
    {"cx8", 1, 0, EDX, 8, NoState},
    {"cmov", 1, 0, EDX, 15, NoState},
    {"mmx", 1, 0, EDX, 23, NoState},
    {"fxsr", 1, 0, EDX, 24, NoState},
    {"sse", 1, 0, EDX, 25, NoState},
    {"sse2", 1, 0, EDX, 26, NoState},
    {"sse3", 1, 0, ECX, 0, NoState},
    {"pclmul", 1, 0, ECX, 1, NoState},
    {"ssse3", 1, 0, ECX, 9, NoState},
    {"fma", 1, 0, ECX, 12, YmmState},
    {"cx16", 1, 0, ECX, 13, NoState},
    {"sse4.1", 1, 0, ECX, 19, NoState},
    {"sse4.2", 1, 0, ECX, 20, NoState},
    {"crc32", 1, 0, ECX, 20, NoState},
    {"movbe", 1, 0, ECX, 22, NoState},
    {"popcnt", 1, 0, ECX, 23, NoState},
    {"aes", 1, 0, ECX, 25, NoState},
    {"xsave", 1, 0, ECX, 26, NoState},
    {"avx", 1, 0, ECX, 28, YmmState},
    {"f16c", 1, 0, ECX, 29, YmmState},
    {"rdrnd", 1, 0, ECX, 30, NoState},
    {"fsgsbase", 7, 0, EBX, 0, NoState},
    {"bmi", 7, 0, EBX, 3, NoState},
    {"avx2", 7, 0, EBX, 5, YmmState},
    {"bmi2", 7, 0, EBX, 8, NoState},
    {"invpcid", 7, 0, EBX, 10, NoState},
    {"avx512f", 7, 0, EBX, 16, ZmmState},
    {"evex512", 7, 0, EBX, 16, ZmmState},
    {"avx512dq", 7, 0, EBX, 17, ZmmState},
    {"rdseed", 7, 0, EBX, 18, NoState},
    {"adx", 7, 0, EBX, 19, NoState},
    {"avx512ifma", 7, 0, EBX, 21, ZmmState},
    {"clflushopt", 7, 0, EBX, 23, NoState},
    {"clwb", 7, 0, EBX, 24, NoState},
    {"avx512cd", 7, 0, EBX, 28, ZmmState},
    {"sha", 7, 0, EBX, 29, NoState},
    {"avx512bw", 7, 0, EBX, 30, ZmmState},
    {"avx512vl", 7, 0, EBX, 31, ZmmState},
    {"avx512vbmi", 7, 0, ECX, 1, ZmmState},
    {"pku", 7, 0, ECX, 4, NoState},
    {"waitpkg", 7, 0, ECX, 5, NoState},
    {"avx512vbmi2", 7, 0, ECX, 6, ZmmState},
    {"shstk", 7, 0, ECX, 7, NoState},
    {"gfni", 7, 0, ECX, 8, NoState},
    {"vaes", 7, 0, ECX, 9, YmmState},
    {"vpclmulqdq", 7, 0, ECX, 10, YmmState},
    {"avx512vnni", 7, 0, ECX, 11, ZmmState},
    {"avx512bitalg", 7, 0, ECX, 12, ZmmState},
    {"avx512vpopcntdq", 7, 0, ECX, 14, ZmmState},
    {"rdpid", 7, 0, ECX, 22, NoState},
    {"cldemote", 7, 0, ECX, 25, NoState},
    {"movdiri", 7, 0, ECX, 27, NoState},
    {"movdir64b", 7, 0, ECX, 28, NoState},
    {"enqcmd", 7, 0, ECX, 29, NoState},
    {"uintr", 7, 0, EDX, 5, NoState},
    {"avx512vp2intersect", 7, 0, EDX, 8, ZmmState},
    {"serialize", 7, 0, EDX, 14, NoState},
    {"tsxldtrk", 7, 0, EDX, 16, NoState},
    {"pconfig", 7, 0, EDX, 18, NoState},
    {"amx-bf16", 7, 0, EDX, 22, TileState},
    {"avx512fp16", 7, 0, EDX, 23, ZmmState},
    {"amx-tile", 7, 0, EDX, 24, TileState},
    {"amx-int8", 7, 0, EDX, 25, TileState},
    {"sha512", 7, 1, EAX, 0, YmmState},
    {"sm3", 7, 1, EAX, 1, YmmState},
    {"sm4", 7, 1, EAX, 2, YmmState},
    {"avxvnni", 7, 1, EAX, 4, YmmState},
    {"avx512bf16", 7, 1, EAX, 5, ZmmState},
    {"cmpccxadd", 7, 1, EAX, 7, NoState},
    {"amx-fp16", 7, 1, EAX, 21, TileState},
    {"hreset", 7, 1, EAX, 22, NoState},
    {"avxifma", 7, 1, EAX, 23, YmmState},
    {"avxvnniint8", 7, 1, EDX, 4, YmmState},
    {"avxneconvert", 7, 1, EDX, 5, YmmState},
    {"amx-complex", 7, 1, EDX, 8, TileState},
    {"avxvnniint16", 7, 1, EDX, 10, YmmState},
    {"prefetchi", 7, 1, EDX, 14, NoState},
    {"xsaveopt", 0xd, 1, EAX, 0, NoState},
    {"xsavec", 0xd, 1, EAX, 1, NoState},
    {"xsaves", 0xd, 1, EAX, 3, NoState},
    {"ptwrite", 0x14, 0, EBX, 4, NoState},
    {"sahf", 0x80000001, 0, ECX, 0, NoState},
    {"lzcnt", 0x80000001, 0, ECX, 5, NoState},
    {"sse4a", 0x80000001, 0, ECX, 6, NoState},
    {"prfchw", 0x80000001, 0, ECX, 8, NoState},
    {"xop", 0x80000001, 0, ECX, 11, YmmState},
    {"fma4", 0x80000001, 0, ECX, 16, YmmState},
    {"tbm", 0x80000001, 0, ECX, 21, NoState},
    {"mwaitx", 0x80000001, 0, ECX, 29, NoState},
    {"64bit", 0x80000001, 0, EDX, 29, NoState},
    {"clzero", 0x80000008, 0, EBX, 0, NoState},
    {"wbnoinvd", 0x80000008, 0, EBX, 9, NoState},
};

static bool hasCpuidBit(const Feature &feature) {
  unsigned regs[4] = {0, 0, 0, 0};
  if (!__get_cpuid_count(feature.leaf, feature.subleaf, &regs[EAX], &regs[EBX],
                         &regs[ECX], &regs[EDX]))
    return false;
  return regs[feature.reg] >> feature.bit & 1;
}

static uint64_t enabledState() {
  unsigned a, b, c, d;
  constexpr unsigned osxsave = 1u << 27;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & osxsave))
    return 0;
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

/// Linux grants a process the 8 KiB tile state only when it asks.
static bool requestTilePermission() {
  constexpr long archReqXcompPerm = 0x1023, tileData = 18;
  return syscall(SYS_arch_prctl, archReqXcompPerm, tileData) == 0;
}

Status checkCpuFeatures(const std::vector<std::string> &features,
                        const std::string &place) {
  const uint64_t state = enabledState();
  bool needsTiles = false;
  std::string missing;
  for (const std::string &name : features) {
    const Feature *known = nullptr;
    for (const Feature &candidate : knownFeatures)
      if (name == candidate.name)
        known = &candidate;
    const char *why = nullptr;
    if (!known)
      why = " (unknown to this runtime)";
    else if (!hasCpuidBit(*known))
      why = "";
    else if ((state & known->state) != known->state)
      why = " (not enabled by the operating system)";
    if (why)
      missing += (missing.empty() ? "" : ", ") + name + why;
    else
      needsTiles |= known->state == TileState;
  }
  if (!missing.empty())
    return {Code::CpuFeatureMissing, place,
            "the code needs processor features that are missing here: " +
                missing};
  if (needsTiles && !requestTilePermission())
    return {Code::CpuFeatureMissing, place,
            "the system refuses permission to use the AMX tile registers"};
  return {};
}

#else

Status checkCpuFeatures(const std::vector<std::string> &features,
                        const std::string &place) {
  if (features.empty())
    return {};
  return {Code::CpuFeatureMissing, place,
          "the code needs " + features.front() +
              ", which this runtime cannot check on this architecture"};
}

#endif

} // namespace mercer::rt
