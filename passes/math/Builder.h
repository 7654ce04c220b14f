//===- Builder.h - arithmetic for math expansions ---------------*- C++ -*-===//
//
// Writes arith ops on one float type, scalar or vector, with the few target
// facts that matter: whether multiply-add is one instruction, and whether a
// power of two can be applied by one (AVX-512 scalef). Used by every backend.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_PASSES_MATH_BUILDER_H
#define MERCER_PASSES_MATH_BUILDER_H

#include "dialects/mercer/IR/TargetInfo.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mercer::formula {

class MathBuilder {
public:
  MathBuilder(mlir::OpBuilder &builder, mlir::Location loc, mlir::Type type,
              const TargetInfo &target)
      : b(loc, builder), type(type), target(target) {}

  mlir::Value c(double value);
  mlir::Value i(int64_t value);
  mlir::Value add(mlir::Value a, mlir::Value d);
  mlir::Value sub(mlir::Value a, mlir::Value d);
  mlir::Value mul(mlir::Value a, mlir::Value d);
  mlir::Value div(mlir::Value a, mlir::Value d);
  /// a * d + e.
  mlir::Value fma(mlir::Value a, mlir::Value d, mlir::Value e);
  /// What `product`, the rounded a * d, lacks: exact with fused multiply-add.
  mlir::Value productError(mlir::Value a, mlir::Value d, mlir::Value product);
  mlir::Value neg(mlir::Value a);
  mlir::Value abs(mlir::Value a);
  mlir::Value sqrt(mlir::Value a);
  /// Nearest integer, ties to even.
  mlir::Value nearest(mlir::Value a);
  mlir::Value floor(mlir::Value a);
  mlir::Value withSignOf(mlir::Value magnitude, mlir::Value sign);
  /// The larger or smaller; `a`, when it is not a number, is the result.
  mlir::Value maxKeep(mlir::Value a, mlir::Value bound);
  mlir::Value minKeep(mlir::Value a, mlir::Value bound);
  mlir::Value less(mlir::Value a, mlir::Value d);
  mlir::Value equal(mlir::Value a, mlir::Value d);
  mlir::Value isNaN(mlir::Value a);
  mlir::Value isInf(mlir::Value a);
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value d);
  mlir::Value both(mlir::Value a, mlir::Value d);
  mlir::Value either(mlir::Value a, mlir::Value d);
  mlir::Value invert(mlir::Value condition);
  mlir::Value bits(mlir::Value a);
  mlir::Value fromBits(mlir::Value a);
  mlir::Value iadd(mlir::Value a, mlir::Value d);
  mlir::Value isub(mlir::Value a, mlir::Value d);
  mlir::Value iand(mlir::Value a, mlir::Value d);
  mlir::Value ior(mlir::Value a, mlir::Value d);
  mlir::Value shl(mlir::Value a, int64_t count);
  mlir::Value shr(mlir::Value a, int64_t count);

  /// coefficients[0] + x * (coefficients[1] + ...).
  mlir::Value poly(mlir::Value x, llvm::ArrayRef<double> coefficients);
  /// value * 2^n for an integral n, with gradual underflow and overflow to
  /// infinity; |n| below twice the exponent range.
  mlir::Value scale(mlir::Value value, mlir::Value n);
  /// Splits a positive normal x into m * 2^e with m in [sqrt(1/2), sqrt(2)).
  std::pair<mlir::Value, mlir::Value> splitExponent(mlir::Value x);

  bool isDouble() const { return mlir::getElementTypeOrSelf(type).isF64(); }
  mlir::Type intType();
  /// The same shape with another element type.
  mlir::Type like(mlir::Type element);

  mlir::ImplicitLocOpBuilder b;
  mlir::Type type;
  const TargetInfo &target;
};

// One function each; `x` has the builder's type, f32 or f64.
mlir::Value exp(MathBuilder &m, mlir::Value x);
mlir::Value exp2(MathBuilder &m, mlir::Value x);
mlir::Value expm1(MathBuilder &m, mlir::Value x);
mlir::Value log(MathBuilder &m, mlir::Value x);
mlir::Value log2(MathBuilder &m, mlir::Value x);
mlir::Value log10(MathBuilder &m, mlir::Value x);
mlir::Value log1p(MathBuilder &m, mlir::Value x);
mlir::Value pow(MathBuilder &m, mlir::Value x, mlir::Value y);
mlir::Value cbrt(MathBuilder &m, mlir::Value x);
mlir::Value erf(MathBuilder &m, mlir::Value x);
mlir::Value erfc(MathBuilder &m, mlir::Value x);
mlir::Value sinh(MathBuilder &m, mlir::Value x);
mlir::Value cosh(MathBuilder &m, mlir::Value x);
mlir::Value tanh(MathBuilder &m, mlir::Value x);
mlir::Value asinh(MathBuilder &m, mlir::Value x);
mlir::Value acosh(MathBuilder &m, mlir::Value x);
mlir::Value atanh(MathBuilder &m, mlir::Value x);
mlir::Value sin(MathBuilder &m, mlir::Value x);
mlir::Value cos(MathBuilder &m, mlir::Value x);
mlir::Value tan(MathBuilder &m, mlir::Value x);
mlir::Value asin(MathBuilder &m, mlir::Value x);
mlir::Value acos(MathBuilder &m, mlir::Value x);
mlir::Value atan(MathBuilder &m, mlir::Value x);
mlir::Value atan2(MathBuilder &m, mlir::Value y, mlir::Value x);

/// f32 from 16-bit floats and back, in integer arithmetic, for targets without
/// the instructions. `wide` results and operands are f32 (or a vector of it).
mlir::Value extendHalf(MathBuilder &m, mlir::Value half);
mlir::Value truncateToHalf(MathBuilder &m, mlir::Value x);
mlir::Value truncateToBFloat(MathBuilder &m, mlir::Value x, mlir::Type to);
/// f64 to f32 rounded to odd, so that a second rounding to 16 bits is exact.
mlir::Value narrowToOdd(MathBuilder &m, mlir::Value x);

} // namespace mercer::formula

#endif
