// Lowering of imported ONNX graphs.
#ifndef MERCER_PASSES_ONNX_TD
#define MERCER_PASSES_ONNX_TD

include "mlir/Pass/PassBase.td"

def MercerLowerOnnx : Pass<"mercer-lower-onnx", "::mlir::ModuleOp"> {
  let summary = "lower onnx nodes to linalg, tensor and mercer operations";
  let description = [{
    Visits the nodes of each function in order with operands that are already
    lowered, so that types are inferred on the way and shape computations are
    evaluated symbolically: `Shape`, `Gather`, `Concat` and arithmetic on sizes
    become scalars that `Reshape`, `Expand` or `Slice` read. Every node that has
    no lowering is reported before anything changes.

    ```mlir
    %y = onnx.node "Add"(%a, %b) opset 14 : (tensor<4xf32>, tensor<1xf32>) -> tensor<*xf32>
    // becomes
    %y = linalg.generic {...} ins(%a, %b) outs(%e) { arith.addf } -> tensor<4xf32>
    ```
  }];
  let options = [
    Option<"listOps", "list-ops", "bool", "false",
           "emit a remark that lists the supported operators">];
  let statistics = [
    Statistic<"numNodes", "nodes-lowered", "Number of ONNX nodes lowered">,
    Statistic<"numHost", "nodes-on-host", "Number of nodes evaluated as host scalars">];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::cf::ControlFlowDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect", "::mercer::MercerDialect"];
}

#endif
