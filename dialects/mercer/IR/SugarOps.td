// Named operations: thin sugar that lowers to the structural ones.
#ifndef MERCER_SUGAR_OPS_TD
#define MERCER_SUGAR_OPS_TD

include "dialects/mercer/IR/OpBase.td"

class Mercer_SugarOp<string mnemonic, list<Trait> traits = []>
    : Mercer_DpsOp<mnemonic, !listconcat(traits, [Pure])> {
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
  code dpsDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return getInitMutable();
    }
  }];
}

def Mercer_AttentionOp : Mercer_SugarOp<"attention", [AttrSizedOperandSegments]> {
  let summary = "scaled dot-product attention";
  let description = [{
    `o[b,h,i,:] = sum_j softmax_j(score(b,h,i,j)) v[b,g(h),j,:]` with
    `score = cap(scale * <q[b,h,i,:], k[b,g(h),j,:]>) + mask`. Tensors are
    `[batch, heads, sequence, head size]` unless `indexing_maps` says otherwise
    (loops `b, h, i, j, f, d`; one map each for query, key, value, mask if
    there is one, and result). Query heads may be a multiple of the key heads:
    `g(h) = h floordiv (H / Hk)`.

    - `scale`: `1 / sqrt(head size)` unless given.
    - `softcap`: `cap(x) = c tanh(x / c)`, applied before the mask.
    - `causal`: pair takes part if `j <= i + query_offset` (default 0).
    - `window_left`, `window_right`: and if `j >= i + query_offset - left`,
      `j <= i + query_offset + right`.
    - `mask`: any suffix of `[batch, heads, i, j]`, dims of static size 1
      broadcast. A float mask is added; an integer mask (i1, i8) keeps the pairs
      where it is not 0.
    - `key_lengths`: one integer a batch entry; only `j` below it take part.
    - Rows in which no pair takes part give NaN, or 0 with `zero_empty_rows`.

    ```mlir
    %o = mercer.attention query(%q : tensor<2x8x?x64xf32>)
        key(%k : tensor<2x8x?x64xf32>) value(%v : tensor<2x8x?x64xf32>)
        outs(%init : tensor<2x8x?x64xf32>) {causal} -> tensor<2x8x?x64xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$query, AnyRankedTensor:$key,
                       AnyRankedTensor:$value, Optional<AnyRankedTensor>:$mask,
                       Optional<AnyRankedTensor>:$key_lengths,
                       Optional<Index>:$query_offset, AnyRankedTensor:$init,
                       OptionalAttr<F64Attr>:$scale, OptionalAttr<F64Attr>:$softcap,
                       OptionalAttr<I64Attr>:$window_left,
                       OptionalAttr<I64Attr>:$window_right,
                       UnitAttr:$causal, UnitAttr:$zero_empty_rows,
                       OptionalAttr<AffineMapArrayAttr>:$indexing_maps,
                       DefaultValuedAttr<Mercer_PrecisionAttr,
                           "::mercer::Precision::IEEE">:$precision);
  let assemblyFormat = [{
    `query` `(` $query `:` type($query) `)` `key` `(` $key `:` type($key) `)`
    `value` `(` $value `:` type($value) `)`
    (`mask` `(` $mask^ `:` type($mask) `)`)?
    (`key_lengths` `(` $key_lengths^ `:` type($key_lengths) `)`)?
    (`query_offset` `(` $query_offset^ `)`)?
    `outs` `(` $init `:` type($init) `)`
    (`precision` $precision^)? attr-dict `->` type($result)
  }];
  let builders = [
    // The plain form; set attributes afterwards.
    OpBuilder<(ins "::mlir::Value":$query, "::mlir::Value":$key,
                   "::mlir::Value":$value, "::mlir::Value":$mask,
                   "::mlir::Value":$init)>
  ];
  let extraClassDeclaration = dpsDeclaration # [{
    /// The maps given, or those of [B, H, S, d]; mask only where there is one.
    ::llvm::SmallVector<::mlir::AffineMap> getMaps();
  }];
}

def Mercer_ConvOp : Mercer_SugarOp<"conv"> {
  let summary = "convolution over one to three spatial dims";
  let description = [{
    `y[n,o,p] = bias[o] + sum_{c,r} x[n, c, p*stride + r*dilation - low] w[o,c,r]`
    for each group; `pads` are the low paddings of all spatial dims, then the
    high ones, reads outside give 0. Input and result are `nchw` or `nhwc`; the
    weight is `[out, in/groups, window...]` in both. With `transposed` the op is
    the transpose with regard to `x` and the weight `[in, out/groups,
    window...]`: `y[n,o, p*stride + r*dilation - low] += x[n,c,p] w[c,o,r]`; the
    size of the destination decides about output padding.

    ```mlir
    %y = mercer.conv ins(%x, %w : tensor<1x3x224x224xf32>, tensor<64x3x7x7xf32>)
        bias(%b : tensor<64xf32>) outs(%init : tensor<1x64x112x112xf32>)
        {strides = array<i64: 2, 2>, pads = array<i64: 3, 3, 3, 3>}
        -> tensor<1x64x112x112xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$weight,
                       Optional<AnyRankedTensor>:$bias, AnyRankedTensor:$init,
                       OptionalAttr<DenseI64ArrayAttr>:$strides,
                       OptionalAttr<DenseI64ArrayAttr>:$dilations,
                       OptionalAttr<DenseI64ArrayAttr>:$pads,
                       DefaultValuedAttr<I64Attr, "1">:$groups,
                       DefaultValuedAttr<Mercer_LayoutAttr,
                           "::mercer::Layout::NCHW">:$layout,
                       UnitAttr:$transposed,
                       DefaultValuedAttr<Mercer_PrecisionAttr,
                           "::mercer::Precision::IEEE">:$precision);
  let assemblyFormat = [{
    `ins` `(` $input `,` $weight `:` type($input) `,` type($weight) `)`
    (`bias` `(` $bias^ `:` type($bias) `)`)?
    `outs` `(` $init `:` type($init) `)` (`layout` $layout^)?
    (`precision` $precision^)? attr-dict `->` type($result)
  }];
  let builders = [
    // Empty arrays mean ones (strides, dilations) and zeros (pads).
    OpBuilder<(ins "::mlir::Value":$input, "::mlir::Value":$weight,
                   "::mlir::Value":$bias, "::mlir::Value":$init,
                   "::llvm::ArrayRef<int64_t>":$strides,
                   "::llvm::ArrayRef<int64_t>":$dilations,
                   "::llvm::ArrayRef<int64_t>":$pads, CArg<"int64_t", "1">:$groups,
                   CArg<"bool", "false">:$transposed)>
  ];
  let extraClassDeclaration = dpsDeclaration # [{
    unsigned getNumSpatialDims();
    ::llvm::SmallVector<int64_t> getStrideValues();
    ::llvm::SmallVector<int64_t> getDilationValues();
    ::llvm::SmallVector<int64_t> getPadValues();
  }];
}

