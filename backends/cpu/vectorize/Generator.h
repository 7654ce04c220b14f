//===- Generator.h - writes the vector code of a planned nest ---*- C++ -*-===//
//
// Loops come from the plan outside in; every loop that holds a block is
// followed by the blocks of its edge. The innermost point is a block of
// rows x vectors, all native vectors, accumulators carried in registers.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_BACKENDS_CPU_VECTORIZE_GENERATOR_H
#define MERCER_BACKENDS_CPU_VECTORIZE_GENERATOR_H

#include "backends/cpu/vectorize/Plan.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/DenseMap.h"

#include <map>

namespace mercer::cpu {

/// A value of the body at one point: a scalar shared by all lanes, a scalar
/// that grows by one from lane to lane, or a vector.
struct LaneValue {
  enum class Kind { Uniform, Counting, Vector } kind = Kind::Vector;
  mlir::Value value;
};

/// A buffer seen as flat memory with run-time strides.
struct FlatBuffer {
  mlir::Value flat;
  llvm::SmallVector<mlir::Value> strides;
};

/// Where in the nest code is being written.
struct Frame {
  /// Per loop: first iteration of the block.
  llvm::SmallVector<mlir::Value> start;
  /// Per loop: rows of this block.
  llvm::SmallVector<int64_t> rows;
  /// Per loop: step inside an unrolled reduction.
  llvm::SmallVector<int64_t> step;
  /// Per operand: flat index of the block's first element.
  llvm::SmallVector<mlir::Value> base;
  int64_t vectors = 1;
  /// Per vector: lanes that exist; null where all do.
  llvm::SmallVector<mlir::Value> masks;
  /// Vectors already loaded: by operand and offset.
  using Key = std::pair<unsigned, llvm::SmallVector<int64_t, 6>>;
  std::map<Key, mlir::Value> loaded;
};

class Generator {
public:
  /// `initial` gives, per result, the value that a result starts from where it
  /// is known not to be read from memory.
  Generator(mlir::linalg::GenericOp op, const Nest &nest, const Plan &plan,
            const TargetInfo &target, llvm::ArrayRef<mlir::Attribute> initial);

  /// Writes the code before the op; the caller erases the op.
  void run();

private:
  using Values = llvm::SmallVector<mlir::Value>;

  // Loops (Generator.cpp).
  void emitParallel(unsigned level, Frame frame);
  void emitRows(unsigned level, Frame &frame);
  void emitLanes(unsigned level, Frame &frame);
  void emitBlock(Frame frame);
  Values emitReduction(unsigned level, Frame frame, Values carried);
  Values emitParts(unsigned level, Frame &frame, Values carried);
  Values emitLaneReduction(unsigned level, Frame &frame, Values carried);
  Values emitUnrolled(unsigned level, Frame &frame, Values carried);
  void bind(Frame &frame, unsigned loop, mlir::Value start);
  mlir::Value tailMask(mlir::Value count);
  void preload(Frame &frame, llvm::ArrayRef<unsigned> inner);
  llvm::SmallVector<llvm::SmallVector<int64_t>> rowOffsets(const Frame &frame);

  // Results (Generator.cpp).
  Values startAccumulators(Frame &frame);
  void finishAccumulators(Frame &frame, Values accumulators);
  /// Per accumulator: the result that it belongs to.
  llvm::SmallVector<unsigned> accumulatorOutputs(Frame &frame);
  mlir::Value joinLanes(mlir::vector::CombiningKind kind, mlir::Value vector);

  // Points (Body.cpp).
  Values emitPoints(Frame &frame, Values accumulators);
  mlir::Value widen(LaneValue value, mlir::Type elementType);
  LaneValue loadBody(mlir::memref::LoadOp load,
                     llvm::DenseMap<mlir::Value, LaneValue> &map,
                     mlir::Value mask);

  // Memory (Memory.cpp).
  Frame::Key keyOf(const Frame &frame, unsigned operand,
                   llvm::ArrayRef<int64_t> row, int64_t vector);
  mlir::Value address(const Frame &frame, unsigned operand,
                      llvm::ArrayRef<int64_t> row, int64_t vector);
  LaneValue load(Frame &frame, unsigned operand, llvm::ArrayRef<int64_t> row,
                 int64_t vector);
  void store(Frame &frame, unsigned operand, llvm::ArrayRef<int64_t> row,
             int64_t vector, mlir::Value value);
  mlir::Value laneOffsets(unsigned operand);
  mlir::Value nonLinearOffsets(const Frame &frame, unsigned operand,
                               llvm::ArrayRef<int64_t> row, int64_t vector);
  FlatBuffer flatten(mlir::Value memref);
  /// The type that memory holds for an element: 16-bit floats travel as
  /// integers, which need no conversion on any CPU level.
  mlir::Type storageOf(mlir::Type elementType);
  mlir::Value fromStorage(mlir::Value value, mlir::Type elementType);
  mlir::Value toStorage(mlir::Value value);
  mlir::Value maskOrAll(mlir::Value mask);

  // Transposes (Transpose.cpp).
  void emitTransposed(Frame frame);
  Values turn(Values rows);

  // Small builders.
  mlir::Value index(int64_t value);
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  mlir::Value splat(mlir::Attribute value, mlir::Type elementType);
  mlir::Value broadcast(mlir::Value scalar);
  mlir::VectorType vectorOf(mlir::Type elementType);
  mlir::Value sizeOf(unsigned loop) { return sizes[loop]; }

  mlir::linalg::GenericOp op;
  const Nest &nest;
  const Plan &plan;
  const TargetInfo &target;
  llvm::SmallVector<mlir::Attribute> initial;
  mlir::ImplicitLocOpBuilder b;
  mlir::Block *entry;
  llvm::SmallVector<mlir::Value> sizes;
  llvm::SmallVector<FlatBuffer> buffers;
  llvm::DenseMap<mlir::Value, FlatBuffer> captured;
};

} // namespace mercer::cpu

#endif
