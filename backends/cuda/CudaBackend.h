//===- CudaBackend.h - from distributed kernels to PTX ----------*- C++ -*-===//
//
// The door of the CUDA backend: what a chip name means, the passes that take
// distributed kernels (gpu.module) to the NVVM dialect, and the step from there
// to PTX by LLVM, in process, or to machine code where a `ptxas` is found.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_BACKENDS_CUDA_CUDABACKEND_H
#define MERCER_BACKENDS_CUDA_CUDABACKEND_H

#include "dialects/mercer/IR/TargetInfo.h"
#include "runtime/include/mercer/abi.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"

#include <optional>
#include <string>
#include <vector>

namespace mercer {

/// The target of a `--chip` name: sm_80, sm_86, sm_89, sm_90a, sm_100a or
/// sm_120a. Fails on any other name.
mlir::FailureOr<TargetInfo> cudaTargetInfo(llvm::StringRef chip);

/// Adds the passes that take a module of gpu.modules in distributed form (and
/// `mercer.target`) to the LLVM dialect.
void buildCudaKernelPipeline(mlir::OpPassManager &pm);

enum class CudaOutput { Ptx, Cubin, LLVM };

struct CudaEmitOptions {
  /// 1 to 3, of LLVM's middle end.
  unsigned optLevel = 2;
  /// Cubin needs a `ptxas`; without one, PTX is the result.
  CudaOutput output = CudaOutput::Ptx;
  /// Path of `ptxas`; empty: findPtxas() decides.
  std::string ptxas;
  /// One module with the kernels of all, for a file of its own.
  bool joined = false;
};

/// One device function and what it takes to launch it.
struct CudaKernel {
  std::string entry;
  /// Index into CudaCode::modules.
  size_t module = 0;
  uint32_t threads = 0;
  uint32_t subgroup = 32;
  uint32_t sharedBytes = 0;
  uint32_t dynamicSharedBytes = 0;
  /// In order of the launch words, after the tile count.
  std::vector<MercerDeviceParam> params;
};

struct CudaCode {
  struct Module {
    std::string name;
    std::string bytes;
    /// MERCER_CODE_PTX or MERCER_CODE_CUBIN; 0 for LLVM IR.
    uint32_t format = 0;
  };
  /// One for each gpu.module, in order: they are independent, so both this
  /// compiler and the driver's work on them in parallel. `joined`: one.
  std::vector<Module> modules;
  /// All functions of all modules, in order.
  std::vector<CudaKernel> kernels;
};

/// The translations that `emitCuda` needs in the context of its module. Apart
/// from it, because a context must not change while threads use it.
void registerCudaTranslations(mlir::DialectRegistry &registry);

/// The code of every gpu.module in `module`, after buildCudaKernelPipeline.
/// Errors are diagnostics on the kernels.
mlir::FailureOr<CudaCode> emitCuda(mlir::ModuleOp module,
                                   const TargetInfo &target,
                                   const CudaEmitOptions &options = {});

/// A `ptxas` of this machine: MERCER_PTXAS, then CUDA_HOME, CUDA_PATH and
/// CUDA_ROOT, PATH, /usr/local/cuda, and the nvidia-cuda-nvcc package of the
/// active Python environment. Empty where there is none.
std::string findPtxas();

void registerMercerCUDAPasses();

} // namespace mercer

#endif
