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

/// The number of a float type in TensorProto.DataType.
int64_t numberOf(Type type) {
  return type.isF32() ? 1 : type.isF16() ? 10 : type.isF64() ? 11 : 16;
}

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
        !isa<Float16Type, BFloat16Type, Float32Type, Float64Type>(
            type.getElementType()) ||
        type.getRank() < 2)
      return rewriter.notifyMatchFailure(node, "weights are not constant");
    auto vector =
        RankedTensorType::get({type.getDimSize(0)}, type.getElementType());
    for (unsigned i = 1; i < 5; ++i)
      if (node.input(i).getType() != vector)
        return rewriter.notifyMatchFailure(node, "parameters do not match");

    Location loc = node.getLoc();
    Type element = type.getElementType();
    // In f64, and rounded once: the error of a factor would have one sign over
    // its whole channel, and pooling takes no mean out of that.
    Type wide = rewriter.getF64Type();
    auto apply = [&](StringRef opType, ValueRange operands,
                     RankedTensorType result, int64_t opset = 14) {
      return makeNode(rewriter, loc, result.clone(wide), opType, operands, {},
                      opset);
    };
    auto convert = [&](Value value, Type to) {
      auto from = cast<RankedTensorType>(value.getType());
      if (from.getElementType() == to)
        return value;
      return makeNode(rewriter, loc, from.clone(to), "Cast", value,
                      i64(rewriter, "to", numberOf(to)), 13);
    };
    auto input = [&](unsigned index) {
      return convert(node.input(index), wide);
    };
    Value epsilon =
        makeFloats(rewriter, loc, wide, {}, node.floatAttr("epsilon", 1e-5));
    Value root =
        apply("Sqrt", apply("Add", {input(4), epsilon}, vector), vector, 13);
    Value factor = apply("Div", {input(1), root}, vector);
    SmallVector<int64_t> shape(type.getRank(), 1);
    shape[0] = type.getDimSize(0);
    Value spread = apply("Reshape", {factor, makeInts(rewriter, loc, shape)},
                         RankedTensorType::get(shape, element));
    Value newWeights =
        convert(apply("Mul", {convert(weights, wide), spread}, type), element);
    Value centre = bias ? apply("Sub", {convert(bias, wide), input(3)}, vector)
                        : apply("Neg", input(3), vector, 13);
    Value newBias =
        convert(apply("Add", {apply("Mul", {centre, factor}, vector), input(2)},
                      vector),
                element);
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
