// mercer-lower-onnx: the in-order walk over imported functions.
#include "passes/onnx/Passes.h"

#include "dialects/mercer/IR/Mercer.h"
#include "passes/onnx/Node.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/DialectResourceBlobManager.h"

namespace mercer {
#define GEN_PASS_DEF_MERCERLOWERONNX
#include "passes/onnx/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;
using namespace mercer::lowering;

namespace {

/// ui8 -> i8, i1 -> i8; unranked and dynamic shapes stay.
Type signlessTensor(Type type, DType dtype) {
  Type e = storageType(dtype, type.getContext());
  if (auto ranked = dyn_cast<RankedTensorType>(type))
    return RankedTensorType::get(ranked.getShape(), e);
  return type;
}

/// A constant of ONNX element type as one of the storage type.
ElementsAttr storageConstant(ElementsAttr attr, DType dtype) {
  auto type = cast<ShapedType>(attr.getType());
  Type e = storageType(dtype, type.getContext());
  if (type.getElementType() == e)
    return attr;
  auto target = RankedTensorType::get(type.getShape(), e);
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr)) {
    if (dtype == DType::Bool)
      return {};
    return DenseResourceElementsAttr::get(target, resource.getRawHandle());
  }
  auto dense = dyn_cast<DenseElementsAttr>(attr);
  if (!dense)
    return {};
  if (dtype == DType::Bool)
    return dense.mapValues(e, [](const APInt &v) { return v.zext(8); });
  return dense.bitcast(e);
}

class Walk {
public:
  Walk(func::FuncOp func, const Registry &registry)
      : func(func), registry(registry), builder(func.getContext()),
        lowering(builder, func.getLoc()), context{lowering, {}} {
    context.inlineRegion = [this](Region &region, ArrayRef<TValue> args) {
      return inlineRegion(region, args);
    };
  }

  int64_t nodes = 0;

  LogicalResult run() {
    Block &block = func.front();
    if (failed(convertArguments(block)))
      return failure();
    SmallVector<Operation *> ops;
    for (Operation &op : block)
      ops.push_back(&op);
    for (Operation *op : ArrayRef<Operation *>(ops).drop_back())
      if (failed(visit(op, op)))
        return failure();
    if (failed(convertReturn(cast<func::ReturnOp>(ops.back()))))
      return failure();
    for (Operation *op : llvm::reverse(dead)) {
      op->dropAllUses();
      op->erase();
    }
    return success();
  }

private:
  func::FuncOp func;
  const Registry &registry;
  OpBuilder builder;
  Lowering lowering;
  Context context;
  DenseMap<Value, TValue> lowered;
  SmallVector<Operation *> dead;

  LogicalResult convertArguments(Block &block) {
    builder.setInsertionPointToStart(&block);
    llvm::StringMap<OpFoldResult> symbols;
    for (auto [i, arg] : llvm::enumerate(block.getArguments())) {
      auto type = dyn_cast<RankedTensorType>(arg.getType());
      std::optional<DType> dtype =
          type ? dtypeFromType(type.getElementType()) : std::nullopt;
      if (!dtype) {
        std::string text;
        llvm::raw_string_ostream(text) << arg.getType();
        return func.emitError()
               << "[E2004] input " << i << " has type " << text
               << ", expected a ranked tensor of a numeric type or bool";
      }
      arg.setType(signlessTensor(type, *dtype));
      lowered[arg] = {arg, *dtype};
      // Dims of one symbol are one value, so that their sizes compare equal.
      auto names = func.getArgAttrOfType<ArrayAttr>(i, "mercer.dims");
      Sizes sizes;
      for (int64_t d = 0; d < type.getRank(); ++d) {
        if (!type.isDynamicDim(d)) {
          sizes.push_back(lowering.idx(type.getDimSize(d)));
          continue;
        }
        StringRef symbol;
        if (names && d < static_cast<int64_t>(names.size()))
          if (auto s = dyn_cast<StringAttr>(names[d]))
            symbol = s.getValue();
        OpFoldResult &known = symbols[symbol.empty() ? StringRef("?") : symbol];
        if (symbol.empty() || !known) {
          OpFoldResult size =
              tensor::DimOp::create(builder, func.getLoc(), arg, d).getResult();
          if (!symbol.empty())
            known = size;
          sizes.push_back(size);
        } else {
          sizes.push_back(known);
        }
      }
      lowering.setDims(arg, sizes);
    }
    return success();
  }

