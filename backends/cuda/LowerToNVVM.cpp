//===- LowerToNVVM.cpp - one conversion to the LLVM and NVVM dialects -----===//

#include "backends/cuda/Passes.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVMPass.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/Pattern.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/NVGPUToNVVM/NVGPUToNVVM.h"
#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mercer {
#define GEN_PASS_DEF_CUDALOWERTONVVM
#include "backends/cuda/Passes.h.inc"
} // namespace mercer

using namespace mlir;
using namespace mercer;

namespace {
struct CudaLowerToNVVMPass
    : mercer::impl::CudaLowerToNVVMBase<CudaLowerToNVVMPass> {
  void runOnOperation() override;
};
} // namespace

namespace {
/// Products whose operands are bits in 32-bit registers: of bf16, which the
/// upstream pattern does not know, and of i8, whose sums it would saturate
/// where all other targets wrap around.
struct RegisterProduct : ConvertOpToLLVMPattern<nvgpu::MmaSyncOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;

  LogicalResult
  matchAndRewrite(nvgpu::MmaSyncOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type element = getElementTypeOrSelf(op.getMatrixA().getType());
    if (!element.isBF16() && !element.isInteger(8))
      return rewriter.notifyMatchFailure(op, "not a product of bf16 or i8");
    auto sums = dyn_cast<LLVM::LLVMArrayType>(
        getTypeConverter()->convertType(op.getRes().getType()));
    if (!sums)
      return rewriter.notifyMatchFailure(op, "expects 2-D fragments");
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Type i32 = b.getI32Type();
    Type sum = getElementTypeOrSelf(op.getRes().getType());
    auto rows = [&](Value fragment) {
      SmallVector<Value> values;
      auto type = cast<LLVM::LLVMArrayType>(fragment.getType());
      for (unsigned i = 0; i < type.getNumElements(); ++i)
        values.push_back(LLVM::ExtractValueOp::create(b, fragment, i));
      return values;
    };
    auto registers = [&](Value fragment) {
      SmallVector<Value> values = rows(fragment);
      for (Value &value : values)
        value = LLVM::BitcastOp::create(b, i32, value);
      return values;
    };
    auto at = [&](int64_t i) -> Value {
      return LLVM::ConstantOp::create(b, i32, b.getI32IntegerAttr(i));
    };
    SmallVector<Value> start;
    for (Value row : rows(adaptor.getMatrixC()))
      for (int64_t i : {0, 1})
        start.push_back(LLVM::ExtractElementOp::create(b, row, at(i)));
    SmallVector<int64_t> shape;
    for (auto size : op.getMmaShape().getAsValueRange<IntegerAttr>())
      shape.push_back(size.getSExtValue());
    auto type = element.isBF16() ? NVVM::MMATypes::bf16 : NVVM::MMATypes::s8;
    std::optional<NVVM::MMAIntOverflow> overflow;
    if (!element.isBF16())
      overflow = NVVM::MMAIntOverflow::wrapped;
    auto result = LLVM::LLVMStructType::getLiteral(
        b.getContext(), SmallVector<Type>(start.size(), sum));
    Value product = NVVM::MmaOp::create(
        b, result, registers(adaptor.getMatrixA()),
        registers(adaptor.getMatrixB()), start, shape,
        /*b1Op=*/std::nullopt, overflow, std::array{type, type},
        std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
    Value all = LLVM::PoisonOp::create(b, sums);
    for (unsigned row = 0; row < sums.getNumElements(); ++row) {
      Value pair = LLVM::PoisonOp::create(b, sums.getElementType());
      for (int64_t i : {0, 1}) {
        Value one = LLVM::ExtractValueOp::create(b, product, 2 * row + i);
        pair = LLVM::InsertElementOp::create(b, pair, one, at(i));
      }
      all = LLVM::InsertValueOp::create(b, all, pair, row);
    }
    rewriter.replaceOp(op, all);
    return success();
  }
};
} // namespace

