//===- Session.cpp - one compilation from file to file --------------------===//

#include "compiler/session/Session.h"

#include "backends/cpu/CpuBackend.h"
#include "backends/cuda/CudaBackend.h"
#include "compiler/artifact/Linker.h"
#include "compiler/artifact/Writer.h"
#include "compiler/frontend/onnx/Import.h"
#include "compiler/pipelines/DeviceCode.h"
#include "compiler/pipelines/NativeCode.h"
#include "compiler/pipelines/Pipelines.h"
#include "compiler/pipelines/RegisterAll.h"
#include "compiler/session/ConstantProgram.h"
#include "compiler/session/Explain.h"
#include "compiler/session/WeightFiles.h"
#include "dialects/mercer/IR/Mercer.h"
#include "passes/host/Passes.h"
#include "runtime/include/mercer/abi.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace mercer;

namespace {

/// "[E2003] text" to its number and text; 0 where there is none.
int takeCode(std::string &message) {
  StringRef text(message);
  int code = 0;
  if (!text.consume_front("[E") || text.consumeInteger(10, code) ||
      !text.consume_front("] "))
    return 0;
  message = text.str();
  return code;
}

/// The innermost thing that a person can find: a node's name, a file's line.
std::string describe(Location loc) {
  if (auto name = dyn_cast<NameLoc>(loc)) {
    std::string inner = describe(name.getChildLoc());
    return inner.empty() ? name.getName().str()
                         : inner + ": " + name.getName().str();
  }
  if (auto file = dyn_cast<FileLineColLoc>(loc))
    return (file.getFilename().getValue() + ":" + Twine(file.getLine())).str();
  if (auto fused = dyn_cast<FusedLoc>(loc))
    for (Location part : fused.getLocations()) {
      std::string text = describe(part);
      if (!text.empty())
        return text;
    }
  if (auto call = dyn_cast<CallSiteLoc>(loc))
    return describe(call.getCallee());
  return {};
}

class Compilation {
public:
  Compilation(StringRef input, StringRef output, const CompileOptions &options,
              const CompileCallbacks &callbacks)
      : input(input), output(output), options(options), callbacks(callbacks) {
    DialectRegistry registry;
    registerAllMercerDialects(registry);
    context.appendDialectRegistry(registry);
    context.getDiagEngine().registerHandler(
        [this](mlir::Diagnostic &diagnostic) { receive(diagnostic); });
  }

  llvm::Expected<CompileReport> run() {
    if (llvm::Error error = checkOptions())
      return std::move(error);
    if (llvm::Error error = load())
      return std::move(error);
    if (llvm::Error error = runStages())
      return std::move(error);
    if (lastStage() != Stage::Target || options.emit == Emit::MLIR) {
      if (llvm::Error error = writeModule())
        return std::move(error);
      return std::move(report);
    }
    if (llvm::Error error = emit())
      return std::move(error);
    return std::move(report);
  }

private:
  //===--------------------------------------------------------------------===//
  // Diagnostics
  //===--------------------------------------------------------------------===//

  void receive(mlir::Diagnostic &diagnostic) {
    mercer::Diagnostic ours;
    switch (diagnostic.getSeverity()) {
    case DiagnosticSeverity::Error:
      ours.severity = mercer::Diagnostic::Severity::Error;
      break;
    case DiagnosticSeverity::Warning:
      ours.severity = mercer::Diagnostic::Severity::Warning;
      break;
    case DiagnosticSeverity::Remark:
      ours.severity = mercer::Diagnostic::Severity::Remark;
      break;
    case DiagnosticSeverity::Note:
      ours.severity = mercer::Diagnostic::Severity::Note;
      break;
    }
    ours.message = diagnostic.str();
    ours.code = takeCode(ours.message);
    ours.place = describe(diagnostic.getLocation());
    if (ours.severity == mercer::Diagnostic::Severity::Error) {
      // A message of MLIR itself: the verifier or a conversion found IR that
      // the compiler should not have made.
      if (ours.code == 0)
        ours.code = parsing ? 2002 : 3001;
      if (firstCode == 0) {
        firstCode = ours.code;
        firstMessage = ours.message;
      }
    }
    if (callbacks.diagnostic)
      callbacks.diagnostic(ours);
  }

  /// The error for work that failed with diagnostics.
  llvm::Error failed(StringRef what) {
    if (firstCode == 0)
      return makeError(3001, what + " failed");
    return makeError(firstCode, firstMessage);
  }

  void progress(StringRef phase, double done) {
    if (callbacks.progress)
      callbacks.progress(phase, done);
  }

  //===--------------------------------------------------------------------===//
  // Stages
  //===--------------------------------------------------------------------===//

