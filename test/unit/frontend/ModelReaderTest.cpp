//===- ModelReaderTest.cpp - decoding of messages -------------------------===//

#include "ModelBytes.h"
#include "compiler/frontend/onnx/Model.h"
#include "compiler/frontend/onnx/TensorStore.h"
#include "compiler/frontend/onnx/WireFormat.h"

#include "gtest/gtest.h"

using namespace mercer::onnx;
using namespace modelbytes;

TEST(WireFormat, VarintOfTenBytes) {
  std::string bytes = varint(~uint64_t(0)) + "x";
  llvm::StringRef rest = bytes;
  uint64_t value;
  ASSERT_TRUE(consumeVarint(rest, value));
  EXPECT_EQ(value, ~uint64_t(0));
  EXPECT_EQ(rest, "x");
}

TEST(WireFormat, VarintThatNeverEnds) {
  std::string bytes(11, '\xff');
  llvm::StringRef rest = bytes;
  uint64_t value;
  EXPECT_FALSE(consumeVarint(rest, value));
}

TEST(WireFormat, VarintCutOff) {
  llvm::StringRef rest = "\x80";
  uint64_t value;
  EXPECT_FALSE(consumeVarint(rest, value));
}

TEST(WireFormat, LengthBeyondTheMessage) {
  std::string message = varint(1 << 3 | 2) + varint(~uint64_t(0)) + "abc";
  WireCursor cursor(message);
  WireField field;
  EXPECT_FALSE(cursor.next(field));
  EXPECT_NE(cursor.damage(), nullptr);
}

TEST(WireFormat, GroupsAreRefused) {
  std::string message = varint(1 << 3 | 3);
  WireCursor cursor(message);
  WireField field;
  EXPECT_FALSE(cursor.next(field));
  EXPECT_NE(cursor.damage(), nullptr);
}

TEST(ModelReader, ReadsInPlace) {
  std::string data(16, '\1');
  std::string bytes = model(modelbytes::Graph()
                                .initializer(rawTensor("w", 1, {4}, data))
                                .node(node("Relu", {"w"}, {"y"})));
  Model decoded;
  Refusal refusal;
  ASSERT_TRUE(succeeded(readModel(bytes, decoded, refusal))) << refusal.message;
  ASSERT_TRUE(decoded.graph);
  const Tensor &weight = decoded.graph->initializers.at(0);
  EXPECT_EQ(weight.name, "w");
  // The data is a view into the bytes that were read, not a copy.
  EXPECT_GE(weight.rawData->data(), bytes.data());
  EXPECT_LT(weight.rawData->data(), bytes.data() + bytes.size());
  EXPECT_EQ(decoded.graph->nodes.at(0).opType, "Relu");
}

TEST(ModelReader, UnknownFieldsAreSkipped) {
  std::string bytes = model(modelbytes::Graph(),
                            modelbytes::bytes(1000, "new") + number(1001, 5));
  Model decoded;
  Refusal refusal;
  EXPECT_TRUE(succeeded(readModel(bytes, decoded, refusal)));
}

TEST(ModelReader, WrongWireType) {
  std::string bytes = modelbytes::bytes(1, "irversion");
  Model decoded;
  Refusal refusal;
  EXPECT_TRUE(failed(readModel(bytes, decoded, refusal)));
  EXPECT_EQ(refusal.code, 2002);
}

TEST(ModelReader, NestingIsBound) {
  std::string graph;
  for (int i = 0; i < 200; ++i)
    graph =
        modelbytes::bytes(1, modelbytes::bytes(5, modelbytes::bytes(6, graph)));
  std::string bytes = modelbytes::bytes(7, graph);
  Model decoded;
  Refusal refusal;
  EXPECT_TRUE(failed(readModel(bytes, decoded, refusal)));
  EXPECT_NE(refusal.message.find("nest"), std::string::npos);
}

TEST(ModelReader, NamesAreUtf8) {
  std::string bytes =
      model(modelbytes::Graph().node(node("Relu", {"\xff\xfe"}, {"y"})));
  Model decoded;
  Refusal refusal;
  EXPECT_TRUE(failed(readModel(bytes, decoded, refusal)));
  EXPECT_EQ(refusal.code, 2002);
}

//===----------------------------------------------------------------------===//
// Tensor data
//===----------------------------------------------------------------------===//

static llvm::LogicalResult locate(const std::string &bytes,
                                  TensorElements &elements, Refusal &refusal) {
  Tensor tensor;
  if (failed(readTensor(bytes, tensor, refusal)))
    return llvm::failure();
  TensorStore store;
  store.openBytes(bytes);
  return store.locate(tensor, elements, refusal);
}

TEST(TensorStore, SizesMustMatch) {
  TensorElements elements;
  Refusal refusal;
  EXPECT_TRUE(
      failed(locate(rawTensor("w", 1, {3}, "12345678"), elements, refusal)));
  EXPECT_EQ(refusal.code, 2002);
}

TEST(TensorStore, NegativeAndHugeSizes) {
  TensorElements elements;
  Refusal refusal;
  EXPECT_TRUE(failed(locate(rawTensor("w", 1, {-1}, ""), elements, refusal)));
  EXPECT_EQ(refusal.code, 2009);
  EXPECT_TRUE(
      failed(locate(rawTensor("w", 1, {int64_t(1) << 40, int64_t(1) << 40}, ""),
                    elements, refusal)));
  EXPECT_EQ(refusal.code, 2009);
  // A zero elsewhere does not make room for the rest.
  EXPECT_TRUE(failed(
      locate(rawTensor("w", 1, {0, int64_t(1) << 40, int64_t(1) << 40}, ""),
             elements, refusal)));
}

TEST(TensorStore, PackedInt32DataOfHalfType) {
  // 1.0 and 2.0 in f16, one element a number.
  std::string bytes = number(1, 2) + number(2, 10) +
                      modelbytes::bytes(5, varint(0x3c00) + varint(0x4000));
  TensorElements elements;
  Refusal refusal;
  ASSERT_TRUE(succeeded(locate(bytes, elements, refusal))) << refusal.message;
  EXPECT_EQ(elements.bytes, llvm::StringRef("\x00\x3c\x00\x40", 4));
}

TEST(TensorStore, UnpackedFloatData) {
  std::string one("\x00\x00\x80\x3f", 4);
  std::string bytes = number(1, 2) + number(2, 1) + varint(4 << 3 | 5) + one +
                      varint(4 << 3 | 5) + one;
  TensorElements elements;
  Refusal refusal;
  ASSERT_TRUE(succeeded(locate(bytes, elements, refusal))) << refusal.message;
  EXPECT_EQ(elements.bytes, one + one);
}

TEST(TensorStore, FourBitElementsArePacked) {
  TensorElements elements;
  Refusal refusal;
  EXPECT_TRUE(succeeded(
      locate(rawTensor("w", 22, {3}, "\x21\x03"), elements, refusal)));
  EXPECT_TRUE(
      failed(locate(rawTensor("w", 22, {3}, "\x21"), elements, refusal)));
}

TEST(TensorStore, UnknownDataType) {
  TensorElements elements;
  Refusal refusal;
  EXPECT_TRUE(failed(locate(rawTensor("w", 99, {1}, "x"), elements, refusal)));
  EXPECT_EQ(refusal.code, 2004);
}
