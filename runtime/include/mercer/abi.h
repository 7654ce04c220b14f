//===- abi.h - what an artifact and the runtime agree on ----------*- C -*-===//
//
// The compiler emits these structures as constant data of an artifact, the
// runtime reads them. Nothing else is shared: an artifact has no undefined
// symbol of the runtime, it reaches the runtime through MercerRuntimeTable.
// Any change to a layout or a meaning below raises MERCER_ABI_VERSION.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_ABI_H
#define MERCER_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Raised with every incompatible change; a loader refuses all other values.
#define MERCER_ABI_VERSION 2u

/// The one dynamic symbol that an artifact exports (a MercerModuleDesc).
#define MERCER_MODULE_SYMBOL "mercer_module"

//===----------------------------------------------------------------------===//
// The runtime, as the host program sees it
//===----------------------------------------------------------------------===//

/// Functions that a host program calls back. `ctx` is the opaque pointer that
/// the entry point received. A function that returns NULL or a non-zero code
/// has recorded the error: the entry point then returns at once with that code
/// (or with any non-zero value after NULL); memory is released by the runtime.
///
/// Addresses of tensors are those of the device that runs the kernels. A host
/// program computes with them (a view is an address and an offset) and never
/// dereferences one, except what `read` returns.
typedef struct MercerRuntimeTable {
  uint32_t abi_version;
  uint32_t struct_size;
  /// Buffer of output `index` with this shape, 64-byte aligned unless it is the
  /// caller's own. Every output is asked for exactly once before it is written.
  /// Contents are undefined (mercer-run poisons them).
  void *(*output)(void *ctx, uint32_t index, uint32_t rank,
                  const int64_t *dims);
  /// The arena of this run, 64-byte aligned. At most one call in a run.
  void *(*arena)(void *ctx, int64_t bytes);
  /// Memory for sizes that depend on data, 64-byte aligned. What is not given
  /// back by `free` is released when the run ends.
  void *(*alloc)(void *ctx, int64_t bytes);
  void (*free)(void *ctx, void *ptr);
  /// Runs all tiles of a kernel, after everything launched before. `site` is
  /// the index into the manifest's `sites`: equal kernels are emitted once, the
  /// site tells a profile which nodes of the model this launch stands for.
  /// `params` may change when the call has returned.
  int32_t (*launch)(void *ctx, uint32_t kernel, uint32_t site,
                    const int64_t *params);
  /// Ordered after all launches so far. The ranges do not overlap.
  int32_t (*copy)(void *ctx, void *dst, const void *src, int64_t bytes);
  /// Waits for all launches so far and returns an address at which the host
  /// may read `bytes` from `ptr` until the next call of `read`. On the CPU it
  /// is `ptr` itself.
  const void *(*read)(void *ctx, const void *ptr, int64_t bytes);
  /// Buffer of session state `index`, made of zeros at its first use in a
  /// session. `dims` is the full shape; in the growing dimension (manifest
  /// `axis`) the session's capacity replaces dims[axis] and is written back,
  /// and *length receives the current length. For states without axis *length
  /// is 0.
  void *(*state)(void *ctx, uint32_t index, uint32_t rank, int64_t *dims,
                 int64_t *length);
  /// New length of a state, at most its capacity. It takes effect when the run
  /// ends without error, so that a failed run can be repeated.
  int32_t (*set_state_length)(void *ctx, uint32_t index, int64_t length);
  /// Records an error (code of error_codes.def, 0 to take it from a message
  /// that starts with "[E1234] ") and returns its code.
  int32_t (*error)(void *ctx, int32_t code, const char *message);
  /// Stores one scalar, the low `bytes` (1, 2, 4 or 8) bytes of `bits`, ordered
  /// after all launches so far.
  int32_t (*write)(void *ctx, void *dst, int64_t bits, int64_t bytes);
} MercerRuntimeTable;

//===----------------------------------------------------------------------===//
// The artifact, as the loader sees it
//===----------------------------------------------------------------------===//

/// Number of tiles of one phase of a kernel.
typedef int64_t (*MercerGridFn)(const int64_t *params);

/// Computes the tiles [begin, end) in row-major order of the grid. `scratch`
/// holds the kernel's scratch_bytes, 64-byte aligned, private to the calling
/// thread, contents undefined; NULL if scratch_bytes is 0. It may be called
/// from any number of threads at once with disjoint ranges.
typedef void (*MercerKernelFn)(const int64_t *params, int64_t begin,
                               int64_t end, void *scratch);

