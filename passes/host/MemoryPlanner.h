//===- MemoryPlanner.h - buffers with lifetimes in one arena ----*- C++ -*-===//
//
// Sizes may be symbolic. The planner therefore places buffers for one
// representative size each and returns, beside the offsets, which buffers lie
// directly below which: offset(b) = max over a below b of offset(a) + size(a)
// is free of overlap for every size, and equals the plan for the
// representative ones.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_PASSES_HOST_MEMORYPLANNER_H
#define MERCER_PASSES_HOST_MEMORYPLANNER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>

namespace mercer {

/// A buffer that is live from step `first` to step `last`, both included.
struct BufferLifetime {
  int64_t first = 0;
  int64_t last = 0;
  /// Bytes; representative where the true size is symbolic. At least 0.
  int64_t bytes = 0;

  bool conflictsWith(const BufferLifetime &other) const {
    return first <= other.last && other.first <= last;
  }
};

struct MemoryPlan {
  /// Byte offset of every buffer, in the order of the request.
  llvm::SmallVector<int64_t> offsets;
  /// For every buffer the buffers its offset must clear, transitively reduced;
  /// none: it starts at 0.
  llvm::SmallVector<llvm::SmallVector<unsigned>> below;
  /// Buffers above which nothing lies: the peak is the largest end of these.
  llvm::SmallVector<unsigned> tops;
  /// Bytes of the arena, and the most bytes that are ever live at one step:
  /// no plan can be smaller.
  int64_t peak = 0;
  int64_t lowerBound = 0;
};

/// Places `buffers` at multiples of `alignment`.
MemoryPlan planMemory(llvm::ArrayRef<BufferLifetime> buffers,
                      int64_t alignment = 64);

} // namespace mercer

#endif
