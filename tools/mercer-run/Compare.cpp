//===- Compare.cpp - results against expected ones ------------------------===//

#include "tools/mercer-run/Compare.h"

#include "runtime/support/Status.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace mercer::run {

/// Element `i` of a 64-bit integer array.
static __int128 wideInteger(const Array &array, int64_t i) {
  uint64_t bits;
  memcpy(&bits, array.data() + 8 * i, 8);
  if (array.dtype.code == MERCER_INT)
    return static_cast<int64_t>(bits);
  return bits;
}

/// "[1, 0, 3]" for element `flat` of a row-major array.
static std::string position(const std::vector<int64_t> &shape, int64_t flat) {
  std::vector<int64_t> index(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    index[d] = flat % shape[d];
    flat /= shape[d];
  }
  return rt::formatShape(index.data(), index.size());
}

/// Nine digits tell any two float32 apart; the sign of a NaN means nothing.
static std::string number(double value) {
  return std::isnan(value) ? "nan" : rt::format("%.9g", value);
}

Comparison compare(const Array &got, const Array &expected,
                   Tolerance tolerance) {
  Comparison result;
  if (got.shape != expected.shape) {
    result.ok = false;
    result.maxAbs = result.maxRel = std::numeric_limits<double>::infinity();
    result.note =
        "expects shape " +
        rt::formatShape(expected.shape.data(), expected.shape.size()) +
        ", got " + rt::formatShape(got.shape.data(), got.shape.size());
    return result;
  }
  const bool exact = isWideInteger(got.dtype) && isWideInteger(expected.dtype);
  const int gotParts = componentCount(got.dtype);
  const int expectedParts = componentCount(expected.dtype);
  constexpr int64_t blockSize = 4096;
  std::vector<double> a(blockSize * gotParts), b(blockSize * expectedParts);

  for (int64_t begin = 0; begin < got.count(); begin += blockSize) {
    const int64_t n = std::min(blockSize, got.count() - begin);
    decode(got, begin, n, a.data());
    decode(expected, begin, n, b.data());
    for (int64_t i = 0; i < n; ++i) {
      const double re = a[i * gotParts], wantRe = b[i * expectedParts];
      const double im = gotParts == 2 ? a[2 * i + 1] : 0;
      const double wantIm = expectedParts == 2 ? b[2 * i + 1] : 0;
      auto equal = [](double x, double y) {
        return x == y || (std::isnan(x) && std::isnan(y));
      };
      double difference, magnitude = std::hypot(wantRe, wantIm);
      if (exact)
        difference = std::fabs(static_cast<double>(
            wideInteger(got, begin + i) - wideInteger(expected, begin + i)));
      else if (equal(re, wantRe) && equal(im, wantIm))
        difference = 0;
      else
        difference = std::hypot(re - wantRe, im - wantIm);
      // A NaN or an infinity on one side only.
      if (std::isnan(difference))
        difference = std::numeric_limits<double>::infinity();
      result.maxAbs = std::max(result.maxAbs, difference);
      if (difference > 0 && magnitude > 0)
        result.maxRel = std::max(result.maxRel, std::isinf(magnitude)
                                                    ? difference
                                                    : difference / magnitude);
      const double slack =
          std::isfinite(magnitude)
              ? tolerance.absolute + tolerance.relative * magnitude
              : 0;
      if (difference == 0 || difference <= slack)
        continue;
      if (result.mismatches++ == 0)
        result.note = "first difference at " + position(got.shape, begin + i) +
                      ": expects " + number(wantRe) + ", got " + number(re);
    }
  }
  result.ok = result.mismatches == 0;
  return result;
}

} // namespace mercer::run
