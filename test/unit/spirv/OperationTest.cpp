//===- OperationTest.cpp - each operation on a device, bit by bit ---------===//
//
// A table of operations with their values in C++. All operations of one
// signature run in one kernel, on all pairs of special values and on random
// bits; then random expressions of the same operations.
//
//===----------------------------------------------------------------------===//

#include "TestKernel.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <random>

using namespace mercer;
using namespace mercer::test;

namespace {
enum Kind { I1, I8, I16, I32, I64, Index, F16, BF16, F32, F64 };

const char *typeName(Kind kind) {
  static const char *names[] = {"i1",    "i8",  "i16",  "i32", "i64",
                                "index", "f16", "bf16", "f32", "f64"};
  return names[kind];
}
/// How it lies in memory.
const char *storedName(Kind kind) {
  return kind == I1 ? "i8" : kind == Index ? "i32" : typeName(kind);
}
unsigned bitsOf(Kind kind) {
  static const unsigned bits[] = {1, 8, 16, 32, 64, 32, 16, 16, 32, 64};
  return bits[kind];
}
unsigned bytesOf(Kind kind) { return (bitsOf(kind) + 7) / 8; }
uint64_t maskOf(Kind kind) {
  return bitsOf(kind) == 64 ? ~uint64_t(0) : (uint64_t(1) << bitsOf(kind)) - 1;
}

template <typename F> struct Bits;
template <> struct Bits<float> {
  using Int = uint32_t;
};
template <> struct Bits<double> {
  using Int = uint64_t;
};
template <typename F> F toFloat(uint64_t bits) {
  return llvm::bit_cast<F>(static_cast<typename Bits<F>::Int>(bits));
}
template <typename F> uint64_t toBits(F value) {
  return llvm::bit_cast<typename Bits<F>::Int>(value);
}

const llvm::fltSemantics &semantics(Kind kind) {
  switch (kind) {
  case F16:
    return llvm::APFloat::IEEEhalf();
  case BF16:
    return llvm::APFloat::BFloat();
  case F32:
    return llvm::APFloat::IEEEsingle();
  default:
    return llvm::APFloat::IEEEdouble();
  }
}
llvm::APFloat toAPFloat(Kind kind, uint64_t bits) {
  return llvm::APFloat(semantics(kind), llvm::APInt(bitsOf(kind), bits));
}
uint64_t convertFloat(Kind from, Kind to, uint64_t bits) {
  llvm::APFloat value = toAPFloat(from, bits);
  bool loses;
  value.convert(semantics(to), llvm::APFloat::rmNearestTiesToEven, &loses);
  return value.bitcastToAPInt().getZExtValue();
}
bool isFloat(Kind kind) { return kind >= F16; }
bool isNaN(Kind kind, uint64_t bits) {
  return isFloat(kind) && toAPFloat(kind, bits).isNaN();
}

using Eval = std::function<std::optional<uint64_t>(const uint64_t *)>;
struct Operation {
  std::string name;
  /// Lines in which %r is the result, %x, %y and %z operands, %t temporary.
  std::string text;
  std::vector<Kind> in;
  Kind out;
  Eval eval;
  /// Units in the last place that the device may be off.
  int ulp = 0;
  /// May be part of a random expression: defined for every operand, and no
  /// bits of a NaN in it.
  bool composable = true;
};

std::vector<Operation> table;

void add(std::string text, std::vector<Kind> in, Kind out, Eval eval,
         int ulp = 0, bool composable = true) {
  std::string name = text;
  table.push_back({name, text, in, out, eval, ulp, composable});
}

/// Arithmetic on integers of one width: S and U are its C++ types.
template <typename S, typename U> void addIntegers(Kind k) {
  std::string t = std::string(" : ") + typeName(k);
  constexpr unsigned width = sizeof(U) * 8;
  auto binary = [&](const char *op, auto f, bool composable = true) {
    add(
        std::string("%r = ") + op + " %x, %y" + t, {k, k}, k,
        [f](const uint64_t *x) -> std::optional<uint64_t> {
          return f(U(x[0]), U(x[1]));
        },
        0, composable);
  };
  using R = std::optional<uint64_t>;
  auto wrap = [](auto v) -> R { return uint64_t(U(v)); };
  binary("arith.addi", [=](U a, U d) { return wrap(uint64_t(a) + d); });
  binary("arith.subi", [=](U a, U d) { return wrap(uint64_t(a) - d); });
  binary("arith.muli", [=](U a, U d) { return wrap(uint64_t(a) * d); });
  binary("arith.andi", [=](U a, U d) { return wrap(a & d); });
  binary("arith.ori", [=](U a, U d) { return wrap(a | d); });
  binary("arith.xori", [=](U a, U d) { return wrap(a ^ d); });
  binary("arith.maxsi", [=](U a, U d) { return wrap(S(a) > S(d) ? a : d); });
  binary("arith.minsi", [=](U a, U d) { return wrap(S(a) < S(d) ? a : d); });
  binary("arith.maxui", [=](U a, U d) { return wrap(a > d ? a : d); });
  binary("arith.minui", [=](U a, U d) { return wrap(a < d ? a : d); });
  auto divides = [](U a, U d) {
    return d != 0 && !(S(d) == -1 && a == U(U(1) << (width - 1)));
  };
  binary(
      "arith.divui", [=](U a, U d) { return d ? wrap(a / d) : std::nullopt; },
      false);
  binary(
      "arith.remui", [=](U a, U d) { return d ? wrap(a % d) : std::nullopt; },
      false);
  binary(
      "arith.ceildivui",
      [=](U a, U d) { return d ? wrap(a / d + (a % d != 0)) : std::nullopt; },
      false);
  binary(
      "arith.divsi",
      [=](U a, U d) {
        return divides(a, d) ? wrap(S(a) / S(d)) : std::nullopt;
      },
      false);
  binary(
      "arith.remsi",
      [=](U a, U d) {
        return divides(a, d) ? wrap(S(a) % S(d)) : std::nullopt;
      },
      false);
  binary(
      "arith.floordivsi",
      [=](U a, U d) {
        if (!divides(a, d))
          return R();
        S q = S(a) / S(d), r = S(a) % S(d);
        return wrap(q - (r != 0 && (r < 0) != (S(d) < 0)));
      },
      false);
  binary(
      "arith.ceildivsi",
      [=](U a, U d) {
        if (!divides(a, d))
          return R();
        S q = S(a) / S(d), r = S(a) % S(d);
        return wrap(q + (r != 0 && (r < 0) == (S(d) < 0)));
      },
      false);
  binary(
      "arith.shli",
      [=](U a, U d) { return d < width ? wrap(a << d) : std::nullopt; }, false);
  binary(
      "arith.shrui",
      [=](U a, U d) { return d < width ? wrap(a >> d) : std::nullopt; }, false);
  binary(
      "arith.shrsi",
      [=](U a, U d) { return d < width ? wrap(S(a) >> d) : std::nullopt; },
      false);
  auto unary = [&](const char *op, auto f) {
    add(std::string("%r = ") + op + " %x" + t, {k}, k,
        [f](const uint64_t *x) -> R { return f(U(x[0])); });
  };
  if (k != Index) {
    unary("math.absi", [=](U a) { return wrap(S(a) < 0 ? -a : a); });
    unary("math.ctpop", [=](U a) { return wrap(llvm::popcount(a)); });
    unary("math.ctlz", [=](U a) { return wrap(llvm::countl_zero(a)); });
    unary("math.cttz", [=](U a) { return wrap(llvm::countr_zero(a)); });
  }
  auto predicate = [&](const char *name, auto f) {
    add(std::string("%r = arith.cmpi ") + name + ", %x, %y" + t, {k, k}, I1,
        [f](const uint64_t *x) -> R { return f(U(x[0]), U(x[1])); });
  };
  predicate("eq", [](U a, U d) { return a == d; });
  predicate("ne", [](U a, U d) { return a != d; });
  predicate("slt", [](U a, U d) { return S(a) < S(d); });
  predicate("sle", [](U a, U d) { return S(a) <= S(d); });
  predicate("sgt", [](U a, U d) { return S(a) > S(d); });
  predicate("sge", [](U a, U d) { return S(a) >= S(d); });
  predicate("ult", [](U a, U d) { return a < d; });
  predicate("ule", [](U a, U d) { return a <= d; });
  predicate("ugt", [](U a, U d) { return a > d; });
  predicate("uge", [](U a, U d) { return a >= d; });
  add("%r = arith.select %x, %y, %z" + t, {I1, k, k}, k,
      [](const uint64_t *x) -> R { return x[0] ? x[1] : x[2]; });
  using Wide = __int128;
  using UWide = unsigned __int128;
  add("%t, %r = arith.mului_extended %x, %y" + t, {k, k}, k,
      [](const uint64_t *x) -> R {
        return uint64_t(U((UWide(U(x[0])) * U(x[1])) >> width));
      });
  add("%t, %r = arith.mulsi_extended %x, %y" + t, {k, k}, k,
      [](const uint64_t *x) -> R {
        return uint64_t(U((Wide(S(x[0])) * S(x[1])) >> width));
      });
  add("%r, %t = arith.mulsi_extended %x, %y" + t, {k, k}, k,
      [=](const uint64_t *x) -> R { return wrap(x[0] * x[1]); });
  add("%t, %r = arith.addui_extended %x, %y" + t + ", i1", {k, k}, I1,
      [](const uint64_t *x) -> R { return U(x[0] + x[1]) < U(x[0]); });
}

template <typename F> void addFloats(Kind k) {
  using R = std::optional<uint64_t>;
  std::string t = std::string(" : ") + typeName(k);
  auto binary = [&](const char *op, auto f, int ulp = 0) {
    add(
        std::string("%r = ") + op + " %x, %y" + t, {k, k}, k,
        [f](const uint64_t *x) -> R {
          return toBits<F>(f(toFloat<F>(x[0]), toFloat<F>(x[1])));
        },
        ulp, ulp == 0);
  };
  binary("arith.addf", [](F a, F d) { return a + d; });
  binary("arith.subf", [](F a, F d) { return a - d; });
  binary("arith.mulf", [](F a, F d) { return a * d; });
  binary("arith.divf", [](F a, F d) { return a / d; }, 3);
  auto extreme = [&](const char *op, bool max, bool keeps) {
    binary(op, [=](F a, F d) {
      if (std::isnan(a) || std::isnan(d))
        return keeps == std::isnan(a) ? a : d;
      return (max ? a > d : a < d) ? a : d;
    });
    table.back().composable = false; // so is the sign of a zero
  };
  extreme("arith.maximumf", true, true);
  extreme("arith.minimumf", false, true);
  extreme("arith.maxnumf", true, false);
  extreme("arith.minnumf", false, false);
  auto unary = [&](const char *op, auto f, int ulp = 0) {
    add(
        std::string("%r = ") + op + " %x" + t, {k}, k,
        [f](const uint64_t *x) -> R { return toBits<F>(f(toFloat<F>(x[0]))); },
        ulp, ulp == 0);
  };
  unary("arith.negf", [](F a) { return -a; });
  unary("math.absf", [](F a) { return std::fabs(a); });
  unary("math.sqrt", [](F a) { return std::sqrt(a); }, 3);
  unary("math.floor", [](F a) { return std::floor(a); });
  unary("math.ceil", [](F a) { return std::ceil(a); });
  unary("math.trunc", [](F a) { return std::trunc(a); });
  unary("math.roundeven", [](F a) { return std::nearbyint(a); });
  binary("math.copysign", [](F a, F d) { return std::copysign(a, d); });
  table.back().composable = false; // the sign of a NaN is open
  // Two roundings; what fuses them differs in the last place.
  add("%t = arith.mulf %x, %y" + t + "\n%r = arith.addf %t, %z" + t, {k, k, k},
      k, [](const uint64_t *x) -> R {
        volatile F product = toFloat<F>(x[0]) * toFloat<F>(x[1]);
        return toBits<F>(product + toFloat<F>(x[2]));
      });
  auto predicate = [&](const char *name, auto f) {
    add(std::string("%r = arith.cmpf ") + name + ", %x, %y" + t, {k, k}, I1,
        [f](const uint64_t *x) -> R {
          F a = toFloat<F>(x[0]), d = toFloat<F>(x[1]);
          return f(a, d, std::isnan(a) || std::isnan(d));
        });
  };
  predicate("oeq", [](F a, F d, bool) { return a == d; });
  predicate("ogt", [](F a, F d, bool) { return a > d; });
  predicate("oge", [](F a, F d, bool) { return a >= d; });
  predicate("olt", [](F a, F d, bool) { return a < d; });
  predicate("ole", [](F a, F d, bool) { return a <= d; });
  predicate("one", [](F a, F d, bool n) { return !n && a != d; });
  predicate("ord", [](F a, F d, bool n) { return !n; });
  predicate("ueq", [](F a, F d, bool n) { return n || a == d; });
  predicate("ugt", [](F a, F d, bool n) { return n || a > d; });
  predicate("uge", [](F a, F d, bool n) { return n || a >= d; });
  predicate("ult", [](F a, F d, bool n) { return n || a < d; });
  predicate("ule", [](F a, F d, bool n) { return n || a <= d; });
  predicate("une", [](F a, F d, bool n) { return n || a != d; });
  predicate("uno", [](F a, F d, bool n) { return n; });
  add("%r = arith.select %x, %y, %z" + t, {I1, k, k}, k,
      [](const uint64_t *x) -> R { return x[0] ? x[1] : x[2]; });
  // Integers to and from floats.
  for (Kind i : {I1, I8, I16, I32, I64}) {
    std::string from =
        std::string(" %x : ") + typeName(i) + " to " + typeName(k);
    add("%r = arith.sitofp" + from, {i}, k, [i](const uint64_t *x) -> R {
      return toBits<F>(F(llvm::SignExtend64(x[0], bitsOf(i))));
    });
    add("%r = arith.uitofp" + from, {i}, k,
        [](const uint64_t *x) -> R { return toBits<F>(F(x[0])); });
    if (i == I1)
      continue;
    std::string back =
        std::string(" %x : ") + typeName(k) + " to " + typeName(i);
    unsigned width = bitsOf(i);
    add(
        "%r = arith.fptosi" + back, {k}, i,
        [=](const uint64_t *x) -> R {
          F a = std::trunc(toFloat<F>(x[0])),
            limit = std::ldexp(F(1), width - 1);
          if (!(a >= -limit && a < limit))
            return std::nullopt;
          return uint64_t(int64_t(a)) & maskOf(i);
        },
        0, false);
    add(
        "%r = arith.fptoui" + back, {k}, i,
        [=](const uint64_t *x) -> R {
          F a = std::trunc(toFloat<F>(x[0]));
          if (!(a >= 0 && a < std::ldexp(F(1), width)))
            return std::nullopt;
          return uint64_t(a) & maskOf(i);
        },
        0, false);
  }
}

void addCasts() {
  using R = std::optional<uint64_t>;
  auto cast = [](const char *op, Kind from, Kind to, Eval eval,
                 bool composable = true) {
    add(std::string("%r = arith.") + op + " %x : " + typeName(from) + " to " +
            typeName(to),
        {from}, to, eval, 0, composable);
  };
  std::vector<Kind> integers = {I1, I8, I16, I32, I64};
  for (Kind a : integers)
    for (Kind d : integers) {
      if (bitsOf(a) < bitsOf(d)) {
        cast("extui", a, d, [](const uint64_t *x) -> R { return x[0]; });
        cast("extsi", a, d, [=](const uint64_t *x) -> R {
          return uint64_t(llvm::SignExtend64(x[0], bitsOf(a))) & maskOf(d);
        });
      } else if (bitsOf(a) > bitsOf(d)) {
        cast("trunci", a, d,
             [=](const uint64_t *x) -> R { return x[0] & maskOf(d); });
      }
    }
  for (Kind i : {I8, I16, I32, I64}) {
    cast("index_cast", i, Index, [=](const uint64_t *x) -> R {
      return uint64_t(llvm::SignExtend64(x[0], bitsOf(i))) & maskOf(Index);
    });
    cast("index_cast", Index, i, [=](const uint64_t *x) -> R {
      return uint64_t(llvm::SignExtend64(x[0], 32)) & maskOf(i);
    });
    // Upstream's canonicalisation takes a cast there and back for nothing.
    table.back().composable = bitsOf(i) >= 32;
    cast(
        "index_castui", Index, i,
        [=](const uint64_t *x) -> R { return x[0] & maskOf(i); },
        bitsOf(i) >= 32);
  }
  // Comparisons of widened values with constants: a driver may do them on the
  // narrow type, and Mesa 22.3 does so wrongly after OpSConvert.
  for (Kind from : {I8, I16, I32})
    for (bool isSigned : {true, false})
      for (const char *bound : {"0", "5", "-1", "-3000000000", "4294967297"})
        for (const char *p : {"slt", "sge", "ult", "uge", "eq", "ne"}) {
          std::string text = "%tc = arith.constant ";
          text += std::string(bound) + " : i64\n%tw = arith.ext" +
                  (isSigned ? "si" : "ui") + " %x : " + typeName(from) +
                  " to i64\n%r = arith.cmpi " + p + ", %tw, %tc : i64";
          int64_t limit = std::stoll(bound);
          std::string name = p;
          add(text, {from}, I1, [=](const uint64_t *x) -> R {
            int64_t wide = isSigned ? llvm::SignExtend64(x[0], bitsOf(from))
                                    : int64_t(x[0]);
            bool less = name[0] == 'u' ? uint64_t(wide) < uint64_t(limit)
                                       : wide < limit;
            return name == "eq"   ? wide == limit
                   : name == "ne" ? wide != limit
                                  : less == (name.substr(1) == "lt");
          });
        }
  auto convert = [](Kind from, Kind to) -> Eval {
    return [=](const uint64_t *x) -> R { return convertFloat(from, to, x[0]); };
  };
  for (Kind narrow : {F16, BF16})
    for (Kind wide : {F32, F64}) {
      cast("extf", narrow, wide, convert(narrow, wide));
      cast("truncf", wide, narrow, convert(wide, narrow));
    }
  cast("extf", F32, F64, convert(F32, F64));
  cast("truncf", F64, F32, convert(F64, F32));
  auto same = [](const uint64_t *x) -> R { return x[0]; };
  std::pair<Kind, Kind> equals[] = {
      {F16, I16}, {BF16, I16}, {F32, I32}, {F64, I64}};
  for (auto [f, i] : equals) {
    cast("bitcast", f, i, same, false);
    cast("bitcast", i, f, same);
  }
  // Arithmetic on 16-bit floats is f32 with one rounding.
  for (Kind k : {F16, BF16}) {
    std::string t = std::string(" : ") + typeName(k);
    auto binary = [&](const char *op, auto f) {
      add(std::string("%r = ") + op + " %x, %y" + t, {k, k}, k,
          [=](const uint64_t *x) -> R {
            float a = toFloat<float>(convertFloat(k, F32, x[0]));
            float d = toFloat<float>(convertFloat(k, F32, x[1]));
            return convertFloat(F32, k, toBits<float>(f(a, d)));
          });
    };
    binary("arith.addf", [](float a, float d) { return a + d; });
    binary("arith.mulf", [](float a, float d) { return a * d; });
    binary("arith.subf", [](float a, float d) { return a - d; });
    add("%r = arith.select %x, %y, %z" + t, {I1, k, k}, k,
        [](const uint64_t *x) -> R { return x[0] ? x[1] : x[2]; });
  }
  for (const char *op : {"andi", "ori", "xori", "addi"})
    add(std::string("%r = arith.") + op + " %x, %y : i1", {I1, I1}, I1,
        [op](const uint64_t *x) -> R {
          return op[0] == 'a' && op[1] == 'n' ? (x[0] & x[1])
                 : op[0] == 'o'               ? (x[0] | x[1])
                                              : (x[0] ^ x[1]);
        });
  for (const char *p : {"eq", "ult", "slt", "uge", "sge"})
    add(std::string("%r = arith.cmpi ") + p + ", %x, %y : i1", {I1, I1}, I1,
        [s = std::string(p)](const uint64_t *x) -> R {
          int64_t a = x[0], d = x[1];
          if (s[0] == 's') {
            a = -a;
            d = -d;
          }
          return s == "eq" ? a == d : s.substr(1) == "lt" ? a < d : a >= d;
        });
}

const std::vector<Operation> &operations() {
  if (table.empty()) {
    addIntegers<int8_t, uint8_t>(I8);
    addIntegers<int16_t, uint16_t>(I16);
    addIntegers<int32_t, uint32_t>(I32);
    addIntegers<int64_t, uint64_t>(I64);
    addIntegers<int32_t, uint32_t>(Index);
    addFloats<float>(F32);
    addFloats<double>(F64);
    addCasts();
  }
  return table;
}

std::vector<uint64_t> specials(Kind kind) {
  if (kind == I1)
    return {0, 1};
  unsigned width = bitsOf(kind);
  std::vector<uint64_t> values;
  if (!isFloat(kind)) {
    uint64_t top = uint64_t(1) << (width - 1);
    values = {0,
              1,
              2,
              3,
              7,
              uint64_t(-1),
              uint64_t(-2),
              uint64_t(-7),
              top,
              top - 1,
              top + 1,
              width - 1,
              width / 2,
              100};
    for (uint64_t &value : values)
      value &= maskOf(kind);
    return values;
  }
  const llvm::fltSemantics &s = semantics(kind);
  auto push = [&](const llvm::APFloat &value) {
    values.push_back(value.bitcastToAPInt().getZExtValue());
  };
  for (bool negative : {false, true}) {
    push(llvm::APFloat::getZero(s, negative));
    push(llvm::APFloat::getInf(s, negative));
    push(llvm::APFloat::getQNaN(s, negative));
    push(llvm::APFloat::getLargest(s, negative));
    push(llvm::APFloat::getSmallest(s, negative));
    push(llvm::APFloat::getSmallestNormalized(s, negative));
    for (double value :
         {1.0, 0.5, 1.5, 2.5, 3.0, 127.0, 128.0, 65504.0, 65519.9, 65520.0,
          2147483648.0, 5.9e-8, 2.9e-8, 6.1e-5}) {
      llvm::APFloat number(negative ? -value : value);
      bool loses;
      number.convert(s, llvm::APFloat::rmNearestTiesToEven, &loses);
      push(number);
    }
  }
  return values;
}

/// Operand values of one signature: all pairs of special values of the last two
/// operands, then random bits, then random values of moderate size.
std::vector<std::vector<uint64_t>> operands(const std::vector<Kind> &kinds,
                                            std::mt19937_64 &random) {
  std::vector<std::vector<uint64_t>> columns(kinds.size());
  auto draw = [&](Kind kind, bool moderate) {
    uint64_t bits = random() & maskOf(kind);
    if (moderate && isFloat(kind)) {
      double value = std::ldexp(double(int64_t(random()) >> 20), -30);
      return convertFloat(F64, kind, toBits<double>(value));
    }
    return moderate ? bits & 0x1f & maskOf(kind) : bits;
  };
  std::vector<uint64_t> first = specials(kinds.back());
  std::vector<uint64_t> second = kinds.size() > 1
                                     ? specials(kinds[kinds.size() - 2])
                                     : std::vector<uint64_t>{0};
  for (uint64_t a : first)
    for (uint64_t d : second) {
      if (kinds.size() > 1)
        columns[kinds.size() - 2].push_back(d);
      columns[kinds.size() - 1].push_back(a);
      if (kinds.size() > 2) {
        auto all = specials(kinds[0]);
        columns[0].push_back(all[random() % all.size()]);
      }
    }
  while (columns[0].size() < 1024 || columns[0].size() % 64) {
    bool moderate = random() & 1;
    for (size_t i = 0; i < kinds.size(); ++i)
      columns[i].push_back(
          draw(kinds[i], moderate && (i == 0 || random() & 1)));
  }
  return columns;
}

std::string replaceAll(std::string text, const std::string &from,
                       const std::string &to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;
       at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

/// Code of one use of an operation with names of its own.
std::string instance(const Operation &op, const std::string &result,
                     const std::vector<std::string> &x) {
  static const char *names[] = {"%x", "%y", "%z"};
  std::string text = op.text;
  // Placeholders first: a replacement may contain the name of another.
  for (size_t i = 0; i < x.size(); ++i)
    text = replaceAll(text, names[i], "@" + std::to_string(i));
  text = replaceAll(text, "%t", result + "_t");
  text = replaceAll(text, "%r", result);
  for (size_t i = 0; i < x.size(); ++i)
    text = replaceAll(text, "@" + std::to_string(i), x[i]);
  return text + "\n";
}

/// Loads value `name` of `kind` from element %i of `buffer`.
std::string loadCode(Kind kind, const std::string &name,
                     const std::string &buffer) {
  std::string raw = kind == I1 || kind == Index ? name + "_raw" : name;
  std::string code = raw + " = memref.load " + buffer +
                     "[%i] : " + globalBuffer(storedName(kind)) + "\n";
  if (kind == I1)
    code += name + " = arith.cmpi ne, " + raw + ", %zero8 : i8\n";
  if (kind == Index)
    code += name + " = arith.index_cast " + raw + " : i32 to index\n";
  return code;
}

std::string storeCode(Kind kind, const std::string &name,
                      const std::string &buffer, const std::string &at) {
  std::string code, raw = name;
  if (kind == I1 || kind == Index) {
    raw = name + "_out";
    code = raw + (kind == I1
                      ? " = arith.extui " + name + " : i1 to i8\n"
                      : " = arith.index_cast " + name + " : index to i32\n");
  }
  return code + "memref.store " + raw + ", " + buffer + "[" + at +
         "] : " + globalBuffer(storedName(kind)) + "\n";
}

std::string header(const std::vector<Kind> &in, const std::vector<Kind> &out,
                   size_t count, size_t results) {
  std::string text = "gpu.func @k(%tiles: index";
  for (size_t i = 0; i < in.size(); ++i)
    text += ", %in" + std::to_string(i) + ": " +
            globalBuffer(storedName(in[i])) + " {mercer.elements = [" +
            std::to_string(count) + "]}";
  for (size_t i = 0; i < out.size(); ++i)
    text += ", %out" + std::to_string(i) + ": " +
            globalBuffer(storedName(out[i])) +
            " {mercer.written, "
            "mercer.elements = [" +
            std::to_string(count * results) + "]}";
  text += ") kernel attributes {known_block_size = array<i32: 64, 1, 1>} {\n"
          "%b = gpu.block_id x\n%g = gpu.grid_dim x\n%th = gpu.thread_id x\n"
          "%c64 = arith.constant 64 : index\n%zero8 = arith.constant 0 : i8\n"
          "scf.for %tile = %b to %tiles step %g {\n"
          "%base = arith.muli %tile, %c64 : index\n"
          "%i = arith.addi %base, %th : index\n";
  return text;
}
const char *footer = "}\ngpu.return\n}\n";

std::vector<uint8_t> pack(Kind kind, const std::vector<uint64_t> &values) {
  unsigned bytes = bytesOf(kind);
  std::vector<uint8_t> data(values.size() * bytes);
  for (size_t i = 0; i < values.size(); ++i)
    std::memcpy(&data[i * bytes], &values[i], bytes);
  return data;
}
uint64_t unpack(Kind kind, const std::vector<uint8_t> &data, size_t at) {
  uint64_t value = 0;
  std::memcpy(&value, &data[at * bytesOf(kind)], bytesOf(kind));
  return value;
}

/// A device may flush subnormal operands and results of arithmetic.
uint64_t flushed(Kind kind, uint64_t bits) {
  if ((kind == F32 || kind == F64) && toAPFloat(kind, bits).isDenormal())
    return bits & ~(maskOf(kind) >> 1);
  return bits;
}

bool matches(Kind kind, uint64_t got, uint64_t expected, int ulp) {
  if (got == expected)
    return true;
  if (!isFloat(kind))
    return false;
  if (isNaN(kind, expected))
    return isNaN(kind, got);
  // Of two zeros either is a maximum.
  if ((got | expected) << (65 - bitsOf(kind)) == 0 && ulp < 0)
    return true;
  int64_t a = int64_t(got & (maskOf(kind) >> 1)),
          d = int64_t(expected & (maskOf(kind) >> 1));
  bool sameSign = (got ^ expected) <= (maskOf(kind) >> 1);
  return sameSign && std::llabs(a - d) <= ulp;
}

TEST(Operation, EveryOneOnSpecialAndRandomValues) {
  VulkanRunner *device = VulkanRunner::get();
  if (!device)
    GTEST_SKIP() << "no Vulkan device";
  std::mt19937_64 random(testSeed());
  std::map<std::pair<std::vector<Kind>, Kind>, std::vector<const Operation *>>
      groups;
  for (const Operation &op : operations())
    groups[{op.in, op.out}].push_back(&op);
  for (auto &[signature, ops] : groups) {
    auto &[in, out] = signature;
    auto columns = operands(in, random);
    size_t count = columns[0].size();
    std::string text = header(in, {out}, count, ops.size());
    std::vector<std::string> names;
    for (size_t i = 0; i < in.size(); ++i) {
      names.push_back("%v" + std::to_string(i));
      text += loadCode(in[i], names[i], "%in" + std::to_string(i));
    }
    for (size_t k = 0; k < ops.size(); ++k) {
      std::string number = std::to_string(k);
      text += instance(*ops[k], "%op" + number, names);
      text += "%at" + number + "_c = arith.constant " +
              std::to_string(k * count) + " : index\n%at" + number +
              " = arith.addi %i, %at" + number + "_c : index\n";
      text += storeCode(out, "%op" + number, "%out0", "%at" + number);
    }
    std::string errors;
    SpirvKernel kernel = compileKernel(text + footer, errors);
    ASSERT_FALSE(kernel.entry.empty()) << errors << text;
    std::vector<std::vector<uint8_t>> data;
    std::vector<HostBuffer> buffers;
    for (size_t i = 0; i < in.size(); ++i)
      data.push_back(pack(in[i], columns[i]));
    data.emplace_back(count * ops.size() * bytesOf(out));
    for (auto &bytes : data)
      buffers.push_back({bytes.data(), bytes.size(), 0});
    ASSERT_EQ(device->run(kernel, count / 64, 3, buffers, {}), "");
    for (size_t k = 0; k < ops.size(); ++k) {
      int wrong = 0;
      for (size_t i = 0; i < count && wrong < 3; ++i) {
        std::vector<uint64_t> x, small;
        for (size_t c = 0; c < in.size(); ++c) {
          x.push_back(columns[c][i]);
          small.push_back(flushed(in[c], columns[c][i]));
        }
        auto expected = ops[k]->eval(x.data());
        if (!expected)
          continue;
        uint64_t got = unpack(out, data.back(), k * count + i);
        bool extreme = ops[k]->name.find("max") != std::string::npos ||
                       ops[k]->name.find("min") != std::string::npos;
        int ulp = extreme && isFloat(out) ? -1 : ops[k]->ulp;
        auto alternative = ops[k]->eval(small.data());
        bool fits = matches(out, got, *expected, ulp) ||
                    (alternative &&
                     (matches(out, got, *alternative, ulp) ||
                      matches(out, got, flushed(out, *alternative), ulp)));
        if (!fits) {
          std::string operandsText;
          for (uint64_t value : x)
            operandsText += " " + llvm::utohexstr(value);
          ADD_FAILURE() << ops[k]->name << " of" << operandsText
                        << ": expected " << llvm::utohexstr(*expected)
                        << ", got " << llvm::utohexstr(got);
          ++wrong;
        }
      }
    }
  }
}

/// A value of a random expression with what it has to be for each element.
struct Term {
  std::string name;
  Kind kind;
  std::vector<uint64_t> expected;
};

TEST(Operation, RandomExpressions) {
  VulkanRunner *device = VulkanRunner::get();
  if (!device)
    GTEST_SKIP() << "no Vulkan device";
  if (!device->isSoftware())
    GTEST_SKIP() << "expects a device that keeps subnormals";
  std::mt19937_64 random(testSeed());
  std::vector<const Operation *> usable;
  for (const Operation &op : operations())
    if (op.composable && op.ulp == 0)
      usable.push_back(&op);
  // Two inputs of each.
  std::vector<Kind> kinds = {I1, I8, I16, I32, I64, Index, F16, BF16, F32, F64,
                             I1, I8, I16, I32, I64, Index, F16, BF16, F32, F64};
  constexpr size_t count = 256;
  constexpr int expressions = 10, length = 80, results = 8;
  for (int e = 0; e < expressions; ++e) {
    std::vector<Term> terms;
    std::string body;
    for (size_t k = 0; k < kinds.size(); ++k) {
      Term term = {"%v" + std::to_string(k), kinds[k], {}};
      std::vector<uint64_t> all = specials(kinds[k]);
      for (size_t i = 0; i < count; ++i)
        term.expected.push_back(random() % 3 ? random() & maskOf(kinds[k])
                                             : all[random() % all.size()]);
      body += loadCode(kinds[k], term.name, "%in" + std::to_string(k));
      terms.push_back(std::move(term));
    }
    // Recent values are likelier: chains get deep.
    auto pick = [&](Kind kind) -> const Term & {
      std::vector<size_t> fitting;
      for (size_t t = 0; t < terms.size(); ++t)
        if (terms[t].kind == kind)
          fitting.push_back(t);
      size_t recent = std::min<size_t>(fitting.size(), 4);
      return terms[fitting[fitting.size() - 1 - random() % recent]];
    };
    for (int n = 0; n < length; ++n) {
      const Operation &op = *usable[random() % usable.size()];
      std::vector<const Term *> x;
      std::vector<std::string> names;
      for (Kind kind : op.in) {
        x.push_back(&pick(kind));
        names.push_back(x.back()->name);
      }
      // Not of a value with itself: a driver that finds a zero (x ^ x) need
      // not know that zero times infinity is none (llvmpipe does not).
      if (x.size() > 1 && x[x.size() - 2] == x.back()) {
        --n;
        continue;
      }
      Term term = {"%e" + std::to_string(n), op.out, {}};
      std::string type = typeName(op.out);
      auto value = [&](size_t i, const uint64_t *first = nullptr) {
        std::vector<uint64_t> operands;
        for (const Term *operand : x)
          operands.push_back(operand->expected[i]);
        if (first)
          operands[0] = *first;
        return *op.eval(operands.data());
      };
      unsigned form = random() % 8;
      if (form == 0) {
        // Only where a condition holds; else another value.
        const Term &condition = pick(I1), &other = pick(op.out);
        body += term.name + " = scf.if " + condition.name + " -> " + type +
                " {\n" + instance(op, term.name + "_then", names) +
                "scf.yield " + term.name + "_then : " + type +
                "\n} else {\nscf.yield " + other.name + " : " + type + "\n}\n";
        for (size_t i = 0; i < count; ++i)
          term.expected.push_back(condition.expected[i] ? value(i)
                                                        : other.expected[i]);
      } else if (form == 1 && op.in[0] == op.out) {
        // Three times, from its own result.
        std::string carried = term.name + "_carried";
        body += term.name + " = scf.for " + term.name +
                "_k = %c0 to %c3 step %c1 iter_args(" + carried + " = " +
                names[0] + ") -> " + type + " {\n";
        names[0] = carried;
        body += instance(op, term.name + "_next", names) + "scf.yield " +
                term.name + "_next : " + type + "\n}\n";
        for (size_t i = 0; i < count; ++i) {
          uint64_t carriedValue = x[0]->expected[i];
          for (int k = 0; k < 3; ++k)
            carriedValue = value(i, &carriedValue);
          term.expected.push_back(carriedValue);
        }
      } else {
        body += instance(op, term.name, names);
        for (size_t i = 0; i < count; ++i)
          term.expected.push_back(value(i));
      }
      terms.push_back(std::move(term));
    }
    std::vector<Kind> out;
    std::string stores;
    for (int r = 0; r < results; ++r) {
      const Term &term = terms[terms.size() - 1 - r];
      out.push_back(term.kind);
      stores +=
          storeCode(term.kind, term.name, "%out" + std::to_string(r), "%i");
    }
    std::string text = header(kinds, out, count, 1) +
                       "%c0 = arith.constant 0 : index\n"
                       "%c1 = arith.constant 1 : index\n"
                       "%c3 = arith.constant 3 : index\n" +
                       body + stores + footer;
    std::string errors;
    SpirvKernel kernel = compileKernel(text, errors);
    ASSERT_FALSE(kernel.entry.empty()) << errors << text;
    std::vector<std::vector<uint8_t>> data;
    for (size_t k = 0; k < kinds.size(); ++k)
      data.push_back(pack(kinds[k], terms[k].expected));
    for (Kind kind : out)
      data.emplace_back(count * bytesOf(kind));
    std::vector<HostBuffer> buffers;
    for (auto &bytes : data)
      buffers.push_back({bytes.data(), bytes.size(), 0});
    ASSERT_EQ(device->run(kernel, count / 64, 2, buffers, {}), "");
    bool wrong = false;
    for (int r = results - 1; r >= 0 && !wrong; --r) {
      const Term &term = terms[terms.size() - 1 - r];
      for (size_t i = 0; i < count && !wrong; ++i) {
        uint64_t got = unpack(term.kind, data[kinds.size() + r], i);
        if (!matches(term.kind, got, term.expected[i], 0)) {
          wrong = true;
          ADD_FAILURE() << term.name << " of element " << i << ": expected "
                        << llvm::utohexstr(term.expected[i]) << ", got "
                        << llvm::utohexstr(got) << "\n"
                        << text;
        }
      }
    }
  }
}
} // namespace
