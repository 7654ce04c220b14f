//===- SymbolsTest.cpp - what the binaries need and export ----------------===//

#include "Testing.h"

#include <cstdio>
#include <set>
#include <sstream>

using namespace mercer::test;

namespace {

std::vector<std::string> lines(const std::string &command) {
  std::vector<std::string> result;
  FILE *pipe = popen(command.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string text;
  char buffer[4096];
  while (size_t n = fread(buffer, 1, sizeof(buffer), pipe))
    text.append(buffer, n);
  EXPECT_EQ(pclose(pipe), 0) << command;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    result.push_back(line);
  return result;
}

std::set<std::string> needed(const std::string &file) {
  std::set<std::string> libraries;
  for (const std::string &line : lines("objdump -p " + file)) {
    std::istringstream words(line);
    std::string key, value;
    if (words >> key >> value && key == "NEEDED")
      libraries.insert(value);
  }
  return libraries;
}

std::vector<std::string> exported(const std::string &file) {
  std::vector<std::string> names;
  for (const std::string &line : lines("nm -D --defined-only " + file)) {
    std::istringstream words(line);
    std::string address, kind, name;
    words >> address >> kind >> name;
    names.push_back(name);
  }
  return names;
}

#if !__has_feature(address_sanitizer)
TEST(Symbols, RuntimeNeedsThreeLibraries) {
  for (const std::string &library : needed(RUNTIME_LIBRARY))
    EXPECT_TRUE(library == "libc.so.6" || library == "libm.so.6" ||
                library == "libpthreadpool.so.0" ||
                library == "ld-linux-x86-64.so.2")
        << library;
}
#endif

TEST(Symbols, RuntimeExportsItsInterfaceOnly) {
  auto names = exported(RUNTIME_LIBRARY);
  EXPECT_GT(names.size(), 20u);
  for (const std::string &name : names)
    EXPECT_EQ(name.rfind("mercer_", 0), 0u) << name;
}

TEST(Symbols, ArtifactsExportOneSymbol) {
  EXPECT_EQ(exported(fake("affine")),
            (std::vector<std::string>{"mercer_module"}));
  for (const std::string &library : needed(fake("affine")))
    EXPECT_EQ(library, "libc.so.6");
}

} // namespace
