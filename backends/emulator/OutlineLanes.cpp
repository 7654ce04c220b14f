//===- OutlineLanes.cpp - distributed kernels as checked host functions ---===//

#include "backends/emulator/KernelData.h"
#include "backends/emulator/Passes.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

namespace mercer {
#define GEN_PASS_DEF_EMULATOROUTLINELANES
#include "backends/emulator/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;

namespace {

/// A memref of the kernel.
struct BufferInfo {
  int64_t kind;
  uint32_t number;
  int64_t bytes;  ///< of an element
  Value pointer;  ///< to element 0; null for private arrays
  Value elements; ///< index; of inputs and private arrays only
};

/// Rewrites one kernel.
class LaneBuilder {
public:
  LaneBuilder(gpu::GPUFuncOp kernel, ModuleOp module)
      : kernel(kernel), module(module), b(kernel.getLoc(), kernel.getContext()),
        converter(kernel.getContext()),
        pointerType(LLVM::LLVMPointerType::get(kernel.getContext())),
        i32(b.getI32Type()), i64(b.getI64Type()) {}

  LogicalResult build(StringRef phaseOf);

private:
  enum LaneArgument {
    StateArg,
    ParamsArg,
    LaneArg,
    BlockArg,
    GridArg,
    TilesArg
  };

  LogicalResult readAttributes();
  LogicalResult bindArguments();
  LogicalResult bindBuffer(BlockArgument argument, unsigned number);
  LogicalResult bindShared(BlockArgument argument, unsigned number);
  void makeTokensPlain();
  LogicalResult rewrite(Operation *op);
  LogicalResult rewriteAlloca(memref::AllocaOp op);
  LogicalResult checkAccess(Operation *op, Value memref, ValueRange indices,
                            Type accessed, std::optional<uint64_t> alignment,
                            bool writes);
  LogicalResult rewrite(gpu::ShuffleOp op);
  LogicalResult rewrite(nvgpu::LdMatrixOp op);
  LogicalResult rewrite(nvgpu::MmaSyncOp op);
  LogicalResult rewrite(nvgpu::DeviceAsyncCopyOp op);
  void writeRun(StringRef phaseOf);

  /// A call of a function of runtime/emulator/Emulator.h.
  Value call(StringRef name, ValueRange arguments, Type result = {});
  Value word(int64_t number, Type type);
  Value view(MemRefType type, Value pointer, Value elements);
  Value int32(uint32_t value) {
    return arith::ConstantIntOp::create(b, i32, value);
  }
  Value site(Operation *op) { return int32(data.addSite(op)); }
  Value toI64(Value index) { return arith::IndexCastOp::create(b, i64, index); }
  Value argument(LaneArgument which) { return lane.getArgument(which); }
  /// Memory of the lane for the operands of matrix operations.
  Value slot(unsigned number);
  void storeRows(Value vector, Value to);
  Value loadRows(VectorType type, Value from);
  FailureOr<BufferInfo> bufferOf(Operation *op, Value memref,
                                 ValueRange indices);

