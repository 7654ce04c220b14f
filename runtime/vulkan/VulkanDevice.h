//===- VulkanDevice.h - a Vulkan device for one context ---------*- C++ -*-===//

#ifndef MERCER_RUNTIME_VULKAN_VULKANDEVICE_H
#define MERCER_RUNTIME_VULKAN_VULKANDEVICE_H

#include "runtime/core/Device.h"

namespace mercer::rt {

Status createVulkanDevice(const MercerContextOptions &options,
                          std::shared_ptr<Device> &device);

/// Names of the devices, best first; none if there is no driver.
Status listVulkanDevices(std::vector<std::string> &names);

} // namespace mercer::rt

#endif // MERCER_RUNTIME_VULKAN_VULKANDEVICE_H
