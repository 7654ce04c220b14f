//===- DecodeTest.cpp - a compiled decoder with state, token by token -----===//

#include "mercer/mercer.hpp"

#include <cmath>
#include <cstdio>
#include <gtest/gtest.h>
#include <random>
#include <sstream>
#include <unistd.h>

namespace {

constexpr int64_t size = 8, capacity = 16;
using Rows = std::vector<float>;

Rows draw(std::mt19937 &random, int64_t rows) {
  std::normal_distribution<float> normal;
  Rows values(rows * size);
  for (float &value : values)
    value = normal(random);
  return values;
}

/// Causal attention in float64.
Rows attention(const Rows &q, const Rows &k, const Rows &v) {
  const int64_t rows = q.size() / size;
  Rows out(q.size());
  for (int64_t i = 0; i < rows; ++i) {
    std::vector<double> weights(i + 1);
    double sum = 0;
    for (int64_t j = 0; j <= i; ++j) {
      double dot = 0;
      for (int64_t d = 0; d < size; ++d)
        dot += double(q[i * size + d]) * k[j * size + d];
      sum += weights[j] = std::exp(dot);
    }
    for (int64_t d = 0; d < size; ++d) {
      double value = 0;
      for (int64_t j = 0; j <= i; ++j)
        value += weights[j] / sum * v[j * size + d];
      out[i * size + d] = static_cast<float>(value);
    }
  }
  return out;
}

Rows slice(const Rows &rows, int64_t begin, int64_t end) {
  return Rows(rows.begin() + begin * size, rows.begin() + end * size);
}

class Decode : public testing::Test {
protected:
  static void SetUpTestSuite() {
    char name[] = "/tmp/mercer-decode-XXXXXX";
    folder = mkdtemp(name);
    compiled = compile("decode.so");
  }
  static bool compile(const std::string &name) {
    std::string command = MERCERC " " DECODE_MLIR
                                  " --from-stage=bufferize --quiet -o " +
                          folder + "/" + name;
    return system(command.c_str()) == 0;
  }
  /// What a command prints about the artifact.
  static std::string output(const std::string &command) {
    std::string text;
    FILE *pipe = popen((command + " " + folder + "/decode.so").c_str(), "r");
    char buffer[4096];
    while (size_t n = fread(buffer, 1, sizeof(buffer), pipe))
      text.append(buffer, n);
    EXPECT_EQ(pclose(pipe), 0) << command;
    return text;
  }
  static void TearDownTestSuite() {
    (void)!system(("rm -rf '" + folder + "'").c_str());
  }
  void SetUp() override {
    ASSERT_TRUE(compiled);
    ASSERT_TRUE(context);
    auto loaded = context->load(folder + "/decode.so");
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
    Rows query = slice(q, begin, end), key = slice(k, begin, end),
         value = slice(v, begin, end);
    std::vector<int64_t> shape{end - begin, size};
    auto outputs = context->run(
        *model,
        {{query.data(), shape}, {key.data(), shape}, {value.data(), shape}},
        &session);
    if (!outputs)
      return outputs.error().code;
    const float *data = outputs->data<float>(0);
    result.insert(result.end(), data, data + (end - begin) * size);
    return 0;
  }
  void expectNear(const Rows &got, const Rows &want) {
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_NEAR(got[i], want[i], 1e-5) << "element " << i;
  }

  static inline std::string folder;
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
  EXPECT_EQ(
      system(("cmp " + folder + "/decode.so " + folder + "/again.so").c_str()),
      0);
}

} // namespace
