//===- Options.h - the command line of mercer-run ---------------*- C++ -*-===//

#ifndef MERCER_TOOLS_MERCERRUN_OPTIONS_H
#define MERCER_TOOLS_MERCERRUN_OPTIONS_H

#include "mercer/mercer.h"
#include "runtime/support/Status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mercer::run {

struct Options {
  std::string artifact;
  bool describe = false;
  /// NAME=FILE, still in one piece: names may hold '=' too.
  std::vector<std::string> inputs, outputs, expects;
  std::optional<double> rtol, atol;
  std::optional<uint64_t> randomInputs;
  /// Absent: what the artifact was made for.
  std::optional<MercerDevice> device;
  uint32_t threads = 0;
  uint32_t repeat = 1, warmup = 0;
  std::string profile;
  bool json = false;
  /// Set by --help and --version: print it and end.
  std::string text;
};

rt::Status parseOptions(int argc, char **argv, Options &options);

} // namespace mercer::run

#endif // MERCER_TOOLS_MERCERRUN_OPTIONS_H
