//===- Model.h - an ONNX model as views into its file -----------*- C++ -*-===//
//
// The messages of the ONNX format that the importer needs, decoded. Strings
// and tensor data are views into the mapped file, never copies: a model of any
// size costs memory for its structure only. The mapping must outlive the model.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_COMPILER_FRONTEND_ONNX_MODEL_H
#define MERCER_COMPILER_FRONTEND_ONNX_MODEL_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/LogicalResult.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace mercer::onnx {

/// Why a model is refused: a code of the E2xxx range and a sentence.
struct Refusal {
  int code = 0;
  std::string message;
};

/// TensorProto.DataType.
enum class DataType : int32_t {
  Undefined = 0,
  Float = 1,
  UInt8 = 2,
  Int8 = 3,
  UInt16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  String = 8,
  Bool = 9,
  Float16 = 10,
  Double = 11,
  UInt32 = 12,
  UInt64 = 13,
  Complex64 = 14,
  Complex128 = 15,
  BFloat16 = 16,
  Float8E4M3FN = 17,
  Float8E4M3FNUZ = 18,
  Float8E5M2 = 19,
  Float8E5M2FNUZ = 20,
  UInt4 = 21,
  Int4 = 22,
  Float4E2M1 = 23,
  Float8E8M0 = 24,
  UInt2 = 25,
  Int2 = 26,
};

/// A repeated numeric field as it lies in the file: each run is a packed
/// block, or one element that was written unpacked.
using NumberRuns = std::vector<llvm::StringRef>;

struct KeyValue {
  llvm::StringRef key, value;
};

struct Tensor {
  llvm::StringRef name;
  std::vector<int64_t> dims;
  int32_t dataType = 0;
  /// At most one of these fields holds the data.
  std::optional<llvm::StringRef> rawData;
  NumberRuns floatData, int32Data, int64Data, doubleData, uint64Data;
  std::vector<llvm::StringRef> stringData;
  bool external = false;
  std::vector<KeyValue> externalData;
};

struct SparseTensor {
  Tensor values, indices;
  std::vector<int64_t> dims;
};

struct Dimension {
  enum Kind { Unknown, Value, Parameter } kind = Unknown;
  int64_t value = 0;
  llvm::StringRef parameter;
};

struct TypeInfo {
  enum Kind { None, Dense, Sparse, Sequence, Optional, Map } kind = None;
  /// Element type of tensors, key type of maps.
  int32_t dataType = 0;
  bool hasShape = false;
  std::vector<Dimension> dims;
  /// Element type of sequences and optionals, value type of maps.
  std::unique_ptr<TypeInfo> element;
};

struct ValueInfo {
  llvm::StringRef name;
  TypeInfo type;
};

struct Graph;

struct NodeAttribute {
  enum Kind : int32_t {
    Undefined = 0,
    Float = 1,
    Int = 2,
    String = 3,
    TensorValue = 4,
    GraphValue = 5,
    Floats = 6,
    Ints = 7,
    Strings = 8,
    Tensors = 9,
    Graphs = 10,
    Sparse = 11,
    SparseTensors = 12,
    Type = 13,
    Types = 14,
  };
  llvm::StringRef name, refName;
  Kind kind = Undefined;
  float f = 0;
  int64_t i = 0;
  llvm::StringRef s;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<llvm::StringRef> strings;
  std::vector<Tensor> tensors; ///< one for TensorValue
  std::vector<Graph> graphs;   ///< one for GraphValue
  std::vector<SparseTensor> sparseTensors;
  std::vector<TypeInfo> types;
};

struct Node {
  llvm::StringRef name, opType, domain, overload;
  std::vector<llvm::StringRef> inputs;
  std::vector<llvm::StringRef> outputs;
  std::vector<NodeAttribute> attributes;
};

struct Graph {
  llvm::StringRef name;
  std::vector<Node> nodes;
  std::vector<Tensor> initializers;
  std::vector<SparseTensor> sparseInitializers;
  std::vector<ValueInfo> inputs, outputs, valueInfos;
};

struct OpsetImport {
  llvm::StringRef domain;
  int64_t version = 0;
};

struct Function {
  llvm::StringRef name, domain, overload;
  std::vector<llvm::StringRef> inputs, outputs, attributes;
  std::vector<NodeAttribute> defaultAttributes;
  std::vector<Node> nodes;
  std::vector<OpsetImport> opsets;
  std::vector<ValueInfo> valueInfos;
};

struct Model {
  int64_t irVersion = 0;
  llvm::StringRef producer;
  std::vector<OpsetImport> opsets;
  std::optional<Graph> graph;
  std::vector<Function> functions;
};

/// Decodes a serialised ModelProto. On failure `refusal` says what is wrong
/// and at which byte. Any input is safe: nesting, counts and lengths are bound.
llvm::LogicalResult readModel(llvm::StringRef bytes, Model &model,
                              Refusal &refusal);

/// Decodes a serialised TensorProto (a test vector, or Constant data).
llvm::LogicalResult readTensor(llvm::StringRef bytes, Tensor &tensor,
                               Refusal &refusal);

} // namespace mercer::onnx

#endif // MERCER_COMPILER_FRONTEND_ONNX_MODEL_H
