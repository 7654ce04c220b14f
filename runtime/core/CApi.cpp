//===- CApi.cpp - mercer.h ------------------------------------------------===//
//
// Translates between the C interface and the runtime: sizes of structures,
// null pointers, one call at a time on a context, and no exception outside.
//
//===----------------------------------------------------------------------===//

#include "mercer/mercer.h"

#include "runtime/core/Run.h"
#include "runtime/support/Dtype.h"

#include <cstring>
#include <new>

using namespace mercer::rt;

struct MercerContext {
  MercerContext(const MercerContextOptions &options, Memory memory,
                std::shared_ptr<Device> device)
      : impl(options, memory, std::move(device)) {}
  Context impl;
};
struct MercerArtifact {
  std::shared_ptr<const Artifact> impl;
};
struct MercerSession {
  MercerSession(std::shared_ptr<const Artifact> artifact,
                std::shared_ptr<Device> device, int64_t capacity)
      : impl(std::move(artifact), std::move(device), capacity) {}
  Session impl;
};
struct MercerGraph {
  std::shared_ptr<Device> device;
  std::shared_ptr<const Artifact> artifact;
  std::unique_ptr<DeviceGraph> impl;
};

/// Copies an options structure of any version: members that the caller does
/// not know are zero, members that this library does not know must be.
template <typename Options>
static Status readOptions(const Options *given, const char *name,
                          Options &options) {
  options = Options();
  if (!given)
    return {};
  const size_t size = given->struct_size;
  auto refuse = [&](const char *what) {
    return Status(Code::StructVersion, name,
                  format("%s; struct_size is %zu, expects %zu", what, size,
                         sizeof(Options)));
  };
  // No version of these structures is larger than a page.
  if (size < sizeof(options.struct_size) || size > 4096)
    return refuse("struct_size is not set");
  const char *bytes = reinterpret_cast<const char *>(given);
  for (size_t i = sizeof(Options); i < size; ++i)
    if (bytes[i] != 0)
      return refuse("a member that this library does not know is set");
  memcpy(&options, given, std::min(size, sizeof(Options)));
  return {};
}

/// The other way round: writes as much as the caller has room for.
template <typename Info>
static Status writeInfo(const Info &info, const char *name, Info *result) {
  if (!result || result->struct_size < sizeof(result->struct_size))
    return {Code::StructVersion, name,
            "expects a structure with struct_size set"};
  size_t size = std::min<size_t>(result->struct_size, sizeof(Info));
  const uint32_t known = result->struct_size;
  memcpy(result, &info, size);
  result->struct_size = known;
  return {};
}

template <typename Body> static Status guarded(const char *call, Body body) {
  try {
    return body();
  } catch (const std::bad_alloc &) {
    return {Code::OutOfMemory, {}, {}};
  } catch (const std::exception &error) {
    return {Code::RuntimeInternal, call, error.what()};
  }
}

namespace {
/// Marks a context or session as in use.
class Claim {
public:
  explicit Claim(std::atomic_flag &flag)
      : flag(flag), taken(!flag.test_and_set(std::memory_order_acquire)) {}
  ~Claim() {
    if (taken)
      flag.clear(std::memory_order_release);
  }
  explicit operator bool() const { return taken; }

private:
  std::atomic_flag &flag;
  bool taken;
};
} // namespace

/// Runs one call on a context and records how it ended.
template <typename Body>
static int32_t call(MercerContext *handle, const char *name, Body body) {
  if (!handle)
    return static_cast<int32_t>(Code::InvalidArgument);
  Context &context = handle->impl;
  Claim claim(context.busy);
  // Another thread is inside: its record must not be touched.
  if (!claim)
    return static_cast<int32_t>(Code::ContextBusy);
  context.last = guarded(name, [&] { return body(context); });
  return context.last.number();
}

static Status nullArgument(const char *call, const char *what) {
  return {Code::InvalidArgument, call, format("%s is null", what)};
}

static Status checkEntry(const MercerArtifact *artifact, uint32_t entry,
                         const char *name) {
  if (!artifact)
    return nullArgument(name, "artifact");
  size_t count = artifact->impl->manifest().entries.size();
  if (entry >= count)
    return {Code::InvalidArgument, name,
            format("expects an entry below %zu, got %u", count, entry)};
  return {};
}

//===----------------------------------------------------------------------===//
// Types, errors, version
//===----------------------------------------------------------------------===//

