//===- MatrixUnits.cpp - products by warp-wide instructions ---------------===//
//
// Slices of both operands stream through several buffers of shared memory,
// copied asynchronously where rows are aligned; fragments come by `ldmatrix`,
// or from registers where an earlier product left them (the probabilities of
// attention). Rows in shared memory are padded by 16 bytes, so that the eight
// rows of a matrix lie in different banks.
//
//===----------------------------------------------------------------------===//

#include "passes/distribute/MatrixUnits.h"

#include "passes/distribute/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::distribute;

/// The block argument that `value` is, but for widening; `wide` its type then.
static BlockArgument widened(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<arith::ExtFOp, arith::ExtSIOp>(op))
      return {};
    value = op->getOperand(0);
  }
  return cast<BlockArgument>(value);
}

std::optional<MatrixProduct>
mercer::distribute::matrixProduct(linalg::GenericOp op, bool tf32) {
  if (op.getNumDpsInputs() != 2 || op.getNumDpsInits() != 1)
    return std::nullopt;
  Block *body = op.getBody();
  Value sum = body->getTerminator()->getOperand(0);
  BlockArgument previous = body->getArgument(2);
  Value x, y;
  if (auto fma = sum.getDefiningOp<math::FmaOp>()) {
    if (fma.getC() != previous)
      return std::nullopt;
    x = fma.getA();
    y = fma.getB();
  } else {
    Operation *add = sum.getDefiningOp();
    if (!isa_and_nonnull<arith::AddFOp, arith::AddIOp>(add))
      return std::nullopt;
    Value product = add->getOperand(0) == previous   ? add->getOperand(1)
                    : add->getOperand(1) == previous ? add->getOperand(0)
                                                     : Value();
    Operation *mul = product ? product.getDefiningOp() : nullptr;
    if (!isa_and_nonnull<arith::MulFOp, arith::MulIOp>(mul))
      return std::nullopt;
    x = mul->getOperand(0);
    y = mul->getOperand(1);
  }
  BlockArgument a = widened(x), c = widened(y);
  if (!a || !c || a == c || a.getOwner() != body || c.getOwner() != body ||
      a == previous || c == previous)
    return std::nullopt;
  Type left = body->getArgument(0).getType(),
       right = body->getArgument(1).getType(), result = previous.getType();
  auto isHalf = [](Type type) { return type.isF16() || type.isBF16(); };
  if (result.isF32()) {
    // Of one half and one single, the single might be rounded; the caller
    // knows where that is meant.
    if (isHalf(left) && (right == left || right.isF32()))
      return MatrixProduct{left, result};
    if (isHalf(right) && left.isF32())
      return MatrixProduct{right, result};
    if (tf32 && left.isF32() && right.isF32())
      return MatrixProduct{left, result};
  }
  if (result.isInteger(32) && left.isInteger(8) && right.isInteger(8) &&
      x.getDefiningOp<arith::ExtSIOp>() && y.getDefiningOp<arith::ExtSIOp>())
    return MatrixProduct{left, result};
  return std::nullopt;
}

namespace {
/// One operand of a product in shared memory.
struct Slices {
  Value flat;
  /// Loops and extent of the side: rows or columns.
  SmallVector<unsigned> loops;
  int64_t extent = 0;
  /// [side, reduction] in memory, or [reduction, side].
  bool alongReduction = false;
  int64_t pitch = 0, slot = 0;
  bool async = false;
};
} // namespace

/// Copies of 16 bytes are possible: rows start at such multiples, and no piece
/// goes on in another row.
bool Emitter::copiesAligned(OpNest &nest, unsigned operand, Type element,
                            ArrayRef<unsigned> loops,
                            ArrayRef<unsigned> reduced) {
  const View &view = *nest.views[operand];
  auto type = cast<MemRefType>(buffers[view.buffer].flat.getType());
  auto space = dyn_cast_or_null<gpu::AddressSpaceAttr>(type.getMemorySpace());
  if (!space || space.getValue() != gpu::AddressSpace::Global ||
      type.getElementType() != element || buffers[view.buffer].unaligned)
    return false;
  int64_t piece = 128 / element.getIntOrFloatBitWidth();
  if (knownDivisor(view.offset) % piece != 0)
    return false;
  std::optional<unsigned> unit;
  unsigned unitDim = 0;
  for (auto [d, expr, stride] :
       llvm::enumerate(nest.map(operand).getResults(), view.strides)) {
    if (constantOf(stride) == 1) {
      // One loop alone walks along the row.
      auto loop = dyn_cast<AffineDimExpr>(expr);
      if (!loop)
        return false;
      unit = loop.getPosition();
      unitDim = d;
      continue;
    }
    if (knownDivisor(stride) % piece != 0)
      return false;
  }
  if (!unit)
    return false;
  // What lies around must be zeros, and not along the row.
  if (const Padding *around = view.padding.get())
    if (!around->isZero || constantOf(around->low[unitDim]) != 0 ||
        !constantOf(around->sizes[unitDim]) ||
        constantOf(around->sizes[unitDim]) != constantOf(view.sizes[unitDim]))
      return false;
  // The loop is the fastest of its side, and pieces end where it does.
  ArrayRef<unsigned> side =
      llvm::is_contained(reduced, *unit) ? reduced : loops;
  if (side.back() != *unit)
    return false;
  unsigned open = llvm::count_if(
      side, [&](unsigned loop) { return nest.loops[loop].bound != 1; });
  return open <= 1 || nest.loops[*unit].bound % piece == 0;
}

