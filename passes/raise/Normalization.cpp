//===- Normalization.cpp - softmax and norms written out ------------------===//

#include "passes/raise/Match.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Shapes.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::raise;
using mercer::onnx::producer;

namespace {

/// Matches 1 / sqrt(v) as a factor, in the forms Reciprocal(Sqrt(v)),
/// 1 / Sqrt(v) and Pow(v, -0.5).
bool matchInverseRoot(Value value, Value &v) {
  if (NodeOp reciprocal = producer(value, "Reciprocal"))
    if (NodeOp root = producer(reciprocal.input(0), "Sqrt")) {
      v = root.input(0);
      return true;
    }
  if (NodeOp div = producer(value, "Div"))
    if (NodeOp root = producer(div.input(1), "Sqrt"))
      if (onnx::constantScalar(div.input(0)) == 1.0) {
        v = root.input(0);
        return true;
      }
  double exponent;
  return matchWithScalar(value, "Pow", v, exponent) && exponent == -0.5;
}

/// Matches x / sqrt(v), with the root in the divisor or as a factor.
bool matchOverRoot(NodeOp node, Value &x, Value &v) {
  if (node.is("Div")) {
    NodeOp root = producer(node.input(1), "Sqrt");
    if (!root)
      return false;
    x = node.input(0);
    v = root.input(0);
    return true;
  }
  if (!node.is("Mul"))
    return false;
  for (unsigned i : {0u, 1u})
    if (matchInverseRoot(node.input(i), v)) {
      x = node.input(1 - i);
      return true;
    }
  return false;
}

/// True if `scale` is a vector over the normalised trailing axes only.
bool isTrailing(Value scale, int64_t axis) {
  auto type = dyn_cast<RankedTensorType>(scale.getType());
  if (!type)
    return false;
  // Leading ones are harmless, but they would change the rank of a small input.
  return type.getRank() <= -axis;
}

/// (x - mean(x)) / sqrt(mean((x - mean(x))²) + eps) -> LayerNormalization, and
/// x / sqrt(mean(x²) + eps) -> RMSNormalization, both with scale 1; the scale
/// and bias that follow are taken in by the patterns below.
struct RaiseNorm : NodePattern {
  RaiseNorm(MLIRContext *context, StringRef opType, RaiseCounts &counts)
      : NodePattern(context, opType), counts(counts) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    Value numerator, variance, mean;
    double epsilon;
    int64_t axis;
    if (!matchOverRoot(node, numerator, variance))
      return rewriter.notifyMatchFailure(node, "no division by a root");
    if (!matchWithScalar(variance, "Add", mean, epsilon) || epsilon < 0)
      return rewriter.notifyMatchFailure(node, "no epsilon under the root");
    Value squares, base;
    if (!matchTrailingReduction(mean, "ReduceMean", squares, axis) ||
        !matchSquare(squares, base))
      return rewriter.notifyMatchFailure(node, "no mean of squares");

    Value x = numerator;
    bool centred = false;
    if (NodeOp sub = producer(numerator, "Sub")) {
      Value averaged;
      int64_t meanAxis;
      // torch writes the difference once, tf2onnx once for each use.
      NodeOp baseSub = producer(base, "Sub");
      bool same =
          base == numerator || (baseSub && baseSub.input(0) == sub.input(0) &&
                                baseSub.input(1) == sub.input(1));
      centred = same &&
                matchTrailingReduction(sub.input(1), "ReduceMean", averaged,
                                       meanAxis) &&
                averaged == sub.input(0) && meanAxis == axis;
      if (centred)
        x = sub.input(0);
    }
    if (!centred && base != numerator)
      return rewriter.notifyMatchFailure(node,
                                         "squares are not those of the value");
    Type element = onnx::elementType(x);
    if (!isa_and_present<FloatType>(element))
      return rewriter.notifyMatchFailure(node, "element type is unknown");
    Value one = makeFloats(rewriter, node.getLoc(), element, {1}, 1.0);
    Value result = makeNode(
        rewriter, node.getLoc(), node.getResultTypes().front(),
        centred ? "LayerNormalization" : "RMSNormalization", {x, one},
        {i64(rewriter, "axis", axis), f32(rewriter, "epsilon", epsilon)},
        centred ? 17 : 23);
    rewriter.replaceOp(node, result);
    ++counts.normalization;
    return success();
  }

private:
  RaiseCounts &counts;
};

