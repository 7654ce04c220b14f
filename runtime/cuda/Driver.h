//===- Driver.h - libcuda.so.1, opened when it is needed --------*- C++ -*-===//

#ifndef MERCER_RUNTIME_CUDA_DRIVER_H
#define MERCER_RUNTIME_CUDA_DRIVER_H

#include "runtime/cuda/DriverApi.h"
#include "runtime/support/Status.h"

namespace mercer::rt::cuda {

/// The driver's functions under their names.
struct Driver {
#define MERCER_CUDA_MEMBER(name, symbol, ...)                                  \
  CUresult (*name)(__VA_ARGS__) = nullptr;
  MERCER_CUDA_FUNCTIONS(MERCER_CUDA_MEMBER)
#undef MERCER_CUDA_MEMBER

  /// The initialised driver of this process. It is never closed: the driver
  /// has threads and exit handlers of its own. A failure is not kept, so that
  /// a device that appears later can be used.
  static Status get(const Driver *&driver);

  /// Success, or the code that fits with the driver's own words:
  /// "cuMemAlloc: out of memory (CUDA_ERROR_OUT_OF_MEMORY)".
  Status status(CUresult result, const char *call,
                const std::string &place) const;

  /// The driver's words alone.
  std::string text(CUresult result) const;
};

/// Makes a context current on this thread and puts back what was, because the
/// application may use the driver as well. In the meantime a capture of another
/// stream, by the application or by another thread, is not ended by calls that
/// wait or allocate: they cannot become part of it.
class CurrentContext {
public:
  CurrentContext(const Driver &driver, CUcontext context)
      : driver(driver), result(driver.cuCtxPushCurrent(context)) {
    if (result == CUDA_SUCCESS)
      (void)driver.cuThreadExchangeStreamCaptureMode(&mode);
  }
  ~CurrentContext() {
    if (result != CUDA_SUCCESS)
      return;
    CUcontext popped;
    (void)driver.cuThreadExchangeStreamCaptureMode(&mode);
    (void)driver.cuCtxPopCurrent(&popped);
  }
  CurrentContext(const CurrentContext &) = delete;

  Status status(const std::string &place) const {
    return driver.status(result, "cuCtxPushCurrent", place);
  }

private:
  const Driver &driver;
  CUresult result;
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
};

} // namespace mercer::rt::cuda

#endif // MERCER_RUNTIME_CUDA_DRIVER_H
