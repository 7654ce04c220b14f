//===- Program.h - an artifact on a Vulkan device ---------------*- C++ -*-===//
//
// Pipelines and constants: made once, shared by all contexts of the device.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_RUNTIME_VULKAN_PROGRAM_H
#define MERCER_RUNTIME_VULKAN_PROGRAM_H

#include "runtime/vulkan/Gpu.h"

namespace mercer::rt::vulkan {

/// Where the parameters of a kernel go (MercerDeviceKernelDesc).
struct KernelLayout {
  explicit KernelLayout(const MercerDeviceKernelDesc &kernel);

  uint32_t bindings = 0; ///< storage buffers, with the parameter block's
  uint32_t words = 1;    ///< of the parameter block
  bool blockInBuffer = false;
};

struct Kernel {
  VkDescriptorSetLayout setLayout = VK_NULL_HANDLE;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  VkPipeline pipeline = VK_NULL_HANDLE;
};

class Program {
public:
  Program(Gpu &gpu, const Artifact &artifact);
  ~Program();
  Program(const Program &) = delete;

  /// The pipeline of a kernel, made when it is first needed.
  Status kernel(const Artifact &artifact, uint32_t index,
                const Kernel *&result);

  /// Addresses of the constant slots. `upload` is called for each distinct part
  /// of the section the first time; it returns when the bytes are there.
  template <typename Upload>
  Status constants(const Artifact &artifact, Upload upload,
                   const void *const *&table) {
    std::lock_guard lock(mutex);
    if (!uploaded) {
      if (Status status = placeConstants(artifact); status.failed())
        return status;
      for (const Part &part : parts)
        if (Status status = upload(part.address, part.data, part.bytes);
            status.failed())
          return status;
      uploaded = true;
    }
    table = slots.data();
    return {};
  }

  /// Writes the pipelines that were made since to the cache on disk. What
  /// cannot be written is made again next time.
  void saveCache();

private:
  struct Part {
    uint64_t address;
    const char *data;
    uint64_t bytes;
  };
  Status placeConstants(const Artifact &artifact);
  Status build(const Artifact &artifact, uint32_t index, Kernel &kernel);
  void openCache();
  void destroy(Kernel &kernel);

  Gpu &gpu;
  std::mutex mutex;
  std::vector<Kernel> kernels;
  std::vector<Part> parts;
  std::vector<const void *> slots;
  bool uploaded = false;
  VkPipelineCache cache = VK_NULL_HANDLE;
  std::string cacheFile; ///< empty: there is no folder for it
  bool cacheChanged = false;
};

} // namespace mercer::rt::vulkan

#endif // MERCER_RUNTIME_VULKAN_PROGRAM_H
