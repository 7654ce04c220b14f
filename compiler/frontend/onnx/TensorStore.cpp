//===- TensorStore.cpp - where the elements of ONNX tensors lie -----------===//

#include "compiler/frontend/onnx/TensorStore.h"
#include "compiler/frontend/onnx/WireFormat.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"

using namespace mercer::onnx;
using llvm::ArrayRef;
using llvm::failure;
using llvm::LogicalResult;
using llvm::StringRef;
using llvm::success;
using llvm::Twine;

namespace {

// Products of dims up to this many elements cannot overflow 64 bits when they
// are multiplied by an element size, or by a few factors of a kernel's size.
constexpr uint64_t kMaxElements = uint64_t(1) << 48;
constexpr size_t kMaxRank = 64;

LogicalResult refuse(Refusal &refusal, int code, const Twine &message) {
  refusal = {code, message.str()};
  return failure();
}

LogicalResult mapFile(StringRef path, std::unique_ptr<llvm::MemoryBuffer> &out,
                      int code, Refusal &refusal) {
  llvm::sys::fs::file_status status;
  if (std::error_code error = llvm::sys::fs::status(path, status))
    return refuse(refusal, code,
                  "cannot open '" + path + "': " + error.message());
  // A FIFO or a device would block or never end.
  if (!llvm::sys::fs::is_regular_file(status))
    return refuse(refusal, code, "'" + path + "' is not a regular file");
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return refuse(refusal, code,
                  "cannot read '" + path + "': " + buffer.getError().message());
  out = std::move(*buffer);
  return success();
}

/// Decodes varints into little-endian integers of `bytes` bytes each.
bool decodeIntegers(const NumberRuns &runs, unsigned bytes, std::string &out) {
  for (StringRef run : runs) {
    uint64_t value;
    while (!run.empty()) {
      if (!consumeVarint(run, value))
        return false;
      for (unsigned i = 0; i < bytes; ++i)
        out.push_back(static_cast<char>(value >> (8 * i)));
    }
  }
  return true;
}

/// The numbers of a fixed-width field: in place if they are one packed run.
StringRef joinRuns(const NumberRuns &runs, std::string &storage) {
  if (runs.size() == 1)
    return runs.front();
  for (StringRef run : runs)
    storage += run;
  return storage;
}

} // namespace

unsigned mercer::onnx::storageBits(DataType type) {
  switch (type) {
  case DataType::UInt2:
  case DataType::Int2:
    return 2;
  case DataType::UInt4:
  case DataType::Int4:
  case DataType::Float4E2M1:
    return 4;
  case DataType::UInt8:
  case DataType::Int8:
  case DataType::Bool:
  case DataType::Float8E4M3FN:
  case DataType::Float8E4M3FNUZ:
  case DataType::Float8E5M2:
  case DataType::Float8E5M2FNUZ:
  case DataType::Float8E8M0:
    return 8;
  case DataType::UInt16:
  case DataType::Int16:
  case DataType::Float16:
  case DataType::BFloat16:
    return 16;
  case DataType::Float:
  case DataType::Int32:
  case DataType::UInt32:
    return 32;
  case DataType::Int64:
  case DataType::UInt64:
  case DataType::Double:
  case DataType::Complex64:
    return 64;
  case DataType::Complex128:
    return 128;
  case DataType::Undefined:
  case DataType::String:
    return 0;
  }
  return 0;
}

LogicalResult TensorStore::open(StringRef path, Refusal &refusal) {
  if (failed(mapFile(path, modelBuffer, 2001, refusal)))
    return failure();
  model = modelBuffer->getBuffer();
  modelName = llvm::sys::path::filename(path).str();
  folder = llvm::sys::path::parent_path(path).str();
  if (folder.empty())
    folder = ".";
  onDisk = true;
  return success();
}

void TensorStore::openBytes(StringRef bytes) { model = bytes; }

LogicalResult TensorStore::countElements(ArrayRef<int64_t> dims,
                                         uint64_t &count, Refusal &refusal) {
  if (dims.size() > kMaxRank)
    return refuse(refusal, 2009,
                  "rank " + Twine(dims.size()) + " is larger than " +
                      Twine(kMaxRank));
  count = 1;
  uint64_t extent = 1; // product of the dims that are not zero
  for (int64_t dim : dims) {
    if (dim < 0)
      return refuse(refusal, 2009, "size " + Twine(dim) + " is negative");
    if (dim > 0) {
      if (static_cast<uint64_t>(dim) > kMaxElements / extent)
        return refuse(refusal, 2009, "the product of the sizes overflows");
      extent *= dim;
    }
    count *= dim;
  }
  return success();
}

