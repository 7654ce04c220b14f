// Scalar code for linalg bodies and host arithmetic, selected by DType.
#include "passes/onnx/Lowering.h"

namespace mercer::lowering {

std::optional<DType> dtypeFromType(Type type) {
  if (type.isF16())
    return DType::F16;
  if (type.isBF16())
    return DType::BF16;
  if (type.isF32())
    return DType::F32;
  if (type.isF64())
    return DType::F64;
  if (isa<Float8E4M3FNType>(type))
    return DType::F8E4M3FN;
  if (isa<Float8E4M3FNUZType>(type))
    return DType::F8E4M3FNUZ;
  if (isa<Float8E5M2Type>(type))
    return DType::F8E5M2;
  if (isa<Float8E5M2FNUZType>(type))
    return DType::F8E5M2FNUZ;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return std::nullopt;
  bool isUns = integer.isUnsigned();
  switch (integer.getWidth()) {
  case 1:
    return DType::Bool;
  case 8:
    return isUns ? DType::U8 : DType::I8;
  case 16:
    return isUns ? DType::U16 : DType::I16;
  case 32:
    return isUns ? DType::U32 : DType::I32;
  case 64:
    return isUns ? DType::U64 : DType::I64;
  default:
    return std::nullopt;
  }
}

std::optional<DType> dtypeFromOnnx(int64_t dataType) {
  switch (dataType) {
  case 1:
    return DType::F32;
  case 2:
    return DType::U8;
  case 3:
    return DType::I8;
  case 4:
    return DType::U16;
  case 5:
    return DType::I16;
  case 6:
    return DType::I32;
  case 7:
    return DType::I64;
  case 9:
    return DType::Bool;
  case 10:
    return DType::F16;
  case 11:
    return DType::F64;
  case 12:
    return DType::U32;
  case 13:
    return DType::U64;
  case 16:
    return DType::BF16;
  case 17:
    return DType::F8E4M3FN;
  case 18:
    return DType::F8E4M3FNUZ;
  case 19:
    return DType::F8E5M2;
  case 20:
    return DType::F8E5M2FNUZ;
  default:
    return std::nullopt;
  }
}

Type storageType(DType dtype, MLIRContext *context) {
  switch (dtype) {
  case DType::F16:
    return Float16Type::get(context);
  case DType::BF16:
    return BFloat16Type::get(context);
  case DType::F32:
    return Float32Type::get(context);
  case DType::F64:
    return Float64Type::get(context);
  case DType::None:
    return NoneType::get(context);
  default:
    return IntegerType::get(context, bitWidth(dtype));
  }
}

StringRef dtypeName(DType dtype) {
  switch (dtype) {
  case DType::None:
    return "none";
  case DType::F16:
    return "float16";
  case DType::BF16:
    return "bfloat16";
  case DType::F32:
    return "float32";
  case DType::F64:
    return "float64";
  case DType::I8:
    return "int8";
  case DType::I16:
    return "int16";
  case DType::I32:
    return "int32";
  case DType::I64:
    return "int64";
  case DType::U8:
    return "uint8";
  case DType::U16:
    return "uint16";
  case DType::U32:
    return "uint32";
  case DType::U64:
    return "uint64";
  case DType::Bool:
    return "bool";
  case DType::F8E4M3FN:
    return "float8_e4m3fn";
  case DType::F8E4M3FNUZ:
    return "float8_e4m3fnuz";
  case DType::F8E5M2:
    return "float8_e5m2";
  case DType::F8E5M2FNUZ:
    return "float8_e5m2fnuz";
  }
  return "none";
}

bool isFloat(DType d) {
  return d == DType::F16 || d == DType::BF16 || d == DType::F32 ||
         d == DType::F64;
}

bool isFloat8(DType d) {
  return d == DType::F8E4M3FN || d == DType::F8E4M3FNUZ || d == DType::F8E5M2 ||
         d == DType::F8E5M2FNUZ;
}

bool isUnsigned(DType d) {
  return d == DType::U8 || d == DType::U16 || d == DType::U32 ||
         d == DType::U64 || d == DType::Bool;
}

unsigned bitWidth(DType d) {
  switch (d) {
  case DType::None:
    return 0;
  case DType::I8:
  case DType::U8:
  case DType::Bool:
  case DType::F8E4M3FN:
  case DType::F8E4M3FNUZ:
  case DType::F8E5M2:
  case DType::F8E5M2FNUZ:
    return 8;
  case DType::F16:
  case DType::BF16:
  case DType::I16:
  case DType::U16:
    return 16;
  case DType::F32:
  case DType::I32:
  case DType::U32:
    return 32;
  case DType::F64:
  case DType::I64:
  case DType::U64:
    return 64;
  }
  return 0;
}

Value Scalar::real(Type type, double v) {
  return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, v));
}

