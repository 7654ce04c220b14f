// A hand-written artifact for a GPU whose code nobody can run: the loader and
// contexts of other devices are tested with it.
#include "mercer/abi.h"

static int64_t noTiles(const int64_t *params) { return 0; }

static const MercerDeviceParam params[] = {
#ifdef SCRATCH_FIRST
    {MERCER_PARAM_SCRATCH, 4, 1, 0, 1, 64},
#endif
    {MERCER_PARAM_BUFFER, 4, 1, 1, 1, 1}};

static const MercerKernelDesc kernels[] = {{"none", noTiles, 0, 0}};
static const MercerDeviceKernelDesc deviceKernels[] = {
    {"none", "code", CODE_SIZE, MERCER_CODE_SPIRV, 64, 0, 0, params,
     sizeof(params) / sizeof(*params), 0, 1}};

// args: x, N
static int32_t run(const MercerRuntimeTable *rt, void *ctx,
                   const void *const *constants, const int64_t *args) {
  return rt->output(ctx, 0, 1, args + 1) ? rt->launch(ctx, 0, 0, args) : 1;
}

static const char manifest[] = {
#embed MANIFEST
};

static const MercerEntryDesc entries[] = {{"main", run, 0}};

__attribute__((visibility("default")))
const MercerModuleDesc mercer_module = {MERCER_ABI_VERSION,
                                        sizeof(MercerModuleDesc),
                                        5,
                                        manifest,
                                        sizeof(manifest),
                                        kernels,
                                        1,
                                        entries,
                                        1,
                                        deviceKernels};
