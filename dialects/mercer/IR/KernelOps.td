// Kernels: the isolated unit of code generation, and what feeds it.
#ifndef MERCER_KERNEL_OPS_TD
#define MERCER_KERNEL_OPS_TD

include "dialects/mercer/IR/OpBase.td"

def Mercer_YieldOp : Mercer_Op<"yield", [Pure, ReturnLike, Terminator]> {
  let summary = "terminates the regions of mercer ops";
  let arguments = (ins Variadic<AnyType>:$operands);
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, {}); }]>];
  let assemblyFormat = "attr-dict ($operands^ `:` type($operands))?";
}

def Mercer_KernelOp : Mercer_Op<"kernel", [
    AttrSizedOperandSegments, IsolatedFromAbove, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface,
          ["reifyResultShapes"]>,
    SingleBlockImplicitTerminator<"YieldOp">, RecursiveMemoryEffects,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "group of computations that becomes one kernel";
  let description = [{
    Everything that computes lies in kernels; around them remain buffers, views
    and index arithmetic. The region sees its operands only. Results are
    written to the destinations `outs`, whose sizes are thereby explicit.
    The schedule is the attribute `mercer.schedule`.

    ```mlir
    %r = mercer.kernel "relu" ins(%a = %x : tensor<4x8xf32>)
        outs(%o = %init : tensor<4x8xf32>)
        attrs {mercer.schedule = {grid = array<i64: 4, 8>}} {
      %z = linalg.elementwise kind=#linalg.elementwise_kind<abs>
          ins(%a : tensor<4x8xf32>) outs(%o : tensor<4x8xf32>) -> tensor<4x8xf32>
      mercer.yield %z : tensor<4x8xf32>
    } -> tensor<4x8xf32>
    ```
  }];
  let arguments = (ins OptionalAttr<StrAttr>:$name, Variadic<AnyType>:$inputs,
                       Variadic<AnyRankedTensor>:$outputs);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let skipDefaultBuilders = 1;
  let builders = [
    // Creates the body block with one argument for each operand, no terminator.
    OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::ValueRange":$inputs,
                   "::mlir::ValueRange":$outputs)>
  ];
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return getOutputsMutable();
    }
    ::mlir::Block *getBodyBlock() { return &getBody().front(); }
    ::mlir::Block::BlockArgListType getInputArgs() {
      return getBodyBlock()->getArguments().take_front(getInputs().size());
    }
    ::mlir::Block::BlockArgListType getOutputArgs() {
      return getBodyBlock()->getArguments().drop_front(getInputs().size());
    }
    YieldOp getYield();
  }];
}

def Mercer_LoadTileOp : Mercer_Op<"load_tile", [
    Pure, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface,
          ["reifyResultShapes"]>]> {
  let summary = "slice that may reach outside of its source";
  let description = [{
    `result[i] = source[offsets + i]` where that element exists, otherwise what
    the bounds rule says: `pad` (zero and value rules), or the mirrored,
    wrapped or nearest element. Offsets may be negative, or lie beyond the end.

    ```mlir
    %t = mercer.load_tile %x[0, %h, -1] [1, 4, 58] pad(%zero : f32) bounds zero
        : tensor<1x?x56xf32> to tensor<1x4x58xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$source, Variadic<Index>:$offsets,
                       Variadic<Index>:$sizes, Optional<AnyType>:$pad,
                       DenseI64ArrayAttr:$static_offsets,
                       DenseI64ArrayAttr:$static_sizes,
                       DefaultValuedAttr<Mercer_BoundsKindAttr,
                           "::mercer::BoundsKind::Zero">:$bounds);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $source `` custom<DynamicIndexList>($offsets, $static_offsets)
    custom<DynamicIndexList>($sizes, $static_sizes)
    (`pad` `(` $pad^ `:` type($pad) `)`)? (`bounds` $bounds^)? attr-dict
    `:` type($source) `to` type($result)
  }];
  let builders = [
    // The result type follows from the static sizes.
    OpBuilder<(ins "::mlir::Value":$source,
                   "::llvm::ArrayRef<::mlir::OpFoldResult>":$offsets,
                   "::llvm::ArrayRef<::mlir::OpFoldResult>":$sizes,
                   "::mlir::Value":$pad,
                   CArg<"::mercer::BoundsKind",
                        "::mercer::BoundsKind::Zero">:$bounds)>
  ];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::llvm::SmallVector<::mlir::OpFoldResult> getMixedOffsets();
    ::llvm::SmallVector<::mlir::OpFoldResult> getMixedSizes();
  }];
}

def Mercer_IndexOp : Mercer_Op<"index", [Pure]> {
  let summary = "position along one loop of the op around";
  let description = [{
    Inside a region of `mercer.pairwise`: the position along loop `dim`.

    ```mlir
    %i = mercer.index 1 : index
    ```
  }];
  let arguments = (ins I64Attr:$dim);
  let results = (outs Index:$result);
  let assemblyFormat = "$dim attr-dict `:` type($result)";
  let hasVerifier = 1;
}

#endif
