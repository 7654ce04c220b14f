//===- Layout.cpp - which thread holds which element ----------------------===//

#include "passes/distribute/Layout.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <vector>

using namespace mercer::distribute;

static Coordinate combine(llvm::ArrayRef<Coordinate> steps, int64_t number) {
  Coordinate sum;
  for (Coordinate step : steps) {
    if (number & 1) {
      sum.row ^= step.row;
      sum.col ^= step.col;
    }
    number >>= 1;
  }
  return sum;
}

Coordinate Layout::ofRegister(int64_t number) const {
  return combine(registers, number);
}

Coordinate Layout::ofThread(int64_t thread) const {
  Coordinate lane = combine(lanes, thread & ((1 << lanes.size()) - 1));
  Coordinate warp = combine(warps, thread >> lanes.size());
  return {lane.row ^ warp.row, lane.col ^ warp.col};
}

Coordinate Layout::at(int64_t number, int64_t thread) const {
  Coordinate r = ofRegister(number), t = ofThread(thread);
  return {r.row ^ t.row, r.col ^ t.col};
}

Coordinate Layout::threadStep(unsigned bit) const {
  return bit < lanes.size() ? lanes[bit] : warps[bit - lanes.size()];
}

Coordinate Layout::extents() const {
  Coordinate all;
  for (const auto *part : {&registers, &lanes, &warps})
    for (Coordinate step : *part) {
      all.row |= step.row;
      all.col |= step.col;
    }
  return {static_cast<int64_t>(llvm::PowerOf2Ceil(all.row + 1)),
          static_cast<int64_t>(llvm::PowerOf2Ceil(all.col + 1))};
}

int64_t Layout::copyBits() const {
  int64_t bits = 0;
  for (unsigned bit = 0; bit < lanes.size() + warps.size(); ++bit)
    if (threadStep(bit).isZero())
      bits |= int64_t(1) << bit;
  return bits;
}

bool Layout::isBijective() const {
  Coordinate size = extents();
  if (size.row * size.col != numRegisters() * numThreads())
    return false;
  std::vector<bool> owned(size.row * size.col);
  for (int64_t thread = 0; thread < numThreads(); ++thread)
    for (int64_t number = 0; number < numRegisters(); ++number) {
      Coordinate here = at(number, thread);
      std::vector<bool>::reference slot = owned[here.row * size.col + here.col];
      if (slot)
        return false;
      slot = true;
    }
  return true;
}

Layout Layout::rows() const {
  Layout result;
  for (Coordinate step : registers)
    if (step.row != 0)
      result.registers.push_back({step.row, 0});
  for (Coordinate step : lanes)
    result.lanes.push_back({step.row, 0});
  for (Coordinate step : warps)
    result.warps.push_back({step.row, 0});
  return result;
}

int64_t Layout::rowRegister(int64_t number) const {
  int64_t result = 0;
  unsigned bit = 0;
  for (auto [index, step] : llvm::enumerate(registers))
    if (step.row != 0) {
      if ((number >> index) & 1)
        result |= int64_t(1) << bit;
      ++bit;
    }
  return result;
}

bool Layout::operator==(const Layout &other) const {
  return registers == other.registers && lanes == other.lanes &&
         warps == other.warps;
}

/// Appends the steps `from`, 2 `from`, ... below `to` along one coordinate.
static void appendSteps(llvm::SmallVector<Coordinate> &steps, int64_t from,
                        int64_t to, bool row) {
  for (int64_t step = from; step < to; step *= 2)
    steps.push_back(row ? Coordinate{step, 0} : Coordinate{0, step});
}

/// Deals the steps of threads out to lanes first.
static void setThreads(Layout &layout, llvm::ArrayRef<Coordinate> steps,
                       int64_t subgroup) {
  for (Coordinate step : steps)
    (layout.lanes.size() < llvm::Log2_64(subgroup) ? layout.lanes
                                                   : layout.warps)
        .push_back(step);
}

Layout mercer::distribute::blockLayout(int64_t rows, int64_t cols,
                                       int64_t threads, int64_t subgroup) {
  constexpr int64_t across = 8;
  int64_t down = threads / across;
  int64_t blockRows = rows / down;
  int64_t vector = std::min<int64_t>(4, cols / across);
  Layout layout;
  appendSteps(layout.registers, 1, vector, /*row=*/false);
  appendSteps(layout.registers, vector * across, cols, /*row=*/false);
  appendSteps(layout.registers, 1, blockRows, /*row=*/true);
  llvm::SmallVector<Coordinate> steps;
  appendSteps(steps, vector, vector * across, /*row=*/false);
  appendSteps(steps, blockRows, rows, /*row=*/true);
  setThreads(layout, steps, subgroup);
  return layout;
}

Layout mercer::distribute::mmaLayout(int64_t rows, int64_t cols,
                                     int64_t warpRows, int64_t warpCols) {
  Layout layout;
  layout.registers = {{0, 1}, {8, 0}};
  // Tiles of one warp: its columns, then its rows.
  appendSteps(layout.registers, 8, cols / warpCols, /*row=*/false);
  appendSteps(layout.registers, 16, rows / warpRows, /*row=*/true);
  layout.lanes = {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}};
  appendSteps(layout.warps, cols / warpCols, cols, /*row=*/false);
  appendSteps(layout.warps, rows / warpRows, rows, /*row=*/true);
  return layout;
}