  Stage lastStage() const { return options.toStage.value_or(Stage::Target); }

  llvm::Error checkOptions() {
    bool gpu = options.target == "cuda" || options.target == "vulkan";
    if (!gpu && options.target != "cpu")
      return makeError(1005, "unknown target '" + options.target +
                                 "'; known: cpu, cuda, vulkan");
    if (!gpu && (!options.chip.empty() || options.emulate))
      return makeError(1005, "--chip and --emulate need a GPU target");
    if (options.precision != "ieee" && options.precision != "tf32")
      return makeError(1005, "unknown precision '" + options.precision +
                                 "'; known: ieee, tf32");
    if (options.precision == "tf32" && options.target != "cuda")
      return makeError(1005, "--precision=tf32 needs --target=cuda");
    StringRef cpu = options.cpu;
    if (cpu.empty())
      cpu = gpu && !options.emulate ? "x86-64-v2" : "native";
    FailureOr<TargetInfo> info = cpuTargetInfo(cpu);
    FailureOr<TargetInfo> native = cpuTargetInfo("native");
    if (mlir::failed(info) || mlir::failed(native))
      return makeError(1005, "unknown cpu '" + options.cpu +
                                 "'; known: native, x86-64-v2, x86-64-v3, "
                                 "x86-64-v4, sapphirerapids");
    target = hostProgram = *info;
    host = *native;
    if (gpu) {
      std::string known;
      FailureOr<TargetInfo> device =
          deviceTargetInfo(options.target, options.chip, known);
      if (mlir::failed(device))
        return makeError(1005, "unknown chip '" + options.chip +
                                   "'; known: " + known);
      target = *device;
    }
    bool ofKernels = options.emit == Emit::Spirv || options.emit == Emit::Ptx ||
                     options.emit == Emit::Cubin;
    if (ofKernels &&
        (options.emit == Emit::Spirv) != (options.target == "vulkan"))
      return makeError(1005, "--emit=spirv is for --target=vulkan, ptx and "
                             "cubin for --target=cuda");
    if (ofKernels && !gpu)
      return makeError(1005, "--emit=spirv, ptx and cubin need a GPU target");
    if (output == "-" &&
        (options.emit == Emit::SharedObject || options.emit == Emit::Object ||
         options.emit == Emit::Cubin) &&
        lastStage() == Stage::Target)
      return makeError(1005, "only text can be written to standard output");
    return llvm::Error::success();
  }

  llvm::Error load() {
    progress("import", 0);
    // Before anything else: a clear message beats a parser's.
    if (!llvm::sys::fs::exists(input))
      return makeError(2001, "cannot open " + input);
    parsing = true;
    if (StringRef(input).ends_with(".onnx")) {
      ImportOptions importOptions;
      importOptions.shapes = options.shapes;
      importOptions.outputs = options.outputs;
      FailureOr<OwningOpRef<ModuleOp>> imported =
          importOnnx(input, importOptions, &context);
      if (mlir::failed(imported))
        return failed("import");
      module = std::move(*imported);
      stage = Stage::Import;
      if (options.fromStage && *options.fromStage != Stage::Import)
        return makeError(1005, "an .onnx file is at stage import");
    } else if (StringRef(input).ends_with(".mlir")) {
      if (!options.shapes.empty() || !options.outputs.empty())
        return makeError(1005, "--shape and --outputs need an .onnx input");
      ParserConfig config(&context);
      module = parseSourceFile<ModuleOp>(input, config);
      if (!module)
        return failed("parsing");
      // What stage target writes is code: it can be looked at, not compiled on.
      if (llvm::all_of(module->getOps<func::FuncOp>(),
                       [](func::FuncOp f) { return f.isDeclaration(); }))
        return makeError(2002, input + " has no function of a model");
      stage = options.fromStage.value_or(guessStage(*module));
    } else {
      return makeError(1005, "expects an .onnx or .mlir file, got " + input);
    }
    parsing = false;
    if (lastStage() < stage)
      return makeError(1005, "the input is at stage " + stageName(stage) +
                                 ", behind " + stageName(lastStage()));
    if (!(*module)->hasAttr("mercer.folder")) {
      SmallString<128> folder(llvm::sys::path::parent_path(input));
      (void)llvm::sys::fs::make_absolute(folder);
      (*module)->setAttr("mercer.folder", StringAttr::get(&context, folder));
    }
    (*module)->setAttr(TargetInfo::attrName(), target.toAttr(&context));
    (*module)->setAttr("mercer.precision",
                       StringAttr::get(&context, options.precision));
    return dump();
  }

