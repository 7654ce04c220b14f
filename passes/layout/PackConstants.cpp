//===- PackConstants.cpp - constant right operands in panels --------------===//
//
// A panel holds the columns that one register block works on, for all of the
// reduced range, so that the inner loop reads memory once and in order.
//
//===----------------------------------------------------------------------===//

#include "passes/layout/Passes.h"

#include "dialects/mercer/IR/Mercer.h"
#include "passes/schedule/LoopModel.h"
#include "passes/schedule/Passes.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"

using namespace mlir;
using namespace mercer;

namespace mercer {
#define GEN_PASS_DEF_MERCERPACKCONSTANTS
#include "passes/layout/Passes.h.inc"
} // namespace mercer

/// A copy of `source` whose dim i is dim order[i] of the source.
static Value permuteConstant(OpBuilder &b, Location loc, Value source,
                             ArrayRef<int64_t> order) {
  auto type = cast<RankedTensorType>(source.getType());
  SmallVector<int64_t> shape(type.getShape());
  applyPermutationToVector(shape, order);
  Value empty = tensor::EmptyOp::create(b, loc, shape, type.getElementType());
  SmallVector<AffineMap> maps = {
      AffineMap::getPermutationMap(invertPermutationVector(order),
                                   b.getContext()),
      b.getMultiDimIdentityMap(order.size())};
  SmallVector<utils::IteratorType> loops(order.size(),
                                         utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, empty.getType(), source, empty, maps, loops,
             [](OpBuilder &b, Location at, ValueRange args) {
               linalg::YieldOp::create(b, at, args[0]);
             })
      .getResult(0);
}

/// Panels of `panel` elements of dim `dim`: result [panels, others..., panel],
/// the others in the given order.
static Value packConstant(OpBuilder &b, Location loc, Value source, int64_t dim,
                          ArrayRef<int64_t> others, int64_t panel) {
  auto type = cast<RankedTensorType>(source.getType());
  MLIRContext *context = b.getContext();
  int64_t extent = type.getDimSize(dim);
  SmallVector<int64_t> shape = {
      static_cast<int64_t>(llvm::divideCeil(extent, panel))};
  for (int64_t other : others)
    shape.push_back(type.getDimSize(other));
  shape.push_back(panel);
  unsigned rank = shape.size();
  Value empty = tensor::EmptyOp::create(b, loc, shape, type.getElementType());
  AffineMap identity = b.getMultiDimIdentityMap(rank);
  AffineExpr column =
      b.getAffineDimExpr(0) * panel + b.getAffineDimExpr(rank - 1);
  SmallVector<AffineExpr> exprs(type.getRank());
  exprs[dim] = column;
  for (auto [index, other] : llvm::enumerate(others))
    exprs[other] = b.getAffineDimExpr(index + 1);
  SmallVector<utils::IteratorType> loops(rank, utils::IteratorType::parallel);
  if (extent % panel == 0) {
    SmallVector<AffineMap> maps = {AffineMap::get(rank, 0, exprs, context),
                                   identity};
    return linalg::GenericOp::create(
               b, loc, empty.getType(), source, empty, maps, loops,
               [](OpBuilder &b, Location at, ValueRange args) {
                 linalg::YieldOp::create(b, at, args[0]);
               })
        .getResult(0);
  }
  // The last panel reaches beyond the source: read inside, select zero.
  return linalg::GenericOp::create(
             b, loc, empty.getType(), ValueRange{}, empty, identity, loops,
             [&](OpBuilder &b, Location at, ValueRange) {
               SmallVector<Value> indices(type.getRank());
               for (auto [index, other] : llvm::enumerate(others))
                 indices[other] = linalg::IndexOp::create(b, at, index + 1);
               Value outer = linalg::IndexOp::create(b, at, 0);
               Value inner = linalg::IndexOp::create(b, at, rank - 1);
               Value width = arith::ConstantIndexOp::create(b, at, panel);
               Value at0 = arith::MulIOp::create(b, at, outer, width);
               Value index = arith::AddIOp::create(b, at, at0, inner);
               Value last = arith::ConstantIndexOp::create(b, at, extent - 1);
               Value inside = arith::CmpIOp::create(
                   b, at, arith::CmpIPredicate::ule, index, last);
               indices[dim] = arith::MinUIOp::create(b, at, index, last);
               Value value = tensor::ExtractOp::create(b, at, source, indices);
               Value zero = arith::ConstantOp::create(
                   b, at, b.getZeroAttr(type.getElementType()));
               linalg::YieldOp::create(b, at,
                                       ValueRange{arith::SelectOp::create(
                                           b, at, inside, value, zero)});
             })
      .getResult(0);
}

