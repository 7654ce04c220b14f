//===- Float.cpp - floating-point arithmetic and casts of one lane --------===//
//
// Without a fast-math flag a result is IEEE's: NoContraction keeps products and
// sums apart, and what GLSL.std.450 leaves undefined for NaN (FMin, FMax) is
// not used. f16 and bf16 are carried as the bits of an i32; arithmetic on them
// has become f32 in mercer-expand-math.
//
//===----------------------------------------------------------------------===//

#include "backends/spirv/emit/Emitter.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::spirvgen;

Value Emitter::compare(arith::CmpFPredicate predicate, Value x, Value y) {
  using P = arith::CmpFPredicate;
  auto no = [&](Value v) { return make<spirv::LogicalNotOp>(v); };
  switch (predicate) {
  case P::AlwaysFalse:
    return constantOf(b.getI1Type(), 0);
  case P::AlwaysTrue:
    return constantOf(b.getI1Type(), 1);
  case P::OEQ:
    return ask<spirv::FOrdEqualOp>(x, y);
  case P::OGT:
    return ask<spirv::FOrdGreaterThanOp>(x, y);
  case P::OGE:
    return ask<spirv::FOrdGreaterThanEqualOp>(x, y);
  case P::OLT:
    return ask<spirv::FOrdLessThanOp>(x, y);
  case P::OLE:
    return ask<spirv::FOrdLessThanEqualOp>(x, y);
  case P::ONE:
    return ask<spirv::FOrdNotEqualOp>(x, y);
  case P::UEQ:
    return ask<spirv::FUnordEqualOp>(x, y);
  case P::UGT:
    return ask<spirv::FUnordGreaterThanOp>(x, y);
  case P::UGE:
    return ask<spirv::FUnordGreaterThanEqualOp>(x, y);
  case P::ULT:
    return ask<spirv::FUnordLessThanOp>(x, y);
  case P::ULE:
    return ask<spirv::FUnordLessThanEqualOp>(x, y);
  case P::UNE:
    return ask<spirv::FUnordNotEqualOp>(x, y);
  case P::UNO:
  case P::ORD: {
    // OpOrdered and OpUnordered are of the Kernel capability.
    Value either =
        x == y ? isNaN(x) : make<spirv::LogicalOrOp>(isNaN(x), isNaN(y));
    return predicate == P::UNO ? either : no(either);
  }
  }
  llvm_unreachable("every predicate is handled");
}

