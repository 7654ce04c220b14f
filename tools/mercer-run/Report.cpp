//===- Report.cpp - what mercer-run prints --------------------------------===//

#include "tools/mercer-run/Report.h"

#include "runtime/support/Dtype.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace mercer::run {

using Json = nlohmann::ordered_json;
using rt::format;

static std::string dump(const Json &json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// A dimension is its size, the name of its symbol, or null.
static Json dimJson(const Value &value, size_t d) {
  if (value.shape[d] >= 0)
    return value.shape[d];
  if (!value.symbols[d].empty())
    return value.symbols[d];
  return nullptr;
}

static std::string dimText(const Value &value, size_t d) {
  if (value.shape[d] >= 0)
    return std::to_string(value.shape[d]);
  return value.symbols[d].empty() ? "?" : value.symbols[d];
}

static Json valuesJson(const std::vector<Value> &values) {
  Json list = Json::array();
  for (const Value &value : values) {
    Json shape = Json::array();
    for (size_t d = 0; d < value.shape.size(); ++d)
      shape.push_back(dimJson(value, d));
    list.push_back(Json{{"name", value.name},
                        {"dtype", rt::dtypeName(value.dtype)},
                        {"shape", std::move(shape)}});
  }
  return list;
}

static void valuesText(const char *title, const std::vector<Value> &values,
                       std::string &text) {
  text += format("%s\n", title);
  size_t width = 0;
  for (const Value &value : values)
    width = std::max(width, value.name.size());
  for (const Value &value : values) {
    text += format("  %-*s  %s [", int(std::min<size_t>(width, 40)),
                   value.name.c_str(), rt::dtypeName(value.dtype));
    for (size_t d = 0; d < value.shape.size(); ++d)
      text += (d ? ", " : "") + dimText(value, d);
    text += "]\n";
  }
}

static double median(std::vector<double> times) {
  if (times.empty())
    return 0;
  std::sort(times.begin(), times.end());
  size_t half = times.size() / 2;
  return times.size() % 2 ? times[half] : (times[half - 1] + times[half]) / 2;
}

static double minimum(const std::vector<double> &times) {
  return times.empty() ? 0 : *std::min_element(times.begin(), times.end());
}

std::string reportJson(const Report &report) {
  Json json;
  json["inputs"] = valuesJson(report.inputs);
  json["outputs"] = valuesJson(report.outputs);
  json["time_ms"] = Json{{"median", median(report.times)},
                         {"min", minimum(report.times)},
                         {"runs", report.times.size()}};
  Json expect = Json::array();
  // JSON has no infinity: null stands for it.
  auto number = [](double value) {
    return std::isfinite(value) ? Json(value) : Json(nullptr);
  };
  for (const Comparison &comparison : report.comparisons) {
    Json item{{"name", comparison.name},
              {"max_abs", number(comparison.maxAbs)},
              {"max_rel", number(comparison.maxRel)},
              {"ok", comparison.ok}};
    if (!comparison.note.empty())
      item["note"] = comparison.note;
    expect.push_back(std::move(item));
  }
  json["expect"] = std::move(expect);
  return dump(json);
}

std::string reportText(const Report &report) {
  std::string text;
  valuesText("inputs", report.inputs, text);
  valuesText("outputs", report.outputs, text);
  text += format("time\n  %.4f ms median, %.4f ms min, %zu run%s\n",
                 median(report.times), minimum(report.times),
                 report.times.size(), report.times.size() == 1 ? "" : "s");
  if (!report.comparisons.empty())
    text += "expect\n";
  for (const Comparison &comparison : report.comparisons) {
    text += format("  %s  %s, max_abs %.3g, max_rel %.3g\n",
                   comparison.name.c_str(), comparison.ok ? "ok" : "differs",
                   comparison.maxAbs, comparison.maxRel);
    if (comparison.mismatches > 0)
      text += format("    %lld elements differ; ",
                     static_cast<long long>(comparison.mismatches)) +
              comparison.note + "\n";
    else if (!comparison.note.empty())
      text += "    " + comparison.note + "\n";
  }
  return text;
}

/// The manifest's first entry with what only the loaded file knows.
static Json description(Model &model) {
  // The loader has parsed the manifest, so this cannot fail.
  Json manifest = Json::parse(model.manifest(), nullptr, false);
  const Json &entry = manifest["entries"][0];
  MercerMemoryInfo memory = model.memory();
  Json json;
  for (const char *key :
       {"model", "compiler", "abi_version", "target", "cpu_features"})
    if (manifest.contains(key))
      json[key] = manifest[key];
  json["inputs"] = valuesJson(model.inputs());
  json["outputs"] = valuesJson(model.outputs());
  Json symbols = Json::array();
  for (const auto *values : {&model.inputs(), &model.outputs()})
    for (const Value &value : *values)
      for (const std::string &symbol : value.symbols)
        if (!symbol.empty() && std::find(symbols.begin(), symbols.end(),
                                         Json(symbol)) == symbols.end())
          symbols.push_back(symbol);
  json["symbols"] = std::move(symbols);
  json["states"] = entry.value("states", Json::array());
  // By name: indices say nothing to a reader.
  Json aliases = Json::array();
  for (const Json &alias : entry.value("aliases", Json::array()))
    aliases.push_back(
        Json{{"input", model.inputs()[alias["input"].get<size_t>()].name},
             {"output", model.outputs()[alias["output"].get<size_t>()].name}});
  json["aliases"] = std::move(aliases);
  Json planned = nullptr, packed = nullptr;
  if (auto it = entry.find("memory"); it != entry.end() && it->is_object()) {
    planned = it->value("planned", Json());
    packed = it->value("packed", Json());
  }
  json["memory"] = Json{{"planned", planned},
                        {"packed", packed},
                        {"mapped", memory.constants},
                        {"code", memory.code}};
  json["kernels"] = manifest.value("kernels", Json::array());
  return json;
}

std::string describeJson(Model &model) { return dump(description(model)); }

std::string describeText(Model &model) {
  const Json json = description(model);
  auto scalar = [&](const Json &value) {
    return value.is_string() ? value.get<std::string>()
           : value.is_null()
               ? std::string("depends on the symbols")
               : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  std::string text;
  if (json.contains("model"))
    text += "model     " + scalar(json["model"]) + "\n";
  text += "compiler  " + scalar(json["compiler"]) + ", ABI " +
          scalar(json["abi_version"]) + "\n";
  if (json.contains("target") && json["target"].is_object()) {
    text += "target   ";
    for (const Json &part : json["target"])
      text += " " + scalar(part);
    text += "\n";
  }
  valuesText("inputs", model.inputs(), text);
  valuesText("outputs", model.outputs(), text);
  auto list = [&](const char *title, const Json &items, auto line) {
    if (items.empty())
      return;
    text += format("%s\n", title);
    for (const Json &item : items)
      text += "  " + line(item) + "\n";
  };
  list("symbols", json["symbols"], scalar);
  list("states", json["states"], [&](const Json &state) {
    return scalar(state["name"]) + "  " + scalar(state["dtype"]) + " " +
           scalar(state["shape"]) +
           (state.contains("axis") ? "  grows along " + scalar(state["axis"])
                                   : std::string());
  });
  list("aliases", json["aliases"], [&](const Json &alias) {
    return scalar(alias["input"]) + " -> " + scalar(alias["output"]);
  });
  const Json &memory = json["memory"];
  text += "memory (bytes)\n";
  for (const char *key : {"planned", "packed", "mapped", "code"})
    text += format("  %-8s ", key) + scalar(memory[key]) + "\n";
  text += format("kernels  %zu\n", json["kernels"].size());
  return text;
}

std::string errorJson(const rt::Status &status) {
  const char *name = rt::codeName(status.number());
  Json json;
  json["error"] = Json{{"code", format("E%04d", status.number())},
                       {"name", name ? name : ""},
                       {"message", status.message()},
                       {"place", status.place()}};
  return dump(json);
}

std::string errorText(const rt::Status &status) {
  std::string message = status.message();
  if (message.empty())
    if (const char *summary = rt::codeSummary(status.number()))
      message = summary;
  std::string text = format("[E%04d] ", status.number()) + message;
  if (!status.place().empty())
    text += " (" + status.place() + ")";
  return text;
}

} // namespace mercer::run
