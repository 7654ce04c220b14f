//===- Run.h - one run of an entry point ------------------------*- C++ -*-===//

#ifndef MERCER_RUNTIME_CORE_RUN_H
#define MERCER_RUNTIME_CORE_RUN_H

#include "runtime/core/Context.h"

namespace mercer::rt {

struct RunRequest {
  Context &context;
  std::shared_ptr<const Artifact> artifact;
  uint32_t entry;
  Session *session;
  const MercerTensor *inputs;
  uint32_t inputCount;
  MercerTensor *outputs;
  uint32_t outputCount;
};

/// Checks everything that the caller gave, runs, and hands out the outputs.
Status runEntry(const RunRequest &request);

/// Sets ndim, dtype and shape of the outputs from the shapes of the inputs.
Status inferShapes(const RunRequest &request);

/// Checks the inputs of a request against what the entry declares and collects
/// all their dimensions in `dims`, the sizes of the symbols in `symbols` (-1
/// where no input binds one). `withData` also checks addresses and devices.
Status checkInputs(const RunRequest &request, bool withData,
                   std::vector<int64_t> &dims, std::vector<int64_t> &symbols);

/// True for row-major tensors without gaps (null strides included).
bool isContiguous(const MercerTensor &tensor);

/// Can a context of `device` take this tensor? Its own device's and the
/// host's.
bool isReachable(const MercerTensor &tensor, MercerDevice device);

/// First byte of a tensor's data.
inline char *tensorData(const MercerTensor &tensor) {
  return static_cast<char *>(tensor.data) + tensor.byte_offset;
}

} // namespace mercer::rt

#endif // MERCER_RUNTIME_CORE_RUN_H
