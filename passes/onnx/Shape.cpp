// Operators that move or reinterpret elements without reading them.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

namespace mercer::lowering {

namespace {

LogicalResult lowerShape(Context &c, Node &n) {
  Lowering &L = c.L;
  Sizes sizes = L.dims(n.in(0).value);
  int64_t rank = sizes.size();
  auto clamp = [&](int64_t v) {
    return std::min(std::max<int64_t>(v < 0 ? v + rank : v, 0), rank);
  };
  int64_t start = clamp(n.i("start", 0)), end = clamp(n.i("end", rank));
  Sizes elements;
  for (int64_t i = start; i < end; ++i)
    elements.push_back(L.fromIndexResult(sizes[i], DType::I64));
  return n.done(L.makeScalars(
      DType::I64, {static_cast<int64_t>(elements.size())}, elements));
}

LogicalResult lowerSize(Context &c, Node &n) {
  Lowering &L = c.L;
  OpFoldResult total = L.product(L.dims(n.in(0).value));
  return n.done(
      L.makeScalars(DType::I64, {}, {L.fromIndexResult(total, DType::I64)}));
}

/// True for an index that the host reads from a tensor when the model runs: it
/// may hold the special values 0 and -1.
bool isRead(OpFoldResult r) {
  auto v = dyn_cast<Value>(r);
  auto castOp = v ? v.getDefiningOp<arith::IndexCastOp>() : nullptr;
  return castOp && castOp.getIn().getDefiningOp<tensor::ExtractOp>();
}

LogicalResult lowerReshape(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  Sizes wanted;
  if (n.hasAttr("shape") && !n.has(1)) {
    for (int64_t v : n.ints("shape"))
      wanted.push_back(L.idx(v));
  } else {
    std::optional<Sizes> s = L.asScalars(n.in(1));
    if (!s)
      return n.fail(InvalidShape,
                    "the shape operand is no short list of integers");
    wanted = *s;
  }
  Sizes in = L.dims(x.value);
  bool allowZero = n.i("allowzero", 0);
  if (std::optional<Ints> declared = n.declaredShape(0);
      declared && declared->size() == wanted.size() &&
      llvm::any_of(wanted, isRead)) {
    for (auto [w, d] : llvm::zip_equal(wanted, *declared))
      w = L.idx(d);
    allowZero = true;
  }
  int64_t inferred = -1;
  for (auto [i, w] : llvm::enumerate(wanted)) {
    if (L.isConst(w, 0) && !allowZero) {
      if (i >= in.size())
        return n.fail(InvalidShape, "shape has 0 at dim " + Twine(i) +
                                        ", the operand has rank " +
                                        Twine(in.size()));
      w = in[i];
    } else if (L.isConst(w, -1)) {
      if (inferred >= 0)
        return n.fail(InvalidShape, "shape has -1 twice");
      inferred = i;
      w = L.idx(1);
    } else if (std::optional<int64_t> k = L.number(w); k && *k < -1) {
      return n.fail(InvalidShape, "shape has the value " + Twine(*k));
    } else if (isRead(w)) {
      Scalar s = L.scalar();
      Value v = cast<Value>(w);
      if (!allowZero && i < in.size())
        w = s.select(s.cmpIndex(Scalar::EQ, v, s.index(0)), L.asValue(in[i]),
                     v);
    }
  }
  OpFoldResult total = L.product(in);
  bool anyRead = llvm::any_of(wanted, [&](OpFoldResult w) {
    return isa<Value>(w) &&
           (isRead(w) || cast<Value>(w).getDefiningOp<arith::SelectOp>());
  });
  if (anyRead && inferred < 0) {
    // One of the values may be -1: what the others leave over.
    Scalar s = L.scalar();
    Value product = s.index(1), minus = s.index(-1);
    for (OpFoldResult w : wanted) {
      Value v = L.asValue(w);
      product = s.mul(
          product, s.select(s.cmpIndex(Scalar::EQ, v, minus), s.index(1), v));
    }
    Value safe = s.select(s.cmpIndex(Scalar::EQ, product, s.index(0)),
                          s.index(1), product);
    Value rest = s.div(DType::I64, L.asValue(total), safe);
    for (OpFoldResult &w : wanted)
      if (auto v = dyn_cast<Value>(w))
        w = s.select(s.cmpIndex(Scalar::EQ, v, minus), rest, v);
  }
  if (inferred >= 0) {
    OpFoldResult others = L.product(wanted);
    if (L.isConst(others, 0))
      return n.fail(InvalidShape, "-1 is not defined beside a size of 0");
    if (L.number(others) && L.number(total) &&
        *L.number(total) % *L.number(others))
      return n.fail(InvalidShape, Twine(*L.number(total)) +
                                      " elements do not divide by " +
                                      Twine(*L.number(others)));
    wanted[inferred] = L.div(total, others);
  }
  wanted = n.refine(L, 0, wanted);
  OpFoldResult out = L.product(wanted);
  if (L.number(out) && L.number(total) && *L.number(out) != *L.number(total))
    return n.fail(InvalidShape, "shape of " + Twine(*L.number(out)) +
                                    " elements for " + Twine(*L.number(total)));
  return n.done(L.reshape(x, wanted));
}

LogicalResult lowerFlatten(Context &c, Node &n) {
  Lowering &L = c.L;
  Sizes in = L.dims(n.in(0).value);
  int64_t rank = in.size(), axis = n.i("axis", 1);
  if (axis < -rank || axis > rank)
    return n.fail(InvalidAttribute,
                  "axis " + Twine(axis) + " is outside of rank " + Twine(rank));
  if (axis < 0)
    axis += rank;
  ArrayRef<OpFoldResult> all = in;
  return n.done(L.reshape(n.in(0), {L.product(all.take_front(axis)),
                                    L.product(all.drop_front(axis))}));
}

/// Axes from operand 1 or the attribute; nothing if neither is there.
FailureOr<std::optional<Ints>> optionalAxes(Context &c, Node &n, int64_t rank) {
  Ints axes;
  if (n.has(1)) {
    std::optional<Ints> v = c.L.constInts(n.in(1));
    if (!v)
      return n.fail(
          UnsupportedOperator,
          "axes are computed at run time; supported are constant axes");
    axes = *v;
  } else if (n.hasAttr("axes")) {
    axes = n.ints("axes");
  } else {
    return std::optional<Ints>();
  }
  FailureOr<Ints> r = n.axes(axes, rank);
  if (failed(r))
    return failure();
  return std::optional<Ints>(*r);
}

/// Run-time axes of a model that declares its shapes: only the shape matters.
LogicalResult reshapeToDeclared(Context &c, Node &n, bool &handled) {
  handled = false;
  if (!n.has(1) || c.L.constInts(n.in(1)))
    return success();
  std::optional<Ints> shape = n.declaredShape(0);
  if (!shape)
    return success();
  handled = true;
  Sizes sizes;
  for (int64_t s : *shape)
    sizes.push_back(c.L.idx(s));
  return n.done(c.L.reshape(n.in(0), sizes));
}

LogicalResult lowerSqueeze(Context &c, Node &n) {
  Lowering &L = c.L;
  bool handled;
  if (failed(reshapeToDeclared(c, n, handled)) || handled)
    return success(handled);
  Sizes in = L.dims(n.in(0).value), out;
  FailureOr<std::optional<Ints>> axes = optionalAxes(c, n, in.size());
  if (failed(axes))
    return failure();
  for (auto [i, size] : llvm::enumerate(in)) {
    bool drop = *axes ? llvm::is_contained(**axes, static_cast<int64_t>(i))
                      : L.isConst(size, 1);
    if (!drop)
      out.push_back(size);
    else if (L.number(size) && !L.isConst(size, 1))
      return n.fail(InvalidShape, "dim " + Twine(i) + " has size " +
                                      Twine(*L.number(size)) + ", expected 1");
    else
      L.guardEqual(size, L.idx(1), "a squeezed dim is not 1");
  }
  return n.done(L.reshape(n.in(0), out));
}

LogicalResult lowerUnsqueeze(Context &c, Node &n) {
  Lowering &L = c.L;
  bool handled;
  if (failed(reshapeToDeclared(c, n, handled)) || handled)
    return success(handled);
  Sizes in = L.dims(n.in(0).value), out;
  int64_t count = n.has(1) ? L.type(n.in(1).value).getNumElements()
                           : static_cast<int64_t>(n.ints("axes").size());
  int64_t rank = static_cast<int64_t>(in.size()) + count;
  FailureOr<std::optional<Ints>> axes = optionalAxes(c, n, rank);
  if (failed(axes))
    return failure();
  if (!*axes)
    return n.fail(InvalidAttribute, "axes are missing");
  auto next = in.begin();
  for (int64_t i = 0; i < rank; ++i)
    out.push_back(llvm::is_contained(**axes, i) ? L.idx(1) : *next++);
  return n.done(L.reshape(n.in(0), out));
}

LogicalResult lowerExpand(Context &c, Node &n) {
  Lowering &L = c.L;
  std::optional<Sizes> wanted = L.asScalars(n.in(1));
  if (!wanted)
    return n.fail(InvalidShape,
                  "the shape operand is no short list of integers");
  Sizes in = L.dims(n.in(0).value);
  size_t rank = std::max(in.size(), wanted->size());
  Sizes out(rank, L.idx(1));
  std::optional<Ints> declared = n.declaredShape(0);
  for (size_t i = 0; i < rank; ++i) {
    OpFoldResult have =
        i + in.size() >= rank ? in[i + in.size() - rank] : L.idx(1);
    OpFoldResult want = i + wanted->size() >= rank
                            ? (*wanted)[i + wanted->size() - rank]
                            : L.idx(1);
    if (declared && declared->size() == rank && !L.number(want))
      want = L.idx((*declared)[i]);
    if (L.isConst(have, 1)) {
      out[i] = want;
    } else if (L.isConst(want, 1) || L.isConst(want, -1)) {
      out[i] = have;
    } else {
      if (L.number(have) && L.number(want) &&
          *L.number(have) != *L.number(want))
        return n.fail(InvalidShape, "size " + Twine(*L.number(have)) +
                                        " does not expand to " +
                                        Twine(*L.number(want)));
      // A run-time 1 keeps the operand's size as well.
      if (!isRead(want))
        L.guardEqual(have, want, "expanded sizes differ");
      out[i] = have;
    }
  }
  return n.done(L.broadcastTo(n.in(0), n.refine(L, 0, out)));
}

LogicalResult lowerTile(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  std::optional<Sizes> repeats = L.asScalars(n.in(1));
  Sizes in = L.dims(x.value);
  if (!repeats || repeats->size() != in.size())
    return n.fail(InvalidShape, "repeats must have one value for each of the " +
                                    Twine(in.size()) + " dims");
  Sizes out;
  bool unitsOnly = true;
  for (auto [s, r] : llvm::zip_equal(in, *repeats)) {
    out.push_back(L.mul(s, r));
    unitsOnly &= L.isConst(r, 1) || L.isConst(s, 1);
  }
  out = n.refine(L, 0, out);
  if (unitsOnly)
    return n.done(L.broadcastTo(x, out));
  SmallVector<Value> extent;
  for (OpFoldResult s : in)
    extent.push_back(L.asValue(s));
  return n.done(L.compute(x.dtype, out, [&](Scalar &s, ValueRange at) {
    SmallVector<Value> index;
    for (size_t i = 0; i < at.size(); ++i)
      index.push_back(L.isConst((*repeats)[i], 1)
                          ? at[i]
                          : s.rem(DType::U64, at[i], extent[i]));
    return L.extract(s, x.value, index);
  }));
}

LogicalResult lowerConcat(Context &c, Node &n) {
  Lowering &L = c.L;
  SmallVector<TValue> parts;
  for (TValue v : n.inputs) {
    if (v.dtype != n.in(0).dtype)
      return n.fail(UnsupportedType, "operands have different types");
    parts.push_back(v);
  }
  int64_t rank = L.rank(parts.front().value);
  FailureOr<int64_t> axis = n.axis(n.i("axis", 0), rank);
  if (failed(axis))
    return failure();
  Sizes all;
  bool known = rank == 1;
  for (TValue v : parts) {
    if (L.rank(v.value) != rank)
      return n.fail(InvalidShape, "operands have ranks " + Twine(rank) +
                                      " and " + Twine(L.rank(v.value)));
    for (int64_t d = 0; d < rank; ++d) {
      if (d == *axis)
        continue;
      OpFoldResult a = L.dim(parts.front().value, d), b = L.dim(v.value, d);
      if (L.number(a) && L.number(b) && *L.number(a) != *L.number(b))
        return n.fail(InvalidShape, "operands differ in dim " + Twine(d) +
                                        ": " + Twine(*L.number(a)) + " and " +
                                        Twine(*L.number(b)));
      L.guardEqual(a, b, "concatenated operands differ in size");
    }
    std::optional<Sizes> s = known ? L.scalars(v) : std::nullopt;
    known &= s.has_value();
    if (s)
      all.append(s->begin(), s->end());
  }
  if (known && all.size() <= static_cast<size_t>(L.kMaxScalars))
    return n.done(
        L.makeScalars(n.in(0).dtype, {static_cast<int64_t>(all.size())}, all));
  // Empty operands add nothing.
  llvm::erase_if(parts,
                 [&](TValue v) { return L.isConst(L.dim(v.value, *axis), 0); });
  if (parts.empty())
    return n.done(n.in(0));
  return n.done(L.concat(parts, *axis));
}

LogicalResult lowerTranspose(Context &c, Node &n) {
  Lowering &L = c.L;
  int64_t rank = L.rank(n.in(0).value);
  Ints perm = n.ints("perm");
  if (perm.empty())
    for (int64_t i = rank; i-- > 0;)
      perm.push_back(i);
  FailureOr<Ints> checked = n.axes(perm, rank);
  if (failed(checked))
    return failure();
  if (static_cast<int64_t>(checked->size()) != rank)
    return n.fail(InvalidAttribute, "perm has " + Twine(perm.size()) +
                                        " values for rank " + Twine(rank));
  return n.done(L.transpose(n.in(0), *checked));
}

LogicalResult lowerDepthToSpace(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  int64_t block = n.i("blocksize", 0);
  Sizes s = L.dims(x.value);
  StringRef mode = n.s("mode", "DCR");
  if (s.size() != 4 || block <= 0)
    return n.fail(InvalidShape,
                  "input must have rank 4 and blocksize be positive");
  OpFoldResult b = L.idx(block), depth = L.div(s[1], L.idx(block * block));
  bool crd = mode == "CRD";
  TValue v = crd ? L.reshape(x, {s[0], depth, b, b, s[2], s[3]})
                 : L.reshape(x, {s[0], b, b, depth, s[2], s[3]});
  v = L.transpose(v, crd ? ArrayRef<int64_t>{0, 1, 4, 2, 5, 3}
                         : ArrayRef<int64_t>{0, 3, 4, 1, 5, 2});
  return n.done(L.reshape(v, {s[0], depth, L.mul(s[2], b), L.mul(s[3], b)}));
}

LogicalResult lowerSpaceToDepth(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  int64_t block = n.i("blocksize", 0);
  Sizes s = L.dims(x.value);
  if (s.size() != 4 || block <= 0)
    return n.fail(InvalidShape,
                  "input must have rank 4 and blocksize be positive");
  OpFoldResult b = L.idx(block), h = L.div(s[2], b), w = L.div(s[3], b);
  TValue v = L.reshape(x, {s[0], s[1], h, b, w, b});
  v = L.transpose(v, {0, 3, 5, 1, 2, 4});
  return n.done(L.reshape(v, {s[0], L.mul(s[1], L.idx(block * block)), h, w}));
}

LogicalResult lowerDropout(Context &c, Node &n) {
  Lowering &L = c.L;
  if (n.has(2)) {
    std::optional<Ints> training = L.constInts(n.in(2));
    std::optional<SmallVector<double>> ratio = L.constDoubles(n.in(1));
    bool zeroRatio = ratio && ratio->size() == 1 && ratio->front() == 0.0;
    if (!training || (training->front() != 0 && !zeroRatio))
      return n.fail(UnsupportedOperator,
                    "training_mode; supported is inference");
  }
  SmallVector<TValue> out = {n.in(0)};
  if (n.numOutputs() > 1)
    out.push_back(L.splat(DType::Bool, L.dims(n.in(0).value), 1));
  return n.done(out);
}

} // namespace

void registerShape(Registry &r) {
  r.add("Shape", lowerShape);
  r.add("Size", lowerSize);
  r.add("Reshape", lowerReshape);
  r.add("Flatten", lowerFlatten);
  r.add("Squeeze", lowerSqueeze);
  r.add("Unsqueeze", lowerUnsqueeze);
  r.add("Expand", lowerExpand);
  r.add("Tile", lowerTile, 6);
  r.add("Concat", lowerConcat);
  r.add("Transpose", lowerTranspose);
  r.add("DepthToSpace", lowerDepthToSpace);
  r.add("SpaceToDepth", lowerSpaceToDepth);
  r.add("Dropout", lowerDropout, 7);
}

} // namespace mercer::lowering
