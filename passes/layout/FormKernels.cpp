//===- FormKernels.cpp - groups become kernels ----------------------------===//

#include "passes/layout/Passes.h"

#include "dialects/mercer/IR/Mercer.h"
#include "passes/schedule/LoopModel.h"
#include "passes/schedule/Passes.h"
#include "passes/schedule/ResultSizes.h"

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Transforms/Passes.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace mercer;

namespace mercer {
#define GEN_PASS_DEF_MERCERFORMKERNELS
#include "passes/layout/Passes.h.inc"
} // namespace mercer

namespace {

class KernelBuilder {
public:
  KernelBuilder(IRRewriter &rewriter, Block &block)
      : rewriter(rewriter), block(block) {}
  /// Moves `members`, in program order, into one kernel.
  void form(ArrayRef<Operation *> members);

private:
  /// The value as seen inside: a copy of what made it, or an argument.
  Value import(Value value);
  bool isOutsideFill(Value value) const {
    Operation *fill = value.getDefiningOp();
    return fill && !inside.contains(fill) && isFillLike(fill);
  }
  void importFill(OpOperand &operand, IRMapping &fills);

  IRRewriter &rewriter;
  Block &block;
  llvm::SmallPtrSet<Operation *, 16> inside;
  llvm::MapVector<Value, Value> arguments;
  IRMapping mapping;
  Block *body = nullptr;
};

} // namespace

/// Views at the edge of a group cost nothing outside: they leave it, and with
/// them what would be a second copy of their operand.
static SmallVector<Operation *> peelViews(ArrayRef<Operation *> members,
                                          Block &block, IRRewriter &rewriter) {
  llvm::SmallPtrSet<Operation *, 16> inside(members.begin(), members.end());
  auto isInside = [&](Operation *op) {
    op = block.findAncestorOpInBlock(*op);
    return op && inside.contains(op);
  };
  for (Operation *op : members) {
    if (!isView(op))
      continue;
    Operation *source = op->getOperand(0).getDefiningOp();
    if (!source || !inside.contains(source))
      inside.erase(op);
  }
  for (Operation *op : llvm::reverse(members)) {
    if (!isView(op) || !inside.contains(op))
      continue;
    bool usedInside = llvm::any_of(op->getUsers(), isInside);
    bool usedOutside = !llvm::all_of(op->getUsers(), isInside);
    if (!usedInside) {
      inside.erase(op);
    } else if (usedOutside) {
      // One copy on each side.
      rewriter.setInsertionPointAfter(op);
      Operation *copy = rewriter.clone(*op);
      copy->removeAttr(kGroupAttr);
      copy->removeAttr(kDimsAttr);
      rewriter.replaceUsesWithIf(
          op->getResult(0), copy->getResult(0), [&](OpOperand &use) {
            return use.getOwner() != copy && !isInside(use.getOwner());
          });
    }
  }
  SmallVector<Operation *> kept;
  for (Operation *op : members)
    if (inside.contains(op))
      kept.push_back(op);
  return kept;
}

Value KernelBuilder::import(Value value) {
  if (Value known = mapping.lookupOrNull(value))
    return known;
  Operation *op = value.getDefiningOp();
  if (op && isDuplicable(op)) {
    OpBuilder::InsertionGuard guard(rewriter);
    for (Value operand : op->getOperands())
      import(operand);
    rewriter.setInsertionPointToEnd(body);
    Operation *copy = rewriter.clone(*op, mapping);
    copy->removeAttr(kGroupAttr);
    copy->removeAttr(kDimsAttr);
    copy->removeAttr(kScheduleAttr);
    return copy->getResult(cast<OpResult>(value).getResultNumber());
  }
  // A slice is free inside: a view of the whole.
  if (auto slice = dyn_cast_or_null<tensor::ExtractSliceOp>(op);
      slice && !isView(op) && !op->hasAttr(kGroupAttr)) {
    OpBuilder::InsertionGuard guard(rewriter);
    for (Value operand : op->getOperands())
      import(operand);
    rewriter.setInsertionPointToEnd(body);
    return rewriter.clone(*op, mapping)->getResult(0);
  }
  // Sizes of tensors that the kernel reads anyway are asked for inside.
  if (auto dim = dyn_cast_or_null<tensor::DimOp>(op)) {
    auto it = arguments.find(dim.getSource());
    std::optional<int64_t> index = dim.getConstantIndex();
    if (it != arguments.end() && index) {
      OpBuilder::InsertionGuard guard(rewriter);
      rewriter.setInsertionPointToEnd(body);
      Value size = rewriter.createOrFold<tensor::DimOp>(dim.getLoc(),
                                                        it->second, *index);
      mapping.map(value, size);
      return size;
    }
  }
  Value argument = body->addArgument(value.getType(), value.getLoc());
  arguments[value] = argument;
  mapping.map(value, argument);
  return argument;
}

