//===- Emitter.cpp - the frame of a phase and its uniform code ------------===//

#include "passes/distribute/Emitter.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::distribute;

static Attribute space(MLIRContext *context, gpu::AddressSpace space) {
  return gpu::AddressSpaceAttr::get(context, space);
}

/// Elements in memory: positions are 64-bit numbers there.
static Type storageType(Type element) {
  return element.isIndex() ? IntegerType::get(element.getContext(), 64)
                           : element;
}

static MemRefType flatType(Type element, int64_t size, gpu::AddressSpace in) {
  return MemRefType::get({size}, storageType(element), AffineMap(),
                         space(element.getContext(), in));
}

static int64_t bytesOf(Type element) {
  return llvm::divideCeil(storageType(element).getIntOrFloatBitWidth(), 8);
}

Emitter::Emitter(func::FuncOp kernel, const Phase &phase, unsigned number,
                 const TargetInfo &target, bool tf32,
                 const llvm::SmallBitVector &unaligned)
    : kernel(kernel), phase(phase), number(number), target(target), tf32(tf32),
      unaligned(unaligned), b(kernel.getLoc(), kernel.getContext()), math(b) {}

Index Emitter::mapped(OpFoldResult value) {
  if (auto attr = dyn_cast<Attribute>(value))
    return math.constant(cast<IntegerAttr>(attr).getInt());
  Value result = mapping.lookup(cast<Value>(value));
  if (std::optional<int64_t> known = getConstantIntValue(result))
    return math.constant(*known);
  return result;
}

//===----------------------------------------------------------------------===//
// The frame
//===----------------------------------------------------------------------===//

/// What of `kernel` the phase writes: outputs of its ops, through views.
static bool isWritten(Value buffer) {
  for (Operation *user : buffer.getUsers()) {
    if (auto view = dyn_cast<ViewLikeOpInterface>(user)) {
      if (isWritten(user->getResult(0)))
        return true;
    } else if (auto op = dyn_cast<linalg::LinalgOp>(user)) {
      if (llvm::is_contained(op.getDpsInits(), buffer))
        return true;
    } else if (auto store = dyn_cast<memref::StoreOp>(user)) {
      if (store.getMemref() == buffer)
        return true;
    }
  }
  return false;
}

void Emitter::buildSignature(OpBuilder &outer) {
  MLIRContext *context = kernel.getContext();
  SmallVector<Type> types{b.getIndexType()};
  SmallVector<DictionaryAttr> attrs{DictionaryAttr::get(context)};
  // Argument number of every buffer, or of the scalar.
  SmallVector<unsigned> first;
  for (BlockArgument argument : kernel.getArguments()) {
    first.push_back(types.size());
    auto type = dyn_cast<MemRefType>(argument.getType());
    if (!type) {
      types.push_back(argument.getType());
      attrs.push_back(DictionaryAttr::get(context));
      continue;
    }
    unsigned at = types.size();
    types.push_back(flatType(type.getElementType(), ShapedType::kDynamic,
                             gpu::AddressSpace::Global));
    attrs.push_back(DictionaryAttr());
    SmallVector<int64_t> elements{1};
    for (int64_t size : type.getShape()) {
      if (!ShapedType::isDynamic(size)) {
        elements[0] *= size;
        continue;
      }
      elements.push_back(types.size());
      types.push_back(b.getIndexType());
      attrs.push_back(DictionaryAttr::get(context));
    }
    SmallVector<NamedAttribute> named{
        b.getNamedAttr("mercer.elements", b.getI64ArrayAttr(elements))};
    if (isWritten(argument))
      named.push_back(b.getNamedAttr("mercer.written", b.getUnitAttr()));
    attrs[at] = b.getDictionaryAttr(named);
  }
  std::string name = (kernel.getName() + "$" + Twine(number)).str();
  function = gpu::GPUFuncOp::create(outer, kernel.getLoc(), name,
                                    FunctionType::get(context, types, {}));
  function->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
  function.setKnownBlockSizeAttr(
      b.getDenseI32ArrayAttr({static_cast<int32_t>(target.threads), 1, 1}));
  function->setAttr("mercer.subgroup", b.getI64IntegerAttr(target.subgroup));
  for (auto [index, attr] : llvm::enumerate(attrs))
    if (!attr.empty())
      function.setArgAttrs(index, attr);

  Block &entry = function.getBody().front();
  b.setInsertionPointToStart(&entry);
  thread = gpu::ThreadIdOp::create(b, gpu::Dimension::x);
  for (auto [argument, at] : llvm::zip_equal(kernel.getArguments(), first)) {
    auto type = dyn_cast<MemRefType>(argument.getType());
    if (!type) {
      mapping.map(argument, entry.getArgument(at));
      continue;
    }
    View view;
    view.buffer = buffers.size();
    Buffer buffer;
    buffer.flat = entry.getArgument(at);
    buffer.written = isWritten(argument);
    buffer.readOnly = !buffer.written;
    buffer.unaligned = unaligned.test(argument.getArgNumber());
    buffer.start = math.constant(0);
    buffers.push_back(buffer);
    view.offset = math.constant(0);
    unsigned dim = at + 1;
    for (int64_t size : type.getShape())
      view.sizes.push_back(ShapedType::isDynamic(size)
                               ? Index(entry.getArgument(dim++))
                               : math.constant(size));
    view.strides.assign(type.getRank(), math.constant(1));
    for (int64_t d = type.getRank() - 1; d > 0; --d)
      view.strides[d - 1] = math.mul(view.strides[d], view.sizes[d]);
    views[argument] = view;
  }
  numArgumentBuffers = buffers.size();
}

