//===- Check.h - runs, compares and times one case --------------*- C++ -*-===//

#ifndef MERCER_TOOLS_GPUCHECK_CHECK_H
#define MERCER_TOOLS_GPUCHECK_CHECK_H

#include "tools/gpu-check/Case.h"
#include "tools/gpu-check/Peak.h"

namespace mercer::check {

struct Settings {
  MercerDevice device{};
  bool time = true;
  int warmup = 5, runs = 30;
  double seconds = 30;   ///< for the timed runs of one case, at least 5 of them
  size_t flushBytes = 0; ///< written between timed runs, to empty caches
  Peak peak;
};

/// The result of a case as it stands in the report. "status" is "pass", "fail"
/// (outputs differ) or "error" (with code, message and place).
nlohmann::ordered_json checkCase(const Case &test, const Settings &settings);

/// A result for a case that could not be run.
nlohmann::ordered_json errorResult(const std::string &name,
                                   const rt::Status &status);

} // namespace mercer::check

#endif // MERCER_TOOLS_GPUCHECK_CHECK_H
