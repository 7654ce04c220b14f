//===- Phases.cpp - the phases of a kernel on buffers ---------------------===//

#include "passes/kernels/Phases.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace mercer;

bool mercer::isSharedByPhases(Operation *op) {
  return op->hasTrait<OpTrait::IsTerminator>() || isMemoryEffectFree(op) ||
         isa<memref::LoadOp, memref::AllocaOp, memref::AllocOp,
             memref::DeallocOp>(op);
}

void mercer::cloneSharedOps(OpBuilder &b, func::FuncOp kernel, Operation *until,
                            IRMapping &mapping) {
  for (Operation &op : kernel.getBody().front()) {
    if (&op == until)
      break;
    if (isSharedByPhases(&op) && !op.hasTrait<OpTrait::IsTerminator>() &&
        !isa<scf::ForallOp, memref::DeallocOp>(op))
      b.clone(op, mapping);
  }
}

/// Ceil of (upper - lower) / step, at least 0.
static Value tripCount(ImplicitLocOpBuilder &b, Value lower, Value upper,
                       Value step) {
  Value span = arith::SubIOp::create(b, upper, lower);
  Value zero = arith::ConstantIndexOp::create(b, 0);
  span = arith::MaxSIOp::create(b, span, zero);
  return arith::CeilDivUIOp::create(b, span, step);
}

PhaseGrid mercer::readPhaseGrid(ImplicitLocOpBuilder &b, scf::ForallOp forall,
                                IRMapping &mapping) {
  PhaseGrid grid;
  auto value = [&](OpFoldResult v) -> Value {
    if (auto attr = dyn_cast<Attribute>(v))
      return arith::ConstantIndexOp::create(b,
                                            cast<IntegerAttr>(attr).getInt());
    return mapping.lookupOrDefault(cast<Value>(v));
  };
  for (auto [lower, upper, step] :
       llvm::zip(forall.getMixedLowerBound(), forall.getMixedUpperBound(),
                 forall.getMixedStep())) {
    grid.lower.push_back(value(lower));
    grid.step.push_back(value(step));
    grid.count.push_back(
        tripCount(b, grid.lower.back(), value(upper), grid.step.back()));
  }
  return grid;
}

SmallVector<Value> PhaseGrid::positions(ImplicitLocOpBuilder &b,
                                        Value number) const {
  Value rest = number;
  SmallVector<Value> ivs(count.size());
  for (unsigned dim = count.size(); dim-- > 0;) {
    Value at = rest;
    if (dim > 0) {
      at = arith::RemUIOp::create(b, rest, count[dim]);
      rest = arith::DivUIOp::create(b, rest, count[dim]);
    }
    ivs[dim] = arith::AddIOp::create(
        b, lower[dim], arith::MulIOp::create(b, at, step[dim]).getResult());
  }
  return ivs;
}

/// Scratch is private to a tile: no value of it reaches another phase.
static LogicalResult checkScratch(func::FuncOp kernel, ArrayRef<Phase> phases) {
  Block &body = kernel.getBody().front();
  auto phaseOf = [&](Operation *user) {
    Operation *top = body.findAncestorOpInBlock(*user);
    for (auto [number, phase] : llvm::enumerate(phases))
      if (llvm::is_contained(phase.ops, top))
        return static_cast<int64_t>(number);
    return int64_t(-1);
  };
  for (Operation &op : body) {
    if (!isa<memref::AllocaOp, memref::AllocOp>(op))
      continue;
    int64_t owner = -1;
    SmallVector<Value> views{op.getResult(0)};
    while (!views.empty())
      for (Operation *user : views.pop_back_val().getUsers()) {
        int64_t phase = phaseOf(user);
        if (phase < 0) {
          views.append(user->result_begin(), user->result_end());
          continue;
        }
        if (owner >= 0 && owner != phase)
          return op.emitError("[E3106] expects nothing but buffer arguments to "
                              "pass from phase to phase");
        owner = phase;
      }
  }
  return success();
}

FailureOr<SmallVector<Phase>> mercer::readPhases(func::FuncOp kernel) {
  if (!kernel.getBody().hasOneBlock() || kernel.getNumResults() != 0)
    return kernel.emitError(
        "[E3105] expects a kernel of one block without results");
  Block &body = kernel.getBody().front();
  SmallVector<Phase> phases;
  bool open = false;
  for (Operation &op : body) {
    if (auto forall = dyn_cast<scf::ForallOp>(op)) {
      if (forall.getNumResults() != 0)
        return forall.emitError(
            "[E3102] expects buffers, found tensor results");
      phases.push_back({forall, {&op}});
      open = false;
    } else if (!isSharedByPhases(&op)) {
      if (!open)
        phases.push_back({});
      phases.back().ops.push_back(&op);
      open = true;
    }
  }
  if (failed(checkScratch(kernel, phases)))
    return failure();
  for (Phase &phase : phases)
    if (!phase.forall)
      for (Operation *op : phase.ops)
        for (Value result : op->getResults())
          for (Operation *user : result.getUsers())
            if (!llvm::is_contained(phase.ops,
                                    body.findAncestorOpInBlock(*user)))
              return op->emitError(
                  "[E3106] expects nothing but buffer arguments "
                  "to pass from phase to phase");
  return phases;
}
