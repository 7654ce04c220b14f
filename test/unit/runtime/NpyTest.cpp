//===- NpyTest.cpp - NumPy files, good, odd and hostile -------------------===//

#include "tools/mercer-run/Npy.h"
#include "Testing.h"

#include <random>

using namespace mercer::test;
using namespace mercer::run;
using mercer::rt::Status;

namespace {

constexpr MercerDataType float32{MERCER_FLOAT, 32, 1};
constexpr MercerDataType bfloat16{MERCER_BFLOAT, 16, 1};
constexpr MercerDataType int4{MERCER_INT, 4, 1};

std::string bytesOf(std::initializer_list<unsigned> values) {
  std::string bytes;
  for (unsigned value : values)
    bytes += char(value);
  return bytes;
}

/// A file of format `version` with this header text and these items.
std::string npy(const std::string &header, const std::string &items,
                unsigned version = 1) {
  std::string bytes = "\x93NUMPY" + bytesOf({version, 0});
  size_t length = header.size();
  for (unsigned i = 0; i < (version == 1 ? 2u : 4u); ++i)
    bytes += char(length >> 8 * i & 0xff);
  return bytes + header + items;
}

std::string dict(const std::string &descr, const std::string &shape,
                 bool fortran = false) {
  return "{'descr': '" + descr +
         "', 'fortran_order': " + (fortran ? "True" : "False") +
         ", 'shape': " + shape + ", }\n";
}

class Npy : public testing::Test {
protected:
  int32_t read(const std::string &bytes, MercerDataType declared = float32) {
    std::string path = directory / "a.npy";
    writeBytes(path, bytes);
    Status status = readNpy(path, declared, array);
    message = status.message();
    return status.number();
  }
  template <typename T> std::vector<T> values() const {
    auto *data = reinterpret_cast<const T *>(array.data());
    return {data, data + array.size() / sizeof(T)};
  }

