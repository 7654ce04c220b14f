//===- ScheduleOracle.h - tile sizes of one kernel --------------*- C++ -*-===//
//
// The one place that turns the shape of a kernel and the facts of a target
// into a schedule. Today rules on cache and register sizes; whatever replaces
// them answers the same question.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_COMPILER_COST_SCHEDULEORACLE_H
#define MERCER_COMPILER_COST_SCHEDULEORACLE_H

#include "dialects/mercer/IR/TargetInfo.h"

#include "llvm/ADT/SmallVector.h"

#include <string>

namespace mercer {

/// What a dim of the grid is to the kernel's root operation.
enum class DimRole {
  Batch,   // in all operands
  Row,     // in the left operand only: rows of a product, pixels
  Col,     // in the right operand only: columns, output channels
  Channel, // in all operands of a window, one filter for each
  Query,   // rows of a pairwise operation
  Free,    // of a group without a root
};

struct GridDim {
  int64_t extent = 0; // ShapedType::kDynamic where unknown
  DimRole role = DimRole::Free;
  /// A tile of t reads (t - 1) * stride + halo of the left operand.
  int64_t stride = 1, halo = 1;
  /// Neighbours along this dim lie side by side in the result.
  bool contiguous = false;
  /// Tiles other than 1 must be multiples of this.
  int64_t multipleOf = 1;
};

struct KernelShape {
  enum class Kind { Contract, Window, Pairwise, Group } kind = Kind::Group;
  /// In the order of the root's loops.
  llvm::SmallVector<GridDim> dims;
  /// Product of the extents that are reduced.
  int64_t reduction = 1;
  /// Elements of the left operand for each point of the dims it has.
  int64_t leftElements = 1;
  int64_t elementBits = 32;
  /// Bytes that all values of the group have for each grid point.
  int64_t pointBytes = 4;
  /// The right operand is a constant, or computed before: it can be packed.
  bool packable = false;
  /// The group has to run as one tile.
  bool single = false;
  double flops = 0, bytes = 0;
};

struct Schedule {
  /// Tile sizes of the grid and of the loop inside a tile, one for each dim;
  /// 0 leaves the dim whole.
  llvm::SmallVector<int64_t> grid, inner;
  /// Width of the panels that the right operand is packed into; 0: not packed.
  int64_t rhsPanel = 0;
  /// Rows and columns that a pairwise operation has at hand at once; 0: the
  /// lowering's own choice.
  int64_t pairRows = 0, pairCols = 0;
  std::string why;
  /// Roofline estimate for one core.
  double seconds = 0;
};

Schedule chooseSchedule(const KernelShape &shape, const TargetInfo &target);

/// Extent assumed for a dim of unknown size.
constexpr int64_t kAssumedExtent = 128;

} // namespace mercer

#endif
