//===- ImportTest.cpp - from model bytes to the import stage --------------===//

#include "compiler/frontend/onnx/Import.h"
#include "ModelBytes.h"

#include "dialects/mercer/IR/Mercer.h"
#include "dialects/onnx/IR/Onnx.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include "gtest/gtest.h"

using namespace mercer;
using namespace modelbytes;

namespace {

struct Import : testing::Test {
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  std::string errors;
  mlir::ScopedDiagnosticHandler handler{
      &context, [this](mlir::Diagnostic &diagnostic) {
        llvm::raw_string_ostream stream(errors);
        stream << diagnostic.getLocation() << ": " << diagnostic << "\n";
        return mlir::success();
      }};
  llvm::SmallString<128> folder;
  mlir::OwningOpRef<mlir::ModuleOp> module;

  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("mercer-import", folder));
  }
  void TearDown() override { llvm::sys::fs::remove_directories(folder); }

  std::string write(const std::string &name, const std::string &bytes) {
    llvm::SmallString<128> path(folder);
    llvm::sys::path::append(path, name);
    std::error_code error;
    llvm::raw_fd_ostream stream(path, error);
    stream << bytes;
    return path.str().str();
  }

  bool run(const std::string &bytes, ImportOptions options = {}) {
    auto imported = importOnnx(write("model.onnx", bytes), options, &context);
    if (failed(imported))
      return false;
    module = std::move(*imported);
    return true;
  }

  mlir::func::FuncOp main() {
    return module->lookupSymbol<mlir::func::FuncOp>("main");
  }
  std::string text() {
    std::string out;
    llvm::raw_string_ostream stream(out);
    module->print(stream);
    return out;
  }
  bool has(const std::string &part) {
    return text().find(part) != std::string::npos;
  }
};

Graph relu() {
  return Graph()
      .input(f32Value("x", {"@batch", "4"}))
      .output(f32Value("y", {"@batch", "4"}))
      .node(node("Relu", {"x"}, {"y"}));
}

} // namespace

TEST_F(Import, OneNode) {
  ASSERT_TRUE(run(model(relu()))) << errors;
  EXPECT_TRUE(has("onnx.node \"Relu\"(%arg0) opset 17"));
  EXPECT_TRUE(has("mercer.dims = [\"batch\", \"\"]"));
  EXPECT_TRUE(has("mercer.dtype = \"float32\""));
}

TEST_F(Import, LargeWeightsStayInTheFile) {
  std::string data(4 * 100, '\2');
  std::string bytes = model(Graph()
                                .initializer(rawTensor("w", 1, {100}, data))
                                .output(f32Value("y", {"100"}))
                                .node(node("Relu", {"w"}, {"y"})));
  ASSERT_TRUE(run(bytes)) << errors;
  WeightOp weight;
  module->walk([&](WeightOp op) { weight = op; });
  ASSERT_TRUE(weight);
  EXPECT_EQ(weight.getFile(), "model.onnx");
  EXPECT_EQ(bytes.substr(weight.getOffset(), weight.getLength()), data);
}

TEST_F(Import, InitializerThatIsAnInputIsAConstant) {
  std::string bytes =
      model(Graph()
                .input(f32Value("x", {"1"}))
                .input(f32Value("w", {"1"}))
                .initializer(rawTensor("w", 1, {1}, std::string(4, '\0')))
                .output(f32Value("y", {"1"}))
                .node(node("Add", {"x", "w"}, {"y"})));
  ASSERT_TRUE(run(bytes)) << errors;
  EXPECT_EQ(main().getNumArguments(), 1u);
}

TEST_F(Import, QuestionMarksAreFreshSymbols) {
  Graph graph = Graph()
                    .input(f32Value("x", {"@?", "-1", "@n", "@n"}))
                    .output(f32Value("y", {"@n"}))
                    .node(node("Relu", {"x"}, {"y"}));
  ASSERT_TRUE(run(model(graph))) << errors;
  EXPECT_TRUE(has("mercer.dims = [\"\", \"\", \"n\", \"n\"]"));
}

TEST_F(Import, FixedShapeReachesEverySizeOfTheSymbol) {
  ImportOptions options;
  options.shapes.push_back({"x", {3, 4}});
  ASSERT_TRUE(run(model(relu()), options)) << errors;
  EXPECT_TRUE(has("-> (tensor<3x4xf32>"));
}

TEST_F(Import, FixedShapeMustAgree) {
  ImportOptions options;
  options.shapes.push_back({"x", {3, 5}});
  EXPECT_FALSE(run(model(relu()), options));
  EXPECT_NE(errors.find("[E1005]"), std::string::npos) << errors;
  options.shapes = {{"nobody", {1}}};
  EXPECT_FALSE(run(model(relu()), options));
  EXPECT_NE(errors.find("[E1004]"), std::string::npos) << errors;
}

TEST_F(Import, InnerTensorsAsOutputs) {
  Graph graph = Graph()
                    .input(f32Value("x", {"4"}))
                    .output(f32Value("y", {"4"}))
                    .node(node("Relu", {"x"}, {"h"}))
                    .node(node("Neg", {"h"}, {"y"}));
  ImportOptions options;
  options.outputs = {"h"};
  ASSERT_TRUE(run(model(graph), options)) << errors;
  EXPECT_EQ(main().getNumResults(), 2u);
  EXPECT_TRUE(has("mercer.name = \"h\""));
}

