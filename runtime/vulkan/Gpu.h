//===- Gpu.h - what contexts of one Vulkan device share ---------*- C++ -*-===//
//
// The logical device, its queue, and its memory. Submissions of all contexts
// go to one queue and are numbered: a timeline semaphore says which are done.
// Every buffer has a range of addresses of its own, far from the host's, so
// that host programs can compute with them.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_RUNTIME_VULKAN_GPU_H
#define MERCER_RUNTIME_VULKAN_GPU_H

#include "runtime/core/Artifact.h"
#include "runtime/vulkan/Instance.h"

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <unordered_map>

namespace mercer::rt::vulkan {

#define MERCER_VULKAN_DEVICE_FUNCTIONS(F)                                      \
  F(DestroyDevice)                                                             \
  F(GetDeviceQueue)                                                            \
  F(QueueSubmit)                                                               \
  F(CreateSemaphore)                                                           \
  F(DestroySemaphore)                                                          \
  F(AllocateMemory)                                                            \
  F(FreeMemory)                                                                \
  F(MapMemory)                                                                 \
  F(CreateBuffer)                                                              \
  F(DestroyBuffer)                                                             \
  F(GetBufferMemoryRequirements)                                               \
  F(BindBufferMemory)                                                          \
  F(CreateShaderModule)                                                        \
  F(DestroyShaderModule)                                                       \
  F(CreateDescriptorSetLayout)                                                 \
  F(DestroyDescriptorSetLayout)                                                \
  F(CreatePipelineLayout)                                                      \
  F(DestroyPipelineLayout)                                                     \
  F(CreateComputePipelines)                                                    \
  F(DestroyPipeline)                                                           \
  F(CreatePipelineCache)                                                       \
  F(DestroyPipelineCache)                                                      \
  F(GetPipelineCacheData)                                                      \
  F(CreateDescriptorPool)                                                      \
  F(DestroyDescriptorPool)                                                     \
  F(ResetDescriptorPool)                                                       \
  F(AllocateDescriptorSets)                                                    \
  F(UpdateDescriptorSets)                                                      \
  F(CreateCommandPool)                                                         \
  F(DestroyCommandPool)                                                        \
  F(ResetCommandPool)                                                          \
  F(AllocateCommandBuffers)                                                    \
  F(BeginCommandBuffer)                                                        \
  F(EndCommandBuffer)                                                          \
  F(CmdBindPipeline)                                                           \
  F(CmdBindDescriptorSets)                                                     \
  F(CmdPushConstants)                                                          \
  F(CmdDispatch)                                                               \
  F(CmdCopyBuffer)                                                             \
  F(CmdFillBuffer)                                                             \
  F(CmdPipelineBarrier)                                                        \
  F(CreateQueryPool)                                                           \
  F(DestroyQueryPool)                                                          \
  F(CmdResetQueryPool)                                                         \
  F(CmdWriteTimestamp)                                                         \
  F(GetQueryPoolResults)

/// A VkBuffer with memory of its own.
struct Buffer {
  VkBuffer handle = VK_NULL_HANDLE;
  VkDeviceMemory memory = VK_NULL_HANDLE;
  VkDeviceSize size = 0;
  char *mapped = nullptr; ///< null: the host cannot see it
  bool cached = false;    ///< the host reads it quickly
};

/// A place in a buffer.
struct Place {
  const Buffer *buffer;
  VkDeviceSize offset;
};

class Program;

class Gpu : public std::enable_shared_from_this<Gpu> {
public:
  ~Gpu();
  Gpu(const Gpu &) = delete;

  static Status open(int32_t id, bool validate, std::shared_ptr<Gpu> &gpu);

  const VkPhysicalDeviceProperties &properties() const {
    return physical.properties;
  }
  const VkPhysicalDeviceLimits &limits() const {
    return physical.properties.limits;
  }
  uint32_t timestampBits() const { return physical.timestampBits; }
  uint32_t queueFamily() const { return physical.queueFamily; }
  VkDevice device() const { return handle; }
  /// Can pipelines ask for subgroups without holes?
  bool fullSubgroups() const { return hasFullSubgroups; }
  uint32_t subgroupSize() const { return subgroup; }

  /// Can it run an artifact? E4402 to E4404.
  Status check(const Artifact &artifact) const;

  //===--------------------------------------------------------------------===//
  // Work
  //===--------------------------------------------------------------------===//

