//===- IndexMath.cpp - index arithmetic that folds constants --------------===//

#include "passes/distribute/IndexMath.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/MathExtras.h"

#include <cstdlib>
#include <numeric>

using namespace mlir;
using namespace mercer::distribute;

std::optional<int64_t> mercer::distribute::constantOf(Index x) {
  return getConstantIntValue(x);
}

/// Of an expression whose dims and symbols have the given ones.
static int64_t knownDivisor(AffineExpr expr, ArrayRef<int64_t> dims,
                            ArrayRef<int64_t> symbols) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return dims[dim.getPosition()];
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return symbols[symbol.getPosition()];
  if (auto number = dyn_cast<AffineConstantExpr>(expr))
    return std::abs(number.getValue());
  auto binary = cast<AffineBinaryOpExpr>(expr);
  int64_t x = knownDivisor(binary.getLHS(), dims, symbols),
          y = knownDivisor(binary.getRHS(), dims, symbols), product;
  switch (expr.getKind()) {
  case AffineExprKind::Add:
  // What is left of a division by a common multiple stays one.
  case AffineExprKind::Mod:
    return std::gcd(x, y);
  case AffineExprKind::Mul:
    return llvm::MulOverflow(x, y, product) ? 1 : product;
  default:
    return 1;
  }
}

int64_t mercer::distribute::knownDivisor(Index x) {
  if (std::optional<int64_t> number = constantOf(x))
    return std::abs(*number);
  auto value = cast<Value>(x);
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
    if (!loop || loop.getInductionVar() != value)
      return 1;
    return std::gcd(knownDivisor(Index(loop.getLowerBound())),
                    knownDivisor(Index(loop.getStep())));
  }
  Operation *op = value.getDefiningOp();
  auto of = [&](unsigned operand) {
    return knownDivisor(Index(op->getOperand(operand)));
  };
  if (isa<arith::AddIOp, arith::SubIOp, arith::MinSIOp, arith::MaxSIOp,
          arith::RemUIOp>(op))
    return std::gcd(of(0), of(1));
  if (isa<arith::SelectOp>(op))
    return std::gcd(of(1), of(2));
  if (isa<arith::MulIOp>(op)) {
    int64_t product;
    return llvm::MulOverflow(of(0), of(1), product) ? 1 : product;
  }
  auto ofMap = [&](AffineMap map) {
    SmallVector<int64_t> operands;
    for (unsigned i = 0; i < op->getNumOperands(); ++i)
      operands.push_back(of(i));
    int64_t divisor = 0;
    for (AffineExpr expr : map.getResults())
      divisor = std::gcd(
          divisor,
          ::knownDivisor(expr, ArrayRef(operands).take_front(map.getNumDims()),
                         ArrayRef(operands).drop_front(map.getNumDims())));
    return divisor;
  };
  if (auto minimum = dyn_cast<affine::AffineMinOp>(op))
    return ofMap(minimum.getMap());
  if (auto apply = dyn_cast<affine::AffineApplyOp>(op))
    return ofMap(apply.getMap());
  return 1;
}

Value IndexMath::value(Index x) {
  if (auto v = dyn_cast<Value>(x))
    return v;
  return arith::ConstantIndexOp::create(b, *constantOf(x));
}

Index IndexMath::add(Index x, Index y) {
  std::optional<int64_t> a = constantOf(x), c = constantOf(y);
  if (a && c)
    return constant(*a + *c);
  if (a == 0)
    return y;
  if (c == 0)
    return x;
  return arith::AddIOp::create(b, value(x), value(y)).getResult();
}

Index IndexMath::sub(Index x, Index y) {
  std::optional<int64_t> a = constantOf(x), c = constantOf(y);
  if (a && c)
    return constant(*a - *c);
  if (c == 0)
    return x;
  return arith::SubIOp::create(b, value(x), value(y)).getResult();
}

Index IndexMath::mul(Index x, Index y) {
  std::optional<int64_t> a = constantOf(x), c = constantOf(y);
  if (a && c)
    return constant(*a * *c);
  if (a == 0 || c == 0)
    return constant(0);
  if (a == 1)
    return y;
  if (c == 1)
    return x;
  return arith::MulIOp::create(b, value(x), value(y)).getResult();
}

Index IndexMath::div(Index x, Index y) {
  std::optional<int64_t> a = constantOf(x), c = constantOf(y);
  if (c == 1)
    return x;
  if (a && c && *c != 0)
    return constant(*a / *c);
  return arith::DivUIOp::create(b, value(x), value(y)).getResult();
}

Index IndexMath::rem(Index x, Index y) {
  std::optional<int64_t> a = constantOf(x), c = constantOf(y);
  if (c == 1)
    return constant(0);
  if (a && c && *c != 0)
    return constant(*a % *c);
  return arith::RemUIOp::create(b, value(x), value(y)).getResult();
}

Index IndexMath::min(Index x, Index y) {
  std::optional<int64_t> a = constantOf(x), c = constantOf(y);
  if (a && c)
    return constant(std::min(*a, *c));
  return arith::MinSIOp::create(b, value(x), value(y)).getResult();
}

Value IndexMath::less(Index x, Index y) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, value(x),
                               value(y));
}

Index IndexMath::apply(AffineExpr expr, ArrayRef<Index> dims) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return dims[dim.getPosition()];
  if (auto number = dyn_cast<AffineConstantExpr>(expr))
    return constant(number.getValue());
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Index x = apply(binary.getLHS(), dims), y = apply(binary.getRHS(), dims);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return add(x, y);
  case AffineExprKind::Mul:
    return mul(x, y);
  case AffineExprKind::FloorDiv:
    // Access maps divide positions: they are not negative.
    return div(x, y);
  case AffineExprKind::Mod:
    return rem(x, y);
  default:
    break;
  }
  return arith::CeilDivUIOp::create(b, value(x), value(y)).getResult();
}

SmallVector<Index> IndexMath::delinearize(Index linear, ArrayRef<Index> sizes,
                                          bool narrow) {
  SmallVector<Index> positions(sizes.size(), constant(0));
  // Sizes of 1 take no part.
  SmallVector<unsigned> dims;
  for (auto [dim, size] : llvm::enumerate(sizes))
    if (constantOf(size) != 1)
      dims.push_back(dim);
  auto toNarrow = [&](Index x) -> Value {
    return arith::IndexCastOp::create(b, b.getI32Type(), value(x));
  };
  bool casts = narrow && dims.size() > 1 && !constantOf(linear);
  Value rest32;
  Index rest = linear;
  if (casts)
    rest32 = toNarrow(linear);
  for (unsigned i = dims.size(); i-- > 0;) {
    if (i == 0) {
      positions[dims[i]] =
          casts ? Index(arith::IndexCastOp::create(b, b.getIndexType(), rest32)
                            .getResult())
                : rest;
      break;
    }
    if (!casts) {
      positions[dims[i]] = rem(rest, sizes[dims[i]]);
      rest = div(rest, sizes[dims[i]]);
      continue;
    }
    Value size = toNarrow(sizes[dims[i]]);
    Value at = arith::RemUIOp::create(b, rest32, size);
    positions[dims[i]] =
        arith::IndexCastOp::create(b, b.getIndexType(), at).getResult();
    rest32 = arith::DivUIOp::create(b, rest32, size);
  }
  return positions;
}
