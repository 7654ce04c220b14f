//===- Attention.cpp - softmax attention in the forms exporters write -----===//
//
// The root is the product with the values. From there the pattern walks back
// through the softmax to the product of queries and keys, and collects what
// stands on the way: scale, mask, soft cap, guard against rows without a key.
//
//===----------------------------------------------------------------------===//

#include "passes/raise/Match.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Shapes.h"

#include <cmath>

using namespace mlir;
using namespace mercer;
using namespace mercer::raise;
using mercer::onnx::constantScalar;
using mercer::onnx::producer;

namespace {

// Fill values of masks: exporters write -inf, the lowest f32 or f16, -1e9 or
// -10000. A larger number is no mask.
constexpr double kMaskBound = -9999.0;

/// What stands between the softmax and the product of queries and keys.
struct Scores {
  NodeOp product;
  double scale = 1;
  double softcap = 0;
  SmallVector<Value> added;    ///< masks that are added
  Value condition;             ///< bool mask of a Where
  bool conditionDrops = false; ///< it is true where the key does not count
  double maskedValue = -INFINITY;
  SmallVector<NodeOp> interior;
};

bool isLastAxis(NodeOp softmax) {
  int64_t axis = softmax.intAttr("axis", softmax.getOpset() >= 13 ? -1 : 1);
  if (axis == -1)
    return true;
  std::optional<int64_t> rank = ShapeAnalysis().rank(softmax.input(0));
  return rank && axis == *rank - 1;
}

/// The operand of `node` that leads to a matrix product through the nodes that
/// scores pass; -1 if none does.
bool leadsToProduct(Value value, unsigned depth = 0) {
  NodeOp node = producer(value);
  if (!node || depth > 8)
    return false;
  if (node.is("MatMul"))
    return true;
  if (node.is("Add") || node.is("Mul"))
    return leadsToProduct(node.input(0), depth + 1) ||
           leadsToProduct(node.input(1), depth + 1);
  if (node.is("Div") || node.is("Cast") || node.is("Identity") ||
      node.is("Tanh"))
    return leadsToProduct(node.input(0), depth + 1);
  if (node.is("Where"))
    return leadsToProduct(node.input(1), depth + 1) ||
           leadsToProduct(node.input(2), depth + 1);
  return false;
}

struct RaiseAttention : NodePattern {
  RaiseAttention(MLIRContext *context, RaiseCounts &counts)
      : NodePattern(context, "MatMul"), counts(counts) {}

  LogicalResult rewrite(NodeOp node, PatternRewriter &rewriter) const override {
    Value weights = node.input(0), values = node.input(1);
    SmallVector<NodeOp> interior;
    bool zeroMaskedRows = false;
    NodeOp softmax = findSoftmax(weights, interior, zeroMaskedRows);
    if (!softmax)
      return rewriter.notifyMatchFailure(node, "no softmax before the product");
    if (!isLastAxis(softmax))
      return rewriter.notifyMatchFailure(node, "softmax is not over the keys");
    interior.push_back(softmax);

    Scores scores;
    if (!walkScores(softmax.input(0), scores))
      return rewriter.notifyMatchFailure(node, "scores have an unknown form");
    interior.append(scores.interior);
    interior.push_back(scores.product);
    if (!isClosed(interior, node))
      return rewriter.notifyMatchFailure(
          node, "the attention matrix is used elsewhere");

    Value queries = scores.product.input(0), keys = scores.product.input(1);
    if (!queries || !keys || !values)
      return failure();
    ShapeAnalysis shapes;
    std::optional<int64_t> queryRank = shapes.rank(queries),
                           keyRank = shapes.rank(keys),
                           valueRank = shapes.rank(values);
    auto differ = [](std::optional<int64_t> a, std::optional<int64_t> b) {
      return a && b && *a != *b;
    };
    if (differ(queryRank, keyRank) || differ(queryRank, valueRank))
      return rewriter.notifyMatchFailure(node, "ranks of q, k and v differ");

    Location loc = node.getLoc();
    queries = stripScale(queries, scores.scale);
    bool transposed = false;
    keys = keysByRow(keys, scores.scale, transposed, rewriter, loc);
    if (!transposed) {
      // The product must not enlarge the queries either: each of their heads
      // has its own of the repeated ones.
      std::optional<Repeated> fewerKeys = matchRepeatedHeads(keys),
                              fewerValues = matchRepeatedHeads(values);
      std::optional<Shape> of = shapes.shape(queries);
      if (fewerKeys && fewerValues && of && of->size() == 4 &&
          (*of)[1].is(fewerKeys->total) &&
          fewerKeys->groups == fewerValues->groups &&
          fewerKeys->total == fewerValues->total) {
        keys = fewerKeys->heads;
        values = fewerValues->heads;
      }
    }
    Value mask = combineMasks(scores, rewriter, loc);
    SmallVector<NamedAttribute> attributes{
        f64(rewriter, "scale", scores.scale)};
    if (scores.softcap != 0)
      attributes.push_back(f64(rewriter, "softcap", scores.softcap));
    if (transposed)
      attributes.push_back(i64(rewriter, "key_transposed", 1));
    if (zeroMaskedRows)
      attributes.push_back(i64(rewriter, "zero_masked_rows", 1));
    if (scores.condition && scores.added.empty() &&
        !std::isinf(scores.maskedValue))
      attributes.push_back(f32(rewriter, "masked_value", scores.maskedValue));
    SmallVector<Value> operands{queries, keys, values};
    if (mask)
      operands.push_back(mask);
    Value result =
        makeNode(rewriter, loc, node.getResultTypes().front(), "Attention",
                 operands, attributes, 1, NodeOp::kMercerDomain);
    rewriter.replaceOp(node, result);
    ++counts.attention;
    return success();
  }

private:
  /// Walks back from the left operand of the last product to the softmax.
  /// torch 2.15 guards rows whose keys are all masked, where the softmax gives
  /// NaN: Where(IsNaN(p), 0, p).
  static NodeOp findSoftmax(Value value, SmallVectorImpl<NodeOp> &interior,
                            bool &zeroMaskedRows) {
    while (NodeOp node = producer(value)) {
      if (node.is("Softmax"))
        return node;
      if (node.is("Cast") || node.is("Identity") ||
          (node.is("Dropout") && value == node.output(0))) {
        interior.push_back(node);
        value = node.input(0);
        continue;
      }
      if (!node.is("Where"))
        return nullptr;
      NodeOp isNaN = producer(node.input(0), "IsNaN");
      if (!isNaN || isNaN.input(0) != node.input(2) ||
          constantScalar(node.input(1)) != 0.0)
        return nullptr;
      interior.push_back(node);
      interior.push_back(isNaN);
      zeroMaskedRows = true;
      value = node.input(2);
    }
    return nullptr;
  }

