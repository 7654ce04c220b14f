//===- ProbeKernels.h - kernels whose speed is watched ----------*- C++ -*-===//
#ifndef MERCER_TEST_UNIT_CPU_PROBEKERNELS_H
#define MERCER_TEST_UNIT_CPU_PROBEKERNELS_H

#include <cstdint>
#include <string>
#include <vector>

namespace mercer::test {

struct ProbeKernel {
  std::string name;
  std::string text;
  double flops;
  /// Elements of each f32 buffer, its dynamic sizes, and the scalars behind.
  std::vector<size_t> buffers;
  std::vector<std::vector<int64_t>> sizes;
  std::vector<int64_t> scalars;
};

/// `accumulators` independent chains of fma on vectors of `lanes` f32, run
/// as often as the second argument says.
std::string peakKernel(int64_t lanes, int64_t accumulators);

std::vector<ProbeKernel> probeKernels();

} // namespace mercer::test

#endif
