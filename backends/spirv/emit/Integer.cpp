//===- Integer.cpp - integer arithmetic of one lane -----------------------===//
//
// i8 and i16 are i32 with unspecified upper bits: sums, products and logic need
// nothing, what looks at the upper bits extends first. Results are defined
// where those of arith are: OpSRem and OpSMod are not for negative operands in
// Vulkan.
//
//===----------------------------------------------------------------------===//

#include "backends/spirv/emit/Emitter.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::spirvgen;

static unsigned widthOf(Type element) {
  return element.isIndex() ? 32 : element.getIntOrFloatBitWidth();
}

Value Emitter::zeroExtended(Value x, Type element) {
  unsigned width = widthOf(element);
  if (width >= 32 || width == 1)
    return x;
  return make<spirv::BitwiseAndOp>(x, word((1u << width) - 1));
}

Value Emitter::signExtended(Value x, Type element) {
  unsigned width = widthOf(element);
  if (width >= 32 || width == 1)
    return x;
  Value by = word(32 - width);
  return make<spirv::ShiftRightArithmeticOp>(
      make<spirv::ShiftLeftLogicalOp>(x, by), by);
}

Value Emitter::compare(arith::CmpIPredicate predicate, Value x, Value y,
                       Type element) {
  using P = arith::CmpIPredicate;
  bool isSigned = predicate == P::slt || predicate == P::sle ||
                  predicate == P::sgt || predicate == P::sge;
  auto wide = [&](Value v) {
    return isSigned ? signExtended(v, element) : zeroExtended(v, element);
  };
  x = wide(x);
  y = wide(y);
  switch (predicate) {
  case P::eq:
    return ask<spirv::IEqualOp>(x, y);
  case P::ne:
    return ask<spirv::INotEqualOp>(x, y);
  case P::slt:
    return ask<spirv::SLessThanOp>(x, y);
  case P::sle:
    return ask<spirv::SLessThanEqualOp>(x, y);
  case P::sgt:
    return ask<spirv::SGreaterThanOp>(x, y);
  case P::sge:
    return ask<spirv::SGreaterThanEqualOp>(x, y);
  case P::ult:
    return ask<spirv::ULessThanOp>(x, y);
  case P::ule:
    return ask<spirv::ULessThanEqualOp>(x, y);
  case P::ugt:
    return ask<spirv::UGreaterThanOp>(x, y);
  case P::uge:
    return ask<spirv::UGreaterThanEqualOp>(x, y);
  }
  llvm_unreachable("every predicate is handled");
}

/// Arithmetic on booleans: modulo 2, where -1 is the signed value of true.
Value Emitter::boolean(Operation *op, ValueRange x) {
  auto no = [&](Value v) { return make<spirv::LogicalNotOp>(v); };
  auto both = [&](Value v, Value w) { return make<spirv::LogicalAndOp>(v, w); };
  auto either = [&](Value v, Value w) {
    return make<spirv::LogicalOrOp>(v, w);
  };
  if (auto o = dyn_cast<arith::CmpIOp>(op)) {
    using P = arith::CmpIPredicate;
    switch (o.getPredicate()) {
    case P::eq:
      return make<spirv::LogicalEqualOp>(x[0], x[1]);
    case P::ne:
      return make<spirv::LogicalNotEqualOp>(x[0], x[1]);
    case P::ult:
    case P::sgt:
      return both(no(x[0]), x[1]);
    case P::ule:
    case P::sge:
      return either(no(x[0]), x[1]);
    case P::ugt:
    case P::slt:
      return both(x[0], no(x[1]));
    case P::uge:
    case P::sle:
      return either(x[0], no(x[1]));
    }
  }
  if (isa<arith::AndIOp, arith::MulIOp, arith::MinUIOp, arith::MaxSIOp>(op))
    return both(x[0], x[1]);
  if (isa<arith::OrIOp, arith::MaxUIOp, arith::MinSIOp>(op))
    return either(x[0], x[1]);
  if (isa<arith::XOrIOp, arith::AddIOp, arith::SubIOp>(op))
    return make<spirv::LogicalNotEqualOp>(x[0], x[1]);
  if (isa<arith::SelectOp>(op))
    return select(x[0], x[1], x[2]);
  return {};
}

