#include "dialects/mercer/IR/TargetInfo.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <gtest/gtest.h>

using namespace mercer;

TEST(TargetInfo, TravelsThroughTheModuleAttribute) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  mlir::OwningOpRef<mlir::ModuleOp> module =
      mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  EXPECT_EQ(TargetInfo::get(*module).vectorBits, 128);

  TargetInfo info;
  info.cpu = "x86-64-v4";
  info.features = "+avx512f";
  info.vectorBits = 512;
  info.vectorRegisters = 32;
  info.hasFma = info.hasMaskedAccess = true;
  module->getOperation()->setAttr(TargetInfo::attrName(),
                                  info.toAttr(&context));

  TargetInfo read = TargetInfo::get(*module);
  EXPECT_EQ(read.cpu, info.cpu);
  EXPECT_EQ(read.features, info.features);
  EXPECT_EQ(read.vectorRegisters, 32);
  EXPECT_TRUE(read.hasFma);
  EXPECT_TRUE(read.hasMaskedAccess);
  EXPECT_EQ(read.lanes(32), 16);
  EXPECT_EQ(read.lanes(1024), 1);
}
