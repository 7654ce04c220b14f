//===- Importer.cpp - nodes, subgraphs, functions and constants -----------===//

#include "compiler/frontend/onnx/Importer.h"
#include "compiler/frontend/onnx/Convert.h"

#include "dialects/mercer/IR/Mercer.h"
#include "dialects/onnx/IR/Onnx.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::onnx;

namespace {

// Inlining local functions can multiply nodes without bound.
constexpr uint64_t kMaxNodes = 1'000'000;
constexpr unsigned kMaxCallDepth = 32;
constexpr unsigned kMaxGraphDepth = 32;

// Weights with more elements stay in their file. Integers up to the second
// bound are shapes, axes and indices that the compiler looks at.
constexpr uint64_t kMaxInlineElements = 64;
constexpr uint64_t kMaxInlineIntegers = 1024;

NodeAttribute::Kind kindOf(const NodeAttribute &attribute) {
  using A = NodeAttribute;
  if (attribute.kind != A::Undefined)
    return attribute.kind;
  // Before IR version 2 the kind was told by the field that is set.
  if (!attribute.floats.empty())
    return A::Floats;
  if (!attribute.ints.empty())
    return A::Ints;
  if (!attribute.strings.empty())
    return A::Strings;
  if (!attribute.tensors.empty())
    return A::TensorValue;
  if (!attribute.graphs.empty())
    return A::GraphValue;
  if (!attribute.s.empty())
    return A::String;
  return attribute.f != 0 ? A::Float : A::Int;
}

} // namespace

//===----------------------------------------------------------------------===//
// Diagnostics
//===----------------------------------------------------------------------===//

Location Importer::fileLocation(unsigned line) const {
  return FileLineColLoc::get(context, file, line, 0);
}

LogicalResult Importer::refuse(Location loc, int code, const Twine &message) {
  emitError(loc) << "[E" << code << "] " << message;
  return failure();
}

LogicalResult Importer::refuse(Location loc, const Twine &where,
                               const Refusal &refusal) {
  return refuse(loc, refusal.code, where + ": " + refusal.message);
}

//===----------------------------------------------------------------------===//
// Names and constants
//===----------------------------------------------------------------------===//

Value Importer::absent() {
  if (!none) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&function.front());
    auto op = NoneOp::create(builder, function.getLoc());
    none = op.getResult();
    if (!lastConstant)
      lastConstant = op;
  }
  return none;
}

Value Importer::constant(ElementsAttr value, Location loc) {
  OpBuilder::InsertionGuard guard(builder);
  if (lastConstant)
    builder.setInsertionPointAfter(lastConstant);
  else
    builder.setInsertionPointToStart(&function.front());
  auto op = arith::ConstantOp::create(builder, loc, cast<TypedAttr>(value));
  lastConstant = op;
  return op;
}

FailureOr<Value> Importer::constant(const Tensor &tensor, Location loc,
                                    const Twine &where) {
  Refusal refusal;
  uint64_t count = 0;
  if (failed(TensorStore::countElements(tensor.dims, count, refusal)))
    return refuse(loc, where, refusal);

  auto type = static_cast<DataType>(tensor.dataType);
  bool isInteger = type == DataType::Int64 || type == DataType::Int32;
  // A bool weight is a byte an element in the file and a bit in the type;
  // complex and string elements have no raw form to refer to.
  bool mustInline = type == DataType::Bool || type == DataType::String ||
                    type == DataType::Complex64 || type == DataType::Complex128;
  if (!mustInline &&
      count > (isInteger ? kMaxInlineIntegers : kMaxInlineElements)) {
    TensorElements elements;
    if (failed(store.locate(tensor, elements, refusal)))
      return refuse(loc, where, refusal);
    auto tensorType = RankedTensorType::get(
        tensor.dims, convertElementType(tensor.dataType, context));
    if (!elements.file)
      return constant(convertElements(elements.bytes, tensorType), loc);
    OpBuilder::InsertionGuard guard(builder);
    if (lastConstant)
      builder.setInsertionPointAfter(lastConstant);
    else
      builder.setInsertionPointToStart(&function.front());
    auto weight = WeightOp::create(builder, loc, tensorType, *elements.file,
                                   elements.offset, elements.bytes.size());
    lastConstant = weight;
    return weight.getResult();
  }
  FailureOr<ElementsAttr> value =
      convertTensor(tensor, store, context, refusal);
  if (failed(value))
    return refuse(loc, where, refusal);
  return constant(*value, loc);
}

