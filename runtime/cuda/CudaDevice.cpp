//===- CudaDevice.cpp - NVIDIA GPUs behind the device interface -----------===//
//
// A context is a stream. Runs are only enqueued: nothing here waits unless the
// host needs a value, and after a first run of its shapes a run neither
// allocates nor loads, so an application may capture it into a graph.
//
//===----------------------------------------------------------------------===//

#include "runtime/cuda/CudaDevice.h"

#include "runtime/core/Clock.h"
#include "runtime/cuda/Gpu.h"
#include "runtime/cuda/Pinned.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>

namespace mercer::rt {

using namespace cuda;

namespace {

CUdeviceptr address(const void *memory) {
  return reinterpret_cast<CUdeviceptr>(memory);
}

/// Scratch is given to workgroups, not to tiles: fewer workgroups than tiles
/// bound it.
constexpr uint64_t scratchLimit = uint64_t(256) << 20;

class CudaGraph final : public DeviceGraph {
public:
  CudaGraph(std::shared_ptr<Gpu> gpu, CUgraphExec exec)
      : gpu(std::move(gpu)), exec(exec) {}
  ~CudaGraph() override {
    CurrentContext current(gpu->driver, gpu->context);
    (void)gpu->driver.cuGraphExecDestroy(exec);
  }

  const std::shared_ptr<Gpu> gpu;
  const CUgraphExec exec;
};

class CudaDevice final : public Device {
public:
  CudaDevice(const MercerContextOptions &options, std::shared_ptr<Gpu> gpu,
             CUstream stream, bool ownStream)
      : Device(options.device), gpu(std::move(gpu)), driver(this->gpu->driver),
        stream(stream), ownStream(ownStream),
        validate((options.flags & MERCER_CONTEXT_VALIDATE) != 0),
        staging(driver, stream, this->gpu->place),
        scratch(MERCER_MEMORY_SCRATCH) {}
  ~CudaDevice() override { close(); }

  Status allocate(MercerMemoryPurpose purpose, uint32_t index, size_t bytes,
                  const std::string &place, void *&memory) override;
  void release(MercerMemoryPurpose purpose, void *memory,
               size_t bytes) override;
  /// The widest load of a kernel.
  size_t tensorAlignment() const override { return 16; }

  Status upload(void *to, const void *from, size_t bytes) override;
  Status download(void *to, const void *from, size_t bytes) override;
  Status copy(void *to, const void *from, size_t bytes) override;
  Status fill(void *to, uint8_t value, size_t bytes) override;
  Status write(void *to, int64_t bits, size_t bytes) override;
  Status read(const void *from, size_t bytes, const void *&host) override;

  Status check(const Artifact &artifact) override;
  Status beginRun(const std::shared_ptr<const Artifact> &artifact, bool timed,
                  const void *const *&constants) override;
  Status launch(const LaunchRequest &request) override;
  Status endRun() override;
  Status takeTimes(std::vector<LaunchTime> &times) override;
  Status beginCapture() override;
  Status endCapture(std::unique_ptr<DeviceGraph> &graph) override;
  Status launchGraph(DeviceGraph &graph) override;
  Status synchronize() override;
  void close() override;

private:
  Status status(CUresult result, const char *call) const {
    return driver.status(result, call, gpu->place);
  }
  /// Runs `body` with the device's context current.
  template <typename Body> Status inContext(Body body) {
    CurrentContext current(driver, gpu->context);
    if (Status failure = current.status(gpu->place); failure.failed())
      return failure;
    return body();
  }
  /// A failure while the stream is being captured.
  Status refuseCapture(const char *what);
  bool isCapturing() const;
  Status allocateNew(size_t bytes, const std::string &place, void *&memory);
  void trim();
  Status prepareScratch(const MercerDeviceKernelDesc &kernel, int64_t &blocks);
  Status checkPointers(const LaunchRequest &request,
                       const MercerDeviceKernelDesc &kernel,
                       const std::string &place);
  Status nextEvent(CUevent &event);

  const std::shared_ptr<Gpu> gpu;
  const Driver &driver;
  const CUstream stream;
  const bool ownStream;
  const bool validate;
  bool closed = false;
  /// The stream was seen in a capture: a graph may use any memory of this
  /// context, so none goes back to the driver before the context ends.
  bool captured = false;
  Staging staging;

