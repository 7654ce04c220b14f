// Enums and attributes shared by the ops of the mercer dialect.
#ifndef MERCER_ATTRS_TD
#define MERCER_ATTRS_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "dialects/mercer/IR/MercerDialect.td"
include "mlir/Dialect/SCF/IR/DeviceMappingInterface.td"

class Mercer_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::mercer";
  let genSpecializedAttr = 0;
}

class Mercer_EnumAttr<EnumAttrInfo enum, string mnemonic>
    : EnumAttr<Mercer_Dialect, enum, mnemonic>;

def Mercer_BoundsKind : Mercer_Enum<"BoundsKind",
    "what a read outside of an operand gives", [
  I32EnumAttrCase<"None", 0, "none">,      // no read is outside
  I32EnumAttrCase<"Zero", 1, "zero">,
  I32EnumAttrCase<"Value", 2, "value">,    // a given constant, e.g. -inf
  I32EnumAttrCase<"Reflect", 3, "reflect">,
  I32EnumAttrCase<"Wrap", 4, "wrap">,
  I32EnumAttrCase<"Edge", 5, "edge">]>;
def Mercer_BoundsKindAttr : Mercer_EnumAttr<Mercer_BoundsKind, "bounds_kind">;

def Mercer_BoundsAttr : AttrDef<Mercer_Dialect, "Bounds"> {
  let mnemonic = "bounds";
  let summary = "bounds rule of one operand access";
  let description = [{
    What a read outside of the operand gives: nothing is ever padded in memory.
    `reflect` mirrors without repeating the edge element, `wrap` is modular,
    `edge` repeats the border element.

    ```mlir
    #mercer.bounds<zero>
    #mercer.bounds<value, 0xFF800000 : f32>
    ```
  }];
  let parameters = (ins "::mercer::BoundsKind":$kind,
                        OptionalParameter<"::mlir::TypedAttr">:$value);
  let assemblyFormat = "`<` $kind (`,` $value^)? `>`";
  let genVerifyDecl = 1;
}

def Mercer_Precision : Mercer_Enum<"Precision",
    "precision policy of a contraction", [
  I32EnumAttrCase<"IEEE", 0, "ieee">,      // no reduced-precision product
  I32EnumAttrCase<"TF32", 1, "tf32">,
  I32EnumAttrCase<"BF16x3", 2, "bf16x3">,
  I32EnumAttrCase<"BF16", 3, "bf16">]>;
def Mercer_PrecisionAttr : Mercer_EnumAttr<Mercer_Precision, "precision">;

def Mercer_PairDim : Mercer_Enum<"PairDim",
    "role of one loop of a pairwise op", [
  I32EnumAttrCase<"Batch", 0, "batch">,
  I32EnumAttrCase<"Row", 1, "row">,        // i: queries, left points
  I32EnumAttrCase<"Col", 2, "col">,        // j: keys, right points
  I32EnumAttrCase<"Feature", 3, "feature">,// summed by an inner reduction
  I32EnumAttrCase<"Value", 4, "value">]>;  // kept from the value operands
def Mercer_PairDimAttr : Mercer_EnumAttr<Mercer_PairDim, "pair_dim">;

def Mercer_InnerKind : Mercer_Enum<"InnerKind",
    "pair function of an inner reduction", [
  I32EnumAttrCase<"Dot", 0, "dot">,
  I32EnumAttrCase<"SqDist", 1, "sqdist">,
  I32EnumAttrCase<"L1", 2, "l1">,
  I32EnumAttrCase<"Custom", 3, "custom">]>;
def Mercer_Monoid : Mercer_Enum<"Monoid", "how an inner reduction combines", [
  I32EnumAttrCase<"Sum", 0, "sum">,
  I32EnumAttrCase<"Max", 1, "max">,
  I32EnumAttrCase<"Min", 2, "min">]>;

def Mercer_InnerAttr : AttrDef<Mercer_Dialect, "Inner"> {
  let mnemonic = "inner";
  let summary = "one inner reduction over the feature loops";
  let description = [{
    `#mercer.inner<dot, 2, f32>`: pair function, number of operands and the
    element type in which the value is accumulated. A `custom` pair function is
    a region over one element of each operand; its monoid (`sum` unless given)
    is the last parameter.
  }];
  let parameters = (ins "::mercer::InnerKind":$kind, "int64_t":$operands,
                        "::mlir::Type":$type,
                        DefaultValuedParameter<"::mercer::Monoid",
                            "::mercer::Monoid::Sum">:$monoid);
  let assemblyFormat = "`<` $kind `,` $operands `,` $type (`,` $monoid^)? `>`";
}

