//===- VulkanDevice.cpp - a Vulkan device for one context -----------------===//
//
// Translates addresses and launch words into bindings and parameter blocks
// (MercerDeviceKernelDesc), and leaves the order of things to the Recorder.
//
//===----------------------------------------------------------------------===//

#include "runtime/vulkan/VulkanDevice.h"

#include "runtime/vulkan/Recorder.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace mercer::rt {

namespace {

using namespace vulkan;

/// Scratch of one launch; more workgroups than fit do not run at once.
constexpr uint64_t scratchLimit = uint64_t(256) << 20;

class VulkanDevice final : public Device {
public:
  VulkanDevice(int32_t id, std::shared_ptr<Gpu> shared)
      : Device({MERCER_DEVICE_VULKAN, id}), gpu(std::move(shared)),
        recorder(std::make_unique<Recorder>(gpu)) {}

  Status allocate(MercerMemoryPurpose purpose, uint32_t index, size_t bytes,
                  const std::string &place, void *&memory) override;
  void release(MercerMemoryPurpose purpose, void *memory,
               size_t bytes) override;
  /// The widest access of a kernel.
  size_t tensorAlignment() const override { return 16; }
  Status upload(void *to, const void *from, size_t bytes) override;
  Status download(void *to, const void *from, size_t bytes) override;
  Status copy(void *to, const void *from, size_t bytes) override;
  Status fill(void *to, uint8_t value, size_t bytes) override;
  Status write(void *to, int64_t bits, size_t bytes) override {
    return upload(to, &bits, bytes);
  }
  Status read(const void *from, size_t bytes, const void *&host) override;
  Status check(const Artifact &artifact) override {
    return gpu->check(artifact);
  }
  Status beginRun(const std::shared_ptr<const Artifact> &artifact, bool timed,
                  const void *const *&constants) override;
  Status launch(const LaunchRequest &request) override;
  Status endRun() override;
  Status takeTimes(std::vector<LaunchTime> &times) override {
    return recorder->takeTimes(times);
  }
  Status synchronize() override;
  void close() override;

private:
  Status place(const void *address, size_t bytes, Place &result) const;
  Status bind(const MercerDeviceParam &param, uint64_t address, uint64_t bytes,
              const std::string &where);
  Status scratchFor(const MercerDeviceKernelDesc &kernel, const char *name,
                    uint32_t &groups);

