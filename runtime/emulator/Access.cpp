//===- Access.cpp - checks of loads and stores ----------------------------===//
//
// Every element of shared memory, scratch and written buffers has a shadow:
// who wrote it last, who has read it since, and in which barrier epoch. Two
// lanes that touch one element in one epoch race unless both read.
//
//===----------------------------------------------------------------------===//

#include "runtime/emulator/State.h"

using namespace mercer::emu;

static const char *kindName(const Buffer &buffer) {
  switch (buffer.info->kind) {
  case MERCER_EMU_SHARED:
    return "shared memory";
  case MERCER_EMU_SCRATCH:
    return "scratch buffer";
  default:
    return "argument";
  }
}

void mercer_emu_bad_access(MercerEmuState *statePointer, uint32_t site,
                           uint32_t number, int64_t index, uint32_t count,
                           uint32_t alignment) {
  MercerEmuState &state = *statePointer;
  const auto at = static_cast<long long>(index);
  if (number == MERCER_EMU_PRIVATE)
    fail(state, Code::EmulatedOutOfBounds, site,
         "%u elements from %lld on lie outside of a private array", count, at);
  const Buffer &buffer = state.buffers[number];
  const int64_t first = index - buffer.low, size = buffer.high - buffer.low;
  if (first < 0 || first + int64_t(count) > size)
    fail(state, Code::EmulatedOutOfBounds, site,
         "%u elements from %lld on lie outside of %s %d of %lld elements",
         count, static_cast<long long>(first), kindName(buffer),
         static_cast<int>(buffer.info->number), static_cast<long long>(size));
  fail(state, Code::EmulatedMisaligned, site,
       "element %lld of %s %d is not aligned to %u bytes",
       static_cast<long long>(first), kindName(buffer),
       static_cast<int>(buffer.info->number), alignment);
}

void mercer::emu::checkPlace(MercerEmuState &state, uint32_t site,
                             uint32_t number, int64_t index, uint32_t count,
                             uint32_t alignment) {
  const Buffer &buffer = state.buffers[number];
  auto address = reinterpret_cast<uintptr_t>(buffer.base) +
                 (static_cast<uint64_t>(index) << buffer.shift);
  if (__builtin_expect(index < buffer.low ||
                           index > buffer.high - int64_t(count) ||
                           (address & (alignment - 1)) != 0,
                       0))
    mercer_emu_bad_access(&state, site, number, index, count, alignment);
}

/// `word` dates from [floor, start of the block).
static inline bool isOlder(uint32_t word, uint32_t floor, uint32_t start) {
  return word - floor < start - floor;
}

/// Finds out which of the elements is wrong, and how.
[[noreturn]] static void explain(MercerEmuState &state, uint32_t site,
                                 const Buffer &buffer, int64_t index,
                                 uint32_t count, bool writes, uint32_t key) {
  const uint32_t start = state.blockStart, epoch = state.epoch;
  for (uint32_t i = 0; i < count; ++i) {
    const auto at = static_cast<long long>(index - buffer.low + i);
    const uint32_t w = buffer.writes[index - buffer.low + i];
    const uint32_t r = buffer.reads[index - buffer.low + i];
    const char *kind = kindName(buffer);
    const auto number = static_cast<int>(buffer.info->number);
    const char *verb = writes ? "writes" : "reads";
    if ((w & flagBit) && w >= start)
      fail(state, Code::EmulatedCopyPending, site,
           "%s element %lld of %s %d before lane %u has waited for its "
           "asynchronous copy to it",
           verb, at, kind, number, w & laneMask);
    if (isOlder(w, writes ? buffer.writeFloor : buffer.readFloor, start)) {
      if (buffer.info->kind == MERCER_EMU_GLOBAL)
        fail(state, Code::EmulatedRace, site,
             "%s element %lld of %s %d, which another block writes", verb, at,
             kind, number);
      fail(state, Code::EmulatedUninitialised, site,
           "reads element %lld of %s %d, which this block has not written", at,
           kind, number);
    }
    if (w >= epoch && w != key)
      fail(state, Code::EmulatedRace, site,
           "%s element %lld of %s %d, which lane %u writes without a barrier "
           "between",
           verb, at, kind, number, w & laneMask);
    if (!writes)
      continue;
    if (isOlder(r, buffer.writeFloor, start))
      fail(state, Code::EmulatedRace, site,
           "writes element %lld of %s %d, which another block reads", at, kind,
           number);
    if (r >= epoch && r != key) {
      if (r & flagBit)
        fail(state, Code::EmulatedRace, site,
             "writes element %lld of %s %d, which several lanes read without "
             "a barrier between",
             at, kind, number);
      fail(state, Code::EmulatedRace, site,
           "writes element %lld of %s %d, which lane %u reads without a "
           "barrier between",
           at, kind, number, r & laneMask);
    }
  }
  __builtin_trap();
}

