//===- EmitObject.cpp - LLVM dialect to machine code ----------------------===//

#include "backends/cpu/CpuBackend.h"

#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace mercer;

std::unique_ptr<llvm::TargetMachine>
mercer::createCpuTargetMachine(const TargetInfo &target, unsigned optLevel) {
  // LLVM's registry is not safe to fill from several threads, and kernels
  // compile in parallel.
  static const bool registered = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    return true;
  }();
  (void)registered;
  llvm::Triple triple("x86_64-unknown-linux-gnu");
  std::string error;
  const llvm::Target *llvmTarget =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!llvmTarget)
    return nullptr;
  llvm::TargetOptions options;
  // Products and sums join only where the compiler says so: results must not
  // depend on what the code generator sees side by side.
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  // The base CPU plus the named features: a CPU name would bring features that
  // the machine at hand may have switched off.
  auto level = optLevel <= 1   ? llvm::CodeGenOptLevel::Less
               : optLevel == 2 ? llvm::CodeGenOptLevel::Default
                               : llvm::CodeGenOptLevel::Aggressive;
  return std::unique_ptr<llvm::TargetMachine>(llvmTarget->createTargetMachine(
      triple, "x86-64", target.features, options, llvm::Reloc::PIC_,
      std::nullopt, level));
}

void mercer::optimizeForCpu(llvm::Module &module, llvm::TargetMachine &machine,
                            const TargetInfo &target, unsigned optLevel) {
  module.setTargetTriple(machine.getTargetTriple());
  module.setDataLayout(machine.createDataLayout());
  std::string width = std::to_string(target.vectorBits);
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", "x86-64");
    function.addFnAttr("target-features", target.features);
    function.addFnAttr("tune-cpu", target.cpu);
    function.addFnAttr("prefer-vector-width", width);
    function.addFnAttr("min-legal-vector-width", width);
    function.addFnAttr(llvm::Attribute::NoUnwind);
  }
  // The code is vectorised and unrolled already.
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  tuning.LoopUnrolling = false;
  tuning.LoopInterleaving = false;
  llvm::PassBuilder builder(&machine, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager calls;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(calls);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, calls, modules);
  auto level = optLevel <= 1   ? llvm::OptimizationLevel::O1
               : optLevel == 2 ? llvm::OptimizationLevel::O2
                               : llvm::OptimizationLevel::O3;
  builder.buildPerModuleDefaultPipeline(level).run(module, modules);
}

void mercer::registerCpuTranslations(DialectRegistry &registry) {
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

FailureOr<std::string> mercer::emitCpu(ModuleOp module,
                                       const TargetInfo &target,
                                       const CpuEmitOptions &options) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> llvmModule =
      translateModuleToLLVMIR(module, context, "mercer");
  if (!llvmModule) {
    module.emitError("[E3107] expects a module in the LLVM dialect");
    return failure();
  }
  std::unique_ptr<llvm::TargetMachine> machine =
      createCpuTargetMachine(target, options.optLevel);
  if (!machine) {
    module.emitError("[E3108] LLVM has no machine for CPU ") << target.cpu;
    return failure();
  }
  optimizeForCpu(*llvmModule, *machine, target, options.optLevel);
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  if (options.output == CpuOutput::LLVM) {
    llvmModule->print(stream, nullptr);
    return std::string(bytes);
  }
  llvm::legacy::PassManager passes;
  auto type = options.output == CpuOutput::Object
                  ? llvm::CodeGenFileType::ObjectFile
                  : llvm::CodeGenFileType::AssemblyFile;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, type)) {
    module.emitError("[E3108] LLVM cannot emit this kind of file");
    return failure();
  }
  passes.run(*llvmModule);
  return std::string(bytes);
}
