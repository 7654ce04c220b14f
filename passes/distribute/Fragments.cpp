//===- Fragments.cpp - linalg ops on values in registers ------------------===//
//
// Every thread does for each of its registers what the op does for the element
// that lies there. A register beyond the tile's edge holds anything: it is left
// out of reductions and never written to memory.
//
//===----------------------------------------------------------------------===//

#include "passes/distribute/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::distribute;

/// Positions of registers, each part computed once.
class Emitter::Points {
public:
  Points(Emitter &emitter, const Layout &layout, ArrayRef<unsigned> rowLoops,
         ArrayRef<unsigned> colLoops, ArrayRef<Index> sizes,
         ArrayRef<int64_t> bounds)
      : emitter(emitter), layout(layout), rowLoops(rowLoops),
        colLoops(colLoops), sizes(sizes), bounds(bounds),
        rowBase(emitter.threadPart(layout, true)),
        colBase(emitter.threadPart(layout, false)) {}

  Point operator()(int64_t number) {
    Coordinate here = layout.ofRegister(number);
    Point point;
    point.at.assign(sizes.size(), emitter.math.constant(0));
    point.rowInside =
        part(rows, rowBase, here.row, rowLoops, layout.extents().row, point.at);
    point.colInside =
        part(cols, colBase, here.col, colLoops, layout.extents().col, point.at);
    return point;
  }

private:
  struct Part {
    SmallVector<Index> positions;
    Value inside;
  };

  Value part(llvm::DenseMap<int64_t, Part> &known, Index base, int64_t offset,
             ArrayRef<unsigned> loops, int64_t extent,
             SmallVectorImpl<Index> &at) {
    auto [it, isNew] = known.try_emplace(offset);
    Part &here = it->second;
    if (isNew && !loops.empty()) {
      IndexMath &math = emitter.math;
      SmallVector<Index> parts;
      int64_t covered = 1;
      for (unsigned loop : loops) {
        parts.push_back(math.constant(bounds[loop]));
        covered *= bounds[loop];
      }
      here.positions = math.delinearize(math.add(base, math.constant(offset)),
                                        parts, /*narrow=*/true);
      unsigned outer = outermost(loops, bounds);
      for (auto [loop, position] : llvm::zip_equal(loops, here.positions)) {
        // The outermost position also tells what lies behind all bounds.
        bool whole = constantOf(sizes[loop]) == bounds[loop] &&
                     (loop != outer || covered == extent);
        if (!whole)
          here.inside =
              emitter.both(here.inside, math.less(position, sizes[loop]));
      }
    }
    for (auto [loop, position] : llvm::zip(loops, here.positions))
      at[loop] = position;
    return here.inside;
  }

  Emitter &emitter;
  Layout layout;
  SmallVector<unsigned> rowLoops, colLoops;
  SmallVector<Index> sizes;
  SmallVector<int64_t> bounds;
  Index rowBase, colBase;
  llvm::DenseMap<int64_t, Part> rows, cols;
};

Value Emitter::both(Value x, Value y) {
  if (!x || !y)
    return x ? x : y;
  return arith::AndIOp::create(b, x, y);
}

Value Emitter::firstOfCopies(const Layout &layout) {
  int64_t bits = layout.copyBits();
  if (bits == 0)
    return {};
  Value copy =
      arith::AndIOp::create(b, thread, math.value(math.constant(bits)));
  return math.less(copy, math.constant(1));
}

/// Sum of the steps of this thread's bits. Runs of bits with doubling steps are
/// one field of the thread number.
Index Emitter::threadPart(const Layout &layout, bool row) {
  unsigned bits = layout.lanes.size() + layout.warps.size();
  auto step = [&](unsigned bit) {
    Coordinate c = layout.threadStep(bit);
    return row ? c.row : c.col;
  };
  Index sum = math.constant(0);
  for (unsigned bit = 0; bit < bits; ++bit) {
    if (step(bit) == 0)
      continue;
    unsigned end = bit + 1;
    while (end < bits && step(end) == step(end - 1) * 2)
      ++end;
    Index field = math.div(thread, math.constant(int64_t(1) << bit));
    if (end < bits)
      field = math.rem(field, math.constant(int64_t(1) << (end - bit)));
    sum = math.add(sum, math.mul(field, step(bit)));
    bit = end - 1;
  }
  return sum;
}