void KernelBuilder::importFill(OpOperand &operand, IRMapping &fills) {
  if (!isOutsideFill(operand.get()))
    return;
  Operation *user = operand.getOwner();
  Operation *fill = operand.get().getDefiningOp();
  // A mapping of its own: one that has seen the fill's body would leave the
  // second copy without block arguments.
  IRMapping operands;
  for (Value input : fill->getOperands())
    operands.map(input, import(input));
  rewriter.setInsertionPointToEnd(body);
  Operation *copy = rewriter.clone(*fill, operands);
  fills.map(operand.get(), copy->getResult(0));
  std::optional<LoopModel> model = getLoopModel(user);
  auto dims = user->getAttrOfType<DenseI64ArrayAttr>(kDimsAttr);
  copy->removeAttr(kScheduleAttr);
  copy->removeAttr(kGroupAttr);
  copy->removeAttr(kDimsAttr);
  if (!model || !dims)
    return;
  AffineMap map = model->operandMaps[operand.getOperandNumber()];
  SmallVector<int64_t> fillDims;
  for (unsigned dim = 0; map && dim < map.getNumResults(); ++dim) {
    std::optional<unsigned> loop = getPureLoop(map, dim);
    fillDims.push_back(loop ? dims[*loop] : -1);
  }
  copy->setAttr(kDimsAttr, rewriter.getDenseI64ArrayAttr(fillDims));
}

/// A name that says what the kernel does, for profiles.
static std::string nameKernel(ArrayRef<Operation *> members) {
  Operation *root = members.front();
  for (Operation *op : members)
    if (op->hasAttr(kScheduleAttr))
      root = op;
  std::string name = root->getName().stripDialect().str();
  if (auto generic = dyn_cast<linalg::GenericOp>(root)) {
    name = "map";
    if (generic.getNumReductionLoops() != 0)
      name = "reduce";
    for (Operation &op : *generic.getBody())
      if (isa_and_nonnull<math::MathDialect>(op.getDialect())) {
        name += "_" + op.getName().stripDialect().str();
        break;
      }
  }
  for (char &c : name)
    if (c == '.')
      c = '_';
  if (members.size() > 1)
    name += "_and_" + std::to_string(members.size() - 1);
  return name;
}

/// True if a tile of `result` has no static upper bound: a dim of unknown size
/// that the grid does not cut.
static bool isUnbounded(OpResult result, ArrayRef<int64_t> grid) {
  auto type = cast<RankedTensorType>(result.getType());
  Operation *op = result.getOwner();
  std::optional<LoopModel> model = getLoopModel(op);
  auto dims = op->getAttrOfType<DenseI64ArrayAttr>(kDimsAttr);
  for (unsigned dim = 0; dim < type.getRank(); ++dim) {
    if (!type.isDynamicDim(dim))
      continue;
    std::optional<unsigned> loop;
    if (model && dims)
      loop = getPureLoop(model->resultMaps[result.getResultNumber()], dim);
    int64_t gridDim = loop ? dims[*loop] : -1;
    if (gridDim < 0 || gridDim >= (int64_t)grid.size() || grid[gridDim] == 0)
      return true;
  }
  return false;
}

/// The result that `value` will be overwritten with, if its last reader is an
/// elementwise operation of the same shape.
static Value findSuccessor(Value value, ArrayRef<Operation *> members) {
  Operation *last = nullptr;
  for (Operation *op : members)
    if (llvm::is_contained(op->getOperands(), value))
      last = op;
  auto generic = dyn_cast_or_null<linalg::GenericOp>(last);
  if (!generic || generic->getNumResults() != 1 ||
      generic.getNumParallelLoops() != generic.getNumLoops() ||
      generic->getResult(0).getType() != value.getType() ||
      generic.payloadUsesValueFromOperand(generic.getDpsInitOperand(0)))
    return {};
  AffineMap out = generic.getMatchingIndexingMap(generic.getDpsInitOperand(0));
  unsigned reads = 0;
  for (OpOperand *input : generic.getDpsInputOperands())
    if (input->get() == value) {
      ++reads;
      if (generic.getMatchingIndexingMap(input) != out)
        return {};
    }
  return reads == 1 ? generic->getResult(0) : Value();
}

