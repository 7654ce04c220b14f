//===- Plan.cpp - which tile values live in registers ---------------------===//

#include "passes/distribute/Plan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::distribute;

/// Registers of a thread that one value may take: three of them are live in an
/// online softmax.
constexpr int64_t kMaxRegisters = 64;
constexpr int64_t kMinExtent = 16;

/// A view that shows its source from the start, possibly less of it.
static bool isPrefix(memref::SubViewOp view) {
  return view.hasZeroOffset() && view.hasUnitStride() &&
         view.getDroppedDims().none();
}

Value Plan::root(Value buffer) const {
  while (!candidates.contains(buffer)) {
    auto view = buffer.getDefiningOp<memref::SubViewOp>();
    if (!view || !isPrefix(view))
      return {};
    buffer = view.getSource();
  }
  return buffer;
}

const Candidate *Plan::candidate(Value buffer) const {
  Value key = root(buffer);
  auto found = key ? candidates.find(key) : candidates.end();
  return found == candidates.end() ? nullptr : &found->second;
}

const Placement *Plan::placement(Value buffer) const {
  Value key = root(buffer);
  auto found = key ? placements.find(key) : placements.end();
  return found == placements.end() ? nullptr : &found->second;
}

void Plan::addUses(Candidate &candidate, Value value) {
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    if (isa<linalg::GenericOp>(user)) {
      candidate.uses.push_back(&use);
      continue;
    }
    auto view = dyn_cast<memref::SubViewOp>(user);
    if (view && candidate.scratch && isPrefix(view)) {
      addUses(candidate, view.getResult());
      continue;
    }
    if (!isa<memref::DimOp, memref::DeallocOp>(user))
      candidate.blocked = true;
  }
}

static Value wholeBuffer(Value value) {
  while (auto view = value.getDefiningOp<ViewLikeOpInterface>())
    value = view.getViewSource();
  return value;
}

void Plan::collect(func::FuncOp kernel, const Phase &phase) {
  auto visit = [&](Operation *op) {
    if (isa<memref::AllocaOp, memref::AllocOp>(op)) {
      Candidate candidate;
      candidate.key = op->getResult(0);
      candidate.scratch = true;
      llvm::append_range(candidate.bounds,
                         cast<MemRefType>(candidate.key.getType()).getShape());
      candidates.insert({candidate.key, candidate});
    }
    if (auto generic = dyn_cast<linalg::GenericOp>(op))
      ops.push_back(generic);
  };
  for (Operation &op : kernel.getBody().front())
    if (isa<memref::AllocaOp, memref::AllocOp>(op))
      visit(&op);
  for (Operation *op : phase.ops)
    op->walk<WalkOrder::PreOrder>(visit);
  // Parts of outputs that a contraction updates, if nothing else touches the
  // output in this phase.
  for (linalg::GenericOp op : ops) {
    if (op.getNumDpsInits() != 1 || op.getNumReductionLoops() == 0)
      continue;
    Value output = op.getDpsInits().front();
    if (candidates.contains(output) || candidates.contains(root(output)))
      continue;
    if (!isa<BlockArgument>(wholeBuffer(output)) || root(output))
      continue;
    Candidate candidate;
    candidate.key = output;
    auto type = cast<MemRefType>(output.getType());
    for (int64_t dim = 0; dim < type.getRank(); ++dim) {
      int64_t bound = type.getDimSize(dim);
      if (ShapedType::isDynamic(bound)) {
        FailureOr<int64_t> known =
            ValueBoundsConstraintSet::computeConstantBound(
                presburger::BoundType::UB,
                ValueBoundsConstraintSet::Variable(output, dim),
                /*stopCondition=*/nullptr, /*closedUB=*/true);
        candidate.blocked |= failed(known);
        bound = succeeded(known) ? *known : 0;
      }
      candidate.bounds.push_back(bound);
    }
    Value whole = wholeBuffer(output);
    for (linalg::GenericOp other : ops)
      for (OpOperand &operand : other->getOpOperands()) {
        if (!isa<MemRefType>(operand.get().getType()) ||
            wholeBuffer(operand.get()) != whole)
          continue;
        candidate.blocked |=
            operand.get() != output || other->getBlock() != op->getBlock();
      }
    candidates.insert({output, candidate});
  }
  for (auto &[key, candidate] : candidates)
    addUses(candidate, key);
}