/// The last parallel loop that only the right operand has.
static std::optional<unsigned> findColumnLoop(const LoopModel &model,
                                              AffineMap left, AffineMap right) {
  for (unsigned loop = model.loops.size(); loop-- > 0;)
    if (model.loops[loop] == LoopKind::Parallel &&
        !left.isFunctionOfDim(loop) && getPureResult(right, loop))
      return loop;
  return std::nullopt;
}

template <typename OpTy> static bool packOperand(OpTy op) {
  auto model = getLoopModel(op);
  if (!model || op.getInputs().size() < 2)
    return false;
  Value right = op.getInputs()[1];
  auto type = dyn_cast<RankedTensorType>(right.getType());
  if (!type || !type.hasStaticShape() || !isConstantExpression(right))
    return false;
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  AffineMap left = maps[0], access = maps[1];
  if (!access.isProjectedPermutation())
    return false;
  OpBuilder b(op);
  b.setInsertionPointAfterValue(right);
  MLIRContext *context = op.getContext();

  // Reduced dims in the order the register block walks them: those that slide
  // over the input first, then those that are contiguous in it.
  auto slides = [&](int64_t dim) {
    unsigned loop = access.getDimPosition(dim);
    for (AffineExpr expr : left.getResults())
      if (!isa<AffineDimExpr>(expr) && expr.isFunctionOfDim(loop))
        return true;
    return false;
  };
  SmallVector<int64_t> order;
  for (int64_t dim = 0; dim < type.getRank(); ++dim)
    order.push_back(dim);
  auto precedes = [](auto first) {
    return [first](int64_t a, int64_t b) {
      return std::make_pair(!first(a), a) < std::make_pair(!first(b), b);
    };
  };
  llvm::sort(order, precedes(slides));

  auto schedule = op->template getAttrOfType<DictionaryAttr>(kScheduleAttr);
  IntegerAttr panelAttr =
      schedule ? schedule.template getAs<IntegerAttr>("rhs_panel")
               : IntegerAttr();
  std::optional<unsigned> column = findColumnLoop(*model, left, access);
  SmallVector<AffineExpr> exprs;
  Value packed;
  if (panelAttr && column) {
    int64_t panel = panelAttr.getInt();
    int64_t dim = *getPureResult(access, *column);
    AffineExpr loop = b.getAffineDimExpr(*column);
    SmallVector<int64_t> others;
    exprs.push_back(loop.floorDiv(panel));
    for (int64_t other : order)
      if (other != dim) {
        others.push_back(other);
        exprs.push_back(access.getResult(other));
      }
    exprs.push_back(loop % panel);
    packed = packConstant(b, op.getLoc(), right, dim, others, panel);
  } else if (schedule && !column && isa<WindowOp>(op.getOperation())) {
    // One filter for each channel: channels lie last, as in the input.
    llvm::sort(order, precedes([&](int64_t dim) {
                 return model->loops[access.getDimPosition(dim)] ==
                        LoopKind::Reduction;
               }));
    SmallVector<int64_t> natural =
        llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
    if (order == natural)
      return false;
    for (int64_t dim : order)
      exprs.push_back(access.getResult(dim));
    packed = permuteConstant(b, op.getLoc(), right, order);
  } else {
    return false;
  }
  maps[1] = AffineMap::get(access.getNumDims(), 0, exprs, context);
  op.getInputsMutable().slice(1, 1).assign(packed);
  op.setIndexingMapsAttr(b.getAffineMapArrayAttr(maps));
  return true;
}

namespace {
struct PackConstants : mercer::impl::MercerPackConstantsBase<PackConstants> {
  void runOnOperation() override {
    getOperation()->walk([&](Operation *op) {
      if (auto contract = dyn_cast<ContractOp>(op))
        numPacked += packOperand(contract);
      else if (auto window = dyn_cast<WindowOp>(op))
        numPacked += packOperand(window);
    });
  }
};
} // namespace
