//===- ScheduleOracleTest.cpp - tile sizes from shapes and caches ---------===//

#include "compiler/cost/ScheduleOracle.h"

#include "mlir/IR/BuiltinTypes.h"
#include "gtest/gtest.h"

using namespace mercer;

namespace {

TargetInfo avx512() {
  TargetInfo target;
  target.vectorBits = 512;
  target.vectorRegisters = 32;
  target.l1Bytes = 32 * 1024;
  target.l2Bytes = 1024 * 1024;
  target.hasFma = true;
  return target;
}

GridDim dim(int64_t extent, DimRole role) {
  GridDim result;
  result.extent = extent;
  result.role = role;
  return result;
}

KernelShape gemm(int64_t rows, int64_t cols, int64_t reduction) {
  KernelShape shape;
  shape.kind = KernelShape::Kind::Contract;
  shape.dims = {dim(rows, DimRole::Row), dim(cols, DimRole::Col)};
  shape.reduction = reduction;
  shape.packable = true;
  return shape;
}

TEST(ScheduleOracle, RowsOfAProductStayInHalfOfL2) {
  for (int64_t reduction : {64, 768, 3072, 20000}) {
    Schedule schedule = chooseSchedule(gemm(4096, 768, reduction), avx512());
    int64_t rows = schedule.grid[0];
    EXPECT_GE(rows, 8);
    if (rows > 8)
      EXPECT_LE(rows * reduction * 4, 512 * 1024);
  }
}

TEST(ScheduleOracle, PanelsAreWholeVectorsAndDivideWhereTheyCan) {
  EXPECT_EQ(chooseSchedule(gemm(512, 768, 64), avx512()).rhsPanel, 48);
  EXPECT_EQ(chooseSchedule(gemm(512, 1024, 64), avx512()).rhsPanel, 64);
  EXPECT_EQ(chooseSchedule(gemm(512, 1000, 64), avx512()).rhsPanel % 16, 0);
  EXPECT_EQ(chooseSchedule(gemm(512, 768, 64), TargetInfo()).rhsPanel, 8);
}

TEST(ScheduleOracle, OneRowIsSplitOverColumns) {
  Schedule schedule = chooseSchedule(gemm(1, 3072, 768), avx512());
  EXPECT_EQ(schedule.grid[0], 0);
  EXPECT_GT(schedule.grid[1], 0);
  EXPECT_EQ(schedule.grid[1] % schedule.rhsPanel, 0);
}

TEST(ScheduleOracle, UnknownRowsGetABoundedTile) {
  Schedule schedule =
      chooseSchedule(gemm(mlir::ShapedType::kDynamic, 768, 768), avx512());
  EXPECT_GT(schedule.grid[0], 0);
  EXPECT_LE(schedule.grid[0], 96);
}

TEST(ScheduleOracle, SmallGroupsAreOneTile) {
  KernelShape shape;
  shape.dims = {dim(8, DimRole::Free)};
  shape.single = true;
  EXPECT_EQ(chooseSchedule(shape, avx512()).grid[0], 0);
}

TEST(ScheduleOracle, RowsOfAGroupStayInL1) {
  KernelShape shape;
  shape.dims = {dim(4096, DimRole::Free)};
  shape.pointBytes = 2048;
  int64_t rows = chooseSchedule(shape, avx512()).grid[0];
  EXPECT_GE(rows, 8);
  EXPECT_LE(rows * shape.pointBytes, 32 * 1024);
}

TEST(ScheduleOracle, WindowTilesDivideTheImage) {
  KernelShape shape;
  shape.kind = KernelShape::Kind::Window;
  shape.dims = {dim(1, DimRole::Batch), dim(64, DimRole::Col),
                dim(56, DimRole::Row), dim(56, DimRole::Row)};
  shape.dims[2].halo = shape.dims[3].halo = 3;
  shape.leftElements = 64;
  shape.reduction = 64 * 9;
  shape.packable = true;
  Schedule schedule = chooseSchedule(shape, avx512());
  EXPECT_EQ(schedule.rhsPanel, 32);
  EXPECT_GT(schedule.grid[2], 0);
  EXPECT_EQ(56 % schedule.grid[2], 0);
}

} // namespace
