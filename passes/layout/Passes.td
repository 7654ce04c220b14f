// Passes that materialise layouts and form kernels.
#ifndef MERCER_PASSES_LAYOUT_TD
#define MERCER_PASSES_LAYOUT_TD

include "mlir/Pass/PassBase.td"

def MercerPropagateLayout : Pass<"mercer-propagate-layout"> {
  let summary = "make windows channel-last and carry the layout through";
  let description = [{
    Windowed operations are rewritten to read and write channel-last tensors.
    The layout then follows the values through elementwise operations,
    reductions, pads, concatenations, slices and reshapes by rewriting their
    maps, so that transposes remain at the edge of the graph only.

    ```mlir
    %0 = mercer.window … (%x : tensor<1x64x56x56xf32>) → tensor<1x64x56x56xf32>
    // becomes
    %t = linalg.transpose %x to tensor<1x56x56x64xf32>
    %0 = mercer.window … (%t) → tensor<1x56x56x64xf32>
    ```
  }];
  let statistics = [
    Statistic<"numRewritten", "rewritten", "operations moved to a new layout">,
    Statistic<"numTransposes", "transposes", "transposes that remain">];
  let dependentDialects = ["::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect"];
}

def MercerPackConstants : Pass<"mercer-pack-constants"> {
  let summary = "lay out constant right operands in panels";
  let description = [{
    The right operand of a contraction or window whose schedule has `rhs_panel`
    is packed into panels of that many columns: its columns become
    `(n floordiv P, …, n mod P)` and its map says so. The packing is a
    `linalg.generic` on the constant, zero-padded to whole panels, which the
    constant program evaluates.

    ```mlir
    // (m, n, k) -> (k, n) with rhs_panel = 48 becomes
    // (m, n, k) -> (n floordiv 48, k, n mod 48)
    ```
  }];
  let statistics = [Statistic<"numPacked", "packed", "operands packed">];
  let dependentDialects = ["::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def MercerFormKernels : Pass<"mercer-form-kernels"> {
  let summary = "put each group of operations into a kernel";
  let description = [{
    Members of one `mercer.group`, and every other operation that computes, are
    moved into `mercer.kernel` regions. Views at the edge of a group stay
    outside; fills and empty tensors are copied in.
  }];
  let statistics = [Statistic<"numKernels", "kernels", "kernels formed">];
  let dependentDialects = ["::mercer::MercerDialect",
    "::mlir::tensor::TensorDialect"];
}

#endif
