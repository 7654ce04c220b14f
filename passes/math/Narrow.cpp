//===- Narrow.cpp - conversions of 16-bit floats in integer arithmetic ----===//

#include "passes/math/Builder.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::formula;

Value mercer::formula::extendHalf(MathBuilder &m, Value half) {
  Value raw = arith::BitcastOp::create(m.b, m.like(m.b.getI16Type()), half);
  Value wide = arith::ExtUIOp::create(m.b, m.intType(), raw);
  Value sign = m.shl(m.iand(wide, m.i(0x8000)), 16);
  Value magnitude = m.iand(wide, m.i(0x7fff));
  // The bits at their place, with an exponent that is 112 too small. Subnormals
  // are converted as integers: a target may flush those of f32, so a product
  // with 2^112 would lose them.
  Value placed = m.iadd(m.shl(magnitude, 13), m.i(int64_t(112) << 23));
  Value whole = arith::SIToFPOp::create(m.b, m.type, magnitude);
  Value small = m.mul(whole, m.c(0x1p-24));
  Value isSmall = arith::CmpIOp::create(m.b, arith::CmpIPredicate::ult,
                                        magnitude, m.i(0x400));
  Value special = arith::CmpIOp::create(m.b, arith::CmpIPredicate::uge,
                                        magnitude, m.i(0x7c00));
  Value specialBits = m.ior(m.shl(magnitude, 13), m.i(0x7f800000));
  Value finite = arith::SelectOp::create(m.b, isSmall, m.bits(small), placed);
  Value result = arith::SelectOp::create(m.b, special, specialBits, finite);
  return m.fromBits(m.ior(result, sign));
}

Value mercer::formula::truncateToHalf(MathBuilder &m, Value x) {
  Value all = m.bits(x);
  Value sign = m.shr(m.iand(all, m.i(0x80000000)), 16);
  Value size = m.iand(all, m.i(0x7fffffff));
  // Normal results: move the exponent, round to nearest even on 13 bits.
  Value lowest = m.iand(m.shr(size, 13), m.i(1));
  Value rounded = m.iadd(m.iadd(size, m.i(0xfff)), lowest);
  Value normal = m.shr(m.isub(rounded, m.i(0x38000000)), 13);
  // Subnormal results: adding 0.5 leaves them, rounded, in the low bits.
  Value shifted = m.add(m.fromBits(size), m.c(0.5));
  Value subnormal = m.isub(m.bits(shifted), m.i(0x3f000000));
  auto below = [&](int64_t bound) -> Value {
    return arith::CmpIOp::create(m.b, arith::CmpIPredicate::ult, size,
                                 m.i(bound));
  };
  auto choose = [&](Value condition, Value a, Value d) -> Value {
    return arith::SelectOp::create(m.b, condition, a, d);
  };
  Value result = choose(below(0x38800000), subnormal, normal);
  result = choose(below(0x477ff000), result, m.i(0x7c00));
  result = choose(below(0x7f800001), result, m.i(0x7e00));
  result = m.ior(result, sign);
  Value narrow = arith::TruncIOp::create(m.b, m.like(m.b.getI16Type()), result);
  return arith::BitcastOp::create(m.b, m.like(m.b.getF16Type()), narrow);
}

Value mercer::formula::truncateToBFloat(MathBuilder &m, Value x, Type to) {
  Value all = m.bits(x);
  Value lowest = m.iand(m.shr(all, 16), m.i(1));
  Value rounded = m.shr(m.iadd(m.iadd(all, m.i(0x7fff)), lowest), 16);
  // NaN keeps its upper bits and stays one.
  Value quiet = m.ior(m.shr(all, 16), m.i(0x40));
  Value result = arith::SelectOp::create(m.b, m.isNaN(x), quiet, rounded);
  Value narrow = arith::TruncIOp::create(m.b, m.like(m.b.getI16Type()), result);
  return arith::BitcastOp::create(m.b, to, narrow);
}

Value mercer::formula::narrowToOdd(MathBuilder &m, Value x) {
  // `m` is a builder of the f32 type; x is f64 of the same shape.
  Value f = arith::TruncFOp::create(m.b, m.type, x);
  Value back = arith::ExtFOp::create(m.b, x.getType(), f);
  Value size = math::AbsFOp::create(m.b, x);
  Value backSize = math::AbsFOp::create(m.b, back);
  Value tooBig =
      arith::CmpFOp::create(m.b, arith::CmpFPredicate::OGT, backSize, size);
  Value inexact =
      arith::CmpFOp::create(m.b, arith::CmpFPredicate::ONE, back, x);
  Value all = m.bits(f);
  // Towards zero first, then the lowest bit says that something was cut off.
  Value cut = arith::SelectOp::create(m.b, tooBig, m.isub(all, m.i(1)), all);
  Value odd = arith::SelectOp::create(m.b, inexact, m.ior(cut, m.i(1)), cut);
  return m.fromBits(odd);
}
