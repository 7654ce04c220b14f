//===- ConstantProgram.cpp - runs constant expressions at compile time ----===//

#include "compiler/session/ConstantProgram.h"

#include "compiler/artifact/CodedError.h"
#include "passes/host/Passes.h"
#include "runtime/include/mercer/abi.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/Parallel.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace mlir;
using namespace mercer;

namespace {

constexpr size_t alignment = 64;

void *allocate(int64_t bytes) {
  size_t size = llvm::alignTo(std::max<int64_t>(bytes, 1), alignment);
  return std::aligned_alloc(alignment, size);
}

/// What the program sees as its runtime.
struct Run {
  const MercerModuleDesc *module = nullptr;
  ArrayRef<int64_t> resultBytes;
  std::vector<void *> results;
  std::vector<void *> temporaries;
  std::string message;

  ~Run() {
    for (void *memory : temporaries)
      std::free(memory);
  }
};

Run &run(void *context) { return *static_cast<Run *>(context); }

void *getOutput(void *context, uint32_t index, uint32_t, const int64_t *) {
  return run(context).results[index] =
             allocate(run(context).resultBytes[index]);
}

void *getTemporary(void *context, int64_t bytes) {
  void *memory = allocate(bytes);
  run(context).temporaries.push_back(memory);
  return memory;
}

void freeTemporary(void *, void *) {}

int32_t launch(void *context, uint32_t kernel, uint32_t,
               const int64_t *params) {
  const MercerKernelDesc &desc = run(context).module->kernels[kernel];
  int64_t tiles = desc.grid(params);
  if (tiles <= 0)
    return 0;
  // Packing is bound by memory: a few chunks a core are enough.
  int64_t chunks =
      std::min<int64_t>(tiles, 4 * llvm::parallel::getThreadCount());
  std::atomic<bool> failed{false};
  llvm::parallelFor(0, chunks, [&](size_t chunk) {
    void *scratch = desc.scratch_bytes ? allocate(desc.scratch_bytes) : nullptr;
    if (desc.scratch_bytes && !scratch) {
      failed = true;
      return;
    }
    desc.run(params, tiles * chunk / chunks, tiles * (chunk + 1) / chunks,
             scratch);
    std::free(scratch);
  });
  return failed ? 4001 : 0;
}

int32_t copyBytes(void *, void *to, const void *from, int64_t bytes) {
  std::memcpy(to, from, bytes);
  return 0;
}

int32_t writeScalar(void *, void *to, int64_t bits, int64_t bytes) {
  // The machine is little-endian: the low bytes come first.
  std::memcpy(to, &bits, bytes);
  return 0;
}

const void *readBytes(void *, const void *memory, int64_t) { return memory; }

void *noState(void *, uint32_t, uint32_t, int64_t *, int64_t *) {
  return nullptr;
}

int32_t noStateLength(void *, uint32_t, int64_t) { return 4004; }

int32_t reportError(void *context, int32_t code, const char *message) {
  run(context).message = message ? message : "";
  return code ? code : 4003;
}

} // namespace

ConstantResults::~ConstantResults() {
  for (Buffer &buffer : buffers)
    std::free(buffer.data);
}

StringRef ConstantResults::operator[](size_t index) const {
  return StringRef(static_cast<const char *>(buffers[index].data),
                   buffers[index].size);
}

llvm::Expected<std::vector<StringRef>>
mercer::collectSlots(ModuleOp module, WeightFiles &files,
                     const ConstantResults *results) {
  std::vector<StringRef> slots;
  auto list = module->getAttrOfType<ArrayAttr>(constantsAttrName());
  if (!list)
    return slots;
  for (Attribute attr : list) {
    auto slot = cast<DictionaryAttr>(attr);
    auto integer = [&](StringRef name) {
      return slot.getAs<IntegerAttr>(name).getInt();
    };
    if (slot.contains("precomputed")) {
      size_t index = integer("precomputed");
      if (!results || index >= results->size())
        return makeError(3001,
                         "constant result " + Twine(index) + " does not exist");
      slots.push_back((*results)[index]);
      continue;
    }
    llvm::Expected<StringRef> bytes =
        slot.contains("file")
            ? files.bytes(slot.getAs<StringAttr>("file").getValue(),
                          integer("offset"), integer("length"))
            : files.bytes(slot.getAs<ElementsAttr>("value"));
    if (!bytes)
      return bytes.takeError();
    slots.push_back(*bytes);
  }
  return slots;
}

llvm::Expected<std::unique_ptr<ConstantResults>>
mercer::runConstantProgram(StringRef elf, ArrayRef<StringRef> slots,
                           ArrayRef<int64_t> resultBytes) {
  // A file without a name: the loader wants a path, the disk stays clean.
  int fd = ::memfd_create("mercer-constants", MFD_CLOEXEC);
  if (fd < 0)
    return makeError(4301, "cannot make a file in memory");
  llvm::scope_exit close([&] { ::close(fd); });
  for (StringRef rest = elf; !rest.empty();) {
    ssize_t done = ::write(fd, rest.data(), rest.size());
    if (done <= 0)
      return makeError(4301, "cannot write a file in memory");
    rest = rest.drop_front(done);
  }
  std::string path = "/proc/self/fd/" + std::to_string(fd);
  void *library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return makeError(3001,
                     Twine("cannot load the constant program: ") + ::dlerror());
  llvm::scope_exit unload([&] { ::dlclose(library); });
  auto *desc = static_cast<const MercerModuleDesc *>(
      ::dlsym(library, MERCER_MODULE_SYMBOL));
  if (!desc || desc->entry_count != 1)
    return makeError(3001, "the constant program has no entry point");

  std::vector<const void *> table;
  for (StringRef slot : slots)
    table.push_back(slot.data());

  MercerRuntimeTable runtime{};
  runtime.abi_version = MERCER_ABI_VERSION;
  runtime.struct_size = sizeof(runtime);
  runtime.output = getOutput;
  runtime.arena = getTemporary;
  runtime.alloc = getTemporary;
  runtime.free = freeTemporary;
  runtime.launch = launch;
  runtime.copy = copyBytes;
  runtime.read = readBytes;
  runtime.state = noState;
  runtime.set_state_length = noStateLength;
  runtime.error = reportError;
  runtime.write = writeScalar;

  Run state;
  state.module = desc;
  state.resultBytes = resultBytes;
  state.results.assign(resultBytes.size(), nullptr);
  int64_t noArguments = 0;
  int32_t code =
      desc->entries[0].run(&runtime, &state, table.data(), &noArguments);
  auto results = std::make_unique<ConstantResults>();
  for (size_t i = 0; i < state.results.size(); ++i)
    results->buffers.push_back(
        {state.results[i], static_cast<size_t>(resultBytes[i])});
  if (code != 0)
    return makeError(code, "the constant program failed: " + state.message);
  for (void *result : state.results)
    if (!result)
      return makeError(3001, "the constant program left a result out");
  return results;
}
