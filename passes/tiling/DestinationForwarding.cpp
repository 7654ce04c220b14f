//===- DestinationForwarding.cpp - compute where the result goes ----------===//
//
// Bufferization finds such chains too, but only where the IR already says
// which computation may write over which. Here the intent is known.
//
//===----------------------------------------------------------------------===//

#include "passes/tiling/DestinationForwarding.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"

using namespace mlir;
using namespace mercer;

static bool isEmptyTile(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto slice = dyn_cast_or_null<tensor::ExtractSliceOp>(op))
    return isEmptyTile(slice.getSource());
  if (auto cast = dyn_cast_or_null<tensor::CastOp>(op))
    return isEmptyTile(cast.getSource());
  return isa_and_nonnull<tensor::EmptyOp>(op);
}

/// True if nobody reads `value` once `op`, in the same block, has run.
static bool isLastReader(Value value, Operation *op) {
  for (Operation *user : value.getUsers()) {
    Operation *ancestor = op->getBlock()->findAncestorOpInBlock(*user);
    if (!ancestor || (ancestor != op && !ancestor->isBeforeInBlock(op)))
      return false;
  }
  // Twice by the same operation is one read too many.
  return llvm::count_if(op->getOperands(),
                        [&](Value operand) { return operand == value; }) == 1;
}

Operation *mercer::reuseInput(RewriterBase &rewriter, Operation *op) {
  auto generic = dyn_cast<linalg::GenericOp>(op);
  if (!generic || generic.getNumDpsInits() != 1 ||
      generic.getNumParallelLoops() != generic.getNumLoops())
    return nullptr;
  OpOperand *init = generic.getDpsInitOperand(0);
  if (generic.payloadUsesValueFromOperand(init) || !isEmptyTile(init->get()))
    return nullptr;
  AffineMap outMap = generic.getMatchingIndexingMap(init);
  for (OpOperand *input : generic.getDpsInputOperands()) {
    Operation *producer = input->get().getDefiningOp();
    if (!producer || producer->getBlock() != op->getBlock() ||
        !isa<DestinationStyleOpInterface>(producer) ||
        !isLastReader(input->get(), op) ||
        input->get().getType() != init->get().getType() ||
        generic.getMatchingIndexingMap(input) != outMap)
      continue;
    // What the producer writes to must itself be scratch.
    unsigned number = input->getOperandNumber();
    SmallVector<Value> inputs;
    SmallVector<AffineMap> maps;
    for (OpOperand *other : generic.getDpsInputOperands())
      if (other != input) {
        inputs.push_back(other->get());
        maps.push_back(generic.getMatchingIndexingMap(other));
      }
    maps.push_back(outMap);
    rewriter.setInsertionPoint(op);
    auto copy = linalg::GenericOp::create(
        rewriter, op->getLoc(), TypeRange{input->get().getType()}, inputs,
        ValueRange{input->get()}, maps, generic.getIteratorTypesArray());
    copy->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    rewriter.inlineRegionBefore(generic.getRegion(), copy.getRegion(),
                                copy.getRegion().begin());
    Block *body = copy.getBody();
    unsigned last = body->getNumArguments() - 1;
    body->getArgument(number).replaceAllUsesWith(body->getArgument(last));
    body->eraseArgument(number);
    rewriter.replaceOp(generic, copy->getResults());
    return copy;
  }
  return nullptr;
}

Value mercer::forwardDestination(RewriterBase &rewriter, Value value,
                                 Value destination) {
  Value current = value;
  while (Operation *op = current.getDefiningOp()) {
    if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) {
      if (!insert.getDest().hasOneUse())
        return value;
      if (isEmptyTile(insert.getDest())) {
        if (insert.getDestType() == destination.getType())
          insert.getDestMutable().assign(destination);
        return value;
      }
      current = insert.getDest();
      continue;
    }
    auto dps = dyn_cast<DestinationStyleOpInterface>(op);
    if (!dps)
      return value;
    OpOperand *init = dps.getTiedOpOperand(cast<OpResult>(current));
    if (isEmptyTile(init->get())) {
      if (init->get().getType() == destination.getType()) {
        init->set(destination);
        return value;
      }
      rewriter.setInsertionPoint(op);
      if (!tensor::CastOp::areCastCompatible(destination.getType(),
                                             init->get().getType()))
        return value;
      init->set(tensor::CastOp::create(rewriter, op->getLoc(),
                                       init->get().getType(), destination));
      return value;
    }
    // Another reader still needs the value that would be overwritten.
    if (!isLastReader(init->get(), op))
      return value;
    current = init->get();
  }
  return value;
}
