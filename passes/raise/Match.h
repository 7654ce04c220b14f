//===- Match.h - small vocabulary of the raising patterns -------*- C++ -*-===//

#ifndef MERCER_PASSES_RAISE_MATCH_H
#define MERCER_PASSES_RAISE_MATCH_H

#include "dialects/onnx/IR/Onnx.h"

#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/DenseSet.h"

namespace mercer::raise {

using onnx::NodeOp;

/// A pattern whose root is one operator of one domain.
struct NodePattern : mlir::OpRewritePattern<NodeOp> {
  NodePattern(mlir::MLIRContext *context, llvm::StringRef opType,
              llvm::StringRef domain = "", mlir::PatternBenefit benefit = 1)
      : OpRewritePattern(context, benefit), opType(opType), domain(domain) {}

  mlir::LogicalResult
  matchAndRewrite(NodeOp node, mlir::PatternRewriter &rewriter) const final {
    if (!node.is(opType, domain))
      return mlir::failure();
    return rewrite(node, rewriter);
  }
  virtual mlir::LogicalResult
  rewrite(NodeOp node, mlir::PatternRewriter &rewriter) const = 0;

private:
  llvm::StringRef opType, domain;
};

/// `a` and `b` equal up to the rounding of constants written as f16 text.
bool isClose(double a, double b, double tolerance = 1e-3);

/// Matches `opType(x, scalar)` with a constant scalar; for Add and Mul the
/// scalar may be the first operand.
bool matchWithScalar(mlir::Value value, llvm::StringRef opType, mlir::Value &x,
                     double &scalar);

/// Matches a value scaled by a constant: Mul, Div or Neg. One step.
bool matchScaled(mlir::Value value, mlir::Value &x, double &factor);

/// Matches x * x, as Mul or as Pow with exponent 2.
bool matchSquare(mlir::Value value, mlir::Value &x);

/// Matches a reduction over the trailing axes that keeps them as ones, and
/// gives the first of these axes, counted from the end (-1 is the last alone).
bool matchTrailingReduction(mlir::Value value, llvm::StringRef opType,
                            mlir::Value &x, int64_t &axis);

/// The axes of a reduction, squeeze or unsqueeze: operand 1 or attribute.
std::optional<llvm::SmallVector<int64_t>> axesOf(NodeOp node);

/// Looks through nodes that change no value: Identity, Dropout at inference,
/// and casts between floating-point types if `casts` is set.
mlir::Value skipTransparent(mlir::Value value, bool casts = false);

/// True if all users of the results of `interior` nodes are in `interior` or
/// are `root`, so that replacing `root` leaves nothing computed twice.
bool isClosed(llvm::ArrayRef<NodeOp> interior, NodeOp root);

/// Replaces a result of `node` by an equal value. A type that only the node
/// states goes over to the value.
void forward(mlir::PatternRewriter &rewriter, NodeOp node, mlir::Value value);

/// Gives functions the result types of the values that they return now.
void updateResultTypes(mlir::Operation *module);

/// A new node of an operator with one result of type `type`.
mlir::Value makeNode(mlir::OpBuilder &builder, mlir::Location loc,
                     mlir::Type type, llvm::StringRef opType,
                     mlir::ValueRange inputs,
                     llvm::ArrayRef<mlir::NamedAttribute> attributes = {},
                     int64_t opset = 25, llvm::StringRef domain = "");

/// Type of an intermediate result of which only the element type is known.
mlir::Type unrankedLike(mlir::Value value);

/// A constant tensor of floating-point type from doubles.
mlir::Value makeFloats(mlir::OpBuilder &builder, mlir::Location loc,
                       mlir::Type elementType, llvm::ArrayRef<int64_t> shape,
                       llvm::ArrayRef<double> values);
mlir::Value makeInts(mlir::OpBuilder &builder, mlir::Location loc,
                     llvm::ArrayRef<int64_t> values);

mlir::NamedAttribute f32(mlir::Builder &builder, llvm::StringRef name,
                         double value);
mlir::NamedAttribute f64(mlir::Builder &builder, llvm::StringRef name,
                         double value);
mlir::NamedAttribute i64(mlir::Builder &builder, llvm::StringRef name,
                         int64_t value);
mlir::NamedAttribute str(mlir::Builder &builder, llvm::StringRef name,
                         llvm::StringRef value);

} // namespace mercer::raise

#endif // MERCER_PASSES_RAISE_MATCH_H
