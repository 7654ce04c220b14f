//===- Device.h - what runs kernels and holds tensors -----------*- C++ -*-===//
//
// Run.cpp and the C interface know devices by this class only. One object is
// one ordered queue of work: each context has its own, and objects of one
// physical device share what is costly (code, constants) among themselves.
// Addresses are as host programs compute with them, distinct for all
// allocations of a device; whether the host can follow one is the device's
// matter. Calls on one object come one at a time.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_RUNTIME_CORE_DEVICE_H
#define MERCER_RUNTIME_CORE_DEVICE_H

#include "runtime/core/Artifact.h"
#include "runtime/core/Memory.h"

#include <memory>
#include <vector>

namespace mercer::rt {

/// One launch of a kernel: a phase of it, all tiles.
struct LaunchRequest {
  uint32_t kernel; ///< index into the module's tables, in range
  const int64_t *params;
  int64_t tiles; ///< at least 0
};

/// When a launch ran.
struct LaunchTime {
  uint64_t startNs; ///< monotonic clock
  uint64_t durationNs;
  uint32_t threads;
};

/// Work that was recorded to be done again and again.
class DeviceGraph {
public:
  virtual ~DeviceGraph() = default;
};

class Device {
public:
  explicit Device(MercerDevice id) : identity(id) {}
  virtual ~Device() = default;
  Device(const Device &) = delete;

  MercerDevice id() const { return identity; }
  bool isHost() const { return identity.type == MERCER_DEVICE_CPU; }

  //===--------------------------------------------------------------------===//
  // Memory
  //===--------------------------------------------------------------------===//

  /// Contents are undefined. Starts at a multiple of bufferAlignment; zero
  /// bytes give a valid address too.
  virtual Status allocate(MercerMemoryPurpose purpose, uint32_t index,
                          size_t bytes, const std::string &place,
                          void *&memory) = 0;
  /// Null is allowed. Work that was enqueued before may still use the memory:
  /// the device keeps it until that is done. Memory of a session's states is
  /// released between runs, but by any thread and also after `close`.
  virtual void release(MercerMemoryPurpose purpose, void *memory,
                       size_t bytes) = 0;

  /// Kernels want tensors to start at a multiple of this; others are copied.
  virtual size_t tensorAlignment() const = 0;

  /// All of these are ordered after the work so far. `from` of an upload may
  /// change when the call has returned; a download waits for its end. Ranges do
  /// not overlap; bytes may be 0, and addresses are arbitrary then.
  virtual Status upload(void *to, const void *from, size_t bytes) = 0;
  virtual Status download(void *to, const void *from, size_t bytes) = 0;
  virtual Status copy(void *to, const void *from, size_t bytes) = 0;
  virtual Status fill(void *to, uint8_t value, size_t bytes) = 0;
  /// The low `bytes` (1, 2, 4 or 8) bytes of `bits`, little-endian.
  virtual Status write(void *to, int64_t bits, size_t bytes) = 0;
  /// Waits and gives an address at which the host can read the bytes until the
  /// next call of `read` or `endRun`.
  virtual Status read(const void *from, size_t bytes, const void *&host) = 0;

  //===--------------------------------------------------------------------===//
  // Artifacts and runs
  //===--------------------------------------------------------------------===//

  /// Can this device run the artifact? Looks at the manifest's features and at
  /// the kernels' needs; costs little. E4402 and later say what is missing.
  virtual Status check(const Artifact &artifact) = 0;

  /// Begins a run. `constants` receives the table of slots' addresses for the
  /// entry point; they are uploaded once for an artifact and a physical device.
  /// `timed` asks for launch times.
  virtual Status beginRun(const std::shared_ptr<const Artifact> &artifact,
                          bool timed, const void *const *&constants) = 0;
  virtual Status launch(const LaunchRequest &request) = 0;
  /// Ends a run, also one that failed: hands over all work that is still held
  /// back. Does not wait.
  virtual Status endRun() = 0;
  /// Appends the times of the launches of this run that have none yet, in the
  /// order of the launches. Waits for their end.
  virtual Status takeTimes(std::vector<LaunchTime> &times) = 0;

  /// From `beginCapture` on work is recorded instead of done; what cannot be
  /// recorded fails. `endCapture` ends that in any case, and gives what was
  /// recorded. Devices that record nothing refuse.
  virtual Status beginCapture();
  virtual Status endCapture(std::unique_ptr<DeviceGraph> &graph);
  /// Does recorded work of this object, ordered after the work so far.
  virtual Status launchGraph(DeviceGraph &graph);

  /// Waits for all work so far, and reports what has failed in it.
  virtual Status synchronize() = 0;

  /// The context ends, and no run follows: waits, and gives back what only runs
  /// need. Memory of sessions may still be released after it.
  virtual void close() = 0;

private:
  const MercerDevice identity;
};

/// Makes the device of a context; options are checked.
Status createDevice(const MercerContextOptions &options, Memory memory,
                    std::shared_ptr<Device> &device);

/// The devices of a type (MercerDeviceType) on this machine, best first: names
/// in the order of their ids. None is no error.
Status listDevices(int32_t type, std::vector<std::string> &names);

/// "cpu", "cuda", "vulkan": the name of a device type, as a manifest's target
/// has it; null for a type that is none.
const char *deviceTypeName(int32_t type);

/// A buffer of a device that grows, forgets its contents when it does, and is
/// kept between runs.
class DeviceBuffer {
public:
  explicit DeviceBuffer(MercerMemoryPurpose purpose) : purpose(purpose) {}

  /// At least `bytes`.
  Status ensure(Device &device, size_t bytes, const std::string &place,
                void *&memory);
  void clear(Device &device);

private:
  MercerMemoryPurpose purpose;
  void *base = nullptr;
  size_t size = 0;
};

} // namespace mercer::rt

#endif // MERCER_RUNTIME_CORE_DEVICE_H
