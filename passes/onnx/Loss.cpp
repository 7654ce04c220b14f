// Losses: negative log-likelihood and softmax cross-entropy.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

namespace mercer::lowering {

namespace {

/// -weight[target] * logProbability[n, target, ...], then the reduction.
LogicalResult likelihood(Context &c, Node &n, TValue logp, TValue &loss) {
  Lowering &L = c.L;
  TValue target = n.in(1), weight = n.in(2);
  DType t = logp.dtype;
  Sizes ts = L.dims(target.value);
  if (L.rank(logp.value) != static_cast<int64_t>(ts.size()) + 1 || ts.empty())
    return n.fail(InvalidShape, "target of rank " + Twine(ts.size()) +
                                    " for scores of rank " +
                                    Twine(L.rank(logp.value)));
  StringRef reduction = n.s("reduction", "mean");
  if (reduction != "none" && reduction != "sum" && reduction != "mean")
    return n.fail(InvalidAttribute, "reduction is '" + reduction + "'");
  bool ignores = n.hasAttr("ignore_index");
  int64_t ignored = n.i("ignore_index", 0);
  // The weight of each position: 0 where the target is ignored.
  TValue w = L.map({target}, t, [&](Scalar &s, ValueRange a) {
    Value one = s.number(t, 1);
    Value skip;
    Value at = a[0];
    if (ignores) {
      skip =
          s.cmp(target.dtype, Scalar::EQ, at, s.number(target.dtype, ignored));
      at = s.select(skip, s.number(target.dtype, 0), at);
    }
    if (weight)
      one = s.cast(L.extract(s, weight.value, {s.toIndex(at, target.dtype)}),
                   weight.dtype, t);
    return skip ? s.select(skip, s.number(t, 0), one) : one;
  });
  TValue each = L.map({target, w}, t, [&](Scalar &s, ValueRange a) {
    Value at = a[0];
    if (ignores) {
      Value skip =
          s.cmp(target.dtype, Scalar::EQ, at, s.number(target.dtype, ignored));
      at = s.select(skip, s.number(target.dtype, 0), at);
    }
    SmallVector<Value> index;
    for (size_t d = 0; d < ts.size(); ++d) {
      index.push_back(linalg::IndexOp::create(s.b, s.loc, d));
      if (d == 0)
        index.push_back(s.toIndex(at, target.dtype));
    }
    return s.mul(s.neg(L.extract(s, logp.value, index)), a[1]);
  });
  if (reduction == "none") {
    loss = each;
    return success();
  }
  Ints axes;
  for (size_t d = 0; d < ts.size(); ++d)
    axes.push_back(d);
  TValue sum = L.sum(each, axes, false);
  if (reduction == "mean") {
    TValue total = L.sum(w, axes, false);
    sum = L.map({sum, total}, sum.dtype, [&](Scalar &s, ValueRange a) {
      return s.div(sum.dtype, a[0], a[1]);
    });
  }
  loss = L.castTo(sum, n.in(0).dtype);
  return success();
}

LogicalResult lowerNll(Context &c, Node &n) {
  if (!isFloat(n.in(0).dtype))
    return n.failType(0, "a floating-point type");
  TValue loss;
  return failed(likelihood(c, n, n.in(0), loss)) ? failure() : n.done(loss);
}

LogicalResult lowerCrossEntropy(Context &c, Node &n) {
  TValue x = n.in(0), loss;
  if (!isFloat(x.dtype))
    return n.failType(0, "a floating-point type");
  if (c.L.rank(x.value) < 2)
    return n.fail(InvalidShape, "scores must have rank 2 or more");
  TValue logp = softmaxAlong(c.L, x, {1}, true);
  if (failed(likelihood(c, n, logp, loss)))
    return failure();
  return n.done({loss, logp});
}

} // namespace

void registerLoss(Registry &r) {
  r.add("NegativeLogLikelihoodLoss", lowerNll);
  r.add("SoftmaxCrossEntropyLoss", lowerCrossEntropy);
}

} // namespace mercer::lowering
