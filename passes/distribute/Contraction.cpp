//===- Contraction.cpp - products in register blocks ----------------------===//
//
// Each thread holds a block of the result in registers while the reduction is
// walked in steps. Operands in global memory pass through shared memory, one
// slice of the reduction at a time, so that a workgroup reads each element
// once; windows read their pixels with computed positions, so no im2col buffer
// exists.
//
//===----------------------------------------------------------------------===//

#include "passes/distribute/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::distribute;

/// Elements of the reduction that are staged at once: 64 bytes of a row.
static int64_t sliceLength(Type element) {
  unsigned bits = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
  return std::clamp<int64_t>(64 * 8 / bits, 8, 32);
}

static Type operandType(linalg::GenericOp op, unsigned operand) {
  return cast<MemRefType>(op->getOperand(operand).getType()).getElementType();
}

/// One slice length for both operands.
int64_t Emitter::reductionStep(linalg::GenericOp op) {
  return std::min({stepLimit, sliceLength(operandType(op, 0)),
                   sliceLength(operandType(op, 1))});
}

/// Elements of a stage. Rows are padded where threads write columns; all have
/// room for that, so that more products can use the same stage.
static int64_t stageElements(int64_t steps, int64_t extent) {
  return steps * (extent + 4);
}

/// Shared memory that the products of the phase need at most.
int64_t Emitter::stageBytes() {
  // Stages of one kind are shared by all products; one product may need two.
  llvm::MapVector<std::pair<Type, int64_t>, int64_t> stages;
  int64_t matrixBytes = 0;
  for (Operation *op : phase.ops)
    op->walk([&](linalg::GenericOp generic) {
      std::optional<Space> space = plan->space(generic);
      if (!space || !plan->isContraction(generic))
        return;
      Coordinate extents = space->layout.extents();
      if (space->matrix) {
        // Three slices of both operands, each row padded by 16 bytes.
        MatrixProduct product = *plan->matrixForm(generic);
        int64_t length = matrixSlice(product, extents);
        matrixBytes += 3 * (extents.row + extents.col + 16) * (length + 16) *
                       (product.bits() / 8);
        return;
      }
      // Which operand moves with the rows is not known here.
      int64_t elements = stageElements(reductionStep(generic),
                                       std::max(extents.row, extents.col));
      Type types[] = {operandType(generic, 0), operandType(generic, 1)};
      for (unsigned operand : {0u, 1u})
        stages[{types[operand], elements}] = std::max<int64_t>(
            stages[{types[operand], elements}], types[0] == types[1] ? 2 : 1);
    });
  int64_t bytes = matrixBytes;
  for (auto &[kind, count] : stages) {
    Type type = kind.first;
    unsigned bits = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
    bytes += count * kind.second * (bits / 8);
  }
  return bytes;
}

/// Whether neighbours in memory of `operand` are steps of the reduction.
bool Emitter::walksReduction(OpNest &nest, unsigned operand) {
  const View &view = *nest.views[operand];
  for (auto [expr, stride] :
       llvm::zip_equal(nest.map(operand).getResults(), view.strides))
    if (constantOf(stride) == 1)
      for (unsigned loop : nest.reduced())
        if (expr.isFunctionOfDim(loop) && nest.loops[loop].bound != 1)
          return true;
  return false;
}

Emitter::Stage Emitter::stageFor(OpNest &nest, unsigned operand, int64_t extent,
                                 unsigned other) {
  Stage stage;
  const View &view = *nest.views[operand];
  auto type = cast<MemRefType>(buffers[view.buffer].flat.getType());
  auto space = dyn_cast_or_null<gpu::AddressSpaceAttr>(type.getMemorySpace());
  // What lies in shared memory already is read there.
  if (space && space.getValue() == gpu::AddressSpace::Workgroup) {
    stage.direct = true;
    return stage;
  }
  // Threads that walk the reduction write a column: an odd number of vectors
  // apart, so that they meet in different banks.
  stage.pitch = walksReduction(nest, operand) ? extent + 4 : extent;
  int64_t elements = stageElements(reductionStep(nest.op), extent);
  Type element = type.getElementType();
  for (const Stage &known : stages) {
    auto flat = cast<MemRefType>(buffers[known.buffer].flat.getType());
    // The two operands of one op are two buffers.
    if (known.buffer != other && flat.getElementType() == element &&
        flat.getNumElements() == elements) {
      stage.buffer = known.buffer;
      return stage;
    }
  }
  Buffer buffer;
  buffer.start = math.constant(0);
  buffer.written = true;
  buffer.flat = function.addWorkgroupAttribution(
      MemRefType::get({elements}, element, AffineMap(),
                      gpu::AddressSpaceAttr::get(b.getContext(),
                                                 gpu::AddressSpace::Workgroup)),
      b.getLoc());
  function.setWorkgroupAttributionAttr(
      function.getNumWorkgroupAttributions() - 1, b.getStringAttr("llvm.align"),
      b.getI64IntegerAttr(16));
  stage.buffer = buffers.size();
  buffers.push_back(buffer);
  stages.push_back(stage);
  return stage;
}

