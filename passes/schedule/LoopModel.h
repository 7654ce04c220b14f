//===- LoopModel.h - loops and accesses of a tensor operation ---*- C++ -*-===//
//
// Grouping, layout and tiling ask one question of every operation: which of
// its loops may be cut into tiles, and which part of each operand and result
// such a tile touches. This is the answer in one form for linalg, tensor and
// mercer operations.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_PASSES_SCHEDULE_LOOPMODEL_H
#define MERCER_PASSES_SCHEDULE_LOOPMODEL_H

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Operation.h"
#include "mlir/IR/PatternMatch.h"

#include <optional>

namespace mercer {

enum class LoopKind : uint8_t {
  Parallel,
  Reduction,
  /// Independent in meaning, but not to be cut: a reshaped or padded dim.
  Whole,
};

struct LoopModel {
  llvm::SmallVector<LoopKind> loops;
  /// Static trip counts, `ShapedType::kDynamic` where unknown.
  llvm::SmallVector<int64_t> extents;
  /// Loops to operand dims, one per operand; null for an operand that is read
  /// whole whatever the tile (and for scalars).
  llvm::SmallVector<mlir::AffineMap> operandMaps;
  /// Loops to result dims, one per result.
  llvm::SmallVector<mlir::AffineMap> resultMaps;
  /// Contraction, window or pairwise: worth a schedule of its own.
  bool heavy = false;
  /// Only changes the shape; costs nothing outside a kernel.
  bool view = false;

  /// Product of the static trip counts, unknown ones taken as `dynamic`.
  int64_t volume(int64_t dynamic) const;
};

/// The model of `op`; nullopt where Mercer knows no way to tile it.
std::optional<LoopModel> getLoopModel(mlir::Operation *op);

/// The position among the results of `map` that is exactly loop `loop`, when
/// no other result depends on it.
std::optional<unsigned> getPureResult(mlir::AffineMap map, unsigned loop);

/// The loop that result `result` of `map` is, if it is a plain loop that no
/// other result depends on.
std::optional<unsigned> getPureLoop(mlir::AffineMap map, unsigned result);

/// A destination that is made where it is used: a fill, or a smaller tensor
/// (a bias) broadcast to an empty one.
bool isFillLike(mlir::Operation *op);

/// Operations that are copied into each kernel that uses them rather than
/// passed in: empty tensors, fills, scalar constants.
bool isDuplicable(mlir::Operation *op);

/// True for a tensor operation that must end up inside a kernel.
bool isCompute(mlir::Operation *op);

/// True for an operation that only reinterprets its tensor operand at no cost.
bool isView(mlir::Operation *op);

/// True if `value` is a constant or computed from constants only: its value
/// is known before the model runs.
bool isConstantExpression(mlir::Value value);

/// The part of `op` that the given tile of its loops computes, as values of
/// its results. `tiles` gives tile-sized values for tensors computed inside
/// the same tile; other operands are sliced.
mlir::FailureOr<llvm::SmallVector<mlir::Value>>
buildTile(mlir::RewriterBase &rewriter, mlir::Operation *op,
          llvm::ArrayRef<mlir::OpFoldResult> offsets,
          llvm::ArrayRef<mlir::OpFoldResult> sizes, mlir::IRMapping &tiles);

/// Trip counts of the loops of `op`, as values where not static.
llvm::SmallVector<mlir::OpFoldResult> getLoopExtents(mlir::OpBuilder &builder,
                                                     mlir::Operation *op);

} // namespace mercer

#endif
