//===- OutlineKernels.cpp - kernels as functions on buffers ---------------===//
//
// The boundary between tensors and buffers is made here, so that bufferization
// of a kernel never has to look beyond it: arguments are buffers, read through
// `to_tensor` and written through `materialize_in_destination`.
//
//===----------------------------------------------------------------------===//

#include "passes/host/Passes.h"

#include "dialects/mercer/IR/Mercer.h"

#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/raw_ostream.h"

namespace mercer {
#define GEN_PASS_DEF_OUTLINEKERNELS
#include "passes/host/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;

namespace {

MemRefType bufferType(Type tensor) {
  auto type = cast<RankedTensorType>(tensor);
  return MemRefType::get(type.getShape(), type.getElementType());
}

/// A symbol made of the characters that assemblers and profilers accept.
std::string toSymbol(StringRef name) {
  std::string symbol;
  for (char c : name)
    if (llvm::isAlnum(c) || c == '_')
      symbol += c;
    else if (!symbol.empty() && symbol.back() != '_')
      symbol += '_';
  while (!symbol.empty() && symbol.back() == '_')
    symbol.pop_back();
  symbol = symbol.substr(0, 60);
  if (symbol.empty() || llvm::isDigit(symbol.front()))
    symbol = "k" + symbol;
  return symbol;
}

/// Text of a function that is equal for equal code.
std::string fingerprint(func::FuncOp function) {
  StringAttr name = function.getNameAttr();
  function.setName("k");
  std::string text;
  llvm::raw_string_ostream os(text);
  function.print(os,
                 OpPrintingFlags().enableDebugInfo(false).printGenericOpForm());
  function.setName(name);
  return text;
}

struct OutlineKernelsPass
    : mercer::impl::OutlineKernelsBase<OutlineKernelsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    SmallVector<KernelOp> kernels;
    for (func::FuncOp function : module.getOps<func::FuncOp>())
      function.walk([&](KernelOp kernel) { kernels.push_back(kernel); });
    llvm::StringMap<func::FuncOp> known;
    for (KernelOp kernel : kernels) {
      ++numKernels;
      SmallVector<Value> workspaces;
      if (failed(exposeWorkspaces(kernel, workspaces)))
        return signalPassFailure();
      FailureOr<func::FuncOp> function = outline(kernel, workspaces);
      if (failed(function))
        return signalPassFailure();
      auto [it, isNew] = known.try_emplace(fingerprint(*function), *function);
      if (isNew) {
        ++numFunctions;
        symbols.insert(*function);
      } else {
        function->erase();
      }
      replaceByLaunch(kernel, it->second, workspaces);
    }
  }

private:
  /// Tensors that a kernel makes between its phases: their sizes are computed
  /// by the caller, where they become buffers. Appends a `tensor.empty` of the
  /// caller for each; the kernel gets the block argument for it in `outline`.
  LogicalResult exposeWorkspaces(KernelOp kernel,
                                 SmallVectorImpl<Value> &workspaces) {
    Block *body = kernel.getBodyBlock();
    useDestinations(kernel);
    IRMapping mapping;
    mapping.map(body->getArguments(), kernel->getOperands());
    OpBuilder b(kernel);
    // Index arithmetic on arguments is as valid outside; anything else that a
    // size depends on is not.
    auto cloneValue = [&](auto &&self, Value value) -> FailureOr<Value> {
      if (mapping.contains(value))
        return mapping.lookup(value);
      Operation *op = value.getDefiningOp();
      if (!op || op->getBlock() != body || !isPure(op) ||
          op->getNumRegions() != 0)
        return failure();
      for (Value operand : op->getOperands())
        if (failed(self(self, operand)))
          return failure();
      b.clone(*op, mapping);
      return mapping.lookup(value);
    };
    for (auto empty : llvm::to_vector(body->getOps<tensor::EmptyOp>())) {
      sinkIntoPhases(empty);
      if (empty->use_empty()) {
        empty->erase();
        continue;
      }
      SmallVector<Value> sizes;
      for (Value size : empty.getDynamicSizes()) {
        FailureOr<Value> outside = cloneValue(cloneValue, size);
        if (failed(outside))
          return empty.emitError("[E3002] the size of a buffer between phases "
                                 "depends on the kernel's data");
        sizes.push_back(*outside);
      }
      workspaces.push_back(
          tensor::EmptyOp::create(b, empty.getLoc(), empty.getType().getShape(),
                                  empty.getType().getElementType(), sizes));
      Value argument = body->addArgument(empty.getType(), empty.getLoc());
      empty.replaceAllUsesWith(argument);
      empty.erase();
      ++numWorkspaces;
    }
    return success();
  }

