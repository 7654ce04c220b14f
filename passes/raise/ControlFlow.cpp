//===- ControlFlow.cpp - If, Loop and Scan whose course is known ----------===//

#include "passes/raise/Match.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Shapes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::raise;

namespace {

std::optional<bool> constantCondition(Value value) {
  std::optional<SmallVector<int64_t>> elements = onnx::constantInts(value);
  if (!elements || elements->size() != 1)
    return std::nullopt;
  return (*elements)[0] != 0;
}

/// Clones the body in front of `node` with `arguments` for its arguments and
/// gives what it yields.
SmallVector<Value> cloneBody(Block &body, ValueRange arguments, NodeOp node,
                             PatternRewriter &rewriter) {
  IRMapping mapping;
  mapping.map(body.getArguments(), arguments);
  for (Operation &op : body.without_terminator())
    rewriter.clone(op, mapping);
  SmallVector<Value> results;
  for (Value value : body.getTerminator()->getOperands())
    results.push_back(mapping.lookupOrDefault(value));
  return results;
}

/// The values of the steps stacked along a new axis.
Value stack(ArrayRef<Value> steps, int64_t axis, Type type, Location loc,
            PatternRewriter &rewriter) {
  SmallVector<Value> parts;
  Value axes = makeInts(rewriter, loc, {axis});
  for (Value step : steps)
    parts.push_back(makeNode(rewriter, loc, unrankedLike(step), "Unsqueeze",
                             {step, axes}, {}, 13));
  return makeNode(rewriter, loc, type, "Concat", parts,
                  i64(rewriter, "axis", axis), 13);
}

struct ResolveIf : NodePattern {
  ResolveIf(MLIRContext *context, SimplifyCounts &counts)
      : NodePattern(context, "If"), counts(counts) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    std::optional<bool> condition = constantCondition(node.input(0));
    if (!condition)
      return rewriter.notifyMatchFailure(node, "condition is not constant");
    Region *branch = node.subgraph(*condition ? "then_branch" : "else_branch");
    if (!branch || branch->getNumArguments() ||
        branch->front().getTerminator()->getNumOperands() !=
            node->getNumResults())
      return rewriter.notifyMatchFailure(node, "branch does not fit the node");
    Operation *yield = branch->front().getTerminator();
    SmallVector<Value> results(yield->getOperands());
    rewriter.eraseOp(yield);
    rewriter.inlineBlockBefore(&branch->front(), node);
    rewriter.replaceOp(node, results);
    ++counts.branches;
    return success();
  }

private:
  SimplifyCounts &counts;
};

struct UnrollLoop : NodePattern {
  UnrollLoop(MLIRContext *context, SimplifyCounts &counts, int64_t maxUnroll)
      : NodePattern(context, "Loop"), counts(counts), maxUnroll(maxUnroll) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    Region *region = node.subgraph("body");
    std::optional<SmallVector<int64_t>> trip = node.constantInts(0);
    if (!region || !trip || trip->size() != 1)
      return rewriter.notifyMatchFailure(node, "trip count is not constant");
    Block &body = region->front();
    Operation *yield = body.getTerminator();
    size_t carried =
        node.getInputs().size() < 2 ? 0 : node.getInputs().size() - 2;
    size_t scanned = node->getNumResults() - carried;
    if (node->getNumResults() < carried ||
        body.getNumArguments() != carried + 2 ||
        yield->getNumOperands() != 1 + carried + scanned)
      return rewriter.notifyMatchFailure(node, "body does not fit the node");
    bool starts = true;
    if (node.hasInput(1)) {
      std::optional<bool> condition = constantCondition(node.input(1));
      if (!condition)
        return rewriter.notifyMatchFailure(node, "condition is not constant");
      starts = *condition;
    }
    Value next = skipTransparent(yield->getOperand(0));
    if (next != body.getArgument(1) && constantCondition(next) != true)
      return rewriter.notifyMatchFailure(node, "may end early");
    int64_t steps = starts ? std::max<int64_t>((*trip)[0], 0) : 0;
    if (steps > maxUnroll || (steps == 0 && scanned))
      return rewriter.notifyMatchFailure(node, "too many steps, or none");

    Location loc = node.getLoc();
    Value yes = arith::ConstantOp::create(
        rewriter, loc,
        DenseElementsAttr::get(RankedTensorType::get({}, rewriter.getI1Type()),
                               true));
    SmallVector<Value> state;
    for (size_t i = 0; i < carried; ++i)
      state.push_back(node.getInputs()[2 + i]);
    SmallVector<SmallVector<Value>> outputs(scanned);
    for (int64_t step = 0; step < steps; ++step) {
      Value iteration = arith::ConstantOp::create(
          rewriter, loc,
          DenseElementsAttr::get(
              RankedTensorType::get({}, rewriter.getI64Type()), step));
      SmallVector<Value> arguments{iteration, yes};
      llvm::append_range(arguments, state);
      SmallVector<Value> results = cloneBody(body, arguments, node, rewriter);
      state.assign(results.begin() + 1, results.begin() + 1 + carried);
      for (size_t i = 0; i < scanned; ++i)
        outputs[i].push_back(results[1 + carried + i]);
    }
    SmallVector<Value> replacements(state);
    for (size_t i = 0; i < scanned; ++i)
      replacements.push_back(stack(
          outputs[i], 0, node.getResultTypes()[carried + i], loc, rewriter));
    rewriter.replaceOp(node, replacements);
    ++counts.unrolled;
    return success();
  }

