//===- ResultSizes.cpp - sizes of a result without the result -------------===//

#include "passes/schedule/ResultSizes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"

using namespace mlir;

static OpFoldResult combine(OpBuilder &b, Location loc, AffineExpr expr,
                            ArrayRef<OpFoldResult> operands) {
  return affine::makeComposedFoldedAffineApply(b, loc, expr, operands);
}

SmallVector<OpFoldResult> mercer::materializeSizes(OpBuilder &b, Location loc,
                                                   Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.hasStaticShape())
    return getAsIndexOpFoldResult(b.getContext(), type.getShape());
  AffineExpr d0 = b.getAffineDimExpr(0), d1 = b.getAffineDimExpr(1),
             d2 = b.getAffineDimExpr(2);
  Operation *op = value.getDefiningOp();
  SmallVector<OpFoldResult> sizes;
  if (auto empty = dyn_cast_or_null<tensor::EmptyOp>(op)) {
    sizes = empty.getMixedSizes();
  } else if (auto dps = dyn_cast_or_null<DestinationStyleOpInterface>(op)) {
    sizes = materializeSizes(
        b, loc, dps.getTiedOpOperand(cast<OpResult>(value))->get());
  } else if (auto slice = dyn_cast_or_null<tensor::ExtractSliceOp>(op)) {
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    for (auto [dim, size] : llvm::enumerate(slice.getMixedSizes()))
      if (!dropped.test(dim))
        sizes.push_back(size);
  } else if (auto insert = dyn_cast_or_null<tensor::InsertSliceOp>(op)) {
    sizes = materializeSizes(b, loc, insert.getDest());
  } else if (auto cast = dyn_cast_or_null<tensor::CastOp>(op)) {
    if (isa<RankedTensorType>(cast.getSource().getType()))
      sizes = materializeSizes(b, loc, cast.getSource());
  } else if (auto expand = dyn_cast_or_null<tensor::ExpandShapeOp>(op)) {
    sizes = expand.getMixedOutputShape();
  } else if (auto collapse = dyn_cast_or_null<tensor::CollapseShapeOp>(op)) {
    SmallVector<OpFoldResult> source =
        materializeSizes(b, loc, collapse.getSrc());
    for (const ReassociationIndices &group :
         collapse.getReassociationIndices()) {
      OpFoldResult product = b.getIndexAttr(1);
      for (int64_t dim : group)
        product = combine(b, loc, d0 * b.getAffineSymbolExpr(0),
                          {product, source[dim]});
      sizes.push_back(product);
    }
  } else if (auto pad = dyn_cast_or_null<tensor::PadOp>(op)) {
    SmallVector<OpFoldResult> source =
        materializeSizes(b, loc, pad.getSource());
    for (auto [size, low, high] :
         llvm::zip_equal(source, pad.getMixedLowPad(), pad.getMixedHighPad()))
      sizes.push_back(combine(b, loc, d0 + d1 + d2, {size, low, high}));
  } else if (auto concat = dyn_cast_or_null<tensor::ConcatOp>(op)) {
    sizes = materializeSizes(b, loc, concat.getInputs().front());
    for (Value input : concat.getInputs().drop_front())
      sizes[concat.getDim()] =
          combine(b, loc, d0 + d1,
                  {sizes[concat.getDim()],
                   materializeSizes(b, loc, input)[concat.getDim()]});
  } else if (auto generate = dyn_cast_or_null<tensor::GenerateOp>(op)) {
    unsigned next = 0;
    for (int64_t size : type.getShape())
      sizes.push_back(ShapedType::isDynamic(size)
                          ? OpFoldResult(generate.getDynamicExtents()[next++])
                          : OpFoldResult(b.getIndexAttr(size)));
  }
  if (sizes.empty() && type.getRank() != 0)
    sizes = tensor::getMixedSizes(b, loc, value);
  // What the type knows is better than how it was computed.
  for (auto [dim, size] : llvm::enumerate(type.getShape()))
    if (!ShapedType::isDynamic(size))
      sizes[dim] = b.getIndexAttr(size);
  return sizes;
}

void mercer::resolveDims(Operation *root) {
  IRRewriter rewriter(root->getContext());
  SmallVector<tensor::DimOp> dims;
  root->walk([&](tensor::DimOp op) { dims.push_back(op); });
  for (tensor::DimOp dim : dims) {
    std::optional<int64_t> index = dim.getConstantIndex();
    if (!index || !isa<RankedTensorType>(dim.getSource().getType()) ||
        !dim.getSource().getDefiningOp())
      continue;
    rewriter.setInsertionPoint(dim);
    SmallVector<OpFoldResult> sizes =
        materializeSizes(rewriter, dim.getLoc(), dim.getSource());
    if (*index < 0 || *index >= (int64_t)sizes.size())
      continue;
    Value size =
        getValueOrCreateConstantIndexOp(rewriter, dim.getLoc(), sizes[*index]);
    if (size != dim.getResult())
      rewriter.replaceOp(dim, size);
  }
}
