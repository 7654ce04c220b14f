//===- Run.cpp - launches, pooled states, errors of launches --------------===//

#include "runtime/emulator/State.h"

#include <atomic>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

using namespace mercer::emu;

namespace {

constexpr size_t stackBytes = 128 << 10, pageBytes = 4096;
/// Shadow memory that a pooled state may keep for one buffer.
constexpr size_t keptShadowBytes = size_t(256) << 20;
/// Half of the epochs: a state that has used so many starts again at a block.
constexpr uint32_t manyEpochs = uint32_t(1) << 31;

/// Held for a few instructions only, and never while a lane runs.
class Lock {
public:
  Lock() {
    while (flag.test_and_set(std::memory_order_acquire))
      __builtin_ia32_pause();
  }
  ~Lock() { flag.clear(std::memory_order_release); }

private:
  static std::atomic_flag flag;
};
std::atomic_flag Lock::flag = ATOMIC_FLAG_INIT;

struct Error {
  const int64_t *params;
  int32_t code;
  Error *next;
  char message[1024];
};

// All guarded by Lock.
Error *errors = nullptr;
/// Without memory for another an error keeps its code at least.
Error lastError;
MercerEmuState *freeStates = nullptr;
MercerEmuCounters *allCounters = nullptr;

/// Errors that nobody has taken; read without the lock.
std::atomic<uint32_t> errorCount{0};

} // namespace

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

bool mercer::emu::hasFailed(const int64_t *params) {
  if (errorCount.load(std::memory_order_relaxed) == 0)
    return false;
  Lock lock;
  for (Error *error = errors; error; error = error->next)
    if (error->params == params)
      return true;
  return false;
}

void mercer::emu::keepError(const int64_t *params, int32_t code,
                            const char *message) {
  auto *error = static_cast<Error *>(malloc(sizeof(Error)));
  Lock lock;
  for (Error *other = errors; other; other = other->next)
    if (other->params == params || (!error && other == &lastError)) {
      free(error);
      return;
    }
  if (!error)
    error = &lastError;
  error->params = params;
  error->code = code;
  snprintf(error->message, sizeof(error->message), "%s", message);
  error->next = errors;
  errors = error;
  errorCount.fetch_add(1, std::memory_order_relaxed);
}

int32_t mercer_emu_take_error(const int64_t *params, char *message,
                              size_t size) {
  if (errorCount.load(std::memory_order_relaxed) == 0)
    return 0;
  Error *found = nullptr;
  {
    Lock lock;
    for (Error **at = &errors; *at; at = &(*at)->next)
      if ((*at)->params == params) {
        found = *at;
        *at = found->next;
        break;
      }
  }
  if (!found)
    return 0;
  errorCount.fetch_sub(1, std::memory_order_relaxed);
  const int32_t code = found->code;
  if (size > 0)
    snprintf(message, size, "%s", found->message);
  if (found != &lastError)
    free(found);
  return code;
}

//===----------------------------------------------------------------------===//
// States
//===----------------------------------------------------------------------===//

