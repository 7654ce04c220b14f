//===- Emitter.h - one phase of a kernel as code of a thread ----*- C++ -*-===//
//
// Reads the operations of a tile in order and writes what one thread does of
// each. Code that is not a linalg op is the same for all threads of a
// workgroup; linalg ops are shared among them.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_PASSES_DISTRIBUTE_EMITTER_H
#define MERCER_PASSES_DISTRIBUTE_EMITTER_H

#include "dialects/mercer/IR/TargetInfo.h"
#include "passes/distribute/Barriers.h"
#include "passes/distribute/IndexMath.h"
#include "passes/distribute/Plan.h"
#include "passes/kernels/Phases.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallBitVector.h"

#include <memory>

namespace mercer::distribute {

/// A whole buffer: an argument of the kernel or scratch of a tile.
struct Buffer {
  /// Flat memref of the distributed kernel; null for what is never read.
  mlir::Value flat;
  /// Scratch in global memory: where this workgroup's part starts.
  Index start;
  /// Workgroups do not write it: no barrier is ever needed for it.
  bool readOnly = false;
  bool written = false;
  /// May start at any element, not only at multiples of 16 bytes.
  bool unaligned = false;
};

/// What lies around a part of a buffer that is seen as a larger one.
struct Padding {
  /// Where the part starts in the view, and its sizes.
  llvm::SmallVector<Index> low, sizes;
  mlir::TypedAttr constant;
  bool isZero = false;
};

/// A part of a buffer with a shape.
struct View {
  unsigned buffer = 0;
  Index offset;
  llvm::SmallVector<Index> sizes, strides;
  std::shared_ptr<const Padding> padding;
};

/// One loop of a linalg op.
struct OpLoop {
  Index size;
  /// What bounds it; kDynamic where nothing does.
  int64_t bound = mlir::ShapedType::kDynamic;
  bool reduction = false;
};

/// A linalg op with its operands resolved.
struct OpNest {
  mlir::linalg::GenericOp op;
  llvm::SmallVector<OpLoop> loops;
  /// One for each operand; a scalar operand has none.
  llvm::SmallVector<std::optional<View>> views;

  unsigned numInputs() { return op.getNumDpsInputs(); }
  llvm::SmallVector<unsigned> parallel() const;
  llvm::SmallVector<unsigned> reduced() const;
  /// Product of the bounds of `which`; kDynamic where one is unknown.
  int64_t bound(llvm::ArrayRef<unsigned> which) const;
  mlir::AffineMap map(unsigned operand) {
    return op.getMatchingIndexingMap(&op->getOpOperand(operand));
  }
  /// An output that reductions accumulate into: none of its indices moves with
  /// a reduced loop.
  bool accumulates(unsigned operand);
};

class Emitter {
public:
  /// `tf32`: products of singles may be rounded. `unaligned`: arguments that
  /// may start at any element.
  Emitter(mlir::func::FuncOp kernel, const Phase &phase, unsigned number,
          const TargetInfo &target, bool tf32,
          const llvm::SmallBitVector &unaligned);

  /// Writes the phase's function at `b`'s place.
  mlir::FailureOr<mlir::gpu::GPUFuncOp> run(mlir::OpBuilder &b);

  unsigned numBarriers = 0, numGlobalScratch = 0;

private:
  // Emitter.cpp: the frame and uniform code.
  void buildSignature(mlir::OpBuilder &b);
  mlir::LogicalResult placeScratch();
  mlir::LogicalResult emitBlock(mlir::Block &block);
  mlir::LogicalResult emit(mlir::Operation *op);
  mlir::LogicalResult emitFor(mlir::scf::ForOp op);
  mlir::LogicalResult emitIf(mlir::scf::IfOp op);
  mlir::FailureOr<View> viewOf(mlir::Operation *op);
  mlir::FailureOr<View> reshape(const View &source, mlir::Operation *op);
  Index mapped(mlir::OpFoldResult value);
  mlir::Value loadUniform(mlir::memref::LoadOp op);
  /// A barrier where `touch` needs one; records it.
  void meet(const Touch &touch);
  void barrier();