Value Scalar::integer(Type type, int64_t v) {
  return arith::ConstantOp::create(b, loc, b.getIntegerAttr(type, v));
}

Value Scalar::number(DType t, double v) {
  Type type = storageType(t, b.getContext());
  return isFloat(t) ? real(type, v) : integer(type, static_cast<int64_t>(v));
}

static bool isReal(Value v) { return isa<FloatType>(v.getType()); }

Value Scalar::add(Value x, Value y) {
  return isReal(x) ? bin<arith::AddFOp>(x, y) : bin<arith::AddIOp>(x, y);
}
Value Scalar::sub(Value x, Value y) {
  return isReal(x) ? bin<arith::SubFOp>(x, y) : bin<arith::SubIOp>(x, y);
}
Value Scalar::mul(Value x, Value y) {
  return isReal(x) ? bin<arith::MulFOp>(x, y) : bin<arith::MulIOp>(x, y);
}
Value Scalar::div(DType t, Value x, Value y) {
  if (isFloat(t))
    return bin<arith::DivFOp>(x, y);
  return isUnsigned(t) ? bin<arith::DivUIOp>(x, y) : bin<arith::DivSIOp>(x, y);
}
Value Scalar::rem(DType t, Value x, Value y) {
  if (isFloat(t))
    return bin<arith::RemFOp>(x, y);
  return isUnsigned(t) ? bin<arith::RemUIOp>(x, y) : bin<arith::RemSIOp>(x, y);
}
Value Scalar::neg(Value x) {
  return isReal(x) ? un<arith::NegFOp>(x) : sub(integer(x.getType(), 0), x);
}
Value Scalar::max(DType t, Value x, Value y) {
  if (isFloat(t))
    return bin<arith::MaximumFOp>(x, y);
  return isUnsigned(t) ? bin<arith::MaxUIOp>(x, y) : bin<arith::MaxSIOp>(x, y);
}
Value Scalar::min(DType t, Value x, Value y) {
  if (isFloat(t))
    return bin<arith::MinimumFOp>(x, y);
  return isUnsigned(t) ? bin<arith::MinUIOp>(x, y) : bin<arith::MinSIOp>(x, y);
}

Value Scalar::cmp(DType t, Cmp p, Value x, Value y) {
  if (isFloat(t)) {
    using P = arith::CmpFPredicate;
    static const P table[] = {P::OEQ, P::UNE, P::OLT, P::OLE, P::OGT, P::OGE};
    return arith::CmpFOp::create(b, loc, table[p], x, y);
  }
  using P = arith::CmpIPredicate;
  static const P sTable[] = {P::eq, P::ne, P::slt, P::sle, P::sgt, P::sge};
  static const P uTable[] = {P::eq, P::ne, P::ult, P::ule, P::ugt, P::uge};
  return arith::CmpIOp::create(b, loc, isUnsigned(t) ? uTable[p] : sTable[p], x,
                               y);
}
Value Scalar::cmpIndex(Cmp p, Value x, Value y) {
  return cmp(DType::I64, p, x, y);
}

