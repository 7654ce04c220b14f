//===- Check.cpp - runs, compares and times one case ----------------------===//

#include "tools/gpu-check/Check.h"

#include "runtime/support/Dtype.h"
#include "tools/mercer-run/Npy.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace mercer::check {

using Json = nlohmann::ordered_json;
using rt::Code;
using rt::Status;
using run::Array;

namespace {

/// One launch of a run.
struct Launch {
  std::string kernel;
  std::vector<std::string> nodes;
  double flops, bytes;
  int64_t tiles;
  uint64_t nanoseconds;
};

/// An artifact on a context of the device, with all tensors in its memory.
class Model {
public:
  Model() = default;
  Model(const Model &) = delete;
  ~Model() {
    for (auto *tensors : {&outputs, &inputs, &flushed})
      for (MercerTensor &tensor : *tensors)
        mercer_tensor_release(context, &tensor);
    mercer_session_destroy(session);
    mercer_artifact_release(artifact);
    mercer_context_destroy(context);
  }

  Status open(const std::string &path, MercerDevice device, bool profile);
  /// Reads or draws the inputs of a variant.
  Status readInputs(const Case &test, const Variant &variant,
                    std::vector<Array> &arrays) const;
  /// Brings inputs to the device.
  Status bind(std::vector<Array> &arrays);
  /// On fresh state, into the tensors of the first run.
  Status run();
  Status synchronize() { return status(mercer_context_synchronize(context)); }
  Status result(const std::string &output, Array &array);
  /// Memory as large as asked for, or as there is.
  void prepareFlush(size_t bytes);
  Status flush() {
    return flushed.empty()
               ? Status()
               : status(mercer_tensor_copy(context, &flushed[0], &flushed[1]));
  }

  /// The manifest counts operations and bytes for its own sizes, which are
  /// those of a run only where no input has a symbolic one.
  bool isStatic() const { return fixedShapes; }

  std::vector<Launch> launches; ///< of the latest run

private:
  struct Value {
    std::string name;
    MercerDataType dtype;
    int32_t rank;
  };
  Status status(int32_t code) const {
    if (code == 0)
      return {};
    const MercerError *error = mercer_context_error(context);
    return {code, error->place, error->message};
  }
  Status values(int32_t kind, uint32_t count, std::vector<Value> &result);

  MercerDevice device{};
  MercerContext *context = nullptr;
  MercerArtifact *artifact = nullptr;
  MercerSession *session = nullptr;
  std::vector<Value> inputValues, outputValues;
  std::vector<MercerTensor> inputs, outputs, flushed;
  std::vector<std::vector<int64_t>> inputShapes, outputShapes;
  int64_t flushShape = 0;
  bool fixedShapes = true;
};

} // namespace

static void noteLaunch(void *user, const MercerProfileEvent *event) {
  static_cast<std::vector<Launch> *>(user)->push_back(
      {event->kernel,
       {event->nodes, event->nodes + event->node_count},
       event->flops,
       event->bytes,
       event->tiles,
       event->duration_ns});
}

Status Model::values(int32_t kind, uint32_t count, std::vector<Value> &result) {
  for (uint32_t i = 0; i < count; ++i) {
    MercerValueInfo info{};
    info.struct_size = sizeof(info);
    if (int32_t code = mercer_value_info(context, artifact, 0, kind, i, &info))
      return status(code);
    result.push_back({info.name, info.dtype, info.ndim});
    for (int32_t d = 0; d < info.ndim; ++d)
      fixedShapes &= info.shape[d] >= 0;
  }
  return {};
}

Status Model::open(const std::string &path, MercerDevice where, bool profile) {
  device = where;
  MercerProfiler profiler{noteLaunch, &launches};
  MercerContextOptions options{};
  options.struct_size = sizeof(options);
  options.device = device;
  // Elements that nothing writes are seen.
  options.flags = MERCER_CONTEXT_POISON_OUTPUTS;
  if (profile)
    options.profiler = &profiler;
  if (int32_t code = mercer_context_create(&options, &context))
    return status(code);
  if (int32_t code =
          mercer_artifact_load(context, path.c_str(), nullptr, &artifact))
    return status(code);
  MercerEntryInfo info{};
  info.struct_size = sizeof(info);
  if (int32_t code = mercer_entry_info(context, artifact, 0, &info))
    return status(code);
  if (Status failure =
          values(MERCER_VALUE_INPUT, info.input_count, inputValues);
      failure.failed())
    return failure;
  if (Status failure =
          values(MERCER_VALUE_OUTPUT, info.output_count, outputValues);
      failure.failed())
    return failure;
  if (info.state_count > 0)
    return status(mercer_session_create(context, artifact, nullptr, &session));
  return {};
}

