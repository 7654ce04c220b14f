//===- Nest.cpp - loops and accesses of a linalg op on buffers ------------===//

#include "backends/cpu/vectorize/Nest.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"

using namespace mlir;
using namespace mercer::cpu;

bool Access::moves(unsigned loop) const {
  return isBuffer && !terms[loop].empty();
}

int64_t Access::step(unsigned loop) const {
  int64_t sum = 0;
  for (const Term &term : terms[loop]) {
    if (ShapedType::isDynamic(strides[term.index]))
      return ShapedType::kDynamic;
    sum += term.factor * strides[term.index];
  }
  return sum;
}

/// Adds `expr` times `factor` to the access; false when it is not linear.
static bool addLinear(AffineExpr expr, int64_t factor, unsigned index,
                      Access &access) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    auto &terms = access.terms[dim.getPosition()];
    for (Term &term : terms)
      if (term.index == index) {
        term.factor += factor;
        return true;
      }
    terms.push_back({index, factor});
    return true;
  }
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    access.start[index] += constant.getValue() * factor;
    return true;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return false;
  if (expr.getKind() == AffineExprKind::Add)
    return addLinear(binary.getLHS(), factor, index, access) &&
           addLinear(binary.getRHS(), factor, index, access);
  if (expr.getKind() == AffineExprKind::Mul)
    if (auto constant = dyn_cast<AffineConstantExpr>(binary.getRHS()))
      return addLinear(binary.getLHS(), factor * constant.getValue(), index,
                       access);
  return false;
}

/// For a map that is not linear only "moves or not" is known.
static void markNonLinear(Access &access) {
  access.linear = false;
  for (auto [loop, terms] : llvm::enumerate(access.terms)) {
    terms.clear();
    if (access.map.isFunctionOfDim(loop))
      terms.push_back({0, 1});
  }
}

FailureOr<Nest> mercer::cpu::readNest(linalg::GenericOp op) {
  Nest nest;
  nest.numInputs = op.getNumDpsInputs();
  nest.body = op.getBody();
  SmallVector<int64_t> sizes(op.getNumLoops(), ShapedType::kDynamic);
  SmallVector<bool> bounded(op.getNumLoops(), false);
  SmallVector<std::pair<Value, int64_t>> source(op.getNumLoops());
  for (OpOperand &operand : op->getOpOperands()) {
    Access access;
    access.value = operand.get();
    access.map = op.getMatchingIndexingMap(&operand);
    access.terms.resize(op.getNumLoops());
    auto type = dyn_cast<MemRefType>(operand.get().getType());
    if (!type) {
      if (isa<ShapedType>(operand.get().getType()))
        return failure();
      access.elementType = operand.get().getType();
      nest.operands.push_back(std::move(access));
      continue;
    }
    access.isBuffer = true;
    access.elementType = type.getElementType();
    int64_t offset;
    if (failed(type.getStridesAndOffset(access.strides, offset)))
      return failure();
    access.start.assign(type.getRank(), 0);
    for (auto [index, expr] : llvm::enumerate(access.map.getResults())) {
      if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
        bounded[dim.getPosition()] = true;
        source[dim.getPosition()] = {operand.get(), index};
        if (!type.isDynamicDim(index))
          sizes[dim.getPosition()] = type.getDimSize(index);
      }
      if (access.linear && !addLinear(expr, 1, index, access))
        markNonLinear(access);
    }
    nest.operands.push_back(std::move(access));
  }
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop) {
    if (!bounded[loop])
      return failure();
    bool reduction =
        op.getIteratorTypesArray()[loop] == utils::IteratorType::reduction;
    int64_t bound = sizes[loop];
    if (ShapedType::isDynamic(bound)) {
      // Tiles at the edge: the tile size bounds what an affine.min gives.
      FailureOr<int64_t> known = ValueBoundsConstraintSet::computeConstantBound(
          presburger::BoundType::UB,
          ValueBoundsConstraintSet::Variable(source[loop].first,
                                             source[loop].second),
          /*stopCondition=*/nullptr, /*closedUB=*/true);
      if (succeeded(known) && *known > 0)
        bound = *known;
    }
    nest.loops.push_back({sizes[loop], reduction, {loop}, bound});
    // A loop of one step moves nothing.
    if (sizes[loop] == 1)
      for (Access &access : nest.operands)
        if (access.linear)
          access.terms[loop].clear();
  }
  // A rank-0 op is one step of a loop that moves nothing.
  if (nest.loops.empty()) {
    nest.loops.push_back({1, false, {}, 1});
    for (Access &access : nest.operands)
      access.terms.resize(1);
  }
  return nest;
}

