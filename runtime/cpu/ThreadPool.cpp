//===- ThreadPool.cpp - runs the tiles of a kernel on threads -------------===//

#include "runtime/cpu/ThreadPool.h"

#include "runtime/core/Clock.h"

#include <algorithm>
#include <pthreadpool.h>
#include <sched.h>

namespace mercer::rt {

struct ThreadPool::Launch {
  ThreadPool &pool;
  const MercerKernelDesc &kernel;
  const int64_t *params;
  uint32_t workers;
  double tileTime; ///< measured by the first worker, 0: it had no tile
};

uint32_t availableThreads() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    return std::max(1, CPU_COUNT(&set));
  return 1;
}

ThreadPool::~ThreadPool() {
  if (own)
    pthreadpool_destroy(own);
}

Status ThreadPool::create(uint32_t threads, const MercerThreadPool *external,
                          Memory memory, std::unique_ptr<ThreadPool> &result) {
  std::unique_ptr<ThreadPool> pool(new ThreadPool);
  if (external) {
    pool->external = *external;
    threads = external->threads;
  } else if (threads > 1) {
    pool->own = pthreadpool_create(threads);
    if (!pool->own)
      return {Code::OutOfMemory, "thread pool",
              format("cannot create %u threads", threads)};
    pool->oversubscribed = threads > availableThreads();
  }
  pool->threadCount = threads;
  pool->ranges = std::vector<Range>(threads);
  for (uint32_t i = 0; i < threads; ++i)
    pool->scratch.emplace_back(memory, MERCER_MEMORY_SCRATCH);
  result = std::move(pool);
  return {};
}

void ThreadPool::work(void *opaque, size_t worker) {
  auto &launch = *static_cast<Launch *>(opaque);
  ThreadPool &pool = launch.pool;
  void *scratch = launch.kernel.scratch_bytes
                      ? pool.scratch[worker].ensure(launch.kernel.scratch_bytes)
                      : nullptr;
  const uint64_t start = worker == 0 ? monotonicNanoseconds() : 0;
  int64_t done = 0;
  for (uint32_t i = 0; i < launch.workers; ++i) {
    Range &range = pool.ranges[(worker + i) % launch.workers];
    // Only the counter is shared: what tiles read was written before the
    // launch, and the join at its end publishes what they write.
    while (true) {
      int64_t begin =
          range.next.fetch_add(range.chunk, std::memory_order_relaxed);
      if (begin >= range.end)
        break;
      const int64_t end = std::min(begin + range.chunk, range.end);
      launch.kernel.run(launch.params, begin, end, scratch);
      done += end - begin;
    }
  }
  if (worker == 0 && done > 0)
    launch.tileTime = double(monotonicNanoseconds() - start) / double(done);
}

void ThreadPool::runHere(const MercerKernelDesc &kernel, const int64_t *params,
                         int64_t tiles) {
  kernel.run(params, 0, tiles,
             kernel.scratch_bytes ? scratch[0].ensure(kernel.scratch_bytes)
                                  : nullptr);
}

Status ThreadPool::run(const MercerKernelDesc &kernel, const int64_t *params,
                       int64_t tiles) {
  if (tiles == 0)
    return {};
  auto workers = static_cast<uint32_t>(std::min<int64_t>(threadCount, tiles));
  // Allocated here, since an allocator is called on the caller's thread only.
  if (kernel.scratch_bytes)
    for (uint32_t i = 0; i < workers; ++i)
      if (!scratch[i].ensure(kernel.scratch_bytes))
        return {Code::OutOfMemory, kernel.name,
                format("cannot allocate %lld bytes of scratch",
                       static_cast<long long>(kernel.scratch_bytes))};
  if (workers == 1) {
    runHere(kernel, params, tiles);
    return {};
  }
  // Two threads that spin take up a launch and join it in 1 us, sleeping ones
  // in some 20 (256x512x8 product, 22.8 us on one thread, 12.3 us on two).
  constexpr double worthwhileNs = 5000;
  double &tileTime = tileTimes[&kernel];
  if (tileTime > 0 && tileTime * double(tiles) < worthwhileNs) {
    const uint64_t start = monotonicNanoseconds();
    runHere(kernel, params, tiles);
    tileTime = double(monotonicNanoseconds() - start) / double(tiles);
    return {};
  }
  for (uint32_t i = 0; i < workers; ++i) {
    int64_t begin = static_cast<int64_t>(__int128(tiles) * i / workers);
    int64_t end = static_cast<int64_t>(__int128(tiles) * (i + 1) / workers);
    ranges[i].next.store(begin, std::memory_order_relaxed);
    ranges[i].end = end;
    // Eight chunks a worker: enough to even out causal attention, whose last
    // tiles cost twice the mean, with few enough atomic operations.
    ranges[i].chunk = std::max<int64_t>(1, (end - begin) / 8);
  }
  Launch launch{*this, kernel, params, workers, 0};
  if (external.run)
    external.run(external.user, workers, &ThreadPool::work, &launch);
  else
    pthreadpool_parallelize_1d(own, &ThreadPool::work, &launch, workers,
                               oversubscribed ? PTHREADPOOL_FLAG_YIELD_WORKERS
                                              : 0);
  tileTime = launch.tileTime;
  return {};
}

} // namespace mercer::rt