/// Brings `length` steps of the reduction from `start` on to shared memory.
void Emitter::fillStage(OpNest &nest, unsigned operand, const Stage &stage,
                        ArrayRef<unsigned> loops, int64_t extent, Index start,
                        Index length) {
  int64_t steps = reductionStep(nest.op);
  bool alongReduction = walksReduction(nest, operand);
  SmallVector<unsigned> reduced = reductionOrder(nest);
  SmallVector<Index> reducedSizes, parts;
  for (unsigned loop : reduced)
    reducedSizes.push_back(nest.loops[loop].size);
  int64_t covered = 1;
  for (unsigned loop : loops) {
    parts.push_back(math.constant(nest.loops[loop].bound));
    covered *= nest.loops[loop].bound;
  }
  OpBuilder::InsertionGuard guard(b);
  auto each =
      scf::ForOp::create(b, thread, math.value(math.constant(steps * extent)),
                         math.value(math.constant(target.threads)));
  b.setInsertionPointToStart(each.getBody());
  Index number = each.getInductionVar();
  Index fast = math.rem(number, math.constant(alongReduction ? steps : extent));
  Index slow = math.div(number, math.constant(alongReduction ? steps : extent));
  Index step = alongReduction ? fast : slow,
        place = alongReduction ? slow : fast;

  SmallVector<Index> at(nest.loops.size(), math.constant(0));
  Index position = math.add(start, step);
  for (auto [loop, value] : llvm::zip_equal(
           reduced, math.delinearize(position, reducedSizes, /*narrow=*/true)))
    at[loop] = value;
  Value inside;
  if (constantOf(length) != steps)
    inside = math.less(step, length);
  SmallVector<int64_t> bounds;
  for (const OpLoop &loop : nest.loops)
    bounds.push_back(loop.bound);
  unsigned outer = outermost(loops, bounds);
  SmallVector<Index> positions =
      math.delinearize(place, parts, /*narrow=*/true);
  for (auto [loop, value] : llvm::zip_equal(loops, positions)) {
    at[loop] = value;
    bool whole = constantOf(nest.loops[loop].size) == nest.loops[loop].bound &&
                 (loop != outer || covered == extent);
    if (!whole)
      inside = both(inside, math.less(value, nest.loops[loop].size));
  }
  const View &view = *nest.views[operand];
  Value value = readElement(view, nest.map(operand), at, inside);
  memref::StoreOp::create(
      b, value, buffers[stage.buffer].flat,
      ValueRange{math.value(math.add(math.mul(step, stage.pitch), place))});
}

unsigned Emitter::rowOperandOf(OpNest &nest, const Space &space) {
  bool left = llvm::any_of(space.rowLoops, [&](unsigned loop) {
    return nest.loops[loop].bound != 1 && nest.map(0).isFunctionOfDim(loop);
  });
  return left ? 0 : 1;
}