  /// Hands commands to the queue; `serial` is the submission's number.
  Status submit(VkCommandBuffer commands, uint64_t &serial);
  Status wait(uint64_t serial);
  /// The latest submission that is known to be done.
  uint64_t completed();
  uint64_t submitted() const { return lastSubmitted.load(); }
  /// Notes a lost device; all later calls fail.
  Status failed(VkResult result, const char *what);
  Status takeMessages() const { return instance->takeMessages(); }

  //===--------------------------------------------------------------------===//
  // Memory
  //===--------------------------------------------------------------------===//

  /// Device memory at a multiple of 256.
  Status allocate(size_t bytes, const std::string &place, uint64_t &address);
  /// It is used again when submission `serial` is done.
  void release(uint64_t address, uint64_t serial);
  /// The buffer behind an address; false if there is none.
  bool find(uint64_t address, Place &place) const;

  /// Memory that the host writes and reads, for copies.
  Status createStaging(size_t bytes, Buffer &buffer);
  void destroy(Buffer &buffer);

  /// 256 bytes to bind where a tensor has no element.
  uint64_t emptyAddress() const { return empty; }

  //===--------------------------------------------------------------------===//
  // Artifacts
  //===--------------------------------------------------------------------===//

  /// The program of an artifact, which is checked when it is new. Drops those
  /// whose artifacts are gone.
  Status program(const std::shared_ptr<const Artifact> &artifact,
                 std::shared_ptr<Program> &result);

#define MERCER_FUNCTION(name) PFN_vk##name name = nullptr;
  MERCER_VULKAN_DEVICE_FUNCTIONS(MERCER_FUNCTION)
#undef MERCER_FUNCTION
  // KHR names before Vulkan 1.2.
  PFN_vkWaitSemaphores WaitSemaphores = nullptr;
  PFN_vkGetSemaphoreCounterValue GetSemaphoreCounterValue = nullptr;

private:
  /// Buffers are cut into blocks of one size, a power of two; a large buffer is
  /// one block.
  struct Slab {
    Buffer buffer;
    VkDeviceSize block = 0;
    std::vector<uint32_t> free; ///< blocks of a slab of many
    uint32_t used = 0;
  };
  struct Released {
    uint64_t serial;
    uint64_t address;
  };

  Gpu() = default;
  Status create(int32_t id);
  Status createDevice();
  void chooseMemory();
  /// `map` makes it visible to the host where the memory type can be.
  Status createBuffer(VkDeviceSize size, uint32_t type, bool map,
                      Buffer &buffer);
  Status checkKernel(const char *name,
                     const MercerDeviceKernelDesc &kernel) const;
  void checkCode(const MercerDeviceKernelDesc &kernel,
                 std::vector<std::string> &missing) const;
  Status newSlab(VkDeviceSize block, VkDeviceSize size, uint64_t &address);
  void takeBack(uint64_t address);
  void reclaim();
  void trim();
  std::map<uint64_t, Slab>::iterator slabOf(uint64_t address);

  std::shared_ptr<Instance> instance;
  PhysicalDevice physical{};
  VkDevice handle = VK_NULL_HANDLE;
  VkQueue queue = VK_NULL_HANDLE;
  VkSemaphore timeline = VK_NULL_HANDLE;
  uint32_t subgroup = 1;
  bool hasFullSubgroups = false;
  std::vector<std::string> features;
  uint32_t deviceType = 0, stagingType = 0;
  std::vector<VkMemoryPropertyFlags> memoryFlags; ///< of every type
  bool mapsDeviceMemory = false;

  std::mutex queueMutex;
  std::atomic<uint64_t> lastSubmitted{0}, lastCompleted{0};
  std::atomic<bool> lost{false};

  mutable std::mutex memoryMutex;
  std::map<uint64_t, Slab> slabs; ///< by first address
  /// Slabs with a free block, by block size.
  std::multimap<VkDeviceSize, uint64_t> available;
  std::deque<Released> released;
  VkDeviceSize idleBytes = 0; ///< of large buffers that nobody uses
  uint64_t nextAddress = uint64_t(1) << 56;
  uint64_t empty = 0;

  std::mutex programMutex;
  std::unordered_map<const Artifact *, std::pair<std::weak_ptr<const Artifact>,
                                                 std::shared_ptr<Program>>>
      programs;
};

} // namespace mercer::rt::vulkan

#endif // MERCER_RUNTIME_VULKAN_GPU_H
