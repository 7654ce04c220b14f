//===- SugarOps.cpp - attention, conv, gram, kernel_matvec ----------------===//

#include "dialects/mercer/IR/LoopMaps.h"
#include "dialects/mercer/IR/Mercer.h"
#include "dialects/mercer/IR/RegionUtils.h"

using namespace mlir;
using namespace mercer;

/// Whether two sizes can be the same at run time.
static bool agree(int64_t a, int64_t b) {
  return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b;
}

static LogicalResult verifySize(Operation *op, StringRef what, int64_t expected,
                                int64_t got) {
  if (agree(expected, got))
    return success();
  return op->emitOpError("expects ")
         << what << " to be " << expected << ", got " << got;
}

//===----------------------------------------------------------------------===//
// AttentionOp
//===----------------------------------------------------------------------===//

void AttentionOp::build(OpBuilder &b, OperationState &state, Value query,
                        Value key, Value value, Value mask, Value init) {
  state.addOperands({query, key, value});
  if (mask)
    state.addOperands(mask);
  state.addOperands(init);
  auto &properties = state.getOrAddProperties<Properties>();
  properties.operandSegmentSizes = {1, 1, 1, mask ? 1 : 0, 0, 0, 1};
  state.addTypes(init.getType());
}

SmallVector<AffineMap> AttentionOp::getMaps() {
  if (std::optional<ArrayAttr> given = getIndexingMaps())
    return llvm::to_vector(given->getAsValueRange<AffineMapAttr>());
  MLIRContext *context = getContext();
  AffineExpr b, h, i, j, f, d;
  bindDims(context, b, h, i, j, f, d);
  auto queryType = cast<RankedTensorType>(getQuery().getType());
  auto keyType = cast<RankedTensorType>(getKey().getType());
  int64_t heads = queryType.getDimSize(1), keyHeads = keyType.getDimSize(1);
  AffineExpr g = h;
  if (!ShapedType::isDynamic(heads) && !ShapedType::isDynamic(keyHeads) &&
      keyHeads > 0 && heads != keyHeads)
    g = keyHeads == 1 ? getAffineConstantExpr(0, context)
                      : h.floorDiv(heads / keyHeads);
  auto map = [&](ArrayRef<AffineExpr> results) {
    return AffineMap::get(6, 0, results, context);
  };
  SmallVector<AffineMap> maps = {map({b, h, i, f}), map({b, g, j, f}),
                                 map({b, g, j, d})};
  if (getMask()) {
    auto type = cast<RankedTensorType>(getMask().getType());
    SmallVector<AffineExpr> loops = {b, h, i, j};
    SmallVector<AffineExpr> results;
    for (int64_t dim = 0; dim < type.getRank(); ++dim) {
      AffineExpr loop = loops[4 - type.getRank() + dim];
      results.push_back(
          type.getDimSize(dim) == 1 ? getAffineConstantExpr(0, context) : loop);
    }
    maps.push_back(map(results));
  }
  maps.push_back(map({b, h, i, d}));
  return maps;
}

