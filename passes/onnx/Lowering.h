// The toolbox shared by the operator lowerings of mercer-lower-onnx: typed
// values, symbolic sizes, small host-side scalars, broadcasting, reductions.
//
// ONNX element types carry signedness and a bool; the IR after this pass is
// signless with bool stored as i8 (0/1), so every value travels together with
// its DType and the lowering picks the signed or unsigned operation.
#ifndef MERCER_PASSES_ONNX_LOWERING_H
#define MERCER_PASSES_ONNX_LOWERING_H

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringMap.h"
#include <map>
#include <optional>
#include <vector>

namespace mercer::lowering {

using namespace mlir;

using Sizes = SmallVector<OpFoldResult>;
using Ints = SmallVector<int64_t>;

// ---------------------------------------------------------------- data types

enum class DType : uint8_t {
  None,
  F16,
  BF16,
  F32,
  F64,
  I8,
  I16,
  I32,
  I64,
  U8,
  U16,
  U32,
  U64,
  Bool,
  // 8-bit floats: stored as i8, they are converted and moved but not computed
  // with.
  F8E4M3FN,
  F8E4M3FNUZ,
  F8E5M2,
  F8E5M2FNUZ
};

/// The DType of an import-level element type (ui8, i1, f32, ...), or nullopt
/// for one that has no lowering (strings, complex, sub-byte).
std::optional<DType> dtypeFromType(Type elementType);
/// The DType of an ONNX TensorProto.DataType number, or nullopt.
std::optional<DType> dtypeFromOnnx(int64_t dataType);
/// The signless storage type: bool is i8.
Type storageType(DType dtype, MLIRContext *context);
StringRef dtypeName(DType dtype);
bool isFloat(DType dtype);
bool isFloat8(DType dtype);
bool isUnsigned(DType dtype); // bool counts as unsigned
unsigned bitWidth(DType dtype);
inline bool isInteger(DType d) {
  return d != DType::None && !isFloat(d) && !isFloat8(d);
}
/// f16 and bf16 accumulate in f32, everything else in itself.
inline DType accumulatorType(DType d) {
  return d == DType::F16 || d == DType::BF16 ? DType::F32 : d;
}

struct TValue {
  Value value;
  DType dtype = DType::None;
  explicit operator bool() const { return static_cast<bool>(value); }
};

// ------------------------------------------------------------ scalar building

/// Builds scalar code in a generic's body or on the host: the operation follows
/// from the DType, so that one lowering serves every element type.
struct Scalar {
  OpBuilder &b;
  Location loc;

  Value real(Type type, double v);
  Value integer(Type type, int64_t v);
  Value number(DType t, double v);
  Value index(int64_t v) { return integer(b.getIndexType(), v); }
  Value add(Value x, Value y);
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  /// Integer division truncates; a float one is IEEE.
  Value div(DType t, Value x, Value y);
  Value rem(DType t, Value x, Value y); // sign of the dividend
  Value neg(Value x);
  Value max(DType t, Value x, Value y); // NaN propagates
  Value min(DType t, Value x, Value y);
  /// Ordered comparison for floats (`ne` is unordered); result i1.
  enum Cmp { EQ, NE, LT, LE, GT, GE };
  Value cmp(DType t, Cmp p, Value x, Value y);
  Value cmpIndex(Cmp p, Value x, Value y);
  Value select(Value c, Value x, Value y);
  Value logicalAnd(Value x, Value y);
  Value logicalOr(Value x, Value y);
  Value logicalNot(Value i1);
  Value toBool(Value i8);   // i8 0/1 -> i1
  Value fromBool(Value i1); // i1 -> i8
  /// ONNX Cast: float -> int truncates, anything -> bool is `!= 0`, int -> int
  /// wraps.
  /// Values outside of an 8-bit float's range become its largest one, or with
  /// `saturate` off infinity or NaN.
  Value cast(Value x, DType from, DType to, bool saturate = true);
  Value decodeFloat8(Value x, DType from);              // to f32
  Value encodeFloat8(Value x, DType to, bool saturate); // from f32
  Value toIndex(Value x, DType from);
  Value fromIndex(Value x, DType to);
  Value extend(Value x);            // f16, bf16 -> f32
  Value truncate(Value x, Type to); // back
  template <typename Op> Value un(Value x) { return Op::create(b, loc, x); }
  template <typename Op> Value bin(Value x, Value y) {
    return Op::create(b, loc, x, y);
  }
};

using BodyFn = llvm::function_ref<Value(Scalar &, ValueRange)>;

// -------------------------------------------------------------------- context

class Lowering {
public:
  Lowering(OpBuilder &builder, Location loc) : b(builder), loc(loc) {}

