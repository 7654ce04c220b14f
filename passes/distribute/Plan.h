//===- Plan.h - which tile values live in registers -------------*- C++ -*-===//
//
// Contractions decide: their results get a layout over the registers of a
// workgroup, and so do the values that are made of them element by element or
// row by row. What does not fit stays in memory; what is also wanted in memory
// (by a product that reads it along its reduction) is copied there.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_PASSES_DISTRIBUTE_PLAN_H
#define MERCER_PASSES_DISTRIBUTE_PLAN_H

#include "dialects/mercer/IR/TargetInfo.h"
#include "passes/distribute/Layout.h"
#include "passes/distribute/MatrixUnits.h"
#include "passes/kernels/Phases.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/MapVector.h"

namespace mercer::distribute {

/// A buffer of the tile that might live in registers: scratch, or a part of an
/// output that is updated step by step.
struct Candidate {
  mlir::Value key;
  bool scratch = false;
  /// Static bound of every dim.
  llvm::SmallVector<int64_t> bounds;
  llvm::SmallVector<mlir::OpOperand *> uses;
  bool blocked = false;
};

/// A value in registers. Rows are the elements of `rowDims` in row-major order
/// of their bounds, columns those of `colDims`; a vector has no columns.
struct Placement {
  Layout layout;
  llvm::SmallVector<unsigned> rowDims, colDims;
  /// Made by warp-wide products: the layout is that of their accumulators.
  bool matrix = false;
};

/// The loops of an op as rows and columns of the registers that it works on.
struct Space {
  Layout layout;
  llvm::SmallVector<unsigned> rowLoops, colLoops;
  bool matrix = false;
};

class Plan {
public:
  Plan(mlir::func::FuncOp kernel, const Phase &phase, const TargetInfo &target,
       bool tf32);

  /// The candidate that `buffer` is (a view of), if it lives in registers.
  const Placement *placement(mlir::Value buffer) const;
  mlir::Value root(mlir::Value buffer) const;
  const Candidate *candidate(mlir::Value buffer) const;

  /// How `op` works on registers; nothing where it works on memory.
  std::optional<Space> space(mlir::linalg::GenericOp op) const;
  /// Two operands, joined element by element and summed up in one way or
  /// another, along loops that the result does not have.
  bool isContraction(mlir::linalg::GenericOp op) const;
  /// The warp-wide product that `op` can be; nothing where the target has none.
  std::optional<MatrixProduct> matrixForm(mlir::linalg::GenericOp op) const;
  /// Whether a warp-wide product reads `operand`, its rows, out of the
  /// registers where an earlier product left them.
  bool readsRegisters(mlir::linalg::GenericOp op, unsigned operand) const;
  /// Products of singles may be rounded (`--precision=tf32`).
  bool tf32() const { return roundsSingles; }
  /// Bound of a loop; kDynamic where none is known.
  int64_t bound(mlir::linalg::GenericOp op, unsigned loop) const;

private:
  void collect(mlir::func::FuncOp kernel, const Phase &phase);
  void addUses(Candidate &candidate, mlir::Value value);
  bool place();
  bool placeContraction(mlir::linalg::GenericOp op, bool last);
  bool placeByNeighbours(mlir::linalg::GenericOp op);
  std::optional<Placement> fromSpace(mlir::OpOperand &operand,
                                     const Space &space) const;
  bool dropUnsupported();

  const TargetInfo &target;
  const bool roundsSingles;
  llvm::SmallVector<mlir::linalg::GenericOp> ops;
  llvm::MapVector<mlir::Value, Candidate> candidates;
  llvm::DenseMap<mlir::Value, Placement> placements;
};

/// The op that joins the previous value of an output with a new one, where it
/// does not matter in which order that happens; null where it does.
mlir::Operation *findCombiner(mlir::linalg::GenericOp op, unsigned output);

/// Whether `join` adds to `previous` in any order: sums, products, extremes.
bool isCombiner(mlir::Operation *join, mlir::Value previous);

/// The first of `loops` with more than one step: it takes what is left when
/// positions are split along all of them.
unsigned outermost(llvm::ArrayRef<unsigned> loops,
                   llvm::ArrayRef<int64_t> bounds);

/// Loops of a contraction by role; nothing where a parallel loop of more than
/// one step is in both operands or in neither.
struct Roles {
  llvm::SmallVector<unsigned> left, right, reduced;
};
std::optional<Roles> contractionRoles(mlir::linalg::GenericOp op,
                                      llvm::ArrayRef<int64_t> bounds);

} // namespace mercer::distribute

#endif