  llvm::Error runStages() {
    for (Stage next : allStages()) {
      if (next <= stage || next > lastStage() || next == Stage::Target)
        continue;
      progress(stageName(next), 0);
      if (ModuleOp constants = getConstantsModule(*module))
        constants->setAttr(TargetInfo::attrName(), host.toAttr(&context));
      if (mlir::failed(runStage(next, *module)))
        return failed(("stage " + stageName(next)).str());
      if (ModuleOp constants = getConstantsModule(*module))
        constants->setAttr(TargetInfo::attrName(), host.toAttr(&context));
      stage = next;
      if (options.explain && next == Stage::Tile)
        report.kernels = explainKernels(*module);
      if (llvm::Error error = dump())
        return error;
    }
    return llvm::Error::success();
  }

  std::string printModule(ModuleOp op) {
    std::string text;
    llvm::raw_string_ostream os(text);
    op.print(os, OpPrintingFlags().enableDebugInfo(true, false));
    os << "\n";
    return text;
  }

  llvm::Error dump() {
    if (options.dumpStages.empty())
      return llvm::Error::success();
    return dump(stage, *module);
  }

  llvm::Error dump(Stage which, ModuleOp op) {
    if (options.dumpStages.empty())
      return llvm::Error::success();
    if (std::error_code error =
            llvm::sys::fs::create_directories(options.dumpStages))
      return makeError(4301, "cannot make folder " + options.dumpStages + ": " +
                                 error.message());
    SmallString<128> path(options.dumpStages);
    llvm::sys::path::append(path, Twine(static_cast<int>(which)) + "-" +
                                      stageName(which) + ".mlir");
    std::string text = printModule(op);
    return writeFileAtomically(path, /*executable=*/false,
                               [&](auto append) { return append(text); });
  }

  llvm::Error writeText(StringRef text) {
    if (output == "-") {
      llvm::outs() << text;
      llvm::outs().flush();
      return llvm::Error::success();
    }
    report.bytesWritten = text.size();
    return writeFileAtomically(output, /*executable=*/false,
                               [&](auto append) { return append(text); });
  }

  llvm::Error writeModule() { return writeText(printModule(*module)); }

  //===--------------------------------------------------------------------===//
  // Target
  //===--------------------------------------------------------------------===//

  NativeCodeOptions nativeOptions(StringRef phase) {
    NativeCodeOptions native;
    native.optLevel = options.optLevel;
    native.host = hostProgram;
    // Constants are computed by this machine as it is.
    native.emulate = options.emulate && phase == "kernels";
    if (auto name = (*module)->getAttrOfType<StringAttr>("mercer.model"))
      native.model = llvm::sys::path::filename(name.getValue()).str();
    else
      native.model = llvm::sys::path::filename(input).str();
    if (callbacks.progress)
      native.progress = [this, phase = phase.str()](size_t done, size_t total) {
        callbacks.progress(phase, static_cast<double>(done) / total);
      };
    return native;
  }

  /// Code of the kernels alone.
  llvm::Error emitDevice() {
    DeviceOutput kind = options.emit == Emit::Spirv ? DeviceOutput::Spirv
                        : options.emit == Emit::Ptx ? DeviceOutput::Ptx
                                                    : DeviceOutput::Cubin;
    if (kind == DeviceOutput::Cubin && findPtxas().empty())
      return makeError(1005, "--emit=cubin needs a ptxas: set CUDA_HOME or "
                             "MERCER_PTXAS, or use --emit=ptx");
    FailureOr<DeviceCode> code =
        emitDeviceCode(*module, target, options.optLevel, kind);
    if (mlir::failed(code))
      return failed("stage target");
    std::string all;
    for (const DeviceCode::Module &unit : code->modules)
      all += unit.bytes;
    return writeText(all);
  }

  llvm::Error emit() {
    if (options.emit == Emit::Spirv || options.emit == Emit::Ptx ||
        options.emit == Emit::Cubin)
      return emitDevice();
    // The constant program leaves the module: what follows is the artifact's
    // own code.
    OwningOpRef<ModuleOp> constants;
    if (ModuleOp nested = getConstantsModule(*module)) {
      nested->remove();
      constants = nested;
    }
    NativeCodeOptions native = nativeOptions("kernels");
    if (options.emit == Emit::LLVM)
      native.output = CpuOutput::LLVM;
    if (options.emit == Emit::Assembly)
      native.output = CpuOutput::Assembly;
    native.packedBytes = constants ? resultBytes(*constants) : 0;
    report.packedBytes = native.packedBytes;
    progress("target", 0);
    FailureOr<std::vector<NativeCode::File>> files =
        lowerAndEmit(*module, native, /*dumpIt=*/true);
    if (mlir::failed(files))
      return failed("stage target");
    if (options.emit == Emit::LLVM || options.emit == Emit::Assembly) {
      std::string text;
      for (const NativeCode::File &file : *files)
        text += (options.emit == Emit::LLVM ? "; ---- " : "# ---- ") +
                file.name + "\n" + file.bytes;
      return writeText(text);
    }
    std::vector<StringRef> objects;
    for (const NativeCode::File &file : *files)
      objects.push_back(file.bytes);
    if (options.emit == Emit::Object) {
      llvm::Expected<std::string> object = linkRelocatable(objects);
      if (!object)
        return object.takeError();
      report.bytesWritten = object->size();
      return writeFileAtomically(output, /*executable=*/false,
                                 [&](auto append) { return append(*object); });
    }
    progress("link", 0);
    llvm::Expected<std::string> elf =
        linkSharedObject(objects, MERCER_MODULE_SYMBOL);
    if (!elf)
      return elf.takeError();
    return writeWithConstants(std::move(*elf),
                              constants ? *constants : ModuleOp());
  }

