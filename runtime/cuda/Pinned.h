//===- Pinned.h - the way between host memory and a stream ------*- C++ -*-===//
//
// Copies of a stream are asynchronous only if the host's side is pinned. Two
// chunks of pinned memory for each direction let one be filled or emptied while
// the other is on its way. Nothing is pinned before the first copy.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_RUNTIME_CUDA_PINNED_H
#define MERCER_RUNTIME_CUDA_PINNED_H

#include "runtime/cuda/Driver.h"

namespace mercer::rt::cuda {

/// Pinned memory that grows and forgets its contents when it does.
class PinnedBuffer {
public:
  Status ensure(const Driver &driver, size_t bytes, const std::string &place);
  void clear(const Driver &driver);
  char *data() const { return static_cast<char *>(base); }

private:
  void *base = nullptr;
  size_t size = 0;
};

/// All calls need the stream's context to be current.
class Staging {
public:
  Staging(const Driver &driver, CUstream stream, std::string place)
      : driver(driver), stream(stream), place(std::move(place)) {}
  Staging(const Staging &) = delete;

  /// Enqueues; the source may change when the call has returned.
  Status upload(CUdeviceptr to, const void *from, size_t bytes);
  /// Waits for the copy.
  Status download(void *to, CUdeviceptr from, size_t bytes);
  /// Waits, and gives an address that is valid until the next call.
  Status read(CUdeviceptr from, size_t bytes, const void *&host);
  void clear();

private:
  struct Chunk {
    PinnedBuffer memory;
    CUevent passed = nullptr; ///< recorded when the stream is done with it
    bool inFlight = false;
    size_t used = 0;
  };
  Status open(Chunk &chunk);
  Status wait(Chunk &chunk);
  Status record(Chunk &chunk);
  Status check(CUresult result, const char *call) const {
    return driver.status(result, call, place);
  }

  const Driver &driver;
  const CUstream stream;
  const std::string place;
  Chunk up[2], down[2];
  int filling = 0; ///< the chunk of `up` that small copies are added to
  PinnedBuffer readable;
};

} // namespace mercer::rt::cuda

#endif // MERCER_RUNTIME_CUDA_PINNED_H
