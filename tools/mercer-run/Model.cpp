//===- Model.cpp - an artifact with its inputs and outputs ----------------===//

#include "tools/mercer-run/Model.h"

#include "runtime/support/Dtype.h"

#include <chrono>
#include <cstring>

namespace mercer::run {

using rt::Code;
using rt::Status;

Model::~Model() {
  for (MercerTensor &tensor : outputTensors)
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

Status Model::load(const std::string &path, uint32_t threads, bool profile) {
  MercerAllocator allocator{&Model::allocate, &Model::release, this};
  MercerContextOptions options{};
  options.struct_size = sizeof(options);
  options.threads = threads;
  options.allocator = &allocator;
  options.collect_profile = profile;
  if (int32_t code = mercer_context_create(&options, &context))
    return {code, "context", mercer_error_summary(code)};
  if (int32_t code =
          mercer_artifact_load(context, path.c_str(), nullptr, &artifact))
    return status(code);
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

Status Model::run(std::vector<Array> &in, double &milliseconds) {
  std::vector<MercerTensor> tensors;
  for (Array &array : in)
    tensors.push_back(array.tensor());
  for (size_t i = 0; i < outputTensors.size(); ++i) {
    MercerTensor &tensor = outputTensors[i];
    if (!tensor.data)
      continue;
    int64_t count = 0, bytes = 0;
    rt::elementCount(tensor.shape, tensor.ndim, count);
    rt::byteCount(tensor.dtype, count, bytes);
    poison(tensor.dtype, tensor.data, bytes);
  }
  MercerRunOptions options{};
  options.struct_size = sizeof(options);
  options.session = session;
  if (session)
    if (int32_t code = mercer_session_reset(context, session))
      return status(code);
  using Clock = std::chrono::steady_clock;
  auto start = Clock::now();
  int32_t code =
      mercer_run(context, artifact, 0, &options, tensors.data(),
                 static_cast<uint32_t>(tensors.size()), outputTensors.data(),
                 static_cast<uint32_t>(outputTensors.size()));
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
    memcpy(array.data(), tensor.data, array.size());
    arrays.push_back(std::move(array));
  }
  return {};
}

Status Model::clearProfile() { return status(mercer_profile_clear(context)); }

Status Model::writeProfile(const std::string &path) {
  return status(mercer_profile_write(context, path.c_str()));
}

} // namespace mercer::run
