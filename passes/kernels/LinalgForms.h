//===- LinalgForms.h - one form for linalg on buffers -----------*- C++ -*-===//
//
// Code generators read `linalg.generic` on buffers only: this brings all else
// to it, and says where a product and a sum are one rounding.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_PASSES_KERNELS_LINALGFORMS_H
#define MERCER_PASSES_KERNELS_LINALGFORMS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace mercer {

/// Copies and named ops below `root` become `linalg.generic`; hints on them are
/// kept. Fails with a diagnostic on tensors and on ops without that form.
mlir::LogicalResult toGenericForm(mlir::Operation *root);

/// In a body with an accumulator, `previous + a * b` rounds once where the
/// target can; all blocks of an op do the same, so results do not depend on
/// the place of an element.
void fuseMultiplyAdd(mlir::linalg::GenericOp op);

/// Writes `affine.apply` in the body as plain arithmetic.
void expandAffineInBody(mlir::linalg::GenericOp op);

} // namespace mercer

#endif
