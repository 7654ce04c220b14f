//===- DecomposePairwise.cpp - the online loop over column tiles ----------===//
//
// For each row tile: transpose row operands once, then sweep column tiles:
// inner reductions, score, mask, one step of every reduction. Nothing larger
// than a tile of scores exists. Where the results are the scores themselves
// (Gram) tiles of the result take the place of the sweep.
//
//===----------------------------------------------------------------------===//

#include "dialects/mercer/IR/TargetInfo.h"
#include "passes/decompose/PairwiseMask.h"
#include "passes/decompose/PairwiseTile.h"
#include "passes/decompose/Passes.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SmallPtrSet.h"

#include <functional>
#include <limits>
#include <vector>

using namespace mlir;
using namespace mercer;

namespace {

/// Column tile: K, V and S tiles of 64 x 64 f32 are 16 KiB each and stay in
/// L1/L2 together (64 to 128 columns measured alike on Sapphire Rapids).
constexpr int64_t kColTile = 64;
/// Fewer rows than this leave the lanes of a vector empty.
constexpr int64_t kFewRows = 4;
/// Longer feature or value loops are cut so that scratch stays bounded.
constexpr int64_t kLongLoop = 1024;
constexpr int64_t kLongTile = 256;

class PairwiseDecomposer {
public:
  PairwiseDecomposer(RewriterBase &b, PairwiseOp op)
      : b(b), op(op), tile(b, op), t(tile.t) {}

  /// Decides, and allocates scratch. `fewRows`: the code is for at most
  /// kFewRows rows whatever the op says.
  LogicalResult prepare(bool fewRows);
  /// The loops, at the insertion point.
  FailureOr<SmallVector<Value>> build();
  /// Whether the number of rows is known at run time only, and may be few.
  bool mayHaveFewRows() {
    return !storesScores && tile.rowsInLanes &&
           !getConstantIntValue(extents[tile.rowLoop]);
  }
  OpFoldResult rows() { return extents[tile.rowLoop]; }
  bool skipsEmptyTiles() const { return skips; }

private:
  LogicalResult classify();
  void chooseTiles(bool fewRows);
  LogicalResult makeReductions();
  void foldScales();
  SmallVector<Value> nest(unsigned depth, SmallVector<Value> outputs);
  FailureOr<SmallVector<Value>> sweep(SmallVector<Value> outputs);
  FailureOr<SmallVector<Value>> storeScores(SmallVector<Value> outputs);

  LogicalResult prepareRow();
  FailureOr<Access> packed(unsigned input, InnerAttr inner);
  FailureOr<Value> innerScores(unsigned k, unsigned firstInput, Value buffer);
  FailureOr<Value> contract(unsigned k, unsigned firstInput, Value scores);
  FailureOr<Value> scores(Value destination);
  FailureOr<Value> applyMask(Value scores, double neutral);
  FailureOr<Value> maskTile(Value scores, bool always, Value fullLow,
                            Value fullHigh);
  LogicalResult stepAll(Value scores, SmallVectorImpl<Value> &states);
  SmallVector<Value> inlineHere(OpBuilder &at, Region &region,
                                ValueRange arguments, ArrayRef<unsigned> loops);
  LogicalResult prepareCaptures();
  Value position(unsigned loop) { return t.index(tile.offsets[loop]); }

