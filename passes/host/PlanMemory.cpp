//===- PlanMemory.cpp - buffers of a host program in one arena ------------===//

#include "passes/host/MemoryPlanner.h"
#include "passes/host/Passes.h"

#include "dialects/mercer/IR/Mercer.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

namespace mercer {
#define GEN_PASS_DEF_PLANMEMORY
#include "passes/host/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;

namespace {

constexpr int64_t alignment = 64;

/// The value of an index computed from dimensions, each of which has the same
/// representative value.
int64_t evaluate(Value value, int64_t symbolValue) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return symbolValue;
  auto operand = [&](unsigned i) {
    return evaluate(op->getOperand(i), symbolValue);
  };
  if (std::optional<int64_t> constant = getConstantIntValue(value))
    return *constant;
  if (isa<arith::AddIOp>(op))
    return operand(0) + operand(1);
  if (isa<arith::SubIOp>(op))
    return operand(0) - operand(1);
  if (isa<arith::MulIOp>(op))
    return operand(0) * operand(1);
  if (isa<arith::MaxSIOp>(op))
    return std::max(operand(0), operand(1));
  if (isa<arith::MinSIOp>(op))
    return std::min(operand(0), operand(1));
  if (isa<arith::DivSIOp, arith::DivUIOp, arith::FloorDivSIOp>(op))
    return operand(0) / std::max<int64_t>(operand(1), 1);
  if (isa<arith::CeilDivSIOp, arith::CeilDivUIOp>(op))
    return llvm::divideCeil(std::max<int64_t>(operand(0), 0),
                            std::max<int64_t>(operand(1), 1));
  if (isa<arith::IndexCastOp, arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp>(
          op))
    return operand(0);
  if (isa<arith::SelectOp>(op))
    return std::max(operand(1), operand(2));
  if (auto apply = dyn_cast<affine::AffineApplyOp>(op)) {
    SmallVector<Attribute> inputs, results;
    for (unsigned i = 0; i < op->getNumOperands(); ++i)
      inputs.push_back(
          IntegerAttr::get(IndexType::get(op->getContext()), operand(i)));
    if (succeeded(apply.getAffineMap().constantFold(inputs, results)))
      return cast<IntegerAttr>(results.front()).getInt();
  }
  return symbolValue;
}

struct PlanMemoryPass : mercer::impl::PlanMemoryBase<PlanMemoryPass> {
  using PlanMemoryBase::PlanMemoryBase;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (!isEntryPoint(function) || !function.getBody().hasOneBlock())
      return;
    entry = &function.getBody().front();
    collect(function);
    if (buffers.empty())
      return;
    MemoryPlan plan = planMemory(lifetimes, alignment);
    numPlanned += buffers.size();
    plannedBytes += plan.peak;
    lowerBound += plan.lowerBound;
    emit(function, plan);
    buffers.clear();
    lifetimes.clear();
  }

private:
  void collect(func::FuncOp function) {
    // Steps of the program: positions of the entry block's ops.
    llvm::DenseMap<Operation *, int64_t> steps;
    int64_t count = 0;
    for (Operation &op : *entry)
      steps[&op] = count++;
    BufferViewFlowAnalysis flow(function);
    function.walk([&](memref::AllocOp alloc) {
      if (!isPlannable(alloc, flow)) {
        ++numHeap;
        return;
      }
      BufferLifetime life;
      life.first = count;
      life.last = -1;
      for (Value alias : flow.resolve(alloc.getResult()))
        for (Operation *user : alias.getUsers()) {
          if (isa<ViewLikeOpInterface, memref::DimOp>(user) &&
              user->getBlock() == entry)
            continue;
          int64_t step = steps.lookup(entry->findAncestorOpInBlock(*user));
          life.first = std::min(life.first, step);
          life.last = std::max(life.last, step);
        }
      if (life.last < 0) {
        deadAllocs.push_back(alloc);
        return;
      }
      life.bytes = representativeBytes(alloc);
      buffers.push_back(alloc);
      lifetimes.push_back(life);
    });
    for (memref::AllocOp alloc : deadAllocs)
      if (alloc->use_empty())
        alloc->erase();
    deadAllocs.clear();
  }

