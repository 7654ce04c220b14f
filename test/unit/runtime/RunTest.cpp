//===- RunTest.cpp - running entry points ---------------------------------===//

#include "Testing.h"

#include <atomic>
#include <cmath>
#include <map>
#include <thread>

using namespace mercer::test;

#if __has_feature(address_sanitizer)
/// An allocation that is too large is a value here, as it is without ASan.
extern "C" const char *__asan_default_options() {
  return "allocator_may_return_null=1";
}
#endif

namespace {

class Run : public testing::Test {
protected:
  int32_t run(uint32_t entry, std::vector<MercerTensor> in,
              std::vector<MercerTensor> &out) {
    return mercer_run(context, artifact, entry, nullptr, in.data(),
                      uint32_t(in.size()), out.data(), uint32_t(out.size()));
  }
  int32_t runOne(uint32_t entry, MercerTensor in, MercerTensor out) {
    std::vector<MercerTensor> outs{out};
    return run(entry, {in}, outs);
  }
  enum Entry { Main, Pair, Fail, Silent, Missing, Wild, Huge, Greedy };

  ContextHolder context{3};
  ArtifactHolder artifact{context, fake("affine")};
  Buffer<float> x{{2, 4}, {1, 1, 1, 1, 2, 2, 2, 2}};
  Buffer<float> y{{2, 4}, std::vector<float>(8, NAN)};
  const std::vector<float> expected{1.5, 2.25, 3, 3, 2.5, 4.25, 6, 7};
};

TEST_F(Run, WritesIntoTheCallersBuffer) {
  ASSERT_EQ(runOne(Main, x.view(), y.view()), 0) << context.message();
  EXPECT_EQ(y.values, expected);
  EXPECT_EQ(mercer_context_error(context)->code, 0);
}

TEST_F(Run, AllocatesOutputs) {
  MercerTensor in = x.view(), out{};
  ASSERT_EQ(mercer_run(context, artifact, Main, nullptr, &in, 1, &out, 1), 0);
  ASSERT_EQ(out.ndim, 2);
  EXPECT_EQ(out.shape[0], 2);
  EXPECT_EQ(out.shape[1], 4);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(out.data) % 64, 0u);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(),
                         static_cast<float *>(out.data)));
  mercer_tensor_release(context, &out);
  EXPECT_EQ(out.data, nullptr);

  int64_t room[2];
  out = MercerTensor{};
  out.shape = room;
  ASSERT_EQ(mercer_run(context, artifact, Main, nullptr, &in, 1, &out, 1), 0);
  EXPECT_EQ(out.shape, room);
  EXPECT_EQ(room[0], 2);
  // Not released: the context does it (checked under ASan).
}

TEST_F(Run, TakesEmptyTensors) {
  Buffer<float> none({0, 4}, {}), result({0, 4}, {});
  EXPECT_EQ(runOne(Main, none.view(), result.view()), 0) << context.message();
  MercerTensor in = none.view(), out{};
  EXPECT_EQ(mercer_run(context, artifact, Main, nullptr, &in, 1, &out, 1), 0);
  EXPECT_NE(out.data, nullptr);
}

TEST_F(Run, CopiesStridedTensors) {
  // Columns reversed and rows swapped of a 4 x 2 buffer with a gap.
  Buffer<float> strided({2, 4}, {2, 1, 9, 2, 1, 9, 2, 1, 9, 2, 1, 9}, {-1, 3});
  MercerTensor in = strided.view();
  in.byte_offset = sizeof(float);
  Buffer<float> wide({2, 4}, std::vector<float>(16, -7), {8, 2});
  ASSERT_EQ(runOne(Main, in, wide.view()), 0) << context.message();
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(wide.values[2 * i], expected[i]);
    EXPECT_EQ(wide.values[2 * i + 1], -7);
  }
  // A broadcast input: stride 0.
  Buffer<float> repeated({2, 4}, {1, 1, 1, 1}, {0, 1});
  ASSERT_EQ(runOne(Main, repeated.view(), y.view()), 0);
  EXPECT_EQ(y.values[4], 1.5);
}

