//===- DriverApi.h - the CUDA driver functions in use -----------*- C++ -*-===//
//
// Own declarations of the part of the driver's C interface that the runtime
// calls, with the values of its ABI, so that neither building nor packaging
// needs a CUDA toolkit. The names are the driver's. `symbol` in the list is
// what the library exports: an interface that changed carries a version there.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_RUNTIME_CUDA_DRIVERAPI_H
#define MERCER_RUNTIME_CUDA_DRIVERAPI_H

#include <cstddef>
#include <cstdint>

namespace mercer::rt::cuda {

using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st *;
using CUmodule = struct CUmod_st *;
using CUfunction = struct CUfunc_st *;
using CUstream = struct CUstream_st *;
using CUevent = struct CUevent_st *;
using CUgraph = struct CUgraph_st *;
using CUgraphExec = struct CUgraphExec_st *;

/// Results that the runtime tells apart, and those that its tests inject; the
/// driver has a name and a text for every one.
enum CUresult : int {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NOT_INITIALIZED = 3,
  CUDA_ERROR_DEINITIALIZED = 4,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_DEVICE = 101,
  CUDA_ERROR_INVALID_IMAGE = 200,
  CUDA_ERROR_INVALID_CONTEXT = 201,
  CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
  CUDA_ERROR_ECC_UNCORRECTABLE = 214,
  CUDA_ERROR_INVALID_PTX = 218,
  CUDA_ERROR_JIT_COMPILER_NOT_FOUND = 221,
  CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222,
  CUDA_ERROR_INVALID_HANDLE = 400,
  CUDA_ERROR_NOT_FOUND = 500,
  CUDA_ERROR_NOT_READY = 600,
  CUDA_ERROR_ILLEGAL_ADDRESS = 700,
  CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES = 701,
  CUDA_ERROR_LAUNCH_TIMEOUT = 702,
  CUDA_ERROR_CONTEXT_IS_DESTROYED = 709,
  CUDA_ERROR_ASSERT = 710,
  CUDA_ERROR_HARDWARE_STACK_ERROR = 714,
  CUDA_ERROR_ILLEGAL_INSTRUCTION = 715,
  CUDA_ERROR_MISALIGNED_ADDRESS = 716,
  CUDA_ERROR_INVALID_ADDRESS_SPACE = 717,
  CUDA_ERROR_INVALID_PC = 718,
  CUDA_ERROR_LAUNCH_FAILED = 719,
  CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
  CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901,
  CUDA_ERROR_UNKNOWN = 999
};

/// After such a result every later call on the context fails too.
inline bool isDeviceLost(CUresult result) {
  switch (result) {
  case CUDA_ERROR_DEINITIALIZED:
  case CUDA_ERROR_ECC_UNCORRECTABLE:
  case CUDA_ERROR_ILLEGAL_ADDRESS:
  case CUDA_ERROR_LAUNCH_TIMEOUT:
  case CUDA_ERROR_CONTEXT_IS_DESTROYED:
  case CUDA_ERROR_ASSERT:
  case CUDA_ERROR_HARDWARE_STACK_ERROR:
  case CUDA_ERROR_ILLEGAL_INSTRUCTION:
  case CUDA_ERROR_MISALIGNED_ADDRESS:
  case CUDA_ERROR_INVALID_ADDRESS_SPACE:
  case CUDA_ERROR_INVALID_PC:
  case CUDA_ERROR_LAUNCH_FAILED:
    return true;
  default:
    return false;
  }
}

enum CUdevice_attribute : int {
  CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X = 5,
  CU_DEVICE_ATTRIBUTE_CLOCK_RATE = 13,
  CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
  CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE = 36,
  CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH = 37,
  CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE = 38,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97
};

enum CUfunction_attribute : int {
  CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 0,
  CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES = 1,
  CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES = 3,
  CU_FUNC_ATTRIBUTE_NUM_REGS = 4,
  CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8
};

enum CUjit_option : int {
  CU_JIT_ERROR_LOG_BUFFER = 5,
  CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES = 6
};

enum CUstreamCaptureMode : int {
  CU_STREAM_CAPTURE_MODE_GLOBAL = 0,
  CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1,
  CU_STREAM_CAPTURE_MODE_RELAXED = 2
};

enum CUstreamCaptureStatus : int {
  CU_STREAM_CAPTURE_STATUS_NONE = 0,
  CU_STREAM_CAPTURE_STATUS_ACTIVE = 1,
  CU_STREAM_CAPTURE_STATUS_INVALIDATED = 2
};

enum CUpointer_attribute : int {
  CU_POINTER_ATTRIBUTE_MEMORY_TYPE = 2,
  CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL = 9
};

/// Values of CU_POINTER_ATTRIBUTE_MEMORY_TYPE.
constexpr unsigned CU_MEMORYTYPE_HOST = 1, CU_MEMORYTYPE_DEVICE = 2;
constexpr unsigned CU_STREAM_NON_BLOCKING = 1;
constexpr unsigned CU_EVENT_DEFAULT = 0, CU_EVENT_DISABLE_TIMING = 2;

} // namespace mercer::rt::cuda