  gpu::GPUFuncOp kernel;
  ModuleOp module;
  func::FuncOp lane;
  ImplicitLocOpBuilder b;
  LLVMTypeConverter converter;
  LLVM::LLVMPointerType pointerType;
  Type i32, i64;
  KernelData data;
  DenseMap<Value, BufferInfo> buffers;
  Value slots[4];
};

struct EmulatorOutlineLanesPass
    : mercer::impl::EmulatorOutlineLanesBase<EmulatorOutlineLanesPass> {
  void runOnOperation() override;
};

} // namespace

//===----------------------------------------------------------------------===//
// Small things
//===----------------------------------------------------------------------===//

static MemRefType withoutSpace(MemRefType type) {
  return MemRefType::get(type.getShape(), type.getElementType());
}

static gpu::AddressSpace spaceOf(MemRefType type) {
  if (auto space =
          dyn_cast_or_null<gpu::AddressSpaceAttr>(type.getMemorySpace()))
    return space.getValue();
  return gpu::AddressSpace::Private;
}

static bool isPlain(MemRefType type) {
  return type.getRank() == 1 && type.getLayout().isIdentity() &&
         (type.getElementType().isIndex() ||
          (type.getElementType().isIntOrFloat() &&
           llvm::is_contained({8, 16, 32, 64}, type.getElementTypeBitWidth())));
}

static int64_t bytesOf(Type element) {
  return element.isIndex() ? 8 : element.getIntOrFloatBitWidth() / 8;
}

static std::optional<int64_t> integerAttr(Operation *op, StringRef name) {
  if (auto attr = op->getAttrOfType<IntegerAttr>(name))
    return attr.getInt();
  return std::nullopt;
}

Value LaneBuilder::call(StringRef name, ValueRange arguments, Type result) {
  if (!module.lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    Type resultType = result ? result : LLVM::LLVMVoidType::get(b.getContext());
    auto declared = LLVM::LLVMFuncOp::create(
        b, name,
        LLVM::LLVMFunctionType::get(resultType,
                                    llvm::to_vector(arguments.getTypes())));
    if (name == "mercer_emu_bad_access")
      declared.setPassthroughAttr(
          b.getStrArrayAttr({"noreturn", "cold", "nounwind"}));
  }
  SmallVector<Type> results;
  if (result)
    results.push_back(result);
  auto op = LLVM::CallOp::create(b, results, name, arguments);
  return result ? op.getResult() : Value();
}

Value LaneBuilder::word(int64_t number, Type type) {
  Value address =
      LLVM::GEPOp::create(b, pointerType, i64, argument(ParamsArg),
                          ArrayRef<LLVM::GEPArg>{LLVM::GEPArg(number)});
  auto load = LLVM::LoadOp::create(b, type, address);
  load.setInvariant(true);
  return load;
}

Value LaneBuilder::view(MemRefType type, Value pointer, Value elements) {
  Location loc = b.getLoc();
  MemRefDescriptor descriptor =
      MemRefDescriptor::poison(b, loc, converter.convertType(type));
  descriptor.setAllocatedPtr(b, loc, pointer);
  descriptor.setAlignedPtr(b, loc, pointer);
  descriptor.setConstantOffset(b, loc, 0);
  descriptor.setSize(b, loc, 0, elements);
  descriptor.setConstantStride(b, loc, 0, 1);
  Value value = descriptor;
  return UnrealizedConversionCastOp::create(b, TypeRange(type), value)
      .getResult(0);
}

Value LaneBuilder::slot(unsigned number) {
  if (!slots[number]) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&lane.getBody().front());
    Value size = LLVM::ConstantOp::create(b, i64, b.getI64IntegerAttr(64));
    slots[number] = LLVM::AllocaOp::create(b, pointerType, b.getI8Type(), size,
                                           /*alignment=*/16);
  }
  return slots[number];
}

/// Fragments have two dimensions; one row is one register.
void LaneBuilder::storeRows(Value vector, Value to) {
  auto type = cast<VectorType>(vector.getType());
  int64_t bytes = type.getDimSize(1) * bytesOf(type.getElementType());
  for (int64_t row = 0; row < type.getDimSize(0); ++row) {
    Value address =
        LLVM::GEPOp::create(b, pointerType, b.getI8Type(), to,
                            ArrayRef<LLVM::GEPArg>{LLVM::GEPArg(
                                static_cast<int32_t>(row * bytes))});
    LLVM::StoreOp::create(b, vector::ExtractOp::create(b, vector, row), address,
                          /*alignment=*/4);
  }
}

Value LaneBuilder::loadRows(VectorType type, Value from) {
  int64_t bytes = type.getDimSize(1) * bytesOf(type.getElementType());
  auto rowType = VectorType::get(type.getDimSize(1), type.getElementType());
  Value result = ub::PoisonOp::create(b, type);
  for (int64_t row = 0; row < type.getDimSize(0); ++row) {
    Value address =
        LLVM::GEPOp::create(b, pointerType, b.getI8Type(), from,
                            ArrayRef<LLVM::GEPArg>{LLVM::GEPArg(
                                static_cast<int32_t>(row * bytes))});
    Value loaded = LLVM::LoadOp::create(b, rowType, address, /*alignment=*/4);
    result = vector::InsertOp::create(b, loaded, result, row);
  }
  return result;
}

