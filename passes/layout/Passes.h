//===- Passes.h - layouts and kernels ---------------------------*- C++ -*-===//
#ifndef MERCER_PASSES_LAYOUT_PASSES_H
#define MERCER_PASSES_LAYOUT_PASSES_H

#include "mlir/Pass/Pass.h"

namespace mlir {
class OpPassManager;
}

namespace mercer {

#define GEN_PASS_DECL
#include "passes/layout/Passes.h.inc"

/// Stage `layout` for a module.
void buildLayoutPipeline(mlir::OpPassManager &pm);

#define GEN_PASS_REGISTRATION
#include "passes/layout/Passes.h.inc"

} // namespace mercer

#endif
