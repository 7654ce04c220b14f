//===- ConvertToSpirv.cpp - the pass, the pipeline and serialisation ------===//

#include "backends/spirv/Passes.h"
#include "backends/spirv/emit/Emitter.h"
#include "passes/math/Passes.h"

#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/SPIRV/Serialization.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

namespace mercer {
#define GEN_PASS_DEF_CONVERTTOSPIRV
#include "backends/spirv/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;

static LogicalResult serialize(spirv::ModuleOp module, SpirvKernel &kernel) {
  SmallVector<uint32_t, 0> words;
  spirv::SerializationOptions options;
  options.emitSymbolName = false;
  if (failed(spirv::serialize(module, words, options)))
    return module.emitError("[E3305] SPIR-V could not be written");
  kernel.words.assign(words.begin(), words.end());
  return success();
}

FailureOr<SpirvKernel> mercer::emitSpirv(gpu::GPUFuncOp kernel,
                                         const TargetInfo &target) {
  SpirvKernel result;
  OpBuilder builder(kernel.getContext());
  OwningOpRef<ModuleOp> holder = ModuleOp::create(kernel.getLoc());
  builder.setInsertionPointToEnd(holder->getBody());
  spirvgen::Emitter emitter(builder, kernel, target);
  FailureOr<spirv::ModuleOp> module = emitter.run(result);
  if (failed(module) || failed(serialize(*module, result)))
    return failure();
  return result;
}

namespace {
struct ConvertToSpirvPass
    : mercer::impl::ConvertToSpirvBase<ConvertToSpirvPass> {
  using ConvertToSpirvBase::ConvertToSpirvBase;
  void runOnOperation() override {
    for (auto module : llvm::make_early_inc_range(
             getOperation().getOps<gpu::GPUModuleOp>())) {
      TargetInfo target = TargetInfo::get(module);
      for (auto kernel : module.getOps<gpu::GPUFuncOp>())
        if (kernel.isKernel() && failed(convert(module, kernel, target)))
          return signalPassFailure();
      module.erase();
    }
  }

  LogicalResult convert(gpu::GPUModuleOp at, gpu::GPUFuncOp kernel,
                        const TargetInfo &target) {
    SpirvKernel result;
    OpBuilder builder(at);
    spirvgen::Emitter emitter(builder, kernel, target);
    FailureOr<spirv::ModuleOp> module = emitter.run(result);
    if (failed(module))
      return failure();
    if (binary.empty())
      return success();
    // The serialiser replaces results of loops by values inside of them.
    OwningOpRef<spirv::ModuleOp> copy = module->clone();
    if (failed(serialize(*copy, result)))
      return failure();
    SmallString<128> path(binary);
    std::error_code error = llvm::sys::fs::create_directories(path);
    llvm::sys::path::append(path, result.entry + ".spv");
    if (!error) {
      llvm::raw_fd_ostream file(path, error);
      if (!error)
        file.write(reinterpret_cast<const char *>(result.words.data()),
                   result.words.size() * sizeof(uint32_t));
    }
    if (error)
      return kernel.emitError("[E4301] cannot write ")
             << path << ": " << error.message();
    return success();
  }
};
} // namespace

void mercer::buildSpirvKernelPipeline(OpPassManager &pm) {
  OpPassManager &kernels = pm.nest<gpu::GPUModuleOp>().nest<gpu::GPUFuncOp>();
  kernels.addPass(createExpandMath());
  kernels.addPass(createCanonicalizerPass());
  kernels.addPass(createCSEPass());
}

void mercer::registerMercerSpirvPasses() {
  registerMercerSpirvKernelPasses();
  PassPipelineRegistration<>(
      "mercer-spirv-kernel-pipeline",
      "From distributed kernels to what mercer-convert-to-spirv takes",
      [](OpPassManager &pm) { buildSpirvKernelPipeline(pm); });
}