FailureOr<BufferInfo> LaneBuilder::bufferOf(Operation *op, Value memref,
                                            ValueRange indices) {
  auto found = buffers.find(memref);
  if (found == buffers.end() || indices.size() != 1)
    return op->emitError(
        "[E3601] expects one index into an argument, a workgroup attribution "
        "or a private array");
  return found->second;
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

LogicalResult LaneBuilder::readAttributes() {
  DenseI32ArrayAttr size = kernel.getKnownBlockSizeAttr();
  std::optional<int64_t> subgroup = integerAttr(kernel, "mercer.subgroup");
  if (!size || size.size() != 3 || size[1] != 1 || size[2] != 1)
    return kernel.emitError(
        "[E3601] expects known_block_size of the form [N, 1, 1]");
  if (!subgroup || *subgroup < 1 || *subgroup > 32 || size[0] < 1 ||
      size[0] > 1024 || size[0] % *subgroup != 0)
    return kernel.emitError("[E3601] expects mercer.subgroup of at most 32 and "
                            "a block of at most 1024 that it divides");
  data.threads = size[0];
  data.subgroup = *subgroup;
  data.maxBankConflicts =
      integerAttr(kernel, "mercer.max_bank_conflicts").value_or(-1);
  return success();
}

/// A global buffer: `mercer.elements` and `mercer.written`, or
/// `mercer.scratch`.
LogicalResult LaneBuilder::bindBuffer(BlockArgument from, unsigned number) {
  auto type = cast<MemRefType>(from.getType());
  auto refuse = [&](const Twine &message) {
    return kernel.emitError("[E3601] argument ") << number << ": " << message;
  };
  if (!isPlain(type) || spaceOf(type) != gpu::AddressSpace::Global)
    return refuse("expects a one-dimensional buffer in global memory");
  int64_t bytes = bytesOf(type.getElementType());
  if (auto scratch =
          kernel.getArgAttrOfType<IntegerAttr>(number, "mercer.scratch")) {
    BufferInfo info{MERCER_EMU_SCRATCH, 0, bytes, {}, {}};
    info.number = data.addBuffer(info.kind, number, bytes, 0, scratch.getInt());
    info.pointer = call("mercer_emu_base",
                        {argument(StateArg), int32(info.number)}, pointerType);
    // Accesses are checked by calls: the view's own size is not used.
    Value memref =
        view(withoutSpace(type), info.pointer,
             LLVM::ConstantOp::create(b, i64, b.getI64IntegerAttr(INT64_MAX)));
    from.replaceAllUsesWith(memref);
    buffers.insert({memref, info});
    return success();
  }
  auto elements =
      kernel.getArgAttrOfType<DenseI64ArrayAttr>(number, "mercer.elements");
  SmallVector<int64_t> numbers;
  if (elements) {
    numbers.assign(elements.asArrayRef().begin(), elements.asArrayRef().end());
  } else if (auto array = kernel.getArgAttrOfType<ArrayAttr>(
                 number, "mercer.elements")) {
    for (Attribute attr : array)
      if (auto integer = dyn_cast<IntegerAttr>(attr))
        numbers.push_back(integer.getInt());
  }
  if (numbers.empty())
    return refuse("expects mercer.elements = [static factor, arguments...]");
  // The number of tiles has no word.
  SmallVector<int64_t> factors;
  Value size =
      LLVM::ConstantOp::create(b, i64, b.getI64IntegerAttr(numbers.front()));
  for (int64_t factor : llvm::drop_begin(numbers)) {
    if (factor < 1 || factor >= kernel.getNumArguments() ||
        !kernel.getArgumentTypes()[factor].isIndex())
      return refuse("expects numbers of index arguments in mercer.elements");
    factors.push_back(factor - 1);
    size = LLVM::MulOp::create(b, size, word(factor - 1, i64));
  }
  bool written = !!kernel.getArgAttr(number, "mercer.written");
  BufferInfo info{written ? MERCER_EMU_GLOBAL : MERCER_EMU_INPUT, 0, bytes,
                  word(number - 1, pointerType),
                  arith::IndexCastOp::create(b, b.getIndexType(), size)};
  info.number = data.addBuffer(info.kind, number, bytes, number - 1,
                               numbers.front(), factors);
  Value memref = view(withoutSpace(type), info.pointer, size);
  from.replaceAllUsesWith(memref);
  buffers.insert({memref, info});
  return success();
}

LogicalResult LaneBuilder::bindShared(BlockArgument from, unsigned number) {
  auto type = dyn_cast<MemRefType>(from.getType());
  if (!type || !isPlain(type) || !type.hasStaticShape() ||
      spaceOf(type) != gpu::AddressSpace::Workgroup)
    return kernel.emitError("[E3601] expects one-dimensional workgroup "
                            "attributions of static size, found ")
           << from.getType();
  int64_t bytes = bytesOf(type.getElementType());
  int64_t alignment = bytes;
  if (auto attr = dyn_cast_or_null<IntegerAttr>(
          kernel.getWorkgroupAttributionAttr(number, "llvm.align")))
    alignment = std::max(alignment, attr.getInt());
  data.sharedBytes = llvm::alignTo(data.sharedBytes, alignment);
  BufferInfo info{MERCER_EMU_SHARED, 0, bytes, {}, {}};
  info.number = data.addBuffer(info.kind, number, bytes, data.sharedBytes,
                               type.getNumElements());
  data.sharedBytes += type.getNumElements() * bytes;
  info.pointer = call("mercer_emu_base",
                      {argument(StateArg), int32(info.number)}, pointerType);
  Value memref = view(withoutSpace(type), info.pointer,
                      LLVM::ConstantOp::create(
                          b, i64, b.getI64IntegerAttr(type.getNumElements())));
  from.replaceAllUsesWith(memref);
  buffers.insert({memref, info});
  return success();
}

/// Gives every argument of the kernel, behind those of the lane in the entry
/// block, its value.
LogicalResult LaneBuilder::bindArguments() {
  Block &entry = lane.getBody().front();
  unsigned first = lane.getNumArguments();
  unsigned numArguments = kernel.getNumArguments();
  unsigned numWorkgroup = kernel.getNumWorkgroupAttributions();
  for (unsigned number = 0; number < entry.getNumArguments() - first;
       ++number) {
    BlockArgument from = entry.getArgument(first + number);
    Type type = from.getType();
    if (number >= numArguments + numWorkgroup)
      return kernel.emitError(
          "[E3601] expects no private attributions, but memref.alloca");
    if (number >= numArguments) {
      if (failed(bindShared(from, number - numArguments)))
        return failure();
    } else if (number == 0) {
      if (!type.isIndex())
        return kernel.emitError("[E3601] expects the number of tiles, an "
                                "index, as first argument");
      from.replaceAllUsesWith(argument(TilesArg));
    } else if (isa<MemRefType>(type)) {
      if (failed(bindBuffer(from, number)))
        return failure();
    } else if (type.isIndex()) {
      from.replaceAllUsesWith(arith::IndexCastOp::create(
          b, b.getIndexType(), word(number - 1, i64)));
    } else if (type.isIntOrFloat() && type.getIntOrFloatBitWidth() <= 64) {
      Value bits = word(number - 1, i64);
      unsigned width = type.getIntOrFloatBitWidth();
      if (width < 64)
        bits = arith::TruncIOp::create(b, b.getIntegerType(width), bits);
      if (isa<FloatType>(type))
        bits = arith::BitcastOp::create(b, type, bits);
      from.replaceAllUsesWith(bits);
    } else {
      return kernel.emitError("[E3601] argument ")
             << number << ": expects a buffer or a scalar, found " << type;
    }
  }
  entry.eraseArguments(first, entry.getNumArguments() - first);
  return success();
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

/// An array of one lane. It stands at the function's start, where it becomes
/// registers, and is filled with NaNs where it was, so that nothing depends on
/// what was there.
LogicalResult LaneBuilder::rewriteAlloca(memref::AllocaOp op) {
  MemRefType type = op.getType();
  if (!isPlain(type) || !type.hasStaticShape() ||
      spaceOf(type) != gpu::AddressSpace::Private)
    return op.emitError("[E3601] expects a one-dimensional private array of "
                        "static size");
  MemRefType plain = withoutSpace(type);
  Value array;
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&lane.getBody().front());
    array = memref::AllocaOp::create(b, plain, op.getAlignmentAttr());
  }
  Type element = type.getElementType();
  Value poison;
  if (auto floating = dyn_cast<FloatType>(element))
    poison = arith::ConstantOp::create(
        b, b.getFloatAttr(floating,
                          APFloat::getNaN(floating.getFloatSemantics())));
  else
    poison = arith::ConstantOp::create(b, b.getIntegerAttr(element, -1));
  for (int64_t i = 0; i < type.getNumElements(); ++i)
    memref::StoreOp::create(
        b, poison, array,
        ValueRange{arith::ConstantIndexOp::create(b, i).getResult()});
  op.replaceAllUsesWith(array);
  buffers.insert({array,
                  {MERCER_EMU_PRIVATE,
                   MERCER_EMU_PRIVATE,
                   bytesOf(element),
                   {},
                   arith::ConstantIndexOp::create(b, type.getNumElements())}});
  op.erase();
  return success();
}