  OpBuilder &b;
  Location loc;
  MLIRContext *ctx() { return b.getContext(); }
  Scalar scalar() { return Scalar{b, loc}; }

  // ---- sizes
  static RankedTensorType type(Value v) {
    return cast<RankedTensorType>(v.getType());
  }
  static int64_t rank(Value v) { return type(v).getRank(); }
  OpFoldResult idx(int64_t v) { return b.getIndexAttr(v); }
  OpFoldResult dim(Value v, int64_t i);
  Sizes dims(Value v);
  void setDims(Value v, ArrayRef<OpFoldResult> sizes);
  /// Known equal at compile time.
  bool sameSize(OpFoldResult a, OpFoldResult b);
  static bool isConst(OpFoldResult a, int64_t v);
  Value asValue(OpFoldResult a); // index value
  OpFoldResult apply(AffineExpr expr, ArrayRef<OpFoldResult> operands);
  OpFoldResult add(OpFoldResult x, OpFoldResult y);
  OpFoldResult sub(OpFoldResult x, OpFoldResult y);
  OpFoldResult mul(OpFoldResult x, OpFoldResult y);
  /// Exact or flooring division of non-negative sizes.
  OpFoldResult div(OpFoldResult x, OpFoldResult y);
  OpFoldResult maxSize(OpFoldResult x, OpFoldResult y);
  OpFoldResult minSize(OpFoldResult x, OpFoldResult y);
  OpFoldResult product(ArrayRef<OpFoldResult> sizes);
  static std::optional<int64_t> number(OpFoldResult a) {
    return getConstantIntValue(a);
  }
  /// Host-side check that two sizes agree; nothing if it is known to hold.
  void guardEqual(OpFoldResult a, OpFoldResult b, StringRef what);
  void guard(Value condition, StringRef codeAndMessage);

  // ---- tensors
  Value empty(ArrayRef<OpFoldResult> sizes, Type elementType);
  Value filled(ArrayRef<OpFoldResult> sizes, Value scalar);
  /// A dense constant tensor from integers or doubles, in the storage type.
  TValue constant(DType t, ArrayRef<int64_t> shape, ArrayRef<double> values);
  TValue constantInts(DType t, ArrayRef<int64_t> shape,
                      ArrayRef<int64_t> values);
  TValue splat(DType t, ArrayRef<OpFoldResult> sizes, double value);

  /// One linalg.generic with one result. `sizes` are those of the output.
  Value generic(ArrayRef<Value> ins, ArrayRef<AffineMap> maps, Value init,
                AffineMap outMap, ArrayRef<utils::IteratorType> iterators,
                BodyFn body);
  /// All-parallel generic without operands other than those named: out[i...] =
  /// body(scalar builder, indices i...). Reads go through `extract`.
  TValue compute(DType t, ArrayRef<OpFoldResult> sizes, BodyFn indicesToValue);
  Value extract(Scalar &s, Value tensor, ValueRange indices);

  /// Numpy broadcast of the operands, then body elementwise. Evaluated on the
  /// host when all operands are small known scalars. Null value on error.
  TValue map(ArrayRef<TValue> ins, DType out, BodyFn body);
  std::optional<Sizes> broadcastSizes(ArrayRef<Value> ins);
  /// Map of an operand of lower rank into a broadcast domain of `sizes`.
  AffineMap broadcastMap(Value v, ArrayRef<OpFoldResult> sizes);
  TValue broadcastTo(TValue v, ArrayRef<OpFoldResult> sizes);
  TValue castTo(TValue v, DType to, bool saturate = true);