  RewriterBase &b;
  PairwiseOp op;
  PairwiseTile tile;
  TileBuilder &t;
  bool storesScores = false;
  bool failedInside = false;
  bool skips = false;
  SmallVector<OpFoldResult> extents;
  SmallVector<int64_t> tileSizes;
  SmallVector<unsigned> looped;
  std::vector<PairwiseReduction> reductions;
  /// Per inner reduction: score buffer. Per input: transposed rows, or null.
  SmallVector<Value> innerBuffers, rowBuffers;
  SmallVector<Value> rowTiles;
  Value copyBuffer;
  /// Constant factors of the score that packing takes in: per input, and the
  /// multiplications that they stand for.
  SmallVector<std::optional<double>> rowScales;
  llvm::SmallPtrSet<Operation *, 2> foldedScales;
  /// Per capture: its value where it is one scalar for the whole tile.
  SmallVector<Value> scalarCaptures;
};

LogicalResult PairwiseDecomposer::classify() {
  SmallVector<unsigned> rows, cols;
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop) {
    if (op.getPairDim(loop) == PairDim::Row)
      rows.push_back(loop);
    if (op.getPairDim(loop) == PairDim::Col)
      cols.push_back(loop);
  }
  if (rows.size() != 1 || cols.size() != 1)
    return op.emitOpError("[E3203] expects one row and one column loop to be "
                          "lowered, got ")
           << rows.size() << " and " << cols.size();
  unsigned row = rows[0], col = cols[0];
  SmallVector<ReductionAttr> attrs = op.getReductionAttrs();
  storesScores = llvm::all_of(attrs, [](ReductionAttr attr) {
    return attr.getKind() == ReduceKind::None;
  });
  bool keepsRow = true, keepsCol = true, anyRow = false, anyCol = false;
  for (unsigned i = 0; i < op.getOutputs().size(); ++i) {
    bool hasRow = op.getOutputMap(i).isFunctionOfDim(row);
    bool hasCol = op.getOutputMap(i).isFunctionOfDim(col);
    keepsRow &= hasRow;
    keepsCol &= hasCol;
    anyRow |= hasRow;
    anyCol |= hasCol;
  }
  if (storesScores) {
    if (op.getOutputs().size() != 1 || !keepsRow || !keepsCol)
      return op.emitOpError("[E3203] expects one output over rows and columns "
                            "for reduction 'none' to be lowered");
    if (!op.getMask().empty() && !op.getScoreType().isIntOrFloat())
      return failure();
    // The inner dim of the result goes into the lanes.
    auto inner =
        dyn_cast<AffineDimExpr>(op.getOutputMap(0).getResults().back());
    bool rowInner = inner && inner.getPosition() == row;
    tile.rowLoop = rowInner ? row : col;
    tile.colLoop = rowInner ? col : row;
    return success();
  }
  if (keepsRow && !anyCol) {
    tile.rowLoop = row;
    tile.colLoop = col;
  } else if (keepsCol && !anyRow) {
    tile.rowLoop = col;
    tile.colLoop = row;
  } else {
    return op.emitOpError(
        "[E3203] expects all results to keep the rows, or all "
        "to keep the columns, to be lowered");
  }
  return success();
}

LogicalResult PairwiseDecomposer::makeReductions() {
  if (storesScores)
    return success();
  SmallVector<ReductionAttr> attrs = op.getReductionAttrs();
  bool masked = !op.getMask().empty();
  std::optional<double> neutral;
  unsigned value = 0, output = 0;
  for (unsigned k = 0; k < attrs.size(); ++k) {
    reductions.emplace_back(tile, k, value, output);
    value += attrs[k].getValues();
    output += op.getNumOutputs(k);
    std::optional<double> own = reductions.back().neutral();
    if (attrs[k].getKind() == ReduceKind::None)
      return op.emitOpError(
          "[E3203] cannot be lowered with 'none' beside other "
          "reductions");
    if (masked && (!own || (neutral && *neutral != *own)))
      return op.emitOpError("[E3203] cannot be lowered with a mask and these "
                            "reductions: there is no score that all of them "
                            "ignore");
    neutral = own;
  }
  return success();
}

void PairwiseDecomposer::chooseTiles(bool fewRows) {
  unsigned numLoops = op.getNumLoops();
  tile.bounds.assign(numLoops, -1);
  tileSizes.assign(numLoops, 0);
  // Rows x (features + values) decide what a row tile keeps in the cache.
  int64_t width = 0;
  for (unsigned loop = 0; loop < numLoops; ++loop) {
    PairDim role = op.getPairDim(loop);
    if (role != PairDim::Feature && role != PairDim::Value)
      continue;
    std::optional<int64_t> bound = getUpperBound(extents[loop]);
    width += bound ? std::min(*bound, kLongLoop) : kLongTile;
  }
  int64_t rowTile = width <= 512 ? 64 : width <= 1024 ? 32 : 16;
  int64_t colTile = kColTile;
  for (Operation *parent = op; parent; parent = parent->getParentOp()) {
    auto schedule = parent->getAttrOfType<DictionaryAttr>("mercer.schedule");
    auto sizes = schedule ? schedule.getAs<DenseI64ArrayAttr>("reduction")
                          : DenseI64ArrayAttr();
    if (!sizes || sizes.size() != 2)
      continue;
    rowTile = sizes[0] > 0 ? sizes[0] : rowTile;
    colTile = sizes[1] > 0 ? sizes[1] : colTile;
    break;
  }
  for (unsigned loop = 0; loop < numLoops; ++loop) {
    std::optional<int64_t> bound = getUpperBound(extents[loop]);
    if (fewRows && loop == tile.rowLoop)
      bound = bound ? std::min(*bound, kFewRows) : kFewRows;
    int64_t size = 0;
    switch (op.getPairDim(loop)) {
    case PairDim::Batch:
      size = 1;
      break;
    case PairDim::Feature:
      // Cut inside the inner reduction instead.
      tile.bounds[loop] = bound && *bound <= kLongLoop ? *bound : kLongTile;
      tileSizes[loop] = tile.bounds[loop];
      continue;
    case PairDim::Value:
      size = bound && *bound <= kLongLoop ? std::max<int64_t>(*bound, 1)
                                          : kLongTile;
      break;
    case PairDim::Row:
    case PairDim::Col:
      size = loop == tile.rowLoop ? rowTile : colTile;
      break;
    }
    if (bound)
      size = std::min(size, std::max<int64_t>(*bound, 1));
    tileSizes[loop] = size;
    tile.bounds[loop] = size;
    bool swept = loop == tile.colLoop && !storesScores;
    if (!swept && !(bound && *bound <= size))
      looped.push_back(loop);
  }
  std::optional<int64_t> rows = getUpperBound(extents[tile.rowLoop]);
  tile.rowsInLanes = storesScores || (!fewRows && (!rows || *rows > kFewRows));
}