int64_t Plan::bound(linalg::GenericOp op, unsigned loop) const {
  int64_t best = ShapedType::kDynamic;
  for (OpOperand &operand : op->getOpOperands()) {
    auto type = dyn_cast<MemRefType>(operand.get().getType());
    if (!type)
      continue;
    for (auto [dim, expr] :
         llvm::enumerate(op.getMatchingIndexingMap(&operand).getResults())) {
      auto index = dyn_cast<AffineDimExpr>(expr);
      if (!index || index.getPosition() != loop)
        continue;
      int64_t size = type.getDimSize(dim);
      if (ShapedType::isDynamic(size)) {
        FailureOr<int64_t> known =
            ValueBoundsConstraintSet::computeConstantBound(
                presburger::BoundType::UB,
                ValueBoundsConstraintSet::Variable(operand.get(), dim),
                /*stopCondition=*/nullptr, /*closedUB=*/true);
        if (succeeded(known))
          size = *known;
        else if (!candidate(operand.get()) ||
                 !candidate(operand.get())->scratch)
          continue;
        else
          size = std::numeric_limits<int64_t>::max();
      }
      // Nothing lies behind the end of scratch, whatever sizes say.
      if (const Candidate *value = candidate(operand.get()))
        if (value->scratch)
          size = std::min(size, value->bounds[dim]);
      best = ShapedType::isDynamic(best) ? size : std::min(best, size);
    }
  }
  return best;
}

unsigned mercer::distribute::outermost(ArrayRef<unsigned> loops,
                                       ArrayRef<int64_t> bounds) {
  for (unsigned loop : loops)
    if (bounds[loop] != 1)
      return loop;
  return loops.front();
}

bool mercer::distribute::isCombiner(Operation *join, Value previous) {
  if (join->getNumResults() != 1)
    return false;
  Type type = join->getResult(0).getType();
  if (!type.isIntOrFloat() || type.getIntOrFloatBitWidth() < 8)
    return false;
  if (auto fma = dyn_cast<math::FmaOp>(join))
    return fma.getC() == previous;
  return isa<arith::AddFOp, arith::MulFOp, arith::MaximumFOp, arith::MaxNumFOp,
             arith::MinimumFOp, arith::MinNumFOp, arith::AddIOp, arith::OrIOp,
             arith::XOrIOp, arith::AndIOp, arith::MulIOp, arith::MaxUIOp,
             arith::MinUIOp, arith::MaxSIOp, arith::MinSIOp>(join);
}

Operation *mercer::distribute::findCombiner(linalg::GenericOp op,
                                            unsigned output) {
  Block *body = op.getBody();
  BlockArgument previous = body->getArgument(op.getNumDpsInputs() + output);
  // The larger or smaller of two, written as a comparison: a NaN on the right
  // never wins, in whatever order.
  if (auto choice = body->getTerminator()
                        ->getOperand(output)
                        .getDefiningOp<arith::SelectOp>()) {
    auto compare = choice.getCondition().getDefiningOp<arith::CmpFOp>();
    Value x = choice.getTrueValue();
    bool plain = compare && compare.getLhs() == x &&
                 compare.getRhs() == previous &&
                 choice.getFalseValue() == previous && choice->hasOneUse() &&
                 compare->hasOneUse() &&
                 llvm::all_of(previous.getUsers(), [&](Operation *user) {
                   return user == choice || user == compare;
                 });
    bool ordered =
        plain && (compare.getPredicate() == arith::CmpFPredicate::OGT ||
                  compare.getPredicate() == arith::CmpFPredicate::OLT);
    return ordered ? choice.getOperation() : nullptr;
  }
  if (!previous.hasOneUse())
    return nullptr;
  Operation *join = *previous.getUsers().begin();
  if (join->getBlock() != body || join->getNumResults() != 1 ||
      body->getTerminator()->getOperand(output) != join->getResult(0) ||
      !join->getResult(0).hasOneUse())
    return nullptr;
  return isCombiner(join, previous) ? join : nullptr;
}