Value Emitter::castInteger(Value x, Type from, Type to, bool isSigned) {
  unsigned width = widthOf(from), result = widthOf(to);
  Type held = result > 32 ? to : Type(b.getI32Type());
  if (result == 1) {
    if (width == 1)
      return x;
    Value low = make<spirv::BitwiseAndOp>(x, constantOf(x.getType(), 1));
    return ask<spirv::INotEqualOp>(low, constantOf(x.getType(), 0));
  }
  if (width == 1)
    return select(x, constantOf(held, isSigned ? ~uint64_t(0) : 1),
                  constantOf(held, 0));
  if (result > width)
    x = isSigned ? signExtended(x, from) : zeroExtended(x, from);
  if (x.getType() == held)
    return x;
  if (result > 32 && isSigned) {
    // Not OpSConvert: Mesa (22.3) takes comparisons of it with constants apart
    // and sees no negative number there.
    Value sign = make<spirv::ShiftRightArithmeticOp>(x, word(31));
    Value pair = spirv::CompositeConstructOp::create(
        b, VectorType::get(2, b.getI32Type()), ValueRange{x, sign});
    return bitcast(pair, held);
  }
  return spirv::UConvertOp::create(b, held, x);
}

/// x - (x / y) * y, with the sign of x.
Value Emitter::remainder(Value x, Value y) {
  Value quotient = make<spirv::SDivOp>(x, y);
  return make<spirv::ISubOp>(x, make<spirv::IMulOp>(quotient, y));
}

Value Emitter::countBits(Value x, Type element) {
  if (widthOf(element) <= 32)
    return make<spirv::BitCountOp>(zeroExtended(x, element));
  // OpBitCount is for 32 bits.
  Lanes halves;
  join(x, element, halves);
  Value sum = make<spirv::IAddOp>(make<spirv::BitCountOp>(halves[0]),
                                  make<spirv::BitCountOp>(halves[1]));
  return spirv::UConvertOp::create(b, x.getType(), sum);
}

Value Emitter::leadingZeros(Value x, Type element) {
  // FindUMsb is the position of the highest set bit, -1 without one.
  auto from = [&](Value v, unsigned highest) {
    return make<spirv::ISubOp>(word(highest), make<spirv::GLFindUMsbOp>(v));
  };
  if (widthOf(element) <= 32)
    return from(zeroExtended(x, element), widthOf(element) - 1);
  Lanes halves;
  join(x, element, halves);
  Value empty = ask<spirv::IEqualOp>(halves[1], word(0));
  Value count = select(empty, from(halves[0], 63), from(halves[1], 31));
  return spirv::UConvertOp::create(b, x.getType(), count);
}

