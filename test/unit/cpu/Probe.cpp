//===- Probe.cpp - speed of generated kernels against the FMA peak --------===//
//
// mercer-cpu-probe [cpu [name]]: prints GFLOP/s of a product, a convolution,
// one attention head and others, beside the peak measured in the same process.
//
//===----------------------------------------------------------------------===//

#include "test/unit/cpu/KernelRunner.h"
#include "test/unit/cpu/ProbeKernels.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>

using namespace mercer::test;

static double now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

template <class F> static double best(F run, int repeats = 30) {
  run();
  double least = 1e9;
  for (int i = 0; i < repeats; ++i) {
    double start = now();
    run();
    least = std::min(least, now() - start);
  }
  return least;
}

static float *buffer(size_t count) {
  auto *p = static_cast<float *>(
      aligned_alloc(64, (count * sizeof(float) + 127) / 64 * 64));
  for (size_t i = 0; i < count; ++i)
    p[i] = static_cast<float>(double(rand()) / RAND_MAX - 0.5);
  return p;
}

int main(int argc, char **argv) {
  std::string cpu = argc > 1 ? argv[1] : "native", error;
  std::string only = argc > 2 ? argv[2] : "";
  double peak = 0;
  auto build = [&](const std::string &text) {
    auto runner = KernelRunner::create(text, cpu, error);
    if (!runner) {
      fprintf(stderr, "%s\n", error.c_str());
      exit(1);
    }
    return runner;
  };
  {
    auto target = mercer::cpuTargetInfo(cpu);
    int64_t lanes = succeeded(target) ? target->lanes(32) : 4;
    constexpr int64_t chains = 12, steps = 200000;
    auto runner = build(peakKernel(lanes, chains));
    Params params;
    params.pointer(buffer(512)).size(steps);
    double t = best([&] { runner->run(params); });
    peak = 2.0 * steps * chains * lanes / t / 1e9;
    printf("%-16s %8.1f GFLOP/s\n", "fma peak", peak);
  }
  for (const ProbeKernel &kernel : probeKernels()) {
    if (!only.empty() && kernel.name.find(only) == std::string::npos)
      continue;
    auto runner = build(kernel.text);
    Params params;
    std::vector<float *> data;
    for (size_t count : kernel.buffers) {
      data.push_back(buffer(count));
      params.pointer(data.back());
      for (int64_t size : kernel.sizes[data.size() - 1])
        params.size(size);
    }
    for (int64_t scalar : kernel.scalars)
      params.size(scalar);
    double t = best([&] { runner->run(params); });
    printf("%-16s %8.1f GFLOP/s  %5.1f%%  %8.1f us   compile %6.1f ms, %zu B\n",
           kernel.name.c_str(), kernel.flops / t / 1e9,
           100 * kernel.flops / t / 1e9 / peak, t * 1e6,
           runner->compileMilliseconds, runner->objectBytes);
  }
  return 0;
}
