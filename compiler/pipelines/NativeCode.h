//===- NativeCode.h - a bufferized module as objects ------------*- C++ -*-===//
//
// The target stage of the CPU: kernels and host program become object files
// that link to an artifact.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_COMPILER_PIPELINES_NATIVECODE_H
#define MERCER_COMPILER_PIPELINES_NATIVECODE_H

#include "backends/cpu/CpuBackend.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>
#include <string>
#include <vector>

namespace mercer {

struct NativeCodeOptions {
  unsigned optLevel = 2;
  CpuOutput output = CpuOutput::Object;
  /// Name of the model in the manifest.
  std::string model;
  /// Bytes of constants that were laid out anew, for the manifest.
  int64_t packedBytes = 0;
  /// The processor of the host program where the kernels' target is a GPU.
  TargetInfo host;
  /// Kernels of a GPU as host code that checks every step (backends/emulator).
  bool emulate = false;
  /// Called from several threads at once as kernels are done.
  std::function<void(size_t done, size_t total)> progress;
};

/// One file for every distinct kernel, and the host program's last.
struct NativeCode {
  struct File {
    std::string name;
    std::string bytes;
  };
  std::vector<File> files;
  std::string manifest;
};

/// Takes `module`, at the bufferize stage and without its constant program, to
/// the LLVM dialect: a container with one nested module for every kernel and
/// one, `@host`, for the host program with the module descriptor.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
lowerToLLVMDialect(mlir::ModuleOp module, const NativeCodeOptions &options,
                   std::string &manifest);

/// Emits every nested module of the container, in parallel; the order and the
/// bytes of the result do not depend on that.
mlir::FailureOr<std::vector<NativeCode::File>>
emitNativeCode(mlir::ModuleOp container, const NativeCodeOptions &options);

} // namespace mercer

#endif
