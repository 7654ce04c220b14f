//===- BufferizeHost.cpp - entry points as programs on buffers ------------===//
//
// One-shot bufferization decides what is written in place; this pass prepares
// the edges: constants become slots, arguments buffers, and results are steered
// into the caller's output buffers before anything is computed.
//
//===----------------------------------------------------------------------===//

#include "passes/host/Passes.h"

#include "dialects/mercer/IR/Mercer.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Dominance.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mercer {
#define GEN_PASS_DEF_BUFFERIZEHOST
#include "passes/host/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;

namespace {

MemRefType bufferType(Type tensor) {
  auto type = cast<RankedTensorType>(tensor);
  return MemRefType::get(type.getShape(), type.getElementType());
}

/// dim(launch result) is the dim of its destination.
struct DimOfLaunch : OpRewritePattern<tensor::DimOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::DimOp op,
                                PatternRewriter &rewriter) const override {
    auto launch = op.getSource().getDefiningOp<LaunchOp>();
    if (!launch)
      return rewriter.notifyMatchFailure(op, "not of a launch");
    unsigned index = cast<OpResult>(op.getSource()).getResultNumber();
    rewriter.modifyOpInPlace(
        op, [&] { op.getSourceMutable().assign(launch.getOutputs()[index]); });
    return success();
  }
};

/// Where the bytes of a view come from, when it shows all of them.
Value wholeBase(Value buffer) {
  while (Operation *op = buffer.getDefiningOp()) {
    if (isa<memref::ExpandShapeOp, memref::CollapseShapeOp, memref::CastOp,
            memref::ReshapeOp>(op)) {
      buffer = op->getOperand(0);
      continue;
    }
    // Made below only, to see an output as its producer's shape.
    auto view = dyn_cast<memref::ReinterpretCastOp>(op);
    if (!view || !isa_and_nonnull<OutputOp>(view.getSource().getDefiningOp()))
      return buffer;
    buffer = view.getSource();
  }
  return buffer;
}

struct EraseSelfCopy : OpRewritePattern<memref::CopyOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(memref::CopyOp op,
                                PatternRewriter &rewriter) const override {
    Value source = wholeBase(op.getSource());
    if (source != wholeBase(op.getTarget()) ||
        !isa_and_nonnull<OutputOp>(source.getDefiningOp()))
      return rewriter.notifyMatchFailure(op, "not one output's own copy");
    rewriter.eraseOp(op);
    return success();
  }
};

/// Makes index values available early: moves what they are computed by.
class Availability {
public:
  explicit Availability(func::FuncOp function) : dominance(function) {}

  bool canMoveBefore(Value value, Operation *point) {
    if (dominance.properlyDominates(value, point))
      return true;
    Operation *op = value.getDefiningOp();
    if (!op || op->getBlock() != point->getBlock() ||
        op->getNumRegions() != 0 || !isPure(op))
      return false;
    return llvm::all_of(op->getOperands(), [&](Value operand) {
      return canMoveBefore(operand, point);
    });
  }

  void moveBefore(Value value, Operation *point) {
    if (dominance.properlyDominates(value, point))
      return;
    Operation *op = value.getDefiningOp();
    for (Value operand : op->getOperands())
      moveBefore(operand, point);
    op->moveBefore(point);
  }

private:
  DominanceInfo dominance;
};

struct BufferizeHostPass : mercer::impl::BufferizeHostBase<BufferizeHostPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SlotTable slots(module);
    for (func::FuncOp function :
         llvm::to_vector(module.getOps<func::FuncOp>())) {
      if (!isEntryPoint(function))
        continue;
      slots.replaceIn(function);
      if (failed(prepareEdges(function)) || failed(bufferize(function)))
        return signalPassFailure();
      function.walk([&](memref::CopyOp) { ++numCopies; });
    }
    slots.write();
    numConstants += slots.size();
  }