std::optional<Roles>
mercer::distribute::contractionRoles(linalg::GenericOp op,
                                     ArrayRef<int64_t> bounds) {
  AffineMap a = op.getIndexingMapsArray()[0], b = op.getIndexingMapsArray()[1];
  Roles roles;
  for (auto [loop, kind] : llvm::enumerate(op.getIteratorTypesArray())) {
    if (kind == utils::IteratorType::reduction) {
      roles.reduced.push_back(loop);
      continue;
    }
    bool left = a.isFunctionOfDim(loop), right = b.isFunctionOfDim(loop);
    if (left == right) {
      if (bounds[loop] != 1)
        return std::nullopt;
      // A loop of one step goes anywhere.
      roles.left.push_back(loop);
      continue;
    }
    (left ? roles.left : roles.right).push_back(loop);
  }
  return roles;
}

bool Plan::isContraction(linalg::GenericOp op) const {
  if (op.getNumDpsInputs() != 2 || op.getNumDpsInits() != 1 ||
      op.getNumReductionLoops() == 0)
    return false;
  for (Value input : op.getDpsInputs())
    if (!isa<MemRefType>(input.getType()))
      return false;
  AffineMap out = op.getIndexingMapsArray().back();
  if (!out.isProjectedPermutation() ||
      out.getNumResults() != op.getNumParallelLoops())
    return false;
  // The body sees positions or memory: not a product of two elements.
  WalkResult other = op.getBody()->walk([](Operation *inside) {
    return isa<linalg::IndexOp, memref::LoadOp>(inside)
               ? WalkResult::interrupt()
               : WalkResult::advance();
  });
  return !other.wasInterrupted();
}

std::optional<Space> Plan::space(linalg::GenericOp op) const {
  bool contraction = isContraction(op);
  std::optional<Space> result;
  // Matrices first: they say what rows and columns are.
  for (bool matrices : {true, false})
    for (OpOperand &operand : op->getOpOperands()) {
      bool isOutput = operand.getOperandNumber() >= op.getNumDpsInputs();
      if (contraction && !isOutput)
        continue;
      if (!isa<MemRefType>(operand.get().getType()))
        continue;
      const Placement *place = placement(operand.get());
      if (!place || place->colDims.empty() == matrices)
        continue;
      AffineMap map = op.getMatchingIndexingMap(&operand);
      auto loopsOf =
          [&](ArrayRef<unsigned> dims) -> std::optional<SmallVector<unsigned>> {
        SmallVector<unsigned> loops;
        for (unsigned dim : dims) {
          auto loop = dyn_cast<AffineDimExpr>(map.getResult(dim));
          if (!loop)
            return std::nullopt;
          loops.push_back(loop.getPosition());
        }
        return loops;
      };
      auto rows = loopsOf(place->rowDims), cols = loopsOf(place->colDims);
      if (!rows || !cols)
        return std::nullopt;
      if (!result) {
        result = Space{place->layout, *rows, *cols, place->matrix};
        continue;
      }
      // Others must agree: the same matrix, or its rows.
      Layout expected = matrices ? result->layout : result->layout.rows();
      if (result->colLoops.empty())
        expected = result->layout;
      if (place->layout != expected || *rows != result->rowLoops ||
          (matrices && *cols != result->colLoops))
        return std::nullopt;
    }
  if (!result)
    return std::nullopt;
  // All parallel loops are covered; what is reduced are the columns.
  for (auto [loop, kind] : llvm::enumerate(op.getIteratorTypesArray())) {
    bool row = llvm::is_contained(result->rowLoops, loop);
    bool col = llvm::is_contained(result->colLoops, loop);
    if (row && kind == utils::IteratorType::reduction)
      return std::nullopt;
    if (!row && !col && !contraction && bound(op, loop) != 1)
      return std::nullopt;
    if (kind == utils::IteratorType::reduction && contraction && (row || col))
      return std::nullopt;
  }
  if (contraction || op.getNumReductionLoops() == 0)
    return result;
  for (unsigned loop : result->colLoops)
    if (op.getIteratorTypesArray()[loop] != utils::IteratorType::reduction)
      return std::nullopt;
  // What a reduction gives must be in registers too, and the order in which
  // threads join their parts must not matter.
  for (OpOperand &output : op.getDpsInitsMutable()) {
    const Placement *place = placement(output.get());
    if (!place)
      return std::nullopt;
    unsigned index = output.getOperandNumber() - op.getNumDpsInputs();
    if (place->colDims.empty() && !findCombiner(op, index))
      return std::nullopt;
  }
  return result;
}

