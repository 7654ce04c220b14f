//===- Instance.cpp - the Vulkan loader and its devices -------------------===//

#include "runtime/vulkan/Instance.h"

#include <algorithm>
#include <cstring>
#include <dlfcn.h>
#include <mutex>

namespace mercer::rt::vulkan {

const char *resultName(VkResult result) {
  switch (result) {
#define MERCER_RESULT(name)                                                    \
  case name:                                                                   \
    return #name;
    MERCER_RESULT(VK_SUCCESS)
    MERCER_RESULT(VK_NOT_READY)
    MERCER_RESULT(VK_TIMEOUT)
    MERCER_RESULT(VK_INCOMPLETE)
    MERCER_RESULT(VK_ERROR_OUT_OF_HOST_MEMORY)
    MERCER_RESULT(VK_ERROR_OUT_OF_DEVICE_MEMORY)
    MERCER_RESULT(VK_ERROR_INITIALIZATION_FAILED)
    MERCER_RESULT(VK_ERROR_DEVICE_LOST)
    MERCER_RESULT(VK_ERROR_MEMORY_MAP_FAILED)
    MERCER_RESULT(VK_ERROR_LAYER_NOT_PRESENT)
    MERCER_RESULT(VK_ERROR_EXTENSION_NOT_PRESENT)
    MERCER_RESULT(VK_ERROR_FEATURE_NOT_PRESENT)
    MERCER_RESULT(VK_ERROR_INCOMPATIBLE_DRIVER)
    MERCER_RESULT(VK_ERROR_TOO_MANY_OBJECTS)
    MERCER_RESULT(VK_ERROR_FRAGMENTED_POOL)
    MERCER_RESULT(VK_ERROR_OUT_OF_POOL_MEMORY)
    MERCER_RESULT(VK_ERROR_INVALID_SHADER_NV)
    MERCER_RESULT(VK_ERROR_UNKNOWN)
#undef MERCER_RESULT
  default:
    return "an unknown result";
  }
}

Status failure(VkResult result, const char *what) {
  const char *name = resultName(result);
  switch (result) {
  case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    return {Code::DeviceOutOfMemory, what, name};
  case VK_ERROR_OUT_OF_HOST_MEMORY:
    return {Code::OutOfMemory, what, name};
  case VK_ERROR_DEVICE_LOST:
    return {Code::DeviceLost, what, name};
  default:
    return {Code::DeviceFailed, what,
            format("%s (%d)", name, static_cast<int>(result))};
  }
}

namespace {

/// The loader stays open: drivers do not expect to be unloaded.
struct Loader {
  PFN_vkGetInstanceProcAddr getProcAddr = nullptr;
  std::string missing;

  Loader() {
    void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      const char *why = dlerror();
      missing = why ? why : "libvulkan.so.1 cannot be opened";
      return;
    }
    getProcAddr = reinterpret_cast<PFN_vkGetInstanceProcAddr>(
        dlsym(library, "vkGetInstanceProcAddr"));
    if (!getProcAddr)
      missing = "libvulkan.so.1 has no vkGetInstanceProcAddr";
  }
};

const Loader &loader() {
  static const Loader result;
  return result;
}

/// Messages of all instances. They outlive them: an object that is destroyed
/// wrongly is reported to whoever asks next.
struct Messages {
  std::mutex mutex;
  std::vector<std::string> list;
};

Messages &messages() {
  static Messages result;
  return result;
}

VkBool32 VKAPI_PTR receive(VkDebugUtilsMessageSeverityFlagBitsEXT,
                           VkDebugUtilsMessageTypeFlagsEXT,
                           const VkDebugUtilsMessengerCallbackDataEXT *data,
                           void *) {
  Messages &all = messages();
  std::lock_guard lock(all.mutex);
  // A defect repeats itself at every launch.
  if (all.list.size() < 100)
    all.list.push_back(data->pMessage ? data->pMessage : "");
  return VK_FALSE;
}

constexpr char validationLayer[] = "VK_LAYER_KHRONOS_validation";

int rank(VkPhysicalDeviceType type) {
  switch (type) {
  case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
    return 0;
  case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
    return 1;
  case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
    return 2;
  default:
    return 3;
  }
}

} // namespace

