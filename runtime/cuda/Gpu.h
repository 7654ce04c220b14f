//===- Gpu.h - one CUDA device and what contexts share on it ----*- C++ -*-===//
//
// The primary context, which the CUDA runtime API of the application uses too,
// and for each artifact its modules and its constants. All contexts on a device
// hold one Gpu; with the last of them everything is given back.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_RUNTIME_CUDA_GPU_H
#define MERCER_RUNTIME_CUDA_GPU_H

#include "runtime/core/Artifact.h"
#include "runtime/cuda/Driver.h"

#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace mercer::rt::cuda {

class Gpu;

/// Can a device of compute capability major.minor run code for `chip`? Cubins
/// ("sm_86") run on the same major version from their minor version on, PTX on
/// everything from its version on. Features of one chip only ("sm_90a") run on
/// exactly that, features of a family ("sm_100f") as a cubin does.
bool chipFits(const std::string &chip, uint32_t format, int major, int minor);

/// An artifact on a device. Kernels that share code share a module: the driver
/// compiles (PTX) and loads it once.
class Program {
public:
  /// Copies the constants section of an artifact to the device, and waits.
  using Upload =
      std::function<Status(CUdeviceptr to, const void *from, size_t bytes)>;
  static Status load(const std::shared_ptr<Gpu> &gpu, const Artifact &artifact,
                     const Upload &upload, std::shared_ptr<Program> &program);
  ~Program();
  Program(const Program &) = delete;

  CUfunction function(uint32_t kernel) const { return functions[kernel]; }
  const void *const *constants() const { return slots.data(); }

private:
  explicit Program(Gpu &gpu) : gpu(gpu) {}
  Status loadModule(const MercerDeviceKernelDesc &kernel,
                    const std::string &place, CUmodule &module);
  Status loadFunction(const MercerDeviceKernelDesc &kernel, CUmodule module,
                      const std::string &place);

  Gpu &gpu; ///< owns this program
  std::vector<CUmodule> modules;
  std::vector<CUfunction> functions; ///< as the module's device_kernels
  CUdeviceptr data = 0;
  std::vector<const void *> slots;
};

class Gpu : public std::enable_shared_from_this<Gpu> {
public:
  /// The device of an ordinal, opened if no context has it.
  static Status get(int ordinal, std::shared_ptr<Gpu> &gpu);
  ~Gpu();
  Gpu(const Gpu &) = delete;

  /// The artifact's program, loaded by the first who asks.
  Status program(const std::shared_ptr<const Artifact> &artifact,
                 const Program::Upload &upload,
                 std::shared_ptr<Program> &program);
  /// The program if it is loaded.
  std::shared_ptr<Program> loaded(const Artifact &artifact);
  /// Forgets the programs of artifacts that are gone.
  void purge();

  const Driver &driver;
  const int ordinal;
  const std::string place; ///< "device 'cuda:0'"
  std::string name;
  CUdevice device = 0;
  CUcontext context = nullptr;
  int major = 0, minor = 0;
  int sharedOptIn = 0; ///< bytes of shared memory that a block may ask for

private:
  Gpu(const Driver &driver, int ordinal);
  Status open();

  std::mutex mutex;
  struct Loaded {
    std::weak_ptr<const Artifact> artifact;
    std::shared_ptr<Program> program;
  };
  std::unordered_map<const Artifact *, Loaded> programs;
};

} // namespace mercer::rt::cuda

#endif // MERCER_RUNTIME_CUDA_GPU_H
