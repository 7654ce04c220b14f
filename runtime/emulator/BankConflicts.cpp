//===- BankConflicts.cpp - how well shared accesses use the banks ---------===//
//
// Lanes run one after the other, so each keeps a log of its shared accesses;
// at a barrier the logs of a subgroup are read side by side. Shared memory has
// 32 banks of 4 bytes. A warp's access of 8 or 16 bytes a lane is done for 16
// or 8 lanes at a time.
//
//===----------------------------------------------------------------------===//

#include "runtime/emulator/State.h"

using namespace mercer::emu;

namespace {
/// One access of the lanes in `active`.
struct WarpAccess {
  uint32_t offset[64];
  uint64_t active;
};
} // namespace

void mercer::emu::noteConflicts(MercerEmuState &state, uint32_t site,
                                uint32_t subgroup, uint32_t conflicts) {
  ++state.sharedAccesses;
  state.bankConflicts += conflicts;
  if (conflicts > state.worstConflicts) {
    state.worstConflicts = conflicts;
    state.worstSite = site;
  }
  const int64_t claim = state.kernel->max_bank_conflicts;
  if (claim >= 0 && conflicts > claim)
    fail(state, Code::EmulatedBankConflicts, site,
         "%u bank conflicts in one access of subgroup %u, the kernel claims at "
         "most %lld",
         conflicts, subgroup, static_cast<long long>(claim));
}

/// The most different units of one bank group that lanes of one part of the
/// access want, less the one that is served at once.
static uint32_t conflictsOf(const WarpAccess &access, uint32_t lanes,
                            uint32_t log2Bytes) {
  // A unit is what one lane gets: one, two or four banks wide.
  const uint32_t shift = log2Bytes < 2 ? 2 : log2Bytes;
  const uint32_t units = 128u >> shift;
  uint32_t worst = 1;
  for (uint32_t first = 0; first < lanes; first += units) {
    uint32_t count[32] = {}, seen[32][32];
    const uint32_t end = first + units < lanes ? first + units : lanes;
    for (uint32_t lane = first; lane < end; ++lane) {
      if (!(access.active >> lane & 1))
        continue;
      const uint32_t unit = access.offset[lane] >> shift;
      const uint32_t bank = unit & (units - 1);
      uint32_t i = 0;
      while (i < count[bank] && seen[bank][i] != unit)
        ++i;
      if (i < count[bank])
        continue;
      seen[bank][count[bank]++] = unit;
      if (count[bank] > worst)
        worst = count[bank];
    }
  }
  return worst - 1;
}

void mercer::emu::countBankConflicts(MercerEmuState &state) {
  const auto subgroup = static_cast<uint32_t>(state.kernel->subgroup);
  constexpr uint64_t siteMask = ~uint64_t(0xfffffff);
  for (uint32_t group = 0; group < state.groupCount; ++group) {
    Lane *lanes = state.lanes + group * subgroup;
    // Lanes that took other branches have other entries: of the next entry of
    // each, those of the least site belong together, since sites are numbered
    // in program order.
    const uint64_t *next[64];
    for (uint32_t i = 0; i < subgroup; ++i)
      next[i] = lanes[i].log;
    while (true) {
      uint64_t site = ~uint64_t(0);
      for (uint32_t i = 0; i < subgroup; ++i)
        if (next[i] < lanes[i].logNext && (*next[i] & siteMask) < site)
          site = *next[i] & siteMask;
      if (site == ~uint64_t(0))
        break;
      WarpAccess access;
      access.active = 0;
      for (uint32_t i = 0; i < subgroup; ++i)
        if (next[i] < lanes[i].logNext && (*next[i] & siteMask) == site) {
          access.offset[i] = *next[i]++ & ~siteMask;
          access.active |= uint64_t(1) << i;
        }
      const auto number = static_cast<uint32_t>(site >> 32);
      noteConflicts(state, number, group,
                    conflictsOf(access, subgroup, site >> 28 & 0xf));
    }
    for (uint32_t i = 0; i < subgroup; ++i)
      lanes[i].logNext = lanes[i].log;
  }
}