LogicalResult LaneBuilder::checkAccess(Operation *op, Value memref,
                                       ValueRange indices, Type accessed,
                                       std::optional<uint64_t> alignment,
                                       bool writes) {
  FailureOr<BufferInfo> buffer = bufferOf(op, memref, indices);
  if (failed(buffer))
    return failure();
  if (writes && buffer->kind == MERCER_EMU_INPUT)
    return op->emitError(
        "[E3601] expects mercer.written on the argument that is stored to");
  int64_t count = 1;
  if (auto vector = dyn_cast<VectorType>(accessed)) {
    if (vector.getRank() != 1 || vector.isScalable())
      return op->emitError("[E3601] expects a vector of one static dimension");
    count = vector.getNumElements();
  }
  uint32_t align = static_cast<uint32_t>(alignment.value_or(1));
  Value index = indices.front();
  SmallVector<Value> arguments = {argument(StateArg),
                                  site(op),
                                  int32(buffer->number),
                                  toI64(index),
                                  int32(static_cast<uint32_t>(count)),
                                  int32(align)};
  if (buffer->kind != MERCER_EMU_INPUT && buffer->kind != MERCER_EMU_PRIVATE) {
    call(writes ? "mercer_emu_write" : "mercer_emu_read", arguments);
    return success();
  }
  // index < elements - (count - 1), unsigned, unless that is below 0.
  Value zero = arith::ConstantIndexOp::create(b, 0);
  Value limit = arith::SubIOp::create(
      b, buffer->elements, arith::ConstantIndexOp::create(b, count - 1));
  limit = arith::MaxSIOp::create(b, limit, zero);
  Value bad = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, index, limit);
  if (buffer->pointer && align > 1) {
    Value address = LLVM::PtrToIntOp::create(b, i64, buffer->pointer);
    Value size = arith::ConstantIntOp::create(b, i64, buffer->bytes);
    address = arith::AddIOp::create(
        b, address, arith::MulIOp::create(b, toI64(index), size).getResult());
    Value low = arith::AndIOp::create(
        b, address, arith::ConstantIntOp::create(b, i64, align - 1));
    Value misaligned =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ne, low,
                              arith::ConstantIntOp::create(b, i64, 0));
    bad = arith::OrIOp::create(b, bad, misaligned);
  }
  auto guard = scf::IfOp::create(b, bad, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard restore(b);
  b.setInsertionPointToStart(guard.thenBlock());
  call("mercer_emu_bad_access", arguments);
  return success();
}