bool Plan::readsRegisters(linalg::GenericOp op, unsigned operand) const {
  std::optional<Space> here = space(op);
  if (!here || !here->matrix || !isContraction(op) ||
      operand >= op.getNumDpsInputs())
    return false;
  std::optional<MatrixProduct> product = matrixProduct(op, roundsSingles);
  const Placement *place = placement(op->getOperand(operand));
  if (!product || product->bits() != 16 || !place || !place->matrix ||
      place->colDims.empty() || place->layout.rows() != here->layout.rows())
    return false;
  for (const auto &layout : {place->layout, here->layout})
    for (Coordinate step : layout.warps)
      if (step.col != 0)
        return false;
  AffineMap map = op.getMatchingIndexingMap(&op->getOpOperand(operand));
  auto loopAt = [&](unsigned dim) -> int64_t {
    auto loop = dyn_cast<AffineDimExpr>(map.getResult(dim));
    return loop ? loop.getPosition() : -1;
  };
  for (auto [dim, loop] : llvm::zip(place->rowDims, here->rowLoops))
    if (loopAt(dim) != loop)
      return false;
  // The columns are the whole reduction.
  if (place->rowDims.size() != here->rowLoops.size() ||
      place->colDims.size() != 1 || op.getNumReductionLoops() != 1)
    return false;
  return op.getIteratorTypesArray()[loopAt(place->colDims.front())] ==
         utils::IteratorType::reduction;
}

std::optional<Placement> Plan::fromSpace(OpOperand &operand,
                                         const Space &space) const {
  auto op = cast<linalg::GenericOp>(operand.getOwner());
  AffineMap map = op.getMatchingIndexingMap(&operand);
  Placement result;
  auto dimsOf = [&](ArrayRef<unsigned> loops,
                    SmallVectorImpl<unsigned> &dims) -> unsigned {
    for (unsigned loop : loops)
      for (auto [dim, expr] : llvm::enumerate(map.getResults()))
        if (auto index = dyn_cast<AffineDimExpr>(expr))
          if (index.getPosition() == loop)
            dims.push_back(dim);
    return dims.size();
  };
  unsigned rows = dimsOf(space.rowLoops, result.rowDims);
  unsigned cols = dimsOf(space.colLoops, result.colDims);
  if (rows + cols != map.getNumResults() || rows != space.rowLoops.size())
    return std::nullopt;
  if (cols != 0 && cols != space.colLoops.size())
    return std::nullopt;
  result.layout =
      cols == 0 && !space.colLoops.empty() ? space.layout.rows() : space.layout;
  result.matrix = space.matrix;
  return result;
}

