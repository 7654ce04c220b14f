//===- EmitShapes.cpp - output shapes from input shapes -------------------===//
//
// Callers ask for shapes before they have outputs, so this is a function of its
// own: the part of the host program that output dimensions depend on, as far as
// it depends on nothing but input dimensions.
//
//===----------------------------------------------------------------------===//

#include "passes/host/Passes.h"

#include "dialects/mercer/IR/Mercer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mercer {
#define GEN_PASS_DEF_EMITSHAPES
#include "passes/host/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;

namespace {

class ShapeFunctionBuilder {
public:
  ShapeFunctionBuilder(func::FuncOp entry, OpBuilder &b)
      : entry(entry), b(b), loc(entry.getLoc()) {
    int64_t position = 0;
    for (Type type : entry.getArgumentTypes()) {
      firstDim.push_back(position);
      if (auto buffer = dyn_cast<MemRefType>(type))
        position += buffer.getRank();
    }
  }

  void build() {
    Type pointer = LLVM::LLVMPointerType::get(b.getContext());
    auto function = func::FuncOp::create(
        b, loc, (entry.getName() + "_shapes").str(),
        b.getFunctionType({pointer, pointer}, {b.getI32Type()}));
    function->setAttr(shapesAttrName(), b.getUnitAttr());
    b.setInsertionPointToStart(function.addEntryBlock());
    inDims = function.getArgument(0);
    SmallVector<OutputOp> outputs;
    entry.walk([&](OutputOp op) { outputs.push_back(op); });
    llvm::sort(outputs, [](OutputOp x, OutputOp y) {
      return x.getIndex() < y.getIndex();
    });
    int64_t position = 0;
    for (OutputOp output : outputs) {
      auto type = cast<MemRefType>(output.getType());
      for (int64_t d = 0; d < type.getRank(); ++d) {
        Value dim = constant(type.getDimSize(d));
        if (type.isDynamicDim(d)) {
          Value known = rebuild(output.getDims()[type.getDynamicDimIndex(d)]);
          dim = known ? Value(arith::IndexCastOp::create(b, loc, b.getI64Type(),
                                                         known))
                      : constant(-1);
        }
        LLVM::StoreOp::create(b, loc, dim,
                              address(function.getArgument(1), position++));
      }
    }
    func::ReturnOp::create(
        b, loc,
        arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(0)).getResult());
  }

private:
  Value constant(int64_t value) {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  }

  Value address(Value base, int64_t index) {
    return LLVM::GEPOp::create(b, loc, base.getType(), b.getI64Type(), base,
                               ArrayRef<LLVM::GEPArg>(index));
  }

  /// The value in the new function; null where it depends on more than dims.
  Value rebuild(Value value) {
    if (Value known = mapping.lookupOrNull(value))
      return known;
    Operation *op = value.getDefiningOp();
    if (!op)
      return {};
    if (auto dim = dyn_cast<memref::DimOp>(op)) {
      auto argument = dyn_cast<BlockArgument>(dim.getSource());
      std::optional<int64_t> index = dim.getConstantIndex();
      if (!argument || argument.getOwner() != &entry.getBody().front() ||
          !index)
        return {};
      Value loaded = LLVM::LoadOp::create(
          b, loc, b.getI64Type(),
          address(inDims, firstDim[argument.getArgNumber()] + *index));
      Value result =
          arith::IndexCastOp::create(b, loc, b.getIndexType(), loaded);
      mapping.map(value, result);
      return result;
    }
    if (op->getNumRegions() != 0 || !isPure(op) ||
        llvm::any_of(op->getOperandTypes(),
                     [](Type type) { return isa<ShapedType>(type); }))
      return {};
    for (Value operand : op->getOperands())
      if (!rebuild(operand))
        return {};
    b.clone(*op, mapping);
    return mapping.lookup(value);
  }

  func::FuncOp entry;
  OpBuilder &b;
  Location loc;
  /// Position of every argument's first dimension among all dimensions.
  SmallVector<int64_t> firstDim;
  Value inDims;
  IRMapping mapping;
};

struct EmitShapesPass : mercer::impl::EmitShapesBase<EmitShapesPass> {
  void runOnOperation() override {
    for (func::FuncOp function :
         llvm::to_vector(getOperation().getOps<func::FuncOp>())) {
      if (!isEntryPoint(function))
        continue;
      OpBuilder b(function);
      b.setInsertionPointAfter(function);
      ShapeFunctionBuilder(function, b).build();
    }
  }
};

} // namespace
