//===- Builder.cpp - arithmetic for math expansions -----------------------===//

#include "passes/math/Builder.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::formula;

Type MathBuilder::like(Type element) {
  if (auto vector = dyn_cast<VectorType>(type))
    return VectorType::get(vector.getShape(), element);
  return element;
}
Type MathBuilder::intType() {
  return like(b.getIntegerType(isDouble() ? 64 : 32));
}

static Value constant(ImplicitLocOpBuilder &b, Type type, TypedAttr value) {
  if (auto vector = dyn_cast<VectorType>(type))
    value = DenseElementsAttr::get(vector, value);
  return arith::ConstantOp::create(b, value);
}
Value MathBuilder::c(double value) {
  return constant(b, type, b.getFloatAttr(getElementTypeOrSelf(type), value));
}
Value MathBuilder::i(int64_t value) {
  Type integer = intType();
  APInt bits(isDouble() ? 64 : 32, static_cast<uint64_t>(value),
             /*isSigned=*/false, /*implicitTrunc=*/true);
  return constant(b, integer,
                  b.getIntegerAttr(getElementTypeOrSelf(integer), bits));
}

Value MathBuilder::add(Value a, Value d) {
  return arith::AddFOp::create(b, a, d);
}
Value MathBuilder::sub(Value a, Value d) {
  return arith::SubFOp::create(b, a, d);
}
Value MathBuilder::mul(Value a, Value d) {
  return arith::MulFOp::create(b, a, d);
}
Value MathBuilder::div(Value a, Value d) {
  return arith::DivFOp::create(b, a, d);
}
Value MathBuilder::fma(Value a, Value d, Value e) {
  // Without the instruction fma would be a call a lane.
  if (!target.hasFma)
    return add(mul(a, d), e);
  return math::FmaOp::create(b, a, d, e);
}
Value MathBuilder::productError(Value a, Value d, Value product) {
  if (target.hasFma)
    return fma(a, d, neg(product));
  // Upper halves of the operands: their products are exact.
  int64_t upper = isDouble() ? ~int64_t(0x7ffffff) : ~int64_t(0xfff);
  Value ah = fromBits(iand(bits(a), i(upper))), al = sub(a, ah);
  Value dh = fromBits(iand(bits(d), i(upper))), dl = sub(d, dh);
  Value error = sub(mul(ah, dh), product);
  error = add(error, mul(ah, dl));
  error = add(error, mul(al, dh));
  return add(error, mul(al, dl));
}
Value MathBuilder::neg(Value a) { return arith::NegFOp::create(b, a); }
Value MathBuilder::abs(Value a) { return math::AbsFOp::create(b, a); }
Value MathBuilder::sqrt(Value a) { return math::SqrtOp::create(b, a); }
Value MathBuilder::nearest(Value a) { return math::RoundEvenOp::create(b, a); }
Value MathBuilder::floor(Value a) { return math::FloorOp::create(b, a); }
Value MathBuilder::withSignOf(Value magnitude, Value sign) {
  return math::CopySignOp::create(b, magnitude, sign);
}
// In these forms compare and select are one max or min instruction, which
// returns its second operand when they are unordered.
Value MathBuilder::maxKeep(Value a, Value bound) {
  return select(less(a, bound), bound, a);
}
Value MathBuilder::minKeep(Value a, Value bound) {
  return select(less(bound, a), bound, a);
}
Value MathBuilder::less(Value a, Value d) {
  return arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, a, d);
}
Value MathBuilder::equal(Value a, Value d) {
  return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, a, d);
}
Value MathBuilder::isNaN(Value a) {
  return arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, a, a);
}
Value MathBuilder::isInf(Value a) {
  return equal(abs(a), c(std::numeric_limits<double>::infinity()));
}
Value MathBuilder::select(Value condition, Value a, Value d) {
  return arith::SelectOp::create(b, condition, a, d);
}
Value MathBuilder::both(Value a, Value d) {
  return arith::AndIOp::create(b, a, d);
}
Value MathBuilder::either(Value a, Value d) {
  return arith::OrIOp::create(b, a, d);
}
Value MathBuilder::invert(Value condition) {
  Value all = constant(b, condition.getType(), b.getBoolAttr(true));
  return arith::XOrIOp::create(b, condition, all);
}
Value MathBuilder::bits(Value a) {
  return arith::BitcastOp::create(b, intType(), a);
}
Value MathBuilder::fromBits(Value a) {
  return arith::BitcastOp::create(b, type, a);
}
Value MathBuilder::iadd(Value a, Value d) {
  return arith::AddIOp::create(b, a, d);
}
Value MathBuilder::isub(Value a, Value d) {
  return arith::SubIOp::create(b, a, d);
}
Value MathBuilder::iand(Value a, Value d) {
  return arith::AndIOp::create(b, a, d);
}
Value MathBuilder::ior(Value a, Value d) {
  return arith::OrIOp::create(b, a, d);
}
Value MathBuilder::shl(Value a, int64_t count) {
  return arith::ShLIOp::create(b, a, i(count));
}
Value MathBuilder::shr(Value a, int64_t count) {
  return arith::ShRUIOp::create(b, a, i(count));
}