/// Values that would need scratch of unknown size become results: the host
/// has room for any size.
static void addUnboundedResults(ArrayRef<Operation *> members,
                                SmallVectorImpl<Value> &results) {
  SmallVector<int64_t> grid;
  for (Operation *op : members)
    if (auto schedule = op->getAttrOfType<DictionaryAttr>(kScheduleAttr))
      if (auto attr = schedule.getAs<DenseI64ArrayAttr>("grid"))
        grid.assign(attr.asArrayRef().begin(), attr.asArrayRef().end());
  llvm::DenseSet<Value> placed(results.begin(), results.end()), claimed;
  for (Operation *op : llvm::reverse(members)) {
    if (isView(op) || isa<tensor::ExtractSliceOp>(op))
      continue;
    for (OpResult result : op->getResults()) {
      if (placed.contains(result) || !isUnbounded(result, grid))
        continue;
      Value successor = findSuccessor(result, members);
      placed.insert(result);
      if (successor && placed.contains(successor) &&
          claimed.insert(successor).second)
        continue;
      results.push_back(result);
    }
  }
}

void KernelBuilder::form(ArrayRef<Operation *> members) {
  inside.insert(members.begin(), members.end());
  Operation *last = members.back();
  SmallVector<Location> locations;
  for (Operation *op : members)
    if (!llvm::is_contained(locations, op->getLoc()))
      locations.push_back(op->getLoc());
  Location loc = rewriter.getFusedLoc(locations);

  SmallVector<Value> results;
  for (Operation *op : members)
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) {
            user = block.findAncestorOpInBlock(*user);
            return !user || !inside.contains(user);
          }))
        results.push_back(result);
  if (results.empty())
    return;
  addUnboundedResults(members, results);

  rewriter.setInsertionPointAfter(last);
  SmallVector<Value> destinations;
  for (Value result : results) {
    // Exactly the type of the result, even where a size folds to a constant.
    auto type = cast<RankedTensorType>(result.getType());
    SmallVector<Value> dynamic;
    SmallVector<OpFoldResult> sizes = materializeSizes(rewriter, loc, result);
    for (int64_t dim = 0; dim < type.getRank(); ++dim)
      if (type.isDynamicDim(dim))
        dynamic.push_back(
            getValueOrCreateConstantIndexOp(rewriter, loc, sizes[dim]));
    destinations.push_back(
        tensor::EmptyOp::create(rewriter, loc, type, dynamic));
  }

  // The body is built in a block of its own, as the operands of the kernel
  // are known only afterwards. Tensors become arguments first, so that sizes
  // can be asked of them.
  Region region;
  body = new Block();
  region.push_back(body);
  SmallVector<Value> scalars;
  auto visit = [&](Value value) {
    Operation *def = value.getDefiningOp();
    if (def && inside.contains(block.findAncestorOpInBlock(*def)))
      return;
    if (def && isDuplicable(def)) {
      // What a broadcast reads.
      if (auto generic = dyn_cast<linalg::GenericOp>(def))
        import(generic->getOperand(0));
      return;
    }
    if (isa<TensorType>(value.getType()))
      import(value);
  };
  for (Operation *op : members) {
    for (Value operand : op->getOperands())
      visit(operand);
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    for (Value value : captured)
      visit(value);
  }
  Attribute schedule;
  for (Operation *op : members) {
    if (Attribute attr = op->getAttr(kScheduleAttr))
      schedule = attr;
    auto importOutside = [&](Value value) {
      Operation *def = value.getDefiningOp();
      Operation *ancestor = def ? block.findAncestorOpInBlock(*def) : nullptr;
      if (!ancestor || !inside.contains(ancestor))
        import(value);
    };
    for (Value operand : op->getOperands())
      if (!isOutsideFill(operand))
        importOutside(operand);
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    for (Value value : captured)
      importOutside(value);
    // Each use of a fill gets its own, cut like the operation that uses it.
    IRMapping fills(mapping);
    for (OpOperand &operand : op->getOpOperands())
      importFill(operand, fills);
    rewriter.setInsertionPointToEnd(body);
    Operation *copy = rewriter.clone(*op, fills);
    for (auto [result, inner] :
         llvm::zip_equal(op->getResults(), copy->getResults()))
      mapping.map(result, inner);
    copy->removeAttr(kGroupAttr);
    if (op->hasAttr(kScheduleAttr)) {
      copy->removeAttr(kScheduleAttr);
      copy->setAttr("mercer.root", rewriter.getUnitAttr());
    }
  }
  SmallVector<Value> yielded;
  for (Value result : results)
    yielded.push_back(mapping.lookup(result));

  SmallVector<Value> inputs;
  for (auto &[outer, inner] : arguments)
    inputs.push_back(outer);
  rewriter.setInsertionPointAfter(destinations.back().getDefiningOp());
  auto kernel = KernelOp::create(rewriter, loc, nameKernel(members), inputs,
                                 destinations);
  Block *target = kernel.getBodyBlock();
  for (auto [argument, replacement] :
       llvm::zip(body->getArguments(), kernel.getInputArgs()))
    argument.replaceAllUsesWith(replacement);
  target->getOperations().splice(target->end(), body->getOperations());
  rewriter.setInsertionPointToEnd(target);
  YieldOp::create(rewriter, loc, yielded);
  if (schedule)
    kernel->setAttr(kScheduleAttr, schedule);

  for (auto [result, value] : llvm::zip_equal(results, kernel.getResults()))
    rewriter.replaceUsesWithIf(result, value, [&](OpOperand &use) {
      Operation *user = block.findAncestorOpInBlock(*use.getOwner());
      return !user || !inside.contains(user);
    });
  for (Operation *op : llvm::reverse(members))
    rewriter.eraseOp(op);
}

