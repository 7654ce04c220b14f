//===- CompareTest.cpp - when two arrays agree ----------------------------===//

#include "tools/mercer-run/Compare.h"
#include "Testing.h"

#include <cmath>

using namespace mercer::test;
using namespace mercer::run;

namespace {

template <typename T>
Array make(std::vector<T> values, std::vector<int64_t> shape = {}) {
  Array array;
  array.dtype = TypeOf<T>::value;
  array.shape = shape.empty() ? std::vector<int64_t>{int64_t(values.size())}
                              : std::move(shape);
  EXPECT_TRUE(array.allocate(values.size()));
  if (!values.empty())
    memcpy(array.data(), values.data(), values.size() * sizeof(T));
  return array;
}

TEST(Compare, ToleranceIsAbsolutePlusRelative) {
  auto got = make<float>({1.5f, 100.5f}), want = make<float>({1, 100});
  EXPECT_TRUE(compare(got, want, {0, 0.5}).ok);
  EXPECT_FALSE(compare(got, want, {0, 0.4}).ok);
  EXPECT_TRUE(compare(got, want, {0.005, 0.495}).ok);
  Comparison result = compare(got, want, {0.01, 0});
  EXPECT_FALSE(result.ok);
  EXPECT_EQ(result.mismatches, 1);
  EXPECT_EQ(result.maxAbs, 0.5);
  EXPECT_EQ(result.maxRel, 0.5);
  EXPECT_NE(result.note.find("[0]"), std::string::npos);
}

TEST(Compare, NansAndInfinities) {
  float nan = NAN, inf = INFINITY;
  EXPECT_TRUE(
      compare(make<float>({nan, inf}), make<float>({nan, inf}), {0, 0}).ok);
  EXPECT_FALSE(compare(make<float>({nan}), make<float>({1}), {1, 1}).ok);
  EXPECT_FALSE(compare(make<float>({1}), make<float>({nan}), {1, 1}).ok);
  EXPECT_FALSE(compare(make<float>({inf}), make<float>({-inf}), {1, 1}).ok);
  EXPECT_FALSE(compare(make<float>({1}), make<float>({inf}), {1, 1}).ok);
  EXPECT_FALSE(compare(make<float>({inf}), make<float>({1}), {1, 1}).ok);
  EXPECT_TRUE(
      std::isinf(compare(make<float>({nan}), make<float>({1}), {1, 1}).maxAbs));
}

TEST(Compare, WideIntegersExactly) {
  int64_t big = int64_t(1) << 60;
  EXPECT_TRUE(compare(make<int64_t>({big}), make<int64_t>({big}), {0, 0}).ok);
  Comparison result =
      compare(make<int64_t>({big + 1}), make<int64_t>({big}), {0, 0});
  EXPECT_FALSE(result.ok);
  EXPECT_EQ(result.maxAbs, 1);
  result =
      compare(make<int64_t>({INT64_MIN}), make<int64_t>({INT64_MAX}), {0, 0});
  EXPECT_EQ(result.maxAbs, 0x1p64);
}

TEST(Compare, ShapesMustAgreeTypesNeedNot) {
  Comparison result =
      compare(make<float>({1, 2}, {2}), make<float>({1, 2}, {1, 2}), {1, 1});
  EXPECT_FALSE(result.ok);
  EXPECT_EQ(result.note, "expects shape [1, 2], got [2]");
  EXPECT_TRUE(compare(make<float>({0.1f}), make<double>({0.1}), {1e-7, 0}).ok);
  EXPECT_TRUE(compare(make<float>({}), make<double>({}), {0, 0}).ok);
}

TEST(Compare, FindsOneElementOfMany) {
  std::vector<float> values(10000, 1);
  auto want = make<float>(values, {100, 100});
  values[7654] = 2;
  Comparison result = compare(make<float>(values, {100, 100}), want, {0, 0});
  EXPECT_EQ(result.mismatches, 1);
  EXPECT_NE(result.note.find("[76, 54]"), std::string::npos);
}

} // namespace
