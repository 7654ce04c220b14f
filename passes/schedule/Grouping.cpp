//===- Grouping.cpp - which operations become one kernel ------------------===//

#include "passes/schedule/Grouping.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace mercer;

namespace {

/// A group while groups still merge.
struct Partial {
  SmallVector<unsigned> members;
  SmallVector<int> grid;
  unsigned parent;
  unsigned first, last; // program positions of the outermost members
  int64_t elements = 0;
  int64_t work = 0;
  unsigned computeOps = 0;
  bool heavy = false;
  bool fixedSize = true;  // no dim of unknown size
  bool mergeable = false; // has a model
  bool constant = false;  // known before the model runs
  bool slice = false;     // a slice, free inside whoever reads it
  SmallVector<std::string> refused;
};

/// One value that flows from one group to the other.
struct Edge {
  unsigned producer, result, consumer;
  /// Operand number, or -1 for a value that a body captures.
  int operand;
};

class Grouper {
public:
  Grouper(Block &block, const GroupingLimits &limits);
  void run();
  Grouping take();

private:
  unsigned find(unsigned group);
  bool isLive(const Partial &group, int dim) const {
    return dim >= 0 && llvm::is_contained(group.grid, dim);
  }
  SmallVector<Edge> edgesBetween(unsigned a, unsigned b);
  /// Pairs of corresponding dims of `a` and `b` that stay uncut on every edge.
  SmallVector<std::pair<int, int>> commonDims(unsigned a, unsigned b);
  bool dependsOn(unsigned later, unsigned earlier);
  int64_t pointBytes(const Partial &group, ArrayRef<int> grid);
  int64_t gridPoints(const Partial &group, ArrayRef<int> grid);
  bool isSmall(const Partial &a) const;
  bool tryMerge(unsigned a, unsigned b);
  void merge(unsigned a, unsigned b, ArrayRef<std::pair<int, int>> pairs);
  void refuse(unsigned producer, unsigned consumer, StringRef reason);

  GroupingLimits limits;
  std::vector<GroupedOp> ops;
  std::vector<Partial> groups;
  std::vector<SmallVector<Value>> captures;
  llvm::DenseMap<Operation *, unsigned> positions;
  Block &block;
  int nextDim = 0;
};

} // namespace

static int64_t elementCount(Type type, int64_t dynamic) {
  auto shaped = dyn_cast<RankedTensorType>(type);
  if (!shaped)
    return 1;
  int64_t count = 1;
  for (int64_t size : shaped.getShape())
    count *= ShapedType::isDynamic(size) ? dynamic : size;
  return count;
}

static int64_t elementBytes(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isIntOrFloat() ? (element.getIntOrFloatBitWidth() + 7) / 8 : 8;
}

Grouper::Grouper(Block &block, const GroupingLimits &limits)
    : limits(limits), block(block) {
  for (Operation &op : block.without_terminator()) {
    if (!isCompute(&op) && !isView(&op))
      continue;
    if (isDuplicable(&op) && !op.use_empty() &&
        llvm::all_of(op.getUsers(),
                     [](Operation *user) { return isCompute(user); }))
      continue;
    positions[&op] = ops.size();
    GroupedOp info;
    info.op = &op;
    Partial group;
    group.members = {static_cast<unsigned>(ops.size())};
    group.parent = group.first = group.last = ops.size();
    if (std::optional<LoopModel> model = getLoopModel(&op)) {
      info.model = std::move(*model);
      group.mergeable = true;
      group.heavy = info.model.heavy;
      group.work = info.model.volume(limits.assumedExtent);
      for (LoopKind kind : info.model.loops) {
        info.dims.push_back(kind == LoopKind::Parallel ? nextDim++ : -1);
        if (info.dims.back() >= 0)
          group.grid.push_back(info.dims.back());
      }
      group.fixedSize =
          llvm::none_of(info.model.extents, ShapedType::isDynamic);
      group.computeOps = info.model.view ? 0 : 1;
    }
    group.slice = isa<tensor::ExtractSliceOp>(op);
    group.constant = llvm::all_of(
        op.getResults(), [](Value v) { return isConstantExpression(v); });
    for (Type type : op.getResultTypes())
      group.elements += elementCount(type, limits.assumedExtent);
    info.group = ops.size();
    SmallVector<Value> captured;
    if (op.getNumRegions()) {
      llvm::SetVector<Value> above;
      getUsedValuesDefinedAbove(op.getRegions(), above);
      captured.assign(above.begin(), above.end());
    }
    captures.push_back(std::move(captured));
    ops.push_back(std::move(info));
    groups.push_back(std::move(group));
  }
}