std::optional<MatrixProduct> Plan::matrixForm(linalg::GenericOp op) const {
  if (!target.hasMatrixUnits || !isContraction(op))
    return std::nullopt;
  std::optional<MatrixProduct> product = matrixProduct(op, roundsSingles);
  if (!product)
    return std::nullopt;
  // Beside a half, only what an earlier product left in registers is rounded:
  // the probabilities of attention.
  for (Value input : op.getDpsInputs())
    if (getElementTypeOrSelf(input.getType()) != product->element) {
      const Placement *place = placement(input);
      if (!place || !place->matrix || place->colDims.empty())
        return std::nullopt;
    }
  return product;
}

/// Warps over a tile, at least 16 x 16 each; nothing if there are too many.
static std::optional<Layout> matrixLayout(int64_t rows, int64_t cols,
                                          int64_t warps, bool wholeRows) {
  int64_t down = warps;
  if (!wholeRows)
    // Squarer parts read less of both operands.
    while (down > 1 && rows / down < 32 && cols / (warps / down * 2) >= 16)
      down /= 2;
  int64_t across = warps / down;
  if (rows / down < 16 || cols / across < 16)
    return std::nullopt;
  return mmaLayout(rows, cols, down, across);
}

/// Gives the result of a contraction a layout. Its columns are what is reduced
/// later; without such a reader, `last` decides for neighbours in memory.
bool Plan::placeContraction(linalg::GenericOp op, bool last) {
  OpOperand *output = op.getDpsInitOperand(0);
  const Candidate *value = candidate(output->get());
  if (!value || value->blocked || placements.count(value->key))
    return false;
  SmallVector<int64_t> bounds;
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop)
    bounds.push_back(bound(op, loop));
  std::optional<Roles> roles = contractionRoles(op, bounds);
  if (!roles || roles->left.empty() || roles->right.empty())
    return false;
  auto extent = [&](ArrayRef<unsigned> loops) {
    int64_t product = 1;
    for (unsigned loop : loops) {
      if (ShapedType::isDynamic(bounds[loop]))
        return int64_t(0);
      product *= bounds[loop];
    }
    return product;
  };
  AffineMap map = op.getMatchingIndexingMap(output);
  auto loopOf = [&](unsigned dim) {
    return cast<AffineDimExpr>(map.getResult(dim)).getPosition();
  };
  // Dims that a later op reduces, and rows that a neighbour dictates.
  std::optional<bool> leftIsRows;
  // A row that is reduced, or that a vector belongs to, stays in one warp.
  bool wholeRows = false;
  for (OpOperand *use : value->uses) {
    auto other = cast<linalg::GenericOp>(use->getOwner());
    if (other == op || isContraction(other))
      continue;
    AffineMap access = other.getMatchingIndexingMap(use);
    for (auto [dim, expr] : llvm::enumerate(access.getResults())) {
      auto loop = dyn_cast<AffineDimExpr>(expr);
      if (!loop)
        continue;
      bool inLeft = llvm::is_contained(roles->left, loopOf(dim));
      if (other.getIteratorTypesArray()[loop.getPosition()] ==
          utils::IteratorType::reduction) {
        leftIsRows = !inLeft;
        wholeRows = true;
      }
    }
    // A vector that has its place: along what it runs are rows.
    for (OpOperand &neighbour : other->getOpOperands()) {
      if (leftIsRows || !isa<MemRefType>(neighbour.get().getType()))
        continue;
      const Placement *place = placement(neighbour.get());
      if (!place || !place->colDims.empty() || place->rowDims.empty())
        continue;
      AffineMap along = other.getMatchingIndexingMap(&neighbour);
      AffineExpr row = along.getResult(place->rowDims.front());
      for (auto [dim, expr] : llvm::enumerate(access.getResults()))
        if (expr == row) {
          leftIsRows = llvm::is_contained(roles->left, loopOf(dim));
          wholeRows = true;
        }
    }
  }
  if (!leftIsRows) {
    if (!last)
      return false;
    // Neighbours in memory are columns.
    unsigned fast = loopOf(map.getNumResults() - 1);
    leftIsRows = !llvm::is_contained(roles->left, fast);
  }
  ArrayRef<unsigned> rowLoops = *leftIsRows ? roles->left : roles->right;
  ArrayRef<unsigned> colLoops = *leftIsRows ? roles->right : roles->left;
  if (rowLoops.empty() || colLoops.empty())
    return false;
  int64_t rows = llvm::PowerOf2Ceil(extent(rowLoops));
  int64_t cols = llvm::PowerOf2Ceil(extent(colLoops));
  if (extent(rowLoops) < kMinExtent || extent(colLoops) < kMinExtent ||
      rows * cols > kMaxRegisters * target.threads)
    return false;
  std::optional<Layout> layout;
  if (matrixForm(op))
    layout =
        matrixLayout(rows, cols, target.threads / target.subgroup, wholeRows);
  bool matrix = layout.has_value();
  if (!matrix && rows < target.threads / 8)
    return false;
  if (!matrix)
    layout = blockLayout(rows, cols, target.threads, target.subgroup);
  Space space{*layout, llvm::to_vector(rowLoops), llvm::to_vector(colLoops),
              matrix};
  std::optional<Placement> place = fromSpace(*output, space);
  if (!place)
    return false;
  place->matrix = matrix;
  placements[value->key] = *place;
  return true;
}

