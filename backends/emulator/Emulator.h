//===- Emulator.h - GPU kernels as checked host code ------------*- C++ -*-===//
//
// The third consumer of distributed kernels, beside backends/cuda and
// backends/spirv: it makes CPU kernels of them that check every access, so
// that a GPU kernel is tested where there is no GPU. See docs/emulator.md.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_BACKENDS_EMULATOR_EMULATOR_H
#define MERCER_BACKENDS_EMULATOR_EMULATOR_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

namespace mercer {

/// Name of the function in emulated code that tells a launch's first error
/// (mercer_emu_take_error of runtime/emulator/Emulator.h).
inline constexpr llvm::StringLiteral emulatorTakeErrorName =
    "mercer_emu_take_error";

/// Adds the passes that take a module with `gpu.module`s of distributed kernels
/// to the LLVM dialect: for each kernel `k$p` of a `gpu.module @k` a function
/// `k$p` with the signature of MercerKernelFn, which `cpuPhases` lists. The
/// grid functions `k$p_grid` are the caller's. `mercer.target` of the module is
/// the CPU that runs the code. Errors: E3601.
void buildEmulatorPipeline(mlir::OpPassManager &pm);

/// The same, run at once.
mlir::LogicalResult lowerToEmulator(mlir::ModuleOp module);

/// The object file that emulated kernels are linked with.
llvm::StringRef emulatorRuntimeObject();

void registerMercerEmulatorPasses();

} // namespace mercer

#endif
