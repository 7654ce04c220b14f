//===- FakeCuda.cpp - a CUDA driver for tests -----------------------------===//
//
// One lock around everything; handles are numbers that no address has. What
// the real driver leaves undefined is an error here: foreign or dead handles,
// ranges outside of an allocation, calls that a capture forbids.
//
//===----------------------------------------------------------------------===//

#include "FakeCuda.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

using namespace mercer::rt::cuda;

namespace mercer::test::fakecuda {

namespace {

constexpr size_t guardBytes = 256;
constexpr unsigned char guardByte = 0xA7, freshByte = 0xCB;
/// Not canonical on x86-64 and outside of user space elsewhere.
constexpr uint64_t firstAddress = 0x5A00'0000'0000'0000;

struct Allocation {
  int device;
  size_t bytes;
  std::vector<unsigned char> storage; ///< guard, bytes, guard
  bool damaged() const {
    auto bad = [](unsigned char byte) { return byte != guardByte; };
    return std::any_of(storage.begin(), storage.begin() + guardBytes, bad) ||
           std::any_of(storage.end() - guardBytes, storage.end(), bad);
  }
};

/// Work of a stream or node of a graph.
using Work = std::function<void()>;

struct GraphObject {
  std::vector<Work> nodes;
};

struct StreamObject {
  int device;
  std::deque<Work> pending;
  std::shared_ptr<GraphObject> capture;
  bool invalidated = false;
  CUstreamCaptureMode mode{};
  std::thread::id capturer;
};

struct EventObject {
  int device;
  unsigned flags;
  std::shared_ptr<StreamObject> recordedIn; ///< null: never, or in a graph
  bool done = false;
  double milliseconds = 0;
};

struct Entry {
  std::vector<size_t> paramBytes;
  int maxThreads = 1024;
  bool exactThreads = false;
};

struct ModuleObject {
  int device;
  std::map<std::string, Entry> entries;
};

struct FunctionObject {
  std::weak_ptr<ModuleObject> module;
  std::string name;
  Entry entry;
  int dynamicShared = 48 << 10;
};

struct Failure {
  std::string name;
  CUresult result;
  int skip;
};

struct Driver {
  std::recursive_mutex mutex;
  Machine machine;
  bool initialised = false;
  std::map<int, int> primary; ///< device -> references
  std::map<uint64_t, Allocation> memory;
  std::map<void *, size_t> pinned;
  std::map<void *, std::shared_ptr<StreamObject>> streams;
  std::map<void *, std::shared_ptr<EventObject>> events;
  std::map<void *, std::shared_ptr<ModuleObject>> modules;
  std::map<void *, std::shared_ptr<FunctionObject>> functions;
  std::map<void *, std::shared_ptr<GraphObject>> graphs, execs;
  std::map<std::string, Kernel> kernels;
  std::vector<Failure> callFailures, executionFailures;
  std::vector<Call> log;
  size_t waits = 0;
  size_t damaged = 0, orphans = 0;
  CUresult lost = CUDA_SUCCESS;
  uint64_t nextAddress = firstAddress, nextHandle = 0x5B00'0000'0000'0000;
  double clock = 0; ///< milliseconds of simulated device time
};

Driver &driver() {
  // Never destroyed: the runtime may release objects while the process exits.
  static Driver &instance = *new Driver;
  return instance;
}

thread_local std::vector<CUcontext> contexts;
thread_local CUstreamCaptureMode captureMode = CU_STREAM_CAPTURE_MODE_GLOBAL;

template <typename Handle> Handle newHandle() {
  return reinterpret_cast<Handle>(driver().nextHandle += 16);
}

CUcontext contextOf(int device) {
  return reinterpret_cast<CUcontext>(0x5C00'0000'0000'0000 +
                                     uint64_t(device) * 16);
}

/// -1 without a current context that lives.
int currentDevice() {
  if (contexts.empty())
    return -1;
  int device = int(
      (reinterpret_cast<uint64_t>(contexts.back()) - 0x5C00'0000'0000'0000) /
      16);
  return driver().primary[device] > 0 ? device : -1;
}

CUresult lose(CUresult result) {
  if (isDeviceLost(result) && driver().lost == CUDA_SUCCESS)
    driver().lost = result;
  return result;
}

/// The allocation that holds the whole range, or null.
std::map<uint64_t, Allocation>::iterator find(uint64_t address, size_t bytes) {
  auto &memory = driver().memory;
  auto it = memory.upper_bound(address);
  if (it == memory.begin())
    return memory.end();
  --it;
  uint64_t offset = address - it->first;
  if (offset > it->second.bytes || bytes > it->second.bytes - offset)
    return memory.end();
  return it;
}

unsigned char *host(uint64_t address, size_t bytes) {
  auto it = find(address, bytes);
  if (it == driver().memory.end())
    return nullptr;
  return it->second.storage.data() + guardBytes + (address - it->first);
}

bool isPinned(const void *memory, size_t bytes) {
  const char *address = static_cast<const char *>(memory);
  for (auto &[base, size] : driver().pinned)
    if (address >= base && address + bytes <= static_cast<char *>(base) + size)
      return true;
  return false;
}

void drain(StreamObject &stream) {
  while (!stream.pending.empty()) {
    Work work = std::move(stream.pending.front());
    stream.pending.pop_front();
    if (driver().lost == CUDA_SUCCESS) {
      driver().clock += 0.001;
      work();
    }
  }
}

void drainAll(int device) {
  for (auto &[handle, stream] : driver().streams)
    if (stream->device == device)
      drain(*stream);
}

/// The stream of a handle; the null stream is made when it is first used.
std::shared_ptr<StreamObject> streamOf(CUstream handle) {
  auto &streams = driver().streams;
  auto it = streams.find(handle);
  if (it != streams.end())
    return it->second;
  if (handle)
    return nullptr;
  auto stream = std::make_shared<StreamObject>();
  stream->device = currentDevice();
  return streams[nullptr] = stream;
}

/// Does a capture forbid this thread to make a call that may wait or allocate?
/// It is then invalid, as with the real driver.
bool forbiddenByCapture() {
  bool forbidden = false;
  if (captureMode == CU_STREAM_CAPTURE_MODE_RELAXED)
    return false;
  for (auto &[handle, stream] : driver().streams) {
    if (!stream->capture || stream->mode == CU_STREAM_CAPTURE_MODE_RELAXED)
      continue;
    if (stream->mode == CU_STREAM_CAPTURE_MODE_GLOBAL ||
        stream->capturer == std::this_thread::get_id())
      forbidden = stream->invalidated = true;
  }
  return forbidden;
}

/// Puts work into a stream or into the graph that the stream captures.
CUresult enqueue(CUstream handle, Work work) {
  auto stream = streamOf(handle);
  if (!stream || stream->device != currentDevice())
    return CUDA_ERROR_INVALID_HANDLE;
  if (stream->invalidated)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (stream->capture)
    stream->capture->nodes.push_back(std::move(work));
  else
    stream->pending.push_back(std::move(work));
  return CUDA_SUCCESS;
}

/// Entries of PTX: `.entry NAME ( .param .TYPE P, ... ) directives {`.
bool parse(const std::string &text, ModuleObject &module) {
  auto typeBytes = [](const std::string &type) -> size_t {
    return type == "64" ? 8 : type == "32" ? 4 : type == "16" ? 2 : 1;
  };
  for (size_t at = text.find(".entry "); at != std::string::npos;
       at = text.find(".entry ", at + 1)) {
    size_t open = text.find('(', at), close = text.find(')', at);
    size_t body = text.find('{', at);
    if (open == std::string::npos || close == std::string::npos ||
        body == std::string::npos)
      return false;
    std::string name = text.substr(at + 7, open - at - 7);
    name.erase(name.find_last_not_of(" \t\n") + 1);
    Entry entry;
    for (size_t p = text.find(".param .", open); p < close;
         p = text.find(".param .", p + 1)) {
      size_t digits = text.find_first_of("0123456789", p);
      size_t end = text.find_first_not_of("0123456789", digits);
      entry.paramBytes.push_back(typeBytes(text.substr(digits, end - digits)));
    }
    for (const char *directive : {".maxntid ", ".reqntid "})
      if (size_t d = text.find(directive, close); d < body) {
        entry.maxThreads = atoi(text.c_str() + d + strlen(directive));
        entry.exactThreads |= directive[1] == 'r';
      }
    module.entries[name] = entry;
  }
  return true;
}

/// ".target sm_90a" runs on exactly 9.0, ".target sm_90" on 9.0 and later.
bool targetFits(const std::string &text) {
  size_t at = text.find(".target sm_");
  if (at == std::string::npos)
    return true;
  char *end;
  long target = strtol(text.c_str() + at + 11, &end, 10);
  int own = driver().machine.major * 10 + driver().machine.minor;
  return *end == 'a' ? target == own : target <= own;
}

using Lock = std::lock_guard<std::recursive_mutex>;

CUresult enter(const char *function, Call call) {
  call.function = function;
  driver().log.push_back(std::move(call));
  if (!driver().initialised && strcmp(function, "cuInit") != 0)
    return CUDA_ERROR_NOT_INITIALIZED;
  auto &failures = driver().callFailures;
  for (auto it = failures.begin(); it != failures.end(); ++it)
    if (it->name == function && it->skip-- == 0) {
      CUresult result = it->result;
      failures.erase(it);
      return lose(result);
    }
  return CUDA_SUCCESS;
}

} // namespace

/// Opens a function: lock, log, injected failures.
#define ENTER(name, ...)                                                       \
  Lock lock(driver().mutex);                                                   \
  if (CUresult early = enter(#name, Call{"", __VA_ARGS__});                    \
      early != CUDA_SUCCESS)                                                   \
    return early;
#define NO_STREAM nullptr, "", 0, 0, 0
#define IN_STREAM(stream) stream, "", 0, 0, 0
/// A function that needs a context; after a device is lost it gives no other
/// answer.
#define NEEDS_CONTEXT                                                          \
  if (driver().lost != CUDA_SUCCESS)                                           \
    return driver().lost;                                                      \
  const int device = currentDevice();                                          \
  if (device < 0)                                                              \
    return CUDA_ERROR_INVALID_CONTEXT;
#define NOT_WHILE_CAPTURING                                                    \
  if (forbiddenByCapture())                                                    \
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;

extern "C" {

CUresult cuInit(unsigned flags) {
  ENTER(cuInit, NO_STREAM)
  if (flags != 0)
    return CUDA_ERROR_INVALID_VALUE;
  if (driver().machine.devices == 0)
    return CUDA_ERROR_NO_DEVICE;
  driver().initialised = true;
  return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *version) {
  ENTER(cuDriverGetVersion, NO_STREAM)
  *version = 12080;
  return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult result, const char **text) {
  switch (result) {
#define NAME(value)                                                            \
  case value:                                                                  \
    *text = #value;                                                            \
    return CUDA_SUCCESS;
    NAME(CUDA_SUCCESS)
    NAME(CUDA_ERROR_INVALID_VALUE)
    NAME(CUDA_ERROR_OUT_OF_MEMORY)
    NAME(CUDA_ERROR_NO_DEVICE)
    NAME(CUDA_ERROR_INVALID_DEVICE)
    NAME(CUDA_ERROR_INVALID_IMAGE)
    NAME(CUDA_ERROR_INVALID_CONTEXT)
    NAME(CUDA_ERROR_NO_BINARY_FOR_GPU)
    NAME(CUDA_ERROR_INVALID_PTX)
    NAME(CUDA_ERROR_INVALID_HANDLE)
    NAME(CUDA_ERROR_NOT_FOUND)
    NAME(CUDA_ERROR_NOT_READY)
    NAME(CUDA_ERROR_ILLEGAL_ADDRESS)
    NAME(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES)
    NAME(CUDA_ERROR_LAUNCH_FAILED)
    NAME(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED)
    NAME(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED)
#undef NAME
  default:
    *text = nullptr;
    return CUDA_ERROR_INVALID_VALUE;
  }
}

CUresult cuGetErrorString(CUresult result, const char **text) {
  switch (result) {
  case CUDA_ERROR_OUT_OF_MEMORY:
    *text = "out of memory";
    break;
  case CUDA_ERROR_NO_DEVICE:
    *text = "no CUDA-capable device is detected";
    break;
  case CUDA_ERROR_ILLEGAL_ADDRESS:
    *text = "an illegal memory access was encountered";
    break;
  case CUDA_ERROR_LAUNCH_FAILED:
    *text = "unspecified launch failure";
    break;
  default:
    *text = "error of the fake driver";
  }
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *count) {
  ENTER(cuDeviceGetCount, NO_STREAM)
  *count = driver().machine.devices;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  ENTER(cuDeviceGet, NO_STREAM)
  if (ordinal < 0 || ordinal >= driver().machine.devices)
    return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int size, CUdevice) {
  ENTER(cuDeviceGetName, NO_STREAM)
  snprintf(name, size, "Fake GPU");
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute,
                              CUdevice) {
  ENTER(cuDeviceGetAttribute, NO_STREAM)
  const Machine &machine = driver().machine;
  switch (attribute) {
  case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X:
    *value = 0x7fffffff;
    break;
  case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
    *value = 1500000;
    break;
  case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
    *value = machine.multiprocessors;
    break;
  case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE:
    *value = 2000000;
    break;
  case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH:
    *value = 256;
    break;
  case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE:
    *value = 4 << 20;
    break;
  case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
    *value = machine.major;
    break;
  case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
    *value = machine.minor;
    break;
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
    *value = machine.sharedOptIn;
    break;
  default:
    return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice) {
  ENTER(cuDeviceTotalMem, NO_STREAM)
  *bytes = driver().machine.memory;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  ENTER(cuDevicePrimaryCtxRetain, NO_STREAM)
  ++driver().primary[device];
  *context = contextOf(device);
  return CUDA_SUCCESS;
}

/// Objects that are left when the last reference goes die with the context.
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  ENTER(cuDevicePrimaryCtxRelease, NO_STREAM)
  Driver &all = driver();
  if (all.primary[device] == 0)
    return CUDA_ERROR_INVALID_CONTEXT;
  if (--all.primary[device] > 0)
    return CUDA_SUCCESS;
  drainAll(device);
  auto purge = [&](auto &objects) {
    for (auto it = objects.begin(); it != objects.end();)
      if (it->second->device == device) {
        // The null stream is the context's own.
        all.orphans += it->first != nullptr;
        it = objects.erase(it);
      } else {
        ++it;
      }
  };
  purge(all.streams);
  purge(all.events);
  purge(all.modules);
  for (auto it = all.memory.begin(); it != all.memory.end();)
    if (it->second.device == device) {
      ++all.orphans;
      it = all.memory.erase(it);
    } else {
      ++it;
    }
  return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent_v2(CUcontext context) {
  ENTER(cuCtxPushCurrent, NO_STREAM)
  contexts.push_back(context);
  if (currentDevice() >= 0)
    return CUDA_SUCCESS;
  contexts.pop_back();
  return CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cuCtxPopCurrent_v2(CUcontext *context) {
  ENTER(cuCtxPopCurrent, NO_STREAM)
  if (contexts.empty())
    return CUDA_ERROR_INVALID_CONTEXT;
  *context = contexts.back();
  contexts.pop_back();
  return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize() {
  ENTER(cuCtxSynchronize, NO_STREAM)
  NEEDS_CONTEXT
  NOT_WHILE_CAPTURING
  for (auto &[handle, stream] : driver().streams)
    if (stream->capture)
      return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  ++driver().waits;
  drainAll(device);
  return driver().lost;
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode) {
  ENTER(cuThreadExchangeStreamCaptureMode, NO_STREAM)
  std::swap(*mode, captureMode);
  return CUDA_SUCCESS;
}

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count,
                            CUjit_option *options, void **values) {
  ENTER(cuModuleLoadDataEx, NO_STREAM)
  NEEDS_CONTEXT
  NOT_WHILE_CAPTURING
  std::string text = static_cast<const char *>(image);
  auto complain = [&](const char *message) {
    for (unsigned i = 0; i < count; ++i)
      if (options[i] == CU_JIT_ERROR_LOG_BUFFER)
        for (unsigned j = 0; j < count; ++j)
          if (options[j] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) {
            size_t room = reinterpret_cast<uintptr_t>(values[j]);
            snprintf(static_cast<char *>(values[i]), room, "%s", message);
          }
  };
  if (text.compare(0, 8, ".version") != 0 && text.compare(0, 2, "//") != 0)
    return CUDA_ERROR_INVALID_IMAGE;
  auto object = std::make_shared<ModuleObject>();
  object->device = device;
  if (!targetFits(text))
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  if (text.find("syntax error") != std::string::npos || !parse(text, *object)) {
    complain("ptxas fatal   : Parsing error near 'syntax': syntax error");
    return CUDA_ERROR_INVALID_PTX;
  }
  *module = newHandle<CUmodule>();
  driver().modules[*module] = object;
  return CUDA_SUCCESS;
}

CUresult cuModuleUnload(CUmodule module) {
  ENTER(cuModuleUnload, NO_STREAM)
  NEEDS_CONTEXT
  NOT_WHILE_CAPTURING
  ++driver().waits;
  drainAll(device);
  return driver().modules.erase(module) ? CUDA_SUCCESS
                                        : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module,
                             const char *name) {
  ENTER(cuModuleGetFunction, NO_STREAM)
  NEEDS_CONTEXT
  auto it = driver().modules.find(module);
  if (it == driver().modules.end())
    return CUDA_ERROR_INVALID_HANDLE;
  auto entry = it->second->entries.find(name);
  if (entry == it->second->entries.end())
    return CUDA_ERROR_NOT_FOUND;
  auto object = std::make_shared<FunctionObject>();
  object->module = it->second;
  object->name = name;
  object->entry = entry->second;
  *function = newHandle<CUfunction>();
  driver().functions[*function] = object;
  return CUDA_SUCCESS;
}

CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute,
                            CUfunction function) {
  ENTER(cuFuncGetAttribute, NO_STREAM)
  NEEDS_CONTEXT
  auto it = driver().functions.find(function);
  if (it == driver().functions.end() || it->second->module.expired())
    return CUDA_ERROR_INVALID_HANDLE;
  switch (attribute) {
  case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    *value = it->second->entry.maxThreads;
    break;
  case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
    *value = it->second->dynamicShared;
    break;
  default:
    *value = 0;
  }
  return CUDA_SUCCESS;
}

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute,
                            int value) {
  ENTER(cuFuncSetAttribute, NO_STREAM)
  NEEDS_CONTEXT
  auto it = driver().functions.find(function);
  if (it == driver().functions.end() || it->second->module.expired())
    return CUDA_ERROR_INVALID_HANDLE;
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES ||
      value > driver().machine.sharedOptIn)
    return CUDA_ERROR_INVALID_VALUE;
  it->second->dynamicShared = value;
  return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction function, unsigned gridX, unsigned gridY,
                        unsigned gridZ, unsigned blockX, unsigned blockY,
                        unsigned blockZ, unsigned shared, CUstream stream,
                        void **params, void **extra) {
  auto it = [&] {
    Lock lock(driver().mutex);
    return driver().functions.find(function);
  }();
  const bool known = it != driver().functions.end();
  ENTER(cuLaunchKernel, stream, known ? it->second->name : "", gridX, blockX,
        shared)
  NEEDS_CONTEXT
  if (!known || it->second->module.expired())
    return CUDA_ERROR_INVALID_HANDLE;
  const FunctionObject &object = *it->second;
  if (gridX < 1 || gridX > 0x7fffffff || gridY != 1 || gridZ != 1 ||
      blockY != 1 || blockZ != 1 || blockX < 1 || extra ||
      int(shared) > object.dynamicShared)
    return CUDA_ERROR_INVALID_VALUE;
  if (int(blockX) > object.entry.maxThreads ||
      (object.entry.exactThreads && int(blockX) != object.entry.maxThreads))
    return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  Launch launch;
  launch.kernel = object.name;
  launch.blocks = gridX;
  launch.threads = blockX;
  launch.sharedBytes = shared;
  for (size_t i = 0; i < object.entry.paramBytes.size(); ++i) {
    if (!params || !params[i])
      return CUDA_ERROR_INVALID_VALUE;
    uint64_t word = 0;
    memcpy(&word, params[i], object.entry.paramBytes[i]);
    launch.params.push_back(word);
  }
  return enqueue(stream, [launch] {
    Driver &all = driver();
    all.clock += 0.01;
    for (auto it = all.executionFailures.begin();
         it != all.executionFailures.end(); ++it)
      if (it->name == launch.kernel) {
        lose(it->result);
        all.executionFailures.erase(it);
        return;
      }
    auto kernel = all.kernels.find(launch.kernel);
    if (kernel == all.kernels.end()) {
      lose(CUDA_ERROR_LAUNCH_FAILED);
      return;
    }
    Launch running = launch;
    kernel->second(running);
    if (running.illegal)
      lose(CUDA_ERROR_ILLEGAL_ADDRESS);
  });
}

CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  ENTER(cuMemAlloc, NO_STREAM)
  NEEDS_CONTEXT
  NOT_WHILE_CAPTURING
  size_t used = bytes;
  for (auto &[base, allocation] : driver().memory)
    used += allocation.bytes;
  if (bytes == 0)
    return CUDA_ERROR_INVALID_VALUE;
  if (used > driver().machine.memory)
    return CUDA_ERROR_OUT_OF_MEMORY;
  Allocation allocation{device, bytes, {}};
  allocation.storage.assign(bytes + 2 * guardBytes, guardByte);
  std::fill_n(allocation.storage.begin() + guardBytes, bytes, freshByte);
  *address = driver().nextAddress;
  driver().nextAddress += (bytes + 4096) / 512 * 512;
  driver().memory.emplace(*address, std::move(allocation));
  return CUDA_SUCCESS;
}

CUresult cuMemFree_v2(CUdeviceptr address) {
  ENTER(cuMemFree, NO_STREAM)
  NEEDS_CONTEXT
  NOT_WHILE_CAPTURING
  ++driver().waits;
  drainAll(device);
  auto it = driver().memory.find(address);
  if (it == driver().memory.end())
    return CUDA_ERROR_INVALID_VALUE;
  driver().damaged += it->second.damaged();
  driver().memory.erase(it);
  return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  ENTER(cuMemHostAlloc, NO_STREAM)
  NEEDS_CONTEXT
  NOT_WHILE_CAPTURING
  *memory = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  memset(*memory, freshByte, bytes);
  driver().pinned[*memory] = bytes;
  return CUDA_SUCCESS;
}

CUresult cuMemFreeHost(void *memory) {
  ENTER(cuMemFreeHost, NO_STREAM)
  NEEDS_CONTEXT
  NOT_WHILE_CAPTURING
  ++driver().waits;
  drainAll(device);
  if (!driver().pinned.erase(memory))
    return CUDA_ERROR_INVALID_VALUE;
  free(memory);
  return CUDA_SUCCESS;
}

/// Pageable memory is read before the call returns, pinned memory when the
/// copy runs.
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes,
                              CUstream stream) {
  ENTER(cuMemcpyHtoDAsync, IN_STREAM(stream))
  NEEDS_CONTEXT
  if (!host(to, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  auto copy = [to, bytes](const void *source) {
    if (unsigned char *target = host(to, bytes))
      memcpy(target, source, bytes);
    else
      lose(CUDA_ERROR_ILLEGAL_ADDRESS);
  };
  if (isPinned(from, bytes))
    return enqueue(stream, [copy, from] { copy(from); });
  std::string contents(static_cast<const char *>(from), bytes);
  return enqueue(stream, [copy, contents] { copy(contents.data()); });
}

/// A copy to pageable memory is done when the call returns.
CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes,
                              CUstream stream) {
  ENTER(cuMemcpyDtoHAsync, IN_STREAM(stream))
  NEEDS_CONTEXT
  if (!host(from, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  const bool pinned = isPinned(to, bytes);
  if (auto object = streamOf(stream); !pinned && object && object->capture) {
    object->invalidated = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  CUresult result = enqueue(stream, [to, from, bytes] {
    if (unsigned char *source = host(from, bytes))
      memcpy(to, source, bytes);
    else
      lose(CUDA_ERROR_ILLEGAL_ADDRESS);
  });
  if (pinned || result != CUDA_SUCCESS)
    return result;
  ++driver().waits;
  drain(*streamOf(stream));
  return driver().lost;
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes,
                              CUstream stream) {
  ENTER(cuMemcpyDtoDAsync, IN_STREAM(stream))
  NEEDS_CONTEXT
  if (!host(to, bytes) || !host(from, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  return enqueue(stream, [to, from, bytes] {
    unsigned char *target = host(to, bytes), *source = host(from, bytes);
    if (target && source)
      memmove(target, source, bytes);
    else
      lose(CUDA_ERROR_ILLEGAL_ADDRESS);
  });
}

static CUresult fill(CUdeviceptr to, unsigned value, size_t element,
                     size_t count, CUstream stream) {
  NEEDS_CONTEXT
  if (to % element != 0 || !host(to, count * element))
    return CUDA_ERROR_INVALID_VALUE;
  return enqueue(stream, [=] {
    unsigned char *target = host(to, count * element);
    if (!target)
      return void(lose(CUDA_ERROR_ILLEGAL_ADDRESS));
    for (size_t i = 0; i < count; ++i)
      memcpy(target + i * element, &value, element);
  });
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count,
                         CUstream stream) {
  ENTER(cuMemsetD8Async, IN_STREAM(stream))
  return fill(to, value, 1, count, stream);
}

CUresult cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t count,
                          CUstream stream) {
  ENTER(cuMemsetD16Async, IN_STREAM(stream))
  return fill(to, value, 2, count, stream);
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count,
                          CUstream stream) {
  ENTER(cuMemsetD32Async, IN_STREAM(stream))
  return fill(to, value, 4, count, stream);
}

CUresult cuPointerGetAttribute(void *value, CUpointer_attribute attribute,
                               CUdeviceptr address) {
  ENTER(cuPointerGetAttribute, NO_STREAM)
  NEEDS_CONTEXT
  auto it = find(address, 0);
  const bool onDevice = it != driver().memory.end();
  const bool onHost = isPinned(reinterpret_cast<void *>(address), 0);
  if (!onDevice && !onHost)
    return CUDA_ERROR_INVALID_VALUE;
  switch (attribute) {
  case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
    *static_cast<unsigned *>(value) =
        onDevice ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
    return CUDA_SUCCESS;
  case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
    *static_cast<int *>(value) = onDevice ? it->second.device : device;
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult cuStreamCreate(CUstream *stream, unsigned) {
  ENTER(cuStreamCreate, NO_STREAM)
  NEEDS_CONTEXT
  auto object = std::make_shared<StreamObject>();
  object->device = device;
  *stream = newHandle<CUstream>();
  driver().streams[*stream] = object;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetCtx(CUstream stream, CUcontext *context) {
  ENTER(cuStreamGetCtx, IN_STREAM(stream))
  NEEDS_CONTEXT
  auto object = streamOf(stream);
  if (!object)
    return CUDA_ERROR_INVALID_HANDLE;
  *context = contextOf(object->device);
  return CUDA_SUCCESS;
}

/// Work that is queued still runs.
CUresult cuStreamDestroy_v2(CUstream stream) {
  ENTER(cuStreamDestroy, IN_STREAM(stream))
  NEEDS_CONTEXT
  auto object = streamOf(stream);
  if (!object || !stream)
    return CUDA_ERROR_INVALID_HANDLE;
  drain(*object);
  driver().streams.erase(stream);
  return CUDA_SUCCESS;
}

CUresult cuStreamSynchronize(CUstream stream) {
  ENTER(cuStreamSynchronize, IN_STREAM(stream))
  NEEDS_CONTEXT
  NOT_WHILE_CAPTURING
  auto object = streamOf(stream);
  if (!object || object->device != device)
    return CUDA_ERROR_INVALID_HANDLE;
  if (object->capture) {
    object->invalidated = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  ++driver().waits;
  drain(*object);
  return driver().lost;
}

CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus *status) {
  ENTER(cuStreamIsCapturing, IN_STREAM(stream))
  NEEDS_CONTEXT
  auto object = streamOf(stream);
  if (!object)
    return CUDA_ERROR_INVALID_HANDLE;
  *status = object->invalidated ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
            : object->capture   ? CU_STREAM_CAPTURE_STATUS_ACTIVE
                                : CU_STREAM_CAPTURE_STATUS_NONE;
  return CUDA_SUCCESS;
}

CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode) {
  ENTER(cuStreamBeginCapture, IN_STREAM(stream))
  NEEDS_CONTEXT
  auto object = streamOf(stream);
  if (!object || !stream || object->capture)
    return CUDA_ERROR_INVALID_VALUE;
  object->capture = std::make_shared<GraphObject>();
  object->invalidated = false;
  object->mode = mode;
  object->capturer = std::this_thread::get_id();
  return CUDA_SUCCESS;
}

CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph) {
  ENTER(cuStreamEndCapture, IN_STREAM(stream))
  NEEDS_CONTEXT
  auto object = streamOf(stream);
  if (!object || !object->capture)
    return CUDA_ERROR_INVALID_VALUE;
  auto captured = std::move(object->capture);
  object->capture = nullptr;
  if (std::exchange(object->invalidated, false)) {
    *graph = nullptr;
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  }
  *graph = newHandle<CUgraph>();
  driver().graphs[*graph] = captured;
  return CUDA_SUCCESS;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph,
                                     unsigned long long) {
  ENTER(cuGraphInstantiate, NO_STREAM)
  NEEDS_CONTEXT
  auto it = driver().graphs.find(graph);
  if (it == driver().graphs.end())
    return CUDA_ERROR_INVALID_HANDLE;
  *exec = newHandle<CUgraphExec>();
  driver().execs[*exec] = std::make_shared<GraphObject>(*it->second);
  return CUDA_SUCCESS;
}

#ifndef WITHOUT_GRAPHS
CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  ENTER(cuGraphLaunch, IN_STREAM(stream))
  NEEDS_CONTEXT
  auto it = driver().execs.find(exec);
  if (it == driver().execs.end())
    return CUDA_ERROR_INVALID_HANDLE;
  return enqueue(stream, [graph = it->second] {
    for (const Work &work : graph->nodes)
      if (driver().lost == CUDA_SUCCESS)
        work();
  });
}

#endif

CUresult cuGraphExecDestroy(CUgraphExec exec) {
  ENTER(cuGraphExecDestroy, NO_STREAM)
  return driver().execs.erase(exec) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuGraphDestroy(CUgraph graph) {
  ENTER(cuGraphDestroy, NO_STREAM)
  return driver().graphs.erase(graph) ? CUDA_SUCCESS
                                      : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuEventCreate(CUevent *event, unsigned flags) {
  ENTER(cuEventCreate, NO_STREAM)
  NEEDS_CONTEXT
  auto object = std::make_shared<EventObject>();
  object->device = device;
  object->flags = flags;
  *event = newHandle<CUevent>();
  driver().events[*event] = object;
  return CUDA_SUCCESS;
}

CUresult cuEventDestroy_v2(CUevent event) {
  ENTER(cuEventDestroy, NO_STREAM)
  NEEDS_CONTEXT
  return driver().events.erase(event) ? CUDA_SUCCESS
                                      : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuEventRecord(CUevent event, CUstream stream) {
  ENTER(cuEventRecord, IN_STREAM(stream))
  NEEDS_CONTEXT
  auto it = driver().events.find(event);
  auto target = streamOf(stream);
  if (it == driver().events.end() || !target)
    return CUDA_ERROR_INVALID_HANDLE;
  std::shared_ptr<EventObject> object = it->second;
  object->done = false;
  object->recordedIn = target->capture ? nullptr : target;
  return enqueue(stream, [object] {
    object->done = true;
    object->milliseconds = driver().clock;
  });
}

CUresult cuEventSynchronize(CUevent event) {
  ENTER(cuEventSynchronize, NO_STREAM)
  NEEDS_CONTEXT
  NOT_WHILE_CAPTURING
  auto it = driver().events.find(event);
  if (it == driver().events.end())
    return CUDA_ERROR_INVALID_HANDLE;
  ++driver().waits;
  if (!it->second->done && it->second->recordedIn)
    drain(*it->second->recordedIn);
  return driver().lost;
}

CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end) {
  ENTER(cuEventElapsedTime, NO_STREAM)
  NEEDS_CONTEXT
  auto first = driver().events.find(start), last = driver().events.find(end);
  if (first == driver().events.end() || last == driver().events.end() ||
      !first->second->recordedIn || !last->second->recordedIn ||
      (first->second->flags | last->second->flags) & CU_EVENT_DISABLE_TIMING)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!first->second->done || !last->second->done)
    return CUDA_ERROR_NOT_READY;
  *milliseconds =
      float(last->second->milliseconds - first->second->milliseconds);
  return CUDA_SUCCESS;
}

} // extern "C"

//===----------------------------------------------------------------------===//
// What tests control
//===----------------------------------------------------------------------===//

void *Launch::memory(uint64_t address, size_t bytes) {
  void *view = host(address, bytes);
  illegal |= !view;
  return view;
}

void reset(const Machine &machine) {
  Lock lock(driver().mutex);
  Driver &all = driver();
  all.machine = machine;
  all.kernels.clear();
  all.callFailures.clear();
  all.executionFailures.clear();
  all.log.clear();
  all.waits = all.damaged = all.orphans = 0;
}

void addKernel(const std::string &name, Kernel kernel) {
  Lock lock(driver().mutex);
  driver().kernels[name] = std::move(kernel);
}

void failCall(const std::string &function, CUresult result, int skip) {
  Lock lock(driver().mutex);
  driver().callFailures.push_back({function, result, skip});
}

void failExecution(const std::string &kernel, CUresult result) {
  Lock lock(driver().mutex);
  driver().executionFailures.push_back({kernel, result, 0});
}

std::vector<Call> calls() {
  Lock lock(driver().mutex);
  return driver().log;
}

void clearCalls() {
  Lock lock(driver().mutex);
  driver().log.clear();
  driver().waits = 0;
}

size_t count(const std::string &function) {
  Lock lock(driver().mutex);
  return std::count_if(
      driver().log.begin(), driver().log.end(),
      [&](const Call &call) { return call.function == function; });
}

size_t synchronizations() {
  Lock lock(driver().mutex);
  return driver().waits;
}

std::string live() {
  Lock lock(driver().mutex);
  Driver &all = driver();
  std::string text;
  auto add = [&](size_t number, const char *what) {
    if (number)
      text += (text.empty() ? "" : ", ") + std::to_string(number) + " " + what;
  };
  int contextReferences = 0;
  for (auto &[device, references] : all.primary)
    contextReferences += references;
  size_t damaged = all.damaged;
  for (auto &[base, allocation] : all.memory)
    damaged += allocation.damaged();
  add(contextReferences, "context references");
  add(all.memory.size(), "allocations");
  add(all.pinned.size(), "pinned allocations");
  add(all.streams.size() - all.streams.count(nullptr), "streams");
  add(all.events.size(), "events");
  add(all.modules.size(), "modules");
  add(all.graphs.size() + all.execs.size(), "graphs");
  add(damaged, "damaged allocations");
  add(all.orphans, "objects that died with their context");
  return text;
}

size_t contextDepth() { return contexts.size(); }

void replaceDevice() {
  Lock lock(driver().mutex);
  Driver &all = driver();
  all.lost = CUDA_SUCCESS;
  all.orphans = 0;
  all.memory.clear();
  for (auto &[base, bytes] : all.pinned)
    free(base);
  all.pinned.clear();
  all.streams.clear();
  all.events.clear();
  all.modules.clear();
  all.functions.clear();
  all.graphs.clear();
  all.execs.clear();
  all.primary.clear();
}

} // namespace mercer::test::fakecuda
