#include "passes/distribute/Layout.h"

#include <gtest/gtest.h>

#include <set>

using namespace mercer::distribute;

static bool isPowerOf2(int64_t x) { return x > 0 && (x & (x - 1)) == 0; }

TEST(Layout, BlocksOwnEveryElementOnce) {
  for (int64_t threads : {64, 128, 256})
    for (int64_t subgroup : {8, 32})
      for (int64_t rows = threads / 8; rows <= 128; rows *= 2)
        for (int64_t cols = 16; cols <= 256; cols *= 2) {
          Layout layout = blockLayout(rows, cols, threads, subgroup);
          EXPECT_EQ(layout.numThreads(), threads);
          EXPECT_EQ(layout.numRegisters() * threads, rows * cols);
          EXPECT_EQ(layout.extents(), (Coordinate{rows, cols}));
          EXPECT_TRUE(layout.isBijective())
              << rows << "x" << cols << " on " << threads;
        }
}

TEST(Layout, NeighboursInRegistersAreNeighboursInMemory) {
  Layout layout = blockLayout(64, 64, 128, 32);
  // Four columns in four registers: one access of 128 bits.
  for (int64_t number = 0; number < 4; ++number)
    EXPECT_EQ(layout.ofRegister(number), (Coordinate{0, number}));
  // Threads beside each other continue where the vector ends.
  EXPECT_EQ(layout.ofThread(1), (Coordinate{0, 4}));
}

/// Rows lie in one subgroup: their reductions need no shared memory.
TEST(Layout, ColumnsOfABlockAreLanes) {
  for (int64_t subgroup : {8, 32}) {
    Layout layout = blockLayout(64, 128, 128, subgroup);
    for (Coordinate step : layout.warps)
      EXPECT_EQ(step.col, 0);
  }
}

TEST(Layout, AccumulatorsOfMmaFollowThePtxManual) {
  Layout layout = mmaLayout(16, 8, 1, 1);
  EXPECT_TRUE(layout.isBijective());
  // c0, c1 in row lane / 4, c2, c3 eight rows below; columns 2 (lane % 4) + i.
  for (int64_t lane = 0; lane < 32; ++lane)
    for (int64_t c = 0; c < 4; ++c)
      EXPECT_EQ(layout.at(c, lane),
                (Coordinate{lane / 4 + (c / 2) * 8, 2 * (lane % 4) + c % 2}));
  EXPECT_TRUE(mmaLayout(64, 64, 4, 1).isBijective());
  EXPECT_TRUE(mmaLayout(128, 64, 2, 2).isBijective());
}

TEST(Layout, RowsKeepOneRegisterForEachRow) {
  Layout layout = blockLayout(64, 64, 128, 32);
  Layout rows = layout.rows();
  std::set<int64_t> seen;
  for (int64_t number = 0; number < layout.numRegisters(); ++number) {
    int64_t row = layout.rowRegister(number);
    ASSERT_LT(row, rows.numRegisters());
    EXPECT_EQ(rows.ofRegister(row).row, layout.ofRegister(number).row);
    EXPECT_EQ(rows.ofRegister(row).col, 0);
    seen.insert(row);
  }
  EXPECT_EQ(static_cast<int64_t>(seen.size()), rows.numRegisters());
  // Copies in all threads along the columns: not one owner each.
  EXPECT_FALSE(rows.isBijective());
  EXPECT_TRUE(isPowerOf2(rows.numRegisters()));
}

TEST(Layout, ThreadsThatHoldCopiesAreKnown) {
  Layout layout = blockLayout(64, 64, 256, 32);
  EXPECT_EQ(layout.copyBits(), 0);
  // Eight threads side by side hold the same rows.
  EXPECT_EQ(layout.rows().copyBits(), 7);
}
