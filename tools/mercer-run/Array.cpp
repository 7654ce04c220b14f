//===- Array.cpp - tensors as files and tests hold them -------------------===//

#include "tools/mercer-run/Array.h"

#include "runtime/support/Dtype.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace mercer::run {

bool Array::allocate(int64_t count) {
  if (!rt::byteCount(dtype, count, byteSize))
    return false;
  constexpr size_t alignment = 64;
  size_t rounded = (size_t(byteSize) + alignment) / alignment * alignment;
  bytes.reset(static_cast<char *>(aligned_alloc(alignment, rounded)));
  elements = count;
  return bytes != nullptr;
}

MercerTensor Array::tensor() {
  MercerTensor tensor{};
  tensor.data = bytes.get();
  tensor.device = {MERCER_DEVICE_CPU, 0};
  tensor.ndim = static_cast<int32_t>(shape.size());
  tensor.dtype = dtype;
  tensor.shape = shape.data();
  return tensor;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

namespace {
/// How a small binary float is laid out: sign, exponent, mantissa.
struct FloatFormat {
  int exponentBits, mantissaBits, bias;
  enum Special {
    Ieee,        ///< the largest exponent: infinities and NaNs
    OnlyNan,     ///< all ones is NaN, nothing is infinite ("fn")
    UnsignedNan, ///< what would be -0 is NaN ("fnuz")
    None         ///< every code is a number
  } special;
};
} // namespace

/// The format of floating types up to 16 bits; false for all others.
static bool smallFormat(MercerDataType dtype, FloatFormat &format) {
  switch (dtype.code) {
  case MERCER_FLOAT:
    format = {5, 10, 15, FloatFormat::Ieee};
    return dtype.bits == 16;
  case MERCER_BFLOAT:
    format = {8, 7, 127, FloatFormat::Ieee};
    return true;
  case MERCER_FLOAT8_E4M3FN:
    format = {4, 3, 7, FloatFormat::OnlyNan};
    return true;
  case MERCER_FLOAT8_E4M3FNUZ:
    format = {4, 3, 8, FloatFormat::UnsignedNan};
    return true;
  case MERCER_FLOAT8_E5M2:
    format = {5, 2, 15, FloatFormat::Ieee};
    return true;
  case MERCER_FLOAT8_E5M2FNUZ:
    format = {5, 2, 16, FloatFormat::UnsignedNan};
    return true;
  case MERCER_FLOAT4_E2M1FN:
    format = {2, 1, 1, FloatFormat::None};
    return true;
  default:
    return false;
  }
}

static double decodeSmall(uint32_t code, const FloatFormat &format) {
  const uint32_t mantissaMask = (1u << format.mantissaBits) - 1;
  const uint32_t exponentMask = (1u << format.exponentBits) - 1;
  const uint32_t mantissa = code & mantissaMask;
  const uint32_t exponent = code >> format.mantissaBits & exponentMask;
  const bool negative = code >> (format.mantissaBits + format.exponentBits) & 1;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  double value;
  if (format.special == FloatFormat::Ieee && exponent == exponentMask)
    value = mantissa ? nan : std::numeric_limits<double>::infinity();
  else if (format.special == FloatFormat::OnlyNan && exponent == exponentMask &&
           mantissa == mantissaMask)
    value = nan;
  else if (format.special == FloatFormat::UnsignedNan && negative &&
           !exponent && !mantissa)
    value = nan;
  else if (exponent == 0)
    value = std::ldexp(mantissa, 1 - format.bias - format.mantissaBits);
  else
    value = std::ldexp(mantissa + mantissaMask + 1,
                       int(exponent) - format.bias - format.mantissaBits);
  return negative ? -value : value;
}

/// Element `index` of a packed array as its raw code.
static uint32_t loadCode(const char *data, unsigned bits, int64_t index) {
  if (bits == 16) {
    uint16_t code;
    memcpy(&code, data + 2 * index, 2);
    return code;
  }
  unsigned perByte = 8 / bits;
  uint32_t byte = static_cast<unsigned char>(data[index / perByte]);
  return byte >> (index % perByte * bits) & ((1u << bits) - 1);
}

template <typename T>
static void decodeNative(const char *data, int64_t begin, int64_t count,
                         double *values) {
  for (int64_t i = 0; i < count; ++i) {
    T value;
    memcpy(&value, data + (begin + i) * sizeof(T), sizeof(T));
    values[i] = static_cast<double>(value);
  }
}

int componentCount(MercerDataType dtype) {
  return dtype.code == MERCER_COMPLEX ? 2 : 1;
}

bool isWideInteger(MercerDataType dtype) {
  return dtype.bits == 64 &&
         (dtype.code == MERCER_INT || dtype.code == MERCER_UINT);
}

bool isFloating(MercerDataType dtype) {
  return dtype.code != MERCER_INT && dtype.code != MERCER_UINT &&
         dtype.code != MERCER_BOOL;
}

void decode(const Array &array, int64_t begin, int64_t count, double *values) {
  const MercerDataType dtype = array.dtype;
  const char *data = array.data();
  FloatFormat format;
  if (smallFormat(dtype, format)) {
    for (int64_t i = 0; i < count; ++i)
      values[i] = decodeSmall(loadCode(data, dtype.bits, begin + i), format);
    return;
  }
  switch (dtype.code) {
  case MERCER_FLOAT8_E8M0FNU:
    for (int64_t i = 0; i < count; ++i) {
      uint32_t code = loadCode(data, 8, begin + i);
      values[i] = code == 255 ? std::numeric_limits<double>::quiet_NaN()
                              : std::ldexp(1.0, int(code) - 127);
    }
    return;
  case MERCER_COMPLEX:
    if (dtype.bits == 64)
      return decodeNative<float>(data, 2 * begin, 2 * count, values);
    return decodeNative<double>(data, 2 * begin, 2 * count, values);
  case MERCER_FLOAT:
    if (dtype.bits == 32)
      return decodeNative<float>(data, begin, count, values);
    return decodeNative<double>(data, begin, count, values);
  case MERCER_BOOL:
    return decodeNative<uint8_t>(data, begin, count, values);
  case MERCER_UINT:
    switch (dtype.bits) {
    case 8:
      return decodeNative<uint8_t>(data, begin, count, values);
    case 16:
      return decodeNative<uint16_t>(data, begin, count, values);
    case 32:
      return decodeNative<uint32_t>(data, begin, count, values);
    case 64:
      return decodeNative<uint64_t>(data, begin, count, values);
    default:
      for (int64_t i = 0; i < count; ++i)
        values[i] = loadCode(data, dtype.bits, begin + i);
      return;
    }
  default:
    break;
  }
  switch (dtype.bits) {
  case 8:
    return decodeNative<int8_t>(data, begin, count, values);
  case 16:
    return decodeNative<int16_t>(data, begin, count, values);
  case 32:
    return decodeNative<int32_t>(data, begin, count, values);
  case 64:
    return decodeNative<int64_t>(data, begin, count, values);
  default:
    for (int64_t i = 0; i < count; ++i) {
      int code = int(loadCode(data, dtype.bits, begin + i));
      values[i] = code >> (dtype.bits - 1) ? code - (1 << dtype.bits) : code;
    }
  }
}

//===----------------------------------------------------------------------===//
// Random values and poison
//===----------------------------------------------------------------------===//

namespace {
/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014): the same values on every machine.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}
  uint64_t bits() {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  /// In (0, 1].
  double uniform() { return double((bits() >> 11) + 1) * 0x1p-53; }
  /// Box and Muller's transform.
  double normal() {
    constexpr double twoPi = 6.283185307179586;
    double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(twoPi * uniform());
  }

private:
  uint64_t state;
};
} // namespace

