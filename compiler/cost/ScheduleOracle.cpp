//===- ScheduleOracle.cpp - tile sizes of one kernel ----------------------===//

#include "compiler/cost/ScheduleOracle.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mercer;
using mlir::ShapedType;

/// Enough tiles to keep a pool of threads busy to the end.
static constexpr int64_t kWantedTiles = 16;

static int64_t known(int64_t extent) {
  return ShapedType::isDynamic(extent) ? kAssumedExtent : extent;
}

/// The tile of at most `limit` that cuts `extent` into equal parts as nearly
/// as `step` allows.
static int64_t balancedTile(int64_t extent, int64_t limit, int64_t step) {
  limit = std::max(step, limit / step * step);
  if (ShapedType::isDynamic(extent))
    return limit;
  if (extent <= limit)
    return extent;
  // A tile that divides the extent keeps all sizes static: worth up to half.
  for (int64_t tile = limit; tile * 2 > limit; tile -= step)
    if (extent % tile == 0)
      return tile;
  int64_t parts = llvm::divideCeil(extent, limit);
  int64_t tile = llvm::alignTo(llvm::divideCeil(extent, parts), step);
  return std::min(tile, limit);
}

/// Panels are a few vectors wide: the accumulators of a register block of
/// several rows then fill the register file (8 x 3, 6 x 4 and 14 x 2 vectors of
/// 32 registers measured alike, 75-89% of the peak).
static int64_t choosePanel(int64_t extent, int64_t lanes, bool window,
                           int64_t registers) {
  int64_t widest = registers >= 32 ? 4 : 2;
  llvm::SmallVector<int64_t> vectors;
  if (window)
    vectors = {2, 1, 3, 4};
  else
    vectors = {3, 4, 2, 1};
  int64_t best = 0, bestWaste = 0;
  for (int64_t count : vectors) {
    if (count > widest)
      continue;
    int64_t panel = count * lanes;
    int64_t waste = ShapedType::isDynamic(extent)
                        ? 0
                        : llvm::alignTo(extent, panel) - extent;
    if (best == 0 || waste < bestWaste) {
      best = panel;
      bestWaste = waste;
    }
  }
  return best;
}

static int64_t countTiles(const KernelShape &shape,
                          llvm::ArrayRef<int64_t> grid) {
  int64_t tiles = 1;
  for (auto [dim, tile] : llvm::zip_equal(shape.dims, grid))
    if (tile > 0)
      tiles *= llvm::divideCeil(known(dim.extent), tile);
  return tiles;
}

/// Cuts columns, in whole panels, until there are enough tiles.
static void splitColumns(const KernelShape &shape, Schedule &schedule,
                         int64_t panel, int64_t wanted) {
  bool last = true;
  for (int64_t index = shape.dims.size() - 1; index >= 0; --index) {
    const GridDim &dim = shape.dims[index];
    if (dim.role != DimRole::Col)
      continue;
    // Panels run along the last column dim; others are like a batch.
    if (!last) {
      schedule.grid[index] = 1;
      continue;
    }
    last = false;
    int64_t others = std::max<int64_t>(1, countTiles(shape, schedule.grid));
    int64_t parts = llvm::divideCeil(wanted, others);
    int64_t panels = llvm::divideCeil(known(dim.extent), panel);
    parts = std::min(parts, panels);
    // Equal parts keep every panel's width static; a bounded last one costs
    // masks in the inner loop (a 3x3 window of 512 channels: 31 against 3 ms).
    for (int64_t more = parts; more <= std::min(panels, 2 * parts); ++more)
      if (panels % more == 0) {
        parts = more;
        break;
      }
    int64_t tile = llvm::divideCeil(panels, parts) * panel;
    if (ShapedType::isDynamic(dim.extent))
      tile = 4 * panel;
    schedule.grid[index] =
        !ShapedType::isDynamic(dim.extent) && tile >= dim.extent ? 0 : tile;
    schedule.inner[index] = panel;
    if (!ShapedType::isDynamic(dim.extent) && dim.extent <= panel)
      schedule.inner[index] = 0;
  }
}

