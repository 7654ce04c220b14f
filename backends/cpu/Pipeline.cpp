//===- Pipeline.cpp - kernels on buffers to the LLVM dialect --------------===//

#include "backends/cpu/CpuBackend.h"
#include "backends/cpu/Passes.h"
#include "passes/math/Passes.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mercer;

void mercer::buildCpuKernelPipeline(OpPassManager &pm) {
  pm.addPass(createCpuOutlinePhases());
  OpPassManager &functions = pm.nest<func::FuncOp>();
  // Affine sizes are still there: they bound what edge tiles can be.
  functions.addPass(createCpuVectorizeLinalg());
  functions.addPass(createLowerAffinePass());
  functions.addPass(createExpandMath());
  functions.addPass(createCanonicalizerPass());
  functions.addPass(createCSEPass());
  functions.addPass(createLoopInvariantCodeMotionPass());
  pm.addPass(createCpuLowerToLLVM());
}

void mercer::buildCpuGridPipeline(OpPassManager &pm) {
  CpuOutlinePhasesOptions options;
  options.gridsOnly = true;
  pm.addPass(createCpuOutlinePhases(options));
  pm.nest<func::FuncOp>().addPass(createLowerAffinePass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCpuLowerToLLVM());
}

std::vector<CpuPhase> mercer::cpuPhases(ModuleOp module) {
  std::vector<CpuPhase> phases;
  for (auto function : module.getOps<LLVM::LLVMFuncOp>()) {
    auto kernel = function->getAttrOfType<StringAttr>("mercer.phase_of");
    if (!kernel)
      continue;
    CpuPhase phase;
    phase.kernel = kernel.getValue().str();
    phase.name = function.getName().str();
    phase.grid = phase.name + "_grid";
    if (auto bytes =
            function->getAttrOfType<IntegerAttr>("mercer.scratch_bytes"))
      phase.scratchBytes = bytes.getInt();
    phases.push_back(std::move(phase));
  }
  return phases;
}

void mercer::registerMercerCPUPasses() {
  registerMercerCPUKernelPasses();
  PassPipelineRegistration<>(
      "mercer-cpu-kernel-pipeline",
      "From bufferized kernels to the LLVM dialect, for the CPU",
      [](OpPassManager &pm) { buildCpuKernelPipeline(pm); });
}
