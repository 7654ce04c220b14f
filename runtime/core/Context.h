//===- Context.h - what one thread needs to run artifacts -------*- C++ -*-===//

#ifndef MERCER_RUNTIME_CORE_CONTEXT_H
#define MERCER_RUNTIME_CORE_CONTEXT_H

#include "runtime/core/Artifact.h"
#include "runtime/core/Profile.h"
#include "runtime/core/ThreadPool.h"

#include <atomic>
#include <mutex>
#include <unordered_map>

namespace mercer::rt {

struct Context {
  explicit Context(const MercerContextOptions &options);
  ~Context();
  Context(const Context &) = delete;

  /// Memory of an output, remembered until it is given back.
  void *allocateOutput(uint32_t index, size_t bytes);
  void releaseOutput(void *data);

  MercerDevice device;
  Memory memory;
  GrowingBuffer arena;
  std::unique_ptr<ThreadPool> pool;
  MercerProfiler profiler{nullptr, nullptr};
  bool collectProfile;
  ProfileCollector profile;
  std::unordered_map<void *, size_t> outputs;

  /// Set while a call is in progress, to refuse a second thread.
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
  Status last;
  MercerError lastView{};
};

/// Buffers that outlive a run.
struct Session {
  struct State {
    void *data = nullptr;
    int64_t bytes = 0;
    int64_t length = 0;
    std::vector<int64_t> dims;
  };

  Session(std::shared_ptr<const Artifact> artifact, Memory memory,
          int64_t capacity);
  ~Session() { reset(); }
  Session(const Session &) = delete;
  void reset();

  std::shared_ptr<const Artifact> artifact;
  Memory memory;
  int64_t capacity; ///< 0: what the artifact says
  std::vector<State> states;
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
};

} // namespace mercer::rt

#endif // MERCER_RUNTIME_CORE_CONTEXT_H
