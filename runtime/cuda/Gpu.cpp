//===- Gpu.cpp - one CUDA device and what contexts share on it ------------===//

#include "runtime/cuda/Gpu.h"

#include <cstdlib>
#include <map>

namespace mercer::rt::cuda {

bool chipFits(const std::string &chip, uint32_t format, int major, int minor) {
  if (chip.compare(0, 3, "sm_") != 0)
    return false;
  char *suffix = nullptr;
  const long number = strtol(chip.c_str() + 3, &suffix, 10);
  const long wantMajor = number / 10, wantMinor = number % 10;
  const std::string kind = suffix;
  if (number <= 0 || (!kind.empty() && kind != "a" && kind != "f"))
    return false;
  if (kind == "a")
    return major == wantMajor && minor == wantMinor;
  if (kind == "f" || format == MERCER_CODE_CUBIN)
    return major == wantMajor && minor >= wantMinor;
  return major > wantMajor || (major == wantMajor && minor >= wantMinor);
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

Program::~Program() {
  const Driver &driver = gpu.driver;
  CurrentContext current(driver, gpu.context);
  // Work of other contexts may still use code and constants. Failures have been
  // reported to those who waited for that work.
  (void)driver.cuCtxSynchronize();
  for (CUmodule module : modules)
    (void)driver.cuModuleUnload(module);
  if (data)
    (void)driver.cuMemFree(data);
}

Status Program::loadModule(const MercerDeviceKernelDesc &kernel,
                           const std::string &place, CUmodule &module) {
  const Driver &driver = gpu.driver;
  // PTX is a string for the driver; a cubin carries its size.
  const char *image = static_cast<const char *>(kernel.code);
  std::string terminated;
  if (kernel.format == MERCER_CODE_PTX &&
      (kernel.code_size == 0 || image[kernel.code_size - 1] != '\0')) {
    terminated.assign(image, kernel.code_size);
    image = terminated.c_str();
  }
  char log[4096] = {};
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER,
                            CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log, reinterpret_cast<void *>(sizeof(log) - 1)};
  CUresult result =
      driver.cuModuleLoadDataEx(&module, image, 2, options, values);
  if (result == CUDA_SUCCESS)
    return {};
  Status failure = driver.status(result, "cuModuleLoadDataEx", place);
  if (!*log)
    return failure;
  return {failure.number(), place, failure.message() + ": " + log};
}

Status Program::loadFunction(const MercerDeviceKernelDesc &kernel,
                             CUmodule module, const std::string &place) {
  const Driver &driver = gpu.driver;
  CUfunction function = nullptr;
  if (CUresult result =
          driver.cuModuleGetFunction(&function, module, kernel.entry);
      result != CUDA_SUCCESS)
    return {Code::DeviceCodeRefused, place,
            format("the code has no function '%s': ", kernel.entry) +
                driver.text(result)};
  int limit = 0;
  if (Status status = driver.status(
          driver.cuFuncGetAttribute(
              &limit, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, function),
          "cuFuncGetAttribute", place);
      status.failed())
    return status;
  if (kernel.threads == 0 || kernel.threads > unsigned(limit))
    return {Code::DeviceLimit, place,
            format("the kernel needs blocks of %u threads, the device runs it "
                   "with at most %d",
                   kernel.threads, limit)};
  if (kernel.dynamic_shared_bytes > 0) {
    if (kernel.dynamic_shared_bytes > unsigned(gpu.sharedOptIn))
      return {Code::DeviceLimit, place,
              format("the kernel needs %u bytes of shared memory, the device "
                     "has %d",
                     kernel.dynamic_shared_bytes, gpu.sharedOptIn)};
    // Above 48 KiB, static shared memory included, a kernel has to ask.
    if (Status status = driver.status(
            driver.cuFuncSetAttribute(
                function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                static_cast<int>(kernel.dynamic_shared_bytes)),
            "cuFuncSetAttribute", place);
        status.failed())
      return status;
  }
  functions.push_back(function);
  return {};
}

Status Program::load(const std::shared_ptr<Gpu> &gpu, const Artifact &artifact,
                     const Upload &upload, std::shared_ptr<Program> &result) {
  const MercerModuleDesc &desc = artifact.module();
  std::shared_ptr<Program> program(new Program(*gpu));
  std::map<const void *, CUmodule> loaded;
  for (uint64_t i = 0; i < desc.kernel_count; ++i) {
    const MercerDeviceKernelDesc &kernel = desc.device_kernels[i];
    const std::string place =
        std::string("kernel '") + desc.kernels[i].name + "', " + gpu->place;
    auto [it, isNew] = loaded.try_emplace(kernel.code, nullptr);
    if (isNew) {
      if (Status status = program->loadModule(kernel, place, it->second);
          status.failed())
        return status;
      program->modules.push_back(it->second);
    }
    if (Status status = program->loadFunction(kernel, it->second, place);
        status.failed())
      return status;
  }
  const MercerFooter &footer = artifact.footer();
  if (!artifact.directory().empty() && footer.constants_size > 0) {
    if (Status status = gpu->driver.status(
            gpu->driver.cuMemAlloc(&program->data, footer.constants_size),
            "cuMemAlloc", "constants of " + artifact.path());
        status.failed())
      return status;
    // Slots may share bytes, so the section is copied, not slot after slot.
    const char *section = static_cast<const char *>(artifact.constants()[0]) -
                          artifact.directory()[0].offset;
    if (Status status = upload(program->data, section, footer.constants_size);
        status.failed())
      return status;
  }
  for (const MercerConstantEntry &slot : artifact.directory())
    program->slots.push_back(
        reinterpret_cast<const void *>(program->data + slot.offset));
  result = std::move(program);
  return {};
}

//===----------------------------------------------------------------------===//
// The device
//===----------------------------------------------------------------------===//

Gpu::Gpu(const Driver &driver, int ordinal)
    : driver(driver), ordinal(ordinal),
      place(format("device 'cuda:%d'", ordinal)) {}

Status Gpu::open() {
  if (Status status = driver.status(driver.cuDeviceGet(&device, ordinal),
                                    "cuDeviceGet", place);
      status.failed())
    return status;
  char text[256] = {};
  if (driver.cuDeviceGetName(text, sizeof(text) - 1, device) == CUDA_SUCCESS)
    name = text;
  auto attribute = [&](CUdevice_attribute which, int &value) {
    return driver.status(driver.cuDeviceGetAttribute(&value, which, device),
                         "cuDeviceGetAttribute", place);
  };
  if (Status status =
          attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, major);
      status.failed())
    return status;
  if (Status status =
          attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, minor);
      status.failed())
    return status;
  if (Status status = attribute(
          CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, sharedOptIn);
      status.failed())
    return status;
  return driver.status(driver.cuDevicePrimaryCtxRetain(&context, device),
                       "cuDevicePrimaryCtxRetain", place);
}

