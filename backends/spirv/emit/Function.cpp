//===- Function.cpp - interface, constants and module of a kernel ---------===//

#include "backends/spirv/emit/Emitter.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::spirvgen;
using spirv::Capability;
using spirv::StorageClass;

LogicalResult Emitter::refuse(Operation *op, const Twine &why) {
  return op->emitError("[E3301] ") << why;
}

Type Emitter::registerType(Type element, Operation *op) {
  if (element.isIndex() || element.isInteger(8) || element.isInteger(16) ||
      element.isF16() || element.isBF16())
    return b.getI32Type();
  if (element.isInteger(1) || element.isInteger(32))
    return element;
  if (element.isInteger(64)) {
    need(Capability::Int64);
    return element;
  }
  if (element.isF32()) {
    floats32 = true;
    return element;
  }
  if (element.isF64()) {
    need(Capability::Float64);
    floats64 = true;
    return element;
  }
  op->emitError("[E3302] expects i1, i8, i16, i32, i64, index, f16, bf16, f32 "
                "or f64, found ")
      << element;
  return {};
}

Type Emitter::storedType(Type element, bool shared) {
  unsigned bits = element.isIndex() ? 32 : element.getIntOrFloatBitWidth();
  if (bits == 8)
    need(shared ? Capability::Int8 : Capability::StorageBuffer8BitAccess);
  if (bits == 16)
    need(shared ? Capability::Int16 : Capability::StorageBuffer16BitAccess);
  return bits <= 16 || element.isIndex()
             ? Type(IntegerType::get(b.getContext(), bits))
             : element;
}

Value Emitter::word(uint32_t value) {
  return constantOf(b.getI32Type(), value);
}

/// A constant of a register type, by its bits, written once.
Value Emitter::constantOf(Type type, uint64_t bits) {
  Value &value = constants[{type, bits}];
  if (value)
    return value;
  TypedAttr attr;
  if (type.isInteger(1))
    attr = b.getBoolAttr(bits & 1);
  else if (auto integer = dyn_cast<IntegerType>(type))
    attr = b.getIntegerAttr(integer,
                            APInt(integer.getWidth(), bits, /*isSigned=*/false,
                                  /*implicitTrunc=*/true));
  else if (type.isF32())
    attr = b.getFloatAttr(
        type, APFloat(APFloat::IEEEsingle(), APInt(32, bits & 0xffffffff)));
  else
    attr =
        b.getFloatAttr(type, APFloat(APFloat::IEEEdouble(), APInt(64, bits)));
  return value = spirv::ConstantOp::create(h, type, attr);
}

Value Emitter::globalVariable(Type pointee, StorageClass storage,
                              StringRef name, int binding,
                              ArrayRef<StringRef> decorations) {
  OpBuilder outside(function);
  auto type = spirv::PointerType::get(pointee, storage);
  auto variable =
      binding < 0
          ? spirv::GlobalVariableOp::create(outside, kernel.getLoc(), type,
                                            name, FlatSymbolRefAttr())
          : spirv::GlobalVariableOp::create(outside, kernel.getLoc(), type,
                                            name, 0, binding);
  for (StringRef decoration : decorations)
    variable->setAttr(decoration, b.getUnitAttr());
  interface.push_back(SymbolRefAttr::get(variable));
  return spirv::AddressOfOp::create(h, variable);
}

Value Emitter::builtin(spirv::BuiltIn kind, unsigned dim) {
  Value &value = builtins[{static_cast<unsigned>(kind), dim}];
  if (value)
    return value;
  Value &all = builtins[{static_cast<unsigned>(kind), ~0u}];
  if (!all) {
    OpBuilder outside(function);
    auto type = spirv::PointerType::get(VectorType::get(3, b.getI32Type()),
                                        StorageClass::Input);
    auto variable = spirv::GlobalVariableOp::create(
        outside, kernel.getLoc(), type,
        ("builtin_" + spirv::stringifyBuiltIn(kind)).str(), kind);
    interface.push_back(SymbolRefAttr::get(variable));
    all = spirv::LoadOp::create(
        h, spirv::AddressOfOp::create(h, variable).getResult());
  }
  Value part = spirv::CompositeExtractOp::create(
      h, all, ArrayRef<int32_t>{static_cast<int32_t>(dim)});
  // `value` may have moved when `all` was inserted.
  return builtins[{static_cast<unsigned>(kind), dim}] = part;
}