/// A constant factor on a dot product is cheaper on the packed rows, once a row
/// tile, than on every score.
void PairwiseDecomposer::foldScales() {
  rowScales.assign(op.getInputs().size(), std::nullopt);
  if (op.getScore().empty())
    return;
  unsigned input = 0;
  for (auto [k, inner] : llvm::enumerate(op.getInnerAttrs())) {
    unsigned first = input;
    input += inner.getOperands();
    BlockArgument value = op.getScore().front().getArgument(k);
    if (inner.getKind() != InnerKind::Dot || !value.hasOneUse())
      continue;
    auto product = dyn_cast<arith::MulFOp>(*value.user_begin());
    if (!product)
      continue;
    Value factor =
        product.getLhs() == value ? product.getRhs() : product.getLhs();
    FloatAttr constant;
    if (!matchPattern(factor, m_Constant(&constant)))
      continue;
    for (unsigned i = first; i < input; ++i) {
      if (!rowBuffers[i])
        continue;
      rowScales[i] = constant.getValueAsDouble();
      foldedScales.insert(product);
      break;
    }
  }
}

LogicalResult PairwiseDecomposer::prepare(bool fewRows) {
  if (failed(classify()))
    return failure();
  FailureOr<SmallVector<LoopSource>> sources = getLoopSources(
      op->getOperands(), op.getIndexingMapsArray(), op.getNumLoops(), {});
  if (failed(sources))
    return failure();
  extents = getLoopExtents(b, op.getLoc(), op->getOperands(), *sources);
  chooseTiles(fewRows);
  if (failed(makeReductions()))
    return failure();
  tile.offsets.assign(op.getNumLoops(), b.getIndexAttr(0));
  tile.sizes = extents;
  tile.marker = arith::ConstantIndexOp::create(b, op.getLoc(), 0);

  // Scratch that lives as long as the op.
  TargetInfo target = TargetInfo::get(op);
  SmallVector<unsigned> scoreLoops = tile.scoreLoops();
  unsigned input = 0;
  for (auto [k, inner] : llvm::enumerate(op.getInnerAttrs())) {
    bool inPlace =
        storesScores && k == 0 &&
        getElementTypeOrSelf(op.getOutputs()[0].getType()) == inner.getType() &&
        op.getScoreType() == inner.getType();
    innerBuffers.push_back(
        inPlace ? Value() : tile.allocate(scoreLoops, inner.getType()));
    for (int64_t i = 0; i < inner.getOperands(); ++i, ++input) {
      AffineMap map = op.getInputMap(input);
      bool row = map.isFunctionOfDim(tile.rowLoop) &&
                 !map.isFunctionOfDim(tile.colLoop);
      auto last = dyn_cast_or_null<AffineDimExpr>(row ? map.getResults().back()
                                                      : AffineExpr());
      bool contiguous = last && last.getPosition() == tile.rowLoop;
      // Workgroups bring operands to shared memory themselves.
      if (!tile.rowsInLanes || !row || contiguous || target.isGpu()) {
        rowBuffers.push_back(Value());
        continue;
      }
      SmallVector<unsigned> loops = tile.loopsOf(map, PairDim::Feature);
      loops.push_back(tile.rowLoop);
      Type type = inner.getKind() == InnerKind::Custom
                      ? getElementTypeOrSelf(op.getInputs()[input].getType())
                      : inner.getType();
      rowBuffers.push_back(tile.allocate(loops, type));
    }
  }
  foldScales();
  if (innerBuffers.empty() ||
      op.getScoreType() != op.getInnerAttrs()[0].getType())
    copyBuffer = tile.allocate(scoreLoops, op.getScoreType());
  for (PairwiseReduction &reduction : reductions)
    reduction.allocate();
  if (llvm::count_if(reductions, [](const PairwiseReduction &reduction) {
        return reduction.overwritesScores();
      }) > 1)
    return op.emitOpError(
        "[E3203] cannot be lowered with more than one softmax "
        "or logsumexp");

  return success();
}

