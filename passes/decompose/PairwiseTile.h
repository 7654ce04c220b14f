//===- PairwiseTile.h - code for one row tile of a pairwise op --*- C++ -*-===//
//
// Shared by the sweep over column tiles (DecomposePairwise.cpp) and the states
// of the reductions (PairwiseReductions.cpp).
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_PASSES_DECOMPOSE_PAIRWISETILE_H
#define MERCER_PASSES_DECOMPOSE_PAIRWISETILE_H

#include "dialects/mercer/IR/LoopMaps.h"
#include "dialects/mercer/IR/Mercer.h"
#include "passes/decompose/TileBuilder.h"

namespace mercer {

/// Where the code of one tile stands: `offsets` and `sizes` of all loops, that
/// of the column loop changing with every step of the sweep.
class PairwiseTile {
public:
  PairwiseTile(mlir::RewriterBase &b, PairwiseOp op)
      : op(op), t(b, op.getLoc()) {}

  PairwiseOp op;
  TileBuilder t;
  /// The loop whose positions the reductions keep, and the one they sweep.
  unsigned rowLoop = 0, colLoop = 0;
  /// Rows lie in the vector lanes: scores are [col, row], accumulators
  /// [value, row], and row operands are transposed once a tile. Otherwise
  /// (few rows) all of it is the other way round.
  bool rowsInLanes = true;
  llvm::SmallVector<mlir::OpFoldResult> offsets, sizes;
  /// Largest size that a tile has along each loop; -1 where not bounded.
  llvm::SmallVector<int64_t> bounds;
  /// Scratch is allocated here, before all loops.
  mlir::Operation *marker = nullptr;

  mlir::AffineMap over(llvm::ArrayRef<unsigned> loops);
  /// Loops of role `role` that `map` uses.
  llvm::SmallVector<unsigned> loopsOf(mlir::AffineMap map, PairDim role);

  /// The part of `operand` for this tile, without its batch dims.
  mlir::FailureOr<Access> access(mlir::Value operand, mlir::AffineMap map);
  /// Writes `tile`, an access of the shape that `access` gave, back.
  mlir::Value insert(mlir::Value tile, mlir::Value operand,
                     mlir::AffineMap map);

  /// Uninitialised scratch over `loops`, and a slice of it for this tile.
  mlir::Value allocate(llvm::ArrayRef<unsigned> loops, mlir::Type element);
  mlir::Value slice(mlir::Value buffer, llvm::ArrayRef<unsigned> loops);

  /// Loops of the scores in memory order.
  llvm::SmallVector<unsigned> scoreLoops() {
    return rowsInLanes ? llvm::SmallVector<unsigned>{colLoop, rowLoop}
                       : llvm::SmallVector<unsigned>{rowLoop, colLoop};
  }
  /// Loops of a state that keeps rows and `values`.
  llvm::SmallVector<unsigned> stateLoops(llvm::ArrayRef<unsigned> values) {
    llvm::SmallVector<unsigned> loops(values);
    loops.insert(rowsInLanes ? loops.end() : loops.begin(), rowLoop);
    return loops;
  }
  /// The larger of two numbers; `previous` where `value` is NaN, which then
  /// shows in the sum of exponentials.
  mlir::Value larger(mlir::OpBuilder &b, mlir::Value previous,
                     mlir::Value value);
  /// e^x as 2^(x log2 e).
  mlir::Value exponential(mlir::OpBuilder &b, mlir::Value x);
};

/// One reduction: its state between column tiles.
class PairwiseReduction {
public:
  PairwiseReduction(PairwiseTile &tile, unsigned index, unsigned firstValue,
                    unsigned firstOutput);

  /// Buffers that live as long as the op. Called once, outside of all loops.
  void allocate();
  /// State at the start of a tile; `outputs` are this reduction's.
  mlir::FailureOr<llvm::SmallVector<mlir::Value>>
  start(mlir::ValueRange outputs);
  /// Takes the scores of one column tile into `state`; may overwrite `scores`,
  /// whose new value it leaves there.
  mlir::LogicalResult step(mlir::Value &scores,
                           llvm::SmallVectorImpl<mlir::Value> &state);
  /// Results, inserted into `outputs`.
  mlir::LogicalResult finish(mlir::ValueRange state,
                             llvm::SmallVectorImpl<mlir::Value> &outputs);

  unsigned numStates() const { return stateTypes.size(); }
  /// Whether the step leaves something else than the scores in their buffer.
  bool overwritesScores() const {
    return attr.isSoftmax() || attr.getKind() == ReduceKind::LogSumExp;
  }
  /// What a score is replaced by where the mask is false; none for kinds that
  /// a mask cannot be folded into.
  std::optional<double> neutral() const;

  unsigned firstOutput;
  unsigned numOutputs;

private:
  mlir::LogicalResult accumulate(mlir::Value scores, mlir::Value &state);
  mlir::LogicalResult stepSoftmax(mlir::Value &scores,
                                  llvm::SmallVectorImpl<mlir::Value> &state);
  mlir::LogicalResult stepExtreme(mlir::Value scores,
                                  llvm::SmallVectorImpl<mlir::Value> &state);
  mlir::LogicalResult stepCustom(mlir::Value scores,
                                 llvm::SmallVectorImpl<mlir::Value> &state);

  PairwiseTile &tile;
  TileBuilder &t;
  PairwiseOp op;
  ReductionAttr attr;
  unsigned index, firstValue;
  mlir::Type scoreType;
  llvm::SmallVector<unsigned> values;
  llvm::SmallVector<mlir::Type> stateTypes;
  llvm::SmallVector<llvm::SmallVector<unsigned>> stateLoops;
  llvm::SmallVector<mlir::Value> buffers, work;
};

} // namespace mercer

#endif
