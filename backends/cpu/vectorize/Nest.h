//===- Nest.h - loops and accesses of a linalg op on buffers ----*- C++ -*-===//
//
// A linalg op seen as a perfect loop nest: its loops with their sizes, and for
// every operand how its address moves along each loop. Loops that walk memory
// as one (rows of a contiguous buffer) are collapsed here, so that later steps
// see few long loops instead of many short ones.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_BACKENDS_CPU_VECTORIZE_NEST_H
#define MERCER_BACKENDS_CPU_VECTORIZE_NEST_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace mercer::cpu {

/// One step of a loop moves buffer index `index` by `factor`.
struct Term {
  unsigned index;
  int64_t factor;
};

struct Loop {
  /// ShapedType::kDynamic where known at run time only.
  int64_t size;
  bool reduction;
  /// Loops of the op that this one stands for; more than one when collapsed.
  llvm::SmallVector<unsigned, 2> dims;
  /// The size, or what is known to bound it; kDynamic where nothing is.
  int64_t bound = mlir::ShapedType::kDynamic;

  bool isTrivial() const { return size == 1; }
  bool isBounded() const { return !mlir::ShapedType::isDynamic(bound); }
  bool isStatic() const { return !mlir::ShapedType::isDynamic(size); }
};

struct Access {
  /// A memref, or a scalar that all iterations share.
  mlir::Value value;
  mlir::Type elementType;
  mlir::AffineMap map;
  bool isBuffer = false;
  /// Every buffer index is a linear function of the loops.
  bool linear = true;
  /// Per loop; empty where the access does not move.
  llvm::SmallVector<llvm::SmallVector<Term, 2>> terms;
  /// Per buffer index.
  llvm::SmallVector<int64_t> strides;
  llvm::SmallVector<int64_t> start;

  bool moves(unsigned loop) const;
  /// Elements between neighbours along `loop`; kDynamic when not constant.
  int64_t step(unsigned loop) const;
};

struct Nest {
  llvm::SmallVector<Loop> loops;
  llvm::SmallVector<Access> operands;
  unsigned numInputs = 0;
  mlir::Block *body = nullptr;

  llvm::ArrayRef<Access> inputs() const {
    return llvm::ArrayRef(operands).take_front(numInputs);
  }
  llvm::ArrayRef<Access> outputs() const {
    return llvm::ArrayRef(operands).drop_front(numInputs);
  }
  unsigned numOutputs() const { return operands.size() - numInputs; }
};

/// Reads the nest of a generic op on buffers; fails on layouts or loops that
/// cannot be expressed (unknown strides, a loop that no operand bounds).
mlir::FailureOr<Nest> readNest(mlir::linalg::GenericOp op);

/// Merges neighbouring loops that every operand walks as one.
void collapseLoops(Nest &nest);

} // namespace mercer::cpu

#endif
