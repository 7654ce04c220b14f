//===- Fold.cpp - nodes that pass a value on, and small constants ---------===//

#include "passes/raise/Match.h"
#include "passes/raise/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace mercer;
using namespace mercer::raise;

namespace {

// Larger constants are left to the constant program of the compiler.
constexpr int64_t kMaxElements = 64;

struct ForwardIdentity : NodePattern {
  ForwardIdentity(MLIRContext *context, SimplifyCounts &counts)
      : NodePattern(context, "Identity"), counts(counts) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    if (!node.hasInput(0) || node->getNumResults() != 1)
      return failure();
    forward(rewriter, node, node.input(0));
    ++counts.forwarded;
    return success();
  }

private:
  SimplifyCounts &counts;
};

struct ForwardDropout : NodePattern {
  ForwardDropout(MLIRContext *context, SimplifyCounts &counts)
      : NodePattern(context, "Dropout"), counts(counts) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    Value training = node.input(2);
    if (training && onnx::constantScalar(training) != 0.0)
      return rewriter.notifyMatchFailure(node, "may train");
    if (!node.hasInput(0) ||
        (node->getNumResults() > 1 && !node->getResult(1).use_empty()))
      return rewriter.notifyMatchFailure(node, "the mask is used");
    forward(rewriter, node, node.input(0));
    ++counts.forwarded;
    return success();
  }

private:
  SimplifyCounts &counts;
};

struct ForwardCast : NodePattern {
  ForwardCast(MLIRContext *context, SimplifyCounts &counts)
      : NodePattern(context, "Cast"), counts(counts) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    Type from = onnx::elementType(node.input(0)),
         to = onnx::elementType(node.output(0));
    if (!from || from != to)
      return rewriter.notifyMatchFailure(node, "changes the type");
    forward(rewriter, node, node.input(0));
    ++counts.forwarded;
    return success();
  }

private:
  SimplifyCounts &counts;
};

/// A small constant as doubles or as integers, with its type.
struct Numbers {
  RankedTensorType type;
  SmallVector<double> floats;
  SmallVector<int64_t> ints;

  bool isFloat() const { return isa<FloatType>(type.getElementType()); }
  size_t size() const { return isFloat() ? floats.size() : ints.size(); }

  static std::optional<Numbers> of(Value value) {
    ElementsAttr constant = onnx::constantValue(value);
    if (!constant || constant.getNumElements() > kMaxElements)
      return std::nullopt;
    Numbers numbers{dyn_cast<RankedTensorType>(value.getType()), {}, {}};
    if (!numbers.type)
      return std::nullopt;
    std::optional<SmallVector<double>> floats = onnx::constantFloats(value);
    if (floats) {
      numbers.floats = *floats;
      return numbers;
    }
    std::optional<SmallVector<int64_t>> ints = onnx::constantInts(value);
    if (!ints)
      return std::nullopt;
    numbers.ints = *ints;
    return numbers;
  }

  Value materialise(PatternRewriter &rewriter, Location loc) const {
    if (isFloat())
      return makeFloats(rewriter, loc, type.getElementType(), type.getShape(),
                        floats);
    unsigned width = type.getElementType().getIntOrFloatBitWidth();
    SmallVector<APInt> elements;
    for (int64_t value : ints)
      elements.push_back(APInt(width, static_cast<uint64_t>(value),
                               /*isSigned=*/false, /*implicitTrunc=*/true));
    return arith::ConstantOp::create(rewriter, loc,
                                     DenseElementsAttr::get(type, elements));
  }
};

/// Evaluates nodes on small constants, of the operators that shapes, scales
/// and axes are computed with.
struct FoldConstant : OpRewritePattern<NodeOp> {
  FoldConstant(MLIRContext *context, SimplifyCounts &counts)
      : OpRewritePattern(context), counts(counts) {}

  LogicalResult matchAndRewrite(NodeOp node,
                                PatternRewriter &rewriter) const override {
    if (!node.getDomain().empty() || node->getNumResults() != 1 ||
        node.getInputs().empty())
      return failure();
    std::optional<Numbers> first = Numbers::of(node.input(0));
    if (!first)
      return rewriter.notifyMatchFailure(node, "operand is no small constant");
    std::optional<Numbers> result = unary(node, *first);
    if (!result)
      result = reshape(node, *first);
    if (!result && node.getInputs().size() == 2)
      if (std::optional<Numbers> second = Numbers::of(node.input(1)))
        result = binary(node, *first, *second);
    if (!result)
      return rewriter.notifyMatchFailure(node, "operator is not evaluated");
    rewriter.replaceOp(node, result->materialise(rewriter, node.getLoc()));
    ++counts.folded;
    return success();
  }

private:
  static std::optional<Numbers> unary(NodeOp node, Numbers x) {
    if (node.is("Cast")) {
      Type to = onnx::elementType(node.output(0));
      Type from = x.type.getElementType();
      auto integer = dyn_cast_if_present<IntegerType>(to);
      if (!isa_and_present<FloatType>(to) && !integer)
        return std::nullopt;
      Numbers result{RankedTensorType::get(x.type.getShape(), to), {}, {}};
      for (size_t i = 0; i < x.size(); ++i) {
        double value = x.isFloat() ? x.floats[i] : x.ints[i];
        if (!integer) {
          result.floats.push_back(value);
        } else if (integer.getWidth() == 1) {
          result.ints.push_back(value != 0);
        } else if (isa<FloatType>(from)) {
          // Outside of this range the result depends on the platform.
          if (!(std::fabs(value) < 9e15))
            return std::nullopt;
          result.ints.push_back(static_cast<int64_t>(value));
        } else {
          result.ints.push_back(x.ints[i]);
        }
      }
      return result;
    }
    if (node.is("Neg")) {
      for (double &value : x.floats)
        value = -value;
      for (int64_t &value : x.ints)
        value = static_cast<int64_t>(-static_cast<uint64_t>(value));
      return x;
    }
    if (!x.isFloat())
      return std::nullopt;
    if (node.is("Sqrt"))
      for (double &value : x.floats)
        value = std::sqrt(value);
    else if (node.is("Reciprocal"))
      for (double &value : x.floats)
        value = 1 / value;
    else if (node.is("Exp"))
      for (double &value : x.floats)
        value = std::exp(value);
    else
      return std::nullopt;
    return x;
  }

