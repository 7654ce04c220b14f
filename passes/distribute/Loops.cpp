//===- Loops.cpp - linalg ops on memory, shared by a workgroup ------------===//
//
// The general form: the points of the parallel loops are dealt out to threads,
// neighbours in memory to neighbouring threads; reduced loops run inside.
//
//===----------------------------------------------------------------------===//

#include "passes/distribute/Emitter.h"
#include "passes/kernels/LinalgForms.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::distribute;

SmallVector<unsigned> OpNest::parallel() const {
  SmallVector<unsigned> which;
  for (auto [index, loop] : llvm::enumerate(loops))
    if (!loop.reduction)
      which.push_back(index);
  return which;
}

SmallVector<unsigned> OpNest::reduced() const {
  SmallVector<unsigned> which;
  for (auto [index, loop] : llvm::enumerate(loops))
    if (loop.reduction)
      which.push_back(index);
  return which;
}

int64_t OpNest::bound(ArrayRef<unsigned> which) const {
  int64_t product = 1;
  for (unsigned loop : which) {
    if (ShapedType::isDynamic(loops[loop].bound) ||
        llvm::MulOverflow(product, loops[loop].bound, product))
      return ShapedType::kDynamic;
  }
  return product;
}

bool OpNest::accumulates(unsigned operand) {
  AffineMap access = map(operand);
  return llvm::none_of(
      reduced(), [&](unsigned loop) { return access.isFunctionOfDim(loop); });
}

/// The size of a loop: that of a dim whose index is the loop itself.
FailureOr<OpNest> Emitter::readOp(linalg::GenericOp op) {
  OpNest nest;
  nest.op = op;
  nest.loops.resize(op.getNumLoops());
  SmallVector<bool> known(op.getNumLoops(), false);
  for (auto [loop, kind] : llvm::enumerate(op.getIteratorTypesArray()))
    nest.loops[loop].reduction = kind == utils::IteratorType::reduction;
  for (OpOperand &operand : op->getOpOperands()) {
    auto type = dyn_cast<MemRefType>(operand.get().getType());
    if (!type) {
      nest.views.push_back(std::nullopt);
      continue;
    }
    const View &view = views.find(operand.get())->second;
    nest.views.push_back(view);
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (auto [d, expr] : llvm::enumerate(map.getResults())) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (!dim)
        continue;
      OpLoop &loop = nest.loops[dim.getPosition()];
      std::optional<int64_t> size = constantOf(view.sizes[d]);
      if (known[dim.getPosition()] && (constantOf(loop.size) || !size))
        continue;
      known[dim.getPosition()] = true;
      loop.size = view.sizes[d];
    }
  }
  if (!llvm::all_of(known, [](bool k) { return k; }))
    return op.emitError("[E3502] expects every loop to be an index of an "
                        "operand by itself");
  for (auto [index, loop] : llvm::enumerate(nest.loops))
    loop.bound = plan->bound(op, index);
  return nest;
}

Touch Emitter::touchOf(OpNest &nest) {
  Touch touch;
  auto read = [&](unsigned buffer) {
    if (!buffers[buffer].readOnly)
      touch.reads.push_back(buffer);
  };
  for (auto [index, view] : llvm::enumerate(nest.views)) {
    if (!view)
      continue;
    if (index < nest.numInputs()) {
      read(view->buffer);
      continue;
    }
    touch.writes.push_back(view->buffer);
  }
  nest.op.getBody()->walk([&](memref::LoadOp inside) {
    read(views.find(inside.getMemRef())->second.buffer);
  });
  return touch;
}

