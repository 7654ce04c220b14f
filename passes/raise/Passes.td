// Passes on imported ONNX graphs, before they are lowered.
#ifndef MERCER_PASSES_RAISE_TD
#define MERCER_PASSES_RAISE_TD

include "mlir/Pass/PassBase.td"

def MercerSimplifyOnnx : Pass<"mercer-simplify-onnx", "::mlir::ModuleOp"> {
  let summary = "remove what an ONNX graph does not need at run time";
  let description = [{
    Drops nodes that only pass a value on (`Identity`, inference `Dropout`, casts
    to the same type), evaluates small constants, takes the branch of an `If`
    whose condition is constant, and unrolls `Loop` and `Scan` whose number of
    steps is constant.

    ```mlir
    %y = onnx.node "If"(%true) opset 17 graphs("then_branch" {
      %n = onnx.node "Neg"(%x) opset 17 : (tensor<?xf32>) -> tensor<*xf32>
      onnx.yield %n : tensor<*xf32>
    }, "else_branch" { ... }) : (tensor<i1>) -> tensor<*xf32>
    // becomes
    %y = onnx.node "Neg"(%x) opset 17 : (tensor<?xf32>) -> tensor<*xf32>
    ```
  }];
  let options = [
    Option<"maxUnroll", "max-unroll", "int64_t", "64",
           "Most steps of a loop that are unrolled">];
  let statistics = [
    Statistic<"numForwarded", "nodes-forwarded", "Number of nodes replaced by an operand">,
    Statistic<"numFolded", "nodes-folded", "Number of nodes evaluated to constants">,
    Statistic<"numBranches", "branches-taken", "Number of If nodes resolved">,
    Statistic<"numUnrolled", "loops-unrolled", "Number of Loop and Scan nodes unrolled">];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mercer::onnx::OnnxDialect"];
}

def MercerRaiseOnnx : Pass<"mercer-raise-onnx", "::mlir::ModuleOp"> {
  let summary = "recognise attention, normalisation, activations and kernel methods";
  let description = [{
    Replaces the many-node forms that exporters write by the node that says what
    they compute. Patterns match structure and constants; where legality depends
    on sizes they ask for shapes that follow from the graph alone. The forms are
    listed in docs/onnx.md.

    ```mlir
    %s = onnx.node "Sigmoid"(%x) opset 17 : (tensor<?xf32>) -> tensor<*xf32>
    %y = onnx.node "Mul"(%x, %s) opset 17 : (tensor<?xf32>, tensor<*xf32>) -> tensor<*xf32>
    // becomes
    %y = onnx.node "Swish"(%x) opset 24 {alpha = 1.0 : f32} : (tensor<?xf32>) -> tensor<*xf32>
    ```
  }];
  let statistics = [
    Statistic<"numAttention", "attention", "Number of attentions raised">,
    Statistic<"numNormalization", "normalization", "Number of normalisations raised">,
    Statistic<"numActivation", "activation", "Number of activations raised">,
    Statistic<"numRotary", "rotary", "Number of rotary embeddings raised">,
    Statistic<"numBatchNorm", "batch-norm", "Number of batch normalisations folded">,
    Statistic<"numKernel", "kernel-method", "Number of kernel methods raised">];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mercer::onnx::OnnxDialect"];
}

#endif
