//===- Emitter.h - one distributed kernel to the SPIR-V dialect -*- C++ -*-===//
//
// A single walk over the kernel with a map from its values to SPIR-V scalars:
// a vector is as many of them as it has lanes. What is conversion patterns
// upstream is switches here: a kernel of thousands of operations converts in
// the time that the pattern driver needs to set itself up, and a loop keeps its
// values in registers.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_BACKENDS_SPIRV_EMIT_EMITTER_H
#define MERCER_BACKENDS_SPIRV_EMIT_EMITTER_H

#include "backends/spirv/SpirvBackend.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SPIRV/IR/SPIRVDialect.h"
#include "mlir/Dialect/SPIRV/IR/SPIRVOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace mercer::spirvgen {

using Lanes = mlir::SmallVector<mlir::Value, 1>;

/// What a memref of the kernel is in SPIR-V.
struct Memory {
  enum Kind { Global, Shared, Private };
  Kind kind = Global;
  /// The element, and the type of it in memory.
  mlir::Type element, stored;
  /// Pointers to the variables: one, or one for each chunk.
  mlir::SmallVector<mlir::Value, 1> bases;
  /// Global: number of the first element in the binding, and the variable's
  /// name, binding and decorations.
  mlir::Value first;
  unsigned number = 0, binding = 0;
  bool written = false, coherent = false;
  /// Global in chunks: the static number of elements.
  int64_t elements = 0;
  /// Global: the same binding as an array of 1, 2 or 4 words, once asked for.
  mlir::Value wide[5];
};

class Emitter {
public:
  /// The spirv.module is made where `b` stands.
  Emitter(mlir::OpBuilder &builder, mlir::gpu::GPUFuncOp kernel,
          const TargetInfo &target)
      : b(kernel.getLoc(), builder), h(kernel.getLoc(), builder),
        kernel(kernel), target(target) {}

  /// Fills the facts of `result`, not its words.
  mlir::FailureOr<mlir::spirv::ModuleOp> run(SpirvKernel &result);

private:
  // Function.cpp: arguments, variables, constants, the module around.
  mlir::LogicalResult arguments(SpirvKernel &result);
  mlir::LogicalResult attributions(SpirvKernel &result);
  mlir::LogicalResult operation(mlir::Operation *op);
  mlir::Value globalVariable(mlir::Type pointee,
                             mlir::spirv::StorageClass storage,
                             llvm::StringRef name, int binding = -1,
                             llvm::ArrayRef<llvm::StringRef> decorations = {});
  mlir::Value builtin(mlir::spirv::BuiltIn kind, unsigned dim);
  mlir::Value blockWord(unsigned word);
  mlir::Value scalarArgument(mlir::Type type, unsigned word);
  void finish(SpirvKernel &result, mlir::spirv::FuncOp function);
  /// The type of a value in registers; null and a diagnostic at `op` if there
  /// is none.
  mlir::Type registerType(mlir::Type element, mlir::Operation *op);
  mlir::Type storedType(mlir::Type element, bool shared);
  void need(mlir::spirv::Capability capability) {
    capabilities.insert(capability);
  }
  /// The diagnostic of an operation that has no form here.
  mlir::LogicalResult refuse(mlir::Operation *op, const llvm::Twine &why);

  // Control.cpp.
  mlir::LogicalResult block(mlir::Block &body);
  mlir::LogicalResult loop(mlir::scf::ForOp op);
  mlir::LogicalResult choice(mlir::scf::IfOp op);
  mlir::LogicalResult shuffle(mlir::gpu::ShuffleOp op);
  void barrier();
  mlir::LogicalResult lanesOf(mlir::ValueRange values, Lanes &all);
  mlir::LogicalResult typesOf(mlir::ValueRange values, mlir::Operation *op,
                              mlir::SmallVectorImpl<mlir::Type> &types);
  void bind(mlir::ValueRange values, mlir::ValueRange lanes);

