//===- mercer.h - load and run compiled models from C -------------*- C -*-===//
//
// The public C interface of libmercer_runtime. Every call takes a context and
// returns 0 or a stable code of error_codes.def; mercer_context_error() then
// gives message and place. Nothing aborts, prints, or throws across this line.
// Guide with a worked example: docs/runtime.md.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_MERCER_H
#define MERCER_MERCER_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define MERCER_API __attribute__((visibility("default")))
#else
#define MERCER_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/// Version of this header. The first member of every options structure is its
/// size as the caller's header knows it: set it to sizeof(the structure) and
/// the rest to zero for the defaults. Later versions only append members.
#define MERCER_API_VERSION 1u

typedef struct MercerContext MercerContext;   ///< one per thread that runs
typedef struct MercerArtifact MercerArtifact; ///< immutable, shared by threads
typedef struct MercerSession MercerSession;   ///< buffers that outlive a run
typedef struct MercerGraph MercerGraph;       ///< a recorded run

//===----------------------------------------------------------------------===//
// Tensors: layout-compatible with DLPack 1.1 (DLDevice, DLDataType, DLTensor)
//===----------------------------------------------------------------------===//

enum MercerDeviceType {
  MERCER_DEVICE_CPU = 1,
  MERCER_DEVICE_CUDA = 2,
  MERCER_DEVICE_VULKAN = 7
};

typedef struct MercerDevice {
  int32_t type; ///< MercerDeviceType
  int32_t id;
} MercerDevice;

enum MercerTypeCode {
  MERCER_INT = 0,
  MERCER_UINT = 1,
  MERCER_FLOAT = 2,
  MERCER_BFLOAT = 4,
  MERCER_COMPLEX = 5,
  MERCER_BOOL = 6,
  MERCER_FLOAT8_E4M3FN = 10,
  MERCER_FLOAT8_E4M3FNUZ = 11,
  MERCER_FLOAT8_E5M2 = 12,
  MERCER_FLOAT8_E5M2FNUZ = 13,
  MERCER_FLOAT8_E8M0FNU = 14,
  MERCER_FLOAT4_E2M1FN = 17
};

/// `lanes` is 1. Types below 8 bits are packed, the first element in the low
/// bits of a byte; booleans are bytes of 0 or 1.
typedef struct MercerDataType {
  uint8_t code; ///< MercerTypeCode
  uint8_t bits;
  uint16_t lanes;
} MercerDataType;

/// A view; it owns nothing. `strides` count elements, NULL means row-major
/// without gaps. `data` need not be aligned beyond its element. On a device it
/// is an address that only contexts of that device can follow, or anyone
/// compute with.
typedef struct MercerTensor {
  void *data;
  MercerDevice device;
  int32_t ndim;
  MercerDataType dtype;
  int64_t *shape;
  int64_t *strides;
  uint64_t byte_offset;
} MercerTensor;

/// Number of devices of a type (MercerDeviceType) that contexts can be made
/// for; 0 where there is no driver. Devices are ordered best first, and {type,
/// 0} is the one to use without a wish.
MERCER_API int32_t mercer_device_count(int32_t type, int32_t *count);

/// A device's name, null-terminated and cut to `size` bytes. E4401 if there is
/// no such device.
MERCER_API int32_t mercer_device_name(MercerDevice device, char *name,
                                      size_t size);

/// Name as in a manifest ("float32", "bfloat16", "int4", ...), NULL if the
/// type is unknown.
MERCER_API const char *mercer_dtype_name(MercerDataType dtype);

/// The type of a name; 0 or E1001 for an unknown name.
MERCER_API int32_t mercer_dtype_parse(const char *name, MercerDataType *dtype);

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

/// The latest failure on a context. The strings live until the next call on
/// that context.
typedef struct MercerError {
  int32_t code;        ///< 0 if the latest call succeeded
  const char *name;    ///< "ArtifactDamaged"
  const char *message; ///< what was expected and what was found
  const char *place;   ///< file, input, kernel or call that it happened in
} MercerError;

/// Static strings; NULL for a number that is no code.
MERCER_API const char *mercer_error_name(int32_t code);
MERCER_API const char *mercer_error_summary(int32_t code);

/// Version of the library, "major.minor.patch".
MERCER_API const char *mercer_version(void);

