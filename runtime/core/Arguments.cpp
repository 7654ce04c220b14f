//===- Arguments.cpp - checks what a caller gives -------------------------===//
//
// Host programs trust their arguments: types, ranks, fixed dimensions and
// symbols are compared here, before any code of the artifact runs.
//
//===----------------------------------------------------------------------===//

#include "runtime/core/Run.h"
#include "runtime/support/Dtype.h"

namespace mercer::rt {

bool isContiguous(const MercerTensor &tensor) {
  if (!tensor.strides)
    return true;
  int64_t expected = 1;
  for (int32_t i = tensor.ndim; i-- > 0;) {
    if (tensor.shape[i] == 0)
      return true;
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected)
      return false;
    expected *= tensor.shape[i];
  }
  return true;
}

bool isReachable(const MercerTensor &tensor, MercerDevice device) {
  return (tensor.device.type == MERCER_DEVICE_CPU && tensor.device.id == 0) ||
         (tensor.device.type == device.type && tensor.device.id == device.id);
}

static std::string dtypeText(MercerDataType dtype) {
  if (const char *name = dtypeName(dtype))
    return name;
  return format("{code %u, bits %u, lanes %u}", dtype.code, dtype.bits,
                dtype.lanes);
}

static Status checkInput(const ValueDesc &value, const EntryDesc &entry,
                         const MercerTensor &tensor, bool withData,
                         MercerDevice device, std::vector<int64_t> &dims,
                         std::vector<int64_t> &symbols) {
  std::string place = "input '" + value.name + "'";
  if (!sameDtype(tensor.dtype, value.dtype))
    return {Code::DtypeMismatch, place,
            format("expects element type %s, got %s", dtypeName(value.dtype),
                   dtypeText(tensor.dtype).c_str())};
  if (tensor.ndim != static_cast<int32_t>(value.rank()))
    return {Code::RankMismatch, place,
            format("expects rank %zu, got %d", value.rank(), tensor.ndim)};
  if (tensor.ndim > 0 && !tensor.shape)
    return {Code::InvalidArgument, place, "the tensor has no shape"};
  for (size_t i = 0; i < value.rank(); ++i) {
    int64_t dim = tensor.shape[i];
    auto size = [](int64_t n) { return static_cast<long long>(n); };
    if (dim < 0)
      return {Code::SizeOverflow, place,
              format("dimension %zu is negative: %lld", i, size(dim))};
    if (value.shape[i] >= 0 && dim != value.shape[i])
      return {Code::DimMismatch, place,
              format("expects size %lld in dimension %zu, got %lld",
                     size(value.shape[i]), i, size(dim))};
    if (int32_t symbol = value.symbol[i]; symbol >= 0) {
      int64_t &bound = symbols[symbol];
      if (bound >= 0 && bound != dim)
        return {Code::SymbolMismatch, place,
                format("expects size %lld for symbol '%s' in dimension %zu, as "
                       "before, got %lld",
                       size(bound), entry.symbolNames[symbol].c_str(), i,
                       size(dim))};
      bound = dim;
    }
    dims.push_back(dim);
  }
  int64_t count, bytes;
  if (!elementCount(tensor.shape, value.rank(), count) ||
      !byteCount(value.dtype, count, bytes))
    return {Code::SizeOverflow, place,
            "a tensor of shape " + formatShape(tensor.shape, value.rank()) +
                " is larger than the address space"};
  if (!withData)
    return {};
  if (!isReachable(tensor, device))
    return {Code::InvalidArgument, place,
            format("expects a tensor on device {%d, %d}, got {%d, %d}",
                   device.type, device.id, tensor.device.type,
                   tensor.device.id)};
  if (tensor.device.type != MERCER_DEVICE_CPU && !isContiguous(tensor))
    return {Code::InvalidArgument, place,
            "tensors on a device must be contiguous"};
  if (!tensor.data && bytes > 0)
    return {Code::InvalidArgument, place, "the tensor has no data"};
  if (value.dtype.bits < 8 && !isContiguous(tensor))
    return {Code::InvalidArgument, place,
            "tensors of types below 8 bits must be contiguous"};
  return {};
}

Status checkInputs(const RunRequest &request, bool withData,
                   std::vector<int64_t> &dims, std::vector<int64_t> &symbols) {
  const EntryDesc &entry = request.artifact->entry(request.entry);
  if (request.inputCount != entry.inputs.size())
    return {Code::InvalidArgument, "entry '" + entry.name + "'",
            format("expects %zu inputs, got %u", entry.inputs.size(),
                   request.inputCount)};
  if (request.outputCount != entry.outputs.size())
    return {Code::InvalidArgument, "entry '" + entry.name + "'",
            format("expects %zu outputs, got %u", entry.outputs.size(),
                   request.outputCount)};
  if ((request.inputCount && !request.inputs) ||
      (request.outputCount && !request.outputs))
    return {Code::InvalidArgument, "entry '" + entry.name + "'",
            "the array of tensors is null"};
  symbols.assign(entry.symbolNames.size(), -1);
  dims.reserve(entry.inputDimCount);
  for (uint32_t i = 0; i < request.inputCount; ++i)
    if (Status status =
            checkInput(entry.inputs[i], entry, request.inputs[i], withData,
                       request.context.device->id(), dims, symbols);
        status.failed())
      return status;
  return {};
}

Status inferShapes(const RunRequest &request) {
  const EntryDesc &entry = request.artifact->entry(request.entry);
  std::vector<int64_t> dims, symbols;
  if (Status status = checkInputs(request, /*withData=*/false, dims, symbols);
      status.failed())
    return status;
  std::vector<int64_t> result(entry.outputDimCount, -1);
  if (MercerShapesFn shapes =
          request.artifact->module().entries[request.entry].shapes)
    if (int32_t code = shapes(dims.data(), result.data())) {
      const char *summary = codeSummary(code);
      return {code, "entry '" + entry.name + "'",
              summary ? summary : "the shapes do not fit together"};
    }
  size_t next = 0;
  for (uint32_t i = 0; i < request.outputCount; ++i) {
    const ValueDesc &value = entry.outputs[i];
    MercerTensor &output = request.outputs[i];
    if (!output.shape && value.rank() > 0)
      return {
          Code::InvalidArgument, "output '" + value.name + "'",
          format("shape must point to room for %zu dimensions", value.rank())};
    output.ndim = static_cast<int32_t>(value.rank());
    output.dtype = value.dtype;
    for (size_t d = 0; d < value.rank(); ++d, ++next) {
      int64_t dim = result[next];
      // What the manifest states holds even if the entry has no such function.
      if (dim < 0 && value.shape[d] >= 0)
        dim = value.shape[d];
      if (dim < 0 && value.symbol[d] >= 0)
        dim = symbols[value.symbol[d]];
      output.shape[d] = dim;
    }
  }
  return {};
}

} // namespace mercer::rt