TEST_F(Run, ChecksInputs) {
  MercerTensor in = x.view();
  in.dtype = {MERCER_FLOAT, 64, 1};
  EXPECT_EQ(runOne(Main, in, y.view()), 4101);
  EXPECT_EQ(context.place(), "input 'x'");
  EXPECT_EQ(context.message(), "expects element type float32, got float64");
  in = x.view();
  in.ndim = 1;
  EXPECT_EQ(runOne(Main, in, y.view()), 4102);
  Buffer<float> five({2, 5}, std::vector<float>(10));
  EXPECT_EQ(runOne(Main, five.view(), y.view()), 4104);
  EXPECT_EQ(context.message(), "expects size 4 in dimension 1, got 5");
  in = x.view();
  in.data = nullptr;
  EXPECT_EQ(runOne(Main, in, y.view()), 1001);
  in = x.view();
  in.shape = nullptr;
  EXPECT_EQ(runOne(Main, in, y.view()), 1001);
  in = x.view();
  in.device.type = MERCER_DEVICE_CUDA;
  EXPECT_EQ(runOne(Main, in, y.view()), 1001);
  Buffer<float> negative({-2, 4}, {});
  EXPECT_EQ(runOne(Main, negative.view(), y.view()), 4106);
  Buffer<float> huge({INT64_MAX / 2, 4}, {});
  EXPECT_EQ(runOne(Main, huge.view(), y.view()), 4106);
  std::vector<MercerTensor> none;
  EXPECT_EQ(run(Main, {}, none), 1001);
  EXPECT_EQ(mercer_run(context, artifact, 99, nullptr, nullptr, 0, nullptr, 0),
            1001);
}

TEST_F(Run, ChecksSymbolsAcrossInputs) {
  Buffer<float> a({3}, {1, 2, 3}), b({2}, {1, 2}), sum({3}, {0, 0, 0});
  std::vector<MercerTensor> out{sum.view()};
  EXPECT_EQ(run(Pair, {a.view(), b.view()}, out), 4105);
  EXPECT_EQ(context.place(), "input 'b'");
  Buffer<float> c({3}, {10, 20, 30});
  EXPECT_EQ(run(Pair, {a.view(), c.view()}, out), 0);
  EXPECT_EQ(sum.values, (std::vector<float>{11, 22, 33}));
}

TEST_F(Run, ChecksOutputBuffers) {
  Buffer<float> three({3, 4}, std::vector<float>(12));
  EXPECT_EQ(runOne(Main, x.view(), three.view()), 4107);
  EXPECT_EQ(context.message(), "expects a buffer of shape [2, 4], got [3, 4]");
  MercerTensor out = y.view();
  out.dtype = {MERCER_INT, 32, 1};
  EXPECT_EQ(runOne(Main, x.view(), out), 4101);
  out = y.view();
  out.ndim = 1;
  EXPECT_EQ(runOne(Main, x.view(), out), 4102);
  EXPECT_EQ(runOne(Main, x.view(), x.view()), 1008);
}

TEST_F(Run, AllowsDeclaredAliasesOnly) {
  Buffer<float> a({3}, {1, 2, 3}), b({3}, {1, 1, 1});
  std::vector<MercerTensor> out{a.view()};
  EXPECT_EQ(run(Pair, {a.view(), b.view()}, out), 0) << context.message();
  EXPECT_EQ(a.values, (std::vector<float>{2, 3, 4}));
  out = {b.view()};
  EXPECT_EQ(run(Pair, {a.view(), b.view()}, out), 1008);
}

TEST_F(Run, ReportsFailuresOfTheHostProgram) {
  Buffer<float> a({3}, {1, 2, 3});
  MercerTensor in = a.view(), out{};
  auto code = [&](uint32_t entry) {
    int32_t result =
        mercer_run(context, artifact, entry, nullptr, &in, 1, &out, 1);
    EXPECT_EQ(out.data, nullptr);
    return result;
  };
  EXPECT_EQ(code(Fail), 4103);
  EXPECT_EQ(context.message(), "rows of a and b: expects 3, got 4");
  EXPECT_STREQ(mercer_context_error(context)->name, "ShapeMismatch");
  EXPECT_EQ(code(Silent), 4108);
  EXPECT_EQ(code(Missing), 4003);
  EXPECT_EQ(context.place(), "output 'y'");
  EXPECT_EQ(code(Wild), 4003);
  EXPECT_EQ(code(Huge), 4106);
  EXPECT_EQ(code(Greedy), 4001);
  // The context is usable again.
  EXPECT_EQ(runOne(Main, x.view(), y.view()), 0);
}

