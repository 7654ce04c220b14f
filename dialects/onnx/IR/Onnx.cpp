//===- Onnx.cpp - the onnx dialect ----------------------------------------===//

#include "dialects/onnx/IR/Onnx.h"

#include "dialects/mercer/IR/Mercer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::onnx;

#include "dialects/onnx/IR/OnnxDialect.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/onnx/IR/OnnxTypes.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/onnx/IR/OnnxOps.cpp.inc"

void OnnxDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/onnx/IR/OnnxTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/onnx/IR/OnnxOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// NodeOp: construction, assembly, verification
//===----------------------------------------------------------------------===//

void NodeOp::build(OpBuilder &builder, OperationState &state, TypeRange outputs,
                   StringRef opType, ValueRange inputs,
                   ArrayRef<NamedAttribute> attributes, StringRef domain,
                   int64_t opset, ArrayRef<StringRef> subgraphNames) {
  state.addOperands(inputs);
  state.addTypes(outputs);
  auto &properties = state.getOrAddProperties<Properties>();
  properties.op_type = builder.getStringAttr(opType);
  properties.domain = builder.getStringAttr(domain);
  properties.opset = builder.getI64IntegerAttr(opset);
  properties.node_attributes = builder.getDictionaryAttr(attributes);
  if (!subgraphNames.empty())
    properties.subgraph_names = builder.getStrArrayAttr(subgraphNames);
  for (size_t i = 0; i < subgraphNames.size(); ++i)
    state.addRegion();
}

// onnx.node "Op"(operands) [domain "d"] opset n [{attributes}]
//     [graphs("name" region, ...)] [attributes {discardable}] : function-type
void NodeOp::print(OpAsmPrinter &printer) {
  printer << ' ';
  printer.printAttributeWithoutType(getOpTypeAttr());
  printer << '(' << getInputs() << ')';
  if (!getDomain().empty()) {
    printer << " domain ";
    printer.printAttributeWithoutType(getDomainAttr());
  }
  printer << " opset " << getOpset();
  if (!getNodeAttributes().empty()) {
    printer << ' ';
    printer.printAttribute(getNodeAttributes());
  }
  if (!getSubgraphs().empty()) {
    printer << " graphs(";
    ArrayAttr names = getSubgraphNamesAttr();
    for (auto [index, region] : llvm::enumerate(getSubgraphs())) {
      if (index)
        printer << ", ";
      printer.printAttribute(names[index]);
      printer << ' ';
      printer.printRegion(region);
    }
    printer << ')';
  }
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getDiscardableAttrDictionary().getValue());
  printer << " : ";
  printer.printFunctionalType(*this);
}

ParseResult NodeOp::parse(OpAsmParser &parser, OperationState &state) {
  Builder &builder = parser.getBuilder();
  auto &properties = state.getOrAddProperties<Properties>();
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  SMLoc operandLoc;
  if (parser.parseAttribute(properties.op_type) ||
      parser.getCurrentLocation(&operandLoc) ||
      parser.parseOperandList(operands, OpAsmParser::Delimiter::Paren))
    return failure();

  properties.domain = builder.getStringAttr("");
  if (succeeded(parser.parseOptionalKeyword("domain")) &&
      parser.parseAttribute(properties.domain))
    return failure();

  int64_t opset = 0;
  if (parser.parseKeyword("opset") || parser.parseInteger(opset))
    return failure();
  properties.opset = builder.getI64IntegerAttr(opset);

  NamedAttrList attributes;
  if (parser.parseOptionalAttrDict(attributes))
    return failure();
  properties.node_attributes = attributes.getDictionary(builder.getContext());

  if (succeeded(parser.parseOptionalKeyword("graphs"))) {
    SmallVector<Attribute> names;
    auto parseSubgraph = [&]() -> ParseResult {
      StringAttr name;
      if (parser.parseAttribute(name))
        return failure();
      names.push_back(name);
      return parser.parseRegion(*state.addRegion());
    };
    if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren,
                                       parseSubgraph))
      return failure();
    properties.subgraph_names = builder.getArrayAttr(names);
  }

  FunctionType type;
  if (parser.parseOptionalAttrDictWithKeyword(state.attributes) ||
      parser.parseColonType(type) ||
      parser.resolveOperands(operands, type.getInputs(), operandLoc,
                             state.operands))
    return failure();
  state.addTypes(type.getResults());
  return success();
}

