//===- Writer.cpp - the artifact file -------------------------------------===//

#include "compiler/artifact/Writer.h"

#include "compiler/artifact/CodedError.h"
#include "runtime/include/mercer/abi.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using namespace llvm;
using namespace mercer;

namespace {

constexpr uint64_t slotAlignment = 64;

Error systemError(StringRef what, StringRef path) {
  return makeError(4301,
                   "cannot " + what + " " + path + ": " + sys::StrError(errno));
}

uint64_t digest(StringRef bytes) {
  return xxh3_64bits(
      ArrayRef(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()));
}

template <typename T> StringRef bytesOf(const T &value) {
  return StringRef(reinterpret_cast<const char *>(&value), sizeof(T));
}

/// Where the descriptor lies in the linked file.
Expected<uint64_t> findDescriptor(StringRef elf) {
  Expected<object::ELF64LEFile> file = object::ELF64LEFile::create(elf);
  if (!file)
    return file.takeError();
  auto sections = file->sections();
  if (!sections)
    return sections.takeError();
  for (const auto &section : *sections) {
    if (section.sh_type != ELF::SHT_DYNSYM)
      continue;
    auto symbols = file->symbols(&section);
    auto strings = file->getStringTableForSymtab(section);
    if (!symbols)
      return symbols.takeError();
    if (!strings)
      return strings.takeError();
    for (const auto &symbol : *symbols) {
      Expected<StringRef> name = symbol.getName(*strings);
      if (!name)
        return name.takeError();
      if (*name != MERCER_MODULE_SYMBOL)
        continue;
      auto segments = file->program_headers();
      if (!segments)
        return segments.takeError();
      for (const auto &segment : *segments)
        if (segment.p_type == ELF::PT_LOAD &&
            symbol.st_value >= segment.p_vaddr &&
            symbol.st_value + sizeof(MercerModuleDesc) <=
                segment.p_vaddr + segment.p_filesz)
          return symbol.st_value - segment.p_vaddr + segment.p_offset;
    }
  }
  return makeError(3003, "the linked object has no " MERCER_MODULE_SYMBOL);
}

/// The constants section: the distinct values. The directory has one entry for
/// each slot; slots of equal values name the same bytes.
struct ConstantsLayout {
  std::vector<StringRef> values;
  std::vector<MercerConstantEntry> places; ///< of the values
  std::vector<MercerConstantEntry> directory;
  uint64_t size = 0;

  explicit ConstantsLayout(ArrayRef<StringRef> slots) {
    DenseMap<std::pair<uint64_t, uint64_t>, SmallVector<unsigned, 1>> known;
    for (StringRef bytes : slots) {
      uint64_t sum = digest(bytes);
      auto &candidates = known[{bytes.size(), sum}];
      unsigned *same =
          find_if(candidates, [&](unsigned i) { return values[i] == bytes; });
      if (same == candidates.end()) {
        candidates.push_back(values.size());
        same = &candidates.back();
        size = alignTo(size, slotAlignment);
        values.push_back(bytes);
        places.push_back({size, bytes.size(), sum, 0});
        size += bytes.size();
      }
      directory.push_back(places[*same]);
    }
  }
};

/// Temporary files that exist, where a signal handler can read them.
std::atomic<char *> unfinished[16];

/// One of them, for as long as it may have to go. With all places taken, which
/// no compilation comes near, the file is removed on failure but not on a
/// signal.
class Unfinished {
public:
  explicit Unfinished(const char *path) {
    char *copy = ::strdup(path);
    for (std::atomic<char *> &free : unfinished) {
      char *none = nullptr;
      if (free.compare_exchange_strong(none, copy)) {
        place = &free;
        return;
      }
    }
    ::free(copy);
  }
  Unfinished(const Unfinished &) = delete;
  ~Unfinished() {
    // Null where a handler took it.
    if (place)
      ::free(place->exchange(nullptr));
  }

private:
  std::atomic<char *> *place = nullptr;
};

} // namespace

void mercer::removeUnfinishedFiles() noexcept {
  for (std::atomic<char *> &place : unfinished)
    if (char *path = place.exchange(nullptr))
      ::unlink(path);
}

