//===- Manifest.cpp - what an artifact says about itself ------------------===//

#include "compiler/pipelines/Manifest.h"

#include "dialects/mercer/IR/Mercer.h"
#include "passes/host/Passes.h"
#include "runtime/include/mercer/abi.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

#include <map>

using namespace mlir;
using namespace mercer;
namespace json = llvm::json;

#ifndef MERCER_VERSION
#error "the build defines MERCER_VERSION"
#endif

std::string mercer::manifestTypeName(Type type) {
  if (type.isIndex())
    return "int64";
  if (type.isInteger(1))
    return "bool";
  if (auto integer = dyn_cast<IntegerType>(type))
    return (Twine(integer.isUnsigned() ? "uint" : "int") +
            Twine(integer.getWidth()))
        .str();
  if (auto complex = dyn_cast<ComplexType>(type))
    return complex.getElementType().isF64() ? "complex128" : "complex64";
  return llvm::TypeSwitch<Type, std::string>(type)
      .Case<Float16Type>([](auto) { return "float16"; })
      .Case<BFloat16Type>([](auto) { return "bfloat16"; })
      .Case<Float32Type>([](auto) { return "float32"; })
      .Case<Float64Type>([](auto) { return "float64"; })
      .Case<Float8E4M3FNType>([](auto) { return "float8_e4m3fn"; })
      .Case<Float8E4M3FNUZType>([](auto) { return "float8_e4m3fnuz"; })
      .Case<Float8E5M2Type>([](auto) { return "float8_e5m2"; })
      .Case<Float8E5M2FNUZType>([](auto) { return "float8_e5m2fnuz"; })
      .Case<Float8E8M0FNUType>([](auto) { return "float8_e8m0fnu"; })
      .Case<Float4E2M1FNType>([](auto) { return "float4_e2m1fn"; })
      .Default([](auto) { return std::string(); });
}

/// One input or output. Dimensions without a symbol are distinct: an unnamed
/// input dimension gets a symbol of its own, an unnamed output dimension is
/// unknown.
static json::Object describe(MemRefType type, DictionaryAttr attrs,
                             StringRef fallback, bool isInput) {
  auto string = [&](StringRef key) -> std::string {
    auto attr = attrs ? attrs.getAs<StringAttr>(key) : StringAttr();
    return attr ? attr.getValue().str() : std::string();
  };
  std::string name = string("mercer.name");
  if (name.empty())
    name = fallback.str();
  std::string dtype = string("mercer.dtype");
  if (dtype.empty())
    dtype = manifestTypeName(type.getElementType());
  auto dims = attrs ? attrs.getAs<ArrayAttr>("mercer.dims") : ArrayAttr();
  json::Array shape;
  for (int64_t d = 0; d < type.getRank(); ++d) {
    if (!type.isDynamicDim(d)) {
      shape.push_back(type.getDimSize(d));
      continue;
    }
    std::string symbol;
    if (dims && d < static_cast<int64_t>(dims.size()))
      if (auto attr = dyn_cast<StringAttr>(dims[d]))
        symbol = attr.getValue().str();
    if (!symbol.empty())
      shape.push_back(symbol);
    else if (isInput)
      shape.push_back((name + "." + Twine(d)).str());
    else
      shape.push_back(nullptr);
  }
  return json::Object{
      {"name", name}, {"dtype", dtype}, {"shape", std::move(shape)}};
}

/// The session's buffers. They belong to the artifact: what one entry point
/// keeps, another one may read, so every entry lists all of them.
static json::Array describeStates(ModuleOp module) {
  std::map<int64_t, StateOp> states;
  module.walk([&](StateOp op) { states.try_emplace(op.getIndex(), op); });
  json::Array list;
  for (auto [index, op] : states) {
    json::Object state = describe(cast<MemRefType>(op.getType(0)),
                                  op->getDiscardableAttrDictionary(),
                                  ("state" + Twine(index)).str(), false);
    if (op.getAxis()) {
      // The default capacity stands in the growing dim.
      (*state.getArray("shape"))[*op.getAxis()] = *op.getCapacity();
      state["axis"] = *op.getAxis();
    }
    list.push_back(std::move(state));
  }
  return list;
}

