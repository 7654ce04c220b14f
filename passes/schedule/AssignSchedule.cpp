//===- AssignSchedule.cpp - write down groups and their schedules ---------===//

#include "passes/schedule/Passes.h"

#include "compiler/cost/ScheduleOracle.h"
#include "dialects/mercer/IR/Mercer.h"
#include "passes/layout/Passes.h"
#include "passes/schedule/Grouping.h"
#include "passes/schedule/ResultSizes.h"

#include "mlir/IR/AffineExprVisitor.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace mercer;

namespace mercer {
#define GEN_PASS_DEF_MERCERASSIGNSCHEDULE
#include "passes/schedule/Passes.h.inc"
} // namespace mercer

static int64_t known(int64_t extent) {
  return ShapedType::isDynamic(extent) ? kAssumedExtent : extent;
}

/// Left with the host, or with the readers of a group, when kernels form.
static bool isMovable(Operation *op) {
  return isView(op) || isa<tensor::ExtractSliceOp>(op);
}

/// The operation whose loops the schedule speaks of: the contraction, or the
/// one with the most work; one that surely ends in the kernel.
static unsigned findRoot(const Grouping &grouping, const KernelGroup &group) {
  auto rank = [&](unsigned member) {
    const GroupedOp &op = grouping.ops[member];
    return std::tuple(!isMovable(op.op), op.model.heavy,
                      op.model.volume(kAssumedExtent));
  };
  unsigned root = group.members.front();
  for (unsigned member : group.members)
    if (rank(member) > rank(root))
      root = member;
  return root;
}

static bool isFunctionOf(AffineMap map, unsigned loop) {
  return map && map.isFunctionOfDim(loop);
}

/// How far a tile of `loop` reaches in the left operand of a window.
static void setReach(GridDim &dim, AffineMap map, unsigned loop,
                     ArrayRef<int64_t> extents) {
  for (AffineExpr expr : map.getResults()) {
    if (isa<AffineDimExpr>(expr) || !expr.isFunctionOfDim(loop))
      continue;
    SmallVector<int64_t> flattened;
    SimpleAffineExprFlattener flattener(map.getNumDims(), 0);
    if (failed(flattener.walkPostOrder(expr)))
      return;
    SmallVector<int64_t, 8> row = flattener.operandExprStack.back();
    dim.stride = std::max<int64_t>(1, std::abs(row[loop]));
    dim.halo = 1;
    for (unsigned other = 0; other < map.getNumDims(); ++other)
      if (other != loop)
        dim.halo += std::abs(row[other]) * (known(extents[other]) - 1);
    // A window of one element touches only what it uses.
    if (dim.halo == 1)
      dim.stride = 1;
  }
}

/// True if `dim` is the last dim of every value of the group.
static bool isContiguous(const Grouping &grouping, const KernelGroup &group,
                         int dim) {
  for (unsigned member : group.members) {
    const GroupedOp &op = grouping.ops[member];
    for (AffineMap out : op.model.resultMaps) {
      std::optional<unsigned> last;
      if (out.getNumResults() != 0)
        last = getPureLoop(out, out.getNumResults() - 1);
      if (!last || op.dims[*last] != dim)
        return false;
    }
  }
  return true;
}

