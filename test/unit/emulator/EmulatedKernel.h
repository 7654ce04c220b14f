//===- EmulatedKernel.h - compiles and emulates GPU kernels -----*- C++ -*-===//
//
// Takes the text of one distributed kernel through the emulator's pipeline to a
// shared object, linked as an artifact is, and runs it.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_TEST_UNIT_EMULATOR_EMULATEDKERNEL_H
#define MERCER_TEST_UNIT_EMULATOR_EMULATEDKERNEL_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace mercer::test {

/// The launch words of the CPU ABI.
struct Words {
  std::vector<int64_t> words;
  template <class T> Words &buffer(T *pointer, std::vector<int64_t> dims = {}) {
    words.push_back(reinterpret_cast<int64_t>(pointer));
    words.insert(words.end(), dims.begin(), dims.end());
    return *this;
  }
  Words &scalar(int64_t bits) {
    words.push_back(bits);
    return *this;
  }
};

struct EmulatedError {
  int32_t code = 0;
  std::string message;
};

class EmulatedKernel {
public:
  /// `text`: a module with a `gpu.module @k` and in it the kernel `@k$0`. Null,
  /// with `error` filled, when it does not compile.
  static std::unique_ptr<EmulatedKernel> create(const std::string &text,
                                                std::string &error);
  ~EmulatedKernel();

  /// Emulates tiles [0, tiles) as `pieces` calls, the last range first, or in
  /// that many threads.
  EmulatedError run(const Words &words, int64_t tiles, int64_t pieces = 1,
                    bool threads = false);

private:
  void *library = nullptr;
  void (*kernel)(const int64_t *, int64_t, int64_t, void *) = nullptr;
  int32_t (*takeError)(const int64_t *, char *, size_t) = nullptr;
};

/// A module with one kernel: `arguments` behind the number of tiles,
/// `attributes` beside the block size and the subgroup, `body` without the loop
/// over the tiles, in which %t is the tile and %lane the invocation.
std::string kernelText(const std::string &arguments, const std::string &shared,
                       int threads, const std::string &body,
                       const std::string &attributes = "", int subgroup = 32);

/// Compiles; the test fails when the text does not.
std::unique_ptr<EmulatedKernel> compileKernel(const std::string &text);

} // namespace mercer::test

#endif
