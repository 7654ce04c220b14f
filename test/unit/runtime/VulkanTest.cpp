//===- VulkanTest.cpp - artifacts on a Vulkan device ----------------------===//
//
// Everything runs under the validation layers where they are installed, with
// synchronisation validation: a message fails the call that it belongs to. On
// machines without a Vulkan device the tests are reported as skipped.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"
#include "mercer/mercer.hpp"
#include "tools/mercer-run/Npy.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <sys/wait.h>
#include <thread>

using namespace mercer::test;

#if __has_feature(address_sanitizer)
/// The layers forget some of their own memory; ours and the driver's count.
#define LEAKS_OF_OTHERS "leak:libVkLayer_khronos_validation\n"
extern "C" const char *__lsan_default_suppressions() { return LEAKS_OF_OTHERS; }
#else
#define LEAKS_OF_OTHERS ""
#endif

namespace {

constexpr MercerDevice device{MERCER_DEVICE_VULKAN, 0};

MercerContextOptions optionsOf(uint32_t flags = MERCER_CONTEXT_VALIDATE) {
  MercerContextOptions options{};
  options.struct_size = sizeof(options);
  options.device = device;
  options.flags = flags;
  return options;
}

std::vector<float> ramp(size_t size) {
  std::vector<float> values(size);
  for (size_t i = 0; i < size; ++i)
    values[i] = static_cast<float>(i) + 1;
  return values;
}

/// What entry point `main` computes.
std::vector<float> mainOf(const std::vector<float> &x) {
  const float constant[] = {10, 20, 30, 40};
  std::vector<float> y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    y[i] = 3 * x[i] + constant[i % 4];
  return y;
}

enum Entry {
  Main,
  Wide,
  Chunks,
  Halve,
  Reverse,
  Accumulate,
  First,
  Forget,
  Stray,
  Misused
};

/// Twice: with device memory that the host can see, as processors have it, and
/// with copies, as discrete devices need them.
class Vulkan : public testing::TestWithParam<const char *> {
protected:
  /// The pipeline cache of these tests is not the user's.
  static void SetUpTestSuite() {
    cache = std::make_unique<TemporaryDirectory>();
    setenv("XDG_CACHE_HOME", (*cache / "").c_str(), 1);
  }
  static void TearDownTestSuite() { cache.reset(); }

  void SetUp() override {
    setenv("MERCER_VULKAN_COPIES", GetParam(), 1);
    int32_t count = 0;
    ASSERT_EQ(mercer_device_count(MERCER_DEVICE_VULKAN, &count), 0);
    if (count == 0)
      GTEST_SKIP() << "no Vulkan device";
    MercerContextOptions options = optionsOf();
    const int32_t code = mercer_context_create(&options, &context);
    const MercerError *error = mercer_context_error(nullptr);
    if (code == 4401 && strstr(error->message, "validation"))
      GTEST_SKIP() << error->message;
    ASSERT_EQ(code, 0) << error->message;
    open();
  }
  void TearDown() override {
    close();
    if (!context)
      return;
    // What the layers say about the objects that are gone by now.
    EXPECT_EQ(mercer_context_synchronize(context), 0) << message();
    mercer_context_destroy(context);
  }
  void open(const char *name = "vulkan") {
    ASSERT_EQ(
        mercer_artifact_load(context, fake(name).c_str(), nullptr, &artifact),
        0)
        << message();
    ASSERT_EQ(mercer_session_create(context, artifact, nullptr, &session), 0);
  }
  void close() {
    mercer_session_destroy(session);
    mercer_artifact_release(artifact);
    session = nullptr;
    artifact = nullptr;
  }

  std::string message() const { return mercer_context_error(context)->message; }
  int32_t run(uint32_t entry, const MercerTensor &in,
              std::vector<MercerTensor> &out) {
    MercerRunOptions options{};
    options.struct_size = sizeof(options);
    options.session = session;
    return mercer_run(context, artifact, entry, &options, &in, 1, out.data(),
                      static_cast<uint32_t>(out.size()));
  }
  /// Host tensors in and out; the output has the size that the run gives it.
  int32_t runHost(uint32_t entry, std::vector<float> x,
                  std::vector<float> &result) {
    Buffer<float> input({static_cast<int64_t>(x.size())}, x);
    std::vector<MercerTensor> out(1);
    if (int32_t code = run(entry, input.view(), out))
      return code;
    EXPECT_EQ(out[0].device.type, MERCER_DEVICE_CPU);
    const float *data = static_cast<float *>(out[0].data);
    result.assign(data, data + out[0].shape[0]);
    mercer_tensor_release(context, &out[0]);
    return 0;
  }

