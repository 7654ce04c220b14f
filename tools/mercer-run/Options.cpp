//===- Options.cpp - the command line of mercer-run -----------------------===//

#include "tools/mercer-run/Options.h"

#include <CLI/CLI.hpp>

namespace mercer::run {

using rt::Code;
using rt::Status;

/// KIND or KIND:N.
static Status parseDevice(const std::string &text, MercerDevice &device) {
  const size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  device = {0, 0};
  for (auto [name, type] : {std::pair{"cpu", MERCER_DEVICE_CPU},
                            std::pair{"cuda", MERCER_DEVICE_CUDA},
                            std::pair{"vulkan", MERCER_DEVICE_VULKAN}})
    if (kind == name)
      device.type = type;
  bool good = device.type != 0;
  if (colon != std::string::npos) {
    const std::string number = text.substr(colon + 1);
    good = good && !number.empty() && number.size() < 5 &&
           number.find_first_not_of("0123456789") == std::string::npos;
    if (good)
      device.id = std::stoi(number);
  }
  if (good)
    return {};
  return {Code::InvalidOption, "--device " + text,
          "expects cpu, cuda or vulkan, with :N for another one than the best"};
}

Status parseOptions(int argc, char **argv, Options &options) {
  CLI::App app("Runs and checks an artifact that mercerc has made.",
               "mercer-run");
  app.set_version_flag("--version",
                       std::string("mercer-run ") + mercer_version());
  app.add_option("ARTIFACT", options.artifact, "artifact to load")->required();
  app.add_flag("--describe", options.describe,
               "print inputs, outputs, symbols, aliases and memory");
  auto files = [&](const char *flag, std::vector<std::string> &list,
                   const char *help) {
    app.add_option(flag, list, help)
        ->allow_extra_args(false)
        ->type_name("NAME=F.npy");
  };
  files("--input", options.inputs, "read an input from a file");
  files("--output", options.outputs, "write an output to a file");
  files("--expect", options.expects, "compare an output with a file");
  double rtol = 0, atol = 0;
  uint64_t seed = 0;
  auto *rtolOption =
      app.add_option("--rtol", rtol,
                     "relative tolerance of --expect (floats 1e-4, else 0)")
          ->type_name("R");
  auto *atolOption =
      app.add_option("--atol", atol,
                     "absolute tolerance of --expect (floats 1e-5, else 0)")
          ->type_name("A");
  auto *seedOption = app.add_option("--random-inputs", seed,
                                    "draw the inputs that no file gives")
                         ->type_name("SEED");
  std::string device;
  app.add_option("--device", device,
                 "cpu, cuda or vulkan, with :N for another one than the best "
                 "(default: what the artifact was made for)")
      ->type_name("KIND[:N]");
  app.add_option("--threads", options.threads, "threads (0: all processors)")
      ->type_name("N");
  app.add_option("--repeat", options.repeat, "timed runs")
      ->type_name("N")
      ->check(CLI::Range(1u, 1000000000u));
  app.add_option("--warmup", options.warmup, "runs before the timed ones")
      ->type_name("N");
  app.add_option("--profile", options.profile,
                 "write a Chrome trace of the timed runs")
      ->type_name("F.json");
  app.add_flag("--json", options.json, "print one JSON object");
  app.footer("Exit status: 0 done, 1 --expect differs, 2 wrong use, 3 input "
             "refused, 4 failed while running.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp &) {
    options.text = app.help();
    return {};
  } catch (const CLI::CallForVersion &) {
    options.text = std::string("mercer-run ") + mercer_version() + "\n";
    return {};
  } catch (const CLI::ParseError &error) {
    return {Code::InvalidOption, "command line", error.what()};
  }
  if (rtolOption->count())
    options.rtol = rtol;
  if (atolOption->count())
    options.atol = atol;
  if (seedOption->count())
    options.randomInputs = seed;
  if (!device.empty())
    if (Status status = parseDevice(device, options.device.emplace());
        status.failed())
      return status;
  for (auto [name, value] :
       {std::pair{"--rtol", options.rtol}, std::pair{"--atol", options.atol}})
    if (value && !(*value >= 0))
      return {Code::InvalidOption, name, "expects a number of at least 0"};
  return {};
}

} // namespace mercer::run