ManifestBuilder::ManifestBuilder(ModuleOp module, int64_t packedBytes) {
  for (func::FuncOp function : module.getOps<func::FuncOp>()) {
    if (!isEntryPoint(function))
      continue;
    json::Array inputs, outputs;
    for (auto [index, type] : llvm::enumerate(function.getArgumentTypes()))
      if (auto buffer = dyn_cast<MemRefType>(type))
        inputs.push_back(describe(buffer, function.getArgAttrDict(index),
                                  ("input" + Twine(index)).str(), true));
    SmallVector<OutputOp> ops;
    function.walk([&](OutputOp op) { ops.push_back(op); });
    llvm::sort(ops, [](OutputOp x, OutputOp y) {
      return x.getIndex() < y.getIndex();
    });
    auto results = function->getAttrOfType<ArrayAttr>("mercer.results");
    for (OutputOp op : ops) {
      DictionaryAttr attrs;
      if (results && op.getIndex() < results.size())
        attrs = dyn_cast<DictionaryAttr>(results[op.getIndex()]);
      outputs.push_back(describe(cast<MemRefType>(op.getType()), attrs,
                                 ("output" + Twine(op.getIndex())).str(),
                                 false));
    }
    json::Value planned = 0;
    function.walk([&](ArenaOp arena) {
      auto type = cast<MemRefType>(arena.getType());
      planned = type.hasStaticShape() ? json::Value(type.getNumElements())
                                      : json::Value(nullptr);
    });
    entries.push_back(
        json::Object{{"name", function.getName().str()},
                     {"inputs", std::move(inputs)},
                     {"outputs", std::move(outputs)},
                     {"states", describeStates(module)},
                     {"aliases", json::Array()},
                     {"memory", json::Object{{"planned", std::move(planned)},
                                             {"packed", packedBytes}}}});
  }
}

void ManifestBuilder::addKernel(StringRef name, StringRef source) {
  kernels.push_back(
      json::Object{{"name", name.str()}, {"function", source.str()}});
}

void ManifestBuilder::addSites(ArrayAttr list,
                               function_ref<int64_t(StringRef)> firstIndex) {
  for (Attribute attr : list) {
    auto site = cast<DictionaryAttr>(attr);
    json::Array nodes;
    if (auto names = site.getAs<ArrayAttr>("nodes"))
      for (Attribute node : names)
        nodes.push_back(cast<StringAttr>(node).getValue().str());
    json::Object entry{
        {"kernel",
         firstIndex(site.getAs<FlatSymbolRefAttr>("kernel").getValue())},
        {"nodes", std::move(nodes)}};
    for (StringRef figure : {"flops", "bytes"})
      if (auto value = site.getAs<IntegerAttr>(figure))
        if (value.getInt() >= 0)
          entry[figure] = value.getInt();
    sites.push_back(std::move(entry));
  }
}

std::string ManifestBuilder::print(StringRef model, const TargetInfo &target,
                                   const TargetInfo &host,
                                   ArrayRef<std::string> deviceFeatures) {
  json::Array features;
  SmallVector<StringRef> names;
  llvm::SplitString(host.features, names, ",");
  for (StringRef name : names)
    if (name.consume_front("+"))
      features.push_back(name.str());
  json::Object where{{"kind", target.kind}, {"cpu", host.cpu}};
  if (target.isGpu())
    where["chip"] = target.cpu;
  json::Object manifest{{"abi_version", MERCER_ABI_VERSION},
                        {"compiler", MERCER_VERSION},
                        {"model", model.str()},
                        {"target", std::move(where)},
                        {"cpu_features", std::move(features)},
                        {"entries", std::move(entries)},
                        {"kernels", std::move(kernels)},
                        {"sites", std::move(sites)}};
  if (target.isGpu())
    manifest["device_features"] = json::Array(deviceFeatures);
  std::string text;
  llvm::raw_string_ostream(text) << json::Value(std::move(manifest));
  return text;
}