/// True when walking `inner` to its end and then stepping `outer` walks memory
/// evenly.
static bool walksAsOne(const Nest &nest, const Access &access, unsigned outer,
                       unsigned inner) {
  if (!access.moves(outer) && !access.moves(inner))
    return true;
  if (!access.moves(outer) || !access.moves(inner) || !access.linear)
    return false;
  if (access.terms[outer].size() != 1 || access.terms[inner].size() != 1)
    return false;
  Term a = access.terms[outer].front(), b = access.terms[inner].front();
  if (a.factor != 1 || b.factor != 1 || access.start[b.index] != 0)
    return false;
  // Each of the two buffer indices must depend on its loop alone.
  if (!isa<AffineDimExpr>(access.map.getResult(a.index)) ||
      !isa<AffineDimExpr>(access.map.getResult(b.index)))
    return false;
  int64_t outerStride = access.strides[a.index];
  int64_t innerStride = access.strides[b.index];
  if (!ShapedType::isDynamic(outerStride) &&
      !ShapedType::isDynamic(innerStride) && nest.loops[inner].isStatic())
    return outerStride == innerStride * nest.loops[inner].size;
  auto type = cast<MemRefType>(access.value.getType());
  return type.getLayout().isIdentity() && b.index == a.index + 1;
}

void mercer::cpu::collapseLoops(Nest &nest) {
  llvm::SmallDenseSet<unsigned> indexed;
  nest.body->walk(
      [&](linalg::IndexOp index) { indexed.insert(index.getDim()); });
  for (unsigned outer = nest.loops.size(); outer-- > 0;) {
    unsigned inner = outer + 1;
    if (inner >= nest.loops.size())
      continue;
    Loop &a = nest.loops[outer], &b = nest.loops[inner];
    auto isIndexed = [&](unsigned dim) { return indexed.contains(dim); };
    if (llvm::any_of(a.dims, isIndexed) || llvm::any_of(b.dims, isIndexed))
      continue;
    auto stays = [&](unsigned loop) {
      return nest.loops[loop].isTrivial() &&
             llvm::none_of(nest.operands, [&](const Access &access) {
               return access.moves(loop);
             });
    };
    if (stays(outer) || stays(inner)) {
      unsigned gone = stays(outer) ? outer : inner;
      nest.loops.erase(nest.loops.begin() + gone);
      for (Access &access : nest.operands)
        access.terms.erase(access.terms.begin() + gone);
      continue;
    }
    if (a.reduction != b.reduction ||
        !llvm::all_of(nest.operands, [&](const Access &access) {
          return walksAsOne(nest, access, outer, inner);
        }))
      continue;
    a.size =
        a.isStatic() && b.isStatic() ? a.size * b.size : ShapedType::kDynamic;
    a.bound = a.isBounded() && b.isBounded() ? a.bound * b.bound
                                             : ShapedType::kDynamic;
    a.dims.append(b.dims);
    nest.loops.erase(nest.loops.begin() + inner);
    for (Access &access : nest.operands) {
      access.terms[outer] = access.terms[inner];
      access.terms.erase(access.terms.begin() + inner);
    }
  }
}
