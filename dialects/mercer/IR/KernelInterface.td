// KernelOpInterface: what schedulers and cost models ask of an operation.
#ifndef MERCER_KERNEL_INTERFACE_TD
#define MERCER_KERNEL_INTERFACE_TD

include "mlir/IR/OpBase.td"

def KernelOpInterface : OpInterface<"KernelOpInterface"> {
  let cppNamespace = "::mercer";
  let description = [{
    Iteration domain, work, traffic and legal tilings of a structural op. The
    loops are those of `TilingInterface`, in the same order. `dynamicExtent` is
    the value a caller wants assumed for extents that are not known statically.
  }];
  let methods = [
    InterfaceMethod<"Static extent of every loop, `kDynamic` where unknown",
      "::llvm::SmallVector<int64_t>", "getStaticLoopExtents", (ins)>,
    InterfaceMethod<"Indexing map of each operand in order, inits included",
      "::llvm::SmallVector<::mlir::AffineMap>", "getOperandMaps", (ins)>,
    InterfaceMethod<"Floating-point or integer operations of the whole op",
      "double", "getFlops", (ins "int64_t":$dynamicExtent)>,
    InterfaceMethod<"Bytes read and written when each operand moves once",
      "double", "getBytes", (ins "int64_t":$dynamicExtent)>,
    InterfaceMethod<[{
      What the grid may do with each loop: whether it may be tiled, and the
      number that tile sizes (other than 1) must be multiples of.
    }], "::llvm::SmallVector<::mercer::LoopRule>", "getLoopRules", (ins)>
  ];
}

#endif
