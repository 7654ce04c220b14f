//===- Transpose.cpp - square blocks turned in registers ------------------===//
//
// Inputs that are contiguous along a row loop but strided along the lanes are
// read as vectors along the rows, turned, and used as one vector a row.
//
//===----------------------------------------------------------------------===//

#include "backends/cpu/vectorize/Generator.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::cpu;

/// Turns a square block: row i, lane j becomes row j, lane i. Each stage swaps
/// the off-diagonal quarters of blocks of twice its width.
Generator::Values Generator::turn(Values rows) {
  int64_t lanes = plan.lanes;
  for (int64_t width = lanes / 2; width >= 1; width /= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t lane = 0; lane < lanes; ++lane) {
      bool upper = lane & width;
      low.push_back(upper ? lanes + lane - width : lane);
      high.push_back(upper ? lanes + lane : lane + width);
    }
    for (int64_t i = 0; i < lanes; ++i) {
      if (i & width)
        continue;
      Value a = rows[i], c = rows[i + width];
      rows[i] = vector::ShuffleOp::create(b, a, c, low);
      rows[i + width] = vector::ShuffleOp::create(b, a, c, high);
    }
  }
  return rows;
}

void Generator::emitTransposed(Frame frame) {
  unsigned lane = plan.lane, other = *plan.transposed;
  int64_t lanes = plan.lanes;

  auto turnBlock = [&](Frame at) {
    for (unsigned operand = 0; operand < nest.numInputs; ++operand) {
      const Access &access = nest.operands[operand];
      if (nest.body->getArgument(operand).use_empty() || !access.moves(lane) ||
          access.step(lane) == 1)
        continue;
      Value laneStep = index(0);
      for (const Term &term : access.terms[lane])
        laneStep = add(laneStep, mul(buffers[operand].strides[term.index],
                                     index(term.factor)));
      Values rows;
      VectorType type = vectorOf(storageOf(access.elementType));
      for (int64_t i = 0; i < lanes; ++i) {
        Value start = add(at.base[operand], mul(index(i), laneStep));
        rows.push_back(vector::LoadOp::create(b, type, buffers[operand].flat,
                                              ValueRange{start}));
      }
      rows = turn(rows);
      SmallVector<int64_t> row(nest.loops.size(), 0);
      for (int64_t i = 0; i < lanes; ++i) {
        row[other] = i;
        at.loaded[keyOf(at, operand, row, 0)] =
            fromStorage(rows[i], access.elementType);
      }
    }
    at.rows[other] = lanes;
    emitPoints(at, {});
  };
  // Straight-line shuffles are most of the code: edge blocks gather instead.
  auto edgeBlock = [&](Frame at, Value rowCount, Value laneCount) {
    at.masks.assign(1, tailMask(laneCount));
    auto rows = scf::ForOp::create(b, index(0), rowCount, index(1));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(rows.getBody());
    bind(at, other, rows.getInductionVar());
    emitPoints(at, {});
  };

  // All other parallel loops run outside, one step at a time; then blocks of
  // rows, then blocks of lanes.
  SmallVector<std::pair<unsigned, int64_t>> order;
  for (unsigned loop : plan.parallel)
    if (loop != lane && loop != other)
      order.push_back({loop, 1});
  order.push_back({other, lanes});
  order.push_back({lane, lanes});
  OpBuilder::InsertionGuard guard(b);
  Value left[2];
  for (auto [loop, step] : order) {
    auto nested = scf::ForOp::create(b, index(0), sizeOf(loop), index(step));
    b.setInsertionPointToStart(nested.getBody());
    Value start = nested.getInductionVar();
    bind(frame, loop, start);
    Value rest = arith::SubIOp::create(b, sizeOf(loop), start);
    if (loop == other || loop == lane)
      left[loop == lane] =
          arith::MinSIOp::create(b, rest, index(lanes)).getResult();
  }
  bool exact = true;
  for (unsigned loop : {lane, other})
    exact &= nest.loops[loop].isStatic() && nest.loops[loop].size % lanes == 0;
  if (exact)
    return turnBlock(frame);
  auto isFull = [&](Value count) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, count,
                                 index(lanes));
  };
  Value full = arith::AndIOp::create(b, isFull(left[0]), isFull(left[1]));
  auto choice = scf::IfOp::create(b, full, /*withElseRegion=*/true);
  b.setInsertionPointToStart(choice.thenBlock());
  turnBlock(frame);
  b.setInsertionPointToStart(choice.elseBlock());
  edgeBlock(frame, left[0], left[1]);
}