LogicalResult LaneBuilder::rewrite(gpu::ShuffleOp op) {
  Type type = op.getValue().getType();
  if (!type.isIntOrFloat() || type.getIntOrFloatBitWidth() > 64)
    return op.emitError("[E3601] expects to shuffle a scalar");
  unsigned width = type.getIntOrFloatBitWidth();
  Type bitsType = b.getIntegerType(width);
  Value bits = op.getValue();
  if (isa<FloatType>(type))
    bits = arith::BitcastOp::create(b, bitsType, bits);
  if (width < 64)
    bits = arith::ExtUIOp::create(b, i64, bits);
  uint32_t mode = MERCER_EMU_IDX;
  switch (op.getMode()) {
  case gpu::ShuffleMode::XOR:
    mode = MERCER_EMU_XOR;
    break;
  case gpu::ShuffleMode::UP:
    mode = MERCER_EMU_UP;
    break;
  case gpu::ShuffleMode::DOWN:
    mode = MERCER_EMU_DOWN;
    break;
  case gpu::ShuffleMode::IDX:
    break;
  }
  Value result = call("mercer_emu_shuffle",
                      {argument(StateArg), site(op), int32(mode), bits,
                       op.getOffset(), op.getWidth()},
                      i64);
  if (width < 64)
    result = arith::TruncIOp::create(b, bitsType, result);
  if (isa<FloatType>(type))
    result = arith::BitcastOp::create(b, type, result);
  op.getShuffleResult().replaceAllUsesWith(result);
  if (!op.getValid().use_empty()) {
    Value valid = call("mercer_emu_shuffle_valid", {argument(StateArg)}, i32);
    op.getValid().replaceAllUsesWith(
        arith::TruncIOp::create(b, b.getI1Type(), valid));
  }
  op.erase();
  return success();
}

