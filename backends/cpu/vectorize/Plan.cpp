//===- Plan.cpp - how a loop nest becomes vector code ---------------------===//

#include "backends/cpu/vectorize/Plan.h"

#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::cpu;

//===----------------------------------------------------------------------===//
// Body
//===----------------------------------------------------------------------===//

static bool isSupported(Operation &op) {
  if (isa<linalg::YieldOp, linalg::IndexOp, arith::ConstantOp>(op))
    return true;
  if (isa<memref::LoadOp>(op))
    return !op.getResult(0).getType().isInteger(1);
  return op.getNumRegions() == 0 && op.getNumResults() == 1 &&
         OpTrait::hasElementwiseMappableTraits(&op);
}

/// The kind of the op that joins `previous` with the rest, when the body is
/// `yield join(previous, f(inputs))` and f does not read `previous`. None where
/// the joined value is a result of every step too: a scan has an order.
static std::optional<vector::CombiningKind>
combinerOf(Block &body, BlockArgument previous, unsigned result) {
  using vector::CombiningKind;
  Operation *op = body.getTerminator()->getOperand(result).getDefiningOp();
  if (!op || op->getBlock() != &body || !op->hasOneUse() ||
      !previous.hasOneUse() || *previous.user_begin() != op)
    return std::nullopt;
  // fma(a, b, previous) adds.
  if (isa<math::FmaOp>(op))
    return op->getOperand(2) == previous ? std::optional(CombiningKind::ADD)
                                         : std::nullopt;
  return llvm::TypeSwitch<Operation *, std::optional<CombiningKind>>(op)
      .Case<arith::AddFOp, arith::AddIOp>(
          [](auto) { return CombiningKind::ADD; })
      .Case<arith::MulFOp, arith::MulIOp>(
          [](auto) { return CombiningKind::MUL; })
      .Case([](arith::AndIOp) { return CombiningKind::AND; })
      .Case([](arith::OrIOp) { return CombiningKind::OR; })
      .Case([](arith::XOrIOp) { return CombiningKind::XOR; })
      .Case([](arith::MaxSIOp) { return CombiningKind::MAXSI; })
      .Case([](arith::MaxUIOp) { return CombiningKind::MAXUI; })
      .Case([](arith::MinSIOp) { return CombiningKind::MINSI; })
      .Case([](arith::MinUIOp) { return CombiningKind::MINUI; })
      .Case([](arith::MaximumFOp) { return CombiningKind::MAXIMUMF; })
      .Case([](arith::MinimumFOp) { return CombiningKind::MINIMUMF; })
      .Case([](arith::MaxNumFOp) { return CombiningKind::MAXNUMF; })
      .Case([](arith::MinNumFOp) { return CombiningKind::MINNUMF; })
      .Default([](Operation *) { return std::nullopt; });
}

/// Bits of the widest value that lives in a vector. Narrow floats are computed
/// in f32; truth values and indices follow the others.
static int64_t widestBits(const Nest &nest) {
  int64_t bits = 8;
  auto see = [&](Type type) {
    if (type.isF16() || type.isBF16())
      bits = std::max<int64_t>(bits, 32);
    else if (type.isIntOrFloat() && !type.isInteger(1))
      bits = std::max<int64_t>(bits, type.getIntOrFloatBitWidth());
  };
  for (const Access &access : nest.operands)
    see(access.elementType);
  for (Operation &op : nest.body->without_terminator())
    for (Value result : op.getResults())
      if (!isa<arith::ConstantOp>(op))
        see(result.getType());
  return std::min<int64_t>(bits, 64);
}

//===----------------------------------------------------------------------===//
// Lane
//===----------------------------------------------------------------------===//

namespace {
class Planner {
public:
  Planner(linalg::GenericOp op, const Nest &nest, const TargetInfo &target)
      : op(op), nest(nest), target(target) {}

  FailureOr<Plan> run(std::string &why);

private:
  bool chooseLane();
  std::optional<double> laneCost(unsigned loop, int64_t lanes) const;
  bool canTranspose(unsigned lane, unsigned other) const;
  void chooseBlock();
  void chooseUnroll();
  void chooseParts();
  /// Some input is loaded once for all steps of `loop` inside the reduction.
  bool hasReuse(unsigned loop) const;
  bool movesInReduction(const Access &access) const;
  int64_t lanesFor(unsigned loop) const;

  linalg::GenericOp op;
  const Nest &nest;
  const TargetInfo &target;
  Plan plan;
};
} // namespace