namespace {
struct FormKernels : mercer::impl::MercerFormKernelsBase<FormKernels> {
  void runOnOperation() override {
    SmallVector<Block *> blocks;
    getOperation()->walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isa<KernelOp>(op))
        return WalkResult::skip();
      if (isa<func::FuncOp, scf::IfOp, scf::ForOp, scf::WhileOp,
              scf::IndexSwitchOp>(op))
        for (Region &region : op->getRegions())
          for (Block &block : region)
            blocks.push_back(&block);
      return WalkResult::advance();
    });
    for (Block *block : blocks)
      formBlock(*block);
  }

private:
  void formBlock(Block &block) {
    IRRewriter rewriter(&getContext());
    llvm::MapVector<int64_t, SmallVector<Operation *>> groups;
    for (Operation &op : block)
      if (auto group = op.getAttrOfType<IntegerAttr>(kGroupAttr))
        groups[group.getInt()].push_back(&op);
    for (auto &[id, members] : groups) {
      SmallVector<Operation *> kept = peelViews(members, block, rewriter);
      for (Operation *op : members)
        if (!llvm::is_contained(kept, op)) {
          op->removeAttr(kGroupAttr);
          op->removeAttr(kDimsAttr);
        }
      if (!kept.empty())
        formOne(block, rewriter, kept);
    }
    // What no group took: fills that someone outside reads, packing of
    // constants, operations without a loop model.
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
      if (!isCompute(&op))
        continue;
      if (isOpTriviallyDead(&op)) {
        rewriter.eraseOp(&op);
        continue;
      }
      assignDims(&op);
      formOne(block, rewriter, {&op});
    }
    // A kernel stands behind its last member; readers of its other results
    // may stand before that.
    sortTopologically(&block);
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (isOpTriviallyDead(&op))
        rewriter.eraseOp(&op);
  }

  void formOne(Block &block, IRRewriter &rewriter,
               ArrayRef<Operation *> members) {
    KernelBuilder(rewriter, block).form(members);
    ++numKernels;
  }

  /// A lone operation is cut along its outermost loops in slabs.
  void assignDims(Operation *op) {
    std::optional<LoopModel> model = getLoopModel(op);
    if (!model)
      return;
    OpBuilder b(op);
    SmallVector<int64_t> dims, grid;
    int64_t left = 16 * 1024;
    for (unsigned loop = 0; loop < model->loops.size(); ++loop)
      dims.push_back(model->loops[loop] == LoopKind::Parallel
                         ? static_cast<int64_t>(grid.size())
                         : -1),
          model->loops[loop] == LoopKind::Parallel ? grid.push_back(0) : void();
    for (int64_t loop = model->loops.size() - 1; loop >= 0; --loop) {
      int64_t extent = model->extents[loop];
      extent = ShapedType::isDynamic(extent) ? left : extent;
      if (dims[loop] >= 0)
        grid[dims[loop]] = std::max<int64_t>(1, std::min(left, extent));
      left = std::max<int64_t>(1, left / std::max<int64_t>(1, extent));
    }
    for (unsigned loop = 0; loop < dims.size(); ++loop)
      if (dims[loop] >= 0 && grid[dims[loop]] == model->extents[loop])
        grid[dims[loop]] = 0;
    op->setAttr(kDimsAttr, b.getDenseI64ArrayAttr(dims));
    SmallVector<int64_t> inner(grid.size(), 0);
    op->setAttr(kScheduleAttr,
                b.getDictionaryAttr(
                    {b.getNamedAttr("grid", b.getDenseI64ArrayAttr(grid)),
                     b.getNamedAttr("inner", b.getDenseI64ArrayAttr(inner))}));
  }
};
} // namespace

void mercer::buildLayoutPipeline(OpPassManager &pm) {
  pm.addPass(createMercerPackConstants());
  pm.addPass(createMercerFormKernels());
}
