//===- Memory.cpp - where the runtime's memory comes from -----------------===//

#include "runtime/core/Memory.h"

#include <cstdlib>
#include <sys/mman.h>
#include <utility>

namespace mercer::rt {

void *Memory::allocate(MercerMemoryPurpose purpose, uint32_t index,
                       size_t bytes) {
  if (bytes == 0)
    bytes = 1;
  if (functions.allocate) {
    void *memory = functions.allocate(functions.user, purpose, index, bytes,
                                      bufferAlignment);
    if (reinterpret_cast<uintptr_t>(memory) % bufferAlignment == 0)
      return memory;
    functions.release(functions.user, purpose, memory, bytes);
    return nullptr;
  }
  // Huge pages save most of the page faults and TLB misses of large tensors;
  // below two of them the rounding would waste too much.
  constexpr size_t hugePage = size_t(2) << 20;
  bool huge = bytes >= 2 * hugePage;
  size_t alignment = huge ? hugePage : bufferAlignment;
  if (bytes > SIZE_MAX - alignment)
    return nullptr;
  size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void *memory = aligned_alloc(alignment, rounded);
  if (memory && huge)
    madvise(memory, rounded, MADV_HUGEPAGE);
  return memory;
}

void Memory::release(MercerMemoryPurpose purpose, void *memory, size_t bytes) {
  if (!memory)
    return;
  if (functions.release)
    functions.release(functions.user, purpose, memory, bytes ? bytes : 1);
  else
    free(memory);
}

Status Memory::failure(size_t bytes, const std::string &place) const {
  if (functions.allocate)
    return {Code::AllocatorFailed, place,
            format("the allocator gave no memory of %zu bytes aligned to %zu",
                   bytes, bufferAlignment)};
  return {Code::OutOfMemory, place, format("cannot allocate %zu bytes", bytes)};
}

GrowingBuffer::GrowingBuffer(GrowingBuffer &&other) noexcept
    : memory(other.memory), purpose(other.purpose),
      base(std::exchange(other.base, nullptr)),
      size(std::exchange(other.size, 0)) {}

void *GrowingBuffer::ensure(size_t bytes) {
  if (base && bytes <= size)
    return base;
  clear();
  base = memory.allocate(purpose, 0, bytes);
  if (base)
    size = bytes;
  return base;
}

void GrowingBuffer::clear() {
  memory.release(purpose, base, size);
  base = nullptr;
  size = 0;
}

} // namespace mercer::rt
