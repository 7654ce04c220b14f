//===- NativeCode.cpp - a bufferized module as objects --------------------===//

#include "compiler/pipelines/NativeCode.h"

#include "backends/emulator/Emulator.h"
#include "compiler/pipelines/DeviceCode.h"
#include "compiler/pipelines/Manifest.h"
#include "passes/host/Passes.h"
#include "runtime/include/mercer/abi.h"

#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/IR/Threading.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"

#include <atomic>

using namespace mlir;
using namespace mercer;

namespace {

constexpr llvm::StringLiteral hostName = "host";

/// The constant data of `MercerModuleDesc` in the LLVM dialect.
class DescriptorBuilder {
public:
  DescriptorBuilder(ModuleOp host)
      : module(host), b(OpBuilder::atBlockEnd(host.getBody())),
        loc(host.getLoc()), pointer(LLVM::LLVMPointerType::get(b.getContext())),
        i32(b.getI32Type()), i64(b.getI64Type()) {}

  /// `device` is null where kernels are functions of the artifact itself;
  /// `takeError` names the function that tells errors of kernels, if any.
  void build(ArrayRef<CpuPhase> phases, ArrayRef<std::string> entries,
             StringRef manifest, const DeviceCode *device,
             StringRef takeError) {
    auto kernelType = LLVM::LLVMStructType::getLiteral(
        b.getContext(), {pointer, pointer, pointer, i64});
    auto kernels = array("mercer_kernels", kernelType, phases.size());
    fill(kernels, [&](Value value) {
      for (auto [i, phase] : llvm::enumerate(phases)) {
        value = insert(value, text(phase.name), {at(i), 0});
        value = insert(value, function(phase.grid), {at(i), 1});
        value =
            insert(value, device ? null() : function(phase.name), {at(i), 2});
        value = insert(value, integer(phase.scratchBytes), {at(i), 3});
      }
      return value;
    });
    auto entryType = LLVM::LLVMStructType::getLiteral(
        b.getContext(), {pointer, pointer, pointer});
    auto table = array("mercer_entries", entryType, entries.size());
    fill(table, [&](Value value) {
      for (auto [i, entry] : llvm::enumerate(entries)) {
        value = insert(value, text(entry), {at(i), 0});
        value = insert(value, function(entry), {at(i), 1});
        value = insert(value, function(entry + "_shapes"), {at(i), 2});
      }
      return value;
    });
    LLVM::GlobalOp manifestText = bytes("mercer_manifest", manifest);
    LLVM::GlobalOp deviceTable;
    if (device)
      deviceTable = deviceKernels(phases, *device);
    auto type = LLVM::LLVMStructType::getLiteral(
        b.getContext(), {i32, i32, i64, pointer, i64, pointer, i64, pointer,
                         i64, pointer, pointer});
    auto descriptor = LLVM::GlobalOp::create(
        b, loc, type, /*isConstant=*/true, LLVM::Linkage::External,
        MERCER_MODULE_SYMBOL, Attribute(), /*alignment=*/8);
    fill(descriptor, [&](Value value) {
      value = insert(value, integer32(MERCER_ABI_VERSION), {0});
      value = insert(value, integer32(sizeof(MercerModuleDesc)), {1});
      // The module id depends on the linked bytes: the writer fills it in.
      value = insert(value, integer(0), {2});
      value = insert(value, addressOf(manifestText), {3});
      value = insert(value, integer(manifest.size()), {4});
      value = insert(value, addressOf(kernels), {5});
      value = insert(value, integer(phases.size()), {6});
      value = insert(value, addressOf(table), {7});
      value = insert(value, integer(entries.size()), {8});
      value = insert(value, device ? addressOf(deviceTable) : null(), {9});
      return insert(value, takeError.empty() ? null() : function(takeError),
                    {10});
    });
  }

private:
  static int64_t at(size_t i) { return static_cast<int64_t>(i); }

  LLVM::GlobalOp array(StringRef name, Type element, size_t size) {
    return LLVM::GlobalOp::create(
        b, loc, LLVM::LLVMArrayType::get(element, size), /*isConstant=*/true,
        LLVM::Linkage::Internal, name, Attribute(), /*alignment=*/8);
  }

  LLVM::GlobalOp bytes(StringRef name, StringRef content,
                       unsigned alignment = 0) {
    return LLVM::GlobalOp::create(
        b, loc, LLVM::LLVMArrayType::get(b.getI8Type(), content.size()),
        /*isConstant=*/true, LLVM::Linkage::Internal, name,
        b.getStringAttr(content), alignment);
  }

