//===- Model.h - an artifact with its inputs and outputs --------*- C++ -*-===//

#ifndef MERCER_TOOLS_MERCERRUN_MODEL_H
#define MERCER_TOOLS_MERCERRUN_MODEL_H

#include "mercer/mercer.h"
#include "runtime/support/Status.h"
#include "tools/mercer-run/Array.h"

#include <functional>
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

  rt::Status load(const std::string &path, uint32_t threads, bool profile);

  const std::vector<Value> &inputs() const { return inputValues; }
  const std::vector<Value> &outputs() const { return outputValues; }
  /// The manifest's JSON.
  std::string manifest();
  /// Bytes of code and of mapped constants.
  MercerMemoryInfo memory();

  /// One run on fresh state. Outputs are made by the first run and poisoned
  /// before each one; `milliseconds` is the time of the run alone.
  rt::Status run(std::vector<Array> &in, double &milliseconds);
  /// The outputs of the latest run, copied out.
  rt::Status results(std::vector<Array> &arrays);

  rt::Status clearProfile();
  rt::Status writeProfile(const std::string &path);

private:
  rt::Status status(int32_t code) const;
  rt::Status readValues(int32_t kind, uint32_t count,
                        std::vector<Value> &values);
  static void *allocate(void *user, int32_t purpose, uint32_t index,
                        size_t bytes, size_t alignment);
  static void release(void *user, int32_t purpose, void *memory, size_t bytes);

  MercerContext *context = nullptr;
  MercerArtifact *artifact = nullptr;
  MercerSession *session = nullptr;
  std::vector<Value> inputValues, outputValues;
  std::vector<MercerTensor> outputTensors;
};

} // namespace mercer::run

#endif // MERCER_TOOLS_MERCERRUN_MODEL_H
