//===- SupportVector.cpp - support vector machines as kernel products -----===//
//
// Both operators of ai.onnx.ml are sums of kernel values against the support
// vectors. A classifier of several classes votes between each pair of classes;
// its coefficients, spread over the pairs, are one matrix:
//   scores[n, p] = sum_m K(x_n, v_m) C[m, p] + rho[p].
//
//===----------------------------------------------------------------------===//

#include "passes/raise/Match.h"
#include "passes/raise/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::raise;

namespace {

struct Kernel {
  StringRef type;
  double gamma = 0, coef0 = 0, degree = 0;
};

std::optional<Kernel> kernelOf(NodeOp node) {
  Kernel kernel{node.stringAttr("kernel_type", "LINEAR")};
  if (!llvm::is_contained({"LINEAR", "RBF", "POLY", "SIGMOID"}, kernel.type))
    return std::nullopt;
  SmallVector<float> params = node.floatsAttr("kernel_params");
  if (params.size() == 3) {
    kernel.gamma = params[0];
    kernel.coef0 = params[1];
    kernel.degree = params[2];
  } else if (kernel.type != "LINEAR") {
    return std::nullopt;
  }
  return kernel;
}

Value constantMatrix(OpBuilder &builder, Location loc, int64_t rows,
                     int64_t columns, ArrayRef<float> values) {
  auto type = RankedTensorType::get({rows, columns}, builder.getF32Type());
  return arith::ConstantOp::create(builder, loc,
                                   DenseElementsAttr::get(type, values));
}

Value constantVector(OpBuilder &builder, Location loc, ArrayRef<float> values) {
  auto type = RankedTensorType::get({static_cast<int64_t>(values.size())},
                                    builder.getF32Type());
  return arith::ConstantOp::create(builder, loc,
                                   DenseElementsAttr::get(type, values));
}

/// The operators compute in f32 whatever their input is.
Value asFloat(Value x, OpBuilder &builder, Location loc) {
  Type element = onnx::elementType(x);
  if (element && element.isF32())
    return x;
  return makeNode(builder, loc, UnrankedTensorType::get(builder.getF32Type()),
                  "Cast", x, i64(builder, "to", 1), 13);
}

Value kernelProduct(Value x, const Kernel &kernel, ArrayRef<float> vectors,
                    int64_t count, Value coefficients, OpBuilder &builder,
                    Location loc) {
  Value points =
      constantMatrix(builder, loc, count, vectors.size() / count, vectors);
  return makeNode(
      builder, loc, UnrankedTensorType::get(builder.getF32Type()),
      "KernelMatvec", {asFloat(x, builder, loc), points, coefficients},
      {str(builder, "kernel", kernel.type), f32(builder, "gamma", kernel.gamma),
       f32(builder, "coef0", kernel.coef0),
       f32(builder, "degree", kernel.degree)},
      1, NodeOp::kMercerDomain);
}

struct RaiseRegressor : NodePattern {
  RaiseRegressor(MLIRContext *context, RaiseCounts &counts)
      : NodePattern(context, "SVMRegressor", NodeOp::kMLDomain),
        counts(counts) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    std::optional<Kernel> kernel = kernelOf(node);
    SmallVector<float> vectors = node.floatsAttr("support_vectors"),
                       coefficients = node.floatsAttr("coefficients"),
                       rho = node.floatsAttr("rho");
    int64_t count = node.intAttr("n_supports", 0);
    if (!kernel || rho.empty() || coefficients.empty() || !node.hasInput(0))
      return rewriter.notifyMatchFailure(node, "parameters are missing");
    if (node.stringAttr("post_transform", "NONE") != "NONE")
      return rewriter.notifyMatchFailure(node, "has a post transform");
    if (count < 0 ||
        (count && (static_cast<int64_t>(coefficients.size()) != count ||
                   vectors.empty() || vectors.size() % count)))
      return rewriter.notifyMatchFailure(node, "sizes contradict each other");

    Location loc = node.getLoc();
    Type type = UnrankedTensorType::get(rewriter.getF32Type());
    Value sums;
    if (count) {
      Value column = constantMatrix(rewriter, loc, count, 1, coefficients);
      sums = kernelProduct(node.input(0), *kernel, vectors, count, column,
                           rewriter, loc);
    } else {
      // Without support vectors the coefficients are those of a linear model.
      Value column =
          constantMatrix(rewriter, loc, coefficients.size(), 1, coefficients);
      sums = makeNode(rewriter, loc, type, "MatMul",
                      {asFloat(node.input(0), rewriter, loc), column}, {}, 13);
    }
    Value result =
        makeNode(rewriter, loc, type, "Add",
                 {sums, constantVector(rewriter, loc, rho[0])}, {}, 14);
    if (node.intAttr("one_class", 0)) {
      Value zero = constantVector(rewriter, loc, 0.0f);
      Value inside =
          makeNode(rewriter, loc, UnrankedTensorType::get(rewriter.getI1Type()),
                   "Greater", {result, zero}, {}, 13);
      result = makeNode(rewriter, loc, type, "Where",
                        {inside, constantVector(rewriter, loc, 1.0f),
                         constantVector(rewriter, loc, -1.0f)},
                        {}, 16);
    }
    rewriter.replaceOp(node, result);
    ++counts.kernel;
    return success();
  }

private:
  RaiseCounts &counts;
};