static void *reserve(size_t bytes) {
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

static size_t shadowBytes(const Buffer &buffer) {
  return 2 * buffer.shadowCapacity * sizeof(uint32_t);
}

static void dropShadow(Buffer &buffer) {
  if (buffer.writes)
    munmap(buffer.writes, shadowBytes(buffer));
  buffer.writes = buffer.reads = nullptr;
  buffer.shadowCapacity = 0;
}

static void destroy(MercerEmuState *state) {
  constexpr size_t slot = stackBytes + pageBytes;
  if (state->stacks)
    munmap(state->stacks, state->laneCapacity * slot);
  if (state->lanes)
    for (size_t i = 0; i < state->laneCapacity; ++i)
      free(state->lanes[i].copies);
  for (size_t i = 0; i < state->bufferCapacity; ++i) {
    Buffer &buffer = state->buffers[i];
    dropShadow(buffer);
    free(buffer.scratch);
  }
  free(state->lanes);
  free(state->groups);
  free(state->logs);
  free(state->buffers);
  free(state->shared);
  free(state);
}

static void startFibers(MercerEmuState &state) {
  constexpr size_t slot = stackBytes + pageBytes;
  for (size_t i = 0; i < state.laneCapacity; ++i) {
    // Tops at different offsets in a page: equal ones share their cache sets.
    const size_t shift = i * 320 % pageBytes / 64 * 64;
    startFiber(state.lanes[i], state.stacks + i * slot + pageBytes,
               stackBytes - shift);
  }
}

static bool makeLanes(MercerEmuState &state, size_t count) {
  constexpr size_t slot = stackBytes + pageBytes;
  if (count <= state.laneCapacity)
    return true;
  if (state.stacks)
    munmap(state.stacks, state.laneCapacity * slot);
  for (size_t i = 0; i < state.laneCapacity; ++i)
    free(state.lanes[i].copies);
  free(state.lanes);
  free(state.groups);
  free(state.logs);
  state.laneCapacity = count;
  state.stacks = static_cast<char *>(reserve(count * slot));
  state.lanes = static_cast<Lane *>(calloc(count, sizeof(Lane)));
  state.groups = static_cast<Group *>(calloc(count, sizeof(Group)));
  state.logs =
      static_cast<uint64_t *>(malloc(count * logStride * sizeof(uint64_t)));
  if (!state.stacks || !state.lanes || !state.groups || !state.logs)
    return false;
  for (size_t i = 0; i < count; ++i) {
    if (mprotect(state.stacks + i * slot, pageBytes, PROT_NONE) != 0)
      return false;
    state.lanes[i].state = &state;
    state.lanes[i].log = state.logs + i * logStride;
  }
  startFibers(state);
  return true;
}

static bool makeShadow(Buffer &buffer, int64_t count) {
  const auto wanted = static_cast<size_t>(count);
  if (wanted <= buffer.shadowCapacity && buffer.writes)
    return true;
  dropShadow(buffer);
  // Twice what is asked for: buffers of many sizes come by.
  const size_t capacity = 2 * wanted + pageBytes;
  buffer.writes =
      static_cast<uint32_t *>(reserve(2 * capacity * sizeof(uint32_t)));
  if (!buffer.writes)
    return false;
  buffer.reads = buffer.writes + capacity;
  buffer.shadowCapacity = capacity;
  return true;
}

static bool makeBuffers(MercerEmuState &state) {
  const MercerEmuKernel &kernel = *state.kernel;
  const auto count = static_cast<size_t>(kernel.buffer_count);
  if (count > state.bufferCapacity) {
    auto *grown =
        static_cast<Buffer *>(realloc(state.buffers, count * sizeof(Buffer)));
    if (!grown)
      return false;
    memset(grown + state.bufferCapacity, 0,
           (count - state.bufferCapacity) * sizeof(Buffer));
    state.buffers = grown;
    state.bufferCapacity = count;
  }
  if (static_cast<size_t>(kernel.shared_bytes) > state.sharedCapacity) {
    free(state.shared);
    state.sharedCapacity = (kernel.shared_bytes + 127) / 128 * 128;
    state.shared =
        static_cast<char *>(aligned_alloc(128, state.sharedCapacity));
    if (!state.shared) {
      state.sharedCapacity = 0;
      return false;
    }
  }
  const MercerEmuBuffer *next = kernel.buffers;
  for (size_t i = 0; i < count; ++i) {
    Buffer &buffer = state.buffers[i];
    const MercerEmuBuffer &info = *next;
    const auto *factors = reinterpret_cast<const int64_t *>(next + 1);
    next =
        reinterpret_cast<const MercerEmuBuffer *>(factors + info.factor_count);
    buffer.info = &info;
    buffer.shift = static_cast<uint32_t>(__builtin_ctzll(info.bytes));
    int64_t elements = info.elements;
    for (int64_t f = 0; f < info.factor_count; ++f)
      elements *= state.params[factors[f]];
    if (elements < 0)
      elements = 0;
    buffer.low = 0;
    buffer.high = elements;
    switch (info.kind) {
    case MERCER_EMU_SHARED:
      buffer.base = state.shared + info.place;
      break;
    case MERCER_EMU_SCRATCH: {
      const size_t bytes = (elements * info.bytes + 127) / 128 * 128;
      if (bytes > buffer.scratchBytes) {
        free(buffer.scratch);
        buffer.scratch = static_cast<char *>(aligned_alloc(128, bytes));
        buffer.scratchBytes = buffer.scratch ? bytes : 0;
        if (!buffer.scratch)
          return false;
      }
      break;
    }
    default:
      buffer.base = reinterpret_cast<char *>(state.params[info.place]);
      break;
    }
    if (info.kind != MERCER_EMU_INPUT && !makeShadow(buffer, elements))
      return false;
  }
  return true;
}

/// All shadow words become those of a time before all epochs.
static void forgetEpochs(MercerEmuState &state) {
  for (size_t i = 0; i < state.bufferCapacity; ++i)
    if (Buffer &buffer = state.buffers[i]; buffer.writes)
      madvise(buffer.writes, shadowBytes(buffer), MADV_DONTNEED);
  state.epoch = 0;
}

MercerEmuState *mercer::emu::acquire(const MercerEmuKernel &kernel,
                                     const int64_t *params) {
  MercerEmuState *state;
  {
    Lock lock;
    state = freeStates;
    if (state)
      freeStates = state->next;
  }
  if (!state) {
    state = static_cast<MercerEmuState *>(calloc(1, sizeof(MercerEmuState)));
    if (!state)
      return nullptr;
    state->main.state = state;
  }
  state->kernel = &kernel;
  state->params = params;
  state->groupCount = static_cast<uint32_t>(kernel.threads / kernel.subgroup);
  state->blocks = state->barriers = state->warpOperations = 0;
  state->sharedAccesses = state->bankConflicts = 0;
  state->worstConflicts = state->worstSite = 0;
  if (!makeLanes(*state, kernel.threads) || !makeBuffers(*state)) {
    destroy(state);
    return nullptr;
  }
  if (state->epoch >= manyEpochs)
    forgetEpochs(*state);
  state->callStart = state->epoch + epochStep;
  return state;
}

static void addCounters(const MercerEmuState &state) {
  MercerEmuCounters &counters = *state.kernel->counters;
  Lock lock;
  if (!counters.name) {
    counters.name = state.kernel->name;
    counters.next = allCounters;
    allCounters = &counters;
  }
  counters.blocks += state.blocks;
  counters.barriers += state.barriers;
  counters.warp_operations += state.warpOperations;
  counters.shared_accesses += state.sharedAccesses;
  counters.bank_conflicts += state.bankConflicts;
  if (state.worstConflicts > counters.worst_conflicts) {
    counters.worst_conflicts = state.worstConflicts;
    counters.worst_site = state.worstSite;
  }
}

void mercer::emu::release(MercerEmuState *state) {
  addCounters(*state);
  // The lanes of a failed block still stand where they were.
  if (state->failed)
    startFibers(*state);
  for (size_t i = 0; i < state->bufferCapacity; ++i) {
    Buffer &buffer = state->buffers[i];
    if (shadowBytes(buffer) > keptShadowBytes)
      dropShadow(buffer);
  }
  Lock lock;
  state->next = freeStates;
  freeStates = state;
}

bool mercer::emu::growCopies(Lane &lane) {
  const uint32_t capacity = lane.copyCapacity ? 2 * lane.copyCapacity : 32;
  void *grown = realloc(lane.copies, capacity * sizeof(Copy));
  if (!grown)
    return false;
  lane.copies = static_cast<Copy *>(grown);
  lane.copyCapacity = capacity;
  return true;
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

/// Memory as a block finds it: undefined, made of NaNs where it is small.
static void startBlock(MercerEmuState &state) {
  const MercerEmuKernel &kernel = *state.kernel;
  if (kernel.shared_bytes > 0)
    memset(state.shared, 0xff, kernel.shared_bytes);
  if (state.epoch >= manyEpochs + manyEpochs / 2) {
    forgetEpochs(state);
    state.callStart = epochStep;
  }
  const uint32_t start = state.epoch + epochStep;
  for (int64_t i = 0; i < kernel.buffer_count; ++i) {
    Buffer &buffer = state.buffers[i];
    const bool ofBlock = buffer.info->kind == MERCER_EMU_SHARED ||
                         buffer.info->kind == MERCER_EMU_SCRATCH;
    buffer.readFloor = ofBlock ? 0 : state.callStart;
    buffer.writeFloor = ofBlock ? start : state.callStart;
    if (buffer.info->kind != MERCER_EMU_SCRATCH)
      continue;
    buffer.low = state.block * buffer.info->elements;
    buffer.high = buffer.low + buffer.info->elements;
    buffer.base = buffer.scratch - (buffer.low << buffer.shift);
  }
  for (int64_t i = 0; i < kernel.threads; ++i) {
    Lane &lane = state.lanes[i];
    lane.logNext = lane.log;
    lane.copyBegin = lane.copyEnd = lane.openGroup = 0;
  }
  for (uint32_t i = 0; i < state.groupCount; ++i)
    state.groups[i].arrived = 0;
}

void mercer_emu_run(const MercerEmuKernel *kernel, MercerEmuLane lane,
                    const int64_t *params, int64_t begin, int64_t end) {
  if (begin >= end || hasFailed(params))
    return;
  MercerEmuState *state = acquire(*kernel, params);
  if (!state) {
    keepError(params, static_cast<int32_t>(Code::OutOfMemory),
              "no memory to emulate a block");
    return;
  }
  state->function = lane;
  state->tiles = end;
  // Two tiles a block, so that a block which goes on to its next tile too early
  // is found.
  state->grid = (end - begin + 1) / 2;
  for (int64_t block = 0; block < state->grid; ++block) {
    state->block = begin + block;
    startBlock(*state);
    if (!runBlock(*state))
      break;
  }
  release(state);
}

/// MERCER_EMULATOR_REPORT=FILE: what each kernel did is appended to FILE when
/// the artifact is unloaded.
__attribute__((destructor)) static void finish() {
  while (MercerEmuState *state = freeStates) {
    freeStates = state->next;
    destroy(state);
  }
  const char *path = getenv("MERCER_EMULATOR_REPORT");
  if (!path || !allCounters)
    return;
  FILE *file = fopen(path, "a");
  if (!file)
    return;
  for (const MercerEmuCounters *c = allCounters; c; c = c->next)
    fprintf(file,
            "%s: %llu blocks, %llu barriers, %llu warp operations, %llu shared "
            "accesses, %llu bank conflicts, at most %llu\n",
            c->name, static_cast<unsigned long long>(c->blocks),
            static_cast<unsigned long long>(c->barriers),
            static_cast<unsigned long long>(c->warp_operations),
            static_cast<unsigned long long>(c->shared_accesses),
            static_cast<unsigned long long>(c->bank_conflicts),
            static_cast<unsigned long long>(c->worst_conflicts));
  fclose(file);
}