const char *mercer_dtype_name(MercerDataType dtype) { return dtypeName(dtype); }

int32_t mercer_dtype_parse(const char *name, MercerDataType *dtype) {
  if (name && dtype && parseDtype(name, *dtype))
    return 0;
  return static_cast<int32_t>(Code::InvalidArgument);
}

const char *mercer_error_name(int32_t code) { return codeName(code); }
const char *mercer_error_summary(int32_t code) { return codeSummary(code); }
const char *mercer_version(void) { return versionString(); }

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

int32_t mercer_device_count(int32_t type, int32_t *count) {
  if (!count)
    return static_cast<int32_t>(Code::InvalidArgument);
  *count = 0;
  std::vector<std::string> names;
  Status status =
      guarded("mercer_device_count", [&] { return listDevices(type, names); });
  *count = static_cast<int32_t>(names.size());
  return status.number();
}

int32_t mercer_device_name(MercerDevice device, char *name, size_t size) {
  if (!name || size == 0)
    return static_cast<int32_t>(Code::InvalidArgument);
  *name = 0;
  std::vector<std::string> names;
  Status status = guarded("mercer_device_name",
                          [&] { return listDevices(device.type, names); });
  if (status.failed())
    return status.number();
  if (device.id < 0 || static_cast<size_t>(device.id) >= names.size())
    return static_cast<int32_t>(Code::DeviceMissing);
  const std::string &text = names[device.id];
  const size_t length = std::min(text.size(), size - 1);
  memcpy(name, text.data(), length);
  name[length] = 0;
  return 0;
}

//===----------------------------------------------------------------------===//
// Context
//===----------------------------------------------------------------------===//

/// Bits of MercerContextOptions::flags that mean something.
constexpr uint32_t knownFlags =
    MERCER_CONTEXT_VALIDATE | MERCER_CONTEXT_POISON_OUTPUTS;

static Status createContext(const MercerContextOptions *given,
                            std::unique_ptr<MercerContext> &result) {
  MercerContextOptions options;
  if (Status status = readOptions(given, "MercerContextOptions", options);
      status.failed())
    return status;
  if (options.device.type == 0 && options.device.id == 0)
    options.device.type = MERCER_DEVICE_CPU;
  if (options.allocator &&
      (!options.allocator->allocate || !options.allocator->release))
    return nullArgument("mercer_context_create", "a function of the allocator");
  const MercerThreadPool *external = options.thread_pool;
  if (external && (!external->run || external->threads == 0))
    return nullArgument("mercer_context_create", "the thread pool");
  if (options.flags & ~knownFlags)
    return {Code::StructVersion, "MercerContextOptions",
            format("flags has unknown bits: 0x%x", options.flags)};
  Memory memory(options.allocator);
  std::shared_ptr<Device> device;
  if (Status status = createDevice(options, memory, device); status.failed())
    return status;
  result = std::make_unique<MercerContext>(options, memory, std::move(device));
  return {};
}

/// Why the latest context could not be made: there is none to ask.
static thread_local Status creation;

int32_t mercer_context_create(const MercerContextOptions *options,
                              MercerContext **context) {
  if (!context)
    return static_cast<int32_t>(Code::InvalidArgument);
  *context = nullptr;
  std::unique_ptr<MercerContext> created;
  Status status = guarded("mercer_context_create",
                          [&] { return createContext(options, created); });
  *context = created.release();
  const int32_t code = status.number();
  if (code)
    creation = std::move(status);
  return code;
}

void mercer_context_destroy(MercerContext *context) { delete context; }

/// A view of `status`, whose strings live as long as it.
static MercerError viewOf(const Status &status) {
  const char *name = codeName(status.number());
  const char *message = status.message().c_str();
  if (!*message && codeSummary(status.number()))
    message = codeSummary(status.number());
  return {status.number(), name ? name : "", message, status.place().c_str()};
}

const MercerError *mercer_context_error(const MercerContext *context) {
  if (!context) {
    static thread_local MercerError view;
    static const MercerError none{static_cast<int32_t>(Code::InvalidArgument),
                                  "InvalidArgument", "the context is null",
                                  "mercer_context_error"};
    if (!creation.failed())
      return &none;
    view = viewOf(creation);
    return &view;
  }
  // A cache of strings that `last` owns; the handle stays logically const.
  auto &impl = const_cast<Context &>(context->impl);
  impl.lastView = viewOf(impl.last);
  return &impl.lastView;
}