  /// Sizes must be known at the start, and no loop may hand the buffer on to
  /// its next iteration or to its results: the next one would overwrite it.
  bool isPlannable(memref::AllocOp alloc, BufferViewFlowAnalysis &flow) {
    for (Value size : alloc.getDynamicSizes())
      if (!isAvailableAtStart(size))
        return false;
    for (Operation *parent = alloc->getParentOp(); parent;
         parent = parent->getParentOp()) {
      if (!isa<LoopLikeOpInterface>(parent))
        continue;
      for (Value alias : flow.resolve(alloc.getResult())) {
        if (alias.getParentRegion()->isAncestor(parent->getParentRegion()))
          return false;
        for (Operation *user : alias.getUsers())
          if (user->hasTrait<OpTrait::IsTerminator>() &&
              user->getParentOp() == parent)
            return false;
      }
    }
    return true;
  }

  bool isAvailableAtStart(Value value) {
    if (auto argument = dyn_cast<BlockArgument>(value))
      return argument.getOwner() == entry;
    Operation *op = value.getDefiningOp();
    return op->getNumRegions() == 0 && isPure(op) &&
           !isa<memref::AllocOp>(op) &&
           llvm::all_of(op->getOperands(),
                        [&](Value v) { return isAvailableAtStart(v); });
  }

  int64_t elementBytes(memref::AllocOp alloc) {
    Type element = alloc.getType().getElementType();
    return element.isIndex()
               ? 8
               : llvm::divideCeil(element.getIntOrFloatBitWidth(), 8);
  }

  int64_t representativeBytes(memref::AllocOp alloc) {
    int64_t bytes = elementBytes(alloc);
    for (OpFoldResult size : alloc.getMixedSizes())
      bytes *=
          isa<Attribute>(size)
              ? *getConstantIntValue(size)
              : std::max<int64_t>(evaluate(cast<Value>(size), symbolValue), 0);
    return bytes;
  }

  //===--------------------------------------------------------------------===//
  // Emission. Everything foldable is folded here: a static plan leaves nothing
  // but constants.
  //===--------------------------------------------------------------------===//

  Value materialize(OpBuilder &b, Location loc, OpFoldResult value) {
    return getValueOrCreateConstantIndexOp(b, loc, value);
  }

  OpFoldResult combine(OpBuilder &b, Location loc, OpFoldResult x,
                       OpFoldResult y,
                       function_ref<int64_t(int64_t, int64_t)> fold,
                       function_ref<Value(Value, Value)> build) {
    std::optional<int64_t> cx = getConstantIntValue(x),
                           cy = getConstantIntValue(y);
    if (cx && cy)
      return b.getIndexAttr(fold(*cx, *cy));
    return build(materialize(b, loc, x), materialize(b, loc, y));
  }

  OpFoldResult add(OpBuilder &b, Location loc, OpFoldResult x, OpFoldResult y) {
    if (isZeroInteger(x))
      return y;
    if (isZeroInteger(y))
      return x;
    return combine(b, loc, x, y, std::plus<int64_t>(),
                   [&](Value u, Value v) -> Value {
                     return arith::AddIOp::create(b, loc, u, v);
                   });
  }

  OpFoldResult max(OpBuilder &b, Location loc, OpFoldResult x, OpFoldResult y) {
    if (x == y)
      return x;
    return combine(
        b, loc, x, y, [](int64_t u, int64_t v) { return std::max(u, v); },
        [&](Value u, Value v) -> Value {
          return arith::MaxSIOp::create(b, loc, u, v);
        });
  }

  /// Moves what a size is computed by to the start.
  void bringToStart(Value value, Operation *point) {
    Operation *op = value.getDefiningOp();
    if (!op || (op->getBlock() == entry && op->isBeforeInBlock(point)))
      return;
    for (Value operand : op->getOperands())
      bringToStart(operand, point);
    op->moveBefore(point);
  }

