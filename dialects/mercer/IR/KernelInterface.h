//===- KernelInterface.h - what schedulers ask of an op ---------*- C++ -*-===//
#ifndef MERCER_DIALECTS_MERCER_IR_KERNELINTERFACE_H
#define MERCER_DIALECTS_MERCER_IR_KERNELINTERFACE_H

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/OpDefinition.h"

namespace mercer {

/// The legal tilings of one loop of a structural op.
struct LoopRule {
  /// A grid may cut this loop; reductions outside of a partial form may not.
  bool tileable = true;
  /// Tile sizes other than 1 are multiples of this (a packed panel's width) or
  /// divide it.
  int64_t multipleOf = 1;
};

} // namespace mercer

#include "dialects/mercer/IR/KernelInterface.h.inc"

#endif
