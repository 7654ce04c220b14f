// Passes that turn kernels into grids of tiles.
#ifndef MERCER_PASSES_TILING_TD
#define MERCER_PASSES_TILING_TD

include "mlir/Pass/PassBase.td"

def MercerTileKernels : Pass<"mercer-tile-kernels"> {
  let summary = "turn each kernel into a grid of tiles";
  let description = [{
    The operations of a kernel are computed tile by tile in one `scf.forall`
    over the dims of `mercer.schedule`'s `grid`; where `inner` names a tile, a
    `scf.for` inside the tile walks that dim (panels of columns: the rows of
    the tile stay in the cache). Values inside the group never leave the tile;
    results are written to slices of the destinations.

    ```mlir
    mercer.kernel … {
      %r = scf.forall (%i) = (0) to (%n) step (96) shared_outs(%d = %o) -> … {
        %s = affine.min …
        …
        scf.forall.in_parallel { tensor.parallel_insert_slice … }
      } {mapping = [#mercer.grid<0>]}
      mercer.yield %r
    }
    ```
  }];
  let statistics = [
    Statistic<"numKernels", "kernels", "kernels tiled">,
    Statistic<"numSingle", "single", "kernels of one tile">];
  let dependentDialects = ["::mlir::affine::AffineDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect"];
}

#endif