/// Lanes for `loop`: a full register, or less where the loop is shorter.
int64_t Planner::lanesFor(unsigned loop) const {
  int64_t lanes = target.lanes(widestBits(nest));
  const Loop &l = nest.loops[loop];
  if (l.isStatic())
    lanes = std::min<int64_t>(lanes,
                              llvm::PowerOf2Ceil(std::max<int64_t>(l.size, 1)));
  return lanes;
}

/// Estimated cost of one lane of one step, in units of a vector load; none
/// where the loop cannot carry the lanes.
std::optional<double> Planner::laneCost(unsigned loop, int64_t lanes) const {
  // Measured on Zen 4 and Sapphire Rapids: a gather costs about a load a lane.
  constexpr double gatherPerLane = 1.0, scatterPerLane = 1.5;
  constexpr double broadcast = 0.4, horizontal = 10.0;
  constexpr double assumedSize = 64.0;
  const Loop &l = nest.loops[loop];
  double size = l.isBounded() ? std::max<double>(l.bound, 1) : assumedSize;
  double steps = 1;
  for (const Loop &other : nest.loops)
    if (other.reduction && !other.isTrivial())
      steps *= other.isBounded() ? other.bound : assumedSize;
  double cost = 0.1;
  for (auto [index, access] : llvm::enumerate(nest.operands)) {
    if (!access.isBuffer)
      continue;
    bool output = index >= nest.numInputs;
    double weight = 1.0;
    if (output) {
      const Output &o = plan.outputs[index - nest.numInputs];
      if (o.keep == Keep::Accumulator)
        weight = 1.0 / std::max(steps, 1.0);
      if (!access.moves(loop)) {
        // Lanes along a reduction: partial results join at the end.
        if (!l.reduction || o.keep != Keep::Accumulator || !o.combiner)
          return std::nullopt;
        cost += horizontal * lanes * weight;
        continue;
      }
    }
    if (!access.moves(loop))
      cost += broadcast;
    else if (access.linear && access.step(loop) == 1)
      cost += weight;
    else
      cost += weight * lanes * (output ? scatterPerLane : gatherPerLane);
  }
  double vectors = std::ceil(size / lanes);
  return cost * vectors / size;
}

/// True when every operand is contiguous along one of the two loops, so that
/// square blocks can be turned in registers.
bool Planner::canTranspose(unsigned lane, unsigned other) const {
  if (nest.loops[lane].reduction || nest.loops[other].reduction)
    return false;
  bool turned = false;
  for (auto [index, access] : llvm::enumerate(nest.operands)) {
    if (!access.moves(lane))
      continue;
    if (!access.linear)
      return false;
    if (access.step(lane) == 1)
      continue;
    if (index >= nest.numInputs || access.step(other) != 1)
      return false;
    turned = true;
  }
  return turned;
}

bool Planner::chooseLane() {
  std::optional<double> best;
  for (unsigned loop = 0; loop < nest.loops.size(); ++loop) {
    int64_t lanes = lanesFor(loop);
    std::optional<double> cost = laneCost(loop, lanes);
    if (!cost)
      continue;
    // On a tie the inner loop wins: it is the contiguous one more often.
    if (!best || *cost <= *best) {
      best = cost;
      plan.lane = loop;
      plan.lanes = lanes;
    }
  }
  return best.has_value();
}

//===----------------------------------------------------------------------===//
// Register block
//===----------------------------------------------------------------------===//

bool Planner::movesInReduction(const Access &access) const {
  for (unsigned loop = 0; loop < nest.loops.size(); ++loop)
    if (nest.loops[loop].reduction && access.moves(loop))
      return true;
  return false;
}

bool Planner::hasReuse(unsigned loop) const {
  return llvm::any_of(nest.inputs(), [&](const Access &access) {
    return access.isBuffer && !access.moves(loop) && movesInReduction(access);
  });
}

/// Rows of a block for a loop of `size`: a divisor when there is one in the
/// upper half of what fits, so that no edge block is needed.
static int64_t rowsFor(const Loop &loop, int64_t most) {
  int64_t size = loop.size;
  if (!loop.isStatic()) {
    if (loop.isBounded())
      most = std::min(most, loop.bound);
    // Edge blocks halve: sizes with many factors of two waste least.
    for (int64_t rows : {8, 6, 4, 3, 2})
      if (rows <= most)
        return rows;
    return 1;
  }
  if (size <= most)
    return std::max<int64_t>(size, 1);
  for (int64_t rows = most; 2 * rows > most; --rows)
    if (size % rows == 0)
      return rows;
  return std::max<int64_t>(most, 1);
}

