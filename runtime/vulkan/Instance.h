//===- Instance.h - the Vulkan loader and its devices -----------*- C++ -*-===//
//
// libvulkan.so.1 is opened when a Vulkan device is asked for. One instance
// serves all contexts of the process, a second one those with validation.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_RUNTIME_VULKAN_INSTANCE_H
#define MERCER_RUNTIME_VULKAN_INSTANCE_H

#include "runtime/support/Status.h"

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include <memory>
#include <vector>

namespace mercer::rt::vulkan {

/// "VK_ERROR_DEVICE_LOST"
const char *resultName(VkResult result);

/// The status of a failed call; `what` names it.
Status failure(VkResult result, const char *what);

#define MERCER_VULKAN_INSTANCE_FUNCTIONS(F)                                    \
  F(DestroyInstance)                                                           \
  F(EnumeratePhysicalDevices)                                                  \
  F(GetPhysicalDeviceProperties2)                                              \
  F(GetPhysicalDeviceFeatures2)                                                \
  F(GetPhysicalDeviceMemoryProperties)                                         \
  F(GetPhysicalDeviceQueueFamilyProperties)                                    \
  F(EnumerateDeviceExtensionProperties)                                        \
  F(CreateDevice)                                                              \
  F(GetDeviceProcAddr)

/// A device that can run artifacts: Vulkan 1.1, timeline semaphores, and a
/// queue that computes.
struct PhysicalDevice {
  VkPhysicalDevice handle;
  VkPhysicalDeviceProperties properties;
  uint32_t queueFamily;
  uint32_t timestampBits;
};

class Instance {
public:
  ~Instance();
  Instance(const Instance &) = delete;

  /// The process's instance. E4401 says why there is none.
  static Status get(bool validate, std::shared_ptr<Instance> &instance);

  /// Best first: discrete, integrated, virtual, processors.
  const std::vector<PhysicalDevice> &devices() const { return found; }
  bool validates() const { return messenger != VK_NULL_HANDLE; }

  /// What the validation layers have said since the last call, as E4409.
  Status takeMessages() const;

#define MERCER_FUNCTION(name) PFN_vk##name name = nullptr;
  MERCER_VULKAN_INSTANCE_FUNCTIONS(MERCER_FUNCTION)
#undef MERCER_FUNCTION

private:
  Instance() = default;
  Status create(bool validate);
  Status findDevices();

  VkInstance handle = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger = VK_NULL_HANDLE;
  PFN_vkDestroyDebugUtilsMessengerEXT destroyMessenger = nullptr;
  std::vector<PhysicalDevice> found;
};

/// Has the device an extension?
bool hasExtension(const std::vector<VkExtensionProperties> &extensions,
                  const char *name);
std::vector<VkExtensionProperties> deviceExtensions(const Instance &instance,
                                                    VkPhysicalDevice device);

} // namespace mercer::rt::vulkan

#endif // MERCER_RUNTIME_VULKAN_INSTANCE_H