static void scheduleContract(const KernelShape &shape, const TargetInfo &target,
                             Schedule &schedule) {
  int64_t lanes = target.lanes(shape.elementBits);
  int64_t bytes = shape.elementBits / 8;
  int64_t cols = 1;
  for (const GridDim &dim : shape.dims)
    if (dim.role == DimRole::Col)
      cols = dim.extent;
  int64_t panel = choosePanel(cols, lanes, false, target.vectorRegisters);
  schedule.rhsPanel = shape.packable ? panel : 0;

  // The rows of a tile meet every panel in turn: they have to stay in half of
  // the second-level cache, the panel in the other half.
  int64_t rows =
      target.l2Bytes / 2 / std::max<int64_t>(1, shape.reduction * bytes);
  rows = std::clamp<int64_t>(rows / 8 * 8, 8, 96);
  int64_t left = rows;
  for (int64_t index = shape.dims.size() - 1; index >= 0; --index) {
    const GridDim &dim = shape.dims[index];
    if (dim.role == DimRole::Batch) {
      schedule.grid[index] = 1;
    } else if (dim.role == DimRole::Row) {
      int64_t tile = balancedTile(dim.extent, left, left >= 8 ? 8 : 1);
      schedule.grid[index] = tile;
      left = std::max<int64_t>(1, left / tile);
    }
  }
  splitColumns(shape, schedule, panel, kWantedTiles);
  llvm::raw_string_ostream(schedule.why)
      << "row tile of " << rows << " so that rows x " << shape.reduction
      << " fit half of L2; panels of " << panel << " columns";
}

static void scheduleWindow(const KernelShape &shape, const TargetInfo &target,
                           Schedule &schedule) {
  int64_t lanes = target.lanes(shape.elementBits);
  int64_t bytes = shape.elementBits / 8;
  int64_t cols = 0;
  for (const GridDim &dim : shape.dims)
    if (dim.role == DimRole::Col)
      cols = dim.extent;
  int64_t panel = choosePanel(cols, lanes, true, target.vectorRegisters);
  schedule.rhsPanel = shape.packable && cols != 0 ? panel : 0;

  // Pixels of one tile: the input tile with its halo takes at most half of L2,
  // as each tile streams all weights; the last pixel dim stays long, it is the
  // register block.
  int64_t budget = target.l2Bytes / 2;
  int64_t channels = 1;
  for (auto [index, dim] : llvm::enumerate(shape.dims))
    if (dim.role == DimRole::Channel) {
      int64_t tile = balancedTile(dim.extent, 4 * lanes, lanes);
      schedule.grid[index] = tile;
      channels *= std::min(tile, known(dim.extent));
    }
  int64_t used = shape.leftElements * channels * bytes;
  int64_t pixels = 1;
  for (int64_t index = shape.dims.size() - 1; index >= 0; --index) {
    const GridDim &dim = shape.dims[index];
    if (dim.role == DimRole::Batch) {
      schedule.grid[index] = 1;
      continue;
    }
    if (dim.role != DimRole::Row)
      continue;
    int64_t fit =
        (budget / std::max<int64_t>(1, used) - dim.halo) / dim.stride + 1;
    // Enough pixels to reuse each panel of weights about 128 times.
    int64_t want = std::max<int64_t>(1, llvm::divideCeil<int64_t>(128, pixels));
    int64_t tile = std::clamp<int64_t>(std::min(fit, want), 1, 128);
    tile = balancedTile(dim.extent, tile, 1);
    schedule.grid[index] = tile;
    pixels *= std::min(tile, known(dim.extent));
    used *= (std::min(tile, known(dim.extent)) - 1) * dim.stride + dim.halo;
  }
  if (cols != 0)
    splitColumns(shape, schedule, panel, kWantedTiles / 2);
  llvm::raw_string_ostream os(schedule.why);
  os << "tile of " << pixels << " pixels, input tile of " << used / 1024
     << " KiB in L2";
  if (cols != 0)
    os << "; panels of " << panel << " output channels";
}