  /// out[kept] = reduce over `axes` of combine(acc, pre(x)); acc starts at init
  /// (a scalar of the accumulator's type).
  TValue
  reduce(TValue x, ArrayRef<int64_t> axes, bool keepDims, DType acc, Value init,
         llvm::function_ref<Value(Scalar &, Value acc, Value x)> combine);
  TValue keepDims(TValue reduced, Value original, ArrayRef<int64_t> axes);
  TValue sum(TValue x, ArrayRef<int64_t> axes, bool keepDims);
  TValue maximum(TValue x, ArrayRef<int64_t> axes, bool keepDims);

  // ---- views
  /// Row-major reinterpretation; total sizes must agree (guarded if dynamic).
  TValue reshape(TValue v, ArrayRef<OpFoldResult> sizes);
  TValue transpose(TValue v, ArrayRef<int64_t> perm);
  TValue slice(TValue v, ArrayRef<OpFoldResult> offsets,
               ArrayRef<OpFoldResult> sizes, ArrayRef<int64_t> steps);
  TValue concat(ArrayRef<TValue> vs, int64_t axis);
  /// Constant-value padding by generic; low and high may be negative.
  TValue pad(TValue v, ArrayRef<OpFoldResult> low, ArrayRef<OpFoldResult> high,
             Value scalar);

  // ---- small host scalars
  /// The elements of a small tensor whose values do not depend on data:
  /// constants and everything computed from shapes. Row-major, each an
  /// attribute or a value of the storage type.
  std::optional<Sizes> scalars(TValue v);
  TValue makeScalars(DType t, ArrayRef<int64_t> shape,
                     ArrayRef<OpFoldResult> elements);
  Value scalarValue(OpFoldResult element, DType t);
  OpFoldResult toIndexResult(OpFoldResult element, DType t);
  OpFoldResult fromIndexResult(OpFoldResult index, DType t);
  /// Elements as index values; reads a small run-time tensor when `mayRead`.
  std::optional<Sizes> asScalars(TValue v, bool mayRead = true);
  std::optional<Ints> constInts(TValue v);
  std::optional<SmallVector<double>> constDoubles(TValue v);
  /// The one element of a tensor with one element, as a scalar usable in
  /// bodies.
  Value onlyElement(TValue v);
  /// Folds operations created after `last` in the current block.
  OpFoldResult fold(Operation *before, Value v);

  static constexpr int64_t kMaxScalars = 64;

private:
  /// Equal expressions share one value, so that sizes compare by identity.
  template <typename Op> OpFoldResult shared(OpFoldResult size);
  /// A size as constant times symbols: what reshapes match groups with.
  struct Product {
    int64_t factor = 1;
    SmallVector<Value> symbols;
  };
  /// A view that only inserts or drops unit dims: broadcasts read its source.
  struct UnitView {
    Value source;
    Ints sourceDim; // per dim of the view: dim of the source, or -1 for a unit
  };
  DenseMap<Value, Sizes> knownDims;
  DenseMap<Value, Sizes> knownScalars;
  DenseMap<Value, UnitView> unitViews;
  DenseMap<Value, Product> knownProducts;
  std::map<std::pair<const void *, std::vector<const void *>>, Value> applied;
  std::map<std::pair<int64_t, std::vector<const void *>>, Value> products;
  DenseMap<Value, Value> indexOf;
  DenseSet<std::pair<Value, Value>> guarded;

  Product productOf(OpFoldResult size);
  static Product times(const Product &x, const Product &y);
  static std::optional<Product> quotient(const Product &x, const Product &y);
  OpFoldResult sizeOf(const Product &p);
  Value sourceOfUnits(Value v, Ints &sourceDim);
  std::optional<std::pair<Value, Ints>> unitViewOf(Value v);
  std::optional<OpFoldResult> affineIndex(Value integer, unsigned depth);
};

} // namespace mercer::lowering

#endif
