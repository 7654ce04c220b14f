// Passes that merge neighbouring tensor operations into one.
#ifndef MERCER_PASSES_FUSE_TD
#define MERCER_PASSES_FUSE_TD

include "mlir/Pass/PassBase.td"

def MercerDropEmptyLoops : Pass<"mercer-drop-empty-loops"> {
  let summary = "remove operations that visit no element";
  let description = [{
    An operation with a loop of static extent 0 is replaced by its destination:
    a sum over no terms is its initial value, and a result without elements
    needs no computation. `mercer.pairwise` overwrites its destination, so that
    a result over no pairs is filled with what its reduction makes of nothing
    (NaN under softmax, 0 under softmax_zero and sum); an inner reduction over
    no features is taken over one feature of 0.

    ```mlir
    %r = linalg.matmul ins(%a, %b : tensor<5x0xf32>, tensor<0x7xf32>)
                       outs(%zero : tensor<5x7xf32>) -> tensor<5x7xf32>
    // becomes %zero
    ```
  }];
  let statistics = [
    Statistic<"numDropped", "dropped", "operations removed">];
}

def MercerFoldTransposes : Pass<"mercer-fold-transposes"> {
  let summary = "fold transposes into the maps of structural operations";
  let description = [{
    A transpose or broadcast that feeds a contraction, window or pairwise
    operation becomes part of that operand's access map; a transpose of its
    only result becomes the order in which the result is written. Slices move
    in front of transposes, where they are free.

    ```mlir
    %t = linalg.transpose ins(%q : tensor<?x12x64xf32>) … permutation = [1, 0, 2]
    %r = mercer.pairwise … maps [(h, i, j, f) -> (h, i, f), …] ins(%t, …)
    // becomes
    %r = mercer.pairwise … maps [(h, i, j, f) -> (i, h, f), …] ins(%q, …)
    ```
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect"];
}

def MercerFuseElementwise : Pass<"mercer-fuse-elementwise"> {
  let summary = "merge elementwise operations with their neighbours";
  let description = [{
    Merges an elementwise `linalg.generic` into its consumer (elementwise or
    reduction) where that repeats no work: the producer has one use, or it is
    cheap and the consumer visits each of its elements once. Transposes and
    broadcasts become indexing maps, splat constants become scalars, and
    reshapes that stand between two elementwise operations move out of the way.

    ```mlir
    %0 = linalg.generic {…} ins(%x) outs(%e) { negf }
    %1 = linalg.generic {…} ins(%0) outs(%e) { exp }
    // becomes
    %1 = linalg.generic {…} ins(%x) outs(%e) { negf, exp }
    ```
  }];
  let options = [
    Option<"maxBody", "max-body", "unsigned", "48",
           "largest number of operations in a merged body">,
    Option<"maxOperands", "max-operands", "unsigned", "10",
           "largest number of operands of a merged operation">];
  let statistics = [
    Statistic<"numBefore", "generics-before", "linalg.generic before the pass">,
    Statistic<"numAfter", "generics-after", "linalg.generic after the pass">];
  let dependentDialects = ["::mlir::affine::AffineDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

#endif
