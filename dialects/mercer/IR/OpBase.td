// Common base of all mercer ops.
#ifndef MERCER_OP_BASE_TD
#define MERCER_OP_BASE_TD

include "dialects/mercer/IR/KernelInterface.td"
include "dialects/mercer/IR/MercerAttrs.td"
include "dialects/mercer/IR/MercerDialect.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/TilingInterface.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"

class Mercer_Op<string mnemonic, list<Trait> traits = []>
    : Op<Mercer_Dialect, mnemonic, traits>;

/// Destination style: results have the types of the `outputs` operands.
class Mercer_DpsOp<string mnemonic, list<Trait> traits = []>
    : Mercer_Op<mnemonic, !listconcat(traits, [
        DestinationStyleOpInterface,
        DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface,
          ["reifyResultShapes"]>])>;

/// A structural op: tileable, with a cost, its meaning in maps and regions.
class Mercer_StructuralOp<string mnemonic, list<Trait> traits = []>
    : Mercer_DpsOp<mnemonic, !listconcat(traits, [
        AttrSizedOperandSegments, RecursiveMemoryEffects,
        DeclareOpInterfaceMethods<KernelOpInterface>,
        DeclareOpInterfaceMethods<TilingInterface, [
          "getLoopIteratorTypes", "getIterationDomain",
          "getTiledImplementation", "getResultTilePosition",
          "generateResultTileValue", "getIterationDomainTileFromResultTile",
          "isOpFusableWithConsumerSlice"]>])> {
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let hasVerifier = 1;
}

#endif
