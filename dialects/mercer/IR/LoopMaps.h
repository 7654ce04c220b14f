//===- LoopMaps.h - extents and tiles through indexing maps -----*- C++ -*-===//
//
// What every structural op needs: the extent of its loops from operand shapes,
// and the part of an operand that a tile of the loops touches, also through
// strided windows and packed (floordiv / mod) accesses.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_DIALECTS_MERCER_IR_LOOPMAPS_H
#define MERCER_DIALECTS_MERCER_IR_LOOPMAPS_H

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"

#include <optional>

namespace mercer {

/// An affine expression over loops split as `sum coefficient * loop +
/// constant`.
struct LinearExpr {
  llvm::SmallVector<int64_t> coefficients;
  int64_t constant = 0;
};

/// Splits `expr`; nothing where it is not linear (floordiv, mod).
std::optional<LinearExpr> matchLinear(mlir::AffineExpr expr, unsigned numLoops);

/// `loop floordiv c` or `loop mod c`: the access of a packed operand.
struct PackedExpr {
  unsigned loop = 0;
  int64_t factor = 1;
  bool isMod = false;
};
std::optional<PackedExpr> matchPacked(mlir::AffineExpr expr);

/// Where the extent of a loop comes from.
struct LoopSource {
  /// Operand and dim whose size is the extent; -1 when `constant` is.
  int operand = -1;
  unsigned dim = 0;
  /// For a packed access: extent = size * factor.
  int64_t factor = 1;
  int64_t constant = 0;
};

/// The source of each loop's extent. `lastOperandsFirst` outputs are looked at
/// before inputs since packed inputs may be padded. `extents` may be empty.
/// Fails, naming the loop in `missing`, where no operand gives an extent.
mlir::FailureOr<llvm::SmallVector<LoopSource>>
getLoopSources(mlir::ValueRange operands, llvm::ArrayRef<mlir::AffineMap> maps,
               unsigned numLoops, llvm::ArrayRef<int64_t> extents,
               unsigned *missing = nullptr);

llvm::SmallVector<int64_t> getStaticExtents(mlir::ValueRange operands,
                                            llvm::ArrayRef<LoopSource> sources);

/// Extents as values or attributes; creates `tensor.dim`.
llvm::SmallVector<mlir::OpFoldResult>
getLoopExtents(mlir::OpBuilder &b, mlir::Location loc,
               mlir::ValueRange operands, llvm::ArrayRef<LoopSource> sources);

/// The part of an operand that a tile of the loops touches.
struct OperandTile {
  llvm::SmallVector<mlir::OpFoldResult> offsets;
  llvm::SmallVector<mlir::OpFoldResult> sizes;
  /// Map from loops counted from the start of the tile into this part.
  mlir::AffineMap localMap;
};

/// Fails for accesses that are neither linear with non-negative coefficients
/// nor packed.
mlir::FailureOr<OperandTile>
getOperandTile(mlir::OpBuilder &b, mlir::Location loc, mlir::AffineMap map,
               llvm::ArrayRef<mlir::OpFoldResult> loopOffsets,
               llvm::ArrayRef<mlir::OpFoldResult> loopSizes);

/// A constant that `value` never exceeds, if one can be derived.
std::optional<int64_t> getUpperBound(mlir::OpFoldResult value);

/// `tensor.extract_slice` with unit strides; the value itself where the slice
/// is statically all of it.
mlir::Value sliceTensor(mlir::OpBuilder &b, mlir::Location loc,
                        mlir::Value tensor,
                        llvm::ArrayRef<mlir::OpFoldResult> offsets,
                        llvm::ArrayRef<mlir::OpFoldResult> sizes);

} // namespace mercer

#endif