FailureOr<SmallVector<Value>> PairwiseDecomposer::build() {
  SmallVector<Value> results = nest(0, SmallVector<Value>(op.getOutputs()));
  if (failedInside)
    return failure();
  return results;
}

SmallVector<Value> PairwiseDecomposer::nest(unsigned depth,
                                            SmallVector<Value> outputs) {
  if (failedInside)
    return outputs;
  if (depth == looped.size()) {
    FailureOr<SmallVector<Value>> results =
        storesScores ? storeScores(outputs) : sweep(outputs);
    if (failed(results)) {
      failedInside = true;
      return outputs;
    }
    return *results;
  }
  unsigned loop = looped[depth];
  int64_t size = tileSizes[loop];
  OpFoldResult oldOffset = tile.offsets[loop], oldSize = tile.sizes[loop];
  SmallVector<Value> results = t.loop(
      t.index(int64_t(0)), t.index(extents[loop]), t.index(size), outputs,
      [&](Value iv, ValueRange carried) {
        tile.offsets[loop] = iv;
        std::optional<int64_t> extent = getConstantIntValue(extents[loop]);
        tile.sizes[loop] =
            size == 1 || (extent && *extent % size == 0)
                ? OpFoldResult(b.getIndexAttr(size))
                : t.min({b.getIndexAttr(size), t.sub(extents[loop], iv)});
        return nest(depth + 1, SmallVector<Value>(carried));
      });
  tile.offsets[loop] = oldOffset;
  tile.sizes[loop] = oldSize;
  return results;
}

LogicalResult PairwiseDecomposer::prepareCaptures() {
  scalarCaptures.assign(op.getCaptures().size(), Value());
  for (auto [k, capture] : llvm::enumerate(op.getCaptures())) {
    if (!isa<RankedTensorType>(capture.getType())) {
      scalarCaptures[k] = capture;
      continue;
    }
    AffineMap map = op.getCaptureMap(k);
    if (map.isFunctionOfDim(tile.rowLoop) || map.isFunctionOfDim(tile.colLoop))
      continue;
    FailureOr<Access> access = tile.access(capture, map);
    if (failed(access))
      return failure();
    scalarCaptures[k] =
        tensor::ExtractOp::create(b, op.getLoc(), access->tensor, ValueRange());
  }
  return success();
}

LogicalResult PairwiseDecomposer::prepareRow() {
  rowTiles.assign(op.getInputs().size(), Value());
  unsigned input = 0;
  for (InnerAttr inner : op.getInnerAttrs())
    for (int64_t i = 0; i < inner.getOperands(); ++i, ++input) {
      bool cut = false;
      for (unsigned loop :
           tile.loopsOf(op.getInputMap(input), PairDim::Feature)) {
        std::optional<int64_t> bound = getUpperBound(extents[loop]);
        cut |= !bound || *bound > tile.bounds[loop];
      }
      if (!rowBuffers[input] || cut)
        continue;
      FailureOr<Access> rows = packed(input, inner);
      if (failed(rows))
        return failure();
      rowTiles[input] = rows->tensor;
    }
  return success();
}

/// The rows of `input` transposed into their buffer: [feature..., row].
FailureOr<Access> PairwiseDecomposer::packed(unsigned input, InnerAttr inner) {
  AffineMap map = op.getInputMap(input);
  FailureOr<Access> rows = tile.access(op.getInputs()[input], map);
  if (failed(rows))
    return failure();
  SmallVector<unsigned> loops = tile.loopsOf(map, PairDim::Feature);
  loops.push_back(tile.rowLoop);
  Value buffer = tile.slice(rowBuffers[input], loops);
  Type type = getElementTypeOrSelf(buffer.getType());
  Value turned =
      t.generic(loops, {*rows}, {{buffer, tile.over(loops)}},
                [&](OpBuilder &at, ValueRange v) {
                  TileBuilder inside(at, t.loc);
                  Value x = inside.convert(v[0], type);
                  if (rowScales[input])
                    x = arith::MulFOp::create(
                        at, t.loc, x, inside.constant(type, *rowScales[input]));
                  return SmallVector<Value>{x};
                })[0];
  return Access{turned, tile.over(loops)};
}

