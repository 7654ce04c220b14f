// Symbolic sizes: dims, affine arithmetic on them, products with cancellation,
// host guards, and the small host-side scalars that shapes are computed with.
#include "passes/onnx/Lowering.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/IR/Matchers.h"

#include <algorithm>

namespace mercer::lowering {

OpFoldResult Lowering::dim(Value v, int64_t i) { return dims(v)[i]; }

Sizes Lowering::dims(Value v) {
  auto it = knownDims.find(v);
  if (it != knownDims.end())
    return it->second;
  RankedTensorType t = type(v);
  Sizes sizes;
  for (int64_t i = 0; i < t.getRank(); ++i) {
    if (t.isDynamicDim(i))
      sizes.push_back(tensor::DimOp::create(b, loc, v, i).getResult());
    else
      sizes.push_back(idx(t.getDimSize(i)));
  }
  knownDims[v] = sizes;
  return sizes;
}

void Lowering::setDims(Value v, ArrayRef<OpFoldResult> sizes) {
  knownDims[v] = Sizes(sizes.begin(), sizes.end());
}

bool Lowering::isConst(OpFoldResult a, int64_t v) {
  std::optional<int64_t> n = getConstantIntValue(a);
  return n && *n == v;
}

Value Lowering::asValue(OpFoldResult a) {
  if (auto v = dyn_cast<Value>(a))
    return v;
  return arith::ConstantIndexOp::create(b, loc, *getConstantIntValue(a));
}

template <typename Op> OpFoldResult Lowering::shared(OpFoldResult r) {
  auto v = dyn_cast<Value>(r);
  auto op = v ? v.getDefiningOp<Op>() : Op();
  if (!op)
    return r;
  std::vector<const void *> key = {
      op->getName().getTypeID().getAsOpaquePointer()};
  for (Value o : op->getOperands())
    key.push_back(o.getAsOpaquePointer());
  auto [it, fresh] =
      applied.try_emplace({op.getAffineMap().getAsOpaquePointer(), key}, v);
  if (!fresh && it->second != v) {
    op.erase();
    return it->second;
  }
  return r;
}

OpFoldResult Lowering::apply(AffineExpr expr, ArrayRef<OpFoldResult> operands) {
  AffineMap map = AffineMap::get(0, operands.size(), expr);
  Sizes ops(operands.begin(), operands.end());
  return shared<affine::AffineApplyOp>(
      affine::makeComposedFoldedAffineApply(b, loc, map, ops));
}

bool Lowering::sameSize(OpFoldResult a, OpFoldResult c) {
  std::optional<int64_t> x = number(a), y = number(c);
  if (x || y)
    return x && y && *x == *y;
  if (a == c)
    return true;
  Product p = productOf(a), q = productOf(c);
  std::optional<Product> r = quotient(p, q);
  return r && r->factor == 1 && r->symbols.empty();
}

Lowering::Product Lowering::productOf(OpFoldResult size) {
  if (std::optional<int64_t> n = number(size))
    return {*n, {}};
  Value v = cast<Value>(size);
  auto it = knownProducts.find(v);
  if (it != knownProducts.end())
    return it->second;
  return {1, {v}};
}

Lowering::Product Lowering::times(const Product &x, const Product &y) {
  Product r = x;
  r.factor *= y.factor;
  r.symbols.append(y.symbols.begin(), y.symbols.end());
  return r;
}

std::optional<Lowering::Product> Lowering::quotient(const Product &x,
                                                    const Product &y) {
  if (y.factor == 0)
    return x.factor == 0 && x.symbols == y.symbols
               ? std::optional<Product>(Product{})
               : std::nullopt;
  if (x.factor % y.factor != 0)
    return std::nullopt;
  Product r = x;
  r.factor = x.factor / y.factor;
  for (Value s : y.symbols) {
    auto *it = llvm::find(r.symbols, s);
    if (it == r.symbols.end())
      return std::nullopt;
    r.symbols.erase(it);
  }
  return r;
}

OpFoldResult Lowering::sizeOf(const Product &p) {
  if (p.factor == 0)
    return idx(0);
  if (p.symbols.empty())
    return idx(p.factor);
  if (p.factor == 1 && p.symbols.size() == 1)
    return p.symbols.front();
  std::vector<const void *> key;
  for (Value s : p.symbols)
    key.push_back(s.getAsOpaquePointer());
  std::sort(key.begin(), key.end());
  Value &known = products[{p.factor, key}];
  if (known)
    return known;
  Value v = p.symbols.front();
  for (Value s : ArrayRef<Value>(p.symbols).drop_front())
    v = arith::MulIOp::create(b, loc, v, s);
  if (p.factor != 1) {
    OpFoldResult r = apply(b.getAffineSymbolExpr(0) * p.factor, {v});
    v = asValue(r);
  }
  known = v;
  knownProducts[v] = p;
  return known;
}

OpFoldResult Lowering::add(OpFoldResult x, OpFoldResult y) {
  return apply(b.getAffineSymbolExpr(0) + b.getAffineSymbolExpr(1), {x, y});
}
OpFoldResult Lowering::sub(OpFoldResult x, OpFoldResult y) {
  return apply(b.getAffineSymbolExpr(0) - b.getAffineSymbolExpr(1), {x, y});
}
OpFoldResult Lowering::mul(OpFoldResult x, OpFoldResult y) {
  return sizeOf(times(productOf(x), productOf(y)));
}

OpFoldResult Lowering::div(OpFoldResult x, OpFoldResult y) {
  Product p = productOf(x), q = productOf(y);
  if (std::optional<Product> r = quotient(p, q))
    return sizeOf(*r);
  // Common symbols cancel even if the constants do not divide.
  if (std::optional<int64_t> n = number(y); n && *n > 0)
    return apply(b.getAffineSymbolExpr(0).floorDiv(*n), {x});
  Product rest = q;
  for (Value s : SmallVector<Value>(q.symbols)) {
    auto *it = llvm::find(p.symbols, s);
    if (it == p.symbols.end())
      continue;
    p.symbols.erase(it);
    rest.symbols.erase(llvm::find(rest.symbols, s));
  }
  OpFoldResult num = sizeOf(p), den = sizeOf(rest);
  if (std::optional<int64_t> n = number(den); n && *n > 0)
    return apply(b.getAffineSymbolExpr(0).floorDiv(*n), {num});
  return arith::DivSIOp::create(b, loc, asValue(num), asValue(den)).getResult();
}

OpFoldResult Lowering::maxSize(OpFoldResult x, OpFoldResult y) {
  if (sameSize(x, y))
    return x;
  AffineMap both = b.getMultiDimIdentityMap(2);
  return shared<affine::AffineMaxOp>(
      affine::makeComposedFoldedAffineMax(b, loc, both, {x, y}));
}
OpFoldResult Lowering::minSize(OpFoldResult x, OpFoldResult y) {
  if (sameSize(x, y))
    return x;
  AffineMap both = b.getMultiDimIdentityMap(2);
  return shared<affine::AffineMinOp>(
      affine::makeComposedFoldedAffineMin(b, loc, both, {x, y}));
}

OpFoldResult Lowering::product(ArrayRef<OpFoldResult> sizes) {
  Product p;
  for (OpFoldResult s : sizes)
    p = times(p, productOf(s));
  return sizeOf(p);
}

void Lowering::guard(Value condition, StringRef message) {
  cf::AssertOp::create(b, loc, condition, message);
}

void Lowering::guardEqual(OpFoldResult x, OpFoldResult y, StringRef what) {
  if (sameSize(x, y) || (number(x) && number(y)))
    return;
  Value p = asValue(x), q = asValue(y);
  if (!number(x) && !number(y) && !guarded.insert({p, q}).second)
    return;
  Value eq = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, p, q);
  guard(eq, ("[E4103] " + what).str());
}

