//===- MatrixUnits.h - what a warp's product instruction takes --*- C++ -*-===//
//
// `mma.sync` multiplies 16 x K by K x 8. A lane holds pieces of 32 bits: of the
// left operand four, for its row and the one eight below, and for two halves of
// K; of the right operand two. (PTX ISA, "Matrix Fragments for mma".)
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_PASSES_DISTRIBUTE_MATRIXUNITS_H
#define MERCER_PASSES_DISTRIBUTE_MATRIXUNITS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <optional>

namespace mercer::distribute {

struct MatrixProduct {
  /// What fragments hold: f16, bf16, f32 (read as tf32) or i8.
  mlir::Type element;
  /// Sums: f32 or i32.
  mlir::Type sum;

  unsigned bits() const { return element.getIntOrFloatBitWidth(); }
  /// Neighbours along the reduction in one piece.
  int64_t perPiece() const { return 32 / bits(); }
  /// Steps of the reduction of one instruction.
  int64_t depth() const { return 8 * perPiece(); }
  bool tf32() const { return element.isF32(); }
};

/// The instruction for `op`: a sum of products of two elements, at most widened
/// before. 32-bit products only with `tf32`, which rounds them.
std::optional<MatrixProduct> matrixProduct(mlir::linalg::GenericOp op,
                                           bool tf32);

} // namespace mercer::distribute

#endif
