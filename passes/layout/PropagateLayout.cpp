//===- PropagateLayout.cpp - channel-last windows, moved transposes -------===//
//
// One walk in program order. A value may get a twin: the same elements with
// permuted dims. Operations whose operands have twins are rebuilt on the
// twins; the original value is asked for only by operations that cannot, and
// only then a transpose is written.
//
//===----------------------------------------------------------------------===//

#include "passes/layout/Passes.h"

#include "dialects/mercer/IR/Mercer.h"
#include "passes/schedule/LoopModel.h"
#include "passes/schedule/ResultSizes.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/Transforms/Passes.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace mercer;

namespace mercer {
#define GEN_PASS_DEF_MERCERPROPAGATELAYOUT
#include "passes/layout/Passes.h.inc"
} // namespace mercer

namespace {

/// Dim i of `value` is dim perm[i] of the original.
struct Twin {
  Value value;
  SmallVector<int64_t> perm;
};

class Propagator {
public:
  explicit Propagator(MLIRContext *context) : rewriter(context) {}
  void run(Block &block);
  unsigned rewritten = 0, transposes = 0;

private:
  bool rewrite(Operation *op);
  bool rewriteWindow(WindowOp op);
  bool rewriteGeneric(linalg::GenericOp op);
  bool rewritePad(tensor::PadOp op);
  bool rewriteConcat(tensor::ConcatOp op);
  bool rewriteSlice(tensor::ExtractSliceOp op);
  bool rewriteCollapse(tensor::CollapseShapeOp op);
  bool rewriteExpand(tensor::ExpandShapeOp op);

  const Twin *twinOf(Value value) const {
    auto it = twins.find(value);
    return it == twins.end() ? nullptr : &it->second;
  }
  void setTwin(Value original, Value value, ArrayRef<int64_t> perm) {
    twins[original] = {value, SmallVector<int64_t>(perm)};
  }
  /// `value` with its dims permuted; a transpose unless it has that twin.
  Value permuted(Location loc, Value value, ArrayRef<int64_t> perm);
  Value original(Value value);
  Value transpose(Location loc, Value value, ArrayRef<int64_t> perm);
  Value permutedInit(Location loc, Value init, ArrayRef<int64_t> perm);

  IRRewriter rewriter;
  llvm::DenseMap<Value, Twin> twins;
  llvm::DenseMap<Value, Value> originals; // transposed back
  SmallVector<Operation *> replaced;
};

} // namespace

static bool isIdentity(ArrayRef<int64_t> perm) {
  for (auto [index, dim] : llvm::enumerate(perm))
    if ((int64_t)index != dim)
      return false;
  return true;
}

static AffineMap permuteResults(AffineMap map, ArrayRef<int64_t> perm) {
  SmallVector<AffineExpr> results;
  for (int64_t dim : perm)
    results.push_back(map.getResult(dim));
  return AffineMap::get(map.getNumDims(), map.getNumSymbols(), results,
                        map.getContext());
}

Value Propagator::transpose(Location loc, Value value, ArrayRef<int64_t> perm) {
  SmallVector<OpFoldResult> sizes = materializeSizes(rewriter, loc, value);
  applyPermutationToVector(sizes, perm);
  Type element = getElementTypeOrSelf(value.getType());
  Value empty = tensor::EmptyOp::create(rewriter, loc, sizes, element);
  AffineMap out =
      AffineMap::getMultiDimIdentityMap(perm.size(), rewriter.getContext());
  // Loop i of the result is dim perm[i] of the source.
  AffineMap in = AffineMap::getPermutationMap(invertPermutationVector(perm),
                                              rewriter.getContext());
  SmallVector<utils::IteratorType> loops(perm.size(),
                                         utils::IteratorType::parallel);
  ++transposes;
  return linalg::GenericOp::create(
             rewriter, loc, empty.getType(), value, empty,
             ArrayRef<AffineMap>{in, out}, loops,
             [](OpBuilder &b, Location at, ValueRange args) {
               linalg::YieldOp::create(b, at, args[0]);
             })
      .getResult(0);
}

Value Propagator::permuted(Location loc, Value value, ArrayRef<int64_t> perm) {
  if (const Twin *twin = twinOf(value)) {
    if (ArrayRef<int64_t>(twin->perm) == perm)
      return twin->value;
  }
  if (isIdentity(perm))
    return original(value);
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfterValue(value);
  Value source = original(value);
  if (Operation *def = source.getDefiningOp())
    rewriter.setInsertionPointAfter(def);
  Value result = transpose(loc, source, perm);
  if (!twinOf(value))
    setTwin(value, result, perm), originals[value] = value;
  return result;
}

