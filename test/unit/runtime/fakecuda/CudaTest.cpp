//===- CudaTest.cpp - runs on the fake CUDA driver ------------------------===//
//
// The artifact of fakes/cuda.c, whose kernels stand below. Whatever a test
// does, nothing may be left on the device at its end.
//
//===----------------------------------------------------------------------===//

#include "../Testing.h"
#include "FakeCuda.h"

#include <cmath>
#include <cstring>
#include <map>
#include <thread>

using namespace mercer::rt::cuda;

namespace mercer::test {
namespace {

constexpr uint32_t mainEntry = 0, nonzeroEntry = 1, storeEntry = 2,
                   largeEntry = 3;

template <typename T>
T *at(fakecuda::Launch &launch, uint64_t address, size_t count) {
  return static_cast<T *>(launch.memory(address, count * sizeof(T)));
}

// params: tiles, x, rows, y, rows, scale, factor
void scaleRows(fakecuda::Launch &launch) {
  const uint64_t rows = launch.params[2];
  float factor;
  memcpy(&factor, &launch.params[6], sizeof(factor));
  float *x = at<float>(launch, launch.params[1], 4 * rows);
  float *y = at<float>(launch, launch.params[3], 4 * launch.params[4]);
  float *scale = at<float>(launch, launch.params[5], 4);
  for (uint64_t i = 0; !launch.illegal && i < 4 * rows; ++i)
    y[i] = factor * x[i] * scale[i % 4];
}

// params: tiles, x, rows, y, rows, shift
void shiftRows(fakecuda::Launch &launch) {
  const uint64_t rows = launch.params[2];
  float *x = at<float>(launch, launch.params[1], 4 * rows);
  float *y = at<float>(launch, launch.params[3], 4 * launch.params[4]);
  float *shift = at<float>(launch, launch.params[5], 4);
  for (uint64_t i = 0; !launch.illegal && i < 4 * rows; ++i)
    y[i] = x[i] + shift[i % 4];
}

// params: tiles, x, n, found
void countNonzero(fakecuda::Launch &launch) {
  const uint64_t n = launch.params[2];
  float *x = at<float>(launch, launch.params[1], n);
  int64_t *found = at<int64_t>(launch, launch.params[3], 1);
  float *values = at<float>(launch, launch.params[3] + 8, n);
  for (uint64_t i = 0; !launch.illegal && i < n; ++i)
    if (x[i] != 0)
      values[(*found)++] = x[i];
}

// params: tiles, x, n, y, n, scratch, more. Every block writes all of its
// scratch.
void large(fakecuda::Launch &launch, size_t scratch) {
  const uint64_t n = launch.params[2];
  float *x = at<float>(launch, launch.params[1], n);
  float *y = at<float>(launch, launch.params[3], launch.params[4]);
  float *first = at<float>(launch, launch.params[5], scratch * launch.blocks);
  auto *second = at<uint16_t>(launch, launch.params[6], 3 * launch.blocks);
  if (launch.illegal)
    return;
  memset(first, 0xff, scratch * launch.blocks * sizeof(*first));
  memset(second, 0, 3 * launch.blocks * sizeof(*second));
  for (uint64_t i = 0; i < n; ++i)
    y[i] = x[i] + (std::isnan(first[0]) ? 1 : 0);
}

class Cuda : public testing::Test {
protected:
  void SetUp() override { prepare({}); }
  void prepare(const fakecuda::Machine &machine) {
    fakecuda::reset(machine);
    fakecuda::addKernel("scale_rows", scaleRows);
    fakecuda::addKernel("shift_rows", shiftRows);
    fakecuda::addKernel("count", countNonzero);
    fakecuda::addKernel("large", [](auto &launch) { large(launch, 1024); });
  }
  void TearDown() override {
    EXPECT_EQ(fakecuda::live(), "");
    EXPECT_EQ(fakecuda::contextDepth(), 0u);
  }
};

MercerContextOptions onCuda(int32_t id = 0) {
  MercerContextOptions options{};
  options.struct_size = sizeof(options);
  options.device = {MERCER_DEVICE_CUDA, id};
  return options;
}

bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

int32_t run(MercerContext *context, MercerArtifact *artifact, uint32_t entry,
            MercerTensor x, MercerTensor &y) {
  return mercer_run(context, artifact, entry, nullptr, &x, 1, &y, 1);
}

/// What `main` computes of x.
std::vector<float> expected(const std::vector<float> &x) {
  const float scale[] = {1, 2, 3, 4}, shift[] = {0.5f, 0.25f, 0, -1};
  std::vector<float> y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    y[i] = 2 * x[i] * scale[i % 4] + shift[i % 4];
  return y;
}

std::vector<float> numbers(size_t count, float first = 0) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = first + float(i);
  return values;
}

/// Acts as the application: a device tensor, filled and read by the driver.
class Application {
public:
  explicit Application(int device = 0) : device(device) {
    EXPECT_EQ(cuInit(0), CUDA_SUCCESS);
    CUcontext context;
    EXPECT_EQ(cuDevicePrimaryCtxRetain(&context, device), CUDA_SUCCESS);
    EXPECT_EQ(cuCtxPushCurrent_v2(context), CUDA_SUCCESS);
    EXPECT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  }
  ~Application() {
    for (CUdeviceptr memory : memories)
      EXPECT_EQ(cuMemFree_v2(memory), CUDA_SUCCESS);
    EXPECT_EQ(cuStreamDestroy_v2(stream), CUDA_SUCCESS);
    CUcontext popped;
    EXPECT_EQ(cuCtxPopCurrent_v2(&popped), CUDA_SUCCESS);
    EXPECT_EQ(cuDevicePrimaryCtxRelease_v2(device), CUDA_SUCCESS);
  }