  // Loops.cpp: linalg ops on memory.
  mlir::FailureOr<OpNest> readOp(mlir::linalg::GenericOp op);
  mlir::LogicalResult emitLinalg(mlir::linalg::GenericOp op);
  Touch touchOf(OpNest &nest);
  mlir::LogicalResult emitLoops(OpNest &nest);
  llvm::SmallVector<unsigned> parallelOrder(OpNest &nest);
  /// `body(positions)` for each point of `loops` that this thread owns.
  void forEachOwned(OpNest &nest, llvm::ArrayRef<unsigned> loops,
                    llvm::function_ref<void(llvm::ArrayRef<Index>)> body);
  /// The same for points of `sizes`, not more than `bound`.
  void forEachOwned(llvm::ArrayRef<Index> sizes, int64_t bound,
                    llvm::function_ref<void(llvm::ArrayRef<Index>)> body);
  /// Nested loops over `loops` with `carried` values; returns the last ones.
  llvm::SmallVector<mlir::Value> forAll(
      llvm::ArrayRef<Index> sizes, mlir::ValueRange carried,
      llvm::function_ref<llvm::SmallVector<mlir::Value>(llvm::ArrayRef<Index>,
                                                        mlir::ValueRange)>
          body);
  Index addressOf(const View &view, mlir::AffineMap map,
                  llvm::ArrayRef<Index> at);
  mlir::Value load(const View &view, Index address);
  void store(const View &view, Index address, mlir::Value value);
  /// The op's body at `at`; `outputs` are the previous values of its outputs
  /// (null: read from memory where the body looks at them).
  llvm::SmallVector<mlir::Value> emitBody(OpNest &nest,
                                          llvm::ArrayRef<Index> at,
                                          llvm::ArrayRef<mlir::Value> outputs);
  mlir::Value loadInBody(mlir::memref::LoadOp access, mlir::IRMapping &map);
  bool cloneChoice(mlir::arith::SelectOp select, mlir::IRMapping &map);
  void cloneBody(mlir::Block &block, mlir::IRMapping &map,
                 llvm::ArrayRef<Index> at);

  // Padding.cpp: padded copies that are never made.
  struct PaddedCopy {
    mlir::Value buffer;
    mlir::linalg::GenericOp fill, copy;
    mlir::memref::SubViewOp part; // null: all of it
  };
  void findPadded(mlir::Operation *alloc);
  void definePadded(mlir::Operation *copy);
  mlir::Value insidePadding(const View &view, mlir::AffineMap map,
                            llvm::ArrayRef<Index> at);
  mlir::Value readElement(const View &view, mlir::AffineMap map,
                          llvm::ArrayRef<Index> at, mlir::Value inside = {});
  llvm::MapVector<mlir::Operation *, PaddedCopy> padded;
  llvm::DenseSet<mlir::Operation *> skipped;

  // Vectors.cpp: neighbours in memory as one access.
  /// How many elements from one at a multiple of this number on, along `loop`,
  /// are one aligned access.
  int64_t contiguousRun(const View &view, mlir::AffineMap map, unsigned loop);
  mlir::Value loadVector(const View &view, Index address, int64_t length);
  void storeVector(const View &view, Index address,
                   llvm::ArrayRef<mlir::Value> values);
  /// Points along the last of `order` that a thread takes at a time.
  int64_t vectorLength(OpNest &nest, llvm::ArrayRef<unsigned> order);
  void emitVector(OpNest &nest, llvm::ArrayRef<Index> at, unsigned loop,
                  int64_t length);
  void emitInVectors(OpNest &nest, llvm::ArrayRef<unsigned> order,
                     int64_t length);

  // Reduction.cpp: many elements to few, by all threads together.
  struct Combiner {
    mlir::Operation *op; // its operands: the previous value and the new one
    mlir::Value neutral;
  };
  std::optional<Combiner> combinerOf(OpNest &nest, unsigned output);
  Combiner withNeutral(mlir::Operation *op);
  mlir::Value combine(const Combiner &combiner, mlir::Value x, mlir::Value y);
  mlir::Value exchange(mlir::Value value, int64_t mask);
  /// The threads that reduce one result together.
  struct Team {
    bool whole;        // the workgroup; else a subgroup
    int64_t size;      // threads
    int64_t count;     // teams that work side by side
    Index number;      // of this thread's team
    Index member;      // this thread's place in it
    int64_t subgroups; // of the workgroup
  };
  Team teamFor(OpNest &nest);
  bool fitsTeams(OpNest &nest, int64_t minLength);
  bool reducesTogether(OpNest &nest);
  mlir::LogicalResult emitReduction(OpNest &nest);
  mlir::Value sharedFor(mlir::Type elementType, int64_t elements);
  /// The totals of all subgroups, lowest first, in every thread.
  llvm::SmallVector<mlir::Value> gather(mlir::Value total, const Team &team);

  // Scan.cpp: reductions whose steps are results too.
  mlir::Operation *findScan(OpNest &nest, unsigned output);
  bool scansTogether(OpNest &nest);
  mlir::LogicalResult emitScan(OpNest &nest);

