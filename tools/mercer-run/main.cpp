//===- main.cpp - mercer-run ----------------------------------------------===//
//
// Loads an artifact, runs it, writes and compares its outputs. docs/cli.md
// describes the command line; exit statuses follow from the error codes.
//
//===----------------------------------------------------------------------===//

#include "runtime/support/Dtype.h"
#include "tools/mercer-run/Npy.h"
#include "tools/mercer-run/Options.h"
#include "tools/mercer-run/Report.h"

#include <chrono>
#include <cstdio>
#include <exception>
#include <map>
#include <unistd.h>

using namespace mercer::run;
using mercer::rt::Code;
using mercer::rt::format;
using mercer::rt::Status;

namespace {

constexpr int exitDiffers = 1;

/// E1xxx -> 2, E2xxx and E3xxx -> 3, E4xxx -> 4.
int exitStatus(const Status &status) {
  switch (status.number() / 1000) {
  case 0:
    return 0;
  case 1:
    return 2;
  case 2:
  case 3:
    return 3;
  default:
    return 4;
  }
}

/// Splits NAME=FILE by the names that exist, since a name may contain '='.
/// With one value only, FILE alone is enough.
Status splitBinding(const std::string &text, const char *option,
                    const std::vector<Value> &values, size_t &index,
                    std::string &file) {
  for (size_t at = text.find('='); at != std::string::npos;
       at = text.find('=', at + 1))
    for (size_t i = 0; i < values.size(); ++i)
      if (values[i].name.size() == at &&
          text.compare(0, at, values[i].name) == 0) {
        index = i;
        file = text.substr(at + 1);
        return {};
      }
  if (values.size() == 1 && text.find('=') == std::string::npos) {
    index = 0;
    file = text;
    return {};
  }
  std::string known;
  for (const Value &value : values)
    known += (known.empty() ? "" : ", ") + value.name;
  return {Code::UnknownName, std::string(option) + " " + text,
          "expects NAME=FILE with one of the names " + known};
}

Status readInputs(const Options &options, const std::vector<Value> &values,
                  std::vector<Array> &arrays) {
  arrays.resize(values.size());
  std::vector<bool> given(values.size(), false);
  for (const std::string &text : options.inputs) {
    size_t index = 0;
    std::string file;
    if (Status status = splitBinding(text, "--input", values, index, file);
        status.failed())
      return status;
    if (given[index])
      return {Code::DuplicateName, "--input " + text,
              "this input was given before"};
    given[index] = true;
    if (Status status = readNpy(file, values[index].dtype, arrays[index]);
        status.failed())
      return status;
  }
  // A symbol that a file binds has its size in the drawn inputs too.
  std::map<std::string, int64_t> sizes;
  for (size_t i = 0; i < values.size(); ++i)
    if (given[i] && arrays[i].shape.size() == values[i].shape.size())
      for (size_t d = 0; d < values[i].shape.size(); ++d)
        sizes.emplace(values[i].symbols[d], arrays[i].shape[d]);
  constexpr int64_t freeSymbolSize = 8;
  for (size_t i = 0; i < values.size(); ++i) {
    if (given[i])
      continue;
    const Value &value = values[i];
    if (!options.randomInputs)
      return {Code::MissingInput, "input '" + value.name + "'",
              "give it with --input, or use --random-inputs"};
    Array &array = arrays[i];
    array.dtype = value.dtype;
    for (size_t d = 0; d < value.shape.size(); ++d) {
      int64_t size = value.shape[d];
      if (size < 0) {
        auto it = sizes.find(value.symbols[d]);
        size = it == sizes.end() ? freeSymbolSize : it->second;
      }
      array.shape.push_back(size);
    }
    int64_t count;
    if (!mercer::rt::elementCount(array.shape.data(), array.shape.size(),
                                  count) ||
        !array.allocate(count))
      return {Code::OutOfMemory, "input '" + value.name + "'",
              "cannot allocate it"};
    // Inputs of one type differ from each other.
    fillRandom(array, *options.randomInputs + i);
  }
  return {};
}

/// "run 3 of 100" on a terminal; nothing where the output is kept.
class Progress {
public:
  explicit Progress(uint32_t total)
      : total(total), shown(total > 1 && isatty(STDERR_FILENO)) {}
  ~Progress() {
    if (drawn)
      fputs("\r\033[K", stderr);
  }
  void step(uint32_t run) {
    auto now = std::chrono::steady_clock::now();
    if (!shown || now - last < std::chrono::milliseconds(200))
      return;
    fprintf(stderr, "\rrun %u of %u", run + 1, total);
    last = now;
    drawn = true;
  }

private:
  uint32_t total;
  bool shown, drawn = false;
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};

Status runModel(const Options &options, Model &model,
                std::vector<Array> &inputs, Report &report) {
  Progress progress(options.warmup + options.repeat);
  for (uint32_t run = 0; run < options.warmup + options.repeat; ++run) {
    progress.step(run);
    double milliseconds = 0;
    if (Status status = model.run(inputs, milliseconds); status.failed())
      return status;
    if (run >= options.warmup)
      report.times.push_back(milliseconds);
    else if (run + 1 == options.warmup)
      if (Status status = model.clearProfile(); status.failed())
        return status;
  }
  return {};
}

Status compareOutputs(const Options &options, const std::vector<Value> &values,
                      const std::vector<Array> &results, Report &report) {
  for (const std::string &text : options.expects) {
    size_t index = 0;
    std::string file;
    if (Status status = splitBinding(text, "--expect", values, index, file);
        status.failed())
      return status;
    Array expected;
    if (Status status = readNpy(file, values[index].dtype, expected);
        status.failed())
      return status;
    // Integers are exact unless a tolerance is asked for.
    const bool floating = isFloating(values[index].dtype);
    Tolerance tolerance{options.rtol.value_or(floating ? 1e-4 : 0),
                        options.atol.value_or(floating ? 1e-5 : 0)};
    report.comparisons.push_back(compare(results[index], expected, tolerance));
    report.comparisons.back().name = values[index].name;
  }
  return {};
}

Status writeOutputs(const Options &options, const std::vector<Value> &values,
                    const std::vector<Array> &results) {
  for (const std::string &text : options.outputs) {
    size_t index = 0;
    std::string file;
    if (Status status = splitBinding(text, "--output", values, index, file);
        status.failed())
      return status;
    if (Status status = writeNpy(file, results[index]); status.failed())
      return status;
  }
  return {};
}

/// Names are checked before a run that may take long.
Status checkNames(const Options &options, const std::vector<Value> &outputs) {
  size_t index;
  std::string file;
  for (const std::string &text : options.outputs)
    if (Status status = splitBinding(text, "--output", outputs, index, file);
        status.failed())
      return status;
  for (const std::string &text : options.expects)
    if (Status status = splitBinding(text, "--expect", outputs, index, file);
        status.failed())
      return status;
  return {};
}

/// Shapes of this run in place of the declared ones.
std::vector<Value> withShapes(std::vector<Value> values,
                              const std::vector<Array> &arrays) {
  for (size_t i = 0; i < values.size(); ++i) {
    values[i].dtype = arrays[i].dtype;
    values[i].shape = arrays[i].shape;
    values[i].symbols.assign(arrays[i].shape.size(), "");
  }
  return values;
}

Status execute(const Options &options, std::string &text, bool &differs) {
  Model model;
  // An artifact can be described where nothing can run it.
  std::optional<MercerDevice> device = options.device;
  if (options.describe)
    device = MercerDevice{MERCER_DEVICE_CPU, 0};
  if (Status status = model.load(options.artifact, device, options.threads,
                                 !options.profile.empty());
      status.failed())
    return status;
  if (options.describe) {
    text = options.json ? describeJson(model) : describeText(model);
    return {};
  }
  if (Status status = checkNames(options, model.outputs()); status.failed())
    return status;
  std::vector<Array> inputs, results;
  if (Status status = readInputs(options, model.inputs(), inputs);
      status.failed())
    return status;
  Report report;
  if (Status status = runModel(options, model, inputs, report); status.failed())
    return status;
  if (Status status = model.results(results); status.failed())
    return status;
  if (Status status = writeOutputs(options, model.outputs(), results);
      status.failed())
    return status;
  if (!options.profile.empty())
    if (Status status = model.writeProfile(options.profile); status.failed())
      return status;
  if (Status status = compareOutputs(options, model.outputs(), results, report);
      status.failed())
    return status;
  report.inputs = withShapes(model.inputs(), inputs);
  report.outputs = withShapes(model.outputs(), results);
  for (const Comparison &comparison : report.comparisons)
    differs |= !comparison.ok;
  text = options.json ? reportJson(report) : reportText(report);
  return {};
}

/// Standard output may be a full disk or a closed pipe.
Status print(const std::string &text) {
  if (fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
      fflush(stdout) != 0)
    return {Code::WriteFailed, "standard output", "cannot write the report"};
  return {};
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  std::string text;
  bool differs = false;
  Status status;
  try {
    status = parseOptions(argc, argv, options);
    if (!status.failed() && !options.text.empty())
      text = options.text;
    else if (!status.failed())
      status = execute(options, text, differs);
    if (!status.failed())
      status = print(text);
    else if (options.json)
      (void)print(errorJson(status));
  } catch (const std::bad_alloc &) {
    status = Status(Code::OutOfMemory, "", "");
  } catch (const std::exception &error) {
    status = Status(Code::RuntimeInternal, "mercer-run", error.what());
  }
  if (status.failed()) {
    fprintf(stderr, "mercer-run: error: %s\n", errorText(status).c_str());
    return exitStatus(status);
  }
  return differs ? exitDiffers : 0;
}
