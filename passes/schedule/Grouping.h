//===- Grouping.h - which operations become one kernel ----------*- C++ -*-===//
//
// Operations join one group when one tile of the group can be computed from
// start to end without looking at another tile: their loops correspond, along
// every value between them, on at least one dim that is cut nowhere.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_PASSES_SCHEDULE_GROUPING_H
#define MERCER_PASSES_SCHEDULE_GROUPING_H

#include "passes/schedule/LoopModel.h"

#include "llvm/ADT/DenseMap.h"

#include <string>

namespace mercer {

struct GroupingLimits {
  /// Operations in one group.
  unsigned maxOps = 1024;
  /// Bytes that one grid point of a group may produce: a row of every
  /// intermediate must stay in the second-level cache.
  int64_t maxPointBytes = 256 * 1024;
  /// Grid points below which a group loses parallelism that is worth keeping.
  int64_t minPoints = 64;
  /// A group whose values together have at most this many elements, and whose
  /// loops at most `smallWork` points, is not cut at all.
  int64_t smallElements = 16 * 1024;
  int64_t smallWork = 64 * 1024;
  /// A slice joins its producer where a grid point has at most these bytes.
  int64_t sliceBytes = 4096;
  /// Extent assumed for a dim of unknown size.
  int64_t assumedExtent = 128;
};

struct GroupedOp {
  mlir::Operation *op = nullptr;
  LoopModel model;
  /// For each loop the dim of the group that it is, or -1.
  llvm::SmallVector<int> dims;
  unsigned group = 0;
};

struct KernelGroup {
  llvm::SmallVector<unsigned> members; // in program order when finished
  /// The dims that a grid may cut; indices into nothing but `dims` of members.
  llvm::SmallVector<int> grid;
  bool heavy = false;
  bool small = false;
  /// Why the group ends where it ends: one line for each refused neighbour.
  llvm::SmallVector<std::string> refused;
};

/// Groups of one block, in an order in which they can run.
struct Grouping {
  std::vector<GroupedOp> ops;
  std::vector<KernelGroup> groups;
};

/// Groups the computing operations of `block`.
Grouping groupOperations(mlir::Block &block, const GroupingLimits &limits);

} // namespace mercer

#endif
