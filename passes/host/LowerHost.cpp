//===- LowerHost.cpp - host programs as calls through a table -------------===//
//
// A host program has no undefined symbol: it reaches the runtime through the
// table that it is given. Every call that can fail is checked and leaves the
// function with the code at once.
//
//===----------------------------------------------------------------------===//

#include "passes/host/Passes.h"

#include "dialects/mercer/IR/Mercer.h"
#include "runtime/include/mercer/abi.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/PatternMatch.h"

namespace mercer {
#define GEN_PASS_DEF_LOWERHOST
#include "passes/host/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;

namespace {

/// Emission helpers for one entry point.
class HostLowering {
public:
  HostLowering(ModuleOp module, func::FuncOp function,
               ArrayRef<KernelEntry> kernels, SmallVectorImpl<Attribute> &sites)
      : module(module), function(function), b(function.getContext()),
        loc(function.getLoc()), kernels(kernels), sites(sites),
        pointer(LLVM::LLVMPointerType::get(function.getContext())),
        i32(b.getI32Type()), i64(b.getI64Type()) {}

  LogicalResult run() {
    Block &entry = function.getBody().front();
    unsigned numArguments = entry.getNumArguments();
    runtime = entry.addArgument(pointer, loc);
    context = entry.addArgument(pointer, loc);
    constants = entry.addArgument(pointer, loc);
    arguments = entry.addArgument(pointer, loc);
    b.setInsertionPointToStart(&entry);
    if (failed(unpackArguments(entry, numArguments)))
      return failure();
    entry.eraseArguments(0, numArguments);
    function.removeResAttrsAttr();
    function.removeArgAttrsAttr();
    function.setFunctionType(
        b.getFunctionType({pointer, pointer, pointer, pointer}, {i32}));

    SmallVector<Operation *> ops;
    function.walk([&](Operation *op) {
      if (op != function)
        ops.push_back(op);
    });
    reserveScratch(entry, ops);
    failBlock = new Block;
    function.getBody().push_back(failBlock);
    Value code = failBlock->addArgument(i32, loc);
    b.setInsertionPointToEnd(failBlock);
    func::ReturnOp::create(b, loc, code);
    for (Operation *op : ops)
      if (failed(lower(op)))
        return failure();
    return success();
  }

private:
  //===--------------------------------------------------------------------===//
  // Values
  //===--------------------------------------------------------------------===//

  Value integer(int64_t value) {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  }
  Value integer32(int32_t value) {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  }
  Value toInteger(Value index) {
    return arith::IndexCastOp::create(b, loc, i64, index);
  }
  Value address(Value base, int64_t word) {
    return LLVM::GEPOp::create(b, loc, pointer, i64, base,
                               ArrayRef<LLVM::GEPArg>(word));
  }
  Value loadWord(Value base, int64_t word) {
    return LLVM::LoadOp::create(b, loc, i64, address(base, word));
  }

  /// A call of the runtime function at byte `offset` of the table.
  Value call(size_t offset, Type result, ValueRange operands) {
    Value slot = LLVM::GEPOp::create(b, loc, pointer, b.getI8Type(), runtime,
                                     ArrayRef<LLVM::GEPArg>(offset));
    Value target = LLVM::LoadOp::create(b, loc, pointer, slot);
    SmallVector<Value> all{target, context};
    llvm::append_range(all, operands);
    SmallVector<Type> types{pointer};
    llvm::append_range(types, operands.getTypes());
    auto type = LLVM::LLVMFunctionType::get(
        result ? result : LLVM::LLVMVoidType::get(b.getContext()), types);
    auto op = LLVM::CallOp::create(b, loc, type, all);
    return result ? op.getResult() : Value();
  }

  /// Leaves the function with `code` unless `ok`; emission continues behind.
  void leaveUnless(Value ok, Value code) {
    Block *block = b.getInsertionBlock();
    Block *rest = block->splitBlock(b.getInsertionPoint());
    b.setInsertionPointToEnd(block);
    cf::CondBranchOp::create(b, loc, ok, rest, ValueRange{}, failBlock,
                             ValueRange{code});
    b.setInsertionPointToStart(rest);
  }

  void checkCode(Value code) {
    Value ok = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, code,
                                     integer32(0));
    leaveUnless(ok, code);
  }

  void checkPointer(Value ptr) {
    Value null = LLVM::ZeroOp::create(b, loc, pointer);
    Value ok = LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ne, ptr, null);
    leaveUnless(ok, integer32(4001));
  }

