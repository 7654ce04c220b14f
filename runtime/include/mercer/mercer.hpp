//===- mercer.hpp - mercer.h for C++ ----------------------------*- C++ -*-===//
//
// Owners and values over the C interface, header only, C++17. Errors are
// values here too: a Result holds what was asked for or an Error. Nothing
// throws but std::bad_alloc of the standard containers.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_MERCER_HPP
#define MERCER_MERCER_HPP

#include "mercer/mercer.h"

#include <cassert>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace mercer {

struct Error {
  int32_t code = 0;
  std::string name, message, place;

  /// "[E4104] expects size 4 in dimension 1, got 5 (input 'x')"
  std::string text() const {
    std::string result = "[E" + std::to_string(code) + "] " + message;
    return place.empty() ? result : result + " (" + place + ")";
  }
};

/// A value or an error; look before you take.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : state(std::move(value)) {}
  Result(Error error) : state(std::move(error)) {}

  explicit operator bool() const { return state.index() == 0; }
  T &operator*() { return value(); }
  T *operator->() { return &value(); }
  T &value() {
    assert(*this && "a failed result has no value");
    return *std::get_if<0>(&state);
  }
  const Error &error() const {
    assert(!*this && "a good result has no error");
    return *std::get_if<1>(&state);
  }

private:
  std::variant<T, Error> state;
};

/// A result without a value.
using Done = std::monostate;

template <typename T> struct ElementType;
#define MERCER_ELEMENT(type, code, bits)                                       \
  template <> struct ElementType<type> {                                       \
    static constexpr MercerDataType value{code, bits, 1};                      \
  };
MERCER_ELEMENT(float, MERCER_FLOAT, 32)
MERCER_ELEMENT(double, MERCER_FLOAT, 64)
MERCER_ELEMENT(int8_t, MERCER_INT, 8)
MERCER_ELEMENT(int16_t, MERCER_INT, 16)
MERCER_ELEMENT(int32_t, MERCER_INT, 32)
MERCER_ELEMENT(int64_t, MERCER_INT, 64)
MERCER_ELEMENT(uint8_t, MERCER_UINT, 8)
MERCER_ELEMENT(uint16_t, MERCER_UINT, 16)
MERCER_ELEMENT(uint32_t, MERCER_UINT, 32)
MERCER_ELEMENT(uint64_t, MERCER_UINT, 64)
MERCER_ELEMENT(bool, MERCER_BOOL, 8)
#undef MERCER_ELEMENT

/// A tensor of somebody else's memory, row-major unless strides are given.
class TensorView {
public:
  TensorView(void *data, MercerDataType dtype, std::vector<int64_t> shape,
             std::vector<int64_t> strides = {})
      : data(data), dtype(dtype), dims(std::move(shape)),
        steps(std::move(strides)) {}
  template <typename T>
  TensorView(T *data, std::vector<int64_t> shape,
             std::vector<int64_t> strides = {})
      : TensorView(const_cast<std::remove_const_t<T> *>(data),
                   ElementType<std::remove_const_t<T>>::value, std::move(shape),
                   std::move(strides)) {}

  /// The same memory address, but of a device.
  TensorView on(MercerDevice where) && {
    device = where;
    return std::move(*this);
  }

  const std::vector<int64_t> &shape() const { return dims; }
  /// Valid as long as this view is not changed or moved.
  MercerTensor tensor() {
    return {data,  device,      static_cast<int32_t>(dims.size()),
            dtype, dims.data(), steps.empty() ? nullptr : steps.data(),
            0};
  }

private:
  void *data;
  MercerDevice device{MERCER_DEVICE_CPU, 0};
  MercerDataType dtype;
  std::vector<int64_t> dims, steps;
};

/// Names of the devices of a type (MercerDeviceType), best first.
inline std::vector<std::string> deviceNames(int32_t type) {
  int32_t count = 0;
  std::vector<std::string> names;
  if (mercer_device_count(type, &count) != 0)
    return names;
  for (int32_t id = 0; id < count; ++id) {
    char name[256];
    if (mercer_device_name({type, id}, name, sizeof(name)) == 0)
      names.push_back(name);
  }
  return names;
}

/// An input, output or state as the artifact declares it.
struct ValueInfo {
  std::string name;
  MercerDataType dtype{};
  std::vector<int64_t> shape;       ///< -1 where not fixed
  std::vector<std::string> symbols; ///< empty where fixed
  int32_t axis = -1;                ///< growing dimension of a state
};

class Context;

/// What mercer_run allocated: released with this object, which must not
/// outlive its context.
class Outputs {
public:
  Outputs(MercerContext *context, std::vector<MercerTensor> tensors)
      : context(context), tensors(std::move(tensors)) {}
  Outputs(Outputs &&other) noexcept
      : context(other.context), tensors(std::exchange(other.tensors, {})) {}
  Outputs &operator=(Outputs &&other) noexcept {
    std::swap(context, other.context);
    std::swap(tensors, other.tensors);
    return *this;
  }
  ~Outputs() {
    for (MercerTensor &tensor : tensors)
      mercer_tensor_release(context, &tensor);
  }

