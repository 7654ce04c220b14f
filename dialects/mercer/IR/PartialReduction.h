//===- PartialReduction.h - splitting the reductions of contractions ------===//
#ifndef MERCER_DIALECTS_MERCER_IR_PARTIALREDUCTION_H
#define MERCER_DIALECTS_MERCER_IR_PARTIALREDUCTION_H

namespace mlir {
class MLIRContext;
}

namespace mercer {

/// Gives contract and window upstream's PartialReductionOpInterface.
void attachPartialReductionModels(mlir::MLIRContext *context);

} // namespace mercer

#endif