  TemporaryDirectory directory;
  Array array;
  std::string message;
};

const std::string sixShorts = bytesOf({1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0});

TEST_F(Npy, ReadsAllVersions) {
  for (unsigned version : {1u, 2u, 3u}) {
    ASSERT_EQ(read(npy(dict("<i2", "(2, 3)"), sixShorts, version)), 0)
        << message;
    EXPECT_EQ(array.shape, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(values<int16_t>(), (std::vector<int16_t>{1, 2, 3, 4, 5, 6}));
  }
  EXPECT_EQ(read(npy(dict("<i2", "(2, 3)"), sixShorts, 4)), 2301);
}

TEST_F(Npy, ReadsScalarsVectorsAndEmptyArrays) {
  ASSERT_EQ(read(npy(dict("<i2", "()"), sixShorts.substr(0, 2))), 0);
  EXPECT_TRUE(array.shape.empty());
  ASSERT_EQ(read(npy(dict("<i2", "(6,)"), sixShorts)), 0);
  EXPECT_EQ(array.shape, (std::vector<int64_t>{6}));
  ASSERT_EQ(read(npy(dict("<f4", "(0, 7)"), "")), 0);
  EXPECT_EQ(array.count(), 0);
}

TEST_F(Npy, ReadsFortranOrder) {
  ASSERT_EQ(read(npy(dict("<i2", "(2, 3)", true), sixShorts)), 0);
  EXPECT_EQ(values<int16_t>(), (std::vector<int16_t>{1, 3, 5, 2, 4, 6}));
}

TEST_F(Npy, ReadsForeignByteOrder) {
  ASSERT_EQ(read(npy(dict(">i2", "(2,)"), bytesOf({0, 1, 1, 0}))), 0);
  EXPECT_EQ(values<int16_t>(), (std::vector<int16_t>{1, 256}));
  // The parts of a complex number are swapped each on its own.
  ASSERT_EQ(read(npy(dict(">c8", "(1,)"),
                     bytesOf({0x3f, 0x80, 0, 0, 0x40, 0, 0, 0}))),
            0);
  EXPECT_EQ(values<float>(), (std::vector<float>{1, 2}));
}

TEST_F(Npy, TakesOpaqueItemsAsDeclared) {
  ASSERT_EQ(
      read(npy(dict("<V2", "(2,)"), bytesOf({0x80, 0x3f, 0, 0xc0})), bfloat16),
      0);
  double decoded[2];
  decode(array, 0, 2, decoded);
  EXPECT_EQ(decoded[0], 1.0);
  EXPECT_EQ(decoded[1], -2.0);
  ASSERT_EQ(read(npy(dict("<f1", "(1,)"), bytesOf({0x3c})),
                 {MERCER_FLOAT8_E5M2, 8, 1}),
            0);
  decode(array, 0, 1, decoded);
  EXPECT_EQ(decoded[0], 1.0);
  EXPECT_EQ(read(npy(dict("<V2", "(1,)"), "ab"), float32), 4101);
  EXPECT_EQ(read(npy(dict("<V1", "(1,)"), "a"), bfloat16), 4101);
  EXPECT_EQ(read(npy(dict("<V4", "(1,)"), "abcd"), float32), 2302);
}

TEST_F(Npy, PacksSmallTypes) {
  for (const char *descr : {"<V1", "|i1"}) {
    ASSERT_EQ(read(npy(dict(descr, "(3,)"), bytesOf({0xff, 7, 0xf8})), int4),
              0);
    EXPECT_EQ(values<uint8_t>(), (std::vector<uint8_t>{0x7f, 0x08}));
    double decoded[3];
    decode(array, 0, 3, decoded);
    EXPECT_EQ(decoded[0], -1);
    EXPECT_EQ(decoded[1], 7);
    EXPECT_EQ(decoded[2], -8);
  }
  EXPECT_EQ(read(npy(dict("<V1", "(1,)"), bytesOf({0x70})), int4), 2301);
  EXPECT_EQ(read(npy(dict("|u1", "(1,)"), bytesOf({16})), {MERCER_UINT, 4, 1}),
            2301);
}

TEST_F(Npy, RefusesTypesItDoesNotKnow) {
  for (const char *descr : {"<U3", "|O", "<f16", "<i3", "<M8", "", "<", "f",
                            "<i99", "<b2", "|S5", "<c4"})
    EXPECT_EQ(read(npy(dict(descr, "(1,)"), "aaaaaaaaaaaaaaaa")), 2302)
        << descr;
  EXPECT_EQ(read(npy("{'descr': [('a', '<f4')], 'fortran_order': False, "
                     "'shape': (1,)}",
                     "aaaa")),
            2301);
}

TEST_F(Npy, RefusesSizesThatDoNotFit) {
  EXPECT_EQ(read(npy(dict("<i2", "(7,)"), sixShorts)), 2301);
  EXPECT_EQ(read(npy(dict("<i2", "(5,)"), sixShorts)), 2301);
  EXPECT_EQ(read(npy(dict("<i2", "(9223372036854775807, 2)"), sixShorts)),
            2301);
  EXPECT_EQ(read(npy(dict("<i2", "(99999999999999999999,)"), sixShorts)), 2301);
  EXPECT_EQ(read(npy(dict("<f8", "(1152921504606846976,)"), "")), 2301);
  EXPECT_EQ(read(npy(dict("<i2", "(-6,)"), sixShorts)), 2301);
  // An empty array must not hide the overflow of its other dimensions.
  EXPECT_EQ(
      read(npy(dict("<i2", "(0, 9223372036854775807, 9223372036854775807)"),
               "")),
      2301);
}

TEST_F(Npy, RefusesMalformedHeaders) {
  for (const char *header :
       {"", "{}", "{'descr': '<i2'}", "[1]", "{'descr': '<i2', ",
        "{'descr': '<i2', 'fortran_order': False, 'shape': (6,)} x",
        "{'descr': '<i2', 'fortran_order': 0, 'shape': (6,)}",
        "{'descr': '<i2', 'fortran_order': False, 'shape': (6}",
        "{'descr': '<i2', 'fortran_order': False, 'shape': (6,,)}",
        "{'descr': '<i2', 'fortran_order': False, 'shape': 6}",
        "{'descr': '<i2', 'descr': '<i2', 'fortran_order': False}",
        "{'descr': '<i2', 'shape': (6,), 'fortran_order': False, 'x': 1}",
        "{'descr': '<i2'; 'fortran_order': False, 'shape': (6,)}",
        "{'descr: <i2, fortran_order: False}"})
    EXPECT_EQ(read(npy(header, sixShorts)), 2301) << header;
  EXPECT_EQ(read("{\"descr\""), 2301);
  EXPECT_EQ(read(npy("{\"shape\":(6,),\"descr\":\"<i2\",\"fortran_order\":"
                     "False}",
                     sixShorts)),
            0);
  std::string dims = "(";
  for (int i = 0; i < 65; ++i)
    dims += "1,";
  EXPECT_EQ(read(npy(dict("<i2", dims + ")"), "ab")), 2301);
}

TEST_F(Npy, RefusesEveryTruncation) {
  std::string good = npy(dict("<i2", "(2, 3)"), sixShorts);
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_EQ(read(good.substr(0, size)), 2301) << size;
}

/// Damage either shows or changes values; it never crashes.
TEST_F(Npy, SurvivesFlippedBits) {
  std::string good = npy(dict("<i2", "(2, 3)", true), sixShorts, 2);
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = good;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips)
      bytes[random() % bytes.size()] ^= char(1 << random() % 8);
    int32_t code = read(bytes, int4);
    EXPECT_TRUE(code == 0 || code == 2301 || code == 2302 || code == 4101)
        << code;
  }
}