/// A word of the parameter block.
Value Emitter::blockWord(unsigned number) {
  Type i32 = b.getI32Type();
  StorageClass storage =
      pushed ? StorageClass::PushConstant : StorageClass::StorageBuffer;
  if (!blockBase) {
    auto block = spirv::StructType::get(
        {spirv::ArrayType::get(i32, blockWords, 4)}, {0});
    SmallVector<StringRef> decorations;
    if (!pushed)
      decorations.push_back("non_writable");
    blockBase =
        globalVariable(block, storage, "block",
                       pushed ? -1 : static_cast<int>(bindings), decorations);
  }
  Value zero = word(0), at = word(number);
  Value pointer =
      spirv::AccessChainOp::create(h, spirv::PointerType::get(i32, storage),
                                   blockBase, ValueRange{zero, at});
  return spirv::LoadOp::create(h, pointer);
}

Value Emitter::scalarArgument(Type type, unsigned number) {
  Value low = blockWord(number);
  if (type.isInteger(1)) {
    Value bit = spirv::BitwiseAndOp::create(h, low, word(1));
    return spirv::INotEqualOp::create(h, h.getI1Type(), bit, word(0));
  }
  if (type.isF32())
    return spirv::BitcastOp::create(h, type, low);
  if (!type.isInteger(64) && !type.isF64())
    return low;
  Value high = blockWord(number + 1);
  Value pair = spirv::CompositeConstructOp::create(
      h, VectorType::get(2, h.getI32Type()), ValueRange{low, high});
  return spirv::BitcastOp::create(h, type, pair);
}

static bool isLoadedAndStored(Value memref) {
  bool loaded = false, stored = false;
  for (Operation *user : memref.getUsers()) {
    loaded |= isa<memref::LoadOp, vector::LoadOp>(user);
    stored |= isa<memref::StoreOp, vector::StoreOp>(user);
  }
  return loaded && stored;
}