Value Emitter::integer(Operation *op, ValueRange x, Type element) {
  Type held = x.back().getType();
  auto zero = [&] { return constantOf(held, 0); };
  auto one = [&] { return constantOf(held, 1); };
  auto sext = [&](Value v) { return signExtended(v, element); };
  auto zext = [&](Value v) { return zeroExtended(v, element); };
  auto shorter = [&](arith::CmpIPredicate predicate) {
    return select(compare(predicate, x[0], x[1], element), x[0], x[1]);
  };
  // Quotient rounded towards zero, and whether it was exact and positive.
  auto divide = [&](bool up) {
    Value a = sext(x[0]), d = sext(x[1]);
    Value quotient = make<spirv::SDivOp>(a, d);
    Value rest = make<spirv::ISubOp>(a, make<spirv::IMulOp>(quotient, d));
    Value inexact = ask<spirv::INotEqualOp>(rest, zero());
    Value signs = make<spirv::BitwiseXorOp>(a, d);
    Value negative = ask<spirv::SLessThanOp>(signs, zero());
    if (up)
      negative = make<spirv::LogicalNotOp>(negative);
    Value adjust = make<spirv::LogicalAndOp>(inexact, negative);
    Value by = select(adjust, one(), zero());
    return up ? make<spirv::IAddOp>(quotient, by)
              : make<spirv::ISubOp>(quotient, by);
  };
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<arith::AddIOp>(
          [&](auto) { return make<spirv::IAddOp>(x[0], x[1]); })
      .Case<arith::SubIOp>(
          [&](auto) { return make<spirv::ISubOp>(x[0], x[1]); })
      .Case<arith::MulIOp>(
          [&](auto) { return make<spirv::IMulOp>(x[0], x[1]); })
      .Case<arith::AndIOp>(
          [&](auto) { return make<spirv::BitwiseAndOp>(x[0], x[1]); })
      .Case<arith::OrIOp>(
          [&](auto) { return make<spirv::BitwiseOrOp>(x[0], x[1]); })
      .Case<arith::XOrIOp>(
          [&](auto) { return make<spirv::BitwiseXorOp>(x[0], x[1]); })
      .Case<arith::CmpIOp>([&](arith::CmpIOp o) {
        return compare(o.getPredicate(), x[0], x[1], element);
      })
      .Case<arith::SelectOp>([&](auto) { return select(x[0], x[1], x[2]); })
      .Case<arith::ShLIOp>([&](auto) {
        return make<spirv::ShiftLeftLogicalOp>(x[0], zext(x[1]));
      })
      .Case<arith::ShRUIOp>([&](auto) {
        return make<spirv::ShiftRightLogicalOp>(zext(x[0]), zext(x[1]));
      })
      .Case<arith::ShRSIOp>([&](auto) {
        return make<spirv::ShiftRightArithmeticOp>(sext(x[0]), zext(x[1]));
      })
      .Case<arith::DivUIOp>(
          [&](auto) { return make<spirv::UDivOp>(zext(x[0]), zext(x[1])); })
      .Case<arith::DivSIOp>(
          [&](auto) { return make<spirv::SDivOp>(sext(x[0]), sext(x[1])); })
      .Case<arith::RemUIOp>(
          [&](auto) { return make<spirv::UModOp>(zext(x[0]), zext(x[1])); })
      .Case<arith::RemSIOp>(
          [&](auto) { return remainder(sext(x[0]), sext(x[1])); })
      .Case<arith::FloorDivSIOp>([&](auto) { return divide(false); })
      .Case<arith::CeilDivSIOp>([&](auto) { return divide(true); })
      .Case<arith::CeilDivUIOp>([&](auto) {
        Value a = zext(x[0]), d = zext(x[1]);
        Value quotient = make<spirv::UDivOp>(make<spirv::ISubOp>(a, one()), d);
        return select(ask<spirv::IEqualOp>(a, zero()), zero(),
                      make<spirv::IAddOp>(quotient, one()));
      })
      .Case<arith::MaxSIOp>(
          [&](auto) { return shorter(arith::CmpIPredicate::sgt); })
      .Case<arith::MinSIOp>(
          [&](auto) { return shorter(arith::CmpIPredicate::slt); })
      .Case<arith::MaxUIOp>(
          [&](auto) { return shorter(arith::CmpIPredicate::ugt); })
      .Case<arith::MinUIOp>(
          [&](auto) { return shorter(arith::CmpIPredicate::ult); })
      .Case<math::AbsIOp>([&](auto) {
        Value wide = sext(x[0]);
        return select(ask<spirv::SLessThanOp>(wide, zero()),
                      make<spirv::ISubOp>(zero(), wide), wide);
      })
      .Case<math::CtPopOp>([&](auto) { return countBits(x[0], element); })
      .Case<math::CountLeadingZerosOp>(
          [&](auto) { return leadingZeros(x[0], element); })
      .Case<math::CountTrailingZerosOp>([&](auto) {
        // The bits below the lowest set one; all of them without one.
        Value below = make<spirv::BitwiseAndOp>(
            make<spirv::NotOp>(x[0]), make<spirv::ISubOp>(x[0], one()));
        return countBits(below, element);
      })
      .Default([](Operation *) { return Value(); });
}

