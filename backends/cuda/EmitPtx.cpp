//===- EmitPtx.cpp - NVVM dialect to PTX and machine code -----------------===//

#include "backends/cuda/CudaBackend.h"
#include "backends/cuda/Passes.h"
#include "backends/cuda/Ptxas.h"

#include "mlir/IR/Threading.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace mercer;

// LLVM names these in a header only where it was built for the target.
extern "C" {
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
}

void mercer::registerCudaTranslations(DialectRegistry &registry) {
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerGPUDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
}

/// An error about a whole module, without all of its code in the message.
static LogicalResult refuse(gpu::GPUModuleOp module, const Twine &message) {
  return emitError(module.getLoc(), message)
         << " in kernel " << module.getName();
}

static std::unique_ptr<llvm::TargetMachine>
createMachine(const TargetInfo &target) {
  // LLVM's registry is not safe to fill from several threads, and kernels
  // compile in parallel.
  static const bool registered = [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    return true;
  }();
  (void)registered;
  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string error;
  const llvm::Target *llvmTarget =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!llvmTarget)
    return nullptr;
  llvm::TargetOptions options;
  // Products and sums join only where the compiler says so, and the roundings
  // are spelled out, which keeps ptxas from joining them: expanded functions
  // carry rounding errors along.
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  return std::unique_ptr<llvm::TargetMachine>(llvmTarget->createTargetMachine(
      triple, target.cpu, target.features, options, std::nullopt, std::nullopt,
      llvm::CodeGenOptLevel::Aggressive));
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine,
                     unsigned optLevel) {
  // `distribute` decides what is unrolled; LLVM would change the register need
  // that it counted on.
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
  // Below level 1 private arrays would stay in memory.
  auto level = optLevel <= 1   ? llvm::OptimizationLevel::O1
               : optLevel == 2 ? llvm::OptimizationLevel::O2
                               : llvm::OptimizationLevel::O3;
  builder.buildPerModuleDefaultPipeline(level).run(module, modules);
}

namespace {
/// LLVM's own handler ends the process on an error.
struct Diagnostics : llvm::DiagnosticHandler {
  Diagnostics(std::string &errors) : errors(errors) {}
  bool handleDiagnostics(const llvm::DiagnosticInfo &info) override {
    if (info.getSeverity() == llvm::DS_Error) {
      llvm::raw_string_ostream stream(errors);
      llvm::DiagnosticPrinterRawOStream printer(stream);
      info.print(printer);
    }
    return true;
  }
  std::string &errors;
};
} // namespace

/// What PTX must not hold: a function that somebody else would have to define,
/// or an array that was to be in registers.
static LogicalResult checkPtx(gpu::GPUModuleOp module, StringRef ptx) {
  StringRef rest = ptx;
  while (!rest.empty()) {
    auto [line, next] = rest.split('\n');
    rest = next;
    StringRef text = line.trim();
    if (text.starts_with(".extern") && text.contains(".func")) {
      StringRef name = text.drop_front(text.find(".func") + 5).trim();
      if (name.starts_with("(")) // the returned value comes first
        name = name.drop_front(name.find(')') + 1).trim();
      name = name.take_until([](char c) { return c == '(' || c == ';'; });
      return refuse(module,
                    "[E3402] expects no functions of a library, got " + name);
    }
    if (text.starts_with(".local"))
      return refuse(module, "[E3403] expects private arrays with constant "
                            "indices, got one that stays in memory");
  }
  return success();
}

static int64_t integerAttr(Operation *op, StringRef name, int64_t otherwise) {
  auto attr = op->getAttrOfType<IntegerAttr>(name);
  return attr ? attr.getInt() : otherwise;
}

static CudaKernel describe(LLVM::LLVMFuncOp function, StringRef entry) {
  CudaKernel kernel;
  kernel.entry = entry.str();
  if (auto threads = function->getAttrOfType<DenseI32ArrayAttr>(
          NVVM::NVVMDialect::getReqntidAttrName()))
    kernel.threads = threads[0];
  kernel.subgroup = integerAttr(function, "mercer.subgroup", 32);
  kernel.sharedBytes = integerAttr(function, staticSharedAttrName(), 0);
  kernel.dynamicSharedBytes = integerAttr(function, dynamicSharedAttrName(), 0);
  if (auto params = function->getAttrOfType<ArrayAttr>(paramsAttrName())) {
    for (auto fields : params.getAsRange<DenseI64ArrayAttr>()) {
      MercerDeviceParam param = {};
      param.kind = fields[0];
      param.bytes = fields[1];
      param.written = fields[2];
      param.dims = fields[3];
      param.chunks = 1;
      param.elements = fields[4];
      kernel.params.push_back(param);
    }
  }
  return kernel;
}

