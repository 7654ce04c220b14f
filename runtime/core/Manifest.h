//===- Manifest.h - what an artifact says about itself ----------*- C++ -*-===//
//
// The manifest's JSON (docs/artifact.md) as checked structures. Symbols are
// numbered per entry point so that a run compares integers, not names.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_RUNTIME_CORE_MANIFEST_H
#define MERCER_RUNTIME_CORE_MANIFEST_H

#include "mercer/mercer.h"
#include "runtime/support/Status.h"

#include <optional>
#include <string_view>
#include <vector>

namespace mercer::rt {

/// An input, output or state.
struct ValueDesc {
  std::string name;
  MercerDataType dtype{};
  std::vector<int64_t> shape;        ///< -1 where not fixed
  std::vector<int32_t> symbol;       ///< number of the symbol or -1
  std::vector<const char *> symbols; ///< names or null, owned by the entry
  int32_t axis = -1;                 ///< growing dimension of a state

  size_t rank() const { return shape.size(); }
};

struct AliasDesc {
  uint32_t input, output;
};

struct EntryDesc {
  std::string name;
  std::vector<ValueDesc> inputs, outputs, states;
  std::vector<AliasDesc> aliases;
  std::vector<std::string> symbolNames;
  size_t inputDimCount = 0, outputDimCount = 0;
};

/// A place of the host program that launches a kernel.
struct SiteDesc {
  std::vector<std::string> nodes;
  std::vector<const char *> nodePointers;
  double flops = 0, bytes = 0;
};

struct Manifest {
  uint32_t abiVersion = 0;
  std::string compiler;
  std::string target; ///< kind of device: "cpu", "cuda", "vulkan"
  std::string chip;   ///< what CUDA code was made for: "sm_90a"
  std::vector<std::string> cpuFeatures;
  std::vector<std::string> deviceFeatures;
  std::vector<EntryDesc> entries;
  std::vector<SiteDesc> sites;

  static Status parse(std::string_view json, const std::string &place,
                      Manifest &manifest);
};

} // namespace mercer::rt

#endif // MERCER_RUNTIME_CORE_MANIFEST_H