unsigned Grouper::find(unsigned group) {
  while (groups[group].parent != group) {
    groups[group].parent = groups[groups[group].parent].parent;
    group = groups[group].parent;
  }
  return group;
}

SmallVector<Edge> Grouper::edgesBetween(unsigned a, unsigned b) {
  if (groups[a].members.size() > groups[b].members.size())
    std::swap(a, b);
  SmallVector<Edge> edges;
  auto addInput = [&](unsigned consumer, Value value, int operand) {
    Operation *producer = value.getDefiningOp();
    auto it = positions.find(producer);
    if (producer && it != positions.end() && find(it->second) == b)
      edges.push_back({it->second, cast<OpResult>(value).getResultNumber(),
                       consumer, operand});
  };
  for (unsigned member : groups[a].members) {
    Operation *op = ops[member].op;
    for (OpOperand &operand : op->getOpOperands())
      addInput(member, operand.get(), operand.getOperandNumber());
    for (Value value : captures[member])
      addInput(member, value, -1);
    for (OpResult result : op->getResults())
      for (OpOperand &use : result.getUses()) {
        Operation *user = block.findAncestorOpInBlock(*use.getOwner());
        auto it = positions.find(user);
        if (!user || it == positions.end() || find(it->second) != b)
          continue;
        int operand = user == use.getOwner() ? (int)use.getOperandNumber() : -1;
        edges.push_back(
            {member, result.getResultNumber(), it->second, operand});
      }
  }
  return edges;
}

SmallVector<std::pair<int, int>> Grouper::commonDims(unsigned a, unsigned b) {
  llvm::DenseMap<int, int> forward, backward;
  llvm::DenseSet<int> killed;
  bool any = false;
  for (const Edge &edge : edgesBetween(a, b)) {
    any = true;
    const GroupedOp &producer = ops[edge.producer];
    const GroupedOp &consumer = ops[edge.consumer];
    AffineMap resultMap = producer.model.resultMaps[edge.result];
    AffineMap operandMap = edge.operand < 0
                               ? AffineMap()
                               : consumer.model.operandMaps[edge.operand];
    const Partial &producerGroup = groups[find(edge.producer)];
    const Partial &consumerGroup = groups[find(edge.consumer)];
    for (unsigned dim = 0; dim < resultMap.getNumResults(); ++dim) {
      int from = -1, to = -1;
      if (std::optional<unsigned> loop = getPureLoop(resultMap, dim))
        from = producer.dims[*loop];
      if (std::optional<unsigned> loop = getPureLoop(operandMap, dim))
        to = consumer.dims[*loop];
      if (!isLive(producerGroup, from))
        from = -1;
      if (!isLive(consumerGroup, to))
        to = -1;
      if (from >= 0 && to >= 0) {
        int inA = find(edge.producer) == a ? from : to;
        int inB = find(edge.producer) == a ? to : from;
        auto [f, newF] = forward.try_emplace(inA, inB);
        auto [g, newG] = backward.try_emplace(inB, inA);
        if (f->second != inB || g->second != inA) {
          for (int dim : {inA, inB, f->second, g->second})
            killed.insert(dim);
        }
      } else if (from >= 0) {
        killed.insert(from);
      } else if (to >= 0) {
        killed.insert(to);
      }
    }
    // A live dim of the consumer that the operand lacks would recompute the
    // producer for each of its tiles; having no partner, it is dropped.
  }
  SmallVector<std::pair<int, int>> pairs;
  if (!any)
    return pairs;
  for (int dim : groups[a].grid) {
    auto it = forward.find(dim);
    if (it != forward.end() && !killed.contains(dim) &&
        !killed.contains(it->second))
      pairs.push_back(*it);
  }
  return pairs;
}

