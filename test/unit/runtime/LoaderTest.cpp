//===- LoaderTest.cpp - artifacts that load, and those that must not ------===//

#include "Testing.h"

#include <random>

using namespace mercer::test;

namespace {

class Loader : public testing::Test {
protected:
  int32_t load(const std::string &path, bool verify = false,
               bool anyCompiler = false) {
    MercerLoadOptions options{};
    options.struct_size = sizeof(options);
    options.verify_constants = verify;
    options.any_compiler = anyCompiler;
    MercerArtifact *artifact = nullptr;
    int32_t code =
        mercer_artifact_load(context, path.c_str(), &options, &artifact);
    EXPECT_EQ(artifact != nullptr, code == 0);
    mercer_artifact_release(artifact);
    return code;
  }
  int32_t loadBytes(const std::string &bytes, bool verify = false) {
    std::string path = directory / "a.so";
    writeBytes(path, bytes);
    return load(path, verify);
  }

  ContextHolder context;
  TemporaryDirectory directory;
  std::string good = readBytes(fake("affine"));
};

TEST_F(Loader, LoadsAndDescribes) {
  ArtifactHolder artifact(context, fake("affine"));
  uint32_t entries = 0, index = 0;
  ASSERT_EQ(mercer_artifact_entry_count(context, artifact, &entries), 0);
  EXPECT_EQ(entries, 8u);
  ASSERT_EQ(mercer_artifact_find_entry(context, artifact, "pair", &index), 0);
  EXPECT_EQ(index, 1u);
  EXPECT_EQ(mercer_artifact_find_entry(context, artifact, "none", &index),
            1004);

  MercerEntryInfo entry{};
  entry.struct_size = sizeof(entry);
  ASSERT_EQ(mercer_entry_info(context, artifact, 1, &entry), 0);
  EXPECT_STREQ(entry.name, "pair");
  EXPECT_EQ(entry.input_count, 2u);
  EXPECT_EQ(entry.output_count, 1u);
  EXPECT_EQ(mercer_entry_info(context, artifact, 8, &entry), 1001);

  MercerValueInfo value{};
  value.struct_size = sizeof(value);
  ASSERT_EQ(
      mercer_value_info(context, artifact, 0, MERCER_VALUE_INPUT, 0, &value),
      0);
  EXPECT_STREQ(value.name, "x");
  EXPECT_STREQ(mercer_dtype_name(value.dtype), "float32");
  ASSERT_EQ(value.ndim, 2);
  EXPECT_EQ(value.shape[0], -1);
  EXPECT_STREQ(value.symbols[0], "N");
  EXPECT_EQ(value.shape[1], 4);
  EXPECT_EQ(value.symbols[1], nullptr);
  EXPECT_EQ(
      mercer_value_info(context, artifact, 0, MERCER_VALUE_STATE, 0, &value),
      1001);

  MercerMemoryInfo memory{};
  memory.struct_size = sizeof(memory);
  ASSERT_EQ(mercer_artifact_memory(context, artifact, &memory), 0);
  EXPECT_EQ(memory.constants, 80u);
  EXPECT_GT(memory.code, 1000u);

  const char *json = nullptr;
  size_t size = 0;
  ASSERT_EQ(mercer_artifact_manifest(context, artifact, &json, &size), 0);
  EXPECT_EQ(strlen(json), size);
}

TEST_F(Loader, RefusesOtherFiles) {
  EXPECT_EQ(load(directory / "missing.so"), 2001);
  EXPECT_EQ(load("/tmp"), 2001);
  EXPECT_EQ(load("/dev/null"), 2001);
  EXPECT_EQ(loadBytes(""), 2201);
  EXPECT_EQ(loadBytes("no artifact"), 2201);
  EXPECT_EQ(loadBytes(std::string(5000, 'x')), 2201);
  // A shared object that is none of Mercer's.
  EXPECT_EQ(load(RUNTIME_LIBRARY), 2201);
  EXPECT_EQ(context.place(), RUNTIME_LIBRARY);
}

TEST_F(Loader, RefusesOtherVersions) {
  EXPECT_EQ(load(fake("affine_abi")), 2203);
  EXPECT_NE(context.message().find("99"), std::string::npos);
  EXPECT_EQ(load(fake("affine_compiler")), 2207);
  EXPECT_NE(context.message().find("9.7.0"), std::string::npos);
  EXPECT_EQ(load(fake("affine_compiler"), false, /*anyCompiler=*/true), 0);
  MercerFooter footer = footerOf(good);
  footer.version = 2;
  EXPECT_EQ(loadBytes(withFooter(good, footer)), 2203);
}

TEST_F(Loader, RefusesMissingProcessorFeatures) {
  EXPECT_EQ(load(fake("affine_features")), 2204);
  EXPECT_NE(context.message().find("warp-drive"), std::string::npos);
  EXPECT_EQ(context.message().find("sse2"), std::string::npos);
}

TEST_F(Loader, RefusesEveryTruncation) {
  for (size_t size = 0; size < good.size(); size += 97) {
    int32_t code = loadBytes(good.substr(0, size));
    EXPECT_EQ(code, 2201) << "at " << size;
  }
}

TEST_F(Loader, FindsFlippedBitsInCodeAndDirectory) {
  std::mt19937 random(7);
  MercerFooter footer = footerOf(good);
  auto flipped = [&](size_t first, size_t last) {
    std::string bytes = good;
    bytes[first + random() % (last - first)] ^= char(1 << random() % 8);
    return bytes;
  };
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(loadBytes(flipped(0, footer.elf_size)), 2202);
    EXPECT_EQ(loadBytes(flipped(footer.directory_offset,
                                good.size() - sizeof(MercerFooter))),
              2202);
    int32_t code =
        loadBytes(flipped(good.size() - sizeof(MercerFooter), good.size()));
    EXPECT_TRUE(code == 2201 || code == 2202) << code;
  }
}

