// Kernel methods and the numeric operators of ai.onnx.ml.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

#include "dialects/mercer/IR/Mercer.h"

#include <limits>

namespace mercer::lowering {

namespace {

/// A list attribute as a constant vector of type `t`.
TValue vectorOf(Lowering &L, DType t, ArrayRef<float> values) {
  auto type = RankedTensorType::get({static_cast<int64_t>(values.size())},
                                    L.b.getF32Type());
  Value v = arith::ConstantOp::create(L.b, L.loc,
                                      DenseElementsAttr::get(type, values));
  return L.castTo({v, DType::F32}, t);
}

LogicalResult checkPoints(Context &c, Node &n) {
  Lowering &L = c.L;
  for (unsigned i = 0; i < 2; ++i) {
    if (!isFloat(n.in(i).dtype))
      return n.failType(i, "a floating-point type");
    if (L.rank(n.in(i).value) != 2)
      return n.fail(InvalidShape, "points have rank " +
                                      Twine(L.rank(n.in(i).value)) +
                                      ", expected 2");
  }
  OpFoldResult a = L.dim(n.in(0).value, 1), b = L.dim(n.in(1).value, 1);
  if (L.number(a) && L.number(b) && *L.number(a) != *L.number(b))
    return n.fail(InvalidShape, "points have " + Twine(*L.number(a)) + " and " +
                                    Twine(*L.number(b)) + " features");
  L.guardEqual(a, b, "points differ in their number of features");
  return success();
}

LogicalResult lowerCDist(Context &c, Node &n) {
  Lowering &L = c.L;
  if (failed(checkPoints(c, n)))
    return failure();
  StringRef metric = n.s("metric", "euclidean");
  KernelFn kernel;
  if (metric == "sqeuclidean")
    kernel = KernelFn::SqEuclidean;
  else if (metric == "euclidean")
    kernel = KernelFn::Euclidean;
  else if (metric == "cityblock" || metric == "manhattan")
    kernel = KernelFn::Cityblock;
  else
    return n.fail(InvalidAttribute,
                  "metric is '" + metric +
                      "', expected sqeuclidean, euclidean or cityblock");
  TValue x = n.in(0), y = n.in(1);
  Sizes sizes = {L.dim(x.value, 0), L.dim(y.value, 0)};
  Value init = L.empty(sizes, storageType(x.dtype, L.ctx()));
  Value r =
      GramOp::create(L.b, L.loc, kernel, x.value, y.value, init)->getResult(0);
  L.setDims(r, sizes);
  return n.done({r, x.dtype});
}

LogicalResult lowerKernelMatvec(Context &c, Node &n) {
  Lowering &L = c.L;
  if (failed(checkPoints(c, n)))
    return failure();
  TValue x = n.in(0), y = n.in(1), v = n.in(2);
  StringRef name = n.s("kernel", "RBF");
  std::optional<KernelFn> kernel;
  if (name == "RBF")
    kernel = KernelFn::Gaussian;
  else if (name == "LINEAR")
    kernel = KernelFn::Linear;
  else if (name == "POLY")
    kernel = KernelFn::Polynomial;
  else if (name == "SIGMOID")
    kernel = KernelFn::Sigmoid;
  else
    return n.fail(InvalidAttribute, "kernel is '" + name + "'");
  Sizes sizes = L.dims(v.value);
  if (sizes.empty() || sizes.size() > 2)
    return n.fail(InvalidShape,
                  "coefficients have rank " + Twine(sizes.size()));
  L.guardEqual(sizes[0], L.dim(y.value, 0),
               "coefficients do not match the points");
  sizes[0] = L.dim(x.value, 0);
  Value init = L.empty(sizes, storageType(x.dtype, L.ctx()));
  auto op = KernelMatvecOp::create(L.b, L.loc, *kernel, x.value, y.value,
                                   v.value, init, n.f("gamma", 1));
  op.setCoef0Attr(L.b.getF64FloatAttr(n.f("coef0", 0)));
  op.setDegreeAttr(L.b.getF64FloatAttr(n.f("degree", 3)));
  Value r = op->getResult(0);
  L.setDims(r, sizes);
  return n.done({r, x.dtype});
}

LogicalResult lowerScaler(Context &c, Node &n) {
  Lowering &L = c.L;
  constexpr DType F = DType::F32;
  TValue x = L.castTo(n.in(0), F);
  SmallVector<TValue> ins = {x};
  SmallVector<float> offset = n.op.floatsAttr("offset"),
                     scale = n.op.floatsAttr("scale");
  if (!offset.empty())
    ins.push_back(vectorOf(L, F, offset));
  if (!scale.empty())
    ins.push_back(vectorOf(L, F, scale));
  return n.doneMap(L.map(ins, F, [&](Scalar &s, ValueRange a) {
    Value r = a[0];
    if (!offset.empty())
      r = s.sub(r, a[1]);
    if (!scale.empty())
      r = s.mul(r, a.back());
    return r;
  }));
}

LogicalResult lowerNormalizer(Context &c, Node &n) {
  Lowering &L = c.L;
  constexpr DType F = DType::F32;
  TValue x = L.castTo(n.in(0), F);
  StringRef norm = n.s("norm", "MAX");
  if (norm != "MAX" && norm != "L1" && norm != "L2")
    return n.fail(InvalidAttribute, "norm is '" + norm + "'");
  int64_t last = L.rank(x.value) - 1;
  if (last < 0)
    return n.fail(InvalidShape, "input is a scalar");
  TValue total = L.reduce(x, {last}, true, F, L.scalar().number(F, 0),
                          [&](Scalar &s, Value a, Value v) {
                            Value m = s.un<math::AbsFOp>(v);
                            if (norm == "MAX")
                              return s.max(F, a, m);
                            return s.add(a, norm == "L1" ? m : s.mul(v, v));
                          });
  return n.doneMap(L.map({x, total}, F, [&](Scalar &s, ValueRange a) {
    Value d = norm == "L2" ? s.un<math::SqrtOp>(a[1]) : a[1];
    Value zero = s.number(F, 0);
    return s.select(s.cmp(F, Scalar::EQ, d, zero), a[0], s.div(F, a[0], d));
  }));
}

LogicalResult lowerBinarizer(Context &c, Node &n) {
  double threshold = n.f("threshold", 0);
  TValue x = n.in(0);
  return n.doneMap(c.L.map({x}, x.dtype, [&](Scalar &s, ValueRange a) {
    return s.select(
        s.cmp(x.dtype, Scalar::GT, a[0], s.number(x.dtype, threshold)),
        s.number(x.dtype, 1), s.number(x.dtype, 0));
  }));
}

/// NONE, LOGISTIC and SOFTMAX over the last dim.
FailureOr<TValue> postTransform(Context &c, Node &n, TValue scores) {
  Lowering &L = c.L;
  StringRef kind = n.s("post_transform", "NONE");
  if (kind == "NONE")
    return scores;
  if (kind == "SOFTMAX")
    return softmaxAlong(L, scores, {L.rank(scores.value) - 1}, false);
  if (kind == "LOGISTIC")
    return L.map({scores}, scores.dtype, [&](Scalar &s, ValueRange a) {
      Value one = s.number(scores.dtype, 1);
      return s.div(scores.dtype, one,
                   s.add(one, s.un<math::ExpOp>(s.neg(a[0]))));
    });
  return n.fail(InvalidAttribute,
                "post_transform is '" + kind +
                    "', supported are NONE, LOGISTIC and SOFTMAX");
}

/// x W^T + b with the coefficients [targets, features] of an attribute.
FailureOr<TValue> linearScores(Context &c, Node &n, int64_t targets) {
  Lowering &L = c.L;
  constexpr DType F = DType::F32;
  SmallVector<float> weights = n.op.floatsAttr("coefficients"),
                     bias = n.op.floatsAttr("intercepts");
  TValue x = L.castTo(n.in(0), F);
  if (L.rank(x.value) == 1)
    x = L.reshape(x, {L.idx(1), L.dim(x.value, 0)});
  if (L.rank(x.value) != 2 || targets <= 0 || weights.empty() ||
      weights.size() % targets)
    return n.fail(InvalidAttribute, Twine(weights.size()) +
                                        " coefficients for " + Twine(targets) +
                                        " targets");
  TValue w = vectorOf(L, F, weights);
  w = L.reshape(w, {L.idx(targets), L.idx(weights.size() / targets)});
  TValue scores = matmul(L, x, L.transpose(w, {1, 0}), F);
  if (!scores)
    return n.fail(InvalidShape,
                  "input does not have the features of the model");
  if (!bias.empty()) {
    TValue b = vectorOf(L, F, bias);
    scores = L.map({scores, b}, F,
                   [](Scalar &s, ValueRange a) { return s.add(a[0], a[1]); });
    if (!scores)
      return n.fail(InvalidAttribute, Twine(bias.size()) + " intercepts for " +
                                          Twine(targets) + " targets");
  }
  return scores;
}

LogicalResult lowerLinearRegressor(Context &c, Node &n) {
  FailureOr<TValue> scores = linearScores(c, n, n.i("targets", 1));
  if (failed(scores))
    return failure();
  FailureOr<TValue> y = postTransform(c, n, *scores);
  return failed(y) ? failure() : n.done(*y);
}

/// Index of the largest score along the last dim, the first among equals.
TValue argmax(Lowering &L, TValue x) {
  DType t = x.dtype;
  int64_t last = L.rank(x.value) - 1;
  TValue m = L.maximum(x, {last}, true);
  TValue at = L.map({x, m}, DType::I64, [&](Scalar &s, ValueRange a) {
    Value i =
        s.fromIndex(linalg::IndexOp::create(s.b, s.loc, last), DType::I64);
    return s.select(
        s.cmp(t, Scalar::EQ, a[0], a[1]), i,
        s.integer(s.b.getI64Type(), std::numeric_limits<int64_t>::max()));
  });
  Value init =
      L.scalar().integer(L.b.getI64Type(), std::numeric_limits<int64_t>::max());
  return L.reduce(
      at, {last}, false, DType::I64, init,
      [](Scalar &s, Value a, Value v) { return s.min(DType::I64, a, v); });
}

LogicalResult lowerLinearClassifier(Context &c, Node &n) {
  Lowering &L = c.L;
  Ints labels = n.ints("classlabels_ints");
  if (labels.empty())
    return n.fail(UnsupportedOperator,
                  "string labels; supported are classlabels_ints");
  int64_t classes = labels.size();
  int64_t rows = n.op.floatsAttr("intercepts").size();
  if (rows == 0)
    rows = classes;
  FailureOr<TValue> scores = linearScores(c, n, rows);
  if (failed(scores))
    return failure();
  constexpr DType F = DType::F32;
  TValue all = *scores;
  if (rows == 1 && classes == 2) { // one score: the second class where positive
    TValue negative =
        L.map({all}, F, [](Scalar &s, ValueRange a) { return s.neg(a[0]); });
    all = L.concat({negative, all}, 1);
  }
  TValue index = argmax(L, all);
  TValue table = L.constantInts(DType::I64, {classes}, labels);
  TValue label = L.map({index}, DType::I64, [&](Scalar &s, ValueRange a) {
    return L.extract(s, table.value, {s.toIndex(a[0], DType::I64)});
  });
  FailureOr<TValue> y = postTransform(c, n, all);
  return failed(y) ? failure() : n.done({label, *y});
}

LogicalResult lowerArrayFeatureExtractor(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), indices = n.in(1);
  indices = L.reshape(indices, {L.product(L.dims(indices.value))});
  Sizes out = L.dims(x.value);
  int64_t last = static_cast<int64_t>(out.size()) - 1;
  if (last < 0)
    return n.fail(InvalidShape, "input is a scalar");
  out[last] = L.dim(indices.value, 0);
  if (last == 0) // a vector comes back as one row
    out.insert(out.begin(), L.idx(1));
  return n.done(L.compute(x.dtype, out, [&](Scalar &s, ValueRange at) {
    SmallVector<Value> index(at.begin(), at.end());
    Value k = L.extract(s, indices.value, {at.back()});
    index.back() = s.toIndex(k, indices.dtype);
    if (last == 0)
      index.erase(index.begin());
    return L.extract(s, x.value, index);
  }));
}

/// Chain of comparisons: the keys are few, and a table would need a search.
LogicalResult lowerLabelEncoder(Context &c, Node &n) {
  Lowering &L = c.L;
  Ints keys = n.ints("keys_int64s"), values = n.ints("values_int64s");
  SmallVector<float> keysF = n.op.floatsAttr("keys_floats"),
                     valuesF = n.op.floatsAttr("values_floats");
  TValue x = n.in(0);
  bool fromInts = !keys.empty(), toInts = !values.empty();
  size_t count = fromInts ? keys.size() : keysF.size();
  if (count == 0 || (toInts ? values.size() : valuesF.size()) != count)
    return n.fail(
        UnsupportedOperator,
        "keys and values; supported are int64s and floats of equal number");
  if (count > 256)
    return n.fail(UnsupportedOperator,
                  Twine(count) + " keys; supported are up to 256");
  DType t = toInts ? DType::I64 : DType::F32;
  return n.doneMap(L.map({x}, t, [&](Scalar &s, ValueRange a) {
    Value r = toInts ? s.integer(s.b.getI64Type(), n.i("default_int64", -1))
                     : s.number(t, n.f("default_float", -0.0));
    for (size_t k = 0; k < count; ++k) {
      Value key = fromInts ? s.integer(storageType(x.dtype, L.ctx()), keys[k])
                           : s.number(x.dtype, keysF[k]);
      Value v = toInts ? s.integer(s.b.getI64Type(), values[k])
                       : s.number(t, valuesF[k]);
      r = s.select(s.cmp(x.dtype, Scalar::EQ, a[0], key), v, r);
    }
    return r;
  }));
}

} // namespace

void registerMl(Registry &r) {
  StringRef own = onnx::NodeOp::kMercerDomain, ml = onnx::NodeOp::kMLDomain;
  r.add("CDist", lowerCDist, 1, own);
  r.add("CDist", lowerCDist, 1, "com.microsoft");
  r.add("KernelMatvec", lowerKernelMatvec, 1, own);
  r.add("Scaler", lowerScaler, 1, ml);
  r.add("Normalizer", lowerNormalizer, 1, ml);
  r.add("Binarizer", lowerBinarizer, 1, ml);
  r.add("LinearRegressor", lowerLinearRegressor, 1, ml);
  r.add("LinearClassifier", lowerLinearClassifier, 1, ml);
  r.add("ArrayFeatureExtractor", lowerArrayFeatureExtractor, 1, ml);
  r.add("LabelEncoder", lowerLabelEncoder, 1, ml);
}

} // namespace mercer::lowering