/// True if `later` needs, through groups other than these two, a value of
/// `earlier`; also where finding out would take long.
bool Grouper::dependsOn(unsigned later, unsigned earlier) {
  llvm::DenseSet<unsigned> seen;
  SmallVector<unsigned> work;
  unsigned budget = 2048;
  auto visit = [&](Value value, unsigned from) {
    auto it = positions.find(value.getDefiningOp());
    if (!value.getDefiningOp() || it == positions.end())
      return false;
    unsigned group = find(it->second);
    if (group == from)
      return false;
    if (group == earlier)
      return from != later;
    // Nothing before the first member of `earlier` can depend on it.
    if (groups[group].last < groups[earlier].first)
      return false;
    if (seen.insert(group).second)
      work.push_back(group);
    return false;
  };
  work.push_back(later);
  seen.insert(later);
  while (!work.empty()) {
    unsigned group = work.pop_back_val();
    for (unsigned member : groups[group].members) {
      if (budget-- == 0)
        return true;
      for (Value operand : ops[member].op->getOperands())
        if (visit(operand, group))
          return true;
      for (Value value : captures[member])
        if (visit(value, group))
          return true;
    }
  }
  return false;
}

int64_t Grouper::gridPoints(const Partial &group, ArrayRef<int> grid) {
  const GroupedOp &op = ops[group.members.front()];
  int64_t points = 1;
  for (auto [dim, extent] : llvm::zip_equal(op.dims, op.model.extents))
    if (dim >= 0 && llvm::is_contained(grid, dim))
      points *= ShapedType::isDynamic(extent) ? limits.assumedExtent : extent;
  return points;
}

int64_t Grouper::pointBytes(const Partial &group, ArrayRef<int> grid) {
  int64_t bytes = 0;
  for (unsigned member : group.members) {
    const GroupedOp &op = ops[member];
    for (auto [result, map] :
         llvm::zip_equal(op.op->getResults(), op.model.resultMaps)) {
      int64_t count = elementBytes(result.getType());
      auto type = cast<RankedTensorType>(result.getType());
      for (unsigned dim = 0; dim < type.getRank(); ++dim) {
        std::optional<unsigned> loop = getPureLoop(map, dim);
        if (loop && op.dims[*loop] >= 0 &&
            llvm::is_contained(grid, op.dims[*loop]))
          continue;
        count *= type.isDynamicDim(dim) ? limits.assumedExtent
                                        : type.getDimSize(dim);
      }
      bytes += count;
    }
  }
  return bytes;
}

bool Grouper::isSmall(const Partial &group) const {
  return group.fixedSize && group.elements <= limits.smallElements &&
         group.work <= limits.smallWork;
}

void Grouper::refuse(unsigned producer, unsigned consumer, StringRef reason) {
  if (groups[producer].computeOps == 0 || groups[consumer].computeOps == 0)
    return;
  if (groups[producer].refused.size() < 4)
    groups[producer].refused.push_back(
        (ops[groups[consumer].members.front()].op->getName().getStringRef() +
         " not fused: " + reason)
            .str());
}

void Grouper::merge(unsigned a, unsigned b,
                    ArrayRef<std::pair<int, int>> pairs) {
  // Relabel the smaller side; the pair's name is that of the larger.
  bool swapSides = groups[a].members.size() < groups[b].members.size();
  unsigned into = swapSides ? b : a, from = swapSides ? a : b;
  llvm::DenseMap<int, int> rename;
  SmallVector<int> grid;
  for (auto [inA, inB] : pairs) {
    int kept = swapSides ? inB : inA;
    rename[swapSides ? inA : inB] = kept;
    grid.push_back(kept);
  }
  Partial &target = groups[into], &source = groups[from];
  for (unsigned member : source.members)
    for (int &dim : ops[member].dims) {
      auto it = rename.find(dim);
      dim = it == rename.end() ? -1 : it->second;
    }
  target.grid = std::move(grid);
  llvm::append_range(target.members, source.members);
  source.members.clear();
  source.parent = into;
  target.first = std::min(target.first, source.first);
  target.last = std::max(target.last, source.last);
  target.elements += source.elements;
  target.work += source.work;
  target.computeOps += source.computeOps;
  target.heavy |= source.heavy;
  target.slice &= source.slice;
  target.fixedSize &= source.fixedSize;
  llvm::append_range(target.refused, source.refused);
}

