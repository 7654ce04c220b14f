//===- Phases.h - the phases of a kernel on buffers -------------*- C++ -*-===//
//
// A kernel function is a row of phases: its outermost parallel loops, one
// launch each. What stands between them is index arithmetic that every phase
// computes for itself. Backends read kernels through this.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_PASSES_KERNELS_PHASES_H
#define MERCER_PASSES_KERNELS_PHASES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mercer {

/// One phase: a forall, or a run of other ops with effects, as a single tile.
struct Phase {
  mlir::scf::ForallOp forall;
  llvm::SmallVector<mlir::Operation *> ops;
};

/// What may be written again in every phase; scratch that one phase uses too.
bool isSharedByPhases(mlir::Operation *op);

/// The phases of `kernel` in order. Fails with a diagnostic on a kernel of
/// several blocks or with results, on tensors, and where something other than
/// buffer arguments passes from phase to phase.
mlir::FailureOr<llvm::SmallVector<Phase>> readPhases(mlir::func::FuncOp kernel);

/// Clones what stands outside of phases and before `until` (null: all of it).
void cloneSharedOps(mlir::OpBuilder &b, mlir::func::FuncOp kernel,
                    mlir::Operation *until, mlir::IRMapping &mapping);

/// The grid of a phase in terms of `mapping`'s values.
struct PhaseGrid {
  llvm::SmallVector<mlir::Value> lower, step, count;

  /// Positions of tile `number`; the last dimension is the fastest.
  llvm::SmallVector<mlir::Value> positions(mlir::ImplicitLocOpBuilder &b,
                                           mlir::Value number) const;
};
PhaseGrid readPhaseGrid(mlir::ImplicitLocOpBuilder &b,
                        mlir::scf::ForallOp forall, mlir::IRMapping &mapping);

} // namespace mercer

#endif
