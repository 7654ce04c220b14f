// Passes that take sugar to structural ops and tiles to upstream ops.
#ifndef MERCER_PASSES_DECOMPOSE_PASSES_TD
#define MERCER_PASSES_DECOMPOSE_PASSES_TD

include "mlir/Pass/PassBase.td"

def MercerLowerSugar : Pass<"mercer-lower-sugar"> {
  let summary = "lower attention, conv, gram and kernel_matvec to structural ops";
  let description = [{
    Each named op becomes one structural op between elementwise ones:

    ```mlir
    %o = mercer.kernel_matvec gaussian ins(%x, %y, %v : ...) outs(%init : ...)
    // becomes
    %o = mercer.pairwise [row, col, feature]
        inner [#mercer.inner<sqdist, 2, f32>] reduce [#mercer.reduction<sum, 1, 1>]
        ... score { exp(-gamma * s) }
    ```
  }];
  let statistics = [
    Statistic<"numLowered", "num-lowered", "Number of named ops lowered">
  ];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
    "::mlir::tensor::TensorDialect", "::mercer::MercerDialect"
  ];
}

def MercerDecomposeTiles : Pass<"mercer-decompose-tiles"> {
  let summary = "turn structural ops on tiles into upstream ops on tiles";
  let description = [{
    The last step of tiling, inside the grid: `mercer.contract` and
    `mercer.window` become `linalg.generic`, `mercer.load_tile` a filled scratch
    tile with the existing elements inserted, and `mercer.pairwise` the online
    loop over column tiles that carries the states of its reductions, with rows
    in vector lanes:

    ```mlir
    %m, %l, %acc = scf.for %j = %lo to %hi step %c64 iter_args(...) {
      %s = linalg.generic  // S[col x row] = K Q^T
      ...                  // score, mask, running maximum, exponentials
      %a = linalg.generic  // acc[value x row] += V^T S
    }
    ```

    Tile sizes come from `reduction` of the attribute `mercer.schedule` of the
    kernel around (`array<i64: rows, cols>`), else from a default.
  }];
  let statistics = [
    Statistic<"numDecomposed", "num-decomposed", "Number of ops decomposed">,
    Statistic<"numSkipping", "num-skipping",
              "Number of pairwise ops whose empty column tiles are skipped">
  ];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::bufferization::BufferizationDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"
  ];
}

#endif