  size_t size() const { return tensors.size(); }
  const MercerTensor &operator[](size_t i) const { return tensors[i]; }
  std::vector<int64_t> shape(size_t i) const {
    return {tensors[i].shape, tensors[i].shape + tensors[i].ndim};
  }
  /// The same as a view, to give it to another run or copy.
  TensorView view(size_t i) const {
    return TensorView(tensors[i].data, tensors[i].dtype, shape(i))
        .on(tensors[i].device);
  }
  /// Of an output in host memory.
  template <typename T> const T *data(size_t i) const {
    assert(tensors[i].device.type == MERCER_DEVICE_CPU &&
           "the output is on a device");
    assert(tensors[i].dtype.code == ElementType<T>::value.code &&
           tensors[i].dtype.bits == ElementType<T>::value.bits &&
           "the output has another element type");
    return static_cast<const T *>(tensors[i].data);
  }

private:
  MercerContext *context;
  std::vector<MercerTensor> tensors;
};

/// Memory of a context's device: released with this object, which must not
/// outlive its context.
class DeviceTensor {
public:
  DeviceTensor(DeviceTensor &&other) noexcept
      : context(other.context), tensor(std::exchange(other.tensor, {})),
        dims(std::move(other.dims)) {}
  DeviceTensor &operator=(DeviceTensor &&other) noexcept {
    std::swap(context, other.context);
    std::swap(tensor, other.tensor);
    std::swap(dims, other.dims);
    return *this;
  }
  ~DeviceTensor() { mercer_tensor_release(context, &tensor); }
  TensorView view() const {
    return TensorView(tensor.data, tensor.dtype, dims).on(tensor.device);
  }

private:
  friend class Context;
  DeviceTensor(MercerContext *context, MercerDataType dtype,
               std::vector<int64_t> shape)
      : context(context), dims(std::move(shape)) {
    tensor.dtype = dtype;
    tensor.ndim = static_cast<int32_t>(dims.size());
    tensor.shape = dims.data();
  }
  MercerContext *context;
  MercerTensor tensor{};
  std::vector<int64_t> dims;
};

namespace detail {
struct Destroy {
  void operator()(MercerContext *p) const { mercer_context_destroy(p); }
  void operator()(MercerArtifact *p) const { mercer_artifact_release(p); }
  void operator()(MercerSession *p) const { mercer_session_destroy(p); }
};
template <typename T> using Handle = std::unique_ptr<T, Destroy>;

inline Error errorOf(int32_t code, MercerContext *context) {
  const MercerError *last = mercer_context_error(context);
  // A call that never got into the context has left no record there.
  if (last->code != code) {
    const char *name = mercer_error_name(code);
    const char *summary = mercer_error_summary(code);
    return {code, name ? name : "", summary ? summary : "", ""};
  }
  return {code, last->name, last->message, last->place};
}
} // namespace detail

class Artifact {
public:
  MercerArtifact *get() const { return handle.get(); }

private:
  friend class Context;
  explicit Artifact(MercerArtifact *artifact) : handle(artifact) {}
  detail::Handle<MercerArtifact> handle;
};

class Session {
public:
  MercerSession *get() const { return handle.get(); }

private:
  friend class Context;
  explicit Session(MercerSession *session) : handle(session) {}
  detail::Handle<MercerSession> handle;
};

/// One per thread that runs.
class Context {
public:
  static Result<Context> create(MercerContextOptions options = {}) {
    options.struct_size = sizeof(options);
    MercerContext *context = nullptr;
    if (int32_t code = mercer_context_create(&options, &context))
      return detail::errorOf(code, nullptr);
    if (options.device.type == 0)
      options.device.type = MERCER_DEVICE_CPU;
    return Context(context, options.device);
  }
  MercerContext *get() const { return handle.get(); }

  Result<Artifact> load(const std::string &path,
                        MercerLoadOptions options = {}) {
    options.struct_size = sizeof(options);
    MercerArtifact *artifact = nullptr;
    if (int32_t code =
            mercer_artifact_load(get(), path.c_str(), &options, &artifact))
      return detail::errorOf(code, get());
    return Artifact(artifact);
  }

  Result<uint32_t> findEntry(const Artifact &artifact,
                             const std::string &name) {
    uint32_t entry = 0;
    if (int32_t code = mercer_artifact_find_entry(get(), artifact.get(),
                                                  name.c_str(), &entry))
      return detail::errorOf(code, get());
    return entry;
  }

