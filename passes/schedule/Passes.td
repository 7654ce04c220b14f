// Passes that decide groups, layouts and tiles, and write them down.
#ifndef MERCER_PASSES_SCHEDULE_TD
#define MERCER_PASSES_SCHEDULE_TD

include "mlir/Pass/PassBase.td"

def MercerAssignSchedule : Pass<"mercer-assign-schedule"> {
  let summary = "decide which operations form a kernel, and its tiles";
  let description = [{
    Groups the computing operations of every block and chooses a schedule for
    each group. The decision stands in attributes: `mercer.group` (the number
    of the group) and `mercer.dims` (for each loop the dim of the group's grid
    that it is, or -1) on every member; `mercer.schedule` on the root, with
    `grid` and `inner` tile sizes for each dim of the grid (0: whole),
    `rhs_panel`, and for `--explain` `why`, `refused`, `flops`, `bytes` and
    `seconds`.

    ```mlir
    %0 = mercer.contract … {mercer.group = 0, mercer.dims = array<i64: 0, 1, -1>,
      mercer.schedule = {grid = array<i64: 96, 0>, inner = array<i64: 0, 48>,
                         rhs_panel = 48, …}}
    %1 = linalg.generic … {mercer.group = 0, mercer.dims = array<i64: 0, 1>}
    ```
  }];
  let options = [
    Option<"maxOps", "max-ops", "unsigned", "1024",
           "largest number of operations in a group">];
  let statistics = [
    Statistic<"numOps", "operations", "operations that compute">,
    Statistic<"numGroups", "groups", "groups formed">];
  let dependentDialects = ["::mlir::affine::AffineDialect",
    "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

#endif