  /// A contiguous buffer at `ptr`; `dims` are the dynamic sizes.
  Value toBuffer(Value ptr, MemRefType type, ValueRange dims) {
    int64_t rank = type.getRank();
    SmallVector<Type> fields{pointer, pointer, i64};
    if (rank) {
      fields.push_back(LLVM::LLVMArrayType::get(i64, rank));
      fields.push_back(LLVM::LLVMArrayType::get(i64, rank));
    }
    Type descriptor = LLVM::LLVMStructType::getLiteral(b.getContext(), fields);
    Value d = LLVM::PoisonOp::create(b, loc, descriptor);
    auto insert = [&](Value v, ArrayRef<int64_t> at) {
      d = LLVM::InsertValueOp::create(b, loc, d, v, at);
    };
    insert(ptr, {0});
    insert(ptr, {1});
    insert(integer(0), {2});
    Value stride = integer(1);
    for (int64_t i = rank; i-- > 0;) {
      Value size = type.isDynamicDim(i)
                       ? toInteger(dims[type.getDynamicDimIndex(i)])
                       : integer(type.getDimSize(i));
      insert(size, {3, i});
      insert(stride, {4, i});
      stride = arith::MulIOp::create(b, loc, stride, size);
    }
    return UnrealizedConversionCastOp::create(b, loc, type, d).getResult(0);
  }

  int64_t elementBytes(MemRefType type) {
    Type element = type.getElementType();
    return element.isIndex()
               ? 8
               : llvm::divideCeil(element.getIntOrFloatBitWidth(), 8);
  }

  /// Address of a buffer's first element.
  Value toAddress(Value buffer) {
    auto type = cast<MemRefType>(buffer.getType());
    Value at = toInteger(
        memref::ExtractAlignedPointerAsIndexOp::create(b, loc, buffer));
    if (!type.getLayout().isIdentity()) {
      auto metadata = memref::ExtractStridedMetadataOp::create(b, loc, buffer);
      Value bytes = arith::MulIOp::create(
          b, loc, toInteger(metadata.getOffset()), integer(elementBytes(type)));
      at = arith::AddIOp::create(b, loc, at, bytes);
    }
    return LLVM::IntToPtrOp::create(b, loc, pointer, at);
  }

  Value toBytes(MemRefType type, function_ref<Value(int64_t)> dim) {
    int64_t constant = elementBytes(type);
    Value bytes;
    for (int64_t d = 0; d < type.getRank(); ++d) {
      if (!type.isDynamicDim(d)) {
        constant *= type.getDimSize(d);
        continue;
      }
      Value size = toInteger(dim(d));
      bytes = bytes ? Value(arith::MulIOp::create(b, loc, bytes, size)) : size;
    }
    return bytes
               ? Value(arith::MulIOp::create(b, loc, bytes, integer(constant)))
               : integer(constant);
  }

  Value bytesOf(Value buffer) {
    return toBytes(cast<MemRefType>(buffer.getType()), [&](int64_t d) {
      return memref::DimOp::create(b, loc, buffer, d).getResult();
    });
  }

  //===--------------------------------------------------------------------===//
  // The frame
  //===--------------------------------------------------------------------===//

  LogicalResult unpackArguments(Block &entry, unsigned numArguments) {
    int64_t word = 0;
    for (unsigned i = 0; i < numArguments; ++i) {
      BlockArgument argument = entry.getArgument(i);
      auto type = dyn_cast<MemRefType>(argument.getType());
      if (!type)
        return function.emitError("[E3001] argument ")
               << i << " of the entry point is no buffer";
      Value ptr =
          LLVM::LoadOp::create(b, loc, pointer, address(arguments, word++));
      SmallVector<Value> dims;
      for (int64_t d = 0; d < type.getRank(); ++d, ++word)
        if (type.isDynamicDim(d))
          dims.push_back(arith::IndexCastOp::create(b, loc, b.getIndexType(),
                                                    loadWord(arguments, word)));
      argument.replaceAllUsesWith(toBuffer(ptr, type, dims));
    }
    return success();
  }

  /// One block of words for launch parameters and for output dims.
  void reserveScratch(Block &entry, ArrayRef<Operation *> ops) {
    int64_t words = 1;
    for (Operation *op : ops) {
      int64_t need = 0;
      if (auto launch = dyn_cast<LaunchOp>(op))
        for (Type type : launch->getOperandTypes()) {
          auto buffer = dyn_cast<MemRefType>(type);
          need += buffer ? 1 + buffer.getRank() : 1;
        }
      // A state's length comes behind its dims.
      if (isa<OutputOp, StateOp>(op))
        need = cast<MemRefType>(op->getResult(0).getType()).getRank() + 1;
      words = std::max(words, need);
    }
    b.setInsertionPointToStart(&entry);
    scratch = LLVM::AllocaOp::create(b, loc, pointer, i64, integer(words));
  }

