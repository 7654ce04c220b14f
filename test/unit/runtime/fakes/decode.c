// A hand-written artifact that owns state: "main" appends the rows of x to a
// growing cache and returns the mean of all rows so far; "prefill" shares the
// cache; `calls` is a state of fixed shape that counts runs.
#include "mercer/abi.h"

// args: x, S, 2
static int32_t append(const MercerRuntimeTable *rt, void *ctx,
                      const void *const *constants, const int64_t *args) {
  int64_t dims[] = {0, 2}, length, none = 1;
  float *cache = rt->state(ctx, 0, 2, dims, &length);
  if (!cache)
    return 1;
  int64_t *calls = rt->state(ctx, 1, 1, &none, 0);
  if (!calls)
    return 1;
  int32_t code = rt->set_state_length(ctx, 0, length + args[1]);
  if (code)
    return code;
  code = rt->copy(ctx, cache + 2 * length, (const void *)args[0], args[1] * 8);
  if (code)
    return code;
  ++*calls;
  int64_t shape[] = {2};
  float *mean = rt->output(ctx, 0, 1, shape);
  if (!mean)
    return 1;
  int64_t total = length + args[1];
  mean[0] = mean[1] = 0;
  for (int64_t i = 0; i < total; ++i) {
    mean[0] += cache[2 * i];
    mean[1] += cache[2 * i + 1];
  }
  mean[0] /= (float)total;
  mean[1] /= (float)total;
  // A row of NaN is refused after everything has been written: the length
  // must stay what it was.
  if (mean[0] != mean[0])
    return rt->error(ctx, 4108, "a row is not a number");
  return 0;
}

static const char manifest[] = {
#embed MANIFEST
};

static const MercerEntryDesc entries[] = {{"main", append, 0},
                                          {"prefill", append, 0}};

__attribute__((visibility("default")))
const MercerModuleDesc mercer_module = {MERCER_ABI_VERSION,
                                        sizeof(MercerModuleDesc),
                                        2,
                                        manifest,
                                        sizeof(manifest),
                                        0,
                                        0,
                                        entries,
                                        2};
