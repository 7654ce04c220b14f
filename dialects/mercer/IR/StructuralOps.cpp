//===- StructuralOps.cpp - builders and verifiers of contract, window -----===//

#include "dialects/mercer/IR/LoopMaps.h"
#include "dialects/mercer/IR/Mercer.h"
#include "dialects/mercer/IR/RegionUtils.h"

using namespace mlir;
using namespace mercer;

static SmallVector<AffineMap> mapsOf(ArrayAttr attr) {
  return llvm::to_vector(attr.getAsValueRange<AffineMapAttr>());
}

SmallVector<AffineMap> ContractOp::getIndexingMapsArray() {
  return mapsOf(getIndexingMaps());
}
SmallVector<AffineMap> WindowOp::getIndexingMapsArray() {
  return mapsOf(getIndexingMaps());
}
unsigned ContractOp::getNumLoops() {
  return cast<AffineMapAttr>(getIndexingMaps()[0]).getValue().getNumDims();
}
unsigned WindowOp::getNumLoops() {
  return cast<AffineMapAttr>(getIndexingMaps()[0]).getValue().getNumDims();
}

void ContractOp::build(OpBuilder &b, OperationState &state,
                       ArrayRef<AffineMap> maps, ValueRange inputs,
                       Value output) {
  build(b, state, TypeRange{output.getType()}, b.getAffineMapArrayAttr(maps),
        inputs, ValueRange{output});
}

void WindowOp::build(OpBuilder &b, OperationState &state,
                     ArrayRef<AffineMap> maps, ArrayRef<BoundsAttr> bounds,
                     ArrayRef<int64_t> extents, ValueRange inputs,
                     Value output) {
  SmallVector<Attribute> rules(bounds.begin(), bounds.end());
  build(b, state, TypeRange{output.getType()}, b.getAffineMapArrayAttr(maps),
        b.getArrayAttr(rules),
        extents.empty() ? DenseI64ArrayAttr() : b.getDenseI64ArrayAttr(extents),
        inputs, ValueRange{output});
}

Type mercer::getElementOrSelf(Type type) {
  if (auto shaped = dyn_cast<ShapedType>(type))
    return shaped.getElementType();
  return type;
}

LogicalResult mercer::verifyRegionSignature(Operation *op, Region &region,
                                            StringRef what, TypeRange arguments,
                                            TypeRange results) {
  if (!region.hasOneBlock())
    return op->emitOpError("expects the ")
           << what << " region to have one block, got "
           << region.getBlocks().size();
  Block &block = region.front();
  if (block.getNumArguments() != arguments.size())
    return op->emitOpError("expects the ")
           << what << " region to have " << arguments.size()
           << " arguments, got " << block.getNumArguments();
  for (auto [i, got, expected] :
       llvm::enumerate(block.getArgumentTypes(), arguments))
    if (got != expected)
      return op->emitOpError("expects argument ")
             << i << " of the " << what << " region to be " << expected
             << ", got " << got;
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield)
    return op->emitOpError("expects the ")
           << what << " region to end with mercer.yield";
  if (TypeRange(yield.getOperands()) != results) {
    InFlightDiagnostic diag = op->emitOpError("expects the ")
                              << what << " region to yield (";
    llvm::interleaveComma(results, diag);
    diag << "), got (";
    llvm::interleaveComma(yield.getOperandTypes(), diag);
    return diag << ")";
  }
  return success();
}

LogicalResult mercer::verifyMaps(Operation *op, ArrayRef<AffineMap> maps,
                                 unsigned numLoops, unsigned numOutputs) {
  if (maps.size() != op->getNumOperands())
    return op->emitOpError("expects ")
           << op->getNumOperands()
           << " indexing maps, one for each operand, got " << maps.size();
  for (auto [i, map, operand] : llvm::enumerate(maps, op->getOperands())) {
    if (map.getNumDims() != numLoops || map.getNumSymbols() != 0)
      return op->emitOpError("expects indexing map ")
             << i << " over " << numLoops << " loops and no symbols, got "
             << map.getNumDims() << " and " << map.getNumSymbols();
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    int64_t rank = type ? type.getRank() : 0;
    if (map.getNumResults() != rank)
      return op->emitOpError("expects indexing map ")
             << i << " with " << rank << " results, got "
             << map.getNumResults();
  }
  for (auto [i, map] : llvm::enumerate(maps.take_back(numOutputs)))
    if (!map.isProjectedPermutation(/*allowZeroInResults=*/true))
      return op->emitOpError("expects the map of output ")
             << i << " to be a projected permutation, got "
             << AffineMapAttr::get(map);
  return success();
}

