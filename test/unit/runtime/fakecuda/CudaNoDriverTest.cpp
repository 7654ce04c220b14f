//===- CudaNoDriverTest.cpp - a machine without a CUDA driver -------------===//
//
// Run with a libcuda.so.1 in the loader's path that is no library, so that it
// holds on machines with a driver too.
//
//===----------------------------------------------------------------------===//

#include "mercer/mercer.h"

#include <gtest/gtest.h>
#include <string>

TEST(CudaNoDriver, GivesOneClearError) {
  MercerContextOptions options{};
  options.struct_size = sizeof(options);
  options.device = {MERCER_DEVICE_CUDA, 0};
  MercerContext *context = nullptr;
  for (int attempt = 0; attempt < 2; ++attempt) {
    EXPECT_EQ(mercer_context_create(&options, &context), 4401);
    EXPECT_EQ(context, nullptr);
    const MercerError *error = mercer_context_error(nullptr);
    EXPECT_STREQ(error->place, "libcuda.so.1");
    EXPECT_NE(std::string(error->message).find("no CUDA driver is installed"),
              std::string::npos)
        << error->message;
  }
  int32_t count = -1;
  EXPECT_EQ(mercer_device_count(MERCER_DEVICE_CUDA, &count), 0);
  EXPECT_EQ(count, 0);
  char name[16];
  EXPECT_EQ(mercer_device_name({MERCER_DEVICE_CUDA, 0}, name, sizeof(name)),
            4401);
}
