//===- Manifest.h - what an artifact says about itself ----------*- C++ -*-===//
//
// Collected while the entry points still have their types and attributes;
// printed as JSON (docs/artifact.md) once kernels and sites are known.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_COMPILER_PIPELINES_MANIFEST_H
#define MERCER_COMPILER_PIPELINES_MANIFEST_H

#include "dialects/mercer/IR/TargetInfo.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

#include <string>

namespace mercer {

/// Name of the manifest's type for an element type; used where the model did
/// not state one. Empty if there is none.
std::string manifestTypeName(mlir::Type type);

class ManifestBuilder {
public:
  /// Reads the entry points of a module at the bufferize stage.
  ManifestBuilder(mlir::ModuleOp module, int64_t packedBytes);

  void addKernel(llvm::StringRef name, llvm::StringRef source);

  /// Sites as `mercer-lower-host` left them; `firstIndex` maps a kernel
  /// function to its first table index.
  void addSites(mlir::ArrayAttr sites,
                llvm::function_ref<int64_t(llvm::StringRef)> firstIndex);

  /// `target` is where kernels run, `host` where the host program does; equal
  /// for a CPU.
  std::string print(llvm::StringRef model, const TargetInfo &target,
                    const TargetInfo &host,
                    llvm::ArrayRef<std::string> deviceFeatures);

private:
  llvm::json::Array entries, kernels, sites;
};

} // namespace mercer

#endif
