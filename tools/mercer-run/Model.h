//===- Model.h - an artifact with its inputs and outputs --------*- C++ -*-===//

#ifndef MERCER_TOOLS_MERCERRUN_MODEL_H
#define MERCER_TOOLS_MERCERRUN_MODEL_H

#include "mercer/mercer.h"
#include "runtime/support/Status.h"
#include "tools/mercer-run/Array.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace mercer::run {

/// What the artifact declares about an input or output.
struct Value {
  std::string name;
  MercerDataType dtype{};
  std::vector<int64_t> shape;       ///< -1 where not fixed
  std::vector<std::string> symbols; ///< empty where fixed
};

/// The first entry point of an artifact, run with arrays.
class Model {
public:
  Model() = default;
  Model(const Model &) = delete;
  ~Model();

  /// On `device`, or on what the artifact was made for.
  rt::Status load(const std::string &path, std::optional<MercerDevice> device,
                  uint32_t threads, bool profile);

  const std::vector<Value> &inputs() const { return inputValues; }
  const std::vector<Value> &outputs() const { return outputValues; }
  /// The manifest's JSON.
  std::string manifest();
  /// Bytes of code and of mapped constants.
  MercerMemoryInfo memory();

  /// One run on fresh state. Outputs are made by the first run and poisoned
  /// before each one; `milliseconds` is the time of the run alone. On a device
  /// all tensors lie there: the first run brings the inputs, `results` fetches
  /// the outputs.
  rt::Status run(std::vector<Array> &in, double &milliseconds);
  /// The outputs of the latest run, copied out.
  rt::Status results(std::vector<Array> &arrays);

  rt::Status clearProfile();
  rt::Status writeProfile(const std::string &path);

private:
  rt::Status status(int32_t code) const;
  rt::Status readValues(int32_t kind, uint32_t count,
                        std::vector<Value> &values);
  rt::Status createContext(MercerDevice device, uint32_t threads, bool profile);
  rt::Status placeInputs(std::vector<Array> &in);
  rt::Status poisonOutputs();
  bool onHost() const { return device.type == MERCER_DEVICE_CPU; }
  static void *allocate(void *user, int32_t purpose, uint32_t index,
                        size_t bytes, size_t alignment);
  static void release(void *user, int32_t purpose, void *memory, size_t bytes);

  MercerDevice device{MERCER_DEVICE_CPU, 0};
  MercerContext *context = nullptr;
  MercerArtifact *artifact = nullptr;
  MercerSession *session = nullptr;
  std::vector<Value> inputValues, outputValues;
  std::vector<MercerTensor> inputTensors, outputTensors;
};

} // namespace mercer::run

#endif // MERCER_TOOLS_MERCERRUN_MODEL_H
