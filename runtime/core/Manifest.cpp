//===- Manifest.cpp - what an artifact says about itself ------------------===//

#include "runtime/core/Manifest.h"

#include "runtime/support/Dtype.h"

#include <nlohmann/json.hpp>

namespace mercer::rt {

using Json = nlohmann::json;

namespace {

/// Reads one manifest and keeps the first complaint: the accessors return a
/// neutral value after it, so that the reading code has no branches.
class Reader {
public:
  explicit Reader(const std::string &file) : file(file) {}

  Status take() { return std::move(status); }

  void complain(const std::string &where, const std::string &what) {
    if (!status.failed())
      status = Status(Code::ManifestMalformed, file, where + ": " + what);
  }

  const Json &array(const Json &object, const char *key,
                    const std::string &where, bool required) {
    static const Json empty = Json::array();
    auto it = object.find(key);
    if (it == object.end()) {
      if (required)
        complain(where, format("expects the array '%s'", key));
      return empty;
    }
    if (it->is_array())
      return *it;
    complain(where, format("expects '%s' to be an array", key));
    return empty;
  }

  std::string string(const Json &object, const char *key,
                     const std::string &where) {
    auto it = object.find(key);
    if (it != object.end() && it->is_string())
      return it->get<std::string>();
    complain(where, format("expects the string '%s'", key));
    return {};
  }

  /// A non-negative integer at most `limit`.
  int64_t integer(const Json &value, const std::string &where, int64_t limit) {
    if (value.is_number_integer() &&
        !(value.is_number_unsigned() &&
          value.get<uint64_t>() > static_cast<uint64_t>(limit))) {
      int64_t number = value.get<int64_t>();
      if (number >= 0 && number <= limit)
        return number;
    }
    complain(where, "expects an integer from 0 to " + std::to_string(limit));
    return 0;
  }