/// Mul(norm, scale) with the scale 1 of the pattern above; a cast back to a
/// narrow type between them goes away, since the norms compute in f32.
struct AbsorbScale : NodePattern {
  AbsorbScale(MLIRContext *context) : NodePattern(context, "Mul") {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    for (unsigned i : {0u, 1u}) {
      Value normalised = node.input(i), scale = node.input(1 - i);
      NodeOp narrow = producer(normalised, "Cast");
      NodeOp norm = producer(narrow ? narrow.input(0) : normalised);
      if (!norm ||
          !(norm.is("LayerNormalization") || norm.is("RMSNormalization")) ||
          norm.numPresentInputs() != 2 || !norm->hasOneUse() ||
          norm.getOutputs().size() != 1 ||
          onnx::constantScalar(norm.input(1)) != 1.0)
        continue;
      Value x = norm.input(0);
      if (narrow) {
        NodeOp widen = producer(x, "Cast");
        if (!narrow->hasOneUse() || !widen ||
            onnx::elementType(widen.input(0)) != onnx::elementType(normalised))
          continue;
        x = widen.input(0);
      }
      if (!scale || !isTrailing(scale, norm.intAttr("axis", -1)))
        continue;
      Value result =
          makeNode(rewriter, node.getLoc(), node.getResultTypes().front(),
                   norm.getOpType(), {x, scale},
                   norm.getNodeAttributes().getValue(), norm.getOpset());
      rewriter.replaceOp(node, result);
      return success();
    }
    return rewriter.notifyMatchFailure(node, "no norm with scale 1");
  }
};

/// Add(LayerNormalization(x, scale), bias).
struct AbsorbBias : NodePattern {
  AbsorbBias(MLIRContext *context) : NodePattern(context, "Add") {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    for (unsigned i : {0u, 1u}) {
      NodeOp norm = producer(node.input(i), "LayerNormalization");
      Value bias = node.input(1 - i);
      if (!norm || norm.numPresentInputs() != 2 || !norm->hasOneUse() ||
          norm.getOutputs().size() != 1 || !bias ||
          !isTrailing(bias, norm.intAttr("axis", -1)))
        continue;
      // Without its scale, the sum may be a residual with a constant.
      if (onnx::constantScalar(norm.input(1)) == 1.0 &&
          !onnx::isConstantLike(bias))
        continue;
      Value result =
          makeNode(rewriter, node.getLoc(), node.getResultTypes().front(),
                   "LayerNormalization", {norm.input(0), norm.input(1), bias},
                   norm.getNodeAttributes().getValue(), norm.getOpset());
      rewriter.replaceOp(node, result);
      return success();
    }
    return rewriter.notifyMatchFailure(node, "no norm without bias");
  }
};

/// Reshape to [N, groups, -1] + InstanceNormalization + Reshape back + scale
/// and bias per channel, as torch writes it -> GroupNormalization.
struct RaiseGroupNorm : NodePattern {
  RaiseGroupNorm(MLIRContext *context, RaiseCounts &counts)
      : NodePattern(context, "Add"), counts(counts) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    for (unsigned i : {0u, 1u}) {
      NodeOp mul = producer(node.input(i), "Mul");
      if (!mul || !mul->hasOneUse())
        continue;
      for (unsigned j : {0u, 1u})
        if (succeeded(match(node, mul.input(j), mul.input(1 - j),
                            node.input(1 - i), rewriter)))
          return success();
    }
    return rewriter.notifyMatchFailure(node, "no group normalisation");
  }

