// Operations of the host program: constants, buffers and launches. Between
// them stands only upstream control flow, index arithmetic and views.
#ifndef MERCER_HOST_OPS_TD
#define MERCER_HOST_OPS_TD

include "dialects/mercer/IR/MercerDialect.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Mercer_HostOp<string mnemonic, list<Trait> traits = []>
    : Op<Mercer_Dialect, mnemonic, traits>;

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

def Mercer_WeightOp : Mercer_HostOp<"weight", [Pure]> {
  let summary = "trained constant that stays in its file";
  let description = [{
    The `length` bytes at `offset` of `file`, little-endian and row-major, seen
    as a tensor. Relative names are relative to the model's folder. The data is
    mapped when constants are evaluated or written; it never enters the IR.

    ```mlir
    %w = mercer.weight "model.onnx"[4096, 37632] : tensor<64x3x7x7xf32>
    ```
  }];
  let arguments = (ins StrAttr:$file, I64Attr:$offset, I64Attr:$length);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$file `[` $offset `,` $length `]` attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Mercer_PrecomputedOp : Mercer_HostOp<"precomputed", [Pure]> {
  let summary = "result of the constant program";
  let description = [{
    Result number `index` of the constant program (the `@main` of the nested
    module `@mercer_constants`), which the compiler runs on the host and whose
    results it stores in the artifact.

    ```mlir
    %b = mercer.precomputed 3 : tensor<16x768x48xf32>
    ```
  }];
  let arguments = (ins I64Attr:$index);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$index attr-dict `:` type($result)";
}

def Mercer_ConstantOp : Mercer_HostOp<"constant", [Pure]> {
  let summary = "constant of the artifact's constants section";
  let description = [{
    Entry `slot` of the constants section. The module attribute
    `mercer.constants` says for each slot where its bytes come from.

    ```mlir
    %w = mercer.constant 0 : memref<64x3x7x7xf32>
    ```
  }];
  let arguments = (ins I64Attr:$slot);
  let results = (outs AnyStaticShapeMemRef:$result);
  let assemblyFormat = "$slot attr-dict `:` type($result)";
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

def Mercer_ArenaOp : Mercer_HostOp<"arena", [MemoryEffects<[MemAlloc]>]> {
  let summary = "the one working buffer of a run";
  let description = [{
    `bytes` bytes, aligned to 64, asked for once a run; the runtime keeps the
    block between runs of a context.

    ```mlir
    %arena = mercer.arena %bytes : memref<?xi8>
    ```
  }];
  let arguments = (ins Index:$bytes);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = "$bytes attr-dict `:` type($result)";
}

def Mercer_OutputOp : Mercer_HostOp<"output", [MemoryEffects<[MemAlloc]>]> {
  let summary = "buffer of one of the entry point's outputs";
  let description = [{
    Tells the runtime the dims of output `index` and receives its buffer: the
    caller's own, or one from the allocator callback.

    ```mlir
    %o = mercer.output 0(%n) : memref<?x768xf32>
    ```
  }];
  let arguments = (ins I64Attr:$index, Variadic<Index>:$dims);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = "$index `(` $dims `)` attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Mercer_StateOp : Mercer_HostOp<"state", [MemoryEffects<[MemAlloc]>]> {
  let summary = "session-owned buffer updated in place";
  let description = [{
    Buffer `index` of the session: zero at its first use, kept from run to run.

    ```mlir
    %cache = mercer.state 0 : memref<1x8x1024x64xf32>
    ```

    With `axis`, that dim grows: the buffer has the session's capacity there
    (`capacity` unless the session is made with another), and `length` is how
    much of it is in use, 0 at first. `mercer.set_state_length` changes it.

    ```mlir
    %keys, %rows = mercer.state 0 axis 2 capacity 1024 : memref<1x8x?x64xf32>, index
    ```
  }];
  let arguments = (ins I64Attr:$index, OptionalAttr<I64Attr>:$axis,
                       OptionalAttr<I64Attr>:$capacity);
  let results = (outs AnyMemRef:$result, Optional<Index>:$length);
  let assemblyFormat = [{
    $index (`axis` $axis^ `capacity` $capacity)? attr-dict `:`
    type($result) (`,` type($length)^)?
  }];
  let hasVerifier = 1;
}

def Mercer_SetStateLengthOp
    : Mercer_HostOp<"set_state_length", [MemoryEffects<[MemWrite]>]> {
  let summary = "how much of a growing state is in use from the next run on";
  let description = [{
    Leaves the run with E4201 where `length` is beyond the session's capacity, so
    it stands before the launches that write the new part. A run that fails
    changes no length.

    ```mlir
    mercer.set_state_length 0, %rows
    ```
  }];
  let arguments = (ins I64Attr:$index, Index:$length);
  let assemblyFormat = "$index `,` $length attr-dict";
}

def Mercer_ReadOp : Mercer_HostOp<"read", [
    AllTypesMatch<["source", "result"]>, MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "makes a buffer readable for the host";
  let description = [{
    The only synchronisation of a host program: `result` shows `source` as the
    launches so far have written it, until the next read.

    ```mlir
    %r = mercer.read %lengths : memref<4xi64>
    ```
  }];
  let arguments = (ins AnyMemRef:$source);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = "$source attr-dict `:` type($source)";
}

//===----------------------------------------------------------------------===//
// Launch
//===----------------------------------------------------------------------===//

def Mercer_LaunchOp : Mercer_HostOp<"launch", [AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "runs all phases of a kernel";
  let description = [{
    Runs kernel `kernel` on `inputs` (buffers and scalars), writing `outputs`.
    On tensors the results are the outputs' new values; on buffers there are
    none. `nodes` names the model's nodes that the kernel computes here: equal
    kernels are one function, so the names belong to the launch.

    ```mlir
    mercer.launch @gemm_bias(%a, %w, %n) outs(%c) {nodes = ["/fc/Gemm"]}
      : (memref<?x768xf32>, memref<16x768x48xf32>, index) outs(memref<?x768xf32>)
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyType>:$inputs,
                       Variadic<AnyType>:$outputs,
                       OptionalAttr<StrArrayAttr>:$nodes);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $kernel `(` $inputs `)` `outs` `(` $outputs `)` attr-dict `:`
    `(` type($inputs) `)` `outs` `(` type($outputs) `)` (`->` type($results)^)?
  }];
  let hasVerifier = 1;
}

#endif
