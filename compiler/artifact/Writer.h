//===- Writer.h - the artifact file -----------------------------*- C++ -*-===//
//
// ELF part, constants, directory, footer (runtime/include/mercer/abi.h). The
// file appears complete or not at all.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_COMPILER_ARTIFACT_WRITER_H
#define MERCER_COMPILER_ARTIFACT_WRITER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <functional>
#include <string>

namespace mercer {

/// What was written.
struct ArtifactSizes {
  uint64_t elf = 0;
  uint64_t constants = 0;
  uint64_t total = 0;
};

/// Writes a file under a temporary name beside `path`, flushes it to the disk
/// and renames it. `fill` receives a function that appends bytes. Nothing is
/// left behind on failure. Errors: E4301.
llvm::Error
writeFileAtomically(llvm::StringRef path, bool executable,
                    llvm::function_ref<llvm::Error(
                        llvm::function_ref<llvm::Error(llvm::StringRef)>)>
                        fill);

/// Removes the temporary files of writes that are under way. For handlers of
/// signals after which the process ends: calls nothing that is not
/// async-signal-safe.
void removeUnfinishedFiles() noexcept;

/// Writes the artifact: the linked `elf` with its module id filled in, and
/// `slots`, the bytes of every constant slot of the host program; equal ones
/// are stored once. `progress` hears the part that is written.
llvm::Expected<ArtifactSizes>
writeArtifact(llvm::StringRef path, std::string elf,
              llvm::ArrayRef<llvm::StringRef> slots,
              llvm::function_ref<void(double)> progress);

} // namespace mercer

#endif
