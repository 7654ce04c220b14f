//===- Dtype.h - element types by name, code and size -----------*- C++ -*-===//

#ifndef MERCER_RUNTIME_SUPPORT_DTYPE_H
#define MERCER_RUNTIME_SUPPORT_DTYPE_H

#include "mercer/mercer.h"

#include <cstddef>
#include <string_view>

namespace mercer::rt {

/// Null if the type is none of Mercer's.
const char *dtypeName(MercerDataType dtype);
bool parseDtype(std::string_view name, MercerDataType &dtype);

inline bool sameDtype(MercerDataType a, MercerDataType b) {
  return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes;
}

/// Product of the dimensions; false if one is negative or the product does not
/// fit. Zero dimensions do not hide an overflow of the others.
bool elementCount(const int64_t *dims, size_t rank, int64_t &count);

/// Bytes of `count` packed elements; false if they do not fit into memory.
bool byteCount(MercerDataType dtype, int64_t count, int64_t &bytes);

} // namespace mercer::rt

#endif // MERCER_RUNTIME_SUPPORT_DTYPE_H
