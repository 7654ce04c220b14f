//===- KernelData.cpp - an emulated kernel as constant data ---------------===//

#include "backends/emulator/KernelData.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mercer;

/// The source position, and the model's node if a location names one.
static std::string describe(Location location) {
  std::string node, position;
  location->walk([&](Location part) {
    if (auto name = dyn_cast<NameLoc>(part); name && node.empty())
      node = name.getName().str();
    if (auto file = dyn_cast<FileLineColLoc>(part); file && position.empty())
      position = (file.getFilename().getValue() + ":" + Twine(file.getLine()) +
                  ":" + Twine(file.getColumn()))
                     .str();
    return WalkResult::advance();
  });
  if (node.empty())
    return position.empty() ? "an unknown place" : position;
  return position.empty() ? node : position + " (" + node + ")";
}

uint32_t KernelData::addSite(Operation *op) {
  sites +=
      op->getName().getStringRef().str() + '\0' + describe(op->getLoc()) + '\0';
  return numSites++;
}

uint32_t KernelData::addBuffer(int64_t kind, int64_t number, int64_t bytes,
                               int64_t place, int64_t elements,
                               ArrayRef<int64_t> factors) {
  static_assert(sizeof(MercerEmuBuffer) == 6 * sizeof(int64_t));
  buffers.append({kind, number, bytes, place, elements,
                  static_cast<int64_t>(factors.size())});
  buffers.append(factors.begin(), factors.end());
  return numBuffers++;
}

LLVM::GlobalOp KernelData::write(ModuleOp module, Location loc,
                                 StringRef name) const {
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  MLIRContext *context = b.getContext();
  auto pointer = LLVM::LLVMPointerType::get(context);
  Type i64 = b.getI64Type();
  auto global = [&](StringRef what, Type element, size_t size, bool constant,
                    Attribute value) {
    return LLVM::GlobalOp::create(
        b, loc, LLVM::LLVMArrayType::get(element, size), constant,
        LLVM::Linkage::Internal, (name + what).str(), value, /*alignment=*/8);
  };
  auto text = [&](StringRef what, StringRef content) {
    return global(what, b.getI8Type(), content.size(), /*constant=*/true,
                  b.getStringAttr(content));
  };
  LLVM::GlobalOp nameText = text("_name", name.str() + '\0');
  LLVM::GlobalOp siteTexts = text("_sites", sites + '\0');
  // Never of no elements: a pointer to something is passed.
  SmallVector<int64_t> rows(buffers);
  rows.push_back(0);
  LLVM::GlobalOp bufferRows =
      global("_buffers", i64, rows.size(),
             /*constant=*/true, b.getI64TensorAttr(rows));
  constexpr size_t counterWords = sizeof(MercerEmuCounters) / 8;
  LLVM::GlobalOp counters =
      global("_counters", i64, counterWords, /*constant=*/false,
             b.getI64TensorAttr(SmallVector<int64_t>(counterWords, 0)));

  static_assert(sizeof(MercerEmuKernel) == 4 * sizeof(void *) + 5 * 8);
  auto type = LLVM::LLVMStructType::getLiteral(
      context, {pointer, pointer, pointer, pointer, i64, i64, i64, i64, i64});
  auto kernel = LLVM::GlobalOp::create(b, loc, type, /*isConstant=*/true,
                                       LLVM::Linkage::Internal,
                                       (name + "_kernel").str(), Attribute(),
                                       /*alignment=*/8);
  b.createBlock(&kernel.getInitializer());
  Value value = LLVM::UndefOp::create(b, loc, type);
  int64_t position = 0;
  for (LLVM::GlobalOp part : {nameText, siteTexts, bufferRows, counters})
    value = LLVM::InsertValueOp::create(
        b, loc, value, LLVM::AddressOfOp::create(b, loc, part), position++);
  for (int64_t number : {static_cast<int64_t>(numBuffers), threads, subgroup,
                         sharedBytes, maxBankConflicts})
    value = LLVM::InsertValueOp::create(
        b, loc, value,
        LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(number)),
        position++);
  LLVM::ReturnOp::create(b, loc, value);
  return kernel;
}
