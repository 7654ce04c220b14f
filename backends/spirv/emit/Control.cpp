//===- Control.cpp - loops, choices, barriers and shuffles ----------------===//

#include "backends/spirv/emit/Emitter.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::spirvgen;

LogicalResult Emitter::block(Block &body) {
  for (Operation &op : body)
    if (!isa<scf::YieldOp>(op) && failed(operation(&op)))
      return failure();
  return success();
}

LogicalResult Emitter::lanesOf(ValueRange values, Lanes &all) {
  for (Value value : values) {
    auto found = this->values.find(value);
    if (found == this->values.end()) {
      Operation *at = value.getDefiningOp() ? value.getDefiningOp() : kernel;
      return refuse(at, "a value that is neither a scalar nor a vector passes "
                        "through a loop or a choice");
    }
    all.append(found->second.begin(), found->second.end());
  }
  return success();
}

LogicalResult Emitter::typesOf(ValueRange values, Operation *op,
                               SmallVectorImpl<Type> &types) {
  for (Value value : values) {
    Type held = registerType(getElementTypeOrSelf(value.getType()), op);
    if (!held)
      return failure();
    auto vector = dyn_cast<VectorType>(value.getType());
    types.append(vector ? vector.getNumElements() : 1, held);
  }
  return success();
}

/// Cuts `lanes` into those of each value.
void Emitter::bind(ValueRange values, ValueRange lanes) {
  unsigned at = 0;
  for (Value value : values) {
    auto vector = dyn_cast<VectorType>(value.getType());
    unsigned count = vector ? vector.getNumElements() : 1;
    ValueRange own = lanes.slice(at, count);
    this->values[value] = Lanes(own.begin(), own.end());
    at += count;
  }
}

LogicalResult Emitter::loop(scf::ForOp op) {
  Lanes inits, bounds;
  if (failed(lanesOf({op.getLowerBound(), op.getUpperBound(), op.getStep()},
                     bounds)) ||
      failed(lanesOf(op.getInitArgs(), inits)))
    return failure();
  Type counter = registerType(op.getInductionVar().getType(), op);
  if (!counter)
    return failure();
  SmallVector<Type> carried;
  if (failed(typesOf(op.getInitArgs(), op, carried)))
    return failure();
  Location loc = op.getLoc();
  auto result = spirv::LoopOp::create(b, carried, spirv::LoopControl::None);
  Region &region = result.getBody();
  auto add = [&] {
    Block *made = new Block();
    region.push_back(made);
    return made;
  };
  Block *entry = add(), *header = add(), *body = add();
  SmallVector<Type> headerTypes = {counter};
  headerTypes.append(carried.begin(), carried.end());
  header->addArguments(headerTypes,
                       SmallVector<Location>(headerTypes.size(), loc));
  SmallVector<Value> start = {bounds[0]};
  start.append(inits.begin(), inits.end());
  b.setInsertionPointToEnd(entry);
  spirv::BranchOp::create(b, header, start);

  values[op.getInductionVar()] = {header->getArgument(0)};
  ValueRange current = ValueRange(header->getArguments()).drop_front();
  bind(op.getRegionIterArgs(), current);
  b.setInsertionPointToEnd(body);
  if (failed(block(*op.getBody())))
    return failure();
  Lanes yielded;
  if (failed(lanesOf(op.getBody()->getTerminator()->getOperands(), yielded)))
    return failure();
  // The serialiser looks up what a back edge carries before it has seen the
  // results of nested loops and choices: those go through arguments of the
  // continue block.
  b.setLoc(loc);
  Block *next = add();
  SmallVector<Value> passed;
  for (Value &lane : yielded)
    if (isa_and_nonnull<spirv::LoopOp, spirv::SelectionOp>(
            lane.getDefiningOp())) {
      passed.push_back(lane);
      lane = next->addArgument(lane.getType(), loc);
    }
  spirv::BranchOp::create(b, next, passed);
  b.setInsertionPointToEnd(next);
  Value step = make<spirv::IAddOp>(header->getArgument(0), bounds[2]);
  SmallVector<Value> again = {step};
  again.append(yielded.begin(), yielded.end());
  spirv::BranchOp::create(b, header, again);

  Block *merge = add();
  b.setInsertionPointToEnd(merge);
  spirv::MergeOp::create(b, current);
  b.setInsertionPointToEnd(header);
  Value more = op.getUnsignedCmp()
                   ? ask<spirv::ULessThanOp>(header->getArgument(0), bounds[1])
                   : ask<spirv::SLessThanOp>(header->getArgument(0), bounds[1]);
  spirv::BranchConditionalOp::create(b, more, body, {}, merge, {});
  bind(op.getResults(), result.getResults());
  b.setInsertionPointAfter(result);
  return success();
}

LogicalResult Emitter::choice(scf::IfOp op) {
  Lanes condition;
  SmallVector<Type> types;
  if (failed(lanesOf(op.getCondition(), condition)) ||
      failed(typesOf(op.getResults(), op, types)))
    return failure();
  auto result =
      spirv::SelectionOp::create(b, types, spirv::SelectionControl::None);
  Region &region = result.getBody();
  auto *header = new Block(), *merge = new Block();
  region.push_back(header);
  merge->addArguments(types, SmallVector<Location>(types.size(), op.getLoc()));
  auto side = [&](Region &from) -> FailureOr<Block *> {
    if (from.empty())
      return merge;
    auto *made = new Block();
    region.push_back(made);
    b.setInsertionPointToEnd(made);
    Lanes yielded;
    if (failed(block(from.front())) ||
        failed(lanesOf(from.front().getTerminator()->getOperands(), yielded)))
      return failure();
    b.setLoc(op.getLoc());
    spirv::BranchOp::create(b, merge, yielded);
    return made;
  };
  FailureOr<Block *> yes = side(op.getThenRegion());
  FailureOr<Block *> no = failure();
  if (succeeded(yes))
    no = side(op.getElseRegion());
  region.push_back(merge);
  if (failed(no))
    return failure();
  b.setInsertionPointToEnd(header);
  spirv::BranchConditionalOp::create(b, condition[0], *yes, {}, *no, {});
  b.setInsertionPointToEnd(merge);
  spirv::MergeOp::create(b, merge->getArguments());
  bind(op.getResults(), result.getResults());
  b.setInsertionPointAfter(result);
  return success();
}

/// Waits for the workgroup, and makes what its invocations wrote to shared
/// memory and to storage buffers visible to each other.
void Emitter::barrier() {
  spirv::ControlBarrierOp::create(b, spirv::Scope::Workgroup,
                                  spirv::Scope::Workgroup,
                                  spirv::MemorySemantics::AcquireRelease |
                                      spirv::MemorySemantics::WorkgroupMemory |
                                      spirv::MemorySemantics::UniformMemory);
}

LogicalResult Emitter::shuffle(gpu::ShuffleOp op) {
  if (op.getMode() != gpu::ShuffleMode::XOR)
    return refuse(op, "no form of this shuffle in SPIR-V; expects gpu.shuffle "
                      "xor");
  Lanes operands;
  if (failed(lanesOf({op.getValue(), op.getOffset()}, operands)))
    return failure();
  need(spirv::Capability::GroupNonUniform);
  need(spirv::Capability::GroupNonUniformShuffle);
  values[op.getShuffleResult()] = {spirv::GroupNonUniformShuffleXorOp::create(
      b, operands[0].getType(), spirv::Scope::Subgroup, operands[0],
      operands[1])};
  values[op.getValid()] = {constantOf(b.getI1Type(), 1)};
  return success();
}