//===----------------------------------------------------------------------===//
// Context
//===----------------------------------------------------------------------===//

enum MercerMemoryPurpose {
  MERCER_MEMORY_OUTPUT = 0,  ///< index: the output; the caller owns it
  MERCER_MEMORY_ARENA = 1,   ///< kept by the context between runs
  MERCER_MEMORY_SCRATCH = 2, ///< kept by the context between runs
  MERCER_MEMORY_STATE = 3,   ///< index: the state; owned by the session
  MERCER_MEMORY_DYNAMIC = 4, ///< released at the end of the run
  MERCER_MEMORY_COPY = 5     ///< contiguous copy of a strided tensor, same
};

/// Where memory comes from. Both functions are called on the thread that makes
/// the call; `bytes` is never 0. `allocate` returns NULL when it cannot.
typedef struct MercerAllocator {
  void *(*allocate)(void *user, int32_t purpose, uint32_t index, size_t bytes,
                    size_t alignment);
  void (*release)(void *user, int32_t purpose, void *memory, size_t bytes);
  void *user;
} MercerAllocator;

/// A thread pool of the caller. `run` calls task(arg, i) for every i below
/// `count` (at most `threads`), each once, on any threads, and returns when all
/// are done. The order does not matter; tasks never wait for each other.
typedef struct MercerThreadPool {
  uint32_t threads;
  void (*run)(void *user, size_t count, void (*task)(void *arg, size_t index),
              void *arg);
  void *user;
} MercerThreadPool;

/// One launch of a kernel. Strings live as long as the artifact.
typedef struct MercerProfileEvent {
  uint32_t struct_size;
  const char *kernel;
  const char *const *nodes; ///< names of the model's nodes computed here
  size_t node_count;
  uint64_t start_ns; ///< monotonic clock
  uint64_t duration_ns;
  int64_t tiles;
  uint32_t threads;
  uint32_t site; ///< index into the manifest's `sites`
  double flops;  ///< of the site, from the manifest; 0 where not known
  double bytes;  ///< read and written, likewise
} MercerProfileEvent;

/// Called after every launch on the thread that called mercer_run.
typedef struct MercerProfiler {
  void (*launched)(void *user, const MercerProfileEvent *event);
  void *user;
} MercerProfiler;

enum MercerContextFlags {
  /// Reports wrong use of the device by the runtime or an artifact as errors;
  /// slow. On Vulkan it needs the validation layers to be installed.
  /// MERCER_VULKAN_VALIDATION=1 in the environment does the same.
  MERCER_CONTEXT_VALIDATE = 1,
  /// Fills outputs that the context allocates, floating types with NaN, so that
  /// elements that no kernel writes are seen.
  MERCER_CONTEXT_POISON_OUTPUTS = 2
};

typedef struct MercerContextOptions {
  uint32_t struct_size;
  uint32_t threads;    ///< 0: as many as the process may use
  MercerDevice device; ///< {0, 0} means {MERCER_DEVICE_CPU, 0}
  void *stream;        ///< for devices with streams; NULL on the CPU
  const MercerAllocator *allocator;    ///< NULL: aligned system memory
  const MercerThreadPool *thread_pool; ///< NULL: a pool of the context's own
  const MercerProfiler *profiler;      ///< NULL: none
  uint32_t collect_profile; ///< 1: keep events for mercer_profile_write
  uint32_t flags;           ///< MercerContextFlags
} MercerContextOptions;

/// `options` may be NULL. On failure *context is NULL and the code says why.
MERCER_API int32_t mercer_context_create(const MercerContextOptions *options,
                                         MercerContext **context);

/// Releases the context, its arena and the outputs that it still owns.
/// Artifacts and sessions live on; a session keeps using the functions of the
/// allocator of the context that it was made with.
MERCER_API void mercer_context_destroy(MercerContext *context);

/// Outcome of the latest call on this context. Never NULL. Without a context:
/// why mercer_context_create has last failed on this thread.
MERCER_API const MercerError *
mercer_context_error(const MercerContext *context);

/// Writes the launches collected so far as Chrome trace JSON (chrome://tracing,
/// Perfetto) and forgets them. The file appears completely or not at all.
MERCER_API int32_t mercer_profile_write(MercerContext *context,
                                        const char *path);

