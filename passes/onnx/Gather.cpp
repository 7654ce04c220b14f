// Gathers: tensor.extract with computed indices in the body of a generic.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

namespace mercer::lowering {

namespace {

/// Index value of element `at` of an index tensor, wrapped into [0, extent).
Value readIndex(Lowering &L, Scalar &s, TValue indices, ValueRange at,
                Value extent) {
  Value i = s.toIndex(L.extract(s, indices.value, at), indices.dtype);
  return isUnsigned(indices.dtype) ? i : wrapIndex(s, i, extent);
}

LogicalResult lowerGather(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), indices = n.in(1);
  Sizes xs = L.dims(x.value), is = L.dims(indices.value);
  FailureOr<int64_t> axis = n.axis(n.i("axis", 0), xs.size());
  if (failed(axis))
    return failure();
  if (isFloat(indices.dtype))
    return n.failType(1, "an integer type");
  Sizes out(xs.begin(), xs.begin() + *axis);
  out.append(is.begin(), is.end());
  out.append(xs.begin() + *axis + 1, xs.end());

  // Constant indices: host scalars stay host scalars, one index is a slice.
  std::optional<Ints> known = L.constInts(indices);
  std::optional<int64_t> extent = L.number(xs[*axis]);
  if (known && extent)
    for (int64_t i : *known)
      if (i < -*extent || i >= *extent)
        return n.fail(InvalidShape,
                      "index " + Twine(i) + " is outside of " + Twine(*extent));
  if (std::optional<Sizes> elements = L.scalars(x);
      elements && known && xs.size() == 1) {
    Sizes picked;
    for (int64_t i : *known)
      picked.push_back((*elements)[i < 0 ? i + *extent : i]);
    return n.done(
        L.makeScalars(x.dtype, L.type(indices.value).getShape(), picked));
  }
  if (known && known->size() == 1 && (extent || known->front() >= 0)) {
    Sizes offset(xs.size(), L.idx(0)), size = xs;
    int64_t i = known->front();
    offset[*axis] = L.idx(i < 0 ? i + *extent : i);
    size[*axis] = L.idx(1);
    return n.done(L.reshape(L.slice(x, offset, size, Ints(xs.size(), 1)), out));
  }
  Value dim = L.asValue(xs[*axis]);
  int64_t a = *axis, k = is.size();
  return n.done(L.compute(x.dtype, out, [&](Scalar &s, ValueRange at) {
    SmallVector<Value> index(at.begin(), at.begin() + a);
    index.push_back(readIndex(L, s, indices, at.slice(a, k), dim));
    index.append(at.begin() + a + k, at.end());
    return L.extract(s, x.value, index);
  }));
}

LogicalResult lowerGatherElements(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), indices = n.in(1);
  int64_t rank = L.rank(x.value);
  FailureOr<int64_t> axis = n.axis(n.i("axis", 0), rank);
  if (failed(axis))
    return failure();
  if (L.rank(indices.value) != rank)
    return n.fail(InvalidShape, "indices have rank " +
                                    Twine(L.rank(indices.value)) +
                                    ", expected " + Twine(rank));
  Value dim = L.asValue(L.dim(x.value, *axis));
  return n.done(
      L.compute(x.dtype, L.dims(indices.value), [&](Scalar &s, ValueRange at) {
        SmallVector<Value> index(at.begin(), at.end());
        index[*axis] = readIndex(L, s, indices, at, dim);
        return L.extract(s, x.value, index);
      }));
}

LogicalResult lowerGatherND(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), indices = n.in(1);
  Sizes xs = L.dims(x.value), is = L.dims(indices.value);
  int64_t batch = n.i("batch_dims", 0), ri = is.size(), rx = xs.size();
  std::optional<int64_t> depth = ri ? L.number(is.back()) : std::nullopt;
  if (batch < 0 || batch >= ri || !depth || batch + *depth > rx)
    return n.fail(InvalidShape, "indices of rank " + Twine(ri) +
                                    " do not fit an operand of "
                                    "rank " +
                                    Twine(rx) + " with batch_dims " +
                                    Twine(batch));
  Sizes out(is.begin(), is.end() - 1);
  out.append(xs.begin() + batch + *depth, xs.end());
  SmallVector<Value> extent;
  for (OpFoldResult s : xs)
    extent.push_back(L.asValue(s));
  return n.done(L.compute(x.dtype, out, [&](Scalar &s, ValueRange at) {
    SmallVector<Value> index(at.begin(), at.begin() + batch);
    SmallVector<Value> read(at.begin(), at.begin() + (ri - 1));
    read.push_back(Value());
    for (int64_t k = 0; k < *depth; ++k) {
      read.back() = s.index(k);
      index.push_back(readIndex(L, s, indices, read, extent[batch + k]));
    }
    index.append(at.begin() + (ri - 1), at.end());
    return L.extract(s, x.value, index);
  }));
}

LogicalResult lowerOneHot(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue indices = n.in(0), values = n.in(2), depthIn = n.in(1);
  if (L.rank(depthIn.value) > 0)
    depthIn = L.reshape(depthIn, {});
  if (isFloat(depthIn.dtype))
    depthIn = L.castTo(depthIn, DType::I64);
  std::optional<Sizes> depth = L.asScalars(depthIn);
  Sizes is = L.dims(indices.value);
  int64_t rank = is.size();
  FailureOr<int64_t> axis = n.axis(n.i("axis", -1), rank + 1);
  if (failed(axis))
    return failure();
  OpFoldResult extent;
  if (depth && depth->size() == 1) {
    extent = depth->front();
  } else if (std::optional<Ints> declared = n.declaredShape(0)) {
    extent = L.idx((*declared)[*axis]);
  } else {
    // A depth that the model computes: the host reads it.
    Scalar s = L.scalar();
    extent = s.toIndex(
        tensor::ExtractOp::create(L.b, L.loc, depthIn.value, ValueRange{}),
        depthIn.dtype);
  }
  Sizes out(is.begin(), is.begin() + *axis);
  out.push_back(extent);
  out.append(is.begin() + *axis, is.end());
  out = n.refine(L, 0, out);
  Value dim = L.asValue(out[*axis]);
  int64_t a = *axis;
  return n.done(L.compute(values.dtype, out, [&](Scalar &s, ValueRange at) {
    SmallVector<Value> read(at.begin(), at.begin() + a);
    read.append(at.begin() + a + 1, at.end());
    Value i = L.extract(s, indices.value, read);
    if (isFloat(indices.dtype))
      i = s.toIndex(s.cast(i, indices.dtype, DType::I64), DType::I64);
    else
      i = s.toIndex(i, indices.dtype);
    Value hit = s.cmpIndex(Scalar::EQ, wrapIndex(s, i, dim), at[a]);
    Value off = L.extract(s, values.value, {s.index(0)});
    Value on = L.extract(s, values.value, {s.index(1)});
    return s.select(hit, on, off);
  }));
}

} // namespace

void registerGather(Registry &r) {
  r.add("Gather", lowerGather);
  r.add("GatherElements", lowerGatherElements);
  r.add("GatherND", lowerGatherND);
  r.add("OneHot", lowerOneHot);
}

} // namespace mercer::lowering
