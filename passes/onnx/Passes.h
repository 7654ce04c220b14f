// Passes that take imported ONNX graphs apart.
#ifndef MERCER_PASSES_ONNX_PASSES_H
#define MERCER_PASSES_ONNX_PASSES_H

#include "mlir/Pass/Pass.h"

namespace mercer {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/onnx/Passes.h.inc"
} // namespace mercer

#endif
