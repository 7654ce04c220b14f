//===- Memory.cpp - loads, stores and vectors of a distributed kernel -----===//
//
// Storage buffers cannot be addressed by vectors of their element type: SPIR-V
// has no cast of pointers in Vulkan. An aligned vector access goes to a second
// variable of the same binding instead, an array of one, two or four words.
//
//===----------------------------------------------------------------------===//

#include "backends/spirv/emit/Emitter.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::spirvgen;
using spirv::StorageClass;

static int64_t lanesIn(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? vector.getNumElements() : 1;
}

static int64_t bytesOf(Type element) {
  return (element.getIntOrFloatBitWidth() + 7) / 8;
}

/// A pointer to an element of the array that is the only member of the block
/// behind `base`, or of the array itself.
Value Emitter::pointer(Value base, Value index) {
  auto type = cast<spirv::PointerType>(base.getType());
  Type pointee = type.getPointeeType();
  SmallVector<Value, 2> indices;
  if (auto block = dyn_cast<spirv::StructType>(pointee)) {
    pointee = block.getElementType(0);
    indices.push_back(word(0));
  }
  indices.push_back(index);
  Type element = isa<spirv::ArrayType>(pointee)
                     ? cast<spirv::ArrayType>(pointee).getElementType()
                     : cast<spirv::RuntimeArrayType>(pointee).getElementType();
  return spirv::AccessChainOp::create(
      b, spirv::PointerType::get(element, type.getStorageClass()), base,
      indices);
}

Value Emitter::wideView(Memory &memory, int64_t words) {
  Value &view = memory.wide[words];
  if (view)
    return view;
  Type element = b.getI32Type();
  if (words > 1)
    element = VectorType::get(words, element);
  SmallVector<StringRef> decorations;
  if (!memory.written)
    decorations.push_back("non_writable");
  if (memory.coherent)
    decorations.push_back("coherent");
  auto block = spirv::StructType::get(
      {spirv::RuntimeArrayType::get(element, words * 4)}, {0});
  return view = globalVariable(block, StorageClass::StorageBuffer,
                               "buffer" + std::to_string(memory.number) +
                                   "_words" + std::to_string(words),
                               memory.binding, decorations);
}

Value Emitter::fromStored(Value value, Type element) {
  return isa<IntegerType>(value.getType()) &&
                 value.getType().getIntOrFloatBitWidth() < 32
             ? spirv::UConvertOp::create(b, b.getI32Type(), value).getResult()
             : value;
}

Value Emitter::toStored(Value value, Type stored) {
  return value.getType() == stored
             ? value
             : spirv::UConvertOp::create(b, stored, value).getResult();
}

/// 32-bit words as elements; the upper bits of narrow ones are unspecified.
void Emitter::split(ValueRange words, Type element, Lanes &lanes) {
  int64_t bytes = bytesOf(element);
  if (bytes == 8) {
    for (size_t i = 0; i < words.size(); i += 2) {
      Value pair = spirv::CompositeConstructOp::create(
          b, VectorType::get(2, b.getI32Type()),
          ValueRange{words[i], words[i + 1]});
      lanes.push_back(bitcast(pair, element));
    }
    return;
  }
  for (Value all : words) {
    if (bytes == 4) {
      lanes.push_back(bitcast(all, element));
      continue;
    }
    lanes.push_back(all);
    for (int64_t at = 8 * bytes; at < 32; at += 8 * bytes)
      lanes.push_back(make<spirv::ShiftRightLogicalOp>(all, word(at)));
  }
}

