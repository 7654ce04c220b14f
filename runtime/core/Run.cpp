//===- Run.cpp - one run of an entry point --------------------------------===//
//
// Implements the functions that a host program calls back. They are called
// from code without unwind information, so nothing may throw through them;
// the first failure is kept and ends the run.
//
//===----------------------------------------------------------------------===//

#include "runtime/core/Run.h"

#include "runtime/core/Clock.h"
#include "runtime/support/Dtype.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace mercer::rt {

namespace {

/// Copies between a strided and a contiguous tensor of one shape, in the
/// direction that `pack` says.
void copyStrided(const MercerTensor &strided, char *contiguous, bool pack) {
  const size_t element = strided.dtype.bits / 8;
  const int32_t rank = strided.ndim;
  int64_t count = 1;
  for (int32_t i = 0; i < rank; ++i)
    count *= strided.shape[i];
  std::vector<int64_t> index(rank, 0);
  char *base = tensorData(strided);
  int64_t offset = 0;
  for (int64_t n = 0; n < count; ++n, contiguous += element) {
    char *there = base + offset * int64_t(element);
    memcpy(pack ? contiguous : there, pack ? there : contiguous, element);
    for (int32_t d = rank; d-- > 0;) {
      offset += strided.strides[d];
      if (++index[d] < strided.shape[d])
        break;
      offset -= strided.strides[d] * strided.shape[d];
      index[d] = 0;
    }
  }
}

/// Addresses that a tensor may touch, [first, last). False if the extent
/// overflows.
bool extent(const MercerTensor &tensor, uintptr_t &first, uintptr_t &last) {
  int64_t count, bytes;
  if (!elementCount(tensor.shape, tensor.ndim, count) ||
      !byteCount(tensor.dtype, count, bytes))
    return false;
  first = reinterpret_cast<uintptr_t>(tensorData(tensor));
  last = first + bytes;
  if (!tensor.strides || count == 0)
    return true;
  int64_t low = 0, high = 0;
  for (int32_t i = 0; i < tensor.ndim; ++i) {
    int64_t reach;
    if (__builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i],
                               &reach) ||
        __builtin_add_overflow(reach < 0 ? low : high, reach,
                               reach < 0 ? &low : &high))
      return false;
  }
  const int64_t element = std::max(1, tensor.dtype.bits / 8);
  if (__builtin_mul_overflow(low, element, &low) ||
      __builtin_mul_overflow(high, element, &high))
    return false;
  last = first + high + element;
  first += low;
  return true;
}

/// What an element that no kernel writes is made of: a NaN where the type has
/// one.
uint8_t poisonByte(MercerDataType dtype) {
  switch (dtype.code) {
  case MERCER_INT:
  case MERCER_UINT:
  case MERCER_BOOL:
    return 0xa5;
  default:
    return 0xff;
  }
}

/// State of one run; `ctx` of the runtime table.
class Run {
public:
  explicit Run(const RunRequest &request)
      : request(request), context(request.context), device(*context.device),
        artifact(*request.artifact), entry(artifact.entry(request.entry)),
        produced(request.outputCount) {}
  ~Run();

  Status execute();

private:
  struct Output {
    void *data = nullptr;     ///< what the host program writes; null: not yet
    void *tensor = nullptr;   ///< what was allocated for the caller, or null
    int64_t *shape = nullptr; ///< room that was allocated with it
    bool temporary = false;   ///< `data` is to be copied to the caller's tensor
    int64_t bytes = 0;
    std::vector<int64_t> dims;
  };
  struct Event {
    const char *kernel;
    uint32_t site;
    int64_t tiles;
  };
  struct Block {
    MercerMemoryPurpose purpose;
    void *memory;
    size_t bytes;
  };

