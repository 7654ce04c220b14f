//===- Distribute.cpp - kernels on buffers to kernels of threads ----------===//

#include "passes/distribute/Passes.h"

#include "dialects/mercer/IR/Mercer.h"
#include "passes/distribute/Emitter.h"
#include "passes/host/Passes.h"
#include "passes/kernels/LinalgForms.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringMap.h"

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
    llvm::StringMap<llvm::SmallBitVector> shifted;
    findShifted(module, shifted);
    for (KernelEntry &entry : kernelTable(module)) {
      func::FuncOp kernel = entry.function;
      llvm::SmallBitVector unaligned = shifted.lookup(kernel.getName());
      unaligned.resize(kernel.getNumArguments());
      if (failed(distribute(kernel, target, tf32, unaligned)))
        return signalPassFailure();
    }
  }

private:
  /// Tensors start at multiples of 16 bytes (Device::tensorAlignment), parts of
  /// them that a launch is given need not.
  static bool isShifted(Value buffer) {
    for (Operation *op = buffer.getDefiningOp();
         isa_and_nonnull<ViewLikeOpInterface>(op);
         op = op->getOperand(0).getDefiningOp()) {
      if (auto part = dyn_cast<memref::SubViewOp>(op))
        if (!part.hasZeroOffset())
          return true;
      if (auto part = dyn_cast<memref::ReinterpretCastOp>(op))
        if (!isZeroInteger(part.getMixedOffsets().front()))
          return true;
    }
    return false;
  }

  /// Arguments of kernels that some launch gives a shifted part.
  static void findShifted(ModuleOp module,
                          llvm::StringMap<llvm::SmallBitVector> &shifted) {
    module.walk([&](LaunchOp launch) {
      llvm::SmallBitVector &arguments = shifted[launch.getKernel()];
      arguments.resize(launch->getNumOperands());
      for (auto [index, operand] : llvm::enumerate(launch->getOperands()))
        if (isa<MemRefType>(operand.getType()) && isShifted(operand))
          arguments.set(index);
    });
  }

  LogicalResult distribute(func::FuncOp kernel, const TargetInfo &target,
                           bool tf32, const llvm::SmallBitVector &unaligned) {
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
      Emitter emitter(copy, phase, number, target, tf32, unaligned);
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