  /// Lowers `op`; new operations stand before `at`.
  LogicalResult visit(Operation *op, Operation *at) {
    builder.setInsertionPoint(at);
    lowering.loc = op->getLoc();
    if (auto node = dyn_cast<onnx::NodeOp>(op))
      return visitNode(node);
    if (isa<onnx::NoneOp>(op)) {
      lowered[op->getResult(0)] = {};
      retire(op);
      return success();
    }
    if (op->getNumResults() != 1) {
      // Other dialects' operations stay as they are.
      for (OpOperand &operand : op->getOpOperands())
        if (TValue v = lowered.lookup(operand.get()))
          operand.set(v.value);
      return success();
    }
    Value result = op->getResult(0);
    auto type = dyn_cast<TensorType>(result.getType());
    if (!type) {
      return success();
    }
    std::optional<DType> dtype = dtypeFromType(type.getElementType());
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      auto elements = dyn_cast<ElementsAttr>(constant.getValue());
      ElementsAttr stored =
          dtype && elements ? storageConstant(elements, *dtype) : nullptr;
      if (!stored)
        return op->emitError()
               << "[E2004] constant of type " << type << " is not supported";
      Value v = arith::ConstantOp::create(builder, op->getLoc(), stored);
      lowered[result] = {v, *dtype};
      retire(op);
      return success();
    }
    if (auto weight = dyn_cast<WeightOp>(op)) {
      if (!dtype)
        return op->emitError()
               << "[E2004] weight of type " << type << " is not supported";
      Type t = signlessTensor(type, *dtype);
      Value v =
          WeightOp::create(builder, op->getLoc(), t, weight.getFileAttr(),
                           weight.getOffsetAttr(), weight.getLengthAttr());
      lowered[result] = {v, *dtype};
      retire(op);
      return success();
    }
    if (dtype)
      lowered[result] = {result, *dtype};
    return success();
  }

  /// Nodes of the function itself are erased at the end; those of subgraphs go
  /// with the node that holds them.
  void retire(Operation *op) {
    if (op->getBlock() == &func.front())
      dead.push_back(op);
  }

  LogicalResult visitNode(onnx::NodeOp op) {
    SmallVector<TValue> inputs;
    for (Value v : op.getInputs())
      inputs.push_back(lowered.lookup(v));
    Node node(op, std::move(inputs));
    if (std::optional<Refusal> r = isSupported(op, registry))
      return op.emitError() << "[E" << r->code << "] " << r->message;
    const Entry *entry = registry.find(op.getOpType(), op.getDomain());
    for (auto [i, v] : llvm::enumerate(op.getInputs()))
      if (!node.has(i) && !isa<onnx::AbsentType>(v.getType()))
        return node.fail(UnsupportedType,
                         "operand " + Twine(i) + " has no tensor value");
    if (failed(entry->lower(context, node)))
      return failure();
    ++nodes;
    if (node.results.size() < op.getOutputs().size())
      node.results.resize(op.getOutputs().size());
    for (auto [i, result] : llvm::enumerate(op.getOutputs())) {
      TValue r = node.results[i];
      if (!r && !isa<onnx::AbsentType>(result.getType()) && !result.use_empty())
        return node.fail(UnsupportedOperator,
                         "output " + Twine(i) +
                             " of the operator has no lowering");
      if (failed(checkDeclared(node, i, result.getType(), r)))
        return failure();
      lowered[result] = r;
    }
    retire(op);
    return success();
  }

  LogicalResult checkDeclared(Node &node, unsigned i, Type declared, TValue r) {
    auto type = dyn_cast<RankedTensorType>(declared);
    if (!type || !r)
      return success();
    ArrayRef<int64_t> got = Lowering::type(r.value).getShape();
    bool ok = static_cast<int64_t>(got.size()) == type.getRank();
    for (int64_t d = 0; ok && d < type.getRank(); ++d)
      ok = type.isDynamicDim(d) || ShapedType::isDynamic(got[d]) ||
           got[d] == type.getDimSize(d);
    if (ok)
      return success();
    std::string text;
    llvm::raw_string_ostream os(text);
    os << "output " << i << " is " << r.value.getType()
       << ", the model declares " << declared;
    return node.fail(InvalidShape, text);
  }

  FailureOr<SmallVector<TValue>> inlineRegion(Region &region,
                                              ArrayRef<TValue> args) {
    Block &block = region.front();
    Operation *at = nullptr;
    if (builder.getInsertionPoint() != builder.getInsertionBlock()->end())
      at = &*builder.getInsertionPoint();
    if (!at || args.size() != block.getNumArguments())
      return func.emitError()
             << "[E2007] a subgraph takes " << block.getNumArguments()
             << " values, got " << args.size();
    for (auto [arg, v] : llvm::zip_equal(block.getArguments(), args))
      lowered[arg] = v;
    Location saved = lowering.loc;
    for (Operation &op : block.without_terminator())
      if (failed(visit(&op, at)))
        return failure();
    lowering.loc = saved;
    builder.setInsertionPoint(at);
    SmallVector<TValue> out;
    for (Value v : block.getTerminator()->getOperands())
      out.push_back(lowered.lookup(v));
    return out;
  }

  LogicalResult convertReturn(func::ReturnOp op) {
    builder.setInsertionPoint(op);
    lowering.loc = op.getLoc();
    SmallVector<Value> values;
    SmallVector<Type> types;
    for (auto [i, operand] : llvm::enumerate(op.getOperands())) {
      TValue v = lowered.lookup(operand);
      if (!v)
        return func.emitError() << "[E2007] output " << i << " has no value";
      Value value = v.value;
      RankedTensorType got = Lowering::type(value);
      auto declared = dyn_cast<RankedTensorType>(operand.getType());
      // Keep the most static of what was inferred and what the model declares.
      if (auto t =
              dyn_cast<RankedTensorType>(func.getFunctionType().getResult(i)))
        declared = t;
      if (declared && declared.getRank() == got.getRank()) {
        SmallVector<int64_t> shape(got.getShape());
        for (int64_t d = 0; d < got.getRank(); ++d) {
          if (declared.isDynamicDim(d))
            continue;
          if (!got.isDynamicDim(d) && shape[d] != declared.getDimSize(d))
            return func.emitError() << "[E2009] output " << i << " is " << got
                                    << ", the model declares " << declared;
          if (got.isDynamicDim(d))
            lowering.guardEqual(lowering.dim(value, d),
                                lowering.idx(declared.getDimSize(d)),
                                "output differs from its declared size");
          shape[d] = declared.getDimSize(d);
        }
        auto joined = RankedTensorType::get(shape, got.getElementType());
        if (joined != got)
          value = tensor::CastOp::create(builder, op.getLoc(), joined, value);
      } else if (declared) {
        return func.emitError()
               << "[E2009] output " << i << " has rank " << got.getRank()
               << ", the model declares " << declared.getRank();
      }
      // An output keeps its ONNX type where the model does not say it.
      if (!func.getResultAttr(i, "mercer.dtype"))
        func.setResultAttr(i, "mercer.dtype",
                           builder.getStringAttr(dtypeName(v.dtype)));
      values.push_back(value);
      types.push_back(value.getType());
    }
    op->setOperands(values);
    SmallVector<Type> argTypes(func.front().getArgumentTypes());
    func.setFunctionType(builder.getFunctionType(argTypes, types));
    return success();
  }
};

