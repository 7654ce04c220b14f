//===- Convert.h - ONNX types and tensors as MLIR types and attributes ----===//

#ifndef MERCER_COMPILER_FRONTEND_ONNX_CONVERT_H
#define MERCER_COMPILER_FRONTEND_ONNX_CONVERT_H

#include "compiler/frontend/onnx/TensorStore.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"

namespace mercer::onnx {

/// The element type, null for a number that is no data type. `Undefined` is
/// `!onnx.any`.
mlir::Type convertElementType(int32_t dataType, mlir::MLIRContext *context);

/// The type; sizes that are negative or symbolic are dynamic. Null if an
/// element type does not exist.
mlir::Type convertType(const TypeInfo &type, mlir::MLIRContext *context);

/// The whole tensor as an attribute, strings included.
llvm::FailureOr<mlir::ElementsAttr> convertTensor(const Tensor &tensor,
                                                  TensorStore &store,
                                                  mlir::MLIRContext *context,
                                                  Refusal &refusal);

/// `elements` as an attribute of `type`.
mlir::ElementsAttr convertElements(llvm::StringRef bytes,
                                   mlir::RankedTensorType type);

/// A sparse tensor made dense.
llvm::FailureOr<mlir::ElementsAttr> convertSparse(const SparseTensor &sparse,
                                                  TensorStore &store,
                                                  mlir::MLIRContext *context,
                                                  Refusal &refusal);

/// Types of the results of a node as far as the operator alone tells: element
/// types mostly, as unranked tensors. The lowering does not rely on them.
llvm::SmallVector<mlir::Type>
guessResultTypes(llvm::StringRef opType, llvm::StringRef domain,
                 mlir::DictionaryAttr attributes,
                 llvm::ArrayRef<mlir::Type> inputs, size_t numResults,
                 mlir::MLIRContext *context);

} // namespace mercer::onnx

#endif // MERCER_COMPILER_FRONTEND_ONNX_CONVERT_H
