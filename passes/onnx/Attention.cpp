// Attention (ONNX 23, 24 and the raised form) and rotary embedding.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

#include "dialects/mercer/IR/Mercer.h"

#include <cmath>
#include <limits>

namespace mercer::lowering {

namespace {

/// What an attention computes; tensors of rank 4: [batch, heads, rows, size].
struct Spec {
  TValue q, k, v, mask, keyLengths;
  double scale = 1, softcap = 0;
  bool causal = false, keyTransposed = false, zeroEmptyRows = false;
  OpFoldResult queryOffset;
};

/// The fused operation.
TValue fused(Lowering &L, const Spec &a) {
  MLIRContext *ctx = L.ctx();
  AffineExpr b, h, i, j, f, d;
  bindDims(ctx, b, h, i, j, f, d);
  AffineExpr zero = L.b.getAffineConstantExpr(0);
  OpFoldResult heads = L.dim(a.q.value, 1);
  auto leading = [&](Value v, SmallVector<AffineExpr> &e) {
    OpFoldResult batch = L.dim(v, 0), own = L.dim(v, 1);
    e.push_back(L.isConst(batch, 1) && !L.isConst(L.dim(a.q.value, 0), 1) ? zero
                                                                          : b);
    std::optional<int64_t> all = L.number(heads), some = L.number(own);
    if (some && *some == 1 && !L.isConst(heads, 1))
      e.push_back(zero);
    else if (all && some && *some > 0 && *all != *some && *all % *some == 0)
      e.push_back(h.floorDiv(*all / *some));
    else
      e.push_back(h);
  };
  SmallVector<AffineExpr> q = {b, h, i, f}, k, v, m;
  leading(a.k.value, k);
  leading(a.v.value, v);
  if (a.keyTransposed)
    k.append({f, j});
  else
    k.append({j, f});
  v.append({j, d});
  SmallVector<AffineMap> maps = {AffineMap::get(6, 0, q, ctx),
                                 AffineMap::get(6, 0, k, ctx),
                                 AffineMap::get(6, 0, v, ctx)};
  // Sizes known at run time only: maps read them as equal.
  OpFoldResult keys = L.dim(a.k.value, a.keyTransposed ? 3 : 2);
  L.guardEqual(L.dim(a.k.value, a.keyTransposed ? 2 : 3), L.dim(a.q.value, 3),
               "head sizes of queries and keys differ");
  L.guardEqual(L.dim(a.v.value, 2), keys, "numbers of keys and values differ");
  for (Value x : {a.k.value, a.v.value})
    if (!L.isConst(L.dim(x, 0), 1))
      L.guardEqual(L.dim(x, 0), L.dim(a.q.value, 0),
                   "batch sizes of an attention differ");
  if (a.mask) {
    SmallVector<AffineExpr> loops = {b, h, i, j};
    SmallVector<OpFoldResult> extents = {L.dim(a.q.value, 0), heads,
                                         L.dim(a.q.value, 2), keys};
    int64_t rank = L.rank(a.mask.value);
    for (int64_t n = 0; n < rank; ++n)
      if (!L.isConst(L.dim(a.mask.value, n), 1))
        L.guardEqual(L.dim(a.mask.value, n), extents[4 - rank + n],
                     "an attention mask does not fit the scores");
    for (int64_t n = 0; n < rank; ++n)
      m.push_back(L.isConst(L.dim(a.mask.value, n), 1) ? zero
                                                       : loops[4 - rank + n]);
    maps.push_back(AffineMap::get(6, 0, m, ctx));
  }
  maps.push_back(AffineMap::get(6, 0, {b, h, i, d}, ctx));
  Sizes sizes = {L.dim(a.q.value, 0), heads, L.dim(a.q.value, 2),
                 L.dim(a.v.value, 3)};
  Value init = L.empty(sizes, storageType(a.q.dtype, ctx));
  // Created before the operation that reads it.
  Value offset;
  if (a.queryOffset && !L.isConst(a.queryOffset, 0))
    offset = L.asValue(a.queryOffset);
  auto op = AttentionOp::create(L.b, L.loc, a.q.value, a.k.value, a.v.value,
                                a.mask.value, init);
  op.setScaleAttr(L.b.getF64FloatAttr(a.scale));
  if (a.softcap != 0)
    op.setSoftcapAttr(L.b.getF64FloatAttr(a.softcap));
  op.setCausal(a.causal);
  op.setZeroEmptyRows(a.zeroEmptyRows);
  if (a.keyLengths)
    op.getKeyLengthsMutable().assign(a.keyLengths.value);
  if (offset)
    op.getQueryOffsetMutable().assign(offset);
  op.setIndexingMapsAttr(L.b.getAffineMapArrayAttr(maps));
  Value r = op->getResult(0);
  L.setDims(r, sizes);
  return {r, a.q.dtype};
}

/// Key or value heads repeated to the query's number of heads.
TValue repeatHeads(Lowering &L, TValue x, OpFoldResult heads) {
  std::optional<int64_t> all = L.number(heads),
                         some = L.number(L.dim(x.value, 1));
  // Fewer query heads than keys' broadcast, as in any product.
  if (!all || !some || *some <= 1 || *all <= *some)
    return x;
  Sizes s = L.dims(x.value);
  int64_t repeat = *all / *some;
  TValue wide = L.reshape(x, {s[0], s[1], L.idx(1), s[2], s[3]});
  wide = L.broadcastTo(wide, {s[0], s[1], L.idx(repeat), s[2], s[3]});
  return L.reshape(wide, {s[0], heads, s[2], s[3]});
}

/// The written-out form, for what the fused operation does not give: the
/// attention matrix as a result, or batch dims that broadcast. `stage` is
/// qk_matmul_output_mode; returns {output, matrix at that stage}.
std::pair<TValue, TValue> writtenOut(Lowering &L, const Spec &a,
                                     int64_t stage) {
  DType t = a.q.dtype, w = accumulatorType(t);
  int64_t rank = L.rank(a.q.value);
  TValue k = rank == 4 ? repeatHeads(L, a.k, L.dim(a.q.value, 1)) : a.k;
  TValue v = rank == 4 ? repeatHeads(L, a.v, L.dim(a.q.value, 1)) : a.v;
  if (!a.keyTransposed) {
    Ints perm;
    for (int64_t d = 0; d < rank; ++d)
      perm.push_back(d);
    std::swap(perm[rank - 1], perm[rank - 2]);
    k = L.transpose(k, perm);
  }
  TValue product = matmul(L, L.castTo(a.q, w), L.castTo(k, w), w);
  if (!product)
    return {};
  TValue raw = L.map({product}, w, [&](Scalar &s, ValueRange x) {
    return s.mul(x[0], s.number(w, a.scale));
  });
  TValue capped = raw;
  if (a.softcap != 0)
    capped = L.map({raw}, w, [&](Scalar &s, ValueRange x) {
      Value c = s.number(w, a.softcap);
      return s.mul(c, s.un<math::TanhOp>(s.div(w, x[0], c)));
    });
  double inf = std::numeric_limits<double>::infinity();
  TValue biased = capped;
  if (a.mask)
    biased = L.map({capped, a.mask}, w, [&](Scalar &s, ValueRange x) {
      if (isInteger(a.mask.dtype))
        return s.select(s.toBool(x[1]), x[0], s.number(w, -inf));
      return s.add(x[0], s.cast(x[1], a.mask.dtype, w));
    });
  if (!biased)
    return {};
  if (a.causal || a.keyLengths) {
    Value offset =
        a.queryOffset ? L.asValue(a.queryOffset) : L.scalar().index(0);
    biased = L.map({biased}, w, [&](Scalar &s, ValueRange x) {
      Value row = linalg::IndexOp::create(s.b, s.loc, rank - 2);
      Value col = linalg::IndexOp::create(s.b, s.loc, rank - 1);
      Value r = x[0];
      if (a.causal)
        r = s.select(s.cmpIndex(Scalar::LE, col, s.add(row, offset)), r,
                     s.number(w, -inf));
      if (a.keyLengths) {
        Value batch = linalg::IndexOp::create(s.b, s.loc, 0);
        Value length = s.toIndex(L.extract(s, a.keyLengths.value, {batch}),
                                 a.keyLengths.dtype);
        r = s.select(s.cmpIndex(Scalar::LT, col, length), r, s.number(w, -inf));
      }
      return r;
    });
  }
  TValue weights = softmaxAlong(L, biased, {rank - 1}, false);
  if (a.zeroEmptyRows)
    weights = L.map({weights}, w, [&](Scalar &s, ValueRange x) {
      return s.select(s.cmp(w, Scalar::NE, x[0], x[0]), s.number(w, 0), x[0]);
    });
  TValue out = matmul(L, weights, L.castTo(v, w), w);
  if (!out)
    return {};
  TValue shown = stage == 0   ? raw
                 : stage == 1 ? capped
                 : stage == 2 ? biased
                              : weights;
  return {L.castTo(out, t), L.castTo(shown, t)};
}

/// [batch, rows, heads * size] as [batch, heads, rows, size].
TValue splitHeads(Lowering &L, TValue x, int64_t heads) {
  Sizes s = L.dims(x.value);
  TValue r =
      L.reshape(x, {s[0], s[1], L.idx(heads), L.div(s[2], L.idx(heads))});
  return L.transpose(r, {0, 2, 1, 3});
}

LogicalResult lowerAttention(Context &c, Node &n) {
  Lowering &L = c.L;
  Spec a;
  a.q = n.in(0);
  a.k = n.in(1);
  a.v = n.in(2);
  if (!isFloat(a.q.dtype))
    return n.failType(0, "a floating-point type");
  int64_t rank = L.rank(a.q.value);
  if ((rank != 3 && rank != 4) || L.rank(a.k.value) != rank ||
      L.rank(a.v.value) != rank)
    return n.fail(InvalidShape,
                  "Q, K and V must all have rank 3 or all rank 4");
  if (rank == 3) {
    int64_t qh = n.i("q_num_heads", 0), kh = n.i("kv_num_heads", 0);
    if (qh <= 0 || kh <= 0)
      return n.fail(InvalidAttribute,
                    "q_num_heads and kv_num_heads are needed for rank 3");
    a.q = splitHeads(L, a.q, qh);
    a.k = splitHeads(L, a.k, kh);
    a.v = splitHeads(L, a.v, kh);
  }
  std::optional<int64_t> size = L.number(L.dim(a.q.value, 3));
  if (!n.hasAttr("scale") && !size)
    return n.fail(InvalidShape,
                  "the head size is dynamic and no scale is given");
  a.scale = n.hasAttr("scale") ? n.f("scale")
                               : 1 / std::sqrt(static_cast<double>(*size));
  a.softcap = n.f("softcap", 0);
  a.causal = n.i("is_causal", 0);
  if (n.has(4)) {
    a.queryOffset = L.dim(n.in(4).value, 2);
    a.k = L.concat({n.in(4), a.k}, 2);
  }
  if (n.has(5))
    a.v = L.concat({n.in(5), a.v}, 2);
  TValue mask = n.in(3);
  OpFoldResult keys = L.dim(a.k.value, 2);
  if (mask) {
    // A mask shorter than the keys hides those behind its end.
    int64_t last = L.rank(mask.value) - 1;
    OpFoldResult width = L.dim(mask.value, last);
    if (!L.sameSize(width, keys) && !L.isConst(width, 1)) {
      Sizes low(last + 1, L.idx(0)), high = low;
      high[last] = L.sub(keys, width);
      double outside =
          isFloat(mask.dtype) ? -std::numeric_limits<double>::infinity() : 0;
      mask = L.pad(mask, low, high, L.scalar().number(mask.dtype, outside));
      Sizes fixed = L.dims(mask.value);
      fixed[last] = keys;
      L.setDims(mask.value, fixed);
    }
    if (isFloat(mask.dtype))
      mask = L.castTo(mask, a.q.dtype);
    a.mask = mask;
  }
  a.keyLengths = n.in(6);
  bool matrix = n.numOutputs() > 3 && !n.op.getOutputs()[3].use_empty();
  // The mask may broadcast in ways that the fused form has no map for.
  TValue y, shown;
  if (matrix) {
    std::tie(y, shown) = writtenOut(L, a, n.i("qk_matmul_output_mode", 0));
    if (!y)
      return n.fail(InvalidShape, "shapes of Q, K, V and the mask do not fit");
  } else {
    y = fused(L, a);
  }
  if (rank == 3) {
    Sizes s = L.dims(y.value);
    y = L.reshape(L.transpose(y, {0, 2, 1, 3}),
                  {s[0], s[2], L.mul(s[1], s[3])});
  }
  SmallVector<TValue> out = {y};
  if (n.numOutputs() > 1)
    out.append({a.k, a.v});
  if (n.numOutputs() > 3)
    out.push_back(shown);
  return n.done(out);
}

/// Puts unit dims in front or folds leading dims until the rank is 4.
std::optional<TValue> toRank4(Lowering &L, TValue x) {
  Sizes s = L.dims(x.value);
  int64_t rank = s.size();
  if (rank < 2)
    return std::nullopt;
  if (rank == 4)
    return x;
  Sizes out;
  if (rank < 4) {
    out.assign(4 - rank, L.idx(1));
    out.append(s.begin(), s.end());
  } else {
    out.push_back(L.product(ArrayRef<OpFoldResult>(s).drop_back(3)));
    out.append(s.end() - 3, s.end());
  }
  return L.reshape(x, out);
}

LogicalResult lowerRaised(Context &c, Node &n) {
  Lowering &L = c.L;
  Spec a;
  a.q = n.in(0);
  a.k = n.in(1);
  a.v = n.in(2);
  TValue mask = n.in(3);
  if (!isFloat(a.q.dtype))
    return n.failType(0, "a floating-point type");
  a.scale = n.f("scale", 1);
  a.softcap = n.f("softcap", 0);
  a.keyTransposed = n.i("key_transposed", 0);
  a.zeroEmptyRows = n.i("zero_masked_rows", 0);
  if (mask && isInteger(mask.dtype) && n.hasAttr("masked_value")) {
    // A finite fill value keeps fully masked rows uniform instead of NaN.
    double fill = n.f("masked_value");
    DType t = a.q.dtype;
    mask = L.map({mask}, t, [&](Scalar &s, ValueRange x) {
      return s.select(s.toBool(x[0]), s.number(t, 0), s.number(t, fill));
    });
  } else if (mask && isFloat(mask.dtype)) {
    mask = L.castTo(mask, a.q.dtype);
  }
  a.mask = mask;
  int64_t rank = L.rank(a.q.value);
  Sizes qs = L.dims(a.q.value);
  bool simple =
      rank >= 2 && L.rank(a.k.value) == rank && L.rank(a.v.value) == rank;
  // Leading dims must agree, but for heads that are shared.
  for (int64_t d = 0; simple && d < rank - 2; ++d)
    for (TValue x : {a.k, a.v}) {
      OpFoldResult s = L.dim(x.value, d);
      std::optional<int64_t> all = L.number(qs[d]), some = L.number(s);
      bool shared =
          rank == 4 && d == 1 && all && some && *some > 0 && *all % *some == 0;
      bool one = rank <= 4 && L.isConst(s, 1);
      bool may = !all || (!some && *all != 1);
      simple &= L.sameSize(s, qs[d]) || shared || one || may;
    }
  if (simple && mask && rank > 4) {
    // With more leading dims the mask must not vary over those that fold.
    int64_t rm = L.rank(mask.value);
    for (int64_t d = 0; d < rm - 3; ++d)
      simple &= L.isConst(L.dim(mask.value, d), 1);
    if (simple && rm > 4)
      a.mask = *toRank4(L, mask);
  }
  if (simple && mask && L.rank(a.mask.value) > 4)
    simple = false;
  // A mask with more batch entries or heads than the queries enlarges the
  // result.
  if (simple && mask && rank <= 4) {
    int64_t rm = L.rank(a.mask.value);
    for (int64_t d = 0; d < rm - 2; ++d) {
      int64_t of = d + rank - rm;
      std::optional<int64_t> own = L.number(L.dim(a.mask.value, d)),
                             all = of < 0 ? 1 : L.number(qs[of]);
      simple &= !all || (own ? *own == 1 || *own == *all : *all != 1);
    }
  }
  if (!simple) {
    TValue y = writtenOut(L, a, 0).first;
    return y ? n.done(y)
             : n.fail(InvalidShape,
                      "shapes of queries, keys and values do not fit");
  }
  auto differ = [&](OpFoldResult x, OpFoldResult y) {
    return L.number(x) && L.number(y) && *L.number(x) != *L.number(y);
  };
  OpFoldResult keys = L.dim(a.k.value, rank - (a.keyTransposed ? 1 : 2));
  if (differ(L.dim(a.k.value, rank - (a.keyTransposed ? 2 : 1)), qs[rank - 1]))
    return n.fail(InvalidShape, "head sizes of queries and keys differ");
  if (differ(L.dim(a.v.value, rank - 2), keys))
    return n.fail(InvalidShape, "numbers of keys and values differ");
  a.q = *toRank4(L, a.q);
  a.k = *toRank4(L, a.k);
  a.v = *toRank4(L, a.v);
  TValue y = fused(L, a);
  Sizes out(qs.begin(), qs.end() - 1);
  out.push_back(L.dim(a.v.value, 3));
  return n.done(L.reshape(y, out));
}

LogicalResult lowerRotary(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), cosine = n.in(1), sine = n.in(2), positions = n.in(3);
  Sizes s = L.dims(x.value);
  int64_t rank = s.size();
  bool interleaved = n.i("interleaved", 0);
  DType t = x.dtype, w = accumulatorType(t);
  if (rank != 3 && rank != 4)
    return n.fail(InvalidShape,
                  "input has rank " + Twine(rank) + ", expected 3 or 4");
  // As [batch, heads, rows, size]; rank 3 holds the heads in the last dim.
  int64_t heads = n.i("num_heads", 0);
  TValue v = x;
  if (rank == 3) {
    if (heads <= 0)
      return n.fail(InvalidAttribute, "num_heads is needed for rank 3");
    v = splitHeads(L, x, heads);
  }
  std::optional<int64_t> size = L.number(L.dim(v.value, 3));
  int64_t turned = n.i("rotary_embedding_dim", 0);
  if (!size)
    return n.fail(InvalidShape, "the head size is dynamic");
  if (turned == 0)
    turned = *size;
  int64_t half = turned / 2;
  TValue r = L.compute(t, L.dims(v.value), [&](Scalar &sc, ValueRange at) {
    Value f = at[3], zero = sc.index(0), halfV = sc.index(half);
    Value self = sc.cast(L.extract(sc, v.value, at), t, w);
    // Feature of the cache, partner element, and whether this is the first
    // part.
    Value first, k, partner;
    if (interleaved) {
      k = sc.div(DType::U64, f, sc.index(2));
      first = sc.cmpIndex(Scalar::EQ, sc.rem(DType::U64, f, sc.index(2)), zero);
      partner =
          sc.select(first, sc.add(f, sc.index(1)), sc.sub(f, sc.index(1)));
    } else {
      first = sc.cmpIndex(Scalar::LT, f, halfV);
      k = sc.select(first, f, sc.sub(f, halfV));
      partner = sc.select(first, sc.add(f, halfV), sc.sub(f, halfV));
    }
    Value inside;
    if (turned != *size) {
      inside = sc.cmpIndex(Scalar::LT, f, sc.index(turned));
      k = sc.select(inside, k, zero);
      partner = sc.select(inside, partner, zero);
    }
    SmallVector<Value> other(at.begin(), at.end());
    other[3] = partner;
    Value o = sc.cast(L.extract(sc, v.value, other), t, w);
    auto cache = [&](TValue table) {
      SmallVector<Value> where;
      if (positions) {
        Value p = sc.toIndex(L.extract(sc, positions.value, {at[0], at[2]}),
                             positions.dtype);
        where = {p, k};
      } else {
        where = {at[0], at[2], k};
      }
      return sc.cast(L.extract(sc, table.value, where), table.dtype, w);
    };
    Value co = cache(cosine), si = cache(sine);
    // first: x1 cos - x2 sin; second: x1 sin + x2 cos.
    Value turn = sc.mul(si, o);
    turn = sc.select(first, sc.neg(turn), turn);
    Value y = sc.add(sc.mul(co, self), turn);
    if (inside)
      y = sc.select(inside, y, self);
    return sc.cast(y, w, t);
  });
  if (rank == 3)
    r = L.reshape(L.transpose(r, {0, 2, 1, 3}), s);
  return n.done(r);
}

/// The raised form: x cos + rotate_half(x) sin with broadcast tables.
LogicalResult lowerRaisedRotary(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), cosine = n.in(1), sine = n.in(2);
  Sizes s = L.dims(x.value);
  int64_t last = static_cast<int64_t>(s.size()) - 1;
  std::optional<int64_t> size = last >= 0 ? L.number(s[last]) : std::nullopt;
  if (!size || *size % 2)
    return n.fail(InvalidShape, "the last dim must be static and even");
  DType t = x.dtype;
  TValue rotated = L.compute(t, s, [&](Scalar &sc, ValueRange at) {
    Value half = sc.index(*size / 2);
    Value first = sc.cmpIndex(Scalar::LT, at[last], half);
    SmallVector<Value> index(at.begin(), at.end());
    index[last] =
        sc.select(first, sc.add(at[last], half), sc.sub(at[last], half));
    Value v = L.extract(sc, x.value, index);
    return sc.select(first, sc.neg(v), v);
  });
  return n.doneMap(
      L.map({x, cosine, rotated, sine}, t, [&](Scalar &sc, ValueRange a) {
        return sc.add(sc.mul(a[0], a[1]), sc.mul(a[2], a[3]));
      }));
}

} // namespace

void registerAttention(Registry &r) {
  r.add("Attention", lowerAttention);
  r.add("Attention", lowerRaised, 1, onnx::NodeOp::kMercerDomain);
  r.add("RotaryEmbedding", lowerRotary);
  r.add("RotaryEmbedding", lowerRaisedRotary, 1, onnx::NodeOp::kMercerDomain);
}

} // namespace mercer::lowering