LogicalResult mercer::verifyExtents(Operation *op, ArrayRef<AffineMap> maps,
                                    unsigned numLoops,
                                    ArrayRef<int64_t> given) {
  unsigned missing = 0;
  auto sources =
      getLoopSources(op->getOperands(), maps, numLoops, given, &missing);
  if (failed(sources))
    return op->emitOpError("expects an operand dim, or an entry of 'extents', "
                           "that gives the extent of loop ")
           << missing;
  SmallVector<int64_t> extents = getStaticExtents(op->getOperands(), *sources);
  for (auto [i, map, operand] : llvm::enumerate(maps, op->getOperands())) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    if (!type)
      continue;
    for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
      if (type.isDynamicDim(dim))
        continue;
      int64_t size = type.getDimSize(dim);
      if (auto loop = dyn_cast<AffineDimExpr>(expr)) {
        int64_t extent = extents[loop.getPosition()];
        if (!ShapedType::isDynamic(extent) && extent != size)
          return op->emitOpError("expects dim ")
                 << dim << " of operand " << i << " to have the extent "
                 << extent << " of loop " << loop.getPosition() << ", got "
                 << size;
      }
      if (auto packed = matchPacked(expr)) {
        int64_t extent = extents[packed->loop];
        int64_t expected = packed->isMod ? packed->factor
                           : ShapedType::isDynamic(extent)
                               ? size
                               : (extent + packed->factor - 1) / packed->factor;
        if (expected != size &&
            !(packed->isMod && !ShapedType::isDynamic(extent) &&
              size == extent && extent < packed->factor))
          return op->emitOpError("expects dim ")
                 << dim << " of operand " << i << " to have size " << expected
                 << " for the packed access of loop " << packed->loop
                 << ", got " << size;
      }
    }
  }
  return success();
}

/// Checks shared by contract and window: results, maps, extents, regions.
static LogicalResult verifyContraction(Operation *op, ArrayRef<AffineMap> maps,
                                       ArrayRef<int64_t> extents,
                                       ValueRange inputs, ValueRange outputs,
                                       Region &product, Region &reduce) {
  if (outputs.size() != 1)
    return op->emitOpError("expects one output, got ") << outputs.size();
  if (inputs.empty())
    return op->emitOpError("expects at least one input, got none");
  if (TypeRange(outputs) != TypeRange(op->getResultTypes()))
    return op->emitOpError("expects results with the types of the outputs");
  if (maps.empty())
    return op->emitOpError("expects indexing maps, got none");
  unsigned numLoops = maps.front().getNumDims();
  if (failed(verifyMaps(op, maps, numLoops, outputs.size())) ||
      failed(verifyExtents(op, maps, numLoops, extents)))
    return failure();
  Type acc = getElementOrSelf(outputs[0].getType());
  if (!product.empty()) {
    SmallVector<Type> types;
    for (Value input : inputs)
      types.push_back(getElementOrSelf(input.getType()));
    if (failed(verifyRegionSignature(op, product, "product", types, acc)))
      return failure();
  } else {
    for (Value input : inputs) {
      Type element = getElementOrSelf(input.getType());
      if (isa<FloatType>(element) != isa<FloatType>(acc))
        return op->emitOpError("expects a product region to take ")
               << element << " to " << acc;
    }
  }
  if (!reduce.empty() &&
      failed(verifyRegionSignature(op, reduce, "reduce", {acc, acc}, acc)))
    return failure();
  return success();
}

LogicalResult ContractOp::verify() {
  SmallVector<AffineMap> maps = getIndexingMapsArray();
  if (failed(verifyContraction(*this, maps, {}, getInputs(), getOutputs(),
                               getProduct(), getReduce())))
    return failure();
  for (auto [i, map] : llvm::enumerate(maps))
    for (AffineExpr expr : map.getResults())
      if (!isa<AffineDimExpr, AffineConstantExpr>(expr) && !matchPacked(expr))
        return emitOpError(
                   "expects accesses by a loop, a constant, or floordiv "
                   "and mod of a loop by a constant, got ")
               << AffineMapAttr::get(map) << " for operand " << i;
  return success();
}

LogicalResult WindowOp::verify() {
  SmallVector<AffineMap> maps = getIndexingMapsArray();
  ArrayRef<int64_t> extents = getExtents().value_or(ArrayRef<int64_t>());
  if (!maps.empty() && !extents.empty() && extents.size() != getNumLoops())
    return emitOpError("expects ")
           << getNumLoops() << " extents, got " << extents.size();
  if (failed(verifyContraction(*this, maps, extents, getInputs(), getOutputs(),
                               getProduct(), getReduce())))
    return failure();
  if (getBounds().size() != getInputs().size())
    return emitOpError("expects ")
           << getInputs().size() << " bounds rules, one for each input, got "
           << getBounds().size();
  for (auto [i, map] : llvm::enumerate(maps))
    for (AffineExpr expr : map.getResults()) {
      if (matchPacked(expr))
        continue;
      std::optional<LinearExpr> linear = matchLinear(expr, getNumLoops());
      if (!linear ||
          llvm::any_of(linear->coefficients, [](int64_t c) { return c < 0; }))
        return emitOpError("expects accesses that are linear with non-negative "
                           "coefficients or packed, got ")
               << AffineMapAttr::get(map) << " for operand " << i;
    }
  for (auto [i, attr, input] : llvm::enumerate(getBounds(), getInputs())) {
    TypedAttr value = cast<BoundsAttr>(attr).getValue();
    Type element = getElementOrSelf(input.getType());
    if (value && value.getType() != element)
      return emitOpError("expects the bounds value of input ")
             << i << " to be " << element << ", got " << value.getType();
  }
  return success();
}
