//===- CpuDevice.cpp - the processor as a device --------------------------===//
//
// Everything happens at once, on the calling thread and the pool's: addresses
// are the host's own, and there is nothing to wait for.
//
//===----------------------------------------------------------------------===//

#include "runtime/cpu/CpuDevice.h"

#include "runtime/core/Clock.h"
#include "runtime/cpu/ThreadPool.h"

#include <algorithm>
#include <cstring>

namespace mercer::rt {

namespace {

class CpuDevice final : public Device {
public:
  CpuDevice(Memory memory, std::unique_ptr<ThreadPool> pool)
      : Device({MERCER_DEVICE_CPU, 0}), memory(memory), pool(std::move(pool)) {}

  Status allocate(MercerMemoryPurpose purpose, uint32_t index, size_t bytes,
                  const std::string &place, void *&result) override {
    result = memory.allocate(purpose, index, bytes);
    return result ? Status() : memory.failure(bytes, place);
  }
  void release(MercerMemoryPurpose purpose, void *block,
               size_t bytes) override {
    memory.release(purpose, block, bytes);
  }
  size_t tensorAlignment() const override { return 1; }

  Status upload(void *to, const void *from, size_t bytes) override {
    // Empty tensors may have no address, which memcpy does not allow.
    if (bytes > 0)
      memcpy(to, from, bytes);
    return {};
  }
  Status download(void *to, const void *from, size_t bytes) override {
    return upload(to, from, bytes);
  }
  Status copy(void *to, const void *from, size_t bytes) override {
    return upload(to, from, bytes);
  }
  Status fill(void *to, uint8_t value, size_t bytes) override {
    if (bytes > 0)
      memset(to, value, bytes);
    return {};
  }
  Status write(void *to, int64_t bits, size_t bytes) override {
    return upload(to, &bits, bytes);
  }
  Status read(const void *from, size_t, const void *&host) override {
    host = from;
    return {};
  }

  Status check(const Artifact &artifact) override {
    if (!artifact.module().device_kernels)
      return {};
    return {Code::WrongDevice, artifact.path(),
            "the artifact was made for device '" + artifact.manifest().target +
                "', the context is for 'cpu'"};
  }
  Status beginRun(const std::shared_ptr<const Artifact> &artifact, bool timed,
                  const void *const *&constants) override {
    if (Status status = check(*artifact); status.failed())
      return status;
    running = artifact.get();
    timing = timed;
    constants = artifact->constants().data();
    return {};
  }
  Status launch(const LaunchRequest &request) override {
    const MercerKernelDesc &kernel = running->module().kernels[request.kernel];
    const uint64_t start = timing ? monotonicNanoseconds() : 0;
    Status status = pool->run(kernel, request.params, request.tiles);
    if (MercerTakeErrorFn takeError = running->module().take_error) {
      char message[1024] = "";
      int32_t code = takeError(request.params, message, sizeof(message));
      if (code != 0 && !status.failed())
        status = Status(code, kernel.name, message);
    }
    if (timing && !status.failed())
      times.push_back({start, monotonicNanoseconds() - start,
                       static_cast<uint32_t>(
                           std::min<int64_t>(pool->threads(), request.tiles))});
    return status;
  }
  Status endRun() override {
    running = nullptr;
    times.clear();
    return {};
  }
  Status takeTimes(std::vector<LaunchTime> &result) override {
    result.insert(result.end(), times.begin(), times.end());
    times.clear();
    return {};
  }
  Status synchronize() override { return {}; }
  void close() override { pool.reset(); }

private:
  Memory memory;
  std::unique_ptr<ThreadPool> pool;
  const Artifact *running = nullptr;
  bool timing = false;
  std::vector<LaunchTime> times;
};

} // namespace

Status createCpuDevice(const MercerContextOptions &options, Memory memory,
                       std::shared_ptr<Device> &device) {
  if (options.device.id != 0)
    return {Code::DeviceUnsupported, "mercer_context_create",
            format("expects CPU 0, got %d", options.device.id)};
  const MercerThreadPool *external = options.thread_pool;
  uint32_t threads = options.threads ? options.threads : availableThreads();
  // More threads than any machine has is a mistake, not a wish.
  if (threads > 4096)
    return {Code::InvalidArgument, "mercer_context_create",
            "expects at most 4096 threads"};
  std::unique_ptr<ThreadPool> pool;
  if (Status status = ThreadPool::create(threads, external, memory, pool);
      status.failed())
    return status;
  device = std::make_shared<CpuDevice>(memory, std::move(pool));
  return {};
}

} // namespace mercer::rt