void Emitter::join(ValueRange lanes, Type element, Lanes &words) {
  int64_t bytes = bytesOf(element);
  if (bytes == 8) {
    for (Value lane : lanes) {
      Value pair = bitcast(lane, VectorType::get(2, b.getI32Type()));
      for (int32_t half : {0, 1})
        words.push_back(spirv::CompositeExtractOp::create(
            b, pair, ArrayRef<int32_t>{half}));
    }
    return;
  }
  int64_t each = 4 / bytes;
  for (size_t i = 0; i < lanes.size(); i += each) {
    Value all = bytes == 4 ? bitcast(lanes[i], b.getI32Type())
                           : zeroExtended(lanes[i], element);
    for (int64_t k = 1; k < each; ++k) {
      // The last one's upper bits are shifted out.
      Value part =
          k + 1 < each ? zeroExtended(lanes[i + k], element) : lanes[i + k];
      all = make<spirv::BitwiseOrOp>(
          all, make<spirv::ShiftLeftLogicalOp>(part, word(k * 8 * bytes)));
    }
    words.push_back(all);
  }
}

Value Emitter::loadElement(Memory &memory, Value index) {
  if (memory.kind == Memory::Global) {
    if (memory.bases.size() > 1)
      return loadChunked(memory, index);
    index = make<spirv::IAddOp>(index, memory.first);
  }
  Value value = spirv::LoadOp::create(b, pointer(memory.bases[0], index));
  return fromStored(value, memory.element);
}

/// Every chunk is read, at a place that it has, and the right one chosen: a
/// pointer cannot be chosen without variable pointers.
Value Emitter::loadChunked(Memory &memory, Value index) {
  int64_t each = int64_t(MERCER_CHUNK_BYTES) / bytesOf(memory.element);
  Value linear = make<spirv::IAddOp>(index, memory.first);
  Value chunk =
      make<spirv::ShiftRightLogicalOp>(linear, word(llvm::Log2_64(each)));
  Value within = make<spirv::BitwiseAndOp>(linear, word(each - 1));
  Value result;
  for (size_t c = 0; c < memory.bases.size(); ++c) {
    Value at = within;
    if (c + 1 == memory.bases.size()) {
      // The last chunk is shorter, or longer by the elements before the first.
      Value last = make<spirv::IAddOp>(memory.first,
                                       word(memory.elements - c * each - 1));
      Value own = make<spirv::ISubOp>(linear, word(c * each));
      at = select(ask<spirv::ULessThanOp>(own, last), own, last);
    }
    Value value = spirv::LoadOp::create(b, pointer(memory.bases[c], at));
    value = fromStored(value, memory.element);
    result = result ? select(ask<spirv::UGreaterThanEqualOp>(chunk, word(c)),
                             value, result)
                    : value;
  }
  return result;
}

void Emitter::storeElement(Memory &memory, Value index, Value value) {
  if (memory.kind == Memory::Global)
    index = make<spirv::IAddOp>(index, memory.first);
  spirv::StoreOp::create(b, pointer(memory.bases[0], index),
                         toStored(value, memory.stored));
}

/// Cells of one invocation are variables of their own, which every driver turns
/// into registers; an array only where some index is not a constant.
LogicalResult Emitter::alloca(memref::AllocaOp op) {
  MemRefType type = op.getType();
  if (type.getRank() > 1 || !type.hasStaticShape() ||
      !type.getLayout().isIdentity())
    return refuse(op, "memory of one invocation has one static dimension; "
                      "expects memref.alloca of such a type");
  Type held = registerType(type.getElementType(), op);
  if (!held)
    return failure();
  bool fixed = llvm::all_of(op->getUsers(), [&](Operation *user) {
    OperandRange indices =
        isa<memref::LoadOp>(user)    ? cast<memref::LoadOp>(user).getIndices()
        : isa<memref::StoreOp>(user) ? cast<memref::StoreOp>(user).getIndices()
        : isa<vector::LoadOp>(user)  ? cast<vector::LoadOp>(user).getIndices()
        : isa<vector::StoreOp>(user) ? cast<vector::StoreOp>(user).getIndices()
                                     : user->getOperands();
    return llvm::all_of(
        indices, [](Value index) { return matchPattern(index, m_Constant()); });
  });
  Memory memory;
  memory.kind = Memory::Private;
  memory.element = type.getElementType();
  memory.stored = held;
  auto variable = [&](Type pointee) {
    memory.bases.push_back(spirv::VariableOp::create(
        h, spirv::PointerType::get(pointee, StorageClass::Function),
        StorageClass::Function, Value()));
  };
  if (fixed)
    for (int64_t i = 0; i < type.getNumElements(); ++i)
      variable(held);
  else
    variable(spirv::ArrayType::get(held, type.getNumElements()));
  memories[op.getResult()] = memory;
  return success();
}

