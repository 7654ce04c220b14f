//===- Gpu.cpp - what contexts of one Vulkan device share -----------------===//

#include "runtime/vulkan/Gpu.h"

#include "runtime/vulkan/Program.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <tuple>

namespace mercer::rt::vulkan {

//===----------------------------------------------------------------------===//
// The device and its features
//===----------------------------------------------------------------------===//

namespace {

/// The features that artifacts may ask for, as one chain of structures. What a
/// device has is enabled.
struct Features {
  VkPhysicalDeviceFeatures2 core{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
  VkPhysicalDevice16BitStorageFeatures storage16{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES};
  VkPhysicalDeviceVariablePointersFeatures pointers{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VARIABLE_POINTERS_FEATURES};
  VkPhysicalDevice8BitStorageFeatures storage8{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES};
  VkPhysicalDeviceShaderFloat16Int8Features small{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES};
  VkPhysicalDeviceTimelineSemaphoreFeatures timeline{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES};
  VkPhysicalDeviceVulkanMemoryModelFeatures model{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES};
  VkPhysicalDeviceShaderSubgroupExtendedTypesFeatures extended{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SUBGROUP_EXTENDED_TYPES_FEATURES};
  VkPhysicalDeviceSubgroupSizeControlFeatures subgroupSize{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES};
  VkPhysicalDeviceShaderIntegerDotProductFeatures dot{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES};
  std::vector<const char *> extensions;
  const uint32_t version;
  const std::vector<VkExtensionProperties> &list;

  /// Chains what a device of this version and these extensions knows.
  Features(uint32_t version, const std::vector<VkExtensionProperties> &list)
      : version(version), list(list) {
    void **end = &core.pNext;
    auto add = [&](auto &structure, uint32_t since, const char *extension) {
      if (!knows(since, extension))
        return;
      *end = &structure;
      end = &structure.pNext;
    };
    add(storage16, VK_API_VERSION_1_1, nullptr);
    add(pointers, VK_API_VERSION_1_1, nullptr);
    add(storage8, VK_API_VERSION_1_2, VK_KHR_8BIT_STORAGE_EXTENSION_NAME);
    add(small, VK_API_VERSION_1_2, VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME);
    add(timeline, VK_API_VERSION_1_2, VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME);
    add(model, VK_API_VERSION_1_2, VK_KHR_VULKAN_MEMORY_MODEL_EXTENSION_NAME);
    add(extended, VK_API_VERSION_1_2,
        VK_KHR_SHADER_SUBGROUP_EXTENDED_TYPES_EXTENSION_NAME);
    add(subgroupSize, VK_API_VERSION_1_3,
        VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
    add(dot, VK_API_VERSION_1_3,
        VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME);
  }
  Features(const Features &) = delete;

  /// Part of Vulkan `since` a version, and of an extension before, which is
  /// enabled then.
  bool knows(uint32_t since, const char *extension) {
    if (version >= since)
      return true;
    if (!extension || !hasExtension(list, extension))
      return false;
    extensions.push_back(extension);
    return true;
  }

  std::vector<std::string>
  names(VkSubgroupFeatureFlags operations,
        const VkPhysicalDeviceFloatControlsProperties &floats) const {
    std::vector<std::string> result;
    auto note = [&](VkBool32 has, const char *name) {
      if (has)
        result.push_back(name);
    };
#define MERCER_FEATURE(structure, name) note(structure.name, #name);
    MERCER_FEATURE(core.features, shaderFloat64)
    MERCER_FEATURE(core.features, shaderInt64)
    MERCER_FEATURE(core.features, shaderInt16)
    MERCER_FEATURE(storage16, storageBuffer16BitAccess)
    MERCER_FEATURE(storage16, uniformAndStorageBuffer16BitAccess)
    MERCER_FEATURE(storage16, storagePushConstant16)
    MERCER_FEATURE(pointers, variablePointersStorageBuffer)
    MERCER_FEATURE(pointers, variablePointers)
    MERCER_FEATURE(storage8, storageBuffer8BitAccess)
    MERCER_FEATURE(storage8, uniformAndStorageBuffer8BitAccess)
    MERCER_FEATURE(storage8, storagePushConstant8)
    MERCER_FEATURE(small, shaderFloat16)
    MERCER_FEATURE(small, shaderInt8)
    MERCER_FEATURE(model, vulkanMemoryModel)
    MERCER_FEATURE(model, vulkanMemoryModelDeviceScope)
    MERCER_FEATURE(extended, shaderSubgroupExtendedTypes)
    MERCER_FEATURE(dot, shaderIntegerDotProduct)
    MERCER_FEATURE(floats, shaderSignedZeroInfNanPreserveFloat16)
    MERCER_FEATURE(floats, shaderSignedZeroInfNanPreserveFloat32)
    MERCER_FEATURE(floats, shaderSignedZeroInfNanPreserveFloat64)
#undef MERCER_FEATURE
    // Not members of a structure, but bits: what subgroups can do.
    note(operations & VK_SUBGROUP_FEATURE_BASIC_BIT, "subgroupBasic");
    note(operations & VK_SUBGROUP_FEATURE_VOTE_BIT, "subgroupVote");
    note(operations & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT, "subgroupArithmetic");
    note(operations & VK_SUBGROUP_FEATURE_BALLOT_BIT, "subgroupBallot");
    note(operations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT, "subgroupShuffle");
    note(operations & VK_SUBGROUP_FEATURE_SHUFFLE_RELATIVE_BIT,
         "subgroupShuffleRelative");
    return result;
  }
};

} // namespace

static bool hasFeature(const std::vector<std::string> &features,
                       const std::string &name) {
  return std::find(features.begin(), features.end(), name) != features.end();
}

/// The feature behind a capability of SPIR-V; empty if every device has it,
/// null if the runtime does not know it.
static const char *featureOf(uint32_t capability) {
  switch (capability) {
  case 0: // Matrix
  case 1: // Shader
    return "";
  case 9:
    return "shaderFloat16";
  case 10:
    return "shaderFloat64";
  case 11:
    return "shaderInt64";
  case 22:
    return "shaderInt16";
  case 39:
    return "shaderInt8";
  case 61:
    return "subgroupBasic";
  case 62:
    return "subgroupVote";
  case 63:
    return "subgroupArithmetic";
  case 64:
    return "subgroupBallot";
  case 65:
    return "subgroupShuffle";
  case 66:
    return "subgroupShuffleRelative";
  case 4433:
    return "storageBuffer16BitAccess";
  case 4434:
    return "uniformAndStorageBuffer16BitAccess";
  case 4435:
    return "storagePushConstant16";
  case 4441:
    return "variablePointersStorageBuffer";
  case 4442:
    return "variablePointers";
  case 4448:
    return "storageBuffer8BitAccess";
  case 4449:
    return "uniformAndStorageBuffer8BitAccess";
  case 4450:
    return "storagePushConstant8";
  case 4466:
    // Execution modes say for which widths: that of f32 stands for all.
    return "shaderSignedZeroInfNanPreserveFloat32";
  case 5345:
    return "vulkanMemoryModel";
  case 5346:
    return "vulkanMemoryModelDeviceScope";
  case 6019:
    return "shaderIntegerDotProduct";
  default:
    return nullptr;
  }
}

static bool copiesWanted() {
  const char *text = getenv("MERCER_VULKAN_COPIES");
  return text && strcmp(text, "1") == 0;
}

Status Gpu::open(int32_t id, bool validate, std::shared_ptr<Gpu> &result) {
  static std::mutex mutex;
  static std::map<std::tuple<int32_t, bool, bool>, std::weak_ptr<Gpu>> known;
  std::lock_guard lock(mutex);
  std::weak_ptr<Gpu> &entry = known[{id, validate, copiesWanted()}];
  if ((result = entry.lock()))
    if (!result->lost)
      return {};
  std::shared_ptr<Gpu> gpu(new Gpu);
  if (Status status = Instance::get(validate, gpu->instance); status.failed())
    return status;
  if (Status status = gpu->create(id); status.failed())
    return status;
  entry = gpu;
  result = std::move(gpu);
  return {};
}

Status Gpu::create(int32_t id) {
  const auto &devices = instance->devices();
  if (id < 0 || static_cast<size_t>(id) >= devices.size())
    return {Code::DeviceMissing, "Vulkan",
            format("expects a device below %zu, got %d", devices.size(), id)};
  physical = devices[id];
  if (Status status = createDevice(); status.failed())
    return status;
#define MERCER_FUNCTION(name)                                                  \
  name = reinterpret_cast<PFN_vk##name>(                                       \
      instance->GetDeviceProcAddr(handle, "vk" #name));                        \
  if (!name)                                                                   \
    return {Code::DeviceMissing, "Vulkan", "the driver has no vk" #name};
  MERCER_VULKAN_DEVICE_FUNCTIONS(MERCER_FUNCTION)
#undef MERCER_FUNCTION
  const bool promoted = properties().apiVersion >= VK_API_VERSION_1_2;
  WaitSemaphores =
      reinterpret_cast<PFN_vkWaitSemaphores>(instance->GetDeviceProcAddr(
          handle, promoted ? "vkWaitSemaphores" : "vkWaitSemaphoresKHR"));
  GetSemaphoreCounterValue = reinterpret_cast<PFN_vkGetSemaphoreCounterValue>(
      instance->GetDeviceProcAddr(handle,
                                  promoted ? "vkGetSemaphoreCounterValue"
                                           : "vkGetSemaphoreCounterValueKHR"));
  if (!WaitSemaphores || !GetSemaphoreCounterValue)
    return {Code::DeviceMissing, "Vulkan",
            "the driver has no timeline semaphores"};
  GetDeviceQueue(handle, physical.queueFamily, 0, &queue);
  VkSemaphoreTypeCreateInfo type{VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO};
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  VkSemaphoreCreateInfo semaphore{VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
  semaphore.pNext = &type;
  if (VkResult result = CreateSemaphore(handle, &semaphore, nullptr, &timeline))
    return failed(result, "vkCreateSemaphore");
  chooseMemory();
  return allocate(256, "Vulkan", empty);
}

Status Gpu::createDevice() {
  auto extensions = deviceExtensions(*instance, physical.handle);
  Features wanted(properties().apiVersion, extensions);
  instance->GetPhysicalDeviceFeatures2(physical.handle, &wanted.core);
  VkPhysicalDeviceSubgroupProperties subgroups{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
  VkPhysicalDeviceProperties2 facts{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  facts.pNext = &subgroups;
  VkPhysicalDeviceFloatControlsProperties floats{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FLOAT_CONTROLS_PROPERTIES};
  if (wanted.knows(VK_API_VERSION_1_2,
                   VK_KHR_SHADER_FLOAT_CONTROLS_EXTENSION_NAME))
    subgroups.pNext = &floats;
  instance->GetPhysicalDeviceProperties2(physical.handle, &facts);
  subgroup = std::max(1u, subgroups.subgroupSize);
  hasFullSubgroups = wanted.subgroupSize.computeFullSubgroups &&
                     wanted.subgroupSize.subgroupSizeControl;
  features = wanted.names(subgroups.supportedOperations, floats);
  // Bounds checks of the driver cost, and kernels stay inside of their buffers.
  const VkPhysicalDeviceFeatures all = wanted.core.features;
  wanted.core.features = {};
  wanted.core.features.shaderFloat64 = all.shaderFloat64;
  wanted.core.features.shaderInt64 = all.shaderInt64;
  wanted.core.features.shaderInt16 = all.shaderInt16;

  const float priority = 1;
  VkDeviceQueueCreateInfo queueInfo{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queueInfo.queueFamilyIndex = physical.queueFamily;
  queueInfo.queueCount = 1;
  queueInfo.pQueuePriorities = &priority;
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
  info.pNext = &wanted.core;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queueInfo;
  info.enabledExtensionCount = static_cast<uint32_t>(wanted.extensions.size());
  info.ppEnabledExtensionNames = wanted.extensions.data();
  VkResult result =
      instance->CreateDevice(physical.handle, &info, nullptr, &handle);
  return result == VK_SUCCESS ? Status() : failure(result, "vkCreateDevice");
}

/// Device memory that the host can write where that costs nothing: on
/// processors and integrated devices. A discrete one reaches its own fast
/// memory by copies; MERCER_VULKAN_COPIES=1 makes every device do so, to test
/// and to measure it.
void Gpu::chooseMemory() {
  VkPhysicalDeviceMemoryProperties memory;
  instance->GetPhysicalDeviceMemoryProperties(physical.handle, &memory);
  for (uint32_t i = 0; i < memory.memoryTypeCount; ++i)
    memoryFlags.push_back(memory.memoryTypes[i].propertyFlags);
  auto best = [&](VkMemoryPropertyFlags want, VkMemoryPropertyFlags like,
                  VkMemoryPropertyFlags dislike) {
    int score = -1;
    uint32_t type = 0;
    for (uint32_t i = 0; i < memoryFlags.size(); ++i) {
      const VkMemoryPropertyFlags has = memoryFlags[i];
      // Protected and vendors' uncached memory have uses of their own.
      if ((has & want) != want || has >= VK_MEMORY_PROPERTY_PROTECTED_BIT)
        continue;
      const int points = 2 * __builtin_popcount(has & like) -
                         __builtin_popcount(has & dislike) + 8;
      if (points > score) {
        score = points;
        type = i;
      }
    }
    return type;
  };
  constexpr VkMemoryPropertyFlags visible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT,
                                  coherent =
                                      VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                                  cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
                                  local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  mapsDeviceMemory =
      (properties().deviceType == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU ||
       properties().deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU) &&
      !copiesWanted();
  deviceType = mapsDeviceMemory ? best(local, visible | coherent | cached, 0)
                                : best(local, 0, visible);
  stagingType = best(visible | coherent, cached, local);
}

Gpu::~Gpu() {
  if (timeline)
    (void)wait(lastSubmitted);
  programs.clear();
  for (auto &[address, slab] : slabs)
    destroy(slab.buffer);
  if (timeline)
    DestroySemaphore(handle, timeline, nullptr);
  if (DestroyDevice)
    DestroyDevice(handle, nullptr);
}

Status Gpu::check(const Artifact &artifact) const {
  const MercerModuleDesc &module = artifact.module();
  const Manifest &manifest = artifact.manifest();
  if (manifest.target != "vulkan" || !module.device_kernels)
    return {Code::WrongDevice, artifact.path(),
            "the artifact was made for device '" + manifest.target +
                "', the context is for 'vulkan'"};
  std::vector<std::string> missing;
  for (const std::string &name : manifest.deviceFeatures)
    if (!hasFeature(features, name))
      missing.push_back(name);
  for (uint64_t i = 0; i < module.kernel_count; ++i) {
    const MercerDeviceKernelDesc &kernel = module.device_kernels[i];
    if (Status status = checkKernel(module.kernels[i].name, kernel);
        status.failed())
      return status;
    checkCode(kernel, missing);
  }
  if (missing.empty())
    return {};
  std::string text;
  for (const std::string &name : missing)
    text += (text.empty() ? "" : ", ") + name;
  return {Code::DeviceFeatureMissing, artifact.path(),
          format("'%s' lacks ", properties().deviceName) + text};
}

/// The description of a kernel against the limits of the device.
Status Gpu::checkKernel(const char *name,
                        const MercerDeviceKernelDesc &kernel) const {
  const VkPhysicalDeviceLimits &most = limits();
  if (kernel.format != MERCER_CODE_SPIRV)
    return {Code::WrongDevice, name, "expects SPIR-V"};
  // The driver reads words, and trusts them.
  uint32_t magic = 0;
  if (kernel.code_size >= 5 * sizeof(uint32_t))
    memcpy(&magic, kernel.code, sizeof(magic));
  if (kernel.code_size % sizeof(uint32_t) != 0 || magic != 0x07230203)
    return {Code::DeviceCodeRefused, name, "the code is no SPIR-V"};
  if (kernel.subgroup > subgroup)
    return {Code::DeviceFeatureMissing, name,
            format("expects subgroups of at least %u, the device's have %u",
                   kernel.subgroup, subgroup)};
  auto exceeds = [&](const char *what, uint64_t needs, uint64_t has) {
    return Status(Code::DeviceLimit, name,
                  format("needs %llu %s, the device has %llu",
                         static_cast<unsigned long long>(needs), what,
                         static_cast<unsigned long long>(has)));
  };
  const uint32_t threads = std::min(most.maxComputeWorkGroupInvocations,
                                    most.maxComputeWorkGroupSize[0]);
  if (kernel.threads > threads)
    return exceeds("threads in a workgroup", kernel.threads, threads);
  if (kernel.shared_bytes > most.maxComputeSharedMemorySize)
    return exceeds("bytes of shared memory", kernel.shared_bytes,
                   most.maxComputeSharedMemorySize);
  const uint64_t bindings = KernelLayout(kernel).bindings;
  const uint32_t buffers = std::min(most.maxPerStageDescriptorStorageBuffers,
                                    most.maxDescriptorSetStorageBuffers);
  if (bindings > buffers)
    return exceeds("storage buffers", bindings, buffers);
  return {};
}

/// The code's own declarations: a driver may crash on a module that it does
/// not know, whatever the manifest says.
void Gpu::checkCode(const MercerDeviceKernelDesc &kernel,
                    std::vector<std::string> &missing) const {
  auto need = [&](bool has, std::string name) {
    if (!has &&
        std::find(missing.begin(), missing.end(), name) == missing.end())
      missing.push_back(std::move(name));
  };
  const size_t count = kernel.code_size / sizeof(uint32_t);
  auto word = [&](size_t i) {
    uint32_t value;
    memcpy(&value, static_cast<const char *>(kernel.code) + i * sizeof(value),
           sizeof(value));
    return value;
  };
  // Vulkan 1.1 takes SPIR-V 1.3, 1.2 takes 1.5, 1.3 takes 1.6.
  const uint32_t minor = word(1) >> 8 & 0xff;
  need(minor <= 3 || properties().apiVersion >= VK_API_VERSION_1_2,
       "Vulkan 1.2");
  need(minor <= 5 || properties().apiVersion >= VK_API_VERSION_1_3,
       "Vulkan 1.3");
  // Capabilities are the first instructions.
  constexpr uint32_t opCapability = 17;
  for (size_t at = 5; at + 1 < count && word(at) == (2 << 16 | opCapability);
       at += 2)
    if (const char *name = featureOf(word(at + 1)); !name)
      need(false, format("SPIR-V capability %u", word(at + 1)));
    else if (*name)
      need(hasFeature(features, name), name);
}

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

Status Gpu::failed(VkResult result, const char *what) {
  if (result == VK_ERROR_DEVICE_LOST)
    lost = true;
  return failure(result, what);
}

Status Gpu::submit(VkCommandBuffer commands, uint64_t &serial) {
  std::lock_guard lock(queueMutex);
  if (lost)
    return failure(VK_ERROR_DEVICE_LOST, "Vulkan");
  const uint64_t number = lastSubmitted + 1;
  VkTimelineSemaphoreSubmitInfo values{
      VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO};
  values.signalSemaphoreValueCount = 1;
  values.pSignalSemaphoreValues = &number;
  VkSubmitInfo info{VK_STRUCTURE_TYPE_SUBMIT_INFO};
  info.pNext = &values;
  info.commandBufferCount = 1;
  info.pCommandBuffers = &commands;
  info.signalSemaphoreCount = 1;
  info.pSignalSemaphores = &timeline;
  if (VkResult result = QueueSubmit(queue, 1, &info, VK_NULL_HANDLE))
    return failed(result, "vkQueueSubmit");
  lastSubmitted = serial = number;
  return {};
}

Status Gpu::wait(uint64_t serial) {
  if (lost)
    return failure(VK_ERROR_DEVICE_LOST, "Vulkan");
  if (serial <= lastCompleted)
    return {};
  VkSemaphoreWaitInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO};
  info.semaphoreCount = 1;
  info.pSemaphores = &timeline;
  info.pValues = &serial;
  if (VkResult result = WaitSemaphores(handle, &info, UINT64_MAX))
    return failed(result, "vkWaitSemaphores");
  (void)completed();
  return {};
}

uint64_t Gpu::completed() {
  uint64_t value = 0;
  // A lost device does no more work: everything may be taken back.
  if (lost)
    return lastSubmitted;
  if (GetSemaphoreCounterValue(handle, timeline, &value) != VK_SUCCESS)
    return lastCompleted;
  uint64_t known = lastCompleted;
  while (known < value && !lastCompleted.compare_exchange_weak(known, value))
    ;
  return lastCompleted;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

namespace {

constexpr VkDeviceSize smallestBlock = 256, largestShared = 1 << 20,
                       slabSize = 8 << 20;
/// Large buffers that are kept for the next run though nobody uses them.
constexpr VkDeviceSize idleLimit = VkDeviceSize(512) << 20;

/// Powers of two for small blocks; quarters between them for large ones.
VkDeviceSize blockSize(VkDeviceSize bytes) {
  VkDeviceSize size = smallestBlock;
  while (size < bytes)
    size *= 2;
  if (size <= largestShared)
    return size;
  for (VkDeviceSize part = size / 2 + size / 8; part < size; part += size / 8)
    if (part >= bytes)
      return part;
  return size;
}

} // namespace

Status Gpu::createBuffer(VkDeviceSize size, uint32_t type, bool map,
                         Buffer &buffer) {
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = size;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
               VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
               VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  VkResult result = CreateBuffer(handle, &info, nullptr, &buffer.handle);
  if (result != VK_SUCCESS)
    return failed(result, "vkCreateBuffer");
  buffer.size = size;
  VkMemoryRequirements needs;
  GetBufferMemoryRequirements(handle, buffer.handle, &needs);
  VkMemoryAllocateInfo memory{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
  memory.allocationSize = needs.size;
  // Every type that buffers of this usage may have is in the mask, and ours is
  // the plain one of its kind.
  memory.memoryTypeIndex = needs.memoryTypeBits & (1u << type)
                               ? type
                               : __builtin_ctz(needs.memoryTypeBits);
  result = AllocateMemory(handle, &memory, nullptr, &buffer.memory);
  if (result == VK_SUCCESS)
    result = BindBufferMemory(handle, buffer.handle, buffer.memory, 0);
  const VkMemoryPropertyFlags flags = memoryFlags[memory.memoryTypeIndex];
  constexpr VkMemoryPropertyFlags direct = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                           VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  if (result == VK_SUCCESS && map && (flags & direct) == direct) {
    void *mapped = nullptr;
    result = MapMemory(handle, buffer.memory, 0, VK_WHOLE_SIZE, 0, &mapped);
    buffer.mapped = static_cast<char *>(mapped);
    buffer.cached = (flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0;
  }
  if (result == VK_SUCCESS)
    return {};
  destroy(buffer);
  return failed(result, "vkAllocateMemory");
}

void Gpu::destroy(Buffer &buffer) {
  DestroyBuffer(handle, buffer.handle, nullptr);
  FreeMemory(handle, buffer.memory, nullptr);
  buffer = Buffer();
}

Status Gpu::createStaging(size_t bytes, Buffer &buffer) {
  if (Status status = createBuffer(bytes, stagingType, /*map=*/true, buffer);
      status.failed())
    return status;
  if (buffer.mapped)
    return {};
  destroy(buffer);
  return {Code::DeviceFailed, "Vulkan",
          "the device has no memory that the host can see"};
}

Status Gpu::newSlab(VkDeviceSize block, VkDeviceSize size, uint64_t &address) {
  Slab slab;
  slab.block = block;
  if (Status status =
          createBuffer(size, deviceType, mapsDeviceMemory, slab.buffer);
      status.failed())
    return status;
  address = nextAddress;
  // A gap between buffers: an address that leaves its own finds no other.
  nextAddress += (size + (VkDeviceSize(2) << 20)) >> 20 << 20;
  const auto count = static_cast<uint32_t>(size / block);
  for (uint32_t i = count; i-- > 0;)
    slab.free.push_back(i);
  slabs.emplace(address, std::move(slab));
  available.emplace(block, address);
  return {};
}

Status Gpu::allocate(size_t bytes, const std::string &place,
                     uint64_t &address) {
  if (lost)
    return failure(VK_ERROR_DEVICE_LOST, "Vulkan");
  if (bytes > (size_t(1) << 48))
    return {Code::DeviceOutOfMemory, place,
            format("cannot allocate %zu bytes", bytes)};
  const VkDeviceSize block = blockSize(bytes);
  const VkDeviceSize size = block <= largestShared ? slabSize : block;
  std::lock_guard lock(memoryMutex);
  reclaim();
  auto it = available.find(block);
  if (it == available.end()) {
    uint64_t created;
    Status status = newSlab(block, size, created);
    if (status.failed() && !lost) {
      // What others have released but the device still uses may be enough.
      if (Status waited = wait(lastSubmitted); waited.failed())
        return waited;
      reclaim();
      trim();
      status = newSlab(block, size, created);
    }
    if (status.failed())
      return {status.number(), place,
              format("cannot allocate %zu bytes on the device: ", bytes) +
                  status.message()};
    if (block == size)
      idleBytes += size;
    it = available.find(block);
  }
  Slab &slab = slabs.at(it->second);
  address = it->second + slab.free.back() * slab.block;
  slab.free.pop_back();
  ++slab.used;
  if (slab.free.empty())
    available.erase(it);
  if (slab.buffer.size == slab.block)
    idleBytes -= slab.block;
  return {};
}

std::map<uint64_t, Gpu::Slab>::iterator Gpu::slabOf(uint64_t address) {
  auto it = slabs.upper_bound(address);
  return it == slabs.begin() ? slabs.end() : std::prev(it);
}

bool Gpu::find(uint64_t address, Place &place) const {
  std::lock_guard lock(memoryMutex);
  auto it = slabs.upper_bound(address);
  if (it == slabs.begin())
    return false;
  --it;
  place = {&it->second.buffer, address - it->first};
  return place.offset < place.buffer->size;
}

void Gpu::release(uint64_t address, uint64_t serial) {
  std::lock_guard lock(memoryMutex);
  released.push_back({serial, address});
}

void Gpu::takeBack(uint64_t address) {
  auto it = slabOf(address);
  Slab &slab = it->second;
  if (slab.free.empty())
    available.emplace(slab.block, it->first);
  slab.free.push_back(
      static_cast<uint32_t>((address - it->first) / slab.block));
  --slab.used;
  if (slab.buffer.size == slab.block)
    idleBytes += slab.block;
}

/// Takes back what the device no longer uses.
void Gpu::reclaim() {
  if (released.empty())
    return;
  const uint64_t done = completed();
  for (size_t i = 0; i < released.size();) {
    if (released[i].serial > done) {
      ++i;
      continue;
    }
    takeBack(released[i].address);
    released[i] = released.back();
    released.pop_back();
  }
  if (idleBytes > idleLimit)
    trim();
}

/// Gives buffers that nobody uses back to the driver.
void Gpu::trim() {
  for (auto it = slabs.begin(); it != slabs.end();) {
    Slab &slab = it->second;
    if (slab.used > 0) {
      ++it;
      continue;
    }
    auto range = available.equal_range(slab.block);
    for (auto entry = range.first; entry != range.second; ++entry)
      if (entry->second == it->first) {
        available.erase(entry);
        break;
      }
    if (slab.buffer.size == slab.block)
      idleBytes -= slab.block;
    destroy(slab.buffer);
    it = slabs.erase(it);
  }
}

//===----------------------------------------------------------------------===//
// Artifacts
//===----------------------------------------------------------------------===//

Status Gpu::program(const std::shared_ptr<const Artifact> &artifact,
                    std::shared_ptr<Program> &result) {
  std::lock_guard lock(programMutex);
  for (auto it = programs.begin(); it != programs.end();)
    it = it->second.first.expired() ? programs.erase(it) : std::next(it);
  if (auto it = programs.find(artifact.get()); it != programs.end()) {
    result = it->second.second;
    return {};
  }
  if (Status status = check(*artifact); status.failed())
    return status;
  result = std::make_shared<Program>(*this, *artifact);
  programs[artifact.get()] = {artifact, result};
  return {};
}

} // namespace mercer::rt::vulkan