  /// The array of MercerDeviceKernelDesc, with the code that it points to.
  LLVM::GlobalOp deviceKernels(ArrayRef<CpuPhase> phases,
                               const DeviceCode &device) {
    std::vector<LLVM::GlobalOp> code, params(phases.size());
    for (auto [i, unit] : llvm::enumerate(device.modules))
      // A driver reads PTX up to its end; SPIR-V is made of words.
      code.push_back(bytes(("mercer_code_" + Twine(i)).str(), unit.bytes + '\0',
                           /*alignment=*/16));
    Type i8 = b.getI8Type();
    auto paramType = LLVM::LLVMStructType::getLiteral(
        b.getContext(), {i8, i8, i8, i8, i32, i64});
    auto byte = [&](uint8_t value) -> Value {
      return LLVM::ConstantOp::create(b, loc, i8, b.getI8IntegerAttr(value));
    };
    for (auto [i, phase] : llvm::enumerate(phases)) {
      const DeviceKernel &kernel = *device.find(phase.name);
      params[i] = array(("mercer_params_" + Twine(i)).str(), paramType,
                        kernel.params.size());
      fill(params[i], [&, &kernel = kernel](Value value) {
        for (auto [p, param] : llvm::enumerate(kernel.params)) {
          value = insert(value, byte(param.kind), {at(p), 0});
          value = insert(value, byte(param.bytes), {at(p), 1});
          value = insert(value, byte(param.written), {at(p), 2});
          value = insert(value, byte(param.dims), {at(p), 3});
          value = insert(value, integer32(param.chunks), {at(p), 4});
          value = insert(value, integer(param.elements), {at(p), 5});
        }
        return value;
      });
    }
    auto kernelType = LLVM::LLVMStructType::getLiteral(
        b.getContext(),
        {pointer, pointer, i64, i32, i32, i32, i32, pointer, i64, i32, i32});
    auto table = array("mercer_device_kernels", kernelType, phases.size());
    fill(table, [&](Value value) {
      for (auto [i, phase] : llvm::enumerate(phases)) {
        const DeviceKernel &kernel = *device.find(phase.name);
        const DeviceCode::Module &unit = device.modules[kernel.module];
        value = insert(value, text(kernel.entry), {at(i), 0});
        value = insert(value, addressOf(code[kernel.module]), {at(i), 1});
        value = insert(value, integer(unit.bytes.size()), {at(i), 2});
        value = insert(value, integer32(unit.format), {at(i), 3});
        value = insert(value, integer32(kernel.threads), {at(i), 4});
        value = insert(value, integer32(kernel.sharedBytes), {at(i), 5});
        value = insert(value, integer32(kernel.dynamicSharedBytes), {at(i), 6});
        value = insert(value, addressOf(params[i]), {at(i), 7});
        value = insert(value, integer(kernel.params.size()), {at(i), 8});
        value = insert(value, integer32(0), {at(i), 9});
        value = insert(value, integer32(kernel.subgroup), {at(i), 10});
      }
      return value;
    });
    return table;
  }

  /// The body of a global: emission goes into its initializer.
  void fill(LLVM::GlobalOp global, function_ref<Value(Value)> build) {
    OpBuilder::InsertionGuard guard(b);
    b.createBlock(&global.getInitializer());
    Value value = LLVM::UndefOp::create(b, loc, global.getGlobalType());
    LLVM::ReturnOp::create(b, loc, build(value));
  }

  Value insert(Value into, Value value, ArrayRef<int64_t> position) {
    return LLVM::InsertValueOp::create(b, loc, into, value, position);
  }
  Value integer(int64_t value) {
    return LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(value));
  }
  Value integer32(int32_t value) {
    return LLVM::ConstantOp::create(b, loc, i32, b.getI32IntegerAttr(value));
  }
  Value null() { return LLVM::ZeroOp::create(b, loc, pointer); }
  Value addressOf(LLVM::GlobalOp global) {
    return LLVM::AddressOfOp::create(b, loc, global);
  }

  Value text(StringRef content) {
    LLVM::GlobalOp global;
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(module.getBody());
      global = bytes(("mercer_text_" + Twine(numTexts++)).str(),
                     content.str() + '\0');
    }
    return addressOf(global);
  }

  /// Address of a function; of another object if it is not here.
  Value function(StringRef name) {
    if (!module.lookupSymbol(name)) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(module.getBody());
      LLVM::LLVMFuncOp::create(
          b, loc, name,
          LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                      {}));
    }
    return LLVM::AddressOfOp::create(b, loc, pointer, name);
  }

  ModuleOp module;
  OpBuilder b;
  Location loc;
  Type pointer, i32, i64;
  unsigned numTexts = 0;
};

