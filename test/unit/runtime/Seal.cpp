//===- Seal.cpp - makes artifacts of hand-written objects -----------------===//

#include "Seal.h"

#include <cstring>
#include <fstream>
#include <sstream>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace mercer::test {

uint64_t digest(const std::string &bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

static void padTo(std::string &bytes, size_t alignment) {
  bytes.resize((bytes.size() + alignment - 1) / alignment * alignment, '\0');
}

std::string withFooter(std::string artifact, MercerFooter footer) {
  artifact.resize(artifact.size() - sizeof(footer));
  footer.footer_digest =
      XXH3_64bits(&footer, offsetof(MercerFooter, footer_digest));
  artifact.append(reinterpret_cast<const char *>(&footer), sizeof(footer));
  return artifact;
}

MercerFooter footerOf(const std::string &artifact) {
  MercerFooter footer;
  memcpy(&footer, artifact.data() + artifact.size() - sizeof(footer),
         sizeof(footer));
  return footer;
}

std::string seal(const std::string &elf, uint64_t moduleId,
                 const std::vector<std::string> &constants) {
  std::string file = elf;
  MercerFooter footer{};
  footer.module_id = moduleId;
  footer.elf_size = elf.size();
  footer.elf_digest = digest(elf);
  padTo(file, MERCER_CONSTANTS_ALIGNMENT);
  footer.constants_offset = file.size();
  std::string directory;
  for (const std::string &constant : constants) {
    padTo(file, 64);
    MercerConstantEntry entry{file.size() - footer.constants_offset,
                              constant.size(), digest(constant), 0};
    directory.append(reinterpret_cast<const char *>(&entry), sizeof(entry));
    file += constant;
  }
  footer.constants_size = file.size() - footer.constants_offset;
  padTo(file, 8);
  footer.directory_offset = file.size();
  footer.directory_count = constants.size();
  footer.directory_digest = digest(directory);
  footer.version = MERCER_CONTAINER_VERSION;
  footer.footer_size = sizeof(footer);
  memcpy(footer.magic, MERCER_FOOTER_MAGIC, sizeof(footer.magic));
  file += directory;
  file.append(sizeof(footer), '\0');
  return withFooter(std::move(file), footer);
}

std::string readBytes(const std::string &path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << stream.rdbuf();
  return bytes.str();
}

void writeBytes(const std::string &path, const std::string &bytes) {
  // A new file each time: a mapped one must not change under its reader.
  remove(path.c_str());
  std::ofstream stream(path, std::ios::binary);
  stream << bytes;
}

} // namespace mercer::test
