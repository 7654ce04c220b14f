//===- SessionTest.cpp - state that outlives a run ------------------------===//

#include "Testing.h"

#include <cmath>

using namespace mercer::test;

namespace {

class SessionTest : public testing::Test {
protected:
  void SetUp() override { open(0); }
  void TearDown() override { mercer_session_destroy(session); }
  void open(int64_t capacity) {
    mercer_session_destroy(session);
    MercerSessionOptions options{};
    options.struct_size = sizeof(options);
    options.capacity = capacity;
    ASSERT_EQ(mercer_session_create(context, artifact, &options, &session), 0);
  }
  /// Appends rows; the mean of all rows so far comes back in `mean`.
  int32_t append(std::vector<float> rows, uint32_t entry = 0) {
    Buffer<float> x({int64_t(rows.size()) / 2, 2}, rows);
    MercerTensor in = x.view(), out = mean.view();
    MercerRunOptions options{};
    options.struct_size = sizeof(options);
    options.session = session;
    return mercer_run(context, artifact, entry, &options, &in, 1, &out, 1);
  }
  int64_t length(uint32_t state = 0) {
    int64_t value = -1;
    EXPECT_EQ(mercer_session_state(context, session, state, nullptr, &value),
              0);
    return value;
  }

  ContextHolder context;
  ArtifactHolder artifact{context, fake("decode")};
  MercerSession *session = nullptr;
  Buffer<float> mean{{2}, {0, 0}};
};

/// Token by token gives what the whole sequence at once gives.
TEST_F(SessionTest, DecodesTokenByToken) {
  ASSERT_EQ(append({1, 2, 3, 4}, /*prefill*/ 1), 0) << context.message();
  EXPECT_EQ(mean.values, (std::vector<float>{2, 3}));
  ASSERT_EQ(append({5, 6}), 0);
  ASSERT_EQ(append({7, 8}), 0);
  EXPECT_EQ(mean.values, (std::vector<float>{4, 5}));
  EXPECT_EQ(length(), 4);
  std::vector<float> stepwise = mean.values;
  ASSERT_EQ(mercer_session_reset(context, session), 0);
  ASSERT_EQ(append({1, 2, 3, 4, 5, 6, 7, 8}), 0);
  EXPECT_EQ(mean.values, stepwise);
}

TEST_F(SessionTest, ShowsItsBuffers) {
  MercerTensor view{};
  int64_t filled = -1;
  ASSERT_EQ(mercer_session_state(context, session, 0, &view, &filled), 0);
  EXPECT_EQ(view.data, nullptr);
  EXPECT_EQ(filled, 0);
  ASSERT_EQ(append({1, 2, 3, 4}), 0);
  ASSERT_EQ(mercer_session_state(context, session, 0, &view, &filled), 0);
  ASSERT_EQ(view.ndim, 2);
  EXPECT_EQ(view.shape[0], 16);
  EXPECT_EQ(filled, 2);
  EXPECT_EQ(static_cast<float *>(view.data)[3], 4);
  EXPECT_EQ(static_cast<float *>(view.data)[4], 0);
  ASSERT_EQ(mercer_session_state(context, session, 1, &view, &filled), 0);
  EXPECT_EQ(*static_cast<int64_t *>(view.data), 1);
  EXPECT_EQ(mercer_session_state(context, session, 2, &view, &filled), 1001);
}

TEST_F(SessionTest, RefusesToOverflow) {
  open(3);
  ASSERT_EQ(append({1, 2, 3, 4}), 0);
  EXPECT_EQ(append({5, 6, 7, 8}), 4201);
  EXPECT_EQ(context.place(), "state 'cache'");
  EXPECT_EQ(length(), 2);
  EXPECT_EQ(append({5, 6}), 0);
}

TEST_F(SessionTest, KeepsItsLengthWhenARunFails) {
  ASSERT_EQ(append({1, 2}), 0);
  EXPECT_EQ(append({NAN, 2}), 4108);
  EXPECT_EQ(length(), 1);
  ASSERT_EQ(append({3, 4}), 0);
  EXPECT_EQ(mean.values, (std::vector<float>{2, 3}));
}

TEST_F(SessionTest, RewindsSpeculation) {
  ASSERT_EQ(append({1, 2, 3, 4}), 0);
  ASSERT_EQ(append({9, 9, 9, 9}), 0);
  ASSERT_EQ(mercer_session_set_length(context, session, 0, 2), 0);
  ASSERT_EQ(append({5, 6}), 0);
  EXPECT_EQ(mean.values, (std::vector<float>{3, 4}));
  EXPECT_EQ(mercer_session_set_length(context, session, 0, 17), 4201);
  EXPECT_EQ(mercer_session_set_length(context, session, 0, -1), 4201);
  // A state of fixed shape has no length.
  EXPECT_EQ(mercer_session_set_length(context, session, 1, 0), 1001);
}

TEST_F(SessionTest, SequencesAreIndependent) {
  MercerSession *first = session;
  session = nullptr;
  open(0);
  ASSERT_EQ(append({1, 1}), 0);
  std::swap(first, session);
  ASSERT_EQ(append({5, 5}), 0);
  EXPECT_EQ(mean.values, (std::vector<float>{5, 5}));
  EXPECT_EQ(length(), 1);
  mercer_session_destroy(first);
}

TEST_F(SessionTest, IsNeededAndMustFit) {
  Buffer<float> x({1, 2}, {1, 2});
  MercerTensor in = x.view(), out = mean.view();
  EXPECT_EQ(mercer_run(context, artifact, 0, nullptr, &in, 1, &out, 1), 1009);
  // A session of another artifact.
  ArtifactHolder other(context, fake("nonzero"));
  MercerRunOptions options{};
  options.struct_size = sizeof(options);
  ASSERT_EQ(mercer_session_create(context, other, nullptr, &options.session),
            0);
  EXPECT_EQ(mercer_run(context, artifact, 0, &options, &in, 1, &out, 1), 1009);
  mercer_session_destroy(options.session);
}

TEST_F(SessionTest, OutlivesTheArtifactHandle) {
  MercerArtifact *handle = nullptr;
  ASSERT_EQ(
      mercer_artifact_load(context, fake("decode").c_str(), nullptr, &handle),
      0);
  MercerSession *orphan = nullptr;
  ASSERT_EQ(mercer_session_create(context, handle, nullptr, &orphan), 0);
  mercer_artifact_release(handle);
  int64_t filled = -1;
  EXPECT_EQ(mercer_session_state(context, orphan, 0, nullptr, &filled), 0);
  mercer_session_destroy(orphan);
}

} // namespace
