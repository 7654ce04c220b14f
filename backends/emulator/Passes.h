//===- Passes.h - passes of the emulator ------------------------*- C++ -*-===//
#ifndef MERCER_BACKENDS_EMULATOR_PASSES_H
#define MERCER_BACKENDS_EMULATOR_PASSES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

namespace mercer {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "backends/emulator/Passes.h.inc"
} // namespace mercer

#endif
