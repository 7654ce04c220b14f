//===- File.h - mapped files and files written whole ------------*- C++ -*-===//

#ifndef MERCER_RUNTIME_SUPPORT_FILE_H
#define MERCER_RUNTIME_SUPPORT_FILE_H

#include "runtime/support/Status.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace mercer::rt {

/// A regular file mapped read-only and private. Pages are read when touched;
/// as with every mapping, a file that another process truncates meanwhile
/// cannot be defended against, hence writers replace files by rename.
class MappedFile {
public:
  MappedFile() = default;
  MappedFile(MappedFile &&other) noexcept { *this = std::move(other); }
  MappedFile &operator=(MappedFile &&other) noexcept;
  ~MappedFile();

  static Status open(const std::string &path, MappedFile &file);

  const char *data() const { return base; }
  size_t size() const { return length; }

private:
  const char *base = nullptr;
  size_t length = 0;
};

/// Writes the parts one after the other to a temporary file beside `path`,
/// syncs it and renames it: `path` has the new contents or is untouched.
Status writeFile(const std::string &path,
                 std::initializer_list<std::string_view> parts);

} // namespace mercer::rt

#endif // MERCER_RUNTIME_SUPPORT_FILE_H
