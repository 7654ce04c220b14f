//===- KernelMethods.cpp - distances and kernel matrix products -----------===//

#include "passes/raise/Match.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Shapes.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::raise;
using mercer::onnx::producer;

namespace {

/// The Scan that skl2onnx writes for pairwise squared distances: the state is
/// one set of points, the scanned input the other, and a step gives the sums
/// of squares of their differences, one row of the result.
struct RaiseScanDistance : NodePattern {
  RaiseScanDistance(MLIRContext *context, RaiseCounts &counts)
      // Before the pattern that unrolls a Scan of few steps.
      : NodePattern(context, "Scan", "", /*benefit=*/2), counts(counts) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    Region *body = node.subgraph("body");
    if (!body || node.getOpset() < 9 || node.getInputs().size() != 2 ||
        node.getOutputs().size() != 2 || node.intAttr("num_scan_inputs") != 1)
      return rewriter.notifyMatchFailure(node, "not one state and one input");
    for (StringRef name : {"scan_input_axes", "scan_input_directions",
                           "scan_output_axes", "scan_output_directions"})
      if (llvm::any_of(node.intsAttr(name), [](int64_t v) { return v != 0; }))
        return rewriter.notifyMatchFailure(node, "scans another axis");
    Block &block = body->front();
    auto yield = cast<onnx::YieldOp>(block.getTerminator());
    if (block.getNumArguments() != 2 || yield.getValues().size() != 2)
      return rewriter.notifyMatchFailure(node, "another body");
    Value points = block.getArgument(0), point = block.getArgument(1);
    if (skipTransparent(yield.getValues()[0]) != points)
      return rewriter.notifyMatchFailure(node, "the state changes");
    Value squares = skipTransparent(yield.getValues()[1]);
    Value difference;
    NodeOp sum = producer(squares, "ReduceSumSquare");
    if (sum)
      difference = sum.input(0);
    else if ((sum = producer(squares, "ReduceSum")) &&
             !matchSquare(sum.input(0), difference))
      sum = nullptr;
    if (!sum || sum.intAttr("keepdims", 1) != 0)
      return rewriter.notifyMatchFailure(node, "no sum of squares");
    std::optional<SmallVector<int64_t>> axes = axesOf(sum);
    if (!axes || axes->size() != 1 || ((*axes)[0] != 1 && (*axes)[0] != -1))
      return rewriter.notifyMatchFailure(node, "sums over another axis");
    NodeOp sub = producer(difference, "Sub");
    bool forward = sub && sub.input(0) == points && sub.input(1) == point;
    bool backward = sub && sub.input(0) == point && sub.input(1) == points;
    if (!forward && !backward)
      return rewriter.notifyMatchFailure(node, "no difference of points");
    if (ShapeAnalysis().rank(points) != 2 ||
        ShapeAnalysis().rank(point).value_or(1) != 1)
      return rewriter.notifyMatchFailure(node, "points are no rows");

    Type element = onnx::elementType(points);
    Type type = element ? Type(UnrankedTensorType::get(element))
                        : node.getResultTypes()[1];
    Value distances = makeNode(
        rewriter, node.getLoc(), type, "CDist", {node.input(1), node.input(0)},
        str(rewriter, "metric", "sqeuclidean"), 1, NodeOp::kMercerDomain);
    rewriter.replaceOp(node, ValueRange{node.input(0), distances});
    ++counts.kernel;
    return success();
  }

private:
  RaiseCounts &counts;
};

/// Transpose(CDist(a, b)) -> CDist(b, a).
struct TransposeDistance : NodePattern {
  TransposeDistance(MLIRContext *context) : NodePattern(context, "Transpose") {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    NodeOp distance = producer(node.input(0), "CDist", NodeOp::kMercerDomain);
    if (!distance)
      return rewriter.notifyMatchFailure(node, "not of distances");
    SmallVector<int64_t> perm = node.intsAttr("perm", {1, 0});
    if (perm != SmallVector<int64_t>{1, 0})
      return rewriter.notifyMatchFailure(node, "no swap");
    Value result = makeNode(
        rewriter, node.getLoc(), unrankedLike(node.input(0)), "CDist",
        {distance.input(1), distance.input(0)},
        distance.getNodeAttributes().getValue(), 1, NodeOp::kMercerDomain);
    rewriter.replaceOp(node, result);
    return success();
  }
};