// -------------------------------------------------------------- host scalars

/// Elements of a dense constant as scalar attributes of its storage type.
static std::optional<Sizes> denseScalars(Value v, int64_t limit) {
  DenseElementsAttr attr;
  if (!matchPattern(v, m_Constant(&attr)) || attr.getNumElements() > limit)
    return std::nullopt;
  Sizes out;
  Type e = attr.getElementType();
  if (isa<FloatType>(e)) {
    for (const APFloat &f : attr.getValues<APFloat>())
      out.push_back(OpFoldResult(FloatAttr::get(e, f)));
  } else if (isa<IntegerType>(e)) {
    for (const APInt &i : attr.getValues<APInt>())
      out.push_back(OpFoldResult(IntegerAttr::get(e, i)));
  } else {
    return std::nullopt;
  }
  return out;
}

std::optional<Sizes> Lowering::scalars(TValue v) {
  if (!v.value || !isa<RankedTensorType>(v.value.getType()))
    return std::nullopt;
  auto it = knownScalars.find(v.value);
  if (it != knownScalars.end())
    return it->second;
  RankedTensorType t = type(v.value);
  if (!t.hasStaticShape() || t.getNumElements() > kMaxScalars)
    return std::nullopt;
  std::optional<Sizes> s = denseScalars(v.value, kMaxScalars);
  if (s)
    knownScalars[v.value] = *s;
  return s;
}