  std::vector<std::string> strings(const Json &list, const std::string &where) {
    std::vector<std::string> result;
    for (const Json &item : list) {
      if (!item.is_string()) {
        complain(where, "expects strings");
        break;
      }
      result.push_back(item.get<std::string>());
    }
    return result;
  }

private:
  const std::string &file;
  Status status;
};

} // namespace

static void readValue(Reader &reader, const Json &json, EntryDesc &entry,
                      const std::string &where, bool isState,
                      ValueDesc &value) {
  if (!json.is_object())
    return reader.complain(where, "expects an object");
  value.name = reader.string(json, "name", where);
  std::string dtype = reader.string(json, "dtype", where);
  if (!parseDtype(dtype, value.dtype))
    reader.complain(where, "unknown dtype '" + dtype + "'");
  const Json &shape = reader.array(json, "shape", where, true);
  for (const Json &dim : shape) {
    if (dim.is_string()) {
      const auto &name = dim.get_ref<const std::string &>();
      auto &names = entry.symbolNames;
      auto it = std::find(names.begin(), names.end(), name);
      value.symbol.push_back(static_cast<int32_t>(it - names.begin()));
      if (it == names.end())
        names.push_back(name);
      value.shape.push_back(-1);
      continue;
    }
    value.symbol.push_back(-1);
    value.shape.push_back(
        dim.is_null() ? -1 : reader.integer(dim, where, INT64_MAX));
  }
  if (!isState)
    return;
  auto axis = json.find("axis");
  if (axis != json.end() && !axis->is_null()) {
    if (value.rank() == 0)
      return reader.complain(where, "a state of rank 0 has no axis");
    value.axis = static_cast<int32_t>(reader.integer(
        *axis, where + ".axis", static_cast<int64_t>(value.rank()) - 1));
  }
}

static void readEntry(Reader &reader, const Json &json,
                      const std::string &where, EntryDesc &entry) {
  if (!json.is_object())
    return reader.complain(where, "expects an object");
  entry.name = reader.string(json, "name", where);
  auto readValues = [&](const char *key, bool required, bool areStates,
                        std::vector<ValueDesc> &values) {
    const Json &list = reader.array(json, key, where, required);
    values.resize(list.size());
    for (size_t i = 0; i < list.size(); ++i)
      readValue(reader, list[i], entry,
                format("%s.%s[%zu]", where.c_str(), key, i), areStates,
                values[i]);
  };
  readValues("inputs", true, false, entry.inputs);
  readValues("outputs", true, false, entry.outputs);
  readValues("states", false, true, entry.states);
  // The symbols' names are complete only now: no pointer moves any more.
  for (auto *values : {&entry.inputs, &entry.outputs, &entry.states})
    for (ValueDesc &value : *values)
      for (int32_t symbol : value.symbol)
        value.symbols.push_back(symbol < 0 ? nullptr
                                           : entry.symbolNames[symbol].c_str());
  for (const ValueDesc &input : entry.inputs)
    entry.inputDimCount += input.rank();
  for (const ValueDesc &output : entry.outputs)
    entry.outputDimCount += output.rank();

  const Json &aliases = reader.array(json, "aliases", where, false);
  for (const Json &alias : aliases) {
    std::string place = where + ".aliases";
    if (!alias.is_object() || !alias.contains("input") ||
        !alias.contains("output")) {
      reader.complain(place, "expects objects with 'input' and 'output'");
      return;
    }
    int64_t input = reader.integer(alias["input"], place, INT32_MAX);
    int64_t output = reader.integer(alias["output"], place, INT32_MAX);
    if (input >= int64_t(entry.inputs.size()) ||
        output >= int64_t(entry.outputs.size()))
      return reader.complain(place, "expects indices of inputs and outputs");
    entry.aliases.push_back({uint32_t(input), uint32_t(output)});
  }
}

static void readSites(Reader &reader, const Json &json, Manifest &manifest) {
  const Json &sites = reader.array(json, "sites", "manifest", false);
  manifest.sites.resize(sites.size());
  for (size_t i = 0; i < sites.size(); ++i) {
    std::string where = format("sites[%zu]", i);
    SiteDesc &site = manifest.sites[i];
    if (!sites[i].is_object())
      return reader.complain(where, "expects an object");
    site.nodes =
        reader.strings(reader.array(sites[i], "nodes", where, false), where);
    for (const std::string &node : site.nodes)
      site.nodePointers.push_back(node.c_str());
    auto number = [&](const char *key) {
      auto it = sites[i].find(key);
      return it != sites[i].end() && it->is_number() ? it->get<double>() : 0.0;
    };
    site.flops = number("flops");
    site.bytes = number("bytes");
  }
}

Status Manifest::parse(std::string_view text, const std::string &place,
                       Manifest &manifest) {
  Json json = Json::parse(text.begin(), text.end(), /*cb=*/nullptr,
                          /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object())
    return {Code::ManifestMalformed, place, "the manifest is no JSON object"};
  Reader reader(place);
  auto abi = json.find("abi_version");
  if (abi == json.end())
    reader.complain("manifest", "expects 'abi_version'");
  else
    manifest.abiVersion =
        static_cast<uint32_t>(reader.integer(*abi, "abi_version", INT32_MAX));
  manifest.compiler = reader.string(json, "compiler", "manifest");
  manifest.cpuFeatures = reader.strings(
      reader.array(json, "cpu_features", "manifest", true), "cpu_features");
  manifest.deviceFeatures =
      reader.strings(reader.array(json, "device_features", "manifest", false),
                     "device_features");
  manifest.target = "cpu";
  if (auto target = json.find("target"); target != json.end()) {
    if (!target->is_object())
      reader.complain("target", "expects an object");
    else if (manifest.target = reader.string(*target, "kind", "target");
             manifest.target == "cuda")
      manifest.chip = reader.string(*target, "chip", "target");
  }
  const Json &entries = reader.array(json, "entries", "manifest", true);
  manifest.entries.resize(entries.size());
  for (size_t i = 0; i < entries.size(); ++i)
    readEntry(reader, entries[i], format("entries[%zu]", i),
              manifest.entries[i]);
  readSites(reader, json, manifest);
  return reader.take();
}

} // namespace mercer::rt
