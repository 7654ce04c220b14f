// Tensor-level building blocks: generics, broadcasting maps, reductions, views.
#include "passes/onnx/Lowering.h"

#include "mlir/IR/Matchers.h"

namespace mercer::lowering {

static SmallVector<int64_t> staticShape(ArrayRef<OpFoldResult> sizes) {
  SmallVector<int64_t> shape;
  for (OpFoldResult s : sizes)
    shape.push_back(getConstantIntValue(s).value_or(ShapedType::kDynamic));
  return shape;
}

Value Lowering::empty(ArrayRef<OpFoldResult> sizes, Type elementType) {
  Value v = tensor::EmptyOp::create(b, loc, sizes, elementType);
  setDims(v, sizes);
  return v;
}

Value Lowering::filled(ArrayRef<OpFoldResult> sizes, Value value) {
  Value init = empty(sizes, value.getType());
  Value v = linalg::FillOp::create(b, loc, value, init).getResult(0);
  setDims(v, sizes);
  return v;
}

TValue Lowering::constant(DType t, ArrayRef<int64_t> shape,
                          ArrayRef<double> values) {
  SmallVector<OpFoldResult> elements;
  Type e = storageType(t, ctx());
  for (double d : values) {
    if (isFloat(t))
      elements.push_back(OpFoldResult(b.getFloatAttr(e, d)));
    else
      elements.push_back(
          OpFoldResult(b.getIntegerAttr(e, static_cast<int64_t>(d))));
  }
  return makeScalars(t, shape, elements);
}

TValue Lowering::constantInts(DType t, ArrayRef<int64_t> shape,
                              ArrayRef<int64_t> values) {
  SmallVector<OpFoldResult> elements;
  for (int64_t v : values)
    elements.push_back(
        OpFoldResult(b.getIntegerAttr(storageType(t, ctx()), v)));
  return makeScalars(t, shape, elements);
}

TValue Lowering::splat(DType t, ArrayRef<OpFoldResult> sizes, double value) {
  return {filled(sizes, scalar().number(t, value)), t};
}

Value Lowering::generic(ArrayRef<Value> ins, ArrayRef<AffineMap> maps,
                        Value init, AffineMap outMap,
                        ArrayRef<utils::IteratorType> iterators, BodyFn body) {
  SmallVector<AffineMap> all(maps.begin(), maps.end());
  all.push_back(outMap);
  auto op = linalg::GenericOp::create(
      b, loc, TypeRange{init.getType()}, ins, ValueRange{init}, all, iterators,
      [&](OpBuilder &nested, Location l, ValueRange args) {
        Scalar s{nested, l};
        linalg::YieldOp::create(nested, l, body(s, args));
      });
  Value r = op.getResult(0);
  setDims(r, dims(init));
  return r;
}

TValue Lowering::compute(DType t, ArrayRef<OpFoldResult> sizes, BodyFn body) {
  Value init = empty(sizes, storageType(t, ctx()));
  unsigned n = sizes.size();
  SmallVector<utils::IteratorType> iters(n, utils::IteratorType::parallel);
  Value v = generic({}, {}, init, b.getMultiDimIdentityMap(n), iters,
                    [&](Scalar &s, ValueRange) {
                      SmallVector<Value> at;
                      for (unsigned i = 0; i < n; ++i)
                        at.push_back(linalg::IndexOp::create(s.b, s.loc, i));
                      return body(s, at);
                    });
  return {v, t};
}

Value Lowering::extract(Scalar &s, Value tensor, ValueRange indices) {
  return tensor::ExtractOp::create(s.b, s.loc, tensor, indices);
}

// -------------------------------------------------------------- broadcasting

Value Lowering::sourceOfUnits(Value v, Ints &sourceDim) {
  auto it = unitViews.find(v);
  if (it == unitViews.end()) {
    sourceDim.clear();
    for (int64_t i = 0, e = rank(v); i < e; ++i)
      sourceDim.push_back(i);
    return v;
  }
  sourceDim = it->second.sourceDim;
  return it->second.source;
}

std::optional<Sizes> Lowering::broadcastSizes(ArrayRef<Value> ins) {
  int64_t n = 0;
  for (Value v : ins)
    n = std::max(n, rank(v));
  Sizes out(n, idx(1));
  for (int64_t d = 0; d < n; ++d) {
    // A static extent above 1 wins; equal dynamic ones are guarded against it.
    OpFoldResult chosen = idx(1);
    for (Value v : ins) {
      int64_t i = d - (n - rank(v));
      if (i < 0)
        continue;
      OpFoldResult s = dim(v, i);
      std::optional<int64_t> k = number(s), c = number(chosen);
      if (k && *k == 1)
        continue;
      if (c && *c == 1) {
        chosen = s;
      } else if (k && c) {
        if (*k != *c)
          return std::nullopt;
      } else {
        guardEqual(s, chosen, "broadcast operands differ in size");
        if (k)
          chosen = s;
      }
    }
    out[d] = chosen;
  }
  return out;
}

AffineMap Lowering::broadcastMap(Value v, ArrayRef<OpFoldResult> sizes) {
  int64_t n = sizes.size(), r = rank(v);
  SmallVector<AffineExpr> exprs;
  for (int64_t i = 0; i < r; ++i) {
    bool unit = isConst(dim(v, i), 1) && !isConst(sizes[n - r + i], 1);
    exprs.push_back(unit ? b.getAffineConstantExpr(0)
                         : b.getAffineDimExpr(n - r + i));
  }
  return AffineMap::get(n, 0, exprs, ctx());
}

/// A constant with one value everywhere is part of the body, not an operand.
static TypedAttr splatOf(Value v) {
  DenseElementsAttr attr;
  if (!matchPattern(v, m_Constant(&attr)) || !attr.isSplat() ||
      attr.getNumElements() == 0)
    return {};
  Attribute a = attr.getSplatValue<Attribute>();
  return dyn_cast<TypedAttr>(a);
}

TValue Lowering::map(ArrayRef<TValue> ins, DType out, BodyFn body) {
  SmallVector<Value> values;
  for (const TValue &v : ins)
    values.push_back(v.value);
  std::optional<Sizes> sizes = broadcastSizes(values);
  if (!sizes)
    return {};
  Type element = storageType(out, ctx());
  SmallVector<int64_t> shape = staticShape(*sizes);
  int64_t n = shape.size();

  // Host evaluation of what shapes are computed with.
  SmallVector<Sizes> known;
  if (!ShapedType::isDynamicShape(shape) &&
      ShapedType::getNumElements(shape) <= kMaxScalars)
    for (const TValue &v : ins) {
      std::optional<Sizes> s = scalars(v);
      if (!s)
        break;
      known.push_back(*s);
    }
  if (!ins.empty() && known.size() == ins.size()) {
    Sizes results;
    for (int64_t flat = 0, e = ShapedType::getNumElements(shape); flat < e;
         ++flat) {
      SmallVector<Value> args;
      Operation *before =
          b.getInsertionPoint() == b.getInsertionBlock()->begin()
              ? nullptr
              : &*std::prev(b.getInsertionPoint());
      for (size_t k = 0; k < ins.size(); ++k) {
        ArrayRef<int64_t> s = type(ins[k].value).getShape();
        int64_t rest = flat, index = 0, stride = 1;
        for (int64_t d = n - 1; d >= 0; --d) {
          int64_t i = d - (n - static_cast<int64_t>(s.size()));
          int64_t at = rest % shape[d];
          rest /= shape[d];
          if (i < 0)
            continue;
          index += (s[i] == 1 ? 0 : at) * stride;
          stride *= s[i];
        }
        args.push_back(scalarValue(known[k][index], ins[k].dtype));
      }
      Scalar sc = scalar();
      results.push_back(fold(before, body(sc, args)));
    }
    return makeScalars(out, shape, results);
  }

  SmallVector<Value> operands;
  SmallVector<AffineMap> maps;
  SmallVector<TypedAttr> attrs(ins.size());
  SmallVector<Value> captured(ins.size());
  for (size_t k = 0; k < ins.size(); ++k) {
    if ((attrs[k] = splatOf(values[k])))
      continue;
    if (std::optional<Sizes> s = scalars(ins[k]); s && s->size() == 1) {
      captured[k] = scalarValue(s->front(), ins[k].dtype);
      continue;
    }
    Ints sourceDim;
    Value source = sourceOfUnits(values[k], sourceDim);
    AffineMap m = broadcastMap(values[k], *sizes);
    SmallVector<AffineExpr> exprs(rank(source), b.getAffineConstantExpr(0));
    for (size_t i = 0; i < sourceDim.size(); ++i)
      if (sourceDim[i] >= 0)
        exprs[sourceDim[i]] = m.getResult(i);
    operands.push_back(source);
    maps.push_back(AffineMap::get(n, 0, exprs, ctx()));
  }
  Value init = empty(*sizes, element);
  SmallVector<utils::IteratorType> iters(n, utils::IteratorType::parallel);
  Value v = generic(operands, maps, init, b.getMultiDimIdentityMap(n), iters,
                    [&](Scalar &s, ValueRange args) {
                      SmallVector<Value> all;
                      size_t next = 0;
                      for (size_t k = 0; k < ins.size(); ++k) {
                        if (attrs[k])
                          all.push_back(
                              arith::ConstantOp::create(s.b, s.loc, attrs[k]));
                        else if (captured[k])
                          all.push_back(captured[k]);
                        else
                          all.push_back(args[next++]);
                      }
                      return body(s, all);
                    });
  return {v, out};
}

TValue Lowering::broadcastTo(TValue v, ArrayRef<OpFoldResult> sizes) {
  int64_t n = sizes.size();
  bool same = rank(v.value) == n;
  for (int64_t i = 0; same && i < n; ++i)
    same = sameSize(dim(v.value, i), sizes[i]);
  if (same)
    return v;
  SmallVector<int64_t> shape = staticShape(sizes);
  if (std::optional<Sizes> s = scalars(v);
      s && !ShapedType::isDynamicShape(shape) &&
      ShapedType::getNumElements(shape) <= kMaxScalars && s->size() == 1)
    return makeScalars(v.dtype, shape,
                       Sizes(ShapedType::getNumElements(shape), s->front()));
  if (TypedAttr a = splatOf(v.value))
    return {filled(sizes, arith::ConstantOp::create(b, loc, a)), v.dtype};
  Ints sourceDim;
  Value source = sourceOfUnits(v.value, sourceDim);
  AffineMap m = broadcastMap(v.value, sizes);
  SmallVector<AffineExpr> exprs(rank(source), b.getAffineConstantExpr(0));
  for (size_t i = 0; i < sourceDim.size(); ++i)
    if (sourceDim[i] >= 0)
      exprs[sourceDim[i]] = m.getResult(i);
  Value init = empty(sizes, type(v.value).getElementType());
  SmallVector<utils::IteratorType> iters(n, utils::IteratorType::parallel);
  Value r = generic({source}, {AffineMap::get(n, 0, exprs, ctx())}, init,
                    b.getMultiDimIdentityMap(n), iters,
                    [](Scalar &, ValueRange args) { return args[0]; });
  return {r, v.dtype};
}

TValue Lowering::castTo(TValue v, DType to, bool saturate) {
  if (v.dtype == to)
    return v;
  bool bitsOnly = isInteger(v.dtype) && isInteger(to) &&
                  bitWidth(v.dtype) == bitWidth(to) && to != DType::Bool;
  if (bitsOnly)
    return {v.value, to};
  return map({v}, to, [&](Scalar &s, ValueRange a) {
    return s.cast(a[0], v.dtype, to, saturate);
  });
}

// ---------------------------------------------------------------- reductions

TValue Lowering::keepDims(TValue reduced, Value original,
                          ArrayRef<int64_t> axes) {
  Sizes sizes = dims(original);
  for (int64_t a : axes)
    sizes[a] = idx(1);
  return reshape(reduced, sizes);
}

TValue
Lowering::reduce(TValue x, ArrayRef<int64_t> axes, bool keep, DType acc,
                 Value init,
                 llvm::function_ref<Value(Scalar &, Value, Value)> combine) {
  int64_t n = rank(x.value);
  Sizes sizes = dims(x.value), kept;
  SmallVector<AffineExpr> exprs;
  SmallVector<utils::IteratorType> iters;
  for (int64_t i = 0; i < n; ++i) {
    bool reduced = llvm::is_contained(axes, i);
    iters.push_back(reduced ? utils::IteratorType::reduction
                            : utils::IteratorType::parallel);
    if (reduced)
      continue;
    kept.push_back(sizes[i]);
    exprs.push_back(b.getAffineDimExpr(i));
  }
  // Small host scalars reduce on the host: sizes computed by ReduceProd and so
  // on.
  if (std::optional<Sizes> s = scalars(x);
      s && static_cast<int64_t>(axes.size()) == n) {
    Value r = init;
    Operation *before = init.getDefiningOp();
    for (OpFoldResult e : *s) {
      Scalar sc = scalar();
      r = combine(sc, r, sc.cast(scalarValue(e, x.dtype), x.dtype, acc));
    }
    OpFoldResult folded = fold(before, r);
    return makeScalars(
        acc, keep ? SmallVector<int64_t>(n, 1) : SmallVector<int64_t>(),
        {folded});
  }
  Value out = filled(kept, init);
  Value v = generic({x.value}, {b.getMultiDimIdentityMap(n)}, out,
                    AffineMap::get(n, 0, exprs, ctx()), iters,
                    [&](Scalar &s, ValueRange a) {
                      return combine(s, a[1], s.cast(a[0], x.dtype, acc));
                    });
  TValue r{v, acc};
  return keep ? keepDims(r, x.value, axes) : r;
}

TValue Lowering::sum(TValue x, ArrayRef<int64_t> axes, bool keep) {
  DType acc = accumulatorType(x.dtype);
  return reduce(x, axes, keep, acc, scalar().number(acc, 0),
                [](Scalar &s, Value a, Value v) { return s.add(a, v); });
}

TValue Lowering::maximum(TValue x, ArrayRef<int64_t> axes, bool keep) {
  DType acc = x.dtype;
  Type e = storageType(acc, ctx());
  Value init;
  if (isFloat(acc)) {
    init = scalar().real(e, -std::numeric_limits<double>::infinity());
  } else {
    unsigned w = bitWidth(acc);
    APInt low =
        isUnsigned(acc) ? APInt::getMinValue(w) : APInt::getSignedMinValue(w);
    init = arith::ConstantOp::create(b, loc, b.getIntegerAttr(e, low));
  }
  return reduce(x, axes, keep, acc, init,
                [&](Scalar &s, Value a, Value v) { return s.max(acc, a, v); });
}

// --------------------------------------------------------------------- views

TValue Lowering::reshape(TValue v, ArrayRef<OpFoldResult> sizes) {
  SmallVector<int64_t> shape = staticShape(sizes);
  if (std::optional<Sizes> s = scalars(v);
      s && !ShapedType::isDynamicShape(shape) &&
      ShapedType::getNumElements(shape) == static_cast<int64_t>(s->size()))
    return makeScalars(v.dtype, shape, *s);

  Sizes in = dims(v.value);
  int64_t n = in.size(), m = sizes.size();
  Type element = type(v.value).getElementType();
  bool same = n == m;
  for (int64_t i = 0; same && i < n; ++i)
    same = sameSize(in[i], sizes[i]);
  if (same)
    return v;

  // Match runs of dims whose products agree symbolically.
  struct Group {
    int64_t i0, i1, j0, j1;
  };
  SmallVector<Group> groups;
  bool ok = n > 0 && m > 0;
  int64_t i = 0, j = 0;
  while (ok && i < n && j < m) {
    Group g{i, i + 1, j, j + 1};
    Product p = productOf(in[i]), q = productOf(sizes[j]);
    while (true) {
      std::optional<Product> up = quotient(q, p), down = quotient(p, q);
      if (up && down)
        break;
      if (up && g.i1 < n) {
        p = times(p, productOf(in[g.i1++]));
      } else if (down && g.j1 < m) {
        q = times(q, productOf(sizes[g.j1++]));
      } else {
        ok = false;
        break;
      }
    }
    i = g.i1;
    j = g.j1;
    groups.push_back(g);
  }
  if (ok) {
    for (; ok && i < n; ++i) {
      ok = isConst(in[i], 1);
      groups.back().i1 = i + 1;
    }
    for (; ok && j < m; ++j) {
      ok = isConst(sizes[j], 1);
      groups.back().j1 = j + 1;
    }
  }
  bool matched = ok;
  if (!ok) {
    groups.clear();
    if (n > 0 && m > 0) {
      groups.push_back({0, n, 0, m});
      guardEqual(product(in), product(sizes),
                 "reshape changes the number of elements");
    }
  }

  SmallVector<ReassociationIndices> down, up;
  SmallVector<int64_t> midShape;
  for (const Group &g : groups) {
    ReassociationIndices d, u;
    for (int64_t k = g.i0; k < g.i1; ++k)
      d.push_back(k);
    int64_t size = 1;
    for (int64_t k = g.j0; k < g.j1; ++k) {
      u.push_back(k);
      if (ShapedType::isDynamic(shape[k]))
        size = ShapedType::kDynamic;
      else if (!ShapedType::isDynamic(size))
        size *= shape[k];
    }
    down.push_back(d);
    up.push_back(u);
    midShape.push_back(size);
  }
  Value cur = v.value;
  int64_t mid = groups.size();
  if (n == 0 || m == 0)
    mid = 0;
  if (n > mid) {
    if (mid == 0 && !type(cur).hasStaticShape())
      cur = tensor::CastOp::create(
          b, loc, RankedTensorType::get(SmallVector<int64_t>(n, 1), element),
          cur);
    cur = tensor::CollapseShapeOp::create(b, loc, cur, down);
  }
  auto midType = RankedTensorType::get(midShape, element);
  if (cur.getType() != midType)
    cur = tensor::CastOp::create(b, loc, midType, cur);
  if (m > mid) {
    auto outType = RankedTensorType::get(shape, element);
    cur = tensor::ExpandShapeOp::create(b, loc, outType, cur, up, sizes);
  }
  setDims(cur, sizes);

  // Remember pure unit-dim views: broadcasts read the source instead.
  bool unit = matched || n == 0 || m == 0;
  Ints map(m, -1);
  for (const Group &g : groups) {
    Ints from, to;
    for (int64_t k = g.i0; k < g.i1; ++k)
      if (!isConst(in[k], 1))
        from.push_back(k);
    for (int64_t k = g.j0; k < g.j1; ++k)
      if (!isConst(sizes[k], 1))
        to.push_back(k);
    if (from.size() > 1 || to.size() != from.size())
      unit = false;
    else if (from.size() == 1)
      map[to[0]] = from[0];
  }
  if (unit) {
    Ints base;
    Value source = sourceOfUnits(v.value, base);
    for (int64_t &k : map)
      if (k >= 0)
        k = base[k];
    // A dim of the source that a view dim of another extent hides stays unread.
    unitViews[cur] = UnitView{source, map};
  }
  return {cur, v.dtype};
}

TValue Lowering::transpose(TValue v, ArrayRef<int64_t> perm) {
  bool identity = true;
  for (size_t i = 0; i < perm.size(); ++i)
    identity &= perm[i] == static_cast<int64_t>(i);
  if (identity)
    return v;
  Sizes in = dims(v.value), out;
  for (int64_t p : perm)
    out.push_back(in[p]);
  // Moving unit dims only is a view.
  int64_t last = -1;
  bool view = true;
  for (int64_t p : perm) {
    if (isConst(in[p], 1))
      continue;
    view &= p > last;
    last = p;
  }
  if (view)
    return reshape(v, out);
  Value init = empty(out, type(v.value).getElementType());
  auto op = linalg::TransposeOp::create(b, loc, v.value, init, perm);
  Value r = op->getResult(0);
  setDims(r, out);
  return {r, v.dtype};
}

TValue Lowering::slice(TValue v, ArrayRef<OpFoldResult> offsets,
                       ArrayRef<OpFoldResult> sizes, ArrayRef<int64_t> steps) {
  if (llvm::any_of(sizes, [](OpFoldResult r) { return isConst(r, 0); }))
    return {empty(sizes, type(v.value).getElementType()), v.dtype};
  bool positive = llvm::all_of(steps, [](int64_t s) { return s > 0; });
  if (positive) {
    Sizes strides;
    for (int64_t s : steps)
      strides.push_back(idx(s));
    Value r = tensor::ExtractSliceOp::create(b, loc, v.value, offsets, sizes,
                                             strides);
    setDims(r, sizes);
    return {r, v.dtype};
  }
  SmallVector<Value> starts;
  for (OpFoldResult o : offsets)
    starts.push_back(isConst(o, 0) ? Value() : asValue(o));
  return compute(v.dtype, sizes, [&](Scalar &s, ValueRange at) {
    SmallVector<Value> index;
    for (size_t i = 0; i < at.size(); ++i) {
      Value k = steps[i] == 1 ? at[i] : s.mul(at[i], s.index(steps[i]));
      index.push_back(starts[i] ? s.add(starts[i], k) : k);
    }
    return extract(s, v.value, index);
  });
}

TValue Lowering::concat(ArrayRef<TValue> vs, int64_t axis) {
  if (vs.size() == 1)
    return vs.front();
  SmallVector<Value> values;
  Sizes sizes = dims(vs.front().value);
  OpFoldResult total = idx(0);
  for (const TValue &v : vs) {
    values.push_back(v.value);
    total = add(total, dim(v.value, axis));
  }
  sizes[axis] = total;
  // Slices of nothing have no valid offsets.
  if (llvm::is_contained(staticShape(sizes), 0)) {
    Value nothing = tensor::EmptyOp::create(
        b, loc, sizes, getElementTypeOrSelf(values.front().getType()));
    setDims(nothing, sizes);
    return {nothing, vs.front().dtype};
  }
  Value r = tensor::ConcatOp::create(b, loc, axis, values);
  auto wanted =
      RankedTensorType::get(staticShape(sizes), type(r).getElementType());
  if (r.getType() != wanted)
    r = tensor::CastOp::create(b, loc, wanted, r);
  setDims(r, sizes);
  return {r, vs.front().dtype};
}

TValue Lowering::pad(TValue v, ArrayRef<OpFoldResult> low,
                     ArrayRef<OpFoldResult> high, Value fill) {
  Sizes in = dims(v.value), out;
  SmallVector<Value> lows, extents;
  bool none = true;
  for (size_t i = 0; i < in.size(); ++i) {
    none &= isConst(low[i], 0) && isConst(high[i], 0);
    out.push_back(add(add(in[i], low[i]), high[i]));
    lows.push_back(asValue(low[i]));
    extents.push_back(asValue(in[i]));
  }
  if (none)
    return v;
  return compute(v.dtype, out, [&](Scalar &s, ValueRange at) {
    Value inside;
    SmallVector<Value> index;
    for (size_t i = 0; i < at.size(); ++i) {
      if (isConst(low[i], 0) && isConst(high[i], 0)) {
        index.push_back(at[i]);
        continue;
      }
      Value k = s.sub(at[i], lows[i]);
      Value zero = s.index(0);
      Value okLow = s.cmpIndex(Scalar::GE, k, zero);
      Value okHigh = s.cmpIndex(Scalar::LT, k, extents[i]);
      Value both = s.logicalAnd(okLow, okHigh);
      inside = inside ? s.logicalAnd(inside, both) : both;
      // Reads stay inside the source; the select drops the clamped ones.
      index.push_back(s.select(both, k, zero));
    }
    return s.select(inside, extract(s, v.value, index), fill);
  });
}

} // namespace mercer::lowering
