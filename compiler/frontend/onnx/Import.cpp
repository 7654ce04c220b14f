//===- Import.cpp - the main graph, its inputs and outputs ----------------===//

#include "compiler/frontend/onnx/Import.h"
#include "compiler/frontend/onnx/Convert.h"
#include "compiler/frontend/onnx/Importer.h"

#include "dialects/mercer/IR/Mercer.h"
#include "dialects/onnx/IR/Onnx.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::onnx;

namespace {
constexpr int64_t kMaxIRVersion = 13;
constexpr int64_t kMinOpset = 7;
constexpr int64_t kMaxOpset = 27;
} // namespace

Importer::Importer(const Model &model, TensorStore &store, StringRef file,
                   const ImportOptions &options, MLIRContext *context)
    : model(model), store(store), file(file), options(options),
      context(context), builder(context) {}

LogicalResult Importer::checkVersions() {
  if (model.irVersion < 1 || model.irVersion > kMaxIRVersion)
    return refuse(fileLocation(), 2002,
                  "IR version " + Twine(model.irVersion) +
                      " is not supported, expected 1 to " +
                      Twine(kMaxIRVersion));
  llvm::DenseSet<StringRef> seen;
  for (const OpsetImport &import : model.opsets) {
    StringRef domain = normalDomain(import.domain);
    bool isDefault = domain.empty();
    if (isDefault && (import.version < kMinOpset || import.version > kMaxOpset))
      return refuse(fileLocation(), 2005,
                    "operator set " + Twine(import.version) +
                        " of the default domain is not supported, expected " +
                        Twine(kMinOpset) + " to " + Twine(kMaxOpset));
    if (!seen.insert(domain).second)
      return refuse(fileLocation(), 2002,
                    "domain '" + import.domain + "' is imported twice");
  }
  return success();
}

