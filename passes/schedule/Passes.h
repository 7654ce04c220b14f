//===- Passes.h - decisions on groups, layouts and tiles --------*- C++ -*-===//
#ifndef MERCER_PASSES_SCHEDULE_PASSES_H
#define MERCER_PASSES_SCHEDULE_PASSES_H

#include "mlir/Pass/Pass.h"

namespace mlir {
class OpPassManager;
}

namespace mercer {

/// Attributes in which the decisions stand.
inline constexpr llvm::StringLiteral kGroupAttr = "mercer.group";
inline constexpr llvm::StringLiteral kDimsAttr = "mercer.dims";
inline constexpr llvm::StringLiteral kScheduleAttr = "mercer.schedule";

#define GEN_PASS_DECL
#include "passes/schedule/Passes.h.inc"

/// Stage `schedule` for a module.
void buildSchedulePipeline(mlir::OpPassManager &pm);

#define GEN_PASS_REGISTRATION
#include "passes/schedule/Passes.h.inc"

} // namespace mercer

#endif