class Mercer_KernelFnOp<string mnemonic> : Mercer_SugarOp<mnemonic> {
  dag fnArguments = (ins Mercer_KernelFnAttr:$kernel,
      DefaultValuedAttr<F64Attr, "1.0">:$gamma,
      DefaultValuedAttr<F64Attr, "0.0">:$coef0,
      DefaultValuedAttr<F64Attr, "3.0">:$degree,
      DefaultValuedAttr<F64Attr, "1.0">:$alpha,
      DefaultValuedAttr<Mercer_DistanceAlgorithmAttr,
          "::mercer::DistanceAlgorithm::Auto">:$algorithm,
      DefaultValuedAttr<Mercer_PrecisionAttr,
          "::mercer::Precision::IEEE">:$precision);
  let extraClassDeclaration = dpsDeclaration;
}

def Mercer_GramOp : Mercer_KernelFnOp<"gram"> {
  let summary = "matrix of kernel values of all pairs";
  let description = [{
    `G[..., i, j] = k(x[..., i, :], y[..., j, :])`. With `r = |x - y|`:

    | kernel | k |
    |---|---|
    | `gaussian` | `exp(-gamma r^2)` |
    | `laplacian` | `exp(-gamma sum |x_f - y_f|)` |
    | `matern12` | `exp(-gamma r)` |
    | `matern32` | `(1 + t) exp(-t)`, `t = sqrt(3) gamma r` |
    | `matern52` | `(1 + t + t^2 / 3) exp(-t)`, `t = sqrt(5) gamma r` |
    | `rational_quadratic` | `(1 + gamma r^2 / alpha)^(-alpha)` |
    | `linear` | `<x, y>` |
    | `polynomial` | `(gamma <x, y> + coef0)^degree` |
    | `sigmoid` | `tanh(gamma <x, y> + coef0)` |
    | `sqeuclidean`, `euclidean`, `cityblock` | `r^2`, `r`, `sum |x_f - y_f|` |

    `algorithm` says how squared distances are formed: `direct` sums squared
    differences; `expanded` uses `|x|^2 + |y|^2 - 2 <x, y>` after subtracting a
    common centre, clamped at 0; `auto` is direct unless the expanded form's
    error is known to be harmless.

    ```mlir
    %g = mercer.gram gaussian ins(%x, %y : tensor<?x3xf32>, tensor<?x3xf32>)
        outs(%init : tensor<?x?xf32>) {gamma = 5.000000e-01 : f64} -> tensor<?x?xf32>
    ```
  }];
  let arguments = !con((ins AnyRankedTensor:$x, AnyRankedTensor:$y,
                            AnyRankedTensor:$init), fnArguments);
  let assemblyFormat = [{
    $kernel `ins` `(` $x `,` $y `:` type($x) `,` type($y) `)`
    `outs` `(` $init `:` type($init) `)` (`algorithm` $algorithm^)?
    (`precision` $precision^)? attr-dict `->` type($result)
  }];
  let builders = [OpBuilder<(ins "::mercer::KernelFn":$kernel,
      "::mlir::Value":$x, "::mlir::Value":$y, "::mlir::Value":$init,
      CArg<"double", "1.0">:$gamma)>];
}

