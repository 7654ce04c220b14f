//===- Probe.cpp - speed of the emulator ----------------------------------===//

#include "test/unit/emulator/MatrixKernels.h"

#include <chrono>
#include <cstdio>

using namespace mercer::test;

int main() {
  std::string error;
  auto kernel = EmulatedKernel::create(productText(), error);
  if (!kernel) {
    std::fprintf(stderr, "%s", error.c_str());
    return 1;
  }
  const int64_t m = 512, n = 512, k = 512;
  std::vector<uint16_t> a(m * k, 0x3c00), b(k * n, 0x3c00);
  std::vector<float> c(m * n);
  auto words = Words()
                   .buffer(a.data(), {m, k})
                   .buffer(b.data(), {k, n})
                   .buffer(c.data(), {m, n});
  for (int i = 0; i < 3; ++i) {
    auto begin = std::chrono::steady_clock::now();
    EmulatedError failed = kernel->run(words, m / 32 * n / 16);
    double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
            .count();
    std::printf("f16 product: %.2f G multiply-adds a second %s\n",
                double(m * n * k) / seconds * 1e-9, failed.message.c_str());
  }
  return 0;
}
