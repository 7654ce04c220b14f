//===- File.cpp - mapped files and files written whole --------------------===//

#include "runtime/support/File.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mercer::rt {

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(base, other.base);
  std::swap(length, other.length);
  return *this;
}

MappedFile::~MappedFile() {
  if (base)
    munmap(const_cast<char *>(base), length);
}

Status MappedFile::open(const std::string &path, MappedFile &file) {
  auto refuse = [&](const char *what) {
    return Status(Code::FileUnreadable, path,
                  format("%s: %s", what, strerror(errno)));
  };
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return refuse("cannot open the file");
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return Status(Code::FileUnreadable, path, "expects a regular file");
  }
  MappedFile mapped;
  if (info.st_size > 0) {
    void *base = mmap(nullptr, info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (base == MAP_FAILED) {
      Status status = refuse("cannot map the file");
      ::close(fd);
      return status;
    }
    mapped.base = static_cast<const char *>(base);
    mapped.length = info.st_size;
  }
  ::close(fd);
  file = std::move(mapped);
  return {};
}

static bool writeAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    bytes.remove_prefix(n);
  }
  return true;
}

Status writeFile(const std::string &path,
                 std::initializer_list<std::string_view> parts) {
  auto failure = [&](const char *what, int number) {
    return Status(Code::WriteFailed, path,
                  format("%s: %s", what, strerror(number)));
  };
  // A device or pipe (/dev/stdout) cannot be replaced; it is written to.
  struct stat info;
  if (stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0)
      return failure("cannot open the file", errno);
    bool good = true;
    for (std::string_view part : parts)
      good = good && writeAll(fd, part);
    int number = errno;
    return ::close(fd) == 0 && good ? Status()
                                    : failure("cannot write", number);
  }
  // Not mkstemp: its files are private whatever the umask says.
  std::string temporary;
  int fd = -1;
  for (unsigned attempt = 0; attempt < 100 && fd < 0; ++attempt) {
    temporary = format("%s.%d.%u.tmp", path.c_str(), int(getpid()), attempt);
    fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                0666);
    if (fd < 0 && errno != EEXIST)
      break;
  }
  if (fd < 0)
    return failure("cannot create a temporary file beside it", errno);
  auto abandon = [&](const char *what) {
    int number = errno;
    if (fd >= 0)
      ::close(fd);
    unlink(temporary.c_str());
    return failure(what, number);
  };
  for (std::string_view part : parts)
    if (!writeAll(fd, part))
      return abandon("cannot write");
  if (fsync(fd) != 0)
    return abandon("cannot sync");
  int closed = ::close(fd);
  fd = -1;
  if (closed != 0)
    return abandon("cannot close");
  if (rename(temporary.c_str(), path.c_str()) != 0)
    return abandon("cannot rename the finished file");
  return {};
}

} // namespace mercer::rt
