//===- Import.h - from an ONNX file to the import stage ---------*- C++ -*-===//

#ifndef MERCER_COMPILER_FRONTEND_ONNX_IMPORT_H
#define MERCER_COMPILER_FRONTEND_ONNX_IMPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringRef.h"
#include <string>
#include <utility>
#include <vector>

namespace mercer {

struct ImportOptions {
  /// Inputs by name whose shape is fixed. Each must agree with the sizes that
  /// the model states; symbols take the size everywhere.
  std::vector<std::pair<std::string, std::vector<int64_t>>> shapes;
  /// Values to return after the model's own outputs.
  std::vector<std::string> outputs;
};

/// Imports the model at `path` as a module of one function `@main` over
/// `onnx.node`. Refusals are diagnostics that start with their code; the
/// location of a node is its name within the line `index + 1` of the file.
/// The module refers to weights by their place in the file.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
importOnnx(llvm::StringRef path, const ImportOptions &options,
           mlir::MLIRContext *context);

/// The same for a model in memory; all constants are copied into the module.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
importOnnxBytes(llvm::StringRef bytes, llvm::StringRef name,
                const ImportOptions &options, mlir::MLIRContext *context);

} // namespace mercer

#endif // MERCER_COMPILER_FRONTEND_ONNX_IMPORT_H
