//===- Pinned.cpp - the way between host memory and a stream --------------===//

#include "runtime/cuda/Pinned.h"

#include <algorithm>
#include <cstring>

namespace mercer::rt::cuda {

/// Long enough that a copy's fixed cost of some microseconds does not count at
/// the 25 GB/s of PCI Express, short enough to stay in a processor's cache.
static constexpr size_t chunkBytes = size_t(2) << 20;

Status PinnedBuffer::ensure(const Driver &driver, size_t bytes,
                            const std::string &place) {
  if (bytes <= size)
    return {};
  clear(driver);
  if (Status status = driver.status(driver.cuMemHostAlloc(&base, bytes, 0),
                                    "cuMemHostAlloc", place);
      status.failed()) {
    base = nullptr;
    return status;
  }
  size = bytes;
  return {};
}

void PinnedBuffer::clear(const Driver &driver) {
  if (base)
    (void)driver.cuMemFreeHost(base);
  base = nullptr;
  size = 0;
}

Status Staging::open(Chunk &chunk) {
  if (Status status = chunk.memory.ensure(driver, chunkBytes, place);
      status.failed() || chunk.passed)
    return status;
  return check(driver.cuEventCreate(&chunk.passed, CU_EVENT_DISABLE_TIMING),
               "cuEventCreate");
}

Status Staging::wait(Chunk &chunk) {
  if (!chunk.inFlight)
    return {};
  chunk.inFlight = false;
  return check(driver.cuEventSynchronize(chunk.passed), "cuEventSynchronize");
}

Status Staging::record(Chunk &chunk) {
  if (Status status =
          check(driver.cuEventRecord(chunk.passed, stream), "cuEventRecord");
      status.failed())
    return status;
  chunk.inFlight = true;
  return {};
}

Status Staging::upload(CUdeviceptr to, const void *from, size_t bytes) {
  const char *source = static_cast<const char *>(from);
  while (bytes > 0) {
    Chunk *chunk = &up[filling];
    if (Status status = open(*chunk); status.failed())
      return status;
    if (chunk->used == chunkBytes) {
      if (Status status = record(*chunk); status.failed())
        return status;
      filling ^= 1;
      chunk = &up[filling];
      if (Status status = open(*chunk); status.failed())
        return status;
      if (Status status = wait(*chunk); status.failed())
        return status;
      chunk->used = 0;
    }
    const size_t part = std::min(bytes, chunkBytes - chunk->used);
    char *pinned = chunk->memory.data() + chunk->used;
    memcpy(pinned, source, part);
    if (Status status =
            check(driver.cuMemcpyHtoDAsync(to, pinned, part, stream),
                  "cuMemcpyHtoDAsync");
        status.failed())
      return status;
    chunk->used += part;
    to += part;
    source += part;
    bytes -= part;
  }
  return {};
}

Status Staging::download(void *to, CUdeviceptr from, size_t bytes) {
  char *target = static_cast<char *>(to);
  size_t sent = 0, received = 0;
  for (int turn = 0; received < bytes; turn ^= 1) {
    // While one chunk is emptied below, the other is being filled.
    for (int ahead : {turn, turn ^ 1}) {
      Chunk &chunk = down[ahead];
      if (sent == bytes || chunk.inFlight)
        continue;
      if (Status status = open(chunk); status.failed())
        return status;
      chunk.used = std::min(chunkBytes, bytes - sent);
      if (Status status =
              check(driver.cuMemcpyDtoHAsync(chunk.memory.data(), from + sent,
                                             chunk.used, stream),
                    "cuMemcpyDtoHAsync");
          status.failed())
        return status;
      if (Status status = record(chunk); status.failed())
        return status;
      sent += chunk.used;
    }
    Chunk &chunk = down[turn];
    if (Status status = wait(chunk); status.failed())
      return status;
    memcpy(target + received, chunk.memory.data(), chunk.used);
    received += chunk.used;
  }
  return {};
}

Status Staging::read(CUdeviceptr from, size_t bytes, const void *&host) {
  // Sizes and flags, mostly; the first read makes room for many of them.
  if (Status status = readable.ensure(
          driver, std::max<size_t>(bytes, size_t(64) << 10), place);
      status.failed())
    return status;
  host = readable.data();
  if (bytes > 0)
    if (Status status = check(
            driver.cuMemcpyDtoHAsync(readable.data(), from, bytes, stream),
            "cuMemcpyDtoHAsync");
        status.failed())
      return status;
  return check(driver.cuStreamSynchronize(stream), "cuStreamSynchronize");
}

void Staging::clear() {
  for (Chunk *chunks : {up, down})
    for (int i : {0, 1}) {
      chunks[i].memory.clear(driver);
      if (chunks[i].passed)
        (void)driver.cuEventDestroy(chunks[i].passed);
      chunks[i] = Chunk();
    }
  readable.clear(driver);
}

} // namespace mercer::rt::cuda