  FailureOr<std::vector<NativeCode::File>>
  lowerAndEmit(ModuleOp op, const NativeCodeOptions &native, bool dumpIt) {
    std::string manifest;
    FailureOr<OwningOpRef<ModuleOp>> container =
        lowerToLLVMDialect(op, native, manifest);
    if (mlir::failed(container))
      return failure();
    if (dumpIt)
      if (llvm::Error error = dump(Stage::Target, **container))
        return emitError(UnknownLoc::get(&context), toString(std::move(error))),
               failure();
    return emitNativeCode(**container, native);
  }

  static int64_t resultBytes(ModuleOp constants) {
    int64_t total = 0;
    for (int64_t bytes : resultSizes(constants))
      total += bytes;
    return total;
  }

  /// Bytes of every result of the constant program.
  static std::vector<int64_t> resultSizes(ModuleOp constants) {
    std::vector<int64_t> sizes;
    constants.walk([&](OutputOp op) {
      auto type = cast<MemRefType>(op.getType());
      Type element = type.getElementType();
      int64_t bytes =
          element.isIndex()
              ? 8
              : llvm::divideCeil(element.getIntOrFloatBitWidth(), 8);
      if (sizes.size() <= op.getIndex())
        sizes.resize(op.getIndex() + 1);
      sizes[op.getIndex()] = type.getNumElements() * bytes;
    });
    return sizes;
  }

  llvm::Error writeWithConstants(std::string elf, ModuleOp constants) {
    WeightFiles files(
        (*module)->getAttrOfType<StringAttr>("mercer.folder").getValue().str());
    std::unique_ptr<ConstantResults> results;
    if (constants) {
      progress("constants", 0);
      FailureOr<std::vector<NativeCode::File>> objects =
          lowerAndEmit(constants, nativeOptions("constants"), false);
      if (mlir::failed(objects))
        return failed("the constant program");
      std::vector<StringRef> bytes;
      for (const NativeCode::File &file : *objects)
        bytes.push_back(file.bytes);
      llvm::Expected<std::string> program =
          linkSharedObject(bytes, MERCER_MODULE_SYMBOL);
      if (!program)
        return program.takeError();
      llvm::Expected<std::vector<StringRef>> slots =
          collectSlots(constants, files, nullptr);
      if (!slots)
        return slots.takeError();
      llvm::Expected<std::unique_ptr<ConstantResults>> made =
          runConstantProgram(*program, *slots, resultSizes(constants));
      if (!made)
        return made.takeError();
      results = std::move(*made);
    }
    llvm::Expected<std::vector<StringRef>> slots =
        collectSlots(*module, files, results.get());
    if (!slots)
      return slots.takeError();
    llvm::Expected<ArtifactSizes> sizes =
        writeArtifact(output, std::move(elf), *slots,
                      [&](double done) { progress("write", done); });
    if (!sizes)
      return sizes.takeError();
    report.bytesWritten = sizes->total;
    report.constantBytes = sizes->constants;
    return llvm::Error::success();
  }

  std::string input, output;
  const CompileOptions &options;
  const CompileCallbacks &callbacks;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  Stage stage = Stage::Import;
  /// Of the kernels; of what the compiler runs itself; of the host program.
  TargetInfo target, host, hostProgram;
  CompileReport report;
  bool parsing = false;
  int firstCode = 0;
  std::string firstMessage;
};

} // namespace

llvm::Expected<CompileReport>
mercer::compileFile(StringRef input, StringRef output,
                    const CompileOptions &options,
                    const CompileCallbacks &callbacks) {
  return Compilation(input, output, options, callbacks).run();
}

StringRef mercer::compilerVersion() { return MERCER_VERSION; }
