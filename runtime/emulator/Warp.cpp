//===- Warp.cpp - operations of a whole subgroup --------------------------===//
//
// Shuffles, matrix loads and matrix products. Each lane leaves its operands;
// the last one computes for all. The fragment layouts are those of the PTX ISA
// ("Matrix fragments for mma", "ldmatrix").
//
//===----------------------------------------------------------------------===//

#include "runtime/emulator/State.h"

#include <string.h>

using namespace mercer::emu;

//===----------------------------------------------------------------------===//
// Shuffles
//===----------------------------------------------------------------------===//

namespace {
struct Shuffle : Deposit {
  uint32_t mode;
  int32_t offset, width;
  uint64_t value, result;
  bool valid;
};
} // namespace

static void shuffle(MercerEmuState &state, uint32_t firstLane) {
  const auto subgroup = static_cast<int32_t>(state.kernel->subgroup);
  for (int32_t lane = 0; lane < subgroup; ++lane) {
    auto &own = *static_cast<Shuffle *>(state.lanes[firstLane + lane].deposit);
    const int32_t segment = lane / own.width * own.width;
    const int32_t at = lane - segment;
    int32_t source = 0;
    switch (own.mode) {
    case MERCER_EMU_XOR:
      source = at ^ own.offset;
      break;
    case MERCER_EMU_UP:
      source = at - own.offset;
      break;
    case MERCER_EMU_DOWN:
      source = at + own.offset;
      break;
    default:
      source = own.offset;
      break;
    }
    own.valid = source >= 0 && source < own.width;
    auto &other = *static_cast<Shuffle *>(
        state.lanes[firstLane + (own.valid ? segment + source : lane)].deposit);
    own.result = other.value;
  }
}

uint64_t mercer_emu_shuffle(MercerEmuState *state, uint32_t site, uint32_t mode,
                            uint64_t value, int32_t offset, int32_t width) {
  const auto subgroup = static_cast<int32_t>(state->kernel->subgroup);
  if (width < 1 || width > subgroup || (width & (width - 1)) != 0)
    fail(*state, Code::EmulatedDivergence, site,
         "shuffles among %d lanes, the subgroup has %d", width, subgroup);
  Shuffle own;
  own.site = site;
  own.compute = shuffle;
  own.mode = mode;
  own.offset = offset;
  own.width = width;
  own.value = value;
  meet(*state, own);
  state->lanes[state->laneNumber].shuffleValid = own.valid;
  return own.result;
}

int32_t mercer_emu_shuffle_valid(MercerEmuState *state) {
  return state->lanes[state->laneNumber].shuffleValid;
}

//===----------------------------------------------------------------------===//
// Matrix loads
//===----------------------------------------------------------------------===//

namespace {
struct MatrixLoad : Deposit {
  uint32_t buffer, tiles, transpose;
  int64_t index;
  char *result;
};
} // namespace

static void loadMatrices(MercerEmuState &state, uint32_t firstLane) {
  auto deposit = [&](uint32_t lane) -> MatrixLoad & {
    return *static_cast<MatrixLoad *>(state.lanes[firstLane + lane].deposit);
  };
  const MatrixLoad &first = deposit(0);
  const uint32_t site = first.site;
  for (uint32_t tile = 0; tile < first.tiles; ++tile) {
    const char *rows[8];
    uint32_t offsets[8], worst = 1;
    for (uint32_t row = 0; row < 8; ++row) {
      const MatrixLoad &source = deposit(tile * 8 + row);
      const Buffer &buffer = state.buffers[source.buffer];
      const uint32_t elements = 16u >> buffer.shift;
      checkPlace(state, site, source.buffer, source.index, elements, 16);
      checkSharedRead(state, site, source.buffer, source.index, elements);
      rows[row] = buffer.base + (source.index << buffer.shift);
      offsets[row] = static_cast<uint32_t>(buffer.info->place +
                                           (source.index << buffer.shift)) /
                     16;
      uint32_t same = 1;
      for (uint32_t other = 0; other < row; ++other)
        same += offsets[other] != offsets[row] &&
                (offsets[other] - offsets[row]) % 8 == 0;
      if (same > worst)
        worst = same;
    }
    noteConflicts(state, site, firstLane / 32, worst - 1);
    for (uint32_t lane = 0; lane < 32; ++lane) {
      char *to = deposit(lane).result + 4 * tile;
      const uint32_t major = lane / 4, minor = lane % 4;
      if (!first.transpose) {
        memcpy(to, rows[major] + 4 * minor, 4);
      } else {
        memcpy(to, rows[2 * minor] + 2 * major, 2);
        memcpy(to + 2, rows[2 * minor + 1] + 2 * major, 2);
      }
    }
  }
}