void Planner::chooseBlock() {
  plan.block.assign(nest.loops.size(), 1);
  bool reduces = !plan.reductions.empty();
  const Loop &lane = nest.loops[plan.lane];
  int64_t laneVectors =
      lane.isBounded() ? llvm::divideCeil(lane.bound, plan.lanes) : 4;
  laneVectors = std::max<int64_t>(laneVectors, 1);
  if (!reduces)
    return;
  bool accumulates = llvm::any_of(plan.outputs, [](const Output &o) {
    return o.keep == Keep::Accumulator;
  });
  if (!accumulates)
    return;

  SmallVector<unsigned> rowLoops;
  int64_t rowsAvailable = 1;
  for (unsigned loop : llvm::reverse(plan.parallel)) {
    if (loop == plan.lane || !hasReuse(loop))
      continue;
    rowLoops.push_back(loop);
    rowsAvailable *= nest.loops[loop].isBounded() ? nest.loops[loop].bound : 64;
    rowsAvailable = std::clamp<int64_t>(rowsAvailable, 1, 64);
  }
  // A body with several accumulators or much arithmetic needs registers too.
  int64_t accumulators = llvm::count_if(plan.outputs, [](const Output &o) {
    return o.keep == Keep::Accumulator;
  });
  unsigned bodyOps = llvm::range_size(nest.body->without_terminator());
  bool heavy = accumulators > 1 || bodyOps > 4;
  int64_t registers = target.vectorRegisters;
  if (heavy)
    registers = std::max<int64_t>(registers / (2 * accumulators), 4);

  // All register blocks obey rows * vectors + vectors + 1 <= registers.
  auto most = [&](int64_t vectors) {
    return std::max<int64_t>(
        std::min<int64_t>((registers - 1 - vectors) / vectors, 16), 1);
  };
  int64_t vectors = 1, rows = 1;
  if (plan.laneReduces(nest)) {
    if (rowLoops.empty()) {
      // Four partial sums hide the latency of one.
      vectors = std::min<int64_t>(heavy ? 2 : 4, laneVectors);
    } else if (rowLoops.size() == 1) {
      rows = std::min<int64_t>(most(1), 8);
    } else {
      int64_t side = target.vectorRegisters >= 32 && !heavy ? 4 : 2;
      plan.block[rowLoops[0]] = rowsFor(nest.loops[rowLoops[0]], side);
      plan.block[rowLoops[1]] = rowsFor(nest.loops[rowLoops[1]], side);
      plan.vectors = 1;
      return;
    }
  } else {
    double best = -1;
    for (int64_t v = 1; v <= std::min<int64_t>(laneVectors, 8); ++v) {
      if ((v + 1) * 1 + v > registers && v > 1)
        break;
      int64_t r = std::min(most(v), rowsAvailable);
      if (v > 4 && r > 2)
        continue;
      double used =
          double(laneVectors) / (llvm::divideCeil(laneVectors, v) * v);
      double loads = double(r + v) / (r * v);
      double score = used * std::min(1.0, r * v / 12.0) / (0.6 + loads);
      if (score > best) {
        best = score;
        vectors = v;
        rows = most(v);
      }
    }
  }
  if (auto fixed = op->getAttrOfType<DenseI64ArrayAttr>("mercer.register");
      fixed && fixed.size() == 2) {
    rows = std::max<int64_t>(fixed[0], 1);
    vectors = std::clamp<int64_t>(fixed[1], 1, laneVectors);
  }
  plan.vectors = vectors;
  for (unsigned loop : rowLoops) {
    int64_t r = rowsFor(nest.loops[loop], rows);
    plan.block[loop] = r;
    rows /= std::max<int64_t>(r, 1);
    if (rows <= 1)
      break;
  }
}

/// Short inner reductions that slide over the same data as a blocked loop are
/// written out, so that the overlapping loads are shared.
void Planner::chooseUnroll() {
  constexpr int64_t mostOps = 96;
  plan.unrolled.assign(nest.loops.size(), false);
  int64_t points = plan.vectors;
  for (int64_t rows : plan.block)
    points *= rows;
  for (unsigned loop : llvm::reverse(plan.reductions)) {
    const Loop &l = nest.loops[loop];
    if (loop == plan.lane || !l.isStatic() || l.size * points > mostOps ||
        l.size > 8)
      return;
    bool slides = llvm::any_of(nest.inputs(), [&](const Access &access) {
      if (!access.moves(loop) || !access.linear || !access.moves(plan.lane))
        return false;
      return llvm::any_of(plan.parallel, [&](unsigned row) {
        return row != plan.lane && plan.block[row] > 1 && access.moves(row) &&
               access.terms[row].front().index ==
                   access.terms[loop].front().index;
      });
    });
    if (!slides)
      return;
    plan.unrolled[loop] = true;
    points *= l.size;
  }
}