/// The value in its original layout.
Value Propagator::original(Value value) {
  const Twin *twin = twinOf(value);
  if (!twin)
    return value;
  Value &back = originals[value];
  if (!back) {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointAfterValue(twin->value);
    back = transpose(value.getLoc(), twin->value,
                     invertPermutationVector(twin->perm));
  }
  return back;
}

/// Destinations are made anew where they hold nothing, or one value.
Value Propagator::permutedInit(Location loc, Value init,
                               ArrayRef<int64_t> perm) {
  if (isIdentity(perm) && !twinOf(init))
    return init;
  Operation *op = init.getDefiningOp();
  auto fill = dyn_cast_or_null<linalg::FillOp>(op);
  if (isa_and_nonnull<tensor::EmptyOp>(op) || fill) {
    SmallVector<OpFoldResult> sizes = materializeSizes(rewriter, loc, init);
    applyPermutationToVector(sizes, perm);
    Value empty = tensor::EmptyOp::create(rewriter, loc, sizes,
                                          getElementTypeOrSelf(init.getType()));
    if (!fill)
      return empty;
    return linalg::FillOp::create(rewriter, loc, fill.getInputs(), empty)
        .getResult(0);
  }
  if (auto broadcast = dyn_cast_or_null<linalg::GenericOp>(op);
      broadcast && isFillLike(broadcast)) {
    SmallVector<OpFoldResult> sizes = materializeSizes(rewriter, loc, init);
    applyPermutationToVector(sizes, perm);
    Value empty = tensor::EmptyOp::create(rewriter, loc, sizes,
                                          getElementTypeOrSelf(init.getType()));
    // Loop d of the old operation is loop `inverse[d]` of the new one.
    SmallVector<AffineExpr> loops;
    for (int64_t place : invertPermutationVector(perm))
      loops.push_back(rewriter.getAffineDimExpr(place));
    SmallVector<AffineMap> maps = broadcast.getIndexingMapsArray();
    maps[0] = maps[0].replaceDimsAndSymbols(loops, {}, perm.size(), 0);
    return linalg::GenericOp::create(
               rewriter, loc, empty.getType(), broadcast->getOperand(0), empty,
               maps, broadcast.getIteratorTypesArray(),
               [](OpBuilder &b, Location at, ValueRange args) {
                 linalg::YieldOp::create(b, at, args[0]);
               })
        .getResult(0);
  }
  return permuted(loc, init, perm);
}

bool Propagator::rewriteWindow(WindowOp op) {
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  if (op.getOutputs().size() != 1 || op.getInputs().empty())
    return false;
  unsigned numInputs = op.getInputs().size();
  AffineMap in = maps[0], out = maps[numInputs];
  // Loops that slide over the input are spatial.
  llvm::SmallBitVector spatial(in.getNumDims());
  bool sliding = false;
  SmallVector<int64_t> inFront, inBack, outFront, outBack;
  for (AffineExpr expr : in.getResults())
    if (!isa<AffineDimExpr>(expr) && !isa<AffineConstantExpr>(expr))
      sliding = true;
  for (auto [dim, expr] : llvm::enumerate(in.getResults())) {
    bool isSpatial = sliding ? !isa<AffineDimExpr>(expr) : dim >= 2;
    (dim == 0 || isSpatial ? inFront : inBack).push_back(dim);
    if (isSpatial)
      for (unsigned loop = 0; loop < in.getNumDims(); ++loop)
        if (expr.isFunctionOfDim(loop))
          spatial.set(loop);
  }
  for (auto [dim, expr] : llvm::enumerate(out.getResults())) {
    auto loop = dyn_cast<AffineDimExpr>(expr);
    bool isSpatial = loop && spatial.test(loop.getPosition());
    (dim == 0 || isSpatial ? outFront : outBack).push_back(dim);
  }
  SmallVector<int64_t> inPerm(inFront), outPerm(outFront);
  llvm::append_range(inPerm, inBack);
  llvm::append_range(outPerm, outBack);
  bool hasTwin =
      llvm::any_of(op->getOperands(), [&](Value v) { return twinOf(v); });
  if (isIdentity(inPerm) && isIdentity(outPerm) && !hasTwin)
    return false;

  rewriter.setInsertionPoint(op);
  IRMapping mapping;
  for (Value operand : op.getInputs().drop_front())
    mapping.map(operand, original(operand));
  Value source = permuted(op.getLoc(), op.getInputs()[0], inPerm);
  Value init = permutedInit(op.getLoc(), op.getOutputs()[0], outPerm);
  auto copy = cast<WindowOp>(rewriter.clone(*op, mapping));
  copy->setOperand(0, source);
  copy->setOperand(numInputs, init);
  maps[0] = permuteResults(in, inPerm);
  maps[numInputs] = permuteResults(out, outPerm);
  copy.setIndexingMapsAttr(rewriter.getAffineMapArrayAttr(maps));
  copy->getResult(0).setType(cast<RankedTensorType>(init.getType()));
  setTwin(op->getResult(0), copy->getResult(0), outPerm);
  return true;
}