/// Add, Mul with a tensor of one repeated number that is made at run time.
/// skl2onnx makes the matrix of a constant kernel as a product of zeros.
struct SimplifyUniform : NodePattern {
  SimplifyUniform(MLIRContext *context, StringRef opType)
      : NodePattern(context, opType) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    for (unsigned i : {0u, 1u}) {
      Value uniform = node.input(i), other = node.input(1 - i);
      if (!uniform || !other || onnx::constantScalar(uniform) ||
          uniformValue(other))
        continue;
      std::optional<double> number = uniformValue(uniform);
      if (!number || !ShapeAnalysis().broadcastsTo(uniform, other))
        continue;
      if (*number == (node.is("Mul") ? 1.0 : 0.0)) {
        rewriter.replaceOp(node, other);
        return success();
      }
      Type element = onnx::elementType(other);
      if (!element)
        element = onnx::elementType(uniform);
      if (!isa_and_present<FloatType>(element))
        continue;
      Value scalar = makeFloats(rewriter, node.getLoc(), element, {1}, *number);
      Value result = makeNode(rewriter, node.getLoc(), unrankedLike(other),
                              node.getOpType(), {other, scalar}, {}, 14);
      rewriter.replaceOp(node, result);
      return success();
    }
    return rewriter.notifyMatchFailure(node, "no uniform operand");
  }
};

/// (c exp(-γ d²)) coef -> c KernelMatvec(x, points, coef), which never forms
/// the kernel matrix.
struct RaiseKernelMatvec : NodePattern {
  RaiseKernelMatvec(MLIRContext *context, RaiseCounts &counts)
      : NodePattern(context, "MatMul"), counts(counts) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    SmallVector<NodeOp> interior;
    double amplitude = 1, exponent = 1;
    Value value = scaled(node.input(0), amplitude, interior);
    NodeOp exp = producer(value, "Exp");
    if (!exp)
      return rewriter.notifyMatchFailure(node, "no exponential");
    interior.push_back(exp);
    value = scaled(exp.input(0), exponent, interior);
    NodeOp distance = producer(value, "CDist", NodeOp::kMercerDomain);
    if (!distance || distance.stringAttr("metric") != "sqeuclidean" ||
        exponent >= 0)
      return rewriter.notifyMatchFailure(node, "no squared distance");
    interior.push_back(distance);
    Value coefficients = node.input(1);
    std::optional<int64_t> rank = ShapeAnalysis().rank(coefficients);
    if (!rank || *rank > 2 || *rank < 1)
      return rewriter.notifyMatchFailure(node, "coefficients are no matrix");
    if (!isClosed(interior, node))
      return rewriter.notifyMatchFailure(node, "the kernel matrix is used");
    Location loc = node.getLoc();
    Type type = node.getResultTypes().front();
    Value sums = makeNode(
        rewriter, loc, type, "KernelMatvec",
        {distance.input(0), distance.input(1), coefficients},
        {str(rewriter, "kernel", "RBF"), f32(rewriter, "gamma", -exponent),
         f32(rewriter, "coef0", 0), f32(rewriter, "degree", 0)},
        1, NodeOp::kMercerDomain);
    if (amplitude != 1) {
      Type element = onnx::elementType(coefficients);
      if (!isa_and_present<FloatType>(element))
        element = rewriter.getF32Type();
      Value factor = makeFloats(rewriter, loc, element, {}, amplitude);
      sums = makeNode(rewriter, loc, type, "Mul", {sums, factor}, {}, 14);
    }
    rewriter.replaceOp(node, sums);
    ++counts.kernel;
    return success();
  }

private:
  static Value scaled(Value value, double &factor,
                      SmallVectorImpl<NodeOp> &interior) {
    Value inner;
    double step;
    for (;;) {
      if (matchScaled(value, inner, step))
        factor *= step;
      else if (NodeOp identity = producer(value, "Identity"))
        inner = identity.input(0);
      else
        return value;
      interior.push_back(producer(value));
      value = inner;
    }
  }

  RaiseCounts &counts;
};

} // namespace

void mercer::populateScanDistancePatterns(RewritePatternSet &patterns,
                                          RaiseCounts &counts) {
  patterns.add<RaiseScanDistance>(patterns.getContext(), counts);
}

void mercer::populateKernelMethodPatterns(RewritePatternSet &patterns,
                                          RaiseCounts &counts) {
  MLIRContext *context = patterns.getContext();
  populateScanDistancePatterns(patterns, counts);
  patterns.add<TransposeDistance>(context);
  patterns.add<SimplifyUniform>(context, "Add");
  patterns.add<SimplifyUniform>(context, "Mul");
  patterns.add<RaiseKernelMatvec>(context, counts);
}
