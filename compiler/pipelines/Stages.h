//===- Stages.h - the stages of a compilation -------------------*- C++ -*-===//
//
// One enum for the driver (--from-stage, --to-stage, --dump-stages), the
// pipelines and the tests. A stage names the form the IR has once it is done.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_COMPILER_PIPELINES_STAGES_H
#define MERCER_COMPILER_PIPELINES_STAGES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <optional>

namespace mercer {

enum class Stage {
  Import,
  Simplify,
  Fuse,
  Schedule,
  Layout,
  Tile,
  Bufferize,
  Distribute,
  Target,
};

/// All stages in the order they run.
llvm::ArrayRef<Stage> allStages();

/// The name as the command line and the dumped files spell it.
llvm::StringRef stageName(Stage stage);

/// Inverse of `stageName`; nullopt for an unknown name.
std::optional<Stage> parseStage(llvm::StringRef name);

} // namespace mercer

#endif