// The loops below are free of branches, so that they become vectors.

/// Whether a read by `key` of elements from `first` on (counted from `low`) is
/// wrong; marks them as read.
template <typename Count>
static inline bool markReads(const Buffer &buffer, int64_t first, Count count,
                             uint32_t epoch, uint32_t start, uint32_t key) {
  const uint32_t floor = buffer.readFloor, several = epoch | flagBit;
  const uint32_t *writes = buffer.writes + first;
  uint32_t *reads = buffer.reads + first;
  uint32_t bad = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t w = writes[i], r = reads[i];
    bad |= uint32_t(w != key) &
           (uint32_t(w >= epoch) | uint32_t((w & flagBit) != 0) |
            uint32_t(isOlder(w, floor, start)));
    reads[i] = ((r < epoch) | (r == key)) ? key : several;
  }
  return bad != 0;
}

/// The same for a write; `mark` is what it leaves if it is right: a wrong one
/// would hide what is to be explained.
template <typename Count>
static inline bool markWrites(const Buffer &buffer, int64_t first, Count count,
                              uint32_t epoch, uint32_t start, uint32_t key,
                              uint32_t mark) {
  const uint32_t floor = buffer.writeFloor;
  uint32_t *writes = buffer.writes + first;
  const uint32_t *reads = buffer.reads + first;
  uint32_t bad = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t w = writes[i], r = reads[i];
    bad |= uint32_t(w != key) &
           (uint32_t(w >= epoch) |
            (uint32_t(w >= start) & uint32_t((w & flagBit) != 0)) |
            uint32_t(isOlder(w, floor, start)));
    bad |= uint32_t(r != key) &
           (uint32_t(r >= epoch) | uint32_t(isOlder(r, floor, start)));
  }
  if (bad)
    return true;
  for (uint32_t i = 0; i < count; ++i)
    writes[i] = mark;
  return false;
}

namespace {
template <uint32_t n> struct Fixed {
  constexpr operator uint32_t() const { return n; }
};
} // namespace

/// Calls `body` with the count as a constant where it is a frequent one.
template <typename Body>
static inline bool withCount(uint32_t count, Body body) {
  if (count == 1)
    return body(Fixed<1>());
  if (count == 4)
    return body(Fixed<4>());
  if (count == 8)
    return body(Fixed<8>());
  return body(count);
}

void mercer_emu_read(MercerEmuState *statePointer, uint32_t site,
                     uint32_t number, int64_t index, uint32_t count,
                     uint32_t alignment) {
  MercerEmuState &state = *statePointer;
  checkPlace(state, site, number, index, count, alignment);
  const Buffer &buffer = state.buffers[number];
  const bool bad = withCount(count, [&](auto n) {
    return markReads(buffer, index - buffer.low, n, state.epoch,
                     state.blockStart, state.key);
  });
  if (__builtin_expect(bad, 0))
    explain(state, site, buffer, index, count, /*writes=*/false, state.key);
  if (buffer.info->kind == MERCER_EMU_SHARED)
    logShared(state, site, buffer, index, count);
}

void mercer_emu_write(MercerEmuState *statePointer, uint32_t site,
                      uint32_t number, int64_t index, uint32_t count,
                      uint32_t alignment) {
  MercerEmuState &state = *statePointer;
  checkPlace(state, site, number, index, count, alignment);
  const Buffer &buffer = state.buffers[number];
  const bool bad = withCount(count, [&](auto n) {
    return markWrites(buffer, index - buffer.low, n, state.epoch,
                      state.blockStart, state.key, state.key);
  });
  if (__builtin_expect(bad, 0))
    explain(state, site, buffer, index, count, /*writes=*/true, state.key);
  if (buffer.info->kind == MERCER_EMU_SHARED)
    logShared(state, site, buffer, index, count);
}

