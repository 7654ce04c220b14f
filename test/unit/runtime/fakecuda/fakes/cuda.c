// A hand-written artifact for CUDA. Its kernels are host functions that a test
// registers with the fake driver under the names of the PTX entries; its host
// program follows no address. constants: float scale[4], float shift[4].
#include "mercer/abi.h"

#ifndef MODULE_ID
#define MODULE_ID 31
#endif
#ifndef SHARED
#define SHARED 65536
#endif
#ifndef SCRATCH
#define SCRATCH 1024
#endif
#ifndef FORMAT
#define FORMAT MERCER_CODE_PTX
#endif
#ifndef SHIFT_NAME
#define SHIFT_NAME "shift_rows"
#endif
#ifndef HEADER
#define HEADER ".version 8.0\n.target sm_80\n"
#endif

static const char rows[] = HEADER
    ".visible .entry scale_rows(.param .u64 tiles, .param .u64 x,\n"
    "  .param .u64 rows, .param .u64 y, .param .u64 yrows, .param .u64 c,\n"
    "  .param .f32 factor) .maxntid 128, 1, 1 { ret; }\n"
    ".visible .entry shift_rows(.param .u64 tiles, .param .u64 x,\n"
    "  .param .u64 rows, .param .u64 y, .param .u64 yrows, .param .u64 c)\n"
    "  .maxntid 128, 1, 1 { ret; }\n";
static const char others[] = HEADER
    ".visible .entry count(.param .u64 tiles, .param .u64 x, .param .u64 n,\n"
    "  .param .u64 found) .reqntid 32, 1, 1 { ret; }\n"
    ".visible .entry large(.param .u64 tiles, .param .u64 x, .param .u64 n,\n"
    "  .param .u64 y, .param .u64 ny, .param .u64 scratch, .param .u64 more)\n"
    "  .reqntid 256, 1, 1 { ret; }\n";

#define BUFFER(written, dims) {MERCER_PARAM_BUFFER, 4, written, dims, 1, 4}
static const MercerDeviceParam scaleParams[] = {
    BUFFER(0, 1),
    BUFFER(1, 1),
    BUFFER(0, 0),
    {MERCER_PARAM_SCALAR, 4, 0, 0, 0, 0}};
static const MercerDeviceParam shiftParams[] = {BUFFER(0, 1), BUFFER(1, 1),
                                                BUFFER(0, 0)};
static const MercerDeviceParam countParams[] = {
    {MERCER_PARAM_BUFFER, 4, 0, 1, 1, 1}, {MERCER_PARAM_BUFFER, 8, 1, 0, 1, 1}};
static const MercerDeviceParam largeParams[] = {
    {MERCER_PARAM_BUFFER, 4, 0, 1, 1, 1},
    {MERCER_PARAM_BUFFER, 4, 1, 1, 1, 1},
    {MERCER_PARAM_SCRATCH, 4, 1, 0, 1, SCRATCH},
    {MERCER_PARAM_SCRATCH, 2, 1, 0, 1, 3}};

static int64_t tilesOfRows(const int64_t *params) { return params[1]; }

static const MercerKernelDesc kernels[] = {{"scale", tilesOfRows, 0, 0},
                                           {"shift", tilesOfRows, 0, 0},
                                           {"count", tilesOfRows, 0, 0},
                                           {"large", tilesOfRows, 0, 0}};
// The first module's size leaves out the terminator, the second's does not.
static const MercerDeviceKernelDesc deviceKernels[] = {
    {"scale_rows", rows, sizeof(rows) - 1, FORMAT, 128, 0, 0, scaleParams, 4, 0,
     32},
    {SHIFT_NAME, rows, sizeof(rows) - 1, FORMAT, 128, 0, 0, shiftParams, 3, 0,
     32},
    {"count", others, sizeof(others), FORMAT, 32, 0, 0, countParams, 2, 0, 32},
    {"large", others, sizeof(others), FORMAT, 256, 0, SHARED, largeParams, 4, 0,
     32}};

// args: x, N, 4
static int32_t runMain(const MercerRuntimeTable *rt, void *ctx,
                       const void *const *constants, const int64_t *args) {
  void *scaled = rt->arena(ctx, args[1] * 16);
  if (!scaled)
    return 1;
  void *y = rt->output(ctx, 0, 2, args + 1);
  if (!y)
    return 1;
  union {
    float value;
    int64_t word;
  } two = {.word = 0};
  two.value = 2.0f;
  int64_t first[] = {
      args[0], args[1], (int64_t)scaled, args[1], (int64_t)constants[0],
      two.word};
  int32_t code = rt->launch(ctx, 0, 0, first);
  if (code)
    return code;
  int64_t second[] = {(int64_t)scaled, args[1], (int64_t)y, args[1],
                      (int64_t)constants[1]};
  return rt->launch(ctx, 1, 1, second);
}

static int32_t shapesMain(const int64_t *in, int64_t *out) {
  out[0] = in[0];
  out[1] = 4;
  return 0;
}

// The values of x that are not zero, so many of them as the host has read.
// args: x, N
static int32_t runNonzero(const MercerRuntimeTable *rt, void *ctx,
                          const void *const *constants, const int64_t *args) {
  void *found = rt->alloc(ctx, 8 + 4 * args[1]);
  if (!found)
    return 1;
  int32_t code = rt->write(ctx, found, 0, 8);
  if (code)
    return code;
  int64_t params[] = {args[0], args[1], (int64_t)found};
  if ((code = rt->launch(ctx, 2, 2, params)))
    return code;
  const int64_t *count = rt->read(ctx, found, 8);
  if (!count)
    return 1;
  int64_t dims[] = {*count};
  void *y = rt->output(ctx, 0, 1, dims);
  if (!y)
    return 1;
  if ((code = rt->copy(ctx, y, (char *)found + 8, 4 * dims[0])))
    return code;
  rt->free(ctx, found);
  return 0;
}

// Scalars of every width over a known pattern.
static int32_t runStore(const MercerRuntimeTable *rt, void *ctx,
                        const void *const *constants, const int64_t *args) {
  int64_t dims[] = {4};
  char *y = rt->output(ctx, 0, 1, dims);
  if (!y)
    return 1;
  for (int i = 0; i < 4; ++i)
    if (rt->write(ctx, y + 8 * i, 0x1111111122222222, 8))
      return 1;
  if (rt->write(ctx, y, -2, 1) || rt->write(ctx, y + 8, -2, 2))
    return 1;
  return rt->write(ctx, y + 16, -2, 4);
}

// args: x, N
static int32_t runLarge(const MercerRuntimeTable *rt, void *ctx,
                        const void *const *constants, const int64_t *args) {
  void *y = rt->output(ctx, 0, 1, args + 1);
  if (!y)
    return 1;
  int64_t params[] = {args[0], args[1], (int64_t)y, args[1]};
  return rt->launch(ctx, 3, 3, params);
}

static const char manifest[] = {
#embed MANIFEST
};

static const MercerEntryDesc entries[] = {{"main", runMain, shapesMain},
                                          {"nonzero", runNonzero, 0},
                                          {"store", runStore, 0},
                                          {"large", runLarge, 0}};

__attribute__((visibility("default")))
const MercerModuleDesc mercer_module = {MERCER_ABI_VERSION,
                                        sizeof(MercerModuleDesc),
                                        MODULE_ID,
                                        manifest,
                                        sizeof(manifest),
                                        kernels,
                                        4,
                                        entries,
                                        4,
                                        deviceKernels};
