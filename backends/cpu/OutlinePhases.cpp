//===- OutlinePhases.cpp - phases of a kernel as functions ----------------===//

#include "backends/cpu/Passes.h"

#include "passes/kernels/Phases.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/SCF/Transforms/Transforms.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mercer {
#define GEN_PASS_DEF_CPUOUTLINEPHASES
#include "backends/cpu/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;

namespace {

/// Where the words of `params` go: one a scalar, pointer and dynamic sizes for
/// a memref.
struct ParamReader {
  ImplicitLocOpBuilder &b;
  const LLVMTypeConverter &converter;
  Value params;
  int64_t next = 0;

  Value word(Type type) {
    Value slot =
        LLVM::GEPOp::create(b, params.getType(), b.getI64Type(), params,
                            ArrayRef<LLVM::GEPArg>{LLVM::GEPArg(next++)});
    auto load = LLVM::LoadOp::create(b, type, slot);
    // Words never change while a kernel runs.
    load.setInvariant(true);
    return load;
  }
  Value indexWord() {
    return arith::IndexCastOp::create(b, b.getIndexType(),
                                      word(b.getI64Type()));
  }
  FailureOr<Value> read(Type type);
  FailureOr<Value> readMemref(MemRefType type);
};

FailureOr<Value> ParamReader::readMemref(MemRefType type) {
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(type.getStridesAndOffset(strides, offset)) || offset != 0)
    return failure();
  bool identity = type.getLayout().isIdentity();
  if (!identity && llvm::any_of(strides, ShapedType::isDynamic))
    return failure();
  Value pointer = word(LLVM::LLVMPointerType::get(b.getContext()));
  Type descriptorType = converter.convertType(type);
  Location loc = b.getLoc();
  MemRefDescriptor descriptor =
      MemRefDescriptor::poison(b, loc, descriptorType);
  descriptor.setAllocatedPtr(b, loc, pointer);
  descriptor.setAlignedPtr(b, loc, pointer);
  descriptor.setConstantOffset(b, loc, 0);
  auto constant = [&](int64_t value) -> Value {
    return LLVM::ConstantOp::create(b, b.getI64Type(),
                                    b.getI64IntegerAttr(value));
  };
  SmallVector<Value> sizes;
  for (int64_t dim = 0; dim < type.getRank(); ++dim) {
    Value size = type.isDynamicDim(dim) ? word(b.getI64Type())
                                        : constant(type.getDimSize(dim));
    sizes.push_back(size);
    descriptor.setSize(b, loc, dim, size);
  }
  Value stride = constant(1);
  for (int64_t dim = type.getRank() - 1; dim >= 0; --dim) {
    descriptor.setStride(
        b, loc, dim,
        ShapedType::isDynamic(strides[dim]) ? stride : constant(strides[dim]));
    stride = LLVM::MulOp::create(b, stride, sizes[dim]);
  }
  Value value = descriptor;
  return UnrealizedConversionCastOp::create(b, TypeRange(type), value)
      .getResult(0);
}

FailureOr<Value> ParamReader::read(Type type) {
  if (auto memref = dyn_cast<MemRefType>(type))
    return readMemref(memref);
  if (type.isIndex())
    return indexWord();
  if (!type.isIntOrFloat() || type.getIntOrFloatBitWidth() > 64)
    return failure();
  Value bits = word(b.getI64Type());
  unsigned width = type.getIntOrFloatBitWidth();
  if (width < 64)
    bits = arith::TruncIOp::create(b, b.getIntegerType(width), bits);
  if (isa<FloatType>(type))
    bits = arith::BitcastOp::create(b, type, bits);
  return bits;
}

struct CpuOutlinePhasesPass
    : mercer::impl::CpuOutlinePhasesBase<CpuOutlinePhasesPass> {
  using CpuOutlinePhasesBase::CpuOutlinePhasesBase;

  void runOnOperation() override;
  LogicalResult outline(func::FuncOp kernel,
                        const LLVMTypeConverter &converter);
  LogicalResult outlinePhase(func::FuncOp kernel, Phase &phase, unsigned number,
                             const LLVMTypeConverter &converter);
  FailureOr<int64_t> placeScratch(func::FuncOp function, Value scratch);
};

} // namespace

/// Buffers of a tile: on the stack, or at fixed offsets of `scratch` when they
/// are too large for it. Returns the bytes of `scratch` that are used.
FailureOr<int64_t> CpuOutlinePhasesPass::placeScratch(func::FuncOp function,
                                                      Value scratch) {
  SmallVector<Operation *> buffers, frees;
  function.walk([&](Operation *op) {
    if (isa<memref::AllocaOp, memref::AllocOp>(op))
      buffers.push_back(op);
    else if (isa<memref::DeallocOp>(op))
      frees.push_back(op);
  });
  for (Operation *op : frees)
    op->erase();
  int64_t total = 0;
  SmallVector<int64_t> offsets;
  for (Operation *op : buffers) {
    auto type = cast<MemRefType>(op->getResult(0).getType());
    if (!type.hasStaticShape() || !type.getLayout().isIdentity())
      return op->emitError("[E3103] expects scratch of static size, found ")
             << type;
    int64_t bits =
        type.getElementType().isIndex() ? 64 : type.getElementTypeBitWidth();
    offsets.push_back(total);
    total +=
        llvm::alignTo(type.getNumElements() * llvm::divideCeil(bits, 8), 64);
  }
  bool onStack = total <= stackBytes;
  OpBuilder b(&getContext());
  for (auto [op, offset] : llvm::zip(buffers, offsets)) {
    auto type = cast<MemRefType>(op->getResult(0).getType());
    b.setInsertionPointToStart(&function.getBody().front());
    Value buffer;
    if (onStack) {
      buffer = memref::AllocaOp::create(b, op->getLoc(), type,
                                        b.getI64IntegerAttr(64));
    } else {
      ImplicitLocOpBuilder at(op->getLoc(), b);
      Value pointer = LLVM::GEPOp::create(
          at, scratch.getType(), at.getI8Type(), scratch,
          ArrayRef<LLVM::GEPArg>{LLVM::GEPArg(static_cast<int32_t>(offset))});
      LLVMTypeConverter converter(&getContext());
      Value descriptor = MemRefDescriptor::fromStaticShape(
          at, op->getLoc(), converter, type, pointer);
      buffer =
          UnrealizedConversionCastOp::create(at, TypeRange(type), descriptor)
              .getResult(0);
    }
    op->getResult(0).replaceAllUsesWith(buffer);
    op->erase();
  }
  return onStack ? 0 : total;
}