  OpFoldResult alignedBytes(OpBuilder &b, memref::AllocOp alloc) {
    Location loc = alloc.getLoc();
    int64_t constant = elementBytes(alloc);
    SmallVector<Value> factors;
    for (OpFoldResult size : alloc.getMixedSizes()) {
      if (std::optional<int64_t> value = getConstantIntValue(size))
        constant *= *value;
      else
        factors.push_back(cast<Value>(size));
    }
    if (factors.empty())
      return b.getIndexAttr(llvm::alignTo(
          static_cast<uint64_t>(std::max<int64_t>(constant, 1)), alignment));
    Value bytes = factors.front();
    for (Value factor : ArrayRef(factors).drop_front())
      bytes = arith::MulIOp::create(b, loc, bytes, factor);
    auto index = [&](int64_t v) -> Value {
      return arith::ConstantIndexOp::create(b, loc, v);
    };
    bytes = arith::MulIOp::create(b, loc, bytes, index(constant));
    if (constant % alignment == 0)
      return bytes;
    bytes = arith::AddIOp::create(b, loc, bytes, index(alignment - 1));
    return Value(
        arith::AndIOp::create(b, loc, bytes, index(-alignment)).getResult());
  }

  void emit(func::FuncOp function, const MemoryPlan &plan) {
    // A marker: everything for the plan goes before it.
    Operation *point = &entry->front();
    while (isa<arith::ConstantOp>(point))
      point = point->getNextNode();
    OpBuilder b(point);
    Location loc = function.getLoc();
    Value marker = arith::ConstantIndexOp::create(b, loc, 0);
    point = marker.getDefiningOp();
    b.setInsertionPoint(point);

    SmallVector<OpFoldResult> sizes, offsets(buffers.size());
    for (memref::AllocOp alloc : buffers) {
      for (Value size : alloc.getDynamicSizes())
        bringToStart(size, point);
      sizes.push_back(alignedBytes(b, alloc));
    }
    // Offsets in order of the plan: what lies below comes first.
    auto order = llvm::to_vector(llvm::seq<unsigned>(0, buffers.size()));
    llvm::sort(order, [&](unsigned x, unsigned y) {
      return std::pair(plan.offsets[x], x) < std::pair(plan.offsets[y], y);
    });
    bool isStatic = llvm::all_of(
        sizes, [](OpFoldResult size) { return isa<Attribute>(size); });
    for (unsigned index : order) {
      if (isStatic) {
        offsets[index] = b.getIndexAttr(plan.offsets[index]);
        continue;
      }
      OpFoldResult offset = b.getIndexAttr(0);
      for (unsigned below : plan.below[index])
        offset = max(b, loc, offset, add(b, loc, offsets[below], sizes[below]));
      offsets[index] = offset;
    }
    // Never 0 bytes: a null arena means failure.
    OpFoldResult total = b.getIndexAttr(isStatic ? plan.peak : alignment);
    if (!isStatic)
      for (unsigned top : plan.tops)
        total = max(b, loc, total, add(b, loc, offsets[top], sizes[top]));
    Value bytes = materialize(b, loc, total);
    auto arenaType = MemRefType::get(
        {isStatic ? plan.peak : ShapedType::kDynamic}, b.getI8Type());
    Value arena = ArenaOp::create(b, loc, arenaType, bytes);
    for (auto [alloc, offset] : llvm::zip_equal(buffers, offsets)) {
      Value at = materialize(b, loc, offset);
      Value view = memref::ViewOp::create(b, alloc.getLoc(), alloc.getType(),
                                          arena, at, alloc.getDynamicSizes());
      alloc.replaceAllUsesWith(view);
      alloc.erase();
    }
    point->erase();
  }

  Block *entry = nullptr;
  SmallVector<memref::AllocOp> buffers;
  SmallVector<BufferLifetime> lifetimes;
  SmallVector<memref::AllocOp> deadAllocs;
};

} // namespace
