//===- Report.h - what mercer-run prints ------------------------*- C++ -*-===//

#ifndef MERCER_TOOLS_MERCERRUN_REPORT_H
#define MERCER_TOOLS_MERCERRUN_REPORT_H

#include "tools/mercer-run/Compare.h"
#include "tools/mercer-run/Model.h"

namespace mercer::run {

struct Report {
  std::vector<Value> inputs, outputs; ///< with the shapes of this run
  std::vector<double> times;          ///< milliseconds
  std::vector<Comparison> comparisons;
};

std::string reportText(const Report &report);
std::string reportJson(const Report &report);

/// Inputs, outputs, states, symbols, aliases, kernels, memory.
std::string describeText(Model &model);
std::string describeJson(Model &model);

/// {"error": {code, name, message, place}}
std::string errorJson(const rt::Status &status);
/// "[E2202] message (place)"
std::string errorText(const rt::Status &status);

} // namespace mercer::run

#endif // MERCER_TOOLS_MERCERRUN_REPORT_H