/// Code of the number nearest to `value`; magnitudes below the smallest normal
/// number become 0, those of a normal distribution never overflow 16 bits.
static uint16_t encodeHalf(double value, const FloatFormat &format) {
  uint32_t sign = std::signbit(value)
                      ? 1u << (format.exponentBits + format.mantissaBits)
                      : 0;
  if (value == 0)
    return sign;
  int exponent;
  double fraction = std::frexp(std::fabs(value), &exponent); // [0.5, 1)
  auto mantissa = static_cast<uint32_t>(
      std::nearbyint(std::ldexp(fraction, format.mantissaBits + 1)));
  int biased = exponent - 1 + format.bias;
  if (biased <= 0)
    return sign;
  // Adding instead of masking lets a mantissa that was rounded up carry.
  return sign + (uint32_t(biased - 1) << format.mantissaBits) + mantissa;
}

void fillRandom(Array &array, uint64_t seed) {
  Random random(seed);
  const MercerDataType dtype = array.dtype;
  char *data = array.data();
  memset(data, 0, array.size());
  const int64_t count = array.count() * componentCount(dtype);
  FloatFormat format;
  if (!isFloating(dtype)) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t bit = i * dtype.bits;
      data[bit / 8] |= char((random.bits() & 1) << bit % 8);
    }
  } else if (smallFormat(dtype, format) && dtype.bits == 16) {
    for (int64_t i = 0; i < count; ++i) {
      uint16_t code = encodeHalf(random.normal(), format);
      memcpy(data + 2 * i, &code, 2);
    }
  } else if (dtype.bits < 16) {
    // Few codes: draw until one is a number of moderate size.
    Array one;
    one.dtype = dtype;
    if (!one.allocate(1))
      return;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t bit = i * dtype.bits;
      double value;
      unsigned code;
      do {
        code = random.bits() & ((1u << dtype.bits) - 1);
        one.data()[0] = char(code);
        decode(one, 0, 1, &value);
      } while (!(std::fabs(value) <= 4));
      data[bit / 8] |= char(code << bit % 8);
    }
  } else {
    const bool isDouble = dtype.bits == 64 * componentCount(dtype);
    for (int64_t i = 0; i < count; ++i) {
      double value = random.normal();
      auto narrow = static_cast<float>(value);
      if (isDouble)
        memcpy(data + 8 * i, &value, 8);
      else
        memcpy(data + 4 * i, &narrow, 4);
    }
  }
}

void poison(MercerDataType dtype, void *data, size_t bytes) {
  memset(data, isFloating(dtype) ? 0xff : 0xa5, bytes);
}

} // namespace mercer::run
