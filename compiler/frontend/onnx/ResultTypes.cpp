//===- ResultTypes.cpp - result types that operators tell by themselves ---===//
//
// Models state the types of inputs and outputs, and rarely those in between.
// Raising and diagnostics read better with element types, so the operators
// whose result type differs from that of their first operand are listed here.
//
//===----------------------------------------------------------------------===//

#include "compiler/frontend/onnx/Convert.h"

#include "dialects/onnx/IR/Onnx.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace mercer::onnx;

namespace {

enum class Rule {
  FirstOperand,
  SecondOperand,
  ThirdOperand,
  Int64,
  Bool,
  ToAttribute,    // data type number in attribute "to" or "dtype"
  DtypeAttribute, // the same, with float32 if absent
  ValueAttribute, // element type of attribute "value", with float32 if absent
  Float32,
  Unknown,
};

Rule ruleOf(StringRef opType, StringRef domain) {
  if (domain == NodeOp::kMLDomain)
    return llvm::StringSwitch<Rule>(opType)
        .Cases({"Scaler", "Normalizer", "LinearRegressor", "SVMRegressor",
                "TreeEnsembleRegressor", "Imputer"},
               Rule::Float32)
        .Cases({"ArrayFeatureExtractor", "Binarizer", "TreeEnsemble"},
               Rule::FirstOperand)
        .Default(Rule::Unknown);
  if (!domain.empty())
    return Rule::Unknown;
  return llvm::StringSwitch<Rule>(opType)
      .Cases({"Shape", "Size", "NonZero", "ArgMax", "ArgMin"}, Rule::Int64)
      .Cases({"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual",
              "And", "Or", "Xor", "Not", "IsNaN", "IsInf",
              "OptionalHasElement"},
             Rule::Bool)
      .Cases({"Cast", "BitCast"}, Rule::ToAttribute)
      .Cases({"RandomNormal", "RandomUniform", "HannWindow", "HammingWindow",
              "BlackmanWindow"},
             Rule::DtypeAttribute)
      .Case("ConstantOfShape", Rule::ValueAttribute)
      .Cases({"Where", "CastLike", "DequantizeLinear"}, Rule::SecondOperand)
      .Cases({"QuantizeLinear", "OneHot"}, Rule::ThirdOperand)
      .Cases({"ConvInteger",
              "MatMulInteger",
              "DynamicQuantizeLinear",
              "QLinearConv",
              "QLinearMatMul",
              "If",
              "Loop",
              "Scan",
              "SplitToSequence",
              "SequenceAt",
              "SequenceConstruct",
              "ConcatFromSequence",
              "SequenceEmpty",
              "SequenceInsert",
              "SequenceErase",
              "SequenceLength",
              "SequenceMap",
              "Optional",
              "OptionalGetElement",
              "Multinomial",
              "Bernoulli",
              "EyeLike",
              "RandomNormalLike",
              "RandomUniformLike",
              "StringSplit",
              "StringConcat",
              "RegexFullMatch",
              "ImageDecoder",
              "TfIdfVectorizer",
              "LabelEncoder",
              "MelWeightMatrix"},
             Rule::Unknown)
      .Default(Rule::FirstOperand);
}

} // namespace

SmallVector<Type>
mercer::onnx::guessResultTypes(StringRef opType, StringRef domain,
                               DictionaryAttr attributes, ArrayRef<Type> inputs,
                               size_t numResults, MLIRContext *context) {
  auto operand = [&](size_t index) -> Type {
    auto tensor =
        index < inputs.size() ? dyn_cast<TensorType>(inputs[index]) : nullptr;
    return tensor ? tensor.getElementType() : Type();
  };
  auto dataType = [&](StringRef name) -> Type {
    auto number = dyn_cast_if_present<IntegerAttr>(attributes.get(name));
    return number ? convertElementType(static_cast<int32_t>(number.getInt()),
                                       context)
                  : Type();
  };
  Type element;
  switch (ruleOf(opType, domain)) {
  case Rule::FirstOperand:
    element = operand(0);
    break;
  case Rule::SecondOperand:
    element = operand(1);
    break;
  case Rule::ThirdOperand:
    element = operand(2);
    break;
  case Rule::Int64:
    element = IntegerType::get(context, 64);
    break;
  case Rule::Bool:
    element = IntegerType::get(context, 1);
    break;
  case Rule::ToAttribute:
    element = dataType("to");
    break;
  case Rule::DtypeAttribute:
    element = dataType("dtype");
    if (!element)
      element = Float32Type::get(context);
    break;
  case Rule::ValueAttribute:
    if (auto value = dyn_cast_if_present<ElementsAttr>(attributes.get("value")))
      element = value.getElementType();
    else
      element = Float32Type::get(context);
    break;
  case Rule::Float32:
    element = Float32Type::get(context);
    break;
  case Rule::Unknown:
    break;
  }
  Type any = AnyType::get(context);
  SmallVector<Type> types(numResults,
                          element ? UnrankedTensorType::get(element) : any);
  if (domain.empty() && numResults > 1) {
    // Second results of another type than the first.
    Type i64 = UnrankedTensorType::get(IntegerType::get(context, 64));
    if (opType == "TopK" || opType == "MaxPool")
      types[1] = i64;
    else if (opType == "Unique")
      std::fill(types.begin() + 1, types.end(), i64);
    else if (opType == "Dropout")
      types[1] = UnrankedTensorType::get(IntegerType::get(context, 1));
    else if (opType == "LayerNormalization" || opType == "BatchNormalization")
      std::fill(types.begin() + 1, types.end(), any);
  }
  return types;
}
