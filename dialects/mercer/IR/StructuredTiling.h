//===- StructuredTiling.h - tiling shared by structural ops -----*- C++ -*-===//
#ifndef MERCER_DIALECTS_MERCER_IR_STRUCTUREDTILING_H
#define MERCER_DIALECTS_MERCER_IR_STRUCTUREDTILING_H

#include "dialects/mercer/IR/LoopMaps.h"
#include "dialects/mercer/IR/Mercer.h"

namespace mercer {

/// A copy of `op` on other operands. (`mlir::clone` cannot copy an op with an
/// empty region.)
mlir::Operation *cloneOnto(mlir::OpBuilder &b, mlir::Operation *op,
                           mlir::TypeRange types, mlir::ValueRange operands);

/// The iteration domain from operand sizes; the maps are verified ones.
llvm::SmallVector<mlir::Range> makeDomain(mlir::OpBuilder &b,
                                          mlir::Location loc,
                                          mlir::ValueRange operands,
                                          llvm::ArrayRef<mlir::AffineMap> maps,
                                          llvm::ArrayRef<int64_t> extents);

/// The tile of a result with projected-permutation `map` that a loop tile
/// computes.
void projectTile(mlir::OpBuilder &b, mlir::AffineMap map,
                 llvm::ArrayRef<mlir::OpFoldResult> offsets,
                 llvm::ArrayRef<mlir::OpFoldResult> sizes,
                 llvm::SmallVectorImpl<mlir::OpFoldResult> &resultOffsets,
                 llvm::SmallVectorImpl<mlir::OpFoldResult> &resultSizes);

/// The loop tile that computes a tile of a result: all of each other loop.
void liftTile(llvm::ArrayRef<mlir::Range> domain, mlir::AffineMap map,
              llvm::ArrayRef<mlir::OpFoldResult> offsets,
              llvm::ArrayRef<mlir::OpFoldResult> sizes,
              llvm::SmallVectorImpl<mlir::OpFoldResult> &loopOffsets,
              llvm::SmallVectorImpl<mlir::OpFoldResult> &loopSizes);

/// Whether all accesses of `map` provably stay inside a tensor of `type`.
bool isInside(mlir::AffineMap map, mlir::Type type,
              llvm::ArrayRef<int64_t> extents);

/// A slice, or a `mercer.load_tile` where the access may leave the operand.
mlir::FailureOr<mlir::Value>
loadOperandTile(mlir::OpBuilder &b, mlir::Location loc, mlir::Value operand,
                BoundsAttr bounds, bool inside, const OperandTile &tile);

/// Bytes of all operands, each once.
double bytesOf(mlir::Operation *op, int64_t dynamicExtent);

/// Reductions are not for the grid; packed loops keep to panels.
llvm::SmallVector<LoopRule>
loopRulesOf(llvm::ArrayRef<mlir::AffineMap> maps,
            llvm::ArrayRef<mlir::utils::IteratorType> iterators);

} // namespace mercer

#endif
