//===- Explain.h - what became of a model -----------------------*- C++ -*-===//
//
// Reads the kernels of a module at the tile stage for --explain.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_COMPILER_SESSION_EXPLAIN_H
#define MERCER_COMPILER_SESSION_EXPLAIN_H

#include "compiler/session/Session.h"

#include "mlir/IR/BuiltinOps.h"

namespace mercer {

std::vector<KernelReport> explainKernels(mlir::ModuleOp module);

/// For people: one paragraph a kernel.
std::string printReport(const CompileReport &report);

/// One JSON object.
std::string printReportAsJson(const CompileReport &report);

} // namespace mercer

#endif
