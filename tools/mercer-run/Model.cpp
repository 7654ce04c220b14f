//===- Model.cpp - an artifact with its inputs and outputs ----------------===//

#include "tools/mercer-run/Model.h"

#include "runtime/support/Dtype.h"

#include <chrono>
#include <nlohmann/json.hpp>

namespace mercer::run {

using rt::Code;
using rt::Status;

Model::~Model() {
  for (MercerTensor &tensor : outputTensors)
    mercer_tensor_release(context, &tensor);
  // On the CPU these are the caller's, which the context does not know.
  for (MercerTensor &tensor : inputTensors)
    mercer_tensor_release(context, &tensor);
  mercer_session_destroy(session);
  mercer_artifact_release(artifact);
  mercer_context_destroy(context);
}

Status Model::status(int32_t code) const {
  if (code == 0)
    return {};
  const MercerError *error = mercer_context_error(context);
  return {code, error->place, error->message};
}

/// Poisons what the host program is about to fill, so that an element that no
/// kernel writes is seen, and not what an earlier run left there.
void *Model::allocate(void *user, int32_t purpose, uint32_t index, size_t bytes,
                      size_t alignment) {
  auto &model = *static_cast<Model *>(user);
  void *memory = nullptr;
  if (posix_memalign(&memory, alignment, bytes) != 0)
    return nullptr;
  if (purpose == MERCER_MEMORY_OUTPUT)
    poison(model.outputValues[index].dtype, memory, bytes);
  return memory;
}

void Model::release(void *, int32_t, void *memory, size_t) { free(memory); }

Status Model::readValues(int32_t kind, uint32_t count,
                         std::vector<Value> &values) {
  for (uint32_t i = 0; i < count; ++i) {
    MercerValueInfo info{};
    info.struct_size = sizeof(info);
    if (int32_t code = mercer_value_info(context, artifact, 0, kind, i, &info))
      return status(code);
    Value value;
    value.name = info.name;
    value.dtype = info.dtype;
    value.shape.assign(info.shape, info.shape + info.ndim);
    for (int32_t d = 0; d < info.ndim; ++d)
      value.symbols.push_back(info.symbols[d] ? info.symbols[d] : "");
    values.push_back(std::move(value));
  }
  return {};
}

Status Model::createContext(MercerDevice where, uint32_t threads,
                            bool profile) {
  mercer_context_destroy(context);
  device = where;
  MercerAllocator allocator{&Model::allocate, &Model::release, this};
  MercerContextOptions options{};
  options.struct_size = sizeof(options);
  options.device = where;
  options.threads = threads;
  options.allocator = &allocator;
  options.collect_profile = profile;
  // The allocator does it on the CPU, with values that suit the type.
  if (!onHost())
    options.flags = MERCER_CONTEXT_POISON_OUTPUTS;
  return status(mercer_context_create(&options, &context));
}

/// The kind of device that an artifact was made for; the CPU's in doubt.
static int32_t targetOf(const std::string &manifest) {
  auto json = nlohmann::json::parse(manifest, nullptr, false);
  if (!json.is_object() || !json.contains("target") ||
      !json["target"].is_object())
    return MERCER_DEVICE_CPU;
  const std::string kind = json["target"].value("kind", "cpu");
  return kind == "cuda"     ? MERCER_DEVICE_CUDA
         : kind == "vulkan" ? MERCER_DEVICE_VULKAN
                            : MERCER_DEVICE_CPU;
}

Status Model::load(const std::string &path, std::optional<MercerDevice> wanted,
                   uint32_t threads, bool profile) {
  if (Status failure =
          createContext(wanted.value_or(MercerDevice{MERCER_DEVICE_CPU, 0}),
                        threads, profile);
      failure.failed())
    return failure;
  if (int32_t code =
          mercer_artifact_load(context, path.c_str(), nullptr, &artifact))
    return status(code);
  if (int32_t target = targetOf(manifest()); !wanted && target != device.type)
    if (Status failure = createContext({target, 0}, threads, profile);
        failure.failed())
      return failure;
  MercerEntryInfo info{};
  info.struct_size = sizeof(info);
  if (int32_t code = mercer_entry_info(context, artifact, 0, &info))
    return status(code);
  if (Status failure =
          readValues(MERCER_VALUE_INPUT, info.input_count, inputValues);
      failure.failed())
    return failure;
  if (Status failure =
          readValues(MERCER_VALUE_OUTPUT, info.output_count, outputValues);
      failure.failed())
    return failure;
  outputTensors.resize(outputValues.size());
  for (MercerTensor &tensor : outputTensors)
    tensor.device = device;
  if (info.state_count > 0)
    return status(mercer_session_create(context, artifact, nullptr, &session));
  return {};
}

std::string Model::manifest() {
  const char *json = nullptr;
  size_t size = 0;
  if (mercer_artifact_manifest(context, artifact, &json, &size) != 0)
    return {};
  return std::string(json, size);
}

MercerMemoryInfo Model::memory() {
  MercerMemoryInfo info{};
  info.struct_size = sizeof(info);
  // It cannot fail on a loaded artifact.
  (void)mercer_artifact_memory(context, artifact, &info);
  return info;
}

Status Model::placeInputs(std::vector<Array> &in) {
  const bool first = inputTensors.empty();
  for (size_t i = 0; i < in.size(); ++i) {
    MercerTensor tensor = in[i].tensor();
    if (onHost()) {
      if (first)
        inputTensors.push_back(tensor);
      continue;
    }
    if (!first)
      continue;
    inputTensors.push_back(tensor);
    inputTensors.back().data = nullptr;
    if (int32_t code = mercer_tensor_allocate(context, &inputTensors.back()))
      return status(code);
    if (int32_t code =
            mercer_tensor_copy(context, &inputTensors.back(), &tensor))
      return status(code);
  }
  return {};
}

/// Outputs that an earlier run has allocated; what a run allocates is poisoned
/// there.
Status Model::poisonOutputs() {
  for (MercerTensor &tensor : outputTensors) {
    if (!tensor.data)
      continue;
    int64_t count = 0, bytes = 0;
    rt::elementCount(tensor.shape, tensor.ndim, count);
    rt::byteCount(tensor.dtype, count, bytes);
    if (onHost()) {
      poison(tensor.dtype, tensor.data, bytes);
      continue;
    }
    Array array;
    array.dtype = tensor.dtype;
    array.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
    if (!array.allocate(count))
      return {Code::OutOfMemory, "outputs", "cannot poison an output"};
    poison(tensor.dtype, array.data(), array.size());
    MercerTensor from = array.tensor();
    if (int32_t code = mercer_tensor_copy(context, &tensor, &from))
      return status(code);
  }
  return {};
}

Status Model::run(std::vector<Array> &in, double &milliseconds) {
  if (Status failure = placeInputs(in); failure.failed())
    return failure;
  if (Status failure = poisonOutputs(); failure.failed())
    return failure;
  MercerRunOptions options{};
  options.struct_size = sizeof(options);
  options.session = session;
  if (session)
    if (int32_t code = mercer_session_reset(context, session))
      return status(code);
  if (int32_t code = mercer_context_synchronize(context))
    return status(code);
  using Clock = std::chrono::steady_clock;
  auto start = Clock::now();
  int32_t code = mercer_run(context, artifact, 0, &options, inputTensors.data(),
                            static_cast<uint32_t>(inputTensors.size()),
                            outputTensors.data(),
                            static_cast<uint32_t>(outputTensors.size()));
  if (!code)
    code = mercer_context_synchronize(context);
  std::chrono::duration<double, std::milli> time = Clock::now() - start;
  milliseconds = time.count();
  return status(code);
}

Status Model::results(std::vector<Array> &arrays) {
  for (const MercerTensor &tensor : outputTensors) {
    Array array;
    array.dtype = tensor.dtype;
    array.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
    int64_t count = 0;
    rt::elementCount(tensor.shape, tensor.ndim, count);
    if (!array.allocate(count))
      return {Code::OutOfMemory, "outputs", "cannot copy an output"};
    MercerTensor to = array.tensor();
    if (int32_t code = mercer_tensor_copy(context, &to, &tensor))
      return status(code);
    arrays.push_back(std::move(array));
  }
  return {};
}

Status Model::clearProfile() { return status(mercer_profile_clear(context)); }

Status Model::writeProfile(const std::string &path) {
  return status(mercer_profile_write(context, path.c_str()));
}

} // namespace mercer::run