TValue Lowering::makeScalars(DType t, ArrayRef<int64_t> shape,
                             ArrayRef<OpFoldResult> elements) {
  Type e = storageType(t, ctx());
  auto tensorType = RankedTensorType::get(shape, e);
  bool allConst =
      llvm::all_of(elements, [](OpFoldResult r) { return isa<Attribute>(r); });
  Value v;
  if (allConst) {
    SmallVector<Attribute> attrs;
    for (OpFoldResult r : elements)
      attrs.push_back(cast<Attribute>(r));
    v = arith::ConstantOp::create(b, loc,
                                  DenseElementsAttr::get(tensorType, attrs));
  } else {
    SmallVector<Value> values;
    for (OpFoldResult r : elements)
      values.push_back(scalarValue(r, t));
    v = tensor::FromElementsOp::create(b, loc, tensorType, values);
  }
  knownScalars[v] = Sizes(elements.begin(), elements.end());
  return {v, t};
}

Value Lowering::scalarValue(OpFoldResult element, DType) {
  if (auto v = dyn_cast<Value>(element))
    return v;
  return arith::ConstantOp::create(b, loc,
                                   cast<TypedAttr>(cast<Attribute>(element)));
}

/// Rewrites integer host arithmetic on sizes as affine expressions, so that
/// `Shape -> Gather -> Mul` compares equal to the size it stands for.
std::optional<OpFoldResult> Lowering::affineIndex(Value v, unsigned depth) {
  APInt c;
  if (matchPattern(v, m_ConstantInt(&c)))
    return OpFoldResult(idx(c.getSExtValue()));
  auto known = indexOf.find(v);
  if (known != indexOf.end())
    return OpFoldResult(known->second);
  Operation *op = v.getDefiningOp();
  if (!op || depth > 16)
    return std::nullopt;
  if (auto castOp = dyn_cast<arith::IndexCastOp>(op))
    if (castOp.getIn().getType().isIndex())
      return OpFoldResult(castOp.getIn());
  if (isa<arith::ExtSIOp, arith::ExtUIOp>(op))
    return affineIndex(op->getOperand(0), depth + 1);
  if (auto trunc = dyn_cast<arith::TruncIOp>(op);
      trunc && v.getType().isInteger(32))
    return affineIndex(trunc.getIn(), depth + 1); // sizes fit in 31 bits
  if (!isa<arith::AddIOp, arith::SubIOp, arith::MulIOp, arith::MaxSIOp,
           arith::MinSIOp, arith::DivSIOp>(op))
    return std::nullopt;
  auto x = affineIndex(op->getOperand(0), depth + 1);
  auto y = affineIndex(op->getOperand(1), depth + 1);
  if (!x || !y)
    return std::nullopt;
  if (isa<arith::AddIOp>(op))
    return add(*x, *y);
  if (isa<arith::SubIOp>(op))
    return sub(*x, *y);
  if (isa<arith::MulIOp>(op))
    return mul(*x, *y);
  if (isa<arith::MaxSIOp>(op))
    return maxSize(*x, *y);
  if (isa<arith::MinSIOp>(op))
    return minSize(*x, *y);
  std::optional<int64_t> n = number(*y);
  if (!n || *n <= 0)
    return std::nullopt;
  // Flooring equals truncation only for a non-negative dividend: a plain size.
  Product p = productOf(*x);
  for (Value s : p.symbols)
    if (!s.getDefiningOp<tensor::DimOp>())
      return std::nullopt;
  return p.factor >= 0 ? std::optional<OpFoldResult>(div(*x, *y))
                       : std::nullopt;
}

OpFoldResult Lowering::toIndexResult(OpFoldResult element, DType t) {
  if (auto attr = dyn_cast<Attribute>(element)) {
    if (auto i = dyn_cast<IntegerAttr>(attr))
      return idx(isUnsigned(t)
                     ? static_cast<int64_t>(i.getValue().getZExtValue())
                     : i.getValue().getSExtValue());
    if (auto f = dyn_cast<FloatAttr>(attr))
      return idx(static_cast<int64_t>(f.getValueAsDouble()));
    return idx(0);
  }
  Value v = cast<Value>(element);
  if (std::optional<OpFoldResult> r = affineIndex(v, 0))
    return *r;
  Value r = scalar().toIndex(v, t);
  indexOf[v] = r;
  return r;
}

