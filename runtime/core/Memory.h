//===- Memory.h - where the runtime's memory comes from ---------*- C++ -*-===//

#ifndef MERCER_RUNTIME_CORE_MEMORY_H
#define MERCER_RUNTIME_CORE_MEMORY_H

#include "mercer/mercer.h"
#include "runtime/support/Status.h"

#include <cstddef>

namespace mercer::rt {

/// All buffers start at a multiple of this: a cache line, and the width of the
/// widest vector register.
constexpr size_t bufferAlignment = 64;

/// Allocates through the caller's functions or, by default, from the system.
class Memory {
public:
  Memory() = default;
  explicit Memory(const MercerAllocator *custom) {
    if (custom)
      functions = *custom;
  }

  /// Null if there is no memory (or the caller's function returned misaligned
  /// memory). Zero bytes give a valid address too.
  void *allocate(MercerMemoryPurpose purpose, uint32_t index, size_t bytes);
  void release(MercerMemoryPurpose purpose, void *memory, size_t bytes);

  /// The status for an allocation that failed.
  Status failure(size_t bytes, const std::string &place) const;

private:
  MercerAllocator functions{nullptr, nullptr, nullptr};
};

/// A buffer that grows, forgets its contents when it does, and is kept between
/// runs. The arena and the kernels' scratch are made of it.
class GrowingBuffer {
public:
  GrowingBuffer(Memory memory, MercerMemoryPurpose purpose)
      : memory(memory), purpose(purpose) {}
  GrowingBuffer(GrowingBuffer &&other) noexcept;
  GrowingBuffer &operator=(GrowingBuffer &&) = delete;
  ~GrowingBuffer() { clear(); }

  /// At least `bytes`, or null.
  void *ensure(size_t bytes);
  void clear();
  size_t capacity() const { return size; }

private:
  Memory memory;
  MercerMemoryPurpose purpose;
  void *base = nullptr;
  size_t size = 0;
};

} // namespace mercer::rt

#endif // MERCER_RUNTIME_CORE_MEMORY_H
