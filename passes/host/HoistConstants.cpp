//===- HoistConstants.cpp - split off the constant program ----------------===//
//
// Constant expressions are not folded by an interpreter: they are compiled for
// the host with the same pipeline, run once, and their results stored. This
// pass decides what belongs to that program.
//
//===----------------------------------------------------------------------===//

#include "passes/host/Passes.h"

#include "dialects/mercer/IR/Mercer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mercer {
#define GEN_PASS_DEF_HOISTCONSTANTS
#include "passes/host/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;

namespace {

/// Bytes of a static tensor; 0 for scalars, -1 for dynamic tensors.
int64_t byteSize(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return 0;
  if (!tensor.hasStaticShape())
    return -1;
  Type element = tensor.getElementType();
  int64_t bits = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
  return llvm::divideCeil(tensor.getNumElements() * bits, 8);
}

struct HoistConstantsPass
    : mercer::impl::HoistConstantsBase<HoistConstantsPass> {
  using HoistConstantsBase::HoistConstantsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    // All of the constant program is constant already.
    if (module.getName() == constantsModuleName())
      return;
    for (func::FuncOp function : module.getOps<func::FuncOp>())
      if (isEntryPoint(function))
        hoistFrom(function);
    if (ModuleOp program = getConstantsModule(module))
      dropUnused(module, program);
  }

private:
  /// Something that a program can start from.
  static bool isSource(Operation *op) {
    return isa<WeightOp, PrecomputedOp>(op) ||
           op->hasTrait<OpTrait::ConstantLike>();
  }

  /// What an operation writes into is no data: it moves with its user.
  static bool isDestinationLike(Operation *op) {
    return isa<tensor::EmptyOp, linalg::FillOp>(op);
  }

  static bool isMovable(Operation *op) {
    if (op->getNumResults() == 0 || op->hasTrait<OpTrait::IsTerminator>())
      return false;
    // Kernels and linalg ops on tensors have no effects; `isPure` says no for
    // them only where their bodies may divide by zero, which a constant
    // program does as quietly as the model would.
    return isMemoryEffectFree(op);
  }

  void hoistFrom(func::FuncOp function) {
    // Constant values, and for each the bytes of weights that it comes from.
    llvm::DenseMap<Value, int64_t> constant;
    SmallVector<Operation *> candidates;
    llvm::SmallDenseSet<Operation *> isCandidate;
    for (Operation &op : function.getBody().front()) {
      if (isSource(&op)) {
        for (Value result : op.getResults())
          constant[result] = byteSize(result.getType());
        continue;
      }
      if (!isMovable(&op) ||
          !llvm::all_of(op.getOperands(),
                        [&](Value v) { return constant.count(v); }) ||
          !capturesConstantsOnly(&op, constant))
        continue;
      if (llvm::any_of(op.getResultTypes(),
                       [](Type type) { return byteSize(type) < 0; }))
        continue;
      int64_t read = 0, made = 0;
      for (Value operand : op.getOperands())
        read += constant.lookup(operand);
      for (Type type : op.getResultTypes())
        made += byteSize(type);
      bool isDestination = isDestinationLike(&op);
      if (!isDestination && made > slack && made > growth * read)
        continue;
      for (Value result : op.getResults())
        constant[result] = isDestination ? 0 : made;
      candidates.push_back(&op);
      isCandidate.insert(&op);
    }

    // What leaves the candidates is a result of the program, unless it is
    // cheap to have on the spot: scalars, destinations, views.
    SmallVector<Value> leaving;
    for (Operation *op : candidates) {
      if (isDestinationLike(op))
        continue;
      for (Value result : op->getResults())
        if (isa<RankedTensorType>(result.getType()) &&
            llvm::any_of(result.getUsers(), [&](Operation *user) {
              return !isCandidate.contains(
                  function.getBody().front().findAncestorOpInBlock(*user));
            }))
          leaving.push_back(result);
    }
    llvm::erase_if(leaving, [](Value value) { return !computes(value); });
    if (leaving.empty())
      return;
    move(function, leaving);
  }