private:
  /// The constants section: equal sources share a slot.
  class SlotTable {
  public:
    explicit SlotTable(ModuleOp module) : module(module) {
      if (auto known = module->getAttrOfType<ArrayAttr>(constantsAttrName()))
        for (Attribute entry : known)
          slots.insert(entry);
    }

    void replaceIn(func::FuncOp function) {
      function.walk([&](Operation *op) {
        Attribute source = sourceOf(op);
        if (!source)
          return;
        OpBuilder b(op);
        slots.insert(source);
        int64_t slot = llvm::find(slots, source) - slots.begin();
        Type type = op->getResult(0).getType();
        Value buffer =
            ConstantOp::create(b, op->getLoc(), bufferType(type), slot);
        Value tensor = bufferization::ToTensorOp::create(
            b, op->getLoc(), type, buffer, /*restrict=*/true);
        op->getResult(0).replaceAllUsesWith(tensor);
        op->erase();
      });
    }

    void write() {
      if (!slots.empty())
        module->setAttr(
            constantsAttrName(),
            ArrayAttr::get(module.getContext(), slots.getArrayRef()));
    }

    size_t size() const { return slots.size(); }

  private:
    static Attribute sourceOf(Operation *op) {
      Builder b(op->getContext());
      auto named = [&](StringRef name, Attribute value) {
        return b.getNamedAttr(name, value);
      };
      if (auto weight = dyn_cast<WeightOp>(op))
        return b.getDictionaryAttr(
            {named("file", weight.getFileAttr()),
             named("offset", b.getI64IntegerAttr(weight.getOffset())),
             named("length", b.getI64IntegerAttr(weight.getLength()))});
      if (auto own = dyn_cast<PrecomputedOp>(op))
        return b.getDictionaryAttr(
            {named("precomputed", b.getI64IntegerAttr(own.getIndex())),
             named("type", TypeAttr::get(own.getType()))});
      if (auto constant = dyn_cast<arith::ConstantOp>(op))
        if (isa<RankedTensorType>(constant.getType()))
          return b.getDictionaryAttr({named("value", constant.getValue())});
      return {};
    }

    ModuleOp module;
    llvm::SetVector<Attribute> slots;
  };

  LogicalResult simplify(func::FuncOp function) {
    RewritePatternSet patterns(function.getContext());
    MLIRContext *context = function.getContext();
    memref::populateResolveRankedShapedTypeResultDimsPatterns(patterns);
    for (RegisteredOperationName name : context->getRegisteredOperations())
      if (isa_and_nonnull<affine::AffineDialect, arith::ArithDialect,
                          bufferization::BufferizationDialect,
                          memref::MemRefDialect, scf::SCFDialect,
                          tensor::TensorDialect>(&name.getDialect()))
        name.getCanonicalizationPatterns(patterns, context);
    patterns.add<DimOfLaunch, EraseSelfCopy>(context);
    if (failed(applyPatternsGreedily(function, std::move(patterns))))
      return failure();
    IRRewriter rewriter(context);
    DominanceInfo dominance(function);
    eliminateCommonSubExpressions(rewriter, dominance, function);
    return success();
  }

  /// Arguments become buffers; every result is copied to its output, and what
  /// computes it is told to write there at once.
  LogicalResult prepareEdges(func::FuncOp function) {
    Block &entry = function.getBody().front();
    OpBuilder b = OpBuilder::atBlockBegin(&entry);
    SmallVector<Type> argumentTypes;
    for (BlockArgument argument : entry.getArguments()) {
      Type type = argument.getType();
      if (auto tensor = dyn_cast<RankedTensorType>(type)) {
        argument.setType(bufferType(tensor));
        auto value = bufferization::ToTensorOp::create(
            b, argument.getLoc(), tensor, argument, /*restrict=*/true);
        argument.replaceAllUsesExcept(value.getResult(), value);
      }
      argumentTypes.push_back(argument.getType());
    }
    auto end = cast<func::ReturnOp>(entry.getTerminator());
    // Dims of results first: they must not depend on what is computed.
    b.setInsertionPoint(end);
    SmallVector<SmallVector<Value>> dims(end.getNumOperands());
    for (auto [index, value] : llvm::enumerate(end.getOperands())) {
      auto type = dyn_cast<RankedTensorType>(value.getType());
      if (!type)
        return end.emitError("[E3002] result ")
               << index << " of the entry point is no ranked tensor";
      for (int64_t d = 0; d < type.getRank(); ++d)
        if (type.isDynamicDim(d))
          dims[index].push_back(
              tensor::DimOp::create(b, end.getLoc(), value, d));
    }
    // The dims ride on output ops through simplification, so that they are
    // kept up to date.
    SmallVector<OutputOp> outputs;
    for (auto [index, value] : llvm::enumerate(end.getOperands())) {
      auto output = OutputOp::create(
          b, end.getLoc(), bufferType(value.getType()), index, dims[index]);
      auto store = bufferization::MaterializeInDestinationOp::create(
          b, end.getLoc(), Type(), value, output.getResult());
      store.setRestrict(true);
      store.setWritable(true);
      outputs.push_back(output);
    }
    end->setOperands({});
    ArrayAttr resultAttrs = function.getAllResultAttrs();
    function.removeResAttrsAttr();
    function.setFunctionType(
        FunctionType::get(function.getContext(), argumentTypes, {}));
    if (resultAttrs)
      function->setAttr("mercer.results", resultAttrs);
    if (failed(simplify(function)))
      return failure();
    giveOwnDestinations(function);
    outputs.clear();
    for (OutputOp output : entry.getOps<OutputOp>())
      outputs.push_back(output);
    for (OutputOp output : outputs)
      steer(function, output);
    return success();
  }

  /// Common subexpression elimination merges destinations of one size, which
  /// would then have to be copied.
  static void giveOwnDestinations(func::FuncOp function) {
    function.walk([](tensor::EmptyOp empty) {
      for (OpOperand &use : llvm::make_early_inc_range(empty->getUses())) {
        if (empty->hasOneUse())
          break;
        OpBuilder b(use.getOwner());
        use.set(b.clone(*empty)->getResult(0));
      }
    });
  }

  /// Lets the launch that computes an output write it directly.
  static void steer(func::FuncOp function, OutputOp output) {
    bufferization::MaterializeInDestinationOp store;
    for (Operation *user : output->getUsers())
      if (auto op = dyn_cast<bufferization::MaterializeInDestinationOp>(user))
        store = op;
    Value value = store.getSource();
    while (Operation *op = value.getDefiningOp()) {
      if (!isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp,
               tensor::ReshapeOp>(op))
        break;
      value = op->getOperand(0);
    }
    auto launch = value.getDefiningOp<LaunchOp>();
    if (!launch || launch->getBlock() != output->getBlock())
      return;
    Value init = launch.getOutputs()[cast<OpResult>(value).getResultNumber()];
    auto empty = init.getDefiningOp<tensor::EmptyOp>();
    if (!empty || !empty->hasOneUse() ||
        empty->getBlock() != output->getBlock())
      return;
    Availability availability(function);
    for (Value dim : output.getDims())
      if (!availability.canMoveBefore(dim, empty))
        return;
    for (Value dim : output.getDims())
      availability.moveBefore(dim, empty);
    output->moveBefore(empty);
    OpBuilder b(empty);
    Location loc = empty.getLoc();
    Value buffer = output.getResult();
    MemRefType type = bufferType(empty.getType());
    if (buffer.getType() != type) {
      SmallVector<OpFoldResult> sizes = empty.getMixedSizes();
      SmallVector<OpFoldResult> strides(sizes.size());
      OpFoldResult stride = b.getIndexAttr(1);
      AffineExpr x, y;
      bindSymbols(b.getContext(), x, y);
      for (size_t d = sizes.size(); d-- > 0;) {
        strides[d] = stride;
        stride = affine::makeComposedFoldedAffineApply(b, loc, x * y,
                                                       {stride, sizes[d]});
      }
      // The strides are the identity layout's; the type says so.
      SmallVector<int64_t> staticSizes, staticStrides;
      SmallVector<Value> dynamicSizes, dynamicStrides;
      dispatchIndexOpFoldResults(sizes, dynamicSizes, staticSizes);
      dispatchIndexOpFoldResults(strides, dynamicStrides, staticStrides);
      auto strided = memref::ReinterpretCastOp::create(
          b, loc,
          MemRefType::get(
              type.getShape(), type.getElementType(),
              StridedLayoutAttr::get(b.getContext(), 0, staticStrides)),
          buffer, OpFoldResult(b.getIndexAttr(0)), sizes, strides);
      buffer = strided.getResult();
      if (buffer.getType() != type)
        buffer = memref::CastOp::create(b, loc, type, buffer);
    }
    Value tensor = bufferization::ToTensorOp::create(b, loc, empty.getType(),
                                                     buffer, /*restrict=*/true,
                                                     /*writable=*/true);
    empty.replaceAllUsesWith(tensor);
    empty->erase();
  }

  LogicalResult bufferize(func::FuncOp function) {
    bufferization::OneShotBufferizationOptions options;
    options.allowReturnAllocsFromLoops = true;
    options.unknownTypeConverterFn =
        [](TensorType type, Attribute space,
           const bufferization::BufferizationOptions &) {
          return bufferization::getMemRefTypeWithStaticIdentityLayout(type,
                                                                      space);
        };
    RewritePatternSet patterns(function.getContext());
    bufferization::populateEmptyTensorToAllocTensorPattern(patterns);
    if (failed(applyPatternsGreedily(function, std::move(patterns))))
      return failure();
    bufferization::BufferizationState state;
    if (failed(bufferization::runOneShotBufferize(function, options, state)))
      return function.emitError("[E3001] entry point cannot be bufferized");
    if (failed(simplify(function)))
      return failure();
    return finish(function);
  }

  /// Reads become explicit, strided parts of buffers are gathered for kernels,
  /// and copies of them go row by row.
  LogicalResult finish(func::FuncOp function) {
    SmallVector<LaunchOp> launches;
    function.walk([&](LaunchOp op) { launches.push_back(op); });
    for (LaunchOp launch : launches)
      makeContiguous(launch);
    SmallVector<memref::CopyOp> copies;
    function.walk([&](memref::CopyOp op) { copies.push_back(op); });
    for (memref::CopyOp copy : copies)
      splitIntoRows(copy);
    function.walk([&](memref::LoadOp load) {
      OpBuilder b(load);
      load.getMemrefMutable().assign(ReadOp::create(b, load.getLoc(),
                                                    load.getMemRefType(),
                                                    load.getMemref())
                                         .getResult());
    });
    return success();
  }

  static void makeContiguous(LaunchOp launch) {
    Location loc = launch.getLoc();
    unsigned numInputs = launch.getInputs().size();
    for (OpOperand &operand : launch->getOpOperands()) {
      Value buffer = operand.get();
      auto type = dyn_cast<MemRefType>(buffer.getType());
      if (!type || isContiguous(buffer))
        continue;
      OpBuilder b(launch);
      SmallVector<Value> sizes;
      for (int64_t d = 0; d < type.getRank(); ++d)
        if (type.isDynamicDim(d))
          sizes.push_back(memref::DimOp::create(b, loc, buffer, d));
      Value dense = memref::AllocOp::create(
          b, loc, MemRefType::get(type.getShape(), type.getElementType()),
          sizes, b.getI64IntegerAttr(64));
      memref::CopyOp::create(b, loc, buffer, dense);
      operand.set(dense);
      if (operand.getOperandNumber() >= numInputs) {
        b.setInsertionPointAfter(launch);
        memref::CopyOp::create(b, loc, dense, buffer);
      }
    }
  }

  /// First dim from which on the elements lie in one range.
  static int64_t firstDenseDim(Value buffer) {
    auto type = cast<MemRefType>(buffer.getType());
    if (isContiguous(buffer))
      return 0;
    int64_t offset = 0;
    SmallVector<int64_t> strides;
    if (failed(type.getStridesAndOffset(strides, offset)))
      return type.getRank();
    int64_t expected = 1, first = type.getRank();
    while (first > 0 && strides[first - 1] == expected &&
           !type.isDynamicDim(first - 1)) {
      --first;
      expected *= type.getDimSize(first);
    }
    // The outermost dim of a range may have any size.
    if (first > 0 && strides[first - 1] == expected)
      --first;
    return first;
  }

  static void splitIntoRows(memref::CopyOp copy) {
    Value source = copy.getSource(), target = copy.getTarget();
    int64_t loops = std::max(firstDenseDim(source), firstDenseDim(target));
    if (loops == 0)
      return;
    OpBuilder b(copy);
    Location loc = copy.getLoc();
    auto type = cast<MemRefType>(source.getType());
    int64_t rank = type.getRank();
    Value zero = arith::ConstantIndexOp::create(b, loc, 0);
    Value one = arith::ConstantIndexOp::create(b, loc, 1);
    SmallVector<OpFoldResult> offsets, sizes;
    SmallVector<OpFoldResult> strides(rank, b.getIndexAttr(1));
    for (int64_t d = 0; d < rank; ++d) {
      OpFoldResult size = memref::getMixedSize(b, loc, source, d);
      offsets.push_back(b.getIndexAttr(0));
      sizes.push_back(size);
    }
    for (int64_t d = 0; d < loops; ++d) {
      auto loop = scf::ForOp::create(
          b, loc, zero, getValueOrCreateConstantIndexOp(b, loc, sizes[d]), one);
      b.setInsertionPointToStart(loop.getBody());
      offsets[d] = loop.getInductionVar();
    }
    for (int64_t d = 0; d < loops; ++d)
      sizes[d] = b.getIndexAttr(1);
    Value from =
        memref::SubViewOp::create(b, loc, source, offsets, sizes, strides);
    Value to =
        memref::SubViewOp::create(b, loc, target, offsets, sizes, strides);
    memref::CopyOp::create(b, loc, from, to);
    copy.erase();
  }
};

} // namespace