  /// Unsqueeze, Squeeze and Reshape with constant arguments.
  static std::optional<Numbers> reshape(NodeOp node, Numbers x) {
    SmallVector<int64_t> shape(x.type.getShape());
    int64_t rank = shape.size();
    if (node.is("Unsqueeze") || node.is("Squeeze")) {
      std::optional<SmallVector<int64_t>> axes = axesOf(node);
      if (!axes)
        return std::nullopt;
      bool grows = node.is("Unsqueeze");
      int64_t total = grows ? rank + axes->size() : rank;
      for (int64_t &axis : *axes)
        axis = axis < 0 ? axis + total : axis;
      llvm::sort(*axes);
      if (std::adjacent_find(axes->begin(), axes->end()) != axes->end())
        return std::nullopt;
      if (!grows)
        std::reverse(axes->begin(), axes->end());
      for (int64_t axis : *axes) {
        if (axis < 0 || axis >= total ||
            (grows && axis > static_cast<int64_t>(shape.size())) ||
            (!grows && shape[axis] != 1))
          return std::nullopt;
        if (grows)
          shape.insert(shape.begin() + axis, 1);
        else
          shape.erase(shape.begin() + axis);
      }
    } else if (node.is("Reshape")) {
      std::optional<SmallVector<int64_t>> to = node.constantInts(1);
      if (!to || node.intAttr("allowzero"))
        return std::nullopt;
      int64_t known = 1, free = -1;
      for (auto [i, size] : llvm::enumerate(*to)) {
        if (size == 0 && static_cast<int64_t>(i) < rank)
          size = shape[i];
        if (size == -1 && free < 0)
          free = i;
        else if (size < 1 || llvm::MulOverflow(known, size, known))
          return std::nullopt;
      }
      int64_t count = x.type.getNumElements();
      if (free >= 0) {
        if (count % known)
          return std::nullopt;
        (*to)[free] = count / known;
        known = count;
      }
      if (known != count)
        return std::nullopt;
      shape = *to;
    } else {
      return std::nullopt;
    }
    x.type = RankedTensorType::get(shape, x.type.getElementType());
    return x;
  }

  static std::optional<Numbers> binary(NodeOp node, const Numbers &a,
                                       const Numbers &b) {
    if (node.is("Pow") && a.isFloat() && b.isFloat() && b.size() == 1 &&
        b.type.getRank() <= a.type.getRank()) {
      Numbers result = a;
      for (double &value : result.floats)
        value = std::pow(value, b.floats[0]);
      return result;
    }
    if (a.type.getElementType() != b.type.getElementType())
      return std::nullopt;
    bool aLarge = a.type.getRank() >= b.type.getRank() && b.size() == 1;
    bool bLarge = b.type.getRank() >= a.type.getRank() && a.size() == 1;
    if (a.type != b.type && !aLarge && !bLarge)
      return std::nullopt;
    Numbers result{a.type != b.type && !aLarge ? b.type : a.type, {}, {}};
    size_t count = result.type.getNumElements();
    for (size_t i = 0; i < count; ++i) {
      size_t ai = a.size() == 1 ? 0 : i, bi = b.size() == 1 ? 0 : i;
      if (a.isFloat()) {
        double x = a.floats[ai], y = b.floats[bi];
        if (node.is("Add"))
          result.floats.push_back(x + y);
        else if (node.is("Sub"))
          result.floats.push_back(x - y);
        else if (node.is("Mul"))
          result.floats.push_back(x * y);
        else if (node.is("Div"))
          result.floats.push_back(x / y);
        else
          return std::nullopt;
        continue;
      }
      int64_t x = a.ints[ai], y = b.ints[bi], value = 0;
      bool overflow;
      if (node.is("Add"))
        overflow = llvm::AddOverflow(x, y, value);
      else if (node.is("Sub"))
        overflow = llvm::SubOverflow(x, y, value);
      else if (node.is("Mul"))
        overflow = llvm::MulOverflow(x, y, value);
      else if (node.is("Div") && y != 0 && !(x == INT64_MIN && y == -1)) {
        value = x / y;
        overflow = false;
      } else
        return std::nullopt;
      if (overflow)
        return std::nullopt;
      result.ints.push_back(value);
    }
    return result;
  }

  SimplifyCounts &counts;
};

} // namespace

void mercer::populateFoldPatterns(RewritePatternSet &patterns,
                                  SimplifyCounts &counts) {
  MLIRContext *context = patterns.getContext();
  patterns.add<ForwardIdentity, ForwardDropout, ForwardCast, FoldConstant>(
      context, counts);
}