void mercer_emu_ldmatrix(MercerEmuState *state, uint32_t site, uint32_t buffer,
                         int64_t index, uint32_t tiles, uint32_t transpose,
                         void *result) {
  MatrixLoad own;
  own.site = site;
  own.compute = loadMatrices;
  own.buffer = buffer;
  own.tiles = tiles;
  own.transpose = transpose;
  own.index = index;
  own.result = static_cast<char *>(result);
  meet(*state, own);
}

//===----------------------------------------------------------------------===//
// Matrix products
//===----------------------------------------------------------------------===//

namespace {
struct Product : Deposit {
  uint32_t type, k, half;
  const char *a, *b, *c;
  char *d;
};
} // namespace

static float fromBits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

static float fromHalf(uint16_t half) {
  const uint32_t magnitude = half & 0x7fffu;
  // Exact for subnormals too: the product rounds nothing.
  float value = fromBits(magnitude << 13) * 0x1p112f;
  uint32_t bits;
  memcpy(&bits, &value, 4);
  if (magnitude >= 0x7c00)
    bits = magnitude << 13 | 0x7f800000u;
  return fromBits(bits | (half & 0x8000u) << 16);
}

/// To nearest, ties to even.
static uint16_t toHalf(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  const uint32_t sign = bits >> 16 & 0x8000u;
  bits &= 0x7fffffffu;
  if (bits >= 0x7f800000u) // infinity, NaN
    return static_cast<uint16_t>(sign | 0x7c00u |
                                 (bits > 0x7f800000u ? 0x200u : 0u));
  if (bits >= 0x477ff000u) // rounds to 65536 or more
    return static_cast<uint16_t>(sign | 0x7c00u);
  if (bits < 0x38800000u) {
    // Adding 0.5 leaves the subnormal half in the low bits, rounded.
    float sum = fromBits(bits) + 0.5f;
    memcpy(&bits, &sum, 4);
    return static_cast<uint16_t>(sign | (bits - 0x3f000000u));
  }
  bits += 0xfffu + (bits >> 13 & 1);
  return static_cast<uint16_t>(sign | (bits - 0x38000000u) >> 13);
}

/// Operand element `i` of a lane as the unit multiplies it.
template <typename T>
static T element(const char *from, uint32_t i, uint32_t type);
template <> float element<float>(const char *from, uint32_t i, uint32_t type) {
  if (type == MERCER_EMU_TF32) {
    // The unit reads ten bits of the mantissa.
    uint32_t bits;
    memcpy(&bits, from + 4 * i, 4);
    return fromBits(bits & ~0x1fffu);
  }
  uint16_t bits;
  memcpy(&bits, from + 2 * i, 2);
  return type == MERCER_EMU_BF16 ? fromBits(uint32_t(bits) << 16)
                                 : fromHalf(bits);
}
template <> int32_t element<int32_t>(const char *from, uint32_t i, uint32_t) {
  return static_cast<int8_t>(from[i]);
}

