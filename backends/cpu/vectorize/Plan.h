//===- Plan.h - how a loop nest becomes vector code -------------*- C++ -*-===//
//
// The decisions of the generator, apart from the IR that it writes: which loop
// goes over the lanes, how many vectors and rows one register block holds, the
// order of the loops, and how each result is kept.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_BACKENDS_CPU_VECTORIZE_PLAN_H
#define MERCER_BACKENDS_CPU_VECTORIZE_PLAN_H

#include "backends/cpu/vectorize/Nest.h"
#include "dialects/mercer/IR/TargetInfo.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <optional>

namespace mercer::cpu {

/// Where a result lives while the nest runs.
enum class Keep {
  /// In registers, over all reduction loops.
  Accumulator,
  /// In memory: read (where used) and written at each step.
  Memory,
};

struct Output {
  Keep keep = Keep::Memory;
  /// How two partial results join; needed when the lanes go along a reduction.
  std::optional<mlir::vector::CombiningKind> combiner;
  /// The body reads the previous value.
  bool readsPrevious = true;
};

struct Plan {
  unsigned lane = 0;
  /// Lanes of one vector; a power of two.
  int64_t lanes = 1;
  /// Vectors side by side in one block.
  int64_t vectors = 1;
  /// Per loop: rows of one block (1 where the loop just runs).
  llvm::SmallVector<int64_t> block;
  /// Parallel loops outside in, with the lane loop when it is parallel.
  llvm::SmallVector<unsigned> parallel;
  /// Reduction loops outside in, with the lane loop last when it reduces.
  llvm::SmallVector<unsigned> reductions;
  /// Reduction loops written out instead of looped.
  llvm::SmallVector<bool> unrolled;
  /// Sums of floats are taken in parts of bounded length, which are then added
  /// up: the level of `reductions` that is cut, and the iterations of a part.
  std::optional<unsigned> partLevel;
  int64_t partSteps = 0;
  llvm::SmallVector<Output> outputs;
  /// Set where the op is a transpose: the loop along which those inputs are
  /// contiguous that are strided along the lanes.
  std::optional<unsigned> transposed;

  bool laneReduces(const Nest &nest) const {
    return nest.loops[lane].reduction;
  }
  /// A result that is a sum of floats kept in registers. It starts from zero,
  /// and what it is added to joins at the end: started from a bias much larger
  /// than the terms, every step would round to the bias' magnitude.
  bool sums(const Nest &nest, unsigned output) const;
};

/// Fails, with the reason in `why`, where the generator has no form for the op.
mlir::FailureOr<Plan> makePlan(mlir::linalg::GenericOp op, const Nest &nest,
                               const TargetInfo &target, std::string &why);

} // namespace mercer::cpu

#endif
