//===- TargetInfo.cpp - reading and writing `mercer.target` ---------------===//

#include "dialects/mercer/IR/TargetInfo.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace mercer;

TargetInfo TargetInfo::get(Operation *op) {
  for (; op; op = op->getParentOp())
    if (auto attr = op->getAttrOfType<DictionaryAttr>(attrName()))
      return fromAttr(attr);
  return {};
}

DictionaryAttr TargetInfo::toAttr(MLIRContext *context) const {
  Builder b(context);
  auto named = [&](StringRef name, Attribute value) {
    return b.getNamedAttr(name, value);
  };
  SmallVector<NamedAttribute> entries = {
      named("kind", b.getStringAttr(kind)),
      named("cpu", b.getStringAttr(cpu)),
      named("features", b.getStringAttr(features)),
      named("vector_bits", b.getI64IntegerAttr(vectorBits)),
      named("vector_registers", b.getI64IntegerAttr(vectorRegisters)),
      named("l1", b.getI64IntegerAttr(l1Bytes)),
      named("l2", b.getI64IntegerAttr(l2Bytes)),
      named("fma", b.getBoolAttr(hasFma)),
      named("masked_access", b.getBoolAttr(hasMaskedAccess)),
  };
  if (isGpu()) {
    entries.push_back(named("threads", b.getI64IntegerAttr(threads)));
    entries.push_back(named("subgroup", b.getI64IntegerAttr(subgroup)));
    entries.push_back(named("shared", b.getI64IntegerAttr(sharedBytes)));
    entries.push_back(
        named("thread_registers", b.getI64IntegerAttr(threadRegisters)));
    entries.push_back(named("matrix_units", b.getBoolAttr(hasMatrixUnits)));
  }
  return b.getDictionaryAttr(entries);
}

TargetInfo TargetInfo::fromAttr(DictionaryAttr attr) {
  TargetInfo info;
  auto string = [&](StringRef name, std::string &field) {
    if (auto a = attr.getAs<StringAttr>(name))
      field = a.getValue().str();
  };
  auto integer = [&](StringRef name, int64_t &field) {
    if (auto a = attr.getAs<IntegerAttr>(name))
      field = a.getInt();
  };
  auto boolean = [&](StringRef name, bool &field) {
    if (auto a = attr.getAs<BoolAttr>(name))
      field = a.getValue();
  };
  string("kind", info.kind);
  string("cpu", info.cpu);
  string("features", info.features);
  integer("vector_bits", info.vectorBits);
  integer("vector_registers", info.vectorRegisters);
  integer("l1", info.l1Bytes);
  integer("l2", info.l2Bytes);
  boolean("fma", info.hasFma);
  boolean("masked_access", info.hasMaskedAccess);
  integer("threads", info.threads);
  integer("subgroup", info.subgroup);
  integer("shared", info.sharedBytes);
  integer("thread_registers", info.threadRegisters);
  boolean("matrix_units", info.hasMatrixUnits);
  return info;
}