/// Small constants are always checked, large ones when asked for: reading a
/// model's weights at load takes time.
TEST_F(Loader, FindsDamagedConstants) {
  std::string bytes = good;
  bytes[footerOf(good).constants_offset + 65] ^= 4;
  EXPECT_EQ(loadBytes(bytes), 2202);
  EXPECT_NE(context.message().find("constant 1"), std::string::npos);

  std::string elf = good.substr(0, footerOf(good).elf_size);
  bytes = seal(elf, 1, {"small", std::string(100000, 'w')});
  EXPECT_EQ(loadBytes(bytes, /*verify=*/true), 0);
  bytes[footerOf(bytes).constants_offset + 70000] ^= 4;
  EXPECT_EQ(loadBytes(bytes), 0);
  EXPECT_EQ(loadBytes(bytes, /*verify=*/true), 2202);
}

/// Footers whose digest is right but whose numbers lead outside of the file.
TEST_F(Loader, ChecksBoundsOfTheFooter) {
  auto with = [&](auto change) {
    MercerFooter footer = footerOf(good);
    change(footer);
    return loadBytes(withFooter(good, footer));
  };
  EXPECT_EQ(with([](MercerFooter &) {}), 0);
  for (uint64_t value : {uint64_t(1) << 63, ~uint64_t(0), uint64_t(1) << 32}) {
    EXPECT_EQ(with([&](MercerFooter &f) { f.elf_size = value; }), 2202);
    EXPECT_EQ(with([&](MercerFooter &f) { f.constants_offset = value; }), 2202);
    EXPECT_EQ(with([&](MercerFooter &f) { f.constants_size = value; }), 2202);
    EXPECT_EQ(with([&](MercerFooter &f) { f.directory_offset = value; }), 2202);
    EXPECT_EQ(with([&](MercerFooter &f) { f.directory_count = value; }), 2202);
  }
  EXPECT_EQ(with([](MercerFooter &f) { f.constants_offset += 64; }), 2202);
  EXPECT_EQ(with([](MercerFooter &f) { f.constants_size = 16; }), 2202);
  EXPECT_EQ(with([](MercerFooter &f) { f.module_id = 5; }), 2202);
}

/// Directories whose digest is right but whose entries are not.
TEST_F(Loader, ChecksBoundsOfTheDirectory) {
  for (uint64_t offset : {uint64_t(32), uint64_t(128), ~uint64_t(63)}) {
    std::string bytes = good;
    MercerFooter footer = footerOf(good);
    memcpy(bytes.data() + footer.directory_offset + 32, &offset, 8);
    footer.directory_digest = digest(bytes.substr(footer.directory_offset, 64));
    EXPECT_EQ(loadBytes(withFooter(bytes, footer)), 2202);
  }
}