/// scores = scores (+) pair(a, b) over the features of this tile.
FailureOr<Value> PairwiseDecomposer::contract(unsigned k, unsigned firstInput,
                                              Value scores) {
  InnerAttr inner = op.getInnerAttrs()[k];
  SmallVector<unsigned> loops = tile.scoreLoops();
  SmallVector<Access> inputs;
  for (int64_t i = 0; i < inner.getOperands(); ++i) {
    unsigned input = firstInput + i;
    AffineMap map = op.getInputMap(input);
    SmallVector<unsigned> features = tile.loopsOf(map, PairDim::Feature);
    for (unsigned loop : features)
      if (!llvm::is_contained(loops, loop))
        loops.push_back(loop);
    if (rowTiles[input]) {
      features.push_back(tile.rowLoop);
      inputs.push_back({rowTiles[input], tile.over(features)});
      continue;
    }
    FailureOr<Access> access = rowBuffers[input]
                                   ? packed(input, inner)
                                   : tile.access(op.getInputs()[input], map);
    if (failed(access))
      return failure();
    inputs.push_back(*access);
  }
  Type type = inner.getType();
  bool isFloat = isa<FloatType>(type);
  Location loc = t.loc;
  return t.generic(
      loops, inputs, {{scores, tile.over(tile.scoreLoops())}},
      [&](OpBuilder &at, ValueRange v) {
        TileBuilder inside(at, loc);
        Value pair;
        if (inner.getKind() == InnerKind::Custom) {
          pair = inlineHere(at, *op.getPairRegion(k),
                            v.take_front(inputs.size()), loops)[0];
        } else {
          Value x = inside.convert(v[0], type);
          Value y = inside.convert(v[1], type);
          if (inner.getKind() == InnerKind::Dot) {
            pair = isFloat ? arith::MulFOp::create(at, loc, x, y).getResult()
                           : arith::MulIOp::create(at, loc, x, y).getResult();
          } else {
            Value d = isFloat
                          ? arith::SubFOp::create(at, loc, x, y).getResult()
                          : arith::SubIOp::create(at, loc, x, y).getResult();
            bool square = inner.getKind() == InnerKind::SqDist;
            if (isFloat)
              pair = square ? arith::MulFOp::create(at, loc, d, d).getResult()
                            : math::AbsFOp::create(at, loc, d).getResult();
            else
              pair = square ? arith::MulIOp::create(at, loc, d, d).getResult()
                            : math::AbsIOp::create(at, loc, d).getResult();
          }
        }
        Value old = v.back(), next;
        switch (inner.getMonoid()) {
        case Monoid::Sum:
          next = isFloat
                     ? arith::AddFOp::create(at, loc, old, pair).getResult()
                     : arith::AddIOp::create(at, loc, old, pair).getResult();
          break;
        case Monoid::Max:
          next = isFloat
                     ? arith::MaximumFOp::create(at, loc, old, pair).getResult()
                     : arith::MaxSIOp::create(at, loc, old, pair).getResult();
          break;
        case Monoid::Min:
          next = isFloat
                     ? arith::MinimumFOp::create(at, loc, old, pair).getResult()
                     : arith::MinSIOp::create(at, loc, old, pair).getResult();
          break;
        }
        return SmallVector<Value>{next};
      })[0];
}

FailureOr<Value>
PairwiseDecomposer::innerScores(unsigned k, unsigned firstInput, Value buffer) {
  InnerAttr inner = op.getInnerAttrs()[k];
  constexpr double inf = std::numeric_limits<double>::infinity();
  double identity = inner.getMonoid() == Monoid::Sum   ? 0
                    : inner.getMonoid() == Monoid::Max ? -inf
                                                       : inf;
  Value scores = t.fill(buffer, numberAttr(inner.getType(), identity));
  // The one feature loop that is too long for a tile, if there is one.
  SmallVector<unsigned> cut;
  for (int64_t i = 0; i < inner.getOperands(); ++i)
    for (unsigned loop :
         tile.loopsOf(op.getInputMap(firstInput + i), PairDim::Feature)) {
      std::optional<int64_t> bound = getUpperBound(extents[loop]);
      if ((!bound || *bound > tile.bounds[loop]) &&
          !llvm::is_contained(cut, loop))
        cut.push_back(loop);
    }
  std::function<FailureOr<Value>(unsigned, Value)> over =
      [&](unsigned depth, Value carried) -> FailureOr<Value> {
    if (depth == cut.size())
      return contract(k, firstInput, carried);
    unsigned loop = cut[depth];
    OpFoldResult oldOffset = tile.offsets[loop], oldSize = tile.sizes[loop];
    int64_t size = tileSizes[loop];
    bool bad = false;
    Value result = t.loop(
        t.index(int64_t(0)), t.index(extents[loop]), t.index(size), carried,
        [&](Value iv, ValueRange inside) {
          tile.offsets[loop] = iv;
          std::optional<int64_t> extent = getConstantIntValue(extents[loop]);
          tile.sizes[loop] =
              extent && *extent % size == 0
                  ? OpFoldResult(b.getIndexAttr(size))
                  : t.min({b.getIndexAttr(size), t.sub(extents[loop], iv)});
          FailureOr<Value> next = over(depth + 1, inside[0]);
          bad |= failed(next);
          return SmallVector<Value>{failed(next) ? inside[0] : *next};
        })[0];
    tile.offsets[loop] = oldOffset;
    tile.sizes[loop] = oldSize;
    if (bad)
      return failure();
    return result;
  };
  return over(0, scores);
}

