//===- DocsTest.cpp - the documentation says what is true -----------------===//
//
// The programs of docs/runtime.md are compiled and run as they stand there;
// docs/error-codes.md lists exactly the codes of error_codes.def.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"

#include <regex>
#include <set>

using namespace mercer::test;

namespace {

/// The fenced block that follows `<!-- marker -->`.
std::string block(const std::string &text, const std::string &marker) {
  size_t at = text.find("<!-- " + marker + " -->\n```");
  EXPECT_NE(at, std::string::npos) << marker;
  if (at == std::string::npos)
    return {};
  size_t begin = text.find('\n', text.find("```", at)) + 1;
  return text.substr(begin, text.find("```", begin) - begin);
}

void compileAndRun(const std::string &name, const std::string &compiler) {
  TemporaryDirectory directory;
  std::string page = readBytes(DOCS_DIR "/runtime.md");
  std::string library = RUNTIME_LIBRARY;
  library.resize(library.rfind('/'));
  writeBytes(directory / name, block(page, "file: " + name));
  std::string compile = compiler + " -Wall -Wextra -Werror -I" INCLUDE_DIR " " +
                        (directory / name) + " -o " + (directory / "embed") +
                        " -L" + library + " -lmercer_runtime -Wl,-rpath," +
                        library + " " EXTRA_FLAGS;
  ASSERT_EQ(system(compile.c_str()), 0) << compile;
  ASSERT_EQ(system(((directory / "embed") + " " + fake("affine") + " >" +
                    (directory / "out"))
                       .c_str()),
            0);
  EXPECT_EQ(readBytes(directory / "out"), block(page, "output: " + name));
}

TEST(Docs, EmbedFromC) { compileAndRun("embed.c", C_COMPILER " -std=c11"); }
TEST(Docs, EmbedFromCxx) {
  compileAndRun("embed.cpp", CXX_COMPILER " -std=c++17");
}

TEST(Docs, ErrorCodesAreComplete) {
  std::set<std::string> declared, described;
#define MERCER_ERROR(number, name, summary)                                    \
  EXPECT_TRUE(declared.insert("| E" #number " | " #name " |").second)          \
      << "E" #number " is declared twice";
#include "mercer/error_codes.def"
  std::string page = readBytes(DOCS_DIR "/error-codes.md");
  std::regex row("\\| E[0-9]{4} \\| [A-Za-z]+ \\|");
  for (std::sregex_iterator it(page.begin(), page.end(), row), end; it != end;
       ++it)
    EXPECT_TRUE(described.insert(it->str()).second) << it->str() << " twice";
  for (const std::string &line : declared)
    EXPECT_TRUE(described.count(line))
        << "docs/error-codes.md lacks a line \"" << line << " what to do |\"";
  for (const std::string &line : described)
    EXPECT_TRUE(declared.count(line))
        << "error_codes.def does not declare \"" << line << "\"";
}

} // namespace
