// One ONNX node as its lowering sees it, and the registry of lowerings.
#ifndef MERCER_PASSES_ONNX_NODE_H
#define MERCER_PASSES_ONNX_NODE_H

#include "dialects/onnx/IR/Onnx.h"
#include "passes/onnx/Lowering.h"
#include "passes/onnx/Support.h"

#include <functional>

namespace mercer::lowering {

/// Codes that lowerings refuse with (runtime/include/mercer/error_codes.def).
enum Code : unsigned {
  UnsupportedOperator = 2003,
  UnsupportedType = 2004,
  UnsupportedOpset = 2005,
  InvalidAttribute = 2008,
  InvalidShape = 2009,
};

class Node {
public:
  Node(onnx::NodeOp op, SmallVector<TValue> inputs)
      : op(op), inputs(std::move(inputs)) {}

  onnx::NodeOp op;
  SmallVector<TValue> inputs;
  SmallVector<TValue> results;

  TValue in(unsigned i) const {
    return i < inputs.size() ? inputs[i] : TValue();
  }
  bool has(unsigned i) const { return static_cast<bool>(in(i)); }
  int64_t opset() { return op.getOpset(); }
  StringRef name() { return op.getOpType(); }
  unsigned numOutputs() { return op.getOutputs().size(); }
  int64_t i(StringRef attr, int64_t fallback = 0) {
    return op.intAttr(attr, fallback);
  }
  double f(StringRef attr, double fallback = 0) {
    return op.floatAttr(attr, fallback);
  }
  StringRef s(StringRef attr, StringRef fallback = "") {
    return op.stringAttr(attr, fallback);
  }
  Ints ints(StringRef attr, ArrayRef<int64_t> fallback = {}) {
    return op.intsAttr(attr, fallback);
  }
  bool hasAttr(StringRef attr) { return op.hasAttribute(attr); }

  /// Reports a coded error at the node and returns failure.
  LogicalResult fail(Code code, const Twine &message);
  LogicalResult failType(unsigned input, StringRef expected);
  /// Ends the lowering with one result.
  LogicalResult done(TValue result);
  LogicalResult done(ArrayRef<TValue> many);
  /// A null result means that operand shapes do not broadcast.
  LogicalResult doneMap(TValue result);

  /// Sizes of result `out` with those that the model declares statically put in
  /// place of what is only known when the model runs.
  Sizes refine(Lowering &L, unsigned out, ArrayRef<OpFoldResult> sizes);
  /// The declared static shape of result `out`, if the model has one.
  std::optional<Ints> declaredShape(unsigned out);

  /// `axis` in [-rank, rank) made non-negative; fails otherwise.
  FailureOr<int64_t> axis(int64_t axis, int64_t rank);
  /// Same for a list; also refuses duplicates.
  FailureOr<Ints> axes(ArrayRef<int64_t> axes, int64_t rank);
};

class Registry;
struct Context;
using LowerFn = LogicalResult (*)(Context &, Node &);

struct Entry {
  StringRef op, domain;
  int64_t minOpset, maxOpset;
  LowerFn lower;
};

/// What a lowering function gets beside its node.
struct Context {
  Lowering &L;
  /// Lowers a subgraph in place of the node; returns what it yields.
  std::function<FailureOr<SmallVector<TValue>>(Region &, ArrayRef<TValue>)>
      inlineRegion;
};

class Registry {
public:
  Registry();
  const Entry *find(StringRef op, StringRef domain) const;
  const llvm::StringMap<Entry> &entries() const { return table; }
  void add(StringRef op, LowerFn fn, int64_t minOpset = 1,
           StringRef domain = "", int64_t maxOpset = 28);

private:
  llvm::StringMap<Entry> table;
};

void registerElementwise(Registry &r);
void registerActivations(Registry &r);
void registerCompare(Registry &r);
void registerCast(Registry &r);
void registerReduce(Registry &r);
void registerMatMul(Registry &r);
void registerEinsum(Registry &r);
void registerConv(Registry &r);
void registerPool(Registry &r);
void registerNormalize(Registry &r);
void registerShape(Registry &r);
void registerSlice(Registry &r);
void registerGather(Registry &r);
void registerScatter(Registry &r);
void registerResize(Registry &r);
void registerSort(Registry &r);
void registerQuantize(Registry &r);
void registerAttention(Registry &r);
void registerLoss(Registry &r);
void registerMl(Registry &r);
void registerControl(Registry &r);
void registerRecurrent(Registry &r);
void registerGenerate(Registry &r);

} // namespace mercer::lowering

#endif