  static inline std::unique_ptr<TemporaryDirectory> cache;
  MercerContext *context = nullptr;
  MercerArtifact *artifact = nullptr;
  MercerSession *session = nullptr;
};

/// Two launches that depend on each other, constants, and a temporary whose
/// address is no multiple of what a binding may start at.
TEST_P(Vulkan, RunsWithDynamicSizes) {
  for (size_t size : {1, 63, 64, 65, 1000, 100000}) {
    std::vector<float> result;
    ASSERT_EQ(runHost(Main, ramp(size), result), 0) << message();
    EXPECT_EQ(result, mainOf(ramp(size)));
  }
  // No tile at all.
  std::vector<float> result{1};
  ASSERT_EQ(runHost(Main, {}, result), 0) << message();
  EXPECT_TRUE(result.empty());
}

TEST_P(Vulkan, WritesIntoTheCallersBuffer) {
  Buffer<float> x({100}, ramp(100)), y({100}, std::vector<float>(100, -1));
  std::vector<MercerTensor> out{y.view()};
  ASSERT_EQ(run(Main, x.view(), out), 0) << message();
  EXPECT_EQ(y.values, mainOf(x.values));
  // Every second element, backwards.
  Buffer<float> wide({100}, std::vector<float>(200, -7), {-2});
  out = {wide.view()};
  out[0].byte_offset = 199 * sizeof(float);
  MercerTensor in = x.view();
  int64_t backwards = -1;
  in.strides = &backwards;
  in.byte_offset = 99 * sizeof(float);
  std::vector<float> reversed(x.values.rbegin(), x.values.rend());
  ASSERT_EQ(run(Main, in, out), 0) << message();
  for (size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(wide.values[199 - 2 * i], mainOf(reversed)[i]);
    EXPECT_EQ(wide.values[198 - 2 * i], -7);
  }
}

/// 164 bytes of parameters do not fit into push constants.
TEST_P(Vulkan, TakesManyParameters) {
  std::vector<float> result;
  ASSERT_EQ(runHost(Wide, ramp(200), result), 0) << message();
  for (size_t i = 0; i < 200; ++i)
    EXPECT_EQ(result[i], static_cast<float>(315 + 5) + 4294967296.0f + i);
}

TEST_P(Vulkan, SplitsLargeBuffers) {
  std::vector<float> result;
  ASSERT_EQ(runHost(Chunks, {0}, result), 0) << message();
  for (size_t i = 0; i < 128; ++i)
    EXPECT_EQ(result[i], static_cast<float>(i));
}

/// The host reads a value between launches and stores a scalar.
TEST_P(Vulkan, ReadsAndWritesScalars) {
  Buffer<float> x({300}, std::vector<float>(300, 40));
  std::vector<MercerTensor> out(2);
  ASSERT_EQ(run(Halve, x.view(), out), 0) << message();
  EXPECT_EQ(*static_cast<int64_t *>(out[1].data), 6);
  for (size_t i = 0; i < 300; ++i)
    EXPECT_EQ(static_cast<float *>(out[0].data)[i], 0.625f);
  for (MercerTensor &tensor : out)
    mercer_tensor_release(context, &tensor);
}

TEST_P(Vulkan, GivesScratchToWorkgroups) {
  std::vector<float> x = ramp(64 * 50), result;
  ASSERT_EQ(runHost(Reverse, x, result), 0) << message();
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_EQ(result[i], x[i / 64 * 64 + 63 - i % 64]);
}

TEST_P(Vulkan, KeepsStates) {
  std::vector<float> result;
  for (int step = 1; step <= 3; ++step) {
    ASSERT_EQ(runHost(Accumulate, {1, 2, 3, 4}, result), 0) << message();
    for (int i = 0; i < 64; ++i)
      EXPECT_EQ(result[i], static_cast<float>(step * (i % 4 + 1)));
  }
  MercerTensor view{};
  ASSERT_EQ(mercer_session_state(context, session, 0, &view, nullptr), 0);
  EXPECT_EQ(view.device.type, MERCER_DEVICE_VULKAN);
  Buffer<float> host({64}, std::vector<float>(64));
  MercerTensor to = host.view();
  ASSERT_EQ(mercer_tensor_copy(context, &to, &view), 0) << message();
  EXPECT_EQ(host.values, result);
  ASSERT_EQ(mercer_session_reset(context, session), 0);
  ASSERT_EQ(runHost(Accumulate, {1, 2, 3, 4}, result), 0) << message();
  EXPECT_EQ(result[3], 4);
}

TEST_P(Vulkan, FindsShapesOnTheDevice) {
  std::vector<float> x = ramp(20), result;
  x[0] = 7;
  ASSERT_EQ(runHost(First, x, result), 0) << message();
  EXPECT_EQ(result, std::vector<float>(x.begin(), x.begin() + 7));
}

/// Tensors stay on the device between runs, and no run waits.
TEST_P(Vulkan, TakesAndGivesDeviceTensors) {
  constexpr int64_t size = 5000;
  Buffer<float> x({size}, ramp(size)), y({size}, std::vector<float>(size));
  MercerTensor host = x.view(), input = x.view();
  ASSERT_EQ(mercer_tensor_allocate(context, &input), 0) << message();
  EXPECT_EQ(input.device.type, MERCER_DEVICE_VULKAN);
  ASSERT_EQ(mercer_tensor_copy(context, &input, &host), 0) << message();
  std::vector<MercerTensor> first(1), second(1);
  first[0].device = second[0].device = device;
  ASSERT_EQ(run(Main, input, first), 0) << message();
  EXPECT_EQ(first[0].device.type, MERCER_DEVICE_VULKAN);
  ASSERT_EQ(run(Main, first[0], second), 0) << message();
  // Into a tensor that is there already, and one that starts anywhere.
  ASSERT_EQ(run(Main, second[0], first), 0) << message();
  // Freed while the device may still read it.
  mercer_tensor_release(context, &second[0]);
  MercerTensor to = y.view();
  ASSERT_EQ(mercer_tensor_copy(context, &to, &first[0]), 0) << message();
  EXPECT_EQ(y.values, mainOf(mainOf(mainOf(x.values))));

  int64_t part = size - 1;
  MercerTensor shifted = input;
  shifted.shape = &part;
  shifted.byte_offset = sizeof(float);
  MercerTensor target = first[0];
  target.shape = &part;
  target.byte_offset = sizeof(float);
  std::vector<MercerTensor> out{target};
  ASSERT_EQ(run(Main, shifted, out), 0) << message();
  ASSERT_EQ(mercer_tensor_copy(context, &to, &first[0]), 0) << message();
  std::vector<float> rest(x.values.begin() + 1, x.values.end());
  EXPECT_EQ(std::vector<float>(y.values.begin() + 1, y.values.end()),
            mainOf(rest));

  // Input and output are one buffer.
  out = {input};
  EXPECT_EQ(run(Main, input, out), 1008);
  int64_t stride = 2;
  shifted.strides = &stride;
  out.assign(1, MercerTensor{});
  EXPECT_EQ(run(Main, shifted, out), 1001);
  EXPECT_EQ(mercer_context_synchronize(context), 0) << message();
  mercer_tensor_release(context, &first[0]);
  mercer_tensor_release(context, &input);
}

TEST_P(Vulkan, RunsInSeveralContexts) {
  std::vector<std::string> failures(3);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < failures.size(); ++t)
    threads.emplace_back([&, t] {
      MercerContextOptions options = optionsOf();
      MercerContext *own = nullptr;
      if (mercer_context_create(&options, &own))
        failures[t] = mercer_context_error(nullptr)->message;
      MercerSession *state = nullptr;
      if (own)
        mercer_session_create(own, artifact, nullptr, &state);
      for (int i = 0; own && i < 10 && failures[t].empty(); ++i) {
        Buffer<float> x({500}, ramp(500)), y({500}, std::vector<float>(500));
        x.values[0] = static_cast<float>(t);
        MercerTensor in = x.view(), out = y.view();
        MercerRunOptions run{};
        run.struct_size = sizeof(run);
        run.session = state;
        if (mercer_run(own, artifact, Main, &run, &in, 1, &out, 1))
          failures[t] = mercer_context_error(own)->message;
        else if (y.values != mainOf(x.values))
          failures[t] = "wrong result";
      }
      mercer_session_destroy(state);
      mercer_context_destroy(own);
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const std::string &failure : failures)
    EXPECT_EQ(failure, "");
}

TEST_P(Vulkan, ReportsMisuse) {
  Buffer<float> x({64}, ramp(64));
  std::vector<MercerTensor> out(1);
  EXPECT_EQ(run(Misused, x.view(), out), 4409);
  EXPECT_NE(message().find("VUID"), std::string::npos) << message();
  EXPECT_EQ(out[0].data, nullptr);
  EXPECT_EQ(mercer_context_synchronize(context), 0) << message();
}

TEST_P(Vulkan, ReportsFailures) {
  std::vector<float> result;
  EXPECT_EQ(runHost(Stray, ramp(64), result), 4003);
  EXPECT_NE(message().find("no memory of this device"), std::string::npos);
  int64_t huge = int64_t(1) << 44;
  MercerTensor tensor{};
  tensor.dtype = {MERCER_FLOAT, 32, 1};
  tensor.ndim = 1;
  tensor.shape = &huge;
  EXPECT_EQ(mercer_tensor_allocate(context, &tensor), 4405) << message();
  tensor.data = &huge;
  tensor.device = device;
  int64_t one = 1;
  tensor.shape = &one;
  Buffer<float> host({1}, {0});
  MercerTensor to = host.view();
  EXPECT_EQ(mercer_tensor_copy(context, &to, &tensor), 1001);
  // The context works on.
  EXPECT_EQ(runHost(Main, ramp(10), result), 0) << message();
  EXPECT_EQ(result, mainOf(ramp(10)));

  MercerContextOptions options = optionsOf(0);
  options.device.id = 1000;
  MercerContext *none = nullptr;
  EXPECT_EQ(mercer_context_create(&options, &none), 4401);
  EXPECT_EQ(none, nullptr);
  EXPECT_NE(strstr(mercer_context_error(nullptr)->message, "1000"), nullptr);
}

/// Larger than what is staged at once: copies go in pieces.
TEST_P(Vulkan, CopiesLargeTensors) {
  constexpr int64_t size = 12 << 20;
  Buffer<float> x({size}, ramp(size)), y({size}, std::vector<float>(size));
  MercerTensor from = x.view(), to = y.view(), there = x.view();
  ASSERT_EQ(mercer_tensor_allocate(context, &there), 0) << message();
  ASSERT_EQ(mercer_tensor_copy(context, &there, &from), 0) << message();
  std::vector<MercerTensor> out{y.view()};
  ASSERT_EQ(run(Main, there, out), 0) << message();
  EXPECT_EQ(y.values, mainOf(x.values));
  ASSERT_EQ(mercer_tensor_copy(context, &to, &there), 0) << message();
  EXPECT_EQ(y.values, x.values);
  mercer_tensor_release(context, &there);
}

/// The code says more than the manifest: a capability that no driver has.
TEST_P(Vulkan, ReadsTheCodesCapabilities) {
  close();
  std::string bytes = readBytes(fake("vulkan"));
  MercerFooter footer = footerOf(bytes);
  std::string elf = bytes.substr(0, footer.elf_size);
  const std::string shader("\x11\0\2\0\1\0\0\0", 8);
  size_t at = elf.find(shader);
  ASSERT_NE(at, std::string::npos);
  elf.replace(at + 4, 2, "\x7f\x7f");
  TemporaryDirectory directory;
  const std::string path = directory / "model.so";
  const std::string four(16, '\0');
  writeBytes(path, seal(elf, footer.module_id, {four, four}));
  ASSERT_EQ(mercer_artifact_load(context, path.c_str(), nullptr, &artifact), 0)
      << message();
  ASSERT_EQ(mercer_session_create(context, artifact, nullptr, &session), 0);
  std::vector<float> result;
  EXPECT_EQ(runHost(Main, ramp(4), result), 4403);
  EXPECT_NE(message().find("SPIR-V capability 32639"), std::string::npos)
      << message();
  // What is no SPIR-V at all.
  close();
  elf.replace(at - 20, 4, "none");
  writeBytes(path, seal(elf, footer.module_id, {four, four}));
  ASSERT_EQ(mercer_artifact_load(context, path.c_str(), nullptr, &artifact), 0)
      << message();
  ASSERT_EQ(mercer_session_create(context, artifact, nullptr, &session), 0);
  EXPECT_EQ(runHost(Main, ramp(4), result), 4408) << message();
}

TEST_P(Vulkan, RefusesWhatTheDeviceLacks) {
  close();
  open("vulkan_features");
  std::vector<float> result;
  EXPECT_EQ(runHost(Main, ramp(4), result), 4403);
  EXPECT_NE(message().find("lacks warpDrive, shaderFloat128"),
            std::string::npos)
      << message();
  close();
  ASSERT_EQ(
      mercer_artifact_load(context, fake("affine").c_str(), nullptr, &artifact),
      0);
  Buffer<float> x({1, 4}, {1, 2, 3, 4});
  std::vector<MercerTensor> out(1);
  EXPECT_EQ(run(0, x.view(), out), 4402);
  EXPECT_NE(message().find("'cpu'"), std::string::npos);
}

TEST_P(Vulkan, PoisonsOutputs) {
  close();
  mercer_context_destroy(context);
  MercerContextOptions options =
      optionsOf(MERCER_CONTEXT_VALIDATE | MERCER_CONTEXT_POISON_OUTPUTS);
  ASSERT_EQ(mercer_context_create(&options, &context), 0);
  open();
  std::vector<float> result;
  ASSERT_EQ(runHost(Forget, ramp(101), result), 0) << message();
  EXPECT_EQ(result[99], 100);
  EXPECT_TRUE(std::isnan(result[100]));
}

TEST_P(Vulkan, TakesTimesOnTheDevice) {
  close();
  mercer_context_destroy(context);
  struct Seen {
    std::vector<std::string> kernels;
    std::vector<uint64_t> starts;
    uint64_t duration = 0;
    uint32_t threads = 0;
  } seen;
  MercerProfiler profiler{[](void *user, const MercerProfileEvent *event) {
                            auto &seen = *static_cast<Seen *>(user);
                            seen.kernels.push_back(event->kernel);
                            seen.starts.push_back(event->start_ns);
                            seen.duration += event->duration_ns;
                            seen.threads = event->threads;
                          },
                          &seen};
  MercerContextOptions options = optionsOf();
  options.profiler = &profiler;
  ASSERT_EQ(mercer_context_create(&options, &context), 0);
  open();
  std::vector<float> result;
  ASSERT_EQ(runHost(Main, ramp(100000), result), 0) << message();
  EXPECT_EQ(seen.kernels, (std::vector<std::string>{"scale", "add"}));
  EXPECT_LE(seen.starts[0], seen.starts[1]);
  EXPECT_GT(seen.duration, 0u);
  EXPECT_EQ(seen.threads, 1563u * 64);
}

/// Pipelines are kept on disk; a damaged file is written anew.
TEST_P(Vulkan, KeepsPipelinesOnDisk) {
  std::vector<float> result;
  ASSERT_EQ(runHost(Main, ramp(4), result), 0);
  auto find = [] {
    std::string path;
    DIR *folder = opendir((*cache / "mercer/vulkan").c_str());
    EXPECT_NE(folder, nullptr);
    while (dirent *entry = folder ? readdir(folder) : nullptr)
      if (entry->d_name[0] != '.')
        path = *cache / "mercer/vulkan/" + entry->d_name;
    if (folder)
      closedir(folder);
    return path;
  };
  const std::string path = find();
  ASSERT_FALSE(path.empty());
  const std::string good = readBytes(path);
  for (std::string damaged :
       {good.substr(0, good.size() / 2), std::string(), std::string(500, 'x'),
        good.substr(0, good.size() - 1) + char(~good.back())}) {
    writeBytes(path, damaged);
    // The device goes with its last context.
    close();
    mercer_context_destroy(context);
    MercerContextOptions options = optionsOf();
    ASSERT_EQ(mercer_context_create(&options, &context), 0);
    open();
    ASSERT_EQ(runHost(Main, ramp(100), result), 0) << message();
    EXPECT_EQ(result, mainOf(ramp(100)));
    EXPECT_EQ(readBytes(path).substr(0, 8), "MERCERVC");
    EXPECT_NE(readBytes(path), damaged);
  }
}

TEST_P(Vulkan, RunsFromCpp) {
  MercerContextOptions options = optionsOf();
  auto gpu = mercer::Context::create(options);
  ASSERT_TRUE(gpu) << gpu.error().text();
  auto model = gpu->load(fake("vulkan"));
  ASSERT_TRUE(model) << model.error().text();
  auto state = gpu->createSession(*model);
  std::vector<float> x = ramp(70), y(70);
  auto input = gpu->allocate({MERCER_FLOAT, 32, 1}, {70});
  ASSERT_TRUE(input) << input.error().text();
  ASSERT_TRUE(gpu->copy(input->view(), {x.data(), {70}}));
  auto outputs = gpu->runOnDevice(*model, {input->view()}, &*state);
  ASSERT_TRUE(outputs) << outputs.error().text();
  ASSERT_TRUE(gpu->synchronize());
  ASSERT_TRUE(gpu->copy({y.data(), {70}}, outputs->view(0)));
  EXPECT_EQ(y, mainOf(x));
  EXPECT_FALSE(mercer::deviceNames(MERCER_DEVICE_VULKAN).empty());
  auto onHost = gpu->run(*model, {input->view()}, &*state);
  ASSERT_TRUE(onHost) << onHost.error().text();
  EXPECT_EQ(onHost->data<float>(0)[69], y[69]);
}

/// The command line: the artifact's device is the default, and outputs are
/// poisoned there too.
TEST_P(Vulkan, RunsFromTheCommandLine) {
  TemporaryDirectory directory;
  auto write = [&](const char *name, const std::vector<float> &values) {
    mercer::run::Array array;
    array.dtype = {MERCER_FLOAT, 32, 1};
    array.shape = {static_cast<int64_t>(values.size())};
    EXPECT_TRUE(array.allocate(values.size()));
    memcpy(array.data(), values.data(), array.size());
    EXPECT_FALSE(mercer::run::writeNpy(directory / name, array).failed());
    return directory / name;
  };
  writeBytes(directory / "leaks", LEAKS_OF_OTHERS);
  auto execute = [&](const std::string &arguments) {
    int status =
        system(("LSAN_OPTIONS=suppressions=" + (directory / "leaks") +
                " MERCER_VULKAN_VALIDATION=1 " MERCER_RUN " " + fake("vulkan") +
                " --input " + write("x.npy", ramp(77)) + " --expect " +
                write("y.npy", mainOf(ramp(77))) + " " + arguments + " >" +
                (directory / "out") + " 2>&1")
                   .c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  EXPECT_EQ(
      execute("--repeat=3 --warmup=1 --profile " + (directory / "p.json")), 0)
      << readBytes(directory / "out");
  EXPECT_NE(readBytes(directory / "p.json").find("\"kernel\":\"add\""),
            std::string::npos);
  EXPECT_EQ(execute("--device=vulkan:0"), 0) << readBytes(directory / "out");
  EXPECT_EQ(execute("--device=vulkan:1000"), 4);
  EXPECT_NE(readBytes(directory / "out").find("[E4401]"), std::string::npos);
  EXPECT_EQ(execute("--device=cpu"), 4);
}

INSTANTIATE_TEST_SUITE_P(Memory, Vulkan, testing::Values("0", "1"),
                         [](const auto &info) {
                           return info.index ? "Copied" : "Shared";
                         });

} // namespace
