//===- Device.cpp - what runs kernels and holds tensors -------------------===//

#include "runtime/core/Device.h"

#include "runtime/cpu/CpuDevice.h"
#include "runtime/cuda/CudaDevice.h"
#include "runtime/vulkan/VulkanDevice.h"

namespace mercer::rt {

const char *deviceTypeName(int32_t type) {
  switch (type) {
  case MERCER_DEVICE_CPU:
    return "cpu";
  case MERCER_DEVICE_CUDA:
    return "cuda";
  case MERCER_DEVICE_VULKAN:
    return "vulkan";
  default:
    return nullptr;
  }
}

static Status noGraphs(MercerDevice id) {
  return {Code::DeviceUnsupported, "mercer_graph_capture",
          format("the device '%s' has no graphs", deviceTypeName(id.type))};
}

Status Device::beginCapture() { return noGraphs(id()); }
Status Device::endCapture(std::unique_ptr<DeviceGraph> &) {
  return noGraphs(id());
}
Status Device::launchGraph(DeviceGraph &) { return noGraphs(id()); }

Status createDevice(const MercerContextOptions &options, Memory memory,
                    std::shared_ptr<Device> &device) {
  switch (options.device.type) {
  case MERCER_DEVICE_CPU:
    return createCpuDevice(options, memory, device);
  case MERCER_DEVICE_CUDA:
    return createCudaDevice(options, device);
  case MERCER_DEVICE_VULKAN:
    return createVulkanDevice(options, device);
  default:
    return {Code::DeviceUnsupported, "mercer_context_create",
            format("no device of type %d in this build", options.device.type)};
  }
}

Status listDevices(int32_t type, std::vector<std::string> &names) {
  switch (type) {
  case MERCER_DEVICE_CPU:
    names.push_back("CPU");
    return {};
  case MERCER_DEVICE_CUDA:
    listCudaDevices(names);
    return {};
  case MERCER_DEVICE_VULKAN:
    return listVulkanDevices(names);
  default:
    return {Code::InvalidArgument, "device",
            format("%d is no type of device", type)};
  }
}

Status DeviceBuffer::ensure(Device &device, size_t bytes,
                            const std::string &place, void *&memory) {
  if (!base || bytes > size) {
    clear(device);
    if (Status status = device.allocate(purpose, 0, bytes, place, base);
        status.failed()) {
      base = nullptr;
      return status;
    }
    size = bytes;
  }
  memory = base;
  return {};
}

void DeviceBuffer::clear(Device &device) {
  device.release(purpose, base, size);
  base = nullptr;
  size = 0;
}

} // namespace mercer::rt