bool Plan::sums(const Nest &nest, unsigned output) const {
  return outputs[output].keep == Keep::Accumulator &&
         outputs[output].combiner == vector::CombiningKind::ADD &&
         isa<FloatType>(nest.outputs()[output].elementType);
}

/// The rounding error of a running sum grows with its length; in parts of
/// `most` terms that of a long sum grows with the number of parts instead. On
/// Zen 4 a product with 768 terms takes 1 to 2% longer, with parts of 128 2 to
/// 3%.
void Planner::chooseParts() {
  constexpr int64_t most = 256;
  bool any = false;
  for (unsigned o = 0; o < plan.outputs.size(); ++o)
    any |= plan.sums(nest, o);
  if (!any)
    return;
  int64_t inner = 1;
  for (unsigned level = plan.reductions.size(); level-- > 0;) {
    unsigned loop = plan.reductions[level];
    const Loop &l = nest.loops[loop];
    if (loop == plan.lane) {
      // Every lane and vector has a sum of its own.
      int64_t width = plan.lanes * plan.vectors;
      inner = l.isBounded() ? llvm::divideCeil(l.bound, width) : 1;
      continue;
    }
    int64_t size = l.isBounded() ? l.bound : ShapedType::kDynamic;
    if (plan.unrolled[loop] ||
        (l.isBounded() && size <= std::max<int64_t>(most / inner, 1))) {
      inner *= std::max<int64_t>(size, 1);
      continue;
    }
    plan.partLevel = level;
    plan.partSteps = std::max<int64_t>(most / inner, 1);
    // Equal parts where the size is known.
    if (l.isBounded())
      plan.partSteps =
          llvm::divideCeil(size, llvm::divideCeil(size, plan.partSteps));
    return;
  }
}

FailureOr<Plan> Planner::run(std::string &why) {
  for (Operation &bodyOp : *nest.body)
    if (!isSupported(bodyOp)) {
      why = ("no vector form of " + bodyOp.getName().getStringRef()).str();
      return failure();
    }
  for (const Access &access : nest.operands)
    if (!access.elementType.isIntOrFloat() || access.elementType.isInteger(1)) {
      why = "element type without a vector form";
      return failure();
    }
  for (auto [index, access] : llvm::enumerate(nest.outputs())) {
    Output output;
    BlockArgument previous = nest.body->getArgument(nest.numInputs + index);
    output.readsPrevious = !previous.use_empty();
    bool reduces = false, followsReduction = false;
    for (auto [loop, l] : llvm::enumerate(nest.loops)) {
      reduces |= l.reduction && !l.isTrivial();
      followsReduction |= l.reduction && access.moves(loop);
    }
    output.keep =
        reduces && !followsReduction ? Keep::Accumulator : Keep::Memory;
    output.combiner = combinerOf(*nest.body, previous, index);
    plan.outputs.push_back(output);
  }
  if (!chooseLane()) {
    why = "no loop can carry the lanes";
    return failure();
  }
  for (unsigned loop = 0; loop < nest.loops.size(); ++loop) {
    if (loop == plan.lane || nest.loops[loop].isTrivial())
      continue;
    (nest.loops[loop].reduction ? plan.reductions : plan.parallel)
        .push_back(loop);
  }
  if (plan.laneReduces(nest))
    plan.reductions.push_back(plan.lane);
  else
    plan.parallel.push_back(plan.lane);
  chooseBlock();
  // With rows to reuse, or sums kept over a reduction, a lane block is finished
  // before the next; plain loops run along memory.
  if (!plan.laneReduces(nest) && !plan.reductions.empty()) {
    plan.parallel.pop_back();
    plan.parallel.insert(plan.parallel.begin(), plan.lane);
  }
  chooseUnroll();
  chooseParts();
  if (plan.reductions.empty())
    for (unsigned loop : plan.parallel)
      if (!plan.transposed && loop != plan.lane &&
          canTranspose(plan.lane, loop))
        plan.transposed = loop;
  // A block takes lanes * log2(lanes) shuffles, all of them written out.
  if (plan.transposed)
    plan.lanes = std::min<int64_t>(plan.lanes, 16);
  return plan;
}

FailureOr<Plan> mercer::cpu::makePlan(linalg::GenericOp op, const Nest &nest,
                                      const TargetInfo &target,
                                      std::string &why) {
  return Planner(op, nest, target).run(why);
}