Value MathBuilder::poly(Value x, ArrayRef<double> coefficients) {
  Value sum = c(coefficients.back());
  for (double coefficient : llvm::reverse(coefficients.drop_back()))
    sum = fma(sum, x, c(coefficient));
  return sum;
}

Value MathBuilder::scale(Value value, Value n) {
  auto vector = dyn_cast<VectorType>(type);
  int64_t width = vector ? vector.getNumElements() * (isDouble() ? 64 : 32) : 0;
  if (target.hasMaskedAccess && vector && vector.getRank() == 1 &&
      (width == 128 || width == 256 || width == 512)) {
    int64_t lanes = vector.getNumElements();
    std::string name = ("llvm.x86.avx512.mask.scalef." +
                        Twine(isDouble() ? "pd." : "ps.") + Twine(width))
                           .str();
    Type maskType = b.getIntegerType(lanes <= 8 ? 8 : 16);
    Value mask = arith::ConstantOp::create(b, b.getIntegerAttr(maskType, -1));
    SmallVector<Value> operands{value, n, value, mask};
    // The 512-bit form also takes the rounding mode; 4 is the current one.
    if (width == 512)
      operands.push_back(arith::ConstantOp::create(b, b.getI32IntegerAttr(4)));
    return LLVM::CallIntrinsicOp::create(b, TypeRange(type),
                                         b.getStringAttr(name), operands,
                                         LLVM::FastmathFlagsAttr())
        .getResult(0);
  }
  // Two factors, each a normal number: their product reaches every result.
  // Adding 1.5 * 2^mantissa leaves the integer in the low bits.
  Value magic = c(isDouble() ? 0x1.8p52 : 0x1.8p23);
  int64_t mantissa = isDouble() ? 52 : 23, bias = isDouble() ? 1023 : 127;
  auto power = [&](Value exponent) {
    Value low = bits(add(exponent, magic));
    return fromBits(shl(iadd(low, i(bias)), mantissa));
  };
  Value half = nearest(mul(n, c(0.5)));
  Value rest = sub(n, half);
  return mul(mul(value, power(half)), power(rest));
}

std::pair<Value, Value> MathBuilder::splitExponent(Value x) {
  int64_t mantissa = isDouble() ? 52 : 23, bias = isDouble() ? 1023 : 127;
  // Taking off the bits of sqrt(1/2) puts the exponent step there.
  int64_t root = isDouble() ? 0x3FE6A09E667F3BCD : 0x3F3504F3;
  Value shifted = isub(bits(x), i(root));
  Value exponent = arith::ShRSIOp::create(b, shifted, i(mantissa));
  Value m = fromBits(isub(bits(x), shl(exponent, mantissa)));
  // The biased exponent as the low bits of 2^mantissa is a float again.
  Value biased = iadd(exponent, i(bias));
  Value asFloat =
      fromBits(ior(biased, i(isDouble() ? 0x4330000000000000 : 0x4B000000)));
  Value e = sub(asFloat, c((isDouble() ? 0x1p52 : 0x1p23) + bias));
  return {m, e};
}
