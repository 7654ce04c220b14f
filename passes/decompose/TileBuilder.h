//===- TileBuilder.h - small helpers for building tile code -----*- C++ -*-===//
//
// Scratch tiles with static sizes, generics over named loops, number helpers:
// the vocabulary that the decompositions share.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_PASSES_DECOMPOSE_TILEBUILDER_H
#define MERCER_PASSES_DECOMPOSE_TILEBUILDER_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace mercer {

/// A tensor and how loops address it (any subset of the op's loops).
struct Access {
  mlir::Value tensor;
  mlir::AffineMap map;
};

/// Builds code at one place; loops are numbered as in the op decomposed.
class TileBuilder {
public:
  TileBuilder(mlir::OpBuilder &b, mlir::Location loc) : b(b), loc(loc) {}

  mlir::OpBuilder &b;
  mlir::Location loc;

  using Body = llvm::function_ref<llvm::SmallVector<mlir::Value>(
      mlir::OpBuilder &, mlir::ValueRange)>;

  /// `linalg.generic` over `loops` (outermost first); those in no output map
  /// are reductions, as are those in `reduced`. The body receives inputs, then
  /// current output values.
  llvm::SmallVector<mlir::Value> generic(llvm::ArrayRef<unsigned> loops,
                                         llvm::ArrayRef<Access> inputs,
                                         llvm::ArrayRef<Access> outputs,
                                         Body body);

  /// `scf.for`; the body returns the values carried on. Filled after the loop
  /// stands in its block, which affine folding inside the body relies on.
  llvm::SmallVector<mlir::Value>
  loop(mlir::Value low, mlir::Value high, mlir::Value step,
       mlir::ValueRange initial,
       llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value,
                                                         mlir::ValueRange)>
           body);
  /// `scf.if` with one result: `then()` or `otherwise`.
  mlir::Value choose(mlir::Value condition, mlir::Value otherwise,
                     llvm::function_ref<mlir::Value()> then);

  mlir::Value fill(mlir::Value tensor, mlir::TypedAttr value);
  mlir::Value fill(mlir::Value tensor, mlir::Value value);

  mlir::Value constant(mlir::Type type, double value);
  mlir::Value index(int64_t value);
  mlir::Value index(mlir::OpFoldResult value);
  /// Converts between number types; integers are sign-extended.
  mlir::Value convert(mlir::Value value, mlir::Type type);

  mlir::OpFoldResult add(mlir::OpFoldResult a, mlir::OpFoldResult b);
  mlir::OpFoldResult sub(mlir::OpFoldResult a, mlir::OpFoldResult b);
  mlir::OpFoldResult min(llvm::ArrayRef<mlir::OpFoldResult> values);
  mlir::OpFoldResult max(llvm::ArrayRef<mlir::OpFoldResult> values);

  /// Clones the one block of `region` and returns what it yields.
  llvm::SmallVector<mlir::Value> inlineRegion(mlir::OpBuilder &at,
                                              mlir::Region &region,
                                              mlir::ValueRange arguments);
};

/// Attribute with `value` in `type`; infinities become the extreme integer.
mlir::TypedAttr numberAttr(mlir::Type type, double value);

/// A tensor of `sizes` on which scratch work may happen. Its buffer is static
/// where every size has an upper bound. `bounds[i]`, where at least 0, is used
/// instead of deriving one.
mlir::Value makeScratch(mlir::OpBuilder &b, mlir::Location loc,
                        llvm::ArrayRef<mlir::OpFoldResult> sizes,
                        mlir::Type element,
                        llvm::ArrayRef<int64_t> bounds = {});

} // namespace mercer

#endif
