//===- Mercer.h - the mercer dialect ----------------------------*- C++ -*-===//
//
// One include for users of the dialect: dialect class and operations.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_DIALECTS_MERCER_IR_MERCER_H
#define MERCER_DIALECTS_MERCER_IR_MERCER_H

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/mercer/IR/MercerDialect.h.inc"

#define GET_OP_CLASSES
#include "dialects/mercer/IR/MercerOps.h.inc"

#endif
