//===- Session.h - the compiler as a library --------------------*- C++ -*-===//
//
// What mercerc does, without a command line: no global state, no printing, any
// number of compilations at once in one process.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_COMPILER_SESSION_SESSION_H
#define MERCER_COMPILER_SESSION_SESSION_H

#include "compiler/artifact/CodedError.h"
#include "compiler/pipelines/Stages.h"

#include "llvm/Support/Error.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mercer {

/// What a compilation writes.
enum class Emit {
  SharedObject,
  Object,
  LLVM,
  Assembly,
  MLIR,
  // Of the kernels of a GPU, one after the other:
  Spirv,
  Ptx,
  Cubin
};

struct CompileOptions {
  /// "cpu", "cuda" or "vulkan".
  std::string target = "cpu";
  /// Of a GPU: sm_80, sm_90a, ..., or vulkan1.1, ...; empty: the backend's
  /// default.
  std::string chip;
  /// native, x86-64-v2, x86-64-v3, x86-64-v4 or sapphirerapids. Empty: native,
  /// but x86-64-v2 for the host program of a GPU, which travels with its
  /// artifact.
  std::string cpu;
  /// Kernels of a GPU as host code that checks every step; the artifact is one
  /// for the CPU (docs/emulator.md).
  bool emulate = false;
  Emit emit = Emit::SharedObject;
  /// Inputs by name whose shape is fixed.
  std::vector<std::pair<std::string, std::vector<int64_t>>> shapes;
  /// Inner tensors returned after the model's own outputs.
  std::vector<std::string> outputs;
  /// "ieee": no reduced-precision products; "tf32": products of singles may be
  /// rounded to ten bits of mantissa (CUDA).
  std::string precision = "ieee";
  /// The stage whose form a .mlir input has; guessed from its operations when
  /// not given.
  std::optional<Stage> fromStage;
  /// The last stage that runs; one before `target` emits MLIR.
  std::optional<Stage> toStage;
  /// Folder for one numbered .mlir file a stage; empty: none.
  std::string dumpStages;
  unsigned optLevel = 2;
  /// Fill `CompileReport::kernels`.
  bool explain = false;
};

struct Diagnostic {
  enum class Severity { Error, Warning, Remark, Note };
  Severity severity = Severity::Error;
  /// Number of error_codes.def; 0 for notes and remarks without one.
  int code = 0;
  std::string message;
  /// File and place, or the node of the model; may be empty.
  std::string place;
};

/// Calls come on the thread that compiles, except `progress`.
struct CompileCallbacks {
  std::function<void(const Diagnostic &)> diagnostic;
  /// A phase of the work and how much of it is done, 0 to 1.
  std::function<void(llvm::StringRef phase, double done)> progress;
};

/// One kernel of the result, for --explain.
struct KernelReport {
  std::string name;
  /// The model's nodes at every place that launches it.
  std::vector<std::vector<std::string>> sites;
  /// Types of inputs and outputs.
  std::vector<std::string> inputs, outputs;
  /// Kinds of the operations fused, and how many of each.
  std::vector<std::pair<std::string, unsigned>> operations;
  /// `mercer.schedule` as text, and why it was chosen.
  std::string schedule, reason;
  /// Per launch; -1 where sizes are symbolic.
  double flops = -1, bytes = -1;
  /// Milliseconds on one core by the roofline of the target; -1: unknown.
  double predictedMs = -1;
  /// Neighbours that stayed outside, and why.
  std::vector<std::string> notFused;
};

struct CompileReport {
  std::vector<KernelReport> kernels;
  uint64_t bytesWritten = 0;
  uint64_t constantBytes = 0;
  uint64_t packedBytes = 0;
};

/// Compiles the model at `input` (.onnx or .mlir) to the file `output`; "-"
/// writes text to standard output. Nothing is written on failure. The error has
/// the code of the first error diagnostic.
llvm::Expected<CompileReport> compileFile(llvm::StringRef input,
                                          llvm::StringRef output,
                                          const CompileOptions &options,
                                          const CompileCallbacks &callbacks);

/// Version of the compiler, "major.minor.patch".
llvm::StringRef compilerVersion();

} // namespace mercer

#endif