Value Emitter::registersOf(Value buffer) {
  Value key = plan->root(buffer);
  Value &known = registers[key];
  if (!known) {
    const Placement *place = plan->placement(key);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&function.getBody().front());
    Type element = cast<MemRefType>(key.getType()).getElementType();
    if (element.isIndex())
      element = b.getI64Type();
    known = memref::AllocaOp::create(
        b, MemRefType::get({place->layout.numRegisters()}, element, AffineMap(),
                           gpu::AddressSpaceAttr::get(
                               b.getContext(), gpu::AddressSpace::Private)));
  }
  return known;
}

Value Emitter::getRegister(Value from, int64_t number) {
  return memref::LoadOp::create(b, from,
                                ValueRange{math.value(math.constant(number))});
}

void Emitter::setRegister(Value into, int64_t number, Value value) {
  if (value.getType().isIndex())
    value = arith::IndexCastOp::create(b, b.getI64Type(), value);
  memref::StoreOp::create(b, value, into,
                          ValueRange{math.value(math.constant(number))});
}

bool Emitter::needsMemory(const Candidate &candidate) {
  if (!plan->placement(candidate.key))
    return true;
  return llvm::any_of(candidate.uses, [&](OpOperand *use) {
    auto op = cast<linalg::GenericOp>(use->getOwner());
    bool input = use->getOperandNumber() < op.getNumDpsInputs();
    return input && (!plan->space(op) || plan->isContraction(op)) &&
           !plan->readsRegisters(op, use->getOperandNumber());
  });
}

bool Emitter::isFirstUse(OpOperand &use) {
  const Candidate *candidate = plan->candidate(use.get());
  return llvm::all_of(candidate->uses, [&](OpOperand *other) {
    return other->getOwner() == use.getOwner() ||
           use.getOwner()->isBeforeInBlock(other->getOwner());
  });
}

bool Emitter::isLastUse(OpOperand &use) {
  const Candidate *candidate = plan->candidate(use.get());
  return llvm::all_of(candidate->uses, [&](OpOperand *other) {
    return other->getOwner() == use.getOwner() ||
           other->getOwner()->isBeforeInBlock(use.getOwner());
  });
}

/// The element of `operand` at a register's place.
Value Emitter::operandAt(OpNest &nest, unsigned operand, const Space &space,
                         int64_t number, const Point &point) {
  Value source = nest.op->getOperand(operand);
  Type type = nest.op.getBody()->getArgument(operand).getType();
  Value value;
  if (!nest.views[operand]) {
    return mapping.lookup(source);
  } else if (const Placement *place = plan->placement(source)) {
    bool vector = place->colDims.empty() && !space.colLoops.empty();
    value = getRegister(registersOf(source),
                        vector ? space.layout.rowRegister(number) : number);
  } else {
    // Beyond the edge the last element is as good as any.
    SmallVector<Index> at(point.at);
    for (auto [loops, inside] : {std::pair(&space.rowLoops, point.rowInside),
                                 std::pair(&space.colLoops, point.colInside)})
      if (inside)
        for (unsigned loop : *loops)
          at[loop] = math.min(
              at[loop], math.sub(nest.loops[loop].size, math.constant(1)));
    const View &view = *nest.views[operand];
    value = readElement(view, nest.map(operand), at);
  }
  if (type.isIndex())
    value = arith::IndexCastOp::create(b, b.getIndexType(), value);
  return value;
}

