//===- main.cpp - mercer-gpu-check ----------------------------------------===//
//
// Checks and times a folder of cases on a device. The cases run in a child
// process: when one kills it, hangs it or loses the device, a new child goes on
// with the next case, and the report says what happened.
//
//===----------------------------------------------------------------------===//

#include "runtime/support/File.h"
#include "tools/gpu-check/Check.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <poll.h>
#include <regex>
#include <sys/wait.h>
#include <unistd.h>

using namespace mercer::check;
using mercer::rt::Code;
using mercer::rt::format;
using mercer::rt::Status;
using Json = nlohmann::ordered_json;

namespace {

constexpr int exitDiffers = 1, exitUsage = 2, exitFailed = 4;
constexpr int deviceLost = static_cast<int>(Code::DeviceLost);

struct Options {
  std::string device = "cuda", cases, out = "gpu-check.json", filter;
  int runs = 30, warmup = 5, flushMib = -1, timeout = 300;
  double seconds = 30;
  bool noTiming = false;
};

bool parseDevice(const std::string &text, MercerDevice &device) {
  const size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  device = {kind == "cuda"     ? MERCER_DEVICE_CUDA
            : kind == "vulkan" ? MERCER_DEVICE_VULKAN
            : kind == "cpu"    ? MERCER_DEVICE_CPU
                               : 0,
            0};
  if (colon == std::string::npos)
    return device.type != 0;
  const std::string number = text.substr(colon + 1);
  if (number.empty() || number.size() > 3 ||
      number.find_first_not_of("0123456789") != std::string::npos)
    return false;
  device.id = std::stoi(number);
  return device.type != 0;
}

bool writeLine(int file, const Json &json) {
  std::string line =
      json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  for (size_t done = 0; done < line.size();) {
    ssize_t n = write(file, line.data() + done, line.size() - done);
    if (n <= 0)
      return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

/// The child: describes the device, then one line for each case.
[[noreturn]] void work(int out, const Options &options, Settings settings,
                       const std::vector<std::string> &names, size_t first) {
  Json description;
  settings.peak = peakOf(settings.device, description);
  const auto l2 = description.value("l2_bytes", size_t(0));
  // Twice what the largest cache holds; on the CPU nothing, as a run of a model
  // does not start with cold caches there.
  if (options.flushMib >= 0)
    settings.flushBytes = size_t(options.flushMib) << 20;
  else if (settings.device.type != MERCER_DEVICE_CPU)
    settings.flushBytes = std::max(size_t(256) << 20, 2 * l2);
  if (!writeLine(out, Json{{"device", description}}))
    _exit(0);
  for (size_t i = first; i < names.size(); ++i) {
    Case test;
    Status status = readCase(options.cases + "/" + names[i], test);
    Json result = status.failed() ? errorResult(names[i], status)
                                  : checkCase(test, settings);
    if (!writeLine(out, Json{{"index", i}, {"result", result}}))
      _exit(0);
    if (result.value("code", "") == format("E%04d", deviceLost))
      break;
  }
  // No destructors: a lost device may hang in the driver's.
  _exit(0);
}

/// How a child ended that has not finished its case.
Status endOf(int status, bool timedOut, int timeout) {
  std::string what =
      timedOut ? format("no result after %d s; the process was ended", timeout)
      : WIFSIGNALED(status)
          ? format("the process was ended by signal %d (%s)", WTERMSIG(status),
                   strsignal(WTERMSIG(status)))
          : format("the process ended with status %d", WEXITSTATUS(status));
  return {Code::RuntimeInternal, "case", std::move(what)};
}

std::string percent(const Json &row, const char *key) {
  auto it = row.find(key);
  return it != row.end() && it->is_number()
             ? format("%5.1f%%", 100 * it->get<double>())
             : "     -";
}

void printResult(const Json &result) {
  const std::string status = result["status"];
  printf("%-5s %s", status.c_str(), result["name"].get<std::string>().c_str());
  if (status == "error")
    printf("  [%s] %s (%s)", result["code"].get<std::string>().c_str(),
           result["message"].get<std::string>().c_str(),
           result["place"].get<std::string>().c_str());
  if (result.contains("checks"))
    for (const Json &check : result["checks"])
      if (!check["ok"].get<bool>())
        printf("\n      variant %d, %s: %s", check["variant"].get<int>(),
               check["output"].get<std::string>().c_str(),
               check["note"].get<std::string>().c_str());
  printf("\n");
  auto timing = result.find("timing");
  if (timing == result.end() || !timing->contains("run_ms"))
    return;
  const Json &run = (*timing)["run_ms"];
  printf("      run  %.4f ms median of %d (%.4f to %.4f)\n",
         run["median"].get<double>(), run["runs"].get<int>(),
         run["p10"].get<double>(), run["p90"].get<double>());
  for (const Json &row : (*timing)["kernels"]) {
    const Json &time = row["microseconds"];
    printf("      %-28s %9.2f us", row["kernel"].get<std::string>().c_str(),
           time["median"].get<double>());
    if (row.contains("tflops"))
      printf("  %8.3f TFLOP/s (%s of fp32, %s of tensor peak)",
             row["tflops"].get<double>(), percent(row, "of_fp32_peak").c_str(),
             percent(row, "of_tensor_peak").c_str());
    if (row.contains("gbs"))
      printf("  %8.1f GB/s (%s of peak)", row["gbs"].get<double>(),
             percent(row, "of_memory_peak").c_str());
    printf("\n");
  }
}

/// Runs children until every case has a result.
class Parent {
public:
  Parent(const Options &options, const Settings &settings,
         std::vector<std::string> names)
      : options(options), settings(settings), names(std::move(names)) {}

  Status run();
  Json report() const;
  bool allPassed() const { return passed == names.size(); }

private:
  Status runChild(size_t &next);
  void take(const std::string &line, size_t &next);
  void add(Json result) {
    passed += result["status"] == "pass";
    failed += result["status"] == "fail";
    printResult(result);
    fflush(stdout);
    results.push_back(std::move(result));
  }

  const Options &options;
  const Settings &settings;
  const std::vector<std::string> names;
  Json device = nullptr, results = Json::array();
  size_t passed = 0, failed = 0;
};

void Parent::take(const std::string &line, size_t &next) {
  Json message = Json::parse(line, nullptr, false);
  if (message.is_discarded())
    return;
  if (message.contains("device")) {
    if (device.is_null())
      printf("device %s\n",
             message["device"]["name"].get<std::string>().c_str());
    device = std::move(message["device"]);
  } else {
    next = message["index"].get<size_t>() + 1;
    add(std::move(message["result"]));
  }
}

/// One child, from case `next` on; `next` becomes the first without a result.
Status Parent::runChild(size_t &next) {
  int ends[2];
  if (pipe(ends) != 0)
    return {Code::RuntimeInternal, "pipe", strerror(errno)};
  fflush(stdout);
  const pid_t child = fork();
  if (child < 0)
    return {Code::RuntimeInternal, "fork", strerror(errno)};
  if (child == 0) {
    close(ends[0]);
    work(ends[1], options, settings, names, next);
  }
  close(ends[1]);
  const size_t first = next;
  std::string pending;
  bool timedOut = false;
  while (true) {
    pollfd waiting{ends[0], POLLIN, 0};
    int ready = poll(&waiting, 1, options.timeout * 1000);
    if (ready < 0 && errno == EINTR)
      continue;
    if (ready == 0) {
      timedOut = true;
      kill(child, SIGKILL);
      break;
    }
    char buffer[65536];
    ssize_t n = read(ends[0], buffer, sizeof(buffer));
    if (n <= 0)
      break;
    pending.append(buffer, static_cast<size_t>(n));
    for (size_t end; (end = pending.find('\n')) != std::string::npos;
         pending.erase(0, end + 1))
      take(pending.substr(0, end), next);
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  const bool clean = !timedOut && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (next < names.size() && (!clean || next == first)) {
    add(errorResult(names[next], endOf(status, timedOut, options.timeout)));
    ++next;
  }
  return {};
}

Status Parent::run() {
  for (size_t next = 0; next < names.size();)
    if (Status failure = runChild(next); failure.failed())
      return failure;
  return {};
}

Json Parent::report() const {
  return Json{{"mercer", mercer_version()},
              {"device_requested", options.device},
              {"device", device},
              {"flush_mib", options.flushMib},
              {"summary",
               {{"cases", names.size()},
                {"passed", passed},
                {"failed", failed},
                {"errors", names.size() - passed - failed}}},
              {"cases", results}};
}

int fail(const Status &status) {
  fprintf(stderr, "mercer-gpu-check: [E%04d] %s (%s)\n", status.number(),
          status.message().c_str(), status.place().c_str());
  return status.number() < 2000 ? exitUsage : exitFailed;
}

int check(const Options &options) {
  Settings settings;
  settings.time = !options.noTiming;
  settings.runs = options.runs;
  settings.warmup = options.warmup;
  settings.seconds = options.seconds;
  if (!parseDevice(options.device, settings.device))
    return fail({Code::InvalidOption, "--device " + options.device,
                 "expects cuda, vulkan or cpu, with :N for another than the "
                 "first"});
  std::vector<std::string> all, names;
  if (Status status = listCases(options.cases, all); status.failed())
    return fail(status);
  std::regex wanted;
  try {
    wanted = std::regex(options.filter);
  } catch (const std::regex_error &error) {
    return fail({Code::InvalidOption, "--filter", error.what()});
  }
  std::copy_if(
      all.begin(), all.end(), std::back_inserter(names),
      [&](const std::string &name) { return std::regex_search(name, wanted); });
  if (names.empty())
    return fail({Code::InvalidOption, options.cases,
                 "no case is there, or none matches the filter"});
  Parent parent(options, settings, names);
  if (Status status = parent.run(); status.failed())
    return fail(status);
  const Json report = parent.report();
  if (Status status = mercer::rt::writeFile(
          options.out,
          {report.dump(1, ' ', false, Json::error_handler_t::replace), "\n"});
      status.failed())
    return fail(status);
  const Json &summary = report["summary"];
  printf("%d cases: %d passed, %d failed, %d errors; written to %s\n",
         summary["cases"].get<int>(), summary["passed"].get<int>(),
         summary["failed"].get<int>(), summary["errors"].get<int>(),
         options.out.c_str());
  return parent.allPassed() ? 0 : exitDiffers;
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  CLI::App app("Checks and times compiled cases on a GPU.", "mercer-gpu-check");
  app.set_version_flag("--version",
                       std::string("mercer-gpu-check ") + mercer_version());
  app.add_option("CASES", options.cases, "folder of cases")->required();
  app.add_option("--device", options.device,
                 "cuda, vulkan or cpu, with :N for another than the first")
      ->type_name("KIND[:N]");
  app.add_option("--out", options.out, "report (gpu-check.json)")
      ->type_name("F.json");
  app.add_option("--filter", options.filter,
                 "only cases whose name matches this regular expression");
  app.add_flag("--no-timing", options.noTiming, "only compare");
  app.add_option("--runs", options.runs, "timed runs of a case (30)")
      ->check(CLI::Range(1, 1000000));
  app.add_option("--warmup", options.warmup, "runs before them (5)")
      ->check(CLI::Range(0, 1000000));
  app.add_option("--seconds", options.seconds,
                 "for the timed runs of a case, at least 5 of them (30)");
  app.add_option("--flush-mib", options.flushMib,
                 "written between timed runs (256 or twice the L2 cache)")
      ->check(CLI::Range(0, 65536));
  app.add_option("--timeout", options.timeout, "seconds for one case (300)")
      ->check(CLI::Range(1, 100000));
  app.footer("Exit status: 0 all passed, 1 some did not, 2 wrong use, 4 the "
             "check itself failed.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : exitUsage;
  }
  try {
    return check(options);
  } catch (const std::exception &error) {
    return fail({Code::RuntimeInternal, "mercer-gpu-check", error.what()});
  }
}
