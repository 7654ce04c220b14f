//===- State.h - a block of an emulated kernel ------------------*- C++ -*-===//
//
// Everything that a thread needs to emulate one block after the other. States
// are pooled: their stacks and shadow memory outlive a launch. This code lives
// inside of artifacts, so it uses libc only: no exceptions, no libstdc++.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_RUNTIME_EMULATOR_STATE_H
#define MERCER_RUNTIME_EMULATOR_STATE_H

#include "runtime/emulator/Emulator.h"

#include <boost/context/detail/fcontext.hpp>

namespace mercer::emu {

enum class Code : int32_t {
#define MERCER_ERROR(number, name, summary) name = number,
#include "mercer/error_codes.def"
};

constexpr uint32_t maxLanes = 1024;
/// A shadow word: the barrier epoch in which an element was accessed last, a
/// flag, the lane. Epochs never repeat in a state, so nothing is cleared
/// between blocks.
constexpr uint32_t laneBits = 10, laneMask = maxLanes - 1;
/// Of a write: an asynchronous copy is under way. Of a read: several lanes.
constexpr uint32_t flagBit = 1u << laneBits;
constexpr uint32_t epochStep = flagBit << 1;

struct Buffer {
  const MercerEmuBuffer *info;
  char *base; ///< address of element 0, which may lie outside of [low, high)
  int64_t low, high;
  /// Shadow words from element `low` on; null where nothing is tracked.
  uint32_t *writes, *reads;
  /// Writes in [floor, start of the block) are errors for a reader (what it
  /// reads is uninitialised, or another block's), for a writer from
  /// `writeFloor` on.
  uint32_t readFloor, writeFloor;
  uint32_t shift;        ///< log2 of the bytes of an element
  size_t shadowCapacity; ///< words of each of the two
  char *scratch;         ///< owned, of `scratchBytes`
  size_t scratchBytes;
};

/// A copy that was issued and not waited for.
struct Copy {
  char *to;
  const char *from;
  uint32_t *writes; ///< shadow words of its elements
  uint32_t bytes, sourceBytes, elements;
  uint32_t group;
};

/// A subgroup: the lanes that can run but do not, and those that have come to
/// an operation of all.
struct Group {
  uint64_t ready;
  uint32_t arrived, site;
};

/// What a lane brings to an operation of its whole subgroup; it lives on the
/// waiting lane's stack.
struct Deposit {
  uint32_t site;
  /// Called once for the lanes [firstLane, firstLane + subgroup).
  void (*compute)(MercerEmuState &state, uint32_t firstLane);
};

struct Lane {
  MercerEmuState *state;
  boost::context::detail::fcontext_t context;
  /// Shared accesses since the last barrier: site << 32 | log2(bytes) << 28 |
  /// offset.
  uint64_t *log, *logNext;
  Deposit *deposit;
  Copy *copies;
  uint32_t copyBegin, copyEnd, copyCapacity;
  uint32_t openGroup; ///< number of the group that copies are added to
  bool shuffleValid;
};

constexpr size_t logCapacity = 1024;
/// Not a multiple of a page: the lanes of a warp are read side by side.
constexpr size_t logStride = logCapacity + 8;

} // namespace mercer::emu

struct MercerEmuState {
  // What every check reads.
  uint32_t key;        ///< epoch and lane, as in a shadow word
  uint32_t epoch;      ///< shadow word of this epoch, lane 0
  uint32_t blockStart; ///< of the block's first epoch
  uint32_t laneNumber;
  mercer::emu::Buffer *buffers;
  mercer::emu::Lane *lanes;
  uint64_t *logEnd; ///< of the running lane

  const MercerEmuKernel *kernel;
  MercerEmuLane function;
  const int64_t *params;
  int64_t block, grid, tiles;
  uint32_t callStart;

  mercer::emu::Group *groups;
  uint32_t groupCount;
  uint32_t barrierLanes, doneLanes, barrierSite;
  bool failed;
  mercer::emu::Lane main;

  char *stacks;
  size_t laneCapacity; ///< that have a stack
  uint64_t *logs;
  size_t bufferCapacity;
  char *shared;
  size_t sharedCapacity;

  uint64_t blocks, barriers, warpOperations, sharedAccesses, bankConflicts;
  uint64_t worstConflicts, worstSite;
  MercerEmuState *next;
};

namespace mercer::emu {

/// A state from the pool, ready for `kernel`; null without memory.
MercerEmuState *acquire(const MercerEmuKernel &kernel, const int64_t *params);
void release(MercerEmuState *state);

/// Whether the launch has an error already.
bool hasFailed(const int64_t *params);
/// Keeps the first error of a launch.
void keepError(const int64_t *params, int32_t code, const char *message);

/// Records an error of the running lane and ends the block. From lanes only.
[[noreturn]] void fail(MercerEmuState &state, Code code, uint32_t site,
                       const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/// Name and location of an operation.
struct Site {
  const char *what, *where;
};
Site findSite(const MercerEmuKernel &kernel, uint32_t site);

/// Emulates block `state.block`; false after an error.
bool runBlock(MercerEmuState &state);

/// Waits until all lanes of the subgroup have brought a deposit; the last one
/// computes for all.
void meet(MercerEmuState &state, Deposit &deposit);

/// Fails unless [index, index + count) lies in the buffer and its address is a
/// multiple of `alignment`.
void checkPlace(MercerEmuState &state, uint32_t site, uint32_t buffer,
                int64_t index, uint32_t count, uint32_t alignment);
/// A read that several lanes take part in.
void checkSharedRead(MercerEmuState &state, uint32_t site, uint32_t buffer,
                     int64_t index, uint32_t count);

/// Makes `lane` a fiber that begins at its next switch.
void startFiber(Lane &lane, char *stack, size_t bytes);
/// Room for more copies; false without memory.
bool growCopies(Lane &lane);

/// Counts the bank conflicts of the accesses since the last barrier.
void countBankConflicts(MercerEmuState &state);
/// One access of a whole subgroup, with `conflicts`.
void noteConflicts(MercerEmuState &state, uint32_t site, uint32_t subgroup,
                   uint32_t conflicts);

inline void logShared(MercerEmuState &state, uint32_t site,
                      const Buffer &buffer, int64_t index, uint32_t count) {
  Lane &lane = state.lanes[state.laneNumber];
  if (lane.logNext == state.logEnd)
    return;
  uint32_t bytes = count << buffer.shift;
  *lane.logNext++ = uint64_t(site) << 32 |
                    uint64_t(31 - __builtin_clz(bytes)) << 28 |
                    uint64_t(buffer.info->place + (index << buffer.shift));
}

} // namespace mercer::emu

#endif // MERCER_RUNTIME_EMULATOR_STATE_H
