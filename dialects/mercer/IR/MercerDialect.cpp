//===- MercerDialect.cpp - registration of the mercer dialect -------------===//

#include "dialects/mercer/IR/Mercer.h"
#include "dialects/mercer/IR/PartialReduction.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mercer;

#include "dialects/mercer/IR/KernelInterface.cpp.inc"
#include "dialects/mercer/IR/MercerDialect.cpp.inc"
#include "dialects/mercer/IR/MercerEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/mercer/IR/MercerAttrs.cpp.inc"

void MercerDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/mercer/IR/MercerAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/mercer/IR/MercerOps.cpp.inc"
      >();
  attachPartialReductionModels(getContext());
}

LogicalResult BoundsAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 BoundsKind kind, TypedAttr value) {
  if ((kind == BoundsKind::Value) != bool(value))
    return emitError() << "expects a value exactly for the rule 'value', got '"
                       << stringifyBoundsKind(kind) << "' "
                       << (value ? "with" : "without") << " one";
  return success();
}

int64_t ReductionAttr::getNumStates() const {
  switch (getKind()) {
  case ReduceKind::None:
    return 0;
  case ReduceKind::Sum:
  case ReduceKind::Max:
  case ReduceKind::Min:
    return 1;
  case ReduceKind::LogSumExp:
  case ReduceKind::ArgMax:
  case ReduceKind::ArgMin:
    return 2;
  case ReduceKind::Softmax:
  case ReduceKind::SoftmaxZero:
    return 3;
  case ReduceKind::Custom:
    return -1;
  }
  return -1;
}

//===----------------------------------------------------------------------===//
// GridAttr
//===----------------------------------------------------------------------===//

int64_t GridAttr::getMappingId() const { return getDim(); }

bool GridAttr::isLinearMapping() const { return false; }

int64_t GridAttr::getRelativeIndex() const { return getDim(); }
