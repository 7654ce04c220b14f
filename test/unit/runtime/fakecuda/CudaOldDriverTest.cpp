//===- CudaOldDriverTest.cpp - a driver that lacks a function -------------===//

#include "../Testing.h"

namespace mercer::test {
namespace {

TEST(CudaOldDriver, IsRefusedWithTheNameOfTheFunction) {
  MercerContextOptions options{};
  options.struct_size = sizeof(options);
  options.device = {MERCER_DEVICE_CUDA, 0};
  MercerContext *context = nullptr;
  EXPECT_EQ(mercer_context_create(&options, &context), 4401);
  EXPECT_EQ(context, nullptr);
  std::string message = mercer_context_error(nullptr)->message;
  EXPECT_NE(message.find("cuGraphLaunch"), std::string::npos) << message;
  int32_t count = -1;
  EXPECT_EQ(mercer_device_count(MERCER_DEVICE_CUDA, &count), 0);
  EXPECT_EQ(count, 0);
}

} // namespace
} // namespace mercer::test