LogicalResult Emitter::emitOnRegisters(OpNest &nest, const Space &space) {
  bool contraction = plan->isContraction(nest.op);
  // What is read from memory must be there, and updates start from it.
  for (OpOperand &operand : nest.op->getOpOperands()) {
    if (!nest.views[operand.getOperandNumber()])
      continue;
    const Candidate *candidate = plan->candidate(operand.get());
    if (!candidate || !plan->placement(operand.get()))
      continue;
    bool input = operand.getOperandNumber() < nest.numInputs();
    if (input && contraction &&
        !plan->readsRegisters(nest.op, operand.getOperandNumber()))
      spill(operand.get());
    if (!candidate->scratch && isFirstUse(operand) &&
        !nest.op.getBody()->getArgument(operand.getOperandNumber()).use_empty())
      fetch(operand.get());
  }
  Touch touch;
  for (auto [index, view] : llvm::enumerate(nest.views)) {
    if (!view)
      continue;
    bool input = index < nest.numInputs();
    if (plan->placement(nest.op->getOperand(index)) &&
        (!(input && contraction) || plan->readsRegisters(nest.op, index)))
      continue;
    if (!input)
      touch.writes.push_back(view->buffer);
    else if (!buffers[view->buffer].readOnly)
      touch.reads.push_back(view->buffer);
  }
  nest.op.getBody()->walk([&](memref::LoadOp inside) {
    unsigned buffer = views.find(inside.getMemRef())->second.buffer;
    if (!buffers[buffer].readOnly)
      touch.reads.push_back(buffer);
  });
  meet(touch);
  if (contraction && space.matrix)
    emitMatrixProduct(nest, space);
  else if (contraction)
    emitContraction(nest, space);
  else if (nest.reduced().empty())
    emitElements(nest, space);
  else
    emitRowReduction(nest, space);
  for (OpOperand &operand : nest.op.getDpsInitsMutable()) {
    const Candidate *candidate = plan->candidate(operand.get());
    if (candidate && plan->placement(operand.get()) && !candidate->scratch &&
        isLastUse(operand))
      spill(operand.get());
  }
  return success();
}

static void describeLoops(OpNest &nest, SmallVectorImpl<Index> &sizes,
                          SmallVectorImpl<int64_t> &bounds) {
  for (OpLoop &loop : nest.loops) {
    sizes.push_back(loop.size);
    bounds.push_back(loop.bound);
  }
}

void Emitter::emitElements(OpNest &nest, const Space &space) {
  SmallVector<Index> sizes;
  SmallVector<int64_t> bounds;
  describeLoops(nest, sizes, bounds);
  Points points(*this, space.layout, space.rowLoops, space.colLoops, sizes,
                bounds);
  unsigned numInputs = nest.numInputs();
  unsigned numOutputs = nest.op.getNumDpsInits();
  bool toMemory = llvm::any_of(nest.op.getDpsInits(), [&](Value output) {
    return !plan->placement(output);
  });
  Value writes = toMemory ? firstOfCopies(space.layout) : Value();
  for (int64_t number = 0; number < space.layout.numRegisters(); ++number) {
    OpBuilder::InsertionGuard guard(b);
    Point point = points(number);
    Value inside = both(both(point.rowInside, point.colInside), writes);
    // Results that only go to memory are made only where they exist.
    Block *body = nest.op.getBody();
    IRMapping map = mapping;
    auto define = [&](unsigned operand) {
      if (!body->getArgument(operand).use_empty())
        map.map(body->getArgument(operand),
                operandAt(nest, operand, space, number, point));
    };
    bool allToMemory = llvm::none_of(nest.op.getDpsInits(), [&](Value output) {
      return plan->placement(output);
    });
    auto enter = [&]() {
      auto branch = scf::IfOp::create(b, inside, /*withElseRegion=*/false);
      b.setInsertionPointToStart(branch.thenBlock());
    };
    if (inside && allToMemory)
      enter();
    for (unsigned operand = 0; operand < numInputs + numOutputs; ++operand)
      define(operand);
    cloneBody(*body, map, point.at);
    SmallVector<Value> results;
    for (Value value : body->getTerminator()->getOperands())
      results.push_back(map.lookupOrDefault(value));
    for (unsigned output = 0; output < numOutputs; ++output)
      if (Value buffer = nest.op.getDpsInits()[output]; plan->placement(buffer))
        setRegister(registersOf(buffer), number, results[output]);
    if (!toMemory)
      continue;
    if (inside && !allToMemory)
      enter();
    for (unsigned output = 0; output < numOutputs; ++output) {
      if (plan->placement(nest.op.getDpsInits()[output]))
        continue;
      const View &view = *nest.views[numInputs + output];
      store(view, addressOf(view, nest.map(numInputs + output), point.at),
            results[output]);
    }
  }
}