  /// Sessions allocate and release on the thread of another context.
  std::mutex memoryMutex;
  /// Released memory by size. What is enqueued later on the same stream may use
  /// it at once; the driver would wait for the device to take it back.
  std::multimap<size_t, void *> cached;
  std::unordered_map<void *, size_t> sizes; ///< of all that is handed out

  DeviceBuffer scratch;
  std::vector<CUdeviceptr> scratchPointers;
  std::vector<void *> arguments; ///< of the launch in progress

  std::weak_ptr<const Artifact> programOf;
  std::shared_ptr<Program> program;
  const Artifact *running = nullptr;
  bool timing = false;
  std::vector<CUevent> events; ///< two for each timed launch, reused
  size_t eventsUsed = 0;
};

} // namespace

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

bool CudaDevice::isCapturing() const {
  CUstreamCaptureStatus capture = CU_STREAM_CAPTURE_STATUS_NONE;
  return driver.cuStreamIsCapturing(stream, &capture) == CUDA_SUCCESS &&
         capture != CU_STREAM_CAPTURE_STATUS_NONE;
}

Status CudaDevice::refuseCapture(const char *what) {
  if (!isCapturing())
    return {};
  return {Code::CaptureRefused, gpu->place,
          std::string(what) + "; run the entry point once with these shapes, "
                              "on device tensors, before it is captured"};
}

Status CudaDevice::allocateNew(size_t bytes, const std::string &place,
                               void *&memory) {
  if (Status failure = refuseCapture("the run needs memory"); failure.failed())
    return failure;
  CUdeviceptr result = 0;
  CUresult outcome = driver.cuMemAlloc(&result, bytes);
  if (outcome == CUDA_ERROR_OUT_OF_MEMORY) {
    // What waits to be used again, and constants of artifacts that are gone.
    trim();
    gpu->purge();
    outcome = driver.cuMemAlloc(&result, bytes);
  }
  if (outcome == CUDA_ERROR_OUT_OF_MEMORY)
    return {Code::DeviceOutOfMemory, place,
            format("cannot allocate %zu bytes on ", bytes) + gpu->place + ": " +
                driver.text(outcome)};
  if (Status failure = driver.status(outcome, "cuMemAlloc", place);
      failure.failed())
    return failure;
  memory = reinterpret_cast<void *>(result);
  return {};
}

/// What lives as long as a session or a context is large and seldom released:
/// the driver may have it back.
static bool isLasting(MercerMemoryPurpose purpose) {
  return purpose == MERCER_MEMORY_STATE || purpose == MERCER_MEMORY_ARENA ||
         purpose == MERCER_MEMORY_SCRATCH;
}

Status CudaDevice::allocate(MercerMemoryPurpose purpose, uint32_t, size_t bytes,
                            const std::string &place, void *&memory) {
  constexpr size_t granule = 512; // the driver's own
  if (bytes > SIZE_MAX - granule)
    return {Code::DeviceOutOfMemory, place,
            format("cannot allocate %zu bytes", bytes)};
  bytes = std::max<size_t>(1, (bytes + granule - 1) / granule) * granule;
  // Not much larger than asked for, or small requests would eat the large ones.
  std::lock_guard lock(memoryMutex);
  auto it = cached.lower_bound(bytes);
  // A state may be used first on another stream, where what was enqueued here
  // for the memory's former owner is not waited for.
  if (purpose != MERCER_MEMORY_STATE && it != cached.end() &&
      it->first <= std::max(bytes + bytes / 4, size_t(64) << 10)) {
    memory = it->second;
    sizes[memory] = it->first;
    cached.erase(it);
    return {};
  }
  return inContext([&] {
    Status failure = allocateNew(bytes, place, memory);
    if (!failure.failed())
      sizes[memory] = bytes;
    return failure;
  });
}

void CudaDevice::release(MercerMemoryPurpose purpose, void *memory, size_t) {
  std::lock_guard lock(memoryMutex);
  auto it = sizes.find(memory);
  if (it == sizes.end())
    return;
  const size_t bytes = it->second;
  sizes.erase(it);
  CurrentContext current(driver, gpu->context);
  if (!closed && (!isLasting(purpose) || captured || isCapturing()))
    cached.emplace(bytes, memory);
  else
    (void)driver.cuMemFree(address(memory));
}

void CudaDevice::trim() {
  if (captured && !closed)
    return;
  for (auto &[bytes, memory] : cached)
    (void)driver.cuMemFree(address(memory));
  cached.clear();
}

Status CudaDevice::upload(void *to, const void *from, size_t bytes) {
  if (bytes == 0)
    return {};
  return inContext([&] {
    if (Status failure = refuseCapture("the run copies from host memory");
        failure.failed())
      return failure;
    return staging.upload(address(to), from, bytes);
  });
}

Status CudaDevice::download(void *to, const void *from, size_t bytes) {
  if (bytes == 0)
    return {};
  return inContext([&] {
    if (Status failure = refuseCapture("the run copies to host memory");
        failure.failed())
      return failure;
    return staging.download(to, address(from), bytes);
  });
}

Status CudaDevice::copy(void *to, const void *from, size_t bytes) {
  if (bytes == 0)
    return {};
  return inContext([&] {
    return status(
        driver.cuMemcpyDtoDAsync(address(to), address(from), bytes, stream),
        "cuMemcpyDtoDAsync");
  });
}

Status CudaDevice::fill(void *to, uint8_t value, size_t bytes) {
  if (bytes == 0)
    return {};
  return inContext([&] {
    return status(driver.cuMemsetD8Async(address(to), value, bytes, stream),
                  "cuMemsetD8Async");
  });
}

/// The value is an argument of the driver's call, so no host memory has to
/// outlive it, and a captured run stores it again.
Status CudaDevice::write(void *to, int64_t bits, size_t bytes) {
  const CUdeviceptr target = address(to);
  return inContext([&] {
    const uint64_t value = static_cast<uint64_t>(bits);
    switch (bytes) {
    case 1:
      return status(driver.cuMemsetD8Async(
                        target, static_cast<unsigned char>(value), 1, stream),
                    "cuMemsetD8Async");
    case 2:
      return status(driver.cuMemsetD16Async(
                        target, static_cast<unsigned short>(value), 1, stream),
                    "cuMemsetD16Async");
    case 4:
      return status(driver.cuMemsetD32Async(
                        target, static_cast<unsigned>(value), 1, stream),
                    "cuMemsetD32Async");
    case 8:
      if (Status failure =
              status(driver.cuMemsetD32Async(
                         target, static_cast<unsigned>(value), 1, stream),
                     "cuMemsetD32Async");
          failure.failed())
        return failure;
      return status(driver.cuMemsetD32Async(target + 4,
                                            static_cast<unsigned>(value >> 32),
                                            1, stream),
                    "cuMemsetD32Async");
    default:
      return Status(
          Code::HostProgramFailed, gpu->place,
          format("the host program writes a scalar of %zu bytes", bytes));
    }
  });
}

Status CudaDevice::read(const void *from, size_t bytes, const void *&host) {
  return inContext([&] {
    if (Status failure = refuseCapture("the run reads a value on the host");
        failure.failed())
      return failure;
    return staging.read(address(from), bytes, host);
  });
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

Status CudaDevice::check(const Artifact &artifact) {
  const MercerModuleDesc &module = artifact.module();
  const Manifest &manifest = artifact.manifest();
  if (manifest.target != "cuda")
    return {Code::WrongDevice, artifact.path(),
            "the artifact was made for device '" + manifest.target +
                "', the context is for 'cuda'"};
  for (uint64_t i = 0; i < module.kernel_count; ++i) {
    const uint32_t format = module.device_kernels[i].format;
    const bool cubin = format == MERCER_CODE_CUBIN;
    if (!cubin && format != MERCER_CODE_PTX)
      return {Code::WrongDevice, artifact.path(),
              std::string("the code of kernel '") + module.kernels[i].name +
                  "' is neither PTX nor a cubin"};
    if (!chipFits(manifest.chip, format, gpu->major, gpu->minor))
      return {Code::DeviceFeatureMissing, artifact.path(),
              rt::format("expects a device that runs %s for '%s', %s (%s) has "
                         "compute capability %d.%d",
                         cubin ? "a cubin" : "PTX", manifest.chip.c_str(),
                         gpu->place.c_str(), gpu->name.c_str(), gpu->major,
                         gpu->minor)};
  }
  return {};
}

Status CudaDevice::beginRun(const std::shared_ptr<const Artifact> &artifact,
                            bool timed, const void *const *&constants) {
  return inContext([&]() -> Status {
    const bool capturing = isCapturing();
    captured |= capturing;
    if (!program || programOf.lock() != artifact) {
      if (Status failure = check(*artifact); failure.failed())
        return failure;
      program = gpu->loaded(*artifact);
      if (!program) {
        if (Status failure = refuseCapture("the artifact is not loaded yet");
            failure.failed())
          return failure;
        auto upload = [&](CUdeviceptr to, const void *from, size_t bytes) {
          if (Status failure = staging.upload(to, from, bytes);
              failure.failed())
            return failure;
          // Other streams use them too.
          return status(driver.cuStreamSynchronize(stream),
                        "cuStreamSynchronize");
        };
        Status failure = gpu->program(artifact, upload, program);
        if (failure.number() == int32_t(Code::DeviceOutOfMemory)) {
          std::lock_guard lock(memoryMutex);
          trim();
          failure = gpu->program(artifact, upload, program);
        }
        if (failure.failed())
          return failure;
      }
      programOf = artifact;
    }
    running = artifact.get();
    constants = program->constants();
    // The times of a captured run could not be asked for.
    timing = timed && !capturing;
    eventsUsed = 0;
    return {};
  });
}

Status CudaDevice::prepareScratch(const MercerDeviceKernelDesc &kernel,
                                  int64_t &blocks) {
  auto roundUp = [](uint64_t bytes) { return (bytes + 255) / 256 * 256; };
  uint64_t perBlock = 0;
  for (uint64_t i = 0; i < kernel.param_count; ++i)
    if (const MercerDeviceParam &param = kernel.params[i];
        param.kind == MERCER_PARAM_SCRATCH)
      perBlock += param.elements * param.bytes;
  scratchPointers.clear();
  if (perBlock == 0)
    return {};
  blocks = std::min<int64_t>(
      blocks, std::max<int64_t>(1, int64_t(scratchLimit / perBlock)));
  uint64_t total = 0;
  for (uint64_t i = 0; i < kernel.param_count; ++i)
    if (const MercerDeviceParam &param = kernel.params[i];
        param.kind == MERCER_PARAM_SCRATCH) {
      scratchPointers.push_back(total);
      total += roundUp(param.elements * param.bytes * uint64_t(blocks));
    }
  void *base = nullptr;
  if (Status failure = scratch.ensure(
          *this, total, gpu->place + ", scratch memory of a kernel", base);
      failure.failed())
    return failure;
  for (CUdeviceptr &pointer : scratchPointers)
    pointer += address(base);
  return {};
}

/// Only where it was asked for: a query of the driver for each buffer.
Status CudaDevice::checkPointers(const LaunchRequest &request,
                                 const MercerDeviceKernelDesc &kernel,
                                 const std::string &place) {
  size_t word = 0;
  for (uint64_t i = 0; i < kernel.param_count; ++i) {
    const MercerDeviceParam &param = kernel.params[i];
    if (param.kind == MERCER_PARAM_SCRATCH)
      break;
    const auto value = static_cast<CUdeviceptr>(request.params[word]);
    int64_t elements = static_cast<int64_t>(param.elements);
    for (int d = 0; d < param.dims; ++d)
      elements *= request.params[word + 1 + d];
    word += 1 + param.dims;
    if (param.kind != MERCER_PARAM_BUFFER || elements == 0)
      continue;
    unsigned type = 0;
    int owner = -1;
    CUresult known = driver.cuPointerGetAttribute(
        &type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, value);
    if (known == CUDA_SUCCESS)
      known = driver.cuPointerGetAttribute(
          &owner, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, value);
    if (known != CUDA_SUCCESS || type != CU_MEMORYTYPE_DEVICE ||
        owner != gpu->ordinal || value % std::min<int>(param.bytes, 16) != 0)
      return {Code::DeviceMisused, place,
              rt::format("buffer %llu of the launch is no memory of ",
                         static_cast<unsigned long long>(i)) +
                  gpu->place + ", or not aligned to its elements"};
  }
  return {};
}

Status CudaDevice::nextEvent(CUevent &event) {
  if (eventsUsed == events.size()) {
    CUevent created = nullptr;
    if (Status failure = status(
            driver.cuEventCreate(&created, CU_EVENT_DEFAULT), "cuEventCreate");
        failure.failed())
      return failure;
    events.push_back(created);
  }
  event = events[eventsUsed];
  if (Status failure =
          status(driver.cuEventRecord(event, stream), "cuEventRecord");
      failure.failed())
    return failure;
  ++eventsUsed;
  return {};
}

Status CudaDevice::launch(const LaunchRequest &request) {
  const MercerModuleDesc &module = running->module();
  const MercerDeviceKernelDesc &kernel = module.device_kernels[request.kernel];
  if (request.tiles == 0 && !timing)
    return {};
  return inContext([&]() -> Status {
    CUevent event;
    if (timing)
      if (Status failure = nextEvent(event); failure.failed())
        return failure;
    // A grid without blocks is an error to the driver; the times of a timed run
    // still need an entry for this launch.
    if (request.tiles > 0) {
      constexpr int64_t gridLimit = 0x7fffffff;
      int64_t blocks = std::min(request.tiles, gridLimit);
      if (Status failure = prepareScratch(kernel, blocks); failure.failed())
        return failure;
      const std::string place = validate
                                    ? std::string("kernel '") +
                                          module.kernels[request.kernel].name +
                                          "', " + gpu->place
                                    : std::string();
      if (validate)
        if (Status failure = checkPointers(request, kernel, place);
            failure.failed())
          return failure;
      // The driver reads as many bytes from each address as the parameter has;
      // all words are little-endian and at least as wide.
      int64_t tiles = request.tiles;
      arguments.assign(1, &tiles);
      size_t word = 0, scratchIndex = 0;
      for (uint64_t i = 0; i < kernel.param_count; ++i) {
        const MercerDeviceParam &param = kernel.params[i];
        if (param.kind == MERCER_PARAM_SCRATCH) {
          arguments.push_back(&scratchPointers[scratchIndex++]);
          continue;
        }
        for (int d = 0; d <= param.dims; ++d)
          arguments.push_back(const_cast<int64_t *>(&request.params[word++]));
      }
      CUresult result = driver.cuLaunchKernel(
          program->function(request.kernel), static_cast<unsigned>(blocks), 1,
          1, kernel.threads, 1, 1, kernel.dynamic_shared_bytes, stream,
          arguments.data(), nullptr);
      if (result == CUDA_SUCCESS && validate && !isCapturing())
        result = driver.cuStreamSynchronize(stream);
      if (result != CUDA_SUCCESS)
        return driver.status(result, "cuLaunchKernel",
                             std::string("kernel '") +
                                 module.kernels[request.kernel].name + "', " +
                                 gpu->place);
    }
    return timing ? nextEvent(event) : Status();
  });
}

Status CudaDevice::endRun() {
  running = nullptr;
  timing = false;
  eventsUsed = 0;
  return {};
}

Status CudaDevice::takeTimes(std::vector<LaunchTime> &times) {
  if (eventsUsed < 2)
    return {};
  return inContext([&]() -> Status {
    const CUevent last = events[eventsUsed - 1];
    if (Status failure =
            status(driver.cuEventSynchronize(last), "cuEventSynchronize");
        failure.failed())
      return failure;
    // The device's clock is tied to the host's at the end of the last launch.
    const uint64_t end = monotonicNanoseconds();
    for (size_t i = 0; i + 1 < eventsUsed; i += 2) {
      float beforeEnd = 0, duration = 0;
      if (Status failure =
              status(driver.cuEventElapsedTime(&beforeEnd, events[i], last),
                     "cuEventElapsedTime");
          failure.failed())
        return failure;
      if (Status failure = status(
              driver.cuEventElapsedTime(&duration, events[i], events[i + 1]),
              "cuEventElapsedTime");
          failure.failed())
        return failure;
      constexpr double nanoseconds = 1e6;
      times.push_back({end - static_cast<uint64_t>(beforeEnd * nanoseconds),
                       static_cast<uint64_t>(duration * nanoseconds), 1});
    }
    eventsUsed = 0;
    return {};
  });
}

Status CudaDevice::beginCapture() {
  return inContext([&] {
    // Other threads of the application do not disturb this capture, nor does
    // it disturb them.
    return status(driver.cuStreamBeginCapture(
                      stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
                  "cuStreamBeginCapture");
  });
}

Status CudaDevice::endCapture(std::unique_ptr<DeviceGraph> &result) {
  return inContext([&]() -> Status {
    CUgraph graph = nullptr;
    if (Status failure = status(driver.cuStreamEndCapture(stream, &graph),
                                "cuStreamEndCapture");
        failure.failed())
      return failure;
    CUgraphExec exec = nullptr;
    Status failure = status(driver.cuGraphInstantiate(&exec, graph, 0),
                            "cuGraphInstantiate");
    (void)driver.cuGraphDestroy(graph);
    if (!failure.failed())
      result = std::make_unique<CudaGraph>(gpu, exec);
    return failure;
  });
}

Status CudaDevice::launchGraph(DeviceGraph &graph) {
  return inContext([&] {
    return status(
        driver.cuGraphLaunch(static_cast<CudaGraph &>(graph).exec, stream),
        "cuGraphLaunch");
  });
}

Status CudaDevice::synchronize() {
  return inContext([&] {
    if (Status failure = refuseCapture("a stream in a capture cannot be waited "
                                       "for");
        failure.failed())
      return failure;
    return status(driver.cuStreamSynchronize(stream), "cuStreamSynchronize");
  });
}

void CudaDevice::close() {
  if (closed)
    return;
  closed = true;
  {
    CurrentContext current(driver, gpu->context);
    (void)driver.cuStreamSynchronize(stream);
    scratch.clear(*this);
    trim();
    staging.clear();
    for (CUevent event : events)
      (void)driver.cuEventDestroy(event);
    events.clear();
    if (ownStream)
      (void)driver.cuStreamDestroy(stream);
  }
  program.reset();
  gpu->purge();
}

//===----------------------------------------------------------------------===//
// Making one
//===----------------------------------------------------------------------===//

Status createCudaDevice(const MercerContextOptions &options,
                        std::shared_ptr<Device> &device) {
  static constexpr char place[] = "mercer_context_create";
  std::shared_ptr<Gpu> gpu;
  if (Status failure = Gpu::get(options.device.id, gpu); failure.failed())
    return failure;
  const Driver &driver = gpu->driver;
  CurrentContext current(driver, gpu->context);
  if (Status failure = current.status(gpu->place); failure.failed())
    return failure;
  auto stream = static_cast<CUstream>(options.stream);
  if (stream) {
    CUcontext owner = nullptr;
    if (Status failure = driver.status(driver.cuStreamGetCtx(stream, &owner),
                                       "cuStreamGetCtx", place);
        failure.failed())
      return failure;
    if (owner != gpu->context)
      return {Code::InvalidArgument, place,
              "the stream belongs to another context than the primary one of " +
                  gpu->place};
  } else if (Status failure = driver.status(
                 driver.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING),
                 "cuStreamCreate", place);
             failure.failed()) {
    return failure;
  }
  device = std::make_shared<CudaDevice>(options, gpu, stream, !options.stream);
  return {};
}

void listCudaDevices(std::vector<std::string> &names) {
  const Driver *driver = nullptr;
  int count = 0;
  if (Driver::get(driver).failed() ||
      driver->cuDeviceGetCount(&count) != CUDA_SUCCESS)
    return;
  for (int i = 0; i < count; ++i) {
    CUdevice device;
    char name[256] = {};
    if (driver->cuDeviceGet(&device, i) == CUDA_SUCCESS)
      (void)driver->cuDeviceGetName(name, sizeof(name) - 1, device);
    names.push_back(name);
  }
}

} // namespace mercer::rt