/// Reduced loops from slow to fast: the last walks along rows in memory.
SmallVector<unsigned> Emitter::reductionOrder(OpNest &nest) {
  SmallVector<unsigned> order = nest.reduced();
  for (unsigned operand : {1u, 0u}) {
    const std::optional<View> &view = nest.views[operand];
    for (auto [expr, stride] :
         llvm::zip_equal(nest.map(operand).getResults(), view->strides)) {
      if (constantOf(stride) != 1)
        continue;
      for (unsigned loop : nest.reduced())
        if (expr.isFunctionOfDim(loop) && nest.loops[loop].bound != 1) {
          llvm::erase(order, loop);
          order.push_back(loop);
        }
    }
  }
  return order;
}

void Emitter::emitMatrixProduct(OpNest &nest, const Space &space) {
  const Layout &layout = space.layout;
  MatrixProduct product = *matrixProduct(nest.op, plan->tf32());
  Coordinate extents = layout.extents();
  SmallVector<unsigned> reduced = reductionOrder(nest);
  unsigned rowOperand = rowOperandOf(nest, space), colOperand = 1 - rowOperand;
  bool rowsInRegisters = plan->readsRegisters(nest.op, rowOperand);
  int64_t depth = product.depth(), per = product.perPiece();
  int64_t piece = 128 / product.bits();

  SmallVector<Index> reducedSizes;
  Index total = math.constant(1);
  for (unsigned loop : reduced) {
    reducedSizes.push_back(nest.loops[loop].size);
    total = math.mul(total, reducedSizes.back());
  }
  // A slice gives every thread a copy; an operand in registers wants all of the
  // reduction at once.
  int64_t length = matrixSlice(product, extents);
  if (rowsInRegisters)
    length = llvm::alignTo(nest.bound(reduced), depth);

  SmallVector<Slices, 2> slices(2);
  auto describe = [&](unsigned operand, ArrayRef<unsigned> loops,
                      int64_t extent) {
    Slices &s = slices[operand];
    s.loops.assign(loops.begin(), loops.end());
    s.extent = extent;
    s.alongReduction = walksReduction(nest, operand);
    s.pitch = (s.alongReduction ? length : extent) + piece;
    s.slot = (s.alongReduction ? extent : length) * s.pitch;
    int64_t pieces = length * extent / piece;
    s.async = pieces % target.threads == 0 &&
              copiesAligned(nest, operand, product.element, loops, reduced);
  };
  if (!rowsInRegisters)
    describe(rowOperand, space.rowLoops, extents.row);
  describe(colOperand, space.colLoops, extents.col);
  SmallVector<unsigned> staged{colOperand};
  if (!rowsInRegisters)
    staged.push_back(rowOperand);
  bool anyAsync =
      llvm::any_of(staged, [&](unsigned o) { return slices[o].async; });
  bool single = constantOf(total) && *constantOf(total) <= length;
  int64_t slots = anyAsync && !single && !rowsInRegisters ? 3 : 1;
  for (unsigned operand : staged)
    slices[operand].flat =
        sharedScratch(product.element, slots * slices[operand].slot, operand);

  // Where this warp's part of the result starts, and this lane in it.
  Layout warpsOnly = layout;
  for (Coordinate &step : warpsOnly.lanes)
    step = {};
  Index warpRow = threadPart(warpsOnly, true);
  Index warpCol = threadPart(warpsOnly, false);
  Index lane = math.rem(thread, math.constant(32));
  int64_t rowTiles = 0, colTiles = 0;
  for (int64_t number = 0; number < layout.numRegisters(); number += 4) {
    rowTiles = std::max(rowTiles, layout.ofRegister(number).row / 16 + 1);
    colTiles = std::max(colTiles, layout.ofRegister(number).col / 8 + 1);
  }

  /// Brings the slice from `start` on to slot `slot`.
  auto copy = [&](unsigned operand, Index start, Index slot,
                  SmallVectorImpl<Value> &tokens) {
    copySlice(nest, operand, slices[operand].flat, slices[operand].loops,
              reduced, slices[operand].extent, slices[operand].alongReduction,
              slices[operand].pitch, math.mul(slot, slices[operand].slot),
              length, slices[operand].async, start, total, product.element,
              tokens);
  };

  /// The fragments of 16 rows, or of 2 x 8 columns, at `k` of a slot.
  auto fragment = [&](unsigned operand, Index slot, bool rows, Index base,
                      int64_t offset, int64_t k) -> Value {
    const Slices &s = slices[operand];
    int64_t pieces = 4;
    auto type = VectorType::get({pieces, per}, product.element);
    Index start = math.mul(slot, s.slot);
    auto address = [&](Index place, Index step) {
      return math.add(start, s.alongReduction
                                 ? math.add(math.mul(place, s.pitch), step)
                                 : math.add(math.mul(step, s.pitch), place));
    };
    Index origin = math.add(base, math.constant(offset));
    if (product.bits() == 16) {
      // Lane l gives the address of row l % 8 of matrix l / 8. Matrices are
      // ordered as pieces are: rows first, for columns the reduction first.
      Index in8 = math.rem(lane, math.constant(8));
      Index low = math.rem(math.div(lane, math.constant(8)), math.constant(2));
      Index high = math.div(lane, math.constant(16));
      Index placePart = rows ? low : high, stepPart = rows ? high : low;
      Index place = math.add(origin, math.mul(placePart, 8));
      Index step = math.add(math.constant(k), math.mul(stepPart, 8));
      (s.alongReduction ? place : step) =
          math.add(s.alongReduction ? place : step, in8);
      return nvgpu::LdMatrixOp::create(
          b, type, s.flat, ValueRange{math.value(address(place, step))},
          /*transpose=*/!s.alongReduction, /*numTiles=*/4);
    }
    // Other types: each lane reads its pieces.
    Index group = math.div(lane, math.constant(4));
    Index quad = math.rem(lane, math.constant(4));
    SmallVector<Value> elements;
    for (int64_t j = 0; j < pieces; ++j) {
      int64_t placePart = rows ? j & 1 : j >> 1,
              stepPart = rows ? j >> 1 : j & 1;
      Index place =
          math.add(math.add(origin, group), math.constant(8 * placePart));
      for (int64_t i = 0; i < per; ++i) {
        Index step = math.add(math.constant(k + stepPart * (depth / 2) + i),
                              math.mul(quad, per));
        elements.push_back(memref::LoadOp::create(
            b, s.flat, ValueRange{math.value(address(place, step))}));
      }
    }
    return vector::FromElementsOp::create(b, type, elements);
  };

  /// A left fragment out of registers: columns of an accumulator are the
  /// reduction here.
  auto fromRegisters = [&](int64_t rowTile, int64_t k) -> Value {
    Value buffer = nest.op->getOperand(rowOperand);
    Value from = registersOf(buffer);
    const Placement *place = plan->placement(buffer);
    // Register numbers of the source: its tiles of 8 columns come first.
    int64_t sourceCols = place->layout.extents().col / 8;
    SmallVector<Value> elements;
    for (int64_t j = 0; j < 4; ++j)
      for (int64_t i = 0; i < 2; ++i) {
        int64_t tile = k / 8 + (j >> 1);
        int64_t number = i + 2 * (j & 1) + 4 * tile + 4 * sourceCols * rowTile;
        Value x = getRegister(from, number);
        // Beyond the end of the reduction a register holds anything.
        std::optional<int64_t> whole = constantOf(total);
        if (!whole || *whole < (tile + 1) * 8) {
          Coordinate here = place->layout.ofRegister(number);
          Index step = math.add(threadPart(place->layout, false),
                                math.constant(here.col));
          Value zero = arith::ConstantOp::create(b, b.getZeroAttr(x.getType()));
          x = arith::SelectOp::create(b, math.less(step, total), x, zero);
        }
        if (x.getType() != product.element)
          x = arith::TruncFOp::create(b, product.element, x);
        elements.push_back(x);
      }
    return vector::FromElementsOp::create(
        b, VectorType::get({4, 2}, product.element), elements);
  };

  Value accumulators = registersOf(nest.op->getOperand(nest.numInputs()));
  SmallVector<Value> sums;
  for (int64_t number = 0; number < layout.numRegisters(); ++number)
    sums.push_back(getRegister(accumulators, number));

  auto multiply = [&](Index slot, SmallVector<Value> state) {
    auto sumType = VectorType::get({2, 2}, product.sum);
    for (int64_t k = 0; k < length; k += depth) {
      SmallVector<Value> left;
      for (int64_t rowTile = 0; rowTile < rowTiles; ++rowTile)
        left.push_back(rowsInRegisters
                           ? fromRegisters(rowTile, k)
                           : fragment(rowOperand, slot, /*rows=*/true, warpRow,
                                      16 * rowTile, k));
      for (int64_t pair = 0; pair < colTiles; pair += 2) {
        Value both =
            fragment(colOperand, slot, /*rows=*/false, warpCol, 8 * pair, k);
        for (int64_t half = 0; half < 2; ++half) {
          SmallVector<Value> elements;
          for (int64_t j = 0; j < 2; ++j)
            for (int64_t i = 0; i < per; ++i)
              elements.push_back(vector::ExtractOp::create(
                  b, both, ArrayRef<int64_t>{2 * half + j, i}));
          Value right = vector::FromElementsOp::create(
              b, VectorType::get({2, per}, product.element), elements);
          for (int64_t rowTile = 0; rowTile < rowTiles; ++rowTile) {
            int64_t first = 4 * (pair + half) + 4 * colTiles * rowTile;
            Value old = vector::FromElementsOp::create(
                b, sumType, ValueRange(state).slice(first, 4));
            Value next = nvgpu::MmaSyncOp::create(
                b, left[rowTile], right, old, ArrayRef<int64_t>{16, 8, depth},
                product.tf32());
            for (int64_t c = 0; c < 4; ++c)
              state[first + c] = vector::ExtractOp::create(
                  b, next, ArrayRef<int64_t>{c / 2, c % 2});
          }
        }
      }
    }
    return state;
  };
  auto group = [&](ValueRange tokens) {
    return nvgpu::DeviceAsyncCreateGroupOp::create(
               b, nvgpu::DeviceAsyncTokenType::get(b.getContext()), tokens)
        .getResult();
  };

  // Whoever used the memory before is done with it.
  barrier();
  Value token;
  for (int64_t ahead = 0; ahead + 1 < slots; ++ahead) {
    SmallVector<Value> tokens;
    for (unsigned operand : staged)
      copy(operand, math.constant(ahead * length), math.constant(ahead),
           tokens);
    token = group(tokens);
  }
  auto step = [&](Index start, SmallVector<Value> state) {
    Index number = math.div(start, math.constant(length));
    if (slots == 1) {
      SmallVector<Value> tokens;
      for (unsigned operand : staged)
        copy(operand, start, math.constant(0), tokens);
      if (!tokens.empty())
        nvgpu::DeviceAsyncWaitOp::create(b, group(tokens), IntegerAttr());
      barrier();
      state = multiply(math.constant(0), state);
      barrier();
      return state;
    }
    // The slice at hand is there for all; the slot of the one before is free.
    nvgpu::DeviceAsyncWaitOp::create(
        b, token, b.getI32IntegerAttr(static_cast<int32_t>(slots - 2)));
    barrier();
    SmallVector<Value> tokens;
    Index next = math.add(start, math.constant((slots - 1) * length));
    Index nextSlot = math.rem(math.add(number, math.constant(slots - 1)),
                              math.constant(slots));
    for (unsigned operand : staged)
      copy(operand, next, nextSlot, tokens);
    group(tokens);
    return multiply(math.rem(number, math.constant(slots)), state);
  };
  if (single || rowsInRegisters) {
    sums = step(math.constant(0), sums);
  } else {
    auto loop =
        scf::ForOp::create(b, math.value(math.constant(0)), math.value(total),
                           math.value(math.constant(length)), sums);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      SmallVector<Value> state(loop.getRegionIterArgs());
      scf::YieldOp::create(b, step(loop.getInductionVar(), state));
    }
    sums.assign(loop.getResults().begin(), loop.getResults().end());
  }
  if (slots > 1) {
    // Copies that ran ahead must not write memory that is used again.
    nvgpu::DeviceAsyncWaitOp::create(b, token, b.getI32IntegerAttr(0));
    barrier();
  }
  for (auto [number, value] : llvm::enumerate(sums))
    setRegister(accumulators, number, value);
}