  /// All inputs, outputs or states (MercerValueKind) of an entry point.
  Result<std::vector<ValueInfo>>
  values(const Artifact &artifact, MercerValueKind kind, uint32_t entry = 0) {
    MercerEntryInfo counts{};
    counts.struct_size = sizeof(counts);
    if (int32_t code = mercer_entry_info(get(), artifact.get(), entry, &counts))
      return detail::errorOf(code, get());
    uint32_t count = kind == MERCER_VALUE_INPUT    ? counts.input_count
                     : kind == MERCER_VALUE_OUTPUT ? counts.output_count
                                                   : counts.state_count;
    std::vector<ValueInfo> result;
    for (uint32_t i = 0; i < count; ++i) {
      MercerValueInfo info{};
      info.struct_size = sizeof(info);
      if (int32_t code =
              mercer_value_info(get(), artifact.get(), entry, kind, i, &info))
        return detail::errorOf(code, get());
      ValueInfo value;
      value.name = info.name;
      value.dtype = info.dtype;
      value.shape.assign(info.shape, info.shape + info.ndim);
      for (int32_t d = 0; d < info.ndim; ++d)
        value.symbols.push_back(info.symbols[d] ? info.symbols[d] : "");
      value.axis = info.axis;
      result.push_back(std::move(value));
    }
    return result;
  }

  Result<Session> createSession(const Artifact &artifact,
                                int64_t capacity = 0) {
    MercerSessionOptions options{};
    options.struct_size = sizeof(options);
    options.capacity = capacity;
    MercerSession *session = nullptr;
    if (int32_t code =
            mercer_session_create(get(), artifact.get(), &options, &session))
      return detail::errorOf(code, get());
    return Session(session);
  }

  /// Runs an entry point; the context allocates the outputs in host memory.
  Result<Outputs> run(const Artifact &artifact, std::vector<TensorView> inputs,
                      Session *session = nullptr, uint32_t entry = 0) {
    return run(artifact, std::move(inputs), {MERCER_DEVICE_CPU, 0}, session,
               entry);
  }

  /// The same with outputs on the context's device; does not wait for it.
  Result<Outputs> runOnDevice(const Artifact &artifact,
                              std::vector<TensorView> inputs,
                              Session *session = nullptr, uint32_t entry = 0) {
    return run(artifact, std::move(inputs), where, session, entry);
  }

  /// Runs an entry point into buffers of the caller.
  Result<Done> runInto(const Artifact &artifact, std::vector<TensorView> inputs,
                       std::vector<TensorView> outputs,
                       Session *session = nullptr, uint32_t entry = 0) {
    std::vector<MercerTensor> tensors;
    tensors.reserve(outputs.size());
    for (TensorView &output : outputs)
      tensors.push_back(output.tensor());
    if (int32_t code = invoke(artifact, inputs, tensors, session, entry))
      return detail::errorOf(code, get());
    return Done();
  }

  /// Writes the launches so far as Chrome trace JSON (collect_profile).
  Result<Done> writeProfile(const std::string &path) {
    if (int32_t code = mercer_profile_write(get(), path.c_str()))
      return detail::errorOf(code, get());
    return Done();
  }

  /// Memory on the context's device.
  Result<DeviceTensor> allocate(MercerDataType dtype,
                                std::vector<int64_t> shape) {
    DeviceTensor result(get(), dtype, std::move(shape));
    if (int32_t code = mercer_tensor_allocate(get(), &result.tensor))
      return detail::errorOf(code, get());
    return result;
  }

  /// Between host memory and the context's device, or inside of one.
  Result<Done> copy(TensorView to, TensorView from) {
    MercerTensor target = to.tensor(), source = from.tensor();
    if (int32_t code = mercer_tensor_copy(get(), &target, &source))
      return detail::errorOf(code, get());
    return Done();
  }

  /// Waits for the device.
  Result<Done> synchronize() {
    if (int32_t code = mercer_context_synchronize(get()))
      return detail::errorOf(code, get());
    return Done();
  }

private:
  Context(MercerContext *context, MercerDevice device)
      : handle(context), where(device) {}
  Result<Outputs> run(const Artifact &artifact, std::vector<TensorView> inputs,
                      MercerDevice device, Session *session, uint32_t entry) {
    MercerEntryInfo counts{};
    counts.struct_size = sizeof(counts);
    if (int32_t code = mercer_entry_info(get(), artifact.get(), entry, &counts))
      return detail::errorOf(code, get());
    std::vector<MercerTensor> outputs(counts.output_count);
    for (MercerTensor &output : outputs)
      output.device = device;
    if (int32_t code = invoke(artifact, inputs, outputs, session, entry))
      return detail::errorOf(code, get());
    return Outputs(get(), std::move(outputs));
  }
  int32_t invoke(const Artifact &artifact, std::vector<TensorView> &inputs,
                 std::vector<MercerTensor> &outputs, Session *session,
                 uint32_t entry) {
    std::vector<MercerTensor> tensors;
    tensors.reserve(inputs.size());
    for (TensorView &input : inputs)
      tensors.push_back(input.tensor());
    MercerRunOptions options{};
    options.struct_size = sizeof(options);
    options.session = session ? session->get() : nullptr;
    return mercer_run(get(), artifact.get(), entry, &options, tensors.data(),
                      static_cast<uint32_t>(tensors.size()), outputs.data(),
                      static_cast<uint32_t>(outputs.size()));
  }
  detail::Handle<MercerContext> handle;
  MercerDevice where;
};

} // namespace mercer

#endif // MERCER_MERCER_HPP