  CUdeviceptr allocate(size_t bytes) {
    CUdeviceptr memory = 0;
    EXPECT_EQ(cuMemAlloc_v2(&memory, bytes), CUDA_SUCCESS);
    memories.push_back(memory);
    return memory;
  }
  void set(CUdeviceptr memory, const std::vector<float> &values) {
    EXPECT_EQ(
        cuMemcpyHtoDAsync_v2(memory, values.data(), 4 * values.size(), stream),
        CUDA_SUCCESS);
  }
  /// What the memory holds once the application's stream is done.
  std::vector<float> get(CUdeviceptr memory, size_t count) {
    std::vector<float> values(count);
    EXPECT_EQ(cuMemcpyDtoHAsync_v2(values.data(), memory, 4 * count, stream),
              CUDA_SUCCESS);
    EXPECT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
    return values;
  }
  MercerTensor tensor(CUdeviceptr memory, std::vector<int64_t> &shape) {
    return {reinterpret_cast<void *>(memory),
            {MERCER_DEVICE_CUDA, device},
            static_cast<int32_t>(shape.size()),
            TypeOf<float>::value,
            shape.data(),
            nullptr,
            0};
  }

  int device;
  CUstream stream = nullptr;

private:
  std::vector<CUdeviceptr> memories;
};

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

TEST_F(Cuda, HostTensorsAreCopiedThereAndBack) {
  ContextHolder context(onCuda());
  ArtifactHolder artifact(context, fake("cuda"));
  for (int64_t rows : {3, 1, 50000}) {
    Buffer<float> x({rows, 4}, numbers(4 * rows));
    Buffer<float> y({rows, 4}, std::vector<float>(4 * rows));
    MercerTensor out = y.view();
    ASSERT_EQ(run(context, artifact, mainEntry, x.view(), out), 0)
        << context.message();
    EXPECT_EQ(y.values, expected(x.values));
  }
}

TEST_F(Cuda, OutputsAreAllocatedOnTheHostOrOnTheDevice) {
  ContextHolder context(onCuda());
  ArtifactHolder artifact(context, fake("cuda"));
  Buffer<float> x({2, 4}, numbers(8));
  MercerTensor host{}, device{};
  device.device = {MERCER_DEVICE_CUDA, 0};
  ASSERT_EQ(run(context, artifact, mainEntry, x.view(), host), 0);
  EXPECT_EQ(host.device.type, MERCER_DEVICE_CPU);
  std::vector<float> want = expected(x.values);
  EXPECT_EQ(memcmp(host.data, want.data(), 32), 0);
  ASSERT_EQ(run(context, artifact, mainEntry, x.view(), device), 0);
  EXPECT_EQ(device.device.type, MERCER_DEVICE_CUDA);
  ASSERT_EQ(mercer_tensor_copy(context, &host, &device), 0);
  EXPECT_EQ(memcmp(host.data, want.data(), 32), 0);
  mercer_tensor_release(context, &host);
  mercer_tensor_release(context, &device);
}

TEST_F(Cuda, RunOfDeviceTensorsIsOnlyEnqueued) {
  Application application;
  ContextHolder context(onCuda());
  ArtifactHolder artifact(context, fake("cuda"));
  std::vector<int64_t> shape{3, 4};
  CUdeviceptr x = application.allocate(48), y = application.allocate(48);
  application.set(x, numbers(12));
  application.get(x, 12);
  MercerTensor out = application.tensor(y, shape);
  ASSERT_EQ(
      run(context, artifact, mainEntry, application.tensor(x, shape), out), 0)
      << context.message();
  fakecuda::clearCalls();
  ASSERT_EQ(
      run(context, artifact, mainEntry, application.tensor(x, shape), out), 0);
  EXPECT_EQ(fakecuda::synchronizations(), 0u);
  EXPECT_EQ(fakecuda::count("cuLaunchKernel"), 2u);
  // Neither memory nor modules after the first run.
  for (const char *call : {"cuMemAlloc", "cuMemFree", "cuMemHostAlloc",
                           "cuModuleLoadDataEx", "cuEventCreate"})
    EXPECT_EQ(fakecuda::count(call), 0u) << call;
  EXPECT_NE(application.get(y, 12), expected(numbers(12)));
  ASSERT_EQ(mercer_context_synchronize(context), 0);
  EXPECT_EQ(application.get(y, 12), expected(numbers(12)));
}

TEST_F(Cuda, EverythingGoesIntoTheApplicationsStream) {
  Application application;
  MercerContextOptions options = onCuda();
  options.stream = application.stream;
  {
    ContextHolder context(options);
    ArtifactHolder artifact(context, fake("cuda"));
    std::vector<int64_t> shape{3, 4};
    CUdeviceptr x = application.allocate(48), y = application.allocate(48);
    fakecuda::clearCalls();
    // Not waited for: the run comes after it in the stream.
    application.set(x, numbers(12, 5));
    MercerTensor out = application.tensor(y, shape);
    ASSERT_EQ(
        run(context, artifact, mainEntry, application.tensor(x, shape), out),
        0);
    EXPECT_EQ(application.get(y, 12), expected(numbers(12, 5)));
    EXPECT_EQ(fakecuda::count("cuStreamCreate"), 0u);
    for (const fakecuda::Call &call : fakecuda::calls())
      if (call.function == "cuLaunchKernel")
        EXPECT_EQ(call.stream, application.stream);
  }
  // The application's stream outlives the context.
  EXPECT_EQ(cuStreamSynchronize(application.stream), CUDA_SUCCESS);
}

TEST_F(Cuda, StreamOfAnotherDeviceIsRefused) {
  fakecuda::Machine machine;
  machine.devices = 2;
  prepare(machine);
  Application application(1);
  MercerContextOptions options = onCuda(0);
  options.stream = application.stream;
  MercerContext *context = nullptr;
  EXPECT_EQ(mercer_context_create(&options, &context), 1001);
  EXPECT_TRUE(contains(mercer_context_error(nullptr)->message, "cuda:0"));
}

TEST_F(Cuda, TwoDevicesWorkSideBySide) {
  fakecuda::Machine machine;
  machine.devices = 2;
  prepare(machine);
  ContextHolder first(onCuda(0)), second(onCuda(1));
  ArtifactHolder artifact(first, fake("cuda"));
  Buffer<float> x({2, 4}, numbers(8)), y({2, 4}, std::vector<float>(8));
  MercerTensor out = y.view();
  for (MercerContext *context : {static_cast<MercerContext *>(first),
                                 static_cast<MercerContext *>(second)}) {
    y.values.assign(8, 0);
    ASSERT_EQ(run(context, artifact, mainEntry, x.view(), out), 0);
    EXPECT_EQ(y.values, expected(x.values));
  }
  int32_t count = 0;
  EXPECT_EQ(mercer_device_count(MERCER_DEVICE_CUDA, &count), 0);
  EXPECT_EQ(count, 2);
  MercerContext *third = nullptr;
  MercerContextOptions missing = onCuda(2);
  EXPECT_EQ(mercer_context_create(&missing, &third), 4401);
}

TEST_F(Cuda, UnalignedDeviceTensorsAreCopied) {
  Application application;
  ContextHolder context(onCuda());
  ArtifactHolder artifact(context, fake("cuda"));
  std::vector<int64_t> shape{2, 4};
  CUdeviceptr x = application.allocate(64), y = application.allocate(64);
  application.set(x + 4, numbers(8));
  application.get(x, 1);
  MercerTensor in = application.tensor(x, shape);
  in.byte_offset = 4;
  MercerTensor out = application.tensor(y + 4, shape);
  ASSERT_EQ(run(context, artifact, mainEntry, in, out), 0) << context.message();
  ASSERT_EQ(mercer_context_synchronize(context), 0);
  EXPECT_EQ(application.get(y + 4, 8), expected(numbers(8)));
  for (const fakecuda::Call &call : fakecuda::calls())
    if (call.function == "cuLaunchKernel")
      EXPECT_EQ(call.threads, 128u);
}

TEST_F(Cuda, EmptyTensorsLaunchNothing) {
  ContextHolder context(onCuda());
  ArtifactHolder artifact(context, fake("cuda"));
  Buffer<float> x({0, 4}, {}), y({0, 4}, {});
  MercerTensor out = y.view();
  float nothing;
  out.data = &nothing;
  ASSERT_EQ(run(context, artifact, mainEntry, x.view(), out), 0)
      << context.message();
  EXPECT_EQ(fakecuda::count("cuLaunchKernel"), 0u);
}

TEST_F(Cuda, ReadWaitsForWhatItReads) {
  ContextHolder context(onCuda());
  ArtifactHolder artifact(context, fake("cuda"));
  Buffer<float> x({6}, {0, 1, 0, 2, 3, 0});
  for (int repeat = 0; repeat < 2; ++repeat) {
    MercerTensor y{};
    ASSERT_EQ(run(context, artifact, nonzeroEntry, x.view(), y), 0)
        << context.message();
    ASSERT_EQ(y.shape[0], 3);
    const float want[] = {1, 2, 3};
    EXPECT_EQ(memcmp(y.data, want, sizeof(want)), 0);
    mercer_tensor_release(context, &y);
  }
}

TEST_F(Cuda, HostProgramStoresScalarsOfAllWidths) {
  ContextHolder context(onCuda());
  ArtifactHolder artifact(context, fake("cuda"));
  Buffer<int64_t> y({4}, std::vector<int64_t>(4));
  MercerTensor out = y.view();
  ASSERT_EQ(
      mercer_run(context, artifact, storeEntry, nullptr, nullptr, 0, &out, 1),
      0)
      << context.message();
  EXPECT_EQ(y.values,
            (std::vector<int64_t>{0x11111111222222fe, 0x111111112222fffe,
                                  0x11111111fffffffe, 0x1111111122222222}));
}

TEST_F(Cuda, LaunchHasTheSharedMemoryAndScratchOfItsKernel) {
  ContextHolder context(onCuda());
  ArtifactHolder artifact(context, fake("cuda"));
  Buffer<float> x({5}, numbers(5)), y({5}, std::vector<float>(5));
  MercerTensor out = y.view();
  ASSERT_EQ(run(context, artifact, largeEntry, x.view(), out), 0)
      << context.message();
  EXPECT_EQ(y.values, numbers(5, 1));
  for (const fakecuda::Call &call : fakecuda::calls())
    if (call.function == "cuLaunchKernel") {
      EXPECT_EQ(call.blocks, 5u);
      EXPECT_EQ(call.threads, 256u);
      EXPECT_EQ(call.sharedBytes, 65536u);
    }
}

TEST_F(Cuda, BlocksAreFewerWhereScratchIsLarge) {
  fakecuda::addKernel("large", [](auto &launch) { large(launch, 16777216); });
  ContextHolder context(onCuda());
  ArtifactHolder artifact(context, fake("cuda_scratch"));
  Buffer<float> x({5}, numbers(5)), y({5}, std::vector<float>(5));
  MercerTensor out = y.view();
  ASSERT_EQ(run(context, artifact, largeEntry, x.view(), out), 0)
      << context.message();
  // 64 MiB and 6 bytes a block: three fit into 256 MiB.
  for (const fakecuda::Call &call : fakecuda::calls())
    if (call.function == "cuLaunchKernel")
      EXPECT_EQ(call.blocks, 3u);
  EXPECT_EQ(y.values, numbers(5, 1));
}

//===----------------------------------------------------------------------===//
// Sharing
//===----------------------------------------------------------------------===//

TEST_F(Cuda, ContextsShareCodeAndConstants) {
  ContextHolder first(onCuda()), second(onCuda());
  ArtifactHolder artifact(first, fake("cuda"));
  Buffer<float> x({2, 4}, numbers(8)), y({2, 4}, std::vector<float>(8));
  MercerTensor out = y.view();
  ASSERT_EQ(run(first, artifact, mainEntry, x.view(), out), 0);
  // Kernels that share their code share a module.
  EXPECT_EQ(fakecuda::count("cuModuleLoadDataEx"), 2u);
  y.values.assign(8, 0);
  ASSERT_EQ(run(second, artifact, mainEntry, x.view(), out), 0);
  EXPECT_EQ(y.values, expected(x.values));
  EXPECT_EQ(fakecuda::count("cuModuleLoadDataEx"), 2u);
}

TEST_F(Cuda, ReleasedArtifactsLeaveTheDevice) {
  ContextHolder context(onCuda());
  Buffer<float> x({2, 4}, numbers(8)), y({2, 4}, std::vector<float>(8));
  MercerTensor out = y.view();
  {
    ArtifactHolder artifact(context, fake("cuda"));
    ASSERT_EQ(run(context, artifact, mainEntry, x.view(), out), 0);
  }
  ArtifactHolder artifact(context, fake("cuda_twice"));
  ASSERT_EQ(run(context, artifact, mainEntry, x.view(), out), 0);
  EXPECT_EQ(fakecuda::count("cuModuleUnload"), 2u);
}

TEST_F(Cuda, ThreadsWithContextsOfTheirOwnRunAtOnce) {
  ContextHolder loader(onCuda());
  ArtifactHolder artifact(loader, fake("cuda"));
  std::vector<std::thread> threads;
  std::vector<int> failures(4, 0);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      ContextHolder context(onCuda());
      for (int64_t i = 1; i <= 50; ++i) {
        Buffer<float> x({i, 4}, numbers(4 * i, float(t)));
        Buffer<float> y({i, 4}, std::vector<float>(4 * i));
        MercerTensor out = y.view();
        failures[t] += run(context, artifact, mainEntry, x.view(), out) != 0 ||
                       y.values != expected(x.values);
      }
      failures[t] += fakecuda::contextDepth() != 0;
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(failures, std::vector<int>(4, 0));
}

//===----------------------------------------------------------------------===//
// Capture
//===----------------------------------------------------------------------===//

TEST_F(Cuda, ApplicationCapturesARunIntoAGraph) {
  Application application;
  MercerContextOptions options = onCuda();
  options.stream = application.stream;
  ContextHolder context(options);
  ArtifactHolder artifact(context, fake("cuda"));
  std::vector<int64_t> shape{3, 4};
  CUdeviceptr x = application.allocate(48), y = application.allocate(48);
  application.set(x, numbers(12));
  MercerTensor in = application.tensor(x, shape);
  MercerTensor out = application.tensor(y, shape);
  ASSERT_EQ(run(context, artifact, mainEntry, in, out), 0);

  ASSERT_EQ(cuStreamBeginCapture_v2(application.stream,
                                    CU_STREAM_CAPTURE_MODE_GLOBAL),
            CUDA_SUCCESS);
  ASSERT_EQ(run(context, artifact, mainEntry, in, out), 0) << context.message();
  CUgraph graph;
  ASSERT_EQ(cuStreamEndCapture(application.stream, &graph), CUDA_SUCCESS);
  CUgraphExec exec;
  ASSERT_EQ(cuGraphInstantiateWithFlags(&exec, graph, 0), CUDA_SUCCESS);

  // A larger run in between must not take the memory that the graph uses.
  Buffer<float> more({500, 4}, numbers(2000));
  Buffer<float> result({500, 4}, std::vector<float>(2000));
  MercerTensor moreOut = result.view();
  ASSERT_EQ(run(context, artifact, mainEntry, more.view(), moreOut), 0);
  for (float first : {7.0f, -3.0f}) {
    application.set(x, numbers(12, first));
    fakecuda::clearCalls();
    ASSERT_EQ(cuGraphLaunch(exec, application.stream), CUDA_SUCCESS);
    EXPECT_EQ(fakecuda::count("cuLaunchKernel"), 0u);
    EXPECT_EQ(application.get(y, 12), expected(numbers(12, first)));
  }
  EXPECT_EQ(cuGraphExecDestroy(exec), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphDestroy(graph), CUDA_SUCCESS);
}

TEST_F(Cuda, RecordedRunIsLaunchedAgainAndAgain) {
  Application application;
  ContextHolder context(onCuda()), other(onCuda());
  MercerGraph *graph = nullptr;
  std::vector<int64_t> shape{3, 4}, flat{12};
  CUdeviceptr x = application.allocate(48), y = application.allocate(48);
  MercerTensor in = application.tensor(x, shape);
  MercerTensor out = application.tensor(y, shape);
  {
    // The graph keeps the artifact.
    ArtifactHolder artifact(context, fake("cuda"));
    ASSERT_EQ(mercer_graph_capture(context, artifact, mainEntry, nullptr, &in,
                                   1, &out, 1, &graph),
              0)
        << context.message();
    Buffer<float> host({3, 4}, numbers(12));
    MercerTensor hostIn = host.view(), none{};
    none.device = {MERCER_DEVICE_CUDA, 0};
    MercerGraph *refused = nullptr;
    EXPECT_EQ(mercer_graph_capture(context, artifact, mainEntry, nullptr,
                                   &hostIn, 1, &out, 1, &refused),
              4501);
    EXPECT_EQ(mercer_graph_capture(context, artifact, mainEntry, nullptr, &in,
                                   1, &none, 1, &refused),
              4501);
    MercerTensor line = application.tensor(x, flat);
    std::vector<int64_t> nothing{0};
    MercerTensor empty = application.tensor(y, nothing);
    application.set(x, std::vector<float>(12, 0.0f));
    application.get(x, 12);
    EXPECT_EQ(mercer_graph_capture(context, artifact, nonzeroEntry, nullptr,
                                   &line, 1, &empty, 1, &refused),
              4501);
    EXPECT_TRUE(contains(context.message(), "reads a value"))
        << context.message();
    EXPECT_EQ(refused, nullptr);
    ASSERT_EQ(mercer_context_synchronize(context), 0) << context.message();
  }
  for (float first : {7.0f, -3.0f}) {
    application.set(x, numbers(12, first));
    application.get(x, 12);
    fakecuda::clearCalls();
    ASSERT_EQ(mercer_graph_launch(context, graph), 0) << context.message();
    EXPECT_EQ(fakecuda::synchronizations(), 0u);
    EXPECT_EQ(fakecuda::count("cuLaunchKernel"), 0u);
    ASSERT_EQ(mercer_context_synchronize(context), 0);
    EXPECT_EQ(application.get(y, 12), expected(numbers(12, first)));
  }
  EXPECT_EQ(mercer_graph_launch(other, graph), 1001);
  mercer_graph_destroy(graph);
  ContextHolder cpu;
  ArtifactHolder affine(cpu, fake("affine"));
  Buffer<float> host({3, 4}, numbers(12)), result({3, 4}, numbers(12));
  in = host.view();
  out = result.view();
  EXPECT_EQ(mercer_graph_capture(cpu, affine, mainEntry, nullptr, &in, 1, &out,
                                 1, &graph),
            1010);
}

TEST_F(Cuda, WhatAGraphCannotHoldIsRefusedAndTheCaptureGoesOn) {
  Application application;
  MercerContextOptions options = onCuda();
  options.stream = application.stream;
  ContextHolder context(options);
  ArtifactHolder artifact(context, fake("cuda"));
  ArtifactHolder other(context, fake("cuda_twice"));
  std::vector<int64_t> shape{3, 4}, larger{300, 4}, flat{12};
  CUdeviceptr x = application.allocate(4800), y = application.allocate(4800);
  application.set(x, numbers(1200));
  MercerTensor in = application.tensor(x, shape);
  MercerTensor out = application.tensor(y, shape);
  ASSERT_EQ(run(context, artifact, mainEntry, in, out), 0);
  // Loaded, and its pinned memory is there.
  MercerTensor some{};
  ASSERT_EQ(
      run(context, artifact, nonzeroEntry, application.tensor(x, flat), some),
      0);

  ASSERT_EQ(cuStreamBeginCapture_v2(application.stream,
                                    CU_STREAM_CAPTURE_MODE_GLOBAL),
            CUDA_SUCCESS);
  auto refused = [&](const char *part, MercerArtifact *of, uint32_t entry,
                     MercerTensor from, MercerTensor to) {
    EXPECT_EQ(run(context, of, entry, from, to), 4501) << part;
    EXPECT_TRUE(contains(context.message(), part)) << context.message();
  };
  refused("not loaded yet", other, mainEntry, in, out);
  refused("needs memory", artifact, mainEntry, application.tensor(x, larger),
          application.tensor(y, larger));
  Buffer<float> host({3, 4}, numbers(12));
  refused("from host memory", artifact, mainEntry, host.view(), out);
  refused("to host memory", artifact, mainEntry, in, host.view());
  MercerTensor none{};
  none.device = {MERCER_DEVICE_CUDA, 0};
  refused("reads a value", artifact, nonzeroEntry, application.tensor(x, flat),
          none);
  EXPECT_EQ(mercer_context_synchronize(context), 4501);
  ASSERT_EQ(run(context, artifact, mainEntry, in, out), 0) << context.message();
  CUgraph graph;
  ASSERT_EQ(cuStreamEndCapture(application.stream, &graph), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphDestroy(graph), CUDA_SUCCESS);
  mercer_tensor_release(context, &some);
}

TEST_F(Cuda, CaptureOfAnotherStreamIsNotEndedByContextsAtWork) {
  Application application;
  ASSERT_EQ(cuStreamBeginCapture_v2(application.stream,
                                    CU_STREAM_CAPTURE_MODE_GLOBAL),
            CUDA_SUCCESS);
  {
    ContextHolder context(onCuda());
    ArtifactHolder artifact(context, fake("cuda"));
    Buffer<float> x({2, 4}, numbers(8)), y({2, 4}, std::vector<float>(8));
    MercerTensor out = y.view();
    ASSERT_EQ(run(context, artifact, mainEntry, x.view(), out), 0)
        << context.message();
    EXPECT_EQ(y.values, expected(x.values));
  }
  CUgraph graph;
  ASSERT_EQ(cuStreamEndCapture(application.stream, &graph), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphDestroy(graph), CUDA_SUCCESS);
}

//===----------------------------------------------------------------------===//
// Refusals
//===----------------------------------------------------------------------===//

/// Code of a run of `main` with host tensors, and the message.
std::pair<int32_t, std::string> tryMain(MercerContext *context,
                                        const std::string &name) {
  ArtifactHolder artifact(context, fake(name));
  Buffer<float> x({2, 4}, numbers(8)), y({2, 4}, std::vector<float>(8));
  MercerTensor out = y.view();
  int32_t code = run(context, artifact, mainEntry, x.view(), out);
  return {code, mercer_context_error(context)->message};
}

TEST_F(Cuda, CodeRunsOnTheDevicesThatItWasMadeFor) {
  struct Case {
    const char *artifact;
    int major, minor;
    bool runs;
  } cases[] = {{"cuda", 8, 0, true},         {"cuda", 9, 0, true},
               {"cuda", 12, 0, true},        {"cuda", 7, 5, false},
               {"cuda_cubin", 8, 0, true},   {"cuda_cubin", 8, 6, true},
               {"cuda_cubin", 9, 0, false},  {"cuda_90a", 9, 0, true},
               {"cuda_90a", 10, 0, false},   {"cuda_90a", 8, 0, false},
               {"cuda_foreign", 9, 0, false}};
  for (const Case &test : cases) {
    fakecuda::Machine machine;
    machine.major = test.major;
    machine.minor = test.minor;
    prepare(machine);
    ContextHolder context(onCuda());
    auto [code, message] = tryMain(context, test.artifact);
    EXPECT_EQ(code, test.runs ? 0 : 4403)
        << test.artifact << " on " << test.major << "." << test.minor << ": "
        << message;
    if (!test.runs)
      EXPECT_TRUE(contains(message, std::to_string(test.major) + "." +
                                        std::to_string(test.minor)))
          << message;
  }
}

TEST_F(Cuda, ArtifactsOfOtherDevicesAreRefused) {
  ContextHolder context(onCuda());
  EXPECT_EQ(tryMain(context, "affine").first, 4402);
  ContextHolder cpu;
  EXPECT_EQ(tryMain(cpu, "cuda").first, 4402);
}

TEST_F(Cuda, RefusedCodeGivesTheDriversLog) {
  ContextHolder context(onCuda());
  auto [code, message] = tryMain(context, "cuda_syntax");
  EXPECT_EQ(code, 4408);
  EXPECT_TRUE(contains(message, "CUDA_ERROR_INVALID_PTX")) << message;
  EXPECT_TRUE(contains(message, "Parsing error near 'syntax'")) << message;
  std::tie(code, message) = tryMain(context, "cuda_name");
  EXPECT_EQ(code, 4408);
  EXPECT_TRUE(contains(message, "no function 'gone'")) << message;
  // The context goes on.
  EXPECT_EQ(tryMain(context, "cuda").first, 0);
}

TEST_F(Cuda, TooMuchSharedMemoryIsALimit) {
  ContextHolder context(onCuda());
  auto [code, message] = tryMain(context, "cuda_shared");
  EXPECT_EQ(code, 4404);
  EXPECT_TRUE(contains(message, "300000")) << message;
}

TEST_F(Cuda, NoDeviceIsAnError) {
  // The driver is initialised once, so its devices vanish afterwards here.
  {
    ContextHolder context(onCuda());
  }
  fakecuda::Machine machine;
  machine.devices = 0;
  prepare(machine);
  MercerContextOptions options = onCuda();
  MercerContext *context = nullptr;
  EXPECT_EQ(mercer_context_create(&options, &context), 4401);
  EXPECT_TRUE(contains(mercer_context_error(nullptr)->message,
                       "CUDA_ERROR_INVALID_DEVICE"));
  int32_t count = -1;
  EXPECT_EQ(mercer_device_count(MERCER_DEVICE_CUDA, &count), 0);
  EXPECT_EQ(count, 0);
}

TEST_F(Cuda, ValidationFindsForeignPointers) {
  Application application;
  MercerContextOptions options = onCuda();
  options.flags = MERCER_CONTEXT_VALIDATE;
  ContextHolder context(options);
  ArtifactHolder artifact(context, fake("cuda"));
  std::vector<int64_t> shape{2, 4};
  alignas(64) float host[8] = {};
  CUdeviceptr y = application.allocate(32);
  MercerTensor out = application.tensor(y, shape);
  MercerTensor in =
      application.tensor(reinterpret_cast<CUdeviceptr>(host), shape);
  EXPECT_EQ(run(context, artifact, mainEntry, in, out), 4409);
  EXPECT_TRUE(contains(context.place(), "kernel 'scale'")) << context.place();
  CUdeviceptr x = application.allocate(32);
  EXPECT_EQ(
      run(context, artifact, mainEntry, application.tensor(x, shape), out), 0)
      << context.message();
}

//===----------------------------------------------------------------------===//
// Failures
//===----------------------------------------------------------------------===//

TEST_F(Cuda, MemoryThatIsUsedUpIsAnErrorAndTheContextGoesOn) {
  fakecuda::Machine machine;
  machine.memory = 1 << 20;
  prepare(machine);
  ContextHolder context(onCuda());
  ArtifactHolder artifact(context, fake("cuda"));
  Buffer<float> x({30000, 4}, numbers(120000));
  Buffer<float> y({30000, 4}, std::vector<float>(120000));
  MercerTensor out = y.view();
  EXPECT_EQ(run(context, artifact, mainEntry, x.view(), out), 4405);
  EXPECT_TRUE(contains(context.message(), "out of memory"))
      << context.message();
  EXPECT_EQ(tryMain(context, "cuda").first, 0);
}

TEST_F(Cuda, KeptMemoryIsGivenBackBeforeMemoryIsUsedUp) {
  fakecuda::Machine machine;
  machine.memory = 1 << 20;
  prepare(machine);
  ContextHolder context(onCuda());
  ArtifactHolder artifact(context, fake("cuda"));
  // 960 KB in three buffers each; the sizes differ too much to be reused.
  for (int64_t rows : {20000, 10, 16000, 300, 20000}) {
    Buffer<float> x({rows, 4}, numbers(4 * rows));
    Buffer<float> y({rows, 4}, std::vector<float>(4 * rows));
    MercerTensor out = y.view();
    ASSERT_EQ(run(context, artifact, mainEntry, x.view(), out), 0)
        << context.message();
    EXPECT_EQ(y.values, expected(x.values));
  }
}

TEST_F(Cuda, FailureOfAKernelIsReportedWhereItIsWaitedFor) {
  {
    ContextHolder context(onCuda());
    ArtifactHolder artifact(context, fake("cuda"));
    std::vector<int64_t> shape{3, 4};
    MercerTensor in{}, out{};
    for (MercerTensor *tensor : {&in, &out}) {
      tensor->dtype = TypeOf<float>::value;
      tensor->ndim = 2;
      tensor->shape = shape.data();
      ASSERT_EQ(mercer_tensor_allocate(context, tensor), 0);
    }
    fakecuda::failExecution("shift_rows", CUDA_ERROR_ILLEGAL_ADDRESS);
    EXPECT_EQ(run(context, artifact, mainEntry, in, out), 0);
    EXPECT_EQ(mercer_context_synchronize(context), 4406);
    EXPECT_TRUE(contains(context.message(), "illegal memory access"))
        << context.message();
    EXPECT_EQ(run(context, artifact, mainEntry, in, out), 4406);
    EXPECT_EQ(mercer_context_synchronize(context), 4406);
  }
  fakecuda::replaceDevice();
  ContextHolder again(onCuda());
  EXPECT_EQ(tryMain(again, "cuda").first, 0);
}

/// All kinds of calls in one scenario; the first failure ends it.
std::pair<int32_t, std::string> scenario() {
  MercerContextOptions options = onCuda();
  options.collect_profile = 1;
  MercerContext *context = nullptr;
  if (int32_t code = mercer_context_create(&options, &context))
    return {code, mercer_context_error(nullptr)->message};
  MercerArtifact *artifact = nullptr;
  auto steps = [&]() -> int32_t {
    if (int32_t code = mercer_artifact_load(context, fake("cuda").c_str(),
                                            nullptr, &artifact))
      return code;
    // 4 MB: several chunks of pinned memory.
    const int64_t rows = 1 << 18;
    Buffer<float> x({rows, 4}, numbers(4 * rows));
    Buffer<float> y({rows, 4}, std::vector<float>(4 * rows));
    MercerTensor out = y.view();
    if (int32_t code = run(context, artifact, mainEntry, x.view(), out))
      return code;
    EXPECT_EQ(y.values, expected(x.values));
    Buffer<float> few({6}, {0, 1, 0, 2, 3, 0});
    MercerTensor some{};
    if (int32_t code = run(context, artifact, nonzeroEntry, few.view(), some))
      return code;
    mercer_tensor_release(context, &some);
    Buffer<int64_t> stored({4}, std::vector<int64_t>(4));
    MercerTensor storedOut = stored.view();
    if (int32_t code = mercer_run(context, artifact, storeEntry, nullptr,
                                  nullptr, 0, &storedOut, 1))
      return code;
    MercerTensor more{};
    if (int32_t code = run(context, artifact, largeEntry, few.view(), more))
      return code;
    mercer_tensor_release(context, &more);
    return mercer_context_synchronize(context);
  };
  int32_t code = steps();
  std::pair<int32_t, std::string> result{
      code, mercer_context_error(context)->message};
  mercer_artifact_release(artifact);
  mercer_context_destroy(context);
  return result;
}

TEST_F(Cuda, EveryFailureOfEveryCallIsAnErrorWithTheDriversText) {
  ASSERT_EQ(scenario().first, 0);
  std::map<std::string, size_t> counts;
  for (const fakecuda::Call &call : fakecuda::calls())
    ++counts[call.function];
  EXPECT_GT(counts.size(), 25u);
  // It fails only where the stack of contexts is empty already.
  counts.erase("cuCtxPopCurrent");
  for (auto &[function, count] : counts)
    // The first calls, and the last: failures late in a scenario too.
    for (size_t skip : {size_t(0), size_t(1), size_t(2), count - 1}) {
      if (skip >= count)
        continue;
      SCOPED_TRACE(function + " after " + std::to_string(skip));
      prepare({});
      fakecuda::failCall(function, CUDA_ERROR_INVALID_VALUE, int(skip));
      auto [code, message] = scenario();
      // Tidying up, names and queries have nobody to report to, or other
      // answers.
      if (code != 0) {
        EXPECT_EQ(code / 100, 44) << message;
        EXPECT_TRUE(contains(message, "CUDA_ERROR_INVALID_VALUE")) << message;
      }
      // What could not be given back goes with its context; nothing is
      // damaged.
      EXPECT_FALSE(contains(fakecuda::live(), "damaged")) << fakecuda::live();
      EXPECT_EQ(fakecuda::contextDepth(), 0u);
      fakecuda::replaceDevice();
      prepare({});
    }
}

TEST_F(Cuda, LostDeviceEndsEveryCallWithAnError) {
  ASSERT_EQ(scenario().first, 0);
  const size_t launches = fakecuda::count("cuLaunchKernel");
  for (const char *function :
       {"cuMemAlloc", "cuLaunchKernel", "cuMemcpyHtoDAsync",
        "cuMemcpyDtoHAsync", "cuEventSynchronize", "cuModuleLoadDataEx",
        "cuStreamSynchronize", "cuMemHostAlloc"}) {
    SCOPED_TRACE(function);
    prepare({});
    fakecuda::failCall(function, CUDA_ERROR_LAUNCH_FAILED);
    auto [code, message] = scenario();
    EXPECT_EQ(code, 4406) << message;
    EXPECT_TRUE(contains(message, "unspecified launch failure")) << message;
    fakecuda::replaceDevice();
  }
  prepare({});
  EXPECT_EQ(scenario().first, 0);
  EXPECT_EQ(fakecuda::count("cuLaunchKernel"), launches);
}

//===----------------------------------------------------------------------===//
// Profiles
//===----------------------------------------------------------------------===//

TEST_F(Cuda, ProfileHasTheDevicesTimes) {
  struct Seen {
    std::string kernel;
    std::vector<std::string> nodes;
    uint64_t start, duration;
  };
  std::vector<Seen> seen;
  MercerProfiler profiler{
      [](void *user, const MercerProfileEvent *event) {
        static_cast<std::vector<Seen> *>(user)->push_back(
            {event->kernel,
             {event->nodes, event->nodes + event->node_count},
             event->start_ns,
             event->duration_ns});
      },
      &seen};
  MercerContextOptions options = onCuda();
  options.profiler = &profiler;
  ContextHolder context(options);
  EXPECT_EQ(tryMain(context, "cuda").first, 0);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].kernel, "scale");
  EXPECT_EQ(seen[1].kernel, "shift");
  EXPECT_EQ(seen[1].nodes, (std::vector<std::string>{"/add", "/relu"}));
  // A kernel of the fake driver takes 10 us, an event 1 us.
  for (const Seen &launch : seen) {
    EXPECT_GE(launch.duration, 10000u);
    EXPECT_LE(launch.duration, 15000u);
  }
  EXPECT_GT(seen[1].start, seen[0].start);
}

} // namespace
} // namespace mercer::test
