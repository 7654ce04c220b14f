//===- Passes.h - tiles to threads ------------------------------*- C++ -*-===//
#ifndef MERCER_PASSES_DISTRIBUTE_PASSES_H
#define MERCER_PASSES_DISTRIBUTE_PASSES_H

#include "mlir/Pass/Pass.h"

namespace mlir {
class OpPassManager;
namespace affine {
class AffineDialect;
}
namespace arith {
class ArithDialect;
}
namespace gpu {
class GPUDialect;
}
namespace linalg {
class LinalgDialect;
}
namespace math {
class MathDialect;
}
namespace memref {
class MemRefDialect;
}
namespace nvgpu {
class NVGPUDialect;
}
namespace scf {
class SCFDialect;
}
namespace vector {
class VectorDialect;
}
} // namespace mlir

namespace mercer {

#define GEN_PASS_DECL
#include "passes/distribute/Passes.h.inc"

/// Stage `distribute` for a module of bufferized kernels.
void buildDistributePipeline(mlir::OpPassManager &pm);

#define GEN_PASS_REGISTRATION
#include "passes/distribute/Passes.h.inc"

} // namespace mercer

#endif
