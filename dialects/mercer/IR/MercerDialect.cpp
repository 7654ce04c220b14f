//===- MercerDialect.cpp - registration of the mercer dialect -------------===//

#include "dialects/mercer/IR/Mercer.h"

using namespace mercer;

#include "dialects/mercer/IR/MercerDialect.cpp.inc"

void MercerDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/mercer/IR/MercerOps.cpp.inc"
      >();
}

#define GET_OP_CLASSES
#include "dialects/mercer/IR/MercerOps.cpp.inc"