  std::shared_ptr<Gpu> gpu;
  std::unique_ptr<Recorder> recorder;
  std::shared_ptr<const Artifact> running;
  std::shared_ptr<Program> program;
  DeviceBuffer scratch{MERCER_MEMORY_SCRATCH};
  uint64_t scratchAddress = 0;
  std::vector<char> readBack; ///< what `read` gave out
  // Of the launch that is being made, kept for their memory.
  Dispatch dispatch{};
  std::vector<uint32_t> block, tail;
};

uint64_t number(const void *address) {
  return reinterpret_cast<uintptr_t>(address);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Status VulkanDevice::allocate(MercerMemoryPurpose, uint32_t, size_t bytes,
                              const std::string &where, void *&memory) {
  uint64_t address = 0;
  Status status = gpu->allocate(bytes, where, address);
  memory = reinterpret_cast<void *>(address);
  return status;
}

void VulkanDevice::release(MercerMemoryPurpose purpose, void *memory, size_t) {
  if (!memory)
    return;
  // A session may be destroyed on any thread, between runs only: what its runs
  // do has been submitted.
  if (purpose == MERCER_MEMORY_STATE || !recorder)
    gpu->release(number(memory), gpu->submitted());
  else
    recorder->release(number(memory));
}

/// The buffer that [address, +bytes) lies in.
Status VulkanDevice::place(const void *address, size_t bytes,
                           Place &result) const {
  if (gpu->find(number(address), result) &&
      bytes <= result.buffer->size - result.offset)
    return {};
  return {Code::InvalidArgument, "Vulkan",
          format("%zu bytes at 0x%llx are no memory of this device", bytes,
                 static_cast<unsigned long long>(number(address)))};
}

Status VulkanDevice::upload(void *to, const void *from, size_t bytes) {
  Place target;
  if (bytes == 0)
    return {};
  if (Status status = place(to, bytes, target); status.failed())
    return status;
  // Nothing is under way that could still look at the old contents.
  if (target.buffer->mapped && recorder->idle()) {
    memcpy(target.buffer->mapped + target.offset, from, bytes);
    return {};
  }
  return recorder->upload(number(to), target, from, bytes);
}

Status VulkanDevice::download(void *to, const void *from, size_t bytes) {
  Place source;
  if (bytes == 0)
    return {};
  if (Status status = place(from, bytes, source); status.failed())
    return status;
  if (!source.buffer->mapped || !source.buffer->cached)
    return recorder->download(to, number(from), source, bytes);
  if (Status status = synchronize(); status.failed())
    return status;
  memcpy(to, source.buffer->mapped + source.offset, bytes);
  return {};
}

Status VulkanDevice::read(const void *from, size_t bytes, const void *&host) {
  Place source;
  if (bytes > 0)
    if (Status status = place(from, bytes, source); status.failed())
      return status;
  if (bytes > 0 && source.buffer->mapped && source.buffer->cached) {
    host = source.buffer->mapped + source.offset;
    return synchronize();
  }
  readBack.resize(std::max<size_t>(1, bytes));
  host = readBack.data();
  return download(readBack.data(), from, bytes);
}

Status VulkanDevice::copy(void *to, const void *from, size_t bytes) {
  Place target, source;
  if (bytes == 0)
    return {};
  if (Status status = place(to, bytes, target); status.failed())
    return status;
  if (Status status = place(from, bytes, source); status.failed())
    return status;
  return recorder->copy(number(to), target, number(from), source, bytes);
}

Status VulkanDevice::fill(void *to, uint8_t value, size_t bytes) {
  Place target;
  if (bytes == 0)
    return {};
  if (Status status = place(to, bytes, target); status.failed())
    return status;
  if (target.offset % 4 != 0) {
    std::vector<char> values(bytes, static_cast<char>(value));
    return recorder->upload(number(to), target, values.data(), bytes);
  }
  const size_t whole = bytes / 4 * 4;
  if (whole > 0)
    if (Status status =
            recorder->fill(number(to), target, 0x01010101u * value, whole);
        status.failed())
      return status;
  if (whole == bytes)
    return {};
  const uint32_t rest = 0x01010101u * value;
  target.offset += whole;
  return recorder->upload(number(to) + whole, target, &rest, bytes - whole);
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

Status VulkanDevice::beginRun(const std::shared_ptr<const Artifact> &artifact,
                              bool timed, const void *const *&constants) {
  if (Status status = gpu->program(artifact, program); status.failed())
    return status;
  if (Status status = gpu->takeMessages(); status.failed())
    return status;
  running = artifact;
  recorder->setTimed(timed);
  Status status = program->constants(
      *artifact,
      [&](uint64_t address, const char *data, uint64_t bytes) {
        if (Status copied =
                upload(reinterpret_cast<void *>(address), data, bytes);
            copied.failed())
          return copied;
        // Other contexts use them without asking when they came.
        return recorder->finish();
      },
      constants);
  if (status.failed()) {
    program = nullptr;
    running = nullptr;
  }
  return status;
}

Status VulkanDevice::endRun() {
  // What was read is a loan until now, and the artifact may end with its run.
  if (readBack.capacity() > (1 << 20))
    std::vector<char>().swap(readBack);
  Status status = recorder->submit();
  recorder->dropTimes();
  recorder->setTimed(false);
  if (program)
    program->saveCache();
  program = nullptr;
  running = nullptr;
  return status.failed() ? status : gpu->takeMessages();
}

Status VulkanDevice::synchronize() {
  if (Status status = recorder->finish(); status.failed())
    return status;
  return gpu->takeMessages();
}

void VulkanDevice::close() {
  scratch.clear(*this);
  program = nullptr;
  running = nullptr;
  recorder.reset();
}

/// Appends the bindings of a buffer, and the number of its first element.
Status VulkanDevice::bind(const MercerDeviceParam &param, uint64_t address,
                          uint64_t bytes, const std::string &where) {
  const uint32_t chunks = std::max(1u, param.chunks);
  Place source{};
  if (bytes == 0)
    address = gpu->emptyAddress();
  if (!gpu->find(address, source) ||
      bytes > source.buffer->size - source.offset)
    return {Code::HostProgramFailed, where,
            format("%llu bytes at 0x%llx are no memory of this device",
                   static_cast<unsigned long long>(bytes),
                   static_cast<unsigned long long>(address))};
  const VkDeviceSize alignment = gpu->limits().minStorageBufferOffsetAlignment;
  const VkDeviceSize skipped = source.offset % alignment;
  if (skipped % param.bytes != 0)
    return {Code::HostProgramFailed, where,
            "the address is not a multiple of the element size"};
  block.push_back(static_cast<uint32_t>(skipped / param.bytes));
  const uint64_t total = skipped + std::max<uint64_t>(bytes, param.bytes);
  const uint64_t begin = source.offset - skipped;
  // The last chunk covers what remains.
  const uint64_t before = uint64_t(chunks - 1) * MERCER_CHUNK_BYTES;
  const uint64_t range = gpu->limits().maxStorageBufferRange;
  if (total > before + range ||
      (chunks > 1 && (range < MERCER_CHUNK_BYTES || total <= before)))
    return {Code::DeviceLimit, where,
            format("a buffer of %llu bytes is given to a kernel that reaches "
                   "%llu to %llu bytes on this device",
                   static_cast<unsigned long long>(bytes),
                   static_cast<unsigned long long>(before),
                   static_cast<unsigned long long>(before + range))};
  for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
    const uint64_t at = uint64_t(chunk) * MERCER_CHUNK_BYTES;
    const uint64_t size =
        chunk + 1 < chunks ? uint64_t(MERCER_CHUNK_BYTES) : total - at;
    dispatch.buffers.push_back({source.buffer->handle, begin + at, size});
  }
  // With what is bound in front of it: so do validation layers count.
  dispatch.accesses.push_back(
      {address - skipped, address - skipped + total, param.written != 0});
  return {};
}

/// Scratch memory for as many workgroups as are worth it.
Status VulkanDevice::scratchFor(const MercerDeviceKernelDesc &kernel,
                                const char *name, uint32_t &groups) {
  constexpr uint64_t alignment = 256;
  uint64_t each = 0;
  for (uint64_t i = 0; i < kernel.param_count; ++i) {
    const MercerDeviceParam &param = kernel.params[i];
    if (param.kind != MERCER_PARAM_SCRATCH)
      continue;
    uint64_t bytes;
    if (__builtin_mul_overflow(param.elements, uint64_t(param.bytes), &bytes) ||
        __builtin_add_overflow(each, bytes, &each))
      each = UINT64_MAX;
    // One binding holds the scratch of all workgroups.
    groups = static_cast<uint32_t>(
        std::min<uint64_t>(groups, gpu->limits().maxStorageBufferRange /
                                       std::max<uint64_t>(1, bytes)));
  }
  if (each == 0)
    return {};
  groups =
      static_cast<uint32_t>(std::min<uint64_t>(groups, scratchLimit / each));
  if (groups == 0)
    return {Code::DeviceLimit, name,
            format("a workgroup needs %llu bytes of scratch",
                   static_cast<unsigned long long>(each))};
  void *memory = nullptr;
  if (Status status =
          scratch.ensure(*this, groups * each + kernel.param_count * alignment,
                         std::string(name) + ", scratch", memory);
      status.failed())
    return status;
  scratchAddress = number(memory);
  return {};
}

Status VulkanDevice::launch(const LaunchRequest &request) {
  const MercerDeviceKernelDesc &kernel =
      running->module().device_kernels[request.kernel];
  const char *name = running->module().kernels[request.kernel].name;
  if (request.tiles == 0) {
    recorder->noteEmptyLaunch();
    return {};
  }
  auto exceeds = [&](const char *what, int64_t value) {
    return Status(Code::DeviceLimit, name,
                  format("%s of %lld does not fit into 32 bits", what,
                         static_cast<long long>(value)));
  };
  if (request.tiles > INT32_MAX)
    return exceeds("a number of tiles", request.tiles);
  auto groups = static_cast<uint32_t>(std::min<int64_t>(
      request.tiles, gpu->limits().maxComputeWorkGroupCount[0]));
  if (Status status = scratchFor(kernel, name, groups); status.failed())
    return status;

  dispatch.buffers.clear();
  dispatch.accesses.clear();
  block.assign(1, static_cast<uint32_t>(request.tiles));
  tail.clear();
  const int64_t *word = request.params;
  uint64_t nextScratch = scratchAddress;
  for (uint64_t i = 0; i < kernel.param_count; ++i) {
    const MercerDeviceParam &param = kernel.params[i];
    if (param.kind == MERCER_PARAM_SCALAR) {
      const int64_t value = *word++;
      if (param.bytes <= 4 && (value < INT32_MIN || value > UINT32_MAX))
        return exceeds("a parameter", value);
      tail.push_back(static_cast<uint32_t>(value));
      if (param.bytes > 4)
        tail.push_back(static_cast<uint32_t>(uint64_t(value) >> 32));
      continue;
    }
    uint64_t elements = param.elements, address;
    bool fits = true;
    if (param.kind == MERCER_PARAM_SCRATCH) {
      elements *= groups;
      address = nextScratch;
      nextScratch += (elements * param.bytes + 255) / 256 * 256;
    } else {
      address = static_cast<uint64_t>(*word++);
      for (uint32_t d = 0; d < param.dims; ++d) {
        const int64_t size = *word++;
        if (size < 0 || size > INT32_MAX)
          return exceeds("a size", size);
        tail.push_back(static_cast<uint32_t>(size));
        fits = fits &&
               !__builtin_mul_overflow(elements, uint64_t(size), &elements);
      }
    }
    // Kernels count elements, and where a binding starts, in 32 bits.
    if (!fits || elements > INT32_MAX)
      return {Code::DeviceLimit, name,
              format("parameter %llu has more than %d elements",
                     static_cast<unsigned long long>(i), INT32_MAX)};
    if (Status status = bind(param, address, elements * param.bytes,
                             format("%s, parameter %llu", name,
                                    static_cast<unsigned long long>(i)));
        status.failed())
      return status;
  }
  block.insert(block.end(), tail.begin(), tail.end());
  if (Status status =
          program->kernel(*running, request.kernel, dispatch.kernel);
      status.failed())
    return status;
  dispatch.block = block.data();
  dispatch.words = static_cast<uint32_t>(block.size());
  dispatch.blockInBuffer = KernelLayout(kernel).blockInBuffer;
  dispatch.groups = groups;
  dispatch.threads = kernel.threads;
  return recorder->dispatch(dispatch);
}

bool validationWanted(const MercerContextOptions &options) {
  const char *text = getenv("MERCER_VULKAN_VALIDATION");
  return (options.flags & MERCER_CONTEXT_VALIDATE) != 0 ||
         (text && strcmp(text, "1") == 0);
}

} // namespace

Status createVulkanDevice(const MercerContextOptions &options,
                          std::shared_ptr<Device> &device) {
  if (options.stream)
    return {Code::InvalidArgument, "mercer_context_create",
            "a Vulkan device has no stream"};
  std::shared_ptr<Gpu> gpu;
  if (Status status =
          Gpu::open(options.device.id, validationWanted(options), gpu);
      status.failed())
    return status;
  device = std::make_shared<VulkanDevice>(options.device.id, std::move(gpu));
  return {};
}

Status listVulkanDevices(std::vector<std::string> &names) {
  std::shared_ptr<Instance> instance;
  Status status = Instance::get(false, instance);
  // No loader or driver: there are no devices.
  if (status.number() == static_cast<int32_t>(Code::DeviceMissing))
    return {};
  if (status.failed())
    return status;
  for (const PhysicalDevice &device : instance->devices())
    names.push_back(device.properties.deviceName);
  return {};
}

} // namespace mercer::rt
