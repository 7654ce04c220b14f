//===- Driver.cpp - libcuda.so.1, opened when it is needed ----------------===//

#include "runtime/cuda/Driver.h"

#include <dlfcn.h>
#include <mutex>

namespace mercer::rt::cuda {

static constexpr char libraryName[] = "libcuda.so.1";

static Status open(Driver &driver) {
  void *library = dlopen(libraryName, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *why = dlerror();
    return {Code::DeviceMissing, libraryName,
            std::string("no CUDA driver is installed, or it cannot be opened: ")
                .append(why ? why : "dlopen failed")};
  }
  // The library stays open from here on, also after a failure: closing a
  // driver that has run its initialisers is not safe.
  const char *missing = nullptr;
#define MERCER_CUDA_LOOKUP(name, symbol, ...)                                  \
  driver.name =                                                                \
      reinterpret_cast<CUresult (*)(__VA_ARGS__)>(dlsym(library, #symbol));    \
  if (!driver.name && !missing)                                                \
    missing = #symbol;
  MERCER_CUDA_FUNCTIONS(MERCER_CUDA_LOOKUP)
#undef MERCER_CUDA_LOOKUP
  if (missing)
    return {Code::DeviceMissing, libraryName,
            format("the CUDA driver has no function %s; CUDA 11.4 or later is "
                   "needed",
                   missing)};
  return driver.status(driver.cuInit(0), "cuInit", libraryName);
}

Status Driver::get(const Driver *&result) {
  static std::mutex mutex;
  static Driver driver;
  static bool ready = false;
  std::lock_guard lock(mutex);
  if (!ready) {
    if (Status failure = open(driver); failure.failed())
      return failure;
    ready = true;
  }
  result = &driver;
  return {};
}

static Code codeOf(CUresult result) {
  if (isDeviceLost(result))
    return Code::DeviceLost;
  switch (result) {
  case CUDA_ERROR_OUT_OF_MEMORY:
    return Code::DeviceOutOfMemory;
  case CUDA_ERROR_NO_DEVICE:
  case CUDA_ERROR_INVALID_DEVICE:
    return Code::DeviceMissing;
  case CUDA_ERROR_INVALID_IMAGE:
  case CUDA_ERROR_NO_BINARY_FOR_GPU:
  case CUDA_ERROR_INVALID_PTX:
  case CUDA_ERROR_JIT_COMPILER_NOT_FOUND:
  case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
    return Code::DeviceCodeRefused;
  case CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED:
  case CUDA_ERROR_STREAM_CAPTURE_INVALIDATED:
    return Code::CaptureRefused;
  default:
    return Code::DeviceFailed;
  }
}

std::string Driver::text(CUresult result) const {
  const char *name = nullptr, *what = nullptr;
  // Both set the pointer to null for a number that this driver does not know.
  if (cuGetErrorName(result, &name) != CUDA_SUCCESS || !name)
    name = "unknown";
  if (cuGetErrorString(result, &what) != CUDA_SUCCESS || !what)
    what = "unknown error";
  return format("%s (%s, %d)", what, name, int(result));
}

Status Driver::status(CUresult result, const char *call,
                      const std::string &place) const {
  if (result == CUDA_SUCCESS)
    return {};
  return {codeOf(result), place, std::string(call) + ": " + text(result)};
}

} // namespace mercer::rt::cuda
