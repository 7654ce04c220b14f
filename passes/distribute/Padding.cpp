//===- Padding.cpp - padded copies that are never made --------------------===//
//
// A window's input tile with its halo is a buffer that is filled with a
// constant and then partly copied from an argument. Reading it element by
// element needs no buffer: an element is read where it comes from, or is the
// constant. So a padded convolution is a product with computed positions.
//
//===----------------------------------------------------------------------===//

#include "passes/distribute/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::distribute;

/// The constant that `op` fills its one output with.
static Attribute filledConstant(linalg::GenericOp op) {
  if (op.getNumDpsInits() != 1 || op.getNumReductionLoops() != 0)
    return {};
  Value value = op.getBody()->getTerminator()->getOperand(0);
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    if (argument.getOwner() != op.getBody() ||
        argument.getArgNumber() >= op.getNumDpsInputs())
      return {};
    value = op.getDpsInputOperand(argument.getArgNumber())->get();
  }
  Attribute constant;
  return matchPattern(value, m_Constant(&constant)) ? constant : Attribute();
}

static bool isCopy(linalg::GenericOp op) {
  return op.getNumDpsInputs() == 1 && op.getNumDpsInits() == 1 &&
         op.getNumReductionLoops() == 0 &&
         llvm::all_of(op.getIndexingMapsArray(),
                      [](AffineMap map) { return map.isIdentity(); }) &&
         op.getBody()->getTerminator()->getOperand(0) ==
             op.getBody()->getArgument(0);
}

static bool isReadOnlyUse(OpOperand &use) {
  auto op = dyn_cast<linalg::GenericOp>(use.getOwner());
  return op && use.getOperandNumber() < op.getNumDpsInputs();
}

/// Records `alloc` if it is only filled, then partly copied, then read.
void Emitter::findPadded(Operation *alloc) {
  Value buffer = alloc->getResult(0);
  // At an edge a tile is the first part of its buffer.
  if (buffer.hasOneUse())
    if (auto tile = dyn_cast<memref::SubViewOp>(*buffer.user_begin()))
      if (tile.hasZeroOffset() && tile.hasUnitStride() &&
          tile.getDroppedDims().none())
        buffer = tile.getResult();
  linalg::GenericOp fill, copy;
  memref::SubViewOp part;
  SmallVector<Operation *> readers;
  for (OpOperand &use : buffer.getUses()) {
    Operation *user = use.getOwner();
    if (auto op = dyn_cast<linalg::GenericOp>(user)) {
      if (isReadOnlyUse(use)) {
        readers.push_back(op);
      } else {
        if (fill || !filledConstant(op))
          return;
        fill = op;
      }
      continue;
    }
    auto view = dyn_cast<memref::SubViewOp>(user);
    if (!view || !view.hasUnitStride() || view.getDroppedDims().any())
      return;
    bool written = false;
    for (OpOperand &inner : view->getUses()) {
      if (isReadOnlyUse(inner)) {
        readers.push_back(inner.getOwner());
        continue;
      }
      auto op = dyn_cast<linalg::GenericOp>(inner.getOwner());
      if (!op || copy || !isCopy(op))
        return;
      copy = op;
      written = true;
    }
    if (written)
      part = view;
    else if (!view.hasZeroOffset())
      return;
    else
      // The view is made of what the copy will have said.
      readers.push_back(view);
  }
  if (!fill || !copy || fill->getBlock() != copy->getBlock() ||
      !fill->isBeforeInBlock(copy))
    return;
  // The source must not change before the last read: arguments that the kernel
  // only reads do not.
  Value source = copy.getDpsInputs().front();
  Value whole = source;
  while (auto view = whole.getDefiningOp<ViewLikeOpInterface>())
    whole = view.getViewSource();
  if (!isa<BlockArgument>(whole) || !views.count(whole) ||
      !buffers[views.find(whole)->second.buffer].readOnly)
    return;
  for (Operation *reader : readers) {
    Operation *here = copy->getBlock()->findAncestorOpInBlock(*reader);
    if (!here || !copy->isBeforeInBlock(here))
      return;
  }
  padded[alloc] = {buffer, fill, copy, part};
  skipped.insert(fill);
  skipped.insert(copy);
}

/// The padded buffer as a view of what was copied.
void Emitter::definePadded(Operation *copy) {
  for (auto &[alloc, parts] : padded) {
    if (parts.copy != copy)
      continue;
    View view = views.find(parts.copy.getDpsInputs().front())->second;
    auto padding = std::make_shared<Padding>();
    padding->sizes = view.sizes;
    if (parts.part)
      for (OpFoldResult offset : parts.part.getMixedOffsets())
        padding->low.push_back(mapped(offset));
    else
      padding->low.assign(view.sizes.size(), math.constant(0));
    padding->constant = cast<TypedAttr>(filledConstant(parts.fill));
    padding->isZero = matchPattern(padding->constant, m_Zero()) ||
                      matchPattern(padding->constant, m_AnyZeroFloat());
    view.padding = padding;
    // The shape is known since the buffer was named.
    view.sizes = views.find(parts.buffer)->second.sizes;
    views[parts.buffer] = view;
  }
}

/// Whether the element at `at` is one that was copied; null: always, and for
/// views without padding.
Value Emitter::insidePadding(const View &view, AffineMap map,
                             ArrayRef<Index> at) {
  if (!view.padding)
    return {};
  Value inside;
  for (auto [d, expr] : llvm::enumerate(map.getResults())) {
    Index low = view.padding->low[d], size = view.padding->sizes[d];
    // A dim that was copied whole has nothing around it.
    if (constantOf(low) == 0 && constantOf(size) &&
        constantOf(size) == constantOf(view.sizes[d]))
      continue;
    Index position = math.sub(math.apply(expr, at), low);
    inside = both(inside, math.less(position, size));
    if (constantOf(low) != 0)
      inside =
          both(inside, arith::CmpIOp::create(b, arith::CmpIPredicate::sge,
                                             math.value(position),
                                             math.value(math.constant(0))));
  }
  return inside;
}

/// The element of an operand at `at`. `inside` (null: always) says whether it
/// exists at all; one that does not is a zero.
Value Emitter::readElement(const View &view, AffineMap map, ArrayRef<Index> at,
                           Value inside) {
  Value copied = insidePadding(view, map, at);
  Value exists = both(inside, copied);
  auto read = [&]() { return load(view, addressOf(view, map, at)); };
  if (!exists)
    return read();
  Type type =
      cast<MemRefType>(buffers[view.buffer].flat.getType()).getElementType();
  auto branch = scf::IfOp::create(b, TypeRange(type), exists,
                                  /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, ValueRange{read()});
  b.setInsertionPointToStart(branch.elseBlock());
  Value other = arith::ConstantOp::create(b, b.getZeroAttr(type));
  if (copied && !view.padding->isZero) {
    Value around = arith::ConstantOp::create(b, view.padding->constant);
    other = inside
                ? arith::SelectOp::create(b, inside, around, other).getResult()
                : around;
  }
  scf::YieldOp::create(b, other);
  return branch.getResult(0);
}