LogicalResult Emitter::emitLinalg(linalg::GenericOp op) {
  if (target.hasFma)
    fuseMultiplyAdd(op);
  expandAffineInBody(op);
  FailureOr<OpNest> nest = readOp(op);
  if (failed(nest))
    return failure();
  if (std::optional<Space> space = plan->space(op))
    return emitOnRegisters(*nest, *space);
  // Operands that live in registers otherwise are read from memory here.
  for (Value input : op.getDpsInputs())
    if (isa<MemRefType>(input.getType()) && plan->placement(input))
      spill(input);
  meet(touchOf(*nest));
  if (reducesTogether(*nest))
    return emitReduction(*nest);
  if (scansTogether(*nest))
    return emitScan(*nest);
  return emitLoops(*nest);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Index Emitter::addressOf(const View &view, AffineMap map, ArrayRef<Index> at) {
  Index address = view.offset;
  for (auto [d, expr] : llvm::enumerate(map.getResults())) {
    Index position = math.apply(expr, at);
    if (view.padding)
      position = math.sub(position, view.padding->low[d]);
    address = math.add(address, math.mul(position, view.strides[d]));
  }
  return address;
}

Value Emitter::load(const View &view, Index address) {
  Value flat = buffers[view.buffer].flat;
  return memref::LoadOp::create(b, flat, ValueRange{math.value(address)});
}

void Emitter::store(const View &view, Index address, Value value) {
  Value flat = buffers[view.buffer].flat;
  if (value.getType().isIndex())
    value = arith::IndexCastOp::create(b, b.getI64Type(), value);
  memref::StoreOp::create(b, value, flat, ValueRange{math.value(address)});
}

//===----------------------------------------------------------------------===//
// The body
//===----------------------------------------------------------------------===//

/// The selection that alone uses a loaded element. What it does not choose may
/// not exist: padding of an empty buffer reads at positions that are clamped.
static arith::SelectOp chosenBy(memref::LoadOp access) {
  if (!access->hasOneUse())
    return {};
  OpOperand &use = *access->use_begin();
  auto select = dyn_cast<arith::SelectOp>(use.getOwner());
  bool isChoice = select && select->getBlock() == access->getBlock() &&
                  select.getCondition().getType().isInteger(1) &&
                  use.getOperandNumber() != 0;
  return isChoice ? select : arith::SelectOp();
}

Value Emitter::loadInBody(memref::LoadOp access, IRMapping &map) {
  const View &view = views.find(access.getMemRef())->second;
  Index address = view.offset;
  for (auto [index, stride] :
       llvm::zip_equal(access.getIndices(), view.strides))
    address =
        math.add(address, math.mul(Index(map.lookupOrDefault(index)), stride));
  Value value = load(view, address);
  return access.getType().isIndex()
             ? arith::IndexCastOp::create(b, b.getIndexType(), value)
             : value;
}

/// A selection between elements in memory reads only the one it takes.
bool Emitter::cloneChoice(arith::SelectOp select, IRMapping &map) {
  auto delayed = [&](Value value) {
    auto access = value.getDefiningOp<memref::LoadOp>();
    return access && chosenBy(access) == select ? access : memref::LoadOp();
  };
  if (!delayed(select.getTrueValue()) && !delayed(select.getFalseValue()))
    return false;
  auto branch = scf::IfOp::create(b, select.getType(),
                                  map.lookupOrDefault(select.getCondition()),
                                  /*addThenBlock=*/true, /*addElseBlock=*/true);
  for (auto [block, value] :
       {std::pair(branch.thenBlock(), select.getTrueValue()),
        std::pair(branch.elseBlock(), select.getFalseValue())}) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(block);
    memref::LoadOp access = delayed(value);
    scf::YieldOp::create(b, access ? loadInBody(access, map)
                                   : map.lookupOrDefault(value));
  }
  map.map(select.getResult(), branch.getResult(0));
  return true;
}

void Emitter::cloneBody(Block &block, IRMapping &map, ArrayRef<Index> at) {
  for (Operation &op : block.without_terminator()) {
    b.setLoc(op.getLoc());
    if (auto index = dyn_cast<linalg::IndexOp>(op)) {
      map.map(index.getResult(), math.value(at[index.getDim()]));
      continue;
    }
    if (auto access = dyn_cast<memref::LoadOp>(op)) {
      if (!chosenBy(access))
        map.map(access.getResult(), loadInBody(access, map));
      continue;
    }
    if (auto select = dyn_cast<arith::SelectOp>(op)) {
      if (cloneChoice(select, map))
        continue;
    }
    if (auto dim = dyn_cast<memref::DimOp>(op)) {
      const View &view = views.find(dim.getSource())->second;
      map.map(dim.getResult(),
              math.value(view.sizes[dim.getConstantIndex().value_or(0)]));
      continue;
    }
    if (op.getNumRegions() == 0) {
      b.clone(op, map);
      continue;
    }
    // Branches and loops inside of a body.
    Operation *clone = op.cloneWithoutRegions(map);
    b.insert(clone);
    for (auto [source, region] :
         llvm::zip_equal(op.getRegions(), clone->getRegions())) {
      if (source.empty())
        continue;
      Block *inner = new Block;
      region.push_back(inner);
      for (BlockArgument argument : source.front().getArguments())
        map.map(argument,
                inner->addArgument(argument.getType(), argument.getLoc()));
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(inner);
      cloneBody(source.front(), map, at);
      b.clone(*source.front().getTerminator(), map);
    }
  }
}