/// Clones a region; positions become those of the generic over `loops`.
SmallVector<Value> PairwiseDecomposer::inlineHere(OpBuilder &at, Region &region,
                                                  ValueRange arguments,
                                                  ArrayRef<unsigned> loops) {
  IRMapping mapping;
  mapping.map(region.front().getArguments(), arguments);
  for (Operation &inner : region.front().without_terminator()) {
    if (foldedScales.contains(&inner)) {
      // The one operand that is the inner reduction's value has it already.
      for (Value operand : inner.getOperands())
        if (isa<BlockArgument>(operand) && operand.getParentRegion() == &region)
          mapping.map(inner.getResult(0), mapping.lookup(operand));
      continue;
    }
    auto index = dyn_cast<IndexOp>(inner);
    if (!index) {
      at.clone(inner, mapping);
      continue;
    }
    unsigned loop = index.getDim();
    TileBuilder inside(at, t.loc);
    Value value = inside.index(tile.offsets[loop]);
    auto *where = llvm::find(loops, loop);
    if (where != loops.end()) {
      Value local = linalg::IndexOp::create(at, t.loc, where - loops.begin());
      value = arith::AddIOp::create(at, t.loc, local, value);
    }
    mapping.map(index.getResult(), value);
  }
  return llvm::map_to_vector(
      region.front().getTerminator()->getOperands(),
      [&](Value value) { return mapping.lookupOrDefault(value); });
}

/// Scores of the tile, into `destination` if given, else into scratch.
FailureOr<Value> PairwiseDecomposer::scores(Value destination) {
  SmallVector<unsigned> loops = tile.scoreLoops();
  AffineMap map = tile.over(loops);
  SmallVector<Value> inner;
  unsigned firstInput = 0;
  for (auto [k, attr] : llvm::enumerate(op.getInnerAttrs())) {
    Value buffer =
        innerBuffers[k] ? tile.slice(innerBuffers[k], loops) : destination;
    FailureOr<Value> values = innerScores(k, firstInput, buffer);
    if (failed(values))
      return failure();
    inner.push_back(*values);
    firstInput += attr.getOperands();
  }
  if (op.getScore().empty())
    return inner[0];
  // In place of the first inner reduction where the type is the same.
  bool inPlace = !copyBuffer;
  Operation *result =
      op.getScore().front().getTerminator()->getOperand(0).getDefiningOp();
  if (inPlace && inner.size() == 1 && result && foldedScales.contains(result))
    return inner[0];
  SmallVector<Access> inputs;
  for (unsigned k = inPlace ? 1 : 0; k < inner.size(); ++k)
    inputs.push_back({inner[k], map});
  for (auto [k, capture] : llvm::enumerate(op.getCaptures())) {
    if (scalarCaptures[k])
      continue;
    FailureOr<Access> access = tile.access(capture, op.getCaptureMap(k));
    if (failed(access))
      return failure();
    inputs.push_back(*access);
  }
  Value output = inPlace ? inner[0] : tile.slice(copyBuffer, loops);
  return t.generic(loops, inputs, {{output, map}},
                   [&](OpBuilder &at, ValueRange v) {
                     SmallVector<Value> arguments;
                     unsigned next = 0;
                     if (inPlace)
                       arguments.push_back(v.back());
                     while (arguments.size() < inner.size())
                       arguments.push_back(v[next++]);
                     for (Value scalar : scalarCaptures)
                       arguments.push_back(scalar ? scalar : v[next++]);
                     return inlineHere(at, op.getScore(), arguments, loops);
                   })[0];
}

FailureOr<Value> PairwiseDecomposer::applyMask(Value scores, double neutral) {
  SmallVector<unsigned> loops = tile.scoreLoops();
  AffineMap map = tile.over(loops);
  SmallVector<Access> inputs;
  for (auto [k, capture] : llvm::enumerate(op.getCaptures())) {
    // Only what the mask reads.
    if (scalarCaptures[k] || op.getMask().front().getArgument(k).use_empty())
      continue;
    FailureOr<Access> access = tile.access(capture, op.getCaptureMap(k));
    if (failed(access))
      return failure();
    inputs.push_back(*access);
  }
  Type type = getElementTypeOrSelf(scores.getType());
  return t.generic(
      loops, inputs, {{scores, map}}, [&](OpBuilder &at, ValueRange v) {
        TileBuilder inside(at, t.loc);
        SmallVector<Value> arguments;
        unsigned next = 0;
        for (auto [k, scalar] : llvm::enumerate(scalarCaptures)) {
          BlockArgument argument = op.getMask().front().getArgument(k);
          if (scalar)
            arguments.push_back(scalar);
          else if (argument.use_empty())
            arguments.push_back(inside.constant(argument.getType(), 0));
          else
            arguments.push_back(v[next++]);
        }
        Value keep = inlineHere(at, op.getMask(), arguments, loops)[0];
        return SmallVector<Value>{arith::SelectOp::create(
            at, t.loc, keep, v.back(), inside.constant(type, neutral))};
      })[0];
}

