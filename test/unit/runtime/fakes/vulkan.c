// A hand-written artifact for Vulkan. Its kernels are those of fakes/spirv; the
// entry points use what a host program can of a device.
// constants: float[4], float[4].
#include "mercer/abi.h"

static const uint8_t scaleCode[] = {
#embed "scale.spv"
};
static const uint8_t addCode[] = {
#embed "add.spv"
};
static const uint8_t wideCode[] = {
#embed "wide.spv"
};
static const uint8_t chunksCode[] = {
#embed "chunks.spv"
};
static const uint8_t reverseCode[] = {
#embed "reverse.spv"
};

#define INPUT(dims, elements) {MERCER_PARAM_BUFFER, 4, 0, dims, 1, elements}
#define RESULT(dims, elements) {MERCER_PARAM_BUFFER, 4, 1, dims, 1, elements}
#define SCALAR(bytes) {MERCER_PARAM_SCALAR, bytes, 0, 0, 0, 0}
#define FOUR SCALAR(4), SCALAR(4), SCALAR(4), SCALAR(4)
#define COUNT(array) (sizeof(array) / sizeof(*array))

static const MercerDeviceParam scaleParams[] = {INPUT(1, 1), RESULT(1, 1),
                                                SCALAR(4)};
static const MercerDeviceParam addParams[] = {INPUT(1, 1), INPUT(0, 4),
                                              RESULT(1, 1)};
static const MercerDeviceParam wideParams[] = {
    RESULT(1, 1), FOUR, FOUR, FOUR, FOUR,     FOUR,
    FOUR,         FOUR, FOUR, FOUR, SCALAR(8)};
static const MercerDeviceParam chunksParams[] = {
    {MERCER_PARAM_BUFFER, 4, 1, 1, 2, 1}};
static const MercerDeviceParam reverseParams[] = {
    INPUT(1, 1), RESULT(1, 1), {MERCER_PARAM_SCRATCH, 4, 1, 0, 1, 64}};
// One parameter less than the code has: only a validation layer sees it.
static const MercerDeviceParam misusedParams[] = {INPUT(1, 1), RESULT(1, 1)};

#define KERNEL(code, params)                                                   \
  {"main", code, sizeof(code), MERCER_CODE_SPIRV, 64,                          \
   0,      0,    params,       COUNT(params),     0,                           \
   1}
static const MercerDeviceKernelDesc deviceKernels[] = {
    KERNEL(scaleCode, scaleParams),     KERNEL(addCode, addParams),
    KERNEL(wideCode, wideParams),       KERNEL(chunksCode, chunksParams),
    KERNEL(reverseCode, reverseParams), KERNEL(scaleCode, misusedParams)};
enum { Scale, Add, Wide, Chunks, Reverse, Misused };

// Every kernel has the size that counts behind its first pointer.
static int64_t tilesOf64(const int64_t *params) {
  return (params[1] + 63) / 64;
}
static int64_t twoTiles(const int64_t *params) { return 2; }
static const MercerKernelDesc kernels[] = {
    {"scale", tilesOf64, 0, 0},   {"add", tilesOf64, 0, 0},
    {"wide", tilesOf64, 0, 0},    {"chunks", twoTiles, 0, 0},
    {"reverse", tilesOf64, 0, 0}, {"misused", tilesOf64, 0, 0}};

static int64_t bits(float value) {
  union {
    float value;
    uint32_t bits;
  } u = {value};
  return u.bits;
}

static int32_t scale(const MercerRuntimeTable *rt, void *ctx, const void *x,
                     void *y, int64_t size, float factor) {
  int64_t params[] = {(int64_t)x, size, (int64_t)y, size, bits(factor)};
  return rt->launch(ctx, Scale, 0, params);
}

static int32_t add(const MercerRuntimeTable *rt, void *ctx, const void *a,
                   const void *b, void *y, int64_t size) {
  int64_t params[] = {(int64_t)a, size, (int64_t)b, (int64_t)y, size};
  return rt->launch(ctx, Add, 1, params);
}

#define ENTRY(name)                                                            \
  static int32_t name(const MercerRuntimeTable *rt, void *ctx,                 \
                      const void *const *constants, const int64_t *args)

// y = 3 x + second constant, through a temporary at an odd element.
ENTRY(runMain) {
  float *scaled = rt->arena(ctx, args[1] * 4 + 4);
  void *y = rt->output(ctx, 0, 1, args + 1);
  if (!scaled || !y)
    return 1;
  int32_t code = scale(rt, ctx, (void *)args[0], scaled + 1, args[1], 3);
  return code ? code : add(rt, ctx, scaled + 1, constants[1], y, args[1]);
}

