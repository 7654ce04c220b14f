//===- Pipeline.cpp - distributed kernels to the NVVM dialect -------------===//

#include "backends/cuda/CudaBackend.h"
#include "backends/cuda/Passes.h"
#include "passes/math/Passes.h"

#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

namespace mercer {
#define GEN_PASS_DEF_CUDAWRITECODE
#include "backends/cuda/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;

void mercer::buildCudaKernelPipeline(OpPassManager &pm) {
  OpPassManager &kernels = pm.nest<gpu::GPUModuleOp>();
  kernels.addPass(createExpandMath());
  kernels.addPass(createCudaFormKernels());
  kernels.addPass(createCanonicalizerPass());
  kernels.addPass(createCSEPass());
  kernels.addPass(createLoopInvariantCodeMotionPass());
  kernels.addPass(createCudaLowerToNVVM());
}

namespace {
struct CudaWriteCodePass : mercer::impl::CudaWriteCodeBase<CudaWriteCodePass> {
  using CudaWriteCodeBase::CudaWriteCodeBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    registerCudaTranslations(registry);
    OpPassManager pm(ModuleOp::getOperationName());
    buildCudaKernelPipeline(pm);
    pm.getDependentDialects(registry);
  }

  void runOnOperation() override;

private:
  LogicalResult write(const CudaCode &code);
};
} // namespace

void CudaWriteCodePass::runOnOperation() {
  // A pipeline inside of a pass runs on operations below its own.
  OpBuilder b = OpBuilder::atBlockEnd(getOperation().getBody());
  auto module = cast<ModuleOp>(getOperation()->clone());
  b.insert(module);
  llvm::scope_exit erase([&] { module.erase(); });
  TargetInfo target = TargetInfo::get(module);
  if (!chip.empty()) {
    FailureOr<TargetInfo> named = cudaTargetInfo(chip);
    if (failed(named)) {
      getOperation().emitError("[E1005] expects a chip that is known, got ")
          << chip;
      return signalPassFailure();
    }
    target = *named;
    module->setAttr(TargetInfo::attrName(), target.toAttr(&getContext()));
  }
  CudaEmitOptions options;
  if (output == "cubin") {
    options.output = CudaOutput::Cubin;
  } else if (output == "llvm") {
    options.output = CudaOutput::LLVM;
  } else if (output != "ptx") {
    getOperation().emitError("[E1005] expects output ptx, cubin or llvm, got ")
        << output;
    return signalPassFailure();
  }
  OpPassManager pm(ModuleOp::getOperationName());
  buildCudaKernelPipeline(pm);
  if (failed(runPipeline(pm, module)))
    return signalPassFailure();
  FailureOr<CudaCode> code = emitCuda(module, target, options);
  if (failed(code) || failed(write(*code)))
    signalPassFailure();
}

LogicalResult CudaWriteCodePass::write(const CudaCode &code) {
  for (const CudaCode::Module &part : code.modules) {
    if (to == "-") {
      llvm::outs() << part.bytes;
      continue;
    }
    llvm::SmallString<128> path(to);
    llvm::sys::path::append(
        path, part.name + (part.format == MERCER_CODE_CUBIN ? ".cubin"
                           : part.format == MERCER_CODE_PTX ? ".ptx"
                                                            : ".ll"));
    std::error_code error = llvm::sys::fs::create_directories(to);
    llvm::raw_fd_ostream file(path, error);
    if (!error) {
      file << part.bytes;
      file.close();
      error = file.error();
    }
    if (error)
      return getOperation().emitError("[E4301] cannot write ")
             << path << ": " << error.message();
  }
  return success();
}

void mercer::registerMercerCUDAPasses() {
  registerMercerCUDAKernelPasses();
  PassPipelineRegistration<>(
      "mercer-cuda-kernel-pipeline",
      "From distributed kernels to the LLVM and NVVM dialects",
      [](OpPassManager &pm) { buildCudaKernelPipeline(pm); });
}