  Status prepareInputs();
  Status checkOverlaps();
  Status gather(const MercerTensor &tensor, void *to, int64_t bytes,
                bool contiguous);
  Status scatter(const Output &out, const MercerTensor &tensor);
  Status runHostProgram(const void *const *constants);
  Status finish();
  void handOut();
  Status takeEvents();
  bool onDevice(const MercerTensor &tensor) const;
  void *block(MercerMemoryPurpose purpose, uint32_t index, size_t bytes);

  void *output(uint32_t index, uint32_t rank, const int64_t *dims);
  void *arena(int64_t bytes);
  void *allocate(int64_t bytes);
  void release(void *memory);
  int32_t launch(uint32_t kernel, uint32_t site, const int64_t *params);
  const void *read(const void *from, int64_t bytes);
  void *state(uint32_t index, uint32_t rank, int64_t *dims, int64_t *length);
  int32_t setStateLength(uint32_t index, int64_t length);
  int32_t report(int32_t code, const char *message);

  /// Keeps the first failure and returns its code.
  int32_t fail(Status failure) {
    if (!status.failed())
      status = std::move(failure);
    return status.number();
  }
  std::string entryPlace() const { return "entry '" + entry.name + "'"; }
  std::string outputPlace(uint32_t i) const {
    return "output '" + entry.outputs[i].name + "'";
  }

  /// The table's functions: no exception leaves, null or the code on failure.
  template <typename Result, typename Body>
  static Result guarded(void *ctx, Result failed, Body body) {
    Run &run = *static_cast<Run *>(ctx);
    try {
      return body(run);
    } catch (const std::bad_alloc &) {
      // An empty string needs no memory.
      int32_t code = run.fail({Code::OutOfMemory, {}, {}});
      if constexpr (std::is_same_v<Result, int32_t>)
        return code;
      return failed;
    }
  }
  static const MercerRuntimeTable table;

  const RunRequest &request;
  Context &context;
  Device &device;
  const Artifact &artifact;
  const EntryDesc &entry;
  std::vector<int64_t> dims, symbols, args;
  std::vector<Output> produced;
  std::vector<Block> blocks;
  std::vector<Event> events;
  std::vector<std::pair<uint32_t, int64_t>> newLengths;
  bool arenaTaken = false;
  Status status;
};

} // namespace

const MercerRuntimeTable Run::table = {
    MERCER_ABI_VERSION,
    sizeof(MercerRuntimeTable),
    [](void *ctx, uint32_t index, uint32_t rank, const int64_t *dims) {
      return guarded<void *>(ctx, nullptr, [&](Run &run) {
        return run.output(index, rank, dims);
      });
    },
    [](void *ctx, int64_t bytes) {
      return guarded<void *>(ctx, nullptr,
                             [&](Run &run) { return run.arena(bytes); });
    },
    [](void *ctx, int64_t bytes) {
      return guarded<void *>(ctx, nullptr,
                             [&](Run &run) { return run.allocate(bytes); });
    },
    [](void *ctx, void *memory) { static_cast<Run *>(ctx)->release(memory); },
    [](void *ctx, uint32_t kernel, uint32_t site, const int64_t *params) {
      return guarded<int32_t>(
          ctx, 0, [&](Run &run) { return run.launch(kernel, site, params); });
    },
    [](void *ctx, void *dst, const void *src, int64_t bytes) {
      return guarded<int32_t>(ctx, 0, [&](Run &run) {
        Status status = run.device.copy(dst, src, bytes);
        return status.failed() ? run.fail(std::move(status)) : 0;
      });
    },
    [](void *ctx, const void *ptr, int64_t bytes) {
      return guarded<const void *>(
          ctx, nullptr, [&](Run &run) { return run.read(ptr, bytes); });
    },
    [](void *ctx, uint32_t index, uint32_t rank, int64_t *dims,
       int64_t *length) {
      return guarded<void *>(ctx, nullptr, [&](Run &run) {
        return run.state(index, rank, dims, length);
      });
    },
    [](void *ctx, uint32_t index, int64_t length) {
      return guarded<int32_t>(
          ctx, 0, [&](Run &run) { return run.setStateLength(index, length); });
    },
    [](void *ctx, int32_t code, const char *message) {
      return guarded<int32_t>(
          ctx, 0, [&](Run &run) { return run.report(code, message); });
    },
    [](void *ctx, void *dst, int64_t bits, int64_t bytes) {
      return guarded<int32_t>(ctx, 0, [&](Run &run) {
        Status status = run.device.write(dst, bits, bytes);
        return status.failed() ? run.fail(std::move(status)) : 0;
      });
    },
};

