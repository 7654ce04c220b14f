//===- PairwiseMask.h - which columns a row tile can see --------*- C++ -*-===//
//
// Reads the mask region of a pairwise op as a conjunction. Parts that compare
// the column with the row plus something that is the same for the whole tile
// (causal, sliding window, key lengths) bound the columns: tiles outside are
// skipped, tiles inside need no mask.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_PASSES_DECOMPOSE_PAIRWISEMASK_H
#define MERCER_PASSES_DECOMPOSE_PAIRWISEMASK_H

#include "dialects/mercer/IR/Mercer.h"

namespace mercer {

/// `col >= rowFactor * row + rest` (isLower) or `col <= rowFactor * row +
/// rest`.
struct ColumnBound {
  bool isLower = false;
  int64_t rowFactor = 0;
  mlir::Value rest;
};

struct MaskAnalysis {
  llvm::SmallVector<ColumnBound> bounds;
  /// Some part is none of these: no tile is known to be full.
  bool hasOther = false;
};

/// Analyses `op`'s mask. `rowLoop` and `colLoop` are its loops; `captures`
/// holds for every region argument the scalar that it is for the whole tile,
/// or null where it varies; `position` gives a batch loop's position. New index
/// arithmetic is created at `b`.
MaskAnalysis analyseMask(mlir::OpBuilder &b, PairwiseOp op, unsigned rowLoop,
                         unsigned colLoop, llvm::ArrayRef<mlir::Value> captures,
                         llvm::function_ref<mlir::Value(unsigned)> position);

} // namespace mercer

#endif