/// Finds what a memref stands for and, for a global buffer that is accessed by
/// elements, makes its variables.
static Memory *find(llvm::DenseMap<Value, Memory> &memories, Value memref) {
  auto found = memories.find(memref);
  return found == memories.end() ? nullptr : &found->second;
}

LogicalResult Emitter::memory(Operation *op) {
  if (auto o = dyn_cast<memref::AllocaOp>(op))
    return alloca(o);
  auto one = [](OperandRange indices) {
    return indices.size() == 1 ? indices[0] : Value();
  };
  if (auto o = dyn_cast<memref::LoadOp>(op))
    return load(o, o.getMemref(), one(o.getIndices()), o.getType(), 0);
  if (auto o = dyn_cast<memref::StoreOp>(op))
    return store(o, o.getMemref(), one(o.getIndices()), o.getValueToStore(), 0);
  if (auto o = dyn_cast<vector::LoadOp>(op))
    return load(o, o.getBase(), one(o.getIndices()), o.getType(),
                o.getAlignment().value_or(0));
  auto o = cast<vector::StoreOp>(op);
  return store(o, o.getBase(), one(o.getIndices()), o.getValueToStore(),
               o.getAlignment().value_or(0));
}

/// The cell of private memory that a constant index and a lane name.
static FailureOr<Value> cell(Memory &memory, Value index, int64_t lane) {
  APInt at(64, 0);
  if (index && !matchPattern(index, m_ConstantInt(&at)))
    return failure();
  uint64_t number = at.getZExtValue() + lane;
  if (number >= memory.bases.size())
    return failure();
  return memory.bases[number];
}

/// Words of one access, or 0 where the access goes element by element.
static int64_t wordsOf(const Memory &memory, int64_t lanes, int64_t aligned) {
  int64_t total = lanes * bytesOf(memory.element);
  int64_t access = std::min<int64_t>(total, 16);
  bool fits = memory.kind == Memory::Global && memory.bases.size() == 1 &&
              lanes > 1 && llvm::isPowerOf2_64(access) && access >= 4 &&
              total % access == 0 && aligned >= access;
  return fits ? access / 4 : 0;
}

LogicalResult Emitter::load(Operation *op, Value memref, Value index, Type type,
                            int64_t aligned) {
  Memory *memory = find(memories, memref);
  if (!memory)
    return refuse(op, "expects memory that is an argument, an attribution or a "
                      "memref.alloca of the kernel");
  if (isa<VectorType>(type) && cast<VectorType>(type).getRank() != 1)
    return refuse(op, "expects a vector of one dimension");
  int64_t count = lanesIn(type);
  Lanes lanes;
  bool cells = memory->kind == Memory::Private &&
               !isa<spirv::ArrayType>(
                   cast<spirv::PointerType>(memory->bases[0].getType())
                       .getPointeeType());
  if (cells) {
    for (int64_t k = 0; k < count; ++k) {
      FailureOr<Value> from = cell(*memory, index, k);
      if (failed(from))
        return refuse(op, "an index of private memory is out of its range");
      lanes.push_back(spirv::LoadOp::create(b, *from));
    }
    values[op->getResult(0)] = lanes;
    return success();
  }
  if (!index)
    return refuse(op, "expects memory of one dimension");
  Value at = values[index][0];
  if (int64_t words = wordsOf(*memory, count, aligned)) {
    int64_t each = words * 4 / bytesOf(memory->element);
    Value base = wideView(*memory, words);
    Value first = make<spirv::ShiftRightLogicalOp>(
        make<spirv::IAddOp>(at, memory->first), word(llvm::Log2_64(each)));
    Lanes all;
    for (int64_t k = 0; k < count / each; ++k) {
      Value place = k ? make<spirv::IAddOp>(first, word(k)) : first;
      Value value = spirv::LoadOp::create(b, pointer(base, place));
      if (words == 1)
        all.push_back(value);
      else
        for (int32_t w = 0; w < words; ++w)
          all.push_back(spirv::CompositeExtractOp::create(
              b, value, ArrayRef<int32_t>{w}));
    }
    split(all, memory->element, lanes);
  } else {
    elementView(*memory);
    for (int64_t k = 0; k < count; ++k)
      lanes.push_back(
          loadElement(*memory, k ? make<spirv::IAddOp>(at, word(k)) : at));
  }
  values[op->getResult(0)] = lanes;
  return success();
}