/// One phase of a kernel: a kernel of three phases has three entries, and the
/// host program launches them one after the other.
/// params: for each memref argument its data pointer, then its dynamic sizes in
/// order; for each scalar argument one 64-bit word (narrower integers sign- or
/// zero-extended as their type is, floats bit-cast and zero-extended).
/// `run` is NULL in an artifact for a GPU, `grid` is there always.
typedef struct MercerKernelDesc {
  const char *name;
  MercerGridFn grid;
  MercerKernelFn run;
  int64_t scratch_bytes;
} MercerKernelDesc;

/// What a device kernel takes for one parameter of the launch, in their order.
/// The number of tiles has no entry: every device kernel has it first. Neither
/// have a buffer's dynamic sizes: `dims` words follow its pointer.
enum {
  MERCER_PARAM_SCALAR = 0,
  MERCER_PARAM_BUFFER = 1,
  MERCER_PARAM_SCRATCH = 2
};
typedef struct MercerDeviceParam {
  uint8_t kind;      ///< MERCER_PARAM_*; a scratch buffer has no launch word
  uint8_t bytes;     ///< of the scalar, or of one element
  uint8_t written;   ///< buffer: the kernel writes it
  uint8_t dims;      ///< buffer: words that follow its pointer
  uint32_t chunks;   ///< Vulkan: bindings of the buffer, usually 1
  uint64_t elements; ///< buffer: static factor of its number of elements, times
                     ///< its dynamic sizes; scratch: elements of a workgroup
} MercerDeviceParam;

/// A phase of a kernel on a GPU. The grid has one dimension, and the kernel
/// loops over the tiles, so any number of workgroups is right. Workgroup g uses
/// the elements [g * n, (g + 1) * n) of a scratch buffer.
///
/// CUDA: the parameters are the number of tiles (i64); for a buffer its pointer
/// and one i64 a dynamic size; a scalar in its own type; scratch pointers last.
///
/// Vulkan: descriptor set 0 holds one storage buffer for each buffer of params,
/// in their order; a buffer of n chunks takes n, chunk c covers the bytes
/// [c, c + 1) * MERCER_CHUNK_BYTES from where chunk 0 is bound, the last one
/// all that remains. The parameter block is an array of 32-bit words: the
/// number of tiles; for each buffer (not chunk) the number of the element that
/// it starts with, counted from where it is bound; then dynamic sizes and
/// scalars in order of params, each one word, but two (low, high) for a scalar
/// of 8 bytes that is no index. An index is a scalar with `bytes` 4. A block of
/// at most MERCER_PUSH_BYTES is push constants; a larger one is one more
/// storage buffer, in the last binding.
enum { MERCER_CODE_SPIRV = 1, MERCER_CODE_PTX = 2, MERCER_CODE_CUBIN = 3 };
#define MERCER_CHUNK_BYTES (1u << 27)
#define MERCER_PUSH_BYTES 128u
typedef struct MercerDeviceKernelDesc {
  const char *entry; ///< function in the code
  const void *code;  ///< kernels of one module may share it
  uint64_t code_size;
  uint32_t format;               ///< MERCER_CODE_*
  uint32_t threads;              ///< of a workgroup
  uint32_t shared_bytes;         ///< static shared memory, for information
  uint32_t dynamic_shared_bytes; ///< CUDA: to be asked for at the launch
  const MercerDeviceParam *params;
  uint64_t param_count;
  uint32_t flags;    ///< 0
  uint32_t subgroup; ///< least size of a subgroup that the code is right for
} MercerDeviceKernelDesc;

/// args: for each input, in manifest order, the data pointer, then every
/// dimension (static ones too). Inputs are contiguous row-major; a 0-d input
/// has no dimension. Types, ranks, fixed dimensions and equal symbols have been
/// checked. Booleans are bytes of 0 or 1; types below 8 bits are packed, the
/// first element in the low bits. `constants` holds the address of every
/// constant slot, in the order of the directory. Returns 0 or a code given to
/// `error`.
typedef int32_t (*MercerEntryFn)(const MercerRuntimeTable *rt, void *ctx,
                                 const void *const *constants,
                                 const int64_t *args);