Status Model::readInputs(const Case &test, const Variant &variant,
                         std::vector<Array> &arrays) const {
  for (const Value &value : inputValues) {
    const std::string place = "input '" + value.name + "'";
    auto it = variant.inputs.find(value.name);
    if (it == variant.inputs.end())
      return {Code::MissingInput, place, "the case does not give it"};
    const Input &input = it->second;
    Array &array = arrays.emplace_back();
    if (!input.file.empty()) {
      if (Status failure =
              run::readNpy(test.path(input.file), value.dtype, array);
          failure.failed())
        return failure;
      continue;
    }
    array.dtype = value.dtype;
    array.shape = input.shape;
    int64_t count;
    if (!rt::elementCount(input.shape.data(), input.shape.size(), count) ||
        !array.allocate(count))
      return {Code::OutOfMemory, place, "cannot allocate it"};
    run::fillRandom(array, input.seed);
  }
  return {};
}

Status Model::bind(std::vector<Array> &arrays) {
  for (auto *tensors : {&outputs, &inputs}) {
    for (MercerTensor &tensor : *tensors)
      mercer_tensor_release(context, &tensor);
    tensors->clear();
  }
  inputShapes.clear();
  inputShapes.reserve(arrays.size());
  for (Array &array : arrays) {
    MercerTensor host = array.tensor();
    inputShapes.push_back(array.shape);
    MercerTensor &tensor = inputs.emplace_back(host);
    tensor.data = nullptr;
    tensor.shape = inputShapes.back().data();
    if (int32_t code = mercer_tensor_allocate(context, &tensor))
      return status(code);
    if (int32_t code = mercer_tensor_copy(context, &tensor, &host))
      return status(code);
  }
  return {};
}

Status Model::run() {
  launches.clear();
  if (session)
    if (int32_t code = mercer_session_reset(context, session))
      return status(code);
  MercerRunOptions options{};
  options.struct_size = sizeof(options);
  options.session = session;
  const bool first = outputs.empty();
  if (first) {
    outputs.resize(outputValues.size());
    outputShapes.resize(outputValues.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      outputShapes[i].resize(outputValues[i].rank);
      outputs[i].device = device;
      outputs[i].shape = outputShapes[i].data();
    }
  }
  int32_t code =
      mercer_run(context, artifact, 0, &options, inputs.data(),
                 static_cast<uint32_t>(inputs.size()), outputs.data(),
                 static_cast<uint32_t>(outputs.size()));
  if (code && first)
    outputs.clear();
  return status(code);
}

Status Model::result(const std::string &output, Array &array) {
  for (size_t i = 0; i < outputValues.size(); ++i) {
    if (outputValues[i].name != output)
      continue;
    array.dtype = outputs[i].dtype;
    array.shape.assign(outputs[i].shape, outputs[i].shape + outputs[i].ndim);
    int64_t count = 1;
    for (int64_t dim : array.shape)
      count *= dim;
    if (!array.allocate(count))
      return {Code::OutOfMemory, "output '" + output + "'", "cannot copy it"};
    MercerTensor host = array.tensor();
    return status(mercer_tensor_copy(context, &host, &outputs[i]));
  }
  return {Code::UnknownName, "output '" + output + "'",
          "the artifact has no such output"};
}

void Model::prepareFlush(size_t bytes) {
  for (; bytes >= size_t(16) << 20; bytes /= 2) {
    flushShape = static_cast<int64_t>(bytes);
    MercerTensor tensor{};
    tensor.dtype = {MERCER_UINT, 8, 1};
    tensor.ndim = 1;
    tensor.shape = &flushShape;
    flushed.assign(2, tensor);
    if (mercer_tensor_allocate(context, &flushed[0]) == 0 &&
        mercer_tensor_allocate(context, &flushed[1]) == 0)
      return;
    for (MercerTensor &each : flushed)
      mercer_tensor_release(context, &each);
    flushed.clear();
  }
}

//===----------------------------------------------------------------------===//
// Comparing
//===----------------------------------------------------------------------===//

/// JSON has no infinity.
static Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json("infinity");
}

