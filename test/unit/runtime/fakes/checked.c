// A hand-written artifact whose kernel checks itself: y = x, where a negative
// element is an error that the kernel tells after its launch.
#include "mercer/abi.h"

static int64_t failed = -1;

// params: x, N, y
static int64_t tiles(const int64_t *params) { return params[1]; }

static void copy(const int64_t *params, int64_t begin, int64_t end,
                 void *scratch) {
  const float *x = (const float *)params[0];
  float *y = (float *)params[2];
  for (int64_t i = begin; i < end; ++i) {
    y[i] = x[i];
    if (x[i] < 0)
      failed = i;
  }
}

static int32_t takeError(const int64_t *params, char *message, size_t size) {
  if (failed < 0)
    return 0;
  static const char text[] = "element 0 is negative";
  for (size_t i = 0; i < sizeof(text) && i < size; ++i)
    message[i] = i == 8 ? (char)('0' + failed) : text[i];
  failed = -1;
  return 4603;
}

static const MercerKernelDesc kernels[] = {{"copy", tiles, copy, 0}};

// args: x, N
static int32_t run(const MercerRuntimeTable *rt, void *ctx,
                   const void *const *constants, const int64_t *args) {
  void *y = rt->output(ctx, 0, 1, args + 1);
  if (!y)
    return 1;
  int64_t params[] = {args[0], args[1], (int64_t)y};
  return rt->launch(ctx, 0, 0, params);
}

static const char manifest[] = {
#embed MANIFEST
};

static const MercerEntryDesc entries[] = {{"main", run, 0}};

__attribute__((visibility("default")))
const MercerModuleDesc mercer_module = {MERCER_ABI_VERSION,
                                        sizeof(MercerModuleDesc),
                                        6,
                                        manifest,
                                        sizeof(manifest),
                                        kernels,
                                        1,
                                        entries,
                                        1,
                                        0,
                                        takeError};