// y[i] = 0.5 * (0 + 1 + .. + 35) + 2^32 + 5 + i, with more parameters than push
// constants hold.
ENTRY(runWide) {
  void *y = rt->output(ctx, 0, 1, args + 1);
  if (!y)
    return 1;
  int64_t params[39] = {(int64_t)y, args[1]};
  for (int i = 0; i < 36; ++i)
    params[2 + i] = bits(0.5f * (float)i);
  params[38] = ((int64_t)1 << 32) + 5;
  return rt->launch(ctx, Wide, 0, params);
}

// A buffer in two chunks that starts at an odd element; its last 128 elements
// lie on both sides of the boundary.
ENTRY(runChunks) {
  const int64_t size = ((int64_t)1 << 25) + 64;
  float *large = rt->arena(ctx, 4 * size + 4);
  int64_t shape[] = {128};
  void *y = rt->output(ctx, 0, 1, shape);
  if (!large || !y)
    return 1;
  int64_t params[] = {(int64_t)(large + 1), size};
  int32_t code = rt->launch(ctx, Chunks, 0, params);
  return code ? code : rt->copy(ctx, y, large + 1 + size - 128, 512);
}

// Halves x until its first element is at most 1, which the host reads after
// each step; the number of steps is the second output.
ENTRY(runHalve) {
  const int64_t size = args[1];
  void *y = rt->output(ctx, 0, 1, args + 1);
  int64_t *steps = rt->output(ctx, 1, 0, 0);
  void *other = rt->alloc(ctx, 4 * size);
  if (!y || !steps || !other)
    return 1;
  int64_t count = 0;
  int32_t code = rt->copy(ctx, y, (void *)args[0], 4 * size);
  while (!code) {
    const float *first = rt->read(ctx, y, 4);
    if (!first)
      return 1;
    if (*first <= 1)
      break;
    code = scale(rt, ctx, y, other, size, 0.5f);
    if (!code)
      code = rt->copy(ctx, y, other, 4 * size);
    ++count;
  }
  rt->free(ctx, other);
  return code ? code : rt->write(ctx, steps, count, 8);
}

// Reverses each 64 elements through scratch.
ENTRY(runReverse) {
  void *y = rt->output(ctx, 0, 1, args + 1);
  if (!y)
    return 1;
  int64_t params[] = {args[0], args[1], (int64_t)y, args[1]};
  return rt->launch(ctx, Reverse, 0, params);
}

// state += x, y = state.
ENTRY(runAccumulate) {
  int64_t dims[] = {64};
  float *state = rt->state(ctx, 0, 1, dims, 0);
  void *y = rt->output(ctx, 0, 1, dims);
  if (!state || !y)
    return 1;
  int32_t code = add(rt, ctx, state, (void *)args[0], y, 64);
  return code ? code : rt->copy(ctx, state, y, 256);
}

// The first x[0] elements of x: a shape that only the device knows.
ENTRY(runFirst) {
  const float *first = rt->read(ctx, (void *)args[0], 4);
  if (!first)
    return 1;
  int64_t count = (int64_t)*first;
  void *y = rt->output(ctx, 0, 1, &count);
  return y ? scale(rt, ctx, (void *)args[0], y, count, 1) : 1;
}

// Leaves the last element of its output alone.
ENTRY(runForget) {
  void *y = rt->output(ctx, 0, 1, args + 1);
  return y ? scale(rt, ctx, (void *)args[0], y, args[1] - 1, 1) : 1;
}

// An address that is no memory.
ENTRY(runStray) {
  void *y = rt->output(ctx, 0, 1, args + 1);
  return y ? scale(rt, ctx, (void *)args[0], (char *)y + ((int64_t)1 << 40),
                   args[1], 1)
           : 1;
}

ENTRY(runMisused) {
  void *y = rt->output(ctx, 0, 1, args + 1);
  if (!y)
    return 1;
  int64_t params[] = {args[0], args[1], (int64_t)y, args[1]};
  return rt->launch(ctx, Misused, 0, params);
}

static const char manifest[] = {
#embed MANIFEST
};

static const MercerEntryDesc entries[] = {
    {"main", runMain, 0},       {"wide", runWide, 0},
    {"chunks", runChunks, 0},   {"halve", runHalve, 0},
    {"reverse", runReverse, 0}, {"accumulate", runAccumulate, 0},
    {"first", runFirst, 0},     {"forget", runForget, 0},
    {"stray", runStray, 0},     {"misused", runMisused, 0}};

__attribute__((visibility("default")))
const MercerModuleDesc mercer_module = {MERCER_ABI_VERSION,
                                        sizeof(MercerModuleDesc),
                                        6,
                                        manifest,
                                        sizeof(manifest),
                                        kernels,
                                        COUNT(kernels),
                                        entries,
                                        COUNT(entries),
                                        deviceKernels};