/// Small scratch is shared memory, the largest buffers go to global memory
/// when all together do not fit.
LogicalResult Emitter::placeScratch() {
  SmallVector<Operation *> allocs;
  auto collect = [&](Operation *root) {
    root->walk([&](Operation *op) {
      if (isa<memref::AllocaOp, memref::AllocOp>(op))
        allocs.push_back(op);
    });
  };
  for (Operation &op : kernel.getBody().front())
    if (isa<memref::AllocaOp, memref::AllocOp>(op))
      allocs.push_back(&op);
  for (Operation *op : phase.ops)
    collect(op);
  auto typeOf = [](Operation *op) {
    return cast<MemRefType>(op->getResult(0).getType());
  };
  for (Operation *op : allocs)
    if (!typeOf(op).hasStaticShape() || !typeOf(op).getLayout().isIdentity())
      return op->emitError("[E3103] expects scratch of static size, found ")
             << typeOf(op);
  auto size = [&](Operation *op) {
    return typeOf(op).getNumElements() * bytesOf(typeOf(op).getElementType());
  };
  for (Operation *op : allocs)
    findPadded(op);
  auto inMemory = [&](Operation *op) {
    if (padded.count(op))
      return false;
    const Candidate *candidate = plan->candidate(op->getResult(0));
    return !candidate || needsMemory(*candidate);
  };
  // Equal sizes keep their order.
  SmallVector<std::pair<int64_t, unsigned>> bySize;
  for (auto [index, op] : llvm::enumerate(allocs))
    bySize.push_back({size(op), index});
  llvm::sort(bySize);
  // Long slices of products pay only while other scratch has room beside them.
  while (stepLimit > 4 && stageBytes() > target.sharedBytes / 2)
    stepLimit /= 2;
  // Room that reductions exchange partial results in.
  int64_t left = target.sharedBytes - stageBytes() - 16 * target.threads;
  llvm::DenseSet<Operation *> shared;
  for (auto [opBytes, index] : bySize) {
    Operation *op = allocs[index];
    if (!inMemory(op))
      continue;
    int64_t bytes = llvm::alignTo(opBytes, 16);
    if (bytes > left)
      break;
    left -= bytes;
    shared.insert(op);
  }
  for (Operation *op : allocs) {
    Type element = typeOf(op).getElementType();
    int64_t elements = std::max<int64_t>(1, typeOf(op).getNumElements());
    Buffer buffer;
    buffer.start = math.constant(0);
    buffer.written = true;
    if (!inMemory(op)) {
      // In registers only; nothing asks for the buffer.
    } else if (shared.contains(op)) {
      BlockArgument argument = function.addWorkgroupAttribution(
          flatType(element, elements, gpu::AddressSpace::Workgroup),
          op->getLoc());
      function.setWorkgroupAttributionAttr(
          function.getNumWorkgroupAttributions() - 1,
          b.getStringAttr("llvm.align"), b.getI64IntegerAttr(16));
      buffer.flat = argument;
    } else {
      ++numGlobalScratch;
      // Attributions stand behind the arguments: a new argument goes between.
      unsigned at = function.getNumArguments();
      DictionaryAttr attrs = b.getDictionaryAttr(
          b.getNamedAttr("mercer.scratch", b.getI64IntegerAttr(elements)));
      (void)function.insertArgument(
          at,
          flatType(element, ShapedType::kDynamic, gpu::AddressSpace::Global),
          attrs, op->getLoc());
      buffer.flat = function.getArgument(at);
      Value group = gpu::BlockIdOp::create(b, gpu::Dimension::x);
      buffer.start = math.mul(group, elements);
    }
    scratch[op] = buffers.size();
    buffers.push_back(buffer);
  }
  return success();
}