FailureOr<Value> Importer::lookup(StringRef name, Scope &scope, Location loc,
                                  const Twine &where) {
  for (Scope *current = &scope; current; current = current->parent) {
    auto found = current->names.find(name);
    if (found == current->names.end())
      continue;
    Binding &binding = found->second;
    if (binding.value)
      return binding.value;
    Location constantLoc =
        NameLoc::get(StringAttr::get(context, name), fileLocation());
    if (binding.tensor) {
      FailureOr<Value> value =
          constant(*binding.tensor, constantLoc, "initializer '" + name + "'");
      if (failed(value))
        return failure();
      return binding.value = *value;
    }
    Refusal refusal;
    FailureOr<ElementsAttr> value =
        convertSparse(*binding.sparse, store, context, refusal);
    if (failed(value))
      return refuse(constantLoc, "sparse initializer '" + name + "'", refusal);
    return binding.value = constant(*value, constantLoc);
  }
  for (Scope *current = &scope; current; current = current->parent)
    if (const Node *later = current->definitions.lookup(name))
      return refuse(loc, 2007,
                    where + ": input '" + name + "' is used before node '" +
                        later->name + "' (" + later->opType +
                        ") defines it; the graph has a cycle or is not in "
                        "topological order");
  return refuse(loc, 2007, where + ": input '" + name + "' is not defined");
}

LogicalResult Importer::define(StringRef name, Value value, Scope &scope,
                               Location loc, const Twine &where) {
  if (name.empty())
    return success();
  if (!scope.names.try_emplace(name, Binding{value}).second)
    return refuse(loc, 2007, where + ": '" + name + "' is defined twice");
  return success();
}