def Mercer_KernelMatvecOp : Mercer_KernelFnOp<"kernel_matvec"> {
  let summary = "product of a kernel matrix with vectors, matrix-free";
  let description = [{
    `o[..., i, :] = sum_j k(x[..., i, :], y[..., j, :]) v[..., j, :]`; `v` may
    lack its last dim (one vector). Kernels and parameters as in `mercer.gram`.

    ```mlir
    %o = mercer.kernel_matvec gaussian
        ins(%x, %y, %v : tensor<?x3xf32>, tensor<?x3xf32>, tensor<?xf32>)
        outs(%init : tensor<?xf32>) {gamma = 5.000000e-01 : f64} -> tensor<?xf32>
    ```
  }];
  let arguments = !con((ins AnyRankedTensor:$x, AnyRankedTensor:$y,
                            AnyRankedTensor:$values, AnyRankedTensor:$init),
                       fnArguments);
  let assemblyFormat = [{
    $kernel `ins` `(` $x `,` $y `,` $values `:` type($x) `,` type($y) `,` type($values) `)`
    `outs` `(` $init `:` type($init) `)` (`algorithm` $algorithm^)?
    (`precision` $precision^)? attr-dict `->` type($result)
  }];
  let builders = [OpBuilder<(ins "::mercer::KernelFn":$kernel,
      "::mlir::Value":$x, "::mlir::Value":$y, "::mlir::Value":$values,
      "::mlir::Value":$init, CArg<"double", "1.0">:$gamma)>];
}

#endif