OpFoldResult Lowering::fromIndexResult(OpFoldResult index, DType t) {
  if (std::optional<int64_t> n = number(index))
    return OpFoldResult(b.getIntegerAttr(storageType(t, ctx()), *n));
  return scalar().fromIndex(cast<Value>(index), t);
}

std::optional<Sizes> Lowering::asScalars(TValue v, bool mayRead) {
  if (!v || isFloat(v.dtype))
    return std::nullopt;
  if (std::optional<Sizes> s = scalars(v)) {
    Sizes out;
    for (OpFoldResult e : *s)
      out.push_back(toIndexResult(e, v.dtype));
    return out;
  }
  RankedTensorType t = type(v.value);
  if (!mayRead || !t.hasStaticShape() || t.getRank() > 1 ||
      t.getNumElements() > kMaxScalars)
    return std::nullopt;
  // A run-time tensor: the host reads it.
  Sizes elements;
  for (int64_t i = 0; i < t.getNumElements(); ++i) {
    SmallVector<Value> at;
    if (t.getRank() == 1)
      at.push_back(arith::ConstantIndexOp::create(b, loc, i));
    elements.push_back(
        tensor::ExtractOp::create(b, loc, v.value, at).getResult());
  }
  knownScalars[v.value] = elements;
  Sizes out;
  for (OpFoldResult e : elements)
    out.push_back(toIndexResult(e, v.dtype));
  return out;
}

std::optional<Ints> Lowering::constInts(TValue v) {
  if (!v || isFloat(v.dtype))
    return std::nullopt;
  std::optional<Sizes> s = scalars(v);
  if (!s)
    return std::nullopt;
  Ints out;
  for (OpFoldResult e : *s) {
    std::optional<int64_t> n = number(toIndexResult(e, v.dtype));
    if (!n)
      return std::nullopt;
    out.push_back(*n);
  }
  return out;
}

std::optional<SmallVector<double>> Lowering::constDoubles(TValue v) {
  std::optional<Sizes> s = scalars(v);
  if (!s)
    return std::nullopt;
  SmallVector<double> out;
  for (OpFoldResult e : *s) {
    auto attr = dyn_cast<Attribute>(e);
    if (auto f = dyn_cast_or_null<FloatAttr>(attr))
      out.push_back(f.getValueAsDouble());
    else if (auto i = dyn_cast_or_null<IntegerAttr>(attr))
      out.push_back(isUnsigned(v.dtype) ? i.getValue().roundToDouble(false)
                                        : i.getValue().roundToDouble(true));
    else
      return std::nullopt;
  }
  return out;
}

Value Lowering::onlyElement(TValue v) {
  if (std::optional<Sizes> s = scalars(v); s && s->size() == 1)
    return scalarValue(s->front(), v.dtype);
  SmallVector<Value> at(rank(v.value),
                        arith::ConstantIndexOp::create(b, loc, 0));
  return tensor::ExtractOp::create(b, loc, v.value, at);
}

OpFoldResult Lowering::fold(Operation *before, Value v) {
  Block *block = b.getInsertionBlock();
  Block::iterator it =
      before ? std::next(before->getIterator()) : block->begin();
  while (it != b.getInsertionPoint()) {
    Operation *op = &*it++;
    if (op->getNumResults() != 1 || op->hasTrait<OpTrait::ConstantLike>())
      continue;
    SmallVector<Attribute> operands;
    for (Value o : op->getOperands()) {
      Attribute a;
      matchPattern(o, m_Constant(&a));
      operands.push_back(a);
    }
    SmallVector<OpFoldResult> folded;
    if (failed(op->fold(operands, folded)) || folded.size() != 1)
      continue;
    Value replacement;
    if (auto a = dyn_cast<Attribute>(folded.front())) {
      auto typed = dyn_cast<TypedAttr>(a);
      if (!typed)
        continue;
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(op);
      replacement = arith::ConstantOp::create(b, loc, typed);
    } else {
      replacement = cast<Value>(folded.front());
    }
    if (op->getResult(0) == v)
      v = replacement;
    op->getResult(0).replaceAllUsesWith(replacement);
    op->erase();
  }
  Attribute a;
  if (matchPattern(v, m_Constant(&a)))
    return a;
  return v;
}

} // namespace mercer::lowering
