//===- TensorStore.h - where the elements of ONNX tensors lie ---*- C++ -*-===//
//
// Maps the model and its external data files, confines the latter to the
// model's folder, checks sizes, and says for each tensor where its elements
// are: a range of a file whenever they lie there raw, else decoded bytes.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_COMPILER_FRONTEND_ONNX_TENSORSTORE_H
#define MERCER_COMPILER_FRONTEND_ONNX_TENSORSTORE_H

#include "compiler/frontend/onnx/Model.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBuffer.h"

namespace mercer::onnx {

/// Bits of one element as stored (bool is 8); 0 for strings and for types that
/// do not exist.
unsigned storageBits(DataType type);

/// The elements of one tensor: little-endian, row-major, 2- and 4-bit elements
/// packed from the low bits up.
struct TensorElements {
  llvm::StringRef bytes;
  /// Set if `bytes` lie in a file: its name relative to the model's folder and
  /// the offset of the first byte.
  std::optional<std::string> file;
  uint64_t offset = 0;
  /// Backs `bytes` if they had to be decoded.
  std::string decoded;
};

class TensorStore {
public:
  /// Maps the model at `path`; external data is looked up beside it.
  llvm::LogicalResult open(llvm::StringRef path, Refusal &refusal);
  /// Uses bytes in memory as the model; external data is refused.
  void openBytes(llvm::StringRef bytes);

  llvm::StringRef modelBytes() const { return model; }

  /// Finds the elements of a tensor of any type but string.
  llvm::LogicalResult locate(const Tensor &tensor, TensorElements &elements,
                             Refusal &refusal);

  /// Checks the dims of a tensor and gives the number of its elements.
  static llvm::LogicalResult countElements(llvm::ArrayRef<int64_t> dims,
                                           uint64_t &count, Refusal &refusal);

private:
  llvm::LogicalResult locateExternal(const Tensor &tensor, uint64_t bytes,
                                     TensorElements &elements,
                                     Refusal &refusal);
  llvm::LogicalResult mapExternal(llvm::StringRef location,
                                  llvm::StringRef &bytes, Refusal &refusal);

  std::string folder, modelName;
  bool onDisk = false;
  llvm::StringRef model;
  std::unique_ptr<llvm::MemoryBuffer> modelBuffer;
  llvm::StringMap<std::unique_ptr<llvm::MemoryBuffer>> externalFiles;
};

} // namespace mercer::onnx

#endif // MERCER_COMPILER_FRONTEND_ONNX_TENSORSTORE_H
