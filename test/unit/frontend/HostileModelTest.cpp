//===- HostileModelTest.cpp - models that are refused, never a crash ------===//

#include "ModelBytes.h"
#include "compiler/frontend/onnx/Import.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/raw_ostream.h"

#include "gtest/gtest.h"

#include <random>

using namespace mercer;
using namespace modelbytes;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

/// The diagnostics of importing `bytes`, empty if it succeeds.
std::string refusal(const std::string &bytes) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  std::string errors;
  mlir::ScopedDiagnosticHandler handler(
      &context, [&](mlir::Diagnostic &diagnostic) {
        llvm::raw_string_ostream stream(errors);
        stream << diagnostic.getLocation() << ": " << diagnostic << "\n";
        return mlir::success();
      });
  auto module = importOnnxBytes(bytes, "m.onnx", {}, &context);
  EXPECT_EQ(failed(module), !errors.empty()) << errors;
  return errors;
}

testing::AssertionResult refusedWith(const std::string &bytes,
                                     const std::string &code,
                                     const std::string &word) {
  std::string errors = refusal(bytes);
  if (errors.find("[" + code + "]") != std::string::npos &&
      errors.find(word) != std::string::npos)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << "got: " << errors;
}

Graph io() {
  return Graph().input(f32Value("x", {"4"})).output(f32Value("y", {"4"}));
}

std::string seed() {
  Graph body = Graph()
                   .input(value("i", tensorType(7, {})))
                   .input(value("c", tensorType(9, {})))
                   .input(f32Value("v", {"@n"}))
                   .output(value("c", tensorType(9, {})))
                   .output(f32Value("w", {"@n"}))
                   .node(node("Add", {"v", "x"}, {"w"}));
  std::string floats("\x00\x00\x80\x3f\x00\x00\x00\x40", 8);
  return model(
      Graph()
          .input(f32Value("x", {"@n"}))
          .input(value("c", tensorType(9, {})))
          .output(f32Value("y", {"@n"}))
          .initializer(
              rawTensor("trip", 7, {}, std::string("\3\0\0\0\0\0\0\0", 8)))
          .initializer(number(1, 2) + number(2, 1) + bytes(8, "k") +
                       bytes(4, floats))
          .node(node("Loop", {"trip", "c", "x"}, {"l"},
                     bytes(5, bytes(1, "body") + bytes(6, body.content) +
                                  number(20, 5))))
          .node(node("Elu", {"l"}, {"y"},
                     bytes(3, "name") +
                         bytes(5, bytes(1, "alpha") + varint(2 << 3 | 5) +
                                      floats.substr(0, 4) + number(20, 1)))));
}

} // namespace

TEST(HostileModel, SeedIsGood) { EXPECT_EQ(refusal(seed()), ""); }

TEST(HostileModel, EmptyAndNoise) {
  EXPECT_TRUE(refusedWith("", "E2002", "no graph"));
  EXPECT_TRUE(refusedWith("this is not a model", "E2002", "at byte"));
}

TEST(HostileModel, Cycle) {
  EXPECT_TRUE(refusedWith(model(io().node(node("Add", {"x", "b"}, {"a"}))
                                    .node(node("Neg", {"a"}, {"b"}))
                                    .node(node("Neg", {"b"}, {"y"}))),
                          "E2007", "cycle"));
}

TEST(HostileModel, UndefinedAndDoublyDefinedValues) {
  EXPECT_TRUE(refusedWith(model(io().node(node("Neg", {"z"}, {"y"}))), "E2007",
                          "'z' is not defined"));
  EXPECT_TRUE(refusedWith(
      model(
          io().node(node("Neg", {"x"}, {"y"})).node(node("Neg", {"x"}, {"y"}))),
      "E2007", "defined twice"));
  EXPECT_TRUE(refusedWith(model(io()), "E2007", "'y' is not defined"));
}

TEST(HostileModel, RefusalsNameTheNode) {
  std::string errors =
      refusal(model(io().node(node("Neg", {"z"}, {"y"}, bytes(3, "first")))));
  EXPECT_NE(errors.find("node 0 'first' (Neg)"), std::string::npos) << errors;
  EXPECT_NE(errors.find("m.onnx"), std::string::npos) << errors;
}

