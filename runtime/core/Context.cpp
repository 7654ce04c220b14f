//===- Context.cpp - what one thread needs to run artifacts ---------------===//

#include "runtime/core/Context.h"

namespace mercer::rt {

Context::Context(const MercerContextOptions &options, Memory memory,
                 std::shared_ptr<Device> device)
    : device(std::move(device)), memory(memory),
      collectProfile(options.collect_profile != 0),
      poisonOutputs((options.flags & MERCER_CONTEXT_POISON_OUTPUTS) != 0) {
  if (options.profiler)
    profiler = *options.profiler;
}

Context::~Context() {
  arena.clear(*device);
  for (auto &[data, memory] : owned)
    give(data, memory);
  device->close();
}

Status Context::allocateTensor(bool onDevice, uint32_t index, size_t bytes,
                               size_t rank, const std::string &place,
                               void *&data, int64_t *&shape) {
  std::unique_ptr<int64_t[]> room;
  if (rank > 0)
    room = std::make_unique<int64_t[]>(rank);
  shape = room.get();
  if (onDevice) {
    if (Status status =
            device->allocate(MERCER_MEMORY_OUTPUT, index, bytes, place, data);
        status.failed())
      return status;
  } else if (!(data = memory.allocate(MERCER_MEMORY_OUTPUT, index, bytes))) {
    return memory.failure(bytes, place);
  }
  owned[data] = {bytes, onDevice, std::move(room)};
  return {};
}

void Context::give(void *data, const Owned &owned) {
  if (owned.onDevice)
    device->release(MERCER_MEMORY_OUTPUT, data, owned.bytes);
  else
    memory.release(MERCER_MEMORY_OUTPUT, data, owned.bytes);
}

void Context::releaseTensor(void *data) {
  auto it = owned.find(data);
  if (it == owned.end())
    return;
  give(data, it->second);
  owned.erase(it);
}

Session::Session(std::shared_ptr<const Artifact> owner,
                 std::shared_ptr<Device> device, int64_t capacity)
    : artifact(std::move(owner)), device(std::move(device)), capacity(capacity),
      states(artifact->entry(0).states.size()) {}

void Session::reset() {
  for (State &state : states) {
    device->release(MERCER_MEMORY_STATE, state.data, state.bytes);
    state = State();
  }
}

} // namespace mercer::rt