LogicalResult LaneBuilder::rewrite(nvgpu::LdMatrixOp op) {
  FailureOr<BufferInfo> buffer =
      bufferOf(op, op.getSrcMemref(), op.getIndices());
  if (failed(buffer))
    return failure();
  auto type = dyn_cast<VectorType>(op.getRes().getType());
  uint32_t tiles = op.getNumTiles();
  if (buffer->kind != MERCER_EMU_SHARED || data.subgroup != 32 || !type ||
      type.getRank() != 2 || type.getDimSize(0) != tiles ||
      type.getDimSize(1) * bytesOf(type.getElementType()) != 4 ||
      !llvm::is_contained({1u, 2u, 4u}, tiles) ||
      (op.getTranspose() && buffer->bytes != 2))
    return op.emitError("[E3601] expects 1, 2 or 4 matrices in shared memory, "
                        "transposed only for 16-bit elements");
  call("mercer_emu_ldmatrix",
       {argument(StateArg), site(op), int32(buffer->number),
        toI64(op.getIndices().front()), int32(tiles),
        int32(op.getTranspose() ? 1 : 0), slot(0)});
  op.getRes().replaceAllUsesWith(loadRows(type, slot(0)));
  op.erase();
  return success();
}

LogicalResult LaneBuilder::rewrite(nvgpu::MmaSyncOp op) {
  auto a = dyn_cast<VectorType>(op.getMatrixA().getType());
  auto bType = dyn_cast<VectorType>(op.getMatrixB().getType());
  auto c = dyn_cast<VectorType>(op.getMatrixC().getType());
  std::array<int64_t, 3> shape = op.getMmaShapeAsArray();
  auto refuse = [&] {
    return op.emitError("[E3601] no matrix product of this shape and type is "
                        "emulated");
  };
  if (data.subgroup != 32 || !a || !bType || !c || a.getRank() != 2 ||
      bType.getRank() != 2 || c.getRank() != 2)
    return refuse();
  Type element = a.getElementType(), sum = c.getElementType();
  uint32_t type;
  bool known = shape[0] == 16 && shape[1] == 8;
  int64_t k = shape[2];
  if (element.isF16()) {
    type = MERCER_EMU_F16;
    known &= (k == 8 || k == 16) && (sum.isF32() || sum.isF16());
  } else if (element.isBF16()) {
    type = MERCER_EMU_BF16;
    known &= (k == 8 || k == 16) && sum.isF32();
  } else if (element.isF32()) {
    type = MERCER_EMU_TF32;
    known &= (k == 4 || k == 8) && sum.isF32();
  } else if (element.isInteger(8)) {
    type = MERCER_EMU_S8;
    known &= (k == 16 || k == 32) && sum.isInteger(32);
  } else if (element.isF64()) {
    type = MERCER_EMU_F64;
    known = shape[0] == 8 && shape[1] == 8 && k == 4 && sum.isF64();
  } else {
    return refuse();
  }
  if (!known || a.getNumElements() * 32 != shape[0] * k ||
      bType.getNumElements() * 32 != k * shape[1] ||
      c.getNumElements() * 32 != shape[0] * shape[1])
    return refuse();
  storeRows(op.getMatrixA(), slot(0));
  storeRows(op.getMatrixB(), slot(1));
  storeRows(op.getMatrixC(), slot(2));
  call("mercer_emu_mma",
       {argument(StateArg), site(op), int32(type),
        int32(static_cast<uint32_t>(k)), int32(sum.isF16() ? 1 : 0), slot(0),
        slot(1), slot(2), slot(3)});
  op.getRes().replaceAllUsesWith(loadRows(c, slot(3)));
  op.erase();
  return success();
}

