//===- Compare.h - results against expected ones ----------------*- C++ -*-===//

#ifndef MERCER_TOOLS_MERCERRUN_COMPARE_H
#define MERCER_TOOLS_MERCERRUN_COMPARE_H

#include "tools/mercer-run/Array.h"

#include <string>

namespace mercer::run {

struct Tolerance {
  double relative, absolute;
};

struct Comparison {
  std::string name;
  bool ok = true;
  double maxAbs = 0;      ///< largest |got - expected|
  double maxRel = 0;      ///< largest |got - expected| / |expected|, 0 excluded
  int64_t mismatches = 0; ///< elements outside of the tolerance
  std::string note;       ///< where the first one is, or why shapes differ
};

/// |got - expected| <= absolute + relative * |expected| for every element, in
/// float64 (64-bit integers exactly). NaN equals NaN, infinities equal those
/// of the same sign, complex numbers are compared by the modulus of their
/// difference. The types may differ, the shapes may not.
Comparison compare(const Array &got, const Array &expected,
                   Tolerance tolerance);

} // namespace mercer::run

#endif // MERCER_TOOLS_MERCERRUN_COMPARE_H
