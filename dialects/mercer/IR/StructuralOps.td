// mercer.contract and mercer.window: contractions with regions.
#ifndef MERCER_STRUCTURAL_OPS_TD
#define MERCER_STRUCTURAL_OPS_TD

include "dialects/mercer/IR/OpBase.td"

def Mercer_ContractOp : Mercer_StructuralOp<"contract"> {
  let summary = "contraction with product and sum as regions";
  let description = [{
    `C[c(l)] = C[c(l)] (+) (A[a(l)] (x) B[b(l)] (x) ...)` over all loop points
    `l`. Loops that occur in the map of the output are parallel, the others are
    reduced. Without a `product` region the operands are converted to the
    output's element type (integers sign-extended) and multiplied; without a
    `reduce` region they are summed. The output operand is the initial value.
    Input maps may hold `floordiv` and `mod` by constants, for packed operands;
    the output's map is a projected permutation.

    ```mlir
    %r = mercer.contract [affine_map<(m, n, k) -> (m, k)>,
                          affine_map<(m, n, k) -> (k, n)>,
                          affine_map<(m, n, k) -> (m, n)>]
        ins(%a, %b : tensor<?x64xf32>, tensor<64x128xf32>)
        outs(%c : tensor<?x128xf32>) -> tensor<?x128xf32>
    ```
  }];
  let arguments = (ins AffineMapArrayAttr:$indexing_maps,
                       Variadic<AnyType>:$inputs,
                       Variadic<AnyRankedTensor>:$outputs,
                       DefaultValuedAttr<Mercer_PrecisionAttr,
                           "::mercer::Precision::IEEE">:$precision);
  let regions = (region AnyRegion:$product, AnyRegion:$reduce);
  let assemblyFormat = [{
    $indexing_maps `ins` `(` $inputs `:` type($inputs) `)`
    `outs` `(` $outputs `:` type($outputs) `)`
    (`precision` $precision^)?
    (`product` $product^)? (`reduce` $reduce^)? attr-dict `->` type($results)
  }];
  let builders = [
    // Default product and sum; the result has the type of `output`.
    OpBuilder<(ins "::llvm::ArrayRef<::mlir::AffineMap>":$maps,
                   "::mlir::ValueRange":$inputs, "::mlir::Value":$output)>
  ];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return getOutputsMutable();
    }
    ::llvm::SmallVector<::mlir::AffineMap> getIndexingMapsArray();
    unsigned getNumLoops();
  }];
}

def Mercer_WindowOp : Mercer_StructuralOp<"window"> {
  let summary = "windowed contraction: convolution and pooling";
  let description = [{
    `out[n,o,p] = (+)_{r,c} f(x[n,c,s(p,r)], w[...,r])` with affine accesses:
    strides, dilations and low padding stand in the map, e.g.
    `d2 * 2 + d5 - 1`. Each input has a bounds rule for reads outside of it.
    The extents of loops that no operand dim has on its own (the window of a
    pooling) are given by `extents`, with -1 for those that operands give. Any
    number of inputs; without a weight and a `product` region the value itself
    is reduced. Default regions are those of `mercer.contract`.

    ```mlir
    %r = mercer.window [affine_map<(n, c, p, r) -> (n, c, p * 2 + r - 1)>,
                        affine_map<(n, c, p, r) -> (n, c, p)>]
        bounds [#mercer.bounds<value, 0xFF800000 : f32>]
        extents = [-1, -1, -1, 3]
        ins(%x : tensor<1x8x15xf32>) outs(%init : tensor<1x8x8xf32>)
        reduce {
        ^bb0(%acc: f32, %v: f32):
          %m = arith.maximumf %acc, %v : f32
          mercer.yield %m : f32
        } -> tensor<1x8x8xf32>
    ```
  }];
  let arguments = (ins AffineMapArrayAttr:$indexing_maps,
                       TypedArrayAttrBase<Mercer_BoundsAttr, "bounds rules">:$bounds,
                       OptionalAttr<DenseI64ArrayAttr>:$extents,
                       Variadic<AnyType>:$inputs,
                       Variadic<AnyRankedTensor>:$outputs,
                       DefaultValuedAttr<Mercer_PrecisionAttr,
                           "::mercer::Precision::IEEE">:$precision);
  let regions = (region AnyRegion:$product, AnyRegion:$reduce);
  let assemblyFormat = [{
    $indexing_maps `bounds` $bounds (`extents` `=` $extents^)?
    `ins` `(` $inputs `:` type($inputs) `)`
    `outs` `(` $outputs `:` type($outputs) `)`
    (`precision` $precision^)?
    (`product` $product^)? (`reduce` $reduce^)? attr-dict `->` type($results)
  }];
  let builders = [
    // `extents` may be empty; the result has the type of `output`.
    OpBuilder<(ins "::llvm::ArrayRef<::mlir::AffineMap>":$maps,
                   "::llvm::ArrayRef<::mercer::BoundsAttr>":$bounds,
                   "::llvm::ArrayRef<int64_t>":$extents,
                   "::mlir::ValueRange":$inputs, "::mlir::Value":$output)>
  ];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return getOutputsMutable();
    }
    ::llvm::SmallVector<::mlir::AffineMap> getIndexingMapsArray();
    unsigned getNumLoops();
  }];
}

#endif
