// 8-bit floating-point numbers as integer arithmetic on their codes: no target
// that Mercer knows computes with all four formats.
#include "passes/onnx/Lowering.h"

#include <cmath>
#include <limits>

namespace mercer::lowering {

namespace {

struct Format {
  int mantissa, bias;
  int largest;       // code of the largest finite number
  int nan, overflow; // codes; overflow is infinity where there is one
  bool unsignedZero; // no negative zero; the code of -0 is NaN
};

Format formatOf(DType t) {
  switch (t) {
  case DType::F8E4M3FN:
    return {3, 7, 0x7E, 0x7F, 0x7F, false};
  case DType::F8E4M3FNUZ:
    return {3, 8, 0x7F, 0x80, 0x80, true};
  case DType::F8E5M2:
    return {2, 15, 0x7B, 0x7F, 0x7C, false};
  default:
    return {2, 16, 0x7F, 0x80, 0x80, true};
  }
}

} // namespace

Value Scalar::decodeFloat8(Value x, DType from) {
  Format f = formatOf(from);
  Type i32 = b.getI32Type(), f32 = b.getF32Type();
  auto num = [&](int64_t v) { return integer(i32, v); };
  Value code = arith::ExtUIOp::create(b, loc, i32, x);
  Value magnitude = bin<arith::AndIOp>(code, num(0x7F));
  Value sign = bin<arith::ShLIOp>(bin<arith::AndIOp>(code, num(0x80)), num(24));
  // Normal numbers move their exponent; subnormal ones are small integers.
  Value shifted = bin<arith::ShLIOp>(magnitude, num(23 - f.mantissa));
  Value normal = arith::BitcastOp::create(
      b, loc, f32, add(shifted, num(static_cast<int64_t>(127 - f.bias) << 23)));
  Value small = mul(arith::SIToFPOp::create(b, loc, f32, magnitude),
                    real(f32, std::ldexp(1.0, 1 - f.bias - f.mantissa)));
  Value isSmall = cmp(DType::I32, LT, magnitude, num(1 << f.mantissa));
  Value value = select(isSmall, small, normal);
  Value bits = arith::BitcastOp::create(b, loc, i32, value);
  value = arith::BitcastOp::create(b, loc, f32, bin<arith::OrIOp>(bits, sign));
  Value nan = real(f32, std::numeric_limits<double>::quiet_NaN());
  if (f.unsignedZero)
    return select(cmp(DType::I32, EQ, code, num(0x80)), nan, value);
  value = select(cmp(DType::I32, GT, magnitude, num(f.largest)), nan, value);
  if (f.overflow == f.nan)
    return value;
  Value inf = arith::BitcastOp::create(
      b, loc, f32, bin<arith::OrIOp>(num(0x7F800000), sign));
  return select(cmp(DType::I32, EQ, magnitude, num(f.overflow)), inf, value);
}

Value Scalar::encodeFloat8(Value x, DType to, bool saturate) {
  Format f = formatOf(to);
  Type i32 = b.getI32Type(), f32 = b.getF32Type();
  auto num = [&](int64_t v) { return integer(i32, v); };
  Value bits = arith::BitcastOp::create(b, loc, i32, x);
  Value magnitude = bin<arith::AndIOp>(bits, num(0x7FFFFFFF));
  Value sign =
      bin<arith::AndIOp>(bin<arith::ShRUIOp>(bits, num(24)), num(0x80));
  // Round to nearest even where the mantissa is cut.
  int shift = 23 - f.mantissa;
  Value odd =
      bin<arith::AndIOp>(bin<arith::ShRUIOp>(magnitude, num(shift)), num(1));
  Value rounded = add(add(magnitude, num((1 << (shift - 1)) - 1)), odd);
  Value normal = sub(bin<arith::ShRUIOp>(rounded, num(shift)),
                     num(static_cast<int64_t>(127 - f.bias) << f.mantissa));
  // Below the normal range the code is the number of smallest steps.
  Value absolute = arith::BitcastOp::create(b, loc, f32, magnitude);
  Value limit = real(f32, std::ldexp(1.0, 1 - f.bias));
  Value isSmall = cmp(DType::F32, LT, absolute, limit);
  Value clamped = select(isSmall, absolute, real(f32, 0));
  Value steps = un<math::RoundEvenOp>(
      mul(clamped, real(f32, std::ldexp(1.0, f.bias - 1 + f.mantissa))));
  Value code = select(
      isSmall, Value(arith::FPToSIOp::create(b, loc, i32, steps)), normal);
  Value tooLarge = cmp(DType::I32, GT, code, num(f.largest));
  code = select(tooLarge, num(saturate ? f.largest : f.overflow), code);
  Value isNan = cmp(DType::I32, GT, magnitude, num(0x7F800000));
  code = select(isNan, num(f.nan), code);
  if (f.unsignedZero) {
    // Zero has no sign, and the code of NaN has its bit already.
    Value plain = logicalOr(cmp(DType::I32, EQ, code, num(0)),
                            cmp(DType::I32, EQ, code, num(0x80)));
    sign = select(plain, num(0), sign);
  }
  return arith::TruncIOp::create(b, loc, b.getI8Type(),
                                 bin<arith::OrIOp>(code, sign));
}

} // namespace mercer::lowering