Run::~Run() {
  for (Block &block : blocks)
    device.release(block.purpose, block.memory, block.bytes);
}

/// On a GPU a tensor may be in host memory too; it is copied then. On the CPU
/// the two are the same.
bool Run::onDevice(const MercerTensor &tensor) const {
  return tensor.device.type == device.id().type;
}

void *Run::block(MercerMemoryPurpose purpose, uint32_t index, size_t bytes) {
  blocks.reserve(blocks.size() + 1);
  void *memory = nullptr;
  if (Status status =
          device.allocate(purpose, index, bytes, entryPlace(), memory);
      status.failed()) {
    fail(std::move(status));
    return nullptr;
  }
  blocks.push_back({purpose, memory, bytes});
  return memory;
}

//===----------------------------------------------------------------------===//
// What host programs call
//===----------------------------------------------------------------------===//

void *Run::output(uint32_t index, uint32_t rank, const int64_t *dims) {
  if (index >= produced.size() || rank != entry.outputs[index].rank()) {
    fail({Code::HostProgramFailed, entryPlace(),
          format("the host program asks for output %u of rank %u", index,
                 rank)});
    return nullptr;
  }
  const ValueDesc &value = entry.outputs[index];
  Output &out = produced[index];
  if (out.data) {
    fail({Code::HostProgramFailed, outputPlace(index),
          "the host program asks twice for the same output"});
    return nullptr;
  }
  int64_t count;
  if (!elementCount(dims, rank, count) ||
      !byteCount(value.dtype, count, out.bytes)) {
    fail({Code::SizeOverflow, outputPlace(index),
          "the result's shape " + formatShape(dims, rank) + " is not valid"});
    return nullptr;
  }
  out.dims.assign(dims, dims + rank);
  MercerTensor &tensor = request.outputs[index];
  bool direct = device.isHost() || onDevice(tensor);
  if (!tensor.data) {
    if (Status status = context.allocateTensor(
            !device.isHost() && direct, index, out.bytes,
            tensor.shape ? 0 : rank, outputPlace(index), out.tensor, out.shape);
        status.failed()) {
      fail(std::move(status));
      return nullptr;
    }
    out.data = out.tensor;
  } else {
    if (!std::equal(dims, dims + rank, tensor.shape)) {
      fail({Code::OutputTooSmall, outputPlace(index),
            "expects a buffer of shape " + formatShape(dims, rank) + ", got " +
                formatShape(tensor.shape, rank)});
      return nullptr;
    }
    out.data = tensorData(tensor);
    direct =
        direct && isContiguous(tensor) &&
        reinterpret_cast<uintptr_t>(out.data) % device.tensorAlignment() == 0;
  }
  out.temporary = !direct;
  if (out.temporary &&
      !(out.data = block(MERCER_MEMORY_COPY, index, out.bytes)))
    return nullptr;
  // Not what the caller gave: it may be a donated input.
  if (context.poisonOutputs && (out.tensor || out.temporary))
    if (Status status =
            device.fill(out.data, poisonByte(value.dtype), out.bytes);
        status.failed()) {
      fail(std::move(status));
      return nullptr;
    }
  return out.data;
}

void *Run::arena(int64_t bytes) {
  if (bytes < 0 || arenaTaken) {
    fail({Code::HostProgramFailed, entryPlace(),
          arenaTaken ? "the host program asks twice for its arena"
                     : "the host program asks for an arena of negative size"});
    return nullptr;
  }
  arenaTaken = true;
  void *memory = nullptr;
  if (Status status =
          context.arena.ensure(device, bytes, entryPlace() + ", arena", memory);
      status.failed()) {
    fail(std::move(status));
    return nullptr;
  }
  return memory;
}

