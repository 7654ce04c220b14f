#include "passes/distribute/Barriers.h"

#include <gtest/gtest.h>

using namespace mercer::distribute;

static Touch reads(unsigned buffer) {
  Touch touch;
  touch.reads.push_back(buffer);
  return touch;
}

static Touch writes(unsigned buffer) {
  Touch touch;
  touch.writes.push_back(buffer);
  return touch;
}

TEST(Barriers, ReadAfterWriteNeedsOne) {
  Barriers state;
  EXPECT_FALSE(state.needed(writes(0)));
  state.add(writes(0));
  EXPECT_TRUE(state.needed(reads(0)));
  EXPECT_FALSE(state.needed(reads(1)));
  state.clear();
  EXPECT_FALSE(state.needed(reads(0)));
}

TEST(Barriers, WriteAfterReadNeedsOneButReadsShare) {
  Barriers state;
  state.add(reads(0));
  EXPECT_FALSE(state.needed(reads(0)));
  EXPECT_TRUE(state.needed(writes(0)));
}

TEST(Barriers, AReadDoesNotHideAnEarlierWrite) {
  Barriers state;
  state.add(writes(0));
  state.add(reads(0));
  EXPECT_TRUE(state.needed(reads(0)));
}

TEST(Barriers, BehindABranchBothSidesCount) {
  Barriers then, otherwise;
  then.add(writes(0));
  otherwise.add(reads(1));
  then.join(otherwise);
  EXPECT_TRUE(then.needed(reads(0)));
  EXPECT_TRUE(then.needed(writes(1)));
  EXPECT_FALSE(then.needed(reads(1)));
}
