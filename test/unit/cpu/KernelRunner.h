//===- KernelRunner.h - compiles and runs kernels in process ----*- C++ -*-===//
//
// Takes the text of kernel functions on buffers, sends it through the CPU
// backend to an object, loads that and runs every phase.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_TEST_UNIT_CPU_KERNELRUNNER_H
#define MERCER_TEST_UNIT_CPU_KERNELRUNNER_H

#include "backends/cpu/CpuBackend.h"

#include "llvm/ExecutionEngine/Orc/LLJIT.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace mercer::test {

/// Words of `params`: pointers, sizes and scalars in the order of arguments.
struct Params {
  std::vector<int64_t> words;
  Params &pointer(const void *p) {
    words.push_back(reinterpret_cast<int64_t>(p));
    return *this;
  }
  Params &size(int64_t value) {
    words.push_back(value);
    return *this;
  }
};

class KernelRunner {
public:
  /// Null, with `error` filled, when the text does not compile.
  static std::unique_ptr<KernelRunner>
  create(const std::string &text, const std::string &cpu, std::string &error);

  /// Runs all phases over their whole grid; with `pieces` > 1 each grid is cut
  /// into that many ranges, as threads would.
  void run(const Params &params, int64_t pieces = 1);

  double compileMilliseconds = 0;
  size_t objectBytes = 0;

private:
  struct Phase {
    int64_t (*grid)(const int64_t *);
    void (*tiles)(const int64_t *, int64_t, int64_t, void *);
    std::vector<char> scratch;
  };
  std::unique_ptr<llvm::orc::LLJIT> jit;
  std::vector<Phase> phases;
};

/// CPU levels that this machine can run, lowest first.
std::vector<std::string> runnableLevels();

} // namespace mercer::test

#endif
