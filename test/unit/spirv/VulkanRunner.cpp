//===- VulkanRunner.cpp - runs one kernel on a Vulkan device --------------===//

#include "VulkanRunner.h"

#include <vulkan/vulkan.h>

#include <cstring>

using namespace mercer;
using namespace mercer::test;

namespace {
/// A structure of Vulkan with everything zero but its kind.
template <typename T> T begin(VkStructureType type, void *next = nullptr) {
  T made = {};
  made.sType = type;
  made.pNext = next;
  return made;
}

class Runner : public VulkanRunner {
public:
  static std::unique_ptr<Runner> create();
  ~Runner() override;
  std::string run(const SpirvKernel &kernel, uint32_t tiles, uint32_t groups,
                  llvm::ArrayRef<HostBuffer> buffers,
                  llvm::ArrayRef<uint32_t> words) override;
  std::string name() const override { return properties.deviceName; }
  bool isSoftware() const override {
    return properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
  }

private:
  struct Allocation {
    VkBuffer buffer = VK_NULL_HANDLE;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    void *mapped = nullptr;
  };
  Allocation allocate(size_t bytes);

  VkInstance instance = VK_NULL_HANDLE;
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  VkPhysicalDeviceProperties properties;
  VkDevice device = VK_NULL_HANDLE;
  VkQueue queue = VK_NULL_HANDLE;
  uint32_t family = 0, memoryType = 0;
  VkCommandPool pool = VK_NULL_HANDLE;
};
} // namespace