  //===--------------------------------------------------------------------===//
  // Operations
  //===--------------------------------------------------------------------===//

  LogicalResult lower(Operation *op) {
    b.setInsertionPoint(op);
    loc = op->getLoc();
    if (auto constant = dyn_cast<ConstantOp>(op)) {
      Value ptr = LLVM::LoadOp::create(b, loc, pointer,
                                       address(constants, constant.getSlot()));
      return replace(op,
                     toBuffer(ptr, cast<MemRefType>(constant.getType()), {}));
    }
    if (auto arena = dyn_cast<ArenaOp>(op)) {
      Value bytes = toInteger(arena.getBytes());
      Value ptr = call(offsetof(MercerRuntimeTable, arena), pointer, {bytes});
      checkPointer(ptr);
      Value size = arith::IndexCastOp::create(b, loc, b.getIndexType(), bytes);
      auto type = cast<MemRefType>(arena.getType());
      return replace(op, toBuffer(ptr, type,
                                  type.hasStaticShape() ? ValueRange()
                                                        : ValueRange(size)));
    }
    if (auto output = dyn_cast<OutputOp>(op))
      return lowerOutput(output);
    if (auto state = dyn_cast<StateOp>(op))
      return lowerState(state);
    if (auto set = dyn_cast<SetStateLengthOp>(op)) {
      checkCode(call(offsetof(MercerRuntimeTable, set_state_length), i32,
                     {integer32(set.getIndex()), toInteger(set.getLength())}));
      op->erase();
      return success();
    }
    if (auto alloc = dyn_cast<memref::AllocOp>(op)) {
      Value bytes = toBytes(alloc.getType(), [&](int64_t d) {
        return alloc.getDynamicSizes()[alloc.getType().getDynamicDimIndex(d)];
      });
      Value ptr = call(offsetof(MercerRuntimeTable, alloc), pointer, {bytes});
      checkPointer(ptr);
      return replace(op,
                     toBuffer(ptr, alloc.getType(), alloc.getDynamicSizes()));
    }
    if (auto dealloc = dyn_cast<memref::DeallocOp>(op)) {
      call(offsetof(MercerRuntimeTable, free), {},
           {toAddress(dealloc.getMemref())});
      op->erase();
      return success();
    }
    if (auto copy = dyn_cast<memref::CopyOp>(op)) {
      Value code =
          call(offsetof(MercerRuntimeTable, copy), i32,
               {toAddress(copy.getTarget()), toAddress(copy.getSource()),
                bytesOf(copy.getSource())});
      checkCode(code);
      op->erase();
      return success();
    }
    if (isa<memref::ExpandShapeOp, memref::CollapseShapeOp, memref::CastOp>(op))
      return lowerView(op);
    if (auto read = dyn_cast<ReadOp>(op)) {
      Value ptr =
          call(offsetof(MercerRuntimeTable, read), pointer,
               {toAddress(read.getSource()), bytesOf(read.getSource())});
      checkPointer(ptr);
      auto type = cast<MemRefType>(read.getType());
      SmallVector<Value> dims;
      for (int64_t d = 0; d < type.getRank(); ++d)
        if (type.isDynamicDim(d))
          dims.push_back(memref::DimOp::create(b, loc, read.getSource(), d));
      return replace(op, toBuffer(ptr, type, dims));
    }
    if (auto store = dyn_cast<memref::StoreOp>(op))
      return lowerStore(store);
    if (auto launch = dyn_cast<LaunchOp>(op))
      return lowerLaunch(launch);
    if (auto check = dyn_cast<cf::AssertOp>(op)) {
      lowerAssert(check);
      return success();
    }
    if (isa<func::ReturnOp>(op) && op->getBlock() != failBlock) {
      func::ReturnOp::create(b, loc, integer32(0));
      op->erase();
    }
    return success();
  }

  static LogicalResult replace(Operation *op, Value value) {
    op->getResult(0).replaceAllUsesWith(value);
    op->erase();
    return success();
  }