static void schedulePairwise(const KernelShape &shape, const TargetInfo &target,
                             Schedule &schedule) {
  int64_t lanes = target.lanes(shape.elementBits);
  int64_t chosen = 0;
  for (auto [index, dim] : llvm::enumerate(shape.dims)) {
    if (dim.role == DimRole::Batch) {
      schedule.grid[index] = 1;
    } else if (dim.role == DimRole::Query) {
      // Queries lie in the lanes: among 3 and 4 vectors take what pads least.
      int64_t best = 4 * lanes;
      if (!ShapedType::isDynamic(dim.extent)) {
        for (int64_t tile : {3 * lanes, 2 * lanes, lanes})
          if (llvm::alignTo(dim.extent, tile) <
              llvm::alignTo(dim.extent, best) - lanes / 2)
            best = tile;
        best = std::min(best, dim.extent);
      }
      schedule.grid[index] = best;
      chosen = best;
    }
  }
  llvm::raw_string_ostream(schedule.why)
      << "query tile of " << chosen << ", queries in vector lanes";
}

static void scheduleGroup(const KernelShape &shape, const TargetInfo &target,
                          Schedule &schedule) {
  int64_t lanes = target.lanes(shape.elementBits);
  // All values of one tile stay in the first-level cache from operation to
  // operation; starting a tile costs little beside passing over 32 KiB.
  int64_t points = std::max<int64_t>(
      1, target.l1Bytes / std::max<int64_t>(1, shape.pointBytes));
  int64_t total = 1;
  for (const GridDim &dim : shape.dims)
    total *= known(dim.extent);
  // Spread over threads where there is enough to do.
  if (total * shape.pointBytes > 64 * 1024)
    points = std::min<int64_t>(points, llvm::divideCeil(total, kWantedTiles));
  int64_t left = points;
  for (int64_t index = shape.dims.size() - 1; index >= 0; --index) {
    const GridDim &dim = shape.dims[index];
    int64_t step = dim.contiguous && left >= lanes ? lanes : 1;
    // The contiguous dim is not cut into pieces shorter than four vectors.
    int64_t limit = dim.contiguous ? std::max(left, 4 * lanes) : left;
    int64_t tile = balancedTile(dim.extent, limit, step);
    schedule.grid[index] = tile;
    left = std::max<int64_t>(1, left / std::min(tile, known(dim.extent)));
  }
  llvm::raw_string_ostream(schedule.why)
      << "tiles of about " << points << " points of " << shape.pointBytes
      << " bytes";
}

