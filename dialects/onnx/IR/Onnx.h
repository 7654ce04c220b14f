//===- Onnx.h - the onnx dialect --------------------------------*- C++ -*-===//
//
// Types and operations that hold an imported ONNX graph until it is lowered,
// and free helpers to look at constants in such a graph.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_DIALECTS_ONNX_IR_ONNX_H
#define MERCER_DIALECTS_ONNX_IR_ONNX_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include <optional>

#include "dialects/onnx/IR/OnnxDialect.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/onnx/IR/OnnxTypes.h.inc"

#define GET_OP_CLASSES
#include "dialects/onnx/IR/OnnxOps.h.inc"

namespace mercer::onnx {

/// The node that produces `value`, null for anything else.
NodeOp producer(mlir::Value value);
/// The node that produces `value` if it is operator `opType` of `domain`.
NodeOp producer(mlir::Value value, llvm::StringRef opType,
                llvm::StringRef domain = "");

/// The constant that `value` is, if it is held in the IR.
mlir::ElementsAttr constantValue(mlir::Value value);
std::optional<llvm::SmallVector<int64_t>> constantInts(mlir::Value value);
std::optional<llvm::SmallVector<double>> constantFloats(mlir::Value value);
/// The number that `value` is, if it is a constant with exactly one element
/// or with all elements equal.
std::optional<double> constantScalar(mlir::Value value);

/// True for values that are known before the model runs: constants in the IR
/// and weights in the model's file.
bool isConstantLike(mlir::Value value);

/// ONNX's name of an element type ("float32", "uint8", "bool", ...), empty for
/// a type that is none.
llvm::StringRef dtypeName(mlir::Type elementType);

/// Element type of a tensor value; null if the value is no tensor or its
/// element type is unknown.
mlir::Type elementType(mlir::Value value);

} // namespace mercer::onnx

#endif // MERCER_DIALECTS_ONNX_IR_ONNX_H
