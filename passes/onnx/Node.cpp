// Node helpers, the operator registry and the support query.
#include "passes/onnx/Node.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/STLExtras.h"

namespace mercer::lowering {

static std::string nodeName(onnx::NodeOp op) {
  if (auto named = op.getLoc()->findInstanceOf<NameLoc>())
    return named.getName().str();
  return "?";
}

static std::string describe(onnx::NodeOp op) {
  StringRef domain = op.getDomain().empty() ? "ai.onnx" : op.getDomain();
  return ("node '" + nodeName(op) + "' (" + op.getOpType() + ", domain " +
          domain + ", opset " + Twine(op.getOpset()) + "): ")
      .str();
}

LogicalResult Node::fail(Code code, const Twine &message) {
  return op.emitError() << "[E" << static_cast<unsigned>(code) << "] "
                        << describe(op) << message.str();
}

LogicalResult Node::failType(unsigned input, StringRef expected) {
  return fail(UnsupportedType, "operand " + Twine(input) + " is " +
                                   dtypeName(in(input).dtype) + ", expected " +
                                   expected);
}

LogicalResult Node::done(TValue result) {
  results.assign(1, result);
  return success();
}

LogicalResult Node::done(ArrayRef<TValue> many) {
  results.assign(many.begin(), many.end());
  return success();
}

LogicalResult Node::doneMap(TValue result) {
  if (!result)
    return fail(InvalidShape, "shapes of the operands do not broadcast");
  return done(result);
}

std::optional<Ints> Node::declaredShape(unsigned out) {
  if (out >= op.getOutputs().size())
    return std::nullopt;
  auto type = dyn_cast<RankedTensorType>(op.getOutputs()[out].getType());
  if (!type || !type.hasStaticShape())
    return std::nullopt;
  return Ints(type.getShape().begin(), type.getShape().end());
}

Sizes Node::refine(Lowering &L, unsigned out, ArrayRef<OpFoldResult> sizes) {
  Sizes result(sizes.begin(), sizes.end());
  if (out >= op.getOutputs().size())
    return result;
  auto type = dyn_cast<RankedTensorType>(op.getOutputs()[out].getType());
  if (!type || type.getRank() != static_cast<int64_t>(sizes.size()))
    return result;
  for (auto [i, size] : llvm::enumerate(result)) {
    if (type.isDynamicDim(i) || L.number(size))
      continue;
    OpFoldResult fixed = L.idx(type.getDimSize(i));
    L.guardEqual(size, fixed,
                 "a size differs from the one that the model declares");
    size = fixed;
  }
  return result;
}

FailureOr<int64_t> Node::axis(int64_t a, int64_t rank) {
  if (a < -rank || a >= rank)
    return fail(InvalidAttribute,
                "axis " + Twine(a) + " is outside of rank " + Twine(rank));
  return a < 0 ? a + rank : a;
}

FailureOr<Ints> Node::axes(ArrayRef<int64_t> list, int64_t rank) {
  Ints out;
  for (int64_t a : list) {
    FailureOr<int64_t> k = axis(a, rank);
    if (failed(k))
      return failure();
    if (llvm::is_contained(out, *k))
      return fail(InvalidAttribute, "axis " + Twine(a) + " is given twice");
    out.push_back(*k);
  }
  return out;
}

Registry::Registry() {
  registerElementwise(*this);
  registerActivations(*this);
  registerCompare(*this);
  registerCast(*this);
  registerReduce(*this);
  registerMatMul(*this);
  registerEinsum(*this);
  registerConv(*this);
  registerPool(*this);
  registerNormalize(*this);
  registerShape(*this);
  registerSlice(*this);
  registerGather(*this);
  registerScatter(*this);
  registerGenerate(*this);
  registerResize(*this);
  registerSort(*this);
  registerQuantize(*this);
  registerAttention(*this);
  registerLoss(*this);
  registerMl(*this);
  registerControl(*this);
  registerRecurrent(*this);
}

static std::string key(StringRef op, StringRef domain) {
  return (domain + "/" + op).str();
}

const Entry *Registry::find(StringRef op, StringRef domain) const {
  auto it = table.find(key(op, domain));
  return it == table.end() ? nullptr : &it->second;
}

void Registry::add(StringRef op, LowerFn fn, int64_t minOpset, StringRef domain,
                   int64_t maxOpset) {
  table[key(op, domain)] = Entry{op, domain, minOpset, maxOpset, fn};
}

/// The registered operator whose name is closest, for the message.
static StringRef nearest(StringRef op, StringRef domain,
                         const Registry &registry) {
  StringRef best;
  unsigned bestDistance = std::min<unsigned>(4, op.size() / 2 + 1);
  for (const auto &e : registry.entries()) {
    if (e.second.domain != domain)
      continue;
    unsigned d = op.edit_distance(e.second.op, true, bestDistance);
    if (d < bestDistance ||
        (d == bestDistance && !best.empty() && e.second.op < best)) {
      bestDistance = d;
      best = e.second.op;
    }
  }
  return best;
}

/// Operators that convert or only move elements take 8-bit floats too.
static bool takesFloat8(StringRef op) {
  static const char *ops[] = {"Cast",
                              "CastLike",
                              "QuantizeLinear",
                              "DequantizeLinear",
                              "Identity",
                              "Reshape",
                              "Shape",
                              "Transpose",
                              "Size",
                              "Flatten",
                              "Squeeze",
                              "Concat",
                              "Unsqueeze",
                              "Split",
                              "Slice",
                              "Gather",
                              "Expand",
                              "Constant",
                              "If",
                              "BitCast",
                              "Tile",
                              "DepthToSpace",
                              "SpaceToDepth"};
  return llvm::is_contained(ops, op);
}

std::optional<Refusal> isSupported(onnx::NodeOp node,
                                   const Registry &registry) {
  const Entry *e = registry.find(node.getOpType(), node.getDomain());
  if (!e) {
    std::string message = describe(node) + "the operator has no lowering";
    if (StringRef near = nearest(node.getOpType(), node.getDomain(), registry);
        !near.empty())
      message += (" (nearest: " + near + ")").str();
    return Refusal{UnsupportedOperator, message};
  }
  int64_t opset = node.getOpset();
  if (opset < e->minOpset || opset > e->maxOpset)
    return Refusal{UnsupportedOpset, describe(node) + "supported from opset " +
                                         std::to_string(e->minOpset) + " to " +
                                         std::to_string(e->maxOpset)};
  for (auto [i, operand] : llvm::enumerate(node.getInputs())) {
    Type type = operand.getType();
    if (isa<onnx::AbsentType, onnx::AnyType>(type))
      continue;
    auto shaped = dyn_cast<TensorType>(type);
    std::optional<DType> dtype =
        shaped ? dtypeFromType(shaped.getElementType()) : std::nullopt;
    bool ok = shaped &&
              (isa<onnx::AnyType>(shaped.getElementType()) ||
               (dtype && (!isFloat8(*dtype) || takesFloat8(node.getOpType()))));
    if (ok)
      continue;
    std::string text;
    llvm::raw_string_ostream(text) << type;
    return Refusal{UnsupportedType,
                   describe(node) + "operand " + std::to_string(i) +
                       " has type " + text +
                       "; supported are tensors of f16, bf16, f32, f64, "
                       "8- to 64-bit integers and bool"};
  }
  return std::nullopt;
}

std::optional<Refusal> isSupported(onnx::NodeOp node) {
  Registry registry;
  return isSupported(node, registry);
}

} // namespace mercer::lowering