/// From host programs on buffers to the LLVM dialect. Kernels are declarations
/// that `mercer-lower-host` reads.
LogicalResult lowerHostModule(ModuleOp host) {
  PassManager toTable(host.getContext());
  toTable.addPass(createLowerAffinePass());
  toTable.addPass(createSCFToControlFlowPass());
  toTable.addPass(createLowerHost());
  if (failed(toTable.run(host)))
    return failure();
  for (func::FuncOp function :
       llvm::make_early_inc_range(host.getOps<func::FuncOp>()))
    if (function->hasAttr(kernelAttrName()))
      function.erase();
  RewritePatternSet views(host.getContext());
  populateExpandContiguousPatterns(views);
  if (failed(applyPatternsGreedily(host, std::move(views))))
    return failure();
  PassManager toLLVM(host.getContext());
  toLLVM.addPass(memref::createExpandStridedMetadataPass());
  toLLVM.addPass(createLowerAffinePass());
  toLLVM.addPass(arith::createArithExpandOpsPass());
  toLLVM.addPass(createFinalizeMemRefToLLVMConversionPass());
  toLLVM.addPass(createConvertFuncToLLVMPass());
  toLLVM.addPass(createArithToLLVMConversionPass());
  // Sizes may come from floating-point arithmetic: Resize, Range.
  toLLVM.addPass(createConvertMathToLLVMPass());
  toLLVM.addPass(createConvertControlFlowToLLVMPass());
  toLLVM.addPass(createReconcileUnrealizedCastsPass());
  toLLVM.addPass(createCanonicalizerPass());
  toLLVM.addPass(createCSEPass());
  return toLLVM.run(host);
}

} // namespace

/// Kernels as functions of the artifact: a module of `container` for each.
static FailureOr<std::vector<CpuPhase>>
lowerKernels(ModuleOp container, ArrayRef<KernelEntry> table) {
  OpBuilder b = OpBuilder::atBlockEnd(container.getBody());
  SmallVector<ModuleOp> kernels;
  for (KernelEntry entry : table) {
    auto nested =
        ModuleOp::create(b, container.getLoc(), entry.function.getName());
    OpBuilder inside = OpBuilder::atBlockEnd(nested.getBody());
    auto function = cast<func::FuncOp>(inside.clone(*entry.function));
    function.setPublic();
    kernels.push_back(nested);
  }
  PassManager pm(container.getContext());
  buildCpuKernelPipeline(pm.nest<ModuleOp>());
  if (failed(pm.run(container)))
    return failure();
  std::vector<CpuPhase> phases;
  for (auto [nested, entry] : llvm::zip_equal(kernels, table)) {
    std::vector<CpuPhase> own = cpuPhases(nested);
    if (static_cast<int64_t>(own.size()) != entry.phases)
      return func::FuncOp(entry.function).emitError("[E3001] expects ")
             << entry.phases << " phases in machine code, got " << own.size();
    llvm::append_range(phases, own);
  }
  return phases;
}

/// For kernels on a device: the functions that count their tiles, in one module
/// of `container`.
static FailureOr<std::vector<CpuPhase>>
lowerGrids(ModuleOp container, ArrayRef<KernelEntry> table) {
  OpBuilder b = OpBuilder::atBlockEnd(container.getBody());
  auto nested = ModuleOp::create(b, container.getLoc(), "grids");
  OpBuilder inside = OpBuilder::atBlockEnd(nested.getBody());
  std::vector<CpuPhase> phases;
  for (KernelEntry entry : table) {
    std::string name = entry.function.getName().str();
    inside.clone(*entry.function);
    for (int64_t number = 0; number < entry.phases; ++number) {
      CpuPhase phase;
      phase.kernel = name;
      phase.name = name + "$" + std::to_string(number);
      phase.grid = phase.name + "_grid";
      phases.push_back(std::move(phase));
    }
  }
  PassManager pm(container.getContext());
  buildCpuGridPipeline(pm.nest<ModuleOp>());
  if (failed(pm.run(container)))
    return failure();
  return phases;
}

/// Kernels of a GPU as functions of the artifact that check every step.
static LogicalResult lowerEmulated(ModuleOp container, ModuleOp module) {
  OpBuilder b = OpBuilder::atBlockEnd(container.getBody());
  auto nested = ModuleOp::create(b, container.getLoc(), "emulated");
  nested->setAttr(TargetInfo::attrName(),
                  container->getAttr(TargetInfo::attrName()));
  OpBuilder inside = OpBuilder::atBlockEnd(nested.getBody());
  for (auto unit : module.getOps<gpu::GPUModuleOp>())
    inside.clone(*unit);
  return lowerToEmulator(nested);
}

