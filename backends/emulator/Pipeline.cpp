//===- Pipeline.cpp - distributed kernels to the LLVM dialect -------------===//

#include "backends/cpu/Passes.h"
#include "backends/emulator/Emulator.h"
#include "backends/emulator/Passes.h"
#include "passes/math/Passes.h"

#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mercer;

void mercer::buildEmulatorPipeline(OpPassManager &pm) {
  pm.addPass(createEmulatorOutlineLanes());
  OpPassManager &functions = pm.nest<func::FuncOp>();
  // 16-bit floats need no library afterwards.
  functions.addPass(createExpandMath());
  functions.addPass(createCanonicalizerPass());
  functions.addPass(createCSEPass());
  functions.addPass(createLoopInvariantCodeMotionPass());
  pm.addPass(createCpuLowerToLLVM());
}

LogicalResult mercer::lowerToEmulator(ModuleOp module) {
  PassManager pm(module.getContext());
  buildEmulatorPipeline(pm);
  return pm.run(module);
}

void mercer::registerMercerEmulatorPasses() {
  registerMercerEmulatorKernelPasses();
  PassPipelineRegistration<>(
      "mercer-emulator-pipeline",
      "From distributed kernels to the LLVM dialect, as checked host code",
      [](OpPassManager &pm) { buildEmulatorPipeline(pm); });
}
