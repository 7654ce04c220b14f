//===- Activation.cpp - activations written out ---------------------------===//

#include "passes/raise/Match.h"
#include "passes/raise/Passes.h"

#include <cmath>

using namespace mlir;
using namespace mercer;
using namespace mercer::raise;
using mercer::onnx::constantScalar;
using mercer::onnx::producer;

namespace {

// Exporters round these constants to f16, f32 or five digits.
constexpr double kRootHalf = 0.70710678118654752;
constexpr double kRootTwoOverPi = 0.79788456080286536;
constexpr double kTanhCubic = 0.044715;

/// A product taken apart: its factors that are not constant, and the constant.
/// Factors are found through Mul and Div by a scalar whose result has no other
/// use.
struct Product {
  SmallVector<Value, 4> factors;
  double constant = 1;
};

void takeApart(Value value, Product &product, bool isRoot, unsigned depth = 0) {
  NodeOp node = producer(value);
  Value inner;
  double factor;
  if (depth < 6 && node && (isRoot || node->hasOneUse())) {
    if (node.getOpType() != "Neg" && matchScaled(value, inner, factor)) {
      product.constant *= factor;
      return takeApart(inner, product, false, depth + 1);
    }
    if (node.is("Mul") && node.hasInput(0) && node.hasInput(1)) {
      takeApart(node.input(0), product, false, depth + 1);
      takeApart(node.input(1), product, false, depth + 1);
      return;
    }
  }
  product.factors.push_back(value);
}

/// Matches factor * x, or x itself.
bool matchMultiple(Value value, Value x, double &factor) {
  factor = 1;
  Value inner;
  double step;
  while (value != x && matchScaled(value, inner, step)) {
    factor *= step;
    value = inner;
  }
  return value == x;
}

/// Matches sqrt(2/pi) (x + 0.044715 x³), as such or with x factored out.
bool matchTanhArgument(Value value, Value x) {
  Product product;
  takeApart(value, product, true);
  auto isCubic = [&](Value term) {
    Product cubic;
    takeApart(term, cubic, true);
    if (!isClose(cubic.constant, kTanhCubic))
      return false;
    double exponent;
    Value base;
    if (cubic.factors.size() == 1 &&
        matchWithScalar(cubic.factors[0], "Pow", base, exponent))
      return base == x && exponent == 3;
    // A square that has other uses is not taken apart.
    unsigned degree = 0;
    for (Value factor : cubic.factors) {
      if (factor == x)
        ++degree;
      else if (matchSquare(factor, base) && base == x)
        degree += 2;
      else
        return false;
    }
    return degree == 3;
  };
  if (product.factors.size() == 1 &&
      isClose(product.constant, kRootTwoOverPi)) {
    NodeOp sum = producer(product.factors[0], "Add");
    return sum && ((sum.input(0) == x && isCubic(sum.input(1))) ||
                   (sum.input(1) == x && isCubic(sum.input(0))));
  }
  // x * sqrt(2/pi) * (1 + 0.044715 x²)
  if (product.factors.size() == 2 &&
      isClose(product.constant, kRootTwoOverPi)) {
    for (unsigned i : {0u, 1u}) {
      Value quadratic, base;
      double one, factor;
      if (product.factors[i] == x &&
          matchWithScalar(product.factors[1 - i], "Add", quadratic, one) &&
          one == 1 && matchScaled(quadratic, base, factor) &&
          isClose(factor, kTanhCubic)) {
        Value squared;
        if (matchSquare(base, squared) && squared == x)
          return true;
      }
    }
  }
  return false;
}

/// Products of x with a gate that is a function of x.
struct RaiseGate : NodePattern {
  RaiseGate(MLIRContext *context, StringRef opType, RaiseCounts &counts)
      // Before the pattern that makes Swish of any sigmoid gate.
      : NodePattern(context, opType), counts(counts) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    Product product;
    takeApart(node.output(0), product, true);
    if (product.factors.size() != 2)
      return rewriter.notifyMatchFailure(node, "not a product of two");
    for (unsigned i : {0u, 1u}) {
      Value x = product.factors[i], gate = product.factors[1 - i];
      if (succeeded(matchGelu(node, x, gate, product.constant, rewriter)) ||
          succeeded(matchSigmoid(node, x, gate, product.constant, rewriter)) ||
          succeeded(
              matchHardSwish(node, x, gate, product.constant, rewriter)) ||
          succeeded(matchMish(node, x, gate, product.constant, rewriter)))
        return success();
    }
    return rewriter.notifyMatchFailure(node, "no gate of the other factor");
  }

private:
  LogicalResult replace(NodeOp node, StringRef opType, Value x,
                        ArrayRef<NamedAttribute> attributes, int64_t opset,
                        PatternRewriter &rewriter) const {
    Value result =
        makeNode(rewriter, node.getLoc(), node.getResultTypes().front(), opType,
                 x, attributes, opset);
    rewriter.replaceOp(node, result);
    ++counts.activation;
    return success();
  }