TEST_F(Run, ReportsErrorsOfKernelsThatCheckThemselves) {
  ArtifactHolder checked(context, fake("checked"));
  Buffer<float> a({4}, {1, 2, 3, 4}), b({4}, {});
  MercerTensor in = a.view(), out = b.view();
  auto code = [&] {
    return mercer_run(context, checked, 0, nullptr, &in, 1, &out, 1);
  };
  EXPECT_EQ(code(), 0);
  a.values[2] = -3;
  EXPECT_EQ(code(), 4603);
  EXPECT_EQ(context.message(), "element 2 is negative");
  EXPECT_EQ(context.place(), "copy");
  a.values[2] = 3;
  EXPECT_EQ(code(), 0) << context.message();
}

TEST_F(Run, InfersShapes) {
  Buffer<float> batch({7, 4}, {});
  MercerTensor in = batch.view(), out{};
  int64_t room[2] = {0, 0};
  out.shape = room;
  in.data = nullptr;
  ASSERT_EQ(mercer_infer_shapes(context, artifact, Main, &in, 1, &out, 1), 0);
  EXPECT_EQ(out.ndim, 2);
  EXPECT_EQ(room[0], 7);
  EXPECT_EQ(room[1], 4);
  // From symbols, where the entry has no function for it.
  Buffer<float> vector({5}, {});
  MercerTensor both[2] = {vector.view(), vector.view()};
  ASSERT_EQ(mercer_infer_shapes(context, artifact, Pair, both, 2, &out, 1), 0);
  EXPECT_EQ(room[0], 5);
  EXPECT_EQ(mercer_infer_shapes(context, artifact, Fail, both, 1, &out, 1),
            4103);
  out.shape = nullptr;
  EXPECT_EQ(mercer_infer_shapes(context, artifact, Main, &in, 1, &out, 1),
            1001);
}

TEST_F(Run, DataDependentShapes) {
  ArtifactHolder nonzero(context, fake("nonzero"));
  uint8_t flags[5] = {1, 0, 0, 1, 1};
  int64_t five = 5, room = 0;
  MercerTensor in{
      flags, {MERCER_DEVICE_CPU, 0}, 1, {MERCER_BOOL, 8, 1}, &five, nullptr, 0};
  MercerTensor out{};
  out.shape = &room;
  ASSERT_EQ(mercer_infer_shapes(context, nonzero, 0, &in, 1, &out, 1), 0);
  EXPECT_EQ(room, -1);
  ASSERT_EQ(mercer_run(context, nonzero, 0, nullptr, &in, 1, &out, 1), 0);
  EXPECT_EQ(room, 3);
  const auto *indices = static_cast<int64_t *>(out.data);
  EXPECT_EQ(std::vector<int64_t>(indices, indices + 3),
            (std::vector<int64_t>{0, 3, 4}));
}

/// Rows of an input with `rows` rows, and what the model makes of them.
std::pair<std::vector<float>, std::vector<float>> rowsAndResult(int64_t rows) {
  const float scale[] = {1, 2, 3, 4}, shift[] = {0.5, 0.25, 0, -1};
  std::vector<float> in(rows * 4), out(rows * 4);
  for (int64_t i = 0; i < rows * 4; ++i) {
    in[i] = float(i % 1013) * 0.25f;
    out[i] = in[i] * scale[i % 4] + shift[i % 4];
  }
  return {in, out};
}