  // Fragments.cpp: linalg ops on registers.
  /// Where the elements of one register lie.
  struct Point {
    /// Positions along the op's loops.
    llvm::SmallVector<Index> at;
    /// Inside of the tile, along rows and along columns; null: always.
    mlir::Value rowInside, colInside;
  };
  class Points;
  mlir::Value registersOf(mlir::Value buffer);
  mlir::Value getRegister(mlir::Value registers, int64_t number);
  void setRegister(mlir::Value registers, int64_t number, mlir::Value value);
  Index threadPart(const Layout &layout, bool row);
  mlir::Value both(mlir::Value x, mlir::Value y);
  /// Whether this thread writes what it holds; null: always.
  mlir::Value firstOfCopies(const Layout &layout);
  mlir::LogicalResult emitOnRegisters(OpNest &nest, const Space &space);
  void emitElements(OpNest &nest, const Space &space);
  void emitRowReduction(OpNest &nest, const Space &space);
  mlir::Value operandAt(OpNest &nest, unsigned operand, const Space &space,
                        int64_t number, const Point &point);
  /// Writes a value's registers to its place in memory, where others read it.
  void spill(mlir::Value buffer);
  void fetch(mlir::Value buffer);
  void transfer(mlir::Value buffer, bool toMemory);
  bool isFirstUse(mlir::OpOperand &use);
  bool isLastUse(mlir::OpOperand &use);
  bool needsMemory(const Candidate &candidate);

  // Contraction.cpp: products in register blocks.
  struct Stage {
    unsigned buffer = 0;
    int64_t pitch = 0; // elements from one step of the reduction to the next
    bool direct = false;
  };
  void emitContraction(OpNest &nest, const Space &space);
  /// Shared memory to stage an operand in, other than buffer `other`.
  Stage stageFor(OpNest &nest, unsigned operand, int64_t extent,
                 unsigned other);
  void fillStage(OpNest &nest, unsigned operand, const Stage &stage,
                 llvm::ArrayRef<unsigned> loops, int64_t extent, Index start,
                 Index length);
  /// The operand that moves with the rows of the registers.
  unsigned rowOperandOf(OpNest &nest, const Space &space);
  bool walksReduction(OpNest &nest, unsigned operand);

  // MatrixUnits.cpp: products by warp-wide instructions.
  void emitMatrixProduct(OpNest &nest, const Space &space);
  llvm::SmallVector<unsigned> reductionOrder(OpNest &nest);
  bool copiesAligned(OpNest &nest, unsigned operand, mlir::Type element,
                     llvm::ArrayRef<unsigned> loops,
                     llvm::ArrayRef<unsigned> reduced);
  void copySlice(OpNest &nest, unsigned operand, mlir::Value flat,
                 llvm::ArrayRef<unsigned> loops,
                 llvm::ArrayRef<unsigned> reduced, int64_t extent,
                 bool alongReduction, int64_t pitch, Index slot, int64_t length,
                 bool async, Index start, Index total, mlir::Type element,
                 llvm::SmallVectorImpl<mlir::Value> &tokens);
  /// Shared memory of products; those of one phase use it one after another.
  mlir::Value sharedScratch(mlir::Type element, int64_t elements,
                            unsigned operand);

  int64_t matrixSlice(const MatrixProduct &product, Coordinate extents);
  int64_t stageBytes();
  int64_t reductionStep(mlir::linalg::GenericOp op);

  mlir::func::FuncOp kernel;
  Phase phase;
  unsigned number;
  const TargetInfo &target;
  bool tf32;
  llvm::SmallBitVector unaligned;
  mlir::ImplicitLocOpBuilder b;
  IndexMath math;
  mlir::gpu::GPUFuncOp function;
  mlir::IRMapping mapping;
  /// Those of arguments first.
  llvm::SmallVector<Buffer> buffers;
  unsigned numArgumentBuffers = 0;
  llvm::DenseMap<mlir::Value, View> views;
  /// Where scratch that needs another argument gets it, by the source op.
  llvm::DenseMap<mlir::Operation *, unsigned> scratch;
  Barriers barriers;
  /// All that the loops around touch, innermost last.
  llvm::SmallVector<Touch> loopTouches;
  mlir::Value thread;
  std::optional<Plan> plan;
  llvm::DenseMap<mlir::Value, mlir::Value> registers;
  llvm::SmallVector<Stage> stages;
  /// By element type, size and operand.
  llvm::MapVector<std::tuple<mlir::Type, int64_t, unsigned>, mlir::Value>
      matrixStages;
  /// Steps of a reduction that are staged at once, at most.
  int64_t stepLimit = 32;
  /// Shared memory of reductions, by element type.
  llvm::DenseMap<mlir::Type, std::pair<unsigned, int64_t>> exchangeBuffers;
};

} // namespace mercer::distribute

#endif