LogicalResult NodeOp::verify() {
  if (getOpType().empty())
    return emitOpError("expects a non-empty operator name");
  if (getDomain() == "ai.onnx")
    return emitOpError("expects the default domain to be written \"\", got "
                       "\"ai.onnx\"");
  size_t named = getSubgraphNamesAttr() ? getSubgraphNamesAttr().size() : 0;
  if (named != getSubgraphs().size())
    return emitOpError("expects one name per subgraph, got ")
           << named << " names for " << getSubgraphs().size() << " subgraphs";
  for (Region &region : getSubgraphs())
    if (region.empty() || region.front().empty() ||
        !isa<YieldOp>(region.front().back()))
      return emitOpError("expects each subgraph to end with onnx.yield");
  return success();
}

// Random operators without a fixed seed give a new value each time they are
// evaluated; everything else is a function of its operands.
void NodeOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  bool random = llvm::StringSwitch<bool>(getOpType())
                    .Cases({"RandomNormal", "RandomNormalLike", "RandomUniform",
                            "RandomUniformLike", "Multinomial", "Bernoulli"},
                           getDomain().empty())
                    .Default(false);
  if (random)
    effects.emplace_back(MemoryEffects::Read::get());
}

//===----------------------------------------------------------------------===//
// NodeOp: access to operands and attributes
//===----------------------------------------------------------------------===//

Value NodeOp::input(unsigned index) {
  if (index >= getInputs().size())
    return nullptr;
  Value value = getInputs()[index];
  return isa<AbsentType>(value.getType()) ? nullptr : value;
}

Value NodeOp::output(unsigned index) {
  return index < getOutputs().size() ? getOutputs()[index] : Value();
}

unsigned NodeOp::numPresentInputs() {
  unsigned count = getInputs().size();
  while (count && !input(count - 1))
    --count;
  return count;
}

ElementsAttr NodeOp::constantInput(unsigned index) {
  return constantValue(input(index));
}

std::optional<SmallVector<int64_t>> NodeOp::constantInts(unsigned index) {
  return mercer::onnx::constantInts(input(index));
}

std::optional<SmallVector<double>> NodeOp::constantFloats(unsigned index) {
  return mercer::onnx::constantFloats(input(index));
}

int64_t NodeOp::intAttr(StringRef name, int64_t fallback) {
  auto value = dyn_cast_if_present<IntegerAttr>(attr(name));
  return value ? value.getValue().getSExtValue() : fallback;
}

double NodeOp::floatAttr(StringRef name, double fallback) {
  auto value = dyn_cast_if_present<FloatAttr>(attr(name));
  return value ? value.getValueAsDouble() : fallback;
}

StringRef NodeOp::stringAttr(StringRef name, StringRef fallback) {
  auto value = dyn_cast_if_present<StringAttr>(attr(name));
  return value ? value.getValue() : fallback;
}

SmallVector<int64_t> NodeOp::intsAttr(StringRef name,
                                      ArrayRef<int64_t> fallback) {
  auto value = dyn_cast_if_present<DenseI64ArrayAttr>(attr(name));
  return llvm::to_vector(value ? value.asArrayRef() : fallback);
}

SmallVector<float> NodeOp::floatsAttr(StringRef name,
                                      ArrayRef<float> fallback) {
  auto value = dyn_cast_if_present<DenseF32ArrayAttr>(attr(name));
  return llvm::to_vector(value ? value.asArrayRef() : fallback);
}

SmallVector<StringRef> NodeOp::stringsAttr(StringRef name) {
  SmallVector<StringRef> strings;
  if (auto array = dyn_cast_if_present<ArrayAttr>(attr(name)))
    for (Attribute element : array)
      if (auto string = dyn_cast<StringAttr>(element))
        strings.push_back(string.getValue());
  return strings;
}

ElementsAttr NodeOp::tensorAttr(StringRef name) {
  return dyn_cast_if_present<ElementsAttr>(attr(name));
}

