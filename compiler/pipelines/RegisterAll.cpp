//===- RegisterAll.cpp - every dialect and pass of Mercer -----------------===//

#include "compiler/pipelines/RegisterAll.h"

#include "compiler/pipelines/Pipelines.h"

#include "backends/cpu/CpuBackend.h"
#include "backends/cuda/CudaBackend.h"
#include "backends/emulator/Emulator.h"
#include "backends/spirv/SpirvBackend.h"
#include "dialects/mercer/IR/Mercer.h"
#include "dialects/onnx/IR/Onnx.h"
#include "passes/decompose/Passes.h"
#include "passes/distribute/Passes.h"
#include "passes/fuse/Passes.h"
#include "passes/host/Passes.h"
#include "passes/layout/Passes.h"
#include "passes/math/Passes.h"
#include "passes/onnx/Passes.h"
#include "passes/raise/Passes.h"
#include "passes/schedule/Passes.h"
#include "passes/tiling/Passes.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"

using namespace mercer;

void mercer::registerAllMercerDialects(mlir::DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<MercerDialect, onnx::OnnxDialect>();
  registerHostBufferizationModels(registry);
  registerCpuTranslations(registry);
  registerCudaTranslations(registry);
}

void mercer::registerAllMercerPasses() {
  registerMercerCPUPasses();
  registerMercerCUDAPasses();
  registerMercerEmulatorPasses();
  registerMercerSpirvPasses();
  registerMercerHostPasses();
  registerMercerRaisePasses();
  registerMercerOnnxPasses();
  registerMercerDecomposePasses();
  registerMercerFusePasses();
  registerMercerSchedulePasses();
  registerMercerLayoutPasses();
  registerMercerTilingPasses();
  registerMercerDistributePasses();
  registerMercerMathPasses();
  registerStagePipelines();
}
