//===- Array.h - tensors as files and tests hold them -----------*- C++ -*-===//

#ifndef MERCER_TOOLS_MERCERRUN_ARRAY_H
#define MERCER_TOOLS_MERCERRUN_ARRAY_H

#include "mercer/mercer.h"

#include <cstdlib>
#include <memory>
#include <vector>

namespace mercer::run {

/// A row-major tensor that owns its memory, in the machine's byte order; types
/// below 8 bits are packed as the runtime wants them.
struct Array {
  MercerDataType dtype{};
  std::vector<int64_t> shape;

  /// False if there is no memory. Aligned like the runtime's own buffers, so
  /// that timings do not depend on where the heap happens to begin.
  bool allocate(int64_t count);
  char *data() { return bytes.get(); }
  const char *data() const { return bytes.get(); }
  int64_t size() const { return byteSize; }
  int64_t count() const { return elements; }

  MercerTensor tensor();

private:
  struct Free {
    void operator()(char *memory) const { free(memory); }
  };
  std::unique_ptr<char, Free> bytes;
  int64_t byteSize = 0, elements = 0;
};

/// Elements [begin, begin + count) as float64; complex numbers give two values
/// each, real part first.
void decode(const Array &array, int64_t begin, int64_t count, double *values);

/// 2 for complex types, else 1.
int componentCount(MercerDataType dtype);

/// Types whose values a float64 cannot hold exactly.
bool isWideInteger(MercerDataType dtype);
bool isFloating(MercerDataType dtype);

/// Fills with reproducible values: floating types from a normal distribution,
/// integers and booleans 0 or 1 (valid as masks and as indices into anything).
void fillRandom(Array &array, uint64_t seed);

/// Fills `bytes` with what a kernel that forgets to write would expose: NaN
/// for floating types, an odd pattern for the others.
void poison(MercerDataType dtype, void *data, size_t bytes);

} // namespace mercer::run

#endif // MERCER_TOOLS_MERCERRUN_ARRAY_H
