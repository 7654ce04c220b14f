//===- Context.h - what one thread needs to run artifacts -------*- C++ -*-===//

#ifndef MERCER_RUNTIME_CORE_CONTEXT_H
#define MERCER_RUNTIME_CORE_CONTEXT_H

#include "runtime/core/Device.h"
#include "runtime/core/Profile.h"

#include <atomic>
#include <mutex>
#include <unordered_map>

namespace mercer::rt {

struct Context {
  Context(const MercerContextOptions &options, Memory memory,
          std::shared_ptr<Device> device);
  ~Context();
  Context(const Context &) = delete;

  /// A tensor that the caller owns from now on: an output in host memory, or
  /// device memory. Remembered until it is given back. With `rank` there is
  /// room for a shape, in host memory.
  Status allocateTensor(bool onDevice, uint32_t index, size_t bytes,
                        size_t rank, const std::string &place, void *&data,
                        int64_t *&shape);
  void releaseTensor(void *data);

  std::shared_ptr<Device> device;
  Memory memory; ///< of the host
  DeviceBuffer arena{MERCER_MEMORY_ARENA};
  MercerProfiler profiler{nullptr, nullptr};
  bool collectProfile, poisonOutputs;
  ProfileCollector profile;

  /// Set while a call is in progress, to refuse a second thread.
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
  Status last;
  MercerError lastView{};

private:
  struct Owned {
    size_t bytes;
    bool onDevice;
    std::unique_ptr<int64_t[]> shape;
  };
  void give(void *data, const Owned &owned);
  std::unordered_map<void *, Owned> owned;
};

/// Buffers that outlive a run.
struct Session {
  struct State {
    void *data = nullptr;
    int64_t bytes = 0;
    int64_t length = 0;
    std::vector<int64_t> dims;
  };

  Session(std::shared_ptr<const Artifact> artifact,
          std::shared_ptr<Device> device, int64_t capacity);
  ~Session() { reset(); }
  Session(const Session &) = delete;
  void reset();

  std::shared_ptr<const Artifact> artifact;
  std::shared_ptr<Device> device;
  int64_t capacity; ///< 0: what the artifact says
  std::vector<State> states;
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
};

} // namespace mercer::rt

#endif // MERCER_RUNTIME_CORE_CONTEXT_H
