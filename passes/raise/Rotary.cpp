//===- Rotary.cpp - rotary position embedding -----------------------------===//

#include "passes/raise/Match.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Shapes.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::raise;
using mercer::onnx::producer;

namespace {

/// A contiguous part of the last axis of `source`: [begin, end), where end is
/// absent if it is the end of the axis.
struct Part {
  Value source;
  int64_t begin = 0;
  std::optional<int64_t> end;
};

bool isLastAxis(int64_t axis, Value value) {
  if (axis == -1)
    return true;
  std::optional<int64_t> rank = ShapeAnalysis().rank(value);
  return rank && axis == *rank - 1;
}

std::optional<Part> matchPart(Value value, std::optional<int64_t> size) {
  if (NodeOp slice = producer(value, "Slice")) {
    auto one = [&](unsigned index, StringRef name) -> std::optional<int64_t> {
      std::optional<SmallVector<int64_t>> list =
          slice.hasAttribute(name) ? slice.intsAttr(name)
                                   : slice.constantInts(index);
      return list && list->size() == 1 ? std::optional((*list)[0])
                                       : std::nullopt;
    };
    std::optional<int64_t> start = one(1, "starts"), end = one(2, "ends"),
                           axis = one(3, "axes");
    if (!start || !end || !axis || !isLastAxis(*axis, slice.input(0)) ||
        (slice.hasInput(4) && one(4, "steps") != 1) || *start < 0)
      return std::nullopt;
    Part part{slice.input(0), *start, *end};
    if (*end < 0 || (size && *end >= *size)) {
      if (*end < 0)
        return std::nullopt;
      part.end = std::nullopt;
    } else if (*end >= (int64_t(1) << 31) - 1) {
      part.end = std::nullopt;
    }
    return part;
  }
  NodeOp split = producer(value, "Split");
  if (!split || split.getOutputs().size() != 2 || !size ||
      !isLastAxis(split.intAttr("axis"), split.input(0)))
    return std::nullopt;
  // Equal halves, by default or by sizes.
  if (split.hasInput(1) || split.hasAttribute("split")) {
    std::optional<SmallVector<int64_t>> sizes =
        split.hasInput(1) ? split.constantInts(1) : split.intsAttr("split");
    if (!sizes || sizes->size() != 2 || (*sizes)[0] != (*sizes)[1])
      return std::nullopt;
  } else if (*size % 2) {
    return std::nullopt;
  }
  if (value == split.output(0))
    return Part{split.input(0), 0, *size / 2};
  return Part{split.input(0), *size / 2, std::nullopt};
}

/// x cos + rotate_half(x) sin, with rotate_half(x) = concat(-x₂, x₁) over the
/// halves of the last axis.
struct RaiseRotary : NodePattern {
  RaiseRotary(MLIRContext *context, RaiseCounts &counts)
      : NodePattern(context, "Add"), counts(counts) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    NodeOp left = producer(node.input(0), "Mul"),
           right = producer(node.input(1), "Mul");
    if (!left || !right)
      return rewriter.notifyMatchFailure(node, "not a sum of two products");
    for (auto [plain, turned] : {std::pair(left, right), {right, left}})
      for (unsigned i : {0u, 1u})
        for (unsigned j : {0u, 1u})
          if (isRotated(turned.input(i), plain.input(j))) {
            Value x = plain.input(j);
            Value result = makeNode(
                rewriter, node.getLoc(), node.getResultTypes().front(),
                "RotaryEmbedding", {x, plain.input(1 - j), turned.input(1 - i)},
                i64(rewriter, "interleaved", 0), 1, NodeOp::kMercerDomain);
            rewriter.replaceOp(node, result);
            ++counts.rotary;
            return success();
          }
    return rewriter.notifyMatchFailure(node, "no half is rotated");
  }

private:
  static bool isRotated(Value value, Value x) {
    NodeOp concat = producer(value, "Concat");
    if (!concat || !x || concat.getInputs().size() != 2 ||
        !isLastAxis(concat.intAttr("axis"), x))
      return false;
    NodeOp neg = producer(concat.input(0), "Neg");
    if (!neg)
      return false;
    std::optional<Shape> shape = ShapeAnalysis().shape(x);
    std::optional<int64_t> size;
    if (shape && !shape->empty())
      size = shape->back().constant;
    std::optional<Part> second = matchPart(neg.input(0), size),
                        first = matchPart(concat.input(1), size);
    if (!first || !second || first->source != x || second->source != x ||
        first->begin != 0 || !first->end || second->begin != *first->end ||
        second->end)
      return false;
    // Two parts are halves only if the size says so.
    return size && *first->end * 2 == *size;
  }

  RaiseCounts &counts;
};

} // namespace

void mercer::populateRotaryPatterns(RewritePatternSet &patterns,
                                    RaiseCounts &counts) {
  patterns.add<RaiseRotary>(patterns.getContext(), counts);
}