/// 16 x 8 x k: register r of a holds row g + 8 * (r % 2) and, of b, column g,
/// where g = lane / 4; a register holds `pack` elements along k.
template <typename T>
static void multiply(MercerEmuState &state, uint32_t firstLane) {
  auto deposit = [&](uint32_t lane) -> Product & {
    return *static_cast<Product *>(state.lanes[firstLane + lane].deposit);
  };
  const Product &first = deposit(0);
  const uint32_t type = first.type, k = first.k;
  const uint32_t pack = type == MERCER_EMU_TF32 ? 1
                        : type == MERCER_EMU_S8 ? 4
                                                : 2;
  const uint32_t blocks = k / (4 * pack);
  T a[16][32], b[32][8], c[16][8];
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const Product &own = deposit(lane);
    const uint32_t g = lane / 4, t = lane % 4;
    for (uint32_t block = 0; block < blocks; ++block)
      for (uint32_t i = 0; i < pack; ++i) {
        const uint32_t at = (block * 4 + t) * pack + i;
        a[g][at] = element<T>(own.a, 2 * block * pack + i, type);
        a[g + 8][at] = element<T>(own.a, (2 * block + 1) * pack + i, type);
        b[at][g] = element<T>(own.b, block * pack + i, type);
      }
    for (uint32_t i = 0; i < 4; ++i) {
      T &value = c[g + i / 2 * 8][2 * t + i % 2];
      if (first.half)
        value = element<float>(own.c, i, MERCER_EMU_F16);
      else
        memcpy(&value, own.c + 4 * i, 4);
    }
  }
  for (uint32_t row = 0; row < 16; ++row)
    for (uint32_t at = 0; at < k; ++at)
      for (uint32_t column = 0; column < 8; ++column) {
        // Integer sums wrap around.
        if constexpr (sizeof(T) == 4 && T(0.5f) == 0)
          c[row][column] =
              static_cast<T>(static_cast<uint32_t>(c[row][column]) +
                             static_cast<uint32_t>(a[row][at] * b[at][column]));
        else
          c[row][column] += a[row][at] * b[at][column];
      }
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const Product &own = deposit(lane);
    for (uint32_t i = 0; i < 4; ++i) {
      const T value = c[lane / 4 + i / 2 * 8][2 * (lane % 4) + i % 2];
      if (first.half) {
        const uint16_t bits = toHalf(static_cast<float>(value));
        memcpy(own.d + 2 * i, &bits, 2);
      } else {
        memcpy(own.d + 4 * i, &value, 4);
      }
    }
  }
}

/// 8 x 8 x 4.
static void multiplyDoubles(MercerEmuState &state, uint32_t firstLane) {
  auto deposit = [&](uint32_t lane) -> Product & {
    return *static_cast<Product *>(state.lanes[firstLane + lane].deposit);
  };
  double a[8][4], b[4][8], c[8][8];
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const Product &own = deposit(lane);
    memcpy(&a[lane / 4][lane % 4], own.a, 8);
    memcpy(&b[lane % 4][lane / 4], own.b, 8);
    memcpy(&c[lane / 4][2 * (lane % 4)], own.c, 16);
  }
  for (uint32_t row = 0; row < 8; ++row)
    for (uint32_t at = 0; at < 4; ++at)
      for (uint32_t column = 0; column < 8; ++column)
        c[row][column] += a[row][at] * b[at][column];
  for (uint32_t lane = 0; lane < 32; ++lane)
    memcpy(deposit(lane).d, &c[lane / 4][2 * (lane % 4)], 16);
}

void mercer_emu_mma(MercerEmuState *state, uint32_t site, uint32_t type,
                    uint32_t k, uint32_t half, const void *a, const void *b,
                    const void *c, void *d) {
  Product own;
  own.site = site;
  own.compute = type == MERCER_EMU_F64  ? multiplyDoubles
                : type == MERCER_EMU_S8 ? multiply<int32_t>
                                        : multiply<float>;
  own.type = type;
  own.k = k;
  own.half = half;
  own.a = static_cast<const char *>(a);
  own.b = static_cast<const char *>(b);
  own.c = static_cast<const char *>(c);
  own.d = static_cast<char *>(d);
  meet(*state, own);
}
