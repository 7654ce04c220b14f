//===- Ptxas.h - PTX to machine code by an external program -----*- C++ -*-===//
#ifndef MERCER_BACKENDS_CUDA_PTXAS_H
#define MERCER_BACKENDS_CUDA_PTXAS_H

#include "llvm/ADT/StringRef.h"

#include <optional>
#include <string>

namespace mercer {

/// The machine code of `ptx` for `chip`. On failure nothing, and `error` is
/// what `ptxas` said.
std::optional<std::string> runPtxas(llvm::StringRef ptxas, llvm::StringRef chip,
                                    llvm::StringRef ptx, std::string &error);

} // namespace mercer

#endif
