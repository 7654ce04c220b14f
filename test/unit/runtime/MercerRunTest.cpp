//===- MercerRunTest.cpp - the command line of mercer-run -----------------===//

#include "Testing.h"
#include "tools/mercer-run/Npy.h"

#include <cmath>
#include <dirent.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>

using namespace mercer::test;
using namespace mercer::run;
using Json = nlohmann::json;

namespace {

class MercerRun : public testing::Test {
protected:
  /// Runs mercer-run; its exit status, with standard output and error kept.
  int run(const std::string &arguments) {
    std::string command = std::string(MERCER_RUN " ") + arguments + " >" +
                          (directory / "out") + " 2>" + (directory / "err");
    int status = system(command.c_str());
    out = readBytes(directory / "out");
    err = readBytes(directory / "err");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string write(const std::string &name, std::vector<int64_t> shape,
                    const std::vector<float> &values) {
    Array array;
    array.dtype = {MERCER_FLOAT, 32, 1};
    array.shape = std::move(shape);
    EXPECT_TRUE(array.allocate(values.size()));
    memcpy(array.data(), values.data(), array.size());
    EXPECT_FALSE(writeNpy(directory / name, array).failed());
    return directory / name;
  }
  /// Files of the test's directory, without what run() writes.
  std::vector<std::string> files() {
    std::vector<std::string> names;
    DIR *dir = opendir((directory / "").c_str());
    while (dirent *entry = readdir(dir))
      if (entry->d_name[0] != '.' && std::string(entry->d_name) != "out" &&
          std::string(entry->d_name) != "err")
        names.push_back(entry->d_name);
    closedir(dir);
    std::sort(names.begin(), names.end());
    return names;
  }

  TemporaryDirectory directory;
  std::string out, err;
  std::string x = write("x.npy", {2, 4}, {1, 1, 1, 1, 2, 2, 2, 2});
  std::string y = write("y.npy", {2, 4}, {1.5, 2.25, 3, 3, 2.5, 4.25, 6, 7});
  std::string affine = fake("affine");
};

TEST_F(MercerRun, RunsWritesAndCompares) {
  std::string result = directory / "r.npy";
  ASSERT_EQ(run(affine + " --input x=" + x + " --output y=" + result +
                " --expect y=" + y + " --json"),
            0)
      << err;
  Json json = Json::parse(out);
  EXPECT_EQ(json["inputs"][0],
            Json::parse(R"({"name":"x","dtype":"float32","shape":[2,4]})"));
  EXPECT_EQ(json["outputs"][0]["shape"], Json::parse("[2,4]"));
  EXPECT_EQ(json["time_ms"]["runs"], 1);
  EXPECT_GT(json["time_ms"]["min"], 0);
  EXPECT_EQ(
      json["expect"][0],
      Json::parse(R"({"name":"y","max_abs":0.0,"max_rel":0.0,"ok":true})"));
  EXPECT_EQ(readBytes(result), readBytes(y));
  EXPECT_TRUE(err.empty()) << err;
}

TEST_F(MercerRun, DifferenceIsStatusOne) {
  std::string other =
      write("z.npy", {2, 4}, {1.5, 2.25, 3, 3, 2.5, 4.25, 6, 8});
  EXPECT_EQ(run(affine + " --input x=" + x + " --expect y=" + other), 1);
  EXPECT_NE(out.find("differs, max_abs 1, max_rel 0.125"), std::string::npos)
      << out;
  EXPECT_EQ(
      run(affine + " --input x=" + x + " --expect y=" + other + " --atol 1"),
      0);
  EXPECT_EQ(
      run(affine + " --input x=" + x + " --expect y=" + other + " --rtol=0.13"),
      0);
  std::string flat = write("f.npy", {8}, std::vector<float>(8));
  EXPECT_EQ(run(affine + " --input x=" + x + " --json --expect y=" + flat), 1);
  EXPECT_TRUE(Json::parse(out)["expect"][0]["max_abs"].is_null());
}

TEST_F(MercerRun, WrongUseIsStatusTwo) {
  for (std::string arguments :
       {std::string(), affine + " --nonsense", affine, affine + " --input x",
        affine + " --input w=" + x, affine + " --threads=many",
        affine + " --repeat 0 --input x=" + x, affine + " extra",
        affine + " --rtol=-1 --input x=" + x,
        affine + " --input x=" + x + " --input x=" + x,
        affine + " --input x=" + x + " --output q=" + (directory / "q.npy")})
    EXPECT_EQ(run(arguments), arguments == affine + " --input x" ? 3 : 2)
        << arguments << "\n"
        << err;
  EXPECT_NE(err.find("[E1004]"), std::string::npos);
}

TEST_F(MercerRun, RefusedInputIsStatusThree) {
  EXPECT_EQ(run((directory / "none.so") + " --describe"), 3);
  EXPECT_NE(err.find("[E2001]"), std::string::npos);
  EXPECT_EQ(run(x + " --describe"), 3);
  EXPECT_EQ(run(affine + " --input x=" + affine), 3);
  EXPECT_NE(err.find("[E2301]"), std::string::npos);
  EXPECT_EQ(run(fake("affine_features") + " --describe --json"), 3);
  EXPECT_EQ(Json::parse(out)["error"]["code"], "E2204");
  EXPECT_EQ(Json::parse(out)["error"]["name"], "CpuFeatureMissing");
}

TEST_F(MercerRun, FailureWhileRunningIsStatusFour) {
  std::string wide = write("w.npy", {2, 5}, std::vector<float>(10));
  EXPECT_EQ(run(affine + " --input x=" + wide), 4);
  EXPECT_NE(err.find("[E4104] expects size 4 in dimension 1, got 5 (input "
                     "'x')"),
            std::string::npos)
      << err;
  std::string flat = write("f.npy", {8}, std::vector<float>(8));
  EXPECT_EQ(run(affine + " --input x=" + flat), 4);
  EXPECT_EQ(run(fake("nonzero") + " --input x=" + flat), 4);
  EXPECT_NE(err.find("[E4101]"), std::string::npos);
}

TEST_F(MercerRun, ChoosesTheDevice) {
  EXPECT_EQ(run(affine + " --device=cpu --input x=" + x), 0);
  EXPECT_EQ(run(affine + " --device=tpu --input x=" + x), 2);
  EXPECT_NE(err.find("[E1005]"), std::string::npos);
  EXPECT_EQ(run(affine + " --device=vulkan: --input x=" + x), 2);
  EXPECT_EQ(run(affine + " --device=vulkan:9999 --input x=" + x), 4);
  EXPECT_NE(err.find("[E4401]"), std::string::npos) << err;
  // Describing needs no device.
  EXPECT_EQ(run(fake("device") + " --describe"), 0) << err;
  // The CPU cannot run what was made for another device.
  EXPECT_EQ(run(fake("device") + " --device=cpu --random-inputs=1"), 4);
  EXPECT_NE(err.find("[E4402]"), std::string::npos) << err;
}

TEST_F(MercerRun, FullDiskLeavesNoFile) {
  auto before = files();
  EXPECT_EQ(run(affine + " --input x=" + x + " --output y=/dev/full"), 4);
  EXPECT_NE(err.find("[E4301]"), std::string::npos);
  EXPECT_EQ(run(affine + " --input x=" + x +
                " --output y=" + (directory / "no/such/dir.npy")),
            4);
  EXPECT_EQ(files(), before);
  EXPECT_EQ(system((std::string(MERCER_RUN " ") + affine +
                    " --describe >/dev/full 2>" + (directory / "err"))
                       .c_str()),
            4 << 8);
}

TEST_F(MercerRun, TimesSeveralRuns) {
  ASSERT_EQ(run(affine + " --input x=" + x +
                " --repeat=5 --warmup=2 --threads=2 --json"),
            0);
  Json time = Json::parse(out)["time_ms"];
  EXPECT_EQ(time["runs"], 5);
  EXPECT_LE(time["min"], time["median"]);
  // Standard error is a file here: no progress.
  EXPECT_TRUE(err.empty());
}

TEST_F(MercerRun, DrawsInputs) {
  std::string a = directory / "a.npy", b = directory / "b.npy";
  ASSERT_EQ(run(affine + " --random-inputs=3 --output y=" + a), 0);
  ASSERT_EQ(run(affine + " --random-inputs=3 --threads=3 --output y=" + b), 0);
  EXPECT_EQ(readBytes(a), readBytes(b));
  ASSERT_EQ(run(affine + " --random-inputs=4 --output y=" + b), 0);
  EXPECT_NE(readBytes(a), readBytes(b));
}

TEST_F(MercerRun, Describes) {
  ASSERT_EQ(run(affine + " --describe --json"), 0) << err;
  Json json = Json::parse(out);
  EXPECT_EQ(json["inputs"][0]["shape"], Json::parse(R"(["N",4])"));
  EXPECT_EQ(json["symbols"], Json::parse(R"(["N"])"));
  EXPECT_EQ(json["memory"]["mapped"], 80);
  EXPECT_TRUE(json["memory"]["planned"].is_null());
  EXPECT_EQ(json["memory"]["packed"], 0);
  EXPECT_EQ(json["kernels"].size(), 2u);
  ASSERT_EQ(run(affine + " --describe"), 0);
  EXPECT_NE(out.find("x  float32 [N, 4]"), std::string::npos) << out;
  ASSERT_EQ(run(fake("decode") + " --describe"), 0);
  EXPECT_NE(out.find("cache  float32 [16,2]"), std::string::npos) << out;
}

TEST_F(MercerRun, Profiles) {
  std::string profile = directory / "p.json";
  ASSERT_EQ(run(affine + " --input x=" + x +
                " --warmup=3 --repeat=2 --profile=" + profile),
            0);
  Json events = Json::parse(readBytes(profile))["traceEvents"];
  ASSERT_EQ(events.size(), 6u);
  EXPECT_EQ(events[0]["name"], "/norm/Mul");
  EXPECT_EQ(events[0]["args"]["kernel"], "scale");
  EXPECT_EQ(events[0]["args"]["flops"], 8);
  EXPECT_EQ(events[1]["name"], "/norm/Add + /norm/Cast");
  EXPECT_EQ(events[2]["name"], "main");
  EXPECT_EQ(events[2]["cat"], "run");
}

/// Every type goes in and out unchanged, under a name that holds '='.
TEST_F(MercerRun, CopiesEveryType) {
  for (const char *name :
       {"bool",           "int2",           "int4",          "int8",
        "int16",          "int32",          "int64",         "uint2",
        "uint4",          "uint8",          "uint16",        "uint32",
        "uint64",         "float16",        "bfloat16",      "float32",
        "float64",        "complex64",      "complex128",    "float8_e4m3fn",
        "float8_e5m2",    "float8_e8m0fnu", "float4_e2m1fn", "float8_e4m3fnuz",
        "float8_e5m2fnuz"}) {
    Array array;
    ASSERT_EQ(mercer_dtype_parse(name, &array.dtype), 0);
    array.shape = {3, 5};
    ASSERT_TRUE(array.allocate(15));
    fillRandom(array, 9);
    std::string in = directory / "in.npy", copy = directory / "copy.npy";
    ASSERT_FALSE(writeNpy(in, array).failed());
    ASSERT_EQ(run(fake(std::string("identity_") + name) + " --input x=" + in +
                  " --output y=z=" + copy + " --expect y=z=" + in),
              0)
        << name << ": " << err << out;
    EXPECT_EQ(readBytes(in), readBytes(copy)) << name;
  }
}

/// A kernel that leaves an element unwritten is found although its memory may
/// hold the right value from the run before.
TEST_F(MercerRun, PoisonsOutputs) {
  for (const char *repeat : {"1", "3"}) {
    EXPECT_EQ(run(fake("forget") + " --input x=" + x + " --expect y=z=" + x +
                  " --repeat=" + repeat),
              1);
    EXPECT_NE(out.find("[1, 3]: expects 2, got nan"), std::string::npos) << out;
  }
}

TEST_F(MercerRun, RunsStatefulEntriesFromTheStart) {
  std::string rows = write("rows.npy", {3, 2}, {1, 2, 3, 4, 5, 6});
  std::string mean = write("mean.npy", {2}, {3, 4});
  EXPECT_EQ(run(fake("decode") + " --input " + rows + " --expect " + mean +
                " --repeat=20"),
            0)
      << err;
}

TEST_F(MercerRun, HelpAndVersion) {
  EXPECT_EQ(run("--help"), 0);
  for (const char *option : {"--describe", "--input", "--output", "--expect",
                             "--rtol", "--atol", "--random-inputs", "--threads",
                             "--repeat", "--warmup", "--profile", "--json"})
    EXPECT_NE(out.find(option), std::string::npos) << option;
  EXPECT_EQ(run("--version"), 0);
  EXPECT_NE(out.find(mercer_version()), std::string::npos);
}

} // namespace