/// The low and the high half of a product.
std::pair<Value, Value> Emitter::product(Value x, Value y, Type element,
                                         bool isSigned) {
  unsigned width = widthOf(element);
  if (width < 32) {
    auto wide = [&](Value v) {
      return isSigned ? signExtended(v, element) : zeroExtended(v, element);
    };
    Value all = make<spirv::IMulOp>(wide(x), wide(y));
    return {all, make<spirv::ShiftRightLogicalOp>(all, word(width))};
  }
  if (width == 32) {
    auto pair = spirv::StructType::get({x.getType(), x.getType()});
    Value both = isSigned
                     ? spirv::SMulExtendedOp::create(b, pair, x, y).getResult()
                     : spirv::UMulExtendedOp::create(b, pair, x, y).getResult();
    auto half = [&](int32_t part) -> Value {
      return spirv::CompositeExtractOp::create(b, both,
                                               ArrayRef<int32_t>{part});
    };
    return {half(0), half(1)};
  }
  // No driver has to multiply to 128 bits: four products of halves.
  auto shift = [&](Value v) {
    return make<spirv::ShiftRightLogicalOp>(v, constantOf(element, 32));
  };
  auto low = [&](Value v) {
    return make<spirv::BitwiseAndOp>(v, constantOf(element, 0xffffffff));
  };
  auto times = [&](Value v, Value w) { return make<spirv::IMulOp>(v, w); };
  auto plus = [&](Value v, Value w) { return make<spirv::IAddOp>(v, w); };
  Value x0 = low(x), x1 = shift(x), y0 = low(y), y1 = shift(y);
  Value middle = plus(times(x1, y0), shift(times(x0, y0)));
  Value other = plus(times(x0, y1), low(middle));
  Value high = plus(plus(times(x1, y1), shift(middle)), shift(other));
  if (isSigned) {
    auto correction = [&](Value v, Value w) {
      Value zero = constantOf(element, 0);
      return select(ask<spirv::SLessThanOp>(v, zero), w, zero);
    };
    high = make<spirv::ISubOp>(high, correction(x, y));
    high = make<spirv::ISubOp>(high, correction(y, x));
  }
  return {times(x, y), high};
}

/// Operations with two results.
LogicalResult Emitter::extended(Operation *op) {
  if (!isa<arith::AddUIExtendedOp, arith::MulUIExtendedOp,
           arith::MulSIExtendedOp>(op))
    return refuse(op, "no form of this operation in SPIR-V");
  Type element = getElementTypeOrSelf(op->getOperand(0).getType());
  if (!registerType(element, op))
    return failure();
  if (element.isInteger(1))
    return refuse(op,
                  "no form of this operation on i1; expects wider integers");
  Lanes first, second;
  for (auto [x, y] : llvm::zip_equal(Lanes(values[op->getOperand(0)]),
                                     Lanes(values[op->getOperand(1)]))) {
    if (isa<arith::AddUIExtendedOp>(op)) {
      Value sum = make<spirv::IAddOp>(x, y);
      first.push_back(sum);
      second.push_back(compare(arith::CmpIPredicate::ult, sum, x, element));
      continue;
    }
    auto [low, high] = product(x, y, element, isa<arith::MulSIExtendedOp>(op));
    first.push_back(low);
    second.push_back(high);
  }
  values[op->getResult(0)] = first;
  values[op->getResult(1)] = second;
  return success();
}
