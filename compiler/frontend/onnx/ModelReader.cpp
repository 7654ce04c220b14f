//===- ModelReader.cpp - decodes the messages of the ONNX format ----------===//
//
// Field numbers are those of onnx.proto3 up to IR version 13. Fields that do
// not change what a model computes (documentation, metadata, training, device
// placement) and unknown fields are skipped.
//
//===----------------------------------------------------------------------===//

#include "compiler/frontend/onnx/Model.h"
#include "compiler/frontend/onnx/WireFormat.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/JSON.h"

using namespace mercer::onnx;
using llvm::failure;
using llvm::LogicalResult;
using llvm::StringRef;
using llvm::success;
using llvm::Twine;

namespace {

// A nesting of graphs, types and messages that no exporter comes near; it
// bounds the stack that a damaged file can use.
constexpr unsigned kMaxDepth = 64;
// Decoded messages are larger than their bytes (an empty node takes two), so
// the number of them is bound, not only the file's size.
constexpr uint64_t kMaxMessages = 4'000'000;

class Reader {
public:
  Reader(StringRef file, Refusal &refusal) : file(file), refusal(refusal) {}

  LogicalResult read(StringRef bytes, Model &model);
  LogicalResult read(StringRef bytes, Tensor &tensor);

private:
  using FieldReader = llvm::function_ref<LogicalResult(const WireField &)>;

  LogicalResult refuse(const char *position, const Twine &what) {
    refusal.code = 2002;
    refusal.message =
        ("at byte " + Twine(position ? position - file.data() : 0) + ": " +
         what)
            .str();
    return failure();
  }

  /// Calls `onField` for each field of `message`.
  LogicalResult fields(StringRef message, const char *kind,
                       FieldReader onField) {
    if (depth >= kMaxDepth)
      return refuse(message.begin(), Twine("messages nest deeper than ") +
                                         Twine(kMaxDepth) + " levels");
    if (++messages > kMaxMessages)
      return refuse(message.begin(), Twine("the model has more than ") +
                                         Twine(kMaxMessages) + " parts");
    ++depth;
    WireCursor cursor(message);
    WireField field;
    LogicalResult result = success();
    while (succeeded(result) && cursor.next(field)) {
      current = cursor.position();
      result = onField(field);
    }
    --depth;
    if (failed(result))
      return failure();
    if (cursor.damage())
      return refuse(cursor.position(), Twine(cursor.damage()) + " in " + kind);
    return success();
  }

  LogicalResult expect(const WireField &field, WireType type) {
    if (field.type == type)
      return success();
    return refuse(current, "field " + Twine(field.number) + " has wire type " +
                               Twine(int(field.type)) + ", expected " +
                               Twine(int(type)));
  }
  LogicalResult bytes(const WireField &field, StringRef &value) {
    value = field.payload;
    return expect(field, WireType::Bytes);
  }
  // Names end up in diagnostics, manifests and traces, which are UTF-8.
  LogicalResult text(const WireField &field, StringRef &value) {
    if (failed(bytes(field, value)))
      return failure();
    if (!llvm::json::isUTF8(value))
      return refuse(current, "a name is not valid UTF-8");
    return success();
  }
  LogicalResult integer(const WireField &field, int64_t &value) {
    value = static_cast<int64_t>(field.varint);
    return expect(field, WireType::Varint);
  }
  LogicalResult integer(const WireField &field, int32_t &value) {
    // int32 and enums are written as sign-extended 64-bit numbers.
    int64_t wide = static_cast<int64_t>(field.varint);
    value = static_cast<int32_t>(wide);
    if (failed(expect(field, WireType::Varint)))
      return failure();
    if (value != wide)
      return refuse(current, "a 32-bit number is out of range");
    return success();
  }
  LogicalResult run(const WireField &field, WireType unpacked,
                    NumberRuns &runs) {
    if (field.type != WireType::Bytes && failed(expect(field, unpacked)))
      return failure();
    // Each run costs 16 bytes; count it like a message.
    if (++messages > kMaxMessages)
      return refuse(current, "the model has too many unpacked numbers");
    runs.push_back(field.payload);
    return success();
  }
  LogicalResult integers(const WireField &field,
                         llvm::function_ref<void(int64_t)> add) {
    if (field.type != WireType::Bytes &&
        failed(expect(field, WireType::Varint)))
      return failure();
    StringRef rest = field.payload;
    uint64_t value;
    while (!rest.empty()) {
      if (!consumeVarint(rest, value))
        return refuse(current, "a list of numbers is cut off");
      add(static_cast<int64_t>(value));
    }
    return success();
  }
  template <typename T, typename Parse>
  LogicalResult message(const WireField &field, std::vector<T> &list,
                        Parse parse) {
    if (failed(expect(field, WireType::Bytes)))
      return failure();
    list.emplace_back();
    return (this->*parse)(field.payload, list.back());
  }