/// The code of one gpu.module; `kernels` get its functions.
static FailureOr<CudaCode::Module>
emitModule(gpu::GPUModuleOp module, const TargetInfo &target,
           const CudaEmitOptions &options, std::vector<CudaKernel> &kernels) {
  std::string errors;
  llvm::LLVMContext context;
  context.setDiagnosticHandler(std::make_unique<Diagnostics>(errors));
  std::unique_ptr<llvm::Module> llvmModule =
      translateModuleToLLVMIR(module, context, module.getName());
  if (!llvmModule)
    return refuse(module, "[E3107] expects the LLVM dialect");
  // LLVM would only warn of a chip that it does not know.
  std::unique_ptr<llvm::TargetMachine> machine =
      failed(cudaTargetInfo(target.cpu)) ? nullptr : createMachine(target);
  if (!machine)
    return refuse(module, "[E3405] LLVM has no machine for chip " + target.cpu);
  llvmModule->setTargetTriple(machine->getTargetTriple());
  llvmModule->setDataLayout(machine->createDataLayout());
  SmallVector<std::pair<LLVM::LLVMFuncOp, llvm::Function *>> functions;
  for (auto function : module.getOps<LLVM::LLVMFuncOp>())
    if (function->hasAttr(paramsAttrName()))
      functions.push_back(
          {function, llvmModule->getFunction(function.getName())});
  optimize(*llvmModule, *machine, options.optLevel);

  CudaCode::Module code;
  code.name = module.getName().str();
  auto addKernels = [&] {
    for (auto [function, llvmFunction] : functions)
      kernels.push_back(describe(function, llvmFunction->getName()));
  };
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  if (options.output == CudaOutput::LLVM) {
    llvmModule->print(stream, nullptr);
    addKernels();
    code.bytes = std::string(bytes);
    return code;
  }
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr,
                                   llvm::CodeGenFileType::AssemblyFile))
    return refuse(module, "[E3405] LLVM cannot emit PTX");
  passes.run(*llvmModule);
  if (!errors.empty())
    return refuse(module, "[E3405] LLVM cannot emit PTX: " + errors);
  // Names that PTX does not allow have been changed by now.
  addKernels();
  // What test/cuda/check_ptx.py compares with what ptxas finds.
  for (const CudaKernel &kernel : kernels)
    stream << "// mercer.kernel " << kernel.entry << " threads "
           << kernel.threads << " shared " << kernel.sharedBytes << " dynamic "
           << kernel.dynamicSharedBytes << "\n";
  if (failed(checkPtx(module, bytes)))
    return failure();
  code.bytes = std::string(bytes);
  code.format = MERCER_CODE_PTX;
  return code;
}

/// PTX of several modules as one: only the first header stays, as does one
/// declaration of the dynamic shared memory.
static std::string joinPtx(ArrayRef<CudaCode::Module> modules) {
  constexpr StringRef lastOfHeader = ".address_size 64\n";
  std::string all;
  for (const CudaCode::Module &module : modules) {
    StringRef text = module.bytes;
    if (!all.empty())
      text = text.substr(text.find(lastOfHeader) + lastOfHeader.size());
    for (StringRef line : llvm::split(text, '\n')) {
      if (line.starts_with(".extern .shared") &&
          StringRef(all).contains(line.str() + "\n"))
        continue;
      all += line.str() + "\n";
    }
  }
  return all;
}

FailureOr<CudaCode> mercer::emitCuda(ModuleOp module, const TargetInfo &target,
                                     const CudaEmitOptions &options) {
  SmallVector<gpu::GPUModuleOp> modules(module.getOps<gpu::GPUModuleOp>());
  CudaCode code;
  code.modules.resize(modules.size());
  std::vector<std::vector<CudaKernel>> kernels(modules.size());
  std::string ptxas;
  if (options.output == CudaOutput::Cubin)
    ptxas = options.ptxas.empty() ? findPtxas() : options.ptxas;
  auto assemble = [&](Location loc, CudaCode::Module &part) -> LogicalResult {
    if (ptxas.empty())
      return success();
    std::string error;
    std::optional<std::string> cubin =
        runPtxas(ptxas, target.cpu, part.bytes, error);
    if (!cubin)
      return emitError(loc, "[E3406] ") << error << " in " << part.name;
    part.bytes = std::move(*cubin);
    part.format = MERCER_CODE_CUBIN;
    return success();
  };
  auto emit = [&](size_t index) -> LogicalResult {
    FailureOr<CudaCode::Module> part =
        emitModule(modules[index], target, options, kernels[index]);
    if (failed(part) ||
        (!options.joined && failed(assemble(modules[index].getLoc(), *part))))
      return failure();
    code.modules[index] = std::move(*part);
    return success();
  };
  if (failed(failableParallelForEachN(module.getContext(), 0, modules.size(),
                                      emit)))
    return failure();
  for (auto [index, functions] : llvm::enumerate(kernels)) {
    for (CudaKernel &kernel : functions) {
      kernel.module = options.joined ? 0 : index;
      code.kernels.push_back(std::move(kernel));
    }
  }
  if (options.joined && !modules.empty()) {
    code.modules.front().bytes = joinPtx(code.modules);
    code.modules.resize(1);
    if (failed(assemble(module.getLoc(), code.modules.front())))
      return failure();
  }
  return code;
}