private:
  LogicalResult match(NodeOp node, Value normalised, Value scale, Value bias,
                      PatternRewriter &rewriter) const {
    NodeOp back = producer(normalised, "Reshape");
    NodeOp instance =
        back ? producer(back.input(0), "InstanceNormalization") : nullptr;
    NodeOp groups = instance ? producer(instance.input(0), "Reshape") : nullptr;
    if (!groups || !scale || !bias || !back->hasOneUse() ||
        !instance->hasOneUse() || !groups->hasOneUse())
      return failure();
    if (onnx::constantScalar(instance.input(1)) != 1.0 ||
        onnx::constantScalar(instance.input(2)) != 0.0)
      return failure();
    Value x = groups.input(0);
    ShapeAnalysis shapes;
    std::optional<Shape> grouped = shapes.elements(groups.input(1));
    if (!grouped || grouped->size() != 3 || !(*grouped)[1].constant ||
        !(*grouped)[2].is(-1))
      return failure();
    int64_t numGroups = *(*grouped)[1].constant;
    // Statistics are over each batch entry by itself.
    std::optional<Shape> from = shapes.shape(x);
    const Dim &batch = (*grouped)[0];
    bool keepsBatch = (batch.is(0) && !groups.intAttr("allowzero")) ||
                      (from && !from->empty() && batch == from->front());
    if (!from || !keepsBatch)
      return failure();
    // One factor a channel: [C, 1, 1, ...], broadcast against [N, C, ...].
    auto channels = [&](Value value) -> int64_t {
      auto type = dyn_cast<RankedTensorType>(value.getType());
      if (!type)
        return 0;
      ArrayRef<int64_t> shape = type.getShape();
      if (shape.size() == from->size() && shape.front() == 1)
        shape = shape.drop_front();
      if (shape.empty() || shape.size() + 1 != from->size())
        return 0;
      bool rest = llvm::all_of(shape.drop_front(),
                               [](int64_t size) { return size == 1; });
      return rest && shape.front() > 0 ? shape.front() : 0;
    };
    int64_t count = channels(scale);
    if (!count || channels(bias) != count || numGroups <= 0 ||
        count % numGroups)
      return failure();
    // The second Reshape must give the shape of x back.
    NodeOp shapeOfX = producer(back.input(1), "Shape");
    bool restores = shapeOfX && shapeOfX.input(0) == x &&
                    !shapeOfX.hasAttribute("start") &&
                    !shapeOfX.hasAttribute("end");
    if (!restores) {
      std::optional<Shape> to = shapes.elements(back.input(1));
      restores = to && from->size() == to->size() && from->size() > 1 &&
                 (*to)[1].is(count);
      for (size_t i = 2; restores && i < from->size(); ++i)
        restores = (*to)[i] == (*from)[i] || (*to)[i].is(-1);
    }
    if (!restores)
      return failure();

    Location loc = node.getLoc();
    auto flat = [&](Value value) -> Value {
      auto type = cast<RankedTensorType>(value.getType());
      if (type.getRank() == 1)
        return value;
      return makeNode(
          rewriter, loc, RankedTensorType::get({count}, type.getElementType()),
          "Reshape", {value, makeInts(rewriter, loc, {count})}, {}, 14);
    };
    Value flatScale = flat(scale), flatBias = flat(bias);
    Value result = makeNode(
        rewriter, loc, node.getResultTypes().front(), "GroupNormalization",
        {x, flatScale, flatBias},
        {i64(rewriter, "num_groups", numGroups),
         f32(rewriter, "epsilon", instance.floatAttr("epsilon", 1e-5))},
        21);
    rewriter.replaceOp(node, result);
    ++counts.normalization;
    return success();
  }

  RaiseCounts &counts;
};

/// exp(x - max(x)) / sum(exp(x - max(x))) over the last axis -> Softmax.
struct RaiseSoftmax : NodePattern {
  RaiseSoftmax(MLIRContext *context, RaiseCounts &counts)
      : NodePattern(context, "Div"), counts(counts) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    Value summed, maximised;
    int64_t sumAxis, maxAxis;
    NodeOp exp = producer(node.input(0), "Exp");
    if (!exp ||
        !matchTrailingReduction(node.input(1), "ReduceSum", summed, sumAxis) ||
        summed != node.input(0))
      return rewriter.notifyMatchFailure(node, "no exp over its sum");
    NodeOp sub = producer(exp.input(0), "Sub");
    if (!sub ||
        !matchTrailingReduction(sub.input(1), "ReduceMax", maximised,
                                maxAxis) ||
        maximised != sub.input(0) || sumAxis != -1 || maxAxis != -1)
      return rewriter.notifyMatchFailure(node, "no maximum is subtracted");
    Value result =
        makeNode(rewriter, node.getLoc(), node.getResultTypes().front(),
                 "Softmax", sub.input(0), i64(rewriter, "axis", -1), 13);
    rewriter.replaceOp(node, result);
    ++counts.normalization;
    return success();
  }

private:
  RaiseCounts &counts;
};

} // namespace

void mercer::populateNormalizationPatterns(RewritePatternSet &patterns,
                                           RaiseCounts &counts) {
  MLIRContext *context = patterns.getContext();
  patterns.add<RaiseNorm>(context, "Div", counts);
  patterns.add<RaiseNorm>(context, "Mul", counts);
  patterns.add<AbsorbScale, AbsorbBias>(context);
  patterns.add<RaiseGroupNorm, RaiseSoftmax>(context, counts);
}
