//===- Decode.h - what the tests of decoders share --------------*- C++ -*-===//
#ifndef MERCER_TEST_UNIT_HOST_DECODE_H
#define MERCER_TEST_UNIT_HOST_DECODE_H

#include "mercer/mercer.hpp"

#include <cmath>
#include <cstdlib>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

namespace decode {

constexpr int64_t size = 8;
using Rows = std::vector<float>;

inline Rows draw(std::mt19937 &random, int64_t rows) {
  std::normal_distribution<float> normal;
  Rows values(rows * size);
  for (float &value : values)
    value = normal(random);
  return values;
}

/// Causal attention in float64.
inline Rows attention(const Rows &q, const Rows &k, const Rows &v) {
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

inline Rows slice(const Rows &rows, int64_t begin, int64_t end) {
  return Rows(rows.begin() + begin * size, rows.begin() + end * size);
}

inline void expectNear(const Rows &got, const Rows &want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    EXPECT_NEAR(got[i], want[i], 1e-5) << "element " << i;
}

/// A folder for the artifacts of a test suite.
class Folder {
public:
  Folder() {
    char name[] = "/tmp/mercer-decode-XXXXXX";
    path = mkdtemp(name);
  }
  Folder(const Folder &) = delete;
  ~Folder() { (void)!system(("rm -rf '" + path + "'").c_str()); }
  /// Whether mercerc makes `artifact` of Inputs/`model`.
  bool compile(const std::string &model, const std::string &artifact) const {
    return system((MERCERC " " INPUTS "/" + model +
                   " --from-stage=bufferize --quiet -o " + path + "/" +
                   artifact)
                      .c_str()) == 0;
  }
  std::string path;
};

/// Runs rows [begin, end) of q, k and v, appends what comes out to `result`;
/// the code of the run.
inline int32_t step(mercer::Context &context, mercer::Artifact &model,
                    mercer::Session &session, const Rows &q, const Rows &k,
                    const Rows &v, int64_t begin, int64_t end, Rows &result) {
  Rows query = slice(q, begin, end), key = slice(k, begin, end),
       value = slice(v, begin, end);
  std::vector<int64_t> shape{end - begin, size};
  auto outputs = context.run(
      model,
      {{query.data(), shape}, {key.data(), shape}, {value.data(), shape}},
      &session);
  if (!outputs)
    return outputs.error().code;
  const float *data = outputs->data<float>(0);
  result.insert(result.end(), data, data + (end - begin) * size);
  return 0;
}

} // namespace decode

#endif
