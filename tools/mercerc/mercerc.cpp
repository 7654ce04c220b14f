//===- mercerc.cpp - compiles a model to an artifact ----------------------===//
//
// The command line over compiler/session. Exit status: 0 done, 2 wrong use,
// 3 input refused, 4 failed while running.
//
//===----------------------------------------------------------------------===//

#include "compiler/artifact/Writer.h"
#include "compiler/session/Explain.h"
#include "compiler/session/Session.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <unistd.h>

using namespace llvm;
using namespace mercer;

namespace {

constexpr StringLiteral usage =
    R"(usage: mercerc MODEL -o OUT [options]

Compiles MODEL (.onnx, or .mlir at any stage) to one shared object.

  -o OUT                   file to write; "-" writes text to standard output
  --target=KIND            cpu (default), cuda or vulkan
  --chip=NAME              of cuda: sm_80 (default), sm_86, sm_89, sm_90a,
                           sm_100a, sm_120a; of vulkan: vulkan1.1, vulkan1.2,
                           vulkan1.3 (default)
  --cpu=NAME               native (default), x86-64-v2, x86-64-v3, x86-64-v4,
                           sapphirerapids; with a GPU, of the host program
                           (default x86-64-v2)
  --emulate                kernels of a GPU as checked host code
  --emit=KIND              so (default), obj, llvm, asm or mlir; of a GPU's
                           kernels spirv, ptx or cubin
  --shape=NAME=AxBxC       fixes the shape of an input; may be repeated
  --outputs=TENSOR,...     returns inner tensors after the model's outputs
  --precision=ieee         no reduced-precision products; tf32: of singles on
                           CUDA, rounded to ten bits of mantissa
  --from-stage=S           the stage whose form a .mlir input has
  --to-stage=S             the last stage that runs
  --dump-stages=DIR        one numbered .mlir file for every stage
  --explain[=json]         what became of the model, on standard output
  -O0 .. -O3               effort of the code generator (default -O2)
  --quiet                  errors only
  --help, --version

Stages: import, simplify, fuse, schedule, layout, tile, bufferize, distribute,
target. Exit status: 0 done, 2 wrong use, 3 input refused, 4 failed while
running. See docs/cli.md.
)";

enum class Explain { No, Text, Json };

struct CommandLine {
  std::string model, out;
  CompileOptions options;
  Explain explain = Explain::No;
  bool quiet = false;
  bool help = false, version = false;
};

Error wrongUse(const Twine &message) { return makeError(1005, message); }

Expected<std::vector<int64_t>> parseShape(StringRef text) {
  std::vector<int64_t> shape;
  SmallVector<StringRef> parts;
  text.split(parts, 'x');
  for (StringRef part : parts) {
    int64_t size = 0;
    if (part.getAsInteger(10, size) || size < 0)
      return wrongUse("expects sizes like 1x3x224x224, got '" + text + "'");
    shape.push_back(size);
  }
  return shape;
}

Expected<Stage> parseStageOption(StringRef text) {
  if (std::optional<Stage> stage = parseStage(text))
    return *stage;
  SmallVector<StringRef> names;
  for (Stage stage : allStages())
    names.push_back(stageName(stage));
  return wrongUse("unknown stage '" + text + "'; known: " + join(names, ", "));
}

/// One option of the form --name=value.
Error parseOption(StringRef name, StringRef value, CommandLine &line) {
  CompileOptions &options = line.options;
  if (name == "--target") {
    options.target = value.str();
  } else if (name == "--chip") {
    options.chip = value.str();
  } else if (name == "--cpu") {
    options.cpu = value.str();
  } else if (name == "--precision") {
    options.precision = value.str();
  } else if (name == "--emit") {
    std::optional<Emit> emit = StringSwitch<std::optional<Emit>>(value)
                                   .Case("so", Emit::SharedObject)
                                   .Case("obj", Emit::Object)
                                   .Case("llvm", Emit::LLVM)
                                   .Case("asm", Emit::Assembly)
                                   .Case("mlir", Emit::MLIR)
                                   .Case("spirv", Emit::Spirv)
                                   .Case("ptx", Emit::Ptx)
                                   .Case("cubin", Emit::Cubin)
                                   .Default(std::nullopt);
    if (!emit)
      return wrongUse("unknown kind '" + value +
                      "'; known: so, obj, llvm, asm, mlir, spirv, ptx, cubin");
    options.emit = *emit;
  } else if (name == "--shape") {
    // Names may hold '=', sizes cannot.
    auto [input, sizes] = value.rsplit('=');
    if (input.empty() || sizes.empty())
      return wrongUse("expects --shape=NAME=AxBxC, got '" + value + "'");
    Expected<std::vector<int64_t>> shape = parseShape(sizes);
    if (!shape)
      return shape.takeError();
    for (const auto &known : options.shapes)
      if (known.first == input)
        return makeError(1007, "the shape of '" + input + "' is given twice");
    options.shapes.emplace_back(input.str(), std::move(*shape));
  } else if (name == "--outputs") {
    SmallVector<StringRef> names;
    value.split(names, ',', -1, /*KeepEmpty=*/false);
    for (StringRef tensor : names)
      options.outputs.push_back(tensor.str());
  } else if (name == "--from-stage" || name == "--to-stage") {
    Expected<Stage> stage = parseStageOption(value);
    if (!stage)
      return stage.takeError();
    (name == "--from-stage" ? options.fromStage : options.toStage) = *stage;
  } else if (name == "--dump-stages") {
    options.dumpStages = value.str();
  } else if (name == "--explain") {
    if (value != "json" && value != "text")
      return wrongUse("expects --explain or --explain=json, got '" + value +
                      "'");
    line.explain = value == "json" ? Explain::Json : Explain::Text;
  } else {
    return wrongUse("unknown option '" + name + "'");
  }
  return Error::success();
}