LogicalResult
CpuOutlinePhasesPass::outlinePhase(func::FuncOp kernel, Phase &phase,
                                   unsigned number,
                                   const LLVMTypeConverter &converter) {
  MLIRContext *context = &getContext();
  Location loc = kernel.getLoc();
  auto pointer = LLVM::LLVMPointerType::get(context);
  auto i64 = IntegerType::get(context, 64);
  std::string name = (kernel.getName() + "$" + Twine(number)).str();
  Operation *first = phase.ops.front();
  OpBuilder outer(kernel);

  auto begin = [&](func::FuncOp function, ImplicitLocOpBuilder &b,
                   IRMapping &mapping) -> LogicalResult {
    Block *entry = function.addEntryBlock();
    b.setInsertionPointToStart(entry);
    ParamReader reader{b, converter, entry->getArgument(0)};
    for (BlockArgument argument : kernel.getArguments()) {
      FailureOr<Value> value = reader.read(argument.getType());
      if (failed(value))
        return kernel.emitError("[E3104] expects identity-layout buffers and "
                                "scalars as kernel arguments, found ")
               << argument.getType();
      mapping.map(argument, *value);
    }
    cloneSharedOps(b, kernel, first, mapping);
    return success();
  };

  {
    auto grid =
        func::FuncOp::create(outer, loc, name + "_grid",
                             FunctionType::get(context, {pointer}, {i64}));
    ImplicitLocOpBuilder b(loc, context);
    IRMapping mapping;
    if (failed(begin(grid, b, mapping)))
      return failure();
    Value tiles = arith::ConstantIndexOp::create(b, 1);
    if (phase.forall)
      for (Value count : readPhaseGrid(b, phase.forall, mapping).count)
        tiles = arith::MulIOp::create(b, tiles, count);
    func::ReturnOp::create(
        b, arith::IndexCastOp::create(b, i64, tiles).getResult());
  }
  if (gridsOnly)
    return success();

  auto function = func::FuncOp::create(
      outer, loc, name,
      FunctionType::get(context, {pointer, i64, i64, pointer}, {}));
  ImplicitLocOpBuilder b(loc, context);
  IRMapping mapping;
  if (failed(begin(function, b, mapping)))
    return failure();
  Block &entry = function.getBody().front();
  // What all tiles compute alike stays outside the loop over them.
  PhaseGrid grid;
  if (phase.forall)
    grid = readPhaseGrid(b, phase.forall, mapping);
  auto index = [&](Value word) -> Value {
    return arith::IndexCastOp::create(b, b.getIndexType(), word);
  };
  auto tiles = scf::ForOp::create(b, index(entry.getArgument(1)),
                                  index(entry.getArgument(2)),
                                  arith::ConstantIndexOp::create(b, 1));
  func::ReturnOp::create(b);
  b.setInsertionPointToStart(tiles.getBody());
  if (!phase.forall) {
    for (Operation *op : phase.ops)
      b.clone(*op, mapping);
  } else {
    SmallVector<Value> ivs = grid.positions(b, tiles.getInductionVar());
    mapping.map(phase.forall.getInductionVars(), ivs);
    for (Operation &op : phase.forall.getBody()->without_terminator())
      b.clone(op, mapping);
  }

  FailureOr<int64_t> scratch = placeScratch(function, entry.getArgument(3));
  if (failed(scratch))
    return failure();
  function->setAttr("mercer.scratch_bytes", b.getI64IntegerAttr(*scratch));
  function->setAttr("mercer.phase_of", b.getStringAttr(kernel.getName()));
  ++numPhases;
  return success();
}

LogicalResult
CpuOutlinePhasesPass::outline(func::FuncOp kernel,
                              const LLVMTypeConverter &converter) {
  FailureOr<SmallVector<Phase>> phases = readPhases(kernel);
  if (failed(phases))
    return failure();
  for (auto [number, phase] : llvm::enumerate(*phases))
    if (failed(outlinePhase(kernel, phase, number, converter)))
      return failure();
  kernel.erase();
  return success();
}

void CpuOutlinePhasesPass::runOnOperation() {
  LLVMTypeConverter converter(&getContext());
  SmallVector<func::FuncOp> kernels;
  for (auto function : getOperation().getOps<func::FuncOp>())
    if (function->hasAttr("mercer.kernel"))
      kernels.push_back(function);
  for (func::FuncOp kernel : kernels)
    if (failed(outline(kernel, converter)))
      return signalPassFailure();

  // Foralls inside a tile run in order.
  SmallVector<scf::ForallOp> inner;
  getOperation().walk([&](scf::ForallOp op) { inner.push_back(op); });
  IRRewriter rewriter(&getContext());
  for (scf::ForallOp op : inner) {
    rewriter.setInsertionPoint(op);
    if (failed(scf::forallToForLoop(rewriter, op)))
      return signalPassFailure();
  }
}
