//===- Case.h - one artifact with inputs and expected outputs ---*- C++ -*-===//

#ifndef MERCER_TOOLS_GPUCHECK_CASE_H
#define MERCER_TOOLS_GPUCHECK_CASE_H

#include "runtime/support/Status.h"
#include "tools/mercer-run/Compare.h"

#include <map>
#include <string>
#include <vector>

namespace mercer::check {

/// A .npy file of the case's folder, or, where `file` is empty, numbers drawn
/// from `seed`.
struct Input {
  std::string file;
  uint64_t seed = 0;
  std::vector<int64_t> shape;
};

struct Expected {
  std::string output;
  std::string file; ///< empty: what the case's reference computes
  run::Tolerance tolerance;
  double ofLargest; ///< more absolute tolerance: times the largest value
};

struct Variant {
  std::map<std::string, Input> inputs;
  std::vector<Expected> expected;
};

/// A folder with `case.json` (docs/gpu-check.md).
struct Case {
  std::string name, folder, artifact;
  std::string reference; ///< an artifact for the CPU, or empty
  std::vector<Variant> variants;
  int timed = -1; ///< the variant whose kernels are timed, or none

  std::string path(const std::string &file) const {
    return folder + "/" + file;
  }
};

rt::Status readCase(const std::string &folder, Case &result);

/// The names of the folders below `folder` that hold a case, sorted.
rt::Status listCases(const std::string &folder,
                     std::vector<std::string> &names);

} // namespace mercer::check

#endif // MERCER_TOOLS_GPUCHECK_CASE_H
