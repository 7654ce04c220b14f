//===- KernelData.h - an emulated kernel as constant data -------*- C++ -*-===//
//
// Collects what the emulator's runtime has to know of a kernel and writes it as
// a MercerEmuKernel.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_BACKENDS_EMULATOR_KERNELDATA_H
#define MERCER_BACKENDS_EMULATOR_KERNELDATA_H

#include "runtime/emulator/Emulator.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <string>

namespace mercer {

class KernelData {
public:
  /// Number of an operation, for messages.
  uint32_t addSite(mlir::Operation *op);
  /// Number of a buffer; `factors` are words of params.
  uint32_t addBuffer(int64_t kind, int64_t number, int64_t bytes, int64_t place,
                     int64_t elements, llvm::ArrayRef<int64_t> factors = {});

  int64_t threads = 0, subgroup = 0, sharedBytes = 0, maxBankConflicts = -1;

  /// Writes the data at the end of `module`; returns the MercerEmuKernel.
  mlir::LLVM::GlobalOp write(mlir::ModuleOp module, mlir::Location loc,
                             llvm::StringRef name) const;

private:
  std::string sites;
  uint32_t numSites = 0, numBuffers = 0;
  llvm::SmallVector<int64_t> buffers;
};

} // namespace mercer

#endif