/// True if the body yields its first argument and does nothing else.
static bool isCopyBody(linalg::GenericOp op) {
  Block *body = op.getBody();
  return op.getNumDpsInputs() == 1 && op.getNumDpsInits() == 1 &&
         body->getOperations().size() == 1 &&
         body->getTerminator()->getOperand(0) == body->getArgument(0);
}

bool Propagator::rewriteGeneric(linalg::GenericOp op) {
  // The largest operand with a twin leads; a captured one that the body reads
  // leads where no operand has one.
  OpOperand *leader = nullptr;
  for (OpOperand *input : op.getDpsInputOperands())
    if (twinOf(input->get()) &&
        op.getMatchingIndexingMap(input).isProjectedPermutation(true) &&
        (!leader ||
         cast<RankedTensorType>(input->get().getType()).getRank() >
             cast<RankedTensorType>(leader->get().getType()).getRank()))
      leader = input;
  SmallVector<tensor::ExtractOp> reads;
  op.getBody()->walk([&](tensor::ExtractOp read) {
    if (twinOf(read.getTensor()))
      reads.push_back(read);
  });
  if (!leader && reads.empty())
    return false;

  // Position of each loop in the order that the leader's twin has.
  unsigned numLoops = op.getNumLoops();
  SmallVector<int64_t> position(numLoops, -1);
  if (leader) {
    AffineMap map = op.getMatchingIndexingMap(leader);
    for (auto [index, dim] : llvm::enumerate(twinOf(leader->get())->perm))
      if (auto loop = dyn_cast<AffineDimExpr>(map.getResult(dim)))
        position[loop.getPosition()] = index;
  }
  for (AffineMap map : op.getIndexingMapsArray())
    if (map.getNumSymbols() != 0)
      return false;
  SmallVector<SmallVector<int64_t>> outPerms;
  for (OpOperand &init : op.getDpsInitsMutable()) {
    AffineMap map = op.getMatchingIndexingMap(&init);
    if (!map.isProjectedPermutation())
      return false;
    SmallVector<int64_t> perm =
        llvm::to_vector(llvm::seq<int64_t>(0, map.getNumResults()));
    if (leader) {
      // Loops that the leader does not have keep their place before the loop
      // they precede.
      SmallVector<int64_t> keys(map.getNumResults(), -1);
      int64_t last = -1;
      for (int64_t dim = 0; dim < map.getNumResults(); ++dim) {
        int64_t at = position[map.getDimPosition(dim)];
        last = keys[dim] = at >= 0 ? at : last;
      }
      llvm::sort(perm, [&](int64_t a, int64_t b) {
        return std::make_pair(keys[a], a) < std::make_pair(keys[b], b);
      });
    } else {
      const Twin *twin = twinOf(reads.front().getTensor());
      if (twin->perm.size() == map.getNumResults())
        perm = twin->perm;
    }
    outPerms.push_back(std::move(perm));
  }

  rewriter.setInsertionPoint(op);
  SmallVector<Value> inputs, inits;
  SmallVector<AffineMap> maps;
  for (OpOperand *input : op.getDpsInputOperands()) {
    AffineMap map = op.getMatchingIndexingMap(input);
    const Twin *twin = twinOf(input->get());
    inputs.push_back(twin ? twin->value : input->get());
    maps.push_back(twin ? permuteResults(map, twin->perm) : map);
  }
  for (auto [init, perm] : llvm::zip_equal(op.getDpsInitsMutable(), outPerms)) {
    inits.push_back(permutedInit(op.getLoc(), init.get(), perm));
    maps.push_back(permuteResults(op.getMatchingIndexingMap(&init), perm));
  }
  if (isCopyBody(op) && maps[0] == maps[1] && isIdentity(outPerms[0])) {
    rewriter.replaceAllUsesWith(op->getResult(0), inputs[0]);
    return true;
  }
  // Loops in the order of the first result: a copy of that order is the
  // identity, and the last loop runs along memory.
  AffineMap lead = maps[inputs.size()];
  SmallVector<unsigned> order;
  for (AffineExpr expr : lead.getResults())
    order.push_back(cast<AffineDimExpr>(expr).getPosition());
  for (unsigned loop = 0; loop < numLoops; ++loop)
    if (!llvm::is_contained(order, loop))
      order.push_back(loop);

  auto copy = linalg::GenericOp::create(
      rewriter, op.getLoc(), TypeRange(ValueRange(inits)), inputs, inits, maps,
      op.getIteratorTypesArray());
  IRMapping mapping;
  op.getRegion().cloneInto(&copy.getRegion(), mapping);
  copy->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  copy.getBody()->walk([&](tensor::ExtractOp read) {
    const Twin *twin = twinOf(read.getTensor());
    if (!twin)
      return;
    SmallVector<Value> indices(read.getIndices());
    applyPermutationToVector(indices, twin->perm);
    read.getTensorMutable().assign(twin->value);
    read.getIndicesMutable().assign(indices);
  });
  Operation *final = copy;
  SmallVector<unsigned> natural =
      llvm::to_vector(llvm::seq<unsigned>(0, numLoops));
  if (order != natural)
    if (FailureOr<linalg::GenericOp> moved =
            linalg::interchangeGenericOp(rewriter, copy, order);
        succeeded(moved))
      final = *moved;
  for (auto [result, value, perm] :
       llvm::zip_equal(op->getResults(), final->getResults(), outPerms)) {
    if (isIdentity(perm))
      rewriter.replaceAllUsesWith(result, value);
    else
      setTwin(result, value, perm);
  }
  return true;
}