/// in_dims: the dimensions of all inputs, one after the other; out_dims gets
/// those of all outputs, -1 where a dimension depends on data or on the length
/// of a state. Returns 0 or the code of the check that failed.
typedef int32_t (*MercerShapesFn)(const int64_t *in_dims, int64_t *out_dims);

typedef struct MercerEntryDesc {
  const char *name;
  MercerEntryFn run;
  MercerShapesFn shapes; ///< NULL: nothing is known before a run
} MercerEntryDesc;

/// Of kernels that check themselves while they run (docs/emulator.md): the code
/// of the first error of the launch with these params, 0 if there was none. It
/// is told once; `message` gets at most `size` bytes, null-terminated.
typedef int32_t (*MercerTakeErrorFn)(const int64_t *params, char *message,
                                     size_t size);

/// `const MercerModuleDesc mercer_module`, read-only after relocation.
typedef struct MercerModuleDesc {
  uint32_t abi_version; ///< MERCER_ABI_VERSION of the compiler
  uint32_t struct_size; ///< sizeof(MercerModuleDesc) of the compiler
  /// Any value that differs for different artifacts (a hash of the code and of
  /// the constants); equal to the footer's. It tells a file that was replaced
  /// while its predecessor is still loaded.
  uint64_t module_id;
  const char *manifest; ///< JSON (docs/artifact.md), not null-terminated
  uint64_t manifest_size;
  const MercerKernelDesc *kernels;
  uint64_t kernel_count;
  const MercerEntryDesc *entries; ///< in the order of the manifest's `entries`
  uint64_t entry_count;
  /// For each of `kernels` its code for a device; NULL in a CPU artifact.
  const MercerDeviceKernelDesc *device_kernels;
  /// Called on the CPU after every launch; NULL: kernels cannot fail.
  MercerTakeErrorFn take_error;
} MercerModuleDesc;

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//
//
//   [0, elf_size)                  an ELF shared object without DT_SONAME
//   zeros up to a multiple of MERCER_CONSTANTS_ALIGNMENT
//   [constants_offset, +size)      the constants, mapped read-only
//   [directory_offset, +count*32)  MercerConstantEntry[directory_count]
//   last 96 bytes                  MercerFooter
//
// All integers are little-endian. Digests are XXH3, 64 bits, seed 0 (the same
// function as llvm::xxh3_64bits). An artifact without constants has a footer
// with constants_size 0 and directory_count 0.

#define MERCER_CONSTANTS_ALIGNMENT 4096u
#define MERCER_CONTAINER_VERSION 1u
#define MERCER_FOOTER_MAGIC "MERCERSO" /* 8 bytes, no terminator */

/// One constant slot of the host program; equal constants share their bytes.
typedef struct MercerConstantEntry {
  uint64_t offset; ///< from the start of the constants section; 64-byte aligned
  uint64_t size;   ///< bytes, inside of the section
  uint64_t digest; ///< of the bytes; checked up to 64 KiB, above when asked to
  uint64_t reserved; ///< 0
} MercerConstantEntry;

typedef struct MercerFooter {
  uint64_t module_id;
  uint64_t elf_size;
  uint64_t elf_digest; ///< of [0, elf_size); always checked before loading
  uint64_t constants_offset;
  uint64_t constants_size;
  uint64_t directory_offset;
  uint64_t directory_count;
  uint64_t directory_digest; ///< of the directory's bytes
  uint64_t reserved[1];      ///< 0
  uint32_t version;          ///< MERCER_CONTAINER_VERSION
  uint32_t footer_size;      ///< sizeof(MercerFooter), 96
  uint64_t footer_digest;    ///< of the 80 bytes before this field
  char magic[8];
} MercerFooter;

#ifdef __cplusplus
} // extern "C"
static_assert(sizeof(MercerConstantEntry) == 32, "fixed file format");
static_assert(sizeof(MercerFooter) == 96, "fixed file format");
static_assert(sizeof(MercerModuleDesc) == 80, "fixed binary interface");
static_assert(sizeof(MercerRuntimeTable) == 96, "fixed binary interface");
static_assert(sizeof(MercerDeviceParam) == 16, "fixed binary interface");
static_assert(sizeof(MercerDeviceKernelDesc) == 64, "fixed binary interface");
static_assert(sizeof(MercerKernelDesc) == 32, "fixed binary interface");
static_assert(sizeof(MercerEntryDesc) == 24, "fixed binary interface");
#endif

#endif // MERCER_ABI_H
