//===- Program.cpp - an artifact on a Vulkan device -----------------------===//

#include "runtime/vulkan/Program.h"

#include "runtime/support/File.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace mercer::rt::vulkan {

KernelLayout::KernelLayout(const MercerDeviceKernelDesc &kernel) {
  for (uint64_t i = 0; i < kernel.param_count; ++i) {
    const MercerDeviceParam &param = kernel.params[i];
    if (param.kind == MERCER_PARAM_SCALAR) {
      words += param.bytes > 4 ? 2 : 1;
      continue;
    }
    bindings += std::max(1u, param.chunks);
    words += 1 + param.dims;
  }
  blockInBuffer = words * sizeof(uint32_t) > MERCER_PUSH_BYTES;
  bindings += blockInBuffer;
}

namespace {

bool makeFolder(const std::string &path) {
  return mkdir(path.c_str(), 0700) == 0 || errno == EEXIST;
}

/// $XDG_CACHE_HOME/mercer/vulkan, made if need be; empty if it cannot be.
std::string cacheFolder() {
  const char *base = getenv("XDG_CACHE_HOME");
  std::string path;
  if (base && base[0] == '/') {
    path = base;
  } else {
    const char *home = getenv("HOME");
    if (!home || home[0] != '/')
      return {};
    path = std::string(home) + "/.cache";
  }
  for (const char *part : {"", "/mercer", "/vulkan"}) {
    path += part;
    if (!makeFolder(path))
      return {};
  }
  return path;
}

} // namespace

Program::Program(Gpu &gpu, const Artifact &artifact)
    : gpu(gpu), kernels(artifact.module().kernel_count) {
  std::string folder = cacheFolder();
  if (folder.empty())
    return;
  const VkPhysicalDeviceProperties &device = gpu.properties();
  cacheFile = folder + "/";
  for (uint8_t byte : device.pipelineCacheUUID)
    cacheFile += format("%02x", byte);
  cacheFile +=
      format("-%08x-%08x-%016llx", device.vendorID, device.deviceID,
             static_cast<unsigned long long>(artifact.module().module_id));
}

Program::~Program() {
  // Runs that left without waiting may still use it.
  (void)gpu.wait(gpu.submitted());
  for (Kernel &kernel : kernels)
    destroy(kernel);
  gpu.DestroyPipelineCache(gpu.device(), cache, nullptr);
  for (const Part &part : parts)
    gpu.release(part.address, gpu.submitted());
}

