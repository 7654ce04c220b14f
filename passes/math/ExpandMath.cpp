//===- ExpandMath.cpp - math functions as plain arithmetic ----------------===//
//
// Which form a function takes is decided by the facts of `mercer.target`: what
// the target does in one instruction stays, everything else is written out.
//
//===----------------------------------------------------------------------===//

#include "passes/math/Builder.h"
#include "passes/math/Passes.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

namespace mercer {
#define GEN_PASS_DEF_EXPANDMATH
#include "passes/math/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;
using namespace mercer::formula;

static Type element(Type type) { return getElementTypeOrSelf(type); }
static bool isNarrow(Type type) {
  return element(type).isF16() || element(type).isBF16();
}
static Type withElement(Type type, Type to) {
  if (auto vector = dyn_cast<VectorType>(type))
    return VectorType::get(vector.getShape(), to);
  return to;
}

namespace {
using Unary = Value (*)(MathBuilder &, Value);

/// How one function is written: in its own type, or for f32 through f64.
struct Form {
  Unary function;
  bool hasSingle;
};

class Expander {
public:
  Expander(const TargetInfo &target) : target(target) {
    bool cuda = target.kind == "cuda";
    hasHalf = cuda || StringRef(target.features).contains("+f16c");
    hasBFloatRounding = cuda;
    hasMaximum = cuda;
  }
  void expand(Operation *op);

private:
  void replace(Operation *op, Value value) {
    op->getResult(0).replaceAllUsesWith(value);
    op->erase();
  }
  bool promoteNarrow(Operation *op);
  void expandExtend(arith::ExtFOp op);
  void expandTruncate(arith::TruncFOp op);
  void expandMaximum(Operation *op, bool max, bool keepNaN);
  void expandRemainder(arith::RemFOp op);
  void expandIntegerPower(math::IPowIOp op);
  void callUnary(Operation *op, Form form);
  void callBinary(Operation *op, Value x, Value y,
                  Value (*function)(MathBuilder &, Value, Value));

  const TargetInfo &target;
  /// Conversions of f16 in both directions, of f32 to bf16, and a maximum that
  /// propagates NaN, as single instructions.
  bool hasHalf, hasBFloatRounding, hasMaximum;
};

struct ExpandMathPass : mercer::impl::ExpandMathBase<ExpandMathPass> {
  void runOnOperation() override {
    TargetInfo target = TargetInfo::get(getOperation());
    // A multiply-add that is rounded once is a fact of PTX, but not of Vulkan;
    // no GPU has the vector instructions of a CPU.
    if (target.kind == "cuda")
      target.hasFma = true;
    if (target.kind != "cpu")
      target.hasMaskedAccess = false;
    Expander expander(target);
    SmallVector<Operation *> ops;
    getOperation()->walk([&](Operation *op) {
      if (isa_and_nonnull<arith::ArithDialect, math::MathDialect>(
              op->getDialect()) &&
          op->getNumResults() == 1)
        ops.push_back(op);
    });
    for (Operation *op : ops)
      expander.expand(op);
  }
};
} // namespace

/// Arithmetic on 16-bit floats in f32, rounded after each operation as its type
/// says. The new operations are expanded in turn.
bool Expander::promoteNarrow(Operation *op) {
  if (isa<arith::ExtFOp, arith::TruncFOp, arith::BitcastOp, arith::ConstantOp,
          arith::SelectOp>(op))
    return false;
  Type result = op->getResult(0).getType();
  if (!isNarrow(result) && llvm::none_of(op->getOperandTypes(), isNarrow))
    return false;
  OpBuilder b(op);
  SmallVector<Operation *> created;
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    if (isNarrow(operand.getType())) {
      auto wide = arith::ExtFOp::create(
          b, op->getLoc(), withElement(operand.getType(), b.getF32Type()),
          operand);
      created.push_back(wide);
      operand = wide;
    }
    operands.push_back(operand);
  }
  OperationState state(op->getLoc(), op->getName());
  state.addOperands(operands);
  state.addTypes(isNarrow(result) ? withElement(result, b.getF32Type())
                                  : result);
  state.addAttributes(op->getAttrs());
  Operation *wide = b.create(state);
  created.push_back(wide);
  Value value = wide->getResult(0);
  if (isNarrow(result)) {
    auto narrow = arith::TruncFOp::create(b, op->getLoc(), result, value);
    created.push_back(narrow);
    value = narrow;
  }
  replace(op, value);
  for (Operation *next : created)
    expand(next);
  return true;
}

