#include "passes/host/MemoryPlanner.h"

#include <gtest/gtest.h>

#include <random>

using namespace mercer;

namespace {

std::vector<BufferLifetime> randomLifetimes(std::mt19937 &rng, unsigned count) {
  std::uniform_int_distribution<int64_t> step(0, count), length(0, 6),
      size(1, 100000);
  std::vector<BufferLifetime> buffers(count);
  for (BufferLifetime &buffer : buffers) {
    buffer.first = step(rng);
    buffer.last = buffer.first + length(rng);
    buffer.bytes = size(rng);
  }
  return buffers;
}

int64_t aligned(int64_t bytes) {
  return (std::max<int64_t>(bytes, 1) + 63) / 64 * 64;
}

/// Offsets as the host program computes them for true sizes.
std::vector<int64_t> symbolicOffsets(const MemoryPlan &plan,
                                     const std::vector<int64_t> &sizes) {
  std::vector<unsigned> order(sizes.size());
  for (unsigned i = 0; i < order.size(); ++i)
    order[i] = i;
  std::sort(order.begin(), order.end(), [&](unsigned a, unsigned b) {
    return plan.offsets[a] < plan.offsets[b];
  });
  std::vector<int64_t> offsets(sizes.size(), 0);
  for (unsigned i : order)
    for (unsigned below : plan.below[i])
      offsets[i] = std::max(offsets[i], offsets[below] + aligned(sizes[below]));
  return offsets;
}

void expectDisjoint(const std::vector<BufferLifetime> &buffers,
                    llvm::ArrayRef<int64_t> offsets,
                    const std::vector<int64_t> &sizes) {
  for (unsigned i = 0; i < buffers.size(); ++i)
    for (unsigned j = 0; j < i; ++j)
      if (buffers[i].conflictsWith(buffers[j]))
        EXPECT_TRUE(offsets[i] + sizes[i] <= offsets[j] ||
                    offsets[j] + sizes[j] <= offsets[i])
            << i << " and " << j;
}

} // namespace

TEST(MemoryPlanner, NoBuffersNoBytes) {
  MemoryPlan plan = planMemory({});
  EXPECT_EQ(plan.peak, 0);
  EXPECT_TRUE(plan.offsets.empty());
}

TEST(MemoryPlanner, ChainTakesTwoBuffers) {
  std::vector<BufferLifetime> buffers;
  for (int64_t i = 0; i < 10; ++i)
    buffers.push_back({i, i + 1, 1000});
  EXPECT_EQ(planMemory(buffers).peak, 2 * 1024);
}

TEST(MemoryPlanner, OffsetsAreAligned) {
  std::vector<BufferLifetime> buffers = {{0, 1, 3}, {0, 1, 5}, {1, 2, 0}};
  for (int64_t offset : planMemory(buffers).offsets)
    EXPECT_EQ(offset % 64, 0);
}

TEST(MemoryPlanner, RandomLifetimesNeverOverlapAndStayNearTheBound) {
  std::mt19937 rng(std::random_device{}());
  double worst = 1;
  for (int round = 0; round < 200; ++round) {
    auto buffers = randomLifetimes(rng, 1 + round);
    MemoryPlan plan = planMemory(buffers);
    std::vector<int64_t> sizes;
    for (const BufferLifetime &buffer : buffers)
      sizes.push_back(buffer.bytes);
    expectDisjoint(buffers, plan.offsets, sizes);
    EXPECT_GE(plan.peak, plan.lowerBound);
    worst = std::max(worst, static_cast<double>(plan.peak) / plan.lowerBound);
  }
  EXPECT_LE(worst, 1.35);
}

TEST(MemoryPlanner, OrderBelowHoldsForAllSizes) {
  std::mt19937 rng(std::random_device{}());
  std::uniform_int_distribution<int64_t> size(0, 5000);
  for (int round = 0; round < 100; ++round) {
    auto buffers = randomLifetimes(rng, 40);
    MemoryPlan plan = planMemory(buffers);
    std::vector<int64_t> planned, other;
    for (const BufferLifetime &buffer : buffers) {
      planned.push_back(buffer.bytes);
      other.push_back(size(rng));
    }
    // The representative sizes give the plan or a tighter one.
    auto same = symbolicOffsets(plan, planned);
    for (unsigned i = 0; i < same.size(); ++i)
      EXPECT_LE(same[i], plan.offsets[i]);
    auto offsets = symbolicOffsets(plan, other);
    expectDisjoint(buffers, offsets, other);
    int64_t peak = 0, tops = 0;
    for (unsigned i = 0; i < offsets.size(); ++i)
      peak = std::max(peak, offsets[i] + aligned(other[i]));
    for (unsigned top : plan.tops)
      tops = std::max(tops, offsets[top] + aligned(other[top]));
    EXPECT_EQ(peak, tops);
  }
}
