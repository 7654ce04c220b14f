//===- Peak.cpp - what a device can do at most ----------------------------===//

#include "tools/gpu-check/Peak.h"

#include "runtime/cuda/Driver.h"

namespace mercer::check {

using namespace rt::cuda;

/// From NVIDIA's architecture documents: 64 or 128 f32 lanes, each one multiply
/// and one add; dense f16 products with f32 accumulators. Consumer chips
/// of 8.6, 8.9 and 12.0 do half of that with f32 accumulators.
PerClock perClock(int major, int minor) {
  switch (major * 10 + minor) {
  case 70:
  case 72:
  case 75:
    return {128, 1024};
  case 80:
    return {128, 2048};
  case 86:
  case 87:
  case 89:
    return {256, 1024};
  case 90:
    return {256, 4096};
  case 100:
  case 103:
    return {256, 8192};
  case 120:
  case 121:
    return {256, 1024};
  default:
    return {0, 0};
  }
}

Peak peakOf(MercerDevice device, nlohmann::ordered_json &description) {
  char name[256] = "";
  (void)mercer_device_name(device, name, sizeof(name));
  description["name"] = name;
  Peak peak;
  const Driver *driver = nullptr;
  CUdevice handle = 0;
  if (device.type != MERCER_DEVICE_CUDA || Driver::get(driver).failed() ||
      driver->cuDeviceGet(&handle, device.id) != CUDA_SUCCESS)
    return peak;
  auto attribute = [&](CUdevice_attribute which) {
    int value = 0;
    return driver->cuDeviceGetAttribute(&value, which, handle) == CUDA_SUCCESS
               ? value
               : 0;
  };
  const int major = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  const int minor = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  const int count = attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  const double clock = 1e3 * attribute(CU_DEVICE_ATTRIBUTE_CLOCK_RATE);
  const double memoryClock =
      1e3 * attribute(CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE);
  const int width = attribute(CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH);
  int version = 0;
  size_t memory = 0;
  (void)driver->cuDriverGetVersion(&version);
  (void)driver->cuDeviceTotalMem(&memory, handle);
  const PerClock each = perClock(major, minor);
  peak.fp32 = count * clock * each.fp32;
  peak.tensor = count * clock * each.tensor;
  // Two transfers a clock, as the attribute counts.
  peak.memory = 2 * memoryClock * width / 8;
  description["compute_capability"] = rt::format("%d.%d", major, minor);
  description["driver"] =
      rt::format("%d.%d", version / 1000, version % 1000 / 10);
  description["multiprocessors"] = count;
  description["clock_mhz"] = clock / 1e6;
  description["memory_bytes"] = memory;
  description["l2_bytes"] = attribute(CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
  description["peak"] = {{"fp32_tflops", peak.fp32 / 1e12},
                         {"f16_tensor_tflops", peak.tensor / 1e12},
                         {"memory_gbs", peak.memory / 1e9}};
  return peak;
}

} // namespace mercer::check
