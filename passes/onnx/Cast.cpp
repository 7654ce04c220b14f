// Cast, CastLike and Constant.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

namespace mercer::lowering {

namespace {

LogicalResult lowerCast(Context &c, Node &n) {
  int64_t to = n.i("to");
  std::optional<DType> t = dtypeFromOnnx(to);
  if (!t)
    return n.fail(UnsupportedType,
                  "attribute 'to' is ONNX type " + Twine(to) +
                      "; supported are f16, bf16, f32, f64, 8- to 64-bit "
                      "integers and bool");
  return n.doneMap(c.L.castTo(n.in(0), *t, n.i("saturate", 1)));
}

LogicalResult lowerCastLike(Context &c, Node &n) {
  return n.doneMap(c.L.castTo(n.in(0), n.in(1).dtype, n.i("saturate", 1)));
}

/// The same bits as another type of the same width.
LogicalResult lowerBitCast(Context &c, Node &n) {
  TValue x = n.in(0);
  std::optional<DType> t = dtypeFromOnnx(n.i("to"));
  if (!t || bitWidth(*t) != bitWidth(x.dtype))
    return n.fail(UnsupportedType,
                  "attribute 'to' is ONNX type " + Twine(n.i("to")) +
                      "; supported are types as wide as " + dtypeName(x.dtype));
  Type target = storageType(*t, c.L.ctx());
  if (storageType(x.dtype, c.L.ctx()) == target)
    return n.done(TValue{x.value, *t});
  return n.doneMap(c.L.map({x}, *t, [&](Scalar &s, ValueRange a) -> Value {
    return arith::BitcastOp::create(s.b, s.loc, target, a[0]);
  }));
}

LogicalResult lowerConstant(Context &c, Node &n) {
  Lowering &L = c.L;
  if (n.hasAttr("value_float"))
    return n.done(L.constant(DType::F32, {}, {n.f("value_float")}));
  if (n.hasAttr("value_int"))
    return n.done(L.constantInts(DType::I64, {}, {n.i("value_int")}));
  if (n.hasAttr("value_ints")) {
    Ints v = n.ints("value_ints");
    return n.done(
        L.constantInts(DType::I64, {static_cast<int64_t>(v.size())}, v));
  }
  if (n.hasAttr("value_floats")) {
    SmallVector<float> v = n.op.floatsAttr("value_floats");
    return n.done(L.constant(DType::F32, {static_cast<int64_t>(v.size())},
                             SmallVector<double>(v.begin(), v.end())));
  }
  ElementsAttr value = n.op.tensorAttr("value");
  if (!value)
    return n.fail(InvalidAttribute,
                  "no numeric value; strings and sparse tensors are not "
                  "supported");
  FailureOr<TValue> r = constantFrom(c, n, value);
  return failed(r) ? failure() : n.done(*r);
}

} // namespace

FailureOr<TValue> constantFrom(Context &c, Node &n, ElementsAttr attr) {
  auto type = cast<ShapedType>(attr.getType());
  std::optional<DType> t = dtypeFromType(type.getElementType());
  auto dense = dyn_cast<DenseElementsAttr>(attr);
  if (!t || !dense)
    return n.fail(UnsupportedType, "constant of an unsupported element type");
  Type e = storageType(*t, c.L.ctx());
  if (*t == DType::Bool)
    dense = dense.mapValues(e, [](const APInt &v) { return v.zext(8); });
  else if (type.getElementType() != e)
    dense = dense.bitcast(e);
  Value v = arith::ConstantOp::create(c.L.b, c.L.loc, dense);
  return TValue{v, *t};
}

void registerCast(Registry &r) {
  r.add("Cast", lowerCast, 6);
  r.add("CastLike", lowerCastLike);
  r.add("BitCast", lowerBitCast);
  r.add("Constant", lowerConstant);
}

} // namespace mercer::lowering