void Expander::expandExtend(arith::ExtFOp op) {
  Type from = op.getIn().getType(), to = op.getType();
  if (!isNarrow(from) || (element(from).isF16() && hasHalf))
    return;
  OpBuilder b(op);
  MathBuilder m(b, op.getLoc(), withElement(from, b.getF32Type()), target);
  Value wide;
  if (element(from).isF16()) {
    wide = extendHalf(m, op.getIn());
  } else {
    Value raw =
        arith::BitcastOp::create(m.b, m.like(b.getI16Type()), op.getIn());
    wide = m.fromBits(m.shl(arith::ExtUIOp::create(m.b, m.intType(), raw), 16));
  }
  if (element(to).isF64())
    wide = arith::ExtFOp::create(m.b, to, wide);
  replace(op, wide);
}

void Expander::expandTruncate(arith::TruncFOp op) {
  Type from = op.getIn().getType(), to = op.getType();
  if (!isNarrow(to))
    return;
  OpBuilder b(op);
  MathBuilder m(b, op.getLoc(), withElement(from, b.getF32Type()), target);
  Value x = op.getIn();
  if (element(from).isF64())
    x = narrowToOdd(m, x);
  else if (element(to).isF16() && hasHalf)
    return;
  else if (element(to).isBF16() && hasBFloatRounding)
    return;
  if (element(to).isF16() ? hasHalf : hasBFloatRounding)
    replace(op, arith::TruncFOp::create(m.b, to, x));
  else if (!element(to).isF16())
    replace(op, truncateToBFloat(m, x, to));
  else
    replace(op, truncateToHalf(m, x));
}

/// One max or min instruction where NaN is impossible or one side is a number,
/// three otherwise.
void Expander::expandMaximum(Operation *op, bool max, bool keepNaN) {
  if (hasMaximum && element(op->getResult(0).getType()).isF32())
    return;
  OpBuilder b(op);
  MathBuilder m(b, op->getLoc(), op->getResult(0).getType(), target);
  Value x = op->getOperand(0), y = op->getOperand(1);
  auto flags = cast<arith::ArithFastMathInterface>(op).getFastMathFlagsAttr();
  bool noNaN = bitEnumContainsAll(flags.getValue(), arith::FastMathFlags::nnan);
  auto isNumber = [](Value v) {
    FloatAttr scalar;
    if (matchPattern(v, m_Constant(&scalar)))
      return !scalar.getValue().isNaN();
    SplatElementsAttr splat;
    if (matchPattern(v, m_Constant(&splat)))
      return !splat.getSplatValue<APFloat>().isNaN();
    return false;
  };
  auto join = [&](Value a, Value bound) {
    return max ? m.maxKeep(a, bound) : m.minKeep(a, bound);
  };
  if (!keepNaN) {
    // maxnum: the other operand. LLVM has a form; NaN-free is shorter.
    if (noNaN)
      replace(op, join(x, y));
    return;
  }
  if (noNaN || isNumber(y))
    return replace(op, join(x, y));
  if (isNumber(x))
    return replace(op, join(y, x));
  // join(x, y) is x where either is NaN; y's NaN has to win over a number.
  replace(op, m.select(m.isNaN(y), y, join(x, y)));
}

/// fmod. Each round takes off as many bits of the quotient as one product can
/// hold exactly; four reach a ratio of 2^100.
void Expander::expandRemainder(arith::RemFOp op) {
  OpBuilder b(op);
  Type type = op.getType();
  bool single = element(type).isF32();
  MathBuilder m(b, op.getLoc(), withElement(type, b.getF64Type()), target);
  Value x = op.getLhs(), y = op.getRhs();
  if (single) {
    x = arith::ExtFOp::create(m.b, m.type, x);
    y = arith::ExtFOp::create(m.b, m.type, y);
  }
  Value rest = m.abs(x), size = m.abs(y);
  Value infinite = m.isInf(y);
  constexpr int64_t keep = 0x7ffffffffc000000; // 27 bits of a quotient
  for (int round = 0; round < 4; ++round) {
    Value quotient = math::TruncOp::create(m.b, m.div(rest, size));
    quotient = m.fromBits(m.iand(m.bits(quotient), m.i(keep)));
    rest = m.fma(m.neg(quotient), size, rest);
    rest = m.select(m.less(rest, m.c(0)), m.add(rest, size), rest);
  }
  rest = m.select(m.less(rest, size), rest, m.sub(rest, size));
  rest = m.withSignOf(rest, x);
  rest = m.select(m.both(infinite, m.invert(m.isInf(x))), x, rest);
  if (single)
    rest = arith::TruncFOp::create(m.b, type, rest);
  replace(op, rest);
}

