//===- Artifact.h - a loaded artifact ---------------------------*- C++ -*-===//

#ifndef MERCER_RUNTIME_CORE_ARTIFACT_H
#define MERCER_RUNTIME_CORE_ARTIFACT_H

#include "mercer/abi.h"
#include "runtime/core/Manifest.h"
#include "runtime/support/File.h"

#include <memory>

namespace mercer::rt {

struct LoadOptions {
  bool verifyConstants = false;
  bool anyCompiler = false;
};

/// Checks the file around the code: footer, digests, bounds of the constants.
/// Separate from loading so that a damaged file is found without running it.
Status readFooter(const MappedFile &file, const std::string &path,
                  bool verifyConstants, MercerFooter &footer);

/// Immutable after `load`, hence shared by threads without locks.
class Artifact {
public:
  static Status load(const std::string &path, const LoadOptions &options,
                     std::shared_ptr<const Artifact> &artifact);
  ~Artifact();

  const std::string &path() const { return filePath; }
  const MercerModuleDesc &module() const { return *desc; }
  const Manifest &manifest() const { return contents; }
  const std::string &manifestText() const { return text; }
  const MercerFooter &footer() const { return foot; }
  /// The address of every constant slot, in the mapped file.
  const std::vector<const void *> &constants() const { return slots; }
  /// Where each of them lies in the constants section.
  const std::vector<MercerConstantEntry> &directory() const { return places; }
  const EntryDesc &entry(uint32_t index) const {
    return contents.entries[index];
  }

private:
  Artifact() = default;
  Status open();
  Status checkModule() const;
  Status checkKernels() const;
  void readDirectory();

  std::string filePath;
  MappedFile file;
  MercerFooter foot{};
  void *library = nullptr;
  const MercerModuleDesc *desc = nullptr;
  std::string text;
  Manifest contents;
  std::vector<MercerConstantEntry> places;
  std::vector<const void *> slots;
};

/// The library's version, "major.minor.patch".
const char *versionString();

} // namespace mercer::rt

#endif // MERCER_RUNTIME_CORE_ARTIFACT_H
