// The mercer dialect itself. Ops stand in sibling .td files, one idea each.
#ifndef MERCER_DIALECT_TD
#define MERCER_DIALECT_TD

include "mlir/IR/OpBase.td"

def Mercer_Dialect : Dialect {
  let name = "mercer";
  let cppNamespace = "::mercer";
  let summary = "attention, convolution and kernel methods as few structural operations";
  let description = [{
    Softmax attention is a kernel smoother, a convolution is a windowed
    contraction, a Gram matrix is a pairwise map. The dialect exists so that
    these are one compiler problem: a handful of destination-style operations
    whose meaning lies in indexing maps and regions, not in name variants.
    Whatever upstream `linalg`, `tensor`, `arith` and `math` can say is said
    with them.
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
    "::mlir::tensor::TensorDialect"
  ];
  let useDefaultAttributePrinterParser = 1;
}

#endif