LogicalResult Emitter::arguments(SpirvKernel &result) {
  unsigned count = kernel.getNumArguments();
  auto malformed = [&](unsigned number, const Twine &expected) {
    return kernel.emitError("[E3303] expects ")
           << expected << " as argument " << number << ", found "
           << kernel.getArgument(number).getType();
  };
  if (count == 0 || !kernel.getArgument(0).getType().isIndex())
    return kernel.emitError("[E3303] expects the number of tiles, an index, as "
                            "the first argument of a distributed kernel");
  unsigned buffers = 0;
  for (unsigned i = 1; i < count; ++i)
    buffers += isa<MemRefType>(kernel.getArgument(i).getType());

  // The block has to be as large as it will be before its first word is read.
  struct Word {
    Value argument;
    unsigned number;
  };
  SmallVector<Word> scalars;
  unsigned next = 1 + buffers, buffer = 0;
  scalars.push_back({kernel.getArgument(0), 0});
  SmallVector<std::pair<Value, unsigned>> firsts;
  for (unsigned i = 1; i < count; ++i) {
    Value argument = kernel.getArgument(i);
    Type type = argument.getType();
    MercerDeviceParam param = {};
    param.chunks = 1;
    auto memref = dyn_cast<MemRefType>(type);
    if (!memref) {
      Type held = registerType(type, kernel);
      if (!held)
        return failure();
      bool wide = type.isInteger(64) || type.isF64();
      param.bytes = type.isIndex() ? 4 : (type.getIntOrFloatBitWidth() + 7) / 8;
      scalars.push_back({argument, next});
      next += wide ? 2 : 1;
      result.params.push_back(param);
      continue;
    }
    auto space =
        dyn_cast_or_null<gpu::AddressSpaceAttr>(memref.getMemorySpace());
    if (memref.getRank() != 1 || !memref.getLayout().isIdentity() || !space ||
        space.getValue() != gpu::AddressSpace::Global)
      return malformed(i, "a scalar or a flat global buffer");
    Type element = memref.getElementType();
    if (!registerType(element, kernel))
      return failure();
    Memory memory;
    memory.element = element;
    memory.number = buffer;
    memory.binding = bindings;
    memory.written = static_cast<bool>(kernel.getArgAttr(i, "mercer.written"));
    param.kind = MERCER_PARAM_BUFFER;
    param.bytes =
        element.isIndex() ? 4 : (element.getIntOrFloatBitWidth() + 7) / 8;
    param.written = memory.written;
    SmallVector<int64_t> factors;
    if (auto list = dyn_cast_or_null<ArrayAttr>(
            kernel.getArgAttr(i, "mercer.elements")))
      for (Attribute factor : list)
        factors.push_back(cast<IntegerAttr>(factor).getInt());
    if (auto scratch = dyn_cast_or_null<IntegerAttr>(
            kernel.getArgAttr(i, "mercer.scratch"))) {
      param.kind = MERCER_PARAM_SCRATCH;
      param.elements = scratch.getInt();
      memory.written = param.written = true;
    } else if (factors.empty()) {
      return kernel.emitError("[E3303] expects mercer.elements or "
                              "mercer.scratch on buffer argument ")
             << i;
    } else {
      param.elements = factors[0];
      param.dims = factors.size() - 1;
    }
    // Pieces only where the whole is known and nothing is written: a store
    // could not choose among them.
    int64_t bytes = param.elements * param.bytes;
    if (param.kind == MERCER_PARAM_BUFFER && param.dims == 0 &&
        !memory.written && bytes > int64_t(MERCER_CHUNK_BYTES))
      param.chunks = llvm::divideCeil(bytes, MERCER_CHUNK_BYTES);
    memory.elements = param.elements;
    memory.bases.resize(param.chunks);
    memory.coherent = hasBarrier && isLoadedAndStored(argument);
    bindings += param.chunks;
    firsts.push_back({argument, 1 + buffer++});
    memories[argument] = memory;
    result.params.push_back(param);
    for (unsigned d = 0; d < param.dims; ++d) {
      if (++i >= count || !kernel.getArgument(i).getType().isIndex())
        return kernel.emitError("[E3303] expects ")
               << unsigned(param.dims)
               << " sizes of type index after buffer argument "
               << firsts.size() - 1;
      scalars.push_back({kernel.getArgument(i), next++});
    }
  }
  blockWords = next;
  pushed = blockWords * 4 <= MERCER_PUSH_BYTES;
  result.blockWords = blockWords;
  result.pushed = pushed;
  for (auto [argument, number] : firsts)
    if (!argument.use_empty())
      memories[argument].first = blockWord(number);
  for (Word scalar : scalars)
    if (!scalar.argument.use_empty())
      values[scalar.argument] = {
          scalarArgument(scalar.argument.getType(), scalar.number)};
  return success();
}

LogicalResult Emitter::attributions(SpirvKernel &result) {
  int64_t bytes = 0;
  for (auto [number, argument] :
       llvm::enumerate(kernel.getWorkgroupAttributions())) {
    auto type = cast<MemRefType>(argument.getType());
    if (type.getRank() != 1 || !type.hasStaticShape() ||
        !type.getLayout().isIdentity())
      return kernel.emitError("[E3303] expects workgroup memory of one static "
                              "dimension, found ")
             << type;
    Type element = type.getElementType();
    if (!registerType(element, kernel))
      return failure();
    Memory memory;
    memory.kind = Memory::Shared;
    memory.element = element;
    memory.stored = storedType(element, /*shared=*/true);
    memory.bases.push_back(globalVariable(
        spirv::ArrayType::get(memory.stored, type.getNumElements()),
        StorageClass::Workgroup, "shared" + std::to_string(number)));
    memories[argument] = memory;
    bytes += type.getNumElements() * memory.stored.getIntOrFloatBitWidth() / 8;
  }
  if (!kernel.getPrivateAttributions().empty())
    return kernel.emitError("[E3303] expects memref.alloca for memory of one "
                            "invocation, found private attributions");
  result.sharedBytes = bytes;
  if (target.sharedBytes > 0 && bytes > target.sharedBytes)
    return kernel.emitError("[E3304] expects at most ")
           << target.sharedBytes << " bytes of workgroup memory on "
           << target.cpu << ", found " << bytes;
  return success();
}