  /// Buffers of a host program are contiguous: a view of a whole one is the
  /// same address with other sizes.
  LogicalResult lowerView(Operation *op) {
    Value source = op->getOperand(0);
    auto type = dyn_cast<MemRefType>(op->getResult(0).getType());
    auto from = dyn_cast<MemRefType>(source.getType());
    if (!type || !from || !type.getLayout().isIdentity())
      return success();
    SmallVector<Value> sizes;
    for (int64_t d = 0; d < type.getRank(); ++d) {
      if (!type.isDynamicDim(d))
        continue;
      if (auto expand = dyn_cast<memref::ExpandShapeOp>(op)) {
        sizes.push_back(getValueOrCreateConstantIndexOp(
            b, loc, expand.getMixedOutputShape()[d]));
        continue;
      }
      ReassociationIndices group = {d};
      if (auto collapse = dyn_cast<memref::CollapseShapeOp>(op))
        group = collapse.getReassociationIndices()[d];
      Value size;
      for (int64_t s : group) {
        Value factor =
            from.isDynamicDim(s)
                ? memref::DimOp::create(b, loc, source, s).getResult()
                : arith::ConstantIndexOp::create(b, loc, from.getDimSize(s))
                      .getResult();
        size =
            size ? Value(arith::MulIOp::create(b, loc, size, factor)) : factor;
      }
      sizes.push_back(size);
    }
    return replace(op, toBuffer(toAddress(source), type, sizes));
  }

  LogicalResult lowerOutput(OutputOp op) {
    auto type = cast<MemRefType>(op.getType());
    for (int64_t d = 0; d < type.getRank(); ++d)
      LLVM::StoreOp::create(
          b, loc,
          type.isDynamicDim(d)
              ? toInteger(op.getDims()[type.getDynamicDimIndex(d)])
              : integer(type.getDimSize(d)),
          address(scratch, d));
    Value ptr =
        call(offsetof(MercerRuntimeTable, output), pointer,
             {integer32(op.getIndex()), integer32(type.getRank()), scratch});
    checkPointer(ptr);
    return replace(op, toBuffer(ptr, type, op.getDims()));
  }

  LogicalResult lowerState(StateOp op) {
    auto type = cast<MemRefType>(op.getType(0));
    int64_t rank = type.getRank();
    for (int64_t d = 0; d < rank; ++d)
      LLVM::StoreOp::create(b, loc,
                            integer(type.isDynamicDim(d) ? *op.getCapacity()
                                                         : type.getDimSize(d)),
                            address(scratch, d));
    // A state that does not grow has no length to ask for.
    Value length = op.getAxis()
                       ? address(scratch, rank)
                       : LLVM::ZeroOp::create(b, loc, pointer).getResult();
    Value ptr =
        call(offsetof(MercerRuntimeTable, state), pointer,
             {integer32(op.getIndex()), integer32(rank), scratch, length});
    checkPointer(ptr);
    SmallVector<Value> dims;
    if (op.getAxis()) {
      auto word = [&](int64_t at) {
        return arith::IndexCastOp::create(b, loc, b.getIndexType(),
                                          loadWord(scratch, at));
      };
      dims.push_back(word(*op.getAxis()));
      op.getLength().replaceAllUsesWith(word(rank));
    }
    return replace(op, toBuffer(ptr, type, dims));
  }

  LogicalResult lowerLaunch(LaunchOp op) {
    const KernelEntry *kernel =
        llvm::find_if(kernels, [&](const KernelEntry &entry) {
          return entry.function->getAttrOfType<StringAttr>(
                     SymbolTable::getSymbolAttrName()) ==
                 op.getKernelAttr().getAttr();
        });
    if (kernel == kernels.end())
      return op.emitError("[E3001] launch of an unknown kernel");
    func::FuncOp callee = kernel->function;
    int64_t word = 0;
    auto store = [&](Value value) {
      LLVM::StoreOp::create(b, loc, value, address(scratch, word++));
    };
    for (auto [operand, type] :
         llvm::zip_equal(op->getOperands(), callee.getArgumentTypes())) {
      auto buffer = dyn_cast<MemRefType>(type);
      if (!buffer) {
        store(toWord(operand));
        continue;
      }
      if (!isContiguous(operand))
        return op.emitError("[E3001] operand of a launch is not contiguous: ")
               << operand.getType();
      store(toAddress(operand));
      for (int64_t d = 0; d < buffer.getRank(); ++d)
        if (buffer.isDynamicDim(d))
          store(toInteger(memref::DimOp::create(b, loc, operand, d)));
    }
    int32_t site = sites.size();
    SmallVector<NamedAttribute> names{
        b.getNamedAttr("kernel", op.getKernelAttr())};
    if (op.getNodesAttr())
      names.push_back(b.getNamedAttr("nodes", op.getNodesAttr()));
    if (auto schedule =
            callee->getAttrOfType<DictionaryAttr>("mercer.schedule"))
      for (StringRef figure : {"flops", "bytes"})
        if (Attribute value = schedule.get(figure))
          names.push_back(b.getNamedAttr(figure, value));
    sites.push_back(b.getDictionaryAttr(names));
    for (int64_t phase = 0; phase < kernel->phases; ++phase)
      checkCode(call(
          offsetof(MercerRuntimeTable, launch), i32,
          {integer32(kernel->firstIndex + phase), integer32(site), scratch}));
    op.erase();
    return success();
  }

