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

  // A block whose edges are `laneCount` and `rowCount`, null where full.
  auto block = [&](Frame at, Value laneCount, Value rowCount) {
    Value rowMask = rowCount ? tailMask(rowCount) : Value();
    Value laneMask = laneCount ? tailMask(laneCount) : Value();
    SmallVector<int64_t> zero(nest.loops.size(), 0);
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
      VectorType type = vectorOf(access.elementType);
      for (int64_t i = 0; i < lanes; ++i) {
        // Beyond the edge the last row is read again; its lanes are not stored.
        Value distance = index(i);
        if (laneCount) {
          Value last = arith::SubIOp::create(b, laneCount, index(1));
          distance = b.createOrFold<arith::MinSIOp>(distance, last);
        }
        Value start = add(at.base[operand], mul(distance, laneStep));
        rows.push_back(
            rowMask ? vector::MaskedLoadOp::create(
                          b, type, buffers[operand].flat, ValueRange{start},
                          rowMask, splat({}, access.elementType))
                          .getResult()
                    : vector::LoadOp::create(b, type, buffers[operand].flat,
                                             ValueRange{start})
                          .getResult());
      }
      rows = turn(rows);
      for (int64_t i = 0; i < lanes; ++i) {
        SmallVector<int64_t> row = zero;
        row[other] = i;
        at.loaded[keyOf(at, operand, row, 0)] = rows[i];
      }
    }
    at.masks.assign(1, laneMask);
    if (!rowCount) {
      at.rows[other] = lanes;
      emitPoints(at, {});
      return;
    }
    // Edge rows that do not exist are skipped: other inputs end there too.
    for (int64_t i = 0; i < lanes; ++i) {
      Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::slt,
                                           index(i), rowCount);
      auto guarded = scf::IfOp::create(b, exists, /*withElseRegion=*/false);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(guarded.thenBlock());
      Frame one = at;
      one.step[other] = i;
      emitPoints(one, {});
    }
  };

  // All other parallel loops run outside, one step at a time.
  SmallVector<unsigned> outside;
  for (unsigned loop : plan.parallel)
    if (loop != lane && loop != other)
      outside.push_back(loop);
  auto forEach = [&](Value from, Value to, int64_t step,
                     llvm::function_ref<void(Value)> body) {
    auto lo = getConstantIntValue(from), hi = getConstantIntValue(to);
    if (lo && hi && *lo >= *hi)
      return;
    if (lo && hi && *lo + step >= *hi)
      return body(from);
    auto loop = scf::ForOp::create(b, from, to, index(step));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    body(loop.getInductionVar());
  };
  auto fullEnd = [&](unsigned loop) -> Value {
    if (nest.loops[loop].isStatic())
      return index(nest.loops[loop].size / lanes * lanes);
    Value over = arith::RemUIOp::create(b, sizeOf(loop), index(lanes));
    return arith::SubIOp::create(b, sizeOf(loop), over);
  };

  std::function<void(unsigned, Frame)> descend = [&](unsigned level, Frame f) {
    if (level < outside.size()) {
      forEach(index(0), sizeOf(outside[level]), 1, [&](Value start) {
        Frame inner = f;
        bind(inner, outside[level], start);
        descend(level + 1, inner);
      });
      return;
    }
    Value rowEnd = fullEnd(other), laneEnd = fullEnd(lane);
    auto lanesOf = [&](Frame r, Value rowCount) {
      forEach(index(0), laneEnd, lanes, [&](Value start) {
        Frame inner = r;
        bind(inner, lane, start);
        block(inner, Value(), rowCount);
      });
      forEach(laneEnd, sizeOf(lane), lanes, [&](Value start) {
        Frame inner = r;
        bind(inner, lane, start);
        block(inner, b.createOrFold<arith::SubIOp>(sizeOf(lane), start),
              rowCount);
      });
    };
    forEach(index(0), rowEnd, lanes, [&](Value start) {
      Frame inner = f;
      bind(inner, other, start);
      lanesOf(inner, Value());
    });
    forEach(rowEnd, sizeOf(other), lanes, [&](Value start) {
      Frame inner = f;
      bind(inner, other, start);
      lanesOf(inner, b.createOrFold<arith::SubIOp>(sizeOf(other), start));
    });
  };
  descend(0, frame);
}