static double largestOf(const Array &array) {
  if (run::componentCount(array.dtype) != 1)
    return 0;
  double largest = 0;
  std::vector<double> values(4096);
  for (int64_t i = 0; i < array.count(); i += 4096) {
    const int64_t n = std::min<int64_t>(4096, array.count() - i);
    run::decode(array, i, n, values.data());
    for (int64_t j = 0; j < n; ++j)
      if (std::isfinite(values[j]))
        largest = std::max(largest, std::fabs(values[j]));
  }
  return largest;
}

static Status compareVariant(const Case &test, size_t index, Model &model,
                             Model *reference, Json &checks, bool &same) {
  const Variant &variant = test.variants[index];
  std::vector<Array> inputs;
  if (Status failure = model.readInputs(test, variant, inputs);
      failure.failed())
    return failure;
  for (Model *each : {&model, reference}) {
    if (!each)
      continue;
    if (Status failure = each->bind(inputs); failure.failed())
      return failure;
    if (Status failure = each->run(); failure.failed())
      return failure;
    if (Status failure = each->synchronize(); failure.failed())
      return failure;
  }
  for (const Expected &expected : variant.expected) {
    Array got, wanted;
    if (Status failure = model.result(expected.output, got); failure.failed())
      return failure;
    // Files hold float64, or the output's own type.
    if (Status failure =
            expected.file.empty()
                ? reference->result(expected.output, wanted)
                : run::readNpy(test.path(expected.file), got.dtype, wanted);
        failure.failed())
      return failure;
    run::Tolerance tolerance = expected.tolerance;
    tolerance.absolute += expected.ofLargest * largestOf(wanted);
    run::Comparison found = run::compare(got, wanted, tolerance);
    same &= found.ok;
    Json check{{"variant", index},
               {"output", expected.output},
               {"ok", found.ok},
               {"max_abs", number(found.maxAbs)},
               {"max_rel", number(found.maxRel)},
               {"rtol", tolerance.relative},
               {"atol", tolerance.absolute}};
    if (!found.ok) {
      check["mismatches"] = found.mismatches;
      check["elements"] = got.count();
      check["note"] = found.note;
    }
    checks.push_back(std::move(check));
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Timing
//===----------------------------------------------------------------------===//

/// Median and spread of samples in any unit.
static Json statistics(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const size_t n = samples.size();
  auto at = [&](double share) {
    return samples[static_cast<size_t>(share * double(n - 1) + 0.5)];
  };
  const double median = (samples[(n - 1) / 2] + samples[n / 2]) / 2;
  return Json{{"median", median}, {"min", samples.front()}, {"p10", at(0.1)},
              {"p90", at(0.9)},   {"max", samples.back()},  {"runs", n}};
}

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Calls `body` for the warm-up and then as often as the settings say; `body`
/// gets whether to keep what it measures.
template <typename Body>
static Status repeat(const Settings &settings, Body body) {
  const auto start = Clock::now();
  constexpr int fewest = 5;
  for (int i = 0; i < settings.warmup + settings.runs; ++i) {
    if (Status failure = body(i >= settings.warmup); failure.failed())
      return failure;
    if (i + 1 >= settings.warmup + fewest &&
        secondsSince(start) > settings.seconds)
      break;
  }
  return {};
}

static Json share(double rate, double peak) {
  return peak > 0 ? Json(rate / peak) : Json(nullptr);
}

static Json kernelRow(const Launch &launch, std::vector<double> microseconds,
                      const Peak &peak) {
  Json time = statistics(std::move(microseconds));
  const double seconds = time["median"].get<double>() * 1e-6;
  Json row{{"kernel", launch.kernel},
           {"nodes", launch.nodes},
           {"tiles", launch.tiles},
           {"microseconds", std::move(time)}};
  if (launch.flops > 0 && seconds > 0) {
    const double rate = launch.flops / seconds;
    row["flops"] = launch.flops;
    row["tflops"] = rate / 1e12;
    row["of_fp32_peak"] = share(rate, peak.fp32);
    row["of_tensor_peak"] = share(rate, peak.tensor);
  }
  if (launch.bytes > 0 && seconds > 0) {
    const double rate = launch.bytes / seconds;
    row["bytes"] = launch.bytes;
    row["gbs"] = rate / 1e9;
    row["of_memory_peak"] = share(rate, peak.memory);
  }
  return row;
}

static Status prepareTimed(const Case &test, const Settings &settings,
                           bool profile, Model &model) {
  if (Status failure =
          model.open(test.path(test.artifact), settings.device, profile);
      failure.failed())
    return failure;
  std::vector<Array> inputs;
  if (Status failure =
          model.readInputs(test, test.variants[test.timed], inputs);
      failure.failed())
    return failure;
  if (Status failure = model.bind(inputs); failure.failed())
    return failure;
  model.prepareFlush(settings.flushBytes);
  return {};
}

static Status timeKernels(const Case &test, const Settings &settings,
                          Json &timing) {
  Model model;
  if (Status failure = prepareTimed(test, settings, /*profile=*/true, model);
      failure.failed())
    return failure;
  std::vector<Launch> launches;
  std::vector<std::vector<double>> times;
  Status failure = repeat(settings, [&](bool keep) -> Status {
    if (Status status = model.flush(); status.failed())
      return status;
    if (Status status = model.run(); status.failed())
      return status;
    if (!keep)
      return {};
    if (launches.empty()) {
      launches = model.launches;
      if (!model.isStatic())
        for (Launch &launch : launches)
          launch.flops = launch.bytes = 0;
      times.resize(launches.size());
    }
    if (launches.size() != model.launches.size())
      return {Code::RuntimeInternal, test.name,
              "two runs of the same inputs launch different kernels"};
    for (size_t i = 0; i < launches.size(); ++i)
      times[i].push_back(double(model.launches[i].nanoseconds) / 1e3);
    return {};
  });
  if (failure.failed())
    return failure;
  Json kernels = Json::array();
  for (size_t i = 0; i < launches.size(); ++i)
    kernels.push_back(kernelRow(launches[i], times[i], settings.peak));
  timing["kernels"] = std::move(kernels);
  return {};
}

static Status timeRuns(const Case &test, const Settings &settings,
                       Json &timing) {
  Model model;
  if (Status failure = prepareTimed(test, settings, /*profile=*/false, model);
      failure.failed())
    return failure;
  std::vector<double> milliseconds;
  Status failure = repeat(settings, [&](bool keep) -> Status {
    if (Status status = model.flush(); status.failed())
      return status;
    if (Status status = model.synchronize(); status.failed())
      return status;
    const auto start = Clock::now();
    if (Status status = model.run(); status.failed())
      return status;
    if (Status status = model.synchronize(); status.failed())
      return status;
    if (keep)
      milliseconds.push_back(1e3 * secondsSince(start));
    return {};
  });
  if (!failure.failed())
    timing["run_ms"] = statistics(std::move(milliseconds));
  return failure;
}

//===----------------------------------------------------------------------===//
// A case
//===----------------------------------------------------------------------===//

static void putError(const Status &status, Json &result) {
  const char *name = rt::codeName(status.number());
  result["status"] = "error";
  result["code"] = rt::format("E%04d", status.number());
  result["error"] = name ? name : "";
  result["message"] = status.message();
  result["place"] = status.place();
}

Json errorResult(const std::string &name, const Status &status) {
  Json result{{"name", name}};
  putError(status, result);
  return result;
}

Json checkCase(const Case &test, const Settings &settings) {
  Json result{{"name", test.name}, {"status", "pass"}};
  Json checks = Json::array();
  bool same = true;
  auto compareAll = [&]() -> Status {
    Model model, reference;
    if (Status failure = model.open(test.path(test.artifact), settings.device,
                                    /*profile=*/false);
        failure.failed())
      return failure;
    const bool computed = !test.reference.empty();
    if (computed)
      if (Status failure =
              reference.open(test.path(test.reference), {MERCER_DEVICE_CPU, 0},
                             /*profile=*/false);
          failure.failed())
        return failure;
    for (size_t i = 0; i < test.variants.size(); ++i)
      if (Status failure = compareVariant(
              test, i, model, computed ? &reference : nullptr, checks, same);
          failure.failed())
        return failure;
    return {};
  };
  Status failure = compareAll();
  result["checks"] = std::move(checks);
  if (!same)
    result["status"] = "fail";
  // A wrong kernel's time says nothing.
  if (!failure.failed() && same && settings.time && test.timed >= 0) {
    Json timing = Json::object();
    failure = timeKernels(test, settings, timing);
    if (!failure.failed())
      failure = timeRuns(test, settings, timing);
    result["timing"] = std::move(timing);
  }
  if (failure.failed())
    putError(failure, result);
  return result;
}

} // namespace mercer::check