  /// Walks back from the operand of the softmax to the product q kᵀ.
  static bool walkScores(Value value, Scores &scores) {
    while (NodeOp node = producer(value)) {
      if (node.is("MatMul")) {
        scores.product = node;
        return true;
      }
      if (node.is("Cast") || node.is("Identity")) {
        scores.interior.push_back(node);
        value = node.input(0);
        continue;
      }
      Value inner;
      double factor;
      if ((node.is("Mul") || node.is("Div")) &&
          matchScaled(value, inner, factor)) {
        // softcap * tanh(scores / softcap)
        if (NodeOp tanh = producer(inner, "Tanh")) {
          Value capped;
          double inverse;
          if (scores.scale != 1 || scores.softcap != 0 ||
              !matchScaled(tanh.input(0), capped, inverse) ||
              !isClose(factor * inverse, 1))
            return false;
          scores.softcap = factor;
          scores.interior.append({node, tanh, producer(tanh.input(0))});
          value = capped;
          continue;
        }
        scores.scale *= factor;
        scores.interior.push_back(node);
        value = inner;
        continue;
      }
      // With a soft cap between, a mask inside of the cap is another function.
      if (scores.softcap != 0)
        return false;
      if (node.is("Add")) {
        unsigned chain = leadsToProduct(node.input(0)) ? 0 : 1;
        // A scale between this mask and the softmax would multiply the mask.
        if (scores.scale != 1 || !node.input(1 - chain))
          return false;
        scores.added.push_back(node.input(1 - chain));
        scores.interior.push_back(node);
        value = node.input(chain);
        continue;
      }
      if (node.is("Where")) {
        std::optional<double> thenFill = constantScalar(node.input(1)),
                              elseFill = constantScalar(node.input(2));
        bool keepsThen = elseFill && *elseFill <= kMaskBound;
        if (!keepsThen && !(thenFill && *thenFill <= kMaskBound))
          return false;
        // As for an added mask, except that -inf is not changed by a scale.
        double fill = keepsThen ? *elseFill : *thenFill;
        if (scores.condition || (scores.scale != 1 && !std::isinf(fill)))
          return false;
        scores.condition = node.input(0);
        scores.conditionDrops = !keepsThen;
        scores.maskedValue = fill;
        scores.interior.push_back(node);
        value = node.input(keepsThen ? 1 : 2);
        continue;
      }
      return false;
    }
    return false;
  }

