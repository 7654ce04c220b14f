//===- Passes.h - passes of the SPIR-V backend ------------------*- C++ -*-===//
#ifndef MERCER_BACKENDS_SPIRV_PASSES_H
#define MERCER_BACKENDS_SPIRV_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mercer {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "backends/spirv/Passes.h.inc"
} // namespace mercer

#endif
