//===- Emulator.h - runtime of emulated GPU kernels ---------------*- C -*-===//
//
// What the code that backends/emulator generates calls, and the constant data
// that it describes a kernel with. The functions are linked into the artifact
// (docs/emulator.md); the compiler mirrors the structures field by field.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_RUNTIME_EMULATOR_EMULATOR_H
#define MERCER_RUNTIME_EMULATOR_EMULATOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The block that a thread emulates at the moment.
typedef struct MercerEmuState MercerEmuState;

enum {
  MERCER_EMU_INPUT = 0,   ///< global memory that the kernel only reads
  MERCER_EMU_GLOBAL = 1,  ///< global memory that the kernel writes
  MERCER_EMU_SCRATCH = 2, ///< global memory of one workgroup
  MERCER_EMU_SHARED = 3,
  /// Stands for a private array where a buffer's number is asked for.
  MERCER_EMU_PRIVATE = 0xffff
};

/// A buffer of a kernel. Behind it lie `factor_count` numbers of parameter
/// words, then the next buffer.
typedef struct MercerEmuBuffer {
  int64_t kind;   ///< MERCER_EMU_*
  int64_t number; ///< the kernel's argument, or its shared array
  int64_t bytes;  ///< of an element
  /// Global: the word of its pointer; shared: byte offset in shared memory.
  int64_t place;
  /// Elements, times the words behind; of a workgroup for scratch.
  int64_t elements;
  int64_t factor_count;
} MercerEmuBuffer;

/// What was counted over all launches of a kernel.
typedef struct MercerEmuCounters {
  uint64_t blocks, barriers, warp_operations;
  uint64_t shared_accesses; ///< of whole warps
  uint64_t bank_conflicts;  ///< sum over them
  uint64_t worst_conflicts; ///< of one of them
  uint64_t worst_site;
  const char *name; ///< set at the first launch
  struct MercerEmuCounters *next;
} MercerEmuCounters;

typedef struct MercerEmuKernel {
  const char *name;
  /// Of each operation that is checked its name and its location, both
  /// null-terminated; functions get the number of the pair as `site`.
  const char *sites;
  const MercerEmuBuffer *buffers;
  MercerEmuCounters *counters;
  int64_t buffer_count;
  int64_t threads, subgroup, shared_bytes;
  int64_t max_bank_conflicts; ///< negative: no claim
} MercerEmuKernel;

/// What one invocation of block `block` does. The kernel loops over the tiles
/// `block`, `block + grid`, ... below `tiles`.
typedef void (*MercerEmuLane)(MercerEmuState *state, const int64_t *params,
                              int64_t lane, int64_t block, int64_t grid,
                              int64_t tiles);

/// Emulates the blocks that cover the tiles [begin, end).
void mercer_emu_run(const MercerEmuKernel *kernel, MercerEmuLane lane,
                    const int64_t *params, int64_t begin, int64_t end);

/// The code of the first error of the launch with these params, 0 if none; the
/// launch's record of it is gone afterwards. `message` gets at most `size`
/// bytes with the terminator.
int32_t mercer_emu_take_error(const int64_t *params, char *message,
                              size_t size);

/// Start of a shared or scratch buffer.
void *mercer_emu_base(MercerEmuState *state, uint32_t buffer);

/// Before an access to `count` elements from `index` on.
void mercer_emu_read(MercerEmuState *state, uint32_t site, uint32_t buffer,
                     int64_t index, uint32_t count, uint32_t alignment);
void mercer_emu_write(MercerEmuState *state, uint32_t site, uint32_t buffer,
                      int64_t index, uint32_t count, uint32_t alignment);
/// An access that generated code has found to be out of bounds or misaligned.
void mercer_emu_bad_access(MercerEmuState *state, uint32_t site,
                           uint32_t buffer, int64_t index, uint32_t count,
                           uint32_t alignment);

void mercer_emu_barrier(MercerEmuState *state, uint32_t site);

enum {
  MERCER_EMU_XOR = 0,
  MERCER_EMU_UP = 1,
  MERCER_EMU_DOWN = 2,
  MERCER_EMU_IDX = 3
};
uint64_t mercer_emu_shuffle(MercerEmuState *state, uint32_t site, uint32_t mode,
                            uint64_t value, int32_t offset, int32_t width);
/// Whether the last shuffle of this lane had a lane to read from.
int32_t mercer_emu_shuffle_valid(MercerEmuState *state);

/// `tiles` times four bytes a lane go to `result`.
void mercer_emu_ldmatrix(MercerEmuState *state, uint32_t site, uint32_t buffer,
                         int64_t index, uint32_t tiles, uint32_t transpose,
                         void *result);

enum {
  MERCER_EMU_F16 = 0,
  MERCER_EMU_BF16 = 1,
  MERCER_EMU_TF32 = 2,
  MERCER_EMU_S8 = 3,
  MERCER_EMU_F64 = 4
};
/// d = a * b + c on fragments; m x n is 16 x 8 (8 x 8 for f64). `half` says
/// that c and d are f16.
void mercer_emu_mma(MercerEmuState *state, uint32_t site, uint32_t type,
                    uint32_t k, uint32_t half, const void *a, const void *b,
                    const void *c, void *d);

/// `source_elements` below 0: as many as `elements`.
void mercer_emu_async_copy(MercerEmuState *state, uint32_t site,
                           uint32_t to_buffer, int64_t to_index,
                           uint32_t from_buffer, int64_t from_index,
                           int64_t elements, int64_t source_elements);
void mercer_emu_async_commit(MercerEmuState *state);
void mercer_emu_async_wait(MercerEmuState *state, uint32_t pending_groups);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // MERCER_RUNTIME_EMULATOR_EMULATOR_H
