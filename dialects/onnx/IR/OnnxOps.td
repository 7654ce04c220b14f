//===- OnnxOps.td - operations of the onnx dialect ---------*- tablegen -*-===//

#ifndef MERCER_DIALECTS_ONNX_IR_ONNXOPS
#define MERCER_DIALECTS_ONNX_IR_ONNXOPS

include "dialects/onnx/IR/OnnxDialect.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Onnx_Op<string mnemonic, list<Trait> traits = []>
    : Op<Onnx_Dialect, mnemonic, traits>;

def Onnx_NodeOp : Onnx_Op<"node", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    RecursiveMemoryEffects]> {
  let summary = "node of an ONNX graph";
  let description = [{
    Applies the ONNX operator `op_type` of `domain` as defined at `opset`, the
    version that the model imports for that domain. The default domain is the
    empty string. Raising introduces nodes of the domain `mercer`, whose
    operators are listed in docs/onnx.md.

    Operands are positional; an absent optional operand is an `onnx.none`, absent
    trailing operands are left out. Attributes are a dictionary: INT is an `i64`,
    FLOAT an `f32`, STRING a string, INTS `array<i64>`, FLOATS `array<f32>`,
    STRINGS and TENSORS arrays, TENSOR an elements attribute, TYPE_PROTO a type.
    GRAPH attributes are regions, named by `subgraph_names`; they may use values
    of the enclosing graph.

    ```mlir
    %y = onnx.node "Conv"(%x, %w) opset 17 {group = 2 : i64, strides = array<i64: 2, 2>}
        : (tensor<1x4x8x8xf32>, tensor<6x2x3x3xf32>) -> tensor<*xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$inputs,
                       StrAttr:$op_type,
                       DefaultValuedStrAttr<StrAttr, "">:$domain,
                       I64Attr:$opset,
                       DictionaryAttr:$node_attributes,
                       OptionalAttr<StrArrayAttr>:$subgraph_names);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region VariadicRegion<MaxSizedRegion<1>>:$subgraphs);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [
    OpBuilder<(ins "::mlir::TypeRange":$outputs, "::llvm::StringRef":$opType,
                   "::mlir::ValueRange":$inputs,
                   CArg<"::llvm::ArrayRef<::mlir::NamedAttribute>", "{}">:$attributes,
                   CArg<"::llvm::StringRef", "\"\"">:$domain,
                   CArg<"int64_t", "25">:$opset,
                   CArg<"::llvm::ArrayRef<::llvm::StringRef>", "{}">:$subgraphNames)>,
  ];
  let extraClassDeclaration = [{
    /// Domain of the nodes that raising introduces.
    static constexpr ::llvm::StringLiteral kMercerDomain{"mercer"};
    /// Domain of the classical machine learning operators.
    static constexpr ::llvm::StringLiteral kMLDomain{"ai.onnx.ml"};

    /// True if this node is operator `opType` of `domain`.
    bool is(::llvm::StringRef opType, ::llvm::StringRef domain = "") {
      return getOpType() == opType && getDomain() == domain;
    }
    /// Operand `index`, or null if it is absent (left out or `onnx.none`).
    ::mlir::Value input(unsigned index);
    bool hasInput(unsigned index) { return input(index) != nullptr; }
    /// Result `index`, or null if the node declares fewer results.
    ::mlir::Value output(unsigned index);
    /// Number of operands up to the last one that is present.
    unsigned numPresentInputs();

    /// The value of operand `index` if it is a constant held in the IR; null
    /// for run-time values and for weights, which stay in the model's file.
    ::mlir::ElementsAttr constantInput(unsigned index);
    /// The elements of a constant integer or bool operand in row-major order.
    std::optional<::llvm::SmallVector<int64_t>> constantInts(unsigned index);
    /// The elements of a constant floating-point operand in row-major order.
    std::optional<::llvm::SmallVector<double>> constantFloats(unsigned index);

    /// The attribute `name` of the node, null if absent.
    ::mlir::Attribute attr(::llvm::StringRef name) { return getNodeAttributes().get(name); }
    bool hasAttribute(::llvm::StringRef name) { return attr(name) != nullptr; }
    /// Typed access with the operator's default. An attribute of another type
    /// reads as the default; `mercer-check-onnx` reports the mismatch.
    int64_t intAttr(::llvm::StringRef name, int64_t fallback = 0);
    double floatAttr(::llvm::StringRef name, double fallback = 0.0);
    ::llvm::StringRef stringAttr(::llvm::StringRef name, ::llvm::StringRef fallback = "");
    ::llvm::SmallVector<int64_t> intsAttr(::llvm::StringRef name,
                                          ::llvm::ArrayRef<int64_t> fallback = {});
    ::llvm::SmallVector<float> floatsAttr(::llvm::StringRef name,
                                          ::llvm::ArrayRef<float> fallback = {});
    ::llvm::SmallVector<::llvm::StringRef> stringsAttr(::llvm::StringRef name);
    ::mlir::ElementsAttr tensorAttr(::llvm::StringRef name);

    /// The region of the GRAPH attribute `name`, null if there is none.
    ::mlir::Region *subgraph(::llvm::StringRef name);
  }];
}

def Onnx_NoneOp : Onnx_Op<"none", [Pure]> {
  let summary = "optional operand that is absent";
  let description = [{
    ```mlir
    %none = onnx.none
    ```
  }];
  let results = (outs Onnx_AbsentType:$result);
  let assemblyFormat = "attr-dict";
  let builders = [OpBuilder<(ins), [{
    build($_builder, $_state, AbsentType::get($_builder.getContext()));
  }]>];
}

def Onnx_YieldOp : Onnx_Op<"yield", [Pure, Terminator, ReturnLike,
                                     ParentOneOf<["::mercer::onnx::NodeOp"]>]> {
  let summary = "outputs of a subgraph";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange{}); }]>];
}

#endif // MERCER_DIALECTS_ONNX_IR_ONNXOPS
