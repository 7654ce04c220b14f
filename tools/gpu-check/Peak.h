//===- Peak.h - what a device can do at most --------------------*- C++ -*-===//

#ifndef MERCER_TOOLS_GPUCHECK_PEAK_H
#define MERCER_TOOLS_GPUCHECK_PEAK_H

#include "mercer/mercer.h"

#include <nlohmann/json.hpp>

namespace mercer::check {

/// Operations and bytes per second; 0 where not known.
struct Peak {
  double fp32 = 0;   ///< fused multiply-adds as two operations
  double tensor = 0; ///< f16 and bf16 matrix units, dense, f32 accumulators
  double memory = 0;
};

/// Computes them from the device's attributes (maximal clocks, number of
/// multiprocessors, width of the memory bus) and describes the device. Only
/// CUDA tells enough.
Peak peakOf(MercerDevice device, nlohmann::ordered_json &description);

/// Operations that a multiprocessor of a compute capability does in a clock.
struct PerClock {
  double fp32, tensor;
};
PerClock perClock(int major, int minor);

} // namespace mercer::check

#endif // MERCER_TOOLS_GPUCHECK_PEAK_H
