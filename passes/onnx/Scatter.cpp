// Scatters, written from the output's side: each element goes over the updates
// that may hit it. No write order, so any number of threads gives one answer.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

namespace mercer::lowering {

namespace {

enum class Mode { None, Add, Mul, Max, Min };

FailureOr<Mode> modeOf(Node &n) {
  StringRef r = n.s("reduction", "none");
  if (r == "none")
    return Mode::None;
  if (r == "add")
    return Mode::Add;
  if (r == "mul")
    return Mode::Mul;
  if (r == "max")
    return Mode::Max;
  if (r == "min")
    return Mode::Min;
  return n.fail(InvalidAttribute, "reduction is '" + r + "'");
}

Value combine(Scalar &s, DType t, Mode m, Value acc, Value v) {
  switch (m) {
  case Mode::None:
    return v;
  case Mode::Add:
    return s.add(acc, v);
  case Mode::Mul:
    return s.mul(acc, v);
  case Mode::Max:
    return s.max(t, acc, v);
  case Mode::Min:
    return s.min(t, acc, v);
  }
  return v;
}

/// acc over `steps` positions of a loop after the output's dims; starts from x.
TValue
fold(Lowering &L, TValue x, ArrayRef<OpFoldResult> steps,
     llvm::function_ref<Value(Scalar &, ValueRange at, Value acc)> step) {
  int64_t rank = L.rank(x.value), loops = rank + steps.size();
  SmallVector<AffineExpr> outExprs, stepExprs;
  SmallVector<utils::IteratorType> iters(loops, utils::IteratorType::parallel);
  for (int64_t i = 0; i < rank; ++i)
    outExprs.push_back(L.b.getAffineDimExpr(i));
  for (size_t i = 0; i < steps.size(); ++i) {
    stepExprs.push_back(L.b.getAffineDimExpr(rank + i));
    iters[rank + i] = utils::IteratorType::reduction;
  }
  // Carries the extents of the update loops only; never read.
  Value shape = L.empty(steps, L.b.getI8Type());
  AffineMap outMap = AffineMap::get(loops, 0, outExprs, L.ctx());
  // The initial value is a copy: the operand may have other readers.
  Value init = L.generic(
      {x.value}, {L.b.getMultiDimIdentityMap(rank)},
      L.empty(L.dims(x.value), storageType(x.dtype, L.ctx())),
      L.b.getMultiDimIdentityMap(rank),
      SmallVector<utils::IteratorType>(rank, utils::IteratorType::parallel),
      [](Scalar &, ValueRange a) { return a[0]; });
  Value r = L.generic({shape}, {AffineMap::get(loops, 0, stepExprs, L.ctx())},
                      init, outMap, iters, [&](Scalar &s, ValueRange a) {
                        SmallVector<Value> at;
                        for (int64_t i = 0; i < loops; ++i)
                          at.push_back(linalg::IndexOp::create(s.b, s.loc, i));
                        return step(s, at, a[1]);
                      });
  return {r, x.dtype};
}

LogicalResult lowerScatterElements(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), indices = n.in(1), updates = n.in(2);
  Sizes xs = L.dims(x.value), us = L.dims(updates.value);
  int64_t rank = xs.size();
  FailureOr<int64_t> axis = n.axis(n.i("axis", 0), rank);
  FailureOr<Mode> mode = modeOf(n);
  if (failed(axis) || failed(mode))
    return failure();
  if (L.rank(indices.value) != rank || static_cast<int64_t>(us.size()) != rank)
    return n.fail(InvalidShape,
                  "indices and updates must have rank " + Twine(rank));
  if (updates.dtype != x.dtype)
    return n.failType(2, dtypeName(x.dtype));
  Value dim = L.asValue(xs[*axis]);
  SmallVector<Value> limit;
  for (OpFoldResult u : us)
    limit.push_back(L.asValue(u));
  TValue r = fold(L, x, {us[*axis]}, [&](Scalar &s, ValueRange at, Value acc) {
    // Updates may be smaller than the operand in the other dims.
    SmallVector<Value> read(at.begin(), at.begin() + rank);
    read[*axis] = at[rank];
    Value inside;
    for (int64_t d = 0; d < rank; ++d) {
      if (d == *axis || L.sameSize(xs[d], us[d]))
        continue;
      Value ok = s.cmpIndex(Scalar::LT, at[d], limit[d]);
      inside = inside ? s.logicalAnd(inside, ok) : ok;
      read[d] = s.select(ok, at[d], s.index(0));
    }
    Value i = s.toIndex(L.extract(s, indices.value, read), indices.dtype);
    Value hit = s.cmpIndex(Scalar::EQ, wrapIndex(s, i, dim), at[*axis]);
    if (inside)
      hit = s.logicalAnd(hit, inside);
    Value v = L.extract(s, updates.value, read);
    return s.select(hit, combine(s, x.dtype, *mode, acc, v), acc);
  });
  return n.done(r);
}

LogicalResult lowerScatterND(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), indices = n.in(1), updates = n.in(2);
  Sizes xs = L.dims(x.value), is = L.dims(indices.value);
  FailureOr<Mode> mode = modeOf(n);
  if (failed(mode))
    return failure();
  if (updates.dtype != x.dtype)
    return n.failType(2, dtypeName(x.dtype));
  int64_t rx = xs.size(), ri = is.size();
  std::optional<int64_t> depth = ri ? L.number(is.back()) : std::nullopt;
  if (!depth || *depth > rx || L.rank(updates.value) != ri - 1 + rx - *depth)
    return n.fail(InvalidShape,
                  "indices of rank " + Twine(ri) + " and updates of rank " +
                      Twine(L.rank(updates.value)) +
                      " do not fit an operand of rank " + Twine(rx));
  SmallVector<Value> extent;
  for (OpFoldResult s : xs)
    extent.push_back(L.asValue(s));
  ArrayRef<OpFoldResult> steps = ArrayRef<OpFoldResult>(is).drop_back();
  TValue r = fold(L, x, steps, [&](Scalar &s, ValueRange at, Value acc) {
    SmallVector<Value> read(at.begin() + rx, at.end()), update = read;
    read.push_back(Value());
    Value hit = s.integer(s.b.getI1Type(), 1);
    for (int64_t k = 0; k < *depth; ++k) {
      read.back() = s.index(k);
      Value i = s.toIndex(L.extract(s, indices.value, read), indices.dtype);
      hit = s.logicalAnd(
          hit, s.cmpIndex(Scalar::EQ, wrapIndex(s, i, extent[k]), at[k]));
    }
    update.append(at.begin() + *depth, at.begin() + rx);
    Value v = L.extract(s, updates.value, update);
    return s.select(hit, combine(s, x.dtype, *mode, acc, v), acc);
  });
  return n.done(r);
}