  /// One operand for the mask: bool if only keys are dropped, else a number
  /// that is added.
  static Value combineMasks(const Scores &scores, PatternRewriter &rewriter,
                            Location loc) {
    Value added;
    for (Value mask : scores.added)
      added = added ? makeNode(rewriter, loc, unrankedLike(mask), "Add",
                               {added, mask}, {}, 14)
                    : mask;
    if (!scores.condition)
      return added;
    Value keep = scores.condition;
    if (scores.conditionDrops)
      keep = makeNode(rewriter, loc, unrankedLike(keep), "Not", keep, {}, 1);
    if (!added)
      return keep;
    Type element = onnx::elementType(added);
    if (!isa_and_present<FloatType>(element))
      element = rewriter.getF32Type();
    Value fill = makeFloats(rewriter, loc, element, {}, scores.maskedValue);
    return makeNode(rewriter, loc, unrankedLike(added), "Where",
                    {keep, added, fill}, {}, 16);
  }

  /// Takes a constant factor off an operand of the first product.
  static Value stripScale(Value value, double &scale) {
    Value inner;
    double factor;
    while (matchScaled(value, inner, factor) &&
           producer(value).getOpType() != "Neg") {
      scale *= factor;
      value = inner;
    }
    return value;
  }

  /// The keys as [.., keys, d] instead of the transposed operand of the
  /// product: takes the swap of the last two axes out of the exporter's own
  /// Transpose, whatever else that does (0,2,3,1 from [B,S,H,d]).
  static Value keysByRow(Value keys, double &scale, bool &transposed,
                         PatternRewriter &rewriter, Location loc) {
    keys = stripScale(keys, scale);
    NodeOp transpose = producer(keys, "Transpose");
    SmallVector<int64_t> perm =
        transpose ? transpose.intsAttr("perm") : SmallVector<int64_t>();
    if (perm.size() < 2) {
      transposed = true;
      return keys;
    }
    std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
    bool identity = true;
    for (auto [i, p] : llvm::enumerate(perm))
      identity &= p == static_cast<int64_t>(i);
    if (identity)
      return stripScale(transpose.input(0), scale);
    Value source = stripScale(transpose.input(0), scale);
    return makeNode(
        rewriter, loc, unrankedLike(keys), "Transpose", source,
        rewriter.getNamedAttr("perm", rewriter.getDenseI64ArrayAttr(perm)), 13);
  }

  struct Repeated {
    Value heads;
    int64_t groups, total;
  };
  /// Matches heads repeated for grouped queries: [B,G,S,d] to [B,G,n,S,d] by
  /// Unsqueeze and Expand, to [B,G*n,S,d] by Reshape. The sizes must show that
  /// the new axis is merged with the heads and not with the sequence.
  static std::optional<Repeated> matchRepeatedHeads(Value value) {
    NodeOp reshape = producer(value, "Reshape");
    NodeOp expand = reshape ? producer(reshape.input(0), "Expand") : nullptr;
    NodeOp unsqueeze =
        expand ? producer(expand.input(0), "Unsqueeze") : nullptr;
    if (!unsqueeze)
      return std::nullopt;
    std::optional<SmallVector<int64_t>> axes = axesOf(unsqueeze);
    if (!axes || axes->size() != 1)
      return std::nullopt;
    ShapeAnalysis shapes;
    std::optional<Shape> before = shapes.shape(unsqueeze.input(0)),
                         expanded = shapes.elements(expand.input(1)),
                         after = shapes.elements(reshape.input(1));
    int64_t axis = (*axes)[0];
    if (!expanded || !after || expanded->size() != 5 || after->size() != 4 ||
        (axis != 2 && axis != -3))
      return std::nullopt;
    // Expand keeps a size where it asks for 1.
    Dim groups = (*expanded)[1], repeat = (*expanded)[2], total = (*after)[1];
    if (groups.is(1) && before && before->size() == 4)
      groups = (*before)[1];
    if (!groups.constant || !repeat.constant || !total.constant ||
        *groups.constant * *repeat.constant != *total.constant)
      return std::nullopt;
    // The other axes are not enlarged.
    for (unsigned i : {0u, 3u, 4u}) {
      Dim to = (*expanded)[i];
      unsigned from = i < 2 ? i : i - 1;
      if (to.is(1) || (before && before->size() == 4 && to == (*before)[from]))
        continue;
      // The product with the queries checks batch and head size by itself; a
      // sequence of length one that is repeated would be another function.
      if (i == 3)
        return std::nullopt;
    }
    return Repeated{unsqueeze.input(0), *groups.constant, *total.constant};
  }

  RaiseCounts &counts;
};

} // namespace

void mercer::populateAttentionPatterns(RewritePatternSet &patterns,
                                       RaiseCounts &counts) {
  patterns.add<RaiseAttention>(patterns.getContext(), counts);
}
