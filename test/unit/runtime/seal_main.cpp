//===- seal_main.cpp - mercer-test-seal ELF MODULE_ID OUT [FLOAT...] ------===//
//
// Makes an artifact of a hand-written object; four floats are one constant.
//
//===----------------------------------------------------------------------===//

#include "Seal.h"

#include <cstdlib>

using namespace mercer::test;

int main(int argc, char **argv) {
  if (argc < 4)
    return 2;
  std::vector<std::string> constants;
  for (int i = 4; i < argc; ++i) {
    if ((i - 4) % 4 == 0)
      constants.emplace_back();
    float value = strtof(argv[i], nullptr);
    constants.back().append(reinterpret_cast<const char *>(&value), 4);
  }
  std::string elf = readBytes(argv[1]);
  if (elf.empty())
    return 1;
  writeBytes(argv[3], seal(elf, strtoull(argv[2], nullptr, 10), constants));
  return 0;
}