/// Forgets the launches collected so far.
MERCER_API int32_t mercer_profile_clear(MercerContext *context);

/// Waits for everything that runs and copies on this context have left to the
/// device, and reports what failed in it. Nothing to do on the CPU.
MERCER_API int32_t mercer_context_synchronize(MercerContext *context);

//===----------------------------------------------------------------------===//
// Artifacts
//===----------------------------------------------------------------------===//

typedef struct MercerLoadOptions {
  uint32_t struct_size;
  /// 1: read all constants and check their digests. Those of at most 64 KiB
  /// are always checked.
  uint32_t verify_constants;
  uint32_t any_compiler; ///< 1: accept other compiler versions of one ABI
  uint32_t reserved;
} MercerLoadOptions;

/// Maps an artifact and checks it: digests and bounds, ABI and compiler
/// version, processor features. `options` may be NULL.
MERCER_API int32_t mercer_artifact_load(MercerContext *context,
                                        const char *path,
                                        const MercerLoadOptions *options,
                                        MercerArtifact **artifact);

/// Drops the caller's reference; sessions keep theirs. NULL is allowed.
MERCER_API void mercer_artifact_release(MercerArtifact *artifact);

/// The manifest (docs/artifact.md), null-terminated, as long as the artifact.
MERCER_API int32_t mercer_artifact_manifest(MercerContext *context,
                                            const MercerArtifact *artifact,
                                            const char **json, size_t *size);

/// Memory of the artifact itself, in bytes.
typedef struct MercerMemoryInfo {
  uint32_t struct_size;
  uint64_t code;      ///< the ELF part of the file
  uint64_t constants; ///< mapped read-only, shared between processes
} MercerMemoryInfo;

MERCER_API int32_t mercer_artifact_memory(MercerContext *context,
                                          const MercerArtifact *artifact,
                                          MercerMemoryInfo *info);

MERCER_API int32_t mercer_artifact_entry_count(MercerContext *context,
                                               const MercerArtifact *artifact,
                                               uint32_t *count);

MERCER_API int32_t mercer_artifact_find_entry(MercerContext *context,
                                              const MercerArtifact *artifact,
                                              const char *name,
                                              uint32_t *entry);

typedef struct MercerEntryInfo {
  uint32_t struct_size;
  const char *name;
  uint32_t input_count;
  uint32_t output_count;
  uint32_t state_count;
} MercerEntryInfo;

MERCER_API int32_t mercer_entry_info(MercerContext *context,
                                     const MercerArtifact *artifact,
                                     uint32_t entry, MercerEntryInfo *info);

enum MercerValueKind {
  MERCER_VALUE_INPUT = 0,
  MERCER_VALUE_OUTPUT = 1,
  MERCER_VALUE_STATE = 2
};

typedef struct MercerValueInfo {
  uint32_t struct_size;
  const char *name;
  MercerDataType dtype;
  int32_t ndim;
  const int64_t *shape;       ///< -1 where the dimension is not fixed
  const char *const *symbols; ///< NULL where fixed or dependent on data
  int32_t axis;               ///< the growing dimension of a state, else -1
} MercerValueInfo;

MERCER_API int32_t mercer_value_info(MercerContext *context,
                                     const MercerArtifact *artifact,
                                     uint32_t entry, int32_t kind,
                                     uint32_t index, MercerValueInfo *info);

//===----------------------------------------------------------------------===//
// Sessions: state owned by entry points (KV caches, recurrent states)
//===----------------------------------------------------------------------===//

typedef struct MercerSessionOptions {
  uint32_t struct_size;
  uint32_t reserved;
  /// Capacity of the growing dimension of every state; 0: the artifact's own.
  int64_t capacity;
} MercerSessionOptions;

/// A session belongs to one artifact, and all entry points of the artifact see
/// its states. Runs with one session must not overlap in time.
MERCER_API int32_t mercer_session_create(MercerContext *context,
                                         MercerArtifact *artifact,
                                         const MercerSessionOptions *options,
                                         MercerSession **session);
MERCER_API void mercer_session_destroy(MercerSession *session);

/// Forgets all states: the next run starts from zeros with length 0.
MERCER_API int32_t mercer_session_reset(MercerContext *context,
                                        MercerSession *session);

