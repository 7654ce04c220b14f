//===- Vectors.cpp - neighbours in memory as one access -------------------===//
//
// Where an op's outputs lie contiguous along its fastest loop, and it is known
// that they start at multiples of a vector, a thread takes that many neighbours
// at a time: one access of up to 16 bytes for each operand that moves likewise,
// the body once for each element.
//
//===----------------------------------------------------------------------===//

#include "passes/distribute/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;
using namespace mercer;
using namespace mercer::distribute;

/// Bytes of one access at most.
constexpr int64_t kVectorBytes = 16;

static Type elementOf(const Buffer &buffer) {
  return cast<MemRefType>(buffer.flat.getType()).getElementType();
}

/// Bytes of an element that vectors are made of; 0 for others.
static int64_t vectorElementBytes(Type type) {
  bool known = type.isF16() || type.isBF16() || type.isF32() || type.isF64() ||
               (type.isInteger() && type.getIntOrFloatBitWidth() >= 8);
  return known ? type.getIntOrFloatBitWidth() / 8 : 0;
}

int64_t Emitter::contiguousRun(const View &view, AffineMap map, unsigned loop) {
  const Buffer &buffer = buffers[view.buffer];
  int64_t bytes = vectorElementBytes(elementOf(buffer));
  if (bytes == 0 || buffer.unaligned || view.padding)
    return 1;
  int64_t divisor = std::gcd(kVectorBytes / bytes, knownDivisor(view.offset));
  bool moves = false;
  for (auto [expr, stride] : llvm::zip_equal(map.getResults(), view.strides)) {
    if (!expr.isFunctionOfDim(loop)) {
      // Whatever the other loops add is a multiple of the stride.
      divisor = std::gcd(divisor, knownDivisor(stride));
      continue;
    }
    if (moves || !isa<AffineDimExpr>(expr) || constantOf(stride) != 1)
      return 1;
    moves = true;
  }
  return moves ? divisor : 1;
}

Value Emitter::loadVector(const View &view, Index address, int64_t length) {
  Value flat = buffers[view.buffer].flat;
  Type element = elementOf(buffers[view.buffer]);
  return vector::LoadOp::create(
      b, VectorType::get({length}, element), flat,
      ValueRange{math.value(address)}, /*nontemporal=*/false,
      llvm::MaybeAlign(length * vectorElementBytes(element)));
}

void Emitter::storeVector(const View &view, Index address,
                          ArrayRef<Value> values) {
  Value flat = buffers[view.buffer].flat;
  Type element = elementOf(buffers[view.buffer]);
  SmallVector<Value> elements;
  for (Value value : values)
    elements.push_back(value.getType() == element
                           ? value
                           : arith::IndexCastOp::create(b, element, value));
  int64_t length = values.size();
  Value vector = vector::FromElementsOp::create(
      b, VectorType::get({length}, element), elements);
  vector::StoreOp::create(
      b, vector, flat, ValueRange{math.value(address)}, /*nontemporal=*/false,
      llvm::MaybeAlign(length * vectorElementBytes(element)));
}

int64_t Emitter::vectorLength(OpNest &nest, ArrayRef<unsigned> order) {
  if (order.empty() || !nest.reduced().empty())
    return 1;
  int64_t length = kVectorBytes;
  for (unsigned operand = nest.numInputs(); operand < nest.views.size();
       ++operand)
    length = std::gcd(length, contiguousRun(*nest.views[operand],
                                            nest.map(operand), order.back()));
  int64_t bound = nest.bound(order);
  if (ShapedType::isDynamic(bound))
    return length;
  // Every thread has something to do.
  while (length > 1 && bound < length * target.threads)
    length /= 2;
  return length;
}