FailureOr<SmallVector<Value>>
PairwiseDecomposer::storeScores(SmallVector<Value> outputs) {
  if (failed(prepareCaptures()) || failed(prepareRow()))
    return failure();
  AffineMap outputMap = op.getOutputMap(0);
  FailureOr<Access> output = tile.access(outputs[0], outputMap);
  if (failed(output))
    return failure();
  // Scores are written where they belong; classify chose the lanes so that the
  // result has their order.
  Value destination = output->tensor;
  bool sameOrder = output->map == tile.over(tile.scoreLoops());
  bool inPlace = !innerBuffers.empty() && !innerBuffers[0];
  if (inPlace && !sameOrder)
    return op.emitOpError("[E3203] has an output whose dims cannot be lowered");
  FailureOr<Value> values = scores(destination);
  if (failed(values))
    return failure();
  if (!op.getMask().empty()) {
    values = applyMask(*values, 0);
    if (failed(values))
      return failure();
  }
  Value result = *values;
  if (!inPlace) {
    Type type = getElementTypeOrSelf(destination.getType());
    result =
        t.generic(tile.scoreLoops(), {{result, tile.over(tile.scoreLoops())}},
                  {*output}, [&](OpBuilder &at, ValueRange v) {
                    TileBuilder inside(at, t.loc);
                    return SmallVector<Value>{inside.convert(v[0], type)};
                  })[0];
  }
  outputs[0] = tile.insert(result, outputs[0], outputMap);
  return outputs;
}

/// The mask on one column tile; skipped at run time where it is full.
FailureOr<Value> PairwiseDecomposer::maskTile(Value scores, bool always,
                                              Value fullLow, Value fullHigh) {
  double neutral = *reductions[0].neutral();
  if (always)
    return applyMask(scores, neutral);
  Location loc = op.getLoc();
  Value start = t.index(tile.offsets[tile.colLoop]);
  Value end =
      arith::AddIOp::create(b, loc, start, t.index(tile.sizes[tile.colLoop]));
  Value before =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, start, fullLow);
  Value after =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sgt, end, fullHigh);
  Value partial = arith::OrIOp::create(b, loc, before, after);
  bool bad = false;
  Value result = t.choose(partial, scores, [&] {
    FailureOr<Value> masked = applyMask(scores, neutral);
    bad = failed(masked);
    return bad ? scores : *masked;
  });
  if (bad)
    return failure();
  return result;
}

/// One step of every reduction; softmax leaves exponentials behind, so that it
/// comes last.
LogicalResult PairwiseDecomposer::stepAll(Value scores,
                                          SmallVectorImpl<Value> &states) {
  for (bool overwriting : {false, true}) {
    unsigned first = 0;
    for (PairwiseReduction &reduction : reductions) {
      unsigned count = reduction.numStates();
      if (reduction.overwritesScores() == overwriting) {
        SmallVector<Value> state(ArrayRef<Value>(states).slice(first, count));
        if (failed(reduction.step(scores, state)))
          return failure();
        llvm::copy(state, states.begin() + first);
      }
      first += count;
    }
  }
  return success();
}

