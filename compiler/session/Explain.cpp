//===- Explain.cpp - what became of a model -------------------------------===//

#include "compiler/session/Explain.h"

#include "dialects/mercer/IR/Mercer.h"
#include "passes/host/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace mercer;

template <typename T> static std::string print(T value) {
  std::string text;
  llvm::raw_string_ostream os(text);
  value.print(os);
  return text;
}

/// Decisions, and the figures that they were made with.
static void readSchedule(DictionaryAttr schedule, KernelReport &report) {
  llvm::raw_string_ostream os(report.schedule);
  for (NamedAttribute entry : schedule) {
    StringRef name = entry.getName();
    Attribute value = entry.getValue();
    double number = -1;
    if (auto real = dyn_cast<FloatAttr>(value))
      number = real.getValueAsDouble();
    if (auto integer = dyn_cast<IntegerAttr>(value))
      number = static_cast<double>(integer.getInt());
    if (name == "flops") {
      report.flops = number;
    } else if (name == "bytes") {
      report.bytes = number;
    } else if (name == "seconds") {
      report.predictedMs = number * 1e3;
    } else if (name == "why") {
      if (auto text = dyn_cast<StringAttr>(value))
        report.reason = text.getValue().str();
    } else if (name == "not_fused") {
      if (auto list = dyn_cast<ArrayAttr>(value))
        for (Attribute part : list)
          if (auto line = dyn_cast<StringAttr>(part))
            report.notFused.push_back(line.getValue().str());
    } else {
      os << (report.schedule.empty() ? "" : ", ") << name << " = ";
      if (auto sizes = dyn_cast<DenseI64ArrayAttr>(value))
        llvm::interleave(sizes.asArrayRef(), os, "x");
      else
        os << static_cast<int64_t>(number);
    }
  }
}

std::vector<KernelReport> mercer::explainKernels(ModuleOp module) {
  std::vector<KernelReport> reports;
  for (auto function : module.getOps<func::FuncOp>())
    function.walk([&](KernelOp kernel) {
      KernelReport report;
      report.name = kernel.getName().value_or("").str();
      for (Value input : kernel.getInputs())
        report.inputs.push_back(print(input.getType()));
      for (Value output : kernel.getOutputs())
        report.outputs.push_back(print(output.getType()));
      std::vector<std::string> nodes;
      for (StringRef name : nodeNames(kernel))
        nodes.push_back(name.str());
      report.sites.push_back(std::move(nodes));
      llvm::MapVector<StringRef, unsigned> operations;
      kernel.walk([&](linalg::LinalgOp op) {
        ++operations[op->getName().getStringRef()];
      });
      for (auto [name, count] : operations)
        report.operations.emplace_back(name.str(), count);
      auto schedule = kernel->getAttrOfType<DictionaryAttr>("mercer.schedule");
      if (schedule)
        readSchedule(schedule, report);
      reports.push_back(std::move(report));
    });
  return reports;
}

std::string mercer::printReport(const CompileReport &report) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (const KernelReport &kernel : report.kernels) {
    os << kernel.name << "\n";
    for (const auto &nodes : kernel.sites)
      if (!nodes.empty())
        os << "  nodes     " << llvm::join(nodes, ", ") << "\n";
    os << "  inputs    " << llvm::join(kernel.inputs, ", ") << "\n";
    os << "  outputs   " << llvm::join(kernel.outputs, ", ") << "\n";
    os << "  fused     ";
    bool first = true;
    for (const auto &[name, count] : kernel.operations) {
      os << (first ? "" : ", ") << count << " " << name;
      first = false;
    }
    os << "\n";
    if (!kernel.schedule.empty())
      os << "  schedule  " << kernel.schedule << "\n";
    if (!kernel.reason.empty())
      os << "  why       " << kernel.reason << "\n";
    if (kernel.flops >= 0)
      os << "  flops     " << llvm::formatv("{0:f0}", kernel.flops) << "\n";
    if (kernel.bytes >= 0)
      os << "  bytes     " << llvm::formatv("{0:f0}", kernel.bytes) << "\n";
    if (kernel.predictedMs >= 0)
      os << "  predicted " << llvm::formatv("{0:f3} ms", kernel.predictedMs)
         << "\n";
    for (const std::string &entry : kernel.notFused)
      os << "  not fused " << entry << "\n";
  }
  os << report.kernels.size() << " kernels; " << report.bytesWritten
     << " bytes written, " << report.constantBytes << " of them constants, "
     << report.packedBytes << " laid out anew\n";
  return text;
}

std::string mercer::printReportAsJson(const CompileReport &report) {
  llvm::json::Array kernels;
  for (const KernelReport &kernel : report.kernels) {
    llvm::json::Array sites, operations;
    for (const auto &nodes : kernel.sites)
      sites.push_back(llvm::json::Array(nodes));
    for (const auto &[name, count] : kernel.operations)
      operations.push_back(
          llvm::json::Object{{"name", name}, {"count", count}});
    auto number = [](double value) {
      return value < 0 ? llvm::json::Value(nullptr) : llvm::json::Value(value);
    };
    kernels.push_back(
        llvm::json::Object{{"name", kernel.name},
                           {"sites", std::move(sites)},
                           {"inputs", llvm::json::Array(kernel.inputs)},
                           {"outputs", llvm::json::Array(kernel.outputs)},
                           {"operations", std::move(operations)},
                           {"schedule", kernel.schedule},
                           {"reason", kernel.reason},
                           {"flops", number(kernel.flops)},
                           {"bytes", number(kernel.bytes)},
                           {"predicted_ms", number(kernel.predictedMs)},
                           {"not_fused", llvm::json::Array(kernel.notFused)}});
  }
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(
      llvm::json::Object{{"kernels", std::move(kernels)},
                         {"bytes_written", report.bytesWritten},
                         {"constant_bytes", report.constantBytes},
                         {"packed_bytes", report.packedBytes}});
  return text + "\n";
}