FailureOr<gpu::GPUFuncOp> Emitter::run(OpBuilder &outer) {
  buildSignature(outer);
  plan.emplace(kernel, phase, target, tf32);
  if (failed(placeScratch()))
    return failure();
  Operation *first = phase.ops.front();
  for (Operation &op : kernel.getBody().front()) {
    if (&op == first)
      break;
    if (isSharedByPhases(&op) && !op.hasTrait<OpTrait::IsTerminator>() &&
        !isa<scf::ForallOp>(op) && failed(emit(&op)))
      return failure();
  }
  PhaseGrid grid;
  if (phase.forall)
    grid = readPhaseGrid(b, phase.forall, mapping);
  Value group = gpu::BlockIdOp::create(b, gpu::Dimension::x);
  Value groups = gpu::GridDimOp::create(b, gpu::Dimension::x);
  auto tiles = scf::ForOp::create(b, group, function.getArgument(0), groups);
  gpu::ReturnOp::create(b);
  b.setInsertionPointToStart(tiles.getBody());
  loopTouches.emplace_back();
  if (phase.forall) {
    mapping.map(phase.forall.getInductionVars(),
                grid.positions(b, tiles.getInductionVar()));
    if (failed(emitBlock(*phase.forall.getBody())))
      return failure();
  } else {
    for (Operation *op : phase.ops)
      if (failed(emit(op)))
        return failure();
  }
  // Tiles own their parts of arguments; scratch is used again by the next one.
  Touch scratchOnly = loopTouches.back();
  auto isArgument = [&](unsigned buffer) {
    return buffer < numArgumentBuffers;
  };
  llvm::erase_if(scratchOnly.reads, isArgument);
  llvm::erase_if(scratchOnly.writes, isArgument);
  if (barriers.neededBefore(scratchOnly))
    barrier();
  return function;
}

//===----------------------------------------------------------------------===//
// Uniform code
//===----------------------------------------------------------------------===//

void Emitter::barrier() {
  gpu::BarrierOp::create(b);
  barriers.clear();
  ++numBarriers;
}

void Emitter::meet(const Touch &touch) {
  if (barriers.needed(touch))
    barrier();
  barriers.add(touch);
  for (Touch &whole : loopTouches) {
    whole.reads.append(touch.reads);
    whole.writes.append(touch.writes);
  }
}

LogicalResult Emitter::emitBlock(Block &block) {
  for (Operation &op : block.without_terminator())
    if (failed(emit(&op)))
      return failure();
  return success();
}

Value Emitter::loadUniform(memref::LoadOp op) {
  const View &view = views.find(op.getMemRef())->second;
  Touch touch;
  if (!buffers[view.buffer].readOnly)
    touch.reads.push_back(view.buffer);
  meet(touch);
  Index address = view.offset;
  for (auto [index, stride] : llvm::zip_equal(op.getIndices(), view.strides))
    address = math.add(address, math.mul(mapped(index), stride));
  return load(view, address);
}