/// Tiles of a workgroup. Products: as many points as every thread has
/// accumulators for; the rest: what shared memory holds of all values.
static void scheduleWorkgroup(const KernelShape &shape,
                              const TargetInfo &target, Schedule &schedule) {
  using Kind = KernelShape::Kind;
  llvm::raw_string_ostream why(schedule.why);
  if (shape.kind == Kind::Pairwise) {
    // With matrix units a warp has 16 queries: their rows need no exchange.
    int64_t queries = target.hasMatrixUnits && shape.elementBits <= 16
                          ? target.threads / 2
                          : 64;
    for (auto [index, dim] : llvm::enumerate(shape.dims)) {
      if (dim.role == DimRole::Batch)
        schedule.grid[index] = 1;
      else if (dim.role == DimRole::Query)
        schedule.grid[index] = queries;
    }
    schedule.pairRows = queries;
    schedule.pairCols = 64;
    why << "query tile of " << queries;
    return;
  }
  if (shape.kind == Kind::Group) {
    // Half of shared memory: two workgroups can be on one processor.
    int64_t points = std::min(target.sharedBytes / 2 /
                                  std::max<int64_t>(1, shape.pointBytes),
                              8 * target.threads);
    int64_t left = std::max<int64_t>(1, points);
    for (int64_t index = shape.dims.size() - 1; index >= 0; --index) {
      const GridDim &dim = shape.dims[index];
      int64_t limit = dim.contiguous ? std::max(left, target.subgroup) : left;
      int64_t tile = balancedTile(dim.extent, limit, 1);
      schedule.grid[index] = tile;
      left = std::max<int64_t>(1, left / std::min(tile, known(dim.extent)));
    }
    why << "tiles of about " << points << " points of " << shape.pointBytes
        << " bytes";
    return;
  }
  // 64 x 64 points where there are as many; long rows where rows are few.
  int64_t rowExtent = 1, colExtent = 1;
  for (const GridDim &dim : shape.dims) {
    if (dim.role == DimRole::Row)
      rowExtent *= known(dim.extent);
    if (dim.role == DimRole::Col)
      colExtent *= known(dim.extent);
  }
  int64_t rows = std::min<int64_t>(64, llvm::PowerOf2Ceil(rowExtent));
  int64_t cols = std::min<int64_t>(rows < 16   ? 256
                                   : rows < 64 ? 128
                                               : 64,
                                   llvm::PowerOf2Ceil(colExtent));
  int64_t rowsLeft = rows, colsLeft = cols, channels = target.subgroup;
  for (int64_t index = shape.dims.size() - 1; index >= 0; --index) {
    const GridDim &dim = shape.dims[index];
    int64_t *left = dim.role == DimRole::Row       ? &rowsLeft
                    : dim.role == DimRole::Col     ? &colsLeft
                    : dim.role == DimRole::Channel ? &channels
                                                   : nullptr;
    if (!left) {
      schedule.grid[index] = 1;
      continue;
    }
    int64_t tile =
        ShapedType::isDynamic(dim.extent) ? *left : std::min(*left, dim.extent);
    schedule.grid[index] = tile;
    *left = std::max<int64_t>(1, *left / tile);
  }
  why << "tile of " << rows << " rows and " << cols << " columns";
}

Schedule mercer::chooseSchedule(const KernelShape &shape,
                                const TargetInfo &target) {
  Schedule schedule;
  schedule.grid.assign(shape.dims.size(), 0);
  schedule.inner.assign(shape.dims.size(), 0);
  if (shape.single || shape.dims.empty()) {
    schedule.why = shape.single ? "too small to cut"
                                : "no dim can be cut through the whole group";
  } else {
    if (target.isGpu())
      scheduleWorkgroup(shape, target, schedule);
    else
      switch (shape.kind) {
      case KernelShape::Kind::Contract:
        scheduleContract(shape, target, schedule);
        break;
      case KernelShape::Kind::Window:
        scheduleWindow(shape, target, schedule);
        break;
      case KernelShape::Kind::Pairwise:
        schedulePairwise(shape, target, schedule);
        break;
      case KernelShape::Kind::Group:
        scheduleGroup(shape, target, schedule);
        break;
      }
    for (auto [index, dim] : llvm::enumerate(shape.dims)) {
      int64_t &tile = schedule.grid[index];
      if (tile > 1 && tile % dim.multipleOf != 0)
        tile = llvm::alignTo(tile, dim.multipleOf);
      if (!ShapedType::isDynamic(dim.extent) && tile >= dim.extent)
        tile = 0;
    }
  }
  // Nominal core: two FMA units at 2.5 GHz and 12 GB/s of memory.
  double peak =
      2.5e9 * 2 * (target.hasFma ? 2 : 1) * target.lanes(shape.elementBits);
  schedule.seconds = std::max(shape.flops / peak, shape.bytes / 12e9);
  return schedule;
}
