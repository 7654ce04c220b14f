//===- Shapes.h - shapes that follow from the graph alone -------*- C++ -*-===//
//
// Some patterns are legal only if two sizes are equal or a rank is known. This
// answers such questions from types, from shape arithmetic in the graph and
// from a few operators, and says "unknown" for the rest. It is not the
// compiler's shape inference, which happens while nodes are lowered.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_PASSES_RAISE_SHAPES_H
#define MERCER_PASSES_RAISE_SHAPES_H

#include "dialects/onnx/IR/Onnx.h"

namespace mercer::raise {

/// One size: a number, the size `axis` of `base`, or unknown (neither).
struct Dim {
  std::optional<int64_t> constant;
  mlir::Value base;
  int64_t axis = 0;

  bool known() const { return constant || base; }
  bool is(int64_t value) const { return constant && *constant == value; }
  /// True if both are known and the same.
  bool operator==(const Dim &other) const {
    if (constant || other.constant)
      return constant && other.constant && *constant == *other.constant;
    return base && base == other.base && axis == other.axis;
  }
};

using Shape = llvm::SmallVector<Dim, 4>;

class ShapeAnalysis {
public:
  /// The shape of a tensor, nothing if its rank is unknown.
  std::optional<Shape> shape(mlir::Value value) { return shapeOf(value, 0); }
  std::optional<int64_t> rank(mlir::Value value);
  /// The elements of an integer vector or scalar that holds sizes.
  std::optional<Shape> elements(mlir::Value value) {
    return elementsOf(value, 0);
  }
  /// True if the tensor certainly has exactly one element.
  bool isScalar(mlir::Value value);
  /// True if `small` broadcasts to the shape of `large`, for certain.
  bool broadcastsTo(mlir::Value small, mlir::Value large);

private:
  std::optional<Shape> shapeOf(mlir::Value value, unsigned depth);
  std::optional<Shape> elementsOf(mlir::Value value, unsigned depth);
};

/// The number that every element of `value` is, for constants and for
/// arithmetic on tensors made by ConstantOfShape.
std::optional<double> uniformValue(mlir::Value value, unsigned depth = 0);

} // namespace mercer::raise

#endif // MERCER_PASSES_RAISE_SHAPES_H