TEST_F(Run, EqualForAllThreadCounts) {
  for (uint32_t threads : {1u, 2u, 3u, 8u})
    for (int64_t rows : {0, 1, 2, 7, 1000}) {
      ContextHolder other(threads);
      auto [in, want] = rowsAndResult(rows);
      Buffer<float> source({rows, 4}, in);
      Buffer<float> target({rows, 4}, std::vector<float>(rows * 4, NAN));
      MercerTensor i = source.view(), o = target.view();
      ASSERT_EQ(mercer_run(other, artifact, Main, nullptr, &i, 1, &o, 1), 0);
      EXPECT_EQ(target.values, want) << threads << " threads, " << rows;
    }
}

TEST_F(Run, OneArtifactFromSeveralThreads) {
  std::vector<std::thread> workers;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    workers.emplace_back([&, t] {
      ContextHolder own(2);
      auto [in, want] = rowsAndResult(100 + t);
      for (int repeat = 0; repeat < 50; ++repeat) {
        Buffer<float> source({100 + t, 4}, in);
        Buffer<float> target({100 + t, 4}, std::vector<float>(in.size()));
        MercerTensor i = source.view(), o = target.view();
        if (mercer_run(own, artifact, Main, nullptr, &i, 1, &o, 1) != 0 ||
            target.values != want)
          ++wrong;
      }
    });
  for (std::thread &worker : workers)
    worker.join();
  EXPECT_EQ(wrong, 0);
}

/// A pool that runs tasks in the wrong order on the calling thread.
TEST_F(Run, TakesTheCallersThreadPool) {
  int calls = 0;
  MercerThreadPool pool{};
  pool.threads = 4;
  pool.user = &calls;
  pool.run = [](void *user, size_t count, void (*task)(void *, size_t),
                void *arg) {
    ++*static_cast<int *>(user);
    for (size_t i = count; i-- > 0;)
      task(arg, i);
  };
  MercerContextOptions options{};
  options.struct_size = sizeof(options);
  options.thread_pool = &pool;
  ContextHolder other(options);
  auto [in, want] = rowsAndResult(50);
  Buffer<float> source({50, 4}, in), target({50, 4}, std::vector<float>(200));
  MercerTensor i = source.view(), o = target.view();
  ASSERT_EQ(mercer_run(other, artifact, Main, nullptr, &i, 1, &o, 1), 0);
  EXPECT_EQ(target.values, want);
  EXPECT_EQ(calls, 2);

  pool.threads = 0;
  MercerContext *refused = nullptr;
  EXPECT_EQ(mercer_context_create(&options, &refused), 1001);
}

/// Two calls on one context at a time: the profiler of the first makes the
/// second, as another thread would.
TEST_F(Run, RefusesConcurrentUse) {
  struct Inner {
    MercerContext *context;
    int32_t code;
  } inner{nullptr, 0};
  MercerProfiler profiler{[](void *user, const MercerProfileEvent *) {
                            auto *inner = static_cast<Inner *>(user);
                            inner->code = mercer_profile_clear(inner->context);
                          },
                          &inner};
  MercerContextOptions options{};
  options.struct_size = sizeof(options);
  options.threads = 1;
  options.profiler = &profiler;
  ContextHolder other(options);
  inner.context = other;
  MercerTensor i = x.view(), o = y.view();
  EXPECT_EQ(mercer_run(other, artifact, Main, nullptr, &i, 1, &o, 1), 0);
  EXPECT_EQ(inner.code, 1003);
}

struct Ledger {
  std::map<void *, std::pair<int32_t, size_t>> live;
  bool refuse = false;
  int32_t refusedPurpose = -1;
};

MercerAllocator ledgerAllocator(Ledger &ledger) {
  return {[](void *user, int32_t purpose, uint32_t, size_t bytes,
             size_t alignment) -> void * {
            auto *ledger = static_cast<Ledger *>(user);
            if (purpose == ledger->refusedPurpose)
              return nullptr;
            void *memory = nullptr;
            if (posix_memalign(&memory, alignment, bytes) != 0)
              return nullptr;
            ledger->live[memory] = {purpose, bytes};
            return memory;
          },
          [](void *user, int32_t purpose, void *memory, size_t bytes) {
            auto *ledger = static_cast<Ledger *>(user);
            EXPECT_EQ(ledger->live[memory], std::make_pair(purpose, bytes));
            ledger->live.erase(memory);
            free(memory);
          },
          &ledger};
}