class LowerOnnx : public mercer::impl::MercerLowerOnnxBase<LowerOnnx> {
public:
  using MercerLowerOnnxBase::MercerLowerOnnxBase;

  void runOnOperation() override {
    Registry registry;
    if (listOps)
      return emitList(registry);
    // All of them at once, before anything changes.
    unsigned refused = 0, code = 0;
    onnx::NodeOp first;
    llvm::MapVector<std::pair<StringRef, StringRef>, unsigned> counts;
    getOperation().walk([&](onnx::NodeOp op) {
      if (std::optional<Refusal> r = isSupported(op, registry)) {
        op.emitError() << "[E" << r->code << "] " << r->message;
        ++counts[{op.getDomain(), op.getOpType()}];
        if (refused++ == 0) {
          first = op;
          code = r->code;
        }
      }
    });
    if (refused > 1) {
      InFlightDiagnostic diag = first.emitError();
      diag << "[E" << code << "] " << refused << " nodes are not supported: ";
      llvm::interleaveComma(counts, diag, [&](const auto &entry) {
        auto [domain, name] = entry.first;
        diag << entry.second << " " << domain << (domain.empty() ? "" : ".")
             << name;
      });
    }
    if (refused)
      return signalPassFailure();
    SmallVector<func::FuncOp> funcs(getOperation().getOps<func::FuncOp>());
    for (func::FuncOp func : funcs) {
      if (func.isExternal())
        continue;
      bool any = false;
      func.walk([&](Operation *op) {
        any |= isa_and_nonnull<onnx::OnnxDialect>(op->getDialect());
      });
      for (Type t : func.getFunctionType().getInputs())
        if (auto shaped = dyn_cast<ShapedType>(t))
          if (auto i = dyn_cast<IntegerType>(shaped.getElementType()))
            any |= i.isUnsigned() || i.getWidth() == 1;
      if (!any)
        continue;
      Walk walk(func, registry);
      if (failed(walk.run()))
        return signalPassFailure();
      numNodes += walk.nodes;
    }
  }

private:
  void emitList(const Registry &registry) {
    SmallVector<const Entry *> entries;
    for (const auto &e : registry.entries())
      entries.push_back(&e.second);
    llvm::sort(entries, [](const Entry *x, const Entry *y) {
      return std::tie(x->domain, x->op) < std::tie(y->domain, y->op);
    });
    for (const Entry *e : entries)
      emitRemark(getOperation().getLoc())
          << (e->domain.empty() ? "ai.onnx" : e->domain) << " " << e->op << " "
          << e->minOpset << ".." << e->maxOpset;
  }
};

} // namespace