SmallVector<Value> Emitter::emitBody(OpNest &nest, ArrayRef<Index> at,
                                     ArrayRef<Value> outputs) {
  Block *body = nest.op.getBody();
  IRMapping map = mapping;
  for (auto [index, operand] : llvm::enumerate(nest.op->getOpOperands())) {
    BlockArgument argument = body->getArgument(index);
    if (argument.use_empty())
      continue;
    if (!nest.views[index]) {
      map.map(argument, mapping.lookup(operand.get()));
      continue;
    }
    if (index >= nest.numInputs() && outputs[index - nest.numInputs()]) {
      map.map(argument, outputs[index - nest.numInputs()]);
      continue;
    }
    Value value = readElement(*nest.views[index], nest.map(index), at);
    if (argument.getType().isIndex())
      value = arith::IndexCastOp::create(b, b.getIndexType(), value);
    map.map(argument, value);
  }
  cloneBody(*body, map, at);
  SmallVector<Value> results;
  for (Value value : body->getTerminator()->getOperands())
    results.push_back(map.lookupOrDefault(value));
  return results;
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

/// Parallel loops from slow to fast: the last walks a written operand's
/// neighbours, or a read one's.
SmallVector<unsigned> Emitter::parallelOrder(OpNest &nest) {
  SmallVector<unsigned> order = nest.parallel();
  auto unitLoop = [&](unsigned operand) -> std::optional<unsigned> {
    const std::optional<View> &view = nest.views[operand];
    if (!view)
      return std::nullopt;
    for (auto [expr, stride] :
         llvm::zip_equal(nest.map(operand).getResults(), view->strides)) {
      if (constantOf(stride) != 1)
        continue;
      for (unsigned loop : order)
        if (expr.isFunctionOfDim(loop) && nest.loops[loop].bound != 1)
          return loop;
    }
    return std::nullopt;
  };
  std::optional<unsigned> fast;
  for (unsigned operand = nest.views.size(); operand-- > 0 && !fast;)
    fast = unitLoop(operand);
  if (fast) {
    llvm::erase(order, *fast);
    order.push_back(*fast);
  }
  return order;
}

void Emitter::forEachOwned(OpNest &nest, ArrayRef<unsigned> loops,
                           function_ref<void(ArrayRef<Index>)> body) {
  SmallVector<Index> sizes;
  for (unsigned loop : loops)
    sizes.push_back(nest.loops[loop].size);
  forEachOwned(sizes, nest.bound(loops), [&](ArrayRef<Index> positions) {
    SmallVector<Index> at(nest.loops.size(), math.constant(0));
    for (auto [loop, position] : llvm::zip_equal(loops, positions))
      at[loop] = position;
    body(at);
  });
}

void Emitter::forEachOwned(ArrayRef<Index> sizes, int64_t bound,
                           function_ref<void(ArrayRef<Index>)> body) {
  Index total = math.constant(1);
  for (Index size : sizes)
    total = math.mul(total, size);
  bool narrow = !ShapedType::isDynamic(bound) && bound < (int64_t(1) << 31);
  auto points = [&](Index linear) {
    body(math.delinearize(linear, sizes, narrow));
  };
  OpBuilder::InsertionGuard guard(b);
  if (!ShapedType::isDynamic(bound) && bound <= target.threads) {
    if (constantOf(total) == target.threads) {
      points(thread);
      return;
    }
    auto owner = scf::IfOp::create(b, math.less(thread, total),
                                   /*withElseRegion=*/false);
    b.setInsertionPointToStart(owner.thenBlock());
    points(thread);
    b.setInsertionPointAfter(owner);
    return;
  }
  auto loop = scf::ForOp::create(b, thread, math.value(total),
                                 math.value(math.constant(target.threads)));
  b.setInsertionPointToStart(loop.getBody());
  points(loop.getInductionVar());
}

SmallVector<Value> Emitter::forAll(
    ArrayRef<Index> sizes, ValueRange carried,
    function_ref<SmallVector<Value>(ArrayRef<Index>, ValueRange)> body) {
  OpBuilder::InsertionGuard guard(b);
  SmallVector<Index> at;
  SmallVector<scf::ForOp> loops;
  SmallVector<Value> state(carried);
  for (Index size : sizes) {
    if (constantOf(size) == 1) {
      at.push_back(math.constant(0));
      continue;
    }
    auto loop =
        scf::ForOp::create(b, math.value(math.constant(0)), math.value(size),
                           math.value(math.constant(1)), state);
    loops.push_back(loop);
    at.push_back(loop.getInductionVar());
    state.assign(loop.getRegionIterArgs().begin(),
                 loop.getRegionIterArgs().end());
    b.setInsertionPointToStart(loop.getBody());
  }
  SmallVector<Value> results = body(at, state);
  for (scf::ForOp loop : llvm::reverse(loops)) {
    if (!results.empty())
      scf::YieldOp::create(b, results);
    b.setInsertionPointAfter(loop);
    results.assign(loop.getResults().begin(), loop.getResults().end());
  }
  return results;
}

LogicalResult Emitter::emitLoops(OpNest &nest) {
  SmallVector<unsigned> reduced = nest.reduced();
  unsigned numOutputs = nest.op.getNumDpsInits();
  SmallVector<unsigned> order = parallelOrder(nest);
  if (int64_t length = vectorLength(nest, order); length > 1) {
    emitInVectors(nest, order, length);
    return success();
  }
  forEachOwned(nest, order, [&](ArrayRef<Index> at) {
    auto outputAt = [&](unsigned output, ArrayRef<Index> where) {
      unsigned operand = nest.numInputs() + output;
      return addressOf(*nest.views[operand], nest.map(operand), where);
    };
    auto write = [&](unsigned output, ArrayRef<Index> where, Value value) {
      store(*nest.views[nest.numInputs() + output], outputAt(output, where),
            value);
    };
    if (reduced.empty()) {
      SmallVector<Value> none(numOutputs);
      SmallVector<Value> results = emitBody(nest, at, none);
      for (unsigned output = 0; output < numOutputs; ++output)
        write(output, at, results[output]);
      return;
    }
    // Accumulators stay in registers while the reduced loops run.
    SmallVector<Value> initial;
    SmallVector<unsigned> accumulators;
    for (unsigned output = 0; output < numOutputs; ++output) {
      unsigned operand = nest.numInputs() + output;
      if (!nest.accumulates(operand))
        continue;
      accumulators.push_back(output);
      Value value = load(*nest.views[operand], outputAt(output, at));
      if (nest.op.getBody()->getArgument(operand).getType().isIndex())
        value = arith::IndexCastOp::create(b, b.getIndexType(), value);
      initial.push_back(value);
    }
    SmallVector<Index> sizes;
    for (unsigned loop : reduced)
      sizes.push_back(nest.loops[loop].size);
    SmallVector<Value> sums =
        forAll(sizes, initial, [&](ArrayRef<Index> steps, ValueRange state) {
          SmallVector<Index> inner(at);
          for (auto [loop, step] : llvm::zip_equal(reduced, steps))
            inner[loop] = step;
          SmallVector<Value> previous(numOutputs);
          for (auto [output, value] : llvm::zip_equal(accumulators, state))
            previous[output] = value;
          SmallVector<Value> results = emitBody(nest, inner, previous);
          SmallVector<Value> next;
          for (unsigned output = 0; output < numOutputs; ++output) {
            if (llvm::is_contained(accumulators, output))
              next.push_back(results[output]);
            else
              write(output, inner, results[output]);
          }
          return next;
        });
    for (auto [output, value] : llvm::zip_equal(accumulators, sums))
      write(output, at, value);
  });
  return success();
}
