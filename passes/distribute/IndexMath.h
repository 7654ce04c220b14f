//===- IndexMath.h - index arithmetic that folds constants ------*- C++ -*-===//
//
// Addresses are sums of products, most of them with constant parts. This writes
// only what is left of them.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_PASSES_DISTRIBUTE_INDEXMATH_H
#define MERCER_PASSES_DISTRIBUTE_INDEXMATH_H

#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/OpDefinition.h"

namespace mercer::distribute {

/// A constant (IntegerAttr of index type) or a value of index type.
using Index = mlir::OpFoldResult;

class IndexMath {
public:
  explicit IndexMath(mlir::ImplicitLocOpBuilder &builder) : b(builder) {}

  Index constant(int64_t value) { return b.getIndexAttr(value); }
  Index add(Index x, Index y);
  Index sub(Index x, Index y);
  Index mul(Index x, Index y);
  Index mul(Index x, int64_t y) { return mul(x, constant(y)); }
  /// Of numbers that are not negative.
  Index div(Index x, Index y);
  Index rem(Index x, Index y);
  Index min(Index x, Index y);
  mlir::Value value(Index x);
  /// `x < y`, signed.
  mlir::Value less(Index x, Index y);
  /// `expr` with `dims` for its dims; no symbols.
  Index apply(mlir::AffineExpr expr, llvm::ArrayRef<Index> dims);

  /// Positions along `sizes` of element `linear`, the last fastest. With
  /// `narrow` divisions are made on 32 bits: all sizes are small.
  llvm::SmallVector<Index>
  delinearize(Index linear, llvm::ArrayRef<Index> sizes, bool narrow);

private:
  mlir::ImplicitLocOpBuilder &b;
};

/// The largest number that `x` is known to be a multiple of; 0 for zero.
int64_t knownDivisor(Index x);

/// The value of a constant index.
std::optional<int64_t> constantOf(Index x);

} // namespace mercer::distribute

#endif