Type Importer::hint(StringRef name, Scope &scope, Type fallback) {
  const TypeInfo *info = scope.types.lookup(name);
  if (!info || info->kind == TypeInfo::None)
    return fallback;
  Type type = convertType(fixType("", *info), context);
  auto tensor = dyn_cast_if_present<TensorType>(type);
  if (!type || (tensor && isa<AnyType>(tensor.getElementType())))
    return fallback;
  return type;
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

LogicalResult Importer::declare(const Graph &graph, Scope &scope) {
  for (const Tensor &tensor : graph.initializers) {
    Binding binding;
    binding.tensor = &tensor;
    if (tensor.name.empty())
      return refuse(fileLocation(), 2007, "an initializer has no name");
    if (!scope.names.try_emplace(tensor.name, binding).second)
      return refuse(fileLocation(), 2007,
                    "initializer '" + tensor.name + "' is defined twice");
  }
  for (const SparseTensor &sparse : graph.sparseInitializers) {
    Binding binding;
    binding.sparse = &sparse;
    if (!scope.names.try_emplace(sparse.values.name, binding).second)
      return refuse(fileLocation(), 2007,
                    "initializer '" + sparse.values.name +
                        "' is defined twice");
  }
  for (const ValueInfo &info : graph.valueInfos)
    scope.types[info.name] = &info.type;
  for (const ValueInfo &info : graph.outputs)
    scope.types[info.name] = &info.type;
  return success();
}

LogicalResult Importer::importNodes(ArrayRef<Node> nodes, Scope &scope,
                                    const Frame *frame) {
  for (const Node &node : nodes)
    for (StringRef output : node.outputs)
      if (!output.empty())
        scope.definitions.try_emplace(output, &node);
  for (auto [index, node] : llvm::enumerate(nodes))
    if (failed(importNode(node, index, scope, frame)))
      return failure();
  return success();
}

LogicalResult Importer::importSubgraph(const Graph &graph, Region &region,
                                       Scope &parent, const Frame *frame,
                                       Location loc, const Twine &where) {
  if (graphDepth >= kMaxGraphDepth)
    return refuse(loc, 2002,
                  where + ": subgraphs nest deeper than " +
                      Twine(kMaxGraphDepth) + " levels");
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.createBlock(&region);
  Scope scope;
  scope.parent = &parent;
  if (failed(declare(graph, scope)))
    return failure();
  for (const ValueInfo &input : graph.inputs) {
    Type type = convertType(input.type, context);
    if (!type)
      return refuse(loc, 2004,
                    where + ": input '" + input.name + "' has an unknown type");
    // A constant in the subgraph that is also its input is the input's default,
    // which the operators that have subgraphs always override.
    Value argument = block->addArgument(type, loc);
    scope.names[input.name] = Binding{argument};
  }
  ++graphDepth;
  LogicalResult imported = importNodes(graph.nodes, scope, frame);
  --graphDepth;
  if (failed(imported))
    return failure();
  SmallVector<Value> results;
  for (const ValueInfo &output : graph.outputs) {
    FailureOr<Value> value =
        lookup(output.name, scope, loc, where + ": output of its subgraph");
    if (failed(value))
      return failure();
    results.push_back(*value);
  }
  YieldOp::create(builder, loc, results);
  return success();
}

//===----------------------------------------------------------------------===//
// Nodes
//===----------------------------------------------------------------------===//

std::optional<int64_t> Importer::opsetOf(StringRef domain,
                                         const Frame *frame) const {
  auto find = [&](ArrayRef<OpsetImport> imports) -> std::optional<int64_t> {
    for (const OpsetImport &import : imports)
      if (normalDomain(import.domain) == domain)
        return import.version;
    return std::nullopt;
  };
  if (frame && frame->function)
    if (std::optional<int64_t> version = find(frame->function->opsets))
      return version;
  return find(model.opsets);
}

LogicalResult Importer::importNode(const Node &node, size_t index, Scope &scope,
                                   const Frame *frame) {
  // A node without a name is known by its first result.
  StringRef name = node.name;
  for (StringRef output : node.outputs)
    if (name.empty())
      name = output;
  Location loc =
      NameLoc::get(StringAttr::get(context, name), fileLocation(index + 1));
  std::string where =
      ("node " + Twine(index) + " '" + name + "' (" + node.opType + ")").str();

  if (++importedNodes > kMaxNodes)
    return refuse(loc, 2002,
                  where + ": the model has more than " + Twine(kMaxNodes) +
                      " nodes");
  if (node.opType.empty())
    return refuse(loc, 2002, where + ": it names no operator");
  StringRef domain = normalDomain(node.domain);
  std::optional<int64_t> opset = opsetOf(domain, frame);
  if (!opset && domain.empty())
    return refuse(loc, 2005,
                  where + ": the model imports no version of the default "
                          "operator set");

  SmallVector<Value> inputs;
  for (StringRef input : node.inputs) {
    if (input.empty()) {
      inputs.push_back(absent());
      continue;
    }
    FailureOr<Value> value = lookup(input, scope, loc, where);
    if (failed(value))
      return failure();
    inputs.push_back(*value);
  }
  while (!inputs.empty() && isa<AbsentType>(inputs.back().getType()))
    inputs.pop_back();

  // Attributes of a function's node may refer to those of the call.
  SmallVector<const NodeAttribute *> attributes;
  SmallVector<StringRef> attributeNames;
  for (const NodeAttribute &attribute : node.attributes) {
    if (llvm::is_contained(attributeNames, attribute.name))
      return refuse(loc, 2008,
                    where + ": attribute '" + attribute.name +
                        "' is given twice");
    if (attribute.name.empty())
      return refuse(loc, 2008, where + ": an attribute has no name");
    const NodeAttribute *value = &attribute;
    if (!attribute.refName.empty()) {
      if (!frame || !frame->function)
        return refuse(loc, 2008,
                      where + ": attribute '" + attribute.name +
                          "' refers to an attribute of a function "
                          "outside of functions");
      value = frame->attributes.lookup(attribute.refName);
      if (!value)
        continue; // absent in the call: the operator's default holds
    }
    attributeNames.push_back(attribute.name);
    attributes.push_back(value);
  }

  auto callee =
      functions.find(functionKey(node.domain, node.opType, node.overload));
  if (callee != functions.end())
    return inlineCall(node, *callee->second, inputs, attributes, scope, frame,
                      loc, where);

  if (node.opType == "Constant" && domain.empty()) {
    if (node.outputs.size() != 1 || !node.inputs.empty())
      return refuse(loc, 2002, where + ": it needs no input and one output");
    FailureOr<Value> value = importConstantNode(attributes, loc, where);
    if (failed(value))
      return failure();
    return define(node.outputs.front(), *value, scope, loc, where);
  }

  SmallVector<NamedAttribute> converted;
  SmallVector<const Graph *> graphs;
  SmallVector<StringRef> graphNames;
  for (auto [attributeName, attribute] :
       llvm::zip_equal(attributeNames, attributes)) {
    if (kindOf(*attribute) == NodeAttribute::GraphValue) {
      if (attribute->graphs.size() != 1)
        return refuse(loc, 2008,
                      where + ": attribute '" + attributeName +
                          "' holds no graph");
      graphs.push_back(&attribute->graphs.front());
      graphNames.push_back(attributeName);
      continue;
    }
    FailureOr<mlir::Attribute> value = convertAttribute(
        *attribute, loc, where + ": attribute '" + attributeName + "'");
    if (failed(value))
      return failure();
    converted.emplace_back(StringAttr::get(context, attributeName), *value);
  }

  size_t numResults = node.outputs.size();
  while (numResults && node.outputs[numResults - 1].empty())
    --numResults;
  SmallVector<Type> inputTypes;
  for (Value input : inputs)
    inputTypes.push_back(input.getType());
  SmallVector<Type> types = guessResultTypes(
      node.opType, domain, builder.getDictionaryAttr(converted), inputTypes,
      numResults, context);
  for (size_t i = 0; i < numResults; ++i)
    if (!node.outputs[i].empty())
      types[i] = hint(node.outputs[i], scope, types[i]);

  auto op = NodeOp::create(builder, loc, types, node.opType, inputs, converted,
                           domain, opset.value_or(1), graphNames);
  for (auto [graph, region] : llvm::zip_equal(graphs, op.getSubgraphs()))
    if (failed(importSubgraph(*graph, region, scope, frame, loc, where)))
      return failure();
  for (size_t i = 0; i < numResults; ++i)
    if (failed(define(node.outputs[i], op.getOutputs()[i], scope, loc, where)))
      return failure();
  return success();
}

LogicalResult Importer::inlineCall(const Node &node, const Function &callee,
                                   ArrayRef<Value> inputs,
                                   ArrayRef<const NodeAttribute *> attributes,
                                   Scope &scope, const Frame *frame,
                                   Location loc, const Twine &where) {
  unsigned depth = frame ? frame->depth + 1 : 1;
  if (depth > kMaxCallDepth)
    return refuse(loc, 2007,
                  where + ": functions call each other deeper than " +
                      Twine(kMaxCallDepth) + " levels");
  for (const Frame *caller = frame; caller; caller = caller->caller)
    if (caller->function == &callee)
      return refuse(loc, 2007, where + ": the function calls itself");
  if (inputs.size() > callee.inputs.size())
    return refuse(loc, 2002,
                  where + ": the function takes " +
                      Twine(callee.inputs.size()) + " inputs, got " +
                      Twine(inputs.size()));
  if (node.outputs.size() > callee.outputs.size())
    return refuse(loc, 2002,
                  where + ": the function gives " +
                      Twine(callee.outputs.size()) + " outputs, got " +
                      Twine(node.outputs.size()));
  Frame inner;
  inner.function = &callee;
  inner.caller = frame;
  inner.depth = depth;
  for (const NodeAttribute &attribute : callee.defaultAttributes)
    inner.attributes[attribute.name] = &attribute;
  // The values were resolved in the caller's frame; their names are the
  // caller's, in the order of its attributes without the absent ones.
  size_t position = 0;
  for (const NodeAttribute &attribute : node.attributes) {
    bool isAbsent = !attribute.refName.empty() &&
                    !(frame && frame->attributes.count(attribute.refName));
    if (!isAbsent)
      inner.attributes[attribute.name] = attributes[position++];
  }

  Scope body;
  for (const ValueInfo &info : callee.valueInfos)
    body.types[info.name] = &info.type;
  for (auto [i, name] : llvm::enumerate(callee.inputs))
    if (failed(define(name, i < inputs.size() ? inputs[i] : absent(), body, loc,
                      where)))
      return failure();
  if (failed(importNodes(callee.nodes, body, &inner)))
    return failure();
  for (auto [i, name] : llvm::enumerate(node.outputs)) {
    if (name.empty())
      continue;
    FailureOr<Value> value =
        lookup(callee.outputs[i], body, loc, where + ": output");
    if (failed(value) || failed(define(name, *value, scope, loc, where)))
      return failure();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

FailureOr<mlir::Attribute>
Importer::convertAttribute(const NodeAttribute &attribute, Location loc,
                           const Twine &where) {
  using A = NodeAttribute;
  Refusal refusal;
  switch (kindOf(attribute)) {
  case A::Float:
    return mlir::Attribute(builder.getF32FloatAttr(attribute.f));
  case A::Int:
    return mlir::Attribute(builder.getI64IntegerAttr(attribute.i));
  case A::String:
    return mlir::Attribute(builder.getStringAttr(attribute.s));
  case A::Floats:
    return mlir::Attribute(builder.getDenseF32ArrayAttr(attribute.floats));
  case A::Ints:
    return mlir::Attribute(builder.getDenseI64ArrayAttr(attribute.ints));
  case A::Strings: {
    SmallVector<mlir::Attribute> strings;
    for (StringRef string : attribute.strings)
      strings.push_back(builder.getStringAttr(string));
    return mlir::Attribute(builder.getArrayAttr(strings));
  }
  case A::TensorValue:
  case A::Tensors: {
    SmallVector<mlir::Attribute> tensors;
    for (const Tensor &tensor : attribute.tensors) {
      FailureOr<ElementsAttr> value =
          convertTensor(tensor, store, context, refusal);
      if (failed(value))
        return refuse(loc, where, refusal);
      tensors.push_back(*value);
    }
    if (kindOf(attribute) == A::Tensors)
      return mlir::Attribute(builder.getArrayAttr(tensors));
    if (tensors.size() != 1)
      return refuse(loc, 2008, where + ": it holds no tensor");
    return tensors.front();
  }
  case A::Sparse: {
    if (attribute.sparseTensors.size() != 1)
      return refuse(loc, 2008, where + ": it holds no tensor");
    FailureOr<ElementsAttr> value =
        convertSparse(attribute.sparseTensors.front(), store, context, refusal);
    if (failed(value))
      return refuse(loc, where, refusal);
    return mlir::Attribute(*value);
  }
  case A::Type: {
    Type type = attribute.types.size() == 1
                    ? convertType(attribute.types.front(), context)
                    : Type();
    if (!type)
      return refuse(loc, 2008, where + ": it holds no type");
    return mlir::Attribute(TypeAttr::get(type));
  }
  case A::Undefined:
  case A::GraphValue:
  case A::Graphs:
  case A::SparseTensors:
  case A::Types:
    break;
  }
  return refuse(loc, 2008, where + ": its type is not supported");
}

FailureOr<Value>
Importer::importConstantNode(ArrayRef<const NodeAttribute *> attributes,
                             Location loc, const Twine &where) {
  using A = NodeAttribute;
  if (attributes.size() != 1)
    return refuse(loc, 2008,
                  where + ": expects one value, got " +
                      Twine(attributes.size()));
  const A &attribute = *attributes.front();
  // Tensors first: they need not be copied.
  if (kindOf(attribute) == A::TensorValue && attribute.tensors.size() == 1)
    return constant(attribute.tensors.front(), loc, where);

  FailureOr<mlir::Attribute> value = convertAttribute(attribute, loc, where);
  if (failed(value))
    return failure();
  if (auto elements = dyn_cast<ElementsAttr>(*value);
      elements && isa<RankedTensorType>(elements.getType()))
    return constant(elements, loc);
  auto scalar = [&](Type element) {
    return RankedTensorType::get({}, element);
  };
  auto list = [&](size_t size, Type element) {
    return RankedTensorType::get({static_cast<int64_t>(size)}, element);
  };
  Type string = StringType::get(context);
  switch (kindOf(attribute)) {
  case A::Float:
    return constant(DenseElementsAttr::get(scalar(builder.getF32Type()),
                                           ArrayRef<float>(attribute.f)),
                    loc);
  case A::Int:
    return constant(DenseElementsAttr::get(scalar(builder.getI64Type()),
                                           ArrayRef<int64_t>(attribute.i)),
                    loc);
  case A::String:
    return constant(DenseStringElementsAttr::get(scalar(string), {attribute.s}),
                    loc);
  case A::Floats:
    return constant(DenseElementsAttr::get(
                        list(attribute.floats.size(), builder.getF32Type()),
                        ArrayRef<float>(attribute.floats)),
                    loc);
  case A::Ints:
    return constant(DenseElementsAttr::get(
                        list(attribute.ints.size(), builder.getI64Type()),
                        ArrayRef<int64_t>(attribute.ints)),
                    loc);
  case A::Strings:
    return constant(
        DenseStringElementsAttr::get(list(attribute.strings.size(), string),
                                     attribute.strings),
        loc);
  default:
    return refuse(loc, 2008, where + ": its value has an unsupported type");
  }
}