void *Run::allocate(int64_t bytes) {
  if (bytes < 0) {
    fail({Code::SizeOverflow, entryPlace(),
          "the host program allocates a negative size"});
    return nullptr;
  }
  return block(MERCER_MEMORY_DYNAMIC, 0, bytes);
}

void Run::release(void *memory) {
  for (size_t i = 0; i < blocks.size(); ++i)
    if (blocks[i].memory == memory) {
      device.release(blocks[i].purpose, memory, blocks[i].bytes);
      blocks[i] = blocks.back();
      blocks.pop_back();
      return;
    }
}

int32_t Run::launch(uint32_t index, uint32_t site, const int64_t *params) {
  if (index >= artifact.module().kernel_count)
    return fail({Code::HostProgramFailed, entryPlace(),
                 format("the host program launches kernel %u of %llu", index,
                        static_cast<unsigned long long>(
                            artifact.module().kernel_count))});
  const MercerKernelDesc &kernel = artifact.module().kernels[index];
  int64_t tiles = kernel.grid(params);
  if (tiles < 0)
    return fail(
        {Code::HostProgramFailed, kernel.name,
         format("the grid has %lld tiles", static_cast<long long>(tiles))});
  if (Status failure = device.launch({index, params, tiles}); failure.failed())
    return fail(std::move(failure));
  if (!context.collectProfile && !context.profiler.launched)
    return 0;
  events.push_back({kernel.name, site, tiles});
  // Only the CPU knows at once how long it took.
  Status failure = device.isHost() ? takeEvents() : Status();
  return failure.failed() ? fail(std::move(failure)) : 0;
}

/// Reports the launches whose times are known by now: all, after a wait.
Status Run::takeEvents() {
  std::vector<LaunchTime> times;
  if (Status failure = device.takeTimes(times); failure.failed())
    return failure;
  static const SiteDesc unknown;
  const auto &sites = artifact.manifest().sites;
  const size_t count = std::min(times.size(), events.size());
  for (size_t i = 0; i < count; ++i) {
    const Event &event = events[i];
    const LaunchTime &time = times[i];
    const SiteDesc &place =
        event.site < sites.size() ? sites[event.site] : unknown;
    if (context.profiler.launched) {
      MercerProfileEvent view{sizeof(MercerProfileEvent),
                              event.kernel,
                              place.nodePointers.data(),
                              place.nodePointers.size(),
                              time.startNs,
                              time.durationNs,
                              event.tiles,
                              time.threads,
                              event.site,
                              place.flops,
                              place.bytes};
      context.profiler.launched(context.profiler.user, &view);
    }
    if (context.collectProfile)
      context.profile.add({request.artifact, event.kernel, &place, time.startNs,
                           time.durationNs, event.tiles, time.threads});
  }
  events.erase(events.begin(), events.begin() + count);
  return {};
}

const void *Run::read(const void *from, int64_t bytes) {
  const void *host = nullptr;
  if (Status failure = device.read(from, bytes, host); failure.failed()) {
    fail(std::move(failure));
    return nullptr;
  }
  return host;
}