static KernelShape describe(const Grouping &grouping, const KernelGroup &group,
                            unsigned rootIndex) {
  const GroupedOp &root = grouping.ops[rootIndex];
  KernelShape shape;
  shape.single = group.small;
  auto dps = dyn_cast<DestinationStyleOpInterface>(root.op);
  SmallVector<AffineMap> inputs;
  if (dps)
    for (OpOperand *input : dps.getDpsInputOperands())
      inputs.push_back(root.model.operandMaps[input->getOperandNumber()]);
  if (isa<PairwiseOp>(root.op))
    shape.kind = KernelShape::Kind::Pairwise;
  else if (isa<WindowOp>(root.op))
    shape.kind = KernelShape::Kind::Window;
  else if (root.model.heavy && inputs.size() >= 2)
    shape.kind = KernelShape::Kind::Contract;
  if (auto type = dyn_cast<RankedTensorType>(root.op->getResult(0).getType()))
    if (type.getElementType().isIntOrFloat())
      shape.elementBits = std::max<int64_t>(8, type.getElementTypeBitWidth());

  SmallVector<LoopRule> rules(root.model.loops.size());
  if (auto kernelOp = dyn_cast<KernelOpInterface>(root.op)) {
    rules = kernelOp.getLoopRules();
    shape.flops = kernelOp.getFlops(kAssumedExtent);
    shape.bytes = kernelOp.getBytes(kAssumedExtent);
  } else {
    shape.flops = root.model.volume(kAssumedExtent);
  }
  bool window = shape.kind == KernelShape::Kind::Window;
  for (auto [loop, kind] : llvm::enumerate(root.model.loops)) {
    int64_t extent = root.model.extents[loop];
    if (root.dims[loop] < 0) {
      shape.reduction *= known(extent);
      if (!inputs.empty() && getPureResult(inputs[0], loop))
        shape.leftElements *= known(extent);
      continue;
    }
    GridDim dim;
    dim.extent = extent;
    dim.multipleOf = rules[loop].multipleOf;
    dim.contiguous = isContiguous(grouping, group, root.dims[loop]);
    bool left = !inputs.empty() && isFunctionOf(inputs[0], loop);
    bool right = inputs.size() > 1 && isFunctionOf(inputs[1], loop);
    if (auto pairwise = dyn_cast<PairwiseOp>(root.op)) {
      PairDim role = pairwise.getPairDim(loop);
      // Columns are walked inside a tile, values are kept whole.
      dim.role = role == PairDim::Row     ? DimRole::Query
                 : role == PairDim::Batch ? DimRole::Batch
                                          : DimRole::Free;
    } else if (shape.kind != KernelShape::Kind::Group) {
      dim.role = left && right ? (window ? DimRole::Channel : DimRole::Batch)
                 : right       ? DimRole::Col
                               : DimRole::Row;
      if (window && left && inputs[0]) {
        // The image index comes first; pooling has channels without weights.
        if (loop == 0)
          dim.role = DimRole::Batch;
        else if (inputs.size() < 2 && getPureResult(inputs[0], loop) &&
                 getPureResult(inputs[0], loop) ==
                     inputs[0].getNumResults() - 1)
          dim.role = DimRole::Channel;
      }
      if (window)
        setReach(dim, inputs[0], loop, root.model.extents);
    }
    shape.dims.push_back(dim);
  }

  // Bytes a grid point has in all values of the group.
  int64_t points = 1;
  for (const GridDim &dim : shape.dims)
    points *= known(dim.extent);
  int64_t total = 0;
  for (unsigned member : group.members) {
    const GroupedOp &op = grouping.ops[member];
    if (member != rootIndex)
      shape.flops += op.model.view ? 0 : op.model.volume(kAssumedExtent);
    for (Type type : op.op->getResultTypes()) {
      auto tensor = cast<RankedTensorType>(type);
      int64_t size = tensor.getElementType().isIntOrFloat()
                         ? (tensor.getElementTypeBitWidth() + 7) / 8
                         : 8;
      for (int64_t extent : tensor.getShape())
        size *= known(extent);
      total += size;
    }
  }
  shape.pointBytes = std::max<int64_t>(1, total / std::max<int64_t>(1, points));
  shape.bytes += total;
  return shape;
}

