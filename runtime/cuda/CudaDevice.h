//===- CudaDevice.h - NVIDIA GPUs behind the device interface ---*- C++ -*-===//

#ifndef MERCER_RUNTIME_CUDA_CUDADEVICE_H
#define MERCER_RUNTIME_CUDA_CUDADEVICE_H

#include "runtime/core/Device.h"

namespace mercer::rt {

/// `options.stream` is a CUstream of the device's primary context, or null for
/// a stream of the context's own.
Status createCudaDevice(const MercerContextOptions &options,
                        std::shared_ptr<Device> &device);

/// Names in the order of the driver's numbers; none where there is no driver.
void listCudaDevices(std::vector<std::string> &names);

} // namespace mercer::rt

#endif // MERCER_RUNTIME_CUDA_CUDADEVICE_H