private:
  SimplifyCounts &counts;
  int64_t maxUnroll;
};

struct UnrollScan : NodePattern {
  UnrollScan(MLIRContext *context, SimplifyCounts &counts, int64_t maxUnroll)
      : NodePattern(context, "Scan"), counts(counts), maxUnroll(maxUnroll) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    Region *region = node.subgraph("body");
    int64_t inputs = node.intAttr("num_scan_inputs"),
            states = static_cast<int64_t>(node.getInputs().size()) - inputs,
            outputs = static_cast<int64_t>(node->getNumResults()) - states;
    // Version 8 had a batch axis and sequence lengths.
    if (!region || node.getOpset() < 9 || inputs < 1 || states < 0 ||
        outputs < 0)
      return rewriter.notifyMatchFailure(node, "not the form of opset 9");
    Block &body = region->front();
    Operation *yield = body.getTerminator();
    if (static_cast<int64_t>(body.getNumArguments()) != states + inputs ||
        yield->getNumOperands() != node->getNumResults())
      return rewriter.notifyMatchFailure(node, "body does not fit the node");
    auto list = [&](StringRef name, int64_t size) {
      return node.intsAttr(name, SmallVector<int64_t>(size, 0));
    };
    SmallVector<int64_t> inputAxes = list("scan_input_axes", inputs),
                         inputDirections =
                             list("scan_input_directions", inputs),
                         outputAxes = list("scan_output_axes", outputs),
                         outputDirections =
                             list("scan_output_directions", outputs);
    if (static_cast<int64_t>(inputAxes.size()) != inputs ||
        inputDirections.size() != inputAxes.size() ||
        static_cast<int64_t>(outputAxes.size()) != outputs ||
        outputDirections.size() != outputAxes.size())
      return rewriter.notifyMatchFailure(node, "axes do not fit the node");
    std::optional<int64_t> steps;
    ShapeAnalysis shapes;
    for (int64_t i = 0; i < inputs && !steps; ++i) {
      std::optional<Shape> shape = shapes.shape(node.getInputs()[states + i]);
      if (!shape)
        continue;
      int64_t rank = shape->size(), axis = inputAxes[i];
      axis = axis < 0 ? axis + rank : axis;
      if (axis >= 0 && axis < rank)
        steps = (*shape)[axis].constant;
    }
    if (!steps || *steps > maxUnroll || *steps < 1)
      return rewriter.notifyMatchFailure(node,
                                         "length is not a small constant");

    Location loc = node.getLoc();
    SmallVector<Value> state(node.getInputs().take_front(states));
    SmallVector<SmallVector<Value>> stacked(outputs);
    for (int64_t step = 0; step < *steps; ++step) {
      SmallVector<Value> arguments(state);
      for (int64_t i = 0; i < inputs; ++i) {
        int64_t index = inputDirections[i] ? *steps - 1 - step : step;
        Value position = arith::ConstantOp::create(
            rewriter, loc,
            DenseElementsAttr::get(
                RankedTensorType::get({}, rewriter.getI64Type()), index));
        Value source = node.getInputs()[states + i];
        arguments.push_back(makeNode(rewriter, loc, unrankedLike(source),
                                     "Gather", {source, position},
                                     i64(rewriter, "axis", inputAxes[i]), 13));
      }
      SmallVector<Value> results = cloneBody(body, arguments, node, rewriter);
      state.assign(results.begin(), results.begin() + states);
      for (int64_t i = 0; i < outputs; ++i)
        stacked[i].push_back(results[states + i]);
    }
    SmallVector<Value> replacements(state);
    for (int64_t i = 0; i < outputs; ++i) {
      if (outputDirections[i])
        std::reverse(stacked[i].begin(), stacked[i].end());
      replacements.push_back(stack(stacked[i], outputAxes[i],
                                   node.getResultTypes()[states + i], loc,
                                   rewriter));
    }
    rewriter.replaceOp(node, replacements);
    ++counts.unrolled;
    return success();
  }

private:
  SimplifyCounts &counts;
  int64_t maxUnroll;
};

} // namespace

void mercer::populateControlFlowPatterns(RewritePatternSet &patterns,
                                         SimplifyCounts &counts,
                                         int64_t maxUnroll) {
  MLIRContext *context = patterns.getContext();
  patterns.add<ResolveIf>(context, counts);
  patterns.add<UnrollLoop, UnrollScan>(context, counts, maxUnroll);
}