Value Emitter::floating(Operation *op, ValueRange x, Type element) {
  Type type = x.back().getType();
  bool strict = true;
  if (auto flags = dyn_cast<arith::ArithFastMathInterface>(op))
    strict = !bitEnumContainsAll(flags.getFastMathFlagsAttr().getValue(),
                                 arith::FastMathFlags::contract);
  auto exact = [&](Value value) {
    if (strict)
      value.getDefiningOp()->setAttr("no_contraction", b.getUnitAttr());
    return value;
  };
  bool isDouble = element.isF64();
  // The larger or smaller by `predicate`; which of x[0] and x[1] decides when
  // it is not a number differs.
  auto extreme = [&](arith::CmpFPredicate predicate, bool keepsNaN) {
    Value chosen = select(compare(predicate, x[0], x[1]), x[0], x[1]);
    // A comparison with NaN is false: x[1] was taken.
    return keepsNaN ? select(isNaN(x[0]), x[0], chosen)
                    : select(isNaN(x[1]), x[0], chosen);
  };
  using P = arith::CmpFPredicate;
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<arith::AddFOp>(
          [&](auto) { return exact(make<spirv::FAddOp>(x[0], x[1])); })
      .Case<arith::SubFOp>(
          [&](auto) { return exact(make<spirv::FSubOp>(x[0], x[1])); })
      .Case<arith::MulFOp>(
          [&](auto) { return exact(make<spirv::FMulOp>(x[0], x[1])); })
      .Case<arith::DivFOp>(
          [&](auto) { return exact(make<spirv::FDivOp>(x[0], x[1])); })
      .Case<arith::NegFOp>([&](auto) { return make<spirv::FNegateOp>(x[0]); })
      .Case<arith::CmpFOp>([&](arith::CmpFOp o) {
        return compare(o.getPredicate(), x[0], x[1]);
      })
      .Case<arith::SelectOp>([&](auto) { return select(x[0], x[1], x[2]); })
      .Case<arith::MaximumFOp>([&](auto) { return extreme(P::OGT, true); })
      .Case<arith::MinimumFOp>([&](auto) { return extreme(P::OLT, true); })
      .Case<arith::MaxNumFOp>([&](auto) { return extreme(P::OGT, false); })
      .Case<arith::MinNumFOp>([&](auto) { return extreme(P::OLT, false); })
      .Case<math::FmaOp>([&](auto) -> Value {
        return spirv::GLFmaOp::create(b, type, x[0], x[1], x[2]);
      })
      .Case<math::SqrtOp>(
          [&](auto) { return exact(make<spirv::GLSqrtOp>(x[0])); })
      .Case<math::AbsFOp>([&](auto) { return make<spirv::GLFAbsOp>(x[0]); })
      .Case<math::FloorOp>([&](auto) { return make<spirv::GLFloorOp>(x[0]); })
      .Case<math::CeilOp>([&](auto) { return make<spirv::GLCeilOp>(x[0]); })
      .Case<math::TruncOp>([&](auto) {
        Value zero = constantOf(type, 0);
        return select(compare(P::OLT, x[0], zero), make<spirv::GLCeilOp>(x[0]),
                      make<spirv::GLFloorOp>(x[0]));
      })
      .Case<math::RoundEvenOp>(
          [&](auto) { return make<spirv::GLRoundEvenOp>(x[0]); })
      .Case<math::CopySignOp>([&](auto) {
        Type bits = isDouble ? b.getI64Type() : b.getI32Type();
        if (isDouble)
          need(spirv::Capability::Int64);
        uint64_t sign = isDouble ? uint64_t(1) << 63 : uint64_t(1) << 31;
        Value size = make<spirv::BitwiseAndOp>(bitcast(x[0], bits),
                                               constantOf(bits, sign - 1));
        Value side = make<spirv::BitwiseAndOp>(bitcast(x[1], bits),
                                               constantOf(bits, sign));
        return bitcast(make<spirv::BitwiseOrOp>(size, side), type);
      })
      .Case<math::IsNaNOp>([&](auto) { return isNaN(x[0]); })
      .Case<math::IsInfOp, math::IsFiniteOp>([&](Operation *o) {
        Value infinity = constantOf(type, isDouble ? uint64_t(0x7ff) << 52
                                                   : uint64_t(0xff) << 23);
        Value size = make<spirv::GLFAbsOp>(x[0]);
        return isa<math::IsInfOp>(o) ? compare(P::OEQ, size, infinity)
                                     : compare(P::OLT, size, infinity);
      })
      .Default([](Operation *) { return Value(); });
}

static bool isNarrowFloat(Type type) { return type.isF16() || type.isBF16(); }

/// A cast between any two element types; null where expansion is missing.
Value Emitter::convert(Operation *op, Value x, Type from, Type to) {
  Type held = registerType(to, op);
  if (!held)
    return {};
  if (isa<arith::BitcastOp>(op))
    // 16-bit floats and integers are the same bits already.
    return bitcast(x, held);
  if (isa<arith::ExtSIOp, arith::IndexCastOp>(op))
    return castInteger(x, from, to, /*isSigned=*/true);
  if (isa<arith::ExtUIOp, arith::TruncIOp, arith::IndexCastUIOp>(op))
    return castInteger(x, from, to, /*isSigned=*/false);
  if (isNarrowFloat(from) || isNarrowFloat(to))
    return {};
  if (isa<arith::ExtFOp, arith::TruncFOp>(op))
    return spirv::FConvertOp::create(b, held, x);
  if (isa<arith::SIToFPOp, arith::UIToFPOp>(op)) {
    bool isSigned = isa<arith::SIToFPOp>(op);
    if (from.isInteger(1))
      x = castInteger(x, from, b.getI32Type(), isSigned);
    if (isSigned)
      return spirv::ConvertSToFOp::create(b, held, signExtended(x, from));
    return spirv::ConvertUToFOp::create(b, held, zeroExtended(x, from));
  }
  if (isa<arith::FPToSIOp, arith::FPToUIOp>(op)) {
    Type wide = to.isInteger(1) ? Type(b.getI32Type()) : held;
    Value whole = isa<arith::FPToSIOp>(op)
                      ? spirv::ConvertFToSOp::create(b, wide, x).getResult()
                      : spirv::ConvertFToUOp::create(b, wide, x).getResult();
    return to.isInteger(1) ? castInteger(whole, wide, to, false) : whole;
  }
  return {};
}