  LogicalResult readGraph(StringRef, Graph &);
  LogicalResult readNode(StringRef, Node &);
  LogicalResult readAttribute(StringRef, NodeAttribute &);
  LogicalResult readTensorMessage(StringRef, Tensor &);
  LogicalResult readSparse(StringRef, SparseTensor &);
  LogicalResult readValueInfo(StringRef, ValueInfo &);
  LogicalResult readType(StringRef, TypeInfo &);
  LogicalResult readTensorType(StringRef, TypeInfo &);
  LogicalResult readShape(StringRef, TypeInfo &);
  LogicalResult readElementType(StringRef, TypeInfo &);
  LogicalResult readOpset(StringRef, OpsetImport &);
  LogicalResult readFunction(StringRef, Function &);
  LogicalResult readKeyValue(StringRef, KeyValue &);

  StringRef file;
  Refusal &refusal;
  const char *current = nullptr;
  unsigned depth = 0;
  uint64_t messages = 0;
};

LogicalResult Reader::read(StringRef bytesOfModel, Model &model) {
  return fields(
      bytesOfModel, "the model", [&](const WireField &field) -> LogicalResult {
        switch (field.number) {
        case 1:
          return integer(field, model.irVersion);
        case 2:
          return bytes(field, model.producer);
        case 7:
          if (model.graph)
            return refuse(current, "the model has two graphs");
          model.graph.emplace();
          if (failed(expect(field, WireType::Bytes)))
            return failure();
          return readGraph(field.payload, *model.graph);
        case 8:
          return message(field, model.opsets, &Reader::readOpset);
        case 25:
          return message(field, model.functions, &Reader::readFunction);
        default:
          return success();
        }
      });
}

LogicalResult Reader::read(StringRef bytesOfTensor, Tensor &tensor) {
  return readTensorMessage(bytesOfTensor, tensor);
}

LogicalResult Reader::readGraph(StringRef data, Graph &graph) {
  return fields(data, "a graph", [&](const WireField &field) -> LogicalResult {
    switch (field.number) {
    case 1:
      return message(field, graph.nodes, &Reader::readNode);
    case 2:
      return text(field, graph.name);
    case 5:
      return message(field, graph.initializers, &Reader::readTensorMessage);
    case 11:
      return message(field, graph.inputs, &Reader::readValueInfo);
    case 12:
      return message(field, graph.outputs, &Reader::readValueInfo);
    case 13:
      return message(field, graph.valueInfos, &Reader::readValueInfo);
    case 15:
      return message(field, graph.sparseInitializers, &Reader::readSparse);
    default:
      return success();
    }
  });
}

LogicalResult Reader::readNode(StringRef data, Node &node) {
  return fields(data, "a node", [&](const WireField &field) -> LogicalResult {
    StringRef value;
    switch (field.number) {
    case 1:
      if (failed(text(field, value)))
        return failure();
      node.inputs.push_back(value);
      return success();
    case 2:
      if (failed(text(field, value)))
        return failure();
      node.outputs.push_back(value);
      return success();
    case 3:
      return text(field, node.name);
    case 4:
      return text(field, node.opType);
    case 5:
      return message(field, node.attributes, &Reader::readAttribute);
    case 7:
      return text(field, node.domain);
    case 8:
      return text(field, node.overload);
    default:
      return success();
    }
  });
}

LogicalResult Reader::readAttribute(StringRef data, NodeAttribute &attribute) {
  auto onField = [&](const WireField &field) -> LogicalResult {
    StringRef value;
    switch (field.number) {
    case 1:
      return text(field, attribute.name);
    case 2:
      if (failed(expect(field, WireType::Fixed32)))
        return failure();
      attribute.f =
          llvm::support::endian::read<float, llvm::endianness::little>(
              field.payload.data());
      return success();
    case 3:
      return integer(field, attribute.i);
    case 4:
      return bytes(field, attribute.s);
    case 5:
    case 10:
      return message(field, attribute.tensors, &Reader::readTensorMessage);
    case 6:
    case 11:
      return message(field, attribute.graphs, &Reader::readGraph);
    case 7: {
      if (field.type != WireType::Bytes &&
          failed(expect(field, WireType::Fixed32)))
        return failure();
      if (field.payload.size() % 4)
        return refuse(current, "a list of floats is cut off");
      for (size_t i = 0; i < field.payload.size(); i += 4)
        attribute.floats.push_back(
            llvm::support::endian::read<float, llvm::endianness::little>(
                field.payload.data() + i));
      return success();
    }
    case 8:
      return integers(field,
                      [&](int64_t item) { attribute.ints.push_back(item); });
    case 9:
      if (failed(bytes(field, value)))
        return failure();
      attribute.strings.push_back(value);
      return success();
    case 14:
    case 15:
      return message(field, attribute.types, &Reader::readType);
    case 20: {
      int32_t kind;
      if (failed(integer(field, kind)))
        return failure();
      if (kind < NodeAttribute::Undefined || kind > NodeAttribute::Types)
        return refuse(current,
                      "attribute type " + Twine(kind) + " does not exist");
      attribute.kind = static_cast<NodeAttribute::Kind>(kind);
      return success();
    }
    case 21:
      return text(field, attribute.refName);
    case 22:
    case 23:
      return message(field, attribute.sparseTensors, &Reader::readSparse);
    default:
      return success();
    }
  };
  return fields(data, "an attribute", onField);
}

LogicalResult Reader::readTensorMessage(StringRef data, Tensor &tensor) {
  auto onField = [&](const WireField &field) -> LogicalResult {
    StringRef value;
    switch (field.number) {
    case 1:
      return integers(field, [&](int64_t dim) { tensor.dims.push_back(dim); });
    case 2:
      return integer(field, tensor.dataType);
    case 3:
      return refuse(current, "a tensor is split into segments");
    case 4:
      return run(field, WireType::Fixed32, tensor.floatData);
    case 5:
      return run(field, WireType::Varint, tensor.int32Data);
    case 6:
      if (failed(bytes(field, value)))
        return failure();
      tensor.stringData.push_back(value);
      return success();
    case 7:
      return run(field, WireType::Varint, tensor.int64Data);
    case 8:
      return text(field, tensor.name);
    case 9:
      tensor.rawData.emplace();
      return bytes(field, *tensor.rawData);
    case 10:
      return run(field, WireType::Fixed64, tensor.doubleData);
    case 11:
      return run(field, WireType::Varint, tensor.uint64Data);
    case 13:
      return message(field, tensor.externalData, &Reader::readKeyValue);
    case 14: {
      int32_t place;
      if (failed(integer(field, place)))
        return failure();
      if (place != 0 && place != 1)
        return refuse(current, "tensor data location " + Twine(place) +
                                   " does not exist");
      tensor.external = place == 1;
      return success();
    }
    default:
      return success();
    }
  };
  return fields(data, "a tensor", onField);
}

LogicalResult Reader::readSparse(StringRef data, SparseTensor &sparse) {
  auto onField = [&](const WireField &field) -> LogicalResult {
    switch (field.number) {
    case 1:
    case 2:
      if (failed(expect(field, WireType::Bytes)))
        return failure();
      return readTensorMessage(
          field.payload, field.number == 1 ? sparse.values : sparse.indices);
    case 3:
      return integers(field, [&](int64_t dim) { sparse.dims.push_back(dim); });
    default:
      return success();
    }
  };
  return fields(data, "a sparse tensor", onField);
}

LogicalResult Reader::readValueInfo(StringRef data, ValueInfo &info) {
  return fields(data, "a value", [&](const WireField &field) -> LogicalResult {
    switch (field.number) {
    case 1:
      return text(field, info.name);
    case 2:
      if (failed(expect(field, WireType::Bytes)))
        return failure();
      return readType(field.payload, info.type);
    default:
      return success();
    }
  });
}

LogicalResult Reader::readType(StringRef data, TypeInfo &type) {
  return fields(data, "a type", [&](const WireField &field) -> LogicalResult {
    switch (field.number) {
    case 1:
      type.kind = TypeInfo::Dense;
      break;
    case 4:
      type.kind = TypeInfo::Sequence;
      break;
    case 5:
      type.kind = TypeInfo::Map;
      break;
    case 8:
      type.kind = TypeInfo::Sparse;
      break;
    case 9:
      type.kind = TypeInfo::Optional;
      break;
    default:
      return success();
    }
    if (failed(expect(field, WireType::Bytes)))
      return failure();
    if (type.kind == TypeInfo::Dense || type.kind == TypeInfo::Sparse)
      return readTensorType(field.payload, type);
    return readElementType(field.payload, type);
  });
}

LogicalResult Reader::readTensorType(StringRef data, TypeInfo &type) {
  auto onField = [&](const WireField &field) -> LogicalResult {
    switch (field.number) {
    case 1:
      return integer(field, type.dataType);
    case 2:
      if (failed(expect(field, WireType::Bytes)))
        return failure();
      type.hasShape = true;
      return readShape(field.payload, type);
    default:
      return success();
    }
  };
  return fields(data, "a tensor type", onField);
}

LogicalResult Reader::readShape(StringRef data, TypeInfo &type) {
  auto onField = [&](const WireField &field) -> LogicalResult {
    if (field.number != 1)
      return success();
    if (failed(expect(field, WireType::Bytes)))
      return failure();
    Dimension dimension;
    auto onDimensionField = [&](const WireField &part) -> LogicalResult {
      if (part.number == 1) {
        dimension.kind = Dimension::Value;
        return integer(part, dimension.value);
      }
      if (part.number == 2) {
        dimension.kind = Dimension::Parameter;
        return text(part, dimension.parameter);
      }
      return success();
    };
    if (failed(fields(field.payload, "a dimension", onDimensionField)))
      return failure();
    type.dims.push_back(dimension);
    return success();
  };
  return fields(data, "a shape", onField);
}

// Sequence, optional and map share this: the element is field 1 of the first
// two, maps have the key's data type there and the value type in field 2.
LogicalResult Reader::readElementType(StringRef data, TypeInfo &type) {
  auto onField = [&](const WireField &field) -> LogicalResult {
    if (type.kind == TypeInfo::Map && field.number == 1)
      return integer(field, type.dataType);
    uint32_t elementField = type.kind == TypeInfo::Map ? 2 : 1;
    if (field.number != elementField)
      return success();
    if (failed(expect(field, WireType::Bytes)))
      return failure();
    type.element = std::make_unique<TypeInfo>();
    return readType(field.payload, *type.element);
  };
  return fields(data, "a type", onField);
}

LogicalResult Reader::readOpset(StringRef data, OpsetImport &opset) {
  auto onField = [&](const WireField &field) -> LogicalResult {
    switch (field.number) {
    case 1:
      return text(field, opset.domain);
    case 2:
      return integer(field, opset.version);
    default:
      return success();
    }
  };
  return fields(data, "an operator set", onField);
}

LogicalResult Reader::readFunction(StringRef data, Function &function) {
  auto onField = [&](const WireField &field) -> LogicalResult {
    StringRef value;
    switch (field.number) {
    case 1:
      return text(field, function.name);
    case 4:
    case 5:
    case 6:
      if (failed(text(field, value)))
        return failure();
      (field.number == 4   ? function.inputs
       : field.number == 5 ? function.outputs
                           : function.attributes)
          .push_back(value);
      return success();
    case 7:
      return message(field, function.nodes, &Reader::readNode);
    case 9:
      return message(field, function.opsets, &Reader::readOpset);
    case 10:
      return text(field, function.domain);
    case 11:
      return message(field, function.defaultAttributes, &Reader::readAttribute);
    case 12:
      return message(field, function.valueInfos, &Reader::readValueInfo);
    case 13:
      return text(field, function.overload);
    default:
      return success();
    }
  };
  return fields(data, "a function", onField);
}

LogicalResult Reader::readKeyValue(StringRef data, KeyValue &entry) {
  return fields(data, "a property", [&](const WireField &field) {
    if (field.number == 1)
      return text(field, entry.key);
    if (field.number == 2)
      return text(field, entry.value);
    return success();
  });
}

} // namespace

LogicalResult mercer::onnx::readModel(StringRef bytes, Model &model,
                                      Refusal &refusal) {
  if (failed(Reader(bytes, refusal).read(bytes, model)))
    return failure();
  if (!model.graph) {
    refusal = {2002, "the file holds no graph"};
    return failure();
  }
  return success();
}

LogicalResult mercer::onnx::readTensor(StringRef bytes, Tensor &tensor,
                                       Refusal &refusal) {
  return Reader(bytes, refusal).read(bytes, tensor);
}