void mercer::emu::checkSharedRead(MercerEmuState &state, uint32_t site,
                                  uint32_t number, int64_t index,
                                  uint32_t count) {
  const Buffer &buffer = state.buffers[number];
  // The key of no lane: what any lane has written in this epoch is an error,
  // and a write of any lane after it.
  const uint32_t key = state.epoch | flagBit;
  if (markReads(buffer, index - buffer.low, count, state.epoch,
                state.blockStart, key))
    explain(state, site, buffer, index, count, /*writes=*/false, key);
}

void *mercer_emu_base(MercerEmuState *state, uint32_t buffer) {
  return state->buffers[buffer].base;
}

//===----------------------------------------------------------------------===//
// Asynchronous copies
//===----------------------------------------------------------------------===//

/// Memory for one more copy; those that were waited for are gone.
static Copy &newCopy(MercerEmuState &state, Lane &lane, uint32_t site) {
  if (lane.copyBegin == lane.copyEnd)
    lane.copyBegin = lane.copyEnd = 0;
  if (lane.copyEnd == lane.copyCapacity && lane.copyBegin > 0) {
    __builtin_memmove(lane.copies, lane.copies + lane.copyBegin,
                      (lane.copyEnd - lane.copyBegin) * sizeof(Copy));
    lane.copyEnd -= lane.copyBegin;
    lane.copyBegin = 0;
  }
  if (lane.copyEnd == lane.copyCapacity && !growCopies(lane))
    fail(state, Code::OutOfMemory, site, "no memory for an asynchronous copy");
  return lane.copies[lane.copyEnd++];
}

void mercer_emu_async_copy(MercerEmuState *statePointer, uint32_t site,
                           uint32_t toNumber, int64_t toIndex,
                           uint32_t fromNumber, int64_t fromIndex,
                           int64_t elements, int64_t sourceElements) {
  MercerEmuState &state = *statePointer;
  const Buffer &to = state.buffers[toNumber];
  const Buffer &from = state.buffers[fromNumber];
  const auto count = static_cast<uint32_t>(elements);
  const uint32_t bytes = count << to.shift;
  checkPlace(state, site, toNumber, toIndex, count, bytes);
  if (sourceElements < 0)
    sourceElements = elements;
  if (sourceElements > elements)
    fail(state, Code::EmulatedOutOfBounds, site,
         "reads %lld elements for a copy of %lld",
         static_cast<long long>(sourceElements),
         static_cast<long long>(elements));
  const auto read = static_cast<uint32_t>(sourceElements);
  // The hardware wants the address aligned even if it reads less or nothing.
  if (read > 0)
    checkPlace(state, site, fromNumber, fromIndex, read, bytes);
  if (read > 0 && from.writes)
    mercer_emu_read(&state, site, fromNumber, fromIndex, read, 1);
  if (markWrites(to, toIndex - to.low, count, state.epoch, state.blockStart,
                 state.key, state.key | flagBit))
    explain(state, site, to, toIndex, count, /*writes=*/true, state.key);
  logShared(state, site, to, toIndex, count);
  Lane &lane = state.lanes[state.laneNumber];
  newCopy(state, lane, site) = {to.base + (toIndex << to.shift),
                                from.base + (fromIndex << from.shift),
                                to.writes + (toIndex - to.low),
                                bytes,
                                read << from.shift,
                                count,
                                lane.openGroup};
}

void mercer_emu_async_commit(MercerEmuState *state) {
  ++state->lanes[state->laneNumber].openGroup;
}

void mercer_emu_async_wait(MercerEmuState *state, uint32_t pendingGroups) {
  Lane &lane = state->lanes[state->laneNumber];
  while (lane.copyBegin < lane.copyEnd) {
    const Copy &copy = lane.copies[lane.copyBegin];
    // Of the groups that are closed, the last ones may stay under way.
    if (uint64_t(copy.group) + pendingGroups >= lane.openGroup)
      break;
    __builtin_memcpy(copy.to, copy.from, copy.sourceBytes);
    __builtin_memset(copy.to + copy.sourceBytes, 0,
                     copy.bytes - copy.sourceBytes);
    for (uint32_t i = 0; i < copy.elements; ++i)
      copy.writes[i] = state->key;
    ++lane.copyBegin;
  }
}