  static bool
  capturesConstantsOnly(Operation *op,
                        const llvm::DenseMap<Value, int64_t> &constant) {
    bool ok = true;
    for (Region &region : op->getRegions())
      region.walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          if (!op->isAncestor(operand.getParentRegion()->getParentOp()) &&
              !constant.count(operand))
            ok = false;
      });
    return ok;
  }

  /// Whether more than views stands between the value and a source.
  static bool computes(Value value) {
    Operation *op = value.getDefiningOp();
    if (!op || isSource(op))
      return false;
    if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp,
            tensor::ReshapeOp>(op))
      return computes(op->getOperand(0));
    return true;
  }

  void move(func::FuncOp function, ArrayRef<Value> leaving) {
    ModuleOp module = getOperation();
    func::FuncOp program = getOrCreateProgram(module);
    Operation *end = program.getBody().front().getTerminator();
    OpBuilder b(end);
    IRMapping mapping;
    SmallVector<Value> results(end->getOperands());
    for (Value value : leaving) {
      cloneInto(b, value, mapping, results);
      int64_t index = results.size();
      results.push_back(mapping.lookup(value));
      OpBuilder at(value.getDefiningOp());
      auto stand =
          PrecomputedOp::create(at, value.getLoc(), value.getType(), index);
      value.replaceAllUsesWith(stand.getResult());
      // Later clones still see the original chain through the mapping.
      mapping.map(stand.getResult(), results[index]);
      ++numHoisted;
    }
    func::ReturnOp::create(b, end->getLoc(), results);
    end->erase();
    program.setFunctionType(FunctionType::get(program.getContext(), {},
                                              ValueRange(results).getTypes()));
    eraseDead(function);
  }

  /// Clones what `value` depends on. A `mercer.precomputed` is the program's
  /// own result.
  void cloneInto(OpBuilder &b, Value value, IRMapping &mapping,
                 ArrayRef<Value> results) {
    if (mapping.contains(value))
      return;
    Operation *op = value.getDefiningOp();
    if (auto own = dyn_cast<PrecomputedOp>(op)) {
      mapping.map(value, results[own.getIndex()]);
      return;
    }
    llvm::SetVector<Value> needed(op->operand_begin(), op->operand_end());
    for (Region &region : op->getRegions())
      region.walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          if (!op->isAncestor(operand.getParentRegion()->getParentOp()))
            needed.insert(operand);
      });
    for (Value operand : needed)
      cloneInto(b, operand, mapping, results);
    b.clone(*op, mapping);
  }

  static func::FuncOp getOrCreateProgram(ModuleOp module) {
    Location loc = module.getLoc();
    if (ModuleOp nested = getConstantsModule(module))
      return *nested.getOps<func::FuncOp>().begin();
    OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
    auto nested = ModuleOp::create(b, loc, constantsModuleName());
    if (Attribute model = module->getAttr("mercer.model"))
      nested->setAttr("mercer.model", model);
    b.setInsertionPointToStart(nested.getBody());
    auto program =
        func::FuncOp::create(b, loc, "main", b.getFunctionType({}, {}));
    b.setInsertionPointToStart(program.addEntryBlock());
    func::ReturnOp::create(b, loc);
    return program;
  }

  static void eraseDead(func::FuncOp function) {
    for (Operation &op :
         llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
      if (isOpTriviallyDead(&op))
        op.erase();
  }

  /// Results that later hoisting made inner ones of the program are dropped.
  void dropUnused(ModuleOp module, ModuleOp nested) {
    SmallVector<PrecomputedOp> users;
    for (func::FuncOp function : module.getOps<func::FuncOp>())
      function.walk([&](PrecomputedOp op) { users.push_back(op); });
    func::FuncOp program = *nested.getOps<func::FuncOp>().begin();
    Operation *end = program.getBody().front().getTerminator();
    SmallVector<Value> results;
    llvm::DenseMap<int64_t, int64_t> renumbered;
    for (PrecomputedOp user : users) {
      auto [it, isNew] =
          renumbered.try_emplace(user.getIndex(), results.size());
      if (isNew)
        results.push_back(end->getOperand(user.getIndex()));
      user.setIndex(it->second);
    }
    end->setOperands(results);
    program.setFunctionType(FunctionType::get(program.getContext(), {},
                                              ValueRange(results).getTypes()));
    eraseDead(program);
    if (results.empty())
      nested.erase();
  }
};

} // namespace