def Mercer_ReduceKind : Mercer_Enum<"ReduceKind",
    "monoid of a reduction over scores", [
  I32EnumAttrCase<"None", 0, "none">,      // the score itself (Gram matrix)
  I32EnumAttrCase<"Sum", 1, "sum">,
  I32EnumAttrCase<"Max", 2, "max">,
  I32EnumAttrCase<"Min", 3, "min">,
  I32EnumAttrCase<"Softmax", 4, "softmax">,
  I32EnumAttrCase<"SoftmaxZero", 5, "softmax_zero">, // empty rows give 0
  I32EnumAttrCase<"LogSumExp", 6, "logsumexp">,
  I32EnumAttrCase<"ArgMax", 7, "argmax">,
  I32EnumAttrCase<"ArgMin", 8, "argmin">,
  I32EnumAttrCase<"Custom", 9, "custom">]>;

def Mercer_ReductionAttr : AttrDef<Mercer_Dialect, "Reduction"> {
  let mnemonic = "reduction";
  let summary = "one reduction over the scores of a pairwise op";
  let description = [{
    `#mercer.reduction<softmax, 1, 2>`: monoid, number of value operands and
    number of results. State, step and results of each named monoid, for score
    `s` and value `v` (1 where there is no value operand):

    | kind | state | results |
    |---|---|---|
    | `none` | – | `s` |
    | `sum` | `a += s v` | `a` |
    | `max`, `min` | `m = max(m, s)` | `m` |
    | `softmax` | `(m, l, a)`: running maximum, `sum e^(s-m)`, `sum e^(s-m) v` | `a / l` and, as optional second result, `m + log l` |
    | `softmax_zero` | as `softmax` | as `softmax`, but 0 for rows in which every score is -inf |
    | `logsumexp` | `(m, l)` | `m + log l` |
    | `argmax`, `argmin` | `(m, j)`, the lowest `j` among equals | `j` and, as optional second result, `m` |
    | `custom` | as many as the `init` region yields | as many as `finalize` yields |

    A row of scores that are all -inf gives NaN under `softmax`, as ONNX and
    PyTorch's written-out form do, and -inf under `logsumexp`.
  }];
  let parameters = (ins "::mercer::ReduceKind":$kind, "int64_t":$values,
                        "int64_t":$results);
  let assemblyFormat = "`<` $kind `,` $values `,` $results `>`";
  let extraClassDeclaration = [{
    bool isSoftmax() const {
      return getKind() == ReduceKind::Softmax ||
             getKind() == ReduceKind::SoftmaxZero;
    }
    /// Number of state components of a named monoid; -1 for `custom`.
    int64_t getNumStates() const;
  }];
}

def Mercer_Layout : Mercer_Enum<"Layout", "order of the dims of an image", [
  I32EnumAttrCase<"NCHW", 0, "nchw">,
  I32EnumAttrCase<"NHWC", 1, "nhwc">]>;
def Mercer_LayoutAttr : Mercer_EnumAttr<Mercer_Layout, "layout">;

def Mercer_KernelFn : Mercer_Enum<"KernelFn", "kernel function k(x, y)", [
  I32EnumAttrCase<"Gaussian", 0, "gaussian">,
  I32EnumAttrCase<"Laplacian", 1, "laplacian">,
  I32EnumAttrCase<"Matern12", 2, "matern12">,
  I32EnumAttrCase<"Matern32", 3, "matern32">,
  I32EnumAttrCase<"Matern52", 4, "matern52">,
  I32EnumAttrCase<"RationalQuadratic", 5, "rational_quadratic">,
  I32EnumAttrCase<"Linear", 6, "linear">,
  I32EnumAttrCase<"Polynomial", 7, "polynomial">,
  I32EnumAttrCase<"Sigmoid", 8, "sigmoid">,
  I32EnumAttrCase<"SqEuclidean", 9, "sqeuclidean">,
  I32EnumAttrCase<"Euclidean", 10, "euclidean">,
  I32EnumAttrCase<"Cityblock", 11, "cityblock">]>;
def Mercer_KernelFnAttr : Mercer_EnumAttr<Mercer_KernelFn, "kernel_fn">;

def Mercer_DistanceAlgorithm : Mercer_Enum<"DistanceAlgorithm",
    "how squared distances are computed", [
  I32EnumAttrCase<"Auto", 0, "auto">,
  I32EnumAttrCase<"Direct", 1, "direct">,     // sum of squared differences
  I32EnumAttrCase<"Expanded", 2, "expanded">]>; // centred |x|^2+|y|^2-2xy
def Mercer_DistanceAlgorithmAttr
    : Mercer_EnumAttr<Mercer_DistanceAlgorithm, "distance_algorithm">;

def Mercer_GridAttr : AttrDef<Mercer_Dialect, "Grid", [
    DeclareAttrInterfaceMethods<DeviceMappingAttrInterface>]> {
  let mnemonic = "grid";
  let summary = "dim of the grid that a phase of a kernel runs on";
  let description = [{
    The mapping of a top-level `scf.forall` of a kernel. A mapped loop is not
    folded away when it makes one trip, so that each phase stays one loop.

    ```mlir
    #mercer.grid<0>
    ```
  }];
  let parameters = (ins "int64_t":$dim);
  let assemblyFormat = "`<` $dim `>`";
}

#endif