struct RaiseClassifier : NodePattern {
  RaiseClassifier(MLIRContext *context, RaiseCounts &counts)
      : NodePattern(context, "SVMClassifier", NodeOp::kMLDomain),
        counts(counts) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    std::optional<Kernel> kernel = kernelOf(node);
    SmallVector<float> vectors = node.floatsAttr("support_vectors"),
                       coefficients = node.floatsAttr("coefficients"),
                       rho = node.floatsAttr("rho");
    SmallVector<int64_t> perClass = node.intsAttr("vectors_per_class"),
                         labels = node.intsAttr("classlabels_ints");
    int64_t classes = perClass.size(), pairs = classes * (classes - 1) / 2;
    // Probabilities are an iteration; they stay with the operator.
    if (classes < 2 || !node.floatsAttr("prob_a").empty() ||
        node.stringAttr("post_transform", "NONE") != "NONE")
      return rewriter.notifyMatchFailure(node, "not plain votes of classes");
    // With coefficients of one sign the operator takes two classes for a
    // threshold; a trained classifier has both signs.
    if (classes == 2 &&
        llvm::none_of(coefficients, [](float c) { return c < 0; }))
      return rewriter.notifyMatchFailure(node, "two classes by a threshold");
    if (!kernel || static_cast<int64_t>(labels.size()) != classes ||
        static_cast<int64_t>(rho.size()) != pairs)
      return rewriter.notifyMatchFailure(node, "parameters are missing");
    int64_t count = 0;
    SmallVector<int64_t> start;
    for (int64_t size : perClass) {
      if (size < 0)
        return rewriter.notifyMatchFailure(node, "a class has negative size");
      start.push_back(count);
      count += size;
    }
    if (!count || vectors.empty() || vectors.size() % count ||
        static_cast<int64_t>(coefficients.size()) != count * (classes - 1) ||
        node.getOutputs().size() > 2 || !node.hasInput(0))
      return rewriter.notifyMatchFailure(node, "sizes contradict each other");

    // Between classes i < j the vectors of i count with coefficient row j - 1,
    // those of j with row i.
    SmallVector<float> spread(count * pairs, 0.0f);
    SmallVector<float> vote(pairs * classes, 0.0f), lost(classes, 0.0f);
    int64_t pair = 0;
    for (int64_t i = 0; i < classes; ++i)
      for (int64_t j = i + 1; j < classes; ++j, ++pair) {
        for (int64_t m = start[i]; m < start[i] + perClass[i]; ++m)
          spread[m * pairs + pair] = coefficients[(j - 1) * count + m];
        for (int64_t m = start[j]; m < start[j] + perClass[j]; ++m)
          spread[m * pairs + pair] = coefficients[i * count + m];
        // A positive score is a vote for i, else for j.
        vote[pair * classes + i] = 1;
        vote[pair * classes + j] = -1;
        lost[j] += 1;
      }

    Location loc = node.getLoc();
    Type type = UnrankedTensorType::get(rewriter.getF32Type());
    Value sums = kernelProduct(
        node.input(0), *kernel, vectors, count,
        constantMatrix(rewriter, loc, count, pairs, spread), rewriter, loc);
    Value scores = makeNode(rewriter, loc, type, "Add",
                            {sums, constantVector(rewriter, loc, rho)}, {}, 14);
    Value won = makeNode(
        rewriter, loc, UnrankedTensorType::get(rewriter.getI1Type()), "Greater",
        {scores, constantVector(rewriter, loc, 0.0f)}, {}, 13);
    Value ones =
        makeNode(rewriter, loc, type, "Cast", won, i64(rewriter, "to", 1), 13);
    Value votes = makeNode(
        rewriter, loc, type, "MatMul",
        {ones, constantMatrix(rewriter, loc, pairs, classes, vote)}, {}, 13);
    votes = makeNode(rewriter, loc, type, "Add",
                     {votes, constantVector(rewriter, loc, lost)}, {}, 14);
    Type indexType = UnrankedTensorType::get(rewriter.getI64Type());
    Value label =
        makeNode(rewriter, loc, indexType, "ArgMax", votes,
                 {i64(rewriter, "axis", 1), i64(rewriter, "keepdims", 0)}, 13);
    bool counted = true;
    for (auto [i, value] : llvm::enumerate(labels))
      counted &= value == static_cast<int64_t>(i);
    if (!counted)
      label = makeNode(rewriter, loc, indexType, "Gather",
                       {makeInts(rewriter, loc, labels), label},
                       i64(rewriter, "axis", 0), 13);
    // Two classes have a column each: the score of the second is positive
    // where the first one wins, as ONNX Runtime writes it.
    if (classes == 2)
      scores = makeNode(
          rewriter, loc, type, "MatMul",
          {scores, constantMatrix(rewriter, loc, 1, 2, {-1.0f, 1.0f})}, {}, 13);
    SmallVector<Value> results{label, scores};
    results.resize(node.getOutputs().size());
    rewriter.replaceOp(node, results);
    ++counts.kernel;
    return success();
  }

private:
  RaiseCounts &counts;
};

} // namespace

void mercer::populateSupportVectorPatterns(RewritePatternSet &patterns,
                                           RaiseCounts &counts) {
  patterns.add<RaiseRegressor, RaiseClassifier>(patterns.getContext(), counts);
}