void Emitter::emitContraction(OpNest &nest, const Space &space) {
  const Layout &layout = space.layout;
  Coordinate extents = layout.extents();
  SmallVector<unsigned> reduced = reductionOrder(nest);
  unsigned rowOperand = rowOperandOf(nest, space);
  unsigned colOperand = 1 - rowOperand;
  unsigned output = nest.numInputs();

  Stage stageOf[2];
  stageOf[0] = stageFor(nest, 0, rowOperand == 0 ? extents.row : extents.col,
                        /*other=*/~0u);
  stageOf[1] = stageFor(nest, 1, rowOperand == 1 ? extents.row : extents.col,
                        stageOf[0].direct ? ~0u : stageOf[0].buffer);
  bool anyStaged = !stageOf[0].direct || !stageOf[1].direct;

  Value accumulators = registersOf(nest.op->getOperand(output));
  SmallVector<Value> state;
  for (int64_t number = 0; number < layout.numRegisters(); ++number)
    state.push_back(getRegister(accumulators, number));

  SmallVector<Index> reducedSizes;
  Index total = math.constant(1);
  for (unsigned loop : reduced) {
    reducedSizes.push_back(nest.loops[loop].size);
    total = math.mul(total, reducedSizes.back());
  }
  int64_t steps = anyStaged ? reductionStep(nest.op) : 0;
  Index rowBase = threadPart(layout, true), colBase = threadPart(layout, false);

  // Rows and columns that this thread needs of a step, lowest register first.
  SmallVector<int64_t> rowParts, colParts;
  llvm::DenseMap<int64_t, unsigned> rowIndex, colIndex;
  for (int64_t number = 0; number < layout.numRegisters(); ++number) {
    Coordinate here = layout.ofRegister(number);
    if (rowIndex.try_emplace(here.row, rowParts.size()).second)
      rowParts.push_back(here.row);
    if (colIndex.try_emplace(here.col, colParts.size()).second)
      colParts.push_back(here.col);
  }

  // One step of the reduction: `step` counts inside of the staged slice,
  // `position` from the start of the reduction.
  auto oneStep = [&](Index step, Index position, ValueRange sums) {
    SmallVector<Index> at(nest.loops.size(), math.constant(0));
    for (auto [loop, value] :
         llvm::zip_equal(reduced, math.delinearize(position, reducedSizes,
                                                   /*narrow=*/true)))
      at[loop] = value;
    auto readAll = [&](unsigned operand, ArrayRef<unsigned> loops, Index base,
                       ArrayRef<int64_t> parts) {
      SmallVector<Value> values;
      const Stage &stage = stageOf[operand];
      if (!stage.direct) {
        // Neighbours come as one vector.
        Value flat = buffers[stage.buffer].flat;
        Type type = cast<MemRefType>(flat.getType()).getElementType();
        unsigned bits = type.getIntOrFloatBitWidth();
        for (size_t first = 0; first < parts.size();) {
          size_t width = 1;
          while (first + width < parts.size() &&
                 parts[first + width] == parts[first] + int64_t(width))
            ++width;
          width = std::min<size_t>(llvm::bit_floor(width), 128 / bits);
          Index address = math.add(math.mul(step, stage.pitch),
                                   math.add(base, math.constant(parts[first])));
          if (width == 1) {
            values.push_back(memref::LoadOp::create(
                b, flat, ValueRange{math.value(address)}));
          } else {
            auto vectorType =
                VectorType::get({static_cast<int64_t>(width)}, type);
            Value vector = vector::LoadOp::create(
                b, vectorType, flat, ValueRange{math.value(address)},
                /*nontemporal=*/false, llvm::MaybeAlign(width * bits / 8));
            for (size_t i = 0; i < width; ++i)
              values.push_back(vector::ExtractOp::create(
                  b, vector, static_cast<int64_t>(i)));
          }
          first += width;
        }
        return values;
      }
      const View &view = *nest.views[operand];
      SmallVector<Index> boundParts;
      for (unsigned loop : loops)
        boundParts.push_back(math.constant(nest.loops[loop].bound));
      int64_t covered = 1;
      for (unsigned loop : loops)
        covered *= nest.loops[loop].bound;
      int64_t extent = operand == rowOperand ? extents.row : extents.col;
      for (int64_t part : parts) {
        SmallVector<Index> here(at);
        Index place = math.add(base, math.constant(part));
        // Behind the buffer's last row there is nothing to read.
        if (covered != extent)
          place = math.min(place, math.constant(covered - 1));
        for (auto [loop, value] : llvm::zip_equal(
                 loops, math.delinearize(place, boundParts, /*narrow=*/true)))
          // Rows that do not exist repeat the last one.
          here[loop] =
              constantOf(nest.loops[loop].size) == nest.loops[loop].bound
                  ? value
                  : math.min(value,
                             math.sub(nest.loops[loop].size, math.constant(1)));
        values.push_back(load(view, addressOf(view, nest.map(operand), here)));
      }
      return values;
    };
    SmallVector<Value> rowValues =
        readAll(rowOperand, space.rowLoops, rowBase, rowParts);
    SmallVector<Value> colValues =
        readAll(colOperand, space.colLoops, colBase, colParts);
    SmallVector<Value> next;
    Block *body = nest.op.getBody();
    for (int64_t number = 0; number < layout.numRegisters(); ++number) {
      Coordinate here = layout.ofRegister(number);
      IRMapping map = mapping;
      map.map(body->getArgument(rowOperand),
              rowValues[rowIndex.lookup(here.row)]);
      map.map(body->getArgument(colOperand),
              colValues[colIndex.lookup(here.col)]);
      map.map(body->getArgument(output), sums[number]);
      cloneBody(*body, map, at);
      next.push_back(map.lookupOrDefault(body->getTerminator()->getOperand(0)));
    }
    return next;
  };

  OpBuilder::InsertionGuard guard(b);
  auto inner = [&](Index start, Index length, ValueRange sums) {
    auto loop =
        scf::ForOp::create(b, math.value(math.constant(0)), math.value(length),
                           math.value(math.constant(1)), sums);
    OpBuilder::InsertionGuard inside(b);
    b.setInsertionPointToStart(loop.getBody());
    Index step = loop.getInductionVar();
    scf::YieldOp::create(
        b, oneStep(step, math.add(start, step), loop.getRegionIterArgs()));
    return SmallVector<Value>(loop.getResults());
  };
  SmallVector<Value> results;
  if (!anyStaged) {
    results = inner(math.constant(0), total, state);
  } else {
    // Whoever used the staging memory before has read it; behind the loop all
    // have read the last slice.
    barrier();
    auto outer =
        scf::ForOp::create(b, math.value(math.constant(0)), math.value(total),
                           math.value(math.constant(steps)), state);
    {
      OpBuilder::InsertionGuard inside(b);
      b.setInsertionPointToStart(outer.getBody());
      Index start = outer.getInductionVar();
      std::optional<int64_t> whole = constantOf(total);
      Index length =
          whole && *whole % steps == 0
              ? math.constant(steps)
              : math.min(math.constant(steps), math.sub(total, start));
      for (unsigned operand : {0u, 1u})
        if (!stageOf[operand].direct)
          fillStage(nest, operand, stageOf[operand],
                    operand == rowOperand ? space.rowLoops : space.colLoops,
                    operand == rowOperand ? extents.row : extents.col, start,
                    length);
      barrier();
      SmallVector<Value> sums = inner(start, length, outer.getRegionIterArgs());
      barrier();
      scf::YieldOp::create(b, sums);
    }
    results.assign(outer.getResults().begin(), outer.getResults().end());
  }
  b.setInsertionPointAfterValue(results.front());
  for (auto [number, value] : llvm::enumerate(results))
    setRegister(accumulators, number, value);
}

/// Steps of the reduction in one slice of a warp-wide product: every thread has
/// a copy of 16 bytes to make.
int64_t Emitter::matrixSlice(const MatrixProduct &product, Coordinate extents) {
  int64_t length = std::max<int64_t>(
      2 * product.depth(), 128 / product.bits() * target.threads /
                               std::min<int64_t>(extents.row, extents.col));
  return std::min<int64_t>(length, 8 * product.depth());
}

Value Emitter::sharedScratch(Type element, int64_t elements, unsigned operand) {
  Value &known = matrixStages[{element, elements, operand}];
  if (!known) {
    known = function.addWorkgroupAttribution(
        MemRefType::get({elements}, element, AffineMap(),
                        gpu::AddressSpaceAttr::get(
                            b.getContext(), gpu::AddressSpace::Workgroup)),
        b.getLoc());
    function.setWorkgroupAttributionAttr(
        function.getNumWorkgroupAttributions() - 1,
        b.getStringAttr("llvm.align"), b.getI64IntegerAttr(16));
  }
  return known;
}
