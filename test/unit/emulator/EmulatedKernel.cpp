//===- EmulatedKernel.cpp - compiles and emulates GPU kernels -------------===//

#include "test/unit/emulator/EmulatedKernel.h"

#include "backends/cpu/CpuBackend.h"
#include "backends/emulator/Emulator.h"
#include "compiler/artifact/Linker.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <thread>

using namespace mlir;
using namespace mercer::test;

/// Exported in place of the module descriptor, which holds it in an artifact.
static const char *const takeErrorText = R"(
  llvm.func @mercer_emu_take_error(!llvm.ptr, !llvm.ptr, i64) -> i32
  llvm.func @take_error(%p: !llvm.ptr, %m: !llvm.ptr, %n: i64) -> i32 {
    %0 = llvm.call @mercer_emu_take_error(%p, %m, %n) : (!llvm.ptr, !llvm.ptr, i64) -> i32
    llvm.return %0 : i32
  }
)";

std::unique_ptr<EmulatedKernel> EmulatedKernel::create(const std::string &text,
                                                       std::string &error) {
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registerCpuTranslations(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    error += diagnostic.str() + "\n";
    return success();
  });
  FailureOr<TargetInfo> target = cpuTargetInfo("native");
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(
      text, ParserConfig(&context), /*sourceName=*/"kernel.mlir");
  OwningOpRef<ModuleOp> exported =
      parseSourceString<ModuleOp>(takeErrorText, &context);
  if (failed(target) || !module || !exported)
    return nullptr;
  module->getOperation()->setAttr(TargetInfo::attrName(),
                                  target->toAttr(&context));
  if (failed(lowerToEmulator(*module)))
    return nullptr;
  FailureOr<std::string> object = emitCpu(*module, *target);
  FailureOr<std::string> exportedObject = emitCpu(*exported, *target);
  if (failed(object) || failed(exportedObject))
    return nullptr;
  auto linked = linkSharedObject(
      {*object, *exportedObject, emulatorRuntimeObject()}, "k$0; take_error");
  if (!linked) {
    error += llvm::toString(linked.takeError());
    return nullptr;
  }
  llvm::SmallString<128> path;
  int file;
  if (llvm::sys::fs::createTemporaryFile("emulated", "so", file, path)) {
    error += "no temporary file";
    return nullptr;
  }
  llvm::raw_fd_ostream(file, /*shouldClose=*/true) << *linked;
  auto kernel = std::make_unique<EmulatedKernel>();
  kernel->library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  // Kept for a profiler or a disassembler.
  if (!std::getenv("MERCER_KEEP_EMULATED"))
    (void)llvm::sys::fs::remove(path);
  if (!kernel->library) {
    error += dlerror();
    return nullptr;
  }
  kernel->kernel =
      reinterpret_cast<decltype(kernel->kernel)>(dlsym(kernel->library, "k$0"));
  kernel->takeError = reinterpret_cast<decltype(kernel->takeError)>(
      dlsym(kernel->library, "take_error"));
  if (!kernel->kernel || !kernel->takeError) {
    error += "a symbol is missing";
    return nullptr;
  }
  return kernel;
}

EmulatedKernel::~EmulatedKernel() {
  if (library)
    dlclose(library);
}

EmulatedError EmulatedKernel::run(const Words &words, int64_t tiles,
                                  int64_t pieces, bool threads) {
  const int64_t *params = words.words.data();
  std::vector<std::thread> running;
  for (int64_t piece = pieces; piece-- > 0;) {
    int64_t begin = tiles * piece / pieces, end = tiles * (piece + 1) / pieces;
    if (threads)
      running.emplace_back([=] { kernel(params, begin, end, nullptr); });
    else
      kernel(params, begin, end, nullptr);
  }
  for (std::thread &thread : running)
    thread.join();
  char message[1024] = "";
  EmulatedError error;
  error.code = takeError(params, message, sizeof(message));
  error.message = message;
  // It is told once.
  EXPECT_EQ(takeError(params, message, sizeof(message)), 0);
  return error;
}

std::string mercer::test::kernelText(const std::string &arguments,
                                     const std::string &shared, int threads,
                                     const std::string &body,
                                     const std::string &attributes,
                                     int subgroup) {
  return R"(
#global = #gpu.address_space<global>
#shared = #gpu.address_space<workgroup>
#private = #gpu.address_space<private>
module {
  gpu.module @k {
    gpu.func @k$0(%tiles: index)" +
         (arguments.empty() ? "" : ", " + arguments) + ")" +
         (shared.empty() ? "" : " workgroup(" + shared + ")") +
         " kernel attributes {known_block_size = array<i32: " +
         std::to_string(threads) +
         ", 1, 1>, mercer.subgroup = " + std::to_string(subgroup) + " : i64" +
         (attributes.empty() ? "" : ", " + attributes) + R"(} {
      %lane = gpu.thread_id x
      %block = gpu.block_id x
      %grid = gpu.grid_dim x
      scf.for %t = %block to %tiles step %grid {
)" + body +
         R"(
      }
      gpu.return
    }
  }
}
)";
}

std::unique_ptr<EmulatedKernel>
mercer::test::compileKernel(const std::string &text) {
  std::string error;
  auto kernel = EmulatedKernel::create(text, error);
  EXPECT_TRUE(kernel) << error << text;
  return kernel;
}