/// x[..., position, ...] = update at the write index of each batch entry.
LogicalResult lowerTensorScatter(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), update = n.in(1), at0 = n.in(2);
  Sizes xs = L.dims(x.value), us = L.dims(update.value);
  int64_t rank = xs.size();
  FailureOr<int64_t> axis = n.axis(n.i("axis", -2), rank);
  if (failed(axis))
    return failure();
  bool circular = n.s("mode", "linear") == "circular";
  Value count = L.asValue(us[*axis]), extent = L.asValue(xs[*axis]);
  return n.done(L.compute(x.dtype, xs, [&](Scalar &s, ValueRange at) {
    Value first = s.index(0);
    if (at0)
      first = s.toIndex(L.extract(s, at0.value, {at[0]}), at0.dtype);
    Value k = s.sub(at[*axis], first);
    if (circular)
      k = s.select(s.cmpIndex(Scalar::LT, k, s.index(0)), s.add(k, extent), k);
    Value inside = s.logicalAnd(s.cmpIndex(Scalar::GE, k, s.index(0)),
                                s.cmpIndex(Scalar::LT, k, count));
    SmallVector<Value> read(at.begin(), at.end());
    read[*axis] = s.select(inside, k, s.index(0));
    return s.select(inside, L.extract(s, update.value, read),
                    L.extract(s, x.value, at));
  }));
}

} // namespace

void registerScatter(Registry &r) {
  r.add("ScatterElements", lowerScatterElements);
  r.add("Scatter", lowerScatterElements);
  r.add("ScatterND", lowerScatterND);
  r.add("TensorScatter", lowerTensorScatter);
}

} // namespace mercer::lowering
