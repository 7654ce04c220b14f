//===- KernelOps.cpp - kernel, load_tile, index ---------------------------===//

#include "dialects/mercer/IR/Mercer.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;
using namespace mercer;

#include "dialects/mercer/IR/PairwiseAssembly.h"

#define GET_OP_CLASSES
#include "dialects/mercer/IR/MercerOps.cpp.inc"

//===----------------------------------------------------------------------===//
// KernelOp
//===----------------------------------------------------------------------===//

void KernelOp::build(OpBuilder &b, OperationState &state, StringRef name,
                     ValueRange inputs, ValueRange outputs) {
  state.addOperands(inputs);
  state.addOperands(outputs);
  state.addTypes(outputs.getTypes());
  auto &properties = state.getOrAddProperties<Properties>();
  properties.operandSegmentSizes = {int(inputs.size()), int(outputs.size())};
  if (!name.empty())
    properties.name = b.getStringAttr(name);
  OpBuilder::InsertionGuard guard(b);
  Region *body = state.addRegion();
  SmallVector<Location> locs;
  for (Value v : inputs)
    locs.push_back(v.getLoc());
  for (Value v : outputs)
    locs.push_back(v.getLoc());
  b.createBlock(body, body->end(), ValueRange(state.operands).getTypes(), locs);
}

// `(%arg = %operand, ... : type, ...)`
static ParseResult
parseBindings(OpAsmParser &parser, SmallVectorImpl<OpAsmParser::Argument> &args,
              SmallVectorImpl<OpAsmParser::UnresolvedOperand> &operands,
              SmallVectorImpl<Type> &types) {
  SmallVector<OpAsmParser::Argument> own;
  if (parser.parseLParen())
    return failure();
  if (succeeded(parser.parseOptionalRParen()))
    return success();
  auto parseOne = [&]() -> ParseResult {
    if (parser.parseArgument(own.emplace_back()) || parser.parseEqual() ||
        parser.parseOperand(operands.emplace_back()))
      return failure();
    return success();
  };
  SMLoc loc = parser.getCurrentLocation();
  SmallVector<Type> ownTypes;
  if (parser.parseCommaSeparatedList(parseOne) ||
      parser.parseColonTypeList(ownTypes) || parser.parseRParen())
    return failure();
  if (own.size() != ownTypes.size())
    return parser.emitError(loc, "expects ")
           << own.size() << " types, got " << ownTypes.size();
  for (auto [arg, type] : llvm::zip_equal(own, ownTypes)) {
    arg.type = type;
    args.push_back(arg);
  }
  llvm::append_range(types, ownTypes);
  return success();
}

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  auto &properties = result.getOrAddProperties<KernelOp::Properties>();
  StringAttr name;
  OptionalParseResult hasName = parser.parseOptionalAttribute(name);
  if (hasName.has_value()) {
    if (failed(*hasName))
      return failure();
    properties.name = name;
  }
  SmallVector<OpAsmParser::Argument> args;
  SmallVector<OpAsmParser::UnresolvedOperand> inputs, outputs;
  SmallVector<Type> inputTypes, outputTypes;
  SMLoc loc = parser.getCurrentLocation();
  if (succeeded(parser.parseOptionalKeyword("ins")) &&
      parseBindings(parser, args, inputs, inputTypes))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("outs")) &&
      parseBindings(parser, args, outputs, outputTypes))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("attrs")) &&
      parser.parseOptionalAttrDict(result.attributes))
    return failure();
  Region *body = result.addRegion();
  if (parser.parseRegion(*body, args))
    return failure();
  KernelOp::ensureTerminator(*body, parser.getBuilder(), result.location);
  if (succeeded(parser.parseOptionalArrow()) &&
      parser.parseTypeList(result.types))
    return failure();
  properties.operandSegmentSizes = {int(inputs.size()), int(outputs.size())};
  return failure(
      parser.resolveOperands(inputs, inputTypes, loc, result.operands) ||
      parser.resolveOperands(outputs, outputTypes, loc, result.operands));
}

void KernelOp::print(OpAsmPrinter &p) {
  if (StringAttr name = getNameAttr()) {
    p << ' ';
    p.printAttributeWithoutType(name);
  }
  auto bindings = [&](StringRef keyword, auto args, OperandRange operands) {
    if (operands.empty())
      return;
    p << ' ' << keyword << '(';
    llvm::interleaveComma(llvm::zip_equal(args, operands), p, [&](auto pair) {
      p.printRegionArgument(std::get<0>(pair), {}, /*omitType=*/true);
      p << " = " << std::get<1>(pair);
    });
    p << " : ";
    llvm::interleaveComma(operands.getTypes(), p);
    p << ')';
  };
  bindings("ins", getInputArgs(), getInputs());
  bindings("outs", getOutputArgs(), getOutputs());
  NamedAttrList attrs((*this)->getDiscardableAttrDictionary());
  if (!attrs.empty()) {
    p << " attrs";
    p.printOptionalAttrDict(attrs);
  }
  p << ' ';
  p.printRegion(getBody(), /*printEntryBlockArgs=*/false);
  if (getNumResults()) {
    p << " -> ";
    llvm::interleaveComma(getResultTypes(), p);
  }
}

YieldOp KernelOp::getYield() {
  return cast<YieldOp>(getBodyBlock()->getTerminator());
}

void KernelOp::getAsmBlockArgumentNames(Region &, OpAsmSetValueNameFn) {}