void Program::destroy(Kernel &kernel) {
  gpu.DestroyPipeline(gpu.device(), kernel.pipeline, nullptr);
  gpu.DestroyPipelineLayout(gpu.device(), kernel.layout, nullptr);
  gpu.DestroyDescriptorSetLayout(gpu.device(), kernel.setLayout, nullptr);
  kernel = Kernel();
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

/// Neighbours share a buffer up to a size that is easy to find room for; a
/// large constant has one of its own.
Status Program::placeConstants(const Artifact &artifact) {
  const auto &directory = artifact.directory();
  std::vector<uint32_t> order(directory.size());
  for (uint32_t i = 0; i < order.size(); ++i)
    order[i] = i;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return directory[a].offset < directory[b].offset;
  });
  // An earlier attempt may have ended halfway.
  for (const Part &part : parts)
    gpu.release(part.address, gpu.submitted());
  parts.clear();
  slots.assign(directory.size(), nullptr);
  constexpr uint64_t together = 64 << 20;
  for (size_t first = 0; first < order.size();) {
    const uint64_t begin = directory[order[first]].offset;
    uint64_t end = begin + directory[order[first]].size;
    size_t last = first + 1;
    for (; last < order.size(); ++last) {
      const MercerConstantEntry &next = directory[order[last]];
      const uint64_t extended = std::max(end, next.offset + next.size);
      if (next.offset >= end && extended - begin > together)
        break;
      end = extended;
    }
    uint64_t address;
    if (Status status =
            gpu.allocate(end - begin, artifact.path() + ", constants", address);
        status.failed())
      return status;
    const auto *data =
        static_cast<const char *>(artifact.constants()[order[first]]);
    parts.push_back({address, data, end - begin});
    for (; first < last; ++first)
      slots[order[first]] = reinterpret_cast<const void *>(
          address + directory[order[first]].offset - begin);
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Pipelines
//===----------------------------------------------------------------------===//

Status Program::kernel(const Artifact &artifact, uint32_t index,
                       const Kernel *&result) {
  std::lock_guard lock(mutex);
  Kernel &kernel = kernels[index];
  if (!kernel.pipeline) {
    if (!cache)
      openCache();
    if (Status status = build(artifact, index, kernel); status.failed()) {
      destroy(kernel);
      return status;
    }
    cacheChanged = true;
  }
  result = &kernel;
  return {};
}

Status Program::build(const Artifact &artifact, uint32_t index,
                      Kernel &kernel) {
  const MercerDeviceKernelDesc &desc = artifact.module().device_kernels[index];
  const char *name = artifact.module().kernels[index].name;
  // In the artifact it may begin at any byte.
  std::vector<uint32_t> code(desc.code_size / sizeof(uint32_t));
  memcpy(code.data(), desc.code, desc.code_size);

  const KernelLayout layout(desc);
  std::vector<VkDescriptorSetLayoutBinding> bindings(layout.bindings);
  for (uint32_t i = 0; i < layout.bindings; ++i) {
    bindings[i] = {};
    bindings[i].binding = i;
    bindings[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    bindings[i].descriptorCount = 1;
    bindings[i].stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
  }
  VkDescriptorSetLayoutCreateInfo set{
      VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO};
  set.bindingCount = layout.bindings;
  set.pBindings = bindings.data();
  if (VkResult result = gpu.CreateDescriptorSetLayout(
          gpu.device(), &set, nullptr, &kernel.setLayout))
    return gpu.failed(result, name);
  const VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                  uint32_t(layout.words * sizeof(uint32_t))};
  VkPipelineLayoutCreateInfo pipelineLayout{
      VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
  pipelineLayout.setLayoutCount = 1;
  pipelineLayout.pSetLayouts = &kernel.setLayout;
  pipelineLayout.pushConstantRangeCount = layout.blockInBuffer ? 0 : 1;
  pipelineLayout.pPushConstantRanges = &range;
  if (VkResult result = gpu.CreatePipelineLayout(gpu.device(), &pipelineLayout,
                                                 nullptr, &kernel.layout))
    return gpu.failed(result, name);

  VkShaderModuleCreateInfo module{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
  module.codeSize = desc.code_size;
  module.pCode = code.data();
  VkComputePipelineCreateInfo info{
      VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
  info.layout = kernel.layout;
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.pName = desc.entry;
  // Shuffles go to neighbours in the workgroup: its invocations must fill the
  // subgroups in their order.
  if (gpu.fullSubgroups() && desc.threads % gpu.subgroupSize() == 0)
    info.stage.flags =
        VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
  VkResult result = gpu.CreateShaderModule(gpu.device(), &module, nullptr,
                                           &info.stage.module);
  if (result == VK_SUCCESS) {
    result = gpu.CreateComputePipelines(gpu.device(), cache, 1, &info, nullptr,
                                        &kernel.pipeline);
    gpu.DestroyShaderModule(gpu.device(), info.stage.module, nullptr);
  }
  if (result == VK_SUCCESS)
    return {};
  if (result == VK_ERROR_DEVICE_LOST ||
      result == VK_ERROR_OUT_OF_DEVICE_MEMORY ||
      result == VK_ERROR_OUT_OF_HOST_MEMORY)
    return gpu.failed(result, name);
  return {Code::DeviceCodeRefused, name,
          format("vkCreateComputePipelines: %s", resultName(result))};
}

//===----------------------------------------------------------------------===//
// The cache on disk
//===----------------------------------------------------------------------===//

namespace {

/// In front of the driver's bytes, which drivers do not check themselves.
struct CacheHeader {
  char magic[8];
  uint64_t size, digest;
};
constexpr char cacheMagic[] = "MERCERVC";

/// Is this data of this very driver and device? The specification fixes the
/// beginning of the data.
bool belongsTo(const VkPhysicalDeviceProperties &properties, const char *data,
               size_t size) {
  VkPipelineCacheHeaderVersionOne header;
  if (size < sizeof(header))
    return false;
  memcpy(&header, data, sizeof(header));
  return header.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE &&
         header.vendorID == properties.vendorID &&
         header.deviceID == properties.deviceID &&
         memcmp(header.pipelineCacheUUID, properties.pipelineCacheUUID,
                VK_UUID_SIZE) == 0;
}

} // namespace

void Program::openCache() {
  VkPipelineCacheCreateInfo info{VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
  MappedFile file;
  if (!cacheFile.empty() && !MappedFile::open(cacheFile, file).failed() &&
      file.size() >= sizeof(CacheHeader)) {
    CacheHeader header;
    memcpy(&header, file.data(), sizeof(header));
    const char *data = file.data() + sizeof(header);
    if (memcmp(header.magic, cacheMagic, sizeof(header.magic)) == 0 &&
        header.size == file.size() - sizeof(header) &&
        header.digest == XXH3_64bits(data, header.size) &&
        belongsTo(gpu.properties(), data, header.size)) {
      info.initialDataSize = header.size;
      info.pInitialData = data;
    }
  }
  if (gpu.CreatePipelineCache(gpu.device(), &info, nullptr, &cache) ==
      VK_SUCCESS)
    return;
  // Pipelines can be made without one.
  cache = VK_NULL_HANDLE;
}

void Program::saveCache() {
  std::lock_guard lock(mutex);
  if (!cacheChanged)
    return;
  cacheChanged = false;
  if (cacheFile.empty() || !cache)
    return;
  size_t size = 0;
  if (gpu.GetPipelineCacheData(gpu.device(), cache, &size, nullptr) !=
          VK_SUCCESS ||
      size == 0)
    return;
  std::string data(size, '\0');
  if (gpu.GetPipelineCacheData(gpu.device(), cache, &size, data.data()) !=
      VK_SUCCESS)
    return;
  data.resize(size);
  CacheHeader header{};
  memcpy(header.magic, cacheMagic, sizeof(header.magic));
  header.size = size;
  header.digest = XXH3_64bits(data.data(), size);
  (void)writeFile(cacheFile,
                  {std::string_view(reinterpret_cast<const char *>(&header),
                                    sizeof(header)),
                   data});
}

} // namespace mercer::rt::vulkan
