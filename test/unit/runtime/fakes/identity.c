// A hand-written artifact that copies one tensor of the type DTYPE with BITS
// bits an element and the shape ["A", "B"]; with FORGET the last element is
// left unwritten.
#include "mercer/abi.h"

// args: x, A, B
static int32_t run(const MercerRuntimeTable *rt, void *ctx,
                   const void *const *constants, const int64_t *args) {
  void *y = rt->output(ctx, 0, 2, args + 1);
  if (!y)
    return 1;
  int64_t bytes = (args[1] * args[2] * BITS + 7) / 8;
#ifdef FORGET
  bytes -= BITS / 8;
#endif
  return rt->copy(ctx, y, (const void *)args[0], bytes);
}

static const char manifest[] = {
#embed MANIFEST
};

static const MercerEntryDesc entries[] = {{"main", run, 0}};

__attribute__((visibility("default")))
const MercerModuleDesc mercer_module = {MERCER_ABI_VERSION,
                                        sizeof(MercerModuleDesc),
                                        4,
                                        manifest,
                                        sizeof(manifest),
                                        0,
                                        0,
                                        entries,
                                        1};
