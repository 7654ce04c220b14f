//===- KernelRunner.cpp - compiles and runs kernels in process ------------===//

#include "test/unit/cpu/KernelRunner.h"

#include "backends/cpu/Passes.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"

#include <chrono>
#include <cstdlib>

using namespace mlir;
using namespace mercer::test;

std::unique_ptr<KernelRunner> KernelRunner::create(const std::string &text,
                                                   const std::string &cpu,
                                                   std::string &error) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registerCpuTranslations(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    error += diagnostic.str() + "\n";
    return success();
  });
  FailureOr<TargetInfo> target = cpuTargetInfo(cpu);
  if (failed(target)) {
    error = "unknown CPU " + cpu;
    return nullptr;
  }
  auto begin = std::chrono::steady_clock::now();
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  if (!module)
    return nullptr;
  module->getOperation()->setAttr(TargetInfo::attrName(),
                                  target->toAttr(&context));
  PassManager pm(&context);
  buildCpuKernelPipeline(pm);
  if (failed(pm.run(*module)))
    return nullptr;
  std::vector<CpuPhase> phases = cpuPhases(*module);
  FailureOr<std::string> object = emitCpu(*module, *target);
  if (failed(object))
    return nullptr;
  auto runner = std::make_unique<KernelRunner>();
  runner->compileMilliseconds = std::chrono::duration<double, std::milli>(
                                    std::chrono::steady_clock::now() - begin)
                                    .count();
  runner->objectBytes = object->size();
  if (const char *path = std::getenv("MERCER_DUMP_OBJECT")) {
    if (FILE *file = fopen(path, "wb")) {
      fwrite(object->data(), 1, object->size(), file);
      fclose(file);
    }
  }

  // Nothing that a run-time library would have to supply.
  auto file = llvm::object::ObjectFile::createObjectFile(
      llvm::MemoryBufferRef(*object, "kernel.o"));
  if (!file) {
    error += llvm::toString(file.takeError());
    return nullptr;
  }
  for (const llvm::object::SymbolRef &symbol : (*file)->symbols()) {
    auto flags = symbol.getFlags();
    auto name = symbol.getName();
    if (!flags || !name || !(*flags & llvm::object::SymbolRef::SF_Undefined) ||
        name->empty() || *name == "memcpy" || *name == "memset" ||
        *name == "memmove")
      continue;
    error += "unresolved symbol " + name->str();
    return nullptr;
  }

  auto report = [&](llvm::Error e) {
    error += llvm::toString(std::move(e));
    return nullptr;
  };
  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit)
    return report(jit.takeError());
  runner->jit = std::move(*jit);
  auto symbols = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      runner->jit->getDataLayout().getGlobalPrefix());
  if (!symbols)
    return report(symbols.takeError());
  runner->jit->getMainJITDylib().addGenerator(std::move(*symbols));
  if (auto e = runner->jit->addObjectFile(
          llvm::MemoryBuffer::getMemBufferCopy(*object, "kernel.o")))
    return report(std::move(e));
  for (const CpuPhase &phase : phases) {
    auto grid = runner->jit->lookup(phase.grid);
    auto tiles = runner->jit->lookup(phase.name);
    if (!grid)
      return report(grid.takeError());
    if (!tiles)
      return report(tiles.takeError());
    Phase loaded;
    loaded.grid = grid->toPtr<int64_t (*)(const int64_t *)>();
    loaded.tiles =
        tiles->toPtr<void (*)(const int64_t *, int64_t, int64_t, void *)>();
    loaded.scratch.resize(phase.scratchBytes + 64);
    runner->phases.push_back(std::move(loaded));
  }
  return runner;
}

void KernelRunner::run(const Params &params, int64_t pieces) {
  const int64_t *words = params.words.data();
  for (Phase &phase : phases) {
    int64_t tiles = phase.grid(words);
    auto address = reinterpret_cast<uintptr_t>(phase.scratch.data());
    void *scratch = reinterpret_cast<void *>((address + 63) / 64 * 64);
    // Last range first: no order between tiles may matter.
    for (int64_t piece = pieces; piece-- > 0;)
      phase.tiles(words, tiles * piece / pieces, tiles * (piece + 1) / pieces,
                  scratch);
  }
}

std::vector<std::string> mercer::test::runnableLevels() {
  auto features = llvm::sys::getHostCPUFeatures();
  std::vector<std::string> levels;
  if (features["sse4.2"])
    levels.push_back("x86-64-v2");
  if (features["avx2"] && features["fma"])
    levels.push_back("x86-64-v3");
  if (features["avx512f"] && features["avx512bw"] && features["avx512vl"])
    levels.push_back("x86-64-v4");
  return levels;
}