LogicalResult AttentionOp::verify() {
  auto query = cast<RankedTensorType>(getQuery().getType());
  auto key = cast<RankedTensorType>(getKey().getType());
  auto value = cast<RankedTensorType>(getValue().getType());
  auto init = cast<RankedTensorType>(getInit().getType());
  if (init != getResult().getType())
    return emitOpError("expects result type ")
           << init << ", got " << getResult().getType();
  if (!isa<FloatType>(query.getElementType()) ||
      query.getElementType() != key.getElementType() ||
      query.getElementType() != value.getElementType())
    return emitOpError("expects query, key and value of one float type, got ")
           << query.getElementType() << ", " << key.getElementType() << " and "
           << value.getElementType();
  if (getKeyLengths()) {
    auto lengths = cast<RankedTensorType>(getKeyLengths().getType());
    if (lengths.getRank() != 1 || !lengths.getElementType().isIntOrIndex())
      return emitOpError("expects key lengths to be one integer a batch entry, "
                         "got ")
             << lengths;
  }
  if (getMask()) {
    Type element = cast<RankedTensorType>(getMask().getType()).getElementType();
    if (!isa<FloatType>(element) && !element.isInteger(1) &&
        !element.isInteger(8))
      return emitOpError("expects a float, i1 or i8 mask, got ") << element;
  }
  if (getIndexingMaps()) {
    SmallVector<AffineMap> maps = getMaps();
    size_t expected = getMask() ? 5 : 4;
    if (maps.size() != expected)
      return emitOpError("expects ")
             << expected << " indexing maps, got " << maps.size();
    SmallVector<Type> types = {query, key, value};
    if (getMask())
      types.push_back(getMask().getType());
    types.push_back(init);
    for (auto [i, map, type] : llvm::enumerate(maps, types))
      if (map.getNumDims() != 6 ||
          map.getNumResults() != cast<RankedTensorType>(type).getRank())
        return emitOpError("expects indexing map ")
               << i << " to take 6 loops to "
               << cast<RankedTensorType>(type).getRank() << " dims, got "
               << AffineMapAttr::get(map);
    return success();
  }
  for (auto [name, type] :
       {std::pair("query", query), std::pair("key", key),
        std::pair("value", value), std::pair("result", init)})
    if (type.getRank() != 4)
      return emitOpError("expects ")
             << name << " of rank 4, [batch, heads, sequence, head size], got "
             << type;
  if (getMask() && cast<RankedTensorType>(getMask().getType()).getRank() > 4)
    return emitOpError("expects a mask of rank at most 4, got ")
           << getMask().getType();
  if (!agree(query.getDimSize(3), key.getDimSize(3)))
    return emitOpError("expects key head size ")
           << key.getDimSize(3) << " to match query head size "
           << query.getDimSize(3);
  if (failed(verifySize(*this, "key batch", query.getDimSize(0),
                        key.getDimSize(0))) ||
      failed(verifySize(*this, "value batch", query.getDimSize(0),
                        value.getDimSize(0))) ||
      failed(verifySize(*this, "number of value heads", key.getDimSize(1),
                        value.getDimSize(1))) ||
      failed(verifySize(*this, "value length", key.getDimSize(2),
                        value.getDimSize(2))) ||
      failed(verifySize(*this, "result head size", value.getDimSize(3),
                        init.getDimSize(3))))
    return failure();
  if (getKeyLengths()) {
    auto lengths = cast<RankedTensorType>(getKeyLengths().getType());
    if (failed(verifySize(*this, "number of key lengths", query.getDimSize(0),
                          lengths.getDimSize(0))))
      return failure();
  }
  for (unsigned dim = 0; dim < 3; ++dim)
    if (!agree(query.getDimSize(dim), init.getDimSize(dim)))
      return emitOpError("expects result dim ")
             << dim << " to be " << query.getDimSize(dim) << ", got "
             << init.getDimSize(dim);
  int64_t heads = query.getDimSize(1), keyHeads = key.getDimSize(1);
  if (!ShapedType::isDynamic(heads) && !ShapedType::isDynamic(keyHeads) &&
      (keyHeads == 0 ? heads != 0 : heads % keyHeads != 0))
    return emitOpError("expects the number of query heads to be a multiple of "
                       "the ")
           << keyHeads << " key heads, got " << heads;
  return success();
}

//===----------------------------------------------------------------------===//
// ConvOp
//===----------------------------------------------------------------------===//

void ConvOp::build(OpBuilder &b, OperationState &state, Value input,
                   Value weight, Value bias, Value init,
                   ArrayRef<int64_t> strides, ArrayRef<int64_t> dilations,
                   ArrayRef<int64_t> pads, int64_t groups, bool transposed) {
  auto attr = [&](ArrayRef<int64_t> values) {
    return values.empty() ? DenseI64ArrayAttr()
                          : b.getDenseI64ArrayAttr(values);
  };
  build(b, state, init.getType(), input, weight, bias, init, attr(strides),
        attr(dilations), attr(pads), groups, Layout::NCHW, transposed);
}

unsigned ConvOp::getNumSpatialDims() {
  return cast<RankedTensorType>(getInput().getType()).getRank() - 2;
}