FailureOr<OwningOpRef<ModuleOp>>
mercer::lowerToLLVMDialect(ModuleOp module, const NativeCodeOptions &options,
                           std::string &manifest) {
  Location loc = module.getLoc();
  OwningOpRef<ModuleOp> container = ModuleOp::create(loc);
  TargetInfo target = TargetInfo::get(module);
  TargetInfo native = target.isGpu() ? options.host : target;
  (*container)
      ->setAttr(TargetInfo::attrName(), native.toAttr(module.getContext()));
  OpBuilder b = OpBuilder::atBlockEnd(container->getBody());

  SmallVector<KernelEntry> table = kernelTable(module);
  FailureOr<std::vector<CpuPhase>> phases =
      target.isGpu() ? lowerGrids(*container, table)
                     : lowerKernels(*container, table);
  if (failed(phases))
    return failure();
  std::optional<DeviceCode> device;
  if (options.emulate) {
    if (failed(lowerEmulated(*container, module)))
      return failure();
  } else if (target.isGpu()) {
    FailureOr<DeviceCode> made =
        emitDeviceCode(module, target, options.optLevel, DeviceOutput::Binary);
    if (failed(made))
      return failure();
    device = std::move(*made);
    for (const CpuPhase &phase : *phases)
      if (!device->find(phase.name))
        return module.emitError("[E3001] no device code for kernel ")
               << phase.name;
  }
  ManifestBuilder manifestBuilder(module, options.packedBytes);
  for (const CpuPhase &phase : *phases)
    manifestBuilder.addKernel(phase.name, phase.kernel);

  auto host = ModuleOp::create(b, loc, hostName);
  std::vector<std::string> entries;
  for (Operation &op : *module.getBody()) {
    if (isa<ModuleOp, gpu::GPUModuleOp>(op))
      continue;
    auto function = dyn_cast<func::FuncOp>(op);
    OpBuilder inside = OpBuilder::atBlockEnd(host.getBody());
    if (function && function->hasAttr(kernelAttrName())) {
      // Of a kernel only its signature and number of phases matter here.
      auto known = cast<func::FuncOp>(inside.cloneWithoutRegions(op));
      known->setAttr(phasesAttrName(),
                     b.getI64IntegerAttr(countPhases(function)));
      continue;
    }
    inside.clone(op);
    if (function && isEntryPoint(function))
      entries.push_back(function.getName().str());
  }
  if (failed(lowerHostModule(host)))
    return failure();
  manifestBuilder.addSites(host->getAttrOfType<ArrayAttr>(sitesAttrName()),
                           [&](StringRef name) {
                             for (KernelEntry &entry : table)
                               if (entry.function.getName() == name)
                                 return entry.firstIndex;
                             return int64_t(-1);
                           });
  manifest = manifestBuilder.print(
      options.model, options.emulate ? native : target, native,
      device ? ArrayRef<std::string>(device->features)
             : ArrayRef<std::string>());
  DescriptorBuilder(host).build(*phases, entries, manifest,
                                device ? &*device : nullptr,
                                options.emulate ? emulatorTakeErrorName : "");
  return container;
}

FailureOr<std::vector<NativeCode::File>>
mercer::emitNativeCode(ModuleOp container, const NativeCodeOptions &options) {
  TargetInfo target = TargetInfo::get(container);
  SmallVector<ModuleOp> modules(container.getOps<ModuleOp>());
  std::vector<NativeCode::File> files(modules.size());
  std::atomic<size_t> done{0};
  CpuEmitOptions emitOptions;
  emitOptions.optLevel = options.optLevel;
  emitOptions.output = options.output;
  auto emit = [&](size_t index) -> LogicalResult {
    ModuleOp module = modules[index];
    FailureOr<std::string> bytes = emitCpu(module, target, emitOptions);
    if (failed(bytes))
      return failure();
    files[index] = {module.getName().value_or("").str(), std::move(*bytes)};
    if (options.progress)
      options.progress(++done, modules.size());
    return success();
  };
  if (failed(failableParallelForEachN(container.getContext(), 0, modules.size(),
                                      emit)))
    return failure();
  if (options.emulate && options.output == CpuOutput::Object)
    files.push_back({"emulator", emulatorRuntimeObject().str()});
  return files;
}
