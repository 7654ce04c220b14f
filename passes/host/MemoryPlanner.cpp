//===- MemoryPlanner.cpp - buffers with lifetimes in one arena ------------===//

#include "passes/host/MemoryPlanner.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

using namespace llvm;
using namespace mercer;

namespace {

struct Placement {
  SmallVector<int64_t> offsets;
  int64_t peak = 0;
};

/// Places buffers one by one in `order`, each into the smallest gap between
/// those already placed that are live at the same time.
Placement placeInOrder(ArrayRef<BufferLifetime> buffers,
                       ArrayRef<int64_t> sizes, ArrayRef<unsigned> order) {
  Placement result;
  result.offsets.assign(buffers.size(), 0);
  // Placed buffers by offset.
  std::vector<unsigned> placed;
  placed.reserve(buffers.size());
  for (unsigned index : order) {
    int64_t cursor = 0, best = -1;
    int64_t bestGap = std::numeric_limits<int64_t>::max();
    for (unsigned other : placed) {
      if (!buffers[other].conflictsWith(buffers[index]))
        continue;
      int64_t gap = result.offsets[other] - cursor;
      if (gap >= sizes[index] && gap < bestGap) {
        bestGap = gap;
        best = cursor;
      }
      cursor = std::max(cursor, result.offsets[other] + sizes[other]);
    }
    int64_t offset = best >= 0 ? best : cursor;
    result.offsets[index] = offset;
    result.peak = std::max(result.peak, offset + sizes[index]);
    auto at = std::upper_bound(
        placed.begin(), placed.end(), offset,
        [&](int64_t o, unsigned p) { return o < result.offsets[p]; });
    placed.insert(at, index);
  }
  return result;
}

/// Most bytes live at any step.
int64_t mostLive(ArrayRef<BufferLifetime> buffers, ArrayRef<int64_t> sizes) {
  std::map<int64_t, int64_t> change;
  for (auto [buffer, size] : zip_equal(buffers, sizes)) {
    change[buffer.first] += size;
    change[buffer.last + 1] -= size;
  }
  int64_t live = 0, most = 0;
  for (auto [step, delta] : change) {
    live += delta;
    most = std::max(most, live);
  }
  return most;
}

} // namespace

MemoryPlan mercer::planMemory(ArrayRef<BufferLifetime> buffers,
                              int64_t alignment) {
  MemoryPlan plan;
  unsigned n = buffers.size();
  // A buffer of no bytes still gets a place of its own: its true size may be
  // symbolic and larger than the representative.
  SmallVector<int64_t> sizes;
  for (const BufferLifetime &buffer : buffers)
    sizes.push_back(std::max<int64_t>(
        alignTo(std::max<int64_t>(buffer.bytes, 1), alignment), alignment));
  plan.lowerBound = mostLive(buffers, sizes);

  // Different orders win on different graphs and placing is cheap: take the
  // best of four, stop early at the lower bound.
  SmallVector<unsigned> order(n);
  std::iota(order.begin(), order.end(), 0);
  auto length = [&](unsigned i) { return buffers[i].last - buffers[i].first; };
  SmallVector<std::function<bool(unsigned, unsigned)>> orders = {
      [&](unsigned a, unsigned b) { return sizes[a] > sizes[b]; },
      [&](unsigned a, unsigned b) {
        return static_cast<double>(sizes[a]) * (length(a) + 1) >
               static_cast<double>(sizes[b]) * (length(b) + 1);
      },
      [&](unsigned a, unsigned b) { return length(a) > length(b); },
      [&](unsigned a, unsigned b) {
        return buffers[a].first < buffers[b].first;
      },
  };
  Placement best;
  best.peak = std::numeric_limits<int64_t>::max();
  for (const auto &less : orders) {
    SmallVector<unsigned> sorted = order;
    // Ties go to the earlier request: the plan must be deterministic.
    sort(sorted, [&](unsigned a, unsigned b) {
      return less(a, b) || (!less(b, a) && a < b);
    });
    Placement placement = placeInOrder(buffers, sizes, sorted);
    if (placement.peak < best.peak)
      best = std::move(placement);
    if (best.peak == plan.lowerBound)
      break;
  }
  plan.offsets.assign(best.offsets.begin(), best.offsets.end());
  plan.peak = n ? best.peak : 0;

  // Conflicting buffers are ordered by offset, which is acyclic. Of the
  // buffers below one, keep those that are not below another kept one: walking
  // downwards from the buffer, `covered` collects what is implied.
  SmallVector<unsigned> byOffset = order;
  sort(byOffset, [&](unsigned a, unsigned b) {
    return std::pair(plan.offsets[a], a) < std::pair(plan.offsets[b], b);
  });
  plan.below.resize(n);
  std::vector<std::vector<bool>> reaches(n, std::vector<bool>(n, false));
  std::vector<bool> hasAbove(n, false);
  for (unsigned position = 0; position < n; ++position) {
    unsigned index = byOffset[position];
    for (unsigned lower = position; lower-- > 0;) {
      unsigned other = byOffset[lower];
      if (!buffers[other].conflictsWith(buffers[index]) ||
          reaches[index][other])
        continue;
      plan.below[index].push_back(other);
      hasAbove[other] = true;
      reaches[index][other] = true;
      for (unsigned k = 0; k < n; ++k)
        if (reaches[other][k])
          reaches[index][k] = true;
    }
  }
  for (unsigned i = 0; i < n; ++i)
    if (!hasAbove[i])
      plan.tops.push_back(i);
  return plan;
}
