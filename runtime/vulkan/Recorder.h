//===- Recorder.h - work of one context on its way to the queue -*- C++ -*-===//
//
// Collects commands in batches: a batch is one command buffer and all that it
// needs until the device is done with it. Accesses to memory are tracked, and
// a barrier separates those that conflict; others may overlap in time.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_RUNTIME_VULKAN_RECORDER_H
#define MERCER_RUNTIME_VULKAN_RECORDER_H

#include "runtime/core/Device.h"
#include "runtime/vulkan/Program.h"

namespace mercer::rt::vulkan {

/// A part of device memory and how a command uses it.
struct Access {
  uint64_t begin, end; ///< addresses
  bool write;
};

/// One dispatch, ready to be recorded.
struct Dispatch {
  const Kernel *kernel;
  std::vector<VkDescriptorBufferInfo> buffers;
  std::vector<Access> accesses;
  const uint32_t *block; ///< parameters
  uint32_t words;
  bool blockInBuffer;
  uint32_t groups, threads;
};

class Recorder {
public:
  explicit Recorder(std::shared_ptr<Gpu> gpu) : gpu(std::move(gpu)) {}
  ~Recorder();
  Recorder(const Recorder &) = delete;

  Status dispatch(const Dispatch &request);
  Status copy(uint64_t to, Place target, uint64_t from, Place source,
              size_t bytes);
  /// Offset and size are multiples of four.
  Status fill(uint64_t to, Place target, uint32_t value, size_t bytes);
  Status upload(uint64_t to, Place target, const void *from, size_t bytes);
  Status download(void *to, uint64_t from, Place source, size_t bytes);

  /// The memory is used again when the work so far is done.
  void release(uint64_t address);

  /// Hands over what has been recorded.
  Status submit();
  /// The same, and waits for it and all before.
  Status finish();
  /// Has this context nothing recorded, and the device nothing to do?
  bool idle();

  /// Takes the times of dispatches from now on.
  void setTimed(bool value) { timed = value; }
  /// A launch without work still has a time.
  void noteEmptyLaunch();
  Status takeTimes(std::vector<LaunchTime> &times);
  /// Forgets those that nobody took.
  void dropTimes() { launches.clear(); }

private:
  struct Staging {
    Buffer buffer;
    size_t used = 0;
  };
  struct Batch {
    VkCommandPool pool = VK_NULL_HANDLE;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    VkQueryPool queries = VK_NULL_HANDLE;
    uint32_t queryCount = 0;
    bool timed = false; ///< the queries have been reset for this use
    std::vector<VkDescriptorPool> descriptors;
    size_t descriptorsUsed = 0; ///< pools with sets of this use
    std::vector<Staging> staging;
    std::vector<uint64_t> released;
    uint64_t serial = 0;
    std::vector<uint64_t> ticks; ///< of the queries, read after its end
  };
  /// A launch whose time is to be read.
  struct Launch {
    std::shared_ptr<Batch> batch; ///< null: there was no work
    uint32_t query;
    uint64_t startNs;
    uint32_t threads;
  };

  Status begin();
  Status createBatch(std::shared_ptr<Batch> &batch);
  void destroy(Batch &batch);
  Status recycle(Batch &batch);
  Status descriptorSet(const Kernel &kernel, uint32_t buffers,
                       VkDescriptorSet &set);
  Status newDescriptorPool(Batch &batch);
  Status stage(size_t bytes, size_t alignment, const Staging *&staging,
               size_t &offset);
  void order(const Access *accesses, size_t count);
  void barrier();

  std::shared_ptr<Gpu> gpu;
  std::shared_ptr<Batch> current; ///< recording
  std::deque<std::shared_ptr<Batch>> running;
  std::vector<std::shared_ptr<Batch>> spare;
  uint32_t setsLeft = 0, buffersLeft = 0; ///< in the pool in use
  std::vector<Access> pending;            ///< since the latest barrier
  bool timed = false;
  std::vector<Launch> launches;
};

} // namespace mercer::rt::vulkan

#endif // MERCER_RUNTIME_VULKAN_RECORDER_H