TEST_F(Run, TakesTheCallersMemory) {
  Ledger ledger;
  MercerAllocator allocator = ledgerAllocator(ledger);
  MercerContextOptions options{};
  options.struct_size = sizeof(options);
  options.threads = 2;
  options.allocator = &allocator;
  {
    ContextHolder other(options);
    Buffer<float> strided({2, 4}, std::vector<float>(12, 1.0f), {1, 3});
    MercerTensor in = strided.view(), out{};
    ASSERT_EQ(mercer_run(other, artifact, Main, nullptr, &in, 1, &out, 1), 0);
    std::map<int32_t, int> kinds;
    for (auto &[memory, block] : ledger.live)
      ++kinds[block.first];
    EXPECT_EQ(kinds[MERCER_MEMORY_OUTPUT], 1);
    EXPECT_EQ(kinds[MERCER_MEMORY_ARENA], 1);
    EXPECT_EQ(kinds[MERCER_MEMORY_SCRATCH], 2);
    EXPECT_EQ(kinds[MERCER_MEMORY_COPY], 0);
    mercer_tensor_release(other, &out);
    for (int32_t purpose : {MERCER_MEMORY_OUTPUT, MERCER_MEMORY_COPY}) {
      ledger.refusedPurpose = purpose;
      EXPECT_EQ(mercer_run(other, artifact, Main, nullptr, &in, 1, &out, 1),
                4002);
    }
  }
  EXPECT_TRUE(ledger.live.empty());
}

TEST_F(Run, ProfilesLaunches) {
  struct Seen {
    std::vector<std::string> kernels, nodes;
  } seen;
  MercerProfiler profiler{[](void *user, const MercerProfileEvent *event) {
                            auto *seen = static_cast<Seen *>(user);
                            seen->kernels.push_back(event->kernel);
                            for (size_t i = 0; i < event->node_count; ++i)
                              seen->nodes.push_back(event->nodes[i]);
                            EXPECT_EQ(event->tiles, 2);
                          },
                          &seen};
  MercerContextOptions options{};
  options.struct_size = sizeof(options);
  options.threads = 2;
  options.profiler = &profiler;
  options.collect_profile = 1;
  ContextHolder other(options);
  MercerTensor in = x.view(), out = y.view();
  ASSERT_EQ(mercer_run(other, artifact, Main, nullptr, &in, 1, &out, 1), 0);
  EXPECT_EQ(seen.kernels, (std::vector<std::string>{"scale", "shift"}));
  EXPECT_EQ(seen.nodes,
            (std::vector<std::string>{"/norm/Mul", "/norm/Add", "/norm/Cast"}));
  TemporaryDirectory directory;
  ASSERT_EQ(mercer_profile_write(other, (directory / "p.json").c_str()), 0);
  std::string json = readBytes(directory / "p.json");
  EXPECT_NE(json.find("\"traceEvents\""), std::string::npos);
  EXPECT_NE(json.find("/norm/Add + /norm/Cast"), std::string::npos);
  EXPECT_EQ(mercer_profile_write(other, "/nonexistent/p.json"), 4301);
}

/// Tensors of the context's device, which is host memory here.
TEST_F(Run, AllocatesAndCopiesTensors) {
  MercerTensor tensor = x.view(), from = x.view(), to = y.view();
  ASSERT_EQ(mercer_tensor_allocate(context, &tensor), 0);
  EXPECT_NE(tensor.data, from.data);
  EXPECT_EQ(tensor.device.type, MERCER_DEVICE_CPU);
  ASSERT_EQ(mercer_tensor_copy(context, &tensor, &from), 0);
  ASSERT_EQ(runOne(Main, tensor, y.view()), 0) << context.message();
  EXPECT_EQ(y.values, expected);
  ASSERT_EQ(mercer_tensor_copy(context, &to, &tensor), 0);
  EXPECT_EQ(y.values, x.values);
  EXPECT_EQ(mercer_context_synchronize(context), 0);
  EXPECT_EQ(mercer_tensor_copy(context, &tensor, &tensor), 1008);
  to.dtype = {MERCER_INT, 32, 1};
  EXPECT_EQ(mercer_tensor_copy(context, &to, &tensor), 1001);
  to = y.view();
  to.device = {MERCER_DEVICE_VULKAN, 0};
  EXPECT_EQ(mercer_tensor_copy(context, &to, &tensor), 1001);
  int64_t huge[] = {INT64_MAX / 2, 4};
  to.shape = huge;
  EXPECT_EQ(mercer_tensor_allocate(context, &to), 4106);
  mercer_tensor_release(context, &tensor);
  EXPECT_EQ(tensor.data, nullptr);
}

