//===- Profile.cpp - launches as a Chrome trace ---------------------------===//

#include "runtime/core/Profile.h"

#include <nlohmann/json.hpp>
#include <unistd.h>

namespace mercer::rt {

std::string ProfileCollector::toJson() const {
  using Json = nlohmann::ordered_json;
  Json trace = Json::array();
  const int pid = getpid();
  uint64_t origin = UINT64_MAX;
  for (const Event &event : events)
    origin = std::min(origin, event.startNs);
  for (const Event &event : events) {
    Json args = Json::object();
    std::string name = event.name;
    if (event.site) {
      args["kernel"] = event.name;
      args["tiles"] = event.tiles;
      args["threads"] = event.threads;
      args["nodes"] = event.site->nodes;
      if (event.site->flops > 0)
        args["flops"] = event.site->flops;
      if (event.site->bytes > 0)
        args["bytes"] = event.site->bytes;
      // Viewers show the name: nodes of the model say more than the kernel's.
      if (!event.site->nodes.empty()) {
        name.clear();
        for (const std::string &node : event.site->nodes)
          name += (name.empty() ? "" : " + ") + node;
      }
    }
    trace.push_back(Json{{"name", name},
                         {"cat", event.site ? "kernel" : "run"},
                         {"ph", "X"},
                         {"ts", double(event.startNs - origin) / 1000.0},
                         {"dur", double(event.durationNs) / 1000.0},
                         {"pid", pid},
                         {"tid", 0},
                         {"args", std::move(args)}});
  }
  Json document{{"traceEvents", std::move(trace)}, {"displayTimeUnit", "ms"}};
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace mercer::rt
