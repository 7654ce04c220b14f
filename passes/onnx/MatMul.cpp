// MatMul, Gemm and the integer products: mercer.contract.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

#include "dialects/mercer/IR/Mercer.h"

namespace mercer::lowering {

/// Contraction over maps with a zero initial value; `sizes` are the output's.
TValue contract(Lowering &L, ArrayRef<TValue> ins, ArrayRef<AffineMap> maps,
                ArrayRef<OpFoldResult> sizes, DType t) {
  DType acc = accumulatorType(t);
  SmallVector<Value> values;
  for (const TValue &v : ins)
    values.push_back(v.value);
  Value init = L.filled(sizes, L.scalar().number(acc, 0));
  auto op = ContractOp::create(L.b, L.loc, maps, values, init);
  Value r = op->getResult(0);
  L.setDims(r, sizes);
  return L.castTo({r, acc}, t);
}

/// numpy.matmul: 1-D operands, broadcast batch dims. Null on a mismatch.
TValue matmul(Lowering &L, TValue a, TValue b, DType t) {
  if (L.rank(a.value) == 0 || L.rank(b.value) == 0)
    return {};
  bool rowVector = L.rank(a.value) == 1, columnVector = L.rank(b.value) == 1;
  if (rowVector)
    a = L.reshape(a, {L.idx(1), L.dim(a.value, 0)});
  if (columnVector)
    b = L.reshape(b, {L.dim(b.value, 0), L.idx(1)});
  int64_t ra = L.rank(a.value), rb = L.rank(b.value),
          batch = std::max(ra, rb) - 2;
  OpFoldResult ka = L.dim(a.value, ra - 1), kb = L.dim(b.value, rb - 2);
  if (L.number(ka) && L.number(kb) && *L.number(ka) != *L.number(kb))
    return {};
  L.guardEqual(ka, kb, "inner sizes of a matrix product differ");

  Sizes sizes(batch, L.idx(1));
  SmallVector<AffineExpr> ea, eb, ec;
  for (int64_t d = 0; d < batch; ++d) {
    int64_t ia = d - (batch - (ra - 2)), ib = d - (batch - (rb - 2));
    OpFoldResult sa = ia >= 0 ? L.dim(a.value, ia) : L.idx(1);
    OpFoldResult sb = ib >= 0 ? L.dim(b.value, ib) : L.idx(1);
    bool oneA = L.isConst(sa, 1), oneB = L.isConst(sb, 1);
    if (!oneA && !oneB) {
      if (L.number(sa) && L.number(sb) && *L.number(sa) != *L.number(sb))
        return {};
      L.guardEqual(sa, sb, "batch sizes of a matrix product differ");
    }
    sizes[d] = oneA ? sb : (L.number(sb) && !oneB ? sb : sa);
    AffineExpr e = L.b.getAffineDimExpr(d), zero = L.b.getAffineConstantExpr(0);
    if (ia >= 0)
      ea.push_back(oneA && !oneB ? zero : e);
    if (ib >= 0)
      eb.push_back(oneB && !oneA ? zero : e);
    ec.push_back(e);
  }
  AffineExpr m = L.b.getAffineDimExpr(batch),
             nn = L.b.getAffineDimExpr(batch + 1),
             k = L.b.getAffineDimExpr(batch + 2);
  ea.append({m, k});
  eb.append({k, nn});
  ec.append({m, nn});
  sizes.push_back(L.dim(a.value, ra - 2));
  sizes.push_back(L.dim(b.value, rb - 1));
  auto map = [&](ArrayRef<AffineExpr> e) {
    return AffineMap::get(batch + 3, 0, e, L.ctx());
  };
  TValue r = contract(L, {a, b}, {map(ea), map(eb), map(ec)}, sizes, t);
  Sizes final(sizes.begin(), sizes.begin() + batch);
  if (!rowVector)
    final.push_back(sizes[batch]);
  if (!columnVector)
    final.push_back(sizes[batch + 1]);
  return L.reshape(r, final);
}

namespace {

LogicalResult mismatch(Node &n) {
  return n.fail(InvalidShape,
                "shapes of the operands do not fit a matrix product");
}

LogicalResult lowerMatMul(Context &c, Node &n) {
  TValue a = n.in(0), b = n.in(1);
  if (a.dtype != b.dtype)
    return n.failType(1, dtypeName(a.dtype));
  // Unsigned operands multiply like signed ones in the same width.
  TValue r = matmul(c.L, a, b, a.dtype);
  return r ? n.done(r) : mismatch(n);
}

LogicalResult lowerGemm(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue a = n.in(0), b = n.in(1), bias = n.in(2);
  DType t = a.dtype;
  if (b.dtype != t)
    return n.failType(1, dtypeName(t));
  if (L.rank(a.value) != 2 || L.rank(b.value) != 2)
    return n.fail(InvalidShape,
                  "operands have ranks " + Twine(L.rank(a.value)) + " and " +
                      Twine(L.rank(b.value)) + ", expected 2 and 2");
  bool ta = n.i("transA"), tb = n.i("transB");
  OpFoldResult ka = L.dim(a.value, ta ? 0 : 1), kb = L.dim(b.value, tb ? 1 : 0);
  if (L.number(ka) && L.number(kb) && *L.number(ka) != *L.number(kb))
    return mismatch(n);
  L.guardEqual(ka, kb, "inner sizes of a matrix product differ");
  Sizes sizes = {L.dim(a.value, ta ? 1 : 0), L.dim(b.value, tb ? 0 : 1)};
  AffineExpr d0 = L.b.getAffineDimExpr(0), d1 = L.b.getAffineDimExpr(1),
             d2 = L.b.getAffineDimExpr(2);
  auto map = [&](AffineExpr x, AffineExpr y) {
    return AffineMap::get(3, 0, {x, y}, L.ctx());
  };
  TValue r = contract(L, {a, b},
                      {ta ? map(d2, d0) : map(d0, d2),
                       tb ? map(d1, d2) : map(d2, d1), map(d0, d1)},
                      sizes, t);
  double alpha = n.f("alpha", 1), beta = n.f("beta", 1);
  if (!bias && alpha == 1.0)
    return n.done(r);
  SmallVector<TValue> ins = {r};
  if (bias && beta != 0.0)
    ins.push_back(bias);
  auto scale = [&](Scalar &s, Value v, double by) {
    return by == 1.0 ? v : s.mul(v, s.number(t, by));
  };
  return n.doneMap(L.map(ins, t, [&](Scalar &s, ValueRange v) {
    Value x = scale(s, v[0], alpha);
    return v.size() > 1 ? s.add(x, scale(s, v[1], beta)) : x;
  }));
}

/// x - zeroPoint in i32; the zero point is one number or one a row or column.
TValue centred(Lowering &L, TValue x, TValue zeroPoint) {
  if (!zeroPoint)
    return L.castTo(x, DType::I32);
  return L.map({x, zeroPoint}, DType::I32, [&](Scalar &s, ValueRange a) {
    return s.sub(s.cast(a[0], x.dtype, DType::I32),
                 s.cast(a[1], zeroPoint.dtype, DType::I32));
  });
}

LogicalResult lowerMatMulInteger(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue za = n.in(2);
  // One zero point a row of A broadcasts along columns.
  if (za && L.rank(za.value) == 1 && !L.isConst(L.dim(za.value, 0), 1))
    za = L.reshape(za, {L.dim(za.value, 0), L.idx(1)});
  TValue a = centred(L, n.in(0), za), b = centred(L, n.in(1), n.in(3));
  if (!a || !b)
    return n.doneMap({});
  TValue r = matmul(L, a, b, DType::I32);
  return r ? n.done(r) : mismatch(n);
}

} // namespace

void registerMatMul(Registry &r) {
  r.add("MatMul", lowerMatMul);
  r.add("Gemm", lowerGemm, 7);
  r.add("MatMulInteger", lowerMatMulInteger);
}

} // namespace mercer::lowering