bool hasExtension(const std::vector<VkExtensionProperties> &extensions,
                  const char *name) {
  return std::any_of(extensions.begin(), extensions.end(),
                     [&](const VkExtensionProperties &extension) {
                       return strcmp(extension.extensionName, name) == 0;
                     });
}

std::vector<VkExtensionProperties> deviceExtensions(const Instance &instance,
                                                    VkPhysicalDevice device) {
  uint32_t count = 0;
  instance.EnumerateDeviceExtensionProperties(device, nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> result(count);
  instance.EnumerateDeviceExtensionProperties(device, nullptr, &count,
                                              result.data());
  result.resize(count);
  return result;
}

/// An instance stays until the process ends: it is slow to make, and its end
/// would unload the drivers, which few of them are made for.
Status Instance::get(bool validate, std::shared_ptr<Instance> &result) {
  static std::mutex mutex;
  static auto *known = new std::shared_ptr<Instance>[2];
  std::lock_guard lock(mutex);
  if ((result = known[validate]))
    return {};
  std::shared_ptr<Instance> instance(new Instance);
  if (Status status = instance->create(validate); status.failed())
    return status;
  if (Status status = instance->findDevices(); status.failed())
    return status;
  result = known[validate] = std::move(instance);
  return {};
}

Status Instance::create(bool validate) {
  const Loader &vulkan = loader();
  auto missing = [](std::string what) {
    return Status(Code::DeviceMissing, "Vulkan", std::move(what));
  };
  if (!vulkan.getProcAddr)
    return missing(vulkan.missing);
  auto global = [&](const char *name) {
    return vulkan.getProcAddr(VK_NULL_HANDLE, name);
  };
  auto createInstance =
      reinterpret_cast<PFN_vkCreateInstance>(global("vkCreateInstance"));
  auto layers = reinterpret_cast<PFN_vkEnumerateInstanceLayerProperties>(
      global("vkEnumerateInstanceLayerProperties"));
  // Absent in loaders of Vulkan 1.0.
  if (!createInstance || !layers || !global("vkEnumerateInstanceVersion"))
    return missing("expects a loader of Vulkan 1.1");

  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.pApplicationName = "mercer";
  application.apiVersion = VK_API_VERSION_1_3;
  VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  info.pApplicationInfo = &application;

  const VkValidationFeatureEnableEXT enabled[] = {
      VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT};
  VkValidationFeaturesEXT features{VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT};
  features.enabledValidationFeatureCount = 1;
  features.pEnabledValidationFeatures = enabled;
  VkDebugUtilsMessengerCreateInfoEXT debug{
      VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT};
  debug.pNext = &features;
  debug.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                          VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  debug.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
  debug.pfnUserCallback = receive;
  const char *layerNames[] = {validationLayer};
  const char *extensionNames[] = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME,
                                  VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME};
  if (validate) {
    uint32_t count = 0;
    layers(&count, nullptr);
    std::vector<VkLayerProperties> list(count);
    layers(&count, list.data());
    if (std::none_of(list.begin(), list.end(), [](const auto &layer) {
          return strcmp(layer.layerName, validationLayer) == 0;
        }))
      return missing(format("validation is asked for, and %s is not installed",
                            validationLayer));
    info.pNext = &debug;
    info.enabledLayerCount = 1;
    info.ppEnabledLayerNames = layerNames;
    info.enabledExtensionCount = 2;
    info.ppEnabledExtensionNames = extensionNames;
  }
  VkResult result = createInstance(&info, nullptr, &handle);
  if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
    return missing("no driver is installed");
  if (result != VK_SUCCESS)
    return failure(result, "vkCreateInstance");

#define MERCER_FUNCTION(name)                                                  \
  name =                                                                       \
      reinterpret_cast<PFN_vk##name>(vulkan.getProcAddr(handle, "vk" #name));  \
  if (!name)                                                                   \
    return missing("the loader has no vk" #name);
  MERCER_VULKAN_INSTANCE_FUNCTIONS(MERCER_FUNCTION)
#undef MERCER_FUNCTION
  if (!validate)
    return {};
  auto createMessenger = reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(
      vulkan.getProcAddr(handle, "vkCreateDebugUtilsMessengerEXT"));
  destroyMessenger = reinterpret_cast<PFN_vkDestroyDebugUtilsMessengerEXT>(
      vulkan.getProcAddr(handle, "vkDestroyDebugUtilsMessengerEXT"));
  if (!createMessenger || !destroyMessenger)
    return missing("the validation layers report no messages");
  debug.pNext = nullptr;
  result = createMessenger(handle, &debug, nullptr, &messenger);
  return result == VK_SUCCESS
             ? Status()
             : failure(result, "vkCreateDebugUtilsMessengerEXT");
}

Instance::~Instance() {
  if (messenger)
    destroyMessenger(handle, messenger, nullptr);
  if (DestroyInstance)
    DestroyInstance(handle, nullptr);
}

Status Instance::findDevices() {
  uint32_t count = 0;
  VkResult result = EnumeratePhysicalDevices(handle, &count, nullptr);
  std::vector<VkPhysicalDevice> handles(count);
  if (result == VK_SUCCESS)
    result = EnumeratePhysicalDevices(handle, &count, handles.data());
  if (result != VK_SUCCESS && result != VK_INCOMPLETE)
    return failure(result, "vkEnumeratePhysicalDevices");
  handles.resize(count);
  for (VkPhysicalDevice device : handles) {
    VkPhysicalDeviceProperties2 properties{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    GetPhysicalDeviceProperties2(device, &properties);
    const VkPhysicalDeviceProperties &facts = properties.properties;
    if (facts.apiVersion < VK_API_VERSION_1_1 ||
        (facts.apiVersion < VK_API_VERSION_1_2 &&
         !hasExtension(deviceExtensions(*this, device),
                       VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME)))
      continue;
    uint32_t families = 0;
    GetPhysicalDeviceQueueFamilyProperties(device, &families, nullptr);
    std::vector<VkQueueFamilyProperties> queues(families);
    GetPhysicalDeviceQueueFamilyProperties(device, &families, queues.data());
    // A queue that only computes does not wait for graphics.
    int32_t best = -1;
    for (uint32_t i = 0; i < families; ++i) {
      const VkQueueFlags flags = queues[i].queueFlags;
      if (!(flags & VK_QUEUE_COMPUTE_BIT))
        continue;
      if (best < 0 || !(flags & VK_QUEUE_GRAPHICS_BIT))
        best = static_cast<int32_t>(i);
      if (!(flags & VK_QUEUE_GRAPHICS_BIT))
        break;
    }
    if (best >= 0)
      found.push_back({device, facts, static_cast<uint32_t>(best),
                       queues[best].timestampValidBits});
  }
  // The driver's order decides between equals.
  std::vector<PhysicalDevice> listed = std::move(found);
  found.clear();
  for (int wanted = 0; wanted <= rank(VK_PHYSICAL_DEVICE_TYPE_OTHER); ++wanted)
    for (const PhysicalDevice &device : listed)
      if (rank(device.properties.deviceType) == wanted)
        found.push_back(device);
  return {};
}

Status Instance::takeMessages() const {
  if (!validates())
    return {};
  Messages &all = messages();
  std::lock_guard lock(all.mutex);
  if (all.list.empty())
    return {};
  std::string text = all.list.front();
  if (all.list.size() > 1)
    text += format(" (and %zu more)", all.list.size() - 1);
  all.list.clear();
  return {Code::DeviceMisused, "Vulkan", std::move(text)};
}

} // namespace mercer::rt::vulkan
