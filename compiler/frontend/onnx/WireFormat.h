//===- WireFormat.h - protocol buffer wire format, read in place -*- C++
//-*-===//
//
// Mercer reads the wire format itself instead of generating classes with
// protoc: a generated parser copies every weight to the heap, and a field it
// copies cannot be referred to by its place in the file. The format is small:
// tag, varint, two fixed widths, length-delimited.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_COMPILER_FRONTEND_ONNX_WIREFORMAT_H
#define MERCER_COMPILER_FRONTEND_ONNX_WIREFORMAT_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Endian.h"
#include <cstdint>

namespace mercer::onnx {

enum class WireType : uint8_t {
  Varint = 0,
  Fixed64 = 1,
  Bytes = 2,
  StartGroup = 3,
  EndGroup = 4,
  Fixed32 = 5,
};

struct WireField {
  uint32_t number = 0;
  WireType type = WireType::Varint;
  uint64_t varint = 0;     ///< Varint fields
  llvm::StringRef payload; ///< the bytes of the value, whatever its type
};

/// Reads a varint at the front of `bytes` and drops it. False if it is cut off
/// or longer than ten bytes.
inline bool consumeVarint(llvm::StringRef &bytes, uint64_t &value) {
  value = 0;
  for (unsigned i = 0; i < 10 && i < bytes.size(); ++i) {
    uint8_t byte = static_cast<uint8_t>(bytes[i]);
    // The tenth byte holds bit 63 only.
    if (i == 9 && byte > 1)
      return false;
    value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if (!(byte & 0x80)) {
      bytes = bytes.drop_front(i + 1);
      return true;
    }
  }
  return false;
}

/// Iterates over the fields of one message.
class WireCursor {
public:
  explicit WireCursor(llvm::StringRef message) : rest(message) {}

  /// Reads the next field. False at the end of the message and on damage;
  /// `damage()` tells them apart.
  bool next(WireField &field) {
    if (rest.empty() || problem)
      return false;
    here = rest.data();
    uint64_t tag;
    if (!consumeVarint(rest, tag))
      return fail("a field tag is cut off");
    field.number = static_cast<uint32_t>(tag >> 3);
    field.type = static_cast<WireType>(tag & 7);
    if (tag >> 32 || field.number == 0)
      return fail("a field number is out of range");
    switch (field.type) {
    case WireType::Varint: {
      llvm::StringRef before = rest;
      if (!consumeVarint(rest, field.varint))
        return fail("a number is cut off");
      field.payload = before.take_front(before.size() - rest.size());
      return true;
    }
    case WireType::Fixed64:
      return take(8, field);
    case WireType::Fixed32:
      return take(4, field);
    case WireType::Bytes: {
      uint64_t length;
      if (!consumeVarint(rest, length))
        return fail("a length is cut off");
      return take(length, field);
    }
    default:
      return fail("a field has a wire type that ONNX does not use");
    }
  }

  /// What is wrong with the message, null if nothing is.
  const char *damage() const { return problem; }
  /// Where the last field starts.
  const char *position() const { return here; }

private:
  bool take(uint64_t length, WireField &field) {
    if (length > rest.size())
      return fail("a field is longer than the message that holds it");
    field.payload = rest.take_front(length);
    rest = rest.drop_front(length);
    return true;
  }
  bool fail(const char *what) {
    problem = what;
    return false;
  }

  llvm::StringRef rest;
  const char *here = nullptr;
  const char *problem = nullptr;
};

} // namespace mercer::onnx

#endif // MERCER_COMPILER_FRONTEND_ONNX_WIREFORMAT_H