/// A state's buffer, its full shape (with the capacity at the growing
/// dimension) and its current length. data is NULL before the first run that
/// uses the state. The view is valid until the session is reset or destroyed.
MERCER_API int32_t mercer_session_state(MercerContext *context,
                                        MercerSession *session, uint32_t index,
                                        MercerTensor *view, int64_t *length);

/// Sets the current length of a state that has been used, to drop what a
/// speculative step appended or to resume from a copied buffer.
MERCER_API int32_t mercer_session_set_length(MercerContext *context,
                                             MercerSession *session,
                                             uint32_t index, int64_t length);

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

/// The outputs' shapes for these input shapes (data is not looked at).
/// outputs[i].shape points to room for the declared rank (mercer_value_info);
/// ndim and dtype are set. A dimension that only a run can tell is -1.
MERCER_API int32_t mercer_infer_shapes(
    MercerContext *context, const MercerArtifact *artifact, uint32_t entry,
    const MercerTensor *inputs, uint32_t input_count, MercerTensor *outputs,
    uint32_t output_count);

typedef struct MercerRunOptions {
  uint32_t struct_size;
  uint32_t reserved;
  MercerSession *session; ///< needed by entry points that own state
} MercerRunOptions;

/// Runs an entry point to its end. Inputs and outputs are in the manifest's
/// order; inputs are only read. On a GPU each tensor lies either in host
/// memory, and is copied, or on the context's device (MercerTensor.device); the
/// call waits for the device only if some output lies in host memory or the
/// host program reads a value. For each output the caller sets either
///  - data, dtype, ndim and shape (and strides): the result is written there
///    if the shape is the result's, E4107 otherwise; or
///  - data = NULL and shape = room for the declared rank, or NULL: the
///    context's allocator gives the memory (with shape NULL there comes room
///    for the shape with it), ndim, dtype, shape and data are set, and the
///    caller hands it back with mercer_tensor_release, before the context is
///    destroyed. If device is the context's own, the memory is there, else in
///    host memory.
/// After a failure outputs that the call allocated have data NULL again.
MERCER_API int32_t mercer_run(MercerContext *context,
                              const MercerArtifact *artifact, uint32_t entry,
                              const MercerRunOptions *options,
                              const MercerTensor *inputs, uint32_t input_count,
                              MercerTensor *outputs, uint32_t output_count);

/// Runs an entry point once and records a second run, which can then be
/// launched again and again at the cost of one call. CUDA only. All inputs and
/// outputs are device tensors of the caller: a launch reads and writes the same
/// addresses with the same shapes. Entry points whose host program reads a
/// value, or which own a growing state, cannot be recorded (E4501). The graph
/// keeps its artifact; it uses memory of the context, which it must not
/// outlive, and states of the session, which must not be reset.
MERCER_API int32_t mercer_graph_capture(
    MercerContext *context, const MercerArtifact *artifact, uint32_t entry,
    const MercerRunOptions *options, const MercerTensor *inputs,
    uint32_t input_count, MercerTensor *outputs, uint32_t output_count,
    MercerGraph **graph);

/// Does what was recorded, on the context that recorded it, after everything
/// that this context has been asked to do so far. Does not wait.
MERCER_API int32_t mercer_graph_launch(MercerContext *context,
                                       MercerGraph *graph);

MERCER_API void mercer_graph_destroy(MercerGraph *graph);

/// Memory for a tensor on the context's device (on the CPU in host memory):
/// dtype, ndim and shape say how much; data, device, strides and byte_offset
/// are set. Contents are undefined.
MERCER_API int32_t mercer_tensor_allocate(MercerContext *context,
                                          MercerTensor *tensor);

/// Copies between tensors of one element type and shape, without gaps, in host
/// memory or on the context's device, after everything that the context has
/// been asked to do so far. Between two tensors of the device it does not wait;
/// otherwise both may be used at once when it returns.
MERCER_API int32_t mercer_tensor_copy(MercerContext *context,
                                      const MercerTensor *to,
                                      const MercerTensor *from);

/// Gives back what mercer_run or mercer_tensor_allocate has allocated on this
/// context, and sets its data to NULL. Runs that still use it on the device do
/// no harm.
MERCER_API void mercer_tensor_release(MercerContext *context,
                                      MercerTensor *tensor);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // MERCER_MERCER_H