LogicalResult KernelOp::verify() {
  Block *body = getBodyBlock();
  if (body->getNumArguments() != getNumOperands())
    return emitOpError("expects ")
           << getNumOperands() << " region arguments, got "
           << body->getNumArguments();
  for (auto [i, arg, operand] :
       llvm::enumerate(body->getArguments(), getOperands()))
    if (arg.getType() != operand.getType())
      return emitOpError("expects region argument ")
             << i << " of type " << operand.getType() << ", got "
             << arg.getType();
  YieldOp yield = getYield();
  if (yield.getNumOperands() != getNumResults())
    return emitOpError("expects to yield ")
           << getNumResults() << " values, got " << yield.getNumOperands();
  for (auto [i, value, type] :
       llvm::enumerate(yield.getOperands(), getResultTypes()))
    if (value.getType() != type)
      return emitOpError("expects to yield ")
             << type << " as result " << i << ", got " << value.getType();
  return success();
}

/// Results of a destination-style op have the shape of their destinations.
static LogicalResult reifyFromInits(OpBuilder &b,
                                    DestinationStyleOpInterface op,
                                    ReifiedRankedShapedTypeDims &shapes) {
  for (Value init : op.getDpsInits())
    shapes.push_back(tensor::getMixedSizes(b, op.getLoc(), init));
  return success();
}

#define MERCER_REIFY_FROM_INITS(OP)                                            \
  LogicalResult OP::reifyResultShapes(OpBuilder &b,                            \
                                      ReifiedRankedShapedTypeDims &shapes) {   \
    return reifyFromInits(                                                     \
        b, cast<DestinationStyleOpInterface>(getOperation()), shapes);         \
  }
MERCER_REIFY_FROM_INITS(KernelOp)
MERCER_REIFY_FROM_INITS(ContractOp)
MERCER_REIFY_FROM_INITS(WindowOp)
MERCER_REIFY_FROM_INITS(PairwiseOp)
MERCER_REIFY_FROM_INITS(CombineOp)
MERCER_REIFY_FROM_INITS(FinalizeOp)
MERCER_REIFY_FROM_INITS(AttentionOp)
MERCER_REIFY_FROM_INITS(ConvOp)
MERCER_REIFY_FROM_INITS(GramOp)
MERCER_REIFY_FROM_INITS(KernelMatvecOp)
#undef MERCER_REIFY_FROM_INITS

//===----------------------------------------------------------------------===//
// LoadTileOp
//===----------------------------------------------------------------------===//

SmallVector<OpFoldResult> LoadTileOp::getMixedOffsets() {
  Builder b(getContext());
  return mlir::getMixedValues(getStaticOffsets(), getOffsets(), b);
}

SmallVector<OpFoldResult> LoadTileOp::getMixedSizes() {
  Builder b(getContext());
  return mlir::getMixedValues(getStaticSizes(), getSizes(), b);
}

void LoadTileOp::build(OpBuilder &b, OperationState &state, Value source,
                       ArrayRef<OpFoldResult> offsets,
                       ArrayRef<OpFoldResult> sizes, Value pad,
                       BoundsKind bounds) {
  SmallVector<int64_t> staticOffsets, staticSizes;
  SmallVector<Value> dynamicOffsets, dynamicSizes;
  dispatchIndexOpFoldResults(offsets, dynamicOffsets, staticOffsets);
  dispatchIndexOpFoldResults(sizes, dynamicSizes, staticSizes);
  auto type = cast<RankedTensorType>(source.getType());
  build(b, state, RankedTensorType::get(staticSizes, type.getElementType()),
        source, dynamicOffsets, dynamicSizes, pad, staticOffsets, staticSizes,
        bounds);
}

LogicalResult LoadTileOp::verify() {
  auto source = cast<RankedTensorType>(getSource().getType());
  auto result = cast<RankedTensorType>(getType());
  int64_t rank = source.getRank();
  if (int64_t(getStaticOffsets().size()) != rank ||
      int64_t(getStaticSizes().size()) != rank)
    return emitOpError("expects ")
           << rank << " offsets and sizes, got " << getStaticOffsets().size()
           << " and " << getStaticSizes().size();
  if (llvm::count_if(getStaticOffsets(), ShapedType::isDynamic) !=
          int64_t(getOffsets().size()) ||
      llvm::count_if(getStaticSizes(), ShapedType::isDynamic) !=
          int64_t(getSizes().size()))
    return emitOpError("expects one operand for each dynamic offset and size");
  if (result.getElementType() != source.getElementType())
    return emitOpError("expects element type ")
           << source.getElementType() << ", got " << result.getElementType();
  if (result.getShape() != getStaticSizes())
    return emitOpError("expects a result of the shape that the sizes say, got ")
           << result;
  bool wantsPad =
      getBounds() == BoundsKind::Zero || getBounds() == BoundsKind::Value;
  if (wantsPad != bool(getPad()))
    return emitOpError("expects a pad value exactly for the rules 'zero' and "
                       "'value', got '")
           << stringifyBoundsKind(getBounds()) << "' "
           << (getPad() ? "with" : "without") << " one";
  if (getPad() && getPad().getType() != source.getElementType())
    return emitOpError("expects a pad value of type ")
           << source.getElementType() << ", got " << getPad().getType();
  return success();
}

LogicalResult
LoadTileOp::reifyResultShapes(OpBuilder &,
                              ReifiedRankedShapedTypeDims &shapes) {
  shapes.push_back(getMixedSizes());
  return success();
}

LogicalResult IndexOp::verify() {
  auto pairwise = (*this)->getParentOfType<PairwiseOp>();
  if (!pairwise)
    return emitOpError("expects to stand inside a region of mercer.pairwise");
  if (getDim() >= pairwise.getNumLoops())
    return emitOpError("expects a loop below ")
           << pairwise.getNumLoops() << ", got " << getDim();
  return success();
}