LogicalResult Emitter::lanewise(Operation *op) {
  Type result = op->getResult(0).getType();
  Type to = getElementTypeOrSelf(result);
  if (!registerType(to, op))
    return failure();
  auto vector = dyn_cast<VectorType>(result);
  int64_t count = vector ? vector.getNumElements() : 1;
  SmallVector<const Lanes *, 3> operands;
  for (Value operand : op->getOperands()) {
    auto found = values.find(operand);
    if (found == values.end())
      return refuse(op, "expects scalars or vectors of one dimension");
    operands.push_back(&found->second);
  }
  bool isCast = isa<CastOpInterface>(op);
  // What the arithmetic is done on: a comparison's result is i1, a choice's
  // first operand is.
  Type from = getElementTypeOrSelf(op->getOperands().back().getType());
  Lanes lanes;
  for (int64_t i = 0; i < count; ++i) {
    SmallVector<Value, 3> x;
    for (const Lanes *operand : operands)
      x.push_back(operand->size() == 1 ? (*operand)[0] : (*operand)[i]);
    Value lane;
    if (isCast)
      lane = convert(op, x[0], from, to);
    else if (isa<FloatType>(from) && !isNarrowFloat(from))
      lane = floating(op, x, from);
    else if (isa<arith::SelectOp>(op))
      lane = select(x[0], x[1], x[2]);
    else if (from.isInteger(1))
      lane = boolean(op, x);
    else if (!isa<FloatType>(from))
      lane = integer(op, x, from);
    if (!lane) {
      if (isNarrowFloat(from) || isNarrowFloat(to))
        return refuse(op, "no arithmetic on 16-bit floats in SPIR-V; expects "
                          "mercer-expand-math before");
      return refuse(op, "no form of '" + op->getName().getStringRef() +
                            "' on " +
                            (isa<FloatType>(from) ? "floats" : "integers") +
                            " in SPIR-V; expects arith, and of math what "
                            "mercer-expand-math leaves");
    }
    lanes.push_back(lane);
  }
  values[op->getResult(0)] = std::move(lanes);
  return success();
}

LogicalResult Emitter::constant(arith::ConstantOp op) {
  Type element = getElementTypeOrSelf(op.getType());
  Type held = registerType(element, op);
  if (!held)
    return failure();
  Lanes lanes;
  auto add = [&](Attribute attr) -> LogicalResult {
    uint64_t bits;
    if (auto number = dyn_cast<FloatAttr>(attr)) {
      bits = number.getValue().bitcastToAPInt().getZExtValue();
    } else {
      APInt value = cast<IntegerAttr>(attr).getValue();
      if (element.isIndex() && !value.isSignedIntN(32))
        return op.emitError("[E3302] expects indices of 32 bits, found ")
               << value.getSExtValue();
      bits = value.getZExtValue();
      if (element.isIndex())
        bits &= 0xffffffff;
    }
    lanes.push_back(constantOf(held, bits));
    return success();
  };
  if (auto splat = dyn_cast<SplatElementsAttr>(op.getValue())) {
    if (failed(add(splat.getSplatValue<Attribute>())))
      return failure();
    lanes.resize(splat.getNumElements(), lanes[0]);
  } else if (auto dense = dyn_cast<DenseElementsAttr>(op.getValue())) {
    for (Attribute attr : dense.getValues<Attribute>())
      if (failed(add(attr)))
        return failure();
  } else if (failed(add(op.getValue()))) {
    return failure();
  }
  values[op.getResult()] = lanes;
  return success();
}
