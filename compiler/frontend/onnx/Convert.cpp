//===- Convert.cpp - ONNX types and tensors as MLIR types and attributes --===//

#include "compiler/frontend/onnx/Convert.h"

#include "dialects/onnx/IR/Onnx.h"

#include "llvm/Support/Endian.h"

using namespace mlir;
using namespace mercer::onnx;

namespace {

// A dense tensor of this many bytes is the most that a sparse one may become.
constexpr uint64_t kMaxDenseBytes = uint64_t(1) << 30;

LogicalResult refuse(Refusal &refusal, int code, const Twine &message) {
  refusal = {code, message.str()};
  return failure();
}

/// ONNX packs 2- and 4-bit elements; attributes hold one a byte.
std::string unpackSubByte(StringRef bytes, unsigned bits, bool isSigned,
                          uint64_t count) {
  std::string unpacked;
  unpacked.reserve(count);
  unsigned perByte = 8 / bits;
  for (uint64_t i = 0; i < count; ++i) {
    uint8_t byte = static_cast<uint8_t>(bytes[i / perByte]);
    uint8_t value = (byte >> (bits * (i % perByte))) & ((1u << bits) - 1);
    if (isSigned && (value >> (bits - 1)))
      value |= static_cast<uint8_t>(0xffu << bits);
    unpacked.push_back(static_cast<char>(value));
  }
  return unpacked;
}

} // namespace

Type mercer::onnx::convertElementType(int32_t dataType, MLIRContext *context) {
  auto integer = [&](unsigned width, bool isUnsigned = false) -> Type {
    return IntegerType::get(context, width,
                            isUnsigned ? IntegerType::Unsigned
                                       : IntegerType::Signless);
  };
  switch (static_cast<DataType>(dataType)) {
  case DataType::Undefined:
    return AnyType::get(context);
  case DataType::Float:
    return Float32Type::get(context);
  case DataType::UInt8:
    return integer(8, true);
  case DataType::Int8:
    return integer(8);
  case DataType::UInt16:
    return integer(16, true);
  case DataType::Int16:
    return integer(16);
  case DataType::Int32:
    return integer(32);
  case DataType::Int64:
    return integer(64);
  case DataType::String:
    return StringType::get(context);
  case DataType::Bool:
    return integer(1);
  case DataType::Float16:
    return Float16Type::get(context);
  case DataType::Double:
    return Float64Type::get(context);
  case DataType::UInt32:
    return integer(32, true);
  case DataType::UInt64:
    return integer(64, true);
  case DataType::Complex64:
    return ComplexType::get(Float32Type::get(context));
  case DataType::Complex128:
    return ComplexType::get(Float64Type::get(context));
  case DataType::BFloat16:
    return BFloat16Type::get(context);
  case DataType::Float8E4M3FN:
    return Float8E4M3FNType::get(context);
  case DataType::Float8E4M3FNUZ:
    return Float8E4M3FNUZType::get(context);
  case DataType::Float8E5M2:
    return Float8E5M2Type::get(context);
  case DataType::Float8E5M2FNUZ:
    return Float8E5M2FNUZType::get(context);
  case DataType::UInt4:
    return integer(4, true);
  case DataType::Int4:
    return integer(4);
  case DataType::Float4E2M1:
    return Float4E2M1FNType::get(context);
  case DataType::Float8E8M0:
    return Float8E8M0FNUType::get(context);
  case DataType::UInt2:
    return integer(2, true);
  case DataType::Int2:
    return integer(2);
  }
  return nullptr;
}

Type mercer::onnx::convertType(const TypeInfo &type, MLIRContext *context) {
  switch (type.kind) {
  case TypeInfo::None:
    return AnyType::get(context);
  case TypeInfo::Dense:
  case TypeInfo::Sparse: {
    Type element = convertElementType(type.dataType, context);
    if (!element)
      return nullptr;
    if (!type.hasShape)
      return UnrankedTensorType::get(element);
    SmallVector<int64_t> shape;
    for (const Dimension &dim : type.dims)
      shape.push_back(dim.kind == Dimension::Value && dim.value >= 0
                          ? dim.value
                          : ShapedType::kDynamic);
    return RankedTensorType::get(shape, element);
  }
  case TypeInfo::Sequence:
  case TypeInfo::Optional:
  case TypeInfo::Map: {
    Type element = type.element ? convertType(*type.element, context)
                                : Type(AnyType::get(context));
    if (!element)
      return nullptr;
    if (type.kind == TypeInfo::Sequence)
      return SequenceType::get(context, element);
    if (type.kind == TypeInfo::Optional)
      return OptionalType::get(context, element);
    Type key = convertElementType(type.dataType, context);
    return key ? MapType::get(context, key, element) : Type();
  }
  }
  return nullptr;
}

