//===- DecodeTest.cpp - a compiled decoder with state, token by token -----===//

#include "Decode.h"

#include <cstdio>
#include <sstream>

using namespace decode;

namespace {

constexpr int64_t capacity = 16;

class Decode : public testing::Test {
protected:
  static void SetUpTestSuite() {
    folder = new Folder;
    compiled = compile("decode.so");
  }
  static bool compile(const std::string &name) {
    return folder->compile("decode.mlir", name);
  }
  /// What a command prints about the artifact.
  static std::string output(const std::string &command) {
    std::string text;
    FILE *pipe =
        popen((command + " " + folder->path + "/decode.so").c_str(), "r");
    char buffer[4096];
    while (size_t n = fread(buffer, 1, sizeof(buffer), pipe))
      text.append(buffer, n);
    EXPECT_EQ(pclose(pipe), 0) << command;
    return text;
  }
  static void TearDownTestSuite() { delete folder; }
  void SetUp() override {
    ASSERT_TRUE(compiled);
    ASSERT_TRUE(context);
    auto loaded = context->load(folder->path + "/decode.so");
    ASSERT_TRUE(loaded) << loaded.error().text();
    model = std::make_unique<mercer::Artifact>(std::move(*loaded));
  }

  mercer::Session open() {
    auto session = context->createSession(*model);
    EXPECT_TRUE(session);
    return std::move(*session);
  }
  /// Steps over rows [begin, end) of the sequence; the code of the run.
  int32_t step(mercer::Session &session, int64_t begin, int64_t end,
               Rows &result) {
    return decode::step(*context, *model, session, q, k, v, begin, end, result);
  }

  static inline Folder *folder = nullptr;
  static inline bool compiled = false;
  mercer::Result<mercer::Context> context = mercer::Context::create();
  std::unique_ptr<mercer::Artifact> model;
  std::mt19937 random{11};
  Rows q = draw(random, capacity + 1), k = draw(random, capacity + 1),
       v = draw(random, capacity + 1);
};

TEST_F(Decode, TokenByTokenEqualsTheWholeSequence) {
  Rows want = attention(slice(q, 0, 16), slice(k, 0, 16), slice(v, 0, 16));
  mercer::Session whole = open();
  Rows atOnce;
  ASSERT_EQ(step(whole, 0, capacity, atOnce), 0);
  expectNear(atOnce, want);
  mercer::Session single = open();
  Rows tokens;
  ASSERT_EQ(step(single, 0, 5, tokens), 0); // the prompt
  for (int64_t i = 5; i < capacity; ++i)
    ASSERT_EQ(step(single, i, i + 1, tokens), 0);
  // The same rows in the same order: not one bit differs.
  EXPECT_EQ(tokens, atOnce);
}

TEST_F(Decode, RefusesToGrowBeyondTheCache) {
  mercer::Session session = open();
  Rows result;
  EXPECT_EQ(step(session, 0, capacity + 1, result), 4201);
  ASSERT_EQ(step(session, 0, capacity, result), 0);
  EXPECT_EQ(step(session, capacity, capacity + 1, result), 4201);
}

TEST_F(Decode, SessionsAreIndependentAndReset) {
  mercer::Session first = open(), second = open();
  Rows a, b, again;
  ASSERT_EQ(step(first, 0, 3, a), 0);
  ASSERT_EQ(step(second, 3, 4, b), 0);
  expectNear(b, slice(v, 3, 4)); // one row attends to itself
  ASSERT_EQ(mercer_session_reset(context->get(), first.get()), 0);
  ASSERT_EQ(step(first, 0, 3, again), 0);
  EXPECT_EQ(a, again);
}

TEST_F(Decode, ListsItsStates) {
  auto states = context->values(*model, MERCER_VALUE_STATE);
  ASSERT_TRUE(states);
  ASSERT_EQ(states->size(), 3u);
  EXPECT_EQ((*states)[0].name, "keys");
  EXPECT_EQ((*states)[1].shape, (std::vector<int64_t>{16, 8}));
  EXPECT_STREQ(mercer_dtype_name((*states)[2].dtype), "int64");
}

TEST_F(Decode, ArtifactNeedsNoMoreThanLibcAndLibm) {
  std::istringstream headers(output("objdump -p"));
  for (std::string line; std::getline(headers, line);)
    if (line.find("NEEDED") != std::string::npos)
      EXPECT_TRUE(line.find("libc.so.6") != std::string::npos ||
                  line.find("libm.so.6") != std::string::npos)
          << line;
  std::istringstream exports(output("nm -D --defined-only"));
  std::string address, kind, name, more;
  exports >> address >> kind >> name;
  EXPECT_EQ(name, "mercer_module");
  EXPECT_FALSE(exports >> more) << more;
}

TEST_F(Decode, SameInputSameBytes) {
  ASSERT_TRUE(compile("again.so"));
  EXPECT_EQ(system(("cmp " + folder->path + "/decode.so " + folder->path +
                    "/again.so")
                       .c_str()),
            0);
}

} // namespace
