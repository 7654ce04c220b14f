//===- GrowingStateTest.cpp - a compiled cache that grows in place --------===//
//
// The allocator and the profiler of the context see everything that a run takes
// and does: a cache that is copied would show in one of them.
//
//===----------------------------------------------------------------------===//

#include "Decode.h"

#include <cstdlib>

using namespace decode;

namespace {

struct Seen {
  /// Allocations by purpose, and launches by kernel.
  std::vector<int> allocations = std::vector<int>(6);
  std::vector<std::string> launches;
};

void *take(void *user, int32_t purpose, uint32_t, size_t bytes,
           size_t alignment) {
  ++static_cast<Seen *>(user)->allocations[purpose];
  return std::aligned_alloc(alignment,
                            (bytes + alignment - 1) / alignment * alignment);
}
void give(void *, int32_t, void *memory, size_t) { std::free(memory); }
void launched(void *user, const MercerProfileEvent *event) {
  static_cast<Seen *>(user)->launches.emplace_back(event->kernel);
}

class GrowingState : public testing::Test {
protected:
  static void SetUpTestSuite() {
    folder = new Folder;
    compiled = folder->compile("decode_growing.mlir", "growing.so");
  }
  static void TearDownTestSuite() { delete folder; }
  void SetUp() override {
    ASSERT_TRUE(compiled);
    MercerContextOptions options{};
    options.allocator = &allocator;
    options.profiler = &profiler;
    auto made = mercer::Context::create(options);
    ASSERT_TRUE(made);
    context = std::make_unique<mercer::Context>(std::move(*made));
    auto loaded = context->load(folder->path + "/growing.so");
    ASSERT_TRUE(loaded) << loaded.error().text();
    model = std::make_unique<mercer::Artifact>(std::move(*loaded));
  }
  mercer::Session open(int64_t capacity = 0) {
    auto session = context->createSession(*model, capacity);
    EXPECT_TRUE(session);
    return std::move(*session);
  }
  int32_t step(mercer::Session &session, int64_t begin, int64_t end,
               Rows &result) {
    return decode::step(*context, *model, session, q, k, v, begin, end, result);
  }
  /// Buffer, capacity and current length of a state.
  struct State {
    const void *data;
    int64_t capacity, length;
  };
  State state(mercer::Session &session, uint32_t index) {
    int64_t shape[8] = {}, length = -1;
    MercerTensor view{};
    view.shape = shape;
    EXPECT_EQ(mercer_session_state(context->get(), session.get(), index, &view,
                                   &length),
              0);
    return {view.data, view.shape[0], length};
  }

  static inline Folder *folder = nullptr;
  static inline bool compiled = false;
  Seen seen;
  MercerAllocator allocator{take, give, &seen};
  MercerProfiler profiler{launched, &seen};
  std::unique_ptr<mercer::Context> context;
  std::unique_ptr<mercer::Artifact> model;
  std::mt19937 random{12};
  static constexpr int64_t tokens = 200;
  Rows q = draw(random, tokens), k = draw(random, tokens),
       v = draw(random, tokens);
};

TEST_F(GrowingState, TokenByTokenEqualsTheWholeSequenceInPlace) {
  mercer::Session whole = open(tokens), single = open(tokens);
  Rows atOnce, one;
  ASSERT_EQ(step(whole, 0, tokens, atOnce), 0);
  expectNear(atOnce, attention(q, k, v));
  ASSERT_EQ(step(single, 0, 7, one), 0); // the prompt
  State keys = state(single, 0), values = state(single, 1);
  EXPECT_EQ(keys.capacity, tokens);
  EXPECT_EQ(keys.length, 7);
  EXPECT_EQ(seen.allocations[MERCER_MEMORY_STATE], 4); // two in each session
  for (int64_t i = 7; i < tokens; ++i) {
    seen = {};
    ASSERT_EQ(step(single, i, i + 1, one), 0);
    // The same buffers, one row longer, by the same three launches; nothing
    // else is asked for but the output.
    EXPECT_EQ(state(single, 0).data, keys.data);
    EXPECT_EQ(state(single, 1).data, values.data);
    EXPECT_EQ(state(single, 1).length, i + 1);
    EXPECT_EQ(seen.launches.size(), 3u);
    for (int purpose : {MERCER_MEMORY_STATE, MERCER_MEMORY_DYNAMIC,
                        MERCER_MEMORY_COPY, MERCER_MEMORY_ARENA})
      EXPECT_EQ(seen.allocations[purpose], 0) << "purpose " << purpose;
  }
  EXPECT_EQ(one, atOnce);
}

TEST_F(GrowingState, CapacityIsTheArtifactsUnlessTheSessionSaysOtherwise) {
  mercer::Session session = open(), small = open(3);
  Rows result;
  ASSERT_EQ(step(session, 0, 16, result), 0);
  EXPECT_EQ(state(session, 0).capacity, 16);
  EXPECT_EQ(step(session, 16, 17, result), 4201);
  ASSERT_EQ(step(small, 0, 3, result), 0);
  EXPECT_EQ(state(small, 0).capacity, 3);
  EXPECT_EQ(step(small, 3, 4, result), 4201);
}

TEST_F(GrowingState, ARunThatFailsChangesNoLength) {
  mercer::Session session = open(8);
  Rows result, rest, want;
  ASSERT_EQ(step(session, 0, 5, result), 0);
  EXPECT_EQ(step(session, 5, 9, rest), 4201);
  EXPECT_EQ(state(session, 0).length, 5);
  ASSERT_EQ(step(session, 5, 8, result), 0);
  mercer::Session whole = open(8);
  ASSERT_EQ(step(whole, 0, 8, want), 0);
  EXPECT_EQ(result, want);
}

TEST_F(GrowingState, StepsCanBeTakenBack) {
  mercer::Session session = open(32);
  Rows before, wrong, again, want;
  ASSERT_EQ(step(session, 0, 4, before), 0);
  ASSERT_EQ(step(session, 20, 25, wrong), 0);
  for (uint32_t index : {0u, 1u})
    ASSERT_EQ(
        mercer_session_set_length(context->get(), session.get(), index, 4), 0);
  ASSERT_EQ(step(session, 4, 9, again), 0);
  mercer::Session whole = open(32);
  ASSERT_EQ(step(whole, 0, 9, want), 0);
  EXPECT_EQ(again, slice(want, 4, 9));
}

TEST_F(GrowingState, IsListedWithItsAxis) {
  auto states = context->values(*model, MERCER_VALUE_STATE);
  ASSERT_TRUE(states);
  ASSERT_EQ(states->size(), 2u);
  EXPECT_EQ((*states)[1].name, "values");
  EXPECT_EQ((*states)[1].axis, 0);
  EXPECT_EQ((*states)[1].shape, (std::vector<int64_t>{16, 8}));
}

} // namespace
