//===- Match.cpp - small vocabulary of the raising patterns ---------------===//

#include "passes/raise/Match.h"
#include "passes/raise/Shapes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <cmath>

using namespace mlir;
using namespace mercer;
using namespace mercer::raise;
using mercer::onnx::constantScalar;
using mercer::onnx::producer;

bool raise::isClose(double a, double b, double tolerance) {
  return std::fabs(a - b) <= tolerance * std::max(std::fabs(a), std::fabs(b));
}

// A constant of one repeated number acts as a scalar unless it enlarges the
// other operand.
static std::optional<double> scalarFor(Value constant, Value other) {
  std::optional<double> scalar = constantScalar(constant);
  if (!scalar)
    return std::nullopt;
  auto type = cast<RankedTensorType>(constant.getType());
  if (type.getNumElements() == 1 && type.getRank() <= 1)
    return scalar;
  return ShapeAnalysis().broadcastsTo(constant, other) ? scalar : std::nullopt;
}

bool raise::matchWithScalar(Value value, StringRef opType, Value &x,
                            double &scalar) {
  NodeOp node = producer(value, opType);
  if (!node || node.getInputs().size() != 2)
    return false;
  if (std::optional<double> right = scalarFor(node.input(1), node.input(0))) {
    x = node.input(0);
    scalar = *right;
    return x != nullptr;
  }
  if (opType != "Add" && opType != "Mul")
    return false;
  if (std::optional<double> left = scalarFor(node.input(0), node.input(1))) {
    x = node.input(1);
    scalar = *left;
    return x != nullptr;
  }
  return false;
}

bool raise::matchScaled(Value value, Value &x, double &factor) {
  if (matchWithScalar(value, "Mul", x, factor))
    return true;
  if (matchWithScalar(value, "Div", x, factor) && factor != 0) {
    factor = 1 / factor;
    return true;
  }
  if (NodeOp neg = producer(value, "Neg")) {
    x = neg.input(0);
    factor = -1;
    return x != nullptr;
  }
  return false;
}

bool raise::matchSquare(Value value, Value &x) {
  double exponent;
  if (matchWithScalar(value, "Pow", x, exponent))
    return exponent == 2;
  NodeOp mul = producer(value, "Mul");
  if (!mul || !mul.input(0) || mul.input(0) != mul.input(1))
    return false;
  x = mul.input(0);
  return true;
}

std::optional<SmallVector<int64_t>> raise::axesOf(NodeOp node) {
  if (node.hasAttribute("axes"))
    return node.intsAttr("axes");
  if (!node.hasInput(1))
    return std::nullopt;
  return node.constantInts(1);
}

bool raise::matchTrailingReduction(Value value, StringRef opType, Value &x,
                                   int64_t &axis) {
  NodeOp node = producer(value, opType);
  if (!node || !node.hasInput(0) || node.intAttr("keepdims", 1) != 1)
    return false;
  std::optional<SmallVector<int64_t>> axes = axesOf(node);
  if (!axes || axes->empty())
    return false;
  std::optional<int64_t> rank = ShapeAnalysis().rank(node.input(0));
  for (int64_t &a : *axes) {
    if (a < 0)
      continue;
    if (!rank)
      return false;
    a -= *rank;
  }
  llvm::sort(*axes);
  int64_t count = axes->size();
  for (int64_t i = 0; i < count; ++i)
    if ((*axes)[i] != i - count)
      return false;
  x = node.input(0);
  axis = -count;
  return true;
}

Value raise::skipTransparent(Value value, bool casts) {
  while (NodeOp node = producer(value)) {
    bool passes =
        node.is("Identity") ||
        (node.is("Dropout") && value == node.output(0)) ||
        (casts && node.is("Cast") &&
         isa_and_present<FloatType>(onnx::elementType(node.input(0))) &&
         isa_and_present<FloatType>(onnx::elementType(value)));
    if (!passes || !node.hasInput(0))
      break;
    value = node.input(0);
  }
  return value;
}

bool raise::isClosed(ArrayRef<NodeOp> interior, NodeOp root) {
  for (NodeOp node : interior)
    for (Operation *user : node->getUsers())
      if (user != root && !llvm::is_contained(interior, user))
        return false;
  return true;
}

void raise::forward(PatternRewriter &rewriter, NodeOp node, Value value) {
  Type stated = node.getResultTypes().front();
  if (NodeOp source = producer(value); source &&
                                       isa<RankedTensorType>(stated) &&
                                       !isa<RankedTensorType>(value.getType()))
    rewriter.modifyOpInPlace(source, [&] { value.setType(stated); });
  rewriter.replaceOp(node, SmallVector<Value>(node->getNumResults(), value));
}

void raise::updateResultTypes(Operation *module) {
  module->walk([](func::FuncOp function) {
    if (function.isDeclaration())
      return;
    auto results = function.front().getTerminator()->getOperandTypes();
    function.setFunctionType(
        FunctionType::get(function.getContext(),
                          function.getFunctionType().getInputs(), results));
  });
}

Value raise::makeNode(OpBuilder &builder, Location loc, Type type,
                      StringRef opType, ValueRange inputs,
                      ArrayRef<NamedAttribute> attributes, int64_t opset,
                      StringRef domain) {
  return NodeOp::create(builder, loc, type, opType, inputs, attributes, domain,
                        opset)
      .getOutputs()
      .front();
}

Type raise::unrankedLike(Value value) {
  if (Type element = onnx::elementType(value))
    return UnrankedTensorType::get(element);
  return onnx::AnyType::get(value.getContext());
}

Value raise::makeFloats(OpBuilder &builder, Location loc, Type elementType,
                        ArrayRef<int64_t> shape, ArrayRef<double> values) {
  auto floatType = cast<FloatType>(elementType);
  SmallVector<APFloat> elements;
  for (double value : values) {
    APFloat element(value);
    bool losesInfo;
    element.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                    &losesInfo);
    elements.push_back(element);
  }
  auto type = RankedTensorType::get(shape, elementType);
  return arith::ConstantOp::create(builder, loc,
                                   DenseElementsAttr::get(type, elements));
}

Value raise::makeInts(OpBuilder &builder, Location loc,
                      ArrayRef<int64_t> values) {
  return arith::ConstantOp::create(builder, loc,
                                   builder.getI64TensorAttr(values));
}

NamedAttribute raise::f32(Builder &builder, StringRef name, double value) {
  return builder.getNamedAttr(name, builder.getF32FloatAttr(value));
}

NamedAttribute raise::f64(Builder &builder, StringRef name, double value) {
  return builder.getNamedAttr(name, builder.getF64FloatAttr(value));
}

NamedAttribute raise::i64(Builder &builder, StringRef name, int64_t value) {
  return builder.getNamedAttr(name, builder.getI64IntegerAttr(value));
}

NamedAttribute raise::str(Builder &builder, StringRef name, StringRef value) {
  return builder.getNamedAttr(name, builder.getStringAttr(value));
}
