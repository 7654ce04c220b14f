//===- DestinationForwarding.h - compute where the result goes --*- C++ -*-===//
#ifndef MERCER_PASSES_TILING_DESTINATIONFORWARDING_H
#define MERCER_PASSES_TILING_DESTINATIONFORWARDING_H

#include "mlir/IR/PatternMatch.h"

namespace mercer {

/// Rebuilds the chain of computations that ends in `value` to start from
/// `destination`, a slice of what `value` will be inserted into, in place of
/// an empty tensor: no copy is left between the two. Returns the value that
/// replaces `value`.
mlir::Value forwardDestination(mlir::RewriterBase &rewriter, mlir::Value value,
                               mlir::Value destination);

/// An elementwise generic whose input ends here writes over that input rather
/// than into scratch of its own. Returns the replacement, or null.
mlir::Operation *reuseInput(mlir::RewriterBase &rewriter, mlir::Operation *op);

} // namespace mercer

#endif
