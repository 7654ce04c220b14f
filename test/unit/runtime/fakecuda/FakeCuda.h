//===- FakeCuda.h - a CUDA driver for tests ---------------------*- C++ -*-===//
//
// A library with the soname libcuda.so.1: a test that links it gets it from the
// runtime's dlopen. Device addresses are not mapped, so touching one from the
// host faults; work is only queued and runs when something waits for it, so a
// missing wait shows as stale data. Kernels are host functions that the test
// registers under the name of an `.entry` of the module's PTX text.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_TEST_UNIT_RUNTIME_FAKECUDA_H
#define MERCER_TEST_UNIT_RUNTIME_FAKECUDA_H

#include "runtime/cuda/DriverApi.h"

#include <functional>
#include <string>
#include <vector>

// The driver's own functions, for tests that act as an application.
extern "C" {
#define MERCER_CUDA_DECLARE(name, symbol, ...)                                 \
  mercer::rt::cuda::CUresult symbol(__VA_ARGS__);
namespace mercer::rt::cuda {
MERCER_CUDA_FUNCTIONS(MERCER_CUDA_DECLARE)
}
#undef MERCER_CUDA_DECLARE
}

namespace mercer::test::fakecuda {

/// A kernel while it runs: the whole grid in one call.
struct Launch {
  std::string kernel;
  unsigned blocks, threads, sharedBytes;
  std::vector<uint64_t> params; ///< zero-extended

  /// Host view of device memory, null if the range is not inside of one live
  /// allocation; the launch then fails as an illegal address does.
  void *memory(uint64_t address, size_t bytes);
  bool illegal = false;
};
using Kernel = std::function<void(Launch &)>;

/// Devices that exist; applies to what is asked from now on.
struct Machine {
  int devices = 1;
  int major = 9, minor = 0;
  int multiprocessors = 4;
  int sharedOptIn = 227 << 10;
  size_t memory = size_t(1) << 30;
};

/// Forgets all calls, injected failures and kernels, and describes the
/// machine. Objects that live stay.
void reset(const Machine &machine = {});
void addKernel(const std::string &name, Kernel kernel);

/// The call of `function` (its name in DriverApi.h) after `skip` more fails
/// with `result`; device-lost results stick to all later calls.
void failCall(const std::string &function, rt::cuda::CUresult result,
              int skip = 0);
/// Like `failCall`, for the execution of a kernel.
void failExecution(const std::string &kernel, rt::cuda::CUresult result);

struct Call {
  std::string function; ///< as in DriverApi.h
  rt::cuda::CUstream stream;
  std::string kernel;
  unsigned blocks, threads, sharedBytes;
};
/// Calls since the last `reset` or `clearCalls`, in order.
std::vector<Call> calls();
void clearCalls();
size_t count(const std::string &function);
/// Calls that made the host wait, those that do it implicitly (freeing memory,
/// copies to pageable memory) included.
size_t synchronizations();

/// What lives: "2 allocations, 1 stream"; empty if nothing does. Damaged guard
/// zones and objects that died with their context are listed too.
std::string live();
/// Contexts on this thread's stack.
size_t contextDepth();
/// Makes a lost device usable again; its objects are gone.
void replaceDevice();

} // namespace mercer::test::fakecuda

#endif // MERCER_TEST_UNIT_RUNTIME_FAKECUDA_H