TEST(Devices, AreCounted) {
  int32_t count = -1;
  EXPECT_EQ(mercer_device_count(MERCER_DEVICE_CPU, &count), 0);
  EXPECT_EQ(count, 1);
  char name[3];
  EXPECT_EQ(mercer_device_name({MERCER_DEVICE_CPU, 0}, name, sizeof(name)), 0);
  EXPECT_STREQ(name, "CP");
  EXPECT_EQ(mercer_device_name({MERCER_DEVICE_CPU, 1}, name, sizeof(name)),
            4401);
  EXPECT_EQ(mercer_device_count(99, &count), 1001);
  EXPECT_EQ(count, 0);
}

/// Elements that no kernel writes are seen: bytes of a NaN.
TEST(Context, PoisonsOutputs) {
  MercerContextOptions options{};
  options.struct_size = sizeof(options);
  options.flags = MERCER_CONTEXT_POISON_OUTPUTS;
  ContextHolder context(options);
  ArtifactHolder artifact{context, fake("forget")};
  Buffer<float> x({1, 2}, {1, 2});
  MercerTensor in = x.view(), out{};
  ASSERT_EQ(mercer_run(context, artifact, 0, nullptr, &in, 1, &out, 1), 0);
  EXPECT_EQ(static_cast<float *>(out.data)[0], 1);
  EXPECT_TRUE(std::isnan(static_cast<float *>(out.data)[1]));
  MercerContext *refused = nullptr;
  options.flags = 1u << 31;
  EXPECT_EQ(mercer_context_create(&options, &refused), 1002);
}

TEST(Context, ChecksOptions) {
  MercerContext *context = nullptr;
  EXPECT_EQ(mercer_context_create(nullptr, nullptr), 1001);
  MercerContextOptions options{};
  EXPECT_EQ(mercer_context_create(&options, &context), 1002);
  options.struct_size = sizeof(options);
  options.device = {99, 0};
  EXPECT_EQ(mercer_context_create(&options, &context), 1010);
  options.device = {0, 0};
  options.threads = 1u << 30;
  EXPECT_EQ(mercer_context_create(&options, &context), 1001);
  EXPECT_EQ(context, nullptr);
  EXPECT_EQ(mercer_context_error(nullptr)->code, 1001);
  EXPECT_STREQ(mercer_context_error(nullptr)->message,
               "expects at most 4096 threads");
  mercer_context_destroy(nullptr);
}

TEST(Errors, HaveNamesAndSummaries) {
  EXPECT_STREQ(mercer_error_name(2204), "CpuFeatureMissing");
  EXPECT_NE(mercer_error_summary(4103), nullptr);
  EXPECT_EQ(mercer_error_name(9999), nullptr);
}

TEST(Dtypes, RoundTripByName) {
  MercerDataType dtype{};
  for (const char *name : {"float32", "bfloat16", "bool", "int4",
                           "float8_e5m2fnuz", "complex128"}) {
    ASSERT_EQ(mercer_dtype_parse(name, &dtype), 0);
    EXPECT_STREQ(mercer_dtype_name(dtype), name);
  }
  EXPECT_EQ(mercer_dtype_parse("float31", &dtype), 1001);
  dtype.lanes = 2;
  EXPECT_EQ(mercer_dtype_name(dtype), nullptr);
}

} // namespace
