//===- Pipelines.cpp - the passes of every stage --------------------------===//

#include "compiler/pipelines/Pipelines.h"

#include "backends/cpu/CpuBackend.h"
#include "dialects/mercer/IR/Mercer.h"
#include "dialects/mercer/IR/TargetInfo.h"
#include "dialects/onnx/IR/Onnx.h"
#include "passes/distribute/Passes.h"
#include "passes/fuse/Passes.h"
#include "passes/host/Passes.h"
#include "passes/layout/Passes.h"
#include "passes/onnx/Passes.h"
#include "passes/raise/Passes.h"
#include "passes/schedule/Passes.h"
#include "passes/tiling/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mercer;

static void cleanUp(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void mercer::buildStagePipeline(Stage stage, OpPassManager &pm) {
  switch (stage) {
  case Stage::Import:
  case Stage::Target:
    return;
  case Stage::Distribute:
    buildDistributePipeline(pm);
    return;
  case Stage::Simplify:
    pm.addPass(createMercerSimplifyOnnx());
    pm.addPass(createMercerRaiseOnnx());
    pm.addPass(createMercerLowerOnnx());
    cleanUp(pm);
    // Early, so that nothing constant is fused into what runs every time.
    pm.addPass(createHoistConstants());
    return;
  case Stage::Fuse:
    buildFusePipeline(pm);
    return;
  case Stage::Schedule:
    buildSchedulePipeline(pm);
    return;
  case Stage::Layout:
    buildLayoutPipeline(pm);
    // Packed weights.
    pm.addPass(createHoistConstants());
    return;
  case Stage::Tile:
    buildTilePipeline(pm);
    cleanUp(pm);
    return;
  case Stage::Bufferize:
    pm.addPass(createOutlineKernels());
    pm.nest<func::FuncOp>().addPass(createBufferizeKernels());
    pm.addPass(createBufferizeHost());
    pm.addPass(createEmitShapes());
    pm.nest<func::FuncOp>().addPass(createPlanMemory());
    cleanUp(pm);
    return;
  }
}

static LogicalResult runOn(Stage stage, ModuleOp module) {
  PassManager pm(module.getContext());
  buildStagePipeline(stage, pm);
  return pm.run(module);
}

LogicalResult mercer::runStage(Stage stage, ModuleOp module) {
  // The constant program has its own target and its own kernels: passes see
  // one program at a time.
  ModuleOp constants = getConstantsModule(module);
  bool hoists = stage == Stage::Simplify || stage == Stage::Layout;
  if (!constants || stage == Stage::Simplify)
    return runOn(stage, module);
  auto parts = [&](ModuleOp part) { return runOn(stage, part); };
  constants->remove();
  OwningOpRef<ModuleOp> owner(constants);
  LogicalResult result = success();
  if (hoists) {
    // What is packed is decided on the main program and moved over; the
    // constant program must be at the same stage by then.
    result = parts(constants);
    module.getBody()->push_back(owner.release());
    if (failed(result))
      return failure();
    return parts(module);
  }
  if (failed(parts(module)) || failed(parts(constants)))
    result = failure();
  module.getBody()->push_back(owner.release());
  return result;
}

Stage mercer::guessStage(ModuleOp module) {
  bool onnx = false, kernels = false, grids = false, launches = false;
  module.walk([&](Operation *op) {
    onnx |= isa_and_nonnull<onnx::OnnxDialect>(op->getDialect());
    launches |= isa<LaunchOp>(op);
    if (isa<KernelOp>(op))
      kernels = true;
    if (isa<scf::ForallOp>(op) && op->getParentOfType<KernelOp>())
      grids = true;
  });
  if (onnx)
    return Stage::Import;
  if (launches)
    return Stage::Bufferize;
  if (grids)
    return Stage::Tile;
  return kernels ? Stage::Layout : Stage::Simplify;
}

void mercer::registerStagePipelines() {
  for (Stage stage : allStages()) {
    if (stage == Stage::Import || stage == Stage::Target)
      continue;
    std::string name = ("mercer-stage-" + stageName(stage)).str();
    std::string summary = ("All passes of stage " + stageName(stage)).str();
    PassPipelineRegistration<>(name, summary, [stage](OpPassManager &pm) {
      buildStagePipeline(stage, pm);
    });
  }
}