void *Run::state(uint32_t index, uint32_t rank, int64_t *dims,
                 int64_t *length) {
  if (index >= entry.states.size() || rank != entry.states[index].rank()) {
    fail(
        {Code::HostProgramFailed, entryPlace(),
         format("the host program asks for state %u of rank %u", index, rank)});
    return nullptr;
  }
  const ValueDesc &value = entry.states[index];
  Session::State &state = request.session->states[index];
  std::string place = "state '" + value.name + "'";
  if (value.axis >= 0) {
    int64_t declared = value.shape[value.axis];
    int64_t capacity = request.session->capacity;
    if (state.data)
      capacity = state.dims[value.axis];
    else if (capacity == 0)
      capacity = declared >= 0 ? declared : dims[value.axis];
    dims[value.axis] = capacity;
  }
  if (!state.data) {
    int64_t count;
    if (!elementCount(dims, rank, count) ||
        !byteCount(value.dtype, count, state.bytes)) {
      fail({Code::SizeOverflow, place,
            "the state's shape " + formatShape(dims, rank) + " is not valid"});
      return nullptr;
    }
    state.dims.assign(dims, dims + rank);
    // The session's device may be another queue of the same one: `release`
    // comes from there.
    Device &owner = *request.session->device;
    if (Status failure = owner.allocate(MERCER_MEMORY_STATE, index, state.bytes,
                                        place, state.data);
        failure.failed()) {
      fail(std::move(failure));
      return nullptr;
    }
    if (Status failure = device.fill(state.data, 0, state.bytes);
        failure.failed()) {
      owner.release(MERCER_MEMORY_STATE, state.data, state.bytes);
      state.data = nullptr;
      fail(std::move(failure));
      return nullptr;
    }
    state.length = 0;
  } else if (!std::equal(dims, dims + rank, state.dims.begin())) {
    fail({Code::StateShapeMismatch, place,
          "expects shape " + formatShape(state.dims.data(), rank) + ", got " +
              formatShape(dims, rank)});
    return nullptr;
  }
  if (length)
    *length = state.length;
  return state.data;
}

int32_t Run::setStateLength(uint32_t index, int64_t length) {
  if (index >= entry.states.size() || entry.states[index].axis < 0 ||
      !request.session->states[index].data)
    return fail(
        {Code::HostProgramFailed, entryPlace(),
         format("the host program sets the length of state %u", index)});
  const ValueDesc &value = entry.states[index];
  int64_t capacity = request.session->states[index].dims[value.axis];
  if (length < 0 || length > capacity)
    return fail({Code::StateFull, "state '" + value.name + "'",
                 format("expects at most %lld entries, got %lld",
                        static_cast<long long>(capacity),
                        static_cast<long long>(length))});
  newLengths.push_back({index, length});
  return 0;
}

/// Messages of the host program carry their code in front: "[E4103] ...".
int32_t Run::report(int32_t code, const char *message) {
  std::string text = message ? message : "";
  if (text.size() > 8 && text.compare(0, 2, "[E") == 0 && text[6] == ']') {
    char *end = nullptr;
    long number = strtol(text.c_str() + 2, &end, 10);
    if (end == text.c_str() + 6 && number > 0) {
      if (code == 0)
        code = static_cast<int32_t>(number);
      text.erase(0, text[7] == ' ' ? 8 : 7);
    }
  }
  if (code == 0)
    code = static_cast<int32_t>(Code::HostProgramFailed);
  return fail({code, entryPlace(), std::move(text)});
}

//===----------------------------------------------------------------------===//
// Before and after
//===----------------------------------------------------------------------===//

Status Run::prepareInputs() {
  size_t next = 0;
  for (uint32_t i = 0; i < request.inputCount; ++i) {
    const MercerTensor &tensor = request.inputs[i];
    const char *data = tensor.data ? tensorData(tensor) : nullptr;
    const bool contiguous = isContiguous(tensor);
    const bool aligned =
        reinterpret_cast<uintptr_t>(data) % device.tensorAlignment() == 0;
    if (!data || !onDevice(tensor) || !contiguous || !aligned) {
      int64_t count, bytes;
      elementCount(tensor.shape, tensor.ndim, count);
      byteCount(tensor.dtype, count, bytes);
      void *copy = block(MERCER_MEMORY_COPY, i, bytes);
      if (!copy)
        return std::move(status);
      if (bytes > 0)
        if (Status failure = gather(tensor, copy, bytes, contiguous);
            failure.failed())
          return failure;
      data = static_cast<char *>(copy);
    }
    args.push_back(reinterpret_cast<intptr_t>(data));
    for (int32_t d = 0; d < tensor.ndim; ++d)
      args.push_back(dims[next++]);
  }
  return {};
}