  /// Tensors are the device's: a scalar reaches one through the runtime.
  LogicalResult lowerStore(memref::StoreOp op) {
    auto type = cast<MemRefType>(op.getMemRefType());
    if (!type.getLayout().isIdentity())
      return op.emitError("[E3001] the host program writes into a strided "
                          "buffer: ")
             << type;
    Value buffer = op.getMemRef();
    Value index = integer(0);
    for (auto [d, at] : llvm::enumerate(op.getIndices())) {
      Value size = type.isDynamicDim(d)
                       ? toInteger(memref::DimOp::create(b, loc, buffer, d))
                       : integer(type.getDimSize(d));
      index = arith::AddIOp::create(
          b, loc, arith::MulIOp::create(b, loc, index, size), toInteger(at));
    }
    int64_t bytes = elementBytes(type);
    Value offset = arith::MulIOp::create(b, loc, index, integer(bytes));
    Value at =
        LLVM::GEPOp::create(b, loc, pointer, b.getI8Type(), toAddress(buffer),
                            ArrayRef<LLVM::GEPArg>(offset));
    checkCode(call(offsetof(MercerRuntimeTable, write), i32,
                   {at, toWord(op.getValueToStore()), integer(bytes)}));
    op.erase();
    return success();
  }

  /// A scalar as one 64-bit word.
  Value toWord(Value scalar) {
    Type type = scalar.getType();
    if (type.isIndex())
      return toInteger(scalar);
    if (auto number = dyn_cast<FloatType>(type)) {
      Type bits = b.getIntegerType(number.getWidth());
      scalar = arith::BitcastOp::create(b, loc, bits, scalar);
      if (number.getWidth() == 64)
        return scalar;
      return arith::ExtUIOp::create(b, loc, i64, scalar);
    }
    if (type.getIntOrFloatBitWidth() == 64)
      return scalar;
    if (type.isInteger(1))
      return arith::ExtUIOp::create(b, loc, i64, scalar);
    return arith::ExtSIOp::create(b, loc, i64, scalar);
  }

  void lowerAssert(cf::AssertOp op) {
    Value ok = op.getArg();
    Block *block = op->getBlock();
    Block *rest = block->splitBlock(op->getNextNode());
    auto *report = new Block;
    function.getBody().getBlocks().insert(rest->getIterator(), report);
    b.setInsertionPointToEnd(report);
    Value code = call(offsetof(MercerRuntimeTable, error), i32,
                      {integer32(0), text(op.getMsg())});
    cf::BranchOp::create(b, loc, failBlock, ValueRange{code});
    b.setInsertionPoint(op);
    cf::CondBranchOp::create(b, loc, ok, rest, ValueRange{}, report,
                             ValueRange{});
    op.erase();
  }

  /// Address of a null-terminated string.
  Value text(StringRef message) {
    std::string bytes = message.str();
    bytes.push_back('\0');
    OpBuilder top = OpBuilder::atBlockEnd(module.getBody());
    auto global = LLVM::GlobalOp::create(
        top, loc, LLVM::LLVMArrayType::get(b.getI8Type(), bytes.size()),
        /*isConstant=*/true, LLVM::Linkage::Internal,
        (function.getName() + "_text_" + Twine(numTexts++)).str(),
        b.getStringAttr(bytes));
    return LLVM::AddressOfOp::create(b, loc, global);
  }

  ModuleOp module;
  func::FuncOp function;
  OpBuilder b;
  Location loc;
  ArrayRef<KernelEntry> kernels;
  SmallVectorImpl<Attribute> &sites;
  Type pointer, i32, i64;
  Value runtime, context, constants, arguments, scratch;
  Block *failBlock = nullptr;
  unsigned numTexts = 0;
};

struct LowerHostPass : mercer::impl::LowerHostBase<LowerHostPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<KernelEntry> kernels = kernelTable(module);
    SmallVector<Attribute> sites;
    for (func::FuncOp function : module.getOps<func::FuncOp>())
      if (isEntryPoint(function))
        if (failed(HostLowering(module, function, kernels, sites).run()))
          return signalPassFailure();
    module->setAttr(sitesAttrName(),
                    ArrayAttr::get(module.getContext(), sites));
  }
};

} // namespace
