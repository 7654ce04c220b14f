//===- FormKernels.cpp - distributed kernels in the launch form of CUDA ---===//

#include "backends/cuda/Passes.h"
#include "dialects/mercer/IR/TargetInfo.h"

#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/SCF/Utils/Utils.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/Support/MathExtras.h"

namespace mercer {
#define GEN_PASS_DEF_CUDAFORMKERNELS
#include "backends/cuda/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;

/// What a launch may use without asking for it; also what every chip allows as
/// static memory of one kernel.
static constexpr int64_t maxStaticShared = 48 * 1024;
/// The block of memory that a launch asks for; every kernel of a module may lay
/// it out anew.
static constexpr llvm::StringLiteral dynamicSharedName = "mercer_shared";
static constexpr int64_t sharedAlignment = 16;

namespace {
/// One entry of `mercer.params`.
struct Param {
  enum Kind : int64_t { Scalar = 0, Buffer = 1, Scratch = 2 };
  int64_t kind = Scalar, bytes = 0, written = 0, dims = 0, elements = 0;
};

struct CudaFormKernelsPass
    : mercer::impl::CudaFormKernelsBase<CudaFormKernelsPass> {
  void runOnOperation() override;

private:
  LogicalResult formKernel(gpu::GPUFuncOp kernel);
  void unrollPrivateLoops(gpu::GPUFuncOp kernel);
  LogicalResult layOutShared(gpu::GPUFuncOp kernel);
  LogicalResult formArguments(gpu::GPUFuncOp kernel);
};

// PTX state spaces, as LLVM numbers them.
constexpr unsigned globalSpace = 1, sharedSpace = 3;
} // namespace

static int64_t storageBytes(Type type) {
  if (type.isIndex())
    return 8;
  return type.isIntOrFloat() ? llvm::divideCeil(type.getIntOrFloatBitWidth(), 8)
                             : 0;
}

//===----------------------------------------------------------------------===//
// Private arrays
//===----------------------------------------------------------------------===//

static bool isPrivate(Value value) {
  auto type = dyn_cast<MemRefType>(value.getType());
  auto space =
      type ? dyn_cast_if_present<gpu::AddressSpaceAttr>(type.getMemorySpace())
           : gpu::AddressSpaceAttr();
  return space && space.getValue() == gpu::AddressSpace::Private;
}

/// Whether a private array is indexed by something that depends on `loop`.
static bool indexesPrivateArray(scf::ForOp loop) {
  SetVector<Operation *> slice;
  ForwardSliceOptions options;
  options.filter = [&](Operation *op) { return loop->isProperAncestor(op); };
  getForwardSlice(loop.getInductionVar(), &slice, options);
  auto depends = [&](ValueRange indices) {
    return llvm::any_of(indices, [&](Value index) {
      if (index == loop.getInductionVar())
        return true;
      if (Operation *op = index.getDefiningOp())
        return slice.contains(op);
      // Induction variables of loops whose bounds depend on this one.
      return slice.contains(index.getParentBlock()->getParentOp());
    });
  };
  WalkResult found = loop.getBody()->walk([&](Operation *op) {
    Value base;
    ValueRange indices;
    if (auto load = dyn_cast<memref::LoadOp>(op))
      base = load.getMemref(), indices = load.getIndices();
    else if (auto store = dyn_cast<memref::StoreOp>(op))
      base = store.getMemref(), indices = store.getIndices();
    else if (auto load = dyn_cast<vector::LoadOp>(op))
      base = load.getBase(), indices = load.getIndices();
    else if (auto store = dyn_cast<vector::StoreOp>(op))
      base = store.getBase(), indices = store.getIndices();
    if (base && isPrivate(base) && depends(indices))
      return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return found.wasInterrupted();
}

/// Registers have no addresses: every index of a private array has to become a
/// constant. LLVM looks only at arrays of the entry block.
void CudaFormKernelsPass::unrollPrivateLoops(gpu::GPUFuncOp kernel) {
  Block &entry = kernel.getBody().front();
  SmallVector<memref::AllocaOp> arrays;
  kernel.walk([&](memref::AllocaOp array) {
    if (array.getType().hasStaticShape())
      arrays.push_back(array);
  });
  for (memref::AllocaOp array : llvm::reverse(arrays))
    array->moveBefore(&entry, entry.begin());
  // Outer loops first: what they bound inside is constant afterwards.
  bool changed = true;
  while (changed) {
    changed = false;
    kernel.walk<WalkOrder::PreOrder>([&](scf::ForOp loop) {
      if (!indexesPrivateArray(loop) || failed(loopUnrollFull(loop)))
        return WalkResult::advance();
      ++numUnrolled;
      changed = true;
      return WalkResult::interrupt();
    });
  }
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

/// A memref value over a bare pointer, in the converted form that the lowering
/// of memref ops expects.
static Value asMemRef(ImplicitLocOpBuilder &b, Value pointer, MemRefType type,
                      Value size) {
  Type i64 = b.getI64Type();
  auto array = LLVM::LLVMArrayType::get(i64, 1);
  auto descriptorType = LLVM::LLVMStructType::getLiteral(
      b.getContext(),
      {pointer.getType(), pointer.getType(), i64, array, array});
  Value descriptor = LLVM::PoisonOp::create(b, descriptorType);
  auto insert = [&](Value value, ArrayRef<int64_t> at) {
    descriptor = LLVM::InsertValueOp::create(b, descriptor, value, at);
  };
  insert(pointer, {0});
  insert(pointer, {1});
  insert(LLVM::ConstantOp::create(b, i64, b.getI64IntegerAttr(0)), {2});
  insert(size, {3, 0});
  insert(LLVM::ConstantOp::create(b, i64, b.getI64IntegerAttr(1)), {4, 0});
  return UnrealizedConversionCastOp::create(b, type, descriptor).getResult(0);
}

/// How many blocks one multiprocessor should hold, which bounds the registers
/// of a thread. Left to itself, ptxas spills to fit more: a row sum into 32
/// registers (sm_80) that needs 42, a convolution into 48 (sm_90a) that needs
/// 95. 512 threads leave each of them 128 registers.
static int64_t minBlocks(const TargetInfo &target, int64_t shared,
                         int64_t threads) {
  // A block takes 1 KiB more than it asks for.
  constexpr int64_t reserved = 1024;
  int64_t fitting = (target.sharedBytes + reserved) / (shared + reserved);
  return std::max<int64_t>(1, std::min(512 / threads, fitting));
}

LogicalResult CudaFormKernelsPass::layOutShared(gpu::GPUFuncOp kernel) {
  MLIRContext *context = kernel.getContext();
  SmallVector<int64_t> offsets;
  int64_t total = 0;
  for (BlockArgument buffer : kernel.getWorkgroupAttributions()) {
    auto type = cast<MemRefType>(buffer.getType());
    int64_t bytes = storageBytes(type.getElementType());
    if (!type.hasStaticShape() || bytes == 0)
      return kernel.emitError("[E3401] expects static shared memory, got ")
             << type;
    total = llvm::alignTo(total, sharedAlignment);
    offsets.push_back(total);
    total += bytes * type.getNumElements();
  }
  // Newer chips give out whole blocks of the alignment.
  total = llvm::alignTo(total, sharedAlignment);
  TargetInfo target = TargetInfo::get(kernel);
  if (target.sharedBytes > 0 && total > target.sharedBytes)
    return kernel.emitError("[E3404] expects at most ")
           << target.sharedBytes << " bytes of shared memory for " << target.cpu
           << ", got " << total;
  bool dynamic = total > maxStaticShared;
  auto i64Attr = [&](int64_t value) {
    return IntegerAttr::get(IntegerType::get(context, 64), value);
  };
  kernel->setAttr(staticSharedAttrName(), i64Attr(dynamic ? 0 : total));
  kernel->setAttr(dynamicSharedAttrName(), i64Attr(dynamic ? total : 0));
  if (!kernel->hasAttr(minBlocksAttrName()))
    kernel->setAttr(
        minBlocksAttrName(),
        i64Attr(minBlocks(target, total, (*kernel.getKnownBlockSize())[0])));
  if (!dynamic) {
    // Without it the alignment would be that of one element, too little for
    // vectors, matrix loads and asynchronous copies.
    Builder b(context);
    for (unsigned i = 0; i < offsets.size(); ++i)
      if (!kernel.getWorkgroupAttributionAttr(
              i, LLVM::LLVMDialect::getAlignAttrName()))
        kernel.setWorkgroupAttributionAttr(
            i, LLVM::LLVMDialect::getAlignAttrName(),
            b.getI64IntegerAttr(sharedAlignment));
    return success();
  }

  ++numDynamic;
  // One symbol without a size for all kernels; a public one, or the code
  // generator would give it one byte of static memory.
  auto parent = kernel->getParentOfType<gpu::GPUModuleOp>();
  if (!parent.lookupSymbol(dynamicSharedName)) {
    OpBuilder b = OpBuilder::atBlockBegin(parent.getBody());
    LLVM::GlobalOp::create(
        b, parent.getLoc(), LLVM::LLVMArrayType::get(b.getI8Type(), 0),
        /*isConstant=*/false, LLVM::Linkage::External, dynamicSharedName,
        Attribute(), sharedAlignment, sharedSpace);
  }
  ImplicitLocOpBuilder b(kernel.getLoc(), kernel.getContext());
  b.setInsertionPointToStart(&kernel.getBody().front());
  auto pointerType = LLVM::LLVMPointerType::get(context, sharedSpace);
  Value base = LLVM::AddressOfOp::create(b, pointerType, dynamicSharedName);
  SmallVector<BlockArgument> buffers =
      llvm::to_vector(kernel.getWorkgroupAttributions());
  for (auto [buffer, offset] : llvm::zip_equal(buffers, offsets)) {
    auto type = cast<MemRefType>(buffer.getType());
    Value pointer = LLVM::GEPOp::create(
        b, pointerType, b.getI8Type(), base,
        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)},
        LLVM::GEPNoWrapFlags::inbounds);
    Value size = LLVM::ConstantOp::create(
        b, b.getI64Type(), b.getI64IntegerAttr(type.getNumElements()));
    buffer.replaceAllUsesWith(asMemRef(b, pointer, type, size));
  }
  unsigned first = kernel.getNumArguments();
  kernel.getBody().front().eraseArguments(first, buffers.size());
  kernel->setAttr(kernel.getNumWorkgroupAttributionsAttrName(), i64Attr(0));
  kernel->removeAttr(kernel.getWorkgroupAttribAttrsAttrName());
  return success();
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

LogicalResult CudaFormKernelsPass::formArguments(gpu::GPUFuncOp kernel) {
  Builder attrs(kernel.getContext());
  unsigned count = kernel.getNumArguments();
  if (count == 0 || !kernel.getArgument(0).getType().isIndex())
    return kernel.emitError("[E3401] expects the number of tiles as the first "
                            "argument of a distributed kernel");
  SmallVector<Param> params;
  for (unsigned i = 1; i < count;) {
    BlockArgument argument = kernel.getArgument(i);
    auto type = dyn_cast<MemRefType>(argument.getType());
    Param param;
    if (!type) {
      param.bytes = storageBytes(argument.getType());
      if (param.bytes == 0 || param.bytes > 8)
        return kernel.emitError("[E3401] expects a scalar of at most 8 bytes, "
                                "got ")
               << argument.getType() << " as argument " << i;
      params.push_back(param);
      ++i;
      continue;
    }
    auto space =
        dyn_cast_if_present<gpu::AddressSpaceAttr>(type.getMemorySpace());
    param.bytes = storageBytes(type.getElementType());
    if (type.getRank() != 1 || !type.getLayout().isIdentity() ||
        param.bytes == 0 || !space ||
        space.getValue() != gpu::AddressSpace::Global)
      return kernel.emitError("[E3401] expects flat buffers in global memory, "
                              "got ")
             << type << " as argument " << i;
    auto scratch = kernel.getArgAttrOfType<IntegerAttr>(i, "mercer.scratch");
    auto elements = kernel.getArgAttrOfType<ArrayAttr>(i, "mercer.elements");
    param.kind = scratch ? Param::Scratch : Param::Buffer;
    param.written = scratch || kernel.getArgAttr(i, "mercer.written");
    unsigned buffer = i++;
    if (scratch) {
      param.elements = scratch.getInt();
    } else {
      SmallVector<int64_t> factors;
      for (Attribute factor :
           elements ? elements.getValue() : ArrayRef<Attribute>())
        if (auto integer = dyn_cast<IntegerAttr>(factor))
          factors.push_back(integer.getInt());
      if (factors.empty() || factors.size() != elements.size())
        return kernel.emitError("[E3401] expects mercer.elements on argument ")
               << buffer;
      param.elements = factors.front();
      // The launch multiplies the words that follow the pointer.
      for (int64_t word : llvm::drop_begin(factors)) {
        if (word != i || i >= count ||
            !kernel.getArgument(i).getType().isIndex())
          return kernel.emitError("[E3401] expects the sizes of buffer ")
                 << buffer << " to follow it as index arguments";
        ++param.dims;
        ++i;
      }
    }
    params.push_back(param);
  }
  bool scratchSeen = false;
  for (const Param &param : params) {
    if (scratchSeen && param.kind != Param::Scratch)
      return kernel.emitError("[E3401] expects scratch buffers to be the last "
                              "arguments");
    scratchSeen |= param.kind == Param::Scratch;
  }

  // Pointers instead of buffers.
  ImplicitLocOpBuilder b(kernel.getLoc(), kernel.getContext());
  b.setInsertionPointToStart(&kernel.getBody().front());
  auto pointerType = LLVM::LLVMPointerType::get(b.getContext(), globalSpace);
  SmallVector<Type> types(kernel.getArgumentTypes());
  SmallVector<Attribute> paramAttrs;
  auto next = params.begin();
  for (unsigned i = 1; i < count;) {
    const Param &param = *next++;
    paramAttrs.push_back(attrs.getDenseI64ArrayAttr(
        {param.kind, param.bytes, param.written, param.dims, param.elements}));
    BlockArgument argument = kernel.getArgument(i);
    if (auto type = dyn_cast<MemRefType>(argument.getType())) {
      types[i] = pointerType;
      // No load or store asks how many elements there are.
      Value size =
          LLVM::ConstantOp::create(b, b.getI64Type(), b.getI64IntegerAttr(0));
      argument.setType(pointerType);
      Value memref = asMemRef(b, argument, type, size);
      argument.replaceAllUsesExcept(memref, [&] {
        SmallPtrSet<Operation *, 2> own;
        for (Operation *user : argument.getUsers())
          if (isa<LLVM::InsertValueOp>(user))
            own.insert(user);
        return own;
      }());
      kernel.removeArgAttr(i, "mercer.elements");
      kernel.removeArgAttr(i, "mercer.written");
      kernel.removeArgAttr(i, "mercer.scratch");
      // What the alignment of wider accesses promises is theirs to say.
      if (!kernel.getArgAttr(i, LLVM::LLVMDialect::getAlignAttrName()))
        kernel.setArgAttr(i, LLVM::LLVMDialect::getAlignAttrName(),
                          attrs.getI64IntegerAttr(param.bytes));
      // Launches never get buffers that overlap where one is written.
      kernel.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                        attrs.getUnitAttr());
      if (!param.written)
        kernel.setArgAttr(i, LLVM::LLVMDialect::getReadonlyAttrName(),
                          attrs.getUnitAttr());
    }
    i += 1 + param.dims;
  }
  kernel.setFunctionType(FunctionType::get(b.getContext(), types, {}));
  kernel->setAttr(paramsAttrName(), attrs.getArrayAttr(paramAttrs));
  return success();
}

LogicalResult CudaFormKernelsPass::formKernel(gpu::GPUFuncOp kernel) {
  std::optional<ArrayRef<int32_t>> block = kernel.getKnownBlockSize();
  if (!block || (*block)[1] != 1 || (*block)[2] != 1 || (*block)[0] <= 0 ||
      (*block)[0] % 32 != 0 || (*block)[0] > 1024)
    return kernel.emitError("[E3401] expects known_block_size of whole warps, "
                            "at most 1024 threads along x");
  unrollPrivateLoops(kernel);
  if (failed(layOutShared(kernel)))
    return failure();
  return formArguments(kernel);
}

void CudaFormKernelsPass::runOnOperation() {
  for (auto kernel : getOperation().getOps<gpu::GPUFuncOp>())
    if (kernel.isKernel() && failed(formKernel(kernel)))
      return signalPassFailure();
}