TEST_F(Import, AbsentOperands) {
  Graph graph = Graph()
                    .input(f32Value("x", {"4"}))
                    .output(f32Value("y", {"4"}))
                    .node(node("Clip", {"x", "", "x"}, {"y"}));
  ASSERT_TRUE(run(model(graph))) << errors;
  EXPECT_TRUE(has("onnx.none"));
  onnx::NodeOp op;
  module->walk([&](onnx::NodeOp node) { op = node; });
  EXPECT_FALSE(op.hasInput(1));
  EXPECT_TRUE(op.hasInput(2));
  EXPECT_FALSE(op.hasInput(3));
}

TEST_F(Import, LocalFunctionsAreInlined) {
  // twice(x){alpha} = Elu(x){alpha} + Elu(x){alpha}
  std::string alpha =
      bytes(5, bytes(1, "alpha") + bytes(21, "slope") + number(20, 1));
  std::string function =
      bytes(1, "twice") + bytes(10, "local") + bytes(4, "a") + bytes(5, "b") +
      bytes(6, "slope") + bytes(7, node("Elu", {"a"}, {"e"}, alpha)) +
      bytes(7, node("Add", {"e", "e"}, {"b"})) + bytes(9, number(2, 17));
  std::string slope =
      bytes(5, bytes(1, "slope") + varint(2 << 3 | 5) +
                   std::string("\x00\x00\x00\x3f", 4) + number(20, 1));
  Graph graph =
      Graph()
          .input(f32Value("x", {"4"}))
          .output(f32Value("y", {"4"}))
          .node(node("twice", {"x"}, {"y"}, bytes(7, "local") + slope));
  ASSERT_TRUE(run(model(graph, bytes(25, function)))) << errors;
  EXPECT_TRUE(has("\"Elu\"(%arg0) opset 17 {alpha = 5.000000e-01 : f32}"))
      << text();
  EXPECT_FALSE(has("twice"));
}

TEST_F(Import, SubgraphsCaptureOuterValues) {
  Graph then =
      Graph().output(f32Value("r", {"4"})).node(node("Neg", {"x"}, {"r"}));
  std::string branches = bytes(5, bytes(1, "then_branch") +
                                      bytes(6, then.content) + number(20, 5)) +
                         bytes(5, bytes(1, "else_branch") +
                                      bytes(6, then.content) + number(20, 5));
  Graph graph = Graph()
                    .input(f32Value("x", {"4"}))
                    .input(value("c", tensorType(9, {})))
                    .output(f32Value("y", {"4"}))
                    .node(node("If", {"c"}, {"y"}, branches));
  ASSERT_TRUE(run(model(graph))) << errors;
  EXPECT_TRUE(has("\"Neg\"(%arg0)"));
  EXPECT_TRUE(has("onnx.yield"));
}

//===----------------------------------------------------------------------===//
// External data
//===----------------------------------------------------------------------===//

namespace {
std::string external(const std::string &location, const std::string &offset,
                     const std::string &length, int64_t size = 100) {
  auto entry = [](const std::string &key, const std::string &text) {
    return bytes(13, bytes(1, key) + bytes(2, text));
  };
  std::string tensor = number(1, size) + number(2, 1) + bytes(8, "w") +
                       number(14, 1) + entry("location", location);
  if (!offset.empty())
    tensor += entry("offset", offset);
  if (!length.empty())
    tensor += entry("length", length);
  return model(Graph()
                   .initializer(tensor)
                   .output(f32Value("y", {"100"}))
                   .node(node("Relu", {"w"}, {"y"})));
}
} // namespace

TEST_F(Import, ExternalDataIsReferredTo) {
  write("weights.bin", std::string(500, '\3'));
  ASSERT_TRUE(run(external("weights.bin", "64", "400"))) << errors;
  EXPECT_TRUE(has("mercer.weight \"weights.bin\"[64, 400]"));
}

TEST_F(Import, ExternalDataOutsideOfTheFolder) {
  write("weights.bin", std::string(500, '\3'));
  llvm::SmallString<128> link(folder);
  llvm::sys::path::append(link, "link.bin");
  llvm::sys::fs::create_link("/etc/passwd", link);
  for (const char *location :
       {"../weights.bin", "a/../../weights.bin", "/etc/passwd", "", "link.bin",
        "nobody.bin", "."}) {
    errors.clear();
    EXPECT_FALSE(run(external(location, "", ""))) << location;
    EXPECT_NE(errors.find("[E2006]"), std::string::npos) << errors;
  }
}

TEST_F(Import, ExternalDataOfWrongSize) {
  write("weights.bin", std::string(500, '\3'));
  for (auto [offset, length] : {std::pair("200", ""),
                                {"501", ""},
                                {"-1", ""},
                                {"0", "399"},
                                {"18446744073709551615", ""},
                                {"1e2", ""}}) {
    errors.clear();
    EXPECT_FALSE(run(external("weights.bin", offset, length))) << offset;
    EXPECT_NE(errors.find("[E2006]"), std::string::npos) << errors;
  }
}
