//===- DecomposeState.cpp - combine and finalize to linalg ----------------===//

#include "passes/decompose/Passes.h"
#include "passes/decompose/TileBuilder.h"

#include "dialects/mercer/IR/LoopMaps.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"

#include <limits>

using namespace mlir;
using namespace mercer;

namespace {

SmallVector<unsigned> allLoops(unsigned count) {
  return llvm::to_vector(llvm::seq<unsigned>(0, count));
}

/// e^(m - shift) with shift the new maximum, or 0 while there is none.
Value weight(OpBuilder &b, Location loc, Value m, Value newMax) {
  TileBuilder t(b, loc);
  Value none = arith::CmpFOp::create(
      b, loc, arith::CmpFPredicate::OEQ, newMax,
      t.constant(m.getType(), -std::numeric_limits<double>::infinity()));
  Value shift =
      arith::SelectOp::create(b, loc, none, t.constant(m.getType(), 0), newMax);
  Value difference = arith::SubFOp::create(b, loc, m, shift);
  Value scaled = arith::MulFOp::create(
      b, loc, difference, t.constant(m.getType(), 1.4426950408889634));
  return math::Exp2Op::create(b, loc, scaled);
}

struct DecomposeCombine : public OpRewritePattern<CombineOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(CombineOp op,
                                PatternRewriter &rewriter) const override {
    TileBuilder t(rewriter, op.getLoc());
    Location loc = op.getLoc();
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    unsigned numLoops = maps.front().getNumDims();
    unsigned states = op.getInputs().size();
    SmallVector<Value> ins(op.getInputs()), outs(op.getOutputs());
    ArrayRef<AffineMap> inMaps = ArrayRef(maps).take_front(states),
                        outMaps = ArrayRef(maps).drop_front(states);
    auto loopsOf = [&](AffineMap a, AffineMap b) {
      SmallVector<unsigned> loops;
      for (unsigned loop = 0; loop < numLoops; ++loop)
        if (a.isFunctionOfDim(loop) || b.isFunctionOfDim(loop))
          loops.push_back(loop);
      return loops;
    };
    ReduceKind kind = op.getReduction().getKind();
    bool isMax = kind == ReduceKind::Max || kind == ReduceKind::ArgMax;
    if (op.getReduction().isSoftmax() || kind == ReduceKind::LogSumExp) {
      // The joint maximum first; then both sides are scaled to it.
      auto type = cast<RankedTensorType>(outs[0].getType());
      Value fresh = makeScratch(rewriter, loc,
                                tensor::getMixedSizes(rewriter, loc, outs[0]),
                                type.getElementType());
      Value oldMax =
          t.generic(loopsOf(outMaps[0], outMaps[0]), {{outs[0], outMaps[0]}},
                    {{fresh, outMaps[0]}}, [&](OpBuilder &, ValueRange v) {
                      return SmallVector<Value>{v[0]};
                    })[0];
      Value newMax =
          t.generic(loopsOf(inMaps[0], outMaps[0]), {{ins[0], inMaps[0]}},
                    {{outs[0], outMaps[0]}}, [&](OpBuilder &b, ValueRange v) {
                      return SmallVector<Value>{
                          arith::MaximumFOp::create(b, loc, v[1], v[0])};
                    })[0];
      SmallVector<Value> results = {newMax};
      for (unsigned k = 1; k < states; ++k) {
        Value scaled =
            t.generic(loopsOf(outMaps[k], outMaps[0]),
                      {{oldMax, outMaps[0]}, {newMax, outMaps[0]}},
                      {{outs[k], outMaps[k]}}, [&](OpBuilder &b, ValueRange v) {
                        return SmallVector<Value>{arith::MulFOp::create(
                            b, loc, v[2], weight(b, loc, v[0], v[1]))};
                      })[0];
        results.push_back(t.generic(
            loopsOf(inMaps[k], outMaps[k]),
            {{ins[0], inMaps[0]}, {newMax, outMaps[0]}, {ins[k], inMaps[k]}},
            {{scaled, outMaps[k]}}, [&](OpBuilder &b, ValueRange v) {
              Value part = arith::MulFOp::create(b, loc, v[2],
                                                 weight(b, loc, v[0], v[1]));
              return SmallVector<Value>{
                  arith::AddFOp::create(b, loc, v[3], part)};
            })[0]);
      }
      rewriter.replaceOp(op, results);
      return success();
    }
    // The others fold all components at once.
    SmallVector<Access> inputs, outputs;
    for (unsigned k = 0; k < states; ++k) {
      inputs.push_back({ins[k], inMaps[k]});
      outputs.push_back({outs[k], outMaps[k]});
    }
    SmallVector<Value> results = t.generic(
        allLoops(numLoops), inputs, outputs,
        [&](OpBuilder &b, ValueRange v) -> SmallVector<Value> {
          ValueRange mine = v.drop_front(states), other = v.take_front(states);
          bool isFloat = isa<FloatType>(mine[0].getType());
          switch (kind) {
          case ReduceKind::Custom: {
            SmallVector<Value> both(mine);
            llvm::append_range(both, other);
            return t.inlineRegion(b, op.getBody(), both);
          }
          case ReduceKind::Sum:
            if (isFloat)
              return {arith::AddFOp::create(b, loc, mine[0], other[0])};
            return {arith::AddIOp::create(b, loc, mine[0], other[0])};
          case ReduceKind::Max:
          case ReduceKind::Min:
            if (isFloat && isMax)
              return {arith::MaximumFOp::create(b, loc, mine[0], other[0])};
            if (isFloat)
              return {arith::MinimumFOp::create(b, loc, mine[0], other[0])};
            if (isMax)
              return {arith::MaxSIOp::create(b, loc, mine[0], other[0])};
            return {arith::MinSIOp::create(b, loc, mine[0], other[0])};
          default: {
            // argmax, argmin: among equals the lower position wins.
            Value better, equal;
            if (isFloat) {
              better = arith::CmpFOp::create(b, loc,
                                             isMax ? arith::CmpFPredicate::OGT
                                                   : arith::CmpFPredicate::OLT,
                                             other[0], mine[0]);
              equal = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ,
                                            other[0], mine[0]);
            } else {
              better = arith::CmpIOp::create(b, loc,
                                             isMax ? arith::CmpIPredicate::sgt
                                                   : arith::CmpIPredicate::slt,
                                             other[0], mine[0]);
              equal = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                            other[0], mine[0]);
            }
            Value lower = arith::CmpIOp::create(
                b, loc, arith::CmpIPredicate::slt, other[1], mine[1]);
            Value tie = arith::AndIOp::create(b, loc, equal, lower);
            Value take = arith::OrIOp::create(b, loc, better, tie);
            return {arith::SelectOp::create(b, loc, take, other[0], mine[0]),
                    arith::SelectOp::create(b, loc, take, other[1], mine[1])};
          }
          }
        });
    rewriter.replaceOp(op, results);
    return success();
  }
};

