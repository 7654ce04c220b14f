// What mercer-lower-onnx can lower, asked without lowering anything.
#ifndef MERCER_PASSES_ONNX_SUPPORT_H
#define MERCER_PASSES_ONNX_SUPPORT_H

#include "dialects/onnx/IR/Onnx.h"

#include <optional>
#include <string>

namespace mercer::lowering {

class Registry;

/// Why a node cannot be lowered: a code of error_codes.def, and a sentence that
/// names the attribute or type and the nearest supported thing.
struct Refusal {
  unsigned code;
  std::string message;
};

/// Nothing if the operator, its opset and its operand types have a lowering.
std::optional<Refusal> isSupported(onnx::NodeOp node, const Registry &registry);
std::optional<Refusal> isSupported(onnx::NodeOp node);

} // namespace mercer::lowering

#endif