/// Values that an op makes of registers, element by element or row by row.
bool Plan::placeByNeighbours(linalg::GenericOp op) {
  if (isContraction(op))
    return false;
  // The space as known so far, outputs left aside.
  std::optional<Space> known;
  for (bool matrices : {true, false})
    for (OpOperand &operand : op->getOpOperands()) {
      if (known || !isa<MemRefType>(operand.get().getType()))
        continue;
      const Placement *place = placement(operand.get());
      if (!place || place->colDims.empty() == matrices)
        continue;
      Space space;
      space.layout = place->layout;
      space.matrix = place->matrix;
      AffineMap map = op.getMatchingIndexingMap(&operand);
      bool plain = true;
      for (auto [dims, loops] : {std::pair(&place->rowDims, &space.rowLoops),
                                 std::pair(&place->colDims, &space.colLoops)})
        for (unsigned dim : *dims) {
          auto loop = dyn_cast<AffineDimExpr>(map.getResult(dim));
          plain &= static_cast<bool>(loop);
          if (loop)
            loops->push_back(loop.getPosition());
        }
      if (plain)
        known = space;
    }
  if (!known)
    return false;
  bool changed = false;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    const Candidate *value = candidate(operand.get());
    if (!value || value->blocked || !value->scratch ||
        placements.count(value->key))
      continue;
    std::optional<Placement> place = fromSpace(operand, *known);
    if (!place)
      continue;
    placements[value->key] = *place;
    changed = true;
  }
  return changed;
}

/// Values that an op would write to memory, or read in a way that registers do
/// not have, go back to memory.
bool Plan::dropUnsupported() {
  for (linalg::GenericOp op : ops) {
    if (space(op))
      continue;
    for (OpOperand &operand : op.getDpsInitsMutable()) {
      const Candidate *value = candidate(operand.get());
      if (!value || !placements.count(value->key))
        continue;
      placements.erase(value->key);
      candidates.find(value->key)->second.blocked = true;
      return true;
    }
  }
  return false;
}

bool Plan::place() {
  placements.clear();
  bool changed = true, last = false;
  while (changed || !last) {
    last = !changed;
    changed = false;
    for (linalg::GenericOp op : ops)
      if (isContraction(op))
        changed |= placeContraction(op, last);
    for (linalg::GenericOp op : ops)
      changed |= placeByNeighbours(op);
    if (last && !changed)
      break;
  }
  return dropUnsupported();
}

Plan::Plan(func::FuncOp kernel, const Phase &phase, const TargetInfo &target,
           bool tf32)
    : target(target), roundsSingles(tf32) {
  collect(kernel, phase);
  // Each round takes one more value out of the game.
  while (place())
    ;
}