ElementsAttr mercer::onnx::convertElements(StringRef bytes,
                                           RankedTensorType type) {
  Type element = type.getElementType();
  uint64_t count = type.getNumElements();
  if (element.isInteger(1)) {
    SmallVector<bool> values;
    for (char byte : bytes)
      values.push_back(byte != 0);
    return DenseElementsAttr::get(type, values);
  }
  std::string unpacked;
  if (element.isIntOrFloat() && element.getIntOrFloatBitWidth() < 8) {
    bool isSigned = element.isSignlessInteger();
    unpacked =
        unpackSubByte(bytes, element.getIntOrFloatBitWidth(), isSigned, count);
    bytes = unpacked;
  }
  ArrayRef<char> raw(bytes.data(), bytes.size());
  // From one element on, a raw buffer of one element means a splat, which it
  // is; no element at all needs the empty form.
  if (count == 0)
    return DenseElementsAttr::get(type, ArrayRef<mlir::Attribute>());
  return DenseElementsAttr::getFromRawBuffer(type, raw);
}

FailureOr<ElementsAttr> mercer::onnx::convertTensor(const Tensor &tensor,
                                                    TensorStore &store,
                                                    MLIRContext *context,
                                                    Refusal &refusal) {
  Type element = convertElementType(tensor.dataType, context);
  if (!element || isa<AnyType>(element))
    return refuse(refusal, 2004,
                  "data type " + Twine(tensor.dataType) + " is not supported");
  uint64_t count;
  if (failed(TensorStore::countElements(tensor.dims, count, refusal)))
    return failure();
  auto type = RankedTensorType::get(tensor.dims, element);
  if (isa<StringType>(element)) {
    if (tensor.stringData.size() != count)
      return refuse(refusal, 2002,
                    "it holds " + Twine(tensor.stringData.size()) +
                        " strings, its shape needs " + Twine(count));
    return ElementsAttr(DenseStringElementsAttr::get(type, tensor.stringData));
  }
  TensorElements elements;
  if (failed(store.locate(tensor, elements, refusal)))
    return failure();
  return convertElements(elements.bytes, type);
}

FailureOr<ElementsAttr> mercer::onnx::convertSparse(const SparseTensor &sparse,
                                                    TensorStore &store,
                                                    MLIRContext *context,
                                                    Refusal &refusal) {
  auto type = static_cast<DataType>(sparse.values.dataType);
  unsigned bytes = storageBits(type) / 8;
  uint64_t count, nonZero;
  if (!bytes)
    return refuse(refusal, 2004,
                  "a sparse tensor of data type " +
                      Twine(sparse.values.dataType) + " is not supported");
  if (failed(TensorStore::countElements(sparse.dims, count, refusal)) ||
      failed(TensorStore::countElements(sparse.values.dims, nonZero, refusal)))
    return failure();
  if (count > kMaxDenseBytes / bytes)
    return refuse(refusal, 2009, "the sparse tensor is too large");
  if (static_cast<DataType>(sparse.indices.dataType) != DataType::Int64)
    return refuse(refusal, 2002, "indices of a sparse tensor are not int64");

  TensorElements values, indices;
  if (failed(store.locate(sparse.values, values, refusal)) ||
      failed(store.locate(sparse.indices, indices, refusal)))
    return failure();
  uint64_t rank = sparse.dims.size();
  bool linear = sparse.indices.dims.size() == 1;
  if (indices.bytes.size() / 8 != nonZero * (linear ? 1 : rank))
    return refuse(refusal, 2002,
                  "indices of a sparse tensor do not match its values");

  auto index = [&](uint64_t position) {
    return llvm::support::endian::read<int64_t, llvm::endianness::little>(
        indices.bytes.data() + 8 * position);
  };
  std::string dense(count * bytes, '\0');
  for (uint64_t i = 0; i < nonZero; ++i) {
    uint64_t place = 0;
    bool inside = true;
    if (linear) {
      place = index(i);
      inside = place < count;
    } else {
      for (uint64_t d = 0; d < rank; ++d) {
        int64_t at = index(i * rank + d);
        inside &= at >= 0 && at < sparse.dims[d];
        place = place * sparse.dims[d] + (inside ? at : 0);
      }
    }
    if (!inside)
      return refuse(refusal, 2002,
                    "an index of a sparse tensor is outside of its shape");
    std::copy_n(values.bytes.data() + i * bytes, bytes,
                dense.data() + place * bytes);
  }
  return convertElements(
      dense,
      RankedTensorType::get(
          sparse.dims, convertElementType(sparse.values.dataType, context)));
}