LogicalResult Emitter::emit(Operation *op) {
  b.setLoc(op->getLoc());
  if (skipped.contains(op)) {
    definePadded(op);
    return success();
  }
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return emitLinalg(generic);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return emitFor(loop);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return emitIf(branch);
  if (auto dim = dyn_cast<memref::DimOp>(op)) {
    std::optional<int64_t> index = dim.getConstantIndex();
    if (!index)
      return op->emitError("[E3501] expects the size of a constant dimension");
    Index size = views.find(dim.getSource())->second.sizes[*index];
    mapping.map(dim.getResult(), math.value(size));
    return success();
  }
  if (auto access = dyn_cast<memref::LoadOp>(op)) {
    mapping.map(access.getResult(), loadUniform(access));
    return success();
  }
  if (auto access = dyn_cast<memref::StoreOp>(op)) {
    const View &view = views.find(access.getMemRef())->second;
    Touch touch;
    touch.writes.push_back(view.buffer);
    meet(touch);
    Index address = view.offset;
    for (auto [index, stride] :
         llvm::zip_equal(access.getIndices(), view.strides))
      address = math.add(address, math.mul(mapped(index), stride));
    Value isFirst = math.less(thread, math.constant(1));
    auto one = scf::IfOp::create(b, isFirst, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(one.thenBlock());
    store(view, address, mapping.lookup(access.getValueToStore()));
    return success();
  }
  if (isa<memref::DeallocOp>(op))
    return success();
  if (isa<memref::AllocaOp, memref::AllocOp, ViewLikeOpInterface>(op)) {
    FailureOr<View> view = viewOf(op);
    if (failed(view))
      return failure();
    views[op->getResult(0)] = *view;
    return success();
  }
  if (op->getNumRegions() == 0 && isMemoryEffectFree(op)) {
    b.clone(*op, mapping);
    return success();
  }
  return op->emitError("[E3501] expects loops, branches, linalg and arithmetic "
                       "in a tile, found ")
         << op->getName();
}

LogicalResult Emitter::emitFor(scf::ForOp op) {
  SmallVector<Value> inits;
  for (Value init : op.getInitArgs()) {
    if (isa<MemRefType>(init.getType()))
      return op.emitError("[E3501] expects loops to carry numbers, found ")
             << init.getType();
    inits.push_back(mapping.lookup(init));
  }
  auto loop = scf::ForOp::create(b, mapping.lookup(op.getLowerBound()),
                                 mapping.lookup(op.getUpperBound()),
                                 mapping.lookup(op.getStep()), inits);
  mapping.map(op.getInductionVar(), loop.getInductionVar());
  mapping.map(op.getRegionIterArgs(), loop.getRegionIterArgs());
  Barriers before = barriers;
  loopTouches.emplace_back();
  {
    OpBuilder::InsertionGuard guard(b);
    // A loop without carried values already ends in a yield.
    b.setInsertionPointToStart(loop.getBody());
    if (failed(emitBlock(*op.getBody())))
      return failure();
    if (barriers.neededBefore(loopTouches.back()))
      barrier();
    if (!inits.empty()) {
      SmallVector<Value> yielded;
      for (Value value : op.getBody()->getTerminator()->getOperands())
        yielded.push_back(mapping.lookup(value));
      scf::YieldOp::create(b, yielded);
    }
  }
  loopTouches.pop_back();
  // Of a loop without iterations no barrier is met.
  std::optional<int64_t> from = getConstantIntValue(loop.getLowerBound()),
                         to = getConstantIntValue(loop.getUpperBound());
  if (!from || !to || *from >= *to)
    barriers.join(before);
  mapping.map(op.getResults(), loop.getResults());
  return success();
}

LogicalResult Emitter::emitIf(scf::IfOp op) {
  if (llvm::any_of(op.getResultTypes(), llvm::IsaPred<MemRefType>))
    return op.emitError("[E3501] expects branches to give numbers");
  bool hasElse = !op.getElseRegion().empty();
  auto branch = scf::IfOp::create(b, op.getResultTypes(),
                                  mapping.lookup(op.getCondition()),
                                  /*addThenBlock=*/true, hasElse);
  Barriers before = barriers;
  auto fill = [&](Block *source, Block *block) -> LogicalResult {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(block);
    if (failed(emitBlock(*source)))
      return failure();
    SmallVector<Value> yielded;
    for (Value value : source->getTerminator()->getOperands())
      yielded.push_back(mapping.lookup(value));
    if (block->empty() || !block->back().hasTrait<OpTrait::IsTerminator>())
      scf::YieldOp::create(b, yielded);
    return success();
  };
  if (failed(fill(op.thenBlock(), branch.thenBlock())))
    return failure();
  Barriers afterThen = barriers;
  barriers = before;
  if (hasElse && failed(fill(op.elseBlock(), branch.elseBlock())))
    return failure();
  barriers.join(afterThen);
  mapping.map(op.getResults(), branch.getResults());
  return success();
}

FailureOr<View> Emitter::viewOf(Operation *op) {
  if (isa<memref::AllocaOp, memref::AllocOp>(op)) {
    View view;
    view.buffer = scratch.lookup(op);
    view.offset = buffers[view.buffer].start;
    for (int64_t size : cast<MemRefType>(op->getResult(0).getType()).getShape())
      view.sizes.push_back(math.constant(size));
    view.strides.assign(view.sizes.size(), math.constant(1));
    for (size_t d = view.sizes.size(); d-- > 1;)
      view.strides[d - 1] = math.mul(view.strides[d], view.sizes[d]);
    return view;
  }
  const View source = views.find(op->getOperand(0))->second;
  if (isa<memref::CastOp>(op))
    return source;
  if (auto sub = dyn_cast<memref::SubViewOp>(op)) {
    View view = source;
    view.sizes.clear();
    view.strides.clear();
    llvm::SmallBitVector dropped = sub.getDroppedDims();
    for (auto [d, offset, size, stride] :
         llvm::enumerate(sub.getMixedOffsets(), sub.getMixedSizes(),
                         sub.getMixedStrides())) {
      view.offset =
          math.add(view.offset, math.mul(mapped(offset), source.strides[d]));
      if (dropped[d])
        continue;
      view.sizes.push_back(mapped(size));
      view.strides.push_back(math.mul(source.strides[d], mapped(stride)));
    }
    return view;
  }
  if (isa<memref::ExpandShapeOp, memref::CollapseShapeOp>(op))
    return reshape(source, op);
  if (auto cast = dyn_cast<memref::ReinterpretCastOp>(op)) {
    View view;
    view.buffer = source.buffer;
    view.offset = math.add(buffers[source.buffer].start,
                           mapped(cast.getMixedOffsets().front()));
    for (OpFoldResult size : cast.getMixedSizes())
      view.sizes.push_back(mapped(size));
    for (OpFoldResult stride : cast.getMixedStrides())
      view.strides.push_back(mapped(stride));
    return view;
  }
  return op->emitError("[E3501] expects subviews and reshapes of buffers, "
                       "found ")
         << op->getName();
}

FailureOr<View> Emitter::reshape(const View &source, Operation *op) {
  View view;
  view.buffer = source.buffer;
  view.offset = source.offset;
  if (auto collapse = dyn_cast<memref::CollapseShapeOp>(op)) {
    for (const ReassociationIndices &group :
         collapse.getReassociationIndices()) {
      Index size = math.constant(1), stride = math.constant(1);
      // The stride of the innermost dim that has more than one element.
      for (int64_t d : llvm::reverse(group))
        if (constantOf(source.sizes[d]) != 1) {
          stride = source.strides[d];
          break;
        }
      for (int64_t d : group)
        size = math.mul(size, source.sizes[d]);
      view.sizes.push_back(size);
      view.strides.push_back(stride);
    }
    return view;
  }
  auto expand = cast<memref::ExpandShapeOp>(op);
  SmallVector<OpFoldResult> shape = expand.getMixedOutputShape();
  view.sizes.resize(shape.size(), math.constant(1));
  view.strides.resize(shape.size(), math.constant(1));
  for (auto [d, group] : llvm::enumerate(expand.getReassociationIndices())) {
    Index stride = source.strides[d];
    for (int64_t e : llvm::reverse(group)) {
      view.sizes[e] = mapped(shape[e]);
      view.strides[e] = stride;
      stride = math.mul(stride, view.sizes[e]);
    }
  }
  return view;
}
