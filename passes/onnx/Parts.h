// Parts of lowerings that more than one operator family is made of.
#ifndef MERCER_PASSES_ONNX_PARTS_H
#define MERCER_PASSES_ONNX_PARTS_H

#include "passes/onnx/Node.h"

namespace mercer::lowering {

/// A tensor attribute as a typed constant.
FailureOr<TValue> constantFrom(Context &c, Node &n, ElementsAttr attr);

/// Axes of a Reduce operator, from attribute or operand, sorted; all if none.
FailureOr<Ints> reductionAxes(Context &c, Node &n, bool fromInput);

TValue softmaxAlong(Lowering &L, TValue x, ArrayRef<int64_t> axes, bool log);

/// mercer.contract with a zero initial value; `sizes` are the output's, the
/// last map the output's. f16 and bf16 accumulate in f32.
TValue contract(Lowering &L, ArrayRef<TValue> ins, ArrayRef<AffineMap> maps,
                ArrayRef<OpFoldResult> sizes, DType t);
/// numpy.matmul; null if the shapes do not fit.
TValue matmul(Lowering &L, TValue a, TValue b, DType t);

/// Geometry of a convolution or pooling window.
struct Window {
  Ints kernel, strides, dilations, low, high;
  Sizes outSizes; // spatial
};
/// Reads strides, dilations, pads and auto_pad. `ceil` rounds sizes up.
FailureOr<Window> windowOf(Context &c, Node &n, Value input,
                           ArrayRef<int64_t> kernel, bool ceil);
/// Convolution of any element type that mercer.conv takes.
TValue convolve(Lowering &L, TValue x, TValue w, TValue bias,
                const Window &window, int64_t groups, DType t);

/// (x - mean) / sqrt(var + eps) over `axes`, in the accumulator's type.
struct Normalized {
  TValue value, mean, inverse;
};
Normalized normalizeOver(Lowering &L, TValue x, ArrayRef<int64_t> axes,
                         double eps, bool centre);

/// clamp(round(x / scale) + zeroPoint) to the quantised type.
Value quantizeScalar(Scalar &s, Value x, Value scale, Value zeroPoint,
                     DType zt);

/// Index along an axis of `extent`: negative ones count from the end.
Value wrapIndex(Scalar &s, Value index, Value extent);

} // namespace mercer::lowering

#endif
