//===- RegionUtils.h - checks shared by the verifiers -----------*- C++ -*-===//
#ifndef MERCER_DIALECTS_MERCER_IR_REGIONUTILS_H
#define MERCER_DIALECTS_MERCER_IR_REGIONUTILS_H

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Operation.h"

namespace mercer {

/// Element type of a tensor; the type itself for a scalar.
mlir::Type getElementOrSelf(mlir::Type type);

/// One block with these argument types, ended by a mercer.yield of `results`.
mlir::LogicalResult verifyRegionSignature(mlir::Operation *op,
                                          mlir::Region &region,
                                          llvm::StringRef what,
                                          mlir::TypeRange arguments,
                                          mlir::TypeRange results);

/// One map for each operand over `numLoops` loops with the operand's rank;
/// those of the last `numOutputs` operands are projected permutations.
mlir::LogicalResult verifyMaps(mlir::Operation *op,
                               llvm::ArrayRef<mlir::AffineMap> maps,
                               unsigned numLoops, unsigned numOutputs);

/// Every loop has an extent and static operand dims agree with it.
mlir::LogicalResult verifyExtents(mlir::Operation *op,
                                  llvm::ArrayRef<mlir::AffineMap> maps,
                                  unsigned numLoops,
                                  llvm::ArrayRef<int64_t> given);

} // namespace mercer

#endif
