#include "compiler/pipelines/Stages.h"

#include <gtest/gtest.h>

using namespace mercer;

TEST(Stages, NamesRoundTripInOrder) {
  ASSERT_EQ(allStages().size(), 9u);
  for (Stage stage : allStages())
    EXPECT_EQ(parseStage(stageName(stage)), stage);
  EXPECT_EQ(stageName(allStages().front()), "import");
  EXPECT_EQ(stageName(allStages().back()), "target");
}

TEST(Stages, UnknownNameIsRefused) {
  EXPECT_EQ(parseStage("tiles"), std::nullopt);
  EXPECT_EQ(parseStage(""), std::nullopt);
}