Expected<CommandLine> parseCommandLine(ArrayRef<const char *> arguments) {
  CommandLine line;
  auto setOut = [&](StringRef path) -> Error {
    if (!line.out.empty())
      return makeError(1007, "-o is given twice");
    line.out = path.str();
    return Error::success();
  };
  for (size_t i = 0; i < arguments.size(); ++i) {
    StringRef argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      line.help = true;
    } else if (argument == "--version") {
      line.version = true;
    } else if (argument == "--quiet") {
      line.quiet = true;
    } else if (argument == "--emulate") {
      line.options.emulate = true;
    } else if (argument == "--explain") {
      line.explain = Explain::Text;
    } else if (argument == "-o") {
      if (++i == arguments.size())
        return wrongUse("expects a file after -o");
      if (Error error = setOut(arguments[i]))
        return std::move(error);
    } else if (argument.size() == 3 && argument.starts_with("-O") &&
               argument[2] >= '0' && argument[2] <= '3') {
      line.options.optLevel = argument[2] - '0';
    } else if (argument.starts_with("--")) {
      auto [name, value] = argument.split('=');
      // A value may also follow as an argument of its own.
      if (!argument.contains('=')) {
        if (i + 1 == arguments.size())
          return wrongUse("unknown option or missing value: '" + argument +
                          "'");
        value = arguments[++i];
      }
      if (Error error = parseOption(name, value, line))
        return std::move(error);
    } else if (argument.starts_with("-") && argument != "-") {
      return wrongUse("unknown option '" + argument + "'");
    } else if (line.model.empty()) {
      line.model = argument.str();
    } else {
      return wrongUse("expects one model, got '" + line.model + "' and '" +
                      argument + "'");
    }
  }
  if (line.help || line.version)
    return line;
  if (line.model.empty())
    return wrongUse("expects a model; see mercerc --help");
  if (line.out.empty())
    return wrongUse("expects -o OUT");
  line.options.explain = line.explain != Explain::No;
  return line;
}

int exitStatus(int code) {
  switch (code / 1000) {
  case 1:
    return 2;
  case 4:
    return 4;
  default:
    return 3;
  }
}

/// Shows diagnostics, and progress while standard error is a terminal.
class Console {
public:
  Console(bool quiet, bool remarks)
      : quiet(quiet), remarks(remarks),
        terminal(!quiet && ::isatty(STDERR_FILENO)) {}
  ~Console() { clear(); }

  void show(const Diagnostic &diagnostic) {
    std::lock_guard<std::mutex> lock(mutex);
    bool isError = diagnostic.severity == Diagnostic::Severity::Error;
    if (diagnostic.severity != Diagnostic::Severity::Note)
      visible =
          isError || (!quiet && (remarks || diagnostic.severity !=
                                                Diagnostic::Severity::Remark));
    numErrors += isError;
    if (!visible)
      return;
    erase();
    if (!diagnostic.place.empty())
      errs() << diagnostic.place << ": ";
    switch (diagnostic.severity) {
    case Diagnostic::Severity::Error:
      errs() << "error: ";
      break;
    case Diagnostic::Severity::Warning:
      errs() << "warning: ";
      break;
    case Diagnostic::Severity::Remark:
      errs() << "remark: ";
      break;
    case Diagnostic::Severity::Note:
      errs() << "note: ";
      break;
    }
    if (diagnostic.code)
      errs() << "[E" << diagnostic.code << "] ";
    errs() << diagnostic.message << "\n";
  }

