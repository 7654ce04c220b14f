//===- Barriers.h - where the threads of a workgroup must meet --*- C++ -*-===//
//
// Between two barriers every element of memory has one owner, or is only read.
// The analysis follows the code in the order it is written and asks for a
// barrier before the first access that would break this.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_PASSES_DISTRIBUTE_BARRIERS_H
#define MERCER_PASSES_DISTRIBUTE_BARRIERS_H

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"

namespace mercer::distribute {

/// Buffers that an operation touches.
struct Touch {
  llvm::SmallVector<unsigned, 4> reads, writes;
};

class Barriers {
public:
  /// Whether a barrier must stand before an operation that touches `touch`.
  bool needed(const Touch &touch) const;
  /// The operation was written.
  void add(const Touch &touch);
  /// A barrier was written.
  void clear();
  /// After a branch either of two states holds.
  void join(const Barriers &other);
  /// At the end of a loop's body: whether its next iteration could meet what
  /// this one left. `whole` is all that the body touches.
  bool neededBefore(const Touch &whole) const { return needed(whole); }

private:
  /// Touched since the latest barrier.
  llvm::DenseMap<unsigned, bool> touched; // buffer -> written
};

} // namespace mercer::distribute

#endif
