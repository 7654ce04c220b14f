//===- Mercer.h - the mercer dialect ----------------------------*- C++ -*-===//
//
// One include for users of the dialect: dialect class, attributes, operations.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_DIALECTS_MERCER_IR_MERCER_H
#define MERCER_DIALECTS_MERCER_IR_MERCER_H

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/DeviceMappingInterface.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/TilingInterface.h"

#include "dialects/mercer/IR/KernelInterface.h"

#include "dialects/mercer/IR/MercerDialect.h.inc"
#include "dialects/mercer/IR/MercerEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/mercer/IR/MercerAttrs.h.inc"

#define GET_OP_CLASSES
#include "dialects/mercer/IR/MercerOps.h.inc"

#endif
