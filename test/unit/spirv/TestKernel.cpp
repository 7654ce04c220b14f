//===- TestKernel.cpp - kernels written as text for tests -----------------===//

#include "TestKernel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SPIRV/IR/SPIRVDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>
#include <random>

using namespace mlir;
using namespace mercer;

uint64_t mercer::test::testSeed() {
  static uint64_t seed = [] {
    const char *given = std::getenv("MERCER_TEST_SEED");
    uint64_t value =
        given ? std::strtoull(given, nullptr, 10) : std::random_device()();
    llvm::outs() << "MERCER_TEST_SEED=" << value << "\n";
    llvm::outs().flush();
    return value;
  }();
  return seed;
}

std::string mercer::test::globalBuffer(const std::string &type) {
  return "memref<?x" + type + ", #gpu.address_space<global>>";
}

SpirvKernel mercer::test::compileKernel(const std::string &function,
                                        std::string &errors,
                                        const std::string &chip) {
  static MLIRContext *context = [] {
    DialectRegistry registry;
    registry.insert<arith::ArithDialect, gpu::GPUDialect, LLVM::LLVMDialect,
                    math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                    spirv::SPIRVDialect, vector::VectorDialect>();
    auto *made = new MLIRContext(registry, MLIRContext::Threading::DISABLED);
    made->loadAllAvailableDialects();
    return made;
  }();
  errors.clear();
  ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
    errors += diagnostic.str() + "\n";
    return success();
  });
  FailureOr<TargetInfo> target = spirvTargetInfo(chip);
  if (failed(target)) {
    errors = "no such chip";
    return {};
  }
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(
      "gpu.module @m {\n" + function + "\n}\n", context);
  if (!module)
    return {};
  (*module)->setAttr(TargetInfo::attrName(), target->toAttr(context));
  PassManager pm(context);
  buildSpirvKernelPipeline(pm);
  if (failed(pm.run(*module)))
    return {};
  SpirvKernel result;
  module->walk([&](gpu::GPUFuncOp kernel) {
    FailureOr<SpirvKernel> emitted = emitSpirv(kernel, *target);
    if (succeeded(emitted))
      result = std::move(*emitted);
  });
  return result;
}
