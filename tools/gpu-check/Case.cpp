//===- Case.cpp - one artifact with inputs and expected outputs -----------===//

#include "tools/gpu-check/Case.h"

#include <algorithm>
#include <dirent.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace mercer::check {

using Json = nlohmann::json;
using rt::Code;
using rt::Status;

Status readCase(const std::string &folder, Case &result) {
  const std::string file = folder + "/case.json";
  std::ifstream stream(file);
  Json json = Json::parse(stream, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    return {Code::FileUnreadable, file, "expects a JSON object"};
  try {
    result.folder = folder;
    result.name = json.at("name").get<std::string>();
    result.artifact = json.at("artifact").get<std::string>();
    result.timed = json.value("timed", -1);
    result.reference = json.value("reference", "");
    for (const Json &item : json.at("variants")) {
      Variant variant;
      for (auto &[name, what] : item.at("inputs").items()) {
        Input &input = variant.inputs[name];
        if (what.is_string()) {
          input.file = what.get<std::string>();
          continue;
        }
        input.seed = what.at("random").get<uint64_t>();
        input.shape = what.at("shape").get<std::vector<int64_t>>();
      }
      for (auto &[name, what] : item.at("expected").items())
        variant.expected.push_back(
            {name,
             what.value("file", ""),
             {what.value("rtol", 0.0), what.value("atol", 0.0)},
             what.value("of_largest", 0.0)});
      result.variants.push_back(std::move(variant));
    }
  } catch (const Json::exception &error) {
    return {Code::FileUnreadable, file, error.what()};
  }
  for (const Variant &variant : result.variants)
    for (const Expected &expected : variant.expected)
      if (expected.file.empty() && result.reference.empty())
        return {Code::FileUnreadable, file,
                "expects a file or a reference for output '" + expected.output +
                    "'"};
  if (result.timed >= static_cast<int>(result.variants.size()))
    return {Code::FileUnreadable, file,
            rt::format("has no variant %d to time", result.timed)};
  return {};
}

Status listCases(const std::string &folder, std::vector<std::string> &names) {
  DIR *directory = opendir(folder.c_str());
  if (!directory)
    return {Code::FileUnreadable, folder, "cannot open the folder of cases"};
  while (const dirent *entry = readdir(directory))
    if (access((folder + "/" + entry->d_name + "/case.json").c_str(), R_OK) ==
        0)
      names.push_back(entry->d_name);
  closedir(directory);
  std::sort(names.begin(), names.end());
  return {};
}

} // namespace mercer::check