/// FUNCTION(name, symbol, parameter types...); all return a CUresult.
#define MERCER_CUDA_FUNCTIONS(FUNCTION)                                        \
  FUNCTION(cuInit, cuInit, unsigned)                                           \
  FUNCTION(cuDriverGetVersion, cuDriverGetVersion, int *)                      \
  FUNCTION(cuGetErrorName, cuGetErrorName, CUresult, const char **)            \
  FUNCTION(cuGetErrorString, cuGetErrorString, CUresult, const char **)        \
  FUNCTION(cuDeviceGetCount, cuDeviceGetCount, int *)                          \
  FUNCTION(cuDeviceGet, cuDeviceGet, CUdevice *, int)                          \
  FUNCTION(cuDeviceGetName, cuDeviceGetName, char *, int, CUdevice)            \
  FUNCTION(cuDeviceGetAttribute, cuDeviceGetAttribute, int *,                  \
           CUdevice_attribute, CUdevice)                                       \
  FUNCTION(cuDeviceTotalMem, cuDeviceTotalMem_v2, size_t *, CUdevice)          \
  FUNCTION(cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, CUcontext *,    \
           CUdevice)                                                           \
  FUNCTION(cuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2, CUdevice)  \
  FUNCTION(cuCtxPushCurrent, cuCtxPushCurrent_v2, CUcontext)                   \
  FUNCTION(cuCtxPopCurrent, cuCtxPopCurrent_v2, CUcontext *)                   \
  FUNCTION(cuCtxSynchronize, cuCtxSynchronize, void)                           \
  FUNCTION(cuThreadExchangeStreamCaptureMode,                                  \
           cuThreadExchangeStreamCaptureMode, CUstreamCaptureMode *)           \
  FUNCTION(cuModuleLoadDataEx, cuModuleLoadDataEx, CUmodule *, const void *,   \
           unsigned, CUjit_option *, void **)                                  \
  FUNCTION(cuModuleUnload, cuModuleUnload, CUmodule)                           \
  FUNCTION(cuModuleGetFunction, cuModuleGetFunction, CUfunction *, CUmodule,   \
           const char *)                                                       \
  FUNCTION(cuFuncGetAttribute, cuFuncGetAttribute, int *,                      \
           CUfunction_attribute, CUfunction)                                   \
  FUNCTION(cuFuncSetAttribute, cuFuncSetAttribute, CUfunction,                 \
           CUfunction_attribute, int)                                          \
  FUNCTION(cuLaunchKernel, cuLaunchKernel, CUfunction, unsigned, unsigned,     \
           unsigned, unsigned, unsigned, unsigned, unsigned, CUstream,         \
           void **, void **)                                                   \
  FUNCTION(cuMemAlloc, cuMemAlloc_v2, CUdeviceptr *, size_t)                   \
  FUNCTION(cuMemFree, cuMemFree_v2, CUdeviceptr)                               \
  FUNCTION(cuMemHostAlloc, cuMemHostAlloc, void **, size_t, unsigned)          \
  FUNCTION(cuMemFreeHost, cuMemFreeHost, void *)                               \
  FUNCTION(cuMemcpyHtoDAsync, cuMemcpyHtoDAsync_v2, CUdeviceptr, const void *, \
           size_t, CUstream)                                                   \
  FUNCTION(cuMemcpyDtoHAsync, cuMemcpyDtoHAsync_v2, void *, CUdeviceptr,       \
           size_t, CUstream)                                                   \
  FUNCTION(cuMemcpyDtoDAsync, cuMemcpyDtoDAsync_v2, CUdeviceptr, CUdeviceptr,  \
           size_t, CUstream)                                                   \
  FUNCTION(cuMemsetD8Async, cuMemsetD8Async, CUdeviceptr, unsigned char,       \
           size_t, CUstream)                                                   \
  FUNCTION(cuMemsetD16Async, cuMemsetD16Async, CUdeviceptr, unsigned short,    \
           size_t, CUstream)                                                   \
  FUNCTION(cuMemsetD32Async, cuMemsetD32Async, CUdeviceptr, unsigned, size_t,  \
           CUstream)                                                           \
  FUNCTION(cuPointerGetAttribute, cuPointerGetAttribute, void *,               \
           CUpointer_attribute, CUdeviceptr)                                   \
  FUNCTION(cuStreamCreate, cuStreamCreate, CUstream *, unsigned)               \
  FUNCTION(cuStreamGetCtx, cuStreamGetCtx, CUstream, CUcontext *)              \
  FUNCTION(cuStreamDestroy, cuStreamDestroy_v2, CUstream)                      \
  FUNCTION(cuStreamSynchronize, cuStreamSynchronize, CUstream)                 \
  FUNCTION(cuStreamIsCapturing, cuStreamIsCapturing, CUstream,                 \
           CUstreamCaptureStatus *)                                            \
  FUNCTION(cuStreamBeginCapture, cuStreamBeginCapture_v2, CUstream,            \
           CUstreamCaptureMode)                                                \
  FUNCTION(cuStreamEndCapture, cuStreamEndCapture, CUstream, CUgraph *)        \
  FUNCTION(cuGraphInstantiate, cuGraphInstantiateWithFlags, CUgraphExec *,     \
           CUgraph, unsigned long long)                                        \
  FUNCTION(cuGraphLaunch, cuGraphLaunch, CUgraphExec, CUstream)                \
  FUNCTION(cuGraphExecDestroy, cuGraphExecDestroy, CUgraphExec)                \
  FUNCTION(cuGraphDestroy, cuGraphDestroy, CUgraph)                            \
  FUNCTION(cuEventCreate, cuEventCreate, CUevent *, unsigned)                  \
  FUNCTION(cuEventDestroy, cuEventDestroy_v2, CUevent)                         \
  FUNCTION(cuEventRecord, cuEventRecord, CUevent, CUstream)                    \
  FUNCTION(cuEventSynchronize, cuEventSynchronize, CUevent)                    \
  FUNCTION(cuEventElapsedTime, cuEventElapsedTime, float *, CUevent, CUevent)

#endif // MERCER_RUNTIME_CUDA_DRIVERAPI_H