/// One slice of an operand to shared memory, zeros behind its end.
void Emitter::copySlice(OpNest &nest, unsigned operand, Value flat,
                        ArrayRef<unsigned> loops, ArrayRef<unsigned> reduced,
                        int64_t extent, bool alongReduction, int64_t pitch,
                        Index slot, int64_t length, bool async, Index start,
                        Index total, Type element,
                        SmallVectorImpl<Value> &tokens) {
  const View &view = *nest.views[operand];
  SmallVector<Index> reducedSizes, parts;
  for (unsigned loop : reduced)
    reducedSizes.push_back(nest.loops[loop].size);
  SmallVector<int64_t> bounds;
  for (const OpLoop &loop : nest.loops)
    bounds.push_back(loop.bound);
  int64_t covered = 1;
  for (unsigned loop : loops) {
    parts.push_back(math.constant(bounds[loop]));
    covered *= bounds[loop];
  }
  unsigned outer = outermost(loops, bounds);
  /// Positions of an element, and whether it exists.
  auto locate = [&](Index place, Index step, SmallVectorImpl<Index> &at) {
    at.assign(nest.loops.size(), math.constant(0));
    Index position = math.add(start, step);
    for (auto [loop, value] :
         llvm::zip_equal(reduced, math.delinearize(position, reducedSizes,
                                                   /*narrow=*/true)))
      at[loop] = value;
    Value inside;
    std::optional<int64_t> whole = constantOf(total);
    if (!whole || *whole % length != 0 || !constantOf(start))
      inside = math.less(position, total);
    for (auto [loop, value] : llvm::zip_equal(
             loops, math.delinearize(place, parts, /*narrow=*/true))) {
      at[loop] = value;
      bool all = constantOf(nest.loops[loop].size) == bounds[loop] &&
                 (loop != outer || covered == extent);
      if (!all)
        inside = both(inside, math.less(value, nest.loops[loop].size));
    }
    return inside;
  };
  auto target16 = [&](Index place, Index step) {
    return math.add(slot, alongReduction
                              ? math.add(math.mul(place, pitch), step)
                              : math.add(math.mul(step, pitch), place));
  };
  int64_t fastExtent = alongReduction ? length : extent;
  if (!async) {
    OpBuilder::InsertionGuard guard(b);
    auto each = scf::ForOp::create(b, thread,
                                   math.value(math.constant(length * extent)),
                                   math.value(math.constant(target.threads)));
    b.setInsertionPointToStart(each.getBody());
    Index number = each.getInductionVar();
    Index fast = math.rem(number, math.constant(fastExtent));
    Index slow = math.div(number, math.constant(fastExtent));
    Index place = alongReduction ? slow : fast,
          step = alongReduction ? fast : slow;
    SmallVector<Index> at;
    Value inside = locate(place, step, at);
    Value value = readElement(view, nest.map(operand), at, inside);
    if (value.getType() != element)
      value = arith::TruncFOp::create(b, element, value);
    memref::StoreOp::create(b, value, flat,
                            ValueRange{math.value(target16(place, step))});
    return;
  }
  int64_t piece = 128 / element.getIntOrFloatBitWidth();
  int64_t pieces = length * extent / piece;
  // The loop whose elements a piece holds.
  unsigned unit = alongReduction ? reduced.back() : loops.back();
  for (int64_t round = 0; round * target.threads < pieces; ++round) {
    Index number = math.add(thread, math.constant(round * target.threads));
    Index fast =
        math.mul(math.rem(number, math.constant(fastExtent / piece)), piece);
    Index slow = math.div(number, math.constant(fastExtent / piece));
    Index place = alongReduction ? slow : fast,
          step = alongReduction ? fast : slow;
    SmallVector<Index> at;
    Value inside = both(locate(place, step, at),
                        insidePadding(view, nest.map(operand), at));
    // How much of the piece exists.
    Index count = math.constant(piece);
    if (nest.loops[unit].bound % piece != 0 ||
        constantOf(nest.loops[unit].size) != nest.loops[unit].bound)
      count = math.min(count, math.sub(nest.loops[unit].size, at[unit]));
    Index address = addressOf(view, nest.map(operand), at);
    if (inside) {
      count = arith::SelectOp::create(b, inside, math.value(count),
                                      math.value(math.constant(0)))
                  .getResult();
      address = arith::SelectOp::create(b, inside, math.value(address),
                                        math.value(math.constant(0)))
                    .getResult();
    }
    Value read;
    if (constantOf(count) != piece)
      read = math.value(count);
    auto made = nvgpu::DeviceAsyncCopyOp::create(
        b, nvgpu::DeviceAsyncTokenType::get(b.getContext()), flat,
        ValueRange{math.value(target16(place, step))},
        buffers[view.buffer].flat, ValueRange{math.value(address)},
        b.getIndexAttr(piece), read,
        /*bypassL1=*/b.getUnitAttr());
    tokens.push_back(made);
  }
}