LogicalResult Emitter::operation(Operation *op) {
  b.setLoc(op->getLoc());
  if (auto o = dyn_cast<arith::ConstantOp>(op))
    return constant(o);
  if (isa<arith::ArithDialect, math::MathDialect>(op->getDialect())) {
    if (op->getNumResults() == 1)
      return lanewise(op);
    return extended(op);
  }
  if (isa<memref::LoadOp, memref::StoreOp, memref::AllocaOp, vector::LoadOp,
          vector::StoreOp>(op))
    return memory(op);
  if (isa<vector::VectorDialect>(op->getDialect()))
    return vectorOp(op);
  if (auto o = dyn_cast<scf::ForOp>(op))
    return loop(o);
  if (auto o = dyn_cast<scf::IfOp>(op))
    return choice(o);
  if (isa<gpu::BarrierOp>(op)) {
    barrier();
    return success();
  }
  if (auto o = dyn_cast<gpu::ShuffleOp>(op))
    return shuffle(o);
  auto position = [&](Value result, spirv::BuiltIn kind, gpu::Dimension dim) {
    values[result] = {builtin(kind, static_cast<unsigned>(dim))};
    return success();
  };
  if (auto o = dyn_cast<gpu::ThreadIdOp>(op))
    return position(o, spirv::BuiltIn::LocalInvocationId, o.getDimension());
  if (auto o = dyn_cast<gpu::BlockIdOp>(op))
    return position(o, spirv::BuiltIn::WorkgroupId, o.getDimension());
  if (auto o = dyn_cast<gpu::GridDimOp>(op))
    return position(o, spirv::BuiltIn::NumWorkgroups, o.getDimension());
  if (auto o = dyn_cast<gpu::BlockDimOp>(op)) {
    auto size = *kernel.getKnownBlockSize();
    values[o.getResult()] = {word(size[static_cast<int>(o.getDimension())])};
    return success();
  }
  if (op->getName().getStringRef() == "ub.poison") {
    Type type = op->getResult(0).getType();
    auto vector = dyn_cast<VectorType>(type);
    Type held = registerType(getElementTypeOrSelf(type), op);
    if (!held)
      return failure();
    values[op->getResult(0)] =
        Lanes(vector ? vector.getNumElements() : 1, constantOf(held, 0));
    return success();
  }
  if (isa<gpu::ReturnOp>(op)) {
    spirv::ReturnOp::create(b);
    return success();
  }
  return refuse(op, "no form of '" + op->getName().getStringRef() +
                        "' in SPIR-V; expects gpu, scf.for, scf.if, arith, "
                        "math, memref and vector operations of distributed "
                        "kernels");
}

