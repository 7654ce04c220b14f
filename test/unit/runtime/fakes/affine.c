// A hand-written artifact: y = x * scale + shift over rows of four, in two
// phases with scratch, and entry points that fail in every way a host program
// can. constants: float scale[4], float shift[4]. MANIFEST
// is the file that the build makes of affine.json.in.
#include "mercer/abi.h"

#ifndef MODULE_ID
#define MODULE_ID 1
#endif
#ifndef ABI_VERSION
#define ABI_VERSION MERCER_ABI_VERSION
#endif
#ifndef FACTOR
#define FACTOR 1.0f
#endif

// params: x, rows, y, constants
static int64_t rowTiles(const int64_t *params) {
#ifdef DIES
  __builtin_trap();
#endif
#ifdef HANGS
  for (volatile int forever = 1; forever;)
    ;
#endif
  return params[1];
}

static void scaleRows(const int64_t *params, int64_t begin, int64_t end,
                      void *scratch) {
  const float *x = (const float *)params[0];
  float *y = (float *)params[2], *row = scratch;
  const float *scale = (const float *)params[3];
  for (int64_t i = begin; i < end; ++i) {
    for (int j = 0; j < 4; ++j)
      row[j] = x[4 * i + j] * scale[j] * FACTOR;
    for (int j = 0; j < 4; ++j)
      y[4 * i + j] = row[j];
  }
}

static void shiftRows(const int64_t *params, int64_t begin, int64_t end,
                      void *scratch) {
  const float *x = (const float *)params[0];
  float *y = (float *)params[2];
  const float *shift = (const float *)params[3];
  for (int64_t i = begin; i < end; ++i)
    for (int j = 0; j < 4; ++j)
      y[4 * i + j] = x[4 * i + j] + shift[j];
}

static const MercerKernelDesc kernels[] = {
    {"scale", rowTiles, scaleRows, 64},
    {"shift", rowTiles, shiftRows, 0},
};

// args: x, N, 4
static int32_t runMain(const MercerRuntimeTable *rt, void *ctx,
                       const void *const *constants, const int64_t *args) {
  void *scaled = rt->arena(ctx, args[1] * 16);
  if (!scaled)
    return 1;
  void *y = rt->output(ctx, 0, 2, args + 1);
  if (!y)
    return 1;
  int64_t first[] = {args[0], args[1], (int64_t)scaled, (int64_t)constants[0]};
  int32_t code = rt->launch(ctx, 0, 0, first);
  if (code)
    return code;
  int64_t second[] = {(int64_t)scaled, args[1], (int64_t)y,
                      (int64_t)constants[1]};
  return rt->launch(ctx, 1, 1, second);
}

static int32_t shapesMain(const int64_t *in, int64_t *out) {
  out[0] = in[0];
  out[1] = 4;
  return 0;
}

// args: a, N, b, N
static int32_t runPair(const MercerRuntimeTable *rt, void *ctx,
                       const void *const *constants, const int64_t *args) {
  float *y = rt->output(ctx, 0, 1, args + 1);
  if (!y)
    return 1;
  for (int64_t i = 0; i < args[1]; ++i)
    y[i] = ((const float *)args[0])[i] + ((const float *)args[2])[i];
  return 0;
}

static int32_t runFail(const MercerRuntimeTable *rt, void *ctx,
                       const void *const *constants, const int64_t *args) {
  int64_t dims[] = {args[1]};
  if (!rt->output(ctx, 0, 1, dims))
    return 1;
  return rt->error(ctx, 0, "[E4103] rows of a and b: expects 3, got 4");
}

static int32_t runSilent(const MercerRuntimeTable *rt, void *ctx,
                         const void *const *constants, const int64_t *args) {
  return 4108;
}

static int32_t runMissing(const MercerRuntimeTable *rt, void *ctx,
                          const void *const *constants, const int64_t *args) {
  return 0;
}

static int32_t runWild(const MercerRuntimeTable *rt, void *ctx,
                       const void *const *constants, const int64_t *args) {
  return rt->launch(ctx, 77, 0, args);
}

static int32_t runHuge(const MercerRuntimeTable *rt, void *ctx,
                       const void *const *constants, const int64_t *args) {
  int64_t dims[] = {INT64_MAX};
  return rt->output(ctx, 0, 1, dims) ? 0 : 1;
}

static int32_t runGreedy(const MercerRuntimeTable *rt, void *ctx,
                         const void *const *constants, const int64_t *args) {
  return rt->alloc(ctx, INT64_MAX / 2) ? 0 : 1;
}

static int32_t shapesFail(const int64_t *in, int64_t *out) { return 4103; }

static const MercerEntryDesc entries[] = {
    {"main", runMain, shapesMain}, {"pair", runPair, 0},
    {"fail", runFail, shapesFail}, {"silent", runSilent, 0},
    {"missing", runMissing, 0},    {"wild", runWild, 0},
    {"huge", runHuge, 0},          {"greedy", runGreedy, 0},
};

static const char manifest[] = {
#embed MANIFEST
};

__attribute__((visibility("default")))
const MercerModuleDesc mercer_module = {ABI_VERSION,
                                        sizeof(MercerModuleDesc),
                                        MODULE_ID,
                                        manifest,
                                        sizeof(manifest),
                                        kernels,
                                        2,
                                        entries,
                                        sizeof(entries) / sizeof(*entries)};