LogicalResult LaneBuilder::rewrite(nvgpu::DeviceAsyncCopyOp op) {
  FailureOr<BufferInfo> to = bufferOf(op, op.getDst(), op.getDstIndices());
  FailureOr<BufferInfo> from = bufferOf(op, op.getSrc(), op.getSrcIndices());
  if (failed(to) || failed(from))
    return failure();
  int64_t elements = op.getDstElements().getSExtValue();
  if (to->kind != MERCER_EMU_SHARED || from->kind == MERCER_EMU_SHARED ||
      from->kind == MERCER_EMU_PRIVATE || to->bytes != from->bytes ||
      !llvm::is_contained({4, 8, 16}, elements * to->bytes))
    return op.emitError("[E3601] expects a copy of 4, 8 or 16 bytes from "
                        "global to shared memory");
  Value sourceElements =
      op.getSrcElements()
          ? toI64(op.getSrcElements())
          : arith::ConstantIntOp::create(b, i64, -1).getResult();
  call("mercer_emu_async_copy",
       {argument(StateArg), site(op), int32(to->number),
        toI64(op.getDstIndices().front()), int32(from->number),
        toI64(op.getSrcIndices().front()),
        arith::ConstantIntOp::create(b, i64, elements).getResult(),
        sourceElements});
  // Groups are made of all copies so far, as in PTX: tokens carry nothing.
  op.getAsyncToken().replaceAllUsesWith(int32(0));
  op.erase();
  return success();
}

LogicalResult LaneBuilder::rewrite(Operation *op) {
  b.setLoc(op->getLoc());
  b.setInsertionPoint(op);
  auto index = [&](Value value) {
    op->getResult(0).replaceAllUsesWith(value);
    op->erase();
    return success();
  };
  auto oneDimension = [&](gpu::Dimension dimension) {
    return dimension == gpu::Dimension::x;
  };
  auto refuse = [&]() -> LogicalResult {
    return op->emitError("[E3601] has no place in a distributed kernel");
  };
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](gpu::ThreadIdOp id) {
        return oneDimension(id.getDimension()) ? index(argument(LaneArg))
                                               : refuse();
      })
      .Case([&](gpu::BlockIdOp id) {
        return oneDimension(id.getDimension()) ? index(argument(BlockArg))
                                               : refuse();
      })
      .Case([&](gpu::GridDimOp dim) {
        return oneDimension(dim.getDimension()) ? index(argument(GridArg))
                                                : refuse();
      })
      .Case([&](gpu::BlockDimOp dim) {
        return oneDimension(dim.getDimension())
                   ? index(arith::ConstantIndexOp::create(b, data.threads))
                   : refuse();
      })
      .Case([&](gpu::BarrierOp) {
        call("mercer_emu_barrier", {argument(StateArg), site(op)});
        op->erase();
        return success();
      })
      .Case([&](gpu::ReturnOp) {
        func::ReturnOp::create(b);
        op->erase();
        return success();
      })
      .Case<gpu::ShuffleOp, nvgpu::LdMatrixOp, nvgpu::MmaSyncOp,
            nvgpu::DeviceAsyncCopyOp>(
          [&](auto known) { return rewrite(known); })
      .Case([&](nvgpu::DeviceAsyncCreateGroupOp) {
        call("mercer_emu_async_commit", {argument(StateArg)});
        return index(int32(0));
      })
      .Case([&](nvgpu::DeviceAsyncWaitOp wait) {
        call("mercer_emu_async_wait",
             {argument(StateArg), int32(wait.getNumGroups().value_or(0))});
        op->erase();
        return success();
      })
      .Case([&](memref::AllocaOp alloca) { return rewriteAlloca(alloca); })
      .Case([&](memref::LoadOp load) {
        return checkAccess(op, load.getMemref(), load.getIndices(),
                           load.getType(), load.getAlignment(), false);
      })
      .Case([&](memref::StoreOp store) {
        return checkAccess(op, store.getMemref(), store.getIndices(),
                           store.getValue().getType(), store.getAlignment(),
                           true);
      })
      .Case([&](vector::LoadOp load) {
        return checkAccess(op, load.getBase(), load.getIndices(),
                           load.getType(), load.getAlignment(), false);
      })
      .Case([&](vector::StoreOp store) {
        return checkAccess(op, store.getBase(), store.getIndices(),
                           store.getValueToStore().getType(),
                           store.getAlignment(), true);
      })
      .Case<scf::ForOp, scf::IfOp, scf::YieldOp>(
          [&](Operation *) { return success(); })
      .Default([&](Operation *) {
        // Whatever computes on values alone.
        if (isMemoryEffectFree(op) && op->getNumRegions() == 0 &&
            llvm::none_of(op->getResultTypes(), llvm::IsaPred<MemRefType>) &&
            !isa<gpu::GPUDialect, nvgpu::NVGPUDialect>(op->getDialect()))
          return success();
        return refuse();
      });
}

