// Comparisons and logic: results are bool, stored as i8 0/1.
#include "passes/onnx/Node.h"

namespace mercer::lowering {

namespace {

template <Scalar::Cmp P> LogicalResult compare(Context &c, Node &n) {
  TValue x = n.in(0), y = n.in(1);
  if (x.dtype != y.dtype)
    return n.failType(1, dtypeName(x.dtype));
  return n.doneMap(c.L.map({x, y}, DType::Bool, [&](Scalar &s, ValueRange a) {
    return s.fromBool(s.cmp(x.dtype, P, a[0], a[1]));
  }));
}

template <typename Op> LogicalResult logic(Context &c, Node &n) {
  for (unsigned i = 0; i < 2; ++i)
    if (n.in(i).dtype != DType::Bool)
      return n.failType(i, "bool");
  return n.doneMap(
      c.L.map({n.in(0), n.in(1)}, DType::Bool,
              [](Scalar &s, ValueRange a) { return s.bin<Op>(a[0], a[1]); }));
}

LogicalResult lowerNot(Context &c, Node &n) {
  if (n.in(0).dtype != DType::Bool)
    return n.failType(0, "bool");
  return n.doneMap(c.L.map({n.in(0)}, DType::Bool, [](Scalar &s, ValueRange a) {
    return s.bin<arith::XOrIOp>(a[0], s.integer(a[0].getType(), 1));
  }));
}

LogicalResult lowerIsNaN(Context &c, Node &n) {
  TValue x = n.in(0);
  if (!isFloat(x.dtype))
    return n.failType(0, "a floating-point type");
  return n.doneMap(c.L.map({x}, DType::Bool, [&](Scalar &s, ValueRange a) {
    return s.fromBool(s.cmp(x.dtype, Scalar::NE, a[0], a[0]));
  }));
}

LogicalResult lowerIsInf(Context &c, Node &n) {
  TValue x = n.in(0);
  if (!isFloat(x.dtype))
    return n.failType(0, "a floating-point type");
  bool positive = n.i("detect_positive", 1),
       negative = n.i("detect_negative", 1);
  double inf = std::numeric_limits<double>::infinity();
  return n.doneMap(c.L.map({x}, DType::Bool, [&](Scalar &s, ValueRange a) {
    Value r = s.integer(s.b.getI1Type(), 0);
    if (positive)
      r = s.logicalOr(r,
                      s.cmp(x.dtype, Scalar::EQ, a[0], s.number(x.dtype, inf)));
    if (negative)
      r = s.logicalOr(
          r, s.cmp(x.dtype, Scalar::EQ, a[0], s.number(x.dtype, -inf)));
    return s.fromBool(r);
  }));
}

} // namespace

void registerCompare(Registry &r) {
  r.add("Equal", compare<Scalar::EQ>, 7);
  r.add("Less", compare<Scalar::LT>, 7);
  r.add("LessOrEqual", compare<Scalar::LE>);
  r.add("Greater", compare<Scalar::GT>, 7);
  r.add("GreaterOrEqual", compare<Scalar::GE>);
  r.add("And", logic<arith::AndIOp>, 7);
  r.add("Or", logic<arith::OrIOp>, 7);
  r.add("Xor", logic<arith::XOrIOp>, 7);
  r.add("Not", lowerNot);
  r.add("IsNaN", lowerIsNaN);
  r.add("IsInf", lowerIsInf);
}

} // namespace mercer::lowering
