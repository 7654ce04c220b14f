//===- Linker.cpp - objects to one shared object, in process --------------===//

#include "compiler/artifact/Linker.h"

#include "compiler/artifact/CodedError.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <mutex>
#include <optional>
#include <vector>

LLD_HAS_DRIVER(elf)

using namespace llvm;
using namespace mercer;

static Error writeFile(const Twine &path, StringRef bytes) {
  std::error_code error;
  raw_fd_ostream os(path.str(), error);
  if (!error) {
    os << bytes;
    os.close();
    error = os.error();
    os.clear_error();
  }
  if (error)
    return makeError(4301, "cannot write " + path + ": " + error.message());
  return Error::success();
}

/// Runs lld on `objects`. lld reads and writes files only: they live in a
/// folder that is gone afterwards.
static Expected<std::string> runLinker(ArrayRef<StringRef> objects,
                                       ArrayRef<std::string> flags,
                                       std::optional<StringRef> exported) {
  SmallString<128> folder;
  if (std::error_code error =
          sys::fs::createUniqueDirectory("mercer-link", folder))
    return makeError(4301,
                     "cannot make a temporary folder: " + error.message());
  scope_exit cleanUp([&] { (void)sys::fs::remove_directories(folder); });

  std::vector<std::string> arguments = {"ld.lld"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  if (exported) {
    std::string script = "{ global: " + exported->str() + "; local: *; };\n";
    if (Error error = writeFile(folder + "/exports", script))
      return std::move(error);
    arguments.push_back("--version-script=" + (folder + "/exports").str());
  }
  for (auto [index, object] : enumerate(objects)) {
    std::string path = (folder + "/" + Twine(index) + ".o").str();
    if (Error error = writeFile(path, object))
      return std::move(error);
    arguments.push_back(std::move(path));
  }
  arguments.push_back("-o");
  arguments.push_back((folder + "/out").str());
  std::vector<const char *> pointers;
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
  if (result.retCode != 0)
    return makeError(3003, "linking failed: " + StringRef(messages).trim());
  ErrorOr<std::unique_ptr<MemoryBuffer>> linked = MemoryBuffer::getFile(
      folder + "/out", /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!linked)
    return makeError(3003, "the linker wrote nothing: " +
                               linked.getError().message());
  return (*linked)->getBuffer().str();
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
