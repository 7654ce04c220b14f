//===- Dtype.cpp - element types by name, code and size -------------------===//

#include "runtime/support/Dtype.h"

namespace mercer::rt {

namespace {
struct NamedDtype {
  const char *name;
  uint8_t code, bits;
};
} // namespace

static constexpr NamedDtype namedDtypes[] = {
    {"bool", MERCER_BOOL, 8},
    {"int2", MERCER_INT, 2},
    {"int4", MERCER_INT, 4},
    {"int8", MERCER_INT, 8},
    {"int16", MERCER_INT, 16},
    {"int32", MERCER_INT, 32},
    {"int64", MERCER_INT, 64},
    {"uint2", MERCER_UINT, 2},
    {"uint4", MERCER_UINT, 4},
    {"uint8", MERCER_UINT, 8},
    {"uint16", MERCER_UINT, 16},
    {"uint32", MERCER_UINT, 32},
    {"uint64", MERCER_UINT, 64},
    {"float16", MERCER_FLOAT, 16},
    {"float32", MERCER_FLOAT, 32},
    {"float64", MERCER_FLOAT, 64},
    {"bfloat16", MERCER_BFLOAT, 16},
    {"complex64", MERCER_COMPLEX, 64},
    {"complex128", MERCER_COMPLEX, 128},
    {"float8_e4m3fn", MERCER_FLOAT8_E4M3FN, 8},
    {"float8_e4m3fnuz", MERCER_FLOAT8_E4M3FNUZ, 8},
    {"float8_e5m2", MERCER_FLOAT8_E5M2, 8},
    {"float8_e5m2fnuz", MERCER_FLOAT8_E5M2FNUZ, 8},
    {"float8_e8m0fnu", MERCER_FLOAT8_E8M0FNU, 8},
    {"float4_e2m1fn", MERCER_FLOAT4_E2M1FN, 4},
};

const char *dtypeName(MercerDataType dtype) {
  for (const NamedDtype &named : namedDtypes)
    if (named.code == dtype.code && named.bits == dtype.bits &&
        dtype.lanes == 1)
      return named.name;
  return nullptr;
}

bool parseDtype(std::string_view name, MercerDataType &dtype) {
  for (const NamedDtype &named : namedDtypes)
    if (name == named.name) {
      dtype = {named.code, named.bits, 1};
      return true;
    }
  return false;
}

bool elementCount(const int64_t *dims, size_t rank, int64_t &count) {
  int64_t product = 1;
  bool empty = false;
  for (size_t i = 0; i < rank; ++i) {
    if (dims[i] < 0)
      return false;
    if (dims[i] == 0)
      empty = true;
    else if (__builtin_mul_overflow(product, dims[i], &product))
      return false;
  }
  count = empty ? 0 : product;
  return true;
}

bool byteCount(MercerDataType dtype, int64_t count, int64_t &bytes) {
  int64_t bits;
  if (__builtin_mul_overflow(count, int64_t(dtype.bits), &bits) ||
      __builtin_add_overflow(bits, int64_t(7), &bits))
    return false;
  bytes = bits / 8;
  return true;
}

} // namespace mercer::rt
