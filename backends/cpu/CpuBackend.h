//===- CpuBackend.h - from kernels on buffers to machine code ---*- C++ -*-===//
//
// The door of the CPU backend: what a CPU name means, the passes that take
// bufferized kernels to the LLVM dialect, and the step from there to bytes.
// The host program goes through the same last step.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_BACKENDS_CPU_CPUBACKEND_H
#define MERCER_BACKENDS_CPU_CPUBACKEND_H

#include "dialects/mercer/IR/TargetInfo.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"

#include <string>
#include <vector>

namespace llvm {
class LLVMContext;
class Module;
class TargetMachine;
} // namespace llvm

namespace mercer {

/// The target of a `--cpu` name: `native`, `x86-64-v2`, `x86-64-v3`,
/// `x86-64-v4` or `sapphirerapids`. Fails on any other name.
mlir::FailureOr<TargetInfo> cpuTargetInfo(llvm::StringRef name);

/// One phase of a kernel in machine code: `name` runs tiles and `grid` counts
/// them, with the signatures of runtime/include/mercer/abi.h.
struct CpuPhase {
  std::string kernel;
  std::string name;
  std::string grid;
  int64_t scratchBytes = 0;
};

/// Adds the passes that take a module of `mercer.kernel` functions on buffers
/// (and `mercer.target`) to the LLVM dialect.
void buildCpuKernelPipeline(mlir::OpPassManager &pm);

/// Adds the passes that leave, of a module of kernel functions, only what
/// counts the tiles of their phases, in the LLVM dialect: the kernels run
/// elsewhere.
void buildCpuGridPipeline(mlir::OpPassManager &pm);

/// The phases in `module`, in order, after buildCpuKernelPipeline.
std::vector<CpuPhase> cpuPhases(mlir::ModuleOp module);

enum class CpuOutput { Object, Assembly, LLVM };

struct CpuEmitOptions {
  /// 0 to 3. The middle end never runs below level 1: vectors that live in
  /// memory until then would stay there.
  unsigned optLevel = 2;
  CpuOutput output = CpuOutput::Object;
};

/// The translations that `emitCpu` needs in the context of its module. Apart
/// from it, because a context must not change while threads use it.
void registerCpuTranslations(mlir::DialectRegistry &registry);

/// A module in the LLVM dialect as an object file, assembly or LLVM IR for
/// `target`. Errors are diagnostics on `module`. May run in several threads.
mlir::FailureOr<std::string> emitCpu(mlir::ModuleOp module,
                                     const TargetInfo &target,
                                     const CpuEmitOptions &options = {});

/// The LLVM machine for `target`: position-independent code, nothing above the
/// features it names. Null when LLVM lacks the target.
std::unique_ptr<llvm::TargetMachine>
createCpuTargetMachine(const TargetInfo &target, unsigned optLevel);

/// Sets target attributes on every function and runs LLVM's optimiser.
void optimizeForCpu(llvm::Module &module, llvm::TargetMachine &machine,
                    const TargetInfo &target, unsigned optLevel);

void registerMercerCPUPasses();

} // namespace mercer

#endif
