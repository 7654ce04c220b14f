//===- Host.cpp - what the passes of this area share ----------------------===//

#include "passes/host/Passes.h"

#include "dialects/mercer/IR/Mercer.h"

#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mercer;

namespace {

/// A launch reads its inputs and overwrites its outputs in place.
struct LaunchModel
    : bufferization::BufferizableOpInterface::ExternalModel<LaunchModel,
                                                            LaunchOp> {
  static bool isOutput(Operation *op, OpOperand &operand) {
    return operand.getOperandNumber() >= cast<LaunchOp>(op).getInputs().size();
  }

  bool bufferizesToMemoryRead(Operation *, OpOperand &,
                              const bufferization::AnalysisState &) const {
    return true;
  }

  bool bufferizesToMemoryWrite(Operation *op, OpOperand &operand,
                               const bufferization::AnalysisState &) const {
    return isOutput(op, operand);
  }

  bufferization::AliasingValueList
  getAliasingValues(Operation *op, OpOperand &operand,
                    const bufferization::AnalysisState &) const {
    if (!isOutput(op, operand))
      return {};
    unsigned index =
        operand.getOperandNumber() - cast<LaunchOp>(op).getInputs().size();
    return {{op->getResult(index), bufferization::BufferRelation::Equivalent}};
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const bufferization::BufferizationOptions &options,
                          bufferization::BufferizationState &state) const {
    auto launch = cast<LaunchOp>(op);
    auto toBuffers = [&](ValueRange values,
                         SmallVectorImpl<Value> &buffers) -> LogicalResult {
      for (Value value : values) {
        if (!isa<TensorType>(value.getType())) {
          buffers.push_back(value);
          continue;
        }
        FailureOr<Value> buffer =
            bufferization::getBuffer(rewriter, value, options, state);
        if (failed(buffer))
          return failure();
        buffers.push_back(*buffer);
      }
      return success();
    };
    SmallVector<Value> inputs, outputs;
    rewriter.setInsertionPoint(op);
    if (failed(toBuffers(launch.getInputs(), inputs)) ||
        failed(toBuffers(launch.getOutputs(), outputs)))
      return failure();
    auto onBuffers = LaunchOp::create(rewriter, op->getLoc(), TypeRange{},
                                      launch.getKernelAttr(), inputs, outputs,
                                      launch.getNodesAttr());
    onBuffers->setDiscardableAttrs(launch->getDiscardableAttrDictionary());
    bufferization::replaceOpWithBufferizedValues(rewriter, op, outputs);
    return success();
  }
};

} // namespace

void mercer::registerHostBufferizationModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, MercerDialect *) {
    LaunchOp::attachInterface<LaunchModel>(*context);
  });
}

/// Appends the outermost names of a location: those that the importer gave.
static void collectNames(Location loc, llvm::SetVector<StringRef> &names) {
  if (auto name = dyn_cast<NameLoc>(loc)) {
    names.insert(name.getName().getValue());
  } else if (auto fused = dyn_cast<FusedLoc>(loc)) {
    for (Location part : fused.getLocations())
      collectNames(part, names);
  } else if (auto call = dyn_cast<CallSiteLoc>(loc)) {
    collectNames(call.getCallee(), names);
  }
}

SmallVector<StringRef> mercer::nodeNames(Operation *kernel) {
  if (auto stated = kernel->getAttrOfType<ArrayAttr>("mercer.nodes")) {
    SmallVector<StringRef> names;
    for (Attribute name : stated)
      if (auto text = dyn_cast<StringAttr>(name))
        names.push_back(text.getValue());
    return names;
  }
  llvm::SetVector<StringRef> names;
  kernel->walk([&](linalg::LinalgOp op) { collectNames(op->getLoc(), names); });
  if (names.empty())
    collectNames(kernel->getLoc(), names);
  return names.takeVector();
}

ModuleOp mercer::getConstantsModule(ModuleOp module) {
  return module.lookupSymbol<ModuleOp>(constantsModuleName());
}

bool mercer::isContiguous(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  if (type.getLayout().isIdentity())
    return true;
  Operation *op = buffer.getDefiningOp();
  if (isa_and_nonnull<memref::CastOp, memref::ExpandShapeOp,
                      memref::CollapseShapeOp>(op))
    return isContiguous(op->getOperand(0));
  // An output seen as its producer's shape, made by mercer-bufferize-host.
  if (buffer.getDefiningOp<memref::ReinterpretCastOp>())
    return true;
  auto view = buffer.getDefiningOp<memref::SubViewOp>();
  if (!view || !view.hasUnitStride() || !isContiguous(view.getSource()))
    return false;
  // Every dim after the first that has more than one element is whole.
  bool open = false;
  for (auto [d, size] : llvm::enumerate(view.getMixedSizes())) {
    std::optional<int64_t> length = getConstantIntValue(size);
    bool whole = false;
    if (length)
      whole = view.getSourceType().getDimSize(d) == *length;
    else if (auto dim = cast<Value>(size).getDefiningOp<memref::DimOp>())
      whole = dim.getSource() == view.getSource() &&
              dim.getConstantIndex() == static_cast<int64_t>(d);
    if (open && !whole)
      return false;
    if (!length || *length != 1)
      open = true;
  }
  return true;
}

bool mercer::isEntryPoint(func::FuncOp function) {
  return function.isPublic() && !function.isDeclaration() &&
         !function->hasAttr(kernelAttrName()) &&
         !function->hasAttr(shapesAttrName());
}

int64_t mercer::countPhases(func::FuncOp kernel) {
  if (kernel.isDeclaration()) {
    auto stated = kernel->getAttrOfType<IntegerAttr>(phasesAttrName());
    return stated ? stated.getInt() : 0;
  }
  int64_t phases = 0;
  for (Operation &op : kernel.getBody().front())
    phases += isa<scf::ForallOp>(op);
  return phases;
}

SmallVector<KernelEntry> mercer::kernelTable(ModuleOp module) {
  SmallVector<KernelEntry> table;
  int64_t next = 0;
  for (func::FuncOp function : module.getOps<func::FuncOp>()) {
    if (!function->hasAttr(kernelAttrName()))
      continue;
    int64_t phases = countPhases(function);
    table.push_back({function, next, phases});
    next += phases;
  }
  return table;
}
