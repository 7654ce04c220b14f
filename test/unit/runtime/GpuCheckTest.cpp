//===- GpuCheckTest.cpp - the runner of docs/gpu-check.md -----------------===//
//
// Folders of hand-written cases on the CPU: what passes, what differs, what
// fails, and what takes the process with it.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <sys/wait.h>

namespace mercer::test {
namespace {

using Json = nlohmann::json;

class GpuCheck : public testing::Test {
protected:
  /// A case of the model y = x * [1, 2, 3, 4] + [0.5, 0.25, 0, -1] on one row.
  void addCase(const std::string &name, const Json &variants,
               const std::string &artifact = "affine") {
    ASSERT_EQ(mkdir((folder / name).c_str(), 0755), 0);
    writeBytes(folder / name + "/model.so", readBytes(fake(artifact)));
    Json json{{"name", name},
              {"artifact", "model.so"},
              {"reference", "model.so"},
              {"timed", 0},
              {"variants", variants}};
    writeBytes(folder / name + "/case.json", json.dump());
  }
  void addNpy(const std::string &place, std::vector<float> row) {
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': "
                         "(1, 4), }";
    header.resize(118 - 1, ' ');
    header += '\n';
    std::string bytes("\x93NUMPY\x01\x00\x76\x00", 10);
    bytes += header;
    bytes.append(reinterpret_cast<const char *>(row.data()), 16);
    writeBytes(folder / place, bytes);
  }
  static Json row(double rtol) {
    return Json::array(
        {{{"inputs", {{"x", "x.npy"}}},
          {"expected",
           {{"y", {{"file", "y.npy"}, {"rtol", rtol}, {"atol", 0}}}}}}});
  }
  static Json drawn() {
    return Json::array(
        {{{"inputs", {{"x", {{"random", 7}, {"shape", {64, 4}}}}}},
          {"expected", {{"y", {{"of_largest", 1e-6}}}}}}});
  }

  /// Exit status; the report is in `report`.
  int run(const std::string &options, const std::string &before = "") {
    std::string out = folder / "report.json";
    std::string command = before + MERCER_GPU_CHECK " '" + (folder / "") +
                          "' --out='" + out + "' " + options + " 2>&1";
    text.clear();
    FILE *pipe = popen(command.c_str(), "r");
    char buffer[4096];
    while (size_t n = fread(buffer, 1, sizeof(buffer), pipe))
      text.append(buffer, n);
    int status = pclose(pipe);
    report = Json::parse(readBytes(out), nullptr, false);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  const Json &result(const std::string &name) {
    for (const Json &each : report["cases"])
      if (each["name"] == name)
        return each;
    static const Json none;
    ADD_FAILURE() << name << " is missing in\n" << text;
    return none;
  }

  TemporaryDirectory folder;
  std::string text;
  Json report;
};

TEST_F(GpuCheck, PassesDiffersFails) {
  addCase("exact", row(0));
  addNpy("exact/x.npy", {1, 2, 3, 4});
  addNpy("exact/y.npy", {1.5f, 4.25f, 9, 15});
  addCase("near", row(0.1));
  addNpy("near/x.npy", {1, 2, 3, 4});
  addNpy("near/y.npy", {1.5f, 4.25f, 9, 16});
  addCase("wrong", row(1e-3));
  addNpy("wrong/x.npy", {1, 2, 3, 4});
  addNpy("wrong/y.npy", {1.5f, 4.25f, 9, 16});
  addCase("drawn", drawn());
  addCase("missing", row(0));
  EXPECT_EQ(run("--device=cpu --runs=7 --warmup=1"), 1) << text;
  EXPECT_EQ(report["summary"]["passed"], 3) << text;
  EXPECT_EQ(result("exact")["status"], "pass");
  EXPECT_EQ(result("near")["status"], "pass");
  EXPECT_EQ(result("drawn")["status"], "pass");
  EXPECT_EQ(result("missing")["code"], "E2001");
  const Json &wrong = result("wrong");
  EXPECT_EQ(wrong["status"], "fail");
  EXPECT_EQ(wrong["checks"][0]["mismatches"], 1);
  EXPECT_FALSE(wrong.contains("timing"));
  const Json &timing = result("exact")["timing"];
  EXPECT_EQ(timing["run_ms"]["runs"], 7);
  ASSERT_EQ(timing["kernels"].size(), 2u);
  EXPECT_EQ(timing["kernels"][0]["kernel"], "scale");
  EXPECT_GT(timing["kernels"][0]["microseconds"]["median"], 0);
}

TEST_F(GpuCheck, GoesOnAfterACaseThatKillsTheProcess) {
  addCase("a", drawn());
  addCase("b", drawn(), "affine_dies");
  addCase("c", drawn());
  EXPECT_EQ(run("--device=cpu --no-timing"), 1) << text;
  EXPECT_EQ(result("a")["status"], "pass");
  EXPECT_EQ(result("b")["status"], "error");
  EXPECT_EQ(result("c")["status"], "pass");
  EXPECT_EQ(report["summary"]["errors"], 1);
}

TEST_F(GpuCheck, EndsACaseThatHangs) {
  addCase("a", drawn(), "affine_hangs");
  addCase("b", drawn());
  EXPECT_EQ(run("--device=cpu --no-timing --timeout=1"), 1) << text;
  EXPECT_NE(result("a")["message"].get<std::string>().find("after 1 s"),
            std::string::npos);
  EXPECT_EQ(result("b")["status"], "pass");
}

TEST_F(GpuCheck, DescribesTheDeviceAndGoesOnWhenItIsLost) {
  // The fake driver knows no kernels: every launch loses the device.
  addCase("a", drawn(), "cuda");
  addCase("b", drawn(), "cuda");
  addCase("c", drawn(), "affine");
  for (const char *name : {"a", "b"})
    writeBytes(folder / name + "/case.json",
               Json{{"name", name},
                    {"artifact", "model.so"},
                    {"variants",
                     {{{"inputs", {{"x", {{"random", 7}, {"shape", {64, 4}}}}}},
                       {"expected", Json::object()}}}}}
                   .dump());
  EXPECT_EQ(run("--device=cuda", "LD_LIBRARY_PATH=" FAKE_CUDA " "), 1) << text;
  EXPECT_EQ(result("a")["code"], "E4406") << text;
  EXPECT_EQ(result("b")["code"], "E4406") << text;
  EXPECT_EQ(result("c")["code"], "E4402") << text;
  const Json &device = report["device"];
  EXPECT_EQ(device["name"], "Fake GPU");
  EXPECT_EQ(device["compute_capability"], "9.0");
  // 4 multiprocessors at 1.5 GHz; 256 bits at 2 GHz, two transfers a clock.
  EXPECT_DOUBLE_EQ(device["peak"]["fp32_tflops"], 4 * 1.5e9 * 256 / 1e12);
  EXPECT_DOUBLE_EQ(device["peak"]["memory_gbs"], 128);
}

TEST_F(GpuCheck, RefusesWrongUse) {
  EXPECT_EQ(run("--device=cpu"), 2) << text;
  addCase("a", drawn());
  EXPECT_EQ(run("--device=tpu"), 2) << text;
  EXPECT_EQ(run("--device=cpu --filter='('"), 2) << text;
  EXPECT_EQ(run("--device=cpu --filter=z"), 2) << text;
}

} // namespace
} // namespace mercer::test