LogicalResult Emitter::store(Operation *op, Value memref, Value index,
                             Value value, int64_t aligned) {
  Memory *memory = find(memories, memref);
  if (!memory)
    return refuse(op, "expects memory that is an argument, an attribution or a "
                      "memref.alloca of the kernel");
  auto vector = dyn_cast<VectorType>(value.getType());
  if (vector && vector.getRank() != 1)
    return refuse(op, "expects a vector of one dimension");
  if (memory->kind == Memory::Global && !memory->written)
    return op->emitError("[E3303] expects mercer.written on a buffer that is "
                         "stored to");
  Lanes lanes = values[value];
  bool cells = memory->kind == Memory::Private &&
               !isa<spirv::ArrayType>(
                   cast<spirv::PointerType>(memory->bases[0].getType())
                       .getPointeeType());
  if (cells) {
    for (auto [k, lane] : llvm::enumerate(lanes)) {
      FailureOr<Value> to = cell(*memory, index, k);
      if (failed(to))
        return refuse(op, "an index of private memory is out of its range");
      spirv::StoreOp::create(b, *to, lane);
    }
    return success();
  }
  if (!index)
    return refuse(op, "expects memory of one dimension");
  Value at = values[index][0];
  int64_t count = lanes.size();
  if (int64_t words = wordsOf(*memory, count, aligned)) {
    int64_t each = words * 4 / bytesOf(memory->element);
    Value base = wideView(*memory, words);
    Value first = make<spirv::ShiftRightLogicalOp>(
        make<spirv::IAddOp>(at, memory->first), word(llvm::Log2_64(each)));
    Lanes all;
    join(lanes, memory->element, all);
    for (int64_t k = 0; k < count / each; ++k) {
      Value place = k ? make<spirv::IAddOp>(first, word(k)) : first;
      Value stored = all[k * words];
      if (words > 1)
        stored = spirv::CompositeConstructOp::create(
            b, VectorType::get(words, b.getI32Type()),
            ValueRange(all).slice(k * words, words));
      spirv::StoreOp::create(b, pointer(base, place), stored);
    }
    return success();
  }
  elementView(*memory);
  for (auto [k, lane] : llvm::enumerate(lanes))
    storeElement(*memory, k ? make<spirv::IAddOp>(at, word(k)) : at, lane);
  return success();
}

void Emitter::elementView(Memory &memory) {
  if (memory.kind != Memory::Global || memory.bases[0])
    return;
  memory.stored = storedType(memory.element, /*shared=*/false);
  SmallVector<StringRef> decorations;
  if (!memory.written)
    decorations.push_back("non_writable");
  if (memory.coherent)
    decorations.push_back("coherent");
  auto block = spirv::StructType::get(
      {spirv::RuntimeArrayType::get(memory.stored, bytesOf(memory.element))},
      {0});
  for (auto [c, base] : llvm::enumerate(memory.bases)) {
    std::string name = "buffer" + std::to_string(memory.number);
    if (c)
      name += "_chunk" + std::to_string(c);
    base = globalVariable(block, StorageClass::StorageBuffer, name,
                          memory.binding + c, decorations);
  }
}

