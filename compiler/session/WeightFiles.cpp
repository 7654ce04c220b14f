//===- WeightFiles.cpp - the bytes behind constants -----------------------===//

#include "compiler/session/WeightFiles.h"

#include "compiler/artifact/CodedError.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace mercer;

llvm::Expected<StringRef> WeightFiles::bytes(StringRef file, uint64_t offset,
                                             uint64_t length) {
  if (length == 0)
    return StringRef();
  SmallString<128> path(file);
  if (llvm::sys::path::is_relative(path)) {
    path = folder;
    llvm::sys::path::append(path, file);
  }
  auto &map = maps[path];
  if (!map) {
    llvm::Expected<llvm::sys::fs::file_t> handle =
        llvm::sys::fs::openNativeFileForRead(path);
    if (!handle) {
      llvm::consumeError(handle.takeError());
      return makeError(2001, "cannot open " + path);
    }
    llvm::scope_exit close([&] { llvm::sys::fs::closeFile(*handle); });
    llvm::sys::fs::file_status status;
    std::error_code error = llvm::sys::fs::status(*handle, status);
    if (!error && status.getSize() == 0)
      return makeError(2006, path + " is empty");
    if (!error)
      map = std::make_unique<llvm::sys::fs::mapped_file_region>(
          *handle, llvm::sys::fs::mapped_file_region::readonly,
          status.getSize(), 0, error);
    if (error) {
      map.reset();
      return makeError(2001, "cannot map " + path + ": " + error.message());
    }
  }
  if (offset > map->size() || length > map->size() - offset)
    return makeError(2006, "expects " + Twine(length) + " bytes at " +
                               Twine(offset) + " of " + path + ", which has " +
                               Twine(map->size()));
  return StringRef(map->const_data() + offset, length);
}

llvm::Expected<StringRef> WeightFiles::bytes(ElementsAttr value) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return makeError(2006, "a constant has no data");
    ArrayRef<char> data = blob->getData();
    return StringRef(data.data(), data.size());
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense || isa<DenseStringElementsAttr>(value))
    return makeError(3002, "a constant of this kind cannot be stored");
  Type element = dense.getElementType();
  int64_t count = dense.getNumElements();
  ArrayRef<char> raw = dense.getRawData();
  // Splats hold one element, booleans may hold bits.
  if (element.isInteger(1)) {
    std::string spread;
    spread.reserve(count);
    for (bool bit : dense.getValues<bool>())
      spread.push_back(bit ? 1 : 0);
    own.push_back(std::move(spread));
    return StringRef(own.back());
  }
  if (dense.isSplat() && count != 1) {
    std::string spread;
    spread.reserve(raw.size() * count);
    for (int64_t i = 0; i < count; ++i)
      spread.append(raw.data(), raw.size());
    own.push_back(std::move(spread));
    return StringRef(own.back());
  }
  return StringRef(raw.data(), raw.size());
}