  /// A phase that fills a fresh tensor which is then yielded writes the
  /// destination instead.
  static void useDestinations(KernelOp kernel) {
    for (auto [yielded, destination] :
         llvm::zip_equal(kernel.getYield().getOperands(),
                         kernel.getOutputArgs().take_front(
                             kernel.getYield().getNumOperands()))) {
      auto phase = yielded.getDefiningOp<scf::ForallOp>();
      if (!phase || !destination.use_empty())
        continue;
      OpOperand *init = phase.getTiedOpOperand(cast<OpResult>(yielded));
      auto empty = init->get().getDefiningOp<tensor::EmptyOp>();
      if (empty && empty->hasOneUse() &&
          empty.getType() == destination.getType())
        init->set(destination);
    }
  }

  /// A tensor without contents that is used inside of phases is scratch of
  /// each tile, not shared between them.
  static void sinkIntoPhases(tensor::EmptyOp empty) {
    for (OpOperand &use : llvm::make_early_inc_range(empty->getUses())) {
      if (use.getOwner()->getBlock() == empty->getBlock())
        continue;
      OpBuilder b(use.getOwner());
      use.set(b.clone(*empty)->getResult(0));
    }
  }

  FailureOr<func::FuncOp> outline(KernelOp kernel, ValueRange workspaces) {
    MLIRContext *context = kernel.getContext();
    Block *body = kernel.getBodyBlock();
    Location loc = kernel.getLoc();
    unsigned numInputs = kernel.getInputs().size();
    SmallVector<Type> types;
    for (BlockArgument argument : body->getArguments())
      types.push_back(isa<TensorType>(argument.getType())
                          ? bufferType(argument.getType())
                          : argument.getType());
    std::string name = toSymbol(kernel.getName().value_or("kernel"));
    auto function =
        func::FuncOp::create(loc, name, FunctionType::get(context, types, {}));
    function.setPrivate();
    function->setAttr(kernelAttrName(), UnitAttr::get(context));
    for (NamedAttribute attr : kernel->getDiscardableAttrs())
      if (attr.getName() != "mercer.nodes")
        function->setAttr(attr.getName(), attr.getValue());

    OpBuilder b(context);
    Block *entry = function.addEntryBlock();
    b.setInsertionPointToStart(entry);
    IRMapping mapping;
    for (auto [index, inner] : llvm::enumerate(body->getArguments())) {
      Value argument = entry->getArgument(index);
      if (isa<TensorType>(inner.getType()))
        argument = bufferization::ToTensorOp::create(
            b, loc, inner.getType(), argument, /*restrict=*/true,
            /*writable=*/index >= numInputs);
      mapping.map(inner, argument);
    }
    for (Operation &op : body->without_terminator())
      b.clone(op, mapping);
    for (auto [index, value] :
         llvm::enumerate(kernel.getYield().getOperands())) {
      Value destination = entry->getArgument(numInputs + index);
      auto store = bufferization::MaterializeInDestinationOp::create(
          b, loc, Type(), mapping.lookup(value), destination);
      store.setRestrict(true);
      store.setWritable(true);
    }
    func::ReturnOp::create(b, loc);
    return function;
  }

  void replaceByLaunch(KernelOp kernel, func::FuncOp function,
                       ValueRange workspaces) {
    OpBuilder b(kernel);
    SmallVector<Value> outputs(kernel.getOutputs());
    llvm::append_range(outputs, workspaces);
    SmallVector<Type> types(ValueRange(outputs).getTypes());
    SmallVector<StringRef> names = nodeNames(kernel);
    ArrayAttr nodes = names.empty() ? ArrayAttr() : b.getStrArrayAttr(names);
    auto launch = LaunchOp::create(b, kernel.getLoc(), types,
                                   FlatSymbolRefAttr::get(function),
                                   kernel.getInputs(), outputs, nodes);
    kernel->replaceAllUsesWith(
        launch.getResults().take_front(kernel.getNumResults()));
    kernel->erase();
  }
};

} // namespace