void Emitter::emitRowReduction(OpNest &nest, const Space &space) {
  SmallVector<Index> sizes;
  SmallVector<int64_t> bounds;
  describeLoops(nest, sizes, bounds);
  Points points(*this, space.layout, space.rowLoops, space.colLoops, sizes,
                bounds);
  unsigned numInputs = nest.numInputs();
  unsigned numOutputs = nest.op.getNumDpsInits();
  Layout rows = space.layout.rows();
  struct Sum {
    unsigned output;
    Combiner combiner;
    SmallVector<Value> parts;
  };
  SmallVector<Sum> sums;
  auto sumOf = [&](unsigned output) -> Sum * {
    for (Sum &sum : sums)
      if (sum.output == output)
        return &sum;
    return nullptr;
  };
  for (unsigned output = 0; output < numOutputs; ++output)
    if (plan->placement(nest.op.getDpsInits()[output])->colDims.empty()) {
      Combiner combiner = *combinerOf(nest, output);
      sums.push_back(
          {output, combiner,
           SmallVector<Value>(rows.numRegisters(), combiner.neutral)});
    }
  Block *body = nest.op.getBody();
  for (int64_t number = 0; number < space.layout.numRegisters(); ++number) {
    Point point = points(number);
    int64_t row = space.layout.rowRegister(number);
    IRMapping map = mapping;
    for (unsigned operand = 0; operand < numInputs + numOutputs; ++operand) {
      BlockArgument argument = body->getArgument(operand);
      if (argument.use_empty())
        continue;
      Sum *sum = operand >= numInputs ? sumOf(operand - numInputs) : nullptr;
      map.map(argument, sum ? sum->parts[row]
                            : operandAt(nest, operand, space, number, point));
    }
    cloneBody(*body, map, point.at);
    for (unsigned output = 0; output < numOutputs; ++output) {
      Value result =
          map.lookupOrDefault(body->getTerminator()->getOperand(output));
      Sum *sum = sumOf(output);
      if (!sum) {
        setRegister(registersOf(nest.op.getDpsInits()[output]), number, result);
        continue;
      }
      if (point.colInside)
        result = arith::SelectOp::create(b, point.colInside, result,
                                         sum->parts[row]);
      sum->parts[row] = result;
    }
  }
  // Threads side by side along the columns hold parts of the same rows.
  for (Sum &sum : sums) {
    Value result = registersOf(nest.op.getDpsInits()[sum.output]);
    for (auto [row, part] : llvm::enumerate(sum.parts)) {
      for (auto [bit, step] : llvm::enumerate(space.layout.lanes))
        if (step.col != 0)
          part = combine(sum.combiner, part, exchange(part, int64_t(1) << bit));
      setRegister(result, row,
                  combine(sum.combiner, getRegister(result, row), part));
    }
  }
}

void Emitter::spill(Value buffer) { transfer(buffer, /*toMemory=*/true); }
void Emitter::fetch(Value buffer) { transfer(buffer, /*toMemory=*/false); }

void Emitter::transfer(Value buffer, bool toMemory) {
  Value key = plan->root(buffer);
  const Candidate *candidate = plan->candidate(key);
  const Placement *place = plan->placement(key);
  const View &view = views.find(key)->second;
  Touch touch;
  (toMemory ? touch.writes : touch.reads).push_back(view.buffer);
  meet(touch);
  Value from = registersOf(key);
  Value moves = toMemory ? firstOfCopies(place->layout) : Value();
  Points points(*this, place->layout, place->rowDims, place->colDims,
                view.sizes, candidate->bounds);
  for (int64_t number = 0; number < place->layout.numRegisters(); ++number) {
    Point point = points(number);
    Value inside = both(both(point.rowInside, point.colInside), moves);
    OpBuilder::InsertionGuard guard(b);
    if (inside) {
      auto branch = scf::IfOp::create(b, inside, /*withElseRegion=*/false);
      b.setInsertionPointToStart(branch.thenBlock());
    }
    Index address = view.offset;
    for (auto [position, stride] : llvm::zip_equal(point.at, view.strides))
      address = math.add(address, math.mul(position, stride));
    if (toMemory)
      store(view, address, getRegister(from, number));
    else
      setRegister(from, number, load(view, address));
  }
}
