// A hand-written artifact whose output shape depends on data: indices of the
// elements of x that are not 0.
#include "mercer/abi.h"

// args: x, N
static int32_t run(const MercerRuntimeTable *rt, void *ctx,
                   const void *const *constants, const int64_t *args) {
  const uint8_t *x = rt->read(ctx, (const void *)args[0], args[1]);
  if (!x)
    return 1;
  int64_t *found = rt->alloc(ctx, args[1] * 8);
  if (!found)
    return 1;
  int64_t count = 0;
  for (int64_t i = 0; i < args[1]; ++i)
    if (x[i] && rt->write(ctx, found + count++, i, 8))
      return 1;
  void *out = rt->output(ctx, 0, 1, &count);
  if (!out)
    return 1;
  int32_t code = rt->copy(ctx, out, found, count * 8);
  rt->free(ctx, found);
  return code;
}

static const char manifest[] = {
#embed MANIFEST
};

static const MercerEntryDesc entries[] = {{"main", run, 0}};

__attribute__((visibility("default")))
const MercerModuleDesc mercer_module = {MERCER_ABI_VERSION,
                                        sizeof(MercerModuleDesc),
                                        3,
                                        manifest,
                                        sizeof(manifest),
                                        0,
                                        0,
                                        entries,
                                        1};
