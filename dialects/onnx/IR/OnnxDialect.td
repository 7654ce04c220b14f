//===- OnnxDialect.td - dialect that holds an imported ONNX graph -*- tablegen -*-===//
//
// An ONNX model enters the compiler as one generic operation per node. The
// dialect knows nothing of what a node computes: operator knowledge lives in
// the raising patterns and in the lowering, so that a new operator or a new
// operator version never changes the IR.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_DIALECTS_ONNX_IR_ONNXDIALECT
#define MERCER_DIALECTS_ONNX_IR_ONNXDIALECT

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/OpBase.td"

def Onnx_Dialect : Dialect {
  let name = "onnx";
  let cppNamespace = "::mercer::onnx";
  let summary = "ONNX graphs as imported";
  let description = [{
    One `onnx.node` per ONNX node, with its attributes as a dictionary and its
    subgraphs as regions. Values are tensors with the element types of ONNX:
    unsigned integers are `ui8`, ..., `bool` is `i1`; types that have no builtin
    counterpart (`string`, sequences, optionals, maps) are types of this dialect.
    The dialect exists between import and `mercer-lower-onnx`, which removes it.
  }];
  let useDefaultTypePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

class Onnx_Type<string name, string typeMnemonic, list<Trait> traits = []>
    : TypeDef<Onnx_Dialect, name, traits> {
  let mnemonic = typeMnemonic;
}

def Onnx_AbsentType : Onnx_Type<"Absent", "none"> {
  let summary = "type of an optional operand that is absent";
}

def Onnx_AnyType : Onnx_Type<"Any", "any"> {
  let summary = "type, or element type, that import cannot know";
  let description = [{
    Stands for a whole value (`!onnx.any`) or for an element type
    (`tensor<*x!onnx.any>`). The lowering infers the real type.
  }];
}

def Onnx_StringType : Onnx_Type<"String", "string"> {
  let summary = "element type of string tensors";
}

def Onnx_SequenceType : Onnx_Type<"Sequence", "seq"> {
  let summary = "sequence of values of one type";
  let parameters = (ins "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $elementType `>`";
}

def Onnx_OptionalType : Onnx_Type<"Optional", "optional"> {
  let summary = "value that may be absent at run time";
  let parameters = (ins "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $elementType `>`";
}

def Onnx_MapType : Onnx_Type<"Map", "map"> {
  let summary = "map from a key type to a value type";
  let parameters = (ins "::mlir::Type":$keyType, "::mlir::Type":$valueType);
  let assemblyFormat = "`<` $keyType `,` $valueType `>`";
}

#endif // MERCER_DIALECTS_ONNX_IR_ONNXDIALECT
