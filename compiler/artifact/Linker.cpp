//===- Linker.cpp - objects to one shared object, in process --------------===//

#include "compiler/artifact/Linker.h"

#include "compiler/artifact/CodedError.h"

#include "lld/Common/Driver.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <fcntl.h>
#include <mutex>
#include <optional>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

LLD_HAS_DRIVER(elf)

using namespace llvm;
using namespace mercer;

namespace {

/// Bytes that lld can open by name and that no folder holds.
class NamelessFile {
public:
  NamelessFile() : fd(::memfd_create("mercer-link", MFD_CLOEXEC)) {}
  NamelessFile(NamelessFile &&other) : fd(std::exchange(other.fd, -1)) {}
  ~NamelessFile() {
    if (fd >= 0)
      ::close(fd);
  }

  Error write(StringRef bytes) {
    bool failed = fd < 0;
    while (!failed && !bytes.empty()) {
      ssize_t done = ::write(fd, bytes.data(), bytes.size());
      if (done < 0 && errno == EINTR)
        continue;
      failed = done <= 0;
      if (!failed)
        bytes = bytes.drop_front(done);
    }
    return failed ? makeError(4301, "cannot keep an object for the linker: " +
                                        sys::StrError(errno))
                  : Error::success();
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd); }

private:
  int fd;
};

/// What lld writes: the reading end of a pipe, on a thread of its own. To a
/// pipe lld writes as it is, where it would make a temporary file beside a
/// regular one.
class LinkedBytes {
public:
  Error open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
      return makeError(4301, "cannot make a pipe: " + sys::StrError(errno));
    in = ends[1];
    reader = std::thread([this, out = ends[0]] {
      char buffer[1 << 16];
      ssize_t done;
      while ((done = ::read(out, buffer, sizeof(buffer))) != 0) {
        if (done > 0)
          bytes.append(buffer, done);
        else if (errno != EINTR)
          break;
      }
      ::close(out);
    });
    return Error::success();
  }
  ~LinkedBytes() { (void)take(); }

  std::string path() const { return "/proc/self/fd/" + std::to_string(in); }
  std::string take() {
    if (in >= 0)
      ::close(std::exchange(in, -1));
    if (reader.joinable())
      reader.join();
    return std::move(bytes);
  }

private:
  int in = -1;
  std::thread reader;
  std::string bytes;
};

} // namespace

/// Runs lld on `objects`. lld reads and writes files only; these have no name
/// in any folder, so that a crash in it leaves nothing behind.
static Expected<std::string> runLinker(ArrayRef<StringRef> objects,
                                       ArrayRef<std::string> flags,
                                       std::optional<StringRef> exported) {
  std::vector<NamelessFile> files;
  auto keep = [&](StringRef bytes) {
    return files.emplace_back().write(bytes);
  };
  std::vector<std::string> arguments = {"ld.lld"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  if (exported) {
    if (Error error = keep("{ global: " + exported->str() + "; local: *; };\n"))
      return std::move(error);
    arguments.push_back("--version-script=" + files.back().path());
  }
  for (StringRef object : objects) {
    if (Error error = keep(object))
      return std::move(error);
    arguments.push_back(files.back().path());
  }
  LinkedBytes linked;
  if (Error error = linked.open())
    return std::move(error);
  arguments.push_back("-o");
  arguments.push_back(linked.path());
  std::vector<const char *> pointers;
  pointers.reserve(arguments.size());
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());

  std::string messages;
  raw_string_ostream os(messages);
  lld::Result result;
  {
    // lld keeps its state in globals: one link at a time in a process.
    static std::mutex linking;
    std::lock_guard<std::mutex> lock(linking);
    result = lld::lldMain(pointers, os, os, {{lld::Gnu, &lld::elf::link}});
  }
  std::string bytes = linked.take();
  if (result.retCode != 0)
    return makeError(3003, "linking failed: " + StringRef(messages).trim());
  if (bytes.empty())
    return makeError(3003, "the linker wrote nothing");
  return bytes;
}

Expected<std::string> mercer::linkSharedObject(ArrayRef<StringRef> objects,
                                               StringRef exported) {
  return runLinker(objects,
                   {"-shared", "--gc-sections", "--build-id=none",
                    "--hash-style=gnu", "-znow", "-zrelro", "-znoexecstack",
                    "--strip-debug", "--threads=1"},
                   exported);
}

Expected<std::string> mercer::linkRelocatable(ArrayRef<StringRef> objects) {
  return runLinker(objects, {"-r", "--build-id=none", "--threads=1"},
                   std::nullopt);
}
