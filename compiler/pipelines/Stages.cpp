//===- Stages.cpp - names of the stages -----------------------------------===//

#include "compiler/pipelines/Stages.h"

#include <cstddef>

using namespace mercer;

namespace {
constexpr Stage stages[] = {Stage::Import,    Stage::Simplify,   Stage::Fuse,
                            Stage::Schedule,  Stage::Layout,     Stage::Tile,
                            Stage::Bufferize, Stage::Distribute, Stage::Target};
constexpr llvm::StringLiteral names[] = {"import",    "simplify",   "fuse",
                                         "schedule",  "layout",     "tile",
                                         "bufferize", "distribute", "target"};
static_assert(std::size(stages) == std::size(names));
} // namespace

llvm::ArrayRef<Stage> mercer::allStages() { return stages; }

llvm::StringRef mercer::stageName(Stage stage) {
  return names[static_cast<size_t>(stage)];
}

std::optional<Stage> mercer::parseStage(llvm::StringRef name) {
  for (size_t i = 0; i < std::size(names); ++i)
    if (names[i] == name)
      return stages[i];
  return std::nullopt;
}