TEST(HostileModel, NegativeSize) {
  EXPECT_TRUE(refusedWith(model(Graph()
                                    .input(f32Value("x", {"-5"}))
                                    .output(f32Value("y", {"4"}))
                                    .node(node("Neg", {"x"}, {"y"}))),
                          "E2009", "negative"));
  EXPECT_TRUE(refusedWith(model(io().initializer(rawTensor("w", 1, {-1}, ""))
                                    .node(node("Add", {"x", "w"}, {"y"}))),
                          "E2009", "initializer 'w'"));
}

TEST(HostileModel, Versions) {
  Graph graph = io().node(node("Neg", {"x"}, {"y"}));
  EXPECT_TRUE(refusedWith(model(graph, "", 6), "E2005", "operator set 6"));
  EXPECT_TRUE(refusedWith(model(graph, "", 99), "E2005", "operator set 99"));
  EXPECT_TRUE(refusedWith(model(graph, "", 17, 14), "E2002", "IR version 14"));
  EXPECT_TRUE(refusedWith(bytes(7, graph.content) + number(1, 8), "E2005",
                          "no version of the default"));
}

TEST(HostileModel, FunctionThatCallsItself) {
  std::string function = bytes(1, "f") + bytes(10, "d") + bytes(4, "a") +
                         bytes(5, "b") +
                         bytes(7, node("f", {"a"}, {"b"}, bytes(7, "d")));
  EXPECT_TRUE(
      refusedWith(model(io().node(node("f", {"x"}, {"y"}, bytes(7, "d"))),
                        bytes(25, function)),
                  "E2007", "calls itself"));
}

TEST(HostileModel, FunctionsThatMultiply) {
  // Each calls the one before it four times: 4^20 nodes.
  std::string functions;
  for (int level = 0; level < 20; ++level) {
    std::string name = "f" + std::to_string(level),
                inner = "f" + std::to_string(level - 1), calls;
    for (int i = 0; i < 4; ++i) {
      std::string out = i == 3 ? "b" : "b" + std::to_string(i);
      calls += bytes(7, level ? node(inner, {"a"}, {out}, bytes(7, "d"))
                              : node("Neg", {"a"}, {out}));
    }
    functions += bytes(25, bytes(1, name) + bytes(10, "d") + bytes(4, "a") +
                               bytes(5, "b") + calls);
  }
  EXPECT_TRUE(refusedWith(
      model(io().node(node("f19", {"x"}, {"y"}, bytes(7, "d"))), functions),
      "E2002", "more than"));
}

TEST(HostileModel, BadAttributes) {
  auto with = [&](const std::string &attribute) {
    return model(io().node(node("Elu", {"x"}, {"y"}, bytes(5, attribute))));
  };
  EXPECT_TRUE(refusedWith(with(bytes(1, "a") + number(20, 77)), "E2002",
                          "attribute type"));
  EXPECT_TRUE(refusedWith(with(bytes(1, "t") + number(20, 4)), "E2008", "'t'"));
  EXPECT_TRUE(
      refusedWith(with(bytes(1, "r") + bytes(21, "outer")), "E2008", "'r'"));
}

TEST(HostileModel, ExternalDataWithoutAFile) {
  std::string tensor = number(1, 4) + number(2, 1) + bytes(8, "w") +
                       number(14, 1) +
                       bytes(13, bytes(1, "location") + bytes(2, "w.bin"));
  EXPECT_TRUE(refusedWith(
      model(io().initializer(tensor).node(node("Add", {"x", "w"}, {"y"}))),
      "E2006", "initializer 'w'"));
}

TEST(HostileModel, EveryTruncation) {
  std::string bytes = seed();
  for (size_t size = 0; size < bytes.size(); ++size)
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(bytes.data()),
                           size);
}

TEST(HostileModel, EveryBitFlip) {
  std::string bytes = seed();
  for (size_t i = 0; i < bytes.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = bytes;
      flipped[i] ^= 1 << bit;
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(flipped.data()),
                             flipped.size());
    }
}

TEST(HostileModel, RandomMutations) {
  std::string bytes = seed();
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string mutated = bytes;
    for (int i = 0; i < 4; ++i) {
      size_t at = random() % mutated.size();
      switch (random() % 3) {
      case 0:
        mutated[at] = static_cast<char>(random());
        break;
      case 1:
        mutated.erase(at, 1 + random() % 4);
        break;
      default:
        mutated.insert(at, 1 + random() % 4, static_cast<char>(random()));
      }
      if (mutated.empty())
        mutated = bytes;
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(mutated.data()),
                           mutated.size());
  }
}
