//===- Check.h - random buffers and comparison for kernel tests -*- C++ -*-===//
#ifndef MERCER_TEST_UNIT_CPU_CHECK_H
#define MERCER_TEST_UNIT_CPU_CHECK_H

#include "test/unit/cpu/KernelRunner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

namespace mercer::test {

/// Elements with guard elements behind them, which no kernel may touch.
template <class T> struct Buffer {
  static constexpr size_t guard = 96;
  explicit Buffer(size_t count) : count(count), data(count + 2 * guard) {
    std::memset(data.data(), 0x5a, data.size() * sizeof(T));
  }
  T *get() { return data.data() + guard; }
  T &operator[](size_t i) { return get()[i]; }
  const T &operator[](size_t i) const { return data[guard + i]; }
  bool guardsIntact() const {
    T sample;
    std::memset(&sample, 0x5a, sizeof(T));
    for (size_t i = 0; i < guard; ++i)
      if (std::memcmp(&data[i], &sample, sizeof(T)) ||
          std::memcmp(&data[guard + count + i], &sample, sizeof(T)))
        return false;
    return true;
  }
  size_t count;

private:
  std::vector<T> data;
};

inline std::mt19937 &generator() {
  static std::mt19937 engine(20261122);
  return engine;
}

template <class T> Buffer<T> randomBuffer(size_t count) {
  Buffer<T> buffer(count);
  for (size_t i = 0; i < count; ++i) {
    if constexpr (std::is_floating_point_v<T>)
      buffer[i] = std::uniform_real_distribution<T>(-1, 1)(generator());
    else
      buffer[i] = static_cast<T>(
          std::uniform_int_distribution<int>(-100, 100)(generator()));
  }
  return buffer;
}

/// Compiles `text` for `cpu`; the test fails when it does not compile.
inline std::unique_ptr<KernelRunner> compile(const std::string &text,
                                             const std::string &cpu) {
  std::string error;
  auto runner = KernelRunner::create(text, cpu, error);
  EXPECT_TRUE(runner) << error << text;
  return runner;
}

/// Replaces every `$name` of `text`.
inline std::string
fill(std::string text,
     const std::vector<std::pair<std::string, std::string>> &values) {
  for (const auto &[name, value] : values)
    for (size_t at; (at = text.find("$" + name)) != std::string::npos;)
      text.replace(at, name.size() + 1, value);
  return text;
}

/// All elements within `tolerance` of the largest expected magnitude.
template <class T>
void expectClose(const Buffer<T> &actual, const std::vector<double> &expected,
                 double tolerance, const std::string &what) {
  ASSERT_EQ(actual.count, expected.size());
  double largest = 1e-30;
  for (double e : expected)
    if (std::isfinite(e))
      largest = std::max(largest, std::abs(e));
  for (size_t i = 0; i < expected.size(); ++i)
    if (actual[i] != expected[i] &&
        !(std::abs(actual[i] - expected[i]) <= tolerance * largest)) {
      ADD_FAILURE() << what << ": element " << i << " is " << +actual[i]
                    << ", expected " << expected[i];
      return;
    }
  EXPECT_TRUE(actual.guardsIntact()) << what << ": wrote outside its buffer";
}

} // namespace mercer::test

#endif