int32_t mercer_context_synchronize(MercerContext *context) {
  return call(context, "mercer_context_synchronize",
              [](Context &impl) { return impl.device->synchronize(); });
}

int32_t mercer_profile_write(MercerContext *context, const char *path) {
  return call(context, "mercer_profile_write", [&](Context &impl) -> Status {
    if (!path)
      return nullArgument("mercer_profile_write", "path");
    std::string json = impl.profile.toJson();
    Status status = writeFile(path, {json});
    if (!status.failed())
      impl.profile.clear();
    return status;
  });
}

int32_t mercer_profile_clear(MercerContext *context) {
  return call(context, "mercer_profile_clear", [](Context &impl) -> Status {
    impl.profile.clear();
    return {};
  });
}

//===----------------------------------------------------------------------===//
// Artifacts
//===----------------------------------------------------------------------===//

int32_t mercer_artifact_load(MercerContext *context, const char *path,
                             const MercerLoadOptions *given,
                             MercerArtifact **artifact) {
  return call(context, "mercer_artifact_load", [&](Context &) -> Status {
    if (!path || !artifact)
      return nullArgument("mercer_artifact_load", path ? "artifact" : "path");
    *artifact = nullptr;
    MercerLoadOptions options;
    if (Status status = readOptions(given, "MercerLoadOptions", options);
        status.failed())
      return status;
    auto result = std::make_unique<MercerArtifact>();
    LoadOptions load;
    load.verifyConstants = options.verify_constants != 0;
    load.anyCompiler = options.any_compiler != 0;
    Status status = Artifact::load(path, load, result->impl);
    if (!status.failed())
      *artifact = result.release();
    return status;
  });
}

void mercer_artifact_release(MercerArtifact *artifact) { delete artifact; }

int32_t mercer_artifact_manifest(MercerContext *context,
                                 const MercerArtifact *artifact,
                                 const char **json, size_t *size) {
  return call(context, "mercer_artifact_manifest", [&](Context &) -> Status {
    if (!artifact || !json)
      return nullArgument("mercer_artifact_manifest",
                          artifact ? "json" : "artifact");
    *json = artifact->impl->manifestText().c_str();
    if (size)
      *size = artifact->impl->manifestText().size();
    return {};
  });
}

int32_t mercer_artifact_memory(MercerContext *context,
                               const MercerArtifact *artifact,
                               MercerMemoryInfo *info) {
  return call(context, "mercer_artifact_memory", [&](Context &) -> Status {
    if (!artifact)
      return nullArgument("mercer_artifact_memory", "artifact");
    const MercerFooter &footer = artifact->impl->footer();
    MercerMemoryInfo memory{0, footer.elf_size, footer.constants_size};
    return writeInfo(memory, "MercerMemoryInfo", info);
  });
}

int32_t mercer_artifact_entry_count(MercerContext *context,
                                    const MercerArtifact *artifact,
                                    uint32_t *count) {
  return call(context, "mercer_artifact_entry_count", [&](Context &) -> Status {
    if (!artifact || !count)
      return nullArgument("mercer_artifact_entry_count",
                          artifact ? "count" : "artifact");
    *count = static_cast<uint32_t>(artifact->impl->manifest().entries.size());
    return {};
  });
}

int32_t mercer_artifact_find_entry(MercerContext *context,
                                   const MercerArtifact *artifact,
                                   const char *name, uint32_t *entry) {
  return call(context, "mercer_artifact_find_entry", [&](Context &) -> Status {
    if (!artifact || !name || !entry)
      return nullArgument("mercer_artifact_find_entry", "an argument");
    const auto &entries = artifact->impl->manifest().entries;
    for (uint32_t i = 0; i < entries.size(); ++i)
      if (entries[i].name == name) {
        *entry = i;
        return {};
      }
    return {Code::UnknownName, artifact->impl->path(),
            format("no entry point is named '%s'", name)};
  });
}