/// Tokens of asynchronous copies may pass through loops, and carry nothing.
void LaneBuilder::makeTokensPlain() {
  auto plain = [&](Value value) {
    if (isa<nvgpu::DeviceAsyncTokenType>(value.getType()))
      value.setType(i32);
  };
  lane.walk([&](Operation *op) {
    for (Region &region : op->getRegions())
      for (Block &block : region)
        llvm::for_each(block.getArguments(), plain);
    if (isa<scf::ForOp, scf::IfOp>(op))
      llvm::for_each(op->getResults(), plain);
  });
}

/// `k$p(params, begin, end, scratch)`.
void LaneBuilder::writeRun(StringRef phaseOf) {
  b.setLoc(kernel.getLoc());
  LLVM::GlobalOp constant =
      data.write(module, kernel.getLoc(), kernel.getName());
  b.setInsertionPointToEnd(module.getBody());
  auto run = func::FuncOp::create(
      b, kernel.getName(),
      b.getFunctionType({pointerType, i64, i64, pointerType}, {}));
  run->setAttr("mercer.phase_of", b.getStringAttr(phaseOf));
  b.setInsertionPointToStart(run.addEntryBlock());
  Value function = func::ConstantOp::create(b, lane.getFunctionType(),
                                            SymbolRefAttr::get(lane));
  function =
      UnrealizedConversionCastOp::create(b, TypeRange(pointerType), function)
          .getResult(0);
  call("mercer_emu_run",
       {LLVM::AddressOfOp::create(b, constant), function, run.getArgument(0),
        run.getArgument(1), run.getArgument(2)});
  func::ReturnOp::create(b);
}

LogicalResult LaneBuilder::build(StringRef phaseOf) {
  if (failed(readAttributes()))
    return failure();
  if (!llvm::hasSingleElement(kernel.getBody()))
    return kernel.emitError("[E3601] expects one block");
  Type index = b.getIndexType();
  b.setInsertionPointToEnd(module.getBody());
  lane = func::FuncOp::create(
      b, (kernel.getName() + "_lane").str(),
      b.getFunctionType({pointerType, pointerType, index, index, index, index},
                        {}));
  lane.setPrivate();
  lane.getBody().takeBody(kernel.getBody());
  Block &entry = lane.getBody().front();
  for (auto [i, type] : llvm::enumerate(lane.getArgumentTypes()))
    entry.insertArgument(i, type, kernel.getLoc());
  // Collected before there are operations that need no rewriting.
  SmallVector<Operation *> ops;
  lane.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (op != lane)
      ops.push_back(op);
  });
  makeTokensPlain();
  b.setInsertionPointToStart(&entry);
  if (failed(bindArguments()))
    return failure();
  for (Operation *op : ops)
    if (failed(rewrite(op)))
      return failure();
  writeRun(phaseOf);
  return success();
}

void EmulatorOutlineLanesPass::runOnOperation() {
  ModuleOp module = getOperation();
  for (gpu::GPUModuleOp gpuModule :
       llvm::make_early_inc_range(module.getOps<gpu::GPUModuleOp>())) {
    for (Operation &op : *gpuModule.getBody()) {
      auto kernel = dyn_cast<gpu::GPUFuncOp>(op);
      if (!kernel || !kernel.isKernel()) {
        op.emitError("[E3601] expects kernels only in a gpu.module");
        return signalPassFailure();
      }
      if (failed(LaneBuilder(kernel, module).build(gpuModule.getName())))
        return signalPassFailure();
      ++numKernels;
    }
    gpuModule.erase();
  }
}