static DictionaryAttr toAttr(OpBuilder &b, const Schedule &schedule,
                             const KernelShape &shape,
                             const KernelGroup &group) {
  SmallVector<NamedAttribute> entries;
  auto add = [&](StringRef name, Attribute value) {
    entries.push_back(b.getNamedAttr(name, value));
  };
  add("grid", b.getDenseI64ArrayAttr(schedule.grid));
  add("inner", b.getDenseI64ArrayAttr(schedule.inner));
  if (schedule.rhsPanel)
    add("rhs_panel", b.getI64IntegerAttr(schedule.rhsPanel));
  if (schedule.pairRows)
    add("reduction",
        b.getDenseI64ArrayAttr({schedule.pairRows, schedule.pairCols}));
  add("why", b.getStringAttr(schedule.why));
  if (!group.refused.empty()) {
    llvm::SmallSetVector<Attribute, 4> lines;
    for (const std::string &line : group.refused)
      lines.insert(b.getStringAttr(line));
    add("not_fused", b.getArrayAttr(lines.getArrayRef()));
  }
  add("flops", b.getI64IntegerAttr(static_cast<int64_t>(shape.flops)));
  add("bytes", b.getI64IntegerAttr(static_cast<int64_t>(shape.bytes)));
  add("seconds", b.getF64FloatAttr(schedule.seconds));
  return b.getDictionaryAttr(entries);
}

namespace {
struct AssignSchedule : mercer::impl::MercerAssignScheduleBase<AssignSchedule> {
  using Base::Base;

  void runOnOperation() override {
    Operation *root = getOperation();
    resolveDims(root);
    nextGroup = 0;
    root->walk([&](func::FuncOp func) {
      if (!func.isExternal())
        assignRegion(func.getBody());
    });
  }

private:
  int64_t nextGroup = 0;

  /// Blocks of control flow are hosts of their own; bodies of computations are
  /// not.
  void assignRegion(Region &region) {
    for (Block &block : region) {
      for (Operation &op : block)
        if (isa<scf::IfOp, scf::ForOp, scf::WhileOp, scf::IndexSwitchOp>(op))
          for (Region &nested : op.getRegions())
            assignRegion(nested);
      assignBlock(block);
    }
  }

  void assignBlock(Block &block) {
    GroupingLimits limits;
    limits.maxOps = maxOps;
    limits.assumedExtent = kAssumedExtent;
    Grouping grouping = groupOperations(block, limits);
    OpBuilder b(&getContext());
    TargetInfo target = TargetInfo::get(block.getParentOp());
    for (const KernelGroup &group : grouping.groups) {
      // Views alone stay with the host, slices with those who read them.
      if (llvm::all_of(group.members, [&](unsigned member) {
            return isMovable(grouping.ops[member].op);
          }))
        continue;
      numOps += group.members.size();
      ++numGroups;
      unsigned rootIndex = findRoot(grouping, group);
      const GroupedOp &rootOp = grouping.ops[rootIndex];
      KernelShape shape;
      shape.single = group.small;
      if (!rootOp.dims.empty() || !rootOp.model.resultMaps.empty())
        shape = describe(grouping, group, rootIndex);
      auto dps = dyn_cast<DestinationStyleOpInterface>(rootOp.op);
      shape.packable = shape.kind != KernelShape::Kind::Group && dps &&
                       dps.getNumDpsInputs() > 1 &&
                       isConstantExpression(dps.getDpsInputOperand(1)->get());
      Schedule schedule = chooseSchedule(shape, target);
      // Grid dims are numbered in the order of the root's loops.
      llvm::DenseMap<int, int64_t> number;
      for (int dim : rootOp.dims)
        if (dim >= 0)
          number.try_emplace(dim, number.size());
      for (unsigned member : group.members) {
        const GroupedOp &op = grouping.ops[member];
        SmallVector<int64_t> dims;
        for (int dim : op.dims)
          dims.push_back(dim < 0 ? -1 : number.lookup(dim));
        op.op->setAttr(kGroupAttr, b.getI64IntegerAttr(nextGroup));
        op.op->setAttr(kDimsAttr, b.getDenseI64ArrayAttr(dims));
      }
      rootOp.op->setAttr(kScheduleAttr, toAttr(b, schedule, shape, group));
      ++nextGroup;
    }
  }
};
} // namespace

void mercer::buildSchedulePipeline(OpPassManager &pm) {
  pm.addPass(createMercerPropagateLayout());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createMercerAssignSchedule());
}