int32_t mercer_entry_info(MercerContext *context,
                          const MercerArtifact *artifact, uint32_t entry,
                          MercerEntryInfo *info) {
  return call(context, "mercer_entry_info", [&](Context &) -> Status {
    if (Status status = checkEntry(artifact, entry, "mercer_entry_info");
        status.failed())
      return status;
    const EntryDesc &desc = artifact->impl->entry(entry);
    MercerEntryInfo result{0, desc.name.c_str(),
                           static_cast<uint32_t>(desc.inputs.size()),
                           static_cast<uint32_t>(desc.outputs.size()),
                           static_cast<uint32_t>(desc.states.size())};
    return writeInfo(result, "MercerEntryInfo", info);
  });
}

int32_t mercer_value_info(MercerContext *context,
                          const MercerArtifact *artifact, uint32_t entry,
                          int32_t kind, uint32_t index, MercerValueInfo *info) {
  return call(context, "mercer_value_info", [&](Context &) -> Status {
    if (Status status = checkEntry(artifact, entry, "mercer_value_info");
        status.failed())
      return status;
    const EntryDesc &desc = artifact->impl->entry(entry);
    const std::vector<ValueDesc> *values =
        kind == MERCER_VALUE_INPUT    ? &desc.inputs
        : kind == MERCER_VALUE_OUTPUT ? &desc.outputs
        : kind == MERCER_VALUE_STATE  ? &desc.states
                                      : nullptr;
    if (!values || index >= values->size())
      return {Code::InvalidArgument, "mercer_value_info",
              format("no value of kind %d has the index %u", kind, index)};
    const ValueDesc &value = (*values)[index];
    MercerValueInfo result{0,
                           value.name.c_str(),
                           value.dtype,
                           static_cast<int32_t>(value.rank()),
                           value.shape.data(),
                           value.symbols.data(),
                           value.axis};
    return writeInfo(result, "MercerValueInfo", info);
  });
}

//===----------------------------------------------------------------------===//
// Sessions
//===----------------------------------------------------------------------===//

/// A call that also needs a session for itself alone.
template <typename Body>
static int32_t callOnSession(MercerContext *context, MercerSession *session,
                             const char *name, Body body) {
  return call(context, name, [&](Context &) -> Status {
    if (!session)
      return nullArgument(name, "session");
    Claim claim(session->impl.busy);
    if (!claim)
      return {Code::ContextBusy, name, "the session is used by another thread"};
    return body(session->impl);
  });
}

static Status checkState(const Session &session, uint32_t index,
                         const char *name) {
  if (index < session.states.size())
    return {};
  return {Code::InvalidArgument, name,
          format("expects a state below %zu, got %u", session.states.size(),
                 index)};
}

int32_t mercer_session_create(MercerContext *context, MercerArtifact *artifact,
                              const MercerSessionOptions *given,
                              MercerSession **session) {
  return call(context, "mercer_session_create", [&](Context &impl) -> Status {
    if (!artifact || !session)
      return nullArgument("mercer_session_create",
                          artifact ? "session" : "artifact");
    *session = nullptr;
    MercerSessionOptions options;
    if (Status status = readOptions(given, "MercerSessionOptions", options);
        status.failed())
      return status;
    if (options.capacity < 0)
      return {Code::InvalidArgument, "mercer_session_create",
              "the capacity is negative"};
    *session = new MercerSession(artifact->impl, impl.device, options.capacity);
    return {};
  });
}

void mercer_session_destroy(MercerSession *session) { delete session; }

int32_t mercer_session_reset(MercerContext *context, MercerSession *session) {
  return callOnSession(context, session, "mercer_session_reset",
                       [&](Session &impl) -> Status {
                         impl.reset();
                         return {};
                       });
}

int32_t mercer_session_state(MercerContext *context, MercerSession *session,
                             uint32_t index, MercerTensor *view,
                             int64_t *length) {
  static constexpr char name[] = "mercer_session_state";
  return callOnSession(context, session, name, [&](Session &impl) -> Status {
    if (Status status = checkState(impl, index, name); status.failed())
      return status;
    Session::State &state = impl.states[index];
    const ValueDesc &value = impl.artifact->entry(0).states[index];
    if (view)
      *view = {state.data,
               impl.device->id(),
               static_cast<int32_t>(state.dims.size()),
               value.dtype,
               state.dims.data(),
               nullptr,
               0};
    if (length)
      *length = state.length;
    return {};
  });
}