Value Scalar::select(Value c, Value x, Value y) {
  return arith::SelectOp::create(b, loc, c, x, y);
}
Value Scalar::logicalAnd(Value x, Value y) { return bin<arith::AndIOp>(x, y); }
Value Scalar::logicalOr(Value x, Value y) { return bin<arith::OrIOp>(x, y); }
Value Scalar::logicalNot(Value x) {
  return bin<arith::XOrIOp>(x, integer(b.getI1Type(), 1));
}
Value Scalar::toBool(Value x) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, x,
                               integer(x.getType(), 0));
}
Value Scalar::fromBool(Value x) {
  return arith::ExtUIOp::create(b, loc, b.getI8Type(), x);
}

Value Scalar::cast(Value x, DType from, DType to, bool saturate) {
  if (from == to)
    return x;
  if (isFloat8(from))
    return cast(decodeFloat8(x, from), DType::F32, to, saturate);
  if (isFloat8(to))
    return encodeFloat8(cast(x, from, DType::F32), to, saturate);
  Type target = storageType(to, b.getContext());
  if (to == DType::Bool)
    return fromBool(cmp(from, NE, x, number(from, 0)));
  if (isFloat(from) && isFloat(to)) {
    if (bitWidth(from) < bitWidth(to))
      return arith::ExtFOp::create(b, loc, target, x);
    if (bitWidth(from) > bitWidth(to))
      return arith::TruncFOp::create(b, loc, target, x);
    Value wide =
        arith::ExtFOp::create(b, loc, b.getF32Type(), x); // f16 <-> bf16
    return arith::TruncFOp::create(b, loc, target, wide);
  }
  if (isFloat(from)) {
    // Narrow integers go through i32 so that out-of-range values wrap as they
    // do in the reference, instead of being undefined.
    if (bitWidth(from) == 16)
      x = extend(x);
    if (bitWidth(to) < 32 || to == DType::U32) {
      Type wideType = bitWidth(to) < 32 ? b.getI32Type() : b.getI64Type();
      Value wide = arith::FPToSIOp::create(b, loc, wideType, x);
      return arith::TruncIOp::create(b, loc, target, wide);
    }
    return isUnsigned(to) ? Value(arith::FPToUIOp::create(b, loc, target, x))
                          : Value(arith::FPToSIOp::create(b, loc, target, x));
  }
  if (isFloat(to)) {
    bool narrow = bitWidth(to) == 16;
    Type real = narrow ? Type(b.getF32Type()) : target;
    Value r = isUnsigned(from)
                  ? Value(arith::UIToFPOp::create(b, loc, real, x))
                  : Value(arith::SIToFPOp::create(b, loc, real, x));
    return narrow ? Value(arith::TruncFOp::create(b, loc, target, r)) : r;
  }
  if (bitWidth(from) > bitWidth(to))
    return arith::TruncIOp::create(b, loc, target, x);
  if (bitWidth(from) == bitWidth(to))
    return x;
  return isUnsigned(from) ? Value(arith::ExtUIOp::create(b, loc, target, x))
                          : Value(arith::ExtSIOp::create(b, loc, target, x));
}

Value Scalar::toIndex(Value x, DType from) {
  if (isUnsigned(from))
    return arith::IndexCastUIOp::create(b, loc, b.getIndexType(), x);
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), x);
}

Value Scalar::fromIndex(Value x, DType to) {
  if (!isFloat(to))
    return arith::IndexCastOp::create(b, loc, storageType(to, b.getContext()),
                                      x);
  Value wide = arith::IndexCastOp::create(
      b, loc, to == DType::F64 ? b.getI64Type() : b.getI32Type(), x);
  return cast(wide, to == DType::F64 ? DType::I64 : DType::I32, to);
}

Value Scalar::extend(Value x) {
  auto type = dyn_cast<FloatType>(x.getType());
  if (!type || type.getWidth() >= 32)
    return x;
  return arith::ExtFOp::create(b, loc, b.getF32Type(), x);
}

Value Scalar::truncate(Value x, Type to) {
  if (x.getType() == to)
    return x;
  return arith::TruncFOp::create(b, loc, to, x);
}

} // namespace mercer::lowering
