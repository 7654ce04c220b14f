//===- Testing.h - what the runtime's tests share ---------------*- C++ -*-===//

#ifndef MERCER_TEST_UNIT_RUNTIME_TESTING_H
#define MERCER_TEST_UNIT_RUNTIME_TESTING_H

#include "Seal.h"
#include "mercer/mercer.h"

#include <gtest/gtest.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace mercer::test {

inline std::string fake(const std::string &name) {
  return std::string(FAKES_DIR "/") + name + ".so";
}

/// A directory of the running test, removed with it.
class TemporaryDirectory {
public:
  TemporaryDirectory() {
    char name[] = "/tmp/mercer-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~TemporaryDirectory() { (void)!system(("rm -rf '" + path + "'").c_str()); }
  std::string operator/(const std::string &name) const {
    return path + "/" + name;
  }

private:
  std::string path;
};

/// A context that fails the test when it cannot be made.
class ContextHolder {
public:
  explicit ContextHolder(uint32_t threads = 1) {
    MercerContextOptions options{};
    options.struct_size = sizeof(options);
    options.threads = threads;
    EXPECT_EQ(mercer_context_create(&options, &context), 0);
  }
  explicit ContextHolder(const MercerContextOptions &options) {
    EXPECT_EQ(mercer_context_create(&options, &context), 0);
  }
  ~ContextHolder() { mercer_context_destroy(context); }
  operator MercerContext *() const { return context; }
  std::string message() const { return mercer_context_error(context)->message; }
  std::string place() const { return mercer_context_error(context)->place; }

private:
  MercerContext *context = nullptr;
};

class ArtifactHolder {
public:
  ArtifactHolder(MercerContext *context, const std::string &path) {
    EXPECT_EQ(mercer_artifact_load(context, path.c_str(), nullptr, &artifact),
              0)
        << mercer_context_error(context)->message;
  }
  ~ArtifactHolder() { mercer_artifact_release(artifact); }
  operator MercerArtifact *() const { return artifact; }

private:
  MercerArtifact *artifact = nullptr;
};

template <typename T> struct TypeOf;
template <> struct TypeOf<float> {
  static constexpr MercerDataType value{MERCER_FLOAT, 32, 1};
};
template <> struct TypeOf<double> {
  static constexpr MercerDataType value{MERCER_FLOAT, 64, 1};
};
template <> struct TypeOf<int64_t> {
  static constexpr MercerDataType value{MERCER_INT, 64, 1};
};

/// Values and shape of a tensor in one place.
template <typename T> struct Buffer {
  Buffer(std::vector<int64_t> shape, std::vector<T> values,
         std::vector<int64_t> strides = {})
      : shape(std::move(shape)), values(std::move(values)),
        strides(std::move(strides)) {}
  MercerTensor view() {
    return {values.data(),
            {MERCER_DEVICE_CPU, 0},
            static_cast<int32_t>(shape.size()),
            TypeOf<T>::value,
            shape.data(),
            strides.empty() ? nullptr : strides.data(),
            0};
  }
  std::vector<int64_t> shape;
  std::vector<T> values;
  std::vector<int64_t> strides;
};

} // namespace mercer::test

#endif // MERCER_TEST_UNIT_RUNTIME_TESTING_H
