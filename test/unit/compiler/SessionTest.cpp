#include "compiler/session/Session.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

#include <thread>

using namespace mercer;

namespace {

constexpr const char *model = R"(
func.func @main(%x: tensor<?xf32> {mercer.name = "x"}) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %e = tensor.empty(%n) : tensor<?xf32>
  %y = linalg.exp ins(%x : tensor<?xf32>) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}
)";

class SessionTest : public testing::Test {
protected:
  void SetUp() override {
    llvm::SmallString<128> path;
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("mercer-test", path));
    folder = path.str().str();
  }
  void TearDown() override { llvm::sys::fs::remove_directories(folder); }

  std::string file(const std::string &name) { return folder + "/" + name; }
  std::string write(const std::string &name, llvm::StringRef text) {
    std::error_code error;
    llvm::raw_fd_ostream(file(name), error) << text;
    return file(name);
  }
  std::string read(const std::string &name) {
    auto buffer = llvm::MemoryBuffer::getFile(file(name));
    return buffer ? (*buffer)->getBuffer().str() : std::string();
  }
  /// 0 or the code of the error.
  int compile(const std::string &input, const std::string &output,
              const CompileOptions &options = {}) {
    CompileCallbacks callbacks;
    callbacks.diagnostic = [this](const Diagnostic &d) {
      diagnostics.push_back(d);
    };
    llvm::Expected<CompileReport> report =
        compileFile(input, output, options, callbacks);
    if (report)
      return 0;
    int code = -1;
    llvm::handleAllErrors(report.takeError(), [&](const CodedError &error) {
      code = error.code();
    });
    return code;
  }

  std::string folder;
  std::vector<Diagnostic> diagnostics;
};

} // namespace

TEST_F(SessionTest, TwoAtOnceGiveEqualBytes) {
  std::string input = write("m.mlir", model);
  std::vector<int> codes(2, -1);
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&, i] {
      llvm::Expected<CompileReport> report = compileFile(
          input, file(std::to_string(i) + ".so"), CompileOptions(), {});
      codes[i] = report ? 0 : 1;
      if (!report)
        llvm::consumeError(report.takeError());
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(codes[0], 0);
  EXPECT_EQ(codes[1], 0);
  EXPECT_FALSE(read("0.so").empty());
  EXPECT_EQ(read("0.so"), read("1.so"));
}

TEST_F(SessionTest, WrongOptionsAreErrorsNotDiagnostics) {
  std::string input = write("m.mlir", model);
  CompileOptions options;
  options.cpu = "pentium";
  EXPECT_EQ(compile(input, file("m.so"), options), 1005);
  options = {};
  options.target = "abacus";
  EXPECT_EQ(compile(input, file("m.so"), options), 1005);
  options = {};
  options.precision = "loose";
  EXPECT_EQ(compile(input, file("m.so"), options), 1005);
  EXPECT_TRUE(diagnostics.empty());
  EXPECT_FALSE(llvm::sys::fs::exists(file("m.so")));
}

TEST_F(SessionTest, MalformedInputGetsCodeAndPlace) {
  std::string input = write("m.mlir", "func.func @main() { frob }\n");
  EXPECT_EQ(compile(input, file("m.so")), 2002);
  ASSERT_EQ(diagnostics.size(), 1u);
  EXPECT_EQ(diagnostics[0].code, 2002);
  EXPECT_NE(diagnostics[0].place.find("m.mlir:1"), std::string::npos);
}

TEST_F(SessionTest, MissingWeightsAreRefused) {
  std::string input = write("m.mlir", R"(
func.func @main() -> tensor<4xf32> {
  %w = mercer.weight "none.bin"[0, 16] : tensor<4xf32>
  return %w : tensor<4xf32>
}
)");
  EXPECT_EQ(compile(input, file("m.so")), 2001);
  write("none.bin", "short");
  EXPECT_EQ(compile(input, file("m.so")), 2006);
  EXPECT_FALSE(llvm::sys::fs::exists(file("m.so")));
}

TEST_F(SessionTest, ReportNamesKernels) {
  std::string input = write("m.mlir", model);
  CompileOptions options;
  options.explain = true;
  llvm::Expected<CompileReport> report =
      compileFile(input, file("m.so"), options, {});
  ASSERT_TRUE(static_cast<bool>(report));
  ASSERT_EQ(report->kernels.size(), 1u);
  EXPECT_EQ(report->kernels[0].inputs[0], "tensor<?xf32>");
  EXPECT_GT(report->bytesWritten, 0u);
}