/// LLVM's intrinsics of these are instructions; of all others they would be
/// calls of functions that nothing defines.
static LogicalResult checkMath(Operation *root) {
  WalkResult result = root->walk([](Operation *op) {
    if (!isa_and_nonnull<math::MathDialect>(op->getDialect()) ||
        isa<math::FmaOp, math::SqrtOp, math::AbsFOp, math::FloorOp,
            math::CeilOp, math::TruncOp, math::RoundEvenOp, math::CopySignOp,
            math::CountLeadingZerosOp, math::CountTrailingZerosOp,
            math::CtPopOp>(op))
      return WalkResult::advance();
    op->emitError("[E3402] expects math functions in expanded form, got ")
        << op->getName();
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

/// How often a loop is unrolled is said here for all: ptxas unrolls what nobody
/// told it about, a dot product of 120 terms completely (217 registers). Short
/// innermost loops four times, so that their loads overlap; all others not.
static void annotateLoops(Operation *root) {
  // More would not fit beside the rest of a kernel (128 registers a thread).
  constexpr int64_t unroll = 4, maxBody = 32;
  OpBuilder b(root);
  root->walk([&](scf::ForOp loop) {
    if (loop->hasAttr("llvm.loop_annotation"))
      return;
    int64_t size = 0;
    bool simple =
        !loop->walk([&](Operation *op) {
               ++size;
               bool collective = isa<gpu::BarrierOp, gpu::ShuffleOp>(op) ||
                                 isa<nvgpu::NVGPUDialect>(op->getDialect());
               bool nested = op != loop && isa<LoopLikeOpInterface>(op);
               return collective || nested || size > maxBody
                          ? WalkResult::interrupt()
                          : WalkResult::advance();
             })
             .wasInterrupted();
    auto unrolling = LLVM::LoopUnrollAttr::get(
        b.getContext(), simple ? BoolAttr() : b.getBoolAttr(true),
        simple ? b.getI32IntegerAttr(unroll) : IntegerAttr(), {}, {}, {}, {},
        {});
    loop->setAttr("llvm.loop_annotation",
                  LLVM::LoopAnnotationAttr::get(b.getContext(), {}, {}, {},
                                                unrolling, {}, {}, {}, {}, {},
                                                {}, {}, {}, {}, {}, {}));
  });
}

void CudaLowerToNVVMPass::runOnOperation() {
  MLIRContext *context = &getContext();
  gpu::GPUModuleOp module = getOperation();
  if (failed(checkMath(module)))
    return signalPassFailure();
  {
    RewritePatternSet patterns(context);
    arith::populateCeilFloorDivExpandOpsPatterns(patterns);
    // Fragments are arrays of vectors.
    vector::populateVectorFromElementsUnrollPatterns(patterns);
    vector::populateVectorToElementsUnrollPatterns(patterns);
    GreedyRewriteConfig config;
    config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled);
    if (failed(applyPatternsGreedily(module, std::move(patterns), config)))
      return signalPassFailure();
  }
  annotateLoops(module);
  // Block sizes before the conversion, which knows only an upper bound.
  SmallVector<std::pair<StringAttr, int32_t>> threads;
  for (auto kernel : module.getOps<gpu::GPUFuncOp>())
    if (auto block = kernel.getKnownBlockSize())
      threads.push_back({kernel.getNameAttr(), (*block)[0]});

  LowerToLLVMOptions options(context);
  options.overrideIndexBitwidth(64);
  LLVMTypeConverter converter(context, options);
  configureGpuToNVVMTypeConverter(converter);
  nvgpu::populateCommonGPUTypeAndAttributeConversions(converter);
  converter.addConversion([](nvgpu::DeviceAsyncTokenType type) -> Type {
    return IntegerType::get(type.getContext(), 32);
  });
  RewritePatternSet patterns(context);
  populateSCFToControlFlowConversionPatterns(patterns);
  cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
  arith::populateArithToLLVMConversionPatterns(converter, patterns);
  populateMathToLLVMConversionPatterns(converter, patterns,
                                       /*approximateLog1p=*/false);
  populateFinalizeMemRefToLLVMConversionPatterns(converter, patterns);
  populateVectorToLLVMConversionPatterns(converter, patterns);
  ub::populateUBToLLVMConversionPatterns(converter, patterns);
  populateNVGPUToNVVMConversionPatterns(converter, patterns);
  patterns.add<RegisterProduct>(converter, /*benefit=*/2);
  // After all others: some of these call a device library.
  populateGpuToNVVMConversionPatterns(converter, patterns, PatternBenefit(0));
  LLVMConversionTarget target(*context);
  target.addLegalDialect<NVVM::NVVMDialect>();
  target.addLegalOp<gpu::GPUModuleOp>();
  if (failed(applyPartialConversion(module, target, std::move(patterns)))) {
    module.emitError("[E3401] expects distributed kernels of the upstream "
                     "dialects");
    return signalPassFailure();
  }
  SmallVector<UnrealizedConversionCastOp> casts;
  module.walk([&](UnrealizedConversionCastOp cast) { casts.push_back(cast); });
  SmallVector<UnrealizedConversionCastOp> left;
  reconcileUnrealizedCasts(casts, &left);
  if (!left.empty()) {
    left.front().emitError("[E3401] expects values of types that PTX has");
    return signalPassFailure();
  }
  // The conversions carry the annotation along under its old name.
  module.walk([](LLVM::BrOp branch) {
    if (auto loop = dyn_cast_if_present<LLVM::LoopAnnotationAttr>(
            branch->removeDiscardableAttr("llvm.loop_annotation")))
      branch.setLoopAnnotationAttr(loop);
  });
  // NVVM operations that are written as PTX text.
  RewritePatternSet asmPatterns(context);
  populateNVVMToLLVMConversionPatterns(asmPatterns);
  LLVMConversionTarget asmTarget(*context);
  asmTarget.addLegalOp<gpu::GPUModuleOp>();
  if (failed(applyPartialConversion(module, asmTarget, std::move(asmPatterns))))
    return signalPassFailure();

  Builder b(context);
  for (auto [name, count] : threads) {
    auto kernel = module.lookupSymbol<LLVM::LLVMFuncOp>(name);
    kernel->removeAttr(NVVM::NVVMDialect::getMaxntidAttrName());
    kernel->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                    b.getDenseI32ArrayAttr({count, 1, 1}));
    if (auto blocks = kernel->getAttrOfType<IntegerAttr>(minBlocksAttrName()))
      kernel->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                      b.getI32IntegerAttr(blocks.getInt()));
  }
}