/// Manifests that are JSON but not what the loader expects, in an ELF file
/// with right digests.
TEST_F(Loader, RefusesMalformedManifests) {
  MercerFooter footer = footerOf(good);
  std::string elf = good.substr(0, footer.elf_size);
  auto replaced = [&](const std::string &from, const std::string &to) {
    EXPECT_EQ(from.size(), to.size());
    std::string bytes = elf;
    size_t at = bytes.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    bytes.replace(at, from.size(), to);
    return loadBytes(seal(bytes, 1, {}));
  };
  EXPECT_EQ(replaced("{\"abi_version\"", "[\"abi_version\""), 2205);
  EXPECT_EQ(replaced("\"compiler\":\"0.1.0\"", "\"compiler\":  0.1  "), 2205);
  EXPECT_EQ(replaced("\"abi_version\":2", "\"abi_version\":3"), 2203);
  EXPECT_EQ(replaced("\"entries\":[", "\"entrees\":["), 2205);
  EXPECT_EQ(replaced("\"float32\"", "\"float33\""), 2205);
  EXPECT_EQ(replaced("[\"N\",4]", "[-1 ,4]"), 2205);
  EXPECT_EQ(replaced("[\"N\",4]", "[0.5,4]"), 2205);
  EXPECT_EQ(replaced("[\"N\",4]", "\"N\",4  "), 2205);
  EXPECT_EQ(replaced("\"name\":\"pair\"", "\"name\":\"pear\""), 2205);
  EXPECT_EQ(replaced("{\"input\":0", "{\"input\":9"), 2205);
  EXPECT_EQ(replaced("\"sites\":[{", "\"sites\":[7"), 2205);
}

/// An artifact for a GPU loads anywhere, but a context of the CPU refuses to
/// run it; an incomplete table of kernels does not load.
TEST_F(Loader, KnowsCodeForDevices) {
  ArtifactHolder gpu(context, fake("device"));
  Buffer<float> x({1}, {1});
  MercerTensor in = x.view(), out{};
  EXPECT_EQ(mercer_run(context, gpu, 0, nullptr, &in, 1, &out, 1), 4402);
  EXPECT_NE(context.message().find("'vulkan'"), std::string::npos);
  EXPECT_EQ(out.data, nullptr);
  for (const char *name : {"device_empty", "device_scratch"}) {
    MercerArtifact *artifact = nullptr;
    EXPECT_EQ(
        mercer_artifact_load(context, fake(name).c_str(), nullptr, &artifact),
        2205);
    EXPECT_NE(context.message().find("device kernels"), std::string::npos);
  }
}

/// dlopen hands out the old library for a path that it knows; the loader must
/// not, even while the old artifact is in use.
TEST_F(Loader, LoadsAReplacedFileBesideItsPredecessor) {
  std::string path = directory / "model.so";
  writeBytes(path, good);
  ArtifactHolder first(context, path);
  writeBytes(path, readBytes(fake("affine_twice")));
  ArtifactHolder second(context, path);
  Buffer<float> x({1, 4}, {1, 1, 1, 1}), y({1, 4}, {0, 0, 0, 0});
  MercerTensor in = x.view(), out = y.view();
  ASSERT_EQ(mercer_run(context, first, 0, nullptr, &in, 1, &out, 1), 0);
  EXPECT_EQ(y.values, (std::vector<float>{1.5, 2.25, 3, 3}));
  ASSERT_EQ(mercer_run(context, second, 0, nullptr, &in, 1, &out, 1), 0);
  EXPECT_EQ(y.values, (std::vector<float>{2.5, 4.25, 6, 7}));
}

TEST_F(Loader, ChecksArguments) {
  MercerArtifact *artifact = nullptr;
  EXPECT_EQ(mercer_artifact_load(context, nullptr, nullptr, &artifact), 1001);
  EXPECT_EQ(mercer_artifact_load(context, "x", nullptr, nullptr), 1001);
  EXPECT_EQ(mercer_artifact_load(nullptr, "x", nullptr, &artifact), 1001);
  MercerLoadOptions options{};
  EXPECT_EQ(mercer_artifact_load(context, "x", &options, &artifact), 1002);
  struct {
    MercerLoadOptions known;
    uint64_t later;
  } extended{};
  extended.known.struct_size = sizeof(extended);
  EXPECT_EQ(mercer_artifact_load(context, fake("affine").c_str(),
                                 &extended.known, &artifact),
            0);
  mercer_artifact_release(artifact);
  extended.later = 1;
  EXPECT_EQ(mercer_artifact_load(context, fake("affine").c_str(),
                                 &extended.known, &artifact),
            1002);
  mercer_artifact_release(nullptr);
}

} // namespace
