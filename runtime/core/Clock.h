//===- Clock.h - time for profiles and the thread pool ----------*- C++ -*-===//

#ifndef MERCER_RUNTIME_CORE_CLOCK_H
#define MERCER_RUNTIME_CORE_CLOCK_H

#include <cstdint>
#include <ctime>

namespace mercer::rt {

/// Nanoseconds of the monotonic clock.
inline uint64_t monotonicNanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return uint64_t(now.tv_sec) * 1000000000u + uint64_t(now.tv_nsec);
}

} // namespace mercer::rt

#endif // MERCER_RUNTIME_CORE_CLOCK_H