struct DecomposeFinalize : public OpRewritePattern<FinalizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(FinalizeOp op,
                                PatternRewriter &rewriter) const override {
    TileBuilder t(rewriter, op.getLoc());
    Location loc = op.getLoc();
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    unsigned numLoops = maps.front().getNumDims();
    unsigned states = op.getInputs().size();
    ReduceKind kind = op.getReduction().getKind();
    SmallVector<Value> results;
    for (unsigned k = 0; k < op.getOutputs().size(); ++k) {
      Value output = op.getOutputs()[k];
      AffineMap outMap = maps[states + k];
      // The components that this result needs.
      SmallVector<unsigned> used;
      bool softmax = op.getReduction().isSoftmax();
      if (softmax)
        used =
            k == 0 ? SmallVector<unsigned>{2, 1} : SmallVector<unsigned>{0, 1};
      else if (kind == ReduceKind::LogSumExp)
        used = {0, 1};
      else if (kind == ReduceKind::ArgMax || kind == ReduceKind::ArgMin)
        used = {k == 0 ? 1u : 0u};
      else if (kind == ReduceKind::Custom)
        used = allLoops(states);
      else
        used = {0};
      SmallVector<Access> inputs;
      for (unsigned component : used)
        inputs.push_back({op.getInputs()[component], maps[component]});
      SmallVector<unsigned> loops;
      for (unsigned loop = 0; loop < numLoops; ++loop)
        if (outMap.isFunctionOfDim(loop))
          loops.push_back(loop);
      Type type = getElementTypeOrSelf(output.getType());
      results.push_back(t.generic(
          loops, inputs, {{output, outMap}}, [&](OpBuilder &b, ValueRange v) {
            TileBuilder inner(b, loc);
            Value value = v[0];
            if (kind == ReduceKind::Custom) {
              value = t.inlineRegion(b, op.getBody(), v.take_front(states))[k];
            } else if (softmax && k == 0) {
              Value l = v[1];
              if (kind == ReduceKind::SoftmaxZero) {
                Value empty =
                    arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, l,
                                          inner.constant(l.getType(), 0));
                l = arith::SelectOp::create(b, loc, empty,
                                            inner.constant(l.getType(), 1), l);
              }
              value = arith::DivFOp::create(b, loc, v[0], l);
            } else if (softmax || kind == ReduceKind::LogSumExp) {
              value = arith::AddFOp::create(b, loc, v[0],
                                            math::LogOp::create(b, loc, v[1]));
            }
            return SmallVector<Value>{inner.convert(value, type)};
          })[0]);
    }
    rewriter.replaceOp(op, results);
    return success();
  }
};

} // namespace

void mercer::populateDecomposeStatePatterns(RewritePatternSet &patterns) {
  patterns.add<DecomposeCombine, DecomposeFinalize>(patterns.getContext());
}