LogicalResult Emitter::vectorOp(Operation *op) {
  auto flat = [](Type type) {
    auto vector = dyn_cast<VectorType>(type);
    return !vector || vector.getRank() <= 1;
  };
  if (!llvm::all_of(op->getOperandTypes(), flat) ||
      !llvm::all_of(op->getResultTypes(), flat))
    return refuse(op, "expects vectors of one dimension");
  if (auto o = dyn_cast<vector::ExtractOp>(op)) {
    const Lanes &from = values[o.getSource()];
    if (o.getStaticPosition().empty()) {
      values[o.getResult()] = Lanes(from);
      return success();
    }
    if (o.hasDynamicPosition())
      return refuse(op, "expects a constant position");
    Value lane = from[o.getStaticPosition()[0]];
    values[o.getResult()] = {lane};
    return success();
  }
  if (auto o = dyn_cast<vector::InsertOp>(op)) {
    Lanes to = values[o.getDest()];
    const Lanes &stored = values[o.getValueToStore()];
    if (o.getStaticPosition().empty())
      to = stored;
    else if (o.hasDynamicPosition())
      return refuse(op, "expects a constant position");
    else
      to[o.getStaticPosition()[0]] = stored[0];
    values[o.getResult()] = to;
    return success();
  }
  if (isa<vector::FromElementsOp>(op)) {
    Lanes all;
    if (failed(lanesOf(op->getOperands(), all)))
      return failure();
    values[op->getResult(0)] = all;
    return success();
  }
  if (isa<vector::ToElementsOp, vector::ShapeCastOp>(op)) {
    Lanes all = values[op->getOperand(0)];
    bind(op->getResults(), all);
    return success();
  }
  if (auto o = dyn_cast<vector::BroadcastOp>(op)) {
    Lanes from = values[o.getSource()];
    int64_t count = lanesIn(o.getType());
    values[o.getResult()] =
        int64_t(from.size()) == count ? from : Lanes(count, from[0]);
    return success();
  }
  if (auto o = dyn_cast<vector::ShuffleOp>(op)) {
    Lanes all = values[o.getV1()], chosen;
    llvm::append_range(all, values[o.getV2()]);
    for (int64_t lane : o.getMask())
      chosen.push_back(all[std::max<int64_t>(lane, 0)]);
    values[o.getResult()] = chosen;
    return success();
  }
  if (auto o = dyn_cast<vector::ExtractStridedSliceOp>(op)) {
    Lanes all = values[o.getSource()];
    int64_t at = cast<IntegerAttr>(o.getOffsets()[0]).getInt();
    int64_t stride = cast<IntegerAttr>(o.getStrides()[0]).getInt();
    Lanes chosen;
    for (int64_t k = 0; k < lanesIn(o.getType()); ++k)
      chosen.push_back(all[at + k * stride]);
    values[o.getResult()] = chosen;
    return success();
  }
  if (auto o = dyn_cast<vector::InsertStridedSliceOp>(op)) {
    Lanes to = values[o.getDest()], part = values[o.getValueToStore()];
    int64_t at = cast<IntegerAttr>(o.getOffsets()[0]).getInt();
    int64_t stride = cast<IntegerAttr>(o.getStrides()[0]).getInt();
    for (auto [k, lane] : llvm::enumerate(part))
      to[at + k * stride] = lane;
    values[o.getResult()] = to;
    return success();
  }
  return refuse(op, "no form of this vector operation in SPIR-V; expects "
                    "load, store, extract, insert, from_elements, to_elements, "
                    "broadcast, shuffle or strided slices");
}