void Expander::expandIntegerPower(math::IPowIOp op) {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  Type type = op.getType();
  unsigned width = element(type).getIntOrFloatBitWidth();
  auto constant = [&](int64_t value) -> Value {
    TypedAttr attr = b.getIntegerAttr(element(type), value);
    if (auto vector = dyn_cast<VectorType>(type))
      attr = DenseElementsAttr::get(vector, attr);
    return arith::ConstantOp::create(b, attr);
  };
  Value zero = constant(0), one = constant(1);
  Value base = op.getLhs(), exponent = op.getRhs(), result = one;
  Value square = base;
  for (unsigned bit = 0; bit + 1 < width; ++bit) {
    Value shifted = arith::ShRUIOp::create(b, exponent, constant(bit));
    Value set = arith::CmpIOp::create(
        b, arith::CmpIPredicate::ne,
        arith::AndIOp::create(b, shifted, one).getResult(), zero);
    Value product = arith::MulIOp::create(b, result, square);
    result = arith::SelectOp::create(b, set, product, result);
    square = arith::MulIOp::create(b, square, square);
  }
  // Negative powers: 1 and -1 stay units, everything else vanishes.
  Value negative =
      arith::CmpIOp::create(b, arith::CmpIPredicate::slt, exponent, zero);
  Value isOne = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, base, one);
  Value minusOne = constant(-1);
  Value isMinus =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, base, minusOne);
  Value odd = arith::CmpIOp::create(
      b, arith::CmpIPredicate::ne,
      arith::AndIOp::create(b, exponent, one).getResult(), zero);
  Value unit = arith::SelectOp::create(b, odd, minusOne, one);
  Value inverse = arith::SelectOp::create(
      b, isOne, one,
      arith::SelectOp::create(b, isMinus, unit, zero).getResult());
  replace(op, arith::SelectOp::create(b, negative, inverse, result));
}

void Expander::callUnary(Operation *op, Form form) {
  OpBuilder b(op);
  Type type = op->getResult(0).getType();
  Value x = op->getOperand(0);
  bool through = element(type).isF32() && !form.hasSingle;
  Type work = through ? withElement(type, b.getF64Type()) : type;
  MathBuilder m(b, op->getLoc(), work, target);
  if (through)
    x = arith::ExtFOp::create(m.b, work, x);
  Value result = form.function(m, x);
  if (through)
    result = arith::TruncFOp::create(m.b, type, result);
  replace(op, result);
}

void Expander::callBinary(Operation *op, Value x, Value y,
                          Value (*function)(MathBuilder &, Value, Value)) {
  OpBuilder b(op);
  Type type = op->getResult(0).getType();
  bool through = element(type).isF32();
  Type work = withElement(type, b.getF64Type());
  MathBuilder m(b, op->getLoc(), work, target);
  auto widen = [&](Value v) -> Value {
    if (isa<IntegerType>(element(v.getType())))
      return arith::SIToFPOp::create(m.b, work, v);
    return v.getType() == work
               ? v
               : arith::ExtFOp::create(m.b, work, v).getResult();
  };
  Value result = function(m, widen(x), widen(y));
  if (through)
    result = arith::TruncFOp::create(m.b, type, result);
  replace(op, result);
}

