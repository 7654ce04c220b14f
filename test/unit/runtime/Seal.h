//===- Seal.h - makes artifacts of hand-written objects ---------*- C++ -*-===//

#ifndef MERCER_TEST_UNIT_RUNTIME_SEAL_H
#define MERCER_TEST_UNIT_RUNTIME_SEAL_H

#include "mercer/abi.h"

#include <string>
#include <vector>

namespace mercer::test {

/// An artifact of an ELF file's bytes and constants, each at a multiple of 64.
std::string seal(const std::string &elf, uint64_t moduleId,
                 const std::vector<std::string> &constants);

/// The footer of an artifact, and the artifact with another one whose own
/// digest is right.
MercerFooter footerOf(const std::string &artifact);
std::string withFooter(std::string artifact, MercerFooter footer);

/// XXH3 of bytes.
uint64_t digest(const std::string &bytes);

std::string readBytes(const std::string &path);
void writeBytes(const std::string &path, const std::string &bytes);

} // namespace mercer::test

#endif // MERCER_TEST_UNIT_RUNTIME_SEAL_H