/// Copies an input to contiguous device memory.
Status Run::gather(const MercerTensor &tensor, void *to, int64_t bytes,
                   bool contiguous) {
  if (contiguous)
    return onDevice(tensor) ? device.copy(to, tensorData(tensor), bytes)
                            : device.upload(to, tensorData(tensor), bytes);
  if (device.isHost()) {
    copyStrided(tensor, static_cast<char *>(to), /*pack=*/true);
    return {};
  }
  std::vector<char> packed(bytes);
  copyStrided(tensor, packed.data(), /*pack=*/true);
  return device.upload(to, packed.data(), bytes);
}

/// Copies a result to the caller's tensor.
Status Run::scatter(const Output &out, const MercerTensor &tensor) {
  if (onDevice(tensor) && !device.isHost())
    return device.copy(tensorData(tensor), out.data, out.bytes);
  if (isContiguous(tensor))
    return device.download(tensorData(tensor), out.data, out.bytes);
  if (device.isHost()) {
    copyStrided(tensor, static_cast<char *>(out.data), /*pack=*/false);
    return {};
  }
  std::vector<char> packed(out.bytes);
  if (Status failure = device.download(packed.data(), out.data, out.bytes);
      failure.failed())
    return failure;
  copyStrided(tensor, packed.data(), /*pack=*/false);
  return {};
}

/// Kernels assume that buffers do not overlap; only declared aliases may.
Status Run::checkOverlaps() {
  struct Range {
    uintptr_t first, last;
  };
  std::vector<Range> outputs(request.outputCount, Range{0, 0});
  auto overlap = [](Range a, Range b) {
    return a.first < b.last && b.first < a.last;
  };
  for (uint32_t i = 0; i < request.outputCount; ++i) {
    const MercerTensor &tensor = request.outputs[i];
    const ValueDesc &value = entry.outputs[i];
    if (!tensor.data)
      continue;
    if (!sameDtype(tensor.dtype, value.dtype))
      return {Code::DtypeMismatch, outputPlace(i),
              format("expects a buffer of element type %s",
                     dtypeName(value.dtype))};
    if (tensor.ndim != static_cast<int32_t>(value.rank()))
      return {Code::RankMismatch, outputPlace(i),
              format("expects a buffer of rank %zu, got %d", value.rank(),
                     tensor.ndim)};
    if (value.rank() > 0 && !tensor.shape)
      return {Code::InvalidArgument, outputPlace(i), "the buffer has no shape"};
    if (!isReachable(tensor, device.id()))
      return {Code::InvalidArgument, outputPlace(i),
              "the buffer is on another device than the context"};
    if (!device.isHost() && onDevice(tensor) && !isContiguous(tensor))
      return {Code::InvalidArgument, outputPlace(i),
              "buffers on a device must be contiguous"};
    if (value.dtype.bits < 8 && !isContiguous(tensor))
      return {Code::InvalidArgument, outputPlace(i),
              "buffers of types below 8 bits must be contiguous"};
    if (!extent(tensor, outputs[i].first, outputs[i].last))
      return {Code::SizeOverflow, outputPlace(i),
              "the buffer's shape " + formatShape(tensor.shape, value.rank()) +
                  " is not valid"};
    for (uint32_t j = 0; j < i; ++j)
      if (overlap(outputs[i], outputs[j]))
        return {Code::BuffersOverlap, outputPlace(i),
                "the buffer overlaps that of " + outputPlace(j)};
  }
  for (uint32_t i = 0; i < request.inputCount; ++i) {
    Range input{0, 0};
    if (!request.inputs[i].data)
      continue;
    if (!extent(request.inputs[i], input.first, input.last))
      return {Code::SizeOverflow, "input '" + entry.inputs[i].name + "'",
              "the strides lead outside of the address space"};
    for (uint32_t j = 0; j < request.outputCount; ++j) {
      bool declared = false;
      for (AliasDesc alias : entry.aliases)
        declared |= alias.input == i && alias.output == j &&
                    outputs[j].first == input.first;
      if (!declared && overlap(input, outputs[j]))
        return {Code::BuffersOverlap, outputPlace(j),
                "the buffer overlaps input '" + entry.inputs[i].name + "'"};
    }
  }
  return {};
}