void Emitter::finish(SpirvKernel &result, spirv::FuncOp function) {
  StringRef features = target.features;
  spirv::Version version =
      features.contains("+spirv1.6")   ? spirv::Version::V_1_6
      : features.contains("+spirv1.5") ? spirv::Version::V_1_5
                                       : spirv::Version::V_1_3;
  bool early = version == spirv::Version::V_1_3;
  b.setLoc(kernel.getLoc());
  b.setInsertionPointAfter(function);
  bool preserve =
      features.contains("+float-controls") && (floats32 || floats64);
  SmallVector<Attribute> listed;
  for (Attribute name : interface) {
    auto variable = module.lookupSymbol<spirv::GlobalVariableOp>(
        cast<FlatSymbolRefAttr>(name));
    if (!early || variable.storageClass() == StorageClass::Input)
      listed.push_back(name);
  }
  spirv::EntryPointOp::create(b, spirv::ExecutionModel::GLCompute, function,
                              listed);
  spirv::ExecutionModeOp::create(
      b, function, spirv::ExecutionMode::LocalSize,
      ArrayRef<int32_t>{static_cast<int32_t>(result.threads), 1, 1});
  SmallVector<spirv::Extension> extensions;
  if (preserve) {
    need(Capability::SignedZeroInfNanPreserve);
    for (int32_t width : {32, 64})
      if (width == 32 ? floats32 : floats64)
        spirv::ExecutionModeOp::create(
            b, function, spirv::ExecutionMode::SignedZeroInfNanPreserve, width);
    if (early)
      extensions.push_back(spirv::Extension::SPV_KHR_float_controls);
  }
  if (early && capabilities.contains(Capability::StorageBuffer8BitAccess))
    extensions.push_back(spirv::Extension::SPV_KHR_8bit_storage);
  SmallVector<Capability> all = {Capability::Shader};
  all.append(capabilities.begin(), capabilities.end());
  llvm::sort(all);
  module->setAttr(
      spirv::ModuleOp::getVCETripleAttrName(),
      spirv::VerCapExtAttr::get(version, all, extensions, b.getContext()));
  for (Capability capability : all)
    if (capability != Capability::Shader)
      result.capabilities.push_back(
          spirv::stringifyCapability(capability).str());

  // What a reader of the module, and a test, wants to know of the interface.
  SmallVector<Attribute> params;
  for (const MercerDeviceParam &param : result.params) {
    std::string text = param.kind == MERCER_PARAM_SCALAR   ? "scalar "
                       : param.kind == MERCER_PARAM_BUFFER ? "buffer "
                                                           : "scratch ";
    text += std::to_string(param.bytes);
    if (param.kind != MERCER_PARAM_SCALAR)
      text += " x " + std::to_string(param.elements);
    if (param.dims)
      text += " x " + std::to_string(param.dims) + " sizes";
    if (param.written)
      text += " written";
    if (param.chunks > 1)
      text += " chunks " + std::to_string(param.chunks);
    params.push_back(b.getStringAttr(text));
  }
  module->setAttr("mercer.params", b.getArrayAttr(params));
  module->setAttr("mercer.threads", b.getI64IntegerAttr(result.threads));
  module->setAttr("mercer.shared_bytes",
                  b.getI64IntegerAttr(result.sharedBytes));
}

FailureOr<spirv::ModuleOp> Emitter::run(SpirvKernel &result) {
  auto size = kernel.getKnownBlockSize();
  if (!size || size->size() != 3 || (*size)[1] != 1 || (*size)[2] != 1)
    return kernel.emitError("[E3303] expects known_block_size = array<i32: N, "
                            "1, 1> on a distributed kernel");
  if (!kernel.getBody().hasOneBlock())
    return kernel.emitError("[E3303] expects a kernel of one block");
  result.entry = kernel.getName().str();
  result.threads = (*size)[0];
  if (target.threads > 1 && result.threads > target.threads)
    return kernel.emitError("[E3304] expects at most ")
           << target.threads << " invocations of a workgroup on " << target.cpu
           << ", found " << result.threads;
  kernel.walk([&](gpu::BarrierOp) { hasBarrier = true; });

  module = spirv::ModuleOp::create(b, spirv::AddressingModel::Logical,
                                   spirv::MemoryModel::GLSL450);
  auto fail = [&] {
    module.erase();
    return failure();
  };
  b.setInsertionPointToEnd(module.getBody());
  function = spirv::FuncOp::create(b, result.entry, b.getFunctionType({}, {}));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToEnd(entry);
  // Stands between what `h` and what `b` writes.
  Operation *divider = spirv::UndefOp::create(b, b.getI32Type());
  h.setInsertionPoint(divider);
  if (failed(arguments(result)) || failed(attributions(result)) ||
      failed(block(kernel.getBody().front())))
    return fail();
  divider->erase();
  finish(result, function);
  return module;
}