Error mercer::writeFileAtomically(
    StringRef path, bool executable,
    function_ref<Error(function_ref<Error(StringRef)>)> fill) {
  SmallString<128> temporary;
  int fd = -1;
  auto append = [&](StringRef bytes) -> Error {
    while (!bytes.empty()) {
      // One write is limited to 2 GB.
      ssize_t done =
          ::write(fd, bytes.data(), std::min<size_t>(bytes.size(), 1u << 30));
      if (done < 0 && errno == EINTR)
        continue;
      if (done <= 0)
        return systemError("write", path);
      bytes = bytes.drop_front(done);
    }
    return Error::success();
  };
  // A device or pipe is written to; a rename would put a file in its place.
  struct stat info;
  if (::stat(path.str().c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    fd = ::open(path.str().c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0)
      return systemError("write", path);
    Error error = fill(append);
    if (::close(fd) != 0 && !error)
      error = systemError("write", path);
    return error;
  }
  if (std::error_code error =
          sys::fs::createUniqueFile(path + ".tmp-%%%%%%%%", fd, temporary))
    return makeError(4301, "cannot write " + path + ": " + error.message());
  Unfinished listed(temporary.c_str());
  scope_exit discard([&] {
    if (fd >= 0)
      ::close(fd);
    ::unlink(temporary.c_str());
  });
  if (Error error = fill(append))
    return error;
  // createUniqueFile makes private files; the result is an ordinary one.
  mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(fd, (executable ? 0777 : 0666) & ~mask) != 0 || ::fsync(fd) != 0)
    return systemError("write", path);
  int closing = fd;
  fd = -1;
  if (::close(closing) != 0)
    return systemError("write", path);
  if (::rename(temporary.c_str(), path.str().c_str()) != 0)
    return systemError("rename to", path);
  discard.release();
  // The name is durable once the folder is; a file system that cannot do this
  // is no reason to fail.
  StringRef folder = sys::path::parent_path(path);
  int folderFd = ::open(folder.empty() ? "." : folder.str().c_str(), O_RDONLY);
  if (folderFd >= 0) {
    (void)::fsync(folderFd);
    ::close(folderFd);
  }
  return Error::success();
}

Expected<ArtifactSizes>
mercer::writeArtifact(StringRef path, std::string elf,
                      ArrayRef<StringRef> slots,
                      function_ref<void(double)> progress) {
  ConstantsLayout layout(slots);
  StringRef directory(reinterpret_cast<const char *>(layout.directory.data()),
                      layout.directory.size() * sizeof(MercerConstantEntry));

  Expected<uint64_t> descriptor = findDescriptor(elf);
  if (!descriptor)
    return descriptor.takeError();
  std::string identity = elf + directory.str();
  uint64_t moduleId = digest(identity);
  std::memcpy(elf.data() + *descriptor + offsetof(MercerModuleDesc, module_id),
              &moduleId, sizeof(moduleId));

  MercerFooter footer{};
  footer.module_id = moduleId;
  footer.elf_size = elf.size();
  footer.elf_digest = digest(elf);
  footer.constants_offset = alignTo(elf.size(), MERCER_CONSTANTS_ALIGNMENT);
  footer.constants_size = layout.size;
  footer.directory_offset =
      alignTo(footer.constants_offset + layout.size, slotAlignment);
  footer.directory_count = layout.directory.size();
  footer.directory_digest = digest(directory);
  footer.version = MERCER_CONTAINER_VERSION;
  footer.footer_size = sizeof(MercerFooter);
  std::memcpy(footer.magic, MERCER_FOOTER_MAGIC, sizeof(footer.magic));
  footer.footer_digest =
      digest(bytesOf(footer).take_front(offsetof(MercerFooter, footer_digest)));

  ArtifactSizes sizes;
  sizes.elf = elf.size();
  sizes.constants = layout.size;
  sizes.total = footer.directory_offset + directory.size() + sizeof(footer);
  Error error = writeFileAtomically(
      path, /*executable=*/true,
      [&](function_ref<Error(StringRef)> append) -> Error {
        uint64_t position = 0;
        auto put = [&](uint64_t offset, StringRef bytes) -> Error {
          static const char zeros[MERCER_CONSTANTS_ALIGNMENT] = {};
          if (Error error = append(StringRef(zeros, offset - position)))
            return error;
          position = offset + bytes.size();
          progress(static_cast<double>(offset) / sizes.total);
          return append(bytes);
        };
        if (Error error = put(0, elf))
          return error;
        for (auto [entry, bytes] : zip_equal(layout.places, layout.values))
          if (Error error = put(footer.constants_offset + entry.offset, bytes))
            return error;
        if (Error error = put(footer.directory_offset, directory))
          return error;
        return append(bytesOf(footer));
      });
  if (error)
    return std::move(error);
  return sizes;
}
