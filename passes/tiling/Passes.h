//===- Passes.h - kernels to grids of tiles ---------------------*- C++ -*-===//
#ifndef MERCER_PASSES_TILING_PASSES_H
#define MERCER_PASSES_TILING_PASSES_H

#include "mlir/Pass/Pass.h"

namespace mlir {
class OpPassManager;
}

namespace mercer {

#define GEN_PASS_DECL
#include "passes/tiling/Passes.h.inc"

/// Stage `tile` for a module.
void buildTilePipeline(mlir::OpPassManager &pm);

#define GEN_PASS_REGISTRATION
#include "passes/tiling/Passes.h.inc"

} // namespace mercer

#endif