Status Run::execute() {
  if (Status failure = checkInputs(request, /*withData=*/true, dims, symbols);
      failure.failed())
    return failure;
  if (Status failure = checkOverlaps(); failure.failed())
    return failure;
  if (!entry.states.empty() &&
      (!request.session || request.session->artifact != request.artifact))
    return {Code::MissingSession, entryPlace(),
            "the entry point owns state and expects a session of its artifact"};
  if (request.session &&
      (request.session->device->id().type != device.id().type ||
       request.session->device->id().id != device.id().id))
    return {Code::InvalidArgument, entryPlace(),
            "the session belongs to another device than the context"};

  const uint64_t start = context.collectProfile ? monotonicNanoseconds() : 0;
  const bool observed = context.collectProfile || context.profiler.launched;
  const void *const *constants = nullptr;
  Status failure = device.beginRun(request.artifact, observed, constants);
  if (failure.failed())
    return failure;
  failure = runHostProgram(constants);
  if (!failure.failed())
    failure = finish();
  if (observed && !failure.failed())
    failure = takeEvents();
  if (Status ended = device.endRun(); ended.failed() && !failure.failed())
    failure = std::move(ended);
  if (failure.failed()) {
    for (Output &out : produced)
      context.releaseTensor(out.tensor);
    return failure;
  }
  if (context.collectProfile)
    context.profile.add({request.artifact, entry.name.c_str(), nullptr, start,
                         monotonicNanoseconds() - start, 0, 0});
  handOut();
  return {};
}

Status Run::runHostProgram(const void *const *constants) {
  if (Status failure = prepareInputs(); failure.failed())
    return failure;
  int32_t code = artifact.module().entries[request.entry].run(
      &table, this, constants, args.data());
  if (code != 0 && !status.failed())
    fail({code, entryPlace(), "the host program failed without a message"});
  for (uint32_t i = 0; i < produced.size(); ++i)
    if (!produced[i].data)
      fail({Code::HostProgramFailed, outputPlace(i),
            "the host program has not produced this output"});
  return std::move(status);
}

/// Brings results to where the caller wants them.
Status Run::finish() {
  for (uint32_t i = 0; i < produced.size(); ++i) {
    Output &out = produced[i];
    if (!out.temporary)
      continue;
    Status failure = out.tensor
                         ? device.download(out.tensor, out.data, out.bytes)
                         : scatter(out, request.outputs[i]);
    if (failure.failed())
      return failure;
  }
  return {};
}

/// The run has succeeded: nothing of the caller's changes before.
void Run::handOut() {
  for (uint32_t i = 0; i < produced.size(); ++i) {
    Output &out = produced[i];
    MercerTensor &tensor = request.outputs[i];
    if (!out.tensor)
      continue;
    if (!tensor.shape)
      tensor.shape = out.shape;
    std::copy(out.dims.begin(), out.dims.end(), tensor.shape);
    tensor.data = out.tensor;
    tensor.device =
        out.temporary ? MercerDevice{MERCER_DEVICE_CPU, 0} : device.id();
    tensor.ndim = static_cast<int32_t>(out.dims.size());
    tensor.dtype = entry.outputs[i].dtype;
    tensor.strides = nullptr;
    tensor.byte_offset = 0;
  }
  for (auto [index, length] : newLengths)
    request.session->states[index].length = length;
}

Status runEntry(const RunRequest &request) { return Run(request).execute(); }

} // namespace mercer::rt