LogicalResult TensorStore::locate(const Tensor &tensor,
                                  TensorElements &elements, Refusal &refusal) {
  auto type = static_cast<DataType>(tensor.dataType);
  unsigned bits = storageBits(type);
  if (!bits)
    return refuse(refusal, 2004,
                  "data type " + Twine(tensor.dataType) + " is not supported");
  uint64_t count;
  if (failed(countElements(tensor.dims, count, refusal)))
    return failure();
  uint64_t size = llvm::divideCeil(count * bits, 8);
  if (tensor.external)
    return locateExternal(tensor, size, elements, refusal);

  if (tensor.rawData) {
    elements.bytes = *tensor.rawData;
  } else {
    // The specification stores narrow types in int32_data, one element a
    // number except for the packed ones.
    bool decoded = true;
    switch (type) {
    case DataType::Float:
    case DataType::Complex64:
      elements.bytes = joinRuns(tensor.floatData, elements.decoded);
      break;
    case DataType::Double:
    case DataType::Complex128:
      elements.bytes = joinRuns(tensor.doubleData, elements.decoded);
      break;
    case DataType::Int64:
      decoded = decodeIntegers(tensor.int64Data, 8, elements.decoded);
      break;
    case DataType::UInt32:
    case DataType::UInt64:
      decoded = decodeIntegers(tensor.uint64Data, bits / 8, elements.decoded);
      break;
    default:
      // Two or four packed elements share a number, so one byte of each.
      decoded = decodeIntegers(tensor.int32Data, std::max(1u, bits / 8),
                               elements.decoded);
      break;
    }
    if (!decoded)
      return refuse(refusal, 2002, "its numbers are cut off");
    if (!elements.decoded.empty())
      elements.bytes = elements.decoded;
  }
  if (elements.bytes.size() != size)
    return refuse(refusal, 2002,
                  "it holds " + Twine(elements.bytes.size()) +
                      " bytes of data, its shape needs " + Twine(size));
  if (onDisk && elements.decoded.empty() && !elements.bytes.empty()) {
    elements.file = modelName;
    elements.offset = elements.bytes.data() - model.data();
  }
  return success();
}

LogicalResult TensorStore::locateExternal(const Tensor &tensor, uint64_t size,
                                          TensorElements &elements,
                                          Refusal &refusal) {
  StringRef location;
  std::optional<uint64_t> offset, length;
  for (const KeyValue &entry : tensor.externalData) {
    if (entry.key == "location") {
      location = entry.value;
      continue;
    }
    if (entry.key != "offset" && entry.key != "length")
      continue;
    uint64_t number;
    if (!llvm::to_integer(entry.value, number, 10))
      return refuse(refusal, 2006,
                    entry.key + " '" + entry.value +
                        "' of its external data is no size");
    (entry.key == "offset" ? offset : length) = number;
  }
  StringRef bytes;
  if (failed(mapExternal(location, bytes, refusal)))
    return failure();
  if (length && *length != size)
    return refuse(refusal, 2006,
                  "its external data is " + Twine(*length) +
                      " bytes long, its shape needs " + Twine(size));
  uint64_t start = offset.value_or(0);
  if (start > bytes.size() || size > bytes.size() - start)
    return refuse(refusal, 2006,
                  "its external data ends at byte " + Twine(start) + " + " +
                      Twine(size) + ", file '" + location + "' has " +
                      Twine(bytes.size()));
  elements.bytes = bytes.substr(start, size);
  elements.offset = start;
  elements.file = location.str();
  return success();
}

// A model may come from anywhere: whoever compiles it must not be led to read
// a file outside of its folder, by name or through a link.
LogicalResult TensorStore::mapExternal(StringRef location, StringRef &bytes,
                                       Refusal &refusal) {
  namespace path = llvm::sys::path;
  if (!onDisk)
    return refuse(refusal, 2006,
                  "its data is external and the model is not a file");
  auto outside = [&] {
    return refuse(refusal, 2006,
                  "its external data '" + location +
                      "' is not inside the model's folder");
  };
  if (location.empty() || path::is_absolute(location) ||
      location.contains('\0'))
    return outside();
  for (auto part = path::begin(location), end = path::end(location);
       part != end; ++part)
    if (*part == "..")
      return outside();

  auto known = externalFiles.find(location);
  if (known == externalFiles.end()) {
    llvm::SmallString<256> full(folder), realFolder, realFile;
    path::append(full, location);
    if (std::error_code error = llvm::sys::fs::real_path(full, realFile))
      return refuse(refusal, 2006,
                    "cannot open its external data '" + location +
                        "': " + error.message());
    if (llvm::sys::fs::real_path(folder, realFolder))
      return outside();
    if (!path::is_separator(realFolder.back()))
      realFolder += path::get_separator();
    if (!realFile.str().starts_with(realFolder))
      return outside();
    std::unique_ptr<llvm::MemoryBuffer> buffer;
    if (failed(mapFile(realFile, buffer, 2006, refusal)))
      return failure();
    known = externalFiles.try_emplace(location, std::move(buffer)).first;
  }
  bytes = known->second->getBuffer();
  return success();
}