bool Propagator::rewritePad(tensor::PadOp op) {
  const Twin *twin = twinOf(op.getSource());
  Value padding = op.getConstantPaddingValue();
  if (!twin || !padding)
    return false;
  rewriter.setInsertionPoint(op);
  SmallVector<OpFoldResult> low = op.getMixedLowPad(),
                            high = op.getMixedHighPad();
  applyPermutationToVector(low, twin->perm);
  applyPermutationToVector(high, twin->perm);
  SmallVector<int64_t> shape(op.getResultType().getShape());
  applyPermutationToVector(shape, twin->perm);
  auto type = RankedTensorType::get(shape, op.getResultType().getElementType());
  SmallVector<int64_t> perm(twin->perm);
  Value copy = tensor::PadOp::create(rewriter, op.getLoc(), type, twin->value,
                                     low, high, padding);
  setTwin(op.getResult(), copy, perm);
  return true;
}

bool Propagator::rewriteConcat(tensor::ConcatOp op) {
  const Twin *leader = nullptr;
  for (Value input : op.getInputs())
    if (const Twin *twin = twinOf(input); twin && !leader)
      leader = twin;
  if (!leader)
    return false;
  SmallVector<int64_t> perm(leader->perm);
  rewriter.setInsertionPoint(op);
  SmallVector<Value> inputs;
  for (Value input : op.getInputs())
    inputs.push_back(permuted(op.getLoc(), input, perm));
  int64_t dim = llvm::find(perm, (int64_t)op.getDim()) - perm.begin();
  SmallVector<int64_t> shape(op.getResultType().getShape());
  applyPermutationToVector(shape, perm);
  rewriter.setInsertionPoint(op);
  Value copy = tensor::ConcatOp::create(
      rewriter, op.getLoc(),
      RankedTensorType::get(shape, op.getResultType().getElementType()), dim,
      inputs);
  setTwin(op.getResult(), copy, perm);
  return true;
}

bool Propagator::rewriteSlice(tensor::ExtractSliceOp op) {
  const Twin *twin = twinOf(op.getSource());
  if (!twin || op.getDroppedDims().any())
    return false;
  rewriter.setInsertionPoint(op);
  SmallVector<OpFoldResult> offsets = op.getMixedOffsets(),
                            sizes = op.getMixedSizes(),
                            strides = op.getMixedStrides();
  SmallVector<int64_t> perm(twin->perm);
  applyPermutationToVector(offsets, perm);
  applyPermutationToVector(sizes, perm);
  applyPermutationToVector(strides, perm);
  Value copy = tensor::ExtractSliceOp::create(
      rewriter, op.getLoc(), twin->value, offsets, sizes, strides);
  setTwin(op.getResult(), copy, perm);
  return true;
}

