//===- Pipelines.h - the passes of every stage ------------------*- C++ -*-===//
//
// One function composes the passes of all areas; the session, mercer-opt and
// the tests run the same ones.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_COMPILER_PIPELINES_PIPELINES_H
#define MERCER_COMPILER_PIPELINES_PIPELINES_H

#include "compiler/pipelines/Stages.h"

#include "mlir/IR/BuiltinOps.h"

namespace mlir {
class OpPassManager;
class PassInstrumentation;
} // namespace mlir

namespace mercer {

/// Appends what takes a module to `stage` from the stage before. Import and
/// target are not made of passes alone: nothing is appended for them.
void buildStagePipeline(Stage stage, mlir::OpPassManager &pm);

/// Runs one stage on `module` and, apart from it, on its constant program.
mlir::LogicalResult runStage(Stage stage, mlir::ModuleOp module);

/// The stage whose form a module that was read from a file most likely has.
Stage guessStage(mlir::ModuleOp module);

/// Pipelines `mercer-stage-<name>` for mercer-opt.
void registerStagePipelines();

} // namespace mercer

#endif
