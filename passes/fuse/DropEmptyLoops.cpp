//===- DropEmptyLoops.cpp - remove operations that visit nothing ----------===//
//
// A loop of static extent 0 makes an operation's result its destination. Later
// stages may then assume that every static extent is at least 1; tiles of
// size 0 have no meaning to them.
//
//===----------------------------------------------------------------------===//

#include "passes/fuse/Passes.h"

#include "dialects/mercer/IR/Mercer.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace mercer {
#define GEN_PASS_DEF_MERCERDROPEMPTYLOOPS
#include "passes/fuse/Passes.h.inc"
} // namespace mercer

/// False also where the extents are not known statically.
static bool visitsNothing(Operation *op) {
  SmallVector<int64_t> extents;
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
    extents = linalgOp.getStaticLoopRanges();
  else if (auto kernelOp = dyn_cast<mercer::KernelOpInterface>(op))
    extents = kernelOp.getStaticLoopExtents();
  return llvm::is_contained(extents, 0);
}

namespace {
struct DropEmptyLoops : mercer::impl::MercerDropEmptyLoopsBase<DropEmptyLoops> {
  using Base::Base;

  void runOnOperation() override {
    getOperation()->walk([&](DestinationStyleOpInterface op) {
      if (!op.hasPureTensorSemantics() || !visitsNothing(op))
        return;
      op->replaceAllUsesWith(op.getDpsInits());
      op->erase();
      ++numDropped;
    });
  }
};
} // namespace
