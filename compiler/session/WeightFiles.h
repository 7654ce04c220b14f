//===- WeightFiles.h - the bytes behind constants ---------------*- C++ -*-===//
//
// Files are mapped once and never copied.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_COMPILER_SESSION_WEIGHTFILES_H
#define MERCER_COMPILER_SESSION_WEIGHTFILES_H

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"

#include <deque>
#include <memory>
#include <string>

namespace mercer {

class WeightFiles {
public:
  /// `folder` is what relative names are relative to.
  explicit WeightFiles(std::string folder) : folder(std::move(folder)) {}

  /// `length` bytes at `offset` of a file. Errors: E2001, E2006.
  llvm::Expected<llvm::StringRef> bytes(llvm::StringRef file, uint64_t offset,
                                        uint64_t length);

  /// Row-major bytes of an attribute's elements; valid as long as this object.
  /// Errors: E3002.
  llvm::Expected<llvm::StringRef> bytes(mlir::ElementsAttr value);

private:
  std::string folder;
  llvm::StringMap<std::unique_ptr<llvm::sys::fs::mapped_file_region>> maps;
  /// Elements that had to be spread out.
  std::deque<std::string> own;
};

} // namespace mercer

#endif