  /// 0.5 x (1 + erf(x/√2)) and 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))).
  LogicalResult matchGelu(NodeOp node, Value x, Value gate, double constant,
                          PatternRewriter &rewriter) const {
    Value inner;
    double one;
    if (!matchWithScalar(gate, "Add", inner, one))
      return failure();
    // The half may stand inside: 0.5 + 0.5 erf(..).
    double half = 1;
    if (Value scaled; matchScaled(inner, scaled, half))
      inner = scaled;
    else
      half = 1;
    if (!isClose(constant * one, 0.5) || !isClose(constant * half, 0.5))
      return failure();
    if (NodeOp erf = producer(inner, "Erf")) {
      double factor;
      if (!matchMultiple(erf.input(0), x, factor) ||
          !isClose(factor, kRootHalf))
        return failure();
      return replace(node, "Gelu", x, str(rewriter, "approximate", "none"), 20,
                     rewriter);
    }
    NodeOp tanh = producer(inner, "Tanh");
    if (!tanh || !matchTanhArgument(tanh.input(0), x))
      return failure();
    return replace(node, "Gelu", x, str(rewriter, "approximate", "tanh"), 20,
                   rewriter);
  }

  /// x sigmoid(a x): SiLU, and the sigmoid form of GELU.
  LogicalResult matchSigmoid(NodeOp node, Value x, Value gate, double constant,
                             PatternRewriter &rewriter) const {
    NodeOp sigmoid = producer(gate, "Sigmoid");
    double alpha;
    if (!sigmoid || constant != 1 || !matchMultiple(sigmoid.input(0), x, alpha))
      return failure();
    return replace(node, "Swish", x, f32(rewriter, "alpha", alpha), 24,
                   rewriter);
  }

  /// x HardSigmoid(x) with slope 1/6, and x clip(x + 3, 0, 6) / 6.
  LogicalResult matchHardSwish(NodeOp node, Value x, Value gate,
                               double constant,
                               PatternRewriter &rewriter) const {
    if (NodeOp hard = producer(gate, "HardSigmoid")) {
      if (constant != 1 || hard.input(0) != x ||
          !isClose(hard.floatAttr("alpha", 0.2), 1.0 / 6) ||
          !isClose(hard.floatAttr("beta", 0.5), 0.5))
        return failure();
      return replace(node, "HardSwish", x, {}, 14, rewriter);
    }
    Value clipped, base;
    double offset;
    if (!isClose(constant, 1.0 / 6) || !matchClip(gate, 0, 6, clipped) ||
        !matchWithScalar(clipped, "Add", base, offset) || offset != 3 ||
        base != x)
      return failure();
    return replace(node, "HardSwish", x, {}, 14, rewriter);
  }

  /// x tanh(softplus(x)).
  LogicalResult matchMish(NodeOp node, Value x, Value gate, double constant,
                          PatternRewriter &rewriter) const {
    NodeOp tanh = producer(gate, "Tanh");
    NodeOp softplus = tanh ? producer(tanh.input(0), "Softplus") : nullptr;
    if (!softplus || constant != 1 || softplus.input(0) != x)
      return failure();
    return replace(node, "Mish", x, {}, 18, rewriter);
  }

  static bool matchClip(Value value, double low, double high, Value &x) {
    NodeOp clip = producer(value, "Clip");
    if (!clip)
      return false;
    // Bounds are attributes before opset 11.
    std::optional<double> min, max;
    if (clip.hasInput(1))
      min = constantScalar(clip.input(1));
    else if (clip.hasAttribute("min"))
      min = clip.floatAttr("min");
    if (clip.hasInput(2))
      max = constantScalar(clip.input(2));
    else if (clip.hasAttribute("max"))
      max = clip.floatAttr("max");
    x = clip.input(0);
    return x && min == low && max == high;
  }

  RaiseCounts &counts;
};

} // namespace

void mercer::populateActivationPatterns(RewritePatternSet &patterns,
                                        RaiseCounts &counts) {
  MLIRContext *context = patterns.getContext();
  patterns.add<RaiseGate>(context, "Mul", counts);
  patterns.add<RaiseGate>(context, "Div", counts);
}
