//===- Passes.h - passes of the CUDA backend --------------------*- C++ -*-===//
#ifndef MERCER_BACKENDS_CUDA_PASSES_H
#define MERCER_BACKENDS_CUDA_PASSES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

namespace mercer {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "backends/cuda/Passes.h.inc"

/// Attributes of a kernel between the passes of this backend: the launch
/// parameters, each as {kind, bytes, written, dims, elements}, and the bytes of
/// shared memory that are part of the code or asked for at launch.
inline llvm::StringRef paramsAttrName() { return "mercer.params"; }
inline llvm::StringRef staticSharedAttrName() { return "mercer.shared"; }
inline llvm::StringRef dynamicSharedAttrName() {
  return "mercer.dynamic_shared";
}
/// Blocks that a multiprocessor should hold; a kernel may come with its own.
inline llvm::StringRef minBlocksAttrName() { return "mercer.min_blocks"; }
} // namespace mercer

#endif
