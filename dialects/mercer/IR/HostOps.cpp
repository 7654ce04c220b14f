//===- HostOps.cpp - verifiers of the host program's operations -----------===//

#include "dialects/mercer/IR/Mercer.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace mercer;

LogicalResult WeightOp::verify() {
  auto type = cast<RankedTensorType>(getResult().getType());
  int64_t bits = type.getElementType().isIndex()
                     ? 64
                     : type.getElementType().getIntOrFloatBitWidth();
  uint64_t bytes = (type.getNumElements() * bits + 7) / 8;
  if (getLength() != bytes)
    return emitOpError("expects ")
           << bytes << " bytes for " << type << ", got " << getLength();
  return success();
}

LogicalResult OutputOp::verify() {
  auto type = cast<MemRefType>(getResult().getType());
  if (static_cast<size_t>(type.getNumDynamicDims()) != getDims().size())
    return emitOpError("expects ") << type.getNumDynamicDims() << " dims for "
                                   << type << ", got " << getDims().size();
  return success();
}

LogicalResult StateOp::verify() {
  auto type = cast<MemRefType>(getResult().getType());
  if (!getAxis()) {
    if (getLength())
      return emitOpError("expects no length without an axis");
    if (!type.hasStaticShape())
      return emitOpError("expects a static shape without an axis, got ")
             << type;
    return success();
  }
  int64_t axis = *getAxis();
  if (axis < 0 || axis >= type.getRank())
    return emitOpError("expects an axis below rank ")
           << type.getRank() << ", got " << axis;
  if (!type.isDynamicDim(axis) || type.getNumDynamicDims() != 1)
    return emitOpError("expects one dynamic dim, ") << axis << ", got " << type;
  if (!getCapacity() || static_cast<int64_t>(*getCapacity()) < 1)
    return emitOpError("expects a capacity of at least 1");
  if (!getLength())
    return emitOpError("expects the length as second result");
  return success();
}

LogicalResult LaunchOp::verify() {
  if (getResults().empty())
    return success();
  if (getResultTypes() != getOutputs().getTypes())
    return emitOpError("expects results of the outputs' types");
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto kernel =
      symbols.lookupNearestSymbolFrom<func::FuncOp>(*this, getKernelAttr());
  if (!kernel)
    return emitOpError("expects a kernel function named '")
           << getKernel() << "'";
  // The kernel's signature changes from tensors to buffers in one step with
  // its launches; until then only the number of arguments can be compared.
  if (kernel.getNumArguments() != getNumOperands())
    return emitOpError("expects ")
           << kernel.getNumArguments() << " operands for @" << getKernel()
           << ", got " << getNumOperands();
  return success();
}

void LaunchOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  for (OpOperand &operand : getOperation()->getOpOperands()) {
    if (!isa<BaseMemRefType>(operand.get().getType()))
      continue;
    effects.emplace_back(MemoryEffects::Read::get(), &operand);
    if (operand.getOperandNumber() >= getInputs().size())
      effects.emplace_back(MemoryEffects::Write::get(), &operand);
  }
}
