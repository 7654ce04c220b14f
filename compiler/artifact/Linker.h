//===- Linker.h - objects to one shared object, in process ------*- C++ -*-===//
//
// Users need no toolchain: lld is part of the compiler.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_COMPILER_ARTIFACT_LINKER_H
#define MERCER_COMPILER_ARTIFACT_LINKER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace mercer {

/// Links ELF objects, given as bytes, to a shared object that exports
/// `exported` only. The result depends on nothing but its arguments. Errors:
/// E3003, E4301.
llvm::Expected<std::string>
linkSharedObject(llvm::ArrayRef<llvm::StringRef> objects,
                 llvm::StringRef exported);

/// Joins ELF objects to one relocatable object. Errors: as above.
llvm::Expected<std::string>
linkRelocatable(llvm::ArrayRef<llvm::StringRef> objects);

} // namespace mercer

#endif
