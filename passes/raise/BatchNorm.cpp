//===- BatchNorm.cpp - batch normalisation folded into convolution --------===//
//
// The new weights are expressions of constants; the compiler evaluates them
// when it builds the artifact, so no arithmetic on weights happens here.
//
//===----------------------------------------------------------------------===//

#include "passes/raise/Match.h"
#include "passes/raise/Passes.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::raise;
using mercer::onnx::isConstantLike;
using mercer::onnx::producer;

namespace {

/// Conv, then BatchNormalization of inference, all of constant parameters:
///   y = (conv(x, w) + b - mean) s + bias,  s = scale / sqrt(var + epsilon)
///     = conv(x, w s) + ((b - mean) s + bias).
struct FoldBatchNorm : NodePattern {
  FoldBatchNorm(MLIRContext *context, RaiseCounts &counts)
      : NodePattern(context, "BatchNormalization"), counts(counts) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    NodeOp conv = producer(node.input(0), "Conv");
    if (!conv || !conv->hasOneUse())
      return rewriter.notifyMatchFailure(node, "no convolution of its own");
    if (node.intAttr("training_mode", 0) || node.getOutputs().size() != 1)
      return rewriter.notifyMatchFailure(node, "training mode");
    for (unsigned i = 1; i < 5; ++i)
      if (!isConstantLike(node.input(i)))
        return rewriter.notifyMatchFailure(node, "parameters are not constant");
    Value weights = conv.input(1), bias = conv.input(2);
    auto type = weights ? dyn_cast<RankedTensorType>(weights.getType())
                        : RankedTensorType();
    if (!type || !isConstantLike(weights) || (bias && !isConstantLike(bias)) ||
        !isa<FloatType>(type.getElementType()) || type.getRank() < 2)
      return rewriter.notifyMatchFailure(node, "weights are not constant");
    auto vector =
        RankedTensorType::get({type.getDimSize(0)}, type.getElementType());
    for (unsigned i = 1; i < 5; ++i)
      if (node.input(i).getType() != vector)
        return rewriter.notifyMatchFailure(node, "parameters do not match");

    Location loc = node.getLoc();
    auto apply = [&](StringRef opType, ValueRange operands, Type result,
                     int64_t opset = 14) {
      return makeNode(rewriter, loc, result, opType, operands, {}, opset);
    };
    Value epsilon = makeFloats(rewriter, loc, type.getElementType(), {},
                               node.floatAttr("epsilon", 1e-5));
    Value root = apply("Sqrt", apply("Add", {node.input(4), epsilon}, vector),
                       vector, 13);
    Value factor = apply("Div", {node.input(1), root}, vector);
    SmallVector<int64_t> shape(type.getRank(), 1);
    shape[0] = type.getDimSize(0);
    Value spread = apply("Reshape", {factor, makeInts(rewriter, loc, shape)},
                         RankedTensorType::get(shape, type.getElementType()));
    Value newWeights = apply("Mul", {weights, spread}, type);
    Value centre = bias ? apply("Sub", {bias, node.input(3)}, vector)
                        : apply("Neg", node.input(3), vector, 13);
    Value newBias = apply(
        "Add", {apply("Mul", {centre, factor}, vector), node.input(2)}, vector);
    Value result =
        makeNode(rewriter, rewriter.getFusedLoc({conv.getLoc(), loc}),
                 node.getResultTypes().front(), "Conv",
                 {conv.input(0), newWeights, newBias},
                 conv.getNodeAttributes().getValue(), conv.getOpset());
    rewriter.replaceOp(node, result);
    ++counts.batchNorm;
    return success();
  }

private:
  RaiseCounts &counts;
};

} // namespace

void mercer::populateBatchNormPatterns(RewritePatternSet &patterns,
                                       RaiseCounts &counts) {
  patterns.add<FoldBatchNorm>(patterns.getContext(), counts);
}
