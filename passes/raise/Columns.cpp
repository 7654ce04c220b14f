//===- Columns.cpp - sums of single columns as one matrix product ---------===//
//
// skl2onnx turns the pairwise scores of a classifier into scores per class
// column by column: hundreds of ArrayFeatureExtractor, Neg, Add and Sum nodes
// under one Concat. Together they are a product with a matrix of -1, 0 and 1.
//
//===----------------------------------------------------------------------===//

#include "passes/raise/Match.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Shapes.h"

#include <map>

using namespace mlir;
using namespace mercer;
using namespace mercer::raise;
using mercer::onnx::producer;

namespace {

// Below this number of nodes the product is no gain.
constexpr unsigned kMinNodes = 8;
// Sums share operands, so that a walk without memory could be exponential.
constexpr unsigned kMaxNodes = 100'000;

/// constant + sum of factors[c] * source[:, c].
struct LinearForm {
  Value source;
  std::map<int64_t, double> factors;
  double constant = 0;

  bool add(const LinearForm &other, double factor) {
    if (other.source && source && other.source != source)
      return false;
    if (other.source)
      source = other.source;
    for (auto [column, value] : other.factors)
      factors[column] += factor * value;
    constant += factor * other.constant;
    return true;
  }
};

std::optional<LinearForm> formOf(Value value, unsigned &budget) {
  if (!value || !budget)
    return std::nullopt;
  --budget;
  LinearForm form;
  NodeOp node = producer(value);
  if (!node)
    return std::nullopt;
  if (node.is("ArrayFeatureExtractor", NodeOp::kMLDomain)) {
    std::optional<SmallVector<int64_t>> columns = node.constantInts(1);
    if (!columns || columns->size() != 1 || (*columns)[0] < 0)
      return std::nullopt;
    form.source = node.input(0);
    form.factors[(*columns)[0]] = 1;
    // Scaling and negation of the whole source move to the factors.
    Value inner;
    double factor;
    while (matchScaled(form.source, inner, factor)) {
      form.factors.begin()->second *= factor;
      form.source = inner;
    }
    return form;
  }
  double scalar;
  Value x;
  if (matchWithScalar(value, "Add", x, scalar)) {
    std::optional<LinearForm> inner = formOf(x, budget);
    if (inner)
      inner->constant += scalar;
    return inner;
  }
  if (matchScaled(value, x, scalar)) {
    std::optional<LinearForm> inner = formOf(x, budget);
    if (!inner || !form.add(*inner, scalar))
      return std::nullopt;
    return form;
  }
  bool isSub = node.is("Sub");
  if (!isSub && !node.is("Add") && !node.is("Sum") && !node.is("Identity"))
    return std::nullopt;
  for (auto [i, operand] : llvm::enumerate(node.getInputs())) {
    std::optional<LinearForm> term = formOf(operand, budget);
    if (!term || !form.add(*term, isSub && i == 1 ? -1 : 1))
      return std::nullopt;
  }
  return form;
}

struct CombineColumns : NodePattern {
  CombineColumns(MLIRContext *context, RaiseCounts &counts)
      : NodePattern(context, "Concat"), counts(counts) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    int64_t axis = node.intAttr("axis");
    if (axis != 1 && axis != -1)
      return rewriter.notifyMatchFailure(node, "no concatenation of columns");
    unsigned budget = kMaxNodes;
    SmallVector<LinearForm> forms;
    LinearForm all;
    for (Value operand : node.getInputs()) {
      std::optional<LinearForm> form = formOf(operand, budget);
      if (!form || !form->source || !all.add(*form, 1))
        return rewriter.notifyMatchFailure(node, "no sums of columns");
      forms.push_back(std::move(*form));
    }
    if (!all.source || kMaxNodes - budget < kMinNodes)
      return rewriter.notifyMatchFailure(node, "too few columns");
    Type element = onnx::elementType(all.source);
    if (!isa_and_present<FloatType>(element) ||
        ShapeAnalysis().rank(all.source).value_or(2) != 2)
      return rewriter.notifyMatchFailure(node, "columns are no numbers");

    // Columns that occur, in order; all of them need no gathering.
    SmallVector<int64_t> columns;
    for (auto &entry : all.factors)
      columns.push_back(entry.first);
    std::optional<Shape> shape = ShapeAnalysis().shape(all.source);
    bool complete = shape && shape->size() == 2 &&
                    (*shape)[1].is(columns.size()) && columns.front() == 0 &&
                    columns.back() == static_cast<int64_t>(columns.size()) - 1;
    int64_t rows = columns.size(), width = forms.size();
    SmallVector<double> matrix(rows * width, 0.0), constants;
    for (auto [j, form] : llvm::enumerate(forms)) {
      for (auto [i, column] : llvm::enumerate(columns))
        if (auto found = form.factors.find(column); found != form.factors.end())
          matrix[i * width + j] = found->second;
      constants.push_back(form.constant);
    }

    Location loc = node.getLoc();
    Type type = UnrankedTensorType::get(element);
    Value source = all.source;
    if (!complete)
      source = makeNode(rewriter, loc, type, "Gather",
                        {source, makeInts(rewriter, loc, columns)},
                        i64(rewriter, "axis", 1), 13);
    Value product = makeNode(
        rewriter, loc, type, "MatMul",
        {source, makeFloats(rewriter, loc, element, {rows, width}, matrix)}, {},
        13);
    if (llvm::any_of(constants, [](double c) { return c != 0; }))
      product = makeNode(
          rewriter, loc, type, "Add",
          {product, makeFloats(rewriter, loc, element, {width}, constants)}, {},
          14);
    rewriter.replaceOp(node, product);
    ++counts.kernel;
    return success();
  }

private:
  RaiseCounts &counts;
};

} // namespace

void mercer::populateColumnPatterns(RewritePatternSet &patterns,
                                    RaiseCounts &counts) {
  patterns.add<CombineColumns>(patterns.getContext(), counts);
}