  // Memory.cpp.
  mlir::LogicalResult memory(mlir::Operation *op);
  mlir::LogicalResult vectorOp(mlir::Operation *op);
  mlir::LogicalResult alloca(mlir::memref::AllocaOp op);
  mlir::LogicalResult load(mlir::Operation *op, mlir::Value memref,
                           mlir::Value index, mlir::Type type, int64_t aligned);
  mlir::LogicalResult store(mlir::Operation *op, mlir::Value memref,
                            mlir::Value index, mlir::Value value,
                            int64_t aligned);
  mlir::Value loadElement(Memory &memory, mlir::Value index);
  mlir::Value loadChunked(Memory &memory, mlir::Value index);
  void storeElement(Memory &memory, mlir::Value index, mlir::Value value);
  mlir::Value pointer(mlir::Value base, mlir::Value index);
  mlir::Value wideView(Memory &memory, int64_t words);
  void elementView(Memory &memory);
  void split(mlir::ValueRange words, mlir::Type element, Lanes &lanes);
  void join(mlir::ValueRange lanes, mlir::Type element, Lanes &words);
  mlir::Value fromStored(mlir::Value value, mlir::Type element);
  mlir::Value toStored(mlir::Value value, mlir::Type stored);

  // Integer.cpp and Float.cpp: one lane of an operation. Null: not covered.
  mlir::Value integer(mlir::Operation *op, mlir::ValueRange x,
                      mlir::Type element);
  mlir::Value boolean(mlir::Operation *op, mlir::ValueRange x);
  mlir::Value compare(mlir::arith::CmpIPredicate predicate, mlir::Value x,
                      mlir::Value y, mlir::Type element);
  mlir::Value castInteger(mlir::Value x, mlir::Type from, mlir::Type to,
                          bool isSigned);
  mlir::Value remainder(mlir::Value x, mlir::Value y);
  mlir::Value countBits(mlir::Value x, mlir::Type element);
  mlir::Value leadingZeros(mlir::Value x, mlir::Type element);
  mlir::LogicalResult extended(mlir::Operation *op);
  std::pair<mlir::Value, mlir::Value>
  product(mlir::Value x, mlir::Value y, mlir::Type element, bool isSigned);
  mlir::Value floating(mlir::Operation *op, mlir::ValueRange x,
                       mlir::Type element);
  mlir::Value compare(mlir::arith::CmpFPredicate predicate, mlir::Value x,
                      mlir::Value y);
  mlir::Value convert(mlir::Operation *op, mlir::Value x, mlir::Type from,
                      mlir::Type to);
  mlir::LogicalResult lanewise(mlir::Operation *op);
  mlir::LogicalResult constant(mlir::arith::ConstantOp op);

  // Small words for frequent operations.
  mlir::Value word(uint32_t value);
  mlir::Value constantOf(mlir::Type type, uint64_t bits);
  /// The value with its upper bits cleared or copied from its sign.
  mlir::Value zeroExtended(mlir::Value x, mlir::Type element);
  mlir::Value signExtended(mlir::Value x, mlir::Type element);
  template <typename Op> mlir::Value make(mlir::Value x) {
    return Op::create(b, x.getType(), x);
  }
  template <typename Op> mlir::Value make(mlir::Value x, mlir::Value y) {
    return Op::create(b, x.getType(), x, y);
  }
  template <typename Op> mlir::Value ask(mlir::Value x, mlir::Value y) {
    return Op::create(b, b.getI1Type(), x, y);
  }
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y) {
    return mlir::spirv::SelectOp::create(b, x.getType(), condition, x, y);
  }
  mlir::Value bitcast(mlir::Value x, mlir::Type to) {
    return x.getType() == to
               ? x
               : mlir::spirv::BitcastOp::create(b, to, x).getResult();
  }
  mlir::Value isNaN(mlir::Value x) {
    return mlir::spirv::IsNanOp::create(b, b.getI1Type(), x);
  }

  /// `b` writes code where the walk is; `h` writes constants, pointers and
  /// arguments at the start of the function; globals go before the function.
  mlir::ImplicitLocOpBuilder b, h;
  mlir::gpu::GPUFuncOp kernel;
  const TargetInfo &target;
  mlir::spirv::ModuleOp module;
  mlir::spirv::FuncOp function;
  llvm::DenseMap<mlir::Value, Lanes> values;
  llvm::DenseMap<mlir::Value, Memory> memories;
  llvm::DenseMap<std::pair<mlir::Type, uint64_t>, mlir::Value> constants;
  llvm::DenseMap<std::pair<unsigned, unsigned>, mlir::Value> builtins;
  llvm::SetVector<mlir::spirv::Capability> capabilities;
  llvm::SmallVector<mlir::Attribute> interface;
  mlir::Value blockBase;
  unsigned blockWords = 0, bindings = 0, privates = 0;
  bool pushed = true, hasBarrier = false, floats32 = false, floats64 = false;
};

} // namespace mercer::spirvgen

#endif