bool Propagator::rewriteCollapse(tensor::CollapseShapeOp op) {
  const Twin *twin = twinOf(op.getSrc());
  if (!twin)
    return false;
  RankedTensorType type = op.getSrcType();
  SmallVector<ReassociationIndices> groups = op.getReassociationIndices();
  SmallVector<int64_t> groupOf(type.getRank());
  for (auto [index, group] : llvm::enumerate(groups))
    for (int64_t dim : group)
      groupOf[dim] = index;
  // Each group must lie together in the twin, its wide dims in order.
  SmallVector<int64_t> perm;
  SmallVector<ReassociationIndices> newGroups;
  SmallVector<int64_t> lastWide(groups.size(), -1);
  for (auto [place, dim] : llvm::enumerate(twin->perm)) {
    int64_t group = groupOf[dim];
    if (perm.empty() || perm.back() != group) {
      if (llvm::is_contained(perm, group))
        return false;
      perm.push_back(group);
      newGroups.emplace_back();
    }
    if (type.getDimSize(dim) != 1) {
      if (dim < lastWide[group])
        return false;
      lastWide[group] = dim;
    }
    newGroups.back().push_back(place);
  }
  rewriter.setInsertionPoint(op);
  Value copy = tensor::CollapseShapeOp::create(rewriter, op.getLoc(),
                                               twin->value, newGroups);
  if (isIdentity(perm))
    rewriter.replaceAllUsesWith(op.getResult(), copy);
  else
    setTwin(op.getResult(), copy, perm);
  return true;
}

bool Propagator::rewriteExpand(tensor::ExpandShapeOp op) {
  const Twin *twin = twinOf(op.getSrc());
  if (!twin)
    return false;
  SmallVector<ReassociationIndices> groups = op.getReassociationIndices();
  SmallVector<OpFoldResult> sizes = op.getMixedOutputShape();
  SmallVector<int64_t> perm;
  SmallVector<ReassociationIndices> newGroups;
  for (int64_t dim : twin->perm) {
    newGroups.emplace_back();
    for (int64_t expanded : groups[dim]) {
      newGroups.back().push_back(perm.size());
      perm.push_back(expanded);
    }
  }
  applyPermutationToVector(sizes, perm);
  SmallVector<int64_t> shape(op.getResultType().getShape());
  applyPermutationToVector(shape, perm);
  rewriter.setInsertionPoint(op);
  Value copy = tensor::ExpandShapeOp::create(
      rewriter, op.getLoc(),
      RankedTensorType::get(shape, op.getResultType().getElementType()),
      twin->value, newGroups, sizes);
  setTwin(op.getResult(), copy, perm);
  return true;
}

bool Propagator::rewrite(Operation *op) {
  if (auto window = dyn_cast<WindowOp>(op))
    return rewriteWindow(window);
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return generic.hasPureTensorSemantics() && rewriteGeneric(generic);
  if (auto pad = dyn_cast<tensor::PadOp>(op))
    return rewritePad(pad);
  if (auto concat = dyn_cast<tensor::ConcatOp>(op))
    return rewriteConcat(concat);
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op))
    return rewriteSlice(slice);
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op))
    return rewriteCollapse(collapse);
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return rewriteExpand(expand);
  return false;
}

void Propagator::run(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (rewrite(&op)) {
      ++rewritten;
      replaced.push_back(&op);
      continue;
    }
    // Anything else sees its operands in their original layout.
    auto restore = [&](OpOperand &operand) {
      if (!twinOf(operand.get()))
        return;
      Value back = original(operand.get());
      if (back != operand.get())
        operand.set(back);
    };
    op.walk([&](Operation *inner) {
      for (OpOperand &operand : inner->getOpOperands())
        restore(operand);
    });
  }
  for (Operation *op : llvm::reverse(replaced))
    if (op->use_empty())
      rewriter.eraseOp(op);
}

namespace {
struct PropagateLayout
    : mercer::impl::MercerPropagateLayoutBase<PropagateLayout> {
  void runOnOperation() override {
    resolveDims(getOperation());
    SmallVector<Block *> blocks;
    getOperation()->walk([&](Operation *op) {
      if (isa<func::FuncOp, scf::IfOp, scf::ForOp, scf::WhileOp>(op))
        for (Region &region : op->getRegions())
          for (Block &block : region)
            blocks.push_back(&block);
    });
    for (Block *block : blocks) {
      Propagator propagator(&getContext());
      propagator.run(*block);
      numRewritten += propagator.rewritten;
      numTransposes += propagator.transposes;
    }
  }
};
} // namespace
