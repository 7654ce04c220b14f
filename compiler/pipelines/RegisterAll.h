//===- RegisterAll.h - every dialect and pass of Mercer ---------*- C++ -*-===//
//
// Used by mercer-opt (all passes by name) and by the session (dialects only).
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_COMPILER_PIPELINES_REGISTERALL_H
#define MERCER_COMPILER_PIPELINES_REGISTERALL_H

namespace mlir {
class DialectRegistry;
}

namespace mercer {

/// Mercer's dialects and the upstream dialects, interfaces and translations
/// that a compilation meets.
void registerAllMercerDialects(mlir::DialectRegistry &registry);

/// Mercer's passes under their command-line names.
void registerAllMercerPasses();

} // namespace mercer

#endif