std::unique_ptr<Runner> Runner::create() {
  auto runner = std::make_unique<Runner>();
  auto application =
      begin<VkApplicationInfo>(VK_STRUCTURE_TYPE_APPLICATION_INFO);
  application.apiVersion = VK_API_VERSION_1_3;
  auto instanceInfo =
      begin<VkInstanceCreateInfo>(VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
  instanceInfo.pApplicationInfo = &application;
  if (vkCreateInstance(&instanceInfo, nullptr, &runner->instance) != VK_SUCCESS)
    return nullptr;
  uint32_t count = 0;
  vkEnumeratePhysicalDevices(runner->instance, &count, nullptr);
  std::vector<VkPhysicalDevice> devices(count);
  vkEnumeratePhysicalDevices(runner->instance, &count, devices.data());
  for (VkPhysicalDevice candidate : devices) {
    VkPhysicalDeviceProperties properties;
    vkGetPhysicalDeviceProperties(candidate, &properties);
    bool software = properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    if (runner->physical && !software)
      continue;
    runner->physical = candidate;
    runner->properties = properties;
    if (software)
      break;
  }
  if (!runner->physical)
    return nullptr;
  vkGetPhysicalDeviceQueueFamilyProperties(runner->physical, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  vkGetPhysicalDeviceQueueFamilyProperties(runner->physical, &count,
                                           families.data());
  while (runner->family < count &&
         !(families[runner->family].queueFlags & VK_QUEUE_COMPUTE_BIT))
    ++runner->family;
  if (runner->family == count)
    return nullptr;

  // Everything that the device has: a kernel's own list is checked by
  // spirv-val.
  auto features12 = begin<VkPhysicalDeviceVulkan12Features>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES);
  auto features11 = begin<VkPhysicalDeviceVulkan11Features>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, &features12);
  auto features = begin<VkPhysicalDeviceFeatures2>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &features11);
  vkGetPhysicalDeviceFeatures2(runner->physical, &features);
  features.features.robustBufferAccess = VK_FALSE;
  float priority = 1;
  auto queueInfo = begin<VkDeviceQueueCreateInfo>(
      VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
  queueInfo.queueFamilyIndex = runner->family;
  queueInfo.queueCount = 1;
  queueInfo.pQueuePriorities = &priority;
  auto deviceInfo = begin<VkDeviceCreateInfo>(
      VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, &features);
  deviceInfo.queueCreateInfoCount = 1;
  deviceInfo.pQueueCreateInfos = &queueInfo;
  if (vkCreateDevice(runner->physical, &deviceInfo, nullptr, &runner->device) !=
      VK_SUCCESS)
    return nullptr;
  vkGetDeviceQueue(runner->device, runner->family, 0, &runner->queue);

  VkPhysicalDeviceMemoryProperties memory;
  vkGetPhysicalDeviceMemoryProperties(runner->physical, &memory);
  constexpr VkMemoryPropertyFlags wanted = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                           VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  while (runner->memoryType < memory.memoryTypeCount &&
         (memory.memoryTypes[runner->memoryType].propertyFlags & wanted) !=
             wanted)
    ++runner->memoryType;
  if (runner->memoryType == memory.memoryTypeCount)
    return nullptr;
  auto poolInfo = begin<VkCommandPoolCreateInfo>(
      VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
  poolInfo.queueFamilyIndex = runner->family;
  vkCreateCommandPool(runner->device, &poolInfo, nullptr, &runner->pool);
  return runner;
}

Runner::~Runner() {
  if (device) {
    vkDestroyCommandPool(device, pool, nullptr);
    vkDestroyDevice(device, nullptr);
  }
  if (instance)
    vkDestroyInstance(instance, nullptr);
}

VulkanRunner *VulkanRunner::get() {
  static std::unique_ptr<Runner> runner = Runner::create();
  return runner.get();
}

Runner::Allocation Runner::allocate(size_t bytes) {
  Allocation result;
  auto info = begin<VkBufferCreateInfo>(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
  info.size = std::max<size_t>(bytes, 16);
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
  if (vkCreateBuffer(device, &info, nullptr, &result.buffer) != VK_SUCCESS)
    return {};
  VkMemoryRequirements needs;
  vkGetBufferMemoryRequirements(device, result.buffer, &needs);
  auto allocateInfo =
      begin<VkMemoryAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
  allocateInfo.allocationSize = needs.size;
  allocateInfo.memoryTypeIndex = memoryType;
  if (vkAllocateMemory(device, &allocateInfo, nullptr, &result.memory) !=
      VK_SUCCESS)
    return {};
  vkBindBufferMemory(device, result.buffer, result.memory, 0);
  vkMapMemory(device, result.memory, 0, VK_WHOLE_SIZE, 0, &result.mapped);
  return result;
}

std::string Runner::run(const SpirvKernel &kernel, uint32_t tiles,
                        uint32_t groups, llvm::ArrayRef<HostBuffer> buffers,
                        llvm::ArrayRef<uint32_t> words) {
  std::string error;
  auto check = [&](VkResult result, const char *what) {
    if (result != VK_SUCCESS && error.empty())
      error = std::string(what) + ": " + std::to_string(result);
    return result == VK_SUCCESS;
  };
  std::vector<uint32_t> block = {tiles};
  for (const HostBuffer &buffer : buffers)
    block.push_back(buffer.first);
  block.insert(block.end(), words.begin(), words.end());
  if (block.size() != kernel.blockWords)
    return "expects " + std::to_string(kernel.blockWords) + " words, got " +
           std::to_string(block.size());

  std::vector<Allocation> memory;
  std::vector<VkDescriptorBufferInfo> bindings;
  size_t next = 0;
  std::vector<uint32_t> elementBytes;
  for (const MercerDeviceParam &param : kernel.params) {
    if (param.kind == MERCER_PARAM_SCALAR)
      continue;
    const HostBuffer &buffer = buffers[next++];
    size_t before = size_t(buffer.first) * param.bytes;
    elementBytes.push_back(param.bytes);
    Allocation allocation = allocate(before + buffer.bytes);
    if (!allocation.mapped)
      return "cannot allocate";
    std::memcpy(static_cast<char *>(allocation.mapped) + before, buffer.data,
                buffer.bytes);
    memory.push_back(allocation);
    for (uint32_t c = 0; c < param.chunks; ++c) {
      VkDeviceSize at = VkDeviceSize(c) * MERCER_CHUNK_BYTES;
      VkDeviceSize rest = std::max<size_t>(before + buffer.bytes, 16) - at;
      bool last = c + 1 == param.chunks;
      bindings.push_back({allocation.buffer, at,
                          last ? rest : VkDeviceSize(MERCER_CHUNK_BYTES)});
    }
  }
  if (!kernel.pushed) {
    Allocation allocation = allocate(block.size() * 4);
    std::memcpy(allocation.mapped, block.data(), block.size() * 4);
    memory.push_back(allocation);
    bindings.push_back({allocation.buffer, 0, block.size() * 4});
  }

  VkShaderModule shader = VK_NULL_HANDLE;
  VkDescriptorSetLayout setLayout = VK_NULL_HANDLE;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  VkPipeline pipeline = VK_NULL_HANDLE;
  VkDescriptorPool descriptors = VK_NULL_HANDLE;
  VkFence fence = VK_NULL_HANDLE;
  auto execute = [&] {
    auto shaderInfo = begin<VkShaderModuleCreateInfo>(
        VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO);
    shaderInfo.codeSize = kernel.words.size() * 4;
    shaderInfo.pCode = kernel.words.data();
    if (!check(vkCreateShaderModule(device, &shaderInfo, nullptr, &shader),
               "vkCreateShaderModule"))
      return;
    std::vector<VkDescriptorSetLayoutBinding> slots;
    for (uint32_t i = 0; i < bindings.size(); ++i)
      slots.push_back({i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1,
                       VK_SHADER_STAGE_COMPUTE_BIT, nullptr});
    auto setInfo = begin<VkDescriptorSetLayoutCreateInfo>(
        VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO);
    setInfo.bindingCount = slots.size();
    setInfo.pBindings = slots.data();
    check(vkCreateDescriptorSetLayout(device, &setInfo, nullptr, &setLayout),
          "vkCreateDescriptorSetLayout");
    VkPushConstantRange range = {VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                 uint32_t(block.size() * 4)};
    auto layoutInfo = begin<VkPipelineLayoutCreateInfo>(
        VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO);
    layoutInfo.setLayoutCount = 1;
    layoutInfo.pSetLayouts = &setLayout;
    layoutInfo.pushConstantRangeCount = kernel.pushed ? 1 : 0;
    layoutInfo.pPushConstantRanges = &range;
    check(vkCreatePipelineLayout(device, &layoutInfo, nullptr, &layout),
          "vkCreatePipelineLayout");
    auto pipelineInfo = begin<VkComputePipelineCreateInfo>(
        VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO);
    pipelineInfo.stage = begin<VkPipelineShaderStageCreateInfo>(
        VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO);
    pipelineInfo.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    pipelineInfo.stage.module = shader;
    pipelineInfo.stage.pName = kernel.entry.c_str();
    pipelineInfo.layout = layout;
    if (!check(vkCreateComputePipelines(device, VK_NULL_HANDLE, 1,
                                        &pipelineInfo, nullptr, &pipeline),
               "vkCreateComputePipelines"))
      return;
    VkDescriptorPoolSize size = {
        VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        std::max<uint32_t>(1, uint32_t(bindings.size()))};
    auto descriptorInfo = begin<VkDescriptorPoolCreateInfo>(
        VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO);
    descriptorInfo.maxSets = 1;
    descriptorInfo.poolSizeCount = 1;
    descriptorInfo.pPoolSizes = &size;
    check(
        vkCreateDescriptorPool(device, &descriptorInfo, nullptr, &descriptors),
        "vkCreateDescriptorPool");
    auto setAllocate = begin<VkDescriptorSetAllocateInfo>(
        VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO);
    setAllocate.descriptorPool = descriptors;
    setAllocate.descriptorSetCount = 1;
    setAllocate.pSetLayouts = &setLayout;
    VkDescriptorSet set;
    if (!check(vkAllocateDescriptorSets(device, &setAllocate, &set),
               "vkAllocateDescriptorSets"))
      return;
    std::vector<VkWriteDescriptorSet> writes;
    for (uint32_t i = 0; i < bindings.size(); ++i) {
      auto write =
          begin<VkWriteDescriptorSet>(VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET);
      write.dstSet = set;
      write.dstBinding = i;
      write.descriptorCount = 1;
      write.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
      write.pBufferInfo = &bindings[i];
      writes.push_back(write);
    }
    vkUpdateDescriptorSets(device, writes.size(), writes.data(), 0, nullptr);

    auto commandInfo = begin<VkCommandBufferAllocateInfo>(
        VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO);
    commandInfo.commandPool = pool;
    commandInfo.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    commandInfo.commandBufferCount = 1;
    VkCommandBuffer commands;
    if (!check(vkAllocateCommandBuffers(device, &commandInfo, &commands),
               "vkAllocateCommandBuffers"))
      return;
    auto beginInfo = begin<VkCommandBufferBeginInfo>(
        VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
    vkBeginCommandBuffer(commands, &beginInfo);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0,
                            1, &set, 0, nullptr);
    if (kernel.pushed)
      vkCmdPushConstants(commands, layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                         block.size() * 4, block.data());
    vkCmdDispatch(commands, groups, 1, 1);
    VkMemoryBarrier visible = {VK_STRUCTURE_TYPE_MEMORY_BARRIER, nullptr,
                               VK_ACCESS_SHADER_WRITE_BIT,
                               VK_ACCESS_HOST_READ_BIT};
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                         VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &visible, 0, nullptr,
                         0, nullptr);
    vkEndCommandBuffer(commands);
    auto fenceInfo =
        begin<VkFenceCreateInfo>(VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
    vkCreateFence(device, &fenceInfo, nullptr, &fence);
    auto submit = begin<VkSubmitInfo>(VK_STRUCTURE_TYPE_SUBMIT_INFO);
    submit.commandBufferCount = 1;
    submit.pCommandBuffers = &commands;
    if (check(vkQueueSubmit(queue, 1, &submit, fence), "vkQueueSubmit"))
      check(vkWaitForFences(device, 1, &fence, VK_TRUE, uint64_t(60e9)),
            "vkWaitForFences");
    vkFreeCommandBuffers(device, pool, 1, &commands);
  };
  execute();
  if (error.empty())
    for (size_t i = 0; i < buffers.size(); ++i)
      std::memcpy(buffers[i].data,
                  static_cast<char *>(memory[i].mapped) +
                      size_t(buffers[i].first) * elementBytes[i],
                  buffers[i].bytes);
  vkDestroyFence(device, fence, nullptr);
  vkDestroyDescriptorPool(device, descriptors, nullptr);
  vkDestroyPipeline(device, pipeline, nullptr);
  vkDestroyPipelineLayout(device, layout, nullptr);
  vkDestroyDescriptorSetLayout(device, setLayout, nullptr);
  vkDestroyShaderModule(device, shader, nullptr);
  for (Allocation &allocation : memory) {
    vkDestroyBuffer(device, allocation.buffer, nullptr);
    vkFreeMemory(device, allocation.memory, nullptr);
  }
  return error;
}