void Expander::expand(Operation *op) {
  if (promoteNarrow(op))
    return;
  if (auto extend = dyn_cast<arith::ExtFOp>(op))
    return expandExtend(extend);
  if (auto truncate = dyn_cast<arith::TruncFOp>(op))
    return expandTruncate(truncate);
  // A choice between 16-bit floats is one between integers.
  if (auto select = dyn_cast<arith::SelectOp>(op)) {
    Type type = select.getType();
    if (!isNarrow(type))
      return;
    ImplicitLocOpBuilder b(op->getLoc(), op);
    Type bits = withElement(type, b.getI16Type());
    Value a = arith::BitcastOp::create(b, bits, select.getTrueValue());
    Value c = arith::BitcastOp::create(b, bits, select.getFalseValue());
    Value chosen = arith::SelectOp::create(b, select.getCondition(), a, c);
    return replace(op, arith::BitcastOp::create(b, type, chosen));
  }
  auto builderOf = [&](Value value) {
    OpBuilder b(op);
    return MathBuilder(b, op->getLoc(), value.getType(), target);
  };
  auto builder = [&] { return builderOf(op->getResult(0)); };
  llvm::TypeSwitch<Operation *>(op)
      .Case([&](arith::MaximumFOp o) { expandMaximum(o, true, true); })
      .Case([&](arith::MinimumFOp o) { expandMaximum(o, false, true); })
      .Case([&](arith::MaxNumFOp o) { expandMaximum(o, true, false); })
      .Case([&](arith::MinNumFOp o) { expandMaximum(o, false, false); })
      .Case([&](arith::RemFOp o) { expandRemainder(o); })
      .Case([&](math::IPowIOp o) { expandIntegerPower(o); })
      .Case([&](math::AbsIOp o) {
        MathBuilder m = builder();
        Value zero = arith::ConstantOp::create(m.b, m.b.getZeroAttr(m.type));
        Value negated = m.isub(zero, o.getOperand());
        replace(o, arith::MaxSIOp::create(m.b, o.getOperand(), negated));
      })
      .Case([&](math::IsNaNOp o) {
        MathBuilder m = builderOf(o.getOperand());
        replace(o, m.isNaN(o.getOperand()));
      })
      .Case([&](math::IsInfOp o) {
        MathBuilder m = builderOf(o.getOperand());
        replace(o, m.isInf(o.getOperand()));
      })
      .Case([&](math::IsFiniteOp o) {
        MathBuilder m = builderOf(o.getOperand());
        Value infinity = m.c(std::numeric_limits<double>::infinity());
        replace(o, m.less(m.abs(o.getOperand()), infinity));
      })
      .Case([&](math::ClampFOp o) {
        // max, then min; the value wins where it is not a number.
        MathBuilder m = builder();
        replace(o, m.minKeep(m.maxKeep(o.getValue(), o.getMin()), o.getMax()));
      })
      .Case([&](math::FmaOp o) {
        if (target.hasFma)
          return;
        // A target that may fuse without promising it (Vulkan) still can.
        ImplicitLocOpBuilder b(o.getLoc(), o);
        Value product = arith::MulFOp::create(b, o.getA(), o.getB(),
                                              arith::FastMathFlags::contract);
        replace(o, arith::AddFOp::create(b, product, o.getC(),
                                         arith::FastMathFlags::contract));
      })
      .Case([&](math::RsqrtOp o) {
        MathBuilder m = builder();
        replace(o, m.div(m.c(1), m.sqrt(o.getOperand())));
      })
      .Case([&](math::RoundOp o) {
        // Half away from zero.
        MathBuilder m = builder();
        Value size = m.abs(o.getOperand()), whole = m.floor(size);
        Value up = m.select(m.less(m.sub(size, whole), m.c(0.5)), whole,
                            m.add(whole, m.c(1)));
        replace(o, m.withSignOf(up, o.getOperand()));
      })
      .Case([&](math::ExpOp o) { callUnary(o, {exp, true}); })
      .Case([&](math::Exp2Op o) { callUnary(o, {exp2, true}); })
      .Case([&](math::ExpM1Op o) { callUnary(o, {expm1, true}); })
      .Case([&](math::LogOp o) { callUnary(o, {log, true}); })
      .Case([&](math::Log2Op o) { callUnary(o, {log2, true}); })
      .Case([&](math::Log10Op o) { callUnary(o, {log10, true}); })
      .Case([&](math::Log1pOp o) { callUnary(o, {log1p, true}); })
      .Case([&](math::TanhOp o) { callUnary(o, {tanh, true}); })
      .Case([&](math::ErfOp o) { callUnary(o, {erf, true}); })
      .Case([&](math::ErfcOp o) { callUnary(o, {erfc, false}); })
      .Case([&](math::SinOp o) { callUnary(o, {sin, false}); })
      .Case([&](math::CosOp o) { callUnary(o, {cos, false}); })
      .Case([&](math::TanOp o) { callUnary(o, {tan, false}); })
      .Case([&](math::AsinOp o) { callUnary(o, {asin, false}); })
      .Case([&](math::AcosOp o) { callUnary(o, {acos, false}); })
      .Case([&](math::AtanOp o) { callUnary(o, {atan, false}); })
      .Case([&](math::SinhOp o) { callUnary(o, {sinh, false}); })
      .Case([&](math::CoshOp o) { callUnary(o, {cosh, false}); })
      .Case([&](math::AsinhOp o) { callUnary(o, {asinh, false}); })
      .Case([&](math::AcoshOp o) { callUnary(o, {acosh, false}); })
      .Case([&](math::AtanhOp o) { callUnary(o, {atanh, false}); })
      .Case([&](math::CbrtOp o) { callUnary(o, {cbrt, false}); })
      .Case([&](math::Atan2Op o) {
        callBinary(o, o.getLhs(), o.getRhs(), atan2);
      })
      .Case([&](math::PowFOp o) { callBinary(o, o.getLhs(), o.getRhs(), pow); })
      .Case(
          [&](math::FPowIOp o) { callBinary(o, o.getLhs(), o.getRhs(), pow); });
}
