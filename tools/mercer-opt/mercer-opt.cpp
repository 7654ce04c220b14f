//===- mercer-opt.cpp - runs any pass or stage on a .mlir file ------------===//

#include "compiler/pipelines/RegisterAll.h"

#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mercer::registerAllMercerDialects(registry);
  mlir::registerAllPasses();
  mercer::registerAllMercerPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Mercer's optimiser driver\n", registry));
}