LogicalResult Importer::indexFunctions() {
  for (const Function &local : model.functions) {
    std::string key = functionKey(local.domain, local.name, local.overload);
    if (!functions.try_emplace(key, &local).second)
      return refuse(fileLocation(), 2007,
                    "function '" + local.name + "' is defined twice");
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Shapes of inputs and outputs
//===----------------------------------------------------------------------===//

// "?" is what some exporters write for a size they do not know; two of them
// need not be equal.
static bool isSymbol(const Dimension &dim) {
  return dim.kind == Dimension::Parameter && !dim.parameter.empty() &&
         dim.parameter != "?";
}

LogicalResult Importer::fixShapes(ArrayRef<const ValueInfo *> inputs) {
  for (const auto &option : options.shapes) {
    const std::string &name = option.first;
    const std::vector<int64_t> &shape = option.second;
    const auto *found = llvm::find_if(
        inputs, [&](const ValueInfo *input) { return input->name == name; });
    if (found == inputs.end())
      return refuse(fileLocation(), 1004,
                    "no input is named '" + Twine(name) + "'");
    const TypeInfo &type = (*found)->type;
    if (type.kind != TypeInfo::Dense)
      return refuse(fileLocation(), 1005,
                    "input '" + Twine(name) + "' is no tensor");
    if (type.hasShape && type.dims.size() != shape.size())
      return refuse(fileLocation(), 1005,
                    "input '" + Twine(name) + "' has rank " +
                        Twine(type.dims.size()) + ", the given shape has " +
                        Twine(shape.size()));
    uint64_t count;
    Refusal refusal;
    if (failed(TensorStore::countElements(shape, count, refusal)))
      return refuse(fileLocation(), 1005,
                    "shape given for input '" + Twine(name) +
                        "': " + refusal.message);
    for (size_t i = 0; i < type.dims.size(); ++i) {
      const Dimension &dim = type.dims[i];
      int64_t size = dim.value;
      if (isSymbol(dim))
        size = fixedSymbols.try_emplace(dim.parameter, shape[i]).first->second;
      else if (dim.kind != Dimension::Value || dim.value < 0)
        continue;
      if (size != shape[i])
        return refuse(fileLocation(), 1005,
                      "size " + Twine(i) + " of input '" + Twine(name) +
                          "' is " + Twine(size) + ", the given shape has " +
                          Twine(shape[i]));
    }
    if (!fixedInputs.try_emplace(name, shape).second)
      return refuse(fileLocation(), 1007,
                    "two shapes are given for input '" + Twine(name) + "'");
  }
  return success();
}

TypeInfo Importer::fixType(StringRef name, const TypeInfo &type) {
  TypeInfo fixed;
  fixed.kind = type.kind;
  fixed.dataType = type.dataType;
  fixed.hasShape = type.hasShape;
  fixed.dims = type.dims;
  if (type.element)
    fixed.element = std::make_unique<TypeInfo>(fixType("", *type.element));
  auto shape = name.empty() ? fixedInputs.end() : fixedInputs.find(name);
  if (shape != fixedInputs.end()) {
    fixed.hasShape = true;
    fixed.dims.clear();
    for (int64_t size : shape->second) {
      Dimension dim;
      dim.kind = Dimension::Value;
      dim.value = size;
      fixed.dims.push_back(dim);
    }
    return fixed;
  }
  for (Dimension &dim : fixed.dims) {
    if (!isSymbol(dim))
      continue;
    auto symbol = fixedSymbols.find(dim.parameter);
    if (symbol == fixedSymbols.end())
      continue;
    dim.kind = Dimension::Value;
    dim.value = symbol->second;
  }
  return fixed;
}

NamedAttrList Importer::describe(StringRef name, Type type,
                                 const TypeInfo *info) {
  NamedAttrList attributes;
  attributes.append("mercer.name", builder.getStringAttr(name));
  if (auto tensor = dyn_cast<TensorType>(type)) {
    StringRef dtype = dtypeName(tensor.getElementType());
    if (!dtype.empty())
      attributes.append("mercer.dtype", builder.getStringAttr(dtype));
  }
  if (info && info->hasShape) {
    SmallVector<StringRef> symbols;
    for (const Dimension &dim : info->dims)
      symbols.push_back(isSymbol(dim) ? dim.parameter : StringRef());
    attributes.append("mercer.dims", builder.getStrArrayAttr(symbols));
  }
  return attributes;
}

//===----------------------------------------------------------------------===//
// Main graph
//===----------------------------------------------------------------------===//

LogicalResult Importer::importInputs(const Graph &graph, Scope &scope) {
  SmallVector<const ValueInfo *> inputs;
  llvm::DenseSet<StringRef> seen;
  for (const ValueInfo &input : graph.inputs) {
    if (input.name.empty() || !seen.insert(input.name).second)
      return refuse(fileLocation(), 2007,
                    input.name.empty()
                        ? Twine("an input of the graph has no name")
                        : "input '" + input.name + "' is defined twice");
    // Up to IR version 3 every initializer is listed as an input too.
    if (!scope.names.count(input.name))
      inputs.push_back(&input);
  }
  if (failed(fixShapes(inputs)))
    return failure();

  Block &entry = function.front();
  SmallVector<Type> types;
  SmallVector<DictionaryAttr> attributes;
  for (const ValueInfo *input : inputs) {
    std::string where = ("input '" + input->name + "'").str();
    TypeInfo info = fixType(input->name, input->type);
    for (const Dimension &dim : info.dims)
      if (dim.kind == Dimension::Value && dim.value < -1)
        return refuse(fileLocation(), 2009,
                      where + ": size " + Twine(dim.value) + " is negative");
    SmallVector<int64_t> sizes;
    for (const Dimension &dim : info.dims)
      sizes.push_back(dim.kind == Dimension::Value && dim.value >= 0 ? dim.value
                                                                     : 1);
    uint64_t count;
    Refusal refusal;
    if (failed(TensorStore::countElements(sizes, count, refusal)))
      return refuse(fileLocation(), where, refusal);
    Type type = convertType(info, context);
    if (!type || info.kind == TypeInfo::None ||
        (info.kind == TypeInfo::Dense && info.dataType == 0))
      return refuse(fileLocation(), 2004,
                    where + ": its type is missing or unknown");
    if (info.kind == TypeInfo::Dense && !info.hasShape)
      return refuse(fileLocation(), 2009,
                    where + ": its rank is unknown; give --shape=" +
                        input->name + "=...");
    Value argument = entry.addArgument(
        type, NameLoc::get(builder.getStringAttr(input->name), fileLocation()));
    scope.names[input->name] = Binding{argument};
    types.push_back(type);
    attributes.push_back(
        describe(input->name, type, &info).getDictionary(context));
  }
  function.setFunctionType(builder.getFunctionType(types, {}));
  function.setAllArgAttrs(attributes);
  return success();
}

LogicalResult Importer::importOutputs(const Graph &graph, Scope &scope) {
  struct Output {
    StringRef name;
    const TypeInfo *type;
  };
  SmallVector<Output> outputs;
  for (const ValueInfo &output : graph.outputs)
    outputs.push_back({output.name, &output.type});
  for (const std::string &name : options.outputs)
    if (llvm::none_of(
            outputs, [&](const Output &output) { return output.name == name; }))
      outputs.push_back({name, scope.types.lookup(name)});
  if (outputs.empty())
    return refuse(fileLocation(), 2007, "the graph has no output");

  SmallVector<Value> values;
  SmallVector<Type> types;
  SmallVector<DictionaryAttr> attributes;
  for (auto [index, output] : llvm::enumerate(outputs)) {
    bool asked = index >= graph.outputs.size();
    if (asked && !scope.names.count(output.name))
      return refuse(fileLocation(), 1004,
                    "no tensor of the main graph is named '" + output.name +
                        "'");
    FailureOr<Value> value =
        lookup(output.name, scope, fileLocation(), "output of the graph");
    if (failed(value))
      return failure();
    if (isa<AbsentType>(value->getType()))
      return refuse(fileLocation(), 2007,
                    "output '" + output.name + "' is an absent value");
    values.push_back(*value);
    types.push_back(value->getType());
    std::optional<TypeInfo> info;
    if (output.type)
      info = fixType("", *output.type);
    attributes.push_back(
        describe(output.name, value->getType(), info ? &*info : nullptr)
            .getDictionary(context));
  }
  func::ReturnOp::create(builder, fileLocation(), values);
  function.setFunctionType(
      builder.getFunctionType(function.front().getArgumentTypes(), types));
  function.setAllResultAttrs(attributes);
  return success();
}

FailureOr<OwningOpRef<ModuleOp>> Importer::run() {
  context->loadDialect<MercerDialect, OnnxDialect, func::FuncDialect,
                       arith::ArithDialect>();
  if (failed(checkVersions()) || failed(indexFunctions()))
    return failure();
  OwningOpRef<ModuleOp> module = ModuleOp::create(fileLocation());
  (*module)->setAttr("mercer.model", builder.getStringAttr(file));
  builder.setInsertionPointToEnd(module->getBody());
  function = func::FuncOp::create(builder, fileLocation(), "main",
                                  builder.getFunctionType({}, {}));
  builder.setInsertionPointToEnd(function.addEntryBlock());

  Scope scope;
  const Graph &graph = *model.graph;
  if (failed(declare(graph, scope)) || failed(importInputs(graph, scope)) ||
      failed(importNodes(graph.nodes, scope, nullptr)) ||
      failed(importOutputs(graph, scope)) || failed(verify(*module)))
    return failure();
  return module;
}

static FailureOr<OwningOpRef<ModuleOp>> import(TensorStore &store,
                                               StringRef name,
                                               const ImportOptions &options,
                                               MLIRContext *context) {
  Model model;
  Refusal refusal;
  if (failed(readModel(store.modelBytes(), model, refusal))) {
    emitError(FileLineColLoc::get(context, name, 0, 0))
        << "[E" << refusal.code << "] " << refusal.message;
    return failure();
  }
  return Importer(model, store, name, options, context).run();
}

FailureOr<OwningOpRef<ModuleOp>>
mercer::importOnnx(StringRef path, const ImportOptions &options,
                   MLIRContext *context) {
  TensorStore store;
  Refusal refusal;
  if (failed(store.open(path, refusal))) {
    emitError(FileLineColLoc::get(context, path, 0, 0))
        << "[E" << refusal.code << "] " << refusal.message;
    return failure();
  }
  return import(store, path, options, context);
}

FailureOr<OwningOpRef<ModuleOp>>
mercer::importOnnxBytes(StringRef bytes, StringRef name,
                        const ImportOptions &options, MLIRContext *context) {
  TensorStore store;
  store.openBytes(bytes);
  return import(store, name, options, context);
}