Gpu::~Gpu() {
  programs.clear();
  if (context)
    (void)driver.cuDevicePrimaryCtxRelease(device);
}

Status Gpu::get(int ordinal, std::shared_ptr<Gpu> &gpu) {
  static std::mutex mutex;
  static std::unordered_map<int, std::weak_ptr<Gpu>> known;
  const Driver *driver = nullptr;
  if (Status status = Driver::get(driver); status.failed())
    return status;
  std::lock_guard lock(mutex);
  if (std::shared_ptr<Gpu> shared = known[ordinal].lock()) {
    gpu = std::move(shared);
    return {};
  }
  std::shared_ptr<Gpu> opened(new Gpu(*driver, ordinal));
  if (Status status = opened->open(); status.failed())
    return status;
  known[ordinal] = opened;
  gpu = std::move(opened);
  return {};
}

Status Gpu::program(const std::shared_ptr<const Artifact> &artifact,
                    const Program::Upload &upload,
                    std::shared_ptr<Program> &result) {
  purge();
  // A second context that needs the same artifact waits here for the first.
  std::lock_guard lock(mutex);
  Loaded &entry = programs[artifact.get()];
  if (!entry.program) {
    if (Status status =
            Program::load(shared_from_this(), *artifact, upload, entry.program);
        status.failed()) {
      programs.erase(artifact.get());
      return status;
    }
    entry.artifact = artifact;
  }
  result = entry.program;
  return {};
}

std::shared_ptr<Program> Gpu::loaded(const Artifact &artifact) {
  std::lock_guard lock(mutex);
  auto it = programs.find(&artifact);
  // An address may be used again for another artifact.
  if (it == programs.end() || it->second.artifact.expired())
    return nullptr;
  return it->second.program;
}

void Gpu::purge() {
  std::vector<std::shared_ptr<Program>> gone;
  std::lock_guard lock(mutex);
  for (auto it = programs.begin(); it != programs.end();)
    if (it->second.artifact.expired()) {
      gone.push_back(std::move(it->second.program));
      it = programs.erase(it);
    } else {
      ++it;
    }
}

} // namespace mercer::rt::cuda