int32_t mercer_session_set_length(MercerContext *context,
                                  MercerSession *session, uint32_t index,
                                  int64_t length) {
  static constexpr char name[] = "mercer_session_set_length";
  return callOnSession(context, session, name, [&](Session &impl) -> Status {
    if (Status status = checkState(impl, index, name); status.failed())
      return status;
    Session::State &state = impl.states[index];
    const ValueDesc &value = impl.artifact->entry(0).states[index];
    if (!state.data || value.axis < 0)
      return {Code::InvalidArgument, name,
              "the state '" + value.name +
                  "' has no buffer yet or no growing dimension"};
    if (length < 0 || length > state.dims[value.axis])
      return {Code::StateFull, "state '" + value.name + "'",
              format("expects a length from 0 to %lld, got %lld",
                     static_cast<long long>(state.dims[value.axis]),
                     static_cast<long long>(length))};
    state.length = length;
    return {};
  });
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

int32_t mercer_infer_shapes(MercerContext *context,
                            const MercerArtifact *artifact, uint32_t entry,
                            const MercerTensor *inputs, uint32_t inputCount,
                            MercerTensor *outputs, uint32_t outputCount) {
  return call(context, "mercer_infer_shapes", [&](Context &impl) -> Status {
    if (Status status = checkEntry(artifact, entry, "mercer_infer_shapes");
        status.failed())
      return status;
    return inferShapes({impl, artifact->impl, entry, nullptr, inputs,
                        inputCount, outputs, outputCount});
  });
}

/// Options and session of a run, then `body` with the request.
template <typename Body>
static int32_t callWithRequest(MercerContext *context, const char *name,
                               const MercerArtifact *artifact, uint32_t entry,
                               const MercerRunOptions *given,
                               const MercerTensor *inputs, uint32_t inputCount,
                               MercerTensor *outputs, uint32_t outputCount,
                               Body body) {
  return call(context, name, [&](Context &impl) -> Status {
    if (Status status = checkEntry(artifact, entry, name); status.failed())
      return status;
    MercerRunOptions options;
    if (Status status = readOptions(given, "MercerRunOptions", options);
        status.failed())
      return status;
    RunRequest request{impl,   artifact->impl, entry,   nullptr,
                       inputs, inputCount,     outputs, outputCount};
    if (!options.session)
      return body(request);
    Claim claim(options.session->impl.busy);
    if (!claim)
      return {Code::ContextBusy, name, "the session is used by another thread"};
    request.session = &options.session->impl;
    return body(request);
  });
}

int32_t mercer_run(MercerContext *context, const MercerArtifact *artifact,
                   uint32_t entry, const MercerRunOptions *given,
                   const MercerTensor *inputs, uint32_t inputCount,
                   MercerTensor *outputs, uint32_t outputCount) {
  return callWithRequest(context, "mercer_run", artifact, entry, given, inputs,
                         inputCount, outputs, outputCount, runEntry);
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

static Status capture(const RunRequest &request,
                      std::unique_ptr<MercerGraph> &result) {
  const EntryDesc &entry = request.artifact->entry(request.entry);
  for (const ValueDesc &state : entry.states)
    if (state.axis >= 0)
      return {Code::CaptureRefused, "state '" + state.name + "'",
              "the length of a growing state would be the same in every launch "
              "of the graph"};
  for (uint32_t i = 0; request.outputs && i < request.outputCount; ++i)
    if (!request.outputs[i].data)
      return {Code::CaptureRefused, "mercer_graph_capture",
              format("output %u has no buffer", i)};
  Device &device = *request.context.device;
  // Checks everything, and brings memory, code and constants to their places.
  if (Status status = runEntry(request); status.failed())
    return status;
  if (Status status = device.beginCapture(); status.failed())
    return status;
  auto graph = std::make_unique<MercerGraph>();
  Status status = runEntry(request);
  Status ended = device.endCapture(graph->impl);
  if (status.failed() || ended.failed())
    return status.failed() ? status : ended;
  graph->device = request.context.device;
  graph->artifact = request.artifact;
  result = std::move(graph);
  return {};
}

int32_t mercer_graph_capture(MercerContext *context,
                             const MercerArtifact *artifact, uint32_t entry,
                             const MercerRunOptions *given,
                             const MercerTensor *inputs, uint32_t inputCount,
                             MercerTensor *outputs, uint32_t outputCount,
                             MercerGraph **graph) {
  if (!graph)
    return static_cast<int32_t>(Code::InvalidArgument);
  *graph = nullptr;
  std::unique_ptr<MercerGraph> result;
  int32_t code = callWithRequest(
      context, "mercer_graph_capture", artifact, entry, given, inputs,
      inputCount, outputs, outputCount,
      [&](const RunRequest &request) { return capture(request, result); });
  *graph = result.release();
  return code;
}

int32_t mercer_graph_launch(MercerContext *context, MercerGraph *graph) {
  static constexpr char name[] = "mercer_graph_launch";
  return call(context, name, [&](Context &impl) -> Status {
    if (!graph)
      return nullArgument(name, "graph");
    if (graph->device != impl.device)
      return {Code::InvalidArgument, name,
              "the graph was captured on another context"};
    return impl.device->launchGraph(*graph->impl);
  });
}

void mercer_graph_destroy(MercerGraph *graph) { delete graph; }

/// Bytes of a tensor with valid dtype and shape.
static Status bytesOf(const MercerTensor &tensor, const char *name,
                      int64_t &bytes) {
  int64_t count;
  if (tensor.ndim < 0 || (tensor.ndim > 0 && !tensor.shape))
    return {Code::InvalidArgument, name, "the tensor has no shape"};
  if (!dtypeName(tensor.dtype))
    return {Code::InvalidArgument, name, "the element type is not known"};
  if (!elementCount(tensor.shape, tensor.ndim, count) ||
      !byteCount(tensor.dtype, count, bytes))
    return {Code::SizeOverflow, name,
            "the shape " + formatShape(tensor.shape, tensor.ndim) +
                " is not valid"};
  return {};
}

int32_t mercer_tensor_allocate(MercerContext *context, MercerTensor *tensor) {
  static constexpr char name[] = "mercer_tensor_allocate";
  return call(context, name, [&](Context &impl) -> Status {
    if (!tensor)
      return nullArgument(name, "tensor");
    int64_t bytes;
    if (Status status = bytesOf(*tensor, name, bytes); status.failed())
      return status;
    void *data = nullptr;
    int64_t *shape = nullptr;
    if (Status status = impl.allocateTensor(!impl.device->isHost(), 0, bytes,
                                            /*rank=*/0, name, data, shape);
        status.failed())
      return status;
    tensor->data = data;
    tensor->device = impl.device->id();
    tensor->strides = nullptr;
    tensor->byte_offset = 0;
    return {};
  });
}

int32_t mercer_tensor_copy(MercerContext *context, const MercerTensor *to,
                           const MercerTensor *from) {
  static constexpr char name[] = "mercer_tensor_copy";
  return call(context, name, [&](Context &impl) -> Status {
    if (!to || !from)
      return nullArgument(name, to ? "from" : "to");
    int64_t bytes, size;
    if (Status status = bytesOf(*to, name, bytes); status.failed())
      return status;
    if (Status status = bytesOf(*from, name, size); status.failed())
      return status;
    if (!sameDtype(to->dtype, from->dtype) || to->ndim != from->ndim ||
        !std::equal(to->shape, to->shape + to->ndim, from->shape))
      return {Code::InvalidArgument, name,
              "expects two tensors of one element type and shape"};
    if (!isContiguous(*to) || !isContiguous(*from))
      return {Code::InvalidArgument, name, "expects tensors without gaps"};
    Device &device = *impl.device;
    if (!isReachable(*to, device.id()) || !isReachable(*from, device.id()))
      return {Code::InvalidArgument, name,
              "a tensor is on another device than the context"};
    if (bytes == 0)
      return {};
    if (!to->data || !from->data)
      return nullArgument(name, to->data ? "from->data" : "to->data");
    char *target = tensorData(*to);
    const char *source = tensorData(*from);
    if (to->device.type == from->device.type && target < source + bytes &&
        source < target + bytes)
      return {Code::BuffersOverlap, name, "the tensors overlap"};
    if (to->device.type != MERCER_DEVICE_CPU)
      return from->device.type != MERCER_DEVICE_CPU
                 ? device.copy(target, source, bytes)
                 : device.upload(target, source, bytes);
    if (from->device.type != MERCER_DEVICE_CPU)
      return device.download(target, source, bytes);
    memcpy(target, source, bytes);
    return {};
  });
}

void mercer_tensor_release(MercerContext *context, MercerTensor *tensor) {
  if (!context || !tensor || !tensor->data)
    return;
  context->impl.releaseTensor(tensor->data);
  tensor->data = nullptr;
}