void Emitter::emitVector(OpNest &nest, ArrayRef<Index> at, unsigned loop,
                         int64_t length) {
  unsigned numInputs = nest.numInputs();
  Block *body = nest.op.getBody();
  // What all elements see, or vectors of what each does.
  SmallVector<Value> same(nest.views.size());
  SmallVector<SmallVector<Value>> vectors(nest.views.size());
  auto accessOf = [&](unsigned operand) {
    return addressOf(*nest.views[operand], nest.map(operand), at);
  };
  auto bytesOf = [&](unsigned operand) {
    return vectorElementBytes(elementOf(buffers[nest.views[operand]->buffer]));
  };
  for (unsigned operand = 0; operand < nest.views.size(); ++operand) {
    if (!nest.views[operand] || body->getArgument(operand).use_empty())
      continue;
    const View &view = *nest.views[operand];
    AffineMap map = nest.map(operand);
    if (!map.isFunctionOfDim(loop)) {
      same[operand] = readElement(view, map, at);
      continue;
    }
    // Wide elements next to narrow ones take several accesses.
    int64_t run = std::gcd(length, contiguousRun(view, map, loop));
    if (run == 1 || run * bytesOf(operand) < 4)
      continue;
    for (int64_t first = 0; first < length; first += run)
      vectors[operand].push_back(loadVector(
          view, math.add(accessOf(operand), math.constant(first)), run));
  }
  SmallVector<SmallVector<Value>> results(nest.op.getNumDpsInits());
  for (int64_t i = 0; i < length; ++i) {
    SmallVector<Index> here(at);
    here[loop] = math.add(at[loop], math.constant(i));
    IRMapping map = mapping;
    for (auto [operand, argument] : llvm::enumerate(body->getArguments())) {
      if (argument.use_empty())
        continue;
      Value value;
      if (!nest.views[operand])
        value = mapping.lookup(nest.op->getOperand(operand));
      else if (same[operand])
        value = same[operand];
      else if (int64_t count = vectors[operand].size())
        value = vector::ExtractOp::create(
            b, vectors[operand][i * count / length], i % (length / count));
      else
        value = readElement(*nest.views[operand], nest.map(operand), here);
      if (argument.getType().isIndex() && !value.getType().isIndex())
        value = arith::IndexCastOp::create(b, b.getIndexType(), value);
      map.map(argument, value);
    }
    cloneBody(*body, map, here);
    for (auto [output, value] :
         llvm::enumerate(body->getTerminator()->getOperands()))
      results[output].push_back(map.lookupOrDefault(value));
  }
  for (auto [output, values] : llvm::enumerate(results)) {
    unsigned operand = numInputs + output;
    if (length * bytesOf(operand) >= 4) {
      storeVector(*nest.views[operand], accessOf(operand), values);
      continue;
    }
    for (auto [i, value] : llvm::enumerate(values))
      store(*nest.views[operand], math.add(accessOf(operand), math.constant(i)),
            value);
  }
}

void Emitter::emitInVectors(OpNest &nest, ArrayRef<unsigned> order,
                            int64_t length) {
  unsigned fast = order.back();
  Index size = nest.loops[fast].size;
  SmallVector<Index> sizes;
  for (unsigned loop : order)
    sizes.push_back(nest.loops[loop].size);
  bool whole = knownDivisor(size) % length == 0;
  sizes.back() =
      math.div(whole ? size : math.add(size, math.constant(length - 1)),
               math.constant(length));
  int64_t bound = nest.bound(order);
  if (!ShapedType::isDynamic(bound)) {
    int64_t last = nest.loops[fast].bound;
    bound = last == 0 ? 0 : bound / last * llvm::divideCeil(last, length);
  }
  forEachOwned(sizes, bound, [&](ArrayRef<Index> positions) {
    SmallVector<Index> at(nest.loops.size(), math.constant(0));
    for (auto [loop, position] : llvm::zip_equal(order, positions))
      at[loop] = position;
    at[fast] = math.mul(at[fast], length);
    if (whole)
      return emitVector(nest, at, fast, length);
    // The last ones of a row may be fewer.
    Value full = math.less(math.add(at[fast], math.constant(length - 1)), size);
    auto branch = scf::IfOp::create(b, full, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    emitVector(nest, at, fast, length);
    b.setInsertionPointToStart(branch.elseBlock());
    auto rest = scf::ForOp::create(b, math.value(at[fast]), math.value(size),
                                   math.value(math.constant(1)));
    b.setInsertionPointToStart(rest.getBody());
    at[fast] = rest.getInductionVar();
    SmallVector<Value> none(nest.op.getNumDpsInits());
    for (auto [output, value] : llvm::enumerate(emitBody(nest, at, none))) {
      unsigned operand = nest.numInputs() + output;
      store(*nest.views[operand],
            addressOf(*nest.views[operand], nest.map(operand), at), value);
    }
  });
}