Region *NodeOp::subgraph(StringRef name) {
  ArrayAttr names = getSubgraphNamesAttr();
  if (!names)
    return nullptr;
  for (auto [index, candidate] : llvm::enumerate(names))
    if (cast<StringAttr>(candidate).getValue() == name)
      return &getSubgraphs()[index];
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Helpers on values and types
//===----------------------------------------------------------------------===//

NodeOp mercer::onnx::producer(Value value) {
  return value ? value.getDefiningOp<NodeOp>() : NodeOp();
}

NodeOp mercer::onnx::producer(Value value, StringRef opType, StringRef domain) {
  NodeOp node = producer(value);
  return node && node.is(opType, domain) ? node : NodeOp();
}

ElementsAttr mercer::onnx::constantValue(Value value) {
  ElementsAttr elements;
  if (value && matchPattern(value, m_Constant(&elements)))
    return elements;
  return nullptr;
}

std::optional<SmallVector<int64_t>> mercer::onnx::constantInts(Value value) {
  ElementsAttr elements = constantValue(value);
  if (!elements)
    return std::nullopt;
  auto type = dyn_cast<IntegerType>(elements.getElementType());
  auto range = elements.tryGetValues<APInt>();
  if (!type || !range)
    return std::nullopt;
  // bool is i1 and reads as 0 or 1, like the unsigned types.
  bool zeroExtend = type.isUnsigned() || type.getWidth() == 1;
  SmallVector<int64_t> values;
  for (const APInt &element : *range)
    values.push_back(zeroExtend ? static_cast<int64_t>(element.getZExtValue())
                                : element.getSExtValue());
  return values;
}

std::optional<SmallVector<double>> mercer::onnx::constantFloats(Value value) {
  ElementsAttr elements = constantValue(value);
  if (!elements || !isa<FloatType>(elements.getElementType()))
    return std::nullopt;
  auto range = elements.tryGetValues<APFloat>();
  if (!range)
    return std::nullopt;
  SmallVector<double> values;
  for (APFloat element : *range) {
    bool losesInfo;
    element.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                    &losesInfo);
    values.push_back(element.convertToDouble());
  }
  return values;
}

std::optional<double> mercer::onnx::constantScalar(Value value) {
  ElementsAttr elements = constantValue(value);
  if (!elements || (elements.getNumElements() != 1 && !elements.isSplat()))
    return std::nullopt;
  if (isa<FloatType>(elements.getElementType())) {
    APFloat element = *elements.value_begin<APFloat>();
    bool losesInfo;
    element.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                    &losesInfo);
    return element.convertToDouble();
  }
  auto type = dyn_cast<IntegerType>(elements.getElementType());
  if (!type)
    return std::nullopt;
  APInt element = *elements.value_begin<APInt>();
  bool zeroExtend = type.isUnsigned() || type.getWidth() == 1;
  return zeroExtend ? static_cast<double>(element.getZExtValue())
                    : static_cast<double>(element.getSExtValue());
}

bool mercer::onnx::isConstantLike(Value value) {
  Operation *op = value ? value.getDefiningOp() : nullptr;
  return op && (op->hasTrait<OpTrait::ConstantLike>() || isa<WeightOp>(op));
}

StringRef mercer::onnx::dtypeName(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type)) {
    bool isUnsigned = integer.isUnsigned();
    switch (integer.getWidth()) {
    case 1:
      return "bool";
    case 2:
      return isUnsigned ? "uint2" : "int2";
    case 4:
      return isUnsigned ? "uint4" : "int4";
    case 8:
      return isUnsigned ? "uint8" : "int8";
    case 16:
      return isUnsigned ? "uint16" : "int16";
    case 32:
      return isUnsigned ? "uint32" : "int32";
    case 64:
      return isUnsigned ? "uint64" : "int64";
    default:
      return "";
    }
  }
  if (auto complex = dyn_cast<ComplexType>(type)) {
    if (complex.getElementType().isF32())
      return "complex64";
    return complex.getElementType().isF64() ? "complex128" : "";
  }
  return llvm::TypeSwitch<Type, StringRef>(type)
      .Case<Float16Type>([](Type) { return "float16"; })
      .Case<BFloat16Type>([](Type) { return "bfloat16"; })
      .Case<Float32Type>([](Type) { return "float32"; })
      .Case<Float64Type>([](Type) { return "float64"; })
      .Case<Float8E4M3FNType>([](Type) { return "float8_e4m3fn"; })
      .Case<Float8E4M3FNUZType>([](Type) { return "float8_e4m3fnuz"; })
      .Case<Float8E5M2Type>([](Type) { return "float8_e5m2"; })
      .Case<Float8E5M2FNUZType>([](Type) { return "float8_e5m2fnuz"; })
      .Case<Float8E8M0FNUType>([](Type) { return "float8_e8m0fnu"; })
      .Case<Float4E2M1FNType>([](Type) { return "float4_e2m1fn"; })
      .Case<StringType>([](Type) { return "string"; })
      .Default([](Type) { return ""; });
}

Type mercer::onnx::elementType(Value value) {
  auto type = value ? dyn_cast<TensorType>(value.getType()) : TensorType();
  if (!type || isa<AnyType>(type.getElementType()))
    return nullptr;
  return type.getElementType();
}
