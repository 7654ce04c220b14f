//===- Profile.h - launches as a Chrome trace -------------------*- C++ -*-===//

#ifndef MERCER_RUNTIME_CORE_PROFILE_H
#define MERCER_RUNTIME_CORE_PROFILE_H

#include "runtime/core/Artifact.h"

namespace mercer::rt {

/// Keeps one event for each launch and each run.
class ProfileCollector {
public:
  struct Event {
    std::shared_ptr<const Artifact> artifact; ///< keeps the names alive
    const char *name;
    const SiteDesc *site; ///< null for a whole run
    uint64_t startNs, durationNs;
    int64_t tiles;
    uint32_t threads;
  };

  void add(Event event) { events.push_back(std::move(event)); }
  void clear() { events.clear(); }

  /// Trace Event Format, as chrome://tracing and Perfetto read it.
  std::string toJson() const;

private:
  std::vector<Event> events;
};

} // namespace mercer::rt

#endif // MERCER_RUNTIME_CORE_PROFILE_H