static SmallVector<int64_t> valuesOr(std::optional<ArrayRef<int64_t>> values,
                                     size_t count, int64_t fallback) {
  if (values)
    return llvm::to_vector(*values);
  return SmallVector<int64_t>(count, fallback);
}

SmallVector<int64_t> ConvOp::getStrideValues() {
  return valuesOr(getStrides(), getNumSpatialDims(), 1);
}
SmallVector<int64_t> ConvOp::getDilationValues() {
  return valuesOr(getDilations(), getNumSpatialDims(), 1);
}
SmallVector<int64_t> ConvOp::getPadValues() {
  return valuesOr(getPads(), 2 * getNumSpatialDims(), 0);
}

LogicalResult ConvOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType());
  auto weight = cast<RankedTensorType>(getWeight().getType());
  auto init = cast<RankedTensorType>(getInit().getType());
  if (init != getResult().getType())
    return emitOpError("expects result type ")
           << init << ", got " << getResult().getType();
  int64_t rank = input.getRank();
  if (rank < 3 || rank > 5)
    return emitOpError("expects an input of rank 3 to 5, got ") << input;
  if (weight.getRank() != rank || init.getRank() != rank)
    return emitOpError("expects weight and result of rank ")
           << rank << ", got " << weight.getRank() << " and " << init.getRank();
  size_t spatial = rank - 2;
  if (getStrideValues().size() != spatial ||
      getDilationValues().size() != spatial ||
      getPadValues().size() != 2 * spatial)
    return emitOpError("expects ")
           << spatial << " strides, " << spatial << " dilations and "
           << 2 * spatial << " pads, got " << getStrideValues().size() << ", "
           << getDilationValues().size() << " and " << getPadValues().size();
  for (int64_t v :
       llvm::concat<const int64_t>(getStrideValues(), getDilationValues()))
    if (v < 1)
      return emitOpError("expects strides and dilations of at least 1, got ")
             << v;
  int64_t groups = getGroups();
  if (groups < 1)
    return emitOpError("expects at least 1 group, got ") << groups;
  bool last = getLayout() == Layout::NHWC;
  int64_t inC = input.getDimSize(last ? rank - 1 : 1);
  int64_t outC = init.getDimSize(last ? rank - 1 : 1);
  int64_t weightIn = weight.getDimSize(getTransposed() ? 0 : 1);
  int64_t weightOut = weight.getDimSize(getTransposed() ? 1 : 0);
  auto times = [&](int64_t size) {
    return ShapedType::isDynamic(size) ? size : size * groups;
  };
  (getTransposed() ? weightOut : weightIn) =
      times(getTransposed() ? weightOut : weightIn);
  if (!ShapedType::isDynamic(inC) && inC % groups != 0)
    return emitOpError("expects input channels to be a multiple of ")
           << groups << " groups, got " << inC;
  if (failed(verifySize(*this, "the weight's input channels times groups", inC,
                        weightIn)) ||
      failed(verifySize(*this, "result channels", weightOut, outC)) ||
      failed(verifySize(*this, "result batch", input.getDimSize(0),
                        init.getDimSize(0))))
    return failure();
  if (!ShapedType::isDynamic(outC) && outC % groups != 0)
    return emitOpError("expects result channels to be a multiple of ")
           << groups << " groups, got " << outC;
  if (getBias()) {
    auto bias = cast<RankedTensorType>(getBias().getType());
    if (bias.getRank() != 1 || !agree(bias.getDimSize(0), outC))
      return emitOpError("expects a bias with the ")
             << outC << " result channels, got " << bias;
  }
  if (!getTransposed()) {
    SmallVector<int64_t> pads = getPadValues();
    for (size_t s = 0; s < spatial; ++s) {
      int64_t in = input.getDimSize(s + (last ? 1 : 2));
      int64_t out = init.getDimSize(s + (last ? 1 : 2));
      int64_t window = weight.getDimSize(s + 2);
      if (ShapedType::isDynamic(in) || ShapedType::isDynamic(out) ||
          ShapedType::isDynamic(window))
        continue;
      int64_t reach = in + pads[s] + pads[s + spatial] -
                      getDilationValues()[s] * (window - 1) - 1;
      int64_t expected = reach < 0 ? 0 : reach / getStrideValues()[s] + 1;
      if (out != expected)
        return emitOpError("expects result size ")
               << expected << " in spatial dim " << s << ", got " << out;
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// GramOp and KernelMatvecOp
//===----------------------------------------------------------------------===//

void GramOp::build(OpBuilder &b, OperationState &state, KernelFn kernel,
                   Value x, Value y, Value init, double gamma) {
  build(b, state, init.getType(), x, y, init, kernel, APFloat(gamma),
        APFloat(0.0), APFloat(3.0), APFloat(1.0));
}

void KernelMatvecOp::build(OpBuilder &b, OperationState &state, KernelFn kernel,
                           Value x, Value y, Value values, Value init,
                           double gamma) {
  build(b, state, init.getType(), x, y, values, init, kernel, APFloat(gamma),
        APFloat(0.0), APFloat(3.0), APFloat(1.0));
}

/// Checks of the points: `x[..., i, f]`, `y[..., j, f]`.
static LogicalResult verifyPoints(Operation *op, Value xValue, Value yValue) {
  auto x = cast<RankedTensorType>(xValue.getType());
  auto y = cast<RankedTensorType>(yValue.getType());
  if (x.getRank() < 2 || y.getRank() != x.getRank())
    return op->emitOpError("expects points of equal rank of at least 2, got ")
           << x << " and " << y;
  if (!isa<FloatType>(x.getElementType()) ||
      x.getElementType() != y.getElementType())
    return op->emitOpError("expects points of one float type, got ")
           << x.getElementType() << " and " << y.getElementType();
  if (!agree(x.getShape().back(), y.getShape().back()))
    return op->emitOpError("expects ")
           << x.getShape().back() << " features in y, got "
           << y.getShape().back();
  for (int64_t dim = 0; dim < x.getRank() - 2; ++dim)
    if (!agree(x.getDimSize(dim), y.getDimSize(dim)))
      return op->emitOpError("expects batch dim ")
             << dim << " of y to be " << x.getDimSize(dim) << ", got "
             << y.getDimSize(dim);
  return success();
}

LogicalResult GramOp::verify() {
  if (failed(verifyPoints(*this, getX(), getY())))
    return failure();
  auto x = cast<RankedTensorType>(getX().getType());
  auto y = cast<RankedTensorType>(getY().getType());
  auto init = cast<RankedTensorType>(getInit().getType());
  if (init != getResult().getType())
    return emitOpError("expects result type ")
           << init << ", got " << getResult().getType();
  int64_t rank = x.getRank();
  if (init.getRank() != rank)
    return emitOpError("expects a result of rank ") << rank << ", got " << init;
  if (failed(verifySize(*this, "the number of result rows",
                        x.getDimSize(rank - 2), init.getDimSize(rank - 2))))
    return failure();
  return verifySize(*this, "the number of result columns",
                    y.getDimSize(rank - 2), init.getDimSize(rank - 1));
}

LogicalResult KernelMatvecOp::verify() {
  if (failed(verifyPoints(*this, getX(), getY())))
    return failure();
  auto x = cast<RankedTensorType>(getX().getType());
  auto y = cast<RankedTensorType>(getY().getType());
  auto v = cast<RankedTensorType>(getValues().getType());
  auto init = cast<RankedTensorType>(getInit().getType());
  if (init != getResult().getType())
    return emitOpError("expects result type ")
           << init << ", got " << getResult().getType();
  int64_t rank = x.getRank();
  if ((v.getRank() != rank && v.getRank() != rank - 1) ||
      init.getRank() != v.getRank())
    return emitOpError("expects values and result of rank ")
           << rank << " or " << rank - 1 << ", got " << v.getRank() << " and "
           << init.getRank();
  if (failed(verifySize(*this, "the number of values", y.getDimSize(rank - 2),
                        v.getDimSize(rank - 2))) ||
      failed(verifySize(*this, "the number of result rows",
                        x.getDimSize(rank - 2), init.getDimSize(rank - 2))))
    return failure();
  if (v.getRank() == rank)
    return verifySize(*this, "the number of result columns",
                      v.getDimSize(rank - 1), init.getDimSize(rank - 1));
  return success();
}