/// `a` produces for `b`, or the two are unrelated.
bool Grouper::tryMerge(unsigned a, unsigned b) {
  Partial &first = groups[a], &second = groups[b];
  if (!first.mergeable || !second.mergeable ||
      first.members.size() + second.members.size() > limits.maxOps ||
      first.constant != second.constant)
    return false;
  bool bothSmall = isSmall(first) && isSmall(second) &&
                   first.elements + second.elements <= limits.smallElements &&
                   first.work + second.work <= limits.smallWork;
  SmallVector<std::pair<int, int>> pairs = commonDims(a, b);
  if (!bothSmall) {
    if (first.heavy && second.heavy)
      return refuse(a, b, "both are contractions"), false;
    if (pairs.empty())
      return refuse(a, b, "no dim can be tiled through both"), false;
    // Readers take slices for free; a copy in the producer's tile is cheap only
    // where everything is.
    if (second.slice && pointBytes(first, first.grid) > limits.sliceBytes)
      return false;
    bool viewOnly = first.computeOps == 0 || second.computeOps == 0;
    SmallVector<int> gridA, gridB;
    for (auto [inA, inB] : pairs) {
      gridA.push_back(inA);
      gridB.push_back(inB);
    }
    if (first.heavy && gridA.size() != first.grid.size())
      return refuse(a, b, "it would cut the contraction's grid"), false;
    if (second.heavy && gridB.size() != second.grid.size())
      return refuse(a, b, "it would be recomputed by the contraction's tiles"),
             false;
    if (viewOnly && gridA.size() != first.grid.size() && first.computeOps != 0)
      return false;
    if (viewOnly && gridB.size() != second.grid.size() &&
        second.computeOps != 0)
      return false;
    int64_t points = gridPoints(first, gridA);
    int64_t before = std::min(gridPoints(first, first.grid),
                              gridPoints(second, second.grid));
    if (points < std::min(limits.minPoints, before) &&
        first.work + second.work > limits.smallWork)
      return refuse(a, b, "too few tiles would be left"), false;
    if (pointBytes(first, gridA) + pointBytes(second, gridB) >
        limits.maxPointBytes)
      return refuse(a, b, "a row of the group would leave the cache"), false;
  }
  if (dependsOn(b, a))
    return refuse(a, b, "another kernel lies between"), false;
  merge(a, b, pairs);
  return true;
}

void Grouper::run() {
  // Consumers join their producers, larger operands first: they carry the
  // iteration space.
  for (unsigned index = 0; index < ops.size(); ++index) {
    if (!groups[find(index)].mergeable)
      continue;
    SmallVector<std::pair<int64_t, unsigned>> order;
    for (auto [number, input] : llvm::enumerate(ops[index].op->getOperands()))
      order.push_back(
          {-elementCount(input.getType(), limits.assumedExtent), number});
    llvm::sort(order);
    SmallVector<Value> inputs;
    for (auto [size, number] : order)
      inputs.push_back(ops[index].op->getOperand(number));
    llvm::append_range(inputs, captures[index]);
    for (Value input : inputs) {
      auto it = positions.find(input.getDefiningOp());
      if (!input.getDefiningOp() || it == positions.end())
        continue;
      unsigned producer = find(it->second), consumer = find(index);
      if (producer != consumer)
        tryMerge(producer, consumer);
    }
  }
  // Small groups that do not feed each other share a launch as well.
  SmallVector<unsigned> open;
  for (unsigned index = 0; index < ops.size(); ++index) {
    unsigned group = find(index);
    if (groups[group].first != index || !groups[group].mergeable ||
        !isSmall(groups[group]) || groups[group].computeOps == 0)
      continue;
    bool merged = false;
    for (unsigned candidate : llvm::reverse(open)) {
      unsigned other = find(candidate), self = find(index);
      if (other == self)
        continue;
      // Unrelated groups: neither may need the other through a third one.
      if (dependsOn(other, self))
        continue;
      if (tryMerge(other, self)) {
        merged = true;
        break;
      }
    }
    if (!merged)
      open.push_back(index);
    if (open.size() > 8)
      open.erase(open.begin());
  }
}

Grouping Grouper::take() {
  Grouping result;
  std::vector<unsigned> ids(groups.size(), ~0u);
  for (unsigned index = 0; index < ops.size(); ++index) {
    unsigned root = find(index);
    if (ids[root] == ~0u) {
      ids[root] = result.groups.size();
      KernelGroup group;
      group.grid = groups[root].grid;
      group.heavy = groups[root].heavy;
      group.small = isSmall(groups[root]);
      group.refused = groups[root].refused;
      result.groups.push_back(std::move(group));
    }
    ops[index].group = ids[root];
    result.groups[ids[root]].members.push_back(index);
    for (int &dim : ops[index].dims)
      if (!isLive(groups[root], dim))
        dim = -1;
  }
  result.ops = std::move(ops);
  return result;
}

Grouping mercer::groupOperations(Block &block, const GroupingLimits &limits) {
  Grouper grouper(block, limits);
  grouper.run();
  return grouper.take();
}
