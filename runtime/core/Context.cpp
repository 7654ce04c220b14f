//===- Context.cpp - what one thread needs to run artifacts ---------------===//

#include "runtime/core/Context.h"

namespace mercer::rt {

Context::Context(const MercerContextOptions &options)
    : device(options.device), memory(options.allocator),
      arena(memory, MERCER_MEMORY_ARENA),
      collectProfile(options.collect_profile != 0) {
  if (options.profiler)
    profiler = *options.profiler;
}

Context::~Context() {
  for (auto &[data, bytes] : outputs)
    memory.release(MERCER_MEMORY_OUTPUT, data, bytes);
}

void *Context::allocateOutput(uint32_t index, size_t bytes) {
  void *data = memory.allocate(MERCER_MEMORY_OUTPUT, index, bytes);
  if (data)
    outputs[data] = bytes;
  return data;
}

void Context::releaseOutput(void *data) {
  auto it = outputs.find(data);
  if (it == outputs.end())
    return;
  memory.release(MERCER_MEMORY_OUTPUT, data, it->second);
  outputs.erase(it);
}

Session::Session(std::shared_ptr<const Artifact> owner, Memory memory,
                 int64_t capacity)
    : artifact(std::move(owner)), memory(memory), capacity(capacity),
      states(artifact->entry(0).states.size()) {}

void Session::reset() {
  for (State &state : states) {
    memory.release(MERCER_MEMORY_STATE, state.data, state.bytes);
    state = State();
  }
}

} // namespace mercer::rt
