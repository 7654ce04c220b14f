//===- ThreadPool.h - runs the tiles of a kernel on threads -----*- C++ -*-===//
//
// Tiles are independent and each is computed by one thread in one way, so the
// result does not depend on which thread computes which tile, nor on how many
// threads there are.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_RUNTIME_CPU_THREADPOOL_H
#define MERCER_RUNTIME_CPU_THREADPOOL_H

#include "mercer/abi.h"
#include "runtime/core/Memory.h"

#include <atomic>
#include <memory>
#include <unordered_map>
#include <vector>

struct pthreadpool;

namespace mercer::rt {

/// As many threads as the process may use (its affinity mask).
uint32_t availableThreads();

class ThreadPool {
public:
  ~ThreadPool();

  /// `threads` > 0; with `external` the caller's pool decides their number.
  static Status create(uint32_t threads, const MercerThreadPool *external,
                       Memory memory, std::unique_ptr<ThreadPool> &pool);

  uint32_t threads() const { return threadCount; }

  /// Computes tiles [0, tiles) of a kernel and returns when all are done.
  Status run(const MercerKernelDesc &kernel, const int64_t *params,
             int64_t tiles);

private:
  ThreadPool() = default;
  static void work(void *launch, size_t worker);
  void runHere(const MercerKernelDesc &kernel, const int64_t *params,
               int64_t tiles);

  /// The tiles that one worker starts with. Workers that have finished theirs
  /// take chunks of the others', hence the own cache line.
  struct alignas(64) Range {
    std::atomic<int64_t> next;
    int64_t end, chunk;
  };
  struct Launch;

  uint32_t threadCount = 1;
  MercerThreadPool external{0, nullptr, nullptr};
  pthreadpool *own = nullptr;
  /// Threads that spin for work would keep processors from those that have it.
  bool oversubscribed = false;
  std::vector<Range> ranges;
  std::vector<GrowingBuffer> scratch;
  /// Nanoseconds that a tile of a kernel took last time. Launches that are
  /// shorter than waking threads stay on the calling thread.
  std::unordered_map<const MercerKernelDesc *, double> tileTimes;
};

} // namespace mercer::rt

#endif // MERCER_RUNTIME_CPU_THREADPOOL_H