  void progress(StringRef phase, double done) {
    if (!terminal)
      return;
    std::lock_guard<std::mutex> lock(mutex);
    erase();
    errs() << phase;
    if (done > 0)
      errs() << " " << static_cast<int>(std::lround(done * 100)) << "%";
    errs().flush();
    shown = true;
  }

  void clear() {
    std::lock_guard<std::mutex> lock(mutex);
    erase();
  }

  size_t errors() const { return numErrors; }

private:
  void erase() {
    if (shown)
      errs() << "\r\x1b[K";
    shown = false;
  }

  bool quiet, remarks, terminal;
  bool visible = true, shown = false;
  size_t numErrors = 0;
  std::mutex mutex;
};

/// LLVM aborts on what it cannot do or allocate, and so may a defect of ours.
/// Scripts get the status of a refused input then; the output was not touched.
void onCrash(int) {
  // Kernels are emitted in several threads: one that crashes while another one
  // cleans up waits for the end. The same thread again has crashed in here.
  static std::atomic<pid_t> first{0};
  pid_t self = ::gettid(), cleaner = 0;
  if (!first.compare_exchange_strong(cleaner, self)) {
    while (cleaner != self)
      ::pause();
    ::_exit(3);
  }
  removeUnfinishedFiles();
  static constexpr char message[] =
      "mercerc: error: [E3001] internal error: the compiler crashed\n";
  (void)!::write(STDERR_FILENO, message, sizeof(message) - 1);
  ::_exit(3);
}

/// The action is the default one by now: the process ends by the signal.
void onInterrupt(int signal) {
  removeUnfinishedFiles();
  ::raise(signal);
}

void catchSignals() {
  // A stack overflow needs another stack to be reported on.
  static char stack[64 * 1024];
  stack_t alternative{};
  alternative.ss_sp = stack;
  alternative.ss_size = sizeof(stack);
  ::sigaltstack(&alternative, nullptr);
  struct sigaction action{};
  action.sa_handler = onCrash;
  action.sa_flags = SA_ONSTACK;
  for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT})
    ::sigaction(signal, &action, nullptr);
  action.sa_handler = onInterrupt;
  action.sa_flags = SA_ONSTACK | SA_RESETHAND;
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU}) {
    struct sigaction before{};
    ::sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN)
      ::sigaction(signal, &action, nullptr);
  }
  // A file beyond the limit is a failed write, with a code.
  ::signal(SIGXFSZ, SIG_IGN);
}

/// MERCER_RAISE_AT=PHASE[:SIGNAL] raises a signal (SIGABRT) where that phase
/// shows progress: tests see what a crash there leaves behind.
void raiseForTests(StringRef phase) {
  const char *where = std::getenv("MERCER_RAISE_AT");
  if (!where)
    return;
  auto [name, number] = StringRef(where).split(':');
  int signal = SIGABRT;
  if (name == phase && (number.empty() || !number.getAsInteger(10, signal)))
    ::raise(signal);
}

int report(Error error, bool shown) {
  int status = 3;
  handleAllErrors(
      std::move(error),
      [&](const CodedError &coded) {
        status = exitStatus(coded.code());
        if (!shown)
          errs() << "mercerc: error: [E" << coded.code() << "] "
                 << coded.message() << "\n";
      },
      [&](const ErrorInfoBase &other) {
        if (!shown)
          errs() << "mercerc: error: [E3001] " << other.message() << "\n";
      });
  return status;
}

} // namespace

int main(int argc, char **argv) {
  Expected<CommandLine> line =
      parseCommandLine(ArrayRef<const char *>(argv + 1, argc - 1));
  if (!line)
    return report(line.takeError(), false);
  if (line->help) {
    outs() << usage;
    return 0;
  }
  if (line->version) {
    outs() << "mercerc " << compilerVersion() << "\n";
    return 0;
  }
  // What the compiler did not do well is for those who ask.
  catchSignals();
  Console console(line->quiet, line->explain != Explain::No);
  CompileCallbacks callbacks;
  callbacks.diagnostic = [&](const Diagnostic &d) { console.show(d); };
  callbacks.progress = [&](StringRef phase, double done) {
    console.progress(phase, done);
    raiseForTests(phase);
  };
  Expected<CompileReport> result =
      compileFile(line->model, line->out, line->options, callbacks);
  console.clear();
  if (!result)
    return report(result.takeError(), console.errors() > 0);
  if (line->explain == Explain::Text)
    outs() << printReport(*result);
  if (line->explain == Explain::Json)
    outs() << printReportAsJson(*result);
  return 0;
}