TEST_F(Npy, WritesWhatItReads) {
  for (const char *name :
       {"bool",           "int2",           "int4",          "int8",
        "int16",          "int32",          "int64",         "uint2",
        "uint4",          "uint8",          "uint16",        "uint32",
        "uint64",         "float16",        "bfloat16",      "float32",
        "float64",        "complex64",      "complex128",    "float8_e4m3fn",
        "float8_e5m2",    "float8_e8m0fnu", "float4_e2m1fn", "float8_e4m3fnuz",
        "float8_e5m2fnuz"}) {
    for (std::vector<int64_t> shape :
         {std::vector<int64_t>{}, {5}, {3, 5}, {2, 0, 3}, {1, 1, 7}}) {
      Array source;
      ASSERT_EQ(mercer_dtype_parse(name, &source.dtype), 0);
      source.shape = shape;
      int64_t count = 1;
      for (int64_t dim : shape)
        count *= dim;
      ASSERT_TRUE(source.allocate(count));
      fillRandom(source, 5);
      std::string path = directory / "b.npy";
      ASSERT_FALSE(writeNpy(path, source).failed());
      std::string bytes = readBytes(path);
      EXPECT_EQ((bytes.find('\n') + 1) % 64, 0u);
      Array back;
      Status status = readNpy(path, source.dtype, back);
      ASSERT_FALSE(status.failed()) << name << ": " << status.message();
      EXPECT_EQ(back.shape, shape);
      ASSERT_EQ(back.size(), source.size());
      EXPECT_EQ(memcmp(back.data(), source.data(), source.size()), 0) << name;
    }
  }
}

TEST_F(Npy, LeavesNoFileWhenItCannotWrite) {
  Array source;
  source.dtype = float32;
  ASSERT_TRUE(source.allocate(1));
  EXPECT_EQ(writeNpy("/nonexistent/a.npy", source).number(), 4301);
  EXPECT_EQ(writeNpy("/dev/full", source).number(), 4301);
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

double decoded(const char *dtype, uint16_t code) {
  Array array;
  EXPECT_EQ(mercer_dtype_parse(dtype, &array.dtype), 0);
  EXPECT_TRUE(array.allocate(1));
  memcpy(array.data(), &code, array.size());
  double value = 0;
  decode(array, 0, 1, &value);
  return value;
}

/// Values from the OCP 8-bit and microscaling specifications and IEEE 754.
TEST(Decode, SmallFloats) {
  EXPECT_EQ(decoded("float16", 0x3c00), 1.0);
  EXPECT_EQ(decoded("float16", 0x0001), 0x1p-24);
  EXPECT_EQ(decoded("float16", 0xfbff), -65504);
  EXPECT_EQ(decoded("float16", 0x7c00), HUGE_VAL);
  EXPECT_TRUE(std::isnan(decoded("float16", 0x7e00)));
  EXPECT_EQ(decoded("bfloat16", 0x4049), 3.140625);
  EXPECT_EQ(decoded("float8_e4m3fn", 0x7e), 448);
  EXPECT_TRUE(std::isnan(decoded("float8_e4m3fn", 0x7f)));
  EXPECT_EQ(decoded("float8_e4m3fn", 0x01), 0x1p-9);
  EXPECT_EQ(decoded("float8_e4m3fnuz", 0x7f), 240);
  EXPECT_TRUE(std::isnan(decoded("float8_e4m3fnuz", 0x80)));
  EXPECT_EQ(decoded("float8_e5m2", 0x7b), 57344);
  EXPECT_EQ(decoded("float8_e5m2", 0xfc), -HUGE_VAL);
  EXPECT_EQ(decoded("float8_e5m2fnuz", 0x7f), 57344);
  EXPECT_TRUE(std::isnan(decoded("float8_e5m2fnuz", 0x80)));
  EXPECT_EQ(decoded("float8_e8m0fnu", 0x80), 2);
  EXPECT_TRUE(std::isnan(decoded("float8_e8m0fnu", 0xff)));
  EXPECT_EQ(decoded("float4_e2m1fn", 0x7), 6);
  EXPECT_EQ(decoded("float4_e2m1fn", 0x9), -0.5);
  EXPECT_EQ(decoded("int4", 0x9), -7);
  EXPECT_EQ(decoded("uint2", 0x3), 3);
}

TEST(Random, IsReproducibleAndModerate) {
  for (const char *name : {"float16", "bfloat16", "float32", "float8_e4m3fn",
                           "float4_e2m1fn", "float64"}) {
    Array a, b;
    ASSERT_EQ(mercer_dtype_parse(name, &a.dtype), 0);
    b.dtype = a.dtype;
    ASSERT_TRUE(a.allocate(1000) && b.allocate(1000));
    fillRandom(a, 1);
    fillRandom(b, 1);
    EXPECT_EQ(memcmp(a.data(), b.data(), a.size()), 0);
    fillRandom(b, 2);
    EXPECT_NE(memcmp(a.data(), b.data(), a.size()), 0);
    std::vector<double> values(1000);
    decode(a, 0, 1000, values.data());
    double sum = 0, squares = 0;
    for (double value : values) {
      sum += value;
      squares += value * value;
    }
    EXPECT_LT(std::fabs(sum / 1000), 0.2) << name;
    EXPECT_GT(squares / 1000, 0.2) << name;
    EXPECT_LT(squares / 1000, 8) << name;
  }
}

} // namespace
