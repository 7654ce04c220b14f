//===- CpuDevice.h - the processor as a device ------------------*- C++ -*-===//

#ifndef MERCER_RUNTIME_CPU_CPUDEVICE_H
#define MERCER_RUNTIME_CPU_CPUDEVICE_H

#include "runtime/core/Device.h"

namespace mercer::rt {

Status createCpuDevice(const MercerContextOptions &options, Memory memory,
                       std::shared_ptr<Device> &device);

} // namespace mercer::rt

#endif // MERCER_RUNTIME_CPU_CPUDEVICE_H
