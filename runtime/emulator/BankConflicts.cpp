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
    // Lists of the units that each bank has to serve, most of length one.
    uint32_t head[32], next[64], length[32], used = 0;
    const uint32_t end = first + units < lanes ? first + units : lanes;
    for (uint32_t lane = first; lane < end; ++lane) {
      if (!(access.active >> lane & 1))
        continue;
      const uint32_t unit = access.offset[lane] >> shift;
      const uint32_t bank = unit & (units - 1);
      if (!(used >> bank & 1)) {
        used |= 1u << bank;
        head[bank] = lane;
        next[lane] = lane;
        length[bank] = 1;
        continue;
      }
      uint32_t other = head[bank];
      while (access.offset[other] >> shift != unit && next[other] != other)
        other = next[other];
      if (access.offset[other] >> shift == unit)
        continue;
      next[other] = next[lane] = lane;
      if (++length[bank] > worst)
        worst = length[bank];
    }
  }
  return worst - 1;
}

/// The next access of a whole subgroup, if all lanes agree about it. `next`
/// holds their places in the logs.
static bool takeUniform(const Lane *lanes, const uint64_t **next,
                        uint32_t subgroup, uint64_t siteMask,
                        WarpAccess &access, uint64_t &site) {
  if (next[0] == lanes[0].logNext)
    return false;
  site = *next[0] & siteMask;
  bool uniform = true;
  for (uint32_t i = 0; i < subgroup; ++i) {
    if (next[i] == lanes[i].logNext)
      return false;
    const uint64_t entry = *next[i];
    uniform &= (entry & siteMask) == site;
    access.offset[i] = static_cast<uint32_t>(entry & ~siteMask);
  }
  if (!uniform)
    return false;
  for (uint32_t i = 0; i < subgroup; ++i)
    ++next[i];
  access.active = ~uint64_t(0);
  return true;
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
      WarpAccess access;
      uint64_t site;
      if (takeUniform(lanes, next, subgroup, siteMask, access, site)) {
        noteConflicts(state, static_cast<uint32_t>(site >> 32), group,
                      conflictsOf(access, subgroup, site >> 28 & 0xf));
        continue;
      }
      site = ~uint64_t(0);
      for (uint32_t i = 0; i < subgroup; ++i)
        if (next[i] < lanes[i].logNext && (*next[i] & siteMask) < site)
          site = *next[i] & siteMask;
      if (site == ~uint64_t(0))
        break;
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
