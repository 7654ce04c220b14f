//===- Ptxas.cpp - finding and running ptxas ------------------------------===//

#include "backends/cuda/Ptxas.h"
#include "backends/cuda/CudaBackend.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

/// ROOT/lib/python3.x/site-packages/nvidia/cu13/bin/ptxas, as the package
/// nvidia-cuda-nvcc lays it out; before CUDA 13, nvidia/cuda_nvcc/bin/ptxas.
static std::string inPythonEnvironment(StringRef root) {
  SmallString<128> libraries(root);
  sys::path::append(libraries, "lib");
  std::error_code error;
  SmallVector<std::string> versions;
  for (sys::fs::directory_iterator i(libraries, error), end; !error && i != end;
       i.increment(error))
    if (sys::path::filename(i->path()).starts_with("python3"))
      versions.push_back(i->path());
  sort(versions);
  for (StringRef version : versions) {
    for (StringRef folder : {"cu13", "cuda_nvcc"}) {
      SmallString<128> path(version);
      sys::path::append(path, "site-packages", "nvidia", folder);
      sys::path::append(path, "bin", "ptxas");
      if (sys::fs::can_execute(path))
        return path.str().str();
    }
  }
  return {};
}

std::string mercer::findPtxas() {
  if (std::optional<std::string> path = sys::Process::GetEnv("MERCER_PTXAS"))
    return sys::fs::can_execute(*path) ? *path : std::string();
  auto inToolkit = [](StringRef root) -> std::string {
    SmallString<128> path(root);
    sys::path::append(path, "bin", "ptxas");
    return sys::fs::can_execute(path) ? path.str().str() : std::string();
  };
  for (const char *variable : {"CUDA_HOME", "CUDA_PATH", "CUDA_ROOT"})
    if (std::optional<std::string> root = sys::Process::GetEnv(variable))
      if (std::string path = inToolkit(*root); !path.empty())
        return path;
  if (ErrorOr<std::string> path = sys::findProgramByName("ptxas"))
    return *path;
  if (std::string path = inToolkit("/usr/local/cuda"); !path.empty())
    return path;
  if (std::optional<std::string> root = sys::Process::GetEnv("VIRTUAL_ENV"))
    return inPythonEnvironment(*root);
  return {};
}

namespace {
/// A file that is gone when this is.
struct TemporaryFile {
  TemporaryFile(StringRef suffix) {
    if (sys::fs::createTemporaryFile("mercer", suffix, path))
      path.clear();
    else
      remover.setFile(path);
  }
  SmallString<128> path;
  FileRemover remover;
};
} // namespace

std::optional<std::string> mercer::runPtxas(StringRef ptxas, StringRef chip,
                                            StringRef ptx, std::string &error) {
  TemporaryFile source("ptx"), cubin("cubin"), messages("txt");
  std::error_code failed;
  raw_fd_ostream file(source.path, failed);
  file << ptx;
  file.close();
  if (source.path.empty() || cubin.path.empty() || messages.path.empty() ||
      file.has_error()) {
    file.clear_error();
    error = "cannot write a temporary file for ptxas";
    return std::nullopt;
  }
  std::string arch = ("-arch=" + chip).str();
  SmallVector<StringRef> arguments = {ptxas,       arch, "-O3",
                                      source.path, "-o", cubin.path};
  std::string why;
  int status = sys::ExecuteAndWait(
      ptxas, arguments, std::nullopt,
      {StringRef(), StringRef(messages.path), StringRef(messages.path)}, 0, 0,
      &why);
  auto read = [](StringRef path) {
    auto buffer = MemoryBuffer::getFile(path);
    return buffer ? (*buffer)->getBuffer().str() : std::string();
  };
  if (status != 0) {
    error =
        "ptxas refused a kernel: " + (why.empty() ? read(messages.path) : why);
    return std::nullopt;
  }
  std::string bytes = read(cubin.path);
  if (bytes.empty()) {
    error = "ptxas wrote no machine code";
    return std::nullopt;
  }
  return bytes;
}
