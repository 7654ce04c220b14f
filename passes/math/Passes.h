//===- Passes.h - math functions as arithmetic ------------------*- C++ -*-===//
#ifndef MERCER_PASSES_MATH_PASSES_H
#define MERCER_PASSES_MATH_PASSES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Pass/Pass.h"

namespace mercer {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/math/Passes.h.inc"
} // namespace mercer

#endif
