//===- Distribute.cpp - kernels on buffers to kernels of threads ----------===//

#include "passes/distribute/Passes.h"

#include "passes/distribute/Emitter.h"
#include "passes/host/Passes.h"
#include "passes/kernels/LinalgForms.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

namespace mercer {
#define GEN_PASS_DEF_DISTRIBUTE
#include "passes/distribute/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;
using namespace mercer::distribute;

namespace {
struct DistributePass : mercer::impl::DistributeBase<DistributePass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    TargetInfo target = TargetInfo::get(module);
    if (!target.isGpu())
      return;
    auto precision = module->getAttrOfType<StringAttr>("mercer.precision");
    bool tf32 = precision && precision.getValue() == "tf32";
    for (KernelEntry &entry : kernelTable(module))
      if (failed(distribute(entry.function, target, tf32)))
        return signalPassFailure();
  }

private:
  LogicalResult distribute(func::FuncOp kernel, const TargetInfo &target,
                           bool tf32) {
    // The kernel itself stays as it is: the host counts its tiles.
    OpBuilder outer(kernel);
    auto copy = cast<func::FuncOp>(kernel->clone());
    OwningOpRef<func::FuncOp> owner(copy);
    if (failed(toGenericForm(copy)))
      return failure();
    FailureOr<SmallVector<Phase>> phases = readPhases(copy);
    if (failed(phases))
      return failure();
    outer.setInsertionPointAfter(kernel);
    // A symbol of its own: the kernel's belongs to launches.
    auto unit = gpu::GPUModuleOp::create(outer, kernel.getLoc(),
                                         (kernel.getName() + "_device").str());
    OpBuilder b = OpBuilder::atBlockBegin(unit.getBody());
    for (auto [number, phase] : llvm::enumerate(*phases)) {
      Emitter emitter(copy, phase, number, target, tf32);
      if (failed(emitter.run(b)))
        return failure();
      numBarriers += emitter.numBarriers;
      numGlobalScratch += emitter.numGlobalScratch;
    }
    ++numKernels;
    return success();
  }
};
} // namespace

void mercer::buildDistributePipeline(OpPassManager &pm) {
  pm.addPass(createDistribute());
  OpPassManager &units = pm.nest<gpu::GPUModuleOp>();
  units.addPass(createLowerAffinePass());
  units.addPass(createCanonicalizerPass());
  units.addPass(createCSEPass());
  units.addPass(createLoopInvariantCodeMotionPass());
}