FailureOr<SmallVector<Value>>
PairwiseDecomposer::sweep(SmallVector<Value> outputs) {
  Location loc = op.getLoc();
  unsigned col = tile.colLoop, row = tile.rowLoop;
  if (failed(prepareCaptures()) || failed(prepareRow()))
    return failure();
  SmallVector<Value> states;
  for (PairwiseReduction &reduction : reductions) {
    FailureOr<SmallVector<Value>> state =
        reduction.start(ArrayRef<Value>(outputs).slice(reduction.firstOutput,
                                                       reduction.numOutputs));
    if (failed(state))
      return failure();
    llvm::append_range(states, *state);
  }

  // Columns that some row of the tile sees, and those that all of them see.
  int64_t colTile = tileSizes[col];
  bool masked = !op.getMask().empty();
  Value low = t.index(int64_t(0)), high = t.index(extents[col]);
  Value fullLow = low, fullHigh = high;
  MaskAnalysis mask;
  if (masked)
    mask = analyseMask(b, op, row, col, scalarCaptures,
                       [&](unsigned loop) { return position(loop); });
  if (!mask.bounds.empty()) {
    skips = true;
    Value first = t.index(tile.offsets[row]);
    Value last = arith::AddIOp::create(b, loc, first, t.index(tile.sizes[row]));
    last = arith::SubIOp::create(b, loc, last, t.index(int64_t(1)));
    for (const ColumnBound &bound : mask.bounds) {
      auto at = [&](Value rowValue) -> Value {
        Value scaled =
            arith::MulIOp::create(b, loc, rowValue, t.index(bound.rowFactor));
        return arith::AddIOp::create(b, loc, scaled, bound.rest);
      };
      Value x = at(first), y = at(last);
      Value least = arith::MinSIOp::create(b, loc, x, y);
      Value most = arith::MaxSIOp::create(b, loc, x, y);
      if (bound.isLower) {
        low = arith::MaxSIOp::create(b, loc, low, least);
        fullLow = arith::MaxSIOp::create(b, loc, fullLow, most);
      } else {
        Value one = t.index(int64_t(1));
        high = arith::MinSIOp::create(b, loc, high,
                                      arith::AddIOp::create(b, loc, most, one));
        fullHigh = arith::MinSIOp::create(
            b, loc, fullHigh, arith::AddIOp::create(b, loc, least, one));
      }
    }
    // Whole tiles, so that their sizes stay static; the mask does the rest.
    Value step = t.index(colTile);
    low = arith::DivUIOp::create(b, loc, low, step);
    low = arith::MulIOp::create(b, loc, low, step);
    high = arith::MaxSIOp::create(b, loc, high, t.index(int64_t(0)));
  }
  std::optional<int64_t> extent = getConstantIntValue(extents[col]);
  bool whole = extent && *extent % colTile == 0;
  bool bad = false;
  SmallVector<Value> swept = t.loop(
      low, high, t.index(colTile), states, [&](Value j, ValueRange carried) {
        tile.offsets[col] = j;
        tile.sizes[col] =
            whole ? OpFoldResult(b.getIndexAttr(colTile))
                  : t.min({b.getIndexAttr(colTile), t.sub(extents[col], j)});
        SmallVector<Value> next(carried);
        FailureOr<Value> values = scores(Value());
        if (succeeded(values) && masked)
          values = maskTile(*values, mask.hasOther, fullLow, fullHigh);
        if (failed(values) || failed(stepAll(*values, next)))
          bad = true;
        return next;
      });
  tile.offsets[col] = b.getIndexAttr(0);
  tile.sizes[col] = extents[col];
  if (bad)
    return failure();
  unsigned first = 0;
  for (PairwiseReduction &reduction : reductions) {
    SmallVector<Value> own(ArrayRef<Value>(outputs).slice(
        reduction.firstOutput, reduction.numOutputs));
    if (failed(reduction.finish(
            ArrayRef<Value>(swept).slice(first, reduction.numStates()), own)))
      return failure();
    llvm::copy(own, outputs.begin() + reduction.firstOutput);
    first += reduction.numStates();
  }
  return outputs;
}

} // namespace

FailureOr<PairwiseDecomposition>
mercer::decomposePairwise(RewriterBase &rewriter, PairwiseOp op) {
  PairwiseDecomposer many(rewriter, op);
  if (failed(many.prepare(/*fewRows=*/false)))
    return failure();
  if (!many.mayHaveFewRows()) {
    FailureOr<SmallVector<Value>> results = many.build();
    if (failed(results))
      return failure();
    return PairwiseDecomposition{*results, many.skipsEmptyTiles()};
  }
  // Decoding and prefill, or the last rows of many: one lane in sixteen would
  // be in use, so that both forms are there and the number of rows decides.
  PairwiseDecomposer few(rewriter, op);
  if (failed(few.prepare(/*fewRows=*/true)))
    return failure();
  Location loc = op.getLoc();
  Value rows = getValueOrCreateConstantIndexOp(rewriter, loc, many.rows());
  Value limit = arith::ConstantIndexOp::create(rewriter, loc, kFewRows);
  Value isFew = arith::CmpIOp::create(rewriter, loc, arith::CmpIPredicate::sle,
                                      rows, limit);
  auto ifOp = scf::IfOp::create(rewriter, loc, op.getResultTypes(), isFew,
                                /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointToStart(ifOp.thenBlock());
  FailureOr<SmallVector<Value>> fewResults = few.build();
  if (failed(fewResults))
    return failure();
  scf::YieldOp::create(rewriter, loc, *fewResults);
  rewriter.setInsertionPointToStart(ifOp.elseBlock());
  FailureOr<SmallVector<Value>> manyResults = many.build();
  if (failed(manyResults))
    return failure();
  scf::YieldOp::create(rewriter, loc, *manyResults);
  return PairwiseDecomposition{SmallVector<Value>(ifOp.getResults()),
                               many.skipsEmptyTiles()};
}
