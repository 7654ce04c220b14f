// mercer.pairwise and the two ops that its partial form needs.
#ifndef MERCER_PAIRWISE_OPS_TD
#define MERCER_PAIRWISE_OPS_TD

include "dialects/mercer/IR/OpBase.td"

def Mercer_PairwiseOp : Mercer_StructuralOp<"pairwise"> {
  let summary = "scores of all pairs (i, j), reduced over one side";
  let description = [{
    For each batch point, row `i` and column `j`:

    - inner reductions over the feature loops, each with its own operands:
      `t_n = (+)_f pair_n(a_n[i, f], b_n[j, f])`; `dot`, `sqdist` and `l1` are
      recognised forms;
    - the score `s = score(t_0, t_1, ..., captures)`, a region; positions come
      from `mercer.index`; no region: `s = t_0`. `mask` is a region over the captures that
      yields i1: pairs where it is false do not take part (score -inf for
      softmax, weight 0 for a sum). It is kept apart so that tiles without any
      pair are skipped and full tiles do not evaluate it;
    - reductions of the scores, each with its own value operands; each result
      names by its map the dims it keeps: rows, columns, both or none.

    `iterators` gives the role of every loop: batch, row, col, feature, value.
    Operands in order: inner operands, captures, values, outputs; one indexing
    map each. A capture may also be a scalar, with a map to no dims. Regions
    after score and mask, in order: one for each custom inner reduction (pair
    elements to the accumulated type), four for each custom reduction:
    `init() -> state`, `step(state, score, values) -> state`,
    `combine(state, state) -> state`, `finalize(state) -> results`.

    No N x M matrix exists at run time, unless a result keeps both dims.
    Outputs are overwritten. With `partial` the results are the states of the
    reductions and the outputs are the states to start from; `mercer.combine`
    joins two states and `mercer.finalize` turns one into results.

    ```mlir
    %o = mercer.pairwise [row, col, feature, value]
        inner [#mercer.inner<sqdist, 2, f32>]
        reduce [#mercer.reduction<sum, 1, 1>]
        maps [affine_map<(i, j, f, d) -> (i, f)>, affine_map<(i, j, f, d) -> (j, f)>,
              affine_map<(i, j, f, d) -> (j, d)>, affine_map<(i, j, f, d) -> (i, d)>]
        ins(%x, %y : tensor<?x3xf32>, tensor<?x3xf32>)
        values(%v : tensor<?x4xf32>) outs(%init : tensor<?x4xf32>)
        score {
        ^bb0(%d2: f32):
          %n = arith.negf %d2 : f32
          %e = math.exp %n : f32
          mercer.yield %e : f32
        } -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins TypedArrayAttrBase<Mercer_PairDimAttr, "loop roles">:$iterators,
                       TypedArrayAttrBase<Mercer_InnerAttr, "inner reductions">:$inners,
                       TypedArrayAttrBase<Mercer_ReductionAttr, "reductions">:$reductions,
                       AffineMapArrayAttr:$indexing_maps, UnitAttr:$partial,
                       Variadic<AnyType>:$inputs, Variadic<AnyType>:$captures,
                       Variadic<AnyType>:$values,
                       Variadic<AnyRankedTensor>:$outputs,
                       DefaultValuedAttr<Mercer_PrecisionAttr,
                           "::mercer::Precision::IEEE">:$precision);
  let regions = (region AnyRegion:$score, AnyRegion:$mask,
                        VariadicRegion<AnyRegion>:$custom);
  let assemblyFormat = [{
    custom<PairDims>($iterators) (`partial` $partial^)?
    `inner` $inners `reduce` $reductions `maps` $indexing_maps
    (`ins` `(` $inputs^ `:` type($inputs) `)`)?
    (`captures` `(` $captures^ `:` type($captures) `)`)?
    (`values` `(` $values^ `:` type($values) `)`)?
    `outs` `(` $outputs `:` type($outputs) `)`
    (`precision` $precision^)?
    (`score` $score^)? (`mask` $mask^)? (`custom` $custom^)?
    attr-dict `->` type($results)
  }];
  let builders = [
    // Empty score and mask regions, `numCustom` empty custom regions.
    OpBuilder<(ins "::llvm::ArrayRef<::mercer::PairDim>":$iterators,
                   "::llvm::ArrayRef<::mercer::InnerAttr>":$inners,
                   "::llvm::ArrayRef<::mercer::ReductionAttr>":$reductions,
                   "::llvm::ArrayRef<::mlir::AffineMap>":$maps,
                   "::mlir::ValueRange":$inputs, "::mlir::ValueRange":$captures,
                   "::mlir::ValueRange":$values, "::mlir::ValueRange":$outputs,
                   CArg<"bool", "false">:$partial,
                   CArg<"unsigned", "0">:$numCustom)>
  ];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return getOutputsMutable();
    }
    ::llvm::SmallVector<::mlir::AffineMap> getIndexingMapsArray();
    unsigned getNumLoops() { return getIterators().size(); }
    PairDim getPairDim(unsigned loop);
    ::llvm::SmallVector<InnerAttr> getInnerAttrs();
    ::llvm::SmallVector<ReductionAttr> getReductionAttrs();
    /// Element type of the score.
    ::mlir::Type getScoreType();
    /// The pair region of custom inner reduction `index`, or null.
    ::mlir::Region *getPairRegion(unsigned index);
    /// Region `which` (0 init, 1 step, 2 combine, 3 finalize) of custom
    /// reduction `index`, or null.
    ::mlir::Region *getReductionRegion(unsigned index, unsigned which);
    /// Number of outputs of reduction `index` (states when partial).
    unsigned getNumOutputs(unsigned index);
    /// Maps by operand group.
    ::mlir::AffineMap getInputMap(unsigned i) { return getIndexingMapsArray()[i]; }
    ::mlir::AffineMap getCaptureMap(unsigned i) {
      return getIndexingMapsArray()[getInputs().size() + i];
    }
    ::mlir::AffineMap getValueMap(unsigned i) {
      return getIndexingMapsArray()[getInputs().size() + getCaptures().size() + i];
    }
    ::mlir::AffineMap getOutputMap(unsigned i) {
      return getIndexingMapsArray()[getInputs().size() + getCaptures().size() +
                                    getValues().size() + i];
    }
  }];
}

class Mercer_StateOp<string mnemonic, list<Trait> traits = []>
    : Mercer_DpsOp<mnemonic, !listconcat(traits, [
        AttrSizedOperandSegments, RecursiveMemoryEffects])> {
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let arguments = (ins Mercer_ReductionAttr:$reduction,
                       AffineMapArrayAttr:$indexing_maps,
                       Variadic<AnyRankedTensor>:$inputs,
                       Variadic<AnyRankedTensor>:$outputs);
  let regions = (region AnyRegion:$body);
  let assemblyFormat = [{
    $reduction `maps` $indexing_maps
    `ins` `(` $inputs `:` type($inputs) `)`
    `outs` `(` $outputs `:` type($outputs) `)`
    (`custom` $body^)? attr-dict `->` type($results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return getOutputsMutable();
    }
    ::llvm::SmallVector<::mlir::AffineMap> getIndexingMapsArray();
  }];
}

def Mercer_CombineOp : Mercer_StateOp<"combine"> {
  let summary = "joins partial states of a reduction";
  let description = [{
    `outs = combine(outs, ins)` for the state components of one reduction, e.g.
    softmax: `m = max(m1, m2)`, `l = l1 e^(m1-m) + l2 e^(m2-m)`,
    `a = a1 e^(m1-m) + a2 e^(m2-m)`. One map per component, inputs then
    outputs; loops that no output has are splits, joined in ascending order.
    For a custom monoid the region is its `combine`.

    ```mlir
    %s:2 = mercer.combine <logsumexp, 0, 1>
        maps [affine_map<(s, i) -> (s, i)>, affine_map<(s, i) -> (s, i)>,
              affine_map<(s, i) -> (i)>, affine_map<(s, i) -> (i)>]
        ins(%m, %l : tensor<8x?xf32>, tensor<8x?xf32>)
        outs(%m0, %l0 : tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>, tensor<?xf32>
    ```
  }];
}

def Mercer_FinalizeOp : Mercer_StateOp<"finalize"> {
  let summary = "turns the state of a reduction into its results";
  let description = [{
    The last step of a reduction, e.g. softmax: `a / l` and, as optional second
    result, `m + log l`. One map per state component, then one per result.
    For a custom monoid the region is its `finalize`.

    ```mlir
    %r = mercer.finalize <softmax, 1, 1>
        maps [affine_map<(i, d) -> (i)>, affine_map<(i, d) -> (i)>,
              affine_map<(i, d) -> (i, d)>, affine_map<(i, d) -> (i, d)>]
        ins(%m, %l, %a : tensor<?xf32>, tensor<?xf32>, tensor<?x64xf32>)
        outs(%init : tensor<?x64xf32>) -> tensor<?x64xf32>
    ```
  }];
}

#endif
